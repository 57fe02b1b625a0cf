//! The real controller, one decision at a time.
//!
//! A controller counts broker epochs by offsets of its log and knows sessions by time, so that no two of its states would
//! ever be the same. What it decides by, though, is its image. So a [`Register`] keeps what the image says of this partition and its
//! brokers. For each decision an image is made of it, and a controller that has just been elected takes over with that image, is told
//! one thing, has its records committed at once, and leaves an image of which the next register is read. Broker epochs are
//! counted from 1 in a register; a controller only asks whether two of them are equal.

use std::collections::BTreeMap;

use highwater_core::controller::{
    Config, Controller, ControllerRequest, ControllerResponse, Effect, ElectionKind, FeatureLevelRecord,
    Heartbeat, Image, MetadataRecord, MetadataVersion, NO_LEADER, PartitionRecord, RegisterBroker,
    RegisterBrokerRecord, Rules, Timer, TopicRecord,
};
use highwater_core::partition::{AlterPartition, AlterPartitionResult, LeaderRecovery, PartitionState};
use highwater_core::{Dice, Extent, Offset, Uuid};

use super::replica::{NOW, id_of};

/// The partition's topic.
const TOPIC: Uuid = Uuid(0x7001);
/// KIP-966's feature.
const ELIGIBLE_LEADER_REPLICAS: &str = "eligible.leader.replicas.version";
/// Where a controller's epoch begins: above all broker epochs of a register.
const START: Offset = 1000;

/// What the controllers have decided so far, of one partition and its brokers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Register {
    pub(crate) partition: PartitionState,
    /// By index.
    pub(crate) brokers: Vec<Standing>,
    /// The partition epoch at which its leader epoch began.
    pub(crate) since: i32,
}

/// How a broker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Standing {
    /// Its broker epoch, from 1.
    pub(crate) epoch: u8,
    /// It is fenced.
    pub(crate) fenced: bool,
}

/// What a controller is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request<'a> {
    /// The session of the broker with this index has ended.
    Expire(u8),
    /// A heartbeat.
    Heartbeat(u8),
    /// A broker registers.
    Register {
        /// Its index.
        broker: u8,
        /// Whether it was shut down cleanly.
        clean: bool,
    },
    /// The preferred replica shall lead.
    Prefer,
    /// A leader asks for another ISR.
    Alter(&'a AlterPartition),
}

impl Request<'_> {
    /// A small number of its own, above 0; `None` for what a message says.
    pub(crate) fn number(self) -> Option<u64> {
        Some(match self {
            Self::Prefer => 1,
            Self::Expire(broker) => 0x10 + u64::from(broker),
            Self::Heartbeat(broker) => 0x20 + u64::from(broker),
            Self::Register { broker, clean } => 0x30 + u64::from(clean) * 0x10 + u64::from(broker),
            Self::Alter(_) => return None,
        })
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) register: Register,
    /// To a leader that asked.
    pub(crate) altered: Option<AlterPartitionResult>,
    /// Whether a request that can be refused was not.
    pub(crate) accepted: bool,
}

/// What every controller of a search has in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Office {
    pub(crate) replicas: u8,
    pub(crate) min_isr: u8,
    pub(crate) rules: Rules,
}

impl Office {
    /// As the model begins: the first replica leads, all are in the ISR.
    pub(crate) fn first(&self) -> Register {
        let all: Vec<_> = (0..self.replicas).map(id_of).collect();
        Register {
            partition: PartitionState {
                replicas: all.clone(),
                isr: all,
                elr: Vec::new(),
                last_known_elr: Vec::new(),
                leader: Some(id_of(0)),
                leader_epoch: 0,
                partition_epoch: 0,
                recovery: LeaderRecovery::Recovered,
            },
            brokers: vec![Standing { epoch: 1, fenced: false }; self.replicas.into()],
            since: 0,
        }
    }

    /// What a controller that takes over with this register decides.
    pub(crate) fn decide(&self, register: &Register, request: Request<'_>) -> Decided {
        let image = image(register);
        let mut controller = Controller::open(self.config(), self.rules, image, START, Dice::new(0), NOW);
        controller.lead(NOW, 1, START);
        assert!(controller.poll().is_none(), "what its predecessor left needs nothing: {register:?}");
        let handled = match request {
            Request::Expire(broker) => {
                controller.expire(NOW, Timer::Session(id_of(broker)));
                None
            }
            Request::Heartbeat(broker) => Some(ControllerRequest::Heartbeat(Heartbeat {
                id: id_of(broker),
                broker_epoch: register.brokers[usize::from(broker)].epoch.into(),
                metadata_offset: START,
                want_fence: false,
                want_shut_down: false,
            })),
            Request::Register { broker, clean } => {
                let previous = register.brokers[usize::from(broker)].epoch;
                Some(ControllerRequest::RegisterBroker(registration(broker, previous, clean)))
            }
            Request::Prefer => {
                Some(ControllerRequest::ElectLeaders { kind: ElectionKind::Preferred, partitions: None })
            }
            Request::Alter(asked) => {
                Some(ControllerRequest::AlterPartitions(vec![(TOPIC, 0, asked.clone())]))
            }
        };
        if let Some(handled) = handled {
            controller.handle(NOW, 0, handled);
        }
        let response = commit(&mut controller);
        let register = read(controller.image(), register);
        let (accepted, altered) = match response {
            Some(ControllerResponse::Heartbeat(result)) => (result.is_ok(), None),
            Some(ControllerResponse::RegisterBroker(result)) => (result.is_ok(), None),
            Some(ControllerResponse::AlterPartitions(results)) => {
                let (_, _, result) =
                    results.expect("it is active").pop().expect("what was asked is answered");
                let result = result.map(sorted);
                (result.is_ok(), Some(result))
            }
            Some(_) | None => {
                assert!(matches!(request, Request::Expire(_) | Request::Prefer), "what is asked is answered");
                (true, None)
            }
        };
        Decided { register, altered, accepted }
    }

    fn config(&self) -> Config {
        Config {
            cluster: String::new(),
            session_timeout: std::time::Duration::from_secs(9),
            rebalance_interval: None,
            default_partitions: 1,
            default_replication_factor: self.replicas.into(),
            min_isr: self.min_isr.into(),
            unclean_election: false,
            last_known_leader: false,
            records_per_batch_max: 100,
            bootstrap_features: BTreeMap::new(),
        }
    }
}

/// The image that says what a register says.
fn image(register: &Register) -> Image {
    let mut image = Image::default();
    let mut apply = |record: MetadataRecord| {
        image.apply(&record).expect("a register is what a controller has decided");
    };
    let version = MetadataVersion::HIGHEST.0;
    apply(FeatureLevelRecord { name: MetadataVersion::FEATURE.into(), level: version }.into());
    apply(FeatureLevelRecord { name: ELIGIBLE_LEADER_REPLICAS.into(), level: 1 }.into());
    for (index, broker) in (0..).zip(&register.brokers) {
        let record = RegisterBrokerRecord {
            broker: id_of(index),
            is_migrating: false,
            incarnation: incarnation(index, broker.epoch),
            broker_epoch: broker.epoch.into(),
            endpoints: Vec::new(),
            features: Vec::new(),
            rack: None,
            fenced: broker.fenced,
            in_controlled_shutdown: false,
            directories: vec![directory(index)],
            cordoned_directories: None,
        };
        apply(record.into());
    }
    apply(TopicRecord { name: "topic".into(), topic: TOPIC }.into());
    let state = &register.partition;
    let record = PartitionRecord {
        partition: 0,
        topic: TOPIC,
        replicas: state.replicas.clone(),
        isr: state.isr.clone(),
        removing: Vec::new(),
        adding: Vec::new(),
        leader: state.leader.map_or(NO_LEADER, |leader| leader.0),
        leader_epoch: state.leader_epoch,
        partition_epoch: state.partition_epoch,
        directories: (0..).zip(&state.replicas).map(|(index, _)| directory(index)).collect(),
        recovery: state.recovery as i8,
        elr: Some(state.elr.clone()),
        last_known_elr: Some(state.last_known_elr.clone()),
    };
    apply(record.into());
    image
}

/// What a process says as it registers.
fn registration(broker: u8, previous: u8, clean: bool) -> RegisterBroker {
    let features = [
        (MetadataVersion::FEATURE, (MetadataVersion::LOWEST.0, MetadataVersion::HIGHEST.0)),
        (ELIGIBLE_LEADER_REPLICAS, (0, 1)),
    ];
    RegisterBroker {
        id: id_of(broker),
        cluster: String::new(),
        incarnation: incarnation(broker, previous + 1),
        previous_broker_epoch: if clean { previous.into() } else { -1 },
        listeners: Vec::new(),
        features: features.into_iter().map(|(name, levels)| (name.into(), levels)).collect(),
        rack: None,
        directories: vec![directory(broker)],
    }
}

fn incarnation(broker: u8, epoch: u8) -> Uuid {
    Uuid(0x1_0000 + u128::from(broker) * 0x100 + u128::from(epoch))
}

fn directory(broker: u8) -> Uuid {
    Uuid(0x2_0000 + u128::from(broker))
}

/// Commits what was decided, at once; the answer.
fn commit(controller: &mut Controller) -> Option<ControllerResponse> {
    let mut end = START + 1;
    let mut answer = None;
    // What changes nothing is answered once the start of the epoch is committed.
    controller.committed(NOW, end);
    while let Some(effect) = controller.poll() {
        match effect {
            Effect::Append { epoch, records, .. } => {
                let base = end;
                end += records.len() as Offset;
                controller.appended(Extent { epoch, base, end });
                controller.committed(NOW, end);
            }
            Effect::Reply { response, .. } => answer = Some(response),
        }
    }
    answer
}

/// What an image says, with broker epochs counted on from those of `before`.
fn read(image: &Image, before: &Register) -> Register {
    let partition = sorted(image.partition(TOPIC, 0).expect("nobody deletes it").clone());
    let standing = |(index, before): (u8, &Standing)| {
        let broker = image.broker(id_of(index)).expect("nobody forgets it");
        let same = broker.epoch == i64::from(before.epoch);
        Standing { epoch: before.epoch + u8::from(!same), fenced: broker.fenced }
    };
    let same = partition.leader_epoch == before.partition.leader_epoch;
    let since = if same { before.since } else { partition.partition_epoch };
    Register { partition, brokers: (0..).zip(&before.brokers).map(standing).collect(), since }
}

/// The order of an ISR says nothing.
fn sorted(mut partition: PartitionState) -> PartitionState {
    partition.isr.sort_unstable();
    partition
}
