//! The kill matrix: every flaw of the reference's cores against every case. Only with the cargo feature `flaws`.
//!
//! A suite that cannot fail proves nothing. A flaw dies when a case fails with it, be it by the case's own expectation or by an invariant, and whatever its
//! demand: what a target chose to offer must work. What is only inconclusive kills nothing: a target that breaks is no verdict about it. The control, the reference as it ships, must pass everything.
//!
//! What survives stands in `conformance/survivors.txt`, each with the reason. A survivor that does not stand there is a violation, and so is one that
//! stands there and dies, or a case that names a flaw (`kills:`) which passes it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::select::reasons;
use super::{Item, Observer, Options, Registry, Silent, run};
use crate::report::{Outcome, Report, Verdict};

/// The survivors that are known.
pub const SURVIVORS: &str = include_str!("../../survivors.txt");

/// A flaw of the reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Such as `A01`.
    pub id: &'static str,
    /// Such as `commit-old-epoch`.
    pub name: &'static str,
    /// The cores that it breaks.
    pub cores: Vec<&'static str>,
}

/// All flaws of the reference, by id. One may be in more than one core.
pub fn flaws() -> Vec<Flaw> {
    let quorum = highwater_core::quorum::FLAWS.iter().map(|flaw| (flaw.id, flaw.name, "quorum"));
    let partition = highwater_core::partition::FLAWS.iter().map(|flaw| (flaw.id, flaw.name, "partition"));
    let controller = highwater_core::controller::FLAWS.iter().map(|flaw| (flaw.id, flaw.name, "controller"));
    let mut flaws: BTreeMap<&str, Flaw> = BTreeMap::new();
    for (id, name, core) in quorum.chain(partition).chain(controller) {
        flaws.entry(id).or_insert_with(|| Flaw { id, name, cores: Vec::new() }).cores.push(core);
    }
    flaws.into_values().collect()
}

/// A flaw against all cases.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The flaw.
    pub flaw: Flaw,
    /// The cases that fail with it, in the order of their ids.
    pub killers: Vec<String>,
    /// Where the first of them fails.
    pub first: Option<String>,
    /// The cases with which the target broke.
    pub broke: Vec<String>,
    /// Cases that say that they kill it, and kill it neither here nor in the model.
    pub missed: Vec<String>,
}

/// All flaws against all cases.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// The reference as it ships.
    pub control: Report,
    /// A row a flaw, by id.
    pub rows: Vec<Row>,
}

/// Plays `items` with each flaw.
///
/// # Errors
/// If the target cannot be had.
pub fn matrix(
    registry: &Registry,
    items: &[Item],
    options: &Options,
    observer: &dyn Observer,
) -> Result<Matrix, String> {
    let control = run(&registry.open("reference", None)?, items, options, observer)?;
    let mut rows = Vec::new();
    for flaw in flaws() {
        if !observer.goes_on() {
            break;
        }
        // The reference of quorums alone has no flaws of brokers: they survive.
        let report = match registry.open("reference", Some(flaw.id)) {
            Ok(target) => Some(run(&target, items, options, observer)?),
            Err(_) => None,
        };
        let mut row = Row::of(flaw, report.as_ref(), items);
        // What only the model can show is shown there.
        row.missed.retain(|id| !fails_on_model(registry, items, id, row.flaw.id, options));
        rows.push(row);
    }
    Ok(Matrix { control, rows })
}

fn fails_on_model(registry: &Registry, items: &[Item], id: &str, flaw: &str, options: &Options) -> bool {
    let Ok(model) = registry.open("model", Some(flaw)) else { return false };
    let item: Vec<Item> = items.iter().filter(|item| item.id == id).cloned().collect();
    let report = run(&model, &item, options, &Silent);
    report.is_ok_and(|report| report.totals.fail > 0)
}

impl Row {
    fn of(flaw: Flaw, report: Option<&Report>, items: &[Item]) -> Self {
        let cases = || report.into_iter().flat_map(|report| &report.cases);
        let is_killer = |case: &&crate::report::CaseReport| case.verdict == Verdict::Fail;
        let killers: Vec<String> = cases().filter(is_killer).map(|case| case.id.clone()).collect();
        let failure = cases().find(is_killer).and_then(|case| case.failure.as_ref());
        let first = failure.map(|failure| match &failure.invariant {
            Some(invariant) => format!("line {}: {invariant}", failure.line),
            None => format!("line {}: {}", failure.line, failure.step),
        });
        let broke = cases().filter(|case| case.verdict == Verdict::Inconclusive).map(|case| case.id.clone());
        let names = |item: &&Item| item.scenario.kills.iter().any(|id| id == flaw.id);
        let was_played =
            |item: &&Item| cases().any(|case| case.id == item.id && case.verdict != Verdict::Skip);
        let missed = items.iter().filter(names).filter(was_played).filter(|item| !killers.contains(&item.id));
        Self {
            missed: missed.map(|item| item.id.clone()).collect(),
            broke: broke.collect(),
            killers,
            first,
            flaw,
        }
    }

    /// Whether a case fails with it.
    pub fn is_killed(&self) -> bool {
        !self.killers.is_empty()
    }
}

impl Matrix {
    /// What is not as it should be, each with the cure; `survivors` are lines of a flaw and the reason why no case kills it.
    ///
    /// # Errors
    /// If the lines make no sense.
    pub fn complaints(&self, survivors: &str) -> Result<Vec<String>, String> {
        let known = self.known(survivors)?;
        let mut complaints = Vec::new();
        if self.control.outcome != Outcome::Holds {
            complaints.push("the control fails: the reference as it ships does not pass; see `highwater conformance --target reference`".to_owned());
        }
        for row in &self.rows {
            let id = row.flaw.id;
            match (row.is_killed(), known.contains_key(id)) {
                (false, false) => complaints.push(format!(
                    "{id} {} survives; write a case that fails with it, or say in conformance/survivors.txt why none can",
                    row.flaw.name
                )),
                (true, true) => complaints.push(format!(
                    "{id} stands in conformance/survivors.txt, and {} kills it; take it out there",
                    row.killers.join(" ")
                )),
                _ => {}
            }
            for case in &row.missed {
                complaints.push(format!(
                    "{case} says that it kills {id}, and passes with it; mend its line kills:"
                ));
            }
        }
        Ok(complaints)
    }

    fn known(&self, survivors: &str) -> Result<BTreeMap<String, String>, String> {
        let all = flaws();
        reasons(survivors, |id| {
            let is_known = all.iter().any(|flaw| flaw.id == id);
            if is_known { Ok(()) } else { Err(format!("the reference has no flaw {id}; take it out")) }
        })
    }

    /// The table in Markdown, as it stands in `specs/conformance.md`.
    ///
    /// # Errors
    /// If `survivors` makes no sense.
    pub fn table(&self, survivors: &str) -> Result<String, String> {
        let known = self.known(survivors)?;
        let mut text = String::from("| flaw | cores | killed by | where | and by |\n|---|---|---|---|---|\n");
        for row in &self.rows {
            let Flaw { id, name, cores } = &row.flaw;
            let cores = cores.join(", ");
            let _ = match (row.killers.split_first(), known.get(*id)) {
                (Some((first, others)), _) => {
                    let place = row.first.as_deref().unwrap_or("").replace('|', "\\|");
                    let others = if others.is_empty() { "-".to_owned() } else { others.join(" ") };
                    writeln!(text, "| {id} {name} | {cores} | {first} | {place} | {others} |")
                }
                (None, Some(reason)) => writeln!(text, "| {id} {name} | {cores} | survives | {reason} | - |"),
                (None, None) => writeln!(text, "| {id} {name} | {cores} | SURVIVES | - | - |"),
            };
        }
        let killed = self.rows.iter().filter(|row| row.is_killed()).count();
        let _ = writeln!(
            text,
            "\n{killed} of {} flaws are killed by {} cases.",
            self.rows.len(),
            self.control.totals.cases
        );
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::all;
    use super::*;

    fn of(text: &str) -> Matrix {
        let mut items = all().expect("cases");
        items.retain(|item| item.id == "KH-01");
        items[0].text = text.to_owned();
        items[0].scenario = crate::scenario::parse(text).expect("a scenario");
        matrix(&Registry::default(), &items, &Options::default(), &Silent).expect("a matrix")
    }

    const IDLE: &str = "title: t\nkills: A06\nquorum: n1 n2 n3\ncampaign n1\n";

    #[test]
    fn survivor_that_nobody_expects_is_complained_of() {
        let complaints = of(IDLE).complaints("").expect("complaints");
        assert!(
            complaints.iter().any(|text| text.starts_with("A01 commit-old-epoch survives")),
            "{complaints:?}"
        );
        assert!(
            complaints.contains(
                &"KH-01 says that it kills A06, and passes with it; mend its line kills:".to_owned()
            )
        );
        // With E41 a leader commits alone what it begins its epoch with, upon which an invariant breaks whatever is played.
        let dies = |flaw: &&Flaw| flaw.id == "E41";
        assert_eq!(flaws().iter().filter(dies).count(), 1);
        let known: String =
            flaws().iter().filter(|flaw| !dies(flaw)).map(|flaw| format!("{} not yet\n", flaw.id)).collect();
        assert_eq!(of(IDLE).complaints(&known).expect("complaints").len(), 1);
    }

    #[test]
    fn flaw_that_dies_although_it_is_expected_to_survive_is_complained_of() {
        let text = crate::case::SOURCES.iter().find(|source| source.id == "KH-01").expect("KH-01").text;
        let complaints = of(text).complaints("A01 no case yet").expect("complaints");
        assert!(
            complaints.contains(
                &"A01 stands in conformance/survivors.txt, and KH-01 kills it; take it out there".to_owned()
            ),
            "{complaints:?}"
        );
        assert!(
            of(text)
                .complaints("A99 x")
                .expect_err("no flaw")
                .contains("line 1: the reference has no flaw A99")
        );
    }

    #[test]
    fn table_names_the_first_case_that_kills_and_where() {
        let text = crate::case::SOURCES.iter().find(|source| source.id == "KH-01").expect("KH-01").text;
        let table = of(text).table("").expect("a table");
        assert!(table.contains("| A01 commit-old-epoch | quorum | KH-01 | line "), "{table}");
    }
}
