//! A node's disk: what was written, and how much of it was flushed.
//!
//! The library says of each `Ready` whether it has to be flushed before what hangs on it is sent (`must_sync`): entries, epoch and vote have to be, the
//! commit index need not. So what a crash takes is the commit index.

use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::{Error, GetEntriesContext, RaftState, Storage, StorageError};

/// What is on a disk.
#[derive(Clone, Default)]
struct Content {
    hard_state: HardState,
    /// Entry `i` has the index `i + 1`: there are no snapshots.
    entries: Vec<Entry>,
}

/// A disk, on which the operating system keeps back what was not flushed.
#[derive(Clone, Default)]
pub struct Disk {
    voters: Vec<u64>,
    written: Content,
    flushed: Content,
}

impl Disk {
    /// A blank one, of a node of this quorum.
    pub fn new(voters: Vec<u64>) -> Self {
        Self { voters, ..Self::default() }
    }

    /// Writes entries; those from the first on that were there before are replaced.
    pub fn append(&mut self, entries: &[Entry]) {
        if let Some(first) = entries.first() {
            self.written.entries.truncate(first.index as usize - 1);
            self.written.entries.extend_from_slice(entries);
        }
    }

    /// Writes epoch, vote and commit index.
    pub fn set_hard_state(&mut self, hard_state: &HardState) {
        self.written.hard_state = hard_state.clone();
    }

    /// Writes the commit index alone.
    pub fn set_commit(&mut self, commit: u64) {
        self.written.hard_state.commit = commit;
    }

    /// All that was written stays.
    pub fn flush(&mut self) {
        self.flushed = self.written.clone();
    }

    /// What was not flushed is lost.
    pub fn crash(&mut self) {
        self.written = self.flushed.clone();
    }
}

impl Storage for Disk {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let conf_state = ConfState { voters: self.voters.clone(), ..ConfState::default() };
        Ok(RaftState::new(self.written.hard_state.clone(), conf_state))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        let mut entries = self.written.entries[low as usize - 1..high as usize - 1].to_vec();
        raft::util::limit_size(&mut entries, max_size.into());
        Ok(entries)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        if index == 0 {
            return Ok(0);
        }
        let entry = self.written.entries.get(index as usize - 1);
        entry.map(|entry| entry.term).ok_or(Error::Store(StorageError::Unavailable))
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.written.entries.len() as u64)
    }

    fn snapshot(&self, _request_index: u64, _to: u64) -> raft::Result<Snapshot> {
        // Nothing is ever compacted, so that nobody needs one.
        Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable))
    }
}
