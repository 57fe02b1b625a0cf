//! `bootstrap.checkpoint`: the features that a new cluster begins with, as `storage format` writes it.
//!
//! It is a snapshot that nobody took: header, the records of the features, footer. A controller that leads a log without records writes
//! what it says; afterwards it means nothing.

use std::io;
use std::path::Path;

use highwater_core::controller::{FeatureLevelRecord, MetadataRecord, MetadataVersion};
use highwater_core::quorum::SnapshotId;
use highwater_log::files::snapshot;

/// Kafka's name of the feature of eligible leader replicas (KIP-966).
const ELIGIBLE_LEADER_REPLICAS: &str = "eligible.leader.replicas.version";

/// No such file is larger.
const SIZE_MAX: u64 = 1 << 20;

/// What a new cluster begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    /// The level of `metadata.version`.
    pub metadata_version: MetadataVersion,
    /// Whether eligible leader replicas are kept.
    pub eligible_leader_replicas: bool,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { metadata_version: MetadataVersion::DEFAULT, eligible_leader_replicas: true }
    }
}

impl Bootstrap {
    /// The file's name, in the data directory.
    pub const FILE: &'static str = "bootstrap.checkpoint";

    /// Reads it from a data directory; the default where there is none. Features that are not known here are passed over: nobody writes
    /// them.
    ///
    /// # Errors
    /// A sentence, if the file is damaged or says what this version cannot be.
    pub fn load(directory: &Path) -> Result<Self, String> {
        let path = directory.join(Self::FILE);
        let cure = "Restore it from another node of the cluster, or format the directory anew if it holds nothing of worth.";
        let place = path.display();
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(format!("{place}: could not read it: {error}")),
            Ok(metadata) if metadata.len() > SIZE_MAX => {
                return Err(format!(
                    "{place}: found {} bytes, expected at most {SIZE_MAX}. {cure}",
                    metadata.len()
                ));
            }
            Ok(_) => {}
        }
        let bytes = std::fs::read(&path).map_err(|error| format!("{place}: could not read it: {error}"))?;
        let mut found = Self { metadata_version: MetadataVersion(0), eligible_leader_replicas: false };
        let mut unreadable = None;
        let decoded = snapshot::decode(&bytes, |record| {
            match MetadataRecord::decode(record.value.unwrap_or_default()) {
                Ok(MetadataRecord::FeatureLevel(feature)) if feature.name == MetadataVersion::FEATURE => {
                    found.metadata_version = MetadataVersion(feature.level);
                }
                Ok(MetadataRecord::FeatureLevel(feature)) if feature.name == ELIGIBLE_LEADER_REPLICAS => {
                    found.eligible_leader_replicas = feature.level > 0;
                }
                Ok(_) => {}
                Err(error) => unreadable = Some(error.to_string()),
            }
        });
        if let Err((position, error)) = decoded {
            return Err(format!("{place}, byte {position}: found {error}, expected a snapshot. {cure}"));
        }
        if let Some(error) = unreadable {
            return Err(format!("{place}: {error}. {cure}"));
        }
        if !found.metadata_version.is_known() {
            let (lowest, highest) = (MetadataVersion::LOWEST, MetadataVersion::HIGHEST);
            return Err(format!(
                "{place}: found metadata.version {}, expected {lowest} to {highest}. {cure}",
                found.metadata_version
            ));
        }
        Ok(found)
    }

    /// The records that it stands for.
    pub fn records(self) -> Vec<FeatureLevelRecord> {
        let feature = |name: &str, level| FeatureLevelRecord { name: name.to_owned(), level };
        let mut records = vec![feature(MetadataVersion::FEATURE, self.metadata_version.0)];
        if self.eligible_leader_replicas {
            records.push(feature(ELIGIBLE_LEADER_REPLICAS, 1));
        }
        records
    }

    /// The bytes of the file, made at `now`, in milliseconds since 1970.
    pub fn encode(self, now: i64) -> Vec<u8> {
        let values = self.records().into_iter().map(|record| {
            let mut bytes = Vec::new();
            MetadataRecord::from(record).encode(0, &mut bytes);
            bytes
        });
        snapshot::encode(SnapshotId { end: 0, epoch: 0 }, now, 0, values)
    }
}
