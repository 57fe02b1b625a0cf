//! Nodes over simulated disks, wired by a network that loses nothing unless a test does: what each does for the others.

mod cluster;
mod controllers;
mod disks;
mod metadata;
mod partitions;
mod producers;
mod wire;
