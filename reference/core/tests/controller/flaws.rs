//! Each flaw breaks what it is about, and nothing breaks without it.

use std::time::Duration;

use highwater_core::controller::{
    Config, ControllerRequest, ControllerResponse, FLAWS, NewTopic, Rules, Timer,
};
use highwater_core::partition::{AlterPartition, AlterPartitionResult, LeaderRecovery, PartitionError};
use highwater_core::{NodeId, Uuid};

use crate::invariants::{self, Before};
use crate::random;
use crate::world::{World, config, config_with_elr, registration};

/// A life in which a flaw shows.
struct Life {
    world: World,
    before: Before,
}

/// What does not hold, if anything.
type Verdict = Result<(), String>;

impl Life {
    fn new(config: Config, rules: Rules, brokers: i32) -> Self {
        Self { world: World::with_brokers(config, rules, brokers), before: Before::new() }
    }

    fn check(&mut self) -> Verdict {
        invariants::check(&self.world, &mut self.before)
    }

    fn create(&mut self, name: &str, replicas: &[i32]) -> Result<(), String> {
        let topic = NewTopic {
            name: name.into(),
            partitions: -1,
            replication_factor: -1,
            assignments: vec![replicas.iter().copied().map(NodeId).collect()],
            configs: Vec::new(),
        };
        self.world.ask(ControllerRequest::CreateTopics { topics: vec![topic], validate_only: false });
        self.check()
    }

    fn topic(&self) -> Uuid {
        *self.world.image().topics().keys().next().expect("a topic")
    }

    /// What the leader would ask for to get this ISR.
    fn wish(&self, isr: &[i32]) -> AlterPartition {
        let image = self.world.image();
        let state = image.partition(self.topic(), 0).expect("a partition");
        let leader = state.leader.unwrap_or(NodeId(1));
        let epoch = |id: NodeId| image.broker(id).map_or(-1, |broker| broker.epoch);
        AlterPartition {
            leader,
            broker_epoch: epoch(leader),
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
            isr: isr.iter().map(|&id| (NodeId(id), epoch(NodeId(id)))).collect(),
            recovery: LeaderRecovery::Recovered,
        }
    }

    fn ask(&mut self, wish: AlterPartition) -> AlterPartitionResult {
        let topic = self.topic();
        match self.world.answer(ControllerRequest::AlterPartitions(vec![(topic, 0, wish)])) {
            ControllerResponse::AlterPartitions(Ok(mut results)) => results.remove(0).2,
            other => panic!("{other:?}"),
        }
    }

    fn alter(&mut self, isr: &[i32]) -> Verdict {
        let _ = self.ask(self.wish(isr));
        self.check()
    }

    fn fence(&mut self, broker: i32) -> Verdict {
        self.world.expire(Timer::Session(NodeId(broker)));
        self.check()
    }

    fn register(&mut self, broker: i32, incarnation: u128) -> Verdict {
        self.world.ask(ControllerRequest::RegisterBroker(registration(broker, incarnation, -1)));
        self.check()
    }

    fn unfence(&mut self, broker: i32) -> Verdict {
        let heartbeat = self.world.heartbeat(broker);
        self.world.ask(ControllerRequest::Heartbeat(heartbeat));
        self.check()
    }
}

fn refused(result: AlterPartitionResult, as_what: PartitionError) -> Verdict {
    if result == Err(as_what) { Ok(()) } else { Err(format!("{result:?} is not {as_what:?}")) }
}

/// The second leader does not know yet of the topic that the first created, and creates it again.
fn leads_before_caught_up(rules: Rules) -> Verdict {
    let mut life = Life::new(config(), rules, 3);
    life.world.commits = false;
    life.create("t", &[1, 2, 3])?;
    let end = life.world.end();
    life.world.lead(1, end);
    life.check()?;
    life.create("t", &[3, 2, 1])?;
    Ok(())
}

/// A wish that was asked before the ISR shrank comes after it.
fn no_partition_epoch_check(rules: Rules) -> Verdict {
    let mut life = Life::new(config(), rules, 3);
    life.create("t", &[1, 2, 3])?;
    life.alter(&[1, 2])?;
    let late = life.wish(&[1, 2, 3]);
    life.alter(&[1])?;
    refused(life.ask(late), PartitionError::InvalidUpdateVersion)
}

/// A follower is admitted for what it had before it started anew.
fn stale_broker_epoch(rules: Rules) -> Verdict {
    let mut life = Life::new(config(), rules, 3);
    life.create("t", &[1, 2, 3])?;
    let epoch_before = life.wish(&[1, 2, 3]).isr[2].1;
    life.fence(3)?;
    life.register(3, 33)?;
    life.unfence(3)?;
    let mut wish = life.wish(&[1, 2, 3]);
    wish.isr[2].1 = epoch_before;
    refused(life.ask(wish), PartitionError::IneligibleReplica)
}

fn fenced_member(rules: Rules) -> Verdict {
    let mut life = Life::new(config(), rules, 3);
    life.create("t", &[1, 2, 3])?;
    life.fence(3)?;
    life.alter(&[1, 2, 3])
}

/// Asked twice; the copy that is late comes when the member is back.
fn refused_copy_granted(rules: Rules) -> Verdict {
    let mut life = Life::new(config(), rules, 3);
    life.create("t", &[1, 2, 3])?;
    life.alter(&[1, 2])?;
    life.fence(3)?;
    let wish = life.wish(&[1, 2, 3]);
    refused(life.ask(wish.clone()), PartitionError::IneligibleReplica)?;
    life.unfence(3)?;
    refused(life.ask(wish), PartitionError::InvalidUpdateVersion)
}

fn last_replica_standing(rules: Rules) -> Verdict {
    let mut life = Life::new(config_with_elr(), rules, 2);
    life.create("t", &[1, 2])?;
    life.alter(&[1])?;
    life.fence(2)?;
    life.fence(1)
}

/// The only eligible replica comes back without what made it eligible, and leads.
fn unclean_stays_eligible(rules: Rules) -> Verdict {
    let mut config = config_with_elr();
    config.last_known_leader = false;
    let mut life = Life::new(config, rules, 2);
    life.create("t", &[1, 2])?;
    life.fence(2)?;
    life.fence(1)?;
    life.register(1, 11)?;
    life.unfence(1)?;
    let leader = life.world.image().partition(life.topic(), 0).and_then(|state| state.leader);
    if leader.is_none() { Ok(()) } else { Err("who lost its records leads".into()) }
}

fn elr_for_ever(rules: Rules) -> Verdict {
    let mut life = Life::new(config_with_elr(), rules, 3);
    life.create("t", &[1, 2, 3])?;
    life.alter(&[1])?;
    life.alter(&[1, 3])
}

fn anyone_may_lead(rules: Rules) -> Verdict {
    let mut life = Life::new(config(), rules, 2);
    life.create("t", &[1, 2])?;
    life.alter(&[1])?;
    life.fence(1)
}

fn one_base_expirations(rules: Rules) -> Verdict {
    let mut life = Life::new(config(), rules, 3);
    life.create("t", &[1, 2, 3])?;
    life.world.elapse(Duration::from_secs(5));
    life.unfence(3)?;
    life.world.elapse(Duration::from_secs(5));
    life.check()
}

fn fenced_first_isr(rules: Rules) -> Verdict {
    let mut life = Life::new(config(), rules, 3);
    life.fence(2)?;
    life.create("t", &[1, 2, 3])
}

fn expansion_while_recovering(rules: Rules) -> Verdict {
    let mut config = config();
    config.unclean_election = true;
    let mut life = Life::new(config, rules, 3);
    life.create("t", &[1, 2, 3])?;
    life.alter(&[1])?;
    life.fence(1)?;
    let mut wish = life.wish(&[2, 3]);
    wish.recovery = LeaderRecovery::Recovering;
    let _ = life.ask(wish);
    life.check()
}

/// The life in which a flaw shows.
fn life_of(id: &str) -> fn(Rules) -> Verdict {
    match id {
        "A38" => leads_before_caught_up,
        "B12" => no_partition_epoch_check,
        "B17" => stale_broker_epoch,
        "B20" => last_replica_standing,
        "B22" => anyone_may_lead,
        "B29" => one_base_expirations,
        "B32" => fenced_first_isr,
        "B39" => expansion_while_recovering,
        "B43" => refused_copy_granted,
        "E21" => fenced_member,
        "E24" => unclean_stays_eligible,
        "E26" => elr_for_ever,
        other => panic!("no life for {other}"),
    }
}

#[test]
fn every_flaw_breaks_what_holds_without_it() {
    for flaw in FLAWS {
        let live = life_of(flaw.id);
        assert_eq!(live(Rules::default()), Ok(()), "{} without the flaw", flaw.id);
        let mut rules = Rules::default();
        (flaw.change)(&mut rules);
        assert!(live(rules).is_err(), "{} {} is not found", flaw.id, flaw.name);
    }
}

#[test]
fn random_runs_find_flaws_that_break_what_always_holds() {
    // B12, B17, B43 and E24 break what brokers hold, of which these runs know nothing.
    let visible = FLAWS.iter().filter(|flaw| !["B12", "B17", "B43", "E24"].contains(&flaw.id));
    for flaw in visible {
        let mut rules = Rules::default();
        (flaw.change)(&mut rules);
        let found = random::runs(3000).any(|(config, steps)| {
            let played = std::panic::catch_unwind(|| random::play(config, rules, &steps));
            !matches!(played, Ok(Ok(())))
        });
        assert!(found, "{} {}", flaw.id, flaw.name);
    }
}
