//! The set of visited states, as fingerprints.
//!
//! Open addressing with linear probing over words that are swapped in atomically: any number of threads insert
//! at once, without locks. Nothing is ever removed. Between rounds, when no thread inserts, the table grows.
//!
//! - The table is cut into [`SEGMENTS`] independent segments by the top bits of the fingerprint. Each grows on
//!   its own, so that growth takes one more segment for a moment and not one more table.
//! - A segment grows by a half, and the segments start at sizes spread evenly (on a logarithmic scale) over
//!   that half, so that their growth is spread as well: the table as a whole is always about two thirds full.
//! - The place of a fingerprint in its segment is the fraction that it is of all fingerprints. A segment is
//!   therefore nearly sorted, and to grow it is to read one stretch of memory and to write another.
//! - With links, each fingerprint has that of a state that led to it, and the level at which it was found.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Segments, a power of two.
pub(crate) const SEGMENTS: usize = 1 << SEGMENT_BITS;

const SEGMENT_BITS: u32 = 8;

/// Slots of the smallest segment at first.
const SLOTS_MIN: usize = 64;

/// The part of its slots that a segment may fill: 13 of 16. Beyond, probing gets slow.
const LOAD_MAX: (usize, usize) = (13, 16);

/// The part of that limit from which on a segment is grown when the others are: 15 of 16.
const NEARLY_FULL: (usize, usize) = (15, 16);

/// Slots in a cache line.
const SLOTS_IN_LINE: usize = 8;

/// No state led here (yet).
const NO_PARENT: u64 = u64::MAX;

/// The visited set.
pub(crate) struct Table {
    keys: Vec<Box<[AtomicU64]>>,
    /// One for each segment, or none at all.
    links: Vec<Links>,
    /// Slots in use, as of the last round.
    used: Vec<usize>,
    slots: usize,
}

/// How states were reached, slot by slot.
struct Links {
    parents: Box<[AtomicU64]>,
    /// 0 while the thread that inserts the key has not yet come to write it, which it does in the same round.
    levels: Box<[AtomicU32]>,
}

/// What became of an insertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Insertion {
    /// The fingerprint was not there before; it is in this segment.
    New(usize),
    /// It was there.
    Known,
    /// Its segment has no free slot: let the table grow and try again.
    Full,
}

impl Table {
    pub(crate) fn new(linked: bool) -> Self {
        let mut table = Self { keys: Vec::new(), links: Vec::new(), used: vec![0; SEGMENTS], slots: 0 };
        for segment in 0..SEGMENTS {
            let slots = (SLOTS_MIN as f64 * 1.5f64.powf(segment as f64 / SEGMENTS as f64)) as usize;
            table.keys.push(zeroed(slots));
            table.slots += slots;
            if linked {
                table.links.push(Links::new(slots));
            }
        }
        table
    }

    /// Looks at the slot where a fingerprint would be first, and at one in the next cache line, where probing
    /// often ends: brings both near, and tells whether it is there.
    #[inline(always)]
    pub(crate) fn peek(&self, fingerprint: u64) -> u64 {
        let (segment, home) = self.home(fingerprint);
        let keys = &*self.keys[segment];
        let near = keys[home].load(Relaxed);
        let far = keys[(home + SLOTS_IN_LINE - 1).min(keys.len() - 1)].load(Relaxed);
        if far == fingerprint { far } else { near }
    }

    /// Inserts a fingerprint, which is not 0.
    #[inline]
    pub(crate) fn insert(&self, fingerprint: u64) -> Insertion {
        self.insert_at(fingerprint).0
    }

    /// Inserts a fingerprint that was found at `level`, from `parent`. Of all parents that lead to it from the
    /// level before, the least stays.
    #[inline]
    pub(crate) fn insert_linked(&self, fingerprint: u64, parent: u64, level: u32) -> Insertion {
        let (insertion, slot) = self.insert_at(fingerprint);
        if insertion != Insertion::Full {
            let links = &self.links[segment_of(fingerprint)];
            let known_level = match insertion {
                Insertion::New(_) => {
                    links.levels[slot].store(level, Relaxed);
                    level
                }
                _ => links.levels[slot].load(Relaxed),
            };
            if known_level == level || known_level == 0 {
                links.parents[slot].fetch_min(parent, Relaxed);
            }
        }
        insertion
    }

    /// The level at which a fingerprint was found, and its parent.
    pub(crate) fn link(&self, fingerprint: u64) -> Option<(u32, u64)> {
        let (segment, home) = self.home(fingerprint);
        let keys = &self.keys[segment];
        let slot = (home..keys.len()).chain(0..home).find(|slot| {
            let key = keys[*slot].load(Relaxed);
            key == fingerprint || key == 0
        })?;
        let links = self.links.get(segment)?;
        let found = keys[slot].load(Relaxed) == fingerprint;
        found.then(|| (links.levels[slot].load(Relaxed), links.parents[slot].load(Relaxed)))
    }

    /// How many fingerprints each of `workers` may insert in each segment before the table must grow.
    pub(crate) fn shares(&self, workers: usize) -> Vec<u32> {
        let share = |segment| {
            let room = self.limit(segment).saturating_sub(self.used[segment]);
            (room / workers).max(1) as u32
        };
        (0..SEGMENTS).map(share).collect()
    }

    /// Notes what a worker inserted in a round, by segment.
    pub(crate) fn note(&mut self, inserted: &[u32]) {
        for (used, inserted) in self.used.iter_mut().zip(inserted) {
            *used += *inserted as usize;
        }
    }

    /// Grows every segment that is nearly full. `allow` is asked before each growth whether the table may
    /// take so many bytes for the moment; the first refusal ends it.
    pub(crate) fn make_room<E>(&mut self, mut allow: impl FnMut(u64) -> Result<(), E>) -> Result<(), E> {
        for segment in 0..SEGMENTS {
            if self.used[segment] < part(self.limit(segment), NEARLY_FULL) {
                continue;
            }
            let slots = self.keys[segment].len();
            let grown = slots + slots / 2;
            allow((self.slots + grown) as u64 * self.slot_bytes())?;
            self.grow(segment, grown);
        }
        Ok(())
    }

    /// Bytes in use.
    pub(crate) fn bytes(&self) -> u64 {
        self.slots as u64 * self.slot_bytes()
    }

    /// Slots of a segment that may be in use.
    fn limit(&self, segment: usize) -> usize {
        part(self.keys[segment].len(), LOAD_MAX)
    }

    fn slot_bytes(&self) -> u64 {
        if self.links.is_empty() { 8 } else { 20 }
    }

    #[inline(always)]
    fn insert_at(&self, fingerprint: u64) -> (Insertion, usize) {
        debug_assert_ne!(fingerprint, 0);
        let (segment, home) = self.home(fingerprint);
        let keys = &*self.keys[segment];
        let mut slot = home;
        loop {
            let mut key = keys[slot].load(Relaxed);
            if key == 0 {
                match keys[slot].compare_exchange(0, fingerprint, Relaxed, Relaxed) {
                    Ok(_) => return (Insertion::New(segment), slot),
                    Err(other) => key = other,
                }
            }
            if key == fingerprint {
                return (Insertion::Known, slot);
            }
            slot = if slot + 1 == keys.len() { 0 } else { slot + 1 };
            if slot == home {
                return (Insertion::Full, slot);
            }
        }
    }

    #[inline(always)]
    fn home(&self, fingerprint: u64) -> (usize, usize) {
        let segment = segment_of(fingerprint);
        (segment, home_in(self.keys[segment].len(), fingerprint))
    }

    fn grow(&mut self, segment: usize, slots: usize) {
        self.slots += slots - self.keys[segment].len();
        let mut keys = zeroed(slots);
        let mut links = self.links.get(segment).map(|_| Links::new(slots));
        for (old, key) in self.keys[segment].iter_mut().enumerate() {
            let key = *key.get_mut();
            if key == 0 {
                continue;
            }
            let mut slot = home_in(slots, key);
            while *keys[slot].get_mut() != 0 {
                slot = if slot + 1 == slots { 0 } else { slot + 1 };
            }
            *keys[slot].get_mut() = key;
            if let Some(links) = &mut links {
                *links.parents[slot].get_mut() = *self.links[segment].parents[old].get_mut();
                *links.levels[slot].get_mut() = *self.links[segment].levels[old].get_mut();
            }
        }
        self.keys[segment] = keys;
        if let Some(links) = links {
            self.links[segment] = links;
        }
    }
}

impl Links {
    fn new(slots: usize) -> Self {
        Self {
            parents: (0..slots).map(|_| AtomicU64::new(NO_PARENT)).collect(),
            levels: (0..slots).map(|_| AtomicU32::new(0)).collect(),
        }
    }
}

fn zeroed(slots: usize) -> Box<[AtomicU64]> {
    (0..slots).map(|_| AtomicU64::new(0)).collect()
}

fn part(whole: usize, (numerator, denominator): (usize, usize)) -> usize {
    whole * numerator / denominator
}

#[inline(always)]
fn segment_of(fingerprint: u64) -> usize {
    (fingerprint >> (u64::BITS - SEGMENT_BITS)) as usize
}

/// The slot that is to the slots as the rest of the fingerprint is to all its values.
#[inline(always)]
fn home_in(slots: usize, fingerprint: u64) -> usize {
    ((u128::from(fingerprint << SEGMENT_BITS) * slots as u128) >> u64::BITS) as usize
}
