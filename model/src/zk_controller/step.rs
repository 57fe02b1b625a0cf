//! The steps of brokers, controllers and service.

use crate::coordination::{Ephemeral, Link, Tie};

use super::action::Action;
use super::rules::{
    Bounce, Electorate, EpochSource, Expiry, LeaderEpoch, NodeOwner, OnNewSession, PartitionWrite,
    Reelection, RequestFence, TreeFence, Win,
};
use super::state::{
    BROKERS_CHANGED, Broker, DEPOSED_ACTED, EPOCH_WENT_BACK, NOT_IN_ISR, Partition, PartitionState, Phase,
    REGISTERED, Request, RequestState, State, TWO_LEADERS, UNAWARE,
};
use super::{BROKERS_MAX, VERSIONS_MAX, ZkController};

/// What stabilised brokers may need: one more win, and four elections of each partition (two brokers that fail or come
/// back one after the other, each noticed only after it was elected).
const EPOCHS_RESERVED: u8 = 1;
const LEADER_EPOCHS_RESERVED: u8 = 4;

impl ZkController {
    /// Pushes what can happen and changes the state.
    pub(super) fn enabled(&self, state: &State, actions: &mut Vec<Action>) {
        let stable = state.stabilised != 0;
        let faulty = !stable && state.faults < self.bounds.faults;
        for broker in 0..self.bounds.brokers {
            let Broker { link, phase, .. } = state.brokers[usize::from(broker)];
            if link == Link::UP {
                self.asks(state, broker, faulty, actions);
            }
            if link.runs() && phase == Phase::ACTIVE {
                self.sends(state, broker, actions);
            }
            if !(link.open() || stable && link == Link::DOWN) {
                actions.push(Action::Connect { broker });
            }
            if link == Link::PAUSED {
                actions.push(Action::Resume { broker });
            }
            if !stable && matches!(link, Link::PAUSED | Link::LOST) {
                actions.push(Action::Expire { broker });
            }
            if faulty && link == Link::UP {
                actions.push(Action::Pause { broker });
            }
            if faulty && link.open() {
                actions.push(Action::Disconnect { broker });
            }
            if faulty && link != Link::DOWN {
                actions.push(Action::Crash { broker });
            }
            if self.has_former(state, broker) {
                actions.push(Action::ExpireFormer { broker });
            }
        }
        for (slot, request) in state.requests.iter().enumerate() {
            // Two equal requests are one to the receiver: the second brings nothing that the first did not.
            let again = slot > 0 && *request == state.requests[slot - 1];
            if let Some(RequestState { to, .. }) = request.unpack()
                && !again
                && state.brokers[usize::from(to)].link.runs()
            {
                actions.push(Action::Deliver { slot: slot as u8, broker: to });
            }
        }
        if self.bounds.stabilises() && !stable {
            actions.push(Action::Stabilise);
        }
    }

    /// What a broker that is connected asks of the service.
    fn asks(&self, state: &State, broker: u8, faulty: bool, actions: &mut Vec<Action>) {
        let at = usize::from(broker);
        let me = &state.brokers[at];
        if me.is(UNAWARE) {
            actions.push(Action::Learn { broker });
        } else if !me.is(REGISTERED) {
            let taken = state.ids[at].exists();
            if !taken || (self.rules.node_owner == NodeOwner::BrokerId && state.ids[at].made_by(broker)) {
                actions.push(Action::Register { broker });
            }
        } else {
            self.races(state, broker, faulty, actions);
        }
        match me.phase {
            Phase::CREATED => actions.push(Action::Increment { broker }),
            Phase::WON => actions.push(Action::Restore { broker }),
            Phase::ACTIVE => self.governs(state, broker, actions),
            _ => {}
        }
        for partition in 0..self.bounds.partitions {
            for dropped in 0..self.bounds.brokers {
                if self.may_shrink(state, broker, partition, dropped) {
                    actions.push(Action::Shrink { broker, partition, dropped });
                }
            }
        }
    }

    /// What a registered broker does to become the controller.
    fn races(&self, state: &State, broker: u8, faulty: bool, actions: &mut Vec<Action>) {
        match state.brokers[usize::from(broker)].phase {
            Phase::STANDBY => {
                let free = !state.controller.exists();
                let reserve = if self.holds_reserve(state) { EPOCHS_RESERVED } else { 0 };
                let stuck = state.controller.is_of(broker) && self.rules.reelection == Reelection::TriesAgain;
                if (free && state.wins + reserve < self.bounds.epochs) || (!free && !stuck) {
                    actions.push(Action::Race { broker, answered: true });
                    if free && faulty {
                        actions.push(Action::Race { broker, answered: false });
                    }
                }
            }
            Phase::BEATEN => actions.push(Action::Watch { broker }),
            Phase::WOKEN => actions.push(Action::Wake { broker }),
            _ => {}
        }
    }

    /// What a broker that believes that it is the controller does with the tree.
    fn governs(&self, state: &State, broker: u8, actions: &mut Vec<Action>) {
        let me = &state.brokers[usize::from(broker)];
        if self.rules.epoch_source == EpochSource::Watched && me.epoch != state.epoch {
            actions.push(Action::Adopt { broker });
        }
        // A batch is worked off in the order of the partitions.
        let due = (0..self.bounds.partitions).find(|partition| self.candidates(me, *partition) != 0);
        if let Some(partition) = due.filter(|partition| self.may_elect(state, *partition)) {
            let candidates = self.candidates(me, partition);
            for leader in (0..=self.bounds.brokers).filter(|leader| candidates >> leader & 1 != 0) {
                actions.push(Action::Elect { broker, partition, leader });
            }
        }
        // One event after the other: what a change demands is done before the next is looked at.
        if me.is(BROKERS_CHANGED) && due.is_none() {
            actions.push(Action::Refresh { broker });
        }
    }

    /// Whom the controller would elect, a bit a broker number; bit 0 is nobody, 0 means that none is due.
    fn candidates(&self, me: &Broker, partition: u8) -> u8 {
        let known = me.cache[usize::from(partition)].unpack();
        let alive = me.alive & 7;
        if known.leader != 0 && alive >> (known.leader - 1) & 1 != 0 {
            return 0;
        }
        let eligible = match self.rules.electorate {
            Electorate::Isr => alive & known.isr,
            Electorate::Anyone => alive,
        };
        match (eligible, known.leader) {
            (0, 0) => 0,
            (0, _) => 1,
            _ => eligible << 1,
        }
    }

    fn may_elect(&self, state: &State, partition: u8) -> bool {
        let reserve = if self.holds_reserve(state) { LEADER_EPOCHS_RESERVED } else { 0 };
        let PartitionState { epoch, version, .. } = state.partitions[usize::from(partition)].unpack();
        epoch + reserve < self.bounds.leader_epochs && version < VERSIONS_MAX
    }

    fn holds_reserve(&self, state: &State) -> bool {
        self.bounds.stabilises() && state.stabilised == 0
    }

    fn may_shrink(&self, state: &State, broker: u8, partition: u8, dropped: u8) -> bool {
        let role = state.brokers[usize::from(broker)].role[usize::from(partition)].unpack();
        let tree = state.partitions[usize::from(partition)].unpack();
        // An election and a shrink each make one version, so the difference counts the shrinks.
        let shrinks = tree.version.saturating_sub(tree.epoch);
        role.leader == broker + 1
            && dropped != broker
            && role.isr >> dropped & 1 != 0
            && shrinks < self.bounds.shrinks
            && tree.version < VERSIONS_MAX
            && state.stabilised == 0
            && (tree.version == role.version || self.rules.isr_write == PartitionWrite::Unconditional)
    }

    fn sends(&self, state: &State, broker: u8, actions: &mut Vec<Action>) {
        let me = &state.brokers[usize::from(broker)];
        let in_flight = state.requests.iter().filter(|request| **request != Request::NONE).count();
        if me.owed == 0 || in_flight >= usize::from(self.bounds.messages) {
            return;
        }
        for to in (0..self.bounds.brokers).filter(|to| state.brokers[usize::from(*to)].link != Link::DOWN) {
            // What one broker is owed, it gets in the order of the partitions, as if it were one batch.
            let next = (0..self.bounds.partitions).find(|partition| me.owed & owed_bit(*partition, to) != 0);
            actions.extend(next.map(|partition| Action::Send { broker, partition, to }));
        }
    }

    /// A former session of this broker still has nodes.
    fn has_former(&self, state: &State, broker: u8) -> bool {
        let former = Ephemeral::of(broker, Tie::Former);
        state.controller == former || state.ids[usize::from(broker)] == former
    }

    /// The state after `action`.
    pub(super) fn step(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        match action {
            Action::Race { broker, answered } => self.race(&mut state, broker, answered),
            Action::Increment { broker } => increment(&mut state, broker),
            Action::Watch { broker } => {
                let taken = state.controller.exists();
                state.brokers[usize::from(broker)].phase =
                    if taken { Phase::WATCHING } else { Phase::STANDBY };
            }
            Action::Wake { broker } => state.brokers[usize::from(broker)].phase = Phase::STANDBY,
            Action::Register { broker } => self.register(&mut state, broker),
            Action::Learn { broker } => self.learn(&mut state, broker),
            Action::Restore { broker } => self.restore(&mut state, broker),
            Action::Refresh { broker } => self.refresh(&mut state, broker),
            Action::Adopt { broker } => state.brokers[usize::from(broker)].epoch = state.epoch,
            Action::Elect { broker, partition, leader } => self.elect(&mut state, broker, partition, leader),
            Action::Send { broker, partition, to } => send(&mut state, broker, partition, to),
            Action::Deliver { slot, broker } => self.deliver(&mut state, slot, broker),
            Action::Shrink { broker, partition, dropped } => shrink(&mut state, broker, partition, dropped),
            Action::Connect { broker } => connect(&mut state, broker),
            Action::Disconnect { broker } => {
                state.faults += 1;
                disconnect(&mut state, broker);
            }
            Action::Pause { broker } => {
                state.faults += 1;
                state.brokers[usize::from(broker)].link = Link::PAUSED;
            }
            Action::Resume { broker } => state.brokers[usize::from(broker)].link = Link::UP,
            Action::Crash { broker } => crash(&mut state, broker),
            Action::Expire { broker } => {
                disconnect(&mut state, broker);
                state.brokers[usize::from(broker)].link = Link::EXPIRED;
                self.end_session(&mut state, broker, Tie::Present);
            }
            Action::ExpireFormer { broker } => self.end_session(&mut state, broker, Tie::Former),
            Action::Stabilise => state.stabilised = 1,
        }
        (state != *last).then_some(state)
    }

    fn race(&self, state: &mut State, broker: u8, answered: bool) {
        let at = usize::from(broker);
        if state.controller.exists() {
            let mine = match self.rules.node_owner {
                NodeOwner::Session => state.controller.is_of(broker),
                NodeOwner::BrokerId => state.controller.made_by(broker),
            };
            if mine {
                self.take_office(state, broker);
            } else {
                state.brokers[at].phase = Phase::BEATEN;
            }
            return;
        }
        state.controller = Ephemeral::of(broker, Tie::Present);
        state.wins += 1;
        if self.rules.win == Win::OneTransaction {
            state.epoch += 1;
        }
        if answered {
            self.take_office(state, broker);
        } else {
            state.faults += 1;
            disconnect(state, broker);
        }
    }

    fn take_office(&self, state: &mut State, broker: u8) {
        let (epoch, wins) = (state.epoch, state.wins);
        let me = &mut state.brokers[usize::from(broker)];
        me.reign = wins;
        if self.rules.win == Win::OneTransaction {
            me.epoch = epoch;
            me.phase = Phase::WON;
        } else {
            me.phase = Phase::CREATED;
        }
    }

    fn register(&self, state: &mut State, broker: u8) {
        let at = usize::from(broker);
        state.brokers[at].flags |= REGISTERED;
        // Under flaw D11 a node of the same id is good enough, whatever session owns it.
        if !state.ids[at].exists() {
            state.ids[at] = Ephemeral::of(broker, Tie::Present);
            brokers_changed(state);
        }
    }

    fn learn(&self, state: &mut State, broker: u8) {
        let me = &mut state.brokers[usize::from(broker)];
        me.flags &= !(UNAWARE | REGISTERED);
        if self.rules.on_new_session == OnNewSession::Resigns || !me.phase.believes() {
            me.resign();
        }
    }

    fn restore(&self, state: &mut State, broker: u8) {
        let alive = state.registered();
        let partitions = state.partitions;
        let me = &mut state.brokers[usize::from(broker)];
        me.phase = Phase::ACTIVE;
        me.flags &= !BROKERS_CHANGED;
        me.alive = alive | alive << 4;
        me.cache = partitions;
        self.owe(me, alive);
    }

    /// Reads `/brokers/ids` again.
    fn refresh(&self, state: &mut State, broker: u8) {
        let now = state.registered();
        let me = &mut state.brokers[usize::from(broker)];
        let (before, same) = (me.alive & 7, me.alive >> 4);
        let bounced = match self.rules.bounce {
            Bounce::BrokerEpoch => before & now & !same,
            Bounce::BrokerId => 0,
        };
        if bounced != 0 {
            // A broker that came back has failed first. That it is there is the next event's business.
            me.alive &= !bounced;
            for to in (0..BROKERS_MAX as u8).filter(|to| bounced >> to & 1 != 0) {
                me.owed &= !(owed_bit(0, to) | owed_bit(1, to));
            }
            return;
        }
        me.flags &= !BROKERS_CHANGED;
        me.alive = now | now << 4;
        for to in (0..BROKERS_MAX as u8).filter(|to| now >> to & 1 == 0) {
            me.owed &= !(owed_bit(0, to) | owed_bit(1, to));
        }
        self.owe(me, now & !before);
    }

    /// The controller owes these brokers what it knows of every partition that was ever led.
    fn owe(&self, me: &mut Broker, brokers: u8) {
        for partition in 0..self.bounds.partitions {
            if me.cache[usize::from(partition)].unpack().epoch == 0 {
                continue;
            }
            for to in (0..BROKERS_MAX as u8).filter(|to| brokers >> to & 1 != 0) {
                me.owed |= owed_bit(partition, to);
            }
        }
    }

    fn elect(&self, state: &mut State, broker: u8, partition: u8, leader: u8) {
        let (at, slot) = (usize::from(broker), usize::from(partition));
        let tree = state.partitions[slot].unpack();
        let (epoch, wins) = (state.epoch, state.wins);
        let me = &mut state.brokers[at];
        if self.rules.tree_fence == TreeFence::EpochVersion && me.epoch != epoch {
            // The transaction is refused for the epoch's sake: the controller has been deposed.
            me.resign();
            return;
        }
        let known = me.cache[slot].unpack();
        if self.rules.election_write == PartitionWrite::Conditional && tree.version != known.version {
            me.cache[slot] = state.partitions[slot];
            return;
        }
        let alive = me.alive & 7;
        let elected = PartitionState {
            leader,
            epoch: match self.rules.leader_epoch {
                LeaderEpoch::Bumped => known.epoch + 1,
                LeaderEpoch::Kept => known.epoch.max(1),
            },
            isr: match (leader, known.isr & alive) {
                (0, _) => known.isr,
                (_, isr) => isr | 1 << (leader - 1),
            },
            version: tree.version + 1,
        };
        me.cache[slot] = Partition::pack(elected);
        for to in 0..BROKERS_MAX as u8 {
            if alive >> to & 1 != 0 {
                me.owed |= owed_bit(partition, to);
            }
        }
        if me.reign < wins {
            state.stain |= DEPOSED_ACTED;
        }
        if leader != 0 && tree.isr >> (leader - 1) & 1 == 0 {
            state.stain |= NOT_IN_ISR;
        }
        if elected.epoch < tree.epoch {
            state.stain |= EPOCH_WENT_BACK;
        }
        state.partitions[slot] = Partition::pack(elected);
    }

    fn deliver(&self, state: &mut State, slot: u8, broker: u8) {
        let slot = usize::from(slot);
        let Some(request) = state.requests[slot].unpack() else { return };
        state.requests[slot] = Request::NONE;
        state.requests.sort_unstable();
        let me = &mut state.brokers[usize::from(broker)];
        let (fence, reign) = (me.fence & 15, me.fence >> 4);
        if self.rules.request_fence == RequestFence::ControllerEpoch && request.controller_epoch < fence {
            return;
        }
        me.fence = fence.max(request.controller_epoch) | reign.max(request.reign) << 4;
        let partition = usize::from(request.partition);
        if request.state.epoch <= me.role[partition].unpack().epoch && !self.same_epoch_again(me, &request) {
            return;
        }
        me.role[partition] = Partition::pack(request.state);
        if request.reign < reign {
            state.stain |= DEPOSED_ACTED;
        }
        if request.state.leader == broker + 1 {
            let shift = 2 * request.state.epoch;
            let led = state.led[partition] >> shift & 3;
            if led != 0 && led != u16::from(broker + 1) {
                state.stain |= TWO_LEADERS;
            }
            state.led[partition] = state.led[partition] & !(3 << shift) | u16::from(broker + 1) << shift;
        }
    }

    /// Where elections leave the epoch as it is, a broker can go by the version alone.
    fn same_epoch_again(&self, me: &Broker, request: &RequestState) -> bool {
        let known = me.role[usize::from(request.partition)].unpack();
        self.rules.leader_epoch == LeaderEpoch::Kept
            && request.state.epoch == known.epoch
            && request.state.version > known.version
    }

    /// The service ends a session of `broker`: the present one, or what is left of former ones.
    fn end_session(&self, state: &mut State, broker: u8, tie: Tie) {
        let node = Ephemeral::of(broker, tie);
        if self.rules.expiry == Expiry::LeavesNodes {
            let orphan = Ephemeral::of(broker, Tie::Orphan);
            if state.controller == node {
                state.controller = orphan;
            }
            if state.ids[usize::from(broker)] == node {
                state.ids[usize::from(broker)] = orphan;
            }
            return;
        }
        if state.controller == node {
            state.controller = Ephemeral::ABSENT;
            for other in &mut state.brokers {
                if other.phase == Phase::WATCHING && other.link.open() && !other.is(UNAWARE) {
                    other.phase = Phase::WOKEN;
                }
            }
        }
        if state.ids[usize::from(broker)] == node {
            state.ids[usize::from(broker)] = Ephemeral::ABSENT;
            for controller in &mut state.brokers {
                controller.alive &= !(1 << (broker + 4));
            }
            brokers_changed(state);
        }
    }
}

/// The bit of [`Broker::owed`] for a request about `partition` to broker `to`.
pub(super) fn owed_bit(partition: u8, to: u8) -> u8 {
    1 << (usize::from(partition) * BROKERS_MAX + usize::from(to))
}

fn increment(state: &mut State, broker: u8) {
    state.epoch += 1;
    let epoch = state.epoch;
    let me = &mut state.brokers[usize::from(broker)];
    me.epoch = epoch;
    me.phase = Phase::WON;
}

fn send(state: &mut State, broker: u8, partition: u8, to: u8) {
    let me = &mut state.brokers[usize::from(broker)];
    me.owed &= !owed_bit(partition, to);
    let request = Request::pack(RequestState {
        to,
        from: broker,
        controller_epoch: me.epoch,
        reign: me.reign,
        partition,
        state: me.cache[usize::from(partition)].unpack(),
    });
    // Slots are sorted with the empty ones first, and sending is enabled only if one is empty.
    state.requests[0] = request;
    state.requests.sort_unstable();
}

fn shrink(state: &mut State, broker: u8, partition: u8, dropped: u8) {
    let slot = usize::from(partition);
    let tree = state.partitions[slot].unpack();
    let role = state.brokers[usize::from(broker)].role[slot].unpack();
    let shrunk = PartitionState { isr: role.isr & !(1 << dropped), version: tree.version + 1, ..role };
    if shrunk.epoch < tree.epoch {
        state.stain |= EPOCH_WENT_BACK;
    }
    state.partitions[slot] = Partition::pack(shrunk);
    state.brokers[usize::from(broker)].role[slot] = Partition::pack(shrunk);
}

fn connect(state: &mut State, broker: u8) {
    let at = usize::from(broker);
    let taken = state.controller.exists();
    let me = &mut state.brokers[at];
    match me.link {
        Link::LOST => {
            // Its watches are registered again, and fire if they have something to tell. Being told once too often
            // is legal, so a controller simply looks again.
            if me.phase == Phase::WATCHING && !taken {
                me.phase = Phase::WOKEN;
            }
            if me.phase == Phase::ACTIVE && !me.is(UNAWARE) {
                me.flags |= BROKERS_CHANGED;
            }
        }
        Link::EXPIRED => me.flags |= UNAWARE,
        _ => *me = Broker::default(),
    }
    me.link = Link::UP;
}

/// The connection is lost, and events in flight with it.
fn disconnect(state: &mut State, broker: u8) {
    let me = &mut state.brokers[usize::from(broker)];
    me.link = Link::LOST;
    me.flags &= !BROKERS_CHANGED;
    if me.phase == Phase::WOKEN {
        me.phase = Phase::WATCHING;
    }
}

/// The process ends. Its session is unattended from now on, and requests to it go nowhere.
fn crash(state: &mut State, broker: u8) {
    state.faults += 1;
    state.age(broker, Tie::Former);
    state.brokers[usize::from(broker)] = Broker { link: Link::DOWN, ..Broker::default() };
    for request in &mut state.requests {
        if request.unpack().is_some_and(|request| request.to == broker) {
            *request = Request::NONE;
        }
    }
    state.requests.sort_unstable();
}

/// `/brokers/ids` changed: controllers that watch it will hear.
fn brokers_changed(state: &mut State) {
    for broker in &mut state.brokers {
        if broker.phase == Phase::ACTIVE && broker.link.open() && !broker.is(UNAWARE) {
            broker.flags |= BROKERS_CHANGED;
        }
    }
}
