//! What brokers ask of their controller: BrokerRegistration and BrokerHeartbeat (KIP-631), UnregisterBroker, AlterPartition (KIP-497,
//! KIP-903) and AllocateProducerIds (KIP-730).

use std::collections::{BTreeMap, HashMap};

use highwater_core::controller::{BrokerStanding, ControllerResponse, Endpoint, Heartbeat, RegisterBroker};
use highwater_core::partition::{
    AlterPartition, AlterPartitionResult, LeaderRecovery, PartitionError, PartitionState,
};
use highwater_core::{NodeId, Uuid};
use highwater_wire::messages::{
    allocate_producer_ids, alter_partition, broker_heartbeat, broker_registration, unregister_broker,
};

use super::quorum::{leader, leader_id};
use super::{Untranslatable, partition_error, refusal, untranslatable};

/// What a broker asks of one partition.
pub(crate) type Asked = (Uuid, i32, AlterPartition);

// ---- BrokerRegistration ----

/// Asks.
pub(crate) fn register(asked: &RegisterBroker) -> broker_registration::BrokerRegistrationRequest {
    use broker_registration::request::{BrokerRegistrationRequest, Feature, Listener};
    let listener = |endpoint: &Endpoint| Listener {
        name: endpoint.name.clone().into(),
        host: endpoint.host.clone().into(),
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
    };
    let feature = |(name, (lowest, highest)): (&String, &(i16, i16))| Feature {
        name: name.clone().into(),
        min_supported_version: *lowest,
        max_supported_version: *highest,
    };
    BrokerRegistrationRequest {
        broker_id: asked.id.0,
        cluster_id: asked.cluster.clone().into(),
        incarnation_id: asked.incarnation,
        listeners: asked.listeners.iter().map(listener).collect(),
        features: asked.features.iter().map(feature).collect(),
        rack: asked.rack.clone().map(Into::into),
        is_migrating_zk_broker: false,
        log_dirs: asked.directories.clone(),
        previous_broker_epoch: asked.previous_broker_epoch,
    }
}

/// Is asked.
pub(crate) fn register_asked(request: broker_registration::BrokerRegistrationRequest) -> RegisterBroker {
    let endpoint = |listener: broker_registration::request::Listener| Endpoint {
        name: listener.name.to_string(),
        host: listener.host.to_string(),
        port: listener.port,
        security_protocol: listener.security_protocol,
    };
    let features: BTreeMap<String, (i16, i16)> = request
        .features
        .into_iter()
        .map(|feature| {
            (feature.name.to_string(), (feature.min_supported_version, feature.max_supported_version))
        })
        .collect();
    RegisterBroker {
        id: NodeId(request.broker_id),
        cluster: request.cluster_id.to_string(),
        incarnation: request.incarnation_id,
        previous_broker_epoch: request.previous_broker_epoch,
        listeners: request.listeners.into_iter().map(endpoint).collect(),
        features,
        rack: request.rack.map(|rack| rack.to_string()),
        directories: request.log_dirs,
    }
}

/// Answers.
pub(crate) fn register_answer(
    answer: &ControllerResponse,
) -> broker_registration::BrokerRegistrationResponse {
    let mut response = broker_registration::BrokerRegistrationResponse::default();
    match answer {
        ControllerResponse::RegisterBroker(Ok(epoch)) => response.broker_epoch = *epoch,
        ControllerResponse::RegisterBroker(Err(error)) => response.error_code = error.code,
        _ => response.error_code = -1,
    }
    response
}

/// Is answered.
pub(crate) fn registered(response: &broker_registration::BrokerRegistrationResponse) -> ControllerResponse {
    ControllerResponse::RegisterBroker(match refusal(response.error_code) {
        None => Ok(response.broker_epoch),
        Some(error) => Err(error),
    })
}

// ---- BrokerHeartbeat ----

/// Asks. On the wire stands the offset of the last record that was applied, in the core the one after it.
pub(crate) fn heartbeat(asked: &Heartbeat) -> broker_heartbeat::BrokerHeartbeatRequest {
    broker_heartbeat::BrokerHeartbeatRequest {
        broker_id: asked.id.0,
        broker_epoch: asked.broker_epoch,
        current_metadata_offset: asked.metadata_offset - 1,
        want_fence: asked.want_fence,
        want_shut_down: asked.want_shut_down,
        ..Default::default()
    }
}

/// Is asked.
pub(crate) fn heartbeat_asked(request: &broker_heartbeat::BrokerHeartbeatRequest) -> Heartbeat {
    Heartbeat {
        id: NodeId(request.broker_id),
        broker_epoch: request.broker_epoch,
        metadata_offset: request.current_metadata_offset.saturating_add(1).max(0),
        want_fence: request.want_fence,
        want_shut_down: request.want_shut_down,
    }
}

/// Answers.
pub(crate) fn heartbeat_answer(answer: &ControllerResponse) -> broker_heartbeat::BrokerHeartbeatResponse {
    let mut response = broker_heartbeat::BrokerHeartbeatResponse::default();
    match answer {
        ControllerResponse::Heartbeat(Ok(standing)) => {
            response.is_caught_up = standing.caught_up;
            response.is_fenced = standing.fenced;
            response.should_shut_down = standing.should_shut_down;
        }
        ControllerResponse::Heartbeat(Err(error)) => response.error_code = error.code,
        _ => response.error_code = -1,
    }
    response
}

/// Is answered.
pub(crate) fn heard(response: &broker_heartbeat::BrokerHeartbeatResponse) -> ControllerResponse {
    ControllerResponse::Heartbeat(match refusal(response.error_code) {
        None => Ok(BrokerStanding {
            caught_up: response.is_caught_up,
            fenced: response.is_fenced,
            should_shut_down: response.should_shut_down,
        }),
        Some(error) => Err(error),
    })
}

// ---- UnregisterBroker ----

/// Asks.
pub(crate) fn unregister(broker: NodeId) -> unregister_broker::UnregisterBrokerRequest {
    unregister_broker::UnregisterBrokerRequest { broker_id: broker.0 }
}

/// Answers.
pub(crate) fn unregister_answer(answer: &ControllerResponse) -> unregister_broker::UnregisterBrokerResponse {
    let mut response =
        unregister_broker::UnregisterBrokerResponse { error_message: None, ..Default::default() };
    match answer {
        ControllerResponse::UnregisterBroker(Ok(())) => {}
        ControllerResponse::UnregisterBroker(Err(error)) => {
            response.error_code = error.code;
            response.error_message = Some(error.message.clone().into());
        }
        _ => response.error_code = -1,
    }
    response
}

/// Is answered.
pub(crate) fn unregistered(response: &unregister_broker::UnregisterBrokerResponse) -> ControllerResponse {
    ControllerResponse::UnregisterBroker(match refusal(response.error_code) {
        None => Ok(()),
        Some(mut error) => {
            if let Some(message) = &response.error_message {
                error.message = message.to_string();
            }
            Err(error)
        }
    })
}

// ---- AlterPartition ----

/// The newest broker epoch under which anything is asked: the only one that can still be right.
fn newest_epoch(asked: &[Asked]) -> i64 {
    asked.iter().map(|(_, _, ask)| ask.broker_epoch).max().unwrap_or(-1)
}

/// Asks.
pub(crate) fn alter_partitions(asked: &[Asked]) -> alter_partition::AlterPartitionRequest {
    use alter_partition::request::{AlterPartitionRequest, BrokerState, PartitionData, TopicData};
    let broker_epoch = newest_epoch(asked);
    let mut topics: Vec<TopicData> = Vec::new();
    for (topic, index, ask) in asked.iter().filter(|(_, _, ask)| ask.broker_epoch == broker_epoch) {
        let member = |(id, epoch): &(NodeId, i64)| BrokerState { broker_id: id.0, broker_epoch: *epoch };
        let partition = PartitionData {
            partition_index: *index,
            leader_epoch: ask.leader_epoch,
            new_isr_with_epochs: ask.isr.iter().map(member).collect(),
            leader_recovery_state: ask.recovery as i8,
            partition_epoch: ask.partition_epoch,
            ..Default::default()
        };
        match topics.last_mut() {
            Some(last) if last.topic_id == *topic => last.partitions.push(partition),
            _ => topics.push(TopicData { topic_id: *topic, partitions: vec![partition] }),
        }
    }
    let broker_id = asked.first().map_or(-1, |(_, _, ask)| ask.leader.0);
    AlterPartitionRequest { broker_id, broker_epoch, topics }
}

/// Is asked.
pub(crate) fn alter_partitions_asked(
    request: alter_partition::AlterPartitionRequest,
) -> Result<Vec<Asked>, Untranslatable> {
    let (broker, broker_epoch) = (NodeId(request.broker_id), request.broker_epoch);
    let mut asked = Vec::new();
    for topic in request.topics {
        for partition in topic.partitions {
            let with_epochs = partition
                .new_isr_with_epochs
                .iter()
                .map(|member| (NodeId(member.broker_id), member.broker_epoch));
            let without = partition.new_isr.iter().map(|id| (NodeId(*id), -1));
            let ask = AlterPartition {
                leader: broker,
                broker_epoch,
                leader_epoch: partition.leader_epoch,
                partition_epoch: partition.partition_epoch,
                isr: with_epochs.chain(without).collect(),
                recovery: recovery(partition.leader_recovery_state)?,
            };
            asked.push((topic.topic_id, partition.partition_index, ask));
        }
    }
    Ok(asked)
}

fn recovery(found: i8) -> Result<LeaderRecovery, Untranslatable> {
    match found {
        0 => Ok(LeaderRecovery::Recovered),
        1 => Ok(LeaderRecovery::Recovering),
        _ => untranslatable(format!("AlterPartition has the leader recovery state {found}, expected 0 or 1")),
    }
}

/// Answers.
pub(crate) fn alter_partitions_answer(
    answer: &ControllerResponse,
) -> alter_partition::AlterPartitionResponse {
    use alter_partition::response::{AlterPartitionResponse, PartitionData, TopicData};
    let mut response = AlterPartitionResponse::default();
    let results = match answer {
        ControllerResponse::AlterPartitions(Ok(results)) => results,
        ControllerResponse::AlterPartitions(Err(error)) => {
            response.error_code = error.code;
            return response;
        }
        _ => {
            response.error_code = -1;
            return response;
        }
    };
    for (topic, index, result) in results {
        let mut partition = PartitionData { partition_index: *index, ..Default::default() };
        match result {
            Ok(state) => {
                partition.leader_id = leader_id(state.leader);
                partition.leader_epoch = state.leader_epoch;
                partition.isr = state.isr.iter().map(|id| id.0).collect();
                partition.leader_recovery_state = state.recovery as i8;
                partition.partition_epoch = state.partition_epoch;
            }
            Err(error) => partition.error_code = *error as i16,
        }
        match response.topics.last_mut() {
            Some(last) if last.topic_id == *topic => last.partitions.push(partition),
            _ => response.topics.push(TopicData { topic_id: *topic, partitions: vec![partition] }),
        }
    }
    response
}

/// Is answered, in the order asked. The replicas of a partition and its ELR are not in the answer; they stay empty.
pub(crate) fn altered(
    asked: &[Asked],
    response: alter_partition::AlterPartitionResponse,
) -> Result<ControllerResponse, Untranslatable> {
    if let Some(error) = refusal(response.error_code) {
        return Ok(ControllerResponse::AlterPartitions(Err(error)));
    }
    let mut found: HashMap<(Uuid, i32), AlterPartitionResult> = HashMap::new();
    for topic in response.topics {
        for partition in topic.partitions {
            let result = match partition_error(partition.error_code)? {
                Some(error) => Err(error),
                None => Ok(PartitionState {
                    replicas: Vec::new(),
                    isr: partition.isr.iter().copied().map(NodeId).collect(),
                    elr: Vec::new(),
                    last_known_elr: Vec::new(),
                    leader: leader(partition.leader_id),
                    leader_epoch: partition.leader_epoch,
                    partition_epoch: partition.partition_epoch,
                    recovery: recovery(partition.leader_recovery_state)?,
                }),
            };
            found.insert((topic.topic_id, partition.partition_index), result);
        }
    }
    let newest = newest_epoch(asked);
    let mut results = Vec::with_capacity(asked.len());
    for (topic, index, ask) in asked {
        let result = if ask.broker_epoch == newest {
            found.remove(&(*topic, *index)).ok_or_else(|| {
                Untranslatable(format!("the answer to AlterPartition lacks partition {index} of a topic"))
            })?
        } else {
            Err(PartitionError::StaleBrokerEpoch)
        };
        results.push((*topic, *index, result));
    }
    Ok(ControllerResponse::AlterPartitions(Ok(results)))
}

// ---- AllocateProducerIds ----

/// Asks.
pub(crate) fn allocate_producer_ids(
    broker: NodeId,
    broker_epoch: i64,
) -> allocate_producer_ids::AllocateProducerIdsRequest {
    allocate_producer_ids::AllocateProducerIdsRequest { broker_id: broker.0, broker_epoch }
}

/// Answers.
pub(crate) fn allocate_answer(
    answer: &ControllerResponse,
) -> allocate_producer_ids::AllocateProducerIdsResponse {
    let mut response = allocate_producer_ids::AllocateProducerIdsResponse::default();
    match answer {
        ControllerResponse::AllocateProducerIds(Ok((first, count))) => {
            response.producer_id_start = *first;
            response.producer_id_len = *count;
        }
        ControllerResponse::AllocateProducerIds(Err(error)) => response.error_code = error.code,
        _ => response.error_code = -1,
    }
    response
}

/// Is answered.
pub(crate) fn allocated(response: &allocate_producer_ids::AllocateProducerIdsResponse) -> ControllerResponse {
    ControllerResponse::AllocateProducerIds(match refusal(response.error_code) {
        None => Ok((response.producer_id_start, response.producer_id_len)),
        Some(error) => Err(error),
    })
}
