//! Small plays, the same for every product: what a target does and tells, act by act. What clusters must do is the cases' part.

pub(crate) mod cases;

use std::time::{Duration, Instant};

use highwater_conformance::scenario::Member;
use highwater_conformance::target::cluster::{
    Acks, Clients, Election, Links, PartitionView, Partitions, Pauses, Topic,
};
use highwater_conformance::target::{Builder, Fault, Lifecycle, Setup, System};

const N1: Member = Member(1);
const N2: Member = Member(2);
const N3: Member = Member(3);
const ALL: [Member; 3] = [N1, N2, N3];

/// Longer than anything takes that works, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a record may take.
const SOON: Duration = Duration::from_secs(30);

/// A cluster of three.
struct Play {
    system: Box<dyn System>,
}

impl Play {
    fn new(builder: &mut dyn Builder) -> Self {
        let setup = Setup { cluster: ALL.to_vec(), ..Setup::default() };
        Self { system: builder.build(&setup).unwrap_or_else(|fault| panic!("{fault}")) }
    }

    fn partitions(&mut self) -> &mut dyn Partitions {
        self.system.partitions().expect("partitions")
    }

    fn clients(&mut self) -> &mut dyn Clients {
        self.system.clients().expect("clients")
    }

    fn lifecycle(&mut self) -> &mut dyn Lifecycle {
        self.system.lifecycle().expect("processes")
    }

    fn pauses(&mut self) -> &mut dyn Pauses {
        self.system.pauses().expect("signals")
    }

    fn links(&mut self) -> &mut dyn Links {
        self.system.links().expect("links")
    }

    fn topic(&mut self, replicas: &[Member], min_isr: u8, unclean: bool) {
        let topic =
            Topic { name: "t".to_owned(), replicas: replicas.to_vec(), min_isr, unclean: Some(unclean) };
        self.partitions().create(&topic).unwrap_or_else(|fault| panic!("{fault}"));
        for &node in &ALL {
            let sought = format!("{node} knows that all replicas are in sync");
            self.see(node, &sought, |view| view.isr.len() == replicas.len() && view.leader.is_some());
        }
    }

    /// Asks again until `so`.
    fn until<T>(&mut self, sought: &str, mut so: impl FnMut(&mut Self) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = so(self) {
                return found;
            }
            assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {sought}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What a node says once it is so.
    fn see(&mut self, node: Member, sought: &str, so: impl Fn(&PartitionView) -> bool) -> PartitionView {
        let mut last = None;
        self.until(sought, |play| {
            let view = play.partitions().partition(node, "t").unwrap_or_else(|fault| panic!("{fault}"));
            if view.is_some() && view != last {
                last.clone_from(&view);
                println!("{node}: {view:?}");
            }
            view.filter(&so)
        })
    }

    /// The two that are not the active controller.
    fn brokers_beside_the_controller(&mut self) -> Vec<Member> {
        let controller = self.until("n1 knows the active controller", |play| {
            play.partitions().controller(N1).expect("an answer")
        });
        ALL.into_iter().filter(|node| *node != controller).collect()
    }

    fn produce(&mut self, acks: Acks, values: &[&str]) -> Result<Vec<u64>, Fault> {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        self.clients().produce("t", acks, &values, SOON)
    }

    /// A new leader learns by and by how much is committed.
    fn reads(&mut self, values: &[&str]) {
        self.until(&format!("{values:?} are read"), |play| (play.consumed() == values).then_some(()));
    }

    fn consumed(&mut self) -> Vec<String> {
        let records = self.clients().consume("t", SOON).unwrap_or_else(|fault| panic!("{fault}"));
        records.into_iter().map(|(_, value)| value).collect()
    }
}

fn refusal<T: std::fmt::Debug>(done: Result<T, Fault>) -> String {
    match done {
        Err(Fault::Refused(why)) => why,
        other => panic!("found {other:?}, expected a refusal"),
    }
}

/// Without any fault, as on a cluster that nobody here started.
pub(crate) fn records_that_are_written_are_read(builder: &mut dyn Builder) {
    let mut play = Play::new(builder);
    play.topic(&[N2, N3, N1], 2, false);
    assert_eq!(play.produce(Acks::All, &["a", "b"]), Ok(vec![0, 1]));
    assert_eq!(play.produce(Acks::None, &["c"]), Ok(vec![]));
    play.reads(&["a", "b", "c"]);
    let known = ALL.map(|node| play.partitions().controller(node).expect("an answer"));
    assert!(known[0].is_some() && known.iter().all(|one| *one == known[0]), "{known:?}");
}

/// A killed leader's records are read of the next, and it joins the ISR when it is back.
pub(crate) fn leader_that_is_killed_is_followed_and_comes_back(builder: &mut dyn Builder) {
    let mut play = Play::new(builder);
    play.topic(&ALL, 2, false);
    assert_eq!(play.produce(Acks::All, &["a", "b"]), Ok(vec![0, 1]));
    let before = play.see(N2, "n1 leads", |view| view.leader == Some(N1));
    play.lifecycle().kill(N1).expect("killed");
    assert_eq!(play.partitions().partition(N1, "t"), Ok(None));
    let after = play.see(N2, "another leads", |view| view.leader.is_some_and(|leader| leader != N1));
    assert!(after.leader_epoch > before.leader_epoch, "{before:?}, then {after:?}");
    play.reads(&["a", "b"]);
    assert_eq!(play.produce(Acks::All, &["c"]), Ok(vec![2]));
    play.lifecycle().start(N1).expect("started");
    play.see(N1, "n1 is in sync", |view| view.isr == ALL);
    play.until("n1 has all, and knows that it is committed", |play| {
        let replica = play.partitions().replica(N1, "t").expect("an answer")?;
        (replica.log_end == Some(3) && replica.high_watermark == Some(3)).then_some(())
    });
}

/// With too few in sync nothing is taken with acks=all, and what is with acks=1 is not committed; refusals bear Kafka's names.
pub(crate) fn too_few_in_sync_replicas_refuse_and_commit_nothing(builder: &mut dyn Builder) {
    let mut play = Play::new(builder);
    play.topic(&[N1, N2], 2, false);
    let refused = refusal(play.partitions().elect("t", Election::Preferred));
    assert!(refused.starts_with("ELECTION_NOT_NEEDED"), "{refused}");
    let refused = refusal(play.partitions().configure("t", "min.insync.replicas", "many"));
    assert!(refused.starts_with("INVALID_CONFIG"), "{refused}");
    assert_eq!(play.produce(Acks::All, &["a"]), Ok(vec![0]));
    play.lifecycle().stop(N2).expect("stopped");
    play.see(N3, "n2 is out of sync", |view| view.isr == [N1]);
    // What the leader itself knows decides.
    play.see(N1, "n1 knows so", |view| view.isr == [N1]);
    play.until("nothing is taken", |play| match play.produce(Acks::All, &["b"]) {
        Err(Fault::Refused(why)) if why == "NOT_ENOUGH_REPLICAS" => Some(()),
        // As long as it waits for n2 it has appended.
        Err(Fault::InDoubt(_)) => None,
        other => panic!("found {other:?}, expected NOT_ENOUGH_REPLICAS"),
    });
    let offsets = play.produce(Acks::Leader, &["c"]).expect("acks=1 is taken");
    let replica = play.partitions().replica(N1, "t").expect("an answer").expect("a replica");
    assert_eq!(replica.log_end, Some(offsets[0] + 1));
    assert!(replica.high_watermark.is_some_and(|known| known <= offsets[0]), "{replica:?}");
    assert!(!play.consumed().contains(&"c".to_owned()));
    play.lifecycle().start(N2).expect("started");
    play.see(N1, "n2 is in sync", |view| view.isr == [N1, N2]);
    play.until("c is committed", |play| play.consumed().contains(&"c".to_owned()).then_some(()));
}

/// A leader that stands still is replaced, says nothing meanwhile, and follows when it goes on.
pub(crate) fn leader_that_stands_still_is_replaced_and_follows(builder: &mut dyn Builder) {
    let mut play = Play::new(builder);
    play.topic(&ALL, 2, false);
    assert_eq!(play.produce(Acks::All, &["a"]), Ok(vec![0]));
    play.pauses().pause(N1).expect("paused");
    assert_eq!(play.partitions().partition(N1, "t"), Ok(None));
    let after = play.see(N3, "another leads", |view| view.leader.is_some_and(|leader| leader != N1));
    assert_eq!(play.produce(Acks::All, &["b"]), Ok(vec![1]));
    play.pauses().resume(N1).expect("resumed");
    play.see(N1, "n1 follows", |view| view.leader_epoch >= after.leader_epoch && view.isr == ALL);
    play.reads(&["a", "b"]);
}

/// The active controller dies: the others agree on another, who decides.
pub(crate) fn controller_that_is_killed_is_followed(builder: &mut dyn Builder) {
    let mut play = Play::new(builder);
    let first = play.partitions().controller(N1).expect("an answer").expect("a controller");
    let others: Vec<Member> = ALL.into_iter().filter(|node| *node != first).collect();
    play.lifecycle().kill(first).expect("killed");
    play.until("the others agree on another", |play| {
        let known: Vec<Option<Member>> =
            others.iter().map(|node| play.partitions().controller(*node).expect("an answer")).collect();
        (known[0] == known[1] && known[0].is_some_and(|next| next != first)).then_some(())
    });
    play.until("it has fenced the dead one", |play| {
        let topic = Topic { name: "t".to_owned(), replicas: others.clone(), min_isr: 1, unclean: None };
        play.partitions().create(&topic).is_ok().then_some(())
    });
    assert_eq!(play.produce(Acks::All, &["a"]), Ok(vec![0]));
}

/// A disk is lost: the replica is filled again. Not that of the active controller: Kafka's node ends itself if the others still take it for the leader that
/// it cannot remember to be.
pub(crate) fn disk_that_is_lost_is_filled_again(builder: &mut dyn Builder) {
    let mut play = Play::new(builder);
    let brokers = play.brokers_beside_the_controller();
    play.topic(&ALL, 1, false);
    assert_eq!(play.produce(Acks::All, &["a", "b"]), Ok(vec![0, 1]));
    play.lifecycle().wipe(brokers[1]).expect("wiped");
    play.until("it has all of it again", |play| {
        let replica = play.partitions().replica(brokers[1], "t").expect("an answer")?;
        (replica.log_end == Some(2)).then_some(())
    });
    play.see(brokers[0], "it is in sync", |view| view.isr == ALL);
}

/// A link is cut one way: a follower that the leader does not hear leaves the ISR, until it is healed. Neither is the active controller: whoever is not
/// heard by its node would be, and is fenced.
pub(crate) fn follower_that_is_not_heard_leaves_the_isr_until_healed(builder: &mut dyn Builder) {
    let mut play = Play::new(builder);
    let brokers = play.brokers_beside_the_controller();
    let (leader, follower) = (brokers[0], brokers[1]);
    play.topic(&brokers, 1, false);
    assert_eq!(play.produce(Acks::All, &["a"]), Ok(vec![0]));
    play.links().cut(follower, leader).expect("cut");
    assert_eq!(play.produce(Acks::Leader, &["b"]), Ok(vec![1]));
    play.see(leader, "the follower is out of sync", |view| view.isr == [leader]);
    play.links().heal(follower, leader).expect("healed");
    play.see(leader, "the follower is in sync", |view| view.isr == brokers);
    play.reads(&["a", "b"]);
}
