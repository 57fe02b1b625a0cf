//! A story as one page to step through: the diagram, and each state in full.
//!
//! The page holds everything it needs, style and script included. Without the script all states are listed one
//! below the other; with it, one is shown at a time (←, →, Home, End, buttons, a click into the diagram, or
//! `#step-5` in the address).

use askama::Template;

use super::layout::{Frame, hue, layout};
use super::messages::{End, Fate, Message, Moment, Post};
use super::words::{self, Ending, Repeat};
use super::{Event, LaneKind, LaneView, LogView, Mark, Scene, Story, svg};

/// The page of `story`.
pub fn render(story: &Story) -> String {
    let page = Page::of(story);
    page.render().unwrap_or_else(|error| {
        // Writing to a string fails only where a value's own formatting does, and all values here are strings.
        format!("<!DOCTYPE html><title>Highwater</title><p>{}</p>", svg::escape(&error.to_string()))
    })
}

#[derive(Template)]
#[template(path = "story.html")]
struct Page {
    title: String,
    style: &'static str,
    script: &'static str,
    ending: &'static str,
    lead: &'static str,
    subject: String,
    outcome: String,
    claim: String,
    clause: String,
    summary: String,
    found: String,
    command: String,
    landmarks: Vec<(usize, String)>,
    diagram: String,
    states: Vec<State>,
    loop_back: Option<String>,
    loop_step: Option<usize>,
}

/// One state: its step, and every lane after it.
struct State {
    index: usize,
    name: String,
    action: String,
    landmark: Option<String>,
    loop_begins: bool,
    last: bool,
    classes: String,
    events: Vec<Told>,
    lanes: Vec<Card>,
    json: String,
}

/// An event in words.
struct Told {
    class: &'static str,
    sign: char,
    what: String,
    text: String,
    aside: String,
}

/// A lane in full.
struct Card {
    name: String,
    kind: &'static str,
    role: String,
    role_was: Option<String>,
    leads: bool,
    up: bool,
    changed: bool,
    fields: Vec<Field>,
    log: Option<Log>,
}

struct Field {
    name: String,
    value: String,
    was: Option<String>,
}

struct Log {
    records: Vec<Record>,
    empty: bool,
    changed: bool,
    caption: String,
}

struct Record {
    class: String,
    value: String,
    epoch: u64,
    title: String,
}

impl Page {
    fn of(story: &Story) -> Self {
        let clean = |text: &str| words::clean(text).into_owned();
        let ending = words::ending(story);
        let repeat = words::repeats(story);
        let post = Post::of(story);
        let states: Vec<State> =
            (0..=story.steps.len()).map(|index| State::of(story, &post, index)).collect();
        let landmark = |state: &State| state.landmark.clone().map(|name| (state.index, name));
        let switched = story.switched.iter().map(String::as_str);
        let parts: Vec<&str> =
            std::iter::once(story.model.as_str()).chain(switched).chain([story.claim.as_str()]).collect();
        Self {
            title: clean(&parts.join(" · ")),
            style: include_str!("../../templates/story.css"),
            script: include_str!("../../templates/story.js"),
            ending: if ending == Ending::Violation { "violation" } else { "witness" },
            lead: if ending == Ending::Violation { "Highwater counterexample" } else { "Highwater witness" },
            subject: clean(&words::subject(story)),
            outcome: clean(&words::outcome(story)),
            claim: clean(&story.claim),
            clause: clean(&story.clause),
            summary: clean(&story.summary),
            found: clean(&words::found(story)),
            command: clean(&story.command),
            landmarks: states.iter().filter_map(landmark).collect(),
            diagram: svg::draw(story, &layout(story, &Frame { standalone: false, ..Frame::default() })),
            states,
            loop_back: repeat.map(|repeat| match repeat {
                Repeat::Steps { first, .. } => format!("And on from step {first}, for ever."),
                Repeat::Stays => "And so it stays, for ever.".to_string(),
            }),
            loop_step: repeat.and_then(|repeat| match repeat {
                Repeat::Steps { first, .. } => Some(first),
                Repeat::Stays => None,
            }),
        }
    }
}

impl State {
    fn of(story: &Story, post: &Post<'_>, index: usize) -> Self {
        let scene = words::scene(story, index);
        let step = index.checked_sub(1).and_then(|step| story.steps.get(step));
        let last = index == story.steps.len();
        let looped = match words::repeats(story) {
            Some(Repeat::Steps { first, .. }) => index >= first,
            _ => false,
        };
        let mut classes = Vec::new();
        classes.extend(scene.landmark.is_some().then_some("landmark"));
        classes.extend(looped.then_some("looped"));
        classes.extend(last.then_some("final"));
        let before: Option<&Scene> = index.checked_sub(1).map(|before| words::scene(story, before));
        let lanes = scene.lanes.iter().enumerate().map(|(lane, view)| {
            Card::of(story, lane, view, before.and_then(|before| before.lanes.get(lane)))
        });
        let events = step.map_or(&[][..], |step| &step.events);
        let told = events.iter().enumerate().filter_map(|(place, event)| {
            let moment = Moment { step: index, event: place };
            let at_once = post.ends_at_once(moment);
            let told_by_the_other = match event {
                Event::Send { .. } => at_once == Some(Fate::Lost),
                Event::Receive { .. } => post.ended_at_once(moment),
                _ => false,
            };
            (!told_by_the_other).then(|| Told::of(story, event, post.at(moment), at_once.is_some()))
        });
        Self {
            index,
            name: if index == 0 { "Start".to_string() } else { format!("Step {index}") },
            action: step.map_or_else(String::new, |step| words::clean(&step.action).into_owned()),
            landmark: scene.landmark.as_deref().map(|name| words::clean(name).into_owned()),
            loop_begins: matches!(words::repeats(story), Some(Repeat::Steps { first, .. }) if first == index),
            last,
            classes: classes.join(" "),
            events: told.collect(),
            lanes: lanes.collect(),
            json: serde_json::to_string_pretty(&scene.state).unwrap_or_default(),
        }
    }
}

impl Told {
    fn of(story: &Story, event: &Event, post: Option<(&Message<'_>, Option<End>)>, at_once: bool) -> Self {
        let name = |lane: &usize| words::clean(&words::lane_name(story, *lane)).into_owned();
        let text = |text: &str| words::clean(text).into_owned();
        let sent = post.map_or_else(String::new, |(message, _)| match message.sent {
            Some(sent) => format!("sent in step\u{a0}{}", sent.step),
            None => "in flight at the start".to_string(),
        });
        match event {
            Event::Send { from, to, text: says } => Self {
                class: "send",
                sign: if at_once { '⇒' } else { '→' },
                what: if at_once {
                    format!("{} to {}, at once", name(from), name(to))
                } else {
                    format!("{} sends to {}", name(from), name(to))
                },
                text: text(says),
                aside: match post {
                    Some((message, _)) if !at_once || message.ends.len() > 1 => future(message),
                    _ => String::new(),
                },
            },
            Event::Receive { from, to, text: says } => {
                let again = post.and_then(|(_, end)| end).is_some_and(|end| end.fate == Fate::Again);
                Self {
                    class: "receive",
                    sign: '⇥',
                    what: format!("{} receives from {}", name(to), name(from)),
                    text: text(says),
                    aside: if again { format!("a duplicate, {sent}") } else { sent },
                }
            }
            Event::Lose { from, to, text: says } => Self {
                class: "lost alarm",
                sign: '✗',
                what: format!("lost on its way from {} to {}", name(from), name(to)),
                text: text(says),
                aside: sent,
            },
            Event::Note { lane, mark, text: says } => Self {
                class: match mark {
                    Mark::Crash | Mark::Truncate | Mark::Expire => "alarm",
                    Mark::Elected => "elected",
                    Mark::Commit => "commit",
                    _ => "note",
                },
                sign: words::sign(*mark),
                what: format!("{} {}", name(lane), text(says)),
                text: String::new(),
                aside: String::new(),
            },
        }
    }
}

/// What becomes of a message.
fn future(message: &Message<'_>) -> String {
    if message.ends.is_empty() {
        return "never delivered".to_string();
    }
    let ends: Vec<String> = message
        .ends
        .iter()
        .map(|end| match end.fate {
            Fate::Received => format!("arrives in step\u{a0}{}", end.at.step),
            Fate::Again => format!("again in step\u{a0}{}", end.at.step),
            Fate::Lost => format!("lost in step\u{a0}{}", end.at.step),
        })
        .collect();
    ends.join(", ")
}

impl Card {
    fn of(story: &Story, lane: usize, view: &LaneView, before: Option<&LaneView>) -> Self {
        let clean = |text: &str| words::clean(text).into_owned();
        let changes = before.map(|before| words::changes(before, view)).unwrap_or_default();
        let was: std::collections::HashMap<&str, &str> =
            changes.iter().map(|change| (change.name.as_str(), change.before.as_str())).collect();
        let was = |name: &str| was.get(name).map(|was| clean(was));
        let log_changed = before.is_some_and(|before| before.log != view.log);
        // A field may be called `role`, too; a role that did not change is told by the role itself.
        let role_was = before.map(words::role).filter(|was| *was != words::role(view));
        let fields = view.fields.iter().map(|(name, value)| Field {
            name: clean(name),
            value: if value.is_empty() { "-".to_string() } else { clean(value) },
            was: was(name),
        });
        Self {
            name: clean(&words::lane_name(story, lane)),
            kind: match story.lanes.get(lane).map(|lane| lane.kind) {
                Some(LaneKind::Service) => "service",
                Some(LaneKind::Client) => "client",
                Some(LaneKind::Node) | None => "node",
            },
            role: clean(&words::role(view)),
            role_was: role_was.map(|was| if was.is_empty() { "-".to_string() } else { clean(&was) }),
            leads: words::leads(view),
            up: view.up,
            changed: !changes.is_empty() || log_changed,
            fields: fields.collect(),
            log: view.log.as_ref().map(|log| Log::of(log, before.and_then(|before| before.log.as_ref()))),
        }
    }
}

impl Log {
    fn of(log: &LogView, before: Option<&LogView>) -> Self {
        let kept = match before {
            Some(before) => before.records.iter().zip(&log.records).take_while(|(was, is)| was == is).count(),
            None => log.records.len(),
        };
        let end = log.records.len() as u64;
        let record = |(offset, record): (u64, &super::RecordView)| {
            let committed = log.high_watermark.is_some_and(|mark| offset < mark);
            let flushed = log.flushed.is_none_or(|flushed| offset < flushed);
            let mut class = format!("h{}", hue(record.epoch));
            let mut add = |when: bool, name: &str| {
                if when {
                    class.push(' ');
                    class.push_str(name);
                }
            };
            add(committed, "committed");
            add(
                log.high_watermark
                    .is_some_and(|mark| mark == offset + 1 || (mark > end && offset + 1 == end)),
                "mark",
            );
            add(log.high_watermark == Some(0) && offset == 0, "zero");
            add(!flushed, "unflushed");
            add(offset >= kept as u64, "fresh");
            let mut title = format!("offset {offset}, epoch {}", record.epoch);
            title.push_str(if committed { ", committed as far as known here" } else { "" });
            title.push_str(if flushed { "" } else { ", not on disk" });
            Record { class, value: words::clean(&record.value).into_owned(), epoch: record.epoch, title }
        };
        let mut records: Vec<Record> = (0..).zip(&log.records).map(record).collect();
        for (offset, cut) in before.iter().flat_map(|before| before.records.iter().enumerate().skip(kept)) {
            records.push(Record {
                class: "cut".to_string(),
                value: words::clean(&cut.value).into_owned(),
                epoch: cut.epoch,
                title: format!("was at offset {offset}, epoch {}; cut off in this step", cut.epoch),
            });
        }
        let mut caption: Vec<String> = vec![format!("end {end}")];
        caption.extend(log.high_watermark.map(|mark| format!("high watermark {mark}")));
        caption.extend(log.flushed.map(|flushed| format!("on disk below {flushed}")));
        Self {
            empty: records.is_empty(),
            records,
            changed: before.is_some_and(|before| before != log),
            caption: caption.join(" · "),
        }
    }
}
