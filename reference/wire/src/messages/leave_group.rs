//! `LeaveGroup` (13): members leave a group.

crate::message! { request;
    LeaveGroupRequest: key 13, versions 0..=5, flexible 4.. {
        group_id: Str, 0..;
        member_id: Str, 0..=2;
        members: Vec<MemberIdentity>, 3..;
    }

    struct MemberIdentity {
        member_id: Str, 3..;
        group_instance_id: Option<Str>, 3.., null 3..;
        reason: Option<Str>, 5.., null 5..;
    }
}

crate::message! { response;
    LeaveGroupResponse: key 13, versions 0..=5, flexible 4.. {
        throttle_time_ms: i32, 1..;
        error_code: i16, 0..;
        members: Vec<MemberResponse>, 3..;
    }

    struct MemberResponse {
        member_id: Str, 3..;
        group_instance_id: Option<Str> = Some(Default::default()), 3.., null 3..;
        error_code: i16, 3..;
    }
}
