//! A walk through the quorum as a story.

use super::Kraft;
use super::action::Action;
use super::rules::{BeginQuorum, grain};
use super::state::{Fields, Log, Message, Node, Record, State, kind, record_epoch, record_value, role};
use crate::check::Walk;
use crate::trace::{Event, Lane, LaneKind, LaneView, LogView, Mark, RecordView, Storyboard};
use crate::voting::NOBODY;

/// `n1` of the voter with index 0.
pub(super) fn node_name(index: usize) -> String {
    format!("n{}", index + 1)
}

/// `n1` of the voter with id 1, `-` of nobody.
pub(super) fn voter_name(id: u8) -> String {
    if id == NOBODY { "-".to_owned() } else { format!("n{id}") }
}

/// `LC` of a LeaderChange record, `x`, `y`, `z` of the first, second, third client record.
pub(super) fn value_name(value: u8) -> &'static str {
    ["LC", "x", "y", "z"][usize::from(value)]
}

/// `x@2`: value and epoch.
pub(super) fn record_name(record: Record) -> String {
    format!("{}@{}", value_name(record_value(record)), record_epoch(record))
}

/// What is written beside the arrow of a message.
fn message_text(fields: Fields) -> String {
    let Fields { epoch, offset, last, record, high_watermark, .. } = fields;
    match fields.kind {
        kind::VOTE_GRANTED => format!("VoteGranted epoch={epoch}"),
        kind::FETCH => format!("Fetch epoch={epoch} offset={offset} last={last}"),
        kind::RECORDS if record == 0 => {
            format!("Records epoch={epoch} offset={offset} [] hw={high_watermark}")
        }
        kind::RECORDS => {
            format!("Records epoch={epoch} offset={offset} [{}] hw={high_watermark}", record_name(record))
        }
        _ => format!("Diverging epoch={epoch} offset={offset} end={record}@{last} hw={high_watermark}"),
    }
}

fn vote_text(candidate: usize, asking: &Node) -> String {
    let Node { asked, asked_end, asked_last, .. } = asking;
    format!("Vote epoch={asked} candidate={} end={asked_end}@{asked_last}", node_name(candidate))
}

fn begin_text(epoch: u8, leader: u8) -> String {
    format!("BeginQuorumEpoch epoch={epoch} leader={}", voter_name(leader))
}

fn end_text(epoch: u8, leader: u8) -> String {
    format!("EndQuorumEpoch epoch={epoch} leader={}", voter_name(leader))
}

impl Storyboard for Kraft {
    fn lanes(&self) -> Vec<Lane> {
        (0..usize::from(self.bounds.nodes))
            .map(|index| Lane { name: node_name(index), kind: LaneKind::Node })
            .collect()
    }

    fn view(&self, state: &State) -> Vec<LaneView> {
        (0..usize::from(self.bounds.nodes)).map(|index| self.view_of(state, index)).collect()
    }

    fn narrate(&self, before: &State, action: &Action, after: &State) -> Vec<Event> {
        let mut events = Vec::new();
        self.causes(before, *action, after, &mut events);
        for index in 0..usize::from(self.bounds.nodes) {
            self.effects(before, *action, after, index, &mut events);
        }
        let sent = |message: &Message| !before.in_flight().any(|known| known == *message);
        for message in after.in_flight().filter(sent) {
            let fields = message.fields();
            events.push(Event::Send { from: fields.from, to: fields.to, text: message_text(fields) });
        }
        events
    }

    fn landmarks(&self, walk: &Walk<Self>) -> Vec<(usize, String)> {
        let states: Vec<&State> =
            std::iter::once(&walk.start).chain(walk.steps.iter().map(|(_, state)| state)).collect();
        self.figure_8(&states).unwrap_or_default()
    }
}

impl Kraft {
    fn view_of(&self, state: &State, index: usize) -> LaneView {
        let node = &state.nodes[index];
        let mut fields = vec![("epoch".to_owned(), node.ballot.epoch.to_string())];
        if node.ballot.voted != NOBODY {
            fields.push(("voted".to_owned(), voter_name(node.ballot.voted)));
        }
        if node.role == role::FOLLOWER {
            fields.push(("leader".to_owned(), voter_name(node.leader)));
        }
        let others = (0..usize::from(self.bounds.nodes)).filter(|other| *other != index);
        if node.role == role::CANDIDATE {
            let votes: Vec<String> = (0..usize::from(self.bounds.nodes))
                .filter(|other| node.progress.get(*other) > 0)
                .map(node_name)
                .collect();
            fields.push(("votes".to_owned(), votes.join(" ")));
        }
        if node.leads() {
            let fetched: Vec<String> =
                others.map(|other| format!("{}:{}", node_name(other), node.progress.get(other))).collect();
            fields.push(("fetched".to_owned(), fetched.join(" ")));
        }
        let records = node.log.records().map(|record| RecordView {
            epoch: record_epoch(record).into(),
            value: value_name(record_value(record)).to_owned(),
        });
        LaneView {
            up: node.role != role::GONE,
            role: role::NAMES[usize::from(node.role)].to_owned(),
            fields,
            log: Some(LogView {
                records: records.collect(),
                high_watermark: (node.high_watermark > 0).then_some(node.high_watermark.into()),
                flushed: (node.flushed < node.log.len()).then_some(node.flushed.into()),
            }),
        }
    }

    /// What set the step off.
    fn causes(&self, before: &State, action: Action, after: &State, events: &mut Vec<Event>) {
        let note = |lane: u8, mark, text: String| Event::Note { lane: lane.into(), mark, text };
        match action {
            Action::FetchTimeout { node } => {
                events.push(note(node, Mark::Timeout, "fetch timeout".to_owned()));
            }
            Action::ElectionTimeout { node } => {
                events.push(note(node, Mark::Timeout, "election timeout".to_owned()));
            }
            Action::EndQuorumEpoch { node } => {
                let Node { leader, ballot, .. } = before.nodes[usize::from(node)];
                events.push(Event::Receive {
                    from: usize::from(leader - 1),
                    to: node.into(),
                    text: end_text(ballot.epoch, leader),
                });
            }
            Action::RequestVote { voter, candidate } => {
                self.tell_vote(before, voter.into(), candidate.into(), after, events);
            }
            Action::BeginQuorumEpoch { voter, epoch } => {
                let leader = before.leaders.get(epoch);
                let text = begin_text(epoch, leader);
                events.push(Event::Receive { from: usize::from(leader - 1), to: voter.into(), text });
            }
            Action::Fetch { node } => {
                if self.bounds.grain & grain::ATOMIC_FETCH != 0 {
                    let leader = voter_name(before.nodes[usize::from(node)].leader);
                    events.push(note(node, Mark::Plain, format!("fetches from {leader} and is answered")));
                }
            }
            Action::Deliver { message } | Action::Duplicate { message } => {
                let fields = message.fields();
                let text = message_text(fields);
                events.push(Event::Receive { from: fields.from, to: fields.to, text });
                if matches!(action, Action::Duplicate { .. }) {
                    let text = "a copy of it stays in flight".to_owned();
                    events.push(note(fields.to as u8, Mark::Plain, text));
                }
            }
            Action::Lose { message } => {
                let fields = message.fields();
                events.push(Event::Lose { from: fields.from, to: fields.to, text: message_text(fields) });
            }
            Action::Append { node } => {
                events.push(note(node, Mark::Plain, "a client's record arrives".to_owned()));
            }
            Action::Resign { node } => events.push(note(node, Mark::Deposed, "resigns".to_owned())),
            Action::Restart { node, lost } => {
                let (was, is) = (&before.nodes[usize::from(node)], &after.nodes[usize::from(node)]);
                let text = if lost {
                    format!("stops, losing what it had not flushed: {}", tail(was.log, is.log.len()))
                } else {
                    "stops".to_owned()
                };
                events.push(note(node, Mark::Crash, text));
                let role = role::NAMES[usize::from(is.role)];
                let text = format!("is back, {role} of epoch {}", is.ballot.epoch);
                events.push(note(node, Mark::Restart, text));
            }
            Action::Wipe { node } => {
                events.push(note(node, Mark::Crash, "loses its disk".to_owned()));
                let text = if after.nodes[usize::from(node)].role == role::GONE {
                    "is back blank, as another directory id: it abstains"
                } else {
                    "is back blank, under its old identity"
                };
                events.push(note(node, Mark::Restart, text.to_owned()));
            }
            Action::Stabilise { stopped } => {
                let text = "from here on nothing fails any more".to_owned();
                if stopped == NOBODY {
                    events.push(note(0, Mark::Plain, text));
                } else {
                    events.push(note(stopped - 1, Mark::Crash, "stops for good".to_owned()));
                    events.push(note(stopped - 1, Mark::Plain, text));
                }
            }
        }
    }

    fn tell_vote(
        &self,
        before: &State,
        voter: usize,
        candidate: usize,
        after: &State,
        events: &mut Vec<Event>,
    ) {
        let asking = &before.nodes[candidate];
        let (was, is) = (&before.nodes[voter], &after.nodes[voter]);
        events.push(Event::Receive { from: candidate, to: voter, text: vote_text(candidate, asking) });
        let epoch = is.ballot.epoch;
        if asking.asked < was.ballot.epoch {
            let text = format!("VoteRejected epoch={epoch}");
            events.push(Event::Send { from: voter, to: candidate, text: text.clone() });
            events.push(Event::Receive { from: voter, to: candidate, text });
            return;
        }
        let granted = is.ballot.voted == candidate as u8 + 1;
        let text = if granted {
            format!("votes for {} in epoch {epoch}", node_name(candidate))
        } else {
            format!("does not vote for {}", node_name(candidate))
        };
        events.push(Event::Note { lane: voter, mark: Mark::Plain, text });
    }

    /// What the step did to one voter.
    fn effects(&self, before: &State, action: Action, after: &State, index: usize, events: &mut Vec<Event>) {
        let (was, is) = (&before.nodes[index], &after.nodes[index]);
        let restarted = matches!(action, Action::Restart { .. } | Action::Wipe { .. });
        let mut note = |mark, text: String| events.push(Event::Note { lane: index, mark, text });
        let epoch = is.ballot.epoch;
        if was.leads() && !is.leads() && !restarted && is.role != role::RESIGNED {
            note(Mark::Deposed, format!("hears of epoch {epoch} and steps down"));
        }
        if is.role == role::CANDIDATE && (was.role, was.ballot.epoch) != (is.role, epoch)
            || is.leads() && was.ballot.epoch != epoch
        {
            note(Mark::Plain, format!("is candidate of epoch {epoch}"));
        }
        if is.role == role::FOLLOWER && (was.role, was.ballot.epoch) != (is.role, epoch) {
            note(Mark::Plain, format!("follows {} in epoch {epoch}", voter_name(is.leader)));
        }
        let elected = is.leads() && !was.leads() && !restarted;
        if elected {
            note(Mark::Elected, format!("is elected leader of epoch {epoch}"));
        }
        if !is.log.starts_with(was.log) && !restarted {
            let kept = was.log.first_difference(is.log);
            note(Mark::Truncate, format!("truncates {} at offset {kept}", tail(was.log, kept)));
        } else if is.log.len() > was.log.len() {
            let end = was.log.len();
            note(Mark::Append, format!("appends {} at offset {end}", tail(is.log, end)));
        }
        if is.high_watermark != was.high_watermark && !restarted {
            note(Mark::Commit, format!("high watermark {} → {}", was.high_watermark, is.high_watermark));
        }
        let others = || {
            (0..usize::from(self.bounds.nodes))
                .filter(|to| *to != index && after.nodes[*to].role != role::GONE)
        };
        if is.asked > was.asked {
            let text = vote_text(index, is);
            events.extend(others().map(|to| Event::Send { from: index, to, text: text.clone() }));
        }
        if elected && self.rules.begin_quorum != BeginQuorum::Never {
            let text = begin_text(epoch, index as u8 + 1);
            events.extend(others().map(|to| Event::Send { from: index, to, text: text.clone() }));
        }
        if is.role == role::RESIGNED && was.leads() {
            let text = end_text(epoch, index as u8 + 1);
            events.extend(others().map(|to| Event::Send { from: index, to, text: text.clone() }));
        }
    }

    /// Raft's Figure 8, as far as a walk goes through all of it: (a) a leader has a record of its epoch, (b) another
    /// one has a different record at that offset, (c) the first leads again and counts the old record as committed,
    /// (d) one without the record leads.
    fn figure_8(&self, states: &[&State]) -> Option<Vec<(usize, String)>> {
        let nodes = usize::from(self.bounds.nodes);
        let position = |from: usize, found: &dyn Fn(&State) -> Option<usize>| {
            (from..states.len()).find_map(|at| found(states[at]).map(|node| (at, node)))
        };
        let old_record = |state: &State, index: usize| {
            let node = &state.nodes[index];
            let offset = node.high_watermark.checked_sub(1)?;
            let record = node.log.get(offset);
            (node.leads() && node.high_watermark <= node.epoch_start() && record != 0)
                .then_some((offset, record))
        };
        let (again, first) =
            position(0, &|state| (0..nodes).find(|index| old_record(state, *index).is_some()))?;
        let (offset, record) = old_record(states[again], first)?;
        let leads_without = |state: &State, index: usize, epoch: u8| {
            let node = &state.nodes[index];
            node.leads() && node.ballot.epoch > epoch && node.log.get(offset) != record
        };
        let written = |state: &State| {
            let node = &state.nodes[first];
            (node.leads() && node.ballot.epoch == record_epoch(record) && node.log.get(offset) == record)
                .then_some(first)
        };
        let (a, _) = position(0, &written)?;
        let other = |state: &State| {
            (0..nodes).find(|index| {
                leads_without(state, *index, record_epoch(record)) && state.nodes[*index].log.len() > offset
            })
        };
        let (b, second) = position(a, &other).filter(|(b, _)| *b < again)?;
        let epoch = states[again].nodes[first].ballot.epoch;
        let returned =
            |state: &State| (0..nodes).find(|index| leads_without(state, *index, epoch) && *index != first);
        let (d, last) = position(again, &returned)?;

        let again_or_not = if last == second { "leads again" } else { "leads" };
        let (first, second, last) = (node_name(first), node_name(second), node_name(last));
        let record = record_name(record);
        Some(vec![
            (a, format!("Figure 8 (a): {first} leads and has {record}, which is not on a majority")),
            (b, format!("Figure 8 (b): {second} leads a later epoch, with another record at that offset")),
            (
                again,
                format!("Figure 8 (c): {first} leads again, and counts {record} on a majority as committed"),
            ),
            (d, format!("Figure 8 (d): {last} {again_or_not} without {record}, and will overwrite it")),
        ])
    }
}

/// The records of `log` from `offset` on.
fn tail(log: Log, offset: u8) -> String {
    log.records().skip(offset.into()).map(record_name).collect::<Vec<_>>().join(" ")
}
