//! The kill matrix of the models: every flaw must break what it says, in as many steps as it says, and keep
//! what it says; every control must break nothing.

use serde::Serialize;

use super::entry::{SearchKind, all_claims, run_search};
use super::request::{Request, Switch, Usage, resolve};
use super::{Break, Family};
use crate::check::{ClaimVerdict, Options, Outcome, Stop, Verdict};

/// What the matrix says of one flaw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FlawReport {
    /// The flaw's id.
    pub id: String,
    /// The model's name.
    pub model: String,
    /// Everything is as the flaw says.
    pub killed: bool,
    /// Each claim that it should break.
    pub breaks: Vec<Broken>,
    /// Each claim that should hold all the same.
    pub keeps: Vec<Kept>,
    /// Distinct states that the searches visited.
    pub unique: u64,
    /// A search was cut short, so that nothing is proven.
    pub incomplete: bool,
}

/// A claim that should be broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The claim.
    pub claim: String,
    /// The verdict.
    pub verdict: ClaimVerdict,
    /// The steps that the flaw's entry names.
    pub steps_expected: usize,
    /// The steps that were found.
    pub steps: Option<usize>,
}

/// A claim that should hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// The claim.
    pub claim: String,
    /// The verdict.
    pub verdict: ClaimVerdict,
}

/// What the matrix says of one control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ControlReport {
    /// The control's name.
    pub name: String,
    /// The model's name.
    pub model: String,
    /// Nothing broke, and the search was complete.
    pub green: bool,
    /// The claims that broke.
    pub violated: Vec<String>,
    /// Distinct states.
    pub unique: u64,
    /// The search was cut short.
    pub incomplete: bool,
}

pub(super) fn check_flaw<F: Family>(id: &str, options: &Options<'_>) -> Result<FlawReport, Usage> {
    let resolved = resolve::<F>(&Request { switch: Switch::Flaw(id.to_owned()), ..Request::default() })?;
    let flaw = resolved.flaw.expect("a request for a flaw resolves to it");
    let live = live_claims::<F>();
    let mut report = FlawReport {
        id: flaw.id.to_owned(),
        model: F::NAME.to_owned(),
        killed: false,
        breaks: Vec::new(),
        keeps: Vec::new(),
        unique: 0,
        incomplete: false,
    };
    for kind in [SearchKind::Safety, SearchKind::Liveness] {
        let here = |claim: &str| live.contains(&claim) == (kind == SearchKind::Liveness);
        let breaks: Vec<&Break> = flaw.breaks.iter().filter(|broken| here(broken.claim)).collect();
        let keeps: Vec<&'static str> = flaw.keeps.iter().copied().filter(|claim| here(claim)).collect();
        if breaks.is_empty() && keeps.is_empty() {
            continue;
        }
        let bounds = if kind == SearchKind::Safety { resolved.safety } else { resolved.liveness };
        let goals: Vec<&'static str> = breaks.iter().map(|broken| broken.claim).collect();
        let mut options = *options;
        // What must hold is only proven by a whole search; what must break, by reaching it.
        options.stop = if keeps.is_empty() { Stop::Decided(&goals) } else { Stop::Exhausted };
        let outcome = run_search(&F::new(bounds, resolved.rules), kind, &options);
        report.unique += outcome.unique;
        report.incomplete |= outcome.cut.is_some();
        report.breaks.extend(breaks.iter().map(|broken| broken_of(broken, &outcome)));
        report.keeps.extend(keeps.iter().map(|claim| kept_of(claim, &outcome)));
    }
    report.killed = !report.breaks.is_empty()
        && report.breaks.iter().all(|broken| {
            broken.verdict == ClaimVerdict::Violated && broken.steps == Some(broken.steps_expected)
        })
        && report.keeps.iter().all(|kept| kept.verdict == ClaimVerdict::Holds);
    Ok(report)
}

fn live_claims<F: Family>() -> Vec<&'static str> {
    all_claims::<F>().iter().filter(|claim| claim.kind.is_live()).map(|claim| claim.name).collect()
}

fn broken_of<F: Family>(broken: &Break, outcome: &Outcome<F>) -> Broken {
    let found = outcome.claims.iter().find(|claim| claim.name == broken.claim);
    Broken {
        claim: broken.claim.to_owned(),
        verdict: found.map_or(ClaimVerdict::Unknown, |claim| claim.verdict),
        steps_expected: broken.steps,
        steps: found.and_then(|claim| claim.walk.as_ref()).map(|walk| walk.steps.len()),
    }
}

fn kept_of<F: Family>(claim: &'static str, outcome: &Outcome<F>) -> Kept {
    let found = outcome.claims.iter().find(|known| known.name == claim);
    Kept { claim: claim.to_owned(), verdict: found.map_or(ClaimVerdict::Unknown, |known| known.verdict) }
}

pub(super) fn check_control<F: Family>(name: &str, options: &Options<'_>) -> Result<ControlReport, Usage> {
    let resolved = resolve::<F>(&Request { switch: Switch::Control(name.to_owned()), ..Request::default() })?;
    let mut options = *options;
    options.stop = Stop::Exhausted;
    let outcome = run_search(&F::new(resolved.safety, resolved.rules), SearchKind::Safety, &options);
    // A control shrinks what can be reached; a witness that it no longer meets is no violation of safety.
    let violated: Vec<String> = outcome
        .claims
        .iter()
        .filter(|claim| claim.verdict == ClaimVerdict::Violated && claim.kind != "sometimes")
        .map(|claim| claim.name.to_owned())
        .collect();
    Ok(ControlReport {
        name: name.to_owned(),
        model: F::NAME.to_owned(),
        green: violated.is_empty() && outcome.cut.is_none() && outcome.verdict != Verdict::Incomplete,
        violated,
        unique: outcome.unique,
        incomplete: outcome.cut.is_some(),
    })
}
