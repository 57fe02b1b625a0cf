//! `CreateTopics` (19): creates topics.

crate::message! { request;
    CreateTopicsRequest: key 19, versions 2..=7, flexible 5.. {
        topics: Vec<CreatableTopic>, 0..;
        timeout_ms: i32 = 60000, 0..;
        validate_only: bool, 0..;
    }

    struct CreatableTopic {
        name: Str, 0..;
        num_partitions: i32, 0..;
        replication_factor: i16, 0..;
        assignments: Vec<CreatableReplicaAssignment>, 0..;
        configs: Vec<CreatableTopicConfig>, 0..;
    }

    struct CreatableReplicaAssignment {
        partition_index: i32, 0..;
        broker_ids: Vec<i32>, 0..;
    }

    struct CreatableTopicConfig {
        name: Str, 0..;
        value: Option<Str> = Some(Default::default()), 0.., null 0..;
    }
}

crate::message! { response;
    CreateTopicsResponse: key 19, versions 2..=7, flexible 5.. {
        throttle_time_ms: i32, 0..;
        topics: Vec<CreatableTopicResult>, 0..;
    }

    struct CreatableTopicResult {
        name: Str, 0..;
        topic_id: Uuid, 7..;
        error_code: i16, 0..;
        error_message: Option<Str> = Some(Default::default()), 0.., null 0..;
        num_partitions: i32 = -1, 5..;
        replication_factor: i16 = -1, 5..;
        configs: Option<Vec<CreatableTopicConfigs>> = Some(Default::default()), 5.., null 5..;
    } tagged {
        0: topic_config_error_code: i16, 5..;
    }

    struct CreatableTopicConfigs {
        name: Str, 5..;
        value: Option<Str> = Some(Default::default()), 5.., null 5..;
        read_only: bool, 5..;
        config_source: i8 = -1, 5..;
        is_sensitive: bool, 5..;
    }
}
