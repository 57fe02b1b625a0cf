//! `BrokerRegistration` (62): a broker starts (KIP-631).

crate::message! { request;
    BrokerRegistrationRequest: key 62, versions 0..=4, flexible 0.. {
        broker_id: i32, 0..;
        cluster_id: Str, 0..;
        incarnation_id: Uuid, 0..;
        listeners: Vec<Listener>, 0..;
        features: Vec<Feature>, 0..;
        rack: Option<Str> = Some(Default::default()), 0.., null 0..;
        is_migrating_zk_broker: bool, 1..;
        log_dirs: Vec<Uuid>, 2..;
        previous_broker_epoch: i64 = -1, 3..;
    }

    struct Listener {
        name: Str, 0..;
        host: Str, 0..;
        port: u16, 0..;
        security_protocol: i16, 0..;
    }

    struct Feature {
        name: Str, 0..;
        min_supported_version: i16, 0..;
        max_supported_version: i16, 0..;
    }
}

crate::message! { response;
    BrokerRegistrationResponse: key 62, versions 0..=4, flexible 0.. {
        throttle_time_ms: i32, 0..;
        error_code: i16, 0..;
        broker_epoch: i64 = -1, 0..;
    }
}
