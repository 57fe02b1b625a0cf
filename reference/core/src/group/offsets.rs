//! Committed offsets: what is in the log, and what is on its way there.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::desk::{Desk, Then, Write};
use super::message::{
    GroupError, GroupResponse, OffsetCommit, OffsetCommitResponseTopic, OffsetDelete, OffsetDeleteResponse,
    OffsetFetch, OffsetFetchResponse, OffsetFetchResponsePartition, OffsetFetchResponseTopic,
    OffsetFetchTopic,
};
use super::record::{GroupRecord, OffsetCommitKey, OffsetCommitValue};
use super::state::{Group, State};
use super::{NO_GENERATION, STRING_MAX};
use crate::{Instant, Token, Uuid};

/// The offsets of a group, by topic and partition.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Offsets {
    topics: BTreeMap<String, BTreeMap<i32, Entry>>,
}

/// An offset. Who reads sees what is committed; who deletes, what is on its way, too.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Entry {
    committed: Option<OffsetCommitValue>,
    /// Under way: the write, and what it makes of the offset. In the order of writes.
    pending: Vec<(u64, Option<OffsetCommitValue>)>,
}

impl Offsets {
    pub(super) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// The log says so.
    pub(super) fn load(&mut self, topic: String, partition: i32, value: Option<OffsetCommitValue>) {
        let entry = self.topics.entry(topic.clone()).or_default().entry(partition).or_default();
        entry.committed = value;
        self.tidy(&topic, partition);
    }

    fn push(&mut self, key: &OffsetCommitKey, write: u64, value: Option<OffsetCommitValue>) {
        let partitions = self.topics.entry(key.topic.clone()).or_default();
        partitions.entry(key.partition).or_default().pending.push((write, value));
    }

    /// What came of a write. What was under way before it and has not been heard of stands before it in the log, if anywhere.
    pub(super) fn resolve(&mut self, key: &OffsetCommitKey, write: u64, is_written: bool) {
        let entry = self.topics.get_mut(&key.topic).and_then(|partitions| partitions.get_mut(&key.partition));
        let Some(entry) = entry else { return };
        let Some(index) = entry.pending.iter().position(|(number, _)| *number == write) else { return };
        if is_written {
            entry.committed = entry.pending.drain(..=index).next_back().and_then(|(_, value)| value);
        } else {
            entry.pending.remove(index);
        }
        self.tidy(&key.topic, key.partition);
    }

    /// Forgets an entry that says nothing.
    fn tidy(&mut self, topic: &str, partition: i32) {
        let Some(partitions) = self.topics.get_mut(topic) else { return };
        if partitions
            .get(&partition)
            .is_some_and(|entry| entry.committed.is_none() && entry.pending.is_empty())
        {
            partitions.remove(&partition);
        }
        if partitions.is_empty() {
            self.topics.remove(topic);
        }
    }

    fn get(&self, topic: &str, partition: i32) -> Option<&Entry> {
        self.topics.get(topic)?.get(&partition)
    }

    /// The last write that is under way to any offset.
    pub(super) fn last_write(&self) -> Option<u64> {
        self.entries().filter_map(|(_, _, entry)| entry.pending.last().map(|(write, _)| *write)).max()
    }

    /// Where there is, or may be, an offset: a tombstone that is under way may fail.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&str, i32)> {
        self.entries().map(|(topic, index, _)| (topic, index))
    }

    fn entries(&self) -> impl Iterator<Item = (&str, i32, &Entry)> {
        self.topics.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(move |(index, entry)| (topic.as_str(), *index, entry))
        })
    }

    /// Everything that is committed.
    fn fetch_all(&self) -> Vec<OffsetFetchResponseTopic> {
        let mut topics = Vec::new();
        for (name, entries) in &self.topics {
            let committed = |(index, entry): (&i32, &Entry)| Some((*index, entry.committed.clone()?));
            let committed: Vec<(i32, OffsetCommitValue)> = entries.iter().filter_map(committed).collect();
            if let Some((_, last)) = committed.last() {
                let topic_id = last.topic_id;
                let partitions = committed.into_iter().map(|(index, value)| answer(index, value)).collect();
                topics.push(OffsetFetchResponseTopic { name: name.clone(), topic_id, partitions });
            }
        }
        topics
    }

    fn fetch(&self, topic: &OffsetFetchTopic) -> OffsetFetchResponseTopic {
        // Offsets of a topic that was deleted say nothing of another of its name.
        let is_same = |value: &&OffsetCommitValue| {
            value.topic_id == topic.topic_id || value.topic_id == Uuid::ZERO || topic.topic_id == Uuid::ZERO
        };
        let partition = |index: &i32| {
            let committed = self.get(&topic.name, *index).and_then(|entry| entry.committed.as_ref());
            match committed.filter(is_same) {
                Some(value) => answer(*index, value.clone()),
                None => OffsetFetchResponsePartition::none(*index),
            }
        };
        OffsetFetchResponseTopic {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions: topic.partition_indexes.iter().map(partition).collect(),
        }
    }
}

fn answer(partition_index: i32, value: OffsetCommitValue) -> OffsetFetchResponsePartition {
    OffsetFetchResponsePartition {
        partition_index,
        committed_offset: value.offset,
        committed_leader_epoch: value.leader_epoch,
        metadata: value.metadata,
    }
}

/// OffsetFetch of a group, which may be none.
pub(super) fn fetch(group: Option<&Group>, request: &OffsetFetch) -> GroupResponse {
    let nothing = Offsets::default();
    let offsets = group.map_or(&nothing, |group| &group.offsets);
    let topics = match &request.topics {
        None => offsets.fetch_all(),
        Some(topics) => topics.iter().map(|topic| offsets.fetch(topic)).collect(),
    };
    GroupResponse::OffsetFetch(OffsetFetchResponse {
        group_id: request.group_id.clone(),
        error: None,
        topics,
    })
}

impl Group {
    /// OffsetCommit.
    pub(super) fn commit(&mut self, desk: &mut Desk, now: Instant, token: Token, request: OffsetCommit) {
        if let State::Dead { write } = self.state {
            desk.delete_again(now, &self.id, write);
        }
        if let Err(error) = self.check_commit(&request) {
            let response = request.answered(Some(error));
            return desk.reply(token, GroupResponse::OffsetCommit(response));
        }
        if let State::Stable(_) | State::PreparingRebalance(_) = self.state {
            self.keep_session(now, &request.member_id);
        }
        let commit_timestamp = desk.wall(now);
        let expire_timestamp = match request.retention_time_ms {
            -1 => -1,
            retention => commit_timestamp.saturating_add(retention),
        };
        let number = desk.next_write();
        let (mut records, mut keys, mut topics) = (vec![], vec![], vec![]);
        for topic in request.topics {
            let mut partitions = vec![];
            for partition in topic.partitions {
                let metadata = partition.committed_metadata.unwrap_or_default();
                // Kafka measures strings in UTF-16 units.
                let size = metadata.encode_utf16().count();
                let error = if size > desk.config.offset_metadata_max {
                    Some(GroupError::OffsetMetadataTooLarge)
                } else if topic.name.len() > STRING_MAX {
                    Some(GroupError::UnknownTopicOrPartition)
                } else {
                    None
                };
                partitions.push((partition.partition_index, error));
                if error.is_some() {
                    continue;
                }
                let key = OffsetCommitKey {
                    group: request.group_id.clone(),
                    topic: topic.name.clone(),
                    partition: partition.partition_index,
                };
                let value = OffsetCommitValue {
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata,
                    commit_timestamp,
                    expire_timestamp,
                    topic_id: topic.topic_id,
                };
                self.offsets.push(&key, number, Some(value.clone()));
                records.push(GroupRecord::OffsetCommit { key: key.clone(), value: Some(value) });
                keys.push(key);
            }
            topics.push(OffsetCommitResponseTopic { name: topic.name, topic_id: topic.topic_id, partitions });
        }
        finish(desk, now, token, GroupResponse::OffsetCommit(topics), records, keys);
    }

    fn check_commit(&self, request: &OffsetCommit) -> Result<(), GroupError> {
        let is_empty = match self.state {
            State::Dead { .. } => return Err(GroupError::CoordinatorNotAvailable),
            State::Empty => true,
            _ => false,
        };
        let says_who = !request.member_id.is_empty() || request.group_instance_id.is_some();
        if request.generation_id < 0 && is_empty {
            // A consumer that assigns its partitions itself, or an administrator.
            return Ok(());
        }
        if request.generation_id < 0 && !says_who {
            return Err(GroupError::UnknownMemberId);
        }
        self.check_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        match self.state {
            // It knows of the generation, but has nothing assigned in it.
            State::CompletingRebalance(_) => Err(GroupError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// OffsetDelete (KIP-496).
    pub(super) fn delete_offsets(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        token: Token,
        request: OffsetDelete,
    ) {
        let error = match self.state {
            State::Dead { .. } => Some(GroupError::GroupIdNotFound),
            State::Empty => None,
            // What members of other protocol types read is not known here.
            _ if !self.is_consumer() => Some(GroupError::NonEmptyGroup),
            _ => None,
        };
        if error.is_some() {
            let response = OffsetDeleteResponse { error, topics: vec![] };
            return desk.reply(token, GroupResponse::OffsetDelete(response));
        }
        let mut keys = vec![];
        let mut topics = vec![];
        for (name, indexes) in request.topics {
            let is_empty = matches!(self.state, State::Empty);
            let error =
                (!is_empty && self.is_subscribed(&name)).then_some(GroupError::GroupSubscribedToTopic);
            if error.is_none() {
                let is_there = |index: &&i32| self.offsets.get(&name, **index).is_some();
                // A set: one tombstone an offset, however often it is asked for.
                let found: BTreeSet<i32> = indexes.iter().filter(is_there).copied().collect();
                keys.extend(found.into_iter().map(|partition| self.key(&name, partition)));
            }
            topics.push((name, indexes.into_iter().map(|index| (index, error)).collect()));
        }
        let records = self.bury(desk.next_write(), &keys);
        let response = OffsetDeleteResponse { error: None, topics };
        finish(desk, now, token, GroupResponse::OffsetDelete(response), records, keys);
    }

    fn key(&self, topic: &str, partition: i32) -> OffsetCommitKey {
        OffsetCommitKey { group: (*self.id).into(), topic: topic.into(), partition }
    }

    /// Tombstones for offsets, which are under way with this write.
    fn bury(&mut self, write: u64, keys: &[OffsetCommitKey]) -> Vec<GroupRecord> {
        let tombstone = |key: &OffsetCommitKey| {
            self.offsets.push(key, write, None);
            GroupRecord::OffsetCommit { key: key.clone(), value: None }
        };
        keys.iter().map(tombstone).collect()
    }

    /// The records that delete the group and all of its offsets with this write.
    pub(super) fn bury_all(&mut self, write: u64) -> (Vec<GroupRecord>, Vec<OffsetCommitKey>) {
        let keys: Vec<OffsetCommitKey> =
            self.offsets.keys().map(|(topic, partition)| self.key(topic, partition)).collect();
        let mut records = self.bury(write, &keys);
        records.push(GroupRecord::GroupMetadata { group: (*self.id).into(), value: None });
        self.pending.clear();
        self.state = State::Dead { write };
        (records, keys)
    }

    /// Deletes the offsets of a topic that is no more.
    pub(super) fn forget_topic(&mut self, desk: &mut Desk, now: Instant, name: &str) {
        let keys: Vec<OffsetCommitKey> = self
            .offsets
            .keys()
            .filter(|(topic, _)| *topic == name)
            .map(|(topic, partition)| self.key(topic, partition))
            .collect();
        self.expire_offsets(desk, now, &keys);
    }

    /// Deletes these offsets, as many at once as a batch may hold.
    fn expire_offsets(&mut self, desk: &mut Desk, now: Instant, keys: &[OffsetCommitKey]) {
        for keys in keys.chunks(desk.config.records_per_write_max.max(1)) {
            let records = self.bury(desk.next_write(), keys);
            desk.append(now, records, Write { offsets: keys.to_vec(), ..Write::default() });
        }
    }

    /// Deletes offsets that nobody has used for too long (KIP-211), and the group if it is left with none.
    pub(super) fn retain(&mut self, desk: &mut Desk, now: Instant) {
        let wall = desk.wall(now);
        let retention = i64::try_from(desk.config.offsets_retention.as_millis()).unwrap_or(i64::MAX);
        let is_empty = matches!(self.state, State::Empty) && self.pending.is_empty();
        let is_stable = matches!(self.state, State::Stable(_));
        // From when on an offset ages: of a group that had members, from when the last left.
        let since_empty = match (&self.protocol_type, self.is_consumer() && self.subscribed.is_some()) {
            (Some(_), _) if is_empty => self.since,
            (Some(_), true) if is_stable => None,
            (None, _) => None,
            (Some(_), _) => return,
        };
        let is_expired = |value: &OffsetCommitValue| match value.expire_timestamp {
            -1 => wall.saturating_sub(since_empty.unwrap_or(value.commit_timestamp)) >= retention,
            until => wall >= until,
        };
        let mut expired = vec![];
        let mut is_bare = true;
        for (topic, partition, entry) in self.offsets.entries() {
            // An empty group that once had members reads nothing.
            let is_read = !is_empty && self.is_subscribed(topic);
            let is_old = entry.pending.is_empty() && entry.committed.as_ref().is_some_and(is_expired);
            if is_old && !is_read {
                expired.push(self.key(topic, partition));
            } else {
                is_bare = false;
            }
        }
        if is_bare && is_empty && expired.len() < desk.config.records_per_write_max {
            let write = desk.next_write();
            let (records, offsets) = self.bury_all(write);
            desk.append(
                now,
                records,
                Write { offsets, deletes: vec![(*self.id).into()], then: Then::Nothing },
            );
        } else {
            // The group itself follows when it is looked at next.
            self.expire_offsets(desk, now, &expired);
        }
    }
}

/// Appends, and answers when that is done; at once if there is nothing to append.
fn finish(
    desk: &mut Desk,
    now: Instant,
    token: Token,
    response: GroupResponse,
    records: Vec<GroupRecord>,
    offsets: Vec<OffsetCommitKey>,
) {
    if records.is_empty() {
        desk.reply(token, response);
    } else {
        let then = Then::Reply { token, response };
        desk.append(now, records, Write { offsets, deletes: vec![], then });
    }
}

/// Whether a commit of a group that is not there makes it: of a consumer without group management.
pub(super) fn may_create(request: &OffsetCommit) -> Result<(), GroupError> {
    if request.generation_id <= NO_GENERATION {
        Ok(())
    } else if request.names_missing_group {
        Err(GroupError::GroupIdNotFound)
    } else {
        Err(GroupError::IllegalGeneration)
    }
}
