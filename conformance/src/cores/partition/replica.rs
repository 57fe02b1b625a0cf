//! A replica: a partition core with its log and what its broker keeps on disk, and the driver that carries out what the core wants.

use std::time::Duration;

use highwater_core::partition::{
    Acks, AlterPartitionResult, Config, Effect, Partition, PartitionError, PartitionFetch, PartitionFetched,
    PartitionState, Reader, Role, Rules, Timer,
};
use highwater_core::{Epoch, EpochCache, EpochStart, Extent, Instant, LogView, NO_EPOCH, NodeId, Offset};
use highwater_model::isr::state::{RECORDS_MAX, epoch_of, record, value_of};

use super::controller::{Register, Standing};
use super::message::{Body, CONTROLLER, Message};

/// Time stands still: what runs out does so when the search says so.
pub(crate) const NOW: Instant = Instant(0);

/// The records from offset 0, as the model packs them; 0 past the end.
pub(crate) type Log = [u8; RECORDS_MAX];

/// A replica.
///
/// - `core` is there while its broker runs; then `checkpoint` is 0 and `clean` is not set.
/// - `core.log()` has the shape of `log`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Replica {
    pub(crate) index: u8,
    /// The epoch under which its broker registered.
    pub(crate) broker_epoch: u8,
    pub(crate) core: Option<Partition>,
    pub(crate) log: Log,
    /// The high watermark that a broker wrote down as it shut down.
    pub(crate) checkpoint: u8,
    /// The marker of a clean shutdown.
    pub(crate) clean: bool,
    /// What a leader was last told of each broker, which its core knows as well; nothing of who does not lead.
    pub(crate) told: Vec<Standing>,
}

/// What can happen to a replica, apart from messages and metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// A producer's record of this value arrives.
    Produce(u8),
    /// A follower asks for records.
    Fetch,
    /// The member of the ISR with this index has been behind for too long.
    Lag(u8),
    /// A proposal of unknown outcome is made again.
    Retry,
    /// Its broker shuts down.
    ShutDown,
    /// Its broker crashes, and its log keeps so many records.
    Crash {
        /// How many.
        kept: u8,
    },
    /// Its broker is back, registered anew.
    Start,
}

/// What every replica of a search has in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group {
    pub(crate) min_isr: u8,
    /// Whether who does not lead is told no more than it looks at.
    pub(crate) thrift: bool,
    pub(crate) rules: Rules,
}

/// What a replica does.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) replica: Replica,
    pub(crate) said: Vec<Message>,
    /// Values whose producers are told that they are safe, a mask.
    pub(crate) promised: u8,
}

impl Event {
    /// A small number of its own, above 0.
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Fetch => 1,
            Self::Retry => 2,
            Self::ShutDown => 3,
            Self::Start => 4,
            Self::Produce(value) => 0x10 + u64::from(value),
            Self::Lag(follower) => 0x20 + u64::from(follower),
            Self::Crash { kept } => 0x30 + u64::from(kept),
        }
    }
}

/// The node id of the replica with this index.
pub(crate) fn id_of(index: u8) -> NodeId {
    NodeId(i32::from(index) + 1)
}

/// The index of the replica with this node id.
pub(crate) fn index_of(id: NodeId) -> u8 {
    u8::try_from(id.0 - 1).expect("ids are those of a few replicas")
}

/// An offset as the model counts it.
pub(crate) fn small(offset: Offset) -> u8 {
    u8::try_from(offset).expect("logs are bounded, and no offset is negative")
}

/// How many records a log holds.
pub(crate) fn len(log: &Log) -> u8 {
    log.iter().take_while(|record| **record != 0).count() as u8
}

/// The values in a log below an offset, a mask.
pub(crate) fn values_below(log: &Log, offset: u8) -> u8 {
    log.iter()
        .take(offset.into())
        .filter(|record| **record != 0)
        .fold(0, |mask, record| mask | 1 << value_of(*record))
}

/// A log without what is at and after `end`.
pub(crate) fn prefix(log: &Log, end: u8) -> Log {
    let mut kept = *log;
    kept[usize::from(end)..].fill(0);
    kept
}

impl Replica {
    /// Whether it runs and leads by its metadata.
    pub(crate) fn leads(&self) -> bool {
        self.role() == Some(Role::Leader)
    }

    /// Its role while it runs.
    pub(crate) fn role(&self) -> Option<Role> {
        self.core.as_ref().map(Partition::role)
    }

    /// How far it is committed as far as it knows.
    pub(crate) fn high_watermark(&self) -> u8 {
        self.core.as_ref().map_or(self.checkpoint, |core| small(core.high_watermark()))
    }

    /// The leader epoch that it knows; [`NO_EPOCH`] for none.
    pub(crate) fn epoch(&self) -> Epoch {
        self.core.as_ref().map_or(NO_EPOCH, Partition::leader_epoch)
    }

    fn append(&mut self, record: u8) {
        let end = usize::from(len(&self.log));
        self.log[end] = record;
    }
}

impl Group {
    /// The replica of a broker that has learned what there is to know.
    pub(crate) fn first(&self, index: u8, register: &Register) -> Replica {
        let blank = Replica {
            index,
            broker_epoch: register.brokers[usize::from(index)].epoch,
            core: None,
            log: Log::default(),
            checkpoint: 0,
            clean: false,
            told: Vec::new(),
        };
        self.learn(&self.start(&blank, blank.broker_epoch), register).replica
    }

    fn start(&self, replica: &Replica, broker_epoch: u8) -> Replica {
        let config = Config {
            me: id_of(replica.index),
            broker_epoch: broker_epoch.into(),
            min_isr: self.min_isr.into(),
            replica_lag_max: Duration::ZERO,
            alter_retry: Duration::ZERO,
            wait_for_joining: false,
        };
        let core = Partition::open(config, self.rules, shape(&replica.log), replica.checkpoint.into(), NOW);
        Replica { broker_epoch, core: Some(core), checkpoint: 0, clean: false, ..replica.clone() }
    }

    /// The replica after `event`.
    pub(crate) fn happen(&self, replica: &Replica, event: Event) -> Outcome {
        let mut after = replica.clone();
        let still = |replica| Outcome { replica, said: Vec::new(), promised: 0 };
        let stopped = Replica { core: None, told: Vec::new(), ..replica.clone() };
        match event {
            Event::ShutDown => {
                return still(Replica { checkpoint: replica.high_watermark(), clean: true, ..stopped });
            }
            Event::Crash { kept } => return still(Replica { log: prefix(&replica.log, kept), ..stopped }),
            Event::Start => return still(self.start(replica, replica.broker_epoch + 1)),
            _ => {}
        }
        let Some(core) = &mut after.core else { return still(after) };
        let (mut asked, mut unpromised) = (None, 0);
        match event {
            Event::Produce(value) => {
                let token = u64::from(value);
                let produced = match core.produce(NOW, token, Acks::All, 1, NOW) {
                    // Another producer is content with less, and is promised nothing.
                    Err(PartitionError::NotEnoughReplicas) => {
                        unpromised = 1 << value;
                        core.produce(NOW, token, Acks::Leader, 1, NOW)
                    }
                    produced => produced,
                };
                let extent = produced.expect("a leader appends");
                after.append(record(small(extent.epoch.into()), value));
            }
            Event::Lag(follower) => core.expire(NOW, Timer::Lag(id_of(follower))),
            Event::Retry => core.expire(NOW, Timer::AlterPartition),
            Event::Fetch => {
                asked = core.position().map(|(leader, fetch)| Message {
                    from: replica.index,
                    to: index_of(leader),
                    body: Body::Fetch { broker_epoch: replica.broker_epoch, fetch },
                });
            }
            Event::ShutDown | Event::Crash { .. } | Event::Start => unreachable!("handled above"),
        }
        let mut outcome = self.carry_out(after, 0);
        outcome.said.extend(asked);
        outcome.promised &= !unpromised;
        outcome
    }

    /// The replica after it learned what the controller has decided.
    pub(crate) fn learn(&self, replica: &Replica, register: &Register) -> Outcome {
        let mut after = replica.clone();
        if let Some(core) = &mut after.core {
            let others = (0..).zip(&register.brokers).filter(|(index, _)| *index != replica.index);
            let brokers: Vec<_> = others
                .map(|(index, broker)| (id_of(index), i64::from(broker.epoch), !broker.fenced))
                .collect();
            core.set_brokers(&brokers);
            if self.thrift && register.partition.leader != Some(id_of(replica.index)) {
                core.assign(NOW, &plain(register));
            } else {
                core.assign(NOW, &register.partition);
            }
            if core.role() == Role::Leader {
                after.told.clone_from(&register.brokers);
            } else {
                // Only leaders look, and they are told again as they begin to lead.
                core.set_brokers(&[]);
                after.told.clear();
            }
        }
        self.carry_out(after, 0)
    }

    /// The replica after `message` arrived, and what it said.
    pub(crate) fn hear(&self, replica: &Replica, message: &Message) -> Outcome {
        let mut after = replica.clone();
        let Some(core) = &mut after.core else {
            unreachable!("what is on its way to a process ends with it")
        };
        let mut arrived = 0;
        let mut answered = None;
        match &message.body {
            Body::Fetch { broker_epoch, fetch } => {
                let reader =
                    Reader::Replica { id: id_of(message.from), broker_epoch: i64::from(*broker_epoch) };
                let answer = core.fetch(NOW, reader, fetch);
                answered = Some((*fetch, answer));
            }
            Body::Fetched { asked, answer, record } => {
                arrived = *record;
                core.fetched(NOW, id_of(message.from), asked, answer);
            }
            Body::Alter(_) => unreachable!("the controller hears that"),
            Body::Altered { asked, result } => core.altered(NOW, asked, Some(result.clone())),
        }
        let mut outcome = self.carry_out(after, arrived);
        if let Some((asked, answer)) = answered {
            let (answer, record) = outcome.replica.fill(answer);
            let body = Body::Fetched { asked, answer, record };
            outcome.said.insert(0, Message { from: replica.index, to: message.from, body });
        }
        outcome
    }

    /// The replica after its proposal, or what came of it, was lost.
    pub(crate) fn miss(&self, replica: &Replica, message: &Message) -> Outcome {
        let mut after = replica.clone();
        let (Body::Alter(asked) | Body::Altered { asked, .. }) = &message.body else {
            unreachable!("of nothing else anybody takes note")
        };
        if let Some(core) = &mut after.core {
            core.altered(NOW, asked, None::<AlterPartitionResult>);
        }
        self.carry_out(after, 0)
    }

    /// Carries out what the core wants, in order. `arrived` is the record that came with what is being handled.
    fn carry_out(&self, mut replica: Replica, arrived: u8) -> Outcome {
        let (mut said, mut promised) = (Vec::new(), 0);
        while let Some(effect) = replica.core.as_mut().and_then(Partition::poll) {
            match effect {
                Effect::Truncate { end } => replica.log = prefix(&replica.log, small(end)),
                Effect::AppendFetched { from, end } => {
                    assert_eq!((from, end), (len(&replica.log).into(), from + 1), "one record came");
                    assert_ne!(arrived, 0, "one record came");
                    replica.append(arrived);
                }
                Effect::AlterPartition(asked) => {
                    said.push(Message { from: replica.index, to: CONTROLLER, body: Body::Alter(asked) });
                }
                Effect::Produced { token, result: Ok(_) } => promised |= 1 << token,
                Effect::Produced { result: Err(_), .. } | Effect::HighWatermark(_) => {}
                Effect::Restart { .. } | Effect::ForgetBefore { .. } => unreachable!("no log begins late"),
                Effect::Wake { .. } => unreachable!("no fetch waits here"),
            }
        }
        if let Some(core) = &mut replica.core {
            // Nothing rests on it: what is acknowledged is in logs, not on disks.
            core.flushed(core.log().end());
            assert_eq!(core.log().end(), i64::from(len(&replica.log)), "the core knows the end of the log");
        }
        Outcome { replica, said, promised }
    }
}

impl Replica {
    /// An answer to a fetch with one record at most, as it leaves.
    fn fill(&self, mut answer: PartitionFetched) -> (PartitionFetched, u8) {
        let Some(first) = answer.records.first().copied() else { return (answer, 0) };
        let found = self.log[usize::from(small(first.base))];
        assert_eq!(i32::from(epoch_of(found)), first.epoch, "the core knows the epochs of the log");
        answer.records = vec![Extent { end: first.base + 1, ..first }];
        (answer, found)
    }

    /// What it would ask now.
    pub(crate) fn position(&self) -> Option<PartitionFetch> {
        self.core.as_ref()?.position().map(|(_, fetch)| fetch)
    }
}

/// Of metadata what a follower looks at: not who else is in sync.
fn plain(register: &Register) -> PartitionState {
    let (isr, elr) = (Vec::new(), Vec::new());
    PartitionState { isr, elr, partition_epoch: register.since, ..register.partition.clone() }
}

/// What a core is told of a log that was found on disk.
fn shape(log: &Log) -> LogView {
    let mut starts: Vec<EpochStart> = Vec::new();
    for (offset, record) in (0..).zip(log.iter().take_while(|record| **record != 0)) {
        let epoch = Epoch::from(epoch_of(*record));
        if starts.last().is_none_or(|last| last.epoch < epoch) {
            starts.push(EpochStart { epoch, start: offset });
        }
    }
    let epochs = EpochCache::from_starts(starts).expect("a log's epochs only grow");
    LogView::recovered(0, len(log).into(), NO_EPOCH, epochs).expect("made of the log itself")
}
