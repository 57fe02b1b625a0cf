//! `DescribeConfigs` (32): configuration with its sources.

crate::message! { request;
    DescribeConfigsRequest: key 32, versions 1..=4, flexible 4.. {
        resources: Vec<DescribeConfigsResource>, 0..;
        include_synonyms: bool, 0..;
        include_documentation: bool, 3..;
    }

    struct DescribeConfigsResource {
        resource_type: i8, 0..;
        resource_name: Str, 0..;
        configuration_keys: Option<Vec<Str>> = Some(Default::default()), 0.., null 0..;
    }
}

crate::message! { response;
    DescribeConfigsResponse: key 32, versions 1..=4, flexible 4.. {
        throttle_time_ms: i32, 0..;
        results: Vec<DescribeConfigsResult>, 0..;
    }

    struct DescribeConfigsResult {
        error_code: i16, 0..;
        error_message: Option<Str> = Some(Default::default()), 0.., null 0..;
        resource_type: i8, 0..;
        resource_name: Str, 0..;
        configs: Vec<DescribeConfigsResourceResult>, 0..;
    }

    struct DescribeConfigsResourceResult {
        name: Str, 0..;
        value: Option<Str> = Some(Default::default()), 0.., null 0..;
        read_only: bool, 0..;
        config_source: i8 = -1, 0..;
        is_sensitive: bool, 0..;
        synonyms: Vec<DescribeConfigsSynonym>, 0..;
        config_type: i8, 3..;
        documentation: Option<Str> = Some(Default::default()), 3.., null 0..;
    }

    struct DescribeConfigsSynonym {
        name: Str, 0..;
        value: Option<Str> = Some(Default::default()), 0.., null 0..;
        source: i8, 0..;
    }
}
