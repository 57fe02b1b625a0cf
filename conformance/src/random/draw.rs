//! What a schedule of a quorum is drawn from.
//!
//! A draw names nothing that there may not be: it says "the third of what is under way", and means, when its turn comes, one of what there is. So most
//! draws make sense in most states, and none is wrong. What it comes to then is an ordinary step, or nothing.

use std::collections::{BTreeSet, VecDeque};

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

use crate::play::Situation;
use crate::scenario::{Kind, Member, Post, Step, Who};
use crate::target::Capability;

/// So many draws a schedule has at most.
pub const LENGTH_MAX: usize = 48;

/// One of what there is: the remainder by how many there are.
type Pick = u8;

/// An act that is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw {
    /// All links work again, or those of one node.
    Heal(Option<Pick>),
    /// A node that is down starts.
    Start(Pick),
    /// Something under way arrives.
    Deliver(Pick),
    /// A leader and another node say what they have to say.
    Exchange(Pick, Pick),
    /// So many messages between a leader and another node arrive, of records and positions.
    Talk(Pick, Pick, u8),
    /// A leader is given a record.
    Append(Pick),
    /// A node campaigns, and all that is said in it arrives.
    Campaign(Pick),
    /// A leader ends, or is cut off; whoever was down or cut off before is back, and another campaigns.
    Topple(Pick, bool),
    /// Everything arrives.
    Settle,
    /// A node does what it does from time to time.
    Beat(Pick),
    /// A timer runs out.
    Expire(Pick),
    /// A process ends.
    Kill(Pick),
    /// A process ends and comes back.
    Restart(Pick),
    /// A machine fails.
    Crash(Pick),
    /// A link is cut, one way.
    Cut(Pick, Pick),
    /// A node hears nobody, and nobody hears it.
    Isolate(Pick),
    /// Something under way is lost.
    Drop(Pick),
    /// The next message of a kind is held back.
    Hold(Pick, Pick, Pick),
    /// Of what is under way, the next of its kind that arrives leaves a copy.
    Copy(Pick),
    /// A leader resigns.
    Resign(Pick),
    /// A disk is lost.
    Wipe(Pick),
}

/// What there is much of in a schedule. All of everything at once seldom gets far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mix {
    /// Elections and replication, with few faults.
    Calm,
    /// Messages arrive one by one, late, twice or never, and timers run out meanwhile.
    Network,
    /// Nodes end and come back.
    Stops,
    /// Links are cut.
    Links,
}

impl Mix {
    /// That of a schedule.
    pub fn of(number: u32) -> Self {
        [Self::Calm, Self::Network, Self::Stops, Self::Links][number as usize % 4]
    }
}

/// Draws of all that a target can do.
pub fn draws(can: &BTreeSet<Capability>, mix: Mix) -> impl Strategy<Value = Vec<Draw>> + use<> {
    let has = |one: Capability| can.contains(&one);
    let (processes, crashes) = (has(Capability::Processes), has(Capability::LostTails));
    // A voter that comes back blank under its old name may vote twice: only where it is another voter then is that no fault of the system.
    let wipes = has(Capability::LostDisks) && has(Capability::DirectoryIds);
    let resigns = has(Capability::Resign);
    let much = |of: Mix, weight: u32| if of == mix { weight } else { weight.div_ceil(6) };
    // What a target cannot do becomes what it can: the weights of the others stay.
    let act = prop_oneof![
        6 => proptest::option::of(any::<Pick>()).prop_map(Draw::Heal),
        10 => any::<Pick>().prop_map(move |pick| if processes { Draw::Start(pick) } else { Draw::Deliver(pick) }),
        much(Mix::Network, 24) => any::<Pick>().prop_map(Draw::Deliver),
        6 => any::<(Pick, Pick)>().prop_map(|(leader, other)| Draw::Exchange(leader, other)),
        16 => (any::<Pick>(), any::<Pick>(), 1..6_u8).prop_map(|(leader, other, count)| Draw::Talk(leader, other, count)),
        12 => any::<Pick>().prop_map(Draw::Append),
        8 => any::<Pick>().prop_map(Draw::Campaign),
        7 => any::<(Pick, bool)>().prop_map(move |(pick, ends)| Draw::Topple(pick, ends && processes)),
        1 => Just(Draw::Settle),
        3 => any::<Pick>().prop_map(Draw::Beat),
        much(Mix::Network, 9) => any::<Pick>().prop_map(Draw::Expire),
        much(Mix::Stops, 5) => any::<Pick>().prop_map(move |pick| if processes { Draw::Kill(pick) } else { Draw::Isolate(pick) }),
        much(Mix::Stops, 5) => any::<Pick>().prop_map(move |pick| if processes { Draw::Restart(pick) } else { Draw::Isolate(pick) }),
        much(Mix::Stops, 5) => any::<Pick>().prop_map(move |pick| if crashes { Draw::Crash(pick) } else { Draw::Deliver(pick) }),
        much(Mix::Links, 5) => any::<(Pick, Pick)>().prop_map(|(from, to)| Draw::Cut(from, to)),
        much(Mix::Links, 5) => any::<Pick>().prop_map(Draw::Isolate),
        much(Mix::Network, 4) => any::<Pick>().prop_map(Draw::Drop),
        much(Mix::Network, 4) => any::<(Pick, Pick, Pick)>().prop_map(|(kind, from, to)| Draw::Hold(kind, from, to)),
        much(Mix::Network, 4) => any::<Pick>().prop_map(Draw::Copy),
        1 => any::<Pick>().prop_map(move |pick| if resigns { Draw::Resign(pick) } else { Draw::Beat(pick) }),
        much(Mix::Stops, 2) => any::<Pick>().prop_map(move |pick| if wipes { Draw::Wipe(pick) } else { Draw::Deliver(pick) }),
    ];
    vec(act, 6..=LENGTH_MAX)
}

/// Draws on their way to steps.
pub struct Resolver {
    draws: VecDeque<Draw>,
    /// Steps that a draw came to besides its first.
    more: VecDeque<Step>,
    /// Between whom messages arrive, and how many more.
    talk: Option<(Member, Member, u8)>,
    /// Counts the records.
    records: u32,
}

impl Resolver {
    /// Of these draws.
    pub fn new(draws: &[Draw]) -> Self {
        Self { draws: draws.iter().copied().collect(), more: VecDeque::new(), talk: None, records: 0 }
    }

    /// The next step, of what there is; none once there are no more draws.
    pub fn next(&mut self, at: &Situation) -> Option<Step> {
        loop {
            if let Some(step) = self.more.pop_front() {
                return Some(step);
            }
            if let Some((leader, other, left)) = self.talk.take() {
                self.talk = (left > 1).then_some((leader, other, left - 1));
                let between =
                    |post: &&Post| [(leader, other), (other, leader)].contains(&(post.from, post.to));
                let is_of_logs = |post: &&Post| matches!(post.kind, Kind::Records | Kind::Position);
                match at.under_way.iter().filter(is_of_logs).find(between) {
                    Some(post) => return Some(Step::Deliver(*post)),
                    // Whichever of the two begins: the follower fetches, or the leader sends.
                    None => {
                        self.more.push_back(Step::Beat { node: leader });
                        return Some(Step::Beat { node: other });
                    }
                }
            }
            let draw = self.draws.pop_front()?;
            if let Some(step) = self.step(draw, at) {
                return Some(step);
            }
        }
    }

    fn step(&mut self, draw: Draw, at: &Situation) -> Option<Step> {
        let (up, leaders) = (at.up(), at.leaders());
        let down: Vec<Member> = at.down.iter().copied().collect();
        let node = |pick: Pick| one(&up, pick);
        let of = |node: Member| Who::Node(node);
        // Flushes happen by themselves, unless they are held back.
        let posts = &at.under_way;
        let other_than = |leader: Member, pick: Pick| {
            let others: Vec<Member> = up.iter().copied().filter(|other| *other != leader).collect();
            one(&others, pick)
        };
        Some(match draw {
            Draw::Heal(_) if at.cut.is_empty() => return None,
            Draw::Heal(node) => Step::Heal { node: node.and_then(|pick| one(&at.members, pick)).map(of) },
            Draw::Start(pick) => Step::Start { node: of(one(&down, pick)?) },
            Draw::Deliver(pick) => Step::Deliver(one(posts, pick)?),
            Draw::Drop(pick) => Step::Drop(one(posts, pick)?),
            Draw::Copy(pick) => Step::Copy(one(posts, pick)?),
            // Without a leader little else comes to anything.
            Draw::Append(pick) | Draw::Talk(pick, ..) | Draw::Topple(pick, _) if leaders.is_empty() => {
                Step::Campaign { node: node(pick)?, loses: true }
            }
            // Nor without a majority, most of the time.
            Draw::Kill(pick) | Draw::Crash(pick)
                if 2 * (up.len().saturating_sub(1)) <= at.members.len()
                    && !down.is_empty()
                    && pick % 8 > 0 =>
            {
                Step::Start { node: of(one(&down, pick)?) }
            }
            Draw::Exchange(leader, other) => {
                let leader = one(&leaders, leader).or_else(|| node(leader))?;
                Step::Exchange { one: leader, other: other_than(leader, other)? }
            }
            Draw::Talk(leader, other, count) => {
                let leader = one(&leaders, leader)?;
                self.talk = Some((leader, other_than(leader, other)?, count));
                return self.next(at);
            }
            Draw::Append(pick) => {
                let node = one(&leaders, pick)?;
                self.records += 1;
                let append = Step::Append { node, value: format!("x{}", self.records), refused: false };
                // Many take none before the record that begins their epoch is committed.
                let is_new = at.views.get(&node).and_then(Option::as_ref).is_some_and(|view| {
                    let committed = usize::try_from(view.committed.saturating_sub(view.log_start));
                    let last = view.log.get(..committed.unwrap_or(0)).and_then(<[_]>::last);
                    last.is_none_or(|last| last.epoch < view.epoch)
                });
                match other_than(node, pick / 2) {
                    Some(other) if is_new && pick % 2 == 0 => {
                        self.more.push_back(append);
                        Step::Exchange { one: node, other }
                    }
                    _ => append,
                }
            }
            Draw::Campaign(pick) => Step::Campaign { node: node(pick)?, loses: true },
            Draw::Topple(pick, ends) => {
                let leader = one(&leaders, pick)?;
                let others: Vec<Member> =
                    at.members.iter().copied().filter(|other| *other != leader).collect();
                if !at.cut.is_empty() {
                    self.more.push_back(Step::Heal { node: None });
                }
                self.more.extend(down.iter().map(|node| Step::Start { node: of(*node) }));
                let falls =
                    if ends { Step::Kill { node: of(leader) } } else { Step::Isolate { node: of(leader) } };
                self.more.push_back(falls);
                self.more.push_back(Step::Campaign { node: one(&others, pick / 4)?, loses: true });
                return self.more.pop_front();
            }
            Draw::Settle => Step::Settle,
            Draw::Beat(pick) => Step::Beat { node: node(pick)? },
            Draw::Expire(pick) => Step::Expire { node: node(pick)? },
            Draw::Kill(pick) => Step::Kill { node: of(node(pick)?) },
            Draw::Restart(pick) => {
                let node = node(pick)?;
                self.more.push_back(Step::Start { node: of(node) });
                Step::Kill { node: of(node) }
            }
            Draw::Crash(pick) => Step::Crash { node: of(node(pick)?) },
            Draw::Cut(from, to) => {
                let from = one(&at.members, from)?;
                let others: Vec<Member> = at.members.iter().copied().filter(|other| *other != from).collect();
                Step::Cut { from: of(from), to: of(one(&others, to)?) }
            }
            Draw::Isolate(pick) => Step::Isolate { node: of(one(&at.members, pick)?) },
            Draw::Hold(kind, from, to) => {
                let kinds = [
                    Kind::Vote,
                    Kind::VoteAnswer,
                    Kind::Announcement,
                    Kind::Records,
                    Kind::Position,
                    Kind::Flush,
                ];
                let (kind, from) = (one(&kinds, kind)?, one(&at.members, from)?);
                let others: Vec<Member> = at.members.iter().copied().filter(|other| *other != from).collect();
                let to = if kind == Kind::Flush { from } else { one(&others, to)? };
                Step::Hold(Post { kind, from, to })
            }
            Draw::Resign(pick) => Step::Resign { node: one(&leaders, pick)? },
            Draw::Wipe(pick) => Step::Wipe { node: of(node(pick)?) },
        })
    }
}

fn one<T: Copy>(of: &[T], pick: Pick) -> Option<T> {
    of.get(usize::from(pick).checked_rem(of.len())?).copied()
}
