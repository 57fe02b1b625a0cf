//! The task that sends batches and hears what became of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};
use std::time::Instant;

use highwater_wire::messages::produce::request::{PartitionProduceData, TopicProduceData};
use highwater_wire::messages::produce::response::PartitionProduceResponse;
use highwater_wire::messages::{InitProducerIdRequest, ProduceRequest, ProduceResponse};
use highwater_wire::{ErrorCode, Str, Uuid};
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use super::accumulator::{Closed, Identity};
use super::{Acks, Shared};
use crate::cluster::{Backoff, Cluster, Lane, TopicPartition};
use crate::connection::Answer;
use crate::error::{ClientError, check};

/// The newest version that names topics by name, for topics whose id is not known.
const BY_NAME: i16 = 12;

/// A request that came back: to which broker, what was in it, and what it was answered with.
struct Landed {
    broker: i32,
    batches: Vec<Closed>,
    answer: Result<Answered, ClientError>,
}

enum Answered {
    /// It has no answer.
    Sent,
    Answer(ProduceResponse, BTreeMap<Uuid, Str>),
}

/// Sends until the producer is closed and empty, or nobody has it any more.
pub(super) async fn run(shared: Weak<Shared>) {
    let mut requests: JoinSet<Landed> = JoinSet::new();
    let mut under_way: HashMap<i32, usize> = HashMap::new();
    loop {
        let Some(shared) = shared.upgrade() else { return };
        let step = step(&shared, &mut requests, &mut under_way);
        if step.await {
            return;
        }
        let now = Instant::now();
        let look = shared.lock().next_look(now);
        // A producer that nobody has is noticed now and then.
        let look = look.unwrap_or(now + std::time::Duration::from_secs(1)).max(now);
        let wake = shared.wake.notified();
        tokio::select! {
            Some(landed) = requests.join_next(), if !requests.is_empty() => {
                if let Ok(landed) = landed {
                    hear(&shared, landed, &mut under_way);
                }
            }
            () = wake => {}
            () = sleep_until(look.into()) => {}
        }
    }
}

/// Sends what can go out now. Gives whether all is over.
async fn step(
    shared: &Arc<Shared>,
    requests: &mut JoinSet<Landed>,
    under_way: &mut HashMap<i32, usize>,
) -> bool {
    while let Some(landed) = requests.try_join_next() {
        if let Ok(landed) = landed {
            hear(shared, landed, under_way);
        }
    }
    let now = Instant::now();
    let (sendable, wants_identity) = {
        let mut state = shared.lock();
        state.lingered(now);
        let room = state.expire(now);
        if room > 0 {
            shared.room.add_permits(room);
            shared.ended.notify_waiters();
        }
        if state.is_closed() && state.is_empty() {
            return true;
        }
        (state.sendable(now), state.wants_identity())
    };
    if wants_identity {
        match identity(&shared.cluster).await {
            Ok(identity) => shared.lock().identity = Some(identity),
            Err(error) if error.is_retriable() || matches!(error, ClientError::TimedOut { .. }) => {}
            Err(error) => {
                let room = shared.lock().give_up(&error);
                shared.room.add_permits(room);
                shared.ended.notify_waiters();
            }
        }
        shared.wake.notify_one();
        return false;
    }
    let mut by_leader: BTreeMap<i32, Vec<TopicPartition>> = BTreeMap::new();
    let mut leaderless: Vec<TopicPartition> = Vec::new();
    for partition in sendable {
        match shared.cluster.view().leader(&partition) {
            Some(leader)
                if under_way.get(&leader.broker).copied().unwrap_or(0) < shared.config.in_flight_max =>
            {
                by_leader.entry(leader.broker).or_default().push(partition);
            }
            Some(_) => {}
            None => leaderless.push(partition),
        }
    }
    if !leaderless.is_empty() {
        look_again(shared, &leaderless, now).await;
    }
    for (broker, partitions) in by_leader {
        while under_way.get(&broker).copied().unwrap_or(0) < shared.config.in_flight_max {
            let batches = drain(shared, &partitions, now);
            if batches.is_empty() {
                break;
            }
            *under_way.entry(broker).or_default() += 1;
            dispatch(shared, broker, batches, requests, under_way).await;
        }
    }
    false
}

/// One batch of each partition, as many as a request may have.
fn drain(shared: &Shared, partitions: &[TopicPartition], now: Instant) -> Vec<Closed> {
    let mut state = shared.lock();
    let mut left = shared.config.request_bytes_max;
    let mut batches = Vec::new();
    for partition in partitions {
        // The first goes in any case: it is no larger than its records may be.
        let limit = if batches.is_empty() { usize::MAX } else { left };
        if let Some(batch) = state.take(partition, limit, now) {
            left = left.saturating_sub(batch.size());
            batches.push(batch);
        }
    }
    batches
}

/// Puts a request in line, and starts waiting for its answer.
async fn dispatch(
    shared: &Arc<Shared>,
    broker: i32,
    batches: Vec<Closed>,
    requests: &mut JoinSet<Landed>,
    under_way: &mut HashMap<i32, usize>,
) {
    match submit(shared, broker, &batches).await {
        Ok(None) => hear(shared, Landed { broker, batches, answer: Ok(Answered::Sent) }, under_way),
        Ok(Some((answer, names))) => {
            requests.spawn(async move {
                let answer = answer.wait().await.map(|answer| Answered::Answer(answer, names));
                Landed { broker, batches, answer }
            });
        }
        Err(error) => hear(shared, Landed { broker, batches, answer: Err(error) }, under_way),
    }
}

type Submitted = Option<(Answer<ProduceRequest>, BTreeMap<Uuid, Str>)>;

async fn submit(shared: &Shared, broker: i32, batches: &[Closed]) -> Result<Submitted, ClientError> {
    let connection = shared.cluster.broker(broker, Lane::Produce).await?;
    let view = shared.cluster.view();
    let id = |topic: &Str| view.topics.get(topic).map_or(Uuid::ZERO, |topic| topic.id);
    let named = batches.iter().any(|batch| id(&batch.partition.topic) == Uuid::ZERO);
    let version = connection.version::<ProduceRequest>(if named { BY_NAME } else { i16::MAX })?;
    let mut names = BTreeMap::new();
    let mut topics: BTreeMap<Str, Vec<PartitionProduceData>> = BTreeMap::new();
    for batch in batches {
        let topic = &batch.partition.topic;
        names.insert(id(topic), topic.clone());
        let data = PartitionProduceData { index: batch.partition.partition, records: Some(batch.bytes()) };
        topics.entry(topic.clone()).or_default().push(data);
    }
    let data = |(name, partition_data): (Str, Vec<PartitionProduceData>)| TopicProduceData {
        topic_id: id(&name),
        name,
        partition_data,
    };
    let timeout = shared.cluster.config().connection.request_timeout;
    let request = ProduceRequest {
        transactional_id: None,
        acks: match shared.config.acks {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        },
        timeout_ms: i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX),
        topic_data: topics.into_iter().map(data).collect(),
    };
    if shared.config.acks == Acks::None {
        connection.post(&request, version).await?;
        return Ok(None);
    }
    Ok(Some((connection.submit(&request, version).await?, names)))
}

/// What became of a request's batches.
fn hear(shared: &Arc<Shared>, landed: Landed, under_way: &mut HashMap<i32, usize>) {
    let Landed { broker, batches, answer } = landed;
    if let Some(count) = under_way.get_mut(&broker) {
        *count = count.saturating_sub(1);
    }
    let mut answers: BTreeMap<TopicPartition, PartitionProduceResponse> = BTreeMap::new();
    let mut failed = None;
    let mut sent = false;
    match answer {
        Ok(Answered::Sent) => sent = true,
        Ok(Answered::Answer(answer, names)) => {
            for topic in answer.responses {
                let name = match topic.topic_id {
                    Uuid::ZERO => topic.name,
                    id => names.get(&id).cloned().unwrap_or_default(),
                };
                for partition in topic.partition_responses {
                    answers.insert(TopicPartition::new(name.clone(), partition.index), partition);
                }
            }
        }
        Err(error) => failed = Some(error),
    }
    let mut stale: Vec<Str> = Vec::new();
    for batch in batches {
        let partition = batch.partition.clone();
        let result = match (answers.remove(&partition), &failed) {
            _ if sent => Ok((-1, -1)),
            (Some(answer), _) => check(
                "Produce",
                || format!("{} records to {partition}", batch.count),
                answer.error_code,
                answer.error_message,
            )
            .map(|()| (answer.base_offset, answer.log_append_time_ms)),
            (None, Some(error)) => Err(error.clone()),
            (None, None) => Err(ClientError::InDoubt {
                place: format!("broker {broker}"),
                api: "Produce",
                because: format!("the answer says nothing of {partition}"),
            }),
        };
        if result.is_err() {
            stale.push(partition.topic.clone());
        }
        settle(shared, batch, result);
    }
    shared.ended.notify_waiters();
    if !stale.is_empty() {
        stale.sort();
        stale.dedup();
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            // If nobody answers, the next attempt says so.
            let _ = shared.cluster.refresh(Some(&stale)).await;
            shared.wake.notify_one();
        });
    }
}

/// Ends a batch, or puts it back in line.
fn settle(shared: &Shared, mut batch: Closed, result: Result<(i64, i64), ClientError>) {
    let mut state = shared.lock();
    let mut backoff = Backoff::new(shared.cluster.config());
    for _ in 1..batch.attempts.min(16) {
        backoff.next();
    }
    let not_before = Instant::now() + backoff.next();
    let retries_left = batch.attempts <= shared.config.retries;
    let error = match result {
        Ok(written) => {
            let room = state.end(batch, Ok(written));
            shared.room.add_permits(room);
            return;
        }
        Err(error) => error,
    };
    if error.is_in_doubt() {
        batch.in_doubt = Some(error.clone());
    }
    batch.last = Some(error.clone());
    match (error.code(), batch.sequence) {
        // The broker has it already; where, it does not say.
        (Some(ErrorCode::DUPLICATE_SEQUENCE_NUMBER), Some(_)) => {
            let room = state.end(batch, Ok((-1, -1)));
            shared.room.add_permits(room);
            return;
        }
        // This leader does not have it. Whether because of one before that is on its way still, or because one is missing for good, shows in
        // whether there is one. A doubt stays: what an earlier leader appended comes back if one that has it is elected before it has
        // truncated. The batch then stands twice, under two epochs of the producer: as with Kafka's own.
        (
            Some(
                ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
                | ErrorCode::UNKNOWN_PRODUCER_ID
                | ErrorCode::INVALID_PRODUCER_EPOCH,
            ),
            Some((identity, _)),
        ) if retries_left => {
            if state.identity != Some(identity) || state.is_oldest(&batch) {
                state.next_epoch(identity);
                batch.sequence = None;
            }
            state.again(batch, not_before);
            return;
        }
        _ => {}
    }
    if error.is_retriable() && retries_left {
        state.again(batch, not_before);
        return;
    }
    // A batch that has a place and ends leaves a gap behind.
    if let Some((identity, _)) = batch.sequence {
        state.next_epoch(identity);
    }
    let error = match (&batch.in_doubt, error.is_in_doubt()) {
        (Some(doubt), false) => ClientError::TimedOut {
            what: format!(
                "Produce of {} records to {}, at last refused ({error})",
                batch.count, batch.partition
            ),
            after: shared.config.delivery_timeout,
            last: Some(Box::new(doubt.clone())),
        },
        _ => error,
    };
    let room = state.end(batch, Err(error));
    shared.room.add_permits(room);
}

/// Asks who leads, of partitions that nobody leads as far as is known; not more often than the backoff allows.
async fn look_again(shared: &Shared, partitions: &[TopicPartition], now: Instant) {
    let mut topics: Vec<Str> = partitions.iter().map(|partition| partition.topic.clone()).collect();
    topics.dedup();
    let view = shared.cluster.view();
    let backoff = shared.cluster.config().retry_backoff;
    topics.retain(|topic| {
        view.topics.get(topic).is_none_or(|topic| now.saturating_duration_since(topic.asked) >= backoff)
    });
    if !topics.is_empty() {
        // If nobody answers, batches wait until they are given up.
        let _ = shared.cluster.refresh(Some(&topics)).await;
    }
    tokio::time::sleep(backoff.min(std::time::Duration::from_millis(50))).await;
    shared.wake.notify_one();
}

/// A producer id of its own.
async fn identity(cluster: &Cluster) -> Result<Identity, ClientError> {
    let request = InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: i32::MAX,
        ..Default::default()
    };
    let again = true;
    let ask = || async {
        let answer = cluster.some().await?.ask(&request).await?;
        check("InitProducerId", || "a producer".to_owned(), answer.error_code, None)?;
        Ok(Identity { id: answer.producer_id, epoch: answer.producer_epoch })
    };
    cluster.retry("InitProducerId", again, ask).await
}
