//! What comes in may be anything: no input breaks a core, and none but a sound answer moves it.

use std::time::Duration;

use highwater_core::partition::{
    Acks, AlterPartition, Config, Effect, LeaderRecovery, Partition, PartitionError, PartitionFetch,
    PartitionFetched, PartitionState, Reader, Role, Rules, Timer,
};
use highwater_core::{EpochCache, EpochEnd, EpochStart, Extent, Instant, LogView, NodeId, Offset};
use proptest::prelude::*;

const NOW: Instant = Instant(7);

fn config(me: i32) -> Config {
    Config {
        me: NodeId(me),
        broker_epoch: 1,
        min_isr: 1,
        replica_lag_max: Duration::from_secs(1),
        alter_retry: Duration::from_secs(1),
        wait_for_joining: true,
    }
}

fn state(leader: Option<i32>, leader_epoch: i32, partition_epoch: i32) -> PartitionState {
    PartitionState {
        replicas: vec![NodeId(1), NodeId(2), NodeId(3)],
        isr: vec![NodeId(1), NodeId(2)],
        elr: Vec::new(),
        last_known_elr: Vec::new(),
        leader: leader.map(NodeId),
        leader_epoch,
        partition_epoch,
        recovery: LeaderRecovery::Recovered,
    }
}

/// Records 10 to 20 of epoch 2, 20 to 30 of epoch 5.
fn log() -> LogView {
    let starts = vec![EpochStart { epoch: 2, start: 10 }, EpochStart { epoch: 5, start: 20 }];
    LogView::recovered(10, 30, 1, EpochCache::from_starts(starts).expect("grows")).expect("sound")
}

/// n2 as a follower of n1 in epoch 6.
fn follower() -> Partition {
    let mut core = Partition::open(config(2), Rules::default(), log(), 15, NOW);
    core.assign(NOW, &state(Some(1), 6, 3));
    core
}

fn effects(core: &mut Partition) -> Vec<Effect> {
    std::iter::from_fn(|| core.poll()).collect()
}

/// An answer of n1 to what its follower asks now.
fn answer(records: Vec<Extent>) -> PartitionFetched {
    PartitionFetched {
        error: None,
        leader_epoch: 6,
        high_watermark: 25,
        log_start: 0,
        diverging: None,
        records,
    }
}

fn take(core: &mut Partition, answer: &PartitionFetched) -> Vec<Effect> {
    let (leader, asked) = core.position().expect("a follower");
    core.fetched(NOW, leader, &asked, answer);
    effects(core)
}

#[test]
fn position_of_follower_is_its_end_and_last_epoch() {
    let expected = PartitionFetch { leader_epoch: 6, offset: 30, last_epoch: 5 };
    assert_eq!(follower().position(), Some((NodeId(1), expected)));
}

#[test]
fn records_of_several_epochs_are_appended_at_once() {
    let mut core = follower();
    let records = vec![Extent { epoch: 5, base: 30, end: 32 }, Extent { epoch: 6, base: 32, end: 33 }];
    let done = take(&mut core, &answer(records));
    assert_eq!(done, [Effect::AppendFetched { from: 30, end: 33 }, Effect::HighWatermark(25)]);
    assert_eq!(core.log().epochs().epoch_at(31), Some(5));
    assert_eq!(core.log().epochs().epoch_at(32), Some(6));
}

#[test]
fn records_below_the_end_are_there_already() {
    let mut core = follower();
    let done = take(&mut core, &answer(vec![Extent { epoch: 5, base: 28, end: 31 }]));
    assert_eq!(done, [Effect::AppendFetched { from: 30, end: 31 }, Effect::HighWatermark(25)]);
}

#[test]
fn records_after_a_gap_change_nothing() {
    let mut core = follower();
    assert_eq!(take(&mut core, &answer(vec![Extent { epoch: 5, base: 31, end: 32 }])), []);
    assert_eq!((core.log().end(), core.high_watermark()), (30, 15));
}

#[test]
fn records_of_a_later_epoch_than_the_leader_s_change_nothing() {
    let mut core = follower();
    assert_eq!(take(&mut core, &answer(vec![Extent { epoch: 7, base: 30, end: 31 }])), []);
}

#[test]
fn records_of_an_epoch_before_the_last_change_nothing() {
    let mut core = follower();
    assert_eq!(take(&mut core, &answer(vec![Extent { epoch: 4, base: 30, end: 31 }])), []);
}

#[test]
fn what_is_sound_of_an_answer_is_appended_without_its_high_watermark() {
    let mut core = follower();
    let records = vec![Extent { epoch: 5, base: 30, end: 31 }, Extent { epoch: 5, base: 40, end: 41 }];
    assert_eq!(take(&mut core, &answer(records)), [Effect::AppendFetched { from: 30, end: 31 }]);
}

#[test]
fn answer_of_another_broker_changes_nothing() {
    let mut core = follower();
    let (_, asked) = core.position().expect("a follower");
    core.fetched(NOW, NodeId(3), &asked, &answer(vec![Extent { epoch: 5, base: 30, end: 31 }]));
    assert_eq!(effects(&mut core), []);
}

#[test]
fn answer_of_another_epoch_changes_nothing() {
    let mut core = follower();
    let other = PartitionFetched { leader_epoch: 5, ..answer(vec![Extent { epoch: 5, base: 30, end: 31 }]) };
    assert_eq!(take(&mut core, &other), []);
}

#[test]
fn follower_truncates_to_its_own_end_of_the_epoch_if_that_is_less() {
    let mut core = follower();
    let diverging =
        PartitionFetched { diverging: Some(EpochEnd { epoch: 3, end: 27 }), ..answer(Vec::new()) };
    assert_eq!(take(&mut core, &diverging), [Effect::Truncate { end: 20 }]);
}

#[test]
fn follower_truncates_to_the_leader_s_end_of_the_epoch_if_that_is_less() {
    let mut core = follower();
    let diverging =
        PartitionFetched { diverging: Some(EpochEnd { epoch: 2, end: 17 }), ..answer(Vec::new()) };
    assert_eq!(take(&mut core, &diverging), [Effect::Truncate { end: 17 }]);
}

#[test]
fn truncation_below_the_high_watermark_takes_it_along() {
    let mut core = follower();
    let diverging =
        PartitionFetched { diverging: Some(EpochEnd { epoch: 2, end: 12 }), ..answer(Vec::new()) };
    assert_eq!(take(&mut core, &diverging), [Effect::Truncate { end: 12 }, Effect::HighWatermark(12)]);
}

#[test]
fn truncation_below_the_log_start_begins_anew() {
    let mut core = follower();
    let diverging = PartitionFetched { diverging: Some(EpochEnd { epoch: 1, end: 4 }), ..answer(Vec::new()) };
    assert_eq!(take(&mut core, &diverging), [Effect::Restart { start: 4 }, Effect::HighWatermark(4)]);
    assert_eq!(core.position().expect("a follower").1.last_epoch, -1);
}

#[test]
fn errors_of_a_leader_that_is_none_change_nothing() {
    for error in [
        PartitionError::NotLeaderOrFollower,
        PartitionError::FencedLeaderEpoch,
        PartitionError::UnknownLeaderEpoch,
        PartitionError::UnknownTopicOrPartition,
        PartitionError::StorageError,
    ] {
        let mut core = follower();
        let refused = PartitionFetched { error: Some(error), ..answer(Vec::new()) };
        assert_eq!(take(&mut core, &refused), []);
    }
}

#[test]
fn leader_that_forgot_the_epoch_lets_compare_from_its_start() {
    let starts = EpochCache::from_starts(vec![EpochStart { epoch: 5, start: 20 }]).expect("grows");
    let log = LogView::recovered(20, 30, -1, starts).expect("sound");
    let mut core = Partition::open(config(1), Rules::default(), log, 0, NOW);
    core.assign(NOW, &state(Some(1), 6, 3));
    let reader = Reader::Replica { id: NodeId(2), broker_epoch: 1 };
    // A follower that ends where the leader starts has all that came before, as far as anybody knows.
    let fetch = PartitionFetch { leader_epoch: 6, offset: 20, last_epoch: 4 };
    assert_eq!(core.fetch(NOW, reader, &fetch).diverging, None);
    // One that has more of that epoch has what the leader has not.
    let fetch = PartitionFetch { offset: 22, ..fetch };
    assert_eq!(core.fetch(NOW, reader, &fetch).diverging, Some(EpochEnd { epoch: 4, end: 20 }));
}

#[test]
fn fetch_of_a_follower_without_a_leader_epoch_is_served_and_not_counted() {
    let mut core = Partition::open(config(2), Rules::default(), log(), 15, NOW);
    core.assign(NOW, &state(Some(2), 6, 3));
    let reader = Reader::Replica { id: NodeId(1), broker_epoch: 1 };
    let fetch = PartitionFetch { leader_epoch: -1, offset: 28, last_epoch: 5 };
    let answer = core.fetch(NOW, reader, &fetch);
    assert_eq!((answer.error, answer.records), (None, vec![Extent { epoch: 5, base: 28, end: 30 }]));
    assert_eq!(core.follower(NodeId(1)), None);
    core.fetch(NOW, reader, &PartitionFetch { leader_epoch: 6, ..fetch });
    assert_eq!(core.follower(NodeId(1)), Some((28, 1)));
    assert_eq!(core.high_watermark(), 28);
}

/// n2 as the leader of epoch 6, with an ISR of n1 and n2; n3 may join.
fn leader() -> Partition {
    let mut core = Partition::open(config(2), Rules::default(), log(), 15, NOW);
    core.set_brokers(&[(NodeId(1), 1, true), (NodeId(2), 1, true), (NodeId(3), 5, true)]);
    core.assign(NOW, &state(Some(2), 6, 3));
    effects(&mut core);
    core
}

fn fetch_of(core: &mut Partition, id: i32, broker_epoch: i64, offset: Offset) -> PartitionFetched {
    let reader = Reader::Replica { id: NodeId(id), broker_epoch };
    core.fetch(NOW, reader, &PartitionFetch { leader_epoch: 6, offset, last_epoch: 5 })
}

#[test]
fn fetch_out_of_range_is_not_counted() {
    let mut core = leader();
    let reader = Reader::Replica { id: NodeId(1), broker_epoch: 1 };
    let fetch = PartitionFetch { leader_epoch: 6, offset: 31, last_epoch: -1 };
    assert_eq!(core.fetch(NOW, reader, &fetch).error, Some(PartitionError::OffsetOutOfRange));
    let fetch = PartitionFetch { offset: 9, ..fetch };
    assert_eq!(core.fetch(NOW, reader, &fetch).error, Some(PartitionError::OffsetOutOfRange));
    assert_eq!((core.follower(NodeId(1)), core.high_watermark()), (None, 15));
}

/// As Kafka 4.3.1 answers: its epoch cache knows no end of an epoch that was not yet.
#[test]
fn fetch_after_an_epoch_that_was_not_yet_is_out_of_range() {
    let mut core = leader();
    let reader = Reader::Replica { id: NodeId(1), broker_epoch: 1 };
    let fetch = PartitionFetch { leader_epoch: 6, offset: 20, last_epoch: 7 };
    assert_eq!(core.fetch(NOW, reader, &fetch).error, Some(PartitionError::OffsetOutOfRange));
    let fetch = PartitionFetch { last_epoch: 6, ..fetch };
    assert_eq!(
        core.fetch(NOW, reader, &fetch).diverging,
        None,
        "its own epoch is known, though without records"
    );
    let fetch = PartitionFetch { offset: 31, ..fetch };
    assert_eq!(core.fetch(NOW, reader, &fetch).diverging, Some(EpochEnd { epoch: 6, end: 30 }));
}

#[test]
fn fetch_of_an_incarnation_before_the_registered_one_is_dropped() {
    let mut core = leader();
    assert_eq!(fetch_of(&mut core, 3, 4, 30).error, Some(PartitionError::NotLeaderOrFollower));
    assert_eq!((core.follower(NodeId(3)), core.proposal()), (None, None));
}

#[test]
fn fetch_of_an_incarnation_before_one_that_fetched_is_dropped() {
    let mut core = leader();
    assert_eq!(fetch_of(&mut core, 3, 6, 30).error, None);
    assert_eq!(fetch_of(&mut core, 3, 5, 20).error, Some(PartitionError::NotLeaderOrFollower));
    assert_eq!(core.follower(NodeId(3)), Some((30, 6)));
}

#[test]
fn follower_of_an_incarnation_unknown_to_metadata_is_not_proposed() {
    let mut core = leader();
    fetch_of(&mut core, 3, 6, 30);
    assert_eq!(core.proposal(), None);
    // Metadata catch up, and its next fetch lets it in.
    core.set_brokers(&[(NodeId(3), 6, true)]);
    fetch_of(&mut core, 3, 6, 30);
    assert_eq!(core.maximal_isr(), [NodeId(1), NodeId(2), NodeId(3)]);
}

#[test]
fn follower_that_does_not_state_its_incarnation_may_join() {
    let mut core = leader();
    fetch_of(&mut core, 3, -1, 30);
    let proposed = core.proposal().expect("a proposal").isr.clone();
    assert_eq!(proposed, [(NodeId(1), -1), (NodeId(2), 1), (NodeId(3), -1)]);
}

#[test]
fn minimum_of_in_sync_replicas_is_never_more_than_there_are_replicas() {
    let mut core = leader();
    core.set_min_isr(NOW, 4);
    fetch_of(&mut core, 1, 1, 30);
    assert_eq!(core.high_watermark(), 15);
    assert_eq!(core.produce(NOW, 1, Acks::All, 1, NOW), Err(PartitionError::NotEnoughReplicas));
    // All three replicas are as many as there can be.
    let mut all = state(Some(2), 6, 4);
    all.isr.push(NodeId(3));
    core.assign(NOW, &all);
    fetch_of(&mut core, 3, 5, 30);
    assert_eq!(core.high_watermark(), 30);
    assert!(core.produce(NOW, 1, Acks::All, 1, NOW).is_ok());
}

#[test]
fn epoch_of_a_leader_elected_again_starts_at_its_end() {
    let mut core = leader();
    assert_eq!(core.epoch_start(), Some(30));
    core.produce(NOW, 1, Acks::Leader, 5, NOW).expect("appended");
    core.assign(NOW, &state(Some(2), 6, 4));
    assert_eq!(core.epoch_start(), Some(30));
    core.assign(NOW, &state(Some(2), 7, 5));
    assert_eq!(core.epoch_start(), Some(35));
}

#[test]
fn metadata_do_not_put_off_the_end_of_a_member_that_lags() {
    let mut core = leader();
    let due = Some(NOW + Duration::from_secs(1));
    assert_eq!(core.deadline(), due);
    core.assign(NOW + Duration::from_millis(500), &state(Some(2), 6, 4));
    assert_eq!(core.deadline(), due);
}

#[test]
fn new_leader_epoch_wakes_who_waits_at_a_follower() {
    let mut core = follower();
    core.wait(1, Reader::Consumer, &PartitionFetch { leader_epoch: 6, offset: 15, last_epoch: -1 });
    core.assign(NOW, &state(Some(1), 6, 4));
    assert_eq!(effects(&mut core), []);
    core.assign(NOW, &state(Some(1), 7, 5));
    assert_eq!(effects(&mut core), [Effect::Wake { token: 1 }]);
}

#[test]
fn high_watermark_does_not_wait_for_who_may_not_join() {
    let mut core = leader();
    fetch_of(&mut core, 1, 1, 30);
    fetch_of(&mut core, 3, 5, 30);
    let asked = core.proposal().expect("a proposal").clone();
    core.altered(NOW, &asked, Some(Err(PartitionError::IneligibleReplica)));
    core.produce(NOW, 1, Acks::Leader, 1, NOW).expect("appended");
    let reader = Reader::Replica { id: NodeId(1), broker_epoch: 1 };
    let fetch = PartitionFetch { leader_epoch: 6, offset: 31, last_epoch: 6 };
    // n3 had all there was a moment ago, and might join.
    core.fetch(NOW, reader, &fetch);
    assert_eq!(core.high_watermark(), 30);
    // It is fenced, and nobody waits for it.
    core.set_brokers(&[(NodeId(1), 1, true), (NodeId(2), 1, true), (NodeId(3), 5, false)]);
    core.fetch(NOW, reader, &fetch);
    assert_eq!(core.high_watermark(), 31);
}

#[test]
fn accepted_proposal_of_another_leader_epoch_awaits_metadata() {
    for (leader_epoch, partition_epoch) in [(7, 4), (6, 2)] {
        let mut core = leader();
        fetch_of(&mut core, 3, 5, 30);
        let asked = core.proposal().expect("a proposal").clone();
        effects(&mut core);
        core.altered(NOW, &asked, Some(Ok(state(Some(3), leader_epoch, partition_epoch))));
        assert_eq!((core.role(), core.leader_epoch()), (Role::Leader, 6));
        assert_eq!(core.proposal(), Some(&asked));
        assert_eq!((effects(&mut core), core.timers().count()), (Vec::new(), 0));
    }
}

#[test]
fn metadata_of_the_same_or_an_older_partition_epoch_change_nothing() {
    let mut core = follower();
    let before = core.clone();
    core.assign(NOW, &state(Some(2), 7, 3));
    core.assign(NOW, &state(Some(2), 8, 2));
    assert_eq!(core, before);
}

#[test]
fn metadata_that_go_back_to_an_older_leader_epoch_change_nothing() {
    let mut core = follower();
    let before = core.clone();
    core.assign(NOW, &state(Some(2), 5, 4));
    assert_eq!(core, before);
}

#[test]
fn replica_that_is_none_any_more_serves_nobody() {
    let mut core = follower();
    core.wait(1, Reader::Consumer, &PartitionFetch { leader_epoch: -1, offset: 15, last_epoch: -1 });
    let mut moved = state(Some(1), 7, 4);
    moved.replicas = vec![NodeId(1), NodeId(3)];
    core.assign(NOW, &moved);
    assert_eq!(core.role(), Role::Unassigned);
    assert_eq!(effects(&mut core), [Effect::Wake { token: 1 }]);
    assert_eq!(core.position(), None);
    let fetch = PartitionFetch { leader_epoch: -1, offset: 10, last_epoch: -1 };
    let answer = core.fetch(NOW, Reader::Consumer, &fetch);
    assert_eq!(answer.error, Some(PartitionError::UnknownTopicOrPartition));
}

#[test]
fn partition_without_a_leader_serves_what_is_committed() {
    let mut core = follower();
    core.assign(NOW, &state(None, 7, 4));
    assert_eq!((core.role(), core.position()), (Role::Leaderless, None));
    let fetch = PartitionFetch { leader_epoch: 7, offset: 10, last_epoch: -1 };
    let answer = core.fetch(NOW, Reader::Consumer, &fetch);
    assert_eq!(answer.records, [Extent { epoch: 2, base: 10, end: 15 }]);
    assert_eq!(core.produce(NOW, 1, Acks::All, 1, NOW), Err(PartitionError::NotLeaderOrFollower));
}

#[test]
fn produce_of_no_records_is_refused() {
    let mut core = follower();
    core.assign(NOW, &state(Some(2), 7, 4));
    assert_eq!(core.produce(NOW, 1, Acks::All, 0, NOW), Err(PartitionError::InvalidRequest));
}

#[test]
fn produce_past_the_last_offset_is_refused() {
    let log = LogView::empty_from(Offset::MAX - 1, 3);
    let mut core = Partition::open(config(2), Rules::default(), log, Offset::MAX, NOW);
    core.assign(NOW, &state(Some(2), 7, 4));
    assert_eq!(core.produce(NOW, 1, Acks::All, 2, NOW), Err(PartitionError::InvalidRequest));
    assert!(core.produce(NOW, 1, Acks::All, 1, NOW).is_ok());
}

#[test]
fn deletion_of_the_partition_tells_all_that_wait() {
    let mut core = follower();
    core.assign(NOW, &state(Some(2), 7, 4));
    core.produce(NOW, 1, Acks::All, 1, NOW).expect("appended");
    core.wait(2, Reader::Consumer, &PartitionFetch { leader_epoch: -1, offset: 30, last_epoch: -1 });
    effects(&mut core);
    core.unassign();
    let told = [
        Effect::Produced { token: 1, result: Err(PartitionError::NotLeaderOrFollower) },
        Effect::Wake { token: 2 },
    ];
    assert_eq!(effects(&mut core), told);
}

#[test]
fn equality_is_of_the_protocol_and_not_of_times() {
    let leader = |at: Instant| {
        let mut core = Partition::open(config(2), Rules::default(), log(), 15, NOW);
        core.assign(at, &state(Some(2), 6, 3));
        let reader = Reader::Replica { id: NodeId(1), broker_epoch: 1 };
        core.fetch(at, reader, &PartitionFetch { leader_epoch: 6, offset: 30, last_epoch: 5 });
        effects(&mut core);
        core
    };
    assert_eq!(leader(Instant(7)), leader(Instant(9)));
}

// ---- anything ----

/// Any input of a core, with numbers that are likely to hurt.
#[derive(Debug, Clone)]
enum Input {
    Assign(PartitionState),
    Brokers(Vec<(NodeId, i64, bool)>),
    Produce(Acks, u32, u64),
    Fetch(Reader, PartitionFetch),
    Wait(Reader, PartitionFetch),
    Fetched(NodeId, Option<PartitionFetch>, PartitionFetched),
    /// `None`: the newest AlterPartition, as it was asked.
    Altered(Option<AlterPartition>, Option<Result<PartitionState, PartitionError>>),
    Flushed(Offset),
    Forget(Offset),
    Elapse(u64),
    Expire(Timer),
    MinIsr(usize),
}

fn offset() -> impl Strategy<Value = Offset> {
    prop_oneof![8 => 0..45_i64, 1 => Just(-1), 1 => Just(Offset::MIN), 1 => Just(Offset::MAX)]
}

fn epoch() -> impl Strategy<Value = i32> {
    prop_oneof![8 => -1..10_i32, 1 => Just(i32::MIN), 1 => Just(i32::MAX)]
}

fn id() -> impl Strategy<Value = NodeId> {
    prop_oneof![8 => (1..4_i32).prop_map(NodeId), 1 => any::<i32>().prop_map(NodeId)]
}

fn error() -> impl Strategy<Value = PartitionError> {
    prop_oneof![
        Just(PartitionError::OffsetOutOfRange),
        Just(PartitionError::NotLeaderOrFollower),
        Just(PartitionError::InvalidUpdateVersion),
        Just(PartitionError::IneligibleReplica),
        Just(PartitionError::NotController),
    ]
}

fn any_state() -> impl Strategy<Value = PartitionState> {
    let ids = || proptest::collection::vec(id(), 0..5);
    let leader = prop_oneof![4 => id().prop_map(Some), 1 => Just(None)];
    (ids(), ids(), leader, epoch(), epoch(), any::<bool>()).prop_map(
        |(replicas, isr, leader, leader_epoch, partition_epoch, recovering)| PartitionState {
            replicas,
            isr,
            elr: Vec::new(),
            last_known_elr: Vec::new(),
            leader,
            leader_epoch,
            partition_epoch,
            recovery: if recovering { LeaderRecovery::Recovering } else { LeaderRecovery::Recovered },
        },
    )
}

fn any_fetch() -> impl Strategy<Value = PartitionFetch> {
    (epoch(), offset(), epoch()).prop_map(|(leader_epoch, offset, last_epoch)| PartitionFetch {
        leader_epoch,
        offset,
        last_epoch,
    })
}

fn any_reader() -> impl Strategy<Value = Reader> {
    let replica = (id(), -1..4_i64).prop_map(|(id, broker_epoch)| Reader::Replica { id, broker_epoch });
    prop_oneof![2 => replica, 1 => Just(Reader::Consumer)]
}

fn any_answer() -> impl Strategy<Value = PartitionFetched> {
    let extent = (epoch(), offset(), offset()).prop_map(|(epoch, base, end)| Extent { epoch, base, end });
    let diverging = (epoch(), offset()).prop_map(|(epoch, end)| EpochEnd { epoch, end });
    (
        proptest::option::of(error()),
        epoch(),
        offset(),
        offset(),
        proptest::option::of(diverging),
        proptest::collection::vec(extent, 0..4),
    )
        .prop_map(|(error, leader_epoch, high_watermark, log_start, diverging, records)| {
            PartitionFetched { error, leader_epoch, high_watermark, log_start, diverging, records }
        })
}

fn any_request() -> impl Strategy<Value = AlterPartition> {
    (id(), epoch(), epoch(), proptest::collection::vec((id(), -1..4_i64), 0..4)).prop_map(
        |(leader, leader_epoch, partition_epoch, isr)| AlterPartition {
            leader,
            broker_epoch: 1,
            leader_epoch,
            partition_epoch,
            isr,
            recovery: LeaderRecovery::Recovered,
        },
    )
}

fn any_input() -> impl Strategy<Value = Input> {
    let acks = prop_oneof![Just(Acks::None), Just(Acks::Leader), Just(Acks::All)];
    let brokers = proptest::collection::vec((id(), -1..4_i64, any::<bool>()), 0..5);
    let result = proptest::option::of(prop_oneof![any_state().prop_map(Ok), error().prop_map(Err)]);
    let timer = prop_oneof![
        (0..9_u64).prop_map(Timer::Produce),
        id().prop_map(Timer::Lag),
        Just(Timer::AlterPartition)
    ];
    prop_oneof![
        3 => any_state().prop_map(Input::Assign),
        1 => brokers.prop_map(Input::Brokers),
        3 => (acks, prop_oneof![0..5_u32, Just(u32::MAX)], any::<u64>()).prop_map(|(acks, count, at)| Input::Produce(acks, count, at)),
        3 => (any_reader(), any_fetch()).prop_map(|(reader, fetch)| Input::Fetch(reader, fetch)),
        1 => (any_reader(), any_fetch()).prop_map(|(reader, fetch)| Input::Wait(reader, fetch)),
        3 => (id(), proptest::option::weighted(0.2, any_fetch()), any_answer())
            .prop_map(|(leader, asked, answer)| Input::Fetched(leader, asked, answer)),
        2 => (proptest::option::weighted(0.2, any_request()), result).prop_map(|(asked, result)| Input::Altered(asked, result)),
        1 => offset().prop_map(Input::Flushed),
        1 => offset().prop_map(Input::Forget),
        1 => any::<u64>().prop_map(Input::Elapse),
        1 => timer.prop_map(Input::Expire),
        1 => (0..5_usize).prop_map(Input::MinIsr),
    ]
}

fn feed(core: &mut Partition, input: Input, token: u64, asked: &mut Option<AlterPartition>) {
    match input {
        Input::Assign(state) => core.assign(NOW, &state),
        Input::Brokers(brokers) => core.set_brokers(&brokers),
        Input::Produce(acks, count, at) => {
            let end = core.log().end();
            match core.produce(NOW, token, acks, count, Instant(at)) {
                Ok(extent) => assert_eq!((extent.base, extent.end), (end, core.log().end())),
                Err(_) => assert_eq!(core.log().end(), end),
            }
        }
        Input::Fetch(reader, fetch) => {
            let answer = core.fetch(NOW, reader, &fetch);
            let mut at = fetch.offset;
            for extent in answer.records {
                assert_eq!(extent.base, at);
                at = extent.end;
            }
            let limit = if reader == Reader::Consumer { core.high_watermark() } else { core.log().end() };
            assert!(at <= limit.max(fetch.offset));
        }
        Input::Wait(reader, fetch) => core.wait(token, reader, &fetch),
        Input::Fetched(leader, position, answer) => {
            let current = core.position();
            let leader = current.map_or(leader, |(leader, _)| leader);
            let none = PartitionFetch { leader_epoch: -1, offset: 0, last_epoch: -1 };
            let asked = position.or(current.map(|(_, fetch)| fetch)).unwrap_or(none);
            core.fetched(NOW, leader, &asked, &answer);
        }
        Input::Altered(request, result) => {
            if let Some(request) = request.or(asked.clone()) {
                core.altered(NOW, &request, result);
            }
        }
        Input::Flushed(through) => core.flushed(through),
        Input::Forget(start) => core.forget_before(start),
        Input::Elapse(at) => core.elapse(Instant(at)),
        Input::Expire(timer) => core.expire(NOW, timer),
        Input::MinIsr(min_isr) => core.set_min_isr(NOW, min_isr),
    }
    // The effects tell all that happens to the log.
    while let Some(effect) = core.poll() {
        if let Effect::AlterPartition(request) = effect {
            *asked = Some(request);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn no_input_breaks_a_core(inputs in proptest::collection::vec(any_input(), 1..60)) {
        let mut core = follower();
        let mut asked = None;
        for (token, input) in (0..).zip(inputs) {
            feed(&mut core, input, token, &mut asked);
            let log = core.log();
            prop_assert!(log.start() <= core.high_watermark() && core.high_watermark() <= log.end());
            prop_assert!(log.start() <= log.flushed() && log.flushed() <= log.end());
            let _ = (core.deadline(), core.timers().count(), core.maximal_isr());
        }
    }
}
