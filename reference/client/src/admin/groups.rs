//! Groups, and how far they have come.

use std::collections::BTreeMap;

use highwater_wire::messages::describe_groups::response::DescribedGroup;
use highwater_wire::messages::leave_group::request::MemberIdentity;
use highwater_wire::messages::leave_group::response::MemberResponse;
use highwater_wire::messages::list_groups::response::ListedGroup;
use highwater_wire::messages::offset_commit::request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use highwater_wire::messages::offset_delete::request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use highwater_wire::messages::offset_fetch::request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use highwater_wire::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest,
    OffsetDeleteRequest, OffsetFetchRequest, OffsetFetchResponse,
};
use highwater_wire::{ErrorCode, Request, Str};

use super::{Admin, by_topic};
use crate::cluster::{Lane, TopicPartition};
use crate::error::{ClientError, check};

/// How far a group has come in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset it wants.
    pub offset: i64,
    /// The leader epoch of the record before; -1 if that is not known.
    pub leader_epoch: i32,
    /// What the member wrote beside it.
    pub metadata: Option<Str>,
}

/// What came of each partition.
pub type GroupAnswer = BTreeMap<TopicPartition, ErrorCode>;

/// The newest versions that name topics by name.
pub(crate) const OFFSET_COMMIT_BY_NAME: i16 = 9;
pub(crate) const OFFSET_FETCH_BY_NAME: i16 = 9;

impl Admin {
    /// Asks a group's coordinator; looks for it anew where it moved.
    async fn coordinator<R: Request>(
        &self,
        group: &Str,
        request: &R,
        highest: i16,
        again: bool,
        code: impl Fn(&R::Response) -> i16,
    ) -> Result<R::Response, ClientError> {
        self.cluster()
            .retry(R::API.name(), again, || async {
                let node = self.cluster().coordinator(group).await?;
                let connection = self.cluster().broker(node, Lane::Ask).await?;
                let answer = connection.ask_for(request, highest, self.request_timeout()).await?;
                match ErrorCode(code(&answer)) {
                    code @ (ErrorCode::NOT_COORDINATOR
                    | ErrorCode::COORDINATOR_NOT_AVAILABLE
                    | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS) => {
                        Err(ClientError::broker(R::API.name(), format!("group {group}"), code.0, None))
                    }
                    _ => Ok(answer),
                }
            })
            .await
    }

    /// All groups, of all brokers.
    ///
    /// # Errors
    /// If a broker does not answer, or answers with an error.
    pub async fn list_groups(&self, states: &[Str], types: &[Str]) -> Result<Vec<ListedGroup>, ClientError> {
        self.cluster().retry("Metadata", true, || self.cluster().refresh(Some(&[]))).await?;
        let request = ListGroupsRequest { states_filter: states.to_vec(), types_filter: types.to_vec() };
        let mut groups: BTreeMap<Str, ListedGroup> = BTreeMap::new();
        for id in self.cluster().view().brokers.keys().copied().collect::<Vec<_>>() {
            let ask = || async {
                let answer = self.broker(id).await?.ask(&request).await?;
                check("ListGroups", || format!("broker {id}"), answer.error_code, None)?;
                Ok(answer)
            };
            let answer = self.cluster().retry("ListGroups", true, ask).await?;
            groups.extend(answer.groups.into_iter().map(|group| (group.group_id.clone(), group)));
        }
        Ok(groups.into_values().collect())
    }

    /// State and members of a group. A group that is not there has the state `Dead`, or is answered with GROUP_ID_NOT_FOUND.
    ///
    /// # Errors
    /// If there is no answer, or it is an error.
    pub async fn describe_group(&self, group: &Str) -> Result<DescribedGroup, ClientError> {
        let request =
            DescribeGroupsRequest { groups: vec![group.clone()], include_authorized_operations: false };
        let first = |answer: &<DescribeGroupsRequest as Request>::Response| {
            answer.groups.first().map_or(0, |group| group.error_code)
        };
        let answer = self.coordinator(group, &request, i16::MAX, true, first).await?;
        let about = || format!("group {group}");
        let described = answer.groups.into_iter().next().ok_or_else(|| {
            ClientError::broker("DescribeGroups", about(), ErrorCode::GROUP_ID_NOT_FOUND.0, None)
        })?;
        check("DescribeGroups", about, described.error_code, described.error_message.clone())?;
        Ok(described)
    }

    /// Deletes a group without members, and its offsets.
    ///
    /// # Errors
    /// If there is no answer, or it is an error.
    pub async fn delete_group(&self, group: &Str) -> Result<(), ClientError> {
        let request = DeleteGroupsRequest { groups_names: vec![group.clone()] };
        let first = |answer: &<DeleteGroupsRequest as Request>::Response| {
            answer.results.first().map_or(0, |group| group.error_code)
        };
        let answer = self.coordinator(group, &request, i16::MAX, false, first).await?;
        check("DeleteGroups", || format!("group {group}"), first(&answer), None)
    }

    /// How far a group has come: in these partitions, or in all that it committed something for.
    ///
    /// # Errors
    /// If there is no answer, or it is an error, of a partition too.
    pub async fn group_offsets(
        &self,
        group: &Str,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<BTreeMap<TopicPartition, CommittedOffset>, ClientError> {
        let request = offset_fetch(group, partitions, None);
        let code = |answer: &OffsetFetchResponse| {
            answer.groups.first().map_or(answer.error_code, |group| group.error_code)
        };
        let answer = self.coordinator(group, &request, OFFSET_FETCH_BY_NAME, true, code).await?;
        offsets_of(group, answer)
    }

    /// Sets how far a group has come, as nobody's member: the group must have none.
    ///
    /// # Errors
    /// If there is no answer. Errors of single partitions are in the answer.
    pub async fn alter_group_offsets(
        &self,
        group: &Str,
        offsets: &BTreeMap<TopicPartition, CommittedOffset>,
    ) -> Result<GroupAnswer, ClientError> {
        let request =
            OffsetCommitRequest { group_id: group.clone(), topics: committed(offsets), ..Default::default() };
        let answer = self.coordinator(group, &request, OFFSET_COMMIT_BY_NAME, true, commit_code).await?;
        let mut results = GroupAnswer::new();
        for topic in answer.topics {
            for partition in topic.partitions {
                let of = TopicPartition::new(topic.name.clone(), partition.partition_index);
                results.insert(of, ErrorCode(partition.error_code));
            }
        }
        Ok(results)
    }

    /// Forgets how far a group has come in these partitions.
    ///
    /// # Errors
    /// If there is no answer, or it is an error as a whole. Errors of single partitions are in the answer.
    pub async fn delete_group_offsets(
        &self,
        group: &Str,
        partitions: &[TopicPartition],
    ) -> Result<GroupAnswer, ClientError> {
        let topic = |(name, partitions): (Str, Vec<i32>)| OffsetDeleteRequestTopic {
            name,
            partitions: partitions
                .into_iter()
                .map(|partition_index| OffsetDeleteRequestPartition { partition_index })
                .collect(),
        };
        let request = OffsetDeleteRequest {
            group_id: group.clone(),
            topics: by_topic(partitions).into_iter().map(topic).collect(),
        };
        let answer = self.coordinator(group, &request, i16::MAX, false, |answer| answer.error_code).await?;
        check("OffsetDelete", || format!("group {group}"), answer.error_code, None)?;
        let mut results = GroupAnswer::new();
        for topic in answer.topics {
            for partition in topic.partitions {
                let of = TopicPartition::new(topic.name.clone(), partition.partition_index);
                results.insert(of, ErrorCode(partition.error_code));
            }
        }
        Ok(results)
    }

    /// Removes members from a group, static ones too.
    ///
    /// # Errors
    /// If there is no answer, or it is an error as a whole. Errors of single members are in the answer.
    pub async fn remove_members(
        &self,
        group: &Str,
        members: Vec<MemberIdentity>,
    ) -> Result<Vec<MemberResponse>, ClientError> {
        let request = LeaveGroupRequest { group_id: group.clone(), members, ..Default::default() };
        let answer = self.coordinator(group, &request, i16::MAX, false, |answer| answer.error_code).await?;
        check("LeaveGroup", || format!("group {group}"), answer.error_code, None)?;
        Ok(answer.members)
    }
}

fn commit_code(answer: &<OffsetCommitRequest as Request>::Response) -> i16 {
    let first = answer.topics.first().and_then(|topic| topic.partitions.first());
    first.map_or(0, |partition| partition.error_code)
}

/// The topics of an OffsetCommit.
pub(crate) fn committed(
    offsets: &BTreeMap<TopicPartition, CommittedOffset>,
) -> Vec<OffsetCommitRequestTopic> {
    let mut topics: BTreeMap<Str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
    for (of, committed) in offsets {
        topics.entry(of.topic.clone()).or_default().push(OffsetCommitRequestPartition {
            partition_index: of.partition,
            committed_offset: committed.offset,
            committed_leader_epoch: committed.leader_epoch,
            committed_metadata: Some(committed.metadata.clone().unwrap_or_default()),
        });
    }
    let topic = |(name, partitions)| OffsetCommitRequestTopic { name, partitions, ..Default::default() };
    topics.into_iter().map(topic).collect()
}

/// An OffsetFetch that reads the same in versions with one group and with many.
pub(crate) fn offset_fetch(
    group: &Str,
    partitions: Option<&[TopicPartition]>,
    member: Option<(Str, i32)>,
) -> OffsetFetchRequest {
    let topics = partitions.map(by_topic);
    let (member_id, member_epoch) = match member {
        Some((id, epoch)) => (Some(id), epoch),
        None => (None, -1),
    };
    let single =
        |(name, partition_indexes): (Str, Vec<i32>)| OffsetFetchRequestTopic { name, partition_indexes };
    let many = |(name, partition_indexes): (Str, Vec<i32>)| OffsetFetchRequestTopics {
        name,
        partition_indexes,
        ..Default::default()
    };
    OffsetFetchRequest {
        group_id: group.clone(),
        topics: topics.clone().map(|topics| topics.into_iter().map(single).collect()),
        groups: vec![OffsetFetchRequestGroup {
            group_id: group.clone(),
            member_id,
            member_epoch,
            topics: topics.map(|topics| topics.into_iter().map(many).collect()),
        }],
        require_stable: false,
    }
}

/// What an OffsetFetch was answered with. Partitions without a committed offset are left out.
pub(crate) fn offsets_of(
    group: &Str,
    answer: OffsetFetchResponse,
) -> Result<BTreeMap<TopicPartition, CommittedOffset>, ClientError> {
    let about = || format!("group {group}");
    check("OffsetFetch", about, answer.error_code, None)?;
    let mut found = BTreeMap::new();
    let mut take = |of: TopicPartition, code: i16, committed: CommittedOffset| {
        check("OffsetFetch", || format!("group {group}, partition {of}"), code, None)?;
        if committed.offset >= 0 {
            found.insert(of, committed);
        }
        Ok::<(), ClientError>(())
    };
    for topic in answer.topics {
        for partition in topic.partitions {
            let committed = CommittedOffset {
                offset: partition.committed_offset,
                leader_epoch: partition.committed_leader_epoch,
                metadata: partition.metadata,
            };
            take(
                TopicPartition::new(topic.name.clone(), partition.partition_index),
                partition.error_code,
                committed,
            )?;
        }
    }
    for group in answer.groups {
        check("OffsetFetch", about, group.error_code, None)?;
        for topic in group.topics {
            for partition in topic.partitions {
                let committed = CommittedOffset {
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: partition.metadata,
                };
                take(
                    TopicPartition::new(topic.name.clone(), partition.partition_index),
                    partition.error_code,
                    committed,
                )?;
            }
        }
    }
    Ok(found)
}
