//! Transcripts: what is sent, and what a leader makes of it. One behaviour a file, in `tests/scripts/producer`.
//!
//! A batch is told by its producer: `7@0 3..4` are the sequences 3 and 4 of producer 7 in epoch 0. `none` is -1: no producer, no sequence.

use std::collections::BTreeSet;
use std::error::Error;

use goldenscript::{ArgumentConsumer, Command, Context, Runner};
use highwater_core::batch::ControlRecord;
use highwater_core::partition::PartitionError;
use highwater_core::producer::{Appended, Producer, Verdict};

use crate::world::{Batch, World, marker};

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Script {
    world: World,
}

impl Script {
    /// `7@0 3`: the next positions name producer, epoch and sequence; how many records, and when, by key.
    fn batch(args: &mut ArgumentConsumer<'_>) -> Outcome<Batch> {
        let (producer, epoch) = name(args)?;
        Ok(Batch {
            producer,
            epoch,
            sequence: sequence(args)?,
            count: key(args, "count", 1)?,
            timestamp: key(args, "time", 0)?,
            transactional: key(args, "transactional", false)?,
        })
    }

    fn send(&mut self, batches: &[Batch]) -> String {
        let end = self.world.end();
        match self.world.send(batches) {
            Ok(Verdict::Append) => format!("appended {end}..{}\n", self.world.end() - 1),
            Ok(Verdict::Duplicate(original)) => format!("duplicate of {}\n", batch(&original)),
            Err(error) => {
                let named = PartitionError::from(error);
                format!("{named:?} ({}): {error}\n", named as i16)
            }
        }
    }
}

impl Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Outcome<String> {
        let mut args = command.consume_args();
        let mut output = String::new();
        match command.name.as_str() {
            "send" => {
                let batch = Self::batch(&mut args)?;
                output = self.send(&[batch]);
            }
            "send-together" => {
                let mut batches = Vec::new();
                let (count, timestamp, transactional) = (1, 0, false);
                while let Some((producer, epoch)) = maybe_name(&mut args)? {
                    let sequence = sequence(&mut args)?;
                    batches.push(Batch { producer, epoch, sequence, count, timestamp, transactional });
                }
                output = self.send(&batches);
            }
            "replicate" => {
                let batch = Self::batch(&mut args)?;
                let end = self.world.end();
                self.world.append(batch.bytes(end));
            }
            "end-transaction" => {
                let (producer, epoch) = name(&mut args)?;
                let coordinator_epoch = key(&mut args, "coordinator", 0)?;
                let timestamp = key(&mut args, "time", 0)?;
                let record = match args.next_pos() {
                    Some("commit") => ControlRecord::Commit { coordinator_epoch },
                    _ => ControlRecord::Abort { coordinator_epoch },
                };
                let end = self.world.end();
                self.world.append(marker(end, producer, epoch, timestamp, &record));
            }
            "snapshot" => self.world.take_snapshot(),
            "truncate" => self.world.truncate(args.next_pos().ok_or("where?")?.parse()?),
            "forget-before" => self.world.forget_before(args.next_pos().ok_or("what?")?.parse()?),
            "restart" => self.world.rebuild(),
            "expire" => {
                let (now, after) = (key(&mut args, "now", 0)?, key(&mut args, "after", 0)?);
                self.world.state.expire(now, after);
            }
            "status" => output = status(&self.world),
            other => return Err(format!("unknown command {other}").into()),
        }
        args.reject_next()?;
        Ok(output)
    }
}

fn status(world: &World) -> String {
    let mut output = format!("log {}..{}\n", world.start, world.end());
    for (id, producer) in world.state.iter() {
        output.push_str(&format!("{id}@{} time={}", producer.epoch(), producer.last_timestamp()));
        if producer.coordinator_epoch() >= 0 {
            output.push_str(&format!(" coordinator={}", producer.coordinator_epoch()));
        }
        if let Some(start) = producer.transaction_start() {
            output.push_str(&format!(" in transaction from {start}"));
        }
        output.push_str(&told(producer));
        output.push('\n');
    }
    output
}

fn told(producer: &Producer) -> String {
    let batches: Vec<String> = producer.batches().iter().map(batch).collect();
    format!(" [{}]", batches.join(", "))
}

fn batch(known: &Appended) -> String {
    let (first, last) = (known.base_sequence(), known.last_sequence);
    format!("{first}..{last} at {}..{} time={}", known.base_offset(), known.last_offset, known.timestamp)
}

fn name(args: &mut ArgumentConsumer<'_>) -> Outcome<(i64, i16)> {
    maybe_name(args)?.ok_or_else(|| "which producer and epoch (7@0)?".into())
}

fn maybe_name(args: &mut ArgumentConsumer<'_>) -> Outcome<Option<(i64, i16)>> {
    let Some(text) = args.next_pos() else { return Ok(None) };
    if text == "none" {
        return Ok(Some((-1, -1)));
    }
    let (producer, epoch) = text.split_once('@').ok_or("producer@epoch?")?;
    Ok(Some((producer.parse()?, epoch.parse()?)))
}

fn sequence(args: &mut ArgumentConsumer<'_>) -> Outcome<i32> {
    let text = args.next_pos().ok_or("which sequence?")?;
    Ok(if text == "none" { -1 } else { text.parse()? })
}

fn key<T>(args: &mut ArgumentConsumer<'_>, key: &str, default: T) -> Outcome<T>
where
    T: std::str::FromStr<Err: Error + 'static>,
{
    Ok(args.take_key(key).map(str::parse).transpose()?.unwrap_or(default))
}

fn path(name: &str) -> String {
    format!("{}/tests/scripts/producer/{name}", env!("CARGO_MANIFEST_DIR"))
}

macro_rules! transcripts {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                let mut script = Script { world: World::default() };
                goldenscript::run(&mut script, path(stringify!($name))).expect("a transcript");
            }
        )*

        #[test]
        fn every_transcript_is_run() {
            let names: BTreeSet<String> = [$(stringify!($name).to_string()),*].into();
            let files = std::fs::read_dir(path("")).expect("transcripts");
            let files = files.map(|file| file.expect("a file").file_name().into_string().expect("a name")).collect();
            assert_eq!(names, files);
        }
    };
}

transcripts! {
    batch_without_producer_is_always_new
    batches_together_refused
    deletion_keeps_producers
    duplicate_of_last_five_answered
    duplicate_older_than_five_refused
    duplicate_with_another_end_refused
    epoch_newer_begins_at_zero
    epoch_older_fenced
    producer_silent_expired
    producer_unknown_begins_anywhere
    replication_not_judged
    restart_knows_newest_of_snapshot
    sequence_gap_refused
    sequence_missing_refused
    sequence_wraps
    transaction_of_client_refused
    transaction_of_kafka_followed
    truncation_forgets_what_was_cut
}
