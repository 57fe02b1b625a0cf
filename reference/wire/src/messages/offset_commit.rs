//! `OffsetCommit` (8): keeps how far a group has come.

crate::message! { request;
    OffsetCommitRequest: key 8, versions 2..=10, flexible 8.. {
        group_id: Str, 0..;
        generation_id_or_member_epoch: i32 = -1, 0..;
        member_id: Str, 0..;
        group_instance_id: Option<Str>, 7.., null 7..;
        retention_time_ms: i64 = -1, 0..=4;
        topics: Vec<OffsetCommitRequestTopic>, 0..;
    }

    struct OffsetCommitRequestTopic {
        name: Str, 0..=9;
        topic_id: Uuid, 10..;
        partitions: Vec<OffsetCommitRequestPartition>, 0..;
    }

    struct OffsetCommitRequestPartition {
        partition_index: i32, 0..;
        committed_offset: i64, 0..;
        committed_leader_epoch: i32 = -1, 6..;
        committed_metadata: Option<Str> = Some(Default::default()), 0.., null 0..;
    }
}

crate::message! { response;
    OffsetCommitResponse: key 8, versions 2..=10, flexible 8.. {
        throttle_time_ms: i32, 3..;
        topics: Vec<OffsetCommitResponseTopic>, 0..;
    }

    struct OffsetCommitResponseTopic {
        name: Str, 0..=9;
        topic_id: Uuid, 10..;
        partitions: Vec<OffsetCommitResponsePartition>, 0..;
    }

    struct OffsetCommitResponsePartition {
        partition_index: i32, 0..;
        error_code: i16, 0..;
    }
}
