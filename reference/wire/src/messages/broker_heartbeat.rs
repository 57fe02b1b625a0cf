//! `BrokerHeartbeat` (63): a broker lives (KIP-631).

crate::message! { request;
    BrokerHeartbeatRequest: key 63, versions 0..=2, flexible 0.. {
        broker_id: i32, 0..;
        broker_epoch: i64 = -1, 0..;
        current_metadata_offset: i64, 0..;
        want_fence: bool, 0..;
        want_shut_down: bool, 0..;
    } tagged {
        0: offline_log_dirs: Vec<Uuid>, 1..;
        1: cordoned_log_dirs: Option<Vec<Uuid>>, 2.., null 2..;
    }
}

crate::message! { response;
    BrokerHeartbeatResponse: key 63, versions 0..=2, flexible 0.. {
        throttle_time_ms: i32, 0..;
        error_code: i16, 0..;
        is_caught_up: bool, 0..;
        is_fenced: bool = true, 0..;
        should_shut_down: bool, 0..;
    }
}
