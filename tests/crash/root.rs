//! Stories that need root: disks that are really full or read-only, and links that are really cut one way.
//!
//! Everything is in namespaces of file systems and networks that end with the process (`.ci/crash` makes them), so that nothing is left
//! behind whatever way it ends.
//! See [`network`](highwater_conformance_wire::network) for how links are cut.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use highwater_conformance_wire::network::{Network, address};

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
    let obstacle = Network::obstacle();
    assert!(obstacle.is_none(), "{}; `.ci/crash` does so", obstacle.unwrap_or_default());
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

async fn cluster(network: &Network) -> Nodes {
    let places = NODES.map(|id| Place { host: address(id), broker: 9092, controller: 9093 }).to_vec();
    let mut nodes = Nodes::format(places);
    nodes.storage();
    for id in NODES {
        let launcher = network.launcher(id).expect("a namespace");
        nodes.launch_with(id, &launcher.iter().map(String::as_str).collect::<Vec<_>>());
    }
    nodes.serve().await;
    nodes
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
        let network = Network::new(&NODES).expect("a network");
        let mut nodes = cluster(&network).await;
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
            network.cut(from, to).expect("cut");
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
            network.heal(from, to).expect("healed");
            all_in_sync(&mut nodes).await;
        }
        end(&story, &mut nodes, load, 300).await;
    });
}

#[test]
fn half_deaf_or_mute_leader_of_the_quorum_is_replaced_and_nothing_is_lost() {
    let _alone = alone();
    Story::tell(bound(), async |story| {
        let network = Network::new(&NODES).expect("a network");
        let mut nodes = cluster(&network).await;
        let load = Load::begin(&mut nodes, &[Manner::Patient, Manner::Hasty, Manner::Careless]).await;
        load.goes_on(&mut nodes, 50).await;
        for half in [Half::Deaf, Half::Mute].repeat(usize::try_from(ROUNDS * effort()).expect("few")) {
            let (leader, epoch) = quorum_leader(&mut nodes).await;
            story.say(&format!("{leader}, leader of the quorum in epoch {epoch}, is {half:?}"));
            for other in others(leader) {
                let (from, to) = half.link(leader, other);
                network.cut(from, to).expect("cut");
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
                network.heal(from, to).expect("healed");
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
        let network = Network::new(&NODES).expect("a network");
        let mut nodes = cluster(&network).await;
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
                network.cut(from, to).expect("cut");
            }
            story.pause(500..4_000).await;
            for &(from, to) in &links {
                network.heal(from, to).expect("healed");
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
