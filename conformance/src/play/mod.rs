//! Plays a scenario on a target, and says what came of it.
//!
//! A target offers single acts; here steps are made of them. After each step everything is looked at, and the invariants ([`invariant`]) are
//! asked, whatever the scenario itself expects.
//!
//! # Verdicts
//! - **Pass**: every step went as it says, and every invariant held after each.
//! - **Fail**: the first step that did not, with what was found and what was expected. So ends what an adapter does that its protocol does not allow.
//! - **Skip**: the target lacks what the scenario needs. Never a pass.
//! - **Inconclusive**: the target itself failed, so that nothing can be said.

mod expect;
pub mod invariant;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::scenario::{Expectation, Line, Member, Scenario, Step};
use crate::target::{Builder, Capability, Envelope, Fault, NodeView, Setup, System};
use invariant::History;

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// A step as it was played.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scene {
    /// The step.
    pub step: String,
    /// What was done for it.
    pub acts: Vec<Act>,
    /// What each node was like afterwards; nothing of one that is down.
    pub views: BTreeMap<Member, Option<NodeView>>,
}

/// A single act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// A message arrived.
    Delivered(Envelope),
    /// A message was lost.
    Lost(Envelope),
    /// A message arrived, and stayed under way.
    Duplicated(Envelope),
    /// An election timer ran out.
    Expired(Member),
    /// A node was given time.
    Beat(Member),
}

/// Why a step ended the play.
enum End {
    Fault(Fault),
    Wrong { found: String, expected: String },
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What a scenario needs of a target.
pub fn needs(scenario: &Scenario) -> BTreeSet<Capability> {
    let mut needs: BTreeSet<Capability> = scenario.needs.iter().copied().collect();
    match scenario.pre_vote {
        Some(true) => needs.insert(Capability::PreVote),
        Some(false) => needs.insert(Capability::NoPreVote),
        None => false,
    };
    for line in &scenario.steps {
        needs.insert(Capability::Quorum);
        match &line.step {
            Step::Kill { .. } | Step::Start { .. } => needs.insert(Capability::Processes),
            Step::Crash { .. } => needs.insert(Capability::LostTails),
            Step::Wipe { .. } => needs.insert(Capability::LostDisks),
            Step::Expire { .. } => needs.insert(Capability::Timers),
            Step::Campaign { .. } | Step::Replicate { .. } | Step::Settle => {
                needs.extend([Capability::Timers, Capability::Messages]);
                true
            }
            Step::Cut { .. }
            | Step::Isolate { .. }
            | Step::Heal { .. }
            | Step::Deliver(_)
            | Step::Drop(_)
            | Step::Duplicate(_) => needs.insert(Capability::Messages),
            Step::Resign { .. } => needs.insert(Capability::Resign),
            Step::Append { .. } => true,
            Step::Expect(Expectation::Voted { .. }) => needs.insert(Capability::Votes),
            Step::Expect(_) => true,
        };
    }
    needs
}

/// Plays a scenario on a fresh system.
pub fn play(scenario: &Scenario, builder: &mut dyn Builder, seed: u64) -> Played {
    let skip = |because| Played { verdict: Verdict::Skip { because }, scenes: Vec::new() };
    let capabilities = builder.capabilities();
    let missing: Vec<String> = needs(scenario).difference(&capabilities).map(Capability::to_string).collect();
    if !missing.is_empty() {
        return skip(format!("{} has no {}", builder.name(), missing.join(", ")));
    }
    let pre_vote = scenario.pre_vote.unwrap_or(!capabilities.contains(&Capability::NoPreVote));
    let setup = Setup { quorum: scenario.quorum.clone(), pre_vote, seed };
    let system = match builder.build(&setup) {
        Ok(system) => system,
        Err(Fault::Unsupported(because)) => return skip(because),
        Err(Fault::Misbehaved { found, expected }) => {
            let step = "the beginning".to_owned();
            let verdict = Verdict::Fail(Failure { line: 0, step, found, expected, invariant: None });
            return Played { verdict, scenes: Vec::new() };
        }
        Err(fault) => {
            let because = format!("no system to play on: {fault}");
            return Played { verdict: Verdict::Inconclusive { because }, scenes: Vec::new() };
        }
    };
    Player::new(system, scenario.quorum.clone()).play(&scenario.steps)
}

/// Plays on one system.
struct Player {
    system: Box<dyn System>,
    members: Vec<Member>,
    down: BTreeSet<Member>,
    /// Links on which nothing arrives, as from and to.
    cut: BTreeSet<(Member, Member)>,
    history: History,
    acts: Vec<Act>,
}

impl Player {
    fn new(system: Box<dyn System>, members: Vec<Member>) -> Self {
        Self {
            system,
            members,
            down: BTreeSet::new(),
            cut: BTreeSet::new(),
            history: History::default(),
            acts: Vec::new(),
        }
    }

    fn play(mut self, steps: &[Line]) -> Played {
        let mut scenes = Vec::new();
        let mut verdict = Verdict::Pass;
        for line in steps {
            let step = line.step.to_string();
            let wrong = |found, expected, invariant| {
                let step = step.clone();
                Verdict::Fail(Failure { line: line.line, step, found, expected, invariant })
            };
            let result = self.perform(&line.step);
            let views = self.views();
            let mut end = match result {
                Ok(()) => None,
                Err(End::Wrong { found, expected } | End::Fault(Fault::Misbehaved { found, expected })) => {
                    Some(wrong(found, expected, None))
                }
                Err(End::Fault(Fault::Unsupported(because))) => Some(Verdict::Skip { because }),
                Err(End::Fault(Fault::Refused(why))) => {
                    Some(wrong(format!("a refusal, {why}"), "that it is done".to_owned(), None))
                }
                Err(End::Fault(Fault::InDoubt(why))) => {
                    Some(wrong(format!("no answer, {why}"), "that it is done".to_owned(), None))
                }
                Err(End::Fault(Fault::Broken(because))) => Some(Verdict::Inconclusive { because }),
            };
            let views = views.unwrap_or_else(|fault| {
                end.get_or_insert(match fault {
                    Fault::Misbehaved { found, expected } => wrong(found, expected, None),
                    fault => Verdict::Inconclusive { because: fault.to_string() },
                });
                BTreeMap::new()
            });
            // What is broken says more than the step at which it shows.
            if let Err(broken) = self.history.look(&views)
                && !matches!(end, Some(Verdict::Inconclusive { .. }))
            {
                end = Some(wrong(broken.found, broken.expected, Some(broken.invariant.to_owned())));
            }
            scenes.push(Scene { step, acts: std::mem::take(&mut self.acts), views });
            if let Some(end) = end {
                verdict = end;
                break;
            }
        }
        Played { verdict, scenes }
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

fn unsupported(capability: Capability) -> Fault {
    Fault::Unsupported(format!("no {capability}, although it is among the target's capabilities"))
}
