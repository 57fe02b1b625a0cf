//! Raft as in the paper (Ongaro and Ousterhout, extended version, 5.1 to 5.4), beside KRaft.
//!
//! Servers elect a leader for a term by votes; clients give records to the leader; the leader pushes them to its
//! peers with AppendEntries and commits what a majority holds. The clauses are in `specs/raft.md`.
//!
//! | state | on | becomes |
//! |---|---|---|
//! | follower, candidate | its election timer runs out | candidate of the next term, votes for itself |
//! | candidate | votes of a majority | leader: nextIndex after its log, matchIndex 0, a no-op appended |
//! | candidate | AppendEntries of its own term | follower |
//! | any | any message of a later term | follower of that term, without a vote |
//! | any | crash and restart | follower of its term |
//!
//! **Two cures for an entry of an earlier term.** Figure 8 of the paper shows that such an entry may be on a
//! majority and yet be overwritten. The *commit gate* says that counting commits entries of the leader's own
//! term only, and the others with them: without it Raft loses what it committed (flaw A01). But with the gate
//! alone an entry of an earlier term waits for a client to speak, possibly for ever (flaw E18): hence the
//! *no-op* at the start of a term. The gate is safety, the no-op liveness, and each has its own switch.
//! KRaft's LeaderChange record and its epoch-gated high watermark are the same two.
//!
//! **Against KRaft.** Raft pushes. A leader keeps nextIndex and matchIndex for each peer and walks nextIndex
//! back until the logs match, one refusal at a time, where KRaft's followers ask with their own position. An
//! AppendEntries here carries one entry; a batch is a run of them. That is why Figure 8 shows even at the
//! coarse grain, in which KRaft's atomic fetch hides it: a push of the old entry alone need not bring the new.
//!
//! **What is left out of the state space, and why nothing is lost by it.**
//! - A crash and the restart after it are one step: a server that is down is a server that is silent. With all
//!   rules in force only a leader restarts, and its timer then runs out at once: nothing that a restarted
//!   follower does is beyond one that was silent.
//! - A message that is never delivered is lost; losing one is a step where its slot in flight is needed.
//! - A refusal arrives in the step that refuses, and so does a heartbeat and its answer: neither carries anything
//!   that could be late but what a later one would say as well. Votes, entries and successes do travel.
//! - A message of a former term, to a receiver that has moved on, is forgotten: it would be refused, and whoever
//!   sent it learns of the later term by sending again. So is AppendEntries that its receiver has absorbed.
//!   A vote of a server that follows the term's leader counts as that leader's; a candidate whom a majority can no
//!   longer elect is a follower. [`Raft`] does this only while the rules that make it harmless are in force.
//! - A timer does not run out twice where nobody heard of the term in between.
//! - Records have no meaning: states that differ by their names only are one under symmetry, as with servers.
//!
//! The ghosts are the committed entries with the term that first committed them, the terms that were won, and
//! bits for steps that broke a rule.
//!
//! **Liveness** is decided for a network that becomes stable at some point: from then on nothing is lost,
//! doubled or restarted, timers run out only when all is quiet and no one leads, each once a round, and a
//! term a server is kept in reserve. Clients are silent by then.
//!
//! **Not modelled:** membership changes (6), snapshots (7), clients with sessions and linearizable reads (8), the
//! pre-vote and leadership transfer of the thesis, batches (one entry a message), heartbeats that arrive late
//! and, with all rules in force, refusals that do: the refusal that would move nextIndex below matchIndex
//! (conformance case KH-13) therefore never occurs. commitIndex survives a restart here, as in implementations
//! that persist it: what was applied, the world has seen. A leader's own entries are on disk when it sends
//! them. That a success of an earlier term must not be counted is stated (raft/reply/1) but no flaw
//! shows it: with three servers one acknowledgement is already a commit (a control holds it), and five at
//! this grain are out of reach.

use stateright::{Model, Property};

use crate::check::{Claim, Spec, stateright_properties};
use crate::family::{Bound, Control, Family, Flaw, Grain, Rule, Scale};
use crate::voting::LogCheck;

mod action;
mod claims;
mod flaws;
mod readable;
mod rules;
mod state;
mod step;
mod story;
mod symmetry;
#[cfg(test)]
mod tests;

pub use action::Action;
pub use readable::ReadableState;
pub use rules::{Acknowledgement, Bounds, CommitBound, Rules, Truncation};
pub use state::{Message, State};

/// The model.
#[derive(Debug, Clone)]
pub struct Raft {
    bounds: Bounds,
    rules: Rules,
    start: State,
    /// Whether messages that can change nothing any more are forgotten. That is sound only under the rules
    /// that make them so, whence a broken rule among these keeps them all.
    forgets: bool,
}

impl Raft {
    /// The model with these parameters, started from nothing.
    fn with(bounds: Bounds, rules: Rules) -> Self {
        let forgets = rules.one_vote
            && rules.ballot_durable
            && rules.vote_of_term
            && rules.new_term
            && rules.step_down
            && rules.stale_append
            && rules.reply_of_term
            && rules.truncation == Truncation::OnConflict
            && rules.consistency
            && rules.commit_grows
            && rules.flush
            && rules.log_check == LogCheck::EpochThenOffset;
        Self { bounds, rules, start: bytemuck::Zeroable::zeroed(), forgets }
    }
}

impl Model for Raft {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.start]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.enabled(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.after(state, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        stateright_properties(self)
    }

    crate::explorer_views!();
}

impl Spec for Raft {
    fn action_kinds(&self) -> &'static [&'static str] {
        action::KINDS
    }

    fn kind_of(&self, action: &Action) -> usize {
        action.kind()
    }

    fn claims(&self) -> Vec<Claim<Self>> {
        claims::claims()
    }

    fn canonical(&self, state: &State) -> State {
        self.representative(state)
    }

    fn may_end(&self, state: &State) -> bool {
        // Out of terms: a server that is not leading can do no more than answer. In a stable network
        // nothing more is owed once all is told; what should have happened by then, liveness says.
        (0..usize::from(self.bounds.nodes)).all(|server| state.term(server) == self.bounds.terms)
            || state.is_stable()
    }

    fn fairness(&self, action: &Action) -> Option<u8> {
        action.fairness()
    }
}

impl Family for Raft {
    const NAME: &'static str = "raft";
    const SUMMARY: &'static str =
        "Raft as in the paper: pushed AppendEntries, votes, commit by majority and current term";
    type Bounds = Bounds;
    type Rules = Rules;
    type Readable = ReadableState;

    fn new(bounds: Bounds, rules: Rules) -> Self {
        Self::with(bounds, rules)
    }

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn starting_from(self, start: State) -> Self {
        Self { start, ..self }
    }

    fn admit(bounds: &Bounds, rules: &Rules) -> Result<(), String> {
        rules::admit(bounds, rules)
    }

    fn bound_table() -> &'static [Bound<Bounds>] {
        rules::BOUNDS
    }

    fn bounds_at(scale: Scale) -> Bounds {
        rules::bounds_at(scale)
    }

    fn rules() -> &'static [Rule<Rules>] {
        rules::RULES
    }

    fn flaws() -> &'static [Flaw<Bounds, Rules>] {
        flaws::FLAWS
    }

    fn controls() -> &'static [Control<Bounds, Rules>] {
        flaws::CONTROLS
    }

    fn grains() -> &'static [Grain<Bounds>] {
        rules::GRAINS
    }

    fn readable(&self, state: &State) -> ReadableState {
        self.to_readable(state)
    }

    fn state_from(&self, readable: &ReadableState) -> Result<State, String> {
        self.state_of(readable)
    }
}
