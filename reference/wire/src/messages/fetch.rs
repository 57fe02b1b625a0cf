//! `Fetch` (1): reads records, as a consumer, a follower or an observer of the metadata quorum.

crate::message! { request;
    FetchRequest: key 1, versions 4..=18, flexible 12.. {
        replica_id: i32 = -1, 0..=14;
        max_wait_ms: i32, 0..;
        min_bytes: i32, 0..;
        max_bytes: i32 = i32::MAX, 0..;
        isolation_level: i8, 0..;
        session_id: i32, 7..;
        session_epoch: i32 = -1, 7..;
        topics: Vec<FetchTopic>, 0..;
        forgotten_topics_data: Vec<ForgottenTopic>, 7..;
        rack_id: Str, 11..;
    } tagged {
        0: cluster_id: Option<Str>, 12.., null 12..;
        1: replica_state: ReplicaState, 15..;
    }

    struct ReplicaState {
        replica_id: i32 = -1, 15..;
        replica_epoch: i64 = -1, 15..;
    }

    struct FetchTopic {
        topic: Str, 0..=12;
        topic_id: Uuid, 13..;
        partitions: Vec<FetchPartition>, 0..;
    }

    struct FetchPartition {
        partition: i32, 0..;
        current_leader_epoch: i32 = -1, 9..;
        fetch_offset: i64, 0..;
        last_fetched_epoch: i32 = -1, 12..;
        log_start_offset: i64 = -1, 5..;
        partition_max_bytes: i32, 0..;
    } tagged {
        0: replica_directory_id: Uuid, 17..;
        1: high_watermark: i64 = i64::MAX, 18..;
    }

    struct ForgottenTopic {
        topic: Str, 7..=12;
        topic_id: Uuid, 13..;
        partitions: Vec<i32>, 7..;
    }
}

crate::message! { response;
    FetchResponse: key 1, versions 4..=18, flexible 12.. {
        throttle_time_ms: i32, 0..;
        error_code: i16, 7..;
        session_id: i32, 7..;
        responses: Vec<FetchableTopicResponse>, 0..;
    } tagged {
        0: node_endpoints: Vec<NodeEndpoint>, 16..;
    }

    struct FetchableTopicResponse {
        topic: Str, 0..=12;
        topic_id: Uuid, 13..;
        partitions: Vec<PartitionData>, 0..;
    }

    struct PartitionData {
        partition_index: i32, 0..;
        error_code: i16, 0..;
        high_watermark: i64, 0..;
        last_stable_offset: i64 = -1, 0..;
        log_start_offset: i64 = -1, 5..;
        aborted_transactions: Option<Vec<AbortedTransaction>> = Some(Default::default()), 0.., null 0..;
        preferred_read_replica: i32 = -1, 11..;
        records: Option<Bytes>, 0.., null 0..;
    } tagged {
        0: diverging_epoch: EpochEndOffset, 12..;
        1: current_leader: LeaderIdAndEpoch, 12..;
        2: snapshot_id: SnapshotId, 12..;
    }

    struct EpochEndOffset {
        epoch: i32 = -1, 12..;
        end_offset: i64 = -1, 12..;
    }

    struct LeaderIdAndEpoch {
        leader_id: i32 = -1, 12..;
        leader_epoch: i32 = -1, 12..;
    }

    struct SnapshotId {
        end_offset: i64 = -1, 0..;
        epoch: i32 = -1, 0..;
    }

    struct AbortedTransaction {
        producer_id: i64, 0..;
        first_offset: i64, 0..;
    }

    struct NodeEndpoint {
        node_id: i32, 16..;
        host: Str, 16..;
        port: i32, 16..;
        rack: Option<Str>, 16.., null 16..;
    }
}
