//! Transcripts: a world, told step by step. One behaviour a file, in `tests/scripts/partition`.
//!
//! A line of output is a message (`n2 -> n1 Fetch 3@1 epoch=2` fetches from offset 3 on, after a record of epoch 1, in leader
//! epoch 2), or what a replica does. A claim of `specs/isr.md` that breaks is told too, with `BROKEN`.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use goldenscript::{ArgumentConsumer, Command, Context, Runner};
use highwater_core::partition::{Acks, PartitionError, PartitionFetch, Reader, Rules, Timer};
use highwater_core::{NO_EPOCH, NodeId};

use crate::invariants;
use crate::tell;
use crate::world::{End, Message, Settings, World};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Runs a transcript.
pub(crate) struct Script {
    world: World,
    /// Leaders are elected uncleanly: what is lost then is lost legally.
    unclean: bool,
    /// All claims that ever broke.
    pub(crate) broken: BTreeSet<&'static str>,
}

impl Script {
    pub(crate) fn new(rules: Rules) -> Self {
        let settings = Settings { replicas: 3, min_isr: 2, wait_for_joining: false, answer_max: 100, rules };
        Self { world: world(settings), unclean: false, broken: BTreeSet::new() }
    }

    /// The oldest message from one to another. That there is none is told, and no error: a flaw may be why.
    fn slot(&mut self, from: End, to: End) -> Option<usize> {
        let found = self.world.network.iter().position(|message| message.ends() == (from, to));
        if found.is_none() {
            self.world.tell(|| "nothing is on its way".to_string());
        }
        found
    }

    fn deliver(&mut self, from: End, to: End) {
        if let Some(slot) = self.slot(from, to) {
            self.world.deliver(slot);
        }
    }

    /// A fetch and its answer, unless either is held back, or the answer lost.
    fn fetch(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        let index = broker(args)?;
        let how = args.next_pos();
        let follower = End::Broker(self.world.brokers[index].id);
        if !self.world.fetch(index) {
            self.world.tell(|| "follows nobody".to_string());
            return Ok(());
        }
        let slot = self.world.network.len() - 1;
        let leader = self.world.network[slot].ends().1;
        match how {
            Some("hold") => {}
            Some("lose") => {
                self.world.deliver(slot);
                self.remove(leader, follower);
            }
            _ => {
                self.world.deliver(slot);
                self.deliver(leader, follower);
            }
        }
        Ok(())
    }

    fn remove(&mut self, from: End, to: End) -> Option<Message> {
        let slot = self.slot(from, to)?;
        Some(self.world.network.remove(slot))
    }

    fn step(&mut self, name: &str, args: &mut ArgumentConsumer<'_>) -> Outcome<String> {
        match name {
            "cluster" => self.cluster(args)?,
            "status" => return Ok(tell::status(&self.world)),
            "produce" => self.produce(args)?,
            "repeat" => self.repeat(args)?,
            "consume" => self.consume(args)?,
            "wait" => self.wait(args)?,
            "forget" => {
                let index = broker(args)?;
                let token = number(args, "token")?;
                self.world.core(index).forget(token);
            }
            "fetch" => self.fetch(args)?,
            "ask" => self.ask(args)?,
            "deliver" => {
                let (from, to) = (end(args)?, end(args)?);
                self.deliver(from, to);
            }
            "drop" => {
                self.remove(end(args)?, end(args)?);
            }
            "duplicate" => {
                if let Some(slot) = self.slot(end(args)?, end(args)?) {
                    let message = self.world.network[slot].clone();
                    self.world.network.push(message);
                }
            }
            "decide" | "refuse" | "vanish" => self.decide(name, args)?,
            "repeat-proposal" => self.repeat_proposal(args)?,
            "learn" => self.learn(args)?,
            "elect" | "fence" | "unfence" => self.change(name, args)?,
            "shutdown" => self.world.shut_down(broker(args)?),
            "crash" => {
                let index = broker(args)?;
                let keep = number(args, "keep")?;
                self.world.crash(index, keep);
            }
            "restart" => self.world.restart(broker(args)?),
            "min-isr" => {
                let (index, min_isr, now) = (broker(args)?, number(args, "of")?, self.world.now);
                self.world.controller.set_min_isr(min_isr);
                self.world.core(index).set_min_isr(now, min_isr);
                self.world.settle(index, &[], 0);
            }
            "retain" => {
                let index = broker(args)?;
                let from = number(args, "from")?;
                self.world.core(index).forget_before(from);
                self.world.settle(index, &[], 0);
            }
            "elapse" => {
                let millis = number(args, "ms")?;
                self.world.elapse(Duration::from_millis(millis));
            }
            "expire" => {
                let index = broker(args)?;
                let timer = match args.next_pos() {
                    Some("lag") => Timer::Lag(self.world.brokers[broker(args)?].id),
                    Some("alter") => Timer::AlterPartition,
                    _ => Timer::Produce(number(args, "produce")?),
                };
                self.world.expire(index, timer);
            }
            _ => return Err(format!("unknown command {name}").into()),
        }
        Ok(String::new())
    }

    fn cluster(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        let mut settings = self.world.settings.clone();
        settings.replicas = args.take_key("replicas").map_or(Ok(3), str::parse)?;
        settings.min_isr = args.take_key("min-isr").map_or(Ok(2), str::parse)?;
        settings.answer_max = args.take_key("answer-max").map_or(Ok(100), str::parse)?;
        settings.wait_for_joining = args.take_key("wait-for-joining").is_some();
        self.unclean = args.next_pos() == Some("unclean");
        self.world = world(settings);
        Ok(())
    }

    fn produce(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        let index = broker(args)?;
        let acks = match args.take_key("acks") {
            Some("0") => Acks::None,
            Some("1") => Acks::Leader,
            _ => Acks::All,
        };
        let timeout = Duration::from_millis(args.take_key("timeout").map_or(Ok(30), str::parse)?);
        let mut values = Vec::new();
        while let Some(value) = args.next_pos() {
            values.extend(value.chars());
        }
        if let Err(error) = self.world.produce(index, &values, acks, timeout) {
            let id = self.world.brokers[index].id;
            self.world.tell(|| format!("{id} refuses: {error:?}"));
        }
        Ok(())
    }

    fn repeat(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        let index = broker(args)?;
        let stands = (number(args, "from")?, number(args, "to")?);
        let acks = match args.take_key("acks") {
            Some("0") => Acks::None,
            Some("1") => Acks::Leader,
            _ => Acks::All,
        };
        let timeout = Duration::from_millis(args.take_key("timeout").map_or(Ok(30), str::parse)?);
        if let Err(error) = self.world.repeat(index, stands, acks, timeout) {
            let id = self.world.brokers[index].id;
            self.world.tell(|| format!("{id} refuses: {error:?}"));
        }
        Ok(())
    }

    fn consume(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        let index = broker(args)?;
        let fetch = fetch_of(args)?;
        let (answer, records) = self.world.consume(index, &fetch);
        let id = self.world.brokers[index].id;
        self.world.tell(|| format!("{id} -> consumer {}", tell::answer(&answer, &records)));
        Ok(())
    }

    fn wait(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        let index = broker(args)?;
        let token = number(args, "token")?;
        let reader = match args.take_key("from") {
            Some(id) => Reader::Replica { id: NodeId(id.trim_start_matches('n').parse()?), broker_epoch: -1 },
            None => Reader::Consumer,
        };
        let fetch = fetch_of(args)?;
        self.world.wait(index, token, reader, &fetch);
        Ok(())
    }

    /// A follower's fetch as somebody might send it, whoever that is.
    fn ask(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        let to = self.world.brokers[broker(args)?].id;
        let from = NodeId(args.take_key("from").unwrap_or("n2").trim_start_matches('n').parse()?);
        let broker_epoch = args.take_key("broker-epoch").map_or(Ok(1), str::parse)?;
        let message = Message::Fetch { from, to, broker_epoch, fetch: fetch_of(args)? };
        self.world.tell(|| tell::message(&message));
        self.world.network.push(message);
        let slot = self.world.network.len() - 1;
        self.world.deliver(slot);
        self.world.network.pop();
        Ok(())
    }

    /// The oldest AlterPartition of a leader is decided, and the answer arrives.
    fn decide(&mut self, how: &str, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        let leader = End::Broker(self.world.brokers[broker(args)?].id);
        let refusal = args.next_pos().map(error).transpose()?;
        let Some(slot) = self.slot(leader, End::Controller) else { return Ok(()) };
        if how == "decide" {
            self.world.deliver(slot);
        } else if let Message::Alter { request } = self.world.network.remove(slot) {
            if how == "vanish" {
                let _ = self.world.controller.alter(&request);
            }
            self.world.decided(request, refusal.map(Err));
        }
        self.deliver(End::Controller, leader);
        Ok(())
    }

    /// What a leader has asked the controller for goes out once more, as a network repeats it.
    fn repeat_proposal(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        let asked = self.world.brokers[broker(args)?].asked.clone();
        self.world.network.extend(asked.map(|request| Message::Alter { request }));
        Ok(())
    }

    /// Brokers learn the newest metadata; all that run, if none is named.
    fn learn(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        let newest = self.world.controller.newest();
        let mut named = Vec::new();
        while let Some(name) = args.next_pos() {
            named.push(index(name)?);
        }
        if named.is_empty() {
            named.extend(0..self.world.brokers.len());
        }
        for index in named {
            if self.world.brokers[index].core.is_some() {
                self.world.learn(index, newest);
            }
        }
        Ok(())
    }

    fn change(&mut self, name: &str, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        let id = self.world.brokers[broker(args)?].id;
        let controller = &mut self.world.controller;
        match name {
            "elect" => {
                let clean = controller.candidates().contains(&id);
                if clean != (args.next_pos() == Some("uncleanly")) {
                    controller.elect(id);
                } else {
                    self.world.tell(|| format!("{id} cannot be elected like that"));
                }
            }
            "fence" => controller.fence(id),
            _ => controller.unfence(id),
        }
        Ok(())
    }
}

fn world(settings: Settings) -> World {
    let mut world = World::new(settings);
    world.transcript = Some(Vec::new());
    world
}

fn index(name: &str) -> Outcome<usize> {
    let id: usize = name.trim_start_matches('n').parse()?;
    id.checked_sub(1).ok_or_else(|| "brokers are n1, n2, n3".into())
}

fn broker(args: &mut ArgumentConsumer<'_>) -> Outcome<usize> {
    index(args.next_pos().ok_or("which broker?")?)
}

fn end(args: &mut ArgumentConsumer<'_>) -> Outcome<End> {
    match args.next_pos().ok_or("from whom, to whom?")? {
        "controller" => Ok(End::Controller),
        name => Ok(End::Broker(NodeId(index(name)? as i32 + 1))),
    }
}

fn number<N: std::str::FromStr<Err: Error + 'static>>(
    args: &mut ArgumentConsumer<'_>,
    key: &str,
) -> Outcome<N> {
    let text = args.take_key(key).ok_or_else(|| format!("{key}= is missing"))?;
    Ok(text.parse()?)
}

fn fetch_of(args: &mut ArgumentConsumer<'_>) -> Outcome<PartitionFetch> {
    let offset = args.take_key("offset").map_or(Ok(0), str::parse)?;
    let leader_epoch = args.take_key("epoch").map_or(Ok(NO_EPOCH), str::parse)?;
    let last_epoch = args.take_key("last").map_or(Ok(NO_EPOCH), str::parse)?;
    Ok(PartitionFetch { leader_epoch, offset, last_epoch })
}

fn error(name: &str) -> Outcome<PartitionError> {
    use PartitionError::{
        FencedLeaderEpoch, IneligibleReplica, InvalidUpdateVersion, NewLeaderElected, NotController,
    };
    let known = [FencedLeaderEpoch, IneligibleReplica, InvalidUpdateVersion, NewLeaderElected, NotController];
    let found = known.into_iter().find(|error| format!("{error:?}") == name);
    found.ok_or_else(|| format!("unknown error {name}").into())
}

impl Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Outcome<String> {
        let mut args = command.consume_args();
        let mut output = self.step(&command.name, &mut args)?;
        args.reject_next()?;
        self.world.note_recovered();
        for line in self.world.transcript.as_mut().map(std::mem::take).unwrap_or_default() {
            output.push_str(&line);
            output.push('\n');
        }
        let mut broken = invariants::broken(&self.world);
        if self.unclean {
            broken.retain(|claim| invariants::UNDER_UNCLEAN_ELECTION.contains(claim));
        }
        for claim in broken {
            self.broken.insert(claim);
            output.push_str(&format!("BROKEN {claim}\n"));
        }
        Ok(output)
    }
}

/// Where a transcript stands.
pub(crate) fn path(name: &str) -> String {
    format!("{}/tests/scripts/partition/{name}", env!("CARGO_MANIFEST_DIR"))
}

macro_rules! transcripts {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                let mut script = Script::new(Rules::default());
                goldenscript::run(&mut script, path(stringify!($name))).expect("a transcript");
                assert!(script.broken.is_empty(), "{:?}", script.broken);
            }
        )*

        #[test]
        fn every_transcript_is_run() {
            let names: BTreeSet<String> = [$(stringify!($name).to_string()),*].into();
            let files = std::fs::read_dir(path("")).expect("transcripts");
            let files = files.map(|file| file.expect("a file").file_name().into_string().expect("a name")).collect();
            assert_eq!(names, files);
        }
    };
}

transcripts! {
    answer_of_older_epoch_ignored
    answer_to_other_position_ignored
    append_fetched_and_committed
    commit_rests_below_min_isr
    commit_waits_for_joining_follower
    commit_waits_for_proposed_member
    divergence_epoch_unknown_to_leader
    expansion_of_fenced_not_proposed
    expansion_of_older_incarnation_refused
    expansion_waits_for_epoch_start
    fetch_checked
    fetch_of_older_epoch_fenced
    fetch_of_older_incarnation_dropped
    fetch_that_diverges_not_counted
    fetches_wait
    followers_unknown_after_missed_epoch
    followers_unknown_to_new_leader
    high_watermark_not_over_unverified_tail
    log_start_follows_leader
    min_isr_lowered
    produce_acknowledged_as_asked
    produce_fails_when_leadership_ends
    produce_refused_below_min_isr
    produce_times_out
    proposal_ineligible_is_over
    proposal_of_deposed_leader_refused
    proposal_outdated_awaits_metadata
    proposal_over_with_newer_metadata
    proposal_unanswered_asked_again
    read_of_committed_only
    recovery_before_expansion
    repeat_waits_for_what_stands
    repeat_refused_as_produce
    restart_where_leader_ends
    shrink_not_of_caught_up_member
    shrink_of_lagging_member
    truncation_follower_keeps_committed
    truncation_replaced_record_is_cut
    truncation_under_same_leader
}
