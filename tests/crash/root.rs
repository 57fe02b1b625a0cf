//! Stories that need root: disks that are really full or read-only, and links that are really cut one way.
//!
//! Everything is in namespaces of file systems and networks that end with the process (`.ci/crash` makes them), so that nothing is left
//! behind whatever way it ends.
//!
//! ```text
//!            hwbridge 10.77.0.254 ── the writers
//!           ┌───────┼────────┐
//!        hw1        hw2      hw3        one end of each pair of interfaces
//!        eth0       eth0     eth0       the other: in a network namespace of the node
//!     10.77.0.1  10.77.0.2  10.77.0.3
//! ```
//! A cut from one node to another gives the first a wrong hardware address for the second: what it sends goes nowhere, and nobody is told.
//! What the other sends arrives. So acknowledgements of TCP are lost, too, as with a half-broken cable.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::cluster::{NODES, Nodes, Place, on_loopback};
use crate::disks::gives_up;
use crate::ending::end;
use crate::load::{Load, Manner};
use crate::story::{Story, all_in_sync, effort, leaders, quorum_leader, until};

/// Of network and mounts there is one.
static ALONE: Mutex<()> = Mutex::new(());

/// Root in namespaces of its own. Fails where it is not, for nothing may be done to those of the machine.
fn alone() -> MutexGuard<'static, ()> {
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let cure = "run `.ci/crash` as root, which makes namespaces: unshare --net --mount";
    assert!(rustix::process::getuid().is_root(), "found another user, expected root; {cure}");
    let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
    let foreign: Vec<&str> = routes.lines().skip(1).filter(|route| !route.starts_with(BRIDGE)).collect();
    assert!(foreign.is_empty(), "found a network in use, {foreign:?}, expected an empty one; {cure}");
    // A new namespace has not even loopback.
    run("ip", "link set lo up");
    guard
}

/// Runs a program, which must succeed.
fn run(program: &str, arguments: &str) {
    let output = Command::new(program).args(arguments.split_whitespace()).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; is it installed?"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments}: {}: {told}", output.status);
}

// ---- disks ----

/// A file system, unmounted at the end.
struct Mounted(PathBuf);

impl Mounted {
    /// One in memory that has so much room.
    fn in_memory(path: &Path, bytes: u64) -> Self {
        fs::create_dir_all(path).expect("a directory");
        run("mount", &format!("-t tmpfs -o size={bytes} hw-crash {}", path.display()));
        Self(path.to_owned())
    }

    /// One in a file.
    fn in_file(path: &Path, file: &Path) -> Self {
        fs::create_dir_all(path).expect("a directory");
        fs::File::create(file).and_then(|file| file.set_len(256 << 20)).expect("a file");
        run("mkfs.ext4", &format!("-q {}", file.display()));
        let mounted = Self(path.to_owned());
        mounted.mount(file);
        mounted
    }

    fn mount(&self, file: &Path) {
        run("mount", &format!("-o loop {} {}", file.display(), self.0.display()));
    }

    fn remount(&self, options: &str) {
        run("mount", &format!("-o remount,{options} {}", self.0.display()));
    }

    fn unmount(&self) {
        run("umount", &self.0.display().to_string());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // If that does not work the end of the namespace does it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn node_whose_file_system_is_full_stops_and_catches_up_once_it_is_larger() {
    let _alone = alone();
    Story::tell(Duration::from_secs(240), async |story| {
        let mut nodes = Nodes::format(on_loopback());
        // One of them is small. It may lead or follow.
        let full = 2;
        let mounted = Mounted::in_memory(&nodes.data(full), 3 << 19);
        nodes.storage();
        nodes.serve().await;
        let load = Load::begin(&mut nodes, &[Manner::Patient, Manner::Hasty]).await;
        gives_up(&story, &mut nodes, &load, full, &["No space left on device", "Make room"]).await;
        story.say("it is started all the same");
        nodes.start(full);
        gives_up(&story, &mut nodes, &load, full, &["No space left on device", "Make room"]).await;
        story.say("there is room");
        mounted.remount("size=1g");
        nodes.start(full);
        all_in_sync(&mut nodes).await;
        end(&story, &mut nodes, load, 300).await;
    });
}

#[test]
fn node_whose_file_system_becomes_read_only_stops_and_catches_up_once_it_is_not() {
    let _alone = alone();
    Story::tell(Duration::from_secs(240), async |story| {
        let mut nodes = Nodes::format(on_loopback());
        let victim = 1;
        let file = nodes.home(victim).join("image");
        let mounted = Mounted::in_file(&nodes.data(victim), &file);
        nodes.storage();
        nodes.serve().await;
        let load = Load::begin(&mut nodes, &[Manner::Patient, Manner::Hasty]).await;
        load.goes_on(&mut nodes, 50).await;
        // As the file system does by itself after an error. What was not flushed is lost.
        story.say("read-only");
        mounted.remount("abort");
        gives_up(&story, &mut nodes, &load, victim, &[]).await;
        mounted.unmount();
        mounted.mount(&file);
        mounted.remount("ro");
        story.say("it is started all the same");
        nodes.start(victim);
        gives_up(&story, &mut nodes, &load, victim, &["Read-only file system", "Give the user"]).await;
        mounted.remount("rw");
        story.say("it can be written");
        nodes.start(victim);
        all_in_sync(&mut nodes).await;
        end(&story, &mut nodes, load, 300).await;
    });
}

// ---- network ----

const BRIDGE: &str = "hwbridge";

/// Nowhere.
const NO_ADDRESS: &str = "02:00:00:00:00:fe";

fn address(id: i32) -> String {
    format!("10.77.0.{id}")
}

fn hardware_address(id: i32) -> String {
    format!("02:00:00:00:00:0{id}")
}

/// A bridge, and a network namespace for each node. It ends with its holders.
struct Network {
    /// Each holds a namespace for as long as it lives; they end with their standard input.
    holders: Vec<(i32, Child)>,
}

impl Drop for Network {
    fn drop(&mut self) {
        for (_, holder) in &mut self.holders {
            let _ = holder.kill();
            let _ = holder.wait();
        }
        // Without that they would be there for a while yet. If it does not work the end of the namespace does it.
        for link in NODES.map(|id| format!("hw{id}")).into_iter().chain([BRIDGE.to_owned()]) {
            let _ = Command::new("ip").args(["link", "delete", &link]).stderr(Stdio::null()).status();
        }
    }
}

impl Network {
    fn new() -> Self {
        run("ip", &format!("link add {BRIDGE} type bridge"));
        let mut network = Self { holders: Vec::new() };
        run("ip", &format!("address add 10.77.0.254/24 dev {BRIDGE}"));
        run("ip", &format!("link set {BRIDGE} up"));
        for id in NODES {
            let mut holder = Command::new("unshare");
            holder.args(["--net", "cat"]).stdin(Stdio::piped()).stdout(Stdio::null());
            network.holders.push((id, holder.spawn().expect("unshare is installed")));
        }
        for id in NODES {
            let holder = network.holder(id);
            network.wait_for(holder);
            run("ip", &format!("link add hw{id} type veth peer name eth0 netns {holder}"));
            run("ip", &format!("link set hw{id} master {BRIDGE} up"));
            network.within(id, &format!("link set eth0 address {}", hardware_address(id)));
            network.within(id, &format!("address add {}/24 dev eth0", address(id)));
            network.within(id, "link set lo up");
            network.within(id, "link set eth0 up");
        }
        for from in NODES {
            for to in NODES.into_iter().filter(|to| *to != from) {
                network.heal(from, to);
            }
        }
        network
    }

    fn holder(&self, id: i32) -> u32 {
        self.holders.iter().find(|(of, _)| *of == id).expect("a node").1.id()
    }

    /// Until the holder is in a namespace of its own.
    fn wait_for(&self, holder: u32) {
        let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).ok();
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while namespace(&holder.to_string()) == namespace("self") {
            assert!(std::time::Instant::now() < deadline, "unshare made no namespace");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn within(&self, id: i32, arguments: &str) {
        run("nsenter", &format!("{} ip {arguments}", self.enter(id)));
    }

    fn enter(&self, id: i32) -> String {
        format!("--net=/proc/{}/ns/net", self.holder(id))
    }

    /// Nothing that `from` sends reaches `to` any more.
    fn cut(&self, from: i32, to: i32) {
        self.within(
            from,
            &format!("neighbour replace {} lladdr {NO_ADDRESS} nud permanent dev eth0", address(to)),
        );
    }

    fn heal(&self, from: i32, to: i32) {
        let hardware = hardware_address(to);
        self.within(
            from,
            &format!("neighbour replace {} lladdr {hardware} nud permanent dev eth0", address(to)),
        );
    }

    async fn cluster(&self) -> Nodes {
        let places = NODES.map(|id| Place { host: address(id), broker: 9092, controller: 9093 }).to_vec();
        let mut nodes = Nodes::format(places);
        nodes.storage();
        for id in NODES {
            nodes.launch_with(id, &["nsenter", &self.enter(id)]);
        }
        nodes.serve().await;
        nodes
    }
}

/// Which way a node is cut off.
#[derive(Debug, Clone, Copy)]
enum Half {
    /// It hears nothing of the other.
    Deaf,
    /// The other hears nothing of it.
    Mute,
}

impl Half {
    fn link(self, of: i32, other: i32) -> (i32, i32) {
        match self {
            Self::Deaf => (other, of),
            Self::Mute => (of, other),
        }
    }
}

fn others(id: i32) -> Vec<i32> {
    NODES.into_iter().filter(|other| *other != id).collect()
}

/// So often each cut is made, for each unit of effort.
const ROUNDS: u32 = 1;

fn bound() -> Duration {
    Duration::from_secs(120 + 240 * u64::from(ROUNDS * effort()))
}

#[test]
fn one_way_cut_between_leader_and_follower_takes_the_follower_out_and_loses_nothing() {
    let _alone = alone();
    Story::tell(bound(), async |mut story| {
        let network = Network::new();
        let mut nodes = network.cluster().await;
        let load = Load::begin(&mut nodes, &[Manner::Patient, Manner::Hasty, Manner::Careless]).await;
        load.goes_on(&mut nodes, 50).await;
        for half in [Half::Deaf, Half::Mute].repeat(usize::try_from(ROUNDS * effort()).expect("few")) {
            // Neither leads the quorum, so that the link is one between leader and follower only.
            let (quorum, _) = quorum_leader(&mut nodes).await;
            let pair = others(quorum);
            let follower = story.one_of(&pair);
            let leader = *pair.iter().find(|id| **id != follower).expect("another");
            let (from, to) = half.link(leader, follower);
            story.say(&format!("nothing from {from} reaches {to}; {quorum} leads the quorum"));
            network.cut(from, to);
            let before = load.acknowledged();
            until(&mut nodes, "one of them leaves an ISR of the other", async |nodes| {
                let beliefs = nodes.believes(quorum).await?;
                let lacks = |id: i32| move |isr: &Vec<i32>| !isr.contains(&id);
                let apart = beliefs.iter().any(|partition| {
                    (partition.leader == leader && lacks(follower)(&partition.isr))
                        || (partition.leader == follower && lacks(leader)(&partition.isr))
                });
                // Or there is nothing to lead for them.
                let leads = beliefs.iter().any(|partition| pair.contains(&partition.leader));
                (apart || !leads).then_some(())
            })
            .await;
            load.goes_on(&mut nodes, 50).await;
            story.say(&format!("healed, after {before:?} then {:?}", load.acknowledged()));
            network.heal(from, to);
            all_in_sync(&mut nodes).await;
        }
        end(&story, &mut nodes, load, 300).await;
    });
}

#[test]
fn half_deaf_or_mute_leader_of_the_quorum_is_replaced_and_nothing_is_lost() {
    let _alone = alone();
    Story::tell(bound(), async |story| {
        let network = Network::new();
        let mut nodes = network.cluster().await;
        let load = Load::begin(&mut nodes, &[Manner::Patient, Manner::Hasty, Manner::Careless]).await;
        load.goes_on(&mut nodes, 50).await;
        for half in [Half::Deaf, Half::Mute].repeat(usize::try_from(ROUNDS * effort()).expect("few")) {
            let (leader, epoch) = quorum_leader(&mut nodes).await;
            story.say(&format!("{leader}, leader of the quorum in epoch {epoch}, is {half:?}"));
            for other in others(leader) {
                let (from, to) = half.link(leader, other);
                network.cut(from, to);
            }
            let next = until(&mut nodes, "another leads the quorum and all partitions", async |nodes| {
                let (next, later) = nodes.quorum_of(&others(leader)).await?;
                let beliefs = nodes.believes(next).await?;
                let is_over = later > epoch && beliefs.iter().all(|partition| partition.leader != leader);
                (is_over && next != leader).then_some(next)
            });
            let next = next.await;
            story.say(&format!("{next} leads"));
            load.goes_on(&mut nodes, 50).await;
            story.say("healed");
            for other in others(leader) {
                let (from, to) = half.link(leader, other);
                network.heal(from, to);
            }
            all_in_sync(&mut nodes).await;
            load.goes_on(&mut nodes, 20).await;
        }
        end(&story, &mut nodes, load, 300).await;
    });
}

#[test]
fn links_cut_one_way_at_random_lose_duplicate_and_reorder_nothing() {
    let _alone = alone();
    Story::tell(bound(), async |mut story| {
        let network = Network::new();
        let mut nodes = network.cluster().await;
        let load = Load::begin(&mut nodes, &[Manner::Patient, Manner::Hasty]).await;
        load.goes_on(&mut nodes, 50).await;
        let (mut rounds, mut cuts, mut changes) = (0, 0, 0);
        while rounds < 6 * ROUNDS * effort() || changes == 0 {
            let before = leaders(&mut nodes).await;
            let mut links: Vec<(i32, i32)> = NODES
                .into_iter()
                .flat_map(|from| others(from).into_iter().map(move |to| (from, to)))
                .collect();
            story.dice.shuffle(&mut links);
            links.truncate(story.dice.usize(1..=4));
            story.say(&format!("cut {links:?}"));
            for &(from, to) in &links {
                network.cut(from, to);
            }
            story.pause(500..4_000).await;
            for &(from, to) in &links {
                network.heal(from, to);
            }
            story.say("healed");
            load.goes_on(&mut nodes, 20).await;
            let after = leaders(&mut nodes).await;
            changes +=
                before.iter().zip(&after).filter(|(before, after)| before.leader != after.leader).count();
            cuts += links.len();
            rounds += 1;
        }
        story.say(&format!("{cuts} cuts, {changes} changes of leaders"));
        end(&story, &mut nodes, load, 300).await;
    });
}
