//! A world that does what it is told from outside, step by step: see [`Stage`](crate::stage::Stage).
//!
//! Nothing is drawn in it but delays and the dice of its nodes. It stays in its second part for ever: faults are what it is told.

use std::collections::BTreeMap;

use highwater_core::partition::Acks;
use highwater_core::{NodeId, Offset, Uuid};
use highwater_log::disk::Loss;
use highwater_node::message::{
    ClientRequest, ClientResponse, LogId, PeerRequest, PeerResponse, TopicPartition,
};
use rustc_hash::FxHashMap;

use super::event::Event;
use super::node::FOR_GOOD;
use super::{Part, World};
use crate::Violation;
use crate::ledger::LogIndex;
use crate::scenario::{Fault, Tail};

/// The client that stands for whoever asks from outside.
pub(super) const GUEST: u32 = u32::MAX;
/// When a node that was told to stop would start again by itself: never.
const NEVER_US: u64 = 1 << 60;
/// So long an answer may be under way still when its node is gone.
const LAST_WORDS_US: u64 = 50_000;

/// Who asks from outside, as many things at a time as it likes.
#[derive(Debug, Default)]
pub(super) struct Guest {
    number: u64,
    waiting: FxHashMap<u64, Wants>,
    answers: BTreeMap<u64, ClientResponse>,
    /// To probes.
    replies: BTreeMap<u64, PeerResponse>,
}

/// What a guest asked for, as far as the answer is judged.
#[derive(Debug, Clone, Copy)]
enum Wants {
    Acknowledgement(LogIndex),
    Records(LogIndex),
    Else,
}

impl World {
    /// Starts the nodes and waits until all are registered.
    pub(crate) fn form_stage(&mut self) -> Result<(), Violation> {
        for node in 0..self.nodes.len() {
            // Nobody moves leaderships back but who is asked to.
            self.nodes[node].configure(|config| config.leader_rebalance_interval = None);
            self.queue.push(node as u64 * 700, Event::Start { node });
        }
        self.queue.push(super::LOOK_US, Event::Look);
        while self.part == Part::Forming {
            self.part_ends()?;
            let Some((at_us, event)) = self.next() else { break };
            self.now_us = self.now_us.max(at_us);
            self.step(event)?;
        }
        Ok(())
    }

    pub(crate) fn now_us(&self) -> u64 {
        self.now_us
    }

    /// Goes on until then, or until it is `done`.
    pub(crate) fn go_on_until(
        &mut self,
        until_us: u64,
        done: impl Fn(&World) -> bool,
    ) -> Result<(), Violation> {
        while !done(self) {
            if self.queue.next_at().is_none_or(|at| at > until_us) {
                self.now_us = self.now_us.max(until_us);
                break;
            }
            let Some((at_us, event)) = self.queue.pop() else { break };
            self.now_us = self.now_us.max(at_us);
            self.step(event)?;
        }
        Ok(())
    }

    // ---- nodes ----

    pub(crate) fn is_up(&self, node: usize) -> bool {
        self.nodes[node].is_up()
    }

    pub(crate) fn node(
        &self,
        node: usize,
    ) -> Option<&highwater_node::Node<highwater_log::disk::SimulatedDisk>> {
        self.nodes[node].node.as_ref()
    }

    /// Ends a node at once.
    pub(crate) fn end(&mut self, node: usize, tail: Tail) {
        if tail == Tail::Lost {
            self.note_losses(node, |flushed, end| flushed < end);
        }
        let loss = if tail == Tail::Lost { Loss::Everything } else { Loss::Nothing };
        self.stop(node, loss, false);
        self.release(node);
    }

    /// Tells a node to stop, and waits until it has. If it does not, it is killed in the end.
    pub(crate) fn stop_in_order(&mut self, node: usize) -> Result<(), Violation> {
        let id = self.ledger.ids[node].0;
        self.fault(Fault::ShutDown { node: id, down_us: NEVER_US })?;
        self.go_on_until(self.now_us + NEVER_US / 2, |world| !world.is_up(node))
    }

    pub(crate) fn start_again(&mut self, node: usize) -> Result<(), Violation> {
        self.start(node)
    }

    /// A node loses its disk, and comes back on a blank one.
    pub(crate) fn wipe(&mut self, node: usize) -> Result<(), Violation> {
        self.note_loss_of_disk(node);
        if self.is_up(node) {
            self.end(node, Tail::Kept);
        }
        self.nodes[node].wipe(self.scenario.seed, node);
        self.ledger.nodes[node].directory = self.nodes[node].directory();
        self.start(node)
    }

    /// A node stands still until it is told to go on, or ended.
    pub(crate) fn pause(&mut self, node: usize) {
        self.nodes[node].paused_until = FOR_GOOD;
    }

    pub(crate) fn resume(&mut self, node: usize) {
        self.nodes[node].paused_until = 0;
        self.release(node);
    }

    /// What waited for a node reaches it.
    fn release(&mut self, node: usize) {
        let (its, others) =
            std::mem::take(&mut self.held).into_iter().partition(|event| event.node() == Some(node));
        self.held = others;
        let its: Vec<Event> = its;
        for event in its {
            self.queue.push(self.now_us, event);
        }
    }

    pub(crate) fn link(&mut self, from: usize, to: usize, cut: bool) {
        self.network.cut(&[from], &[to], cut);
    }

    // ---- what may be ----

    pub(crate) fn allow_unclean(&mut self) {
        self.unclean_allowed = true;
    }

    /// Why records of the partition may be lost by right.
    pub(crate) fn lost_by_right(&mut self, partition: TopicPartition) -> Option<&'static str> {
        let log = self.ledger.log(LogId::Partition(partition));
        self.ledger.logs[log].tainted
    }

    /// The partition needs so many in-sync replicas.
    pub(crate) fn needs_in_sync(&mut self, partition: TopicPartition, count: usize) {
        let log = self.ledger.log(LogId::Partition(partition));
        self.ledger.logs[log].min_isr = Some(count);
    }

    // ---- requests from outside ----

    /// Asks a node that runs, and waits for so long. No answer if there is none by then, or the node ends.
    pub(crate) fn ask_as_guest(
        &mut self,
        node: usize,
        request: ClientRequest,
        within_us: u64,
    ) -> Result<Option<ClientResponse>, Violation> {
        let wants = self.wants(&request);
        self.guest.number += 1;
        let number = self.guest.number;
        self.guest.waiting.insert(number, wants);
        let at = self.now_us + self.network.client_delay(u64::from(GUEST), number * 2);
        self.queue.push(at, Event::Asked { to: node, client: GUEST, number, request: Box::new(request) });
        let life = self.nodes[node].life;
        let until = self.now_us + within_us;
        let is_answered = move |world: &World| world.guest.answers.contains_key(&number);
        self.go_on_until(until, |world| is_answered(world) || !world.lives(node, life))?;
        self.go_on_until(until.min(self.now_us + LAST_WORDS_US), is_answered)?;
        Ok(self.guest.answers.remove(&number))
    }

    /// Asks a node that runs in another's name, and waits for so long.
    pub(crate) fn ask_as_peer(
        &mut self,
        node: usize,
        from: NodeId,
        request: PeerRequest,
        within_us: u64,
    ) -> Result<Option<PeerResponse>, Violation> {
        self.guest.number += 1;
        let number = self.guest.number;
        let at = self.now_us + self.network.client_delay(u64::from(GUEST), number * 2);
        self.queue.push(at, Event::Probed { to: node, from, number, request: Box::new(request) });
        let life = self.nodes[node].life;
        let until = self.now_us + within_us;
        self.go_on_until(until, |world| {
            world.guest.replies.contains_key(&number) || !world.lives(node, life)
        })?;
        Ok(self.guest.replies.remove(&number))
    }

    /// The identity of a node's disk.
    pub(crate) fn directory(&self, node: usize) -> Uuid {
        self.nodes[node].directory()
    }

    fn wants(&mut self, request: &ClientRequest) -> Wants {
        let mut log = |partition: TopicPartition| self.ledger.log(LogId::Partition(partition));
        match request {
            ClientRequest::Produce(produce) if produce.acks == Acks::All => {
                produce.partitions.first().map_or(Wants::Else, |(it, _)| Wants::Acknowledgement(log(*it)))
            }
            ClientRequest::Fetch(fetch) => {
                fetch.partitions.first().map_or(Wants::Else, |it| Wants::Records(log(it.partition)))
            }
            _ => Wants::Else,
        }
    }

    /// A node answers the guest at this moment, whether that waits still or not.
    pub(super) fn answering_guest(
        &mut self,
        node: usize,
        number: u64,
        response: &ClientResponse,
    ) -> Result<(), Violation> {
        let Some(wants) = self.guest.waiting.remove(&number) else { return Ok(()) };
        match (wants, response) {
            (Wants::Acknowledgement(log), ClientResponse::Produce(answers)) => {
                let bases: Vec<Offset> =
                    answers.iter().filter_map(|(_, result)| Some(result.as_ref().ok()?.base)).collect();
                bases.into_iter().try_for_each(|base| self.acknowledges(node, log, base))
            }
            (Wants::Records(log), ClientResponse::Fetch(answers)) => {
                answers.iter().try_for_each(|answer| self.gives(node, log, &answer.records))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn probe_is_answered(&mut self, number: u64, response: PeerResponse) {
        self.guest.replies.insert(number, response);
    }

    pub(super) fn guest_is_answered(&mut self, number: u64, response: ClientResponse) {
        self.guest.answers.insert(number, response);
    }
}
