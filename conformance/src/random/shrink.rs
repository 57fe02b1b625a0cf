//! Makes a failing schedule short.

use proptest::strategy::ValueTree;

use super::{Drawn, Improvised, Scenario, Target, improvised};
use crate::play::Verdict;
use crate::scenario::{Member, Step};
use crate::target::Builder;

/// Plays ever shorter schedules.
pub(super) struct Shrinker<'a> {
    pub(super) target: &'a Target,
    pub(super) builder: Box<dyn Builder>,
    pub(super) seed: u64,
    /// How many plays are left.
    pub(super) left: u32,
    pub(super) goes_on: &'a (dyn Fn() -> bool + Sync),
}

/// What makes two failures the same: the invariant, or that it is none.
fn cause(played: &Verdict) -> Option<Option<String>> {
    match played {
        Verdict::Fail(failure) => Some(failure.invariant.clone()),
        _ => None,
    }
}

impl Shrinker<'_> {
    /// The head and the steps that are left.
    pub(super) fn shrink(
        &mut self,
        head: Scenario,
        mut tree: Box<dyn ValueTree<Value = Drawn>>,
        first: Improvised,
    ) -> Result<(Scenario, Vec<Step>), String> {
        let wanted = cause(&first.played.verdict);
        let mut best = first.taken;
        // First of draws: half of the plays at most, since the steps are what is printed.
        let reserve = self.left / 2;
        let mut may_go_on = tree.simplify();
        while may_go_on && self.left > reserve {
            let drawn = tree.current();
            let improvised = self.play(|builder, seed| drawn.play(&head, builder, seed))?;
            may_go_on = match improvised {
                Some(improvised) if cause(&improvised.played.verdict) == wanted => {
                    best = improvised.taken;
                    tree.simplify()
                }
                Some(_) => tree.complicate(),
                None => false,
            };
        }
        self.shorten(head, best, &wanted)
    }

    /// Takes steps out of a plain scenario, many at first, then one by one, until none can be taken out.
    fn shorten(
        &mut self,
        mut head: Scenario,
        mut best: Vec<Step>,
        wanted: &Option<Option<String>>,
    ) -> Result<(Scenario, Vec<Step>), String> {
        let mut size = best.len().div_ceil(2).max(1);
        loop {
            let mut shorter = false;
            let mut at = 0;
            while at < best.len() {
                let mut fewer = best.clone();
                fewer.drain(at..(at + size).min(best.len()));
                match self.fails(&head, &fewer, wanted)? {
                    Some(taken) if taken.len() < best.len() => {
                        best = taken;
                        shorter = true;
                    }
                    Some(_) => at += size,
                    None => at += size,
                }
            }
            if size > 1 {
                size /= 2;
            } else if !shorter {
                break;
            }
        }
        // Three voters, where the others only stand by.
        let uses = |node: Member| best.iter().any(|step| step.members().contains(&node));
        if head.quorum.len() > 3 && !head.quorum[3..].iter().any(|node| uses(*node)) {
            let mut fewer = head.clone();
            fewer.quorum.truncate(3);
            if let Some(taken) = self.fails(&fewer, &best, wanted)? {
                (head, best) = (fewer, taken);
            }
        }
        Ok((head, best))
    }

    /// Whether these steps still fail for the same cause: as they were taken then.
    fn fails(
        &mut self,
        head: &Scenario,
        steps: &[Step],
        wanted: &Option<Option<String>>,
    ) -> Result<Option<Vec<Step>>, String> {
        let mut steps = steps.iter().cloned();
        let improvised = self.play(|builder, seed| improvised(head, builder, seed, &mut |_| steps.next()))?;
        Ok(improvised
            .filter(|improvised| cause(&improvised.played.verdict) == *wanted)
            .map(|improvised| improvised.taken))
    }

    /// One play, if any are left.
    fn play(
        &mut self,
        how: impl FnOnce(&mut dyn Builder, u64) -> Improvised,
    ) -> Result<Option<Improvised>, String> {
        if self.left == 0 || !(self.goes_on)() {
            return Ok(None);
        }
        self.left -= 1;
        let improvised = how(self.builder.as_mut(), self.seed);
        if matches!(improvised.played.verdict, Verdict::Inconclusive { .. }) {
            // What broke once is not used again.
            self.builder = self.target.builder()?;
        }
        Ok(Some(improvised))
    }
}
