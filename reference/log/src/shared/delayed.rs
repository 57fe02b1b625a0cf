//! Requests that wait until something has gone far enough, or until their time is up: Kafka's purgatory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use highwater_core::{Instant, Offset, Token};

use crate::sync::{Mutex, MutexGuard};

/// Requests that wait for an offset to be reached (by a high watermark, by the end of a log).
///
/// - Every token that [`Delayed::register`] took comes out of one call once: of [`Delayed::reached`], [`Delayed::expired`] or
///   [`Delayed::forget`].
/// - A request is registered and what it waits for is looked at in one step: nothing comes between.
#[derive(Debug, Default)]
pub struct Delayed {
    waiting: Mutex<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    reached: Offset,
    /// What each waits for, and its deadline.
    tokens: BTreeMap<Token, (Offset, Instant)>,
    by_target: BTreeSet<(Offset, Token)>,
    by_deadline: BTreeSet<(Instant, Token)>,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Registered {
    /// It waits.
    Waits,
    /// What it wants has been reached: answer it now.
    Reached,
}

impl Default for Waiting {
    fn default() -> Self {
        Self {
            reached: Offset::MIN,
            tokens: BTreeMap::new(),
            by_target: BTreeSet::new(),
            by_deadline: BTreeSet::new(),
        }
    }
}

impl Delayed {
    /// None waits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a request wait until `target` is reached, or the deadline is past. A token that waits already waits for this instead.
    pub fn register(&self, token: Token, target: Offset, deadline: Instant) -> Registered {
        let mut waiting = self.lock();
        waiting.take(token);
        if target <= waiting.reached {
            return Registered::Reached;
        }
        waiting.tokens.insert(token, (target, deadline));
        waiting.by_target.insert((target, token));
        waiting.by_deadline.insert((deadline, token));
        Registered::Waits
    }

    /// Notes that `offset` was reached (it never falls), and gives all who waited for it, nearest first.
    pub fn reached(&self, offset: Offset) -> Vec<Token> {
        let mut waiting = self.lock();
        waiting.reached = waiting.reached.max(offset);
        let mut woken = Vec::new();
        while let Some((target, token)) = waiting.by_target.first() {
            if *target > waiting.reached {
                break;
            }
            let token = *token;
            waiting.take(token);
            woken.push(token);
        }
        woken
    }

    /// Gives all whose deadline is not after `now`, earliest first.
    pub fn expired(&self, now: Instant) -> Vec<Token> {
        let mut waiting = self.lock();
        let mut expired = Vec::new();
        while let Some((deadline, token)) = waiting.by_deadline.first() {
            if *deadline > now {
                break;
            }
            let token = *token;
            waiting.take(token);
            expired.push(token);
        }
        expired
    }

    /// Gives up a request: whether it still waited.
    pub fn forget(&self, token: Token) -> bool {
        self.lock().take(token)
    }

    /// When the next deadline is.
    pub fn deadline(&self) -> Option<Instant> {
        self.lock().by_deadline.first().map(|(deadline, _)| *deadline)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn take(&mut self, token: Token) -> bool {
        let Some((target, deadline)) = self.tokens.remove(&token) else { return false };
        self.by_target.remove(&(target, token));
        self.by_deadline.remove(&(deadline, token));
        true
    }
}
