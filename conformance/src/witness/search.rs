//! The search for a walk on which moments come true one after another.
//!
//! Breadth first from each moment to the next. Of the states in which one comes true many are kept, the nearest first: the first alone may be one from which
//! the next cannot be reached, such as one in which a follower has not got what it needs later.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use highwater_model::check::Walk;
use highwater_model::isr::state::NOBODY;
use highwater_model::isr::{Action, Isr, State};
use stateright::Model;

use super::moment::{Leave, Plan, Stage};

/// States that are kept of those in which a moment comes true.
const KEPT: usize = 400;
/// States that are looked at on the way to a moment before the search gives up.
const LOOKED_AT_MAX: usize = 300_000;

/// What was found.
pub(super) struct Found {
    pub(super) walk: Walk<Isr>,
    /// States looked at.
    pub(super) states: usize,
}

/// A state, and how it was reached.
struct Reached {
    state: State,
    from: Option<(usize, Action)>,
}

/// A walk through all moments.
///
/// # Errors
/// At which moment it ends.
pub(super) fn search(model: &Isr, plan: &Plan) -> Result<Found, String> {
    let mut reached: Vec<Reached> =
        model.init_states().into_iter().map(|state| Reached { state, from: None }).collect();
    let mut begin: Vec<usize> = (0..reached.len()).collect();
    for stage in &plan.stages {
        let ends = way(model, stage, &mut reached, &begin);
        if ends.is_empty() {
            let Stage { step, line, .. } = stage;
            return Err(format!("line {line}: {step}: no walk of the model gets there from what is before"));
        }
        begin = ends;
    }
    let states = reached.len();
    let mut steps = Vec::new();
    let mut at = begin[0];
    while let Some((before, action)) = reached[at].from {
        steps.push((action, reached[at].state));
        at = before;
    }
    steps.reverse();
    Ok(Found { walk: Walk { start: reached[at].state, steps, loop_to: None }, states })
}

/// Where the moment comes true, the nearest first.
fn way(model: &Isr, stage: &Stage, reached: &mut Vec<Reached>, begin: &[usize]) -> Vec<usize> {
    let mut known: HashMap<State, usize> = HashMap::new();
    let mut ends = Vec::new();
    let mut level = Vec::new();
    for &at in begin {
        if known.insert(reached[at].state, at).is_none() {
            level.push(at);
        }
    }
    let mut actions = Vec::new();
    while !level.is_empty() && ends.len() < KEPT && known.len() < LOOKED_AT_MAX {
        let mut next = Vec::new();
        for at in level {
            let state = reached[at].state;
            if stage.moment.holds(&state) {
                ends.push(at);
            }
            actions.clear();
            model.actions(&state, &mut actions);
            for &action in actions.iter().filter(|action| may(stage.leave, &state, action)) {
                let Some(after) = model.next_state(&state, action) else { continue };
                if let Entry::Vacant(place) = known.entry(after) {
                    place.insert(reached.len());
                    next.push(reached.len());
                    reached.push(Reached { state: after, from: Some((at, action)) });
                }
            }
        }
        level = next;
    }
    ends
}

/// Whether it may happen on the way: of itself, or because the case does it.
fn may(leave: Leave, state: &State, action: &Action) -> bool {
    let is_up = |node: u8| state.nodes[node as usize].is_up();
    let troubled = |node: u8| leave.troubled & 1 << node != 0 || !is_up(node);
    match *action {
        Action::Fetch { .. }
        | Action::HandleFetch { .. }
        | Action::HandleResponse { .. }
        | Action::HandleAlter { .. }
        | Action::HandleRefusal { .. }
        | Action::Expand { .. }
        | Action::Learn { .. }
        | Action::Unfence { .. } => true,
        // A message that is late is as good as lost; and nothing has to cease.
        Action::Lose { .. } | Action::Stabilise => false,
        Action::Produce { leader } => {
            leave.produces.is_some_and(|to| to.is_none_or(|to| to == leader)) && leader != NOBODY
        }
        Action::Shrink { follower, .. } => troubled(follower),
        Action::Fence { node, .. } => troubled(node),
        Action::Elect { .. } => leave.elects || state.controller.leader == NOBODY,
        Action::ShutDown { node } => leave.stops == Some(node) || leave.crashes == Some(node),
        Action::Crash { node, keep } => {
            leave.crashes == Some(node)
                || leave.stops == Some(node) && keep == state.nodes[node as usize].leo()
        }
        Action::Restart { node } => leave.starts == Some(node),
    }
}
