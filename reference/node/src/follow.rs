//! A broker as a follower: what it fetches of leaders, and what it makes of their answers.

use highwater_core::partition::{PartitionError, PartitionFetch};
use highwater_core::{Instant, NodeId};
use highwater_log::disk::Disk;
use highwater_log::records;

use crate::broker::Broker;
use crate::config::NodeConfig;
use crate::fetcher;
use crate::fetching::Answer;
use crate::message::{PeerRequest, ReplicaFetch, ReplicaFetchPartition, TopicPartition};
use crate::ports::{Asked, Fatal, Ports};
use crate::store;

impl<D: Disk> Broker<D> {
    /// Sends the fetches that are due.
    pub(crate) fn fetch_from_leaders(&mut self, ports: &mut Ports, config: &NodeConfig) {
        while let Some(leader) = self.fetchers.next_ready() {
            self.fetch_from(leader, ports, config);
        }
    }

    fn fetch_from(&mut self, leader: NodeId, ports: &mut Ports, config: &NodeConfig) {
        let Some(broker_epoch) = self.published else { return };
        let Some(turns) = self.fetchers.turns(leader) else { return };
        let mut resume: Option<Instant> = None;
        let mut partitions = Vec::new();
        for id in turns {
            let Some(replica) = self.replicas.get_mut(&id) else { continue };
            match replica.paused {
                Some(until) if until > ports.now => {
                    resume = Some(resume.map_or(until, |resume| resume.min(until)));
                    continue;
                }
                _ => replica.paused = None,
            }
            if let Some((_, fetch)) = replica.core.position() {
                let log_start = replica.core.log().start();
                let max_bytes = config.replica_fetch_max_bytes;
                partitions.push(ReplicaFetchPartition { partition: id, fetch, log_start, max_bytes });
            }
        }
        if partitions.is_empty() {
            if let Some(until) = resume {
                self.fetchers.pause(leader, until, ports);
            }
            return;
        }
        let wait = config.replica_fetch_wait_max;
        let asked = Asked::Fetch(partitions.iter().map(|part| (part.partition, part.fetch)).collect());
        let request = ReplicaFetch {
            broker_epoch,
            partitions,
            max_wait_ms: u32::try_from(wait.as_millis()).unwrap_or(u32::MAX),
            min_bytes: config.replica_fetch_min_bytes,
            max_bytes: config.replica_fetch_response_max_bytes,
        };
        let request = PeerRequest::Fetch(request);
        // What the leader may hold it for does not count as silence.
        let patience = config.replica_socket_timeout + wait;
        let correlation = ports.send(leader, request, asked, patience);
        self.fetchers.asked(leader, correlation);
    }

    /// A leader has answered.
    pub(crate) fn fetched(
        &mut self,
        ports: &mut Ports,
        config: &NodeConfig,
        leader: NodeId,
        correlation: u64,
        asked: &[(TopicPartition, PartitionFetch)],
        answers: Vec<Answer>,
    ) -> Result<(), Fatal> {
        self.fetchers.settled(leader, correlation);
        for pair in fetcher::pair(asked, answers, |(id, _, _)| *id) {
            match pair {
                Ok((fetch, answer)) => self.take(ports, config, leader, &fetch, answer)?,
                Err(id) => {
                    let what = store::told(leader, id.topic, id.partition);
                    ports.report(format!("dropped {what}: it was not asked for"));
                }
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        ports: &mut Ports,
        config: &NodeConfig,
        leader: NodeId,
        fetch: &PartitionFetch,
        (id, mut fetched, bytes): Answer,
    ) -> Result<(), Fatal> {
        let Some(replica) = self.replicas.get_mut(&id) else { return Ok(()) };
        let retry = Some(ports.now + config.replica_fetch_backoff);
        match records::check(&bytes, fetch.offset, fetched.leader_epoch) {
            Ok(extents) => fetched.records = extents,
            Err(why) => {
                let what = store::told(leader, id.topic, id.partition);
                ports.report(format!("dropped {what}: {why}"));
                replica.paused = retry;
                return Ok(());
            }
        }
        if fetched.error.is_some_and(|error| error != PartitionError::OffsetOutOfRange) {
            replica.paused = retry;
        }
        if !fetched.records.is_empty()
            && let Some(turn) = &mut replica.turn
            && turn.leader == leader
        {
            self.fetchers.rotate(turn);
        }
        records::align(&replica.log, &mut fetched.diverging)?;
        replica.core.fetched(ports.now, leader, fetch, &fetched);
        self.drain(ports, id, &bytes)?;
        if let Some(replica) = self.replicas.get_mut(&id) {
            replica.flush_if_due(id, ports);
        }
        Ok(())
    }

    /// A leader will not answer.
    pub(crate) fn fetch_failed(
        &mut self,
        ports: &mut Ports,
        config: &NodeConfig,
        leader: NodeId,
        correlation: u64,
    ) {
        self.fetchers.settled(leader, correlation);
        self.fetchers.pause(leader, ports.now + config.replica_fetch_backoff, ports);
    }
}
