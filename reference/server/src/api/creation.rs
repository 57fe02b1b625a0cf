//! Topics that are created because somebody asks for them.
//!
//! They are waited for, for a while, so that most clients need not ask twice. (Kafka's broker answers at once that it does not know the topic.)

use std::collections::BTreeSet;
use std::time::Duration;

use highwater_core::Uuid;
use highwater_core::controller::{ControllerError, ControllerRequest, ControllerResponse, NewTopic};
use highwater_wire::{ErrorCode, Str};

use super::{Begun, Client, Context, cluster, controller};
use crate::config::ServerConfig;
use crate::runtime::OFFSETS_TOPIC;

/// How long.
const CREATION_WAIT: Duration = Duration::from_secs(1);

/// Has those topics created that there are not, and waits until this broker knows them, for a while. Those that cannot be.
pub(super) async fn create_missing(
    context: &Context,
    client: &Client,
    names: &BTreeSet<Str>,
) -> Result<Vec<(Str, ErrorCode)>, Begun> {
    let asked: Vec<&Str> = names.iter().collect();
    let ids = context.state.topics.ids(&context.node, &asked).await?;
    let missing =
        asked.into_iter().zip(ids).filter(|(name, id)| *id == Uuid::ZERO && cluster::is_valid_name(name));
    let topics: Vec<NewTopic> = missing.map(|(name, _)| automatic(&context.config, name)).collect();
    if topics.is_empty() {
        return Ok(Vec::new());
    }
    let deadline = tokio::time::Instant::now() + CREATION_WAIT;
    let request = ControllerRequest::CreateTopics { topics: topics.clone(), validate_only: false };
    let response = controller::ask(context, client, request, deadline).await?;
    let results = match response {
        ControllerResponse::CreateTopics(Ok(results)) => results,
        // Whatever the reason: the client will ask again.
        _ => return Ok(Vec::new()),
    };
    let (mut created, mut refused) = (Vec::new(), Vec::new());
    for (topic, result) in topics.into_iter().zip(results) {
        match result {
            Ok(_) => created.push(topic.name),
            Err(error) if error.code == ControllerError::TOPIC_ALREADY_EXISTS => created.push(topic.name),
            Err(error) if ErrorCode(error.code).is_retriable() => {}
            Err(error) => refused.push((Str::from(topic.name), ErrorCode(error.code))),
        }
    }
    controller::until(context, deadline, move |node| {
        created.iter().all(|name| node.image().topic_id(name).is_some())
    })
    .await?;
    Ok(refused)
}

/// A topic as it is created when somebody asks for it.
fn automatic(config: &ServerConfig, name: &str) -> NewTopic {
    let (partitions, replication_factor, configs) = match name {
        OFFSETS_TOPIC => offsets_topic(config),
        _ => (-1, -1, Vec::new()),
    };
    NewTopic { name: name.to_owned(), partitions, replication_factor, assignments: Vec::new(), configs }
}

/// The topic of groups' offsets.
fn offsets_topic(config: &ServerConfig) -> (i32, i16, Vec<(String, String)>) {
    let groups = &config.groups;
    let configs = [
        ("cleanup.policy", "compact".to_owned()),
        ("compression.type", "producer".to_owned()),
        ("segment.bytes", groups.topic_segment_bytes.to_string()),
    ];
    let configs = configs.map(|(key, value)| (key.to_owned(), value)).into();
    (groups.topic_partitions, groups.topic_replication_factor, configs)
}
