//! How a node that was told to stop finds that no controller is left which could move its leaderships.
//!
//! A controlled shutdown waits for the active controller. When all nodes of a cluster stop, the last of them wait in vain: what is left of the
//! quorum elects nobody. There are two signs of that, and each will do.
//!
//! | sign | how long |
//! |---|---|
//! | so many voters have nobody who listens that the others are no majority | [`VACANT_FOR`] |
//! | no controller has answered this broker | as long as two elections may take |
//!
//! # Invariants
//! - While a majority of the voters listens, a node waits for it as long as the second sign takes: an election may be underway.
//! - Silence is no sign that nobody listens: packets may be lost, and a process may be paused. Only a refusal is, or a connection that is closed
//!   before anything was said, as by a proxy with nobody behind it.
//! - A controller that goes on answering is there, whatever is refused; unless it is this node itself, which may not know yet that it
//!   leads nobody.

use std::time::{Duration, Instant};

use highwater_log::disk::RealDisk;
use highwater_node::Node;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::config::ServerConfig;
use crate::runtime::NodeHandle;

/// How long a majority has to be gone: as long as a process may take to be started again by whoever watches over it.
const VACANT_FOR: Duration = Duration::from_millis(500);

/// How often it is looked, at the least.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How long a voter is given to show that it is there, by accepting a connection and then by not closing it.
const PROBE_MAX: Duration = Duration::from_millis(200);

/// Ready once there is no controller any more.
pub(crate) async fn nobody_answers(node: &NodeHandle, config: &ServerConfig) {
    let election = |node: &Node<RealDisk>| {
        let config = node.config();
        config.quorum_fetch_timeout + config.quorum_election_timeout
    };
    let Ok(election) = node.look(election).await else { return std::future::pending().await };
    let (mut since, mut vacant_since) = (Instant::now(), None);
    let mut last = None;
    loop {
        sleep(LOOK_INTERVAL.min(election / 20)).await;
        let look = |node: &Node<RealDisk>| {
            (node.controller_heard(), node.quorum().leader() == Some(node.config().node_id))
        };
        let Ok((heard, leads_itself)) = node.look(look).await else { return std::future::pending().await };
        if heard != last {
            (last, since) = (heard, Instant::now());
            if !leads_itself {
                vacant_since = None;
                continue;
            }
        }
        if since.elapsed() >= election * 2 {
            return;
        }
        vacant_since = match no_majority(config).await {
            true => vacant_since.or_else(|| Some(Instant::now())),
            false => None,
        };
        if vacant_since.is_some_and(|since| since.elapsed() >= VACANT_FOR) {
            return;
        }
    }
}

/// Whether so many voters are gone that the others are no majority.
async fn no_majority(config: &ServerConfig) -> bool {
    let others = config.voters.iter().filter(|voter| voter.id != config.node_id);
    let mut probes: JoinSet<bool> = others.map(|voter| is_vacant(voter.host.clone(), voter.port)).collect();
    let mut vacant = 0;
    while let Some(probed) = probes.join_next().await {
        vacant += usize::from(probed.unwrap_or(false));
    }
    (config.voters.len() - vacant) * 2 <= config.voters.len()
}

/// Whether certainly nobody listens there.
async fn is_vacant(host: String, port: u16) -> bool {
    match timeout(PROBE_MAX, TcpStream::connect((host, port))).await {
        Err(_) => false,
        Ok(Err(error)) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        Ok(Ok(mut stream)) => {
            let read = timeout(PROBE_MAX, stream.read_u8()).await;
            matches!(read, Ok(Err(_)))
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn listener() -> (TcpListener, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        (listener, port)
    }

    fn vacant(port: u16) -> impl Future<Output = bool> {
        is_vacant("127.0.0.1".to_owned(), port)
    }

    #[tokio::test]
    async fn port_that_refuses_is_vacant() {
        let (listener, port) = listener().await;
        drop(listener);
        assert!(vacant(port).await);
    }

    #[tokio::test]
    async fn listener_that_is_silent_is_not_vacant() {
        // It accepts nothing, as a paused process does: the system does so for it.
        let (_listener, port) = listener().await;
        assert!(!vacant(port).await);
    }

    #[tokio::test]
    async fn door_with_nobody_behind_it_is_vacant() {
        let (listener, port) = listener().await;
        let door = tokio::spawn(async move { listener.accept().await.map(drop) });
        assert!(vacant(port).await);
        door.await.expect("no panic").expect("it accepted");
    }
}
