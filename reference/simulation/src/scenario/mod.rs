//! A scenario: a world's shape, and what happens in it. Written as JSON (`specs/simulation.md`).
//!
//! A scenario comes in two forms that run alike. **Drawn**: shape and faults follow from a seed ([`Scenario::from_seed`]).
//! **Written**: each fault, each operation of a client and each message that met with something is listed ([`Script`]), so that a list of
//! what happened can be made shorter, and still be run.

mod draw;
mod happening;
mod shape;

pub use draw::Profile;
pub(crate) use draw::{Drawing, Subject, draw_mischief};
pub use happening::{Fault, FaultKind, Happening, Mischief, MischiefKind, Operation, Tail, What};
pub use shape::{Disk, Limits, Network, NodeSetup, Rates, Shape, Timing, Topics};

use serde::{Deserialize, Serialize};

/// The version of the form that [`Scenario`] is written in.
pub const SCENARIO_VERSION: u32 = 1;

/// A world and what happens in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// [`SCENARIO_VERSION`].
    pub version: u32,
    /// What all that is not written here is drawn from.
    pub seed: u64,
    /// The flaw that is switched on, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaw: Option<String>,
    /// The world.
    pub shape: Shape,
    /// What happens in it; drawn from the seed if it is not written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Script>,
}

/// Everything that happens in a world from outside.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Faults and operations, by time.
    pub happenings: Vec<Happening>,
    /// Messages that met with something on their way.
    pub mischief: Vec<Mischief>,
}

/// What is asked of the scenarios of many seeds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wishes {
    /// The number of nodes; drawn if not said.
    pub nodes: Option<u8>,
    /// Steps under faults.
    pub steps: Option<u64>,
    /// Virtual time under faults, in microseconds; ends that part whatever the steps.
    pub time_us: Option<u64>,
    /// The kind of world; drawn if not said.
    pub profile: Option<Profile>,
    /// A flaw to switch on.
    pub flaw: Option<String>,
}

impl Scenario {
    /// The drawn scenario of a seed.
    pub fn from_seed(seed: u64, wishes: &Wishes) -> Self {
        let shape = draw::shape(seed, wishes);
        Self { version: SCENARIO_VERSION, seed, flaw: wishes.flaw.clone(), shape, script: None }
    }

    /// Reads what [`Scenario::to_json`] wrote.
    ///
    /// # Errors
    /// What is wrong with the text, for people.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let scenario: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if scenario.version != SCENARIO_VERSION {
            return Err(format!(
                "the scenario is of version {}, this program reads version {SCENARIO_VERSION}",
                scenario.version
            ));
        }
        scenario.shape.admit()?;
        Ok(scenario)
    }

    /// The scenario as JSON.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a scenario is JSON");
        text.push('\n');
        text
    }
}
