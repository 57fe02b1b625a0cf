//! Listeners: sockets that connections come in at, and how many may.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::Stage;
use super::exchange::{self, End, Terms};
use super::reasons::Reasons;
use crate::api::{Client, Context, ListenerKind};
use crate::config::Limits;

/// When the other end of a silent connection is asked whether it is still there: a half-open connection ends some minutes later.
const KEEPALIVE: Duration = Duration::from_secs(120);

/// How long a listener rests that could not accept: the process is out of files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds a listener. Connections that come before [`listen`] is called wait.
pub(crate) fn bind(host: &str, port: u16, backlog: u32) -> io::Result<StdListener> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match bind_to(address, backlog) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind_to(address: SocketAddr, backlog: u32) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the connections of the process before to be forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

/// Who may come in: `max.connections` and `max.connections.per.ip`, over all listeners.
#[derive(Debug)]
pub(crate) struct Doors {
    limits: Limits,
    open: Mutex<Open>,
    reasons: Reasons,
    stage: watch::Sender<Stage>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_ip: HashMap<IpAddr, usize>,
}

/// A connection that came in. To drop it makes room for another.
#[derive(Debug)]
struct Entry {
    doors: Arc<Doors>,
    ip: IpAddr,
}

impl Doors {
    /// With these limits.
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        let stage = watch::Sender::new(Stage::Serving);
        Arc::new(Self { limits, open: Mutex::default(), reasons: Reasons::default(), stage })
    }

    /// How many connections there are.
    pub(crate) fn count(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).all
    }

    /// Lets nobody in any more, and all out once they are answered.
    pub(crate) fn close(&self) {
        self.stage.send_replace(Stage::Draining);
    }

    /// Lets nobody in any more, and all out at once.
    pub(crate) fn cut(&self) {
        self.stage.send_replace(Stage::Cut);
    }

    /// Waits until all are out.
    pub(crate) async fn empty(&self) {
        // Every connection holds a receiver, and every listener.
        self.stage.closed().await;
    }

    fn enter(self: &Arc<Self>, ip: IpAddr) -> Result<Entry, String> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, all_max) = (open.all, self.limits.connections_max);
        if all >= all_max {
            return Err(format!("there are {all} already, as many as max.connections allows"));
        }
        let overridden = self.limits.connections_per_ip_overrides.get(&ip.to_string());
        let of_ip_max = overridden.copied().unwrap_or(self.limits.connections_per_ip_max);
        let of_ip = open.by_ip.entry(ip).or_default();
        if *of_ip >= of_ip_max {
            let of_ip = *of_ip;
            return Err(format!(
                "there are {of_ip} from this address already, as many as max.connections.per.ip allows"
            ));
        }
        *of_ip += 1;
        open.all += 1;
        Ok(Entry { doors: self.clone(), ip })
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut open = self.doors.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all -= 1;
        if let Some(of_ip) = open.by_ip.get_mut(&self.ip) {
            *of_ip -= 1;
            if *of_ip == 0 {
                open.by_ip.remove(&self.ip);
            }
        }
    }
}

/// Takes connections in until the doors are closed.
pub(crate) async fn listen(
    listener: TcpListener,
    kind: ListenerKind,
    name: Arc<str>,
    context: Arc<Context>,
    doors: Arc<Doors>,
) {
    let mut stage = doors.stage.subscribe();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stage.wait_for(|stage| *stage != Stage::Serving) => return,
        };
        match accepted {
            Ok((stream, address)) => admit(stream, address, kind, &name, &context, &doors),
            // It went away before it came in.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::error!(listener = &*name, "accepting a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn admit(
    stream: TcpStream,
    address: SocketAddr,
    kind: ListenerKind,
    name: &Arc<str>,
    context: &Arc<Context>,
    doors: &Arc<Doors>,
) {
    let entry = match doors.enter(address.ip()) {
        Ok(entry) => entry,
        Err(reason) => return doors.reasons.tell(address, name, &reason),
    };
    if let Err(error) = prepare(&stream, &doors.limits) {
        return doors.reasons.tell(address, name, &error);
    }
    let (context, name, stage) = (context.clone(), name.clone(), doors.stage.subscribe());
    let terms = Terms {
        request_bytes_max: doors.limits.request_bytes_max,
        idle_max: doors.limits.connections_idle_max,
    };
    let closed = context.metrics.connections_closed.clone();
    tokio::spawn(async move {
        let client = Client::new(address, kind, name.clone());
        let end = exchange::run(context, client, stream, terms, stage).await;
        match end {
            End::Closed => tracing::debug!(%address, listener = &*name, "a connection ended"),
            End::Idle => tracing::debug!(%address, listener = &*name, "closed a connection: it was idle"),
            End::Because(reason) => {
                closed.inc();
                entry.doors.reasons.tell(address, &name, &reason);
            }
        }
    });
}

fn prepare(stream: &TcpStream, limits: &Limits) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
    if let Some(bytes) = limits.send_buffer_bytes {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = limits.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    Ok(())
}
