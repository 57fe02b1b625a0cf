//! Disks that take nothing more: the node stops and says why, the others go on, and it catches up once there is room.
//!
//! Without privileges a full disk is a limit on the length of files (EFBIG), and a read-only one is a directory without the permission to
//! write: root is not held up by that, so as root the node runs as `nobody`. The real ones are among those with `root-tests`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::time::Duration;

use crate::cluster::{Nodes, longest_file, on_loopback};
use crate::ending::end;
use crate::load::{Load, Manner};
use crate::story::{Story, all_in_sync, leaders, until};

const BOUND: Duration = Duration::from_secs(240);

/// Waits until a node ends by itself, with this in what it says; and until the others go on.
pub(crate) async fn gives_up(story: &Story, nodes: &mut Nodes, load: &Load, id: i32, because: &[&str]) {
    nodes.may_end(id);
    let status = until(nodes, &format!("node {id} gives up"), async |nodes| nodes.ended(id)).await;
    let told = nodes.told(id);
    let last = told.lines().last().unwrap_or_default();
    story.say(&format!("node {id} ended: {status}: {last}"));
    // 2 if it did not even start.
    assert!(matches!(status.code(), Some(1 | 2)), "{status}: {told}");
    let data = nodes.data(id).display().to_string();
    for expected in because.iter().copied().chain([&*data]) {
        assert!(last.contains(expected), "found {last:?}, expected {expected:?} in it");
    }
    load.goes_on(nodes, 50).await;
}

#[test]
fn node_with_a_full_disk_stops_and_catches_up_once_there_is_room() {
    Story::tell(BOUND, async |story| {
        let mut nodes = Nodes::format(on_loopback());
        nodes.storage();
        for id in crate::cluster::NODES {
            // Or the system would end it by a signal before it could say anything.
            nodes.launch_with(id, &["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"]);
        }
        nodes.serve().await;
        let load = Load::begin(&mut nodes, &[Manner::Patient, Manner::Hasty]).await;
        load.goes_on(&mut nodes, 50).await;
        let before = leaders(&mut nodes).await;
        let full = before[0].leader;
        let room = longest_file(&nodes.data(full)) + (32 << 10);
        story.say(&format!("no file of {full}, a leader, may be longer than {room} bytes"));
        nodes.limit_files(full, room);
        gives_up(&story, &mut nodes, &load, full, &["ledger-", ".log", "File too large", "Make room"]).await;
        story.say("there is room again");
        nodes.start(full);
        all_in_sync(&mut nodes).await;
        end(&story, &mut nodes, load, 300).await;
    });
}

#[test]
fn node_with_a_read_only_disk_stops_and_catches_up_once_it_can_be_written() {
    Story::tell(BOUND, async |story| {
        let mut nodes = Nodes::format(on_loopback());
        nodes.storage();
        let is_root = rustix::process::getuid().is_root();
        if is_root {
            for id in crate::cluster::NODES {
                nodes.run_as(id, NOBODY);
                give(&nodes.data(id));
            }
        }
        nodes.serve().await;
        let load = Load::begin(&mut nodes, &[Manner::Patient, Manner::Hasty]).await;
        load.goes_on(&mut nodes, 50).await;
        let before = leaders(&mut nodes).await;
        let victim = before[0].leader;
        story.say(&format!("nothing in the directories of {victim}, a leader, may be written"));
        permit(&nodes.data(victim), false);
        gives_up(&story, &mut nodes, &load, victim, &["checkpoint", "Permission denied", "Give the user"])
            .await;
        story.say("it is started all the same");
        nodes.start(victim);
        gives_up(&story, &mut nodes, &load, victim, &["Permission denied", "Give the user"]).await;
        story.say("it may be written again");
        permit(&nodes.data(victim), true);
        nodes.start(victim);
        all_in_sync(&mut nodes).await;
        end(&story, &mut nodes, load, 300).await;
    });
}

/// The user who owns nothing.
const NOBODY: u32 = 65_534;

/// Gives a directory and all in it to nobody.
fn give(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).expect("given");
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a directory") {
            give(&entry.expect("an entry").path());
        }
    }
}

/// Whether a directory and all in it may be written.
fn permit(path: &Path, is_writable: bool) {
    let is_directory = path.is_dir();
    let mode = match (is_directory, is_writable) {
        (true, true) => 0o755,
        (true, false) => 0o555,
        (false, true) => 0o644,
        (false, false) => 0o444,
    };
    // A file that the node just replaced is gone.
    let permitted = fs::set_permissions(path, fs::Permissions::from_mode(mode));
    assert!(permitted.is_ok() || !path.exists(), "{}: {permitted:?}", path.display());
    if is_directory {
        for entry in fs::read_dir(path).expect("a directory") {
            permit(&entry.expect("an entry").path(), is_writable);
        }
    }
}
