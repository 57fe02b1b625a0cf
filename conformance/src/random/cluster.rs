//! What a schedule of a cluster is drawn from.
//!
//! Three brokers that are controllers as well, and a topic on all of them, of which no record may be lost that was acknowledged to acks=all. So as many
//! nodes are left alone as that promise needs: processes end, stand still and are cut off as they like, since what was written stays; a machine fails only
//! while all others are up, and the next only after all were in sync again.
//!
//! In the end all is mended, and all that was acknowledged is read.

use std::collections::{BTreeSet, VecDeque};

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

use crate::play::Situation;
use crate::scenario::{Expectation, Fate, Member, OfTopic, Produce, Scenario, Sight, Step, Who};
use crate::target::Capability;
use crate::target::cluster::{Acks, Election, Topic};

/// So many draws a schedule has at most.
pub const LENGTH_MAX: usize = 20;

const TOPIC: &str = "t";

type Pick = u8;

/// An act that is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw {
    /// All links work again, or those of one node.
    Heal(Option<Pick>),
    /// A node that is down starts.
    Start(Pick),
    /// A node that stands still goes on.
    Resume(Pick),
    /// So many records are sent.
    Produce(u8, Acks),
    /// All is mended, and all are in sync again.
    Mend,
    /// The preferred leader is elected.
    Elect,
    /// A process ends.
    Kill(Pick),
    /// The active controller's process ends.
    KillController,
    /// A process ends in good order.
    Stop(Pick),
    /// A machine fails.
    Crash(Pick),
    /// A process stands still.
    Pause(Pick),
    /// A link is cut, one way.
    Cut(Pick, Pick),
    /// A node hears nobody, and nobody hears it.
    Isolate(Pick),
}

/// Draws of all that a target can do.
pub fn draws(can: &BTreeSet<Capability>) -> impl Strategy<Value = Vec<Draw>> + use<> {
    let has = |one: Capability| can.contains(&one);
    let (pauses, stops, crashes) =
        (has(Capability::Pauses), has(Capability::GracefulStop), has(Capability::LostTails));
    let acks = prop_oneof![4 => Just(Acks::All), 1 => Just(Acks::Leader)];
    let act = prop_oneof![
        4 => proptest::option::of(any::<Pick>()).prop_map(Draw::Heal),
        6 => any::<Pick>().prop_map(Draw::Start),
        3 => any::<Pick>().prop_map(move |pick| if pauses { Draw::Resume(pick) } else { Draw::Start(pick) }),
        14 => (1..4_u8, acks).prop_map(|(count, acks)| Draw::Produce(count, acks)),
        2 => Just(Draw::Mend),
        2 => Just(Draw::Elect),
        4 => any::<Pick>().prop_map(Draw::Kill),
        2 => Just(Draw::KillController),
        2 => any::<Pick>().prop_map(move |pick| if stops { Draw::Stop(pick) } else { Draw::Kill(pick) }),
        2 => any::<Pick>().prop_map(move |pick| if crashes { Draw::Crash(pick) } else { Draw::Kill(pick) }),
        3 => any::<Pick>().prop_map(move |pick| if pauses { Draw::Pause(pick) } else { Draw::Isolate(pick) }),
        3 => any::<(Pick, Pick)>().prop_map(|(from, to)| Draw::Cut(from, to)),
        3 => any::<Pick>().prop_map(Draw::Isolate),
    ];
    vec(act, 4..=LENGTH_MAX)
}

/// What a schedule begins with.
pub(super) fn head(scenario: &mut Scenario) {
    scenario.cluster = (1..=3).map(Member).collect();
    scenario.topics = vec![Topic {
        name: TOPIC.to_owned(),
        replicas: scenario.cluster.clone(),
        min_isr: 2,
        unclean: Some(false),
    }];
    scenario.within_seconds = Some(60);
}

/// Draws on their way to steps.
pub struct Resolver {
    draws: VecDeque<Draw>,
    more: VecDeque<Step>,
    /// Whether a machine failed since all were in sync.
    crashed: bool,
    /// Counts the records.
    records: u32,
}

impl Resolver {
    /// Of these draws.
    pub fn new(draws: &[Draw]) -> Self {
        Self { draws: draws.iter().copied().collect(), more: VecDeque::new(), crashed: false, records: 0 }
    }

    /// The next step, of what there is; none once there are no more draws.
    pub fn next(&mut self, at: &Situation) -> Option<Step> {
        loop {
            if let Some(step) = self.more.pop_front() {
                return Some(step);
            }
            let draw = self.draws.pop_front()?;
            if let Some(step) = self.step(draw, at) {
                return Some(step);
            }
        }
    }

    fn step(&mut self, draw: Draw, at: &Situation) -> Option<Step> {
        let up = at.up();
        let node = |pick: Pick| one(&up, pick).map(Who::Node);
        let among = |nodes: &BTreeSet<Member>, pick: Pick| {
            let nodes: Vec<Member> = nodes.iter().copied().collect();
            one(&nodes, pick).map(Who::Node)
        };
        Some(match draw {
            Draw::Heal(_) if at.cut.is_empty() => return None,
            Draw::Heal(node) => {
                Step::Heal { node: node.and_then(|pick| one(&at.members, pick)).map(Who::Node) }
            }
            Draw::Start(pick) => Step::Start { node: among(&at.down, pick)? },
            Draw::Resume(pick) => Step::Resume { node: among(&at.paused, pick)? },
            Draw::Produce(count, acks) => {
                let values = (0..count).map(|_| {
                    self.records += 1;
                    format!("x{}", self.records)
                });
                let (topic, values) = (TOPIC.to_owned(), values.collect());
                Step::Produce(Produce { topic, to: None, acks, values, fate: Fate::Anyhow })
            }
            Draw::Mend => {
                self.mend(at);
                return self.more.pop_front();
            }
            Draw::Elect => {
                Step::Elect { topic: TOPIC.to_owned(), election: Election::Preferred, refused: None }
            }
            Draw::Kill(pick) => Step::Kill { node: node(pick)? },
            // Somebody has to be the controller for that, or the step waits long for nothing.
            Draw::KillController if up.len() < 2 || !at.cut.is_empty() => return None,
            Draw::KillController => Step::Kill { node: Who::Controller },
            Draw::Stop(pick) => Step::Stop { node: node(pick)? },
            Draw::Crash(_) if self.crashed || up.len() < at.members.len() => return None,
            Draw::Crash(pick) => {
                self.crashed = true;
                Step::Crash { node: node(pick)? }
            }
            Draw::Pause(pick) => Step::Pause { node: node(pick)? },
            Draw::Cut(from, to) => {
                let from = one(&at.members, from)?;
                let others: Vec<Member> = at.members.iter().copied().filter(|other| *other != from).collect();
                Step::Cut { from: Who::Node(from), to: Who::Node(one(&others, to)?) }
            }
            Draw::Isolate(pick) => Step::Isolate { node: Who::Node(one(&at.members, pick)?) },
        })
    }

    /// All is mended, and waited for until all are in sync again.
    fn mend(&mut self, at: &Situation) {
        if !at.cut.is_empty() {
            self.more.push_back(Step::Heal { node: None });
        }
        self.more.extend(at.paused.iter().map(|node| Step::Resume { node: Who::Node(*node) }));
        self.more.extend(at.down.iter().map(|node| Step::Start { node: Who::Node(*node) }));
        let sight = Sight::Isr(at.members.clone());
        let of = OfTopic { topic: TOPIC.to_owned(), sight, at: None, for_seconds: None };
        self.more.push_back(Step::Expect(Expectation::Topic(of)));
        self.crashed = false;
    }
}

fn one<T: Copy>(of: &[T], pick: Pick) -> Option<T> {
    of.get(usize::from(pick).checked_rem(of.len())?).copied()
}
