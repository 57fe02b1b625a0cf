#!/usr/bin/env bash
# kcat (librdkafka) against a cluster: kcat.sh BOOTSTRAP. Says what it did; fails with what was found and what was expected.
set -euo pipefail
bootstrap=$1
topic="kcat-$$-$RANDOM"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { printf 'FAILED: kcat: %s\n' "$*" >&2; exit 1; }
say() { printf 'kcat: %s\n' "$*"; }
cat_() { timeout 60 kcat -b "$bootstrap" -m 30 "$@"; }

# Writing makes the topic, where the cluster allows it.
for codec in none gzip snappy lz4 zstd; do
    for acks in 0 1 all; do
        seq -f "$codec-$acks-%g:$(printf 'x%.0s' $(seq 80))" 100 \
            | cat_ -P -t "$topic" -K: -z "$codec" -X acks="$acks" -X enable.idempotence=false \
            || fail "writing with $codec and acks $acks"
    done
done
idempotent="$topic-idempotent"
seq 1000 | cat_ -P -t "$idempotent" -p 0 -X enable.idempotence=true || fail "an idempotent producer"
say "1500 records written with every codec and acks, 1000 by an idempotent producer"

listing=$(cat_ -L -t "$topic")
grep -q "topic \"$topic\" with" <<< "$listing" || fail "the list does not name $topic: $listing"
say "$(grep -c '^  broker' <<< "$listing") brokers listed"

cat_ -C -t "$topic" -o beginning -e -q -f '%k %p %o\n' > "$work/read"
[ "$(wc -l < "$work/read")" = 1500 ] || fail "$(wc -l < "$work/read") records read, expected 1500"
[ "$(cut -d' ' -f1 "$work/read" | sort -u | wc -l)" = 1500 ] || fail "some records came twice"
cat_ -C -t "$idempotent" -o beginning -e -q > "$work/read"
diff <(seq 1000) "$work/read" > /dev/null || fail "the idempotent producer's records are not 1 to 1000 in order"
cat_ -C -t "$idempotent" -p 0 -o 990 -e -q > "$work/read"
diff <(seq 991 1000) "$work/read" > /dev/null || fail "reading from offset 990 on"
cat_ -C -t "$idempotent" -p 0 -o -5 -e -q > "$work/read"
diff <(seq 996 1000) "$work/read" > /dev/null || fail "reading the last five"
say "read from the beginning, from an offset, from the end"

query=$(cat_ -Q -t "$idempotent:0:-1" | tail -1)
grep -q 'offset 1000' <<< "$query" || fail "the end by query: $query, expected offset 1000"
query=$(cat_ -Q -t "$idempotent:0:1" | tail -1)
grep -q 'offset 0' <<< "$query" || fail "an offset by timestamp: $query, expected offset 0"
say "offsets asked for"

timeout 60 kcat -b "$bootstrap" -G "kcat-group-$$" -q -c 1000 -X auto.offset.reset=earliest -X session.timeout.ms=10000 "$idempotent" > "$work/read" \
    || fail "a group's member"
diff <(seq 1000) "$work/read" > /dev/null || fail "the group's member did not read 1 to 1000"
say "read as the member of a group"
say "all done"
