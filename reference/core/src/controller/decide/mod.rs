//! What an active controller decides: each decision reads the image and adds records, which are applied at once, so that what is
//! decided next is decided on the state that they leave.

mod brokers;
mod configs;
mod elections;
mod features;
mod isr;
mod partition_change;
mod placement;
mod producer_ids;
mod topics;

use alloc::string::String;
use alloc::vec::Vec;

use super::image::{Image, Undo};
use super::message::ControllerError;
use super::record::{MetadataRecord, MetadataVersion};
use super::{Config, Rules};
use crate::{Dice, NodeId, Offset, Uuid};
pub(super) use brokers::Standing;
use features::ELIGIBLE_LEADER_REPLICAS;
use partition_change::ElectionRule;

/// The most partitions that one request may create, as in Kafka.
const PARTITIONS_PER_REQUEST_MAX: usize = 10_000;

/// A decision in the making.
///
/// - `image` is what it was before, with `records` applied; undoing `journal` gives what it was before.
pub(super) struct Decision<'a> {
    pub(super) config: &'a Config,
    pub(super) rules: Rules,
    pub(super) image: &'a mut Image,
    pub(super) dice: &'a mut Dice,
    /// The offset at which the first record of the decision will stand, if it is one batch.
    pub(super) next: Offset,
    pub(super) records: Vec<MetadataRecord>,
    pub(super) journal: Vec<Undo>,
}

/// What the configuration says of a topic's elections.
#[derive(Debug, Clone, Copy)]
pub(super) struct TopicRules {
    min_isr: usize,
    unclean: bool,
}

impl Decision<'_> {
    /// Adds a record, and applies it.
    fn record(&mut self, record: impl Into<MetadataRecord>) {
        let record = record.into();
        let applied = self.image.apply_noting(&record, &mut self.journal);
        assert!(applied.is_ok(), "a controller decides what can be applied: {applied:?} of {record:?}");
        self.records.push(record);
    }

    /// Takes back everything that was decided so far.
    pub(super) fn take_back(&mut self) {
        self.records.clear();
        self.image.undo(core::mem::take(&mut self.journal));
    }

    fn version(&self) -> MetadataVersion {
        self.image.metadata_version().unwrap_or(MetadataVersion::DEFAULT)
    }

    /// Whether partitions have eligible leader replicas (KIP-966).
    fn has_elr(&self) -> bool {
        self.version().has_eligible_leader_replicas()
            && self.image.features().contains_key(ELIGIBLE_LEADER_REPLICAS)
    }

    /// The broker is registered in this epoch.
    fn check_broker_epoch(&self, broker: NodeId, epoch: i64) -> Result<(), ControllerError> {
        let registration =
            self.image.broker(broker).ok_or_else(|| ControllerError::not_registered(broker))?;
        if registration.epoch != epoch {
            let message = alloc::format!("broker {} has epoch {}, not {epoch}", broker.0, registration.epoch);
            return Err(ControllerError::new(ControllerError::STALE_BROKER_EPOCH, message));
        }
        Ok(())
    }

    /// What holds for a topic by its own configuration, that of all brokers, or this controller's file, in this order.
    fn topic_rules(&self, topic: Uuid) -> TopicRules {
        let name = self.image.topic(topic).map_or("", |topic| topic.name.as_str());
        let min_isr = self.image.topic_config(name, configs::MIN_ISR).and_then(|value| value.parse().ok());
        let unclean = self.image.topic_config(name, configs::UNCLEAN_ELECTION);
        TopicRules {
            min_isr: min_isr.unwrap_or(self.config.min_isr),
            unclean: unclean.map_or(self.config.unclean_election, |value| value.eq_ignore_ascii_case("true")),
        }
    }

    /// How a leader is found where nobody asked for an election.
    fn election_rule(&self, rules: TopicRules) -> ElectionRule {
        if rules.unclean { ElectionRule::Unclean } else { ElectionRule::Online }
    }

    /// An id that no topic has and that, in the text form of Kafka's tools, does not begin with a dash and look like an option.
    fn new_topic_id(&mut self) -> Uuid {
        loop {
            let high = u128::from(self.dice.roll());
            let id = Uuid(high << 64 | u128::from(self.dice.roll()));
            let is_reserved = id == Uuid::ZERO || id == Uuid::METADATA;
            let has_dash = id.0 >> 122 == 62;
            if !is_reserved && !has_dash && self.image.topic(id).is_none() {
                return id;
            }
        }
    }
}

/// Joins for people: `1, 2, 3`.
fn listed(brokers: &[NodeId]) -> String {
    let ids: Vec<String> = brokers.iter().map(|broker| alloc::format!("{}", broker.0)).collect();
    ids.join(", ")
}
