//! A counterexample of the model `kraft` as a scenario: so the question "has my system this bug, too?" has an answer.
//!
//! The model's walk is told in steps of the [language](crate::scenario), action by action, while it is played on the model itself: what a step
//! leaves under way decides how the next action is said. What comes of it is a plain scenario that only invariants judge (`judge: invariants`): on a system without
//! the bug some of its steps make no sense, and are passed over and reported.
//!
//! # How actions are said
//! | action | step |
//! |---|---|
//! | a timeout, or the word that a leader resigned | `expire` |
//! | a vote request arrives; one that is used again leaves a copy | `deliver vote`, `copy vote` before it |
//! | an announcement arrives | `bring announcement`: the leader says it again where the first is gone |
//! | a fetch is sent and arrives while its sender does nothing else | `bring position` |
//! | a fetch is sent, and arrives after more has happened | `beat`, and `deliver position` then |
//! | a message arrives, arrives twice, is lost | `deliver`, `copy` before it, `drop` |
//! | a record is appended, a leader resigns | `append`, `resign` |
//! | a restart, with or without the loss of a tail; a lost disk | `kill` or `crash`, and `start`; `wipe`, each not before the node does something again |
//! | a tail is written that a crash takes | `hold flush` before it, for systems that would flush it at once |
//!
//! # What it is worth
//! Only what was played is written: [`of_kraft`] fails if the scenario does not break on the model, with the same rules, the invariant that the claim stands for.
//!
//! # What is not here
//! Other models: `raft` is no target of the suite, and partitions and ZooKeeper have no steps that say one message. Coarser grains. Liveness. Claims
//! that the suite does not judge ([`JUDGED`]). A message that outlives the connection of its sender (E09): in scenarios both end together. A fetch that
//! arrives after its sender has gone on to a later epoch (E41): where the model is driven as a target, it comes to nothing.

use std::collections::BTreeMap;

use highwater_model::check::Options;
use highwater_model::family::{Family, Request, RunReport, Switch, find};
use highwater_model::kraft::rules::grain;
use highwater_model::kraft::state::{Fields, Message, kind};
use highwater_model::kraft::{Action, Kraft, Rules, State};
use stateright::Model;

use crate::play::{Failure, Played, Verdict, play};
use crate::scenario::{self, Judge, Kind, Line, Member, Post, Scenario, Step, Who};
use crate::target::model::KraftModel;

/// The clauses that the suite judges after each step, and a claim of the model stands for.
pub const JUDGED: [&str; 6] = [
    "kraft/safety/1",
    "kraft/safety/2",
    "kraft/safety/4",
    "kraft/safety/5",
    "kraft/safety/6",
    "kraft/safety/7",
];

/// The grain of `kraft` in which a message lives no longer than its connection, as in scenarios: what cannot be said in the fine grain may be said in this.
pub const GRAIN: &str = "connections";

/// The scenario of a counterexample of `kraft` under `rules`.
///
/// # Errors
/// What cannot be said, or that what is said breaks nothing on the model.
pub fn of_kraft(run: &RunReport, rules: Rules) -> Result<Scenario, String> {
    // A node that goes down takes messages with it. It may help to let it go late, or at once.
    let breaks = |patient| -> Result<Result<(Scenario, String), Verdict>, String> {
        let (scenario, played) = said(run, rules, patient)?;
        Ok(match played.verdict {
            Verdict::Fail(Failure { invariant: Some(clause), .. }) => Ok((scenario, clause)),
            other => Err(other),
        })
    };
    let found = match breaks(true)? {
        Ok(found) => Ok(found),
        Err(_) => breaks(false)?,
    };
    match found {
        Ok((mut scenario, clause)) => {
            // The suite may see it earlier, and by another invariant.
            if !scenario.clauses.contains(&clause) {
                scenario.clauses.push(clause);
            }
            Ok(scenario)
        }
        Err(other) => Err(format!(
            "the counterexample cannot be said in steps of scenarios: what can be said of it breaks nothing on the model, and comes to {other:?}"
        )),
    }
}

/// The rules that a request switches.
///
/// # Errors
/// If there is no flaw, rule or control of that name.
pub fn rules_of(switch: &Switch) -> Result<Rules, String> {
    let mut rules = Rules::default();
    let none = |what: &str, name: &str| format!("the model kraft has no {what} {name}");
    match switch {
        Switch::Nothing => {}
        Switch::Flaw(id) => {
            let flaw = Kraft::flaws().iter().find(|flaw| flaw.id.eq_ignore_ascii_case(id));
            (flaw.ok_or_else(|| none("flaw", id))?.change)(&mut rules);
        }
        Switch::Control(name) => {
            let control = Kraft::controls().iter().find(|control| control.name == name);
            (control.ok_or_else(|| none("control", name))?.change)(&mut rules);
        }
        Switch::Without(names) => {
            for name in names {
                let rule = Kraft::rules().iter().find(|rule| rule.name == name);
                (rule.ok_or_else(|| none("rule", name))?.off)(&mut rules);
            }
        }
    }
    Ok(rules)
}

/// The scenario of what a request finds: of the claim that it names, or of the first that its flaw breaks and that can be said; in the grain that
/// it names, or in the first in which it can be said.
///
/// # Errors
/// The reason why the first cannot be said.
pub fn seek(request: &Request, options: &Options<'_>) -> Result<Scenario, String> {
    let rules = rules_of(&request.switch)?;
    let entry = find(Kraft::NAME).map_err(|error| error.0)?;
    let claims: Vec<Option<String>> = match (&request.claim, &request.switch) {
        (None, Switch::Flaw(id)) => {
            let flaw = Kraft::flaws().iter().find(|flaw| flaw.id.eq_ignore_ascii_case(id));
            let breaks = flaw.into_iter().flat_map(|flaw| flaw.breaks);
            let card = entry.card();
            let is_judged = |name: &str| {
                card.claims.iter().any(|claim| claim.name == name && JUDGED.contains(&claim.clause))
            };
            breaks
                .filter(|broken| is_judged(broken.claim))
                .map(|broken| Some(broken.claim.to_owned()))
                .collect()
        }
        (claim, _) => vec![claim.clone()],
    };
    let grains: Vec<Option<String>> = match &request.grain {
        Some(grain) => vec![Some(grain.clone())],
        None => vec![None, Some(GRAIN.to_owned())],
    };
    let mut first = None;
    for grain in &grains {
        for claim in &claims {
            let request = Request { claim: claim.clone(), grain: grain.clone(), ..request.clone() };
            let planned = entry.plan(&request).map_err(|error| error.0)?;
            for search in planned.iter().filter(|search| search.search() == "safety") {
                match of_kraft(&search.run(options), rules) {
                    Ok(scenario) => return Ok(scenario),
                    Err(error) => drop(first.get_or_insert(error)),
                }
            }
        }
    }
    Err(first.unwrap_or_else(|| "it breaks no claim that the suite judges after each step".to_owned()))
}

/// A counterexample as far as it can be said, and as it was played on the model.
fn said(run: &RunReport, rules: Rules, patient: bool) -> Result<(Scenario, Played), String> {
    let story = run.counterexample.as_ref().ok_or("the search found no counterexample")?;
    if run.model != Kraft::NAME {
        return Err(format!(
            "the language has no steps for what the model {} does; counterexamples of kraft can be written",
            run.model
        ));
    }
    if run.grain != "fine" && run.grain != GRAIN {
        return Err(format!("the grain {} makes several messages one step; leave --grain out", run.grain));
    }
    if !JUDGED.contains(&story.clause.as_str()) {
        return Err(format!(
            "the suite does not judge {} ({}) after each step; ask for another claim that is broken with --claim",
            story.claim, story.clause
        ));
    }
    let kraft = model_of(run, rules)?;
    let walk = walk(&kraft, run)?;
    let switched = story.switched.as_ref().map_or_else(String::new, |switched| format!(" with {switched}"));
    let head = Scenario {
        title: format!("Counterexample of kraft{switched} to {}", story.claim),
        clauses: vec![story.clause.clone()],
        source: Some(story.command.clone()),
        quorum: (1..=kraft.bounds().nodes).map(Member).collect(),
        pre_vote: Some(false),
        judge: Judge::Invariants,
        ..Scenario::default()
    };
    let mut model = KraftModel::new(rules);
    let steps = Teller::new(&walk, patient).tell().into_iter().map(|step| Line { line: 0, step }).collect();
    let scenario = scenario::parse(&Scenario { steps, ..head }.to_string())
        .map_err(|error| format!("the counterexample cannot be written down: {error}"))?;
    let played = play(&scenario, &mut model, 1);
    Ok((scenario, played))
}

/// The model that was searched.
fn model_of(run: &RunReport, rules: Rules) -> Result<Kraft, String> {
    let mut bounds = Kraft::bounds_at(highwater_model::family::Scale::Default);
    for bound in Kraft::bound_table() {
        let value = run.bounds.get(bound.name).and_then(serde_json::Value::as_u64);
        let value = value.and_then(|value| u8::try_from(value).ok());
        (bound.set)(&mut bounds, value.ok_or_else(|| format!("the report does not say --{}", bound.name))?);
    }
    if run.grain == GRAIN {
        bounds.grain |= grain::CONNECTIONS;
    }
    Ok(Kraft::new(bounds, rules))
}

/// An action, and the states around it.
struct Taken {
    action: Action,
    before: State,
    after: State,
}

/// The actions of a walk, of which a report has the states.
fn walk(kraft: &Kraft, run: &RunReport) -> Result<Vec<Taken>, String> {
    let story = run.counterexample.as_ref().ok_or("the search found no counterexample")?;
    let state = |value: &serde_json::Value| {
        let readable = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
        kraft.state_from(&readable)
    };
    let mut before = state(&story.start.state)?;
    if before != kraft.init_states()[0] {
        return Err("the counterexample begins in a state of its own; leave --from out".to_owned());
    }
    let mut walk = Vec::new();
    for step in &story.steps {
        let after = state(&step.scene.state)?;
        let mut enabled = Vec::new();
        kraft.actions(&before, &mut enabled);
        let leads = |action: &Action| kraft.next_state(&before, *action) == Some(after);
        let action = enabled.into_iter().find(leads);
        let action = action.ok_or_else(|| format!("no action of the model leads to {:?}", step.action))?;
        walk.push(Taken { action, before, after });
        before = after;
    }
    Ok(walk)
}

/// Says a walk in steps.
struct Teller<'a> {
    walk: &'a [Taken],
    /// What a node is yet to suffer, once it does something again.
    owed: BTreeMap<u8, Blow>,
    /// Whether it is not before then.
    patient: bool,
    /// All that was said.
    said: Vec<Step>,
}

#[derive(Debug, Clone, Copy)]
enum Blow {
    Restart { lost: bool },
    Wipe,
}

fn member(index: impl Into<usize>) -> Member {
    Member(u8::try_from(index.into() + 1).unwrap_or(u8::MAX))
}

fn kind_of(fields: &Fields) -> Kind {
    match fields.kind {
        kind::VOTE_GRANTED => Kind::VoteAnswer,
        kind::FETCH => Kind::Position,
        _ => Kind::Records,
    }
}

fn post_of(fields: &Fields) -> Post {
    Post { kind: kind_of(fields), from: member(fields.from), to: member(fields.to) }
}

fn to(message: Message) -> u8 {
    u8::try_from(message.fields().to).unwrap_or(u8::MAX)
}

impl<'a> Teller<'a> {
    fn new(walk: &'a [Taken], patient: bool) -> Self {
        Self { walk, patient, owed: BTreeMap::new(), said: Vec::new() }
    }

    fn tell(mut self) -> Vec<Step> {
        for (place, taken) in self.walk.iter().enumerate() {
            self.say(place, taken);
        }
        self.said
    }

    fn say(&mut self, place: usize, taken: &Taken) {
        self.hold_flushes(place);
        let Taken { action, before, .. } = taken;
        let deliver =
            |kind: Kind, from: u8, to: u8| Step::Deliver(Post { kind, from: member(from), to: member(to) });
        match *action {
            Action::FetchTimeout { node }
            | Action::ElectionTimeout { node }
            | Action::EndQuorumEpoch { node } => {
                self.on(node, Step::Expire { node: member(node) });
            }
            Action::RequestVote { voter, candidate } => {
                let asked = before.nodes[usize::from(candidate)].asked;
                let again = self.walk[place + 1..].iter().any(|later| {
                    later.action == *action && later.before.nodes[usize::from(candidate)].asked == asked
                });
                if again {
                    self.owe(voter);
                    let post = Post { kind: Kind::Vote, from: member(candidate), to: member(voter) };
                    self.said.push(Step::Copy(post));
                }
                let post = Post { kind: Kind::Vote, from: member(candidate), to: member(voter) };
                self.on(voter, Step::Bring(post));
                // The model's candidate hears of a later epoch at once.
                if asked < before.nodes[usize::from(voter)].ballot.epoch {
                    self.on(candidate, deliver(Kind::VoteAnswer, voter, candidate));
                }
            }
            Action::BeginQuorumEpoch { voter, epoch } => {
                let leader = before.leaders.get(epoch).saturating_sub(1);
                let post = Post { kind: Kind::Announcement, from: member(leader), to: member(voter) };
                self.on(voter, Step::Bring(post));
            }
            // One that arrives before its sender does anything else is said where it arrives.
            Action::Fetch { node } if self.arrival(place, node).is_some() => {}
            Action::Fetch { node } => self.on(node, Step::Beat { node: member(node) }),
            Action::Deliver { message } => {
                let arrives = self.arrives(place, message);
                self.on(to(message), arrives);
            }
            Action::Duplicate { message } => {
                let arrives = self.arrives(place, message);
                self.on(to(message), Step::Copy(post_of(&message.fields())));
                self.said.push(arrives);
            }
            Action::Lose { message } => self.said.push(Step::Drop(post_of(&message.fields()))),
            Action::Append { node } => {
                let value = format!("x{}", taken.after.produced);
                self.on(node, Step::Append { node: member(node), value, refused: false });
            }
            Action::Resign { node } => self.on(node, Step::Resign { node: member(node) }),
            Action::Restart { node, lost } => {
                self.owe(node);
                self.owed.insert(node, Blow::Restart { lost });
                self.pay();
            }
            Action::Wipe { node } => {
                self.owe(node);
                self.owed.insert(node, Blow::Wipe);
                self.pay();
            }
            // Of liveness alone.
            Action::Stabilise { .. } => {}
        }
    }

    /// A message arrives: the latest on its way, unless it is a copy or another one is.
    fn arrives(&self, place: usize, message: Message) -> Step {
        let post = post_of(&message.fields());
        let on_its_way = |other: &Message| post_of(&other.fields()) == post;
        // A copy is held back, so that nothing overtakes it.
        let copied = |message: &Message| {
            self.walk[..place].iter().any(|taken| taken.action == Action::Duplicate { message: *message })
        };
        let mut sent: Vec<Message> = Vec::new();
        for taken in &self.walk[..place] {
            let before: Vec<Message> = taken.before.in_flight().collect();
            sent.extend(
                taken.after.in_flight().filter(on_its_way).filter(|message| !before.contains(message)),
            );
        }
        let comes_later = self.walk[place + 1..].iter().any(|taken| match taken.action {
            Action::Deliver { message: other } | Action::Duplicate { message: other } => {
                other != message && sent.contains(&other) && !copied(&other)
            }
            _ => false,
        });
        if copied(&message) || comes_later || sent.last() != Some(&message) {
            Step::Deliver(post)
        } else {
            Step::Bring(post)
        }
    }

    /// A step of a node, behind what it is yet to suffer.
    fn on(&mut self, node: u8, step: Step) {
        self.owe(node);
        self.said.push(step);
    }

    /// What a node is yet to suffer happens now.
    fn owe(&mut self, node: u8) {
        let who = Who::Node(member(node));
        match self.owed.remove(&node) {
            None => {}
            Some(Blow::Wipe) => self.said.push(Step::Wipe { node: who }),
            Some(Blow::Restart { lost }) => {
                let end = if lost { Step::Crash { node: who } } else { Step::Kill { node: who } };
                self.said.extend([end, Step::Start { node: who }]);
            }
        }
    }

    fn pay(&mut self) {
        if !self.patient {
            self.owed.keys().copied().collect::<Vec<_>>().into_iter().for_each(|node| self.owe(node));
        }
    }

    /// Where the fetch that is sent at `place` arrives, if its sender does nothing before.
    fn arrival(&self, place: usize, node: u8) -> Option<usize> {
        let Taken { before, after, .. } = &self.walk[place];
        let before: Vec<Message> = before.in_flight().collect();
        let sent = after.in_flight().find(|message| !before.contains(message))?;
        for (later, taken) in self.walk.iter().enumerate().skip(place + 1) {
            let index = usize::from(node);
            match taken.action {
                Action::Deliver { message } | Action::Duplicate { message } if message == sent => {
                    return Some(later);
                }
                _ if taken.before.nodes[index] != taken.after.nodes[index] => return None,
                _ => {}
            }
        }
        // It never arrives.
        None
    }

    /// Before a tail is written that a crash takes.
    fn hold_flushes(&mut self, place: usize) {
        let Taken { before, after, .. } = &self.walk[place];
        for index in 0..before.nodes.len() {
            let (was, is) = (&before.nodes[index], &after.nodes[index]);
            if is.log.len() <= was.log.len() || was.flushed < was.log.len() {
                continue;
            }
            let falls = self.walk[place + 1..].iter().find_map(|later| {
                let flushed = later.before.nodes[index].flushed;
                match later.action {
                    Action::Restart { node, lost } if usize::from(node) == index => {
                        Some(lost && flushed <= was.log.len())
                    }
                    _ if flushed > was.log.len() => Some(false),
                    _ => None,
                }
            });
            if falls == Some(true) {
                let node = member(index);
                self.said.push(Step::Hold(Post { kind: Kind::Flush, from: node, to: node }));
            }
        }
    }
}

#[cfg(test)]
mod tests;
