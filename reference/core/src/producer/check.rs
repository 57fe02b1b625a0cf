//! What a leader says to what a producer sends.

use core::fmt;

use super::state::{
    Appended, NO_PRODUCER_EPOCH, NO_SEQUENCE, Producer, Producers, has_producer, last_sequence,
};
use crate::batch::BatchHeader;
use crate::partition::PartitionError;

/// What is to be done with what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Append it.
    Append,
    /// It is in the log already: answer with this.
    Duplicate(Appended),
}

/// Why a batch is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProducerError {
    /// The sequence does not follow the last one.
    OutOfOrderSequence {
        /// Who sent it.
        producer_id: i64,
        /// The sequence of the first record sent.
        found: i32,
        /// The one that would follow.
        expected: i32,
    },
    /// A newer epoch of this producer is known.
    InvalidProducerEpoch {
        /// Who sent it.
        producer_id: i64,
        /// Its epoch.
        found: i16,
        /// The newer one.
        known: i16,
    },
    /// It is part of a transaction, or its producer has one open: transactions are not supported.
    InvalidTxnState {
        /// Who sent it.
        producer_id: i64,
    },
    /// A batch with a producer id has no sequence.
    NoSequence {
        /// Who sent it.
        producer_id: i64,
    },
    /// A batch with a producer id is not the only one of its request for its partition.
    NotAlone {
        /// Who sent it.
        producer_id: i64,
    },
}

impl From<ProducerError> for PartitionError {
    fn from(error: ProducerError) -> Self {
        match error {
            ProducerError::OutOfOrderSequence { .. } => Self::OutOfOrderSequenceNumber,
            ProducerError::InvalidProducerEpoch { .. } => Self::InvalidProducerEpoch,
            ProducerError::InvalidTxnState { .. } => Self::InvalidTxnState,
            ProducerError::NoSequence { .. } | ProducerError::NotAlone { .. } => Self::InvalidRecord,
        }
    }
}

impl Producers {
    /// Judges the batches that a client sent in one request for this partition. Only a leader may, and before it appends anything.
    ///
    /// # Errors
    /// Nothing may be appended. See the [module](super) for which error means what.
    pub fn check(&self, batches: impl IntoIterator<Item = BatchHeader>) -> Result<Verdict, ProducerError> {
        let (mut count, mut named) = (0_usize, None);
        for batch in batches {
            count += 1;
            if batch.is_transactional() && !has_producer(&batch) {
                return Err(ProducerError::InvalidTxnState { producer_id: batch.producer_id });
            }
            if has_producer(&batch) {
                named = named.or(Some(batch));
            }
        }
        match named {
            None => Ok(Verdict::Append),
            Some(batch) if count > 1 => Err(ProducerError::NotAlone { producer_id: batch.producer_id }),
            Some(batch) => self.check_batch(&batch),
        }
    }

    /// Judges the one batch of a producer.
    fn check_batch(&self, batch: &BatchHeader) -> Result<Verdict, ProducerError> {
        let producer_id = batch.producer_id;
        if batch.base_sequence < 0 {
            return Err(ProducerError::NoSequence { producer_id });
        }
        let known = self.get(producer_id);
        if let Some(original) = known.and_then(|known| known.duplicate(batch)) {
            return Ok(Verdict::Duplicate(original));
        }
        let in_transaction = known.is_some_and(|known| known.transaction_start().is_some());
        if batch.is_transactional() || in_transaction {
            return Err(ProducerError::InvalidTxnState { producer_id });
        }
        let (epoch, last) = known.map_or((NO_PRODUCER_EPOCH, NO_SEQUENCE), Producer::position);
        if batch.producer_epoch < epoch {
            let (found, known) = (batch.producer_epoch, epoch);
            return Err(ProducerError::InvalidProducerEpoch { producer_id, found, known });
        }
        // A newer epoch begins at 0, like the first one after a transaction was ended.
        let last = if batch.producer_epoch == epoch { last } else { NO_SEQUENCE };
        let expected = if last == i32::MAX { 0 } else { last + 1 };
        if epoch != NO_PRODUCER_EPOCH && batch.base_sequence != expected {
            let found = batch.base_sequence;
            return Err(ProducerError::OutOfOrderSequence { producer_id, found, expected });
        }
        Ok(Verdict::Append)
    }
}

impl Producer {
    fn position(&self) -> (i16, i32) {
        (self.epoch(), self.last_sequence())
    }

    /// The batch that this one repeats, if that is remembered.
    fn duplicate(&self, batch: &BatchHeader) -> Option<Appended> {
        if self.epoch() != batch.producer_epoch {
            return None;
        }
        let range = (batch.base_sequence, last_sequence(batch));
        let same = |known: &&Appended| (known.base_sequence(), known.last_sequence) == range;
        self.batches().iter().find(same).copied()
    }
}

impl fmt::Display for ProducerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfOrderSequence { producer_id, found, expected } => {
                write!(f, "producer {producer_id} sent sequence {found}, expected {expected}")
            }
            Self::InvalidProducerEpoch { producer_id, found, known } => {
                write!(
                    f,
                    "producer {producer_id} sent epoch {found}, expected {known} or more: another took its place"
                )
            }
            Self::InvalidTxnState { producer_id } => {
                write!(f, "producer {producer_id} sent a part of a transaction, which is not supported here")
            }
            Self::NoSequence { producer_id } => {
                write!(f, "producer {producer_id} sent a batch without a sequence, expected 0 or more")
            }
            Self::NotAlone { producer_id } => {
                write!(
                    f,
                    "producer {producer_id} sent several batches for a partition in one request, expected one"
                )
            }
        }
    }
}

impl core::error::Error for ProducerError {}
