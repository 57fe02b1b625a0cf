//! A replicated state machine for any program: Kafka's quorum as a library.
//!
//! A program has a state that changes by records ([`StateMachine`]). Some processes, three mostly, each run a [`Member`]. A record that one of them
//! proposes is committed once a majority has it on disk, and is applied by all, in the same order. While a majority lives, the others go
//! on; whoever comes back catches up. The election, the log, its files and what members say to each other are those of Kafka's controllers (KRaft), and
//! what decides is the quorum core that the broker runs, that is simulated and checked ([`highwater_core::quorum`]).
//!
//! ```
//! use std::io::{self, Read, Write};
//!
//! use highwater_quorum::disk::RealDisk;
//! use highwater_quorum::{Config, Epoch, Member, Offset, ProposeError, Replica, StateMachine, Tcp};
//!
//! /// Counts the bytes of all records.
//! #[derive(Default)]
//! struct Counter(u64);
//!
//! impl StateMachine for Counter {
//!     type Answer = u64;
//!     fn apply(&mut self, _offset: Offset, _epoch: Epoch, record: &[u8]) -> u64 {
//!         self.0 += record.len() as u64;
//!         self.0
//!     }
//!     fn snapshot(&self, out: &mut dyn Write) -> io::Result<()> {
//!         out.write_all(&self.0.to_be_bytes())
//!     }
//!     fn restore(from: &mut dyn Read) -> io::Result<Self> {
//!         let mut bytes = [0; 8];
//!         from.read_exact(&mut bytes)?;
//!         Ok(Self(u64::from_be_bytes(bytes)))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! // One member of one; with three, each process names all: [1, 2, 3].
//! let config = Config::new("counters", 1, [1]);
//! let disk = RealDisk::open(directory.path())?;
//! Replica::<_, Counter>::format(&config, &disk)?; // once, when the member is set up
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let addresses = Tcp::fixed([(1, listener.local_addr()?.to_string())]);
//! let tcp = Tcp::new(&config, listener, addresses);
//! let member = Member::start(config, disk, Counter::default(), tcp)?;
//!
//! let committed = loop {
//!     match member.propose("hello").await {
//!         Err(ProposeError::NotLeader { leader: None }) => tokio::task::yield_now().await, // being elected
//!         committed => break committed?,
//!     }
//! };
//! assert_eq!(committed.answer, 5);
//! assert_eq!(member.read(|counter| counter.0).await?, 5);
//! member.stop().await?;
//! # Ok(())
//! # }
//! ```
//! `examples/key_value.rs` is a store of three processes that survives the death of its leader.
//!
//! # Parts
//! | part | is | knows of |
//! |---|---|---|
//! | [`log::QuorumLog`] | the core over its log and snapshots; the broker's node is built on it, too, and so its simulation runs it | core, log |
//! | [`Replica`] | a member without network, clock and threads: inputs and the time go in, outputs come out | core, log, state machine |
//! | [`Member`] | a replica on a thread of its own | clocks, threads |
//! | [`Transport`] | how members reach each other; [`Tcp`] is ready-made | sockets |
//! | [`Disk`](disk::Disk) | where the log is; [`RealDisk`](disk::RealDisk) and [`SimulatedDisk`](disk::SimulatedDisk) are ready-made | files |
//! | [`kafka`] | the members' messages as Kafka's Vote, BeginQuorumEpoch, EndQuorumEpoch, Fetch and FetchSnapshot | the wire |
//!
//! # What it promises
//! - **What was answered stays.** [`Member::propose`] answers once a majority has flushed the record and this member has applied it.
//! - **One order.** All state machines apply the same records at the same offsets.
//! - **Reads are linearizable** ([`Member::read`]): what is read holds all that anybody was told of before the read began. A read goes by the log:
//!   it waits for a record that was appended after it was asked, if need be one that says nothing. So it relies on no clock, neither on its
//!   rate nor on its time; and costs a flush of a majority, which all that come at a time share. A confirmation by the next fetches alone
//!   would not do: a fetch may have been under way since before the read, and its sender have voted for another leader meanwhile.
//! - **At most once, unless told otherwise**: a refused proposal was not and will not be applied. [`ProposeError::Unknown`] is the exception; a program that
//!   proposes such a record again should tell by something in it that it is the same.
//! - **Clocks decide nothing** but when to give up waiting. A quorum whose clocks are wrong may elect too often, and errs in nothing.
//! - A disk error stops the member; nothing that it had not said yet is said.
//!
//! # Files
//! The disk holds what that of a Kafka controller does: `meta.properties`, and in `__cluster_metadata-0` the log, `quorum-state` and snapshots
//! `OFFSET-EPOCH.checkpoint`. A record is a record's value; a snapshot's state is cut into the values of its records. `highwater dump-log`
//! and Kafka's DumpLogSegments read them.
//!
//! # What is not implemented
//! - Changes of the voters (KIP-853): they are the same from the start. Where voters are configured by id alone, a member that lost its disk and is
//!   formatted anew has forgotten its votes and what it acknowledged, and may undo what was promised. Where they are configured with the
//!   ids of their directories ([`Config::voters`]), it is an observer, which replicates and counts for nothing, until all members are restarted with its
//!   new one: do that only while the others are whole.
//! - Authentication and encryption: whoever reaches the listener is trusted.
//! - Forwarding: a follower refuses, and says who leads.
//! - Deduplication of proposals, and leases for cheaper reads.
//! - Snapshots are taken on the member's thread, and are in memory as a whole meanwhile. A state of gigabytes wants another library.
//! - ApiVersions and DescribeQuorum, so that Kafka's tools do not talk to a member, but to its files.

mod config;
#[cfg(feature = "member")]
pub mod kafka;
pub mod log;
mod machine;
#[cfg(feature = "member")]
mod member;
mod message;
mod replica;
mod waiting;

pub use highwater_core::quorum::{ReplicaKey, Request, Response, RoleName};
pub use highwater_core::{Epoch, Instant, NodeId, Offset, Token, Uuid};
pub use highwater_log::{Flushed, Flusher, disk};

pub use config::{Config, Fatal, OpenError};
pub use machine::StateMachine;
#[cfg(feature = "member")]
pub use member::{Addresses, Inbox, Member, Stopped, Tcp, Transport};
pub use message::{Committed, Input, Output, ProposeError, Status};
pub use replica::Replica;
