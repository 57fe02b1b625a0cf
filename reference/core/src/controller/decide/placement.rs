//! Which brokers get the replicas of a new partition.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::controller::image::BrokerRegistration;
use crate::{Dice, NodeId};

/// Places partitions one after another in stripes over racks and, within racks, over brokers.
///
/// - The first replica is on a broker that is not fenced; others are on fenced ones only where a rack has no other left.
/// - No broker has two replicas of a partition; no rack has two while another has brokers left and none.
/// - A broker in controlled shutdown gets nothing.
pub(super) struct Placement {
    racks: Vec<Rack>,
    brokers: usize,
    first_rack: usize,
    placed: usize,
}

struct Rack {
    unfenced: Vec<NodeId>,
    fenced: Vec<NodeId>,
    first: usize,
}

impl Placement {
    pub(super) fn new(brokers: &BTreeMap<NodeId, BrokerRegistration>, dice: &mut Dice) -> Self {
        let mut racks: BTreeMap<Option<&String>, Rack> = BTreeMap::new();
        let usable = brokers.iter().filter(|(_, broker)| !broker.in_controlled_shutdown);
        for (&id, broker) in usable {
            let empty = || Rack { unfenced: Vec::new(), fenced: Vec::new(), first: 0 };
            let rack = racks.entry(broker.rack.as_ref()).or_insert_with(empty);
            if broker.fenced { rack.fenced.push(id) } else { rack.unfenced.push(id) }
        }
        let mut racks: Vec<Rack> = racks.into_values().collect();
        for rack in &mut racks {
            rack.first = below(dice, rack.unfenced.len());
        }
        let first_rack = below(dice, racks.len());
        let brokers = racks.iter().map(|rack| rack.unfenced.len() + rack.fenced.len()).sum();
        Self { racks, brokers, first_rack, placed: 0 }
    }

    /// The replicas of the next partition, the leader to be first; a sentence if there cannot be that many.
    pub(super) fn place(&mut self, replication_factor: usize) -> Result<Vec<NodeId>, String> {
        if replication_factor > self.brokers {
            return Err(format!(
                "{replication_factor} replicas need as many brokers, but only {} are registered and not shutting down",
                self.brokers
            ));
        }
        let racks = self.racks.len();
        let stripe = (0..racks).map(|at| (self.first_rack + self.placed + at) % racks);
        let Some(first) = stripe.clone().find(|&at| !self.racks[at].unfenced.is_empty()) else {
            return Err("all brokers are fenced or shutting down".into());
        };
        // The rack of the leader first, then the others in their order, over and over.
        let order: Vec<usize> = core::iter::once(first).chain(stripe.filter(|&at| at != first)).collect();
        let round = self.placed / racks;
        let unfenced: usize = self.racks.iter().map(|rack| rack.unfenced.len()).sum();
        let shift = self.placed / unfenced.max(1);
        let mut replicas = Vec::with_capacity(replication_factor);
        let mut turn = 0;
        while replicas.len() < replication_factor {
            let rack = &self.racks[order[turn % racks]];
            let start = round + if turn == 0 { 0 } else { shift };
            if let Some(id) = rack.next(start, &replicas) {
                replicas.push(id);
            }
            turn += 1;
        }
        self.placed += 1;
        Ok(replicas)
    }
}

impl Rack {
    /// The first broker from `start` on, in the rack's own order, that is not among `taken`.
    fn next(&self, start: usize, taken: &[NodeId]) -> Option<NodeId> {
        let from = |list: &[NodeId], first: usize| {
            let rotated = (0..list.len()).map(|at| list[(first + at) % list.len()]);
            rotated.into_iter().find(|id| !taken.contains(id))
        };
        from(&self.unfenced, self.first + start).or_else(|| from(&self.fenced, start))
    }
}

fn below(dice: &mut Dice, bound: usize) -> usize {
    if bound == 0 { 0 } else { dice.below(bound as u64) as usize }
}
