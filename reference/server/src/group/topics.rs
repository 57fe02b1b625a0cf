//! Which topics were deleted since it was last looked.

use std::collections::BTreeMap;

use highwater_core::{Offset, Uuid};
use highwater_log::disk::RealDisk;
use highwater_node::Node;

use crate::runtime::{NodeHandle, Stopped};

/// The topics as they were.
#[derive(Debug, Default)]
pub(super) struct Topics {
    /// Up to where the metadata were applied.
    applied: Option<Offset>,
    ids: BTreeMap<String, Uuid>,
}

impl Topics {
    /// The names that stood for a topic that is there no more, whether another has the name now or not.
    pub(super) async fn deleted(&mut self, node: &NodeHandle) -> Result<Vec<String>, Stopped> {
        let mut topics = std::mem::take(self);
        let looked = node.look(move |node| {
            let deleted = topics.compare(node);
            (topics, deleted)
        });
        let (topics, deleted) = looked.await?;
        *self = topics;
        Ok(deleted)
    }

    fn compare(&mut self, node: &Node<RealDisk>) -> Vec<String> {
        let applied = node.metadata_applied();
        if self.applied == Some(applied) {
            return Vec::new();
        }
        self.applied = Some(applied);
        let now = node.image().topic_names();
        let mut deleted = Vec::new();
        self.ids.retain(|name, id| {
            let stays = now.get(name) == Some(id);
            if !stays {
                deleted.push(name.clone());
            }
            stays
        });
        if self.ids.len() < now.len() {
            for (name, id) in now {
                if !self.ids.contains_key(name) {
                    self.ids.insert(name.clone(), *id);
                }
            }
        }
        deleted
    }
}
