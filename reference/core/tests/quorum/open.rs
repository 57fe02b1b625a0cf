//! What a core accepts when it opens, and what it refuses.

use std::time::Duration;

use highwater_core::quorum::{
    Config, Effect, ElectionState, OpenError, Quorum, ReplicaKey, RoleName, Rules, SnapshotId, Timer,
};
use highwater_core::{Dice, EpochCache, EpochStart, Instant, LogView, NO_EPOCH, NodeId, Uuid};

const NOW: Instant = Instant(0);

fn key(id: i32) -> ReplicaKey {
    ReplicaKey { id: NodeId(id), directory: Uuid(id.unsigned_abs().into()) }
}

fn config(me: ReplicaKey) -> Config {
    Config::timeless(me, vec![key(1), key(2), key(3)])
}

fn open(
    config: Config,
    saved: ElectionState,
    log: LogView,
    snapshot: Option<SnapshotId>,
) -> Result<Quorum, OpenError> {
    Quorum::open(config, Rules::default(), saved, log, snapshot, Dice::new(1), NOW)
}

fn open_saved(saved: ElectionState) -> Result<Quorum, OpenError> {
    open(config(key(1)), saved, LogView::default(), None)
}

fn log(end: i64, epoch: i32) -> LogView {
    let epochs = EpochCache::from_starts(vec![EpochStart { epoch, start: 0 }]).expect("one epoch");
    LogView::recovered(0, end, NO_EPOCH, epochs).expect("in order")
}

fn refusal(result: Result<Quorum, OpenError>) -> String {
    result.expect_err("it does not fit").to_string()
}

#[test]
fn open_blank_is_unattached() {
    let quorum = open_saved(ElectionState::default()).unwrap();
    assert_eq!((quorum.role(), quorum.epoch(), quorum.high_watermark()), (RoleName::Unattached, 0, None));
}

#[test]
fn open_saved_candidacy_is_candidate() {
    let saved = ElectionState { epoch: 4, leader: None, voted: Some(key(1)) };
    let quorum = open_saved(saved).unwrap();
    assert_eq!((quorum.role(), quorum.election()), (RoleName::Candidate, saved));
}

#[test]
fn open_saved_leader_is_followed() {
    let saved = ElectionState { epoch: 4, leader: Some(NodeId(2)), voted: Some(key(3)) };
    let quorum = open_saved(saved).unwrap();
    assert_eq!((quorum.role(), quorum.election()), (RoleName::Follower, saved));
}

#[test]
fn open_epoch_below_log_takes_that_of_log() {
    // The file is older than the log, or lost: its epoch and what it says of it are worth nothing (A04).
    let saved = ElectionState { epoch: 2, leader: Some(NodeId(1)), voted: Some(key(1)) };
    let mut quorum = open(config(key(1)), saved, log(5, 3), None).unwrap();
    assert_eq!((quorum.role(), quorum.epoch()), (RoleName::Unattached, 3));
    let raised = ElectionState { epoch: 3, leader: None, voted: None };
    assert_eq!(quorum.poll(), Some(Effect::SaveElection(raised)));
}

#[test]
fn open_without_voters_refused() {
    let config = Config::timeless(key(1), Vec::new());
    let told = refusal(open(config, ElectionState::default(), LogView::default(), None));
    assert_eq!(
        told,
        "found no voters, expected at least one: name the controllers in controller.quorum.voters"
    );
}

#[test]
fn open_too_many_voters_refused() {
    let config = Config::timeless(key(1), (1..=65).map(key).collect());
    let told = refusal(open(config, ElectionState::default(), LogView::default(), None));
    assert!(told.starts_with("found 65 voters, expected at most 64"), "{told}");
}

#[test]
fn open_voter_named_twice_refused() {
    let again = ReplicaKey { directory: Uuid(9), ..key(2) };
    let config = Config::timeless(key(1), vec![key(1), key(2), again]);
    let told = refusal(open(config, ElectionState::default(), LogView::default(), None));
    assert!(told.starts_with("found voter 2 twice"), "{told}");
}

#[test]
fn open_negative_epoch_refused() {
    let told = refusal(open_saved(ElectionState { epoch: -1, leader: None, voted: None }));
    assert!(told.starts_with("found epoch -1 in quorum-state, expected 0 or more"), "{told}");
}

#[test]
fn open_unknown_leader_refused() {
    let told = refusal(open_saved(ElectionState { epoch: 1, leader: Some(NodeId(9)), voted: None }));
    assert!(told.starts_with("found leader 9 in quorum-state, expected one of the voters 1, 2, 3"), "{told}");
}

#[test]
fn open_unknown_candidate_refused() {
    let told = refusal(open_saved(ElectionState { epoch: 1, leader: None, voted: Some(key(9)) }));
    assert!(told.starts_with("found a vote for 9 with directory"), "{told}");
}

#[test]
fn open_vote_for_voter_with_other_directory_refused() {
    let other = ReplicaKey { directory: Uuid(77), ..key(2) };
    let told = refusal(open_saved(ElectionState { epoch: 1, leader: None, voted: Some(other) }));
    assert!(told.starts_with("found a vote for 2 with directory 0000000000000000000000000000004d"), "{told}");
}

#[test]
fn open_own_vote_of_other_directory_refused() {
    let other = ReplicaKey { directory: Uuid(77), ..key(1) };
    let told = refusal(open_saved(ElectionState { epoch: 1, leader: None, voted: Some(other) }));
    assert!(told.starts_with("found a vote for this node, 1, with directory"), "{told}");
    assert!(told.contains("put back that of this directory"), "{told}");
}

#[test]
fn open_observer_that_led_refused() {
    let saved = ElectionState { epoch: 1, leader: Some(NodeId(7)), voted: None };
    let told = refusal(open(config(key(7)), saved, LogView::default(), None));
    assert!(told.starts_with("found in quorum-state that this node, 7, led"), "{told}");
}

#[test]
fn open_log_without_its_beginning_refused() {
    let log = LogView::empty_from(5, 1);
    let told = refusal(open(config(key(1)), ElectionState::default(), log.clone(), None));
    assert!(told.starts_with("found a log that starts at offset 5 and no snapshot"), "{told}");
    let short = SnapshotId { end: 4, epoch: 1 };
    let told = refusal(open(config(key(1)), ElectionState::default(), log, Some(short)));
    assert!(told.contains("no snapshot that ends after 4"), "{told}");
}

#[test]
fn open_snapshot_beyond_log_restarts_from_it() {
    let snapshot = SnapshotId { end: 8, epoch: 3 };
    let mut quorum = open(
        config(key(1)),
        ElectionState { epoch: 3, leader: None, voted: None },
        log(5, 2),
        Some(snapshot),
    )
    .unwrap();
    assert_eq!(quorum.poll(), Some(Effect::RestartFromSnapshot(snapshot)));
    assert_eq!(quorum.log(), &LogView::empty_from(8, 3));
    assert_eq!(quorum.high_watermark(), Some(8));
}

#[test]
fn timeless_copies_that_go_apart_and_meet_are_equal() {
    // A round of votes that comes to nothing leaves no trace but the epoch: neither time nor dice are part of the state.
    let mut quorum =
        open(Config { pre_vote: true, ..config(key(1)) }, ElectionState::default(), LogView::default(), None)
            .unwrap();
    let before = quorum.clone();
    quorum.expire(NOW, Timer::Election);
    while quorum.poll().is_some() {}
    assert_ne!(quorum, before);
    quorum.expire(NOW, Timer::Election);
    while quorum.poll().is_some() {}
    assert_eq!(quorum, before);
}

/// In how many of a hundred starts a voter without a leader asks for promises or votes within this time.
fn campaigns_within(millis: u64, first_election_timeout_max: Option<Duration>, pre_vote: bool) -> usize {
    let campaigns = |seed: &u64| {
        let voters = vec![key(1), key(2), key(3)];
        let config = Config { first_election_timeout_max, pre_vote, ..Config::new(key(1), voters) };
        let (saved, log, dice) = (ElectionState::default(), LogView::default(), Dice::new(*seed));
        let mut quorum = Quorum::open(config, Rules::default(), saved, log, None, dice, NOW).unwrap();
        quorum.elapse(NOW + Duration::from_millis(millis));
        quorum.role() != RoleName::Unattached
    };
    (0..100).filter(campaigns).count()
}

#[test]
fn open_with_first_election_timeout_campaigns_within_it() {
    let most = Duration::from_millis(100);
    assert_eq!(campaigns_within(100, Some(most), true), 100);
    assert!((30..70).contains(&campaigns_within(50, Some(most), true)));
}

#[test]
fn open_without_pre_vote_or_first_election_timeout_waits_election_timeout() {
    assert_eq!(campaigns_within(999, None, true), 0);
    assert_eq!(campaigns_within(999, Some(Duration::from_millis(100)), false), 0);
    assert_eq!(campaigns_within(2_000, None, true), 100);
}
