//! `Heartbeat` (12): a member of a group lives.

crate::message! { request;
    HeartbeatRequest: key 12, versions 0..=4, flexible 4.. {
        group_id: Str, 0..;
        generation_id: i32, 0..;
        member_id: Str, 0..;
        group_instance_id: Option<Str>, 3.., null 3..;
    }
}

crate::message! { response;
    HeartbeatResponse: key 12, versions 0..=4, flexible 4.. {
        throttle_time_ms: i32, 1..;
        error_code: i16, 0..;
    }
}
