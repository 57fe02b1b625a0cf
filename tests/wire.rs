//! The suite's target `reference-tcp`: real processes of this command, behind sockets.

#![expect(clippy::print_stdout, reason = "what a test prints is shown if it fails")]

#[path = "../conformance/wire/tests/plays/mod.rs"]
mod plays;

use highwater_conformance::target::Builder;
use highwater_conformance_wire::{Product, Started};

fn reference() -> Started {
    let program = env!("CARGO_BIN_EXE_highwater").into();
    Started::new(Product::Reference { program }).unwrap_or_else(|fault| panic!("{fault}"))
}

fn play(play: impl FnOnce(&mut dyn Builder)) {
    play(&mut reference());
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
