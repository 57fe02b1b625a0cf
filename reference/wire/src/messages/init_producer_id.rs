//! `InitProducerId` (22): gives a producer its id.

crate::message! { request;
    InitProducerIdRequest: key 22, versions 0..=6, flexible 2.. {
        transactional_id: Option<Str> = Some(Default::default()), 0.., null 0..;
        transaction_timeout_ms: i32, 0..;
        producer_id: i64 = -1, 3..;
        producer_epoch: i16 = -1, 3..;
        enable2_pc: bool, 6..;
        keep_prepared_txn: bool, 6..;
    }
}

crate::message! { response;
    InitProducerIdResponse: key 22, versions 0..=6, flexible 2.. {
        throttle_time_ms: i32, 0..;
        error_code: i16, 0..;
        producer_id: i64 = -1, 0..;
        producer_epoch: i16, 0..;
        ongoing_txn_producer_id: i64 = -1, 6..;
        ongoing_txn_producer_epoch: i16 = -1, 6..;
    }
}
