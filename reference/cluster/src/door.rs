//! Doors: small proxies between nodes, which a cut closes.
//!
//! A controller has a door for each node that reaches it. A broker has one for all other brokers, which tells them apart by what they call
//! themselves (`node-1`) in the header of their first request.
//!
//! # Invariants
//! - While a link is cut, nothing goes over it: no byte, no end of a connection, no new connection. What waits goes on when it is healed,
//!   as what TCP sends again.
//! - A connection that was held for [`GIVE_UP`] ends, as TCP gives up; so what a cut holds is bounded.
//! - A door holds up nobody else: each connection has its own task and 64 KiB.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::links::{Links, Watched};

/// A connection over a link that stays cut is held for so long.
const GIVE_UP: Duration = Duration::from_secs(30);

/// How long who connects may take to say who it is.
const INTRODUCTION_MAX: Duration = Duration::from_secs(10);

/// What is passed on at a time.
const BUFFER: usize = 64 << 10;

/// After an error of the listener.
const PAUSE: Duration = Duration::from_millis(50);

/// Where a door leads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    /// Who comes through; none if each says itself.
    pub(crate) from: Option<i32>,
    /// To which node.
    pub(crate) to: i32,
    /// Where that listens.
    pub(crate) target: SocketAddr,
}

/// Keeps a door until its task ends.
pub(crate) async fn keep(listener: TcpListener, way: Way, links: Links) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let links = links.clone();
                tokio::spawn(async move {
                    // A connection that ends, ends: its two nodes are told by that.
                    let _ = pass(stream, way, &links).await;
                });
            }
            // The one that came is gone, or there are too many.
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn pass(mut client: TcpStream, way: Way, links: &Links) -> io::Result<()> {
    client.set_nodelay(true)?;
    let (from, said) = match way.from {
        Some(from) => (Some(from), Vec::new()),
        None => timeout(INTRODUCTION_MAX, introduction(&mut client)).await??,
    };
    let mut there = links.watch(from.map(|from| (from, way.to)));
    let mut back = links.watch(from.map(|from| (way.to, from)));
    // To connect takes both ways.
    timeout(GIVE_UP, async { tokio::join!(there.open(), back.open()) }).await?;
    let mut server = TcpStream::connect(way.target).await?;
    server.set_nodelay(true)?;
    server.write_all(&said).await?;
    let (client_reader, client_writer) = client.into_split();
    let (server_reader, server_writer) = server.into_split();
    tokio::select! {
        ended = pump(client_reader, server_writer, there) => ended,
        ended = pump(server_reader, client_writer, back) => ended,
    }
}

/// Who connects, by the header of its first request, and the bytes that said so. None if it is no node of a cluster.
async fn introduction(client: &mut TcpStream) -> io::Result<(Option<i32>, Vec<u8>)> {
    // Length, API, version, correlation, and the length of the client's name.
    let mut said = vec![0; 14];
    client.read_exact(&mut said).await?;
    let length = i16::from_be_bytes([said[12], said[13]]);
    // No node has a longer name.
    let Some(length) = usize::try_from(length).ok().filter(|length| *length <= 16) else {
        return Ok((None, said));
    };
    said.resize(14 + length, 0);
    client.read_exact(&mut said[14..]).await?;
    let name = std::str::from_utf8(&said[14..]).ok();
    let from = name.and_then(|name| name.strip_prefix("node-")).and_then(|id| id.parse().ok());
    Ok((from, said))
}

/// Passes on what comes, as long as the link is open.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut link: Watched) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = from.read(&mut buffer).await?;
        if link.is_cut() {
            timeout(GIVE_UP, link.open()).await?;
        }
        if count == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..count]).await?;
    }
}
