//! What has to be seen.

use super::steps::{is_same, of_clusters, told, wrong};
use super::{End, Player};
use crate::scenario::{Content, Expectation, Member, Role, Value};
use crate::target::NodeView;

impl Player {
    /// Looks whether it is as expected.
    pub(super) fn expect(&mut self, expectation: &Expectation) -> Result<(), End> {
        match expectation {
            Expectation::Role { node, role, not } => {
                let view = self.up(*node)?;
                let found = format!("{node} {} in epoch {}", view.role.word(), view.epoch);
                let expected = format!("{}{}", if *not { "anything but " } else { "" }, role.word());
                hold((view.role == *role) != *not, found, &expected)
            }
            Expectation::Follows { node, leader } => {
                let view = self.up(*node)?;
                let holds = view.role == Role::Follower && view.leader == Some(*leader);
                hold(holds, format!("{node} {}", follows(&view)), &format!("it to follow {leader}"))
            }
            Expectation::Epoch { node, epoch } => {
                let found = self.up(*node)?.epoch;
                hold(found == *epoch, format!("{node} in epoch {found}"), &format!("epoch {epoch}"))
            }
            Expectation::Voted { node, candidate } => {
                let voted = self.up(*node)?.voted;
                let name =
                    |who: &Option<Member>| who.map_or_else(|| "nobody".to_owned(), |who| who.to_string());
                let expected = format!("a vote for {}", name(candidate));
                hold(voted == *candidate, format!("{node} with a vote for {}", name(&voted)), &expected)
            }
            Expectation::Log { node, content } => {
                let view = self.up(*node)?;
                contain(content, &view.values(), *node, &view, "its log")
            }
            Expectation::LogEpochs { node, epochs } => {
                let view = self.up(*node)?;
                let holds = view.log_start == 0
                    && view.log.iter().map(|entry| entry.epoch).eq(epochs.iter().copied());
                let words: Vec<String> = epochs.iter().map(u64::to_string).collect();
                let found = format!("{node} with {}", told(&view));
                hold(holds, found, &format!("records of the epochs {}", words.join(" ")))
            }
            Expectation::Committed { node, content } => {
                let view = self.up(*node)?;
                contain(content, &view.committed_values(), *node, &view, "what it knows to be committed")
            }
            Expectation::LogsAgree => {
                let views = self.views()?;
                let mut up = views.iter().filter_map(|(node, view)| Some((node, view.as_ref()?)));
                let Some((first, one)) = up.next() else { return Ok(()) };
                let other = up.find(|(_, other)| !is_same(one, other));
                other.map_or(Ok(()), |(node, other)| {
                    Err(wrong(
                        format!("{first} with {}, and {node} with {}", told(one), told(other)),
                        "the same",
                    ))
                })
            }
            Expectation::NoLeader => {
                let views = self.views()?;
                let leader = views
                    .iter()
                    .find(|(_, view)| view.as_ref().is_some_and(|view| view.role == Role::Leader));
                leader.map_or(Ok(()), |(node, _)| Err(wrong(format!("{node} leading"), "no leader")))
            }
            Expectation::Topic(_)
            | Expectation::Controller { .. }
            | Expectation::Held(_)
            | Expectation::NotHeld { .. } => Err(of_clusters()),
        }
    }
}

fn hold(holds: bool, found: String, expected: &str) -> Result<(), End> {
    if holds { Ok(()) } else { Err(wrong(found, expected)) }
}

fn contain(
    content: &Content,
    values: &[Value],
    node: Member,
    view: &NodeView,
    what: &str,
) -> Result<(), End> {
    hold(content.holds(values), format!("{node} with {}", told(view)), &format!("that {what} {content}"))
}

fn follows(view: &NodeView) -> String {
    let leader = view.leader.map_or_else(|| "nobody".to_owned(), |leader| leader.to_string());
    format!("{} in epoch {}, whose leader is {leader} to it", view.role.word(), view.epoch)
}
