//! Replication as a story: a lane a replica, and the controller's.

use crate::check::Walk;
use crate::trace::{Event, Lane, LaneKind, LaneView, LogView, Mark, RecordView, Storyboard};

use super::state::{
    ALTER, DIVERGING, EMPTY, FETCH, Follower, Message, NOBODY, Node, RECORDS, State, epoch_of, members,
    value_of,
};
use super::{Action, Isr};

impl Storyboard for Isr {
    fn lanes(&self) -> Vec<Lane> {
        let replica = |number: u8| Lane { name: format!("n{number}"), kind: LaneKind::Node };
        let mut lanes: Vec<Lane> = (1..=self.bounds.nodes).map(replica).collect();
        lanes.push(Lane { name: "controller".to_owned(), kind: LaneKind::Service });
        lanes
    }

    fn view(&self, state: &State) -> Vec<LaneView> {
        let mut views: Vec<LaneView> =
            (0..self.bounds.nodes).map(|index| replica(state, index, self.bounds.nodes)).collect();
        views.push(controller(state));
        views
    }

    fn narrate(&self, before: &State, action: &Action, after: &State) -> Vec<Event> {
        let mut teller = Teller { controller: self.bounds.nodes as usize, before, after, events: Vec::new() };
        teller.tell(action);
        teller.events
    }

    fn landmarks(&self, walk: &Walk<Self>) -> Vec<(usize, String)> {
        let states: Vec<&State> =
            std::iter::once(&walk.start).chain(walk.steps.iter().map(|(_, state)| state)).collect();
        let zombies = |state: &&State| state.nodes.iter().filter(|node| node.leads()).count() > 1;
        let empty = |state: &&State| state.controller.isr == 0;
        let alone = |state: &&State| state.controller.isr.count_ones() == 1 && self.bounds.nodes > 1;
        let mut landmarks = Vec::new();
        let mut mark = |at: Option<usize>, name: &str| landmarks.extend(at.map(|at| (at, name.to_owned())));
        mark(states.iter().position(alone), "last replica standing");
        mark(states.iter().position(empty), "empty ISR");
        mark(states.iter().position(zombies), "zombie leader");
        landmarks
    }
}

/// `x`, `y`, `z`, `w` in the order of production.
fn value(value: u8) -> char {
    ['x', 'y', 'z', 'w'][value as usize]
}

fn values(mask: u8) -> String {
    (0..4).filter(|bit| mask & 1 << bit != 0).map(value).collect()
}

fn name(node: u8) -> String {
    if node == NOBODY { "nobody".to_owned() } else { format!("n{}", node + 1) }
}

fn set(mask: u8) -> String {
    let names: Vec<String> = members(mask).map(name).collect();
    format!("{{{}}}", names.join(","))
}

fn written(record: u8) -> String {
    format!("{}@{}", value(value_of(record)), epoch_of(record))
}

fn replica(state: &State, index: u8, nodes: u8) -> LaneView {
    let node = &state.nodes[index as usize];
    let mut fields = Vec::new();
    let mut field = |name: &str, text: String| fields.push((name.to_owned(), text));
    if node.epoch != 0 {
        field("epoch", node.epoch.to_string());
    }
    if node.leads() {
        field("isr", set(node.isr()));
        if node.pending() != 0 {
            field("proposed", set(node.pending()));
        }
        field("partition epoch", node.partition_epoch.to_string());
        field("start", node.start.to_string());
        for other in (0..nodes).filter(|&other| other != index) {
            if let Some(known) = Follower::unpack(node.followers[other as usize]) {
                field(&format!("LEO of {}", name(other)), known.leo.to_string());
            }
        }
    }
    if node.is_unclean() {
        field("unclean", "yes".to_owned());
    }
    let role = match (node.is_up(), node.leads(), node.epoch) {
        (false, ..) => "down",
        (_, true, _) => "leader",
        (_, _, 0) => "unattached",
        _ => "follower",
    };
    let record = |&record: &u8| RecordView {
        epoch: u64::from(epoch_of(record)),
        value: value(value_of(record)).to_string(),
    };
    LaneView {
        up: node.is_up(),
        role: role.to_owned(),
        fields,
        log: Some(LogView {
            records: node.log[..node.leo() as usize].iter().map(record).collect(),
            high_watermark: Some(u64::from(node.high_watermark)),
            flushed: None,
        }),
    }
}

fn controller(state: &State) -> LaneView {
    let controller = &state.controller;
    let mut fields = Vec::new();
    let mut field = |name: &str, text: String| fields.push((name.to_owned(), text));
    field("epoch", controller.epoch.to_string());
    field("leader", name(controller.leader));
    field("isr", set(controller.isr));
    if controller.elr != 0 {
        field("elr", set(controller.elr));
    }
    if controller.fenced != 0 {
        field("fenced", set(controller.fenced));
    }
    field("partition epoch", controller.partition_epoch.to_string());
    if state.ghost.acknowledged != 0 {
        field("acknowledged", values(state.ghost.acknowledged));
    }
    if state.ghost.exposed != 0 {
        field("readable so far", values(state.ghost.exposed));
    }
    LaneView { up: true, role: String::new(), fields, log: None }
}

/// The words of a message, the same wherever it is met.
fn words(message: &Message) -> String {
    match message.kind() {
        FETCH => format!(
            "Fetch epoch={} offset={} last={} broker={}",
            message.epoch(),
            message.offset(),
            message.body,
            message.broker_epoch()
        ),
        RECORDS => {
            let records = if message.body == 0 { "-".to_owned() } else { written(message.body) };
            format!(
                "Records epoch={} offset={} [{records}] hw={}",
                message.epoch(),
                message.offset(),
                message.tail
            )
        }
        DIVERGING => format!(
            "Diverging epoch={} end={}@{} hw={}",
            message.epoch(),
            message.low(),
            message.high(),
            message.tail
        ),
        ALTER => {
            let brokers: Vec<String> = members(message.low())
                .map(|member| match message.member_epoch(member) {
                    0 => format!("{}:?", name(member)),
                    epoch => format!("{}:{epoch}", name(member)),
                })
                .collect();
            format!(
                "AlterPartition epoch={} version={} isr={{{}}}",
                message.epoch(),
                message.high(),
                brokers.join(",")
            )
        }
        _ => format!(
            "Ineligible epoch={} version={} isr={}",
            message.epoch(),
            message.high(),
            set(message.low())
        ),
    }
}

struct Teller<'a> {
    controller: usize,
    before: &'a State,
    after: &'a State,
    events: Vec<Event>,
}

impl Teller<'_> {
    fn tell(&mut self, action: &Action) {
        let handled = match *action {
            Action::HandleFetch { slot }
            | Action::HandleResponse { slot }
            | Action::HandleAlter { slot }
            | Action::HandleRefusal { slot } => Some(self.before.messages[slot as usize]),
            _ => None,
        };
        if let Some(message) = handled {
            let (from, to, text) = self.ends(&message);
            self.events.push(Event::Receive { from, to, text });
        }
        self.tell_cause(action);
        self.tell_controller();
        for index in 0..self.controller {
            self.tell_replica(index);
        }
        let fresh = self.after.ghost.acknowledged & !self.before.ghost.acknowledged;
        if fresh != 0 {
            let lane = handled.map_or(0, |message| self.lane(message.to()));
            let lane = if let Action::Produce { leader } = *action { self.lane(leader) } else { lane };
            let lane = if let Action::Learn { node } = *action { self.lane(node) } else { lane };
            self.note(lane, Mark::Commit, format!("{} acknowledged", values(fresh)));
        }
        self.tell_network(handled);
    }

    /// What the action itself says and no change of state shows.
    fn tell_cause(&mut self, action: &Action) {
        match *action {
            Action::Produce { leader } if leader == NOBODY => {
                self.note(self.controller, Mark::Plain, "a record is sent and reaches nobody".to_owned());
            }
            Action::Shrink { leader, follower } => {
                let text = format!("finds {} lagging", name(follower));
                self.note(leader as usize, Mark::Timeout, text);
            }
            Action::Expand { leader, follower } => {
                let text = format!("finds {} caught up", name(follower));
                self.note(leader as usize, Mark::Plain, text);
            }
            Action::Learn { node } => self.tell_metadata(node as usize),
            Action::HandleAlter { slot }
                if self.after.messages.contains(&self.before.messages[slot as usize]) =>
            {
                let text = "refuses; a copy of the request is still under way".to_owned();
                self.note(self.controller, Mark::Plain, text);
            }
            Action::Fence { node, .. } => {
                let again = self.after.controller.fenced & 1 << node == 0;
                let more = if again { " and begins again" } else { "" };
                let text = format!("the session of {} ends{more}", name(node));
                self.note(self.controller, Mark::Expire, text);
            }
            Action::Unfence { node } => {
                let text = format!("heartbeat of {}: unfenced", name(node));
                self.note(self.controller, Mark::Plain, text);
            }
            Action::ShutDown { node } => {
                self.note(node as usize, Mark::Crash, "shuts down cleanly".to_owned());
            }
            Action::Crash { node, keep } => {
                let lost = self.before.nodes[node as usize].leo() - keep;
                let text = match lost {
                    0 => "crashes; its log survives".to_owned(),
                    1 => "crashes and loses a record".to_owned(),
                    lost => format!("crashes and loses {lost} records"),
                };
                self.note(node as usize, Mark::Crash, text);
            }
            Action::Restart { node } => {
                let epoch = self.after.controller.broker_epochs[node as usize];
                let text = format!("starts, broker epoch {epoch}");
                self.note(node as usize, Mark::Restart, text);
            }
            Action::Stabilise => {
                self.note(self.controller, Mark::Plain, "from here on nothing fails".to_owned());
            }
            _ => {}
        }
    }

    fn tell_metadata(&mut self, node: usize) {
        let controller = &self.after.controller;
        let text = format!(
            "Metadata epoch={} leader={} isr={} version={}",
            controller.epoch,
            name(controller.leader),
            set(controller.isr),
            controller.partition_epoch
        );
        let from = self.controller;
        self.events.push(Event::Send { from, to: node, text: text.clone() });
        self.events.push(Event::Receive { from, to: node, text });
    }

    fn tell_controller(&mut self) {
        let (before, after, lane) = (self.before.controller, self.after.controller, self.controller);
        if before.isr != after.isr {
            self.note(lane, Mark::Plain, format!("ISR {}", set(after.isr)));
        }
        if before.elr != after.elr {
            self.note(lane, Mark::Plain, format!("ELR {}", set(after.elr)));
        }
        if before.leader != after.leader || before.epoch != after.epoch {
            if after.leader == NOBODY {
                self.note(lane, Mark::Deposed, "no leader".to_owned());
            } else {
                let text = format!("elects {} for epoch {}", name(after.leader), after.epoch);
                self.note(lane, Mark::Elected, text);
            }
        }
    }

    fn tell_replica(&mut self, lane: usize) {
        let (before, after) = (self.before.nodes[lane], self.after.nodes[lane]);
        let crashed = before.is_up() && !after.is_up();
        self.tell_role(lane, &before, &after, crashed);
        let (old, new) = (before.leo(), after.leo());
        if new > old {
            let text = format!("appends {}", written(after.log[old as usize]));
            self.note(lane, Mark::Append, text);
        }
        if new < old && !crashed {
            let cut: Vec<String> =
                before.log[new as usize..old as usize].iter().map(|&r| written(r)).collect();
            self.note(lane, Mark::Truncate, format!("truncates to {new}: {} goes", cut.join(" ")));
        }
        if after.high_watermark > before.high_watermark {
            self.note(lane, Mark::Commit, format!("high watermark {}", after.high_watermark));
        }
    }

    fn tell_role(&mut self, lane: usize, before: &Node, after: &Node, crashed: bool) {
        if after.leads() && after.epoch != before.epoch {
            self.note(lane, Mark::Elected, format!("leads epoch {}", after.epoch));
        } else if before.leads() && !after.leads() && !crashed {
            self.note(lane, Mark::Deposed, format!("follows in epoch {}", after.epoch));
        } else if after.epoch > before.epoch {
            let leader = name(self.after.controller.leader_of(after.epoch));
            self.note(lane, Mark::Plain, format!("follows {leader} in epoch {}", after.epoch));
        }
    }

    /// Messages that are new were sent; those that are gone and were not handled are lost.
    fn tell_network(&mut self, handled: Option<Message>) {
        let mut gone: Vec<Message> = present(self.before);
        let mut new: Vec<Message> = Vec::new();
        for message in present(self.after) {
            match gone.iter().position(|&old| old == message) {
                Some(at) => drop(gone.swap_remove(at)),
                None => new.push(message),
            }
        }
        if let Some(at) = gone.iter().position(|&message| Some(message) == handled) {
            gone.swap_remove(at);
        }
        for message in new {
            let (from, to, text) = self.ends(&message);
            self.events.push(Event::Send { from, to, text });
        }
        gone.sort_unstable();
        for message in gone {
            let (from, to, text) = self.ends(&message);
            self.events.push(Event::Lose { from, to, text });
        }
    }

    fn ends(&self, message: &Message) -> (usize, usize, String) {
        (self.lane(message.from()), self.lane(message.to()), words(message))
    }

    fn lane(&self, node: u8) -> usize {
        if node == NOBODY { self.controller } else { node as usize }
    }

    fn note(&mut self, lane: usize, mark: Mark, text: String) {
        self.events.push(Event::Note { lane, mark, text });
    }
}

fn present(state: &State) -> Vec<Message> {
    state.messages.iter().copied().filter(|message| message.kind() != EMPTY).collect()
}
