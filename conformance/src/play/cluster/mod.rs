//! Plays a scenario on a cluster of brokers.
//!
//! Time moves by itself there, so that whatever is expected is waited for, by looking again and again until it is so or the scenario's time is up. What
//! every producer was told and every consumer was given is kept, and judged after each step and in the end ([`history`]).
//!
//! # The end
//! All that was acknowledged must be read in the end. Where a topic has no leader by then, all is healed first: links, pauses, nodes that are down.
//!
//! # What is not here
//! Several clients at once: a step that produces is over before the next begins. Partitions other than the first of a topic.

mod expect;
pub mod history;
mod improvise;
mod post;
mod probe;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::steps::wrong;
use super::{Act, End, Played, Scene, Verdict, caught, unsupported, verdict};
use crate::scenario::{Line, Member, Scenario, Sight, Step, Who};
use crate::target::cluster::{Clients, Clock, PartitionView, Partitions, ReplicaView, Topic};
use crate::target::{Capability, Fault, System};
use history::History;
pub use history::{Consumed, Outcome, Produced};
pub(super) use improvise::improvise;

/// So much time passes between one look and the next.
const LOOK: Duration = Duration::from_millis(100);
/// How long one request of a producer or consumer may take.
const REQUEST: Duration = Duration::from_secs(6);

/// What a cluster is like between two steps.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct View {
    /// Nodes that are down.
    pub down: BTreeSet<Member>,
    /// Nodes that stand still.
    pub paused: BTreeSet<Member>,
    /// Links that are cut, as from and to.
    pub cut: BTreeSet<(Member, Member)>,
    /// The active controller, as each node says that runs.
    pub controller: BTreeMap<Member, Option<Member>>,
    /// By topic, what each node says that runs.
    pub topics: BTreeMap<String, BTreeMap<Member, Said>>,
}

/// What a node says of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Said {
    /// Of its leader and ISR, if it knows of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<PartitionView>,
    /// Of its own replica, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<ReplicaView>,
}

/// Plays a scenario.
pub(super) fn play(system: Box<dyn System>, scenario: &Scenario) -> Played {
    if !scenario.judge.is_steps() {
        return improvise::play_what_can_be(system, scenario);
    }
    let mut player = Player::new(system, scenario);
    let mut scenes = Vec::new();
    let created = scenario.topics.iter().map(|topic| Line { line: 0, step: Step::Create(topic.clone()) });
    for line in created.chain(scenario.steps.iter().cloned()) {
        let played = caught(|| {
            let result = player.perform(&line.step);
            player.close(&line, &mut scenes, result)
        });
        match played {
            Ok(None) => {}
            Ok(Some(verdict)) => return Played { verdict, scenes, events: Vec::new() },
            Err(end) => return player.panicked(&line, end, scenes),
        }
    }
    let verdict = player.in_the_end(&mut scenes);
    Played { verdict, scenes, events: Vec::new() }
}

/// Plays on one cluster.
struct Player {
    system: Box<dyn System>,
    members: Vec<Member>,
    topics: Vec<Topic>,
    within: Duration,
    began: Instant,
    down: BTreeSet<Member>,
    paused: BTreeSet<Member>,
    cut: BTreeSet<(Member, Member)>,
    /// Whom `controller` meant last.
    former: Option<Member>,
    history: History,
    acts: Vec<Act>,
}

/// What is not as expected, so far.
struct NotYet {
    found: String,
    expected: String,
}

impl Player {
    fn new(system: Box<dyn System>, scenario: &Scenario) -> Self {
        Self {
            system,
            members: scenario.cluster.clone(),
            topics: Vec::new(),
            within: Duration::from_secs(scenario.within_seconds.unwrap_or(Scenario::WITHIN_SECONDS).into()),
            began: Instant::now(),
            down: BTreeSet::new(),
            paused: BTreeSet::new(),
            cut: BTreeSet::new(),
            former: None,
            history: History::new(&scenario.loses),
            acts: Vec::new(),
        }
    }

    /// Nothing of a system that panicked is used any more.
    fn panicked(mut self, line: &Line, end: End, mut scenes: Vec<Scene>) -> Played {
        let (step, acts) = (line.step.to_string(), std::mem::take(&mut self.acts));
        scenes.push(Scene { step, acts, views: BTreeMap::new(), cluster: None });
        Played { verdict: verdict(line, end), scenes, events: Vec::new() }
    }

    /// What comes of it once all steps are done.
    fn in_the_end(&mut self, scenes: &mut Vec<Scene>) -> Verdict {
        let result = self.finish();
        let line = Line { line: 0, step: Step::Settle };
        let verdict = self.close(&line, scenes, result).unwrap_or(Verdict::Pass);
        let told = "in the end all that was acknowledged is read";
        if let Some(last) = scenes.last_mut() {
            told.clone_into(&mut last.step);
        }
        match verdict {
            Verdict::Fail(failure) => Verdict::Fail(super::Failure { step: told.to_owned(), ..failure }),
            other => other,
        }
    }

    /// Looks at everything after a step. Something came of it if the play is over.
    fn close(&mut self, line: &Line, scenes: &mut Vec<Scene>, result: Result<(), End>) -> Option<Verdict> {
        let mut end = result.err().map(|end| verdict(line, end));
        let view = self.view().unwrap_or_else(|fault| {
            end.get_or_insert_with(|| verdict(line, fault.into()));
            View::default()
        });
        // What is broken says more than the step at which it shows.
        if let Err(broken) = self.history.look(&view)
            && !matches!(end, Some(Verdict::Inconclusive { .. }))
        {
            end = Some(verdict(line, broken.into()));
        }
        let acts = std::mem::take(&mut self.acts);
        scenes.push(Scene { step: line.step.to_string(), acts, views: BTreeMap::new(), cluster: Some(view) });
        end
    }

    fn view(&mut self) -> Result<View, Fault> {
        let mut view = View {
            down: self.down.clone(),
            paused: self.paused.clone(),
            cut: self.cut.clone(),
            ..View::default()
        };
        for node in self.running() {
            let controller = self.partitions()?.controller(node)?;
            view.controller.insert(node, controller);
        }
        for topic in self.topics.clone() {
            let mut said = BTreeMap::new();
            for node in self.running() {
                let partition = self.partitions()?.partition(node, &topic.name)?;
                let replica = if topic.replicas.contains(&node) {
                    self.partitions()?.replica(node, &topic.name)?
                } else {
                    None
                };
                said.insert(node, Said { partition, replica });
            }
            view.topics.insert(topic.name, said);
        }
        Ok(view)
    }

    /// All that was acknowledged is read in the end.
    fn finish(&mut self) -> Result<(), End> {
        for topic in self.topics.clone() {
            if !self.history.knows(&topic.name) {
                continue;
            }
            if self.look_at(&topic.name, &Sight::Led, None)?.is_err() {
                self.mend()?;
            }
            self.wait(|player| {
                player
                    .consume(&topic.name, None)?
                    .map_or_else(|why| Ok(Err(why)), |()| Ok(player.history.is_complete(&topic.name)))
            })
            .map_err(|end| match end {
                // It is not only not yet there: it is lost.
                End::Wrong { found, expected } => {
                    End::Broken(super::invariant::Broken { invariant: "isr/safety/4", found, expected })
                }
                other => other,
            })?;
        }
        Ok(())
    }

    /// Whatever is cut, still or down is no more.
    fn mend(&mut self) -> Result<(), End> {
        self.perform(&Step::Heal { node: None })?;
        for node in self.paused.clone() {
            self.perform(&Step::Resume { node: Who::Node(node) })?;
        }
        for node in self.down.clone() {
            self.perform(&Step::Start { node: Who::Node(node) })?;
        }
        Ok(())
    }

    // ---- who is there ----

    /// Nodes that are up and do not stand still.
    fn running(&self) -> Vec<Member> {
        let runs = |node: &&Member| !self.down.contains(node) && !self.paused.contains(node);
        self.members.iter().filter(runs).copied().collect()
    }

    /// Those of them that hear a majority of the cluster and are heard by it; all, if there are none. What others say may be old.
    fn in_touch(&self) -> Vec<Member> {
        let cut =
            |one: Member, other: Member| self.cut.contains(&(one, other)) || self.cut.contains(&(other, one));
        let running = self.running();
        let touches = |node: &Member| {
            let near = self.members.iter().filter(|other| !cut(*node, **other)).count();
            2 * near > self.members.len()
        };
        let near: Vec<Member> = running.iter().filter(|node| touches(node)).copied().collect();
        if near.is_empty() { running } else { near }
    }

    /// The node that is meant.
    fn resolve(&mut self, who: Who) -> Result<Member, End> {
        match who {
            Who::Node(node) => Ok(node),
            Who::Controller => {
                let node = self.wait(|player| player.agreed_controller())?;
                self.former = Some(node);
                Ok(node)
            }
            Who::Former => {
                let none =
                    || wrong("former before controller was said".to_owned(), "controller before former");
                self.former.ok_or_else(none)
            }
        }
    }

    // ---- time ----

    fn now(&mut self) -> Result<Duration, End> {
        let began = self.began;
        Ok(self.clock()?.elapsed().unwrap_or_else(|| began.elapsed()))
    }

    /// Looks again and again until it is so. Time passes meanwhile.
    fn wait<T>(
        &mut self,
        mut look: impl FnMut(&mut Self) -> Result<Result<T, NotYet>, End>,
    ) -> Result<T, End> {
        let until = self.now()? + self.within;
        loop {
            let not_yet = match look(self)? {
                Ok(done) => return Ok(done),
                Err(not_yet) => not_yet,
            };
            if self.now()? >= until {
                let NotYet { found, expected } = not_yet;
                let expected = format!("{expected}, within {} s", self.within.as_secs());
                return Err(End::Wrong { found, expected });
            }
            self.clock()?.pass(LOOK)?;
        }
    }

    // ---- what is asked of the target ----

    fn partitions(&mut self) -> Result<&mut dyn Partitions, Fault> {
        self.system.partitions().ok_or_else(|| unsupported(Capability::Cluster))
    }

    fn clients(&mut self) -> Result<&mut dyn Clients, Fault> {
        self.system.clients().ok_or_else(|| unsupported(Capability::Cluster))
    }

    fn clock(&mut self) -> Result<&mut dyn Clock, Fault> {
        self.system.clock().ok_or_else(|| unsupported(Capability::Cluster))
    }
}
