//! What all groups of a coordinator share: configuration, effects, and the writes that are under way.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::message::{Blob, GroupError, GroupResponse};
use super::record::{GroupRecord, OffsetCommitKey};
use super::{Config, Effect};
use crate::{Dice, Instant, Token};

/// What all groups share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Desk {
    pub(super) config: Config,
    dice: Dice,
    pub(super) effects: VecDeque<Effect>,
    /// Under way, in the order in which they are appended.
    pub(super) writes: BTreeMap<u64, Write>,
    /// In the log, and not known to be committed: nobody waits for them any more, but their offsets and deletions may not be taken for
    /// done, nor for undone. They are done when a later write is.
    pub(super) doubtful: BTreeMap<u64, Doubt>,
    next_write: u64,
    /// A moment, and what the clock on the wall showed then, in milliseconds since 1970.
    pub(super) clock: (Instant, i64),
}

/// Records that are under way, and what is to be done when it is known what came of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Write {
    /// The offsets that it changes.
    pub(super) offsets: Vec<OffsetCommitKey>,
    /// The groups that it deletes.
    pub(super) deletes: Vec<String>,
    pub(super) then: Then,
}

/// What a write in doubt changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Doubt {
    pub(super) offsets: Vec<OffsetCommitKey>,
    pub(super) deletes: Vec<String>,
}

/// What is to be done then.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) enum Then {
    /// Nothing.
    #[default]
    Nothing,
    /// Answer.
    Reply { token: Token, response: GroupResponse },
    /// Give out the assignments of a generation.
    Assign { group: String, generation: i32, assignments: BTreeMap<String, Blob> },
    /// A static member's new process has its place.
    Replaced(Replaced),
}

/// A static member's new process, which waits until the log says that it has the old one's place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Replaced {
    pub(super) group: String,
    pub(super) token: Token,
    /// Its member id.
    pub(super) member: String,
    /// Who led before.
    pub(super) old_leader: String,
    pub(super) skips: bool,
}

impl Desk {
    pub(super) fn new(config: Config, dice: Dice, now: Instant) -> Self {
        Self {
            config,
            dice,
            effects: VecDeque::new(),
            writes: BTreeMap::new(),
            doubtful: BTreeMap::new(),
            next_write: 0,
            clock: (now, 0),
        }
    }

    pub(super) fn reply(&mut self, token: Token, response: GroupResponse) {
        self.effects.push_back(Effect::Reply { token, response });
    }

    /// What the clock on the wall shows now.
    pub(super) fn wall(&self, now: Instant) -> i64 {
        let (then, wall) = self.clock;
        let passed = i64::try_from(now.since(then).as_millis()).unwrap_or(i64::MAX);
        wall.saturating_add(passed)
    }

    /// The number of the next write.
    pub(super) fn next_write(&self) -> u64 {
        self.next_write
    }

    pub(super) fn append(&mut self, now: Instant, records: Vec<GroupRecord>, write: Write) -> u64 {
        let number = self.next_write;
        self.next_write += 1;
        let timestamp = self.wall(now);
        self.writes.insert(number, write);
        self.effects.push_back(Effect::Append { write: number, timestamp, records });
        number
    }

    /// Deletes a group once more if of its deletion, which is this write, it is not known whether it is committed, unless that is under way.
    /// Nothing else may ever be written that would tell.
    pub(super) fn delete_again(&mut self, now: Instant, id: &str, write: u64) {
        let deletes = |write: &Write| write.deletes.iter().any(|deleted| deleted == id);
        if self.doubtful.contains_key(&write) && !self.writes.values().any(deletes) {
            let record = GroupRecord::GroupMetadata { group: id.into(), value: None };
            self.append(now, vec![record], Write { deletes: vec![id.into()], ..Write::default() });
        }
    }

    /// A member id as Kafka makes them: what the client calls itself, and a random UUID (version 4).
    pub(super) fn member_id(&mut self, name: &str) -> String {
        let (high, low) = (self.dice.roll(), self.dice.roll());
        let (high, low) = (high & !0xf000 | 0x4000, low & !(0b11 << 62) | 0b10 << 62);
        format!(
            "{name}-{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        )
    }
}

impl GroupResponse {
    /// In the place of this answer, one of the same kind that refuses the request as a whole.
    pub(super) fn refused(self, error: GroupError) -> Self {
        match self {
            Self::Leave(mut response) => {
                response.error = Some(error);
                response.members.clear();
                Self::Leave(response)
            }
            Self::OffsetCommit(mut topics) => {
                for topic in &mut topics {
                    topic.partitions.iter_mut().for_each(|(_, result)| *result = Some(error));
                }
                Self::OffsetCommit(topics)
            }
            Self::Delete(groups) => {
                Self::Delete(groups.into_iter().map(|(group, _)| (group, Some(error))).collect())
            }
            Self::OffsetDelete(mut response) => {
                response.error = Some(error);
                response.topics.clear();
                Self::OffsetDelete(response)
            }
            other => other,
        }
    }
}
