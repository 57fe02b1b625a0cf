//! `FindCoordinator` (10): who coordinates a group.

crate::message! { request;
    FindCoordinatorRequest: key 10, versions 0..=6, flexible 3.. {
        key: Str, 0..=3;
        key_type: i8, 1..;
        coordinator_keys: Vec<Str>, 4..;
    }
}

crate::message! { response;
    FindCoordinatorResponse: key 10, versions 0..=6, flexible 3.. {
        throttle_time_ms: i32, 1..;
        error_code: i16, 0..=3;
        error_message: Option<Str> = Some(Default::default()), 1..=3, null 1..=3;
        node_id: i32, 0..=3;
        host: Str, 0..=3;
        port: i32, 0..=3;
        coordinators: Vec<Coordinator>, 4..;
    }

    struct Coordinator {
        key: Str, 4..;
        node_id: i32, 4..;
        host: Str, 4..;
        port: i32, 4..;
        error_code: i16, 4..;
        error_message: Option<Str> = Some(Default::default()), 4.., null 4..;
    }
}
