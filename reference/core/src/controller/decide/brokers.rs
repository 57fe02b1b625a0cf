//! Brokers: registration, heartbeats, fencing, controlled shutdown, forgetting.

use alloc::format;
use alloc::vec::Vec;

use super::isr::{Fate, RESERVED_DIRECTORIES};
use super::{Decision, listed};
use crate::controller::image::BrokerRegistration;
use crate::controller::message::{BrokerStanding, ControllerError, Heartbeat, RegisterBroker};
use crate::controller::record::{
    BrokerRegistrationChangeRecord, MetadataVersion, RegisterBrokerRecord, SupportedFeature,
    UnregisterBrokerRecord,
};
use crate::controller::rules::UncleanRegistration;
use crate::{NodeId, Offset};

/// What an active controller knows of a broker beside the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::controller) struct Standing {
    /// The lowest end of applied metadata among brokers that are active.
    pub(in crate::controller) lowest_applied: Offset,
    /// The end of the metadata that moved the broker's leaderships away.
    pub(in crate::controller) moved_by: Offset,
}

impl Decision<'_> {
    /// A broker starts, or says again that it did. `is_alive`: the registered one has a session. Answers its broker epoch.
    pub(in crate::controller) fn register(
        &mut self,
        request: &RegisterBroker,
        is_alive: bool,
    ) -> Result<i64, ControllerError> {
        let old = self.image.broker(request.id).cloned();
        self.check_registration(request, old.as_ref(), is_alive)?;
        let same = old.as_ref().filter(|old| old.incarnation == request.incarnation);
        let (epoch, fenced, in_controlled_shutdown) = match same {
            Some(same) => (same.epoch, same.fenced, same.in_controlled_shutdown),
            None => {
                let was_clean = old.as_ref().is_some_and(|old| old.epoch == request.previous_broker_epoch);
                self.begin_anew(request.id, was_clean);
                (self.offset_of_next_record(), true, false)
            }
        };
        let feature = |(name, &(lowest, highest)): (&_, &(i16, i16))| SupportedFeature {
            name: Clone::clone(name),
            lowest,
            highest,
        };
        self.record(RegisterBrokerRecord {
            broker: request.id,
            is_migrating: false,
            incarnation: request.incarnation,
            broker_epoch: epoch,
            endpoints: request.listeners.clone(),
            features: request.features.iter().map(feature).collect(),
            rack: request.rack.clone(),
            fenced,
            in_controlled_shutdown,
            directories: request.directories.clone(),
            cordoned_directories: None,
        });
        Ok(epoch)
    }

    /// The broker's former process is gone: it leads nothing and is in no ISR. Whether it is eligible depends on how it ended.
    fn begin_anew(&mut self, broker: NodeId, was_clean: bool) {
        let hosted: Vec<_> = self.image.hosted_by(broker).collect();
        let loses = self.has_elr() && !was_clean;
        let fate = match self.rules.unclean_registration() {
            UncleanRegistration::LeavesElr if loses => Fate::LostRecords(broker),
            _ => Fate::Goes(broker),
        };
        self.update_partitions(hosted, fate);
    }

    /// Where the next record of this decision will stand: after what is before it, and after the record that begins the transaction if
    /// it takes one.
    fn offset_of_next_record(&self) -> Offset {
        let before = self.records.len();
        let is_transaction =
            before + 1 > self.config.records_per_batch_max && self.version().has_transactions();
        self.next + before as Offset + Offset::from(is_transaction)
    }

    fn check_registration(
        &self,
        request: &RegisterBroker,
        old: Option<&BrokerRegistration>,
        is_alive: bool,
    ) -> Result<(), ControllerError> {
        let id = request.id.0;
        let invalid = |message| Err(ControllerError::new(ControllerError::INVALID_REGISTRATION, message));
        if id < 0 {
            return invalid(format!("broker id {id} is negative"));
        }
        if request.cluster != self.config.cluster {
            let message = format!(
                "broker {id} belongs to cluster {}, this is {}",
                request.cluster, self.config.cluster
            );
            return Err(ControllerError::new(ControllerError::INCONSISTENT_CLUSTER_ID, message));
        }
        if is_alive && old.is_some_and(|old| old.incarnation != request.incarnation) {
            let message = format!(
                "another process is registered as broker {id} and lives; if it was just restarted, try again when its session has ended"
            );
            return Err(ControllerError::new(ControllerError::DUPLICATE_BROKER_REGISTRATION, message));
        }
        if self.version().has_directories() {
            self.check_directories(request)?;
        }
        if !request.features.contains_key(MetadataVersion::FEATURE) {
            return invalid(format!(
                "broker {id} does not say which levels of {} it supports",
                MetadataVersion::FEATURE
            ));
        }
        for (name, &level) in self.image.features() {
            let (lowest, highest) = request.features.get(name).copied().unwrap_or((0, 0));
            if level < lowest || level > highest {
                let message = format!(
                    "broker {id} supports {name} from {lowest} to {highest}, the cluster is at {level}"
                );
                return Err(ControllerError::new(ControllerError::UNSUPPORTED_VERSION, message));
            }
        }
        Ok(())
    }

    fn check_directories(&self, request: &RegisterBroker) -> Result<(), ControllerError> {
        let id = request.id.0;
        let mut directories = request.directories.clone();
        directories.sort_unstable();
        let others = self.image.brokers().iter().filter(|(other, _)| **other != request.id);
        let owner = others
            .filter(|(_, other)| other.directories.iter().any(|directory| directories.contains(directory)))
            .map(|(other, _)| *other)
            .next();
        let message = if directories.is_empty() {
            format!("broker {id} names no log directory")
        } else if directories[0].0 < RESERVED_DIRECTORIES {
            format!("broker {id} names the directory id {}, which is reserved", directories[0].0)
        } else if directories.windows(2).any(|pair| pair[0] == pair[1]) {
            format!("broker {id} names a log directory twice")
        } else if let Some(owner) = owner {
            format!("broker {id} names a log directory of broker {}", listed(&[owner]))
        } else {
            return Ok(());
        };
        Err(ControllerError::new(ControllerError::INVALID_REGISTRATION, message))
    }

    /// A broker lives, and wants something perhaps. KIP-631's states of a broker: fenced, unfenced, in controlled shutdown, free to stop.
    pub(in crate::controller) fn heartbeat(
        &mut self,
        request: Heartbeat,
        standing: Standing,
    ) -> Result<BrokerStanding, ControllerError> {
        self.check_broker_epoch(request.id, request.broker_epoch)?;
        let Some(broker) = self.image.broker(request.id) else {
            return Err(ControllerError::not_registered(request.id));
        };
        let caught_up = request.metadata_offset > broker.epoch;
        let (fenced, in_controlled_shutdown) = (broker.fenced, broker.in_controlled_shutdown);
        let should_shut_down = if fenced {
            // Who once began to shut down does not come back under the same registration.
            if !request.want_shut_down && !request.want_fence && caught_up && !in_controlled_shutdown {
                self.unfence(request.id);
            }
            request.want_shut_down
        } else if in_controlled_shutdown {
            standing.moved_by <= standing.lowest_applied && !self.leads_anything(request.id)
        } else if request.want_shut_down && !request.want_fence && self.leads_anything(request.id) {
            self.enter_controlled_shutdown(request.id);
            false
        } else {
            request.want_shut_down
        };
        if !fenced && (should_shut_down || request.want_fence && !in_controlled_shutdown) {
            self.fence(request.id);
        }
        let fenced = self.image.broker(request.id).is_some_and(|broker| broker.fenced);
        Ok(BrokerStanding { caught_up, fenced, should_shut_down })
    }

    fn leads_anything(&self, broker: NodeId) -> bool {
        let leads = |(topic, index)| {
            self.image.partition(topic, index).is_some_and(|partition| partition.leader == Some(broker))
        };
        self.image.hosted_by(broker).any(leads)
    }

    /// The broker leads nothing any more and leaves the ISRs, then it is fenced: whatever part of that is committed makes sense.
    pub(in crate::controller) fn fence(&mut self, broker: NodeId) {
        let hosted: Vec<_> = self.image.hosted_by(broker).collect();
        self.update_partitions(hosted, Fate::Goes(broker));
        self.change_standing(broker, 1, 0);
    }

    /// Fences several brokers, each as if the others were still there: the records of one undo what those of another did.
    pub(in crate::controller) fn fence_from_one_base(&mut self, brokers: &[NodeId]) {
        let mut all = Vec::new();
        for &broker in brokers {
            self.fence(broker);
            all.append(&mut self.records.clone());
            self.take_back();
        }
        all.into_iter().for_each(|record| self.record(record));
    }

    /// The broker may lead: it is elected where nobody leads.
    fn unfence(&mut self, broker: NodeId) {
        self.change_standing(broker, -1, 0);
        let leaderless: Vec<_> = self.image.leaderless().collect();
        self.update_partitions(leaderless, Fate::Comes(broker));
    }

    /// The broker leads nothing any more and leaves the ISRs, though it goes on for a while (KIP-841).
    fn enter_controlled_shutdown(&mut self, broker: NodeId) {
        self.change_standing(broker, 0, 1);
        let hosted: Vec<_> = self.image.hosted_by(broker).collect();
        self.update_partitions(hosted, Fate::Goes(broker));
    }

    fn change_standing(&mut self, broker: NodeId, fenced: i8, in_controlled_shutdown: i8) {
        let Some(broker_epoch) = self.image.broker(broker).map(|broker| broker.epoch) else { return };
        self.record(BrokerRegistrationChangeRecord {
            broker,
            broker_epoch,
            fenced,
            in_controlled_shutdown,
            directories: Vec::new(),
            cordoned_directories: None,
        });
    }

    /// The broker is forgotten; its replicas stay replicas until they are reassigned.
    pub(in crate::controller) fn unregister(&mut self, broker: NodeId) -> Result<(), ControllerError> {
        let registration =
            self.image.broker(broker).ok_or_else(|| ControllerError::not_registered(broker))?;
        let broker_epoch = registration.epoch;
        let hosted: Vec<_> = self.image.hosted_by(broker).collect();
        self.update_partitions(hosted, Fate::Goes(broker));
        self.record(UnregisterBrokerRecord { broker, broker_epoch });
        Ok(())
    }

    /// Elects leaders for partitions that have none though somebody could lead: after a change of configuration, or when a controller takes
    /// over from one that had not finished.
    pub(in crate::controller) fn elect_leaderless(&mut self) {
        let leaderless: Vec<_> = self.image.leaderless().collect();
        self.update_partitions(leaderless, Fate::None);
    }
}
