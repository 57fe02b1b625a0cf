//! The reference as a target: what ships, in simulated time, over simulated disks.

mod cluster;
mod probes;
mod quorum;

use std::collections::BTreeSet;

pub use cluster::ReferenceCluster;
pub use quorum::ReferenceQuorum;

use super::{Builder, Capability, Fault, Setup, System};

/// Builds quorums or clusters of the reference, as the scenario wants.
#[derive(Debug, Clone)]
pub struct Reference {
    quorum: Option<ReferenceQuorum>,
    cluster: Option<ReferenceCluster>,
}

/// The reference as it ships.
impl Default for Reference {
    fn default() -> Self {
        Self { quorum: Some(ReferenceQuorum::default()), cluster: Some(ReferenceCluster::default()) }
    }
}

#[cfg(feature = "flaws")]
impl Reference {
    /// The reference with a flaw. One that no quorum by itself has is not looked for there, and the scenario is skipped.
    ///
    /// # Errors
    /// If it has no flaw of this id.
    pub fn with_flaw(id: &str) -> Result<Self, String> {
        let cluster = ReferenceCluster::with_flaw(id)?;
        Ok(Self { quorum: ReferenceQuorum::with_flaw(id).ok(), cluster: Some(cluster) })
    }
}

impl Builder for Reference {
    fn name(&self) -> String {
        "reference".to_owned()
    }

    fn capabilities(&self) -> BTreeSet<Capability> {
        let quorum = self.quorum.iter().flat_map(Builder::capabilities);
        quorum.chain(self.cluster.iter().flat_map(Builder::capabilities)).collect()
    }

    fn build(&mut self, setup: &Setup) -> Result<Box<dyn System>, Fault> {
        let none = || Fault::Unsupported("the flaw is none of a quorum's".to_owned());
        if setup.cluster.is_empty() {
            self.quorum.as_mut().ok_or_else(none)?.build(setup)
        } else {
            self.cluster.as_mut().ok_or_else(none)?.build(setup)
        }
    }
}
