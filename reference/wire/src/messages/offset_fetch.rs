//! `OffsetFetch` (9): how far a group has come.

crate::message! { request;
    OffsetFetchRequest: key 9, versions 1..=10, flexible 6.. {
        group_id: Str, 0..=7;
        topics: Option<Vec<OffsetFetchRequestTopic>> = Some(Default::default()), 0..=7, null 2..=7;
        groups: Vec<OffsetFetchRequestGroup>, 8..;
        require_stable: bool, 7..;
    }

    struct OffsetFetchRequestTopic {
        name: Str, 0..=7;
        partition_indexes: Vec<i32>, 0..=7;
    }

    struct OffsetFetchRequestGroup {
        group_id: Str, 8..;
        member_id: Option<Str>, 9.., null 9..;
        member_epoch: i32 = -1, 9..;
        topics: Option<Vec<OffsetFetchRequestTopics>> = Some(Default::default()), 8.., null 8..;
    }

    struct OffsetFetchRequestTopics {
        name: Str, 8..=9;
        topic_id: Uuid, 10..;
        partition_indexes: Vec<i32>, 8..;
    }
}

crate::message! { response;
    OffsetFetchResponse: key 9, versions 1..=10, flexible 6.. {
        throttle_time_ms: i32, 3..;
        topics: Vec<OffsetFetchResponseTopic>, 0..=7;
        error_code: i16, 2..=7;
        groups: Vec<OffsetFetchResponseGroup>, 8..;
    }

    struct OffsetFetchResponseTopic {
        name: Str, 0..=7;
        partitions: Vec<OffsetFetchResponsePartition>, 0..=7;
    }

    struct OffsetFetchResponsePartition {
        partition_index: i32, 0..=7;
        committed_offset: i64, 0..=7;
        committed_leader_epoch: i32 = -1, 5..=7;
        metadata: Option<Str> = Some(Default::default()), 0..=7, null 0..=7;
        error_code: i16, 0..=7;
    }

    struct OffsetFetchResponseGroup {
        group_id: Str, 8..;
        topics: Vec<OffsetFetchResponseTopics>, 8..;
        error_code: i16, 8..;
    }

    struct OffsetFetchResponseTopics {
        name: Str, 8..=9;
        topic_id: Uuid, 10..;
        partitions: Vec<OffsetFetchResponsePartitions>, 8..;
    }

    struct OffsetFetchResponsePartitions {
        partition_index: i32, 8..;
        committed_offset: i64, 8..;
        committed_leader_epoch: i32 = -1, 8..;
        metadata: Option<Str> = Some(Default::default()), 8.., null 8..;
        error_code: i16, 8..;
    }
}
