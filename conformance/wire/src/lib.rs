//! Targets that are real processes behind sockets, held to the suite through Kafka's protocol.
//!
//! | target | is |
//! |---|---|
//! | `reference-tcp`: [`Started`] with [`Product::Reference`] | nodes of `highwater broker` on this machine |
//! | `kafka-real`: [`Started`] with [`Product::Kafka`] | the same of Apache Kafka, from a directory of jars |
//! | `kafka:HOST:PORT,…`: [`Reached`] | any cluster that is there already: a black box, without faults |
//!
//! ```text
//! suite ── traits ──► system ──► nodes ──► process: kill -9, SIGSTOP, SIGTERM; disks; network: links
//!                        └─────► wire, client ── Kafka's protocol ──► broker and controller doors of each node
//! ```
//!
//! It is a crate of its own, not a feature of `highwater-conformance`: within a workspace a feature that one package wants is on for all, and
//! whoever tests a system of their own, or the cores alone, has no use for tokio and a client of Kafka's protocol.
//!
//! # Invariants
//! - No process outlives the suite, whatever way that ends, nor do its files (`process`). Where the guards are killed as well, as all is at
//!   the end of a PID namespace, files stay in the directory of temporary ones.
//! - A record leaves at most once; an error says whether it may have been written (`client`).
//! - Nothing sleeps for a fixed time but [`Clock::pass`](highwater_conformance::target::cluster::Clock::pass), which is asked to. All else looks
//!   again and again until a deadline.
//! - A topic has a name of its own in each scenario, so that a cluster can serve several, one after the other. A cluster is used again only
//!   if all its nodes come up again and answer, with all disks; `kafka-real` does so, since three Java machines take seconds to start. Java maps
//!   Kafka's classes from a file beside the directory of jars, `classes.jsa`, which the first run records.
//!
//! # What differs from a simulated target
//! - Time is real: a session that ends, ends when the brokers' clocks say so (`reference-tcp` 1.5 s, `kafka-real` 3 s).
//! - Links can be cut for root within namespaces only ([`network`]); elsewhere that capability is absent.
//! - A killed process loses nothing that it wrote: [`Lifecycle::crash`](highwater_conformance::target::Lifecycle::crash) is unsupported.
//! - A node that was started is not waited for. It may be long in coming, as where it finds no quorum.
//!
//! # Not implemented
//! - Observation of the metadata quorum's log, so that scenarios of quorums are skipped: they are the cores', step by step.
//! - Nodes that are only broker or only controller; TLS and SASL; compressed records in what is read; IPv6 within namespaces.
//! - Windows and macOS: signals, namespaces and guards are those of Linux.

mod build;
mod client;
pub mod network;
mod nodes;
mod probe;
mod process;
mod product;
mod system;
mod wire;

pub use build::{Reached, Started};
pub use product::Product;

/// Where a node is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The host of both ports.
    pub host: String,
    /// Its broker's port.
    pub broker: u16,
    /// Its controller's port, if it is known.
    pub controller: Option<u16>,
}

impl Place {
    fn broker_address(&self) -> String {
        format!("{}:{}", self.host, self.broker)
    }

    fn controller_address(&self) -> Option<String> {
        self.controller.map(|port| format!("{}:{port}", self.host))
    }
}
