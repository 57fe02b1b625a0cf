//! What a log needs of a disk, and the two that there are.
//!
//! A [`Disk`] is one data directory: paths are relative to it, with `/` between their parts. What is durable after a crash of the
//! machine, and nothing else:
//! - bytes that a file held when [`File::sync`] returned;
//! - names (of new, renamed and removed files) of a directory when [`Disk::sync_directory`] returned.
//!
//! A rename within a directory is atomic: after a crash either the old file or the new one has the name. [`replace`] makes the whole
//! of a small file so.

mod real;
mod simulated;

use std::fmt;
use std::io;

pub use real::{RealDisk, RealFile};
pub use simulated::{Failure, Loss, Operation, Operations, SimulatedDisk, SimulatedFile};

/// A data directory. Clones are handles of the same.
pub trait Disk: fmt::Debug + Clone + Send + Sync + 'static {
    /// An open file.
    type File: File;

    /// The names in a directory, of files and of directories, sorted.
    fn list(&self, directory: &str) -> io::Result<Vec<String>>;

    /// Makes a directory, and those above it. Not durable before [`Disk::sync_directory`] of the one above. Fine if it is there.
    fn create_directory(&self, path: &str) -> io::Result<()>;

    /// Opens a file that is there, for reading and writing.
    fn open(&self, path: &str) -> io::Result<Self::File>;

    /// Makes a new file, empty, and forgets what had this name.
    fn create(&self, path: &str) -> io::Result<Self::File>;

    /// Gives a file another name in the same directory, and forgets what had that.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. Whoever has it open can still read it.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Removes a directory and all that is in it.
    fn remove_directory(&self, path: &str) -> io::Result<()>;

    /// Makes the names in a directory durable. The data directory itself is `""`.
    fn sync_directory(&self, path: &str) -> io::Result<()>;

    /// As [`Disk::sync_directory`], though not before [`Disk::end_deferral`] if there is one.
    fn sync_directory_soon(&self, path: &str) -> io::Result<()>;

    /// From now on until [`Disk::end_deferral`] what is to be synced soon is not: for who has much to sync, and relies on none of it
    /// before all is.
    fn begin_deferral(&self);

    /// Makes everything durable that was put off, all at once.
    fn end_deferral(&self) -> io::Result<()>;
}

/// An open file. All methods may be called by several threads; who reads what another just writes gets the one or the other.
pub trait File: fmt::Debug + Send + Sync + 'static {
    /// How many bytes it holds.
    fn size(&self) -> io::Result<u64>;

    /// Reads from `position` on, until the buffer is full or the file ends. How many bytes were read.
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `bytes` at `position`, which is at most the file's size.
    fn write_at(&self, position: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file to `size`.
    fn truncate(&self, size: u64) -> io::Result<()>;

    /// Makes the bytes durable.
    fn sync(&self) -> io::Result<()>;

    /// As [`File::sync`], though not before [`Disk::end_deferral`] if there is one.
    fn sync_soon(&self) -> io::Result<()>;
}

/// The whole of a file; `None` if there is no such file. Refused if it holds more than `size_max` bytes.
pub fn read_whole<D: Disk>(disk: &D, path: &str, size_max: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let size = file.size()?;
    if size > size_max {
        let told = format!("{size} bytes, expected at most {size_max}");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, told));
    }
    let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
    let read = file.read_at(0, &mut bytes)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

/// Makes `bytes` the whole of a file, durably and atomically: after a crash at any moment it holds all of the old or all of the new.
pub fn replace<D: Disk>(disk: &D, path: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = format!("{path}{TEMPORARY}");
    let file = disk.create(&temporary)?;
    file.write_at(0, bytes)?;
    file.sync()?;
    disk.rename(&temporary, path)?;
    disk.sync_directory(parent(path))
}

/// As [`replace`], though durable not before [`Disk::end_deferral`] if there is one: after a crash before that the file holds all of the old, all or a
/// part of the new, or is not there. For what can be made anew.
pub fn replace_soon<D: Disk>(disk: &D, path: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = format!("{path}{TEMPORARY}");
    let file = disk.create(&temporary)?;
    file.write_at(0, bytes)?;
    file.sync_soon()?;
    disk.rename(&temporary, path)?;
    disk.sync_directory_soon(parent(path))
}

/// What the names of files end in while they are being written.
pub const TEMPORARY: &str = ".tmp";

/// The directory of a path; `""` for the data directory.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// The path of `name` in `directory`.
pub fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}
