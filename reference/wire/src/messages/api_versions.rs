//! `ApiVersions` (18): what the receiver speaks.

crate::message! { request;
    ApiVersionsRequest: key 18, versions 0..=4, flexible 3.. {
        client_software_name: Str, 3..;
        client_software_version: Str, 3..;
    }
}

crate::message! { response;
    ApiVersionsResponse: key 18, versions 0..=4, flexible 3.. {
        error_code: i16, 0..;
        api_keys: Vec<ApiVersion>, 0..;
        throttle_time_ms: i32, 1..;
    } tagged {
        0: supported_features: Vec<SupportedFeatureKey>, 3..;
        1: finalized_features_epoch: i64 = -1, 3..;
        2: finalized_features: Vec<FinalizedFeatureKey>, 3..;
        3: zk_migration_ready: bool, 3..;
    }

    struct ApiVersion {
        api_key: i16, 0..;
        min_version: i16, 0..;
        max_version: i16, 0..;
    }

    struct SupportedFeatureKey {
        name: Str, 3..;
        min_version: i16, 3..;
        max_version: i16, 3..;
    }

    struct FinalizedFeatureKey {
        name: Str, 3..;
        max_version_level: i16, 3..;
        min_version_level: i16, 3..;
    }
}
