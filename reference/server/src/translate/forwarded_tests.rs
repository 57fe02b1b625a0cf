//! What clients want of the controller comes to it as they said it, and its answer comes back.

use bytes::Bytes;
use highwater_core::controller::{
    ConfigChange, ConfigOperation, ConfigResource, ControllerError, ControllerRequest, ControllerResponse,
    ElectionKind, MorePartitions, NewTopic, TopicReference,
};
use highwater_core::{NodeId, Uuid};
use highwater_node::message::{PeerRequest, PeerResponse};
use highwater_wire::frame::Frame;
use highwater_wire::header::RequestHeader;
use highwater_wire::messages as wire;
use highwater_wire::{ErrorCode, Request};

use highwater_quorum::kafka;

use super::{Speaker, configs, decode, elections, encode, features, topics};

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

/// A request as the controller gets it.
fn sent<R: Request>(request: &ControllerRequest) -> R {
    let frame = encode(&PeerRequest::Controller(request.clone()), &speaker(), 1).expect("a frame").to_bytes();
    let (header, body) = RequestHeader::decode(Bytes::from(frame).slice(4..)).expect("a header");
    R::decode(header.version, body).expect("the request")
}

/// An answer as the broker gets it.
fn back<R: Request>(request: &ControllerRequest, response: &R::Response) -> ControllerResponse {
    let frame = Frame::response::<R>(response, *R::VERSIONS.end(), 1).expect("a frame").to_bytes();
    let request = PeerRequest::Controller(request.clone());
    match decode(&request, Bytes::from(frame).slice(4..)).expect("the response") {
        PeerResponse::Controller(response) => response,
        other => panic!("{other:?}"),
    }
}

fn refusal(code: ErrorCode) -> ControllerError {
    ControllerError { code: code.0, message: format!("because of {code}") }
}

fn new_topic(name: &str) -> NewTopic {
    NewTopic {
        name: name.to_owned(),
        partitions: 3,
        replication_factor: 2,
        assignments: Vec::new(),
        configs: vec![("retention.ms".to_owned(), "5".to_owned())],
    }
}

#[test]
fn topics_to_create() {
    let assigned = NewTopic {
        partitions: -1,
        replication_factor: -1,
        assignments: vec![vec![NodeId(1), NodeId(2)], vec![NodeId(2), NodeId(1)]],
        ..new_topic("assigned")
    };
    let asked = vec![new_topic("a"), assigned, new_topic("c")];
    let request = ControllerRequest::CreateTopics { topics: asked.clone(), validate_only: true };
    let got: wire::CreateTopicsRequest = sent(&request);
    assert!(got.validate_only);
    let read: Vec<_> = got.topics.iter().map(topics::new_topic).collect();
    assert_eq!(read, asked.into_iter().map(Ok).collect::<Vec<_>>());
    // Answered in another order, and the last not at all.
    let refused = refusal(ErrorCode::INVALID_PARTITIONS);
    let answers = vec![topics::created("assigned", Err(refused.clone())), topics::created("a", Ok(Uuid(5)))];
    let response = wire::CreateTopicsResponse { topics: answers, ..Default::default() };
    let ControllerResponse::CreateTopics(Ok(results)) =
        back::<wire::CreateTopicsRequest>(&request, &response)
    else {
        panic!("an answer to something else")
    };
    assert_eq!(results[..2], [Ok(Uuid(5)), Err(refused)]);
    assert_eq!(results[2].as_ref().map_err(|error| error.code), Err(ErrorCode::UNKNOWN_SERVER_ERROR.0));
}

#[test]
fn partitions_to_add() {
    let more = MorePartitions { name: "a".to_owned(), count: 7, assignments: Vec::new() };
    let assigned = MorePartitions { assignments: vec![vec![NodeId(3)]], name: "b".to_owned(), count: 2 };
    let asked = vec![more, assigned];
    let request = ControllerRequest::CreatePartitions { topics: asked.clone(), validate_only: false };
    let got: wire::CreatePartitionsRequest = sent(&request);
    assert_eq!(got.topics.iter().map(topics::more_partitions).collect::<Vec<_>>(), asked);
    let refused = refusal(ErrorCode::INVALID_PARTITIONS);
    let results = vec![topics::added("a", Ok(())), topics::added("b", Err(refused.clone()))];
    let response = wire::CreatePartitionsResponse { results, ..Default::default() };
    let expected = ControllerResponse::CreatePartitions(Ok(vec![Ok(()), Err(refused)]));
    assert_eq!(back::<wire::CreatePartitionsRequest>(&request, &response), expected);
}

#[test]
fn topics_to_delete() {
    let asked = vec![TopicReference::Name("a".to_owned()), TopicReference::Id(Uuid(9))];
    let request = ControllerRequest::DeleteTopics(asked.clone());
    let got: wire::DeleteTopicsRequest = sent(&request);
    let read: Vec<_> = got.topics.iter().flat_map(topics::topic_reference).collect();
    assert_eq!(read, asked);
    let refused = refusal(ErrorCode::UNKNOWN_TOPIC_ID);
    // The controller says name and id of both, as far as it knows them.
    let responses = vec![
        topics::deleted(Some("other"), Uuid(9), Err(refused.clone())),
        topics::deleted(Some("a"), Uuid(3), Ok(())),
    ];
    let response = wire::DeleteTopicsResponse { responses, ..Default::default() };
    let expected = ControllerResponse::DeleteTopics(Ok(vec![Ok(()), Err(refused)]));
    assert_eq!(back::<wire::DeleteTopicsRequest>(&request, &response), expected);
}

#[test]
fn leaders_to_elect() {
    for kind in [ElectionKind::Preferred, ElectionKind::Unclean] {
        for partitions in [None, Some(vec![("a".to_owned(), 0), ("a".to_owned(), 1), ("b".to_owned(), 0)])] {
            let request = ControllerRequest::ElectLeaders { kind, partitions: partitions.clone() };
            let got: wire::ElectLeadersRequest = sent(&request);
            assert_eq!(elections::election_kind(got.election_type), Ok(kind));
            assert_eq!(elections::partitions(&got), partitions);
        }
    }
    let request = ControllerRequest::ElectLeaders { kind: ElectionKind::Preferred, partitions: None };
    let refused = refusal(ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE);
    let answers = vec![("a".to_owned(), 0, Ok(())), ("b".to_owned(), 4, Err(refused))];
    let response = elections::elected(Ok(answers.clone()));
    let expected = ControllerResponse::ElectLeaders(Ok(answers));
    assert_eq!(back::<wire::ElectLeadersRequest>(&request, &response), expected);
}

#[test]
fn configs_to_alter() {
    let change = |operation| ConfigChange { key: "cleanup.policy".to_owned(), operation };
    let value = || "compact".to_owned();
    let asked = vec![
        (ConfigResource::Topic("t".to_owned()), vec![change(ConfigOperation::Set(value()))]),
        (ConfigResource::Broker(None), vec![change(ConfigOperation::Delete)]),
        (ConfigResource::Broker(Some(NodeId(3))), vec![change(ConfigOperation::Append(value()))]),
        (ConfigResource::Topic("u".to_owned()), vec![change(ConfigOperation::Subtract(value()))]),
    ];
    let request = ControllerRequest::AlterConfigs { changes: asked.clone(), validate_only: true };
    let got: wire::IncrementalAlterConfigsRequest = sent(&request);
    assert!(got.validate_only);
    assert_eq!(got.resources.iter().flat_map(configs::changes).collect::<Vec<_>>(), asked);
    let refused = refusal(ErrorCode::INVALID_CONFIG);
    let mut responses: Vec<_> = asked
        .iter()
        .map(|(resource, _)| {
            let (kind, name) = configs::name_of(resource);
            configs::altered(kind, &name, Ok(()))
        })
        .collect();
    responses[3] = configs::altered(2, &"u".into(), Err(refused.clone()));
    responses.reverse();
    let response = wire::IncrementalAlterConfigsResponse { responses, ..Default::default() };
    let expected = ControllerResponse::AlterConfigs(Ok(vec![Ok(()), Ok(()), Ok(()), Err(refused)]));
    assert_eq!(back::<wire::IncrementalAlterConfigsRequest>(&request, &response), expected);
}

#[test]
fn features_to_update() {
    let updates = vec![("metadata.version".to_owned(), 25)];
    let request = ControllerRequest::UpdateFeatures { updates, validate_only: true };
    let got: wire::UpdateFeaturesRequest = sent(&request);
    let update = &got.feature_updates[0];
    assert_eq!(
        (&*update.feature, update.max_version_level, got.validate_only),
        ("metadata.version", 25, true)
    );
    for result in [Ok(()), Err(refusal(ErrorCode::INVALID_UPDATE_VERSION))] {
        let response = features::updated(["metadata.version"].into_iter(), result.clone());
        let expected = ControllerResponse::UpdateFeatures(result);
        assert_eq!(back::<wire::UpdateFeaturesRequest>(&request, &response), expected);
    }
}
