//! Coordinators of groups: one group core for each partition of `__consumer_offsets` that this broker leads.
//!
//! The core decides ([`highwater_core::group`]); what is here carries it: requests to it, its records into the log of its partition, its answers
//! back, time. Each coordinator is a task. It follows the leadership of its partition: when this broker becomes leader, it loads the log, and
//! then serves; when it is leader no more, it forgets everything. A task, once started, lives as long as the node.
//!
//! # What a coordinator does
//! | when | it |
//! |---|---|
//! | this broker leads the partition in a new epoch | reads the log in pieces from its start to the end that it had then, waiting for the high watermark |
//! | a request comes | hands it to the core, which answers at once or later |
//! | the core wants records appended | hands them to the node as one batch with acks=all, in the order of the core, and says what came of each |
//! | the log takes nothing, since this broker leads no more | tells the core so; loads again if the leadership is found unchanged |
//! | the broker leads no more, or in another epoch | tells the core so, and drops what is under way |
//! | a topic is deleted | has its offsets deleted |
//!
//! # Invariants
//! - Requests of one connection to one group reach the core in the order in which they came.
//! - Records of a term are appended in that term or not at all: the node compares epochs when it appends
//!   ([`NodeHandle::submit_as_leader`]).
//! - A core leads only when it has loaded everything that was in the log when its term began, and all of it is committed.
//! - Queues are bounded: who asks waits while a coordinator is busy.
//!
//! # Where it differs from Kafka
//! - Kafka loads up to the end of the log, committed or not. Here clients are told that the coordinator loads until the high watermark is there: a
//!   leader that can commit nothing, since its ISR is too small, can serve no commits either.
//! - A new epoch of the same leader loads the log anew. Kafka keeps what it has.
//! - Deleted topics are looked for twice a second ([`TOPICS_INTERVAL`]), not with each change of the metadata. One that was created since, had offsets
//!   committed and was deleted again is not noticed: its offsets stay until their retention ends.
//!
//! # Not implemented
//! - Writing compressed records (`offsets.topic.compression.codec`). They are read.
//! - Several commits in one batch (`group.coordinator.append.linger.ms`).

mod coordinator;
mod load;
mod topics;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use highwater_core::group::{Config, GroupError, GroupRequest, GroupResponse, partition_of};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::config::ServerConfig;
use crate::runtime::{Leads, NodeHandle, Stopped};
use coordinator::{Coordinator, Job};
use topics::Topics;

/// How many requests may wait for a coordinator.
const QUEUE: usize = 256;

/// How often it is looked whether topics were deleted.
const TOPICS_INTERVAL: Duration = Duration::from_millis(500);

/// The way to the coordinators of this broker.
#[derive(Debug)]
pub(crate) struct Coordinators {
    leads: watch::Receiver<Leads>,
    routes: Arc<Routes>,
}

/// The coordinators by partition.
type Routes = RwLock<BTreeMap<i32, mpsc::Sender<Job>>>;

/// An answer that is there, or on its way.
#[derive(Debug)]
pub(crate) enum Reply {
    /// It is there.
    Known(GroupResponse),
    /// It is on its way.
    Awaited(oneshot::Receiver<GroupResponse>),
}

impl Reply {
    /// Waits for it.
    pub(crate) async fn get(self) -> Result<GroupResponse, Stopped> {
        match self {
            Self::Known(response) => Ok(response),
            Self::Awaited(response) => response.await.map_err(|_| Stopped),
        }
    }
}

impl Coordinators {
    /// Starts them, on the runtime that this is called on.
    pub(crate) fn start(node: &NodeHandle, config: &ServerConfig) -> Self {
        let (leads, routes) = (node.leads(), Arc::new(Routes::default()));
        let keeper = Keeper {
            node: node.clone(),
            leads: leads.clone(),
            routes: routes.clone(),
            core: core_config(config),
            commit_timeout: config.groups.commit_timeout,
            origin: Instant::now(),
        };
        tokio::spawn(keeper.run());
        Self { leads, routes }
    }

    /// The partition of a group; none if nothing is known of `__consumer_offsets`.
    pub(crate) fn partition(&self, group: &str) -> Option<i32> {
        let partitions = self.leads.borrow().partitions;
        (partitions > 0).then(|| partition_of(group, partitions))
    }

    /// The partitions that are led here.
    pub(crate) fn led(&self) -> Vec<i32> {
        self.leads.borrow().epochs.keys().copied().collect()
    }

    /// Hands a request to the coordinator of a partition, and waits as long as its queue is full.
    pub(crate) async fn submit(&self, partition: Option<i32>, request: GroupRequest) -> Reply {
        let route = partition.and_then(|partition| {
            let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
            routes.get(&partition).cloned()
        });
        let Some(route) = route else { return Reply::Known(request.refused(GroupError::NotCoordinator)) };
        let (reply, answer) = oneshot::channel();
        // If the task has ended, so has the node.
        let _ = route.send(Job::Ask { request, reply }).await;
        Reply::Awaited(answer)
    }
}

/// Starts coordinators where this broker leads, and looks for deleted topics.
struct Keeper {
    node: NodeHandle,
    leads: watch::Receiver<Leads>,
    routes: Arc<Routes>,
    core: Config,
    commit_timeout: Duration,
    origin: Instant,
}

impl Keeper {
    /// Until the node stops.
    async fn run(mut self) {
        let mut ticks = interval(TOPICS_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut topics = Topics::default();
        loop {
            tokio::select! {
                changed = self.leads.changed() => if changed.is_err() {
                    return;
                },
                _ = ticks.tick() => {}
            }
            if self.leads.borrow_and_update().epochs.is_empty() {
                continue;
            }
            // What is deleted from here on is missed, once somebody can have committed an offset for it.
            match topics.deleted(&self.node).await {
                Ok(deleted) => self.forget(deleted.into()).await,
                Err(Stopped) => return,
            }
            self.start_new();
        }
    }

    fn start_new(&self) {
        let led: Vec<i32> = self.leads.borrow().epochs.keys().copied().collect();
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        for partition in led {
            routes.entry(partition).or_insert_with(|| {
                let (sender, jobs) = mpsc::channel(QUEUE);
                let (node, leads) = (self.node.clone(), self.leads.clone());
                let core = self.core.clone();
                let coordinator =
                    Coordinator::new(partition, node, leads, jobs, core, self.commit_timeout, self.origin);
                tokio::spawn(coordinator.run());
                sender
            });
        }
    }

    /// Has the offsets of deleted topics deleted.
    async fn forget(&self, deleted: Arc<[String]>) {
        if deleted.is_empty() {
            return;
        }
        let routes: Vec<_> = {
            let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
            routes.values().cloned().collect()
        };
        for route in routes {
            // If the task has ended, so has the node.
            let _ = route.send(Job::Forget(deleted.clone())).await;
        }
    }
}

/// The configuration of a core.
fn core_config(config: &ServerConfig) -> Config {
    let groups = &config.groups;
    Config {
        initial_rebalance_delay: groups.initial_rebalance_delay,
        session_timeout_min: groups.session_timeout_min,
        session_timeout_max: groups.session_timeout_max,
        group_max_size: groups.size_max,
        offset_metadata_max: groups.metadata_bytes_max,
        offsets_retention: groups.offsets_retention,
        offsets_retention_check_interval: groups.offsets_retention_check_interval,
        ..Config::default()
    }
}
