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
//! | committed on a majority | what any node knew to be committed is in the logs of a majority, from then on | `kraft/safety/8` |
//! | high watermark of leaders | what a leader moves it to is no less than what leaders before it moved theirs to | `kraft/safety/9` |
//! | epoch | a node's does not go back, restarts included | `kraft/epoch/7` |
//! | order of offsets | log start <= snapshot <= applied <= high watermark <= log end | `kraft/snapshot/2` |
//! | leader without snapshots | who leads takes none of another: its log does not begin behind where it ended | `kraft/snapshot/3` |
//!
//! They are asked of what is seen between steps. What goes wrong and right again within one step is not seen. Nor is what is in the log of a node that is
//! down: one whose process ended has what it had; of one whose machine failed, or whose disk was lost, nothing is known, and it counts for who may have anything.
//! Snapshots and what is applied are seen of targets that tell ([`Quorum::progress`](crate::target::Quorum::progress)).

use std::collections::{BTreeMap, BTreeSet};

use crate::scenario::{Member, Role};
use crate::target::{Entry, NodeView, Progress};

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
    /// The latest epoch that each was in.
    epochs: BTreeMap<Member, u64>,
    /// What is on the disk of each, as far as it is known.
    disks: BTreeMap<Member, NodeView>,
    /// Those that have lost a disk, and what was on it.
    wiped: BTreeSet<Member>,
    /// The latest epoch whose leader moved its high watermark, and to where.
    moved: (u64, u64),
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
                moves_on(&mut self.moved, node, before, view)?;
            }
            let epoch = self.epochs.entry(node).or_default();
            if view.epoch < *epoch {
                return broken(
                    "kraft/epoch/7",
                    format!("{node} in epoch {}", view.epoch),
                    &format!("no epoch before {epoch}, in which it was"),
                );
            }
            *epoch = view.epoch;
        }
        matching(&up().collect::<Vec<_>>())?;
        for (node, view) in up() {
            self.commit(node, view)?;
        }
        for (node, view) in up() {
            self.complete(node, view)?;
        }
        self.before = up().map(|(node, view)| (node, view.clone())).collect();
        self.disks.extend(up().map(|(node, view)| (node, view.clone())));
        self.on_majority(views.len())
    }

    /// Takes a look at how far a node has got, which says so.
    ///
    /// # Errors
    /// If these offsets are not in order.
    pub fn look_at_progress(node: Member, view: &NodeView, progress: &Progress) -> Result<(), Broken> {
        let Progress { snapshot, applied, committed } = *progress;
        let steps = [view.log_start, snapshot, applied, committed, view.log_end()];
        if steps.is_sorted() {
            return Ok(());
        }
        broken(
            "kraft/snapshot/2",
            format!(
                "{node}, whose log begins at {} and ends at {}, with a snapshot up to {snapshot}, records applied up to {applied} and committed up to {committed}",
                view.log_start,
                view.log_end()
            ),
            "log start <= snapshot <= applied <= high watermark <= log end",
        )
    }

    /// A process ended: what it knew of the high watermark it may have forgotten when it comes back.
    pub fn stopped(&mut self, node: Member) {
        self.before.remove(&node);
    }

    /// A machine failed: so much is on its disk, at most, as was in its log.
    pub fn crashed(&mut self, node: Member) {
        self.stopped(node);
        self.disks.remove(&node);
    }

    /// A disk was lost: whoever comes back on a blank one remembers nothing, and is another one to the quorum.
    pub fn wiped(&mut self, node: Member) {
        self.crashed(node);
        self.epochs.remove(&node);
        self.wiped.insert(node);
    }

    /// What was committed last is on a majority: with it all before, since logs match.
    fn on_majority(&self, voters: usize) -> Result<(), Broken> {
        let Some((offset, (entry, _))) = self.committed.last_key_value() else { return Ok(()) };
        let lacks = |view: &&NodeView| {
            let place =
                offset.checked_sub(view.log_start).map(|place| usize::try_from(place).unwrap_or(usize::MAX));
            place.is_some_and(|place| view.log.get(place) != Some(entry))
        };
        let known = self.disks.iter().filter(|(node, _)| !self.wiped.contains(node));
        let lacking: Vec<Member> = known.filter(|(_, view)| lacks(view)).map(|(node, _)| *node).collect();
        if 2 * (voters - lacking.len()) > voters {
            return Ok(());
        }
        let names: Vec<String> = lacking.iter().map(Member::to_string).collect();
        broken(
            "kraft/safety/8",
            format!("{} committed at offset {offset}, which {} lack", told(entry), names.join(" ")),
            &format!("it in the logs of more than half of {voters}"),
        )
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
        if view.log_start > before.log_end() {
            return broken(
                "kraft/snapshot/3",
                format!("{node}, leader of epoch {}, whose log begins at {}", view.epoch, view.log_start),
                &format!(
                    "no start behind {}, where its log ended: it takes no snapshot of another",
                    before.log_end()
                ),
            );
        }
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

/// A leader that moves its high watermark moves it on from where those before it had moved theirs.
fn moves_on(moved: &mut (u64, u64), node: Member, before: &NodeView, view: &NodeView) -> Result<(), Broken> {
    let (epoch, reached) = *moved;
    let leads = view.role == Role::Leader && before.epoch == view.epoch && before.role == Role::Leader;
    if !leads || view.committed <= before.committed || view.epoch < epoch {
        return Ok(());
    }
    if view.epoch > epoch && view.committed < reached {
        return broken(
            "kraft/safety/9",
            format!("the high watermark {} of {node}, leader of epoch {}", view.committed, view.epoch),
            &format!("at least {reached}, to where the leader of epoch {epoch} moved it"),
        );
    }
    *moved = (view.epoch, view.committed);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A node in an epoch whose log begins at 0 and has records of these epochs.
    fn view(role: Role, epoch: u64, log: &[u64], committed: u64) -> NodeView {
        let log = log.iter().map(|epoch| Entry { epoch: *epoch, value: None }).collect();
        NodeView { role, epoch, leader: None, voted: None, log_start: 0, log, committed }
    }

    /// What of n1, n2 and n3 breaks an invariant after what went before.
    fn look(history: &mut History, nodes: [Option<NodeView>; 3]) -> Option<&'static str> {
        let views = (1..).map(Member).zip(nodes).collect();
        history.look(&views).err().map(|broken| broken.invariant)
    }

    fn follower(epoch: u64, log: &[u64], committed: u64) -> Option<NodeView> {
        Some(view(Role::Follower, epoch, log, committed))
    }

    fn leader(epoch: u64, log: &[u64], committed: u64) -> Option<NodeView> {
        Some(view(Role::Leader, epoch, log, committed))
    }

    #[test]
    fn committed_record_on_one_of_three_is_broken_and_on_two_holds() {
        let one = [leader(1, &[1], 1), follower(1, &[], 0), follower(1, &[], 0)];
        assert_eq!(look(&mut History::default(), one), Some("kraft/safety/8"));
        let two = [leader(1, &[1], 1), follower(1, &[1], 0), follower(1, &[], 0)];
        let mut history = History::default();
        assert_eq!(look(&mut history, two), None);
        let cut_off = [leader(1, &[1], 1), follower(1, &[], 0), follower(1, &[], 0)];
        assert_eq!(look(&mut history, cut_off), Some("kraft/safety/8"), "and stays there");
    }

    #[test]
    fn node_that_is_down_has_what_it_had_and_one_that_crashed_may_have_anything() {
        let nodes = || [leader(1, &[1], 0), follower(1, &[], 0), follower(1, &[], 0)];
        let killed = [leader(1, &[1], 1), None, None];
        let mut history = History::default();
        assert_eq!(look(&mut history, nodes()), None);
        history.stopped(Member(2));
        history.stopped(Member(3));
        assert_eq!(look(&mut history, killed.clone()), Some("kraft/safety/8"));
        let mut history = History::default();
        assert_eq!(look(&mut history, nodes()), None);
        history.crashed(Member(2));
        history.stopped(Member(3));
        assert_eq!(look(&mut history, killed), None);
        assert_eq!(
            look(&mut history, [leader(1, &[1], 1), follower(1, &[], 0), None]),
            Some("kraft/safety/8")
        );
    }

    #[test]
    fn epoch_that_goes_back_over_a_restart_is_broken_but_not_over_a_lost_disk() {
        let in_epoch = |epoch: u64| [follower(epoch, &[], 0), None, None];
        let mut history = History::default();
        assert_eq!(look(&mut history, in_epoch(2)), None);
        history.stopped(Member(1));
        assert_eq!(look(&mut history.clone(), in_epoch(1)), Some("kraft/epoch/7"));
        history.wiped(Member(1));
        assert_eq!(look(&mut history, in_epoch(1)), None);
    }

    #[test]
    fn high_watermark_of_a_later_leader_below_that_of_an_earlier_is_broken() {
        let log = [1, 1, 1];
        let mut history = History::default();
        let first = |committed| [leader(1, &log, committed), follower(1, &log, 0), follower(1, &log, 0)];
        assert_eq!(look(&mut history, first(0)), None);
        assert_eq!(look(&mut history, first(3)), None);
        let second = |committed| [follower(2, &log, 3), leader(2, &log, committed), follower(2, &log, 0)];
        assert_eq!(look(&mut history, second(0)), None, "it starts without one");
        assert_eq!(look(&mut history.clone(), second(2)), Some("kraft/safety/9"));
        assert_eq!(look(&mut history, second(3)), None);
    }

    #[test]
    fn leader_whose_log_begins_behind_its_end_has_taken_a_snapshot() {
        let mut history = History::default();
        let others = [follower(1, &[1, 1], 2), follower(1, &[1, 1], 2)];
        let nodes = |first: NodeView| [Some(first), others[0].clone(), others[1].clone()];
        let before = view(Role::Leader, 1, &[1, 1], 2);
        assert_eq!(look(&mut history, nodes(before.clone())), None);
        let own = NodeView { log_start: 2, log: Vec::new(), ..before.clone() };
        assert_eq!(look(&mut history.clone(), nodes(own)), None);
        let of_another = NodeView { log_start: 3, log: Vec::new(), committed: 3, ..before };
        assert_eq!(look(&mut history, nodes(of_another)), Some("kraft/snapshot/3"));
    }

    #[test]
    fn offsets_out_of_order_are_broken() {
        let view = NodeView { log_start: 1, ..view(Role::Follower, 1, &[1, 1, 1], 3) };
        let broken = |snapshot, applied, committed| {
            let progress = Progress { snapshot, applied, committed };
            History::look_at_progress(Member(1), &view, &progress).err().map(|broken| broken.invariant)
        };
        assert_eq!(broken(2, 3, 4), None);
        for (snapshot, applied, committed) in [(0, 3, 4), (3, 2, 4), (2, 4, 3), (2, 3, 5)] {
            assert_eq!(broken(snapshot, applied, committed), Some("kraft/snapshot/2"));
        }
    }
}
