//! What can happen: one atomic step of one replica, of the controller or of the network.

use super::Isr;
use super::rules::{Acks, Election, Fence, LastMember, Registration, reserve};
use super::state::{
    ALTER, DIVERGING, EMPTY, FETCH, Follower, Message, NOBODY, NODES_MAX, REFUSED, State, UNCLEAN, members,
};

/// One step. Slots are indices into [`State::messages`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// A client's record reaches a presumed leader, which appends it; [`NOBODY`]: it reaches nobody (acks=0).
    Produce {
        /// Who appends.
        leader: u8,
    },
    /// A follower sends a fetch (at the `atomic-fetch` grain: gets the answer and handles it).
    Fetch {
        /// Who fetches.
        follower: u8,
    },
    /// A presumed leader handles a fetch and answers.
    HandleFetch {
        /// The request.
        slot: u8,
    },
    /// A follower handles the answer to its fetch.
    HandleResponse {
        /// The response.
        slot: u8,
    },
    /// The controller handles an AlterPartition request.
    HandleAlter {
        /// The request.
        slot: u8,
    },
    /// A leader hears that its AlterPartition request named somebody who is not eligible.
    HandleRefusal {
        /// The answer.
        slot: u8,
    },
    /// A message is lost.
    Lose {
        /// The message.
        slot: u8,
    },
    /// A leader proposes an ISR without a follower that is behind.
    Shrink {
        /// Who proposes.
        leader: u8,
        /// Who shall leave.
        follower: u8,
    },
    /// A leader proposes an ISR with a follower that has caught up.
    Expand {
        /// Who proposes.
        leader: u8,
        /// Who shall join.
        follower: u8,
    },
    /// A broker learns the controller's newest metadata.
    Learn {
        /// Who learns.
        node: u8,
    },
    /// The session of a broker ends: the controller fences it and, if it led, elects a successor.
    Fence {
        /// Who is fenced.
        node: u8,
        /// Who leads instead, or [`NOBODY`].
        successor: u8,
    },
    /// The controller hears a heartbeat of a fenced broker.
    Unfence {
        /// Who is unfenced.
        node: u8,
    },
    /// The controller elects a leader: where there is none, or because another is preferred.
    Elect {
        /// Who is elected.
        node: u8,
    },
    /// A broker shuts down with its log flushed and its clean-shutdown marker written.
    ShutDown {
        /// Who stops.
        node: u8,
    },
    /// A broker crashes; its log keeps the first `keep` records.
    Crash {
        /// Who stops.
        node: u8,
        /// How much of the log survives.
        keep: u8,
    },
    /// A stopped broker starts and registers.
    Restart {
        /// Who starts.
        node: u8,
    },
    /// From here on no fault happens (liveness only).
    Stabilise,
}

/// The names of the kinds of action, in the order of [`Action::kind`].
pub(super) const KINDS: &[&str] = &[
    "produce",
    "fetch",
    "handle-fetch",
    "handle-response",
    "handle-alter",
    "handle-refusal",
    "lose",
    "shrink",
    "expand",
    "learn",
    "fence",
    "unfence",
    "elect",
    "shut-down",
    "crash",
    "restart",
    "stabilise",
];

impl Action {
    /// The index into the names of kinds, `KINDS`.
    pub fn kind(&self) -> usize {
        match self {
            Self::Produce { .. } => 0,
            Self::Fetch { .. } => 1,
            Self::HandleFetch { .. } => 2,
            Self::HandleResponse { .. } => 3,
            Self::HandleAlter { .. } => 4,
            Self::HandleRefusal { .. } => 5,
            Self::Lose { .. } => 6,
            Self::Shrink { .. } => 7,
            Self::Expand { .. } => 8,
            Self::Learn { .. } => 9,
            Self::Fence { .. } => 10,
            Self::Unfence { .. } => 11,
            Self::Elect { .. } => 12,
            Self::ShutDown { .. } => 13,
            Self::Crash { .. } => 14,
            Self::Restart { .. } => 15,
            Self::Stabilise => 16,
        }
    }
}

impl Action {
    /// The weak-fairness class: one a kind and replica of what brokers, controller and network owe. Nobody owes a
    /// fault, a record or an election that nothing needs.
    pub(super) fn fairness(&self) -> Option<u8> {
        let class = |kind: u8, node: u8| Some(kind * NODES_MAX as u8 + node);
        match *self {
            Self::Fetch { follower } => class(0, follower),
            Self::Learn { node } => class(1, node),
            Self::Fence { node, .. } => class(2, node),
            Self::Unfence { node } => class(3, node),
            Self::Restart { node } => class(4, node),
            Self::Expand { leader, .. } => class(5, leader),
            Self::Elect { .. } => class(6, 0),
            Self::HandleFetch { .. } => class(6, 1),
            Self::HandleResponse { .. } => class(6, 2),
            Self::HandleAlter { .. } => class(7, 0),
            Self::HandleRefusal { .. } => class(7, 1),
            _ => None,
        }
    }
}

impl Isr {
    /// Everything that can happen in a state and changes it.
    pub(super) fn enabled(&self, state: &State, actions: &mut Vec<Action>) {
        for node in 0..self.bounds.nodes {
            self.enabled_at(state, node, actions);
        }
        self.enabled_in_network(state, actions);
        if self.rules.acks == Acks::None && state.ghost.produced < self.bounds.records {
            actions.push(Action::Produce { leader: NOBODY });
        }
        if self.bounds.stabilise == 1 && state.ghost.stable == 0 {
            actions.push(Action::Stabilise);
        }
    }

    fn enabled_at(&self, state: &State, index: u8, actions: &mut Vec<Action>) {
        let node = &state.nodes[index as usize];
        let controller = &state.controller;
        let stable = state.ghost.stable != 0;
        if node.leads() {
            if state.ghost.produced < self.bounds.records && !stable {
                actions.push(Action::Produce { leader: index });
            }
            self.enabled_proposals(state, index, actions);
        }
        if self.may_fetch(state, index) {
            actions.push(Action::Fetch { follower: index });
        }
        if self.may_learn(state, index) {
            actions.push(Action::Learn { node: index });
        }
        self.enabled_fencing(state, index, actions);
        if controller.fenced & 1 << index != 0 && node.is_up() {
            actions.push(Action::Unfence { node: index });
        }
        if self.candidates(state) & 1 << index != 0
            && controller.leader != index
            && controller.epoch < self.epochs_left(state)
            && self.may_change(state)
            && (controller.leader == NOBODY || !stable)
        {
            actions.push(Action::Elect { node: index });
        }
        if node.is_up() && state.ghost.crashes < self.bounds.crashes && !stable {
            actions.push(Action::ShutDown { node: index });
            let unclean = (0..self.bounds.nodes)
                .filter(|&other| other != index && state.nodes[other as usize].status & UNCLEAN != 0)
                .count() as u8;
            if unclean + 1 < self.bounds.min_isr {
                for keep in 0..=node.leo() {
                    actions.push(Action::Crash { node: index, keep });
                }
            }
        }
        if !node.is_up()
            && (controller.fenced & 1 << index != 0 || self.rules.registration == Registration::None)
            && self.may_change(state)
        {
            actions.push(Action::Restart { node: index });
        }
    }

    /// A proposal that the controller's compare-and-set would refuse is not made: until it hears better, the
    /// leader would only wait, with a larger maximal ISR.
    fn enabled_proposals(&self, state: &State, leader: u8, actions: &mut Vec<Action>) {
        let node = &state.nodes[leader as usize];
        let outdated = node.epoch != state.controller.epoch
            || self.rules.partition_epoch == Fence::Checked
                && node.partition_epoch != state.controller.partition_epoch;
        if node.pending() != 0 || outdated || !self.may_change(state) || !state.has_room() {
            return;
        }
        for follower in (0..self.bounds.nodes).filter(|&follower| follower != leader) {
            let known = Follower::unpack(node.followers[follower as usize]);
            if node.isr() & 1 << follower != 0 {
                let behind = known.is_none_or(|known| known.leo < node.leo());
                let may_lag = state.ghost.stable == 0;
                if behind && may_lag {
                    actions.push(Action::Shrink { leader, follower });
                }
            } else if known.is_some_and(|known| {
                self.has_caught_up(node, known) && may_hope(state, follower, known.broker_epoch)
            }) {
                actions.push(Action::Expand { leader, follower });
            }
        }
    }

    fn enabled_fencing(&self, state: &State, index: u8, actions: &mut Vec<Action>) {
        let node = &state.nodes[index as usize];
        let controller = &state.controller;
        let bit = 1 << index;
        let matters = controller.isr & bit != 0 || controller.leader == index;
        let is_felt = matters || self.bounds.unfence == 1 && is_proposed(state, index);
        if controller.fenced & bit != 0
            || node.is_up() && (!is_felt || state.ghost.stable != 0)
            || matters && !self.may_change(state)
        {
            return;
        }
        let mut after = *state;
        self.fence(&mut after, index);
        let successors = self.candidates(&after);
        if controller.leader != index || successors == 0 {
            actions.push(Action::Fence { node: index, successor: NOBODY });
        } else if controller.epoch < self.epochs_left(state) {
            for successor in members(successors) {
                actions.push(Action::Fence { node: index, successor });
            }
        }
    }

    fn enabled_in_network(&self, state: &State, actions: &mut Vec<Action>) {
        let mut before = Message { head: 0, terms: 0, body: 0, tail: 0 };
        for (slot, &message) in (0u8..).zip(&state.messages) {
            if message.kind() == EMPTY || message == before {
                continue;
            }
            before = message;
            match message.kind() {
                FETCH => {
                    if self.serves(state, &message) {
                        actions.push(Action::HandleFetch { slot });
                    }
                }
                ALTER => {
                    if self.may_change(state) {
                        actions.push(Action::HandleAlter { slot });
                    }
                }
                REFUSED => actions.push(Action::HandleRefusal { slot }),
                _ => {
                    if self.accepts(state, &message) {
                        actions.push(Action::HandleResponse { slot });
                    }
                }
            }
            if self.may_lose(state, &message) {
                actions.push(Action::Lose { slot });
            }
        }
    }

    /// Only what nobody waits for is lost. A request or a response that is awaited would be sent again until
    /// it gets through, with the same content or, of a response, newer: losing it is no more than being late.
    fn may_lose(&self, state: &State, message: &Message) -> bool {
        let waits_from = |node: u8| {
            let node = &state.nodes[node as usize];
            node.is_up() && node.epoch == message.epoch()
        };
        match message.kind() {
            FETCH..=DIVERGING if self.literal => true,
            FETCH => {
                let current = state.controller.broker_epochs[message.from() as usize];
                !waits_from(message.from()) || current != message.broker_epoch()
            }
            ALTER => {
                let sender = &state.nodes[message.from() as usize];
                !(sender.leads()
                    && waits_from(message.from())
                    && sender.partition_epoch == message.high()
                    && sender.pending() == message.low())
            }
            REFUSED => false,
            _ => !waits_from(message.to()),
        }
    }

    /// Whether the bound on changes leaves the controller another one.
    pub(super) fn may_change(&self, state: &State) -> bool {
        let reserve = if state.ghost.stable == 0 { reserve(&self.bounds).1 } else { 0 };
        state.controller.partition_epoch + reserve < self.bounds.changes
    }

    /// The last epoch that may be begun now: some are kept in reserve for after stabilisation.
    pub(super) fn epochs_left(&self, state: &State) -> u8 {
        let reserve = if state.ghost.stable == 0 { reserve(&self.bounds).0 } else { 0 };
        self.bounds.epochs.saturating_sub(reserve)
    }

    /// Whom the controller may elect, a mask.
    pub(super) fn candidates(&self, state: &State) -> u8 {
        let controller = &state.controller;
        let present = !controller.fenced & ((1 << self.bounds.nodes) - 1);
        if self.rules.election == Election::Anyone {
            return present;
        }
        let in_sync = controller.isr & present;
        let eligible = controller.elr & present;
        if in_sync != 0 {
            in_sync
        } else if controller.isr == 0 && eligible != 0 {
            eligible
        } else if self.rules.election == Election::Unclean && self.nobody_to_wait_for(state) {
            present
        } else {
            0
        }
    }

    /// An unclean election wants no member of ISR or ELR present; before KIP-966 the last member may be
    /// fenced and in the ISR.
    fn nobody_to_wait_for(&self, state: &State) -> bool {
        self.rules.last_member == LastMember::Stays || state.controller.isr == 0
    }
}

/// Whether a leader may ask for a follower to join, of this broker epoch as far as it knows. Once faults have ceased it asks no
/// more for who would be refused: by then metadata have told it of brokers (KIP-841, KIP-903), and each refusal takes a change.
fn may_hope(state: &State, follower: u8, broker_epoch: u8) -> bool {
    let controller = &state.controller;
    let eligible =
        controller.fenced & 1 << follower == 0 && controller.broker_epochs[follower as usize] == broker_epoch;
    state.ghost.stable == 0 || eligible
}

/// Whether the leader waits to hear of an ISR with this replica: it is refused while it is fenced.
fn is_proposed(state: &State, index: u8) -> bool {
    let leader = state.nodes.get(state.controller.leader as usize);
    leader.is_some_and(|leader| leader.leads() && leader.pending() & 1 << index != 0)
}
