//! `UpdateFeatures` (57): changes feature levels (KIP-584).

crate::message! { request;
    UpdateFeaturesRequest: key 57, versions 0..=2, flexible 0.. {
        timeout_ms: i32 = 60000, 0..;
        feature_updates: Vec<FeatureUpdateKey>, 0..;
        validate_only: bool, 1..;
    }

    struct FeatureUpdateKey {
        feature: Str, 0..;
        max_version_level: i16, 0..;
        allow_downgrade: bool, 0..=0;
        upgrade_type: i8 = 1, 1..;
    }
}

crate::message! { response;
    UpdateFeaturesResponse: key 57, versions 0..=2, flexible 0.. {
        throttle_time_ms: i32, 0..;
        error_code: i16, 0..;
        error_message: Option<Str> = Some(Default::default()), 0.., null 0..;
        results: Vec<UpdatableFeatureResult>, 0..=1;
    }

    struct UpdatableFeatureResult {
        feature: Str, 0..;
        error_code: i16, 0..;
        error_message: Option<Str> = Some(Default::default()), 0.., null 0..;
    }
}
