//! Reading, writing, and errors.

use super::*;

const HEAD: &str = "title: t\nquorum: n1 n2 n3\n";

fn error(steps: &str) -> String {
    parse(&format!("{HEAD}{steps}")).expect_err("it makes no sense").to_string()
}

#[test]
fn every_step_reads_as_it_is_written() {
    let steps = "kill n1\ncrash n1\nstart n1\nwipe n1\ncut n1 -> n2\nisolate n3\nheal\nheal n2\nexpire n1\ncampaign n1\n\
        campaign n2 loses\ndeliver vote n1 -> n2\nbeat n1\nbring records n1 -> n2\ndrop vote-answer n2 -> n1\nhold records n1 -> n3\ncopy position n3 -> n1\nexchange n1 -- n2\nappend n1 x\n\
        append n2 y refused\nreplicate n1 -> n2\nreplicate n1 -> n2 until x\nresign n1\nsettle\nexpect n1 leader\n\
        expect n1 not leader\nexpect n2 follows n1\nexpect n1 epoch 3\nexpect n1 voted n2\nexpect n1 voted nobody\n\
        expect n1 log is x y\nexpect n1 log is\nexpect n2 committed has x\nexpect n2 log lacks x y\nexpect logs agree\n\
        expect no leader\n";
    let head = "title: t\nclauses: kraft/commit/1 isr/ack/1\nsource: KIP-595\ndemand: should\nneeds: pull\nkills: A01\n\
        quorum: n1 n2 n3\npre-vote: on\njudge: invariants\n\n";
    let scenario = parse(&format!("{head}{steps}")).expect("it makes sense");
    assert_eq!(scenario.to_string(), format!("{head}{steps}"));
    assert_eq!(scenario.steps.last().map(|line| line.line), Some(46));
    let json = serde_json::to_string(&scenario).expect("it can be written");
    assert_eq!(serde_json::from_str::<Scenario>(&json).expect("it can be read"), scenario, "{json}");
}

#[test]
fn words_that_stand_for_two_steps_are_two_steps() {
    let scenario = parse(&format!("{HEAD}restart n1; cut n1 -- n2  # both\n")).expect("it makes sense");
    let steps: Vec<String> = scenario.steps.iter().map(|line| line.step.to_string()).collect();
    assert_eq!(steps, ["kill n1", "start n1", "cut n1 -> n2", "cut n2 -> n1"]);
}

#[test]
fn errors_name_line_and_cure() {
    assert_eq!(
        error("campain n1"),
        "line 3: found \"campain\", expected a step: append, beat, bring, campaign, configure, copy, crash, create, cut, deliver, drop, \
         elect, exchange, expect, expire, heal, hold, isolate, kill, pause, produce, replicate, resign, restart, resume, settle, start, \
         stop, wipe"
    );
    assert_eq!(
        error("\nkill"),
        "line 4: the step ends where the name of a node was expected; write: kill NODE"
    );
    assert_eq!(error("kill n1 n2"), "line 3: found \"n2\", expected the end of the step; write: kill NODE");
    assert_eq!(error("kill n4"), "line 3: found n4, expected one of n1 n2 n3");
    assert!(
        error("deliver letter n1 -> n2").contains("found \"letter\", expected the kind of a message: vote,")
    );
    assert!(error("expect n1 log has").contains("found nothing behind has, expected a value or more"));
    assert!(error("cut n1 n2").contains("found \"n2\", expected \"->\" or \"--\""));
    let bad = |text: &str| parse(text).expect_err("it makes no sense").to_string();
    assert!(bad("quorum: n1\nsettle\n").contains("line 2: no title"));
    assert!(bad("title: t\nquorum: n1 n1\n").contains("line 2: found a node twice"));
    assert!(bad("title: t\nsettle\n").contains("no nodes; name them"));
    assert!(bad("titel: t\n").contains("line 1: found titel:, expected title, clauses"));
}

const CLUSTER: &str = "title: t\ncluster: n1 n2 n3\ntopic: t on n1 n2 n3 min-isr 2\n";

#[test]
fn every_step_of_a_cluster_reads_as_it_is_written() {
    let steps = "kill controller\nstart former\nstop n1\npause n2\nresume n2\nisolate controller\ncut n1 -> n2\nheal\ncreate u on n1 n2\n\
        produce t a b\nproduce t acks 1 c fails\nproduce t to n2 acks 0 d anyhow\nproduce t e refused\n\
        produce t f refused NOT_ENOUGH_REPLICAS\nelect preferred t\nelect unclean t refused ELECTION_NOT_NEEDED\n\
        configure t min.insync.replicas=1\nconfigure t a=b refused INVALID_CONFIG\nexpect t leader n2\nexpect t leader not former\n\
        expect t no leader for 5s\nexpect t led\nexpect t isr n1 n2 at n3\nexpect t isr lacks n1\nexpect t elr\nexpect t elr n1\n\
        expect t reads is a b\nexpect t reads has a for 3s\nexpect t high-watermark 3 at n1\nexpect u log-end 0\n\
        expect controller\nexpect controller not former\nexpect controller n1\n";
    let head = "title: t\ncluster: n1 n2 n3\ntopic: t on n1 n2 n3 min-isr 2 unclean on\ntopic: w on n1\n\
        config: unclean.leader.election.enable=true\nwithin: 60s\nloses: t w\n\n";
    let scenario = parse(&format!("{head}{steps}")).expect("it makes sense");
    assert_eq!(scenario.to_string(), format!("{head}{steps}"));
    let json = serde_json::to_string(&scenario).expect("it can be written");
    assert_eq!(serde_json::from_str::<Scenario>(&json).expect("it can be read"), scenario, "{json}");
}

#[test]
fn restart_of_the_controller_starts_whom_it_killed() {
    let scenario = parse(&format!("{CLUSTER}restart controller\n")).expect("it makes sense");
    let steps: Vec<String> = scenario.steps.iter().map(|line| line.step.to_string()).collect();
    assert_eq!(steps, ["kill controller", "start former"]);
}

#[test]
fn errors_of_clusters_name_line_and_cure() {
    let error = |steps: &str| parse(&format!("{CLUSTER}{steps}")).expect_err("it makes no sense").to_string();
    assert_eq!(
        error("settle"),
        "line 4: found \"settle\", a step of quorums, expected one of clusters; or name the nodes by quorum:"
    );
    assert_eq!(error("kill n4"), "line 4: found n4, expected one of n1 n2 n3");
    assert_eq!(
        error("expect u led"),
        "line 4: found the topic \"u\", expected one of those that there are by then: t"
    );
    assert_eq!(
        error("produce t a; produce t b a"),
        "line 4: found a a second time in t; give each record a value of its own"
    );
    assert!(error("produce t acks 2 a").contains("found acks 2, expected 0, 1 or all; write: produce TOPIC"));
    assert!(error("produce t fails").contains("found no record, expected a value or more"));
    assert!(error("expect t follows n1").contains("found \"follows\", expected leader, no leader, led,"));
    assert!(error("expect t led for 5").contains("found \"5\", expected whole seconds, such as 5s"));
    assert!(error("create t on n1").contains("found the topic t a second time"));
    assert!(error("elect clean t").contains("found \"clean\", expected preferred or unclean"));
    assert!(error("configure t a").contains("found \"a\", expected KEY=VALUE"));
    let bad = |text: &str| parse(text).expect_err("it makes no sense").to_string();
    assert!(bad("title: t\ncluster: n1\nquorum: n1\n").contains("found both quorum: and cluster:"));
    assert!(
        bad("title: t\ncluster: n1\ntopic: t n1\n")
            .contains("line 3: found \"n1\", expected \"on\"; write: topic:")
    );
    assert!(bad("title: t\ncluster: n1\ntopic: t on n2\n").contains("found n2, expected one of n1"));
    assert!(
        bad("title: t\ncluster: n1\nloses: u\n").contains("found loses: u, expected the names of topics")
    );
    assert!(
        bad("title: t\nquorum: n1\nkill controller\n")
            .contains("line 3: found \"kill controller\", a step of clusters")
    );
    assert!(bad("title: t\nquorum: n1\ntopic: t on n1\n").contains("expected cluster: with them"));
}
