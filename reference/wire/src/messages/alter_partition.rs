//! `AlterPartition` (56): a leader wants another ISR (KIP-497).

crate::message! { request;
    AlterPartitionRequest: key 56, versions 2..=3, flexible 0.. {
        broker_id: i32, 0..;
        broker_epoch: i64 = -1, 0..;
        topics: Vec<TopicData>, 0..;
    }

    struct TopicData {
        topic_id: Uuid, 0..;
        partitions: Vec<PartitionData>, 0..;
    }

    struct PartitionData {
        partition_index: i32, 0..;
        leader_epoch: i32, 0..;
        new_isr: Vec<i32>, 0..=2;
        new_isr_with_epochs: Vec<BrokerState>, 3..;
        leader_recovery_state: i8, 0..;
        partition_epoch: i32, 0..;
    }

    struct BrokerState {
        broker_id: i32, 3..;
        broker_epoch: i64 = -1, 3..;
    }
}

crate::message! { response;
    AlterPartitionResponse: key 56, versions 2..=3, flexible 0.. {
        throttle_time_ms: i32, 0..;
        error_code: i16, 0..;
        topics: Vec<TopicData>, 0..;
    }

    struct TopicData {
        topic_id: Uuid, 0..;
        partitions: Vec<PartitionData>, 0..;
    }

    struct PartitionData {
        partition_index: i32, 0..;
        error_code: i16, 0..;
        leader_id: i32, 0..;
        leader_epoch: i32, 0..;
        isr: Vec<i32>, 0..;
        leader_recovery_state: i8, 0..;
        partition_epoch: i32, 0..;
    }
}
