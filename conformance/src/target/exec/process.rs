//! An adapter's process: started, asked, watched, ended.
//!
//! Whatever the other side does, a request comes back within its time limit, and what it costs is bounded: lines are written and read by threads of
//! their own, a line has a longest length, a reader that is not listened to stops reading, and of standard error the last part is kept.
//!
//! **Ended** means the whole process group, by SIGKILL, before the child is waited for: so no number is used that the kernel may have given to another.
//! It happens when an adapter misbehaves, when the last handle on it is dropped, also by a panic, and in [`end_all`].
//!
//! **Not here**: a descendant that moves to a process group of its own is beyond reach.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde_json::Value as Json;

use super::protocol::{Act, Error, Request, read_answer};

/// How long an adapter may take, and how much it may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For the answer to a request.
    pub answer: Duration,
    /// For the answer to `hello`, which takes a start of the process.
    pub hello: Duration,
    /// For its end after `bye`.
    pub bye: Duration,
    /// The longest line, in bytes.
    pub line_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(10),
            hello: Duration::from_secs(30),
            bye: Duration::from_secs(2),
            line_bytes_max: 4 << 20,
        }
    }
}

/// What an adapter did that the protocol does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misbehaviour {
    /// The line that was sent; empty if none was.
    pub sent: String,
    /// What came of it.
    pub came: String,
    /// What was expected.
    pub expected: String,
    /// The last lines of its standard error.
    pub log: Vec<String>,
}

impl Misbehaviour {
    /// What was found, for a report: what was sent, what came, and the last words on standard error.
    pub fn found(&self) -> String {
        let mut found = self.came.clone();
        if !self.sent.is_empty() {
            found = format!("{found}, to {}", self.sent);
        }
        if !self.log.is_empty() {
            found = format!("{found}; its standard error ends in: {}", self.log.join(" | "));
        }
        found
    }
}

impl fmt::Display for Misbehaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "found {}, expected {}", self.found(), self.expected)
    }
}

impl std::error::Error for Misbehaviour {}

/// A request and its answer.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    /// The line sent.
    pub(super) sent: String,
    /// The line that came, as far as it is shown.
    pub(super) came: String,
    /// What it says.
    pub(super) answer: Result<Json, Error>,
}

/// The groups that are alive.
static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Kills all adapters of this process, with their descendants: for whoever is told to end and will not unwind.
pub fn end_all() {
    for group in lock(&GROUPS).iter() {
        kill_group(*group);
    }
}

fn kill_group(group: i32) {
    if let Some(pid) = Pid::from_raw(group) {
        // It fails if none of the group is left, which is what is wanted.
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

/// An adapter that runs, or did.
pub(super) struct Process {
    child: Child,
    limits: Limits,
    requests: Option<Sender<Vec<u8>>>,
    heard: Receiver<Heard>,
    errors: Arc<Errors>,
    last: u64,
    /// Why nothing more is asked of it.
    ended: Option<Misbehaviour>,
}

impl Process {
    /// Starts `sh -c COMMAND`.
    pub(super) fn start(command: &str, limits: Limits) -> Result<Self, Misbehaviour> {
        let cannot = |error: &dyn fmt::Display| Misbehaviour {
            sent: String::new(),
            came: format!("that sh -c {command:?} cannot be started: {error}"),
            expected: "a program that can be".to_owned(),
            log: Vec::new(),
        };
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| cannot(&error))?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (requests, to_write) = channel::<Vec<u8>>();
        // So few that an adapter that never stops is stopped by its own pipe.
        let (to_hear, heard) = sync_channel(4);
        let errors = Arc::new(Errors::default());
        let process = Self { child, limits, requests: Some(requests), heard, errors, last: 0, ended: None };
        lock(&GROUPS).insert(process.group());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            return Err(cannot(&"it has no pipes"));
        };
        thread::spawn(move || {
            // A pipe that is closed shows on the other side: no answer comes.
            while let Ok(line) = to_write.recv() {
                if stdin.write_all(&line).and_then(|()| stdin.flush()).is_err() {
                    break;
                }
            }
        });
        thread::spawn(move || hear(stdout, limits.line_bytes_max, &to_hear));
        let errors = process.errors.clone();
        thread::spawn(move || errors.read(stderr));
        Ok(process)
    }

    pub(super) fn group(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Whether it has misbehaved or ended, so that another has to be started.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Sends a request and waits for its answer.
    pub(super) fn ask(&mut self, act: Act) -> Result<Exchange, Misbehaviour> {
        if let Some(ended) = &self.ended {
            return Err(ended.clone());
        }
        let within = match act {
            Act::Hello { .. } => self.limits.hello,
            Act::Bye => self.limits.bye,
            _ => self.limits.answer,
        };
        self.last += 1;
        let id = self.last;
        let sent = serde_json::to_string(&Request { id, act })
            .map_err(|error| self.misbehaves("", format!("{error}"), "a request that can be written"))?;
        match self.heard.try_recv() {
            Err(TryRecvError::Empty) => {}
            Ok(Heard::Closed(None)) => return Err(self.closed(&sent)),
            Ok(heard) => {
                let came = format!("{} before anything was asked", self.told(heard));
                return Err(self.misbehaves(&sent, came, "an answer to each request, and nothing else"));
            }
            Err(TryRecvError::Disconnected) => return Err(self.closed(&sent)),
        }
        let request = format!("{sent}\n").into_bytes();
        // If nobody writes any more, no answer comes, and that is told.
        let _ = self.requests.as_ref().map(|requests| requests.send(request));
        match self.heard.recv_timeout(within) {
            Ok(Heard::Line(line)) => match read_answer(&line, id) {
                Ok(answer) => Ok(Exchange { sent, came: shown(&line), answer }),
                Err(expected) => Err(self.misbehaves(&sent, shown(&line), &expected)),
            },
            Ok(Heard::Closed(None)) | Err(RecvTimeoutError::Disconnected) => Err(self.closed(&sent)),
            Ok(heard) => {
                let came = self.told(heard);
                Err(self.misbehaves(&sent, came, "an answer, in one line"))
            }
            Err(RecvTimeoutError::Timeout) => {
                let expected = format!("an answer within {within:?}");
                Err(self.misbehaves(&sent, "nothing".to_owned(), &expected))
            }
        }
    }

    /// Says goodbye and waits for its end.
    pub(super) fn bye(&mut self) -> Result<(Exchange, ExitStatus), Misbehaviour> {
        let exchange = self.ask(Act::Bye)?;
        self.requests = None;
        if !self.ends_within(self.limits.bye) {
            let expected = format!("its end within {:?} of its last answer", self.limits.bye);
            return Err(self.misbehaves(&exchange.sent, "a process that still runs".to_owned(), &expected));
        }
        let ended =
            self.misbehaves(&exchange.sent, "the end of the adapter".to_owned(), "no request after bye");
        match self.child.wait() {
            Ok(status) => Ok((exchange, status)),
            Err(_) => Err(ended),
        }
    }

    /// Notes what it did, and ends it.
    pub(super) fn misbehaves(&mut self, sent: &str, came: String, expected: &str) -> Misbehaviour {
        self.end();
        let log = self.errors.last_lines();
        let misbehaviour = Misbehaviour { sent: shown(sent), came, expected: expected.to_owned(), log };
        self.ended = Some(Misbehaviour {
            came: format!("an adapter that was ended, since there was {}", misbehaviour.came),
            ..misbehaviour.clone()
        });
        misbehaviour
    }

    /// Its standard output is closed: it has ended, or is about to, or will not speak again.
    fn closed(&mut self, sent: &str) -> Misbehaviour {
        let by_itself = self.ends_within(Duration::from_millis(500));
        self.end();
        let came = match self.child.wait() {
            Ok(status) if by_itself => format!("the end of the adapter ({status})"),
            _ => "the end of its standard output, from a process that still ran".to_owned(),
        };
        self.misbehaves(sent, came, "an answer")
    }

    /// Whether the process ends by itself within a time. It is not waited for, so that its number stays its own.
    fn ends_within(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        loop {
            let pid = Pid::from_raw(self.group());
            match pid.map(|pid| waitid(WaitId::Pid(pid), options)) {
                Some(Ok(None)) if Instant::now() < deadline => thread::sleep(Duration::from_millis(2)),
                Some(Ok(None)) => return false,
                // It cannot be waited for any more: it has ended.
                _ => return true,
            }
        }
    }

    fn end(&mut self) {
        self.requests = None;
        if lock(&GROUPS).remove(&self.group()) {
            kill_group(self.group());
            let _ = self.child.wait();
            self.errors.wait(Duration::from_secs(1));
        }
    }

    fn told(&mut self, heard: Heard) -> String {
        match heard {
            Heard::Line(line) => shown(&line),
            Heard::Bytes(line) => format!("a line that is no UTF-8, {}", shown(&line)),
            Heard::Unfinished(line) => format!("a line without its end, {}", shown(&line)),
            Heard::TooLong(line) => {
                format!("a line of more than {} bytes, {}", self.limits.line_bytes_max, shown(&line))
            }
            Heard::Closed(None) => "the end of its standard output".to_owned(),
            Heard::Closed(Some(error)) => format!("that its standard output cannot be read, {error}"),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.is_none() && !thread::panicking() {
            // In good order if it can; it is ended either way, and there is nobody to tell.
            let _ = self.bye();
        }
        self.end();
    }
}

/// What comes on standard output.
enum Heard {
    Line(String),
    /// The line as far as it can be shown.
    Bytes(String),
    Unfinished(String),
    TooLong(String),
    /// Nothing more; the error, if it was one.
    Closed(Option<String>),
}

/// Reads lines and passes them on, until one is none. Nobody listens any more once the process is ended.
fn hear(from: impl Read, bytes_max: usize, to: &SyncSender<Heard>) {
    let mut from = BufReader::new(from);
    loop {
        let mut line = Vec::new();
        let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
        let result = from.by_ref().take(limit).read_until(b'\n', &mut line);
        let is_whole = line.pop_if(|last| *last == b'\n').is_some();
        let text =
            |line: &[u8]| String::from_utf8_lossy(&line[..line.len().min(EXCERPT_MAX * 4)]).into_owned();
        let (heard, is_last) = match result {
            Err(error) => (Heard::Closed(Some(error.to_string())), true),
            Ok(0) => (Heard::Closed(None), true),
            Ok(_) if !is_whole && line.len() > bytes_max => (Heard::TooLong(text(&line)), true),
            Ok(_) if !is_whole => (Heard::Unfinished(text(&line)), true),
            Ok(_) => match String::from_utf8(line) {
                Ok(line) => (Heard::Line(line), false),
                Err(error) => (Heard::Bytes(text(error.as_bytes())), true),
            },
        };
        if to.send(heard).is_err() || is_last {
            return;
        }
    }
}

/// So many bytes of standard error are kept.
const ERRORS_MAX: usize = 8_192;
/// So many lines of it are told.
const LOG_LINES_MAX: usize = 12;

/// The end of what came on standard error.
#[derive(Default)]
struct Errors {
    kept: Mutex<VecDeque<u8>>,
    is_done: AtomicBool,
}

impl Errors {
    fn read(&self, mut from: impl Read) {
        let mut chunk = [0; 4_096];
        loop {
            match from.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => {
                    let mut kept = lock(&self.kept);
                    kept.extend(&chunk[..count]);
                    let over = kept.len().saturating_sub(ERRORS_MAX);
                    kept.drain(..over);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.is_done.store(true, Ordering::Release);
    }

    /// Waits until nobody can write any more: soon after the group was killed.
    fn wait(&self, time: Duration) {
        let deadline = Instant::now() + time;
        while !self.is_done.load(Ordering::Acquire) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn last_lines(&self) -> Vec<String> {
        let kept: Vec<u8> = lock(&self.kept).iter().copied().collect();
        let text = String::from_utf8_lossy(&kept);
        let lines: Vec<String> = text.lines().filter(|line| !line.trim().is_empty()).map(shown).collect();
        lines[lines.len().saturating_sub(LOG_LINES_MAX)..].to_vec()
    }
}

/// So many characters of a line are shown.
const EXCERPT_MAX: usize = 400;

/// A line as a report shows it: not too long, and without what a terminal would obey.
pub(super) fn shown(line: &str) -> String {
    let clean = |c: char| if c.is_control() { c.escape_default().collect() } else { c.to_string() };
    let mut shown: String = line.chars().take(EXCERPT_MAX).map(clean).collect();
    if line.chars().nth(EXCERPT_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// Locks, though another thread may have panicked meanwhile: what is kept here is whole at any time.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
