//! `Metadata` (3): brokers, topics, leaders.

crate::message! { request;
    MetadataRequest: key 3, versions 0..=13, flexible 9.. {
        topics: Option<Vec<MetadataRequestTopic>> = Some(Default::default()), 0.., null 1..;
        allow_auto_topic_creation: bool = true, 4..;
        include_cluster_authorized_operations: bool, 8..=10;
        include_topic_authorized_operations: bool, 8..;
    }

    struct MetadataRequestTopic {
        topic_id: Uuid, 10..;
        name: Option<Str> = Some(Default::default()), 0.., null 10..;
    }
}

crate::message! { response;
    MetadataResponse: key 3, versions 0..=13, flexible 9.. {
        throttle_time_ms: i32, 3..;
        brokers: Vec<MetadataResponseBroker>, 0..;
        cluster_id: Option<Str>, 2.., null 2..;
        controller_id: i32 = -1, 1..;
        topics: Vec<MetadataResponseTopic>, 0..;
        cluster_authorized_operations: i32 = i32::MIN, 8..=10;
        error_code: i16, 13..;
    }

    struct MetadataResponseBroker {
        node_id: i32, 0..;
        host: Str, 0..;
        port: i32, 0..;
        rack: Option<Str>, 1.., null 1..;
    }

    struct MetadataResponseTopic {
        error_code: i16, 0..;
        name: Option<Str> = Some(Default::default()), 0.., null 12..;
        topic_id: Uuid, 10..;
        is_internal: bool, 1..;
        partitions: Vec<MetadataResponsePartition>, 0..;
        topic_authorized_operations: i32 = i32::MIN, 8..;
    }

    struct MetadataResponsePartition {
        error_code: i16, 0..;
        partition_index: i32, 0..;
        leader_id: i32, 0..;
        leader_epoch: i32 = -1, 7..;
        replica_nodes: Vec<i32>, 0..;
        isr_nodes: Vec<i32>, 0..;
        offline_replicas: Vec<i32>, 5..;
    }
}
