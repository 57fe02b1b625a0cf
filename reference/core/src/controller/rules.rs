//! The rules of the controller that history has broken. Names as in the model of the ISR where it has them.

use crate::rules::rules;

rules! {
    /// The controller's rules, each with its clause in `specs/`. `Default` is the correct protocol.
    pub struct Rules {
        /// When a new leader of the quorum decides (`kraft/activation/1`).
        activation: Activation = Activation::CaughtUp,
        /// Whether AlterPartition is conditional on the partition epoch (`isr/isr/2`).
        partition_epoch: Fence = Fence::Checked,
        /// Whether AlterPartition is conditional on the broker epoch of each member (`isr/isr/3`).
        broker_epoch: Fence = Fence::Checked,
        /// Whether fenced brokers are refused as members of the ISR (`isr/isr/4`).
        fenced_member: Fence = Fence::Checked,
        /// What is left of the partition epoch once a member was refused (`isr/isr/7`).
        refusal: Refusal = Refusal::UsesUpEpoch,
        /// Whether a leader that has yet to recover is refused other members of the ISR (`isr/elect/3`).
        recovering_isr: Fence = Fence::Checked,
        /// Whom the controller elects where unclean election is off (`isr/elect/1`).
        election: Election = Election::Clean,
        /// What happens to the last member of the ISR when its broker is fenced, where there are eligible leader
        /// replicas (`isr/elr/1`).
        last_member: LastMember = LastMember::Leaves,
        /// What a registration after an unclean shutdown does to eligibility (`isr/elr/2`).
        unclean_registration: UncleanRegistration = UncleanRegistration::LeavesElr,
        /// When the eligible leader replicas are forgotten (`isr/elr/3`).
        elr: ElrLife = ElrLife::UntilMinIsr,
        /// What several sessions that expire together are decided on (`isr/broker/2`).
        expirations: Expirations = Expirations::InSequence,
        /// Who is in the first ISR of a new partition (`isr/isr/6`).
        first_isr: FirstIsr = FirstIsr::Active,
    }
}

/// When a leader of the quorum begins to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Activation {
    /// Once everything before its epoch is applied (KAFKA-15345).
    #[default]
    CaughtUp,
    /// At once, on whatever it has applied.
    AtOnce,
}

/// Whether a condition is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Fence {
    /// It is.
    #[default]
    Checked,
    /// It is not.
    Open,
}

/// The partition epoch after a member was refused as not eligible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Refusal {
    /// It is used up, so that no copy of what was refused is granted later.
    #[default]
    UsesUpEpoch,
    /// It stays as it was: Kafka's way.
    LeavesEpoch,
}

/// Whom the controller elects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Election {
    /// A member of the ISR; with an empty ISR, of the ELR.
    #[default]
    Clean,
    /// As `Clean` and, where nobody of these is there, any broker that is.
    Anyone,
}

/// When the ELR is emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ElrLife {
    /// As soon as the ISR has min.insync.replicas members again.
    #[default]
    UntilMinIsr,
    /// Never: who once was eligible stays so.
    Forever,
}

/// The last member of the ISR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LastMember {
    /// Leaves the ISR like any other.
    #[default]
    Leaves,
    /// Stays in the ISR, whatever happens to it.
    Stays,
}

/// What a registration without the marker of a clean shutdown does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum UncleanRegistration {
    /// The broker leaves the ISR and the ELR.
    #[default]
    LeavesElr,
    /// It stays.
    StaysInElr,
}

/// Sessions that expire at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Expirations {
    /// Each is decided on the state that the former left.
    #[default]
    InSequence,
    /// All are decided on the state before the first.
    FromOneBase,
}

/// The first ISR of a new partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FirstIsr {
    /// Its replicas on brokers that are neither fenced nor in controlled shutdown.
    #[default]
    Active,
    /// All its replicas.
    All,
}
