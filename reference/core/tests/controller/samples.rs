//! A record of every type, at versions that differ: what Kafka's own tools have read, and what stays so.

use highwater_core::controller::{
    AbortTransactionRecord, BeginTransactionRecord, BrokerRegistrationChangeRecord, ClearElrRecord,
    ConfigRecord, EndTransactionRecord, Endpoint, FeatureLevelRecord, FenceBrokerRecord, MetadataRecord,
    NO_LEADER, NO_LEADER_CHANGE, NO_RECOVERY_CHANGE, NoOpRecord, PartitionChangeRecord, PartitionRecord,
    ProducerIdsRecord, RegisterBrokerRecord, RegisterControllerRecord, RemoveTopicRecord, SupportedFeature,
    TopicRecord, UnfenceBrokerRecord, UnregisterBrokerRecord,
};
use highwater_core::{NodeId, Uuid};

const TOPIC: Uuid = Uuid(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
const DIRECTORY: Uuid = Uuid(0x1122_3344_5566_7788_99aa_bbcc_ddee_ff00);
const OTHER_DIRECTORY: Uuid = Uuid(0x2122_3344_5566_7788_99aa_bbcc_ddee_ff00);

fn nodes(ids: &[i32]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

fn endpoints() -> Vec<Endpoint> {
    let endpoint = |name: &str, port, security_protocol| Endpoint {
        name: name.into(),
        host: "broker-1.example".into(),
        port,
        security_protocol,
    };
    vec![endpoint("PLAINTEXT", 9092, 0), endpoint("SSL", 65535, 1)]
}

fn features() -> Vec<SupportedFeature> {
    let feature = |name: &str, lowest, highest| SupportedFeature { name: name.into(), lowest, highest };
    vec![feature("metadata.version", 7, 30), feature("eligible.leader.replicas.version", 0, 1)]
}

/// The records and the version of each.
pub(crate) fn samples() -> Vec<(MetadataRecord, u16)> {
    let mut samples = Vec::new();
    broker_samples(&mut samples);
    partition_samples(&mut samples);
    other_samples(&mut samples);
    samples
}

fn broker_samples(samples: &mut Vec<(MetadataRecord, u16)>) {
    let broker = RegisterBrokerRecord {
        broker: NodeId(1),
        is_migrating: false,
        incarnation: Uuid(0xfedc_ba98_7654_3210_0123_4567_89ab_cdef),
        broker_epoch: 1 << 40,
        endpoints: endpoints(),
        features: features(),
        rack: Some("rack a".into()),
        fenced: true,
        in_controlled_shutdown: true,
        directories: vec![DIRECTORY, OTHER_DIRECTORY],
        cordoned_directories: Some(vec![OTHER_DIRECTORY]),
    };
    let bare =
        RegisterBrokerRecord { rack: None, fenced: false, cordoned_directories: None, ..broker.clone() };
    for version in 0..=4 {
        samples.push((broker.clone().into(), version));
        samples.push((bare.clone().into(), version));
    }
    samples.push((UnregisterBrokerRecord { broker: NodeId(2), broker_epoch: 77 }.into(), 0));
    samples.push((FenceBrokerRecord { broker: NodeId(3), broker_epoch: 78 }.into(), 0));
    samples.push((UnfenceBrokerRecord { broker: NodeId(4), broker_epoch: 79 }.into(), 0));
    let change = BrokerRegistrationChangeRecord {
        broker: NodeId(5),
        broker_epoch: 80,
        fenced: -1,
        in_controlled_shutdown: 1,
        directories: vec![DIRECTORY],
        cordoned_directories: Some(vec![DIRECTORY]),
    };
    for version in 0..=3 {
        samples.push((change.clone().into(), version));
    }
    let fence = BrokerRegistrationChangeRecord {
        fenced: 1,
        in_controlled_shutdown: 0,
        directories: Vec::new(),
        cordoned_directories: None,
        ..change
    };
    samples.push((fence.into(), 0));
    let controller = RegisterControllerRecord {
        controller: NodeId(3000),
        incarnation: Uuid(9),
        is_ready_to_migrate: true,
        endpoints: endpoints(),
        features: features(),
    };
    samples.push((controller.into(), 0));
}

fn partition_samples(samples: &mut Vec<(MetadataRecord, u16)>) {
    samples.push((TopicRecord { name: "orders".into(), topic: TOPIC }.into(), 0));
    let partition = PartitionRecord {
        partition: 11,
        topic: TOPIC,
        replicas: nodes(&[1, 2, 3]),
        isr: nodes(&[2]),
        removing: nodes(&[1]),
        adding: nodes(&[3]),
        leader: 2,
        leader_epoch: 5,
        partition_epoch: 300,
        directories: vec![DIRECTORY, Uuid(0), OTHER_DIRECTORY],
        recovery: 1,
        elr: Some(nodes(&[3])),
        last_known_elr: Some(nodes(&[1])),
    };
    let plain = PartitionRecord {
        isr: Vec::new(),
        leader: NO_LEADER,
        removing: Vec::new(),
        adding: Vec::new(),
        recovery: 0,
        elr: None,
        last_known_elr: None,
        ..partition.clone()
    };
    let change = PartitionChangeRecord {
        partition: 11,
        topic: TOPIC,
        isr: Some(nodes(&[3, 2])),
        leader: 3,
        replicas: Some(nodes(&[3, 2, 1])),
        removing: Some(Vec::new()),
        adding: Some(nodes(&[4])),
        recovery: 0,
        elr: Some(Vec::new()),
        last_known_elr: Some(nodes(&[1])),
        directories: Some(vec![DIRECTORY, Uuid(2), OTHER_DIRECTORY]),
    };
    let nothing = PartitionChangeRecord {
        isr: None,
        leader: NO_LEADER_CHANGE,
        replicas: None,
        removing: None,
        adding: None,
        recovery: NO_RECOVERY_CHANGE,
        elr: None,
        last_known_elr: None,
        directories: None,
        ..change.clone()
    };
    let leaderless = PartitionChangeRecord {
        isr: Some(Vec::new()),
        leader: NO_LEADER,
        elr: Some(nodes(&[1, 2])),
        ..nothing.clone()
    };
    for version in 0..=2 {
        samples.push((partition.clone().into(), version));
        samples.push((plain.clone().into(), version));
        samples.push((change.clone().into(), version));
        samples.push((nothing.clone().into(), version));
        samples.push((leaderless.clone().into(), version));
    }
    samples.push((RemoveTopicRecord { topic: TOPIC }.into(), 0));
    samples.push((ClearElrRecord { topic: "orders".into() }.into(), 0));
    samples.push((ClearElrRecord { topic: String::new() }.into(), 0));
}

fn other_samples(samples: &mut Vec<(MetadataRecord, u16)>) {
    let config = ConfigRecord {
        resource_type: 2,
        resource_name: "orders".into(),
        key: "min.insync.replicas".into(),
        value: Some("2".into()),
    };
    samples.push((config.clone().into(), 0));
    samples.push((ConfigRecord { value: None, ..config.clone() }.into(), 0));
    // Long enough for a length of two bytes, and not ASCII.
    let long = "é".repeat(100);
    samples.push((ConfigRecord { value: Some(long), ..config }.into(), 0));
    samples.push((FeatureLevelRecord { name: "metadata.version".into(), level: 25 }.into(), 0));
    samples.push((ProducerIdsRecord { broker: NodeId(1), broker_epoch: 81, next: 1 << 50 }.into(), 0));
    samples.push((NoOpRecord {}.into(), 0));
    samples.push((BeginTransactionRecord { name: Some("bootstrap".into()) }.into(), 0));
    samples.push((BeginTransactionRecord { name: None }.into(), 0));
    samples.push((EndTransactionRecord {}.into(), 0));
    samples.push((AbortTransactionRecord { reason: Some("another controller took over".into()) }.into(), 0));
    samples.push((AbortTransactionRecord { reason: None }.into(), 0));
}
