//! A cluster that does what it is told, step by step: for whoever wants to drive one by hand, such as the conformance suite.
//!
//! It is the world of [`run`](crate::run), with its nodes, network, disks, books and invariants, and without anything that is drawn: no faults, no clients. Virtual time
//! passes only while somebody waits. Every invariant is checked after every step of a node; the first that does not hold ends the stage, and
//! whatever is asked of it afterwards is answered with it.
//!
//! # What is not here
//! Faults of disks, clocks that jump: worlds from seeds have those. Messages of the quorum other than fetches, kept back one by one.

mod post;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use highwater_core::{NodeId, Uuid};
use highwater_log::disk::SimulatedDisk;
use highwater_node::Node;
use highwater_node::message::{ClientRequest, ClientResponse, PeerRequest, PeerResponse, TopicPartition};

use crate::rules::{UnknownFlaw, rules};
use crate::run::message;
use crate::scenario::{
    Disk, Limits, Network, NodeSetup, Rates, SCENARIO_VERSION, Scenario, Script, Shape, Tail, Timing, Topics,
};
use crate::world::World;
pub use crate::world::{Delivery, Letter};
use crate::{Invariant, Violation};

/// What a stage begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cast {
    /// The nodes, each a broker.
    pub nodes: Vec<i32>,
    /// Those of them that are controllers as well.
    pub controllers: Vec<i32>,
    /// For delays and the nodes' dice.
    pub seed: u64,
    /// A flaw to switch on.
    pub flaw: Option<String>,
    /// `min.insync.replicas`, where a topic does not say otherwise.
    pub min_insync_replicas: usize,
    /// `unclean.leader.election.enable`, where a topic does not say otherwise.
    pub unclean: bool,
}

/// Why there is no stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoStage {
    /// The flaw cannot be switched on.
    Flaw(UnknownFlaw),
    /// Something did not hold while the cluster formed.
    Violated(Violation),
}

/// How a request went.
#[derive(Debug, Clone)]
pub enum Reply {
    /// It was answered.
    Answer(Box<ClientResponse>),
    /// The node does not run.
    NobodyListens,
    /// There was no answer in time, or the node ended.
    Silence,
}

/// A cluster on a stage.
pub struct Stage {
    world: World,
    ids: Vec<i32>,
    violation: Option<Violation>,
}

impl Stage {
    /// A cluster whose nodes are all up and registered.
    ///
    /// # Errors
    /// See [`NoStage`].
    pub fn new(cast: &Cast) -> Result<Self, NoStage> {
        let rules = rules(cast.flaw.as_deref()).map_err(NoStage::Flaw)?;
        let world = World::new(scenario(cast), rules, false);
        let mut stage = Self { world, ids: cast.nodes.clone(), violation: None };
        stage.act(World::form_stage).map_err(NoStage::Violated)?;
        Ok(stage)
    }

    /// Virtual time since the first start.
    pub fn now(&self) -> Duration {
        Duration::from_micros(self.world.now_us())
    }

    /// Lets so much time pass.
    ///
    /// # Errors
    /// What does not hold, as in all that follows.
    pub fn pass(&mut self, time: Duration) -> Result<(), Violation> {
        let until = self.world.now_us() + micros(time);
        self.act(|world| world.go_on_until(until, |_| false))
    }

    /// Whether a node runs (or stands still).
    pub fn is_up(&self, node: i32) -> bool {
        self.index(node).is_some_and(|node| self.world.is_up(node))
    }

    /// A node that runs, to look at.
    pub fn node(&self, node: i32) -> Option<&Node<SimulatedDisk>> {
        self.world.node(self.index(node)?)
    }

    /// Ends a node at once, with or without what it has not flushed.
    ///
    /// # Errors
    /// See [`Stage::pass`].
    pub fn end(&mut self, node: i32, tail: Tail) -> Result<(), Violation> {
        self.act_on(node, |world, node| {
            world.end(node, tail);
            Ok(())
        })
    }

    /// Tells a node to stop in good order, and waits until it has.
    ///
    /// # Errors
    /// See [`Stage::pass`].
    pub fn stop(&mut self, node: i32) -> Result<(), Violation> {
        self.act_on(node, World::stop_in_order)
    }

    /// Starts a node that is down.
    ///
    /// # Errors
    /// See [`Stage::pass`].
    pub fn start(&mut self, node: i32) -> Result<(), Violation> {
        self.act_on(node, World::start_again)
    }

    /// A node loses its disk, and comes up on a blank one.
    ///
    /// # Errors
    /// See [`Stage::pass`].
    pub fn wipe(&mut self, node: i32) -> Result<(), Violation> {
        self.act_on(node, World::wipe)
    }

    /// A node stands still. What is sent to it waits.
    ///
    /// # Errors
    /// See [`Stage::pass`].
    pub fn pause(&mut self, node: i32) -> Result<(), Violation> {
        self.act_on(node, |world, node| {
            world.pause(node);
            Ok(())
        })
    }

    /// It goes on.
    ///
    /// # Errors
    /// See [`Stage::pass`].
    pub fn resume(&mut self, node: i32) -> Result<(), Violation> {
        self.act_on(node, |world, node| {
            world.resume(node);
            Ok(())
        })
    }

    /// Cuts the way from one node to another once, or heals it once.
    ///
    /// # Errors
    /// See [`Stage::pass`].
    pub fn link(&mut self, from: i32, to: i32, cut: bool) -> Result<(), Violation> {
        let Some(to) = self.index(to) else { return Ok(()) };
        self.act_on(from, |world, from| {
            world.link(from, to, cut);
            Ok(())
        })
    }

    /// Asks a node as a client, and waits so long for the answer. Clients reach every node, whatever is cut.
    ///
    /// # Errors
    /// See [`Stage::pass`].
    pub fn ask(&mut self, node: i32, request: ClientRequest, within: Duration) -> Result<Reply, Violation> {
        if !self.is_up(node) {
            return Ok(Reply::NobodyListens);
        }
        let Some(node) = self.index(node) else { return Ok(Reply::NobodyListens) };
        let answer = self.act(|world| world.ask_as_guest(node, request, micros(within)))?;
        Ok(answer.map_or(Reply::Silence, |response| Reply::Answer(Box::new(response))))
    }

    /// Asks a node in another node's name, whatever is cut between the two, and waits so long for the answer; none if there is none by then, or the node does not
    /// run. What the request says is taken for true: of a fetch of a follower, that it has what is before.
    ///
    /// # Errors
    /// See [`Stage::pass`].
    pub fn ask_as(
        &mut self,
        from: i32,
        node: i32,
        request: PeerRequest,
        within: Duration,
    ) -> Result<Option<PeerResponse>, Violation> {
        let Some(node) = self.index(node).filter(|node| self.world.is_up(*node)) else { return Ok(None) };
        self.act(|world| world.ask_as_peer(node, NodeId(from), request, micros(within)))
    }

    /// The identity of a node's disk, by which the quorum knows it (KIP-853).
    pub fn directory(&self, node: i32) -> Option<Uuid> {
        self.index(node).map(|node| self.world.directory(node))
    }

    /// From now on leaders may be elected uncleanly, by a topic's configuration or on request. Of a partition of which that happens nothing is claimed any
    /// more but that logs match.
    pub fn allow_unclean(&mut self) {
        self.world.allow_unclean();
    }

    /// Says that this partition has a `min.insync.replicas` of its own.
    pub fn needs_in_sync(&mut self, partition: TopicPartition, count: usize) {
        self.world.needs_in_sync(partition, count);
    }

    /// Why records of this partition may be lost by right by now, if they may.
    pub fn lost_by_right(&mut self, partition: TopicPartition) -> Option<&'static str> {
        self.world.lost_by_right(partition)
    }

    fn index(&self, node: i32) -> Option<usize> {
        self.ids.iter().position(|&id| id == node)
    }

    fn act_on(
        &mut self,
        node: i32,
        act: impl FnOnce(&mut World, usize) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        match self.index(node) {
            Some(node) => self.act(|world| act(world, node)),
            None => Ok(()),
        }
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut World) -> Result<T, Violation>) -> Result<T, Violation> {
        if let Some(violation) = &self.violation {
            return Err(violation.clone());
        }
        let world = &mut self.world;
        let result = catch_unwind(AssertUnwindSafe(|| act(world))).unwrap_or_else(|panic| {
            let found = format!("a panic: {}", message(&*panic));
            Err(Violation::new(Invariant::Panic, found, "assertions that hold"))
        });
        result.inspect_err(|violation| self.violation = Some(violation.clone()))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX / 4)
}

/// A world in which nothing happens by itself. Sessions and lags last as long as where real clusters are tested, requests not longer than a session.
fn scenario(cast: &Cast) -> Scenario {
    let nodes = cast.nodes.iter().map(|&id| NodeSetup {
        id,
        broker: true,
        controller: cast.controllers.contains(&id),
        clock_offset_us: 0,
        clock_drift_ppm: 0,
    });
    let shape = Shape {
        profile: "stage".to_owned(),
        nodes: nodes.collect(),
        timing: Timing {
            quorum_election_timeout: 1_000,
            quorum_fetch_timeout: 2_000,
            quorum_election_backoff_max: 500,
            quorum_request_timeout: 1_000,
            quorum_retry_backoff: 20,
            quorum_fetch_wait_max: 500,
            quorum_pre_vote: true,
            broker_session_timeout: 3_000,
            broker_heartbeat_interval: 500,
            controller_request_timeout: 1_500,
            controlled_shutdown_timeout: 10_000,
            replica_lag_time_max: 3_000,
            replica_fetch_wait_max: 250,
            replica_fetch_backoff: 100,
            replica_socket_timeout: 1_000,
            high_watermark_checkpoint_interval: 5_000,
            client_timeout: 3_000,
            metadata_snapshot_bytes: 20 << 20,
            quorum_fetch_max_bytes: 8 << 20,
        },
        topics: Topics {
            count: 0,
            partitions: 1,
            replication_factor: 1,
            min_insync_replicas: cast.min_insync_replicas,
            unclean: cast.unclean,
            eligible_leader_replicas: true,
            flush_every: None,
        },
        network: Network { delay_us_min: 100, delay_us_max: 2_000 },
        disk: Disk { flush_us_min: 100, flush_us_max: 2_000 },
        limits: Limits { steps: u64::MAX, time_us: None, settle_us: 0 },
        loss_is_legal: false,
        rates: Rates::default(),
    };
    let script = Some(Script::default());
    Scenario { version: SCENARIO_VERSION, seed: cast.seed, flaw: cast.flaw.clone(), shape, script }
}

impl std::fmt::Display for NoStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NoStage::Flaw(unknown) => write!(f, "{unknown}"),
            NoStage::Violated(violation) => write!(f, "{violation}"),
        }
    }
}

impl std::error::Error for NoStage {}

#[cfg(test)]
mod tests {
    use highwater_core::controller::{ControllerRequest, ControllerResponse, NewTopic};

    use super::*;

    fn stage() -> Stage {
        let nodes = vec![1, 2, 3];
        let cast = Cast {
            controllers: nodes.clone(),
            nodes,
            seed: 1,
            flaw: None,
            min_insync_replicas: 1,
            unclean: false,
        };
        Stage::new(&cast).expect("a cluster")
    }

    fn leader(stage: &Stage, at: i32) -> Option<NodeId> {
        stage.node(at).and_then(|node| node.metadata().leader)
    }

    /// Until it is so, for 30 s.
    fn wait(stage: &mut Stage, what: &str, is_so: impl Fn(&Stage) -> bool) {
        for _ in 0..300 {
            if is_so(stage) {
                return;
            }
            stage.pass(Duration::from_millis(100)).expect("nothing is wrong");
        }
        panic!("{what} does not come");
    }

    #[test]
    fn quorum_elects_another_when_its_leader_ends_stands_still_or_is_cut_off() {
        for how in ["end", "stop", "pause", "cut"] {
            let mut stage = stage();
            let first = leader(&stage, 1).expect("a leader");
            let others: Vec<i32> = [1, 2, 3].into_iter().filter(|&id| id != first.0).collect();
            let change = |stage: &mut Stage, break_it: bool| match (how, break_it) {
                ("end", true) => stage.end(first.0, Tail::Kept),
                ("stop", true) => stage.stop(first.0),
                ("pause", true) => stage.pause(first.0),
                ("end" | "stop", false) => stage.start(first.0),
                ("pause", false) => stage.resume(first.0),
                (_, cut) => others.iter().try_for_each(|&other| {
                    stage.link(first.0, other, cut).and_then(|()| stage.link(other, first.0, cut))
                }),
            };
            change(&mut stage, true).expect("nothing is wrong");
            wait(&mut stage, how, |stage| {
                let leads = leader(stage, others[0]);
                leads.is_some_and(|it| it != first) && leads == leader(stage, others[1])
            });
            change(&mut stage, false).expect("nothing is wrong");
            wait(&mut stage, how, |stage| {
                leader(stage, first.0).is_some() && leader(stage, first.0) == leader(stage, others[0])
            });
        }
    }

    #[test]
    fn request_is_answered_by_who_runs_and_by_nobody_else() {
        let mut stage = stage();
        let topic = NewTopic {
            name: "t".to_owned(),
            partitions: 1,
            replication_factor: 3,
            assignments: Vec::new(),
            configs: Vec::new(),
        };
        let create = ControllerRequest::CreateTopics { topics: vec![topic], validate_only: false };
        let second = Duration::from_secs(1);
        let reply = stage.ask(1, ClientRequest::Controller(create), second).expect("nothing is wrong");
        let Reply::Answer(answer) = reply else { panic!("{reply:?}") };
        let ClientResponse::Controller(Some(ControllerResponse::CreateTopics(Ok(created)))) = *answer else {
            panic!("{answer:?}")
        };
        assert!(created[0].is_ok(), "{created:?}");
        stage.pause(2).expect("nothing is wrong");
        let before = stage.now();
        let reply = stage.ask(2, ClientRequest::Metadata, second).expect("nothing is wrong");
        assert!(matches!(reply, Reply::Silence), "{reply:?}");
        assert_eq!(stage.now() - before, second);
        stage.end(3, Tail::Lost).expect("nothing is wrong");
        let reply = stage.ask(3, ClientRequest::Metadata, second).expect("nothing is wrong");
        assert!(matches!(reply, Reply::NobodyListens), "{reply:?}");
    }

    #[test]
    fn request_in_another_s_name_is_answered_by_who_runs_whatever_is_cut() {
        use highwater_core::quorum::{QuorumError, ReplicaKey, Request, Response, VoteRequest};

        let mut stage = stage();
        let key = |stage: &Stage, id: i32| ReplicaKey {
            id: NodeId(id),
            directory: stage.directory(id).expect("a node"),
        };
        let vote = VoteRequest {
            epoch: 0,
            candidate: key(&stage, 1),
            voter: key(&stage, 2),
            last_epoch: -1,
            last_offset: 0,
            pre_vote: false,
        };
        let request = PeerRequest::Quorum(Request::Vote(vote));
        stage.link(1, 2, true).expect("nothing is wrong");
        let second = Duration::from_secs(1);
        let answer = stage.ask_as(1, 2, request.clone(), second).expect("nothing is wrong");
        let Some(PeerResponse::Quorum(Response::Vote(vote), _)) = answer else { panic!("{answer:?}") };
        assert_eq!(vote.error, Some(QuorumError::FencedLeaderEpoch));
        stage.end(2, Tail::Kept).expect("nothing is wrong");
        assert!(stage.ask_as(1, 2, request, second).expect("nothing is wrong").is_none());
    }

    #[test]
    fn wiped_node_comes_back_on_a_blank_disk() {
        let mut stage = stage();
        let first = leader(&stage, 1).expect("a leader");
        let other = if first.0 == 1 { 2 } else { 1 };
        stage.wipe(other).expect("nothing is wrong");
        wait(&mut stage, "the metadata", |stage| {
            let applied = |id| stage.node(id).map(Node::metadata_applied);
            leader(stage, other).is_some() && applied(other) == applied(first.0)
        });
    }
}
