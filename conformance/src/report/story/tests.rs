//! Stories of scenarios on the model and the reference.

use std::collections::BTreeMap;

use highwater_model::trace::layout::Frame;
use highwater_model::trace::text::{self, TextStyle};
use highwater_model::trace::{html, svg};

use super::*;
use crate::play::cluster::{Outcome, Produced, Said, View};
use crate::play::{Act, Failure, Scene as Seen, Verdict};
use crate::scenario::parse;
use crate::suite::Registry;
use crate::target::cluster::{Acks, PartitionView, ReplicaView};

fn told(target: &str, flaw: Option<&str>, text: &str) -> Story {
    let target = Registry::default().open(target, flaw).expect("a target");
    let scenario = parse(text).expect("a scenario");
    let mut builder = target.builder().expect("a builder");
    let played = play::play(&scenario, builder.as_mut(), 1);
    tell(&Subject { id: "T-01", scenario: &scenario, target: &target, repeat: "again" }, &played)
}

const FIGURE_8: &str = "title: t\nclauses: kraft/commit/1\nquorum: n1 n2 n3\n\
    campaign n1; settle; append n1 x; kill n1; campaign n2; kill n2; start n1; campaign n1\n\
    expect n3 log lacks x; replicate n1 -> n3 until x; expect n1 committed lacks x\n";

#[test]
fn failure_is_told_with_its_messages_and_what_became_of_nodes() {
    let story = told("model", Some("A01"), FIGURE_8);
    let transcript = text::render(&story, &TextStyle::default());
    for part in [
        "model with A01: T-01 is violated after 10 steps",
        "n1@1 → n2 vote: epoch 1",
        "★ n2 leads epoch 2",
        "✝ n1 is killed",
        "+ n1 is given x",
        "✗ lost",
        "✓ n1 knows what is below 2 to be committed",
        "⊘ n1 with the log -@1 x@1 -@3, committed below 2",
        "expected  that what it knows to be committed lacks x (kraft/commit/1)",
        "again     again",
    ] {
        assert!(transcript.contains(part), "{part:?} is not in:\n{transcript}");
    }
    // The expectation that holds is no step.
    assert!(!transcript.contains("expect n3 log lacks x"), "{transcript}");
    assert!(svg::render(&story, &Frame::default()).contains("leads epoch 3"));
    assert!(html::render(&story).contains("leads epoch 3"));
}

#[test]
fn scenario_that_passes_is_told_as_a_witness() {
    let story = told("reference", None, FIGURE_8);
    assert_eq!((story.kind.as_str(), story.summary.as_str()), ("sometimes", "t"));
}

#[test]
fn every_message_that_arrives_was_sent_before() {
    let story = told("model", None, FIGURE_8);
    let post = highwater_model::trace::messages::Post::of(&story);
    for message in &post.messages {
        assert!(message.sent.is_some(), "{message:?}");
    }
}

#[test]
fn cluster_is_told_by_who_leads_and_what_clients_were_told() {
    let text = "title: t\ncluster: n1 n2\ntopic: t on n1 n2\nkill n1\nproduce t a\nexpect t reads is a\n";
    let scenario = parse(text).expect("a scenario");
    let [n1, n2] = [Member(1), Member(2)];
    let view = |leader: Member, epoch: u64, down: &[Member], mark: u64| {
        let partition =
            PartitionView { leader: Some(leader), leader_epoch: epoch, isr: vec![leader], elr: Vec::new() };
        let replica = ReplicaView { log_end: Some(mark), high_watermark: Some(mark) };
        let said = Said { partition: Some(partition), replica: Some(replica) };
        let running = [n1, n2].into_iter().filter(|member| !down.contains(member));
        View {
            down: down.iter().copied().collect(),
            topics: BTreeMap::from([(
                "t".to_owned(),
                running.map(|member| (member, said.clone())).collect(),
            )]),
            ..View::default()
        }
    };
    let scene = |step: &str, acts: Vec<Act>, view: View| Seen {
        step: step.to_owned(),
        acts,
        views: BTreeMap::new(),
        cluster: Some(view),
    };
    let produced = Act::Produced(Produced {
        topic: "t".to_owned(),
        to: None,
        acks: Acks::All,
        value: "a".to_owned(),
        outcome: Outcome::Acknowledged { offset: 0 },
        told: String::new(),
    });
    let failure = Failure {
        line: 6,
        step: "expect t reads is a".to_owned(),
        found: "nothing".to_owned(),
        expected: "a".to_owned(),
        invariant: Some("isr/safety/4".to_owned()),
    };
    let played = Played {
        verdict: Verdict::Fail(failure),
        scenes: vec![
            scene("create t on n1 n2", Vec::new(), view(n1, 0, &[], 0)),
            scene("kill n1", Vec::new(), view(n2, 1, &[n1], 0)),
            scene("produce t a", vec![produced], view(n2, 1, &[n1], 1)),
            scene("expect t reads is a", Vec::new(), view(n2, 1, &[n1], 1)),
        ],
        events: Vec::new(),
    };
    let target = Registry::default().open("model", None).expect("a target");
    let story = tell(&Subject { id: "T-02", scenario: &scenario, target: &target, repeat: "again" }, &played);
    let transcript = text::render(&story, &TextStyle::default());
    for part in [
        "★ n1 leads t in epoch 0",
        "✝ n1 is killed",
        "★ n2 leads t in epoch 1",
        "✓ clients a in t: acknowledged at offset 0",
        "✓ n2 knows what is below 1 of t to be committed",
        "⊘ clients found nothing",
        "(isr/safety/4)",
    ] {
        assert!(transcript.contains(part), "{part:?} is not in:\n{transcript}");
    }
    assert!(svg::render(&story, &Frame::default()).contains("leads t in epoch 1"));
}
