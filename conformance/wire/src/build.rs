//! The builders: clusters that are started for the suite, and clusters that are there.

use std::collections::{BTreeMap, BTreeSet};

use highwater_client::{ClientError, ClusterConfig, Connection};
use highwater_conformance::scenario::Member;
use highwater_conformance::target::cluster::{Acks, Clients, Partitions, Topic};
use highwater_conformance::target::{Builder, Capability, Fault, Lifecycle, Setup, System};
use highwater_wire::Str;
use highwater_wire::messages::describe_quorum::response::Node;
use highwater_wire::messages::{ApiVersionsRequest, MetadataRequest};

use crate::Place;
use crate::network::Network;
use crate::nodes::Nodes;
use crate::product::{Blank, Product};
use crate::system::{Cluster, Kept};
use crate::wire::{Wire, connection_config, describe_quorum};

/// How often a cluster is started until it serves: a port may be taken by another between drawing it and listening.
const ATTEMPTS: usize = 2;

/// How long a record may take while classes are recorded.
const WARMING: std::time::Duration = std::time::Duration::from_secs(20);

/// How long a cluster of others may take to answer.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// Starts clusters of a product on this machine: `reference-tcp` and `kafka-real`.
pub struct Started {
    product: Product,
    blank: Option<Blank>,
    kept: Kept,
    reuses: bool,
    unlinked: Option<String>,
}

impl Started {
    /// Of this product. Kafka's nodes serve several scenarios one after the other, the reference's start afresh for each.
    ///
    /// # Errors
    /// If the product is not where it is said to be.
    pub fn new(product: Product) -> Result<Self, Fault> {
        product.check()?;
        let reuses = matches!(product, Product::Kafka { .. });
        Ok(Self { product, blank: None, kept: Kept::default(), reuses, unlinked: Network::obstacle() })
    }

    /// Starts each cluster afresh, or uses one again where that is clean.
    pub fn reusing(mut self, reuses: bool) -> Self {
        self.reuses = reuses;
        self
    }

    /// Why links cannot be cut here; nothing if they can.
    pub fn unlinked(&self) -> Option<&str> {
        self.unlinked.as_deref()
    }

    /// The nodes of the scenario before, all up again; nothing if there are none, or they are not fit.
    fn again(&mut self, ids: &[i32], config: &BTreeMap<String, String>) -> Option<Cluster> {
        let (mut nodes, left) = self.kept.borrow_mut().take()?;
        if !self.reuses || !nodes.are(ids, config) {
            return None;
        }
        // What goes wrong here is no fault of the scenario to come: it gets nodes of its own.
        nodes.mend().ok()?;
        let mut cluster = Cluster::new(Wire::new(nodes.places()), Some(nodes), self.kept.clone()).ok()?;
        let ready = cluster.serve().and_then(|()| cluster.sweep(&left));
        if ready.is_err() {
            cluster.give_up();
            return None;
        }
        Some(cluster)
    }

    /// Has Java record the product's classes as it maps them, once for a directory of jars: a node that finds them there starts in half the time, and
    /// there are three in each cluster. Where they cannot be kept, it goes without.
    fn record(&self, blank: &Blank) -> Result<(), Fault> {
        let Some(classes) = self.product.classes().filter(|classes| !classes.exists()) else { return Ok(()) };
        let Some(home) = classes.parent() else { return Ok(()) };
        let Ok(scratch) = tempfile::Builder::new().prefix("classes-").tempdir_in(home) else { return Ok(()) };
        let recorded = scratch.path().join("classes.jsa");
        let mut nodes =
            Nodes::new(&self.product, blank, &[1], &BTreeMap::new(), false)?.recording(recorded.clone());
        nodes.mend()?;
        let mut cluster = Cluster::new(Wire::new(nodes.places()), Some(nodes), Kept::default())?;
        cluster.give_up();
        cluster.serve()?;
        // What every scenario does.
        let node = Member(1);
        let topic = Topic { name: "t".to_owned(), replicas: vec![node], min_isr: 1, unclean: None };
        cluster.create(&topic)?;
        cluster.produce(&topic.name, Acks::All, &["a".to_owned()], WARMING)?;
        cluster.consume(&topic.name, WARMING)?;
        cluster.stop(node)?;
        // Another may have been faster, with the same.
        let kept = std::fs::rename(&recorded, &classes);
        kept.map_err(|error| {
            Fault::Broken(format!("{}: no classes were recorded: {error}", classes.display()))
        })
    }

    fn afresh(&mut self, ids: &[i32], config: &BTreeMap<String, String>) -> Result<Cluster, Fault> {
        let blank = match &self.blank {
            Some(blank) => blank.clone(),
            None => {
                let blank = self.blank.insert(Blank::new(&self.product)?).clone();
                self.record(&blank)?;
                blank
            }
        };
        let mut nodes = Nodes::new(&self.product, &blank, ids, config, self.unlinked.is_none())?;
        nodes.mend()?;
        let mut cluster = Cluster::new(Wire::new(nodes.places()), Some(nodes), self.kept.clone())?;
        cluster.serve()?;
        Ok(cluster)
    }
}

impl Builder for Started {
    fn name(&self) -> String {
        self.product.name().to_owned()
    }

    fn capabilities(&self) -> BTreeSet<Capability> {
        let mut all = BTreeSet::from([
            Capability::Cluster,
            Capability::Processes,
            Capability::GracefulStop,
            Capability::LostDisks,
            Capability::Pauses,
            Capability::Probes,
        ]);
        all.extend(self.product.capabilities());
        if self.unlinked.is_none() {
            all.insert(Capability::Links);
        }
        all
    }

    fn build(&mut self, setup: &Setup) -> Result<Box<dyn System>, Fault> {
        is_cluster(setup)?;
        let mut ids: Vec<i32> = setup.cluster.iter().map(|member| i32::from(member.0)).collect();
        ids.sort_unstable();
        if !(1..).zip(&ids).all(|(number, id)| number == *id) {
            return Err(Fault::Unsupported(format!(
                "nodes {ids:?}: they are called n1, n2, … without a gap"
            )));
        }
        if let Some(cluster) = self.again(&ids, &setup.config) {
            return Ok(Box::new(cluster));
        }
        let mut last = self.afresh(&ids, &setup.config);
        for _ in 1..ATTEMPTS {
            if matches!(last, Err(Fault::Broken(_))) {
                last = self.afresh(&ids, &setup.config);
            }
        }
        Ok(Box::new(last?))
    }
}

/// A cluster that was there before the suite, and will be: `kafka:HOST:PORT,…`. Its nodes are n1, n2, … in the order of their ids.
pub struct Reached {
    bootstrap: String,
    places: BTreeMap<i32, Place>,
    has_eligible_leaders: bool,
}

impl Reached {
    /// Asks the first of these places (`HOST:PORT`, with commas between them) that answers which brokers there are.
    ///
    /// # Errors
    /// If none answers: addresses and cause.
    pub fn new(bootstrap: &str) -> Result<Self, Fault> {
        let broken = |error: ClientError| Fault::Broken(error.to_string());
        let places = ClusterConfig::new(bootstrap).map_err(broken)?.bootstrap;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Fault::Broken(format!("no runtime: {error}")))?;
        let mut causes = Vec::new();
        for place in &places {
            match runtime.block_on(look(place)) {
                Ok((places, has_eligible_leaders)) if !places.is_empty() => {
                    return Ok(Self { bootstrap: bootstrap.to_owned(), places, has_eligible_leaders });
                }
                Ok(_) => causes.push(format!("{place} knows of no broker")),
                Err(error) => causes.push(error.to_string()),
            }
        }
        Err(Fault::Broken(causes.join("; ")))
    }
}

/// The brokers that one of them names, and whether the cluster has eligible leader replicas. Where a broker is a voter of the quorum, too, at the same
/// host, as the quorum describes itself (KIP-853), its controller's port is known.
async fn look(place: &str) -> Result<(BTreeMap<i32, Place>, bool), ClientError> {
    let connection = Connection::open(place, &connection_config(PATIENCE)).await?;
    let asked =
        MetadataRequest { topics: Some(Vec::new()), allow_auto_topic_creation: false, ..Default::default() };
    let brokers = connection.ask(&asked).await?.brokers.into_iter();
    let controllers = controllers(&connection).await?;
    let brokers = brokers.map(|broker| {
        let port = u16::try_from(broker.port).unwrap_or(0);
        let listeners = controllers.iter().filter(|node| node.node_id == broker.node_id);
        let mut listeners = listeners.flat_map(|node| &node.listeners);
        let controller =
            listeners.find(|listener| listener.host == broker.host).map(|listener| listener.port);
        (broker.node_id, Place { host: broker.host.to_string(), broker: port, controller })
    });
    let asked = ApiVersionsRequest {
        client_software_name: Str::from_static("highwater"),
        client_software_version: Str::from_static(env!("CARGO_PKG_VERSION")),
    };
    let features = connection.ask(&asked).await?.finalized_features;
    let has_eligible_leaders = features
        .iter()
        .any(|feature| feature.name == "eligible.leader.replicas.version" && feature.max_version_level > 0);
    Ok((brokers.collect(), has_eligible_leaders))
}

/// The quorum's voters and where they listen; none of a cluster that does not say it.
async fn controllers(connection: &Connection) -> Result<Vec<Node>, ClientError> {
    match connection.ask(&describe_quorum()).await {
        Ok(quorum) => Ok(quorum.nodes),
        Err(ClientError::Unsupported { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

impl Builder for Reached {
    fn name(&self) -> String {
        format!("kafka:{}", self.bootstrap)
    }

    fn capabilities(&self) -> BTreeSet<Capability> {
        let eligible = self.has_eligible_leaders.then_some(Capability::EligibleLeaders);
        eligible.into_iter().chain([Capability::Cluster, Capability::Probes]).collect()
    }

    fn build(&mut self, setup: &Setup) -> Result<Box<dyn System>, Fault> {
        is_cluster(setup)?;
        let (asked, found) = (setup.cluster.len(), self.places.len());
        if asked != found {
            return Err(Fault::Unsupported(format!("{asked} nodes: the cluster has {found}")));
        }
        if let Some((key, value)) = setup.config.first_key_value() {
            return Err(Fault::Unsupported(format!("{key}={value}: the cluster was configured by others")));
        }
        Ok(Box::new(Cluster::new(Wire::new(&self.places), None, Kept::default())?))
    }
}

fn is_cluster(setup: &Setup) -> Result<(), Fault> {
    if setup.cluster.is_empty() {
        return Err(Fault::Unsupported("a quorum: there are clusters of brokers only".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cluster_that_cannot_be_reached_is_told_with_address_and_cause() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        drop(listener);
        let Err(Fault::Broken(why)) = Reached::new(&address) else { panic!("nobody listens") };
        assert!(why.contains(&address) && why.contains("refused"), "{why}");
    }
}
