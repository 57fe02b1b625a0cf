//! The controller core: brokers, topics, leaders and ISRs, event-sourced from the metadata log.

mod image;
mod message;
mod record;
mod rules;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

pub use image::{
    ApplyError, BrokerRegistration, Change, ConfigKey, ControllerRegistration, Image, PartitionRegistration,
    Topic,
};
pub use message::*;
pub use record::*;
pub use rules::*;

use crate::{Dice, Epoch, Extent, Instant, NodeId, Offset, Token};

/// How a controller is set up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Config {
    /// The cluster id: brokers of another are refused.
    pub cluster: String,
    /// How long a broker is not fenced after its last heartbeat (`broker.session.timeout.ms`).
    pub session_timeout: Duration,
    /// How often leaderships go back to preferred replicas by themselves (`leader.imbalance.check.interval.seconds`); never with `None`.
    pub rebalance_interval: Option<Duration>,
    /// `num.partitions`.
    pub default_partitions: i32,
    /// `default.replication.factor`.
    pub default_replication_factor: i16,
    /// `min.insync.replicas` of this controller's own file.
    pub min_isr: usize,
    /// `unclean.leader.election.enable` of this controller's own file.
    pub unclean_election: bool,
    /// The most records in one [`Effect::Append`].
    pub records_per_batch_max: usize,
    /// The features of a new cluster, `metadata.version` among them.
    pub bootstrap_features: BTreeMap<String, i16>,
}

/// What the core wants done, in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Append these records as one batch. Directly after, before anything else, the driver says
    /// [`Controller::appended`] or [`Controller::append_refused`].
    Append {
        /// The epoch in which this controller leads the quorum: it must still be the quorum's.
        epoch: Epoch,
        /// The records, each to be encoded at the version that [`MetadataVersion::of`] says.
        records: Vec<MetadataRecord>,
        /// The level of `metadata.version` to encode at.
        metadata_version: MetadataVersion,
    },
    /// Answer a request.
    Reply {
        /// Which.
        token: Token,
        /// What.
        response: ControllerResponse,
    },
}

/// What a controller waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// A broker's session ends.
    Session(NodeId),
    /// Leaderships go back to preferred replicas.
    Rebalance,
}

/// One controller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Controller {
    config: Config,
    rules: Rules,
    image: Image,
    applied: Offset,
    dice: Dice,
    effects: VecDeque<Effect>,
}

impl Controller {
    /// A controller that stands by, with the metadata below `applied`.
    pub fn open(
        config: Config,
        rules: Rules,
        image: Image,
        applied: Offset,
        dice: Dice,
        _now: Instant,
    ) -> Self {
        Self { config, rules, image, applied, dice, effects: VecDeque::new() }
    }

    /// A snapshot takes the place of what was applied so far, while standing by.
    pub fn restore(&mut self, image: Image, applied: Offset) {
        self.image = image;
        self.applied = applied;
    }

    /// Applies a committed batch, which ends at `end`. Batches come in order; those of control records come with no records.
    /// A batch below [`Controller::applied`] is passed over: so an active controller is not told again what it decided.
    ///
    /// An error means that the log is none that a controller wrote: the node has to stop.
    pub fn replay(
        &mut self,
        _now: Instant,
        end: Offset,
        _epoch: Epoch,
        records: &[MetadataRecord],
    ) -> Result<(), ApplyError> {
        if end > self.applied {
            for record in records {
                self.image.apply(record)?;
            }
            self.applied = end;
        }
        Ok(())
    }

    /// The quorum elected this controller: it decides once everything below `start` is applied.
    pub fn lead(&mut self, _now: Instant, _epoch: Epoch, _start: Offset) {}

    /// This controller does not lead any more.
    pub fn unlead(&mut self, _now: Instant) {}

    /// The quorum's high watermark rose: answers leave.
    pub fn committed(&mut self, _now: Instant, _high_watermark: Offset) {}

    /// A request came. The answer will carry the token, perhaps much later.
    pub fn handle(&mut self, _now: Instant, token: Token, request: ControllerRequest) {
        self.effects
            .push_back(Effect::Reply { token, response: request.refused(ControllerError::not_controller()) });
    }

    /// The records of the [`Effect::Append`] just taken stand at `extent`.
    pub fn appended(&mut self, _extent: Extent) {}

    /// The quorum refused the records of the [`Effect::Append`] just taken: this controller does not lead any more.
    pub fn append_refused(&mut self, now: Instant) {
        self.unlead(now);
    }

    /// The oldest effect that was not yet taken.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`Controller::elapse`] has something to do, if ever.
    pub fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Lets run out what is due.
    pub fn elapse(&mut self, _now: Instant) {}

    /// The timers that run.
    pub fn timers(&self) -> impl Iterator<Item = Timer> {
        core::iter::empty()
    }

    /// Lets a running timer run out, whatever the time.
    pub fn expire(&mut self, _now: Instant, _timer: Timer) {}

    /// What is applied; of an active controller with its own decisions, committed or not.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Up to where: the driver replays from here on.
    pub fn applied(&self) -> Offset {
        self.applied
    }

    /// Whether this controller decides now.
    pub fn is_active(&self) -> bool {
        false
    }
}
