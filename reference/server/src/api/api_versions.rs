//! ApiVersions: what this listener serves, in which versions (KIP-35, KIP-511).

use bytes::Bytes;
use highwater_wire::frame::Frame;
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::ApiVersionsRequest;
use highwater_wire::messages::api_versions::response::{ApiVersion, ApiVersionsResponse};
use highwater_wire::{Api, ErrorCode};

use super::{Begun, Client, ListenerKind, decode, is_served, ready};

/// Answers.
pub(super) fn begin(client: &mut Client, header: &RequestHeader, body: Bytes) -> Result<Begun, Begun> {
    let request: ApiVersionsRequest = decode(header, body)?;
    if header.version >= 3 {
        client.software = Some((request.client_software_name, request.client_software_version));
    }
    let response = ApiVersionsResponse { api_keys: served(client.kind), ..Default::default() };
    ready::<ApiVersionsRequest>(header, &response)
}

/// Says to a client that asked in a version which is not known here, in which it may ask.
pub(super) fn unsupported(kind: ListenerKind, correlation: i32) -> Begun {
    let response = ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION.0,
        api_keys: served(kind),
        ..Default::default()
    };
    match Frame::response::<ApiVersionsRequest>(&response, 0, correlation) {
        Ok(frame) => Begun::Ready(frame),
        Err(error) => Begun::Close(format!("the answer to ApiVersions has {error}")),
    }
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
