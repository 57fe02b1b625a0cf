//! What leaves in one step, grouped so that messages of one text share a label.

use std::collections::HashMap;

/// What leaves in one step: by sender and direction, then by text.
pub(super) struct Sendings<'a> {
    pub(super) groups: Vec<Sending<'a>>,
}

/// Messages of one text from one lane in one direction: they share a label.
pub(super) struct Sending<'a> {
    pub(super) from: usize,
    pub(super) right: bool,
    pub(super) to: Vec<usize>,
    pub(super) text: &'a str,
    pub(super) messages: Vec<usize>,
}

impl<'a> Sendings<'a> {
    /// Sorts messages (sender, receiver, text, index) into groups, by sender and direction.
    pub(super) fn of(messages: impl Iterator<Item = (usize, usize, &'a str, usize)>) -> Self {
        let mut groups: Vec<Sending<'a>> = Vec::new();
        let mut known: HashMap<(usize, bool, &str), usize> = HashMap::new();
        for (from, to, text, message) in messages {
            let group = *known.entry((from, to > from, text)).or_insert_with(|| {
                groups.push(Sending { from, right: to > from, to: Vec::new(), text, messages: Vec::new() });
                groups.len() - 1
            });
            groups[group].to.push(to);
            groups[group].messages.push(message);
        }
        groups.sort_by_key(|group| (group.from, group.right));
        Self { groups }
    }

    /// The groups that share a sender and a direction, and so a point of departure.
    pub(super) fn fans(&self) -> impl Iterator<Item = &[Sending<'a>]> {
        self.groups.chunk_by(|one, other| one.from == other.from && one.right == other.right)
    }
}
