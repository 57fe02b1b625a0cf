//! Witnesses of the cases about partitions: a walk of the model `isr` along which happens what the case tells of.
//!
//! A case that no behaviour of the model resembles tests nothing that the model speaks of. Cases about quorums have their witness in being played on the
//! target `model`. Brokers do not let themselves be driven message by message, nor does `isr` have what surrounds a partition: sessions, a controllers' quorum,
//! clients. So a case about a partition is not played on `isr` but *looked for*: what it does and sees is a list of moments (`moment`), and the search asks
//! for a walk of the model, from its first state, on which they come true one after another.
//!
//! # What a moment is
//! | in the case | on the model |
//! |---|---|
//! | `kill`, `stop`, `crash`, `wipe` | the replica is down; only of a crash may its log be shorter then |
//! | `start` | it is up again |
//! | `produce` | the leader (or the node that is named) appends the record; by `acks=all` it is acknowledged, by its fate it is not |
//! | `elect` | the preferred replica leads, or somebody does |
//! | `expect … leader`, `isr`, `elr` | so the controller has it |
//! | `expect … high-watermark`, `log-end`, `reads` | so the node has it that is named, or the leader |
//! | `expect held` | such a message is under way |
//!
//! Between two moments the model does what it likes of what nobody orders: it fetches, learns, fences, shrinks and expands. What somebody has to do, it does
//! only where the case does it: nobody stops, starts or produces of itself, and a broker that is up is fenced, or lags, only once the case has troubled it.
//!
//! # What it is worth
//! It shows that the story of a case can happen. It does not show that it must: that is what playing it on a target is for. What a case says of time
//! (`for 4s`), of requests made up (`ask`) and of other topics than its first is passed over. Where the model has no words for a case it has no witness, with the reason in
//! `conformance/unwitnessed.txt`.

mod moment;
mod search;
#[cfg(test)]
mod tests;

use highwater_model::check::Walk;
use highwater_model::family::Family;
use highwater_model::isr::{Bounds, Isr, Rules};
use highwater_model::trace::{Heading, Story, tell};

use crate::case::Case;
use crate::scenario::Scenario;

/// The cases about clusters that have no witness, each with the reason: `CASE-ID reason` a line.
pub const UNWITNESSED: &str = include_str!("../../unwitnessed.txt");

/// A walk of `isr` on which a case happens.
pub struct Witness {
    bounds: Bounds,
    rules: Rules,
    walk: Walk<Isr>,
    /// How many moments it goes through.
    pub moments: usize,
    /// How many states were looked at to find it.
    pub states: usize,
}

impl Witness {
    /// How many actions the walk has.
    pub fn actions(&self) -> usize {
        self.walk.steps.len()
    }

    /// The walk, for people.
    pub fn story(&self, case: &Case) -> Story {
        let model = Isr::new(self.bounds, self.rules);
        let heading = Heading {
            model: Isr::NAME.to_owned(),
            switched: None,
            claim: case.id.to_owned(),
            kind: "sometimes".to_owned(),
            clause: case.scenario.clauses.join(" "),
            summary: case.scenario.title.clone(),
            command: format!("highwater conformance --witness {}", case.id),
        };
        tell(&model, &self.walk, heading, |state| {
            serde_json::to_value(model.readable(state)).expect("a readable state is JSON")
        })
    }
}

/// A walk of `isr` on which the scenario happens.
///
/// # Errors
/// What the model has no words for; or at which step no walk was found that gets further.
pub fn of_partition(scenario: &Scenario) -> Result<Witness, String> {
    let plan = moment::plan(scenario)?;
    let model = Isr::new(plan.bounds, plan.rules);
    let found = search::search(&model, &plan)?;
    Ok(Witness {
        bounds: plan.bounds,
        rules: plan.rules,
        walk: found.walk,
        moments: plan.stages.iter().filter(|stage| stage.told).count(),
        states: found.states,
    })
}
