//! Leader election by ephemeral sequential nodes: the recipe of the ZooKeeper era.
//!
//! # The protocol
//!
//! Every candidate creates one **offer**, an ephemeral sequential node below `/election`. The service numbers
//! offers as they come, and never gives a number twice; since offers vanish with their sessions, the numbers
//! that remain have gaps. Whoever owns the smallest number leads. Every other candidate watches the offer just
//! below its own, and no other: when that goes, exactly one candidate is woken, and it does not conclude
//! anything from that, but reads the children again.
//!
//! Nothing here keeps two candidates from *believing* that they lead. A leader that stops for longer than
//! its session (a collector's pause, a laptop's lid) is deposed without a chance to hear of it, and wakes up
//! where it stopped. The window cannot be closed by the service; it is made harmless by the **resource** that
//! the leader works on, which remembers the largest creation id that it has been shown and turns away what
//! comes with a smaller one.
//!
//! # Who does what
//!
//! | phase of a candidate | what it does next | and then is |
//! |---|---|---|
//! | `idle` | looks for an offer of its own session, creates one if there is none | `offered`; `idle` and disconnected if the answer is lost |
//! | `offered` | reads the children | `leading` if its own is the smallest, else `listed` with the offer just below |
//! | `listed` | asks whether that offer exists, and watches it, in one request | `waiting`, or `offered` if it has gone meanwhile |
//! | `waiting` | nothing; the service sends the event when the offer goes | `woken` |
//! | `woken` | gets the event | `offered` |
//! | `leading` | writes to the resource; may resign | `leaving` |
//! | `leaving` | deletes its offer (it no longer believes) | `idle` |
//!
//! In any phase the candidate may stop ([`Action::Pause`]), lose its connection, crash; a session that is
//! not attended may be ended by the service ([`Action::Expire`]). The **whole service** may stop
//! ([`Action::Outage`]); when it returns, either all sessions have survived or, after a long collection or an
//! election of its own, every one of them is over at once: the **session storm** ([`Action::Return`]).
//!
//! The link between candidate and service, and why no session numbers are needed, is told in
//! [`coordination`](crate::coordination). A watch that has fired is a message in flight (`woken`), sent in one
//! step, delivered in another, lost with the connection. `getChildren` is a read whose answer is used later:
//! anything may happen between `listed` and the watch.
//!
//! # What is claimed
//!
//! Safety: once the resource has accepted a newer leader, it accepts nothing of an older (`mutual-exclusion`);
//! two candidates believe at once only if one of them has no live session (`belief`); an ephemeral node implies
//! a live session (`ephemeral-session`); a deletion wakes at most one (`no-herd`); numbers are never reused
//! (`sequence-unique`); a session has one offer at most (`single-offer`). Liveness: once faults stop, with a
//! candidate alive, some candidate leads (`leader-eventually`).
//!
//! No fault is counted: connections are lost, processes paused, crashed and expired any number of times. Only
//! offers (sequence numbers) and session storms are bounded.
//!
//! # Sources
//!
//! ZooKeeper Recipes and Solutions, "Leader Election" and "Locks"; ZooKeeper Programmer's Guide, "ZooKeeper
//! Sessions" and "ZooKeeper Watches"; Apache Curator's LeaderLatch and its issues (CURATOR-644, 645, 696);
//! Hunt, Konar, Junqueira, Reed, "ZooKeeper: Wait-free coordination for Internet-scale systems" (2010), 2.4.
//! The clauses are `specs/zk-election.md`.
//!
//! # What is not modelled
//!
//! - The service is one atomic state machine; its servers and their agreement are Zab's business. A client
//!   never reads from a server that lags.
//! - A request and its answer are one step, except for the create, whose answer may be lost. A request whose
//!   effect is idempotent is simply made again.
//! - A write to the resource is one step. A write that dawdles on the way is the same to the resource as a
//!   leader that dawdles before sending it.
//! - Fencing by the resource is all or nothing: a resource without memory of its token is flaw D01.
//! - Time. Any unattended session may expire at any moment, none has to, until faults stop.

mod claims;
mod flaws;
mod readable;
mod rules;
mod state;
mod step;
mod story;
#[cfg(test)]
mod tests;

pub use readable::{ReadableCandidate, ReadableOffer, ReadableState};
pub use rules::{
    Bounds, CreateRetry, Expiry, Fence, NodeOwnership, OnEvent, OnExpiry, Predecessor, Rearm, Resignation,
    Rules, Sequence, Watch, WatchRead,
};
pub use state::{Client, Phase, State};
pub use step::Action;

use stateright::{Model, Property};

use crate::check::{self, Claim, Spec};
use crate::family::{Bound, Control, Family, Flaw, Rule, Scale};

/// The most candidates that a state has room for.
pub const CANDIDATES_MAX: usize = 4;
/// The most offers that a state has room for.
pub const OFFERS_MAX: usize = 8;

/// The model: candidates, a coordination service, and a resource.
#[derive(Debug, Clone, Copy)]
pub struct ZkElection {
    bounds: Bounds,
    rules: Rules,
    start: State,
}

impl Model for ZkElection {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.start]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.enabled(state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        self.step(last, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        check::stateright_properties(self)
    }

    crate::explorer_views!();
}

impl Spec for ZkElection {
    fn action_kinds(&self) -> &'static [&'static str] {
        step::KINDS
    }

    fn kind_of(&self, action: &Action) -> usize {
        action.kind()
    }

    fn claims(&self) -> Vec<Claim<Self>> {
        claims::all(&self.bounds)
    }

    fn canonical(&self, state: &State) -> State {
        state.canonical(self.bounds.candidates)
    }

    /// Only after faults have stopped: before that any candidate can always be disturbed. A stabilised system
    /// is at its end when its candidates wait for a leader that has nothing left to do, or when no candidate
    /// is alive; the offers that stabilised candidates need are held in reserve, so nobody is left stuck.
    fn may_end(&self, state: &State) -> bool {
        state.stabilised != 0 && (self.led(state) || !self.alive(state))
    }

    fn fairness(&self, action: &Action) -> Option<u8> {
        action.fairness()
    }
}

impl Family for ZkElection {
    const NAME: &'static str = "zk-election";
    const SUMMARY: &'static str =
        "ZooKeeper's election recipe: ephemeral sequential offers, predecessor watches, a fenced resource";
    type Bounds = Bounds;
    type Rules = Rules;
    type Readable = ReadableState;

    fn new(bounds: Bounds, rules: Rules) -> Self {
        Self { bounds, rules, start: State::initial(bounds.candidates) }
    }

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn starting_from(self, state: State) -> Self {
        Self { start: state, ..self }
    }

    fn admit(bounds: &Bounds, _rules: &Rules) -> Result<(), String> {
        if bounds.stabilises() && bounds.offers <= bounds.candidates {
            return Err(format!(
                "--offers {} leaves none before faults stop: with --stabilise 1 each of {} candidates keeps one \
                 in reserve; the nearest choice is --offers {}",
                bounds.offers,
                bounds.candidates,
                bounds.candidates + 1
            ));
        }
        Ok(())
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

    fn readable(&self, state: &State) -> ReadableState {
        readable::read(self, state)
    }

    fn state_from(&self, readable: &ReadableState) -> Result<State, String> {
        readable::write(self, readable)
    }
}
