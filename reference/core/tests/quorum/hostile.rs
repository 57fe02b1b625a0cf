//! Whatever comes, a core neither panics nor breaks its own invariants. Not with the feature `flaws`, which lets a follower truncate
//! whatever it is told to, so that broken rules show.

use std::collections::BTreeSet;

use highwater_core::quorum::{
    BeginQuorumEpochRequest, Config, Effect, ElectionState, EndQuorumEpochRequest, EpochResponse,
    FetchRequest, FetchResponse, FetchSnapshotRequest, FetchSnapshotResponse, Input, Quorum, QuorumError,
    ReplicaKey, Request, Response, Rules, SnapshotId, Timer, VoteRequest, VoteResponse,
};
use highwater_core::{Dice, Epoch, EpochEnd, Extent, Instant, LogView, NodeId, Offset, Uuid};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    /// Whatever comes; if `near`, of the epoch that the core is in.
    Input {
        input: Box<Input>,
        near: bool,
    },
    /// A request of the core is answered by this; if `near`, in its epoch, with records that begin where its log ends.
    Answer {
        to: prop::sample::Index,
        response: Box<Response>,
        near: bool,
    },
    /// A request of the core is granted or acknowledged, as it should be.
    Help(prop::sample::Index),
    /// A voter fetches from the end of the log, or a little before.
    Acknowledge(i32, Offset),
    Expire(prop::sample::Index),
    Elapse(u64),
    Append(u32),
}

fn epoch() -> impl Strategy<Value = Epoch> {
    prop_oneof![8 => -2..6i32, 1 => Just(Epoch::MAX), 1 => Just(Epoch::MIN)]
}

fn offset() -> impl Strategy<Value = Offset> {
    prop_oneof![8 => -2..8i64, 1 => Just(Offset::MAX), 1 => Just(Offset::MIN)]
}

fn node() -> impl Strategy<Value = NodeId> {
    (0..5i32).prop_map(NodeId)
}

fn key() -> impl Strategy<Value = ReplicaKey> {
    (node(), 0..3u128).prop_map(|(id, other)| ReplicaKey { id, directory: Uuid(id.0 as u128 + other / 2) })
}

fn snapshot() -> impl Strategy<Value = SnapshotId> {
    (offset(), epoch()).prop_map(|(end, epoch)| SnapshotId { end, epoch })
}

fn error() -> impl Strategy<Value = Option<QuorumError>> {
    prop_oneof![
        4 => Just(None),
        1 => Just(Some(QuorumError::NotLeaderOrFollower)),
        1 => Just(Some(QuorumError::FencedLeaderEpoch)),
        1 => Just(Some(QuorumError::UnknownLeaderEpoch)),
        1 => Just(Some(QuorumError::RequestTimedOut)),
        1 => Just(Some(QuorumError::SnapshotNotFound)),
    ]
}

/// Boxed, as are its neighbours: a tree of values that holds all of them in place takes most of a thread's stack.
fn request() -> BoxedStrategy<Request> {
    let vote = (epoch(), key(), key(), epoch(), offset(), any::<bool>());
    let fetch =
        (key(), epoch(), offset(), epoch(), prop::option::of(offset()), prop_oneof![Just(0), any::<u32>()]);
    prop_oneof![
        vote.prop_map(|(epoch, candidate, voter, last_epoch, last_offset, pre_vote)| {
            Request::Vote(VoteRequest { epoch, candidate, voter, last_epoch, last_offset, pre_vote })
        }),
        (epoch(), node(), key()).prop_map(|(epoch, leader, voter)| {
            Request::BeginQuorumEpoch(BeginQuorumEpochRequest { epoch, leader, voter })
        }),
        (epoch(), node(), prop::collection::vec(node(), 0..4)).prop_map(|(epoch, leader, successors)| {
            Request::EndQuorumEpoch(EndQuorumEpochRequest { epoch, leader, successors })
        }),
        fetch.prop_map(|(replica, epoch, offset, last_epoch, high_watermark, max_wait_ms)| {
            Request::Fetch(FetchRequest { replica, epoch, offset, last_epoch, high_watermark, max_wait_ms })
        }),
        (key(), epoch(), snapshot(), any::<u64>()).prop_map(|(replica, epoch, snapshot, position)| {
            Request::FetchSnapshot(FetchSnapshotRequest { replica, epoch, snapshot, position })
        }),
    ]
    .boxed()
}

fn response() -> BoxedStrategy<Response> {
    let leader = || prop::option::of(node());
    let extent = (epoch(), offset(), offset()).prop_map(|(epoch, base, end)| Extent { epoch, base, end });
    let diverging = (epoch(), offset()).prop_map(|(epoch, end)| EpochEnd { epoch, end });
    let size = || prop_oneof![4 => 0..4u64, 1 => any::<u64>()];
    let known =
        (prop::option::of(offset()), offset(), prop::option::of(diverging), prop::option::of(snapshot()));
    prop_oneof![
        (error(), epoch(), leader(), any::<bool>()).prop_map(|(error, epoch, leader, granted)| {
            Response::Vote(VoteResponse { error, epoch, leader, granted })
        }),
        (error(), epoch(), leader()).prop_map(|(error, epoch, leader)| {
            Response::BeginQuorumEpoch(EpochResponse { error, epoch, leader })
        }),
        (error(), epoch(), leader(), known, prop::collection::vec(extent, 0..3)).prop_map(
            |(error, epoch, leader, (high_watermark, log_start, diverging, snapshot), records)| {
                let log_start = log_start.max(0);
                let fetched = FetchResponse {
                    error,
                    epoch,
                    leader,
                    high_watermark,
                    log_start,
                    diverging,
                    snapshot,
                    records,
                };
                Response::Fetch(fetched)
            }
        ),
        (error(), epoch(), leader(), snapshot(), size(), size(), size()).prop_map(
            |(error, epoch, leader, snapshot, size, position, length)| {
                let part = FetchSnapshotResponse { error, epoch, leader, snapshot, size, position, length };
                Response::FetchSnapshot(part)
            }
        ),
    ]
    .boxed()
}

fn step() -> BoxedStrategy<Step> {
    let input = prop_oneof![
        6 => request().prop_map(|request| Input::Request { token: 0, request }),
        2 => (node(), request(), response())
            .prop_map(|(from, request, response)| Input::Response { from, request, response }),
        1 => (node(), request()).prop_map(|(to, request)| Input::Failed { to, request }),
        1 => snapshot().prop_map(Input::Snapshot),
        1 => Just(Input::Resign),
    ];
    prop_oneof![
        6 => (input, prop::bool::weighted(0.9)).prop_map(|(input, near)| Step::Input { input: Box::new(input), near }),
        6 => (any::<prop::sample::Index>(), response(), prop::bool::weighted(0.9))
            .prop_map(|(to, response, near)| Step::Answer { to, response: Box::new(response), near }),
        10 => any::<prop::sample::Index>().prop_map(Step::Help),
        4 => (0..3, 0..3i64).prop_map(|(voter, behind)| Step::Acknowledge(voter, behind)),
        3 => any::<prop::sample::Index>().prop_map(Step::Expire),
        1 => (0..3000u64).prop_map(Step::Elapse),
        2 => (1..4u32).prop_map(Step::Append),
    ]
    .boxed()
}

/// The driver of one core: what it asked, and what it was asked.
struct Lone {
    quorum: Quorum,
    now: Instant,
    asked: Vec<(NodeId, Request)>,
    open: BTreeSet<u64>,
    tokens: u64,
    saved: ElectionState,
    high_watermark: Offset,
    active: Option<Epoch>,
}

impl Lone {
    fn take(&mut self, step: Step) {
        let current = self.quorum.epoch();
        match step {
            Step::Input { mut input, near } => {
                if let (Input::Request { request, .. } | Input::Response { request, .. }, true) =
                    (&mut *input, near)
                {
                    *epoch_of(request) = current;
                }
                if let Input::Request { token, .. } = &mut *input {
                    self.tokens += 1;
                    self.open.insert(self.tokens);
                    *token = self.tokens;
                }
                self.quorum.handle(self.now, *input);
            }
            Step::Answer { to, mut response, near } => {
                if near {
                    bring_near(&mut response, current, self.quorum.log().end());
                }
                if let Some((from, request)) = self.outstanding(to) {
                    self.quorum.handle(self.now, Input::Response { from, request, response: *response });
                }
            }
            Step::Help(index) => {
                if let Some((from, request)) = self.outstanding(index) {
                    let response = helpful(&request);
                    self.quorum.handle(self.now, Input::Response { from, request, response });
                }
            }
            Step::Acknowledge(voter, behind) => {
                let log = self.quorum.log();
                let offset = (log.end() - behind).max(log.start());
                let last_epoch = log.epochs().epoch_at(offset - 1).unwrap_or(log.base_epoch());
                let replica = ReplicaKey { id: NodeId(voter), directory: Uuid(voter as u128) };
                let fetch = FetchRequest {
                    replica,
                    epoch: current,
                    offset,
                    last_epoch,
                    high_watermark: None,
                    max_wait_ms: 9,
                };
                self.tokens += 1;
                self.open.insert(self.tokens);
                self.quorum
                    .handle(self.now, Input::Request { token: self.tokens, request: Request::Fetch(fetch) });
            }
            Step::Expire(index) => {
                let timers: Vec<Timer> = self.quorum.timers().collect();
                if !timers.is_empty() {
                    self.quorum.expire(self.now, *index.get(&timers));
                }
            }
            Step::Elapse(millis) => {
                self.now.0 += millis * 1000;
                self.quorum.elapse(self.now);
            }
            Step::Append(count) => {
                let epoch = self.quorum.epoch();
                let leads = self.quorum.epoch_start().is_some();
                assert_eq!(self.quorum.append(self.now, epoch, count).is_ok(), leads);
            }
        }
    }

    fn outstanding(&self, index: prop::sample::Index) -> Option<(NodeId, Request)> {
        // Most often the latest.
        let latest = self.asked.len().saturating_sub(1 + index.index(3));
        self.asked.get(latest).cloned()
    }

    fn carry_out(&mut self) {
        while let Some(effect) = self.quorum.poll() {
            match effect {
                Effect::Send { to, request } => self.asked.push((to, request)),
                Effect::Reply { token, .. } => assert!(self.open.remove(&token), "{token} is answered once"),
                Effect::SaveElection(saved) => self.saved = saved,
                Effect::Flush { through } => self.quorum.handle(self.now, Input::Flushed { through }),
                Effect::WriteSnapshot { snapshot, complete: true, .. } => {
                    self.quorum.handle(self.now, Input::Snapshot(snapshot));
                }
                Effect::Committed { high_watermark } => {
                    assert!(high_watermark > self.high_watermark);
                    self.high_watermark = high_watermark;
                }
                Effect::Lead { epoch, start } => {
                    assert!(start < self.high_watermark);
                    assert_eq!(self.active.replace(epoch), None);
                }
                Effect::Unlead { epoch } => assert_eq!(self.active.take(), Some(epoch)),
                _ => {}
            }
        }
        let tail = self.asked.len().saturating_sub(8);
        self.asked.drain(..tail);
    }

    fn check(&self, before: &Quorum) {
        let quorum = &self.quorum;
        let log = quorum.log();
        assert!(before.epoch() <= quorum.epoch());
        assert!(log.last_epoch() <= quorum.epoch());
        assert!(quorum.high_watermark().unwrap_or(0) <= log.end());
        assert_eq!(quorum.high_watermark().unwrap_or(0), self.high_watermark);
        assert!(log.start() <= log.flushed() && log.flushed() <= log.end());
        assert_eq!(quorum.election(), self.saved);
        assert_eq!(quorum.is_active().then_some(quorum.epoch()), self.active);
        assert!(quorum.deadline().is_some(), "nobody waits for ever: {quorum:?}");
    }
}

fn epoch_of(request: &mut Request) -> &mut Epoch {
    match request {
        Request::Vote(vote) => &mut vote.epoch,
        Request::BeginQuorumEpoch(begin) => &mut begin.epoch,
        Request::EndQuorumEpoch(end) => &mut end.epoch,
        Request::Fetch(fetch) => &mut fetch.epoch,
        Request::FetchSnapshot(part) => &mut part.epoch,
    }
}

fn bring_near(response: &mut Response, current: Epoch, log_end: Offset) {
    match response {
        Response::Vote(vote) => vote.epoch = current,
        Response::BeginQuorumEpoch(answer) | Response::EndQuorumEpoch(answer) => answer.epoch = current,
        Response::Fetch(fetched) => {
            fetched.epoch = current;
            if let Some(first) = fetched.records.first_mut() {
                first.base = log_end;
            }
        }
        Response::FetchSnapshot(part) => part.epoch = current,
    }
}

/// The answer that a request hopes for.
fn helpful(request: &Request) -> Response {
    match request {
        Request::Vote(vote) => {
            Response::Vote(VoteResponse { error: None, epoch: vote.epoch, leader: None, granted: true })
        }
        Request::BeginQuorumEpoch(begin) => Response::BeginQuorumEpoch(EpochResponse {
            error: None,
            epoch: begin.epoch,
            leader: Some(begin.leader),
        }),
        Request::EndQuorumEpoch(end) => {
            Response::EndQuorumEpoch(EpochResponse { error: None, epoch: end.epoch, leader: None })
        }
        Request::Fetch(fetch) => {
            let end = fetch.offset.saturating_add(2);
            Response::Fetch(FetchResponse {
                error: None,
                epoch: fetch.epoch,
                leader: None,
                high_watermark: Some(end - 1),
                log_start: 0,
                diverging: None,
                snapshot: None,
                records: vec![Extent { epoch: fetch.epoch, base: fetch.offset, end }],
            })
        }
        Request::FetchSnapshot(part) => Response::FetchSnapshot(FetchSnapshotResponse {
            error: None,
            epoch: part.epoch,
            leader: None,
            snapshot: part.snapshot,
            size: part.position.saturating_add(2),
            position: part.position,
            length: 1 + part.position % 2,
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn any_input_keeps_invariants(
        me in 0..4i32,
        pre_vote in any::<bool>(),
        timed in any::<bool>(),
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let key = |id: i32| ReplicaKey { id: NodeId(id), directory: Uuid(id as u128) };
        let voters: Vec<ReplicaKey> = (0..3).map(key).collect();
        let config = if timed { Config::new(key(me), voters) } else { Config::timeless(key(me), voters) };
        let config = Config { pre_vote, ..config };
        let (saved, log, now) = (ElectionState::default(), LogView::default(), Instant(0));
        let quorum = Quorum::open(config, Rules::default(), saved, log, None, Dice::new(1), now).expect("blank");
        let mut lone = Lone {
            quorum,
            now,
            asked: Vec::new(),
            open: BTreeSet::new(),
            tokens: 0,
            saved,
            high_watermark: 0,
            active: None,
        };
        for step in steps {
            let before = lone.quorum.clone();
            lone.take(step);
            lone.carry_out();
            lone.check(&before);
        }
    }
}
