//! A state as JSON: for reading, and to start from.

use serde::{Deserialize, Serialize};

use super::Kraft;
use super::state::{
    Fields, LOG_MAX, Leaders, Log, Message, Node, Record, STABLE, State, kind, record, record_epoch,
    record_value, role, stain,
};
use super::story::{node_name, record_name, value_name, voter_name};
use crate::family::stains::{self, Stain};
use crate::voting::{Ballot, NOBODY};

/// A state of the quorum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReadableState {
    /// The voters, n1 first.
    pub voters: Vec<ReadableVoter>,
    /// Messages in flight.
    #[serde(default)]
    pub messages: Vec<ReadableMessage>,
    /// The longest log that any leader's high watermark ever passed: records such as `x@2`.
    #[serde(default)]
    pub committed: Vec<String>,
    /// The largest epoch whose leader committed something new; 0 for none.
    #[serde(default)]
    pub committed_in: u8,
    /// Who won each epoch that still matters, epoch 1 first; `-` for nobody.
    #[serde(default)]
    pub leaders: Vec<String>,
    /// What went wrong in a step: `second-leader`, `leader-log-cut`, `high-watermark-back`.
    #[serde(default)]
    pub stains: Vec<String>,
    /// Client records so far.
    #[serde(default)]
    pub produced: u8,
    /// Restarts so far.
    #[serde(default)]
    pub restarts: u8,
    /// Resignations so far.
    #[serde(default)]
    pub resignations: u8,
    /// Duplicated messages so far.
    #[serde(default)]
    pub duplicates: u8,
    /// Whether nothing fails any more.
    #[serde(default)]
    pub stable: bool,
}

/// A voter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReadableVoter {
    /// `unattached`, `follower`, `candidate`, `leader`, `resigned` or `gone`.
    pub role: String,
    /// Its epoch.
    pub epoch: u8,
    /// Whom it voted for in that epoch, such as `n2`; `-` for nobody.
    #[serde(default = "nobody")]
    pub voted: String,
    /// The leader that it knows; `-` for none.
    #[serde(default = "nobody")]
    pub leader: String,
    /// Records such as `x@2`, from offset 0.
    #[serde(default)]
    pub log: Vec<String>,
    /// Records below it are on disk.
    #[serde(default)]
    pub flushed: u8,
    /// Records below it are committed as far as it knows.
    #[serde(default)]
    pub high_watermark: u8,
    /// A leader: how far each voter has fetched; a candidate: 1 for each vote. n1 first.
    #[serde(default)]
    pub progress: Vec<u8>,
    /// The epoch of its last campaign whose requests may still arrive; 0 for none.
    #[serde(default)]
    pub asked_epoch: u8,
    /// The end offset of its log when it campaigned.
    #[serde(default)]
    pub asked_end: u8,
    /// The epoch of its last record when it campaigned.
    #[serde(default)]
    pub asked_last: u8,
    /// Whether its disk was lost.
    #[serde(default)]
    pub wiped: bool,
    /// Whether its timer ran out in this round of timers.
    #[serde(default)]
    pub fired: bool,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReadableMessage {
    /// `vote-granted`, `fetch`, `records` or `diverging`.
    pub kind: String,
    /// The sender.
    pub from: String,
    /// The receiver.
    pub to: String,
    /// The sender's epoch.
    pub epoch: u8,
    /// Of a fetch and its answers: the fetch offset.
    #[serde(default)]
    pub offset: u8,
    /// Of a fetch and its answers: the last fetched epoch.
    #[serde(default)]
    pub fetched_epoch: u8,
    /// Of `records`: the record, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// Of `diverging`: the diverging epoch.
    #[serde(default)]
    pub diverging_epoch: u8,
    /// Of `diverging`: where that epoch ends in the leader's log.
    #[serde(default)]
    pub diverging_end: u8,
    /// Of answers: the leader's high watermark.
    #[serde(default)]
    pub high_watermark: u8,
}

fn nobody() -> String {
    voter_name(NOBODY)
}

const STAINS: [Stain; 3] = [
    (stain::SECOND_LEADER, "second-leader"),
    (stain::LEADER_LOG_CUT, "leader-log-cut"),
    (stain::HIGH_WATERMARK_BACK, "high-watermark-back"),
];

impl Kraft {
    pub(super) fn write(&self, state: &State) -> ReadableState {
        let epochs = (1..=7).rev().find(|epoch| state.leaders.get(*epoch) != NOBODY).unwrap_or(0);
        ReadableState {
            voters: (0..usize::from(self.bounds.nodes)).map(|index| self.voter(state, index)).collect(),
            messages: state.in_flight().map(|message| message_to_readable(message.fields())).collect(),
            committed: state.committed.records().map(record_name).collect(),
            committed_in: state.committed_in,
            leaders: (1..=epochs).map(|epoch| voter_name(state.leaders.get(epoch))).collect(),
            stains: stains::names(&STAINS, state.stain),
            produced: state.produced,
            restarts: state.restarts,
            resignations: state.resignations,
            duplicates: state.duplicates,
            stable: state.is_stable(),
        }
    }

    fn voter(&self, state: &State, index: usize) -> ReadableVoter {
        let node = &state.nodes[index];
        ReadableVoter {
            role: role::NAMES[usize::from(node.role)].to_owned(),
            epoch: node.ballot.epoch,
            voted: voter_name(node.ballot.voted),
            leader: voter_name(node.leader),
            log: node.log.records().map(record_name).collect(),
            flushed: node.flushed,
            high_watermark: node.high_watermark,
            progress: (0..usize::from(self.bounds.nodes)).map(|other| node.progress.get(other)).collect(),
            asked_epoch: node.asked,
            asked_end: node.asked_end,
            asked_last: node.asked_last,
            wiped: state.wiped >> index & 1 == 1,
            fired: state.calm >> index & 1 == 1,
        }
    }

    pub(super) fn read(&self, readable: &ReadableState) -> Result<State, String> {
        let voters = usize::from(self.bounds.nodes);
        if readable.voters.len() != voters {
            return Err(format!("voters: {} given, --nodes is {voters}", readable.voters.len()));
        }
        let mut state: State = bytemuck::Zeroable::zeroed();
        for (index, voter) in readable.voters.iter().enumerate() {
            let name = node_name(index);
            state.nodes[index] = self.node(voter).map_err(|error| format!("{name}: {error}"))?;
            state.wiped |= u8::from(voter.wiped) << index;
            state.calm |= u8::from(voter.fired) << index;
        }
        if readable.messages.len() > usize::from(self.bounds.messages) {
            let given = readable.messages.len();
            return Err(format!("messages: {given} in flight, --messages is {}", self.bounds.messages));
        }
        for message in &readable.messages {
            state.send(self.message(message)?);
        }
        state.committed = log(&readable.committed).map_err(|error| format!("committed: {error}"))?;
        state.committed_in = self.epoch(readable.committed_in)?;
        if readable.leaders.len() > usize::from(self.bounds.epochs) {
            return Err(format!("leaders: more than --epochs {}", self.bounds.epochs));
        }
        let mut leaders = Leaders::default();
        for (epoch, leader) in (1..).zip(&readable.leaders) {
            leaders.set(epoch, self.voter_id(leader)?);
        }
        state.leaders = leaders;
        for name in &readable.stains {
            let bit = stains::bit(&STAINS, name);
            state.stain |= bit.ok_or_else(|| format!("stains: no such stain: {name}"))?;
        }
        state.produced = at_most("produced", readable.produced, 3)?;
        state.restarts = at_most("restarts", readable.restarts, self.bounds.restarts)?;
        state.resignations = at_most("resignations", readable.resignations, self.bounds.resignations)?;
        state.duplicates = at_most("duplicates", readable.duplicates, self.bounds.duplicates)?;
        state.calm |= if readable.stable { STABLE } else { 0 };
        Ok(state)
    }

    fn node(&self, voter: &ReadableVoter) -> Result<Node, String> {
        let role = role::NAMES.iter().position(|name| *name == voter.role);
        let mut node = Node {
            log: log(&voter.log)?,
            ballot: Ballot { epoch: self.epoch(voter.epoch)?, voted: self.voter_id(&voter.voted)? },
            role: role.ok_or_else(|| format!("no such role: {}", voter.role))? as u8,
            leader: self.voter_id(&voter.leader)?,
            asked: self.epoch(voter.asked_epoch)?,
            asked_last: self.epoch(voter.asked_last)?,
            asked_end: at_most("asked-end", voter.asked_end, LOG_MAX)?,
            ..bytemuck::Zeroable::zeroed()
        };
        node.flushed = at_most("flushed", voter.flushed, node.log.len())?;
        node.high_watermark = at_most("high-watermark", voter.high_watermark, LOG_MAX)?;
        if node.role == role::FOLLOWER && node.leader == NOBODY {
            return Err("a follower follows somebody: leader is missing".to_owned());
        }
        if node.leads() && node.ballot.epoch == 0 {
            return Err("nobody leads epoch 0".to_owned());
        }
        if voter.progress.len() > usize::from(self.bounds.nodes) {
            return Err("progress: more than there are voters".to_owned());
        }
        for (index, value) in voter.progress.iter().enumerate() {
            node.progress.set(index, at_most("progress", *value, LOG_MAX)?);
        }
        Ok(node)
    }

    fn message(&self, message: &ReadableMessage) -> Result<Message, String> {
        let kind = kind::NAMES.iter().position(|name| *name == message.kind).filter(|kind| *kind > 0);
        let kind = kind.ok_or_else(|| format!("messages: no such kind: {}", message.kind))? as u8;
        let index = |name: &str| {
            let id = self.voter_id(name)?;
            id.checked_sub(1).map(usize::from).ok_or_else(|| "messages: from and to are voters".to_owned())
        };
        let record = match (&message.record, kind) {
            (Some(name), kind::RECORDS) => record_of(name)?,
            (None, kind::DIVERGING) => at_most("diverging-end", message.diverging_end, LOG_MAX)?,
            (None, _) => 0,
            (Some(_), _) => return Err(format!("messages: a {} has no record", message.kind)),
        };
        let fetched = self.epoch(message.fetched_epoch)?;
        let (last, fetched) = match kind {
            kind::FETCH => (fetched, 0),
            _ => (self.epoch(message.diverging_epoch)?, fetched),
        };
        Ok(Message::new(Fields {
            kind,
            from: index(&message.from)?,
            to: index(&message.to)?,
            epoch: self.epoch(message.epoch)?,
            offset: at_most("offset", message.offset, LOG_MAX)?,
            last,
            record,
            high_watermark: at_most("high-watermark", message.high_watermark, LOG_MAX)?,
            fetched,
        }))
    }

    fn epoch(&self, epoch: u8) -> Result<u8, String> {
        at_most("epoch", epoch, self.bounds.epochs)
    }

    fn voter_id(&self, name: &str) -> Result<u8, String> {
        (NOBODY..=self.bounds.nodes)
            .find(|id| voter_name(*id) == name)
            .ok_or_else(|| format!("no such voter: {name}; --nodes is {}", self.bounds.nodes))
    }
}

fn message_to_readable(fields: Fields) -> ReadableMessage {
    let diverging = fields.kind == kind::DIVERGING;
    ReadableMessage {
        kind: kind::NAMES[usize::from(fields.kind)].to_owned(),
        from: node_name(fields.from),
        to: node_name(fields.to),
        epoch: fields.epoch,
        offset: fields.offset,
        fetched_epoch: if fields.kind == kind::FETCH { fields.last } else { fields.fetched },
        record: (fields.kind == kind::RECORDS && fields.record != 0).then(|| record_name(fields.record)),
        diverging_epoch: if diverging { fields.last } else { 0 },
        diverging_end: if diverging { fields.record } else { 0 },
        high_watermark: fields.high_watermark,
    }
}

fn at_most(name: &str, value: u8, max: u8) -> Result<u8, String> {
    if value <= max { Ok(value) } else { Err(format!("{name}: {value} is more than {max}")) }
}

fn log(names: &[String]) -> Result<Log, String> {
    if names.len() > usize::from(LOG_MAX) {
        return Err(format!("log: {} records are more than {LOG_MAX}", names.len()));
    }
    names.iter().try_fold(Log::default(), |log, name| Ok(log.with(record_of(name)?)))
}

fn record_of(name: &str) -> Result<Record, String> {
    (1..=7)
        .flat_map(|epoch| (0..=3).map(move |value| record(epoch, value)))
        .find(|record| record_name(*record) == name)
        .ok_or_else(|| {
            let (first, last) = (record(1, 0), record(7, 3));
            let example = format!("{}@{}", value_name(record_value(last)), record_epoch(first));
            format!("no such record: {name}; records read like {example}")
        })
}
