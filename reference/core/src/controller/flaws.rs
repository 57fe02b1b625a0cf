//! Historic bugs of controllers, each a change to the rules.

use super::rules::{
    Activation, Election, ElrLife, Expirations, Fence, FirstIsr, LastMember, Refusal, Rules,
    UncleanRegistration,
};
use crate::Flaw;

/// The flaws, in the order of their ids, named as in `specs/flaws`.
pub const FLAWS: &[Flaw<Rules>] = &[
    Flaw { id: "A38", name: "leads-before-caught-up", change: |rules| rules.activation = Activation::AtOnce },
    Flaw { id: "B12", name: "no-partition-epoch-check", change: |rules| rules.partition_epoch = Fence::Open },
    Flaw { id: "B17", name: "stale-broker-epoch", change: |rules| rules.broker_epoch = Fence::Open },
    Flaw { id: "B20", name: "last-replica-standing", change: |rules| rules.last_member = LastMember::Stays },
    Flaw { id: "B22", name: "anyone-may-lead", change: |rules| rules.election = Election::Anyone },
    Flaw {
        id: "B29",
        name: "one-base-expirations",
        change: |rules| rules.expirations = Expirations::FromOneBase,
    },
    Flaw { id: "B32", name: "fenced-first-isr", change: |rules| rules.first_isr = FirstIsr::All },
    Flaw {
        id: "B39",
        name: "expansion-while-recovering",
        change: |rules| rules.recovering_isr = Fence::Open,
    },
    Flaw { id: "B43", name: "refused-copy-granted", change: |rules| rules.refusal = Refusal::LeavesEpoch },
    Flaw { id: "E21", name: "fenced-member", change: |rules| rules.fenced_member = Fence::Open },
    Flaw {
        id: "E24",
        name: "unclean-stays-eligible",
        change: |rules| rules.unclean_registration = UncleanRegistration::StaysInElr,
    },
    Flaw { id: "E26", name: "elr-for-ever", change: |rules| rules.elr = ElrLife::Forever },
];
