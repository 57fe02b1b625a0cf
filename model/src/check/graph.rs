//! The whole graph of a model, for questions that a visited set cannot answer.

use std::ops::Range;

use super::fingerprint::fingerprint;
use super::limits::{Limits, Reporter};
use super::options::Progress;
use super::outcome::Cut;
use super::spec::Spec;

/// The class of an edge that nobody owes.
pub(crate) const UNFAIR: u8 = u8::MAX;

/// "No state", where an index is expected.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// States between two looks at the limits.
const STATES_PER_CHECK: usize = 1024;

/// Every reachable state and every step that changes it.
///
/// - States are numbered in breadth-first order, and in the order of the model's actions within a level, so
///   that everything derived from the numbers is the same on every run.
/// - States are kept and compared whole: none is taken for another, whatever its fingerprint.
/// - A step to the same state is no edge. Two steps between the same states are two edges.
pub(crate) struct Graph<M: Spec> {
    pub(crate) states: Vec<M::State>,
    /// The state from which each was first reached; [`NOWHERE`] for an initial state.
    pub(crate) parents: Vec<u32>,
    /// The edges of state `i` are `first_edge[i]..first_edge[i + 1]`.
    first_edge: Vec<u64>,
    targets: Vec<u32>,
    classes: Vec<u8>,
    /// The classes of which an action would change the state, also those that leave the boundary.
    pub(crate) enabled: Vec<u64>,
    /// The number of the first state of each level, and the number of states.
    levels: Vec<usize>,
    pub(crate) generated: u64,
    pub(crate) terminal: u64,
    pub(crate) fired: Vec<u64>,
    pub(crate) memory_bytes_peak: u64,
    slots: Vec<u32>,
}

impl<M: Spec> Graph<M> {
    /// Builds the graph, or as much of it as the limits allow.
    pub(crate) fn build(model: &M, limits: Limits<'_>) -> (Self, Option<Cut>) {
        let mut graph = Self {
            states: Vec::new(),
            parents: Vec::new(),
            first_edge: vec![0],
            targets: Vec::new(),
            classes: Vec::new(),
            enabled: Vec::new(),
            levels: vec![0],
            generated: 0,
            terminal: 0,
            fired: vec![0; model.action_kinds().len()],
            memory_bytes_peak: 0,
            slots: vec![NOWHERE; 1 << 10],
        };
        for state in model.init_states() {
            if model.within_boundary(&state) {
                graph.generated += 1;
                graph.number(state, NOWHERE);
            }
        }
        let cut = graph.expand_all(model, limits);
        graph.memory_bytes_peak = graph.memory_bytes_peak.max(graph.memory_bytes());
        (graph, cut)
    }

    /// The edges of a state: where each leads, and its class.
    #[inline]
    pub(crate) fn edges(&self, state: u32) -> impl Iterator<Item = (u32, u8)> + '_ {
        let edges = self.edge_range(state);
        self.targets[edges.clone()].iter().copied().zip(self.classes[edges].iter().copied())
    }

    /// The edge that is `offset` edges after the first of a state, if there is one.
    #[inline]
    pub(crate) fn target_at(&self, state: u32, offset: u32) -> Option<u32> {
        self.targets[self.edge_range(state)].get(offset as usize).copied()
    }

    /// The numbers of the states of a level, the initial states being level 0.
    pub(crate) fn level(&self, level: usize) -> Option<Range<u32>> {
        let end = *self.levels.get(level + 1)?;
        Some(self.levels[level] as u32..end as u32)
    }

    /// Levels, that of the initial states included.
    pub(crate) fn depth(&self) -> usize {
        self.levels.len() - 1
    }

    pub(crate) fn len(&self) -> usize {
        self.states.len()
    }

    /// Bytes in use, spare capacity included.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let bytes = self.states.capacity() * size_of::<M::State>()
            + self.parents.capacity() * 4
            + self.first_edge.capacity() * 8
            + self.targets.capacity() * 4
            + self.classes.capacity()
            + self.enabled.capacity() * 8
            + self.slots.capacity() * 4;
        bytes as u64
    }

    fn edge_range(&self, state: u32) -> Range<usize> {
        self.first_edge[state as usize] as usize..self.first_edge[state as usize + 1] as usize
    }

    fn expand_all(&mut self, model: &M, limits: Limits<'_>) -> Option<Cut> {
        let mut actions = Vec::new();
        let mut reporter = limits.reporter();
        let mut expanded = 0;
        while expanded < self.states.len() {
            if expanded == *self.levels.last().expect("starts with one") {
                self.levels.push(self.states.len());
                self.report(&mut reporter, expanded, true);
            }
            if expanded.is_multiple_of(STATES_PER_CHECK) {
                let bytes = self.memory_bytes();
                self.memory_bytes_peak = self.memory_bytes_peak.max(bytes);
                // Growth doubles one of the vectors at a time: what it takes then is told apart by the next check.
                if let Some(cut) = limits.out_of_time().or_else(|| limits.out_of_memory(bytes)) {
                    return Some(cut);
                }
                self.report(&mut reporter, expanded, false);
            }
            self.expand(model, expanded as u32, &mut actions);
            expanded += 1;
        }
        None
    }

    fn expand(&mut self, model: &M, from: u32, actions: &mut Vec<M::Action>) {
        let state = self.states[from as usize];
        let mut enabled = 0u64;
        let mut ends = true;
        actions.clear();
        model.actions(&state, actions);
        for action in actions.iter() {
            let Some(next) = model.next_state(&state, *action) else { continue };
            let changes = next != state;
            let class = model.fairness(action).unwrap_or(UNFAIR);
            if changes {
                ends = false;
                if class != UNFAIR {
                    assert!(class < 64, "fairness class {class} of {action:?} is not below 64");
                    enabled |= 1 << class;
                }
            }
            if !model.within_boundary(&next) {
                continue;
            }
            self.generated += 1;
            self.fired[model.kind_of(action)] += 1;
            if changes {
                let target = self.number(next, from);
                self.targets.push(target);
                self.classes.push(class);
            }
        }
        self.terminal += u64::from(ends);
        self.enabled.push(enabled);
        self.first_edge.push(self.targets.len() as u64);
    }

    /// The number of a state, a new one if it was not seen before.
    #[inline]
    fn number(&mut self, state: M::State, parent: u32) -> u32 {
        if (self.states.len() + 1) * 2 > self.slots.len() {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        let mut slot = fingerprint(&state) as usize & mask;
        loop {
            match self.slots[slot] {
                NOWHERE => break,
                number if self.states[number as usize] == state => return number,
                _ => slot = (slot + 1) & mask,
            }
        }
        let number = self.states.len() as u32;
        assert!(number != NOWHERE, "a graph of 2^32 states is beyond liveness");
        self.slots[slot] = number;
        self.states.push(state);
        self.parents.push(parent);
        number
    }

    fn grow(&mut self) {
        let mask = self.slots.len() * 2 - 1;
        let mut slots = vec![NOWHERE; mask + 1];
        for (number, state) in self.states.iter().enumerate() {
            let mut slot = fingerprint(state) as usize & mask;
            while slots[slot] != NOWHERE {
                slot = (slot + 1) & mask;
            }
            slots[slot] = number as u32;
        }
        self.slots = slots;
    }

    fn report(&self, reporter: &mut Reporter<'_>, expanded: usize, due: bool) {
        reporter.report(due, |elapsed| {
            let level_end = *self.levels.last().expect("starts with one");
            Progress {
                generated: self.generated,
                unique: self.states.len() as u64,
                depth: self.depth() as u32,
                queue: (level_end - expanded) as u64,
                next: (self.states.len() - level_end) as u64,
                memory_bytes: self.memory_bytes(),
                elapsed,
            }
        });
    }
}
