//! `DescribeCluster` (60): brokers or controllers of the cluster.

crate::message! { request;
    DescribeClusterRequest: key 60, versions 0..=2, flexible 0.. {
        include_cluster_authorized_operations: bool, 0..;
        endpoint_type: i8 = 1, 1..;
        include_fenced_brokers: bool, 2..;
    }
}

crate::message! { response;
    DescribeClusterResponse: key 60, versions 0..=2, flexible 0.. {
        throttle_time_ms: i32, 0..;
        error_code: i16, 0..;
        error_message: Option<Str>, 0.., null 0..;
        endpoint_type: i8 = 1, 1..;
        cluster_id: Str, 0..;
        controller_id: i32 = -1, 0..;
        brokers: Vec<DescribeClusterBroker>, 0..;
        cluster_authorized_operations: i32 = i32::MIN, 0..;
    }

    struct DescribeClusterBroker {
        broker_id: i32, 0..;
        host: Str, 0..;
        port: i32, 0..;
        rack: Option<Str>, 0.., null 0..;
        is_fenced: bool, 2..;
    }
}
