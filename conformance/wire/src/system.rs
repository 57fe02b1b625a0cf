//! A cluster as the suite acts on it: nodes that were started, or none, and what goes over the wire.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use highwater_conformance::scenario::{Member, Value};
use highwater_conformance::target::cluster::{
    Acks, Clients, Clock, Election, Links, PartitionView, Partitions, Pauses, ReplicaView, Topic,
};
use highwater_conformance::target::probe::{Answer, Landmark, Probes, Question};
use highwater_conformance::target::{Fault, Lifecycle, System};
use tokio::runtime::Runtime;

use crate::nodes::Nodes;
use crate::wire::{Silence, Wire};

/// How long all nodes may take until they serve.
const SERVING: Duration = Duration::from_secs(120);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(30);

/// Nodes that a scenario is done with, for the next one, and the topics that are left on them.
pub(crate) type Kept = Rc<RefCell<Option<(Nodes, Vec<String>)>>>;

/// A cluster of real processes.
pub(crate) struct Cluster {
    // Dropped before the nodes, so that no connection is left when they end.
    wire: Wire,
    runtime: Runtime,
    nodes: Option<Nodes>,
    /// What topics of the scenario are really called.
    topics: BTreeMap<String, String>,
    /// Whether the nodes are fit for another scenario.
    is_clean: bool,
    kept: Kept,
}

impl Cluster {
    /// Of what was started, if anything was.
    pub(crate) fn new(wire: Wire, nodes: Option<Nodes>, kept: Kept) -> Result<Self, Fault> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Fault::Broken(format!("no runtime: {error}")))?;
        Ok(Self { wire, runtime, nodes, topics: BTreeMap::new(), is_clean: true, kept })
    }

    /// Waits until all nodes answer, know of each other and agree on the active controller.
    pub(crate) fn serve(&mut self) -> Result<(), Fault> {
        let deadline = Instant::now() + SERVING;
        loop {
            let missing = match self.check().and_then(|()| self.now(Self::unready)) {
                Ok(None) => return Ok(()),
                Ok(Some(missing)) => missing,
                Err(fault) => return Err(self.spoiled(fault)),
            };
            if Instant::now() >= deadline {
                let said = self.nodes.as_ref().map(Nodes::said).unwrap_or_default();
                let seconds = SERVING.as_secs();
                let why =
                    format!("the cluster does not serve within {seconds} s: {missing}; at last\n{said}");
                return Err(self.spoiled(Fault::Broken(why)));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// The nodes are not used again.
    pub(crate) fn give_up(&mut self) {
        self.is_clean = false;
    }

    /// Deletes topics that an earlier scenario left.
    pub(crate) fn sweep(&mut self, topics: &[String]) -> Result<(), Fault> {
        let awake = self.awake()?;
        self.runtime.block_on(self.wire.delete(&awake, topics))
    }

    fn now<T>(&mut self, what: impl AsyncFnOnce(&mut Wire) -> T) -> T {
        self.runtime.block_on(what(&mut self.wire))
    }

    /// What is missing until the cluster serves.
    async fn unready(wire: &mut Wire) -> Result<Option<String>, Fault> {
        let members = wire.members();
        let mut controllers = Vec::new();
        for &node in &members {
            let brokers = match wire.metadata(node, None).await {
                Ok(answer) => answer.brokers.len(),
                Err(Silence::Fault(fault)) => return Err(fault),
                Err(silence) => return Ok(Some(silence.to_string())),
            };
            if brokers != members.len() {
                return Ok(Some(format!("{node} knows of {brokers} brokers")));
            }
            let Some(controller) = wire.controller(node).await? else {
                return Ok(Some(format!("{node} knows of no active controller")));
            };
            controllers.push(controller);
        }
        let agree = controllers.windows(2).all(|pair| pair[0] == pair[1]);
        Ok((!agree).then(|| format!("controllers and epochs that the nodes know are {controllers:?}")))
    }

    /// A fault after which the nodes are not used again.
    fn spoiled(&mut self, fault: Fault) -> Fault {
        self.is_clean &= !matches!(fault, Fault::Broken(_));
        fault
    }

    /// # Errors
    /// If a node ended by itself.
    fn check(&mut self) -> Result<(), Fault> {
        match self.nodes.as_mut().map_or(Ok(()), Nodes::check) {
            Ok(()) => Ok(()),
            Err(fault) => Err(self.spoiled(fault)),
        }
    }

    fn is_awake(&self, node: Member) -> Result<bool, Fault> {
        let id = self.wire.id(node)?;
        Ok(self.nodes.as_ref().is_none_or(|nodes| nodes.is_awake(id)))
    }

    /// The nodes that are up and do not stand still.
    fn awake(&mut self) -> Result<Vec<Member>, Fault> {
        self.check()?;
        let members = self.wire.members();
        let awake: Result<Vec<(Member, bool)>, Fault> =
            members.into_iter().map(|node| Ok((node, self.is_awake(node)?))).collect();
        Ok(awake?.into_iter().filter(|(_, awake)| *awake).map(|(node, _)| node).collect())
    }

    /// What a topic is really called. One that the scenario did not make has its own name.
    fn real(&self, topic: &str) -> String {
        self.topics.get(topic).cloned().unwrap_or_else(|| topic.to_owned())
    }

    fn act(
        &mut self,
        node: Member,
        act: impl FnOnce(&mut Nodes, i32) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.check()?;
        let id = self.wire.id(node)?;
        let nodes = self.nodes.as_mut().ok_or_else(|| Fault::Unsupported("processes".to_owned()))?;
        let done = act(nodes, id);
        self.wire.forget(node);
        done.map_err(|fault| self.spoiled(fault))
    }

    /// Asks something of all nodes that are awake.
    fn with_awake<T>(
        &mut self,
        what: impl AsyncFnOnce(&mut Wire, &[Member]) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let awake = self.awake()?;
        let done = self.runtime.block_on(what(&mut self.wire, &awake));
        done.map_err(|fault| self.spoiled(fault))
    }

    /// Asks a node something, which says nothing if it is down or stands still.
    fn of_node<T>(
        &mut self,
        node: Member,
        what: impl AsyncFnOnce(&mut Wire) -> Result<Option<T>, Fault>,
    ) -> Result<Option<T>, Fault> {
        self.check()?;
        if !self.is_awake(node)? {
            return Ok(None);
        }
        let done = self.now(what);
        done.map_err(|fault| self.spoiled(fault))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let left: Vec<String> = self.topics.values().cloned().collect();
        match self.nodes.take() {
            Some(nodes) if self.is_clean => *self.kept.borrow_mut() = Some((nodes, left)),
            Some(_) => {}
            // A cluster of others is left as it was found, as far as it still answers.
            None => drop(self.sweep(&left)),
        }
    }
}

impl System for Cluster {
    fn lifecycle(&mut self) -> Option<&mut dyn Lifecycle> {
        if self.nodes.is_some() { Some(self) } else { None }
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
        if self.nodes.as_ref().is_some_and(Nodes::is_linked) { Some(self) } else { None }
    }

    fn pauses(&mut self) -> Option<&mut dyn Pauses> {
        if self.nodes.is_some() { Some(self) } else { None }
    }

    fn probes(&mut self) -> Option<&mut dyn Probes> {
        Some(self)
    }
}

impl Lifecycle for Cluster {
    fn kill(&mut self, node: Member) -> Result<(), Fault> {
        self.act(node, Nodes::kill)
    }

    fn stop(&mut self, node: Member) -> Result<(), Fault> {
        self.act(node, Nodes::stop)
    }

    fn crash(&mut self, node: Member) -> Result<(), Fault> {
        Err(Fault::Unsupported(format!(
            "a crash of {node}'s machine: what a process wrote survives its end, flushed or not"
        )))
    }

    fn start(&mut self, node: Member) -> Result<(), Fault> {
        self.act(node, Nodes::start)
    }

    fn wipe(&mut self, node: Member) -> Result<(), Fault> {
        self.is_clean = false;
        self.act(node, Nodes::wipe)
    }
}

impl Partitions for Cluster {
    fn create(&mut self, topic: &Topic) -> Result<(), Fault> {
        let fresh = || format!("{}-{:08x}", topic.name, fastrand::u32(..));
        // Before it is asked for: it is to be deleted even if nobody says that it is there. Who asks again means the same.
        let real = self.topics.entry(topic.name.clone()).or_insert_with(fresh).clone();
        self.with_awake(async |wire, awake| wire.create(awake, topic, &real).await)
    }

    fn delete(&mut self, topic: &str) -> Result<(), Fault> {
        let topic = self.real(topic);
        self.with_awake(async |wire, awake| wire.delete(awake, &[topic]).await)
    }

    fn partition(&mut self, node: Member, topic: &str) -> Result<Option<PartitionView>, Fault> {
        let topic = self.real(topic);
        self.of_node(node, async |wire| wire.partition(node, &topic).await)
    }

    fn replica(&mut self, node: Member, topic: &str) -> Result<Option<ReplicaView>, Fault> {
        let topic = self.real(topic);
        self.of_node(node, async |wire| wire.replica(node, &topic).await)
    }

    fn elect(&mut self, topic: &str, election: Election) -> Result<(), Fault> {
        let topic = self.real(topic);
        self.with_awake(async |wire, awake| wire.elect(awake, &topic, election).await)
    }

    fn configure(&mut self, topic: &str, key: &str, value: &str) -> Result<(), Fault> {
        // Kafka 4.3.1 does not forget who was eligible by the old number once the topic is deleted, and never registers that broker again
        // (IC-21b): a later scenario would fail for that.
        self.is_clean = false;
        let topic = self.real(topic);
        self.with_awake(async |wire, awake| wire.configure(awake, &topic, key, value).await)
    }

    fn controller(&mut self, node: Member) -> Result<Option<Member>, Fault> {
        let known = self.of_node(node, async |wire| wire.controller(node).await)?;
        Ok(known.map(|(leader, _)| leader))
    }
}

impl Clients for Cluster {
    fn produce(
        &mut self,
        topic: &str,
        acks: Acks,
        values: &[Value],
        within: Duration,
    ) -> Result<Vec<u64>, Fault> {
        let topic = self.real(topic);
        self.with_awake(async |wire, awake| wire.produce(awake, None, (&topic, acks), values, within).await)
    }

    fn produce_to(
        &mut self,
        node: Member,
        topic: &str,
        acks: Acks,
        values: &[Value],
        within: Duration,
    ) -> Result<Vec<u64>, Fault> {
        let topic = self.real(topic);
        self.with_awake(async |wire, awake| {
            wire.produce(awake, Some(node), (&topic, acks), values, within).await
        })
    }

    fn consume(&mut self, topic: &str, within: Duration) -> Result<Vec<(u64, Value)>, Fault> {
        let topic = self.real(topic);
        self.with_awake(async |wire, awake| wire.consume(awake, &topic, within).await)
    }
}

impl Probes for Cluster {
    fn ask(&mut self, node: Member, question: &Question) -> Result<Answer, Fault> {
        let topic = question.topic().map(|topic| self.real(topic)).unwrap_or_default();
        let answer = self.of_node(node, async |wire| wire.probe(node, &topic, question).await.map(Some))?;
        answer.ok_or_else(|| Fault::InDoubt(format!("{node} does not run")))
    }

    fn landmark(
        &mut self,
        node: Member,
        topic: Option<&str>,
        landmark: &Landmark,
    ) -> Result<Option<i64>, Fault> {
        let topic = topic.map(|topic| self.real(topic));
        self.of_node(node, async |wire| wire.landmark(node, topic.as_deref(), landmark).await)
    }
}

impl Clock for Cluster {
    fn pass(&mut self, time: Duration) -> Result<(), Fault> {
        std::thread::sleep(time);
        self.check()
    }
}

impl Links for Cluster {
    fn cut(&mut self, from: Member, to: Member) -> Result<(), Fault> {
        let to = self.wire.id(to)?;
        self.act(from, |nodes, from| nodes.cut(from, to))
    }

    fn heal(&mut self, from: Member, to: Member) -> Result<(), Fault> {
        let to = self.wire.id(to)?;
        self.act(from, |nodes, from| nodes.heal(from, to))
    }
}

impl Pauses for Cluster {
    fn pause(&mut self, node: Member) -> Result<(), Fault> {
        self.act(node, Nodes::pause)
    }

    fn resume(&mut self, node: Member) -> Result<(), Fault> {
        self.act(node, Nodes::resume)
    }
}
