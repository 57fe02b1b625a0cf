//! Traces held to the model `kraft`.

use std::collections::BTreeSet;

use highwater_model::family::Family;
use highwater_model::kraft::state::{LOG_MAX, NODES_MAX, Node, record_epoch, record_value, role};
use highwater_model::kraft::{Action, Bounds, Kraft, Rules, State};
use rustc_hash::FxHashSet;
use stateright::Model;

use super::{Admission, Glimpse, Seen, Trace};
use crate::scenario::{Member, Role, Value};
use crate::target::Entry;

/// So many states at once are followed at most.
const STATES_MAX: usize = 100_000;
/// So many steps of the model a step of a node takes at most.
const STEPS_MAX: usize = 3;
/// Of what would have been possible so many are told.
const TOLD_MAX: usize = 8;

/// Messages under way at a time, and messages that arrive twice: from what suffices mostly to all that the model has room for.
const LENIENCE: [(u8, u8); 4] = [(2, 0), (3, 0), (4, 1), (4, 60)];

/// Whether a trace is a behaviour of the model with these rules.
///
/// It is followed with few messages under way first, then with more: what is admitted with few is admitted, and only what fails with all that the model has room
/// for is refused.
pub fn admit(trace: &Trace, rules: Rules) -> Admission {
    let incomplete = |admitted, because: String| Admission::Incomplete { admitted, because };
    if trace.pre_vote {
        return incomplete(0, "the model has no pre-vote: record a quorum without".to_owned());
    }
    if trace.quorum.len() > NODES_MAX || trace.quorum.is_empty() {
        return incomplete(0, format!("the model has room for 1 to {NODES_MAX} voters"));
    }
    if let Err((at, because)) = complete(trace) {
        return incomplete(at, because);
    }
    let mut last = None;
    for (messages, duplicates) in LENIENCE {
        match walk(trace, rules, messages, duplicates) {
            // With more there are only more states.
            judged @ (Admission::Incomplete { .. } | Admission::Admitted { .. }) => return judged,
            refused @ Admission::Refused { .. } => last = Some(refused),
        }
    }
    last.unwrap_or_else(|| incomplete(0, "nothing was tried".to_owned()))
}

/// Whether all events are there, and of voters.
fn complete(trace: &Trace) -> Result<(), (usize, String)> {
    let mut numbers = vec![0; trace.quorum.len()];
    for (at, event) in trace.events.iter().enumerate() {
        let Some(node) = trace.quorum.iter().position(|member| *member == event.node) else {
            return Err((at, format!("event {} is of {}, who is no voter", at + 1, event.node)));
        };
        numbers[node] += 1;
        if numbers[node] != event.number {
            let (found, expected) = (event.number, numbers[node]);
            return Err((
                at,
                format!(
                    "event {} is number {found} of {}, expected {expected}: one is missing",
                    at + 1,
                    event.node
                ),
            ));
        }
        // One that has just come back on a blank disk is in the model, and does nothing there.
        let follows = |glimpse: &Glimpse| {
            glimpse.role == Some(Role::Observer) && glimpse.epoch.is_some_and(|epoch| epoch > 0)
        };
        if let Seen::Up(glimpse) = &event.seen
            && follows(glimpse)
        {
            let node = event.node;
            return Err((at, format!("the model has no observers, and {node} follows as one")));
        }
    }
    Ok(())
}

fn walk(trace: &Trace, rules: Rules, messages: u8, duplicates: u8) -> Admission {
    let mut follower = Follower::new(trace, rules, messages, duplicates);
    for (at, event) in trace.events.iter().enumerate() {
        let node = trace.quorum.iter().position(|member| *member == event.node).unwrap_or_default();
        match follower.follow(node, &event.seen) {
            Followed::On => {}
            Followed::Nowhere => {
                let possible = follower.possible(node);
                return Admission::Refused { at, event: event.clone(), possible };
            }
            Followed::Beyond(because) => return Admission::Incomplete { admitted: at, because },
        }
    }
    Admission::Admitted { states: follower.states.len() }
}

enum Followed {
    On,
    Nowhere,
    Beyond(String),
}

struct Follower {
    kraft: Kraft,
    members: Vec<Member>,
    /// Indices of nodes of which nothing is seen.
    unseen: BTreeSet<usize>,
    down: BTreeSet<usize>,
    /// The clients' values in the order in which they were first seen.
    values: Vec<Value>,
    states: FxHashSet<State>,
}

impl Follower {
    fn new(trace: &Trace, rules: Rules, messages: u8, duplicates: u8) -> Self {
        let nodes = u8::try_from(trace.quorum.len()).unwrap_or(u8::MAX);
        let bounds = Bounds { messages, duplicates, ..Bounds::widest(nodes) };
        let kraft = Kraft::new(bounds, rules);
        let is_seen = |member: &Member| trace.watched.as_ref().is_none_or(|watched| watched.contains(member));
        let unseen = (0..).zip(&trace.quorum).filter(|(_, member)| !is_seen(member)).map(|(index, _)| index);
        Self {
            states: kraft.init_states().into_iter().collect(),
            kraft,
            members: trace.quorum.clone(),
            unseen: unseen.collect(),
            down: BTreeSet::new(),
            values: Vec::new(),
        }
    }

    fn follow(&mut self, node: usize, seen: &Seen) -> Followed {
        if let Seen::Started(glimpse) | Seen::Up(glimpse) = seen
            && let Err(because) = self.take_note(glimpse)
        {
            return Followed::Beyond(because);
        }
        if *seen == Seen::Down {
            self.down.insert(node);
            return Followed::On;
        }
        let Some(reachable) = self.silence() else {
            return Followed::Beyond(format!("more than {STATES_MAX} states fit what was seen so far"));
        };
        // The states of each number of steps, and whether one that ends here has started or lost its disk by now.
        let mut ends: FxHashSet<State> = FxHashSet::default();
        let mut frontier = match seen {
            Seen::Started(_) => self.after(
                &reachable,
                |action| matches!(action, Action::Restart { node: who, .. } if usize::from(who) == node),
            ),
            Seen::Wiped => self.after(&reachable, |action| action == Action::Wipe { node: node as u8 }),
            Seen::Up(_) | Seen::Down => reachable,
        };
        if let Seen::Started(_) = seen {
            // A restart that takes nothing but the high watermark is none in the model: to learn that late is the same.
            frontier.extend(self.states.iter().map(|state| {
                let mut state = *state;
                state.nodes[node].high_watermark = 0;
                state
            }));
            frontier.extend(self.states.iter().copied());
        }
        let starts_itself = !matches!(seen, Seen::Up(_));
        for steps in 0..=STEPS_MAX {
            if steps > 0 || starts_itself {
                ends.extend(frontier.iter().filter(|state| self.fits(state, node, seen)));
            }
            if steps < STEPS_MAX {
                frontier = self.steps_of(&frontier, node);
            }
            if frontier.len() > STATES_MAX {
                return Followed::Beyond(format!("more than {STATES_MAX} states fit what was seen so far"));
            }
        }
        if ends.is_empty() {
            return Followed::Nowhere;
        }
        self.down.remove(&node);
        self.states = ends;
        Followed::On
    }

    /// Gives the values of a log their numbers.
    fn take_note(&mut self, glimpse: &Glimpse) -> Result<(), String> {
        if glimpse.epoch.is_some_and(|epoch| epoch > 7) {
            return Err("the model has room for seven epochs".to_owned());
        }
        let Some(log) = &glimpse.log else { return Ok(()) };
        if log.len() > usize::from(LOG_MAX) {
            return Err(format!("the model has room for {LOG_MAX} records in a log"));
        }
        for value in log.iter().filter_map(|entry| entry.value.as_ref()) {
            if !self.values.contains(value) {
                self.values.push(value.clone());
            }
        }
        if self.values.len() > 3 {
            return Err("the model has room for three records of clients".to_owned());
        }
        Ok(())
    }

    /// All states that whatever nobody sees leads to.
    fn silence(&self) -> Option<FxHashSet<State>> {
        let mut found = self.states.clone();
        let mut todo: Vec<State> = found.iter().copied().collect();
        let mut actions = Vec::new();
        while let Some(state) = todo.pop() {
            actions.clear();
            self.kraft.actions(&state, &mut actions);
            for &action in &actions {
                let Some(next) = self.kraft.next_state(&state, action) else { continue };
                let is_silent = (0..self.members.len()).all(|node| {
                    self.unseen.contains(&node) || looks_same(&state.nodes[node], &next.nodes[node])
                });
                let next = uncounted(next);
                if is_silent && !self.is_of_down(action) && found.insert(next) {
                    if found.len() > STATES_MAX {
                        return None;
                    }
                    todo.push(next);
                }
            }
        }
        Some(found)
    }

    /// Whether a node acts that is down.
    fn is_of_down(&self, action: Action) -> bool {
        actors(action).into_iter().any(|node| self.down.contains(&node))
    }

    fn after(&self, states: &FxHashSet<State>, takes: impl Fn(Action) -> bool) -> FxHashSet<State> {
        let mut found = FxHashSet::default();
        let mut actions = Vec::new();
        for state in states {
            actions.clear();
            self.kraft.actions(state, &mut actions);
            found.extend(
                actions
                    .iter()
                    .filter(|action| takes(**action))
                    .filter_map(|action| self.kraft.next_state(state, *action).map(uncounted)),
            );
        }
        found
    }

    /// The states after one more step that only this node shows.
    fn steps_of(&self, states: &FxHashSet<State>, node: usize) -> FxHashSet<State> {
        let mut found = FxHashSet::default();
        let mut actions = Vec::new();
        for state in states {
            actions.clear();
            self.kraft.actions(state, &mut actions);
            for &action in &actions {
                let begins_anew = matches!(action, Action::Restart { .. } | Action::Wipe { .. });
                let of_others = self.down.iter().any(|down| *down != node && actors(action).contains(down));
                if begins_anew || of_others {
                    continue;
                }
                let Some(next) = self.kraft.next_state(state, action) else { continue };
                let others_rest = (0..self.members.len()).all(|other| {
                    other == node
                        || self.unseen.contains(&other)
                        || looks_same(&state.nodes[other], &next.nodes[other])
                });
                if others_rest {
                    found.insert(uncounted(next));
                }
            }
        }
        found
    }

    fn fits(&self, state: &State, node: usize, seen: &Seen) -> bool {
        let at = &state.nodes[node];
        match seen {
            Seen::Down => true,
            Seen::Wiped => at.log.is_empty(),
            Seen::Started(glimpse) | Seen::Up(glimpse) => {
                let is = self.glimpse(at);
                (glimpse.role.is_none() || glimpse.role == is.role)
                    && (glimpse.epoch.is_none() || glimpse.epoch == is.epoch)
                    && (glimpse.log.is_none() || glimpse.log == is.log)
                    && (glimpse.high_watermark.is_none() || glimpse.high_watermark == is.high_watermark)
            }
        }
    }

    fn glimpse(&self, node: &Node) -> Glimpse {
        let entry = |record| {
            let value = usize::from(record_value(record)).checked_sub(1);
            let name =
                |place: usize| self.values.get(place).cloned().unwrap_or_else(|| format!("record {place}"));
            Entry { epoch: record_epoch(record).into(), value: value.map(name) }
        };
        Glimpse {
            role: Some(match node.role {
                role::LEADER => Role::Leader,
                role::FOLLOWER => Role::Follower,
                role::CANDIDATE => Role::Candidate,
                role::GONE => Role::Observer,
                _ => Role::Unattached,
            }),
            epoch: Some(node.ballot.epoch.into()),
            log: Some(node.log.records().map(entry).collect()),
            high_watermark: Some(node.high_watermark.into()),
        }
    }

    /// What a node could be like after its next step.
    fn possible(&self, node: usize) -> Vec<String> {
        let Some(reachable) = self.silence() else { return Vec::new() };
        let here = reachable.iter().map(|state| state.nodes[node]);
        let next = self.steps_of(&reachable, node);
        let next = next.iter().map(|state| state.nodes[node]);
        let told: BTreeSet<String> = here.chain(next).map(|at| self.glimpse(&at).to_string()).collect();
        let more = told.len().saturating_sub(TOLD_MAX);
        let mut told: Vec<String> = told.into_iter().take(TOLD_MAX).collect();
        if more > 0 {
            told.push(format!("and {more} more"));
        }
        told
    }
}

/// Without the counts of faults, which only bound the model: states that differ in nothing else are one.
fn uncounted(state: State) -> State {
    State { restarts: 0, resignations: 0, duplicates: 0, ..state }
}

/// Whether two look the same from outside.
fn looks_same(one: &Node, other: &Node) -> bool {
    let seen = |node: &Node| {
        // Who leads no more, or not yet, looks the same whatever it was.
        let role = if node.role == role::RESIGNED { role::UNATTACHED } else { node.role };
        (role, node.ballot.epoch, node.log, node.high_watermark)
    };
    seen(one) == seen(other)
}

/// The node, by index, that acts: a message is its receiver's.
fn actors(action: Action) -> Vec<usize> {
    match action {
        Action::FetchTimeout { node }
        | Action::ElectionTimeout { node }
        | Action::EndQuorumEpoch { node }
        | Action::Fetch { node }
        | Action::Append { node }
        | Action::Resign { node }
        | Action::Restart { node, .. }
        | Action::Wipe { node } => vec![node.into()],
        Action::RequestVote { voter, .. } | Action::BeginQuorumEpoch { voter, .. } => vec![voter.into()],
        Action::Deliver { message } | Action::Duplicate { message } => vec![message.fields().to],
        Action::Lose { .. } | Action::Stabilise { .. } => Vec::new(),
    }
}
