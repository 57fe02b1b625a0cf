//! Nodes over simulated disks, wired by a network that loses nothing unless a test does: what each does for the others.

mod cluster;
mod controllers;
mod disks;
mod fetching;
mod metadata;
mod offsets;
mod partitions;
mod producers;
mod producing;
mod sessions;
mod settings;
mod wire;
