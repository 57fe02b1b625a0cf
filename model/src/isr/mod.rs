//! Replication of one partition, with an always-consistent controller: leader and followers, in-sync
//! replicas, high watermark, truncation by leader epoch, clean and unclean election.
//!
//! # Who does what
//! - **Producers** send records to whoever presumes to lead. With `acks=all` a record is acknowledged once
//!   it is below the high watermark; the ghost `acknowledged` remembers.
//! - **Followers pull.** A fetch states the offset, the leader epoch, the epoch of the last record and the broker
//!   epoch. The leader answers with the next record and its high watermark, or with a diverging epoch and its
//!   end, upon which the follower truncates. Request and answer are two messages.
//! - **The leader** notes by each fetch what the follower holds, moves its high watermark to the least log
//!   end of the *maximal* ISR (committed and proposed), and asks the controller (AlterPartition) to shrink or
//!   expand the ISR. Until it is answered it counts with both.
//! - **The controller** is one register: leader, leader epoch, ISR, ELR, partition epoch, and for each broker
//!   its broker epoch and whether it is fenced. It takes an AlterPartition only for the newest partition epoch,
//!   with current, unfenced members, and a refusal for a member uses that epoch up. It fences a broker at any time, for a lost session is all it can see;
//!   if that was the leader it elects another in the same step. It also moves leadership without need
//!   (`elect`): the preferred replica, or the most complete one, is any of those that it may choose.
//! - **Metadata** reach each broker by its own step (`learn`), so a deposed leader goes on in its old epoch
//!   for as long as it likes: it appends, serves, and commits what its own ISR fetches.
//! - **Brokers** shut down cleanly, or crash and keep any prefix of their log; they come back by registering,
//!   which takes that they were fenced, gives a new broker epoch, and after a crash ends their eligibility.
//!
//! # A replica's states
//! | state | on | becomes |
//! |---|---|---|
//! | unattached | newest metadata: it leads | leader: epoch start = log end, followers unknown |
//! | unattached | newest metadata: another leads | follower |
//! | follower | response of its epoch | follower: appends, or truncates; high watermark = least of leader's and own end |
//! | follower | newer epoch: it leads | leader |
//! | leader | fetch of its epoch | leader: follower noted, high watermark moved |
//! | leader | newer partition epoch | leader: committed ISR replaced, proposal dropped |
//! | leader | newer epoch: another leads | follower: what it knew of its followers is forgotten |
//! | any | shutdown, crash | down |
//! | down | restart, once fenced | unattached, under a new broker epoch |
//!
//! # What is claimed, and under which assumption
//! Clean elections lose nothing that was acknowledged or read, *provided* that fewer than
//! `min.insync.replicas` replicas at a time have crashed uncleanly and are not back in the ISR. Acknowledged
//! records are in page caches, not on disks; `min.insync.replicas` lossy crashes together lose data in any
//! correct Kafka. The model builds that in: such a crash is not enabled (clean shutdowns are). The claims are in
//! `claims.rs`, the clauses in `specs/isr.md`. Unclean elections break most of them, each by its own shortest story
//! (flaw B38a), but not `log-matching`: the replicas converge on what is left.
//!
//! # How the state space is kept small
//! Each of these removes only behaviours that another one stands for:
//! - A message that its receiver would refuse now and for ever is dropped at once. A message that somebody waits
//!   for is late rather than lost: it would be sent again, with the same or newer content.
//! - Who is not answered asks again, so a copy of an AlterPartition may come after its answer. It is in flight only where it could
//!   still be granted, which a grant and, by the rules, a refusal end.
//! - A fetch that would be refused, or teach neither side anything, is not sent; nor is a proposal that
//!   the compare-and-set would refuse.
//! - A follower whose leader leads no more learns of the newer epoch at once: all that late learning could do is to
//!   delay its first fetch, which may be late anyway. This is off where a rule lets somebody act across
//!   epochs. Whoever has a (zombie) leader still, or is to lead, learns when it likes.
//! - A broker that is fenced while it runs is unfenced in the same step, unless the bound `unfence` asks for a
//!   step of its own; registration and the first heartbeat are one step.
//! - Replicas are interchangeable ([`Spec::canonical`]).
//!
//! # Sources
//! KIP-101, 279, 320 (truncation by epoch, fencing), 392, 497 (AlterPartition), 595 (diverging fetch), 841, 903
//! (broker epochs), 966 (eligible leader replicas); hachikuji/kafka-specification, whose StrongIsr is the first
//! claim; Vanlightly/kafka-tlaplus, *replication correctness*. The issues are named with the flaws.
//!
//! # Not modelled
//! - The controller's own replication, and metadata between the newest and what a broker has: `learn` takes a
//!   broker to the newest. Having no leader takes no leader epoch of its own; brokers are not told of it.
//! - Reassignment of replicas, topics deleted and created anew, more than one partition.
//! - Flushing: any crash may lose any suffix, also what a real disk would have. The checkpoint of the high
//!   watermark is lost in every crash (it may be arbitrarily old).
//! - Retention and log start offsets, compaction, tiers, transactions and idempotent producers.
//! - More than one record a response; OffsetsForLeaderEpoch as a request of its own; the wait for caught-up
//!   replicas outside the ISR; delayed fetches. Time: lag and sessions end whenever they like.
//! - The last known ELR and recovery when ISR and ELR are empty (KIP-966, second part).
//! - The refusal of `acks=all` while the ISR is too small: the model lets any append through.

mod action;
mod claims;
mod flaws;
mod readable;
mod rules;
pub mod state;
mod step;
mod story;
mod symmetry;
#[cfg(test)]
mod tests;

pub use action::Action;
pub use readable::{Readable, ReadableController, ReadableHistory, ReadableMessage, ReadableReplica};
pub use rules::*;
pub use state::{Controller, Follower, Ghost, Message, Node, State};

use stateright::{Model, Property};

use crate::check::{Claim, Spec, stateright_properties};
use crate::family::{Bound, Control, Family, Flaw, Grain, Rule, Scale};

/// The model: replication of one partition.
#[derive(Debug, Clone, Copy)]
pub struct Isr {
    bounds: Bounds,
    rules: Rules,
    start: Option<State>,
    /// Without the reductions on loss and on learning: any fetch or response may be lost, and everybody learns late.
    literal: bool,
}

impl Isr {
    /// The same model without the reductions on loss and on learning, to hold them, and what is to refine it, against.
    #[must_use]
    pub fn literally(self) -> Self {
        Self { literal: true, ..self }
    }

    /// Replica n1 leads epoch 1, everybody knows and is in the ISR, all logs are empty.
    fn first_state(&self) -> State {
        let mut state: State = bytemuck::Zeroable::zeroed();
        let all = (1 << self.bounds.nodes) - 1;
        for node in &mut state.nodes[..self.bounds.nodes as usize] {
            node.epoch = 1;
            node.status = state::UP;
        }
        let leader = &mut state.nodes[0];
        leader.status |= state::LEADS;
        leader.isr_pending = all;
        let controller = &mut state.controller;
        controller.epoch = 1;
        controller.isr = all;
        for epoch in &mut controller.broker_epochs[..self.bounds.nodes as usize] {
            *epoch = 1;
        }
        state
    }
}

impl Model for Isr {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.start.unwrap_or_else(|| self.first_state())]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.enabled(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let after = self.step(state, action);
        (after != *state).then_some(after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        stateright_properties(self)
    }

    crate::explorer_views!();
}

impl Spec for Isr {
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
        symmetry::canonical(state, self.bounds.nodes)
    }

    fn fairness(&self, action: &Action) -> Option<u8> {
        action.fairness()
    }

    /// Nothing goes on where a leader is gone and cannot be replaced because a bound is used up: that on
    /// leader epochs or that on changes by the controller.
    /// Nor where all is done and faults have ceased.
    fn may_end(&self, state: &State) -> bool {
        if self.bounds.stabilise == 1 {
            return true;
        }
        state.controller.epoch == self.bounds.epochs
            || state.controller.partition_epoch == self.bounds.changes
    }
}

impl Family for Isr {
    const NAME: &'static str = "isr";
    const SUMMARY: &'static str = "replication of a partition: in-sync replicas, high watermark, truncation by epoch, clean and unclean election";
    type Bounds = Bounds;
    type Rules = Rules;
    type Readable = Readable;

    fn new(bounds: Bounds, rules: Rules) -> Self {
        Self { bounds, rules, start: None, literal: false }
    }

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn starting_from(self, state: State) -> Self {
        Self { start: Some(state), ..self }
    }

    fn admit(bounds: &Bounds, _rules: &Rules) -> Result<(), String> {
        rules::admit(bounds)
    }

    fn bound_table() -> &'static [Bound<Bounds>] {
        BOUNDS
    }

    fn bounds_at(scale: Scale) -> Bounds {
        rules::bounds_at(scale)
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
        rules::GRAINS
    }

    fn readable(&self, state: &State) -> Readable {
        readable::read(self, state)
    }

    fn state_from(&self, readable: &Readable) -> Result<State, String> {
        readable::write(self, readable)
    }
}
