//! tikv's `raft` under Highwater's conformance suite: an adapter that speaks `specs/adapter.md`, version 1.
//!
//! | act | in the library |
//! |---|---|
//! | `expire` | `RawNode::campaign`; a leader has no such timer, for its `check_quorum` is off |
//! | `beat` | `RawNode::ping` of a leader: heartbeats; a follower waits |
//! | `append` | `RawNode::propose`, of a leader alone |
//! | `deliver` | `RawNode::step` |
//! | `view` | the state of `RawNode::raft`, and the disk |
//!
//! After each act every `Ready` is dealt with as the library demands: entries and hard state are written, flushed if `must_sync` says so, and
//! only then what has to wait is sent. There is no clock, and nothing depends on chance.
//!
//! # What it has not
//! Snapshots, changes of the voters, `resign` (the library can hand leadership to a node that it is told, which is another thing), `wipe` (a voter's identity is its
//! id alone: a blank disk under an old id is not allowed).

mod disk;
mod protocol;
mod world;

use std::io::{self, BufRead, Write};

use protocol::{Answer, Request};
use world::World;

fn main() -> io::Result<()> {
    let mut world = World::default();
    for line in io::stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        let is_last = request.act == "bye";
        let answer = Answer::new(request.id, world.act(&request));
        let mut out = io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&answer)?)?;
        out.flush()?;
        if is_last {
            break;
        }
    }
    Ok(())
}
