//! A run, for people.
//!
//! ```text
//! KH  commits and high watermarks of the quorum
//!   pass  KH-01  A record of an older epoch on a majority is not yet committed
//! ```
//!
//! Failures stand once more at the end, in full: what was found, what was expected, in which line, and the command that repeats it. Text is in
//! colours, by escapes that a stream takes out where nobody sees them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use highwater_model::trace::words::clean;

use super::{CaseReport, Outcome, Report, Verdict};
use crate::suite::{about, group};

const BOLD: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const RED: Style = AnsiColor::Red.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();

/// The whole report.
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    let width = report.cases.iter().map(|case| case.id.len()).max().unwrap_or(0);
    let mut last = None;
    for case in &report.cases {
        let of = group(&case.id);
        if last != Some(of) && !about(of).is_empty() {
            let gap = if last.is_some() { "\n" } else { "" };
            let _ = writeln!(text, "{gap}{BOLD}{of}{BOLD:#}  {}", about(of));
        }
        last = Some(of);
        text.push_str(&row(case, width));
    }
    text.push_str(&skipped(report));
    for case in report.cases.iter().filter(|case| is_told(case)) {
        text.push('\n');
        text.push_str(&failure(case));
    }
    let _ = writeln!(text, "\n{}", summary(report));
    text
}

/// Whether a case is told once more at the end.
fn is_told(case: &CaseReport) -> bool {
    matches!(case.verdict, Verdict::Fail | Verdict::Xpass | Verdict::Inconclusive)
}

fn row(case: &CaseReport, width: usize) -> String {
    let style = style(case);
    let stake = case.stake();
    let stake = if stake.is_empty() { String::new() } else { format!("  {FAINT}({stake}){FAINT:#}") };
    format!(
        "  {style}{:<12}{style:#}  {:<width$}  {}{stake}\n",
        if case.violates { case.verdict.word().to_uppercase() } else { case.verdict.word().to_owned() },
        case.id,
        clean(&case.title),
    )
}

fn style(case: &CaseReport) -> Style {
    match case.verdict {
        Verdict::Pass => GREEN,
        _ if case.violates => RED,
        Verdict::Skip => FAINT,
        _ => YELLOW,
    }
}

/// Why cases were skipped, each reason once.
fn skipped(report: &Report) -> String {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for case in report.cases.iter().filter(|case| case.verdict == Verdict::Skip) {
        reasons.entry(case.because.as_deref().unwrap_or("")).or_default().push(&case.id);
    }
    let mut text = String::new();
    for (place, (reason, ids)) in reasons.iter().enumerate() {
        let gap = if place == 0 { "\n" } else { "" };
        let _ = writeln!(text, "{gap}{} skipped: {}: {}", ids.len(), clean(reason), ids.join(" "));
    }
    text
}

/// A case that failed, in full.
pub fn failure(case: &CaseReport) -> String {
    let style = style(case);
    let word = case.verdict.word().to_uppercase();
    let mut text = format!("{style}{word}{style:#}  {BOLD}{}{BOLD:#}  {}\n", case.id, clean(&case.title));
    let mut line = |name: &str, what: &str| {
        let _ = writeln!(text, "  {name:<10}{}", clean(what));
    };
    if !case.clauses.is_empty() {
        line("clauses", &case.clauses.join(" "));
    }
    if let Some(source) = &case.source {
        line("source", source);
    }
    if let Some(failure) = &case.failure {
        let at = if failure.line > 0 { format!("line {}: ", failure.line) } else { String::new() };
        line("step", &format!("{at}{}", failure.step));
        line("found", &failure.found);
        line("expected", &failure.expected);
        if let Some(invariant) = &failure.invariant {
            line("invariant", invariant);
        }
    }
    if let Some(because) = &case.because {
        line("because", because);
    }
    if case.verdict == Verdict::Fail && !case.violates {
        line(
            "at stake",
            match case.demand {
                crate::scenario::Demand::Should => "a SHOULD: a violation under --strict only",
                _ => "nothing: a choice of a version or a configuration",
            },
        );
    }
    line("repeat", &case.repeat);
    text
}

/// The last line: `model, seed 1: 12 cases: 11 pass, 1 skip`.
pub fn summary(report: &Report) -> String {
    let totals = &report.totals;
    let counts: Vec<String> = Verdict::ALL
        .into_iter()
        .filter(|verdict| totals.of(*verdict) > 0)
        .map(|verdict| match verdict {
            Verdict::Fail if totals.tolerated > 0 => {
                format!("{} fail ({} tolerated)", totals.fail, totals.tolerated)
            }
            verdict => format!("{} {}", totals.of(verdict), verdict.word()),
        })
        .collect();
    let counts = if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) };
    let (style, word) = match report.outcome {
        Outcome::Holds => (GREEN, "holds"),
        Outcome::Violated => (RED, "violated"),
        Outcome::Incomplete if totals.inconclusive == 0 => (YELLOW, "incomplete: nothing was played"),
        Outcome::Incomplete => (YELLOW, "incomplete"),
    };
    let subject = report.subject();
    format!(
        "target {}, seed {}: {} {}{counts}: {style}{word}{style:#}",
        clean(&subject),
        report.seed,
        totals.cases,
        if totals.cases == 1 { "case" } else { "cases" },
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{case, report};
    use super::*;
    use crate::scenario::Demand;

    fn plain(report: &Report) -> String {
        without_escapes(&render(report))
    }

    fn without_escapes(text: &str) -> String {
        let mut plain = String::new();
        let mut parts = text.split('\u{1b}');
        plain.push_str(parts.next().unwrap_or_default());
        for part in parts {
            plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
        }
        plain
    }

    #[test]
    fn failures_are_told_again_at_the_end_with_the_command_that_repeats_them() {
        let told = plain(&report(vec![
            case("KE-01", Demand::Must, Verdict::Pass, false),
            case("KH-01", Demand::Must, Verdict::Fail, true),
            case("KH-02", Demand::Must, Verdict::Skip, false),
            case("KH-03", Demand::Should, Verdict::Fail, false),
        ]));
        assert_eq!(
            told,
            "\
KE  elections of the quorum
  pass          KE-01  The title of <KE-01>

KH  commits and high watermarks of the quorum
  FAIL          KH-01  The title of <KH-01>
  skip          KH-02  The title of <KH-02>
  fail          KH-03  The title of <KH-03>  (should)

1 skipped: t has no messages: KH-02

FAIL  KH-01  The title of <KH-01>
  clauses   kraft/commit/1
  step      line 3: expect n1 log lacks x
  found     n1 with <x>
  expected  that its log lacks x
  invariant kraft/safety/5
  repeat    highwater conformance --target t --seed 1 KH-01

FAIL  KH-03  The title of <KH-03>
  clauses   kraft/commit/1
  step      line 3: expect n1 log lacks x
  found     n1 with <x>
  expected  that its log lacks x
  invariant kraft/safety/5
  at stake  a SHOULD: a violation under --strict only
  repeat    highwater conformance --target t --seed 1 KH-03

target t, seed 1: 4 cases: 1 pass, 2 fail (1 tolerated), 1 skip: violated
"
        );
    }

    #[test]
    fn run_in_which_nothing_was_played_says_so() {
        let told = plain(&report(vec![case("KH-01", Demand::Must, Verdict::Skip, false)]));
        assert!(told.ends_with("1 case: 1 skip: incomplete: nothing was played\n"), "{told}");
    }

    #[test]
    fn hostile_text_stays_text() {
        let mut hostile = case("KH-01", Demand::Must, Verdict::Fail, true);
        hostile.title = "\u{1b}[2Jgone".to_owned();
        let told = render(&report(vec![hostile]));
        assert!(!told.contains("\u{1b}[2J"), "{told:?}");
    }
}
