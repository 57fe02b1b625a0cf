//! Play in which the next step follows from what there is, and in which only invariants judge.
//!
//! A scenario that was made for one system, by chance or from a counterexample of a model, may not be possible on another, or on one without the flaw: nothing
//! of the kind is under way, or the node does not lead. Such a step is passed over, and noted down ([`Act::PassedOver`]); what is done is done by the same code as in any
//! other play, and all is looked at after each act.

use std::collections::{BTreeMap, BTreeSet};

use super::{Act, End, Failure, Played, Player, Scene, Verdict, caught, open, verdict};
use crate::scenario::{Line, Member, Post, Role, Scenario, Step};
use crate::target::{Builder, Fault, NodeView};

/// What there is between two steps.
#[derive(Debug, Clone, Default)]
pub struct Situation {
    /// All nodes.
    pub members: Vec<Member>,
    /// Those that are down.
    pub down: BTreeSet<Member>,
    /// Those that stand still: of a cluster only.
    pub paused: BTreeSet<Member>,
    /// Links that are cut, as from and to.
    pub cut: BTreeSet<(Member, Member)>,
    /// What is under way on links that work, each once, oldest first.
    pub under_way: Vec<Post>,
    /// What each node of a quorum is like; nothing of one that is down.
    pub views: BTreeMap<Member, Option<NodeView>>,
}

impl Situation {
    /// Nodes that are up, and do not stand still.
    pub fn up(&self) -> Vec<Member> {
        let runs = |node: &&Member| !self.down.contains(node) && !self.paused.contains(node);
        self.members.iter().filter(runs).copied().collect()
    }

    /// Nodes that lead.
    pub fn leaders(&self) -> Vec<Member> {
        let leads = |view: &Option<NodeView>| view.as_ref().is_some_and(|view| view.role == Role::Leader);
        self.views.iter().filter(|(_, view)| leads(view)).map(|(node, _)| *node).collect()
    }
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Improvised {
    /// What happened, and how it ended.
    pub played: Played,
    /// The steps that were taken, each as it went: a plain scenario, in which none has to be passed over.
    pub taken: Vec<Step>,
}

/// Plays steps as `next` gives them, until it gives none or an invariant is broken. Of the scenario only the head counts.
pub fn improvise(
    head: &Scenario,
    builder: &mut dyn Builder,
    seed: u64,
    next: &mut dyn FnMut(&Situation) -> Option<Step>,
) -> Improvised {
    match open(head, builder, seed) {
        Err(verdict) => {
            let played = Played { verdict, scenes: Vec::new(), events: Vec::new() };
            Improvised { played, taken: Vec::new() }
        }
        Ok(system) if head.is_of_cluster() => super::cluster::improvise(system, head, next),
        Ok(system) => Player::new(system, head.quorum.clone()).improvise(next),
    }
}

/// Whether a step is made of many acts.
fn is_of_many(step: &Step) -> bool {
    matches!(
        step,
        Step::Bring(_)
            | Step::Campaign { .. }
            | Step::Exchange { .. }
            | Step::Replicate { .. }
            | Step::Settle
    )
}

/// How a step went.
pub(super) enum Went {
    /// It was taken, in this form.
    As(Step),
    /// It was not.
    Not(String),
}

impl Player {
    /// Plays the steps of a scenario that only invariants judge.
    pub(super) fn play_what_can_be(self, steps: &[Line]) -> Played {
        let mut lines = steps.iter();
        let mut improvised = self.improvise(&mut |_| lines.next().map(|line| line.step.clone()));
        // A failure names the line that it was read from.
        if let Verdict::Fail(Failure { line, .. }) = &mut improvised.played.verdict {
            let place = improvised.played.scenes.len().saturating_sub(1);
            *line = steps.get(place).map_or(0, |at| at.line);
        }
        if improvised.played.verdict == Verdict::Pass && improvised.taken.is_empty() && !steps.is_empty() {
            let because = "not one of the steps could be taken here".to_owned();
            improvised.played.verdict = Verdict::Inconclusive { because };
        }
        improvised.played
    }

    fn improvise(mut self, next: &mut dyn FnMut(&Situation) -> Option<Step>) -> Improvised {
        let (mut scenes, mut taken) = (Vec::new(), Vec::new());
        let verdict = loop {
            let situation = match self.situation() {
                Ok(situation) => situation,
                Err(fault) => break verdict(&Line { line: 0, step: Step::Settle }, fault.into()),
            };
            let Some(step) = next(&situation) else { break Verdict::Pass };
            let performed = caught(|| self.take_and_look(&step));
            let panicked = performed.is_err();
            let went = performed.and_then(|result| result);
            if let Ok(Went::Not(because)) = &went {
                self.acts.push(Act::PassedOver(because.clone()));
            }
            // Nothing of a system that panicked is used any more.
            let views = if panicked { BTreeMap::new() } else { self.views().unwrap_or_default() };
            let acts = std::mem::take(&mut self.acts);
            scenes.push(Scene { step: step.to_string(), acts, views, cluster: None });
            match went {
                Ok(Went::As(as_it_went)) => taken.push(as_it_went),
                // What is made of many acts leaves its traces, even if it did not come to what it says.
                Ok(Went::Not(_)) if is_of_many(&step) => taken.push(step),
                Ok(Went::Not(_)) => {}
                Err(end) => {
                    taken.push(step.clone());
                    break verdict(&Line { line: 0, step }, end);
                }
            }
        };
        let events = self.recorder.events();
        Improvised { played: Played { verdict, scenes, events }, taken }
    }

    /// What there is. It is looked at only: nothing is lost or delivered by that.
    fn situation(&mut self) -> Result<Situation, Fault> {
        let mut under_way: Vec<Post> = Vec::new();
        if self.system.messages().is_some() {
            for envelope in self.pending()? {
                let post = super::steps::post_of(&envelope);
                let arrives = !self.cut.contains(&(post.from, post.to))
                    && !self.down.contains(&post.from)
                    && !self.down.contains(&post.to);
                if arrives && !under_way.contains(&post) {
                    under_way.push(post);
                }
            }
        }
        Ok(Situation {
            members: self.members.clone(),
            down: self.down.clone(),
            paused: BTreeSet::new(),
            cut: self.cut.clone(),
            under_way,
            views: self.views()?,
        })
    }

    fn take_and_look(&mut self, step: &Step) -> Result<Went, End> {
        let went = self.take(step);
        let went = went.and_then(|went| Ok(self.notice().map(|()| went)?));
        match self.look() {
            // What is broken says more than the step at which it shows.
            Err(end @ End::Broken(_)) => Err(end),
            Err(end) => went.and(Err(end)),
            Ok(()) => went,
        }
    }

    /// Takes a step, if it can be taken.
    fn take(&mut self, step: &Step) -> Result<Went, End> {
        let must_be_up = match step {
            Step::Start { .. } | Step::Wipe { .. } | Step::Cut { .. } | Step::Isolate { .. } => Vec::new(),
            Step::Heal { .. } | Step::Hold(_) | Step::Copy(_) | Step::Expect(_) => Vec::new(),
            other => other.members(),
        };
        if let Some(down) = must_be_up.into_iter().find(|node| self.down.contains(node)) {
            return Ok(Went::Not(format!("{down} is down")));
        }
        let end = match self.perform(step) {
            Ok(()) => return Ok(Went::As(step.clone())),
            Err(end) => end,
        };
        match (end, step) {
            // Its timer ran out once, and all was delivered: which is all that is done for one that leads by that.
            (End::Wrong { .. }, Step::Campaign { node, loses: true }) => {
                Ok(Went::As(Step::Campaign { node: *node, loses: false }))
            }
            (end @ End::Wrong { .. }, Step::Expect(_)) => Err(end),
            (End::Wrong { found, expected }, _) => {
                Ok(Went::Not(format!("found {found}, expected {expected}")))
            }
            (End::Fault(fault @ (Fault::Refused(_) | Fault::InDoubt(_) | Fault::Unsupported(_))), _) => {
                Ok(Went::Not(fault.to_string()))
            }
            (end, _) => Err(end),
        }
    }
}
