//! The rules of the nodes of a world: as they should be, or with one flaw.

use std::fmt;

use highwater_node::Rules;

/// A flaw that cannot be switched on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnknownFlaw {
    /// There is none of that id.
    Id(String),
    /// This program was built without flaws.
    NotBuilt(String),
}

impl fmt::Display for UnknownFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnknownFlaw::Id(id) => {
                let known: Vec<&str> = flaws().map(|(id, _)| id).collect();
                write!(f, "no flaw of the reference is called {id}; there are {}", known.join(", "))
            }
            UnknownFlaw::NotBuilt(id) => write!(
                f,
                "the flaw {id} is not in this program: what ships has none; build one that has with `cargo build --release --features flaws`"
            ),
        }
    }
}

impl std::error::Error for UnknownFlaw {}

/// All flaws of the reference: id and name. None without the feature `flaws`.
#[cfg(feature = "flaws")]
pub fn flaws() -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut all: Vec<(&str, &str)> = Vec::new();
    all.extend(highwater_core::quorum::FLAWS.iter().map(|flaw| (flaw.id, flaw.name)));
    all.extend(highwater_core::partition::FLAWS.iter().map(|flaw| (flaw.id, flaw.name)));
    all.extend(highwater_core::controller::FLAWS.iter().map(|flaw| (flaw.id, flaw.name)));
    all.sort_unstable();
    all.dedup_by_key(|(id, _)| *id);
    all.into_iter()
}

/// All flaws of the reference: id and name. None without the feature `flaws`.
#[cfg(not(feature = "flaws"))]
pub fn flaws() -> impl Iterator<Item = (&'static str, &'static str)> {
    std::iter::empty()
}

/// The rules with this flaw. A flaw may break a rule of more than one core.
#[cfg(feature = "flaws")]
pub(crate) fn rules(flaw: Option<&str>) -> Result<Rules, UnknownFlaw> {
    let mut rules = Rules::default();
    let Some(id) = flaw else { return Ok(rules) };
    let mut found = false;
    for flaw in highwater_core::quorum::FLAWS.iter().filter(|flaw| flaw.id == id) {
        (flaw.change)(&mut rules.quorum);
        found = true;
    }
    for flaw in highwater_core::partition::FLAWS.iter().filter(|flaw| flaw.id == id) {
        (flaw.change)(&mut rules.partition);
        found = true;
    }
    for flaw in highwater_core::controller::FLAWS.iter().filter(|flaw| flaw.id == id) {
        (flaw.change)(&mut rules.controller);
        found = true;
    }
    if found { Ok(rules) } else { Err(UnknownFlaw::Id(id.to_owned())) }
}

/// The rules; there are no flaws.
#[cfg(not(feature = "flaws"))]
pub(crate) fn rules(flaw: Option<&str>) -> Result<Rules, UnknownFlaw> {
    match flaw {
        None => Ok(Rules::default()),
        Some(id) => Err(UnknownFlaw::NotBuilt(id.to_owned())),
    }
}
