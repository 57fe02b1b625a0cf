//! `IncrementalAlterConfigs` (KIP-339).

use std::collections::HashMap;

use highwater_core::NodeId;
use highwater_core::controller::{
    ConfigChange, ConfigKey, ConfigOperation, ConfigResource, ControllerError, ControllerResponse,
};
use highwater_wire::Str;
use highwater_wire::messages::incremental_alter_configs::{request, response};
use highwater_wire::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use super::{codes, outcome, unanswered};

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// Kafka's number and name of a resource.
pub(crate) fn name_of(resource: &ConfigResource) -> (i8, Str) {
    let ConfigKey { kind, name } = ConfigKey::from(resource);
    (kind, name.into())
}

/// The resource of this number and name.
///
/// # Errors
/// If it is none that can be configured here.
pub(crate) fn resource(kind: i8, name: &str) -> Result<ConfigResource, ControllerError> {
    let refused = |message| Err(ControllerError { code: ControllerError::INVALID_REQUEST, message });
    match kind {
        ConfigKey::TOPIC => Ok(ConfigResource::Topic(name.to_owned())),
        ConfigKey::BROKER if name.is_empty() => Ok(ConfigResource::Broker(None)),
        ConfigKey::BROKER => match name.parse() {
            Ok(id) if id >= 0 => Ok(ConfigResource::Broker(Some(NodeId(id)))),
            _ => {
                refused(format!("a broker is named by its id, or by nothing for all brokers: found {name:?}"))
            }
        },
        kind => refused(format!(
            "resources of type {kind} cannot be configured here, only topics ({}) and brokers ({})",
            ConfigKey::TOPIC,
            ConfigKey::BROKER
        )),
    }
}

/// The request for these changes.
pub(crate) fn alter_configs(
    changes: &[(ConfigResource, Vec<ConfigChange>)],
    validate_only: bool,
) -> IncrementalAlterConfigsRequest {
    let config = |change: &ConfigChange| {
        let (config_operation, value) = match &change.operation {
            ConfigOperation::Set(value) => (SET, Some(value)),
            ConfigOperation::Delete => (DELETE, None),
            ConfigOperation::Append(value) => (APPEND, Some(value)),
            ConfigOperation::Subtract(value) => (SUBTRACT, Some(value)),
        };
        let value = value.map(|value| value.as_str().into());
        request::AlterableConfig { name: change.key.as_str().into(), config_operation, value }
    };
    let resources = changes.iter().map(|(resource, changes)| {
        let (resource_type, resource_name) = name_of(resource);
        let configs = changes.iter().map(config).collect();
        request::AlterConfigsResource { resource_type, resource_name, configs }
    });
    IncrementalAlterConfigsRequest { resources: resources.collect(), validate_only }
}

/// The changes that a request wants made to one resource.
///
/// # Errors
/// If the resource cannot be configured, or a change is none.
pub(crate) fn changes(
    wanted: &request::AlterConfigsResource,
) -> Result<(ConfigResource, Vec<ConfigChange>), ControllerError> {
    let resource = resource(wanted.resource_type, &wanted.resource_name)?;
    let change = |config: &request::AlterableConfig| {
        let value = || match &config.value {
            Some(value) => Ok(value.to_string()),
            None => Err(ControllerError {
                code: ControllerError::INVALID_CONFIG,
                message: format!("{} has no value; delete it to have the default", config.name),
            }),
        };
        let operation = match config.config_operation {
            SET => ConfigOperation::Set(value()?),
            DELETE => ConfigOperation::Delete,
            APPEND => ConfigOperation::Append(value()?),
            SUBTRACT => ConfigOperation::Subtract(value()?),
            unknown => {
                let message = format!("{}: operation {unknown} is none of 0 to 3", config.name);
                return Err(ControllerError { code: ControllerError::INVALID_REQUEST, message });
            }
        };
        Ok(ConfigChange { key: config.name.to_string(), operation })
    };
    Ok((resource, wanted.configs.iter().map(change).collect::<Result<_, _>>()?))
}

/// What was answered about these.
pub(crate) fn configs_altered(
    asked: &[(ConfigResource, Vec<ConfigChange>)],
    response: IncrementalAlterConfigsResponse,
) -> ControllerResponse {
    let answers = response.responses.into_iter();
    let mut answers: HashMap<_, _> =
        answers.map(|answer| ((answer.resource_type, answer.resource_name.clone()), answer)).collect();
    let altered = asked.iter().map(|(resource, _)| match answers.remove(&name_of(resource)) {
        Some(answer) => outcome(answer.error_code, answer.error_message),
        None => Err(unanswered()),
    });
    ControllerResponse::AlterConfigs(Ok(altered.collect()))
}

/// The answer about one resource, by its number and name.
pub(crate) fn altered(
    kind: i8,
    name: &Str,
    result: Result<(), ControllerError>,
) -> response::AlterConfigsResourceResponse {
    let (error_code, error_message) = codes(result);
    response::AlterConfigsResourceResponse {
        error_code,
        error_message,
        resource_type: kind,
        resource_name: name.clone(),
    }
}
