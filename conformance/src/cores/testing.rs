//! What the tests of both models of cores hold them to.

use std::fmt::Debug;

use highwater_model::check::{ClaimVerdict, Outcome, Spec, Verdict};

/// Holds a whole search to its end without a fault, its count of states and its depth.
pub(super) fn assert_holds<M: Spec>(outcome: &Outcome<M>, bounds: impl Debug, unique: u64, depth: u32) {
    let failed = outcome.claims.iter().filter(|claim| claim.verdict != ClaimVerdict::Holds);
    let failed: Vec<_> = failed.map(|claim| claim.name).collect();
    assert_eq!((outcome.verdict, failed), (Verdict::Holds, vec![]), "{bounds:?}");
    assert_eq!((outcome.unique, outcome.depth), (unique, depth), "{bounds:?}");
}

/// What any number of threads has to count the same.
pub(super) fn counts<M: Spec>(outcome: &Outcome<M>) -> (u64, u64, u32, u64) {
    (outcome.unique, outcome.generated, outcome.depth, outcome.terminal)
}

/// Of flaws of cores.
#[cfg(feature = "flaws")]
pub(super) mod flaws {
    use highwater_core::Flaw;
    use highwater_model::check::{Options, Spec, Stop, search};

    /// The rules with this flaw.
    pub(in crate::cores) fn changed<R: Default>(flaws: &[Flaw<R>], id: &str) -> R {
        let mut rules = R::default();
        (flaws.iter().find(|flaw| flaw.id == id).expect("a flaw of the core").change)(&mut rules);
        rules
    }

    /// In how many steps each of these claims breaks.
    pub(in crate::cores) fn breaks<M: Spec, const CLAIMS: usize>(
        model: &M,
        claims: [&'static str; CLAIMS],
    ) -> [Option<usize>; CLAIMS] {
        let options = Options { threads: 2, stop: Stop::Decided(&claims), ..Options::default() };
        let outcome = search(model, &options);
        claims.map(|claim| {
            let found = outcome.claims.iter().find(|found| found.name == claim).expect("a claim");
            found.walk.as_ref().map(|walk| walk.steps.len())
        })
    }
}
