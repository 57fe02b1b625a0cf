//! `BeginQuorumEpoch` (53): says who leads (KIP-595).

crate::message! { request;
    BeginQuorumEpochRequest: key 53, versions 0..=1, flexible 1.. {
        cluster_id: Option<Str>, 0.., null 0..;
        voter_id: i32 = -1, 1..;
        topics: Vec<TopicData>, 0..;
        leader_endpoints: Vec<LeaderEndpoint>, 1..;
    }

    struct TopicData {
        topic_name: Str, 0..;
        partitions: Vec<PartitionData>, 0..;
    }

    struct PartitionData {
        partition_index: i32, 0..;
        voter_directory_id: Uuid, 1..;
        leader_id: i32, 0..;
        leader_epoch: i32, 0..;
    }

    struct LeaderEndpoint {
        name: Str, 1..;
        host: Str, 1..;
        port: u16, 1..;
    }
}

crate::message! { response;
    BeginQuorumEpochResponse: key 53, versions 0..=1, flexible 1.. {
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
