//! Fetch sessions (KIP-227): who fetches often says once what it wants, and then only what changed; and hears only what changed.
//!
//! # Invariants
//! - At most so many sessions, and in all of them at most [`PARTITIONS_MAX`] partitions, are kept. Who gets none fetches in full.
//! - A session answers the epoch that it expects, and no other: a request that was lost or came twice is seen.
//! - What was answered with records goes to the end of the line, so that no partition starves behind others.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use highwater_wire::messages::fetch::request::{FetchPartition, FetchTopic, ForgottenTopic};
use highwater_wire::messages::fetch::response::PartitionData;
use highwater_wire::{ErrorCode, Str, Uuid};

/// No session.
pub(super) const NO_SESSION: i32 = 0;
/// The epoch of a request that wants a new session.
const INITIAL_EPOCH: i32 = 0;
/// The epoch of a request that wants none.
const FINAL_EPOCH: i32 = -1;

/// A session that was not used for so long makes room for any other; one that is younger does not.
const STALE_AFTER: Duration = Duration::from_secs(120);

/// How many partitions all sessions together have at most.
pub(super) const PARTITIONS_MAX: usize = 1_000_000;

/// A partition, by what requests call its topic: an id since version 13, a name before.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) name: Str,
    pub(super) topic: Uuid,
    pub(super) partition: i32,
}

/// What is wanted of a partition, and what was said of it last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) leader_epoch: i32,
    pub(super) offset: i64,
    pub(super) last_epoch: i32,
    pub(super) max_bytes: i32,
    said: Said,
}

/// What was said of a partition last: what differs from it is worth an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Said {
    high_watermark: i64,
    log_start: i64,
    error: bool,
}

const NOTHING_SAID: Said = Said { high_watermark: -1, log_start: -1, error: false };

/// A session.
#[derive(Debug)]
struct Session {
    /// The epoch that its next request has.
    epoch: i32,
    uses_ids: bool,
    used: Instant,
    /// In the order of turns.
    turns: BTreeMap<u64, (Key, Wanted)>,
    places: HashMap<Key, u64>,
    next_turn: u64,
}

/// The sessions of a broker.
#[derive(Debug)]
pub(crate) struct Sessions {
    kept: Mutex<Kept>,
    sessions_max: usize,
}

#[derive(Debug, Default)]
struct Kept {
    sessions: HashMap<i32, Arc<Mutex<Session>>>,
    /// Of each, as it was last seen: when it was used, and how many partitions it has.
    sizes: HashMap<i32, (Instant, usize)>,
    partitions: usize,
}

/// How a request is to be answered.
#[derive(Debug)]
pub(super) enum Scope {
    /// About all that it names, and with a new session if there is room.
    Full {
        /// Whether a session is wanted.
        wants_session: bool,
    },
    /// About what changed of this session.
    Incremental(i32),
}

/// What a request wants: of which partitions, in which order.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) scope: Scope,
    pub(super) partitions: Vec<(Key, Wanted)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The epoch after this one: it comes back to 1, since 0 is the first.
fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

/// What a request names, in its order.
fn named(topics: Vec<FetchTopic>) -> impl Iterator<Item = (Key, Wanted)> {
    topics.into_iter().flat_map(|topic| {
        let (name, id) = (topic.topic, topic.topic_id);
        let partitions = topic.partitions.into_iter();
        partitions.map(move |partition| {
            let key = Key { name: name.clone(), topic: id, partition: partition.partition };
            (key, wanted(&partition))
        })
    })
}

fn wanted(partition: &FetchPartition) -> Wanted {
    Wanted {
        leader_epoch: partition.current_leader_epoch,
        offset: partition.fetch_offset,
        last_epoch: partition.last_fetched_epoch,
        max_bytes: partition.partition_max_bytes,
        said: NOTHING_SAID,
    }
}

impl Key {
    /// The same in memory of its own: a session must not keep the frames that its partitions came in.
    fn owned(self) -> Self {
        Self { name: Str::from(&*self.name), ..self }
    }
}

impl Sessions {
    /// Room for so many.
    pub(crate) fn new(sessions_max: usize) -> Self {
        Self { kept: Mutex::default(), sessions_max }
    }

    /// What a request wants.
    ///
    /// # Errors
    /// If it belongs to a session that there is not, or not so.
    pub(super) fn begin(
        &self,
        (id, epoch): (i32, i32),
        uses_ids: bool,
        topics: Vec<FetchTopic>,
        forgotten: Vec<ForgottenTopic>,
        now: Instant,
    ) -> Result<Begun, ErrorCode> {
        if epoch == INITIAL_EPOCH || epoch == FINAL_EPOCH {
            if id != NO_SESSION {
                lock(&self.kept).remove(id);
            }
            let scope = Scope::Full { wants_session: epoch == INITIAL_EPOCH };
            let mut seen = HashSet::new();
            let partitions = named(topics).filter(|(key, _)| seen.insert(key.clone())).collect();
            return Ok(Begun { scope, partitions });
        }
        let mut kept = lock(&self.kept);
        let session = kept.sessions.get(&id).cloned().ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
        let mut session = lock(&session);
        if session.uses_ids != uses_ids {
            kept.remove(id);
            return Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        if session.epoch != epoch {
            return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        let room = PARTITIONS_MAX.saturating_sub(kept.partitions);
        session.update(topics, forgotten, room);
        if session.turns.is_empty() {
            kept.remove(id);
            return Ok(Begun { scope: Scope::Full { wants_session: false }, partitions: Vec::new() });
        }
        session.epoch = next_epoch(session.epoch);
        session.used = now;
        kept.note(id, now, session.turns.len());
        Ok(Begun { scope: Scope::Incremental(id), partitions: session.turns.values().cloned().collect() })
    }

    /// Opens a session for a request that was answered in full, if there is room: its id, or none.
    pub(super) fn open(
        &self,
        uses_ids: bool,
        partitions: impl ExactSizeIterator<Item = (Key, Wanted)>,
        now: Instant,
    ) -> i32 {
        let size = partitions.len();
        let mut kept = lock(&self.kept);
        if size == 0 || !kept.make_room(size, self.sessions_max, now) {
            return NO_SESSION;
        }
        let id = kept.unused_id();
        let mut session = Session {
            epoch: next_epoch(INITIAL_EPOCH),
            uses_ids,
            used: now,
            turns: BTreeMap::new(),
            places: HashMap::new(),
            next_turn: 0,
        };
        for (key, wanted) in partitions {
            session.put(key.owned(), wanted);
        }
        let size = session.turns.len();
        kept.sessions.insert(id, Arc::new(Mutex::new(session)));
        kept.note(id, now, size);
        id
    }

    /// Notes what is answered about the partitions of a session. Those that it need not hear of are left out.
    pub(super) fn filter(&self, id: i32, answers: &mut Vec<(Key, PartitionData)>) {
        let Some(session) = lock(&self.kept).sessions.get(&id).cloned() else { return };
        let mut session = lock(&session);
        answers.retain(|(key, answer)| session.note(key, answer));
    }

    /// How many there are, and of how many partitions all of them.
    #[cfg(test)]
    fn count(&self) -> (usize, usize) {
        let kept = lock(&self.kept);
        (kept.sessions.len(), kept.partitions)
    }
}

impl Wanted {
    /// With what is said of the partition.
    pub(super) fn told(mut self, answer: &PartitionData) -> Self {
        self.said = said(answer);
        self
    }
}

fn said(answer: &PartitionData) -> Said {
    Said {
        high_watermark: answer.high_watermark,
        log_start: answer.log_start_offset,
        error: answer.error_code != 0,
    }
}

impl Session {
    fn put(&mut self, key: Key, wanted: Wanted) {
        if let Some(turn) = self.places.get(&key) {
            if let Some((_, old)) = self.turns.get_mut(turn) {
                *old = Wanted { said: old.said, ..wanted };
            }
            return;
        }
        self.places.insert(key.clone(), self.next_turn);
        self.turns.insert(self.next_turn, (key, wanted));
        self.next_turn += 1;
    }

    /// Takes what changed. What there is no room for is not taken, and so not answered.
    fn update(&mut self, topics: Vec<FetchTopic>, forgotten: Vec<ForgottenTopic>, room: usize) {
        let size_max = self.turns.len() + room;
        for (key, wanted) in named(topics) {
            if self.turns.len() < size_max || self.places.contains_key(&key) {
                self.put(key.owned(), wanted);
            }
        }
        for topic in forgotten {
            for partition in topic.partitions {
                let key = Key { name: topic.topic.clone(), topic: topic.topic_id, partition };
                if let Some(turn) = self.places.remove(&key) {
                    self.turns.remove(&turn);
                }
            }
        }
    }

    /// Notes what is said of a partition, and whether that is worth saying.
    fn note(&mut self, key: &Key, answer: &PartitionData) -> bool {
        let Some(turn) = self.places.get_mut(key) else { return true };
        let Some((_, wanted)) = self.turns.get_mut(turn) else { return true };
        let now = said(answer);
        let has_records = answer.records.as_ref().is_some_and(|records| !records.is_empty());
        let is_news = has_records || now.error || now != wanted.said || answer.diverging_epoch.epoch >= 0;
        wanted.said = now;
        if has_records && let Some(entry) = self.turns.remove(turn) {
            *turn = self.next_turn;
            self.turns.insert(self.next_turn, entry);
            self.next_turn += 1;
        }
        is_news
    }
}

impl Kept {
    fn remove(&mut self, id: i32) {
        self.sessions.remove(&id);
        if let Some((_, size)) = self.sizes.remove(&id) {
            self.partitions -= size;
        }
    }

    fn note(&mut self, id: i32, now: Instant, size: usize) {
        let before = self.sizes.insert(id, (now, size)).map_or(0, |(_, size)| size);
        self.partitions = self.partitions - before + size;
    }

    /// Makes room for a session of so many partitions, at the cost of those that are not used any more.
    fn make_room(&mut self, size: usize, sessions_max: usize, now: Instant) -> bool {
        let fits = |kept: &Self| {
            kept.sessions.len() < sessions_max && kept.partitions.saturating_add(size) <= PARTITIONS_MAX
        };
        if sessions_max == 0 || size > PARTITIONS_MAX {
            return false;
        }
        if !fits(self) {
            let stale =
                self.sizes.iter().filter(|(_, (used, _))| now.saturating_duration_since(*used) > STALE_AFTER);
            let stale: Vec<i32> = stale.map(|(id, _)| *id).collect();
            stale.into_iter().for_each(|id| self.remove(id));
        }
        fits(self)
    }

    /// An id that nobody has, and nobody guesses.
    fn unused_id(&self) -> i32 {
        loop {
            let mut hasher = std::hash::RandomState::new().build_hasher();
            hasher.write_usize(self.sessions.len());
            let id = (hasher.finish() as i32) & i32::MAX;
            if id != NO_SESSION && !self.sessions.contains_key(&id) {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests;
