//! `CreatePartitions` (37): adds partitions to topics.

crate::message! { request;
    CreatePartitionsRequest: key 37, versions 0..=3, flexible 2.. {
        topics: Vec<CreatePartitionsTopic>, 0..;
        timeout_ms: i32, 0..;
        validate_only: bool, 0..;
    }

    struct CreatePartitionsTopic {
        name: Str, 0..;
        count: i32, 0..;
        assignments: Option<Vec<CreatePartitionsAssignment>> = Some(Default::default()), 0.., null 0..;
    }

    struct CreatePartitionsAssignment {
        broker_ids: Vec<i32>, 0..;
    }
}

crate::message! { response;
    CreatePartitionsResponse: key 37, versions 0..=3, flexible 2.. {
        throttle_time_ms: i32, 0..;
        results: Vec<CreatePartitionsTopicResult>, 0..;
    }

    struct CreatePartitionsTopicResult {
        name: Str, 0..;
        error_code: i16, 0..;
        error_message: Option<Str>, 0.., null 0..;
    }
}
