//! What the controller model claims.

use crate::check::Claim;
use crate::coordination::{Link, Tie};

use super::state::{
    Broker, DEPOSED_ACTED, EPOCH_WENT_BACK, NOT_IN_ISR, Phase, REGISTERED, State, TWO_LEADERS, UNAWARE,
};
use super::{Bounds, ZkController};

/// Every claim; those about the time after faults have stopped only where they do stop.
pub(super) fn all(bounds: &Bounds) -> Vec<Claim<ZkController>> {
    let mut claims = vec![
        Claim::always(
            "controller-fence",
            "zk-controller/safety/1",
            "a deposed controller changes nothing in the tree once it has a successor, and nothing at a broker \
             that has heard from a successor",
            |_, state: &State| state.stain & DEPOSED_ACTED == 0,
        ),
        Claim::always(
            "controller-epoch-unique",
            "zk-controller/safety/2",
            "of two brokers that act as controller the later winner has the larger epoch, so that none is shared",
            |_, state: &State| {
                let offices = || state.brokers.iter().filter(|broker| broker.phase.believes());
                offices()
                    .all(|one| offices().all(|other| one.reign >= other.reign || one.epoch < other.epoch))
            },
        ),
        Claim::always(
            "controller-belief",
            "zk-controller/safety/3",
            "two brokers believe that they are the controller only if at most one still has the session of its win",
            |_, state: &State| state.brokers.iter().filter(|broker| governs_in_session(broker)).count() <= 1,
        ),
        Claim::always(
            "partition-leader-unique",
            "zk-controller/safety/4",
            "at most one broker ever accepts the leadership of a partition in a leader epoch",
            |_, state: &State| state.stain & TWO_LEADERS == 0,
        ),
        Claim::always(
            "leader-from-isr",
            "zk-controller/safety/5",
            "whoever is elected is in the ISR at that moment",
            |_, state: &State| state.stain & NOT_IN_ISR == 0,
        ),
        Claim::always(
            "leader-epoch-monotone",
            "zk-controller/safety/6",
            "the leader epoch of a partition never goes back",
            |_, state: &State| state.stain & EPOCH_WENT_BACK == 0,
        ),
        Claim::always(
            "ephemeral-session",
            "zk-controller/safety/7",
            "an ephemeral node implies a live session that owns it",
            |_, state: &State| {
                state.ids.iter().chain([&state.controller]).all(|node| match (node.client(), node.tie()) {
                    (None, _) | (Some(_), Tie::Former) => true,
                    (Some(broker), Tie::Present) => state.brokers[usize::from(broker)].link.live(),
                    (Some(_), Tie::Orphan) => false,
                })
            },
        ),
        Claim::always(
            "registration",
            "zk-controller/safety/8",
            "a broker that believes that it is registered, and whose session lives, owns its node by that session",
            |_, state: &State| {
                state.brokers.iter().zip(0u8..).all(|(broker, at)| {
                    let believes = broker.is(REGISTERED) && !broker.is(UNAWARE) && broker.link.live();
                    !believes || state.ids[usize::from(at)].is_of(at)
                })
            },
        ),
    ];
    claims.extend(witnesses(bounds));
    if bounds.stabilises() {
        claims.push(Claim::leads_to(
            "controller-eventually",
            "zk-controller/liveness/1",
            "once faults have stopped, with a broker alive, some broker is the controller",
            |model: &ZkController, state: &State| state.stabilised != 0 && model.alive(state),
            |model: &ZkController, state: &State| model.governed(state),
        ));
        claims.push(Claim::leads_to(
            "partition-led-eventually",
            "zk-controller/liveness/2",
            "once faults have stopped, every partition is led by a live broker, unless an ISR has no live member left",
            |_, state: &State| state.stabilised != 0,
            |model: &ZkController, state: &State| model.led(state) || !model.leadable(state),
        ));
    }
    claims
}

/// The witnesses that nothing above holds only because nothing happens. Each is claimed where the bounds allow it.
fn witnesses(bounds: &Bounds) -> Vec<Claim<ZkController>> {
    let (epochs, leader_epochs) = if bounds.stabilises() {
        (bounds.epochs.saturating_sub(1), bounds.leader_epochs.saturating_sub(4))
    } else {
        (bounds.epochs, bounds.leader_epochs)
    };
    let mut witnesses = Vec::new();
    if leader_epochs >= 1 && epochs >= 1 {
        witnesses.push(Claim::sometimes(
            "leads",
            "zk-controller/election/1",
            "a broker was told that it leads, and leads",
            |model: &ZkController, state: &State| model.led(state),
        ));
    }
    if leader_epochs >= 2 && bounds.brokers >= 2 && bounds.faults >= 1 {
        witnesses.push(Claim::sometimes(
            "leadership-moves",
            "zk-controller/election/1",
            "a broker leads a partition that another led before it",
            |_, state: &State| {
                state
                    .led
                    .iter()
                    .any(|led| led >> 2 & 3 != 0 && led >> 4 & 3 != 0 && led >> 2 & 3 != led >> 4 & 3)
            },
        ));
    }
    if epochs >= 2 && bounds.brokers >= 2 && bounds.faults >= 1 {
        witnesses.push(Claim::sometimes(
            "fails-over",
            "zk-controller/restore/1",
            "a second controller acts",
            |_, state: &State| {
                state.brokers.iter().any(|broker| broker.phase == Phase::ACTIVE && broker.reign == 2)
            },
        ));
        witnesses.push(Claim::sometimes(
            "zombie",
            "zk-controller/session/3",
            "two brokers act as the controller, one of them after its session was replaced",
            |_, state: &State| {
                let active = |broker: &&Broker| broker.phase == Phase::ACTIVE && broker.link == Link::UP;
                state.brokers.iter().filter(active).count() >= 2
            },
        ));
        if leader_epochs >= 1 && bounds.messages >= 1 {
            witnesses.push(Claim::sometimes(
                "stale-request",
                "zk-controller/fence/1",
                "a request is in flight that its receiver will refuse",
                |_, state: &State| {
                    state.requests.iter().filter_map(|request| request.unpack()).any(|request| {
                        request.controller_epoch < state.brokers[usize::from(request.to)].fence & 15
                    })
                },
            ));
        }
    }
    if bounds.shrinks >= 1 && leader_epochs >= 1 && bounds.brokers >= 2 {
        witnesses.push(Claim::sometimes(
            "version-conflict",
            "zk-controller/election/3",
            "a controller knows an older version of a partition than the tree has",
            |_, state: &State| {
                state
                    .brokers
                    .iter()
                    .filter(|broker| broker.phase == Phase::ACTIVE)
                    .any(|broker| broker.cache[0].unpack().version < state.partitions[0].unpack().version)
            },
        ));
    }
    witnesses
}

fn governs_in_session(broker: &Broker) -> bool {
    broker.phase.believes() && broker.link.live() && !broker.is(UNAWARE)
}

impl ZkController {
    /// Some broker's process is alive.
    pub(super) fn alive(&self, state: &State) -> bool {
        state.brokers.iter().any(|broker| broker.link != Link::DOWN)
    }

    /// Some broker acts as the controller, by a session that lives, with the epoch in the tree.
    pub(super) fn governed(&self, state: &State) -> bool {
        state.brokers.iter().any(|broker| {
            broker.phase == Phase::ACTIVE
                && broker.link == Link::UP
                && !broker.is(UNAWARE)
                && broker.epoch == state.epoch
        })
    }

    /// Every ISR has a member whose process is alive.
    pub(super) fn leadable(&self, state: &State) -> bool {
        state.partitions[..usize::from(self.bounds.partitions)].iter().all(|partition| {
            let isr = partition.unpack().isr;
            (0..self.bounds.brokers)
                .any(|broker| isr >> broker & 1 != 0 && state.brokers[usize::from(broker)].link != Link::DOWN)
        })
    }

    /// Every partition's leader is alive, and knows.
    pub(super) fn led(&self, state: &State) -> bool {
        (0..usize::from(self.bounds.partitions)).all(|slot| {
            let tree = state.partitions[slot].unpack();
            tree.leader != 0 && {
                let leader = &state.brokers[usize::from(tree.leader) - 1];
                let role = leader.role[slot].unpack();
                leader.link == Link::UP && role.leader == tree.leader && role.epoch == tree.epoch
            }
        })
    }
}
