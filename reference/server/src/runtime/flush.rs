//! Flushes, beside the node: a disk takes milliseconds for what the node does in microseconds.
//!
//! The metadata log has a thread of its own, since elections and all that controllers decide wait for it; partitions share some. What was
//! appended while a flush is under way is flushed by the next: so many requests share one.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use highwater_log::disk::RealDisk;
use highwater_node::Flusher;
use highwater_node::message::{Input, LogId};
use tokio::sync::mpsc;

use super::handle::Job;

/// How many flushes of partitions are under way at once.
const PARTITION_THREADS: usize = 2;

type Work = (LogId, Flusher<RealDisk>);

/// Threads that flush.
pub(super) struct Flushers {
    done: mpsc::Sender<Job>,
    metadata: Option<Sender<Work>>,
    partitions: Option<Sender<Work>>,
}

impl Flushers {
    /// Whose results go to `done`. Threads start when there is something to do.
    pub(super) fn new(done: mpsc::Sender<Job>) -> Self {
        Self { done, metadata: None, partitions: None }
    }

    /// Flushes a log, and tells the node when that is done.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub(super) fn flush(&mut self, log: LogId, flusher: Flusher<RealDisk>) -> io::Result<()> {
        let (queue, threads) = match log {
            LogId::Metadata => (&mut self.metadata, 1),
            LogId::Partition(_) => (&mut self.partitions, PARTITION_THREADS),
        };
        let queue = match queue {
            Some(queue) => queue,
            None => queue.insert(start(threads, &self.done)?),
        };
        queue.send((log, flusher)).map_err(|_| io::Error::other("the threads that flush have ended"))
    }
}

fn start(threads: usize, done: &mpsc::Sender<Job>) -> io::Result<Sender<Work>> {
    let (queue, work) = channel();
    let work = Arc::new(Mutex::new(work));
    for _ in 0..threads {
        let (work, done) = (work.clone(), done.clone());
        thread::Builder::new().name("flush".into()).spawn(move || run(&work, &done))?;
    }
    Ok(queue)
}

/// Until the node has ended.
fn run(work: &Mutex<Receiver<Work>>, done: &mpsc::Sender<Job>) {
    loop {
        let next = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((log, flusher)) = next else { return };
        let flushed = flusher.flush();
        if done.blocking_send(Job::Input(Input::Flushed { log, flushed })).is_err() {
            return;
        }
    }
}
