//! The liveness search.

use super::graph::{Graph, UNFAIR};
use super::lasso::{self, Lasso};
use super::limits::Limits;
use super::options::Options;
use super::outcome::{ClaimOutcome, ClaimVerdict, Fired, Outcome, Walk, sum};
use super::spec::{ClaimKind, Spec};

/// Builds the whole graph (never under symmetry) and decides the `LeadsTo` claims by fair cycles.
///
/// Every claim is decided, whatever [`Options::stop`] says, on one thread. States are compared whole, so the
/// chance that two were confused is nil. The refutation of a claim is a walk with the shortest possible way to
/// its cycle; a cycle without steps (`loop_to` is the last state) stays there for ever.
pub fn liveness<M: Spec>(model: &M, options: &Options<'_>) -> Outcome<M> {
    let limits = Limits::start(options);
    let (graph, mut cut) = Graph::build(model, limits);
    let mut memory_bytes_peak = graph.memory_bytes_peak;
    let mut claims = Vec::new();
    for claim in model.claims() {
        let ClaimKind::LeadsTo { from, to } = claim.kind else { continue };
        if cut.is_none() {
            let bytes = graph.memory_bytes() + graph.len() as u64 * lasso::BYTES_PER_STATE;
            cut = limits.out_of_time().or_else(|| limits.out_of_memory(bytes));
            if cut.is_none() {
                memory_bytes_peak = memory_bytes_peak.max(bytes);
            }
        }
        let (verdict, walk) = if cut.is_some() {
            (ClaimVerdict::Unknown, None)
        } else {
            match lasso::find(model, &graph, from, to) {
                None => (ClaimVerdict::Holds, None),
                Some(lasso) => (ClaimVerdict::Violated, Some(walk(model, &graph, &lasso))),
            }
        };
        claims.push(ClaimOutcome {
            name: claim.name,
            clause: claim.clause,
            kind: claim.kind.name(),
            verdict,
            walk,
        });
    }
    Outcome {
        verdict: sum(&claims, cut),
        cut,
        generated: graph.generated,
        unique: graph.len() as u64,
        depth: graph.depth() as u32,
        terminal: graph.terminal,
        elapsed: limits.elapsed(),
        memory_bytes_peak,
        collision_probability: 0.0,
        claims,
        actions: Fired::list(model, &graph.fired),
    }
}

fn walk<M: Spec>(model: &M, graph: &Graph<M>, lasso: &Lasso) -> Walk<M> {
    let mut steps = Vec::new();
    for pair in lasso.path.windows(2) {
        steps.push(step(model, graph, pair[0], pair[1], None));
    }
    let loop_to = steps.len();
    let mut state = *lasso.path.last().expect("a lasso has a state");
    for &(next, class) in &lasso.cycle {
        steps.push(step(model, graph, state, next, Some(class)));
        state = next;
    }
    Walk { start: graph.states[lasso.path[0] as usize], steps, loop_to: Some(loop_to) }
}

/// The first action, of the class if one is given, that leads from one state to the other.
fn step<M: Spec>(
    model: &M,
    graph: &Graph<M>,
    from: u32,
    to: u32,
    class: Option<u8>,
) -> (M::Action, M::State) {
    let (from, to) = (graph.states[from as usize], graph.states[to as usize]);
    let mut actions = Vec::new();
    model.actions(&from, &mut actions);
    let action = actions
        .into_iter()
        .filter(|action| class.is_none_or(|class| model.fairness(action).unwrap_or(UNFAIR) == class))
        .find(|action| model.next_state(&from, *action) == Some(to));
    (action.expect("every edge was made by an action"), to)
}
