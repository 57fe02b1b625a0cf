#!/usr/bin/env bash
# Kafka's own command-line tools against a cluster: tools.sh BOOTSTRAP REPLICATION LIB [CONTROLLERS]. LIB holds Kafka's jars.
# Says what it did; fails with what was found and what was expected.
set -euo pipefail
bootstrap=$1
replication=$2
lib=$3
controllers=${4:-}
topic="tools-$$-$RANDOM"
group="$topic-group"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { printf 'FAILED: tools: %s\n' "$*" >&2; exit 1; }
say() { printf 'tools: %s\n' "$*"; }
# tool CLASS OPTIONS…: what it prints, both ways, is in $work/out.
tool() {
    local class=org.apache.kafka.tools.$1
    if [ "$1" = ConfigCommand ]; then class=kafka.admin.ConfigCommand; fi
    timeout 90 java -Xms32m -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$lib/*" "$class" "${@:2}" > "$work/out" 2>&1
}
at() { tool "$1" --bootstrap-server "$bootstrap" "${@:2}" || fail "$*: $(tail -5 "$work/out")"; }
says() { grep -qE "$1" "$work/out" || fail "$2: expected /$1/, found: $(tail -8 "$work/out")"; }

at TopicCommand --create --topic "$topic" --partitions 2 --replication-factor "$replication" --config retention.ms=123456
says "Created topic $topic" "creation"
at TopicCommand --describe --topic "$topic"
says "PartitionCount: 2[[:space:]]+ReplicationFactor: $replication" "description"
says "retention.ms=123456" "description"
at TopicCommand --list
says "^$topic\$" "list"
if tool TopicCommand --bootstrap-server "$bootstrap" --create --topic "$topic"; then fail "a topic was created twice"; fi
says "already exists" "second creation"
say "topics created, described, listed, refused"

seq -f 'key%g:value' 500 | at ConsoleProducer --topic "$topic" --reader-property parse.key=true --reader-property key.separator=: \
    --compression-codec zstd
at consumer.ConsoleConsumer --topic "$topic" --from-beginning --max-messages 500 --timeout-ms 30000 --group "$group" \
    --formatter-property print.key=true
[ "$(grep -c '^key' "$work/out")" = 500 ] || fail "$(grep -c '^key' "$work/out") records read, expected 500"
at GetOffsetShell --topic "$topic" --time latest
[ "$(awk -F: '{ sum += $3 } END { print sum }' "$work/out")" = 500 ] || fail "ends that add up to 500: $(cat "$work/out")"
say "500 records written and read, ends asked for"

at consumer.group.ConsumerGroupCommand --describe --group "$group"
says "$group +$topic +0 +[0-9]+ +[0-9]+ +0" "the group's description"
at consumer.group.ConsumerGroupCommand --list
says "^$group\$" "the list of groups"
at consumer.group.ConsumerGroupCommand --reset-offsets --to-earliest --topic "$topic" --group "$group" --execute
at consumer.group.ConsumerGroupCommand --delete --group "$group"
says "successful" "the deletion of the group"
say "groups described, listed, set back, deleted"

at ConfigCommand --alter --entity-type topics --entity-name "$topic" --add-config min.insync.replicas=1
at ConfigCommand --describe --entity-type topics --entity-name "$topic"
says "min.insync.replicas=1" "the topic's configuration"
at TopicCommand --alter --topic "$topic" --partitions 3
at LeaderElectionCommand --election-type preferred --topic "$topic" --partition 0
printf '{"partitions":[{"topic":"%s","partition":0,"offset":-1}],"version":1}' "$topic" > "$work/records.json"
at DeleteRecordsCommand --offset-json-file "$work/records.json"
says "low_watermark" "the deletion of records"
at LogDirsCommand --describe --topic-list "$topic"
says "\"partition\":\"$topic-0\"" "the log directories"
say "configuration, partitions, elections, deletions of records, log directories"

at MetadataQuorumCommand describe --status
says "LeaderId: +[0-9]+" "the quorum's status"
at MetadataQuorumCommand describe --replication
says "Leader" "the quorum's replication"
at FeatureCommand describe
says "metadata.version" "features"
at BrokerApiVersionsCommand
says "Produce\(0\)" "versions"
tool ClusterTool cluster-id --bootstrap-server "$bootstrap" || fail "the cluster's id: $(tail -5 "$work/out")"
says "Cluster ID" "the cluster's id"
if [ -n "$controllers" ]; then
    tool MetadataQuorumCommand --bootstrap-controller "$controllers" describe --status || fail "by a controller: $(tail -5 "$work/out")"
    says "LeaderId: +[0-9]+" "the quorum's status by a controller"
fi
say "quorum, features, versions"

at TopicCommand --delete --topic "$topic"
say "all done"
