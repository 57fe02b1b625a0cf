//! Worlds from a seed: whole clusters of nodes in one process, under faults, with every invariant checked at each step.
//!
//! A world holds 3 to 5 nodes ([`highwater_node`]), each on a simulated disk, a network between them, clients around them, and one
//! queue of events in virtual time. Which event comes next, how long a message takes, what breaks when: all of that follows from the seed. So a
//! seed *is* a test, and the same seed is the same test for ever (as long as the code is).
//!
//! - [`run`] runs one [`Scenario`]; [`Scenario::from_seed`] draws one.
//! - [`sweep`] runs many seeds on several threads. What it returns does not depend on how many.
//! - [`shrink`] makes a scenario that failed as small as it can and keeps the same invariant broken.
//! - [`stage::Stage`] is a cluster without chance, which does what it is told step by step.
//! - [`Invariant`] lists what is checked; each has a file in `invariant/`.
//!
//! # What is checked when
//! After every step of a node the world takes what the node changed into its books (`ledger`) and checks the invariants on that: what
//! a step did not touch is not looked at again. Logs are compared by chained digests of their batches, so that two prefixes compare in one step
//! whatever their length.
//!
//! # What breaks
//! Messages are lost, late, doubled; connections break; nodes are cut off, both ways or one. Nodes crash with or without the loss (and tearing)
//! of what they had not flushed, stop cleanly, stand still, run on clocks that are off; disks are full, fail, vanish. Leaders are moved and topics come and
//! go meanwhile. Every seed switches some of that on and the rest off ([`scenario::Profile`]).
//!
//! # What is not here
//! Idempotent producers, transactions and consumer groups, so clients never retry. Voters that come and go. Reassignment of replicas.
//! A disk that forgets what it had flushed, unless all of it is lost at once; a network that alters messages.

mod chance;
mod clock;
mod history;
mod invariant;
pub mod kill;
mod ledger;
mod network;
mod queue;
pub mod report;
mod rules;
mod run;
pub mod scenario;
mod shrink;
pub mod stage;
mod violation;
mod world;

pub use rules::{UnknownFlaw, flaws};
pub use run::{Sweep, run, sweep};
pub use scenario::{Profile, Scenario, Wishes};
pub use shrink::{Shrunk, shrink};
pub use violation::{Invariant, Violation};
