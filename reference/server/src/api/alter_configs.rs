//! IncrementalAlterConfigs (KIP-339), and AlterConfigs, its older form, which says what is set and by leaving out what is not (KIP-133).
//!
//! A topic's configuration, and what stands for it in brokers', can change while brokers run: nothing else can, and is refused with where it is
//! set instead.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use highwater_core::controller::{
    ConfigChange, ConfigKey, ConfigOperation, ConfigResource, ControllerError, ControllerRequest,
    ControllerResponse, Image, topic_config_of_broker,
};
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::alter_configs::{request as older, response as older_response};
use highwater_wire::messages::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};
use highwater_wire::{ErrorCode, Str};

use super::{Begun, Client, Context, controller, decode, ready};
use crate::config::table;
use crate::translate::{self, configs};

/// What is wanted of a resource, or why it cannot be asked for.
type Wanted = Result<(ConfigResource, Vec<ConfigChange>), ControllerError>;

/// How long the controller may take: the requests do not say.
const TIMEOUT_MS: i32 = 30_000;

/// Answers IncrementalAlterConfigs once the controller has decided.
pub(super) async fn begin(
    context: &Arc<Context>,
    client: &Client,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: IncrementalAlterConfigsRequest = decode(header, body)?;
    let resources = request.resources.iter();
    let names: Vec<(i8, Str)> =
        resources.map(|wanted| (wanted.resource_type, wanted.resource_name.clone())).collect();
    let wanted = request.resources.iter().map(configs::changes).collect();
    let results = alter(context, client, &names, wanted, request.validate_only).await?;
    let altered = names.iter().zip(results);
    let responses = altered.map(|((kind, name), result)| configs::altered(*kind, name, result)).collect();
    let response = IncrementalAlterConfigsResponse { responses, ..Default::default() };
    ready::<IncrementalAlterConfigsRequest>(header, &response)
}

/// Answers AlterConfigs once the controller has decided.
///
/// What is set and left out is deleted: as far as this node knows what is set. What somebody else sets meanwhile stays.
pub(super) async fn begin_older(
    context: &Arc<Context>,
    client: &Client,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: AlterConfigsRequest = decode(header, body)?;
    let resources = request.resources.iter();
    let names: Vec<(i8, Str)> =
        resources.map(|wanted| (wanted.resource_type, wanted.resource_name.clone())).collect();
    let wanted = context.node.look(move |node| {
        request.resources.iter().map(|wanted| replacement(node.image(), wanted)).collect::<Vec<Wanted>>()
    });
    let results = alter(context, client, &names, wanted.await?, request.validate_only).await?;
    let altered = names.iter().zip(results);
    let responses = altered.map(|((kind, name), result)| {
        let (error_code, error_message) = translate::codes(result);
        older_response::AlterConfigsResourceResponse {
            error_code,
            error_message,
            resource_type: *kind,
            resource_name: name.clone(),
        }
    });
    let response = AlterConfigsResponse { responses: responses.collect(), ..Default::default() };
    ready::<AlterConfigsRequest>(header, &response)
}

/// The changes that leave a resource with this configuration and no other.
fn replacement(image: &Image, wanted: &older::AlterConfigsResource) -> Wanted {
    let resource = configs::resource(wanted.resource_type, &wanted.resource_name)?;
    let mut changes = Vec::with_capacity(wanted.configs.len());
    for config in &wanted.configs {
        let Some(value) = &config.value else {
            let message = format!("{} has no value; leave it out to have the default", config.name);
            return Err(ControllerError { code: ErrorCode::INVALID_CONFIG.0, message });
        };
        changes.push(ConfigChange {
            key: config.name.to_string(),
            operation: ConfigOperation::Set(value.to_string()),
        });
    }
    let set = image.configs().get(&ConfigKey::from(&resource)).into_iter().flatten();
    let is_kept = |key: &String| wanted.configs.iter().any(|config| config.name == key.as_str());
    let left_out = set.filter(|(key, _)| !is_kept(key));
    changes.extend(
        left_out.map(|(key, _)| ConfigChange { key: key.clone(), operation: ConfigOperation::Delete }),
    );
    Ok((resource, changes))
}

/// Has the controller decide on what can be asked for; one result each.
async fn alter(
    context: &Context,
    client: &Client,
    names: &[(i8, Str)],
    wanted: Vec<Wanted>,
    validate_only: bool,
) -> Result<Vec<Result<(), ControllerError>>, Begun> {
    let keys = wanted.iter().flatten().map(|(_, changes)| changes.len()).sum::<usize>();
    let bound = controller::check_parts(names.len().max(keys));
    let mut seen = HashSet::new();
    let checked: Vec<Wanted> = names
        .iter()
        .zip(wanted)
        .map(|(name, wanted)| {
            if !seen.insert(name) {
                let message = "the resource stands in the request twice".to_owned();
                return Err(ControllerError { code: ErrorCode::INVALID_REQUEST.0, message });
            }
            bound.clone()?;
            let (resource, changes) = wanted?;
            check(&resource, &changes)?;
            Ok((resource, changes))
        })
        .collect();
    let changes: Vec<_> = checked.iter().flatten().cloned().collect();
    let count = changes.len();
    let results = if changes.is_empty() {
        Vec::new()
    } else {
        let asked = ControllerRequest::AlterConfigs { changes, validate_only };
        match controller::ask(context, client, asked, controller::deadline(TIMEOUT_MS)).await? {
            ControllerResponse::AlterConfigs(Ok(results)) => results,
            ControllerResponse::AlterConfigs(Err(error)) => vec![Err(error); count],
            _ => Vec::new(),
        }
    };
    let mut results = results.into_iter();
    let merged = checked.into_iter().map(|checked| match checked {
        Ok(_) => results.next().unwrap_or_else(|| Err(translate::unanswered())),
        Err(error) => Err(error),
    });
    Ok(merged.collect())
}

/// What a controller does not check: configuration of brokers.
fn check(resource: &ConfigResource, changes: &[ConfigChange]) -> Result<(), ControllerError> {
    let ConfigResource::Broker(_) = resource else { return Ok(()) };
    for ConfigChange { key, operation } in changes {
        let refused = |code: ErrorCode, message: String| Err(ControllerError { code: code.0, message });
        let Some((of_topics, synonym)) = topic_config_of_broker(key) else {
            // What is not known may be deleted: it may come of another version.
            match (table::find(key), operation) {
                (None, ConfigOperation::Delete) => continue,
                (None, _) => {
                    return refused(
                        ErrorCode::INVALID_CONFIG,
                        format!("no configuration of brokers is called {key:?}"),
                    );
                }
                (Some(_), _) => {
                    let message =
                        format!("{key} cannot change while a broker runs: set it in the broker's file");
                    return refused(ErrorCode::INVALID_REQUEST, message);
                }
            }
        };
        if let ConfigOperation::Set(value) = operation
            && let Err(expected) = synonym.check(of_topics, value)
        {
            return refused(ErrorCode::INVALID_CONFIG, format!("{key}: {value:?} is not {expected}"));
        }
    }
    Ok(())
}
