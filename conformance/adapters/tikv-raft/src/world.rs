//! The nodes, and what is under way between them.

use std::collections::BTreeMap;

use raft::eraftpb::{Message, MessageType};
use raft::{Config, RawNode, StateRole, Storage};
use serde_json::{Value as Json, json};
use slog::{Discard, Logger, o};

use crate::disk::Disk;
use crate::protocol::{Failure, Request, broken, refused, unsupported};

const CAPABILITIES: [&str; 11] = [
    "processes",
    "lost-tails",
    "timers",
    "messages",
    "quorum",
    "votes",
    "pre-vote",
    "no-pre-vote",
    "push",
    "opening-record",
    "eager-appends",
];

/// The quorum.
#[derive(Default)]
pub struct World {
    pre_vote: bool,
    nodes: BTreeMap<u64, Node>,
    /// What is under way, by id: oldest first.
    mail: BTreeMap<u64, Message>,
    last: u64,
}

/// A node is up, or down with its disk.
enum Node {
    Up(Box<RawNode<Disk>>),
    Down(Disk),
}

impl World {
    /// Does what is asked.
    pub fn act(&mut self, request: &Request) -> Result<Json, Failure> {
        match request.act.as_str() {
            "hello" => {
                return Ok(json!({ "version": 1, "name": "tikv-raft", "capabilities": CAPABILITIES }));
            }
            "build" => self.build(&request.quorum, request.pre_vote)?,
            "kill" => self.end(&request.node, false)?,
            "crash" => self.end(&request.node, true)?,
            "start" => self.start(&request.node)?,
            "expire" => self.expire(&request.node)?,
            "beat" => {
                let (id, node) = self.up(&request.node)?;
                node.ping();
                self.carry_out(id)?;
            }
            "pending" => return Ok(self.mail.iter().map(|(id, message)| envelope(*id, message)).collect()),
            "deliver" => {
                let message = self.letter(request.message)?;
                self.arrive(message)?;
                self.mail.remove(&request.message);
            }
            "duplicate" => {
                let message = self.letter(request.message)?;
                self.arrive(message)?;
            }
            "lose" => {
                self.letter(request.message)?;
                self.mail.remove(&request.message);
            }
            "append" => self.append(&request.node, &request.value)?,
            "view" => return self.view(&request.node),
            "bye" => {}
            other => return Err(unsupported(format!("no {other} here"))),
        }
        Ok(Json::Null)
    }

    fn build(&mut self, quorum: &[String], pre_vote: bool) -> Result<(), Failure> {
        *self = Self { pre_vote, ..Self::default() };
        let voters = quorum.iter().map(|name| id_of(name)).collect::<Result<Vec<u64>, Failure>>()?;
        for id in &voters {
            self.open(*id, Disk::new(voters.clone()))?;
        }
        Ok(())
    }

    /// A node comes up over a disk.
    fn open(&mut self, id: u64, disk: Disk) -> Result<(), Failure> {
        let config = Config {
            id,
            pre_vote: self.pre_vote,
            // One entry a message.
            max_size_per_msg: 0,
            ..Config::default()
        };
        let node = RawNode::new(&config, disk, &Logger::root(Discard, o!())).map_err(broken)?;
        self.nodes.insert(id, Node::Up(Box::new(node)));
        self.carry_out(id)
    }

    fn end(&mut self, name: &str, is_crash: bool) -> Result<(), Failure> {
        let (id, node) = self.up(name)?;
        let mut disk = node.store().clone();
        if is_crash {
            disk.crash();
        }
        self.nodes.insert(id, Node::Down(disk));
        Ok(())
    }

    fn start(&mut self, name: &str) -> Result<(), Failure> {
        let id = id_of(name)?;
        match self.nodes.get(&id) {
            Some(Node::Down(disk)) => {
                let disk = disk.clone();
                self.open(id, disk)
            }
            Some(Node::Up(_)) => Err(refused(format!("{name} is up"))),
            None => Err(refused(format!("there is no {name}"))),
        }
    }

    fn up(&mut self, name: &str) -> Result<(u64, &mut RawNode<Disk>), Failure> {
        let id = id_of(name)?;
        match self.nodes.get_mut(&id) {
            Some(Node::Up(node)) => Ok((id, node)),
            Some(Node::Down(_)) => Err(refused(format!("{name} is down"))),
            None => Err(refused(format!("there is no {name}"))),
        }
    }

    fn expire(&mut self, name: &str) -> Result<(), Failure> {
        let (id, node) = self.up(name)?;
        if node.raft.state == StateRole::Leader {
            return Err(unsupported("a leader's timer: check_quorum is off"));
        }
        node.campaign().map_err(broken)?;
        self.carry_out(id)
    }

    fn append(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        let (id, node) = self.up(name)?;
        if node.raft.state != StateRole::Leader {
            return Err(refused(format!("{name} does not lead")));
        }
        if value.is_empty() {
            return Err(refused("an empty value, which is the library's own no-op"));
        }
        node.propose(Vec::new(), value.as_bytes().to_vec()).map_err(|error| refused(error.to_string()))?;
        self.carry_out(id)
    }

    fn letter(&self, id: u64) -> Result<Message, Failure> {
        self.mail.get(&id).cloned().ok_or_else(|| refused(format!("there is no message {id}")))
    }

    fn arrive(&mut self, message: Message) -> Result<(), Failure> {
        let (id, node) = self.up(&name_of(message.to))?;
        node.step(message).map_err(broken)?;
        self.carry_out(id)
    }

    /// Deals with all that the library has ready, in the order that it demands.
    fn carry_out(&mut self, id: u64) -> Result<(), Failure> {
        let Some(Node::Up(node)) = self.nodes.get_mut(&id) else { return Ok(()) };
        let mut sent = Vec::new();
        while node.has_ready() {
            let mut ready = node.ready();
            // A leader's messages need not wait for its own disk.
            sent.extend(ready.take_messages());
            let disk = node.mut_store();
            disk.append(ready.entries());
            if let Some(hard_state) = ready.hs() {
                disk.set_hard_state(hard_state);
            }
            if ready.must_sync() {
                disk.flush();
            }
            sent.extend(ready.take_persisted_messages());
            let mut light = node.advance(ready);
            if let Some(commit) = light.commit_index() {
                node.mut_store().set_commit(commit);
            }
            sent.extend(light.take_messages());
            // There is no state machine: what is committed is applied by being seen.
            node.advance_apply();
        }
        for message in sent {
            self.last += 1;
            self.mail.insert(self.last, message);
        }
        Ok(())
    }

    fn view(&mut self, name: &str) -> Result<Json, Failure> {
        if matches!(self.nodes.get(&id_of(name)?), Some(Node::Down(_))) {
            return Ok(Json::Null);
        }
        let (_, node) = self.up(name)?;
        let raft = &node.raft;
        let role = match raft.state {
            StateRole::Leader => "leader",
            StateRole::Candidate | StateRole::PreCandidate => "candidate",
            StateRole::Follower if raft.leader_id == 0 => "unattached",
            StateRole::Follower => "follower",
        };
        let end = node.store().last_index().map_err(broken)? + 1;
        let context = raft::GetEntriesContext::empty(false);
        let entries = node.store().entries(1, end, None, context).map_err(broken)?;
        let log: Vec<Json> = entries
            .iter()
            .map(|entry| match entry.data.is_empty() {
                true => json!({ "epoch": entry.term }),
                false => json!({ "epoch": entry.term, "value": String::from_utf8_lossy(&entry.data) }),
            })
            .collect();
        let named = |id: u64| (id != 0).then(|| name_of(id));
        Ok(json!({
            "role": role,
            "epoch": raft.term,
            "leader": named(raft.leader_id),
            "voted": named(raft.vote),
            "log": log,
            "committed": raft.raft_log.committed,
        }))
    }
}

fn name_of(id: u64) -> String {
    format!("n{id}")
}

fn id_of(name: &str) -> Result<u64, Failure> {
    let id = name.strip_prefix('n').and_then(|digits| digits.parse().ok());
    id.filter(|id| *id != 0).ok_or_else(|| refused(format!("found {name:?}, expected the name of a node")))
}

fn envelope(id: u64, message: &Message) -> Json {
    let kind = match message.msg_type {
        MessageType::MsgRequestVote | MessageType::MsgRequestPreVote => "vote",
        MessageType::MsgRequestVoteResponse | MessageType::MsgRequestPreVoteResponse => "vote-answer",
        MessageType::MsgAppend | MessageType::MsgHeartbeat | MessageType::MsgSnapshot => "records",
        MessageType::MsgAppendResponse | MessageType::MsgHeartbeatResponse => "position",
        _ => "other",
    };
    let Message { term, index, log_term, commit, reject, .. } = message;
    let text = format!(
        "{:?}, term {term}, index {index}@{log_term}, {} entries, commit {commit}{}",
        message.msg_type,
        message.entries.len(),
        if *reject { ", rejected" } else { "" }
    );
    json!({ "id": id, "kind": kind, "from": name_of(message.from), "to": name_of(message.to), "text": text })
}
