//! Membership in a classic group: join, assign, heartbeat, leave.
//!
//! ```text
//!            join ──► JoinGroup ──► (leader: assign) ──► SyncGroup ──► stable: heartbeats
//!              ▲                                                          │
//!              └────────── REBALANCE_IN_PROGRESS, generation lost ◄───────┘
//! ```
//! A task of its own sends heartbeats, so that a member lives while its caller works on records; the rounds of a rebalance take place in
//! another, which [`super::Consumer::poll`] waits for. Rebalances are eager: what a member had is given back before it asks anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use highwater_core::group::assign::{
    Assignment, Member, StickyMember, Subscription, by_topic, decode_sticky, encode_sticky,
};
use highwater_wire::messages::join_group::request::JoinGroupRequestProtocol;
use highwater_wire::messages::join_group::response::JoinGroupResponseMember;
use highwater_wire::messages::leave_group::request::MemberIdentity;
use highwater_wire::messages::sync_group::request::SyncGroupRequestAssignment;
use highwater_wire::messages::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, OffsetCommitRequest,
    OffsetFetchRequest, SyncGroupRequest,
};
use highwater_wire::{ErrorCode, Request, Str};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::ConsumerConfig;
use crate::admin::{
    CommittedOffset, OFFSET_COMMIT_BY_NAME, OFFSET_FETCH_BY_NAME, committed, offset_fetch, offsets_of,
};
use crate::assign::{self, Assignor};
use crate::cluster::{Backoff, Cluster, Lane, TopicPartition};
use crate::connection::Connection;
use crate::error::{ClientError, check};

/// How long an answer to JoinGroup may come after its rebalance has timed out.
const JOIN_GRACE: Duration = Duration::from_secs(5);

/// What the tasks of a member share.
#[derive(Debug)]
pub(super) struct Group {
    cluster: Cluster,
    config: ConsumerConfig,
    id: Str,
    state: Mutex<State>,
    /// Something happened that a poll should see.
    pub(super) event: Notify,
}

#[derive(Debug)]
struct State {
    member_id: Str,
    /// -1 while it is not a member.
    generation: i32,
    coordinator: Option<i32>,
    /// It must join (again).
    rejoin: bool,
    /// Its partitions are others' already.
    lost: bool,
    fatal: Option<ClientError>,
    polled: Instant,
}

/// What a rebalance brought.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) assigned: Vec<TopicPartition>,
    /// Of the leader: how many partitions each topic had.
    pub(super) counts: Option<BTreeMap<Str, i32>>,
}

/// A member's side of its group.
#[derive(Debug)]
pub(super) struct Membership {
    pub(super) group: Arc<Group>,
    joining: Option<JoinHandle<Result<Joined, ClientError>>>,
    heartbeats: Option<JoinHandle<()>>,
    /// What it had in which generation, for `sticky`.
    previous: (Vec<TopicPartition>, i32),
}

impl Drop for Membership {
    fn drop(&mut self) {
        for task in [self.heartbeats.take()].into_iter().flatten() {
            task.abort();
        }
        if let Some(task) = self.joining.take() {
            task.abort();
        }
    }
}

impl Group {
    pub(super) fn new(cluster: Cluster, config: ConsumerConfig, id: Str) -> Self {
        let state = State {
            member_id: Str::new(),
            generation: -1,
            coordinator: None,
            rejoin: true,
            lost: false,
            fatal: None,
            polled: Instant::now(),
        };
        Self { cluster, config, id, state: Mutex::new(state), event: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn coordinator(&self, lane: Lane) -> Result<Connection, ClientError> {
        let known = self.lock().coordinator;
        let id = match known {
            Some(id) => id,
            None => {
                let id = self.cluster.coordinator(&self.id).await?;
                self.lock().coordinator = Some(id);
                id
            }
        };
        let connection = self.cluster.broker(id, lane).await;
        if connection.is_err() {
            self.lock().coordinator = None;
        }
        connection
    }

    /// Asks the coordinator. One that is not it any more is forgotten.
    async fn ask<R: Request>(
        &self,
        request: &R,
        highest: i16,
        wait: Duration,
        code: impl Fn(&R::Response) -> i16,
    ) -> Result<R::Response, ClientError> {
        let connection = self.coordinator(Lane::Group).await?;
        let answer = connection.ask_for(request, highest, wait).await;
        let result = answer.and_then(|answer| {
            check(R::API.name(), || format!("group {}", self.id), code(&answer), None).map(|()| answer)
        });
        if let Err(error) = &result {
            match error.code() {
                None
                | Some(
                    ErrorCode::NOT_COORDINATOR
                    | ErrorCode::COORDINATOR_NOT_AVAILABLE
                    | ErrorCode::REQUEST_TIMED_OUT,
                ) => {
                    self.lock().coordinator = None;
                }
                Some(ErrorCode::UNKNOWN_MEMBER_ID) => self.forget(),
                Some(ErrorCode::ILLEGAL_GENERATION) => {
                    let mut state = self.lock();
                    (state.generation, state.rejoin, state.lost) = (-1, true, true);
                }
                Some(ErrorCode::FENCED_INSTANCE_ID) => {
                    let mut state = self.lock();
                    (state.generation, state.lost, state.fatal) = (-1, true, Some(error.clone()));
                }
                _ => {}
            }
            self.event.notify_one();
        }
        result
    }

    /// It is no member any more.
    fn forget(&self) {
        let mut state = self.lock();
        state.member_id = Str::new();
        (state.generation, state.rejoin, state.lost) = (-1, true, true);
    }

    fn request_timeout(&self) -> Duration {
        self.cluster.config().connection.request_timeout
    }

    pub(super) fn polled(&self) {
        self.lock().polled = Instant::now();
    }

    pub(super) fn must_join(&self) -> bool {
        self.lock().rejoin
    }

    /// Asks for a rebalance, since partitions or subscriptions changed.
    pub(super) fn rejoin(&self) {
        self.lock().rejoin = true;
    }

    /// Whether partitions were lost rather than to be given back; asked once.
    pub(super) fn take_lost(&self) -> bool {
        std::mem::take(&mut self.lock().lost)
    }

    pub(super) fn fatal(&self) -> Option<ClientError> {
        self.lock().fatal.clone()
    }

    pub(super) fn is_member(&self) -> bool {
        self.lock().generation >= 0
    }

    /// Its id and generation.
    pub(super) fn identity(&self) -> (Str, i32) {
        let state = self.lock();
        (state.member_id.clone(), state.generation)
    }

    /// Commits offsets, as a member if it is one.
    pub(super) async fn commit(
        &self,
        offsets: &BTreeMap<TopicPartition, CommittedOffset>,
    ) -> Result<(), ClientError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let (member_id, generation) = self.identity();
        let request = OffsetCommitRequest {
            group_id: self.id.clone(),
            generation_id_or_member_epoch: generation,
            member_id: if generation < 0 { Str::new() } else { member_id },
            group_instance_id: self.config.group_instance_id.clone().filter(|_| generation >= 0),
            topics: committed(offsets),
            ..Default::default()
        };
        let first = |answer: &<OffsetCommitRequest as Request>::Response| {
            let mut partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            partitions.find(|partition| partition.error_code != 0).map_or(0, |partition| partition.error_code)
        };
        let ask = || self.ask(&request, OFFSET_COMMIT_BY_NAME, self.request_timeout(), first);
        // Offsets that are committed twice are the same.
        self.cluster.retry("OffsetCommit", true, ask).await.map(|_| ())
    }

    /// What the group committed for these partitions.
    pub(super) async fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, CommittedOffset>, ClientError> {
        let request = offset_fetch(&self.id, Some(partitions), None);
        let code = |answer: &<OffsetFetchRequest as Request>::Response| {
            answer.groups.first().map_or(answer.error_code, |group| group.error_code)
        };
        let ask = || self.ask(&request, OFFSET_FETCH_BY_NAME, self.request_timeout(), code);
        let answer = self.cluster.retry("OffsetFetch", true, ask).await?;
        offsets_of(&self.id, answer)
    }

    /// Leaves the group; a static member stays, and keeps its partitions until its session ends.
    pub(super) async fn leave(&self, reason: &'static str) -> Result<(), ClientError> {
        let (member_id, _) = self.identity();
        if member_id.is_empty() || self.config.group_instance_id.is_some() {
            return Ok(());
        }
        let member = MemberIdentity {
            member_id: member_id.clone(),
            group_instance_id: None,
            reason: Some(Str::from_static(reason)),
        };
        let request = LeaveGroupRequest { group_id: self.id.clone(), member_id, members: vec![member] };
        let left = self.ask(&request, i16::MAX, self.request_timeout(), |answer| answer.error_code).await;
        self.forget();
        left.map(|_| ())
    }
}

impl Membership {
    pub(super) fn new(group: Arc<Group>) -> Self {
        let heartbeats = Some(tokio::spawn(heartbeats(Arc::clone(&group))));
        Self { group, joining: None, heartbeats, previous: (Vec::new(), -1) }
    }

    pub(super) fn is_joining(&self) -> bool {
        self.joining.is_some()
    }

    /// Starts the rounds of a rebalance.
    pub(super) fn join(&mut self, topics: Vec<Str>) {
        {
            let mut state = self.group.lock();
            (state.rejoin, state.lost) = (false, false);
        }
        let group = Arc::clone(&self.group);
        let previous = self.previous.clone();
        self.joining = Some(tokio::spawn(async move { group.join(&topics, &previous).await }));
    }

    /// Waits for them. Pends while there are none.
    pub(super) async fn joined(&mut self) -> Result<Joined, ClientError> {
        let Some(task) = self.joining.as_mut() else { return std::future::pending().await };
        let result = task.await;
        self.joining = None;
        let joined = result.unwrap_or(Err(ClientError::Closed));
        match &joined {
            Ok(joined) => self.previous = (joined.assigned.clone(), self.group.identity().1),
            Err(_) => self.group.rejoin(),
        }
        joined
    }
}

async fn heartbeats(group: Arc<Group>) {
    loop {
        sleep(group.config.heartbeat_interval).await;
        let (member_id, generation, polled) = {
            let state = group.lock();
            (state.member_id.clone(), state.generation, state.polled)
        };
        if generation < 0 {
            continue;
        }
        if polled.elapsed() > group.config.max_poll_interval {
            // Whether the coordinator hears of it or not: the session ends.
            let _ = group.leave("the member did not poll within max.poll.interval.ms").await;
            continue;
        }
        let request = HeartbeatRequest {
            group_id: group.id.clone(),
            generation_id: generation,
            member_id,
            group_instance_id: group.config.group_instance_id.clone(),
        };
        let wait = group.config.session_timeout.min(group.request_timeout());
        // What an error means for the member is noted where it is heard.
        let heard = group.ask(&request, i16::MAX, wait, |answer| answer.error_code).await;
        if heard.is_err_and(|error| error.code() == Some(ErrorCode::REBALANCE_IN_PROGRESS)) {
            let mut state = group.lock();
            // One that was answered before the rebalance it speaks of ended says nothing of the next generation.
            if state.generation == generation {
                state.rejoin = true;
            }
            drop(state);
            group.event.notify_one();
        }
    }
}

impl Group {
    /// Joins, until it has an assignment or an error that does not pass.
    async fn join(
        &self,
        topics: &[Str],
        previous: &(Vec<TopicPartition>, i32),
    ) -> Result<Joined, ClientError> {
        self.lock().generation = -1;
        let mut backoff = Backoff::new(self.cluster.config());
        loop {
            let error = match self.round(topics, previous).await {
                Ok(joined) => return Ok(joined),
                Err(error) => error,
            };
            match error.code() {
                Some(
                    ErrorCode::MEMBER_ID_REQUIRED
                    | ErrorCode::UNKNOWN_MEMBER_ID
                    | ErrorCode::ILLEGAL_GENERATION
                    | ErrorCode::REBALANCE_IN_PROGRESS,
                ) => {
                    let mut state = self.lock();
                    (state.rejoin, state.lost) = (false, false);
                }
                _ if error.is_retriable() => sleep(backoff.next()).await,
                _ => return Err(error),
            }
        }
    }

    async fn round(
        &self,
        topics: &[Str],
        previous: &(Vec<TopicPartition>, i32),
    ) -> Result<Joined, ClientError> {
        let joined = self.ask_to_join(topics, previous).await?;
        let name = joined.protocol_name.clone().unwrap_or_default();
        let is_leader = joined.leader == joined.member_id;
        let mut counts = None;
        let mut assignments = Vec::new();
        if is_leader {
            let wanted = self.counts(&joined.members).await?;
            if !joined.skip_assignment {
                assignments = self.assignments(&name, &joined.members, &wanted)?;
            }
            counts = Some(wanted);
        }
        let request = SyncGroupRequest {
            group_id: self.id.clone(),
            generation_id: joined.generation_id,
            member_id: joined.member_id.clone(),
            group_instance_id: self.config.group_instance_id.clone(),
            protocol_type: Some(PROTOCOL_TYPE),
            protocol_name: Some(name),
            assignments,
        };
        let wait = self.config.max_poll_interval + JOIN_GRACE;
        let synced = self.ask(&request, i16::MAX, wait, |answer| answer.error_code).await?;
        let assignment = Assignment::decode(&synced.assignment).map_err(|malformed| {
            ClientError::Invalid(format!("the leader of group {} sent no assignment: {malformed}", self.id))
        })?;
        let assigned = assign::heard(assignment.assigned_partitions);
        let assigned = assigned.map(|(topic, partition)| TopicPartition::new(topic, partition)).collect();
        let mut state = self.lock();
        state.generation = joined.generation_id;
        Ok(Joined { assigned, counts })
    }

    async fn ask_to_join(
        &self,
        topics: &[Str],
        previous: &(Vec<TopicPartition>, i32),
    ) -> Result<JoinGroupResponse, ClientError> {
        let millis = |time: Duration| i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
        let protocol = |assignor: &Assignor| {
            let is_sticky = *assignor == Assignor::Sticky && !previous.0.is_empty();
            let user_data = is_sticky.then(|| encode_sticky(&assign::told(&previous.0), previous.1).into());
            let mut topics: Vec<String> = topics.iter().map(|topic| topic.to_string()).collect();
            topics.sort();
            // A member whose rebalances are eager owns nothing when it joins.
            let rack_id = self.config.rack.as_ref().map(|rack| rack.to_string());
            let subscription = Subscription { topics, user_data, rack_id, ..Subscription::default() };
            JoinGroupRequestProtocol {
                name: Str::from_static(assignor.name()),
                metadata: subscription.encode(CONSUMER_PROTOCOL).into(),
            }
        };
        let request = JoinGroupRequest {
            group_id: self.id.clone(),
            session_timeout_ms: millis(self.config.session_timeout),
            rebalance_timeout_ms: millis(self.config.max_poll_interval),
            member_id: self.lock().member_id.clone(),
            group_instance_id: self.config.group_instance_id.clone(),
            protocol_type: PROTOCOL_TYPE,
            protocols: self.config.assignors.iter().map(protocol).collect(),
            reason: None,
        };
        let wait = self.config.max_poll_interval + JOIN_GRACE;
        let asked = self.ask(&request, i16::MAX, wait, |answer| match ErrorCode(answer.error_code) {
            // Looked at below: the answer has the id.
            ErrorCode::MEMBER_ID_REQUIRED => 0,
            code => code.0,
        });
        let answer = asked.await?;
        self.lock().member_id = answer.member_id.clone();
        check("JoinGroup", || format!("group {}", self.id), answer.error_code, None)?;
        Ok(answer)
    }

    /// How many partitions the topics have that members subscribe to.
    async fn counts(&self, members: &[JoinGroupResponseMember]) -> Result<BTreeMap<Str, i32>, ClientError> {
        let mut topics: BTreeSet<Str> = BTreeSet::new();
        for member in members {
            topics.extend(subscription_of(&member.metadata).topics.into_iter().map(Str::from));
        }
        let topics: Vec<Str> = topics.into_iter().collect();
        counts(&self.cluster, &topics, self.config.create_topics).await
    }

    /// The leader's part: who gets what.
    fn assignments(
        &self,
        name: &str,
        members: &[JoinGroupResponseMember],
        counts: &BTreeMap<Str, i32>,
    ) -> Result<Vec<SyncGroupRequestAssignment>, ClientError> {
        let assignor = Assignor::named(name).ok_or_else(|| {
            ClientError::Invalid(format!(
                "group {} chose the assignor '{name}', expected one of range, roundrobin, sticky",
                self.id
            ))
        })?;
        let member = |member: &JoinGroupResponseMember| {
            let subscription = subscription_of(&member.metadata);
            let (owned, generation) = match (assignor, &subscription.user_data) {
                // What cannot be read is nothing: stickiness is a wish.
                (Assignor::Sticky, Some(user_data)) => decode_sticky(user_data).unwrap_or((Vec::new(), -1)),
                _ => (subscription.owned_partitions, subscription.generation_id),
            };
            let text = |text: &Str| text.to_string();
            let wants = Member {
                member_id: text(&member.member_id),
                group_instance_id: member.group_instance_id.as_ref().map(text),
                topics: subscription.topics.into_iter().collect(),
            };
            StickyMember { member: wants, owned: assign::heard(owned).collect(), generation }
        };
        let members: Vec<StickyMember> = members.iter().map(member).collect();
        let counts = counts.iter().map(|(topic, count)| (topic.to_string(), *count)).collect();
        let assigned = assignor.assign(&members, &counts).into_iter();
        let assignment = assigned.map(|(member_id, partitions)| {
            let assignment = Assignment { assigned_partitions: by_topic(&partitions), user_data: None };
            SyncGroupRequestAssignment {
                member_id: member_id.into(),
                assignment: assignment.encode(CONSUMER_PROTOCOL).into(),
            }
        });
        Ok(assignment.collect())
    }
}

/// What members of consumer groups say that they are.
const PROTOCOL_TYPE: Str = Str::from_static("consumer");

/// The version of what members tell each other.
const CONSUMER_PROTOCOL: i16 = 3;

/// A member's subscription. One that cannot be read wants nothing: it is the member's fault, not the group's.
fn subscription_of(metadata: &[u8]) -> Subscription {
    Subscription::decode(metadata).unwrap_or_default()
}

/// How many partitions these topics have. Topics that are not there are left out.
pub(super) async fn counts(
    cluster: &Cluster,
    topics: &[Str],
    create: bool,
) -> Result<BTreeMap<Str, i32>, ClientError> {
    let answer = cluster.retry("Metadata", true, || cluster.metadata(Some(topics), create)).await?;
    let known = answer.topics.iter().filter(|topic| topic.error_code == 0);
    let counted = known.filter_map(|topic| {
        let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        topic.name.clone().map(|name| (name, count))
    });
    Ok(counted.collect())
}
