//! Values by the hash of their content, shared by all threads of a search.
//!
//! A search wants states of a few words that can be copied; a core is neither. So a core is kept once, in an
//! [`Interner`], and states name it by the 64-bit hash of what it is: the same name in every run and at any number of threads,
//! hence the same fingerprints, counts and counterexamples. Two values with one hash would be a wrong answer: each value that
//! is found under its hash is compared, and a difference ends the program.
//!
//! A [`Table`] never forgets and never moves what it holds, so that a look takes no lock. It grows by levels, each eight times as
//! large as the one before: a key goes to the first free slot of its few in the first level that has one.

use std::array;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use highwater_model::check::fingerprint;

/// Slots of a level in which a key may lie.
const WINDOW: usize = 4;
/// The logarithm of the number of slots of the first level.
const FIRST_BITS: u32 = 16;
/// By how much it grows from level to level.
const STEP_BITS: u32 = 3;
/// Levels; the last has more slots than any memory.
const LEVELS: usize = 7;

type Slots<K, V> = Box<[OnceLock<(K, V)>]>;

/// A map that only grows, for many readers and writers.
pub(crate) struct Table<K, V> {
    levels: [OnceLock<Slots<K, V>>; LEVELS],
    len: AtomicUsize,
}

impl<K: Eq, V> Table<K, V> {
    pub(crate) fn new() -> Self {
        Self { levels: array::from_fn(|_| OnceLock::new()), len: AtomicUsize::new(0) }
    }

    /// How many keys it holds.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    /// What is kept under `key`. `hash` must be well mixed, and the same for the same key.
    pub(crate) fn get(&self, hash: u64, key: &K) -> Option<&V> {
        for level in &self.levels {
            let slots = level.get()?;
            for slot in window(slots, hash) {
                // Slots fill from the front and never empty: nothing lies behind a free one.
                let (known, value) = slot.get()?;
                if known == key {
                    return Some(value);
                }
            }
        }
        None
    }

    /// Keeps `value` under `key`, unless something is kept there: then that, and `value` back.
    pub(crate) fn insert(&self, hash: u64, key: K, value: V) -> (&V, Option<V>) {
        let mut entry = (key, value);
        for (level, bits) in self.levels.iter().zip((FIRST_BITS..).step_by(STEP_BITS as usize)) {
            let slots = level.get_or_init(|| (0..1usize << bits).map(|_| OnceLock::new()).collect());
            for slot in window(slots, hash) {
                match slot.set(entry) {
                    Ok(()) => {
                        self.len.fetch_add(1, Relaxed);
                        return (&slot.get().expect("set above").1, None);
                    }
                    Err(refused) => {
                        let (known, value) = slot.get().expect("it refused");
                        if *known == refused.0 {
                            return (value, Some(refused.1));
                        }
                        entry = refused;
                    }
                }
            }
        }
        unreachable!("the last level has more slots than any memory")
    }
}

/// The slots of a level in which a key of this hash may lie.
fn window<T>(slots: &[T], hash: u64) -> impl Iterator<Item = &T> {
    let mask = slots.len() - 1;
    (0..WINDOW).map(move |probe| &slots[(hash as usize).wrapping_add(probe) & mask])
}

/// Values by the hash of their content; never 0, which is free to stand for none.
pub(crate) struct Interner<T> {
    table: Table<u64, Box<T>>,
}

impl<T: Hash + Eq + Debug> Interner<T> {
    pub(crate) fn new() -> Self {
        Self { table: Table::new() }
    }

    /// How many values it holds.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// The name of `value`.
    pub(crate) fn name(&self, value: T) -> u64 {
        let name = fingerprint(&value);
        match self.table.get(name, &name) {
            Some(known) => same(&**known, &value),
            None => {
                if let (known, Some(value)) = self.table.insert(name, name, Box::new(value)) {
                    same(&**known, &*value);
                }
            }
        }
        name
    }

    /// The value of this name, which must have come from [`Interner::name`].
    pub(crate) fn value(&self, name: u64) -> &T {
        self.table.get(name, &name).expect("every name was given to a value")
    }
}

fn same<T: Eq + Debug>(known: &T, value: &T) {
    assert!(known == value, "two values have one hash: {known:?} and {value:?}");
}

/// What a function gave for pairs of names, so that it is asked once for each.
pub(crate) struct Memo<V> {
    table: Table<(u64, u64), V>,
}

impl<V> Memo<V> {
    pub(crate) fn new() -> Self {
        Self { table: Table::new() }
    }

    /// How many pairs it knows.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// What is known of `pair`.
    pub(crate) fn get(&self, pair: (u64, u64)) -> Option<&V> {
        self.table.get(mix(pair), &pair)
    }

    /// What `function` gives for `pair`, which must always be the same.
    pub(crate) fn get_or(&self, pair: (u64, u64), function: impl FnOnce() -> V) -> &V {
        let hash = mix(pair);
        match self.table.get(hash, &pair) {
            Some(value) => value,
            None => self.table.insert(hash, pair, function()).0,
        }
    }
}

fn mix(pair: (u64, u64)) -> u64 {
    pair.0.rotate_left(32) ^ pair.1.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn interner_many_threads_one_name_a_value() {
        let interner = Interner::new();
        let names: Vec<Vec<u64>> = thread::scope(|scope| {
            let work = || (0..50_000u32).map(|value| interner.name(value % 20_000)).collect::<Vec<_>>();
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            workers.into_iter().map(|worker| worker.join().expect("no panic")).collect()
        });
        assert!(names.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(interner.len(), 20_000);
        assert!((0..20_000).all(|value| *interner.value(interner.name(value)) == value));
    }

    #[test]
    fn memo_pair_asked_once() {
        let memo = Memo::new();
        assert_eq!(*memo.get_or((1, 2), || 3), 3);
        assert_eq!(*memo.get_or((1, 2), || unreachable!("known")), 3);
        assert_eq!(*memo.get_or((2, 1), || 4), 4);
        assert_eq!(memo.len(), 2);
    }
}
