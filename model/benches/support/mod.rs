//! What a benchmark of searches needs beside the search: the machine, a meter, a table.

pub(crate) mod machine;
pub(crate) mod meter;
pub(crate) mod table;

use std::time::Duration;

use self::meter::Cost;

/// What one run found and took, in a line between processes.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// Distinct states or orbits.
    pub(crate) unique: u64,
    /// Successors, initial states included.
    pub(crate) generated: u64,
    /// Levels.
    pub(crate) depth: u64,
    /// Peak of the search's own tables; 0 where it does not tell.
    pub(crate) table_bytes: u64,
    /// What it took.
    pub(crate) cost: Cost,
    /// How often each kind of action fired; empty where the search does not tell.
    pub(crate) fired: Vec<u64>,
}

impl Sample {
    /// As [`Sample::parse`] reads it.
    pub(crate) fn line(&self) -> String {
        let Self { unique, generated, depth, table_bytes, cost, fired } = self;
        let (wall, cpu) = (cost.wall.as_secs_f64(), cost.cpu.as_secs_f64());
        let mut line =
            format!("{unique} {generated} {depth} {table_bytes} {} {wall} {cpu}", cost.resident_bytes);
        for count in fired {
            line += &format!(" {count}");
        }
        line
    }

    /// The sample of a line.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let mut number = || words.next()?.parse::<u64>().ok();
        let (unique, generated, depth) = (number()?, number()?, number()?);
        let (table_bytes, resident_bytes) = (number()?, number()?);
        let mut seconds = || words.next()?.parse().ok().map(Duration::from_secs_f64);
        let cost = Cost { wall: seconds()?, cpu: seconds()?, resident_bytes };
        let fired = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
        Some(Self { unique, generated, depth, table_bytes, cost, fired })
    }
}
