//! The quorum core from outside.

use highwater_core::quorum::{Config, Effect, ElectionState, Quorum, ReplicaKey, RoleName, Rules, Timer};
use highwater_core::{Dice, Extent, Instant, LogView, NodeId, Uuid};

#[test]
fn single_voter_election_timeout_leads() {
    let me = ReplicaKey { id: NodeId(1), directory: Uuid(11) };
    let config = Config { pre_vote: false, ..Config::timeless(me, vec![me]) };
    let now = Instant(0);
    let (saved, log) = (ElectionState::default(), LogView::default());
    let mut quorum = Quorum::open(config, Rules::default(), saved, log, None, Dice::new(1), now).unwrap();

    quorum.expire(now, Timer::Election);

    assert_eq!(quorum.role(), RoleName::Leader);
    let effects: Vec<Effect> = std::iter::from_fn(|| quorum.poll()).collect();
    let voted = ElectionState { epoch: 1, leader: None, voted: Some(me) };
    let extent = Extent { epoch: 1, base: 0, end: 1 };
    assert_eq!(
        effects,
        [
            Effect::SaveElection(voted),
            Effect::SaveElection(ElectionState { leader: Some(me.id), ..voted }),
            Effect::AppendLeaderChange { extent, leader: me.id, voters: vec![me.id], granting: vec![me.id] },
            Effect::Flush { through: 1 },
        ]
    );
}
