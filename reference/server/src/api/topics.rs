//! The ids of topics by name.
//!
//! Producers and consumers before versions 13 name topics, while the node knows them by id. To ask the node for each request
//! would cost as much as the request, so ids are kept here. They are never wrong: an id belongs to one topic for ever, and a topic that was deleted
//! is not there under its old id. Who is told so has the name [forgotten](Topics::forget), and asks anew.

use std::collections::HashMap;
use std::sync::RwLock;

use highwater_core::partition::PartitionError;
use highwater_wire::{ErrorCode, Str, Uuid};

use crate::runtime::{NodeHandle, Stopped};

/// How many names are kept. Beyond that, all are forgotten.
const NAMES_MAX: usize = 100_000;

/// Ids of topics by name.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    ids: RwLock<HashMap<Str, Uuid>>,
}

impl Topics {
    /// The id of each topic, in the order of names; [`Uuid::ZERO`] of those that there are not.
    pub(crate) async fn ids(&self, node: &NodeHandle, names: &[&Str]) -> Result<Vec<Uuid>, Stopped> {
        let mut found: Vec<Uuid> = {
            let ids = self.ids.read().unwrap_or_else(|poisoned| poisoned.into_inner());
            names.iter().map(|name| ids.get(*name).copied().unwrap_or(Uuid::ZERO)).collect()
        };
        let missing = found.iter().zip(names).filter(|(id, _)| **id == Uuid::ZERO);
        // A name is kept: it must not keep the frame that it came in.
        let missing: Vec<Str> = missing.map(|(_, name)| Str::from(&***name)).collect();
        if missing.is_empty() {
            return Ok(found);
        }
        let asked = node.look(move |node| {
            let id = |name: &Str| node.image().topic_id(name).unwrap_or(Uuid::ZERO);
            missing.into_iter().map(|name| (id(&name), name)).collect::<Vec<_>>()
        });
        let answered = asked.await?;
        let places = found.iter_mut().filter(|id| **id == Uuid::ZERO);
        places.zip(&answered).for_each(|(place, (id, _))| *place = *id);
        let mut ids = self.ids.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        if ids.len() + answered.len() > NAMES_MAX {
            ids.clear();
        }
        ids.extend(answered.into_iter().filter(|(id, _)| *id != Uuid::ZERO).map(|(id, name)| (name, id)));
        Ok(found)
    }

    /// What a client that named a topic is told of the node's error about its id.
    pub(crate) fn error(&self, name: &Str, error: PartitionError) -> ErrorCode {
        match error {
            PartitionError::UnknownTopicId => {
                self.forget(name);
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            }
            error => ErrorCode(error as i16),
        }
    }

    /// No topic of this name has the id any more that it had.
    pub(crate) fn forget(&self, name: &Str) {
        self.ids.write().unwrap_or_else(|poisoned| poisoned.into_inner()).remove(name);
    }
}
