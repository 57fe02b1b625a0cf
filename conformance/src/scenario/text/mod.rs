//! Scenarios as text: one line a step, `#` begins a comment.

mod check;
mod cluster;
mod head;
mod probe;
mod steps;
#[cfg(test)]
mod tests;
mod words;
mod write;

use std::fmt;

pub(super) use check::check;
pub use head::HEAD;
pub use steps::VERBS;

use super::{Line, Scenario};
use words::Words;

/// Why a text is no scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// What was found there, what was expected, and what to do.
    pub because: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.because)
    }
}

impl std::error::Error for ParseError {}

/// Reads a scenario.
///
/// # Errors
/// The first line that makes no sense.
pub fn parse(text: &str) -> Result<Scenario, ParseError> {
    let mut scenario = Scenario::default();
    let mut in_head = true;
    for (number, full) in (1..).zip(text.lines()) {
        let line = full.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let at = |because: String| ParseError { line: number, because };
        let head = line.split_once(':').filter(|(key, _)| !key.contains(char::is_whitespace));
        match head {
            Some((key, value)) if in_head => {
                head::take(&mut scenario, key, value.trim()).map_err(at)?;
                continue;
            }
            _ => in_head = false,
        }
        for part in line.split(';') {
            let mut words = Words::new(part);
            let steps = steps::read(&mut words, scenario.is_of_cluster()).map_err(at)?;
            scenario.steps.extend(steps.into_iter().map(|step| Line { line: number, step }));
        }
    }
    let last = text.lines().count().max(1);
    check(&scenario).map_err(|(line, because)| ParseError { line: line.unwrap_or(last), because })?;
    Ok(scenario)
}
