//! The kill table: each flaw of the reference, and how many seeds it takes until an invariant falls.

use std::fmt::Write as _;

use crate::rules::{UnknownFlaw, flaws};
use crate::run::sweep;
use crate::scenario::{Profile, Wishes};
use crate::shrink::shrink;

/// A flaw that must fall, in which worlds, within how many seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The flaw.
    pub id: &'static str,
    /// The kind of world that it is looked for in.
    pub profile: Profile,
    /// The budget: seeds from 0 on.
    pub seeds: u64,
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What was looked for.
    pub target: Target,
    /// The flaw's name.
    pub name: &'static str,
    /// How it fell, if it did.
    pub killed: Option<Killed>,
}

/// How a flaw fell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Killed {
    /// The tag of the invariant.
    pub invariant: &'static str,
    /// How many seeds were run.
    pub seeds: u64,
    /// Steps to the violation.
    pub steps: u64,
    /// The same after shrinking.
    pub steps_shrunk: u64,
    /// Faults and operations after shrinking.
    pub happenings: usize,
    /// Messages gone astray after shrinking.
    pub mischief: usize,
}

/// How many runs shrinking takes at most.
const SHRINK_RUNS: u32 = 1_000;

const fn target(id: &'static str, profile: Profile, seeds: u64) -> Target {
    Target { id, profile, seeds }
}

/// The flaws that simulation has to find.
pub const TARGETS: &[Target] = &[
    target("A01", Profile::Elections, 2_000),
    target("A02", Profile::Elections, 2_000),
    target("A03", Profile::Elections, 2_000),
    target("A06", Profile::Elections, 2_000),
    target("A07", Profile::Elections, 2_000),
    target("A08", Profile::Elections, 2_000),
    target("A11", Profile::Elections, 2_000),
    target("A14", Profile::Elections, 2_000),
    target("A15", Profile::Elections, 2_000),
    target("A17", Profile::Elections, 2_000),
    target("A20", Profile::Elections, 2_000),
    target("A23", Profile::Elections, 2_000),
    target("A24", Profile::Elections, 12_000),
    target("A30", Profile::Elections, 2_000),
    target("B01", Profile::Leaders, 2_000),
    target("B03", Profile::Unclean, 2_000),
    target("B06", Profile::Stale, 8_000),
    target("B07", Profile::Replicas, 2_000),
    target("B08", Profile::Leaders, 8_000),
    target("B11", Profile::Replicas, 2_000),
    target("B12", Profile::Leaders, 2_000),
    target("B14", Profile::Replicas, 2_000),
    target("B17", Profile::Stale, 4_000),
    target("B20", Profile::Tails, 2_000),
    target("B43", Profile::Stale, 40_000),
];

/// Looks for a flaw.
///
/// # Errors
/// If the flaw cannot be switched on.
pub fn kill(target: Target, threads: usize) -> Result<Row, UnknownFlaw> {
    let wishes =
        Wishes { profile: Some(target.profile), flaw: Some(target.id.to_owned()), ..Wishes::default() };
    let sweep = sweep(0, target.seeds, threads, &wishes, &|| true)?;
    let name = flaws().find(|(id, _)| *id == target.id).map_or("", |(_, name)| name);
    let killed = sweep.failed.and_then(|(_, outcome)| {
        let shrunk = shrink(&outcome, SHRINK_RUNS)?;
        Some(Killed {
            invariant: outcome.violation.as_ref()?.invariant.tag(),
            seeds: sweep.seeds,
            steps: outcome.place.step,
            steps_shrunk: shrunk.outcome.place.step,
            happenings: shrunk.outcome.script.happenings.len(),
            mischief: shrunk.outcome.script.mischief.len(),
        })
    });
    Ok(Row { target, name, killed })
}

/// The table in Markdown, as it stands in `specs/simulation.md`.
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| flaw | worlds | budget of seeds | seeds needed | invariant | steps | steps shrunk | faults and operations left | messages left |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let (id, name, target) = (row.target.id, row.name, row.target);
        let _ = match &row.killed {
            Some(killed) => writeln!(
                text,
                "| {id} {name} | {} | {} | {} | {} | {} | {} | {} | {} |",
                target.profile.name(),
                target.seeds,
                killed.seeds,
                killed.invariant,
                killed.steps,
                killed.steps_shrunk,
                killed.happenings,
                killed.mischief,
            ),
            None => writeln!(
                text,
                "| {id} {name} | {} | {} | SURVIVED | - | - | - | - | - |",
                target.profile.name(),
                target.seeds
            ),
        };
    }
    text
}
