//! Administration: one call a request of the protocol, its answer in the protocol's types, errors an item.
//!
//! A call repeats what failed for now and was definitely not done, for as long as [`ClusterConfig::api_timeout`] allows. What may have been
//! done is repeated only where that is harmless (descriptions, lists); else the error is [`ClientError::InDoubt`], and the
//! caller looks.
//!
//! | file | calls |
//! |---|---|
//! | here | topics, partitions, elections, the cluster |
//! | `configs` | configuration |
//! | `groups` | groups and their offsets |
//! | `offsets` | ends and starts of logs, deletion of records |
//! | `quorum` | the metadata quorum, also asked of controllers |
//!
//! [`ClusterConfig::api_timeout`]: crate::ClusterConfig::api_timeout

mod configs;
mod groups;
mod offsets;
mod quorum;

use std::time::Duration;

use highwater_wire::messages::create_partitions::request::CreatePartitionsTopic;
use highwater_wire::messages::create_partitions::response::CreatePartitionsTopicResult;
use highwater_wire::messages::create_topics::request::CreatableTopic;
use highwater_wire::messages::create_topics::response::CreatableTopicResult;
use highwater_wire::messages::delete_topics::request::DeleteTopicState;
use highwater_wire::messages::delete_topics::response::DeletableTopicResult;
use highwater_wire::messages::describe_topic_partitions::request::{Cursor, TopicRequest};
use highwater_wire::messages::describe_topic_partitions::response::DescribeTopicPartitionsResponseTopic;
use highwater_wire::messages::elect_leaders::request::TopicPartitions;
use highwater_wire::messages::elect_leaders::response::ReplicaElectionResult;
use highwater_wire::messages::list_partition_reassignments::response::OngoingTopicReassignment;
use highwater_wire::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeClusterRequest,
    DescribeClusterResponse, DescribeTopicPartitionsRequest, ElectLeadersRequest,
    ListPartitionReassignmentsRequest, MetadataResponse,
};
use highwater_wire::{ErrorCode, Request, Str};

pub use configs::{ConfigResource, ResourceKind};
pub use groups::{CommittedOffset, GroupAnswer};
pub(crate) use groups::{OFFSET_COMMIT_BY_NAME, OFFSET_FETCH_BY_NAME, committed, offset_fetch, offsets_of};
pub(crate) use offsets::list_offsets;
pub use offsets::{ListedOffset, OffsetSpec};
pub use quorum::QuorumAnswer;

use crate::cluster::{Cluster, Lane, TopicPartition};
use crate::connection::Connection;
use crate::error::{ClientError, check};

/// Which leader an election is to bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElectionType {
    /// The first of the replicas, if it is in sync.
    Preferred,
    /// Any replica that lives, where no eligible one does: what others acknowledged may be lost.
    Unclean,
}

/// Asks for changes and descriptions.
#[derive(Debug, Clone)]
pub struct Admin {
    cluster: Cluster,
}

impl Admin {
    /// Of this cluster.
    pub fn new(cluster: Cluster) -> Self {
        Self { cluster }
    }

    /// Whose it is.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// How long brokers may take over a change.
    fn timeout_ms(&self) -> i32 {
        let timeout = self.cluster.config().connection.request_timeout;
        i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
    }

    /// Asks a broker that hands on to the controller.
    async fn change<R: Request>(
        &self,
        request: &R,
        passing: impl Fn(&R::Response) -> Option<i16>,
    ) -> Result<R::Response, ClientError> {
        self.ask(request, false, passing).await
    }

    /// Asks any broker.
    async fn describe<R: Request>(
        &self,
        request: &R,
        passing: impl Fn(&R::Response) -> Option<i16>,
    ) -> Result<R::Response, ClientError> {
        self.ask(request, true, passing).await
    }

    /// `passing`: the answer's error, where it may be one that passes and stands for all of the answer.
    async fn ask<R: Request>(
        &self,
        request: &R,
        again: bool,
        passing: impl Fn(&R::Response) -> Option<i16>,
    ) -> Result<R::Response, ClientError> {
        let name = R::API.name();
        self.cluster
            .retry(name, again, || async {
                let answer = self.cluster.some().await?.ask(request).await?;
                match passing(&answer).map(ErrorCode) {
                    Some(code) if code.is_retriable() && code != ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {
                        Err(ClientError::broker(name, "the cluster", code.0, None))
                    }
                    _ => Ok(answer),
                }
            })
            .await
    }

    /// Creates topics; with `validate_only`, says what would come of it.
    ///
    /// # Errors
    /// If there is no answer. Errors of single topics are in the answer.
    pub async fn create_topics(
        &self,
        topics: Vec<CreatableTopic>,
        validate_only: bool,
    ) -> Result<Vec<CreatableTopicResult>, ClientError> {
        let request = CreateTopicsRequest { topics, timeout_ms: self.timeout_ms(), validate_only };
        let refused = |answer: &<CreateTopicsRequest as Request>::Response| {
            sole(&answer.topics, |topic| topic.error_code)
        };
        Ok(self.change(&request, refused).await?.topics)
    }

    /// Deletes topics by name.
    ///
    /// # Errors
    /// If there is no answer. Errors of single topics are in the answer.
    pub async fn delete_topics(&self, names: &[Str]) -> Result<Vec<DeletableTopicResult>, ClientError> {
        let state = |name: &Str| DeleteTopicState { name: Some(name.clone()), ..Default::default() };
        let request = DeleteTopicsRequest {
            topics: names.iter().map(state).collect(),
            topic_names: names.to_vec(),
            timeout_ms: self.timeout_ms(),
        };
        let refused = |answer: &<DeleteTopicsRequest as Request>::Response| {
            sole(&answer.responses, |topic| topic.error_code)
        };
        Ok(self.change(&request, refused).await?.responses)
    }

    /// Gives topics more partitions.
    ///
    /// # Errors
    /// If there is no answer. Errors of single topics are in the answer.
    pub async fn create_partitions(
        &self,
        topics: Vec<CreatePartitionsTopic>,
        validate_only: bool,
    ) -> Result<Vec<CreatePartitionsTopicResult>, ClientError> {
        let request = CreatePartitionsRequest { topics, timeout_ms: self.timeout_ms(), validate_only };
        let refused = |answer: &<CreatePartitionsRequest as Request>::Response| {
            sole(&answer.results, |topic| topic.error_code)
        };
        Ok(self.change(&request, refused).await?.results)
    }

    /// All topics, or those named: brokers, leaders, replicas, ISR. Errors of single topics are in the answer.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn topics(&self, names: Option<&[Str]>) -> Result<MetadataResponse, ClientError> {
        self.cluster.retry("Metadata", true, || self.cluster.refresh(names)).await
    }

    /// Topics with their eligible leader replicas (KIP-966), page by page until the last. None where brokers are older than that.
    ///
    /// # Errors
    /// If there is no answer. Errors of single topics are in the answer.
    pub async fn topic_partitions(
        &self,
        names: &[Str],
    ) -> Result<Option<Vec<DescribeTopicPartitionsResponseTopic>>, ClientError> {
        let mut names: Vec<Str> = names.to_vec();
        names.sort();
        let mut topics: Vec<DescribeTopicPartitionsResponseTopic> = Vec::new();
        let mut cursor: Option<Cursor> = None;
        loop {
            let from = cursor.as_ref().map(|cursor| cursor.topic_name.clone());
            let rest = names.iter().filter(|name| from.as_ref().is_none_or(|from| *name >= from));
            let request = DescribeTopicPartitionsRequest {
                topics: rest.map(|name| TopicRequest { name: name.clone() }).collect(),
                cursor: cursor.clone(),
                ..Default::default()
            };
            let answer = match self.describe(&request, |_| None).await {
                Ok(answer) => answer,
                Err(ClientError::Unsupported { .. }) => return Ok(None),
                Err(error) => return Err(error),
            };
            for topic in answer.topics {
                match topics.last_mut().filter(|last| last.name == topic.name) {
                    Some(last) => last.partitions.extend(topic.partitions),
                    None => topics.push(topic),
                }
            }
            let Some(next) = answer.next_cursor else { return Ok(Some(topics)) };
            let next = Cursor { topic_name: next.topic_name, partition_index: next.partition_index };
            if cursor.as_ref().is_some_and(|cursor| {
                (&cursor.topic_name, cursor.partition_index) >= (&next.topic_name, next.partition_index)
            }) {
                let because = "the next page is not behind this one".to_owned();
                return Err(ClientError::Records { about: next.topic_name.to_string(), offset: -1, because });
            }
            cursor = Some(next);
        }
    }

    /// Elects leaders of these partitions; of all if none are named. Errors of single partitions are in the answer.
    ///
    /// # Errors
    /// If there is no answer, or it is an error as a whole.
    pub async fn elect_leaders(
        &self,
        kind: ElectionType,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<Vec<ReplicaElectionResult>, ClientError> {
        let request = ElectLeadersRequest {
            election_type: match kind {
                ElectionType::Preferred => 0,
                ElectionType::Unclean => 1,
            },
            topic_partitions: partitions.map(|partitions| {
                by_topic(partitions)
                    .into_iter()
                    .map(|(topic, partitions)| TopicPartitions { topic, partitions })
                    .collect()
            }),
            timeout_ms: self.timeout_ms(),
        };
        let answer = self.change(&request, |answer| Some(answer.error_code)).await?;
        check("ElectLeaders", || "the cluster".to_owned(), answer.error_code, None)?;
        Ok(answer.replica_election_results)
    }

    /// Replicas on their way.
    ///
    /// # Errors
    /// If there is no answer, or it is an error as a whole.
    pub async fn reassignments(&self) -> Result<Vec<OngoingTopicReassignment>, ClientError> {
        let request = ListPartitionReassignmentsRequest { timeout_ms: self.timeout_ms(), topics: None };
        let answer = self.describe(&request, |answer| Some(answer.error_code)).await?;
        let (code, message) = (answer.error_code, answer.error_message);
        check("ListPartitionReassignments", || "the cluster".to_owned(), code, message)?;
        Ok(answer.topics)
    }

    /// The cluster's id and brokers.
    ///
    /// # Errors
    /// If there is no answer, or it is an error as a whole.
    pub async fn describe_cluster(&self) -> Result<DescribeClusterResponse, ClientError> {
        let answer =
            self.describe(&DescribeClusterRequest::default(), |answer| Some(answer.error_code)).await?;
        let message = answer.error_message.clone();
        check("DescribeCluster", || "the cluster".to_owned(), answer.error_code, message)?;
        Ok(answer)
    }

    /// The connection to a broker for single questions.
    async fn broker(&self, id: i32) -> Result<Connection, ClientError> {
        self.cluster.broker(id, Lane::Ask).await
    }

    /// How long a request may wait.
    fn request_timeout(&self) -> Duration {
        self.cluster.config().connection.request_timeout
    }
}

/// The error of the only item.
fn sole<T>(items: &[T], code: impl Fn(&T) -> i16) -> Option<i16> {
    match items {
        [item] => Some(code(item)),
        _ => None,
    }
}

/// Partitions by topic, in the order of names.
pub(crate) fn by_topic(partitions: &[TopicPartition]) -> Vec<(Str, Vec<i32>)> {
    let mut topics: std::collections::BTreeMap<Str, Vec<i32>> = std::collections::BTreeMap::new();
    for partition in partitions {
        topics.entry(partition.topic.clone()).or_default().push(partition.partition);
    }
    topics.into_iter().collect()
}
