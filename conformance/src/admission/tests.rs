//! Traces of the cases, admitted; and what is refused.

use highwater_model::family::Family;
use highwater_model::kraft::{Kraft, Rules};

use super::*;
use crate::case::cases;
use crate::play::{Verdict, play};
use crate::scenario::Scenario;
use crate::target::Builder;
use crate::target::model::KraftModel;
use crate::target::reference::ReferenceQuorum;

fn trace(scenario: &Scenario, builder: &mut dyn Builder) -> Option<Trace> {
    let played = play(scenario, builder, 1);
    let was_played = matches!(played.verdict, Verdict::Pass | Verdict::Fail(_));
    (was_played && !scenario.quorum.is_empty()).then(|| Trace {
        quorum: scenario.quorum.clone(),
        pre_vote: scenario.pre_vote == Some(true),
        watched: None,
        events: played.events,
    })
}

/// Cases in which something happens that the model has not, which it takes for wrong: an answer that is made up, a snapshot that a follower takes.
const BEYOND: [&str; 2] = ["KH-08", "KH-17b"];

/// The cases whose traces on a target are not admitted, each with what is said of it.
fn not_admitted(builder: &mut dyn Builder) -> Vec<String> {
    let cases = cases().expect("cases that can be read");
    let within = cases.iter().filter(|case| !BEYOND.contains(&case.id));
    let said = within.filter_map(|case| {
        let said = admit(&trace(&case.scenario, builder)?, Rules::default());
        let is_admitted = matches!(said, Admission::Admitted { .. });
        (!is_admitted).then(|| format!("{}: {said}", case.id))
    });
    said.collect()
}

/// Whether the trace of some case is refused, of those that `flaw` fails first.
fn is_refused(flaw: &str, builder: &mut dyn Builder) -> bool {
    let mut cases = cases().expect("cases that can be read");
    cases.retain(|case| !BEYOND.contains(&case.id));
    cases.sort_by_key(|case| !case.scenario.kills.iter().any(|killed| killed == flaw));
    cases.iter().any(|case| {
        let trace = trace(&case.scenario, builder);
        trace.is_some_and(|trace| matches!(admit(&trace, Rules::default()), Admission::Refused { .. }))
    })
}

#[test]
fn what_the_model_does_is_a_behaviour_of_the_model() {
    assert_eq!(not_admitted(&mut KraftModel::default()), Vec::<String>::new());
}

#[test]
fn what_the_reference_does_is_a_behaviour_of_the_model() {
    let beyond = [
        "CF-11: incomplete: 0 events fit; the model has no pre-vote: record a quorum without",
        "DT-16: incomplete: 0 events fit; the model has room for 1 to 4 voters",
        "KE-11: incomplete: 0 events fit; the model has no pre-vote: record a quorum without",
        "KE-15b: incomplete: 12 events fit; the model has no observers, and n3 follows as one",
        "KH-18b: incomplete: 0 events fit; the model has room for 1 to 4 voters",
    ];
    assert_eq!(not_admitted(&mut ReferenceQuorum::default()), beyond);
}

#[test]
fn what_a_flawed_model_does_is_refused() {
    let admitted =
        |flaw: &&str| !is_refused(flaw, &mut KraftModel::with_flaw(flaw).expect("the model has it"));
    let all: Vec<&str> = Kraft::flaws().iter().map(|flaw| flaw.id).filter(admitted).collect();
    // E08 does nothing wrong, but too little; E09 needs a vote that outlives the machine of its candidate.
    assert_eq!(all, ["E08", "E09"]);
}

#[cfg(feature = "flaws")]
#[test]
fn what_the_flawed_reference_does_is_refused() {
    let ids = highwater_core::quorum::FLAWS.iter().map(|flaw| flaw.id);
    let admitted = |flaw: &&str| !is_refused(flaw, &mut ReferenceQuorum::with_flaw(flaw).expect("it has it"));
    let all: Vec<&str> = ids.filter(admitted).collect();
    // A20: what was flushed is not seen. A35, A36 and E08 do too little. A43: the model has no observers. E09: as with the model.
    // E42 needs an answer that is made up, E46 promises of votes.
    assert_eq!(all, ["A20", "A35", "A36", "A43", "E08", "E09", "E42", "E46"]);
}

/// Figure 8's heart, on the reference.
fn figure_8() -> Trace {
    let case = cases().expect("cases that can be read").into_iter().find(|case| case.id == "KH-01");
    trace(&case.expect("the case").scenario, &mut ReferenceQuorum::default()).expect("it is played")
}

#[test]
fn first_event_that_does_not_fit_is_named_with_what_could_have_been() {
    let mut trace = figure_8();
    let at = trace.events.len() / 2;
    let (Seen::Up(glimpse) | Seen::Started(glimpse)) = &mut trace.events[at].seen else {
        panic!("{:?}", trace.events[at]);
    };
    glimpse.high_watermark = Some(6);
    let said = admit(&trace, Rules::default());
    let Admission::Refused { at: found, event, possible } = &said else { panic!("{said}") };
    assert_eq!((*found, event), (at, &trace.events[at]));
    assert!(!possible.is_empty());
    assert!(said.to_string().contains(&format!("event {} is no step of the model", at + 1)), "{said}");
}

#[test]
fn part_of_what_was_seen_is_admitted_as_well() {
    let mut trace = figure_8();
    for event in &mut trace.events {
        if let Seen::Up(glimpse) | Seen::Started(glimpse) = &mut event.seen {
            glimpse.high_watermark = None;
        }
    }
    let said = admit(&trace, Rules::default());
    assert!(matches!(said, Admission::Admitted { .. }), "{said}");
}

#[test]
fn node_that_nobody_watched_may_have_done_anything() {
    let mut trace = figure_8();
    trace.watched = Some(trace.quorum[..2].to_vec());
    trace.events.retain(|event| event.node != trace.quorum[2]);
    let said = admit(&trace, Rules::default());
    assert!(matches!(said, Admission::Admitted { .. }), "{said}");
}

#[test]
fn event_that_is_missing_is_not_made_up() {
    let mut trace = figure_8();
    trace.events.remove(3);
    let said = admit(&trace, Rules::default());
    assert!(
        matches!(&said, Admission::Incomplete { because, .. } if because.contains("one is missing")),
        "{said}"
    );
}
