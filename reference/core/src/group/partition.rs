//! Which partition of `__consumer_offsets` a group belongs to, and so which broker coordinates it.

/// The partition of a group id among `partitions`, as Kafka computes it: Java's `String.hashCode` over UTF-16 units, its
/// absolute value (0 for the one that has none), modulo.
///
/// # Panics
/// If there are no partitions.
pub fn partition_of(group_id: &str, partitions: i32) -> i32 {
    assert!(partitions > 0, "__consumer_offsets has {partitions} partitions, expected at least one");
    let hash =
        group_id.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    hash.checked_abs().unwrap_or(0) % partitions
}
