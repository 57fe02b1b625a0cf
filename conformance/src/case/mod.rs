//! The cases: scenarios under ids that stay.
//!
//! Each is a file `cases/ID.scenario`. An id is that of the catalogue of requirements: KE elections, KH commits and high watermarks, DT divergence and
//! truncation, FE fencing, IC and IU elections from the in-sync replicas, PA acknowledgements, CF controllers.

use crate::scenario::{ParseError, Scenario, parse};

/// A case as it is written.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// Its id, such as `KH-01`.
    pub id: &'static str,
    /// Its text.
    pub text: &'static str,
}

macro_rules! sources {
    ($($id:literal),* $(,)?) => {
        &[$(Source { id: $id, text: include_str!(concat!("../../cases/", $id, ".scenario")) }),*]
    };
}

/// All cases, in the order of their ids.
pub static SOURCES: &[Source] = sources![
    "DT-05", "DT-08", "DT-11", "FE-04", "FE-04b", "FE-05", "FE-12", "KE-01", "KE-03", "KE-04", "KE-06",
    "KE-07", "KE-07b", "KE-08", "KE-09", "KE-11", "KE-14", "KE-15", "KE-20", "KE-21", "KH-01", "KH-02",
    "KH-03", "KH-04", "KH-05", "KH-06", "KH-11", "KH-11b", "KH-11c", "KH-11d", "KH-12",
];

/// A case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its id.
    pub id: &'static str,
    /// What it is.
    pub scenario: Scenario,
}

/// All cases, in the order of their ids.
///
/// # Errors
/// The first that cannot be read, by its id. Of those in this crate all can: a test sees to it.
pub fn cases() -> Result<Vec<Case>, (&'static str, ParseError)> {
    let read = |source: &Source| {
        parse(source.text)
            .map(|scenario| Case { id: source.id, scenario })
            .map_err(|error| (source.id, error))
    };
    SOURCES.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_is_a_case_that_can_be_read() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/cases");
        let files: BTreeSet<String> = std::fs::read_dir(directory)
            .expect("the directory of cases")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        let listed: BTreeSet<String> =
            SOURCES.iter().map(|source| format!("{}.scenario", source.id)).collect();
        assert_eq!(files, listed);
        assert!(SOURCES.is_sorted_by_key(|source| source.id));
        for case in cases().unwrap_or_else(|(id, error)| panic!("{id}: {error}")) {
            assert!(!case.scenario.clauses.is_empty(), "{}: no clause", case.id);
        }
    }
}
