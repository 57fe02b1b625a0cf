//! What a run of random schedules came to, in the form of any other run of the suite.

use super::{Found, Of, Outcome, Plan};
use crate::play;
use crate::report::{CaseReport, Report, Verdict, quoted, story};
use crate::scenario::{Demand, Scenario};
use crate::suite::Target;

/// Its report: one case, all schedules together. One that failed is its scenario.
pub fn report(target: &Target, plan: &Plan, outcome: &Outcome, seconds: f64) -> Report {
    let flaw = target.flaw.as_deref();
    let case = case(target, plan, outcome, seconds);
    Report::of(&target.name, flaw, plan.seed, true, vec![case])
}

fn case(target: &Target, plan: &Plan, outcome: &Outcome, seconds: f64) -> CaseReport {
    let Outcome { counts, found, incomplete } = outcome;
    let repeat = repeat(target, plan);
    let (id, of) = match plan.of {
        Of::Quorums => ("random-quorums", "quorums of three and five voters"),
        Of::Clusters => ("random-clusters", "clusters of three brokers"),
    };
    let mut case = CaseReport {
        id: id.to_owned(),
        title: format!("{counts}, of {of}"),
        clauses: Vec::new(),
        source: None,
        demand: Demand::Must,
        verdict: Verdict::Pass,
        violates: false,
        because: None,
        failure: None,
        repeat,
        seconds,
        scenario: String::new(),
        story: None,
        events: Vec::new(),
    };
    match (found, incomplete) {
        (Some(found), _) => failed(&mut case, target, found),
        (None, Some(because)) => {
            case.verdict = Verdict::Inconclusive;
            case.because = Some(because.clone());
        }
        (None, None) => {}
    }
    case
}

fn failed(case: &mut CaseReport, target: &Target, found: &Found) {
    let Found { number, steps, plays, scenario, played } = found;
    let Scenario { title, .. } = scenario;
    let left = scenario.steps.len();
    case.scenario = scenario.to_string();
    case.because = Some(format!(
        "schedule {number} fails; of the {steps} steps that it had, {left} are left after {plays} plays"
    ));
    let subject = story::Subject { id: &case.id, scenario, target, repeat: &case.repeat };
    case.story = Some(story::tell(&subject, played));
    if let play::Verdict::Fail(failure) = &played.verdict {
        (case.verdict, case.violates, case.failure) = (Verdict::Fail, true, Some(failure.clone()));
    } else {
        // It is no pass, and there is nothing to show for a violation.
        case.verdict = Verdict::Inconclusive;
        case.because = Some(format!(
            "{title} fails as it is drawn, and not as it is written: {:?}; the target does not do the same twice",
            played.verdict
        ));
    }
}

/// The command that draws and plays the same again.
fn repeat(target: &Target, plan: &Plan) -> String {
    let Target { name, flaw, .. } = target;
    let flaw = flaw.as_ref().map_or_else(String::new, |flaw| format!(" --flaw {}", quoted(flaw)));
    let of = if plan.of == Of::Clusters { " --of clusters" } else { "" };
    let Plan { schedules, seed, .. } = plan;
    format!("highwater conformance --random {schedules}{of} --target {}{flaw} --seed {seed}", quoted(name))
}
