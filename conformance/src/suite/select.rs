//! Which cases, and which of them are expected to fail.

use std::collections::BTreeMap;

use crate::case::{SOURCES, cases};
use crate::scenario::Scenario;

/// A scenario to be played under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The id of a case, or the name of a file.
    pub id: String,
    /// What it is.
    pub scenario: Scenario,
    /// As it was written, to which its lines refer.
    pub text: String,
}

/// What begins the ids of cases that belong together, and what they are about.
const GROUPS: [(&str, &str); 8] = [
    ("KE", "elections of the quorum"),
    ("KH", "commits and high watermarks of the quorum"),
    ("DT", "divergence and truncation"),
    ("FE", "fencing"),
    ("IC", "clean elections from the in-sync replicas"),
    ("IU", "unclean elections"),
    ("PA", "acknowledgements"),
    ("CF", "controllers"),
];

/// The group of an id: what stands before its number.
pub fn group(id: &str) -> &str {
    id.rsplit_once('-').map_or(id, |(group, _)| group)
}

/// What the cases of a group are about.
pub fn about(group: &str) -> &'static str {
    GROUPS.iter().find(|(name, _)| *name == group).map_or("", |(_, about)| about)
}

/// All cases, in the order of their ids.
///
/// # Errors
/// See [`cases`].
pub fn all() -> Result<Vec<Item>, String> {
    let cases = cases().map_err(|(id, error)| format!("{id}: {error}"))?;
    let item = |(case, source): (crate::case::Case, &crate::case::Source)| Item {
        id: case.id.to_owned(),
        scenario: case.scenario,
        text: source.text.to_owned(),
    };
    Ok(cases.into_iter().zip(SOURCES).map(item).collect())
}

/// Those of `items` that one of the words names: by id (`KH-01`), by what ids begin with (`KH`), or by clause (`kraft/commit/1`, `kraft/commit`). Without words, all.
///
/// # Errors
/// A word that names none.
pub fn select(items: Vec<Item>, words: &[String]) -> Result<Vec<Item>, String> {
    for word in words {
        if !items.iter().any(|item| is_named(item, word)) {
            return Err(format!(
                "{word}: no case has this id, an id that begins so, or this clause; {}",
                nearest(&items, word)
            ));
        }
    }
    let wanted = |item: &Item| words.is_empty() || words.iter().any(|word| is_named(item, word));
    Ok(items.into_iter().filter(wanted).collect())
}

fn is_named(item: &Item, word: &str) -> bool {
    let clause = |clause: &String| {
        clause.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let id = item.id.to_ascii_lowercase();
    let word_lower = word.to_ascii_lowercase();
    let (own_group, is_group) = (group(&item.id).to_ascii_lowercase(), !word.contains('-'));
    id == word_lower
        || word.ends_with('-') && id.starts_with(&word_lower)
        || is_group && own_group.starts_with(&word_lower)
        || item.scenario.clauses.iter().any(clause)
}

fn nearest(items: &[Item], word: &str) -> String {
    let likeness = |item: &&Item| {
        (strsim::normalized_levenshtein(&item.id.to_ascii_lowercase(), &word.to_ascii_lowercase()) * 1e6)
            as u64
    };
    let nearest = items.iter().rev().max_by_key(likeness);
    nearest.map_or_else(
        || "there are no cases".to_owned(),
        |item| format!("the nearest is {}; `highwater conformance --list` lists them all", item.id),
    )
}

/// The cases that are expected to fail, each with the reason.
pub type Expected = BTreeMap<String, String>;

/// Reads a file of expected failures: `CASE-ID reason…` a line; a line that begins with `#` is a comment.
///
/// # Errors
/// The first line that makes no sense, or names no case.
pub fn expected_failures(text: &str, items: &[Item]) -> Result<Expected, String> {
    let known = |id: &str| items.iter().any(|item| item.id == id);
    reasons(text, |id| {
        if known(id) { Ok(()) } else { Err(format!("there is no case {id}; {}", nearest(items, id))) }
    })
}

/// Reads lines of an id and a reason.
pub(super) fn reasons(
    text: &str,
    is_known: impl Fn(&str) -> Result<(), String>,
) -> Result<BTreeMap<String, String>, String> {
    let mut reasons = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (id, reason) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let refused = |because: String| Err(format!("line {number}: {because}"));
        if let Err(because) = is_known(id) {
            return refused(because);
        }
        if reason.trim().is_empty() {
            return refused(format!("found {id} without a reason; write it behind: {id} REASON"));
        }
        if reasons.insert(id.to_owned(), reason.trim().to_owned()).is_some() {
            return refused(format!("found {id} for the second time; keep one of the lines"));
        }
    }
    Ok(reasons)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::parse;

    fn items() -> Vec<Item> {
        let item = |(id, clause): (&str, &str)| {
            let text = format!("title: t\nclauses: {clause}\nquorum: n1\n");
            let scenario = parse(&text).expect("a scenario");
            Item { id: id.to_owned(), scenario, text }
        };
        [("KE-01", "kraft/vote/1"), ("KH-01", "kraft/commit/1"), ("KH-02", "kraft/commit/12")]
            .map(item)
            .into()
    }

    fn named(words: &[&str]) -> Vec<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        select(items(), &words).expect("cases").into_iter().map(|item| item.id).collect()
    }

    #[test]
    fn cases_are_named_by_id_beginning_or_clause() {
        assert_eq!(named(&[]), ["KE-01", "KH-01", "KH-02"]);
        assert_eq!(named(&["KH"]), ["KH-01", "KH-02"]);
        assert_eq!(named(&["kh-02", "KE-01"]), ["KE-01", "KH-02"]);
        assert_eq!(named(&["kraft/commit/1"]), ["KH-01"]);
        assert_eq!(named(&["kraft/commit"]), ["KH-01", "KH-02"]);
    }

    #[test]
    fn word_that_names_no_case_is_refused_with_the_nearest() {
        let refusal = select(items(), &["KH-03".to_owned()]).expect_err("no case");
        assert!(refusal.contains("KH-03: no case"), "{refusal}");
        assert!(refusal.contains("the nearest is KH-01"), "{refusal}");
    }

    #[test]
    fn expected_failures_are_ids_with_reasons() {
        let expected = expected_failures("# known\n\nKH-01 a bug of ours, #12\n", &items()).expect("a file");
        assert_eq!(expected, Expected::from([("KH-01".to_owned(), "a bug of ours, #12".to_owned())]));
        let refusal = |text: &str| expected_failures(text, &items()).expect_err("no sense");
        assert!(
            refusal("KH-01 x\nKH-09 y").starts_with("line 2: there is no case KH-09; the nearest is KH-01")
        );
        assert!(refusal("KH-01").contains("without a reason"));
        assert!(refusal("KH-01 x\nKH-01 y").contains("for the second time"));
    }
}
