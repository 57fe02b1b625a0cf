//! What histories are accepted, and which are not.

use super::history::{Consumed, History, Outcome, Produced};
use super::{Said, View};
use crate::scenario::Member;
use crate::target::cluster::{Acks, PartitionView, ReplicaView};

fn sent(history: &mut History, value: &str, outcome: Outcome) -> Result<(), String> {
    history.sends("t", &value.to_owned());
    let produced = Produced {
        topic: "t".to_owned(),
        to: None,
        acks: Acks::All,
        value: value.to_owned(),
        outcome,
        told: String::new(),
    };
    history.produced(&produced).map_err(|broken| broken.invariant.to_owned())
}

fn acknowledged(history: &mut History, value: &str, offset: u64) -> Result<(), String> {
    sent(history, value, Outcome::Acknowledged { offset })
}

fn read(history: &mut History, records: &[(u64, &str)]) -> Result<(), String> {
    let records = records.iter().map(|(offset, value)| (*offset, (*value).to_owned())).collect();
    let consumed = Consumed { topic: "t".to_owned(), at: None, records };
    history.consumed(&consumed).map_err(|broken| broken.invariant.to_owned())
}

fn history() -> History {
    History::new(&[])
}

#[test]
fn records_that_are_read_where_they_were_acknowledged_hold() {
    let mut history = history();
    acknowledged(&mut history, "a", 0).expect("first");
    sent(&mut history, "x", Outcome::InDoubt).expect("in doubt");
    acknowledged(&mut history, "b", 2).expect("second");
    read(&mut history, &[(0, "a")]).expect("the high watermark may lag");
    assert!(history.is_complete("t").is_err());
    read(&mut history, &[(0, "a"), (1, "x"), (2, "b")]).expect("all");
    assert!(history.is_complete("t").is_ok());
    assert_eq!(history.last_read("t"), ["a", "x", "b"]);
}

#[test]
fn record_that_is_skipped_is_lost() {
    let mut history = history();
    acknowledged(&mut history, "a", 0).expect("first");
    acknowledged(&mut history, "b", 1).expect("second");
    assert_eq!(read(&mut history, &[(1, "b")]), Err("isr/safety/3".to_owned()));
}

#[test]
fn offset_with_two_values_is_inconsistent() {
    let mut history = history();
    acknowledged(&mut history, "a", 0).expect("first");
    sent(&mut history, "b", Outcome::InDoubt).expect("second");
    assert_eq!(read(&mut history, &[(0, "b")]), Err("isr/safety/6".to_owned()));
}

#[test]
fn record_that_was_read_and_is_gone_has_vanished() {
    let mut history = history();
    sent(&mut history, "a", Outcome::InDoubt).expect("first");
    acknowledged(&mut history, "b", 1).expect("second");
    read(&mut history, &[(0, "a")]).expect("once");
    assert_eq!(read(&mut history, &[(1, "b")]), Err("isr/safety/5".to_owned()));
}

#[test]
fn record_that_was_refused_is_from_nowhere() {
    let mut history = history();
    sent(&mut history, "a", Outcome::Refused).expect("refused");
    assert_eq!(read(&mut history, &[(0, "a")]), Err("isr/produce/3".to_owned()));
    acknowledged(&mut history, "a", 0).expect("sent again");
    read(&mut history, &[(0, "a")]).expect("taken now");
    assert_eq!(read(&mut history, &[(0, "a"), (1, "z")]), Err("isr/safety/6".to_owned()));
}

#[test]
fn record_that_is_read_twice_is_doubled_unless_it_was_sent_twice() {
    let mut once = history();
    sent(&mut once, "a", Outcome::InDoubt).expect("first");
    assert_eq!(read(&mut once, &[(0, "a"), (1, "a")]), Err("isr/produce/1".to_owned()));
    let mut twice = history();
    sent(&mut twice, "a", Outcome::InDoubt).expect("first");
    acknowledged(&mut twice, "a", 1).expect("again");
    read(&mut twice, &[(0, "a"), (1, "a")]).expect("both may be there");
}

#[test]
fn offsets_that_go_back_are_seen() {
    let mut history = history();
    acknowledged(&mut history, "a", 3).expect("first");
    assert_eq!(acknowledged(&mut history, "b", 2), Err("isr/produce/1".to_owned()));
    sent(&mut history, "c", Outcome::InDoubt).expect("third");
    assert_eq!(read(&mut history, &[(3, "a"), (2, "c")]), Err("isr/produce/1".to_owned()));
}

#[test]
fn topic_that_may_lose_records_may_give_an_offset_anew() {
    let mut history = History::new(&["t".to_owned()]);
    acknowledged(&mut history, "a", 0).expect("first");
    acknowledged(&mut history, "b", 0).expect("after an unclean election");
    read(&mut history, &[(0, "b")]).expect("a is lost by right");
    assert!(history.is_complete("t").is_ok());
    assert_eq!(read(&mut history, &[(0, "z")]), Err("isr/safety/6".to_owned()));
}

#[test]
fn two_leaders_of_one_epoch_are_seen_whoever_says_so() {
    let says = |node: u8, leader: u8, epoch: u64| {
        let partition = PartitionView {
            leader: Some(Member(leader)),
            leader_epoch: epoch,
            isr: vec![Member(leader)],
            elr: Vec::new(),
        };
        let said = Said { partition: Some(partition), replica: None };
        View { topics: [("t".to_owned(), [(Member(node), said)].into())].into(), ..View::default() }
    };
    let mut history = history();
    history.look(&says(1, 1, 3)).expect("one");
    history.look(&says(2, 2, 4)).expect("the next");
    let broken = history.look(&says(3, 2, 3)).expect_err("two");
    assert_eq!(broken.invariant, "isr/elect/1");
}

#[test]
fn high_watermark_beyond_the_log_is_seen() {
    let replica = ReplicaView { log_end: Some(3), high_watermark: Some(4) };
    let said = Said { partition: None, replica: Some(replica) };
    let view = View { topics: [("t".to_owned(), [(Member(1), said)].into())].into(), ..View::default() };
    assert_eq!(history().look(&view).expect_err("beyond").invariant, "isr/commit/1");
}
