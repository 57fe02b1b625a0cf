//! `configs`: after Kafka's `ConfigCommand`, for topics, brokers and groups.
//!
//! `--describe` prints what was set; with `--all` also defaults. `--alter` sets and deletes keys, one by one (KIP-339).
//!
//! # Not implemented
//! - Users, clients, client metrics, IPs: there are no quotas and no SCRAM. Broker loggers.

use std::collections::BTreeMap;
use std::io::Write;

use clap::{Args, ValueEnum};
use highwater_client::admin::{Admin, ConfigResource, ResourceKind};
use highwater_wire::Str;
use highwater_wire::messages::incremental_alter_configs::request::AlterableConfig;

use crate::online::{Place, Settings, block_on};
use crate::topics::refusal;
use crate::{ExitKind, ToolError};

/// The arguments of `configs`.
#[derive(Debug, Clone, Args)]
#[command(group(clap::ArgGroup::new("action").required(true).multiple(false).args(["alter", "describe"])))]
pub struct ConfigsArgs {
    #[command(flatten)]
    place: Place,
    /// Change configuration
    #[arg(long)]
    alter: bool,
    /// Describe configuration
    #[arg(long)]
    describe: bool,
    /// With --describe: defaults too
    #[arg(long, requires = "describe")]
    all: bool,
    /// Of what
    #[arg(long, value_enum, required_unless_present_any = ["topic", "broker", "broker_defaults", "group"])]
    entity_type: Option<EntityType>,
    /// Which one; a broker by its id
    #[arg(long, value_name = "NAME", requires = "entity_type")]
    entity_name: Option<String>,
    /// What all brokers share
    #[arg(long, requires = "entity_type", conflicts_with = "entity_name")]
    entity_default: bool,
    /// This topic: short for --entity-type topics --entity-name
    #[arg(long, value_name = "NAME", conflicts_with = "entity_type")]
    topic: Option<String>,
    /// This broker: short for --entity-type brokers --entity-name
    #[arg(long, value_name = "ID", conflicts_with = "entity_type")]
    broker: Option<String>,
    /// What all brokers share: short for --entity-type brokers --entity-default
    #[arg(long, conflicts_with = "entity_type")]
    broker_defaults: bool,
    /// This group: short for --entity-type groups --entity-name
    #[arg(long, value_name = "NAME", conflicts_with = "entity_type")]
    group: Option<String>,
    /// Keys to set, as KEY=VALUE,KEY=[VALUE,VALUE]
    #[arg(long, value_name = "LIST", requires = "alter")]
    add_config: Option<String>,
    /// A property file of keys to set
    #[arg(long, value_name = "FILE", requires = "alter", conflicts_with = "add_config")]
    add_config_file: Option<std::path::PathBuf>,
    /// Keys to delete, as KEY,KEY
    #[arg(long, value_name = "LIST", requires = "alter")]
    delete_config: Option<String>,
}

/// What has configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EntityType {
    /// Topics
    Topics,
    /// Brokers
    Brokers,
    /// Consumer groups
    Groups,
}

impl EntityType {
    fn kind(self) -> ResourceKind {
        match self {
            Self::Topics => ResourceKind::Topic,
            Self::Brokers => ResourceKind::Broker,
            Self::Groups => ResourceKind::Group,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Topics => "topic",
            Self::Brokers => "broker",
            Self::Groups => "group",
        }
    }
}

/// Does what the arguments say.
///
/// # Errors
/// If it cannot.
pub fn run(args: &ConfigsArgs, out: &mut dyn Write, _err: &mut dyn Write) -> Result<ExitKind, ToolError> {
    let (entity, name) = args.entity();
    let changes = if args.alter { args.changes()? } else { Vec::new() };
    block_on(async {
        let admin = Admin::new(args.place.cluster().await?);
        if args.alter {
            alter(entity, name, changes, &admin, out).await
        } else {
            describe(entity, name, args.all, &admin, out).await
        }
    })?;
    Ok(ExitKind::Success)
}

impl ConfigsArgs {
    /// Of what, and which: none is all of them, an empty name what all brokers share.
    fn entity(&self) -> (EntityType, Option<String>) {
        let named = [
            (EntityType::Topics, &self.topic),
            (EntityType::Brokers, &self.broker),
            (EntityType::Groups, &self.group),
        ];
        if let Some((entity, name)) = named.into_iter().find(|(_, name)| name.is_some()) {
            return (entity, name.clone());
        }
        match self.entity_type {
            None => (EntityType::Brokers, Some(String::new())),
            Some(entity) if self.entity_default => (entity, Some(String::new())),
            Some(entity) => (entity, self.entity_name.clone()),
        }
    }

    fn changes(&self) -> Result<Vec<AlterableConfig>, ToolError> {
        const SET: i8 = 0;
        const DELETE: i8 = 1;
        let mut set = match &self.add_config_file {
            Some(path) => Settings::load(Some(path), &[])?.into_pairs(),
            None => BTreeMap::new(),
        };
        for item in self.add_config.iter().flat_map(|list| split(list)) {
            let (key, value) = item.split_once('=').ok_or_else(|| {
                ToolError::Usage(format!("--add-config: found '{item}', expected KEY=VALUE"))
            })?;
            let value = value.strip_prefix('[').and_then(|value| value.strip_suffix(']')).unwrap_or(value);
            set.insert(key.trim().to_owned(), value.trim().to_owned());
        }
        let set = set.into_iter().map(|(name, value)| AlterableConfig {
            name: name.into(),
            config_operation: SET,
            value: Some(value.into()),
        });
        let deleted = self.delete_config.iter().flat_map(|list| list.split(','));
        let deleted = deleted.map(|name| AlterableConfig {
            name: name.trim().into(),
            config_operation: DELETE,
            value: None,
        });
        let changes: Vec<AlterableConfig> = set.chain(deleted).collect();
        if changes.is_empty() {
            return Err(ToolError::Usage(
                "--alter needs one of --add-config, --add-config-file, --delete-config".to_owned(),
            ));
        }
        Ok(changes)
    }
}

/// Items between commas that do not stand in brackets.
fn split(list: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut depth = 0_u32;
    for letter in list.chars() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match (letter, depth) {
            (',', 0) => items.push(String::new()),
            _ => items.last_mut().into_iter().for_each(|item| item.push(letter)),
        }
    }
    items.retain(|item| !item.trim().is_empty());
    items
}

async fn alter(
    entity: EntityType,
    name: Option<String>,
    changes: Vec<AlterableConfig>,
    admin: &Admin,
    out: &mut dyn Write,
) -> Result<(), ToolError> {
    let Some(name) = name else {
        return Err(ToolError::Usage("--alter needs --entity-name, or --entity-default".to_owned()));
    };
    let resource = ConfigResource { kind: entity.kind(), name: name.as_str().into() };
    for result in admin.alter_configs(vec![(resource, changes)]).await? {
        if result.error_code != 0 {
            return Err(refusal(result.error_code, result.error_message.as_ref(), &name));
        }
    }
    match name.is_empty() {
        true => writeln!(out, "Completed updating default config for {}s in the cluster.", entity.name())?,
        false => writeln!(out, "Completed updating config for {} {name}.", entity.name())?,
    }
    Ok(())
}

async fn describe(
    entity: EntityType,
    name: Option<String>,
    all: bool,
    admin: &Admin,
    out: &mut dyn Write,
) -> Result<(), ToolError> {
    let names: Vec<Str> = match (name, entity) {
        (Some(name), _) => vec![name.into()],
        (None, EntityType::Topics) => {
            let topics = admin.topics(None).await?.topics;
            topics.into_iter().filter_map(|topic| topic.name).collect()
        }
        (None, EntityType::Brokers) => {
            let brokers = admin.describe_cluster().await?.brokers;
            let ids = brokers.iter().map(|broker| Str::from(broker.broker_id.to_string()));
            ids.chain([Str::new()]).collect()
        }
        (None, EntityType::Groups) => {
            admin.list_groups(&[], &[]).await?.into_iter().map(|group| group.group_id).collect()
        }
    };
    for name in names {
        let resource = ConfigResource { kind: entity.kind(), name: name.clone() };
        for result in admin.describe_configs(&[resource], true).await? {
            if result.error_code != 0 {
                return Err(refusal(result.error_code, result.error_message.as_ref(), &name));
            }
            let how = if all { "All" } else { "Dynamic" };
            match name.is_empty() {
                true => writeln!(out, "Default configs for {}s in the cluster are:", entity.name())?,
                false => writeln!(out, "{how} configs for {} {name} are:", entity.name())?,
            }
            let own = own_source(entity, &name);
            for entry in result.configs.iter().filter(|entry| all || entry.config_source == own) {
                let synonyms: Vec<String> = entry
                    .synonyms
                    .iter()
                    .map(|synonym| {
                        let value = synonym.value.as_deref().unwrap_or("null");
                        format!("{}:{}={value}", source(synonym.source), synonym.name)
                    })
                    .collect();
                let value = entry.value.as_deref().unwrap_or("null");
                let (sensitive, synonyms) = (entry.is_sensitive, synonyms.join(", "));
                writeln!(out, "  {}={value} sensitive={sensitive} synonyms={{{synonyms}}}", entry.name)?;
            }
        }
    }
    Ok(())
}

/// The source of values that were set for this itself.
fn own_source(entity: EntityType, name: &str) -> i8 {
    match (entity, name) {
        (EntityType::Topics, _) => 1,
        (EntityType::Brokers, "") => 3,
        (EntityType::Brokers, _) => 2,
        (EntityType::Groups, _) => 8,
    }
}

/// Kafka's names of sources.
fn source(source: i8) -> &'static str {
    match source {
        1 => "DYNAMIC_TOPIC_CONFIG",
        2 => "DYNAMIC_BROKER_CONFIG",
        3 => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        4 => "STATIC_BROKER_CONFIG",
        5 => "DEFAULT_CONFIG",
        6 => "DYNAMIC_BROKER_LOGGER_CONFIG",
        7 => "DYNAMIC_CLIENT_METRICS_CONFIG",
        8 => "DYNAMIC_GROUP_CONFIG",
        _ => "UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_list_in_brackets_stays_whole() {
        assert_eq!(split("a=1,b=[2,3],c="), ["a=1", "b=[2,3]", "c="]);
    }
}
