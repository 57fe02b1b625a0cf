//! What must come true without faults: a cluster forms, and once all is healed it converges and serves.

use rustc_hash::FxHashSet;

use highwater_core::Offset;

use super::event::Event;
use super::{LOOK_US, Part, Source, World};
use crate::ledger::{LogIndex, METADATA, members};
use crate::scenario::Operation;
use crate::{Invariant, Violation};

/// How far a healed cluster has come.
#[derive(Debug, Default)]
pub(super) struct Settling {
    until_us: u64,
    stage: Stage,
    /// Probes that were acknowledged, by log.
    acknowledged: FxHashSet<LogIndex>,
    /// Up to where each log was read in the end.
    read: rustc_hash::FxHashMap<LogIndex, Offset>,
    /// Batches that were there in the end.
    present: FxHashSet<u64>,
    next_probe: u32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Replicas become equal.
    #[default]
    Converging,
    /// A record is produced to each partition.
    Probing,
    /// Each partition is read from its start.
    Reading,
}

impl Settling {
    pub(super) fn acknowledged(&mut self, log: LogIndex) {
        if self.stage == Stage::Probing {
            self.acknowledged.insert(log);
        }
    }

    pub(super) fn read(&mut self, batch: u64) {
        if self.stage == Stage::Reading {
            self.present.insert(batch);
        }
    }

    pub(super) fn read_through(&mut self, log: LogIndex, end: Offset) {
        if self.stage == Stage::Reading {
            self.read.insert(log, end);
        }
    }
}

impl World {
    /// Looks whether the world is where it should be.
    pub(super) fn look(&mut self) -> Result<(), Violation> {
        match self.part {
            Part::Forming => {
                self.form();
                if self.part == Part::Forming {
                    self.queue.push(self.now_us + LOOK_US, Event::Look);
                }
                Ok(())
            }
            Part::Settling => self.look_settling(),
            Part::Faults | Part::Over => Ok(()),
        }
    }

    fn form(&mut self) {
        let ready = self.brokers_missing().is_none();
        let topics = self.ledger.image.topics().len();
        let wanted = self.scenario.shape.topics.count as usize;
        if ready && topics >= wanted {
            if (METADATA + 1..self.ledger.logs.len()).all(|log| self.partition_missing(log).is_none())
                && self.ledger.logs.len() > wanted
                || wanted == 0
            {
                self.formed();
            }
        } else if ready {
            let administrator = self.scenario.shape.rates.clients;
            let partitions = self.scenario.shape.topics.partitions;
            if self.clients[administrator as usize].is_idle() {
                self.operate_on(administrator, Operation::CreateTopic { partitions });
            }
        }
    }

    fn operate_on(&mut self, client: u32, wants: Operation) {
        // Nothing is judged where a request is sent.
        let _ = self.operate(client, wants);
    }

    /// Ends the faults: all is healed, everything runs.
    pub(super) fn settle(&mut self) -> Result<(), Violation> {
        self.part = Part::Settling;
        self.source = Source::Dry;
        self.network.heal();
        for running in &mut self.nodes {
            running.paused_until = 0;
            running.disk.set_capacity(u64::MAX);
            running.disk.heal();
            running.reads_fail = false;
        }
        for client in &mut self.clients {
            client.rest();
        }
        self.settling.until_us = self.now_us + self.scenario.shape.limits.settle_us;
        self.queue.push(self.now_us + LOOK_US, Event::Look);
        self.note(|| "all is healed; from now on the cluster has to converge".to_owned());
        Ok(())
    }

    fn look_settling(&mut self) -> Result<(), Violation> {
        let missing = self.missing();
        if self.now_us > self.settling.until_us {
            let missing = missing.unwrap_or_else(|| match self.settling.stage {
                Stage::Converging => "nothing".to_owned(),
                Stage::Probing => "a record that is produced with acks=all and acknowledged".to_owned(),
                Stage::Reading => "a consumer that reads everything".to_owned(),
            });
            let seconds = self.scenario.shape.limits.settle_us as f64 / 1e6;
            return Err(Violation::new(
                Invariant::Liveness,
                format!("after {seconds} s without any fault there is {missing}"),
                "one leader, equal replicas, full ISRs, and every partition to take and give records",
            ));
        }
        if missing.is_none() {
            match self.settling.stage {
                Stage::Converging => self.settling.stage = Stage::Probing,
                Stage::Probing if self.unprobed().next().is_none() => {
                    self.settling.stage = Stage::Reading;
                    for client in &mut self.clients {
                        client.forget_positions();
                    }
                }
                Stage::Probing => self.probe(true),
                Stage::Reading if self.unread().next().is_none() => return self.over(),
                Stage::Reading => self.probe(false),
            }
        }
        self.queue.push(self.now_us + LOOK_US, Event::Look);
        Ok(())
    }

    /// The partitions that are there and can be used.
    fn usable(&self) -> impl Iterator<Item = LogIndex> + '_ {
        (METADATA + 1..self.ledger.logs.len())
            .filter(|&log| self.ledger.logs[log].state.as_ref().is_some_and(|state| state.leader.is_some()))
    }

    fn unprobed(&self) -> impl Iterator<Item = LogIndex> + '_ {
        self.usable().filter(|log| !self.settling.acknowledged.contains(log))
    }

    fn unread(&self) -> impl Iterator<Item = LogIndex> + '_ {
        self.usable().filter(|&log| {
            let end = self.ledger.newest_leader(log).map_or(0, |(_, leader)| leader.high_watermark);
            self.settling.read.get(&log).is_none_or(|&read| read < end)
        })
    }

    /// Lets the first client produce to the next partition, or read it.
    fn probe(&mut self, produce: bool) {
        if !self.clients[0].is_idle() {
            return;
        }
        // Topics may have come since it last looked.
        self.clients[0].forget_view();
        let partition = self.settling.next_probe;
        self.settling.next_probe += 1;
        let wants = if produce {
            Operation::Produce { partition, acks: -1, records: 1 }
        } else {
            Operation::Consume { partition, from_start: false }
        };
        self.operate_on(0, wants);
    }

    fn over(&mut self) -> Result<(), Violation> {
        for log in self.usable().collect::<Vec<_>>() {
            let book = &self.ledger.logs[log];
            if book.tainted.is_some() {
                continue;
            }
            let epoch = book.state.as_ref().map_or(-1, |state| state.leader_epoch);
            let present = |batch: u64| self.settling.present.contains(&batch);
            self.history.missing(log, present, |of| of != epoch)?;
        }
        self.counts.settled += 1;
        self.part = Part::Over;
        Ok(())
    }

    /// What a converged cluster has and this one has not.
    fn missing(&self) -> Option<String> {
        if let Some(down) = (0..self.nodes.len()).find(|&node| !self.nodes[node].is_up()) {
            return Some(format!("{}, which does not run", self.ledger.ids[down]));
        }
        if let Some(leaving) = (0..self.nodes.len()).find(|&node| self.nodes[node].leaving.is_some()) {
            return Some(format!("{}, which is about to stop", self.ledger.ids[leaving]));
        }
        self.quorum_missing()
            .or_else(|| self.brokers_missing())
            .or_else(|| (METADATA + 1..self.ledger.logs.len()).find_map(|log| self.partition_missing(log)))
    }

    fn quorum_missing(&self) -> Option<String> {
        let mut leaders = self.ledger.presumed_leaders(METADATA);
        let Some((leader, leading)) = leaders.next() else {
            return Some("no leader of the quorum".to_owned());
        };
        if let Some((other, _)) = leaders.next() {
            let (one, other) = (self.ledger.ids[leader], self.ledger.ids[other]);
            return Some(format!("more than one leader of the quorum, {one} and {other}"));
        }
        let end = leading.shadow.end();
        let name = |node: usize| self.ledger.ids[node];
        for node in 0..self.nodes.len() {
            let Some(replica) = self.ledger.replica(node, METADATA) else {
                return Some(format!("{}, which has no metadata log", name(node)));
            };
            if replica.epoch != leading.epoch {
                return Some(format!(
                    "{} in epoch {}, while {} leads epoch {}",
                    name(node),
                    replica.epoch,
                    name(leader),
                    leading.epoch
                ));
            }
            if replica.shadow.end() != end || replica.high_watermark != end {
                return Some(format!(
                    "{} with a metadata log that ends at {}, committed to {}, while the leader's ends at {end}",
                    name(node),
                    replica.shadow.end(),
                    replica.high_watermark
                ));
            }
        }
        None
    }

    /// A broker that does not serve.
    fn brokers_missing(&self) -> Option<String> {
        (0..self.nodes.len()).filter(|&node| self.scenario.shape.nodes[node].broker).find_map(|node| {
            let known = self.ledger.image.broker(self.ledger.ids[node]);
            let name = self.ledger.ids[node];
            if !self.ledger.is_registered(node) {
                Some(format!("{name}, which is not registered"))
            } else if known.is_none_or(|broker| broker.fenced) {
                Some(format!("{name}, which is fenced"))
            } else {
                None
            }
        })
    }

    /// What a partition has not that it should have.
    fn partition_missing(&self, log: LogIndex) -> Option<String> {
        let book = &self.ledger.logs[log];
        let state = book.state.as_ref()?;
        let last = self.ledger.set(&state.last_known_elr);
        let last_is_gone = members(last).all(|node| self.ledger.is_on_lost_disk(node, log));
        let nobody_is_eligible =
            book.isr | book.elr == 0 && book.is_beyond(self.ledger.min_isr(log)) && last_is_gone;
        if state.leader.is_none() && (book.tainted.is_some() || nobody_is_eligible) {
            // Whoever could lead it has lost what it had: it waits for an operator.
            return None;
        }
        let name = self.ledger.name(log);
        let Some((leader, leading)) = self.ledger.newest_leader(log) else {
            return Some(format!("{name} without a leader (the controller says {:?})", state.leader));
        };
        let replicas = self.ledger.set(&state.replicas);
        if book.isr != replicas {
            return Some(format!(
                "{name} with ISR {} of replicas {}",
                self.ledger.told(book.isr),
                self.ledger.told(replicas)
            ));
        }
        let end = leading.shadow.end();
        members(replicas).find_map(|node| {
            let replica = self.ledger.replica(node, log);
            let (at, committed) = replica.map_or((-1, -1), |it| (it.shadow.end(), it.high_watermark));
            (at != end || committed != end).then(|| {
                format!(
                    "{} with {name} that ends at {at}, committed to {committed}, while its leader {} ends at {end}",
                    self.ledger.ids[node], self.ledger.ids[leader]
                )
            })
        })
    }
}
