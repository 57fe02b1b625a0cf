//! DeleteRecords (KIP-107): the leader's log start moves, its followers' follow, and who asked is told once all that live have done so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use highwater_core::controller::Image;
use highwater_core::partition::{PartitionError, Role};
use highwater_core::{Epoch, Instant, NO_EPOCH, NodeId, Offset, Token};
use highwater_log::disk::Disk;

use crate::broker::Broker;
use crate::fetching::absence;
use crate::message::{ClientResponse, DeleteRecords, ReplicaFetch, TopicPartition};
use crate::ports::{Fatal, Ports};
use crate::replica::Replica;
use crate::timers::Timer;

/// Where the logs of a leader's followers start, as their fetches said in this leader epoch.
#[derive(Debug)]
pub(crate) struct FollowerStarts {
    epoch: Epoch,
    starts: Vec<(NodeId, Offset)>,
}

impl FollowerStarts {
    /// Of nobody.
    pub(crate) fn none() -> Self {
        Self { epoch: NO_EPOCH, starts: Vec::new() }
    }

    /// Notes what a fetch in this leader epoch said; whether that is new.
    fn note(&mut self, epoch: Epoch, id: NodeId, start: Offset) -> bool {
        if self.epoch != epoch {
            *self = Self { epoch, starts: Vec::new() };
        }
        match self.starts.iter_mut().find(|(known, _)| *known == id) {
            Some((_, known)) if *known == start => false,
            Some((_, known)) => {
                *known = start;
                true
            }
            None => {
                self.starts.push((id, start));
                true
            }
        }
    }

    fn of(&self, epoch: Epoch, id: NodeId) -> Option<Offset> {
        let known = self.starts.iter().find(|(known, _)| *known == id)?;
        (self.epoch == epoch).then_some(known.1)
    }
}

/// The requests that wait for followers.
///
/// - `by_partition` has a token for each partition that it waits for, and no others.
#[derive(Debug, Default)]
pub(crate) struct Deletes {
    open: BTreeMap<Token, OpenDelete>,
    by_partition: BTreeMap<TopicPartition, BTreeSet<Token>>,
}

#[derive(Debug)]
struct OpenDelete {
    order: Vec<TopicPartition>,
    parts: BTreeMap<TopicPartition, Part>,
    waiting: usize,
    armed: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
enum Part {
    /// All live replicas are to start here at least.
    Waits(Offset),
    /// The low watermark, or why not.
    Decided(Result<Offset, PartitionError>),
}

impl Deletes {
    /// Whether anybody waits for anything.
    pub(crate) fn any(&self) -> bool {
        !self.by_partition.is_empty()
    }

    /// Nobody waits for this any more.
    pub(crate) fn forget(&mut self, token: Token, ports: &mut Ports) {
        self.take(token, ports);
    }

    fn take(&mut self, token: Token, ports: &mut Ports) -> Option<OpenDelete> {
        let mut open = self.open.remove(&token)?;
        ports.timers.arm(Timer::Delete(token), &mut open.armed, None);
        for id in open.parts.keys() {
            if let Some(tokens) = self.by_partition.get_mut(id) {
                tokens.remove(&token);
                if tokens.is_empty() {
                    self.by_partition.remove(id);
                }
            }
        }
        Some(open)
    }

    fn answer(&mut self, token: Token, ports: &mut Ports) {
        let Some(open) = self.take(token, ports) else { return };
        let decided = |id: TopicPartition| {
            let result = match open.parts.get(&id) {
                Some(Part::Decided(result)) => *result,
                Some(Part::Waits(_)) | None => Err(PartitionError::RequestTimedOut),
            };
            (id, result)
        };
        let results = open.order.iter().map(|id| decided(*id)).collect();
        ports.answer(token, ClientResponse::DeleteRecords(results));
    }
}

impl<D: Disk> Broker<D> {
    /// Deletes records from the front of partitions that this broker leads.
    pub(crate) fn delete_records(
        &mut self,
        ports: &mut Ports,
        image: &Image,
        token: Token,
        asked: DeleteRecords,
    ) -> Result<(), Fatal> {
        let DeleteRecords { timeout_ms, partitions } = asked;
        let mut parts = BTreeMap::new();
        let order: Vec<TopicPartition> = partitions.iter().map(|(id, _)| *id).collect();
        for (id, offset) in partitions {
            let target = if parts.contains_key(&id) {
                Err(PartitionError::InvalidRequest)
            } else {
                self.delete_before(ports, image, id, offset)?
            };
            parts.insert(id, target.map_or_else(|error| Part::Decided(Err(error)), Part::Waits));
        }
        let waiting = parts.values().filter(|part| matches!(part, Part::Waits(_))).count();
        for id in parts.keys() {
            self.deletes.by_partition.entry(*id).or_default().insert(token);
        }
        let mut armed = None;
        let deadline = ports.now + Duration::from_millis(timeout_ms.into());
        ports.timers.arm(Timer::Delete(token), &mut armed, Some(deadline));
        let ids: Vec<TopicPartition> = parts.keys().copied().collect();
        self.deletes.open.insert(token, OpenDelete { order, parts, waiting, armed });
        if waiting == 0 {
            self.deletes.answer(token, ports);
        }
        for id in ids {
            self.look_at_deletes(ports, image, id);
            // Followers are told at once, and say at once what they have done.
            let followers: Vec<Token> =
                self.waiting.of_followers(id).chain(self.sessions.waiting_for(id)).collect();
            self.overdue.extend(followers);
        }
        Ok(())
    }

    /// Moves the start of one log; where to.
    fn delete_before(
        &mut self,
        ports: &mut Ports,
        image: &Image,
        id: TopicPartition,
        offset: Option<Offset>,
    ) -> Result<Result<Offset, PartitionError>, Fatal> {
        let Some(replica) = self.replicas.get_mut(&id) else { return Ok(Err(absence(image, id))) };
        if replica.core.role() != Role::Leader {
            return Ok(Err(PartitionError::NotLeaderOrFollower));
        }
        if !replica.settings.deletes {
            return Ok(Err(PartitionError::PolicyViolation));
        }
        let high_watermark = replica.core.high_watermark();
        let target = offset.unwrap_or(high_watermark);
        if !(0..=high_watermark).contains(&target) {
            return Ok(Err(PartitionError::OffsetOutOfRange));
        }
        replica.core.forget_before(target);
        self.drain(ports, id, &Bytes::new())?;
        Ok(Ok(target))
    }

    /// A follower has said where its logs start.
    pub(crate) fn note_starts(
        &mut self,
        ports: &mut Ports,
        image: &Image,
        from: NodeId,
        fetch: &ReplicaFetch,
    ) {
        for part in &fetch.partitions {
            let Some(replica) = self.replicas.get_mut(&part.partition) else { continue };
            let epoch = replica.core.leader_epoch();
            if replica.core.role() == Role::Leader
                && part.fetch.leader_epoch == epoch
                && replica.follower_starts.note(epoch, from, part.log_start)
            {
                self.look_at_deletes(ports, image, part.partition);
            }
        }
    }

    /// Looks at all that wait: brokers came or went, or leaders changed.
    pub(crate) fn look_at_all_deletes(&mut self, ports: &mut Ports, image: &Image) {
        let ids: Vec<TopicPartition> = self.deletes.by_partition.keys().copied().collect();
        for id in ids {
            self.look_at_deletes(ports, image, id);
        }
    }

    /// Answers who waits for a partition whose live replicas all start late enough by now.
    fn look_at_deletes(&mut self, ports: &mut Ports, image: &Image, id: TopicPartition) {
        let Some(tokens) = self.deletes.by_partition.get(&id) else { return };
        let low = low_watermark(self.replicas.get(&id), image, id);
        let mut done = Vec::new();
        for token in tokens {
            let Some(open) = self.deletes.open.get_mut(token) else { continue };
            let Some(part @ Part::Waits(_)) = open.parts.get_mut(&id) else { continue };
            let decided = match (low, *part) {
                (Err(error), _) => Err(error),
                (Ok(low), Part::Waits(target)) if low >= target => Ok(low),
                _ => continue,
            };
            *part = Part::Decided(decided);
            open.waiting -= 1;
            if open.waiting == 0 {
                done.push(*token);
            }
        }
        for token in done {
            self.deletes.answer(token, ports);
        }
    }

    /// A request has waited long enough.
    pub(crate) fn give_up_delete(&mut self, ports: &mut Ports, token: Token) {
        if let Some(open) = self.deletes.open.get_mut(&token) {
            open.armed = None;
        }
        self.deletes.answer(token, ports);
    }
}

/// The least start of the logs of all replicas that live. Of one that has not said where it starts nothing is known, so it is -1.
fn low_watermark<D: Disk>(
    replica: Option<&Replica<D>>,
    image: &Image,
    id: TopicPartition,
) -> Result<Offset, PartitionError> {
    let replica = replica.ok_or_else(|| absence(image, id))?;
    if replica.core.role() != Role::Leader {
        return Err(PartitionError::NotLeaderOrFollower);
    }
    let (me, epoch) = (replica.core.config().me, replica.core.leader_epoch());
    let lives = |id: &NodeId| image.broker(*id).is_some_and(|broker| !broker.fenced);
    let followers = replica.core.state().replicas.iter().filter(|id| **id != me && lives(id));
    let starts = followers.map(|id| replica.follower_starts.of(epoch, *id).unwrap_or(-1));
    Ok(starts.fold(replica.core.log().start(), Offset::min))
}
