//! What was sent is paired with what arrived.

use super::samples;
use crate::trace::Event;
use crate::trace::messages::{Fate, Moment, Post};

fn fates(events: &[&str]) -> Vec<Vec<Fate>> {
    let mut story = samples::no_step();
    let step = samples::one_step().steps.remove(0);
    story.steps =
        vec![crate::trace::Step { events: events.iter().map(|kind| event(kind)).collect(), ..step }];
    Post::of(&story)
        .messages
        .iter()
        .map(|message| message.ends.iter().map(|end| end.fate).collect())
        .collect()
}

fn event(kind: &str) -> Event {
    let (from, to, text) = (0, 1, "Vote".to_string());
    match kind {
        "send" => Event::Send { from, to, text },
        "receive" => Event::Receive { from, to, text },
        "lose" => Event::Lose { from, to, text },
        "back" => Event::Receive { from: to, to: from, text },
        other => panic!("{other}"),
    }
}

#[test]
fn message_delivered_once_is_received() {
    assert_eq!(fates(&["send", "receive"]), [[Fate::Received]]);
}

#[test]
fn message_delivered_twice_is_a_duplicate() {
    assert_eq!(fates(&["send", "receive", "receive"]), [[Fate::Received, Fate::Again]]);
}

#[test]
fn message_lost_after_arrival_loses_what_was_left_of_it() {
    assert_eq!(fates(&["send", "receive", "lose"]), [[Fate::Received, Fate::Lost]]);
}

#[test]
fn messages_of_one_text_end_oldest_first() {
    let expected = [vec![Fate::Lost], vec![Fate::Received, Fate::Again]];
    assert_eq!(fates(&["send", "send", "lose", "receive", "receive"]), expected);
}

#[test]
fn loss_of_a_second_message_does_not_forget_the_first() {
    let expected = [vec![Fate::Received, Fate::Again], vec![Fate::Lost]];
    assert_eq!(fates(&["send", "send", "receive", "lose", "receive"]), expected);
}

#[test]
fn message_never_sent_was_in_flight_at_the_start() {
    let mut story = samples::witness();
    story.steps[0].events.truncate(1);
    let post = Post::of(&story);
    assert_eq!(post.messages[0].sent, None);
    assert_eq!(post.messages[0].ends.len(), 1);
}

#[test]
fn message_the_other_way_is_another_message() {
    assert_eq!(fates(&["send", "back"]), [vec![], vec![Fate::Received]]);
}

#[test]
fn message_that_ends_with_the_next_event_ends_at_once() {
    let mut story = samples::one_step();
    story.steps[0].events = vec![event("send"), event("receive"), event("receive")];
    let post = Post::of(&story);
    let at = |event| Moment { step: 1, event };
    assert_eq!(post.ends_at_once(at(0)), Some(Fate::Received));
    assert!(post.ended_at_once(at(1)));
    assert!(!post.ended_at_once(at(2)), "the duplicate has to be told by itself");
}
