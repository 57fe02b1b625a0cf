//! Configuration of topics, brokers and groups.

use highwater_wire::messages::describe_configs::request::DescribeConfigsResource;
use highwater_wire::messages::describe_configs::response::DescribeConfigsResult;
use highwater_wire::messages::incremental_alter_configs::request::{AlterConfigsResource, AlterableConfig};
use highwater_wire::messages::incremental_alter_configs::response::AlterConfigsResourceResponse;
use highwater_wire::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};
use highwater_wire::{Request, Str};

use super::Admin;
use crate::error::ClientError;

/// What has configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
pub enum ResourceKind {
    /// A topic.
    Topic = 2,
    /// A broker, or all of them if it has no name.
    Broker = 4,
    /// A consumer group.
    Group = 32,
}

/// One of them, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    /// Of what kind.
    pub kind: ResourceKind,
    /// Its name; of a broker, its id or nothing.
    pub name: Str,
}

impl ConfigResource {
    /// A topic.
    pub fn topic(name: impl Into<Str>) -> Self {
        Self { kind: ResourceKind::Topic, name: name.into() }
    }

    /// The broker that only it can answer for.
    fn owner(&self) -> Option<i32> {
        (self.kind == ResourceKind::Broker).then(|| self.name.parse().ok()).flatten()
    }
}

impl Admin {
    /// The configuration of these, with sources and synonyms. What is a broker's own is asked of that broker. Errors of single ones are in the
    /// answer.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn describe_configs(
        &self,
        of: &[ConfigResource],
        synonyms: bool,
    ) -> Result<Vec<DescribeConfigsResult>, ClientError> {
        let (owned, shared): (Vec<_>, Vec<_>) = of.iter().partition(|resource| resource.owner().is_some());
        let mut results = Vec::new();
        for group in shared.chunks(1000) {
            let request = describing(group, synonyms);
            results.extend(self.describe(&request, |_| None).await?.results);
        }
        for resource in owned {
            let request = describing(&[resource], synonyms);
            let broker = resource.owner().unwrap_or(-1);
            let ask = || async { self.broker(broker).await?.ask(&request).await };
            results.extend(self.cluster().retry("DescribeConfigs", true, ask).await?.results);
        }
        Ok(results)
    }

    /// Changes configuration key by key (KIP-339). Errors of single ones are in the answer.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn alter_configs(
        &self,
        changes: Vec<(ConfigResource, Vec<AlterableConfig>)>,
    ) -> Result<Vec<AlterConfigsResourceResponse>, ClientError> {
        let resource = |(resource, configs): (ConfigResource, Vec<AlterableConfig>)| AlterConfigsResource {
            resource_type: resource.kind as i8,
            resource_name: resource.name,
            configs,
        };
        let resources = changes.into_iter().map(resource).collect();
        let request = IncrementalAlterConfigsRequest { resources, validate_only: false };
        let refused = |answer: &<IncrementalAlterConfigsRequest as Request>::Response| {
            super::sole(&answer.responses, |resource| resource.error_code)
        };
        Ok(self.change(&request, refused).await?.responses)
    }
}

fn describing(resources: &[&ConfigResource], synonyms: bool) -> DescribeConfigsRequest {
    let resource = |resource: &&ConfigResource| DescribeConfigsResource {
        resource_type: resource.kind as i8,
        resource_name: resource.name.clone(),
        configuration_keys: None,
    };
    DescribeConfigsRequest {
        resources: resources.iter().map(resource).collect(),
        include_synonyms: synonyms,
        include_documentation: false,
    }
}
