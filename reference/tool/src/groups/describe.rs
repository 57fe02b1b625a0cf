//! `groups --describe`.

use std::collections::BTreeMap;
use std::io::Write;

use highwater_client::TopicPartition;
use highwater_client::admin::{Admin, OffsetSpec};
use highwater_core::group::assign::Assignment;
use highwater_wire::messages::describe_groups::response::{DescribedGroup, DescribedGroupMember};
use highwater_wire::{ErrorCode, Str};

use super::GroupsArgs;
use crate::{ExitKind, ToolError};

/// What stands where there is nothing.
const MISSING: &str = "-";

pub(super) async fn run(
    args: &GroupsArgs,
    admin: &Admin,
    groups: &[Str],
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<ExitKind, ToolError> {
    let mut exit = ExitKind::Success;
    for group in groups {
        let described = match admin.describe_group(group).await {
            Ok(described) => Some(described),
            Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => None,
            Err(error) => return Err(error.into()),
        };
        let Some(described) = described.filter(|described| &*described.group_state != "Dead") else {
            writeln!(out, "\nError: Consumer group '{group}' does not exist.")?;
            exit = ExitKind::Problems;
            continue;
        };
        match &*described.group_state {
            "Empty" => writeln!(err, "\nConsumer group '{group}' has no active members.")?,
            "PreparingRebalance" | "CompletingRebalance" => {
                writeln!(err, "\nWarning: Consumer group '{group}' is rebalancing.")?;
            }
            _ => {}
        }
        match () {
            () if args.members => members(&described, args.verbose, out)?,
            () if args.state.is_some() => state(admin, &described, out).await?,
            () => offsets(admin, &described, out).await?,
        }
    }
    Ok(exit)
}

/// What a member has. What cannot be read is none of ours.
fn assigned(member: &DescribedGroupMember) -> Vec<TopicPartition> {
    let assignment = Assignment::decode(&member.member_assignment).unwrap_or_default();
    let topics = assignment.assigned_partitions.iter();
    let partition = |topic: &str, partition: &i32| TopicPartition::new(topic, *partition);
    topics.flat_map(|of| of.partitions.iter().map(|index| partition(&of.topic, index))).collect()
}

async fn offsets(admin: &Admin, group: &DescribedGroup, out: &mut dyn Write) -> Result<(), ToolError> {
    let committed = admin.group_offsets(&group.group_id, None).await?;
    let mut owners: BTreeMap<TopicPartition, Option<&DescribedGroupMember>> =
        committed.keys().map(|of| (of.clone(), None)).collect();
    let mut idle = Vec::new();
    for member in &group.members {
        let assigned = assigned(member);
        if assigned.is_empty() {
            idle.push(member);
        }
        owners.extend(assigned.into_iter().map(|of| (of, Some(member))));
    }
    let specs = owners.keys().map(|of| (of.clone(), OffsetSpec::Latest)).collect();
    let ends = admin.list_offsets(&specs).await?;
    let mut rows = Vec::new();
    for (of, owner) in &owners {
        let end = ends.get(of).and_then(|end| end.as_ref().ok()).map(|end| end.offset);
        let offset = committed.get(of).map(|committed| committed.offset);
        let lag = end.zip(offset).map(|(end, offset)| end - offset);
        let shown = |number: Option<i64>| number.map_or(MISSING.to_owned(), |number| number.to_string());
        let [id, host, client] = owner.map_or([MISSING; 3].map(str::to_owned), identity);
        rows.push([
            group.group_id.to_string(),
            of.topic.to_string(),
            of.partition.to_string(),
            shown(offset),
            shown(end),
            shown(lag),
            id,
            host,
            client,
        ]);
    }
    for member in idle {
        let [id, host, client] = identity(member);
        let missing = || MISSING.to_owned();
        let name = group.group_id.to_string();
        rows.push([name, missing(), missing(), missing(), missing(), missing(), id, host, client]);
    }
    if rows.is_empty() {
        return Ok(());
    }
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0).max(15);
    let (group, topic, id, host) = (width(0), width(1), width(6), width(7));
    let head = [
        "GROUP",
        "TOPIC",
        "PARTITION",
        "CURRENT-OFFSET",
        "LOG-END-OFFSET",
        "LAG",
        "CONSUMER-ID",
        "HOST",
        "CLIENT-ID",
    ];
    for row in [head.map(str::to_owned)].iter().chain(&rows) {
        let [a, b, c, d, e, f, g, h, i] = row;
        write!(out, "\n{a:group$} {b:topic$} {c:10} {d:15} {e:15} {f:15} {g:id$} {h:host$} {i}")?;
    }
    writeln!(out)?;
    Ok(())
}

fn identity(member: &DescribedGroupMember) -> [String; 3] {
    [&member.member_id, &member.client_host, &member.client_id].map(|text| text.to_string())
}

fn members(group: &DescribedGroup, verbose: bool, out: &mut dyn Write) -> Result<(), ToolError> {
    if group.members.is_empty() {
        return Ok(());
    }
    let is_static = group.members.iter().any(|member| member.group_instance_id.is_some());
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut head = vec!["GROUP", "CONSUMER-ID", "HOST", "CLIENT-ID", "#PARTITIONS"];
    if is_static {
        head.insert(2, "GROUP-INSTANCE-ID");
    }
    if verbose {
        head.push("ASSIGNMENT");
    }
    rows.push(head.into_iter().map(str::to_owned).collect());
    for member in &group.members {
        let assigned = assigned(member);
        let [id, host, client] = identity(member);
        let mut row = vec![group.group_id.to_string(), id, host, client, assigned.len().to_string()];
        if is_static {
            row.insert(2, member.group_instance_id.as_deref().unwrap_or_default().to_owned());
        }
        if verbose {
            let mut topics: BTreeMap<&Str, Vec<String>> = BTreeMap::new();
            for of in &assigned {
                topics.entry(&of.topic).or_default().push(of.partition.to_string());
            }
            let topics: Vec<String> = topics
                .into_iter()
                .map(|(topic, partitions)| format!("{topic}({})", partitions.join(",")))
                .collect();
            row.push(if topics.is_empty() { MISSING.to_owned() } else { topics.join(", ") });
        }
        rows.push(row);
    }
    writeln!(out)?;
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0).max(15);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in &rows {
        for (item, width) in row.iter().zip(&widths) {
            write!(out, "{item:width$} ")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

async fn state(admin: &Admin, group: &DescribedGroup, out: &mut dyn Write) -> Result<(), ToolError> {
    let id = admin.cluster().coordinator(&group.group_id).await?;
    let place = admin.cluster().view().brokers.get(&id).map(|broker| broker.place()).unwrap_or_default();
    let coordinator = format!("{place}  ({id})");
    let (first, second) = (group.group_id.len().max(25), coordinator.len().max(25));
    let mut row = |group: &str, coordinator: &str, strategy: &str, state: &str, members: &str| {
        write!(out, "\n{group:first$} {coordinator:second$} {strategy:20} {state:20} {members}")
    };
    row("GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE", "#MEMBERS")?;
    let members = group.members.len().to_string();
    row(&group.group_id, &coordinator, &group.protocol_data, &group.group_state, &members)?;
    writeln!(out)?;
    Ok(())
}
