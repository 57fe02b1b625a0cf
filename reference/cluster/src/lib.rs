//! `highwater cluster`: a cluster on one machine, of real processes, whose nodes can be killed, paused and cut off from each other.
//!
//! ```text
//! person ─── keys ───┐                        ┌── process: highwater broker node-1/server.properties
//! script ─── socket ─┴─► supervisor ── signals ┼── process: …
//!                            ▲                └── process: …
//!          what nodes say ───┘ watch ── as clients ask ──► each node
//!
//! node 1 ──► door (1 to 2) ──► controller of node 2        a cut closes the door
//! node 1 ──► door to 2     ──► INTERNAL listener of node 2
//! client ────────────────────► PLAINTEXT listener of node 2
//! ```
//!
//! | part | does |
//! |---|---|
//! | [`layout`] | which nodes there are, at which ports; their property files and data directories |
//! | process | starts, signals and awaits one |
//! | [`links`], door | what goes between nodes, and how it is cut |
//! | supervisor | does what is ordered, and knows what became of each node |
//! | [`control`] | orders over a socket, one line of JSON each |
//! | watch | asks the nodes how they are |
//! | [`state`] | what is known, as it is shown, told as JSON, and told as events |
//! | [`view`] | draws it on a terminal; what keys do |
//!
//! # In a directory
//! `cluster.json` (ids and ports), `node-N/server.properties`, `node-N/data`, `node-N.log`, `control.sock`, `lock`. Without `--dir` it is a
//! temporary one, removed at the end. Property files are written anew at each start, from the layout and `--property`.
//!
//! # Invariants
//! - No node outlives the process that started it: its standard input ends then, and it with that.
//! - A directory has one cluster process at most, which holds its lock.
//! - Neither the view nor an order ever waits for a node; only `stop` does, and no longer than 20 s.
//! - Standard output has a line `HOST:PORT` for each broker, once it serves, and nothing else.
//! - A cut loses nothing that was sent and nobody is told: what is held goes on when it is healed, or ends with its connection.
//!
//! # Where it differs from a network
//! - Doors speak for the other side: over a cut link a connection is accepted, and then silent, where a network would not answer at all. A
//!   one-way cut holds bytes of one direction; a network would also lose the acknowledgements of the other.
//! - A connection that was held for 30 s ends, whatever the operating system's own limits.
//! - Clients reach brokers directly: no cut is between a client and a broker.
//! - A broker's door tells nodes apart by the name in their first request (`node-N`); what calls itself otherwise is never cut off.
//!
//! # Not implemented
//! - Delays, loss of single packets, limits of rates. Clusters over several machines.
//! - The view does not scroll: partitions that do not fit are counted, and those beyond 200 are not asked about.
//! - Nodes cannot be added to a layout that is kept.

mod arguments;
pub mod control;
mod door;
mod error;
pub mod layout;
pub mod links;
mod process;
mod run;
pub mod state;
mod status;
mod supervisor;
pub mod view;
mod watch;

pub use arguments::ClusterArguments;
pub use error::ClusterError;
pub use run::run;
