//! What is looked at when somebody asks.

use highwater_log::disk::RealDisk;
use highwater_node::message::LogId;
use highwater_node::{Node, Role};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The key of `min.insync.replicas`.
const MIN_ISR: &str = "min.insync.replicas";

/// Declares what is looked at: a field, the name in the exporter's words, what it is.
macro_rules! gauges {
    ($($field:ident: $name:literal, $help:literal;)*) => {
        /// What a look at the node found.
        #[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
        pub(super) struct Seen {
            $(#[doc = $help] pub(super) $field: i64,)*
        }

        /// The gauges that tell it.
        #[derive(Debug)]
        pub(super) struct Gauges {
            $($field: Gauge,)*
        }

        impl Gauges {
            pub(super) fn new(registry: &mut Registry) -> Self {
                let gauges = Self { $($field: Gauge::default(),)* };
                $(registry.register($name, $help, gauges.$field.clone());)*
                gauges
            }

            pub(super) fn set(&self, seen: &Seen) {
                $(self.$field.set(seen.$field);)*
            }
        }
    };
}

gauges! {
    connections: "kafka_server_socketservermetrics_connection_count", "Open connections of clients and nodes";
    partitions: "kafka_server_replicamanager_partitioncount", "Replicas of this broker";
    leaders: "kafka_server_replicamanager_leadercount", "Partitions that this broker leads";
    under_replicated: "kafka_server_replicamanager_underreplicatedpartitions", "Partitions led here whose ISR lacks replicas";
    under_min_isr: "kafka_server_replicamanager_underminisrpartitioncount", "Partitions led here with fewer in the ISR than min.insync.replicas";
    active: "kafka_controller_kafkacontroller_activecontrollercount", "1 if this node is the active controller";
    active_brokers: "kafka_controller_kafkacontroller_activebrokercount", "Brokers that are not fenced";
    fenced_brokers: "kafka_controller_kafkacontroller_fencedbrokercount", "Brokers that are fenced";
    topics: "kafka_controller_kafkacontroller_globaltopiccount", "Topics of the cluster";
    all_partitions: "kafka_controller_kafkacontroller_globalpartitioncount", "Partitions of the cluster";
    offline: "kafka_controller_kafkacontroller_offlinepartitionscount", "Partitions without a leader";
    imbalanced: "kafka_controller_kafkacontroller_preferredreplicaimbalancecount", "Partitions whose leader is not the preferred one";
    quorum_leader: "kafka_server_raftmetrics_current_leader", "The leader of the metadata quorum; -1 if not known";
    quorum_epoch: "kafka_server_raftmetrics_current_epoch", "The epoch of the metadata quorum";
    quorum_vote: "kafka_server_raftmetrics_current_vote", "For whom this node voted in the epoch; -1 for nobody";
    quorum_high_watermark: "kafka_server_raftmetrics_high_watermark", "The high watermark of the metadata log; -1 if not known";
    quorum_end: "kafka_server_raftmetrics_log_end_offset", "The end of the metadata log";
    quorum_end_epoch: "kafka_server_raftmetrics_log_end_epoch", "The epoch of the last record of the metadata log";
    metadata_applied: "kafka_server_brokermetadatametrics_last_applied_record_offset", "The last metadata record that this node has applied";
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Looks at a node, between two of its steps: goes over its replicas, and on the active controller over all partitions.
pub(super) fn look(node: &Node<RealDisk>) -> Seen {
    let mut seen = Seen::default();
    see_quorum(node, &mut seen);
    see_replicas(node, &mut seen);
    if node.quorum().is_active() {
        see_cluster(node, &mut seen);
    }
    seen
}

fn see_quorum(node: &Node<RealDisk>, seen: &mut Seen) {
    let quorum = node.quorum();
    seen.quorum_leader = quorum.leader().map_or(-1, |leader| leader.0.into());
    seen.quorum_epoch = quorum.epoch().into();
    seen.quorum_vote = quorum.election().voted.map_or(-1, |voted| voted.id.0.into());
    seen.quorum_high_watermark = quorum.high_watermark().unwrap_or(-1);
    seen.quorum_end = quorum.log().end();
    seen.quorum_end_epoch = quorum.log().last_epoch().into();
    seen.metadata_applied = node.metadata_applied() - 1;
}

fn see_replicas(node: &Node<RealDisk>, seen: &mut Seen) {
    for replica in node.replicas() {
        seen.partitions += 1;
        if replica.role != Role::Leader {
            continue;
        }
        seen.leaders += 1;
        let LogId::Partition(id) = replica.id else { continue };
        let Some(topic) = node.image().topic(id.topic) else { continue };
        let Some(partition) = topic.partitions.get(&id.partition) else { continue };
        let (isr, replicas) = (replica.isr.len(), partition.state.replicas.len());
        if isr < replicas {
            seen.under_replicated += 1;
            let set = node.image().topic_config(&topic.name, MIN_ISR).and_then(|value| value.parse().ok());
            let min_isr = set.unwrap_or(node.config().min_insync_replicas);
            seen.under_min_isr += i64::from(isr < min_isr.min(replicas));
        }
    }
}

fn see_cluster(node: &Node<RealDisk>, seen: &mut Seen) {
    let image = node.image();
    seen.active = 1;
    let fenced = image.brokers().values().filter(|broker| broker.fenced).count();
    seen.fenced_brokers = count(fenced);
    seen.active_brokers = count(image.brokers().len() - fenced);
    seen.topics = count(image.topic_names().len());
    for topic in image.topic_names().values().filter_map(|id| image.topic(*id)) {
        seen.all_partitions += count(topic.partitions.len());
        for partition in topic.partitions.values() {
            let leader = partition.state.leader;
            seen.offline += i64::from(leader.is_none());
            seen.imbalanced +=
                i64::from(leader.is_some() && leader != partition.state.replicas.first().copied());
        }
    }
}
