//! Where everything stands in a space–time diagram: lanes side by side, time downwards.
//!
//! A [`Layout`] is flat lists of things with their places, in pixels; whoever draws it decides nothing.
//!
//! Texts never overlap, by construction rather than by search. Every step is a row, and a row is three bands,
//! one below the other, in the order of causes:
//! 1. **arrivals**: the tips of messages, labelled where they come from afar, in the gap next to the lane;
//! 2. **cells**: one a lane, as wide as the lane's column: notes, changed values, the log if it changed;
//! 3. **sendings**: labels in the gap next to the lane, above the point where their arrows begin.
//!
//! A step in which something is sent *and* arrives has several such triples, so that time still runs downwards.
//!
//! Within a band, what shares a column or a gap is stacked. Arrows go from band 3 of one row to band 1 of a later
//! one, behind the boxes of the cells, whose ground is opaque; texts over arrows have a halo. Between
//! rows stand snapshots of all lanes: the start, each landmark, the end.

mod across;
mod cells;
mod rows;
mod sendings;

pub use super::measure::Font;
use super::messages::Fate;
use super::{LaneKind, Mark, Story};

/// What a diagram is asked to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Pixels; more are taken where lanes would be too narrow for their logs.
    pub width: i32,
    /// A title above, a legend and the command below. A page has its own.
    pub standalone: bool,
}

impl Default for Frame {
    fn default() -> Self {
        Self { width: 900, standalone: true }
    }
}

/// A diagram with everything in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Pixels.
    pub width: i32,
    /// Pixels.
    pub height: i32,
    /// The x of each lane's line.
    pub lanes: Vec<i32>,
    /// Rows' grounds, from top to bottom.
    pub bands: Vec<Band>,
    /// The lines of lanes, by piece.
    pub rails: Vec<Rail>,
    /// Opaque grounds of texts across the lanes, over lanes and arrows.
    pub plates: Vec<Band>,
    /// Messages.
    pub arrows: Vec<Arrow>,
    /// Frames of lane names and of notes.
    pub boxes: Vec<LabelBox>,
    /// Records of logs.
    pub records: Vec<RecordBox>,
    /// What is committed, and where the high watermark stands.
    pub watermarks: Vec<Watermark>,
    /// All texts.
    pub texts: Vec<TextBox>,
    /// The bracket of a lasso: from the end of the last step up to this y.
    pub lasso: Option<Lasso>,
}

/// A place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// From the left.
    pub x: i32,
    /// From the top.
    pub y: i32,
}

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// The left edge.
    pub x: i32,
    /// The upper edge.
    pub y: i32,
    /// Pixels.
    pub width: i32,
    /// Pixels.
    pub height: i32,
}

impl Area {
    /// Whether the two share a pixel.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + other.height
            && other.y < self.y + self.height
    }
}

/// The ground of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Band {
    /// Where.
    pub area: Area,
    /// What.
    pub kind: BandKind,
    /// The state that it leads to or shows; 0 is the start.
    pub state: usize,
}

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BandKind {
    /// The snapshot at the start.
    Start,
    /// A step.
    Step,
    /// The step that ends in a violation.
    BadStep,
    /// The snapshot of a famous state.
    Landmark,
    /// Where a lasso's loop begins or closes.
    Loop,
    /// The snapshot at the end, of a violation.
    Violation,
    /// The snapshot at the end, of a witness.
    Witness,
}

/// A piece of a lane's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rail {
    /// The lane.
    pub lane: usize,
    /// Its x.
    pub x: i32,
    /// The upper end.
    pub top: i32,
    /// The lower end.
    pub bottom: i32,
    /// Dashed where not.
    pub up: bool,
    /// The hue of the epoch that it leads, where it does.
    pub leads: Option<u8>,
}

/// One delivery (or loss, or neither) of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrow {
    /// The point where it leaves.
    pub from: Point,
    /// The point where it ends; of one that was never delivered, where the stub fades.
    pub to: Point,
    /// How it ends; `None`: never delivered.
    pub fate: Option<Fate>,
    /// The state after the step in which it was sent; 0: in flight at the start.
    pub sent: usize,
    /// The state after the step in which it ended.
    pub ended: Option<usize>,
    /// What it says, with its ends.
    pub title: String,
}

/// A frame with text in it (the text is in [`Layout::texts`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelBox {
    /// Where.
    pub area: Area,
    /// What it frames.
    pub kind: LabelKind,
    /// The hue of the epoch it speaks of, where it does.
    pub hue: Option<u8>,
}

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelKind {
    /// A lane's name.
    Lane(LaneKind),
    /// A note, its sign at the left.
    Note(Mark),
    /// A lane as it is: values and log.
    Card {
        /// Whether the lane is up.
        up: bool,
    },
}

/// A record of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordBox {
    /// Where.
    pub area: Area,
    /// The hue of its epoch; `None` is the frame of an empty log.
    pub hue: Option<u8>,
    /// Not there before this step.
    pub fresh: bool,
    /// Cut off in this step.
    pub cut: bool,
    /// On disk.
    pub flushed: bool,
}

/// A log's high watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    /// The line between committed and not.
    pub line: Option<Area>,
    /// The bar below what is committed.
    pub bar: Option<Area>,
}

/// A line of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextBox {
    /// The room it takes at most.
    pub area: Area,
    /// What it says.
    pub text: String,
    /// In which font.
    pub font: Font,
    /// Where in its room.
    pub align: Align,
    /// In which tone.
    pub tone: Tone,
}

/// Where a text stands in its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// At the left.
    Left,
    /// In the middle.
    Middle,
    /// At the right.
    Right,
}

/// The tone of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As any, over lanes.
    Ink,
    /// Less, over lanes.
    Muted,
    /// As any, where nothing is behind it.
    Plain,
    /// Less, where nothing is behind it.
    Quiet,
    /// A message, over arrows.
    Message,
    /// Over arrows, of something lost.
    Lost,
    /// A famous state.
    Landmark,
    /// A violation.
    Bad,
    /// A witness.
    Good,
    /// On a record, or in a box of a dark hue.
    Record,
    /// Of a record that was cut off.
    Cut,
}

/// The bracket of a lasso, at the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lasso {
    /// Its x.
    pub x: i32,
    /// Where the loop begins.
    pub top: i32,
    /// Where it closes.
    pub bottom: i32,
}

/// How many hues tell epochs apart.
pub const HUES: u64 = 8;

/// Lays a story out. Linear in the story.
pub fn layout(story: &Story, frame: &Frame) -> Layout {
    rows::Builder::new(story, frame).build()
}

/// The hue of an epoch.
pub fn hue(epoch: u64) -> u8 {
    u8::try_from(epoch % HUES).unwrap_or_default()
}

impl TextBox {
    /// Whether the text fits its room, as far as one can tell.
    pub fn font_fits(&self) -> bool {
        self.font.width(&self.text) <= self.area.width && self.font.line() <= self.area.height
    }
}
