//! What the renderers say, so that all of them say the same.

use std::borrow::Cow;

use super::{Event, LaneView, LogView, Mark, Story};

/// How a story ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// A claim does not hold.
    Violation,
    /// What should be possible is: the way to a witness.
    Witness,
}

/// How `story` ends.
pub fn ending(story: &Story) -> Ending {
    if story.kind == "sometimes" { Ending::Witness } else { Ending::Violation }
}

/// The model and what was switched in it: `kraft with A01 commit-old-epoch`.
pub fn subject(story: &Story) -> String {
    match &story.switched {
        Some(switched) if switched.starts_with("without ") => format!("{} {switched}", story.model),
        Some(switched) => format!("{} with {switched}", story.model),
        None => story.model.clone(),
    }
}

/// What became of the claim: `leader-completeness is violated after 12 steps`.
pub fn outcome(story: &Story) -> String {
    let after = after_steps(story.steps.len());
    match (story.kind.as_str(), repeats(story)) {
        ("sometimes", _) => format!("{} is reached {after}", story.claim),
        ("deadlock", _) => format!("deadlock {after}"),
        (_, Some(Repeat::Steps { first, last })) if first == last => {
            format!("{} is never met: step {first} repeats for ever", story.claim)
        }
        (_, Some(Repeat::Steps { first, last })) => {
            format!("{} is never met: steps {first} to {last} repeat for ever", story.claim)
        }
        (_, Some(Repeat::Stays)) => format!("{} is never met: nothing changes any more {after}", story.claim),
        ("leads-to", None) => format!("{} is never met: all ends {after}", story.claim),
        (_, None) => format!("{} is violated {after}", story.claim),
    }
}

fn after_steps(count: usize) -> String {
    match count {
        0 => "at the start".to_string(),
        1 => "after 1 step".to_string(),
        _ => format!("after {count} steps"),
    }
}

/// What a story's end says was found, one line.
pub fn found(story: &Story) -> String {
    let state = match story.steps.len() {
        0 => "the state at the start".to_string(),
        last => format!("the state after step {last}"),
    };
    match (story.kind.as_str(), repeats(story)) {
        ("sometimes", _) => format!("{state} is a witness"),
        ("deadlock", _) => format!("nothing can happen any more in {state}, and something is still owed"),
        (_, Some(Repeat::Steps { first, last })) if first == last => {
            format!("a fair behaviour in which step {first} repeats for ever")
        }
        (_, Some(Repeat::Steps { first, last })) => {
            format!("a fair behaviour in which steps {first} to {last} repeat for ever")
        }
        (_, Some(Repeat::Stays)) => format!("a fair behaviour that stays in {state} for ever"),
        ("leads-to", None) => format!("nothing can happen any more in {state}, and the goal was not reached"),
        (_, None) => format!("{state} breaks it"),
    }
}

/// What a lasso repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// These steps, numbered from 1.
    Steps {
        /// The first of the loop.
        first: usize,
        /// The last of the story.
        last: usize,
    },
    /// Nothing: the last state stays.
    Stays,
}

/// What `story` repeats for ever, where it does.
pub fn repeats(story: &Story) -> Option<Repeat> {
    let last = story.steps.len();
    let to = story.loop_to?;
    Some(if to < last { Repeat::Steps { first: to + 1, last } } else { Repeat::Stays })
}

/// A lane's name; one that a story does not have is `?4`.
pub fn lane_name(story: &Story, lane: usize) -> Cow<'_, str> {
    match story.lanes.get(lane) {
        Some(lane) => Cow::Borrowed(&lane.name),
        None => Cow::Owned(format!("?{}", lane.saturating_add(1))),
    }
}

/// The scene after step `index`; 0 is the start.
pub fn scene(story: &Story, index: usize) -> &super::Scene {
    match index.checked_sub(1).and_then(|step| story.steps.get(step)) {
        Some(step) => &step.scene,
        None => &story.start,
    }
}

/// The epoch (or term) that a lane says it is in.
pub fn epoch(view: &LaneView) -> Option<&str> {
    let is_epoch = |(name, _): &&(String, String)| name == "epoch" || name == "term";
    view.fields.iter().find(is_epoch).map(|(_, value)| value.as_str())
}

/// Whether a lane leads, as far as it says itself.
pub fn leads(view: &LaneView) -> bool {
    view.role.starts_with("lead") || matches!(view.role.as_str(), "controller" | "active")
}

/// The state of a lane in a word or two: `leader`, `down`, `paused`.
pub fn role(view: &LaneView) -> String {
    match (view.up, view.role.as_str()) {
        (true, role) => role.to_string(),
        (false, "") => "down".to_string(),
        (false, role) if matches!(role, "down" | "crashed" | "paused" | "stopped") => role.to_string(),
        (false, role) => format!("{role}, down"),
    }
}

/// What changed in one lane: a name, the value before, the value after; a value that is not there is `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `role`, `log`, or a field's name.
    pub name: String,
    /// The value before.
    pub before: String,
    /// The value after.
    pub after: String,
}

/// What changed in the fields of one lane, its role first and without its log.
pub fn changes(before: &LaneView, after: &LaneView) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut note = |name: &str, before: Option<&str>, after: Option<&str>| {
        if before != after {
            let or_none = |value: Option<&str>| match value {
                None | Some("") => "-".to_string(),
                Some(value) => value.to_string(),
            };
            changes.push(Change { name: name.to_string(), before: or_none(before), after: or_none(after) });
        }
    };
    let (was, is) = (role(before), role(after));
    note("role", Some(&was), Some(&is));
    // Models give the same fields in the same order in every state; what breaks that is told as gone and new.
    let same_names = before.fields.iter().map(|field| &field.0).eq(after.fields.iter().map(|field| &field.0));
    if same_names {
        for ((name, was), (_, is)) in before.fields.iter().zip(&after.fields) {
            note(name, Some(was), Some(is));
        }
        return changes;
    }
    let find = |fields: &[(String, String)]| -> std::collections::HashMap<String, String> {
        fields.iter().cloned().collect()
    };
    let (olds, news) = (find(&before.fields), find(&after.fields));
    for (name, was) in &before.fields {
        note(name, Some(was), news.get(name).map(String::as_str));
    }
    for (name, is) in after.fields.iter().filter(|(name, _)| !olds.contains_key(name)) {
        note(name, None, Some(is));
    }
    changes
}

/// A log on one line: `[x@1 LC@2 | ~y@2]`, the bar at the high watermark, a tilde before what is not on disk.
pub fn log(log: &LogView) -> String {
    let mut parts: Vec<String> = Vec::with_capacity(log.records.len() + 1);
    let mut bar = log.high_watermark;
    for (offset, record) in (0u64..).zip(&log.records) {
        if bar == Some(offset) {
            parts.push("|".to_string());
            bar = None;
        }
        let tilde = if log.flushed.is_some_and(|flushed| offset >= flushed) { "~" } else { "" };
        parts.push(format!("{tilde}{}@{}", record.value, record.epoch));
    }
    match bar {
        Some(at) if at == log.records.len() as u64 => parts.push("|".to_string()),
        // Beyond the end, which only a broken protocol has.
        Some(at) => parts.push(format!("… |{at}")),
        None => {}
    }
    format!("[{}]", parts.join(" "))
}

/// The log of a lane, where it has one.
pub fn log_of(view: &LaneView) -> Option<String> {
    view.log.as_ref().map(log)
}

/// A sentence that says what an event is: `n1 sends n2: Vote epoch=1`.
pub fn sentence(story: &Story, event: &Event, again: bool) -> String {
    let name = |lane: &usize| lane_name(story, *lane);
    match event {
        Event::Send { from, to, text } => format!("{} sends {}: {text}", name(from), name(to)),
        Event::Receive { from, to, text } => {
            let again = if again { " once more" } else { "" };
            format!("{} receives from {}{again}: {text}", name(to), name(from))
        }
        Event::Lose { from, to, text } => {
            format!("lost on the way from {} to {}: {text}", name(from), name(to))
        }
        Event::Note { lane, text, .. } => format!("{} {text}", name(lane)),
    }
}

/// The sign of a mark in a transcript.
pub fn sign(mark: Mark) -> char {
    match mark {
        Mark::Plain => '·',
        Mark::Timeout => '◷',
        Mark::Elected => '★',
        Mark::Deposed => '☆',
        Mark::Append => '+',
        Mark::Truncate => '−',
        Mark::Commit => '✓',
        Mark::Crash => '✝',
        Mark::Restart => '↻',
        Mark::Expire => '⊘',
    }
}

/// `text` without what could act on a terminal or is no XML: control characters become `�`, line breaks `⏎`.
pub fn clean(text: &str) -> Cow<'_, str> {
    let bad = |character: char| {
        character.is_control()
            || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
    };
    if !text.contains(bad) {
        return Cow::Borrowed(text);
    }
    let mend = |character: char| match character {
        '\n' => '⏎',
        '\t' => ' ',
        character if bad(character) => '\u{fffd}',
        character => character,
    };
    Cow::Owned(text.chars().map(mend).collect())
}
