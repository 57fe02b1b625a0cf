//! Stories that no model tells: lanes that do not exist, views that are missing, loops into nowhere.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::json;

use super::assert_self_contained;
use super::svg::assert_no_overlap;
use crate::trace::layout::{Frame, layout};
use crate::trace::{
    Event, Lane, LaneKind, LaneView, LogView, Mark, RecordView, Scene, Step, Story, html, svg, text,
};

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("Vote epoch=1".to_string()),
        Just("leader".to_string()),
        Just("epoch".to_string()),
        Just("a-very-long-word-without-any-blank-that-could-be-broken-anywhere-at-all-".repeat(3)),
        Just("many words ".repeat(40)),
        "\\PC{0,12}",
        any::<String>(),
    ]
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..5u64, Just(u64::MAX)]
}

fn log() -> impl Strategy<Value = LogView> {
    let record = (number(), words()).prop_map(|(epoch, value)| RecordView { epoch, value });
    (vec(record, 0..5), option::of(number()), option::of(number()))
        .prop_map(|(records, high_watermark, flushed)| LogView { records, high_watermark, flushed })
}

fn view() -> impl Strategy<Value = LaneView> {
    (any::<bool>(), words(), vec((words(), words()), 0..3), option::of(log()))
        .prop_map(|(up, role, fields, log)| LaneView { up, role, fields, log })
}

fn scene() -> impl Strategy<Value = Scene> {
    (option::weighted(0.2, words()), vec(view(), 0..5)).prop_map(|(landmark, lanes)| Scene {
        landmark,
        lanes,
        state: json!({ "any": ["<", "&"] }),
    })
}

fn event() -> impl Strategy<Value = Event> {
    let lane = || prop_oneof![0..4usize, Just(usize::MAX)];
    let says = || prop_oneof![Just("Vote epoch=1".to_string()), words()];
    let mark = prop_oneof![
        Just(Mark::Plain),
        Just(Mark::Elected),
        Just(Mark::Crash),
        Just(Mark::Commit),
        Just(Mark::Truncate),
        Just(Mark::Expire)
    ];
    prop_oneof![
        (lane(), lane(), says()).prop_map(|(from, to, text)| Event::Send { from, to, text }),
        (lane(), lane(), says()).prop_map(|(from, to, text)| Event::Receive { from, to, text }),
        (lane(), lane(), says()).prop_map(|(from, to, text)| Event::Lose { from, to, text }),
        (lane(), mark, words()).prop_map(|(lane, mark, text)| Event::Note { lane, mark, text }),
    ]
}

fn story() -> impl Strategy<Value = Story> {
    let kind = prop_oneof![Just(LaneKind::Node), Just(LaneKind::Service), Just(LaneKind::Client)];
    let lane = (words(), kind).prop_map(|(name, kind)| Lane { name, kind });
    let step = (words(), vec(event(), 0..8), scene()).prop_map(|(action, events, scene)| Step {
        action,
        events,
        scene,
    });
    let kinds = prop_oneof![
        Just("always".to_string()),
        Just("sometimes".to_string()),
        Just("leads-to".to_string()),
        Just("deadlock".to_string()),
        words()
    ];
    let names = (words(), option::of(words()), words(), kinds, words(), words(), words());
    (names, vec(lane, 0..4), scene(), vec(step, 0..6), option::of(0..9usize)).prop_map(
        |((model, switched, claim, kind, clause, summary, command), lanes, start, steps, loop_to)| Story {
            model,
            switched,
            claim,
            kind,
            clause,
            summary,
            command,
            lanes,
            start,
            steps,
            loop_to,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// story/general/1 and 2: no panic, and what comes out is what it says it is.
    #[test]
    fn odd_stories_are_rendered_all_the_same(story in story()) {
        let plain = text::render(&story, &text::TextStyle { width: 60, colour: false });
        prop_assert!(!plain.contains(|c: char| c.is_control() && c != '\n'));
        text::render(&story, &text::TextStyle { width: 0, colour: true });

        let picture = svg::render(&story, &Frame::default());
        roxmltree::Document::parse(&picture).map_err(|error| TestCaseError::fail(error.to_string()))?;
        assert_no_overlap("odd", &layout(&story, &Frame { width: 400, standalone: true }));

        let page = html::render(&story);
        prop_assert_eq!(page.matches("<script").count(), 1);
        let json = serde_json::to_string(&story).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Story>(&json).unwrap(), &story);
        prop_assert_eq!(html::render(&story), page, "the same story, other bytes");
    }
}

#[test]
fn empty_story_is_rendered_and_self_contained() {
    let scene = Scene { landmark: None, lanes: Vec::new(), state: json!(null) };
    let story = Story {
        model: String::new(),
        switched: None,
        claim: String::new(),
        kind: String::new(),
        clause: String::new(),
        summary: String::new(),
        command: String::new(),
        lanes: Vec::new(),
        start: scene,
        steps: Vec::new(),
        loop_to: None,
    };
    assert_self_contained(&svg::render(&story, &Frame::default()));
    assert_self_contained(&html::render(&story));
}
