//! KRaft: Raft by pull, the consensus among Kafka's controllers.
//!
//! Raft's leader pushes log entries; KRaft's followers **fetch** them, as every Kafka replica does (KIP-595). All
//! else follows from that. A follower says where its log ends (offset and last fetched epoch); the leader answers
//! with records, or says from where on the logs differ, and the follower truncates. The next fetch of a follower is
//! its acknowledgement of the previous answer. A leader says that it leads by BeginQuorumEpoch, not by heartbeats;
//! followers that have not been answered for the fetch timeout campaign; a leader that goes says EndQuorumEpoch.
//!
//! # Who does what
//! | role | on | does |
//! |---|---|---|
//! | unattached | vote request | votes, once an epoch, durably, for a log at least as up to date as its own |
//! | unattached, candidate | BeginQuorumEpoch of its epoch | follows |
//! | unattached, candidate, resigned | election timeout | flushes, campaigns for the next epoch |
//! | follower | its own time | flushes, fetches from the end of its log |
//! | follower | the answer to its fetch | appends or truncates, learns the high watermark |
//! | follower | fetch timeout, EndQuorumEpoch | flushes, campaigns for the next epoch |
//! | candidate | votes of more than half | leads; appends a LeaderChange record; announces itself |
//! | candidate | rejection with a later epoch | is unattached in that |
//! | leader | fetch of its epoch | validates the position, counts it, may commit, answers |
//! | leader | client | appends |
//! | leader | shutdown, too few fetches, restart | resigns: inert until an election timeout |
//! | any | vote request or BeginQuorumEpoch of a later epoch | is unattached in that, first of all |
//!
//! # How it is modelled
//! - **Messages.** Votes, fetches and answers are separate messages in flight, a few at a time. They arrive in any
//!   order, late or never; a bounded number arrives twice. Loss is a step of its own only where it makes room, since
//!   what never arrives is as good as lost.
//! - **Requests that last.** A vote request stays in flight, to every voter, until its sender campaigns again; an
//!   announcement for ever. Neither takes a slot: both follow from what their senders did. So they come late,
//!   twice, out of order or not at all.
//! - **Rejections** arrive at once. A late one has the effect of a request that comes late. Fetches that are fenced are
//!   not answered: an error would say no more than the announcement of the new leader does.
//! - **Fetches.** One record an answer: a larger one is several that nothing comes between. A fetch that would bring
//!   nothing is not sent, as a leader would hold it.
//! - **Disk.** What follows the flush point is lost in a crash, all or nothing. A follower flushes when it fetches, a
//!   candidate when it campaigns, a leader (which may serve what it is still writing) what it counts itself for.
//! - **Restart** is one step: a voter that is down is one that does nothing. One that would lose only its high
//!   watermark is left out.
//! - **What can never matter again is dropped**: messages that no one would take, requests and winners of epochs that
//!   all have left behind, a follower's vote (it votes for nobody, and comes back as a follower), flush points once
//!   nothing more can be lost. States that behave alike are one state.
//! - **History** is kept where a claim needs it: who won which epoch, what was ever committed, and a stain for steps
//!   that no state shows ([`state::stain`]).
//! - **Time.** Timers run out at any time. For liveness alone there is a step after which nothing fails and
//!   timers behave ([`Bounds::stable_after`]).
//!
//! # What it taught
//! - A candidate has to flush before it campaigns: otherwise a crash takes the record for which it got a vote that is
//!   still on its way (E09). Kafka flushes as it appends.
//! - Given the commit gate and exact correlation, neither side needs the epoch on fetches for safety: a
//!   position beyond the start of an epoch can only have been reached in that epoch. Both fences are controls;
//!   A15 shows when they carry weight.
//! - With a fetch and its answer in one step, Figure 8 cannot happen: see the grain `atomic-fetch`.
//!
//! # Sources
//! KIP-595 (the protocol), KIP-853 (directory ids), Kafka's `QuorumState`, `LeaderState` and `KafkaRaftClient` as
//! published; Ongaro and Ousterhout, *In Search of an Understandable Consensus Algorithm*, 5.1 to 5.4, 8 and
//! Figure 8; the public TLA+ specifications of hachikuji and Vanlightly. The clauses are in `specs/kraft.md`.
//!
//! # What is not modelled
//! Snapshots and log start offsets; changes of the voter set (KIP-853 beyond identity); observers; pre-vote
//! (KIP-996); the order of successors in EndQuorumEpoch; batches; the errors of fenced requests; a crash that keeps
//! part of a tail; a torn or corrupt file; vote requests of all campaigns but each candidate's last; clocks.

mod action;
mod claims;
mod flaws;
mod readable;
pub mod rules;
pub mod state;
mod step;
mod story;
mod symmetry;
#[cfg(test)]
mod tests;

pub use action::Action;
pub use readable::{ReadableMessage, ReadableState, ReadableVoter};
pub use rules::{Bounds, Rules};
pub use state::State;

use stateright::{Model, Property};

use crate::check::{Claim, Spec, stateright_properties};
use crate::family::{Bound, Control, Family, Flaw, Grain, Rule, Scale};
use rules::{BOUNDS, DEFAULT_BOUNDS, GRAINS, RULES};
use state::{LOG_MAX, role};

/// The quorum of KRaft controllers as a model.
#[derive(Debug, Clone, Copy)]
pub struct Kraft {
    bounds: Bounds,
    rules: Rules,
    start: State,
}

impl Model for Kraft {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.start]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.enabled(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.step(state, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        stateright_properties(self)
    }

    crate::explorer_views!();
}

impl Spec for Kraft {
    fn action_kinds(&self) -> &'static [&'static str] {
        action::KINDS
    }

    fn kind_of(&self, action: &Action) -> usize {
        action.kind()
    }

    fn claims(&self) -> Vec<Claim<Self>> {
        claims::claims(&self.bounds)
    }

    fn canonical(&self, state: &State) -> State {
        self.representative(state)
    }

    fn may_end(&self, state: &State) -> bool {
        // Elections go on for ever in the protocol; here they end with the last epoch.
        state.nodes.iter().any(|node| node.role != role::GONE && node.ballot.epoch >= self.bounds.epochs)
    }

    fn fairness(&self, action: &Action) -> Option<u8> {
        action.fairness()
    }
}

impl Family for Kraft {
    const NAME: &'static str = "kraft";
    const SUMMARY: &'static str = "KRaft: Raft by pull among Kafka's controllers (KIP-595)";
    type Bounds = Bounds;
    type Rules = Rules;
    type Readable = ReadableState;

    fn new(bounds: Bounds, rules: Rules) -> Self {
        Self { bounds, rules, start: bytemuck::Zeroable::zeroed() }
    }

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn starting_from(self, state: State) -> Self {
        Self { start: state, ..self }
    }

    fn admit(bounds: &Bounds, rules: &Rules) -> Result<(), String> {
        let Bounds { nodes, epochs, records, messages, wipes, stable_after, .. } = *bounds;
        if epochs + records > LOG_MAX {
            let left = LOG_MAX - epochs;
            return Err(format!(
                "--epochs {epochs} with --records {records}: a log has room for {LOG_MAX} records, one an epoch \
                 among them; the nearest choice is --records {left}"
            ));
        }
        if stable_after > 0 && (nodes > 3 || messages + 1 < nodes || wipes > 0 || epochs < stable_after + 3) {
            return Err(format!(
                "--stable-after {stable_after}: liveness is decided with at most --nodes 3, --messages 2 or more, \
                 --wipes 0 and three epochs in reserve; the nearest choice is --nodes 3 --messages 2 --wipes 0 \
                 --epochs {}",
                stable_after + 3
            ));
        }
        let _ = rules;
        Ok(())
    }

    fn bound_table() -> &'static [Bound<Bounds>] {
        BOUNDS
    }

    fn bounds_at(scale: Scale) -> Bounds {
        match scale {
            Scale::Test => rules::TEST_BOUNDS,
            Scale::Default => DEFAULT_BOUNDS,
            Scale::Deep => rules::DEEP_BOUNDS,
            Scale::Liveness => flaws::LIVENESS_BOUNDS,
            Scale::Flaw => flaws::FLAW_BOUNDS,
        }
    }

    fn rules() -> &'static [Rule<Rules>] {
        RULES
    }

    fn flaws() -> &'static [Flaw<Bounds, Rules>] {
        flaws::FLAWS
    }

    fn controls() -> &'static [Control<Bounds, Rules>] {
        flaws::CONTROLS
    }

    fn grains() -> &'static [Grain<Bounds>] {
        GRAINS
    }

    fn readable(&self, state: &State) -> ReadableState {
        self.write(state)
    }

    fn state_from(&self, readable: &ReadableState) -> Result<State, String> {
        self.read(readable)
    }
}
