//! The fetch sessions that followers have with a leader (KIP-227), so that a fetch costs as much as changed.
//!
//! # What a session is
//! A follower's first fetch names every partition that it follows from this leader, and is answered at once about each. From then on the leader
//! holds what the follower wants of each partition; later fetches name what differs, and are answered about what there is to say. **What a session
//! holds is what a full fetch would name at that moment**: so all that the protocol of replicas says of fetches holds of a session's, fenced and
//! counted by the cores as ever.
//!
//! # In line, or watched
//! Each partition of a session is in one of two places:
//! - **in line**: it is looked at by the next fetch. That is a fetch of the core, which counts what the follower has.
//! - **watched**: it was looked at, and there was nothing to say of it. Its replica notes who watches it, and puts it in line again
//!   as soon as anything moves: epochs, the log's start or end, the high watermark.
//!
//! While a fetch waits, what is in line is watched too. So a fetch looks at what is in line and at nothing else. What was looked at stays in line as long as there is something to say of it: records
//! for which there was no room, errors, logs that diverge; and as long as the follower is not in the ISR, which each fetch may let it join.
//! A partition that was answered with records goes to the end of the line, so that none starves behind others.
//!
//! | a fetch in the session | is |
//! |---|---|
//! | finds an error, logs that diverge, or bytes enough | answered at once |
//! | finds nothing but high watermarks and log starts that moved | answered with them, but not for their sake: they come with what is next, or at the deadline |
//! | finds less | left waiting; what is put in line meanwhile is looked at, and nothing else |
//!
//! # Silence
//! A partition that is not named counts as fetched with every fetch of its session. It is watched, so that the follower had all of it until
//! something moved: until then the core need not hear of it. Before the log grows, it is told when the session was used last
//! ([`Partition::followed_until`](highwater_core::partition::Partition::followed_until)): who follows is not taken for lagging because a partition was
//! idle for long.
//!
//! # Sessions that are lost
//! The epoch counts the fetches of a session. One that is lost, late or doubled has another epoch than is expected, or another session's id: it is
//! refused, and nothing of it is taken. So is what comes after a restart of the leader. The follower then begins anew, in full, as it does
//! when a fetch is not answered: it cannot know whether the leader has taken it, and the leader not whether it was heard.
//!
//! A follower has one session at most. Only the registered incarnation of a broker gets one: an older one could do nothing with it, and what is no
//! broker shall take no memory. Who gets none fetches in full, and waits as consumers do.
//!
//! # Invariants
//! - A partition of a session is in line or watched by its replica; while a fetch waits, watched in any case.
//! - No two fetches of one session are served at once.
//!
//! # Where it differs from Kafka
//! - Kafka goes through all partitions of a session with each fetch, and so does its follower; here neither does.
//! - A full fetch that begins a session is answered at once, though there is nothing to say.
//! - What a follower names is answered about, at the latest at the deadline, also where the answer is the last one.
//! - Sessions are not limited in number: there are as many as brokers. They end with their brokers' registrations.
//! - A partition that this leader's metadata do not know is answered about and not held.

use std::collections::BTreeMap;

use highwater_core::partition::{PartitionFetch, PartitionFetched};
use highwater_core::{Instant, NodeId, Offset, Token};

use crate::message::{FetchSession, FetchSessionError, ReplicaFetch, ReplicaFetchPartition, TopicPartition};
use crate::ports::Ports;
use crate::timers::Timer;

/// What a follower wants of a partition, and what it was told.
#[derive(Debug)]
struct Held {
    fetch: PartitionFetch,
    max_bytes: u32,
    /// High watermark and log start, as it was told last since it named the partition.
    said: Option<(Offset, Offset)>,
    /// Its place in the line.
    place: Option<u64>,
}

/// A fetch with nothing to answer yet.
///
/// - `bytes` is the sum of `available`, which has an entry for each partition that has any bytes.
#[derive(Debug)]
struct Waiting {
    token: Token,
    armed: Option<Instant>,
    available: BTreeMap<TopicPartition, u64>,
    bytes: u64,
}

/// How much a fetch wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How many bytes are worth an answer.
    pub(crate) min_bytes: u32,
    /// How many at most.
    pub(crate) max_bytes: u32,
}

/// A follower's session.
#[derive(Debug)]
struct Session {
    /// That of the next fetch.
    expected: FetchSession,
    broker_epoch: i64,
    limits: Limits,
    held: BTreeMap<TopicPartition, Held>,
    line: BTreeMap<u64, TopicPartition>,
    next_place: u64,
    /// When it last fetched.
    used: Instant,
    waiting: Option<Waiting>,
}

/// The sessions of a broker.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_follower: BTreeMap<NodeId, Session>,
    by_token: BTreeMap<Token, NodeId>,
    /// What moved while a fetch waits.
    stirred: Vec<(NodeId, TopicPartition)>,
}

/// What is wanted of a partition in line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InLine {
    /// Its place.
    pub(crate) place: u64,
    /// Which.
    pub(crate) partition: TopicPartition,
    /// From where on.
    pub(crate) fetch: PartitionFetch,
    /// How many bytes at most.
    pub(crate) max_bytes: u32,
}

impl Session {
    fn new(expected: FetchSession, broker_epoch: i64, now: Instant) -> Self {
        Self {
            expected,
            broker_epoch,
            limits: Limits { min_bytes: 0, max_bytes: 0 },
            held: BTreeMap::new(),
            line: BTreeMap::new(),
            next_place: 0,
            used: now,
            waiting: None,
        }
    }

    /// Takes what a fetch names; all of that is looked at.
    fn take(&mut self, fetch: &ReplicaFetch) {
        for ReplicaFetchPartition { partition, fetch, max_bytes, .. } in &fetch.partitions {
            let wanted = Held { fetch: *fetch, max_bytes: *max_bytes, said: None, place: None };
            match self.held.get_mut(partition) {
                Some(held) => *held = Held { place: held.place, ..wanted },
                None => {
                    self.held.insert(*partition, wanted);
                }
            }
            self.put_in_line(*partition);
        }
        for partition in &fetch.forgotten {
            self.forget(*partition);
        }
        self.limits = Limits { min_bytes: fetch.min_bytes, max_bytes: fetch.max_bytes };
    }

    fn forget(&mut self, partition: TopicPartition) {
        if let Some(place) = self.held.remove(&partition).and_then(|held| held.place) {
            self.line.remove(&place);
        }
    }

    /// Puts a partition that is held at the end of the line, if it is not in it.
    fn put_in_line(&mut self, partition: TopicPartition) {
        if let Some(held) = self.held.get_mut(&partition)
            && held.place.is_none()
        {
            held.place = Some(self.next_place);
            self.line.insert(self.next_place, partition);
            self.next_place += 1;
        }
    }

    fn take_out_of_line(&mut self, partition: TopicPartition) {
        if let Some(place) = self.held.get_mut(&partition).and_then(|held| held.place.take()) {
            self.line.remove(&place);
        }
    }
}

impl Waiting {
    /// Notes how many bytes there are of a partition; how many there are in all.
    fn note(&mut self, partition: TopicPartition, bytes: u64) -> u64 {
        let before = match bytes {
            0 => self.available.remove(&partition),
            _ => self.available.insert(partition, bytes),
        };
        self.bytes = self.bytes.saturating_sub(before.unwrap_or(0)).saturating_add(bytes);
        self.bytes
    }
}

impl Sessions {
    // ---- a session's life ----

    /// Begins a session with all that a fetch names. A fetch that waits in the one before is given back: it is to be refused.
    pub(crate) fn begin(
        &mut self,
        follower: NodeId,
        fetch: &ReplicaFetch,
        id: i32,
        ports: &mut Ports,
    ) -> Option<Token> {
        let waited = self.end(follower, ports);
        let mut session = Session::new(FetchSession::begun(id), fetch.broker_epoch, ports.now);
        session.take(fetch);
        self.by_follower.insert(follower, session);
        waited
    }

    /// Goes on in a session with what a fetch names.
    ///
    /// # Errors
    /// If the follower has no such session, or it expects another epoch. Nothing is taken.
    pub(crate) fn go_on(
        &mut self,
        follower: NodeId,
        fetch: &ReplicaFetch,
        now: Instant,
    ) -> Result<(), FetchSessionError> {
        let session = self.by_follower.get_mut(&follower);
        let session = session
            .filter(|session| {
                session.expected.id == fetch.session.id && session.broker_epoch == fetch.broker_epoch
            })
            .ok_or(FetchSessionError::NotFound)?;
        if session.expected != fetch.session || session.waiting.is_some() {
            return Err(FetchSessionError::InvalidEpoch);
        }
        session.expected = session.expected.next();
        session.used = session.used.max(now);
        session.take(fetch);
        Ok(())
    }

    /// Ends a follower's session, if it has one. A fetch that waits in it is given back: it is to be refused.
    pub(crate) fn end(&mut self, follower: NodeId, ports: &mut Ports) -> Option<Token> {
        let waited = self.stop_waiting(follower, ports);
        self.by_follower.remove(&follower);
        waited
    }

    /// Ends a session, if it is this one.
    pub(crate) fn end_this(&mut self, follower: NodeId, id: i32, ports: &mut Ports) -> Option<Token> {
        if self.id(follower)? == id { self.end(follower, ports) } else { None }
    }

    /// Who has a session.
    pub(crate) fn followers(&self) -> impl Iterator<Item = NodeId> {
        self.by_follower.keys().copied()
    }

    /// The id of a follower's session.
    pub(crate) fn id(&self, follower: NodeId) -> Option<i32> {
        self.by_follower.get(&follower).map(|session| session.expected.id)
    }

    /// In which broker epoch a follower fetches, and how much at once.
    pub(crate) fn terms(&self, follower: NodeId) -> Option<(i64, Limits)> {
        self.by_follower.get(&follower).map(|session| (session.broker_epoch, session.limits))
    }

    /// When a follower last fetched in its session.
    pub(crate) fn used(&self, follower: NodeId) -> Option<Instant> {
        self.by_follower.get(&follower).map(|session| session.used)
    }

    // ---- the line ----

    /// Something of a partition moved that the follower watches.
    pub(crate) fn stir(&mut self, follower: NodeId, partition: TopicPartition) {
        if let Some(session) = self.by_follower.get_mut(&follower) {
            session.put_in_line(partition);
            if session.waiting.is_some() {
                self.stirred.push((follower, partition));
            }
        }
    }

    /// A partition that moved while a fetch waits.
    pub(crate) fn next_stirred(&mut self) -> Option<(NodeId, TopicPartition)> {
        self.stirred.pop()
    }

    /// The next partition in line behind this place.
    pub(crate) fn next_in_line(&self, follower: NodeId, behind: Option<u64>) -> Option<InLine> {
        let session = self.by_follower.get(&follower)?;
        let from = behind.map_or(0, |place| place + 1);
        let (place, partition) = session.line.range(from..).next()?;
        let held = session.held.get(partition)?;
        Some(InLine { place: *place, partition: *partition, fetch: held.fetch, max_bytes: held.max_bytes })
    }

    /// What is wanted of a partition.
    pub(crate) fn wanted(&self, follower: NodeId, partition: TopicPartition) -> Option<PartitionFetch> {
        self.by_follower.get(&follower)?.held.get(&partition).map(|held| held.fetch)
    }

    /// Whether an answer without records is worth saying: it was not said yet.
    pub(crate) fn is_news(
        &self,
        follower: NodeId,
        partition: TopicPartition,
        answer: &PartitionFetched,
    ) -> bool {
        let held = self.by_follower.get(&follower).and_then(|session| session.held.get(&partition));
        held.is_some_and(|held| held.said != Some((answer.high_watermark, answer.log_start)))
    }

    /// A partition is answered about.
    pub(crate) fn said(&mut self, follower: NodeId, partition: TopicPartition, answer: &PartitionFetched) {
        let session = self.by_follower.get_mut(&follower);
        if let Some(held) = session.and_then(|session| session.held.get_mut(&partition)) {
            held.said = Some((answer.high_watermark, answer.log_start));
        }
    }

    /// A partition was answered with records: others come first now.
    pub(crate) fn put_last(&mut self, follower: NodeId, partition: TopicPartition) {
        if let Some(session) = self.by_follower.get_mut(&follower) {
            session.take_out_of_line(partition);
            session.put_in_line(partition);
        }
    }

    /// There is nothing to say of a partition until its replica, which the follower now watches, stirs it.
    pub(crate) fn leave_line(&mut self, follower: NodeId, partition: TopicPartition) {
        if let Some(session) = self.by_follower.get_mut(&follower) {
            session.take_out_of_line(partition);
        }
    }

    /// A partition is not held any more.
    pub(crate) fn forget(&mut self, follower: NodeId, partition: TopicPartition) {
        if let Some(session) = self.by_follower.get_mut(&follower) {
            session.forget(partition);
        }
    }

    // ---- fetches that wait ----

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.by_token.len()
    }

    /// Whose fetch waits under this token.
    pub(crate) fn waits_under(&self, token: Token) -> Option<NodeId> {
        self.by_token.get(&token).copied()
    }

    /// Lets a follower's fetch wait until `deadline` at the latest. `available` says what there is already.
    pub(crate) fn wait(
        &mut self,
        follower: NodeId,
        token: Token,
        available: BTreeMap<TopicPartition, u64>,
        deadline: Instant,
        ports: &mut Ports,
    ) {
        let Some(session) = self.by_follower.get_mut(&follower) else { return };
        let mut armed = None;
        ports.timers.arm(Timer::WaitingFetch(token), &mut armed, Some(deadline));
        let bytes = available.values().sum();
        session.waiting = Some(Waiting { token, armed, available, bytes });
        self.by_token.insert(token, follower);
    }

    /// Notes how many bytes there are of a partition for the fetch that waits, and says whether there are enough in all.
    pub(crate) fn note(&mut self, follower: NodeId, partition: TopicPartition, bytes: u64) -> bool {
        let Some(session) = self.by_follower.get_mut(&follower) else { return false };
        let min_bytes = session.limits.min_bytes.into();
        session.waiting.as_mut().is_some_and(|waiting| waiting.note(partition, bytes) >= min_bytes)
    }

    /// A follower's fetch waits no more.
    pub(crate) fn stop_waiting(&mut self, follower: NodeId, ports: &mut Ports) -> Option<Token> {
        let mut waiting = self.by_follower.get_mut(&follower)?.waiting.take()?;
        ports.timers.arm(Timer::WaitingFetch(waiting.token), &mut waiting.armed, None);
        self.by_token.remove(&waiting.token);
        Some(waiting.token)
    }

    /// The fetches that wait in sessions with this partition.
    pub(crate) fn waiting_for(&self, partition: TopicPartition) -> impl Iterator<Item = Token> {
        let sessions = self.by_follower.values();
        let sessions = sessions.filter(move |session| session.held.contains_key(&partition));
        sessions.filter_map(|session| session.waiting.as_ref().map(|waiting| waiting.token))
    }
}
