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
    "CF-01", "CF-02", "CF-03", "CF-05", "CF-07", "CF-11", "DT-01", "DT-01b", "DT-01c", "DT-02", "DT-02b",
    "DT-03", "DT-04", "DT-05", "DT-06", "DT-08", "DT-08b", "DT-10", "DT-11", "DT-11b", "DT-12", "DT-16",
    "DT-16b", "DT-18", "DT-18b", "FE-01", "FE-01b", "FE-02", "FE-02b", "FE-04", "FE-04b", "FE-04c", "FE-05",
    "FE-06", "FE-06b", "FE-07", "FE-07b", "FE-08", "FE-09", "FE-12", "FE-12b", "FE-13", "FE-14", "IC-01",
    "IC-02", "IC-04", "IC-04b", "IC-05", "IC-06", "IC-06b", "IC-09", "IC-10", "IC-11", "IC-12", "IC-14",
    "IC-15", "IC-16", "IC-18", "IC-20", "IC-21", "IC-21b", "IC-22", "IC-23", "IC-24", "IU-01", "IU-02",
    "IU-03", "IU-05", "IU-05b", "IU-07", "IU-08", "IU-10", "KE-01", "KE-02", "KE-03", "KE-04", "KE-05",
    "KE-06", "KE-07", "KE-07b", "KE-08", "KE-09", "KE-11", "KE-14", "KE-15", "KE-15b", "KE-16", "KE-16b",
    "KE-18", "KE-20", "KE-21", "KE-24", "KE-25", "KH-01", "KH-02", "KH-03", "KH-04", "KH-05", "KH-06",
    "KH-08", "KH-11", "KH-11b", "KH-11c", "KH-11d", "KH-11e", "KH-12", "KH-13", "KH-14", "KH-15", "KH-17",
    "KH-17b", "KH-18", "KH-18b", "PA-01", "PA-02", "PA-03", "PA-04", "PA-05", "PA-06", "PA-07", "PA-08",
    "PA-09", "PA-12", "PA-13", "PA-16", "PA-18",
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
