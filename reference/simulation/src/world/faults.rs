//! Faults as they strike.

use highwater_log::disk::{Failure, Loss, Operation};
use highwater_node::message::Input;

use super::World;
use super::event::Event;
use crate::Violation;
use crate::ledger::{self, METADATA, members};
use crate::scenario::{Fault, FaultKind, Tail};

/// What a full disk still takes, in bytes.
const LEFT_ON_A_FULL_DISK: u64 = 300;

impl World {
    /// Something breaks. What would be more than the protocol claims to stand is made less, where loss is not legal.
    pub(super) fn fault(&mut self, fault: Fault) -> Result<(), Violation> {
        let kind = fault.kind();
        match fault {
            Fault::Cut { from, to, both_ways, for_us } => {
                let (from, to) = (self.indices(&from), self.indices(&to));
                if from.is_empty() || to.is_empty() {
                    return Ok(());
                }
                self.network.cut(&from, &to, true);
                if both_ways {
                    self.network.cut(&to, &from, true);
                }
                self.counts.fault(kind);
                self.queue.push(self.now_us + for_us, Event::Heals { from, to, both_ways });
                Ok(())
            }
            Fault::Crash { node, tail, down_us } => {
                let Some(node) = self.up(node) else { return Ok(()) };
                let lossy = tail == Tail::Lost && self.may_lose_tail(node);
                self.counts.fault(if lossy { FaultKind::PowerLoss } else { FaultKind::Crash });
                if lossy {
                    self.note_losses(node, |flushed, end| flushed < end);
                }
                self.stop(node, if lossy { Loss::Any } else { Loss::Nothing }, false);
                self.restart_in(node, down_us);
                Ok(())
            }
            Fault::ShutDown { node, down_us } => {
                let Some(node) = self.up(node) else { return Ok(()) };
                if self.nodes[node].leaving.is_some() || self.nodes[node].paused_until > self.now_us {
                    return Ok(());
                }
                self.counts.fault(kind);
                self.nodes[node].leaving = Some(down_us);
                let patience = (self.scenario.shape.timing.controlled_shutdown_timeout + 1_000) * 1_000;
                let life = self.nodes[node].life;
                self.queue.push(self.now_us + patience, Event::Killed { node, life, down_us });
                self.drive(node, Input::ShutDown)
            }
            Fault::Pause { node, for_us } => {
                let Some(node) = self.up(node) else { return Ok(()) };
                self.counts.fault(kind);
                let until = self.now_us + for_us;
                self.nodes[node].paused_until = self.nodes[node].paused_until.max(until);
                Ok(())
            }
            Fault::Jump { node, by_us } => {
                let Some(node) = self.up(node) else { return Ok(()) };
                self.counts.fault(kind);
                self.nodes[node].clock.jump(self.now_us, by_us);
                self.set_timer(node);
                Ok(())
            }
            Fault::DiskFull { node, for_us } => {
                let Some(node) = self.up(node) else { return Ok(()) };
                self.counts.fault(kind);
                let disk = &self.nodes[node].disk;
                disk.set_capacity(disk.used() + LEFT_ON_A_FULL_DISK);
                self.disk_fails(node, for_us);
                Ok(())
            }
            Fault::FlushFails { node, down_us } => {
                let Some(node) = self.up(node) else { return Ok(()) };
                self.counts.fault(kind);
                let operation = Operation::Sync;
                self.nodes[node].disk.fail(Failure { operation, path: String::new(), after: 0, times: 1 });
                self.disk_fails(node, down_us);
                Ok(())
            }
            Fault::ReadFails { node, down_us } => {
                let Some(node) = self.up(node) else { return Ok(()) };
                self.counts.fault(kind);
                self.nodes[node].fail_reads();
                self.disk_fails(node, down_us);
                Ok(())
            }
            Fault::Wipe { node, down_us } => {
                let Some(node) = self.up(node) else { return Ok(()) };
                if !self.may_lose_disk(node) {
                    return Ok(());
                }
                self.counts.fault(kind);
                self.note_loss_of_disk(node);
                self.stop(node, Loss::Nothing, false);
                self.nodes[node].wipe(self.scenario.seed, node);
                self.ledger.nodes[node].directory = self.nodes[node].directory();
                self.restart_in(node, down_us);
                Ok(())
            }
        }
    }

    /// The indices of these nodes, those that there are.
    fn indices(&self, nodes: &[i32]) -> Vec<usize> {
        nodes.iter().filter_map(|&id| self.index(id)).collect()
    }

    fn index(&self, id: i32) -> Option<usize> {
        self.ledger.node(highwater_core::NodeId(id))
    }

    /// The index of a node, if it runs.
    fn up(&self, id: i32) -> Option<usize> {
        self.index(id).filter(|&node| self.nodes[node].is_up())
    }

    /// The disk fails from now on: the node stops of itself, or is stopped in the end.
    fn disk_fails(&mut self, node: usize, for_us: u64) {
        self.nodes[node].disk_fails = true;
        self.nodes[node].leaving.get_or_insert(for_us);
        let life = self.nodes[node].life;
        self.queue.push(self.now_us + for_us.max(1), Event::Killed { node, life, down_us: 1 });
    }

    /// Whether replication stands it that this node loses what it has not flushed: no partition may then have `min.insync.replicas`
    /// replicas that lost their tails and are not back in the ISR.
    fn may_lose_tail(&self, node: usize) -> bool {
        self.scenario.shape.loss_is_legal
            || (METADATA + 1..self.ledger.logs.len()).all(|log| {
                let safe = |flushed: i64, end: i64| flushed >= end;
                let replica = self.ledger.replica(node, log);
                replica.is_none_or(|replica| safe(replica.flushed, replica.shadow.end()))
                    || self.may_lose_log(node, log)
            })
    }

    /// Notes for each partition that the node may have lost its tail; its restart will tell.
    pub(super) fn note_losses(&mut self, node: usize, loses: impl Fn(i64, i64) -> bool) {
        for log in METADATA + 1..self.ledger.logs.len() {
            let replica = self.ledger.replica(node, log);
            if replica.is_some_and(|replica| loses(replica.flushed, replica.shadow.end())) {
                self.ledger.crashed(node, log, ledger::Loss::Perhaps);
            }
        }
    }

    /// A lost disk loses every replica, empty or not: its directory is gone.
    pub(super) fn note_loss_of_disk(&mut self, node: usize) {
        self.ledger.wiped |= 1 << node;
        for log in METADATA + 1..self.ledger.logs.len() {
            if self.ledger.is_assigned(node, log) {
                self.ledger.crashed(node, log, ledger::Loss::Records);
            }
        }
    }

    fn may_lose_log(&self, node: usize, log: usize) -> bool {
        let book = &self.ledger.logs[log];
        if book.state.is_none() || book.tainted.is_some() {
            return true;
        }
        let others =
            book.crashed.iter().filter(|one| one.loss > ledger::Loss::Nothing && one.node != node).count();
        // Without eligible leader replicas the last member of the ISR stays in it, whatever it lost.
        let last = !self.ledger.elr && book.isr & !(1 << node) == 0;
        others + 1 < self.ledger.min_isr(log) && !last
    }

    /// Whether this node may lose its disk: a majority of the voters must keep theirs, and replication must stand it.
    fn may_lose_disk(&self, node: usize) -> bool {
        let voters = self.ledger.voters;
        let wiped = members(voters).filter(|&voter| voter != node && self.nodes[voter].wiped > 0).count();
        let is_voter = voters >> node & 1 == 1;
        let quorum_stands = !is_voter || (wiped + 1) * 2 < voters.count_ones() as usize;
        let partitions_stand = self.scenario.shape.loss_is_legal
            || (METADATA + 1..self.ledger.logs.len())
                .all(|log| !self.ledger.is_assigned(node, log) || self.may_lose_log(node, log));
        quorum_stands && partitions_stand
    }
}
