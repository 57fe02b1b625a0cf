//! A walk through the cores as a story: lanes as the model draws them, events as they happened.

use highwater_model::check::Walk;
use highwater_model::trace::{Event as Told, Lane, LaneView, Mark, Storyboard};

use super::message::record_name;
use super::state::State;
use super::step::{Action, Reaction};
use super::voter::{Event, Voter, id_of};
use super::{Message, QuorumCores};

impl Storyboard for QuorumCores {
    fn lanes(&self) -> Vec<Lane> {
        self.kraft.lanes()
    }

    fn view(&self, state: &State) -> Vec<LaneView> {
        self.kraft.view(&self.picture(state))
    }

    fn narrate(&self, before: &State, action: &Action, after: &State) -> Vec<Told> {
        let mut events = Vec::new();
        let note = |lane: u8, mark, text: String| Told::Note { lane: lane.into(), mark, text };
        let receive = |message: &Message| Told::Receive {
            from: message.from.into(),
            to: message.to.into(),
            text: message.to_string(),
        };
        let reaction = match *action {
            Action::At { voter, event, .. } => {
                let (mark, text) = happened(event);
                events.push(note(voter, mark, text));
                Some(self.happen(before, voter, event))
            }
            Action::Arrive { message, copied, .. } => {
                let arrived = self.messages.value(message);
                events.push(receive(arrived));
                if copied {
                    events.push(note(arrived.to, Mark::Plain, "a copy of it stays in flight".to_owned()));
                }
                Some(self.arrive(before, message))
            }
            Action::Lose { message } => {
                let lost = self.messages.value(message);
                let (from, to) = (lost.from.into(), lost.to.into());
                events.push(Told::Lose { from, to, text: lost.to_string() });
                None
            }
        };
        for voter in 0..self.bounds.voters {
            let (was, is) = (self.voter(before, voter), self.voter(after, voter));
            for (mark, text) in changes(was, is) {
                events.push(note(voter, mark, text));
            }
        }
        if let Some(reaction) = reaction {
            self.tell_sent(before, after, reaction, &mut events);
        }
        if let Err(refusal) = self.refines(before, *action, reaction, &self.picture(after)) {
            let lane = match *action {
                Action::At { voter, .. } => voter,
                Action::Arrive { message, .. } | Action::Lose { message } => self.messages.value(message).to,
            };
            events.push(note(lane, Mark::Plain, format!("no step of the model: {refusal}")));
        }
        events
    }

    fn landmarks(&self, _: &Walk<Self>) -> Vec<(usize, String)> {
        Vec::new()
    }
}

impl QuorumCores {
    fn tell_sent(&self, before: &State, after: &State, reaction: &Reaction, events: &mut Vec<Told>) {
        let known = self.sets.value(before.lasting);
        for name in reaction.lasting.iter().chain(&reaction.refusals).chain(&reaction.passing) {
            let message = self.messages.value(*name);
            let (from, to, text) = (message.from.into(), message.to.into(), message.to_string());
            if known.contains(name) {
                continue;
            }
            events.push(Told::Send { from, to, text: text.clone() });
            if message.is_refusal() && reaction.refusals.contains(name) {
                events.push(Told::Receive { from, to, text });
            } else if !message.lasts() && !after.in_flight().any(|other| other == *name) {
                events.push(Told::Lose { from, to, text });
            }
        }
    }

    /// A state for reading: what each voter is, and what is on its way.
    pub fn text(&self, state: &State) -> Vec<String> {
        let voters = self.all(state).map(|voter| {
            let log: Vec<String> = voter.log.records().map(record_name).collect();
            let core = &voter.core;
            let high_watermark = core.high_watermark().map_or("?".to_owned(), |offset| offset.to_string());
            format!(
                "{}@{} {:?} [{}] hw={high_watermark} flushed={}",
                id_of(voter.index),
                core.epoch(),
                core.role(),
                log.join(" "),
                voter.flushed
            )
        });
        let lasting = self.sets.value(state.lasting).iter().copied();
        let messages = state.in_flight().chain(lasting).map(|name| {
            let message = self.messages.value(name);
            format!("{} -> {} {message}", id_of(message.from), id_of(message.to))
        });
        voters.chain(messages).collect()
    }
}

/// What sets a step off.
fn happened(event: Event) -> (Mark, String) {
    match event {
        Event::Expire(timer) => (Mark::Timeout, format!("timer: {timer:?}")),
        Event::Flushed => (Mark::Plain, "its flush is done".to_owned()),
        Event::Transmit => (Mark::Plain, "its fetch leaves".to_owned()),
        Event::Append(_) => (Mark::Plain, "a client's record arrives".to_owned()),
        Event::Resign => (Mark::Plain, "is told to resign".to_owned()),
        Event::Restart { kept, lost: true } => {
            (Mark::Crash, format!("stops, losing what it had not flushed from offset {kept} on, and is back"))
        }
        Event::Restart { .. } => (Mark::Crash, "stops, and is back".to_owned()),
        Event::Wipe => (Mark::Crash, "loses its disk, and is back blank".to_owned()),
    }
}

/// What a step did to a voter.
fn changes(was: &Voter, is: &Voter) -> Vec<(Mark, String)> {
    use highwater_core::quorum::RoleName;
    let mut changes = Vec::new();
    let (epoch, role) = (is.core.epoch(), is.core.role());
    if (was.core.role(), was.core.epoch()) != (role, epoch) {
        let mark = match (was.core.role(), role) {
            (_, RoleName::Leader) => Mark::Elected,
            (RoleName::Leader, _) => Mark::Deposed,
            _ => Mark::Plain,
        };
        let leader = is.core.election().leader.filter(|_| role == RoleName::Follower);
        let leader = leader.map(|leader| format!(" of {leader}")).unwrap_or_default();
        changes.push((mark, format!("is {role:?}{leader} in epoch {epoch}").to_lowercase()));
    }
    if !is.log.starts_with(was.log) {
        changes.push((
            Mark::Truncate,
            format!("keeps {} of {} records", is.log.first_difference(was.log), was.log.len()),
        ));
    } else if is.log.len() > was.log.len() {
        let new: Vec<String> = is.log.records().skip(was.log.len().into()).map(record_name).collect();
        changes.push((Mark::Append, format!("appends {} at offset {}", new.join(" "), was.log.len())));
    }
    let (before, after) = (was.core.high_watermark(), is.core.high_watermark());
    if before != after {
        let text = |offset: Option<i64>| offset.map_or("?".to_owned(), |offset| offset.to_string());
        changes.push((Mark::Commit, format!("high watermark {} \u{2192} {}", text(before), text(after))));
    }
    changes
}
