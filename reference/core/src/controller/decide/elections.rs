//! Elections that somebody asks for (KIP-460), and leaderships that go back to preferred replicas.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Decision;
use super::partition_change::ElectionRule;
use crate::Uuid;
use crate::controller::message::{ControllerError, ElectionAnswer, ElectionKind};

/// The most leaderships that go back to preferred replicas at a time.
const REBALANCED_AT_ONCE_MAX: usize = 1000;

impl Decision<'_> {
    /// Elects leaders of these partitions, or of all; of all, only those are answered that wanted an election.
    pub(in crate::controller) fn elect_leaders(
        &mut self,
        kind: ElectionKind,
        partitions: Option<&[(String, i32)]>,
    ) -> Vec<ElectionAnswer> {
        let Some(partitions) = partitions else { return self.elect_all(kind) };
        let elected = partitions.iter().map(|(name, index)| {
            let result = self.elect_by_name(kind, name, *index);
            (name.clone(), *index, result)
        });
        elected.collect()
    }

    fn elect_all(&mut self, kind: ElectionKind) -> Vec<ElectionAnswer> {
        let mut answers = Vec::new();
        for (topic, index) in self.all_partitions() {
            let result = self.elect(kind, topic, index);
            if result.as_ref().is_err_and(|error| error.code == ControllerError::ELECTION_NOT_NEEDED) {
                continue;
            }
            let name = self.image.topic(topic).map(|topic| topic.name.clone()).unwrap_or_default();
            answers.push((name, index, result));
        }
        answers
    }

    fn all_partitions(&self) -> Vec<(Uuid, i32)> {
        let topics = self.image.topics().iter();
        topics.flat_map(|(&id, topic)| topic.partitions.keys().map(move |&index| (id, index))).collect()
    }

    fn elect_by_name(&mut self, kind: ElectionKind, name: &str, index: i32) -> Result<(), ControllerError> {
        let topic = self.image.topic_id(name).ok_or_else(|| ControllerError::unknown_topic(name))?;
        self.elect(kind, topic, index)
    }

    fn elect(&mut self, kind: ElectionKind, topic: Uuid, index: i32) -> Result<(), ControllerError> {
        let Some(old) = self.image.registration(topic, index) else {
            let message = format!("the topic has no partition {index}");
            return Err(ControllerError::new(ControllerError::UNKNOWN_TOPIC_OR_PARTITION, message));
        };
        let leader = old.state.leader;
        let (rule, is_needed) = match kind {
            ElectionKind::Preferred => {
                (ElectionRule::Preferred, leader != old.state.replicas.first().copied())
            }
            ElectionKind::Unclean => (ElectionRule::Unclean, leader.is_none()),
        };
        if !is_needed {
            let message = "the partition has the leader that it should have";
            return Err(ControllerError::new(ControllerError::ELECTION_NOT_NEEDED, message));
        }
        let rules = self.topic_rules(topic);
        let record = self.change(old, rules, rule).build(topic, index, |id| self.may_lead(old, id));
        match (record, kind) {
            (Some(record), _) => {
                self.record(record);
                Ok(())
            }
            (None, ElectionKind::Preferred) => Err(ControllerError::new(
                ControllerError::PREFERRED_LEADER_NOT_AVAILABLE,
                "the preferred replica is fenced, shutting down or not in the ISR",
            )),
            (None, ElectionKind::Unclean) => Err(ControllerError::new(
                ControllerError::ELIGIBLE_LEADERS_NOT_AVAILABLE,
                "no replica is there that could lead",
            )),
        }
    }

    /// Gives leaderships back to preferred replicas that are in the ISR, some at a time.
    pub(in crate::controller) fn rebalance(&mut self) {
        for (topic, index) in self.all_partitions() {
            if self.records.len() >= REBALANCED_AT_ONCE_MAX {
                break;
            }
            let Some(old) = self.image.registration(topic, index) else { continue };
            if old.state.leader.is_some() && old.state.leader != old.state.replicas.first().copied() {
                // An unwilling partition stays as it is.
                let _ = self.elect(ElectionKind::Preferred, topic, index);
            }
        }
    }
}
