//! Why connections were closed, for the operator, and not more of it than an operator can read.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::LOGGED_MAX;

const WINDOW: Duration = Duration::from_secs(60);

/// Logs reasons, at most so many a minute.
#[derive(Debug, Default)]
pub(super) struct Reasons {
    window: Mutex<Option<Window>>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    logged: u32,
    kept: u32,
}

impl Reasons {
    /// Logs why the connection from this address was closed, unless too much was logged in this minute already.
    pub(super) fn tell(&self, address: SocketAddr, listener: &str, reason: &dyn fmt::Display) {
        let now = Instant::now();
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let window = window.get_or_insert(Window { began: now, logged: 0, kept: 0 });
        if now.duration_since(window.began) >= WINDOW {
            if window.kept > 0 {
                tracing::warn!("{} more connections were closed in the minute before", window.kept);
            }
            *window = Window { began: now, logged: 0, kept: 0 };
        }
        if window.logged < LOGGED_MAX {
            window.logged += 1;
            tracing::warn!(%address, listener, "closed a connection: {reason}");
        } else {
            window.kept += 1;
        }
    }
}
