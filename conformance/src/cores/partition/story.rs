//! A walk through the cores as a story: lanes as the model draws them, events as they happened.

use highwater_model::check::Walk;
use highwater_model::trace::{Event as Told, Lane, LaneView, Mark, Storyboard};

use super::PartitionCores;
use super::controller::Request;
use super::message::{CONTROLLER, Message, partition_name, record_name};
use super::replica::{Event, Replica, id_of, len};
use super::state::State;
use super::step::{Action, Course};

impl Storyboard for PartitionCores {
    fn lanes(&self) -> Vec<Lane> {
        self.isr.lanes()
    }

    fn view(&self, state: &State) -> Vec<LaneView> {
        self.isr.view(&self.picture(state))
    }

    fn narrate(&self, before: &State, action: &Action, after: &State) -> Vec<Told> {
        let mut events = Vec::new();
        let mut acted = *before;
        let course = self.run(&mut acted, *action);
        self.tell_cause(*action, &mut events);
        for (request, register) in &course.decisions {
            let text = match request {
                Request::Expire(broker) => format!("the session of {} ends", id_of(*broker)),
                Request::Heartbeat(broker) => format!("hears of {}", id_of(*broker)),
                Request::Register { broker, .. } => format!("registers {}", id_of(*broker)),
                Request::Prefer => "lets the preferred replica lead".to_owned(),
                Request::Alter(_) => "decides on the proposal".to_owned(),
            };
            events.push(self.told(CONTROLLER, Mark::Plain, text));
            let partition = &self.registers.value(*register).partition;
            if *partition != self.register(before).partition {
                events.push(self.told(CONTROLLER, Mark::Plain, partition_name(partition)));
            }
        }
        for index in 0..self.bounds.replicas {
            for (mark, text) in changes(self.replica(before, index), self.replica(after, index)) {
                events.push(self.told(index, mark, text));
            }
        }
        self.tell_sent(before, *action, &course, after, &mut events);
        if let Err(refusal) = self.refines(before, *action, &course, after, &self.picture(after)) {
            let lane = course.reaction.map_or(CONTROLLER, |(replica, _)| replica);
            events.push(self.told(lane, Mark::Plain, format!("no step of the model: {refusal}")));
        }
        events
    }

    fn landmarks(&self, _: &Walk<Self>) -> Vec<(usize, String)> {
        Vec::new()
    }
}

impl PartitionCores {
    fn lane(&self, index: u8) -> usize {
        if index == CONTROLLER { self.bounds.replicas.into() } else { index.into() }
    }

    fn told(&self, index: u8, mark: Mark, text: String) -> Told {
        Told::Note { lane: self.lane(index), mark, text }
    }

    fn ends(&self, message: &Message) -> (usize, usize, String) {
        (self.lane(message.from), self.lane(message.to), message.to_string())
    }

    /// What sets a step off.
    fn tell_cause(&self, action: Action, events: &mut Vec<Told>) {
        match action {
            Action::At { replica, event } => {
                let (mark, text) = match event {
                    Event::Produce(_) => (Mark::Plain, "a producer's record arrives".to_owned()),
                    Event::Fetch => return,
                    Event::Lag(follower) => (Mark::Timeout, format!("finds {} lagging", id_of(follower))),
                    Event::Retry => (Mark::Timeout, "asks the controller again".to_owned()),
                    Event::ShutDown => (Mark::Crash, "shuts down cleanly".to_owned()),
                    Event::Crash { kept } => (Mark::Crash, format!("crashes; {kept} records survive")),
                    Event::Start => (Mark::Restart, "starts".to_owned()),
                };
                events.push(self.told(replica, mark, text));
            }
            Action::Arrive { message } => {
                let (from, to, text) = self.ends(self.messages.value(message));
                events.push(Told::Receive { from, to, text });
            }
            Action::Lose { message } => {
                let (from, to, text) = self.ends(self.messages.value(message));
                events.push(Told::Lose { from, to, text });
            }
            Action::Learn { replica } => {
                events.push(self.told(replica, Mark::Plain, "learns what was decided".to_owned()));
            }
            Action::Fence { .. } | Action::Unfence { .. } | Action::Prefer => {}
        }
    }

    fn tell_sent(
        &self,
        before: &State,
        action: Action,
        course: &Course<'_>,
        after: &State,
        events: &mut Vec<Told>,
    ) {
        let mut sent: Vec<u64> = course.reaction.map_or(Vec::new(), |(_, reaction)| reaction.said.clone());
        sent.extend(after.in_flight().filter(|name| !before.in_flight().any(|known| known == *name)));
        sent.sort_unstable();
        sent.dedup();
        for name in &sent {
            let (from, to, text) = self.ends(self.messages.value(*name));
            events.push(Told::Send { from, to, text: text.clone() });
            if !after.in_flight().any(|other| other == *name) {
                events.push(Told::Lose { from, to, text });
            }
        }
        let handled = match action {
            Action::Arrive { message } | Action::Lose { message } => message,
            _ => 0,
        };
        for name in before.in_flight() {
            let gone = name != handled && !after.in_flight().any(|other| other == name);
            if gone && !sent.contains(&name) {
                let (from, to, text) = self.ends(self.messages.value(name));
                events.push(Told::Lose { from, to, text });
            }
        }
    }

    /// A state for reading: what each replica is, what the controller has decided, and what is on its way.
    pub fn text(&self, state: &State) -> Vec<String> {
        let replicas = self.all(state).map(|replica| {
            let log: Vec<String> =
                replica.log[..len(&replica.log).into()].iter().map(|record| record_name(*record)).collect();
            let role = replica.role().map_or("down".to_owned(), |role| format!("{role:?}"));
            format!(
                "{}@{} {role} [{}] hw={}",
                id_of(replica.index),
                replica.epoch(),
                log.join(" "),
                replica.high_watermark()
            )
        });
        let controller = format!("controller {}", partition_name(&self.register(state).partition));
        let messages = state.in_flight().map(|name| {
            let message = self.messages.value(name);
            let end = |index: u8| {
                if index == CONTROLLER { "controller".to_owned() } else { id_of(index).to_string() }
            };
            format!("{} -> {} {message}", end(message.from), end(message.to))
        });
        replicas.chain([controller]).chain(messages).collect()
    }
}

/// What a step did to a replica.
fn changes(was: &Replica, is: &Replica) -> Vec<(Mark, String)> {
    let mut changes = Vec::new();
    if is.core.is_some() && (was.role(), was.epoch()) != (is.role(), is.epoch()) {
        let mark = match (was.leads(), is.leads()) {
            (_, true) => Mark::Elected,
            (true, false) => Mark::Deposed,
            (false, false) => Mark::Plain,
        };
        let role = is.role().map_or(String::new(), |role| format!("{role:?}").to_lowercase());
        changes.push((mark, format!("is {role} in epoch {}", is.epoch())));
    }
    let (old, new) = (len(&was.log), len(&is.log));
    let kept = was.log.iter().zip(&is.log).take_while(|(was, is)| was == is && **was != 0).count();
    if kept < old.into() {
        changes.push((Mark::Truncate, format!("keeps {kept} of {old} records")));
    }
    if kept < new.into() {
        let records: Vec<String> =
            is.log[kept..new.into()].iter().map(|record| record_name(*record)).collect();
        changes.push((Mark::Append, format!("appends {} at offset {kept}", records.join(" "))));
    }
    if was.high_watermark() != is.high_watermark() {
        let text = format!("high watermark {} \u{2192} {}", was.high_watermark(), is.high_watermark());
        changes.push((Mark::Commit, text));
    }
    changes
}
