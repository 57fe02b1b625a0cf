//! A key-value store of three processes that goes on when any one of them dies.
//!
//! ```text
//! for id in 1 2 3; do key_value format $id /tmp/store; done     # once
//! for id in 1 2 3; do key_value run $id /tmp/store & done
//! cat /tmp/store/1.address                                      # where it serves members, and clients
//! ```
//! Each process listens wherever there is room and writes that down in the directory, where the others look; its data are in a directory below. A
//! client speaks lines over TCP (`nc`):
//!
//! | line | answer |
//! |---|---|
//! | `SET key value` | `OK offset`: a majority has it on disk, and it stays |
//! | `GET key` | `VALUE value` or `NONE`: what is in force now |
//! | `LIST` | `STATE applied key=value ...`: what this process has got to, whichever it is |
//! | `STATUS` | `STATUS role epoch` |
//!
//! `SET` and `GET` are the leader's. Another answers `LEADER id` if it knows who that is, `ELECTION` if not: nothing was done. `UNKNOWN` says that
//! the leader lost its lead before it heard from a majority.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use highwater_quorum::disk::RealDisk;
use highwater_quorum::{
    Addresses, Config, Epoch, Member, NodeId, Offset, ProposeError, Replica, StateMachine, Tcp,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// No line of a client is longer.
const LINE_MAX: u64 = 1 << 16;

/// What is replicated.
#[derive(Debug, Default)]
struct Store(BTreeMap<String, String>);

impl StateMachine for Store {
    type Answer = ();

    /// A record is `key value`, as the client said it.
    fn apply(&mut self, _offset: Offset, _epoch: Epoch, record: &[u8]) {
        let record = String::from_utf8_lossy(record);
        if let Some((key, value)) = record.split_once(' ') {
            self.0.insert(key.to_owned(), value.to_owned());
        }
    }

    /// A line for each key: neither key nor value holds a line's end.
    fn snapshot(&self, out: &mut dyn Write) -> io::Result<()> {
        self.0.iter().try_for_each(|(key, value)| writeln!(out, "{key} {value}"))
    }

    fn restore(from: &mut dyn Read) -> io::Result<Self> {
        let mut store = Self::default();
        io::read_to_string(from)?.lines().for_each(|line| store.apply(0, 0, line.as_bytes()));
        Ok(store)
    }
}

fn config(id: i32) -> Config {
    let config = Config::new("key-value-example", id, [1, 2, 3]);
    Config { snapshot_bytes: 1 << 20, ..config.with_fetch_timeout(Duration::from_millis(800)) }
}

fn data(directory: &Path, id: i32) -> io::Result<RealDisk> {
    RealDisk::open(directory.join(id.to_string()))
}

/// Where a process serves members: the first line of what it wrote down. It may be another place after each start.
fn addresses(directory: PathBuf) -> Addresses {
    Arc::new(move |NodeId(id)| {
        let text = std::fs::read_to_string(directory.join(format!("{id}.address")))?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    })
}

/// As a whole or not at all.
fn write_down(directory: &Path, id: i32, members: &TcpListener, clients: &TcpListener) -> io::Result<()> {
    let text = format!("{}\n{}\n", members.local_addr()?, clients.local_addr()?);
    let unfinished = directory.join(format!("{id}.address.new"));
    std::fs::write(&unfinished, text)?;
    std::fs::rename(unfinished, directory.join(format!("{id}.address")))
}

async fn run(id: i32, directory: PathBuf) -> Result<(), Box<dyn Error>> {
    let config = config(id);
    let members = TcpListener::bind("127.0.0.1:0").await?;
    let clients = TcpListener::bind("127.0.0.1:0").await?;
    let disk = data(&directory, id)?;
    write_down(&directory, id, &members, &clients)?;
    let tcp = Tcp::new(&config, members, addresses(directory));
    let member = Member::start(config, disk, Store::default(), tcp)?;
    let serving = member.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = clients.accept().await {
            let member = serving.clone();
            // A client that goes away is no concern of the others.
            tokio::spawn(async move { serve(stream, &member).await });
        }
    });
    Ok(member.ended().await?)
}

async fn serve(stream: TcpStream, member: &Member<Store>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = String::new();
        if (&mut reader).take(LINE_MAX).read_line(&mut line).await? == 0 || !line.ends_with('\n') {
            return Ok(());
        }
        let answer = answer(line.trim_end(), member).await;
        writer.write_all(format!("{answer}\n").as_bytes()).await?;
    }
}

async fn answer(line: &str, member: &Member<Store>) -> String {
    let told = match line.split_once(' ') {
        Some(("SET", record)) if record.contains(' ') => {
            member.propose(record.to_owned()).await.map(|done| format!("OK {}", done.offset))
        }
        Some(("GET", key)) => {
            let key = key.to_owned();
            let found = member.read(move |store| store.0.get(&key).cloned()).await;
            found.map(|value| value.map_or_else(|| "NONE".to_owned(), |value| format!("VALUE {value}")))
        }
        None if line == "LIST" => member
            .look(|store, status| {
                let pairs = store.0.iter().map(|(key, value)| format!(" {key}={value}"));
                format!("STATE {}{}", status.applied, pairs.collect::<String>())
            })
            .await
            .map_err(|_| ProposeError::Stopped),
        None if line == "STATUS" => member
            .status()
            .await
            .map(|status| format!("STATUS {:?} {}", status.role, status.epoch))
            .map_err(|_| ProposeError::Stopped),
        _ => Ok("ERROR expected SET key value, GET key, LIST or STATUS".to_owned()),
    };
    told.unwrap_or_else(|error| match error {
        ProposeError::NotLeader { leader: Some(NodeId(id)) } => format!("LEADER {id}"),
        ProposeError::NotLeader { leader: None } => "ELECTION".to_owned(),
        ProposeError::Unknown => "UNKNOWN".to_owned(),
        error => format!("ERROR {error}"),
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, id, directory] = &arguments[..] else {
        return Err("expected: key_value format|run ID DIRECTORY, where ID is 1, 2 or 3".into());
    };
    let (id, directory) = (id.parse()?, PathBuf::from(directory));
    match what.as_str() {
        "format" => {
            Replica::<RealDisk, Store>::format(&config(id), &data(&directory, id)?)?;
            Ok(())
        }
        "run" => tokio::runtime::Runtime::new()?.block_on(run(id, directory)),
        other => Err(format!("found {other}, expected format or run").into()),
    }
}
