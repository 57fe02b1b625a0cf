//! Rules of a core: constants in what ships, switches with the feature `flaws`.

/// Declares a `Rules` type: each rule a method that returns its correct value, or, with the feature `flaws`, a public field's.
///
/// A core reads `self.rules.name()` and never asks which flaw is on.
macro_rules! rules {
    ($(#[$meta:meta])* pub struct Rules { $($(#[$doc:meta])* $name:ident: $kind:ty = $correct:expr,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[cfg(feature = "flaws")]
        pub struct Rules { $($(#[$doc])* pub $name: $kind,)* }

        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        #[cfg(not(feature = "flaws"))]
        pub struct Rules(());

        #[cfg(feature = "flaws")]
        impl Default for Rules {
            fn default() -> Self {
                Self { $($name: $correct,)* }
            }
        }

        impl Rules {
            $(
                $(#[$doc])*
                #[inline(always)]
                pub(crate) const fn $name(&self) -> $kind {
                    #[cfg(feature = "flaws")]
                    { self.$name }
                    #[cfg(not(feature = "flaws"))]
                    { $correct }
                }
            )*
        }
    };
}
pub(crate) use rules;

/// A historic bug as a change to one core's rules: the same id as in the models and in `specs/flaws`.
#[cfg(feature = "flaws")]
#[derive(Debug, Clone, Copy)]
pub struct Flaw<R: 'static> {
    /// Such as `A01`.
    pub id: &'static str,
    /// Such as `commit-old-epoch`.
    pub name: &'static str,
    /// Breaks the rule.
    pub change: fn(&mut R),
}
