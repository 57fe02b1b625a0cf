//! DescribeConfigs: what holds, and who says so (KIP-133, KIP-226, KIP-524).
//!
//! Topics and this broker are described, and what is set for all brokers. There are no documentation strings: where they are asked for they are
//! null, as Kafka's own answer may be.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use highwater_core::NodeId;
use highwater_core::controller::{ConfigKey, ConfigResource, ControllerError, Image, topic_config_of_broker};
use highwater_log::disk::RealDisk;
use highwater_node::{ConfigSource, Node, TopicConfigEntry, config_type};
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::create_topics::response::CreatableTopicConfigs;
use highwater_wire::messages::describe_configs::request::DescribeConfigsResource;
use highwater_wire::messages::describe_configs::response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use highwater_wire::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use highwater_wire::{ErrorCode, Str};

use super::{Begun, Context, cluster, decode, ready};
use crate::config::table::{self, Kind, Width};
use crate::config::{Place, ServerConfig};
use crate::translate::configs;

/// Resources of Kafka that have no configuration here: loggers of a broker.
const BROKER_LOGGER: i8 = 8;

/// Kafka's numbers of the types of values that topics do not have.
const STRING: i8 = 2;
const INT: i8 = 3;
const SHORT: i8 = 4;
const LONG: i8 = 5;
const DOUBLE: i8 = 6;
const LIST: i8 = 7;
const CLASS: i8 = 8;
const PASSWORD: i8 = 9;
const BOOLEAN: i8 = 1;

/// Answers.
pub(super) async fn begin(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: DescribeConfigsRequest = decode(header, body)?;
    let config = context.config.clone();
    let described = context.node.look(move |node| {
        let synonyms = request.include_synonyms;
        // Each resource once: the answer is many times as long as the question.
        let mut seen = HashSet::new();
        let mut is_new = |resource: &DescribeConfigsResource| {
            seen.insert((resource.resource_type, resource.resource_name.clone()))
        };
        let describe = |resource| describe(node, &config, resource, synonyms);
        request.resources.into_iter().filter(|resource| is_new(resource)).map(describe).collect::<Vec<_>>()
    });
    let response = DescribeConfigsResponse { results: described.await?, ..Default::default() };
    ready::<DescribeConfigsRequest>(header, &response)
}

fn describe(
    node: &Node<RealDisk>,
    config: &ServerConfig,
    wanted: DescribeConfigsResource,
    synonyms: bool,
) -> DescribeConfigsResult {
    let mut result = DescribeConfigsResult {
        resource_type: wanted.resource_type,
        error_message: None,
        ..Default::default()
    };
    match entries(node, config, &wanted) {
        Ok(entries) => {
            let keys = wanted.configuration_keys.filter(|keys| !keys.is_empty());
            let is_wanted = |name: &Str| keys.as_ref().is_none_or(|keys| keys.contains(name));
            let entries = entries.into_iter().filter(|entry| is_wanted(&entry.name));
            result.configs =
                entries.map(|entry| if synonyms { entry } else { without_synonyms(entry) }).collect();
        }
        Err(error) => {
            result.error_code = error.code;
            result.error_message = Some(error.message.into());
        }
    }
    result.resource_name = wanted.resource_name;
    result
}

fn without_synonyms(entry: DescribeConfigsResourceResult) -> DescribeConfigsResourceResult {
    DescribeConfigsResourceResult { synonyms: Vec::new(), ..entry }
}

fn entries(
    node: &Node<RealDisk>,
    config: &ServerConfig,
    wanted: &DescribeConfigsResource,
) -> Result<Vec<DescribeConfigsResourceResult>, ControllerError> {
    let refused = |code: ErrorCode, message: String| Err(ControllerError { code: code.0, message });
    if wanted.resource_type == BROKER_LOGGER {
        let message = "the loggers of this broker cannot be configured through the protocol".to_owned();
        return refused(ErrorCode::INVALID_REQUEST, message);
    }
    let image = node.image();
    match configs::resource(wanted.resource_type, &wanted.resource_name)? {
        ConfigResource::Topic(name) if !cluster::is_valid_name(&name) => {
            refused(ErrorCode::INVALID_TOPIC_EXCEPTION, format!("no topic can be called {name:?}"))
        }
        ConfigResource::Topic(name) if image.topic_id(&name).is_none() => {
            refused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, format!("there is no topic {name}"))
        }
        ConfigResource::Topic(name) => Ok(node.topic_config(&name).into_iter().map(of_topic).collect()),
        ConfigResource::Broker(None) => Ok(of_all_brokers(image)),
        ConfigResource::Broker(Some(id)) if id == node.id() => Ok(config
            .settings()
            .filter(|setting| !setting.key.is_internal)
            .map(|setting| of_broker(image, id, &setting))
            .collect()),
        ConfigResource::Broker(Some(id)) => {
            let message = format!(
                "broker {} describes itself and all brokers (\"\"), not broker {}",
                node.id().0,
                id.0
            );
            refused(ErrorCode::INVALID_REQUEST, message)
        }
    }
}

fn of_topic(entry: TopicConfigEntry) -> DescribeConfigsResourceResult {
    let synonym = |said: &highwater_node::ConfigValue| DescribeConfigsSynonym {
        name: Str::from_static(said.name),
        value: Some(said.value.as_str().into()),
        source: said.source as i8,
    };
    DescribeConfigsResourceResult {
        name: Str::from_static(entry.key.name),
        read_only: false,
        config_source: entry.source() as i8,
        is_sensitive: false,
        synonyms: entry.said.iter().map(synonym).collect(),
        config_type: config_type(entry.key.kind),
        documentation: None,
        value: Some(entry.value.into()),
    }
}

/// What is set for all brokers, and for none in particular.
fn of_all_brokers(image: &Image) -> Vec<DescribeConfigsResourceResult> {
    let set = image.configs().get(&ConfigKey::brokers()).into_iter().flatten();
    let entry = |(name, value): (&String, &String)| {
        let key = table::find(name);
        let is_sensitive = key.is_none_or(|key| key.kind == Kind::Password);
        let value = (!is_sensitive).then(|| Str::from(value.as_str()));
        let source = ConfigSource::AllBrokers as i8;
        let name = Str::from(name.as_str());
        let synonym = DescribeConfigsSynonym { name: name.clone(), value: value.clone(), source };
        DescribeConfigsResourceResult {
            name,
            value,
            read_only: false,
            config_source: source,
            is_sensitive,
            synonyms: vec![synonym],
            config_type: key.map_or(0, |key| type_of(&key.kind)),
            documentation: None,
        }
    };
    set.map(entry).collect()
}

fn of_broker(
    image: &Image,
    id: NodeId,
    setting: &crate::config::Setting<'_>,
) -> DescribeConfigsResourceResult {
    let key = setting.key;
    let is_sensitive = key.kind == Kind::Password;
    let mine = ConfigKey::from(&ConfigResource::Broker(Some(id)));
    let of_file = match setting.place {
        Place::Unset => None,
        Place::Line(_) | Place::Override(_) => setting.value,
    };
    let said = [
        (ConfigSource::Broker, image.config(&mine, key.name)),
        (ConfigSource::AllBrokers, image.config(&ConfigKey::brokers(), key.name)),
        (ConfigSource::File, of_file),
        (ConfigSource::Default, key.default),
    ];
    let synonym = |(source, value): (ConfigSource, Option<&str>)| {
        let name = Str::from_static(key.name);
        let value = value?;
        let value = (!is_sensitive).then(|| value.into());
        Some(DescribeConfigsSynonym { name, value, source: source as i8 })
    };
    let synonyms: Vec<_> = said.into_iter().filter_map(synonym).collect();
    let (value, source) = match synonyms.first() {
        Some(first) => (first.value.clone(), first.source),
        None => (None, ConfigSource::Default as i8),
    };
    DescribeConfigsResourceResult {
        name: Str::from_static(key.name),
        value,
        read_only: topic_config_of_broker(key.name).is_none(),
        config_source: source,
        is_sensitive,
        synonyms,
        config_type: type_of(&key.kind),
        documentation: None,
    }
}

fn type_of(kind: &Kind) -> i8 {
    match kind {
        Kind::Boolean => BOOLEAN,
        Kind::Number { width: Width::Short, .. } => SHORT,
        Kind::Number { width: Width::Int, .. } => INT,
        Kind::Number { width: Width::Long, .. } => LONG,
        Kind::Double => DOUBLE,
        Kind::Text { .. } => STRING,
        Kind::List { .. } => LIST,
        Kind::Class => CLASS,
        Kind::Password => PASSWORD,
    }
}

/// The configuration of a topic as CreateTopics answers it, with what the topic itself says over what else holds.
pub(super) fn of_new_topic(
    node: &Node<RealDisk>,
    name: &str,
    own: &[(String, String)],
) -> Vec<CreatableTopicConfigs> {
    let config = |entry: TopicConfigEntry| {
        let own = own.iter().find(|(key, _)| key == entry.key.name);
        let (value, source) = match own {
            Some((_, value)) => (value.as_str().into(), ConfigSource::Topic),
            None => (entry.value.as_str().into(), entry.source()),
        };
        CreatableTopicConfigs {
            name: Str::from_static(entry.key.name),
            value: Some(value),
            read_only: false,
            config_source: source as i8,
            is_sensitive: false,
        }
    };
    node.topic_config(name).into_iter().map(config).collect()
}
