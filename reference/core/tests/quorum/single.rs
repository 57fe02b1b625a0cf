//! Single behaviours of one core that no transcript shows.

use std::time::Duration;

use highwater_core::quorum::{
    Config, Effect, ElectionState, EpochResponse, FetchRequest, FetchResponse, FetchSnapshotRequest, Input,
    NotLeader, Quorum, QuorumError, ReplicaKey, Request, Response, RoleName, Rules, SnapshotId, Timer,
    VoteRequest, VoteResponse,
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
    open_under(Rules::default(), voters, saved, log)
}

fn open_under(rules: Rules, voters: i32, saved: ElectionState, log: LogView) -> Quorum {
    let config = Config { pre_vote: false, ..Config::timeless(key(1), (1..=voters).map(key).collect()) };
    Quorum::open(config, rules, saved, log, None, Dice::new(1), NOW).expect("in order")
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
    follower_under(Rules::default())
}

fn follower_under(rules: Rules) -> Quorum {
    let saved = ElectionState { epoch: 2, leader: Some(NodeId(2)), voted: None };
    let mut quorum = open_under(rules, 3, saved, log(3, 1));
    quorum.expire(NOW, Timer::Retry);
    quorum
}

/// What a follower in epoch 2 has after an answer with two records of epoch 2 and one of epoch 3: the end of its log, its last epoch.
pub(crate) fn after_batches_of_two_epochs(rules: Rules) -> (Offset, Epoch) {
    let mut quorum = follower_under(rules);
    let request = asked(&mut quorum);
    let records = vec![Extent { epoch: 2, base: 3, end: 5 }, Extent { epoch: 3, base: 5, end: 6 }];
    answer(&mut quorum, request, FetchResponse { records, ..answered(6) });
    (quorum.log().end(), quorum.log().last_epoch())
}

/// The first of three voters, as candidate of epoch 1, by the clock.
fn candidate(change: impl Fn(&mut Config)) -> Quorum {
    let mut config = Config::new(key(1), (1..=3).map(key).collect());
    config.pre_vote = false;
    change(&mut config);
    let (saved, log) = (ElectionState::default(), LogView::default());
    let mut quorum =
        Quorum::open(config, Rules::default(), saved, log, None, Dice::new(1), NOW).expect("in order");
    quorum.expire(NOW, Timer::Election);
    quorum
}

/// Answers the requests that are not answered yet.
fn answer_all(quorum: &mut Quorum, now: Instant, response: &Response) {
    for effect in effects(quorum) {
        if let Effect::Send { to: from, request } = effect {
            quorum.handle(now, Input::Response { from, request, response: response.clone() });
        }
    }
}

fn voted(granted: bool) -> Response {
    Response::Vote(VoteResponse { error: None, epoch: 1, leader: None, granted })
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
fn records_of_a_later_epoch_than_the_fetch_are_dropped_and_those_before_taken() {
    assert_eq!(after_batches_of_two_epochs(Rules::default()), (5, 2));
    let mut quorum = follower();
    let request = asked(&mut quorum);
    let records = vec![Extent { epoch: 2, base: 3, end: 5 }, Extent { epoch: 3, base: 5, end: 6 }];
    answer(&mut quorum, request, FetchResponse { records, ..answered(6) });
    assert_eq!(effects(&mut quorum)[0], Effect::AppendFetched { end: 5 });
    assert_eq!(quorum.high_watermark(), None, "what came with it is not trusted");
    assert!(!quorum.is_fetching() && quorum.timers().any(|timer| timer == Timer::Retry), "it asks again");
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

#[test]
fn candidate_that_cannot_win_waits_for_backoff_only() {
    let mut quorum = candidate(|config| config.election_backoff_max = Duration::ZERO);
    assert!(quorum.deadline_of(Timer::Election) >= Some(Instant(1_000_000)));
    let later = Instant(1000);
    answer_all(&mut quorum, later, &voted(false));
    assert_eq!((quorum.role(), quorum.deadline_of(Timer::Election)), (RoleName::Candidate, Some(later)));
}

#[test]
fn check_quorum_put_off_by_fetches_of_majority() {
    let mut quorum = candidate(|_| {});
    answer_all(&mut quorum, NOW, &voted(true));
    assert_eq!(quorum.role(), RoleName::Leader);
    assert_eq!(quorum.deadline_of(Timer::CheckQuorum), Some(Instant(3_000_000)));
    let later = Instant(1_000_000);
    for (replica, expected) in [(key(9), 3_000_000), (key(2), 4_000_000)] {
        let fetch = FetchRequest {
            replica,
            epoch: 1,
            offset: 0,
            last_epoch: NO_EPOCH,
            high_watermark: None,
            max_wait_ms: 0,
        };
        quorum.handle(later, Input::Request { token: 1, request: Request::Fetch(fetch) });
        assert_eq!(quorum.deadline_of(Timer::CheckQuorum), Some(Instant(expected)), "a fetch of {replica:?}");
    }
}

#[test]
fn resigned_repeats_itself_until_all_have_heard() {
    let mut quorum = candidate(|_| {});
    answer_all(&mut quorum, NOW, &voted(true));
    effects(&mut quorum);
    quorum.handle(NOW, Input::Resign);
    assert!(quorum.deadline_of(Timer::Retry).is_some());
    let heard = EpochResponse { error: None, epoch: 1, leader: None };
    answer_all(&mut quorum, NOW, &Response::EndQuorumEpoch(heard));
    assert_eq!(quorum.role(), RoleName::Resigned);
    assert_eq!(quorum.deadline_of(Timer::Retry), None);
}

#[test]
fn snapshot_of_other_epoch_than_log_ignored() {
    let mut quorum = sole_leader();
    quorum.handle(NOW, Input::Snapshot(SnapshotId { end: 1, epoch: 0 }));
    assert_eq!(quorum.snapshot(), None);
}

fn error_of(quorum: &mut Quorum, request: Request) -> Option<QuorumError> {
    quorum.handle(NOW, Input::Request { token: 1, request });
    match effects(quorum).pop() {
        Some(Effect::Reply { response: Response::Vote(vote), .. }) => vote.error,
        Some(Effect::Reply { response: Response::Fetch(fetch), .. }) => fetch.error,
        other => panic!("no answer: {other:?}"),
    }
}

/// As Kafka 4.3.1 answers: whatever epoch it claims, it changes nothing.
#[test]
fn vote_that_contradicts_itself_refused_and_epoch_unchanged() {
    let vote = |epoch, last_epoch, last_offset, pre_vote| {
        let (candidate, voter) = (key(3), key(1));
        Request::Vote(VoteRequest { epoch, candidate, voter, last_epoch, last_offset, pre_vote })
    };
    let invalid = [
        vote(7, 8, 5, false),
        vote(7, 7, 5, false),
        vote(7, 8, 5, true),
        vote(7, NO_EPOCH, 5, false),
        vote(7, 1, -1, false),
        vote(-1, -2, 0, false),
    ];
    for request in invalid {
        let mut quorum = follower();
        effects(&mut quorum);
        let text = format!("{request:?}");
        assert_eq!(error_of(&mut quorum, request), Some(QuorumError::InvalidRequest), "{text}");
        assert_eq!((quorum.epoch(), quorum.role()), (2, RoleName::Follower), "{text}");
    }
    let mut quorum = follower();
    effects(&mut quorum);
    assert_eq!(error_of(&mut quorum, vote(2, 2, 5, true)), None, "a promise is asked for before the epoch");
}

#[test]
fn fetch_that_contradicts_itself_refused_before_its_epoch_is_looked_at() {
    let fetch = |epoch, offset, last_epoch| {
        let (replica, high_watermark, max_wait_ms) = (key(1), None, 0);
        Request::Fetch(FetchRequest { replica, epoch, offset, last_epoch, high_watermark, max_wait_ms })
    };
    let mut quorum = sole_leader();
    for invalid in [fetch(1, -5, 0), fetch(1, 1, NO_EPOCH), fetch(-1, 0, 0), fetch(1, 1, 2), fetch(9, 1, 10)]
    {
        let text = format!("{invalid:?}");
        assert_eq!(error_of(&mut quorum, invalid), Some(QuorumError::InvalidRequest), "{text}");
    }
    assert_eq!(error_of(&mut quorum, fetch(1, 0, NO_EPOCH)), None, "the position of an empty log");
    assert_eq!(error_of(&mut quorum, fetch(1, 0, 0)), None, "the same, in Kafka's words");
}
