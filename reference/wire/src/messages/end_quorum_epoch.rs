//! `EndQuorumEpoch` (54): says that the leader resigns (KIP-595).

crate::message! { request;
    EndQuorumEpochRequest: key 54, versions 0..=1, flexible 1.. {
        cluster_id: Option<Str>, 0.., null 0..;
        topics: Vec<TopicData>, 0..;
        leader_endpoints: Vec<LeaderEndpoint>, 1..;
    }

    struct TopicData {
        topic_name: Str, 0..;
        partitions: Vec<PartitionData>, 0..;
    }

    struct PartitionData {
        partition_index: i32, 0..;
        leader_id: i32, 0..;
        leader_epoch: i32, 0..;
        preferred_successors: Vec<i32>, 0..=0;
        preferred_candidates: Vec<ReplicaInfo>, 1..;
    }

    struct ReplicaInfo {
        candidate_id: i32, 1..;
        candidate_directory_id: Uuid, 1..;
    }

    struct LeaderEndpoint {
        name: Str, 1..;
        host: Str, 1..;
        port: u16, 1..;
    }
}

crate::message! { response;
    EndQuorumEpochResponse: key 54, versions 0..=1, flexible 1.. {
        error_code: i16, 0..;
        topics: Vec<TopicData>, 0..;
    } tagged {
        0: node_endpoints: Vec<NodeEndpoint>, 1..;
    }

    struct TopicData {
        topic_name: Str, 0..;
        partitions: Vec<PartitionData>, 0..;
    }

    struct PartitionData {
        partition_index: i32, 0..;
        error_code: i16, 0..;
        leader_id: i32, 0..;
        leader_epoch: i32, 0..;
    }

    struct NodeEndpoint {
        node_id: i32, 1..;
        host: Str, 1..;
        port: u16, 1..;
    }
}
