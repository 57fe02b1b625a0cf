//! A producer state as bytes: Kafka's `.snapshot` files, version 1.
//!
//! | bytes | what |
//! |---|---|
//! | 0 to 1 | the version, 1 |
//! | 2 to 5 | CRC-32C of all that follows |
//! | 6 to 9 | how many producers there are |
//! | 46 each | id (8), epoch (2), last sequence (4), last offset (8; -1 for no batch), offset delta (4), timestamp (8), coordinator epoch (4), first offset of the open transaction (8; -1 for none) |

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

use super::state::{Appended, NO_SEQUENCE, Producer};
use crate::batch::crc32c;
use crate::batch::wire::Reader;

/// The only version there is.
pub const SNAPSHOT_VERSION: i16 = 1;

/// The checksum is of what is behind these bytes.
const CRC_FROM: usize = 6;
/// How many bytes a producer takes.
const PRODUCER_SIZE: usize = 46;

/// The producers of a partition as they are saved: of each the newest batch alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    producers: BTreeMap<i64, Producer>,
}

/// Why bytes are no snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotError {
    /// They end before the first producer.
    Truncated {
        /// How many there are.
        found: usize,
    },
    /// Another version.
    Version {
        /// Which.
        found: i16,
    },
    /// The checksum is not that of the bytes.
    Checksum {
        /// The one that stands there.
        found: u32,
        /// The one of the bytes.
        computed: u32,
    },
    /// The count of producers does not fit the bytes.
    Count {
        /// The count.
        found: i32,
        /// How many bytes of producers there are.
        bytes: usize,
    },
    /// A producer that cannot be, or that stands there twice.
    Producer {
        /// Its place, from 0 on.
        index: usize,
        /// Its id.
        producer_id: i64,
    },
}

impl Snapshot {
    pub(super) fn of(producers: &BTreeMap<i64, Producer>) -> Self {
        let saved = |producer: &Producer| {
            Producer::restored(
                producer.epoch(),
                producer.coordinator_epoch(),
                producer.last_timestamp(),
                producer.transaction_start(),
                // There is room for one timestamp alone, the producer's.
                producer.newest().map(|batch| Appended { timestamp: producer.last_timestamp(), ..*batch }),
            )
        };
        Self { producers: producers.iter().map(|(id, producer)| (*id, saved(producer))).collect() }
    }

    pub(super) fn into_producers(self) -> BTreeMap<i64, Producer> {
        self.producers
    }

    /// The producers, by id.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &Producer)> {
        self.producers.iter().map(|(id, producer)| (*id, producer))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    /// The bytes of the file.
    pub fn encode(&self) -> Vec<u8> {
        let count = self.producers.len();
        let mut bytes = Vec::with_capacity(CRC_FROM + 4 + count * PRODUCER_SIZE);
        bytes.extend_from_slice(&SNAPSHOT_VERSION.to_be_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
        for (id, producer) in &self.producers {
            let newest = producer.newest();
            bytes.extend_from_slice(&id.to_be_bytes());
            bytes.extend_from_slice(&producer.epoch().to_be_bytes());
            bytes.extend_from_slice(&producer.last_sequence().to_be_bytes());
            bytes.extend_from_slice(&newest.map_or(-1, |batch| batch.last_offset).to_be_bytes());
            bytes.extend_from_slice(&newest.map_or(0, |batch| batch.offset_delta).to_be_bytes());
            bytes.extend_from_slice(&producer.last_timestamp().to_be_bytes());
            bytes.extend_from_slice(&producer.coordinator_epoch().to_be_bytes());
            bytes.extend_from_slice(&producer.transaction_start().unwrap_or(-1).to_be_bytes());
        }
        let checksum = crc32c(&bytes[CRC_FROM..]);
        bytes[2..CRC_FROM].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// If they are none of version 1, or damaged. Whoever has an older snapshot, or the log from its start, needs this one not.
    pub fn decode(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let truncated = SnapshotError::Truncated { found: bytes.len() };
        let mut reader = Reader::new(bytes);
        let version = reader.i16().ok_or(truncated)?;
        if version != SNAPSHOT_VERSION {
            return Err(SnapshotError::Version { found: version });
        }
        let found = reader.i32().ok_or(truncated)?.cast_unsigned();
        let computed = crc32c(&bytes[CRC_FROM..]);
        if found != computed {
            return Err(SnapshotError::Checksum { found, computed });
        }
        let count = reader.i32().ok_or(truncated)?;
        let rest = reader.remaining();
        let fits =
            usize::try_from(count).ok().and_then(|count| count.checked_mul(PRODUCER_SIZE)) == Some(rest);
        if !fits {
            return Err(SnapshotError::Count { found: count, bytes: rest });
        }
        let mut producers = BTreeMap::new();
        let mut index = 0;
        while reader.remaining() > 0 {
            let producer_id = reader.i64().ok_or(truncated)?;
            let impossible = SnapshotError::Producer { index, producer_id };
            let producer = producer(&mut reader).filter(|_| producer_id >= 0).ok_or(impossible)?;
            if producers.insert(producer_id, producer).is_some() {
                return Err(impossible);
            }
            index += 1;
        }
        Ok(Self { producers })
    }
}

/// What follows the id of a producer; none if it cannot be.
fn producer(reader: &mut Reader<'_>) -> Option<Producer> {
    let epoch = reader.i16()?;
    let (last_sequence, last_offset, offset_delta) = (reader.i32()?, reader.i64()?, reader.i32()?);
    let timestamp = reader.i64()?;
    let (coordinator_epoch, transaction_start) = (reader.i32()?, reader.i64()?);
    let newest = if last_offset < 0 {
        None
    } else {
        let sound = (0..=last_offset).contains(&i64::from(offset_delta))
            && last_offset < i64::MAX
            && last_sequence >= NO_SEQUENCE;
        if !sound {
            return None;
        }
        Some(Appended { last_sequence, last_offset, offset_delta, timestamp })
    };
    let transaction_start = (transaction_start >= 0).then_some(transaction_start);
    Some(Producer::restored(epoch, coordinator_epoch, timestamp, transaction_start, newest))
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { found } => write!(f, "{found} bytes, expected {} at least", CRC_FROM + 4),
            Self::Version { found } => write!(f, "version {found}, expected {SNAPSHOT_VERSION}"),
            Self::Checksum { found, computed } => {
                write!(f, "the checksum {found:08x}, expected that of the bytes, {computed:08x}")
            }
            Self::Count { found, bytes } => {
                write!(
                    f,
                    "a count of {found} producers, expected one that fits {bytes} bytes of {PRODUCER_SIZE} each"
                )
            }
            Self::Producer { index, producer_id } => {
                write!(f, "producer {producer_id} at place {index}, which cannot be or is there twice")
            }
        }
    }
}

impl core::error::Error for SnapshotError {}
