//! Fair behaviours that owe something for ever: what refutes a `LeadsTo` claim.
//!
//! A behaviour refutes `from ~> to` when it passes a state of `from`, sees no state of `to` from there on, and
//! is fair: whatever class of actions is enabled for ever is taken again and again. In a finite graph it ends
//! up in one strongly connected component of the states that owe, so the components decide:
//!
//! - A component is fair when each class is disabled in one of its states or has an edge inside it. (A larger
//!   component is fair whenever a part of it is, so that the maximal ones suffice. That is so for weak
//!   fairness; for strong fairness it is not.)
//! - A single state is a component too: a behaviour may stay there for ever when no class is enabled. That is
//!   the terminal state, and also the state that only faults can leave, since nobody owes a fault.
//! - A step that does not change the state is none: it neither enables a class nor satisfies it.

use super::graph::{Graph, NOWHERE, UNFAIR};
use super::spec::{Predicate, Spec};

/// A behaviour by the numbers of its states: `path`, then from its last state `cycle` for ever.
pub(crate) struct Lasso {
    /// From an initial state to where the cycle begins.
    pub(crate) path: Vec<u32>,
    /// The edges of the cycle, target and class; empty where the behaviour stays for ever.
    pub(crate) cycle: Vec<(u32, u8)>,
}

/// Bytes that [`find`] takes for each state of the graph, at the most.
pub(crate) const BYTES_PER_STATE: u64 = 37;

/// The fair behaviour with the shortest way to its cycle that sees `from` and from there on no `to`, if any.
pub(crate) fn find<M: Spec>(
    model: &M,
    graph: &Graph<M>,
    from: Predicate<M>,
    to: Predicate<M>,
) -> Option<Lasso> {
    let owing = Owing::search(model, graph, from, to);
    let fair = fair_components(graph, &owing);
    // The order of `owing` is that of distance: the first hit is the nearest.
    let entry = *owing.order.iter().find(|&&state| fair.contains(state))?;
    let component = fair.component[entry as usize];
    Some(Lasso { path: owing.path_to(graph, entry), cycle: cycle(graph, &fair.component, component, entry) })
}

/// The states in which a behaviour may owe: those reached from `from` without seeing `to`.
struct Owing {
    /// By the length of the shortest behaviour that owes there; ties by discovery.
    order: Vec<u32>,
    /// The state before each on that behaviour. A state that is its own parent begins to owe there.
    parents: Vec<u32>,
}

impl Owing {
    fn search<M: Spec>(model: &M, graph: &Graph<M>, from: Predicate<M>, to: Predicate<M>) -> Self {
        let avoids: Vec<bool> = graph.states.iter().map(|state| !to(model, state)).collect();
        let mut order: Vec<u32> = Vec::new();
        let mut parents = vec![NOWHERE; graph.len()];
        let mut expanded = 0;
        let mut level = 0;
        // One level of distance a turn: first what begins to owe at this depth, then what the level before led to.
        while level < graph.depth() || expanded < order.len() {
            let level_end = order.len();
            if let Some(states) = graph.level(level) {
                for state in states {
                    let begins = avoids[state as usize] && parents[state as usize] == NOWHERE;
                    if begins && from(model, &graph.states[state as usize]) {
                        parents[state as usize] = state;
                        order.push(state);
                    }
                }
            }
            for position in expanded..level_end {
                let state = order[position];
                for (next, _) in graph.edges(state) {
                    if avoids[next as usize] && parents[next as usize] == NOWHERE {
                        parents[next as usize] = state;
                        order.push(next);
                    }
                }
            }
            expanded = level_end;
            level += 1;
        }
        Self { order, parents }
    }

    fn contains(&self, state: u32) -> bool {
        self.parents[state as usize] != NOWHERE
    }

    fn path_to<M: Spec>(&self, graph: &Graph<M>, end: u32) -> Vec<u32> {
        let mut path = vec![end];
        let mut state = end;
        while self.parents[state as usize] != state {
            state = self.parents[state as usize];
            path.push(state);
        }
        while graph.parents[state as usize] != NOWHERE {
            state = graph.parents[state as usize];
            path.push(state);
        }
        path.reverse();
        path
    }
}

/// The components of the owing states, and which of them are fair.
struct Components {
    /// The component of each state, [`NOWHERE`] where nothing is owed.
    component: Vec<u32>,
    fair: Vec<bool>,
}

impl Components {
    fn contains(&self, state: u32) -> bool {
        self.fair[self.component[state as usize] as usize]
    }
}

/// Tarjan's algorithm, with the call stack as a vector.
fn fair_components<M: Spec>(graph: &Graph<M>, owing: &Owing) -> Components {
    const UNVISITED: u32 = 0;
    let mut found = Components { component: vec![NOWHERE; graph.len()], fair: Vec::new() };
    // The order of visit, and the least such order that is reachable within the stack.
    let mut visited = vec![UNVISITED; graph.len()];
    let mut lowest = vec![UNVISITED; graph.len()];
    let mut visits = UNVISITED;
    let mut stack: Vec<u32> = Vec::new();
    let mut calls: Vec<(u32, u32)> = Vec::new();
    for &root in &owing.order {
        if visited[root as usize] != UNVISITED {
            continue;
        }
        calls.push((root, 0));
        while let Some((state, edge)) = calls.last_mut() {
            let (state, offset) = (*state, *edge);
            if offset == 0 {
                visits += 1;
                visited[state as usize] = visits;
                lowest[state as usize] = visits;
                stack.push(state);
            }
            *edge += 1;
            if let Some(next) = graph.target_at(state, offset) {
                if !owing.contains(next) {
                    continue;
                }
                if visited[next as usize] == UNVISITED {
                    calls.push((next, 0));
                } else if found.component[next as usize] == NOWHERE {
                    lowest[state as usize] = lowest[state as usize].min(visited[next as usize]);
                }
                continue;
            }
            calls.pop();
            if let Some(&(caller, _)) = calls.last() {
                lowest[caller as usize] = lowest[caller as usize].min(lowest[state as usize]);
            }
            if lowest[state as usize] == visited[state as usize] {
                let first = stack.iter().rposition(|&other| other == state).expect("on the stack");
                close_component(graph, &mut found, &stack[first..]);
                stack.truncate(first);
            }
        }
    }
    found
}

fn close_component<M: Spec>(graph: &Graph<M>, found: &mut Components, members: &[u32]) {
    let number = found.fair.len() as u32;
    for &member in members {
        found.component[member as usize] = number;
    }
    let mut always_enabled = u64::MAX;
    let mut taken = 0u64;
    for &member in members {
        always_enabled &= graph.enabled[member as usize];
        for (next, class) in graph.edges(member) {
            if class != UNFAIR && found.component[next as usize] == number {
                taken |= 1 << class;
            }
        }
    }
    found.fair.push(always_enabled & !taken == 0);
}

/// A cycle from `entry` through its fair component that owes no class anything.
fn cycle<M: Spec>(graph: &Graph<M>, components: &[u32], component: u32, entry: u32) -> Vec<(u32, u8)> {
    let mut within = Within { graph, components, component, seen: vec![0; graph.len()], search: 0 };
    let mut cycle: Vec<(u32, u8)> = Vec::new();
    let mut state = entry;
    // Classes that are neither seen disabled nor taken so far.
    let mut owed = graph.enabled[entry as usize];
    while owed != 0 {
        let leg = within.shortest(state, |next, class| {
            owed & !graph.enabled[next as usize] != 0 || class != UNFAIR && owed & (1 << class) != 0
        });
        for (next, class) in leg {
            owed &= graph.enabled[next as usize];
            if class != UNFAIR {
                owed &= !(1 << class);
            }
            state = next;
            cycle.push((next, class));
        }
    }
    if state != entry {
        cycle.extend(within.shortest(state, |next, _| next == entry));
    }
    cycle
}

/// Searches that stay within one component.
struct Within<'a, M: Spec> {
    graph: &'a Graph<M>,
    components: &'a [u32],
    component: u32,
    /// The last search that saw each state.
    seen: Vec<u32>,
    search: u32,
}

impl<M: Spec> Within<'_, M> {
    /// The edges of a shortest way from `start` whose last edge is `wanted`. The component has one.
    fn shortest(&mut self, start: u32, wanted: impl Fn(u32, u8) -> bool) -> Vec<(u32, u8)> {
        self.search += 1;
        self.seen[start as usize] = self.search;
        // Each state reached, the position of the one before it, and the class of the edge.
        let mut reached: Vec<(u32, usize, u8)> = vec![(start, 0, UNFAIR)];
        let mut expanded = 0;
        while expanded < reached.len() {
            for (next, class) in self.graph.edges(reached[expanded].0) {
                if self.components[next as usize] != self.component {
                    continue;
                }
                if wanted(next, class) {
                    let mut way = vec![(next, class)];
                    let mut position = expanded;
                    while position != 0 {
                        way.push((reached[position].0, reached[position].2));
                        position = reached[position].1;
                    }
                    way.reverse();
                    return way;
                }
                if self.seen[next as usize] != self.search {
                    self.seen[next as usize] = self.search;
                    reached.push((next, expanded, class));
                }
            }
            expanded += 1;
        }
        unreachable!("a fair component leads to everything that it owes")
    }
}
