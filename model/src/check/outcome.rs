//! What a search found.

use std::time::Duration;

use stateright::Model;

use super::spec::Spec;

/// What a search found.
pub struct Outcome<M: Model> {
    /// The sum of it.
    pub verdict: Verdict,
    /// What cut the search short. `None` also where [`Stop`](super::Stop) ended it, which leaves claims unknown.
    pub cut: Option<Cut>,
    /// Successors generated, the initial states included.
    pub generated: u64,
    /// Distinct states (orbits, under symmetry).
    pub unique: u64,
    /// Levels, that of the initial states included.
    pub depth: u32,
    /// States without successors.
    pub terminal: u64,
    /// Wall time.
    pub elapsed: Duration,
    /// The most memory that visited set, frontier and graph took.
    pub memory_bytes_peak: u64,
    /// Chance that any two distinct states shared a fingerprint.
    pub collision_probability: f64,
    /// The verdict on each claim that this kind of search decides, `deadlock` last (safety only).
    pub claims: Vec<ClaimOutcome<M>>,
    /// How often each kind of action led to a state, in the order of [`Spec::action_kinds`].
    pub actions: Vec<Fired>,
}

/// The sum of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every reachable state was visited, every claim holds.
    Holds,
    /// Some claim does not hold.
    Violated,
    /// Some claim is unknown, since the search was cut short or had found what it was asked for; nothing that
    /// was found until then is wrong, but that proves nothing.
    Incomplete,
}

/// What cut a search short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cut {
    /// [`Options::memory_bytes_max`](super::Options::memory_bytes_max) was reached.
    Memory,
    /// [`Options::time_max`](super::Options::time_max) was reached.
    Time,
    /// [`Options::cancel`](super::Options::cancel) was set.
    Interrupted,
}

/// What a search says of one claim.
pub struct ClaimOutcome<M: Model> {
    /// [`Claim::name`](super::Claim::name), or `deadlock`.
    pub name: &'static str,
    /// [`Claim::clause`](super::Claim::clause).
    pub clause: &'static str,
    /// `always`, `sometimes`, `leads-to` or `deadlock`.
    pub kind: &'static str,
    /// What was found.
    pub verdict: ClaimVerdict,
    /// The shortest way to the violation, or, where [`Options::witness`](super::Options::witness) names this
    /// claim, to its witness. Missing too where memory or time did not suffice to find it.
    pub walk: Option<Walk<M>>,
}

/// The verdict on one claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimVerdict {
    /// Proven over all reachable states (or, of a `sometimes`, witnessed).
    Holds,
    /// Refuted: by a walk or, of a `sometimes`, by a complete search that never met it.
    Violated,
    /// The search ended before it could tell.
    Unknown,
}

/// A walk through a model from an initial state; with `loop_to`, for ever.
pub struct Walk<M: Model> {
    /// Where it begins.
    pub start: M::State,
    /// Each action and the state that it led to.
    pub steps: Vec<(M::Action, M::State)>,
    /// After the last step the walk goes on from the state with this index (0 is `start`), for ever.
    pub loop_to: Option<usize>,
}

/// How often a kind of action fired.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Fired {
    /// One of [`Spec::action_kinds`].
    pub name: String,
    /// Times that it led to a state, new or known.
    pub fired: u64,
}

impl Fired {
    pub(crate) fn list<M: Spec>(model: &M, fired: &[u64]) -> Vec<Self> {
        let name = |(name, fired): (&&str, &u64)| Self { name: (*name).to_owned(), fired: *fired };
        model.action_kinds().iter().zip(fired).map(name).collect()
    }
}

/// The sum of the verdicts on the claims: one violation is enough, and a search that was cut, or that ended as
/// soon as what it was asked for was decided, is no proof of the rest.
pub(crate) fn sum<M: Model>(claims: &[ClaimOutcome<M>], cut: Option<Cut>) -> Verdict {
    if claims.iter().any(|claim| claim.verdict == ClaimVerdict::Violated) {
        Verdict::Violated
    } else if cut.is_some() || claims.iter().any(|claim| claim.verdict == ClaimVerdict::Unknown) {
        Verdict::Incomplete
    } else {
        Verdict::Holds
    }
}
