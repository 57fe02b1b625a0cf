//! What threads share things by: std's, or under `--cfg loom` loom's, which tries all orders.

#[cfg(loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard, RwLock,
    atomic::{AtomicBool, AtomicI64, Ordering},
};
#[cfg(not(loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard, RwLock,
    atomic::{AtomicBool, AtomicI64, Ordering},
};

/// A moment in which other threads may do something: loom tries what, and else nothing is done about it.
#[cfg(loom)]
pub(crate) fn moment() {
    loom::thread::yield_now();
}

/// A moment in which other threads may do something: loom tries what, and else nothing is done about it.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) fn moment() {}
