//! What a state of the election is made of.

use std::hash::{Hash, Hasher};

use bytemuck::{Pod, Zeroable};

use crate::coordination::{Ephemeral, Link, Tie};

use super::{CANDIDATES_MAX, OFFERS_MAX};

/// Where a candidate stands. The table is in the [module's essay](super).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Phase(u8);

impl Phase {
    /// Has no offer that it knows of.
    pub const IDLE: Self = Self(0);
    /// Has an offer, and will read the children.
    pub const OFFERED: Self = Self(1);
    /// Has read the children, and will watch its predecessor.
    pub const LISTED: Self = Self(2);
    /// Has seen that its predecessor exists, and will watch it in a second request (flaw D10 only).
    pub const CHECKED: Self = Self(3);
    /// Watches.
    pub const WAITING: Self = Self(4);
    /// Its watch has fired: the event is in flight.
    pub const WOKEN: Self = Self(5);
    /// Waits, but the service knows nothing of its watch (flaw D17 only).
    pub const DEAF: Self = Self(6);
    /// Believes that it leads.
    pub const LEADING: Self = Self(7);
    /// Has stopped leading, and will delete its offer.
    pub const LEAVING: Self = Self(8);
    /// Has deleted its offer, and still believes that it leads (flaw E35 only).
    pub const STEPPING: Self = Self(9);

    /// Names, in the order of the values.
    pub const NAMES: [&'static str; 10] = [
        "idle", "offered", "listed", "checked", "waiting", "woken", "deaf", "leading", "leaving", "stepping",
    ];

    /// The name of this phase, for reading.
    pub fn name(self) -> &'static str {
        Self::NAMES[usize::from(self.0)]
    }

    /// The phase of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().position(|known| *known == name).map(|at| Self(at as u8))
    }

    /// Whether a candidate in this phase acts as a leader.
    pub fn believes(self) -> bool {
        matches!(self, Self::LEADING | Self::STEPPING)
    }
}

/// The value of [`Client::target`] that stands for the parent of all offers.
pub(super) const PARENT: u8 = 0xf;

/// A candidate. Offers are numbered from 1 in the order of their creation; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Client {
    /// Its link to the service.
    pub link: Link,
    /// Where it stands.
    pub phase: Phase,
    /// The offer that it takes for its own.
    pub own: u8,
    /// The offer that it means to watch or watches; the parent (15) under flaw D09.
    pub target: u8,
}

/// All of it: 40 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Pod, Zeroable)]
#[repr(C, align(8))]
pub struct State {
    /// The candidates.
    pub clients: [Client; CANDIDATES_MAX],
    /// The offers by creation: what exists of them, and whose they are.
    pub offers: [Ephemeral; OFFERS_MAX],
    /// Their sequence numbers, which are their creation ids too. 0 of an offer not yet created.
    pub numbers: [u8; OFFERS_MAX],
    /// How many offers have been created.
    pub created: u8,
    /// 1 while the service is stopped.
    pub outage: u8,
    /// Session storms so far.
    pub storms: u8,
    /// The largest creation id that the resource was shown.
    pub token: u8,
    /// Ghost: the newest offer whose leader the resource accepted.
    pub latest: u8,
    /// Ghost: the steps that broke a rule, as bits.
    pub stain: u8,
    /// 1 once faults have stopped.
    pub stabilised: u8,
    /// Always 0.
    pub padding: u8,
}

/// Bit of [`State::stain`]: the resource accepted an older leader after a newer.
pub(super) const STALE_WRITE: u8 = 1;
/// Bit of [`State::stain`]: a deletion woke more than one candidate.
pub(super) const HERD: u8 = 2;
/// Bit of [`State::stain`]: a sequence number was given twice.
pub(super) const REUSED: u8 = 4;

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        for word in bytemuck::cast::<Self, [u64; 5]>(*self) {
            hasher.write_u64(word);
        }
    }
}

impl State {
    /// Every candidate connected, with a session and no offer; the service up.
    pub(super) fn initial(candidates: u8) -> Self {
        let mut state = Self::zeroed();
        for client in &mut state.clients[usize::from(candidates)..] {
            client.link = Link::DOWN;
        }
        state
    }

    /// Whether offer `offer` (from 1) exists.
    pub fn exists(&self, offer: u8) -> bool {
        offer != 0 && offer <= self.created && self.offers[usize::from(offer) - 1].exists()
    }

    /// The sequence number of offer `offer` (from 1); 0 of none.
    pub fn number(&self, offer: u8) -> u8 {
        if offer == 0 { 0 } else { self.numbers[usize::from(offer) - 1] }
    }

    /// The offers that exist, from 1, in the order of creation.
    pub fn children(&self) -> impl Iterator<Item = u8> + '_ {
        (1..=self.created).filter(|offer| self.exists(*offer))
    }

    /// The representative of the states that differ only by the candidates' names.
    ///
    /// Nobody else names a candidate but the offers. So a candidate's signature is all that is known of it,
    /// its offers included; equal signatures mean that neither has an offer, and swapping them changes nothing.
    pub(super) fn canonical(&self, candidates: u8) -> Self {
        let candidates = usize::from(candidates);
        let mut order = [(0u64, 0u8); CANDIDATES_MAX];
        for (client, entry) in order.iter_mut().enumerate().take(candidates) {
            *entry = (self.signature(client), client as u8);
        }
        order[..candidates].sort_unstable();
        let mut place = [0u8, 1, 2, 3];
        let mut state = *self;
        for (new, (_, old)) in order[..candidates].iter().enumerate() {
            place[usize::from(*old)] = new as u8;
            state.clients[new] = self.clients[usize::from(*old)];
        }
        for offer in &mut state.offers {
            *offer = offer.renamed(&place);
        }
        state
    }

    fn signature(&self, client: usize) -> u64 {
        let mut ties = 0u64;
        for offer in &self.offers {
            let tie = if offer.made_by(client as u8) { 1 + offer.tie() as u64 } else { 0 };
            ties = ties << 2 | tie;
        }
        let own: [u8; 4] = bytemuck::cast(self.clients[client]);
        ties << 32 | u64::from(u32::from_le_bytes(own))
    }

    /// Marks every present node of `client` as one of a session that is `tie` from now on.
    pub(super) fn age(&mut self, client: u8, tie: Tie) {
        for offer in &mut self.offers {
            *offer = offer.aged(client, tie);
        }
    }
}
