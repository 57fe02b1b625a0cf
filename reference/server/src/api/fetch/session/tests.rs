use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn topic(partitions: std::ops::Range<i32>) -> Vec<FetchTopic> {
    let partitions = partitions.map(|partition| FetchPartition { partition, ..Default::default() });
    vec![FetchTopic { topic_id: Uuid(7), partitions: partitions.collect(), ..Default::default() }]
}

/// Opens a session as a request in full does.
fn open(sessions: &Sessions, partitions: std::ops::Range<i32>, now: Instant) -> i32 {
    let begun = sessions.begin((0, 0), true, topic(partitions), Vec::new(), now).expect("in full");
    assert!(matches!(begun.scope, Scope::Full { wants_session: true }));
    sessions.open(true, begun.partitions.into_iter(), now)
}

/// The partitions of the next request of a session, in order.
fn next(sessions: &Sessions, id: i32, epoch: i32, now: Instant) -> Result<Vec<i32>, ErrorCode> {
    let begun = sessions.begin((id, epoch), true, Vec::new(), Vec::new(), now)?;
    Ok(begun.partitions.iter().map(|(key, _)| key.partition).collect())
}

fn key(partition: i32) -> Key {
    Key { name: Str::default(), topic: Uuid(7), partition }
}

fn data(partition_index: i32, high_watermark: i64, records: &'static [u8]) -> (Key, PartitionData) {
    let records = Some(bytes::Bytes::from_static(records));
    (key(partition_index), PartitionData { partition_index, high_watermark, records, ..Default::default() })
}

#[test]
fn full_cache_gives_no_session_until_one_is_stale() {
    let (sessions, start) = (Sessions::new(2), Instant::now());
    let first = open(&sessions, 0..1, start);
    let second = open(&sessions, 0..1, start);
    assert!(first != NO_SESSION && second != NO_SESSION && first != second);
    assert_eq!(open(&sessions, 0..1, start + MINUTE), NO_SESSION);
    assert!(next(&sessions, second, 1, start + MINUTE).is_ok(), "this one is used");
    assert_ne!(open(&sessions, 0..3, start + 2 * MINUTE + MINUTE / 2), NO_SESSION);
    let gone = next(&sessions, first, 1, start + 3 * MINUTE);
    assert_eq!(gone, Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
    assert_eq!(sessions.count(), (2, 4));
}

#[test]
fn partitions_of_all_sessions_are_bounded() {
    let (sessions, now) = (Sessions::new(1000), Instant::now());
    let most = PARTITIONS_MAX as i32;
    assert_ne!(open(&sessions, 0..most, now), NO_SESSION);
    assert_eq!(open(&sessions, 0..1, now), NO_SESSION);
    assert_eq!(sessions.count(), (1, PARTITIONS_MAX));
}

#[test]
fn new_session_takes_the_place_of_the_one_it_names() {
    let (sessions, now) = (Sessions::new(10), Instant::now());
    let id = open(&sessions, 0..5, now);
    let begun = sessions.begin((id, INITIAL_EPOCH), true, topic(0..1), Vec::new(), now);
    assert!(begun.is_ok_and(|begun| begun.partitions.len() == 1));
    assert_eq!(sessions.count(), (0, 0));
}

#[test]
fn request_that_came_twice_is_refused() {
    let (sessions, now) = (Sessions::new(10), Instant::now());
    let id = open(&sessions, 0..1, now);
    assert!(next(&sessions, id, 1, now).is_ok());
    assert_eq!(next(&sessions, id, 1, now), Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH));
    assert!(next(&sessions, id, 2, now).is_ok());
}

#[test]
fn epoch_after_the_last_is_the_second() {
    assert_eq!(next_epoch(i32::MAX), 1);
}

#[test]
fn partition_that_had_records_goes_to_the_end() {
    let (sessions, now) = (Sessions::new(10), Instant::now());
    let id = open(&sessions, 0..3, now);
    let mut answers = vec![data(0, 5, b"records"), data(1, 0, b""), data(2, 0, b"")];
    sessions.filter(id, &mut answers);
    assert_eq!(next(&sessions, id, 1, now), Ok(vec![1, 2, 0]));
}

#[test]
fn answer_that_says_nothing_new_is_left_out() {
    let (sessions, now) = (Sessions::new(10), Instant::now());
    let id = open(&sessions, 0..1, now);
    let told = |high_watermark, records| {
        let mut answers = vec![data(0, high_watermark, records)];
        sessions.filter(id, &mut answers);
        !answers.is_empty()
    };
    assert!(told(5, b""), "a high watermark that was not told yet");
    assert!(!told(5, b""));
    assert!(told(5, b"records"));
    assert!(told(6, b""));
    let mut failed = vec![data(0, 6, b"")];
    failed[0].1.error_code = ErrorCode::NOT_LEADER_OR_FOLLOWER.0;
    for _ in 0..2 {
        sessions.filter(id, &mut failed);
        assert_eq!(failed.len(), 1, "errors are told each time");
    }
    assert!(told(6, b""), "that the error is over is news");
}

#[test]
fn partition_that_is_named_twice_counts_once() {
    let (sessions, now) = (Sessions::new(10), Instant::now());
    let twice = [topic(0..2), topic(0..2)].concat();
    let begun = sessions.begin((0, FINAL_EPOCH), true, twice, Vec::new(), now).expect("in full");
    assert_eq!(begun.partitions.len(), 2);
}
