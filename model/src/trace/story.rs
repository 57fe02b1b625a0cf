//! What a story is made of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A counterexample, or the way to a witness.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Story {
    /// The model's name.
    pub model: String,
    /// The flaw or rule that was switched, where one was.
    pub switched: Option<String>,
    /// The claim that the story is about.
    pub claim: String,
    /// Its kind: `always`, `sometimes`, `leads-to`, `deadlock`.
    pub kind: String,
    /// The clause that demands it.
    pub clause: String,
    /// The claim in a sentence.
    pub summary: String,
    /// The command that shows it again.
    pub command: String,
    /// The lanes.
    pub lanes: Vec<Lane>,
    /// The state before the first step.
    pub start: Scene,
    /// The steps.
    pub steps: Vec<Step>,
    /// After the last step it goes on from this state (0 is the start) for ever.
    pub loop_to: Option<usize>,
}

/// One lane of the diagram.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lane {
    /// `n1`, `controller`, `zk`.
    pub name: String,
    /// What stands there.
    pub kind: LaneKind,
}

/// What stands in a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LaneKind {
    /// A voter, broker or replica.
    Node,
    /// A coordination service or controller.
    Service,
    /// A client or a guarded resource.
    Client,
}

/// One step of a story.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// The kind of action.
    pub action: String,
    /// What happened, causes first.
    pub events: Vec<Event>,
    /// The state after it.
    pub scene: Scene,
}

/// A state, for reading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scene {
    /// A famous state's name.
    pub landmark: Option<String>,
    /// Each lane.
    pub lanes: Vec<LaneView>,
    /// The state in the model's own readable form: what `--from` takes.
    pub state: serde_json::Value,
}

/// One lane in one state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LaneView {
    /// Whether it is up; a crashed or paused lane is drawn dashed.
    pub up: bool,
    /// `leader`, `follower`, `candidate`, …, or empty.
    pub role: String,
    /// Named values in order, such as (`epoch`, `3`), (`isr`, `{1,2}`). Not the log, not the high watermark.
    pub fields: Vec<(String, String)>,
    /// The log, where the lane has one.
    pub log: Option<LogView>,
}

/// A log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogView {
    /// From offset 0.
    pub records: Vec<RecordView>,
    /// Offsets below it are committed as far as this lane knows.
    pub high_watermark: Option<u64>,
    /// Offsets below it are on disk, where that is not all.
    pub flushed: Option<u64>,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordView {
    /// The leader epoch (or term) that it was written in.
    pub epoch: u64,
    /// `x`, `y`, or `LC` of a LeaderChange record.
    pub value: String,
}

/// One event of a step. Lanes are indices into [`Story::lanes`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A message leaves. A later `receive` or `lose` with the same ends and text is the same message.
    Send {
        /// From this lane.
        from: usize,
        /// To this lane.
        to: usize,
        /// `VoteRequest epoch=2 log=1@1`.
        text: String,
    },
    /// A message arrives and is handled. It may arrive again later (a duplicate).
    Receive {
        /// From this lane.
        from: usize,
        /// At this lane.
        to: usize,
        /// The text it was sent with.
        text: String,
    },
    /// A message is lost.
    Lose {
        /// From this lane.
        from: usize,
        /// Meant for this lane.
        to: usize,
        /// The text it was sent with.
        text: String,
    },
    /// Something in one lane.
    Note {
        /// The lane.
        lane: usize,
        /// What is drawn.
        mark: Mark,
        /// `becomes leader of epoch 2`.
        text: String,
    },
}

/// How a [`Event::Note`] is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// A dot.
    Plain,
    /// A timer ran out.
    Timeout,
    /// Leadership won.
    Elected,
    /// Leadership given up or lost.
    Deposed,
    /// A record appended.
    Append,
    /// Records cut off.
    Truncate,
    /// The high watermark moved.
    Commit,
    /// A node stopped.
    Crash,
    /// A node came back.
    Restart,
    /// A session or a node of the tree went.
    Expire,
}
