//! `OffsetForLeaderEpoch` (23): where a leader epoch ends (KIP-101, KIP-320).

crate::message! { request;
    OffsetForLeaderEpochRequest: key 23, versions 2..=4, flexible 4.. {
        replica_id: i32 = -2, 3..;
        topics: Vec<OffsetForLeaderTopic>, 0..;
    }

    struct OffsetForLeaderTopic {
        topic: Str, 0..;
        partitions: Vec<OffsetForLeaderPartition>, 0..;
    }

    struct OffsetForLeaderPartition {
        partition: i32, 0..;
        current_leader_epoch: i32 = -1, 0..;
        leader_epoch: i32, 0..;
    }
}

crate::message! { response;
    OffsetForLeaderEpochResponse: key 23, versions 2..=4, flexible 4.. {
        throttle_time_ms: i32, 0..;
        topics: Vec<OffsetForLeaderTopicResult>, 0..;
    }

    struct OffsetForLeaderTopicResult {
        topic: Str, 0..;
        partitions: Vec<EpochEndOffset>, 0..;
    }

    struct EpochEndOffset {
        error_code: i16, 0..;
        partition: i32, 0..;
        leader_epoch: i32 = -1, 0..;
        end_offset: i64 = -1, 0..;
    }
}
