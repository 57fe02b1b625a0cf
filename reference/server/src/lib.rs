//! The broker: a node behind sockets that speak Kafka's protocol.
//!
//! One OS thread owns the node ([`runtime`]) and does nothing but its steps; sockets live on a tokio runtime beside it. What decides is in
//! the node and its cores, which the simulation runs as they are; here are bytes, connections and clocks.
//!
//! # Parts
//! | part | does |
//! |---|---|
//! | [`config`] | reads `server.properties` in Kafka's names, checks all of it, and says what is wrong by file and line |
//! | [`runtime`] | the node's task, and the handle by which all others reach it |
//! | connection | sockets, frames, limits |
//! | [`api`] | answers requests, one module an API |
//! | group | coordinators of groups, over `__consumer_offsets` |
//! | peer | what nodes ask of each other, both sides |
//! | translate | between the node's types and Kafka's messages |
//! | metrics | what is counted and looked at, in the words of Kafka's exporters |
//! | server | puts them together, starts and stops them |
//!
//! # Not implemented
//! - TLS and SASL, quotas.
//! - Kafka lets go of the listeners first when it stops; here they serve until the node has stopped.

pub mod api;
pub mod config;
mod connection;
mod group;
mod metrics;
mod peer;
pub mod runtime;
mod server;
mod stopping;
mod translate;

pub use server::{BoundListener, Server, Sockets, StartError};
