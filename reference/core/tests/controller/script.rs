//! Transcripts: commands in, records and answers out. One behaviour a file under `tests/scripts/controller`.

use std::error::Error;
use std::time::Duration;

use goldenscript::{ArgumentConsumer, Command, Context, Runner};
use highwater_core::controller::{
    ConfigChange, ConfigOperation, ConfigResource, ControllerRequest, ElectionKind, MorePartitions, NewTopic,
    Rules, TopicReference,
};
use highwater_core::partition::{AlterPartition, LeaderRecovery};
use highwater_core::{NodeId, Uuid};

use crate::invariants::{self, Before};
use crate::tell;
use crate::world::{Event, World, config, config_with_elr, registration};

type Failure = Box<dyn Error>;

/// Runs a script; what always holds is checked after every command.
struct Script {
    world: World,
    before: Before,
}

impl Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, _context: &Context) -> Result<String, Failure> {
        let mut args = command.consume_args();
        let events = match command.name.as_str() {
            "cluster" => self.cluster(&mut args)?,
            "register" => self.register(&mut args)?,
            "heartbeat" => self.heartbeat(&mut args)?,
            "unregister" => self.world.ask(ControllerRequest::UnregisterBroker(node(&mut args)?)),
            "create" => self.create(&mut args)?,
            "delete" => {
                let name = name(&mut args)?;
                self.world.ask(ControllerRequest::DeleteTopics(vec![TopicReference::Name(name)]))
            }
            "partitions" => self.partitions(&mut args)?,
            "alter" => self.alter(&mut args)?,
            "elect" => self.elect(&mut args)?,
            "config" => self.config(&mut args)?,
            "feature" => self.feature(&mut args)?,
            "producer-ids" => {
                let broker = node(&mut args)?;
                let known = self.world.image().broker(broker).map_or(-1, |broker| broker.epoch);
                let broker_epoch = key(&mut args, "epoch", known)?;
                self.world.ask(ControllerRequest::AllocateProducerIds { broker, broker_epoch })
            }
            "elapse" => {
                let seconds: f64 = args.next_pos().ok_or("seconds?")?.parse()?;
                self.world.elapse(Duration::from_secs_f64(seconds))
            }
            "hold" => {
                self.world.commits = false;
                Vec::new()
            }
            "release" => {
                self.world.commits = true;
                self.world.settle()
            }
            "commit" => {
                let end = self.world.end();
                let upto = key(&mut args, "upto", end)?;
                self.world.commit(upto)
            }
            "lead" => self.lead(&mut args)?,
            "unlead" => self.world.unlead(),
            "restart" => {
                let at = controller(&mut args)?;
                let from_snapshot = flag(&mut args, "snapshot");
                self.world.restart(at, from_snapshot);
                Vec::new()
            }
            "show" => return self.show(&mut args),
            other => return Err(format!("no command {other}").into()),
        };
        args.reject_next()?;
        if command.name == "lead" {
            self.before.clear();
        }
        invariants::check(&self.world, &mut self.before)?;
        Ok(self.tell(&events))
    }
}

impl Script {
    fn tell(&self, events: &[Event]) -> String {
        events.iter().map(|event| tell::event(self.world.image(), event)).collect()
    }

    /// `cluster brokers=3 [min-isr=2] [batch=10000] [elr] [unclean] [waits]`
    fn cluster(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<Vec<Event>, Failure> {
        let brokers = key(args, "brokers", 3)?;
        let (min_isr, batch) = (key(args, "min-isr", 2)?, key(args, "batch", 10_000)?);
        let rebalance = key(args, "rebalance", 0)?;
        let mut config = if flag(args, "elr") { config_with_elr() } else { config() };
        config.min_isr = min_isr;
        config.records_per_batch_max = batch;
        config.unclean_election = flag(args, "unclean");
        config.last_known_leader = !flag(args, "waits");
        config.rebalance_interval = (rebalance > 0).then(|| Duration::from_secs(rebalance));
        self.world = World::with_brokers(config, Rules::default(), brokers);
        Ok(Vec::new())
    }

    /// `register 1 [incarnation=7] [previous=3] [rack=a] [directory=1001] [cluster=x] [features=none]`
    fn register(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<Vec<Event>, Failure> {
        let id = node(args)?.0;
        let mut request = registration(id, key(args, "incarnation", id as u128)?, key(args, "previous", -1)?);
        request.rack = args.take_key("rack").map(str::to_string);
        request.cluster = key(args, "cluster", request.cluster)?;
        if let Some(directory) = args.take_key("directory") {
            request.directories = vec![Uuid(directory.parse()?)];
        }
        if args.take_key("features").is_some() {
            request.features.clear();
        }
        let at = key(args, "at", self.world.leader.unwrap_or(0))?;
        Ok(self.world.ask_of(at, ControllerRequest::RegisterBroker(request)))
    }

    /// `heartbeat 1 [epoch=3] [behind] [fence] [stop]`
    fn heartbeat(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<Vec<Event>, Failure> {
        let mut heartbeat = self.world.heartbeat(node(args)?.0);
        heartbeat.broker_epoch = key(args, "epoch", heartbeat.broker_epoch)?;
        heartbeat.metadata_offset = key(args, "applied", heartbeat.metadata_offset)?;
        (heartbeat.want_fence, heartbeat.want_shut_down) = (flag(args, "fence"), flag(args, "stop"));
        Ok(self.world.ask(ControllerRequest::Heartbeat(heartbeat)))
    }

    /// `create t [partitions=1] [replicas=3] [assign=1,2/2,1] [config=key:value] [check]`
    fn create(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<Vec<Event>, Failure> {
        let name = name(args)?;
        let assignments = assignments(args)?;
        let default = if assignments.is_empty() { 1 } else { -1 };
        let partitions = key(args, "partitions", default)?;
        let replication_factor = key(args, "replicas", if assignments.is_empty() { 3 } else { -1 })?;
        let configs = args.take_key("config").and_then(|config| config.split_once(':'));
        let configs = configs.map(|(key, value)| (key.to_string(), value.to_string())).into_iter().collect();
        let validate_only = flag(args, "check");
        let topics = vec![NewTopic { name, partitions, replication_factor, assignments, configs }];
        Ok(self.world.ask(ControllerRequest::CreateTopics { topics, validate_only }))
    }

    /// `partitions t 3 [assign=1,2/2,1] [check]`
    fn partitions(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<Vec<Event>, Failure> {
        let name = name(args)?;
        let count = args.next_pos().ok_or("how many?")?.parse()?;
        let more = MorePartitions { name, count, assignments: assignments(args)? };
        let validate_only = flag(args, "check");
        Ok(self.world.ask(ControllerRequest::CreatePartitions { topics: vec![more], validate_only }))
    }

    /// `alter t isr=1,2 [partition=0] [by=1] [epoch=0] [at=0] [broker-epoch=3] [members=1@3,2@5] [recovering]`
    fn alter(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<Vec<Event>, Failure> {
        let name = name(args)?;
        let index = key(args, "partition", 0)?;
        let image = self.world.image();
        let topic = image.topic_id(&name).unwrap_or(Uuid(99));
        let state = image.partition(topic, index);
        let leader =
            NodeId(key(args, "by", state.and_then(|state| state.leader).map_or(1, |leader| leader.0))?);
        let known = |id: NodeId| image.broker(id).map_or(-1, |broker| broker.epoch);
        let isr = args.take_key("isr").ok_or("isr?")?.split(',').filter(|member| !member.is_empty());
        let isr = isr.map(|member| {
            let (id, epoch) = member.split_once('@').map_or((member, None), |(id, epoch)| (id, Some(epoch)));
            let id = NodeId(id.parse()?);
            Ok((id, epoch.map_or(Ok(known(id)), str::parse)?))
        });
        let isr = isr.collect::<Result<Vec<_>, Failure>>()?;
        let wish = AlterPartition {
            leader,
            broker_epoch: key(args, "broker-epoch", known(leader))?,
            leader_epoch: key(args, "epoch", state.map_or(0, |state| state.leader_epoch))?,
            partition_epoch: key(args, "at", state.map_or(0, |state| state.partition_epoch))?,
            isr,
            recovery: if flag(args, "recovering") {
                LeaderRecovery::Recovering
            } else {
                LeaderRecovery::Recovered
            },
        };
        Ok(self.world.ask(ControllerRequest::AlterPartitions(vec![(topic, index, wish)])))
    }

    /// `elect preferred|unclean [t] [partition=0]`
    fn elect(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<Vec<Event>, Failure> {
        let kind = match args.next_pos() {
            Some("preferred") => ElectionKind::Preferred,
            Some("unclean") => ElectionKind::Unclean,
            other => return Err(format!("no election {other:?}").into()),
        };
        let index = key(args, "partition", 0)?;
        let partitions = args.next_pos().map(|name| vec![(name.to_string(), index)]);
        Ok(self.world.ask(ControllerRequest::ElectLeaders { kind, partitions }))
    }

    /// `config topic=t|broker=1|brokers key set=1|append=1|subtract=1|delete [check]`
    fn config(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<Vec<Event>, Failure> {
        let resource = match (args.take_key("topic"), args.take_key("broker")) {
            (Some(topic), _) => ConfigResource::Topic(topic.to_string()),
            (_, Some(broker)) => ConfigResource::Broker(Some(NodeId(broker.parse()?))),
            _ => ConfigResource::Broker(None),
        };
        for word in ["brokers", "delete"] {
            args.take_key(word);
        }
        let operation = [
            ("set", ConfigOperation::Set as fn(String) -> ConfigOperation),
            ("append", ConfigOperation::Append),
            ("subtract", ConfigOperation::Subtract),
        ];
        let operation =
            operation.iter().find_map(|(key, make)| args.take_key(key).map(|value| make(value.into())));
        let key = name(args)?;
        let validate_only = flag(args, "check");
        let change = ConfigChange { key, operation: operation.unwrap_or(ConfigOperation::Delete) };
        let changes = vec![(resource, vec![change])];
        Ok(self.world.ask(ControllerRequest::AlterConfigs { changes, validate_only }))
    }

    /// `feature eligible.leader.replicas.version=1 [check]`
    fn feature(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<Vec<Event>, Failure> {
        let validate_only = flag(args, "check");
        let mut updates = Vec::new();
        while let Some((name, level)) = args.next_key() {
            updates.push((name.to_string(), level.parse()?));
        }
        Ok(self.world.ask(ControllerRequest::UpdateFeatures { updates, validate_only }))
    }

    /// `lead 1 [has=12]`: of what is not committed the new leader has what is below.
    fn lead(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<Vec<Event>, Failure> {
        let at = controller(args)?;
        let has = key(args, "has", self.world.high_watermark)?;
        Ok(self.world.lead(at, has))
    }

    /// `show [TOPIC | brokers | roles]`
    fn show(&self, args: &mut ArgumentConsumer<'_>) -> Result<String, Failure> {
        let what = args.next_pos();
        let at = key(args, "at", self.world.leader.unwrap_or(0))?;
        let image = self.world.controllers[at].image();
        let mut text = String::new();
        if what == Some("brokers") {
            for (id, broker) in image.brokers() {
                let fenced = if broker.fenced { " fenced" } else { "" };
                let stopping = if broker.in_controlled_shutdown { " in controlled shutdown" } else { "" };
                text += &format!("{} epoch={}{fenced}{stopping}\n", id.0, broker.epoch);
            }
            return Ok(text);
        }
        if what == Some("roles") {
            for (at, controller) in self.world.controllers.iter().enumerate() {
                let role = if controller.is_active() { "active" } else { "inactive" };
                text += &format!("{at} {role}, applied below {}\n", controller.applied());
            }
            return Ok(text + &format!("high watermark {}\n", self.world.high_watermark));
        }
        for topic in image.topics().values().filter(|topic| what.is_none_or(|name| name == topic.name)) {
            for (index, partition) in &topic.partitions {
                let replicas: Vec<String> =
                    partition.state.replicas.iter().map(|id| id.0.to_string()).collect();
                let state = tell::partition(&partition.state);
                text += &format!("{}-{index} replicas={} {state}\n", topic.name, replicas.join(","));
            }
        }
        Ok(text)
    }
}

fn key<T: std::str::FromStr<Err: Error + 'static>>(
    args: &mut ArgumentConsumer<'_>,
    key: &str,
    default: T,
) -> Result<T, Failure> {
    Ok(args.take_key(key).map(str::parse).transpose()?.unwrap_or(default))
}

/// A word that is there or not, written `word=yes`.
fn flag(args: &mut ArgumentConsumer<'_>, word: &str) -> bool {
    args.take_key(word).is_some()
}

fn name(args: &mut ArgumentConsumer<'_>) -> Result<String, Failure> {
    Ok(args.next_pos().ok_or("a name?")?.to_string())
}

fn node(args: &mut ArgumentConsumer<'_>) -> Result<NodeId, Failure> {
    Ok(NodeId(args.next_pos().ok_or("which broker?")?.parse()?))
}

fn controller(args: &mut ArgumentConsumer<'_>) -> Result<usize, Failure> {
    Ok(args.next_pos().ok_or("which controller?")?.parse()?)
}

fn assignments(args: &mut ArgumentConsumer<'_>) -> Result<Vec<Vec<NodeId>>, Failure> {
    let Some(assign) = args.take_key("assign") else { return Ok(Vec::new()) };
    let replicas = |list: &str| {
        let ids = list.split(',').filter(|id| !id.is_empty());
        ids.map(|id| Ok(NodeId(id.parse()?))).collect::<Result<Vec<_>, Failure>>()
    };
    assign.split('/').map(replicas).collect()
}

/// A test for each script.
macro_rules! scripts {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts/controller/", stringify!($name));
            let mut script = Script { world: World::new(config(), Rules::default()), before: Before::new() };
            goldenscript::run(&mut script, path).unwrap();
        }
    )*
    /// The scripts that have a test.
    const SCRIPTS: &[&str] = &[$(stringify!($name)),*]; };
}

scripts! {
    alter_partition_checks_refuse
    alter_partition_refused_copy_stays_refused
    alter_partition_shrinks_and_expands
    bootstrap_writes_features_first
    broker_behind_stays_fenced
    config_decides_elections
    config_values_are_checked
    controlled_shutdown_moves_leaders_first
    create_partitions_adds
    create_topic_checks_refuse
    create_topic_spreads_over_racks
    decision_larger_than_batch_is_transaction
    delete_topic_takes_config_along
    directory_lost_cannot_lead
    elect_leaders_on_request
    elr_last_leader_returns
    elr_member_is_elected
    elr_unclean_shutdown_leaves
    feature_elr_switches_on
    leadership_lost_takes_back
    new_leader_waits_until_applied
    producer_ids_never_repeat
    rebalance_returns_leaderships
    register_same_incarnation_keeps_epoch
    registration_is_checked
    session_expiry_fences_in_sequence
    standby_refuses
    transaction_cut_short_is_aborted
    unclean_election_marks_recovering
    unregister_forgets
    without_elr_last_member_stays
}

#[test]
fn every_script_has_a_test() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts/controller");
    let files = std::fs::read_dir(folder).expect("the folder of scripts");
    let mut files: Vec<String> =
        files.map(|file| file.expect("a file").file_name().into_string().expect("a name")).collect();
    files.sort();
    assert_eq!(files, SCRIPTS);
}
