//! `highwater flaws`: the catalogue of flaws, and the kill matrix of the models.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table, presets};
use highwater_model::catalogue;
use highwater_model::check::{ClaimVerdict, Options, Verdict};
use highwater_model::family::{self, Card, ControlReport, Entry, FlawReport};
use serde_json::json;

use crate::arguments::FlawsArguments;
use crate::output::{self, Exit, Failure};
use crate::searching;

pub(crate) fn run(arguments: &FlawsArguments) -> Result<Exit, Failure> {
    let entries: Vec<&'static dyn Entry> = match &arguments.model {
        Some(name) => vec![family::find(name)?],
        None => catalogue().to_vec(),
    };
    if arguments.check {
        return check(&entries, arguments);
    }
    let cards: Vec<Card> = entries.iter().map(|entry| entry.card()).collect();
    let listed = if arguments.json { list_json(&cards) } else { list(&cards) };
    output::print(&listed)?;
    Ok(Exit::Holds)
}

fn list(cards: &[Card]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header([
        "id",
        "model",
        "flaw",
        "breaks, after steps",
    ]);
    for flaw in cards.iter().flat_map(|card| &card.flaws) {
        let breaks = flaw.breaks.iter().map(|(claim, steps)| format!("{claim} {steps}")).collect::<Vec<_>>();
        let legal = if flaw.legal { " [legal loss]" } else { "" };
        table.add_row([
            flaw.id.to_owned(),
            flaw.model.to_owned(),
            format!("{}{legal}: {}", flaw.name, flaw.summary),
            breaks.join("\n"),
        ]);
    }
    let count = cards.iter().map(|card| card.flaws.len()).sum::<usize>();
    format!("{table}\n{count} flaws; `highwater check MODEL --flaw ID` shows one, specs/flaws/ tells it\n")
}

fn list_json(cards: &[Card]) -> String {
    let flaws: Vec<_> = cards
        .iter()
        .flat_map(|card| &card.flaws)
        .map(|flaw| {
            let breaks: Vec<_> =
                flaw.breaks.iter().map(|(claim, steps)| json!({"claim": claim, "steps": steps})).collect();
            json!({
                "id": flaw.id, "model": flaw.model, "name": flaw.name, "summary": flaw.summary,
                "rule": flaw.rule, "breaks": breaks, "keeps": flaw.keeps, "legal": flaw.legal,
                "source": flaw.source,
            })
        })
        .collect();
    format!("{:#}\n", json!({ "flaws": flaws }))
}

/// Runs the matrix. A survivor or a broken control is a violation; a cut search is incomplete, never a pass.
fn check(entries: &[&'static dyn Entry], arguments: &FlawsArguments) -> Result<Exit, Failure> {
    let options = searching::options(&arguments.resources)?;
    let mut matrix = Matrix { flaws: Vec::new(), controls: Vec::new(), gaps: Vec::new() };
    for entry in entries {
        let card = entry.card();
        for flaw in &card.flaws {
            let row = entry.check_flaw(flaw.id, &options)?;
            if !arguments.json {
                output::print(&flaw_line(&row))?;
            }
            matrix.flaws.push(row);
        }
        for (name, _) in &card.controls {
            let row = entry.check_control(name, &Options { ..options })?;
            if !arguments.json {
                output::print(&control_line(&row))?;
            }
            matrix.controls.push(row);
        }
        matrix.gaps.extend(gaps(&card));
    }
    output::print(&if arguments.json { matrix.json() } else { matrix.told() })?;
    Ok(matrix.exit())
}

/// What no flaw breaks, though some flaw must: each rule and each `always` and `leads-to` claim.
fn gaps(card: &Card) -> Vec<String> {
    let rules = card
        .rules
        .iter()
        .filter(|rule| !card.flaws.iter().any(|flaw| flaw.rule == rule.name))
        .map(|rule| format!("{}: no flaw breaks the rule {}", card.name, rule.name));
    let broken =
        |claim: &str| card.flaws.iter().any(|flaw| flaw.breaks.iter().any(|(broken, _)| *broken == claim));
    let claims = card
        .claims
        .iter()
        .filter(|claim| claim.kind != "sometimes" && !broken(claim.name))
        .map(|claim| format!("{}: no flaw breaks the claim {}", card.name, claim.name));
    rules.chain(claims).collect()
}

struct Matrix {
    flaws: Vec<FlawReport>,
    controls: Vec<ControlReport>,
    gaps: Vec<String>,
}

impl Matrix {
    fn survivors(&self) -> impl Iterator<Item = &FlawReport> {
        self.flaws.iter().filter(|flaw| !flaw.killed)
    }

    fn exit(&self) -> Exit {
        let flaws = self.flaws.iter().map(|flaw| verdict(flaw.killed, flaw.incomplete));
        let controls = self.controls.iter().map(|control| verdict(control.green, control.incomplete));
        let rows: Vec<Verdict> = flaws.chain(controls).collect();
        if rows.contains(&Verdict::Violated) || !self.gaps.is_empty() {
            Exit::Violated
        } else if rows.contains(&Verdict::Incomplete) {
            Exit::Incomplete
        } else {
            Exit::Holds
        }
    }

    fn told(&self) -> String {
        let mut text = String::new();
        for gap in &self.gaps {
            let _ = writeln!(text, "GAP       {gap}");
        }
        let survivors = self.survivors().count();
        let red = self.controls.iter().filter(|control| !control.green).count();
        let _ = writeln!(
            text,
            "{} flaws: {} killed, {survivors} survived; {} controls: {} green, {red} red; {} gaps",
            self.flaws.len(),
            self.flaws.len() - survivors,
            self.controls.len(),
            self.controls.len() - red,
            self.gaps.len(),
        );
        text
    }

    fn json(&self) -> String {
        format!("{:#}\n", json!({"flaws": self.flaws, "controls": self.controls, "gaps": self.gaps}))
    }
}

/// A row that is as it should be holds, even if a search that it did not need was cut short.
fn verdict(as_it_should_be: bool, incomplete: bool) -> Verdict {
    match (as_it_should_be, incomplete) {
        (true, _) => Verdict::Holds,
        (false, true) => Verdict::Incomplete,
        (false, false) => Verdict::Violated,
    }
}

fn flaw_line(row: &FlawReport) -> String {
    let verdict = match verdict(row.killed, row.incomplete) {
        Verdict::Holds => "killed",
        Verdict::Incomplete => "INCOMPLETE",
        Verdict::Violated => "SURVIVED",
    };
    let breaks = row.breaks.iter().map(|broken| match (broken.verdict, broken.steps) {
        (ClaimVerdict::Violated, Some(steps)) if steps == broken.steps_expected => {
            format!("{} ({steps})", broken.claim)
        }
        (ClaimVerdict::Violated, steps) => format!(
            "{} (in {} steps, expected {})",
            broken.claim,
            steps.map_or("?".to_owned(), |steps| steps.to_string()),
            broken.steps_expected
        ),
        (verdict, _) => format!("{} ({verdict:?}, expected a violation)", broken.claim),
    });
    let lost = row
        .keeps
        .iter()
        .filter(|kept| kept.verdict != ClaimVerdict::Holds)
        .map(|kept| format!("{} ({:?}, must hold)", kept.claim, kept.verdict));
    let told = breaks.chain(lost).collect::<Vec<_>>().join(", ");
    format!("{verdict:<10} {:<14} {:<5} {told}\n", row.model, row.id)
}

fn control_line(row: &ControlReport) -> String {
    let verdict = match verdict(row.green, row.incomplete) {
        Verdict::Holds => "green",
        Verdict::Incomplete => "INCOMPLETE",
        Verdict::Violated => "RED",
    };
    let broken =
        if row.violated.is_empty() { String::new() } else { format!(" breaks {}", row.violated.join(", ")) };
    format!("{verdict:<10} {:<14} control {}{broken}\n", row.model, row.name)
}
