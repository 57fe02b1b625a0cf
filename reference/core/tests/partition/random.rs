//! Random runs: whatever is possible may happen next, and the claims hold after every step.

use std::time::Duration;

use highwater_core::partition::{Acks, PartitionFetch, Role, Rules, Timer};
use highwater_core::{NO_EPOCH, Offset};
use proptest::prelude::*;

use crate::invariants;
use crate::tell;
use crate::world::{Message, Settings, World};

/// What a run may do.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) settings: Settings,
    pub(crate) records: usize,
    pub(crate) messages: usize,
    /// Changes of leader or ISR by the controller.
    pub(crate) changes: usize,
    pub(crate) crashes: usize,
    pub(crate) unclean_elections: bool,
    /// Time passes and timers run out by it; else they run out whenever they like.
    pub(crate) timed: bool,
    /// Replicas delete old records.
    pub(crate) retention: bool,
}

/// Something that may happen.
#[derive(Debug, Clone, Copy)]
enum Action {
    Produce { index: usize, acks: Acks },
    Fetch { index: usize },
    Deliver { slot: usize },
    Lose { slot: usize },
    Duplicate { slot: usize },
    LoseDecision { slot: usize },
    Learn { index: usize, change: usize },
    Expire { index: usize, timer: Timer },
    Elapse { millis: u64 },
    Fence { index: usize, unfence: bool },
    Unfence { index: usize },
    Elect { index: usize },
    ShutDown { index: usize },
    Crash { index: usize, keep: Offset },
    Restart { index: usize },
    Retain { index: usize, from: Offset },
}

/// A run in progress.
pub(crate) struct Run {
    pub(crate) world: World,
    limits: Limits,
    taste: u32,
    produced: usize,
    crashes: usize,
}

impl Limits {
    pub(crate) fn new(replicas: usize, min_isr: usize, rules: Rules) -> Self {
        let settings = Settings { replicas, min_isr, wait_for_joining: false, answer_max: 1, rules };
        Self {
            settings,
            records: 4,
            messages: 4,
            changes: 12,
            crashes: 2,
            unclean_elections: false,
            timed: false,
            retention: false,
        }
    }
}

impl Run {
    pub(crate) fn new(limits: Limits, taste: u32) -> Self {
        Self { world: World::new(limits.settings.clone()), limits, taste, produced: 0, crashes: 0 }
    }

    /// Each run has its own taste, which its seed gives: some lose or repeat nothing, some deliver late. Rare stories come about in
    /// runs that leave out most of what can happen.
    fn weight(&self, action: &Action) -> u32 {
        let tastes = |bit: u32| u32::from(self.taste >> bit & 1 == 1);
        match action {
            Action::Deliver { .. } => [1, 3, 3, 6][(self.taste & 3) as usize],
            Action::Fetch { .. } | Action::Restart { .. } => 3,
            Action::Learn { .. } | Action::Unfence { .. } | Action::Elect { .. } => 2,
            Action::Produce { .. } | Action::Elapse { .. } | Action::Retain { .. } => 1,
            Action::Lose { .. } => tastes(2),
            Action::Duplicate { .. } => tastes(3),
            Action::LoseDecision { .. } => tastes(4),
            Action::Expire { .. } => tastes(5),
            Action::Fence { .. } => 1 + tastes(6),
            Action::ShutDown { .. } => tastes(7),
            Action::Crash { .. } => tastes(8),
        }
    }

    fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        for index in 0..self.world.brokers.len() {
            self.actions_of_broker(index, &mut actions);
            self.actions_of_controller(index, &mut actions);
        }
        for (slot, message) in self.world.network.iter().enumerate() {
            actions.push(Action::Deliver { slot });
            actions.push(Action::Lose { slot });
            if self.world.network.len() < self.limits.messages {
                actions.push(Action::Duplicate { slot });
            }
            if matches!(message, Message::Alter { .. }) {
                actions.push(Action::LoseDecision { slot });
            }
        }
        if self.limits.timed {
            actions.extend([1, 10, 60].map(|millis| Action::Elapse { millis }));
        }
        actions
    }

    fn actions_of_broker(&self, index: usize, actions: &mut Vec<Action>) {
        let broker = &self.world.brokers[index];
        let Some(core) = &broker.core else { return };
        if core.role() == Role::Leader && self.produced < self.limits.records {
            let acks = if self.produced % 4 == 3 { Acks::Leader } else { Acks::All };
            actions.push(Action::Produce { index, acks });
        }
        if core.position().is_some() && self.world.network.len() < self.limits.messages {
            actions.push(Action::Fetch { index });
        }
        if self.limits.retention && core.high_watermark() > broker.start {
            actions.push(Action::Retain { index, from: core.high_watermark() });
        }
        let newest = self.world.controller.newest();
        if broker.known < newest {
            actions.push(Action::Learn { index, change: newest });
            actions.push(Action::Learn { index, change: broker.known + 1 });
        }
        if !self.limits.timed {
            actions.extend(core.timers().map(|timer| Action::Expire { index, timer }));
        }
        if self.crashes < self.limits.crashes {
            actions.push(Action::ShutDown { index });
            // Fewer replicas than min.insync.replicas at a time have lost anything: see `specs/isr.md`.
            let others = self.world.brokers.iter().filter(|other| other.unclean && other.id != broker.id);
            if others.count() + 1 < self.world.settings.min_isr {
                actions.push(Action::Crash { index, keep: broker.end() });
                actions.push(Action::Crash { index, keep: broker.end() / 2 });
                actions.push(Action::Crash { index, keep: 0 });
            }
        }
    }

    fn actions_of_controller(&self, index: usize, actions: &mut Vec<Action>) {
        let broker = &self.world.brokers[index];
        let controller = &self.world.controller;
        let fenced = controller.broker(broker.id).fenced;
        if fenced && broker.core.is_some() {
            actions.push(Action::Unfence { index });
        }
        if fenced && broker.core.is_none() {
            actions.push(Action::Restart { index });
        }
        if controller.state.partition_epoch as usize >= self.limits.changes {
            return;
        }
        if !fenced {
            actions.push(Action::Fence { index, unfence: broker.core.is_some() });
            let clean = controller.candidates();
            let unclean = self.limits.unclean_elections && controller.state.leader.is_none();
            let may_lead = clean.contains(&broker.id) || unclean && clean.is_empty();
            if may_lead && controller.state.leader != Some(broker.id) {
                actions.push(Action::Elect { index });
            }
        }
    }

    /// Does one of the things that may happen next: always the same for the same choice.
    pub(crate) fn step(&mut self, choice: u32) {
        let actions = self.actions();
        let total: u32 = actions.iter().map(|action| self.weight(action)).sum();
        let mut left = choice.checked_rem(total).unwrap_or(0);
        let chosen = actions.iter().find(|action| {
            let weight = self.weight(action);
            let chosen = left < weight;
            left = left.saturating_sub(weight);
            chosen
        });
        let Some(&action) = chosen else { return };
        self.world.tell(|| format!("> {action:?}"));
        self.act(action);
        self.world.note_recovered();
        for index in 0..self.world.brokers.len() {
            self.read_all(index);
        }
    }

    fn act(&mut self, action: Action) {
        let world = &mut self.world;
        match action {
            Action::Produce { index, acks } => {
                let value = char::from_u32('a' as u32 + self.produced as u32).expect("few records");
                if world.produce(index, &[value], acks, Duration::from_millis(50)).is_ok() {
                    self.produced += 1;
                }
            }
            Action::Fetch { index } => {
                world.fetch(index);
            }
            Action::Deliver { slot } => world.deliver(slot),
            Action::Lose { slot } => {
                // A connection that breaks is noticed by who waits for AlterPartition to be answered.
                match world.network.remove(slot) {
                    Message::Alter { request } => world.decided(request, None),
                    Message::Altered { asked, .. } => world.decided(asked, None),
                    _ => {}
                }
            }
            Action::Duplicate { slot } => {
                let message = world.network[slot].clone();
                world.network.push(message);
            }
            Action::LoseDecision { slot } => {
                if let Message::Alter { request } = world.network.remove(slot) {
                    let _ = world.controller.alter(&request);
                    world.decided(request, None);
                }
            }
            Action::Learn { index, change } => world.learn(index, change),
            Action::Expire { index, timer } => world.expire(index, timer),
            Action::Elapse { millis } => world.elapse(Duration::from_millis(millis)),
            Action::Fence { index, unfence } => {
                let id = world.brokers[index].id;
                world.controller.fence(id);
                if unfence {
                    world.controller.unfence(id);
                }
            }
            Action::Unfence { index } => world.controller.unfence(world.brokers[index].id),
            Action::Elect { index } => world.controller.elect(world.brokers[index].id),
            Action::ShutDown { index } => {
                self.crashes += 1;
                world.shut_down(index);
            }
            Action::Crash { index, keep } => {
                self.crashes += 1;
                world.crash(index, keep);
            }
            Action::Restart { index } => world.restart(index),
            Action::Retain { index, from } => {
                world.core(index).forget_before(from);
                world.settle(index, &[], 0);
            }
        }
    }

    /// Consumers read what they may, at leader and followers.
    fn read_all(&mut self, index: usize) {
        let Some(core) = &self.world.brokers[index].core else { return };
        let offset = core.log().start();
        let fetch = PartitionFetch { leader_epoch: NO_EPOCH, offset, last_epoch: NO_EPOCH };
        if core.role() != Role::Unassigned {
            self.world.consume(index, &fetch);
        }
    }

    /// From now on nothing fails: brokers come back, messages arrive, metadata are learnt, somebody leads.
    fn calm_down(&mut self) {
        let world = &mut self.world;
        for index in 0..world.brokers.len() {
            let id = world.brokers[index].id;
            if world.brokers[index].core.is_none() {
                if !world.controller.broker(id).fenced {
                    world.controller.fence(id);
                }
                world.restart(index);
            } else if world.controller.broker(id).fenced {
                world.controller.unfence(id);
            }
        }
        for _ in 0..40 {
            if world.controller.state.leader.is_none() {
                let candidate = world.controller.candidates().first().copied();
                world.controller.elect(candidate.expect("somebody may lead"));
            }
            let newest = world.controller.newest();
            for index in 0..world.brokers.len() {
                world.learn(index, newest);
                world.fetch(index);
            }
            while !world.network.is_empty() {
                world.deliver(0);
            }
            world.note_recovered();
            world.elapse(Duration::from_millis(10));
        }
    }

    /// One leader, everybody follows it and is in the ISR, all logs are the same, all of it is committed.
    fn has_converged(&self) -> bool {
        let world = &self.world;
        invariants::true_leader(world).is_some_and(|leader| {
            let is_same = |broker: &crate::world::Broker| {
                broker.records.ends_with(leader.slice(leader.start.max(broker.start), leader.end()))
                    && broker.high_watermark == broker.end()
            };
            world
                .brokers
                .iter()
                .all(|broker| world.controller.state.isr.contains(&broker.id) && is_same(broker))
                && leader.core.as_ref().is_some_and(|core| core.isr().len() == world.brokers.len())
        })
    }

    pub(crate) fn broken(&self) -> Vec<&'static str> {
        let mut broken = invariants::broken(&self.world);
        if self.limits.unclean_elections {
            broken.retain(|claim| invariants::UNDER_UNCLEAN_ELECTION.contains(claim));
        }
        broken
    }
}

/// Runs until a claim breaks or the choices are used up; the claims and the story, if any broke.
pub(crate) fn run(limits: &Limits, taste: u32, choices: &[u32]) -> Result<Run, String> {
    let mut run = Run::new(limits.clone(), taste);
    for (step, choice) in choices.iter().enumerate() {
        run.step(*choice);
        let broken = run.broken();
        if !broken.is_empty() {
            return Err(format!("{broken:?} at step {step}\n{}", story(limits, taste, &choices[..=step])));
        }
    }
    Ok(run)
}

/// The same run with all that happened in it.
fn story(limits: &Limits, taste: u32, choices: &[u32]) -> String {
    let mut run = Run::new(limits.clone(), taste);
    run.world.transcript = Some(Vec::new());
    for choice in choices {
        run.step(*choice);
    }
    let lines = run.world.transcript.take().unwrap_or_default();
    format!("{}\n{}", lines.join("\n"), tell::status(&run.world))
}

fn choices() -> impl Strategy<Value = (u32, Vec<u32>)> {
    (any::<u32>(), proptest::collection::vec(any::<u32>(), 1..160))
}

fn holds(limits: &Limits, (taste, choices): &(u32, Vec<u32>)) -> Result<(), TestCaseError> {
    run(limits, *taste, choices).map(|_| ()).map_err(TestCaseError::fail)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: std::env::var("CASES").map_or(2000,|c|c.parse().unwrap()), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn clean_elections_of_three_replicas_keep_every_claim(choices in choices()) {
        holds(&Limits::new(3, 2, Rules::default()), &choices)?;
    }

    #[test]
    fn clean_elections_with_a_minimum_of_one_keep_every_claim(choices in choices()) {
        holds(&Limits::new(3, 1, Rules::default()), &choices)?;
    }

    #[test]
    fn clean_elections_of_two_replicas_keep_every_claim(choices in choices()) {
        holds(&Limits::new(2, 2, Rules::default()), &choices)?;
    }

    #[test]
    fn time_and_the_wait_for_joining_keep_every_claim(choices in choices()) {
        let mut limits = Limits::new(3, 2, Rules::default());
        limits.timed = true;
        limits.settings.wait_for_joining = true;
        limits.settings.answer_max = 3;
        holds(&limits, &choices)?;
    }

    #[test]
    fn replicas_converge_once_nothing_fails((taste, choices) in choices(), timed in any::<bool>(), waits in any::<bool>(), retention in any::<bool>()) {
        let mut limits = Limits { timed, retention, ..Limits::new(3, 2, Rules::default()) };
        limits.settings.wait_for_joining = waits;
        let mut run = run(&limits, taste, &choices).map_err(TestCaseError::fail)?;
        let before = tell::status(&run.world);
        run.calm_down();
        prop_assert_eq!(run.broken(), Vec::<&str>::new());
        prop_assert!(run.has_converged(), "{}\n\n{}", before, tell::status(&run.world));
    }

    #[test]
    fn retention_keeps_every_claim(choices in choices()) {
        let limits = Limits { retention: true, records: 8, ..Limits::new(3, 2, Rules::default()) };
        holds(&limits, &choices)?;
    }

    #[test]
    fn unclean_elections_with_retention_keep_logs_matching(choices in choices()) {
        let mut limits = Limits { retention: true, records: 8, ..Limits::new(3, 1, Rules::default()) };
        limits.unclean_elections = true;
        holds(&limits, &choices)?;
    }

    #[test]
    fn unclean_elections_keep_logs_matching(choices in choices()) {
        let limits = Limits { unclean_elections: true, ..Limits::new(3, 1, Rules::default()) };
        holds(&limits, &choices)?;
    }
}
