//! A perfect controller: one register, always consistent, with eligible leader replicas (KIP-966).

use highwater_core::NodeId;
use highwater_core::partition::{
    AlterPartition, AlterPartitionResult, LeaderRecovery, PartitionError, PartitionState,
};

use crate::world::Broker;

/// The controller's state, and all metadata that it ever gave out.
#[derive(Debug, Clone)]
pub(crate) struct Controller {
    pub(crate) state: PartitionState,
    pub(crate) brokers: Vec<Registration>,
    pub(crate) min_isr: usize,
    /// The metadata after each change, the newest last.
    pub(crate) published: Vec<Metadata>,
}

/// A broker as the controller knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Registration {
    pub(crate) id: NodeId,
    pub(crate) epoch: i64,
    pub(crate) fenced: bool,
}

/// What brokers learn at a time.
#[derive(Debug, Clone)]
pub(crate) struct Metadata {
    pub(crate) state: PartitionState,
    pub(crate) brokers: Vec<(NodeId, i64, bool)>,
}

impl Controller {
    /// The first of the replicas leads epoch 1 and all are in the ISR.
    pub(crate) fn new(replicas: usize, min_isr: usize) -> Self {
        let ids: Vec<NodeId> = (1..=replicas as i32).map(NodeId).collect();
        let state = PartitionState {
            replicas: ids.clone(),
            isr: ids.clone(),
            elr: Vec::new(),
            last_known_elr: Vec::new(),
            leader: ids.first().copied(),
            leader_epoch: 1,
            partition_epoch: 1,
            recovery: LeaderRecovery::Recovered,
        };
        let brokers = ids.into_iter().map(|id| Registration { id, epoch: 1, fenced: false }).collect();
        let mut controller = Self { state, brokers, min_isr, published: Vec::new() };
        controller.publish();
        controller
    }

    pub(crate) fn newest(&self) -> usize {
        self.published.len() - 1
    }

    pub(crate) fn broker(&self, id: NodeId) -> &Registration {
        &self.brokers[id.0 as usize - 1]
    }

    /// Whether a broker asks only for new members that may join by the metadata that it knows.
    pub(crate) fn is_eligible(&self, asker: &Broker, request: &AlterPartition) -> bool {
        let brokers = &self.published[asker.known].brokers;
        let may_join = |id: NodeId| brokers.iter().any(|(broker, _, may)| *broker == id && *may);
        let member = |id: NodeId| asker.core.as_ref().is_some_and(|core| core.isr().contains(&id));
        request.isr.iter().all(|(id, _)| member(*id) || may_join(*id))
    }

    fn broker_mut(&mut self, id: NodeId) -> &mut Registration {
        &mut self.brokers[id.0 as usize - 1]
    }

    fn publish(&mut self) {
        let brokers = self.brokers.iter().map(|broker| (broker.id, broker.epoch, !broker.fenced)).collect();
        self.published.push(Metadata { state: self.state.clone(), brokers });
    }

    fn set_isr(&mut self, isr: Vec<NodeId>, left: &[NodeId]) {
        let small = isr.len() < self.min_isr.min(self.state.replicas.len());
        if small {
            self.state.elr.extend(left);
        } else {
            self.state.elr.clear();
        }
        self.state.elr.retain(|id| !isr.contains(id));
        self.state.elr.sort_unstable();
        self.state.elr.dedup();
        self.state.isr = isr;
    }

    /// Whoever was eligible by another minimum is so no more.
    pub(crate) fn set_min_isr(&mut self, min_isr: usize) {
        self.min_isr = min_isr;
        self.state.elr.clear();
        self.state.partition_epoch += 1;
        self.publish();
    }

    /// Decides on an AlterPartition.
    pub(crate) fn alter(&mut self, request: &AlterPartition) -> AlterPartitionResult {
        let state = &self.state;
        if request.leader_epoch < state.leader_epoch {
            return Err(PartitionError::FencedLeaderEpoch);
        }
        if self.broker(request.leader).epoch != request.broker_epoch {
            return Err(PartitionError::StaleBrokerEpoch);
        }
        if request.partition_epoch < state.partition_epoch {
            return Err(PartitionError::InvalidUpdateVersion);
        }
        let lead =
            state.leader == Some(request.leader) && request.isr.iter().any(|(id, _)| *id == request.leader);
        let recovers_only =
            state.recovery == LeaderRecovery::Recovering || request.recovery == LeaderRecovery::Recovered;
        let replicas = request.isr.iter().all(|(id, _)| state.replicas.contains(id));
        if !lead || !replicas || !recovers_only {
            return Err(PartitionError::InvalidRequest);
        }
        let eligible = |&(id, epoch): &(NodeId, i64)| {
            let broker = self.broker(id);
            !broker.fenced && (epoch == -1 || epoch == broker.epoch)
        };
        if !request.isr.iter().all(eligible) {
            // The refusal uses up the partition epoch (isr/isr/7).
            self.state.partition_epoch += 1;
            self.publish();
            return Err(PartitionError::IneligibleReplica);
        }
        let isr: Vec<NodeId> = request.isr.iter().map(|(id, _)| *id).collect();
        if isr != state.isr || request.recovery != state.recovery {
            let left: Vec<NodeId> = state.isr.iter().copied().filter(|id| !isr.contains(id)).collect();
            self.set_isr(isr, &left);
            self.state.recovery = request.recovery;
            self.state.partition_epoch += 1;
            self.publish();
        }
        Ok(self.state.clone())
    }

    /// Fences a broker: it leaves the ISR and leads no more.
    pub(crate) fn fence(&mut self, id: NodeId) {
        self.broker_mut(id).fenced = true;
        let led = self.state.leader == Some(id);
        let member = self.state.isr.contains(&id);
        if member {
            let isr = self.state.isr.iter().copied().filter(|member| *member != id).collect();
            self.set_isr(isr, &[id]);
        }
        if led {
            self.state.leader = None;
            self.state.leader_epoch += 1;
        }
        if led || member {
            self.state.partition_epoch += 1;
        }
        self.publish();
    }

    pub(crate) fn unfence(&mut self, id: NodeId) {
        self.broker_mut(id).fenced = false;
        self.publish();
    }

    /// Whom a clean election may choose.
    pub(crate) fn candidates(&self) -> Vec<NodeId> {
        let unfenced = |id: &&NodeId| !self.broker(**id).fenced;
        let from = if self.state.isr.is_empty() { &self.state.elr } else { &self.state.isr };
        from.iter().filter(unfenced).copied().collect()
    }

    /// Makes a broker the leader; one that is in neither ISR nor ELR has to recover.
    pub(crate) fn elect(&mut self, id: NodeId) {
        let clean = self.candidates().contains(&id);
        self.state.leader = Some(id);
        self.state.leader_epoch += 1;
        self.state.partition_epoch += 1;
        if !self.state.isr.contains(&id) {
            self.set_isr(vec![id], &[]);
        }
        if !clean {
            self.state.isr = vec![id];
            self.state.elr.clear();
            self.state.recovery = LeaderRecovery::Recovering;
        }
        self.publish();
    }

    /// Registers a new incarnation of a broker, and unfences it.
    pub(crate) fn register(&mut self, id: NodeId, clean: bool) -> i64 {
        let broker = self.broker_mut(id);
        broker.epoch += 1;
        broker.fenced = false;
        let epoch = broker.epoch;
        if !clean && self.state.elr.contains(&id) {
            self.state.elr.retain(|member| *member != id);
            self.state.partition_epoch += 1;
        }
        self.publish();
        epoch
    }
}
