//! `UpdateFeatures` (KIP-584).

use highwater_core::controller::{ControllerError, ControllerResponse};
use highwater_wire::messages::update_features::{request, response};
use highwater_wire::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};

use super::{codes, outcome};

/// `upgrade_type`: levels may go down too.
const UNSAFE_DOWNGRADE: i8 = 3;

/// The request for these levels. The controller decides whether a level may go down.
pub(crate) fn update_features(
    updates: &[(String, i16)],
    validate_only: bool,
    timeout_ms: i32,
) -> UpdateFeaturesRequest {
    let update = |(feature, level): &(String, i16)| request::FeatureUpdateKey {
        feature: feature.as_str().into(),
        max_version_level: *level,
        allow_downgrade: true,
        upgrade_type: UNSAFE_DOWNGRADE,
    };
    UpdateFeaturesRequest { timeout_ms, feature_updates: updates.iter().map(update).collect(), validate_only }
}

/// What was answered: before version 2 with each feature, since then for all at once.
pub(crate) fn features_updated(response: UpdateFeaturesResponse) -> ControllerResponse {
    let whole = outcome(response.error_code, response.error_message);
    let results = response.results.into_iter();
    let parts = results.map(|result| outcome(result.error_code, result.error_message));
    ControllerResponse::UpdateFeatures(parts.fold(whole, Result::and))
}

/// The answer about these features.
pub(crate) fn updated<'a>(
    names: impl Iterator<Item = &'a str>,
    result: Result<(), ControllerError>,
) -> UpdateFeaturesResponse {
    let (error_code, error_message) = codes(result);
    let result = |name: &str| response::UpdatableFeatureResult {
        feature: name.into(),
        error_code,
        error_message: error_message.clone(),
    };
    UpdateFeaturesResponse {
        results: names.map(result).collect(),
        error_code,
        error_message: error_message.clone(),
        ..Default::default()
    }
}
