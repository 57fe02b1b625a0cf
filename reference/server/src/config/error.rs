//! What is wrong with a configuration: all of it at once, each by file and line.

use std::fmt;

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// This line of the file, counted from 1.
    Line(usize),
    /// The how manieth `--override`, counted from 1.
    Override(usize),
    /// Nowhere: it is not set.
    Unset,
}

/// Something wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// Of which key.
    pub key: String,
    /// What stands there.
    pub found: String,
    /// What should.
    pub expected: String,
    /// What to do: a sentence or several.
    pub cure: String,
}

/// Something to know that does not keep the server from starting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The file.
    pub file: String,
    /// Where.
    pub place: Place,
    /// Of which key.
    pub key: String,
    /// What.
    pub message: String,
}

/// A configuration that cannot be used: never without faults, sorted by place. Its text has a line for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub file: String,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
}

impl Place {
    /// The place in front of a message: `server.properties:7`.
    fn write(self, file: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "{file}:{line}"),
            Self::Override(_) => write!(f, "--override"),
            Self::Unset => write!(f, "{file}"),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            fault.place.write(&self.file, f)?;
            let Fault { key, found, expected, cure, .. } = fault;
            write!(f, ": ")?;
            if !key.is_empty() {
                write!(f, "{key}: ")?;
            }
            write!(f, "found {found}, expected {expected}. {cure}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.write(&self.file, f)?;
        write!(f, ": {}: {}", self.key, self.message)
    }
}

impl std::error::Error for ConfigError {}
