//! The rows of a diagram, from top to bottom, and then the arrows and lanes across them.

use std::collections::HashMap;
use std::ops::Range;

use super::super::messages::{Fate, Moment, Post};
use super::super::words::{self, Ending, Repeat};
use super::super::{Event, LaneView, Mark, Scene, Step, Story};
use super::cells::{Column, NOTE, SMALL, STRONG};
use super::sendings::Sendings;
use super::{
    Align, Area, Band, BandKind, Font, Frame, LabelBox, LabelKind, Lasso, Layout, Point, TextBox, Tone,
};

const TITLE: Font = Font { size: 16, mono: false, bold: true };
const MESSAGE: Font = Font { size: 11, mono: false, bold: false };
const NUMBER: Font = Font { size: 13, mono: false, bold: true };
const COMMAND: Font = Font { size: 12, mono: true, bold: false };

/// Left of the lanes: the number and kind of each step.
const GUTTER: i32 = 92;
const EDGE: i32 = 12;
/// Right of the lanes, for a lasso's bracket.
const BRACKET: i32 = 24;
const LANE_WIDTH_MIN: i32 = 150;
const LANE_WIDTH_MAX: i32 = 460;
const ROW_HEIGHT_MIN: i32 = 34;
/// The names of lanes are repeated once so much was drawn since they stood there last.
const NAMES_EVERY: i32 = 1100;
/// A message that was under way for at least so many steps has a label where it arrives, too.
const FAR: usize = 3;

/// Lays a story out, row by row.
pub(super) struct Builder<'a> {
    pub(super) story: &'a Story,
    pub(super) post: Post<'a>,
    frame: Frame,
    pub(super) out: Layout,
    pub(super) columns: Vec<Column>,
    pitch: i32,
    y: i32,
    names_at: i32,
    /// Where each message leaves.
    pub(super) origins: Vec<Option<Point>>,
    /// Where each message ends, in the order of its ends.
    pub(super) tips: Vec<Vec<Point>>,
    /// From which y each lane is as it is after each step; the start first.
    pub(super) turns: Vec<Vec<i32>>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(story: &'a Story, frame: &Frame) -> Self {
        let post = Post::of(story);
        let count = i32::try_from(story.lanes.len().max(1)).unwrap_or(1).min(1000);
        let scenes = std::iter::once(&story.start).chain(story.steps.iter().map(|step| &step.scene));
        let logs = scenes.flat_map(|scene| scene.lanes.iter().filter_map(|view| view.log.as_ref()));
        let widest = logs.map(Layout::log_width).max().unwrap_or(0);
        let right = if story.loop_to.is_some() { BRACKET + EDGE } else { EDGE };
        let pitch =
            ((frame.width - GUTTER - right) / count).max(widest.min(LANE_WIDTH_MAX)).max(LANE_WIDTH_MIN);
        let column = |lane: i32| Column { centre: GUTTER + lane * pitch + pitch / 2, width: pitch };
        let columns: Vec<Column> = (0..count).take(story.lanes.len()).map(column).collect();
        let out = Layout {
            width: GUTTER + count * pitch + right,
            height: 0,
            lanes: columns.iter().map(|column| column.centre).collect(),
            bands: Vec::new(),
            rails: Vec::new(),
            plates: Vec::new(),
            arrows: Vec::new(),
            boxes: Vec::new(),
            records: Vec::new(),
            watermarks: Vec::new(),
            texts: Vec::new(),
            lasso: None,
        };
        let origins = vec![None; post.messages.len()];
        let tips =
            post.messages.iter().map(|message| vec![Point { x: 0, y: 0 }; message.ends.len()]).collect();
        Self {
            story,
            post,
            frame: *frame,
            out,
            columns,
            pitch,
            y: EDGE,
            names_at: 0,
            origins,
            tips,
            turns: Vec::new(),
        }
    }

    pub(super) fn build(mut self) -> Layout {
        let story = self.story;
        if self.frame.standalone {
            self.title();
        }
        let top = self.y + 10;
        self.names();
        self.start();
        let repeat = words::repeats(story);
        let mut loop_top = None;
        for (index, step) in story.steps.iter().enumerate() {
            let number = index + 1;
            if let Some(Repeat::Steps { first, .. }) = repeat
                && first == number
            {
                loop_top = Some(self.y + 10);
                self.banner(BandKind::Loop, index, "from here on, for ever", Tone::Landmark);
            }
            self.step(number, step, &words::scene(story, index).lanes);
            match &step.scene.landmark {
                // The end shows all lanes anyway.
                Some(name) if number == story.steps.len() && repeat.is_none() => {
                    self.banner(BandKind::Landmark, number, name, Tone::Landmark);
                }
                Some(name) => self.landmark(name, number, &step.scene),
                None => {}
            }
            if self.y - self.names_at > NAMES_EVERY && number < story.steps.len() {
                self.names();
            }
        }
        let last = story.steps.len();
        match repeat {
            Some(Repeat::Steps { first, .. }) => {
                let bottom = self.y + 12;
                let text = format!("and on from step {first}, for ever");
                self.banner(BandKind::Loop, last, &text, Tone::Landmark);
                let x = self.out.width - EDGE - 4;
                self.out.lasso = loop_top.map(|top| Lasso { x, top, bottom });
            }
            Some(Repeat::Stays) => {
                self.banner(BandKind::Loop, last, "and so it stays, for ever", Tone::Landmark);
            }
            None => {}
        }
        self.end();
        let bottom = self.y;
        self.rails(top, bottom);
        self.arrows();
        if self.frame.standalone {
            self.legend();
        }
        self.out.height = self.y + EDGE;
        self.out
    }

    /// Who and what, above all.
    fn title(&mut self) {
        let story = self.story;
        let tone = match words::ending(story) {
            Ending::Violation => Tone::Bad,
            Ending::Witness => Tone::Good,
        };
        self.wide(&words::subject(story), TITLE, Tone::Plain, 2);
        self.wide(&words::outcome(story), STRONG, tone, 2);
        self.y += 8;
    }

    /// Lines across the whole width.
    fn wide(&mut self, text: &str, font: Font, tone: Tone, lines_max: usize) {
        let room = self.out.width - 2 * EDGE;
        for line in font.wrap(&words::clean(text), room, lines_max) {
            let area = Area { x: EDGE, y: self.y, width: room, height: font.line() };
            self.out.texts.push(TextBox { area, text: line, font, align: Align::Left, tone });
            self.y += font.line();
        }
    }

    /// The lanes' names.
    fn names(&mut self) {
        self.names_at = self.y;
        for (lane, column) in self.story.lanes.iter().zip(&self.columns) {
            let name = STRONG.wrap(&words::clean(&lane.name), self.pitch - 36, 1).pop().unwrap_or_default();
            let width = (STRONG.width(&name) + 24).max(48);
            let area = Area { x: column.centre - width / 2, y: self.y, width, height: 24 };
            self.out.boxes.push(LabelBox { area, kind: LabelKind::Lane(lane.kind), hue: None });
            self.out.texts.push(TextBox {
                area: Area { y: area.y + 4, height: STRONG.line(), ..area },
                text: name,
                font: STRONG,
                align: Align::Middle,
                tone: Tone::Ink,
            });
        }
        self.y += 24 + 8;
    }

    fn start(&mut self) {
        let story = self.story;
        if let Some(name) = &story.start.landmark {
            self.banner(BandKind::Landmark, 0, name, Tone::Landmark);
        }
        let top = self.y;
        self.turns.push(vec![top; self.columns.len()]);
        self.gutter(top + 6, "start", NUMBER, "");
        self.y = self.snapshot(top + 6, &story.start);
        // What was in flight at the start leaves from here.
        let flying = self.post.messages.iter().enumerate().filter(|(_, message)| message.sent.is_none());
        let flying: Vec<_> = flying
            .filter(|(_, message)| self.connects(message.from, message.to))
            .map(|(index, message)| (message.from, message.to, message.text, index))
            .collect();
        self.sendings(&Sendings::of(flying.into_iter()));
        self.y = (self.y + 4).max(top + ROW_HEIGHT_MIN);
        self.band(BandKind::Start, 0, top);
    }

    fn step(&mut self, number: usize, step: &Step, before: &[LaneView]) {
        let top = self.y;
        let bad = number == self.story.steps.len()
            && words::ending(self.story) == Ending::Violation
            && self.story.loop_to.is_none();
        let gutter = self.gutter(top + 6, &number.to_string(), NUMBER, &step.action);
        self.y = top + 6;
        let phases = self.phases(number, step);
        let homes = self.homes(step, &phases);
        let mut turns = vec![self.y; self.columns.len()];
        for (phase, events) in phases.iter().enumerate() {
            self.arrivals(number, events.clone());
            for (turn, _) in turns.iter_mut().zip(&homes).filter(|(_, home)| **home == phase) {
                *turn = self.y;
            }
            self.y = self.cells(step, events.clone(), before, |lane| homes[lane] == phase);
            let sent = events.clone().filter_map(|event| match &step.events[event] {
                Event::Send { from, to, text } if self.connects(*from, *to) => {
                    let (message, _) = self.post.index(Moment { step: number, event })?;
                    Some((*from, *to, text.as_str(), message))
                }
                _ => None,
            });
            let sendings = Sendings::of(sent);
            self.sendings(&sendings);
        }
        self.turns.push(turns);
        self.y = (self.y + 5).max(gutter + 4).max(top + ROW_HEIGHT_MIN);
        self.band(if bad { BandKind::BadStep } else { BandKind::Step }, number, top);
    }

    /// The events of a step, cut so that what is sent in one part can arrive in a later one.
    fn phases(&self, number: usize, step: &Step) -> Vec<Range<usize>> {
        let mut phases = Vec::new();
        let mut begin = 0;
        for event in 0..step.events.len() {
            let end = self.post.index(Moment { step: number, event });
            let Some((message, Some(_))) = end else { continue };
            let here = |sent: Moment| sent.step == number && sent.event >= begin;
            if self.post.messages[message].sent.is_some_and(here) {
                phases.push(begin..event);
                begin = event;
            }
        }
        phases.push(begin..step.events.len());
        phases
    }

    /// The phase in which each lane's new values and log are shown: that of the last event that touches it.
    fn homes(&self, step: &Step, phases: &[Range<usize>]) -> Vec<usize> {
        let mut homes = vec![0; self.columns.len()];
        for (phase, events) in phases.iter().enumerate() {
            for event in &step.events[events.clone()] {
                let (Event::Note { lane, .. }
                | Event::Receive { to: lane, .. }
                | Event::Lose { to: lane, .. }) = event
                else {
                    continue;
                };
                if let Some(home) = homes.get_mut(*lane) {
                    *home = phase;
                }
            }
        }
        homes
    }

    /// The tips of what was sent before.
    fn arrivals(&mut self, number: usize, events: Range<usize>) {
        const LABELLED: i32 = 15;
        const BARE: i32 = 9;
        let mut stack: HashMap<usize, i32> = HashMap::new();
        for event in events {
            let moment = Moment { step: number, event };
            let Some((index, Some(place))) = self.post.index(moment) else { continue };
            let message = &self.post.messages[index];
            let (from, to) = (message.from, message.to);
            let sent = message.sent.map_or(0, |sent| sent.step);
            if !self.connects(from, to) {
                continue;
            }
            let fate = message.ends[place].fate;
            let left = from < to;
            let inward = if left { -1 } else { 1 };
            let lane = self.columns[to].centre;
            let far = number - sent >= FAR || message.sent.is_none();
            let mut label = match (fate, far) {
                (Fate::Received, false) => String::new(),
                (Fate::Received, true) | (Fate::Again, _) => first_word(message.text).to_string(),
                (Fate::Lost, false) => "lost".to_string(),
                (Fate::Lost, true) => format!("{} lost", first_word(message.text)),
            };
            if fate == Fate::Again {
                label.push_str(" again");
            }
            let below = stack.entry(gap(to, from)).or_default();
            let y = self.y + 3 + *below;
            *below += if label.is_empty() { BARE } else { LABELLED };
            let (tip, edge, tone) = if fate == Fate::Lost {
                let x = lane + inward * self.pitch * 45 / 100;
                (Point { x, y: y + 4 }, x - inward * 10, Tone::Lost)
            } else {
                (Point { x: lane + inward * 4, y }, lane + inward * 12, Tone::Message)
            };
            self.tips[index][place] = tip;
            // Of something lost, between the cross and the lane; else from the lane outwards.
            let outward = if fate == Fate::Lost { -inward } else { inward };
            let room = self.pitch * 45 / 100 - 16;
            if let Some(text) = SMALL.wrap(&words::clean(&label), room, 1).pop() {
                let x = if outward > 0 { edge } else { edge - room };
                let area = Area { x, y: y - 2, width: room, height: SMALL.line() };
                let align = if outward > 0 { Align::Left } else { Align::Right };
                self.out.texts.push(TextBox { area, text, font: SMALL, align, tone });
            }
        }
        self.y += stack.values().copied().max().unwrap_or(0);
    }

    /// The lanes' cells, of the notes among `events` and of the state of the lanes that are `home`; returns the
    /// y below the deepest.
    fn cells(
        &mut self,
        step: &Step,
        events: Range<usize>,
        before: &[LaneView],
        home: impl Fn(usize) -> bool,
    ) -> i32 {
        let mut floors = vec![self.y; self.columns.len()];
        for event in &step.events[events] {
            let (lane, mark, text) = match event {
                Event::Note { lane, mark, text } => (*lane, *mark, text.clone()),
                Event::Send { from, to, text } if from == to => {
                    (*from, Mark::Plain, format!("tells itself {text}"))
                }
                Event::Receive { from, to, text } if from == to => {
                    (*to, Mark::Plain, format!("hears from itself {text}"))
                }
                Event::Lose { from, to, text } if from == to => {
                    (*to, Mark::Plain, format!("loses its own {text}"))
                }
                _ => continue,
            };
            if let Some(column) = self.columns.get(lane) {
                let epoch =
                    step.scene.lanes.get(lane).and_then(words::epoch).and_then(|epoch| epoch.parse().ok());
                floors[lane] = self.out.note(*column, floors[lane], mark, &text, epoch);
            }
        }
        for (lane, (was, is)) in before.iter().zip(&step.scene.lanes).enumerate() {
            let Some(column) = self.columns.get(lane) else { break };
            if !home(lane) {
                continue;
            }
            let changes = words::changes(was, is);
            // Where a note says what happened, values would only say it again.
            if !changes.is_empty() && floors[lane] == self.y {
                floors[lane] = self.out.changes(*column, floors[lane], &changes);
            }
            if let Some(log) = &is.log
                && is.log != was.log
            {
                floors[lane] = self.out.log(*column, floors[lane], log, was.log.as_ref());
            }
        }
        floors.into_iter().max().unwrap_or(self.y)
    }

    /// Labels of what leaves, and the points where it leaves.
    fn sendings(&mut self, sendings: &Sendings<'_>) {
        if sendings.groups.is_empty() {
            return;
        }
        let mut floors: HashMap<usize, i32> = HashMap::new();
        let top = self.y + 2;
        let mut deepest = top;
        for fan in sendings.fans() {
            let Some(first) = fan.first() else { continue };
            let from = self.columns[first.from].centre;
            let right = first.right;
            let gap = if right { first.from } else { first.from - 1 };
            let mut y = *floors.get(&gap).unwrap_or(&top);
            for group in fan {
                let text = if fan.len() > 1 {
                    let names: Vec<_> = group.to.iter().map(|to| words::lane_name(self.story, *to)).collect();
                    format!("{}: {}", names.join(", "), group.text)
                } else {
                    group.text.to_string()
                };
                let room = self.pitch - 24;
                for line in MESSAGE.wrap(&words::clean(&text), room, 2) {
                    let x = if right { from + 12 } else { from - 12 - room };
                    let area = Area { x, y, width: room, height: MESSAGE.line() };
                    let align = if right { Align::Left } else { Align::Right };
                    self.out.texts.push(TextBox {
                        area,
                        text: line,
                        font: MESSAGE,
                        align,
                        tone: Tone::Message,
                    });
                    y += MESSAGE.line();
                }
                // Nothing to say still leaves from somewhere.
                y = y.max(top + 4);
            }
            for group in fan {
                for message in &group.messages {
                    self.origins[*message] = Some(Point { x: from, y });
                }
            }
            floors.insert(gap, y + 4);
            deepest = deepest.max(y);
        }
        self.y = deepest + 14;
    }

    /// A famous state: its name, and all lanes as they are.
    fn landmark(&mut self, name: &str, state: usize, scene: &Scene) {
        let top = self.y;
        self.banner_text(name, Tone::Landmark, BandKind::Landmark, state);
        self.y = self.snapshot(self.y, scene);
        self.band(BandKind::Landmark, state, top);
    }

    /// A row of nothing but a text.
    fn banner(&mut self, kind: BandKind, state: usize, text: &str, tone: Tone) {
        let top = self.y;
        self.banner_text(text, tone, kind, state);
        self.band(kind, state, top);
    }

    fn banner_text(&mut self, text: &str, tone: Tone, kind: BandKind, state: usize) {
        let top = self.y;
        self.y += 5;
        self.wide(text, STRONG, tone, 2);
        self.y += 5;
        self.plate(kind, state, top);
    }

    /// An opaque ground for texts across the lanes.
    fn plate(&mut self, kind: BandKind, state: usize, top: i32) {
        let area = Area { x: 0, y: top, width: self.out.width, height: self.y - top };
        self.out.plates.push(Band { area, kind, state });
    }

    /// What was claimed, and all lanes as they are.
    fn end(&mut self) {
        let story = self.story;
        let top = self.y;
        let (kind, tone, text) = match words::ending(story) {
            Ending::Violation => (BandKind::Violation, Tone::Bad, words::outcome(story)),
            Ending::Witness => (BandKind::Witness, Tone::Good, words::outcome(story)),
        };
        self.y += 6;
        self.wide(&text, NUMBER, tone, 2);
        let clause = if story.clause.is_empty() { String::new() } else { format!(" ({})", story.clause) };
        self.wide(&format!("Expected: {}{clause}", story.summary), NOTE, Tone::Plain, 4);
        self.wide(&format!("Found: {}.", words::found(story)), NOTE, Tone::Plain, 2);
        let last = story.steps.len();
        self.y += 4;
        self.plate(kind, last, top);
        self.y = self.snapshot(self.y + 6, words::scene(story, last)) + 4;
        self.band(kind, last, top);
    }

    /// All lanes as they are, from `y`; returns the y below.
    fn snapshot(&mut self, y: i32, scene: &Scene) -> i32 {
        let mut floor = y;
        for (column, view) in self.columns.iter().zip(&scene.lanes) {
            floor = floor.max(self.out.card(*column, y, view));
        }
        floor
    }

    /// The number and kind of a step; returns the y below.
    fn gutter(&mut self, y: i32, number: &str, font: Font, action: &str) -> i32 {
        let area = Area { x: EDGE, y, width: GUTTER - EDGE - 4, height: font.line() };
        self.out.texts.push(TextBox {
            area,
            text: number.into(),
            font,
            align: Align::Left,
            tone: Tone::Plain,
        });
        let mut y = y + font.line();
        // Kinds of action are hyphenated words, and may break behind a hyphen.
        let broken = words::clean(action).replace('-', "- ");
        for line in SMALL.wrap(&broken, GUTTER - EDGE - 4, 3) {
            let area = Area { x: EDGE, y, width: GUTTER - EDGE - 4, height: SMALL.line() };
            let text = line.replace("- ", "-");
            self.out.texts.push(TextBox { area, text, font: SMALL, align: Align::Left, tone: Tone::Quiet });
            y += SMALL.line();
        }
        y
    }

    fn band(&mut self, kind: BandKind, state: usize, top: i32) {
        let area = Area { x: 0, y: top, width: self.out.width, height: self.y - top };
        self.out.bands.push(Band { area, kind, state });
    }

    /// How to read it, and how to see it again.
    fn legend(&mut self) {
        self.y += 8;
        let out = &self.out;
        let fates = |fate| out.arrows.iter().any(|arrow| arrow.fate == fate);
        let parts = [
            (
                out.records.iter().any(|record| record.hue.is_some()),
                "x@2: record x written in epoch 2, its colour.",
            ),
            (
                out.watermarks.iter().any(|mark| mark.bar.is_some()),
                "Underlined: committed, as far as the lane knows.",
            ),
            (
                out.watermarks.iter().any(|mark| mark.line.is_some()),
                "Upright green line: the high watermark.",
            ),
            (out.records.iter().any(|record| !record.flushed), "Dashed record: not on disk."),
            (out.records.iter().any(|record| record.cut), "Struck record: cut off in this step."),
            (out.rails.iter().any(|rail| rail.leads.is_some()), "Thick lane: leader."),
            (out.rails.iter().any(|rail| !rail.up), "Dashed lane: down."),
            (fates(Some(Fate::Again)), "Dashed arrow: delivered again."),
            (fates(None), "Dotted stub: not delivered."),
        ];
        let text: Vec<&str> = parts.iter().filter(|part| part.0).map(|part| part.1).collect();
        self.wide(&text.join(" "), SMALL, Tone::Quiet, 3);
        if !self.story.command.is_empty() {
            self.y += 6;
            self.wide(&self.story.command, COMMAND, Tone::Plain, 3);
        }
    }

    /// Whether both are lanes of the diagram, and not the same.
    fn connects(&self, from: usize, to: usize) -> bool {
        from != to && from < self.columns.len() && to < self.columns.len()
    }
}

/// The gap between lanes in which something that comes from `from` stands next to the lane `at`.
fn gap(at: usize, from: usize) -> usize {
    if from < at { at - 1 } else { at }
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or("")
}
