//! What a state of the controller model is made of.

use std::hash::{Hash, Hasher};

use bytemuck::{Pod, Zeroable};

use crate::coordination::{Ephemeral, Link, Tie};
use crate::orders::{Order, orders};

use super::{BROKERS_MAX, PARTITIONS_MAX, REQUESTS_MAX};

/// Where a broker stands in the race for `/controller`. The table is in the [module's essay](super).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Phase(u8);

impl Phase {
    /// Will try to create `/controller`.
    pub const STANDBY: Self = Self(0);
    /// Has created `/controller`, and will increment `/controller_epoch` (flaw E36 only).
    pub const CREATED: Self = Self(1);
    /// Has found `/controller` taken, and will watch it.
    pub const BEATEN: Self = Self(2);
    /// Watches `/controller`.
    pub const WATCHING: Self = Self(3);
    /// `/controller` has gone: the event is in flight.
    pub const WOKEN: Self = Self(4);
    /// Has won, and will read all state from the tree.
    pub const WON: Self = Self(5);
    /// Acts as the controller.
    pub const ACTIVE: Self = Self(6);

    /// Names, in the order of the values.
    pub const NAMES: [&'static str; 7] =
        ["standby", "created", "beaten", "watching", "woken", "won", "active"];

    /// The name of this phase, for reading.
    pub fn name(self) -> &'static str {
        Self::NAMES[usize::from(self.0)]
    }

    /// The phase of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().position(|known| *known == name).map(|at| Self(at as u8))
    }

    /// Whether a broker in this phase believes that it is the controller.
    pub fn believes(self) -> bool {
        matches!(self, Self::WON | Self::ACTIVE)
    }
}

/// A partition's state: leader, leader epoch, ISR, and the version of the node that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Partition(u16);

/// [`Partition`], taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartitionState {
    /// The leader, from 1; 0 of none.
    pub leader: u8,
    /// The leader epoch; 0 before the first election.
    pub epoch: u8,
    /// The ISR, a bit a broker.
    pub isr: u8,
    /// The version of the node.
    pub version: u8,
}

impl Partition {
    /// Packed.
    pub fn pack(state: PartitionState) -> Self {
        let PartitionState { leader, epoch, isr, version } = state;
        Self(u16::from(leader) | u16::from(epoch) << 2 | u16::from(isr) << 5 | u16::from(version) << 8)
    }

    /// Taken apart.
    pub fn unpack(self) -> PartitionState {
        PartitionState {
            leader: (self.0 & 3) as u8,
            epoch: (self.0 >> 2 & 7) as u8,
            isr: (self.0 >> 5 & 7) as u8,
            version: (self.0 >> 8 & 15) as u8,
        }
    }

    fn renamed(self, naming: &Naming) -> Self {
        let mut state = self.unpack();
        state.leader = naming.number(state.leader);
        state.isr = naming.mask(state.isr);
        Self::pack(state)
    }
}

/// A request of a controller to a broker, with the state of one partition (LeaderAndIsr). 0 is an empty slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Request(u32);

/// [`Request`], taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestState {
    /// The broker that it is for, from 0.
    pub to: u8,
    /// The broker that sent it, from 0.
    pub from: u8,
    /// The controller epoch that it bears.
    pub controller_epoch: u8,
    /// Ghost: which win of `/controller` its sender acts by.
    pub reign: u8,
    /// The partition.
    pub partition: u8,
    /// Its state.
    pub state: PartitionState,
}

impl Request {
    /// An empty slot.
    pub const NONE: Self = Self(0);

    /// Packed.
    pub fn pack(request: RequestState) -> Self {
        let RequestState { to, from, controller_epoch, reign, partition, state } = request;
        Self(
            u32::from(to + 1)
                | u32::from(from) << 2
                | u32::from(controller_epoch) << 4
                | u32::from(reign) << 7
                | u32::from(partition) << 10
                | u32::from(Partition::pack(state).0) << 16,
        )
    }

    /// Taken apart; `None` of an empty slot.
    pub fn unpack(self) -> Option<RequestState> {
        let to = (self.0 as u8 & 3).checked_sub(1)?;
        Some(RequestState {
            to,
            from: (self.0 >> 2 & 3) as u8,
            controller_epoch: (self.0 >> 4 & 7) as u8,
            reign: (self.0 >> 7 & 7) as u8,
            partition: (self.0 >> 10 & 1) as u8,
            state: Partition((self.0 >> 16) as u16).unpack(),
        })
    }

    fn renamed(self, naming: &Naming) -> Self {
        match self.unpack() {
            None => self,
            Some(request) => {
                let naming_of = |broker: u8| naming.number(broker + 1) - 1;
                let renamed = RequestState {
                    to: naming_of(request.to),
                    from: naming_of(request.from),
                    state: Partition::pack(request.state).renamed(naming).unpack(),
                    ..request
                };
                Self::pack(renamed)
            }
        }
    }
}

/// The session was replaced, and the broker's own logic has not heard yet.
pub const UNAWARE: u8 = 1;
/// The broker believes that it is registered.
pub const REGISTERED: u8 = 2;
/// The event of the watch on `/brokers/ids` is on its way to this controller.
pub const BROKERS_CHANGED: u8 = 4;

/// A broker, which is also a candidate for controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Broker {
    /// Its link to the service.
    pub link: Link,
    /// Where it stands in the race.
    pub phase: Phase,
    /// [`UNAWARE`], [`REGISTERED`], [`BROKERS_CHANGED`].
    pub flags: u8,
    /// As controller: the epoch that it acts with.
    pub epoch: u8,
    /// Ghost, as controller: which win of `/controller` it acts by.
    pub reign: u8,
    /// As controller: the brokers that it thinks alive (low half), and those of them whose nodes are still the
    /// ones that it has read (high half): what comparing creation ids would tell it.
    pub alive: u8,
    /// As controller: the requests that it has yet to send, a bit for each partition and broker.
    pub owed: u8,
    /// The largest controller epoch that it has accepted (low half). Ghost: the largest reign (high half).
    pub fence: u8,
    /// As controller: the partitions as it has last read or written them.
    pub cache: [Partition; PARTITIONS_MAX],
    /// The partitions as it was told; it leads those whose leader it is.
    pub role: [Partition; PARTITIONS_MAX],
}

impl Broker {
    /// Whether all bits of `flag` are set.
    pub fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Back to the race, with nothing left of an office held.
    pub(super) fn resign(&mut self) {
        *self = Self {
            phase: Phase::STANDBY,
            flags: self.flags & !BROKERS_CHANGED,
            epoch: 0,
            reign: 0,
            alive: 0,
            owed: 0,
            cache: Default::default(),
            ..*self
        };
    }

    fn renamed(self, naming: &Naming) -> Self {
        let mut owed = 0;
        for partition in 0..PARTITIONS_MAX {
            let shift = partition * BROKERS_MAX;
            owed |= naming.mask(self.owed >> shift & 7) << shift;
        }
        Self {
            alive: naming.mask(self.alive & 7) | naming.mask(self.alive >> 4 & 7) << 4,
            owed,
            cache: self.cache.map(|partition| partition.renamed(naming)),
            role: self.role.map(|partition| partition.renamed(naming)),
            ..self
        }
    }
}

/// Bit of [`State::stain`]: a deposed controller had an effect after its successor had one at the same place.
pub(super) const DEPOSED_ACTED: u8 = 1;
/// Bit of [`State::stain`]: two brokers led a partition in one leader epoch.
pub(super) const TWO_LEADERS: u8 = 2;
/// Bit of [`State::stain`]: a leader was elected that was not in the ISR.
pub(super) const NOT_IN_ISR: u8 = 4;
/// Bit of [`State::stain`]: a partition's leader epoch went back.
pub(super) const EPOCH_WENT_BACK: u8 = 8;

/// All of it: 80 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Pod, Zeroable)]
#[repr(C, align(8))]
pub struct State {
    /// The brokers.
    pub brokers: [Broker; BROKERS_MAX],
    /// The requests in flight, sorted, empty slots first.
    pub requests: [Request; REQUESTS_MAX],
    /// The partitions' states in the tree.
    pub partitions: [Partition; PARTITIONS_MAX],
    /// Ghost: who was accepted as leader of each leader epoch, two bits an epoch.
    pub led: [u16; PARTITIONS_MAX],
    /// `/controller`.
    pub controller: Ephemeral,
    /// `/brokers/ids/N`.
    pub ids: [Ephemeral; BROKERS_MAX],
    /// `/controller_epoch`; its version is the same number.
    pub epoch: u8,
    /// Ghost: how often `/controller` was won.
    pub wins: u8,
    /// Faults so far.
    pub faults: u8,
    /// Ghost: the steps that broke a rule, as bits.
    pub stain: u8,
    /// 1 once faults have stopped.
    pub stabilised: u8,
    /// Always 0.
    pub padding: [u8; 3],
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        for word in bytemuck::cast::<Self, [u64; 10]>(*self) {
            hasher.write_u64(word);
        }
    }
}

impl State {
    /// Every broker registered and in the race; new partitions, every broker in their ISR, with no leader yet.
    pub(super) fn initial(brokers: u8, partitions: u8) -> Self {
        let mut state = Self::zeroed();
        for broker in 0..BROKERS_MAX {
            if broker < usize::from(brokers) {
                state.brokers[broker].flags = REGISTERED;
                state.ids[broker] = Ephemeral::of(broker as u8, Tie::Present);
            } else {
                state.brokers[broker].link = Link::DOWN;
            }
        }
        let isr = (1u8 << brokers) - 1;
        for partition in &mut state.partitions[..usize::from(partitions)] {
            *partition = Partition::pack(PartitionState { isr, ..PartitionState::default() });
        }
        state
    }

    /// The brokers whose nodes exist, a bit each.
    pub fn registered(&self) -> u8 {
        let bit = |(broker, node): (usize, &Ephemeral)| u8::from(node.exists()) << broker;
        self.ids.iter().enumerate().map(bit).sum()
    }

    /// Marks the nodes of `broker`'s present session as those of a session that is `tie` from now on.
    pub(super) fn age(&mut self, broker: u8, tie: Tie) {
        self.controller = self.controller.aged(broker, tie);
        let node = &mut self.ids[usize::from(broker)];
        *node = node.aged(broker, tie);
    }

    /// The representative of the states that differ only by the brokers' names.
    ///
    /// Brokers are sorted by a signature that names no broker. Among brokers with equal signatures every order
    /// is tried, and the least state wins.
    pub(super) fn canonical(&self, brokers: u8) -> Self {
        let brokers = usize::from(brokers);
        let mut signature = [0; BROKERS_MAX];
        for (broker, slot) in signature.iter_mut().enumerate().take(brokers) {
            *slot = self.signature(broker);
        }
        let mut best: Option<(Self, [u64; 10])> = None;
        for order in orders(brokers) {
            let sorted = order[..brokers]
                .windows(2)
                .all(|pair| signature[usize::from(pair[0])] <= signature[usize::from(pair[1])]);
            if !sorted {
                continue;
            }
            let state = self.renamed(&Naming::new(order));
            let words = bytemuck::cast(state);
            if best.as_ref().is_none_or(|(_, least)| words < *least) {
                best = Some((state, words));
            }
        }
        best.map_or(*self, |(state, _)| state)
    }

    /// The same state under every other naming of three brokers.
    #[cfg(test)]
    pub(super) fn every_renaming(&self) -> impl Iterator<Item = Self> + '_ {
        orders(BROKERS_MAX).iter().map(|order| self.renamed(&Naming::new(order)))
    }

    fn signature(&self, at: usize) -> u64 {
        let broker = &self.brokers[at];
        let mut signature = 0u64;
        let mut push = |value: u8, bits: u32| signature = signature << bits | u64::from(value);
        push(broker.link.code(), 3);
        push(broker.phase.code(), 3);
        push(broker.flags, 3);
        push(broker.epoch, 3);
        push(broker.fence, 8);
        let tie = |node: Ephemeral| if node.made_by(at as u8) { 1 + node.tie() as u8 } else { 0 };
        push(tie(self.controller), 2);
        push(tie(self.ids[at]), 2);
        for partition in 0..PARTITIONS_MAX {
            let (tree, role) = (self.partitions[partition].unpack(), broker.role[partition].unpack());
            push(u8::from(usize::from(tree.leader) == at + 1), 1);
            push(tree.isr >> at & 1, 1);
            push(u8::from(usize::from(role.leader) == at + 1), 1);
            push(role.epoch, 3);
        }
        push(self.brokers.iter().map(|other| other.alive >> at & 1).sum(), 2);
        signature
    }

    fn renamed(&self, naming: &Naming) -> Self {
        let mut state = *self;
        for old in 0..BROKERS_MAX {
            let new = usize::from(naming.place[old]);
            state.brokers[new] = self.brokers[old].renamed(naming);
            state.ids[new] = self.ids[old].renamed(&naming.place);
        }
        state.controller = self.controller.renamed(&naming.place);
        state.partitions = self.partitions.map(|partition| partition.renamed(naming));
        state.requests = self.requests.map(|request| request.renamed(naming));
        state.requests.sort_unstable();
        state.led = self.led.map(|led| {
            (0..8).map(|epoch| u16::from(naming.number((led >> (2 * epoch) & 3) as u8)) << (2 * epoch)).sum()
        });
        state
    }
}

impl Phase {
    fn code(self) -> u8 {
        self.0
    }
}

/// New names for the brokers.
struct Naming {
    /// `place[old] = new`.
    place: [u8; BROKERS_MAX],
}

impl Naming {
    /// Of an order of the brokers: who comes to the first place, to the second, to the third.
    fn new(order: &Order) -> Self {
        let mut place = [0; BROKERS_MAX];
        for (new, old) in order[..BROKERS_MAX].iter().enumerate() {
            place[usize::from(*old)] = new as u8;
        }
        Self { place }
    }

    /// The new number of the broker with number `number`, from 1; 0 is nobody.
    fn number(&self, number: u8) -> u8 {
        if number == 0 { 0 } else { self.place[usize::from(number) - 1] + 1 }
    }

    fn mask(&self, mask: u8) -> u8 {
        (mask & 1) << self.place[0] | (mask >> 1 & 1) << self.place[1] | (mask >> 2 & 1) << self.place[2]
    }
}
