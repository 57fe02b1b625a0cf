//! What clients ask of a group coordinator and what it answers: the fields of Kafka's schemas, whatever their version.
//!
//! Where versions of a request differ in what they mean, and not only in what they carry, a field says which is meant.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::{Offset, Uuid};

/// Bytes that the coordinator carries and does not look into: subscriptions, assignments. Shared, never copied.
pub type Blob = Arc<[u8]>;

/// The generation of who is no member: a consumer that assigns its partitions itself, or an administrator.
pub const NO_GENERATION: i32 = -1;

/// No offset is committed.
pub const NO_OFFSET: Offset = -1;

/// Partitions, and for each why not.
pub type PartitionResults = Vec<(i32, Option<GroupError>)>;

/// A request to the coordinator of its group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum GroupRequest {
    /// Join a group, or join it again.
    Join(JoinGroup),
    /// Bring the assignments, if the leader; get one's own.
    Sync(SyncGroup),
    /// Say that one is there.
    Heartbeat(Heartbeat),
    /// Leave a group, or remove static members from it.
    Leave(LeaveGroup),
    /// Commit offsets.
    OffsetCommit(OffsetCommit),
    /// Read committed offsets.
    OffsetFetch(OffsetFetch),
    /// Say what these groups are like.
    Describe(Vec<String>),
    /// Which groups are there?
    List(ListGroups),
    /// Delete these groups, which must be empty, with their offsets.
    Delete(Vec<String>),
    /// Delete offsets (KIP-496).
    OffsetDelete(OffsetDelete),
}

/// The answer to the [`GroupRequest`] of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum GroupResponse {
    /// To JoinGroup.
    Join(JoinGroupResponse),
    /// To SyncGroup.
    Sync(SyncGroupResponse),
    /// To Heartbeat: why not.
    Heartbeat(Option<GroupError>),
    /// To LeaveGroup.
    Leave(LeaveGroupResponse),
    /// To OffsetCommit.
    OffsetCommit(Vec<OffsetCommitResponseTopic>),
    /// To OffsetFetch.
    OffsetFetch(OffsetFetchResponse),
    /// To DescribeGroups, in the order asked for.
    Describe(Vec<DescribedGroup>),
    /// To ListGroups, in the order of ids.
    List(ListGroupsResponse),
    /// To DeleteGroups: each group, and why not, in the order asked for.
    Delete(Vec<(String, Option<GroupError>)>),
    /// To OffsetDelete.
    OffsetDelete(OffsetDeleteResponse),
}

/// JoinGroup.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct JoinGroup {
    /// Which group.
    pub group_id: String,
    /// For how long the member may be silent, in milliseconds.
    pub session_timeout_ms: i32,
    /// For how long a rebalance waits for the member, in milliseconds; as long as the session in version 0.
    pub rebalance_timeout_ms: i32,
    /// Who joins; empty for who has no member id yet.
    pub member_id: String,
    /// `group.instance.id` of a static member (KIP-345).
    pub group_instance_id: Option<String>,
    /// `consumer` for consumers; others use groups, too.
    pub protocol_type: String,
    /// The protocols that the member supports, the preferred first, each with what the leader must know of the member.
    pub protocols: Vec<(String, Blob)>,
    /// Why it joins (KIP-800), for people.
    pub reason: Option<String>,
    /// `client.id` of the request's header.
    pub client_id: String,
    /// Whence the request came, as Kafka writes addresses: `/127.0.0.1`.
    pub client_host: String,
    /// Whether a member must first be given its id, and join again with it (KIP-394): from version 4 on.
    pub requires_known_member_id: bool,
    /// Whether the leader can be told not to assign anything (KIP-814): from version 9 on.
    pub supports_skipping_assignment: bool,
}

/// The answer to [`JoinGroup`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JoinGroupResponse {
    /// Why not.
    pub error: Option<GroupError>,
    /// The generation that the member is in; [`NO_GENERATION`] with an error.
    pub generation_id: i32,
    /// The group's protocol type.
    pub protocol_type: Option<String>,
    /// The protocol that was chosen.
    pub protocol_name: Option<String>,
    /// Who assigns; empty with an error.
    pub leader: String,
    /// The leader must not assign anything: everybody has what it had (KIP-814).
    pub skip_assignment: bool,
    /// The member's id.
    pub member_id: String,
    /// For the leader: everybody, in the order of ids.
    pub members: Vec<JoinGroupResponseMember>,
}

/// A member, as its leader learns of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JoinGroupResponseMember {
    /// Its id.
    pub member_id: String,
    /// `group.instance.id`.
    pub group_instance_id: Option<String>,
    /// What it said for the protocol that was chosen.
    pub metadata: Blob,
}

/// SyncGroup.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct SyncGroup {
    /// Which group.
    pub group_id: String,
    /// The member's generation.
    pub generation_id: i32,
    /// Who asks.
    pub member_id: String,
    /// `group.instance.id`.
    pub group_instance_id: Option<String>,
    /// What the member takes for the group's protocol type, from version 5 on.
    pub protocol_type: Option<String>,
    /// What the member takes for the group's protocol, from version 5 on.
    pub protocol_name: Option<String>,
    /// From the leader: each member's assignment.
    pub assignments: Vec<(String, Blob)>,
}

/// The answer to [`SyncGroup`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SyncGroupResponse {
    /// Why not.
    pub error: Option<GroupError>,
    /// The group's protocol type.
    pub protocol_type: Option<String>,
    /// Its protocol.
    pub protocol_name: Option<String>,
    /// The member's assignment.
    pub assignment: Blob,
}

/// Heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Heartbeat {
    /// Which group.
    pub group_id: String,
    /// The member's generation.
    pub generation_id: i32,
    /// Who is there.
    pub member_id: String,
    /// `group.instance.id`.
    pub group_instance_id: Option<String>,
}

/// LeaveGroup. Before version 3, one member.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct LeaveGroup {
    /// Which group.
    pub group_id: String,
    /// Who leaves.
    pub members: Vec<LeavingMember>,
}

/// Who leaves.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct LeavingMember {
    /// The member's id; empty where an administrator removes a static member.
    pub member_id: String,
    /// `group.instance.id`.
    pub group_instance_id: Option<String>,
    /// Why (KIP-800), for people.
    pub reason: Option<String>,
}

/// The answer to [`LeaveGroup`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LeaveGroupResponse {
    /// Why nobody left.
    pub error: Option<GroupError>,
    /// Each who wanted to, in the order asked for.
    pub members: Vec<LeftMember>,
}

/// Who left, or why not. Before version 3, its error is that of the whole answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LeftMember {
    /// As in the request.
    pub member_id: String,
    /// As in the request.
    pub group_instance_id: Option<String>,
    /// Why not.
    pub error: Option<GroupError>,
}

/// OffsetCommit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OffsetCommit {
    /// Which group.
    pub group_id: String,
    /// The member's generation, or [`NO_GENERATION`].
    pub generation_id: i32,
    /// The member, or empty.
    pub member_id: String,
    /// `group.instance.id`.
    pub group_instance_id: Option<String>,
    /// How long to keep the offsets, in milliseconds (versions 2 to 4); -1 for as long as the coordinator does.
    pub retention_time_ms: i64,
    /// Whether a group that is not there is named as such (from version 9 on) or by the generation that is wrong.
    pub names_missing_group: bool,
    /// What to commit.
    pub topics: Vec<OffsetCommitTopic>,
}

/// The offsets of a topic to commit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct OffsetCommitTopic {
    /// Its name.
    pub name: String,
    /// Its id, or zero.
    pub topic_id: Uuid,
    /// Its partitions.
    pub partitions: Vec<OffsetCommitPartition>,
}

/// The offset of a partition to commit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OffsetCommitPartition {
    /// Which.
    pub partition_index: i32,
    /// The next record to be read.
    pub committed_offset: Offset,
    /// The leader epoch of the last record read, or -1.
    pub committed_leader_epoch: i32,
    /// Whatever the consumer wants to find again.
    pub committed_metadata: Option<String>,
}

/// The answer for a topic: each partition, and why not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OffsetCommitResponseTopic {
    /// Its name.
    pub name: String,
    /// Its id, as in the request.
    pub topic_id: Uuid,
    /// Its partitions.
    pub partitions: PartitionResults,
}

/// OffsetFetch, for one group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct OffsetFetch {
    /// Which group.
    pub group_id: String,
    /// Which offsets; all with `None`.
    pub topics: Option<Vec<OffsetFetchTopic>>,
    /// Wait for what is about to be committed (KIP-447).
    pub require_stable: bool,
}

/// A topic whose offsets are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct OffsetFetchTopic {
    /// Its name.
    pub name: String,
    /// Its id, or zero: offsets that were committed to another topic of this name are not found.
    pub topic_id: Uuid,
    /// Which partitions.
    pub partition_indexes: Vec<i32>,
}

/// The answer to [`OffsetFetch`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OffsetFetchResponse {
    /// As in the request.
    pub group_id: String,
    /// Why not. Before version 2 there is no such field, and each partition says so.
    pub error: Option<GroupError>,
    /// Offsets, in the order asked for; if all were, in the order of names.
    pub topics: Vec<OffsetFetchResponseTopic>,
}

/// The offsets of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OffsetFetchResponseTopic {
    /// Its name.
    pub name: String,
    /// Its id, as in the request; where all offsets were asked for, as committed.
    pub topic_id: Uuid,
    /// Its partitions.
    pub partitions: Vec<OffsetFetchResponsePartition>,
}

/// The offset of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OffsetFetchResponsePartition {
    /// Which.
    pub partition_index: i32,
    /// The offset, or [`NO_OFFSET`].
    pub committed_offset: Offset,
    /// The leader epoch of the last record read, or -1.
    pub committed_leader_epoch: i32,
    /// What the consumer wrote beside it.
    pub metadata: String,
}

/// ListGroups.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ListGroups {
    /// In these states only (KIP-518), in upper or lower case; all if empty.
    pub states_filter: Vec<String>,
    /// Of these types only (KIP-848), in upper or lower case; all if empty. All groups here are `classic`.
    pub types_filter: Vec<String>,
}

/// The answer to [`ListGroups`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListGroupsResponse {
    /// Why there are none.
    pub error: Option<GroupError>,
    /// The groups.
    pub groups: Vec<ListedGroup>,
}

/// A group in a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListedGroup {
    /// Its id.
    pub group_id: String,
    /// `consumer` and the like; empty if it never had members.
    pub protocol_type: String,
    /// Its state, in Kafka's spelling.
    pub group_state: &'static str,
}

/// A group, described.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DescribedGroup {
    /// Why not. That the group is not there ([`GroupError::GroupIdNotFound`]) is an error from version 6 on (KIP-1043); before, its state
    /// `Dead` says so.
    pub error: Option<GroupError>,
    /// Its id.
    pub group_id: String,
    /// Its state, in Kafka's spelling.
    pub group_state: &'static str,
    /// `consumer` and the like.
    pub protocol_type: String,
    /// The protocol that was chosen, if the group is stable.
    pub protocol_data: String,
    /// Its members.
    pub members: Vec<DescribedMember>,
}

/// A member, described.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DescribedMember {
    /// Its id.
    pub member_id: String,
    /// `group.instance.id`.
    pub group_instance_id: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// Its address.
    pub client_host: String,
    /// What it said for the protocol that was chosen; empty unless the group is stable.
    pub member_metadata: Blob,
    /// Its assignment; empty unless the group is stable.
    pub member_assignment: Blob,
}

/// OffsetDelete.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct OffsetDelete {
    /// Of which group.
    pub group_id: String,
    /// Topics, each with partitions.
    pub topics: Vec<(String, Vec<i32>)>,
}

/// The answer to [`OffsetDelete`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OffsetDeleteResponse {
    /// Why nothing was deleted.
    pub error: Option<GroupError>,
    /// Topics, each with partitions and why not.
    pub topics: Vec<(String, PartitionResults)>,
}

/// Kafka's errors about groups. The numbers are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum GroupError {
    /// Something that should not happen: a record is larger than the log takes.
    UnknownServerError = -1,
    /// No such topic or partition.
    UnknownTopicOrPartition = 3,
    /// What a consumer wrote beside its offset is longer than `offset.metadata.max.bytes`.
    OffsetMetadataTooLarge = 12,
    /// The coordinator still reads its partition.
    CoordinatorLoadInProgress = 14,
    /// The coordinator cannot serve the group now: it is being deleted, or its log takes no records.
    CoordinatorNotAvailable = 15,
    /// The receiver does not coordinate this group.
    NotCoordinator = 16,
    /// The member is of another generation.
    IllegalGeneration = 22,
    /// The protocols are none that all members know, or not those of the group.
    InconsistentGroupProtocol = 23,
    /// A group id that may not be.
    InvalidGroupId = 24,
    /// No such member.
    UnknownMemberId = 25,
    /// The session timeout is not between `group.min.session.timeout.ms` and `group.max.session.timeout.ms`.
    InvalidSessionTimeout = 26,
    /// A rebalance is under way: join again.
    RebalanceInProgress = 27,
    /// A field is longer than a record can hold.
    InvalidRequest = 42,
    /// The group has members.
    NonEmptyGroup = 68,
    /// No such group.
    GroupIdNotFound = 69,
    /// Join again, with the member id that comes with this error.
    MemberIdRequired = 79,
    /// The group has `group.max.size` members.
    GroupMaxSizeReached = 81,
    /// Another process is the static member of this name.
    FencedInstanceId = 82,
    /// A member consumes the topic.
    GroupSubscribedToTopic = 86,
}

impl GroupError {
    /// The number in the protocol.
    pub fn code(self) -> i16 {
        self as i16
    }
}

impl fmt::Display for GroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?} ({})", self.code())
    }
}

impl JoinGroupResponse {
    /// The answer that refuses.
    pub fn refused(error: GroupError, member_id: &str) -> Self {
        Self {
            error: Some(error),
            generation_id: NO_GENERATION,
            protocol_type: None,
            protocol_name: None,
            leader: String::new(),
            skip_assignment: false,
            member_id: member_id.into(),
            members: Vec::new(),
        }
    }
}

impl SyncGroupResponse {
    /// The answer that refuses.
    pub fn refused(error: GroupError) -> Self {
        Self { error: Some(error), protocol_type: None, protocol_name: None, assignment: Blob::from([]) }
    }
}

impl DescribedGroup {
    /// The answer that refuses. The state is `Dead` where the group is not there, and empty otherwise.
    pub fn refused(error: GroupError, group_id: &str) -> Self {
        Self {
            error: Some(error),
            group_id: group_id.into(),
            group_state: if error == GroupError::GroupIdNotFound { "Dead" } else { "" },
            protocol_type: String::new(),
            protocol_data: String::new(),
            members: Vec::new(),
        }
    }
}

impl OffsetFetchResponsePartition {
    /// No offset is committed.
    pub fn none(partition_index: i32) -> Self {
        Self {
            partition_index,
            committed_offset: NO_OFFSET,
            committed_leader_epoch: -1,
            metadata: String::new(),
        }
    }
}

impl OffsetCommit {
    /// The answer that says the same of all partitions.
    pub fn answered(&self, error: Option<GroupError>) -> Vec<OffsetCommitResponseTopic> {
        let topic = |topic: &OffsetCommitTopic| OffsetCommitResponseTopic {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions: topic.partitions.iter().map(|partition| (partition.partition_index, error)).collect(),
        };
        self.topics.iter().map(topic).collect()
    }
}

impl GroupRequest {
    /// The answer that refuses this request as a whole.
    pub fn refused(&self, error: GroupError) -> GroupResponse {
        match self {
            Self::Join(request) => GroupResponse::Join(JoinGroupResponse::refused(error, &request.member_id)),
            Self::Sync(_) => GroupResponse::Sync(SyncGroupResponse::refused(error)),
            Self::Heartbeat(_) => GroupResponse::Heartbeat(Some(error)),
            Self::Leave(_) => {
                GroupResponse::Leave(LeaveGroupResponse { error: Some(error), members: Vec::new() })
            }
            Self::OffsetCommit(request) => GroupResponse::OffsetCommit(request.answered(Some(error))),
            Self::OffsetFetch(request) => GroupResponse::OffsetFetch(OffsetFetchResponse {
                group_id: request.group_id.clone(),
                error: Some(error),
                topics: Vec::new(),
            }),
            Self::Describe(groups) => GroupResponse::Describe(
                groups.iter().map(|group| DescribedGroup::refused(error, group)).collect(),
            ),
            Self::List(_) => {
                GroupResponse::List(ListGroupsResponse { error: Some(error), groups: Vec::new() })
            }
            Self::Delete(groups) => {
                GroupResponse::Delete(groups.iter().map(|group| (group.clone(), Some(error))).collect())
            }
            Self::OffsetDelete(_) => {
                GroupResponse::OffsetDelete(OffsetDeleteResponse { error: Some(error), topics: Vec::new() })
            }
        }
    }
}
