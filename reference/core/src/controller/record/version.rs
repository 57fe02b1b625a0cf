//! `metadata.version`: which records a log may hold, and in which versions.

use core::fmt;

use super::MetadataRecord;

/// A level of the feature `metadata.version`. Levels from 3.3-IV3 on are known, those that Kafka 4.3 can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetadataVersion(pub i16);

impl MetadataVersion {
    /// The feature's name.
    pub const FEATURE: &'static str = "metadata.version";
    /// 3.3-IV3, the lowest known.
    pub const LOWEST: Self = Self(7);
    /// 4.3-IV0, the highest known.
    pub const HIGHEST: Self = Self(30);
    /// 4.0-IV3, which every Kafka 4 reads.
    pub const DEFAULT: Self = Self(25);

    const MIGRATION: Self = Self(8);
    const NO_EPOCH_BUMP: Self = Self(12);
    const TRANSACTIONS: Self = Self(13);
    const CONTROLLER_REGISTRATION: Self = Self(15);
    const DIRECTORIES: Self = Self(17);
    const ELIGIBLE_LEADER_REPLICAS: Self = Self(23);
    const CORDONED_DIRECTORIES: Self = Self(30);

    /// Whether this level is known.
    pub fn is_known(self) -> bool {
        (Self::LOWEST..=Self::HIGHEST).contains(&self)
    }

    /// Whether a shrinking ISR raises the leader epoch (before 3.6, KAFKA-15021).
    pub fn bumps_epoch_on_shrink(self) -> bool {
        self < Self::NO_EPOCH_BUMP
    }

    /// Whether records may stand in transactions (KIP-868).
    pub fn has_transactions(self) -> bool {
        self >= Self::TRANSACTIONS
    }

    /// Whether controllers register (KIP-919).
    pub fn has_controller_registration(self) -> bool {
        self >= Self::CONTROLLER_REGISTRATION
    }

    /// Whether replicas are assigned to directories (KIP-858).
    pub fn has_directories(self) -> bool {
        self >= Self::DIRECTORIES
    }

    /// Whether partitions may have eligible leader replicas (KIP-966).
    pub fn has_eligible_leader_replicas(self) -> bool {
        self >= Self::ELIGIBLE_LEADER_REPLICAS
    }

    /// The version in which this record is written.
    pub fn of(self, record: &MetadataRecord) -> u16 {
        let partition = || u16::from(self.has_directories()) + u16::from(self.has_eligible_leader_replicas());
        match record {
            MetadataRecord::RegisterBroker(_) => {
                1 + u16::from(self >= Self::MIGRATION)
                    + u16::from(self.has_directories())
                    + u16::from(self >= Self::CORDONED_DIRECTORIES)
            }
            // The lowest that has what the record says: the fields of newer ones are all tagged.
            MetadataRecord::BrokerRegistrationChange(change) => match change {
                change if change.cordoned_directories.is_some() => 3,
                change if !change.directories.is_empty() => 2,
                change if change.in_controlled_shutdown != 0 => 1,
                _ => 0,
            },
            MetadataRecord::Partition(_) | MetadataRecord::PartitionChange(_) => partition(),
            _ => 0,
        }
    }
}

impl fmt::Display for MetadataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
