//! Plays a scenario on a target, and says what came of it.
//!
//! A target offers single acts; here steps are made of them. After each act everything is looked at, and the invariants ([`invariant`]) are
//! asked, whatever the scenario itself expects.
//!
//! # Verdicts
//! - **Pass**: every step went as it says, and every invariant held after each.
//! - **Fail**: the first step that did not, with what was found and what was expected. An assertion of the target that fails is one, and so is what an
//!   adapter does that its protocol does not allow.
//! - **Skip**: the target lacks what the scenario needs. Never a pass.
//! - **Inconclusive**: the target itself failed, so that nothing can be said.
//!
//! Quorums are played here, clusters of brokers in [`cluster`].

pub mod cluster;
mod expect;
mod improvise;
pub mod invariant;
mod needs;
mod probe;
mod steps;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::admission::{Cause, Event, Recorder};
use crate::scenario::{Judge, Line, Member, Post, Scenario, Step};
use crate::target::probe::{Answer, Question};
use crate::target::{Builder, Capability, Envelope, Fault, NodeView, Setup, System};
pub use improvise::{Improvised, Situation, improvise};
use invariant::{Broken, History};
pub use needs::needs;

/// What came of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// All went as the scenario says.
    Pass,
    /// Something did not.
    Fail(Failure),
    /// The target lacks something.
    Skip {
        /// What.
        because: String,
    },
    /// The target failed.
    Inconclusive {
        /// How.
        because: String,
    },
}

/// Where a scenario first went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// The line of the scenario; 0 if it has none.
    pub line: usize,
    /// The step.
    pub step: String,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
    /// The clause of an invariant, if it is one that was broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invariant: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, step, found, expected, invariant } = self;
        write!(f, "line {line}: {step}: found {found}, expected {expected}")?;
        invariant.as_ref().map_or(Ok(()), |clause| write!(f, " ({clause})"))
    }
}

/// A scenario as it was played.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Played {
    /// What came of it.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// What happened, step by step.
    pub scenes: Vec<Scene>,
    /// What the nodes of a quorum were seen to do, for [`admission`](crate::admission).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
}

/// A step as it was played.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scene {
    /// The step.
    pub step: String,
    /// What was done for it.
    pub acts: Vec<Act>,
    /// What each node of a quorum was like afterwards; nothing of one that is down.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub views: BTreeMap<Member, Option<NodeView>>,
    /// What a cluster was like afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<cluster::View>,
}

/// A single act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// A message was first seen under way.
    Sent(Envelope),
    /// A message arrived.
    Delivered(Envelope),
    /// A message was lost.
    Lost(Envelope),
    /// A message arrived, and a copy of it was held back.
    Copied(Envelope),
    /// An election timer ran out.
    Expired(Member),
    /// A node was given time.
    Beat(Member),
    /// A producer sent a record.
    Produced(cluster::Produced),
    /// A consumer read.
    Consumed(cluster::Consumed),
    /// A probe was answered.
    Asked(Asked),
    /// The step could not be taken, or went otherwise, where only invariants judge: how.
    PassedOver(String),
}

/// A probe, with the numbers that it had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Whom.
    pub node: Member,
    /// What.
    pub question: Question,
    /// What was answered.
    pub answer: Answer,
}

/// Why a step ended the play.
enum End {
    Fault(Fault),
    Wrong { found: String, expected: String },
    Broken(Broken),
}

impl From<Broken> for End {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Plays a scenario on a fresh system.
pub fn play(scenario: &Scenario, builder: &mut dyn Builder, seed: u64) -> Played {
    match open(scenario, builder, seed) {
        Err(verdict) => Played { verdict, scenes: Vec::new(), events: Vec::new() },
        Ok(system) if scenario.is_of_cluster() => cluster::play(system, scenario),
        Ok(system) => {
            let player = Player::new(system, scenario.quorum.clone());
            match scenario.judge {
                Judge::Steps => player.play(&scenario.steps),
                Judge::Invariants => player.play_what_can_be(&scenario.steps),
            }
        }
    }
}

/// A fresh system for a scenario, if the target has all that it needs.
fn open(scenario: &Scenario, builder: &mut dyn Builder, seed: u64) -> Result<Box<dyn System>, Verdict> {
    let capabilities = builder.capabilities();
    let missing: Vec<String> = needs(scenario).difference(&capabilities).map(Capability::to_string).collect();
    if !missing.is_empty() {
        return Err(Verdict::Skip { because: format!("{} has no {}", builder.name(), missing.join(", ")) });
    }
    let pre_vote = scenario.pre_vote.unwrap_or(!capabilities.contains(&Capability::NoPreVote));
    let setup = Setup {
        quorum: scenario.quorum.clone(),
        cluster: scenario.cluster.clone(),
        controllers: scenario.controllers.clone(),
        config: scenario.config.clone(),
        pre_vote,
        seed,
    };
    let step = "the beginning".to_owned();
    builder.build(&setup).map_err(|fault| match fault {
        Fault::Unsupported(because) => Verdict::Skip { because },
        Fault::Violated(what) => Verdict::Fail(Failure { step, ..violated(what) }),
        Fault::Misbehaved { found, expected } => {
            Verdict::Fail(Failure { line: 0, step, found, expected, invariant: None })
        }
        fault => Verdict::Inconclusive { because: format!("no system to play on: {fault}") },
    })
}

/// What a step came to that did not go as it says.
fn verdict(line: &Line, end: End) -> Verdict {
    let wrong = |found, expected, invariant| {
        let step = line.step.to_string();
        Verdict::Fail(Failure { line: line.line, step, found, expected, invariant })
    };
    match end {
        End::Wrong { found, expected } | End::Fault(Fault::Misbehaved { found, expected }) => {
            wrong(found, expected, None)
        }
        End::Broken(broken) => wrong(broken.found, broken.expected, Some(broken.invariant.to_owned())),
        End::Fault(Fault::Unsupported(because)) => Verdict::Skip { because },
        End::Fault(Fault::Refused(why)) => {
            wrong(format!("a refusal, {why}"), "that it is done".to_owned(), None)
        }
        End::Fault(Fault::InDoubt(why)) => {
            wrong(format!("no answer, {why}"), "that it is done".to_owned(), None)
        }
        End::Fault(Fault::Violated(what)) => {
            let step = line.step.to_string();
            Verdict::Fail(Failure { line: line.line, step, ..violated(what) })
        }
        End::Fault(Fault::Broken(because)) => Verdict::Inconclusive { because },
    }
}

/// The system found by itself that something does not hold.
fn violated(found: String) -> Failure {
    let expected = "all that the system watches by itself to hold".to_owned();
    Failure { line: 0, step: String::new(), found, expected, invariant: None }
}

/// Plays on one system.
struct Player {
    system: Box<dyn System>,
    members: Vec<Member>,
    down: BTreeSet<Member>,
    /// Links on which nothing arrives, as from and to.
    cut: BTreeSet<(Member, Member)>,
    /// The next of these is held back.
    holding: Vec<Post>,
    /// The next of these that arrives leaves a copy.
    copying: Vec<Post>,
    /// What is held back, by the numbers of messages.
    held: BTreeSet<u64>,
    /// What of it has arrived once already.
    copies: BTreeSet<u64>,
    history: History,
    recorder: Recorder,
    acts: Vec<Act>,
    /// Messages that were seen under way, by id.
    seen: BTreeSet<u64>,
}

impl Player {
    fn new(system: Box<dyn System>, members: Vec<Member>) -> Self {
        Self {
            system,
            members,
            down: BTreeSet::new(),
            cut: BTreeSet::new(),
            holding: Vec::new(),
            copying: Vec::new(),
            held: BTreeSet::new(),
            copies: BTreeSet::new(),
            history: History::default(),
            recorder: Recorder::default(),
            acts: Vec::new(),
            seen: BTreeSet::new(),
        }
    }

    fn play(mut self, steps: &[Line]) -> Played {
        let mut scenes = Vec::new();
        let mut came_to = Verdict::Pass;
        for line in steps {
            let performed = caught(|| self.perform_and_look(&line.step));
            let panicked = performed.is_err();
            let end = performed.and_then(|result| result).err().map(|end| verdict(line, end));
            // Nothing of a system that panicked is used any more.
            let views = if panicked { BTreeMap::new() } else { self.views().unwrap_or_default() };
            let (step, acts) = (line.step.to_string(), std::mem::take(&mut self.acts));
            scenes.push(Scene { step, acts, views, cluster: None });
            if let Some(end) = end {
                came_to = end;
                break;
            }
        }
        Played { verdict: came_to, scenes, events: self.recorder.events() }
    }

    fn perform_and_look(&mut self, step: &Step) -> Result<(), End> {
        let result = self.perform(step).and_then(|()| Ok(self.notice()?));
        match self.look() {
            // What is broken says more than the step at which it shows.
            Err(end @ End::Broken(_)) => Err(end),
            Err(end) => result.and(Err(end)),
            Ok(()) => result,
        }
    }

    /// Looks at everything, and whether all invariants hold.
    fn look(&mut self) -> Result<(), End> {
        let views = self.views()?;
        let cause = match self.acts.last() {
            Some(Act::Delivered(envelope) | Act::Copied(envelope)) => {
                Cause::Message { kind: envelope.kind, from: envelope.from }
            }
            Some(Act::Expired(_)) => Cause::Timer,
            _ => Cause::Other,
        };
        self.recorder.note(&views, &cause);
        self.history.look(&views)?;
        for (node, view) in &views {
            if let (Some(view), Some(quorum)) = (view, self.system.quorum())
                && let Some(progress) = quorum.progress(*node)?
            {
                History::look_at_progress(*node, view, &progress)?;
            }
        }
        Ok(())
    }

    fn views(&mut self) -> Result<BTreeMap<Member, Option<NodeView>>, Fault> {
        let members = self.members.clone();
        members.into_iter().map(|member| Ok((member, self.view(member)?))).collect()
    }

    fn view(&mut self, node: Member) -> Result<Option<NodeView>, Fault> {
        if self.down.contains(&node) {
            return Ok(None);
        }
        let system = self.system.quorum().ok_or_else(|| unsupported(Capability::Quorum))?;
        let view = system.view(node)?;
        view.map_or_else(
            || Err(Fault::Broken(format!("{node} is up, and nothing can be seen of it"))),
            |view| Ok(Some(view)),
        )
    }
}

/// Does something with a system under test. An assertion that fails there is what was found.
fn caught<T>(act: impl FnOnce() -> T) -> Result<T, End> {
    catch_unwind(AssertUnwindSafe(act))
        .map_err(|panic| steps::wrong(format!("a panic: {}", panic_message(panic.as_ref())), "none"))
}

/// What a panic says.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "without a message".to_owned())
}

fn unsupported(capability: Capability) -> Fault {
    Fault::Unsupported(format!("no {capability}, although it is among the target's capabilities"))
}
