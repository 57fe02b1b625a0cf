//! Steps, made of a target's single acts.

use super::{Act, End, Player, unsupported};
use crate::scenario::{Kind, Member, Post, Role, Step, Value, Who};
use crate::target::{Capability, Envelope, Fault, Lifecycle, Messages, NodeView, Quorum, Timers};

/// How often a node campaigns at most until it leads: its epoch may be behind, and its first tells it so.
const ROUNDS: usize = 4;
/// So many messages an exchange of two nodes takes at most.
const EXCHANGE_MAX: usize = 300;
/// So many messages it takes at most until nothing changes.
const SETTLING_MAX: usize = 3_000;
/// So often two nodes beat and nothing changes until nothing will.
const PATIENCE: usize = 4;

impl Player {
    /// Does what a step says.
    pub(super) fn perform(&mut self, step: &Step) -> Result<(), End> {
        match step {
            Step::Kill { node } => self.end(named(*node)?, |nodes, node| nodes.kill(node)),
            Step::Crash { node } => {
                let node = named(*node)?;
                self.end(node, |nodes, node| nodes.crash(node))?;
                self.history.crashed(node);
                Ok(())
            }
            Step::Start { node } => {
                let node = named(*node)?;
                if !self.down.contains(&node) {
                    return Err(wrong(format!("{node} up"), "a node that is down"));
                }
                self.lifecycle()?.start(node)?;
                self.down.remove(&node);
                Ok(())
            }
            Step::Wipe { node } => {
                let node = named(*node)?;
                self.lose_where(|envelope| envelope.from == node || envelope.to == node)?;
                self.lifecycle()?.wipe(node)?;
                self.down.remove(&node);
                self.history.wiped(node);
                let view = self.view(node)?;
                self.recorder.wiped(node, view);
                Ok(())
            }
            Step::Cut { from, to } => {
                self.cut.insert((named(*from)?, named(*to)?));
                self.under_way().map(drop)
            }
            Step::Isolate { node } => {
                let node = named(*node)?;
                for other in self.members.iter().filter(|other| **other != node) {
                    self.cut.extend([(node, *other), (*other, node)]);
                }
                self.under_way().map(drop)
            }
            Step::Heal { node } => {
                let node = node.map(named).transpose()?;
                self.cut.retain(|(from, to)| node.is_some_and(|node| *from != node && *to != node));
                Ok(())
            }
            Step::Expire { node } => self.expire(*node),
            Step::Beat { node } => {
                self.beat(*node)?;
                self.look()
            }
            Step::Campaign { node, loses } => self.campaign(*node, *loses),
            Step::Deliver(post) => {
                let envelope = self.find(*post)?;
                self.deliver(envelope)
            }
            Step::Bring(post) => self.bring(*post),
            Step::Drop(post) => {
                let envelope = self.find(*post)?;
                self.lose(envelope)
            }
            Step::Hold(post) => {
                self.holding.push(*post);
                self.under_way().map(drop)
            }
            Step::Copy(post) => {
                self.copying.push(*post);
                Ok(())
            }
            Step::Exchange { one, other } => self.exchange(*one, *other),
            Step::Append { node, value, refused } => match (self.quorum()?.append(*node, value), refused) {
                (Ok(()), false) | (Err(Fault::Refused(_)), true) => Ok(()),
                (Ok(()), true) => Err(wrong(format!("{value} taken"), "a refusal")),
                (Err(fault), _) => Err(fault.into()),
            },
            Step::Replicate { leader, follower, until } => self.replicate(*leader, *follower, until.as_ref()),
            Step::Resign { node } => Ok(self.quorum()?.resign(*node)?),
            Step::Settle => self.settle(),
            Step::Ask(ask) => self.ask(ask),
            Step::Forge { leader, follower, records } => self.forge(*leader, *follower, records),
            Step::Expect(expectation) => self.expect(expectation),
            Step::Stop { .. }
            | Step::Pause { .. }
            | Step::Resume { .. }
            | Step::Create(_)
            | Step::Produce(_)
            | Step::Elect { .. }
            | Step::Delete { .. }
            | Step::Configure { .. } => Err(of_clusters()),
        }
    }

    // ---- what is asked of the target ----

    fn lifecycle(&mut self) -> Result<&mut dyn Lifecycle, Fault> {
        self.system.lifecycle().ok_or_else(|| unsupported(Capability::Processes))
    }

    fn timers(&mut self) -> Result<&mut dyn Timers, Fault> {
        self.system.timers().ok_or_else(|| unsupported(Capability::Timers))
    }

    fn messages(&mut self) -> Result<&mut dyn Messages, Fault> {
        self.system.messages().ok_or_else(|| unsupported(Capability::Messages))
    }

    fn quorum(&mut self) -> Result<&mut dyn Quorum, Fault> {
        self.system.quorum().ok_or_else(|| unsupported(Capability::Quorum))
    }

    /// A node that is up goes down. What it said and what is on its way to it is lost with its connections.
    fn end(
        &mut self,
        node: Member,
        how: impl FnOnce(&mut dyn Lifecycle, Member) -> Result<(), Fault>,
    ) -> Result<(), End> {
        if self.down.contains(&node) {
            return Err(wrong(format!("{node} down"), "a node that is up"));
        }
        self.lose_where(|envelope| envelope.from == node || envelope.to == node)?;
        how(self.lifecycle()?, node)?;
        self.down.insert(node);
        self.history.stopped(node);
        Ok(())
    }

    fn expire(&mut self, node: Member) -> Result<(), End> {
        self.timers()?.expire(node)?;
        self.acts.push(Act::Expired(node));
        self.look()
    }

    fn beat(&mut self, node: Member) -> Result<(), End> {
        self.timers()?.beat(node)?;
        self.acts.push(Act::Beat(node));
        Ok(())
    }

    fn deliver(&mut self, envelope: Envelope) -> Result<(), End> {
        let copied = self.copying.iter().position(|post| *post == post_of(&envelope));
        match copied.map(|place| self.copying.swap_remove(place)) {
            Some(_) => {
                self.messages()?.duplicate(envelope.id)?;
                self.held.insert(envelope.id);
                self.copies.insert(envelope.id);
                self.acts.push(Act::Copied(envelope));
            }
            None => {
                self.messages()?.deliver(envelope.id)?;
                self.held.remove(&envelope.id);
                self.acts.push(Act::Delivered(envelope));
            }
        }
        self.look()
    }

    fn lose(&mut self, envelope: Envelope) -> Result<(), End> {
        self.messages()?.lose(envelope.id)?;
        self.held.remove(&envelope.id);
        self.acts.push(Act::Lost(envelope));
        Ok(())
    }

    fn lose_where(&mut self, lost: impl Fn(&Envelope) -> bool) -> Result<(), End> {
        if self.system.messages().is_none() {
            return Ok(());
        }
        let pending = self.pending()?;
        pending.into_iter().filter(lost).try_for_each(|envelope| self.lose(envelope))
    }

    /// What is under way. What was not so before was sent meanwhile, and is noted down.
    pub(super) fn pending(&mut self) -> Result<Vec<Envelope>, Fault> {
        let pending = self.messages()?.pending()?;
        for envelope in &pending {
            if self.seen.insert(envelope.id) {
                self.acts.push(Act::Sent(envelope.clone()));
            }
        }
        Ok(pending)
    }

    /// Notes down what was sent since anybody looked.
    pub(super) fn notice(&mut self) -> Result<(), Fault> {
        if self.system.messages().is_some() { self.pending().map(drop) } else { Ok(()) }
    }

    /// What is under way on links that work and is not held back, oldest first. What is on other links is lost, there and then.
    fn under_way(&mut self) -> Result<Vec<Envelope>, End> {
        let mut all = self.all_under_way()?;
        all.retain(|envelope| !self.held.contains(&envelope.id));
        Ok(all)
    }

    fn all_under_way(&mut self) -> Result<Vec<Envelope>, End> {
        loop {
            let all = self.sweep()?;
            let flush =
                all.iter().find(|envelope| envelope.kind == Kind::Flush && !self.held.contains(&envelope.id));
            match flush.cloned() {
                Some(flush) => self.deliver(flush)?,
                None => return Ok(all),
            }
        }
    }

    /// What is under way on links that work.
    fn sweep(&mut self) -> Result<Vec<Envelope>, End> {
        let (stays, goes): (Vec<Envelope>, Vec<Envelope>) =
            self.pending()?.into_iter().partition(|envelope| {
                let ends = [envelope.from, envelope.to];
                !self.cut.contains(&(envelope.from, envelope.to))
                    && !ends.iter().any(|end| self.down.contains(end))
            });
        goes.into_iter().try_for_each(|envelope| self.lose(envelope))?;
        for envelope in &stays {
            let place = self.holding.iter().position(|post| *post == post_of(envelope));
            if let Some(place) = place.filter(|_| !self.held.contains(&envelope.id)) {
                self.holding.swap_remove(place);
                self.held.insert(envelope.id);
            }
        }
        Ok(stays)
    }

    pub(super) fn find(&mut self, post: Post) -> Result<Envelope, End> {
        let mut under_way = self.all_under_way()?;
        under_way.sort_by_key(|envelope| !self.held.contains(&envelope.id));
        let found = under_way.iter().find(|envelope| post_of(envelope) == post);
        found.cloned().ok_or_else(|| {
            let told: Vec<String> = under_way.iter().map(|envelope| post_of(envelope).to_string()).collect();
            let told = if told.is_empty() { "nothing".to_owned() } else { told.join("; ") };
            wrong(format!("{told} under way"), &format!("{post}"))
        })
    }

    // ---- what is made of it ----

    /// The latest of a kind arrives, said anew if there is none; what it overtakes is lost.
    fn bring(&mut self, post: Post) -> Result<(), End> {
        let is_it = |envelope: &Envelope| post_of(envelope) == post;
        if !self.under_way()?.iter().any(is_it) {
            self.beat(post.from)?;
        }
        let mut all = self.under_way()?;
        all.retain(is_it);
        let latest = all.pop().ok_or_else(|| {
            wrong(format!("{} with nothing of the kind to say", post.from), &post.to_string())
        })?;
        all.into_iter().try_for_each(|overtaken| self.lose(overtaken))?;
        self.deliver(latest)
    }

    fn campaign(&mut self, node: Member, loses: bool) -> Result<(), End> {
        for _ in 0..if loses { 1 } else { ROUNDS } {
            self.expire(node)?;
            while let Some(envelope) = self.under_way()?.into_iter().find(|envelope| {
                envelope.kind.is_of_election() && (envelope.from == node || envelope.to == node)
            }) {
                self.deliver(envelope)?;
            }
            if self.up(node)?.role == Role::Leader {
                break;
            }
        }
        let view = self.up(node)?;
        let found = || format!("{node} {} in epoch {}", view.role.word(), view.epoch);
        match (view.role == Role::Leader, loses) {
            (true, false) | (false, true) => Ok(()),
            (false, false) => Err(wrong(found(), "it to lead")),
            (true, true) => Err(wrong(found(), "it not to lead")),
        }
    }

    fn replicate(&mut self, leader: Member, follower: Member, until: Option<&Value>) -> Result<(), End> {
        let (mut idle, mut rested, mut before) = (0, None, None);
        for _ in 0..EXCHANGE_MAX {
            let (at, from) = (self.up(follower)?, self.up(leader)?);
            // Patience is with what does not move: some followers have to be made to beat for each of their fetches.
            let now = Some((at.clone(), from.clone()));
            if now != before {
                idle = 0;
                before = now;
            }
            if until.is_some_and(|value| at.values().contains(value)) {
                return self.acknowledge(leader, follower);
            }
            let between = self.under_way()?.into_iter().find(|envelope| {
                !matches!(envelope.kind, Kind::Vote | Kind::VoteAnswer)
                    && [(leader, follower), (follower, leader)].contains(&(envelope.from, envelope.to))
            });
            if let Some(envelope) = between {
                self.deliver(envelope)?;
                continue;
            }
            // The same twice, with all that both had to say in between: so the leader has been told.
            let now = Some((at, from));
            if let Some((at, from)) = now.as_ref().filter(|_| until.is_none() && now == rested)
                && is_same(at, from)
                && at.committed == from.committed
            {
                return Ok(());
            }
            if idle == PATIENCE {
                break;
            }
            idle += 1;
            rested = now;
            self.beat(follower)?;
            self.beat(leader)?;
        }
        let (at, from) = (self.up(follower)?, self.up(leader)?);
        let expected = match until {
            Some(value) => format!("{value} in its log"),
            None => format!("what {leader} has, {}", told(&from)),
        };
        Err(wrong(format!("{follower} with {}", told(&at)), &expected))
    }

    fn exchange(&mut self, one: Member, other: Member) -> Result<(), End> {
        let is_between =
            |envelope: &Envelope| [(one, other), (other, one)].contains(&(envelope.from, envelope.to));
        let mut rested = None;
        for _ in 0..EXCHANGE_MAX {
            if let Some(envelope) = self.under_way()?.into_iter().find(is_between) {
                self.deliver(envelope)?;
                continue;
            }
            // Who waits for what is held back would only say the same again.
            let all = self.all_under_way()?;
            let is_held =
                all.iter().any(|envelope| is_between(envelope) && !self.copies.contains(&envelope.id));
            let now = Some((self.up(one)?, self.up(other)?));
            if is_held || now == rested {
                return Ok(());
            }
            rested = now;
            self.beat(one)?;
            self.beat(other)?;
        }
        Err(wrong(format!("more after {EXCHANGE_MAX} messages"), "the two to come to rest"))
    }

    /// The leader hears how far the follower has got.
    fn acknowledge(&mut self, leader: Member, follower: Member) -> Result<(), End> {
        for _ in 0..PATIENCE {
            let is_it = |envelope: &Envelope| {
                (envelope.kind, envelope.from, envelope.to) == (Kind::Position, follower, leader)
            };
            if let Some(envelope) = self.under_way()?.into_iter().find(is_it) {
                return self.deliver(envelope);
            }
            self.beat(follower)?;
        }
        Err(wrong(format!("no word from {follower} of what it holds"), &format!("{leader} to be told")))
    }

    fn settle(&mut self) -> Result<(), End> {
        let mut left = SETTLING_MAX;
        let mut before = self.views()?;
        loop {
            self.deliver_all(&mut left)?;
            for node in self.members.clone() {
                if !self.down.contains(&node) {
                    self.beat(node)?;
                }
            }
            self.deliver_all(&mut left)?;
            let after = self.views()?;
            if after == before {
                return Ok(());
            }
            before = after;
        }
    }

    /// Delivers until nothing is under way, as many as are `left`.
    fn deliver_all(&mut self, left: &mut usize) -> Result<(), End> {
        while let Some(envelope) = self.under_way()?.into_iter().next() {
            let too_many =
                || wrong(format!("more after {SETTLING_MAX} messages"), "the quorum to come to rest");
            *left = left.checked_sub(1).ok_or_else(too_many)?;
            self.deliver(envelope)?;
        }
        Ok(())
    }

    /// What a node that has to be up is like.
    pub(super) fn up(&mut self, node: Member) -> Result<NodeView, End> {
        self.view(node)?.ok_or_else(|| wrong(format!("{node} down"), "a node that is up"))
    }
}

/// A node of a quorum: only names are allowed there.
fn named(who: Who) -> Result<Member, End> {
    who.member().ok_or_else(of_clusters)
}

/// What reading a scenario refuses already.
pub(super) fn of_clusters() -> End {
    wrong("a step of clusters".to_owned(), "one of quorums")
}

/// Whether two have the same log, as far as both still have it.
pub(super) fn is_same(one: &NodeView, other: &NodeView) -> bool {
    let start = one.log_start.max(other.log_start);
    let from = |view: &NodeView| {
        let skip = usize::try_from(start - view.log_start).unwrap_or(usize::MAX);
        view.log.iter().skip(skip).cloned().collect::<Vec<_>>()
    };
    one.log_end() == other.log_end() && from(one) == from(other)
}

/// A log in words: `x@1 -@2`, the values with their epochs.
pub(super) fn told(view: &NodeView) -> String {
    let entry =
        |entry: &crate::target::Entry| format!("{}@{}", entry.value.as_deref().unwrap_or("-"), entry.epoch);
    let log: Vec<String> = view.log.iter().map(entry).collect();
    let log = if log.is_empty() { "an empty log".to_owned() } else { format!("the log {}", log.join(" ")) };
    format!("{log}, committed below {}", view.committed)
}

pub(super) fn post_of(envelope: &Envelope) -> Post {
    Post { kind: envelope.kind, from: envelope.from, to: envelope.to }
}

pub(super) fn wrong(found: String, expected: &str) -> End {
    End::Wrong { found, expected: expected.to_owned() }
}
