//! What a crash leaves of a disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use highwater_core::Dice;

use super::{Entry, Inode, Loss, State, parent};

/// What a disk writes at once or not at all.
const SECTOR: usize = 512;

impl State {
    /// The power goes, and comes back.
    pub(super) fn crash(&mut self, loss: Loss) {
        self.failures.clear();
        self.power = u64::MAX;
        self.life += 1;
        self.defers = false;
        if loss == Loss::Nothing {
            self.inodes.values_mut().for_each(|inode| inode.handles = 0);
            return;
        }
        let mut kept: BTreeMap<Arc<str>, u64> = BTreeMap::new();
        for change in &self.changes {
            *kept.entry(change.directory.clone()).or_default() += 1;
        }
        let mut undone = kept.clone();
        for (directory, count) in &mut undone {
            if loss != Loss::Everything {
                *count -= self.dice.below(kept[directory] + 1);
            }
        }
        while let Some(change) = self.changes.pop() {
            let Some(left) = undone.get_mut(&change.directory).filter(|left| **left > 0) else { continue };
            *left -= 1;
            for (name, entry) in change.before.into_iter().rev() {
                match entry {
                    Some(entry) => self.names.insert(name, entry),
                    None => self.names.remove(&name),
                };
            }
        }
        // A directory that never came to be took along what was in it.
        let names = self.names.clone();
        self.names.retain(|name, _| {
            let mut above = parent(name);
            while !above.is_empty() {
                if names.get(above) != Some(&Entry::Directory) {
                    return false;
                }
                above = parent(above);
            }
            true
        });
        let mut inodes = BTreeMap::new();
        for (name, entry) in &self.names {
            if let Entry::File(id) = entry
                && let Some(mut inode) = self.inodes.remove(id)
            {
                inode.path = name.clone();
                inode.crash(loss, &mut self.dice);
                inodes.insert(*id, inode);
            }
        }
        self.used = inodes.values().map(|inode| inode.bytes.len() as u64).sum();
        self.inodes = inodes;
    }
}

impl Inode {
    /// What is left after a crash.
    fn crash(&mut self, loss: Loss, dice: &mut Dice) {
        let new = core::mem::take(&mut self.bytes);
        let old: &[u8] = self.durable.as_ref().map_or(&new[..self.synced.min(new.len())], |old| &old[..]);
        let left = if *old == **new {
            new.to_vec()
        } else {
            match loss {
                Loss::Everything => old.to_vec(),
                Loss::Nothing => new.to_vec(),
                Loss::Tail => tail_lost(old, &new, dice),
                Loss::Sectors => sectors_lost(old, &new, dice),
                Loss::Any => match dice.below(4) {
                    0 => old.to_vec(),
                    1 => new.to_vec(),
                    2 => tail_lost(old, &new, dice),
                    _ => sectors_lost(old, &new, dice),
                },
            }
        };
        self.synced = left.len();
        self.durable = None;
        self.bytes = Arc::new(left);
        self.handles = 0;
    }
}

/// The new bytes up to some byte, the old ones after it. Of a file that only grew: the old ones and some of what was appended.
fn tail_lost(old: &[u8], new: &[u8], dice: &mut Dice) -> Vec<u8> {
    let same = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let longest = old.len().max(new.len());
    let kept = same + dice.below((longest - same) as u64 + 1) as usize;
    let mut left = new[..kept.min(new.len())].to_vec();
    left.extend_from_slice(old.get(left.len()..).unwrap_or_default());
    left
}

/// Each sector old or new, zeros where there is neither, up to a size between the old and the new.
fn sectors_lost(old: &[u8], new: &[u8], dice: &mut Dice) -> Vec<u8> {
    let (shorter, longer) = (old.len().min(new.len()), old.len().max(new.len()));
    let size = shorter + dice.below((longer - shorter) as u64 + 1) as usize;
    let mut left = vec![0; size];
    for (index, sector) in left.chunks_mut(SECTOR).enumerate() {
        let from = if dice.below(2) == 0 { new } else { old };
        let bytes = from.get(index * SECTOR..).unwrap_or_default();
        let count = sector.len().min(bytes.len());
        sector[..count].copy_from_slice(&bytes[..count]);
    }
    left
}
