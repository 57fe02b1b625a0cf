//! The controller core: brokers, topics, leaders and ISRs, event-sourced from the metadata log.
//!
//! Every controller holds the [`Image`] of all committed metadata. The one that leads the quorum is **active**: it
//! takes requests of brokers and clients, decides, and puts its decisions into the log as records in Kafka's own
//! schemas ([`MetadataRecord`]). The others stand by with the same image, so that taking over costs nothing but a few
//! records. Brokers apply the same records to images of their own.
//!
//! An active controller applies its records when it decides, not when they are committed, so that the next decision
//! rests on the last. What it answers waits until everything that the answer rests on is committed. If it loses its
//! leadership first, it takes back what is not committed, and refuses who still waits.
//!
//! # Roles
//! | role | on | becomes | and |
//! |---|---|---|---|
//! | standby | [`lead`](Controller::lead) | claiming, or active if everything before the epoch is applied | |
//! | standby, claiming | [`replay`](Controller::replay) | the same; claiming: active as soon as everything before the epoch is applied | applies |
//! | standby, claiming | [`handle`](Controller::handle) | the same | answers NotController |
//! | active | [`handle`](Controller::handle), a timer | active | decides: appends, applies, answers later |
//! | active | [`committed`](Controller::committed) | active | answers |
//! | claiming, active | [`unlead`](Controller::unlead), [`append_refused`](Controller::append_refused) | standby | takes back what is not committed; answers NotController |
//!
//! # Sources
//! KIP-500 and KIP-631 (the quorum controller, brokers and their records), KIP-497 (AlterPartition), KIP-704
//! (recovery), KIP-841 (fenced brokers and the ISR), KIP-858 (directories), KIP-868 (transactions), KIP-903 (broker
//! epochs in AlterPartition), KIP-966 (eligible leader replicas), KIP-339, 460, 584, 730. Clauses isr/isr/2 to 4,
//! isr/elect, isr/elr and isr/broker of `specs/isr.md`.
//!
//! # Invariants
//! - Nothing is decided before everything below the epoch's start is applied (KAFKA-15345).
//! - The image is what the committed records say, with the decisions that are not committed applied: a fresh image to
//!   which all appended records were applied is equal to it.
//! - A decision is atomic: a batch, or a transaction of batches.
//! - No record names a leader that is fenced, in controlled shutdown, or outside of the ISR that the record leads to.
//! - Leader epochs and partition epochs never decrease; a change of leader raises both, any change the latter.
//! - Work is in proportion to what changes: a broker that goes costs a pass over its own partitions.
//!
//! # Where it differs from Kafka 4.3
//! - A broker epoch is the offset of the very record of the registration, not of the first record of its batch.
//! - A decision of more records than a batch may have is a transaction, not several batches.
//! - A partition without a leader gets one, if it can, as soon as a controller takes over or unclean election is
//!   switched on, not at an interval.
//! - A broker that may stop has no session any more: its next process need not wait. After a takeover only brokers
//!   that are not fenced have sessions. A fenced broker is not fenced once more when its session ends.
//! - The session of a broker on the node that led the quorum before counts from when that was heard of last, not from the takeover: the one that is
//!   most likely dead is not given another whole session.
//! - A broker that began to shut down is not unfenced under the same registration.
//! - Who is not registered is told that (BROKER_ID_NOT_REGISTERED), not that its broker epoch is stale.
//! - A replica whose directory is gone gets another when it joins the ISR, without AssignReplicasToDirs.
//! - INELIGIBLE_REPLICA uses up the partition epoch: a record that changes nothing else, committed before the answer. A leader that
//!   is told so takes the committed ISR for the ISR; in Kafka a copy of its request that was overtaken may still be granted, and the
//!   leader commits without a member until it hears of that (isr/isr/7).
//!
//! # Not implemented
//! - Reassignment of replicas (KIP-455): adding and removing replicas of a foreign log are kept, and never completed.
//! - Directories that fail while their broker lives, and cordoned ones (KIP-858, KIP-1066): heartbeats do not carry
//!   them. A replica whose directory is gone gets another when it is back in the ISR, without AssignReplicasToDirs.
//! - Registration of controllers (KIP-919): known in the log, never written. Voters are static.
//! - Access control, quotas, SCRAM, delegation tokens, policies. A feature other than `metadata.version` and
//!   `eligible.leader.replicas.version` cannot be set.
//! - Configuration of single brokers is kept and does not bear on elections. Tiered storage has no configuration.
//! - As in Kafka, a change of min.insync.replicas forgets all eligible leader replicas, even of a partition that has
//!   nobody else.
//! - With a level of `metadata.version` below 13 there are no transactions: a decision of more records than a batch may
//!   have is several batches, of which only the first may be committed. Each such part makes sense, but a topic may
//!   then have fewer partitions than asked for.

mod active;
mod decide;
mod error;
#[cfg(feature = "flaws")]
mod flaws;
mod image;
mod message;
mod record;
mod rules;
mod topic_config;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use active::{Active, Answer, Claim, Decided, Role, Session};
use decide::{Decision, Standing};
#[cfg(feature = "flaws")]
pub use flaws::FLAWS;
pub use image::{
    ApplyError, BrokerRegistration, Change, ConfigKey, ControllerRegistration, Image, PartitionRegistration,
    Topic,
};
pub use message::*;
pub use record::*;
pub use rules::*;
pub use topic_config::{
    ConfigKind, ConfigSynonym, MIN_ISR, TOPIC_CONFIG, TopicConfigKey, UNCLEAN_ELECTION, topic_config_key,
    topic_config_of_broker,
};

use crate::{Dice, Epoch, Extent, Instant, NodeId, Offset, Token};

/// How a controller is set up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Config {
    /// The cluster id: brokers of another are refused.
    pub cluster: String,
    /// How long a broker is not fenced after its last heartbeat (`broker.session.timeout.ms`).
    pub session_timeout: Duration,
    /// How often leaderships go back to preferred replicas by themselves (`leader.imbalance.check.interval.seconds`);
    /// never with `None`.
    pub rebalance_interval: Option<Duration>,
    /// `num.partitions`.
    pub default_partitions: i32,
    /// `default.replication.factor`.
    pub default_replication_factor: i16,
    /// `min.insync.replicas` of this controller's own file.
    pub min_isr: usize,
    /// `unclean.leader.election.enable` of this controller's own file.
    pub unclean_election: bool,
    /// Whether, where ISR and ELR are both empty, the last leader is elected as soon as it is back, even with unclean
    /// election off: Kafka's way (KIP-966, balanced recovery), though it may have lost what was committed. Without it
    /// such a partition waits for somebody to ask for an unclean election.
    pub last_known_leader: bool,
    /// The most records in one [`Effect::Append`]; Kafka's is 10,000. At least 2.
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

/// What an active controller waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// A broker's session ends.
    Session(NodeId),
    /// Leaderships go back to preferred replicas.
    Rebalance,
}

/// One controller.
///
/// - `applied` is the end of what is in the image, decisions included.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Controller {
    config: Config,
    rules: Rules,
    image: Image,
    applied: Offset,
    high_watermark: Offset,
    dice: Dice,
    role: Role,
    /// The leader of the quorum that was followed last, and when it was heard of.
    former: Option<(NodeId, Instant)>,
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
        let (role, effects) = (Role::Standby, VecDeque::new());
        Self { config, rules, image, applied, high_watermark: applied, dice, role, former: None, effects }
    }

    /// A snapshot takes the place of what was applied so far. An active controller has no use for one and passes it
    /// over.
    pub fn restore(&mut self, now: Instant, image: Image, applied: Offset) {
        if !self.is_active() && applied >= self.applied {
            self.image = image;
            self.applied = applied;
            self.claim(now);
        }
    }

    /// Applies a committed batch, which ends at `end`. Batches come in order; those of control records come with no
    /// records. A batch below [`Controller::applied`] is passed over: so an active controller is not told again what it
    /// decided.
    ///
    /// An error means that the log is none that a controller wrote: the node has to stop.
    pub fn replay(
        &mut self,
        now: Instant,
        end: Offset,
        _epoch: Epoch,
        records: &[MetadataRecord],
    ) -> Result<(), ApplyError> {
        if !self.is_active() && end > self.applied {
            for record in records {
                self.image.apply(record)?;
            }
            self.applied = end;
            self.claim(now);
        }
        Ok(())
    }

    /// The leader of the quorum, which this node follows, answered it. Should this controller take over from it, the session of a broker on the
    /// same node counts from here: who has not heard of the node as a leader has not heard of it as a broker either.
    pub fn heard(&mut self, now: Instant, leader: NodeId) {
        self.former = Some((leader, now));
    }

    /// The quorum elected this controller: it decides once everything below `start` is applied.
    pub fn lead(&mut self, now: Instant, epoch: Epoch, start: Offset) {
        self.unlead(now);
        self.role = Role::Claiming(Claim { epoch, start });
        self.claim(now);
    }

    /// This controller does not lead any more. What it decided and does not know to be committed is taken back; the
    /// driver goes on replaying at [`Controller::applied`].
    pub fn unlead(&mut self, _now: Instant) {
        let Role::Active(active) = core::mem::replace(&mut self.role, Role::Standby) else { return };
        self.effects.retain(|effect| matches!(effect, Effect::Reply { .. }));
        for decided in active.decisions.into_iter().rev() {
            self.image.undo(decided.journal);
            self.applied = decided.start;
        }
        for answer in active.answers {
            let response = answer.response.refused(ControllerError::not_controller());
            self.effects.push_back(Effect::Reply { token: answer.token, response });
        }
    }

    /// The quorum's high watermark rose: answers leave.
    pub fn committed(&mut self, _now: Instant, high_watermark: Offset) {
        self.high_watermark = self.high_watermark.max(high_watermark);
        self.answer();
    }

    /// A request came. The answer will carry the token, perhaps much later.
    pub fn handle(&mut self, now: Instant, token: Token, request: ControllerRequest) {
        let response = match &self.role {
            Role::Active(_) => self.serve(now, &request),
            Role::Standby | Role::Claiming(_) => request.refused(ControllerError::not_controller()),
        };
        match &mut self.role {
            Role::Active(active) => {
                active.answers.push_back(Answer { after: active.next, token, response });
                self.answer();
            }
            Role::Standby | Role::Claiming(_) => self.effects.push_back(Effect::Reply { token, response }),
        }
    }

    /// The records of the [`Effect::Append`] just taken stand at `extent`, directly behind the last.
    pub fn appended(&mut self, extent: Extent) {
        if let Role::Active(active) = &mut self.role {
            assert_eq!(extent.base, active.appended, "nobody but the active controller appends metadata");
            active.appended = extent.end;
        }
    }

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
        let Role::Active(active) = &self.role else { return None };
        active.sessions.values().map(|session| session.ends).chain(active.rebalance_at).min()
    }

    /// Lets run out what is due.
    pub fn elapse(&mut self, now: Instant) {
        let Role::Active(active) = &self.role else { return };
        let due = active.sessions.iter().filter(|(_, session)| session.ends <= now);
        let due: Vec<NodeId> = due.map(|(&broker, _)| broker).collect();
        let rebalances = active.rebalance_at.is_some_and(|at| at <= now);
        self.end_sessions(&due);
        if rebalances {
            self.expire(now, Timer::Rebalance);
        }
    }

    /// The timers that run.
    pub fn timers(&self) -> impl Iterator<Item = Timer> + '_ {
        let active = match &self.role {
            Role::Active(active) => Some(active),
            Role::Standby | Role::Claiming(_) => None,
        };
        let sessions = active.into_iter().flat_map(|active| active.sessions.keys());
        let rebalance = active.and_then(|active| active.rebalance_at).map(|_| Timer::Rebalance);
        sessions.map(|&broker| Timer::Session(broker)).chain(rebalance)
    }

    /// Lets a running timer run out, whatever the time.
    pub fn expire(&mut self, now: Instant, timer: Timer) {
        match timer {
            Timer::Session(broker) => self.end_sessions(&[broker]),
            Timer::Rebalance => {
                let Role::Active(active) = &mut self.role else { return };
                let Some(interval) = self.config.rebalance_interval else { return };
                active.rebalance_at = Some(now + interval);
                self.decide(|decision| decision.rebalance());
            }
        }
    }

    /// What is applied; of an active controller with its own decisions, committed or not.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The end of what is applied: the driver replays from here on.
    pub fn applied(&self) -> Offset {
        self.applied
    }

    /// Whether this controller decides now.
    pub fn is_active(&self) -> bool {
        matches!(self.role, Role::Active(_))
    }

    /// Becomes active if it may.
    fn claim(&mut self, now: Instant) {
        let Role::Claiming(claim) = self.role else { return };
        if self.applied < claim.start && self.rules.activation() == Activation::CaughtUp {
            return;
        }
        let mut active = Active::new(claim, self.config.rebalance_interval.map(|interval| now + interval));
        // The record that begins the epoch may go with the leadership, like a decision.
        let start = self.applied.min(claim.start);
        active.decisions.push_back(Decided { start, end: active.next, journal: Vec::new() });
        self.applied = active.next;
        for (&id, broker) in self.image.brokers().iter().filter(|(_, broker)| !broker.fenced) {
            let mut session = self.session(now, broker.epoch, 0);
            if let Some((_, heard)) = self.former.filter(|(former, _)| *former == id) {
                // A broker that lives has time to find the new controller.
                let soonest = now + self.config.session_timeout / 4;
                session.ends = session.ends.min(soonest.max(heard + self.config.session_timeout));
            }
            active.sessions.insert(id, session);
        }
        self.role = Role::Active(active);
        self.decide(|decision| decision.take_over());
    }

    fn session(&self, now: Instant, broker_epoch: i64, applied: Offset) -> Session {
        // Whatever a former controller decided about this broker stands before this.
        Session { broker_epoch, ends: now + self.config.session_timeout, applied, moved_by: self.applied }
    }

    /// Decides, applies, and appends; only of an active controller.
    fn decide<T>(&mut self, decide: impl FnOnce(&mut Decision<'_>) -> T) -> Option<T> {
        let Role::Active(active) = &mut self.role else { return None };
        let mut decision = Decision {
            config: &self.config,
            rules: self.rules,
            image: &mut self.image,
            dice: &mut self.dice,
            next: active.next,
            records: Vec::new(),
            journal: Vec::new(),
        };
        let answer = decide(&mut decision);
        let Decision { records, journal, .. } = decision;
        if !records.is_empty() {
            let start = active.next;
            let metadata_version = self.image.metadata_version().unwrap_or(MetadataVersion::DEFAULT);
            for records in batches(records, self.config.records_per_batch_max, metadata_version) {
                active.next += records.len() as Offset;
                self.effects.push_back(Effect::Append { epoch: active.epoch, records, metadata_version });
            }
            active.decisions.push_back(Decided { start, end: active.next, journal });
            self.applied = active.next;
        }
        Some(answer)
    }

    /// As [`Controller::decide`], and takes it all back where only the answer is wanted.
    fn decide_unless<T>(
        &mut self,
        only_asks: bool,
        decide: impl FnOnce(&mut Decision<'_>) -> T,
    ) -> Option<T> {
        self.decide(|decision| {
            let answer = decide(decision);
            if only_asks {
                decision.take_back();
            }
            answer
        })
    }

    fn serve(&mut self, now: Instant, request: &ControllerRequest) -> ControllerResponse {
        let response = match request {
            ControllerRequest::RegisterBroker(request) => {
                self.register(now, request).map(ControllerResponse::RegisterBroker)
            }
            ControllerRequest::Heartbeat(request) => {
                self.heartbeat(now, *request).map(ControllerResponse::Heartbeat)
            }
            ControllerRequest::UnregisterBroker(broker) => {
                let result = self.decide(|decision| decision.unregister(*broker));
                self.forget_session(*broker, result.as_ref().is_some_and(Result::is_ok));
                result.map(ControllerResponse::UnregisterBroker)
            }
            ControllerRequest::AlterPartitions(wishes) => self
                .decide(|decision| decision.alter_partitions(wishes))
                .map(|results| ControllerResponse::AlterPartitions(Ok(results))),
            ControllerRequest::CreateTopics { topics, validate_only } => self
                .decide_unless(*validate_only, |decision| decision.create_topics(topics))
                .map(ControllerResponse::CreateTopics),
            ControllerRequest::DeleteTopics(topics) => self
                .decide(|decision| decision.delete_topics(topics))
                .map(|results| ControllerResponse::DeleteTopics(Ok(results))),
            ControllerRequest::CreatePartitions { topics, validate_only } => self
                .decide_unless(*validate_only, |decision| decision.create_partitions(topics))
                .map(|results| ControllerResponse::CreatePartitions(Ok(results))),
            ControllerRequest::ElectLeaders { kind, partitions } => self
                .decide(|decision| decision.elect_leaders(*kind, partitions.as_deref()))
                .map(|results| ControllerResponse::ElectLeaders(Ok(results))),
            ControllerRequest::AlterConfigs { changes, validate_only } => self
                .decide_unless(*validate_only, |decision| decision.alter_configs(changes))
                .map(|results| ControllerResponse::AlterConfigs(Ok(results))),
            ControllerRequest::AllocateProducerIds { broker, broker_epoch } => self
                .decide(|decision| decision.allocate_producer_ids(*broker, *broker_epoch))
                .map(ControllerResponse::AllocateProducerIds),
            ControllerRequest::UpdateFeatures { updates, validate_only } => self
                .decide_unless(*validate_only, |decision| decision.update_features(updates))
                .map(ControllerResponse::UpdateFeatures),
        };
        response.unwrap_or_else(|| request.refused(ControllerError::not_controller()))
    }

    fn register(&mut self, now: Instant, request: &RegisterBroker) -> Option<Result<i64, ControllerError>> {
        let Role::Active(active) = &self.role else { return None };
        let is_alive = active.sessions.get(&request.id).is_some_and(|session| session.ends > now);
        let result = self.decide(|decision| decision.register(request, is_alive))?;
        if let Ok(epoch) = result {
            let session = self.session(now, epoch, 0);
            let Role::Active(active) = &mut self.role else { return None };
            active.sessions.insert(request.id, session);
        }
        Some(result)
    }

    fn heartbeat(
        &mut self,
        now: Instant,
        request: Heartbeat,
    ) -> Option<Result<BrokerStanding, ControllerError>> {
        let Role::Active(active) = &self.role else { return None };
        let is_active = |id: &NodeId| self.image.broker(*id).is_some_and(|broker| broker.is_active());
        let others = active.sessions.iter().filter(|(id, _)| is_active(id));
        let lowest_applied = others.map(|(_, session)| session.applied).min().unwrap_or(Offset::MAX);
        let moved_by = active.sessions.get(&request.id).map_or(self.applied, |session| session.moved_by);
        let was_shutting_down = self.is_shutting_down(request.id);
        let standing = Standing { lowest_applied, moved_by };
        let result = self.decide(|decision| decision.heartbeat(request, standing))?;
        if let Ok(stands) = result {
            let mut session = self.session(now, request.broker_epoch, request.metadata_offset);
            if was_shutting_down {
                session.moved_by = moved_by;
            }
            let Role::Active(active) = &mut self.role else { return None };
            if stands.should_shut_down {
                active.sessions.remove(&request.id);
            } else {
                active.sessions.insert(request.id, session);
            }
        }
        Some(result)
    }

    fn is_shutting_down(&self, broker: NodeId) -> bool {
        self.image.broker(broker).is_some_and(|broker| broker.in_controlled_shutdown)
    }

    fn forget_session(&mut self, broker: NodeId, is_gone: bool) {
        if let (Role::Active(active), true) = (&mut self.role, is_gone) {
            active.sessions.remove(&broker);
        }
    }

    /// Brokers that were not heard of are fenced, one after the other, each by the state that the former left
    /// (KAFKA-13173).
    fn end_sessions(&mut self, brokers: &[NodeId]) {
        let Role::Active(active) = &mut self.role else { return };
        let ended = brokers.iter().filter_map(|id| active.sessions.remove(id).map(|session| (*id, session)));
        let ended: Vec<(NodeId, Session)> = ended.collect();
        let is_due = |(id, session): &(NodeId, Session)| {
            self.image
                .broker(*id)
                .is_some_and(|broker| broker.epoch == session.broker_epoch && !broker.fenced)
        };
        let due: Vec<NodeId> = ended.into_iter().filter(is_due).map(|(id, _)| id).collect();
        match self.rules.expirations() {
            Expirations::InSequence => due.into_iter().for_each(|id| {
                self.decide(|decision| decision.fence(id));
            }),
            Expirations::FromOneBase => {
                self.decide(|decision| decision.fence_from_one_base(&due));
            }
        }
    }

    fn answer(&mut self) {
        let Role::Active(active) = &mut self.role else { return };
        active.commit(self.high_watermark);
        while let Some(Answer { token, response, .. }) = active.ready(self.high_watermark) {
            self.effects.push_back(Effect::Reply { token, response });
        }
    }
}

/// The batches of a decision: one, or several in a transaction (KIP-868).
fn batches(records: Vec<MetadataRecord>, max: usize, version: MetadataVersion) -> Vec<Vec<MetadataRecord>> {
    let max = max.max(2);
    let mut all = records;
    if all.len() > max && version.has_transactions() {
        all.insert(0, BeginTransactionRecord { name: None }.into());
        all.push(EndTransactionRecord {}.into());
    }
    let mut batches = Vec::with_capacity(all.len() / max + 1);
    while all.len() > max {
        let rest = all.split_off(max);
        batches.push(core::mem::replace(&mut all, rest));
    }
    batches.push(all);
    batches
}
