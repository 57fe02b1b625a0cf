//! The words of a step.

use super::super::{Content, Member, Who};

/// The words of a step, one after another.
pub(super) struct Words<'a> {
    words: Vec<&'a str>,
    next: usize,
}

impl<'a> Words<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { words: text.split_whitespace().collect(), next: 0 }
    }

    pub(super) fn maybe(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.next).copied();
        self.next += usize::from(word.is_some());
        word
    }

    pub(super) fn word(&mut self, what: &str) -> Result<&'a str, String> {
        self.maybe().ok_or_else(|| format!("the step ends where {what} was expected"))
    }

    pub(super) fn node(&mut self) -> Result<Member, String> {
        self.word("the name of a node")?.parse()
    }

    /// A node by its name or by what it is.
    pub(super) fn who(&mut self) -> Result<Who, String> {
        self.word("the name of a node")?.parse()
    }

    pub(super) fn number<N: std::str::FromStr>(&mut self, what: &str) -> Result<N, String> {
        let word = self.word(what)?;
        word.parse().map_err(|_| format!("found {word:?}, expected {what}"))
    }

    pub(super) fn exactly(&mut self, expected: &str) -> Result<(), String> {
        match self.word(expected)? {
            found if found == expected => Ok(()),
            found => Err(format!("found {found:?}, expected {expected:?}")),
        }
    }

    /// `->`, or nothing but the end.
    pub(super) fn arrow(&mut self) -> Result<(Member, Member), String> {
        let from = self.node()?;
        self.exactly("->")?;
        Ok((from, self.node()?))
    }

    /// All that follows, up to one of these words.
    pub(super) fn values(&mut self, ends: &[&str]) -> Vec<String> {
        let rest = &self.words[self.next..];
        let values: Vec<String> =
            rest.iter().take_while(|word| !ends.contains(word)).map(|word| (*word).to_owned()).collect();
        self.next += values.len();
        values
    }

    /// Nodes, up to one of these words.
    pub(super) fn nodes(&mut self, ends: &[&str]) -> Result<Vec<Member>, String> {
        self.values(ends).iter().map(|word| word.parse()).collect()
    }

    /// What there is of records.
    pub(super) fn content(&mut self, ends: &[&str]) -> Result<Content, String> {
        let word = self.word("is, has or lacks")?;
        let values = self.values(ends);
        match word {
            "is" => Ok(Content::Is(values)),
            "has" | "lacks" if values.is_empty() => {
                Err(format!("found nothing behind {word}, expected a value or more"))
            }
            "has" => Ok(Content::Has(values)),
            "lacks" => Ok(Content::Lacks(values)),
            other => Err(format!("found {other:?}, expected is, has or lacks")),
        }
    }

    /// Whether the next word is this; then it is taken.
    pub(super) fn flag(&mut self, word: &str) -> bool {
        let is_there = self.words.get(self.next) == Some(&word);
        self.next += usize::from(is_there);
        is_there
    }
}
