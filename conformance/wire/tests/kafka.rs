//! The plays and the suite's cases on real Apache Kafka. `.ci/kafka-cases` fetches it and runs this.
//!
//! `HIGHWATER_KAFKA_LIB` names the directory of its jars.

#![expect(clippy::print_stdout, reason = "what a test prints is shown if it fails")]

mod plays;

use std::path::PathBuf;
use std::time::Duration;

use highwater_conformance_wire::{Product, Started};

/// So long may all cases take.
const WITHIN: Duration = Duration::from_secs(20 * 60);

/// What Kafka 4.3.1 is known to do otherwise than it must.
const EXPECTED_FAILURES: &str = include_str!("../kafka-4.3.1.expected-failures");

fn kafka() -> Started {
    let lib = std::env::var_os("HIGHWATER_KAFKA_LIB").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/kafka/lib")),
        PathBuf::from,
    );
    Started::new(Product::Kafka { java: "java".into(), lib }).unwrap_or_else(|fault| panic!("{fault}"))
}

/// One test, since all share a cluster as long as it is clean.
#[test]
fn kafka_does_as_the_plays_and_the_cases_say() {
    let mut kafka = kafka();
    assert_eq!(kafka.unlinked(), None, "links cannot be cut; `.ci/kafka-cases` sees to it");
    plays::records_that_are_written_are_read(&mut kafka);
    plays::leader_that_is_killed_is_followed_and_comes_back(&mut kafka);
    plays::too_few_in_sync_replicas_refuse_and_commit_nothing(&mut kafka);
    plays::leader_that_stands_still_is_replaced_and_follows(&mut kafka);
    plays::controller_that_is_killed_is_followed(&mut kafka);
    plays::disk_that_is_lost_is_filled_again(&mut kafka);
    plays::follower_that_is_not_heard_leaves_the_isr_until_healed(&mut kafka);
    plays::cases::hold(&mut kafka, EXPECTED_FAILURES, WITHIN);
}
