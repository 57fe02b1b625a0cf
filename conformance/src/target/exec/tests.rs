//! Adapters that break the protocol, each in a way of its own: a shell script that begins well.

use std::time::{Duration, Instant};

use rustix::process::{Pid, test_kill_process_group};

use super::*;
use crate::play::{Failure, Played, Verdict, play};
use crate::scenario::parse;

const CAPABILITIES: &str = r#""timers","messages","quorum","no-pre-vote","push""#;
/// What looks at a node and at the network, answered: for `case`.
const LOOKED: &str = r#"*view*) say '"ok":{"role":"unattached","epoch":0,"log":[],"committed":0}';; *pending*) say '"ok":[]';; *) say '"ok":null';;"#;
const BLANK: &str = r#""ok":{"role":"unattached","epoch":0,"log":[],"committed":0}"#;

/// Time limits for tests: what hangs, hangs for a second.
fn limits() -> Limits {
    let second = Duration::from_secs(1);
    Limits {
        answer: second,
        hello: Duration::from_secs(20),
        bye: Duration::from_millis(200),
        line_bytes_max: 100_000,
    }
}

/// A script that answers `hello` and `build`, and goes on with `rest`. `ask` reads a request, `say` answers it.
fn script(rest: &str) -> String {
    format!(
        r#"n=0
ask() {{ read -r request || exit 0; n=$((n + 1)); }}
say() {{ printf '{{"id":%s,%s}}\n' "$n" "$1"; }}
ask; say '"ok":{{"version":1,"name":"scripted","capabilities":[{CAPABILITIES}]}}'
ask; say '"ok":null'
{rest}"#
    )
}

/// Plays a first step, which the rest of the script answers, and looks that no process is left.
fn played(rest: &str) -> Played {
    let scenario = parse("title: t\nquorum: n1\nexpire n1\nexpect n1 not leader\n").expect("a scenario");
    let mut adapter = Adapter::start(&script(rest), limits()).expect("it says hello");
    let group = lock(&adapter.session).process.as_ref().map(Process::group);
    let played = play(&scenario, &mut adapter, 1);
    drop(adapter);
    assert_gone(group.expect("it runs"));
    played
}

/// Killed processes go soon: it is for the kernel, and for whoever inherits them, to say when.
fn assert_gone(group: i32) {
    let pid = Pid::from_raw(group).expect("a process");
    let deadline = Instant::now() + Duration::from_secs(20);
    while test_kill_process_group(pid).is_ok() {
        assert!(Instant::now() < deadline, "a process of the adapter is left");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn failure(rest: &str) -> Failure {
    match played(rest).verdict {
        Verdict::Fail(failure) => failure,
        other => panic!("{other:?}"),
    }
}

/// That a case fails at its first step, and says what was sent, what came, and what was expected.
#[track_caller]
fn fails(rest: &str, came: &str, expected: &str) {
    let failure = failure(rest);
    assert_eq!(failure.step, "expire n1");
    assert!(failure.found.contains(r#"{"id":3,"do":"expire","node":"n1"}"#), "{failure}");
    assert!(failure.found.contains(came), "{failure}");
    assert!(failure.expected.contains(expected), "{failure}");
}

#[test]
fn adapter_that_keeps_to_the_protocol_passes() {
    let rest = format!(
        "ask; say '\"ok\":null'\nwhile ask; do case $request in *view*) say '{BLANK}';; *pending*) say '\"ok\":[]';; \
        *bye*) say '\"ok\":null'; exit 0;; *) exit 1;; esac; done"
    );
    assert_eq!(played(&rest).verdict, Verdict::Pass);
}

#[test]
fn adapter_that_hangs_fails_within_its_time() {
    let begin = Instant::now();
    fails("ask; sleep 600", "nothing, to", "an answer within 1s");
    assert!(begin.elapsed() < Duration::from_secs(20));
}

#[test]
fn adapter_that_hangs_with_descendants_leaves_none() {
    fails("(sleep 600 & sleep 600) & ask; sleep 600", "nothing, to", "an answer within 1s");
}

#[test]
fn adapter_that_hangs_and_ignores_signals_is_ended() {
    fails("trap '' TERM INT HUP; ask; while :; do sleep 600; done", "nothing, to", "an answer within 1s");
}

#[test]
fn adapter_that_dies_fails_with_its_status_and_its_last_words() {
    let rest = "ask; echo 'first' >&2; echo 'thread main panicked' >&2; exit 3";
    fails(rest, "the end of the adapter (exit status: 3), to", "an answer");
    fails(rest, "its standard error ends in: first | thread main panicked", "an answer");
}

#[test]
fn adapter_that_is_killed_fails_with_the_signal() {
    fails("ask; kill -9 $$", "signal: 9", "an answer");
}

#[test]
fn adapter_that_closes_its_output_fails() {
    fails(
        "ask; exec >&-; sleep 600",
        "the end of its standard output, from a process that still ran",
        "an answer",
    );
}

#[test]
fn adapter_that_prints_garbage_fails() {
    fails("ask; echo Segmentation fault", "Segmentation fault, to", "JSON");
    fails("ask; echo; sleep 1", ", to", "JSON");
    fails("ask; printf '\\377\\n'; sleep 600", "a line that is no UTF-8", "an answer, in one line");
}

#[test]
fn adapter_that_prints_what_a_terminal_obeys_is_shown_without_it() {
    let failure = failure("ask; printf '\\033[2J\\n'; printf '\\033[31mred\\n' >&2; exit 0");
    assert!(!failure.found.contains('\u{1b}'), "{failure}");
}

#[test]
fn adapter_that_ends_within_a_line_fails() {
    fails(
        r#"ask; printf '{"id":3,"ok"'"#,
        r#"a line without its end, {"id":3,"ok""#,
        "an answer, in one line",
    );
}

#[test]
fn adapter_that_answers_an_earlier_request_fails() {
    fails("ask; n=2; say '\"ok\":null'", r#"{"id":2,"ok":null}, to"#, "a late one, to request 2");
}

#[test]
fn adapter_that_answers_a_request_that_was_not_made_fails() {
    fails("ask; n=4; say '\"ok\":null'", r#"{"id":4,"ok":null}, to"#, r#"{"id":3,"ok":…}"#);
}

#[test]
fn adapter_that_answers_twice_fails() {
    let failure = failure("ask; say '\"ok\":null'; say '\"ok\":null'; ask; sleep 600");
    assert!(failure.found.contains(r#"{"id":3,"ok":null}"#), "{failure}");
    assert!(failure.found.contains(r#"to {"id":4,"do":"view","node":"n1"}"#), "{failure}");
}

#[test]
fn adapter_that_floods_its_output_fails() {
    fails("ask; while :; do echo x; done", "x, to", "JSON");
}

#[test]
fn adapter_that_floods_its_errors_is_heard_in_part() {
    let failure = failure("ask; (i=0; while :; do i=$((i+1)); echo error $i; done) >&2");
    assert!(failure.found.contains("its standard error ends in: "), "{failure}");
    assert!(failure.found.len() < 6_000, "{} bytes", failure.found.len());
}

#[test]
fn adapter_that_prints_a_line_of_megabytes_fails() {
    fails(
        "ask; head -c 5000000 /dev/zero | tr '\\0' x; sleep 600",
        "a line of more than 100000 bytes, xxx",
        "an answer, in one line",
    );
}

#[test]
fn adapter_that_gives_another_type_fails() {
    fails("ask; say '\"ok\":5'", r#"{"id":3,"ok":5}, to"#, "a result as specs/adapter.md has it");
    let view = r#"ask; say '"ok":null'; ask; say '"ok":{"role":"king","epoch":0,"log":[],"committed":0}'"#;
    let failure = failure(view);
    assert!(failure.expected.contains("unknown variant `king`, expected one of `leader`"), "{failure}");
}

#[test]
fn adapter_that_breaks_a_promise_fails() {
    let no = r#"say '"error":{"kind":"unsupported","message":"no timers"}'"#;
    let rest = format!("ask; {no}; while ask; do say '{BLANK}'; done");
    fails(
        &rest,
        r#"{"kind":"unsupported","message":"no timers"}"#,
        "that it can expire, since its hello promises timers",
    );
}

#[test]
fn adapter_whose_act_has_worked_before_may_have_its_limits() {
    let scenario = parse("title: t\nquorum: n1\nexpire n1\nexpire n1\n").expect("a scenario");
    let no = r#"say '"error":{"kind":"unsupported","message":"no room"}'"#;
    let rest = format!(
        "ask; say '\"ok\":null'; while ask; do case $request in *expire*) {no};; {LOOKED} esac; done"
    );
    let mut adapter = Adapter::start(&script(&rest), limits()).expect("it says hello");
    let played = play(&scenario, &mut adapter, 1);
    assert_eq!(played.verdict, Verdict::Skip { because: "no room".to_owned() });
}

#[test]
fn adapter_that_refuses_fails_the_step_with_its_words() {
    let no = r#"say '"error":{"kind":"refused","message":"not today"}'"#;
    let failure = failure(&format!("ask; {no}; while ask; do say '{BLANK}'; done"));
    assert_eq!(failure.found, "a refusal, not today");
}

#[test]
fn adapter_that_does_not_say_hello_is_not_started() {
    let start = |command: &str| Adapter::start(command, limits()).map(drop).expect_err("it says no hello");
    assert!(start("exit 4").came.contains("exit status: 4"));
    let missing = start("/nonexistent/adapter");
    assert!(missing.to_string().contains("/nonexistent/adapter"), "{missing}");
    let hello =
        |ok: &str| start(&format!("read -r line; echo '{{\"id\":1,\"ok\":{ok}}}'; sleep 600")).expected;
    assert!(hello(r#"{"version":2,"name":"a","capabilities":[]}"#).contains("version 1"));
    assert!(hello(r#"{"version":1,"name":"","capabilities":[]}"#).contains("a name of 1 to 60"));
    assert!(
        hello(r#"{"version":1,"name":"a","capabilities":["flying"]}"#).contains("unknown variant `flying`")
    );
    assert!(hello(r#"{"version":1,"name":"a","capabilities":["links"]}"#).contains("no capability links"));
    let refusal = start(r#"read -r l; echo '{"id":1,"error":{"kind":"unsupported","message":"only 9"}}'"#);
    assert_eq!(refusal.expected, "version 1 to be spoken (only 9)");
}

#[test]
fn run_goes_on_with_another_process_after_a_misbehaviour() {
    let marker = std::env::temp_dir().join(format!("highwater-exec-{}", std::process::id()));
    let rest = format!(
        "ask; mkdir {0} 2>/dev/null && exit 7; rmdir {0}; say '\"ok\":null'; while ask; do case $request in {LOOKED} esac; done",
        marker.display()
    );
    let scenario = parse("title: t\nquorum: n1\nexpire n1\n").expect("a scenario");
    let mut adapter = Adapter::start(&script(&rest), limits()).expect("it says hello");
    assert!(matches!(play(&scenario, &mut adapter, 1).verdict, Verdict::Fail(_)));
    assert_eq!(play(&scenario, &mut adapter, 1).verdict, Verdict::Pass);
}

#[test]
fn adapter_that_says_another_hello_the_second_time_fails() {
    let marker = std::env::temp_dir().join(format!("highwater-hello-{}", std::process::id()));
    let command = format!(
        "read -r line; if mkdir {0} 2>/dev/null; then name=one; else name=two; rmdir {0}; fi\n\
         echo '{{\"id\":1,\"ok\":{{\"version\":1,\"name\":\"'$name'\",\"capabilities\":[\"quorum\"]}}}}'; read -r line; exit 1",
        marker.display()
    );
    let mut adapter = Adapter::start(&command, limits()).expect("it says hello");
    let setup = Setup { quorum: vec![Member(1)], seed: 1, ..Setup::default() };
    assert!(adapter.build(&setup).is_err());
    let Err(Fault::Misbehaved { found, expected }) = adapter.build(&setup) else { panic!("it misbehaves") };
    assert!(found.contains("two") && expected.contains("one"), "found {found}, expected {expected}");
}

#[test]
fn panic_leaves_no_process() {
    let (send, receive) = std::sync::mpsc::channel();
    let result = std::thread::spawn(move || {
        let adapter = Adapter::start(&script("sleep 600"), limits()).expect("it says hello");
        let group = lock(&adapter.session).process.as_ref().map(Process::group);
        send.send(group.expect("it runs")).expect("somebody listens");
        panic!("as the test wants it");
    })
    .join();
    assert!(result.is_err());
    assert_gone(receive.recv().expect("it ran"));
}

#[test]
fn old_system_is_gone_once_another_is_built() {
    let command = script("ask; say '\"ok\":null'; sleep 600");
    let mut adapter = Adapter::start(&command, limits()).expect("it says hello");
    let setup = Setup { quorum: vec![Member(1)], seed: 1, ..Setup::default() };
    let mut old = adapter.build(&setup).expect("a system");
    let _new = adapter.build(&setup).expect("another");
    let view = old.quorum().expect("it has one").view(Member(1));
    assert_eq!(view, Err(Fault::Broken("another system has been built since".to_owned())));
}

#[test]
fn target_behind_the_protocol_answers_each_request_in_a_line() {
    use crate::target::model::KraftModel;
    let lines = [
        r#"{"id":1,"do":"hello","versions":[1]}"#,
        r#"{"id":2,"do":"build","quorum":["n1","n2","n3"],"pre-vote":false,"seed":1}"#,
        r#"{"id":3,"do":"expire","node":"n1"}"#,
        r#"{"id":4,"do":"deliver","message":99}"#,
        r#"{"id":5,"do":"kill","node":"n1"}"#,
        r#"{"id":6,"do":"view","node":"n1"}"#,
        r#"{"id":7,"do":"stop","node":"n2"}"#,
        r#"{"id":8,"do":"bye"}"#,
    ];
    let mut out = Vec::new();
    serve(&mut KraftModel::default(), lines.join("\n").as_bytes(), &mut out).expect("it is served");
    let out = String::from_utf8(out).expect("text");
    let answers: Vec<&str> = out.lines().collect();
    assert!(
        answers[0].starts_with(r#"{"id":1,"ok":{"version":1,"name":"model","capabilities":["processes""#)
    );
    assert_eq!(answers[1..3], [r#"{"id":2,"ok":null}"#, r#"{"id":3,"ok":null}"#]);
    assert_eq!(answers[3], r#"{"id":4,"error":{"kind":"refused","message":"there is no message 99"}}"#);
    assert_eq!(answers[4..6], [r#"{"id":5,"ok":null}"#, r#"{"id":6,"ok":null}"#]);
    assert!(answers[6].starts_with(r#"{"id":7,"error":{"kind":"unsupported""#));
    assert_eq!(answers[7], r#"{"id":8,"ok":null}"#);
}
