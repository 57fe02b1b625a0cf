//! How a cluster is, as text.

use std::fmt::Write;

use crate::state::{ClusterState, NodeState, PartitionState, listed};

/// A few lines for `status`.
pub(crate) fn text(state: &ClusterState) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_text(&mut text, state);
    text
}

fn write_text(text: &mut String, state: &ClusterState) -> std::fmt::Result {
    writeln!(text, "cluster {}", state.cluster_id)?;
    for node in &state.nodes {
        writeln!(text, "node {}  {}", node.id, node_words(node))?;
    }
    match &state.quorum {
        Some(quorum) => {
            let ends: Vec<String> = quorum.ends.iter().map(|(id, end)| format!("{id}:{end}")).collect();
            writeln!(
                text,
                "quorum  leader {}, epoch {}, high watermark {}, log ends {}",
                quorum.leader,
                quorum.epoch,
                quorum.high_watermark,
                ends.join(" ")
            )?;
        }
        None => writeln!(text, "quorum  no leader answers")?,
    }
    for (from, to) in &state.cuts {
        writeln!(text, "cut  {from} to {to}")?;
    }
    for partition in &state.partitions {
        writeln!(text, "{}", partition_words(partition))?;
    }
    if state.more_partitions {
        writeln!(text, "and more partitions")?;
    }
    Ok(())
}

fn node_words(node: &NodeState) -> String {
    let mut words = format!("{:<8}  {:<17}", node.process, node.roles);
    if let Some(address) = node.address {
        words.push_str(&format!("  {address}"));
    }
    if let Some(pid) = node.pid {
        words.push_str(&format!("  pid {pid}"));
    }
    if let Some(quorum) = node.quorum {
        let leader = quorum.leader.map_or_else(|| "nobody".to_owned(), |leader| leader.to_string());
        words.push_str(&format!("  follows {leader} in epoch {}", quorum.epoch));
    }
    words
}

fn partition_words(partition: &PartitionState) -> String {
    let leader = partition.leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string());
    let number = |offset: Option<i64>| offset.map_or_else(|| "?".to_owned(), |offset| offset.to_string());
    let replicas: Vec<String> = partition
        .replicas
        .iter()
        .map(|replica| {
            format!("{}:{}/{}", replica.node, number(replica.log_end), number(replica.high_watermark))
        })
        .collect();
    format!(
        "{}-{}  leader {leader}, epoch {}, ISR {}, LEO/HW {}",
        partition.topic,
        partition.partition,
        partition.leader_epoch,
        listed(&partition.isr),
        replicas.join(" ")
    )
}
