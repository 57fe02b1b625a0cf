//! The states of one level that wait to be expanded, and those found for the next.
//!
//! States lie in chunks of a fixed size. A worker takes a chunk whole, which is the only time it needs a lock,
//! and an emptied chunk is filled again with states of the next level: the two levels together take little
//! more memory than the larger of them, and neither ever moves to grow.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// States in a chunk.
pub(crate) const CHUNK_STATES: usize = 1024;

/// At most [`CHUNK_STATES`] states.
pub(crate) type Chunk<S> = Vec<S>;

/// The two levels at which a search works.
pub(crate) struct Frontier<S> {
    waiting: Mutex<Vec<Chunk<S>>>,
    next: Mutex<Vec<Chunk<S>>>,
    empty: Mutex<Vec<Chunk<S>>>,
    /// Chunks that exist, wherever they are.
    chunks: AtomicU64,
}

impl<S> Frontier<S> {
    pub(crate) fn new() -> Self {
        Self {
            waiting: Mutex::default(),
            next: Mutex::default(),
            empty: Mutex::default(),
            chunks: AtomicU64::new(0),
        }
    }

    /// A chunk of this level to expand.
    pub(crate) fn take(&self) -> Option<Chunk<S>> {
        lock(&self.waiting).pop()
    }

    /// Returns what was taken: what is left of it, or the emptied chunk.
    pub(crate) fn put_back(&self, chunk: Chunk<S>) {
        // A vector that was never a chunk has nothing to give back.
        if chunk.capacity() > 0 {
            let list = if chunk.is_empty() { &self.empty } else { &self.waiting };
            lock(list).push(chunk);
        }
    }

    /// An empty chunk to fill.
    pub(crate) fn blank(&self) -> Chunk<S> {
        lock(&self.empty).pop().unwrap_or_else(|| {
            self.chunks.fetch_add(1, Relaxed);
            Vec::with_capacity(CHUNK_STATES)
        })
    }

    /// Adds states to the next level.
    pub(crate) fn add(&self, chunk: Chunk<S>) {
        let list = if chunk.is_empty() { &self.empty } else { &self.next };
        if chunk.capacity() > 0 {
            lock(list).push(chunk);
        }
    }

    /// Chunks that wait to be expanded.
    pub(crate) fn waiting(&mut self) -> usize {
        exclusive(&mut self.waiting).len()
    }

    /// Turns to the next level, and lets go of all but `spare` empty chunks.
    pub(crate) fn advance(&mut self, spare: usize) {
        let next = std::mem::take(exclusive(&mut self.next));
        let waiting = std::mem::replace(exclusive(&mut self.waiting), next);
        debug_assert!(waiting.is_empty(), "the level before was not finished");
        let empty = exclusive(&mut self.empty);
        if empty.len() > spare {
            *self.chunks.get_mut() -= (empty.len() - spare) as u64;
            empty.truncate(spare);
        }
    }

    /// Bytes in use.
    pub(crate) fn bytes(&self) -> u64 {
        self.chunks.load(Relaxed) * (CHUNK_STATES * size_of::<S>()) as u64
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics while it holds this")
}

fn exclusive<T>(mutex: &mut Mutex<T>) -> &mut T {
    mutex.get_mut().expect("no thread panics while it holds this")
}
