//! Kafka's log on a disk: record batches as they came, in segments, with their indexes and checkpoints.
