//! `highwater models`: what there is to check, and the names that `check` takes.

use std::fmt::Write as _;

use highwater_model::catalogue;
use highwater_model::family::{self, Card};

use crate::output::{self, Exit, Failure};

pub(crate) fn run(model: Option<&str>) -> Result<Exit, Failure> {
    let text = match model {
        Some(name) => card(&family::find(name)?.card()),
        None => catalogue().iter().map(|entry| entry.card()).map(|card| line(&card)).collect(),
    };
    output::print(&text)?;
    Ok(Exit::Holds)
}

fn line(card: &Card) -> String {
    format!(
        "{:<14} {} ({} claims, {} rules, {} flaws)\n",
        card.name,
        card.summary,
        card.claims.len(),
        card.rules.len(),
        card.flaws.len()
    )
}

fn card(card: &Card) -> String {
    let mut text = format!("{}: {}\n", card.name, card.summary);
    section(
        &mut text,
        "bounds",
        card.bounds.iter().map(|bound| {
            (
                format!("--{} {}", bound.name, bound.default),
                format!("{} to {}: {}", bound.min, bound.max, bound.summary),
            )
        }),
    );
    section(&mut text, "grains (--grain)", card.grains.iter().map(own));
    section(
        &mut text,
        "rules (--without)",
        card.rules.iter().map(|rule| (rule.name.to_owned(), format!("{} [{}]", rule.summary, rule.clause))),
    );
    section(
        &mut text,
        "claims (--claim)",
        card.claims.iter().map(|claim| {
            (claim.name.to_owned(), format!("{} {} [{}]", claim.kind, claim.summary, claim.clause))
        }),
    );
    section(
        &mut text,
        "flaws (--flaw)",
        card.flaws.iter().map(|flaw| (flaw.id.to_owned(), format!("{}: {}", flaw.name, flaw.summary))),
    );
    section(&mut text, "controls (--control)", card.controls.iter().map(own));
    text
}

fn own((name, summary): &(&'static str, &'static str)) -> (String, String) {
    ((*name).to_owned(), (*summary).to_owned())
}

fn section(text: &mut String, title: &str, rows: impl Iterator<Item = (String, String)>) {
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}");
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, summary) in rows {
        let _ = writeln!(text, "  {name:<width$}  {summary}");
    }
}
