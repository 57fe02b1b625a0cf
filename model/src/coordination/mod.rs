//! What both ZooKeeper models share: a client's link to the service, and ephemeral nodes.
//!
//! A **session** is a promise of the service: as long as it hears from the client, the client's ephemeral
//! nodes stay. It is the *service* that ends a session, and the client learns of it only when it next
//! reaches the service. Between the two the client holds beliefs that are no longer true; that window is
//! what both models are about, so a [`Link`] keeps the two views apart:
//!
//! | link | connection | session at the service | what the client knows |
//! |---|---|---|---|
//! | [`Link::UP`] | open | live | live |
//! | [`Link::PAUSED`] | open, but no heartbeats | live | nothing: it takes no step |
//! | [`Link::LOST`] | none | live | that it has lost the connection |
//! | [`Link::EXPIRED`] | none | **over** | that it has lost the connection, no more |
//! | [`Link::DOWN`] | none | unattended, will expire | nothing: the process is gone |
//!
//! A session number appears nowhere. All that matters of a session is whether it lives and which nodes it
//! owns, so a node remembers whether its owner is the *present* session of its client or a former one that
//! the service has not expired yet ([`Ephemeral`]). That keeps the state spaces finite with any number of
//! lost connections, pauses and expiries.
//!
//! Watches are kept by the service per connection, fire once, and their events travel in the order of the
//! connection (ZooKeeper Programmer's Guide, "Guarantees about watches"). A client therefore has at most one
//! event of a watch in flight, which the models keep as a state of the watcher; the event is a message all the
//! same: it leaves in one step, arrives in another, and is lost with the connection. A client that reconnects
//! within its session hands its watches to the service again (`setWatches`) and is told what it missed.
//!
//! **Not modelled here**: several servers of the service that lag behind each other (`sync`), session moves,
//! access control, quotas, persistent nodes and watches.

use bytemuck::{Pod, Zeroable};

/// A client's link to the service, seen by both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Link(u8);

impl Link {
    /// Connected, and the session lives.
    pub const UP: Self = Self(0);
    /// Connected, but the client is stopped (a long pause): it neither acts nor sends heartbeats.
    pub const PAUSED: Self = Self(1);
    /// The connection is lost, the session still lives.
    pub const LOST: Self = Self(2);
    /// The connection is lost and the service has ended the session, which the client has yet to learn.
    pub const EXPIRED: Self = Self(3);
    /// The process is gone, and with it all that it knew.
    pub const DOWN: Self = Self(4);

    /// Names, in the order of the values.
    pub const NAMES: [&'static str; 5] = ["up", "paused", "lost", "expired", "down"];

    /// The name of this link, for reading.
    pub fn name(self) -> &'static str {
        Self::NAMES[usize::from(self.0)]
    }

    /// The link of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().position(|known| *known == name).map(|at| Self(at as u8))
    }

    /// The client's present session lives at the service.
    pub fn live(self) -> bool {
        self <= Self::LOST
    }

    /// The connection is open: events of watches can travel.
    pub fn open(self) -> bool {
        self <= Self::PAUSED
    }

    /// The client takes steps of its own, whether or not it can reach the service.
    pub fn runs(self) -> bool {
        matches!(self, Self::UP | Self::LOST | Self::EXPIRED)
    }

    /// The value as a number, for signatures.
    pub fn code(self) -> u8 {
        self.0
    }
}

/// An ephemeral node: whose it is, and in which kind of session. Absent by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Ephemeral(u8);

/// Which of its client's sessions owns an [`Ephemeral`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tie {
    /// The present one.
    Present,
    /// A former one that the service has not yet expired: the client has been restarted meanwhile.
    Former,
    /// None: the service has ended the session and left the node. Only a broken service does that.
    Orphan,
}

impl Tie {
    /// Names, in the order of the variants.
    pub const NAMES: [&'static str; 3] = ["present", "former", "orphan"];

    /// The name of this tie, for reading.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The tie of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Present, Self::Former, Self::Orphan].into_iter().find(|tie| tie.name() == name)
    }
}

impl Ephemeral {
    /// No node.
    pub const ABSENT: Self = Self(0);

    /// A node of the client with index `client`.
    pub fn of(client: u8, tie: Tie) -> Self {
        Self((client + 1) | ((tie as u8) << 4))
    }

    /// Whether there is a node.
    pub fn exists(self) -> bool {
        self != Self::ABSENT
    }

    /// The index of the client that made it, if there is a node.
    pub fn client(self) -> Option<u8> {
        (self.0 & 0x0f).checked_sub(1)
    }

    /// Which session owns it; meaningless of an absent node.
    pub fn tie(self) -> Tie {
        match self.0 >> 4 {
            0 => Tie::Present,
            1 => Tie::Former,
            _ => Tie::Orphan,
        }
    }

    /// Whether it is the node of that client's present session.
    pub fn is_of(self, client: u8) -> bool {
        self == Self::of(client, Tie::Present)
    }

    /// Whether that client made it, in whatever session.
    pub fn made_by(self, client: u8) -> bool {
        self.client() == Some(client)
    }

    /// The same node after its client's present session became another one.
    #[must_use]
    pub fn aged(self, client: u8, tie: Tie) -> Self {
        if self.is_of(client) { Self::of(client, tie) } else { self }
    }

    /// The same node after the clients were renamed: `place[old] = new`.
    #[must_use]
    pub fn renamed(self, place: &[u8]) -> Self {
        match self.client() {
            Some(client) => Self((place[usize::from(client)] + 1) | (self.0 & 0xf0)),
            None => self,
        }
    }
}
