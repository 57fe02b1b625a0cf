//! A walk becomes a story.

use serde_json::json;
use stateright::{Model, Property};

use crate::check::{Claim, Spec, Walk};
use crate::trace::{Event, Heading, Lane, LaneKind, LaneView, Mark, Storyboard, tell};

/// Counts up.
struct Counter;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Add(u8);

impl Model for Counter {
    type State = u8;
    type Action = Add;

    fn init_states(&self) -> Vec<u8> {
        vec![0]
    }

    fn actions(&self, _: &u8, actions: &mut Vec<Add>) {
        actions.extend([Add(1), Add(2)]);
    }

    fn next_state(&self, state: &u8, action: Add) -> Option<u8> {
        state.checked_add(action.0)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        Vec::new()
    }
}

impl Spec for Counter {
    fn action_kinds(&self) -> &'static [&'static str] {
        &["add-one", "add-two"]
    }

    fn kind_of(&self, action: &Add) -> usize {
        usize::from(action.0) - 1
    }

    fn claims(&self) -> Vec<Claim<Self>> {
        Vec::new()
    }
}

impl Storyboard for Counter {
    fn lanes(&self) -> Vec<Lane> {
        vec![Lane { name: "n1".into(), kind: LaneKind::Node }]
    }

    fn view(&self, state: &u8) -> Vec<LaneView> {
        let fields = vec![("count".into(), state.to_string())];
        vec![LaneView { up: true, role: String::new(), fields, log: None }]
    }

    fn narrate(&self, before: &u8, _: &Add, after: &u8) -> Vec<Event> {
        vec![Event::Note { lane: 0, mark: Mark::Plain, text: format!("goes from {before} to {after}") }]
    }

    fn landmarks(&self, walk: &Walk<Self>) -> Vec<(usize, String)> {
        vec![(0, "zero".into()), (walk.steps.len(), "last".into()), (2, "two".into()), (9, "beyond".into())]
    }
}

#[test]
fn walk_becomes_a_story_step_by_step() {
    let walk = Walk { start: 0, steps: vec![(Add(1), 1), (Add(2), 3)], loop_to: Some(1) };
    let heading = Heading {
        model: "counter".into(),
        switched: None,
        claim: "small".into(),
        kind: "always".into(),
        clause: "counter/safety/1".into(),
        summary: "It stays small.".into(),
        command: "highwater check counter".into(),
    };
    let story = tell(&Counter, &walk, heading, |state| json!({ "count": state }));

    assert_eq!((story.model.as_str(), story.claim.as_str(), story.loop_to), ("counter", "small", Some(1)));
    assert_eq!(story.start.landmark.as_deref(), Some("zero"));
    let actions: Vec<&str> = story.steps.iter().map(|step| step.action.as_str()).collect();
    assert_eq!(actions, ["add-one", "add-two"]);
    let says = |step: usize| match &story.steps[step].events[0] {
        Event::Note { text, .. } => text.as_str(),
        other => panic!("{other:?}"),
    };
    assert_eq!((says(0), says(1)), ("goes from 0 to 1", "goes from 1 to 3"));
    assert_eq!(story.steps[1].scene.landmark.as_deref(), Some("last, two"), "both names, and none beyond");
    assert_eq!(story.steps[1].scene.state, json!({ "count": 3 }));
}
