//! What a run of a model reports: the JSON of `--json`, and what the command prints from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::{ClaimVerdict, Cut, Fired, Verdict};
use crate::trace::Story;

/// All runs of one command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// One a search.
    pub runs: Vec<RunReport>,
}

impl Report {
    /// The worst of all runs: a violation before an incomplete search before a pass.
    pub fn verdict(&self) -> Verdict {
        let rank = |verdict: &Verdict| match verdict {
            Verdict::Violated => 2,
            Verdict::Incomplete => 1,
            Verdict::Holds => 0,
        };
        self.runs.iter().map(|run| run.verdict).max_by_key(rank).unwrap_or(Verdict::Incomplete)
    }
}

/// One search of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// The model's name.
    pub model: String,
    /// `safety` or `liveness`.
    pub search: String,
    /// The grain, `fine` by default.
    pub grain: String,
    /// The bounds in force, by name.
    pub bounds: serde_json::Map<String, serde_json::Value>,
    /// The flaw, rule or control that was switched.
    pub switched: Option<String>,
    /// Whether orbits of node names were counted instead of states.
    pub symmetry: bool,
    /// The sum.
    pub verdict: Verdict,
    /// What cut an incomplete search short.
    pub cut: Option<Cut>,
    /// Successors generated, initial states included.
    pub generated: u64,
    /// Distinct states; orbits under symmetry.
    pub unique: u64,
    /// Levels, that of the initial states included.
    pub depth: u32,
    /// States without successors.
    pub terminal: u64,
    /// Wall time in seconds.
    pub seconds: f64,
    /// The most memory that the search held, in bytes.
    pub memory_bytes_peak: u64,
    /// Chance that two distinct states shared a fingerprint.
    pub collision_probability: f64,
    /// The verdict on each claim.
    pub properties: Vec<PropertyReport>,
    /// How often each kind of action fired.
    pub actions: Vec<Fired>,
    /// The story of the claim that was asked for, or of the first one violated.
    pub counterexample: Option<Story>,
}

/// The verdict on one claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PropertyReport {
    /// The claim.
    pub name: String,
    /// `always`, `sometimes`, `leads-to` or `deadlock`.
    pub kind: String,
    /// The clause in `specs/`.
    pub clause: String,
    /// The verdict.
    pub verdict: ClaimVerdict,
    /// Steps of the shortest counterexample, where there is one.
    pub steps: Option<usize>,
}
