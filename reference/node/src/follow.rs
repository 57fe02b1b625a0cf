//! A broker as a follower: what it fetches of leaders, and what it makes of their answers.

use highwater_core::partition::{PartitionError, PartitionFetch};
use highwater_core::{Instant, NodeId};
use highwater_log::disk::Disk;
use highwater_log::records;

use crate::broker::Broker;
use crate::config::NodeConfig;
use crate::fetcher::Told;
use crate::fetching::Answer;
use crate::message::{
    FetchSessionError, PeerRequest, ReplicaFetch, ReplicaFetchPartition, ReplicaFetched, TopicPartition,
};
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
        let Some(scope) = self.fetchers.next_scope(leader, broker_epoch, ports.now) else { return };
        let max_bytes = config.replica_fetch_max_bytes;
        let (mut partitions, mut forgotten) = (Vec::new(), Vec::new());
        for id in scope.partitions {
            let stands = self.stands(leader, id, ports.now);
            let is_news = self.fetchers.tell(leader, id, stands);
            match stands {
                Some(Told { fetch, log_start }) if is_news => {
                    partitions.push(ReplicaFetchPartition { partition: id, fetch, log_start, max_bytes });
                }
                None if is_news => forgotten.push(id),
                _ => {}
            }
        }
        if !self.fetchers.asks_for_any(leader) {
            return self.fetchers.rest(leader, ports);
        }
        let wait = config.replica_fetch_wait_max;
        let request = ReplicaFetch {
            broker_epoch,
            session: scope.session,
            partitions,
            forgotten,
            max_wait_ms: u32::try_from(wait.as_millis()).unwrap_or(u32::MAX),
            min_bytes: config.replica_fetch_min_bytes,
            max_bytes: config.replica_fetch_response_max_bytes,
        };
        // What the leader may hold it for does not count as silence.
        let patience = config.replica_socket_timeout + wait;
        let correlation = ports.send(leader, PeerRequest::Fetch(request), Asked::Fetch, patience);
        self.fetchers.asked(leader, correlation);
    }

    /// What there is to tell a leader of a partition; nothing if it is not to be fetched from there, or not now.
    fn stands(&mut self, leader: NodeId, id: TopicPartition, now: Instant) -> Option<Told> {
        let replica = self.replicas.get_mut(&id)?;
        if replica.paused.is_some_and(|until| until > now) {
            return None;
        }
        replica.paused = None;
        let (followed, fetch) = replica.core.position()?;
        (followed == leader).then(|| Told { fetch, log_start: replica.core.log().start() })
    }

    /// A leader has answered.
    pub(crate) fn fetched(
        &mut self,
        ports: &mut Ports,
        config: &NodeConfig,
        leader: NodeId,
        correlation: u64,
        response: Result<ReplicaFetched, FetchSessionError>,
    ) -> Result<(), Fatal> {
        self.fetchers.settled(leader, correlation);
        let ReplicaFetched { session, answers } = match response {
            Ok(fetched) => fetched,
            Err(error) => {
                if !self.fetchers.refused(leader, error) {
                    self.fetchers.pause(leader, ports.now + config.replica_fetch_backoff, ports);
                }
                return Ok(());
            }
        };
        if !self.fetchers.asks_for_any(leader) {
            // Nothing is followed from there any more.
            return Ok(());
        }
        self.fetchers.answered(leader, session);
        for answer in answers {
            let id = answer.0;
            match self.fetchers.told(leader, id) {
                Some(told) => self.take(ports, config, leader, &told.fetch, answer)?,
                None => {
                    let what = store::told(leader, id.topic, id.partition);
                    ports.report(format!("dropped {what}: it was not asked for"));
                    self.fetchers.begin_anew(leader);
                    self.fetchers.pause(leader, ports.now + config.replica_fetch_backoff, ports);
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
        let retry = ports.now + config.replica_fetch_backoff;
        match records::check_of_epoch(&bytes, fetch.offset, fetched.leader_epoch) {
            Ok(extents) => fetched.records = extents,
            Err(why) => {
                let what = store::told(leader, id.topic, id.partition);
                ports.report(format!("dropped {what}: {why}"));
                self.pause_partition(leader, id, retry);
                return Ok(());
            }
        }
        if !fetched.records.is_empty()
            && let Some(turn) = &mut replica.turn
            && turn.leader == leader
        {
            self.fetchers.rotate(turn);
        }
        if !fetched.records.is_empty() || fetched.diverging.is_some() || fetched.error.is_some() {
            self.fetchers.tell_again(leader, id);
        }
        if fetched.error.is_some_and(|error| error != PartitionError::OffsetOutOfRange) {
            self.pause_partition(leader, id, retry);
        }
        let Some(replica) = self.replicas.get_mut(&id) else { return Ok(()) };
        records::align(&replica.log, &mut fetched.diverging)?;
        replica.core.fetched(ports.now, leader, fetch, &fetched);
        self.drain(ports, id, &bytes)?;
        if let Some(replica) = self.replicas.get_mut(&id) {
            replica.flush_if_due(id, ports);
        }
        Ok(())
    }

    /// A leader is not asked for a partition for a while, if it is still followed from there.
    fn pause_partition(&mut self, leader: NodeId, id: TopicPartition, until: Instant) {
        if let Some(replica) = self.replicas.get_mut(&id)
            && replica.turn.is_some_and(|turn| turn.leader == leader)
        {
            replica.paused = Some(until);
            self.fetchers.pause_partition(leader, id, until);
        }
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
        self.fetchers.begin_anew(leader);
        self.fetchers.pause(leader, ports.now + config.replica_fetch_backoff, ports);
    }
}
