//! Which partitions of `__consumer_offsets` this broker leads: told to whoever hosts the coordinators of groups.
//!
//! After each step of the node it is looked whether metadata were applied or the broker was registered anew: only then can leaderships have
//! changed. What changed is told before what the step wants sent is sent.

use std::collections::BTreeMap;

use highwater_core::{Epoch, Offset, Uuid};
use highwater_log::disk::RealDisk;
use highwater_node::message::TopicPartition;
use highwater_node::{Node, Role};
use tokio::sync::watch;

/// The topic of groups' offsets.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// What this broker leads of `__consumer_offsets`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Leads {
    /// The topic's id; zero if there is no such topic.
    pub(crate) topic: Uuid,
    /// How many partitions the topic has.
    pub(crate) partitions: i32,
    /// The partitions that this broker leads, each with its leader epoch.
    pub(crate) epochs: BTreeMap<i32, Epoch>,
}

/// A partition that this broker leads in an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Term {
    /// Which.
    pub(crate) partition: TopicPartition,
    /// The leader epoch.
    pub(crate) epoch: Epoch,
}

impl Leads {
    /// The term of a partition of the topic, if this broker leads it.
    pub(crate) fn term(&self, partition: i32) -> Option<Term> {
        let epoch = *self.epochs.get(&partition)?;
        Some(Term { partition: TopicPartition { topic: self.topic, partition }, epoch })
    }

    fn of(node: &Node<RealDisk>) -> Self {
        let image = node.image();
        let found = image.topic_id(OFFSETS_TOPIC).and_then(|id| Some((id, image.topic(id)?)));
        let Some((id, topic)) = found else { return Self::default() };
        let epoch = |partition: i32| {
            let replica = node.replica(TopicPartition { topic: id, partition })?;
            (replica.role == Role::Leader).then_some((partition, replica.epoch))
        };
        Self {
            topic: id,
            partitions: i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
            epochs: topic.partitions.keys().filter_map(|partition| epoch(*partition)).collect(),
        }
    }
}

impl Term {
    /// Whether the node still leads the partition in this epoch.
    pub(crate) fn holds(self, node: &Node<RealDisk>) -> bool {
        let replica = node.replica(self.partition);
        replica.is_some_and(|replica| replica.role == Role::Leader && replica.epoch == self.epoch)
    }
}

/// Tells of leaderships.
#[derive(Debug)]
pub(super) struct Observer {
    leads: watch::Sender<Leads>,
    /// Metadata and registration as they were looked at last.
    seen: Option<(Offset, Option<i64>)>,
}

impl Observer {
    pub(super) fn new() -> (Self, watch::Receiver<Leads>) {
        let (leads, receiver) = watch::channel(Leads::default());
        (Self { leads, seen: None }, receiver)
    }

    /// Looks at the node after a step.
    pub(super) fn look(&mut self, node: &Node<RealDisk>) {
        let seen = (node.metadata_applied(), node.broker_epoch());
        if self.seen == Some(seen) {
            return;
        }
        self.seen = Some(seen);
        let now = Leads::of(node);
        self.leads.send_if_modified(|leads| {
            let changed = *leads != now;
            if changed {
                *leads = now;
            }
            changed
        });
    }
}
