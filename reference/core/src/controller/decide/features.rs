//! Feature levels (KIP-584), and the first records of a cluster.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Decision;
use super::configs::MIN_ISR;
use crate::controller::image::ConfigKey;
use crate::controller::message::ControllerError;
use crate::controller::record::{AbortTransactionRecord, ConfigRecord, FeatureLevelRecord, MetadataVersion};

/// KIP-966's feature: level 1 is on.
pub(super) const ELIGIBLE_LEADER_REPLICAS: &str = "eligible.leader.replicas.version";

impl Decision<'_> {
    /// What a controller does first: what its predecessor began and did not end is aborted; a log without any level of
    /// `metadata.version` gets the cluster's first records; a partition without a leader gets one, if it can.
    pub(in crate::controller) fn take_over(&mut self) {
        if self.image.is_in_transaction() {
            let reason = Some("another controller took over".to_string());
            self.record(AbortTransactionRecord { reason });
        }
        if self.image.metadata_version().is_none() {
            self.bootstrap();
        } else {
            self.elect_leaderless();
        }
    }

    /// `metadata.version` stands first: what comes after is read by it.
    fn bootstrap(&mut self) {
        let mut features = self.config.bootstrap_features.clone();
        let version = features.remove(MetadataVersion::FEATURE).map(MetadataVersion);
        let version = version.filter(|version| version.is_known()).unwrap_or(MetadataVersion::DEFAULT);
        self.record(FeatureLevelRecord { name: MetadataVersion::FEATURE.into(), level: version.0 });
        for (name, level) in features {
            self.set_level(name, level);
        }
    }

    fn set_level(&mut self, name: String, level: i16) {
        let turns_on = name == ELIGIBLE_LEADER_REPLICAS && level > 0 && !self.has_elr();
        self.record(FeatureLevelRecord { name, level });
        if turns_on {
            self.unify_min_isr();
        }
    }

    /// With eligible leader replicas everybody must mean the same by min.insync.replicas: it stands in the log, for all brokers
    /// and for none in particular.
    fn unify_min_isr(&mut self) {
        let brokers = ConfigKey::brokers();
        let setting = |resource: &ConfigKey, value: Option<String>| ConfigRecord {
            resource_type: resource.kind,
            resource_name: resource.name.clone(),
            key: MIN_ISR.into(),
            value,
        };
        let mut records = Vec::new();
        if self.image.config(&brokers, MIN_ISR).is_none() {
            records.push(setting(&brokers, Some(self.config.min_isr.to_string())));
        }
        for (resource, values) in self.image.configs() {
            let is_one_broker = resource.kind == ConfigKey::BROKER && !resource.name.is_empty();
            if is_one_broker && values.contains_key(MIN_ISR) {
                records.push(setting(resource, None));
            }
        }
        records.into_iter().for_each(|record| self.record(record));
    }

    /// Sets levels, all or none.
    pub(in crate::controller) fn update_features(
        &mut self,
        updates: &[(String, i16)],
    ) -> Result<(), ControllerError> {
        let mut wanted = self.image.features().clone();
        wanted.extend(updates.iter().cloned());
        for (name, level) in updates {
            self.check_level(name, *level, &wanted)
                .map_err(|message| ControllerError::new(ControllerError::INVALID_UPDATE_VERSION, message))?;
        }
        for (name, level) in updates {
            if self.image.features().get(name).copied().unwrap_or(0) != *level {
                self.set_level(name.clone(), *level);
            }
        }
        Ok(())
    }

    fn check_level(&self, name: &str, level: i16, wanted: &BTreeMap<String, i16>) -> Result<(), String> {
        let version = wanted
            .get(MetadataVersion::FEATURE)
            .map_or(MetadataVersion::DEFAULT, |&level| MetadataVersion(level));
        let (lowest, highest) = match name {
            MetadataVersion::FEATURE => (MetadataVersion::LOWEST.0, MetadataVersion::HIGHEST.0),
            ELIGIBLE_LEADER_REPLICAS => (0, 1),
            _ => return Err(format!("this controller does not know the feature {name}")),
        };
        if level < lowest || level > highest {
            return Err(format!("{name} goes from {lowest} to {highest} here, not to {level}"));
        }
        let current = self.image.features().get(name).copied().unwrap_or(0);
        if name == MetadataVersion::FEATURE && level < current {
            return Err(format!(
                "{name} is at {current} and cannot go back to {level}: records would be lost"
            ));
        }
        let has_elr = wanted.get(ELIGIBLE_LEADER_REPLICAS).is_some_and(|&level| level > 0);
        if has_elr && !version.has_eligible_leader_replicas() {
            return Err(format!(
                "{ELIGIBLE_LEADER_REPLICAS} 1 needs {} 23, not {version}",
                MetadataVersion::FEATURE
            ));
        }
        for (id, broker) in self.image.brokers() {
            let (lowest, highest) = broker.features.get(name).copied().unwrap_or((0, 0));
            if level < lowest || level > highest {
                return Err(format!(
                    "broker {} supports {name} from {lowest} to {highest}, not {level}",
                    id.0
                ));
            }
        }
        Ok(())
    }
}
