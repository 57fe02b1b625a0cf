//! Runs as one page: a matrix of cases and targets. Each case unfolds to its scenario, and each failure to its diagram.
//!
//! The page holds everything it needs. It is light or dark as its reader prefers; without a script all but unfolding for print works.

use std::collections::BTreeMap;

use askama::Template;
use highwater_model::trace::layout::Frame;
use highwater_model::trace::words::clean;
use highwater_model::trace::{Story, svg};

use super::{CaseReport, Outcome, Report, Verdict};
use crate::suite::{about, group};

/// The page of these runs.
///
/// # Errors
/// If it cannot be written.
pub fn render(reports: &[Report]) -> Result<String, String> {
    Page::of(reports).render().map_err(|error| format!("a page cannot be made of this run: {error}"))
}

/// So many failures are unfolded from the start.
const OPEN_MAX: usize = 2;

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    title: String,
    style: &'static str,
    version: &'static str,
    words: Vec<&'static str>,
    columns: Vec<Column>,
    groups: Vec<Group>,
}

/// A run.
struct Column {
    name: String,
    outcome: &'static str,
    class: &'static str,
    cases: usize,
    counts: Vec<usize>,
    seed: u64,
    strict: bool,
}

struct Group {
    name: String,
    about: &'static str,
    rows: Vec<Row>,
}

/// A case.
struct Row {
    id: String,
    title: String,
    stake: &'static str,
    clauses: Vec<String>,
    source: Option<String>,
    /// Of a run, what there is to say besides.
    notes: Vec<(String, String)>,
    lines: Vec<Line>,
    cells: Vec<Cell>,
    failures: Vec<Failure>,
    open: bool,
}

struct Line {
    code: String,
    comment: String,
    bad: bool,
}

struct Cell {
    class: &'static str,
    sign: &'static str,
    word: &'static str,
}

struct Failure {
    class: &'static str,
    target: String,
    word: &'static str,
    step: String,
    found: String,
    expected: String,
    invariant: Option<String>,
    repeat: String,
    diagram: Option<String>,
}

impl Page {
    fn of(reports: &[Report]) -> Self {
        let mut cases: BTreeMap<&str, Vec<Option<&CaseReport>>> = BTreeMap::new();
        for (place, report) in reports.iter().enumerate() {
            for case in &report.cases {
                cases.entry(&case.id).or_insert_with(|| vec![None; reports.len()])[place] = Some(case);
            }
        }
        let mut groups: Vec<Group> = Vec::new();
        let mut diagrams = 0;
        for (id, of) in cases {
            let name = group(id);
            if groups.last().is_none_or(|last| last.name != name) {
                groups.push(Group { name: name.to_owned(), about: about(name), rows: Vec::new() });
            }
            if let Some(last) = groups.last_mut() {
                last.rows.push(Row::of(id, reports, &of, &mut diagrams));
            }
        }
        // A few failures are shown at once; many would hide the matrix.
        let open = groups.iter().flat_map(|group| &group.rows).filter(|row| row.open).count();
        if open > OPEN_MAX {
            groups.iter_mut().flat_map(|group| &mut group.rows).for_each(|row| row.open = false);
        }
        let subjects: Vec<String> = reports.iter().map(Report::subject).collect();
        Self {
            title: clean(&subjects.join(", ")).into_owned(),
            style: include_str!("../../templates/report.css"),
            version: env!("CARGO_PKG_VERSION"),
            words: Verdict::ALL.map(Verdict::word).into(),
            columns: reports.iter().map(Column::of).collect(),
            groups,
        }
    }
}

impl Column {
    fn of(report: &Report) -> Self {
        let (outcome, class) = match report.outcome {
            Outcome::Holds => ("holds", "good"),
            Outcome::Incomplete => ("incomplete", "warn"),
            Outcome::Violated => ("violated", "bad"),
        };
        Self {
            name: clean(&report.subject()).into_owned(),
            outcome,
            class,
            cases: report.totals.cases,
            counts: Verdict::ALL.map(|verdict| report.totals.of(verdict)).into(),
            seed: report.seed,
            strict: report.strict,
        }
    }
}

impl Row {
    fn of(id: &str, reports: &[Report], cases: &[Option<&CaseReport>], diagrams: &mut usize) -> Self {
        let told = || cases.iter().copied().flatten();
        let any = told().next();
        let subject = |place: usize| clean(&reports[place].subject()).into_owned();
        let bad: Vec<usize> =
            told().filter_map(|case| case.failure.as_ref()).map(|failure| failure.line).collect();
        let lines = any.map_or("", |case| case.scenario.as_str()).lines();
        let line = |(number, line): (usize, &str)| {
            let line = clean(line).into_owned();
            let at = line.find('#').unwrap_or(line.len());
            let (code, comment) = line.split_at(at);
            Line { code: code.to_owned(), comment: comment.to_owned(), bad: bad.contains(&number) }
        };
        let note = |(place, case): (usize, &Option<&CaseReport>)| {
            let because = case.as_ref()?.because.as_ref()?;
            Some((subject(place), clean(because).into_owned()))
        };
        let mut failures = Vec::new();
        for (place, case) in cases.iter().enumerate() {
            if let Some(case) = case
                && let Some(failure) = &case.failure
            {
                *diagrams += 1;
                failures.push(Failure {
                    class: class(case),
                    target: subject(place),
                    word: case.verdict.word(),
                    step: clean(&failure.step).into_owned(),
                    found: clean(&failure.found).into_owned(),
                    expected: clean(&failure.expected).into_owned(),
                    invariant: failure.invariant.clone(),
                    repeat: clean(&case.repeat).into_owned(),
                    diagram: case.story.as_ref().map(|story| diagram(story, *diagrams)),
                });
            }
        }
        Self {
            id: clean(id).into_owned(),
            title: any.map_or_else(String::new, |case| clean(&case.title).into_owned()),
            stake: any.map_or("", CaseReport::stake),
            clauses: any.map(|case| case.clauses.clone()).unwrap_or_default(),
            source: any.and_then(|case| case.source.clone()),
            notes: cases.iter().enumerate().filter_map(note).collect(),
            lines: (1..).zip(lines).map(line).collect(),
            cells: cases.iter().map(|case| Cell::of(*case)).collect(),
            failures,
            open: told().any(|case| case.violates),
        }
    }
}

impl Cell {
    fn of(case: Option<&CaseReport>) -> Self {
        let Some(case) = case else { return Self { class: "none", sign: " ", word: "" } };
        let sign = match case.verdict {
            Verdict::Pass => "✓",
            Verdict::Fail | Verdict::Xfail => "✗",
            Verdict::Xpass => "!",
            Verdict::Skip => "–",
            Verdict::Inconclusive => "?",
        };
        Self { class: class(case), sign, word: case.verdict.word() }
    }
}

fn class(case: &CaseReport) -> &'static str {
    match case.verdict {
        Verdict::Pass => "good",
        _ if case.violates => "bad",
        Verdict::Skip => "none",
        _ => "warn",
    }
}

/// The picture of a failure. Ids in it are its own, for a page has many.
fn diagram(story: &Story, number: usize) -> String {
    let picture = svg::render(story, &Frame { standalone: false, ..Frame::default() });
    picture
        .replacen(
            "aria-labelledby=\"hw-title hw-desc\"",
            &format!("aria-labelledby=\"hw-title-{number} hw-desc-{number}\""),
            1,
        )
        .replacen("<title id=\"hw-title\">", &format!("<title id=\"hw-title-{number}\">"), 1)
        .replacen("<desc id=\"hw-desc\">", &format!("<desc id=\"hw-desc-{number}\">"), 1)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{case, report};
    use super::*;
    use crate::scenario::Demand;

    #[test]
    fn page_has_a_row_a_case_and_a_column_a_target() {
        let one = report(vec![case("KE-01", Demand::Must, Verdict::Pass, false)]);
        let mut two = report(vec![
            case("KE-01", Demand::Must, Verdict::Fail, true),
            case("KH-01", Demand::Should, Verdict::Skip, false),
        ]);
        two.target = "exec:a <b>".to_owned();
        let page = render(&[one, two]).expect("a page");
        assert!(page.contains("--targets: 2"), "{page}");
        assert_eq!(page.matches("<details id=").count(), 2);
        assert!(page.contains("exec:a &#60;b&#62;") && !page.contains("exec:a <b>"), "{page}");
        assert!(page.contains("<details id=\"KE-01\" open>"), "{page}");
        assert!(page.contains("highwater conformance --target t --seed 1 KE-01"), "{page}");
    }

    #[test]
    fn page_needs_nothing_from_outside() {
        let page = render(&[report(vec![case("KE-01", Demand::Must, Verdict::Fail, true)])]).expect("a page");
        for outside in ["http:", "https:", "src=", "@import", "url("] {
            let found = page.replace("http://www.w3.org/2000/svg", "");
            assert!(!found.contains(outside), "{outside}");
        }
    }
}
