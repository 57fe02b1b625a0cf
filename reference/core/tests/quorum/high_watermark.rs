//! The high watermark of one leader against the definition: the largest offset, beyond the start of its epoch, that a
//! majority has ever been seen to have at the same time.

use highwater_core::quorum::{
    Config, Effect, ElectionState, FetchRequest, Input, Quorum, ReplicaKey, Request, Response, RoleName,
    Rules, Timer, VoteResponse,
};
use highwater_core::{Dice, EpochCache, EpochStart, Instant, LogView, NO_EPOCH, NodeId, Offset, Uuid};
use proptest::prelude::*;

const NOW: Instant = Instant(0);

#[derive(Debug, Clone)]
enum Step {
    Append(u32),
    /// The leader's disk is done with this part of what it has, in eighths.
    Flush(i64),
    /// A voter fetches from this part of the leader's log, in eighths.
    Fetch(usize, i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..4u32).prop_map(Step::Append),
        (0..9i64).prop_map(Step::Flush),
        (1..9usize, 0..9i64).prop_map(|(voter, part)| Step::Fetch(voter, part)),
    ]
}

fn key(id: usize) -> ReplicaKey {
    ReplicaKey { id: NodeId(id as i32), directory: Uuid(id as u128) }
}

/// A leader of epoch 2, the first of so many voters, with so many records of epoch 1.
fn leader(voters: usize, records: Offset) -> Quorum {
    let config = Config { pre_vote: false, ..Config::timeless(key(0), (0..voters).map(key).collect()) };
    let starts = if records == 0 { Vec::new() } else { vec![EpochStart { epoch: 1, start: 0 }] };
    let epochs = EpochCache::from_starts(starts).expect("one epoch");
    let log = LogView::recovered(0, records, NO_EPOCH, epochs).expect("records of one epoch");
    let saved = ElectionState { epoch: 1, leader: None, voted: None };
    let mut quorum =
        Quorum::open(config, Rules::default(), saved, log, None, Dice::new(0), NOW).expect("in order");
    quorum.expire(NOW, Timer::Election);
    while let Some(effect) = quorum.poll() {
        if let Effect::Send { to, request: request @ Request::Vote(_) } = effect {
            let response =
                Response::Vote(VoteResponse { error: None, epoch: 2, leader: None, granted: true });
            quorum.handle(NOW, Input::Response { from: to, request, response });
        }
    }
    assert_eq!(quorum.role(), RoleName::Leader);
    quorum
}

/// What more than half have reached, by sorting.
fn majority_offset(mut reached: Vec<Offset>) -> Offset {
    reached.sort_unstable();
    reached[(reached.len() - 1) / 2]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn high_watermark_any_fetches_equals_definition(
        voters in 1..8usize,
        records in 0..4i64,
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut quorum = leader(voters, records);
        let mut reached = vec![0; voters];
        let mut expected = 0;
        for (token, step) in steps.into_iter().enumerate() {
            let end = quorum.log().end();
            match step {
                Step::Append(count) => {
                    quorum.append(NOW, 2, count).expect("it leads");
                }
                Step::Flush(part) => {
                    let through = end * part / 8;
                    quorum.handle(NOW, Input::Flushed { through });
                    reached[0] = reached[0].max(through).max(records);
                }
                Step::Fetch(voter, part) => {
                    let offset = end * part / 8;
                    let last_epoch = if offset == 0 { NO_EPOCH } else if offset <= records { 1 } else { 2 };
                    let request = Request::Fetch(FetchRequest {
                        replica: key(voter),
                        epoch: 2,
                        offset,
                        last_epoch,
                        high_watermark: None,
                        max_wait_ms: 0,
                    });
                    quorum.handle(NOW, Input::Request { token: token as u64, request });
                    // The others are observers.
                    if voter < voters {
                        reached[voter] = offset;
                    }
                }
            }
            reached[0] = reached[0].max(records);
            let counted = majority_offset(reached.clone());
            if counted > records {
                expected = expected.max(counted);
            }
            prop_assert_eq!(quorum.high_watermark().unwrap_or(0), expected);
            let told: Vec<Offset> = std::iter::from_fn(|| quorum.poll())
                .filter_map(|effect| match effect {
                    Effect::Committed { high_watermark } => Some(high_watermark),
                    _ => None,
                })
                .collect();
            prop_assert!(told.last().is_none_or(|&last| last == expected));
            prop_assert!(told.is_sorted());
        }
    }
}
