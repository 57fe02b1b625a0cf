//! A walk as a story: a lane a server, and the states of the paper's Figure 8 by name.

use crate::check::Walk;
use crate::trace::{Event, Lane, LaneKind, LaneView, LogView, Mark, RecordView, Storyboard};
use crate::voting::NOBODY;

use super::Raft;
use super::action::Action;
use super::readable::{entry_text, value_of};
use super::state::{Entry, Kind, Message, Role, State};

impl Storyboard for Raft {
    fn lanes(&self) -> Vec<Lane> {
        let lane = |server| Lane { name: format!("n{server}"), kind: LaneKind::Node };
        (1..=self.bounds.nodes).map(lane).collect()
    }

    fn view(&self, state: &State) -> Vec<LaneView> {
        (0..usize::from(self.bounds.nodes)).map(|server| self.lane(state, server)).collect()
    }

    fn narrate(&self, before: &State, action: &Action, after: &State) -> Vec<Event> {
        let mut events = Vec::new();
        match *action {
            Action::Timeout(server) => {
                let text = format!("stands for term {}", after.term(server.into()));
                events.push(note(server.into(), Mark::Timeout, text));
            }
            Action::AskVote(candidate, peer) => {
                let mut sent = *before;
                let request = self.vote_request(&mut sent, candidate.into(), peer.into());
                self.tell_request(&sent, request, after, &mut events);
            }
            Action::SendAppend(leader, peer) => {
                let request = self.append_request(before, leader.into(), peer.into());
                self.tell_request(before, request, after, &mut events);
            }
            Action::Heartbeat(leader, peer) => {
                let request = self.heartbeat(before, leader.into(), peer.into());
                self.tell_request(before, request, after, &mut events);
            }
            Action::Append(_) => {}
            Action::Deliver(message) => {
                let mut state = *before;
                state.withdraw(message);
                self.tell_arrival(&state, message, after, &mut events);
            }
            Action::Duplicate(message) => self.tell_arrival(before, message, after, &mut events),
            Action::Lose(message) => {
                let (from, to) = (message.from(), message.to());
                events.push(Event::Lose { from, to, text: text_of(message) });
            }
            Action::Restart(server) => {
                events.push(note(server.into(), Mark::Crash, "crashes".to_owned()));
                events.push(note(server.into(), Mark::Restart, "restarts as a follower".to_owned()));
                if after.role(server.into()) == Role::Candidate {
                    let text = format!("stands for term {}", after.term(server.into()));
                    events.push(note(server.into(), Mark::Timeout, text));
                }
            }
            Action::PowerLoss(server) => {
                let lost = before.unflushed(server.into());
                let text = format!("loses power and {lost} unflushed of its log");
                events.push(note(server.into(), Mark::Crash, text));
                events.push(note(server.into(), Mark::Restart, "restarts as a follower".to_owned()));
            }
            Action::Flush(server) => {
                events.push(note(server.into(), Mark::Plain, "flushes its log".to_owned()));
            }
            Action::Stabilise => {
                events.push(note(0, Mark::Plain, "from here on the network is stable".to_owned()));
            }
        }
        let restarted = matches!(action, Action::Restart(_) | Action::PowerLoss(_));
        for server in 0..usize::from(self.bounds.nodes) {
            tell_changes(before, after, server, restarted, &mut events);
        }
        events
    }

    fn landmarks(&self, walk: &Walk<Self>) -> Vec<(usize, String)> {
        let states: Vec<&State> =
            std::iter::once(&walk.start).chain(walk.steps.iter().map(|(_, state)| state)).collect();
        let Some(figure) = Figure8::find(self, &states) else {
            return Vec::new();
        };
        let name = |(at, letter): (usize, char)| (at, format!("Figure 8 ({letter})"));
        figure.places.into_iter().map(name).collect()
    }
}

impl Raft {
    fn lane(&self, state: &State, server: usize) -> LaneView {
        let (log, ballot, progress) = (state.logs[server], state.ballots[server], state.progress[server]);
        let peers = || (0..usize::from(self.bounds.nodes)).filter(move |&peer| peer != server);
        let of_peers = |what: &dyn Fn(usize) -> u8| {
            let known: Vec<String> = peers().map(|peer| format!("n{}:{}", peer + 1, what(peer))).collect();
            format!("{{{}}}", known.join(", "))
        };
        let mut fields = vec![("term".to_owned(), ballot.epoch.to_string())];
        if ballot.voted != NOBODY {
            fields.push(("voted".to_owned(), format!("n{}", ballot.voted)));
        }
        let role = match state.role(server) {
            Role::Follower => "follower",
            Role::Candidate => {
                let voters = (0..8).filter(|voter| progress.votes() >> voter & 1 != 0);
                let voters: Vec<String> = voters.map(|voter| format!("n{}", voter + 1)).collect();
                fields.push(("votes".to_owned(), format!("{{{}}}", voters.join(", "))));
                "candidate"
            }
            Role::Leader => {
                fields.push(("next".to_owned(), of_peers(&|peer| progress.next(peer))));
                fields.push(("match".to_owned(), of_peers(&|peer| progress.matched(peer))));
                "leader"
            }
        };
        let record = |index| {
            let entry = log.get(index);
            RecordView { epoch: entry.term().into(), value: value_of(entry).to_owned() }
        };
        LaneView {
            up: true,
            role: role.to_owned(),
            fields,
            log: Some(LogView {
                records: (1..=log.len()).map(record).collect(),
                high_watermark: Some(state.commit(server).into()),
                flushed: (state.unflushed(server) > 0).then(|| state.flushed(server).into()),
            }),
        }
    }

    /// A request leaves; where it is answered in the same step, that too.
    fn tell_request(&self, state: &State, request: Message, after: &State, events: &mut Vec<Event>) {
        events.push(Event::Send { from: request.from(), to: request.to(), text: text_of(request) });
        if self.is_answered_at_once(state, request) {
            self.tell_arrival(state, request, after, events);
        }
    }

    /// A message arrives; its answer leaves, and a refusal arrives too.
    fn tell_arrival(&self, state: &State, message: Message, after: &State, events: &mut Vec<Event>) {
        let (from, to) = (message.from(), message.to());
        events.push(Event::Receive { from, to, text: text_of(message) });
        let mut handled = *state;
        let Some(reply) = self.receive(&mut handled, message) else { return };
        let at_once = !reply.parts().yes || self.bounds.atomic;
        if at_once || after.in_flight().any(|other| other == reply) {
            events.push(Event::Send { from: to, to: from, text: text_of(reply) });
        }
        if at_once {
            events.push(Event::Receive { from: to, to: from, text: text_of(reply) });
        }
    }
}

/// What a server's changes say by themselves.
fn tell_changes(before: &State, after: &State, server: usize, restarted: bool, events: &mut Vec<Event>) {
    let term = after.term(server);
    match (before.role(server), after.role(server)) {
        (Role::Leader, Role::Follower) if !restarted => {
            events.push(note(server, Mark::Deposed, format!("steps down in term {term}")));
        }
        (Role::Candidate, Role::Follower) if !restarted && before.term(server) == term => {
            events.push(note(server, Mark::Plain, format!("gives up term {term}")));
        }
        (old, Role::Leader) if old != Role::Leader => {
            events.push(note(server, Mark::Elected, format!("leads term {term}")));
        }
        _ => {}
    }
    let (old, new) = (before.logs[server], after.logs[server]);
    let shared = (0..=old.len().min(new.len())).rev().find(|&index| old.prefix(index) == new.prefix(index));
    let shared = shared.unwrap_or(0);
    let texts = |log: super::state::Log| {
        let entries: Vec<String> = (shared + 1..=log.len()).map(|index| entry_text(log.get(index))).collect();
        entries.join(" ")
    };
    if shared < old.len() {
        events.push(note(server, Mark::Truncate, format!("drops {}", texts(old))));
    }
    if shared < new.len() {
        events.push(note(server, Mark::Append, format!("appends {}", texts(new))));
    }
    let (old, new) = (before.commit(server), after.commit(server));
    if new > old {
        events.push(note(server, Mark::Commit, format!("commits up to {new}")));
    } else if new < old {
        events.push(note(server, Mark::Commit, format!("commitIndex goes back to {new}")));
    }
}

fn note(lane: usize, mark: Mark, text: String) -> Event {
    Event::Note { lane, mark, text }
}

/// A message as text, the same wherever it is told of.
fn text_of(message: Message) -> String {
    let parts = message.parts();
    let (term, index, log_term) = (parts.term, parts.index, parts.log_term);
    match (parts.kind, parts.yes) {
        (Kind::VoteRequest, _) => format!("RequestVote term={term} last={index}@{log_term}"),
        (Kind::VoteReply, true) => format!("vote granted term={term}"),
        (Kind::VoteReply, false) => format!("vote refused term={term}"),
        (Kind::Append, _) => {
            let entry = match parts.entry {
                Entry::NONE => String::new(),
                entry => entry_text(entry),
            };
            format!("AppendEntries term={term} prev={index}@{log_term} [{entry}] commit={}", parts.commit)
        }
        (Kind::AppendReply, true) => format!("success term={term} match={index}"),
        (Kind::AppendReply, false) => format!("refused term={term} prev={index}"),
    }
}

/// The paper's Figure 8 in a walk: the old leader's entry is replicated by its later self, and overwritten
/// by (or, with the gate, outlives) the leader of a term in between.
struct Figure8 {
    places: Vec<(usize, char)>,
}

impl Figure8 {
    fn find(model: &Raft, states: &[&State]) -> Option<Self> {
        let nodes = usize::from(model.bounds.nodes);
        let majority = nodes / 2 + 1;
        // (c): S1 leads again, its entry of an earlier term is on a majority, S5 holds another of a term
        // between the two.
        let (at_c, first, fifth, index) = states.iter().enumerate().find_map(|(at, state)| {
            (0..nodes).filter(|&first| state.role(first) == Role::Leader).find_map(|first| {
                let log = state.logs[first];
                (1..=log.len()).find_map(|index| {
                    let entry = log.get(index);
                    let holders = (0..nodes).filter(|&server| state.logs[server].get(index) == entry).count();
                    let between = entry.term() + 1..state.term(first);
                    let fifth =
                        (0..nodes).find(|&server| between.contains(&state.logs[server].term_at(index)))?;
                    (holders >= majority).then_some((at, first, fifth, index))
                })
            })
        })?;
        let at_c_state = states[at_c];
        let entry = at_c_state.logs[first].get(index);
        let rival = at_c_state.logs[fifth].get(index);
        // (a): the entry's own leader has it, be it S1 or, in a shorter story, another. (b): S5 leads the
        // rival's term and has that.
        let leads = |state: &State, server: usize, entry: Entry| {
            state.role(server) == Role::Leader
                && state.term(server) == entry.term()
                && state.logs[server].get(index) == entry
        };
        let at_a = states.iter().position(|state| (0..nodes).any(|server| leads(state, server, entry)))?;
        let at_b = states.iter().position(|state| leads(state, fifth, rival))?;
        let mut places = vec![(at_a, 'a'), (at_b, 'b'), (at_c, 'c')];
        // (d): S5 leads once more, and has the rival. (e): S1's own term reaches a majority first.
        let later = |found: &dyn Fn(&State) -> bool| {
            states.iter().enumerate().skip(at_c + 1).find(|(_, state)| found(state)).map(|(at, _)| at)
        };
        let at_d = later(&|state| {
            state.role(fifth) == Role::Leader
                && state.term(fifth) > at_c_state.term(first)
                && state.logs[fifth].get(index) == rival
        });
        let at_e = later(&|state| {
            let log = state.logs[first];
            state.role(first) == Role::Leader
                && (index + 1..=log.len()).any(|own| {
                    let entry = log.get(own);
                    let holders = (0..nodes).filter(|&server| state.logs[server].get(own) == entry).count();
                    entry.term() == state.term(first) && holders >= majority
                })
        });
        match (at_d, at_e) {
            (Some(d), Some(e)) if e < d => places.push((e, 'e')),
            (Some(d), _) => places.push((d, 'd')),
            (None, Some(e)) => places.push((e, 'e')),
            (None, None) => {}
        }
        Some(Self { places })
    }
}
