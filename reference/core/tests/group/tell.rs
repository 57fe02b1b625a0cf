//! Answers and records as lines of a transcript. Member ids, which are random, are told as the client's name and a number.

use std::collections::BTreeMap;

use highwater_core::group::{
    Blob, GroupError, GroupRecord, GroupResponse, JoinGroupResponse, OffsetCommitValue, SyncGroupResponse,
};

/// Short names of member ids.
#[derive(Default)]
pub(crate) struct Names {
    of: BTreeMap<String, String>,
    counts: BTreeMap<String, u32>,
}

impl Names {
    pub(crate) fn short(&mut self, id: &str) -> String {
        if let Some(name) = self.of.get(id) {
            return name.clone();
        }
        // A dash and a UUID are behind the name.
        let Some(name) = id.len().checked_sub(37).and_then(|end| id.get(..end)) else { return id.into() };
        let count = self.counts.entry(name.into()).or_default();
        *count += 1;
        let short = format!("{name}{count}");
        self.of.insert(id.into(), short.clone());
        short
    }

    /// The id that has this short name.
    pub(crate) fn long(&self, name: &str) -> String {
        let found = self.of.iter().find(|(_, short)| *short == name);
        found.map_or_else(|| name.into(), |(id, _)| id.clone())
    }
}

pub(crate) fn text(blob: &Blob) -> String {
    match std::str::from_utf8(blob) {
        Ok(text) if !text.contains(char::is_control) => text.into(),
        _ => format!("({} bytes)", blob.len()),
    }
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(" "))
}

fn result(error: Option<GroupError>) -> String {
    error.map_or_else(|| "ok".into(), |error| error.to_string())
}

pub(crate) fn append(names: &mut Names, write: u64, records: &[GroupRecord]) -> String {
    let told = records.iter().map(|record| self::record(names, record));
    format!("append #{write}: {}", told.collect::<Vec<_>>().join(", "))
}

fn record(names: &mut Names, record: &GroupRecord) -> String {
    match record {
        GroupRecord::OffsetCommit { key, value } => {
            let value = value.as_ref().map_or_else(|| "gone".into(), offset);
            format!("{}:{}/{} {value}", key.group, key.topic, key.partition)
        }
        GroupRecord::GroupMetadata { group, value: None } => format!("{group} gone"),
        GroupRecord::GroupMetadata { group, value: Some(value) } => {
            let members = list(value.members.iter().map(|member| {
                let instance = member.group_instance_id.as_deref().map(|name| format!("({name})"));
                let name = names.short(&member.member_id);
                format!("{name}{}={}", instance.unwrap_or_default(), text(&member.assignment))
            }));
            let leader = value.leader.as_deref().map_or_else(|| "-".into(), |leader| names.short(leader));
            let protocol = value.protocol.as_deref().unwrap_or("-");
            format!("{group} generation={} protocol={protocol} leader={leader} {members}", value.generation)
        }
    }
}

fn offset(value: &OffsetCommitValue) -> String {
    let mut told = value.offset.to_string();
    if value.leader_epoch != -1 {
        told += &format!("@{}", value.leader_epoch);
    }
    if !value.metadata.is_empty() {
        told += &format!(" {:?}", value.metadata);
    }
    if value.expire_timestamp != -1 {
        told += &format!(" until +{}", value.expire_timestamp - value.commit_timestamp);
    }
    told
}

pub(crate) fn response(names: &mut Names, who: &str, response: &GroupResponse) -> String {
    let told = match response {
        GroupResponse::Join(response) => join(names, response),
        GroupResponse::Sync(response) => sync(response),
        GroupResponse::Heartbeat(error) => format!("heartbeat {}", result(*error)),
        GroupResponse::Leave(response) => {
            let members = response.members.iter().map(|member| {
                let name = match &member.group_instance_id {
                    Some(name) => format!("({name})"),
                    None => names.short(&member.member_id),
                };
                format!("{name} {}", result(member.error))
            });
            format!("leave {} {}", result(response.error), list(members))
        }
        GroupResponse::OffsetCommit(topics) => {
            let told = topics.iter().flat_map(|topic| {
                let tell = |(index, error): &(i32, Option<GroupError>)| {
                    format!("{}/{index} {}", topic.name, result(*error))
                };
                topic.partitions.iter().map(tell)
            });
            format!("commit {}", list(told))
        }
        GroupResponse::OffsetFetch(response) => {
            let told = response.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|partition| {
                    let metadata = match partition.metadata.as_str() {
                        "" => String::new(),
                        metadata => format!(" {metadata:?}"),
                    };
                    let (index, offset) = (partition.partition_index, partition.committed_offset);
                    format!("{}/{index}={offset}{metadata}", topic.name)
                })
            });
            format!("fetch {} {}", result(response.error), list(told))
        }
        GroupResponse::Describe(groups) => {
            let told = groups.iter().map(|group| {
                let members = list(group.members.iter().map(|member| {
                    let name = names.short(&member.member_id);
                    format!("{name}:{}={}", text(&member.member_metadata), text(&member.member_assignment))
                }));
                let error = group.error.map_or_else(String::new, |error| format!(" {error}"));
                format!("{} {} {:?} {members}{error}", group.group_id, group.group_state, group.protocol_data)
            });
            format!("describe {}", list(told))
        }
        GroupResponse::List(response) => {
            let told = response.groups.iter().map(|group| {
                let (id, state, kind) = (&group.group_id, group.group_state, &group.protocol_type);
                format!("{id} {state} {kind:?}")
            });
            format!("list {} {}", result(response.error), list(told))
        }
        GroupResponse::Delete(groups) => {
            let told = groups.iter().map(|(group, error)| format!("{group} {}", result(*error)));
            format!("delete {}", list(told))
        }
        GroupResponse::OffsetDelete(response) => {
            let told = response.topics.iter().flat_map(|(topic, partitions)| {
                partitions.iter().map(move |(index, error)| format!("{topic}/{index} {}", result(*error)))
            });
            format!("offset-delete {} {}", result(response.error), list(told))
        }
    };
    format!("{who} <- {told}")
}

fn join(names: &mut Names, response: &JoinGroupResponse) -> String {
    let member = names.short(&response.member_id);
    if let Some(error) = response.error {
        return format!("join {error} member={member:?}");
    }
    let leader = names.short(&response.leader);
    let mut told = format!(
        "join ok member={member} generation={} protocol={} leader={leader}",
        response.generation_id,
        response.protocol_name.as_deref().unwrap_or("-")
    );
    if !response.members.is_empty() {
        let members = response.members.iter().map(|member| {
            let instance = member.group_instance_id.as_deref().map(|name| format!("({name})"));
            let name = names.short(&member.member_id);
            format!("{name}{}:{}", instance.unwrap_or_default(), text(&member.metadata))
        });
        told += &format!(" members={}", list(members));
    }
    if response.skip_assignment {
        told += " skip-assignment";
    }
    told
}

fn sync(response: &SyncGroupResponse) -> String {
    match response.error {
        Some(error) => format!("sync {error}"),
        None => format!("sync ok {:?}", text(&response.assignment)),
    }
}
