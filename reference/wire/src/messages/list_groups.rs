//! `ListGroups` (16): the groups of a coordinator.

crate::message! { request;
    ListGroupsRequest: key 16, versions 0..=5, flexible 3.. {
        states_filter: Vec<Str>, 4..;
        types_filter: Vec<Str>, 5..;
    }
}

crate::message! { response;
    ListGroupsResponse: key 16, versions 0..=5, flexible 3.. {
        throttle_time_ms: i32, 1..;
        error_code: i16, 0..;
        groups: Vec<ListedGroup>, 0..;
    }

    struct ListedGroup {
        group_id: Str, 0..;
        protocol_type: Str, 0..;
        group_state: Str, 4..;
        group_type: Str, 5..;
    }
}
