//! A change of ISR that is not decided yet.

use super::AlterPartition;
use crate::{Instant, NodeId};

/// A proposal, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Proposal {
    pub(super) request: AlterPartition,
    pub(super) standing: Standing,
}

/// How a proposal stands. As long as it may have been accepted, the high watermark waits for its members too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Standing {
    /// The controller has been asked.
    InFlight,
    /// Nobody knows what became of it; it is asked again at this time.
    Retrying(Instant),
    /// It was refused in a way that says that there is newer metadata, which will tell.
    AwaitsMetadata,
}

impl Proposal {
    pub(super) fn contains(&self, id: NodeId) -> bool {
        self.request.isr.iter().any(|(member, _)| *member == id)
    }

    pub(super) fn retries_at(&self) -> Option<Instant> {
        match self.standing {
            Standing::Retrying(at) => Some(at),
            Standing::InFlight | Standing::AwaitsMetadata => None,
        }
    }
}
