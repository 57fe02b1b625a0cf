//! `DescribeLogDirs` (35): directories and sizes of replicas.

crate::message! { request;
    DescribeLogDirsRequest: key 35, versions 1..=5, flexible 2.. {
        topics: Option<Vec<DescribableLogDirTopic>> = Some(Default::default()), 0.., null 0..;
    }

    struct DescribableLogDirTopic {
        topic: Str, 0..;
        partitions: Vec<i32>, 0..;
    }
}

crate::message! { response;
    DescribeLogDirsResponse: key 35, versions 1..=5, flexible 2.. {
        throttle_time_ms: i32, 0..;
        error_code: i16, 3..;
        results: Vec<DescribeLogDirsResult>, 0..;
    }

    struct DescribeLogDirsResult {
        error_code: i16, 0..;
        log_dir: Str, 0..;
        topics: Vec<DescribeLogDirsTopic>, 0..;
        total_bytes: i64 = -1, 4..;
        usable_bytes: i64 = -1, 4..;
        is_cordoned: bool, 5..;
    }

    struct DescribeLogDirsTopic {
        name: Str, 0..;
        partitions: Vec<DescribeLogDirsPartition>, 0..;
    }

    struct DescribeLogDirsPartition {
        partition_index: i32, 0..;
        partition_size: i64, 0..;
        offset_lag: i64, 0..;
        is_future_key: bool, 0..;
    }
}
