//! Records of `__consumer_offsets` as Kafka writes them in JSON.
//!
//! Fields stand in the order of Kafka's schemas; those that a version does not have are left out, and so are tagged ones at their default.
//! What members of a consumer group say of themselves, and what they are assigned, is read; bytes that are no such thing, and those of
//! other kinds of groups, stay bytes, in Base64.

use highwater_core::Uuid;
use highwater_core::group::assign::{Assignment, Subscription, TopicPartitions};
use highwater_core::group::{Decoded, GroupMetadataValue, GroupRecord, MemberMetadata, OffsetCommitValue};
use highwater_log::files::uuid;
use serde_json::{Map, Value, json};

/// The protocol type of consumers.
const CONSUMER: &str = "consumer";

/// The highest version of what members say.
const PROTOCOL_HIGHEST: i16 = 3;

/// Key and payload of a record: `{"type":…,"data":{…}}` and `{"version":…,"data":{…}}`, or `<DELETE>`.
///
/// # Errors
/// A sentence, if it is none that is known.
pub(crate) fn record(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(String, String), String> {
    let decoded = GroupRecord::decode(key, value).map_err(|error| error.to_string())?;
    let (kind, version, record) = match decoded {
        Decoded::Known { key_version, value_version, record } => (key_version, value_version, record),
        Decoded::Unknown { key_version } => {
            return Err(format!("Found a record of the type {key_version}, expected 0 to 2."));
        }
    };
    let (key, value) = match record {
        GroupRecord::OffsetCommit { key, value } => {
            let shown = json!({"group": key.group, "topic": key.topic, "partition": key.partition});
            (shown, value.map(|value| offset(&value, version.unwrap_or_default())))
        }
        GroupRecord::GroupMetadata { group, value } => {
            (json!({ "group": group }), value.map(|value| metadata(&value, version.unwrap_or_default())))
        }
    };
    let payload = match (value, version) {
        (Some(value), Some(version)) => json!({"version": version.to_string(), "data": value}).to_string(),
        _ => "<DELETE>".to_owned(),
    };
    Ok((json!({"type": kind.to_string(), "data": key}).to_string(), payload))
}

fn offset(value: &OffsetCommitValue, version: i16) -> Value {
    let mut data = Map::new();
    data.insert("offset".into(), value.offset.into());
    if version >= 3 {
        data.insert("leaderEpoch".into(), value.leader_epoch.into());
    }
    data.insert("metadata".into(), value.metadata.as_str().into());
    data.insert("commitTimestamp".into(), value.commit_timestamp.into());
    if version == 1 {
        data.insert("expireTimestamp".into(), value.expire_timestamp.into());
    }
    if value.topic_id != Uuid::ZERO {
        data.insert("topicId".into(), uuid::format(value.topic_id).into());
    }
    Value::Object(data)
}

fn metadata(value: &GroupMetadataValue, version: i16) -> Value {
    let mut data = Map::new();
    data.insert("protocolType".into(), value.protocol_type.as_str().into());
    data.insert("generation".into(), value.generation.into());
    data.insert("protocol".into(), value.protocol.as_deref().into());
    data.insert("leader".into(), value.leader.as_deref().into());
    if version >= 2 {
        data.insert("currentStateTimestamp".into(), value.current_state_timestamp.into());
    }
    let is_consumer = value.protocol_type == CONSUMER;
    let members = value.members.iter().map(|each| member(each, version, is_consumer));
    data.insert("members".into(), members.collect());
    Value::Object(data)
}

fn member(member: &MemberMetadata, version: i16, is_consumer: bool) -> Value {
    let mut data = Map::new();
    data.insert("memberId".into(), member.member_id.as_str().into());
    if version >= 3 {
        data.insert("groupInstanceId".into(), member.group_instance_id.as_deref().into());
    }
    data.insert("clientId".into(), member.client_id.as_str().into());
    data.insert("clientHost".into(), member.client_host.as_str().into());
    if version >= 1 {
        data.insert("rebalanceTimeout".into(), member.rebalance_timeout.into());
    }
    data.insert("sessionTimeout".into(), member.session_timeout.into());
    let shown = |bytes: &[u8], show: fn(&[u8]) -> Option<Value>| {
        let shown = if is_consumer { show(bytes) } else { None };
        shown.unwrap_or_else(|| base64(bytes).into())
    };
    data.insert("subscription".into(), shown(&member.subscription, subscription));
    data.insert("assignment".into(), shown(&member.assignment, assignment));
    Value::Object(data)
}

/// The version that bytes start with, if it is one that is known.
fn protocol_version(bytes: &[u8]) -> Option<i16> {
    let version = i16::from_be_bytes(*bytes.first_chunk()?);
    (0..=PROTOCOL_HIGHEST).contains(&version).then_some(version)
}

fn subscription(bytes: &[u8]) -> Option<Value> {
    let version = protocol_version(bytes)?;
    let subscription = Subscription::decode(bytes).ok()?;
    let mut data = Map::new();
    data.insert("topics".into(), subscription.topics.into());
    data.insert("userData".into(), subscription.user_data.map(|bytes| base64(&bytes)).into());
    if version >= 1 {
        data.insert("ownedPartitions".into(), partitions(&subscription.owned_partitions));
    }
    if version >= 2 {
        data.insert("generationId".into(), subscription.generation_id.into());
    }
    if version >= 3 {
        data.insert("rackId".into(), subscription.rack_id.into());
    }
    Some(Value::Object(data))
}

fn assignment(bytes: &[u8]) -> Option<Value> {
    protocol_version(bytes)?;
    let assignment = Assignment::decode(bytes).ok()?;
    let mut data = Map::new();
    data.insert("assignedPartitions".into(), partitions(&assignment.assigned_partitions));
    data.insert("userData".into(), assignment.user_data.map(|bytes| base64(&bytes)).into());
    Some(Value::Object(data))
}

fn partitions(list: &[TopicPartitions]) -> Value {
    list.iter().map(|each| json!({"topic": each.topic, "partitions": each.partitions})).collect()
}

/// Base64 with padding, as Kafka shows bytes.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}
