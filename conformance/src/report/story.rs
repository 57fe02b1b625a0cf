//! A scenario as it was played, as a story: what the renderers of the models' counterexamples draw.
//!
//! - A step of the scenario is a step of the story. Expectations that hold are left out: nothing happens in them.
//! - Messages stand where they were first seen under way, and where they arrived or were lost. Of a step in which very many arrive (a
//!   `settle`), only those are told that something follows from: see [`MESSAGES_MAX`].
//! - What became of a node in a step is told behind its messages, from what was seen of it before and after.

use std::collections::{BTreeMap, HashSet};

use highwater_model::trace::{
    Event, Lane, LaneKind, LaneView, LogView, Mark, RecordView, Scene, Step, Story,
};

use crate::play::{self, Act, Played};
use crate::scenario::{Member, Role, Scenario, Step as Does};
use crate::suite::Target;
use crate::target::{Envelope, NodeView};

/// A step with more messages than this is told without those of them that only say that there is nothing new.
const MESSAGES_MAX: usize = 14;

/// What a story is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The case.
    pub id: &'a str,
    /// What was played.
    pub scenario: &'a Scenario,
    /// On what.
    pub target: &'a Target,
    /// How it is played again.
    pub repeat: &'a str,
}

/// Tells how a scenario was played.
pub fn tell(subject: &Subject<'_>, played: &Played) -> Story {
    let Subject { id, scenario, target, repeat } = subject;
    let members = &scenario.quorum;
    let mut before: BTreeMap<Member, Option<NodeView>> = BTreeMap::new();
    let mut steps = Vec::new();
    let last = played.scenes.len();
    for (number, (scene, line)) in (1..).zip(played.scenes.iter().zip(&scenario.steps)) {
        let is_last = number == last;
        // What could not be looked at any more is told as it was.
        let after = if scene.views.is_empty() { before.clone() } else { scene.views.clone() };
        let mut events = deeds(members, &line.step);
        events.extend(messages(members, &scene.acts));
        for (lane, member) in members.iter().enumerate() {
            let seen = |views: &BTreeMap<Member, Option<NodeView>>| views.get(member).cloned().flatten();
            events.extend(changes(lane, seen(&before).as_ref(), seen(&after).as_ref()));
        }
        if is_last && let play::Verdict::Fail(failure) = &played.verdict {
            let lane = line.step.members().first().map_or(0, |member| lane_of(members, *member));
            // A note stands behind the name of its lane.
            let name = members.get(lane).map(|member| format!("{member} ")).unwrap_or_default();
            let text = match failure.found.strip_prefix(&name) {
                Some(rest) => rest.to_owned(),
                None => format!("found {}", failure.found),
            };
            events.push(Event::Note { lane, mark: Mark::Expire, text });
        }
        let is_quiet = events.is_empty() && matches!(line.step, Does::Expect(_));
        if !is_quiet || is_last {
            let lanes =
                members.iter().map(|member| lane(after.get(member).and_then(Option::as_ref))).collect();
            let scene = Scene { landmark: None, lanes, state: serde_json::Value::Null };
            steps.push(Step { action: line.step.to_string().replace(" -> ", "→"), events, scene });
        }
        before = after;
    }
    let blank = LaneView { up: true, role: "blank".to_owned(), fields: Vec::new(), log: None };
    let (kind, clause, summary) = match &played.verdict {
        play::Verdict::Fail(failure) => (
            "always",
            failure.invariant.clone().or_else(|| scenario.clauses.first().cloned()),
            format!("{}.", failure.expected),
        ),
        _ => ("sometimes", scenario.clauses.first().cloned(), format!("{}.", scenario.title)),
    };
    Story {
        model: target.name.clone(),
        switched: target.flaw.clone(),
        claim: (*id).to_owned(),
        kind: kind.to_owned(),
        clause: clause.unwrap_or_default(),
        summary,
        command: (*repeat).to_owned(),
        lanes: members.iter().map(|member| Lane { name: member.to_string(), kind: LaneKind::Node }).collect(),
        start: Scene { landmark: None, lanes: vec![blank; members.len()], state: serde_json::Value::Null },
        steps,
        loop_to: None,
    }
}

fn lane_of(members: &[Member], member: Member) -> usize {
    members.iter().position(|one| *one == member).unwrap_or(members.len())
}

/// What the scenario itself does to a node.
fn deeds(members: &[Member], step: &Does) -> Vec<Event> {
    let note = |member: &Member, mark: Mark, text: String| {
        vec![Event::Note { lane: lane_of(members, *member), mark, text }]
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
            members.iter().flat_map(|node| note(node, Mark::Plain, "is reached again".to_owned())).collect()
        }
        Does::Append { node, value, refused: false } => note(node, Mark::Append, format!("is given {value}")),
        Does::Append { node, value, refused: true } => {
            note(node, Mark::Plain, format!("is given {value}, and is to refuse it"))
        }
        Does::Resign { node } => note(node, Mark::Plain, "is asked to resign".to_owned()),
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
            Act::Delivered(envelope) | Act::Duplicated(envelope) if is_told(envelope) => {
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
    let record = |entry: &crate::target::Entry| RecordView {
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
