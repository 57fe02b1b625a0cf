//! The image by itself.

use highwater_core::controller::{
    AbortTransactionRecord, ApplyError, BeginTransactionRecord, Change, ConfigKey, ConfigRecord,
    EndTransactionRecord, FeatureLevelRecord, Image, MetadataRecord, NO_LEADER_CHANGE, NO_RECOVERY_CHANGE,
    PartitionChangeRecord, PartitionRecord, RemoveTopicRecord, TopicRecord, UnregisterBrokerRecord,
};
use highwater_core::{NodeId, Uuid};
use proptest::prelude::*;

use crate::samples::samples;

const TOPIC: Uuid = Uuid(77);

fn topic() -> MetadataRecord {
    TopicRecord { name: "t".into(), topic: TOPIC }.into()
}

fn partition() -> PartitionRecord {
    PartitionRecord {
        partition: 0,
        topic: TOPIC,
        replicas: vec![NodeId(1), NodeId(2)],
        isr: vec![NodeId(1)],
        removing: Vec::new(),
        adding: Vec::new(),
        leader: 1,
        leader_epoch: 0,
        partition_epoch: 0,
        directories: Vec::new(),
        recovery: 0,
        elr: None,
        last_known_elr: None,
    }
}

fn change() -> PartitionChangeRecord {
    PartitionChangeRecord {
        partition: 0,
        topic: TOPIC,
        isr: None,
        leader: NO_LEADER_CHANGE,
        replicas: None,
        removing: None,
        adding: None,
        recovery: NO_RECOVERY_CHANGE,
        elr: None,
        last_known_elr: None,
        directories: None,
    }
}

fn image(records: &[MetadataRecord]) -> Image {
    let mut image = Image::default();
    for record in records {
        image.apply(record).unwrap_or_else(|error| panic!("{error}"));
    }
    image
}

#[test]
fn change_says_where_to_look() {
    let mut image = Image::default();
    assert_eq!(image.apply(&topic()), Ok(Change::TopicCreated(TOPIC)));
    assert_eq!(image.apply(&partition().into()), Ok(Change::Partition(TOPIC, 0)));
    assert_eq!(image.apply(&change().into()), Ok(Change::Partition(TOPIC, 0)));
    let config = ConfigRecord {
        resource_type: ConfigKey::TOPIC,
        resource_name: "t".into(),
        key: "retention.ms".into(),
        value: Some("1".into()),
    };
    assert_eq!(image.apply(&config.into()), Ok(Change::Config(ConfigKey::topic("t"))));
    let removed = image.apply(&RemoveTopicRecord { topic: TOPIC }.into());
    assert_eq!(removed, Ok(Change::TopicRemoved(TOPIC, "t".into())));
    assert_eq!(image, Image::default());
}

#[test]
fn named_leader_begins_an_epoch_even_if_it_is_the_same() {
    let mut image = image(&[topic(), partition().into()]);
    image.apply(&PartitionChangeRecord { leader: 1, ..change() }.into()).expect("a change");
    let state = image.partition(TOPIC, 0).expect("a partition");
    assert_eq!((state.leader, state.leader_epoch, state.partition_epoch), (Some(NodeId(1)), 1, 1));
}

#[test]
fn transaction_shows_at_its_end() {
    let mut image = image(&[BeginTransactionRecord { name: None }.into(), topic(), partition().into()]);
    assert!(image.is_in_transaction());
    assert_eq!(image.topic_id("t"), None);
    let several = Change::Several(vec![Change::TopicCreated(TOPIC), Change::Partition(TOPIC, 0)]);
    assert_eq!(image.apply(&EndTransactionRecord {}.into()), Ok(several));
    assert_eq!(image.topic_id("t"), Some(TOPIC));
    assert!(!image.is_in_transaction());
}

#[test]
fn transaction_that_is_aborted_never_was() {
    let aborted = image(&[
        BeginTransactionRecord { name: None }.into(),
        topic(),
        AbortTransactionRecord { reason: None }.into(),
    ]);
    assert_eq!(aborted, Image::default());
}

#[test]
fn transaction_whose_last_record_does_not_fit_changes_nothing() {
    let mut image = image(&[BeginTransactionRecord { name: None }.into(), topic(), change().into()]);
    let before = image.clone();
    let ended = image.apply(&EndTransactionRecord {}.into());
    assert_eq!(ended, Err(ApplyError::UnknownPartition(TOPIC, 0)));
    assert_eq!(image, before);
}

#[test]
fn record_that_does_not_fit_says_why() {
    let base = image(&[topic(), partition().into()]);
    let feature = FeatureLevelRecord { name: "metadata.version".into(), level: 31 };
    let late = PartitionRecord { partition_epoch: i32::MAX, ..partition() };
    let cases: [(MetadataRecord, ApplyError); 8] = [
        (topic(), ApplyError::TopicExists("t".into(), TOPIC)),
        (RemoveTopicRecord { topic: Uuid(5) }.into(), ApplyError::UnknownTopic(Uuid(5))),
        (PartitionRecord { topic: Uuid(5), ..partition() }.into(), ApplyError::UnknownTopic(Uuid(5))),
        (PartitionChangeRecord { partition: 3, ..change() }.into(), ApplyError::UnknownPartition(TOPIC, 3)),
        (
            PartitionChangeRecord { leader: -3, ..change() }.into(),
            ApplyError::Meaningless { field: "leader", value: -3 },
        ),
        (
            UnregisterBrokerRecord { broker: NodeId(1), broker_epoch: 1 }.into(),
            ApplyError::UnknownBroker(NodeId(1)),
        ),
        (feature.into(), ApplyError::MetadataVersion(31)),
        (EndTransactionRecord {}.into(), ApplyError::NoTransaction),
    ];
    for (record, error) in cases {
        assert_eq!(base.clone().apply(&record), Err(error));
    }
    let mut exhausted = image(&[topic(), late.into()]);
    let field = "the partition epoch";
    assert_eq!(exhausted.apply(&change().into()), Err(ApplyError::Exhausted { field }));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Records in any order, most of which do not fit: those change nothing, and what is left is a snapshot of itself.
    #[test]
    fn any_records_are_applied_or_refused(order in prop::collection::vec(any::<prop::sample::Index>(), 0..60)) {
        let samples = samples();
        let mut image = Image::default();
        for at in order {
            let (record, _) = &samples[at.index(samples.len())];
            let before = image.clone();
            if image.apply(record).is_err() {
                prop_assert_eq!(&image, &before);
            }
        }
        if !image.is_in_transaction() {
            let mut copy = Image::default();
            for record in image.records() {
                prop_assert!(copy.apply(&record).is_ok());
            }
            prop_assert_eq!(copy, image);
        }
    }
}
