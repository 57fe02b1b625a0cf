//! Records, answers and partitions as text.

use std::fmt::Write;

use highwater_core::NodeId;
use highwater_core::controller::{
    ControllerError, ControllerResponse, Image, MetadataRecord, NO_LEADER_CHANGE, NO_RECOVERY_CHANGE,
    PartitionChangeRecord,
};
use highwater_core::partition::{LeaderRecovery, PartitionState};

use crate::world::Event;

/// `1,2,3`
fn ids(list: &[NodeId]) -> String {
    let ids: Vec<String> = list.iter().map(|id| id.0.to_string()).collect();
    ids.join(",")
}

/// Topic ids come from dice: the script shows names.
fn topic(image: &Image, id: highwater_core::Uuid) -> String {
    image.topic(id).map_or_else(|| "gone".into(), |topic| topic.name.clone())
}

pub(crate) fn event(image: &Image, event: &Event) -> String {
    match event {
        Event::Appended(batch, base) => {
            let mut text = format!("append {base} to {} in epoch {}\n", batch.end, batch.epoch);
            for each in &batch.records {
                let _ = writeln!(text, "  {}", record(image, each));
            }
            text
        }
        Event::Refused => "append refused\n".into(),
        Event::Answered(token, response) => format!("answer {token} {}\n", answer(response)),
    }
}

fn record(image: &Image, record: &MetadataRecord) -> String {
    match record {
        MetadataRecord::RegisterBroker(record) => {
            let fenced = if record.fenced { " fenced" } else { "" };
            let rack = record.rack.as_ref().map(|rack| format!(" rack={rack}")).unwrap_or_default();
            format!("register {} epoch={}{fenced}{rack}", record.broker.0, record.broker_epoch)
        }
        MetadataRecord::UnregisterBroker(record) => format!("unregister {}", record.broker.0),
        MetadataRecord::BrokerRegistrationChange(record) => {
            let fenced = match record.fenced {
                1 => " fenced",
                -1 => " unfenced",
                _ => "",
            };
            let stopping = if record.in_controlled_shutdown == 1 { " in controlled shutdown" } else { "" };
            format!("broker {}{fenced}{stopping}", record.broker.0)
        }
        MetadataRecord::Topic(record) => format!("topic {}", record.name),
        MetadataRecord::RemoveTopic(_) => "remove topic".into(),
        MetadataRecord::Partition(record) => format!(
            "partition {}-{} leader={} isr={} replicas={}",
            topic(image, record.topic),
            record.partition,
            record.leader,
            ids(&record.isr),
            ids(&record.replicas)
        ),
        MetadataRecord::PartitionChange(record) => change(image, record),
        MetadataRecord::Config(record) => {
            let value = record.value.as_deref().unwrap_or("(default)");
            let of = if record.resource_type == 2 { "topic" } else { "broker" };
            format!("config {of} {:?} {}={value}", record.resource_name, record.key)
        }
        MetadataRecord::FeatureLevel(record) => format!("feature {}={}", record.name, record.level),
        MetadataRecord::ProducerIds(record) => format!("producer ids below {}", record.next),
        MetadataRecord::ClearElr(record) => format!("clear elr of {:?}", record.topic),
        other => other.name().trim_end_matches("Record").to_string(),
    }
}

fn change(image: &Image, record: &PartitionChangeRecord) -> String {
    let mut text = format!("change {}-{}", topic(image, record.topic), record.partition);
    if record.leader != NO_LEADER_CHANGE {
        let _ = write!(text, " leader={}", record.leader);
    }
    let lists = [("isr", &record.isr), ("elr", &record.elr), ("last-known", &record.last_known_elr)];
    for (name, list) in lists {
        if let Some(list) = list {
            let _ = write!(text, " {name}=[{}]", ids(list));
        }
    }
    if record.recovery != NO_RECOVERY_CHANGE {
        let _ = write!(text, " {}", if record.recovery == 1 { "recovering" } else { "recovered" });
    }
    if record.directories.is_some() {
        text.push_str(" directories");
    }
    text
}

fn answer(response: &ControllerResponse) -> String {
    fn result<T>(result: &Result<T, ControllerError>, ok: impl FnOnce(&T) -> String) -> String {
        match result {
            Ok(value) => ok(value),
            Err(error) => format!("error {}: {}", error.code, error.message),
        }
    }
    fn each<T>(results: &[Result<T, ControllerError>]) -> String {
        let each: Vec<String> = results.iter().map(|one| result(one, |_| "ok".into())).collect();
        each.join("; ")
    }
    match response {
        ControllerResponse::RegisterBroker(response) => {
            result(response, |epoch| format!("broker epoch {epoch}"))
        }
        ControllerResponse::Heartbeat(response) => result(response, |standing| {
            let words = [
                (standing.caught_up, "caught up"),
                (standing.fenced, "fenced"),
                (standing.should_shut_down, "may shut down"),
            ];
            let said: Vec<&str> = words.iter().filter(|(said, _)| *said).map(|(_, word)| *word).collect();
            if said.is_empty() { "unfenced, behind".into() } else { said.join(", ") }
        }),
        ControllerResponse::UnregisterBroker(response) | ControllerResponse::UpdateFeatures(response) => {
            result(response, |()| "ok".into())
        }
        ControllerResponse::AlterPartitions(response) => result(response, |results| {
            let each: Vec<String> = results
                .iter()
                .map(|(_, _, one)| match one {
                    Ok(state) => partition(state),
                    Err(error) => format!("{error:?}"),
                })
                .collect();
            each.join("; ")
        }),
        ControllerResponse::CreateTopics(response) => result(response, |results| each(results)),
        ControllerResponse::DeleteTopics(response)
        | ControllerResponse::CreatePartitions(response)
        | ControllerResponse::AlterConfigs(response) => result(response, |results| each(results)),
        ControllerResponse::ElectLeaders(response) => result(response, |results| {
            let one = |(name, index, one): &(String, i32, Result<(), ControllerError>)| {
                format!("{name}-{index} {}", result(one, |()| "ok".into()))
            };
            let each: Vec<String> = results.iter().map(one).collect();
            each.join("; ")
        }),
        ControllerResponse::AllocateProducerIds(response) => {
            result(response, |(first, count)| format!("{count} ids from {first}"))
        }
    }
}

pub(crate) fn partition(state: &PartitionState) -> String {
    let leader = state.leader.map_or("none".into(), |leader| leader.0.to_string());
    let mut text = format!(
        "leader={leader} epoch={} isr=[{}] at {}",
        state.leader_epoch,
        ids(&state.isr),
        state.partition_epoch
    );
    for (name, list) in [("elr", &state.elr), ("last-known", &state.last_known_elr)] {
        if !list.is_empty() {
            let _ = write!(text, " {name}=[{}]", ids(list));
        }
    }
    if state.recovery == LeaderRecovery::Recovering {
        text.push_str(" recovering");
    }
    text
}
