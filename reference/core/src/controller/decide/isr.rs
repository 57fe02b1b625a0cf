//! Leaders and ISRs as brokers come and go, and as leaders ask for other ISRs (KIP-497, 841, 903).

use alloc::vec::Vec;

use super::partition_change::{ElectionRule, PartitionChange, nothing};
use super::{Decision, TopicRules};
use crate::controller::image::PartitionRegistration;
use crate::controller::rules::{Fence, Refusal};
use crate::partition::{
    AlterPartition, AlterPartitionResult, LeaderRecovery, PartitionError, PartitionState,
};
use crate::{NodeId, Uuid};

/// Directory ids below this number stand for no directory but for a state, such as unassigned (KIP-858).
pub(super) const RESERVED_DIRECTORIES: u128 = 100;

/// The directory of a replica is not known yet.
const UNASSIGNED_DIRECTORY: Uuid = Uuid(0);

/// The broker does not name its directories.
const MIGRATING_DIRECTORY: Uuid = Uuid(2);

/// What happens to a broker, before the record that says so is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It must not lead, and leaves the ISRs.
    Goes(NodeId),
    /// It is back and may have lost what it had: it leaves ISRs and ELRs (KIP-966).
    LostRecords(NodeId),
}

impl Decision<'_> {
    /// Changes these partitions as the fate of a broker wants it, if one has any, and elects leaders where there is
    /// need. Each is decided on its own; one pass, nothing else is looked at.
    pub(super) fn update_partitions(&mut self, partitions: Vec<(Uuid, i32)>, fate: Option<Fate>) {
        let mut last: Option<(Uuid, TopicRules)> = None;
        for (topic, index) in partitions {
            let rules = match last {
                Some((same, rules)) if same == topic => rules,
                _ => self.topic_rules(topic),
            };
            last = Some((topic, rules));
            let Some(old) = self.image.registration(topic, index) else { continue };
            let gone = fate.map(|(Fate::Goes(broker) | Fate::LostRecords(broker))| broker);
            let mut change = self.change(old, rules, self.election_rule(rules));
            change.isr.retain(|&member| Some(member) != gone);
            if let Some(Fate::LostRecords(broker)) = fate {
                change.unclean_shutdown = Some(broker);
            }
            let may_lead = |id| Some(id) != gone && self.may_lead(old, id);
            if let Some(record) = change.build(topic, index, may_lead) {
                self.record(record);
            }
        }
    }

    /// The start of a change: everything as it is.
    pub(super) fn change<'p>(
        &self,
        old: &'p PartitionRegistration,
        rules: TopicRules,
        election: ElectionRule,
    ) -> PartitionChange<'p> {
        PartitionChange {
            rules: self.rules,
            version: self.version(),
            has_elr: self.has_elr(),
            last_known_leader: self.config.last_known_leader,
            min_isr: rules.min_isr,
            election,
            old,
            isr: old.state.isr.clone(),
            recovery: old.state.recovery,
            unclean_shutdown: None,
            directories: old.directories.clone(),
        }
    }

    /// Whether a broker that stays as it is could lead this partition.
    pub(super) fn may_lead(&self, partition: &PartitionRegistration, id: NodeId) -> bool {
        self.image.broker(id).is_some_and(|broker| broker.is_active()) && self.has_directory(partition, id)
    }

    /// Whether the directory of this replica is among those that its broker registered with (KIP-858): if it is not,
    /// that disk is lost.
    fn has_directory(&self, partition: &PartitionRegistration, id: NodeId) -> bool {
        let position = partition.state.replicas.iter().position(|&replica| replica == id);
        let directory = position.and_then(|position| partition.directories.get(position));
        let (Some(directory), Some(broker)) = (directory, self.image.broker(id)) else { return true };
        broker.directories.is_empty()
            || directory.0 < RESERVED_DIRECTORIES
            || broker.directories.contains(directory)
    }

    /// Where a new replica on this broker will be, as far as the controller can tell.
    pub(super) fn default_directory(&self, id: NodeId) -> Uuid {
        match self.image.broker(id).map_or(&[][..], |broker| &broker.directories[..]) {
            [] => MIGRATING_DIRECTORY,
            [only] => *only,
            _ => UNASSIGNED_DIRECTORY,
        }
    }

    /// Each leader's wish, by itself.
    pub(in crate::controller) fn alter_partitions(
        &mut self,
        wishes: &[(Uuid, i32, AlterPartition)],
    ) -> Vec<(Uuid, i32, AlterPartitionResult)> {
        let decided =
            wishes.iter().map(|(topic, index, wish)| (*topic, *index, self.alter(*topic, *index, wish)));
        decided.collect()
    }

    fn alter(&mut self, topic: Uuid, index: i32, wish: &AlterPartition) -> AlterPartitionResult {
        if self.check_broker_epoch(wish.leader, wish.broker_epoch).is_err() {
            return Err(PartitionError::StaleBrokerEpoch);
        }
        if self.image.topic(topic).is_none() {
            return Err(PartitionError::UnknownTopicId);
        }
        let old = self.image.registration(topic, index).ok_or(PartitionError::UnknownTopicOrPartition)?;
        if let Err(error) = self.check_wish(&old.state, wish) {
            if error == PartitionError::IneligibleReplica {
                self.use_up_epoch(topic, index, old.state.partition_epoch);
            }
            return Err(error);
        }
        let rules = self.topic_rules(topic);
        let mut change = self.change(old, rules, self.election_rule(rules));
        change.isr = wish.isr.iter().map(|&(member, _)| member).collect();
        change.recovery = wish.recovery;
        change.directories = self.directories_of_members(old, &change.isr);
        let record = change.build(topic, index, |id| self.may_lead(old, id));
        if let Some(record) = record {
            self.record(record);
        }
        let new = self.image.partition(topic, index).ok_or(PartitionError::UnknownTopicOrPartition)?;
        if new.leader == Some(wish.leader) { Ok(new.clone()) } else { Err(PartitionError::NewLeaderElected) }
    }

    /// A leader takes the refusal of a member for the end of its wish. A copy of that wish, asked before and overtaken, must not be
    /// granted once the member is eligible again, so what it is based on is made old (isr/isr/7). This does not go on for ever: a
    /// leader that has heard of this record has heard before of what makes the member ineligible, and does not ask for it.
    fn use_up_epoch(&mut self, topic: Uuid, index: i32, partition_epoch: i32) {
        if self.rules.refusal() == Refusal::UsesUpEpoch && partition_epoch < i32::MAX {
            self.record(nothing(topic, index));
        }
    }

    /// The checks in Kafka's order.
    fn check_wish(&self, state: &PartitionState, wish: &AlterPartition) -> Result<(), PartitionError> {
        let is_ahead = wish.leader_epoch > state.leader_epoch || wish.partition_epoch > state.partition_epoch;
        if is_ahead {
            // The leader has seen decisions that this controller does not know: another one is active.
            return Err(PartitionError::NotController);
        }
        if wish.leader_epoch < state.leader_epoch {
            return Err(PartitionError::FencedLeaderEpoch);
        }
        if state.leader != Some(wish.leader) {
            return Err(PartitionError::InvalidRequest);
        }
        if wish.partition_epoch < state.partition_epoch && self.rules.partition_epoch() == Fence::Checked {
            return Err(PartitionError::InvalidUpdateVersion);
        }
        let is_member = |id: NodeId| wish.isr.iter().any(|&(member, _)| member == id);
        let is_replica = |&(member, _): &(NodeId, i64)| state.replicas.contains(&member);
        let is_twice =
            (1..wish.isr.len()).any(|at| wish.isr[..at].iter().any(|&(id, _)| id == wish.isr[at].0));
        if is_twice || !wish.isr.iter().all(is_replica) || !is_member(wish.leader) {
            return Err(PartitionError::InvalidRequest);
        }
        let is_recovering = wish.recovery == LeaderRecovery::Recovering;
        let has_company = wish.isr.len() > 1 && self.rules.recovering_isr() == Fence::Checked;
        if is_recovering && (has_company || state.recovery == LeaderRecovery::Recovered) {
            return Err(PartitionError::InvalidRequest);
        }
        let is_eligible = |&(member, epoch): &(NodeId, i64)| self.is_eligible(member, epoch);
        if !wish.isr.iter().all(is_eligible) {
            return Err(PartitionError::IneligibleReplica);
        }
        Ok(())
    }

    /// Whether a broker may join an ISR, with what it had when it fetched in this broker epoch; -1 where the leader
    /// does not know.
    fn is_eligible(&self, member: NodeId, epoch: i64) -> bool {
        let Some(broker) = self.image.broker(member) else { return false };
        let is_active = broker.is_active() || self.rules.fenced_member() == Fence::Open;
        let is_newest = epoch == -1 || epoch == broker.epoch || self.rules.broker_epoch() == Fence::Open;
        is_active && is_newest
    }

    /// The directories of a partition once these are its ISR. A member whose directory is gone has caught up in
    /// another: since brokers do not say in which, it is known only where there is one.
    fn directories_of_members(&self, old: &PartitionRegistration, isr: &[NodeId]) -> Vec<Uuid> {
        let mut directories = old.directories.clone();
        for (directory, &replica) in directories.iter_mut().zip(&old.state.replicas) {
            if isr.contains(&replica) && !self.has_directory(old, replica) {
                *directory = self.default_directory(replica);
            }
        }
        directories
    }
}
