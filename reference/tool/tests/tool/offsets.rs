//! `dump-log --offsets-decoder`: the records of groups in Kafka's words.

use clap::Parser;
use highwater_core::Uuid;
use highwater_core::batch::BatchBuilder;
use highwater_core::group::assign::{Assignment, Subscription, TopicPartitions};
use highwater_core::group::{
    GroupMetadataValue, GroupRecord, MemberMetadata, OffsetCommitKey, OffsetCommitValue,
};
use highwater_tool::dump_log::{DumpLogArgs, run};

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    args: DumpLogArgs,
}

/// What is shown of records with these keys and values, from `key:` on.
fn shown(records: &[(Vec<u8>, Option<Vec<u8>>)]) -> Vec<String> {
    let mut batch = BatchBuilder::new(0, 0);
    for (key, value) in records {
        batch.record(7, Some(key), value.as_deref());
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("00000000000000000000.log");
    std::fs::write(&path, batch.build()).expect("a file");
    let path = path.display().to_string();
    let cli = Cli::try_parse_from(["dump-log", "--offsets-decoder", "--files", &path]).expect("arguments");
    let mut out = Vec::new();
    run(&cli.args, &mut out, &mut Vec::new()).expect("a dump");
    let text = String::from_utf8(out).expect("text");
    let contents = text.lines().filter_map(|line| Some(line[line.find(" key: ")? + 1..].to_owned()));
    contents.collect()
}

fn encoded(record: &GroupRecord) -> (Vec<u8>, Option<Vec<u8>>) {
    (record.encode_key(), record.encode_value())
}

fn key() -> OffsetCommitKey {
    OffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 2 }
}

#[test]
fn offsets_and_their_deletions_are_shown() {
    let value = OffsetCommitValue {
        offset: 400,
        leader_epoch: 0,
        metadata: String::new(),
        commit_timestamp: 5,
        expire_timestamp: -1,
        topic_id: Uuid::ZERO,
    };
    let old = OffsetCommitValue { expire_timestamp: 9, ..value.clone() };
    let records = [Some(value), Some(old), None].map(|value| GroupRecord::OffsetCommit { key: key(), value });
    let start = r#"key: {"type":"1","data":{"group":"g","topic":"t","partition":2}} payload: "#;
    let payloads = [
        r#"{"version":"4","data":{"offset":400,"leaderEpoch":0,"metadata":"","commitTimestamp":5}}"#,
        r#"{"version":"1","data":{"offset":400,"metadata":"","commitTimestamp":5,"expireTimestamp":9}}"#,
        "<DELETE>",
    ];
    let expected = payloads.map(|payload| format!("{start}{payload}"));
    assert_eq!(shown(&records.map(|record| encoded(&record))), expected);
}

fn group(protocol_type: &str, subscription: &[u8], assignment: &[u8]) -> GroupRecord {
    let member = MemberMetadata {
        member_id: "m".into(),
        group_instance_id: None,
        client_id: "c".into(),
        client_host: "/127.0.0.1".into(),
        rebalance_timeout: 3,
        session_timeout: 4,
        subscription: subscription.into(),
        assignment: assignment.into(),
    };
    let value = GroupMetadataValue {
        protocol_type: protocol_type.into(),
        generation: 1,
        protocol: Some("range".into()),
        leader: Some("m".into()),
        current_state_timestamp: 5,
        members: vec![member],
    };
    GroupRecord::GroupMetadata { group: "g".into(), value: Some(value) }
}

#[test]
fn members_of_consumer_groups_are_read() {
    let subscription = Subscription { topics: vec!["t".into()], ..Subscription::default() };
    let partitions = vec![TopicPartitions { topic: "t".into(), partitions: vec![0, 1] }];
    let assignment = Assignment { assigned_partitions: partitions, user_data: Some(b"x".as_slice().into()) };
    let record = group("consumer", &subscription.encode(1), &assignment.encode(1));
    let expected = concat!(
        r#"key: {"type":"2","data":{"group":"g"}} payload: {"version":"3","data":{"protocolType":"consumer","#,
        r#""generation":1,"protocol":"range","leader":"m","currentStateTimestamp":5,"members":[{"memberId":"m","#,
        r#""groupInstanceId":null,"clientId":"c","clientHost":"/127.0.0.1","rebalanceTimeout":3,"sessionTimeout":4,"#,
        r#""subscription":{"topics":["t"],"userData":null,"ownedPartitions":[]},"#,
        r#""assignment":{"assignedPartitions":[{"topic":"t","partitions":[0,1]}],"userData":"eA=="}}]}}"#
    );
    assert_eq!(shown(&[encoded(&record)]), [expected]);
}

#[test]
fn bytes_of_other_protocols_and_unreadable_ones_stay_bytes() {
    let connect = shown(&[encoded(&group("connect", b"ab", b"abc"))]);
    assert!(connect[0].contains(r#""subscription":"YWI=","assignment":"YWJj""#), "{connect:?}");
    let broken = shown(&[encoded(&group("consumer", &[0, 0, 9], b""))]);
    assert!(broken[0].contains(r#""subscription":"AAAJ","assignment":"""#), "{broken:?}");
}

#[test]
fn record_of_an_unknown_type_is_passed_over() {
    let shown = shown(&[(vec![0, 3, 0, 1, b'g'], None)]);
    assert_eq!(shown, ["key: Error at offset 0, skipping. Found a record of the type 3, expected 0 to 2."]);
}
