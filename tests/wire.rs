//! The suite's target `reference-tcp`: real processes of this command, behind sockets.
//!
//! With the cargo feature `root-tests` there are all cases of clusters, with links that are cut; `.ci/wire-cases` runs them.

#![expect(clippy::print_stdout, reason = "what a test prints is shown if it fails")]

#[path = "../conformance/wire/tests/plays/mod.rs"]
#[cfg_attr(not(feature = "root-tests"), expect(dead_code, reason = "the cases take minutes"))]
mod plays;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use highwater_conformance::target::{Builder, Capability};
use highwater_conformance_wire::{Product, Reached, Started};

fn reference() -> Started {
    let program = env!("CARGO_BIN_EXE_highwater").into();
    Started::new(Product::Reference { program }).unwrap_or_else(|fault| panic!("{fault}"))
}

fn play(play: impl FnOnce(&mut dyn Builder)) {
    play(&mut reference());
}

#[test]
fn records_that_are_written_are_read() {
    play(plays::records_that_are_written_are_read);
}

#[test]
fn cluster_that_others_started_is_read_and_written_and_spared() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
    command.args(["cluster", "--nodes", "3", "--dir"]).arg(directory.path());
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut cluster = command.stderr(Stdio::null()).spawn().expect("it starts");
    // Each line is the address of a broker that serves.
    let lines = BufReader::new(cluster.stdout.take().expect("its output")).lines();
    let places: Result<Vec<String>, _> = lines.take(3).collect();
    let places = places.expect("addresses").join(",");
    let outcome = std::panic::catch_unwind(|| {
        let mut reached = Reached::new(&places).unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(reached.name(), format!("kafka:{places}"));
        assert!(!reached.capabilities().contains(&Capability::Processes));
        plays::records_that_are_written_are_read(&mut reached);
        // What was made is gone again, so that the same can be done anew.
        plays::records_that_are_written_are_read(&mut reached);
    });
    // Its nodes end with it.
    cluster.kill().expect("killed");
    cluster.wait().expect("its end");
    outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

#[test]
fn leader_that_is_killed_is_followed_and_comes_back() {
    play(plays::leader_that_is_killed_is_followed_and_comes_back);
}

#[test]
fn too_few_in_sync_replicas_refuse_and_commit_nothing() {
    play(plays::too_few_in_sync_replicas_refuse_and_commit_nothing);
}

#[test]
fn leader_that_stands_still_is_replaced_and_follows() {
    play(plays::leader_that_stands_still_is_replaced_and_follows);
}

#[test]
fn controller_that_is_killed_is_followed() {
    play(plays::controller_that_is_killed_is_followed);
}

#[test]
fn disk_that_is_lost_is_filled_again() {
    play(plays::disk_that_is_lost_is_filled_again);
}

#[test]
fn follower_that_is_not_heard_leaves_the_isr_until_healed() {
    let mut reference = reference();
    if let Some(obstacle) = reference.unlinked() {
        println!("SKIPPED: links cannot be cut: {obstacle}");
        return;
    }
    plays::follower_that_is_not_heard_leaves_the_isr_until_healed(&mut reference);
}

/// So long may all cases take.
#[cfg(feature = "root-tests")]
const WITHIN: std::time::Duration = std::time::Duration::from_secs(5 * 60);

#[cfg(feature = "root-tests")]
#[test]
fn reference_does_as_the_cases_say() {
    let mut reference = reference();
    assert_eq!(reference.unlinked(), None, "links cannot be cut; `.ci/wire-cases` sees to it");
    plays::cases::hold(&mut reference, "", WITHIN);
}
