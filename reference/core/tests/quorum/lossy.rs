//! A network that takes time and loses messages, with Kafka's timeouts: how steady a leader is, and how soon there is another.

use std::time::Duration;

use highwater_core::quorum::{Config, Quorum, Rules};
use highwater_core::{Dice, Epoch, Instant, NodeId};

use crate::world::{World, cluster};

/// Messages take 1 to 30 ms, and one in a hundred is lost without anybody being told.
struct Network {
    world: World,
    dice: Dice,
    /// When each message in flight arrives.
    arrivals: Vec<Instant>,
}

impl Network {
    fn new(seed: u64, voters: i32, pre_vote: bool) -> Self {
        let world = cluster(Rules::default(), voters, 0, |config| {
            *config = Config { pre_vote, ..Config::new(config.me, config.voters.clone()) };
        });
        Self { world, dice: Dice::new(seed), arrivals: Vec::new() }
    }

    /// Lets the next message arrive or the next timer run out.
    fn step(&mut self) {
        while self.arrivals.len() < self.world.network.len() {
            let delay = Duration::from_micros(1000 + self.dice.below(29_000));
            self.arrivals.push(self.world.now + delay);
        }
        let arrival = self.arrivals.iter().enumerate().min_by_key(|(_, arrival)| **arrival);
        let arrival = arrival.map(|(index, arrival)| (*arrival, index));
        let cores = self.world.members.values().filter_map(|member| member.quorum.as_ref());
        let due = cores.filter_map(Quorum::deadline).min().expect("nobody waits for ever");
        if let Some((arrival, index)) = arrival.filter(|(arrival, _)| *arrival <= due) {
            self.world.now = self.world.now.max(arrival);
            self.arrivals.remove(index);
            if self.dice.below(100) == 0 {
                self.world.lose(index, false);
            } else {
                self.world.deliver(index);
            }
            return;
        }
        self.world.now = self.world.now.max(due);
        let ids: Vec<NodeId> = self.world.members.keys().copied().collect();
        for id in ids {
            if self.world.core(id).is_some_and(|core| core.deadline() <= Some(self.world.now)) {
                self.world.elapse(id);
            }
        }
    }

    fn active(&self) -> Option<NodeId> {
        let is_active = |id: &NodeId| self.world.core(*id).is_some_and(Quorum::is_active);
        self.world.members.keys().copied().find(is_active)
    }

    fn epoch(&self) -> Epoch {
        let cores = self.world.members.values().filter_map(|member| member.quorum.as_ref());
        cores.map(Quorum::epoch).max().expect("some are up")
    }
}

#[test]
fn losses_seldom_cost_leader_its_office() {
    for pre_vote in [false, true] {
        let mut epochs = 0;
        for seed in 0..40 {
            let mut network = Network::new(seed, 3, pre_vote);
            while network.world.now < Instant(60_000_000) {
                network.step();
            }
            network.world.check().expect("no claim is broken");
            epochs += network.epoch();
        }
        assert!(epochs <= 60, "{epochs} epochs in 40 minutes, pre-vote {pre_vote}");
    }
}

#[test]
fn crash_of_leader_soon_made_up_for() {
    for pre_vote in [false, true] {
        let mut took = Vec::new();
        for seed in 0..60 {
            let mut network = Network::new(seed, 3, pre_vote);
            while network.world.now < Instant(10_000_000) || network.active().is_none() {
                network.step();
            }
            network.world.crash(network.active().expect("one leads"));
            let crashed = network.world.now;
            while network.active().is_none() {
                network.step();
            }
            network.world.check().expect("no claim is broken");
            took.push(network.world.now.since(crashed));
        }
        took.sort();
        // Followers wait for 2 s since they last heard from the leader.
        assert!(took[30] < Duration::from_secs(3), "pre-vote {pre_vote}: {took:?}");
        assert!(took[59] < Duration::from_secs(10), "pre-vote {pre_vote}: {took:?}");
    }
}
