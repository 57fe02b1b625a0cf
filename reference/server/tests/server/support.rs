//! Servers in directories of their own, and a small client.

use std::future::Future;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::PathBuf;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use highwater_core::{NodeId, Uuid};
use highwater_log::DataDirectory;
use highwater_log::disk::RealDisk;
use highwater_log::files::meta_properties::MetaProperties;
use highwater_server::config::{NodeFile, Roles, ServerConfig};
use highwater_server::{Server, Sockets};
use highwater_wire::Request;
use highwater_wire::frame::Frame;
use highwater_wire::header::decode_response;
use highwater_wire::messages::ApiVersionsRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// Nothing in these tests takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const CLUSTER: &str = "dGVzdHRlc3R0ZXN0dGVzdA";

/// Runs a test on a runtime of its own, which ends with it.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async { timeout(PATIENCE, test).await.expect("the test takes too long") });
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    found(what, async || is_so().await.then_some(())).await;
}

/// Waits until something is found: by asking again, for what nothing tells of.
pub(crate) async fn found<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "in vain waited until {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A formatted directory of one node, with the file that configures it and the sockets that are its.
pub(crate) struct Place {
    pub(crate) config: ServerConfig,
    pub(crate) sockets: Sockets,
    /// Removed with this.
    _directory: tempfile::TempDir,
}

/// The places of a cluster of combined nodes with ids from 1 on.
pub(crate) fn places(count: usize, further: &[(&str, &str)]) -> Vec<Place> {
    let sockets: Vec<Sockets> = (0..count)
        .map(|_| ["PLAINTEXT", "CONTROLLER"].map(|name| (name.to_owned(), socket())).into())
        .collect();
    let port = |sockets: &Sockets, name: &str| sockets[name].local_addr().expect("a bound socket").port();
    let voters: Vec<(i32, u16)> =
        (1..).zip(&sockets).map(|(id, sockets)| (id, port(sockets, "CONTROLLER"))).collect();
    let further: Vec<(String, String)> =
        further.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    (1..)
        .zip(sockets)
        .map(|(id, sockets)| {
            let directory = tempfile::tempdir().expect("a directory");
            let file = NodeFile {
                id,
                roles: Roles::COMBINED,
                host: "127.0.0.1",
                broker_port: port(&sockets, "PLAINTEXT"),
                controller_port: port(&sockets, "CONTROLLER"),
                voters: &voters,
                log_directory: directory.path(),
                further: &further,
            };
            let config = ServerConfig::read("server.properties", file.text().as_bytes(), &[]);
            let config = config.expect("a configuration");
            format(directory.path().to_owned(), id);
            Place { config, sockets, _directory: directory }
        })
        .collect()
}

fn socket() -> StdListener {
    StdListener::bind("127.0.0.1:0").expect("a port")
}

fn format(directory: PathBuf, id: i32) {
    let disk = RealDisk::open(directory).expect("the directory");
    let directory_id = Some(Uuid(0xd000 + u128::from(id.unsigned_abs())));
    let properties = MetaProperties { cluster_id: CLUSTER.to_owned(), node_id: NodeId(id), directory_id };
    DataDirectory::format(&disk, &properties).expect("formatted");
}

impl Place {
    /// Starts the node that is at home here, at the ports that it had before.
    pub(crate) async fn start(&self) -> Server {
        let again = |(name, socket): (&String, &StdListener)| {
            (name.clone(), socket.try_clone().expect("another handle"))
        };
        let sockets = self.sockets.iter().map(again).collect();
        Server::start(self.config.clone(), sockets).await.expect("the server starts")
    }

    pub(crate) fn directory(&self) -> &std::path::Path {
        &self.config.log_directory
    }
}

/// A request for versions as clients send it from version 3 on.
pub(crate) fn api_versions() -> ApiVersionsRequest {
    ApiVersionsRequest { client_software_name: "test".into(), client_software_version: "1".into() }
}

pub(crate) fn address(server: &Server, name: &str) -> SocketAddr {
    let listener = server.listeners().iter().find(|listener| *listener.name == *name);
    listener.expect("such a listener").address
}

/// A connection to a server, byte for byte.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    bytes: BytesMut,
    correlation: i32,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        Self { stream, bytes: BytesMut::new(), correlation: 0 }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("written");
    }

    /// Sends a request without waiting for its answer.
    pub(crate) async fn send<R: Request>(&mut self, request: &R, version: i16) {
        self.correlation += 1;
        let frame = Frame::request(request, version, self.correlation, Some("test".into()));
        self.write(&frame.expect("a frame").to_bytes()).await;
    }

    /// The next frame, without its length; none if the server closed the connection.
    pub(crate) async fn frame(&mut self) -> Option<Bytes> {
        loop {
            if let Some(prefix) = self.bytes.first_chunk::<4>() {
                let length = u32::from_be_bytes(*prefix) as usize;
                if self.bytes.len() >= 4 + length {
                    self.bytes.advance(4);
                    return Some(self.bytes.split_to(length).freeze());
                }
            }
            match self.stream.read_buf(&mut self.bytes).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    pub(crate) async fn receive<R: Request>(&mut self, version: i16) -> R::Response {
        let frame = self.frame().await.expect("an answer");
        decode_response::<R>(version, frame).expect("the answer to the request")
    }

    pub(crate) async fn ask<R: Request>(&mut self, request: &R, version: i16) -> R::Response {
        self.send(request, version).await;
        self.receive::<R>(version).await
    }
}

/// The newest version of an API.
pub(crate) fn newest<R: Request>() -> i16 {
    *R::VERSIONS.end()
}

/// Asks in all versions: what comes back is an answer of the same version.
pub(crate) async fn every_version<R: Request>(connection: &mut Connection, request: R) {
    for version in R::VERSIONS {
        connection.send(&request, version).await;
        let Some(frame) = connection.frame().await else {
            panic!("{} v{version} closed the connection", R::NAME);
        };
        let decoded = decode_response::<R>(version, frame);
        assert_eq!(decoded.err(), None, "{} v{version}", R::NAME);
    }
}
