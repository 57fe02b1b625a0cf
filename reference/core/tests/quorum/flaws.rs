//! Each flaw breaks a claim: what the claims are for. With the feature `flaws` only.

use highwater_core::NodeId;
use highwater_core::quorum::{FLAWS, FetchCorrelation, LeaderFlush, RoleName, Rules};

use crate::random;
use crate::script::play;
use crate::single;

/// The flaws that random schedules find, each with the claims that may be seen broken first.
const FOUND_AT_RANDOM: &[(&str, &[&str])] = &[
    ("A01", &["leader-completeness", "committed-durable", "state-machine-safety"]),
    ("A02", &["leader-completeness", "committed-durable", "state-machine-safety"]),
    ("A03", &["election-safety"]),
    ("A06", &["leader-completeness", "committed-durable", "state-machine-safety"]),
    ("A07", &["leader-completeness", "committed-durable", "state-machine-safety"]),
    ("A08", &["election-safety"]),
    ("A11", &["election-safety"]),
    ("A14", &["committed-durable", "leader-completeness", "state-machine-safety"]),
    ("A15", &["committed-durable", "state-machine-safety"]),
    ("A17", &["state-machine-safety"]),
    ("A20", &["committed-durable", "leader-completeness", "state-machine-safety"]),
    ("A23", &["log-matching", "committed-durable", "state-machine-safety"]),
    ("A24", &["election-safety"]),
    ("A30", &["leader-completeness", "election-safety", "state-machine-safety"]),
    ("A43", &["leader-is-voter"]),
    ("E02", &["high-watermark-monotone"]),
    ("E03", &["committed-durable", "leader-completeness", "state-machine-safety"]),
    ("E04", &["log-matching", "committed-durable", "state-machine-safety"]),
    ("E05", &["committed-durable", "state-machine-safety", "log-matching"]),
    ("E06", &["committed-durable", "state-machine-safety", "log-matching"]),
    ("E07", &["election-safety"]),
    ("E40", &["election-safety"]),
    ("E41", &["committed-durable"]),
    ("E45", &["committed-durable"]),
];

/// The flaws that take a schedule of their own: a test each, below.
const FOUND_BY_SCRIPT: &[&str] = &["A35", "A36", "E08", "E09", "E42", "E44", "E46"];

fn rules(id: &str) -> Rules {
    let mut rules = Rules::default();
    let flaw = FLAWS.iter().find(|flaw| flaw.id == id).expect("a flaw of the catalogue");
    (flaw.change)(&mut rules);
    rules
}

#[test]
fn every_flaw_is_tried() {
    let tried = FOUND_AT_RANDOM.iter().map(|(id, _)| id).chain(FOUND_BY_SCRIPT);
    let mut tried: Vec<&str> = tried.copied().collect();
    tried.sort_unstable();
    let all: Vec<&str> = FLAWS.iter().map(|flaw| flaw.id).collect();
    assert_eq!(tried, all);
}

#[test]
fn flaws_found_by_random_schedules() {
    for (id, claims) in FOUND_AT_RANDOM {
        let observers = i32::from(*id == "A43");
        let found =
            (0..3000).find_map(|seed| random::wander(rules(id), seed, 3, observers, 3000, true).err());
        let Some((step, violation)) = found else { panic!("{id}: nothing found") };
        assert!(claims.iter().any(|claim| violation.starts_with(claim)), "{id}: step {step}: {violation}");
    }
}

#[test]
fn controls_break_no_claim() {
    let controls: [fn(&mut Rules); 3] = [
        |rules| rules.fetch_request_fence = false,
        |rules| rules.fetch_correlation = FetchCorrelation::Position,
        |rules| rules.leader_flush = LeaderFlush::BeforeServing,
    ];
    for (index, change) in controls.into_iter().enumerate() {
        let mut rules = Rules::default();
        change(&mut rules);
        for seed in 0..100 {
            if let Err((step, violation)) = random::wander(rules, seed, 3, 0, 2000, true) {
                panic!("control {index}, seed {seed}, step {step}: {violation}");
            }
        }
    }
}

/// E09: n3 wins a vote for a record that a crash takes from it before the vote arrives.
const CAMPAIGN_UNFLUSHED: &str = "
cluster voters=3
slow n3
campaign n1
settle
campaign n3
---

deliver n3 n1 Vote
crash n3
start n3
deliver n1 n3 Voted
---
";

#[test]
fn candidate_not_flushed_breaks_leader_completeness() {
    let broken = play(rules("E09"), CAMPAIGN_UNFLUSHED).unwrap_err();
    assert!(broken.contains("leader-completeness"), "{broken}");
    let kept = play(Rules::default(), CAMPAIGN_UNFLUSHED).unwrap_err();
    assert!(kept.contains("nothing like that is in flight"), "{kept}");
}

/// A35, E08: n3 is up and has voted, and hears of no leader, as what it is told first is lost.
const ANNOUNCEMENT_LOST: &str = "
cluster voters=3 timed=true
campaign n1
deliver n1 _ Vote
deliver _ n1 Voted
isolate n3
settle
heal n3
run 10000
---
";

#[test]
fn announcement_not_repeated_deposes_leader() {
    let epoch = |rules| {
        let world = play(rules, ANNOUNCEMENT_LOST).expect("no claim of safety is broken");
        world.core(NodeId(1)).expect("it is up").epoch()
    };
    assert_eq!(epoch(Rules::default()), 1);
    assert!(epoch(rules("A35")) > 1);
    assert!(epoch(rules("E08")) > 1);
}

/// A36: a leader that is cut off.
const LEADER_CUT_OFF: &str = "
cluster voters=3 timed=true pre-vote=true
isolate n1
isolate n2
run 100
heal n1
heal n2
run 3000
isolate n3
run 20000
---
";

#[test]
fn check_quorum_absent_leads_for_ever() {
    let role = |rules| {
        let world = play(rules, LEADER_CUT_OFF).expect("no claim of safety is broken");
        world.core(NodeId(3)).expect("it is up").role()
    };
    assert_eq!(role(rules("A36")), RoleName::Leader);
    assert_ne!(role(Rules::default()), RoleName::Leader);
}

#[test]
fn later_batches_taken_put_log_ahead_of_epoch() {
    assert_eq!(single::after_batches_of_two_epochs(rules("E42")), (6, 3));
}

/// E44: n2 hears of epoch 2 from a candidate for which it does not vote.
const EPOCH_HEARD_OF: &str = "
cluster voters=3
campaign n1
settle
ask n2 n3 epoch=2 end=0@0
crash n2
start n2
---
";

#[test]
fn epoch_not_saved_goes_back_with_restart() {
    let epoch = |rules| {
        let world = play(rules, EPOCH_HEARD_OF).expect("no claim of safety is broken");
        world.core(NodeId(2)).expect("it is up").epoch()
    };
    assert_eq!(epoch(Rules::default()), 2);
    assert_eq!(epoch(rules("E44")), 1);
}

/// E46: n1 has resigned before it hears of a campaign. n3 is the successor that asks first.
const LEADER_OF_FIVE_RESIGNS: &str = "
cluster voters=5 pre-vote=true
campaign n1
settle
resign n1
deliver n1 _ EndQuorumEpoch
campaign n3
deliver n3 _ PreVote
deliver _ n3 PreVoted
---
";

#[test]
fn resigned_leader_that_shields_costs_its_successor_a_round() {
    let epoch = |rules| {
        let world = play(rules, LEADER_OF_FIVE_RESIGNS).expect("no claim of safety is broken");
        world.core(NodeId(3)).expect("it is up").epoch()
    };
    assert_eq!(epoch(Rules::default()), 2, "it has the promises, and campaigns");
    assert_eq!(epoch(rules("E46")), 1);
}
