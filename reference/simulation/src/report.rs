//! What runs come to.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::Violation;
use crate::scenario::{FaultKind, Scenario, Script};

/// Where in a run something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Events so far.
    pub step: u64,
    /// Virtual time, in microseconds.
    pub time_us: u64,
}

/// What one run came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was run.
    pub scenario: Scenario,
    /// Where it ended.
    pub place: Place,
    /// What does not hold, if anything.
    pub violation: Option<Violation>,
    /// All that happened, written down.
    pub script: Script,
    /// What there was of what.
    pub counts: Counts,
    /// What happened step by step, if asked for.
    pub trace: Option<String>,
}

/// What there was of what: so that one sees that a run was not vacuous.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Runs.
    pub worlds: u64,
    /// Events under faults.
    pub steps: u64,
    /// All events: deliveries, timers, flushes, operations of clients, starts.
    pub events: u64,
    /// Messages delivered among nodes.
    pub deliveries: u64,
    /// Elections of a quorum leader.
    pub quorum_elections: u64,
    /// Leaders of partitions that took over.
    pub partition_elections: u64,
    /// Batches of metadata committed.
    pub metadata_batches: u64,
    /// Logs cut.
    pub truncations: u64,
    /// Starts after the first.
    pub restarts: u64,
    /// Restarts that lost records.
    pub lossy_restarts: u64,
    /// Requests of clients that were answered.
    pub operations: u64,
    /// Records acknowledged to their producers.
    pub acknowledged: u64,
    /// Batches of idempotent producers that were acknowledged after they were sent more than once.
    pub repeated: u64,
    /// Records read by consumers.
    pub read: u64,
    /// Elections of who led last, since nobody was eligible any more (KIP-966).
    pub forsaken: u64,
    /// Runs that settled after their faults.
    pub settled: u64,
    /// Virtual time, in microseconds.
    pub time_us: u64,
    /// Partitions of which less is claimed, since they lost by right, by how they did.
    pub tainted: BTreeMap<&'static str, u64>,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Runs by profile.
    pub profiles: BTreeMap<String, u64>,
}

impl Counts {
    pub(crate) fn fault(&mut self, kind: FaultKind) {
        *self.faults.entry(kind.name()).or_default() += 1;
    }

    /// Adds another run's.
    pub fn add(&mut self, other: &Counts) {
        let pairs: [(&mut u64, u64); 17] = [
            (&mut self.worlds, other.worlds),
            (&mut self.steps, other.steps),
            (&mut self.events, other.events),
            (&mut self.deliveries, other.deliveries),
            (&mut self.quorum_elections, other.quorum_elections),
            (&mut self.partition_elections, other.partition_elections),
            (&mut self.metadata_batches, other.metadata_batches),
            (&mut self.truncations, other.truncations),
            (&mut self.restarts, other.restarts),
            (&mut self.lossy_restarts, other.lossy_restarts),
            (&mut self.operations, other.operations),
            (&mut self.acknowledged, other.acknowledged),
            (&mut self.repeated, other.repeated),
            (&mut self.read, other.read),
            (&mut self.forsaken, other.forsaken),
            (&mut self.settled, other.settled),
            (&mut self.time_us, other.time_us),
        ];
        for (mine, its) in pairs {
            *mine += its;
        }
        for (why, count) in &other.tainted {
            *self.tainted.entry(why).or_default() += count;
        }
        for (kind, count) in &other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        for (profile, count) in &other.profiles {
            *self.profiles.entry(profile.clone()).or_default() += count;
        }
    }
}
