//! `FetchSnapshot` (59): reads a part of a snapshot (KIP-630).

crate::message! { request;
    FetchSnapshotRequest: key 59, versions 0..=1, flexible 0.. {
        replica_id: i32 = -1, 0..;
        max_bytes: i32 = i32::MAX, 0..;
        topics: Vec<TopicSnapshot>, 0..;
    } tagged {
        0: cluster_id: Option<Str>, 0.., null 0..;
    }

    struct TopicSnapshot {
        name: Str, 0..;
        partitions: Vec<PartitionSnapshot>, 0..;
    }

    struct PartitionSnapshot {
        partition: i32, 0..;
        current_leader_epoch: i32, 0..;
        snapshot_id: SnapshotId, 0..;
        position: i64, 0..;
    } tagged {
        0: replica_directory_id: Uuid, 1..;
    }

    struct SnapshotId {
        end_offset: i64, 0..;
        epoch: i32, 0..;
    }
}

crate::message! { response;
    FetchSnapshotResponse: key 59, versions 0..=1, flexible 0.. {
        throttle_time_ms: i32, 0..;
        error_code: i16, 0..;
        topics: Vec<TopicSnapshot>, 0..;
    } tagged {
        0: node_endpoints: Vec<NodeEndpoint>, 1..;
    }

    struct TopicSnapshot {
        name: Str, 0..;
        partitions: Vec<PartitionSnapshot>, 0..;
    }

    struct PartitionSnapshot {
        index: i32, 0..;
        error_code: i16, 0..;
        snapshot_id: SnapshotId, 0..;
        size: i64, 0..;
        position: i64, 0..;
        unaligned_records: Bytes, 0..;
    } tagged {
        0: current_leader: LeaderIdAndEpoch, 0..;
    }

    struct SnapshotId {
        end_offset: i64, 0..;
        epoch: i32, 0..;
    }

    struct LeaderIdAndEpoch {
        leader_id: i32, 0..;
        leader_epoch: i32, 0..;
    }

    struct NodeEndpoint {
        node_id: i32, 1..;
        host: Str, 1..;
        port: u16, 1..;
    }
}
