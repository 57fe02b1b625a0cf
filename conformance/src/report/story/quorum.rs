//! Scenes of quorums as steps of a story.
//!
//! Messages stand where they were first seen under way, and where they arrived or were lost. Of a step in which very many arrive (a
//! `settle`), only those are told that say something new: see [`MESSAGES_MAX`].

use std::collections::{BTreeMap, HashSet};

use highwater_model::trace::{Event, LaneView, LogView, Mark, RecordView};

use super::{Told, lane_of};
use crate::play::{Act, Played};
use crate::scenario::{Member, Role, Scenario, Step as Does, Who};
use crate::target::{Entry, Envelope, NodeView};

/// A step with more messages than this is told without those of them that only say that there is nothing new.
const MESSAGES_MAX: usize = 14;

/// The steps.
pub(super) fn steps(scenario: &Scenario, played: &Played) -> Vec<Told> {
    let members = &scenario.quorum;
    let mut before: BTreeMap<Member, Option<NodeView>> = BTreeMap::new();
    let mut steps = Vec::new();
    for (scene, line) in played.scenes.iter().zip(&scenario.steps) {
        // What could not be looked at any more is told as it was.
        let after = if scene.views.is_empty() { before.clone() } else { scene.views.clone() };
        let mut events = deeds(members, &line.step);
        events.extend(messages(members, &scene.acts));
        for (lane, member) in members.iter().enumerate() {
            let seen = |views: &BTreeMap<Member, Option<NodeView>>| views.get(member).cloned().flatten();
            events.extend(changes(lane, seen(&before).as_ref(), seen(&after).as_ref()));
        }
        steps.push(Told {
            action: line.step.to_string(),
            is_quiet: events.is_empty() && matches!(line.step, Does::Expect(_)),
            events,
            lanes: members.iter().map(|member| lane(after.get(member).and_then(Option::as_ref))).collect(),
            about: line.step.members().first().map_or(0, |member| lane_of(members, *member)),
        });
        before = after;
    }
    steps
}

/// What the scenario itself does to a node.
fn deeds(members: &[Member], step: &Does) -> Vec<Event> {
    let on = |member: Member, mark: Mark, text: String| {
        vec![Event::Note { lane: lane_of(members, member), mark, text }]
    };
    let note = |who: &Who, mark: Mark, text: String| {
        who.member().map_or_else(Vec::new, |member| on(member, mark, text))
    };
    match step {
        Does::Kill { node } => note(node, Mark::Crash, "is killed".to_owned()),
        Does::Crash { node } => {
            note(node, Mark::Crash, "crashes, and loses what it has not flushed".to_owned())
        }
        Does::Start { node } => note(node, Mark::Restart, "starts".to_owned()),
        Does::Wipe { node } => note(node, Mark::Restart, "comes back on a blank disk".to_owned()),
        Does::Cut { from, to } => note(to, Mark::Plain, format!("does not hear {from} any more")),
        Does::Isolate { node } => note(node, Mark::Plain, "is cut off".to_owned()),
        Does::Heal { node: Some(node) } => note(node, Mark::Plain, "is reached again".to_owned()),
        Does::Heal { node: None } => {
            members.iter().flat_map(|node| on(*node, Mark::Plain, "is reached again".to_owned())).collect()
        }
        Does::Append { node, value, refused: false } => on(*node, Mark::Append, format!("is given {value}")),
        Does::Append { node, value, refused: true } => {
            on(*node, Mark::Plain, format!("is given {value}, and is to refuse it"))
        }
        Does::Resign { node } => on(*node, Mark::Plain, "is asked to resign".to_owned()),
        _ => Vec::new(),
    }
}

fn messages(members: &[Member], acts: &[Act]) -> Vec<Event> {
    let count = acts.iter().filter(|act| matches!(act, Act::Delivered(_))).count();
    let idle = if count > MESSAGES_MAX { idle(acts) } else { HashSet::new() };
    let mut events = Vec::new();
    for act in acts {
        let route = |envelope: &Envelope| {
            (lane_of(members, envelope.from), lane_of(members, envelope.to), words(envelope))
        };
        let is_told = |envelope: &Envelope| !idle.contains(&envelope.id);
        match act {
            Act::Sent(envelope) if is_told(envelope) => {
                let (from, to, text) = route(envelope);
                events.push(Event::Send { from, to, text });
            }
            Act::Delivered(envelope) | Act::Copied(envelope) if is_told(envelope) => {
                let (from, to, text) = route(envelope);
                events.push(Event::Receive { from, to, text });
            }
            Act::Lost(envelope) if is_told(envelope) => {
                let (from, to, text) = route(envelope);
                events.push(Event::Lose { from, to, text });
            }
            Act::Expired(node) => {
                let text = "its timer runs out".to_owned();
                events.push(Event::Note { lane: lane_of(members, *node), mark: Mark::Timeout, text });
            }
            Act::Asked(asked) => {
                let name = format!("{} ", asked.node);
                let text = super::probe(asked).replacen(&name, "", 1);
                events.push(Event::Note { lane: lane_of(members, asked.node), mark: Mark::Plain, text });
            }
            _ => {}
        }
    }
    if !idle.is_empty() {
        let text = format!("and {} more messages that say nothing new", idle.len());
        events.push(Event::Note { lane: 0, mark: Mark::Plain, text });
    }
    events
}

/// Messages that are sent and arrive in a step, and say what one before them in it said on the same way.
fn idle(acts: &[Act]) -> HashSet<u64> {
    let sent: HashSet<u64> = acts
        .iter()
        .filter_map(|act| if let Act::Sent(envelope) = act { Some(envelope.id) } else { None })
        .collect();
    let mut said = HashSet::new();
    let mut idle = HashSet::new();
    for act in acts {
        if let Act::Delivered(envelope) = act {
            let fresh = said.insert((envelope.from, envelope.to, words(envelope)));
            if !fresh && sent.contains(&envelope.id) {
                idle.insert(envelope.id);
            }
        }
    }
    idle
}

fn words(envelope: &Envelope) -> String {
    let kind = envelope.kind.word().replace('-', " ");
    if envelope.text.is_empty() { kind } else { format!("{kind}: {}", envelope.text) }
}

/// What became of a node.
fn changes(lane: usize, before: Option<&NodeView>, after: Option<&NodeView>) -> Vec<Event> {
    let Some(after) = after else { return Vec::new() };
    let mut events = Vec::new();
    let mut note = |mark: Mark, text: String| events.push(Event::Note { lane, mark, text });
    let led = before.filter(|before| before.role == Role::Leader).map(|before| before.epoch);
    let leads = (after.role == Role::Leader).then_some(after.epoch);
    match (led, leads) {
        (led, Some(epoch)) if led != Some(epoch) => note(Mark::Elected, format!("leads epoch {epoch}")),
        (Some(epoch), None) => note(Mark::Deposed, format!("leads epoch {epoch} no more")),
        _ => {}
    }
    let Some(before) = before else { return events };
    let kept = before.log.iter().zip(&after.log).take_while(|(was, is)| was == is).count();
    let same_start = before.log_start == after.log_start;
    if same_start && kept < before.log.len() {
        note(Mark::Truncate, format!("cuts its log at offset {}", after.log_start + kept as u64));
    }
    if after.committed > before.committed {
        note(Mark::Commit, format!("knows what is below {} to be committed", after.committed));
    }
    events
}

/// A node as it is seen; nothing of one that is down.
fn lane(view: Option<&NodeView>) -> LaneView {
    let Some(view) = view else {
        return LaneView { up: false, role: String::new(), fields: Vec::new(), log: None };
    };
    let mut fields = vec![("epoch".to_owned(), view.epoch.to_string())];
    let mut named = |name: &str, member: Option<Member>| {
        fields.extend(member.map(|member| (name.to_owned(), member.to_string())));
    };
    named("leader", view.leader.filter(|_| view.role != Role::Leader));
    named("voted", view.voted);
    if view.log_start > 0 {
        fields.push(("log starts at".to_owned(), view.log_start.to_string()));
    }
    let record = |entry: &Entry| RecordView {
        epoch: entry.epoch,
        value: entry.value.clone().unwrap_or_else(|| "LC".to_owned()),
    };
    // A log in a picture begins at 0: what a snapshot has taken away leaves a gap of one.
    let gap = (view.log_start > 0).then(|| RecordView { epoch: 0, value: "…".to_owned() });
    let shift = view.log_start - u64::from(gap.is_some());
    LaneView {
        up: true,
        role: view.role.word().to_owned(),
        fields,
        log: Some(LogView {
            records: gap.into_iter().chain(view.log.iter().map(record)).collect(),
            high_watermark: Some(view.committed.saturating_sub(shift)),
            flushed: None,
        }),
    }
}
