//! The transitions: what each step does to a state.

use super::Isr;
use super::action::Action;
use super::rules::{
    Acks, Comparison, Divergence, DivergingFetch, Election, ElrLife, Expansion, Fence, FollowerHighWatermark,
    FollowerState, HighWatermarkGate, HighWatermarkOver, LastMember, MinIsr, ReadLimit, Refusal,
    Registration, Truncation, UncleanRegistration,
};
use super::state::{
    ALTER, DIVERGING, EMPTY, FETCH, Follower, LEADS, Message, NOBODY, NODES_MAX, Node, RECORDS, REFUSED,
    STAIN_LEADER_TRUNCATED, STAIN_RECOVERED, STAIN_TRUNCATED, STAIN_TRUNCATED_BELOW_HIGH_WATERMARK, State,
    TRUSTING, UNCLEAN, UP, end_of_epoch, epoch_of, members, record,
};

/// No message.
const NOTHING: Message = Message { head: 0, terms: 0, body: 0, tail: 0 };

impl Isr {
    /// The state after an enabled action.
    pub(super) fn step(&self, before: &State, action: Action) -> State {
        let mut after = *before;
        let state = &mut after;
        match action {
            Action::Produce { leader } => self.produce(state, leader),
            Action::Fetch { follower } => self.fetch(state, follower),
            Action::HandleFetch { slot } => {
                let request = take(state, slot);
                if let Some(response) = self.handle_fetch(state, request) {
                    state.messages[slot as usize] = response;
                }
            }
            Action::HandleResponse { slot } => {
                let response = take(state, slot);
                self.handle_response(state, response);
            }
            Action::HandleAlter { slot } => {
                let request = take(state, slot);
                if let Some(refusal) = self.handle_alter(state, request) {
                    state.messages[slot as usize] = refusal;
                    // Who is not answered asks again, so a copy may be under way; it is dropped where it is refused for ever.
                    put(state, request);
                }
            }
            Action::HandleRefusal { slot } => {
                let refusal = take(state, slot);
                let leader = refusal.to();
                state.nodes[leader as usize].isr_pending &= 0xf;
                self.advance_high_watermark(state, leader);
            }
            Action::Lose { slot } => state.messages[slot as usize] = NOTHING,
            Action::Shrink { leader, follower } | Action::Expand { leader, follower } => {
                propose(state, leader, follower);
            }
            Action::Learn { node } => self.learn(state, node),
            Action::Fence { node, successor } => {
                self.fence(state, node);
                if successor != NOBODY {
                    self.elect(state, successor);
                }
                if self.bounds.unfence == 0 && state.nodes[node as usize].is_up() {
                    state.controller.fenced &= !(1 << node);
                }
            }
            Action::Unfence { node } => state.controller.fenced &= !(1 << node),
            Action::Elect { node } => {
                self.elect(state, node);
                state.controller.partition_epoch += 1;
            }
            Action::ShutDown { node } => stop(state, node),
            Action::Crash { node, keep } => {
                stop(state, node);
                let node = &mut state.nodes[node as usize];
                node.truncate(keep);
                // The checkpoint of the high watermark may be as old as one likes.
                node.high_watermark = 0;
                node.status |= UNCLEAN;
            }
            Action::Restart { node } => self.restart(state, node),
            Action::Stabilise => state.ghost.stable = 1,
        }
        self.settle(state);
        after
    }

    /// What follows from every step: what consumers may read now, and which messages can matter no more.
    fn settle(&self, state: &mut State) {
        for index in 0..self.bounds.nodes {
            self.expose(state, index);
        }
        for slot in 0..state.messages.len() {
            let message = state.messages[slot];
            if message.kind() != EMPTY && self.is_futile(state, &message) {
                state.messages[slot] = NOTHING;
            }
        }
        state.sort_messages();
        if self.rules.epochs_are_fenced() && !self.literal {
            for index in 0..self.bounds.nodes {
                self.follow_at_once(state, index);
            }
        }
        forget_leaders(state);
    }

    /// A replica in an epoch that is over, whose leader leads it no more, can only wait for newer metadata. When
    /// it learns that it shall follow changes nothing but that it may fetch, so it learns at once. (Not where
    /// a rule lets somebody act across epochs, or acts on becoming follower.) Who still has a leader
    /// lags behind as long as it likes, and so does whoever is to lead.
    fn follow_at_once(&self, state: &mut State, index: u8) {
        let node = state.nodes[index as usize];
        let controller = &state.controller;
        let old_leader = controller.leader_of(node.epoch);
        let over = node.is_up() && !node.leads() && node.epoch < controller.epoch;
        if !over || controller.leader == index {
            return;
        }
        let served = old_leader != NOBODY && old_leader != index && {
            let leader = &state.nodes[old_leader as usize];
            leader.leads() && leader.epoch == node.epoch
        };
        let awaited = state.messages.iter().any(|message| message.is_response() && message.to() == index);
        if !served && !awaited {
            if controller.leader != NOBODY {
                self.learn(state, index);
            } else {
                state.nodes[index as usize].epoch = 0;
            }
        }
    }

    /// Consumers may read at the leader and, since KIP-392, at followers, below the high watermark.
    fn expose(&self, state: &mut State, index: u8) {
        let node = &state.nodes[index as usize];
        if node.is_up() && node.epoch != 0 {
            let past_it = self.rules.read_limit == ReadLimit::LogEnd && node.leads();
            let end = if past_it { node.leo() } else { node.high_watermark };
            state.ghost.exposed |= node.values_below(end);
        }
    }

    // ---- producing and committing ----

    fn produce(&self, state: &mut State, leader: u8) {
        let value = state.ghost.produced;
        state.ghost.produced += 1;
        if self.rules.acks != Acks::All {
            state.ghost.acknowledged |= 1 << value;
        }
        if leader != NOBODY {
            let node = &mut state.nodes[leader as usize];
            node.log[node.leo() as usize] = record(node.epoch, value);
            self.advance_high_watermark(state, leader);
        }
    }

    /// Moves a presumed leader's high watermark as far as its followers' fetches allow, and acknowledges.
    fn advance_high_watermark(&self, state: &mut State, leader: u8) {
        let node = &mut state.nodes[leader as usize];
        let quorum = match self.rules.high_watermark_over {
            HighWatermarkOver::MaximalIsr => node.maximal_isr(),
            HighWatermarkOver::CommittedIsr => node.isr(),
        };
        let gated = self.rules.high_watermark_gate == HighWatermarkGate::MinIsr
            && node.isr().count_ones() < u32::from(self.min_isr());
        if gated {
            return;
        }
        let leo = node.leo();
        let end = members(quorum & !(1 << leader))
            .map(|follower| Follower::unpack(node.followers[follower as usize]).map_or(0, |known| known.leo))
            .fold(leo, u8::min);
        if end > node.high_watermark {
            let before = node.values_below(node.high_watermark);
            node.high_watermark = end;
            if node.maximal_isr().count_ones() >= u32::from(self.min_isr()) && self.rules.acks == Acks::All {
                state.ghost.acknowledged |= node.values_below(end) & !before;
            }
        }
    }

    /// min.insync.replicas as the brokers and the controller have it.
    pub(super) fn min_isr(&self) -> u8 {
        match self.rules.min_isr {
            MinIsr::Configured => self.bounds.min_isr,
            MinIsr::One => 1,
        }
    }

    // ---- fetching ----

    /// Whether a follower has a reason to fetch: a fetch that would be refused is not sent, nor one that
    /// would teach neither side anything.
    pub(super) fn may_fetch(&self, state: &State, index: u8) -> bool {
        let node = &state.nodes[index as usize];
        let target = state.controller.leader_of(node.epoch);
        if !node.is_up() || node.epoch == 0 || node.leads() || target == NOBODY || target == index {
            return false;
        }
        let leader = &state.nodes[target as usize];
        if !leader.leads() || leader.epoch != node.epoch && self.rules.fetch_fence == Fence::Checked {
            return false;
        }
        let broker_epoch = state.controller.broker_epochs[index as usize];
        let outstanding = state.messages.iter().any(|message| {
            message.epoch() == node.epoch
                && (message.kind() == FETCH
                    && message.from() == index
                    && message.broker_epoch() == broker_epoch
                    || message.is_response() && message.to() == index)
        });
        let known = Follower { leo: node.leo(), broker_epoch }.pack();
        let converged = leader.followers[index as usize] == known
            && leader.leo() == node.leo()
            && node.high_watermark == leader.high_watermark;
        let room = self.bounds.atomic_fetch == 1 || state.has_room_for_fetch(self.bounds.messages);
        !outstanding && !converged && room
    }

    fn fetch(&self, state: &mut State, index: u8) {
        let node = &state.nodes[index as usize];
        let target = state.controller.leader_of(node.epoch);
        let broker_epoch = state.controller.broker_epochs[index as usize];
        let mut request = Message::new(FETCH, index, target, node.epoch, broker_epoch, node.leo());
        request.body = node.last_epoch();
        request.tail = u8::from(node.status & TRUSTING != 0);
        if self.bounds.atomic_fetch == 0 {
            put(state, request);
        } else if let Some(response) = self.handle_fetch(state, request) {
            self.handle_response(state, response);
        }
    }

    /// Whether the receiver of a fetch would serve it.
    pub(super) fn serves(&self, state: &State, request: &Message) -> bool {
        let leader = &state.nodes[request.to() as usize];
        let older = Follower::unpack(leader.followers[request.from() as usize])
            .is_some_and(|known| known.broker_epoch > request.broker_epoch());
        leader.leads()
            && (leader.epoch == request.epoch() || self.rules.fetch_fence == Fence::Open)
            && (!older || self.rules.incarnation_fence == Fence::Open)
    }

    /// What a leader does with a fetch: compare the logs, note what the follower holds, answer.
    fn handle_fetch(&self, state: &mut State, request: Message) -> Option<Message> {
        let (index, follower) = (request.to(), request.from());
        let leader = &mut state.nodes[index as usize];
        let (leo, offset) = (leader.leo(), request.offset());
        let diverging = self.diverging(leader, &request);
        if diverging.is_none() || self.rules.diverging_fetch == DivergingFetch::Counted {
            leader.followers[follower as usize] =
                Follower { leo: offset, broker_epoch: request.broker_epoch() }.pack();
            self.advance_high_watermark(state, index);
        }
        let leader = &state.nodes[index as usize];
        let kind = if diverging.is_some() { DIVERGING } else { RECORDS };
        let mut response =
            Message::new(kind, index, follower, request.epoch(), request.broker_epoch(), offset);
        response.body = match diverging {
            Some((epoch, end)) => epoch << 4 | end,
            None if offset < leo => leader.log[offset as usize],
            None => 0,
        };
        response.tail = leader.high_watermark;
        let follower_waits = state.nodes[follower as usize].is_up()
            && state.controller.broker_epochs[follower as usize] == request.broker_epoch();
        follower_waits.then_some(response)
    }

    /// The diverging epoch and its end offset, if the follower's log is not a prefix of the leader's.
    fn diverging(&self, leader: &Node, request: &Message) -> Option<(u8, u8)> {
        let (leo, offset, last) = (leader.leo(), request.offset(), request.body);
        let compared = self.rules.truncation == Truncation::ByEpoch && request.tail == 0;
        if !compared {
            // An offset past the leader's end is out of range: the follower goes back to that end.
            return (offset > leo).then_some((last, leo));
        }
        let (epoch, end) = end_of_epoch(&leader.log, leo, last);
        match self.rules.divergence {
            Divergence::EpochAndEnd => (epoch < last || end < offset).then_some((epoch, end)),
            Divergence::EndOnly => {
                let end = (0..leo).find(|&at| epoch_of(leader.log[at as usize]) > last).unwrap_or(leo);
                (end < offset).then_some((last, end))
            }
        }
    }

    /// Whether the receiver of a response would take it.
    pub(super) fn accepts(&self, state: &State, response: &Message) -> bool {
        let node = &state.nodes[response.to() as usize];
        let expected = node.is_up() && node.leo() == response.offset();
        match self.rules.response_fence {
            Fence::Checked => expected && node.epoch == response.epoch() && !node.leads(),
            Fence::Open => expected && (response.kind() == DIVERGING || !node.leads()),
        }
    }

    fn handle_response(&self, state: &mut State, response: Message) {
        let index = response.to();
        let node = &mut state.nodes[index as usize];
        if response.kind() == RECORDS {
            if response.body != 0 {
                node.log[node.leo() as usize] = response.body;
            }
            node.high_watermark = response.tail.min(node.leo());
            return;
        }
        if self.rules.follower_high_watermark == FollowerHighWatermark::AnyResponse {
            node.high_watermark = response.tail.min(node.leo());
            self.expose(state, index);
        }
        let node = &mut state.nodes[index as usize];
        let own = end_of_epoch(&node.log, node.leo(), response.high()).1;
        let end = response.low().min(own);
        let mut stain = if end < node.leo() { STAIN_TRUNCATED } else { 0 };
        if end < node.high_watermark {
            stain |= STAIN_TRUNCATED_BELOW_HIGH_WATERMARK;
        }
        if node.leads() && end < node.leo() {
            stain |= STAIN_LEADER_TRUNCATED;
        }
        node.truncate(end);
        state.ghost.stain |= stain;
    }

    // ---- the ISR ----

    /// Whether a follower may be proposed for the ISR.
    pub(super) fn has_caught_up(&self, leader: &Node, known: Follower) -> bool {
        known.leo >= leader.high_watermark
            && (known.leo >= leader.start || self.rules.expansion == Expansion::HighWatermark)
    }

    /// The controller's answer to AlterPartition: done, or a refusal, or silence, upon which the leader
    /// waits for the newer metadata that made its request obsolete.
    fn handle_alter(&self, state: &mut State, request: Message) -> Option<Message> {
        let controller = &state.controller;
        let eligible = |&member: &u8| {
            let stated = request.member_epoch(member);
            let current = stated == 0 || stated == controller.broker_epochs[member as usize];
            let fenced = controller.fenced & 1 << member != 0;
            (current || self.rules.broker_epoch == Fence::Open)
                && (!fenced || self.rules.fenced_member == Fence::Open)
        };
        if !members(request.low()).all(|member| eligible(&member)) {
            let mut refusal = Message::new(REFUSED, NOBODY, request.from(), request.epoch(), 0, 0);
            refusal.body = request.body;
            if self.rules.refusal == Refusal::UsesUpEpoch {
                state.controller.partition_epoch += 1;
            }
            return Some(refusal);
        }
        let left = controller.isr & !request.low();
        self.set_isr(state, request.low(), left);
        state.controller.partition_epoch += 1;
        None
    }

    /// Writes an ISR; those who left it stay eligible while it is below min.insync.replicas.
    fn set_isr(&self, state: &mut State, isr: u8, left: u8) {
        for member in members(isr & !state.controller.isr) {
            let node = &mut state.nodes[member as usize];
            if node.is_unclean() && node.is_up() {
                node.status &= !UNCLEAN;
                state.ghost.stain |= STAIN_RECOVERED;
            }
        }
        let controller = &mut state.controller;
        controller.isr = isr;
        let small = isr.count_ones() < u32::from(self.min_isr());
        if self.rules.last_member == LastMember::Leaves {
            if small {
                controller.elr |= left;
            } else if self.rules.elr == ElrLife::UntilMinIsr {
                controller.elr = 0;
            }
        }
        controller.elr &= !isr;
    }

    // ---- the controller and its brokers ----

    /// Fences a broker: it leaves the ISR and leads no more.
    pub(super) fn fence(&self, state: &mut State, index: u8) {
        let bit = 1 << index;
        let controller = &mut state.controller;
        controller.fenced |= bit;
        let led = controller.leader == index;
        let was_member = controller.isr & bit != 0;
        if !led && !was_member {
            return;
        }
        controller.partition_epoch += 1;
        if led {
            controller.leader = NOBODY;
        }
        let isr = controller.isr & !bit;
        if was_member && (isr != 0 || self.rules.last_member == LastMember::Leaves) {
            self.set_isr(state, isr, bit);
        }
    }

    fn elect(&self, state: &mut State, index: u8) {
        let bit = 1 << index;
        state.controller.lead(index);
        if state.controller.isr & bit == 0 {
            let from_elr = state.controller.elr & bit != 0;
            self.set_isr(state, bit, 0);
            if !from_elr && self.rules.election != Election::Clean {
                state.controller.elr = 0;
            }
        }
    }

    /// Starts a broker; it registers, and is unfenced, before it does anything else.
    fn restart(&self, state: &mut State, index: u8) {
        let bit = 1 << index;
        let node = &mut state.nodes[index as usize];
        node.status |= UP;
        if self.rules.registration == Registration::None {
            return;
        }
        let controller = &mut state.controller;
        controller.fenced &= !bit;
        controller.broker_epochs[index as usize] += 1;
        if node.is_unclean()
            && controller.elr & bit != 0
            && self.rules.unclean_registration == UncleanRegistration::LeavesElr
        {
            controller.elr &= !bit;
            controller.partition_epoch += 1;
        }
    }

    /// Whether the controller has news for a broker: a new leader epoch, or a new ISR for a leader.
    pub(super) fn may_learn(&self, state: &State, index: u8) -> bool {
        let node = &state.nodes[index as usize];
        let controller = &state.controller;
        node.is_up()
            && controller.leader != NOBODY
            && (node.epoch < controller.epoch
                || node.leads() && node.partition_epoch < controller.partition_epoch)
    }

    fn learn(&self, state: &mut State, index: u8) {
        let controller = state.controller;
        let node = &mut state.nodes[index as usize];
        let same_epoch = node.epoch == controller.epoch;
        let old_leader = controller.leader_of(node.epoch);
        node.epoch = controller.epoch;
        node.status &= !TRUSTING;
        if controller.leader == index {
            if !same_epoch {
                node.start = node.leo();
                node.status |= LEADS;
                if self.rules.follower_state == FollowerState::Reset {
                    node.followers = [0; NODES_MAX];
                }
            }
            node.isr_pending = controller.isr;
            node.partition_epoch = controller.partition_epoch;
            self.advance_high_watermark(state, index);
            return;
        }
        let followers = node.followers;
        node.forget_leadership();
        if self.rules.follower_state == FollowerState::Kept {
            node.followers = followers;
        }
        if self.rules.comparison == Comparison::NewLeaderOnly && old_leader == controller.leader {
            node.status |= TRUSTING;
        }
        if self.rules.truncation == Truncation::ToHighWatermark {
            let end = node.high_watermark;
            if end < node.leo() {
                state.ghost.stain |= STAIN_TRUNCATED;
            }
            node.truncate(end);
        }
    }

    /// Whether a message can change nothing any more: dropping it at once is the same as losing it.
    fn is_futile(&self, state: &State, message: &Message) -> bool {
        let controller = &state.controller;
        match message.kind() {
            FETCH => {
                let leader = &state.nodes[message.to() as usize];
                let overtaken = leader.epoch > message.epoch() && self.rules.fetch_fence == Fence::Checked;
                !leader.is_up() || overtaken || leader.leads() && !self.serves(state, message)
            }
            RECORDS | DIVERGING => {
                self.rules.response_fence == Fence::Checked && !self.accepts(state, message)
            }
            ALTER => {
                controller.leader != message.from()
                    || controller.epoch != message.epoch()
                    || self.rules.partition_epoch == Fence::Checked
                        && controller.partition_epoch != message.high()
            }
            _ => {
                let leader = &state.nodes[message.to() as usize];
                !(leader.leads()
                    && leader.epoch == message.epoch()
                    && leader.partition_epoch == message.high()
                    && leader.pending() == message.low())
            }
        }
    }
}

/// Ends a process: what it kept in memory is gone, and so is what was on its way to it.
fn stop(state: &mut State, index: u8) {
    state.ghost.crashes += 1;
    let node = &mut state.nodes[index as usize];
    node.forget_leadership();
    node.status &= !(UP | LEADS | TRUSTING);
    node.epoch = 0;
    for message in &mut state.messages {
        if message.kind() != EMPTY && message.to() == index && message.kind() != ALTER {
            *message = NOTHING;
        }
    }
}

/// Sends AlterPartition with one member more or less.
fn propose(state: &mut State, leader: u8, follower: u8) {
    let epochs = state.controller.broker_epochs;
    let node = &mut state.nodes[leader as usize];
    let proposed = node.isr() ^ 1 << follower;
    node.isr_pending |= proposed << 4;
    let mut request = Message::new(ALTER, leader, NOBODY, node.epoch, 0, 0);
    request.body = node.partition_epoch << 4 | proposed;
    for member in members(proposed) {
        let stated = if member == leader {
            epochs[leader as usize]
        } else {
            Follower::unpack(node.followers[member as usize]).map_or(0, |known| known.broker_epoch)
        };
        request.tail |= stated << (2 * member);
    }
    put(state, request);
}

/// Who led an epoch that nobody believes in any more is forgotten.
fn forget_leaders(state: &mut State) {
    for epoch in 1..state.controller.epoch {
        if state.nodes.iter().all(|node| node.epoch != epoch) {
            state.controller.leaders |= NOBODY << (2 * (epoch - 1));
        }
    }
}

/// Takes a message out of its slot.
fn take(state: &mut State, slot: u8) -> Message {
    std::mem::replace(&mut state.messages[slot as usize], NOTHING)
}

/// Puts a message in flight, if there is room.
fn put(state: &mut State, message: Message) {
    if let Some(slot) = state.messages.iter_mut().find(|slot| slot.kind() == EMPTY) {
        *slot = message;
    }
}
