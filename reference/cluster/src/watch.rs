//! Asks the nodes how they are, four times a second, through the protocol that clients have.
//!
//! | question | request |
//! |---|---|
//! | who leads the quorum, and where its logs end | DescribeQuorum, to each controller itself |
//! | leaders, epochs, ISR, ELR as a broker knows them | DescribeTopicPartitions |
//! | where a replica's log ends | ListOffsets of replica -2, which each replica answers for itself |
//! | the high watermark that a replica knows | Fetch of replica -2 at the end of its log |
//!
//! Of what brokers say about a partition, that of the highest leader epoch counts; of equal ones, that of its leader.
//!
//! # Invariants
//! - Nobody waits for a node: each request has [`PATIENCE`], and who does not answer is not known about.
//! - A cluster that is slow to ask is asked less often: never more than a quarter of the time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use highwater_client::{Connection, ConnectionConfig};
use highwater_wire::messages::describe_quorum::request::{PartitionData, TopicData};
use highwater_wire::messages::describe_topic_partitions::response::DescribeTopicPartitionsResponseTopic;
use highwater_wire::messages::fetch::request::{FetchPartition, FetchTopic, ReplicaState as FetchReplica};
use highwater_wire::messages::list_offsets::request::{ListOffsetsPartition, ListOffsetsTopic};
use highwater_wire::messages::{
    DescribeQuorumRequest, DescribeTopicPartitionsRequest, FetchRequest, ListOffsetsRequest,
};
use highwater_wire::{Str, Uuid};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::layout::{Layout, loopback};
use crate::state::{Observation, PartitionState, QuorumBelief, QuorumState, ReplicaState};

/// How often the nodes are asked.
const INTERVAL: Duration = Duration::from_millis(250);

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_millis(500);

/// So many partitions are looked at.
pub(crate) const PARTITIONS_MAX: i32 = 200;

/// Who asks as this sees replicas that do not lead, and beyond the high watermark.
const DEBUG: i32 = -2;

/// What `timestamp` says for the end of a log.
const LATEST: i64 = -1;

/// A node, and the connections to it.
struct Eye {
    node: i32,
    broker: Option<Line>,
    controller: Option<Line>,
}

/// A connection that is made again when it breaks.
struct Line {
    place: String,
    connection: Option<Connection>,
}

/// What a node says.
#[derive(Default)]
struct Said {
    belief: Option<QuorumBelief>,
    quorum: Option<QuorumState>,
    topics: Option<Vec<DescribeTopicPartitionsResponseTopic>>,
    more: bool,
    ends: BTreeMap<(Str, i32), Ends>,
}

/// Where a replica is.
#[derive(Debug, Clone, Copy, Default)]
struct Ends {
    log_end: Option<i64>,
    high_watermark: Option<i64>,
}

/// Asks until nobody wants to hear it.
pub(crate) async fn watch(
    layout: Layout,
    answering: watch::Receiver<BTreeSet<i32>>,
    seen: mpsc::Sender<Observation>,
) {
    let line = |port| Line { place: loopback(port).to_string(), connection: None };
    let mut eyes: Vec<Eye> = layout
        .nodes
        .iter()
        .map(|node| Eye {
            node: node.id,
            broker: node.broker.map(|ports| line(ports.client)),
            controller: node.controller.map(line),
        })
        .collect();
    loop {
        let began = Instant::now();
        let asked = answering.borrow().clone();
        let mut looks = JoinSet::new();
        for mut eye in eyes.drain(..) {
            let is_asked = asked.contains(&eye.node);
            looks.spawn(async move {
                let said = if is_asked { eye.look().await } else { eye.shut() };
                (eye, said)
            });
        }
        let mut all = BTreeMap::new();
        for (eye, said) in looks.join_all().await {
            all.insert(eye.node, said);
            eyes.push(eye);
        }
        if seen.send(merge(all)).await.is_err() {
            return;
        }
        sleep(INTERVAL.max(began.elapsed() * 4) - began.elapsed()).await;
    }
}

impl Line {
    async fn connection(&mut self) -> Option<Connection> {
        if self.connection.as_ref().is_none_or(Connection::is_closed) {
            let config = ConnectionConfig {
                client_id: Str::from_static("highwater-cluster"),
                connect_timeout: PATIENCE,
                request_timeout: PATIENCE,
                frame_bytes_max: 16 << 20,
            };
            self.connection = Connection::open(&self.place, &config).await.ok();
        }
        self.connection.clone()
    }
}

impl Eye {
    /// Of a node that does not answer.
    fn shut(&mut self) -> Said {
        for line in [&mut self.broker, &mut self.controller].into_iter().flatten() {
            line.connection = None;
        }
        Said::default()
    }

    async fn look(&mut self) -> Said {
        let (quorum, replicas) = tokio::join!(
            async {
                match &mut self.controller {
                    Some(line) => quorum(line).await,
                    None => None,
                }
            },
            async {
                match &mut self.broker {
                    Some(line) => replicas(line, self.node).await,
                    None => None,
                }
            }
        );
        let mut said = replicas.unwrap_or_default();
        if let Some((belief, quorum)) = quorum {
            (said.belief, said.quorum) = (Some(belief), quorum);
        }
        said
    }
}

/// What a controller knows of the quorum; all of it if it leads.
async fn quorum(line: &mut Line) -> Option<(QuorumBelief, Option<QuorumState>)> {
    let connection = line.connection().await?;
    let topic = TopicData {
        topic_name: Str::from_static("__cluster_metadata"),
        partitions: vec![PartitionData { partition_index: 0 }],
    };
    let answer = connection.ask(&DescribeQuorumRequest { topics: vec![topic] }).await.ok()?;
    let said = answer.topics.into_iter().next()?.partitions.into_iter().next()?;
    let leader = (said.leader_id >= 0).then_some(said.leader_id);
    let belief = QuorumBelief { leader, epoch: said.leader_epoch };
    let leads = said.error_code == 0 && leader.is_some();
    let state = leads.then(|| QuorumState {
        leader: said.leader_id,
        epoch: said.leader_epoch,
        high_watermark: said.high_watermark,
        ends: said.current_voters.iter().map(|voter| (voter.replica_id, voter.log_end_offset)).collect(),
    });
    Some((belief, state))
}

/// What a broker knows of all partitions, and where its own replicas are.
async fn replicas(line: &mut Line, node: i32) -> Option<Said> {
    let connection = line.connection().await?;
    let request =
        DescribeTopicPartitionsRequest { response_partition_limit: PARTITIONS_MAX, ..Default::default() };
    let answer = connection.ask(&request).await.ok()?;
    let mut said = Said { more: answer.next_cursor.is_some(), ..Said::default() };
    let own: Vec<(Str, Uuid, Vec<i32>)> = answer
        .topics
        .iter()
        .filter_map(|topic| {
            let held = topic.partitions.iter().filter(|partition| partition.replica_nodes.contains(&node));
            let held: Vec<i32> = held.map(|partition| partition.partition_index).collect();
            (!held.is_empty()).then(|| Some((topic.name.clone()?, topic.topic_id, held)))?
        })
        .collect();
    if let Some(ends) = log_ends(&connection, &own).await {
        said.ends = ends;
        high_watermarks(&connection, &own, &mut said.ends).await;
    }
    said.topics = Some(answer.topics);
    Some(said)
}

async fn log_ends(
    connection: &Connection,
    own: &[(Str, Uuid, Vec<i32>)],
) -> Option<BTreeMap<(Str, i32), Ends>> {
    let partition = |index: &i32| ListOffsetsPartition {
        partition_index: *index,
        timestamp: LATEST,
        ..Default::default()
    };
    let topics = own.iter().map(|(name, _, held)| ListOffsetsTopic {
        name: name.clone(),
        partitions: held.iter().map(partition).collect(),
    });
    let request = ListOffsetsRequest { replica_id: DEBUG, topics: topics.collect(), ..Default::default() };
    let answer = connection.ask(&request).await.ok()?;
    let ends = answer.topics.into_iter().flat_map(|topic| {
        topic.partitions.into_iter().map(move |partition| {
            let log_end = (partition.error_code == 0).then_some(partition.offset);
            ((topic.name.clone(), partition.partition_index), Ends { log_end, high_watermark: None })
        })
    });
    Some(ends.collect())
}

async fn high_watermarks(
    connection: &Connection,
    own: &[(Str, Uuid, Vec<i32>)],
    ends: &mut BTreeMap<(Str, i32), Ends>,
) {
    let topics = own.iter().map(|(name, id, held)| {
        let at_end = held.iter().filter_map(|index| {
            let fetch_offset = ends.get(&(name.clone(), *index))?.log_end?;
            Some(FetchPartition {
                partition: *index,
                fetch_offset,
                partition_max_bytes: 1,
                ..Default::default()
            })
        });
        FetchTopic { topic_id: *id, partitions: at_end.collect(), ..Default::default() }
    });
    let request = FetchRequest {
        max_wait_ms: 0,
        max_bytes: 1,
        topics: topics.collect(),
        replica_state: FetchReplica { replica_id: DEBUG, replica_epoch: -1 },
        ..Default::default()
    };
    let Ok(answer) = connection.ask(&request).await else { return };
    for topic in answer.responses {
        let Some((name, ..)) = own.iter().find(|(_, id, _)| *id == topic.topic_id) else { continue };
        for partition in topic.partitions {
            if let Some(ends) = ends.get_mut(&(name.clone(), partition.partition_index)) {
                ends.high_watermark = (partition.high_watermark >= 0).then_some(partition.high_watermark);
            }
        }
    }
}

/// What all say together.
fn merge(all: BTreeMap<i32, Said>) -> Observation {
    let mut seen = Observation::default();
    let mut partitions: BTreeMap<(Str, i32), (bool, PartitionState)> = BTreeMap::new();
    let mut anybody = false;
    for (node, said) in &all {
        if let Some(belief) = said.belief {
            seen.beliefs.insert(*node, belief);
        }
        // Two may say that they lead, in different epochs.
        if let Some(quorum) = &said.quorum
            && seen.quorum.as_ref().is_none_or(|best| quorum.epoch > best.epoch)
        {
            seen.quorum = Some(quorum.clone());
        }
        let Some(topics) = &said.topics else { continue };
        anybody = true;
        seen.more_partitions |= said.more;
        for topic in topics {
            let Some(name) = &topic.name else { continue };
            for partition in &topic.partitions {
                let leads = partition.leader_id == *node;
                let state = PartitionState {
                    topic: name.to_string(),
                    partition: partition.partition_index,
                    leader: (partition.leader_id >= 0).then_some(partition.leader_id),
                    leader_epoch: partition.leader_epoch,
                    isr: partition.isr_nodes.clone(),
                    elr: partition.eligible_leader_replicas.clone().unwrap_or_default(),
                    replicas: partition
                        .replica_nodes
                        .iter()
                        .map(|replica| ReplicaState { node: *replica, log_end: None, high_watermark: None })
                        .collect(),
                };
                let key = (name.clone(), partition.partition_index);
                let is_better = partitions.get(&key).is_none_or(|(leader_says, best)| {
                    (state.leader_epoch, leads) > (best.leader_epoch, *leader_says)
                });
                if is_better {
                    partitions.insert(key, (leads, state));
                }
            }
        }
    }
    for (key, (_, partition)) in &mut partitions {
        for replica in &mut partition.replicas {
            if let Some(ends) = all.get(&replica.node).and_then(|said| said.ends.get(key)) {
                (replica.log_end, replica.high_watermark) = (ends.log_end, ends.high_watermark);
            }
        }
    }
    seen.partitions = anybody.then(|| partitions.into_values().map(|(_, partition)| partition).collect());
    seen
}
