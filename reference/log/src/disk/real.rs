//! A directory of the file system.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Disk, File, parent};

/// The file whose lock says that a process uses the directory: Kafka's name.
const LOCK: &str = ".lock";

/// What the name of a directory ends in that is being removed: Kafka's way.
const REMOVED: &str = ".0-delete";

/// A directory of the file system, locked against other processes.
#[derive(Debug, Clone)]
pub struct RealDisk {
    root: Arc<Root>,
}

#[derive(Debug)]
struct Root {
    path: PathBuf,
    /// What is to be synced soon is put off.
    defers: AtomicBool,
    /// Something was.
    deferred: AtomicBool,
    /// Held, and let go of with the last handle.
    _lock: fs::File,
}

/// A file of the file system.
#[derive(Debug)]
pub struct RealFile {
    file: fs::File,
    root: Arc<Root>,
}

impl Root {
    /// Whether something is put off now.
    fn defer(&self) -> bool {
        let defers = self.defers.load(Ordering::Acquire);
        if defers {
            self.deferred.store(true, Ordering::Release);
        }
        defers
    }
}

impl RealDisk {
    /// Uses a directory, which is made if it is not there.
    ///
    /// [`io::ErrorKind::WouldBlock`] if another process uses it.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        fs::create_dir_all(&path)?;
        let lock = fs::OpenOptions::new().create(true).truncate(false).write(true).open(path.join(LOCK))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::Error(error) => error,
            fs::TryLockError::WouldBlock => {
                let told = format!("{} is in use by another process", path.display());
                io::Error::new(io::ErrorKind::WouldBlock, told)
            }
        })?;
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().ends_with(REMOVED) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        let (defers, deferred) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self { root: Arc::new(Root { path, defers, deferred, _lock: lock }) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.root.path
    }

    fn at(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.path.clone() } else { self.root.path.join(path) }
    }
}

impl Disk for RealDisk {
    type File = RealFile;

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.at(directory))? {
            // Names of ours are ASCII; what is not cannot be one.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create_directory(&self, path: &str) -> io::Result<()> {
        fs::create_dir_all(self.at(path))
    }

    fn open(&self, path: &str) -> io::Result<RealFile> {
        let path = self.at(path);
        let file = match fs::OpenOptions::new().read(true).write(true).open(&path) {
            // Kafka takes the right to write from its snapshots.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => fs::File::open(&path)?,
            other => other?,
        };
        Ok(RealFile { file, root: self.root.clone() })
    }

    fn create(&self, path: &str) -> io::Result<RealFile> {
        let path = self.at(path);
        // A new file: who has the old one open keeps it as it was.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = fs::OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Ok(RealFile { file, root: self.root.clone() })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.at(from), self.at(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.at(path))
    }

    fn remove_directory(&self, path: &str) -> io::Result<()> {
        // All at once, as far as anybody can see: first it gets a name that says what it is.
        let removed = self.at(&format!("{path}{REMOVED}"));
        fs::rename(self.at(path), &removed)?;
        fs::File::open(self.at(parent(path)))?.sync_all()?;
        fs::remove_dir_all(removed)
    }

    fn sync_directory(&self, path: &str) -> io::Result<()> {
        fs::File::open(self.at(path))?.sync_all()
    }

    fn sync_directory_soon(&self, path: &str) -> io::Result<()> {
        if self.root.defer() { Ok(()) } else { self.sync_directory(path) }
    }

    fn begin_deferral(&self) {
        self.root.defers.store(true, Ordering::Release);
    }

    fn end_deferral(&self) -> io::Result<()> {
        self.root.defers.store(false, Ordering::Release);
        if self.root.deferred.swap(false, Ordering::AcqRel) { sync_all_of(&self.root.path) } else { Ok(()) }
    }
}

/// Makes durable what is in this directory, and with it all of its file system: one call, however much it is.
#[cfg(target_os = "linux")]
fn sync_all_of(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(fs::File::open(path)?)?)
}

/// Makes durable what is in this directory, one after the other.
#[cfg(not(target_os = "linux"))]
fn sync_all_of(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all_of(&entry.path())?;
        } else {
            fs::File::open(entry.path())?.sync_all()?;
        }
    }
    fs::File::open(path)?.sync_all()
}

impl File for RealFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], position + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, position)
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.file.set_len(size)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_soon(&self) -> io::Result<()> {
        if self.root.defer() { Ok(()) } else { self.sync() }
    }
}
