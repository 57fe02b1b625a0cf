//! From a chain of fingerprints to the walk that they stand for.

use super::fingerprint::fingerprint;
use super::outcome::Walk;
use super::spec::Spec;

/// The fingerprint by which the search knows a state: that of its representative under symmetry.
#[inline(always)]
pub(crate) fn known_as<M: Spec>(model: &M, symmetry: bool, state: &M::State) -> u64 {
    if symmetry { fingerprint(&model.canonical(state)) } else { fingerprint(state) }
}

/// The walk whose states are known by `chain`, from an initial state on.
///
/// The walk is concrete also under symmetry: each state is a successor of the one before it, not of its
/// representative. Where several actions lead on, the first in the model's order is taken. `None` where no
/// action does, which means that two states share a fingerprint or that `canonical` breaks its promise.
pub(crate) fn rebuild<M: Spec>(model: &M, symmetry: bool, chain: &[u64]) -> Option<Walk<M>> {
    let (&first, rest) = chain.split_first()?;
    let start = model
        .init_states()
        .into_iter()
        .find(|state| model.within_boundary(state) && known_as(model, symmetry, state) == first)?;
    let mut steps = Vec::with_capacity(rest.len());
    let mut state = start;
    let mut actions = Vec::new();
    for &wanted in rest {
        actions.clear();
        model.actions(&state, &mut actions);
        let step = actions.iter().find_map(|action| {
            let next = model.next_state(&state, *action)?;
            let fits = model.within_boundary(&next) && known_as(model, symmetry, &next) == wanted;
            fits.then_some((*action, next))
        })?;
        state = step.1;
        steps.push(step);
    }
    Some(Walk { start, steps, loop_to: None })
}
