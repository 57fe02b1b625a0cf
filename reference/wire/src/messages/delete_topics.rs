//! `DeleteTopics` (20): deletes topics.

crate::message! { request;
    DeleteTopicsRequest: key 20, versions 1..=6, flexible 4.. {
        topics: Vec<DeleteTopicState>, 6..;
        topic_names: Vec<Str>, 0..=5;
        timeout_ms: i32, 0..;
    }

    struct DeleteTopicState {
        name: Option<Str>, 6.., null 6..;
        topic_id: Uuid, 6..;
    }
}

crate::message! { response;
    DeleteTopicsResponse: key 20, versions 1..=6, flexible 4.. {
        throttle_time_ms: i32, 0..;
        responses: Vec<DeletableTopicResult>, 0..;
    }

    struct DeletableTopicResult {
        name: Option<Str> = Some(Default::default()), 0.., null 6..;
        topic_id: Uuid, 6..;
        error_code: i16, 0..;
        error_message: Option<Str>, 5.., null 5..;
    }
}
