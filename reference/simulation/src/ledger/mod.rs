//! What the world knows of all nodes at once, and no node does: every log, who leads, what was committed, acknowledged, read.
//!
//! The ledger keeps books and judges nothing; the [invariants](crate::invariant) judge.

mod shadow;

pub(crate) use shadow::{Batch, Held, Shadow, told};

use bytes::Bytes;
use highwater_core::controller::Image;
use highwater_core::partition::PartitionState;
use highwater_core::{Epoch, NodeId, Offset, Uuid};
use highwater_node::message::LogId;
use rustc_hash::FxHashMap;

/// A set of nodes, a bit for each index.
pub(crate) type NodeSet = u32;

/// The index of a log in the ledger; [`METADATA`] is that of the metadata log.
pub(crate) type LogIndex = usize;

/// The metadata log.
pub(crate) const METADATA: LogIndex = 0;

/// The books.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) ids: Vec<NodeId>,
    pub(crate) nodes: Vec<Member>,
    pub(crate) logs: Vec<LogBook>,
    index: FxHashMap<LogId, LogIndex>,
    /// The metadata as committed.
    pub(crate) image: Image,
    /// The voters of the metadata quorum.
    pub(crate) voters: NodeSet,
    /// Those whose disk was lost since: they are other replicas now, and vote no more.
    pub(crate) wiped: NodeSet,
    /// `min.insync.replicas` of topics that do not say otherwise.
    min_isr: usize,
    /// Whether eligible leader replicas are kept.
    pub(crate) elr: bool,
    /// How often who led last was elected, since nobody was eligible any more.
    pub(crate) forsaken: u64,
}

/// A node.
#[derive(Debug, Default)]
pub(crate) struct Member {
    /// It runs (or is paused).
    pub(crate) up: bool,
    /// The identity of its disk; that of a new one once it has lost the old.
    pub(crate) directory: Uuid,
    /// Its broker epoch in this start, once it is registered.
    pub(crate) broker_epoch: Option<i64>,
    /// Its replicas, by log.
    pub(crate) replicas: Vec<Option<Replica>>,
}

/// A log of a node and what the node believes about it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Replica {
    pub(crate) shadow: Shadow,
    pub(crate) flushed: Offset,
    pub(crate) leads: bool,
    pub(crate) epoch: Epoch,
    /// 0 where it is not known.
    pub(crate) high_watermark: Offset,
    /// The ISR together with the one that is asked for.
    pub(crate) maximal_isr: NodeSet,
}

/// A log, whoever holds it.
#[derive(Debug)]
pub(crate) struct LogBook {
    pub(crate) id: LogId,
    /// Every batch that any node ever held, by base offset and epoch.
    pub(crate) seen: FxHashMap<(Offset, Epoch), Held>,
    /// The bytes of the metadata log's batches that are not committed yet.
    pub(crate) bytes: FxHashMap<(Offset, Epoch), Bytes>,
    /// What was below any high watermark.
    pub(crate) committed: Shadow,
    /// Up to where something was committed by the leader of which epoch, in the order in which it was.
    pub(crate) commits: Vec<(Offset, Epoch)>,
    /// Who led which epoch.
    pub(crate) leaders: FxHashMap<Epoch, usize>,
    /// The partition as committed; none of the metadata log, and of what was deleted.
    pub(crate) state: Option<PartitionState>,
    /// `min.insync.replicas`, where its topic says so.
    pub(crate) min_isr: Option<usize>,
    /// Replicas as sets.
    pub(crate) isr: NodeSet,
    pub(crate) elr: NodeSet,
    /// Something was lost that replication cannot keep: nothing is claimed of this partition any more, but that logs match.
    pub(crate) tainted: Option<&'static str>,
    /// Replicas that crashed, as far as they are not back in the ISR since.
    pub(crate) crashed: Vec<Crashed>,
    /// Everything below was acknowledged to somebody who asked for `acks=all`, or lies before such.
    pub(crate) acknowledged: Offset,
    /// Everything below was read by a consumer, or lies before such.
    pub(crate) read: Offset,
}

/// A replica whose broker crashed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crashed {
    pub(crate) node: usize,
    /// The broker epoch under which it did.
    pub(crate) broker_epoch: i64,
    /// It has left the ISR since.
    pub(crate) left: bool,
    pub(crate) loss: Loss,
}

/// What a replica lost in a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loss {
    /// Nothing.
    Nothing,
    /// Its restart will tell.
    Perhaps,
    /// Records.
    Records,
}

impl Ledger {
    pub(crate) fn new(ids: Vec<NodeId>, voters: NodeSet, min_isr: usize, elr: bool) -> Self {
        let nodes = ids.iter().map(|_| Member::default()).collect();
        let mut ledger = Self {
            ids,
            nodes,
            logs: Vec::new(),
            index: FxHashMap::default(),
            image: Image::default(),
            voters,
            wiped: 0,
            min_isr,
            elr,
            forsaken: 0,
        };
        ledger.log(LogId::Metadata);
        ledger
    }

    /// The index of a log; it gets one if it has none.
    pub(crate) fn log(&mut self, id: LogId) -> LogIndex {
        let next = self.logs.len();
        let index = *self.index.entry(id).or_insert(next);
        if index == next {
            self.logs.push(LogBook::new(id));
        }
        index
    }

    /// `min.insync.replicas` of a partition.
    pub(crate) fn min_isr(&self, log: LogIndex) -> usize {
        self.logs[log].min_isr.unwrap_or(self.min_isr)
    }

    /// The index of a node.
    pub(crate) fn node(&self, id: NodeId) -> Option<usize> {
        self.ids.iter().position(|&known| known == id)
    }

    /// The indices of these nodes.
    pub(crate) fn set(&self, nodes: &[NodeId]) -> NodeSet {
        nodes.iter().filter_map(|&id| self.node(id)).fold(0, |set, index| set | 1 << index)
    }

    /// A set of nodes for people.
    pub(crate) fn told(&self, set: NodeSet) -> String {
        let names: Vec<String> = members(set).map(|node| self.ids[node].to_string()).collect();
        format!("{{{}}}", names.join(","))
    }

    /// A log for people.
    pub(crate) fn name(&self, log: LogIndex) -> String {
        match self.logs[log].id {
            LogId::Metadata => "the metadata log".to_owned(),
            LogId::Partition(partition) => {
                let topic = self.image.topic(partition.topic);
                let topic = topic
                    .map_or_else(|| format!("topic {:032x}", partition.topic.0), |topic| topic.name.clone());
                format!("{topic}-{}", partition.partition)
            }
        }
    }

    pub(crate) fn replica(&self, node: usize, log: LogIndex) -> Option<&Replica> {
        self.nodes[node].replicas.get(log)?.as_ref()
    }

    /// The replica of a node; it gets an empty one if it has none.
    pub(crate) fn replica_mut(&mut self, node: usize, log: LogIndex) -> &mut Replica {
        let replicas = &mut self.nodes[node].replicas;
        if replicas.len() <= log {
            replicas.resize(log + 1, None);
        }
        replicas[log].get_or_insert_with(Replica::default)
    }

    /// Whether the node runs under the broker epoch that the controller knows.
    pub(crate) fn is_registered(&self, node: usize) -> bool {
        let member = &self.nodes[node];
        let known = self.image.broker(self.ids[node]).map(|broker| broker.epoch);
        member.up && member.broker_epoch.is_some() && member.broker_epoch == known
    }

    /// Whether a node is, or is to be, a replica of a partition.
    pub(crate) fn is_assigned(&self, node: usize, log: LogIndex) -> bool {
        let state = self.logs[log].state.as_ref();
        self.replica(node, log).is_some()
            || state.is_some_and(|state| state.replicas.contains(&self.ids[node]))
    }

    /// Whether the controller placed a replica on a disk that its node has lost since. The placement may be committed after the loss,
    /// and then no replica was ever there; it is lost all the same, for the new disk may not lead (KIP-858).
    pub(crate) fn is_on_lost_disk(&self, node: usize, log: LogIndex) -> bool {
        let LogId::Partition(partition) = self.logs[log].id else { return false };
        let Some(placed) = self.image.registration(partition.topic, partition.partition) else {
            return false;
        };
        let position = placed.state.replicas.iter().position(|&replica| replica == self.ids[node]);
        let directory = position.and_then(|position| placed.directories.get(position));
        directory.is_some_and(|&directory| directory != self.nodes[node].directory)
    }

    /// Whether nobody of a partition, as it was, may be eligible any more, and rightly so: all of ISR and ELR crashed, and end their
    /// eligibility by registering anew. That takes more crashes than replication stands, or nothing was committed, and so
    /// nothing can be lost.
    pub(crate) fn is_forsaken(&self, log: LogIndex, was: &PartitionState) -> bool {
        let book = &self.logs[log];
        let eligible = self.set(&was.isr) | self.set(&was.elr);
        let crashed = book.crashed.iter().fold(0, |set, one| set | 1 << one.node);
        eligible & !crashed == 0 && (book.is_beyond(self.min_isr(log)) || book.committed.end() == 0)
    }

    /// Whether a replica lost records in a crash that it has not made up for, where any were committed.
    pub(crate) fn has_lost_committed(&self, node: Option<NodeId>, log: LogIndex) -> bool {
        let book = &self.logs[log];
        let node = node.and_then(|node| self.node(node));
        book.committed.end() > 0
            && book.crashed.iter().any(|one| Some(one.node) == node && one.loss > Loss::Nothing)
    }

    /// A partition is new. Whoever of its ISR lies crashed, or has not registered since, will end its eligibility when it does.
    pub(crate) fn placed(&mut self, log: LogIndex) {
        for node in members(self.logs[log].isr).filter(|&node| !self.is_registered(node)).collect::<Vec<_>>()
        {
            let loss = if self.is_on_lost_disk(node, log) { Loss::Records } else { Loss::Nothing };
            self.crashed(node, log, loss);
        }
    }

    /// A replica crashed. More loss than replication can stand, and nothing is claimed any more.
    pub(crate) fn crashed(&mut self, node: usize, log: LogIndex, loss: Loss) {
        let broker_epoch = self.image.broker(self.ids[node]).map_or(-1, |broker| broker.epoch);
        let min_isr = self.min_isr(log);
        let book = &mut self.logs[log];
        let left = book.isr >> node & 1 == 0;
        match book.crashed.iter_mut().find(|one| one.node == node) {
            // It may have come back in between, and crashed again.
            Some(known) => *known = Crashed { node, broker_epoch, left, loss: known.loss.max(loss) },
            None => book.crashed.push(Crashed { node, broker_epoch, left, loss }),
        }
        if !self.elr && loss > Loss::Nothing && book.isr == 1 << node {
            book.tainted.get_or_insert("the last in-sync replica lost its tail");
        }
        if book.lossy() >= min_isr {
            book.tainted.get_or_insert("too many replicas lost their tails");
        }
    }

    /// Who presumes to lead a log, among those that run.
    pub(crate) fn presumed_leaders(&self, log: LogIndex) -> impl Iterator<Item = (usize, &Replica)> {
        self.nodes.iter().enumerate().filter(|(_, member)| member.up).filter_map(move |(node, member)| {
            let replica = member.replicas.get(log)?.as_ref()?;
            replica.leads.then_some((node, replica))
        })
    }

    /// The leader of a partition's newest epoch, once it knows.
    pub(crate) fn newest_leader(&self, log: LogIndex) -> Option<(usize, &Replica)> {
        let state = self.logs[log].state.as_ref()?;
        let node = self.node(state.leader?)?;
        let replica = self.replica(node, log)?;
        (self.nodes[node].up && replica.leads && replica.epoch == state.leader_epoch)
            .then_some((node, replica))
    }
}

impl LogBook {
    /// How many replicas lost records in a crash, or may have, and are not back in the ISR.
    pub(crate) fn lossy(&self) -> usize {
        self.crashed.iter().filter(|crashed| crashed.loss > Loss::Nothing).count()
    }

    /// Whether so many replicas crashed and are not back that those who are eligible may have nothing: a restart without the marker of
    /// a clean stop ends eligibility, whether anything was lost or not (KIP-966).
    pub(crate) fn is_beyond(&self, min_isr: usize) -> bool {
        self.crashed.len() >= min_isr
    }

    fn new(id: LogId) -> Self {
        Self {
            id,
            seen: FxHashMap::default(),
            bytes: FxHashMap::default(),
            committed: Shadow::default(),
            commits: Vec::new(),
            leaders: FxHashMap::default(),
            state: None,
            min_isr: None,
            isr: 0,
            elr: 0,
            tainted: None,
            crashed: Vec::new(),
            acknowledged: 0,
            read: 0,
        }
    }
}

/// The members of a set, in order.
pub(crate) fn members(set: NodeSet) -> impl Iterator<Item = usize> {
    (0..NodeSet::BITS as usize).filter(move |node| set >> node & 1 == 1)
}
