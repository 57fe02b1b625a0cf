//! What a scenario needs of a target.

use std::collections::BTreeSet;

use crate::scenario::{Expectation, OfTopic, Scenario, Sight, Step};
use crate::target::Capability;

/// What a scenario needs of a target: what it says itself, and what its steps need.
pub fn needs(scenario: &Scenario) -> BTreeSet<Capability> {
    let mut needs: BTreeSet<Capability> = scenario.needs.iter().copied().collect();
    match scenario.pre_vote {
        Some(true) => needs.insert(Capability::PreVote),
        Some(false) => needs.insert(Capability::NoPreVote),
        None => false,
    };
    if !scenario.controllers.is_empty() {
        needs.insert(Capability::BrokersAlone);
    }
    let is_of_cluster = scenario.is_of_cluster();
    needs.insert(if is_of_cluster { Capability::Cluster } else { Capability::Quorum });
    let links = if is_of_cluster { Capability::Links } else { Capability::Messages };
    let messages = if is_of_cluster { Capability::LateMessages } else { Capability::Messages };
    for line in &scenario.steps {
        match &line.step {
            Step::Kill { .. } | Step::Start { .. } => needs.insert(Capability::Processes),
            Step::Crash { .. } => needs.insert(Capability::LostTails),
            Step::Wipe { .. } => needs.insert(Capability::LostDisks),
            Step::Stop { .. } => needs.insert(Capability::GracefulStop),
            Step::Pause { .. } | Step::Resume { .. } => needs.insert(Capability::Pauses),
            Step::Expire { .. } | Step::Beat { .. } => needs.insert(Capability::Timers),
            Step::Campaign { .. } | Step::Replicate { .. } | Step::Exchange { .. } | Step::Settle => {
                needs.extend([Capability::Timers, Capability::Messages]);
                true
            }
            Step::Cut { .. } | Step::Isolate { .. } | Step::Heal { .. } => needs.insert(links),
            Step::Deliver(_) | Step::Drop(_) | Step::Hold(_) | Step::Copy(_) => needs.insert(messages),
            Step::Expect(Expectation::Held(_) | Expectation::NotHeld { .. }) => {
                needs.insert(Capability::LateMessages)
            }
            Step::Expect(Expectation::Topic(OfTopic { sight: Sight::Reads(_), at: Some(_), .. })) => {
                needs.insert(Capability::FollowerReads)
            }
            Step::Bring(_) => {
                needs.extend([Capability::Timers, Capability::Messages]);
                true
            }
            Step::Resign { .. } => needs.insert(Capability::Resign),
            Step::Expect(Expectation::Voted { .. }) => needs.insert(Capability::Votes),
            Step::Expect(Expectation::Topic(OfTopic { sight: Sight::Elr(_), .. })) => {
                needs.insert(Capability::EligibleLeaders)
            }
            Step::Ask(_) => needs.insert(Capability::Probes),
            Step::Forge { .. } => {
                needs.extend([Capability::Forgeries, Capability::Messages]);
                true
            }
            Step::Append { .. }
            | Step::Create(_)
            | Step::Produce(_)
            | Step::Elect { .. }
            | Step::Delete { .. }
            | Step::Configure { .. }
            | Step::Expect(_) => true,
        };
    }
    needs
}
