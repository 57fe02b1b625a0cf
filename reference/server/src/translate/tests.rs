//! What goes out in Kafka's words comes in as what it was, through bytes.

use bytes::Bytes;
use highwater_core::controller::{
    BrokerStanding, ControllerError, ControllerRequest, ControllerResponse, Endpoint, Heartbeat,
    RegisterBroker,
};
use highwater_core::partition::{
    AlterPartition, LeaderRecovery, PartitionError, PartitionFetch, PartitionFetched, PartitionState,
};
use highwater_core::quorum::{
    BeginQuorumEpochRequest, EndQuorumEpochRequest, EpochResponse, FetchRequest, FetchResponse,
    FetchSnapshotRequest, FetchSnapshotResponse, QuorumError, ReplicaKey, Request as QuorumRequest,
    Response as QuorumResponse, SnapshotId, VoteRequest, VoteResponse,
};
use highwater_core::{EpochEnd, NodeId, Uuid};
use highwater_node::message::{
    FetchSession, FetchSessionError, PeerRequest, PeerResponse, ReplicaFetch, ReplicaFetchPartition,
    ReplicaFetched, TopicPartition,
};
use highwater_quorum::kafka;
use highwater_wire::frame::Frame;
use highwater_wire::header::RequestHeader;
use highwater_wire::messages as wire;
use highwater_wire::{ErrorCode, Request};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::quorum::QUORUM_ERRORS;
use super::{PARTITION_ERRORS, Speaker, brokers, decode, encode, fetch, quorum};

const CORRELATION: i32 = 7;

fn speaker() -> Speaker {
    Speaker {
        quorum: kafka::Speaker {
            cluster: "cluster".into(),
            name: "node-4".into(),
            snapshot_bytes_max: 1 << 20,
        },
        node: NodeId(4),
        timeout_ms: 30_000,
    }
}

/// A request as it comes out of the bytes that go over the wire.
fn over_the_wire<R: Request>(request: &PeerRequest) -> R {
    let frame = encode(request, &speaker(), CORRELATION).expect("a frame").to_bytes();
    let (header, body) = RequestHeader::decode(Bytes::from(frame).slice(4..)).expect("a header");
    assert_eq!((header.api, header.version, header.correlation), (R::API, *R::VERSIONS.end(), CORRELATION));
    R::decode(header.version, body).expect("the request")
}

/// What comes out of a response that goes over the wire.
fn back<R: Request>(request: &PeerRequest, response: &R::Response) -> PeerResponse {
    let frame = Frame::response::<R>(response, *R::VERSIONS.end(), CORRELATION).expect("a frame").to_bytes();
    decode(request, Bytes::from(frame).slice(4..)).expect("the response")
}

fn back_of_quorum<R: Request>(request: QuorumRequest, response: &R::Response) -> (QuorumResponse, Bytes) {
    match back::<R>(&PeerRequest::Quorum(request), response) {
        PeerResponse::Quorum(response, bytes) => (response, bytes),
        other => panic!("{other:?}"),
    }
}

fn back_of_controller<R: Request>(request: ControllerRequest, response: &R::Response) -> ControllerResponse {
    match back::<R>(&PeerRequest::Controller(request), response) {
        PeerResponse::Controller(response) => response,
        other => panic!("{other:?}"),
    }
}

// ---- values ----

fn node() -> impl Strategy<Value = NodeId> {
    (0..i32::MAX).prop_map(NodeId)
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid)
}

fn replica() -> impl Strategy<Value = ReplicaKey> {
    (node(), uuid()).prop_map(|(id, directory)| ReplicaKey { id, directory })
}

fn epoch() -> impl Strategy<Value = i32> {
    -1..i32::MAX
}

fn offset() -> impl Strategy<Value = i64> {
    0..i64::MAX
}

fn snapshot() -> impl Strategy<Value = SnapshotId> {
    (offset(), epoch()).prop_map(|(end, epoch)| SnapshotId { end, epoch })
}

fn epoch_end() -> impl Strategy<Value = EpochEnd> {
    (epoch(), offset()).prop_map(|(epoch, end)| EpochEnd { epoch, end })
}

fn quorum_error() -> impl Strategy<Value = Option<QuorumError>> {
    option::of(proptest::sample::select(QUORUM_ERRORS))
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..6000).prop_map(Bytes::from)
}

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9._-]{0,20}"
}

fn vote() -> impl Strategy<Value = VoteRequest> {
    (epoch(), replica(), replica(), epoch(), offset(), any::<bool>()).prop_map(
        |(epoch, candidate, voter, last_epoch, last_offset, pre_vote)| VoteRequest {
            epoch,
            candidate,
            voter,
            last_epoch,
            last_offset,
            pre_vote,
        },
    )
}

fn epoch_response() -> impl Strategy<Value = EpochResponse> {
    (quorum_error(), epoch(), option::of(node())).prop_map(|(error, epoch, leader)| EpochResponse {
        error,
        epoch,
        leader,
    })
}

fn begin() -> impl Strategy<Value = BeginQuorumEpochRequest> {
    (epoch(), node(), replica()).prop_map(|(epoch, leader, voter)| BeginQuorumEpochRequest {
        epoch,
        leader,
        voter,
    })
}

fn end() -> impl Strategy<Value = EndQuorumEpochRequest> {
    (epoch(), node(), vec(node(), 0..5)).prop_map(|(epoch, leader, successors)| EndQuorumEpochRequest {
        epoch,
        leader,
        successors,
    })
}

fn quorum_fetch() -> impl Strategy<Value = FetchRequest> {
    (replica(), epoch(), offset(), epoch(), option::of(offset()), 0..i32::MAX as u32).prop_map(
        |(replica, epoch, offset, last_epoch, high_watermark, max_wait_ms)| FetchRequest {
            replica,
            epoch,
            offset,
            last_epoch,
            high_watermark,
            max_wait_ms,
        },
    )
}

fn quorum_fetched() -> impl Strategy<Value = FetchResponse> {
    let leader = (quorum_error(), epoch(), option::of(node()));
    (leader, option::of(offset()), offset(), option::of(epoch_end()), option::of(snapshot())).prop_map(
        |((error, epoch, leader), high_watermark, log_start, diverging, snapshot)| FetchResponse {
            error,
            epoch,
            leader,
            high_watermark,
            log_start,
            diverging,
            snapshot,
            records: Vec::new(),
        },
    )
}

fn snapshot_part() -> impl Strategy<Value = FetchSnapshotRequest> {
    (replica(), epoch(), snapshot(), 0..i64::MAX as u64).prop_map(|(replica, epoch, snapshot, position)| {
        FetchSnapshotRequest { replica, epoch, snapshot, position }
    })
}

fn topic_partition() -> impl Strategy<Value = TopicPartition> {
    // Few topics, so that some stand together.
    (1..4_u128, 0..50_i32)
        .prop_map(|(topic, partition)| TopicPartition { topic: Uuid(topic << 64), partition })
}

fn replica_fetch() -> impl Strategy<Value = ReplicaFetch> {
    let fetch = (epoch(), offset(), epoch()).prop_map(|(leader_epoch, offset, last_epoch)| PartitionFetch {
        leader_epoch,
        offset,
        last_epoch,
    });
    let partition = (topic_partition(), fetch, offset(), 0..i32::MAX as u32).prop_map(
        |(partition, fetch, log_start, max_bytes)| ReplicaFetchPartition {
            partition,
            fetch,
            log_start,
            max_bytes,
        },
    );
    let limits = (0..i32::MAX as u32, 0..i32::MAX as u32, 0..i32::MAX as u32);
    let session = (any::<i32>(), any::<i32>()).prop_map(|(id, epoch)| FetchSession { id, epoch });
    let session = (session, vec(topic_partition(), 0..10));
    (any::<i64>(), session, vec(partition, 0..20), limits).prop_map(
        |(broker_epoch, (session, forgotten), partitions, (max_wait_ms, min_bytes, max_bytes))| {
            ReplicaFetch { broker_epoch, session, partitions, forgotten, max_wait_ms, min_bytes, max_bytes }
        },
    )
}

fn fetched() -> impl Strategy<Value = PartitionFetched> {
    let error = option::of(proptest::sample::select(PARTITION_ERRORS));
    (error, epoch(), -1..i64::MAX, -1..i64::MAX, option::of(epoch_end())).prop_map(
        |(error, leader_epoch, high_watermark, log_start, diverging)| PartitionFetched {
            error,
            leader_epoch,
            high_watermark,
            log_start,
            diverging,
            records: Vec::new(),
        },
    )
}

fn register() -> impl Strategy<Value = RegisterBroker> {
    let endpoint = (text(), text(), any::<u16>(), any::<i16>())
        .prop_map(|(name, host, port, security_protocol)| Endpoint { name, host, port, security_protocol });
    let features = proptest::collection::btree_map(text(), any::<(i16, i16)>(), 0..4);
    let identity = (node(), text(), uuid(), any::<i64>());
    (identity, vec(endpoint, 0..4), features, option::of(text()), vec(uuid(), 0..3)).prop_map(
        |((id, cluster, incarnation, previous_broker_epoch), listeners, features, rack, directories)| {
            RegisterBroker {
                id,
                cluster,
                incarnation,
                previous_broker_epoch,
                listeners,
                features,
                rack,
                directories,
            }
        },
    )
}

fn recovery() -> impl Strategy<Value = LeaderRecovery> {
    prop_oneof![Just(LeaderRecovery::Recovered), Just(LeaderRecovery::Recovering)]
}

/// What one broker asks under one broker epoch, of each partition once.
fn alterations() -> impl Strategy<Value = Vec<(Uuid, i32, AlterPartition)>> {
    let ask = (epoch(), any::<i32>(), vec((node(), any::<i64>()), 0..4), recovery());
    let asks = proptest::collection::btree_map((1..4_u128, 0..20_i32), ask, 1..20);
    (node(), any::<i64>(), asks).prop_map(|(leader, broker_epoch, asks)| {
        let ask = |((topic, index), (leader_epoch, partition_epoch, isr, recovery))| {
            let ask = AlterPartition { leader, broker_epoch, leader_epoch, partition_epoch, isr, recovery };
            (Uuid(topic), index, ask)
        };
        asks.into_iter().map(ask).collect()
    })
}

/// A partition as far as the answer to AlterPartition says it.
fn altered() -> impl Strategy<Value = Result<PartitionState, PartitionError>> {
    let state = (vec(node(), 0..4), option::of(node()), epoch(), any::<i32>(), recovery()).prop_map(
        |(isr, leader, leader_epoch, partition_epoch, recovery)| PartitionState {
            replicas: Vec::new(),
            isr,
            elr: Vec::new(),
            last_known_elr: Vec::new(),
            leader,
            leader_epoch,
            partition_epoch,
            recovery,
        },
    );
    prop_oneof![state.prop_map(Ok), proptest::sample::select(PARTITION_ERRORS).prop_map(Err)]
}

fn refused<T>(result: &Result<T, ControllerError>) -> Option<i16> {
    result.as_ref().err().map(|error| error.code)
}

// ---- properties ----

proptest! {
    #[test]
    fn votes_come_out_as_they_went_in(asked in vote(), granted in any::<bool>(), said in epoch_response()) {
        let request = QuorumRequest::Vote(asked.clone());
        let came = quorum::vote_asked(over_the_wire(&PeerRequest::Quorum(request.clone())));
        prop_assert_eq!(came, Ok(asked));
        let EpochResponse { error, epoch, leader } = said;
        let answer = VoteResponse { error, epoch, leader, granted };
        let came = back_of_quorum::<wire::VoteRequest>(request, &quorum::vote_answer(&answer));
        prop_assert_eq!(came.0, QuorumResponse::Vote(answer));
    }

    #[test]
    fn begins_of_epochs_come_out_as_they_went_in(asked in begin(), answer in epoch_response()) {
        let request = QuorumRequest::BeginQuorumEpoch(asked.clone());
        let came = quorum::begin_asked(over_the_wire(&PeerRequest::Quorum(request.clone())));
        prop_assert_eq!(came, Ok(asked));
        let came = back_of_quorum::<wire::BeginQuorumEpochRequest>(request, &quorum::begin_answer(&answer));
        prop_assert_eq!(came.0, QuorumResponse::BeginQuorumEpoch(answer));
    }

    #[test]
    fn ends_of_epochs_come_out_as_they_went_in(asked in end(), answer in epoch_response()) {
        let request = QuorumRequest::EndQuorumEpoch(asked.clone());
        let came = quorum::end_asked(over_the_wire(&PeerRequest::Quorum(request.clone())));
        prop_assert_eq!(came, Ok(asked));
        let came = back_of_quorum::<wire::EndQuorumEpochRequest>(request, &quorum::end_answer(&answer));
        prop_assert_eq!(came.0, QuorumResponse::EndQuorumEpoch(answer));
    }

    #[test]
    fn fetches_of_the_metadata_log_come_out_as_they_went_in(
        asked in quorum_fetch(), answer in quorum_fetched(), records in bytes(),
    ) {
        let request = QuorumRequest::Fetch(asked.clone());
        let came = kafka::fetch::quorum_asked(over_the_wire(&PeerRequest::Quorum(request.clone())));
        prop_assert_eq!(came, Ok(asked));
        let response = kafka::fetch::quorum_answer(&answer, records.clone());
        let came = back_of_quorum::<wire::FetchRequest>(request, &response);
        prop_assert_eq!(came, (QuorumResponse::Fetch(answer), records));
    }

    #[test]
    fn parts_of_snapshots_come_out_as_they_went_in(
        asked in snapshot_part(), said in epoch_response(), size in 0..i64::MAX as u64, part in bytes(),
    ) {
        let request = QuorumRequest::FetchSnapshot(asked.clone());
        let came = kafka::fetch::snapshot_asked(over_the_wire(&PeerRequest::Quorum(request.clone())));
        prop_assert_eq!(came, Ok(asked.clone()));
        let FetchSnapshotRequest { snapshot, position, .. } = asked;
        let EpochResponse { error, epoch, leader } = said;
        let length = part.len() as u64;
        let answer = FetchSnapshotResponse { error, epoch, leader, snapshot, size, position, length };
        let response = kafka::fetch::snapshot_answer(&answer, part.clone());
        let came = back_of_quorum::<wire::FetchSnapshotRequest>(request, &response);
        prop_assert_eq!(came, (QuorumResponse::FetchSnapshot(answer), part));
    }

    #[test]
    fn fetches_of_followers_come_out_as_they_went_in(
        asked in replica_fetch(), session in any::<i32>(),
        answers in vec((topic_partition(), fetched(), bytes()), 0..8),
    ) {
        let request = PeerRequest::Fetch(asked.clone());
        let (from, came) = fetch::replica_asked(over_the_wire(&request)).expect("a fetch");
        prop_assert_eq!((from, came.broker_epoch, came.partitions), (NodeId(4), asked.broker_epoch, asked.partitions));
        let limits = (asked.max_wait_ms, asked.min_bytes, asked.max_bytes);
        prop_assert_eq!((came.max_wait_ms, came.min_bytes, came.max_bytes), limits);
        prop_assert_eq!((came.session, came.forgotten), (asked.session, asked.forgotten));
        let lost = [FetchSessionError::NotFound, FetchSessionError::InvalidEpoch].map(Err);
        for answered in [Ok(ReplicaFetched { session, answers })].into_iter().chain(lost) {
            let response = fetch::replica_answer(answered.clone());
            match back::<wire::FetchRequest>(&request, &response) {
                PeerResponse::Fetch(came) => prop_assert_eq!(came, answered),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn registrations_come_out_as_they_went_in(asked in register(), broker_epoch in any::<i64>(), code in 1..100_i16) {
        let request = ControllerRequest::RegisterBroker(asked.clone());
        let came = brokers::register_asked(over_the_wire(&PeerRequest::Controller(request.clone())));
        prop_assert_eq!(came, asked);
        let answer = ControllerResponse::RegisterBroker(Ok(broker_epoch));
        let response = brokers::register_answer(&answer);
        prop_assert_eq!(back_of_controller::<wire::BrokerRegistrationRequest>(request.clone(), &response), answer);
        let refusal = request.refused(ControllerError { code, message: String::new() });
        let response = brokers::register_answer(&refusal);
        match back_of_controller::<wire::BrokerRegistrationRequest>(request, &response) {
            ControllerResponse::RegisterBroker(result) => prop_assert_eq!(refused(&result), Some(code)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn heartbeats_come_out_as_they_went_in(
        id in node(), broker_epoch in any::<i64>(), metadata_offset in offset(), flags in any::<[bool; 5]>(), code in 1..100_i16,
    ) {
        let [want_fence, want_shut_down, caught_up, fenced, should_shut_down] = flags;
        let asked = Heartbeat { id, broker_epoch, metadata_offset, want_fence, want_shut_down };
        let request = ControllerRequest::Heartbeat(asked);
        let came = brokers::heartbeat_asked(&over_the_wire(&PeerRequest::Controller(request.clone())));
        prop_assert_eq!(came, asked);
        let answer = ControllerResponse::Heartbeat(Ok(BrokerStanding { caught_up, fenced, should_shut_down }));
        let response = brokers::heartbeat_answer(&answer);
        prop_assert_eq!(back_of_controller::<wire::BrokerHeartbeatRequest>(request.clone(), &response), answer);
        let refusal = request.refused(ControllerError { code, message: String::new() });
        match back_of_controller::<wire::BrokerHeartbeatRequest>(request, &brokers::heartbeat_answer(&refusal)) {
            ControllerResponse::Heartbeat(result) => prop_assert_eq!(refused(&result), Some(code)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn changes_of_isrs_come_out_as_they_went_in(asked in alterations(), results in vec(altered(), 20)) {
        let request = ControllerRequest::AlterPartitions(asked.clone());
        let came = brokers::alter_partitions_asked(over_the_wire(&PeerRequest::Controller(request.clone())));
        prop_assert_eq!(came, Ok(asked.clone()));
        let results = asked.iter().zip(results).map(|((topic, index, _), result)| (*topic, *index, result)).collect();
        let answer = ControllerResponse::AlterPartitions(Ok(results));
        let response = brokers::alter_partitions_answer(&answer);
        prop_assert_eq!(back_of_controller::<wire::AlterPartitionRequest>(request, &response), answer);
    }

    #[test]
    fn blocks_of_producer_ids_come_out_as_they_went_in(
        broker in node(), broker_epoch in any::<i64>(), block in any::<(i64, i32)>(),
    ) {
        let request = ControllerRequest::AllocateProducerIds { broker, broker_epoch };
        let came: wire::AllocateProducerIdsRequest = over_the_wire(&PeerRequest::Controller(request.clone()));
        prop_assert_eq!((came.broker_id, came.broker_epoch), (broker.0, broker_epoch));
        let answer = ControllerResponse::AllocateProducerIds(Ok(block));
        let response = brokers::allocate_answer(&answer);
        prop_assert_eq!(back_of_controller::<wire::AllocateProducerIdsRequest>(request, &response), answer);
    }
}

// ---- single cases ----

#[test]
fn errors_have_the_codes_of_their_names() {
    let name = |code: i16| ErrorCode(code).name().unwrap_or_default().replace('_', "").to_lowercase();
    for error in QUORUM_ERRORS {
        assert_eq!(format!("{error:?}").to_lowercase(), name(*error as i16));
    }
    for error in PARTITION_ERRORS {
        let expected = match error {
            // Kafka's names of these are longer.
            PartitionError::StorageError => "kafkastorageerror".to_owned(),
            PartitionError::InvalidTopic => "invalidtopicexception".to_owned(),
            error => format!("{error:?}").to_lowercase(),
        };
        assert_eq!(expected, name(*error as i16));
    }
}

#[test]
fn alterations_of_two_broker_epochs_send_the_newest_and_answer_the_others_stale() {
    let ask = |broker_epoch| AlterPartition {
        leader: NodeId(4),
        broker_epoch,
        leader_epoch: 1,
        partition_epoch: 2,
        isr: vec![(NodeId(4), broker_epoch)],
        recovery: LeaderRecovery::Recovered,
    };
    let asked = vec![(Uuid(1), 0, ask(10)), (Uuid(1), 1, ask(11)), (Uuid(2), 0, ask(10))];
    let request = PeerRequest::Controller(ControllerRequest::AlterPartitions(asked));
    let came: wire::AlterPartitionRequest = over_the_wire(&request);
    assert_eq!(came.broker_epoch, 11);
    let came = brokers::alter_partitions_asked(came).expect("what was asked");
    assert_eq!(came, vec![(Uuid(1), 1, ask(11))]);
    let answer =
        ControllerResponse::AlterPartitions(Ok(vec![(Uuid(1), 1, Err(PartitionError::IneligibleReplica))]));
    let response = brokers::alter_partitions_answer(&answer);
    let stale = Err(PartitionError::StaleBrokerEpoch);
    let expected = vec![
        (Uuid(1), 0, stale.clone()),
        (Uuid(1), 1, Err(PartitionError::IneligibleReplica)),
        (Uuid(2), 0, stale),
    ];
    match back::<wire::AlterPartitionRequest>(&request, &response) {
        PeerResponse::Controller(ControllerResponse::AlterPartitions(Ok(results))) => {
            assert_eq!(results, expected);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn response_refused_as_a_whole_is_no_answer() {
    let request = QuorumRequest::Vote(VoteRequest {
        epoch: 1,
        candidate: ReplicaKey { id: NodeId(1), directory: Uuid::ZERO },
        voter: ReplicaKey { id: NodeId(2), directory: Uuid::ZERO },
        last_epoch: 0,
        last_offset: 0,
        pre_vote: false,
    });
    let error_code = ErrorCode::INCONSISTENT_CLUSTER_ID.0;
    let response = wire::VoteResponse { error_code, ..Default::default() };
    let frame = Frame::response::<wire::VoteRequest>(&response, 2, CORRELATION).expect("a frame").to_bytes();
    let refused = decode(&PeerRequest::Quorum(request), Bytes::from(frame).slice(4..));
    assert!(refused.is_err_and(|error| error.0.contains("INCONSISTENT_CLUSTER_ID")));
}

#[test]
fn message_about_another_topic_is_refused() {
    let topic = wire::vote::request::TopicData { topic_name: "other".into(), ..Default::default() };
    let request = wire::VoteRequest { topics: vec![topic], ..Default::default() };
    assert!(quorum::vote_asked(request).is_err());
}
