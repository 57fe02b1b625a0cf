//! `AllocateProducerIds` (67): a block of producer ids (KIP-730).

crate::message! { request;
    AllocateProducerIdsRequest: key 67, versions 0..=0, flexible 0.. {
        broker_id: i32, 0..;
        broker_epoch: i64 = -1, 0..;
    }
}

crate::message! { response;
    AllocateProducerIdsResponse: key 67, versions 0..=0, flexible 0.. {
        throttle_time_ms: i32, 0..;
        error_code: i16, 0..;
        producer_id_start: i64, 0..;
        producer_id_len: i32, 0..;
    }
}
