//! DescribeLogDirs: the data directory, and how large the replicas in it are (KIP-113, KIP-827).

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use highwater_log::disk::RealDisk;
use highwater_node::Node;
use highwater_node::message::{LogId, TopicPartition};
use highwater_wire::Str;
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::describe_log_dirs::response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use highwater_wire::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};

use super::{Begun, Context, decode, ready};

/// What is not known.
const UNKNOWN: i64 = -1;

/// A replica: topic, index, how many bytes it has, and how far its high watermark is behind its end.
type Held = (String, i32, i64, i64);

/// Answers.
pub(super) async fn begin(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: DescribeLogDirsRequest = decode(header, body)?;
    let wanted: Option<HashSet<(String, i32)>> = request.topics.map(|topics| {
        let partitions = topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|index| (topic.topic.to_string(), *index)));
        partitions.collect()
    });
    let held = context.node.look(move |node| held(node, wanted.as_ref())).await?;
    let directory = context.config.log_directory.clone();
    let response =
        DescribeLogDirsResponse { results: vec![describe(&directory, held)], ..Default::default() };
    ready::<DescribeLogDirsRequest>(header, &response)
}

fn held(node: &Node<RealDisk>, wanted: Option<&HashSet<(String, i32)>>) -> Vec<Held> {
    let held = node.replicas().filter_map(|replica| {
        let LogId::Partition(TopicPartition { topic, partition }) = replica.id else { return None };
        let name = node.image().topic(topic)?.name.clone();
        let lag = (replica.high_watermark.unwrap_or(0) - replica.log.end()).max(0);
        let size = node.log_size(replica.id).and_then(|size| i64::try_from(size).ok()).unwrap_or(UNKNOWN);
        Some((name, partition, size, lag))
    });
    let is_wanted =
        |(name, index, ..): &Held| wanted.is_none_or(|wanted| wanted.contains(&(name.clone(), *index)));
    let mut held: Vec<Held> = held.filter(is_wanted).collect();
    held.sort_unstable();
    held
}

fn describe(directory: &Path, held: Vec<Held>) -> DescribeLogDirsResult {
    let mut topics: Vec<DescribeLogDirsTopic> = Vec::new();
    for (name, partition_index, partition_size, offset_lag) in held {
        let partition =
            DescribeLogDirsPartition { partition_index, partition_size, offset_lag, is_future_key: false };
        match topics.last_mut() {
            Some(last) if last.name == name.as_str() => last.partitions.push(partition),
            _ => topics.push(DescribeLogDirsTopic { name: Str::from(name), partitions: vec![partition] }),
        }
    }
    let (total_bytes, usable_bytes) = match rustix::fs::statvfs(directory) {
        Ok(volume) => {
            let bytes =
                |blocks: u64| i64::try_from(blocks.saturating_mul(volume.f_frsize)).unwrap_or(i64::MAX);
            (bytes(volume.f_blocks), bytes(volume.f_bavail))
        }
        Err(_) => (UNKNOWN, UNKNOWN),
    };
    DescribeLogDirsResult {
        log_dir: directory.display().to_string().into(),
        topics,
        total_bytes,
        usable_bytes,
        ..Default::default()
    }
}
