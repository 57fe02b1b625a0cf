//! `ListPartitionReassignments` (46): replicas on their way (KIP-455).

crate::message! { request;
    ListPartitionReassignmentsRequest: key 46, versions 0..=0, flexible 0.. {
        timeout_ms: i32 = 60000, 0..;
        topics: Option<Vec<ListPartitionReassignmentsTopics>>, 0.., null 0..;
    }

    struct ListPartitionReassignmentsTopics {
        name: Str, 0..;
        partition_indexes: Vec<i32>, 0..;
    }
}

crate::message! { response;
    ListPartitionReassignmentsResponse: key 46, versions 0..=0, flexible 0.. {
        throttle_time_ms: i32, 0..;
        error_code: i16, 0..;
        error_message: Option<Str> = Some(Default::default()), 0.., null 0..;
        topics: Vec<OngoingTopicReassignment>, 0..;
    }

    struct OngoingTopicReassignment {
        name: Str, 0..;
        partitions: Vec<OngoingPartitionReassignment>, 0..;
    }

    struct OngoingPartitionReassignment {
        partition_index: i32, 0..;
        replicas: Vec<i32>, 0..;
        adding_replicas: Vec<i32>, 0..;
        removing_replicas: Vec<i32>, 0..;
    }
}
