//! `UnregisterBroker` (64): a broker is to be forgotten.

crate::message! { request;
    UnregisterBrokerRequest: key 64, versions 0..=0, flexible 0.. {
        broker_id: i32, 0..;
    }
}

crate::message! { response;
    UnregisterBrokerResponse: key 64, versions 0..=0, flexible 0.. {
        throttle_time_ms: i32, 0..;
        error_code: i16, 0..;
        error_message: Option<Str> = Some(Default::default()), 0.., null 0..;
    }
}
