//! The indexes of a segment: files of entries of one size, in order, in Kafka's own formats.
//!
//! | file | entry |
//! |---|---|
//! | `.index` | offset less the segment's base (4 bytes), position in the `.log` (4): a batch at that position ends with that offset, or a later one does |
//! | `.timeindex` | timestamp (8), offset less the segment's base (4): no record up to that offset has a later timestamp |
//!
//! Both are sparse, and hold nothing that the batches do not say: they are never synced while a segment grows, and are made anew when in
//! doubt. Entries of the segment that grows are in memory, and are written when it is flushed for good; of others they are read from the
//! file as they are needed. No file stays open for it: of indexes there are many, and most are never asked.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::LogError;
use crate::disk::{Disk, File};

/// An entry of an index.
pub(crate) trait Entry: Copy {
    /// How many bytes it takes.
    const SIZE: usize;

    fn put(self, bytes: &mut Vec<u8>);

    /// Reads it from `SIZE` bytes.
    fn get(bytes: &[u8]) -> Self;

    /// Whether `next` may stand after this one.
    fn precedes(&self, next: &Self) -> bool;
}

/// Where a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    /// Its last offset less the segment's base.
    pub(crate) relative: u32,
    /// Its position.
    pub(crate) position: u32,
}

/// When a batch was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    /// The latest timestamp so far.
    pub(crate) timestamp: i64,
    /// The last offset of the batch that has it, less the segment's base.
    pub(crate) relative: u32,
}

/// An index of a segment.
#[derive(Debug)]
pub(crate) struct Index<E, D: Disk> {
    path: String,
    disk: D,
    /// All entries, while the segment grows.
    memory: Option<Vec<E>>,
    count: usize,
    /// How many of them are in the file.
    written: usize,
    entry: PhantomData<E>,
}

/// An index that does not grow any more, as readers hold it.
#[derive(Debug)]
pub(crate) struct Frozen<E, D: Disk> {
    path: String,
    file: Arc<D::File>,
    count: usize,
    entry: PhantomData<E>,
}

impl<E: Entry, D: Disk> Frozen<E, D> {
    fn entry(&self, index: usize) -> Result<E, LogError> {
        read_entry(&self.path, &*self.file, index)
    }

    /// As [`Index::last_before`].
    pub(crate) fn last_before(&self, after: impl Fn(&E) -> bool) -> Result<Option<E>, LogError> {
        last_before(self.count, |index| self.entry(index), after)
    }
}

impl Entry for OffsetEntry {
    const SIZE: usize = 8;

    fn put(self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.relative.to_be_bytes());
        bytes.extend_from_slice(&self.position.to_be_bytes());
    }

    fn get(bytes: &[u8]) -> Self {
        Self { relative: u32_at(bytes, 0), position: u32_at(bytes, 4) }
    }

    fn precedes(&self, next: &Self) -> bool {
        self.relative < next.relative && self.position < next.position
    }
}

impl Entry for TimeEntry {
    const SIZE: usize = 12;

    fn put(self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.timestamp.to_be_bytes());
        bytes.extend_from_slice(&self.relative.to_be_bytes());
    }

    fn get(bytes: &[u8]) -> Self {
        let timestamp = i64::from(u32_at(bytes, 0)) << 32 | i64::from(u32_at(bytes, 4));
        Self { timestamp, relative: u32_at(bytes, 8) }
    }

    fn precedes(&self, next: &Self) -> bool {
        self.timestamp < next.timestamp && self.relative <= next.relative
    }
}

impl<E: Entry, D: Disk> Index<E, D> {
    /// A new one, of a segment that grows.
    pub(crate) fn create(disk: &D, path: String) -> Result<Self, LogError> {
        disk.create(&path).map_err(LogError::io(&path, "create it"))?;
        Ok(Self {
            path,
            disk: disk.clone(),
            memory: Some(Vec::new()),
            count: 0,
            written: 0,
            entry: PhantomData,
        })
    }

    /// One that is there; `None` if it is not, or if its size or its last entries cannot be those of an index.
    pub(crate) fn open(disk: &D, path: String) -> Result<Option<Self>, LogError> {
        let file = match disk.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LogError::io(&path, "open it")(error)),
        };
        let size = file.size().map_err(LogError::io(&path, "read its size"))?;
        let Ok(size) = usize::try_from(size) else { return Ok(None) };
        if !size.is_multiple_of(E::SIZE) {
            return Ok(None);
        }
        let count = size / E::SIZE;
        if count >= 2 {
            let [before, last] = [count - 2, count - 1].map(|index| read_entry::<E>(&path, &file, index));
            if !before?.precedes(&last?) {
                return Ok(None);
            }
        }
        let disk = disk.clone();
        Ok(Some(Self { path, disk, memory: None, count, written: count, entry: PhantomData }))
    }

    fn file(&self) -> Result<D::File, LogError> {
        self.disk.open(&self.path).map_err(LogError::io(&self.path, "open it"))
    }

    /// How many entries it has.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The last entry.
    pub(crate) fn last(&self) -> Result<Option<E>, LogError> {
        let Some(last) = self.count.checked_sub(1) else { return Ok(None) };
        match &self.memory {
            Some(memory) => Ok(memory.last().copied()),
            None => read_entry(&self.path, &self.file()?, last).map(Some),
        }
    }

    /// The last entry before the first that `after` holds of; it holds of none before one that it does not hold of.
    pub(crate) fn last_before(&self, after: impl Fn(&E) -> bool) -> Result<Option<E>, LogError> {
        if let Some(memory) = &self.memory {
            return last_before(self.count, |index| Ok(memory[index]), after);
        }
        if self.count == 0 {
            return Ok(None);
        }
        let file = self.file()?;
        last_before(self.count, |index| read_entry(&self.path, &file, index), after)
    }

    /// What readers get of it, if it does not grow: a file of their own, which stays readable while it is removed.
    pub(crate) fn frozen(&self) -> Option<Result<Frozen<E, D>, LogError>> {
        self.memory.is_none().then(|| {
            let (path, file) = (self.path.clone(), Arc::new(self.file()?));
            Ok(Frozen { path, file, count: self.count, entry: PhantomData })
        })
    }

    /// Entries from the one at `index` on, of an index that grows.
    pub(crate) fn entries_from(&self, index: usize) -> impl Iterator<Item = E> + '_ {
        self.memory.as_deref().and_then(|memory| memory.get(index..)).unwrap_or_default().iter().copied()
    }

    /// Adds an entry, if it may stand after the last.
    pub(crate) fn push(&mut self, entry: E) {
        let Some(memory) = &mut self.memory else { return };
        if memory.last().is_none_or(|last| last.precedes(&entry)) {
            memory.push(entry);
            self.count += 1;
        }
    }

    /// Takes all entries into memory, so that the index can grow and shrink.
    pub(crate) fn thaw(&mut self) -> Result<(), LogError> {
        if self.memory.is_none() {
            let mut bytes = vec![0; self.count * E::SIZE];
            let file = self.file()?;
            let read = file.read_at(0, &mut bytes).map_err(LogError::io(&self.path, "read it"))?;
            self.memory = Some(bytes[..read].chunks_exact(E::SIZE).map(E::get).collect());
            self.count = read / E::SIZE;
            self.written = self.count;
        }
        Ok(())
    }

    /// Drops entries from the first that `from` holds of on; only of an index in memory.
    pub(crate) fn truncate(&mut self, from: impl Fn(&E) -> bool) -> Result<(), LogError> {
        let Some(memory) = &mut self.memory else { return Ok(()) };
        let kept = memory.iter().position(from).unwrap_or(memory.len());
        memory.truncate(kept);
        self.count = kept;
        if kept < self.written {
            let file = self.disk.open(&self.path).map_err(LogError::io(&self.path, "open it"))?;
            file.truncate((kept * E::SIZE) as u64).map_err(LogError::io(&self.path, "truncate it"))?;
            self.written = kept;
        }
        Ok(())
    }

    /// Replaces all entries.
    pub(crate) fn refill(&mut self, entries: Vec<E>) -> Result<(), LogError> {
        self.file()?.truncate(0).map_err(LogError::io(&self.path, "truncate it"))?;
        self.written = 0;
        self.count = entries.len();
        self.memory = Some(entries);
        Ok(())
    }

    /// Writes what is not in the file yet, and syncs it.
    pub(crate) fn flush(&mut self) -> Result<(), LogError> {
        let file = self.write()?;
        file.sync().map_err(LogError::io(&self.path, "sync it"))
    }

    /// The same, though synced only soon. Nothing is done where there is nothing to write.
    pub(crate) fn flush_soon(&mut self) -> Result<(), LogError> {
        if self.memory.as_ref().is_none_or(|memory| self.written == memory.len()) {
            return Ok(());
        }
        let file = self.write()?;
        file.sync_soon().map_err(LogError::io(&self.path, "sync it"))
    }

    fn write(&mut self) -> Result<D::File, LogError> {
        let file = self.file()?;
        if let Some(memory) = &self.memory
            && self.written < memory.len()
        {
            let mut bytes = Vec::with_capacity((memory.len() - self.written) * E::SIZE);
            memory[self.written..].iter().for_each(|entry| entry.put(&mut bytes));
            let position = (self.written * E::SIZE) as u64;
            file.write_at(position, &bytes).map_err(LogError::io(&self.path, "write it"))?;
            self.written = memory.len();
        }
        Ok(file)
    }

    /// Flushes, and lets go of the memory: the segment grows no more.
    pub(crate) fn freeze(&mut self) -> Result<(), LogError> {
        self.flush()?;
        self.memory = None;
        Ok(())
    }
}

fn read_entry<E: Entry>(path: &str, file: &impl File, index: usize) -> Result<E, LogError> {
    let mut bytes = [0; 16];
    let bytes = &mut bytes[..E::SIZE];
    let failed = LogError::io(path, "read it");
    match file.read_at((index * E::SIZE) as u64, bytes) {
        Ok(read) if read == E::SIZE => Ok(E::get(bytes)),
        Ok(_) => Err(failed(std::io::ErrorKind::UnexpectedEof.into())),
        Err(error) => Err(failed(error)),
    }
}

fn last_before<E>(
    count: usize,
    entry: impl Fn(usize) -> Result<E, LogError>,
    after: impl Fn(&E) -> bool,
) -> Result<Option<E>, LogError> {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if after(&entry(middle)?) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low.checked_sub(1).map(entry).transpose()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_be_bytes(*bytes))
}
