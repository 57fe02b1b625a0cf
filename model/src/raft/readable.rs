//! A state as JSON: for reading, and to start from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::family::stains::{self, Stain};
use crate::voting::{Ballot, NOBODY};

use super::Raft;
use super::state::{ENTRIES_MAX, Entry, Kind, Log, Message, Parts, Progress, Role, STABILISED, State, stain};

/// A state of the cluster, for reading and for `--from`. Servers count from 1, entries read `x@2`: record x
/// of term 2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadableState {
    /// Each server.
    pub servers: Vec<ReadableServer>,
    /// What is in flight.
    #[serde(default)]
    pub messages: Vec<ReadableMessage>,
    /// Every entry that was ever committed, in order, and the term that committed it.
    #[serde(default)]
    pub committed: Vec<ReadableCommit>,
    /// The terms whose election was won.
    #[serde(default)]
    pub won: Vec<u8>,
    /// Records that clients appended so far.
    #[serde(default)]
    pub produced: u8,
    /// What steps broke so far: `term-won-twice`, `leader-rewrote`, `commit-went-back`.
    #[serde(default)]
    pub broken: Vec<String>,
    /// Whether the network is stable.
    #[serde(default)]
    pub stable: bool,
    /// The servers whose timer fired in this round of the stable network.
    #[serde(default)]
    pub fired: Vec<u8>,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadableServer {
    /// currentTerm.
    pub term: u8,
    /// votedFor.
    #[serde(default)]
    pub voted: Option<u8>,
    /// What it is.
    pub role: ReadableRole,
    /// Its log.
    pub log: Vec<String>,
    /// commitIndex.
    #[serde(default)]
    pub commit: u8,
    /// Entries at the end of the log that are not on disk yet.
    #[serde(default)]
    pub unflushed: u8,
    /// A candidate's votes.
    #[serde(default)]
    pub votes: Vec<u8>,
    /// The peers that a candidate asked since the network is stable.
    #[serde(default)]
    pub asked: Vec<u8>,
    /// What a leader knows of its peers.
    #[serde(default)]
    pub peers: Vec<ReadablePeer>,
}

/// What a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum ReadableRole {
    Follower,
    Candidate,
    Leader,
}

/// What a leader knows of a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadablePeer {
    /// The peer.
    pub server: u8,
    /// nextIndex.
    pub next: u8,
    /// matchIndex.
    #[serde(rename = "match")]
    pub matched: u8,
}

/// A committed entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadableCommit {
    /// The entry.
    pub entry: String,
    /// The term of the server that was the first to commit it.
    pub in_term: u8,
}

/// A message in flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadableMessage {
    /// Its kind.
    pub kind: ReadableKind,
    /// The sender.
    pub from: u8,
    /// The receiver.
    pub to: u8,
    /// The sender's term.
    pub term: u8,
    /// Granted, or successful.
    #[serde(default)]
    pub yes: bool,
    /// The last, previous, matched or refused index.
    #[serde(default)]
    pub index: u8,
    /// The term of the entry there.
    #[serde(default)]
    pub log_term: u8,
    /// The entry that it carries.
    #[serde(default)]
    pub entry: Option<String>,
    /// leaderCommit.
    #[serde(default)]
    pub commit: u8,
}

/// The kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum ReadableKind {
    VoteRequest,
    VoteReply,
    Append,
    AppendReply,
}

/// The names of the bits of `State::stain`.
const STAINS: [Stain; 3] = [
    (stain::TERM_WON_TWICE, "term-won-twice"),
    (stain::LEADER_REWROTE, "leader-rewrote"),
    (stain::COMMIT_WENT_BACK, "commit-went-back"),
];

/// The names of values; 0 is the no-op.
const VALUES: [&str; 4] = ["no-op", "x", "y", "z"];

/// The name of an entry's value.
pub(crate) fn value_of(entry: Entry) -> &'static str {
    VALUES[usize::from(entry.value())]
}

/// An entry as text: `x@2`.
pub(crate) fn entry_text(entry: Entry) -> String {
    format!("{}@{}", value_of(entry), entry.term())
}

impl Raft {
    pub(crate) fn to_readable(&self, state: &State) -> ReadableState {
        let nodes = usize::from(self.bounds.nodes);
        let committed = |index| ReadableCommit {
            entry: entry_text(state.committed.get(index)),
            in_term: state.committed_in(index),
        };
        ReadableState {
            servers: (0..nodes).map(|server| readable_server(state, server, nodes)).collect(),
            messages: state.in_flight().map(|message| readable_message(message.parts())).collect(),
            committed: (1..=state.committed.len()).map(committed).collect(),
            won: (0..8).filter(|term| state.won >> term & 1 != 0).collect(),
            produced: state.produced,
            broken: stains::names(&STAINS, state.stain),
            stable: state.is_stable(),
            fired: members(u32::from(state.calm & 0x1f)),
        }
    }

    pub(crate) fn state_of(&self, readable: &ReadableState) -> Result<State, String> {
        let nodes = self.bounds.nodes;
        if readable.servers.len() != usize::from(nodes) {
            let servers = readable.servers.len();
            return Err(format!(
                "the state has {servers} servers and the bounds {nodes}: try --nodes {servers}"
            ));
        }
        let mut state: State = bytemuck::Zeroable::zeroed();
        for (server, written) in readable.servers.iter().enumerate() {
            self.read_server(&mut state, server, written)
                .map_err(|why| format!("server {}: {why}", server + 1))?;
        }
        for (at, message) in readable.messages.iter().enumerate() {
            let message = self.read_message(message).map_err(|why| format!("message {}: {why}", at + 1))?;
            if !state.post(message, self.bounds.messages) {
                let found = readable.messages.len();
                return Err(format!("{found} messages are in flight: try --messages {found}"));
            }
        }
        for commit in &readable.committed {
            let index = state.committed.len() + 1;
            state.committed = self.pushed(state.committed, &commit.entry)?;
            let term = self.term(commit.in_term)?;
            state.committed_in |= u32::from(term) << (3 * (index - 1));
        }
        for &term in &readable.won {
            state.won |= 1 << self.term(term)?;
        }
        if readable.produced > self.bounds.records {
            let produced = readable.produced;
            return Err(format!("clients have appended {produced} records: try --records {produced}"));
        }
        state.produced = readable.produced;
        for broken in &readable.broken {
            let bit = stains::bit(&STAINS, broken);
            state.stain |= bit.ok_or_else(|| format!("nothing is called {broken}"))?;
        }
        state.calm = self.set_of(&readable.fired)? as u8 | if readable.stable { STABILISED } else { 0 };
        Ok(state)
    }

    fn read_server(&self, state: &mut State, server: usize, written: &ReadableServer) -> Result<(), String> {
        let voted = written.voted.map_or(Ok(NOBODY), |voted| self.server(voted).map(|_| voted))?;
        state.ballots[server] = Ballot { epoch: self.term(written.term)?, voted };
        for entry in &written.log {
            state.logs[server] = self.pushed(state.logs[server], entry)?;
        }
        let entries = state.logs[server].len();
        if written.commit > ENTRIES_MAX || written.unflushed > entries {
            return Err(format!("commit or unflushed lie beyond a log of {entries}"));
        }
        state.set_commit(server, written.commit);
        state.set_unflushed(server, written.unflushed);
        let progress = &mut state.progress[server];
        match written.role {
            ReadableRole::Candidate => {
                *progress = Progress(self.set_of(&written.votes)? | self.set_of(&written.asked)? << 8);
            }
            ReadableRole::Leader => {
                for peer in &written.peers {
                    if peer.next > ENTRIES_MAX + 1 || peer.matched > ENTRIES_MAX {
                        return Err(format!("next or match of {} lie beyond any log", peer.server));
                    }
                    progress.set(self.server(peer.server)?, peer.next, peer.matched);
                }
            }
            ReadableRole::Follower => {}
        }
        let knows = !(written.votes.is_empty() && written.asked.is_empty() && written.peers.is_empty());
        if knows && written.role == ReadableRole::Follower {
            return Err("a follower has neither votes nor peers".to_owned());
        }
        state.set_role(
            server,
            match written.role {
                ReadableRole::Follower => Role::Follower,
                ReadableRole::Candidate => Role::Candidate,
                ReadableRole::Leader => Role::Leader,
            },
        );
        Ok(())
    }

    fn read_message(&self, written: &ReadableMessage) -> Result<Message, String> {
        let kind = match written.kind {
            ReadableKind::VoteRequest => Kind::VoteRequest,
            ReadableKind::VoteReply => Kind::VoteReply,
            ReadableKind::Append => Kind::Append,
            ReadableKind::AppendReply => Kind::AppendReply,
        };
        let (from, to) = (self.server(written.from)?, self.server(written.to)?);
        if [written.index, written.commit].into_iter().any(|index| index > ENTRIES_MAX) {
            return Err("an index lies beyond any log".to_owned());
        }
        Ok(Parts {
            yes: written.yes,
            index: written.index,
            log_term: self.term(written.log_term)?,
            entry: written.entry.as_deref().map_or(Ok(Entry::NONE), |text| self.entry(text))?,
            commit: written.commit,
            ..Parts::new(kind, from, to, self.term(written.term)?)
        }
        .pack())
    }

    fn server(&self, id: u8) -> Result<usize, String> {
        let known = (1..=self.bounds.nodes).contains(&id);
        if known { Ok(usize::from(id) - 1) } else { Err(format!("there is no server {id}")) }
    }

    fn term(&self, term: u8) -> Result<u8, String> {
        if term <= self.bounds.terms {
            Ok(term)
        } else {
            Err(format!("term {term} is beyond the bounds: try --epochs {term}"))
        }
    }

    fn set_of(&self, servers: &[u8]) -> Result<u32, String> {
        servers.iter().try_fold(0, |set, &id| Ok(set | 1 << self.server(id)?))
    }

    fn entry(&self, text: &str) -> Result<Entry, String> {
        let unreadable = || format!("{text} is no entry: they read x@2, with x, y, z or no-op");
        let (value, term) = text.split_once('@').ok_or_else(unreadable)?;
        let value = VALUES.iter().position(|name| *name == value).ok_or_else(unreadable)?;
        let term = term.parse().ok().filter(|&term| term > 0).ok_or_else(unreadable)?;
        Ok(Entry::new(self.term(term)?, value as u8))
    }

    fn pushed(&self, log: Log, text: &str) -> Result<Log, String> {
        if log.len() == ENTRIES_MAX {
            return Err(format!("a log holds {ENTRIES_MAX} entries at most"));
        }
        Ok(log.with(self.entry(text)?))
    }
}

fn readable_server(state: &State, server: usize, nodes: usize) -> ReadableServer {
    let (log, ballot, progress) = (state.logs[server], state.ballots[server], state.progress[server]);
    let mut written = ReadableServer {
        term: ballot.epoch,
        voted: (ballot.voted != NOBODY).then_some(ballot.voted),
        role: ReadableRole::Follower,
        log: (1..=log.len()).map(|index| entry_text(log.get(index))).collect(),
        commit: state.commit(server),
        unflushed: state.unflushed(server),
        votes: Vec::new(),
        asked: Vec::new(),
        peers: Vec::new(),
    };
    match state.role(server) {
        Role::Follower => {}
        Role::Candidate => {
            written.role = ReadableRole::Candidate;
            written.votes = members(progress.0 & 0x1f);
            written.asked = members(progress.0 >> 8);
        }
        Role::Leader => {
            written.role = ReadableRole::Leader;
            let peer = |peer| ReadablePeer {
                server: peer as u8 + 1,
                next: progress.next(peer),
                matched: progress.matched(peer),
            };
            written.peers = (0..nodes).filter(|&peer| peer != server).map(peer).collect();
        }
    }
    written
}

fn readable_message(parts: Parts) -> ReadableMessage {
    ReadableMessage {
        kind: match parts.kind {
            Kind::VoteRequest => ReadableKind::VoteRequest,
            Kind::VoteReply => ReadableKind::VoteReply,
            Kind::Append => ReadableKind::Append,
            Kind::AppendReply => ReadableKind::AppendReply,
        },
        from: parts.from as u8 + 1,
        to: parts.to as u8 + 1,
        term: parts.term,
        yes: parts.yes,
        index: parts.index,
        log_term: parts.log_term,
        entry: parts.entry.is_some().then(|| entry_text(parts.entry)),
        commit: parts.commit,
    }
}

/// The servers of a set, counted from 1.
fn members(set: u32) -> Vec<u8> {
    (0..8).filter(|server| set >> server & 1 != 0).map(|server| server + 1).collect()
}
