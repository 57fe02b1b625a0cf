//! Stains by name, as a reader sees them: the bits of a state that tell what went wrong in a step.

/// A bit and its name.
pub(crate) type Stain = (u8, &'static str);

/// The names of the bits that are set.
pub(crate) fn names(stains: &[Stain], bits: u8) -> Vec<String> {
    let set = stains.iter().filter(|(bit, _)| bits & bit != 0);
    set.map(|(_, name)| (*name).to_owned()).collect()
}

/// The bit of this name.
pub(crate) fn bit(stains: &[Stain], name: &str) -> Option<u8> {
    stains.iter().find(|(_, known)| *known == name).map(|(bit, _)| *bit)
}
