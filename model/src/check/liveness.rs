//! The liveness search.

use super::options::Options;
use super::outcome::Outcome;
use super::spec::Spec;

/// Builds the whole graph (never under symmetry) and decides the `LeadsTo` claims by fair cycles.
pub fn liveness<M: Spec>(_model: &M, _options: &Options<'_>) -> Outcome<M> {
    todo!("the checker's author writes this")
}
