//! Probes of a quorum, and what is common to those of a cluster.

use super::steps::wrong;
use super::{Act, Asked, End, Player, unsupported};
use crate::scenario::{Ask, Base, Forged, Kind, Member, Post, Sort, Term};
use crate::target::probe::{Answer, Probes, Question};
use crate::target::{Capability, Fault, System};

/// Why a number that a probe needs is not to be had.
pub(super) enum Missing {
    /// There is none such, or not yet: what was looked for.
    Number(String),
    /// The target said so.
    Fault(Fault),
}

impl From<Fault> for Missing {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

pub(super) fn probes(system: &mut dyn System) -> Result<&mut dyn Probes, Fault> {
    system.probes().ok_or_else(|| unsupported(Capability::Probes))
}

/// The number that a term stands for at a node.
fn reckon(
    system: &mut dyn System,
    (node, topic): (Member, Option<&str>),
    sort: Sort,
    of: Option<Member>,
    term: &Term,
) -> Result<i64, Missing> {
    let landmark = term.landmark(sort, of).map_err(Missing::Number)?;
    let base = match landmark {
        None => 0,
        Some(landmark) => {
            let found = probes(system)?.landmark(node, topic, &landmark)?;
            found.ok_or_else(|| Missing::Number(format!("no {term} at {node}")))?
        }
    };
    Ok(base.saturating_add(term.plus))
}

/// The question and the answer of a probe, with the numbers that hold at the node.
pub(super) fn resolve(
    system: &mut dyn System,
    members: &[Member],
    node: Member,
    ask: &Ask,
) -> Result<(Question, Answer), Missing> {
    let other = members.iter().copied().find(|member| *member != node).unwrap_or(node);
    let at = (node, ask.question.topic());
    let mut number = |sort: Sort, of: Option<Member>, term: &Term| reckon(system, at, sort, of, term);
    let question = ask.question.resolve(other, &mut number)?;
    // Before it is asked: what is expected is said of how things are then.
    let expected = ask.answer.resolve(&mut number)?;
    Ok((question, expected))
}

/// What was found and expected, in words.
pub(super) fn told(asked: &Asked, expected: &Answer, ask: &Ask) -> (String, String) {
    let Asked { node, question, answer } = asked;
    let (expected, written) = (expected.to_string(), ask.answer.to_string());
    let meaning = if expected == written { String::new() } else { format!(", which is {written}") };
    (format!("{node}, which answers \"{question}\" with: {answer}"), format!("{expected}{meaning}"))
}

impl Player {
    /// A fetch is answered by records that nobody has.
    pub(super) fn forge(&mut self, leader: Member, follower: Member, records: &[Forged]) -> Result<(), End> {
        let fetch = self.find(Post { kind: Kind::Position, from: follower, to: leader })?;
        let current = i64::try_from(self.up(follower)?.epoch).unwrap_or(i64::MAX);
        let mut forged = Vec::new();
        for Forged { value, epoch } in records {
            let from = if epoch.base == Base::Current { current } else { 0 };
            let number = u64::try_from(from.saturating_add(epoch.plus))
                .map_err(|_| wrong(format!("the epoch {epoch}, which is before 0"), "an epoch"))?;
            forged.push((value.clone(), number));
        }
        let forgeries =
            self.system.forgeries().ok_or_else(|| unsupported(Capability::Forgeries)).map_err(End::from)?;
        forgeries.forge(fetch.id, &forged)?;
        // Whom it went to never sees it.
        self.acts.push(Act::Lost(fetch));
        self.look()
    }

    /// A quorum answers at once: nothing moves by itself.
    pub(super) fn ask(&mut self, ask: &Ask) -> Result<(), End> {
        let node = ask.node.member().ok_or_else(super::steps::of_clusters)?;
        if self.down.contains(&node) {
            return Err(wrong(format!("{node} down"), "a node that is up"));
        }
        let resolved = resolve(self.system.as_mut(), &self.members, node, ask);
        let (question, expected) = resolved.map_err(|missing| match missing {
            Missing::Number(what) => wrong(what, "a number to ask with"),
            Missing::Fault(fault) => fault.into(),
        })?;
        let answer = probes(self.system.as_mut())?.ask(node, &question)?;
        let asked = Asked { node, question, answer };
        self.acts.push(Act::Asked(asked.clone()));
        if expected.is_met_by(&asked.answer) {
            return Ok(());
        }
        let (found, expected) = told(&asked, &expected, ask);
        Err(End::Wrong { found, expected })
    }
}
