//! What has to be seen of a cluster.

use std::time::Duration;

use super::{LOOK, NotYet, Player, REQUEST};
use crate::play::{Act, End};
use crate::scenario::{Content, Expectation, Member, OfTopic, Sight, Who};
use crate::target::Fault;
use crate::target::cluster::PartitionView;

use super::history::Consumed;

/// Whether it is so, or what is not.
type Look = Result<Result<(), NotYet>, End>;

impl Player {
    /// Waits until it is as expected, and watches that it stays so for as long as it must.
    pub(super) fn expect(&mut self, expectation: &Expectation) -> Result<(), End> {
        match expectation {
            Expectation::Topic(of) => self.expect_of_topic(of),
            Expectation::Controller { node, not } => {
                let node = node.map(|node| self.resolve(node)).transpose()?;
                self.wait(|player| {
                    let found = match player.agreed_controller()? {
                        Ok(found) => found,
                        Err(not_yet) => return Ok(Err(not_yet)),
                    };
                    let holds = node.is_none_or(|node| (node == found) != *not);
                    let expected = || {
                        let node = node.map_or_else(String::new, |node| node.to_string());
                        if *not { format!("another than {node}") } else { node }
                    };
                    Ok(hold(holds, || format!("{found} the active controller"), expected))
                })
            }
            Expectation::Held(post) => self.expect_held(post),
            Expectation::NotHeld { post, for_seconds } => self.expect_not_held(post, *for_seconds),
            _ => Err(super::super::steps::wrong("an expectation of quorums".to_owned(), "one of clusters")),
        }
    }

    fn expect_of_topic(&mut self, of: &OfTopic) -> Result<(), End> {
        let sight = self.resolved(&of.sight)?;
        self.wait(|player| player.look_at(&of.topic, &sight, of.at))?;
        let Some(seconds) = of.for_seconds else { return Ok(()) };
        let until = self.now()? + Duration::from_secs(seconds.into());
        while self.now()? < until {
            self.clock()?.pass(LOOK)?;
            if let Err(NotYet { found, expected }) = self.look_at(&of.topic, &sight, of.at)? {
                let expected = format!("{expected}, for {seconds} s");
                return Err(End::Wrong { found, expected });
            }
        }
        Ok(())
    }

    /// The same, with nodes by their names.
    fn resolved(&mut self, sight: &Sight) -> Result<Sight, End> {
        Ok(match sight {
            Sight::Leader(who) => Sight::Leader(Who::Node(self.resolve(*who)?)),
            Sight::LeaderNot(who) => Sight::LeaderNot(Who::Node(self.resolve(*who)?)),
            other => other.clone(),
        })
    }

    /// Takes one look at a partition.
    pub(super) fn look_at(&mut self, topic: &str, sight: &Sight, at: Option<Member>) -> Look {
        match sight {
            Sight::Reads(content) => {
                if let Err(not_yet) = self.consume(topic, at)? {
                    return Ok(Err(not_yet));
                }
                let values = self.history.last_read(topic);
                let at = at.map_or_else(String::new, |node| format!(" at {node}"));
                let found = || match values.as_slice() {
                    [] => format!("a consumer of {topic}{at} that reads nothing"),
                    values => format!("a consumer of {topic}{at} that reads {}", values.join(" ")),
                };
                let expected = || match content {
                    Content::Is(values) => format!("one that reads just {}", values.join(" ")),
                    Content::Has(values) => format!("one that reads {}", values.join(" ")),
                    Content::Lacks(values) => format!("one that does not read {}", values.join(" ")),
                };
                Ok(hold(content.holds(&values), found, expected))
            }
            Sight::HighWatermark(offset) => self.look_at_replica(topic, "high watermark", *offset, at),
            Sight::LogEnd(offset) => self.look_at_replica(topic, "log end", *offset, at),
            _ => {
                let nodes = at.map_or_else(|| self.in_touch(), |node| vec![node]);
                if nodes.is_empty() {
                    return Ok(Err(NotYet {
                        found: "no node that runs".to_owned(),
                        expected: format!("{topic} {sight}"),
                    }));
                }
                for node in nodes {
                    let view = self.partitions()?.partition(node, topic)?;
                    let holds = view.as_ref().is_some_and(|view| self.is_like(view, sight));
                    if !holds {
                        let expected = format!("{topic} {sight}");
                        return Ok(Err(NotYet { found: told(node, topic, view.as_ref()), expected }));
                    }
                }
                Ok(Ok(()))
            }
        }
    }

    fn look_at_replica(&mut self, topic: &str, what: &str, offset: u64, at: Option<Member>) -> Look {
        let expected = || format!("{offset}");
        let node = match at {
            Some(node) => node,
            None => match self.leader_now(topic)? {
                Some(node) => node,
                None => {
                    let found = format!("{topic} without a leader");
                    return Ok(Err(NotYet { found, expected: format!("one whose {what} is {offset}") }));
                }
            },
        };
        let view = self.partitions()?.replica(node, topic)?.unwrap_or_default();
        let value = if what == "log end" { view.log_end } else { view.high_watermark };
        let known = value.map_or_else(|| "no".to_owned(), |value| value.to_string());
        Ok(hold(value == Some(offset), || format!("{known} as the {what} of {topic} at {node}"), expected))
    }

    /// The leader of the newest epoch that anybody in touch knows of.
    pub(super) fn leader_now(&mut self, topic: &str) -> Result<Option<Member>, End> {
        let mut newest: Option<PartitionView> = None;
        for node in self.in_touch() {
            let view = self.partitions()?.partition(node, topic)?;
            if let Some(view) = view
                && newest.as_ref().is_none_or(|known| known.leader_epoch < view.leader_epoch)
            {
                newest = Some(view);
            }
        }
        Ok(newest.and_then(|view| view.leader))
    }

    fn is_like(&self, view: &PartitionView, sight: &Sight) -> bool {
        let same = |one: &[Member], other: &[Member]| {
            one.len() == other.len() && one.iter().all(|node| other.contains(node))
        };
        match sight {
            Sight::Leader(who) => view.leader.is_some() && view.leader == who.member(),
            Sight::LeaderNot(who) => view.leader.is_some() && view.leader != who.member(),
            Sight::NoLeader => view.leader.is_none(),
            Sight::Led => view.leader.is_some_and(|leader| self.in_touch().contains(&leader)),
            Sight::Isr(nodes) => same(&view.isr, nodes),
            Sight::IsrLacks(node) => !view.isr.contains(node),
            Sight::Elr(nodes) => same(&view.elr, nodes),
            Sight::Reads(_) | Sight::HighWatermark(_) | Sight::LogEnd(_) => false,
        }
    }

    /// The active controller, if all that are in touch agree on one that is.
    pub(super) fn agreed_controller(&mut self) -> Result<Result<Member, NotYet>, End> {
        let nodes = self.in_touch();
        let expected = || "one active controller, as all say that reach a majority".to_owned();
        let mut agreed = None;
        for node in &nodes {
            let Some(controller) = self.partitions()?.controller(*node)? else {
                let found = format!("{node}, which knows of no active controller");
                return Ok(Err(NotYet { found, expected: expected() }));
            };
            if !nodes.contains(&controller) || agreed.is_some_and(|agreed| agreed != controller) {
                let found = format!("{node}, which takes {controller} for the active controller");
                return Ok(Err(NotYet { found, expected: expected() }));
            }
            agreed = Some(controller);
        }
        Ok(agreed.ok_or_else(|| NotYet { found: "no node that runs".to_owned(), expected: expected() }))
    }

    /// A consumer reads all that it is given, by the leader or by one node, and the history is judged by it.
    pub(super) fn consume(&mut self, topic: &str, at: Option<Member>) -> Look {
        let answer = match at {
            None => self.clients()?.consume(topic, REQUEST),
            Some(node) => self.clients()?.consume_at(node, topic, REQUEST),
        };
        match answer {
            Ok(records) => {
                let consumed = Consumed { topic: topic.to_owned(), at, records };
                let judged = self.history.consumed(&consumed);
                if !matches!(self.acts.last(), Some(Act::Consumed(last)) if *last == consumed) {
                    self.acts.push(Act::Consumed(consumed));
                }
                judged?;
                Ok(Ok(()))
            }
            Err(Fault::Refused(why) | Fault::InDoubt(why)) => Ok(Err(NotYet {
                found: format!("a consumer of {topic} that is given nothing, {why}"),
                expected: "one that is given records".to_owned(),
            })),
            Err(fault) => Err(fault.into()),
        }
    }
}

fn hold(
    holds: bool,
    found: impl FnOnce() -> String,
    expected: impl FnOnce() -> String,
) -> Result<(), NotYet> {
    if holds { Ok(()) } else { Err(NotYet { found: found(), expected: expected() }) }
}

/// What a node says, in words.
fn told(node: Member, topic: &str, view: Option<&PartitionView>) -> String {
    let Some(view) = view else { return format!("{node}, which says nothing of {topic}") };
    let names = |nodes: &[Member]| nodes.iter().map(Member::to_string).collect::<Vec<_>>().join(" ");
    let leader = view.leader.map_or_else(|| "no leader".to_owned(), |leader| format!("leader {leader}"));
    let elr = if view.elr.is_empty() { String::new() } else { format!(", ELR {}", names(&view.elr)) };
    format!(
        "{topic} with {leader} in epoch {}, ISR {}{elr}, as {node} says",
        view.leader_epoch,
        names(&view.isr)
    )
}
