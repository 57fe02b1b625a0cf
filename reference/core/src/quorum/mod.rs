//! The quorum core: who leads the controllers, and what of their log is committed.
//!
//! KRaft is Raft by pull (KIP-595). A leader is elected by a majority of voters, each of which votes once an **epoch**. It appends to its
//! log; everybody else **fetches**: says where its log ends, offset and epoch of the last record, and gets what comes after,
//! or is told from where on the logs differ, and truncates. A voter's next fetch acknowledges the answer to the one before.
//! What a majority has acknowledged is committed: the leader's **high watermark** says up to where. It moves only beyond the record
//! by which the leader's own epoch began (Figure 8 of the Raft paper shows why).
//!
//! # Roles
//! Each role is a type with the state that belongs to it, and the transitions are its methods: no others compile
//! (`role.rs`). After Kafka's `QuorumState`:
//!
//! | from | to | when |
//! |---|---|---|
//! | any but observer | unattached | it hears of a later epoch |
//! | unattached, prospective | voted | it grants a vote, having no leader and no vote in the epoch |
//! | unattached, voted, prospective, candidate | follower | it hears who leads the epoch |
//! | unattached, voted, candidate, resigned | prospective | election timeout; with pre-vote off: candidate |
//! | follower | prospective | fetch timeout, EndQuorumEpoch of its leader; with pre-vote off: candidate |
//! | prospective | candidate, in the next epoch | a majority would vote for it, and its log is flushed |
//! | prospective | follower, resigned, voted, unattached, whichever it was | so many would not that it cannot win, or election timeout |
//! | candidate | leader | a majority voted for it |
//! | candidate | prospective | election timeout; the backoff, once so many refused that it cannot win |
//! | leader | resigned | [`Input::Resign`], or no majority has fetched for one and a half fetch timeouts |
//! | observer | observer, searching or following | a later epoch, a leader, fetch timeout |
//!
//! At a start: the leader of the saved epoch is resigned, whoever had voted for itself a candidate, for another voted; whoever knew
//! the leader follows it; the rest are unattached. Whoever is not in the voter set, by id **and** directory, is an observer.
//!
//! # What it promises
//! - **One vote an epoch**, saved before it is answered, and none by whoever knows the epoch's leader (kraft/vote/1, /3). Only for a
//!   log at least as up to date (kraft/vote/2). Counted only in the epoch in which it was cast (kraft/vote/4).
//! - **Whoever hears of a later epoch gives up its role** (kraft/epoch/1), from whichever message. The epoch is never below that
//!   of the last record (A04).
//! - **A leader that restarts is resigned**: it neither leads, votes nor serves in that epoch again (kraft/epoch/2).
//! - **A pre-vote binds nobody**: no vote and no epoch comes of it but one that was there before (kraft/prevote/1). Refused by whoever
//!   has been answered by its leader and not waited for the fetch timeout since.
//! - **A position is validated before it is counted** (kraft/fetch/1, /3), and the leader counts voters only, itself as far as its own log
//!   is flushed (kraft/flush/2). It serves what it is still writing.
//! - **A voter fetches on, and campaigns, only once all of its log is flushed** (kraft/flush/1, /3).
//! - **An answer is taken only if it is that to the outstanding fetch**: leader, epoch and position (kraft/fetch/4). A follower never
//!   truncates below its high watermark: an answer that asks for that is refused.
//! - **The state machine leads only once its epoch's own record is committed** ([`Effect::Lead`], KAFKA-15345).
//!
//! # Time
//! Timers run out when the driver says so: [`Quorum::elapse`] by the clock, [`Quorum::expire`] one of them by name. Nothing else depends
//! on time: whether a follower has heard from its leader lately is whether it has since it began to follow, since otherwise it does not
//! follow any more. So under [`Config::timeless`] a checker sees no time in the state.
//!
//! # Held fetches
//! A leader holds a fetch that has nothing to bring, up to the time that it allows, and answers on records, on a later high watermark, or
//! when it leads no more. One a replica: a later one takes the place of an earlier, which is answered with
//! [`QuorumError::RequestTimedOut`]. (An ordinary answer would be taken for that to the later fetch, since nothing in them differs;
//! the follower would fetch again, and the two would chase each other for ever.)
//!
//! # Finding the leader
//! The leader says BeginQuorumEpoch until it is heard, and again to whoever falls silent (A35). Whoever knows no leader asks one voter
//! after another by a fetch, which is refused with the epoch and the leader. As a voter's fetch acknowledges, that too waits for the
//! flush.
//!
//! # The seam for changes of the voter set
//! [`Voters`] alone knows who votes, what a majority is, and what a majority has reached. It never changes yet.
//!
//! # Sources
//! KIP-595, 630 (snapshots), 853 (directory ids), 996 (pre-vote); Kafka's `QuorumState`, `LeaderState` and `KafkaRaftClient` as published;
//! the clauses of `specs/kraft.md`, and the flaws of `specs/flaws`.
//!
//! # What is not implemented
//! Changes of the voter set (AddVoter, RemoveVoter, UpdateVoter, VotersRecord; KIP-853 beyond directory ids), and so A27 to A29, A31 to
//! A34. The cluster id, and the node's endpoints, which are the driver's. Snapshots older than the latest are not served: a
//! follower that was about to fetch one begins again. Batches are the driver's: a leader answers with all that it has,
//! and the driver cuts. No leadership is handed over but by resigning. The leader's clock gives no lease: reads have to go by
//! the high watermark.

mod config;
mod election;
#[cfg(feature = "flaws")]
mod flaws;
mod following;
mod leading;
mod message;
mod role;
mod rules;
mod state;
mod timer;
mod voters;

pub use config::{Config, NotLeader, OpenError, Timer};
#[cfg(feature = "flaws")]
pub use flaws::FLAWS;
pub use message::*;
pub use role::RoleName;
pub use rules::*;
pub use state::Quorum;
pub use voters::Voters;
