//! `DescribeProducers` (61): producers of partitions.

crate::message! { request;
    DescribeProducersRequest: key 61, versions 0..=0, flexible 0.. {
        topics: Vec<TopicRequest>, 0..;
    }

    struct TopicRequest {
        name: Str, 0..;
        partition_indexes: Vec<i32>, 0..;
    }
}

crate::message! { response;
    DescribeProducersResponse: key 61, versions 0..=0, flexible 0.. {
        throttle_time_ms: i32, 0..;
        topics: Vec<TopicResponse>, 0..;
    }

    struct TopicResponse {
        name: Str, 0..;
        partitions: Vec<PartitionResponse>, 0..;
    }

    struct PartitionResponse {
        partition_index: i32, 0..;
        error_code: i16, 0..;
        error_message: Option<Str>, 0.., null 0..;
        active_producers: Vec<ProducerState>, 0..;
    }

    struct ProducerState {
        producer_id: i64, 0..;
        producer_epoch: i32, 0..;
        last_sequence: i32 = -1, 0..;
        last_timestamp: i64 = -1, 0..;
        coordinator_epoch: i32, 0..;
        current_txn_start_offset: i64 = -1, 0..;
    }
}
