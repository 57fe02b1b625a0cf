//! Small models whose answers are known.

use std::hash::{Hash, Hasher};

use bytemuck::{Pod, Zeroable};
use stateright::{Model, Property};

use crate::check::{Claim, Spec, stateright_properties};

/// Counters from 0 to `top`, of which any may go up: `(top + 1)^counters` states.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counters {
    pub(super) counters: usize,
    pub(super) top: u8,
    /// The sum that no state may have.
    pub(super) forbidden_sum: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, align(8))]
pub(super) struct Counts([u8; 64]);

impl Hash for Counts {
    #[inline]
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        for word in bytemuck::cast::<_, [u64; 8]>(*self) {
            hasher.write_u64(word);
        }
    }
}

impl Counters {
    fn sum(state: &Counts) -> u32 {
        state.0.iter().map(|count| u32::from(*count)).sum()
    }
}

impl Model for Counters {
    type State = Counts;
    type Action = u8;

    fn init_states(&self) -> Vec<Counts> {
        vec![Counts([0; 64])]
    }

    fn actions(&self, state: &Counts, actions: &mut Vec<u8>) {
        actions.extend((0..self.counters as u8).filter(|counter| state.0[usize::from(*counter)] < self.top));
    }

    fn next_state(&self, state: &Counts, counter: u8) -> Option<Counts> {
        let mut next = *state;
        next.0[usize::from(counter)] += 1;
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        stateright_properties(self)
    }
}

impl Spec for Counters {
    fn action_kinds(&self) -> &'static [&'static str] {
        &["even", "odd"]
    }

    fn kind_of(&self, counter: &u8) -> usize {
        usize::from(counter % 2)
    }

    fn claims(&self) -> Vec<Claim<Self>> {
        vec![
            Claim::always("sum", "test/1", "The sum is not the forbidden one.", |model, state: &Counts| {
                model.forbidden_sum != Some(Self::sum(state))
            }),
            Claim::sometimes(
                "half",
                "test/2",
                "Half the counters are at the top.",
                |model, state: &Counts| state.0[..model.counters / 2].iter().all(|count| *count == model.top),
            ),
            Claim::sometimes("over", "test/3", "Never met.", |model, state: &Counts| state.0[0] > model.top),
        ]
    }

    fn canonical(&self, state: &Counts) -> Counts {
        let mut state = *state;
        state.0[..self.counters].sort_unstable();
        state
    }

    fn may_end(&self, state: &Counts) -> bool {
        state.0[..self.counters].iter().all(|count| *count == self.top)
    }
}

/// Two-phase commit after Lamport's specification: 288 states of 3 managers, 8,832 of 5.
#[derive(Debug, Clone, Copy)]
pub(super) struct Commit {
    pub(super) managers: u8,
}

/// Sets of managers as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Transaction {
    /// Working, prepared, committed or aborted.
    managers: [Manager; 8],
    decision: Decision,
    heard: u8,
    messages: u8,
    commit_sent: bool,
    abort_sent: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Manager {
    Working,
    Prepared,
    Committed,
    Aborted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Decision {
    Open,
    Committed,
    Aborted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    HearPrepared(u8),
    Commit,
    Abort,
    Prepare(u8),
    ChooseAbort(u8),
    HearCommit(u8),
    HearAbort(u8),
}

impl Model for Commit {
    type State = Transaction;
    type Action = Deed;

    fn init_states(&self) -> Vec<Transaction> {
        vec![Transaction {
            managers: [Manager::Working; 8],
            decision: Decision::Open,
            heard: 0,
            messages: 0,
            commit_sent: false,
            abort_sent: false,
        }]
    }

    fn actions(&self, state: &Transaction, actions: &mut Vec<Deed>) {
        let open = state.decision == Decision::Open;
        if open && state.heard.count_ones() == u32::from(self.managers) {
            actions.push(Deed::Commit);
        }
        if open {
            actions.push(Deed::Abort);
        }
        for manager in 0..self.managers {
            if open && state.messages & 1 << manager != 0 {
                actions.push(Deed::HearPrepared(manager));
            }
            if state.managers[usize::from(manager)] == Manager::Working {
                actions.push(Deed::Prepare(manager));
                actions.push(Deed::ChooseAbort(manager));
            }
            if state.commit_sent {
                actions.push(Deed::HearCommit(manager));
            }
            if state.abort_sent {
                actions.push(Deed::HearAbort(manager));
            }
        }
    }

    fn next_state(&self, state: &Transaction, deed: Deed) -> Option<Transaction> {
        let mut next = *state;
        match deed {
            Deed::HearPrepared(manager) => next.heard |= 1 << manager,
            Deed::Commit => {
                next.decision = Decision::Committed;
                next.commit_sent = true;
            }
            Deed::Abort => {
                next.decision = Decision::Aborted;
                next.abort_sent = true;
            }
            Deed::Prepare(manager) => {
                next.managers[usize::from(manager)] = Manager::Prepared;
                next.messages |= 1 << manager;
            }
            Deed::ChooseAbort(manager) => next.managers[usize::from(manager)] = Manager::Aborted,
            Deed::HearCommit(manager) => next.managers[usize::from(manager)] = Manager::Committed,
            Deed::HearAbort(manager) => next.managers[usize::from(manager)] = Manager::Aborted,
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        stateright_properties(self)
    }
}

impl Spec for Commit {
    fn action_kinds(&self) -> &'static [&'static str] {
        &["coordinator", "manager"]
    }

    fn kind_of(&self, deed: &Deed) -> usize {
        usize::from(!matches!(deed, Deed::HearPrepared(_) | Deed::Commit | Deed::Abort))
    }

    fn claims(&self) -> Vec<Claim<Self>> {
        vec![
            Claim::sometimes("aborts", "test/1", "All abort.", |model, state: &Transaction| {
                state.managers[..usize::from(model.managers)]
                    .iter()
                    .all(|manager| *manager == Manager::Aborted)
            }),
            Claim::sometimes("commits", "test/2", "All commit.", |model, state: &Transaction| {
                state.managers[..usize::from(model.managers)]
                    .iter()
                    .all(|manager| *manager == Manager::Committed)
            }),
            Claim::always(
                "consistent",
                "test/3",
                "None commits where another aborts.",
                |_, state: &Transaction| {
                    !(state.managers.contains(&Manager::Aborted)
                        && state.managers.contains(&Manager::Committed))
                },
            ),
        ]
    }

    fn canonical(&self, state: &Transaction) -> Transaction {
        // Everything that is known of a manager, sorted.
        let mut known: [(Manager, u8, u8); 8] =
            std::array::from_fn(|i| (state.managers[i], state.heard >> i & 1, state.messages >> i & 1));
        known[..usize::from(self.managers)].sort_unstable();
        let mut sorted = Transaction { heard: 0, messages: 0, ..*state };
        for (i, (manager, heard, message)) in known.into_iter().enumerate() {
            sorted.managers[i] = manager;
            sorted.heard |= heard << i;
            sorted.messages |= message << i;
        }
        sorted
    }

    fn may_end(&self, _: &Transaction) -> bool {
        true
    }
}

/// The eight puzzle: 181,440 positions, the farthest 31 moves from the solved one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Puzzle;

impl Model for Puzzle {
    type State = [u8; 9];
    type Action = usize;

    fn init_states(&self) -> Vec<[u8; 9]> {
        vec![[0, 1, 2, 3, 4, 5, 6, 7, 8]]
    }

    fn actions(&self, state: &[u8; 9], actions: &mut Vec<usize>) {
        let blank = state.iter().position(|tile| *tile == 0).unwrap();
        let beside = |tile: &usize| (blank % 3).abs_diff(tile % 3) + (blank / 3).abs_diff(tile / 3) == 1;
        actions.extend((0..9).filter(beside));
    }

    fn next_state(&self, state: &[u8; 9], tile: usize) -> Option<[u8; 9]> {
        let mut next = *state;
        next.swap(tile, state.iter().position(|tile| *tile == 0)?);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        stateright_properties(self)
    }
}

impl Spec for Puzzle {
    fn action_kinds(&self) -> &'static [&'static str] {
        &["slide"]
    }

    fn kind_of(&self, _: &usize) -> usize {
        0
    }

    fn claims(&self) -> Vec<Claim<Self>> {
        vec![
            Claim::always("not-reversed", "test/1", "The tiles are never in reverse order.", |_, state| {
                *state != [8, 7, 6, 5, 4, 3, 2, 1, 0]
            }),
            Claim::always(
                "not-farthest",
                "test/2",
                "One of the two positions that take 31 moves.",
                |_, state| *state != [8, 0, 6, 5, 4, 7, 2, 3, 1] && *state != [8, 7, 6, 0, 4, 1, 2, 5, 3],
            ),
            Claim::sometimes("odd", "test/3", "An odd permutation with the blank at home.", |_, state| {
                *state == [0, 2, 1, 3, 4, 5, 6, 7, 8]
            }),
        ]
    }
}

/// A graph as drawn: nodes by number, edges with their fairness class, labels on nodes.
#[derive(Debug, Clone, Default)]
pub(super) struct Drawing {
    pub(super) initial: Vec<u32>,
    pub(super) edges: Vec<(u32, u32, Option<u8>)>,
    /// Nodes that owe.
    pub(super) owes: Vec<u32>,
    /// Nodes that pay.
    pub(super) pays: Vec<u32>,
    pub(super) bad: Vec<u32>,
    pub(super) seen: Vec<u32>,
    /// Nodes that may end.
    pub(super) ends: Vec<u32>,
    /// The first node outside the boundary.
    pub(super) boundary: Option<u32>,
}

impl Model for Drawing {
    type State = u32;
    /// The position of the edge.
    type Action = usize;

    fn init_states(&self) -> Vec<u32> {
        self.initial.clone()
    }

    fn actions(&self, state: &u32, actions: &mut Vec<usize>) {
        actions.extend((0..self.edges.len()).filter(|edge| self.edges[*edge].0 == *state));
    }

    fn next_state(&self, _: &u32, edge: usize) -> Option<u32> {
        Some(self.edges[edge].1)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = stateright_properties(self);
        properties.push(Property::<Self>::eventually("stateright-eventually", |model, state| {
            model.pays.contains(state)
        }));
        properties
    }

    fn within_boundary(&self, state: &u32) -> bool {
        self.boundary.is_none_or(|boundary| *state < boundary)
    }
}

impl Spec for Drawing {
    fn action_kinds(&self) -> &'static [&'static str] {
        &["owed", "free"]
    }

    fn kind_of(&self, edge: &usize) -> usize {
        usize::from(self.edges[*edge].2.is_none())
    }

    fn claims(&self) -> Vec<Claim<Self>> {
        vec![
            Claim::always("good", "test/1", "No bad node.", |model, state| !model.bad.contains(state)),
            Claim::sometimes("seen", "test/2", "A node to see.", |model, state| model.seen.contains(state)),
            Claim::leads_to(
                "pays",
                "test/3",
                "What owes pays.",
                |model, state| model.owes.contains(state),
                |model, state| model.pays.contains(state),
            ),
        ]
    }

    fn may_end(&self, state: &u32) -> bool {
        self.ends.contains(state)
    }

    fn fairness(&self, edge: &usize) -> Option<u8> {
        self.edges[*edge].2
    }
}
