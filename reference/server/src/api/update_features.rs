//! UpdateFeatures (KIP-584, KIP-1022).

use std::sync::Arc;

use bytes::Bytes;
use highwater_core::controller::{ControllerError, ControllerRequest, ControllerResponse};
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::update_features::request::FeatureUpdateKey;
use highwater_wire::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use highwater_wire::{ErrorCode, Str};

use super::{Begun, Client, Context, controller, decode, ready};
use crate::translate::features;

/// From here on what a level may do stands in its own field.
const TYPES_SINCE: i16 = 1;
/// From here on there is one answer for all features.
const ONE_ANSWER_SINCE: i16 = 2;

/// `upgrade_type`: the level may only rise.
const UPGRADE: i8 = 1;
/// `upgrade_type`: the level may fall where nothing is lost, or though something is.
const DOWNGRADES: [i8; 2] = [2, 3];

/// Answers once the controller has decided.
pub(super) async fn begin(
    context: &Arc<Context>,
    client: &Client,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: UpdateFeaturesRequest = decode(header, body)?;
    let names: Vec<Str> = request.feature_updates.iter().map(|update| update.feature.clone()).collect();
    let levels = context.node.look(|node| node.image().features().clone()).await?;
    let level = |update: &FeatureUpdateKey| levels.get(&*update.feature).copied().unwrap_or(0);
    let refused =
        request.feature_updates.iter().find_map(|update| check(update, level(update), header.version).err());
    let result = match refused {
        Some(error) => Err(error),
        None => {
            let update =
                |update: &FeatureUpdateKey| (update.feature.to_string(), update.max_version_level.max(0));
            let asked = ControllerRequest::UpdateFeatures {
                updates: request.feature_updates.iter().map(update).collect(),
                validate_only: request.validate_only,
            };
            let deadline = controller::deadline(request.timeout_ms);
            match controller::ask(context, client, asked, deadline).await? {
                ControllerResponse::UpdateFeatures(result) => result,
                _ => Err(crate::translate::unanswered()),
            }
        }
    };
    let mut response: UpdateFeaturesResponse = features::updated(names.iter().map(|name| &**name), result);
    if header.version < ONE_ANSWER_SINCE && !names.is_empty() {
        response.error_code = ErrorCode::NONE.0;
        response.error_message = None;
    }
    ready::<UpdateFeaturesRequest>(header, &response)
}

/// Whether a level may be asked for in this way.
fn check(update: &FeatureUpdateKey, current: i16, version: i16) -> Result<(), ControllerError> {
    let (level, feature) = (update.max_version_level, &update.feature);
    let may_fall = if version < TYPES_SINCE {
        update.allow_downgrade
    } else {
        DOWNGRADES.contains(&update.upgrade_type)
    };
    if version >= TYPES_SINCE && !may_fall && update.upgrade_type != UPGRADE {
        let message = format!("{feature}: upgrade type {} is none of 1, 2 and 3", update.upgrade_type);
        return Err(ControllerError { code: ErrorCode::INVALID_UPDATE_VERSION.0, message });
    }
    if level < current && !may_fall {
        let message =
            format!("{feature} is at {current}: to go back to {level} must be asked for as a downgrade");
        return Err(ControllerError { code: ErrorCode::INVALID_UPDATE_VERSION.0, message });
    }
    if level > current && version >= TYPES_SINCE && may_fall {
        let message = format!("{feature} is at {current}: {level} is no downgrade");
        return Err(ControllerError { code: ErrorCode::INVALID_UPDATE_VERSION.0, message });
    }
    Ok(())
}
