//! Which partition a group belongs to. The expected numbers are `Utils.abs(id.hashCode()) % partitions`, computed by Java.

use highwater_core::group::partition_of;

#[test]
fn partition_of_plain_id_is_kafkas() {
    assert_eq!(partition_of("g", 50), 3);
    assert_eq!(partition_of("console-consumer-12345", 50), 6);
    assert_eq!(partition_of("", 50), 0);
}

#[test]
fn partition_of_id_beyond_the_basic_plane_counts_utf16_units() {
    assert_eq!(partition_of("gr\u{fc}ppe-\u{1f680}", 50), 36);
}

#[test]
fn partition_of_negative_hash_is_its_absolute_value() {
    assert_eq!(partition_of("my-group", 50), 12);
}

#[test]
fn partition_of_hash_without_absolute_value_is_the_first() {
    // Its hash is -2147483648.
    assert_eq!(partition_of("polygenelubricants", 50), 0);
}
