//! Steps of a cluster, made of a target's single acts.

use super::history::{Outcome, Produced};
use super::{NotYet, Player, REQUEST};
use crate::play::steps::wrong;
use crate::play::{Act, End, unsupported};
use crate::scenario::{Fate, Member, Produce, Sight, Step, Value, Who};
use crate::target::cluster::{Links, Pauses, Topic};
use crate::target::{Capability, Fault, Lifecycle};

impl Player {
    /// Does what a step says.
    pub(super) fn perform(&mut self, step: &Step) -> Result<(), End> {
        match step {
            Step::Kill { node } => self.end(*node, |nodes, node| nodes.kill(node)),
            Step::Crash { node } => self.end(*node, |nodes, node| nodes.crash(node)),
            Step::Stop { node } => self.end(*node, |nodes, node| nodes.stop(node)),
            Step::Start { node } => {
                let node = self.resolve(*node)?;
                if !self.down.contains(&node) {
                    return Err(wrong(format!("{node} up"), "a node that is down"));
                }
                self.lifecycle()?.start(node)?;
                self.down.remove(&node);
                Ok(())
            }
            Step::Wipe { node } => {
                let node = self.resolve(*node)?;
                self.lifecycle()?.wipe(node)?;
                self.down.remove(&node);
                self.paused.remove(&node);
                Ok(())
            }
            Step::Pause { node } => {
                let node = self.resolve(*node)?;
                self.is_up(node)?;
                self.pauses()?.pause(node)?;
                self.paused.insert(node);
                Ok(())
            }
            Step::Resume { node } => {
                let node = self.resolve(*node)?;
                if !self.paused.contains(&node) {
                    return Err(wrong(format!("{node} not paused"), "a node that is"));
                }
                self.pauses()?.resume(node)?;
                self.paused.remove(&node);
                Ok(())
            }
            Step::Cut { from, to } => {
                let (from, to) = (self.resolve(*from)?, self.resolve(*to)?);
                self.cut(from, to)
            }
            Step::Isolate { node } => {
                let node = self.resolve(*node)?;
                for other in self.members.clone().into_iter().filter(|other| *other != node) {
                    self.cut(node, other)?;
                    self.cut(other, node)?;
                }
                Ok(())
            }
            Step::Heal { node } => {
                let node = node.map(|node| self.resolve(node)).transpose()?;
                for (from, to) in self.cut.clone() {
                    if node.is_none_or(|node| node == from || node == to) {
                        self.links()?.heal(from, to)?;
                        self.cut.remove(&(from, to));
                    }
                }
                Ok(())
            }
            Step::Create(topic) => self.create(topic),
            Step::Produce(produce) => self.produce(produce),
            Step::Elect { topic, election, refused } => {
                let asked = format!("the election of {topic}");
                self.change(&asked, refused.as_deref(), |player| {
                    Ok(player.partitions()?.elect(topic, *election))
                })
            }
            Step::Delete { topic } => self.delete(topic),
            Step::Configure { topic, key, value, refused } => {
                self.change(&format!("{key}={value}"), refused.as_deref(), |player| {
                    Ok(player.partitions()?.configure(topic, key, value))
                })
            }
            Step::Hold(post) => Ok(self.letters()?.hold(post)?),
            Step::Copy(post) => Ok(self.letters()?.copy(post)?),
            Step::Deliver(post) => self.deliver(post),
            Step::Drop(post) => self.drop(post),
            Step::Ask(ask) => self.ask(ask),
            Step::Expect(expectation) => self.expect(expectation),
            _ => Err(wrong("a step of quorums".to_owned(), "one of clusters")),
        }
    }

    // ---- nodes and links ----

    pub(super) fn is_up(&self, node: Member) -> Result<(), End> {
        if self.down.contains(&node) {
            return Err(wrong(format!("{node} down"), "a node that is up"));
        }
        Ok(())
    }

    fn end(
        &mut self,
        who: Who,
        how: impl FnOnce(&mut dyn Lifecycle, Member) -> Result<(), Fault>,
    ) -> Result<(), End> {
        let node = self.resolve(who)?;
        self.is_up(node)?;
        how(self.lifecycle()?, node)?;
        self.down.insert(node);
        self.paused.remove(&node);
        Ok(())
    }

    fn cut(&mut self, from: Member, to: Member) -> Result<(), End> {
        if self.cut.insert((from, to)) {
            self.links()?.cut(from, to)?;
        }
        Ok(())
    }

    // ---- topics ----

    /// A topic is deleted, and none that runs and hears the controller knows it any more.
    fn delete(&mut self, topic: &str) -> Result<(), End> {
        self.wait(|player| match player.partitions()?.delete(topic) {
            Ok(()) => Ok(Ok(())),
            // It may be gone already, by a request that was in doubt.
            Err(Fault::Refused(why)) if why.starts_with("UNKNOWN_TOPIC_OR_PARTITION") => Ok(Ok(())),
            Err(Fault::Refused(why) | Fault::InDoubt(why)) => {
                Ok(Err(NotYet { found: why, expected: format!("{topic} to be deleted") }))
            }
            Err(fault) => Err(fault.into()),
        })?;
        self.topics.retain(|known| known.name != topic);
        self.wait(|player| {
            for node in player.in_touch() {
                if player.partitions()?.partition(node, topic)?.is_some() {
                    let found = format!("{node}, which still knows {topic}");
                    return Ok(Err(NotYet { found, expected: "that it is gone".to_owned() }));
                }
            }
            Ok(Ok(()))
        })
    }

    /// A topic is created, all that run know it, and those of its replicas that run are in sync.
    fn create(&mut self, topic: &Topic) -> Result<(), End> {
        self.wait(|player| match player.partitions()?.create(topic) {
            Ok(()) => Ok(Ok(())),
            // It may be there already, by a request that was in doubt.
            Err(Fault::Refused(why)) if why.starts_with("TOPIC_ALREADY_EXISTS") => Ok(Ok(())),
            Err(Fault::Refused(why) | Fault::InDoubt(why)) => {
                Ok(Err(NotYet { found: why, expected: format!("{} to be created", topic.name) }))
            }
            Err(fault) => Err(fault.into()),
        })?;
        self.topics.push(topic.clone());
        let running = self.in_touch();
        let in_sync: Vec<Member> =
            topic.replicas.iter().filter(|node| running.contains(node)).copied().collect();
        for sight in [Sight::Led, Sight::Isr(in_sync)] {
            self.wait(|player| player.look_at(&topic.name, &sight, None))?;
        }
        Ok(())
    }

    /// Something that is asked of the controller: until it is done, or is refused as it must be. It may be asked twice.
    fn change(
        &mut self,
        what: &str,
        refused: Option<&str>,
        mut ask: impl FnMut(&mut Self) -> Result<Result<(), Fault>, End>,
    ) -> Result<(), End> {
        self.wait(|player| match (ask(player)?, refused) {
            (Ok(()), None) => Ok(Ok(())),
            (Ok(()), Some(name)) => Err(wrong(format!("{what} done"), name)),
            (Err(Fault::Refused(why)), Some(name)) if why.starts_with(name) => Ok(Ok(())),
            (Err(Fault::Refused(why) | Fault::InDoubt(why)), _) => {
                let expected = refused.map_or_else(|| format!("{what} to be done"), str::to_owned);
                Ok(Err(NotYet { found: why, expected }))
            }
            (Err(fault), _) => Err(fault.into()),
        })
    }

    // ---- producers ----

    fn produce(&mut self, produce: &Produce) -> Result<(), End> {
        let to = produce.to.map(|who| self.resolve(who)).transpose()?;
        produce.values.iter().try_for_each(|value| match &produce.fate {
            // What was not taken can be sent again.
            Fate::Acknowledged => self.wait(|player| {
                let (outcome, told) = player.send(produce, to, value)?;
                let is_misdirected = told.starts_with("NOT_LEADER_OR_FOLLOWER");
                match outcome {
                    Outcome::Acknowledged { .. } | Outcome::Sent => Ok(Ok(())),
                    Outcome::InDoubt if !is_misdirected => {
                        Err(wrong(format!("{value} in doubt, {told}"), "its acknowledgement"))
                    }
                    Outcome::InDoubt | Outcome::Refused => {
                        let found = format!("{value} not acknowledged, {told}");
                        Ok(Err(NotYet { found, expected: "its acknowledgement".to_owned() }))
                    }
                }
            }),
            Fate::Anyhow => self.send(produce, to, value).map(drop),
            Fate::Fails => match self.send(produce, to, value)? {
                (Outcome::Refused | Outcome::InDoubt, _) => Ok(()),
                (outcome, _) => Err(wrong(format!("{value} {outcome}"), "that it is not acknowledged")),
            },
            Fate::Refused(name) => match (self.send(produce, to, value)?, name) {
                ((Outcome::Refused, _), None) => Ok(()),
                ((Outcome::Refused | Outcome::InDoubt, told), Some(name))
                    if told.starts_with(name.as_str()) =>
                {
                    Ok(())
                }
                ((outcome, told), name) => {
                    let expected = name.as_deref().unwrap_or("a refusal");
                    Err(wrong(format!("{value} {outcome} {told}").trim_end().to_owned(), expected))
                }
            },
        })
    }

    /// Sends a record once. What came of it, and in which words.
    fn send(
        &mut self,
        produce: &Produce,
        to: Option<Member>,
        value: &Value,
    ) -> Result<(Outcome, String), End> {
        let topic = &produce.topic;
        let values = std::slice::from_ref(value);
        self.history.sends(topic, value);
        let answer = match to {
            None => self.clients()?.produce(topic, produce.acks, values, REQUEST),
            Some(node) => self.clients()?.produce_to(node, topic, produce.acks, values, REQUEST),
        };
        let (outcome, told) = match answer {
            Ok(offsets) => match offsets.first() {
                Some(offset) => (Outcome::Acknowledged { offset: *offset }, String::new()),
                None => (Outcome::Sent, String::new()),
            },
            Err(Fault::Refused(why)) => (Outcome::Refused, why),
            Err(Fault::InDoubt(why)) => (Outcome::InDoubt, why),
            Err(fault) => return Err(fault.into()),
        };
        let produced = Produced {
            topic: topic.clone(),
            to,
            acks: produce.acks,
            value: value.clone(),
            outcome,
            told: told.clone(),
        };
        let judged = self.history.produced(&produced);
        self.acts.push(Act::Produced(produced));
        judged?;
        Ok((outcome, told))
    }

    // ---- what is asked of the target ----

    fn lifecycle(&mut self) -> Result<&mut dyn Lifecycle, Fault> {
        self.system.lifecycle().ok_or_else(|| unsupported(Capability::Processes))
    }

    fn links(&mut self) -> Result<&mut dyn Links, Fault> {
        self.system.links().ok_or_else(|| unsupported(Capability::Links))
    }

    fn pauses(&mut self) -> Result<&mut dyn Pauses, Fault> {
        self.system.pauses().ok_or_else(|| unsupported(Capability::Pauses))
    }
}
