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
        expect no leader\nexpect n1 log epochs 1 1 2\nexpect n1 log epochs\nforge n1 -> n2 x@current y@current+1 z@3\n";
    let head = "title: t\nclauses: kraft/commit/1 isr/ack/1\nsource: KIP-595\ndemand: should\nneeds: pull\nkills: A01\n\
        quorum: n1 n2 n3\npre-vote: on\njudge: invariants\n\n";
    let scenario = parse(&format!("{head}{steps}")).expect("it makes sense");
    assert_eq!(scenario.to_string(), format!("{head}{steps}"));
    assert_eq!(scenario.steps.last().map(|line| line.line), Some(49));
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
        "line 3: found \"campain\", expected a step: append, ask, beat, bring, campaign, configure, copy, crash, create, cut, delete, deliver, drop, \
         elect, exchange, expect, expire, forge, heal, hold, isolate, kill, pause, produce, replicate, resign, restart, resume, settle, start, \
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
    assert!(error("expect n1 log epochs 1 x").contains("found \"x\" among epochs, expected a number"));
    assert!(
        error("forge n1 -> n2 x")
            .contains("found \"x\", expected a record with its epoch, such as x@current")
    );
    assert!(error("forge n1 -> n2").contains("line 3: found no record, expected one or more"));
    assert!(error("forge n1 -> n1 x@1").contains("found n1 twice, expected a leader and another node"));
    assert!(
        error("forge n1 -> n2 x@end")
            .contains("found the epoch end, expected current, current+N or a number")
    );
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
        expect controller\nexpect controller not former\nexpect controller n1\n\
        hold fetch n2 -> n1\ncopy alter-partition n1 -> n3\nexpect held fetch-answer n1 -> n2\ndeliver registration n2 -> n3\n\
        drop heartbeat-answer n3 -> n1\nexpect t reads is a at n2\nexpect not held fetch n2 -> n1\n\
        expect not held heartbeat n1 -> n3 for 2s\n";
    let head = "title: t\ncluster: n1 n2 n3\ncontrollers: n3\ntopic: t on n1 n2 n3 min-isr 2 unclean on\ntopic: w on n1\n\
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
    assert!(error("expect not led").contains("found \"led\", expected \"held\""));
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
    assert!(bad("title: t\nquorum: n1\ncontrollers: n1\n").contains("expected cluster: with them"));
    assert!(bad("title: t\ncluster: n1\ncontrollers: n2\n").contains("found n2, expected one of n1"));
}

#[test]
fn kinds_of_messages_are_those_of_a_quorum_or_those_of_a_cluster() {
    let of_quorum = error("hold fetch n1 -> n2");
    assert!(
        of_quorum.contains("found \"fetch\", expected the kind of a message: vote,")
            && !of_quorum.contains("alter-partition")
    );
    let of_cluster = parse(&format!("{CLUSTER}hold vote n1 -> n2\n")).expect_err("a quorum's").to_string();
    assert!(
        of_cluster.contains("found \"vote\", expected the kind of a message: fetch, fetch-answer, alter-")
    );
    let json = |nodes: &str, step: &str| {
        let text = format!(r#"{{"title": "t", {nodes}: ["n1", "n2"], "steps": [{step}]}}"#);
        super::super::read(&text).expect_err("not of these").to_string()
    };
    let hold = |kind: &str| format!(r#"{{"do": "hold", "kind": "{kind}", "from": "n1", "to": "n2"}}"#);
    assert!(json("\"quorum\"", &hold("fetch")).contains("\"hold fetch n1 -> n2\", a step of clusters"));
    assert!(json("\"cluster\"", &hold("vote")).contains("\"hold vote n1 -> n2\", a step of quorums"));
}

#[test]
fn every_probe_reads_as_it_is_written() {
    let steps = "produce t a b\nask n1 fetch t as=n2 epoch=current+1 offset=of:a -> UNKNOWN_LEADER_EPOCH\n\
        ask n1 fetch t offset=of:b+1 last-epoch=of:b-1 -> diverging epoch=of:a end=of:b\n\
        ask n1 fetch t as=n2 offset=end broker-epoch=current-1 -> nothing\nask n1 fetch t offset=-1 -> records a b\n\
        ask n1 end-offset t epoch=of:a current=current -> epoch=of:a end=of:b\n\
        ask n1 list-offsets t at=latest epoch=current -> epoch=current offset=end\n\
        ask n1 list-offsets t at=earliest -> epoch=0 offset=start\nask n2 metadata t -> leader=n1 epoch=current\n\
        ask n2 metadata t -> leader=nobody epoch=current\nask n1 delete-records t before=of:b -> done\n\
        ask controller alter-partition t from=n1 leader-epoch=current partition-epoch=current+1 broker-epoch=current isr=n1,n9 -> NOT_CONTROLLER\n\
        ask controller vote from=n3 epoch=current+1 last-epoch=current+2 end=5 -> granted\n\
        ask former pre-vote epoch=current last-epoch=0 end=end -> denied\n\
        ask controller quorum-fetch as=n2 epoch=current offset=0 last-epoch=0 -> snapshot\n";
    let text = format!("{CLUSTER}\n{steps}");
    let scenario = parse(&text).expect("it makes sense");
    assert_eq!(scenario.to_string(), text);
    let json = serde_json::to_string(&scenario).expect("it can be written");
    assert_eq!(serde_json::from_str::<Scenario>(&json).expect("it can be read"), scenario, "{json}");
    assert_eq!(super::super::read(&json).expect("it makes sense"), scenario);
}

#[test]
fn errors_of_probes_name_line_and_cure() {
    let of_cluster =
        |steps: &str| parse(&format!("{CLUSTER}{steps}")).expect_err("it makes no sense").to_string();
    assert!(of_cluster("ask n1 fetsh t").contains("found \"fetsh\", expected a request: fetch, end-offset,"));
    assert!(
        of_cluster("ask n1 fetch t -> nothing").contains("found no offset=; write: fetch TOPIC [as=NODE]")
    );
    assert!(
        of_cluster("ask n1 fetch t offset=0 ofset=1 -> nothing").contains("found ofset=, which it has not")
    );
    assert!(of_cluster("ask n1 fetch t offset=0 offset=1 -> nothing").contains("expected each key once"));
    assert!(
        of_cluster("ask n1 fetch t offset=current -> nothing")
            .contains("offset: found current, expected an offset: of:VALUE, start, end or a number")
    );
    assert!(
        of_cluster("ask n1 fetch t offset=after -> nothing")
            .contains("found \"after\", expected a number, or current")
    );
    assert!(of_cluster("ask n1 fetch t offset=0").contains("the step ends where -> was expected"));
    assert!(
        of_cluster("ask n1 fetch t offset=0 ->")
            .contains("the step ends where an answer was expected; write: Kafka's name")
    );
    assert!(
        of_cluster("ask n1 fetch t offset=0 -> granted twice")
            .contains("found \"twice\", expected the end of the step")
    );
    assert!(
        of_cluster("ask n1 fetch t offset=of:z -> nothing")
            .contains("line 4: found of:z, expected a record that was written to that log by then")
    );
    assert!(
        of_cluster("ask n1 fetch t as=n4 offset=0 -> nothing").contains("found n4, expected one of n1 n2 n3")
    );
    assert!(of_cluster("ask n1 fetch u offset=0 -> nothing").contains("found the topic \"u\""));
    assert!(
        error("ask n1 fetch t offset=0 -> nothing").contains("a step of clusters, expected one of quorums")
    );
    assert!(
        error("ask n1 vote epoch=current last-epoch=of:x end=0 -> denied")
            .contains("found of:x, expected a record")
    );
}
