//! The election as a story: a lane a candidate, the service, the resource.

use crate::check::Walk;
use crate::coordination::{Link, Tie};
use crate::trace::{Event, Lane, LaneKind, LaneView, Mark, Storyboard};

use super::state::{Client, PARENT, Phase, STALE_WRITE, State};
use super::{Action, ZkElection};

impl Storyboard for ZkElection {
    fn lanes(&self) -> Vec<Lane> {
        let mut lanes: Vec<Lane> = (1..=self.bounds.candidates)
            .map(|number| Lane { name: format!("n{number}"), kind: LaneKind::Node })
            .collect();
        lanes.push(Lane { name: "zk".to_owned(), kind: LaneKind::Service });
        lanes.push(Lane { name: "resource".to_owned(), kind: LaneKind::Client });
        lanes
    }

    fn view(&self, state: &State) -> Vec<LaneView> {
        let candidates = &state.clients[..usize::from(self.bounds.candidates)];
        let mut views: Vec<LaneView> = candidates.iter().map(|client| candidate(state, client)).collect();
        views.push(LaneView {
            up: state.outage == 0,
            role: String::new(),
            fields: vec![("offers".to_owned(), offers(state))],
            log: None,
        });
        let accepted = match state.latest {
            0 => "-".to_owned(),
            latest => name(state, latest),
        };
        views.push(LaneView {
            up: true,
            role: String::new(),
            fields: vec![("token".to_owned(), state.token.to_string()), ("accepted".to_owned(), accepted)],
            log: None,
        });
        views
    }

    fn narrate(&self, before: &State, action: &Action, after: &State) -> Vec<Event> {
        let mut teller =
            Teller { zk: usize::from(self.bounds.candidates), before, after, events: Vec::new() };
        teller.tell(action);
        teller.events
    }

    fn landmarks(&self, walk: &Walk<Self>) -> Vec<(usize, String)> {
        let states: Vec<&State> =
            std::iter::once(&walk.start).chain(walk.steps.iter().map(|(_, state)| state)).collect();
        let believers = |state: &State| state.clients.iter().filter(|client| client.phase.believes()).count();
        let two = states.iter().position(|state| believers(state) >= 2);
        let storm = states.iter().position(|state| state.storms > 0);
        let mut landmarks = Vec::new();
        landmarks.extend(two.map(|at| (at, "two believe that they lead".to_owned())));
        landmarks.extend(storm.map(|at| (at, "session storm".to_owned())));
        landmarks
    }
}

/// An offer's name in the tree.
fn name(state: &State, offer: u8) -> String {
    match offer {
        PARENT => "/election".to_owned(),
        _ => format!("n_{}", state.number(offer)),
    }
}

fn offers(state: &State) -> String {
    let offer = |offer: u8| {
        let node = state.offers[usize::from(offer) - 1];
        let owner = node.client().map_or(0, |client| client + 1);
        let session = match node.tie() {
            Tie::Present => "",
            Tie::Former => " (former session)",
            Tie::Orphan => " (no session)",
        };
        format!("{}=n{owner}{session}", name(state, offer))
    };
    let list: Vec<String> = state.children().map(offer).collect();
    format!("{{{}}}", list.join(", "))
}

fn candidate(state: &State, client: &Client) -> LaneView {
    let mut fields = vec![("session".to_owned(), client.link.name().to_owned())];
    if client.own != 0 {
        fields.push(("offer".to_owned(), name(state, client.own)));
    }
    if client.target != 0 {
        fields.push(("watch".to_owned(), name(state, client.target)));
    }
    LaneView {
        up: !matches!(client.link, Link::PAUSED | Link::DOWN),
        role: client.phase.name().to_owned(),
        fields,
        log: None,
    }
}

struct Teller<'a> {
    zk: usize,
    before: &'a State,
    after: &'a State,
    events: Vec<Event>,
}

impl Teller<'_> {
    fn tell(&mut self, action: &Action) {
        let (before, after, zk) = (self.before, self.after, self.zk);
        let is = |client: u8| after.clients[usize::from(client)];
        let was = |client: u8| before.clients[usize::from(client)];
        match *action {
            Action::Offer { client, answered } => {
                let lane = usize::from(client);
                if after.created == before.created {
                    let own = name(after, is(client).own);
                    self.ask(lane, "getChildren /election", &format!("{own} is there"));
                    self.note(lane, Mark::Plain, &format!("takes {own} for its own"));
                    return;
                }
                let own = name(after, after.created);
                self.go(lane, zk, "create /election/n_");
                self.note(zk, Mark::Append, &format!("{own} of n{}", client + 1));
                let text = format!("created {own}");
                self.events.push(Event::Send { from: zk, to: lane, text: text.clone() });
                self.events.push(match answered {
                    true => Event::Receive { from: zk, to: lane, text },
                    false => Event::Lose { from: zk, to: lane, text },
                });
                if !answered {
                    self.note(lane, Mark::Timeout, "connection lost");
                }
            }
            Action::List { client } => {
                let lane = usize::from(client);
                let list: Vec<String> = before.children().map(|offer| name(before, offer)).collect();
                self.ask(lane, "getChildren /election", &format!("children {}", list.join(" ")));
                match is(client).phase {
                    Phase::LEADING => self.note(lane, Mark::Elected, "leads"),
                    Phase::IDLE => self.note(lane, Mark::Plain, "its own offer is not there"),
                    _ => {
                        let text = format!("will watch {}", name(after, is(client).target));
                        self.note(lane, Mark::Plain, &text);
                    }
                }
            }
            Action::Watch { client } => {
                let lane = usize::from(client);
                let target = name(before, was(client).target);
                let question = match (was(client).phase, is(client).phase) {
                    (_, Phase::CHECKED) => format!("exists {target}, no watch"),
                    (Phase::CHECKED, _) => format!("watch {target}"),
                    _ => format!("exists {target}, watch"),
                };
                let exists = before.exists(was(client).target);
                self.ask(lane, &question, if exists { "yes" } else { "no node" });
            }
            Action::Wake { client } => {
                let (lane, target) = (usize::from(client), was(client).target);
                let text = changed(before, target);
                self.events.push(Event::Receive { from: zk, to: lane, text });
                if is(client).phase == Phase::LEADING {
                    self.note(lane, Mark::Elected, "leads, without another look");
                }
            }
            Action::Write { client } => {
                let stale = after.stain & !before.stain & STALE_WRITE != 0;
                self.go(usize::from(client), zk + 1, &format!("write token={}", after.token));
                let text = if stale { "accepts the write of an older leader" } else { "accepts" };
                self.note(zk + 1, Mark::Commit, text);
            }
            Action::Resign { client } => {
                if is(client).phase == Phase::STEPPING {
                    self.delete(client, was(client).own);
                } else {
                    self.note(usize::from(client), Mark::Deposed, "stops leading");
                }
            }
            Action::Leave { client } => {
                if was(client).phase == Phase::STEPPING {
                    self.note(usize::from(client), Mark::Deposed, "stops leading");
                } else {
                    self.delete(client, was(client).own);
                }
            }
            Action::Connect { client } => self.connect(client),
            Action::Disconnect { client } => {
                self.lose_event(client);
                self.note(usize::from(client), Mark::Timeout, "connection lost");
            }
            Action::Pause { client } => self.note(usize::from(client), Mark::Timeout, "pauses"),
            Action::Resume { client } => self.note(usize::from(client), Mark::Restart, "resumes"),
            Action::Crash { client } => {
                self.lose_event(client);
                self.note(usize::from(client), Mark::Crash, "crashes");
            }
            Action::Expire { client } => {
                self.lose_event(client);
                self.note(zk, Mark::Expire, &format!("session of n{} is over", client + 1));
                if was(client).link == Link::PAUSED {
                    self.note(usize::from(client), Mark::Timeout, "its session is over, unheard");
                }
                self.deletions();
            }
            Action::ExpireFormer { .. } => {
                self.note(zk, Mark::Expire, "a former session is over");
                self.deletions();
            }
            Action::Outage => {
                self.note(zk, Mark::Crash, "the service stops");
                for client in 0..zk as u8 {
                    self.lose_event(client);
                }
            }
            Action::Return { storm } => {
                let text = if storm { "is back: every session is over" } else { "is back" };
                self.note(zk, if storm { Mark::Expire } else { Mark::Restart }, text);
            }
            Action::Stabilise => self.note(zk, Mark::Plain, "faults stop"),
        }
    }

    fn connect(&mut self, client: u8) {
        let (lane, link) = (usize::from(client), self.before.clients[usize::from(client)].link);
        let answer = match link {
            Link::LOST => "session goes on",
            Link::EXPIRED => "session expired; a new one",
            _ => "a new session",
        };
        self.ask(lane, "connect", answer);
        let (was, is) = (self.before.clients[lane], self.after.clients[lane]);
        if is.phase == Phase::WOKEN {
            let text = changed(self.before, is.target);
            self.events.push(Event::Send { from: self.zk, to: lane, text });
        }
        if was.phase.believes() && !is.phase.believes() {
            self.note(lane, Mark::Deposed, "learns that it does not lead");
        }
        if is.phase == Phase::DEAF {
            self.note(lane, Mark::Plain, "its watch is not registered again");
        }
    }

    fn delete(&mut self, client: u8, own: u8) {
        self.go(usize::from(client), self.zk, &format!("delete {}", name(self.before, own)));
        self.deletions();
    }

    /// What went in this step, and who is told.
    fn deletions(&mut self) {
        for offer in self.before.children().filter(|offer| !self.after.exists(*offer)) {
            self.note(self.zk, Mark::Expire, &format!("{} is gone", name(self.before, offer)));
        }
        for lane in 0..self.zk {
            let (was, is) = (self.before.clients[lane], self.after.clients[lane]);
            if was.phase == Phase::WAITING && is.phase == Phase::WOKEN {
                let text = changed(self.before, was.target);
                self.events.push(Event::Send { from: self.zk, to: lane, text });
            }
        }
    }

    fn lose_event(&mut self, client: u8) {
        let was = self.before.clients[usize::from(client)];
        if was.phase == Phase::WOKEN {
            let text = changed(self.before, was.target);
            self.events.push(Event::Lose { from: self.zk, to: usize::from(client), text });
        }
    }

    fn ask(&mut self, lane: usize, question: &str, answer: &str) {
        self.go(lane, self.zk, question);
        self.go(self.zk, lane, answer);
    }

    fn go(&mut self, from: usize, to: usize, text: &str) {
        self.events.push(Event::Send { from, to, text: text.to_owned() });
        self.events.push(Event::Receive { from, to, text: text.to_owned() });
    }

    fn note(&mut self, lane: usize, mark: Mark, text: &str) {
        self.events.push(Event::Note { lane, mark, text: text.to_owned() });
    }
}

/// The event of a watch, as text.
fn changed(state: &State, target: u8) -> String {
    match target {
        PARENT => "children of /election changed".to_owned(),
        _ => format!("{} deleted", name(state, target)),
    }
}
