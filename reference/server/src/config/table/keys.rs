//! The table itself. Types, ranges and defaults are those of Kafka 4.3.1's own definition.

use super::{Dynamic, Key, Kind, Support, Width};

const NONE: Option<&str> = None;
const EMPTY: &str = "";

// Why a key has no effect.
const TRANSACTIONS: &str = "there are no transactions here";
const CONSUMER_GROUPS: &str = "there are classic groups only, and one thread that coordinates them";
const SHARE_GROUPS: &str = "there are no share groups here";
const STREAMS_GROUPS: &str = "there are no streams groups here";
const TIERED: &str = "there is no tiered storage here";
const COMPACTION: &str = "logs are not compacted here";
const QUOTAS: &str = "there are no quotas here";
const THREADS: &str = "the node is one task, on the threads of num.network.threads";
const PURGATORY: &str = "requests that were answered are forgotten at once";
const METRICS: &str = "metrics are read at highwater.metrics.listener, in the format of Prometheus";
const CODECS: &str = "the broker never compresses anew";
const TOKENS: &str = "there are no delegation tokens here";
const METADATA_LOG: &str =
    "the metadata log is cut at each snapshot, and a snapshot is taken for its size only";
const AT_ONCE: &str = "this is done at once here";
const CHECKPOINTS: &str = "offsets are recorded when they must be";
const FETCHER: &str = "sockets to other brokers have socket.receive.buffer.bytes";
const WITH_RETENTION: &str = "producers are looked at as often as retention, log.retention.check.interval.ms";
const NO_JITTER: &str = "segments end without a random delay";
const NO_PREALLOCATION: &str = "files grow as they are written";
const REGISTERS: &str = "a broker tries until it is registered";
const LISTENERS_AT_ONCE: &str = "all listeners start at once";
const DISK_STOPS: &str = "there is one log directory, and a node stops when it fails";
const OFFSETS_LOAD: &str = "offsets are read in pieces of their own size";
const CONTROLLER_CORE: &str = "the controller acts when something happens, not at intervals";
const NO_AUTHENTICATION: &str = "there is no authentication that could fail";
const CONNECTS_ONCE: &str = "socket.connection.setup.timeout.ms holds for every try";

// What to do where only the default is accepted.
const PLAINTEXT_ONLY: &str =
    "Take it out: there is only PLAINTEXT here; put TLS and authentication in front of the broker.";
const NO_TOKENS: &str = "Take it out: there are no delegation tokens here.";
const NO_PLUGINS: &str = "Take it out: no Java classes are loaded here.";
const NO_AUTHORIZER: &str =
    "Take it out: there is no access control here; bind to loopback or a network of your own.";
const NO_TIERED: &str = "Take it out: there is no tiered storage here.";
const NO_RECOMPRESSION: &str =
    "Take it out, and set compression.type of the producers: the broker keeps batches as they come.";
const STATIC_VOTERS: &str =
    "Take it out, and list all voters in controller.quorum.voters: voters are static here.";
const ONE_DIRECTORY: &str = "Take it out: there is one log directory, which takes all replicas.";
const NO_CREATION_RATE: &str = "Take it out, and bound max.connections instead.";
const BOUND_BY_COUNT: &str = "Take it out: the bound is queued.max.requests times socket.request.max.bytes.";
const NO_TRANSACTIONS: &str = "Take it out: there are no transactions here.";
const STABLE_ONLY: &str = "Take it out: only stable versions are spoken here.";

/// Kafka's keys in the order of names, and ours.
#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    int("add.partitions.to.txn.retry.backoff.max.ms").or("100").from(0).ignored(TRANSACTIONS),
    int("add.partitions.to.txn.retry.backoff.ms").or("20").from(1).ignored(TRANSACTIONS),
    list("advertised.listeners"),
    class("alter.config.policy.class.name").only_default(NO_PLUGINS),
    int("alter.log.dirs.replication.quota.window.num").or("11").from(1).ignored(QUOTAS),
    int("alter.log.dirs.replication.quota.window.size.seconds").or("1").from(1).ignored(QUOTAS),
    text("authorizer.class.name").or(EMPTY).only_default(NO_AUTHORIZER),
    boolean("auto.create.topics.enable").or("true"),
    boolean("auto.leader.rebalance.enable").or("true"),
    int("background.threads").or("10").from(1).ignored(THREADS).dynamic(),
    int("broker.heartbeat.interval.ms").or("2000"),
    int("broker.id").or("-1"),
    text("broker.rack"),
    int("broker.session.timeout.ms").or("9000"),
    class("client.quota.callback.class").only_default(NO_PLUGINS),
    int("compression.gzip.level").or("-1").within(-1, 9).ignored(CODECS).dynamic(),
    int("compression.lz4.level").or("9").within(1, 17).ignored(CODECS).dynamic(),
    text("compression.type").or("producer").one_of(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]).only_default(NO_RECOMPRESSION).dynamic(),
    int("compression.zstd.level").or("3").within(-131072, 22).ignored(CODECS).dynamic(),
    list("config.providers").or(EMPTY).only_default(NO_PLUGINS).dynamic(),
    int("connection.failed.authentication.delay.ms").or("100").from(0).ignored(NO_AUTHENTICATION),
    long("connections.max.idle.ms").or("600000"),
    long("connections.max.reauth.ms").or("0").only_default(PLAINTEXT_ONLY),
    boolean("controlled.shutdown.enable").or("true"),
    list("controller.listener.names").required(),
    long("controller.performance.always.log.threshold.ms").or("2000").from(0).ignored(CONTROLLER_CORE).internal(),
    long("controller.performance.sample.period.ms").or("60000").from(100).ignored(CONTROLLER_CORE).internal(),
    int("controller.quorum.append.linger.ms").or("25").from(0).ignored(AT_ONCE),
    boolean("controller.quorum.auto.join.enable").or("false").only_default(STATIC_VOTERS),
    list("controller.quorum.bootstrap.servers").or(EMPTY).only_default(STATIC_VOTERS),
    int("controller.quorum.election.backoff.max.ms").or("1000").from(0),
    int("controller.quorum.election.timeout.ms").or("1000").from(0),
    int("controller.quorum.fetch.max.bytes").or("1048576").from(1),
    int("controller.quorum.fetch.snapshot.max.bytes").or("1048576").from(1),
    int("controller.quorum.fetch.timeout.ms").or("2000").from(0),
    int("controller.quorum.request.timeout.ms").or("2000").from(0),
    int("controller.quorum.retry.backoff.ms").or("20").from(0),
    list("controller.quorum.voters").or(EMPTY),
    int("controller.quota.window.num").or("11").from(1).ignored(QUOTAS),
    int("controller.quota.window.size.seconds").or("1").from(1).ignored(QUOTAS),
    int("controller.socket.timeout.ms").or("30000"),
    list("cordoned.log.dirs").or(EMPTY).only_default(ONE_DIRECTORY).dynamic_per_broker(),
    class("create.topic.policy.class.name").only_default(NO_PLUGINS),
    int("default.replication.factor").or("1"),
    long("delegation.token.expiry.check.interval.ms").or("3600000").from(1).ignored(TOKENS),
    long("delegation.token.expiry.time.ms").or("86400000").from(1).ignored(TOKENS),
    long("delegation.token.max.lifetime.ms").or("604800000").from(1).ignored(TOKENS),
    password("delegation.token.secret.key").only_default(NO_TOKENS),
    int("delete.records.purgatory.purge.interval.requests").or("1").ignored(PURGATORY),
    boolean("delete.topic.enable").or("true"),
    list("early.start.listeners").ignored(LISTENERS_AT_ONCE),
    int("fetch.max.bytes").or("57671680").from(1024),
    int("fetch.purgatory.purge.interval.requests").or("1000").ignored(PURGATORY),
    boolean("follower.fetch.last.tiered.offset.enable").or("false").ignored(TIERED).dynamic(),
    int("group.consumer.assignment.interval.ms").or("1000").from(0).ignored(CONSUMER_GROUPS).dynamic(),
    list("group.consumer.assignors").or("uniform,range").ignored(CONSUMER_GROUPS),
    int("group.consumer.heartbeat.interval.ms").or("5000").from(1).ignored(CONSUMER_GROUPS),
    int("group.consumer.max.assignment.interval.ms").or("15000").from(0).ignored(CONSUMER_GROUPS),
    int("group.consumer.max.heartbeat.interval.ms").or("15000").from(1).ignored(CONSUMER_GROUPS),
    int("group.consumer.max.session.timeout.ms").or("60000").from(1).ignored(CONSUMER_GROUPS),
    int("group.consumer.max.size").or("2147483647").from(1).ignored(CONSUMER_GROUPS),
    text("group.consumer.migration.policy").or("bidirectional").ignored(CONSUMER_GROUPS),
    int("group.consumer.min.assignment.interval.ms").or("0").from(0).ignored(CONSUMER_GROUPS),
    int("group.consumer.min.heartbeat.interval.ms").or("5000").from(1).ignored(CONSUMER_GROUPS),
    int("group.consumer.min.session.timeout.ms").or("45000").from(1).ignored(CONSUMER_GROUPS),
    int("group.consumer.regex.refresh.interval.ms").or("600000").from(10000).ignored(CONSUMER_GROUPS).internal(),
    int("group.consumer.session.timeout.ms").or("45000").from(1).ignored(CONSUMER_GROUPS),
    int("group.coordinator.append.linger.ms").or("-1").from(-1).ignored(CONSUMER_GROUPS),
    int("group.coordinator.background.threads").or("2").from(1).ignored(CONSUMER_GROUPS),
    int("group.coordinator.cached.buffer.max.bytes").or("1048588").from(524288).ignored(CONSUMER_GROUPS).dynamic(),
    list("group.coordinator.rebalance.protocols").or("classic,consumer,streams").one_of(&["consumer", "classic", "share", "streams"]).ignored(CONSUMER_GROUPS),
    int("group.coordinator.threads").or("4").from(1).ignored(CONSUMER_GROUPS),
    int("group.initial.rebalance.delay.ms").or("3000"),
    int("group.max.session.timeout.ms").or("1800000"),
    int("group.max.size").or("2147483647").from(1),
    int("group.min.session.timeout.ms").or("6000"),
    int("group.share.assignment.interval.ms").or("1000").from(0).ignored(SHARE_GROUPS).dynamic(),
    list("group.share.assignors").or("simple").ignored(SHARE_GROUPS),
    int("group.share.delivery.count.limit").or("5").within(2, 10).ignored(SHARE_GROUPS),
    int("group.share.heartbeat.interval.ms").or("5000").from(1).ignored(SHARE_GROUPS),
    int("group.share.initialize.retry.interval.ms").or("30000").from(1).ignored(SHARE_GROUPS).internal(),
    int("group.share.max.assignment.interval.ms").or("15000").from(0).ignored(SHARE_GROUPS),
    int("group.share.max.delivery.count.limit").or("10").within(5, 25).ignored(SHARE_GROUPS),
    int("group.share.max.heartbeat.interval.ms").or("15000").from(1).ignored(SHARE_GROUPS),
    int("group.share.max.partition.max.record.locks").or("4000").within(2000, 10000).ignored(SHARE_GROUPS),
    int("group.share.max.record.lock.duration.ms").or("60000").within(30000, 3600000).ignored(SHARE_GROUPS),
    int("group.share.max.session.timeout.ms").or("60000").from(1).ignored(SHARE_GROUPS),
    int("group.share.max.share.sessions").or("2000").from(1).ignored(SHARE_GROUPS),
    int("group.share.max.size").or("200").within(1, 1000).ignored(SHARE_GROUPS),
    int("group.share.min.assignment.interval.ms").or("0").from(0).ignored(SHARE_GROUPS),
    int("group.share.min.delivery.count.limit").or("2").within(2, 5).ignored(SHARE_GROUPS),
    int("group.share.min.heartbeat.interval.ms").or("5000").from(1).ignored(SHARE_GROUPS),
    int("group.share.min.partition.max.record.locks").or("100").within(100, 2000).ignored(SHARE_GROUPS),
    int("group.share.min.record.lock.duration.ms").or("15000").within(1000, 30000).ignored(SHARE_GROUPS),
    int("group.share.min.session.timeout.ms").or("45000").from(1).ignored(SHARE_GROUPS),
    int("group.share.partition.max.record.locks").or("2000").within(100, 10000).ignored(SHARE_GROUPS),
    text("group.share.persister.class.name").or("org.apache.kafka.server.share.persister.DefaultStatePersister").ignored(SHARE_GROUPS).internal(),
    int("group.share.record.lock.duration.ms").or("30000").within(1000, 3600000).ignored(SHARE_GROUPS),
    int("group.share.session.timeout.ms").or("45000").from(1).ignored(SHARE_GROUPS),
    int("group.streams.assignment.interval.ms").or("1000").from(0).ignored(STREAMS_GROUPS).dynamic(),
    int("group.streams.heartbeat.interval.ms").or("5000").from(1).ignored(STREAMS_GROUPS),
    int("group.streams.initial.rebalance.delay.ms").or("3000").from(0).ignored(STREAMS_GROUPS),
    int("group.streams.max.assignment.interval.ms").or("15000").from(0).ignored(STREAMS_GROUPS),
    int("group.streams.max.heartbeat.interval.ms").or("15000").from(1).ignored(STREAMS_GROUPS),
    int("group.streams.max.session.timeout.ms").or("60000").from(1).ignored(STREAMS_GROUPS),
    int("group.streams.max.size").or("2147483647").from(1).ignored(STREAMS_GROUPS),
    int("group.streams.max.standby.replicas").or("2").from(0).ignored(STREAMS_GROUPS),
    int("group.streams.min.assignment.interval.ms").or("0").from(0).ignored(STREAMS_GROUPS),
    int("group.streams.min.heartbeat.interval.ms").or("5000").from(1).ignored(STREAMS_GROUPS),
    int("group.streams.min.session.timeout.ms").or("45000").from(1).ignored(STREAMS_GROUPS),
    int("group.streams.num.standby.replicas").or("0").from(0).ignored(STREAMS_GROUPS),
    int("group.streams.session.timeout.ms").or("45000").from(1).ignored(STREAMS_GROUPS),
    text("highwater.metrics.listener"),
    int("initial.broker.registration.timeout.ms").or("60000").ignored(REGISTERS),
    text("inter.broker.listener.name"),
    long("internal.metadata.delete.delay.millis").or("60000").ignored(METADATA_LOG).internal(),
    int("internal.metadata.log.segment.bytes").ignored(METADATA_LOG).internal(),
    int("internal.metadata.max.batch.size.in.bytes").or("8388608").ignored(METADATA_LOG).internal(),
    int("kafka.metrics.polling.interval.secs").or("10").from(1).ignored(METRICS),
    list("kafka.metrics.reporters").or(EMPTY).ignored(METRICS),
    long("leader.imbalance.check.interval.seconds").or("300").from(1),
    text("listener.security.protocol.map").or("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT").dynamic_per_broker(),
    list("listeners").or("PLAINTEXT://:9092").dynamic_per_broker(),
    long("log.cleaner.backoff.ms").or("15000").from(0).ignored(COMPACTION).dynamic(),
    long("log.cleaner.dedupe.buffer.size").or("134217728").ignored(COMPACTION).dynamic(),
    long("log.cleaner.delete.retention.ms").or("86400000").from(0).ignored(COMPACTION).dynamic(),
    boolean("log.cleaner.enable").or("true").ignored(COMPACTION),
    double("log.cleaner.io.buffer.load.factor").or("0.9").ignored(COMPACTION).dynamic(),
    int("log.cleaner.io.buffer.size").or("524288").from(0).ignored(COMPACTION).dynamic(),
    double("log.cleaner.io.max.bytes.per.second").or("1.7976931348623157E308").ignored(COMPACTION).dynamic(),
    long("log.cleaner.max.compaction.lag.ms").or("9223372036854775807").from(1).ignored(COMPACTION).dynamic(),
    double("log.cleaner.min.cleanable.ratio").or("0.5").ignored(COMPACTION).dynamic(),
    long("log.cleaner.min.compaction.lag.ms").or("0").from(0).ignored(COMPACTION).dynamic(),
    int("log.cleaner.threads").or("1").from(0).ignored(COMPACTION).dynamic(),
    list("log.cleanup.policy").or("delete").one_of(&["compact", "delete"]).dynamic(),
    list("log.dir").or("/tmp/kafka-logs"),
    long("log.dir.failure.timeout.ms").or("30000").from(1).ignored(DISK_STOPS),
    list("log.dirs"),
    long("log.flush.interval.messages").or("9223372036854775807").from(1).dynamic(),
    long("log.flush.interval.ms").dynamic(),
    int("log.flush.offset.checkpoint.interval.ms").or("60000").from(0).ignored(CHECKPOINTS),
    long("log.flush.scheduler.interval.ms").or("9223372036854775807"),
    int("log.flush.start.offset.checkpoint.interval.ms").or("60000").from(0).ignored(CHECKPOINTS),
    int("log.index.interval.bytes").or("4096").from(0).dynamic(),
    int("log.index.size.max.bytes").or("10485760").from(4).dynamic(),
    long("log.initial.task.delay.ms").or("30000").from(0).ignored(AT_ONCE).internal(),
    long("log.local.retention.bytes").or("-2").from(-2).ignored(TIERED).dynamic(),
    long("log.local.retention.ms").or("-2").from(-2).ignored(TIERED).dynamic(),
    long("log.message.timestamp.after.max.ms").or("3600000").from(0).dynamic(),
    long("log.message.timestamp.before.max.ms").or("9223372036854775807").from(0).dynamic(),
    text("log.message.timestamp.type").or("CreateTime").one_of(&["CreateTime", "LogAppendTime"]).dynamic(),
    boolean("log.preallocate").or("false").ignored(NO_PREALLOCATION).dynamic(),
    long("log.retention.bytes").or("-1").dynamic(),
    long("log.retention.check.interval.ms").or("300000").from(1),
    int("log.retention.hours").or("168"),
    int("log.retention.minutes"),
    long("log.retention.ms").dynamic(),
    int("log.roll.hours").or("168").from(1),
    int("log.roll.jitter.hours").or("0").from(0).ignored(NO_JITTER),
    long("log.roll.jitter.ms").ignored(NO_JITTER).dynamic(),
    long("log.roll.ms").dynamic(),
    int("log.segment.bytes").or("1073741824").from(1048576).dynamic(),
    long("log.segment.delete.delay.ms").or("60000").from(0).ignored(AT_ONCE).dynamic(),
    int("max.connection.creation.rate").or("2147483647").from(0).only_default(NO_CREATION_RATE).dynamic(),
    int("max.connections").or("2147483647").from(0).dynamic(),
    int("max.connections.per.ip").or("2147483647").from(0).dynamic(),
    text("max.connections.per.ip.overrides").or(EMPTY).dynamic(),
    int("max.incremental.fetch.session.cache.slots").or("1000").from(0),
    int("max.request.partition.size.limit").or("2000").from(1),
    int("message.max.bytes").or("1048588").from(0).dynamic(),
    text("metadata.log.dir"),
    long("metadata.log.max.record.bytes.between.snapshots").or("20971520").from(1),
    long("metadata.log.max.snapshot.interval.ms").or("3600000").from(0).ignored(METADATA_LOG),
    int("metadata.log.segment.bytes").or("1073741824").from(8388608).ignored(METADATA_LOG),
    long("metadata.log.segment.ms").or("604800000").ignored(METADATA_LOG),
    int("metadata.max.idle.interval.ms").or("500").from(0).ignored(METADATA_LOG),
    long("metadata.max.retention.bytes").or("104857600").ignored(METADATA_LOG),
    long("metadata.max.retention.ms").or("604800000").ignored(METADATA_LOG),
    list("metric.reporters").or("org.apache.kafka.common.metrics.JmxReporter").ignored(METRICS).dynamic(),
    int("metrics.num.samples").or("2").from(1).ignored(METRICS),
    text("metrics.recording.level").or("INFO").ignored(METRICS),
    long("metrics.sample.window.ms").or("30000").from(1).ignored(METRICS),
    int("min.insync.replicas").or("1").from(1).dynamic(),
    int("node.id").required().from(0),
    int("num.io.threads").or("8").from(1).ignored(THREADS).dynamic(),
    int("num.network.threads").or("3").from(1).dynamic(),
    int("num.partitions").or("1").from(1),
    int("num.recovery.threads.per.data.dir").or("2").from(1).ignored(THREADS).dynamic(),
    int("num.replica.alter.log.dirs.threads").ignored(THREADS),
    int("num.replica.fetchers").or("1").from(1).ignored(THREADS).dynamic(),
    int("offset.metadata.max.bytes").or("4096"),
    int("offsets.commit.timeout.ms").or("5000").from(1),
    int("offsets.load.buffer.size").or("5242880").from(1).ignored(OFFSETS_LOAD),
    long("offsets.retention.check.interval.ms").or("600000").from(1),
    int("offsets.retention.minutes").or("10080").from(1),
    int("offsets.topic.compression.codec").or("0").ignored(CODECS),
    int("offsets.topic.num.partitions").or("50").from(1),
    short("offsets.topic.replication.factor").or("3").from(1),
    int("offsets.topic.segment.bytes").or("104857600").from(1),
    class("principal.builder.class").or("org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    list("process.roles").required().one_of(&["broker", "controller"]),
    int("producer.id.expiration.check.interval.ms").or("600000").from(1).ignored(WITH_RETENTION).internal(),
    int("producer.id.expiration.ms").or("86400000").from(1).dynamic(),
    int("producer.purgatory.purge.interval.requests").or("1000").ignored(PURGATORY),
    long("queued.max.request.bytes").or("-1").only_default(BOUND_BY_COUNT),
    int("queued.max.requests").or("500").from(1),
    int("quota.window.num").or("11").from(1).ignored(QUOTAS),
    int("quota.window.size.seconds").or("1").from(1).ignored(QUOTAS),
    int("remote.fetch.max.wait.ms").or("500").from(1).ignored(TIERED).dynamic(),
    long("remote.list.offsets.request.timeout.ms").or("30000").from(1).ignored(TIERED).dynamic(),
    long("remote.log.index.file.cache.total.size.bytes").or("1073741824").from(1).ignored(TIERED).dynamic(),
    long("remote.log.index.file.cache.ttl.ms").or("900000").from(-1).ignored(TIERED).internal(),
    int("remote.log.manager.copier.thread.pool.size").or("10").from(1).ignored(TIERED).dynamic(),
    long("remote.log.manager.copy.max.bytes.per.second").or("9223372036854775807").from(1).ignored(TIERED).dynamic(),
    int("remote.log.manager.copy.quota.window.num").or("11").from(1).ignored(QUOTAS),
    int("remote.log.manager.copy.quota.window.size.seconds").or("1").from(1).ignored(QUOTAS),
    int("remote.log.manager.expiration.thread.pool.size").or("10").from(1).ignored(TIERED).dynamic(),
    long("remote.log.manager.fetch.max.bytes.per.second").or("9223372036854775807").from(1).ignored(TIERED).dynamic(),
    int("remote.log.manager.fetch.quota.window.num").or("11").from(1).ignored(QUOTAS),
    int("remote.log.manager.fetch.quota.window.size.seconds").or("1").from(1).ignored(QUOTAS),
    int("remote.log.manager.follower.thread.pool.size").or("2").from(1).ignored(TIERED).dynamic(),
    long("remote.log.manager.task.interval.ms").or("30000").from(1).ignored(TIERED),
    long("remote.log.manager.task.retry.backoff.max.ms").or("30000").from(1).ignored(TIERED).internal(),
    long("remote.log.manager.task.retry.backoff.ms").or("500").from(1).ignored(TIERED).internal(),
    double("remote.log.manager.task.retry.jitter").or("0.2").ignored(TIERED).internal(),
    int("remote.log.manager.thread.pool.size").or("2").from(1).ignored(TIERED),
    int("remote.log.metadata.custom.metadata.max.bytes").or("128").from(0).ignored(TIERED),
    text("remote.log.metadata.manager.class.name").or("org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager").ignored(TIERED),
    text("remote.log.metadata.manager.class.path").ignored(TIERED),
    text("remote.log.metadata.manager.impl.prefix").or("rlmm.config.").ignored(TIERED),
    text("remote.log.metadata.manager.listener.name").ignored(TIERED),
    int("remote.log.reader.max.pending.tasks").or("100").from(1).ignored(TIERED),
    int("remote.log.reader.threads").or("10").from(1).ignored(TIERED).dynamic(),
    text("remote.log.storage.manager.class.name").ignored(TIERED),
    text("remote.log.storage.manager.class.path").ignored(TIERED),
    text("remote.log.storage.manager.impl.prefix").or("rsm.config.").ignored(TIERED),
    boolean("remote.log.storage.system.enable").or("false").only_default(NO_TIERED),
    int("replica.fetch.backoff.ms").or("1000").from(0),
    int("replica.fetch.max.bytes").or("1048576").from(0),
    int("replica.fetch.min.bytes").or("1"),
    int("replica.fetch.response.max.bytes").or("10485760").from(0),
    int("replica.fetch.wait.max.ms").or("500"),
    long("replica.high.watermark.checkpoint.interval.ms").or("5000"),
    long("replica.lag.time.max.ms").or("30000"),
    text("replica.selector.class").only_default(NO_PLUGINS),
    int("replica.socket.receive.buffer.bytes").or("65536").ignored(FETCHER),
    int("replica.socket.timeout.ms").or("30000"),
    int("replication.quota.window.num").or("11").from(1).ignored(QUOTAS),
    int("replication.quota.window.size.seconds").or("1").from(1).ignored(QUOTAS),
    int("request.timeout.ms").or("30000"),
    class("sasl.client.callback.handler.class").only_default(PLAINTEXT_ONLY),
    list("sasl.enabled.mechanisms").or("GSSAPI").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    password("sasl.jaas.config").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    text("sasl.kerberos.kinit.cmd").or("/usr/bin/kinit").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    long("sasl.kerberos.min.time.before.relogin").or("60000").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    list("sasl.kerberos.principal.to.local.rules").or("DEFAULT").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    text("sasl.kerberos.service.name").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    double("sasl.kerberos.ticket.renew.jitter").or("0.05").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    double("sasl.kerberos.ticket.renew.window.factor").or("0.8").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    class("sasl.login.callback.handler.class").only_default(PLAINTEXT_ONLY),
    class("sasl.login.class").only_default(PLAINTEXT_ONLY),
    int("sasl.login.connect.timeout.ms").only_default(PLAINTEXT_ONLY),
    int("sasl.login.read.timeout.ms").only_default(PLAINTEXT_ONLY),
    short("sasl.login.refresh.buffer.seconds").or("300").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    short("sasl.login.refresh.min.period.seconds").or("60").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    double("sasl.login.refresh.window.factor").or("0.8").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    double("sasl.login.refresh.window.jitter").or("0.05").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    long("sasl.login.retry.backoff.max.ms").or("10000").only_default(PLAINTEXT_ONLY),
    long("sasl.login.retry.backoff.ms").or("100").only_default(PLAINTEXT_ONLY),
    text("sasl.mechanism.controller.protocol").or("GSSAPI").only_default(PLAINTEXT_ONLY),
    text("sasl.mechanism.inter.broker.protocol").or("GSSAPI").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    text("sasl.oauthbearer.assertion.algorithm").or("RS256").only_default(PLAINTEXT_ONLY),
    text("sasl.oauthbearer.assertion.claim.aud").only_default(PLAINTEXT_ONLY),
    int("sasl.oauthbearer.assertion.claim.exp.seconds").or("300").within(0, 86400).only_default(PLAINTEXT_ONLY),
    text("sasl.oauthbearer.assertion.claim.iss").only_default(PLAINTEXT_ONLY),
    boolean("sasl.oauthbearer.assertion.claim.jti.include").or("false").only_default(PLAINTEXT_ONLY),
    int("sasl.oauthbearer.assertion.claim.nbf.seconds").or("60").within(0, 3600).only_default(PLAINTEXT_ONLY),
    text("sasl.oauthbearer.assertion.claim.sub").only_default(PLAINTEXT_ONLY),
    text("sasl.oauthbearer.assertion.file").only_default(PLAINTEXT_ONLY),
    text("sasl.oauthbearer.assertion.private.key.file").only_default(PLAINTEXT_ONLY),
    password("sasl.oauthbearer.assertion.private.key.passphrase").only_default(PLAINTEXT_ONLY),
    text("sasl.oauthbearer.assertion.template.file").only_default(PLAINTEXT_ONLY),
    text("sasl.oauthbearer.client.credentials.client.id").only_default(PLAINTEXT_ONLY),
    password("sasl.oauthbearer.client.credentials.client.secret").only_default(PLAINTEXT_ONLY),
    int("sasl.oauthbearer.clock.skew.seconds").or("30").only_default(PLAINTEXT_ONLY),
    list("sasl.oauthbearer.expected.audience").or(EMPTY).only_default(PLAINTEXT_ONLY),
    text("sasl.oauthbearer.expected.issuer").only_default(PLAINTEXT_ONLY),
    long("sasl.oauthbearer.jwks.endpoint.refresh.ms").or("3600000").only_default(PLAINTEXT_ONLY),
    long("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms").or("10000").only_default(PLAINTEXT_ONLY),
    long("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms").or("100").only_default(PLAINTEXT_ONLY),
    text("sasl.oauthbearer.jwks.endpoint.url").only_default(PLAINTEXT_ONLY),
    class("sasl.oauthbearer.jwt.retriever.class").or("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever").only_default(PLAINTEXT_ONLY),
    class("sasl.oauthbearer.jwt.validator.class").or("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator").only_default(PLAINTEXT_ONLY),
    text("sasl.oauthbearer.scope").only_default(PLAINTEXT_ONLY),
    text("sasl.oauthbearer.scope.claim.name").or("scope").only_default(PLAINTEXT_ONLY),
    text("sasl.oauthbearer.sub.claim.name").or("sub").only_default(PLAINTEXT_ONLY),
    text("sasl.oauthbearer.token.endpoint.url").only_default(PLAINTEXT_ONLY),
    class("sasl.server.callback.handler.class").only_default(PLAINTEXT_ONLY),
    int("sasl.server.max.receive.size").or("524288").only_default(PLAINTEXT_ONLY),
    text("security.inter.broker.protocol").or("PLAINTEXT").one_of(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]),
    text("security.providers").only_default(PLAINTEXT_ONLY),
    long("server.max.startup.time.ms").or("9223372036854775807").from(0).ignored(REGISTERS).internal(),
    int("share.coordinator.append.linger.ms").or("-1").from(-1).ignored(SHARE_GROUPS),
    int("share.coordinator.cached.buffer.max.bytes").or("1048588").from(524288).ignored(SHARE_GROUPS).dynamic(),
    int("share.coordinator.cold.partition.snapshot.interval.ms").or("300000").from(1).ignored(SHARE_GROUPS).internal(),
    int("share.coordinator.load.buffer.size").or("5242880").from(1).ignored(SHARE_GROUPS),
    int("share.coordinator.snapshot.update.records.per.snapshot").or("500").within(0, 500).ignored(SHARE_GROUPS),
    int("share.coordinator.state.topic.compression.codec").or("0").ignored(SHARE_GROUPS),
    short("share.coordinator.state.topic.min.isr").or("2").from(1).ignored(SHARE_GROUPS),
    int("share.coordinator.state.topic.num.partitions").or("50").from(1).ignored(SHARE_GROUPS),
    int("share.coordinator.state.topic.prune.interval.ms").or("300000").from(1).ignored(SHARE_GROUPS).internal(),
    short("share.coordinator.state.topic.replication.factor").or("3").from(1).ignored(SHARE_GROUPS),
    int("share.coordinator.state.topic.segment.bytes").or("104857600").from(1).ignored(SHARE_GROUPS),
    int("share.coordinator.threads").or("1").from(1).ignored(SHARE_GROUPS),
    int("share.coordinator.write.timeout.ms").or("5000").from(1).ignored(SHARE_GROUPS),
    int("share.fetch.purgatory.purge.interval.requests").or("1000").ignored(PURGATORY),
    long("socket.connection.setup.timeout.max.ms").or("30000").ignored(CONNECTS_ONCE),
    long("socket.connection.setup.timeout.ms").or("10000"),
    int("socket.listen.backlog.size").or("50").from(1),
    int("socket.receive.buffer.bytes").or("102400"),
    int("socket.request.max.bytes").or("104857600").from(1),
    int("socket.send.buffer.bytes").or("102400"),
    boolean("ssl.allow.dn.changes").or("false").only_default(PLAINTEXT_ONLY),
    boolean("ssl.allow.san.changes").or("false").only_default(PLAINTEXT_ONLY),
    list("ssl.cipher.suites").or(EMPTY).only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    text("ssl.client.auth").or("none").one_of(&["required", "requested", "none"]).only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    list("ssl.enabled.protocols").or("TLSv1.2,TLSv1.3").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    text("ssl.endpoint.identification.algorithm").or("https").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    class("ssl.engine.factory.class").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    password("ssl.key.password").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    text("ssl.keymanager.algorithm").or("SunX509").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    password("ssl.keystore.certificate.chain").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    password("ssl.keystore.key").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    text("ssl.keystore.location").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    password("ssl.keystore.password").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    text("ssl.keystore.type").or("JKS").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    text("ssl.principal.mapping.rules").or("DEFAULT").only_default(PLAINTEXT_ONLY),
    text("ssl.protocol").or("TLSv1.3").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    text("ssl.provider").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    text("ssl.secure.random.implementation").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    text("ssl.trustmanager.algorithm").or("PKIX").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    password("ssl.truststore.certificates").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    text("ssl.truststore.location").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    password("ssl.truststore.password").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    text("ssl.truststore.type").or("JKS").only_default(PLAINTEXT_ONLY).dynamic_per_broker(),
    int("telemetry.max.bytes").or("1048576").from(1).ignored(METRICS),
    int("transaction.abort.timed.out.transaction.cleanup.interval.ms").or("10000").from(1).ignored(TRANSACTIONS),
    int("transaction.max.timeout.ms").or("900000").from(1).ignored(TRANSACTIONS),
    boolean("transaction.partition.verification.enable").or("true").ignored(TRANSACTIONS).dynamic(),
    int("transaction.remove.expired.transaction.cleanup.interval.ms").or("3600000").from(1).ignored(TRANSACTIONS),
    int("transaction.state.log.load.buffer.size").or("5242880").from(1).ignored(TRANSACTIONS),
    int("transaction.state.log.min.isr").or("2").from(1).ignored(TRANSACTIONS),
    int("transaction.state.log.num.partitions").or("50").from(1).ignored(TRANSACTIONS),
    short("transaction.state.log.replication.factor").or("3").from(1).ignored(TRANSACTIONS),
    int("transaction.state.log.segment.bytes").or("104857600").from(1).ignored(TRANSACTIONS),
    boolean("transaction.two.phase.commit.enable").or("false").only_default(NO_TRANSACTIONS),
    int("transactional.id.expiration.ms").or("604800000").from(1).ignored(TRANSACTIONS),
    boolean("unclean.leader.election.enable").or("false").dynamic(),
    long("unclean.leader.election.interval.ms").or("300000").from(1).ignored(CONTROLLER_CORE).internal(),
    boolean("unstable.api.versions.enable").or("false").only_default(STABLE_ONLY).internal(),
    boolean("unstable.feature.versions.enable").or("false").only_default(STABLE_ONLY).internal(),
];

const fn key(name: &'static str, kind: Kind) -> Key {
    Key {
        name,
        kind,
        default: NONE,
        is_required: false,
        support: Support::Full,
        dynamic: Dynamic::No,
        is_internal: false,
    }
}

const fn number(name: &'static str, width: Width) -> Key {
    let (min, max) = width.range();
    key(name, Kind::Number { width, min, max })
}

const fn short(name: &'static str) -> Key {
    number(name, Width::Short)
}

const fn int(name: &'static str) -> Key {
    number(name, Width::Int)
}

const fn long(name: &'static str) -> Key {
    number(name, Width::Long)
}

const fn boolean(name: &'static str) -> Key {
    key(name, Kind::Boolean)
}

const fn double(name: &'static str) -> Key {
    key(name, Kind::Double)
}

const fn text(name: &'static str) -> Key {
    key(name, Kind::Text { choices: &[] })
}

const fn list(name: &'static str) -> Key {
    key(name, Kind::List { choices: &[] })
}

const fn class(name: &'static str) -> Key {
    key(name, Kind::Class)
}

const fn password(name: &'static str) -> Key {
    key(name, Kind::Password)
}

impl Key {
    const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    const fn required(self) -> Self {
        Self { is_required: true, ..self }
    }

    const fn from(self, least: i64) -> Self {
        match self.kind {
            Kind::Number { width, max, .. } => Self { kind: Kind::Number { width, min: least, max }, ..self },
            _ => self,
        }
    }

    const fn within(self, least: i64, largest: i64) -> Self {
        match self.kind {
            Kind::Number { width, .. } => {
                Self { kind: Kind::Number { width, min: least, max: largest }, ..self }
            }
            _ => self,
        }
    }

    const fn one_of(self, choices: &'static [&'static str]) -> Self {
        let kind = match self.kind {
            Kind::Text { .. } => Kind::Text { choices },
            Kind::List { .. } => Kind::List { choices },
            other => other,
        };
        Self { kind, ..self }
    }

    const fn ignored(self, reason: &'static str) -> Self {
        Self { support: Support::NoEffect(reason), ..self }
    }

    const fn only_default(self, cure: &'static str) -> Self {
        Self { support: Support::OnlyDefault(cure), ..self }
    }

    const fn dynamic(self) -> Self {
        Self { dynamic: Dynamic::ClusterWide, ..self }
    }

    const fn dynamic_per_broker(self) -> Self {
        Self { dynamic: Dynamic::PerBroker, ..self }
    }

    const fn internal(self) -> Self {
        Self { is_internal: true, ..self }
    }
}
