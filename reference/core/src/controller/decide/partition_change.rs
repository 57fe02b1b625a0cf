//! The one place where a partition gets another leader or another ISR.

use alloc::vec::Vec;

use crate::controller::image::PartitionRegistration;
use crate::controller::record::{
    MetadataVersion, NO_LEADER, NO_LEADER_CHANGE, NO_RECOVERY_CHANGE, PartitionChangeRecord,
};
use crate::controller::rules::{Election, ElrLife, LastMember, Rules};
use crate::partition::LeaderRecovery;
use crate::{NodeId, Uuid};

/// How a leader is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ElectionRule {
    /// Among those who have everything; who leads goes on leading.
    Online,
    /// As `Online`, but the preferred replica takes over if it may.
    Preferred,
    /// As `Online` and, where nobody is found, any replica that is there.
    Unclean,
}

/// A change of a partition in the making, after KIP-966 and Kafka 4.3.
///
/// The caller says whom the ISR shall consist of and who could lead; the leader, the eligible leader replicas, the
/// recovery state and the epochs follow.
pub(super) struct PartitionChange<'a> {
    pub(super) rules: Rules,
    pub(super) version: MetadataVersion,
    /// Whether there are eligible leader replicas.
    pub(super) has_elr: bool,
    /// Whether the last leader is elected, uncleanly, when it is back and nobody else is left (KIP-966, balanced
    /// recovery).
    pub(super) last_known_leader: bool,
    pub(super) min_isr: usize,
    pub(super) election: ElectionRule,
    pub(super) old: &'a PartitionRegistration,
    /// The ISR to be.
    pub(super) isr: Vec<NodeId>,
    pub(super) recovery: LeaderRecovery,
    /// Who may have lost records: it is not eligible any more.
    pub(super) unclean_shutdown: Option<NodeId>,
    /// The directories to be.
    pub(super) directories: Vec<Uuid>,
}

/// The record that changes nothing but the partition epoch.
pub(super) fn nothing(topic: Uuid, partition: i32) -> PartitionChangeRecord {
    PartitionChangeRecord {
        partition,
        topic,
        leader: NO_LEADER_CHANGE,
        isr: None,
        elr: None,
        last_known_elr: None,
        recovery: NO_RECOVERY_CHANGE,
        replicas: None,
        removing: None,
        adding: None,
        directories: None,
    }
}

/// Who was elected.
struct Elected {
    leader: Option<NodeId>,
    unclean: bool,
}

impl PartitionChange<'_> {
    /// The record, if anything changes. `may_lead` says who is there and could lead.
    pub(super) fn build(
        mut self,
        topic: Uuid,
        partition: i32,
        may_lead: impl Fn(NodeId) -> bool,
    ) -> Option<PartitionChangeRecord> {
        let old = &self.old.state;
        if old.partition_epoch == i32::MAX || old.leader_epoch == i32::MAX {
            // No controller comes this far; a foreign log may say so. There is no epoch left for any change.
            return None;
        }
        if self.isr.is_empty() && !self.isr_may_be_empty() {
            self.isr.clone_from(&old.isr);
        }
        let mut elr = self.eligible();
        let elected = self.elect(&elr, &may_lead);
        let is_elected = elected.leader != old.leader;
        let mut recovery = self.recovery;
        if is_elected {
            match elected.leader {
                Some(leader) if elected.unclean => {
                    // Nobody else is known to have what this one has.
                    self.isr = Vec::from([leader]);
                    elr.clear();
                    recovery = LeaderRecovery::Recovering;
                }
                Some(leader) if !self.isr.contains(&leader) => {
                    self.isr = Vec::from([leader]);
                    elr.retain(|&member| member != leader);
                }
                _ => {}
            }
        }
        if !self.has_elr {
            elr.clear();
        }
        let shrinks = old.isr.iter().any(|member| !self.isr.contains(member));
        let bumps = is_elected || shrinks && self.version.bumps_epoch_on_shrink();
        let leader = if bumps { elected.leader.map_or(NO_LEADER, |id| id.0) } else { NO_LEADER_CHANGE };
        let last_known_elr = self.last_known(leader);
        let changed = |new: Vec<NodeId>, old: &[NodeId]| (new != old).then_some(new);
        let record = PartitionChangeRecord {
            partition,
            topic,
            leader,
            isr: changed(self.isr, &old.isr),
            elr: changed(elr, &old.elr),
            last_known_elr: last_known_elr.and_then(|new| changed(new, &old.last_known_elr)),
            recovery: if recovery == old.recovery { NO_RECOVERY_CHANGE } else { recovery as i8 },
            replicas: None,
            removing: None,
            adding: None,
            directories: (self.directories != self.old.directories).then_some(self.directories),
        };
        (record != nothing(topic, partition)).then_some(record)
    }

    /// Without eligible leader replicas the last member stays in the ISR, as the memory of who has everything.
    fn isr_may_be_empty(&self) -> bool {
        self.has_elr && self.rules.last_member() == LastMember::Leaves
    }

    /// The eligible leader replicas: those who left an ISR that is now below min.insync.replicas, and so miss nothing,
    /// since the high watermark rests from then on.
    fn eligible(&self) -> Vec<NodeId> {
        let old = &self.old.state;
        if !self.has_elr {
            return old.elr.clone();
        }
        let min_isr = self.min_isr.min(old.replicas.len());
        let lives_on = self.rules.elr() == ElrLife::Forever;
        if self.isr.len() >= min_isr && !lives_on {
            return Vec::new();
        }
        let leavers = old.isr.iter().filter(|_| self.isr.len() < min_isr);
        let stays = |member: &NodeId| !self.isr.contains(member) && self.unclean_shutdown != Some(*member);
        let mut eligible: Vec<NodeId> = old.elr.iter().chain(leavers).copied().filter(stays).collect();
        eligible.sort_unstable();
        eligible.dedup();
        eligible
    }

    fn elect(&self, elr: &[NodeId], may_lead: &impl Fn(NodeId) -> bool) -> Elected {
        let old = &self.old.state;
        let is_eligible = |&id: &NodeId| {
            (self.isr.contains(&id) || self.isr.is_empty() && elr.contains(&id)) && may_lead(id)
        };
        let preferred = old.replicas.first().copied().filter(|_| self.election == ElectionRule::Preferred);
        let clean = preferred
            .filter(is_eligible)
            .or_else(|| old.leader.filter(is_eligible))
            .or_else(|| old.replicas.iter().copied().find(is_eligible));
        if clean.is_some() {
            return Elected { leader: clean, unclean: false };
        }
        let anyone = || old.replicas.iter().copied().find(|&id| may_lead(id));
        if self.rules.election() == Election::Anyone {
            return Elected { leader: anyone(), unclean: false };
        }
        let forsaken = self.has_elr && self.last_known_leader && self.isr.is_empty() && elr.is_empty();
        let last = match old.last_known_elr[..] {
            [last] if forsaken && may_lead(last) => Some(last),
            _ => None,
        };
        let unclean = last.or_else(|| anyone().filter(|_| self.election == ElectionRule::Unclean));
        Elected { leader: unclean, unclean: unclean.is_some() }
    }

    /// The last known ELR holds who led last, from the moment that nobody leads to the moment that somebody does.
    fn last_known(&self, leader: i32) -> Option<Vec<NodeId>> {
        let old = &self.old.state;
        match leader {
            _ if !self.has_elr || !self.last_known_leader => None,
            NO_LEADER if old.last_known_elr.is_empty() => old.leader.map(|last| Vec::from([last])),
            0.. if !old.last_known_elr.is_empty() => Some(Vec::new()),
            _ => None,
        }
    }
}
