//! The packed state: five servers at most, their logs, what is in flight, and the ghosts.

use std::hash::{Hash, Hasher};

use bytemuck::{Pod, Zeroable};

use crate::slots;
use crate::voting::{Ballot, LogEnd};

/// Servers that a state has room for.
pub(crate) const SERVERS_MAX: usize = 5;
/// Messages in flight that a state has room for.
pub(crate) const MESSAGES_MAX: usize = 3;
/// Entries that a log has room for.
pub(crate) const ENTRIES_MAX: u8 = 6;
/// The last term that fits.
pub(crate) const TERMS_MAX: u8 = 7;
/// Client records that fit.
pub(crate) const RECORDS_MAX: u8 = 3;

/// A state of the whole cluster.
///
/// Invariants of a reachable state, whatever rules are off:
/// - servers from `nodes` on are all zero; padding is zero;
/// - `messages` is sorted, largest first, without repetition, so that zero slots come last;
/// - `progress` of a follower is zero (`nextIndex` and `matchIndex` exist only while leading).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, align(8))]
pub struct State {
    /// The logs.
    pub(crate) logs: [Log; SERVERS_MAX],
    /// A candidate's votes or a leader's nextIndex and matchIndex: see [`Progress`].
    pub(crate) progress: [Progress; SERVERS_MAX],
    /// What is in flight.
    pub(crate) messages: [Message; MESSAGES_MAX],
    /// Ghost: every entry that was ever committed, in order.
    pub(crate) committed: Log,
    /// Ghost: the term in which each of them was committed, three bits each.
    pub(crate) committed_in: u32,
    /// Durable term and vote.
    pub(crate) ballots: [Ballot; SERVERS_MAX],
    /// Role (bits 0–1), commitIndex (2–4) and the length of the unflushed tail (5–7).
    pub(crate) life: [u8; SERVERS_MAX],
    /// Ghost: the terms whose election was won, a bit each.
    pub(crate) won: u8,
    /// Ghost: rules that some step broke; see [`stain`].
    pub(crate) stain: u8,
    /// Client records appended so far, by any leader.
    pub(crate) produced: u8,
    /// Bit 7: stabilised; bits 0–4: the servers whose timer fired in this round.
    pub(crate) calm: u8,
    pub(crate) padding: u8,
}

/// Bits of [`State::stain`].
pub(crate) mod stain {
    /// A term was won twice.
    pub(crate) const TERM_WON_TWICE: u8 = 1;
    /// A leader overwrote or deleted entries of its own log.
    pub(crate) const LEADER_REWROTE: u8 = 2;
    /// A server's commitIndex went back while it was up.
    pub(crate) const COMMIT_WENT_BACK: u8 = 4;
}

/// Bit of [`State::calm`] that is set once the network is stable.
pub(crate) const STABILISED: u8 = 0x80;

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let words: [u64; std::mem::size_of::<State>() / 8] = bytemuck::cast(*self);
        for word in words {
            hasher.write_u64(word);
        }
    }
}

/// What a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Answers requests.
    Follower,
    /// Asks for votes.
    Candidate,
    /// Sends entries.
    Leader,
}

impl State {
    pub(crate) fn term(&self, server: usize) -> u8 {
        self.ballots[server].epoch
    }

    pub(crate) fn role(&self, server: usize) -> Role {
        match self.life[server] & 3 {
            0 => Role::Follower,
            1 => Role::Candidate,
            _ => Role::Leader,
        }
    }

    pub(crate) fn set_role(&mut self, server: usize, role: Role) {
        self.life[server] = self.life[server] & !3 | role as u8;
    }

    pub(crate) fn commit(&self, server: usize) -> u8 {
        self.life[server] >> 2 & 7
    }

    pub(crate) fn set_commit(&mut self, server: usize, index: u8) {
        self.life[server] = self.life[server] & !(7 << 2) | index << 2;
    }

    /// Entries at the end of the log that a power loss takes.
    pub(crate) fn unflushed(&self, server: usize) -> u8 {
        self.life[server] >> 5
    }

    pub(crate) fn set_unflushed(&mut self, server: usize, entries: u8) {
        self.life[server] = self.life[server] & 0x1f | entries << 5;
    }

    /// Entries that are on disk.
    pub(crate) fn flushed(&self, server: usize) -> u8 {
        self.logs[server].len() - self.unflushed(server)
    }

    /// The term in which the ghost's entry at `index` was committed.
    pub(crate) fn committed_in(&self, index: u8) -> u8 {
        (self.committed_in >> (3 * (index - 1)) & 7) as u8
    }

    pub(crate) fn is_stable(&self) -> bool {
        self.calm & STABILISED != 0
    }

    /// Messages in flight.
    pub(crate) fn in_flight(&self) -> impl Iterator<Item = Message> + '_ {
        slots::filled(self.messages)
    }

    /// Puts a message in flight; false where `most` are already. One that is in flight already stays one.
    pub(crate) fn post(&mut self, message: Message, most: u8) -> bool {
        if self.messages.contains(&message) {
            return true;
        }
        if self.in_flight().count() >= usize::from(most) {
            return false;
        }
        slots::put(&mut self.messages, message);
        true
    }

    /// Takes a message out of flight.
    pub(crate) fn withdraw(&mut self, message: Message) {
        slots::take(&mut self.messages, message);
    }

    /// Keeps only the messages that `keep` wants.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Self, Message) -> bool) {
        for place in (0..MESSAGES_MAX).rev() {
            let message = self.messages[place];
            if message.0 != 0 && !keep(self, message) {
                self.messages.copy_within(place + 1.., place);
                self.messages[MESSAGES_MAX - 1] = Message(0);
            }
        }
    }
}

/// One log entry: the term in bits 2–4 and the value in bits 0–1 (0 is the no-op). Zero is no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry(pub(crate) u8);

impl Entry {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn new(term: u8, value: u8) -> Self {
        Self(term << 2 | value)
    }

    pub(crate) fn term(self) -> u8 {
        self.0 >> 2
    }

    pub(crate) fn value(self) -> u8 {
        self.0 & 3
    }

    pub(crate) fn is_some(self) -> bool {
        self.0 != 0
    }
}

/// A log of up to [`ENTRIES_MAX`] entries of five bits, index 1 in the lowest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[repr(transparent)]
pub(crate) struct Log(pub(crate) u32);

impl Log {
    pub(crate) fn len(self) -> u8 {
        (32 - self.0.leading_zeros() as u8).div_ceil(5)
    }

    /// The entry at `index`, which counts from 1; no entry beyond the end and at 0.
    pub(crate) fn get(self, index: u8) -> Entry {
        if index == 0 || index > ENTRIES_MAX {
            return Entry::NONE;
        }
        Entry((self.0 >> (5 * (index - 1)) & 31) as u8)
    }

    /// The term at `index`; 0 at index 0 and beyond the end.
    pub(crate) fn term_at(self, index: u8) -> u8 {
        self.get(index).term()
    }

    /// The first `entries` entries.
    pub(crate) fn prefix(self, entries: u8) -> Self {
        Self(self.0 & ((1 << (5 * u32::from(entries.min(ENTRIES_MAX)))) - 1))
    }

    /// With one entry more. Only a broken protocol can fill a log, since its bounds leave room for every
    /// no-op and record; then nothing is appended.
    pub(crate) fn with(self, entry: Entry) -> Self {
        let len = self.len();
        if len == ENTRIES_MAX { self } else { Self(self.0 | u32::from(entry.0) << (5 * len)) }
    }

    pub(crate) fn end(self) -> LogEnd {
        let len = self.len();
        LogEnd { epoch: self.term_at(len), offset: len }
    }
}

/// What a candidate or a leader knows of its peers.
///
/// A candidate: bits 0–4 are its votes, bits 8–12 the peers that it asked since the network is stable.
/// A leader: six bits a peer, nextIndex in the lower three, matchIndex in the upper three.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[repr(transparent)]
pub(crate) struct Progress(pub(crate) u32);

impl Progress {
    pub(crate) fn votes(self) -> u8 {
        (self.0 & 31) as u8
    }

    pub(crate) fn add_vote(&mut self, voter: usize) {
        self.0 |= 1 << voter;
    }

    pub(crate) fn asked(self, peer: usize) -> bool {
        self.0 >> (8 + peer) & 1 != 0
    }

    pub(crate) fn set_asked(&mut self, peer: usize) {
        self.0 |= 1 << (8 + peer);
    }

    pub(crate) fn next(self, peer: usize) -> u8 {
        (self.0 >> (6 * peer) & 7) as u8
    }

    pub(crate) fn matched(self, peer: usize) -> u8 {
        (self.0 >> (6 * peer + 3) & 7) as u8
    }

    pub(crate) fn set(&mut self, peer: usize, next: u8, matched: u8) {
        self.0 = self.0 & !(63 << (6 * peer)) | (u32::from(next) | u32::from(matched) << 3) << (6 * peer);
    }
}

/// A message, packed; zero is none.
///
/// Kind (bits 29–31), from (26–28), to (23–25), term (20–22), `yes` (19), index (16–18), log term (13–15),
/// entry (8–12), commit (0–2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[repr(transparent)]
pub struct Message(pub(crate) u32);

/// The four messages of the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// RequestVote: index and log term are those of the candidate's last entry.
    VoteRequest,
    /// Its answer: `yes` if granted; a refusal tells the voter's term.
    VoteReply,
    /// AppendEntries: index and log term are prevLogIndex and prevLogTerm.
    Append,
    /// Its answer: `yes` with the index up to which the logs match, or a refusal with the index refused.
    AppendReply,
}

/// A message, unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) kind: Kind,
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) term: u8,
    pub(crate) yes: bool,
    pub(crate) index: u8,
    pub(crate) log_term: u8,
    pub(crate) entry: Entry,
    pub(crate) commit: u8,
}

impl Parts {
    pub(crate) fn new(kind: Kind, from: usize, to: usize, term: u8) -> Self {
        Self { kind, from, to, term, yes: false, index: 0, log_term: 0, entry: Entry::NONE, commit: 0 }
    }

    pub(crate) fn pack(self) -> Message {
        Message(
            (self.kind as u32 + 1) << 29
                | (self.from as u32) << 26
                | (self.to as u32) << 23
                | u32::from(self.term) << 20
                | u32::from(self.yes) << 19
                | u32::from(self.index) << 16
                | u32::from(self.log_term) << 13
                | u32::from(self.entry.0) << 8
                | u32::from(self.commit),
        )
    }
}

impl Message {
    pub(crate) fn kind(self) -> Kind {
        match self.0 >> 29 {
            1 => Kind::VoteRequest,
            2 => Kind::VoteReply,
            3 => Kind::Append,
            _ => Kind::AppendReply,
        }
    }

    pub(crate) fn from(self) -> usize {
        (self.0 >> 26 & 7) as usize
    }

    pub(crate) fn to(self) -> usize {
        (self.0 >> 23 & 7) as usize
    }

    pub(crate) fn parts(self) -> Parts {
        let bits = |at: u32, mask: u32| (self.0 >> at & mask) as u8;
        Parts {
            kind: self.kind(),
            from: self.from(),
            to: self.to(),
            term: bits(20, 7),
            yes: bits(19, 1) != 0,
            index: bits(16, 7),
            log_term: bits(13, 7),
            entry: Entry(bits(8, 31)),
            commit: bits(0, 7),
        }
    }

    /// The same message between the servers that `renamed` says.
    pub(crate) fn renamed(self, renamed: &[usize; SERVERS_MAX]) -> Self {
        let ends = (renamed[self.from()] as u32) << 26 | (renamed[self.to()] as u32) << 23;
        Self(self.0 & !(63 << 23) | ends)
    }
}
