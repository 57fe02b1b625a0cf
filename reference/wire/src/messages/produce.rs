//! `Produce` (0): appends records.

crate::message! { request;
    ProduceRequest: key 0, versions 3..=13, flexible 9.. {
        transactional_id: Option<Str>, 0.., null 0..;
        acks: i16, 0..;
        timeout_ms: i32, 0..;
        topic_data: Vec<TopicProduceData>, 0..;
    }

    struct TopicProduceData {
        name: Str, 0..=12;
        topic_id: Uuid, 13..;
        partition_data: Vec<PartitionProduceData>, 0..;
    }

    struct PartitionProduceData {
        index: i32, 0..;
        records: Option<Bytes>, 0.., null 0..;
    }
}

crate::message! { response;
    ProduceResponse: key 0, versions 3..=13, flexible 9.. {
        responses: Vec<TopicProduceResponse>, 0..;
        throttle_time_ms: i32, 0..;
    } tagged {
        0: node_endpoints: Vec<NodeEndpoint>, 10..;
    }

    struct TopicProduceResponse {
        name: Str, 0..=12;
        topic_id: Uuid, 13..;
        partition_responses: Vec<PartitionProduceResponse>, 0..;
    }

    struct PartitionProduceResponse {
        index: i32, 0..;
        error_code: i16, 0..;
        base_offset: i64, 0..;
        log_append_time_ms: i64 = -1, 0..;
        log_start_offset: i64 = -1, 5..;
        record_errors: Vec<BatchIndexAndErrorMessage>, 8..;
        error_message: Option<Str>, 8.., null 8..;
    } tagged {
        0: current_leader: LeaderIdAndEpoch, 10..;
    }

    struct BatchIndexAndErrorMessage {
        batch_index: i32, 8..;
        batch_index_error_message: Option<Str>, 8.., null 8..;
    }

    struct LeaderIdAndEpoch {
        leader_id: i32 = -1, 10..;
        leader_epoch: i32 = -1, 10..;
    }

    struct NodeEndpoint {
        node_id: i32, 10..;
        host: Str, 10..;
        port: i32, 10..;
        rack: Option<Str>, 10.., null 10..;
    }
}
