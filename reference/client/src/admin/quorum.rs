//! The metadata quorum, as its leader sees it.

use highwater_wire::messages::describe_quorum::request::{PartitionData, TopicData};
use highwater_wire::messages::describe_quorum::response;
use highwater_wire::messages::{DescribeQuorumRequest, DescribeQuorumResponse};
use highwater_wire::{ErrorCode, Str};

use super::Admin;
use crate::cluster::{Cluster, Lane};
use crate::error::{ClientError, check};

/// The log that the quorum keeps.
const METADATA_TOPIC: Str = Str::from_static("__cluster_metadata");

/// The quorum.
#[derive(Debug, Clone, PartialEq)]
pub struct QuorumAnswer {
    /// Leader, epoch, high watermark, voters, observers.
    pub quorum: response::PartitionData,
    /// Where the voters listen.
    pub nodes: Vec<response::Node>,
}

impl Admin {
    /// The quorum, asked of a broker, which hands on to the leader.
    ///
    /// # Errors
    /// If there is no answer, or it is an error.
    pub async fn describe_quorum(&self) -> Result<QuorumAnswer, ClientError> {
        let answer = self.describe(&asking(), |answer| Some(answer.error_code)).await?;
        said(answer)
    }

    /// The quorum, asked of controllers themselves (KIP-919): those of `bootstrap.controllers` one after the other, until the leader answers.
    ///
    /// # Errors
    /// If none of them is the leader, or answers.
    pub async fn describe_quorum_by_controllers(cluster: &Cluster) -> Result<QuorumAnswer, ClientError> {
        let asked = cluster.retry("DescribeQuorum", true, || async {
            let mut last = None;
            for place in &cluster.config().bootstrap {
                let ask = async {
                    let connection = cluster.place(place, Lane::Ask).await?;
                    said(connection.ask(&asking()).await?)
                };
                match ask.await {
                    Ok(answer) => return Ok(answer),
                    Err(error) => last = Some(error),
                }
            }
            let leaderless = || ClientError::broker("DescribeQuorum", "the quorum", 6, None);
            Err(last.unwrap_or_else(leaderless))
        });
        asked.await
    }
}

fn asking() -> DescribeQuorumRequest {
    let partitions = vec![PartitionData { partition_index: 0 }];
    DescribeQuorumRequest { topics: vec![TopicData { topic_name: METADATA_TOPIC, partitions }] }
}

fn said(answer: DescribeQuorumResponse) -> Result<QuorumAnswer, ClientError> {
    let about = || "the metadata quorum".to_owned();
    check("DescribeQuorum", about, answer.error_code, answer.error_message)?;
    let partition = answer.topics.into_iter().flat_map(|topic| topic.partitions).next();
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0;
    let partition = partition.ok_or_else(|| ClientError::broker("DescribeQuorum", about(), unknown, None))?;
    check("DescribeQuorum", about, partition.error_code, partition.error_message.clone())?;
    Ok(QuorumAnswer { quorum: partition, nodes: answer.nodes })
}
