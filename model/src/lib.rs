//! Executable specifications of Kafka's three leader elections, and the checker that exhausts them.
//!
//! This crate is the oracle of Highwater: small abstract models, one a protocol, and nothing of any
//! implementation. Read it in this order:
//!
//! 1. [`check`]: what a model owes the checker ([`check::Spec`], [`check::Claim`]) and the search itself.
//! 2. [`family`]: a model as its users meet it: bounds, rules, flaws, grains, by name.
//! 3. The models: [`kraft`], [`raft`], [`isr`], [`zk_election`], [`zk_controller`]; [`kip320`] is a benchmark.
//!    The two ZooKeeper models share [`coordination`].
//!    [`kraft`] and [`raft`] share [`voting`]; [`slots`] hold what is in flight,
//!    [`orders`] are for symmetry.
//! 4. [`trace`]: a counterexample as a story, and its renderings as text, JSON, SVG and HTML.
//!
//! **Invariants, many about absence.** The models know nothing of tokio, files, sockets or clocks. A model
//! never reads a flaw, only a rule. A bound is a parameter of the model, never a cap on the search.
//! Nothing here prints.

pub mod check;
pub mod coordination;
pub mod family;
pub mod isr;
pub mod kip320;
pub mod kraft;
pub mod orders;
pub mod raft;
pub mod slots;
pub mod trace;
pub mod voting;
pub mod zk_controller;
pub mod zk_election;

pub use family::catalogue;
