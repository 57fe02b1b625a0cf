//! Topics: creation, deletion, more partitions.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::placement::Placement;
use super::{Decision, PARTITIONS_PER_REQUEST_MAX, listed};
use crate::controller::image::PartitionRegistration;
use crate::controller::message::{ControllerError, MorePartitions, NewTopic, TopicReference};
use crate::controller::record::{RemoveTopicRecord, TopicRecord};
use crate::controller::rules::FirstIsr;
use crate::partition::{LeaderRecovery, PartitionState};
use crate::{NodeId, Uuid};

/// The longest topic name, so that it fits a file name together with a partition's index.
const NAME_MAX: usize = 249;

fn error(code: i16, message: impl Into<String>) -> ControllerError {
    ControllerError::new(code, message)
}

/// What is wrong with a topic's name, if anything.
fn check_name(name: &str) -> Result<(), ControllerError> {
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&letter);
    let message = match name {
        "" => "a topic's name is not empty".into(),
        "." | ".." => format!("no topic is called {name}"),
        _ if name.len() > NAME_MAX => {
            format!("a topic's name has at most {NAME_MAX} letters, this one {}", name.len())
        }
        _ if !name.chars().all(is_allowed) => {
            format!("a topic's name consists of ASCII letters, digits, '.', '_' and '-', not {name:?}")
        }
        _ => return Ok(()),
    };
    Err(error(ControllerError::INVALID_TOPIC, message))
}

impl Decision<'_> {
    /// Creates topics, each all or none. Too many partitions at once are refused as a whole.
    pub(in crate::controller) fn create_topics(
        &mut self,
        topics: &[NewTopic],
    ) -> Result<Vec<Result<Uuid, ControllerError>>, ControllerError> {
        let partitions = |topic: &NewTopic| match topic.assignments.len() {
            0 if topic.partitions == -1 => usize::try_from(self.config.default_partitions).unwrap_or(0),
            0 => usize::try_from(topic.partitions).unwrap_or(0),
            count => count,
        };
        let count = topics.iter().map(partitions).fold(0, usize::saturating_add);
        if count > PARTITIONS_PER_REQUEST_MAX {
            let message =
                format!("{count} partitions in one request, at most {PARTITIONS_PER_REQUEST_MAX} may be");
            return Err(error(ControllerError::POLICY_VIOLATION, message));
        }
        let mut names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
        names.sort_unstable();
        let twice: BTreeSet<&str> =
            names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        let created = topics.iter().map(|topic| {
            if twice.contains(topic.name.as_str()) {
                let message = format!("topic {} stands in the request twice", topic.name);
                return Err(error(ControllerError::INVALID_REQUEST, message));
            }
            self.create_topic(topic)
        });
        Ok(created.collect())
    }

    fn create_topic(&mut self, topic: &NewTopic) -> Result<Uuid, ControllerError> {
        check_name(&topic.name)?;
        self.check_free(&topic.name)?;
        let configs = self.check_creation_configs(&topic.name, &topic.configs)?;
        let assignments = self.first_assignments(topic)?;
        let id = self.new_topic_id();
        self.record(TopicRecord { name: topic.name.clone(), topic: id });
        configs.into_iter().for_each(|record| self.record(record));
        self.record_partitions(id, 0, assignments);
        Ok(id)
    }

    /// No topic has this name, nor one that differs only in dots and underscores, which are the same to metrics.
    fn check_free(&self, name: &str) -> Result<(), ControllerError> {
        let names = self.image.topic_names();
        if names.contains_key(name) {
            return Err(error(
                ControllerError::TOPIC_ALREADY_EXISTS,
                format!("Topic '{name}' already exists."),
            ));
        }
        let Some(at) = name.find(['.', '_']) else { return Ok(()) };
        let prefix = &name[..at];
        let collides =
            |other: &str| other.len() == name.len() && other.replace('.', "_") == name.replace('.', "_");
        let similar =
            names.range::<str, _>((core::ops::Bound::Included(prefix), core::ops::Bound::Unbounded));
        let mut similar =
            similar.map(|(other, _)| other.as_str()).take_while(|other| other.starts_with(prefix));
        match similar.find(|other| collides(other)) {
            Some(other) => {
                let message = format!("topic {name} collides with {other}: '.' and '_' count as the same");
                Err(error(ControllerError::INVALID_TOPIC, message))
            }
            None => Ok(()),
        }
    }

    fn first_assignments(&mut self, topic: &NewTopic) -> Result<Vec<Vec<NodeId>>, ControllerError> {
        if !topic.assignments.is_empty() {
            if topic.partitions != -1 || topic.replication_factor != -1 {
                let message =
                    "with replicas given by partition, the numbers of partitions and replicas are -1";
                return Err(error(ControllerError::INVALID_REQUEST, message));
            }
            let factor = topic.assignments[0].len();
            self.check_assignments(&topic.assignments, factor)?;
            return Ok(topic.assignments.clone());
        }
        let or_default = |number: i32, default: i32| if number == -1 { default } else { number };
        let factor =
            or_default(topic.replication_factor.into(), self.config.default_replication_factor.into());
        let factor = usize::try_from(factor).ok().filter(|&factor| factor > 0).ok_or_else(|| {
            let message = format!("the replication factor is {factor}; it is above 0, or -1 for the default");
            error(ControllerError::INVALID_REPLICATION_FACTOR, message)
        })?;
        let count = or_default(topic.partitions, self.config.default_partitions);
        if count <= 0 {
            let message =
                format!("the number of partitions is {count}; it is above 0, or -1 for the default");
            return Err(error(ControllerError::INVALID_PARTITIONS, message));
        }
        self.place(count as usize, factor)
    }

    fn place(&mut self, count: usize, factor: usize) -> Result<Vec<Vec<NodeId>>, ControllerError> {
        let mut placement = Placement::new(self.image.brokers(), self.dice);
        let placed: Result<Vec<_>, String> = (0..count).map(|_| placement.place(factor)).collect();
        placed.map_err(|message| error(ControllerError::INVALID_REPLICATION_FACTOR, message))
    }

    /// Replicas that somebody chose: registered, each once, as many as the others have, and one at least that could
    /// lead.
    fn check_assignments(&self, assignments: &[Vec<NodeId>], factor: usize) -> Result<(), ControllerError> {
        for (index, replicas) in assignments.iter().enumerate() {
            let unknown = replicas.iter().find(|&&id| self.image.broker(id).is_none());
            let twice = (1..replicas.len()).find(|&at| replicas[..at].contains(&replicas[at]));
            let message = if replicas.is_empty() {
                format!("assignment {index} names no replica")
            } else if let Some(id) = unknown {
                format!("assignment {index} names broker {}, which is not registered", id.0)
            } else if let Some(at) = twice {
                format!("assignment {index} names broker {} twice", replicas[at].0)
            } else if replicas.len() != factor {
                format!("assignment {index} names {} replicas, others {factor}", replicas.len())
            } else if !replicas.iter().any(|&id| self.is_active(id)) {
                format!(
                    "assignment {index} names brokers {}, which are all fenced or shutting down",
                    listed(replicas)
                )
            } else {
                continue;
            };
            return Err(error(ControllerError::INVALID_REPLICA_ASSIGNMENT, message));
        }
        Ok(())
    }

    fn is_active(&self, id: NodeId) -> bool {
        self.image.broker(id).is_some_and(|broker| broker.is_active())
    }

    /// The first ISR consists of the replicas that are there (KAFKA-13083), the first of which leads.
    fn record_partitions(&mut self, topic: Uuid, first: i32, assignments: Vec<Vec<NodeId>>) {
        for (index, replicas) in (first..).zip(assignments) {
            let is_in = |id: &NodeId| self.rules.first_isr() == FirstIsr::All || self.is_active(*id);
            let isr: Vec<NodeId> = replicas.iter().copied().filter(is_in).collect();
            let has_directories = self.version().has_directories();
            let directory = |&id: &NodeId| self.default_directory(id);
            let partition = PartitionRegistration {
                directories: if has_directories {
                    replicas.iter().map(directory).collect()
                } else {
                    Vec::new()
                },
                state: PartitionState {
                    leader: isr.first().copied(),
                    replicas,
                    isr,
                    elr: Vec::new(),
                    last_known_elr: Vec::new(),
                    leader_epoch: 0,
                    partition_epoch: 0,
                    recovery: LeaderRecovery::Recovered,
                },
                adding: Vec::new(),
                removing: Vec::new(),
            };
            self.record(partition.record(topic, index));
        }
    }

    /// Deletes topics with all that belongs to them.
    pub(in crate::controller) fn delete_topics(
        &mut self,
        topics: &[TopicReference],
    ) -> Vec<Result<(), ControllerError>> {
        let delete = |topic: &TopicReference| {
            let topic = match topic {
                TopicReference::Name(name) => {
                    self.image.topic_id(name).ok_or_else(|| ControllerError::unknown_topic(name))?
                }
                TopicReference::Id(id) => *id,
            };
            if self.image.topic(topic).is_none() {
                let message = format!("no topic has the id {:032x}", topic.0);
                return Err(error(ControllerError::UNKNOWN_TOPIC_ID, message));
            }
            self.record(RemoveTopicRecord { topic });
            Ok(())
        };
        topics.iter().map(delete).collect()
    }

    /// Adds partitions to topics, each all or none.
    pub(in crate::controller) fn create_partitions(
        &mut self,
        topics: &[MorePartitions],
    ) -> Vec<Result<(), ControllerError>> {
        let mut left = PARTITIONS_PER_REQUEST_MAX;
        topics.iter().map(|topic| self.add_partitions(topic, &mut left)).collect()
    }

    fn add_partitions(&mut self, more: &MorePartitions, left: &mut usize) -> Result<(), ControllerError> {
        let id = self.image.topic_id(&more.name).ok_or_else(|| ControllerError::unknown_topic(&more.name))?;
        let partitions = self.image.topic(id).map(|topic| &topic.partitions);
        let count = partitions.map_or(0, |partitions| partitions.len());
        let wanted = usize::try_from(more.count).unwrap_or(0);
        if wanted <= count {
            let message =
                format!("topic {} has {count} partitions, {} would not be more", more.name, more.count);
            return Err(error(ControllerError::INVALID_PARTITIONS, message));
        }
        let additional = wanted - count;
        if additional > *left {
            let message = format!("more than {PARTITIONS_PER_REQUEST_MAX} new partitions in one request");
            return Err(error(ControllerError::POLICY_VIOLATION, message));
        }
        let first = partitions.and_then(|partitions| partitions.values().next());
        let factor = first.map_or(1, |partition| partition.state.replicas.len());
        let assignments = if more.assignments.is_empty() {
            self.place(additional, factor)?
        } else if more.assignments.len() != additional {
            let message = format!(
                "{additional} partitions are to be added, but replicas are given for {}",
                more.assignments.len()
            );
            return Err(error(ControllerError::INVALID_REPLICA_ASSIGNMENT, message));
        } else {
            self.check_assignments(&more.assignments, factor)?;
            more.assignments.clone()
        };
        *left -= additional;
        self.record_partitions(id, count as i32, assignments);
        Ok(())
    }
}
