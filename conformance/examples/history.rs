//! What it costs to judge a history of clients, by the number of records.
//!
//! `cargo run --release -p highwater-conformance --example history -- [RECORDS…]`
#![expect(clippy::print_stdout, reason = "it reports to a terminal")]

use std::time::Instant;

use highwater_conformance::play::cluster::history::{Consumed, History, Outcome, Produced};
use highwater_conformance::play::invariant::Broken;
use highwater_conformance::target::cluster::Acks;

fn main() -> Result<(), String> {
    let asked = std::env::args().skip(1).map(|word| word.parse().map_err(|error| format!("{word}: {error}")));
    let asked = asked.collect::<Result<Vec<u64>, String>>()?;
    let asked = if asked.is_empty() { vec![1_000, 10_000, 100_000, 1_000_000] } else { asked };
    for records in asked {
        let began = Instant::now();
        judge(records).map_err(|broken| format!("{}: {}", broken.invariant, broken.found))?;
        let seconds = began.elapsed().as_secs_f64();
        println!(
            "{records:>9} records sent, acknowledged and read: {seconds:.3} s, {:.2} us a record",
            seconds * 1e6 / records as f64
        );
    }
    Ok(())
}

fn judge(records: u64) -> Result<(), Broken> {
    let mut history = History::new(&[]);
    let mut read = Vec::new();
    for offset in 0..records {
        let value = format!("x{offset}");
        history.sends("t", &value);
        history.produced(&Produced {
            topic: "t".to_owned(),
            to: None,
            acks: Acks::All,
            value: value.clone(),
            outcome: Outcome::Acknowledged { offset },
            told: String::new(),
        })?;
        read.push((offset, value));
    }
    history.consumed(&Consumed { topic: "t".to_owned(), at: None, records: read })
}
