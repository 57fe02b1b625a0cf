//! `AlterConfigs` (33): replaces configuration, the older form.

crate::message! { request;
    AlterConfigsRequest: key 33, versions 0..=2, flexible 2.. {
        resources: Vec<AlterConfigsResource>, 0..;
        validate_only: bool, 0..;
    }

    struct AlterConfigsResource {
        resource_type: i8, 0..;
        resource_name: Str, 0..;
        configs: Vec<AlterableConfig>, 0..;
    }

    struct AlterableConfig {
        name: Str, 0..;
        value: Option<Str> = Some(Default::default()), 0.., null 0..;
    }
}

crate::message! { response;
    AlterConfigsResponse: key 33, versions 0..=2, flexible 2.. {
        throttle_time_ms: i32, 0..;
        responses: Vec<AlterConfigsResourceResponse>, 0..;
    }

    struct AlterConfigsResourceResponse {
        error_code: i16, 0..;
        error_message: Option<Str> = Some(Default::default()), 0.., null 0..;
        resource_type: i8, 0..;
        resource_name: Str, 0..;
    }
}
