//! `SyncGroup` (14): hands out, or asks for, the assignment of a generation.

crate::message! { request;
    SyncGroupRequest: key 14, versions 0..=5, flexible 4.. {
        group_id: Str, 0..;
        generation_id: i32, 0..;
        member_id: Str, 0..;
        group_instance_id: Option<Str>, 3.., null 3..;
        protocol_type: Option<Str>, 5.., null 5..;
        protocol_name: Option<Str>, 5.., null 5..;
        assignments: Vec<SyncGroupRequestAssignment>, 0..;
    }

    struct SyncGroupRequestAssignment {
        member_id: Str, 0..;
        assignment: Bytes, 0..;
    }
}

crate::message! { response;
    SyncGroupResponse: key 14, versions 0..=5, flexible 4.. {
        throttle_time_ms: i32, 1..;
        error_code: i16, 0..;
        protocol_type: Option<Str>, 5.., null 5..;
        protocol_name: Option<Str>, 5.., null 5..;
        assignment: Bytes, 0..;
    }
}
