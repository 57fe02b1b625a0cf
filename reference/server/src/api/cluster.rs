//! What several APIs say of brokers and partitions, as a listener's clients may see them.

use highwater_core::controller::{Endpoint, Image, PartitionRegistration};
use highwater_core::partition::PartitionState;
use highwater_core::{NodeId, Uuid};
use highwater_log::disk::RealDisk;
use highwater_node::Node;
use highwater_wire::{ErrorCode, Str};

/// The longest topic name.
const NAME_MAX: usize = 249;

/// No authorised operations were asked for.
pub(super) const OPERATIONS_OMITTED: i32 = i32::MIN;

/// What may be done to a topic, in bits of Kafka's numbers: READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS,
/// ALTER_CONFIGS. There is no access control: everybody may do everything.
pub(super) const TOPIC_OPERATIONS: i32 = bits(&[3, 4, 5, 6, 7, 8, 10, 11]);

/// What may be done to the cluster: CREATE, ALTER, DESCRIBE, CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE.
pub(super) const CLUSTER_OPERATIONS: i32 = bits(&[5, 7, 8, 9, 10, 11, 12]);

/// What may be done to a group: READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS.
pub(super) const GROUP_OPERATIONS: i32 = bits(&[3, 6, 8, 10, 11]);

const fn bits(numbers: &[u32]) -> i32 {
    let (mut bits, mut at) = (0, 0);
    while at < numbers.len() {
        bits |= 1 << numbers[at];
        at += 1;
    }
    bits
}

/// A broker's address for the clients of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) id: i32,
    pub(super) host: Str,
    pub(super) port: i32,
    pub(super) rack: Option<Str>,
}

/// Where a registered broker has this listener.
pub(super) fn address(image: &Image, id: NodeId, listener: &str) -> Option<Address> {
    let broker = image.broker(id)?;
    let endpoint = broker.endpoints.iter().find(|endpoint| endpoint.name == listener)?;
    Some(address_of(id, endpoint, broker.rack.as_deref()))
}

/// The address of an endpoint.
pub(super) fn address_of(id: NodeId, endpoint: &Endpoint, rack: Option<&str>) -> Address {
    let (host, port) = (endpoint.host.as_str().into(), endpoint.port.into());
    Address { id: id.0, host, port, rack: rack.map(Into::into) }
}

/// The brokers that are not fenced and have this listener, by id.
pub(super) fn alive(image: &Image, listener: &str) -> Vec<Address> {
    let brokers = image.brokers().iter().filter(|(_, broker)| !broker.fenced);
    brokers.filter_map(|(id, _)| address(image, *id, listener)).collect()
}

/// The broker that clients are told is the controller: any that lives will do, since each sends on what only the controller decides. The active
/// controller, where it is a broker too, spares them the way; else the broker that is asked.
pub(super) fn controller_for_clients(node: &Node<RealDisk>, alive: &[Address]) -> i32 {
    let preferred = [node.quorum().leader(), Some(node.id())];
    let is_alive = |id: &NodeId| alive.iter().any(|broker| broker.id == id.0);
    let preferred = preferred.into_iter().flatten().find(is_alive).map(|id| id.0);
    preferred.or_else(|| alive.first().map(|broker| broker.id)).unwrap_or(-1)
}

/// Whether a replica cannot be reached through this listener.
pub(super) fn is_offline(
    image: &Image,
    partition: &PartitionRegistration,
    place: usize,
    listener: &str,
) -> bool {
    let Some(broker) = partition.state.replicas.get(place).and_then(|id| image.broker(*id)) else {
        return true;
    };
    let has_listener = broker.endpoints.iter().any(|endpoint| endpoint.name == listener);
    let lost = match partition.directories.get(place) {
        // Not assigned, or migrating, or lost: the ids of Kafka that stand for no directory.
        Some(Uuid(reserved @ 0..100)) => *reserved == LOST,
        Some(directory) => !broker.directories.is_empty() && !broker.directories.contains(directory),
        None => false,
    };
    broker.fenced || !has_listener || lost
}

/// The directory id of a replica whose directory is gone (KIP-858).
const LOST: u128 = 1;

/// The replicas that cannot be reached through this listener.
pub(super) fn offline_replicas(image: &Image, partition: &PartitionRegistration, listener: &str) -> Vec<i32> {
    let replicas = partition.state.replicas.iter().enumerate();
    let offline = replicas.filter(|(place, _)| is_offline(image, partition, *place, listener));
    offline.map(|(_, id)| id.0).collect()
}

/// Who leads a partition, as far as clients of this listener can reach it; and why not, where they cannot.
pub(super) fn leader(
    image: &Image,
    state: &PartitionState,
    listener: &str,
    version: i16,
) -> (i32, ErrorCode) {
    match state.leader {
        Some(leader) if address(image, leader, listener).is_some() => (leader.0, ErrorCode::NONE),
        // Before version 6 clients do not know that error.
        Some(leader) if image.broker(leader).is_some() && version >= 6 => (-1, ErrorCode::LISTENER_NOT_FOUND),
        _ => (-1, ErrorCode::LEADER_NOT_AVAILABLE),
    }
}

/// Whether a topic may have this name.
pub(super) fn is_valid_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !matches!(name, "" | "." | "..") && name.len() <= NAME_MAX && name.bytes().all(is_allowed)
}

/// Topics of the cluster's own.
pub(super) fn is_internal(name: &str) -> bool {
    matches!(name, "__consumer_offsets" | "__transaction_state" | "__share_group_state")
}

/// The error to a topic of this name that there is not.
pub(super) fn absent(name: &str) -> ErrorCode {
    if is_valid_name(name) {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    } else {
        ErrorCode::INVALID_TOPIC_EXCEPTION
    }
}
