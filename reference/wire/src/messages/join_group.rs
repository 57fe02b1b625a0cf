//! `JoinGroup` (11): enters a group, or its next generation.

crate::message! { request;
    JoinGroupRequest: key 11, versions 0..=9, flexible 6.. {
        group_id: Str, 0..;
        session_timeout_ms: i32, 0..;
        rebalance_timeout_ms: i32 = -1, 1..;
        member_id: Str, 0..;
        group_instance_id: Option<Str>, 5.., null 5..;
        protocol_type: Str, 0..;
        protocols: Vec<JoinGroupRequestProtocol>, 0..;
        reason: Option<Str>, 8.., null 8..;
    }

    struct JoinGroupRequestProtocol {
        name: Str, 0..;
        metadata: Bytes, 0..;
    }
}

crate::message! { response;
    JoinGroupResponse: key 11, versions 0..=9, flexible 6.. {
        throttle_time_ms: i32, 2..;
        error_code: i16, 0..;
        generation_id: i32 = -1, 0..;
        protocol_type: Option<Str>, 7.., null 7..;
        protocol_name: Option<Str> = Some(Default::default()), 0.., null 7..;
        leader: Str, 0..;
        skip_assignment: bool, 9..;
        member_id: Str, 0..;
        members: Vec<JoinGroupResponseMember>, 0..;
    }

    struct JoinGroupResponseMember {
        member_id: Str, 0..;
        group_instance_id: Option<Str>, 5.., null 5..;
        metadata: Bytes, 0..;
    }
}
