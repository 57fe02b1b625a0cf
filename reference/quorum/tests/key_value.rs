//! Three processes of the example, of which the leader dies by kill -9.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::yield_now;
use std::time::{Duration, Instant};

/// All of the test takes no longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long one answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(2);

const IDS: [usize; 3] = [1, 2, 3];

/// The example, which `cargo test` has built beside this.
fn example() -> PathBuf {
    let own = std::env::current_exe().expect("the path of this test");
    let target = own.ancestors().nth(2).expect("target/debug/deps/this");
    let path = target.join("examples").join(format!("key_value{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is not there: cargo build -p highwater-quorum --example key_value",
        path.display()
    );
    path
}

struct Cluster {
    directory: tempfile::TempDir,
    processes: BTreeMap<usize, Child>,
    deadline: Instant,
    /// Whom to ask first.
    leader: usize,
}

impl Cluster {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let deadline = Instant::now() + PATIENCE;
        let mut cluster = Self { directory, processes: BTreeMap::new(), deadline, leader: 1 };
        for id in IDS {
            let formatted = cluster.command("format", id).status().expect("the example runs");
            assert!(formatted.success(), "format {id}: {formatted}");
            cluster.run(id);
        }
        cluster
    }

    fn command(&self, what: &str, id: usize) -> Command {
        let mut command = Command::new(example());
        command.arg(what).arg(id.to_string()).arg(self.directory.path());
        command
    }

    fn run(&mut self, id: usize) {
        let process = self.command("run", id).spawn().expect("the example runs");
        self.processes.insert(id, process);
    }

    fn kill(&mut self, id: usize) {
        let mut process = self.processes.remove(&id).expect("it runs");
        process.kill().expect("kill -9");
        process.wait().expect("it is gone");
    }

    fn in_time(&self) {
        assert!(Instant::now() < self.deadline, "not done within {PATIENCE:?}");
        yield_now();
    }

    /// One line to one process, and its answer.
    fn ask(&self, id: usize, line: &str) -> io::Result<String> {
        let stream = TcpStream::connect(client_address(self.directory.path(), id)?)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        (&stream).write_all(format!("{line}\n").as_bytes())?;
        let mut answer = String::new();
        BufReader::new(&stream).read_line(&mut answer)?;
        if answer.ends_with('\n') {
            Ok(answer.trim_end().to_owned())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// One line to whoever leads, until there is an answer. All lines can be said twice.
    fn ask_leader(&mut self, line: &str) -> String {
        loop {
            self.in_time();
            let answer = self.ask(self.leader, line).unwrap_or_default();
            match answer.split_once(' ') {
                Some(("LEADER", id)) => self.leader = id.parse().expect("an id"),
                _ if ["", "ELECTION", "UNKNOWN"].contains(&answer.as_str()) => {
                    self.leader = self.leader % IDS.len() + 1;
                }
                _ => return answer,
            }
        }
    }

    fn set(&mut self, key: &str, value: usize) {
        let answer = self.ask_leader(&format!("SET {key} {value}"));
        assert!(answer.starts_with("OK "), "{answer}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in self.processes.values_mut() {
            // It may have ended by itself, of which the test has told.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// The second line of what the process wrote down.
fn client_address(directory: &Path, id: usize) -> io::Result<String> {
    let text = fs::read_to_string(directory.join(format!("{id}.address")))?;
    text.lines().nth(1).map(str::to_owned).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[test]
fn store_whose_leader_is_killed_serves_on_and_loses_nothing() {
    let mut cluster = Cluster::start();
    for number in 0..50 {
        cluster.set(&format!("before-{number}"), number);
    }
    let killed = cluster.leader;
    cluster.kill(killed);
    for number in 0..50 {
        cluster.set(&format!("after-{number}"), number);
    }
    assert_ne!(cluster.leader, killed);
    for number in 0..50 {
        for when in ["before", "after"] {
            let answer = cluster.ask_leader(&format!("GET {when}-{number}"));
            assert_eq!(answer, format!("VALUE {number}"), "{when}-{number}");
        }
    }

    cluster.run(killed);
    cluster.set("last", 1);
    loop {
        cluster.in_time();
        let states = IDS.map(|id| cluster.ask(id, "LIST").unwrap_or_default());
        if states.iter().all(|state| !state.is_empty() && *state == states[0])
            && states[0].contains(" last=1")
        {
            let pairs = states[0].split(' ').skip(2).count();
            assert_eq!(pairs, 101, "{}", states[0]);
            return;
        }
    }
}
