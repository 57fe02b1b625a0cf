//! A model's claims of itself, asked of its picture of cores: what does not hold is marked in the state of the cores.

use highwater_model::check::{Claim, ClaimKind, Predicate, Spec};
use stateright::Model;

/// A safety claim of the model.
pub(super) struct Held<M: Spec> {
    name: &'static str,
    clause: &'static str,
    summary: &'static str,
    holds: Predicate<M>,
}

/// The safety claims of the model, one bit each, of which there are so many.
pub(super) fn of_model<M: Spec>(model: &M, bits: usize) -> Vec<Held<M>> {
    let safety = |claim: Claim<M>| match claim.kind {
        ClaimKind::Always(holds) => {
            Some(Held { name: claim.name, clause: claim.clause, summary: claim.summary, holds })
        }
        ClaimKind::Sometimes(_) | ClaimKind::LeadsTo { .. } => None,
    };
    let claims: Vec<_> = model.claims().into_iter().filter_map(safety).collect();
    assert!(claims.len() <= bits, "a bit each, and the others are taken");
    claims
}

/// Which of the model's claims do not hold of a picture.
pub(super) fn broken<M: Spec>(model: &M, claims: &[Held<M>], picture: &M::State) -> u16 {
    let broken = |(bit, claim): (usize, &Held<M>)| u16::from(!(claim.holds)(model, picture)) << bit;
    claims.iter().enumerate().map(broken).sum()
}

/// A state that is marked with what does not hold of it.
pub(super) trait Marked {
    /// One bit for each claim that does not hold.
    fn broken(&self) -> u16;
}

/// Whether the claim with this bit holds in a state.
pub(super) fn holds<C: Model<State: Marked>, const BIT: usize>(_: &C, state: &C::State) -> bool {
    state.broken() >> BIT & 1 == 0
}

/// [`holds`] by bit, as far as models have claims.
const fn holds_by_bit<C: Model<State: Marked>>() -> [Predicate<C>; 12] {
    [
        holds::<C, 0>,
        holds::<C, 1>,
        holds::<C, 2>,
        holds::<C, 3>,
        holds::<C, 4>,
        holds::<C, 5>,
        holds::<C, 6>,
        holds::<C, 7>,
        holds::<C, 8>,
        holds::<C, 9>,
        holds::<C, 10>,
        holds::<C, 11>,
    ]
}

/// The model's claims as claims of the cores.
pub(super) fn of_cores<C: Model<State: Marked>, M: Spec>(claims: &[Held<M>]) -> Vec<Claim<C>> {
    let claim =
        |(held, holds): (&Held<M>, Predicate<C>)| Claim::always(held.name, held.clause, held.summary, holds);
    let of_cores: Vec<_> = claims.iter().zip(holds_by_bit()).map(claim).collect();
    assert_eq!(of_cores.len(), claims.len(), "there is a function for each claim");
    of_cores
}
