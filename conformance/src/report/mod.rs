//! What a run of the suite came to, for people and for programs.
//!
//! | form | for | where |
//! |---|---|---|
//! | lines on a terminal | who runs it | [`terminal`] |
//! | JSON | other programs, and pages of several runs; the schema is `specs/conformance.schema.json` | serde |
//! | JUnit XML | continuous integration | [`junit`] |
//! | one page | a matrix of cases and targets, with a diagram of each failure | [`html`] |
//!
//! A failure is told as a [`Story`] ([`story`]), in the form in which counterexamples of the models are, so the same renderers draw it.

pub mod html;
pub mod junit;
pub mod story;
pub mod terminal;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::play;
use crate::scenario::Demand;
use highwater_model::trace::Story;

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Everything that was played holds, and something was played.
    Holds,
    /// Something could not be told, or nothing was played. Never a pass.
    Incomplete,
    /// Something that has to hold does not, or something holds that was expected to fail.
    Violated,
}

/// What a case came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All went as it says.
    Pass,
    /// Something did not. Whether that violates anything is told by `violates`.
    Fail,
    /// The target lacks what it needs.
    Skip,
    /// It failed, as was expected.
    Xfail,
    /// It passed, although it was expected to fail.
    Xpass,
    /// The target itself failed, so that nothing can be said.
    Inconclusive,
}

impl Verdict {
    /// All, in the order in which they are counted out.
    pub const ALL: [Self; 6] =
        [Self::Pass, Self::Fail, Self::Xpass, Self::Xfail, Self::Inconclusive, Self::Skip];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Skip => "skip",
            Self::Xfail => "xfail",
            Self::Xpass => "xpass",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// A run of the suite on one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// The version of Highwater that made it.
    pub version: String,
    /// The target, as `--target` says it.
    pub target: String,
    /// The flaw that was on in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaw: Option<String>,
    /// The seed of all chance.
    pub seed: u64,
    /// Whether a SHOULD that does not hold is a violation.
    pub strict: bool,
    /// What it came to.
    pub outcome: Outcome,
    /// How many cases came to what.
    pub totals: Totals,
    /// The cases, in the order of their ids.
    pub cases: Vec<CaseReport>,
}

/// How many cases came to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Totals {
    /// All of them.
    pub cases: usize,
    /// Passed.
    pub pass: usize,
    /// Failed, whether that violates anything or not.
    pub fail: usize,
    /// Of those that failed, how many violate nothing: a SHOULD without `--strict`, a choice that varies.
    pub tolerated: usize,
    /// Passed against expectation.
    pub xpass: usize,
    /// Failed as expected.
    pub xfail: usize,
    /// Could not be told.
    pub inconclusive: usize,
    /// Not played.
    pub skip: usize,
}

impl Totals {
    /// How many cases came to this.
    pub fn of(&self, verdict: Verdict) -> usize {
        match verdict {
            Verdict::Pass => self.pass,
            Verdict::Fail => self.fail,
            Verdict::Skip => self.skip,
            Verdict::Xfail => self.xfail,
            Verdict::Xpass => self.xpass,
            Verdict::Inconclusive => self.inconclusive,
        }
    }
}

/// A case as it was played.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CaseReport {
    /// Its id, or the name of the scenario's file.
    pub id: String,
    /// What it shows.
    pub title: String,
    /// The clauses of `specs/` that demand it.
    #[serde(default)]
    pub clauses: Vec<String>,
    /// Where the requirement is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// How much is at stake.
    pub demand: Demand,
    /// What came of it.
    pub verdict: Verdict,
    /// Whether the run is violated by it.
    pub violates: bool,
    /// Why it was skipped, could not be told, or was expected to fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// Where it first went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<play::Failure>,
    /// The command that repeats it.
    pub repeat: String,
    /// How long it took.
    pub seconds: f64,
    /// The scenario as it is written, to which the line of the failure refers.
    pub scenario: String,
    /// How it came to the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub story: Option<Story>,
    /// What the nodes of a quorum were seen to do, for [`admission`](crate::admission); no part of the report.
    #[serde(skip)]
    pub events: Vec<crate::admission::Event>,
}

impl Report {
    /// The report of these cases. What it comes to follows from them.
    pub fn of(target: &str, flaw: Option<&str>, seed: u64, strict: bool, cases: Vec<CaseReport>) -> Self {
        let count = |verdict| cases.iter().filter(|case| case.verdict == verdict).count();
        let totals = Totals {
            cases: cases.len(),
            pass: count(Verdict::Pass),
            fail: count(Verdict::Fail),
            tolerated: cases.iter().filter(|case| case.verdict == Verdict::Fail && !case.violates).count(),
            xpass: count(Verdict::Xpass),
            xfail: count(Verdict::Xfail),
            inconclusive: count(Verdict::Inconclusive),
            skip: count(Verdict::Skip),
        };
        let outcome = if cases.iter().any(|case| case.violates) {
            Outcome::Violated
        } else if totals.inconclusive > 0 || totals.skip == totals.cases {
            Outcome::Incomplete
        } else {
            Outcome::Holds
        };
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            target: target.to_owned(),
            flaw: flaw.map(str::to_owned),
            seed,
            strict,
            outcome,
            totals,
            cases,
        }
    }

    /// The target, and the flaw that was on in it: `reference with A01`.
    pub fn subject(&self) -> String {
        match &self.flaw {
            Some(flaw) => format!("{} with {flaw}", self.target),
            None => self.target.clone(),
        }
    }

    /// As JSON.
    pub fn json(&self) -> String {
        let text =
            serde_json::to_string_pretty(self).unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"));
        format!("{text}\n")
    }

    /// Reads what [`Report::json`] wrote.
    ///
    /// # Errors
    /// What makes no sense, and where.
    pub fn from_json(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("is no report of the suite: {error}"))
    }
}

impl CaseReport {
    /// What stands beside its verdict: nothing, or how little is at stake.
    pub fn stake(&self) -> &'static str {
        match self.demand {
            Demand::Must => "",
            Demand::Should => "should",
            Demand::Varies => "varies",
        }
    }
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:,=@+%".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Reports for tests.

    use super::*;

    /// A case of this id and verdict.
    pub(crate) fn case(id: &str, demand: Demand, verdict: Verdict, violates: bool) -> CaseReport {
        CaseReport {
            id: id.to_owned(),
            title: format!("The title of <{id}>"),
            clauses: vec!["kraft/commit/1".to_owned()],
            source: None,
            demand,
            verdict,
            violates,
            because: (verdict == Verdict::Skip).then(|| "t has no messages".to_owned()),
            failure: matches!(verdict, Verdict::Fail | Verdict::Xfail).then(|| play::Failure {
                line: 3,
                step: "expect n1 log lacks x".to_owned(),
                found: "n1 with <x>".to_owned(),
                expected: "that its log lacks x".to_owned(),
                invariant: Some("kraft/safety/5".to_owned()),
            }),
            repeat: format!("highwater conformance --target t --seed 1 {id}"),
            seconds: 0.25,
            scenario: "title: t & u\nquorum: n1\n".to_owned(),
            story: None,
            events: Vec::new(),
        }
    }

    /// A report of these.
    pub(crate) fn report(cases: Vec<CaseReport>) -> Report {
        Report::of("t", None, 1, false, cases)
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{case, report};
    use super::*;

    #[test]
    fn run_in_which_nothing_was_played_is_incomplete() {
        assert_eq!(report(Vec::new()).outcome, Outcome::Incomplete);
        let skipped = case("KH-01", Demand::Must, Verdict::Skip, false);
        assert_eq!(report(vec![skipped.clone(), skipped.clone()]).outcome, Outcome::Incomplete);
        let passed = case("KH-02", Demand::Must, Verdict::Pass, false);
        assert_eq!(report(vec![skipped, passed]).outcome, Outcome::Holds);
    }

    #[test]
    fn violation_counts_more_than_what_could_not_be_told() {
        let unknown = case("KH-01", Demand::Must, Verdict::Inconclusive, false);
        let failed = case("KH-02", Demand::Must, Verdict::Fail, true);
        let passed = case("KH-03", Demand::Must, Verdict::Pass, false);
        assert_eq!(report(vec![unknown.clone(), passed.clone()]).outcome, Outcome::Incomplete);
        assert_eq!(report(vec![unknown, failed, passed]).outcome, Outcome::Violated);
    }

    #[test]
    fn report_reads_as_it_is_written() {
        let written = report(vec![case("KH-01", Demand::Should, Verdict::Fail, false)]);
        assert_eq!(Report::from_json(&written.json()).expect("a report"), written);
        assert!(Report::from_json("{}").expect_err("no report").contains("is no report of the suite"));
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_read_more() {
        assert_eq!(quoted("kafka:127.0.0.1:9092"), "kafka:127.0.0.1:9092");
        assert_eq!(quoted("exec:./a b'c"), "'exec:./a b'\\''c'");
    }
}
