//! Random runs: clients that join, sync, commit, leave, die and come back, writes that are late, fail or are not heard of, take-overs.
//! After each step, what always holds is checked:
//!
//! | claim | what |
//! |---|---|
//! | `answered-once` | no request is answered twice; after the end, each was |
//! | `one-leader` | of a coordinator's generation, one member is told to assign |
//! | `own-generation` | who gets an assignment gets its own, of the generation that it asked for |
//! | `kept` | who reads an offset reads the last acknowledged or read one, or one that was asked for after it; over take-overs, too |
//! | `loaded-same` | once nothing is under way, a fresh coordinator that loads the log knows what this one knows |
//! | `settles` | when nothing fails any more, the group becomes stable, with all that want to be in it |

use std::collections::BTreeMap;
use std::time::Duration;

use highwater_core::Dice;
use highwater_core::group::{
    Config, GroupError, GroupRequest, GroupResponse, Heartbeat, JoinGroup, LeaveGroup, LeavingMember,
    NO_GENERATION, OffsetCommit, OffsetCommitPartition, OffsetCommitTopic, OffsetDelete, OffsetFetch,
    OffsetFetchTopic, SyncGroup,
};
use highwater_core::partition::PartitionError;
use proptest::prelude::*;

use crate::tell;
use crate::world::{World, group_ids, look};

const GROUPS: [&str; 2] = ["g", "h"];
const CLIENTS: usize = 5;
const PARTITIONS: i32 = 2;

/// How a client stands, as it knows it.
#[derive(Debug, Clone, Default)]
struct Client {
    group: &'static str,
    instance: Option<String>,
    member_id: String,
    generation: i32,
    /// It is to bring assignments to these.
    assigns_to: Option<Vec<(String, Option<String>)>>,
    joined: bool,
    synced: bool,
    waits: bool,
}

/// An offset, since it was last known for certain.
#[derive(Debug, Clone, Default)]
struct History {
    /// Acknowledged; `None` if it is known to be none.
    acknowledged: Option<i64>,
    /// Asked for since, acknowledged or not.
    possible: Vec<Option<i64>>,
}

struct Run {
    world: World,
    clients: Vec<Client>,
    offsets: BTreeMap<(String, i32), History>,
    next_offset: i64,
    /// By take-over, group and generation: who was told to assign.
    leaders: BTreeMap<(i32, String, i32), String>,
    broken: Vec<String>,
    /// Clients do what they should.
    is_calm: bool,
}

impl Run {
    fn new() -> Self {
        let config = Config {
            initial_rebalance_delay: Duration::from_millis(100),
            session_timeout_min: Duration::from_millis(1),
            offsets_retention: Duration::from_secs(1_000_000),
            group_max_size: 4,
            ..Config::default()
        };
        let mut world = World::new(config);
        world.holds = true;
        let client = |index: usize| Client {
            group: GROUPS[usize::from(index == CLIENTS - 1)],
            instance: (index < 2).then(|| format!("static{index}")),
            ..Client::default()
        };
        Self {
            world,
            clients: (0..CLIENTS).map(client).collect(),
            offsets: BTreeMap::new(),
            next_offset: 0,
            leaders: BTreeMap::new(),
            broken: Vec::new(),
            is_calm: false,
        }
    }

    fn breaks(&mut self, claim: &str, why: String) {
        self.broken.push(format!("{claim}: {why}"));
    }

    fn ask(&mut self, index: usize, request: GroupRequest) {
        self.world.ask(&index.to_string(), request);
    }

    fn join(&mut self, index: usize, kind: u32) {
        let client = &mut self.clients[index];
        client.waits = true;
        client.synced = false;
        let metadata = if kind.is_multiple_of(5) { "changed" } else { "same" };
        let protocols = [("range", metadata), ("sticky", metadata)];
        let skipped = usize::from(kind.is_multiple_of(7));
        let protocol = |(name, text): &(&str, &str)| (name.to_string(), text.as_bytes().into());
        let request = JoinGroup {
            group_id: client.group.into(),
            session_timeout_ms: 3000,
            rebalance_timeout_ms: 5000,
            member_id: client.member_id.clone(),
            group_instance_id: client.instance.clone(),
            protocol_type: "consumer".into(),
            protocols: protocols[skipped..].iter().map(protocol).collect(),
            reason: None,
            client_id: format!("c{index}"),
            client_host: "/127.0.0.1".into(),
            requires_known_member_id: !kind.is_multiple_of(3),
            supports_skipping_assignment: !kind.is_multiple_of(2),
        };
        self.ask(index, GroupRequest::Join(request));
    }

    fn sync(&mut self, index: usize) {
        let client = &self.clients[index];
        let (group, generation, epoch) = (client.group, client.generation, self.world.epoch);
        // An assignment says whose it is, and of which generation of which coordinator.
        let assignment = |(member, instance): &(String, Option<String>)| {
            let whose = instance.as_ref().unwrap_or(member);
            (member.clone(), format!("{epoch}/{generation}/{whose}").as_bytes().into())
        };
        let request = SyncGroup {
            group_id: group.into(),
            generation_id: generation,
            member_id: client.member_id.clone(),
            group_instance_id: client.instance.clone(),
            protocol_type: None,
            protocol_name: None,
            assignments: client.assigns_to.iter().flatten().map(assignment).collect(),
        };
        self.ask(index, GroupRequest::Sync(request));
    }

    fn heartbeat(&mut self, index: usize) {
        let client = &self.clients[index];
        let request = Heartbeat {
            group_id: client.group.into(),
            generation_id: client.generation,
            member_id: client.member_id.clone(),
            group_instance_id: client.instance.clone(),
        };
        self.ask(index, GroupRequest::Heartbeat(request));
    }

    fn leave(&mut self, index: usize) {
        let client = &self.clients[index];
        let member = LeavingMember { member_id: client.member_id.clone(), ..Default::default() };
        let request = LeaveGroup { group_id: client.group.into(), members: vec![member] };
        self.ask(index, GroupRequest::Leave(request));
        self.clients[index].member_id.clear();
        self.clients[index].joined = false;
    }

    fn commit(&mut self, index: usize, partition: i32, as_member: bool) {
        self.next_offset += 1;
        let client = &self.clients[index];
        let place = OffsetCommitPartition {
            partition_index: partition,
            committed_offset: self.next_offset,
            committed_leader_epoch: -1,
            committed_metadata: None,
        };
        let history = self.offsets.entry((client.group.into(), partition)).or_default();
        history.possible.push(Some(self.next_offset));
        let request = OffsetCommit {
            group_id: client.group.into(),
            generation_id: if as_member { client.generation } else { NO_GENERATION },
            member_id: if as_member { client.member_id.clone() } else { String::new() },
            group_instance_id: client.instance.clone().filter(|_| as_member),
            retention_time_ms: -1,
            names_missing_group: true,
            topics: vec![OffsetCommitTopic {
                name: "t".into(),
                partitions: vec![place],
                ..Default::default()
            }],
        };
        self.ask(index, GroupRequest::OffsetCommit(request));
    }

    fn fetch(&mut self, index: usize, require_stable: bool) {
        let topic = OffsetFetchTopic {
            name: "t".into(),
            partition_indexes: (0..PARTITIONS).collect(),
            ..Default::default()
        };
        let group_id = self.clients[index].group.into();
        let request = OffsetFetch { group_id, topics: Some(vec![topic]), require_stable };
        self.ask(index, GroupRequest::OffsetFetch(request));
    }

    /// Everything that is kept for a group's partitions may go.
    fn may_lose(&mut self, group: &str, partition: Option<i32>) {
        for index in (0..PARTITIONS).filter(|index| partition.is_none_or(|only| only == *index)) {
            self.offsets.entry((group.into(), index)).or_default().possible.push(None);
        }
    }

    fn step(&mut self, choice: u32) {
        let (what, detail) = (choice % 100, choice / 100);
        let index = (detail % CLIENTS as u32) as usize;
        let detail = detail / CLIENTS as u32;
        let client = self.clients[index].clone();
        match what {
            0..=19 => self.join(index, detail),
            20..=37 if client.joined => self.sync(index),
            38..=49 if client.joined => self.heartbeat(index),
            50..=52 if client.joined => self.leave(index),
            // Its process is another: it has forgotten who it was.
            53..=55 => {
                self.clients[index] =
                    Client { group: client.group, instance: client.instance, ..Client::default() };
            }
            56..=63 => self.commit(index, detail as i32 % PARTITIONS, !detail.is_multiple_of(4)),
            64..=67 => self.fetch(index, detail.is_multiple_of(2)),
            68 => {
                self.may_lose(client.group, Some(0));
                let topics = vec![("t".into(), vec![0])];
                let request = OffsetDelete { group_id: client.group.into(), topics };
                self.ask(index, GroupRequest::OffsetDelete(request));
            }
            69 => {
                self.may_lose(client.group, None);
                self.ask(index, GroupRequest::Delete(vec![client.group.into()]));
            }
            70..=75 => self.world.elapse(Duration::from_millis(u64::from(detail % 2000))),
            76..=85 => self.world.append(None),
            86..=94 => self.world.commit(),
            95 => {
                let errors = [
                    PartitionError::NotEnoughReplicas,
                    PartitionError::MessageTooLarge,
                    PartitionError::StorageError,
                ];
                self.world.append(Some(errors[detail as usize % errors.len()]));
            }
            96 if !self.world.appended.is_empty() => {
                self.world.time_out(detail as usize % self.world.appended.len());
            }
            97 => self.world.commit_as(Some(PartitionError::NotEnoughReplicasAfterAppend)),
            98 if detail.is_multiple_of(3) => {
                // Anything that is not committed may be lost with a leader, from some point on.
                let open = self.world.log.len() - self.world.committed;
                let keep = self.world.committed + detail as usize / 3 % (open + 1);
                self.world.fail_over(keep).expect("what was written can be read");
            }
            _ => {}
        }
        self.listen();
    }

    /// Clients learn from answers; what they say is checked.
    fn listen(&mut self) {
        while let Some((who, request, response)) = self.world.answers.pop_front() {
            let index: usize = who.parse().expect("a client");
            match (request, response) {
                (GroupRequest::Join(request), GroupResponse::Join(response)) => {
                    let is_repeated = response.error == Some(GroupError::RebalanceInProgress);
                    let is_current = self.clients[index].member_id == request.member_id;
                    if response.error.is_none()
                        && response.leader == response.member_id
                        && !response.skip_assignment
                    {
                        let key = (self.world.epoch, request.group_id.clone(), response.generation_id);
                        let leader = self.leaders.entry(key.clone()).or_insert(response.member_id.clone());
                        if *leader != response.member_id {
                            let why = format!("{key:?} is led by {leader} and {}", response.member_id);
                            self.breaks("one-leader", why);
                        }
                    } else if !response.members.is_empty() && !response.skip_assignment {
                        self.breaks("one-leader", format!("{} learns of all members", response.member_id));
                    }
                    let client = &mut self.clients[index];
                    client.waits = false;
                    if !is_current || is_repeated {
                        continue;
                    }
                    match response.error {
                        None => {
                            let members = response.members.into_iter();
                            let members = members.map(|member| (member.member_id, member.group_instance_id));
                            let members: Vec<_> = members.collect();
                            client.assigns_to =
                                (!members.is_empty() && !response.skip_assignment).then_some(members);
                            client.member_id = response.member_id;
                            client.generation = response.generation_id;
                            client.joined = true;
                            client.synced = false;
                        }
                        Some(GroupError::MemberIdRequired) => client.member_id = response.member_id,
                        Some(GroupError::UnknownMemberId | GroupError::FencedInstanceId) => {
                            client.member_id.clear();
                            client.joined = false;
                        }
                        Some(_) => {}
                    }
                }
                (GroupRequest::Sync(request), GroupResponse::Sync(response)) => {
                    let assignment = tell::text(&response.assignment);
                    let whose = request.group_instance_id.as_ref().unwrap_or(&request.member_id);
                    let of = format!("/{}/{whose}", request.generation_id);
                    // A generation that was formed without its leader's knowing everybody leaves nobody out.
                    if response.error.is_none() && !assignment.ends_with(&of) {
                        self.breaks("own-generation", format!("{of} gets {assignment:?}"));
                    }
                    let client = &mut self.clients[index];
                    if client.member_id == request.member_id && client.generation == request.generation_id {
                        client.synced = response.error.is_none();
                        client.waits &= !self.is_calm;
                        self.obey(index, response.error);
                    }
                }
                (GroupRequest::Heartbeat(_), GroupResponse::Heartbeat(error)) => self.obey(index, error),
                (GroupRequest::OffsetCommit(request), GroupResponse::OffsetCommit(topics)) => {
                    let (partition, error) = topics[0].partitions[0];
                    let offset = request.topics[0].partitions[0].committed_offset;
                    let history = self.offsets.entry((request.group_id, partition)).or_default();
                    if error.is_none() {
                        history.acknowledge(Some(offset));
                    }
                }
                (GroupRequest::OffsetFetch(request), GroupResponse::OffsetFetch(response)) => {
                    // With an error there are no topics.
                    for partition in response.topics.iter().flat_map(|topic| &topic.partitions) {
                        let (index, offset) = (partition.partition_index, partition.committed_offset);
                        self.check_offset(&request.group_id, index, offset);
                    }
                }
                // Another group of the name begins with generation 1 again. Whether this one is gone is not certain if the write timed out.
                (GroupRequest::Delete(groups), _) => {
                    self.leaders.retain(|(_, group, _), _| *group != groups[0]);
                }
                _ => {}
            }
        }
        if self.world.answered_twice {
            self.breaks("answered-once", "a request was answered twice".into());
        }
    }

    /// A client does what an error tells it to; those of a random run do not always.
    fn obey(&mut self, index: usize, error: Option<GroupError>) {
        let client = &mut self.clients[index];
        if self.is_calm && error.is_some() {
            client.joined = false;
            client.synced = false;
            if let Some(GroupError::UnknownMemberId | GroupError::FencedInstanceId) = error {
                client.member_id.clear();
            }
        }
    }

    fn check_offset(&mut self, group: &str, partition: i32, offset: i64) {
        let history = self.offsets.entry((group.into(), partition)).or_default();
        let read = Some(offset).filter(|offset| *offset >= 0);
        if read != history.acknowledged && !history.possible.contains(&read) {
            let why = format!("{group}/{partition} is {offset}, of {history:?}");
            self.breaks("kept", why);
        } else if read != history.acknowledged {
            // Who has read it may act on it.
            history.acknowledge(read);
        }
    }

    /// Nothing is under way any more, and a fresh coordinator knows the same.
    fn check_loaded(&mut self) {
        while !self.world.asked.is_empty() || !self.world.appended.is_empty() {
            self.world.append(None);
            self.world.commit();
        }
        // What timed out is committed with whatever comes after it.
        let place = OffsetCommitPartition {
            partition_index: 0,
            committed_offset: 0,
            committed_leader_epoch: -1,
            committed_metadata: None,
        };
        let topics = vec![OffsetCommitTopic { partitions: vec![place], ..Default::default() }];
        let request = OffsetCommit {
            group_id: "other".into(),
            generation_id: NO_GENERATION,
            member_id: String::new(),
            group_instance_id: None,
            retention_time_ms: -1,
            names_missing_group: true,
            topics,
        };
        self.ask(0, GroupRequest::OffsetCommit(request));
        self.world.append(None);
        self.world.commit();
        self.listen();
        let (mut fresh, _) = self.world.fresh().expect("what was written can be read");
        let now = self.world.now;
        for id in GROUPS {
            let fetch = GroupRequest::OffsetFetch(OffsetFetch { group_id: id.into(), ..Default::default() });
            let known = look(&mut self.world.core, now, fetch.clone());
            let loaded = look(&mut fresh, now, fetch);
            if known != loaded {
                self.breaks("loaded-same", format!("{known:?} is loaded as {loaded:?}"));
            }
            let describe = GroupRequest::Describe(vec![id.into()]);
            let known = look(&mut self.world.core, now, describe.clone());
            let loaded = look(&mut fresh, now, describe);
            let GroupResponse::Describe(groups) = &known else { continue };
            if groups[0].group_state == "Stable" && known != loaded {
                self.breaks("loaded-same", format!("{known:?} is loaded as {loaded:?}"));
            }
        }
        if !group_ids(&mut fresh, now).is_subset(&group_ids(&mut self.world.core, now)) {
            self.breaks("loaded-same", "a group is loaded that is not there".into());
        }
    }

    /// From now on nothing fails, and clients do what they should: groups become stable, with everybody in it.
    fn calm_down(&mut self) {
        self.world.holds = false;
        self.is_calm = true;
        while !self.world.asked.is_empty() || !self.world.appended.is_empty() {
            self.world.append(None);
            self.world.commit();
        }
        // Whatever was asked before, nobody waits for it any more.
        self.world.elapse(Duration::from_secs(20));
        self.listen();
        self.clients.iter_mut().for_each(|client| client.waits = false);
        for _ in 0..40 {
            for index in 0..CLIENTS {
                let client = &self.clients[index];
                match (client.waits, client.joined, client.synced) {
                    (true, _, _) => {}
                    (_, false, _) => self.join(index, 1),
                    (_, true, false) => {
                        self.clients[index].waits = true;
                        self.sync(index);
                    }
                    (_, true, true) => self.heartbeat(index),
                }
                self.listen();
            }
            self.world.elapse(Duration::from_millis(500));
            self.listen();
        }
    }

    /// Everybody is in a stable group, and nobody else is.
    fn has_settled(&mut self) -> bool {
        let now = self.world.now;
        let describe = GroupRequest::Describe(GROUPS.map(String::from).into());
        let GroupResponse::Describe(groups) = look(&mut self.world.core, now, describe) else { return false };
        let is_in = |client: &Client| {
            let group = groups.iter().find(|group| group.group_id == client.group).expect("it was asked for");
            group.group_state == "Stable"
                && client.synced
                && group.members.iter().any(|member| member.member_id == client.member_id)
        };
        let members: usize = groups.iter().map(|group| group.members.len()).sum();
        members == CLIENTS && self.clients.iter().all(is_in)
    }
}

impl History {
    fn acknowledge(&mut self, offset: Option<i64>) {
        // What was asked for before cannot come back.
        if let Some(at) = self.possible.iter().position(|possible| *possible == offset) {
            self.acknowledged = offset;
            self.possible.drain(..=at);
        }
    }
}

fn run(choices: &[u32]) -> Result<Run, TestCaseError> {
    let mut run = Run::new();
    for (step, choice) in choices.iter().enumerate() {
        run.step(*choice);
        prop_assert!(run.broken.is_empty(), "step {}: {:?}\n{}", step, run.broken, story(&choices[..=step]));
    }
    Ok(run)
}

/// The same run with all that happened in it.
fn story(choices: &[u32]) -> String {
    let mut run = Run::new();
    run.world.transcript = Some(Vec::new());
    for choice in choices {
        run.step(*choice);
    }
    run.world.transcript.unwrap_or_default().join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_claim_holds(choices in proptest::collection::vec(any::<u32>(), 1..250)) {
        let mut run = run(&choices)?;
        run.check_loaded();
        prop_assert!(run.broken.is_empty(), "{:?}\n{}", run.broken, story(&choices));
        // Whoever waits is told when the coordinator is another.
        run.world.core.unlead(run.world.now);
        run.world.settle();
        prop_assert!(run.world.waiting.is_empty(), "no answer: {:?}", run.world.waiting);
        prop_assert!(!run.world.answered_twice);
    }

    #[test]
    fn groups_settle_once_nothing_fails(choices in proptest::collection::vec(any::<u32>(), 1..250)) {
        let mut run = run(&choices)?;
        run.calm_down();
        prop_assert!(run.broken.is_empty(), "{:?}\n{}", run.broken, story(&choices));
        prop_assert!(run.has_settled(), "{:#?}\n{}", run.clients, settling(&choices));
    }
}

/// The same run with all that happened until it was to have settled.
fn settling(choices: &[u32]) -> String {
    let mut run = Run::new();
    for choice in choices {
        run.step(*choice);
    }
    run.world.transcript = Some(Vec::new());
    run.calm_down();
    run.world.transcript.unwrap_or_default().join("\n")
}

/// So that the claims do not hold for want of anything to claim: what a few hundred runs must have come by.
#[test]
fn random_runs_come_by_everything() {
    let mut dice = Dice::new(1);
    let mut story = String::new();
    for _ in 0..300 {
        let choices: Vec<u32> = (0..250).map(|_| dice.roll() as u32).collect();
        story += &super::random::story(&choices);
    }
    let wanted = [
        "skip-assignment",
        "generation=5",
        "sync ok",
        "sync CoordinatorNotAvailable",
        "sync RebalanceInProgress",
        "sync NotCoordinator",
        "sync IllegalGeneration",
        "sync FencedInstanceId",
        "join CoordinatorNotAvailable",
        "join FencedInstanceId",
        "join GroupMaxSizeReached",
        "protocol=sticky",
        "commit [t/0 ok]",
        "commit [t/0 IllegalGeneration",
        "commit [t/0 CoordinatorNotAvailable",
        "commit [t/0 NotCoordinator",
        "commit [t/0 RebalanceInProgress",
        "delete [g ok]",
        "delete [g CoordinatorNotAvailable",
        "leave CoordinatorNotAvailable",
        "offset-delete ok",
    ];
    for what in wanted {
        assert!(story.contains(what), "no run came by {what:?}");
    }
}
