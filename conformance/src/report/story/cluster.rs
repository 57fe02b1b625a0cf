//! Scenes of clusters as steps of a story: who fails and comes back, who leads, what clients are told.
//!
//! The last lane is that of the clients. A node's lane says of each topic what the node itself says.

use std::collections::BTreeMap;

use highwater_model::trace::{Event, LaneView, Mark};

use super::{Told, lane_of};
use crate::play::cluster::{Outcome, Said, View};
use crate::play::{Act, Played};
use crate::scenario::{Member, Scenario, Step as Does};

/// The steps.
pub(super) fn steps(scenario: &Scenario, played: &Played) -> Vec<Told> {
    let members = &scenario.cluster;
    // Topics of the head are created first, and in the end everything is read.
    let in_head = scenario.topics.len();
    let mut before = View::default();
    let mut steps = Vec::new();
    for (place, scene) in played.scenes.iter().enumerate() {
        let step = place.checked_sub(in_head).and_then(|place| scenario.steps.get(place));
        // What could not be looked at any more is told as it was.
        let after = scene.cluster.clone().unwrap_or_else(|| before.clone());
        let mut events = fates(members, step.map(|line| &line.step), &before, &after);
        events.extend(step.and_then(|line| late(members, &line.step)));
        events.extend(scene.acts.iter().filter_map(|act| client(members, act)));
        for member in members {
            events.extend(changes(members, *member, &before, &after));
        }
        let named = step.and_then(|line| line.step.members().first().copied());
        let is_expectation = step.is_some_and(|line| matches!(line.step, Does::Expect(_)));
        steps.push(Told {
            action: scene.step.clone(),
            is_quiet: events.is_empty() && is_expectation,
            events,
            lanes: lanes(members, &after),
            about: named.map_or(members.len(), |member| lane_of(members, member)),
        });
        before = after;
    }
    steps
}

/// Nodes that fail and come back, links that are cut and work again.
fn fates(members: &[Member], step: Option<&Does>, before: &View, after: &View) -> Vec<Event> {
    let mut events = Vec::new();
    for member in members {
        let mut note = |mark: Mark, text: String| {
            events.push(Event::Note { lane: lane_of(members, *member), mark, text });
        };
        let how = match step {
            Some(Does::Crash { .. }) => "crashes, and loses what it has not flushed",
            Some(Does::Stop { .. }) => "stops in good order",
            _ => "is killed",
        };
        match (before.down.contains(member), after.down.contains(member)) {
            (false, true) => note(Mark::Crash, how.to_owned()),
            (true, false) => note(Mark::Restart, "starts".to_owned()),
            _ => {}
        }
        match (before.paused.contains(member), after.paused.contains(member)) {
            (false, true) => note(Mark::Plain, "stands still".to_owned()),
            (true, false) => note(Mark::Plain, "goes on".to_owned()),
            _ => {}
        }
        let unheard = |view: &View| -> Vec<String> {
            view.cut.iter().filter(|(_, to)| to == member).map(|(from, _)| from.to_string()).collect()
        };
        let (was, is) = (unheard(before), unheard(after));
        if was != is {
            let text = if is.is_empty() {
                "hears all again".to_owned()
            } else {
                format!("does not hear {}", is.join(", "))
            };
            note(Mark::Plain, text);
        }
    }
    events
}

/// What becomes of a message that was held back.
fn late(members: &[Member], step: &Does) -> Option<Event> {
    let (post, fate) = match step {
        Does::Deliver(post) => (post, "arrives late"),
        Does::Drop(post) => (post, "is lost"),
        _ => return None,
    };
    let text = format!("{} of {} {fate}", post.kind.word().replace('-', " "), post.from);
    Some(Event::Note { lane: lane_of(members, post.to), mark: Mark::Plain, text })
}

/// What a client did, and what it was told.
fn client(members: &[Member], act: &Act) -> Option<Event> {
    let note = |mark: Mark, text: String| Some(Event::Note { lane: members.len(), mark, text });
    match act {
        Act::Produced(produced) => {
            let mark = match produced.outcome {
                Outcome::Acknowledged { .. } => Mark::Commit,
                Outcome::Sent => Mark::Append,
                Outcome::Refused | Outcome::InDoubt => Mark::Plain,
            };
            let to = produced.to.map_or_else(String::new, |to| format!(" to {to}"));
            let told = if produced.told.is_empty() { String::new() } else { format!(" ({})", produced.told) };
            note(mark, format!("{} in {}{to}: {}{told}", produced.value, produced.topic, produced.outcome))
        }
        Act::Consumed(consumed) => {
            let values: Vec<&str> = consumed.records.iter().map(|(_, value)| value.as_str()).collect();
            let values = if values.is_empty() { "nothing".to_owned() } else { values.join(" ") };
            let at = consumed.at.map_or_else(String::new, |node| format!(" at {node}"));
            note(Mark::Plain, format!("read {values} from {}{at}", consumed.topic))
        }
        Act::Asked(asked) => note(Mark::Plain, super::probe(asked)),
        _ => None,
    }
}

/// What a node leads by its own word: topics, with the epochs.
fn led(member: Member, view: &View) -> BTreeMap<&str, u64> {
    let epoch = |said: &BTreeMap<Member, Said>| {
        let partition = said.get(&member)?.partition.as_ref()?;
        (partition.leader == Some(member)).then_some(partition.leader_epoch)
    };
    view.topics.iter().filter_map(|(topic, said)| Some((topic.as_str(), epoch(said)?))).collect()
}

fn changes(members: &[Member], member: Member, before: &View, after: &View) -> Vec<Event> {
    let mut events = Vec::new();
    let mut note =
        |mark: Mark, text: String| events.push(Event::Note { lane: lane_of(members, member), mark, text });
    if after.down.contains(&member) || after.paused.contains(&member) {
        return events;
    }
    let (was, is) = (led(member, before), led(member, after));
    for (topic, epoch) in &is {
        if was.get(topic) != Some(epoch) {
            note(Mark::Elected, format!("leads {topic} in epoch {epoch}"));
        }
    }
    for (topic, epoch) in was.iter().filter(|(topic, _)| !is.contains_key(*topic)) {
        note(Mark::Deposed, format!("leads {topic} no more, it did in epoch {epoch}"));
    }
    let mark = |view: &View, topic: &str| view.topics.get(topic)?.get(&member)?.replica?.high_watermark;
    for topic in after.topics.keys() {
        let (was, is) = (mark(before, topic), mark(after, topic));
        if let Some(is) = is.filter(|is| was.is_some_and(|was| was < *is)) {
            note(Mark::Commit, format!("knows what is below {is} of {topic} to be committed"));
        }
    }
    events
}

fn lanes(members: &[Member], view: &View) -> Vec<LaneView> {
    let mut lanes: Vec<LaneView> = members.iter().map(|member| lane(*member, view)).collect();
    lanes.push(LaneView { up: true, role: String::new(), fields: Vec::new(), log: None });
    lanes
}

fn lane(member: Member, view: &View) -> LaneView {
    let blank = |up: bool, role: &str| LaneView { up, role: role.to_owned(), fields: Vec::new(), log: None };
    if view.down.contains(&member) {
        return blank(false, "");
    }
    if view.paused.contains(&member) {
        return blank(false, "paused");
    }
    let led = led(member, view);
    let mut lane = blank(true, if led.is_empty() { "broker" } else { "leader" });
    let mut field = |name: String, value: String| lane.fields.push((name, value));
    // Pictures are coloured by the epoch.
    if let Some(epoch) = led.values().next() {
        field("epoch".to_owned(), epoch.to_string());
    }
    for (topic, said) in &view.topics {
        let Some(Said { partition, replica }) = said.get(&member) else { continue };
        if let Some(partition) = partition {
            let leader = partition.leader.map_or_else(|| "nobody".to_owned(), |leader| leader.to_string());
            let names =
                |members: &[Member]| members.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            field(topic.clone(), format!("{leader}@{}", partition.leader_epoch));
            field(format!("{topic} ISR"), names(&partition.isr));
            if !partition.elr.is_empty() {
                field(format!("{topic} ELR"), names(&partition.elr));
            }
        }
        if let Some(replica) = replica {
            let mut offset = |name: &str, offset: Option<u64>| {
                if let Some(offset) = offset {
                    field(format!("{topic} {name}"), offset.to_string());
                }
            };
            offset("LEO", replica.log_end);
            offset("HW", replica.high_watermark);
        }
    }
    if let Some(Some(controller)) = view.controller.get(&member) {
        lane.fields.push(("controller".to_owned(), controller.to_string()));
    }
    lane
}
