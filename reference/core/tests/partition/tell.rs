//! Messages, effects and states as lines of a transcript.

use highwater_core::NodeId;
use highwater_core::partition::{
    AlterPartition, Effect, LeaderRecovery, PartitionFetch, PartitionFetched, Role,
};

use crate::world::{Broker, Message, Record, World};

/// `n2 -> n1 Fetch 3@1 in epoch 1`: from offset 3 on, after a record of epoch 1.
pub(crate) fn message(message: &Message) -> String {
    match message {
        Message::Fetch { from, to, broker_epoch, fetch } => {
            let incarnation =
                if *broker_epoch == 1 { String::new() } else { format!(" incarnation {broker_epoch}") };
            format!("{from} -> {to} Fetch {}{incarnation}", position(fetch))
        }
        Message::Answer { from, to, answer, records, .. } => {
            format!("{from} -> {to} {}", self::answer(answer, records))
        }
        Message::Alter { request } => alter(request),
        Message::Altered { asked, result } => {
            let result = match result {
                None => "nobody knows".to_string(),
                Some(Err(error)) => format!("{error:?}"),
                Some(Ok(state)) => format!(
                    "isr={} partition-epoch={}{}",
                    ids(&state.isr),
                    state.partition_epoch,
                    recovery(state.recovery)
                ),
            };
            format!("controller -> {} {result}", asked.leader)
        }
    }
}

pub(crate) fn position(fetch: &PartitionFetch) -> String {
    format!("{}@{} epoch={}", fetch.offset, fetch.last_epoch, fetch.leader_epoch)
}

pub(crate) fn answer(answer: &PartitionFetched, records: &[Record]) -> String {
    let what = match (answer.error, answer.diverging) {
        (Some(error), Some(end)) => format!("{error:?} end={} start={}", end.end, answer.log_start),
        (Some(error), None) => format!("{error:?} start={}", answer.log_start),
        (None, Some(end)) => format!("Diverging epoch={} end={}", end.epoch, end.end),
        (None, None) => format!("Records {}", self::records(records)),
    };
    format!("{what} hw={}", answer.high_watermark)
}

fn alter(request: &AlterPartition) -> String {
    let members: Vec<String> = request.isr.iter().map(|(id, epoch)| format!("{id}/{epoch}")).collect();
    format!(
        "{} -> controller AlterPartition isr=[{}] epoch={} partition-epoch={}{}",
        request.leader,
        members.join(" "),
        request.leader_epoch,
        request.partition_epoch,
        recovery(request.recovery)
    )
}

fn recovery(recovery: LeaderRecovery) -> &'static str {
    if recovery == LeaderRecovery::Recovering { " recovering" } else { "" }
}

pub(crate) fn effect(id: NodeId, effect: &Effect) -> String {
    match effect {
        Effect::Truncate { end } => format!("{id} truncates to {end}"),
        Effect::Restart { start } => format!("{id} begins anew at {start}"),
        Effect::AppendFetched { from, end } => format!("{id} appends {from}..{end}"),
        Effect::ForgetBefore { start } => format!("{id} deletes what is before {start}"),
        Effect::AlterPartition(request) => alter(request),
        Effect::Produced { token, result: Ok(offset) } => {
            format!("{id} answers produce #{token}: at {offset}")
        }
        Effect::Produced { token, result: Err(error) } => format!("{id} answers produce #{token}: {error:?}"),
        Effect::Wake { token } => format!("{id} wakes fetch #{token}"),
        Effect::HighWatermark(offset) => format!("{id} high watermark {offset}"),
    }
}

pub(crate) fn ids(ids: &[NodeId]) -> String {
    let ids: Vec<String> = ids.iter().map(NodeId::to_string).collect();
    format!("[{}]", ids.join(" "))
}

pub(crate) fn records(records: &[Record]) -> String {
    let records: Vec<String> =
        records.iter().map(|record| format!("{}@{}", record.value, record.epoch)).collect();
    format!("[{}]", records.join(" "))
}

/// A line for a broker: `n1 leader epoch=1 hw=0 log=[a@1] isr=[n1 n2]`.
pub(crate) fn broker(broker: &Broker) -> String {
    let log = format!(
        "{}{}",
        if broker.start > 0 { format!("{}:", broker.start) } else { String::new() },
        records(&broker.records)
    );
    let Some(core) = &broker.core else { return format!("{} down log={log}", broker.id) };
    let role = match core.role() {
        Role::Unassigned => "unassigned".to_string(),
        Role::Leaderless => "leaderless".to_string(),
        Role::Follower { leader } => format!("follows {leader}"),
        Role::Leader => "leads".to_string(),
    };
    let mut line =
        format!("{} {role} epoch={} hw={} log={log}", broker.id, core.leader_epoch(), core.high_watermark());
    if core.role() == Role::Leader {
        line.push_str(&format!(" isr={}", ids(core.isr())));
        if core.proposal().is_some() {
            line.push_str(&format!(" maximal={}", ids(&core.maximal_isr())));
        }
    }
    line
}

/// The world, a line for each broker, and the controller.
pub(crate) fn status(world: &World) -> String {
    let mut lines: Vec<String> = world.brokers.iter().map(broker).collect();
    let state = &world.controller.state;
    let leader = state.leader.map_or("nobody".to_string(), |leader| leader.to_string());
    let mut line = format!(
        "controller: {leader} leads epoch {}, isr={} partition-epoch={}{}",
        state.leader_epoch,
        ids(&state.isr),
        state.partition_epoch,
        recovery(state.recovery)
    );
    if !state.elr.is_empty() {
        line.push_str(&format!(" elr={}", ids(&state.elr)));
    }
    lines.push(line);
    lines.join("\n")
}
