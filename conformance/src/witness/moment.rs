//! What of a case has to come true on the model, in its order.

use std::collections::{BTreeMap, BTreeSet};

use highwater_model::isr::state::{ALTER, FETCH, NOBODY, NODES_MAX, RECORDS_MAX};
use highwater_model::isr::{Bounds, Election, Rules, State};

use crate::scenario::{
    Content, Expectation, Fate, Kind, Member, OfTopic, Produce, Scenario, Sight, Step, Value, Who,
};
use crate::target::cluster::{self, Acks};

/// The key of topics that says how many in-sync replicas an acknowledgement needs.
const UNCLEAN: &str = "unclean.leader.election.enable";

/// A case in the words of the model.
pub(super) struct Plan {
    pub(super) bounds: Bounds,
    pub(super) rules: Rules,
    pub(super) stages: Vec<Stage>,
}

/// The way to a moment, and the moment.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    /// The step as the case has it.
    pub(super) step: String,
    pub(super) line: usize,
    /// What may happen on the way that nobody does of itself.
    pub(super) leave: Leave,
    pub(super) moment: Moment,
    /// Whether the case tells of it, or it is a step on the way there.
    pub(super) told: bool,
}

/// What the case does, so that it may happen.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Leave {
    /// This replica may stop with all that it has.
    pub(super) stops: Option<u8>,
    /// This replica may crash, and lose a tail.
    pub(super) crashes: Option<u8>,
    /// This replica may start.
    pub(super) starts: Option<u8>,
    /// A record may be produced: at this replica, or wherever somebody leads.
    pub(super) produces: Option<Option<u8>>,
    /// A leader may be elected though there is one.
    pub(super) elects: bool,
    /// Replicas that hear or are heard badly, a mask: they may be fenced and lag though they are up.
    pub(super) troubled: u8,
}

/// What has to be so.
#[derive(Debug, Clone)]
pub(super) enum Moment {
    /// The replica runs, or does not.
    Up(u8, bool),
    /// So many records were produced, the last of them is in a log.
    Produced(u8),
    /// So many records were produced, and the last of them is acknowledged, or is not.
    Acknowledged(u8, bool),
    /// This replica leads, as the controller and itself have it; or it does not, but somebody.
    Leads { node: u8, not: bool },
    /// Whether anybody leads.
    Led(bool),
    /// The controller's ISR, a mask.
    Isr(u8),
    /// The controller's ISR is without it.
    IsrLacks(u8),
    /// The eligible leader replicas, a mask.
    Elr(u8),
    /// The high watermark of a replica, or of the leader.
    HighWatermark(Option<u8>, u8),
    /// The end of the log of a replica, or of the leader.
    LogEnd(Option<u8>, u8),
    /// What a consumer reads at a replica, or at the leader: values in order, all of these, none of these.
    Reads(Option<u8>, Reading),
    /// Such a message is under way.
    UnderWay { kind: u8, from: u8 },
}

/// What a consumer reads, by the numbers of the values.
#[derive(Debug, Clone)]
pub(super) enum Reading {
    Is(Vec<u8>),
    Has(u8),
    Lacks(u8),
}

impl Moment {
    /// Whether it is so.
    pub(super) fn holds(&self, state: &State) -> bool {
        let controller = &state.controller;
        let place = |at: Option<u8>| {
            let node = at.unwrap_or(controller.leader);
            let replica = state.nodes.get(node as usize).filter(|replica| replica.is_up())?;
            let leads = replica.leads() && replica.epoch == controller.epoch;
            (at.is_some() || leads).then_some(replica)
        };
        match self {
            Self::Up(node, up) => state.nodes[*node as usize].is_up() == *up,
            Self::Produced(count) => {
                state.ghost.produced == *count && state.nodes.iter().any(|replica| replica.holds(count - 1))
            }
            Self::Acknowledged(count, acknowledged) => {
                state.ghost.produced == *count
                    && (state.ghost.acknowledged & 1 << (count - 1) != 0) == *acknowledged
            }
            Self::Leads { node, not: false } => controller.leader == *node && place(None).is_some(),
            Self::Leads { node, not: true } => controller.leader != *node && place(None).is_some(),
            Self::Led(false) => controller.leader == NOBODY,
            Self::Led(true) => place(None).is_some(),
            Self::Isr(mask) => controller.isr == *mask,
            Self::IsrLacks(node) => controller.isr & 1 << node == 0,
            Self::Elr(mask) => controller.elr == *mask,
            Self::HighWatermark(at, offset) => {
                place(*at).is_some_and(|replica| replica.high_watermark == *offset)
            }
            Self::LogEnd(at, offset) => place(*at).is_some_and(|replica| replica.leo() == *offset),
            Self::Reads(at, reading) => place(*at).is_some_and(|replica| match reading {
                Reading::Is(values) => {
                    usize::from(replica.high_watermark) == values.len()
                        && values.iter().zip(replica.log).all(|(&value, record)| {
                            record != 0 && highwater_model::isr::state::value_of(record) == value
                        })
                }
                Reading::Has(mask) => mask & !replica.values_below(replica.high_watermark) == 0,
                Reading::Lacks(mask) => mask & replica.values_below(replica.high_watermark) == 0,
            }),
            Self::UnderWay { kind, from } => {
                state.messages.iter().any(|message| message.kind() == *kind && message.from() == *from)
            }
        }
    }
}

/// The case in the words of the model.
///
/// # Errors
/// What the model has no words for.
pub(super) fn plan(scenario: &Scenario) -> Result<Plan, String> {
    let topic = scenario.topics.first().ok_or("there is no topic at its beginning")?;
    if topic.replicas.len() > NODES_MAX {
        return Err(format!("{} replicas: the model has room for {NODES_MAX}", topic.replicas.len()));
    }
    let mut planner = Planner {
        topic,
        values: BTreeMap::new(),
        lost: BTreeSet::new(),
        troubled: 0,
        down: BTreeSet::new(),
        stages: Vec::new(),
        messages: false,
        stops: 0,
        unclean: false,
        leaderless: false,
    };
    for line in &scenario.steps {
        planner.step(&line.step, line.line)?;
    }
    if !planner.stages.iter().any(|stage| stage.told) {
        return Err(format!("nothing that it does or sees is about {}", topic.name));
    }
    let records = planner.values.len();
    if records > RECORDS_MAX {
        return Err(format!("{records} records: the model has room for {RECORDS_MAX}"));
    }
    let unclean = planner.unclean
        || topic.unclean.unwrap_or_else(|| scenario.config.get(UNCLEAN).is_some_and(|value| value == "true"));
    let rules =
        Rules { election: if unclean { Election::Unclean } else { Election::default() }, ..Rules::default() };
    let bounds = Bounds {
        nodes: u8::try_from(topic.replicas.len()).unwrap_or(u8::MAX),
        epochs: highwater_model::isr::state::EPOCHS_MAX,
        records: u8::try_from(records).unwrap_or(u8::MAX),
        messages: if planner.messages { 3 } else { 1 },
        // The partition epoch has four bits.
        changes: 15,
        crashes: planner.stops,
        min_isr: topic.min_isr,
        unfence: 1,
        atomic_fetch: u8::from(!planner.messages),
        stabilise: 0,
    };
    Ok(Plan { bounds, rules, stages: planner.stages })
}

struct Planner<'a> {
    topic: &'a cluster::Topic,
    /// The number of each value that was produced, in this order.
    values: BTreeMap<Value, u8>,
    /// Values that were refused, and are nowhere.
    lost: BTreeSet<Value>,
    troubled: u8,
    down: BTreeSet<u8>,
    stages: Vec<Stage>,
    /// Whether single messages matter.
    messages: bool,
    stops: u8,
    /// Whether somebody asks for an unclean election: the model then has them of itself.
    unclean: bool,
    /// Whether nobody led when the case last looked, and nobody was started since: what is produced then is nowhere.
    leaderless: bool,
}

impl Planner<'_> {
    /// The model's number of a node that is a replica.
    fn replica(&self, member: Member) -> Option<u8> {
        let place = self.topic.replicas.iter().position(|&replica| replica == member)?;
        u8::try_from(place).ok()
    }

    /// Of a node that is named and a replica. What a controller does is not in the model, which has one that never fails.
    fn who(&self, who: Who) -> Option<u8> {
        self.replica(who.member()?)
    }

    fn mask(&self, members: &[Member]) -> Result<u8, String> {
        members.iter().try_fold(0, |mask, &member| {
            let node =
                self.replica(member).ok_or(format!("{member} is no replica of {}", self.topic.name))?;
            Ok(mask | 1 << node)
        })
    }

    fn push(&mut self, step: &Step, line: usize, leave: Leave, moment: Moment) {
        let leave = Leave { troubled: self.troubled, ..leave };
        self.stages.push(Stage { step: step.to_string(), line, leave, moment, told: true });
    }

    fn step(&mut self, step: &Step, line: usize) -> Result<(), String> {
        match step {
            Step::Kill { node } | Step::Stop { node } => self.ends(step, line, *node, false),
            Step::Crash { node } => self.ends(step, line, *node, true),
            Step::Start { node } => {
                if let Some(node) = self.who(*node) {
                    self.leaderless = false;
                    self.down.remove(&node);
                    self.push(
                        step,
                        line,
                        Leave { starts: Some(node), ..Leave::default() },
                        Moment::Up(node, true),
                    );
                }
            }
            Step::Wipe { node } if self.who(*node).is_none() => {}
            Step::Wipe { .. } => return Err(format!("line {line}: {step}: the model's disks are not lost")),
            Step::Pause { node } | Step::Isolate { node } => {
                // Who is the controller is not known; as a replica it may be anybody.
                self.troubled |=
                    node.member().map_or(u8::MAX, |_| self.who(*node).map_or(0, |node| 1 << node));
            }
            Step::Cut { from, to } => {
                for who in [*from, *to] {
                    self.troubled |= self.who(who).map_or(0, |node| 1 << node);
                }
            }
            // What was late may still be.
            Step::Resume { .. } | Step::Heal { .. } => {}
            Step::Produce(produce) if produce.topic == self.topic.name => {
                self.produce(produce, step, line)?
            }
            Step::Elect { topic, election, refused: None } if *topic == self.topic.name => {
                let moment = match election {
                    cluster::Election::Preferred => Moment::Leads { node: 0, not: false },
                    cluster::Election::Unclean => {
                        self.unclean = true;
                        Moment::Led(true)
                    }
                };
                self.leaderless = false;
                self.push(step, line, Leave { elects: true, ..Leave::default() }, moment);
            }
            Step::Configure { topic, refused: None, .. } if *topic == self.topic.name => {
                return Err(format!("line {line}: {step}: the model's topic stays as it is"));
            }
            Step::Delete { topic } if *topic == self.topic.name => {
                return Err(format!("line {line}: {step}: the model's topic stays"));
            }
            Step::Hold(post) | Step::Copy(post) if matches!(post.kind, Kind::Fetch | Kind::FetchAnswer) => {
                self.messages = true;
            }
            Step::Expect(Expectation::Topic(sight)) if sight.topic == self.topic.name => {
                let moment = self.sight(sight).map_err(|why| format!("line {line}: {step}: {why}"))?;
                match sight.sight {
                    Sight::NoLeader => self.leaderless = true,
                    Sight::Leader(_) | Sight::LeaderNot(_) | Sight::Led => self.leaderless = false,
                    _ => {}
                }
                self.push(step, line, Leave::default(), moment);
            }
            Step::Expect(Expectation::Held(post)) => {
                let kind = match post.kind {
                    Kind::Fetch => FETCH,
                    Kind::AlterPartition => ALTER,
                    _ => return Ok(()),
                };
                if let Some(from) = self.replica(post.from) {
                    self.push(step, line, Leave::default(), Moment::UnderWay { kind, from });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn ends(&mut self, step: &Step, line: usize, node: Who, crashes: bool) {
        if node.member().is_none() {
            // Whoever is the controller may be a replica.
            self.troubled = u8::MAX;
        }
        let Some(node) = self.who(node) else { return };
        self.stops = self.stops.saturating_add(1);
        self.down.insert(node);
        self.troubled |= 1 << node;
        let leave = match crashes {
            true => Leave { crashes: Some(node), ..Leave::default() },
            false => Leave { stops: Some(node), ..Leave::default() },
        };
        self.push(step, line, leave, Moment::Up(node, false));
    }

    fn produce(&mut self, produce: &Produce, step: &Step, line: usize) -> Result<(), String> {
        let to = produce.to.and_then(|who| self.who(who));
        for value in &produce.values {
            if matches!(produce.fate, Fate::Refused(_)) || produce.fate == Fate::Fails && self.leaderless {
                self.lost.insert(value.clone());
                continue;
            }
            let number = u8::try_from(self.values.len()).unwrap_or(u8::MAX);
            if self.values.insert(value.clone(), number).is_some() {
                return Err(format!("line {line}: {step}: {value} is produced twice"));
            }
            let leave = Leave { produces: Some(to), ..Leave::default() };
            self.push(step, line, leave, Moment::Produced(number + 1));
            let moment = match (&produce.fate, produce.acks) {
                (Fate::Acknowledged, Acks::All) => Moment::Acknowledged(number + 1, true),
                (Fate::Fails, Acks::All) => Moment::Acknowledged(number + 1, false),
                _ => continue,
            };
            if let Some(way) = self.stages.last_mut() {
                way.told = false;
            }
            self.push(step, line, Leave::default(), moment);
        }
        Ok(())
    }

    fn sight(&self, sight: &OfTopic) -> Result<Moment, String> {
        let at = sight.at.and_then(|at| self.replica(at));
        let of = |who: Who| self.who(who).ok_or_else(|| format!("{who} is none of the model's replicas"));
        let small =
            |number: u64| u8::try_from(number).map_err(|_| format!("{number} is too many for the model"));
        Ok(match &sight.sight {
            Sight::Leader(who) => Moment::Leads { node: of(*who)?, not: false },
            Sight::LeaderNot(who) => Moment::Leads { node: of(*who)?, not: true },
            Sight::NoLeader => Moment::Led(false),
            Sight::Led => Moment::Led(true),
            Sight::Isr(members) => Moment::Isr(self.mask(members)?),
            Sight::IsrLacks(member) => {
                Moment::IsrLacks(self.replica(*member).ok_or_else(|| format!("{member} is no replica"))?)
            }
            Sight::Elr(members) => Moment::Elr(self.mask(members)?),
            Sight::HighWatermark(offset) => Moment::HighWatermark(at, small(*offset)?),
            Sight::LogEnd(offset) => Moment::LogEnd(at, small(*offset)?),
            Sight::Reads(content) => Moment::Reads(at, self.reading(content)?),
        })
    }

    fn reading(&self, content: &Content) -> Result<Reading, String> {
        let number = |value: &Value| {
            self.values.get(value).copied().ok_or_else(|| format!("{value} was not produced before"))
        };
        let mask = |values: &[Value]| {
            values.iter().try_fold(0, |mask, value| Ok::<u8, String>(mask | 1 << number(value)?))
        };
        Ok(match content {
            Content::Is(values) => Reading::Is(values.iter().map(number).collect::<Result<_, _>>()?),
            Content::Has(values) => Reading::Has(mask(values)?),
            Content::Lacks(values) => {
                let there: Vec<Value> =
                    values.iter().filter(|value| !self.lost.contains(*value)).cloned().collect();
                Reading::Lacks(mask(&there)?)
            }
        })
    }
}
