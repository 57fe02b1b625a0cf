//! A node as a process, which ends with this one, whatever way that ends.
//!
//! A broker is started by a shell that first leaves a guard behind, and then becomes the broker:
//!
//! ```text
//! suite ──stdin──► guard: reads until the end, kills the broker, removes its files
//!                  broker: the shell's own process id, and leader of the process group of both
//! ```
//! The guard's input ends when the suite does, even by `kill -9`. Where the suite itself ends a broker, it ends the group, guard and all.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// `$0` is what is removed, the rest is the broker's command. A background list would have no input without the third descriptor.
const GUARDED: &str = r#"exec 3<&0 </dev/null
( exec >/dev/null 2>&1; cat <&3; kill -KILL $$; rm -rf -- "$0" || rm -rf -- "$0" ) &
exec "$@" 3<&-"#;

/// So much of a log is told of a node that ended by itself.
const TAIL_MAX: u64 = 3_000;

/// Between two looks at whether a process has ended.
const LOOK: Duration = Duration::from_millis(10);

/// A process that was started, and not waited for yet.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pid: Pid,
    /// Its end tells the guard that the suite is gone.
    guard: Option<ChildStdin>,
}

impl Process {
    /// Starts `command` by way of `launcher` (`nsenter --net=…`, or nothing). What it says goes to the end of `log`; `home` is removed should
    /// the suite end before it.
    pub(crate) fn start(
        launcher: &[String],
        command: &[OsString],
        home: &Path,
        log: &Path,
    ) -> io::Result<Self> {
        let out = OpenOptions::new().create(true).append(true).open(log)?;
        let words = launcher.iter().map(OsString::from).chain(["sh", "-c", GUARDED].map(OsString::from));
        let mut words = words.chain([home.into()]).chain(command.iter().cloned());
        let mut shell = Command::new(words.next().unwrap_or_default());
        shell.args(words).stdin(Stdio::piped()).stdout(out.try_clone()?).stderr(out).process_group(0);
        let mut child = shell.spawn()?;
        // Whoever waits for a child closes its input, if the child still has it.
        let guard = child.stdin.take();
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("the process has no id"))?;
        Ok(Self { child, pid, guard })
    }

    /// How it ended, if it did by itself.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        if status.is_some() {
            // The guard is in the group still, so that its number is no other's.
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
        Ok(status)
    }

    /// Sends the broker a signal; not its guard.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(self.pid, signal)?)
    }

    /// `kill -9`: it has ended when this returns.
    pub(crate) fn kill(mut self) -> io::Result<()> {
        kill_process_group(self.pid, Signal::KILL)?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits so long until it has ended. How it ended; nothing if it did not and had to be killed.
    pub(crate) fn stop(mut self, within: Duration) -> io::Result<Option<ExitStatus>> {
        self.signal(Signal::TERM)?;
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The guard is to end with the broker, not after it.
        let guard = self.guard.take();
        // Who has ended already is no error.
        if let Ok(None) = self.child.try_wait() {
            let _ = kill_process_group(self.pid, Signal::KILL);
            let _ = self.child.wait();
        }
        drop(guard);
    }
}

/// The last lines of a log; what is wrong with it, if it cannot be read.
pub(crate) fn tail(log: &Path) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_MAX)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_MAX).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    };
    read().unwrap_or_else(|error| format!("{} cannot be read: {error}", log.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broker_and_its_files_end_with_the_suite() {
        let home = tempfile::tempdir().expect("a directory");
        let logs = tempfile::tempdir().expect("a directory");
        let command = ["sleep", "600"].map(OsString::from);
        let started = Process::start(&[], &command, home.path(), &logs.path().join("log"));
        let mut process = started.expect("it starts");
        assert_eq!(process.ended().expect("its state"), None);
        // As when the suite is killed: the system closes what it had open.
        process.guard = None;
        let deadline = Instant::now() + Duration::from_secs(30);
        // The broker goes first, and is seen here; its files go next, unless this ends the guard before.
        while process.child.try_wait().expect("its state").is_none() || home.path().exists() {
            assert!(Instant::now() < deadline, "the broker or its files are still there");
            std::thread::sleep(LOOK);
        }
    }
}
