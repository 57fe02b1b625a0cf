//! A walk through the cores, told.

use std::fmt::Write;

use super::QuorumCores;
use super::message::record_name;
use super::state::State;
use super::step::Action;
use super::voter::{Voter, id_of};

impl QuorumCores {
    /// A step in a line or two.
    pub fn tell(&self, before: &State, action: Action, after: &State) -> String {
        let mut text = String::new();
        let reaction = match action {
            Action::At { voter, event, .. } => {
                let _ = write!(text, "{}: {event:?}", id_of(voter));
                Some(self.happen(before, voter, event))
            }
            Action::Arrive { message, copied, .. } => {
                let arrived = self.messages.value(message);
                let copied = if copied { " (a copy stays)" } else { "" };
                let _ = write!(text, "{} -> {}: {arrived}{copied}", id_of(arrived.from), id_of(arrived.to));
                Some(self.arrive(before, message))
            }
            Action::Lose { message } => {
                let lost = self.messages.value(message);
                let _ = write!(text, "{} -> {}: {lost} is lost", id_of(lost.from), id_of(lost.to));
                None
            }
        };
        for (was, is) in before.voters.iter().zip(&after.voters) {
            if was != is {
                let (was, is) = (&self.voters.value(*was).voter, &self.voters.value(*is).voter);
                let _ = write!(text, "\n          {} => {}", short(was), short(is));
            }
        }
        if let Some(reaction) = reaction {
            for name in reaction.lasting.iter().chain(&reaction.passing) {
                let message = self.messages.value(*name);
                let fate = if message.lasts() || after.in_flight().any(|other| other == *name) { "" } else { " (lost)" };
                let _ = write!(text, "\n          says to {}: {message}{fate}", id_of(message.to));
            }
            if let Err(refusal) = self.refines(before, action, Some(reaction), &self.picture(after)) {
                let _ = write!(text, "\n          none of the model's: {refusal}");
            }
        }
        text
    }
}

fn short(voter: &Voter) -> String {
    let log: Vec<_> = voter.log.records().map(record_name).collect();
    let core = &voter.core;
    let hw = core.high_watermark().map_or("?".to_owned(), |offset| offset.to_string());
    format!(
        "{}@{} {:?} leader={:?} [{}] flushed={} flushing={:?} hw={hw}",
        id_of(voter.index),
        core.epoch(),
        core.role(),
        core.leader().map(|leader| leader.0),
        log.join(" "),
        voter.flushed,
        voter.flushing
    )
}
#[allow(missing_docs)]
impl QuorumCores {
    pub fn look(&self, s: &State) -> String { format!("{:?}", self.picture(s)) .chars().filter(|c| !c.is_whitespace()).collect() }
    pub fn unflushed(&self, s: &State) -> bool { self.all(s).any(|v| v.flushed < v.log.len()) }
    pub fn words_of(&self, m: &[u64]) -> String { m.iter().filter(|x| **x != 0).map(|x| { let m = self.messages.value(*x); format!("{}->{} {m}; ", m.from, m.to) }).collect() }
    pub fn voter_text(&self, n: u64) -> String { format!("{:?}", self.voters.value(n).voter.core).replace("Constant(Settings", "\nC(").split("role:").nth(1).unwrap_or("").to_owned() }
}
impl QuorumCores {
    #[cfg(test)]
    pub(super) fn text(&self, state: &State) -> String {
        let mut text = String::new();
        for voter in self.all(state) { let _ = writeln!(text, "{} {:?}", short(voter), voter); }
        let _ = writeln!(text, "{}", self.words_of(&state.messages));
        let _ = writeln!(text, "lasting {}", self.words_of(self.sets.value(state.lasting)));
        text
    }
}
