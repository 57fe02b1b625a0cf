//! ApiVersions: what this listener serves, in which versions, and the cluster's features (KIP-35, KIP-511, KIP-584).

use std::sync::Arc;

use bytes::Bytes;
use highwater_core::controller::MetadataVersion;
use highwater_log::disk::RealDisk;
use highwater_node::Node;
use highwater_wire::frame::Frame;
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::ApiVersionsRequest;
use highwater_wire::messages::api_versions::response::{
    ApiVersion, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use highwater_wire::{Api, ErrorCode, Str};

use super::{Begun, Client, Context, ListenerKind, decode, is_served, ready};

/// From here on clients say what software they are, and hear of features.
const SOFTWARE_SINCE: i16 = 3;
/// From here on a feature may have 0 as its least level: before, clients fail on it (KIP-1022).
const LEVEL_0_SINCE: i16 = 4;

/// The features that this broker supports, with their least and largest levels.
const FEATURES: [(&str, i16, i16); 2] = [
    (MetadataVersion::FEATURE, MetadataVersion::LOWEST.0, MetadataVersion::HIGHEST.0),
    ("eligible.leader.replicas.version", 0, 1),
];

/// Answers.
pub(super) async fn begin(
    context: &Arc<Context>,
    client: &mut Client,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: ApiVersionsRequest = decode(header, body)?;
    if header.version < SOFTWARE_SINCE {
        let response = ApiVersionsResponse { api_keys: served(client.kind), ..Default::default() };
        return ready::<ApiVersionsRequest>(header, &response);
    }
    let (name, version) = (request.client_software_name, request.client_software_version);
    if !is_software(&name) || !is_software(&version) {
        let error_code = ErrorCode::INVALID_REQUEST.0;
        return ready::<ApiVersionsRequest>(
            header,
            &ApiVersionsResponse { error_code, ..Default::default() },
        );
    }
    client.software = Some((name, version));
    let supported = FEATURES.iter().filter(|(_, least, _)| *least > 0 || header.version >= LEVEL_0_SINCE);
    let supported = supported.map(|&(name, min_version, max_version)| SupportedFeatureKey {
        name: Str::from_static(name),
        min_version,
        max_version,
    });
    let (finalized_features_epoch, finalized_features) = context.node.look(finalized).await?;
    let response = ApiVersionsResponse {
        api_keys: served(client.kind),
        supported_features: supported.collect(),
        finalized_features_epoch,
        finalized_features,
        ..Default::default()
    };
    ready::<ApiVersionsRequest>(header, &response)
}

/// Says to a client that asked in a version which is not known here, in which it may ask.
pub(super) fn unsupported(kind: ListenerKind, correlation: i32) -> Begun {
    let api_keys = served(kind).into_iter().filter(|api| api.api_key == Api::ApiVersions.key()).collect();
    let error_code = ErrorCode::UNSUPPORTED_VERSION.0;
    let response = ApiVersionsResponse { error_code, api_keys, ..Default::default() };
    match Frame::response::<ApiVersionsRequest>(&response, 0, correlation) {
        Ok(frame) => Begun::Ready(frame),
        Err(error) => Begun::Close(format!("the answer to ApiVersions has {error}")),
    }
}

/// The levels that hold in the cluster, and the offset of the metadata that say so.
fn finalized(node: &Node<RealDisk>) -> (i64, Vec<FinalizedFeatureKey>) {
    let features = node.image().features().iter().filter(|(_, level)| **level > 0);
    let features = features.map(|(name, &level)| FinalizedFeatureKey {
        name: name.as_str().into(),
        max_version_level: level,
        min_version_level: level,
    });
    (node.metadata_applied() - 1, features.collect())
}

/// Whether this may be the name or the version of a client's software: letters, digits, dots and hyphens, these not at the ends.
fn is_software(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    let ends = [text.bytes().next(), text.bytes().next_back()];
    text.bytes().all(is_inner) && ends.iter().all(|end| end.is_some_and(|end| end.is_ascii_alphanumeric()))
}

fn served(kind: ListenerKind) -> Vec<ApiVersion> {
    let apis = Api::ALL.iter().filter(|api| is_served(kind, **api));
    let versions = apis.map(|api| ApiVersion {
        api_key: api.key(),
        min_version: *api.versions().start(),
        max_version: *api.versions().end(),
    });
    versions.collect()
}
