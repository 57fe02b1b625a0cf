//! Bounds of a model of cores, by name.

use std::fmt;

/// One bound of `B`.
pub struct Bound<B> {
    /// Its name: `pre-vote`.
    pub name: &'static str,
    /// Where it stands.
    pub of: fn(&mut B) -> &mut u8,
    /// The least that it may be.
    pub min: u8,
    /// The most that it may be, given the bounds that stand before it.
    pub max: fn(&B) -> u8,
}

/// Bounds whose names a [table](NamedBounds::TABLE) lists.
pub trait NamedBounds: Copy + fmt::Display + 'static {
    /// All of them, in the order of reports.
    const TABLE: &'static [Bound<Self>];

    /// The bound of this name.
    fn named(&mut self, name: &str) -> Option<&mut u8> {
        let bound = Self::TABLE.iter().find(|bound| bound.name == name)?;
        Some((bound.of)(self))
    }

    /// Each name with its value.
    fn values(mut self) -> impl Iterator<Item = (&'static str, u8)> {
        Self::TABLE.iter().map(move |bound| (bound.name, *(bound.of)(&mut self)))
    }

    /// Whether states have room for all that may happen.
    ///
    /// # Errors
    /// Which bound is too large or too small, and what it may be.
    fn admit(&self) -> Result<(), String> {
        for (bound, (name, value)) in Self::TABLE.iter().zip(self.values()) {
            let (min, max) = (bound.min, (bound.max)(self));
            if !(min..=max).contains(&value) {
                return Err(format!("{name}={value}: it may be {min} to {max}"));
            }
        }
        Ok(())
    }

    /// Writes each as `NAME=NUMBER`.
    ///
    /// # Errors
    /// Those of the formatter.
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.values().enumerate() {
            write!(f, "{}{name}={value}", if index == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}
