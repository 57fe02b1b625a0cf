//! A cluster of the reference in simulated time: nodes as they ship, controllers and brokers at once, over simulated disks and a simulated network.
//!
//! The simulation's invariants are checked after every step of a node; one that does not hold fails the scenario ([`Fault::Violated`]).
//! Requests of clients take virtual time, everything that is only looked at takes none.
//!
//! # What is not here
//! Idempotent producers, transactions, groups. Configuration of brokers other than `min.insync.replicas` and `unclean.leader.election.enable`. Brokers and
//! controllers in processes of their own.

mod clients;
pub(super) mod errors;
mod post;
mod probes;

use std::collections::BTreeSet;
use std::time::Duration;

use highwater_core::NodeId;
use highwater_core::controller::{
    ConfigChange, ConfigOperation, ConfigResource, ControllerError, ControllerRequest, ControllerResponse,
    ElectionKind, NewTopic, TopicReference,
};
use highwater_node::Role;
use highwater_node::message::{ClientRequest, ClientResponse, TopicPartition};
use highwater_simulation::Violation;
use highwater_simulation::scenario::Tail;
use highwater_simulation::stage::{Cast, NoStage, Reply, Stage};

use crate::scenario::Member;
use crate::target::cluster::{
    Clients, Clock, Election, Letters, Links, PartitionView, Partitions, Pauses, ReplicaView, Topic,
};
use crate::target::probe::Probes;
use crate::target::{Builder, Capability, Fault, Lifecycle, Setup, System};

const MIN_ISR: &str = "min.insync.replicas";
const UNCLEAN: &str = "unclean.leader.election.enable";
/// How long the controller may take for what it is asked.
const DECISION: Duration = Duration::from_secs(5);

/// Builds clusters of the reference.
#[derive(Debug, Clone, Default)]
pub struct ReferenceCluster {
    flaw: Option<String>,
}

impl ReferenceCluster {
    /// The reference with a flaw of its quorum, its partitions or its controller.
    ///
    /// # Errors
    /// If it has no flaw of this id.
    #[cfg(feature = "flaws")]
    pub fn with_flaw(id: &str) -> Result<Self, String> {
        if highwater_simulation::flaws().any(|(known, _)| known == id) {
            Ok(Self { flaw: Some(id.to_owned()) })
        } else {
            Err(format!("the reference has no flaw {id}"))
        }
    }
}

impl Builder for ReferenceCluster {
    fn name(&self) -> String {
        "reference".to_owned()
    }

    fn capabilities(&self) -> BTreeSet<Capability> {
        use Capability as C;
        [
            C::Processes,
            C::LostTails,
            C::LostDisks,
            C::GracefulStop,
            C::Cluster,
            C::Links,
            C::Pauses,
            C::EligibleLeaders,
            C::DirectoryIds,
            C::BrokersAlone,
            C::LateMessages,
            C::FollowerReads,
            C::Probes,
        ]
        .into()
    }

    fn build(&mut self, setup: &Setup) -> Result<Box<dyn System>, Fault> {
        let ids = |members: &[Member]| members.iter().map(|member| member.0.into()).collect();
        let controllers = if setup.controllers.is_empty() { &setup.cluster } else { &setup.controllers };
        let mut cast = Cast {
            nodes: ids(&setup.cluster),
            controllers: ids(controllers),
            seed: setup.seed,
            flaw: self.flaw.clone(),
            min_insync_replicas: 1,
            unclean: false,
        };
        for (key, value) in &setup.config {
            let wrong = || Fault::Unsupported(format!("{key}={value} of the brokers"));
            match key.as_str() {
                MIN_ISR => cast.min_insync_replicas = value.parse().map_err(|_| wrong())?,
                UNCLEAN => cast.unclean = value.parse().map_err(|_| wrong())?,
                _ => return Err(wrong()),
            }
        }
        let stage = Stage::new(&cast).map_err(|error| match error {
            NoStage::Violated(violation) => violated(violation),
            NoStage::Flaw(unknown) => Fault::Broken(unknown.to_string()),
        })?;
        Ok(Box::new(Cluster { stage, members: setup.cluster.clone(), paused: BTreeSet::new() }))
    }
}

struct Cluster {
    stage: Stage,
    members: Vec<Member>,
    paused: BTreeSet<Member>,
}

fn violated(violation: Violation) -> Fault {
    Fault::Violated(violation.to_string())
}

fn member_of(id: NodeId) -> Result<Member, Fault> {
    u8::try_from(id.0).map(Member).map_err(|_| Fault::Broken(format!("a node with the id {}", id.0)))
}

fn members_of(ids: &[NodeId]) -> Result<Vec<Member>, Fault> {
    let mut members: Vec<Member> = ids.iter().map(|id| member_of(*id)).collect::<Result<_, _>>()?;
    members.sort_unstable();
    Ok(members)
}

impl Cluster {
    fn running(&self) -> Vec<Member> {
        let runs = |node: &&Member| self.stage.is_up(node.0.into()) && !self.paused.contains(node);
        self.members.iter().filter(runs).copied().collect()
    }

    /// The partition of a topic, as a node knows it.
    fn partition_of(&self, node: Member, topic: &str) -> Option<TopicPartition> {
        let topic = self.stage.node(node.0.into())?.image().topic_id(topic)?;
        Some(TopicPartition { topic, partition: 0 })
    }

    /// Who is asked for decisions: whoever takes itself for the leader of the quorum's newest epoch, or else whoever runs.
    fn adviser(&self) -> Result<Member, Fault> {
        let standing = |node: &Member| {
            let view = self.stage.node(node.0.into())?.metadata();
            Some((view.role == Role::Leader, view.epoch))
        };
        let running = self.running();
        let best = running.into_iter().max_by_key(|node| standing(node));
        best.ok_or_else(|| Fault::InDoubt("no node runs".to_owned()))
    }

    /// Asks the controller for something.
    fn decide(&mut self, request: ControllerRequest) -> Result<ControllerResponse, Fault> {
        let node = self.adviser()?;
        let request = ClientRequest::Controller(request);
        match self.stage.ask(node.0.into(), request, DECISION).map_err(violated)? {
            Reply::Answer(answer) => match *answer {
                ClientResponse::Controller(Some(response)) => Ok(response),
                ClientResponse::Controller(None) => {
                    Err(Fault::InDoubt(format!("{node} does not reach the controller")))
                }
                other => {
                    Err(Fault::Broken(format!("{node} answers a request to the controller with {other:?}")))
                }
            },
            Reply::NobodyListens => Err(Fault::Refused(format!("{node} does not run"))),
            Reply::Silence => Err(Fault::InDoubt(format!("{node} does not answer"))),
        }
    }
}

/// What the controller said of the one thing that it was asked for.
fn decided<T>(answer: Result<Vec<Result<T, ControllerError>>, ControllerError>) -> Result<T, Fault> {
    let refused = |error: ControllerError| Fault::Refused(errors::told(error.code, &error.message));
    let mut answers = answer.map_err(refused)?;
    let one = answers.pop().ok_or_else(|| Fault::Broken("the controller's answer is empty".to_owned()))?;
    one.map_err(refused)
}

fn nonsense<T>(other: &ControllerResponse) -> Result<T, Fault> {
    Err(Fault::Broken(format!("the controller answers something else: {other:?}")))
}

impl System for Cluster {
    fn lifecycle(&mut self) -> Option<&mut dyn Lifecycle> {
        Some(self)
    }

    fn partitions(&mut self) -> Option<&mut dyn Partitions> {
        Some(self)
    }

    fn clients(&mut self) -> Option<&mut dyn Clients> {
        Some(self)
    }

    fn clock(&mut self) -> Option<&mut dyn Clock> {
        Some(self)
    }

    fn links(&mut self) -> Option<&mut dyn Links> {
        Some(self)
    }

    fn pauses(&mut self) -> Option<&mut dyn Pauses> {
        Some(self)
    }

    fn letters(&mut self) -> Option<&mut dyn Letters> {
        Some(self)
    }

    fn probes(&mut self) -> Option<&mut dyn Probes> {
        Some(self)
    }
}

impl Lifecycle for Cluster {
    fn kill(&mut self, node: Member) -> Result<(), Fault> {
        self.paused.remove(&node);
        self.stage.end(node.0.into(), Tail::Kept).map_err(violated)
    }

    fn stop(&mut self, node: Member) -> Result<(), Fault> {
        self.stage.stop(node.0.into()).map_err(violated)
    }

    fn crash(&mut self, node: Member) -> Result<(), Fault> {
        self.paused.remove(&node);
        self.stage.end(node.0.into(), Tail::Lost).map_err(violated)
    }

    fn start(&mut self, node: Member) -> Result<(), Fault> {
        self.stage.start(node.0.into()).map_err(violated)
    }

    fn wipe(&mut self, node: Member) -> Result<(), Fault> {
        self.paused.remove(&node);
        self.stage.wipe(node.0.into()).map_err(violated)
    }
}

impl Clock for Cluster {
    fn pass(&mut self, time: Duration) -> Result<(), Fault> {
        self.stage.pass(time).map_err(violated)
    }

    fn elapsed(&mut self) -> Option<Duration> {
        Some(self.stage.now())
    }
}

impl Links for Cluster {
    fn cut(&mut self, from: Member, to: Member) -> Result<(), Fault> {
        self.stage.link(from.0.into(), to.0.into(), true).map_err(violated)
    }

    fn heal(&mut self, from: Member, to: Member) -> Result<(), Fault> {
        self.stage.link(from.0.into(), to.0.into(), false).map_err(violated)
    }
}

impl Pauses for Cluster {
    fn pause(&mut self, node: Member) -> Result<(), Fault> {
        self.paused.insert(node);
        self.stage.pause(node.0.into()).map_err(violated)
    }

    fn resume(&mut self, node: Member) -> Result<(), Fault> {
        self.paused.remove(&node);
        self.stage.resume(node.0.into()).map_err(violated)
    }
}

impl Partitions for Cluster {
    fn create(&mut self, topic: &Topic) -> Result<(), Fault> {
        let mut configs = vec![(MIN_ISR.to_owned(), topic.min_isr.to_string())];
        if let Some(unclean) = topic.unclean {
            configs.push((UNCLEAN.to_owned(), unclean.to_string()));
        }
        if topic.unclean == Some(true) {
            self.stage.allow_unclean();
        }
        let replicas = topic.replicas.iter().map(|member| NodeId(member.0.into())).collect();
        let new = NewTopic {
            name: topic.name.clone(),
            partitions: -1,
            replication_factor: -1,
            assignments: vec![replicas],
            configs,
        };
        match self.decide(ControllerRequest::CreateTopics { topics: vec![new], validate_only: false })? {
            ControllerResponse::CreateTopics(answer) => {
                let topic_id = decided(answer)?;
                let partition = TopicPartition { topic: topic_id, partition: 0 };
                self.stage.needs_in_sync(partition, topic.min_isr.into());
                Ok(())
            }
            other => nonsense(&other),
        }
    }

    fn delete(&mut self, topic: &str) -> Result<(), Fault> {
        let topics = vec![TopicReference::Name(topic.to_owned())];
        match self.decide(ControllerRequest::DeleteTopics(topics))? {
            ControllerResponse::DeleteTopics(answer) => decided(answer),
            other => nonsense(&other),
        }
    }

    fn partition(&mut self, node: Member, topic: &str) -> Result<Option<PartitionView>, Fault> {
        let Some(known) = self.stage.node(node.0.into()).filter(|_| !self.paused.contains(&node)) else {
            return Ok(None);
        };
        let image = known.image();
        let Some(state) = image.topic_id(topic).and_then(|topic| image.partition(topic, 0)) else {
            return Ok(None);
        };
        Ok(Some(PartitionView {
            leader: state.leader.map(member_of).transpose()?,
            leader_epoch: u64::try_from(state.leader_epoch).unwrap_or(0),
            isr: members_of(&state.isr)?,
            elr: members_of(&state.elr)?,
        }))
    }

    fn replica(&mut self, node: Member, topic: &str) -> Result<Option<ReplicaView>, Fault> {
        let Some(partition) = self.partition_of(node, topic).filter(|_| !self.paused.contains(&node)) else {
            return Ok(None);
        };
        let known = self.stage.node(node.0.into());
        let Some(view) = known.and_then(|node| node.replica(partition)) else { return Ok(None) };
        Ok(Some(ReplicaView {
            log_end: u64::try_from(view.log.end()).ok(),
            high_watermark: view.high_watermark.and_then(|it| u64::try_from(it).ok()),
        }))
    }

    fn lost_by_right(&mut self, topic: &str) -> Option<String> {
        let partition = self.members.iter().find_map(|node| self.partition_of(*node, topic))?;
        self.stage.lost_by_right(partition).map(str::to_owned)
    }

    fn elect(&mut self, topic: &str, election: Election) -> Result<(), Fault> {
        let kind = match election {
            Election::Preferred => ElectionKind::Preferred,
            Election::Unclean => ElectionKind::Unclean,
        };
        if kind == ElectionKind::Unclean {
            self.stage.allow_unclean();
        }
        let partitions = Some(vec![(topic.to_owned(), 0)]);
        match self.decide(ControllerRequest::ElectLeaders { kind, partitions })? {
            ControllerResponse::ElectLeaders(answer) => {
                decided(answer.map(|all| all.into_iter().map(|(_, _, result)| result).collect()))
            }
            other => nonsense(&other),
        }
    }

    fn configure(&mut self, topic: &str, key: &str, value: &str) -> Result<(), Fault> {
        if key == UNCLEAN && value == "true" {
            self.stage.allow_unclean();
        }
        let change = ConfigChange { key: key.to_owned(), operation: ConfigOperation::Set(value.to_owned()) };
        let changes = vec![(ConfigResource::Topic(topic.to_owned()), vec![change])];
        match self.decide(ControllerRequest::AlterConfigs { changes, validate_only: false })? {
            ControllerResponse::AlterConfigs(answer) => decided(answer)?,
            other => return nonsense(&other),
        }
        if key == MIN_ISR
            && let Ok(count) = value.parse()
            && let Some(partition) = self.running().first().and_then(|node| self.partition_of(*node, topic))
        {
            self.stage.needs_in_sync(partition, count);
        }
        Ok(())
    }

    fn controller(&mut self, node: Member) -> Result<Option<Member>, Fault> {
        let known = self.stage.node(node.0.into()).filter(|_| !self.paused.contains(&node));
        known.and_then(|node| node.metadata().leader).map(member_of).transpose()
    }
}
