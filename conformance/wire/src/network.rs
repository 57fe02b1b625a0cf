//! A network of namespaces, in which links can be cut one way.
//!
//! ```text
//!            hwbridge 10.77.0.254 ── the suite and its clients
//!           ┌───────┼────────┐
//!        hw1        hw2      hw3        one end of each pair of interfaces
//!        eth0       eth0     eth0       the other: in a network namespace of the node
//!     10.77.0.1  10.77.0.2  10.77.0.3
//! ```
//! A cut from one node to another gives the first a wrong hardware address for the second: what it sends goes nowhere, and nobody is told.
//! What the other sends arrives. So acknowledgements of TCP are lost, too, as with a half-broken cable.
//!
//! It takes root, in a network namespace that nothing else uses ([`Network::obstacle`]): nothing is ever done to the machine's own
//! network. `unshare --net --mount --pid --fork --kill-child --mount-proc` makes one.

use std::fs;
use std::io;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BRIDGE: &str = "hwbridge";

/// Nowhere.
const NO_ADDRESS: &str = "02:00:00:00:00:fe";

/// How long a namespace may take to come about.
const PATIENCE: Duration = Duration::from_secs(30);

/// A bridge, and a network namespace for each node. There is one at a time; it ends with its holders.
#[derive(Debug)]
pub struct Network {
    /// Each holds a namespace for as long as it lives; they end with their standard input.
    holders: Vec<(i32, Child)>,
}

/// The address of a node.
pub fn address(id: i32) -> String {
    format!("10.77.0.{id}")
}

fn hardware_address(id: i32) -> String {
    format!("02:00:00:00:00:{id:02x}")
}

impl Network {
    /// What is in the way of a network of our own; nothing if there can be one.
    pub fn obstacle() -> Option<String> {
        let cure = "run as root within `unshare --net --mount --pid --fork --kill-child --mount-proc`";
        if !rustix::process::getuid().is_root() {
            return Some(format!("found another user, expected root; {cure}"));
        }
        let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
        let foreign: Vec<&str> = routes.lines().skip(1).filter(|route| !route.starts_with(BRIDGE)).collect();
        if !foreign.is_empty() {
            return Some(format!("found a network in use, {foreign:?}, expected an empty one; {cure}"));
        }
        let without = ["ip", "unshare", "nsenter"].into_iter().find(|tool| {
            let mut asked = Command::new(tool);
            asked.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            // `ip` has no such option, but is there to say so.
            asked.status().is_err()
        });
        without.map(|tool| format!("{tool} is not installed: install iproute2 and util-linux"))
    }

    /// Makes one for these nodes, 1 to 9.
    ///
    /// # Errors
    /// What `ip` says.
    pub fn new(ids: &[i32]) -> io::Result<Self> {
        if let Some(obstacle) = Self::obstacle() {
            return Err(io::Error::other(obstacle));
        }
        // A new namespace has not even loopback.
        run("ip", "link set lo up")?;
        run("ip", &format!("link add {BRIDGE} type bridge"))?;
        // Only now, for its end removes the bridge, which must not be that of another.
        let mut network = Self { holders: Vec::new() };
        run("ip", &format!("address add 10.77.0.254/24 dev {BRIDGE}"))?;
        run("ip", &format!("link set {BRIDGE} up"))?;
        for &id in ids {
            let mut holder = Command::new("unshare");
            holder.args(["--net", "cat"]).stdin(Stdio::piped()).stdout(Stdio::null());
            network.holders.push((id, holder.spawn()?));
        }
        for &id in ids {
            let holder = network.holder(id)?;
            wait_for(holder)?;
            run("ip", &format!("link add hw{id} type veth peer name eth0 netns {holder}"))?;
            run("ip", &format!("link set hw{id} master {BRIDGE} up"))?;
            network.within(id, &format!("link set eth0 address {}", hardware_address(id)))?;
            network.within(id, &format!("address add {}/24 dev eth0", address(id)))?;
            network.within(id, "link set lo up")?;
            network.within(id, "link set eth0 up")?;
        }
        for &from in ids {
            for &to in ids.iter().filter(|to| **to != from) {
                network.heal(from, to)?;
            }
        }
        Ok(network)
    }

    fn holder(&self, id: i32) -> io::Result<u32> {
        let holder = self.holders.iter().find(|(of, _)| *of == id);
        holder.map(|(_, process)| process.id()).ok_or_else(|| io::Error::other(format!("no node {id}")))
    }

    fn within(&self, id: i32, arguments: &str) -> io::Result<()> {
        run("nsenter", &format!("{} ip {arguments}", self.enter(id)?))
    }

    fn enter(&self, id: i32) -> io::Result<String> {
        Ok(format!("--net=/proc/{}/ns/net", self.holder(id)?))
    }

    /// What a command is started with that is to run where the node is.
    ///
    /// # Errors
    /// If there is no such node.
    pub fn launcher(&self, id: i32) -> io::Result<Vec<String>> {
        Ok(vec!["nsenter".to_owned(), self.enter(id)?])
    }

    /// Nothing that `from` sends reaches `to` any more.
    ///
    /// # Errors
    /// What `ip` says.
    pub fn cut(&self, from: i32, to: i32) -> io::Result<()> {
        self.neighbour(from, to, NO_ADDRESS)
    }

    /// It does again.
    ///
    /// # Errors
    /// What `ip` says.
    pub fn heal(&self, from: i32, to: i32) -> io::Result<()> {
        self.neighbour(from, to, &hardware_address(to))
    }

    fn neighbour(&self, from: i32, to: i32, hardware: &str) -> io::Result<()> {
        let address = address(to);
        self.within(from, &format!("neighbour replace {address} lladdr {hardware} nud permanent dev eth0"))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for (_, holder) in &mut self.holders {
            let _ = holder.kill();
            let _ = holder.wait();
        }
        // Without that they would be there for a while yet. If it does not work the end of the namespace does it.
        let links = self.holders.iter().map(|(id, _)| format!("hw{id}"));
        for link in links.chain([BRIDGE.to_owned()]) {
            let _ = Command::new("ip").args(["link", "delete", &link]).stderr(Stdio::null()).status();
        }
    }
}

/// Until the holder is in a namespace of its own.
fn wait_for(holder: u32) -> io::Result<()> {
    let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).ok();
    let deadline = Instant::now() + PATIENCE;
    while namespace(&holder.to_string()) == namespace("self") {
        if Instant::now() >= deadline {
            return Err(io::Error::other("unshare made no namespace"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Runs a program, which must succeed.
fn run(program: &str, arguments: &str) -> io::Result<()> {
    let output = Command::new(program).args(arguments.split_whitespace()).output();
    let output = output
        .map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}; is it installed?")))?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{program} {arguments}: {}: {}", output.status, told.trim())))
}
