//! The view, drawn to a buffer.

use std::collections::BTreeMap;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::{Action, Choice, CutChoice, draw, press};
use crate::control::Command;
use crate::state::{
    ClusterState, Event, NodeState, PartitionState, ProcessState, QuorumBelief, QuorumState, ReplicaState,
};

fn node(id: i32, process: ProcessState, believes: Option<(i32, i32)>) -> NodeState {
    NodeState {
        id,
        roles: "broker,controller".to_owned(),
        address: Some(([127, 0, 0, 1], 20_000 + u16::try_from(id).expect("a small id")).into()),
        process,
        pid: None,
        quorum: believes.map(|(leader, epoch)| QuorumBelief { leader: Some(leader), epoch }),
    }
}

/// Node 3 is paused, and out of the ISR; 1 does not hear 2.
fn state() -> ClusterState {
    let replica =
        |node, end: Option<i64>| ReplicaState { node, log_end: end, high_watermark: end.map(|end| end - 1) };
    ClusterState {
        cluster_id: "dGVzdA".to_owned(),
        nodes: vec![
            node(1, ProcessState::Running, Some((2, 4))),
            node(2, ProcessState::Running, Some((2, 4))),
            node(3, ProcessState::Paused, None),
        ],
        cuts: [(2, 1)].into(),
        quorum: Some(QuorumState {
            leader: 2,
            epoch: 4,
            high_watermark: 77,
            ends: BTreeMap::from([(1, 78), (2, 79), (3, 60)]),
        }),
        partitions: vec![PartitionState {
            topic: "orders".to_owned(),
            partition: 0,
            leader: Some(1),
            leader_epoch: 5,
            isr: vec![1, 2],
            elr: Vec::new(),
            replicas: vec![replica(1, Some(150)), replica(2, Some(140)), replica(3, None)],
        }],
        more_partitions: false,
        events: [Event { at_ms: 1_234, what: "node 3: paused".to_owned() }].into(),
    }
}

fn drawn(state: &ClusterState, choice: &Choice) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(110, 22)).expect("a terminal");
    terminal.draw(|frame| draw(frame, state, choice)).expect("drawn");
    let buffer = terminal.backend().buffer();
    let line = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..buffer.area.height).map(line).collect()
}

fn line_with<'a>(lines: &'a [String], part: &str) -> &'a str {
    lines.iter().find(|line| line.contains(part)).unwrap_or_else(|| panic!("no {part:?} in {lines:#?}"))
}

fn key(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

#[test]
fn nodes_are_shown_with_process_role_epoch_and_cuts() {
    let lines = drawn(&state(), &Choice::default());
    let first = line_with(&lines, "127.0.0.1:20001");
    for part in ["▶", "running", "follows 2", " 4 ", "78", " 2 "] {
        assert!(first.contains(part), "{part}: {first}");
    }
    assert!(line_with(&lines, "127.0.0.1:20002").contains("leader"));
    assert!(line_with(&lines, "127.0.0.1:20003").contains("paused"));
    assert!(lines[0].contains("cluster dGVzdA") && lines[0].contains("leader 2, epoch 4, HW 77"));
}

#[test]
fn partitions_are_shown_with_leader_epoch_isr_and_every_replica() {
    let lines = drawn(&state(), &Choice::default());
    let partition = line_with(&lines, "orders-0");
    for part in [" 1 ", " 5 ", "[1,2]", "1: 150/149", "2: 140/139", "3: ?/?"] {
        assert!(partition.contains(part), "{part}: {partition}");
    }
}

#[test]
fn newest_events_and_help_are_shown() {
    let mut state = state();
    for at_ms in 2_000..2_010 {
        state.events.push_back(Event { at_ms, what: format!("event {at_ms}") });
    }
    let lines = drawn(&state, &Choice::default());
    assert!(line_with(&lines, "event 2009").contains("2.009"));
    assert!(!lines.iter().any(|line| line.contains("node 3: paused")));
    assert!(lines.last().is_some_and(|line| line.contains("k kill")));
}

#[test]
fn leader_that_does_not_know_better_is_doubted() {
    let mut state = state();
    state.nodes[0].quorum = Some(QuorumBelief { leader: Some(1), epoch: 3 });
    assert!(line_with(&drawn(&state, &Choice::default()), "127.0.0.1:20001").contains("leader?"));
}

#[test]
fn small_terminal_is_drawn_without_panic() {
    let mut terminal = Terminal::new(TestBackend::new(8, 3)).expect("a terminal");
    terminal.draw(|frame| draw(frame, &state(), &Choice::default())).expect("drawn");
}

#[test]
fn key_orders_for_the_chosen_node() {
    let (state, mut choice) = (state(), Choice::default());
    assert_eq!(press(key(KeyCode::Down), &state, &mut choice), Action::Nothing);
    assert_eq!(press(key(KeyCode::Char('k')), &state, &mut choice), Action::Order(Command::Kill { node: 2 }));
    press(key(KeyCode::Char('3')), &state, &mut choice);
    assert_eq!(
        press(key(KeyCode::Char('r')), &state, &mut choice),
        Action::Order(Command::Resume { node: 3 })
    );
    assert_eq!(press(key(KeyCode::Char('q')), &state, &mut choice), Action::Quit);
}

#[test]
fn cut_asks_for_the_other_node_and_never_for_the_same() {
    let (state, mut choice) = (state(), Choice { node: 1, ..Choice::default() });
    press(key(KeyCode::Char('c')), &state, &mut choice);
    assert_eq!(choice.cut, Some(CutChoice { other: 2, one_way: false }));
    press(key(KeyCode::Up), &state, &mut choice);
    assert_eq!(choice.cut, Some(CutChoice { other: 0, one_way: false }));
    assert!(drawn(&state, &choice).last().is_some_and(|line| line.contains("the link between 2 and 1")));
    let ordered = press(key(KeyCode::Enter), &state, &mut choice);
    assert_eq!(ordered, Action::Order(Command::Cut { node: 2, other: 1 }));
    assert_eq!(choice.cut, None);
}

#[test]
fn cut_one_way_names_who_is_not_heard() {
    let (state, mut choice) = (state(), Choice::default());
    press(key(KeyCode::Char('o')), &state, &mut choice);
    press(key(KeyCode::Char('3')), &state, &mut choice);
    let ordered = press(key(KeyCode::Enter), &state, &mut choice);
    assert_eq!(ordered, Action::Order(Command::CutFrom { node: 1, from: 3 }));
}

#[test]
fn escape_leaves_the_link_alone() {
    let (state, mut choice) = (state(), Choice::default());
    press(key(KeyCode::Char('c')), &state, &mut choice);
    assert_eq!(press(key(KeyCode::Esc), &state, &mut choice), Action::Nothing);
    assert_eq!(choice, Choice::default());
}

#[test]
fn control_c_ends_it() {
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(press(control_c, &state(), &mut Choice::default()), Action::Quit);
}
