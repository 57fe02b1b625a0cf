//! The safety search.

use std::collections::HashMap;
use std::time::Instant;

use super::options::{Options, Progress, Stop};
use super::outcome::{ClaimOutcome, ClaimVerdict, Cut, Fired, Outcome, Verdict};
use super::rebuild::{known_as, rebuild};
use super::spec::{Claim, ClaimKind, Spec};

/// Visits every reachable state and decides the `Always` and `Sometimes` claims, and deadlock.
pub fn search<M: Spec>(model: &M, options: &Options<'_>) -> Outcome<M> {
    let began = Instant::now();
    let claims: Vec<Claim<M>> =
        model.claims().into_iter().filter(|claim| !matches!(claim.kind, ClaimKind::LeadsTo { .. })).collect();
    let mut found: Vec<Option<u64>> = vec![None; claims.len() + 1];
    let mut best = vec![u64::MAX; claims.len() + 1];
    let mut parents: HashMap<u64, (u32, u64)> = HashMap::new();
    let mut frontier: Vec<M::State> = Vec::new();
    let mut next_frontier: Vec<M::State> = Vec::new();
    let mut fired = vec![0u64; model.action_kinds().len()];
    let (mut generated, mut terminal) = (0u64, 0u64);
    let mut cut = None;
    let mut depth = 0u32;
    let mut memory_peak = 0u64;
    let mut stopped = false;
    let judge = |state: &M::State, fp: u64, found: &[Option<u64>], best: &mut [u64]| {
        for (index, claim) in claims.iter().enumerate() {
            if found[index].is_none() && fp < best[index] {
                let hit = match claim.kind {
                    ClaimKind::Always(holds) => !holds(model, state),
                    ClaimKind::Sometimes(seen) => seen(model, state),
                    ClaimKind::LeadsTo { .. } => false,
                };
                if hit {
                    best[index] = fp;
                }
            }
        }
    };
    let settle = |found: &mut [Option<u64>], best: &mut [u64]| {
        let mut violated = false;
        for (index, best) in best.iter_mut().enumerate() {
            if *best != u64::MAX {
                found[index] = Some(*best);
                *best = u64::MAX;
                violated |= claims.get(index).is_none_or(|claim| matches!(claim.kind, ClaimKind::Always(_)));
            }
        }
        violated
    };
    for state in model.init_states().into_iter().filter(|state| model.within_boundary(state)) {
        generated += 1;
        let state = if options.symmetry { model.canonical(&state) } else { state };
        let fp = known_as(model, false, &state);
        if parents.insert(fp, (1, 0)).is_none() {
            frontier.push(state);
            judge(&state, fp, &found, &mut best);
        }
    }
    stopped |= settle(&mut found, &mut best) && options.stop == Stop::FirstViolation;
    let mut actions = Vec::new();
    if !frontier.is_empty() {
        depth = 1;
    }
    while !frontier.is_empty() && !stopped && cut.is_none() {
        for (done, state) in frontier.iter().enumerate() {
            let memory = (parents.capacity() * 25
                + (frontier.capacity() + next_frontier.capacity()) * size_of::<M::State>())
                as u64;
            memory_peak = memory_peak.max(memory);
            if done % 256 == 0 {
                if options.memory_bytes_max.is_some_and(|max| memory > max) {
                    cut = Some(Cut::Memory);
                } else if options.time_max.is_some_and(|max| began.elapsed() > max) {
                    cut = Some(Cut::Time);
                } else if options.cancel.is_some_and(|flag| flag.load(std::sync::atomic::Ordering::Relaxed)) {
                    cut = Some(Cut::Interrupted);
                }
                if cut.is_some() {
                    break;
                }
            }
            let from = known_as(model, false, state);
            actions.clear();
            model.actions(state, &mut actions);
            let mut ends = true;
            for action in &actions {
                let Some(next) = model.next_state(state, *action) else { continue };
                ends &= next == *state;
                if !model.within_boundary(&next) {
                    continue;
                }
                generated += 1;
                fired[model.kind_of(action)] += 1;
                let next = if options.symmetry { model.canonical(&next) } else { next };
                let fp = known_as(model, false, &next);
                let entry = parents.entry(fp).or_insert((0, u64::MAX));
                if entry.0 == 0 {
                    *entry = (depth + 1, from);
                    next_frontier.push(next);
                    judge(&next, fp, &found, &mut best);
                } else if entry.0 == depth + 1 {
                    entry.1 = entry.1.min(from);
                }
            }
            if ends {
                terminal += 1;
                let index = claims.len();
                if found[index].is_none() && !model.may_end(state) {
                    best[index] = best[index].min(from);
                }
            }
        }
        stopped |= settle(&mut found, &mut best) && options.stop == Stop::FirstViolation;
        std::mem::swap(&mut frontier, &mut next_frontier);
        next_frontier.clear();
        if !frontier.is_empty() {
            depth += 1;
        }
        if let Some(observer) = options.observer {
            observer.progress(&Progress {
                generated,
                unique: parents.len() as u64,
                depth,
                queue: frontier.len() as u64,
                next: 0,
                memory_bytes: memory_peak,
                elapsed: began.elapsed(),
            });
        }
    }
    let complete = cut.is_none() && !stopped;
    let walk_to = |fp: u64| {
        let mut chain = vec![fp];
        let mut at = fp;
        while let Some(&(level, parent)) = parents.get(&at)
            && level > 1
        {
            chain.push(parent);
            at = parent;
        }
        chain.reverse();
        rebuild(model, options.symmetry, &chain)
    };
    let mut outcomes = Vec::new();
    for (index, found) in found.iter().enumerate() {
        let (name, clause, kind, witness) = match claims.get(index) {
            None => ("deadlock", "check/deadlock/1", "deadlock", false),
            Some(claim) => match claim.kind {
                ClaimKind::Sometimes(_) => (claim.name, claim.clause, "sometimes", true),
                _ => (claim.name, claim.clause, "always", false),
            },
        };
        let verdict = match (found.is_some(), witness) {
            (true, true) => ClaimVerdict::Holds,
            (true, false) => ClaimVerdict::Violated,
            (false, _) if !complete => ClaimVerdict::Unknown,
            (false, true) => ClaimVerdict::Violated,
            (false, false) => ClaimVerdict::Holds,
        };
        let walk = if !witness || options.witness == Some(name) { found.and_then(walk_to) } else { None };
        outcomes.push(ClaimOutcome { name, clause, kind, verdict, walk });
    }
    let violated = outcomes.iter().any(|outcome| outcome.verdict == ClaimVerdict::Violated);
    let unique = parents.len() as u64;
    Outcome {
        verdict: match (violated, cut) {
            (true, _) => Verdict::Violated,
            (false, Some(_)) => Verdict::Incomplete,
            (false, None) => Verdict::Holds,
        },
        cut,
        generated,
        unique,
        depth,
        terminal,
        elapsed: began.elapsed(),
        memory_bytes_peak: memory_peak,
        collision_probability: unique as f64 * unique.saturating_sub(1) as f64 / 2f64.powi(65),
        claims: outcomes,
        actions: model
            .action_kinds()
            .iter()
            .zip(fired)
            .map(|(name, fired)| Fired { name: (*name).to_owned(), fired })
            .collect(),
    }
}
