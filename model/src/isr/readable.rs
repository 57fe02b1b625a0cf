//! A state as JSON: readable, and enough to start from.

use serde::{Deserialize, Serialize};

use super::Isr;
use super::state::{
    ALTER, Controller, DIVERGING, EMPTY, FETCH, Follower, Ghost, LEADS, MESSAGES_MAX, Message, NOBODY,
    NODES_MAX, Node, RECORDS, RECORDS_MAX, REFUSED, State, TRUSTING, UNCLEAN, UP, epoch_of, members, record,
    value_of,
};

/// A state. Replicas are numbered from 1, as in stories; 0 is nobody, or the controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Readable {
    /// The replicas.
    pub replicas: Vec<ReadableReplica>,
    /// The controller's register.
    pub controller: ReadableController,
    /// In flight.
    pub messages: Vec<ReadableMessage>,
    /// What claims and bounds remember.
    pub history: ReadableHistory,
}

/// A replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReadableReplica {
    /// Whether the process runs.
    pub up: bool,
    /// Whether it presumes to lead `epoch`.
    pub leads: bool,
    /// Whether it crashed uncleanly and was not in the ISR since.
    pub unclean: bool,
    /// Whether its fetches skip the comparison of logs.
    pub trusting: bool,
    /// The leader epoch it has learned; 0 is none.
    pub epoch: u8,
    /// Its log, each record as `x@1`: value and epoch.
    pub log: Vec<String>,
    /// Its high watermark.
    pub high_watermark: u8,
    /// A leader's committed ISR.
    pub isr: Vec<u8>,
    /// A leader's proposed ISR.
    pub proposed: Vec<u8>,
    /// A leader's partition epoch.
    pub partition_epoch: u8,
    /// Where a leader's epoch starts.
    pub start: u8,
    /// What a leader knows of each follower: (log end offset, broker epoch), or nothing.
    pub followers: Vec<Option<(u8, u8)>>,
}

/// The controller's register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReadableController {
    /// The leader epoch.
    pub epoch: u8,
    /// The leader, 0 where there is none.
    pub leader: u8,
    /// The ISR.
    pub isr: Vec<u8>,
    /// The eligible leader replicas.
    pub elr: Vec<u8>,
    /// The fenced brokers.
    pub fenced: Vec<u8>,
    /// The partition epoch.
    pub partition_epoch: u8,
    /// The broker epoch of each broker.
    pub broker_epochs: Vec<u8>,
    /// Who led each epoch from 1, as far as anybody still cares.
    pub leaders: Vec<u8>,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReadableMessage {
    /// `fetch`, `records`, `diverging`, `alter-partition` or `ineligible`.
    pub kind: String,
    /// The sender, 0 is the controller.
    pub from: u8,
    /// The receiver, 0 is the controller.
    pub to: u8,
    /// The leader epoch.
    pub epoch: u8,
    /// The broker epoch of the follower.
    pub broker_epoch: u8,
    /// The fetch offset.
    pub offset: u8,
    /// Last fetched epoch, record, diverging end or ISR with its version, packed as in [`Message`].
    pub body: u8,
    /// High watermark, or broker epochs, packed as in [`Message`].
    pub tail: u8,
}

/// What claims and bounds remember.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReadableHistory {
    /// Records produced.
    pub produced: u8,
    /// The values that were acknowledged.
    pub acknowledged: String,
    /// The values that a consumer may have read.
    pub exposed: String,
    /// Bits of what happened in steps.
    pub stain: u8,
    /// Processes that stopped.
    pub crashes: u8,
    /// Whether faults have ceased.
    pub stable: bool,
}

const VALUES: [char; RECORDS_MAX] = ['x', 'y', 'z', 'w'];
const MESSAGE_KINDS: [&str; 5] = ["fetch", "records", "diverging", "alter-partition", "ineligible"];

fn list(mask: u8) -> Vec<u8> {
    members(mask).map(|node| node + 1).collect()
}

fn number(node: u8) -> u8 {
    if node == NOBODY { 0 } else { node + 1 }
}

fn letters(mask: u8) -> String {
    (0..RECORDS_MAX).filter(|bit| mask & 1 << bit != 0).map(|bit| VALUES[bit]).collect()
}

/// The readable form of a state.
pub(super) fn read(model: &Isr, state: &State) -> Readable {
    let nodes = model.bounds.nodes as usize;
    let controller = &state.controller;
    Readable {
        replicas: state.nodes[..nodes].iter().map(|node| read_replica(node, nodes)).collect(),
        controller: ReadableController {
            epoch: controller.epoch,
            leader: number(controller.leader),
            isr: list(controller.isr),
            elr: list(controller.elr),
            fenced: list(controller.fenced),
            partition_epoch: controller.partition_epoch,
            broker_epochs: controller.broker_epochs[..nodes].to_vec(),
            leaders: (1..=controller.epoch).map(|epoch| number(controller.leader_of(epoch))).collect(),
        },
        messages: state.messages.iter().filter(|message| message.kind() != EMPTY).map(read_message).collect(),
        history: ReadableHistory {
            produced: state.ghost.produced,
            acknowledged: letters(state.ghost.acknowledged),
            exposed: letters(state.ghost.exposed),
            stain: state.ghost.stain,
            crashes: state.ghost.crashes,
            stable: state.ghost.stable != 0,
        },
    }
}

fn read_replica(node: &Node, nodes: usize) -> ReadableReplica {
    let written = |&record: &u8| format!("{}@{}", VALUES[value_of(record) as usize], epoch_of(record));
    ReadableReplica {
        up: node.is_up(),
        leads: node.status & LEADS != 0,
        unclean: node.is_unclean(),
        trusting: node.status & TRUSTING != 0,
        epoch: node.epoch,
        log: node.log[..node.leo() as usize].iter().map(written).collect(),
        high_watermark: node.high_watermark,
        isr: list(node.isr()),
        proposed: list(node.pending()),
        partition_epoch: node.partition_epoch,
        start: node.start,
        followers: node.followers[..nodes]
            .iter()
            .map(|&known| Follower::unpack(known).map(|known| (known.leo, known.broker_epoch)))
            .collect(),
    }
}

fn read_message(message: &Message) -> ReadableMessage {
    ReadableMessage {
        kind: MESSAGE_KINDS[message.kind() as usize - 1].to_owned(),
        from: number(message.from()),
        to: number(message.to()),
        epoch: message.epoch(),
        broker_epoch: message.broker_epoch(),
        offset: message.offset(),
        body: message.body,
        tail: message.tail,
    }
}

/// The state that a reader wrote.
pub(super) fn write(model: &Isr, readable: &Readable) -> Result<State, String> {
    let nodes = model.bounds.nodes;
    let mut state: State = bytemuck::Zeroable::zeroed();
    if readable.replicas.len() != nodes as usize {
        return Err(format!("replicas: {} given, --nodes says {nodes}", readable.replicas.len()));
    }
    let fetches =
        readable.messages.iter().filter(|message| MESSAGE_KINDS[..3].contains(&message.kind.as_str()));
    let fetches = fetches.count();
    if fetches > model.bounds.messages as usize || readable.messages.len() > MESSAGES_MAX {
        return Err(format!(
            "messages: {} given, {fetches} of them fetches; --messages allows {} of these, and {MESSAGES_MAX} in all",
            readable.messages.len(),
            model.bounds.messages
        ));
    }
    for (index, replica) in readable.replicas.iter().enumerate() {
        state.nodes[index] = write_replica(replica, nodes).map_err(|why| format!("n{}: {why}", index + 1))?;
    }
    state.controller = write_controller(model, &readable.controller)?;
    for (slot, message) in readable.messages.iter().enumerate().take(MESSAGES_MAX) {
        state.messages[slot] = write_message(message, nodes)?;
    }
    state.sort_messages();
    let history = &readable.history;
    let produced = (1u8 << history.produced.min(RECORDS_MAX as u8)) - 1;
    for (index, node) in state.nodes.iter().enumerate() {
        let values = node.values_below(node.leo());
        if values & !produced != 0 || values.count_ones() != u32::from(node.leo()) {
            return Err(format!(
                "n{}: its log holds a record twice, or one that was not produced",
                index + 1
            ));
        }
    }
    state.ghost = Ghost {
        produced: at_most("produced", history.produced, model.bounds.records)?,
        acknowledged: mask_of_letters(&history.acknowledged)?,
        exposed: mask_of_letters(&history.exposed)?,
        stain: history.stain,
        crashes: at_most("crashes", history.crashes, model.bounds.crashes)?,
        stable: u8::from(history.stable),
    };
    Ok(state)
}

fn write_replica(replica: &ReadableReplica, nodes: u8) -> Result<Node, String> {
    let mut node: Node = bytemuck::Zeroable::zeroed();
    if replica.log.len() > RECORDS_MAX {
        return Err(format!("log: {} records, at most {RECORDS_MAX}", replica.log.len()));
    }
    for (offset, text) in replica.log.iter().enumerate() {
        node.log[offset] = write_record(text)?;
    }
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    node.status = flag(replica.up, UP)
        | flag(replica.leads, LEADS)
        | flag(replica.unclean, UNCLEAN)
        | flag(replica.trusting, TRUSTING);
    node.high_watermark = at_most("high-watermark", replica.high_watermark, node.leo())?;
    node.epoch = at_most("epoch", replica.epoch, super::state::EPOCHS_MAX)?;
    node.isr_pending = mask_of(&replica.isr, nodes)? | mask_of(&replica.proposed, nodes)? << 4;
    node.partition_epoch = at_most("partition-epoch", replica.partition_epoch, 15)?;
    node.start = at_most("start", replica.start, RECORDS_MAX as u8)?;
    if replica.followers.len() != nodes as usize {
        return Err(format!("followers: {} given, one a replica wanted", replica.followers.len()));
    }
    for (index, known) in replica.followers.iter().enumerate() {
        if let Some((leo, broker_epoch)) = *known {
            let leo = at_most("followers", leo, RECORDS_MAX as u8)?;
            node.followers[index] =
                Follower { leo, broker_epoch: at_most("followers", broker_epoch, 3)? }.pack();
        }
    }
    Ok(node)
}

fn write_record(text: &str) -> Result<u8, String> {
    let wrong = || format!("record {text:?}: write it as x@1, the value x, y, z or w and the epoch");
    let (value, epoch) = text.split_once('@').ok_or_else(wrong)?;
    let value = VALUES.iter().position(|letter| value == letter.to_string()).ok_or_else(wrong)?;
    let epoch: u8 = epoch.parse().map_err(|_| wrong())?;
    if !(1..=super::state::EPOCHS_MAX).contains(&epoch) {
        return Err(wrong());
    }
    Ok(record(epoch, value as u8))
}

fn write_controller(model: &Isr, readable: &ReadableController) -> Result<Controller, String> {
    let nodes = model.bounds.nodes;
    let mut controller = Controller {
        epoch: at_most("controller epoch", readable.epoch, model.bounds.epochs)?,
        leader: index_of(readable.leader, nodes)?,
        isr: mask_of(&readable.isr, nodes)?,
        elr: mask_of(&readable.elr, nodes)?,
        fenced: mask_of(&readable.fenced, nodes)?,
        partition_epoch: at_most("partition-epoch", readable.partition_epoch, model.bounds.changes)?,
        broker_epochs: [0; NODES_MAX],
        leaders: 0,
    };
    if readable.broker_epochs.len() != nodes as usize || readable.leaders.len() != readable.epoch as usize {
        return Err("controller: one broker epoch a replica and one leader an epoch, please".to_owned());
    }
    for (index, &epoch) in readable.broker_epochs.iter().enumerate() {
        controller.broker_epochs[index] = at_most("broker-epochs", epoch, 3)?;
    }
    for (epoch, &leader) in readable.leaders.iter().enumerate() {
        controller.leaders |= index_of(leader, nodes)? << (2 * epoch);
    }
    Ok(controller)
}

fn write_message(readable: &ReadableMessage, nodes: u8) -> Result<Message, String> {
    let kind = MESSAGE_KINDS
        .iter()
        .position(|kind| *kind == readable.kind)
        .ok_or_else(|| format!("message kind {:?}: one of {}", readable.kind, MESSAGE_KINDS.join(", ")))?;
    let kind = [FETCH, RECORDS, DIVERGING, ALTER, REFUSED][kind];
    let mut message = Message::new(
        kind,
        index_of(readable.from, nodes)?,
        index_of(readable.to, nodes)?,
        at_most("message epoch", readable.epoch, super::state::EPOCHS_MAX)?,
        at_most("message broker-epoch", readable.broker_epoch, 3)?,
        at_most("message offset", readable.offset, RECORDS_MAX as u8)?,
    );
    let ends = match kind {
        ALTER => message.from() != NOBODY && message.to() == NOBODY,
        REFUSED => message.from() == NOBODY && message.to() != NOBODY,
        _ => message.from() != NOBODY && message.to() != NOBODY,
    };
    if !ends {
        return Err(format!(
            "message {}: from {} to {} cannot be",
            readable.kind, readable.from, readable.to
        ));
    }
    let carries = kind == RECORDS && readable.body != 0;
    let sound = (1..=super::state::EPOCHS_MAX).contains(&epoch_of(readable.body))
        && (1..=RECORDS_MAX as u8).contains(&(readable.body & 0xf))
        && readable.offset < RECORDS_MAX as u8;
    if carries && !sound {
        return Err(format!(
            "message records: body {} at offset {} is no record",
            readable.body, readable.offset
        ));
    }
    message.body = readable.body;
    message.tail = readable.tail;
    Ok(message)
}

fn at_most(what: &str, value: u8, limit: u8) -> Result<u8, String> {
    if value <= limit { Ok(value) } else { Err(format!("{what}: {value} is above the limit {limit}")) }
}

fn index_of(number: u8, nodes: u8) -> Result<u8, String> {
    match number {
        0 => Ok(NOBODY),
        number if number <= nodes => Ok(number - 1),
        number => Err(format!("replica {number}: there are {nodes}")),
    }
}

fn mask_of(numbers: &[u8], nodes: u8) -> Result<u8, String> {
    numbers.iter().try_fold(0, |mask, &number| match index_of(number, nodes)? {
        NOBODY => Err("replica 0 is nobody".to_owned()),
        index => Ok(mask | 1 << index),
    })
}

fn mask_of_letters(letters: &str) -> Result<u8, String> {
    letters.chars().try_fold(0, |mask, letter| {
        let bit = VALUES.iter().position(|&value| value == letter);
        bit.map(|bit| mask | 1 << bit).ok_or_else(|| format!("value {letter:?}: one of x, y, z, w"))
    })
}
