//! What is tried, in order.

use std::collections::BTreeSet;

use super::super::protocol::{Act, ErrorKind};
use super::{Inspector, Tried};
use crate::scenario::{Kind, Member, Role};
use crate::target::{Capability, Envelope, NodeView};

const ONE: Member = Member(1);
const TWO: Member = Member(2);
const THREE: Member = Member(3);
const ALL: [Member; 3] = [ONE, TWO, THREE];

/// How often a node campaigns at most until it leads.
const ROUNDS: usize = 4;
/// So many messages or beats an exchange of two nodes takes at most.
const EXCHANGE_MAX: usize = 60;
/// Nobody has named a message so.
const NOBODYS: u64 = 9_007_199_254_740_991;

impl Inspector {
    pub(super) fn try_all(&mut self, promised: &BTreeSet<Capability>) -> Tried<()> {
        use Capability as C;
        let has = |one: C| promised.contains(&one);
        self.consistency(promised);
        self.part = "build";
        let pre_vote = !has(C::NoPreVote);
        let is_built = self.build(&ALL, pre_vote)?;
        if !is_built || !has(C::Quorum) {
            self.judge(is_built, "a system, without which there is nothing to try");
            return self.leave();
        }
        self.blank()?;
        if has(C::Timers) && has(C::Messages) {
            self.election(promised)?;
            self.letters()?;
            self.records(promised)?;
            if has(C::Processes) {
                self.part = "processes: kill and start";
                self.down_and_up(Act::Kill { node: TWO }, TWO)?;
            }
            if has(C::LostTails) {
                self.part = "lost-tails: crash";
                self.down_and_up(Act::Crash { node: TWO }, TWO)?;
            }
            self.fallen_leader(promised)?;
            if has(C::Resign) {
                self.part = "resign";
                self.gives_up(pre_vote, Act::Resign { node: ONE })?;
            }
            if has(C::CheckQuorum) {
                self.part = "check-quorum: a leader's timer runs out, and it has heard nobody";
                self.gives_up(pre_vote, Act::Expire { node: ONE })?;
            }
            self.pre_votes(promised)?;
            self.wiped_and_stopped(promised)?;
            self.same_seed(pre_vote)?;
        }
        self.part = "build again";
        if self.build(&ALL, pre_vote)? {
            self.blank()?;
        }
        self.leave()
    }

    /// Capabilities that say how a system goes about it come in sets.
    fn consistency(&mut self, promised: &BTreeSet<Capability>) {
        use Capability as C;
        let has = |one: C| promised.contains(&one);
        self.judge(has(C::Quorum), "the capability quorum: without it nothing can be seen");
        self.judge(
            !has(C::Messages) || has(C::Pull) != has(C::Push),
            "one of pull and push: who sends first when records are replicated",
        );
        self.judge(
            !has(C::Timers) || has(C::PreVote) || has(C::NoPreVote),
            "pre-vote, no-pre-vote or both: how candidates begin",
        );
        self.judge(
            !has(C::LostTails) || has(C::Processes),
            "processes, if there is lost-tails: who crashes has to start again",
        );
    }

    /// A system that has just been built.
    fn blank(&mut self) -> Tried<()> {
        for node in ALL {
            let Some(view) = self.up(node)? else { continue };
            self.judge(view.log.is_empty() && view.committed == 0, "an empty log on a blank disk");
            self.judge(view.role != Role::Leader, "nobody to lead before a timer has run out");
        }
        Ok(())
    }

    /// A timer runs out, and what is said in the election is delivered, until the node leads; one that leads already goes on.
    fn campaign(&mut self, node: Member) -> Tried<Option<NodeView>> {
        let view = self.up(node)?;
        if view.as_ref().is_none_or(|view| view.role == Role::Leader) {
            return Ok(view);
        }
        for _ in 0..ROUNDS {
            if !self.done(Act::Expire { node })? {
                return Ok(None);
            }
            for _ in 0..EXCHANGE_MAX {
                let of_election = |envelope: &&Envelope| {
                    envelope.kind.is_of_election() && (envelope.from == node || envelope.to == node)
                };
                let pending = self.pending()?;
                let Some(envelope) = pending.iter().find(of_election) else { break };
                if !self.deliver(envelope)? {
                    return Ok(None);
                }
            }
            let Some(view) = self.up(node)? else { return Ok(None) };
            if view.role == Role::Leader {
                return Ok(Some(view));
            }
        }
        self.judge(false, format!("{node} to lead after {ROUNDS} campaigns in which every message arrived"));
        Ok(None)
    }

    fn election(&mut self, promised: &BTreeSet<Capability>) -> Tried<()> {
        self.part = "timers: an election timer runs out";
        let before = self.up(ONE)?;
        self.done(Act::Expire { node: ONE })?;
        let pending = self.pending()?;
        let asked: BTreeSet<Member> = pending
            .iter()
            .filter(|envelope| envelope.kind == Kind::Vote && envelope.from == ONE)
            .map(|envelope| envelope.to)
            .collect();
        self.judge(asked == [TWO, THREE].into(), "a message of the kind vote from n1 to n2 and one to n3");
        if let (Some(before), Some(after)) = (before, self.up(ONE)?) {
            self.judge(after.role == Role::Candidate, "n1 to be a candidate");
            let grown = after.epoch > before.epoch;
            let pre_vote = !promised.contains(&Capability::NoPreVote);
            self.judge(
                grown != pre_vote,
                if pre_vote {
                    "no new epoch before the promises of votes"
                } else {
                    "a later epoch than before"
                },
            );
        }
        self.part = "messages: an election, message by message";
        let Some(leader) = self.campaign(ONE)? else { return Ok(()) };
        let opening =
            leader.log.last().is_some_and(|last| last.value.is_none() && last.epoch == leader.epoch);
        let promise = promised.contains(&Capability::OpeningRecord);
        self.judge(
            opening == promise,
            match promise {
                true => {
                    "a log that ends in a record of its epoch without a value: opening-record is promised"
                }
                false => "no record of the protocol's own: opening-record is not promised",
            },
        );
        if promised.contains(&Capability::Votes) {
            self.judge(leader.voted == Some(ONE), "n1 to have voted for itself: votes is promised");
        }
        let announced = self.known.messages.values().any(|envelope| envelope.kind == Kind::Announcement);
        let promise = promised.contains(&Capability::Announcements);
        self.judge(
            announced == promise,
            format!(
                "announcements {}",
                if promise { "as promised" } else { "to be promised, since there was one" }
            ),
        );
        Ok(())
    }

    /// A message is lost, another is duplicated, and one is not there.
    fn letters(&mut self) -> Tried<()> {
        self.part = "messages: lost, duplicated, unknown";
        let unknown = "no message has this id";
        self.refused(Act::Deliver { message: NOBODYS }, unknown)?;
        self.refused(Act::Lose { message: NOBODYS }, unknown)?;
        self.refused(Act::Duplicate { message: NOBODYS }, unknown)?;
        self.done(Act::Expire { node: TWO })?;
        let pending = self.pending()?;
        let votes: Vec<&Envelope> =
            pending.iter().filter(|envelope| envelope.kind == Kind::Vote && envelope.from == TWO).collect();
        self.judge(votes.len() >= 2, "messages of the kind vote from n2 to n1 and n3");
        let [lost, doubled, ..] = votes[..] else { return Ok(()) };
        if self.done(Act::Lose { message: lost.id })? {
            self.known.gone.insert(lost.id);
            self.pending()?;
            self.refused(Act::Deliver { message: lost.id }, "the message was lost")?;
        }
        if self.done(Act::Duplicate { message: doubled.id })? {
            let pending = self.pending()?;
            let is_copy = |envelope: &&Envelope| {
                (envelope.kind, envelope.from, envelope.to) == (doubled.kind, doubled.from, doubled.to)
            };
            let copy = pending.iter().find(is_copy);
            self.judge(copy.is_some(), "a copy of the message to stay under way");
            if let Some(copy) = copy {
                self.deliver(copy)?;
                self.pending()?;
            }
        }
        Ok(())
    }

    /// Records are brought from one to another until it holds one, and the first knows it.
    fn replicate(&mut self, leader: Member, follower: Member, value: &str) -> Tried<()> {
        for _ in 0..EXCHANGE_MAX {
            let (Some(from), Some(at)) = (self.up(leader)?, self.up(follower)?) else { return Ok(()) };
            let has = |values: Vec<String>| values.iter().any(|one| one == value);
            if has(at.values()) && has(from.committed_values()) {
                return Ok(());
            }
            let between = |envelope: &&Envelope| {
                !matches!(envelope.kind, Kind::Vote | Kind::VoteAnswer)
                    && [(leader, follower), (follower, leader)].contains(&(envelope.from, envelope.to))
            };
            let pending = self.pending()?;
            if let Some(envelope) = pending.iter().find(between) {
                if !self.deliver(envelope)? {
                    return Ok(());
                }
            } else if !(self.done(Act::Beat { node: follower })? && self.done(Act::Beat { node: leader })?) {
                return Ok(());
            }
        }
        self.judge(
            false,
            format!("{value} in the log of {follower}, and committed as far as {leader} knows"),
        );
        Ok(())
    }

    fn records(&mut self, promised: &BTreeSet<Capability>) -> Tried<()> {
        self.part = "quorum: records";
        if !self.build(&ALL, !promised.contains(&Capability::NoPreVote))? {
            return Ok(());
        }
        let Some(_) = self.campaign(ONE)? else { return Ok(()) };
        let append = |value: &str| Act::Append { node: ONE, value: value.to_owned() };
        if promised.contains(&Capability::EagerAppends) {
            self.done(append("x"))?;
        } else {
            // What opens the epoch has to be committed first: it is refused until it is.
            for _ in 0..EXCHANGE_MAX {
                let answer = self.ask(append("x"))?.answer;
                let is_refused = answer.as_ref().is_err_and(|error| error.kind == ErrorKind::Refused);
                self.judge(answer.is_ok() || is_refused, "that it is done, or refused");
                if !is_refused {
                    break;
                }
                let pending = self.pending()?;
                let Some(envelope) = pending.first() else {
                    self.done(Act::Beat { node: TWO })?;
                    self.done(Act::Beat { node: ONE })?;
                    continue;
                };
                self.deliver(envelope)?;
            }
        }
        if let Some(view) = self.up(ONE)? {
            self.judge(view.values().iter().any(|value| value == "x"), "x in the log of n1");
        }
        self.refused(Act::Append { node: TWO, value: "y".to_owned() }, "n2 does not lead")?;
        self.replicate(ONE, TWO, "x")?;
        let all_push = promised.contains(&Capability::Push);
        let kinds: BTreeSet<Kind> = self.known.messages.values().map(|envelope| envelope.kind).collect();
        self.judge(
            kinds.contains(&Kind::Records) && kinds.contains(&Kind::Position),
            format!(
                "messages of the kinds records and position: {}",
                if all_push {
                    "a leader's records, and the answers"
                } else {
                    "a follower's fetches, and the answers"
                }
            ),
        );
        Ok(())
    }

    /// A node that holds a committed record goes down and comes back with it.
    fn down_and_up(&mut self, end: Act, node: Member) -> Tried<()> {
        let Some(before) = self.up(node)? else { return Ok(()) };
        if !self.done(end.clone())? {
            return Ok(());
        }
        self.down(node)?;
        self.refused(end, "it is down already")?;
        self.refused(Act::Expire { node }, "it is down")?;
        self.pending()?;
        if !self.done(Act::Start { node })? {
            return Ok(());
        }
        self.refused(Act::Start { node }, "it is up already")?;
        let Some(after) = self.up(node)? else { return Ok(()) };
        self.judge(
            after.values() == before.values(),
            "the records that it had acknowledged, which are on its disk",
        );
        self.judge(after.role != Role::Leader, "nobody to lead as it starts");
        if after.epoch == before.epoch {
            let same = after.voted.is_none() || before.voted.is_none() || after.voted == before.voted;
            self.judge(same, "no other vote in the same epoch than before");
        }
        Ok(())
    }

    /// Who led does not lead when it comes back.
    fn fallen_leader(&mut self, promised: &BTreeSet<Capability>) -> Tried<()> {
        if !promised.contains(&Capability::Processes) {
            return Ok(());
        }
        self.part = "processes: the leader ends and comes back";
        if self.campaign(ONE)?.is_none() || !self.done(Act::Kill { node: ONE })? {
            return Ok(());
        }
        self.pending()?;
        if self.done(Act::Start { node: ONE })?
            && let Some(after) = self.up(ONE)?
        {
            self.judge(after.role != Role::Leader, "nobody to lead as it starts");
        }
        Ok(())
    }

    /// After this act, the leader leads its epoch no more.
    fn gives_up(&mut self, pre_vote: bool, act: Act) -> Tried<()> {
        if !self.build(&ALL, pre_vote)? {
            return Ok(());
        }
        let Some(leader) = self.campaign(ONE)? else { return Ok(()) };
        if self.done(act)?
            && let Some(after) = self.up(ONE)?
        {
            let leads = after.role == Role::Leader && after.epoch == leader.epoch;
            self.judge(!leads, format!("n1 to lead epoch {} no more", leader.epoch));
        }
        Ok(())
    }

    fn pre_votes(&mut self, promised: &BTreeSet<Capability>) -> Tried<()> {
        let ways = [
            (Capability::PreVote, true, "pre-vote: a candidate asks for promises first"),
            (Capability::NoPreVote, false, "no-pre-vote: a candidate asks for votes at once"),
        ];
        for (capability, pre_vote, part) in ways {
            if !promised.contains(&capability) {
                continue;
            }
            self.part = part;
            if !self.build(&ALL, pre_vote)? {
                continue;
            }
            let before = self.up(ONE)?;
            self.done(Act::Expire { node: ONE })?;
            let after = self.up(ONE)?;
            if let (Some(before), Some(after)) = (before, after) {
                let holds = (after.epoch > before.epoch) != pre_vote;
                self.judge(holds, if pre_vote { "the same epoch as before" } else { "a later epoch" });
            }
            self.campaign(ONE)?;
        }
        Ok(())
    }

    fn wiped_and_stopped(&mut self, promised: &BTreeSet<Capability>) -> Tried<()> {
        if promised.contains(&Capability::LostDisks) {
            self.part = "lost-disks: wipe";
            if self.done(Act::Wipe { node: THREE })? {
                self.known.views.remove(&THREE);
                if let Some(view) = self.up(THREE)? {
                    self.judge(view.log.is_empty() && view.committed == 0, "an empty log on a blank disk");
                }
            }
        }
        if promised.contains(&Capability::GracefulStop) {
            self.part = "graceful-stop: stop";
            if self.done(Act::Stop { node: TWO })? {
                self.down(TWO)?;
            }
        }
        Ok(())
    }

    /// The same is done twice with the same seed: the same comes of it.
    fn same_seed(&mut self, pre_vote: bool) -> Tried<()> {
        self.part = "build: the same seed, the same course";
        let mut courses = Vec::new();
        for _ in 0..2 {
            let first = self.said.len();
            if !self.build(&ALL, pre_vote)? {
                return Ok(());
            }
            self.campaign(ONE)?;
            self.pending()?;
            courses.push(self.said[first..].to_vec());
        }
        self.judge(
            courses[0] == courses[1],
            "the same answers as after the build before, which had the same seed",
        );
        Ok(())
    }
}
