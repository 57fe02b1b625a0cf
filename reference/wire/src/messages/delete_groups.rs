//! `DeleteGroups` (42): deletes groups.

crate::message! { request;
    DeleteGroupsRequest: key 42, versions 0..=2, flexible 2.. {
        groups_names: Vec<Str>, 0..;
    }
}

crate::message! { response;
    DeleteGroupsResponse: key 42, versions 0..=2, flexible 2.. {
        throttle_time_ms: i32, 0..;
        results: Vec<DeletableGroupResult>, 0..;
    }

    struct DeletableGroupResult {
        group_id: Str, 0..;
        error_code: i16, 0..;
    }
}
