//! A lane: one connection to one peer, made anew when it breaks.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use highwater_core::NodeId;
use highwater_node::message::{Input, PeerRequest};
use highwater_wire::header::correlation_of;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::{Lane, Sending, Shared};
use crate::connection::frames::{Incoming, Outgoing};
use crate::runtime::Stopped;
use crate::translate;

/// No answer of another node is longer.
const RESPONSE_MAX: usize = 1 << 30;

/// How long what a node that stopped still wanted sent may take.
const LAST_WORDS_MAX: Duration = Duration::from_millis(300);

/// A request that was sent.
struct Sent {
    correlation: u64,
    /// As the connection counts.
    number: i32,
    request: PeerRequest,
    deadline: Instant,
}

/// Why a connection is of no more use.
enum Broken {
    /// It says why.
    Because(String),
    /// The node has stopped: there is nobody to tell.
    Stopped,
}

impl From<Stopped> for Broken {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

/// Serves a lane until the node has stopped.
pub(super) async fn run(
    shared: Arc<Shared>,
    to: NodeId,
    lane: Lane,
    mut requests: mpsc::UnboundedReceiver<Sending>,
) {
    // Each reason once, until it works again.
    let mut told: Option<String> = None;
    while let Some(first) = requests.recv().await {
        let mut connection = Connection { sent: VecDeque::new(), next: 0, out: Outgoing::default() };
        let broken = match connect(&shared, to, lane).await {
            Ok(mut stream) => {
                told = None;
                connection.talk(&shared, &mut stream, first, &mut requests).await
            }
            Err(why) => {
                // What came meanwhile is as late as this: the node asks again in its own time.
                let mut next = Some(first);
                while let Some(late) = next {
                    if fail(&shared, late.correlation).await.is_err() {
                        return;
                    }
                    next = requests.try_recv().ok();
                }
                Err(Broken::Because(why))
            }
        };
        match broken {
            Ok(()) | Err(Broken::Stopped) => return,
            Err(Broken::Because(why)) => {
                if told.as_ref() != Some(&why) {
                    tracing::info!(peer = to.0, ?lane, "no connection: {why}");
                    told = Some(why);
                }
            }
        }
        for sent in connection.sent {
            if fail(&shared, sent.correlation).await.is_err() {
                return;
            }
        }
    }
}

async fn fail(shared: &Shared, correlation: u64) -> Result<(), Stopped> {
    shared.node.tell(Input::Failed { correlation }).await
}

/// Connects to where the peer is now.
async fn connect(shared: &Shared, to: NodeId, lane: Lane) -> Result<TcpStream, String> {
    let (host, port) = address(shared, to, lane).await?;
    let connecting = timeout(shared.connection_setup_timeout, TcpStream::connect((host.as_str(), port)));
    let stream = match connecting.await {
        Ok(connected) => connected.map_err(|error| format!("connecting to {host}:{port}: {error}"))?,
        Err(_) => {
            let within = shared.connection_setup_timeout;
            return Err(format!("connecting to {host}:{port}: no answer within {within:?}"));
        }
    };
    stream.set_nodelay(true).map_err(|error| format!("setting TCP_NODELAY: {error}"))?;
    Ok(stream)
}

async fn address(shared: &Shared, to: NodeId, lane: Lane) -> Result<(String, u16), String> {
    if lane != Lane::ReplicaFetch {
        let voter = shared.voters.get(&to).cloned();
        return voter.ok_or_else(|| format!("node {} is none of controller.quorum.voters", to.0));
    }
    let name = shared.inter_broker.clone().unwrap_or_default();
    let found = shared.node.look(move |node| {
        let broker = node.image().brokers().get(&to)?;
        let endpoint = broker.endpoints.iter().find(|endpoint| endpoint.name == name)?;
        Some((endpoint.host.clone(), endpoint.port))
    });
    let found = found.await.map_err(|stopped| stopped.to_string())?;
    found.ok_or_else(|| format!("broker {} has registered no listener that brokers use", to.0))
}

/// What is under way on a connection.
struct Connection {
    /// In the order in which they were sent, which is that of the answers.
    sent: VecDeque<Sent>,
    next: i32,
    out: Outgoing,
}

impl Connection {
    /// Sends and receives until the connection breaks; or until the node has stopped, which is no error.
    async fn talk(
        &mut self,
        shared: &Shared,
        stream: &mut TcpStream,
        first: Sending,
        requests: &mut mpsc::UnboundedReceiver<Sending>,
    ) -> Result<(), Broken> {
        self.send(shared, first).await?;
        let (mut reader, mut writer) = stream.split();
        let mut incoming = Incoming::new(RESPONSE_MAX);
        loop {
            let patience = self.sent.front().map(|sent| sent.deadline);
            tokio::select! {
                biased;
                request = requests.recv() => match request {
                    Some(request) => self.send(shared, request).await?,
                    // Its last words may be that it resigns.
                    None => return self.flush(&mut writer).await,
                },
                written = write(&mut writer, &mut self.out), if self.out.has_remaining() => {
                    written.map_err(|error| Broken::Because(format!("writing: {error}")))?;
                }
                read = read(&mut reader, &mut incoming) => {
                    read.map_err(|error| Broken::Because(format!("reading: {error}")))?;
                    while let Some(frame) = incoming.next().map_err(|bad| Broken::Because(bad.to_string()))? {
                        self.receive(shared, frame).await?;
                    }
                }
                () = until(patience), if patience.is_some() => {
                    return Err(Broken::Because("no answer in time".to_owned()));
                }
            }
        }
    }

    async fn flush(&mut self, writer: &mut WriteHalf<'_>) -> Result<(), Broken> {
        let written = timeout(LAST_WORDS_MAX, writer.write_all_buf(&mut self.out)).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Broken::Because(format!("writing: {error}"))),
            Err(_) => Err(Broken::Because("the last requests were not taken in time".to_owned())),
        }
    }

    async fn send(&mut self, shared: &Shared, sending: Sending) -> Result<(), Broken> {
        let Sending { correlation, request } = sending;
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        match translate::encode(&request, &shared.speaker, number) {
            Ok(frame) => {
                self.out.push(frame.pieces);
                let deadline = Instant::now() + shared.patience.with(&request);
                self.sent.push_back(Sent { correlation, number, request, deadline });
            }
            Err(error) => {
                tracing::error!("a request to another node was not sent: {error}");
                fail(shared, correlation).await?;
            }
        }
        Ok(())
    }

    /// Takes an answer, which is that to the oldest request.
    async fn receive(&mut self, shared: &Shared, frame: Bytes) -> Result<(), Broken> {
        let Some(sent) = self.sent.pop_front() else {
            return Err(Broken::Because("an answer that nobody asked for".to_owned()));
        };
        let found = correlation_of(&frame);
        if found != Ok(sent.number) {
            fail(shared, sent.correlation).await?;
            return Err(Broken::Because("an answer to something else".to_owned()));
        }
        let input = match translate::decode(&sent.request, frame) {
            Ok(response) => Input::Response { correlation: sent.correlation, response },
            Err(error) => {
                tracing::warn!("dropped an answer of another node: {error}");
                Input::Failed { correlation: sent.correlation }
            }
        };
        Ok(shared.node.tell(input).await?)
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => tokio::time::sleep(Duration::MAX).await,
    }
}

async fn write(writer: &mut WriteHalf<'_>, out: &mut Outgoing) -> io::Result<()> {
    match writer.write_buf(out).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        _ => Ok(()),
    }
}

async fn read(reader: &mut ReadHalf<'_>, incoming: &mut Incoming) -> io::Result<()> {
    match reader.read_buf(incoming.room()).await? {
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the other end closed the connection")),
        _ => Ok(()),
    }
}
