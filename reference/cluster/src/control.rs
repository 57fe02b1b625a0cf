//! Orders to a running cluster: one line of JSON each over a Unix socket in its directory, answered by one line.
//!
//! ```text
//! {"command":"kill","node":1}           → {"ok":true,"done":"node 1: killed"}
//! {"command":"heal","between":[1,2]}    → {"ok":true,"done":"link between 1 and 2: healed"}
//! {"command":"stop","node":9}           → {"ok":false,"error":"found node 9, expected one of [1,2,3]"}
//! ```

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use crate::ClusterError;
use crate::state::ClusterState;

/// No order is longer.
const ORDER_MAX: u64 = 64 << 10;

/// No answer takes longer; a stop takes longest.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// What a cluster can be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Kill a node with SIGKILL.
    Kill {
        /// Which.
        node: i32,
    },
    /// Stop a node in good order.
    Stop {
        /// Which.
        node: i32,
    },
    /// Start a node that does not run.
    Start {
        /// Which.
        node: i32,
    },
    /// Pause a node with SIGSTOP.
    Pause {
        /// Which.
        node: i32,
    },
    /// Let a paused node go on.
    Resume {
        /// Which.
        node: i32,
    },
    /// Cut the link between two nodes.
    Cut {
        /// The one.
        node: i32,
        /// The other.
        other: i32,
    },
    /// Cut what goes to a node from another.
    CutFrom {
        /// Who hears nothing any more.
        node: i32,
        /// Of whom.
        from: i32,
    },
    /// Cut all links of a node.
    Isolate {
        /// Which.
        node: i32,
    },
    /// Heal links.
    Heal {
        /// That between these; all if there are none.
        between: Option<(i32, i32)>,
    },
    /// Say how the cluster is.
    Status,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Whether it was done.
    pub ok: bool,
    /// What was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<String>,
    /// Why it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How the cluster is, if that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ClusterState>,
}

impl Done {
    pub(crate) fn saying(what: String) -> Self {
        Self { ok: true, done: Some(what), error: None, status: None }
    }

    pub(crate) fn refused(why: String) -> Self {
        Self { ok: false, done: None, error: Some(why), status: None }
    }

    pub(crate) fn status(state: ClusterState) -> Self {
        Self { ok: true, done: None, error: None, status: Some(state) }
    }
}

/// A command, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) command: Command,
    pub(crate) reply: oneshot::Sender<Done>,
}

/// The socket of the cluster in a directory.
pub(crate) fn socket(directory: &Path) -> PathBuf {
    directory.join("control.sock")
}

/// Listens for orders. Who calls this holds the directory, so that a socket which is there is nobody's.
pub(crate) fn listen(directory: &Path) -> Result<UnixListener, ClusterError> {
    let path = socket(directory);
    let failed = |error: &io::Error| {
        ClusterError::Refused(format!(
            "{}: cannot listen for orders there: {error}. Name a directory with --dir that can be written and has a short path.",
            path.display()
        ))
    };
    match fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(&error)),
    }
    UnixListener::bind(&path).map_err(|error| failed(&error))
}

/// Takes orders until its task ends.
pub(crate) async fn serve(listener: UnixListener, orders: mpsc::Sender<Order>) {
    while let Ok((stream, _)) = listener.accept().await {
        let orders = orders.clone();
        tokio::spawn(async move {
            // Who orders sees that its connection ends.
            let _ = converse(stream, orders).await;
        });
    }
}

async fn converse(stream: UnixStream, orders: mpsc::Sender<Order>) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = tokio::io::BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        if (&mut reader).take(ORDER_MAX).read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let done = match serde_json::from_slice(&line) {
            Ok(command) => {
                let (reply, answer) = oneshot::channel();
                let stopped = || Done::refused("the cluster stops".to_owned());
                match orders.send(Order { command, reply }).await {
                    Ok(()) => answer.await.unwrap_or_else(|_| stopped()),
                    Err(_) => stopped(),
                }
            }
            Err(error) => Done::refused(format!(
                "found {:?} ({error}), expected an order such as {{\"command\":\"kill\",\"node\":1}}",
                String::from_utf8_lossy(&line).trim_end()
            )),
        };
        let mut answer = serde_json::to_vec(&done)?;
        answer.push(b'\n');
        writer.write_all(&answer).await?;
        if !line.ends_with(b"\n") {
            // It was cut off: what follows is no order.
            return Ok(());
        }
    }
}

/// Gives an order to the cluster that runs in a directory.
///
/// # Errors
/// If none runs there, or it refuses.
pub fn order(directory: &Path, command: &Command) -> Result<Done, ClusterError> {
    let place = directory.display();
    let path = socket(directory);
    let stream = StdUnixStream::connect(&path).map_err(|error| {
        ClusterError::Refused(format!(
            "{}: found no cluster that runs there ({error}). Start it with `highwater cluster --dir {place}`.",
            path.display()
        ))
    })?;
    let failed = |error: io::Error| ClusterError::Failed(format!("{}: no answer: {error}", path.display()));
    stream.set_read_timeout(Some(ANSWER_MAX)).map_err(failed)?;
    let mut line = serde_json::to_vec(command).map_err(|error| failed(error.into()))?;
    line.push(b'\n');
    (&stream).write_all(&line).map_err(failed)?;
    let mut answer = String::new();
    BufReader::new(&stream).read_line(&mut answer).map_err(failed)?;
    let done: Done = serde_json::from_str(&answer).map_err(|error| failed(error.into()))?;
    match &done.error {
        Some(why) => Err(ClusterError::Refused(why.clone())),
        None => Ok(done),
    }
}
