//! The controller model as a story: a lane a broker, and the service.

use crate::check::Walk;
use crate::coordination::{Ephemeral, Link, Tie};
use crate::trace::{Event, Lane, LaneKind, LaneView, Mark, Storyboard};

use super::state::{
    Broker, DEPOSED_ACTED, EPOCH_WENT_BACK, NOT_IN_ISR, PartitionState, Phase, REGISTERED, RequestState,
    State, TWO_LEADERS, UNAWARE,
};
use super::{Action, ZkController};

impl Storyboard for ZkController {
    fn lanes(&self) -> Vec<Lane> {
        let mut lanes: Vec<Lane> = (1..=self.bounds.brokers)
            .map(|number| Lane { name: format!("b{number}"), kind: LaneKind::Node })
            .collect();
        lanes.push(Lane { name: "zk".to_owned(), kind: LaneKind::Service });
        lanes
    }

    fn view(&self, state: &State) -> Vec<LaneView> {
        let brokers = &state.brokers[..usize::from(self.bounds.brokers)];
        let mut views: Vec<LaneView> = brokers.iter().map(|broker| self.broker(broker)).collect();
        let mut fields = vec![
            ("controller".to_owned(), node(state.controller)),
            ("epoch".to_owned(), state.epoch.to_string()),
            ("ids".to_owned(), set(state.registered())),
        ];
        for partition in 0..usize::from(self.bounds.partitions) {
            fields.push((format!("p{partition}"), text(&state.partitions[partition].unpack())));
        }
        views.push(LaneView { up: true, role: String::new(), fields, log: None });
        views
    }

    fn narrate(&self, before: &State, action: &Action, after: &State) -> Vec<Event> {
        let mut teller = Teller { zk: usize::from(self.bounds.brokers), before, after, events: Vec::new() };
        teller.tell(action);
        teller.stains();
        teller.events
    }

    fn landmarks(&self, walk: &Walk<Self>) -> Vec<(usize, String)> {
        let states: Vec<&State> =
            std::iter::once(&walk.start).chain(walk.steps.iter().map(|(_, state)| state)).collect();
        let believers = |state: &State| state.brokers.iter().filter(|broker| broker.phase.believes()).count();
        let two = states.iter().position(|state| believers(state) >= 2);
        two.map(|at| (at, "two controllers by their own belief".to_owned())).into_iter().collect()
    }
}

impl ZkController {
    fn broker(&self, broker: &Broker) -> LaneView {
        let mut fields = vec![("session".to_owned(), broker.link.name().to_owned())];
        if broker.is(UNAWARE) {
            fields.push(("new session".to_owned(), "not heard of yet".to_owned()));
        }
        if !broker.is(REGISTERED) && broker.link != Link::DOWN {
            fields.push(("registered".to_owned(), "no".to_owned()));
        }
        if broker.phase.believes() {
            fields.push(("epoch".to_owned(), broker.epoch.to_string()));
        }
        if broker.phase == Phase::ACTIVE {
            fields.push(("alive".to_owned(), set(broker.alive & 7)));
        }
        if broker.fence & 15 != 0 {
            fields.push(("fence".to_owned(), (broker.fence & 15).to_string()));
        }
        for partition in 0..usize::from(self.bounds.partitions) {
            let role = broker.role[partition].unpack();
            if role.epoch != 0 {
                fields.push((format!("p{partition}"), text(&role)));
            }
        }
        LaneView {
            up: !matches!(broker.link, Link::PAUSED | Link::DOWN),
            role: match broker.phase {
                Phase::ACTIVE => "controller".to_owned(),
                phase => phase.name().to_owned(),
            },
            fields,
            log: None,
        }
    }
}

/// A set of brokers.
fn set(mask: u8) -> String {
    let names: Vec<String> =
        (1..=3).filter(|number| mask >> (number - 1) & 1 != 0).map(|number| format!("b{number}")).collect();
    format!("{{{}}}", names.join(","))
}

fn leader(number: u8) -> String {
    match number {
        0 => "none".to_owned(),
        _ => format!("b{number}"),
    }
}

fn text(state: &PartitionState) -> String {
    format!("leader={} epoch={} isr={} v{}", leader(state.leader), state.epoch, set(state.isr), state.version)
}

fn node(node: Ephemeral) -> String {
    let Some(broker) = node.client() else { return "-".to_owned() };
    let session = match node.tie() {
        Tie::Present => "",
        Tie::Former => " (former session)",
        Tie::Orphan => " (no session)",
    };
    format!("b{}{session}", broker + 1)
}

fn request(request: &RequestState) -> String {
    let RequestState { controller_epoch, partition, state, .. } = request;
    let PartitionState { leader: number, epoch, isr, .. } = *state;
    format!(
        "LeaderAndIsr controller-epoch={controller_epoch} p{partition} leader={} epoch={epoch} isr={}",
        leader(number),
        set(isr)
    )
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
        match *action {
            Action::Race { broker, answered } => self.race(broker, answered),
            Action::Increment { broker } => {
                self.ask(broker, "increment /controller_epoch", &format!("epoch {}", after.epoch));
                self.note(
                    usize::from(broker),
                    Mark::Elected,
                    &format!("controller of epoch {}", after.epoch),
                );
            }
            Action::Watch { broker } => {
                let answer = if before.controller.exists() { "yes" } else { "no node" };
                self.ask(broker, "exists /controller, watch", answer);
            }
            Action::Wake { broker } => self.events.push(Event::Receive {
                from: zk,
                to: usize::from(broker),
                text: "/controller deleted".to_owned(),
            }),
            Action::Register { broker } => {
                let path = format!("/brokers/ids/{}", broker + 1);
                if before.ids[usize::from(broker)].exists() {
                    self.ask(broker, &format!("create {path}"), "node exists");
                    self.note(usize::from(broker), Mark::Plain, "takes that for its registration");
                } else {
                    self.ask(broker, &format!("create {path}"), "created");
                    self.told();
                }
            }
            Action::Learn { broker } => {
                let lane = usize::from(broker);
                self.note(lane, Mark::Plain, "hears that its session was replaced");
                self.resigned(lane);
                if after.brokers[lane].phase.believes() {
                    self.note(lane, Mark::Plain, "and goes on as controller");
                }
            }
            Action::Restore { broker } => {
                let alive = set(before.registered());
                self.ask(broker, "read /brokers/ids and all partitions", &format!("ids {alive}"));
                self.note(usize::from(broker), Mark::Plain, "acts as controller");
            }
            Action::Refresh { broker } => {
                let lane = usize::from(broker);
                let text = "children of /brokers/ids changed".to_owned();
                self.events.push(Event::Receive { from: zk, to: lane, text });
                self.ask(
                    broker,
                    "getChildren /brokers/ids, watch",
                    &format!("ids {}", set(before.registered())),
                );
                let lost = before.brokers[lane].alive & !after.brokers[lane].alive & 7;
                if lost != 0 {
                    self.note(lane, Mark::Plain, &format!("counts {} as failed", set(lost)));
                }
            }
            Action::Adopt { broker } => {
                self.ask(broker, "read /controller_epoch", &format!("epoch {}", after.epoch));
                self.note(usize::from(broker), Mark::Plain, &format!("adopts epoch {}", after.epoch));
            }
            Action::Elect { broker, partition, .. } => self.elect(broker, partition),
            Action::Send { broker, partition, to } => {
                let me = &before.brokers[usize::from(broker)];
                let sent = RequestState {
                    to,
                    from: broker,
                    controller_epoch: me.epoch,
                    reign: me.reign,
                    partition,
                    state: me.cache[usize::from(partition)].unpack(),
                };
                let (from, to) = (usize::from(broker), usize::from(to));
                self.events.push(Event::Send { from, to, text: request(&sent) });
            }
            Action::Deliver { slot, .. } => {
                if let Some(arrived) = before.requests[usize::from(slot)].unpack() {
                    self.deliver(&arrived);
                }
            }
            Action::Shrink { broker, partition, dropped } => {
                let slot = usize::from(partition);
                let question = format!("p{partition}: drop b{} from the ISR", dropped + 1);
                self.ask(broker, &question, &format!("version {}", after.partitions[slot].unpack().version));
                self.note(
                    zk,
                    Mark::Append,
                    &format!("p{partition} {}", text(&after.partitions[slot].unpack())),
                );
            }
            Action::Connect { broker } => self.connect(broker),
            Action::Disconnect { broker } => {
                self.lose_events(broker);
                self.note(usize::from(broker), Mark::Timeout, "connection lost");
            }
            Action::Pause { broker } => self.note(usize::from(broker), Mark::Timeout, "pauses"),
            Action::Resume { broker } => self.note(usize::from(broker), Mark::Restart, "resumes"),
            Action::Crash { broker } => {
                self.lose_events(broker);
                let lost = before.requests.iter().filter_map(|request| request.unpack());
                for lost in lost.filter(|request| request.to == broker) {
                    let (from, to) = (usize::from(lost.from), usize::from(lost.to));
                    self.events.push(Event::Lose { from, to, text: request(&lost) });
                }
                self.note(usize::from(broker), Mark::Crash, "crashes");
            }
            Action::Expire { broker } => {
                self.lose_events(broker);
                self.note(zk, Mark::Expire, &format!("session of b{} is over", broker + 1));
                self.deletions();
            }
            Action::ExpireFormer { broker } => {
                self.note(zk, Mark::Expire, &format!("former session of b{} is over", broker + 1));
                self.deletions();
            }
            Action::Stabilise => self.note(zk, Mark::Plain, "faults stop"),
        }
    }

    fn race(&mut self, broker: u8, answered: bool) {
        let (before, after, lane, zk) = (self.before, self.after, usize::from(broker), self.zk);
        let request = "create /controller";
        if before.controller.exists() {
            self.ask(broker, request, &format!("node exists: {}", node(before.controller)));
        } else {
            self.go(lane, zk, request);
            self.note(zk, Mark::Append, &format!("/controller=b{} epoch {}", broker + 1, after.epoch));
            let text = "created".to_owned();
            self.events.push(Event::Send { from: zk, to: lane, text: text.clone() });
            self.events.push(match answered {
                true => Event::Receive { from: zk, to: lane, text },
                false => Event::Lose { from: zk, to: lane, text },
            });
        }
        if after.brokers[lane].phase == Phase::WON {
            let text = format!("controller of epoch {}", after.brokers[lane].epoch);
            self.note(lane, Mark::Elected, &text);
        }
    }

    fn elect(&mut self, broker: u8, partition: u8) {
        let (before, after, lane, slot) =
            (self.before, self.after, usize::from(broker), usize::from(partition));
        let me = &before.brokers[lane];
        let known = me.cache[slot].unpack();
        let question =
            format!("p{partition}: elect, if controller epoch {} and version {}", me.epoch, known.version);
        if after.partitions[slot] != before.partitions[slot] {
            self.ask(broker, &question, "done");
            let text = format!("p{partition} {}", text(&after.partitions[slot].unpack()));
            self.note(self.zk, Mark::Append, &text);
        } else if after.brokers[lane].phase == Phase::STANDBY {
            self.ask(broker, &question, "refused: controller epoch");
            self.resigned(lane);
        } else {
            self.ask(broker, &question, "refused: version");
            self.note(lane, Mark::Plain, "reads it again");
        }
    }

    fn deliver(&mut self, arrived: &RequestState) {
        let (from, to) = (usize::from(arrived.from), usize::from(arrived.to));
        self.events.push(Event::Receive { from, to, text: request(arrived) });
        let slot = usize::from(arrived.partition);
        let (was, is) = (&self.before.brokers[to], &self.after.brokers[to]);
        let PartitionState { leader: number, epoch, .. } = arrived.state;
        if was.role[slot] == is.role[slot] {
            let stale = arrived.controller_epoch < was.fence & 15;
            let text = if stale { "refuses it: older controller epoch" } else { "knows that already" };
            self.note(to, Mark::Plain, text);
        } else if usize::from(number) == to + 1 {
            self.note(to, Mark::Elected, &format!("leads p{slot} in epoch {epoch}"));
        } else {
            self.note(to, Mark::Plain, &format!("follows {} in p{slot}", leader(number)));
        }
    }

    fn connect(&mut self, broker: u8) {
        let lane = usize::from(broker);
        let (was, is) = (&self.before.brokers[lane], &self.after.brokers[lane]);
        let answer = match was.link {
            Link::LOST => "session goes on",
            Link::EXPIRED => "session expired; a new one",
            _ => "a new session",
        };
        self.ask(broker, "connect", answer);
        if was.phase == Phase::WATCHING && is.phase == Phase::WOKEN {
            self.send("/controller deleted", lane);
        }
        if is.flags & super::BROKERS_CHANGED != 0 {
            self.send("children of /brokers/ids changed", lane);
        }
    }

    /// What went in this step, and who is told.
    fn deletions(&mut self) {
        let (before, after) = (self.before, self.after);
        if before.controller.exists() && !after.controller.exists() {
            self.note(self.zk, Mark::Expire, "/controller is gone");
        }
        for broker in 0..self.zk {
            if before.ids[broker].exists() && !after.ids[broker].exists() {
                self.note(self.zk, Mark::Expire, &format!("/brokers/ids/{} is gone", broker + 1));
            }
            if before.brokers[broker].phase == Phase::WATCHING && after.brokers[broker].phase == Phase::WOKEN
            {
                self.send("/controller deleted", broker);
            }
        }
        self.told();
    }

    /// Controllers to whom the news of `/brokers/ids` goes in this step.
    fn told(&mut self) {
        for broker in 0..self.zk {
            let news = self.after.brokers[broker].flags & !self.before.brokers[broker].flags;
            if news & super::BROKERS_CHANGED != 0 {
                self.send("children of /brokers/ids changed", broker);
            }
        }
    }

    fn lose_events(&mut self, broker: u8) {
        let (from, to) = (self.zk, usize::from(broker));
        let was = &self.before.brokers[to];
        if was.phase == Phase::WOKEN {
            self.events.push(Event::Lose { from, to, text: "/controller deleted".to_owned() });
        }
        if was.is(super::BROKERS_CHANGED) {
            self.events.push(Event::Lose { from, to, text: "children of /brokers/ids changed".to_owned() });
        }
    }

    fn resigned(&mut self, lane: usize) {
        if self.before.brokers[lane].phase.believes() && !self.after.brokers[lane].phase.believes() {
            self.note(lane, Mark::Deposed, "resigns as controller");
        }
    }

    /// What the step broke, said where it broke.
    fn stains(&mut self) {
        let new = self.after.stain & !self.before.stain;
        let told = [
            (DEPOSED_ACTED, "a deposed controller has had its way"),
            (TWO_LEADERS, "a second leader in the same leader epoch"),
            (NOT_IN_ISR, "the elected leader is not in the ISR"),
            (EPOCH_WENT_BACK, "the leader epoch went back"),
        ];
        for (bit, text) in told {
            if new & bit != 0 {
                self.note(self.zk, Mark::Plain, text);
            }
        }
    }

    fn ask(&mut self, broker: u8, question: &str, answer: &str) {
        self.go(usize::from(broker), self.zk, question);
        self.go(self.zk, usize::from(broker), answer);
    }

    fn send(&mut self, text: &str, to: usize) {
        self.events.push(Event::Send { from: self.zk, to, text: text.to_owned() });
    }

    fn go(&mut self, from: usize, to: usize, text: &str) {
        self.events.push(Event::Send { from, to, text: text.to_owned() });
        self.events.push(Event::Receive { from, to, text: text.to_owned() });
    }

    fn note(&mut self, lane: usize, mark: Mark, text: &str) {
        self.events.push(Event::Note { lane, mark, text: text.to_owned() });
    }
}
