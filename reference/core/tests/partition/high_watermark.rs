//! The arithmetic of the high watermark, against a second account of it.

use std::collections::BTreeSet;
use std::time::Duration;

use highwater_core::partition::{
    Acks, AlterPartition, Config, Effect, LeaderRecovery, Partition, PartitionError, PartitionFetch,
    PartitionState, Reader, Rules, Timer,
};
use highwater_core::{Instant, LogView, NodeId, Offset};
use proptest::prelude::*;

const LEADER: NodeId = NodeId(1);
const REPLICAS: i32 = 4;

/// What happens to a leader.
#[derive(Debug, Clone)]
enum Step {
    Produce {
        count: u32,
    },
    /// A follower fetches from this part (of 8) of the log.
    Fetch {
        follower: i32,
        part: i64,
    },
    Lag {
        follower: i32,
    },
    /// What becomes of the open proposal.
    Decide {
        accepted: bool,
    },
    MinIsr(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1..4_u32).prop_map(|count| Step::Produce { count }),
        (2..=REPLICAS, 0..=8_i64).prop_map(|(follower, part)| Step::Fetch { follower, part }),
        (2..=REPLICAS, 8..=8_i64).prop_map(|(follower, part)| Step::Fetch { follower, part }),
        (2..=REPLICAS).prop_map(|follower| Step::Lag { follower }),
        any::<bool>().prop_map(|accepted| Step::Decide { accepted }),
        (1..=3_usize).prop_map(Step::MinIsr),
    ];
    proptest::collection::vec(step, 1..80)
}

/// The leader, and what its high watermark should be.
struct Account {
    core: Partition,
    state: PartitionState,
    proposal: Option<AlterPartition>,
    ends: Vec<Offset>,
    min_isr: usize,
    high_watermark: Offset,
    /// First offset and end of what producers wait for, by token.
    waiting: Vec<(u64, Offset, Offset)>,
    /// Answers since the last look.
    answered: Vec<(u64, Result<Offset, PartitionError>)>,
    tokens: u64,
}

impl Account {
    fn new() -> Self {
        let replicas: Vec<NodeId> = (1..=REPLICAS).map(NodeId).collect();
        let config = Config {
            me: LEADER,
            broker_epoch: 1,
            min_isr: 1,
            replica_lag_max: Duration::from_secs(1),
            alter_retry: Duration::from_secs(1),
            wait_for_joining: false,
        };
        let state = PartitionState {
            isr: replicas.clone(),
            replicas,
            elr: Vec::new(),
            last_known_elr: Vec::new(),
            leader: Some(LEADER),
            leader_epoch: 0,
            partition_epoch: 0,
            recovery: LeaderRecovery::Recovered,
        };
        let mut core = Partition::open(config, Rules::default(), LogView::default(), 0, Instant(0));
        core.set_brokers(&(1..=REPLICAS).map(|id| (NodeId(id), 1, true)).collect::<Vec<_>>());
        core.assign(Instant(0), &state);
        Self {
            core,
            state,
            proposal: None,
            ends: vec![0; REPLICAS as usize + 1],
            min_isr: 1,
            high_watermark: 0,
            waiting: Vec::new(),
            answered: Vec::new(),
            tokens: 0,
        }
    }

    fn step(&mut self, step: &Step) {
        let now = Instant(0);
        match *step {
            Step::Produce { count } => {
                self.tokens += 1;
                let token = self.tokens;
                let deadline = now + Duration::from_secs(1);
                match self.core.produce(now, token, Acks::All, count, deadline) {
                    Ok(extent) => {
                        assert!(self.state.isr.len() >= self.min_isr);
                        self.waiting.push((token, extent.base, extent.end));
                        self.ends[1] = extent.end;
                    }
                    Err(error) => {
                        assert_eq!(error, PartitionError::NotEnoughReplicas);
                        assert!(self.state.isr.len() < self.min_isr);
                    }
                }
            }
            Step::Fetch { follower, part } => {
                let offset = self.ends[1] * part / 8;
                let fetch =
                    PartitionFetch { leader_epoch: 0, offset, last_epoch: if offset > 0 { 0 } else { -1 } };
                let reader = Reader::Replica { id: NodeId(follower), broker_epoch: 1 };
                let answer = self.core.fetch(now, reader, &fetch);
                assert_eq!((answer.error, answer.diverging), (None, None));
                self.ends[follower as usize] = offset;
            }
            Step::Lag { follower } => self.core.expire(now, Timer::Lag(NodeId(follower))),
            Step::Decide { accepted } => self.decide(accepted),
            Step::MinIsr(min_isr) => {
                self.min_isr = min_isr;
                self.core.set_min_isr(now, min_isr);
            }
        }
        self.take_effects();
        self.check();
    }

    fn decide(&mut self, accepted: bool) {
        let Some(request) = self.proposal.take() else { return };
        let result = if accepted {
            self.state.isr = request.isr.iter().map(|(id, _)| *id).collect();
            self.state.partition_epoch += 1;
            Ok(self.state.clone())
        } else {
            Err(PartitionError::IneligibleReplica)
        };
        self.core.altered(Instant(0), &request, Some(result));
    }

    fn take_effects(&mut self) {
        while let Some(effect) = self.core.poll() {
            match effect {
                Effect::AlterPartition(request) => {
                    assert!(self.proposal.is_none(), "one proposal at a time");
                    self.proposal = Some(request);
                }
                Effect::Produced { token, result } => self.answered.push((token, result)),
                Effect::HighWatermark(_) => {}
                effect => panic!("a leader does not {effect:?}"),
            }
        }
    }

    /// The least log end over committed and proposed ISR, unless the committed one is too small; never less than before.
    fn check(&mut self) {
        let proposed = self.proposal.iter().flat_map(|request| request.isr.iter().map(|(id, _)| *id));
        let maximal: BTreeSet<NodeId> = self.state.isr.iter().copied().chain(proposed).collect();
        let told: BTreeSet<NodeId> = self.core.maximal_isr().into_iter().collect();
        assert_eq!(told, maximal);
        if self.state.isr.len() >= self.min_isr {
            let least = maximal.iter().map(|id| self.ends[id.0 as usize]).min().expect("the leader at least");
            self.high_watermark = self.high_watermark.max(least);
        }
        assert_eq!(self.core.high_watermark(), self.high_watermark);
        // Answered are exactly those that are committed, in their order.
        let committed = self.waiting.iter().take_while(|(_, _, end)| *end <= self.high_watermark).count();
        let expected: Vec<_> =
            self.waiting[..committed].iter().map(|(token, base, _)| (*token, Ok(*base))).collect();
        assert_eq!(std::mem::take(&mut self.answered), expected);
        self.waiting.drain(..committed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn high_watermark_is_least_end_of_maximal_isr(steps in steps()) {
        let mut account = Account::new();
        for step in &steps {
            account.step(step);
        }
    }
}
