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

#[cfg(test)]
mod tests {
    use std::future::Future;

    use super::*;
    use crate::layout::loopback;

    /// Nothing here takes longer.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// Long enough that what can come has come.
    const SILENCE: Duration = Duration::from_millis(100);

    fn run(test: impl Future<Output = io::Result<()>>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let done = runtime.block_on(async { timeout(PATIENCE, test).await });
        done.expect("the test takes too long").expect("no error");
    }

    /// An echo at node 2, behind a door. Where the door is.
    async fn echo(from: Option<i32>, links: &Links) -> io::Result<SocketAddr> {
        let node = TcpListener::bind(loopback(0)).await?;
        let door = TcpListener::bind(loopback(0)).await?;
        let (target, address) = (node.local_addr()?, door.local_addr()?);
        tokio::spawn(keep(door, Way { from, to: 2, target }, links.clone()));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = node.accept().await {
                tokio::spawn(async move {
                    let (mut reader, mut writer) = stream.split();
                    tokio::io::copy(&mut reader, &mut writer).await
                });
            }
        });
        Ok(address)
    }

    async fn say(stream: &mut TcpStream, what: &[u8]) -> io::Result<()> {
        stream.write_all(what).await
    }

    async fn hears(stream: &mut TcpStream, what: &[u8]) -> io::Result<()> {
        let mut heard = vec![0; what.len()];
        stream.read_exact(&mut heard).await?;
        assert_eq!(heard, what);
        Ok(())
    }

    async fn hears_nothing(stream: &mut TcpStream) {
        let heard = timeout(SILENCE, stream.read_u8()).await;
        assert!(heard.is_err(), "heard {heard:?}");
    }

    /// The beginning of a request of `node-1`.
    fn introduced() -> Vec<u8> {
        let mut bytes = vec![0; 12];
        bytes.extend_from_slice(&6_i16.to_be_bytes());
        bytes.extend_from_slice(b"node-1");
        bytes
    }

    #[test]
    fn cut_holds_what_is_said_and_healing_lets_it_go_on() {
        run(async {
            let links = Links::default();
            let mut stream = TcpStream::connect(echo(Some(1), &links).await?).await?;
            say(&mut stream, b"one").await?;
            hears(&mut stream, b"one").await?;
            links.cut([(1, 2)]);
            say(&mut stream, b"two").await?;
            hears_nothing(&mut stream).await;
            links.heal(|link| link == (1, 2));
            hears(&mut stream, b"two").await
        });
    }

    #[test]
    fn cut_of_the_way_back_holds_the_answer() {
        run(async {
            let links = Links::default();
            let mut stream = TcpStream::connect(echo(Some(1), &links).await?).await?;
            say(&mut stream, b"one").await?;
            hears(&mut stream, b"one").await?;
            links.cut([(2, 1)]);
            say(&mut stream, b"two").await?;
            hears_nothing(&mut stream).await;
            links.heal(|_| true);
            hears(&mut stream, b"two").await
        });
    }

    #[test]
    fn cut_of_other_nodes_holds_nothing() {
        run(async {
            let links = Links::default();
            links.cut([(3, 2), (2, 3), (1, 3)]);
            let mut stream = TcpStream::connect(echo(Some(1), &links).await?).await?;
            say(&mut stream, b"one").await?;
            hears(&mut stream, b"one").await
        });
    }

    #[test]
    fn new_connection_waits_until_the_link_is_healed() {
        run(async {
            let links = Links::default();
            links.cut([(2, 1)]);
            let mut stream = TcpStream::connect(echo(Some(1), &links).await?).await?;
            say(&mut stream, b"one").await?;
            hears_nothing(&mut stream).await;
            links.heal(|_| true);
            hears(&mut stream, b"one").await
        });
    }

    #[test]
    fn node_is_known_by_the_name_in_its_first_request() {
        run(async {
            let links = Links::default();
            let address = echo(None, &links).await?;
            links.cut([(1, 2)]);
            let mut cut = TcpStream::connect(address).await?;
            say(&mut cut, &introduced()).await?;
            hears_nothing(&mut cut).await;
            let mut other = TcpStream::connect(address).await?;
            let mut client = introduced();
            client[19] = b'3';
            say(&mut other, &client).await?;
            hears(&mut other, &client).await
        });
    }

    #[test]
    fn node_that_is_gone_ends_the_connection() {
        run(async {
            let node = TcpListener::bind(loopback(0)).await?;
            let door = TcpListener::bind(loopback(0)).await?;
            let (target, address) = (node.local_addr()?, door.local_addr()?);
            drop(node);
            tokio::spawn(keep(door, Way { from: Some(1), to: 2, target }, Links::default()));
            let mut stream = TcpStream::connect(address).await?;
            assert!(stream.read_u8().await.is_err());
            Ok(())
        });
    }
}
