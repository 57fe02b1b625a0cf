//! The targets of the suite that the command knows: those of its crate, and those that other crates are needed for.

use highwater_conformance::suite::{Registry, Target};

use crate::arguments::TargetArguments;
use crate::output::Failure;

/// All kinds of target.
pub(crate) fn registry() -> Registry {
    Registry::default()
}

/// The target that was asked for.
pub(crate) fn open(arguments: &TargetArguments) -> Result<Target, Failure> {
    let registry = registry();
    let Some(name) = &arguments.target else {
        let known: Vec<&str> = registry.kinds().iter().map(|kind| kind.usage).collect();
        return Err(Failure::usage(format!(
            "no target to play on; name one: --target {}",
            known.join(", --target ")
        )));
    };
    registry.open(name, arguments.flaw.as_deref()).map_err(Failure::usage)
}
