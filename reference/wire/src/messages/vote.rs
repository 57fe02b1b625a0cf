//! `Vote` (52): asks for a vote, or for the promise of one (KIP-595, KIP-996).

crate::message! { request;
    VoteRequest: key 52, versions 0..=2, flexible 0.. {
        cluster_id: Option<Str>, 0.., null 0..;
        voter_id: i32 = -1, 1..;
        topics: Vec<TopicData>, 0..;
    }

    struct TopicData {
        topic_name: Str, 0..;
        partitions: Vec<PartitionData>, 0..;
    }

    struct PartitionData {
        partition_index: i32, 0..;
        replica_epoch: i32, 0..;
        replica_id: i32, 0..;
        replica_directory_id: Uuid, 1..;
        voter_directory_id: Uuid, 1..;
        last_offset_epoch: i32, 0..;
        last_offset: i64, 0..;
        pre_vote: bool, 2..;
    }
}

crate::message! { response;
    VoteResponse: key 52, versions 0..=2, flexible 0.. {
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
        vote_granted: bool, 0..;
    }

    struct NodeEndpoint {
        node_id: i32, 1..;
        host: Str, 1..;
        port: u16, 1..;
    }
}
