//! What must hold after every step on every target, whatever the scenario says.
//!
//! | invariant | says | clause |
//! |---|---|---|
//! | election safety | an epoch has one leader | `kraft/safety/1` |
//! | leader append-only | a leader does not cut its log while it leads | `kraft/safety/2` |
//! | log matching | logs that have the same epoch at an offset are the same up to there | `kraft/safety/4` |
//! | leader completeness | who leads a later epoch has all that was committed before | `kraft/safety/5` |
//! | state machine safety | what was committed at an offset is never another | `kraft/safety/6` |
//! | follower's high watermark | is not beyond the end of its own log | `kraft/commit/5` |
//! | high watermark | that of a node that is up does not go back | `kraft/safety/7` |
//!
//! They are asked of what is seen between steps. What goes wrong and right again within one step is not seen.

use std::collections::BTreeMap;

use crate::scenario::{Member, Role};
use crate::target::{Entry, NodeView};

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Its clause.
    pub invariant: &'static str,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

/// What was seen so far.
#[derive(Debug, Clone, Default)]
pub struct History {
    leaders: BTreeMap<u64, Member>,
    /// What was committed, by offset, and in which epoch somebody first knew.
    committed: BTreeMap<u64, (Entry, u64)>,
    before: BTreeMap<Member, NodeView>,
}

type Views = BTreeMap<Member, Option<NodeView>>;

impl History {
    /// Takes a look.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn look(&mut self, views: &Views) -> Result<(), Broken> {
        let up = || views.iter().filter_map(|(node, view)| Some((*node, view.as_ref()?)));
        for (node, view) in up() {
            if view.role == Role::Leader {
                let first = *self.leaders.entry(view.epoch).or_insert(node);
                if first != node {
                    return broken(
                        "kraft/safety/1",
                        format!("{first} and {node}, both leaders of epoch {}", view.epoch),
                        "one leader an epoch",
                    );
                }
            }
            if view.committed > view.log_end() {
                return broken(
                    "kraft/commit/5",
                    format!(
                        "the high watermark {} at {node}, whose log ends at {}",
                        view.committed,
                        view.log_end()
                    ),
                    "none beyond the end of its own log",
                );
            }
            if let Some(before) = self.before.get(&node) {
                not_back(node, before, view)?;
            }
        }
        matching(&up().collect::<Vec<_>>())?;
        for (node, view) in up() {
            self.commit(node, view)?;
        }
        for (node, view) in up() {
            self.complete(node, view)?;
        }
        self.before = up().map(|(node, view)| (node, view.clone())).collect();
        Ok(())
    }

    /// A node went down or lost its disk: what it knew of the high watermark it may have forgotten when it comes back.
    pub fn stopped(&mut self, node: Member) {
        self.before.remove(&node);
    }

    fn commit(&mut self, node: Member, view: &NodeView) -> Result<(), Broken> {
        for (offset, entry) in (view.log_start..view.committed).zip(&view.log) {
            let (first, _) = self.committed.entry(offset).or_insert_with(|| (entry.clone(), view.epoch));
            if first != entry {
                return broken(
                    "kraft/safety/6",
                    format!("{} committed at offset {offset} of {node}", told(entry)),
                    &format!("{}, which was committed there", told(first)),
                );
            }
        }
        Ok(())
    }

    fn complete(&self, node: Member, view: &NodeView) -> Result<(), Broken> {
        if view.role != Role::Leader {
            return Ok(());
        }
        for (offset, (entry, known_in)) in self.committed.range(view.log_start..) {
            let place = usize::try_from(offset - view.log_start).unwrap_or(usize::MAX);
            if *known_in <= view.epoch && view.log.get(place) != Some(entry) {
                let found = view.log.get(place).map_or_else(|| "nothing".to_owned(), told);
                return broken(
                    "kraft/safety/5",
                    format!("{found} at offset {offset} of {node}, leader of epoch {}", view.epoch),
                    &format!("{}, which was committed there in epoch {known_in}", told(entry)),
                );
            }
        }
        Ok(())
    }
}

/// A node that has been up since does not take anything back.
fn not_back(node: Member, before: &NodeView, view: &NodeView) -> Result<(), Broken> {
    if view.committed < before.committed {
        return broken(
            "kraft/safety/7",
            format!("the high watermark {} at {node}", view.committed),
            &format!("at least {}, where it was", before.committed),
        );
    }
    let still_leads = view.role == Role::Leader && before.role == Role::Leader && view.epoch == before.epoch;
    if still_leads {
        let kept = before
            .log
            .iter()
            .skip(usize::try_from(view.log_start.saturating_sub(before.log_start)).unwrap_or(0));
        if !kept.zip(&view.log).all(|(was, is)| was == is) || view.log_end() < before.log_end() {
            return broken(
                "kraft/safety/2",
                format!("{node}, leader of epoch {}, with other records than before", view.epoch),
                "a leader to append only",
            );
        }
    }
    Ok(())
}

fn matching(views: &[(Member, &NodeView)]) -> Result<(), Broken> {
    for (place, (one, first)) in views.iter().enumerate() {
        for (other, second) in &views[place + 1..] {
            let start = first.log_start.max(second.log_start);
            let end = first.log_end().min(second.log_end());
            let at = |view: &NodeView, offset: u64| {
                usize::try_from(offset - view.log_start).ok().and_then(|place| view.log.get(place).cloned())
            };
            // From the last offset at which the epochs agree on, downwards, all has to agree.
            let mut agreed = None;
            for offset in (start..end).rev() {
                let (a, b) = (at(first, offset), at(second, offset));
                let same_epoch = a.as_ref().map(|entry| entry.epoch) == b.as_ref().map(|entry| entry.epoch);
                if agreed.is_none() && same_epoch {
                    agreed = Some(offset);
                }
                if let Some(agreed) = agreed
                    && a != b
                {
                    return broken(
                        "kraft/safety/4",
                        format!(
                            "{} at offset {offset} of {one} and {} of {other}, although offset {agreed} is of the same epoch",
                            a.as_ref().map_or_else(String::new, told),
                            b.as_ref().map_or_else(String::new, told)
                        ),
                        "the same",
                    );
                }
            }
        }
    }
    Ok(())
}

fn told(entry: &Entry) -> String {
    let value = entry.value.as_deref().unwrap_or("a record of the protocol's own");
    format!("{value} of epoch {}", entry.epoch)
}

fn broken(invariant: &'static str, found: String, expected: &str) -> Result<(), Broken> {
    Err(Broken { invariant, found, expected: expected.to_owned() })
}
