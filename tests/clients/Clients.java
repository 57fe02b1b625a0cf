import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.*;

/**
 * Kafka's own Java client against a cluster: Clients BOOTSTRAP REPLICATION [soak TOPIC SECONDS | transactions]
 *
 * Without more it goes through what such a client does, and says what it did. `soak` writes numbered records for some seconds, whatever
 * happens to the cluster meanwhile, then reads all of them back. `transactions` expects that they are refused at once, with a reason.
 */
public class Clients {
    static final long PATIENCE_MS = 60_000;
    static String bootstrap;
    static short replication;
    static final String run = UUID.randomUUID().toString().substring(0, 8);

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        replication = Short.parseShort(arguments[1]);
        String mode = arguments.length > 2 ? arguments[2] : "all";
        try {
            switch (mode) {
                case "soak" -> soak(arguments[3], Double.parseDouble(arguments[4]));
                case "transactions" -> transactions();
                default -> all();
            }
        } catch (Throwable thrown) {
            System.err.println("FAILED: java client: " + thrown);
            thrown.printStackTrace();
            System.exit(1);
        }
        System.exit(0);
    }

    static void all() throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap, "request.timeout.ms", "10000"))) {
            cluster(admin);
            String topic = "java-" + run;
            topics(admin, topic);
            int sent = produce(topic);
            consume(topic, sent);
            offsets(admin, topic);
            for (Class<?> assignor : List.of(RangeAssignor.class, RoundRobinAssignor.class, StickyAssignor.class, CooperativeStickyAssignor.class)) {
                group(admin, topic, sent, assignor);
            }
            staticMember(topic, sent);
            configs(admin, topic);
            idempotent();
            elect(admin, topic);
            changes(admin, topic);
        }
        say("all done");
    }

    static void check(boolean condition, String what) {
        if (!condition) throw new AssertionError(what);
    }

    static void say(String what) {
        System.out.println("java client: " + what);
    }

    static <T> T await(String what, Callable<T> look) throws Exception {
        long deadline = System.currentTimeMillis() + PATIENCE_MS;
        while (System.currentTimeMillis() < deadline) {
            T found = look.call();
            if (found != null && !Boolean.FALSE.equals(found)) return found;
            Thread.sleep(20);
        }
        throw new AssertionError(what + ": not within " + PATIENCE_MS + " ms");
    }

    static <E extends Throwable> void refused(Class<E> expected, String what, Callable<?> attempt) throws Exception {
        try {
            attempt.call();
        } catch (ExecutionException refused) {
            check(expected.isInstance(refused.getCause()), what + " was refused with " + refused.getCause() + ", expected " + expected);
            return;
        }
        throw new AssertionError(what + " was not refused");
    }

    static KafkaProducer<String, String> producer(Map<String, Object> more) {
        Map<String, Object> properties = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "linger.ms", 5));
        properties.putAll(more);
        return new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer());
    }

    static KafkaConsumer<String, String> consumer(Map<String, Object> more) {
        Map<String, Object> properties = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "auto.offset.reset", "earliest",
            "enable.auto.commit", false));
        properties.putAll(more);
        return new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
    }

    static void cluster(Admin admin) throws Exception {
        DescribeClusterResult described = admin.describeCluster();
        check(described.nodes().get().size() >= replication, "nodes: " + described.nodes().get());
        check(described.controller().get() != null, "a controller");
        QuorumInfo quorum = admin.describeMetadataQuorum().quorumInfo().get();
        check(quorum.leaderId() >= 0 && quorum.highWatermark() > 0, "the quorum: " + quorum);
        check(!admin.describeFeatures().featureMetadata().get().finalizedFeatures().isEmpty(), "features");
        say("cluster " + described.clusterId().get() + " described, its quorum led by " + quorum.leaderId());
    }

    static void topics(Admin admin, String topic) throws Exception {
        CreateTopicsResult created = admin.createTopics(List.of(new NewTopic(topic, 3, replication)));
        created.all().get();
        check(created.numPartitions(topic).get() == 3, "three partitions were created");
        refused(org.apache.kafka.common.errors.TopicExistsException.class, "a second topic of the name",
            () -> admin.createTopics(List.of(new NewTopic(topic, 3, replication))).all().get());
        refused(org.apache.kafka.common.errors.InvalidTopicException.class, "a name with a space",
            () -> admin.createTopics(List.of(new NewTopic("no good", 1, replication))).all().get());
        refused(org.apache.kafka.common.errors.InvalidReplicationFactorException.class, "more replicas than brokers",
            () -> admin.createTopics(List.of(new NewTopic(topic + "-wide", 1, (short) 99))).all().get());
        refused(org.apache.kafka.common.errors.UnknownTopicOrPartitionException.class, "an unknown topic",
            () -> admin.describeTopics(List.of("nobody-knows-" + run)).allTopicNames().get());
        TopicDescription described = await("the new topic with leaders", () -> {
            TopicDescription found = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
            return found.partitions().stream().allMatch(p -> p.leader() != null && p.isr().size() == replication) ? found : null;
        });
        check(described.partitions().size() == 3, "three partitions described");
        check(admin.describeTopics(TopicCollection.ofTopicIds(List.of(described.topicId()))).allTopicIds().get().size() == 1, "by id");
        check(admin.listTopics().names().get().contains(topic), "the new topic in the list");
        say("topics created, refused, described, listed");
    }

    static int produce(String topic) throws Exception {
        int sent = 0;
        for (String acks : List.of("0", "1", "all")) {
            for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
                try (var producer = producer(Map.of("acks", acks, "compression.type", codec, "enable.idempotence", false))) {
                    String label = acks + "-" + codec;
                    List<Future<RecordMetadata>> sends = new ArrayList<>();
                    for (int number = 0; number < 50; number++) {
                        var record = new ProducerRecord<>(topic, null, label, label + "-" + number + "-" + "x".repeat(100),
                            List.of(new RecordHeader("number", Integer.toString(number).getBytes())));
                        sends.add(producer.send(record));
                    }
                    long before = -1;
                    for (Future<RecordMetadata> send : sends) {
                        RecordMetadata metadata = send.get(PATIENCE_MS, TimeUnit.MILLISECONDS);
                        if (acks.equals("0")) continue;
                        check(before < 0 || metadata.offset() == before + 1, label + ": offsets in a row, " + before + ", " + metadata);
                        before = metadata.offset();
                    }
                    sent += 50;
                }
            }
        }
        return sent;
    }

    static List<ConsumerRecord<String, String>> readAll(String topic, int count) {
        try (var consumer = consumer(Map.of())) {
            List<TopicPartition> partitions =
                consumer.partitionsFor(topic).stream().map(p -> new TopicPartition(topic, p.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            List<ConsumerRecord<String, String>> found = new ArrayList<>();
            long deadline = System.currentTimeMillis() + PATIENCE_MS;
            while (found.size() < count && System.currentTimeMillis() < deadline) {
                consumer.poll(Duration.ofMillis(200)).forEach(found::add);
            }
            check(found.size() == count, found.size() + " records of " + topic + ", expected " + count);
            return found;
        }
    }

    static void consume(String topic, int sent) {
        Map<String, List<ConsumerRecord<String, String>>> byKey =
            readAll(topic, sent).stream().collect(Collectors.groupingBy(ConsumerRecord::key));
        check(byKey.size() == 15, "15 keys: " + byKey.keySet());
        byKey.forEach((label, records) -> {
            for (int number = 0; number < 50; number++) {
                var record = records.get(number);
                check(record.value().equals(label + "-" + number + "-" + "x".repeat(100)), label + ": its records in their order");
                check(new String(record.headers().lastHeader("number").value()).equals("" + number), label + ": their headers");
            }
        });
        say(sent + " records written with every acks and codec, read in order");
    }

    static void offsets(Admin admin, String topic) throws Exception {
        TopicPartition partition = new TopicPartition(topic, 0);
        var records = readAll(topic, 750).stream().filter(r -> r.partition() == 0).toList();
        if (!records.isEmpty()) {
            long time = records.get(records.size() / 2).timestamp();
            long expected = records.stream().filter(r -> r.timestamp() >= time).findFirst().get().offset();
            try (var consumer = consumer(Map.of())) {
                long found = consumer.offsetsForTimes(Map.of(partition, time)).get(partition).offset();
                check(found == expected, "offset by timestamp: " + found + ", expected " + expected);
            }
            long newest = records.stream().mapToLong(ConsumerRecord::timestamp).max().getAsLong();
            var found = admin.listOffsets(Map.of(partition, OffsetSpec.maxTimestamp())).partitionResult(partition).get();
            check(found.timestamp() == newest, "the newest timestamp: " + found + ", expected " + newest);
        }
        check(admin.listOffsets(Map.of(partition, OffsetSpec.latest())).partitionResult(partition).get().offset() == records.size(), "end");
        check(admin.listOffsets(Map.of(partition, OffsetSpec.earliest())).partitionResult(partition).get().offset() == 0, "beginning");
        say("offsets by timestamp, newest timestamp, ends and beginnings");
    }

    /** Two members, one after the other, then one less; what was committed is not read again. */
    static void group(Admin admin, String topic, int sent, Class<?> assignor) throws Exception {
        String group = "java-" + run + "-" + assignor.getSimpleName();
        var seen = new ConcurrentHashMap<String, AtomicInteger>();
        class Member extends Thread {
            volatile boolean stopped;
            volatile Set<TopicPartition> owned = Set.of();

            @Override
            public void run() {
                try (var consumer = consumer(Map.of("group.id", group, "heartbeat.interval.ms", 300, "session.timeout.ms", 10_000,
                        "partition.assignment.strategy", assignor.getName()))) {
                    consumer.subscribe(List.of(topic));
                    while (!stopped) {
                        var records = consumer.poll(Duration.ofMillis(50));
                        owned = Set.copyOf(consumer.assignment());
                        for (var record : records) {
                            seen.computeIfAbsent(record.partition() + "@" + record.offset(), k -> new AtomicInteger()).incrementAndGet();
                        }
                        if (!records.isEmpty()) consumer.commitSync();
                    }
                } finally {
                    owned = Set.of();
                }
            }
        }
        Member first = new Member(), second = new Member();
        first.start();
        await("one member reads all", () -> first.owned.size() == 3 && seen.size() == sent);
        second.start();
        await("two members share", () -> !second.owned.isEmpty() && first.owned.size() + second.owned.size() == 3
            && Collections.disjoint(first.owned, second.owned));
        var described = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
        check(described.members().size() == 2, "two members described: " + described);
        refused(org.apache.kafka.common.errors.GroupNotEmptyException.class, "the deletion of a group with members",
            () -> admin.deleteConsumerGroups(List.of(group)).all().get());
        first.stopped = true;
        await("the second has all", () -> second.owned.size() == 3);
        second.stopped = true;
        first.join(PATIENCE_MS);
        second.join(PATIENCE_MS);
        check(seen.values().stream().allMatch(times -> times.get() == 1), "committed records were read again");
        long committed = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().values().stream()
            .mapToLong(OffsetAndMetadata::offset).sum();
        check(committed == sent, "committed offsets add up to " + committed + ", expected " + sent);
        check(admin.listGroups().all().get().stream().anyMatch(g -> g.groupId().equals(group)), "the group is listed");
        admin.alterConsumerGroupOffsets(group, Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(1))).all().get();
        admin.deleteConsumerGroupOffsets(group, Set.of(new TopicPartition(topic, 0))).all().get();
        admin.deleteConsumerGroups(List.of(group)).all().get();
        say("a group with " + assignor.getSimpleName() + ": joined, rebalanced, left, committed, described, deleted");
    }

    /** A static member (KIP-345) that comes back within its session gets its partitions without a rebalance. */
    static void staticMember(String topic, int sent) throws Exception {
        String group = "java-" + run + "-static";
        for (int time = 0; time < 2; time++) {
            try (var consumer = consumer(Map.of("group.id", group, "group.instance.id", "one", "session.timeout.ms", 10_000,
                    "partition.assignment.strategy", RangeAssignor.class.getName()))) {
                consumer.subscribe(List.of(topic));
                long deadline = System.currentTimeMillis() + PATIENCE_MS;
                int found = 0;
                while (System.currentTimeMillis() < deadline && (consumer.assignment().size() < 3 || (time == 0 && found < sent))) {
                    found += consumer.poll(Duration.ofMillis(100)).count();
                }
                check(consumer.assignment().size() == 3, "a static member has all partitions");
                check(consumer.groupMetadata().generationId() == 1, "generation " + consumer.groupMetadata().generationId() + ", expected 1");
                consumer.commitSync();
            }
        }
        say("a static member came back in its generation");
    }

    static void configs(Admin admin, String topic) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        admin.incrementalAlterConfigs(Map.of(resource,
            List.of(new AlterConfigOp(new ConfigEntry("retention.ms", "123456"), AlterConfigOp.OpType.SET)))).all().get();
        await("the changed configuration", () -> {
            ConfigEntry entry = admin.describeConfigs(List.of(resource)).all().get().get(resource).get("retention.ms");
            return entry.value().equals("123456") && entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG;
        });
        Config described = admin.describeConfigs(List.of(resource)).all().get().get(resource);
        for (String key : List.of("min.insync.replicas", "unclean.leader.election.enable", "segment.bytes", "max.message.bytes")) {
            check(described.get(key) != null && described.get(key).value() != null, key + " is described");
        }
        refused(org.apache.kafka.common.errors.InvalidConfigurationException.class, "a wrong value",
            () -> admin.incrementalAlterConfigs(Map.of(resource,
                List.of(new AlterConfigOp(new ConfigEntry("retention.ms", "soon"), AlterConfigOp.OpType.SET)))).all().get());
        int id = admin.describeCluster().nodes().get().iterator().next().id();
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, Integer.toString(id));
        Config ofBroker = admin.describeConfigs(List.of(broker)).all().get().get(broker);
        check(ofBroker.get("num.partitions") != null && ofBroker.get("node.id") != null, "the broker's configuration: " + ofBroker);
        say("configuration changed, described, refused");
    }

    static void idempotent() throws Exception {
        String topic = "java-idempotent-" + run;
        try (var producer = producer(Map.of("enable.idempotence", true, "acks", "all"))) {
            for (int number = 0; number < 1000; number++) producer.send(new ProducerRecord<>(topic, 0, null, "" + number));
            producer.flush();
        }
        List<String> found = readAll(topic, 1000).stream().map(ConsumerRecord::value).toList();
        check(found.equals(IntStream.range(0, 1000).mapToObj(Integer::toString).toList()), "an idempotent producer's order");
        say("an idempotent producer, into a topic made by asking for it");
    }

    static void elect(Admin admin, String topic) throws Exception {
        var result = admin.electLeaders(ElectionType.PREFERRED, Set.of(new TopicPartition(topic, 0))).partitions().get();
        result.values().forEach(error -> check(error.isEmpty()
            || error.get() instanceof org.apache.kafka.common.errors.ElectionNotNeededException, "an election: " + error));
        var unclean = admin.electLeaders(ElectionType.UNCLEAN, Set.of(new TopicPartition(topic, 0))).partitions().get();
        unclean.values().forEach(error -> check(error.isPresent(), "an unclean election where there is a leader"));
        say("leaders elected");
    }

    static void changes(Admin admin, String topic) throws Exception {
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get();
        await("more partitions", () -> admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size() == 5);
        TopicPartition partition = new TopicPartition(topic, 0);
        long end = admin.listOffsets(Map.of(partition, OffsetSpec.latest())).partitionResult(partition).get().offset();
        long low = admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(-1))).lowWatermarks().get(partition).get().lowWatermark();
        check(low == end, "records were deleted up to " + low + ", expected " + end);
        admin.deleteTopics(List.of(topic)).all().get();
        await("the deleted topic is gone", () -> !admin.listTopics().names().get().contains(topic));
        say("partitions added, records and topics deleted");
    }

    static void transactions() throws Exception {
        long start = System.currentTimeMillis();
        try (var producer = producer(Map.of("transactional.id", "t-" + run, "max.block.ms", 30_000))) {
            producer.initTransactions();
            check(false, "a transaction began");
        } catch (KafkaException refused) {
            long took = System.currentTimeMillis() - start;
            check(took < 15_000, "it took " + took + " ms to hear that there are no transactions: " + refused);
            say("transactions are refused: " + refused);
        }
    }

    static void soak(String topic, double seconds) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            admin.createTopics(List.of(new NewTopic(topic, 1, replication))).all().get();
        }
        var acknowledged = new ConcurrentLinkedQueue<Integer>();
        var failed = new ConcurrentLinkedQueue<String>();
        int number = 0;
        try (var producer = producer(Map.of("enable.idempotence", true, "acks", "all", "delivery.timeout.ms", 120_000,
                "request.timeout.ms", 5_000, "linger.ms", 2))) {
            long deadline = System.nanoTime() + (long) (seconds * 1e9);
            while (System.nanoTime() < deadline) {
                int mine = number++;
                producer.send(new ProducerRecord<>(topic, 0, null, "" + mine), (metadata, error) -> {
                    if (error == null) acknowledged.add(mine);
                    else failed.add(mine + ": " + error);
                });
                if (mine % 10 == 0) Thread.sleep(1);
            }
            producer.flush();
        }
        check(failed.isEmpty(), failed.size() + " writes failed: " + failed.peek());
        List<Integer> expected = IntStream.range(0, number).boxed().toList();
        check(List.copyOf(acknowledged).equals(expected), acknowledged.size() + " of " + number + " acknowledged in order");
        List<Integer> found = readAll(topic, number).stream().map(r -> Integer.parseInt(r.value())).toList();
        check(found.equals(expected), "what was acknowledged is there once and in order");
        say("soak: " + number + " records acknowledged, all there, once, in order");
    }
}
