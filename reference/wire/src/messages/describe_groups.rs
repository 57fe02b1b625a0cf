//! `DescribeGroups` (15): state and members of groups.

crate::message! { request;
    DescribeGroupsRequest: key 15, versions 0..=6, flexible 5.. {
        groups: Vec<Str>, 0..;
        include_authorized_operations: bool, 3..;
    }
}

crate::message! { response;
    DescribeGroupsResponse: key 15, versions 0..=6, flexible 5.. {
        throttle_time_ms: i32, 1..;
        groups: Vec<DescribedGroup>, 0..;
    }

    struct DescribedGroup {
        error_code: i16, 0..;
        error_message: Option<Str>, 6.., null 6..;
        group_id: Str, 0..;
        group_state: Str, 0..;
        protocol_type: Str, 0..;
        protocol_data: Str, 0..;
        members: Vec<DescribedGroupMember>, 0..;
        authorized_operations: i32 = i32::MIN, 3..;
    }

    struct DescribedGroupMember {
        member_id: Str, 0..;
        group_instance_id: Option<Str>, 4.., null 4..;
        client_id: Str, 0..;
        client_host: Str, 0..;
        member_metadata: Bytes, 0..;
        member_assignment: Bytes, 0..;
    }
}
