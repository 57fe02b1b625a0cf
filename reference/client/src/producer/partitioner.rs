//! Which partition a record goes to.

use std::collections::HashMap;

use highwater_wire::Str;

use crate::cluster::Topic;

/// How records without a key are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spread {
    /// All to one partition, until its batch is full or sent; then to another (KIP-480). Batches are few and full.
    #[default]
    Sticky,
    /// One partition after the other.
    RoundRobin,
}

/// Kafka's hash of keys: MurmurHash2 of 32 bits, with Kafka's seed.
pub fn murmur2(bytes: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const FACTOR: u32 = 0x5bd1_e995;
    const SHIFT: u32 = 24;
    // Java's lengths are of 32 bits.
    let mut hash = SEED ^ (bytes.len() as u32);
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(FACTOR);
        word ^= word >> SHIFT;
        hash = hash.wrapping_mul(FACTOR) ^ word.wrapping_mul(FACTOR);
    }
    for (at, byte) in rest.iter().enumerate().rev() {
        hash ^= u32::from(*byte) << (8 * at);
    }
    if !rest.is_empty() {
        hash = hash.wrapping_mul(FACTOR);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(FACTOR);
    hash ^= hash >> 15;
    hash.cast_signed()
}

/// The partition that a key goes to, of so many; as all of Kafka's Java clients have it.
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    (murmur2(key) & i32::MAX) % partitions.max(1)
}

/// Remembers where records without a key go next.
#[derive(Debug, Default)]
pub(super) struct Partitioner {
    spread: Spread,
    next: HashMap<Str, i32>,
}

impl Partitioner {
    pub(super) fn new(spread: Spread) -> Self {
        Self { spread, next: HashMap::new() }
    }

    /// The partition of a record with this key.
    pub(super) fn choose(&mut self, name: &Str, topic: &Topic, key: Option<&[u8]>) -> i32 {
        let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        if let Some(key) = key {
            return partition_of(key, count);
        }
        match (self.next.get_mut(name), self.spread) {
            (Some(current), Spread::Sticky) if *current < count => *current,
            (Some(current), Spread::RoundRobin) => {
                let chosen = *current % count.max(1);
                *current = (chosen + 1) % count.max(1);
                chosen
            }
            _ => {
                let chosen = another(topic, -1);
                self.next.insert(name.clone(), chosen);
                chosen
            }
        }
    }

    /// The batch of this partition is closed: what comes goes elsewhere.
    pub(super) fn closed(&mut self, name: &Str, topic: &Topic, partition: i32) {
        if self.spread == Spread::Sticky
            && let Some(current) = self.next.get_mut(name).filter(|current| **current == partition)
        {
            *current = another(topic, partition);
        }
    }
}

/// Any partition but this one, with a leader if there is such.
fn another(topic: &Topic, but: i32) -> i32 {
    let led = topic.partitions.iter().filter(|(_, partition)| partition.leader >= 0).map(|(index, _)| *index);
    let mut choice: Vec<i32> = led.filter(|index| *index != but).collect();
    if choice.is_empty() {
        choice = topic.partitions.keys().copied().filter(|index| *index != but).collect();
    }
    match choice.len() {
        0 => but.max(0),
        length => choice[fastrand::usize(..length)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_known_keys_have_kafkas_hashes() {
        let known: [(&[u8], i32); 7] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
            (b"", 275_646_681),
        ];
        for (key, hash) in known {
            assert_eq!(murmur2(key), hash, "{}", String::from_utf8_lossy(key));
        }
    }

    #[test]
    fn partition_of_negative_hash_is_taken_without_its_sign() {
        assert_eq!(partition_of(b"21", 10), (-973_932_308 & i32::MAX) % 10);
    }
}
