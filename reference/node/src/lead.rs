//! A broker as a leader: what it answers followers, in their [sessions](crate::sessions).

use std::collections::BTreeMap;
use std::time::Duration;

use highwater_core::controller::Image;
use highwater_core::partition::Reader;
use highwater_core::{NodeId, Token};
use highwater_log::disk::Disk;

use crate::broker::Broker;
use crate::config::NodeConfig;
use crate::fetching::{self, Room};
use crate::message::{
    FetchPartition, FetchSessionError, FetchedPartition, PeerResponse, ReplicaFetch, ReplicaFetched,
    TopicPartition,
};
use crate::ports::{Fatal, Ports};

/// What there is now of what is in line.
struct Looked {
    parts: Vec<Part>,
    bytes: u64,
    /// There is something to say besides bytes that must not wait.
    says: bool,
}

/// What there is of one partition.
struct Part {
    seen: FetchedPartition,
    /// Nothing will come of another look before something moves.
    settled: bool,
}

impl<D: Disk> Broker<D> {
    /// A fetch of a follower: answered at once if there is enough to say, or it may not wait; else it waits.
    pub(crate) fn fetch_of_follower(
        &mut self,
        ports: &mut Ports,
        config: &NodeConfig,
        image: &Image,
        (token, follower): (Token, NodeId),
        fetch: &ReplicaFetch,
    ) -> Result<(), Fatal> {
        let registered = image.broker(follower).is_some_and(|broker| broker.epoch == fetch.broker_epoch);
        let begins = fetch.session.epoch == 0 && registered && !fetch.partitions.is_empty();
        if begins {
            let id = self.unused_session_id(ports, follower);
            let waited = self.sessions.begin(follower, fetch, id, ports);
            refuse(ports, waited);
        } else if fetch.session.is_full() {
            let waited = self.sessions.end_this(follower, fetch.session.id, ports);
            refuse(ports, waited);
            self.note_starts(ports, image, follower, fetch);
            let (reading, max_wait_ms) = fetching::of_replica(token, follower, fetch);
            return self.fetch(ports, config, image, reading, max_wait_ms);
        } else if let Err(error) = self.sessions.go_on(follower, fetch, ports.now) {
            ports.reply(token, PeerResponse::Fetch(Err(error)));
            return Ok(());
        }
        self.note_starts(ports, image, follower, fetch);
        let looked = self.look_at_line(ports, image, follower)?;
        let enough = looked.says || looked.bytes >= u64::from(fetch.min_bytes);
        let waiting = self.waiting.len() + self.sessions.waiting();
        if begins || enough || fetch.max_wait_ms == 0 || waiting >= config.waiting_requests_max {
            self.answer_in_session(ports, image, token, follower, looked);
            return Ok(());
        }
        let mut available = BTreeMap::new();
        for Part { seen, settled } in looked.parts {
            let id = seen.partition;
            if !seen.records.is_empty() {
                available.insert(id, seen.records.len() as u64);
            }
            self.watch(follower, id);
            if settled && !self.sessions.is_news(follower, id, &seen.answer) {
                self.sessions.leave_line(follower, id);
            }
        }
        let deadline = ports.now + Duration::from_millis(fetch.max_wait_ms.into());
        self.sessions.wait(follower, token, available, deadline, ports);
        Ok(())
    }

    /// Something of a partition moved while a follower's fetch waits, which is answered if that is enough.
    pub(crate) fn stirred(
        &mut self,
        ports: &mut Ports,
        image: &Image,
        follower: NodeId,
        id: TopicPartition,
    ) -> Result<(), Fatal> {
        let (Some(fetch), Some((broker_epoch, _))) =
            (self.sessions.wanted(follower, id), self.sessions.terms(follower))
        else {
            return Ok(());
        };
        let reader = Reader::Replica { id: follower, broker_epoch };
        if let Some(replica) = self.replicas.get_mut(&id)
            && fetching::says_nothing_else(&replica.core, reader, true, &fetch)
        {
            let bytes = fetching::bytes_from(replica, id, &fetch)?;
            if !self.sessions.note(follower, id, bytes) {
                replica.watch(follower);
                return Ok(());
            }
        }
        self.answer_waiting_in_session(ports, image, follower)
    }

    /// A follower's fetch has waited long enough, or must be answered with what there is.
    pub(crate) fn answer_waiting_in_session(
        &mut self,
        ports: &mut Ports,
        image: &Image,
        follower: NodeId,
    ) -> Result<(), Fatal> {
        let Some(token) = self.sessions.stop_waiting(follower, ports) else { return Ok(()) };
        let looked = self.look_at_line(ports, image, follower)?;
        self.answer_in_session(ports, image, token, follower, looked);
        Ok(())
    }

    /// Ends the sessions of those that are registered no more.
    pub(crate) fn end_sessions_of_the_gone(&mut self, ports: &mut Ports, image: &Image) {
        let gone: Vec<NodeId> = self.sessions.followers().filter(|id| image.broker(*id).is_none()).collect();
        for follower in gone {
            let waited = self.sessions.end(follower, ports);
            refuse(ports, waited);
        }
    }

    /// Looks at all that is in line, once.
    fn look_at_line(&mut self, ports: &mut Ports, image: &Image, follower: NodeId) -> Result<Looked, Fatal> {
        let mut looked = Looked { parts: Vec::new(), bytes: 0, says: false };
        let Some((broker_epoch, limits)) = self.sessions.terms(follower) else { return Ok(looked) };
        let reader = Reader::Replica { id: follower, broker_epoch };
        let mut room = Room::new(limits.max_bytes);
        let mut behind = None;
        while let Some(next) = self.sessions.next_in_line(follower, behind) {
            behind = Some(next.place);
            let id = next.partition;
            let part = FetchPartition { partition: id, fetch: next.fetch, max_bytes: next.max_bytes };
            let (seen, has_records) = self.look(ports, image, (reader, true), &part, &mut room)?;
            let says = seen.answer.error.is_some() || seen.answer.diverging.is_some();
            let in_isr = self.replicas.get(&id).is_some_and(|replica| replica.core.isr().contains(&follower));
            looked.says |= says;
            looked.bytes += seen.records.len() as u64;
            looked.parts.push(Part { seen, settled: in_isr && !says && !has_records });
        }
        Ok(looked)
    }

    /// Answers with what there is to say.
    fn answer_in_session(
        &mut self,
        ports: &mut Ports,
        image: &Image,
        token: Token,
        follower: NodeId,
        looked: Looked,
    ) {
        let mut answers = Vec::with_capacity(looked.parts.len());
        for Part { seen, settled } in looked.parts {
            let FetchedPartition { partition: id, answer, records, .. } = seen;
            if settled {
                self.watch(follower, id);
                self.sessions.leave_line(follower, id);
            } else if !records.is_empty() {
                self.sessions.put_last(follower, id);
            }
            let says = answer.error.is_some() || answer.diverging.is_some() || !records.is_empty();
            if says || self.sessions.is_news(follower, id, &answer) {
                self.sessions.said(follower, id, &answer);
                answers.push((id, answer, records));
            }
            if image.partition(id.topic, id.partition).is_none() {
                self.sessions.forget(follower, id);
            }
        }
        let session = self.sessions.id(follower).unwrap_or(0);
        ports.reply(token, PeerResponse::Fetch(Ok(ReplicaFetched { session, answers })));
    }

    fn watch(&mut self, follower: NodeId, id: TopicPartition) {
        if let Some(replica) = self.replicas.get_mut(&id) {
            replica.watch(follower);
        }
    }

    /// An id that nobody guesses and that is not the one which the follower has.
    fn unused_session_id(&self, ports: &mut Ports, follower: NodeId) -> i32 {
        loop {
            let id = (ports.dice.roll() >> 33) as i32;
            if id != 0 && self.sessions.id(follower) != Some(id) {
                return id;
            }
        }
    }
}

/// Refuses a fetch that waits in a session that has ended.
fn refuse(ports: &mut Ports, waited: Option<Token>) {
    if let Some(token) = waited {
        ports.reply(token, PeerResponse::Fetch(Err(FetchSessionError::NotFound)));
    }
}
