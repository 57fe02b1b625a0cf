//! A failure made smaller.
//!
//! First everything that happened is written down, so that parts of it can be left out. Then whole kinds of faults are left out, then halves,
//! quarters and so on of what is left, then single happenings; a smaller scenario is kept if it still breaks the same invariant. What is
//! left is run closer together in time. Each try is a whole run, and there is a limit to them.

use crate::Invariant;
use crate::report::Outcome;
use crate::run::run;
use crate::scenario::{Happening, Mischief, Scenario, Script, What};

/// A failure as small as it got.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// What it came to.
    pub outcome: Outcome,
    /// How many runs that took.
    pub tries: u32,
}

impl Shrunk {
    /// The scenario, with all that happened written down.
    pub fn written(&self) -> Scenario {
        Scenario { script: Some(self.outcome.script.clone()), ..self.outcome.scenario.clone() }
    }
}

struct Shrinking {
    best: Outcome,
    invariant: Invariant,
    tries: u32,
    tries_max: u32,
}

/// Shrinks a failed outcome with at most so many runs. `None` if it did not fail.
pub fn shrink(outcome: &Outcome, tries_max: u32) -> Option<Shrunk> {
    let invariant = outcome.violation.as_ref()?.invariant;
    let mut shrinking = Shrinking { best: outcome.clone(), invariant, tries: 0, tries_max };
    let written = Scenario { script: Some(outcome.script.clone()), ..outcome.scenario.clone() };
    if !shrinking.attempt(written) {
        // It does not even repeat: that is a fault of the world, and the original is what there is to show.
        return Some(Shrunk { outcome: outcome.clone(), tries: shrinking.tries });
    }
    loop {
        let before = shrinking.size();
        shrinking.kinds();
        shrinking.mischief();
        shrinking.happenings();
        shrinking.closer();
        if shrinking.size() >= before || shrinking.tries >= tries_max {
            break;
        }
    }
    Some(Shrunk { outcome: shrinking.best, tries: shrinking.tries })
}

impl Shrinking {
    fn script(&self) -> &Script {
        self.best.scenario.script.as_ref().unwrap_or(&self.best.script)
    }

    fn size(&self) -> (usize, u64) {
        (self.script().happenings.len() + self.script().mischief.len(), self.best.place.step)
    }

    /// Runs a scenario, and keeps it if it breaks the same invariant.
    fn attempt(&mut self, scenario: Scenario) -> bool {
        if self.tries >= self.tries_max {
            return false;
        }
        self.tries += 1;
        let Ok(outcome) = run(&scenario, false) else { return false };
        let same = outcome.violation.as_ref().is_some_and(|found| found.invariant == self.invariant);
        if same {
            self.best = outcome;
        }
        same
    }

    fn with(&self, happenings: Vec<Happening>, mischief: Vec<Mischief>) -> Scenario {
        let mut scenario = self.best.scenario.clone();
        scenario.script = Some(Script { happenings, mischief });
        scenario
    }

    /// Leaves out whole kinds, and what came after the violation.
    fn kinds(&mut self) {
        let script = self.script().clone();
        let kinds: Vec<String> = script.happenings.iter().map(|happening| kind(&happening.what)).collect();
        let mut distinct = kinds;
        distinct.sort();
        distinct.dedup();
        self.attempt(self.with(script.happenings, Vec::new()));
        for left_out in distinct {
            let script = self.script().clone();
            let rest: Vec<Happening> =
                script.happenings.into_iter().filter(|happening| kind(&happening.what) != left_out).collect();
            self.attempt(self.with(rest, script.mischief));
        }
    }

    fn mischief(&mut self) {
        self.divide(
            |script| script.mischief.len(),
            |script, from, to| {
                script.mischief.drain(from..to);
            },
        );
    }

    fn happenings(&mut self) {
        self.divide(
            |script| script.happenings.len(),
            |script, from, to| {
                script.happenings.drain(from..to);
            },
        );
    }

    /// Leaves out runs of a list, shorter and shorter.
    fn divide(&mut self, length: impl Fn(&Script) -> usize, leave_out: impl Fn(&mut Script, usize, usize)) {
        let mut run = length(self.script());
        while run > 0 && self.tries < self.tries_max {
            let mut from = length(self.script());
            while from > 0 && self.tries < self.tries_max {
                let to = from.min(length(self.script()));
                from = to.saturating_sub(run);
                if from < to {
                    let mut script = self.script().clone();
                    leave_out(&mut script, from, to);
                    self.attempt(self.with(script.happenings, script.mischief));
                }
            }
            run /= 2;
        }
    }

    /// Moves everything closer together.
    fn closer(&mut self) {
        for (numerator, denominator) in [(1, 2), (3, 4), (9, 10)] {
            let mut script = self.script().clone();
            for happening in &mut script.happenings {
                happening.at_us = happening.at_us * numerator / denominator;
            }
            let before = self.best.clone();
            if self.attempt(self.with(script.happenings, script.mischief))
                && self.best.place.step > before.place.step
            {
                self.best = before;
            }
        }
        if let Some(first) = self.script().happenings.first().map(|happening| happening.at_us) {
            let mut script = self.script().clone();
            for happening in &mut script.happenings {
                happening.at_us -= first;
            }
            self.attempt(self.with(script.happenings, script.mischief));
        }
    }
}

/// The kind of a happening.
fn kind(what: &What) -> String {
    match what {
        What::Fault(fault) => fault.kind().name().to_owned(),
        What::Operation { client, wants } => {
            let text = format!("{wants:?}");
            let name = text.split([' ', '{']).next().unwrap_or_default();
            format!("client {client} {name}")
        }
    }
}
