//! A node as a process: started, told, waited for.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;

/// So much of a log is told of a node that ended by itself.
const TAIL_MAX: u64 = 2_000;

/// What became of a process.
#[derive(Debug)]
pub(crate) struct News {
    /// Whose.
    pub(crate) node: i32,
    /// Its which process: a node has several, one after the other.
    pub(crate) generation: u64,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    /// It said that it serves.
    Serves,
    /// It ended.
    Ended(io::Result<ExitStatus>),
    /// It was told to stop, and has taken too long.
    Overdue,
}

/// A process that runs, or did until lately.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    signals: mpsc::UnboundedSender<Signal>,
}

impl Process {
    /// Starts `program broker FILE`, which writes its standard error to `log`.
    ///
    /// The process is in a group of its own, so that Ctrl-C is not its; and it ends when this one is gone, since its standard input ends then.
    pub(crate) fn start(
        program: &Path,
        file: &Path,
        log: &Path,
        (node, generation): (i32, u64),
        news: mpsc::UnboundedSender<News>,
    ) -> io::Result<Self> {
        let log = OpenOptions::new().create(true).append(true).open(log)?;
        let mut child = Command::new(program)
            .args(["broker", "--until-end-of-input"])
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let input = child.stdin.take();
        let output = child.stdout.take();
        let pid = child.id().unwrap_or(0);
        let (signals, told) = mpsc::unbounded_channel();
        tokio::spawn(attend(child, input, output, told, (node, generation), news));
        Ok(Self { pid, signals })
    }

    /// Sends it a signal, unless it has ended.
    pub(crate) fn signal(&self, signal: Signal) {
        // Who has ended takes none.
        let _ = self.signals.send(signal);
    }
}

/// Waits for a process, and tells what becomes of it. Signals go from here: as long as nobody has waited for it, its id is no other's.
async fn attend(
    mut child: Child,
    _input: Option<ChildStdin>,
    output: Option<ChildStdout>,
    mut signals: mpsc::UnboundedReceiver<Signal>,
    (node, generation): (i32, u64),
    news: mpsc::UnboundedSender<News>,
) {
    let mut lines = output.map(|output| BufReader::new(output).lines());
    // Nobody listens any more once the cluster has stopped.
    let tell = |what| drop(news.send(News { node, generation, what }));
    loop {
        tokio::select! {
            biased;
            signal = signals.recv() => match signal {
                Some(signal) => send(&child, signal),
                None => return,
            },
            line = next(&mut lines), if lines.is_some() => match line {
                Some(line) if line.contains(" serves ") => tell(What::Serves),
                Some(_) => {}
                None => lines = None,
            },
            ended = child.wait() => {
                tell(What::Ended(ended));
                return;
            }
        }
    }
}

async fn next(lines: &mut Option<tokio::io::Lines<BufReader<ChildStdout>>>) -> Option<String> {
    match lines {
        Some(lines) => lines.next_line().await.ok().flatten(),
        None => None,
    }
}

fn send(child: &Child, signal: Signal) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended in this moment.
        let _ = kill_process(pid, signal);
    }
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_MAX)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let whole = if length > TAIL_MAX { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &text };
    Ok(whole.trim_end().to_owned())
}
