//! Single behaviours of one core that no transcript shows.

use highwater_core::quorum::{
    Config, Effect, ElectionState, FetchRequest, FetchResponse, FetchSnapshotRequest, Input, NotLeader,
    Quorum, QuorumError, ReplicaKey, Request, Response, RoleName, Rules, SnapshotId, Timer, VoteRequest,
};
use highwater_core::{
    Dice, Epoch, EpochCache, EpochEnd, EpochStart, Extent, Instant, LogView, NO_EPOCH, NodeId, Offset, Uuid,
};

const NOW: Instant = Instant(0);

fn key(id: i32) -> ReplicaKey {
    ReplicaKey { id: NodeId(id), directory: Uuid(id.unsigned_abs().into()) }
}

fn log(end: Offset, epoch: Epoch) -> LogView {
    let epochs = EpochCache::from_starts(vec![EpochStart { epoch, start: 0 }]).expect("one epoch");
    LogView::recovered(0, end, NO_EPOCH, epochs).expect("in order")
}

fn open(voters: i32, saved: ElectionState, log: LogView) -> Quorum {
    let config = Config { pre_vote: false, ..Config::timeless(key(1), (1..=voters).map(key).collect()) };
    Quorum::open(config, Rules::default(), saved, log, None, Dice::new(1), NOW).expect("in order")
}

/// The only voter, leading epoch 1, with all of its log flushed and committed.
fn sole_leader() -> Quorum {
    let mut quorum = open(1, ElectionState::default(), LogView::default());
    quorum.expire(NOW, Timer::Election);
    quorum.handle(NOW, Input::Flushed { through: 1 });
    effects(&mut quorum);
    assert!(quorum.is_active());
    quorum
}

/// A follower of n2 in epoch 2, with three records of epoch 1.
fn follower() -> Quorum {
    let saved = ElectionState { epoch: 2, leader: Some(NodeId(2)), voted: None };
    let mut quorum = open(3, saved, log(3, 1));
    quorum.expire(NOW, Timer::Retry);
    quorum
}

fn effects(quorum: &mut Quorum) -> Vec<Effect> {
    std::iter::from_fn(|| quorum.poll()).collect()
}

/// What the follower asked last.
fn asked(quorum: &mut Quorum) -> FetchRequest {
    let last = effects(quorum).pop();
    let Some(Effect::Send { request: Request::Fetch(fetch), .. }) = last else {
        panic!("no fetch: {last:?}")
    };
    fetch
}

fn answered(high_watermark: Offset) -> FetchResponse {
    FetchResponse {
        error: None,
        epoch: 2,
        leader: Some(NodeId(2)),
        high_watermark: Some(high_watermark),
        log_start: 0,
        diverging: None,
        snapshot: None,
        records: Vec::new(),
    }
}

fn answer(quorum: &mut Quorum, request: FetchRequest, response: FetchResponse) {
    let (request, response) = (Request::Fetch(request), Response::Fetch(response));
    quorum.handle(NOW, Input::Response { from: NodeId(2), request, response });
}

#[test]
fn append_at_leader_of_epoch_says_where() {
    let mut quorum = sole_leader();
    assert_eq!(quorum.append(NOW, 1, 3), Ok(Extent { epoch: 1, base: 1, end: 4 }));
    assert_eq!(effects(&mut quorum), [Effect::Flush { through: 4 }]);
}

#[test]
fn append_of_other_epoch_refused() {
    let mut quorum = sole_leader();
    let refused = Err(NotLeader { epoch: 1, leader: Some(NodeId(1)) });
    assert_eq!(quorum.append(NOW, 0, 1), refused);
    assert_eq!(quorum.append(NOW, 2, 1), refused);
    assert_eq!(quorum.log().end(), 1);
}

#[test]
fn append_at_follower_refused() {
    let mut quorum = follower();
    assert_eq!(quorum.append(NOW, 2, 1), Err(NotLeader { epoch: 2, leader: Some(NodeId(2)) }));
}

#[test]
fn flush_under_way_takes_in_what_follows() {
    let mut quorum = sole_leader();
    quorum.append(NOW, 1, 1).unwrap();
    quorum.append(NOW, 1, 1).unwrap();
    assert_eq!(effects(&mut quorum), [Effect::Flush { through: 2 }], "one at a time");
    quorum.handle(NOW, Input::Flushed { through: 2 });
    assert_eq!(effects(&mut quorum), [Effect::Flush { through: 3 }, Effect::Committed { high_watermark: 2 }]);
}

#[test]
#[cfg(not(feature = "flaws"))]
fn truncation_below_high_watermark_refused() {
    let mut quorum = follower();
    let request = asked(&mut quorum);
    answer(&mut quorum, request, answered(2));
    assert_eq!(quorum.high_watermark(), Some(2));
    let request = asked(&mut quorum);
    let diverging = Some(EpochEnd { epoch: 1, end: 1 });
    answer(&mut quorum, request, FetchResponse { diverging, ..answered(2) });
    assert_eq!(effects(&mut quorum), []);
    assert_eq!(quorum.log().end(), 3);
    assert!(!quorum.is_fetching() && quorum.timers().any(|timer| timer == Timer::Retry), "it asks again");
}

#[test]
fn truncation_keeps_no_more_than_own_end_of_epoch() {
    // The leader has more of epoch 1 than we have before our epoch 2, which it has not.
    let starts = vec![EpochStart { epoch: 1, start: 0 }, EpochStart { epoch: 2, start: 2 }];
    let log = LogView::recovered(0, 4, NO_EPOCH, EpochCache::from_starts(starts).unwrap()).unwrap();
    let saved = ElectionState { epoch: 2, leader: Some(NodeId(2)), voted: None };
    let mut quorum = open(3, saved, log);
    quorum.expire(NOW, Timer::Retry);
    let request = asked(&mut quorum);
    let diverging = Some(EpochEnd { epoch: 1, end: 3 });
    answer(&mut quorum, request, FetchResponse { diverging, ..answered(1) });
    assert_eq!(effects(&mut quorum)[0], Effect::Truncate { end: 2 });
}

#[test]
fn records_that_do_not_follow_refused() {
    for (epoch, base, end) in [(1, 4, 5), (1, 2, 5), (0, 3, 5), (3, 3, 5), (1, 3, 3)] {
        let mut quorum = follower();
        let request = asked(&mut quorum);
        answer(
            &mut quorum,
            request,
            FetchResponse { records: vec![Extent { epoch, base, end }], ..answered(3) },
        );
        assert_eq!(effects(&mut quorum), [], "{base} to {end} of epoch {epoch}");
        assert_eq!((quorum.log().end(), quorum.high_watermark()), (3, None));
    }
}

#[test]
fn forget_before_goes_no_further_than_snapshot() {
    let mut quorum = sole_leader();
    quorum.append(NOW, 1, 4).unwrap();
    quorum.handle(NOW, Input::Flushed { through: 5 });
    assert_eq!(quorum.forget_before(3), 0, "without a snapshot");
    quorum.handle(NOW, Input::Snapshot(SnapshotId { end: 3, epoch: 1 }));
    assert_eq!(quorum.forget_before(2), 2);
    assert_eq!(quorum.forget_before(5), 3);
    assert_eq!((quorum.log().start(), quorum.log().base_epoch()), (3, 1));
}

#[test]
fn snapshot_beyond_high_watermark_ignored() {
    let mut quorum = sole_leader();
    quorum.append(NOW, 1, 4).unwrap();
    quorum.handle(NOW, Input::Snapshot(SnapshotId { end: 3, epoch: 1 }));
    assert_eq!(quorum.snapshot(), None);
}

#[test]
fn fetch_snapshot_other_than_latest_refused() {
    let mut quorum = sole_leader();
    let latest = SnapshotId { end: 1, epoch: 1 };
    quorum.handle(NOW, Input::Snapshot(latest));
    for (snapshot, error) in
        [(latest, None), (SnapshotId { end: 2, ..latest }, Some(QuorumError::SnapshotNotFound))]
    {
        let request =
            Request::FetchSnapshot(FetchSnapshotRequest { replica: key(2), epoch: 1, snapshot, position: 0 });
        quorum.handle(NOW, Input::Request { token: 7, request });
        let told = effects(&mut quorum);
        let [Effect::Reply { token: 7, response: Response::FetchSnapshot(part) }] = &told[..] else {
            panic!("{told:?}")
        };
        assert_eq!((part.error, part.snapshot), (error, snapshot));
    }
}

#[test]
fn campaign_in_last_epoch_put_off() {
    let saved = ElectionState { epoch: Epoch::MAX, leader: None, voted: None };
    let mut quorum = open(3, saved, LogView::default());
    quorum.expire(NOW, Timer::Election);
    assert_eq!((quorum.role(), quorum.epoch()), (RoleName::Unattached, Epoch::MAX));
}

#[test]
fn vote_request_for_other_directory_refused() {
    let mut quorum = open(3, ElectionState::default(), LogView::default());
    let voter = ReplicaKey { directory: Uuid(99), ..key(1) };
    let candidate = key(2);
    let request =
        VoteRequest { epoch: 5, candidate, voter, last_epoch: NO_EPOCH, last_offset: 0, pre_vote: false };
    quorum.handle(NOW, Input::Request { token: 7, request: Request::Vote(request) });
    let told = effects(&mut quorum);
    let [Effect::Reply { response: Response::Vote(vote), .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!((vote.error, vote.granted, vote.epoch), (Some(QuorumError::InvalidVoterKey), false, 0));
}
