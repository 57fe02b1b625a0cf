//! The cluster as it is seen from outside: what the view shows and `status` tells.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::layout::Layout;
use crate::links::Link;

/// So many events are kept.
const EVENTS_MAX: usize = 200;

/// What is known of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterState {
    /// `cluster.id`.
    pub cluster_id: String,
    /// The nodes, in the order of their ids.
    pub nodes: Vec<NodeState>,
    /// The links that are cut: what goes from the first to the second.
    pub cuts: BTreeSet<Link>,
    /// The metadata quorum, as its leader tells.
    pub quorum: Option<QuorumState>,
    /// The partitions, by topic and number.
    pub partitions: Vec<PartitionState>,
    /// Whether there are more partitions than those.
    pub more_partitions: bool,
    /// What happened lately, the newest last.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub events: VecDeque<Event>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeState {
    /// `node.id`.
    pub id: i32,
    /// `process.roles`.
    pub roles: String,
    /// Where clients reach it; none if it is no broker.
    pub address: Option<SocketAddr>,
    /// What its process does.
    pub process: ProcessState,
    /// Its process, if there is one.
    pub pid: Option<u32>,
    /// What it says of the quorum; none if it does not answer.
    pub quorum: Option<QuorumBelief>,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessState {
    /// It runs, and does not serve yet.
    Starting,
    /// It serves.
    Running,
    /// It is stopped with SIGSTOP.
    Paused,
    /// It was told to stop.
    Stopping,
    /// It was stopped in good order.
    Stopped,
    /// It was killed.
    Killed,
    /// It ended by itself.
    Failed,
}

impl ProcessState {
    /// Whether there is a process.
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Paused | Self::Stopping)
    }
}

impl fmt::Display for ProcessState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Killed => "killed",
            Self::Failed => "failed",
        })
    }
}

/// What a node takes for the quorum's leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuorumBelief {
    /// The leader; none if it knows of none.
    pub leader: Option<i32>,
    /// Its epoch.
    pub epoch: i32,
}

/// The metadata quorum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuorumState {
    /// Who says so: the leader with the highest epoch.
    pub leader: i32,
    /// Its epoch.
    pub epoch: i32,
    /// Of the metadata log.
    pub high_watermark: i64,
    /// Where the logs of voters end, as the leader knows.
    pub ends: BTreeMap<i32, i64>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionState {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// The leader; none if there is none.
    pub leader: Option<i32>,
    /// Its epoch.
    pub leader_epoch: i32,
    /// The in-sync replicas.
    pub isr: Vec<i32>,
    /// The eligible leader replicas.
    pub elr: Vec<i32>,
    /// All replicas, in the order of assignment.
    pub replicas: Vec<ReplicaState>,
}

/// A replica as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaState {
    /// Whose.
    pub node: i32,
    /// Where its log ends; none if it does not answer.
    pub log_end: Option<i64>,
    /// The high watermark that it knows; none if it does not answer.
    pub high_watermark: Option<i64>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// How long after the start, in milliseconds.
    pub at_ms: u64,
    /// What.
    pub what: String,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>5}.{:03} {}", self.at_ms / 1000, self.at_ms % 1000, self.what)
    }
}

/// What the nodes said, at about the same time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observation {
    /// By node.
    pub beliefs: BTreeMap<i32, QuorumBelief>,
    /// What the leader of the highest epoch said.
    pub quorum: Option<QuorumState>,
    /// The partitions; none if nobody said.
    pub partitions: Option<Vec<PartitionState>>,
    /// Whether there are more.
    pub more_partitions: bool,
}

impl ClusterState {
    pub(crate) fn new(layout: &Layout) -> Self {
        let node = |plan: &crate::layout::NodePlan| NodeState {
            id: plan.id,
            roles: plan.roles().to_owned(),
            address: plan.address(),
            process: ProcessState::Stopped,
            pid: None,
            quorum: None,
        };
        Self {
            cluster_id: layout.cluster_id.clone(),
            nodes: layout.nodes.iter().map(node).collect(),
            ..Self::default()
        }
    }

    /// The node with this id.
    pub fn node(&self, id: i32) -> Option<&NodeState> {
        self.nodes.iter().find(|node| node.id == id)
    }

    pub(crate) fn node_mut(&mut self, id: i32) -> Option<&mut NodeState> {
        self.nodes.iter_mut().find(|node| node.id == id)
    }

    pub(crate) fn tell(&mut self, event: Event) {
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Takes what the nodes said, and tells what is new in it.
    pub fn observe(&mut self, seen: Observation) -> Vec<String> {
        let mut told = Vec::new();
        for node in &mut self.nodes {
            node.quorum = seen.beliefs.get(&node.id).copied();
        }
        if let Some(quorum) = seen.quorum {
            let before = self.quorum.as_ref().map(|before| (before.leader, before.epoch));
            if before != Some((quorum.leader, quorum.epoch)) {
                told.push(format!("quorum: node {} leads in epoch {}", quorum.leader, quorum.epoch));
            }
            self.quorum = Some(quorum);
        } else if self.quorum.take().is_some() {
            told.push("quorum: nobody says that it leads".to_owned());
        }
        if let Some(partitions) = seen.partitions {
            for partition in &partitions {
                let name = (partition.topic.as_str(), partition.partition);
                let before =
                    self.partitions.iter().find(|before| (before.topic.as_str(), before.partition) == name);
                told.extend(changes(before, partition));
            }
            self.partitions = partitions;
            self.more_partitions = seen.more_partitions;
        } else {
            // What nobody confirms is not known of any replica.
            for replica in self.partitions.iter_mut().flat_map(|partition| &mut partition.replicas) {
                (replica.log_end, replica.high_watermark) = (None, None);
            }
        }
        told
    }
}

/// What is new about a partition.
fn changes(before: Option<&PartitionState>, now: &PartitionState) -> Vec<String> {
    let name = format!("{}-{}", now.topic, now.partition);
    let epoch = now.leader_epoch;
    let leads = || match now.leader {
        Some(leader) => format!("{name}: node {leader} leads in epoch {epoch}"),
        None => format!("{name}: no leader in epoch {epoch}"),
    };
    let Some(before) = before else { return vec![leads()] };
    let mut told = Vec::new();
    if (before.leader, before.leader_epoch) != (now.leader, now.leader_epoch) {
        told.push(leads());
    }
    let set = |nodes: &[i32]| nodes.iter().copied().collect::<BTreeSet<i32>>();
    let (was, is) = (set(&before.isr), set(&now.isr));
    if was != is {
        let verb = match (is.is_subset(&was), was.is_subset(&is)) {
            (true, _) => "shrank",
            (_, true) => "grew",
            _ => "changed",
        };
        told.push(format!("{name}: ISR {verb} to {}", listed(&now.isr)));
    }
    told
}

/// `[1,2,3]`
pub(crate) fn listed(nodes: &[i32]) -> String {
    let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    format!("[{}]", nodes.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(leader: Option<i32>, leader_epoch: i32, isr: &[i32]) -> PartitionState {
        PartitionState {
            topic: "orders".to_owned(),
            partition: 0,
            leader,
            leader_epoch,
            isr: isr.to_vec(),
            elr: Vec::new(),
            replicas: vec![ReplicaState { node: 1, log_end: Some(5), high_watermark: Some(5) }],
        }
    }

    fn seen(partition: PartitionState) -> Observation {
        Observation { partitions: Some(vec![partition]), ..Observation::default() }
    }

    #[test]
    fn leader_that_moves_and_isr_that_changes_are_told_once() {
        let mut state = ClusterState::default();
        assert_eq!(
            state.observe(seen(partition(Some(1), 0, &[1, 2, 3]))),
            ["orders-0: node 1 leads in epoch 0"]
        );
        assert!(state.observe(seen(partition(Some(1), 0, &[3, 2, 1]))).is_empty());
        assert_eq!(state.observe(seen(partition(Some(1), 0, &[1, 2]))), ["orders-0: ISR shrank to [1,2]"]);
        assert_eq!(
            state.observe(seen(partition(Some(2), 1, &[2]))),
            ["orders-0: node 2 leads in epoch 1", "orders-0: ISR shrank to [2]"]
        );
        assert_eq!(state.observe(seen(partition(Some(2), 1, &[2, 3]))), ["orders-0: ISR grew to [2,3]"]);
        assert_eq!(state.observe(seen(partition(None, 2, &[2, 3]))), ["orders-0: no leader in epoch 2"]);
    }

    #[test]
    fn offsets_that_nobody_says_any_more_are_not_known() {
        let mut state = ClusterState::default();
        state.observe(seen(partition(Some(1), 0, &[1])));
        state.observe(Observation::default());
        let replica = state.partitions[0].replicas[0];
        assert_eq!((replica.log_end, replica.high_watermark), (None, None));
    }

    #[test]
    fn quorum_that_falls_silent_is_told() {
        let mut state = ClusterState::default();
        let quorum = QuorumState { leader: 2, epoch: 7, high_watermark: 9, ends: BTreeMap::new() };
        let seen = Observation { quorum: Some(quorum), ..Observation::default() };
        assert_eq!(state.observe(seen.clone()), ["quorum: node 2 leads in epoch 7"]);
        assert!(state.observe(seen).is_empty());
        assert_eq!(state.observe(Observation::default()), ["quorum: nobody says that it leads"]);
        assert_eq!(state.quorum, None);
    }

    #[test]
    fn events_are_bounded() {
        let mut state = ClusterState::default();
        for at_ms in 0..1_000 {
            state.tell(Event { at_ms, what: String::new() });
        }
        assert_eq!(
            (state.events.len(), state.events.back().map(|event| event.at_ms)),
            (EVENTS_MAX, Some(999))
        );
    }
}
