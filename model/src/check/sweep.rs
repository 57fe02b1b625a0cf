//! Breadth-first search, level by level, on any number of threads.
//!
//! A level is worked off in rounds. In a round, workers take chunks of the level's states and insert what they
//! lead to in the table; new states go to the next level. A round ends when the level does or when the table
//! has to grow, which only the calling thread does, between rounds. What a worker had in hand stays with it.
//!
//! A worker gathers a batch of successors before it touches the table, and then looks at all their slots at
//! once: nearly every look at a large table misses every cache, and the misses of a batch overlap.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::fingerprint::fingerprint;
use super::frontier::{CHUNK_STATES, Chunk, Frontier};
use super::limits::{Limits, Reporter};
use super::options::{Options, Progress};
use super::outcome::Cut;
use super::spec::{Predicate, Spec};
use super::table::{Insertion, SEGMENTS, Table};

/// Successors that a worker gathers before it looks them up.
const BATCH: usize = 128;

/// No fingerprint found. No state has this one, or nobody would know: the odds are 2^-64.
pub(crate) const NONE: u64 = u64::MAX;

/// A search in progress. With `LINKS` it keeps how each state was reached.
pub(crate) struct Sweep<'a, M: Spec, const LINKS: bool> {
    model: &'a M,
    symmetry: bool,
    limits: Limits<'a>,
    reporter: Reporter<'a>,
    table: Table,
    frontier: Frontier<M::State>,
    workers: Vec<Worker<M, LINKS>>,
    counts: Counts,
    /// The level that is found now: 1 for the initial states.
    level: u32,
    /// [`Counts::unique`] when it began.
    unique_before: u64,
    memory_bytes_peak: u64,
}

/// What to look for in the states that a level leads to.
pub(crate) enum Quest<'q, M: Spec> {
    /// States that meet a test. The least fingerprint that does is found for each, and after them for the
    /// states of the level before, the least that has no successors and should.
    Tests(&'q [Test<M>]),
    /// Nothing, but links.
    Links,
    /// The least fingerprint of a state that leads to each of these. Nothing is inserted.
    Parents(&'q [u64]),
}

/// A test on new states.
pub(crate) struct Test<M: Spec> {
    /// What is tested.
    pub(crate) predicate: Predicate<M>,
    /// What it says of a state that meets the test.
    pub(crate) wanted: bool,
}

/// What a level brought.
pub(crate) struct Found {
    /// In the order of the quest; [`NONE`] where nothing was found.
    pub(crate) fingerprints: Vec<u64>,
    /// Why the level is not finished.
    pub(crate) cut: Option<Cut>,
}

/// What the workers share and add to.
#[derive(Default)]
struct Counts {
    generated: AtomicU64,
    unique: AtomicU64,
    expanded: AtomicU64,
}

impl<'a, M: Spec, const LINKS: bool> Sweep<'a, M, LINKS> {
    pub(crate) fn new(
        model: &'a M,
        options: &Options<'a>,
        limits: Limits<'a>,
        reporter: Reporter<'a>,
    ) -> Self {
        Self {
            model,
            symmetry: options.symmetry,
            limits,
            reporter,
            table: Table::new(LINKS),
            frontier: Frontier::new(),
            workers: (0..options.threads.max(1)).map(|_| Worker::new(model.action_kinds().len())).collect(),
            counts: Counts::default(),
            level: 0,
            unique_before: 0,
            memory_bytes_peak: 0,
        }
    }

    /// Finds the initial states.
    pub(crate) fn begin(&mut self, quest: &Quest<'_, M>) -> Found {
        for state in self.model.init_states() {
            if self.model.within_boundary(&state) {
                self.workers[0].gather(self.model, self.symmetry, state, NONE);
            }
        }
        *self.counts.generated.get_mut() = self.workers[0].states.len() as u64;
        self.finish_level(quest)
    }

    /// Finds what the states of the last level lead to. `None` when there were none.
    pub(crate) fn advance(&mut self, quest: &Quest<'_, M>) -> Option<Found> {
        (self.frontier.waiting() > 0).then(|| self.finish_level(quest))
    }

    pub(crate) fn generated(&self) -> u64 {
        self.counts.generated.load(Relaxed)
    }

    pub(crate) fn unique(&self) -> u64 {
        self.counts.unique.load(Relaxed)
    }

    /// Levels that have a state.
    pub(crate) fn depth(&self) -> u32 {
        self.level - u32::from(self.unique() == self.unique_before)
    }

    pub(crate) fn terminal(&self) -> u64 {
        self.workers.iter().map(|worker| worker.terminal).sum()
    }

    pub(crate) fn fired(&self) -> Vec<u64> {
        let kinds = self.workers[0].fired.len();
        (0..kinds).map(|kind| self.workers.iter().map(|worker| worker.fired[kind]).sum()).collect()
    }

    pub(crate) fn memory_bytes_peak(&self) -> u64 {
        self.memory_bytes_peak
    }

    /// The level of a fingerprint and the least of those that led to it from the level before.
    pub(crate) fn link(&self, fingerprint: u64) -> Option<(u32, u64)> {
        self.table.link(fingerprint)
    }

    fn finish_level(&mut self, quest: &Quest<'_, M>) -> Found {
        self.unique_before = self.unique();
        self.level += 1;
        let found = match quest {
            Quest::Tests(tests) => tests.len() + 1,
            Quest::Links => 0,
            Quest::Parents(children) => children.len(),
        };
        for worker in &mut self.workers {
            worker.found.clear();
            worker.found.resize(found, NONE);
        }
        let mut cut = None;
        while cut.is_none() && (self.frontier.waiting() > 0 || self.workers.iter().any(Worker::is_busy)) {
            cut = self.make_room().err().or_else(|| self.round(quest));
        }
        let least = |index| self.workers.iter().map(|worker| worker.found[index]).min().expect("a worker");
        let found = Found { fingerprints: (0..found).map(least).collect(), cut };
        if cut.is_none() {
            for worker in &mut self.workers {
                self.frontier.add(std::mem::take(&mut worker.out));
            }
            self.frontier.advance(2 * self.workers.len());
        }
        let memory_bytes = self.note_memory();
        let (level, unique_before) = (self.level, self.unique_before);
        self.reporter
            .report(true, |elapsed| self.counts.progress(level, unique_before, memory_bytes, elapsed));
        found
    }

    /// Lets the workers run until the level is done, the table is full, or a limit is met.
    fn round(&mut self, quest: &Quest<'_, M>) -> Option<Cut> {
        // A thread is worth its while for no less than a chunk.
        let helpers = self.workers.len().min(self.frontier.waiting()).saturating_sub(1);
        let busy_helpers = self.workers.iter().rposition(Worker::is_busy).unwrap_or(0);
        let helpers = helpers.max(busy_helpers);
        let round = Round {
            model: self.model,
            symmetry: self.symmetry,
            limits: self.limits,
            quest,
            table: &self.table,
            frontier: &self.frontier,
            shares: self.table.shares(helpers + 1),
            counts: &self.counts,
            level: self.level,
            unique_before: self.unique_before,
            table_bytes: self.table.bytes(),
            stop: AtomicBool::new(false),
            cut: OnceLock::new(),
        };
        let (own, others) = self.workers.split_first_mut().expect("a worker");
        if helpers == 0 {
            own.run(&round, Some(&mut self.reporter));
        } else {
            let round = &round;
            std::thread::scope(|scope| {
                for other in &mut others[..helpers] {
                    scope.spawn(move || other.run(round, None));
                }
                own.run(round, Some(&mut self.reporter));
            });
        }
        let cut = round.cut.get().copied();
        for worker in &mut self.workers {
            self.table.note(&worker.taken);
            worker.taken.fill(0);
        }
        cut
    }

    fn make_room(&mut self) -> Result<(), Cut> {
        let frontier_bytes = self.frontier.bytes();
        let mut peak = self.note_memory();
        if let Some(cut) = self.limits.out_of_memory(peak) {
            return Err(cut);
        }
        let room = self.table.make_room(|table_bytes| {
            let bytes = table_bytes + frontier_bytes;
            match self.limits.out_of_memory(bytes) {
                Some(cut) => Err(cut),
                None => {
                    peak = peak.max(bytes);
                    Ok(())
                }
            }
        });
        self.memory_bytes_peak = self.memory_bytes_peak.max(peak);
        room
    }

    fn note_memory(&mut self) -> u64 {
        let bytes = self.table.bytes() + self.frontier.bytes();
        self.memory_bytes_peak = self.memory_bytes_peak.max(bytes);
        bytes
    }
}

impl Counts {
    fn progress(&self, level: u32, unique_before: u64, memory_bytes: u64, elapsed: Duration) -> Progress {
        let unique = self.unique.load(Relaxed);
        let next = unique.saturating_sub(unique_before);
        Progress {
            generated: self.generated.load(Relaxed),
            unique,
            depth: level - u32::from(next == 0),
            queue: unique_before.saturating_sub(self.expanded.load(Relaxed)),
            next,
            memory_bytes,
            elapsed,
        }
    }
}

/// What the workers of a round share.
struct Round<'r, M: Spec> {
    model: &'r M,
    symmetry: bool,
    limits: Limits<'r>,
    quest: &'r Quest<'r, M>,
    table: &'r Table,
    frontier: &'r Frontier<M::State>,
    /// New fingerprints that each worker may insert in each segment.
    shares: Vec<u32>,
    counts: &'r Counts,
    level: u32,
    unique_before: u64,
    table_bytes: u64,
    /// Set when the round is to end.
    stop: AtomicBool,
    cut: OnceLock<Cut>,
}

impl<M: Spec> Round<'_, M> {
    fn end(&self, cut: Option<Cut>) {
        if let Some(cut) = cut {
            self.cut.get_or_init(|| cut);
        }
        self.stop.store(true, Relaxed);
    }

    fn memory_bytes(&self) -> u64 {
        self.table_bytes + self.frontier.bytes()
    }
}

/// One thread's part in a search. Outlives the threads, which last a round.
struct Worker<M: Spec, const LINKS: bool> {
    /// States that it took to expand.
    chunk: Chunk<M::State>,
    /// New states that it found.
    out: Chunk<M::State>,
    actions: Vec<M::Action>,
    /// The batch: successors, their fingerprints, what was seen in their slots, what led to them.
    states: Vec<M::State>,
    fingerprints: Vec<u64>,
    peeked: Vec<u64>,
    parents: Vec<u64>,
    /// New fingerprints in this round, by segment.
    taken: Vec<u32>,
    /// What the quest found in this level.
    found: Vec<u64>,
    fired: Vec<u64>,
    terminal: u64,
}

impl<M: Spec, const LINKS: bool> Worker<M, LINKS> {
    fn new(kinds: usize) -> Self {
        Self {
            chunk: Vec::new(),
            out: Vec::new(),
            actions: Vec::new(),
            states: Vec::new(),
            fingerprints: Vec::new(),
            peeked: Vec::new(),
            parents: Vec::new(),
            taken: vec![0; SEGMENTS],
            found: Vec::new(),
            fired: vec![0; kinds],
            terminal: 0,
        }
    }

    /// Whether successors are left that the table had no room for.
    fn is_busy(&self) -> bool {
        !self.states.is_empty()
    }

    fn run(&mut self, round: &Round<'_, M>, mut reporter: Option<&mut Reporter<'_>>) {
        loop {
            self.insert_batch(round);
            if let Some(reporter) = &mut reporter {
                reporter.report(false, |elapsed| {
                    round.counts.progress(round.level, round.unique_before, round.memory_bytes(), elapsed)
                });
            }
            if let Some(cut) = round.limits.out_of_time() {
                round.end(Some(cut));
            }
            if round.stop.load(Relaxed) || !self.gather_batch(round) {
                break;
            }
        }
        round.frontier.put_back(std::mem::take(&mut self.chunk));
    }

    /// Expands states until there is a batch of successors. False when there are no more.
    fn gather_batch(&mut self, round: &Round<'_, M>) -> bool {
        let mut expanded = 0;
        let mut generated = 0;
        while self.states.len() < BATCH {
            let Some(state) = self.chunk.pop() else {
                round.frontier.put_back(std::mem::take(&mut self.chunk));
                match round.frontier.take() {
                    Some(chunk) => self.chunk = chunk,
                    None => break,
                }
                continue;
            };
            generated += self.expand(round, &state);
            expanded += 1;
        }
        round.counts.expanded.fetch_add(expanded, Relaxed);
        round.counts.generated.fetch_add(generated, Relaxed);
        expanded > 0
    }

    #[inline]
    fn expand(&mut self, round: &Round<'_, M>, state: &M::State) -> u64 {
        let model = round.model;
        let parent = if LINKS { fingerprint(state) } else { NONE };
        let mut actions = std::mem::take(&mut self.actions);
        actions.clear();
        model.actions(state, &mut actions);
        let mut ends = true;
        let mut generated = 0;
        for action in &actions {
            let Some(next) = model.next_state(state, *action) else { continue };
            ends = ends && next == *state;
            if !model.within_boundary(&next) {
                continue;
            }
            generated += 1;
            self.fired[model.kind_of(action)] += 1;
            self.gather(model, round.symmetry, next, parent);
        }
        self.actions = actions;
        if ends {
            self.terminal += 1;
            if let Quest::Tests(tests) = round.quest
                && !model.may_end(state)
            {
                let deadlock = &mut self.found[tests.len()];
                *deadlock = fingerprint(state).min(*deadlock);
            }
        }
        generated
    }

    #[inline(always)]
    fn gather(&mut self, model: &M, symmetry: bool, state: M::State, parent: u64) {
        let state = if symmetry { model.canonical(&state) } else { state };
        self.fingerprints.push(fingerprint(&state));
        self.states.push(state);
        if LINKS {
            self.parents.push(parent);
        }
    }

    /// Inserts the batch, or as much of it as there is room for.
    fn insert_batch(&mut self, round: &Round<'_, M>) {
        let mut done = self.fingerprints.len();
        if let Quest::Parents(children) = round.quest {
            for (fingerprint, parent) in self.fingerprints.iter().zip(&self.parents) {
                if let Ok(child) = children.binary_search(fingerprint) {
                    self.found[child] = self.found[child].min(*parent);
                }
            }
        } else {
            self.peeked.clear();
            self.peeked.extend(self.fingerprints.iter().map(|fingerprint| round.table.peek(*fingerprint)));
            let mut new = 0;
            for position in 0..self.fingerprints.len() {
                let fingerprint = self.fingerprints[position];
                let insertion = if LINKS {
                    round.table.insert_linked(fingerprint, self.parents[position], round.level)
                } else if self.peeked[position] == fingerprint {
                    Insertion::Known
                } else {
                    round.table.insert(fingerprint)
                };
                match insertion {
                    Insertion::Known => {}
                    Insertion::New(segment) => {
                        new += 1;
                        self.taken[segment] += 1;
                        if self.taken[segment] >= round.shares[segment] {
                            round.end(None);
                        }
                        self.welcome(round, position);
                    }
                    Insertion::Full => {
                        round.end(None);
                        done = position;
                        break;
                    }
                }
            }
            round.counts.unique.fetch_add(new, Relaxed);
        }
        self.states.drain(..done);
        self.fingerprints.drain(..done);
        if LINKS {
            self.parents.drain(..done);
        }
    }

    /// Tests a new state and adds it to the next level.
    #[inline]
    fn welcome(&mut self, round: &Round<'_, M>, position: usize) {
        let state = self.states[position];
        let fingerprint = self.fingerprints[position];
        if let Quest::Tests(tests) = round.quest {
            for (test, found) in tests.iter().zip(&mut self.found) {
                if (test.predicate)(round.model, &state) == test.wanted && fingerprint < *found {
                    *found = fingerprint;
                }
            }
        }
        if self.out.len() == self.out.capacity() {
            let full = std::mem::replace(&mut self.out, round.frontier.blank());
            round.frontier.add(full);
            if let Some(cut) = round.limits.out_of_memory(round.memory_bytes()) {
                round.end(Some(cut));
            }
        }
        debug_assert!(self.out.len() < CHUNK_STATES);
        self.out.push(state);
    }
}
