//! Stories written by hand, each odd in its own way.

use serde_json::json;

use crate::trace::{Event, Lane, LaneKind, LaneView, LogView, Mark, RecordView, Scene, Step, Story};

/// Every sample, by name.
pub(super) fn all() -> Vec<(&'static str, Story)> {
    vec![
        ("figure_8", figure_8()),
        ("lasso", lasso()),
        ("services_and_clients", services_and_clients()),
        ("one_step", one_step()),
        ("no_step", no_step()),
        ("long", long()),
        ("hostile", hostile()),
        ("witness", witness()),
    ]
}

/// A teller of stories: holds the lanes as they are, and keeps a scene of them after every step.
struct Teller {
    story: Story,
    now: Vec<LaneView>,
}

impl Teller {
    fn new(model: &str, claim: [&str; 3], lanes: &[(&str, LaneKind)], view: &LaneView) -> Self {
        let now = vec![view.clone(); lanes.len()];
        let lanes = lanes.iter().map(|(name, kind)| Lane { name: (*name).into(), kind: *kind }).collect();
        let story = Story {
            model: model.into(),
            switched: None,
            claim: claim[0].into(),
            kind: "always".into(),
            clause: claim[1].into(),
            summary: claim[2].into(),
            command: format!("highwater check {model}"),
            lanes,
            start: scene(&now),
            steps: Vec::new(),
            loop_to: None,
        };
        Self { story, now }
    }

    fn step(&mut self, action: &str, events: Vec<Event>) -> &mut Self {
        self.story.steps.push(Step { action: action.into(), events, scene: scene(&self.now) });
        self
    }

    fn landmark(&mut self, name: &str) {
        self.story.steps.last_mut().unwrap().scene.landmark = Some(name.into());
    }

    fn role(&mut self, lane: usize, role: &str) -> &mut Self {
        self.now[lane].role = role.into();
        self
    }

    fn up(&mut self, lane: usize, up: bool) -> &mut Self {
        self.now[lane].up = up;
        self
    }

    fn set(&mut self, lane: usize, name: &str, value: &str) -> &mut Self {
        self.now[lane].fields.iter_mut().find(|field| field.0 == name).unwrap().1 = value.into();
        self
    }

    fn log(&mut self, lane: usize, records: &str, high_watermark: u64) -> &mut Self {
        self.now[lane].log = Some(log(records, Some(high_watermark)));
        self
    }
}

fn scene(lanes: &[LaneView]) -> Scene {
    Scene { landmark: None, lanes: lanes.to_vec(), state: json!({ "lanes": lanes.len() }) }
}

/// `x@1 LC@2` as a log.
pub(super) fn log(records: &str, high_watermark: Option<u64>) -> LogView {
    let record = |text: &str| {
        let (value, epoch) = text.split_once('@').unwrap();
        RecordView { epoch: epoch.parse().unwrap(), value: value.into() }
    };
    LogView { records: records.split_whitespace().map(record).collect(), high_watermark, flushed: None }
}

fn send(from: usize, to: usize, text: &str) -> Event {
    Event::Send { from, to, text: text.into() }
}

fn receive(from: usize, to: usize, text: &str) -> Event {
    Event::Receive { from, to, text: text.into() }
}

fn lose(from: usize, to: usize, text: &str) -> Event {
    Event::Lose { from, to, text: text.into() }
}

fn note(lane: usize, mark: Mark, text: &str) -> Event {
    Event::Note { lane, mark, text: text.into() }
}

fn voter() -> LaneView {
    LaneView {
        up: true,
        role: "follower".into(),
        fields: vec![("epoch".into(), "0".into()), ("voted".into(), "-".into())],
        log: Some(log("", Some(0))),
    }
}

const NODES: [(&str, LaneKind); 3] = [("n1", LaneKind::Node), ("n2", LaneKind::Node), ("n3", LaneKind::Node)];

/// Figure 8 on three nodes, with losses, a crash, a duplicate and a message that never arrives.
pub(super) fn figure_8() -> Story {
    const CLAIM: [&str; 3] = [
        "leader-completeness",
        "kraft/safety/4",
        "A leader holds every record that was committed in an earlier epoch.",
    ];
    let mut t = Teller::new("kraft", CLAIM, &NODES, &voter());
    t.story.switched = Some("A01 commit-old-epoch".into());
    t.story.command = "highwater check kraft --flaw A01".into();

    let vote = "Vote epoch=1 candidate=n1 end=0@0";
    t.role(0, "candidate").set(0, "epoch", "1").set(0, "voted", "n1");
    t.step(
        "election-timeout",
        vec![note(0, Mark::Timeout, "becomes candidate of epoch 1"), send(0, 1, vote), send(0, 2, vote)],
    );
    t.set(2, "epoch", "1").set(2, "voted", "n1");
    t.step(
        "deliver-vote",
        vec![receive(0, 2, vote), note(2, Mark::Plain, "votes for n1"), send(2, 0, "Voted epoch=1 granted")],
    );
    t.role(0, "leader").log(0, "LC@1", 0);
    t.step(
        "deliver-voted",
        vec![
            receive(2, 0, "Voted epoch=1 granted"),
            note(0, Mark::Elected, "becomes leader of epoch 1"),
            note(0, Mark::Append, "appends LC@1"),
        ],
    );
    t.step("lose", vec![lose(0, 1, vote)]);
    t.log(0, "LC@1 x@1", 0);
    t.step("append", vec![note(0, Mark::Append, "appends x@1, on n1 alone")]);
    t.landmark("Figure 8 (a)");

    let vote = "Vote epoch=2 candidate=n2 end=0@0";
    t.role(1, "candidate").set(1, "epoch", "2").set(1, "voted", "n2");
    t.step(
        "election-timeout",
        vec![note(1, Mark::Timeout, "becomes candidate of epoch 2"), send(1, 0, vote), send(1, 2, vote)],
    );
    t.set(2, "epoch", "2").set(2, "voted", "n2");
    t.step(
        "deliver-vote",
        vec![receive(1, 2, vote), note(2, Mark::Plain, "votes for n2"), send(2, 1, "Voted epoch=2 granted")],
    );
    t.role(1, "leader").log(1, "LC@2", 0);
    t.step(
        "deliver-voted",
        vec![
            receive(2, 1, "Voted epoch=2 granted"),
            note(1, Mark::Elected, "becomes leader of epoch 2"),
            note(1, Mark::Append, "appends LC@2"),
        ],
    );
    t.landmark("Figure 8 (b)");
    t.up(1, false).role(1, "");
    t.step("crash", vec![note(1, Mark::Crash, "crashes")]);

    let vote = "Vote epoch=3 candidate=n1 end=2@1";
    t.role(0, "candidate").set(0, "epoch", "3").set(0, "voted", "n1");
    t.step(
        "election-timeout",
        vec![
            note(0, Mark::Deposed, "gives up epoch 1"),
            note(0, Mark::Timeout, "becomes candidate of epoch 3"),
            send(0, 1, vote),
            send(0, 2, vote),
        ],
    );
    t.set(2, "epoch", "3").set(2, "voted", "n1");
    t.step(
        "deliver-vote",
        vec![receive(0, 2, vote), note(2, Mark::Plain, "votes for n1"), send(2, 0, "Voted epoch=3 granted")],
    );
    t.role(0, "leader").log(0, "LC@1 x@1 LC@3", 0);
    t.step(
        "deliver-voted",
        vec![
            receive(2, 0, "Voted epoch=3 granted"),
            note(0, Mark::Elected, "becomes leader of epoch 3"),
            note(0, Mark::Append, "appends LC@3"),
        ],
    );
    t.step(
        "deliver-vote",
        vec![
            receive(0, 2, vote),
            note(2, Mark::Plain, "has voted for n1 already, and says so again"),
            send(2, 0, "Voted epoch=3 granted"),
        ],
    );
    let fetch = "Fetch epoch=3 end=0@0";
    t.step("fetch", vec![send(2, 0, fetch)]);
    let fetched = "Fetched epoch=3 base=0@0 [LC@1 x@1] hw=0";
    t.step("deliver-fetch", vec![receive(2, 0, fetch), send(0, 2, fetched)]);
    t.log(2, "LC@1 x@1", 0);
    t.step(
        "deliver-fetched",
        vec![
            receive(0, 2, fetched),
            note(2, Mark::Append, "appends LC@1 x@1"),
            send(2, 0, "Fetch epoch=3 end=2@1"),
        ],
    );
    t.log(0, "LC@1 x@1 LC@3", 2);
    t.step(
        "deliver-fetch",
        vec![
            receive(2, 0, "Fetch epoch=3 end=2@1"),
            note(0, Mark::Commit, "advances its high watermark to 2"),
            send(0, 2, "Fetched epoch=3 base=2@1 [LC@3] hw=2"),
        ],
    );
    t.landmark("Figure 8 (c)");
    t.step("lose", vec![lose(0, 2, "Fetched epoch=3 base=2@1 [LC@3] hw=2")]);
    t.up(1, true).role(1, "follower");
    t.step("restart", vec![note(1, Mark::Restart, "restarts with its log")]);
    let vote = "Vote epoch=4 candidate=n2 end=1@2";
    t.role(1, "candidate").set(1, "epoch", "4").set(1, "voted", "n2");
    t.step(
        "election-timeout",
        vec![note(1, Mark::Timeout, "becomes candidate of epoch 4"), send(1, 0, vote), send(1, 2, vote)],
    );
    t.set(2, "epoch", "4").set(2, "voted", "n2");
    t.step(
        "deliver-vote",
        vec![
            receive(1, 2, vote),
            note(2, Mark::Plain, "votes for n2, whose log ends in a later epoch"),
            send(2, 1, "Voted epoch=4 granted"),
        ],
    );
    t.role(1, "leader").log(1, "LC@2 LC@4", 0);
    t.step(
        "deliver-voted",
        vec![
            receive(2, 1, "Voted epoch=4 granted"),
            note(1, Mark::Elected, "becomes leader of epoch 4"),
            note(1, Mark::Append, "appends LC@4"),
            send(1, 2, "BeginQuorumEpoch epoch=4"),
        ],
    );
    t.log(2, "", 0);
    t.step(
        "deliver-begin",
        vec![receive(1, 2, "BeginQuorumEpoch epoch=4"), note(2, Mark::Truncate, "cuts its log to 0")],
    );
    t.landmark("Figure 8 (d)");
    t.story
}

/// Two candidates that depose each other for ever.
pub(super) fn lasso() -> Story {
    const CLAIM: [&str; 3] = [
        "eventually-a-leader",
        "kraft/liveness/1",
        "Once the network is stable, some node leads eventually.",
    ];
    let mut t = Teller::new("kraft", CLAIM, &NODES, &voter());
    t.story.kind = "leads-to".into();
    t.story.switched = Some("without randomised-timeout".into());
    t.step("stabilise", vec![note(0, Mark::Plain, "sees a stable network from here on")]);
    for lane in [0, 1] {
        t.role(lane, "candidate").set(lane, "epoch", "1").set(lane, "voted", NODES[lane].0);
        t.step(
            "election-timeout",
            vec![
                note(lane, Mark::Timeout, "becomes candidate of epoch 1"),
                send(lane, 1 - lane, "Vote epoch=1 end=0@0"),
            ],
        );
    }
    for lane in [1, 0] {
        t.step(
            "deliver-vote",
            vec![
                receive(1 - lane, lane, "Vote epoch=1 end=0@0"),
                note(lane, Mark::Plain, "has voted for itself"),
                send(lane, 1 - lane, "Voted epoch=1 refused"),
            ],
        );
    }
    t.story.loop_to = Some(1);
    t.story
}

/// Five lanes of three kinds, without logs.
pub(super) fn services_and_clients() -> Story {
    const CLAIM: [&str; 3] =
        ["one-leader-accepted", "zk-election/safety/1", "The resource never accepts two leaders at a time."];
    let lanes = [
        ("c1", LaneKind::Client),
        ("c2", LaneKind::Client),
        ("c3", LaneKind::Client),
        ("zookeeper", LaneKind::Service),
        ("resource", LaneKind::Client),
    ];
    let view = LaneView {
        up: true,
        role: String::new(),
        fields: vec![("session".into(), "live".into()), ("offer".into(), "-".into())],
        log: None,
    };
    let mut t = Teller::new("zk-election", CLAIM, &lanes, &view);
    t.now[3].fields = vec![("children".into(), "{}".into()), ("sessions".into(), "{c1, c2, c3}".into())];
    t.now[4].fields = vec![("fence".into(), "0".into())];
    t.story.start = scene(&t.now);
    t.story.switched = Some("D08 herd-watch".into());
    for (lane, children) in [(0, "{c1:1}"), (1, "{c1:1, c2:2}")] {
        let offer = format!("{}", lane + 1);
        t.set(lane, "offer", &offer).set(3, "children", children);
        t.step(
            "offer",
            vec![
                note(lane, Mark::Append, "offers itself"),
                note(3, Mark::Append, &format!("creates n_{offer}")),
                send(3, lane, &format!("Created n_{offer}")),
            ],
        );
    }
    t.role(0, "leader");
    t.step(
        "deliver",
        vec![
            receive(3, 0, "Created n_1"),
            note(0, Mark::Elected, "leads, as the smallest"),
            send(0, 4, "Write fence=1"),
            send(0, 3, "Exists n_0"),
        ],
    );
    t.up(0, false).role(0, "paused");
    t.step("pause", vec![note(0, Mark::Crash, "is paused, and believes that it leads")]);
    t.set(3, "children", "{c2:2}").set(3, "sessions", "{c2, c3}").set(0, "session", "expired");
    t.step(
        "expire",
        vec![
            note(3, Mark::Expire, "expires the session of c1, and n_1 with it"),
            send(3, 1, "Watch n_1 deleted"),
            send(3, 2, "Watch n_1 deleted"),
        ],
    );
    t.step("deliver", vec![receive(3, 2, "Watch n_1 deleted"), note(2, Mark::Plain, "wakes for nothing")]);
    t.role(1, "leader");
    t.step(
        "deliver",
        vec![
            receive(3, 1, "Watch n_1 deleted"),
            note(1, Mark::Elected, "leads, as the smallest"),
            send(1, 4, "Write fence=2"),
        ],
    );
    t.set(4, "fence", "2");
    t.step("deliver", vec![receive(1, 4, "Write fence=2"), note(4, Mark::Commit, "accepts c2 at fence 2")]);
    t.step("deliver", vec![receive(0, 4, "Write fence=1"), note(4, Mark::Plain, "accepts c1 at fence 1")]);
    t.story
}

/// Violated by the first step.
pub(super) fn one_step() -> Story {
    let mut t = Teller::new(
        "isr",
        ["no-loss", "isr/safety/1", "Nothing acknowledged is lost."],
        &NODES[..2],
        &voter(),
    );
    t.up(0, false).role(0, "");
    t.step("crash", vec![note(0, Mark::Crash, "crashes")]);
    t.story
}

/// Violated at the start.
pub(super) fn no_step() -> Story {
    Teller::new("isr", ["never", "isr/safety/2", "This never holds."], &NODES[..1], &voter()).story
}

/// Forty steps, seven lanes, long labels, logs that outgrow their columns.
pub(super) fn long() -> Story {
    let names: Vec<String> = (1..=7).map(|n| format!("broker-{n}.rack-{n}.example")).collect();
    let lanes: Vec<(&str, LaneKind)> = names.iter().map(|name| (name.as_str(), LaneKind::Node)).collect();
    let claim = [
        "a-claim-with-a-rather-long-name-that-does-not-fit-anywhere",
        "isr/safety/12",
        "Nothing that was ever acknowledged to any client with acks=all is lost, whatever happens to whatever \
         number of brokers below the size of the in-sync replica set at the time of the acknowledgement, and \
         neither is what was read.",
    ];
    let mut t = Teller::new("isr", claim, &lanes, &voter());
    let mut records = String::new();
    for step in 0..40 {
        let (from, to) = (step % 7, (step * 3 + 1) % 7);
        records = format!("{records} value{step}@{}", step / 4 + 1);
        t.log(from, &records, step as u64 / 2).set(from, "epoch", &(step / 4 + 1).to_string());
        let text = format!(
            "FetchResponse epoch={step} highWatermark={step} records=[value{step}@{step}] and so on and on"
        );
        let mut events =
            vec![note(from, Mark::Append, "appends a record with a value whose name is rather long, too")];
        if step >= 7 && step % 2 == 0 {
            let old = step - 7;
            let old_text = format!(
                "FetchResponse epoch={old} highWatermark={old} records=[value{old}@{old}] and so on and on"
            );
            events.insert(0, receive(old % 7, (old * 3 + 1) % 7, &old_text));
        }
        events.push(send(from, to, &text));
        events.push(send(from, (to + 1) % 7, &text));
        events.push(send(from, (to + 2) % 7, "Short"));
        t.step("deliver-a-rather-long-response", events);
    }
    t.story.loop_to = Some(36);
    t.story.kind = "leads-to".into();
    t.story
}

/// Text that would like to be markup, escapes, another direction of writing, or another line.
pub(super) fn hostile() -> Story {
    const EVIL: &str =
        "</script><script>alert(\"1\")</script> & ' ]]> \u{1b}[31m\0 \u{202e}abc\n🐙🐙 日本語 -->";
    let mut t =
        Teller::new(EVIL, [EVIL, EVIL, EVIL], &[(EVIL, LaneKind::Node), (EVIL, LaneKind::Client)], &voter());
    t.story.switched = Some(EVIL.into());
    t.story.command = format!("highwater check '{EVIL}'");
    t.now[0].log = Some(LogView {
        records: vec![RecordView { epoch: u64::MAX, value: EVIL.into() }],
        high_watermark: Some(u64::MAX),
        flushed: Some(0),
    });
    t.now[1].fields.push((EVIL.into(), EVIL.into()));
    t.role(1, EVIL);
    t.step(
        EVIL,
        vec![
            send(0, 1, EVIL),
            receive(0, 1, EVIL),
            receive(0, 1, EVIL),
            lose(0, 9, EVIL),
            send(1, 1, EVIL),
            note(7, Mark::Plain, EVIL),
            note(1, Mark::Elected, EVIL),
        ],
    );
    t.landmark(EVIL);
    t.now.pop();
    t.step("", vec![]);
    t.story.steps[0].scene.state = json!({ EVIL: EVIL });
    t.story.loop_to = Some(99);
    t.story
}

/// The way to a witness; what was in flight at its start arrives.
pub(super) fn witness() -> Story {
    const CLAIM: [&str; 3] = ["some-leader", "kraft/witness/1", "Some node leads at some time."];
    let mut t = Teller::new("kraft", CLAIM, &NODES, &voter());
    t.story.kind = "sometimes".into();
    t.story.start.landmark = Some("a seeded start".into());
    t.role(0, "leader").set(0, "epoch", "1");
    t.now[0].log = Some(LogView { flushed: Some(1), ..log("LC@1 x@1", Some(1)) });
    t.step(
        "deliver-voted",
        vec![receive(2, 0, "Voted epoch=1 granted"), note(0, Mark::Elected, "becomes leader of epoch 1")],
    );
    t.story
}
