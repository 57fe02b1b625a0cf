//! A run as JUnit XML: a test suite a group of cases.
//!
//! | here | there |
//! |---|---|
//! | pass | a test case |
//! | fail that violates, xpass | `failure` |
//! | fail that is tolerated, xfail, skip | `skipped`, with the reason |
//! | inconclusive | `error` |

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::{CaseReport, Report, Verdict};
use crate::suite::group;

/// The XML.
///
/// # Errors
/// If it cannot be written.
pub fn render(report: &Report) -> Result<String, String> {
    let mut document = Document::new(format!("highwater conformance {}", report.subject()));
    let mut groups: Vec<TestSuite> = Vec::new();
    for case in &report.cases {
        let of = group(&case.id);
        if groups.last().is_none_or(|suite| suite.name.as_str() != of) {
            groups.push(TestSuite::new(of.to_owned()));
        }
        if let Some(suite) = groups.last_mut() {
            suite.add_test_case(test_case(case));
        }
    }
    document.add_test_suites(groups);
    document.to_string().map_err(|error| format!("JUnit XML cannot be made of this run: {error}"))
}

fn test_case(case: &CaseReport) -> TestCase {
    let told = || match &case.failure {
        Some(failure) => failure.to_string(),
        None => case.because.clone().unwrap_or_default(),
    };
    let bad = |kind: NonSuccessKind| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_type(case.verdict.word()).set_message(told());
        status.set_description(format!("{}\nrepeat: {}", told(), case.repeat));
        status
    };
    let skipped = |why: String| {
        let mut status = TestCaseStatus::skipped();
        status.set_type(case.verdict.word()).set_message(why);
        status
    };
    let status = match case.verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Fail if !case.violates => skipped(format!("tolerated ({}): {}", case.stake(), told())),
        Verdict::Fail | Verdict::Xpass => bad(NonSuccessKind::Failure),
        Verdict::Inconclusive => bad(NonSuccessKind::Error),
        Verdict::Xfail => {
            skipped(format!("expected to fail ({}): {}", case.because.as_deref().unwrap_or(""), told()))
        }
        Verdict::Skip => skipped(told()),
    };
    let mut test = TestCase::new(format!("{} {}", case.id, case.title), status);
    test.set_classname(case.id.clone());
    test.set_time(Duration::try_from_secs_f64(case.seconds).unwrap_or_default());
    test
}

#[cfg(test)]
mod tests {
    use super::super::testing::{case, report};
    use super::*;
    use crate::scenario::Demand;

    #[test]
    fn cases_are_test_cases_in_the_suite_of_their_group() {
        let xml = render(&report(vec![
            case("KE-01", Demand::Must, Verdict::Pass, false),
            case("KH-01", Demand::Must, Verdict::Fail, true),
            case("KH-02", Demand::Varies, Verdict::Fail, false),
            case("KH-03", Demand::Must, Verdict::Inconclusive, false),
        ]))
        .expect("XML");
        assert!(
            xml.contains("<testsuite name=\"KH\" tests=\"3\" skipped=\"1\" errors=\"1\" failures=\"1\">"),
            "{xml}"
        );
        assert!(xml.contains("name=\"KE-01 The title of &lt;KE-01&gt;\""), "{xml}");
        assert!(xml.contains("repeat: highwater conformance --target t --seed 1 KH-01"), "{xml}");
        assert!(xml.contains("tolerated (varies): line 3: "), "{xml}");
    }
}
