//! `groups --reset-offsets`.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use highwater_client::TopicPartition;
use highwater_client::admin::{Admin, CommittedOffset, ListedOffset, OffsetSpec};
use highwater_wire::{ErrorCode, Str};

use super::GroupsArgs;
use crate::{ExitKind, ToolError};

/// Where offsets are set to.
#[derive(Debug, Clone, Args)]
#[group(id = "scenario", multiple = false)]
pub(super) struct ResetArgs {
    /// To the first record that there is
    #[arg(long, requires = "reset_offsets")]
    to_earliest: bool,
    /// To what comes from now on
    #[arg(long, requires = "reset_offsets")]
    to_latest: bool,
    /// To where they are
    #[arg(long, requires = "reset_offsets")]
    to_current: bool,
    /// To this offset
    #[arg(long, value_name = "OFFSET", requires = "reset_offsets")]
    to_offset: Option<i64>,
    /// By so many records, backwards if negative
    #[arg(long, value_name = "N", requires = "reset_offsets", allow_hyphen_values = true)]
    shift_by: Option<i64>,
    /// To the first record of this time on, as 2026-01-31T12:00:00.000, in UTC unless a zone is said
    #[arg(long, value_name = "TIME", requires = "reset_offsets")]
    to_datetime: Option<String>,
    /// To the first record of so long ago, as PT1H30M or P7D
    #[arg(long, value_name = "DURATION", requires = "reset_offsets")]
    by_duration: Option<String>,
}

type Plan = BTreeMap<TopicPartition, i64>;

pub(super) async fn run(
    args: &GroupsArgs,
    admin: &Admin,
    groups: &[Str],
    out: &mut dyn Write,
) -> Result<ExitKind, ToolError> {
    let mut exit = ExitKind::Success;
    let mut plans = Vec::new();
    for group in groups {
        let state = match admin.describe_group(group).await {
            Ok(described) => described.group_state,
            Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => Str::from_static("Dead"),
            Err(error) => return Err(error.into()),
        };
        if !["Empty", "Dead"].contains(&&*state) {
            writeln!(
                out,
                "\nError: Assignments can only be reset if the group '{group}' is inactive, but the current state is {state}."
            )?;
            exit = ExitKind::Problems;
            continue;
        }
        let plan = plan(args, admin, group).await?;
        if args.execute {
            commit(admin, group, &plan).await?;
        }
        plans.push((group, plan));
    }
    if args.export {
        for (group, plan) in plans {
            for (of, offset) in plan {
                match groups.len() {
                    1 => writeln!(out, "\"{}\",{},{offset}", of.topic, of.partition)?,
                    _ => writeln!(out, "\"{group}\",\"{}\",{},{offset}", of.topic, of.partition)?,
                }
            }
        }
        return Ok(exit);
    }
    writeln!(out, "\n{:<30} {:<30} {:<10} {:<15}", "GROUP", "TOPIC", "PARTITION", "NEW-OFFSET")?;
    for (group, plan) in plans {
        for (of, offset) in plan {
            writeln!(out, "{:<30} {:<30} {:<10} {:<15}", &**group, &*of.topic, of.partition, offset)?;
        }
    }
    Ok(exit)
}

async fn commit(admin: &Admin, group: &Str, plan: &Plan) -> Result<(), ToolError> {
    let offset = |(of, offset): (&TopicPartition, &i64)| {
        (of.clone(), CommittedOffset { offset: *offset, leader_epoch: -1, metadata: None })
    };
    let offsets = plan.iter().map(offset).collect();
    for (of, code) in admin.alter_group_offsets(group, &offsets).await? {
        if code.is_error() {
            return Err(ToolError::Refused(format!("group {group}, partition {of}: {code}")));
        }
    }
    Ok(())
}

async fn plan(args: &GroupsArgs, admin: &Admin, group: &Str) -> Result<Plan, ToolError> {
    if let Some(path) = &args.from_file {
        return from_file(path, group);
    }
    let committed = admin.group_offsets(group, None).await?;
    let partitions = match (args.all_topics, args.topic.is_empty()) {
        (true, _) => committed.keys().cloned().collect(),
        (false, false) => args.partitions(admin).await?,
        (false, true) => {
            return Err(ToolError::Usage("--reset-offsets needs --topic NAME or --all-topics".to_owned()));
        }
    };
    let reset = &args.reset;
    let at = |spec: OffsetSpec| list(admin, &partitions, spec);
    let plan: Plan = if reset.to_earliest {
        at(OffsetSpec::Earliest).await?
    } else if reset.to_latest {
        at(OffsetSpec::Latest).await?
    } else if let Some(text) = &reset.to_datetime {
        by_time(admin, &partitions, instant(text)?).await?
    } else if let Some(text) = &reset.by_duration {
        let ago = i64::try_from(duration(text)?.as_millis()).unwrap_or(i64::MAX);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let then = i64::try_from(now).unwrap_or(i64::MAX).saturating_sub(ago).max(0);
        by_time(admin, &partitions, then).await?
    } else if reset.to_current || reset.shift_by.is_some() || reset.to_offset.is_some() {
        let (starts, ends) = (at(OffsetSpec::Earliest).await?, at(OffsetSpec::Latest).await?);
        let mut plan = Plan::new();
        for (of, end) in ends {
            let start = starts.get(&of).copied().unwrap_or(0);
            let current = committed.get(&of).map(|committed| committed.offset);
            let wanted = match (reset.to_offset, reset.shift_by, current) {
                (Some(offset), _, _) => offset,
                (_, Some(by), Some(current)) => current.saturating_add(by),
                (_, Some(_), None) => {
                    return Err(ToolError::Refused(format!(
                        "group {group} has no committed offset for {of}, from which to shift; use another scenario"
                    )));
                }
                (_, None, current) => current.unwrap_or(end),
            };
            plan.insert(of, wanted.clamp(start, end));
        }
        plan
    } else {
        return Err(ToolError::Usage(
            "--reset-offsets needs one of --to-earliest, --to-latest, --to-current, --to-offset, --shift-by, \
             --to-datetime, --by-duration, --from-file"
                .to_owned(),
        ));
    };
    Ok(plan)
}

async fn listed(
    admin: &Admin,
    partitions: &[TopicPartition],
    spec: OffsetSpec,
) -> Result<BTreeMap<TopicPartition, ListedOffset>, ToolError> {
    let specs = partitions.iter().map(|of| (of.clone(), spec)).collect();
    let mut found = BTreeMap::new();
    for (of, listed) in admin.list_offsets(&specs).await? {
        found.insert(of, listed?);
    }
    Ok(found)
}

async fn list(admin: &Admin, partitions: &[TopicPartition], spec: OffsetSpec) -> Result<Plan, ToolError> {
    let listed = listed(admin, partitions, spec).await?;
    Ok(listed.into_iter().map(|(of, listed)| (of, listed.offset)).collect())
}

/// The end, where no record is that young.
async fn by_time(admin: &Admin, partitions: &[TopicPartition], timestamp: i64) -> Result<Plan, ToolError> {
    let found = list(admin, partitions, OffsetSpec::Timestamp(timestamp)).await?;
    let ends = list(admin, partitions, OffsetSpec::Latest).await?;
    let end = |of: &TopicPartition| ends.get(of).copied().unwrap_or(0);
    Ok(found
        .into_iter()
        .map(|(of, offset)| (of.clone(), if offset < 0 { end(&of) } else { offset }))
        .collect())
}

fn from_file(path: &std::path::Path, group: &Str) -> Result<Plan, ToolError> {
    let place = path.display();
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| ToolError::Usage(format!("{place}: cannot be read: {error}")))?;
    let mut plan = Plan::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let items: Vec<&str> = line.split(',').map(|item| item.trim().trim_matches('"')).collect();
        let (topic, partition, offset) = match items.as_slice() {
            [topic, partition, offset] => (topic, partition, offset),
            [of, topic, partition, offset] if **of == **group => (topic, partition, offset),
            [_, _, _, _] => continue,
            _ => {
                return Err(ToolError::Usage(format!(
                    "{place}:{number}: found '{line}', expected TOPIC,PARTITION,OFFSET or GROUP,TOPIC,PARTITION,OFFSET"
                )));
            }
        };
        let (Ok(partition), Ok(offset)) = (partition.parse(), offset.parse()) else {
            return Err(ToolError::Usage(format!("{place}:{number}: found '{line}', expected numbers")));
        };
        plan.insert(TopicPartition::new(*topic, partition), offset);
    }
    Ok(plan)
}

/// In milliseconds since 1970.
fn instant(text: &str) -> Result<i64, ToolError> {
    let wrong = || {
        ToolError::Usage(format!("--to-datetime: found '{text}', expected a time as 2026-01-31T12:00:00.000"))
    };
    let with_zone = if text.ends_with('Z') { text.to_owned() } else { format!("{text}Z") };
    let time = humantime::parse_rfc3339_weak(&with_zone).map_err(|_| wrong())?;
    let since = time.duration_since(UNIX_EPOCH).map_err(|_| wrong())?;
    i64::try_from(since.as_millis()).map_err(|_| wrong())
}

/// A duration of ISO 8601: days, hours, minutes, seconds.
fn duration(text: &str) -> Result<Duration, ToolError> {
    let wrong =
        || ToolError::Usage(format!("--by-duration: found '{text}', expected a duration as PT1H30M or P7D"));
    let rest = text.strip_prefix('P').ok_or_else(wrong)?;
    let (days, time) = rest.split_once('T').unwrap_or((rest, ""));
    let mut seconds = 0.0;
    for (part, units) in
        [(days, &[('D', 86_400.0)][..]), (time, &[('H', 3600.0), ('M', 60.0), ('S', 1.0)][..])]
    {
        let mut number = String::new();
        for letter in part.chars() {
            match units.iter().find(|(unit, _)| *unit == letter) {
                Some((_, factor)) => {
                    seconds += number.parse::<f64>().map_err(|_| wrong())? * factor;
                    number.clear();
                }
                None => number.push(letter),
            }
        }
        if !number.is_empty() {
            return Err(wrong());
        }
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_of_days_and_time_adds_up() {
        assert_eq!(duration("P1DT2H3M4.5S").ok(), Some(Duration::from_millis(93_784_500)));
        assert!(duration("1H").is_err() && duration("PT5").is_err());
    }

    #[test]
    fn instant_without_zone_is_utc() {
        assert_eq!(instant("1970-01-01T00:00:01.500").ok(), Some(1500));
    }
}
