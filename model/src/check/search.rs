//! The safety search.

use super::limits::{Limits, Reporter};
use super::options::Options;
use super::outcome::{ClaimOutcome, ClaimVerdict, Fired, Outcome, sum};
use super::rebuild::rebuild;
use super::spec::{Claim, ClaimKind, Spec};
use super::sweep::{NONE, Quest, Sweep, Test};

/// The name and kind of the claim that every search makes: no state is without successors unless it may end.
pub(crate) const DEADLOCK: &str = "deadlock";

/// The clause of the claim that no state is without successors unless it may end.
const DEADLOCK_CLAUSE: &str = "check/deadlock/1";

/// Visits every reachable state and decides the `Always` and `Sometimes` claims, and deadlock.
///
/// The states are visited without a record of how they were reached. Where a walk is wanted, the search runs
/// a second time, as deep as the walk is long, and keeps that record. If memory or time do not suffice for
/// that, the verdict stands without its walk.
pub fn search<M: Spec>(model: &M, options: &Options<'_>) -> Outcome<M> {
    let limits = Limits::start(options);
    let mut findings = Findings::new(model);
    let mut sweep = Sweep::<M, false>::new(model, options, limits, limits.reporter());
    let mut cut = None;
    let mut complete = false;
    let mut level = 1;
    let mut pending = findings.pending();
    let mut found = Some(sweep.begin(&Quest::Tests(&pending.tests)));
    while let Some(level_found) = found {
        let violated = findings.settle(&pending, &level_found.fingerprints, level);
        cut = level_found.cut;
        if cut.is_some() || options.stop.satisfied(violated, |name| findings.decided(name)) {
            break;
        }
        level += 1;
        pending = findings.pending();
        found = sweep.advance(&Quest::Tests(&pending.tests));
        complete = found.is_none();
    }
    let (unique, generated, depth, terminal) =
        (sweep.unique(), sweep.generated(), sweep.depth(), sweep.terminal());
    let actions = Fired::list(model, &sweep.fired());
    let mut memory_bytes_peak = sweep.memory_bytes_peak();
    drop(sweep);
    let mut claims = findings.outcomes(complete);
    let shown = findings.shown(options);
    if !shown.is_empty() {
        let (chains, bytes) = trace(model, options, limits, &shown);
        memory_bytes_peak = memory_bytes_peak.max(bytes);
        for (sighting, chain) in shown.iter().zip(chains) {
            claims[sighting.claim].walk = chain.and_then(|chain| rebuild(model, options.symmetry, &chain));
        }
    }
    Outcome {
        verdict: sum(&claims, cut),
        cut,
        generated,
        unique,
        depth,
        terminal,
        elapsed: limits.elapsed(),
        memory_bytes_peak,
        collision_probability: unique as f64 * unique.saturating_sub(1) as f64 / 2f64.powi(65),
        claims,
        actions,
    }
}

/// A state that decides a claim.
#[derive(Debug, Clone, Copy)]
struct Sighting {
    /// The position of the claim, `deadlock` last.
    claim: usize,
    fingerprint: u64,
    level: u32,
}

/// What was found so far.
struct Findings<M: Spec> {
    claims: Vec<Claim<M>>,
    /// By claim, `deadlock` last.
    sightings: Vec<Option<Sighting>>,
}

/// The claims that are still open.
struct Pending<M: Spec> {
    claims: Vec<usize>,
    tests: Vec<Test<M>>,
}

impl<M: Spec> Findings<M> {
    fn new(model: &M) -> Self {
        let decided_here = |claim: &Claim<M>| !claim.kind.is_live();
        let claims: Vec<_> = model.claims().into_iter().filter(decided_here).collect();
        Self { sightings: vec![None; claims.len() + 1], claims }
    }

    fn pending(&self) -> Pending<M> {
        let mut pending = Pending { claims: Vec::new(), tests: Vec::new() };
        for (index, claim) in self.claims.iter().enumerate() {
            let test = match claim.kind {
                ClaimKind::Always(predicate) => Test { predicate, wanted: false },
                ClaimKind::Sometimes(predicate) => Test { predicate, wanted: true },
                ClaimKind::LeadsTo { .. } => unreachable!("left out above"),
            };
            if self.sightings[index].is_none() {
                pending.claims.push(index);
                pending.tests.push(test);
            }
        }
        pending
    }

    /// Notes what a level brought; true if it violates a claim that held until then.
    fn settle(&mut self, pending: &Pending<M>, found: &[u64], level: u32) -> bool {
        let deadlock = self.claims.len();
        let mut violated = false;
        for (position, &fingerprint) in found.iter().enumerate() {
            let claim = pending.claims.get(position).copied().unwrap_or(deadlock);
            if fingerprint == NONE || self.sightings[claim].is_some() {
                continue;
            }
            // That a state has no successor shows when it is expanded, one level later than the rest.
            let level = if claim == deadlock { level - 1 } else { level };
            self.sightings[claim] = Some(Sighting { claim, fingerprint, level });
            violated |= !self.is_witness(claim);
        }
        violated
    }

    /// Whether the claim of this name, or `deadlock`, has its sighting.
    fn decided(&self, name: &str) -> bool {
        let named = self.claims.iter().position(|claim| claim.name == name);
        let claim = named.or((name == DEADLOCK).then_some(self.claims.len()));
        claim.is_some_and(|claim| self.sightings[claim].is_some())
    }

    /// The sightings to show as a walk.
    fn shown(&self, options: &Options<'_>) -> Vec<Sighting> {
        let wanted = |sighting: &Sighting| {
            !self.is_witness(sighting.claim) || options.witness == Some(self.claims[sighting.claim].name)
        };
        self.sightings.iter().flatten().copied().filter(wanted).collect()
    }

    /// The verdicts, without walks.
    fn outcomes(&self, complete: bool) -> Vec<ClaimOutcome<M>> {
        let outcome = |(index, sighting): (usize, &Option<Sighting>)| {
            let witness = self.is_witness(index);
            let (name, clause, kind) = match self.claims.get(index) {
                None => (DEADLOCK, DEADLOCK_CLAUSE, DEADLOCK),
                Some(claim) => (claim.name, claim.clause, claim.kind.name()),
            };
            let verdict = match (sighting.is_some(), complete) {
                (false, false) => ClaimVerdict::Unknown,
                (sighted, _) if sighted == witness => ClaimVerdict::Holds,
                _ => ClaimVerdict::Violated,
            };
            ClaimOutcome { name, clause, kind, verdict, walk: None }
        };
        self.sightings.iter().enumerate().map(outcome).collect()
    }

    /// Whether the claim is one that a sighting confirms.
    fn is_witness(&self, claim: usize) -> bool {
        self.claims.get(claim).is_some_and(|claim| matches!(claim.kind, ClaimKind::Sometimes(_)))
    }
}

/// The fingerprints on the way to each sighting, and the memory that it took to find them.
fn trace<M: Spec>(
    model: &M,
    options: &Options<'_>,
    limits: Limits<'_>,
    sightings: &[Sighting],
) -> (Vec<Option<Vec<u64>>>, u64) {
    let last = sightings.iter().map(|sighting| sighting.level).max().unwrap_or(1);
    let mut children: Vec<u64> = sightings
        .iter()
        .filter(|sighting| sighting.level == last)
        .map(|sighting| sighting.fingerprint)
        .collect();
    children.sort_unstable();
    children.dedup();
    let mut sweep = Sweep::<M, true>::new(model, options, limits, Reporter::silent());
    let mut found = Some(sweep.begin(&Quest::Links));
    // The last level is as large as all before it at times, and all that is asked of it is who led there.
    for level in 2..=last {
        if found.as_ref().is_some_and(|found| found.cut.is_some()) {
            break;
        }
        let quest = if level < last { Quest::Links } else { Quest::Parents(&children) };
        found = sweep.advance(&quest);
    }
    let parents = found.filter(|found| found.cut.is_none() && last > 1).map(|found| found.fingerprints);
    let chain_to = |sighting: &Sighting| {
        let mut chain = vec![sighting.fingerprint];
        let mut level = sighting.level;
        if level == last && last > 1 {
            let child = children.binary_search(&sighting.fingerprint).expect("collected above");
            chain.push(parents.as_ref()?[child]);
            level -= 1;
        }
        loop {
            let (known_level, parent) = sweep.link(*chain.last().expect("never empty"))?;
            match known_level {
                1 => break,
                _ if known_level != level => return None,
                _ => chain.push(parent),
            }
            level -= 1;
        }
        chain.reverse();
        Some(chain)
    };
    (sightings.iter().map(chain_to).collect(), sweep.memory_bytes_peak())
}
