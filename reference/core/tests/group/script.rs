//! Transcripts: clients and a coordinator, told step by step. One behaviour a file, in `tests/scripts/group`.
//!
//! A command is a client's request (`join a`, `commit a t/0=5`), time that passes, or what becomes of the coordinator's writes. A
//! client knows its member id and its generation from the last answer unless a command says otherwise. A line of output is an
//! answer (`a <- join ok member=a1 generation=1 ...`; a member id is told as the client's name and a number), or what the coordinator wants appended.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::time::Duration;

use goldenscript::{ArgumentConsumer, Command, Context, Runner};
use highwater_core::Uuid;
use highwater_core::group::{
    Config, GroupRequest, GroupResponse, Heartbeat, JoinGroup, LeaveGroup, LeavingMember, ListGroups,
    NO_GENERATION, OffsetCommit, OffsetCommitPartition, OffsetCommitTopic, OffsetDelete, OffsetFetch,
    OffsetFetchTopic, SyncGroup,
};
use highwater_core::partition::PartitionError;

use crate::bytes;
use crate::world::World;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What a client knows of itself.
#[derive(Clone, Default)]
struct Client {
    member_id: String,
    generation: i32,
}

struct Script {
    world: World,
    clients: BTreeMap<String, Client>,
}

impl Script {
    fn new() -> Self {
        Self { world: world(config()), clients: BTreeMap::new() }
    }

    fn step(&mut self, name: &str, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        match name {
            "coordinator" => self.coordinator(args)?,
            "join" => self.join(args)?,
            "sync" => self.sync(args)?,
            "heartbeat" => {
                let who = next(args, "which client?")?;
                let (member_id, generation_id) = self.identity(&who, args)?;
                let group_instance_id = args.take_key("instance").map(Into::into);
                let group_id = group(args);
                self.ask(
                    &who,
                    GroupRequest::Heartbeat(Heartbeat {
                        group_id,
                        generation_id,
                        member_id,
                        group_instance_id,
                    }),
                );
            }
            "leave" => self.leave(args)?,
            "commit" => self.commit(args)?,
            "fetch" => self.fetch(args)?,
            "describe" | "delete" => {
                let mut groups = Vec::new();
                while let Some(group) = args.next_pos() {
                    groups.push(group.to_string());
                }
                let request = if name == "delete" { GroupRequest::Delete } else { GroupRequest::Describe };
                self.ask("admin", request(groups));
            }
            "list" => {
                let words = |key: Option<&str>| key.map_or_else(Vec::new, |text| split(text, ','));
                let states_filter = words(args.take_key("states"));
                let types_filter = words(args.take_key("types"));
                self.ask("admin", GroupRequest::List(ListGroups { states_filter, types_filter }));
            }
            "offset-delete" => {
                let group_id = group(args);
                let mut topics = Vec::new();
                while let Some(place) = args.next_pos() {
                    let (topic, index) = place.split_once('/').ok_or("topic/partition")?;
                    topics.push((topic.to_string(), vec![index.parse()?]));
                }
                self.ask("admin", GroupRequest::OffsetDelete(OffsetDelete { group_id, topics }));
            }
            "forget-topic" => {
                let topic = next(args, "which topic?")?;
                self.world.core.forget_topic(self.world.now, &topic);
                self.world.settle();
                self.note();
            }
            "elapse" => {
                let time = Duration::from_millis(args.take_key("ms").ok_or("ms=?")?.parse()?);
                self.world.elapse(time);
                self.note();
            }
            "hold" => self.world.holds = true,
            "release" => {
                let refusal = args.next_pos().map(error).transpose()?;
                while !self.world.asked.is_empty() {
                    self.release(refusal);
                }
            }
            "go" => {
                self.world.holds = false;
                while !self.world.asked.is_empty() {
                    self.release(None);
                }
            }
            "release-one" => {
                let refusal = args.next_pos().map(error).transpose()?;
                self.release(refusal);
            }
            "fail-over" => {
                let loaded = self.world.fail_over(self.world.log.len())?;
                self.world.tell(|_| format!("loaded {} records", loaded.applied));
                self.note();
            }
            "begin-load" => {
                self.world.core.begin_load(self.world.now);
                self.world.settle();
            }
            "unlead" => {
                self.world.core.unlead(self.world.now);
                self.world.settle();
                self.note();
            }
            // The log of some other coordinator: what Kafka wrote.
            "load-samples" => {
                self.world.log = bytes::samples();
                self.world.committed = 0;
                let loaded = self.world.fail_over(self.world.log.len())?;
                self.world
                    .tell(|_| format!("loaded {}, passed over {:?}", loaded.applied, loaded.passed_over));
            }
            _ => return Err(format!("unknown command {name}").into()),
        }
        Ok(())
    }

    /// The oldest write is carried out, or fails: before it is appended, or after.
    fn release(&mut self, refusal: Option<PartitionError>) {
        match refusal {
            Some(PartitionError::RequestTimedOut) => {
                self.world.append(None);
                self.world.time_out(0);
            }
            Some(error @ PartitionError::NotEnoughReplicasAfterAppend) => {
                self.world.append(None);
                self.world.commit_as(Some(error));
            }
            Some(error) => self.world.append(Some(error)),
            None => {
                self.world.append(None);
                self.world.commit();
            }
        }
        self.note();
    }

    fn coordinator(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        let mut config = config();
        let mut millis = |key: &str, into: &mut Duration| -> Outcome<()> {
            if let Some(value) = args.take_key(key) {
                *into = Duration::from_millis(value.parse()?);
            }
            Ok(())
        };
        millis("delay", &mut config.initial_rebalance_delay)?;
        millis("retention", &mut config.offsets_retention)?;
        millis("check", &mut config.offsets_retention_check_interval)?;
        config.group_max_size = args.take_key("max-size").map_or(Ok(100), str::parse)?;
        config.offset_metadata_max = args.take_key("metadata-max").map_or(Ok(4096), str::parse)?;
        self.world = world(config);
        self.clients.clear();
        Ok(())
    }

    fn ask(&mut self, who: &str, request: GroupRequest) {
        self.world.ask(who, request);
        self.note();
    }

    /// Clients learn from answers.
    fn note(&mut self) {
        while let Some((who, _, response)) = self.world.answers.pop_front() {
            if let GroupResponse::Join(response) = response {
                let client = self.clients.entry(who).or_default();
                if !response.member_id.is_empty() {
                    client.member_id = response.member_id;
                }
                client.generation = response.generation_id;
            }
        }
    }

    /// Who a client says it is: what it knows, unless told otherwise.
    fn identity(&mut self, who: &str, args: &mut ArgumentConsumer<'_>) -> Outcome<(String, i32)> {
        let client = self.clients.get(who).cloned().unwrap_or_default();
        let member = match args.take_key("member") {
            Some("none") => String::new(),
            Some(name) => self.world.names.long(name),
            None => client.member_id,
        };
        let generation = args.take_key("generation").map_or(Ok(client.generation), str::parse)?;
        Ok((member, generation))
    }

    fn join(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        let who = next(args, "which client?")?;
        let (member_id, _) = self.identity(&who, args)?;
        let protocols = split(args.take_key("protocols").unwrap_or("range:t"), ',');
        let protocol = |text: &String| {
            let (name, metadata) = text.split_once(':').unwrap_or((text, ""));
            (name.to_string(), metadata.as_bytes().into())
        };
        let version: i16 = args.take_key("version").map_or(Ok(9), str::parse)?;
        let subscription = args.take_key("subscribes").map(|topics| subscription(&split(topics, ',')));
        let mut protocols: Vec<_> = protocols.iter().filter(|text| !text.is_empty()).map(protocol).collect();
        if let Some(subscription) = subscription {
            protocols = vec![("range".to_string(), subscription.as_slice().into())];
        }
        let request = JoinGroup {
            group_id: group(args),
            session_timeout_ms: args.take_key("session").map_or(Ok(10_000), str::parse)?,
            rebalance_timeout_ms: args.take_key("rebalance").map_or(Ok(60_000), str::parse)?,
            member_id,
            group_instance_id: args.take_key("instance").map(Into::into),
            protocol_type: args.take_key("type").unwrap_or("consumer").into(),
            protocols,
            reason: None,
            client_id: who.clone(),
            client_host: "/127.0.0.1".into(),
            requires_known_member_id: version >= 4,
            supports_skipping_assignment: version >= 9,
        };
        self.ask(&who, GroupRequest::Join(request));
        Ok(())
    }

    fn sync(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        let who = next(args, "which client?")?;
        let (member_id, generation_id) = self.identity(&who, args)?;
        let request = SyncGroup {
            group_id: group(args),
            generation_id,
            member_id,
            group_instance_id: args.take_key("instance").map(Into::into),
            protocol_type: Some(args.take_key("type").unwrap_or("consumer").into()),
            protocol_name: args.take_key("protocol").map(Into::into),
            assignments: {
                let mut assignments = Vec::new();
                while let Some((member, what)) = args.next_key() {
                    assignments.push((self.world.names.long(member), what.as_bytes().into()));
                }
                assignments
            },
        };
        self.ask(&who, GroupRequest::Sync(request));
        Ok(())
    }

    /// `leave a b`: these clients; `leave instance=i`: a static member, by an administrator.
    fn leave(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        let group_id = group(args);
        let mut members = Vec::new();
        if let Some(instance) = args.take_key("instance") {
            members.push(LeavingMember { group_instance_id: Some(instance.into()), ..Default::default() });
        }
        let mut names = Vec::new();
        while let Some(who) = args.next_pos() {
            let member_id = self.clients.get(who).cloned().unwrap_or_default().member_id;
            names.push(who);
            members.push(LeavingMember { member_id, ..Default::default() });
        }
        let who = names.first().copied().unwrap_or("admin").to_string();
        self.ask(&who, GroupRequest::Leave(LeaveGroup { group_id, members }));
        Ok(())
    }

    /// `commit a t/0=5`: as a member; `commit nobody t/0=5`: as nobody.
    fn commit(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        let who = next(args, "which client?")?;
        let (mut member_id, mut generation_id) = self.identity(&who, args)?;
        if who == "nobody" {
            (member_id, generation_id) = (String::new(), NO_GENERATION);
        }
        let group_id = group(args);
        let metadata = args.take_key("metadata").map(str::to_string);
        let topic_id = Uuid(args.take_key("topic-id").map_or(Ok(0), str::parse)?);
        let request = OffsetCommit {
            group_id,
            generation_id,
            member_id,
            group_instance_id: args.take_key("instance").map(Into::into),
            retention_time_ms: args.take_key("retention").map_or(Ok(-1), str::parse)?,
            names_missing_group: args.take_key("version").map_or(Ok(9), str::parse::<i16>)? >= 9,
            topics: {
                let mut topics = Vec::new();
                while let Some((place, offset)) = args.next_key() {
                    let (name, index) = place.split_once('/').ok_or("topic/partition=offset")?;
                    let partition = OffsetCommitPartition {
                        partition_index: index.parse()?,
                        committed_offset: offset.parse()?,
                        committed_leader_epoch: -1,
                        committed_metadata: metadata.clone(),
                    };
                    topics.push(OffsetCommitTopic {
                        name: name.into(),
                        topic_id,
                        partitions: vec![partition],
                    });
                }
                topics
            },
        };
        self.ask(&who, GroupRequest::OffsetCommit(request));
        Ok(())
    }

    fn fetch(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        let group_id = group(args);
        let require_stable = args.take_key("stable").is_some();
        let topic_id = Uuid(args.take_key("topic-id").map_or(Ok(0), str::parse)?);
        let mut topics = Vec::new();
        while let Some(place) = args.next_pos() {
            let (name, index) = place.split_once('/').ok_or("topic/partition")?;
            topics.push(OffsetFetchTopic {
                name: name.into(),
                topic_id,
                partition_indexes: vec![index.parse()?],
            });
        }
        let topics = (!topics.is_empty()).then_some(topics);
        self.ask("reader", GroupRequest::OffsetFetch(OffsetFetch { group_id, topics, require_stable }));
        Ok(())
    }
}

/// Kafka's, except that nobody waits for others to join a group that was empty.
fn config() -> Config {
    Config { initial_rebalance_delay: Duration::ZERO, ..Config::default() }
}

fn world(config: Config) -> World {
    let mut world = World::new(config);
    world.transcript = Some(Vec::new());
    world
}

/// A ConsumerProtocolSubscription, version 0.
fn subscription(topics: &[String]) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    bytes.extend((topics.len() as i32).to_be_bytes());
    for topic in topics {
        bytes.extend((topic.len() as i16).to_be_bytes());
        bytes.extend(topic.as_bytes());
    }
    bytes.extend((-1_i32).to_be_bytes());
    bytes
}

fn next(args: &mut ArgumentConsumer<'_>, what: &'static str) -> Outcome<String> {
    Ok(args.next_pos().ok_or(what)?.to_string())
}

fn group(args: &mut ArgumentConsumer<'_>) -> String {
    args.take_key("group").unwrap_or("g").into()
}

fn split(text: &str, by: char) -> Vec<String> {
    text.split(by).map(str::to_string).collect()
}

fn error(name: &str) -> Outcome<PartitionError> {
    Ok(match name {
        "timed-out" => PartitionError::RequestTimedOut,
        "too-few" => PartitionError::NotEnoughReplicas,
        "too-few-after" => PartitionError::NotEnoughReplicasAfterAppend,
        "too-large" => PartitionError::MessageTooLarge,
        "not-leader" => PartitionError::NotLeaderOrFollower,
        _ => return Err(format!("no error is called {name}").into()),
    })
}

impl Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Outcome<String> {
        let mut args = command.consume_args();
        self.step(&command.name, &mut args)?;
        args.reject_next()?;
        let lines = self.world.transcript.as_mut().map(std::mem::take).unwrap_or_default();
        if self.world.answered_twice {
            return Err("a request was answered twice".into());
        }
        Ok(lines.iter().map(|line| format!("{line}\n")).collect())
    }
}

/// Where a transcript stands.
fn path(name: &str) -> String {
    format!("{}/tests/scripts/group/{name}", env!("CARGO_MANIFEST_DIR"))
}

macro_rules! transcripts {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                goldenscript::run(&mut Script::new(), path(stringify!($name))).expect("a transcript");
            }
        )*

        #[test]
        fn every_transcript_is_run() {
            let names: BTreeSet<String> = [$(stringify!($name).to_string()),*].into();
            let files = std::fs::read_dir(path("")).expect("transcripts");
            let files = files.map(|file| file.expect("a file").file_name().into_string().expect("a name")).collect();
            assert_eq!(names, files);
        }
    };
}

transcripts! {
    assignment_brought_twice_is_the_first
    assignment_overtaken_by_a_rebalance_is_not_given_out
    assignment_that_cannot_be_written_is_not_given_out
    commit_is_acknowledged_and_read_when_written
    commit_of_group_without_members
    commit_says_how_long_to_keep
    commit_that_fails_leaves_what_was
    commit_with_too_much_metadata
    delete_group_only_if_empty
    delete_group_rests_on_nothing_under_way
    delete_group_that_fails_leaves_it
    delete_group_that_times_out_is_repeated
    delete_group_that_times_out_is_repeated_though_nobody_asks
    delete_offsets_of_topics_not_read
    fail_over_goes_on_with_what_is_written
    followers_wait_for_the_leaders_assignment
    generation_of_the_past_is_told
    generation_without_assignments_is_forgotten
    group_size_is_limited
    initial_delay_is_prolonged_while_members_come
    join_sync_heartbeat_of_one_member
    leave_begins_a_rebalance_and_the_last_empties
    leave_of_several_at_once
    load_is_waited_for
    load_of_kafkas_records
    member_id_required_before_joining
    offset_of_another_topic_of_the_name_is_not_found
    offsets_expire_of_topics_no_longer_read
    offsets_expire_with_the_group
    offsets_of_simple_groups_expire_one_by_one
    protocol_is_what_most_prefer
    rebalance_drops_who_does_not_join
    repeated_join_is_answered_as_before
    requests_are_checked
    session_ends_of_silent_member
    session_rests_while_answer_is_owed
    static_leader_comes_back_and_does_not_assign
    static_member_comes_back_without_rebalance
    static_member_replaced_before_assignment_begins_a_rebalance
    static_member_that_cannot_be_written_begins_a_rebalance
    static_member_with_other_protocols_begins_a_rebalance
    static_members_absent_are_not_dropped
    sync_timeout_drops_who_does_not_ask
    unknown_member_is_told
    unlead_answers_who_waits
}
