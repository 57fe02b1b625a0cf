//! All models, by name.

use super::entry::{Entry, Of};
use super::request::{Usage, unknown};
use crate::isr::Isr;
use crate::kraft::Kraft;
use crate::raft::Raft;
use crate::zk_controller::ZkController;
use crate::zk_election::ZkElection;

static CATALOGUE: [&dyn Entry; 5] =
    [&Of::<ZkElection>::NEW, &Of::<ZkController>::NEW, &Of::<Isr>::NEW, &Of::<Kraft>::NEW, &Of::<Raft>::NEW];

/// Every model, in the order of Kafka's history.
pub fn catalogue() -> &'static [&'static dyn Entry] {
    &CATALOGUE
}

/// The model of a name.
pub fn find(name: &str) -> Result<&'static dyn Entry, Usage> {
    catalogue().iter().copied().find(|entry| entry.name() == name).ok_or_else(|| {
        let names = catalogue().iter().map(|entry| entry.name()).collect::<Vec<_>>();
        Usage(unknown(&format!("there is no model {name}"), name, &names))
    })
}

/// The models that have a flaw of this id.
pub(super) fn models_with_flaw(id: &str) -> Vec<&'static str> {
    let has = |entry: &&&dyn Entry| entry.card().flaws.iter().any(|flaw| flaw.id.eq_ignore_ascii_case(id));
    catalogue().iter().filter(has).map(|entry| entry.name()).collect()
}
