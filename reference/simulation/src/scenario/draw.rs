//! Worlds and their faults, drawn from a seed.
//!
//! Each seed switches a random part of the faults on, at random intensity (swarm testing): a world where everything breaks all
//! the time tests little but that nothing works.

use highwater_core::Dice;
use serde::{Deserialize, Serialize};

use super::Wishes;
use super::happening::{Fault, Happening, MischiefKind, Operation, Tail, What};
use super::shape::{Disk, Limits, Network, NodeSetup, Rates, Shape, Timing, Topics, plenty};
use crate::chance::{Draw, Purpose, dice, keyed};

/// The kind of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// A whole cluster under any faults.
    Mixed,
    /// The metadata quorum under short cuts, loss and restarts around its elections.
    Elections,
    /// Partitions whose leaders move, stop, stall and come back.
    Replicas,
    /// One partition whose leader changes all the time, under short sessions and late messages.
    Leaders,
    /// As leaders, but whoever lives may lead: loss is legal, logs still have to match.
    Unclean,
    /// A partition of few replicas whose brokers crash with their tails one at a time.
    Tails,
    /// One partition whose followers' fetches and whose leaders' wishes for another ISR come late: by elections, or by a broker's whole
    /// session and its next registration.
    Stale,
    /// One or two partitions whose leaders change, under idempotent producers that send again what is not acknowledged.
    Retries,
    /// Everything may break, disks too; loss is legal.
    Lossy,
}

impl Profile {
    /// All of them.
    pub const ALL: [Profile; 9] = [
        Profile::Mixed,
        Profile::Elections,
        Profile::Replicas,
        Profile::Leaders,
        Profile::Unclean,
        Profile::Tails,
        Profile::Stale,
        Profile::Retries,
        Profile::Lossy,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Mixed => "mixed",
            Profile::Elections => "elections",
            Profile::Replicas => "replicas",
            Profile::Leaders => "leaders",
            Profile::Unclean => "unclean",
            Profile::Tails => "tails",
            Profile::Stale => "stale",
            Profile::Retries => "retries",
            Profile::Lossy => "lossy",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// What it is like, in a line.
    pub fn summary(self) -> &'static str {
        match self {
            Profile::Mixed => "A whole cluster under any faults",
            Profile::Elections => {
                "The metadata quorum under short cuts, loss and restarts around its elections"
            }
            Profile::Replicas => "Partitions whose leaders move, stop, stall and come back",
            Profile::Leaders => "One partition whose leader changes all the time",
            Profile::Unclean => "As leaders, but whoever lives may lead; loss is legal",
            Profile::Tails => "Few replicas whose brokers crash with their tails one at a time",
            Profile::Stale => {
                "Fetches of followers and changes of the ISR that are late by elections and sessions"
            }
            Profile::Retries => {
                "Leaders that change, under idempotent producers that send again what is not acknowledged"
            }
            Profile::Lossy => "Everything may break, disks too; loss is legal",
        }
    }
}

/// Steps under faults, unless said otherwise.
const STEPS: u64 = 2_000;
/// Virtual time that a healed cluster has to converge and serve.
const SETTLE_US: u64 = 30_000_000;

/// The world of a seed.
pub(super) fn shape(seed: u64, wishes: &Wishes) -> Shape {
    let mut dice = dice(seed, Purpose::Shape);
    let drawn = match dice.below(100) {
        0..36 => Profile::Mixed,
        36..40 => Profile::Stale,
        40..55 => Profile::Elections,
        55..67 => Profile::Replicas,
        67..77 => Profile::Leaders,
        77..82 => Profile::Unclean,
        82..92 => Profile::Tails,
        92..97 => Profile::Lossy,
        _ => Profile::Retries,
    };
    let profile = wishes.profile.unwrap_or(drawn);
    let nodes = nodes(&mut dice, profile, wishes.nodes);
    let brokers = nodes.iter().filter(|node| node.broker).count() as u64;
    let topics = topics(&mut dice, profile, brokers);
    // A network or disk that is slower than the timeouts leaves nothing to converge.
    let slow = !matches!(profile, Profile::Elections | Profile::Stale) && dice.permille(200);
    let timing = timing(&mut dice, profile, slow);
    Shape {
        profile: profile.name().to_owned(),
        nodes,
        timing,
        topics,
        network: Network { delay_us_min: 100, delay_us_max: if slow { 15_000 } else { 2_000 } },
        disk: Disk { flush_us_min: 100, flush_us_max: if slow { 20_000 } else { 2_000 } },
        limits: Limits {
            steps: wishes.steps.unwrap_or(if wishes.time_us.is_some() { u64::MAX } else { STEPS }),
            time_us: wishes.time_us,
            settle_us: SETTLE_US,
        },
        loss_is_legal: matches!(profile, Profile::Lossy | Profile::Unclean),
        rates: rates(&mut dice, profile),
    }
}

fn nodes(dice: &mut Dice, profile: Profile, count: Option<u8>) -> Vec<NodeSetup> {
    let drawn = match profile {
        Profile::Elections => 3,
        Profile::Stale => 4,
        Profile::Tails | Profile::Replicas | Profile::Leaders | Profile::Unclean | Profile::Retries => {
            dice.between(3, 4)
        }
        Profile::Mixed | Profile::Lossy => dice.between(3, 5),
    };
    let count = count.map_or(drawn, u64::from);
    // A leader that is the controller asks itself, and nothing of that is late.
    let alone = profile == Profile::Stale;
    let apart = alone || count > 3 && dice.permille(500);
    let five_voters = dice.permille(250);
    let voters = match count {
        0..3 => count,
        _ if alone => 1,
        5 if five_voters && !apart => 5,
        _ => 3,
    };
    let skewed = dice.permille(500);
    (1..=count)
        .map(|id| NodeSetup {
            id: id as i32,
            controller: id <= voters,
            broker: !apart || id > voters || count <= voters,
            clock_offset_us: if skewed { dice.below(1_000_000) } else { 0 },
            clock_drift_ppm: if skewed { dice.below(100_001) as i32 - 50_000 } else { 0 },
        })
        .collect()
}

fn topics(dice: &mut Dice, profile: Profile, brokers: u64) -> Topics {
    let replicas = brokers.min(match profile {
        Profile::Tails => dice.between(2, 3),
        Profile::Replicas | Profile::Leaders | Profile::Stale | Profile::Retries => 3,
        Profile::Unclean => dice.between(2, 3),
        _ => dice.between(1, 3),
    });
    let min_isr = match replicas {
        0 | 1 => 1,
        2 if profile == Profile::Tails => 2,
        _ if matches!(profile, Profile::Stale | Profile::Retries) => 2,
        replicas => dice.between(1, replicas.min(2)),
    };
    Topics {
        count: match profile {
            Profile::Leaders | Profile::Unclean | Profile::Stale => 1,
            _ => dice.between(1, 2) as u32,
        },
        partitions: match profile {
            Profile::Mixed | Profile::Lossy => dice.between(1, 3) as u32,
            _ => 1,
        },
        replication_factor: replicas as i16,
        min_insync_replicas: min_isr as usize,
        unclean: profile == Profile::Unclean || profile == Profile::Lossy && dice.permille(600),
        eligible_leader_replicas: matches!(profile, Profile::Tails | Profile::Stale | Profile::Retries)
            || profile != Profile::Unclean && dice.permille(700),
        flush_every: if dice.permille(300) { Some(dice.between(1, 10)) } else { None },
    }
}

fn timing(dice: &mut Dice, profile: Profile, slow: bool) -> Timing {
    let hasty = profile == Profile::Elections;
    let quorum =
        if hasty { dice.between(20, 60) } else { dice.between(80, 300) } + if slow { 200 } else { 0 };
    // Short sessions make leaders change often.
    let brief = !slow
        && (matches!(profile, Profile::Leaders | Profile::Unclean | Profile::Stale | Profile::Retries)
            || profile == Profile::Tails && dice.permille(500));
    let session =
        if brief { dice.between(60, 160) } else { dice.between(200, 900) } + if slow { 600 } else { 0 };
    let lag = if brief { dice.between(30, 120) } else { dice.between(60, 500) } + if slow { 200 } else { 0 };
    // What is late must not be given up before it is too late.
    let patience = if profile == Profile::Stale { session * dice.between(1, 4) } else { 0 };
    Timing {
        quorum_election_timeout: quorum,
        quorum_fetch_timeout: quorum * dice.between(1, 2),
        quorum_election_backoff_max: quorum,
        quorum_request_timeout: quorum,
        quorum_retry_backoff: dice.between(2, 20),
        quorum_fetch_wait_max: quorum / 3,
        quorum_pre_vote: !hasty && dice.permille(700),
        broker_session_timeout: session,
        broker_heartbeat_interval: session / 5,
        controller_request_timeout: (session / 2).max(60) + patience,
        controlled_shutdown_timeout: dice.between(200, 2_000),
        replica_lag_time_max: lag,
        replica_fetch_wait_max: dice.between(10, 50),
        replica_fetch_backoff: dice.between(2, 30),
        replica_socket_timeout: dice.between(80, 200) + if slow { 100 } else { patience },
        high_watermark_checkpoint_interval: dice.between(50, 1_000),
        client_timeout: dice.between(100, 1_000),
        metadata_snapshot_bytes: if dice.permille(300) { dice.between(400, 4_000) } else { 20 << 20 },
        // Who gets the log batch by batch has an old epoch's records before it has the leader's own.
        quorum_fetch_max_bytes: if hasty && dice.permille(700) {
            dice.between(1, 400) as u32
        } else {
            plenty()
        },
    }
}

/// Something in so many of a thousand worlds, and how much of it.
fn on(dice: &mut Dice, permille: u32, low: u64, high: u64) -> u64 {
    let drawn = dice.between(low, high);
    if dice.permille(permille) { drawn } else { 0 }
}

fn rates(dice: &mut Dice, profile: Profile) -> Rates {
    if profile == Profile::Stale {
        return stale(dice);
    }
    let mut on = |permille: u32, low: u64, high: u64| on(dice, permille, low, high);
    match profile {
        Profile::Elections => Rates {
            lost_permille: on(800, 10, 250) as u32,
            broken_permille: on(300, 5, 50) as u32,
            twice_permille: on(500, 5, 100) as u32,
            late_permille: on(700, 10, 200) as u32,
            late_ms_max: on(1000, 20, 400),
            cut_every_ms: on(900, 20, 200),
            one_way_cut_every_ms: on(700, 20, 200),
            cut_ms_max: on(1000, 30, 300),
            crash_every_ms: on(600, 100, 600),
            power_loss_every_ms: on(700, 100, 600),
            wipe_every_ms: on(150, 1_000, 3_000),
            down_ms_max: on(1000, 10, 200),
            pause_every_ms: on(300, 100, 500),
            pause_ms_max: on(1000, 20, 200),
            clients: 1,
            produce_every_ms: on(1000, 50, 200),
            elect_every_ms: on(500, 100, 500),
            configure_every_ms: on(700, 20, 200),
            ..Rates::default()
        },
        Profile::Replicas => Rates {
            lost_permille: on(500, 5, 100) as u32,
            broken_permille: on(300, 5, 30) as u32,
            twice_permille: on(300, 5, 50) as u32,
            late_permille: on(700, 10, 150) as u32,
            late_ms_max: on(1000, 20, 600),
            cut_every_ms: on(700, 100, 800),
            one_way_cut_every_ms: on(700, 100, 800),
            cut_ms_max: on(1000, 50, 1_200),
            crash_every_ms: on(500, 300, 1_500),
            pause_every_ms: on(600, 200, 1_000),
            pause_ms_max: on(1000, 50, 1_200),
            shut_down_every_ms: on(300, 300, 2_000),
            down_ms_max: on(1000, 20, 600),
            clients: on(1000, 2, 4) as u32,
            produce_every_ms: on(1000, 3, 30),
            weak_acks_permille: 430,
            consume_every_ms: on(1000, 20, 100),
            elect_every_ms: on(700, 50, 300),
            ..Rates::default()
        },
        Profile::Leaders | Profile::Unclean => Rates {
            lost_permille: on(500, 5, 100) as u32,
            late_permille: on(900, 20, 250) as u32,
            late_ms_max: on(1000, 20, 600),
            cut_every_ms: on(700, 30, 300),
            one_way_cut_every_ms: on(700, 30, 300),
            cut_ms_max: on(1000, 60, 500),
            crash_every_ms: on(300, 300, 1_500),
            down_ms_max: on(1000, 20, 200),
            pause_every_ms: on(700, 50, 400),
            pause_ms_max: on(1000, 60, 500),
            clients: on(1000, 2, 4) as u32,
            produce_every_ms: on(1000, 3, 20),
            weak_acks_permille: on(1000, 100, 900) as u32,
            consume_every_ms: on(1000, 30, 100),
            elect_every_ms: on(800, 20, 150),
            ..Rates::default()
        },
        Profile::Tails => Rates {
            lost_permille: on(300, 5, 50) as u32,
            late_permille: on(600, 10, 200) as u32,
            late_ms_max: on(1000, 20, 1_000),
            cut_every_ms: on(500, 50, 800),
            one_way_cut_every_ms: on(300, 50, 800),
            cut_ms_max: on(1000, 50, 1_200),
            crash_every_ms: on(400, 200, 1_500),
            power_loss_every_ms: on(900, 150, 1_000),
            shut_down_every_ms: on(500, 300, 2_000),
            pause_every_ms: on(300, 200, 1_000),
            pause_ms_max: on(1000, 50, 1_200),
            wipe_every_ms: on(300, 500, 3_000),
            down_ms_max: on(1000, 20, 1_200),
            clients: on(1000, 1, 3) as u32,
            produce_every_ms: on(1000, 5, 40),
            weak_acks_permille: 430,
            consume_every_ms: on(1000, 20, 100),
            elect_every_ms: on(300, 100, 500),
            ..Rates::default()
        },
        Profile::Retries => Rates {
            lost_permille: on(500, 5, 100) as u32,
            broken_permille: on(300, 5, 50) as u32,
            late_permille: on(700, 10, 200) as u32,
            late_ms_max: on(1000, 20, 600),
            cut_every_ms: on(600, 50, 500),
            one_way_cut_every_ms: on(600, 50, 500),
            cut_ms_max: on(1000, 60, 500),
            crash_every_ms: on(700, 100, 1_000),
            power_loss_every_ms: on(250, 300, 1_500),
            shut_down_every_ms: on(400, 200, 1_500),
            down_ms_max: on(1000, 20, 400),
            pause_every_ms: on(500, 50, 400),
            pause_ms_max: on(1000, 60, 500),
            clients: on(1000, 2, 4) as u32,
            idempotent_clients: on(1000, 1, 4) as u32,
            copies_permille: on(900, 50, 500) as u32,
            copies_ms_max: on(1000, 1, 1_500),
            produce_every_ms: on(1000, 3, 20),
            weak_acks_permille: on(500, 50, 300) as u32,
            consume_every_ms: on(1000, 30, 100),
            elect_every_ms: on(800, 20, 150),
            ..Rates::default()
        },
        Profile::Mixed | Profile::Lossy | Profile::Stale => Rates {
            lost_permille: on(500, 2, 100) as u32,
            broken_permille: on(500, 2, 30) as u32,
            twice_permille: on(500, 2, 60) as u32,
            late_permille: on(500, 5, 100) as u32,
            late_ms_max: on(1000, 10, 800),
            cut_every_ms: on(500, 200, 2_000),
            one_way_cut_every_ms: on(500, 200, 2_000),
            cut_ms_max: on(1000, 50, 2_000),
            crash_every_ms: on(500, 300, 3_000),
            power_loss_every_ms: on(500, 300, 3_000),
            shut_down_every_ms: on(300, 500, 3_000),
            down_ms_max: on(1000, 20, 2_000),
            pause_every_ms: on(400, 300, 3_000),
            pause_ms_max: on(1000, 50, 1_500),
            jump_every_ms: on(200, 500, 3_000),
            jump_ms_max: on(1000, 10, 1_000),
            disk_full_every_ms: on(200, 1_000, 5_000),
            flush_fails_every_ms: on(200, 1_000, 5_000),
            read_fails_every_ms: on(150, 1_000, 5_000),
            wipe_every_ms: on(if profile == Profile::Lossy { 300 } else { 100 }, 1_000, 6_000),
            clients: on(1000, 1, 4) as u32,
            produce_every_ms: on(1000, 3, 60),
            weak_acks_permille: 430,
            consume_every_ms: on(1000, 10, 150),
            create_topic_every_ms: on(300, 500, 3_000),
            delete_topic_every_ms: on(200, 1_000, 4_000),
            grow_topic_every_ms: on(200, 1_000, 4_000),
            elect_every_ms: on(500, 100, 1_500),
            unclean_every_ms: if profile == Profile::Lossy { on(500, 200, 1_500) } else { 0 },
            configure_every_ms: on(300, 300, 2_000),
            ..Rates::default()
        },
    }
}

/// Either leaders change while fetches are late by elections, or brokers come and go while a wish for another ISR is late by a session.
fn stale(dice: &mut Dice) -> Rates {
    let fetches = dice.permille(600);
    let mut on = |permille: u32, low: u64, high: u64| on(dice, permille, low, high);
    let common = Rates {
        lost_permille: on(300, 2, 50) as u32,
        late_fetch_permille: on(1000, 50, 500) as u32,
        late_fetch_ms_max: on(1000, 50, 800),
        cut_every_ms: on(400, 50, 500),
        one_way_cut_every_ms: on(300, 50, 500),
        cut_ms_max: on(1000, 60, 400),
        pause_every_ms: on(300, 50, 500),
        pause_ms_max: on(1000, 60, 400),
        down_ms_max: on(1000, 5, 100),
        clients: on(1000, 1, 3) as u32,
        produce_every_ms: on(1000, 5, 60),
        weak_acks_permille: on(1000, 100, 900) as u32,
        consume_every_ms: on(500, 50, 200),
        ..Rates::default()
    };
    if fetches {
        Rates {
            shut_down_every_ms: on(800, 50, 500),
            crash_every_ms: on(400, 100, 800),
            elect_every_ms: on(900, 20, 100),
            ..common
        }
    } else {
        Rates {
            late_alter_permille: on(1000, 200, 900) as u32,
            late_alter_ms_max: on(1000, 100, 1_000),
            wipe_every_ms: on(800, 100, 800),
            power_loss_every_ms: on(600, 100, 800),
            crash_every_ms: on(400, 100, 800),
            shut_down_every_ms: on(400, 50, 500),
            elect_every_ms: on(500, 20, 150),
            ..common
        }
    }
}

/// What a message is about, as far as it matters to what it may meet with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A follower asks its leader for records.
    Fetch,
    /// A leader asks the controller for another ISR.
    Alter,
    /// Anything else.
    Other,
}

/// What a message meets with, if anything: what any may, or what those about its subject do.
pub(crate) fn draw_mischief(dice: &mut Dice, rates: &Rates, subject: Subject) -> Option<MischiefKind> {
    draw_any(dice, rates).or_else(|| {
        let (permille, ms_max) = match subject {
            Subject::Fetch => (rates.late_fetch_permille, rates.late_fetch_ms_max),
            Subject::Alter => (rates.late_alter_permille, rates.late_alter_ms_max),
            Subject::Other => return None,
        };
        dice.permille(permille).then(|| MischiefKind::Late { by_us: dice.below(ms_max.max(1) * 1000) })
    })
}

fn draw_any(dice: &mut Dice, rates: &Rates) -> Option<MischiefKind> {
    let total = rates.lost_permille + rates.broken_permille + rates.twice_permille + rates.late_permille;
    let mut at = dice.below(1000) as u32;
    if at >= total {
        return None;
    }
    let mut within = |rate: u32| {
        let hit = at < rate;
        at = at.saturating_sub(rate);
        hit
    };
    let late = rates.late_ms_max.max(1) * 1000;
    Some(if within(rates.lost_permille) {
        MischiefKind::Lost
    } else if within(rates.broken_permille) {
        MischiefKind::Broken
    } else if within(rates.twice_permille) {
        MischiefKind::Twice { later_us: dice.below(late) }
    } else {
        MischiefKind::Late { by_us: dice.below(late) }
    })
}

/// Faults and operations without end, by time, as the shape's rates say. Each kind has dice of its own.
#[derive(Debug)]
pub(crate) struct Drawing {
    streams: Vec<Stream>,
    nodes: Vec<i32>,
    brokers: Vec<i32>,
    rates: Rates,
}

#[derive(Debug)]
struct Stream {
    kind: Kind,
    every_us: u64,
    next_us: u64,
    dice: Dice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Cut,
    OneWayCut,
    Crash,
    PowerLoss,
    ShutDown,
    Pause,
    Jump,
    DiskFull,
    FlushFails,
    ReadFails,
    Wipe,
    Produce(u32),
    Consume(u32),
    CreateTopic,
    DeleteTopic,
    GrowTopic,
    Elect,
    Unclean,
    Configure,
}

/// How many things a client may name: any number is taken modulo what there is.
const NAMES: u64 = 1 << 16;

impl Drawing {
    pub(crate) fn new(seed: u64, shape: &Shape) -> Self {
        let rates = shape.rates.clone();
        let mut kinds = vec![
            (Kind::Cut, rates.cut_every_ms),
            (Kind::OneWayCut, rates.one_way_cut_every_ms),
            (Kind::Crash, rates.crash_every_ms),
            (Kind::PowerLoss, rates.power_loss_every_ms),
            (Kind::ShutDown, rates.shut_down_every_ms),
            (Kind::Pause, rates.pause_every_ms),
            (Kind::Jump, rates.jump_every_ms),
            (Kind::DiskFull, rates.disk_full_every_ms),
            (Kind::FlushFails, rates.flush_fails_every_ms),
            (Kind::ReadFails, rates.read_fails_every_ms),
            (Kind::Wipe, rates.wipe_every_ms),
            (Kind::CreateTopic, rates.create_topic_every_ms),
            (Kind::DeleteTopic, rates.delete_topic_every_ms),
            (Kind::GrowTopic, rates.grow_topic_every_ms),
            (Kind::Elect, rates.elect_every_ms),
            (Kind::Unclean, rates.unclean_every_ms),
            (Kind::Configure, rates.configure_every_ms),
        ];
        for client in 0..rates.clients {
            kinds.push((Kind::Produce(client), rates.produce_every_ms));
            kinds.push((Kind::Consume(client), rates.consume_every_ms));
        }
        let streams = kinds
            .into_iter()
            .enumerate()
            .filter(|(_, (_, every_ms))| *every_ms > 0)
            .map(|(index, (kind, every_ms))| {
                let dice = keyed(seed, Purpose::Faults, index as u64, 0);
                let mut stream = Stream { kind, every_us: every_ms * 1000, next_us: 0, dice };
                stream.advance();
                stream
            })
            .collect();
        let nodes: Vec<i32> = shape.nodes.iter().map(|node| node.id).collect();
        Self { streams, nodes, brokers: shape.brokers().collect(), rates }
    }

    fn what(&self, kind: Kind, dice: &mut Dice) -> What {
        let rates = &self.rates;
        let node = *dice.one_of(&self.nodes);
        let broker = if self.brokers.is_empty() { node } else { *dice.one_of(&self.brokers) };
        let down_us = dice.below(rates.down_ms_max.max(1) * 1000);
        let name = |dice: &mut Dice| dice.below(NAMES) as u32;
        let operation = |client: u32, wants: Operation| What::Operation { client, wants };
        What::Fault(match kind {
            Kind::Cut | Kind::OneWayCut => {
                let (from, to) = self.sides(dice);
                let for_us = dice.below(rates.cut_ms_max.max(1) * 1000);
                Fault::Cut { from, to, both_ways: kind == Kind::Cut, for_us }
            }
            Kind::Crash => Fault::Crash { node, tail: Tail::Kept, down_us },
            Kind::PowerLoss => Fault::Crash { node, tail: Tail::Lost, down_us },
            Kind::ShutDown => Fault::ShutDown { node, down_us },
            Kind::Pause => Fault::Pause { node, for_us: dice.below(rates.pause_ms_max.max(1) * 1000) },
            Kind::Jump => Fault::Jump { node, by_us: dice.below(rates.jump_ms_max.max(1) * 1000) },
            Kind::DiskFull => Fault::DiskFull { node: broker, for_us: down_us },
            Kind::FlushFails => Fault::FlushFails { node, down_us },
            Kind::ReadFails => Fault::ReadFails { node, down_us },
            Kind::Wipe => Fault::Wipe { node, down_us },
            Kind::Produce(client) => {
                let weak = dice.permille(rates.weak_acks_permille);
                let acks = if !weak { -1 } else { *dice.one_of(&[1, 1, 0]) };
                let partition = name(dice);
                return operation(
                    client,
                    Operation::Produce { partition, acks, records: dice.between(1, 4) as u32 },
                );
            }
            Kind::Consume(client) => {
                let partition = name(dice);
                return operation(client, Operation::Consume { partition, from_start: dice.permille(100) });
            }
            Kind::CreateTopic => {
                return operation(
                    self.administrator(),
                    Operation::CreateTopic { partitions: dice.between(1, 2) as u32 },
                );
            }
            Kind::DeleteTopic => {
                return operation(self.administrator(), Operation::DeleteTopic { topic: name(dice) });
            }
            Kind::GrowTopic => {
                return operation(self.administrator(), Operation::GrowTopic { topic: name(dice) });
            }
            Kind::Elect | Kind::Unclean => {
                let wants = Operation::Elect { partition: name(dice), unclean: kind == Kind::Unclean };
                return operation(self.administrator(), wants);
            }
            Kind::Configure => {
                let topic = name(dice);
                let wants = Operation::Configure { topic, retention_ms: dice.between(1, 1 << 40) << 20 };
                return operation(self.administrator(), wants);
            }
        })
    }

    /// The client that does what is not about records: the one after all others.
    fn administrator(&self) -> u32 {
        self.rates.clients
    }

    /// Two sides of a cut. Mostly one node against all others; else any division.
    fn sides(&self, dice: &mut Dice) -> (Vec<i32>, Vec<i32>) {
        let chosen = *dice.one_of(&self.nodes);
        let alone = dice.permille(500);
        let pair = dice.permille(400);
        let other = *dice.one_of(&self.nodes);
        let mask = dice.roll();
        let inside = |index: usize, node: i32| {
            if alone || pair { node == chosen } else { node == chosen || mask >> index & 1 == 1 }
        };
        let mut from = Vec::new();
        let mut to = Vec::new();
        for (index, &node) in self.nodes.iter().enumerate() {
            if inside(index, node) {
                from.push(node);
            } else if alone || !pair || node == other {
                to.push(node);
            }
        }
        if mask >> 63 == 1 { (from, to) } else { (to, from) }
    }
}

impl Iterator for Drawing {
    type Item = Happening;

    fn next(&mut self) -> Option<Happening> {
        let (index, _) =
            self.streams.iter().enumerate().min_by_key(|(index, stream)| (stream.next_us, *index))?;
        let stream = &self.streams[index];
        let (at_us, kind, mut dice) = (stream.next_us, stream.kind, stream.dice);
        let what = self.what(kind, &mut dice);
        self.streams[index].dice = dice;
        self.streams[index].advance();
        Some(Happening { at_us, what })
    }
}

impl Stream {
    /// The time of the next one: between nothing and twice the mean after the last.
    fn advance(&mut self) {
        self.next_us += 1 + self.dice.below(self.every_us * 2);
    }
}
