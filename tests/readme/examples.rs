//! The examples of the README: how they are read, and how they are run.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// No example takes longer, but for the main job.
const PATIENCE: Duration = Duration::from_secs(300);

/// A command of the README, and what it is said to do.
pub(crate) struct Example {
    pub(crate) line_number: usize,
    pub(crate) command: String,
    pub(crate) exit: i32,
    /// It goes on until it is interrupted, which happens when all examples have run.
    pub(crate) stays: bool,
    pub(crate) shown: Vec<String>,
}

/// Who runs an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runner {
    /// The test of the examples.
    Always,
    /// That test, in a build with historic bugs.
    WithFlaws,
    /// That test, in a build without.
    WithoutFlaws,
    /// That test, where kcat and Kafka's tools are there.
    WithClients,
    /// The test of the main job.
    MainJob,
    /// Another step of CI.
    Elsewhere,
}

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The README.
pub(crate) fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("README.md")
}

/// Its examples: the commands of `console` blocks, and the step for GitHub.
pub(crate) fn examples(text: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let (mut block, mut fresh) = (None, true);
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            block = (block.is_none()).then_some(language);
            fresh = true;
            assert!(
                matches!(block, None | Some("console" | "yaml")),
                "README.md line {}: a block of {language:?}, which no test runs; make it one of console",
                index + 1
            );
        } else if let Some(command) = match block {
            Some("console") => line.strip_prefix("$ "),
            Some(_) => line.strip_prefix("- run: "),
            None => None,
        } {
            let (command, note) = command.split_once("  # ").unwrap_or((command, "exit 0"));
            let mut command = command.trim().to_owned();
            // What is written into a file belongs to the command.
            if command.ends_with("<<END") {
                for (_, line) in lines.by_ref() {
                    command = format!("{command}\n{line}");
                    if line == "END" {
                        break;
                    }
                }
            }
            let exit =
                note.strip_prefix("exit ").map_or(0, |exit| exit.trim().parse().expect("an exit code"));
            let stays = note == "until Ctrl-C";
            assert!(stays || note.starts_with("exit "), "README.md line {}: {note:?}", index + 1);
            examples.push(Example { line_number: index + 1, command, exit, stays, shown: Vec::new() });
            fresh = false;
        } else if block == Some("console") && !fresh && !line.trim().is_empty() {
            examples.last_mut().expect("a command came first").shown.push(line.to_owned());
        }
    }
    examples
}

impl Example {
    fn runner(&self) -> Runner {
        let command = self.command.as_str();
        if command.starts_with("cargo run --release --features flaws -- ") {
            Runner::WithFlaws
        } else if command.starts_with("highwater simulate --flaw") {
            Runner::WithoutFlaws
        } else if ["kcat ", "kafka-"].iter().any(|client| command.starts_with(client)) {
            Runner::WithClients
        } else if self.is_main_job() {
            Runner::MainJob
        } else if ["cargo test", "cargo bench", "bash .ci/run"].iter().any(|other| command.starts_with(other))
        {
            Runner::Elsewhere
        } else {
            Runner::Always
        }
    }

    /// The main job, which exhausts every model: a minute and more, so that it has a test of its own.
    pub(crate) fn is_main_job(&self) -> bool {
        let words = self.command.strip_prefix("cargo run --release -- check");
        words.is_some_and(|words| words.is_empty() || words.starts_with(" --"))
    }

    /// Whether the test of the examples runs it in this build.
    pub(crate) fn is_run_here(&self) -> bool {
        match self.runner() {
            Runner::Always => true,
            Runner::WithFlaws => cfg!(feature = "flaws"),
            Runner::WithoutFlaws => !cfg!(feature = "flaws"),
            Runner::WithClients => cfg!(feature = "real-clients"),
            Runner::MainJob | Runner::Elsewhere => false,
        }
    }
}

/// Where examples are run: a directory of their own, other ports than those of the README, and what goes on.
pub(crate) struct Scene {
    directory: TempDir,
    /// What the README says, and what it is here.
    replaced: Vec<(String, String)>,
    running: Vec<(String, Running)>,
}

impl Scene {
    /// `/tmp/` of the README is a directory of the scene, and ports that begin with `909` or `919` are others that are free.
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("hw-").tempdir().expect("a directory");
        // Examples name files of the repository.
        #[cfg(unix)]
        std::os::unix::fs::symlink(root().join("specs"), directory.path().join("specs")).expect("a link");
        let mut free = (2_000..3_200).cycle().skip(std::process::id() as usize % 1_200).filter(|tens| {
            let ports = (tens * 10..tens * 10 + 10).map(|port| TcpListener::bind(("127.0.0.1", port)));
            ports.collect::<Result<Vec<_>, _>>().is_ok()
        });
        let mut replaced = vec![("/tmp/".to_owned(), format!("{}/", directory.path().display()))];
        for tens in ["909", "919"] {
            let others: u16 = free.next().expect("free ports");
            for before in [":", "--port "] {
                replaced.push((format!("{before}{tens}"), format!("{before}{others}")));
            }
        }
        Self { directory, replaced, running: Vec::new() }
    }

    fn here(&self, text: &str) -> String {
        self.replaced.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    /// Runs an example, and holds its output against what the README shows.
    pub(crate) fn run(&mut self, example: &Example) {
        let command = self.here(&example.command);
        let own = ["cargo run --release --features flaws -- ", "cargo run --release -- "];
        let words = own.iter().find_map(|own| command.strip_prefix(own));
        let command = words.map_or(command.clone(), |words| format!("highwater {words}"));
        let mut shown: Vec<String> = example.shown.iter().map(|line| self.here(line)).collect();
        shown.retain(|line| line.trim() != "…");
        let mut running = Running::start(&command, example.stays, self.directory.path());
        let ended = running.read(!example.stays, &mut shown);
        let place = format!("README.md line {}: {command}", example.line_number);
        if let Some(missing) = shown.first() {
            panic!("{place}: does not print, or not in this order:\n{missing}\nbut:\n{}", running.output);
        }
        if example.stays {
            self.running.push((place, running));
            return;
        }
        assert!(ended, "{place}: does not end within {PATIENCE:?}:\n{}", running.output);
        let status = running.child.wait().expect("its end");
        assert_eq!(status.code(), Some(example.exit), "{place}:\n{}", running.output);
    }

    /// Interrupts what goes on, the last first.
    pub(crate) fn end(mut self) {
        while let Some((place, mut running)) = self.running.pop() {
            running.signal(Signal::INT);
            let ended = running.read(true, &mut Vec::new());
            assert!(ended, "{place}: does not end when it is interrupted:\n{}", running.output);
            let status = running.child.wait().expect("its end");
            // Who does not handle the signal ends by it, and has no code.
            assert!(matches!(status.code(), Some(0) | None), "{place}: {status}\n{}", running.output);
        }
    }

    /// Where the examples are run.
    pub(crate) fn directory(&self) -> PathBuf {
        self.directory.path().to_owned()
    }
}

/// A command that runs. It ends with this.
struct Running {
    child: Child,
    lines: Receiver<String>,
    output: String,
    stays: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(command: &str, stays: bool, directory: &Path) -> Self {
        let own = Path::new(env!("CARGO_BIN_EXE_highwater")).parent().expect("a directory");
        let path = format!("{}:{}", own.display(), std::env::var("PATH").unwrap_or_default());
        let script = match stays {
            // A signal to the shell has to reach the command.
            true => format!("exec 2>&1; exec {command}"),
            false => format!("exec 2>&1; set -o pipefail\n{command}"),
        };
        let mut child = Command::new("bash")
            .args(["-c", &script])
            .current_dir(directory)
            .env("PATH", path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash runs");
        let out = child.stdout.take().expect("its output");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).split(b'\n') {
                let Ok(line) = line else { return };
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, output: String::new(), stays }
    }

    /// Reads on until its output ends, or else until the lines to show have come; those that come are taken out of them. They come in the order of
    /// the README, but for what goes on: nodes that start together serve in any order. Whether it came to pass in time.
    fn read(&mut self, to_end: bool, missing: &mut Vec<String>) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while to_end || !missing.is_empty() {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.output.push_str(&line);
                    self.output.push('\n');
                    let candidates = if self.stays { missing.len() } else { missing.len().min(1) };
                    if let Some(found) = missing[..candidates].iter().position(|shown| matches(shown, &line))
                    {
                        missing.remove(found);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
        true
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process");
        // It may have ended.
        let _ = kill_process(id, signal);
    }
}

/// Whether a line has what is shown of it: the pieces between `…`, in order.
fn matches(shown: &str, line: &str) -> bool {
    let mut rest = line;
    shown.split('…').map(str::trim).filter(|piece| !piece.is_empty()).all(|piece| match rest.find(piece) {
        Some(at) => {
            rest = &rest[at + piece.len()..];
            true
        }
        None => false,
    })
}
