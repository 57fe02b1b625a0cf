//! Kafka's record batch, version 2: checked views over bytes, and a builder.
