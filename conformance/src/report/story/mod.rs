//! A scenario as it was played, as a story: what the renderers of the models' counterexamples draw.
//!
//! - A step of the scenario is a step of the story. Expectations that hold are left out: nothing happens in them.
//! - What became of a node in a step is told behind its messages, from what was seen of it before and after.
//! - A story that ends in a failure is told as a violation; one that passes, as a witness.

mod cluster;
mod quorum;
#[cfg(test)]
mod tests;

use highwater_model::trace::{Event, Lane, LaneKind, LaneView, Mark, Scene, Step, Story};

use crate::play::{self, Played};
use crate::scenario::{Member, Scenario};
use crate::suite::Target;

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

/// A step, told.
struct Told {
    action: String,
    events: Vec<Event>,
    lanes: Vec<LaneView>,
    /// Whether nothing happens in it.
    is_quiet: bool,
    /// The lane that it is about.
    about: usize,
}

/// Tells how a scenario was played.
pub fn tell(subject: &Subject<'_>, played: &Played) -> Story {
    let Subject { id, scenario, target, repeat } = subject;
    let node = |member: &Member| Lane { name: member.to_string(), kind: LaneKind::Node };
    let mut lanes: Vec<Lane> = scenario.members().iter().map(node).collect();
    let mut told = if scenario.is_of_cluster() {
        lanes.push(Lane { name: "clients".to_owned(), kind: LaneKind::Client });
        cluster::steps(scenario, played)
    } else {
        quorum::steps(scenario, played)
    };
    let failure = match &played.verdict {
        play::Verdict::Fail(failure) => Some(failure),
        _ => None,
    };
    if let (Some(last), Some(failure)) = (told.last_mut(), failure) {
        last.is_quiet = false;
        // A note stands behind the name of its lane.
        let name = lanes.get(last.about).map(|lane| format!("{} ", lane.name)).unwrap_or_default();
        let text = match failure.found.strip_prefix(&name) {
            Some(rest) => rest.to_owned(),
            None => format!("found {}", failure.found),
        };
        last.events.push(Event::Note { lane: last.about, mark: Mark::Expire, text });
    }
    let scene = |lanes: Vec<LaneView>| Scene { landmark: None, lanes, state: serde_json::Value::Null };
    let blank = |lane: &Lane| {
        let role = if lane.kind == LaneKind::Node { "blank" } else { "" };
        LaneView { up: true, role: role.to_owned(), fields: Vec::new(), log: None }
    };
    let step = |told: Told| Step {
        // An arrow is not to be broken at a line's end.
        action: told.action.replace(" -> ", "→"),
        events: told.events,
        scene: scene(told.lanes),
    };
    let clause = failure.and_then(|failure| failure.invariant.as_ref()).or(scenario.clauses.first());
    Story {
        model: target.name.clone(),
        switched: target.flaw.clone(),
        claim: (*id).to_owned(),
        kind: if failure.is_some() { "always" } else { "sometimes" }.to_owned(),
        clause: clause.cloned().unwrap_or_default(),
        summary: failure.map_or(&scenario.title, |failure| &failure.expected).clone(),
        command: (*repeat).to_owned(),
        start: scene(lanes.iter().map(blank).collect()),
        steps: told.into_iter().filter(|told| !told.is_quiet).map(step).collect(),
        lanes,
        loop_to: None,
    }
}

/// A probe and its answer.
fn probe(asked: &play::Asked) -> String {
    let play::Asked { node, question, answer } = asked;
    format!("{node} is asked \"{question}\", and answers: {answer}")
}

fn lane_of(members: &[Member], member: Member) -> usize {
    members.iter().position(|one| *one == member).unwrap_or(members.len())
}
