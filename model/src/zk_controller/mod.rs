//! Kafka's controller in the ZooKeeper era: one broker elected through an ephemeral node, who elects the leaders
//! of all partitions.
//!
//! # The protocol
//!
//! The tree holds `/controller` (ephemeral, at most one), `/controller_epoch` (a counter, conditional on its
//! version), `/brokers/ids/N` (ephemeral, one for each live broker) and the state of every partition: leader,
//! leader epoch, ISR, each with the version of its node.
//!
//! Every broker registers, and then tries to create `/controller`. The first one wins; in the same transaction it
//! increments `/controller_epoch`, and the new value is the epoch by which it acts. The others watch
//! `/controller` and try again when it goes. The winner **restores**: it reads the live brokers, which it
//! watches, and all partitions, and sends everybody what it found. When a broker's node vanishes it elects new
//! leaders for every partition that the broker led, from the live members of the ISR, one conditional
//! transaction a partition, and sends the brokers the outcome.
//!
//! A controller whose session expires is **deposed** and may not know: its client gets a new session, through
//! which its requests reach the tree again, before its own logic hears that the old one is over. This zombie is
//! stopped at two fences. In the tree its transactions are refused, because they depend on the version of
//! `/controller_epoch`; at the brokers its requests are refused, by those that have heard from its successor.
//!
//! # Who does what
//!
//! | phase of a broker | what it does next | and then is |
//! |---|---|---|
//! | `standby` (and registered) | tries to create `/controller` | `won`, or `beaten`; disconnected if the answer is lost |
//! | `beaten` | asks whether `/controller` exists, and watches it | `watching`, or `standby` if it has gone meanwhile |
//! | `watching` | nothing; the service sends the event when `/controller` goes | `woken` |
//! | `woken` | gets the event | `standby` |
//! | `won` | reads brokers and partitions from the tree | `active` |
//! | `active` | elects, sends, looks at the brokers again when they changed | `standby` if it is refused for its epoch, or learns of a new session |
//!
//! Beside the race every broker takes requests, remembers the largest controller epoch and, of each partition, the
//! latest leader epoch; and a leader may drop a replica from its ISR by a conditional write of its own, so that
//! what the controller knows of a partition can be out of date ([`Action::Shrink`]).
//!
//! Links, sessions and ephemeral nodes are those of [`coordination`](crate::coordination). The event of a watch is a
//! message: the phase `woken` for `/controller`, the flag [`BROKERS_CHANGED`] for `/brokers/ids`. Requests to
//! brokers travel in slots, in any order; a crash of the receiver loses them. A broker that comes back is
//! known by the creation id of its node (its broker epoch), not by its number: what comparing creation ids would
//! tell is kept as a bit for each controller and broker.
//!
//! # What is claimed
//!
//! Safety: a deposed controller changes nothing (`controller-fence`), epochs belong to one controller
//! (`controller-epoch-unique`), two of them believe only if one has lost its session (`controller-belief`), one
//! leader for each partition and leader epoch (`partition-leader-unique`), elected from the ISR
//! (`leader-from-isr`), leader epochs only grow (`leader-epoch-monotone`), ephemeral nodes have live sessions
//! (`ephemeral-session`), who believes that it is registered is (`registration`). Liveness: once faults stop, some
//! broker is the controller, and every partition whose ISR has a live member is led.
//!
//! `controller-fence` is meant place by place: in the tree from the successor's win on, at a broker from the first
//! request of the successor on that this life of the broker has accepted. A broker that has not heard from the
//! successor still obeys the predecessor, in Kafka as in this model.
//!
//! # Sources
//!
//! Kafka's controller as of 2.x and its issues KAFKA-532, 1029, 1096, 1387, 1451, 2437, 6082, 6584, 7165, 7235;
//! KIP-380 (broker epoch); KIP-497 for what later replaced the ISR write of leaders. The clauses are
//! `specs/zk-controller.md`.
//!
//! # What is not modelled
//!
//! - Logs. Who is in the ISR is given, it only ever shrinks, and any member of it will do (see [`isr`](crate::isr)).
//! - A new controller reads the tree in one step. Later changes of the brokers reach it by the watch that it sets
//!   before it reads, later changes of a partition by the refusal of its conditional write.
//! - UpdateMetadata, StopReplica, controlled shutdown, reassignment, topic deletion, unclean election.
//! - Requests are lost only with a crash of their receiver and never duplicated: a controller sends again until the
//!   broker's node vanishes, and a duplicate has a leader epoch that the broker knows already.
//! - Requests that are refused go unanswered, and a zombie learns of its deposition from the tree or its session.
//! - An outage of the whole service: here it would be many expiries, which are modelled one by one.
//! - The broker epoch in requests (KIP-380's second half): a request to a former life of a broker dies with it.

mod action;
mod claims;
mod flaws;
mod readable;
mod rules;
mod state;
mod step;
mod story;
#[cfg(test)]
mod tests;

pub use action::Action;
pub use readable::{
    ReadableBroker, ReadableNode, ReadableOffice, ReadablePartition, ReadableRequest, ReadableState,
};
pub use rules::{
    Bounce, Bounds, Electorate, EpochSource, Expiry, LeaderEpoch, NodeOwner, OnNewSession, PartitionWrite,
    Reelection, RequestFence, Rules, TreeFence, Win,
};
pub use state::{
    BROKERS_CHANGED, Broker, Partition, PartitionState, Phase, REGISTERED, Request, RequestState, State,
    UNAWARE,
};

use stateright::{Model, Property};

use crate::check::{self, Claim, Spec};
use crate::family::{Bound, Control, Family, Flaw, Rule, Scale};

/// The most brokers that a state has room for.
pub const BROKERS_MAX: usize = 3;
/// The most partitions that a state has room for.
pub const PARTITIONS_MAX: usize = 2;
/// The most requests in flight that a state has room for.
pub const REQUESTS_MAX: usize = 3;
/// The most controller epochs that a state has room for.
pub const EPOCHS_MAX: u8 = 7;
/// The most leader epochs that a state has room for.
pub const LEADER_EPOCHS_MAX: u8 = 7;
/// The largest version of a partition's node that a state has room for.
const VERSIONS_MAX: u8 = 15;

/// The model: brokers, one of them the controller, and a coordination service.
#[derive(Debug, Clone, Copy)]
pub struct ZkController {
    bounds: Bounds,
    rules: Rules,
    start: State,
}

impl Model for ZkController {
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

impl Spec for ZkController {
    fn action_kinds(&self) -> &'static [&'static str] {
        action::KINDS
    }

    fn kind_of(&self, action: &Action) -> usize {
        action.kind()
    }

    fn claims(&self) -> Vec<Claim<Self>> {
        claims::all(&self.bounds)
    }

    fn canonical(&self, state: &State) -> State {
        state.canonical(self.bounds.brokers)
    }

    /// With no fault left, everything comes to rest: under a controller that has done all that the bound on leader
    /// epochs lets it do, or without one once every win has been used up, or when no broker is alive.
    fn may_end(&self, state: &State) -> bool {
        self.governed(state) || state.wins >= self.bounds.epochs || !self.alive(state)
    }

    fn fairness(&self, action: &Action) -> Option<u8> {
        action.fairness()
    }
}

impl Family for ZkController {
    const NAME: &'static str = "zk-controller";
    const SUMMARY: &'static str = "Kafka's controller on ZooKeeper: the race for /controller, its epoch, and the leaders that it elects";
    type Bounds = Bounds;
    type Rules = Rules;
    type Readable = ReadableState;

    fn new(bounds: Bounds, rules: Rules) -> Self {
        Self { bounds, rules, start: State::initial(bounds.brokers, bounds.partitions) }
    }

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn starting_from(self, state: State) -> Self {
        Self { start: state, ..self }
    }

    fn admit(bounds: &Bounds, _rules: &Rules) -> Result<(), String> {
        if bounds.stabilises() && bounds.epochs < 2 {
            return Err(format!(
                "--epochs {} leaves none before faults stop: with --stabilise 1 one is kept in reserve; the nearest \
                 choice is --epochs 2",
                bounds.epochs
            ));
        }
        if bounds.stabilises() && bounds.leader_epochs < 5 {
            return Err(format!(
                "--leader-epochs {} leaves none before faults stop: with --stabilise 1 four are kept in reserve; the \
                 nearest choice is --leader-epochs 5",
                bounds.leader_epochs
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
