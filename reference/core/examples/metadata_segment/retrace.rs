//! What Kafka's controller decided, decided again by ours.
//!
//! Every batch of Kafka's log about the standing of a broker or the leaders and ISRs of partitions is taken for the
//! answer to a question: a session that ended, a heartbeat, a registration, an AlterPartition, an election. A
//! controller of ours that has applied everything before is asked the same, and must decide the same records. Only
//! their order among partitions is its own. Kafka collects what it decides within some milliseconds in one batch: where that
//! is about several brokers, it is as many decisions, one after the other.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::time::Duration;

use highwater_core::batch::batches;
use highwater_core::controller::{
    Config, Controller, ControllerRequest, Effect, ElectionKind, Heartbeat, Image, MetadataRecord,
    NO_LEADER_CHANGE, NO_RECOVERY_CHANGE, PartitionChangeRecord, RegisterBroker, RegisterBrokerRecord, Rules,
    Timer,
};
use highwater_core::partition::{AlterPartition, LeaderRecovery};
use highwater_core::{Dice, Extent, Instant, NodeId, Offset};

/// What a controller of Kafka was asked.
enum Question {
    SessionEnded(NodeId),
    /// One of these, of which the log does not say which.
    Request(&'static str, Vec<ControllerRequest>),
}

/// Goes through the segments of a log and says how much was decided again.
pub(crate) fn retrace(files: &[String]) -> Result<(), Box<dyn Error>> {
    let mut image = Image::default();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut compared = 0;
    for file in files {
        let bytes = fs::read(file)?;
        for batch in batches(&bytes) {
            let batch = batch?;
            if batch.header().is_control() {
                continue;
            }
            let mut records = Vec::new();
            for record in batch.records()? {
                records.push(MetadataRecord::decode(record?.value.ok_or("a record without a value")?)?);
            }
            let kinds = retrace_batch(&image, batch.header().base_offset, &records)?;
            if !kinds.is_empty() {
                compared += comparable(&records).len();
            }
            for kind in kinds {
                *counts.entry(kind).or_default() += 1;
            }
            for record in &records {
                image.apply(record)?;
            }
        }
    }
    println!("decided again: {counts:?}, {compared} records");
    Ok(())
}

/// Decides a batch again, as one decision or, where that is not what it is, as one for each broker that it is about.
fn retrace_batch(
    image: &Image,
    base: Offset,
    records: &[MetadataRecord],
) -> Result<Vec<&'static str>, Box<dyn Error>> {
    let Some(question) = question(image, records) else { return Ok(Vec::new()) };
    let error = match again(image, base, question, records) {
        Ok(kind) => return Ok(vec![kind]),
        Err(error) => error,
    };
    let brokers: Vec<usize> = (0..records.len()).filter(|&at| is_about_broker(&records[at])).collect();
    let [first, second, ..] = brokers[..] else { return Err(error) };
    // Changes of partitions stand behind a broker that comes, and before one that goes: those in between may be of either.
    for cut in first + 1..=second {
        let (decided, rest) = records.split_at(cut);
        let Ok(mut kinds) = retrace_batch(image, base, decided) else { continue };
        let mut after = image.clone();
        for record in decided {
            after.apply(record)?;
        }
        if let Ok(more) = retrace_batch(&after, base + cut as Offset, rest) {
            kinds.extend(more);
            return Ok(kinds);
        }
    }
    Err(error)
}

fn is_about_broker(record: &MetadataRecord) -> bool {
    matches!(record, MetadataRecord::RegisterBroker(_) | MetadataRecord::BrokerRegistrationChange(_))
}

/// What the batch answers, if it is about brokers, leaders or ISRs.
fn question(image: &Image, records: &[MetadataRecord]) -> Option<Question> {
    if image.is_in_transaction() {
        return None;
    }
    let about_brokers = records.iter().find_map(|record| match record {
        MetadataRecord::RegisterBroker(record) => Some(registered(image, record)),
        MetadataRecord::BrokerRegistrationChange(record) if record.fenced == 1 => {
            // Kafka fences a fenced broker once more when the session ends that it had left.
            let is_new = image.broker(record.broker).is_some_and(|broker| !broker.fenced);
            is_new.then_some(Question::SessionEnded(record.broker))
        }
        MetadataRecord::BrokerRegistrationChange(record) => {
            let (comes, goes) = (record.fenced == -1, record.in_controlled_shutdown == 1);
            let heartbeat = Heartbeat {
                id: record.broker,
                broker_epoch: record.broker_epoch,
                metadata_offset: Offset::MAX,
                want_fence: false,
                want_shut_down: goes,
            };
            let kind = if comes { "broker comes" } else { "broker wants to stop" };
            (comes || goes).then(|| Question::Request(kind, vec![ControllerRequest::Heartbeat(heartbeat)]))
        }
        _ => None,
    });
    about_brokers.or_else(|| about_partitions(image, records))
}

/// Whether it had stopped in good order is not in the log: it is asked both ways.
fn registered(image: &Image, record: &RegisterBrokerRecord) -> Question {
    let before = image.broker(record.broker).map_or(-1, |broker| broker.epoch);
    let request = |previous_broker_epoch| {
        ControllerRequest::RegisterBroker(RegisterBroker {
            id: record.broker,
            cluster: String::new(),
            incarnation: record.incarnation,
            previous_broker_epoch,
            listeners: record.endpoints.clone(),
            features: record
                .features
                .iter()
                .map(|one| (one.name.clone(), (one.lowest, one.highest)))
                .collect(),
            rack: record.rack.clone(),
            directories: record.directories.clone(),
        })
    };
    Question::Request("registration", vec![request(-1), request(before)])
}

fn about_partitions(image: &Image, records: &[MetadataRecord]) -> Option<Question> {
    let changes: Vec<&PartitionChangeRecord> = records
        .iter()
        .filter_map(|record| match record {
            MetadataRecord::PartitionChange(change) => Some(change),
            _ => None,
        })
        .collect();
    let first = changes.first()?;
    if first.isr.is_none() && first.leader != NO_LEADER_CHANGE {
        let named = |change: &&PartitionChangeRecord| {
            Some((image.topic(change.topic)?.name.clone(), change.partition))
        };
        let partitions = Some(changes.iter().filter_map(named).collect());
        let elect = |kind| ControllerRequest::ElectLeaders { kind, partitions: Clone::clone(&partitions) };
        let either = vec![elect(ElectionKind::Preferred), elect(ElectionKind::Unclean)];
        return Some(Question::Request("election", either));
    }
    let wish = |change: &&PartitionChangeRecord| {
        let state = image.partition(change.topic, change.partition)?;
        let leader = state.leader?;
        let isr = change.isr.as_ref().unwrap_or(&state.isr);
        let epoch = |id: NodeId| image.broker(id).map_or(-1, |broker| broker.epoch);
        let wish = AlterPartition {
            leader,
            broker_epoch: epoch(leader),
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
            isr: isr.iter().map(|&id| (id, epoch(id))).collect(),
            recovery: match change.recovery {
                NO_RECOVERY_CHANGE => state.recovery,
                1 => LeaderRecovery::Recovering,
                _ => LeaderRecovery::Recovered,
            },
        };
        Some((change.topic, change.partition, wish))
    };
    let wishes = changes.iter().filter_map(wish).collect();
    Some(Question::Request("other ISRs", vec![ControllerRequest::AlterPartitions(wishes)]))
}

/// Asks a controller of ours, and compares.
fn again(
    image: &Image,
    base: Offset,
    question: Question,
    expected: &[MetadataRecord],
) -> Result<&'static str, Box<dyn Error>> {
    let (kind, decided) = match question {
        Question::SessionEnded(broker) => {
            let decided = decide(image, base, |controller| {
                controller.expire(Instant::default(), Timer::Session(broker))
            });
            ("broker goes", vec![decided])
        }
        Question::Request(kind, requests) => {
            let ask = |request: ControllerRequest| {
                decide(image, base, |controller| controller.handle(Instant::default(), 1, request))
            };
            (kind, requests.into_iter().map(ask).collect())
        }
    };
    let expected = comparable(expected);
    if decided.iter().any(|decided| comparable(decided) == expected) {
        return Ok(kind);
    }
    Err(format!(
        "at {base}, {kind}: Kafka decided\n{expected:#?}\nours\n{:#?}",
        decided.iter().map(|one| comparable(one)).collect::<Vec<_>>()
    )
    .into())
}

fn decide(image: &Image, base: Offset, ask: impl FnOnce(&mut Controller)) -> Vec<MetadataRecord> {
    let config = Config {
        cluster: String::new(),
        session_timeout: Duration::from_secs(9),
        rebalance_interval: None,
        default_partitions: 1,
        default_replication_factor: 1,
        min_isr: 1,
        unclean_election: false,
        last_known_leader: true,
        records_per_batch_max: 10_000,
        bootstrap_features: BTreeMap::new(),
    };
    let now = Instant::default();
    // Its epoch begins with a record, so that what it decides stands where Kafka's does.
    let mut controller =
        Controller::open(config, Rules::default(), image.clone(), base - 1, Dice::new(1), now);
    controller.lead(now, 1, base - 1);
    ask(&mut controller);
    let mut decided = Vec::new();
    let mut end = base;
    while let Some(effect) = controller.poll() {
        if let Effect::Append { records, epoch, .. } = effect {
            let base = end;
            end += records.len() as Offset;
            controller.appended(Extent { epoch, base, end });
            decided.extend(records);
        }
    }
    decided
}

/// What is compared: changes of partitions and of the standing of brokers, in an order of their own, and who
/// registered.
fn comparable(records: &[MetadataRecord]) -> Vec<String> {
    let mut texts: Vec<String> = records
        .iter()
        .filter_map(|record| match record {
            MetadataRecord::PartitionChange(_) => Some(format!("{record:?}")),
            MetadataRecord::BrokerRegistrationChange(change) => {
                let stands = (change.fenced, change.in_controlled_shutdown);
                (stands != (0, 0)).then(|| format!("broker {} {stands:?}", change.broker))
            }
            // Kafka takes the offset of the first record of the batch for the broker epoch; so here it may differ.
            MetadataRecord::RegisterBroker(record) => {
                Some(format!("{} registers, fenced {}", record.broker, record.fenced))
            }
            _ => None,
        })
        .collect();
    texts.sort();
    texts
}
