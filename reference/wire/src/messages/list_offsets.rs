//! `ListOffsets` (2): finds offsets by timestamp, and the ends of a log.

crate::message! { request;
    ListOffsetsRequest: key 2, versions 1..=11, flexible 6.. {
        replica_id: i32, 0..;
        isolation_level: i8, 2..;
        topics: Vec<ListOffsetsTopic>, 0..;
        timeout_ms: i32, 10..;
    }

    struct ListOffsetsTopic {
        name: Str, 0..;
        partitions: Vec<ListOffsetsPartition>, 0..;
    }

    struct ListOffsetsPartition {
        partition_index: i32, 0..;
        current_leader_epoch: i32 = -1, 4..;
        timestamp: i64, 0..;
    }
}

crate::message! { response;
    ListOffsetsResponse: key 2, versions 1..=11, flexible 6.. {
        throttle_time_ms: i32, 2..;
        topics: Vec<ListOffsetsTopicResponse>, 0..;
    }

    struct ListOffsetsTopicResponse {
        name: Str, 0..;
        partitions: Vec<ListOffsetsPartitionResponse>, 0..;
    }

    struct ListOffsetsPartitionResponse {
        partition_index: i32, 0..;
        error_code: i16, 0..;
        timestamp: i64 = -1, 0..;
        offset: i64 = -1, 0..;
        leader_epoch: i32 = -1, 4..;
    }
}
