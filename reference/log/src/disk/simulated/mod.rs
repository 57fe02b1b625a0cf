//! A disk in memory that fails as disks do, from a seed.
//!
//! What was not synced is lost at [`SimulatedDisk::crash`], wholly or in part: bytes by sectors or torn at any byte, zeros where a
//! sector never came, sizes that were set before their bytes; names by directory, the later before the earlier. Between
//! crashes it can be full, give read, write and sync errors, lose its power after any number of operations, and flip bits.
//!
//! # Invariants
//! - Bytes that were synced are there after any crash; so are names whose directory was synced.
//! - The same calls on disks of the same seed give the same bytes.
//! - Handles from before a crash give errors after it, and change nothing.
//!
//! # Not simulated
//! A sync that says yes and did nothing; sectors that decay by themselves (see [`SimulatedDisk::flip_bit`]).

mod crash;

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use highwater_core::Dice;

use super::{Disk, File, parent};

/// What a crash loses of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loss {
    /// Nothing: only the process died. What was not synced still is not, and the next crash may take it.
    Nothing,
    /// All of it.
    Everything,
    /// Of each file, the end, from any byte on.
    Tail,
    /// Of each file, any sectors, and of its new size anything: where bytes never came there are zeros.
    Sectors,
    /// Any of these, rolled for each file.
    Any,
}

/// What a process can do to a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Reads of bytes.
    Read,
    /// Writes and truncations.
    Write,
    /// Syncs of files and directories.
    Sync,
    /// Changes of names: made, renamed, removed.
    Name,
}

/// Operations that will fail.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Failure {
    /// Which kind.
    pub operation: Operation,
    /// On paths that begin so; all begin with `""`.
    pub path: String,
    /// How many will succeed before.
    pub after: u64,
    /// How many will fail then; `u64::MAX` for all.
    pub times: u64,
}

/// How many operations there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Operations {
    /// Reads of bytes.
    pub reads: u64,
    /// Writes and truncations.
    pub writes: u64,
    /// Syncs of files and directories.
    pub syncs: u64,
    /// Changes of names.
    pub names: u64,
}

/// A disk in memory. Clones are handles of the same; [`SimulatedDisk::snapshot`] is another.
#[derive(Debug, Clone)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

/// A file of a [`SimulatedDisk`].
#[derive(Debug)]
pub struct SimulatedFile {
    state: Arc<Mutex<State>>,
    id: u64,
    life: u64,
}

#[derive(Debug, Clone)]
struct State {
    names: BTreeMap<Arc<str>, Entry>,
    /// Changes of names that are not durable, oldest first.
    changes: Vec<Change>,
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    dice: Dice,
    /// Counts crashes: handles of an earlier life are dead.
    life: u64,
    capacity: u64,
    used: u64,
    failures: Vec<Failure>,
    power: u64,
    operations: Operations,
    /// What is to be synced soon is put off.
    defers: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Directory,
    File(u64),
}

/// What names were before a change, all in one directory.
#[derive(Debug, Clone)]
struct Change {
    directory: Arc<str>,
    before: Vec<(Arc<str>, Option<Entry>)>,
}

#[derive(Debug, Clone)]
struct Inode {
    path: Arc<str>,
    bytes: Arc<Vec<u8>>,
    /// How many bytes from the front are durable, if all changes since the last sync were made behind them.
    synced: usize,
    /// What is durable, if not.
    durable: Option<Arc<Vec<u8>>>,
    handles: u32,
}

impl SimulatedDisk {
    /// An empty disk without faults.
    pub fn new(seed: u64) -> Self {
        let state = State {
            names: BTreeMap::new(),
            changes: Vec::new(),
            inodes: BTreeMap::new(),
            next_inode: 0,
            dice: Dice::new(seed),
            life: 0,
            capacity: u64::MAX,
            used: 0,
            failures: Vec::new(),
            power: u64::MAX,
            operations: Operations::default(),
            defers: false,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// The power goes, and comes back: what was not synced is lost as `loss` says, handles are dead, what was failing works again.
    pub fn crash(&self, loss: Loss) {
        self.state().crash(loss);
    }

    /// A disk of its own that now is as this one, in a life of its own: handles of this one are none of its.
    pub fn snapshot(&self) -> Self {
        let mut state = self.state().clone();
        for inode in state.inodes.values_mut() {
            inode.handles = 0;
        }
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// How many bytes fit on it, in all files; what does not fit fails with [`io::ErrorKind::StorageFull`].
    pub fn set_capacity(&self, bytes: u64) {
        self.state().capacity = bytes;
    }

    /// How many bytes all files hold.
    pub fn used(&self) -> u64 {
        self.state().used
    }

    /// Lets operations fail, until the next crash or [`SimulatedDisk::heal`].
    pub fn fail(&self, failure: Failure) {
        self.state().failures.push(failure);
    }

    /// Ends all failures.
    pub fn heal(&self) {
        self.state().failures.clear();
    }

    /// The power goes after this many operations that change something: all that come later fail, until the crash.
    pub fn cut_power_after(&self, operations: u64) {
        self.state().power = operations;
    }

    /// Whether the power is gone.
    pub fn is_off(&self) -> bool {
        self.state().power == 0
    }

    /// Flips a bit, as decay would: synced or not, it is the other from now on. Nothing if there is no such byte.
    pub fn flip_bit(&self, path: &str, position: u64, bit: u8) {
        let mut state = self.state();
        let Some(Entry::File(id)) = state.names.get(path).copied() else { return };
        let Some(inode) = state.inodes.get_mut(&id) else { return };
        let Ok(position) = usize::try_from(position) else { return };
        for bytes in [Some(&mut inode.bytes), inode.durable.as_mut()].into_iter().flatten() {
            if let Some(byte) = Arc::make_mut(bytes).get_mut(position) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    /// Whether this file, or directory, is there.
    pub fn exists(&self, path: &str) -> bool {
        self.state().names.contains_key(path)
    }

    /// How many operations there were.
    pub fn operations(&self) -> Operations {
        self.state().operations
    }

    /// All files and their bytes.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        let bytes = |id: &u64| state.inodes.get(id).map_or_else(Vec::new, |inode| inode.bytes.to_vec());
        let files = state.names.iter().filter_map(|(name, entry)| match entry {
            Entry::File(id) => Some((name.to_string(), bytes(id))),
            Entry::Directory => None,
        });
        files.collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn from(name: &str) -> (Bound<&str>, Bound<&str>) {
    (Bound::Included(name), Bound::Unbounded)
}

/// A panic elsewhere leaves the state as it was between two operations.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk for SimulatedDisk {
    type File = SimulatedFile;

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.begin(Operation::Read, directory)?;
        state.directory(directory)?;
        let within = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        let below = state.names.range::<str, _>(from(&within)).map(|(name, _)| name);
        let inside = below.take_while(|name| name.starts_with(&within)).map(|name| &name[within.len()..]);
        Ok(inside.filter(|name| !name.contains('/')).map(str::to_owned).collect())
    }

    fn create_directory(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        for end in ends {
            let prefix = &path[..end];
            match state.names.get(prefix) {
                Some(Entry::Directory) => {}
                Some(Entry::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => {
                    state.begin(Operation::Name, prefix)?;
                    state.change(parent(prefix), [(prefix, Some(Entry::Directory))]);
                }
            }
        }
        Ok(())
    }

    fn open(&self, path: &str) -> io::Result<SimulatedFile> {
        let mut state = self.state();
        state.begin(Operation::Read, path)?;
        let id = state.file(path)?;
        Ok(self.handle(&mut state, id))
    }

    fn create(&self, path: &str) -> io::Result<SimulatedFile> {
        let mut state = self.state();
        state.begin(Operation::Name, path)?;
        state.directory(parent(path))?;
        if state.names.get(path) == Some(&Entry::Directory) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let id = state.next_inode;
        state.next_inode += 1;
        let path: Arc<str> = path.into();
        let inode = Inode { path: path.clone(), bytes: Arc::default(), synced: 0, durable: None, handles: 0 };
        state.inodes.insert(id, inode);
        state.change(parent(&path), [(&*path, Some(Entry::File(id)))]);
        Ok(self.handle(&mut state, id))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Operation::Name, from)?;
        if parent(from) != parent(to) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a rename stays in its directory"));
        }
        let id = state.file(from)?;
        if state.names.get(to) == Some(&Entry::Directory) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if from != to {
            state.change(parent(from), [(from, None), (to, Some(Entry::File(id)))]);
            if let Some(inode) = state.inodes.get_mut(&id) {
                inode.path = to.into();
            }
        }
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Operation::Name, path)?;
        state.file(path)?;
        state.change(parent(path), [(path, None)]);
        Ok(())
    }

    fn remove_directory(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Operation::Name, path)?;
        state.directory(path)?;
        let within = format!("{path}/");
        let gone: Vec<Arc<str>> = state
            .names
            .range::<str, _>(from(path))
            .map(|(name, _)| name.clone())
            .take_while(|name| name.starts_with(path))
            .filter(|name| &**name == path || name.starts_with(&within))
            .collect();
        state.change(parent(path), gone.iter().map(|name| (&**name, None)));
        Ok(())
    }

    fn sync_directory(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Operation::Sync, path)?;
        state.directory(path)?;
        state.settle(path);
        Ok(())
    }

    fn sync_directory_soon(&self, path: &str) -> io::Result<()> {
        if self.state().defers { Ok(()) } else { self.sync_directory(path) }
    }

    fn begin_deferral(&self) {
        self.state().defers = true;
    }

    fn end_deferral(&self) -> io::Result<()> {
        let mut state = self.state();
        if std::mem::take(&mut state.defers) {
            state.begin(Operation::Sync, "")?;
            state.sync_all();
        }
        Ok(())
    }
}

impl SimulatedDisk {
    fn handle(&self, state: &mut State, id: u64) -> SimulatedFile {
        if let Some(inode) = state.inodes.get_mut(&id) {
            inode.handles += 1;
        }
        SimulatedFile { state: self.state.clone(), id, life: state.life }
    }
}

impl SimulatedFile {
    /// The state, if the file can be used, for an operation of this kind.
    fn begin(&self, operation: Operation) -> io::Result<MutexGuard<'_, State>> {
        let mut state = lock(&self.state);
        if state.life != self.life {
            return Err(io::Error::other("the file was open before the crash"));
        }
        if state.is_plain() {
            state.count(operation);
        } else {
            let path = state.inodes.get(&self.id).map_or_else(|| "".into(), |inode| inode.path.clone());
            state.begin(operation, &path)?;
        }
        Ok(state)
    }
}

impl File for SimulatedFile {
    fn size(&self) -> io::Result<u64> {
        let state = self.begin(Operation::Read)?;
        Ok(state.inode(self.id)?.bytes.len() as u64)
    }

    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.begin(Operation::Read)?;
        let bytes = &state.inode(self.id)?.bytes;
        let from = usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
        let count = buffer.len().min(bytes.len() - from);
        buffer[..count].copy_from_slice(&bytes[from..from + count]);
        Ok(count)
    }

    fn write_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        let mut guard = self.begin(Operation::Write)?;
        let state = &mut *guard;
        let inode = state.inodes.get_mut(&self.id).ok_or(io::ErrorKind::NotFound)?;
        let size = inode.bytes.len();
        let from = usize::try_from(position).map_err(io::Error::other)?;
        if from > size {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a write begins behind the end of the file",
            ));
        }
        let room = usize::try_from(state.capacity.saturating_sub(state.used)).unwrap_or(usize::MAX);
        let fits = bytes.len().min((size - from).saturating_add(room));
        inode.write(from, &bytes[..fits]);
        state.used += (inode.bytes.len() - size) as u64;
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        let mut guard = self.begin(Operation::Write)?;
        let state = &mut *guard;
        let inode = state.inodes.get_mut(&self.id).ok_or(io::ErrorKind::NotFound)?;
        let before = inode.bytes.len();
        let size = usize::try_from(size).map_err(io::Error::other)?;
        if size < before {
            inode.keep_durable(size);
            Arc::make_mut(&mut inode.bytes).truncate(size);
            state.used -= (before - size) as u64;
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.begin(Operation::Sync)?;
        let inode = state.inodes.get_mut(&self.id).ok_or(io::ErrorKind::NotFound)?;
        inode.durable = None;
        inode.synced = inode.bytes.len();
        Ok(())
    }

    fn sync_soon(&self) -> io::Result<()> {
        let defers = lock(&self.state).defers;
        if defers { Ok(()) } else { self.sync() }
    }
}

impl Drop for SimulatedFile {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if state.life == self.life
            && let Some(inode) = state.inodes.get_mut(&self.id)
        {
            inode.handles -= 1;
            if inode.handles == 0 {
                state.discard(self.id);
            }
        }
    }
}

impl Inode {
    fn write(&mut self, from: usize, bytes: &[u8]) {
        self.keep_durable(from);
        let all = Arc::make_mut(&mut self.bytes);
        let over = bytes.len().min(all.len() - from);
        all[from..from + over].copy_from_slice(&bytes[..over]);
        all.extend_from_slice(&bytes[over..]);
    }

    /// Keeps what is durable apart, if bytes from `from` on are about to change and some of them are durable.
    fn keep_durable(&mut self, from: usize) {
        if from < self.synced && self.durable.is_none() {
            let mut durable = self.bytes.clone();
            if durable.len() > self.synced {
                Arc::make_mut(&mut durable).truncate(self.synced);
            }
            self.durable = Some(durable);
        }
    }
}

impl State {
    /// Whether no operation can fail.
    fn is_plain(&self) -> bool {
        self.power == u64::MAX && self.failures.is_empty()
    }

    fn count(&mut self, operation: Operation) {
        let counts = &mut self.operations;
        *match operation {
            Operation::Read => &mut counts.reads,
            Operation::Write => &mut counts.writes,
            Operation::Sync => &mut counts.syncs,
            Operation::Name => &mut counts.names,
        } += 1;
    }

    /// Counts an operation, and fails it if it is to fail.
    fn begin(&mut self, operation: Operation, path: &str) -> io::Result<()> {
        self.count(operation);
        if self.power == 0 {
            return Err(io::Error::other("the power is gone"));
        }
        for failure in &mut self.failures {
            if failure.operation != operation || !path.starts_with(&failure.path) || failure.times == 0 {
                continue;
            }
            if failure.after > 0 {
                failure.after -= 1;
            } else {
                failure.times = if failure.times == u64::MAX { u64::MAX } else { failure.times - 1 };
                return Err(io::Error::other(format!("simulated failure: {operation:?}")));
            }
        }
        if self.power != u64::MAX && operation != Operation::Read {
            self.power -= 1;
        }
        Ok(())
    }

    fn inode(&self, id: u64) -> io::Result<&Inode> {
        self.inodes.get(&id).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn file(&self, path: &str) -> io::Result<u64> {
        match self.names.get(path) {
            Some(Entry::File(id)) => Ok(*id),
            Some(Entry::Directory) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn directory(&self, path: &str) -> io::Result<()> {
        match self.names.get(path) {
            _ if path.is_empty() => Ok(()),
            Some(Entry::Directory) => Ok(()),
            Some(Entry::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn change<'a>(&mut self, directory: &str, names: impl IntoIterator<Item = (&'a str, Option<Entry>)>) {
        let mut before = Vec::with_capacity(2);
        for (name, entry) in names {
            let name: Arc<str> = name.into();
            let was = match entry {
                Some(entry) => self.names.insert(name.clone(), entry),
                None => self.names.remove(&name),
            };
            before.push((name, was));
        }
        self.changes.push(Change { directory: directory.into(), before });
    }

    /// Makes everything durable.
    fn sync_all(&mut self) {
        for inode in self.inodes.values_mut() {
            inode.durable = None;
            inode.synced = inode.bytes.len();
        }
        let mut directories: Vec<Arc<str>> =
            self.changes.iter().map(|change| change.directory.clone()).collect();
        directories.dedup();
        directories.iter().for_each(|directory| self.settle(directory));
    }

    /// Makes the changes of a directory durable.
    fn settle(&mut self, directory: &str) {
        let (settled, open) = core::mem::take(&mut self.changes)
            .into_iter()
            .partition(|change| &*change.directory == directory);
        self.changes = open;
        for change in settled as Vec<Change> {
            for (_, entry) in change.before {
                if let Some(Entry::File(id)) = entry {
                    self.discard(id);
                }
            }
        }
    }

    /// Forgets a file that nobody can come to any more.
    fn discard(&mut self, id: u64) {
        let file = Some(Entry::File(id));
        let open = self.inodes.get(&id).is_none_or(|inode| inode.handles > 0);
        let named = || self.names.values().any(|entry| Some(*entry) == file);
        let changes = || self.changes.iter().flat_map(|change| &change.before);
        if open || named() || changes().any(|(_, entry)| *entry == file) {
            return;
        }
        if let Some(inode) = self.inodes.remove(&id) {
            self.used -= inode.bytes.len() as u64;
        }
    }
}
