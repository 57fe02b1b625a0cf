//! The image as directories and files.

use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

use highwater_core::controller::{
    BrokerRegistration, ConfigKey, ControllerRegistration, Endpoint, Image, MetadataVersion,
    PartitionRegistration, Topic,
};
use highwater_core::partition::LeaderRecovery;
use highwater_core::{NodeId, Uuid};
use highwater_log::files::uuid;

use crate::storage::release_name;

/// The year 10000, in milliseconds since 1970: no text stands for times from here on.
const TIME_MS_END: u64 = 253_402_300_800_000;

/// How far the log goes that an image was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Provenance {
    pub(super) offset: i64,
    pub(super) epoch: i32,
    pub(super) time_ms: i64,
}

/// An image as its tree.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) image: Image,
    pub(super) provenance: Option<Provenance>,
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// A directory with the names in it, sorted.
    Directory(Vec<String>),
    /// A file with its one line.
    File(String),
}

fn directory<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Option<Node> {
    let mut names: Vec<String> = names.into_iter().map(Into::into).collect();
    names.sort_unstable();
    Some(Node::Directory(names))
}

fn file(text: impl Into<String>) -> Option<Node> {
    Some(Node::File(text.into()))
}

impl Tree {
    /// What stands at a path, given by its parts; `None` if nothing does.
    pub(super) fn node(&self, path: &[&str]) -> Option<Node> {
        match path {
            [] => directory(["image", "local"]),
            ["local"] => directory(["commitId", "version"]),
            ["local", "version"] => file(env!("CARGO_PKG_VERSION")),
            ["local", "commitId"] => file("unknown"),
            ["image", path @ ..] => self.image_node(path),
            _ => None,
        }
    }

    fn image_node(&self, path: &[&str]) -> Option<Node> {
        match path {
            [] => directory([
                "acls",
                "clientQuotas",
                "cluster",
                "configs",
                "delegationToken",
                "features",
                "producerIds",
                "provenance",
                "scram",
                "topics",
            ]),
            ["acls"] => directory(["byId"]),
            ["scram"] => directory(["SCRAM-SHA-256", "SCRAM-SHA-512"]),
            ["acls", "byId"]
            | ["clientQuotas" | "delegationToken"]
            | ["scram", "SCRAM-SHA-256" | "SCRAM-SHA-512"] => directory([""; 0]),
            ["cluster"] => directory(["brokers", "controllers"]),
            ["cluster", "brokers"] => directory(self.image.brokers().keys().map(|id| id.0.to_string())),
            ["cluster", "brokers", id] => {
                let id = NodeId(id.parse().ok()?);
                file(broker(id, self.image.broker(id)?))
            }
            ["cluster", "controllers"] => {
                directory(self.image.controllers().keys().map(|id| id.0.to_string()))
            }
            ["cluster", "controllers", id] => {
                let id = NodeId(id.parse().ok()?);
                file(controller(id, self.image.controllers().get(&id)?))
            }
            ["configs"] => directory(self.image.configs().keys().map(resource)),
            ["configs", name] => directory(self.config(name)?.keys().cloned()),
            ["configs", name, key] => file(self.config(name)?.get(*key)?.clone()),
            ["features"] => {
                let others = self.image.features().keys().filter(|name| *name != MetadataVersion::FEATURE);
                let names = others.map(|name| format!("finalized_{name}"));
                directory(names.chain(["metadataVersion".to_owned()]))
            }
            ["features", "metadataVersion"] => file(match self.image.metadata_version() {
                Some(version) => format!("Optional[{}]", release_name(version)),
                None => "Optional.empty".to_owned(),
            }),
            ["features", name] => {
                let name =
                    name.strip_prefix("finalized_").filter(|name| *name != MetadataVersion::FEATURE)?;
                file(self.image.features().get(name)?.to_string())
            }
            ["producerIds"] => directory(["nextProducerId"]),
            ["producerIds", "nextProducerId"] => file(self.image.next_producer_id().to_string()),
            ["provenance"] => file(provenance(self.provenance)),
            ["topics"] => directory(["byId", "byName"]),
            ["topics", "byId"] => directory(self.image.topics().keys().map(|id| uuid::format(*id))),
            ["topics", "byName"] => directory(self.image.topic_names().keys().cloned()),
            ["topics", "byId", id, path @ ..] => self.topic_node(uuid::parse(id)?, path),
            ["topics", "byName", name, path @ ..] => self.topic_node(self.image.topic_id(name)?, path),
            _ => None,
        }
    }

    fn topic_node(&self, id: Uuid, path: &[&str]) -> Option<Node> {
        let topic: &Topic = self.image.topic(id)?;
        match path {
            [] => {
                let partitions = topic.partitions.keys().map(ToString::to_string);
                directory(partitions.chain(["id".to_owned(), "name".to_owned()]))
            }
            ["name"] => file(topic.name.clone()),
            ["id"] => file(uuid::format(id)),
            [index] => file(partition(topic.partitions.get(&index.parse().ok()?)?)),
            _ => None,
        }
    }

    fn config(&self, name: &str) -> Option<&std::collections::BTreeMap<String, String>> {
        self.image.configs().iter().find(|(key, _)| resource(key) == name).map(|(_, values)| values)
    }
}

/// A resource as its directory is called: `TOPIC:orders`, and `BROKER` for all brokers.
fn resource(key: &ConfigKey) -> String {
    let kind = match key.kind {
        ConfigKey::TOPIC => "TOPIC",
        ConfigKey::BROKER => "BROKER",
        8 => "BROKER_LOGGER",
        16 => "CLIENT_METRICS",
        32 => "GROUP",
        _ => "UNKNOWN",
    };
    if key.name.is_empty() { kind.to_owned() } else { format!("{kind}:{}", key.name) }
}

fn ids(list: &[NodeId]) -> String {
    let ids: Vec<String> = list.iter().map(|id| id.0.to_string()).collect();
    format!("[{}]", ids.join(", "))
}

fn uuids(list: &[Uuid]) -> String {
    let ids: Vec<String> = list.iter().map(|id| uuid::format(*id)).collect();
    format!("[{}]", ids.join(", "))
}

fn endpoints(list: &[Endpoint]) -> String {
    let protocol = |number| match number {
        0 => "PLAINTEXT",
        1 => "SSL",
        2 => "SASL_PLAINTEXT",
        3 => "SASL_SSL",
        _ => "UNKNOWN",
    };
    let shown: Vec<String> = list
        .iter()
        .map(|Endpoint { name, host, port, security_protocol }| {
            let protocol = protocol(*security_protocol);
            format!(
                "Endpoint(listenerName='{name}', securityProtocol={protocol}, host='{host}', port={port})"
            )
        })
        .collect();
    format!("[{}]", shown.join(", "))
}

fn features(features: &std::collections::BTreeMap<String, (i16, i16)>) -> String {
    let shown: Vec<String> =
        features.iter().map(|(name, (least, most))| format!("{name}: {least}-{most}")).collect();
    format!("{{{}}}", shown.join(", "))
}

fn broker(id: NodeId, broker: &BrokerRegistration) -> String {
    let rack = broker.rack.as_ref().map_or("Optional.empty".to_owned(), |rack| format!("Optional[{rack}]"));
    format!(
        "BrokerRegistration(id={}, epoch={}, incarnationId={}, listeners={}, supportedFeatures={}, rack={rack}, fenced={}, \
         inControlledShutdown={}, isMigratingZkBroker={}, directories={}, cordonedDirectories={})",
        id.0,
        broker.epoch,
        uuid::format(broker.incarnation),
        endpoints(&broker.endpoints),
        features(&broker.features),
        broker.fenced,
        broker.in_controlled_shutdown,
        broker.is_migrating,
        uuids(&broker.directories),
        broker.cordoned_directories.as_deref().map_or("null".to_owned(), uuids),
    )
}

fn controller(id: NodeId, controller: &ControllerRegistration) -> String {
    format!(
        "ControllerRegistration(id={}, incarnationId={}, zkMigrationReady={}, listeners={}, supportedFeatures={})",
        id.0,
        uuid::format(controller.incarnation),
        controller.is_ready_to_migrate,
        endpoints(&controller.endpoints),
        features(&controller.features),
    )
}

fn partition(partition: &PartitionRegistration) -> String {
    let state = &partition.state;
    let recovery = match state.recovery {
        LeaderRecovery::Recovered => "RECOVERED",
        LeaderRecovery::Recovering => "RECOVERING",
    };
    format!(
        "PartitionRegistration(replicas={}, directories={}, isr={}, removingReplicas={}, addingReplicas={}, elr={}, \
         lastKnownElr={}, leader={}, leaderRecoveryState={recovery}, leaderEpoch={}, partitionEpoch={})",
        ids(&state.replicas),
        uuids(&partition.directories),
        ids(&state.isr),
        ids(&partition.removing),
        ids(&partition.adding),
        ids(&state.elr),
        ids(&state.last_known_elr),
        state.leader.map_or(-1, |leader| leader.0),
        state.leader_epoch,
        state.partition_epoch,
    )
}

fn provenance(provenance: Option<Provenance>) -> String {
    let Provenance { offset, epoch, time_ms } =
        provenance.unwrap_or(Provenance { offset: -1, epoch: -1, time_ms: -1 });
    let mut text = format!("offset {offset}, epoch {epoch}, time ");
    let time = u64::try_from(time_ms).ok().filter(|ms| *ms < TIME_MS_END);
    let time = time.map(|ms| UNIX_EPOCH + Duration::from_millis(ms));
    match time.map(|time| humantime::format_rfc3339_millis(time).to_string()) {
        Some(time) => {
            // As Java writes it: a fraction of a second without zeros at its end.
            let time = time.strip_suffix('Z').unwrap_or(&time);
            let time = time.trim_end_matches('0').trim_end_matches('.');
            let _ = write!(text, "{time}Z[UTC]");
        }
        None => text.push_str("unknown"),
    }
    text
}
