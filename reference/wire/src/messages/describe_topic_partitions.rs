//! `DescribeTopicPartitions` (75): partitions with their eligible leaders (KIP-966).

crate::message! { request;
    DescribeTopicPartitionsRequest: key 75, versions 0..=0, flexible 0.. {
        topics: Vec<TopicRequest>, 0..;
        response_partition_limit: i32 = 2000, 0..;
        cursor: Option<Cursor>, 0.., null 0..;
    }

    struct TopicRequest {
        name: Str, 0..;
    }

    struct Cursor {
        topic_name: Str, 0..;
        partition_index: i32, 0..;
    }
}

crate::message! { response;
    DescribeTopicPartitionsResponse: key 75, versions 0..=0, flexible 0.. {
        throttle_time_ms: i32, 0..;
        topics: Vec<DescribeTopicPartitionsResponseTopic>, 0..;
        next_cursor: Option<Cursor>, 0.., null 0..;
    }

    struct DescribeTopicPartitionsResponseTopic {
        error_code: i16, 0..;
        name: Option<Str> = Some(Default::default()), 0.., null 0..;
        topic_id: Uuid, 0..;
        is_internal: bool, 0..;
        partitions: Vec<DescribeTopicPartitionsResponsePartition>, 0..;
        topic_authorized_operations: i32 = i32::MIN, 0..;
    }

    struct DescribeTopicPartitionsResponsePartition {
        error_code: i16, 0..;
        partition_index: i32, 0..;
        leader_id: i32, 0..;
        leader_epoch: i32 = -1, 0..;
        replica_nodes: Vec<i32>, 0..;
        isr_nodes: Vec<i32>, 0..;
        eligible_leader_replicas: Option<Vec<i32>>, 0.., null 0..;
        last_known_elr: Option<Vec<i32>>, 0.., null 0..;
        offline_replicas: Vec<i32>, 0..;
    }

    struct Cursor {
        topic_name: Str, 0..;
        partition_index: i32, 0..;
    }
}
