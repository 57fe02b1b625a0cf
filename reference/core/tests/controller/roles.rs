//! What a driver sees at the edges of a leadership.

use highwater_core::controller::{
    Controller, ControllerError, ControllerRequest, ControllerResponse, Effect, Image, NewTopic,
    PartitionRecord, Rules, Timer, TopicRecord,
};
use highwater_core::{Dice, Instant, NodeId, Uuid};

use crate::world::{World, config, registration};

const NOW: Instant = Instant(0);

/// A controller that stands by with what a cluster of three brokers has in its log.
fn standby() -> (Controller, World) {
    let world = World::with_brokers(config(), Rules::default(), 3);
    let image = world.image().clone();
    (Controller::open(config(), Rules::default(), image, world.end(), Dice::new(5), NOW), world)
}

fn create() -> ControllerRequest {
    let topic = NewTopic {
        name: "t".into(),
        partitions: 1,
        replication_factor: 3,
        assignments: Vec::new(),
        configs: Vec::new(),
    };
    ControllerRequest::CreateTopics { topics: vec![topic], validate_only: false }
}

#[test]
fn leader_that_wrote_nothing_goes_back_before_its_own_first_record() {
    let (mut controller, world) = standby();
    let end = world.end();
    controller.lead(NOW, 2, end);
    assert!(controller.is_active());
    assert_eq!(controller.applied(), end + 1);
    controller.unlead(NOW);
    // Another record may come to stand there.
    assert_eq!(controller.applied(), end);
}

#[test]
fn leader_whose_first_record_is_committed_stays_behind_it() {
    let (mut controller, world) = standby();
    let end = world.end();
    controller.lead(NOW, 2, end);
    controller.committed(NOW, end + 1);
    controller.unlead(NOW);
    assert_eq!(controller.applied(), end + 1);
}

#[test]
fn batch_not_yet_taken_is_dropped_with_the_leadership() {
    let (mut controller, world) = standby();
    controller.lead(NOW, 2, world.end());
    controller.handle(NOW, 7, create());
    controller.unlead(NOW);
    let response = ControllerResponse::CreateTopics(Err(ControllerError::not_controller()));
    assert_eq!(controller.poll(), Some(Effect::Reply { token: 7, response }));
    assert_eq!(controller.poll(), None);
    assert_eq!(controller.image(), world.image());
}

#[test]
fn batch_that_the_quorum_refuses_ends_the_leadership() {
    let (mut controller, world) = standby();
    controller.lead(NOW, 2, world.end());
    controller.handle(NOW, 7, create());
    assert!(matches!(controller.poll(), Some(Effect::Append { epoch: 2, .. })));
    controller.append_refused(NOW);
    assert!(!controller.is_active());
    assert!(matches!(controller.poll(), Some(Effect::Reply { token: 7, .. })));
    assert_eq!(controller.image(), world.image());
}

#[test]
fn timers_run_only_while_active() {
    let (mut controller, world) = standby();
    assert_eq!((controller.timers().count(), controller.deadline()), (0, None));
    controller.lead(NOW, 2, world.end());
    let sessions: Vec<Timer> = (1..=3).map(|id| Timer::Session(NodeId(id))).collect();
    assert_eq!(controller.timers().collect::<Vec<_>>(), sessions);
    assert_eq!(controller.deadline(), Some(NOW + config().session_timeout));
    controller.unlead(NOW);
    assert_eq!((controller.timers().count(), controller.deadline()), (0, None));
}

#[test]
fn snapshot_makes_up_for_records_that_a_claim_waits_for() {
    let (mut controller, world) = standby();
    controller.lead(NOW, 2, world.end() + 10);
    assert!(!controller.is_active());
    controller.restore(NOW, world.image().clone(), world.end() + 9);
    assert!(!controller.is_active());
    controller.restore(NOW, world.image().clone(), world.end() + 10);
    assert!(controller.is_active());
}

#[test]
fn older_snapshot_is_passed_over() {
    let (mut controller, world) = standby();
    controller.restore(NOW, Image::default(), world.end() - 1);
    assert_eq!(controller.image(), world.image());
}

#[test]
fn batch_that_is_applied_is_passed_over() {
    let (mut controller, world) = standby();
    for batch in &world.log {
        controller.replay(NOW, batch.end, batch.epoch, &batch.records).expect("a log of controllers");
    }
    assert_eq!((controller.image(), controller.applied()), (world.image(), world.end()));
}

#[test]
fn record_that_does_not_fit_is_an_error() {
    let (_, world) = standby();
    let mut controller = Controller::open(config(), Rules::default(), Image::default(), 0, Dice::new(5), NOW);
    let last = world.log.last().expect("a log");
    assert!(controller.replay(NOW, last.end, last.epoch, &last.records).is_err());
}

#[test]
fn same_requests_with_the_same_dice_make_the_same_controller() {
    let live = || {
        let (mut controller, world) = standby();
        controller.lead(NOW, 2, world.end());
        controller.handle(NOW, 1, create());
        controller.handle(NOW, 2, ControllerRequest::RegisterBroker(registration(4, 4, -1)));
        controller
    };
    assert_eq!(live(), live());
}

#[test]
fn partition_without_epochs_left_stays_as_it_is() {
    let (_, world) = standby();
    let mut image = world.image().clone();
    let topic = Uuid(77);
    image.apply(&TopicRecord { name: "old".into(), topic }.into()).expect("a topic");
    let partition = PartitionRecord {
        partition: 0,
        topic,
        replicas: vec![NodeId(1), NodeId(2)],
        isr: vec![NodeId(1), NodeId(2)],
        removing: Vec::new(),
        adding: Vec::new(),
        leader: 1,
        leader_epoch: 0,
        partition_epoch: i32::MAX,
        directories: Vec::new(),
        recovery: 0,
        elr: None,
        last_known_elr: None,
    };
    image.apply(&partition.into()).expect("a partition");
    let mut controller = Controller::open(config(), Rules::default(), image, 50, Dice::new(5), NOW);
    controller.lead(NOW, 2, 50);
    controller.expire(NOW, Timer::Session(NodeId(1)));
    assert!(controller.image().broker(NodeId(1)).is_some_and(|broker| broker.fenced));
    assert_eq!(controller.image().partition(topic, 0).and_then(|state| state.leader), Some(NodeId(1)));
}

#[test]
fn session_of_the_former_leader_counts_from_when_it_was_heard_of() {
    let (mut controller, world) = standby();
    let timeout = config().session_timeout;
    controller.heard(NOW, NodeId(2));
    let taken_over = NOW + timeout / 2;
    controller.lead(taken_over, 2, world.end());
    assert_eq!(controller.deadline(), Some(NOW + timeout));
    controller.elapse(NOW + timeout);
    let fenced = |id: i32| controller.image().brokers()[&NodeId(id)].fenced;
    assert_eq!([1, 2, 3].map(fenced), [false, true, false]);
}

#[test]
fn former_leader_that_was_silent_for_long_has_time_to_be_heard() {
    let (mut controller, world) = standby();
    let timeout = config().session_timeout;
    controller.heard(NOW, NodeId(2));
    let taken_over = NOW + timeout * 5;
    controller.lead(taken_over, 2, world.end());
    assert_eq!(controller.deadline(), Some(taken_over + timeout / 4));
}
