//! A state of the controller model as JSON.

use serde::{Deserialize, Serialize};

use crate::coordination::{Ephemeral, Link, Tie};
use crate::family::stains::{self, Stain};

use super::state::{
    BROKERS_CHANGED, Broker, DEPOSED_ACTED, EPOCH_WENT_BACK, NOT_IN_ISR, Partition, PartitionState, Phase,
    REGISTERED, Request, RequestState, State, TWO_LEADERS, UNAWARE,
};
use super::step::owed_bit;
use super::{EPOCHS_MAX, LEADER_EPOCHS_MAX, REQUESTS_MAX, VERSIONS_MAX, ZkController};

/// A state, for reading and for `--from`. Brokers are numbered from 1, partitions from 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReadableState {
    /// The brokers, in order.
    pub brokers: Vec<ReadableBroker>,
    /// Requests in flight.
    pub requests: Vec<ReadableRequest>,
    /// The partitions' states in the tree.
    pub partitions: Vec<ReadablePartition>,
    /// Of each partition: who was accepted as leader of each leader epoch, from 1; 0 of nobody yet.
    pub led: Vec<Vec<u8>>,
    /// `/controller`, if it exists.
    pub controller: Option<ReadableNode>,
    /// `/brokers/ids/N` of each broker, if it exists.
    pub ids: Vec<Option<ReadableNode>>,
    /// `/controller_epoch`.
    pub controller_epoch: u8,
    /// How often `/controller` was won.
    pub wins: u8,
    /// Faults so far.
    pub faults: u8,
    /// Rules broken on the way.
    pub stains: Vec<String>,
    /// Whether faults have stopped.
    pub stabilised: bool,
}

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReadableBroker {
    /// `up`, `paused`, `lost`, `expired` or `down`.
    pub link: String,
    /// `standby`, `beaten`, `watching`, `woken`, `won`, `active`.
    pub phase: String,
    /// Its session was replaced, and its own logic has not heard.
    pub unaware: bool,
    /// It believes that it is registered.
    pub registered: bool,
    /// The event that `/brokers/ids` changed is on its way to it.
    pub brokers_changed: bool,
    /// The largest controller epoch that it has accepted.
    pub fence: u8,
    /// The largest win whose request it has accepted.
    pub fence_reign: u8,
    /// The partitions as it was told.
    pub roles: Vec<ReadablePartition>,
    /// What it holds as controller.
    pub office: ReadableOffice,
}

/// What a broker holds as controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReadableOffice {
    /// The epoch that it acts with.
    pub epoch: u8,
    /// The win that it acts by.
    pub reign: u8,
    /// The brokers that it thinks alive.
    pub alive: Vec<u8>,
    /// Those whose nodes are still the ones that it has read.
    pub unchanged: Vec<u8>,
    /// Requests that it has yet to send: partition and broker.
    pub owed: Vec<(u8, u8)>,
    /// The partitions as it has last read or written them.
    pub cache: Vec<ReadablePartition>,
}

/// A partition's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReadablePartition {
    /// The leader; 0 of none.
    pub leader: u8,
    /// The leader epoch.
    pub epoch: u8,
    /// The ISR, a bit a broker.
    pub isr: u8,
    /// The version of the node.
    pub version: u8,
}

/// An ephemeral node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReadableNode {
    /// The broker that made it.
    pub broker: u8,
    /// Which of its sessions: `present`, `former` or `orphan`.
    pub session: String,
}

/// A request in flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReadableRequest {
    /// The sender.
    pub from: u8,
    /// The receiver.
    pub to: u8,
    /// The controller epoch that it bears.
    pub controller_epoch: u8,
    /// The win that its sender acts by.
    pub reign: u8,
    /// The partition.
    pub partition: u8,
    /// Its state.
    pub state: ReadablePartition,
}

const STAINS: [Stain; 4] = [
    (DEPOSED_ACTED, "deposed-acted"),
    (TWO_LEADERS, "two-leaders"),
    (NOT_IN_ISR, "not-in-isr"),
    (EPOCH_WENT_BACK, "epoch-went-back"),
];

pub(super) fn read(model: &ZkController, state: &State) -> ReadableState {
    let brokers = usize::from(model.bounds.brokers);
    let partitions = usize::from(model.bounds.partitions);
    let led = |led: &u16| (1..=LEADER_EPOCHS_MAX).map(|epoch| (led >> (2 * epoch) & 3) as u8).collect();
    ReadableState {
        brokers: state.brokers[..brokers].iter().map(|broker| read_broker(model, broker)).collect(),
        requests: state.requests.iter().filter_map(|request| request.unpack()).map(read_request).collect(),
        partitions: state.partitions[..partitions].iter().map(read_partition).collect(),
        led: state.led[..partitions].iter().map(led).collect(),
        controller: read_node(&state.controller),
        ids: state.ids[..brokers].iter().map(read_node).collect(),
        controller_epoch: state.epoch,
        wins: state.wins,
        faults: state.faults,
        stains: stains::names(&STAINS, state.stain),
        stabilised: state.stabilised != 0,
    }
}

fn read_broker(model: &ZkController, broker: &Broker) -> ReadableBroker {
    let partitions = usize::from(model.bounds.partitions);
    let numbers =
        |mask: u8| (1..=model.bounds.brokers).filter(|number| mask >> (number - 1) & 1 != 0).collect();
    let every = (0..model.bounds.partitions)
        .flat_map(|partition| (0..model.bounds.brokers).map(move |to| (partition, to)));
    ReadableBroker {
        link: broker.link.name().to_owned(),
        phase: broker.phase.name().to_owned(),
        unaware: broker.is(UNAWARE),
        registered: broker.is(REGISTERED),
        brokers_changed: broker.is(BROKERS_CHANGED),
        fence: broker.fence & 15,
        fence_reign: broker.fence >> 4,
        roles: broker.role[..partitions].iter().map(read_partition).collect(),
        office: ReadableOffice {
            epoch: broker.epoch,
            reign: broker.reign,
            alive: numbers(broker.alive & 7),
            unchanged: numbers(broker.alive >> 4),
            owed: every
                .filter(|(partition, to)| broker.owed & owed_bit(*partition, *to) != 0)
                .map(|(partition, to)| (partition, to + 1))
                .collect(),
            cache: broker.cache[..partitions].iter().map(read_partition).collect(),
        },
    }
}

fn read_partition(partition: &Partition) -> ReadablePartition {
    let PartitionState { leader, epoch, isr, version } = partition.unpack();
    ReadablePartition { leader, epoch, isr, version }
}

fn read_node(node: &Ephemeral) -> Option<ReadableNode> {
    node.client().map(|broker| ReadableNode { broker: broker + 1, session: node.tie().name().to_owned() })
}

fn read_request(request: RequestState) -> ReadableRequest {
    ReadableRequest {
        from: request.from + 1,
        to: request.to + 1,
        controller_epoch: request.controller_epoch,
        reign: request.reign,
        partition: request.partition,
        state: read_partition(&Partition::pack(request.state)),
    }
}

pub(super) fn write(model: &ZkController, readable: &ReadableState) -> Result<State, String> {
    let brokers = usize::from(model.bounds.brokers);
    let partitions = usize::from(model.bounds.partitions);
    if readable.brokers.len() != brokers || readable.ids.len() != brokers {
        return Err(format!(
            "the state has {} brokers and {} ids, the model {brokers}: say --brokers {}",
            readable.brokers.len(),
            readable.ids.len(),
            readable.brokers.len()
        ));
    }
    if readable.partitions.len() != partitions || readable.led.len() != partitions {
        return Err(format!(
            "the state has {} partitions, the model {partitions}: say --partitions {}",
            readable.partitions.len(),
            readable.partitions.len()
        ));
    }
    if readable.requests.len() > REQUESTS_MAX {
        return Err(format!(
            "{} requests in flight; there is room for {REQUESTS_MAX}",
            readable.requests.len()
        ));
    }
    let mut state = State::initial(model.bounds.brokers, model.bounds.partitions);
    for (index, broker) in readable.brokers.iter().enumerate() {
        state.brokers[index] =
            write_broker(model, broker).map_err(|error| format!("broker {}: {error}", index + 1))?;
        state.ids[index] = write_node(model, readable.ids[index].as_ref())?;
    }
    for (index, request) in readable.requests.iter().enumerate() {
        state.requests[index] = Request::pack(RequestState {
            to: broker_index(model, request.to)?,
            from: broker_index(model, request.from)?,
            controller_epoch: epoch(request.controller_epoch)?,
            reign: epoch(request.reign)?,
            partition: partition_index(model, request.partition)?,
            state: write_partition(model, &request.state)?.unpack(),
        });
    }
    state.requests.sort_unstable();
    for index in 0..partitions {
        state.partitions[index] = write_partition(model, &readable.partitions[index])?;
        if readable.led[index].len() != usize::from(LEADER_EPOCHS_MAX) {
            return Err(format!("`led` of partition {index} needs {LEADER_EPOCHS_MAX} entries"));
        }
        for (leader, at) in readable.led[index].iter().zip(1..) {
            if *leader > model.bounds.brokers {
                return Err(format!("`led` of partition {index}: there is no broker {leader}"));
            }
            state.led[index] |= u16::from(*leader) << (2 * at);
        }
    }
    state.controller = write_node(model, readable.controller.as_ref())?;
    state.epoch = epoch(readable.controller_epoch)?;
    state.wins = epoch(readable.wins)?;
    state.faults = readable.faults;
    state.stabilised = u8::from(readable.stabilised);
    for stain in &readable.stains {
        let names = STAINS.map(|(_, name)| name).join(", ");
        let bit = stains::bit(&STAINS, stain);
        state.stain |= bit.ok_or_else(|| format!("`{stain}` is no stain; there are {names}"))?;
    }
    Ok(state)
}

fn write_broker(model: &ZkController, readable: &ReadableBroker) -> Result<Broker, String> {
    let office = &readable.office;
    let mask = |numbers: &[u8]| -> Result<u8, String> {
        numbers.iter().try_fold(0, |mask, number| Ok(mask | 1 << broker_index(model, *number)?))
    };
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    let mut broker = Broker {
        link: Link::named(&readable.link)
            .ok_or_else(|| format!("`{}` is no link; there are {}", readable.link, Link::NAMES.join(", ")))?,
        phase: Phase::named(&readable.phase).ok_or_else(|| {
            format!("`{}` is no phase; there are {}", readable.phase, Phase::NAMES.join(", "))
        })?,
        flags: flag(readable.unaware, UNAWARE)
            | flag(readable.registered, REGISTERED)
            | flag(readable.brokers_changed, BROKERS_CHANGED),
        epoch: epoch(office.epoch)?,
        reign: epoch(office.reign)?,
        alive: mask(&office.alive)? | mask(&office.unchanged)? << 4,
        fence: epoch(readable.fence)? | epoch(readable.fence_reign)? << 4,
        ..Broker::default()
    };
    for (partition, to) in &office.owed {
        broker.owed |= owed_bit(partition_index(model, *partition)?, broker_index(model, *to)?);
    }
    let partitions = usize::from(model.bounds.partitions);
    if readable.roles.len() != partitions || office.cache.len() != partitions {
        return Err(format!("needs {partitions} roles and as many cached partitions"));
    }
    for index in 0..partitions {
        broker.role[index] = write_partition(model, &readable.roles[index])?;
        broker.cache[index] = write_partition(model, &office.cache[index])?;
    }
    Ok(broker)
}

fn write_partition(model: &ZkController, readable: &ReadablePartition) -> Result<Partition, String> {
    let ReadablePartition { leader, epoch, isr, version } = *readable;
    if leader > model.bounds.brokers || isr >> model.bounds.brokers != 0 {
        return Err(format!("a partition names a broker beyond {}", model.bounds.brokers));
    }
    if epoch > LEADER_EPOCHS_MAX || version > VERSIONS_MAX {
        return Err(format!("leader epochs go to {LEADER_EPOCHS_MAX} and versions to {VERSIONS_MAX}"));
    }
    Ok(Partition::pack(PartitionState { leader, epoch, isr, version }))
}

fn write_node(model: &ZkController, readable: Option<&ReadableNode>) -> Result<Ephemeral, String> {
    let Some(node) = readable else { return Ok(Ephemeral::ABSENT) };
    let tie = Tie::named(&node.session)
        .ok_or_else(|| format!("`{}` is no session; there are {}", node.session, Tie::NAMES.join(", ")))?;
    Ok(Ephemeral::of(broker_index(model, node.broker)?, tie))
}

fn broker_index(model: &ZkController, number: u8) -> Result<u8, String> {
    if number == 0 || number > model.bounds.brokers {
        return Err(format!(
            "there is no broker {number}; they are numbered from 1 to {}",
            model.bounds.brokers
        ));
    }
    Ok(number - 1)
}

fn partition_index(model: &ZkController, partition: u8) -> Result<u8, String> {
    if partition >= model.bounds.partitions {
        return Err(format!("there is no partition {partition}; the first is 0"));
    }
    Ok(partition)
}

fn epoch(value: u8) -> Result<u8, String> {
    if value > EPOCHS_MAX {
        return Err(format!("controller epochs go to {EPOCHS_MAX}, not {value}"));
    }
    Ok(value)
}
