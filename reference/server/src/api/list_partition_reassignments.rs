//! ListPartitionReassignments: replicas on their way (KIP-455). None are begun here; a log that Kafka wrote may have some.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use highwater_core::controller::Image;
use highwater_wire::Str;
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::list_partition_reassignments::request::ListPartitionReassignmentsTopics;
use highwater_wire::messages::list_partition_reassignments::response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use highwater_wire::messages::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};

use super::{Begun, Context, decode, ready};
use crate::translate::ids;

/// Answers.
pub(super) async fn begin(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: ListPartitionReassignmentsRequest = decode(header, body)?;
    let topics = context.node.look(move |node| ongoing(node.image(), request.topics.as_deref())).await?;
    let response = ListPartitionReassignmentsResponse { error_message: None, topics, ..Default::default() };
    ready::<ListPartitionReassignmentsRequest>(header, &response)
}

fn ongoing(
    image: &Image,
    asked: Option<&[ListPartitionReassignmentsTopics]>,
) -> Vec<OngoingTopicReassignment> {
    let asked: Option<HashSet<(&Str, i32)>> = asked.map(|asked| {
        asked
            .iter()
            .flat_map(|topic| topic.partition_indexes.iter().map(|index| (&topic.name, *index)))
            .collect()
    });
    let topics = image.topics().values().filter_map(|topic| {
        let name = Str::from(topic.name.as_str());
        let partitions = topic.partitions.iter().filter(|(index, partition)| {
            let is_ongoing = !partition.adding.is_empty() || !partition.removing.is_empty();
            is_ongoing && asked.as_ref().is_none_or(|asked| asked.contains(&(&name, **index)))
        });
        let partitions: Vec<_> = partitions
            .map(|(index, partition)| OngoingPartitionReassignment {
                partition_index: *index,
                replicas: ids(&partition.state.replicas),
                adding_replicas: ids(&partition.adding),
                removing_replicas: ids(&partition.removing),
            })
            .collect();
        (!partitions.is_empty()).then_some(OngoingTopicReassignment { name, partitions })
    });
    topics.collect()
}
