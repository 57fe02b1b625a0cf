//! A family with its types erased: what the command plans, runs and lists.

use std::marker::PhantomData;
use std::net::SocketAddr;

use serde_json::{Map, Value};

use super::matrix::{self, ControlReport, FlawReport};
use super::report::{PropertyReport, RunReport};
use super::request::{Request, Resolved, Searches, Switch, Usage, resolve, unknown};
use super::{Family, Scale};
use crate::check::{self, Claim, ClaimOutcome, ClaimVerdict, DEADLOCK, Options, Outcome, Stop, Verdict};
use crate::trace::{Heading, Story, tell};

/// A model of the catalogue.
pub trait Entry: Sync {
    /// The name on the command line.
    fn name(&self) -> &'static str;
    /// Everything that can be said of it without a search.
    fn card(&self) -> Card;
    /// The searches that a request asks for. Whatever is wrong with a request is said here, before any search.
    fn plan(&self, request: &Request) -> Result<Vec<Box<dyn Planned>>, Usage>;
    /// Serves Stateright's Explorer; returns when it ends, which it does not.
    fn explore(&self, request: &Request, address: SocketAddr) -> Result<(), Usage>;
    /// Runs one flaw of the matrix by its id.
    fn check_flaw(&self, id: &str, options: &Options<'_>) -> Result<FlawReport, Usage>;
    /// Runs one control of the matrix by its name.
    fn check_control(&self, name: &str, options: &Options<'_>) -> Result<ControlReport, Usage>;
}

/// One search, ready to run.
pub trait Planned {
    /// The model's name.
    fn model(&self) -> &'static str;
    /// `safety` or `liveness`.
    fn search(&self) -> &'static str;
    /// Runs it. [`Options::stop`] and [`Options::witness`] are the plan's own, the rest is the caller's.
    fn run(&self, options: &Options<'_>) -> RunReport;
}

/// Everything that can be said of a model without a search.
#[derive(Debug, Clone)]
pub struct Card {
    /// The name on the command line.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// Its bounds: name, summary, least, most, default.
    pub bounds: Vec<BoundCard>,
    /// Its rules: name, clause, summary.
    pub rules: Vec<RuleCard>,
    /// Its claims: name, kind, clause, summary.
    pub claims: Vec<ClaimCard>,
    /// Its flaws.
    pub flaws: Vec<FlawCard>,
    /// Its controls: name and summary.
    pub controls: Vec<(&'static str, &'static str)>,
    /// Its grains beside the fine one: name and summary.
    pub grains: Vec<(&'static str, &'static str)>,
}

/// A bound, for lists.
#[derive(Debug, Clone, Copy)]
pub struct BoundCard {
    /// The flag without dashes.
    pub name: &'static str,
    /// What it bounds.
    pub summary: &'static str,
    /// Least value.
    pub min: u8,
    /// Greatest value.
    pub max: u8,
    /// Value without arguments.
    pub default: u8,
}

/// A rule, for lists.
#[derive(Debug, Clone, Copy)]
pub struct RuleCard {
    /// The name for `--without`.
    pub name: &'static str,
    /// The clause.
    pub clause: &'static str,
    /// One sentence.
    pub summary: &'static str,
}

/// A claim, for lists.
#[derive(Debug, Clone, Copy)]
pub struct ClaimCard {
    /// The name.
    pub name: &'static str,
    /// `always`, `sometimes` or `leads-to`.
    pub kind: &'static str,
    /// The clause.
    pub clause: &'static str,
    /// One sentence.
    pub summary: &'static str,
}

/// A flaw, for lists.
#[derive(Debug, Clone)]
pub struct FlawCard {
    /// `A01`.
    pub id: &'static str,
    /// The model that has it.
    pub model: &'static str,
    /// `commit-old-epoch`.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// The rule that it breaks.
    pub rule: &'static str,
    /// The claims that it breaks, each with the steps of the shortest counterexample.
    pub breaks: Vec<(&'static str, usize)>,
    /// The claims that hold all the same.
    pub keeps: Vec<&'static str>,
    /// An operator's choice rather than a bug.
    pub legal: bool,
    /// Where it is told.
    pub source: &'static str,
}

/// A family as an entry of the catalogue.
pub(super) struct Of<F>(PhantomData<fn() -> F>);

impl<F> Of<F> {
    pub(super) const NEW: Self = Self(PhantomData);
}

impl<F: Family> Entry for Of<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn card(&self) -> Card {
        card::<F>()
    }

    fn plan(&self, request: &Request) -> Result<Vec<Box<dyn Planned>>, Usage> {
        let resolved = resolve::<F>(request)?;
        let goal = goal::<F>(request, &resolved)?;
        let wanted = wanted_searches::<F>(request, goal)?;
        let mut planned: Vec<Box<dyn Planned>> = Vec::new();
        for kind in wanted {
            let bounds = if kind == SearchKind::Safety { resolved.safety } else { resolved.liveness };
            let model = seeded(F::new(bounds, resolved.rules), request.from.as_deref())?;
            planned.push(Box::new(Run {
                model,
                kind,
                grain: resolved.grain,
                switched: resolved.switched.clone(),
                goal,
                command: command_line::<F>(request),
            }));
        }
        Ok(planned)
    }

    fn explore(&self, request: &Request, address: SocketAddr) -> Result<(), Usage> {
        let resolved = resolve::<F>(request)?;
        let model = seeded(F::new(resolved.safety, resolved.rules), request.from.as_deref())?;
        model.checker().serve(address);
        Ok(())
    }

    fn check_flaw(&self, id: &str, options: &Options<'_>) -> Result<FlawReport, Usage> {
        matrix::check_flaw::<F>(id, options)
    }

    fn check_control(&self, name: &str, options: &Options<'_>) -> Result<ControlReport, Usage> {
        matrix::check_control::<F>(name, options)
    }
}

fn card<F: Family>() -> Card {
    let default = F::bounds_at(Scale::Default);
    let bound = |bound: &super::Bound<F::Bounds>| BoundCard {
        name: bound.name,
        summary: bound.summary,
        min: bound.min,
        max: bound.max,
        default: (bound.get)(&default),
    };
    let flaw = |flaw: &super::Flaw<F::Bounds, F::Rules>| FlawCard {
        id: flaw.id,
        model: F::NAME,
        name: flaw.name,
        summary: flaw.summary,
        rule: flaw.rule,
        breaks: flaw.breaks.iter().map(|broken| (broken.claim, broken.steps)).collect(),
        keeps: flaw.keeps.to_vec(),
        legal: flaw.legal,
        source: flaw.source,
    };
    Card {
        name: F::NAME,
        summary: F::SUMMARY,
        bounds: F::bound_table().iter().map(bound).collect(),
        rules: F::rules()
            .iter()
            .map(|rule| RuleCard { name: rule.name, clause: rule.clause, summary: rule.summary })
            .collect(),
        claims: all_claims::<F>()
            .iter()
            .map(|claim| ClaimCard {
                name: claim.name,
                kind: claim.kind.name(),
                clause: claim.clause,
                summary: claim.summary,
            })
            .collect(),
        flaws: F::flaws().iter().map(flaw).collect(),
        controls: F::controls().iter().map(|control| (control.name, control.summary)).collect(),
        grains: F::grains().iter().map(|grain| (grain.name, grain.summary)).collect(),
    }
}

/// The claims of the safety model and those that only the liveness model makes.
pub(super) fn all_claims<F: Family>() -> Vec<Claim<F>> {
    let mut claims = F::new(F::bounds_at(Scale::Default), F::Rules::default()).claims();
    for claim in F::new(F::bounds_at(Scale::Liveness), F::Rules::default()).claims() {
        if !claims.iter().any(|known| known.name == claim.name) {
            claims.push(claim);
        }
    }
    claims
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SearchKind {
    Safety,
    Liveness,
}

impl SearchKind {
    fn name(self) -> &'static str {
        match self {
            Self::Safety => "safety",
            Self::Liveness => "liveness",
        }
    }
}

/// The claim that a run is after: the one asked for, or the first that its flaw breaks.
#[derive(Debug, Clone, Copy)]
struct Goal {
    claim: &'static str,
    /// The search that decides it.
    search: SearchKind,
}

fn goal<F: Family>(request: &Request, resolved: &Resolved<F>) -> Result<Option<Goal>, Usage> {
    let claims = all_claims::<F>();
    let named = match (&request.claim, resolved.flaw) {
        (Some(name), _) => name.as_str(),
        (None, Some(flaw)) => match flaw.breaks.first() {
            Some(broken) => broken.claim,
            None => return Ok(None),
        },
        (None, None) => return Ok(None),
    };
    if named == DEADLOCK {
        return Ok(Some(Goal { claim: DEADLOCK, search: SearchKind::Safety }));
    }
    let found = claims.iter().find(|claim| claim.name == named).ok_or_else(|| {
        let names = claims.iter().map(|claim| claim.name).collect::<Vec<_>>();
        Usage(unknown(&format!("--claim {named}: {} makes no such claim", F::NAME), named, &names))
    })?;
    let search = if found.kind.is_live() { SearchKind::Liveness } else { SearchKind::Safety };
    Ok(Some(Goal { claim: found.name, search }))
}

fn wanted_searches<F: Family>(request: &Request, goal: Option<Goal>) -> Result<Vec<SearchKind>, Usage> {
    let live = all_claims::<F>().iter().any(|claim| claim.kind.is_live());
    if let Some(goal) = goal {
        let kind = goal.search;
        let asked = match request.searches {
            Searches::Both => kind,
            Searches::Safety => SearchKind::Safety,
            Searches::Liveness => SearchKind::Liveness,
        };
        if asked != kind {
            return Err(Usage(format!(
                "--search {}: {} is decided by the {} search; leave --search out",
                asked.name(),
                goal.claim,
                kind.name()
            )));
        }
        return Ok(vec![kind]);
    }
    match request.searches {
        Searches::Liveness if !live => {
            Err(Usage(format!("--search liveness: {} makes no liveness claim; use --search safety", F::NAME)))
        }
        Searches::Liveness => Ok(vec![SearchKind::Liveness]),
        Searches::Both if live && request.from.is_none() => {
            Ok(vec![SearchKind::Safety, SearchKind::Liveness])
        }
        Searches::Both | Searches::Safety => Ok(vec![SearchKind::Safety]),
    }
}

fn seeded<F: Family>(model: F, from: Option<&str>) -> Result<F, Usage> {
    let Some(text) = from else { return Ok(model) };
    let readable: F::Readable = serde_json::from_str(text)
        .map_err(|error| Usage(format!("--from: not a state of {}: {error}", F::NAME)))?;
    let state = model
        .state_from(&readable)
        .map_err(|error| Usage(format!("--from: not a state of {}: {error}", F::NAME)))?;
    Ok(model.starting_from(state))
}

/// The command that repeats a request.
fn command_line<F: Family>(request: &Request) -> String {
    let mut words = vec!["highwater check".to_owned(), F::NAME.to_owned()];
    match &request.switch {
        Switch::Nothing => {}
        Switch::Flaw(id) => words.push(format!("--flaw {}", id.to_uppercase())),
        Switch::Without(names) => words.extend(names.iter().map(|name| format!("--without {name}"))),
        Switch::Control(name) => words.push(format!("--control {name}")),
    }
    if let Some(claim) = &request.claim {
        words.push(format!("--claim {claim}"));
    }
    if let Some(grain) = &request.grain {
        words.push(format!("--grain {grain}"));
    }
    words.extend(request.bounds.iter().map(|(name, value)| format!("--{name} {value}")));
    if request.from.is_some() {
        words.push("--from FILE".to_owned());
    }
    words.join(" ")
}

/// A search of a family, ready to run.
struct Run<F> {
    model: F,
    kind: SearchKind,
    grain: &'static str,
    switched: Option<String>,
    goal: Option<Goal>,
    command: String,
}

impl<F: Family> Planned for Run<F> {
    fn model(&self) -> &'static str {
        F::NAME
    }

    fn search(&self) -> &'static str {
        self.kind.name()
    }

    fn run(&self, options: &Options<'_>) -> RunReport {
        let mut options = *options;
        let goal = self.goal.map(|goal| [goal.claim]);
        if let Some(goal) = &goal {
            options.stop = Stop::Decided(goal);
            options.witness = Some(goal[0]);
        }
        let outcome = run_search(&self.model, self.kind, &options);
        let told = told(&outcome, self.goal.map(|goal| goal.claim));
        let story = told.and_then(|claim| self.story(claim));
        let mut report =
            report(&self.model, self.kind, self.grain, self.switched.clone(), &options, &outcome, story);
        // One walk proves a witness; the search that stops there has decided all that was asked of it.
        let is_goal = |property: &PropertyReport| self.goal.is_some_and(|goal| property.name == goal.claim);
        if report.verdict == Verdict::Incomplete
            && report.cut.is_none()
            && report
                .properties
                .iter()
                .any(|property| is_goal(property) && property.verdict == ClaimVerdict::Holds)
        {
            report.properties.retain(is_goal);
            report.verdict = Verdict::Holds;
        }
        report
    }
}

impl<F: Family> Run<F> {
    fn story(&self, outcome: &ClaimOutcome<F>) -> Option<Story> {
        let walk = outcome.walk.as_ref()?;
        let heading = Heading {
            model: F::NAME.to_owned(),
            switched: self.switched.clone(),
            claim: outcome.name.to_owned(),
            kind: outcome.kind.to_owned(),
            clause: outcome.clause.to_owned(),
            summary: summary_of(&self.model, outcome.name).to_owned(),
            command: self.command.clone(),
        };
        Some(tell(&self.model, walk, heading, |state| {
            serde_json::to_value(self.model.readable(state)).unwrap_or(Value::Null)
        }))
    }
}

fn summary_of<F: Family>(model: &F, claim: &str) -> &'static str {
    let claims = model.claims();
    claims
        .iter()
        .find(|known| known.name == claim)
        .map_or("every state has a successor, or is a legal end", |known| known.summary)
}

/// The claim that the story is about: the goal if it is decided, else the first violated.
fn told<'o, F: Family>(outcome: &'o Outcome<F>, goal: Option<&str>) -> Option<&'o ClaimOutcome<F>> {
    let with_walk = |claim: &&ClaimOutcome<F>| claim.walk.is_some();
    let at_goal =
        goal.and_then(|goal| outcome.claims.iter().filter(with_walk).find(|claim| claim.name == goal));
    let violated = || {
        outcome
            .claims
            .iter()
            .filter(with_walk)
            .filter(|claim| claim.verdict == ClaimVerdict::Violated)
            .min_by_key(|claim| claim.walk.as_ref().map(|walk| walk.steps.len()))
    };
    at_goal.or_else(violated)
}

pub(super) fn run_search<F: Family>(model: &F, kind: SearchKind, options: &Options<'_>) -> Outcome<F> {
    match kind {
        SearchKind::Safety => check::search(model, options),
        SearchKind::Liveness => check::liveness(model, options),
    }
}

pub(super) fn report<F: Family>(
    model: &F,
    kind: SearchKind,
    grain: &str,
    switched: Option<String>,
    options: &Options<'_>,
    outcome: &Outcome<F>,
    counterexample: Option<Story>,
) -> RunReport {
    let property = |claim: &ClaimOutcome<F>| PropertyReport {
        name: claim.name.to_owned(),
        kind: claim.kind.to_owned(),
        clause: claim.clause.to_owned(),
        verdict: claim.verdict,
        steps: claim.walk.as_ref().map(|walk| walk.steps.len()),
    };
    RunReport {
        model: F::NAME.to_owned(),
        search: kind.name().to_owned(),
        grain: grain.to_owned(),
        bounds: bounds_by_name(model),
        switched,
        symmetry: options.symmetry && kind == SearchKind::Safety,
        verdict: outcome.verdict,
        cut: outcome.cut,
        generated: outcome.generated,
        unique: outcome.unique,
        depth: outcome.depth,
        terminal: outcome.terminal,
        seconds: outcome.elapsed.as_secs_f64(),
        memory_bytes_peak: outcome.memory_bytes_peak,
        collision_probability: outcome.collision_probability,
        properties: outcome.claims.iter().map(property).collect(),
        actions: outcome.actions.clone(),
        counterexample,
    }
}

fn bounds_by_name<F: Family>(model: &F) -> Map<String, Value> {
    let bounds = Family::bounds(model);
    F::bound_table().iter().map(|bound| (bound.name.to_owned(), Value::from((bound.get)(&bounds)))).collect()
}
