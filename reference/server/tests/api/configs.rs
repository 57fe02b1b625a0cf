//! DescribeConfigs, IncrementalAlterConfigs, AlterConfigs.

use highwater_wire::messages::alter_configs::request as older;
use highwater_wire::messages::describe_configs::request::DescribeConfigsResource;
use highwater_wire::messages::describe_configs::response::DescribeConfigsResult;
use highwater_wire::messages::incremental_alter_configs::request::{AlterConfigsResource, AlterableConfig};
use highwater_wire::messages::{AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest};
use highwater_wire::{ErrorCode, Str};

use crate::harness::{create, error, with_node};
use crate::support::Connection;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;

const OF_TOPIC: i8 = 1;
const OF_ALL_BROKERS: i8 = 3;
const OF_FILE: i8 = 4;
const DEFAULT: i8 = 5;

async fn describe(
    connection: &mut Connection,
    resource_type: i8,
    name: &'static str,
) -> DescribeConfigsResult {
    let resource = DescribeConfigsResource {
        resource_type,
        resource_name: Str::from_static(name),
        configuration_keys: None,
    };
    let request =
        DescribeConfigsRequest { resources: vec![resource], include_synonyms: true, ..Default::default() };
    connection.ask(&request, 4).await.results.remove(0)
}

/// Value and source of a key.
fn holds<'a>(described: &'a DescribeConfigsResult, key: &str) -> (Option<&'a str>, i8) {
    let config = described.configs.iter().find(|config| config.name == key);
    let config = config.unwrap_or_else(|| panic!("{key} is not described"));
    (config.value.as_deref(), config.config_source)
}

fn alter(
    resource_type: i8,
    name: &'static str,
    (key, operation, value): (&'static str, i8, Option<&'static str>),
) -> IncrementalAlterConfigsRequest {
    let config = AlterableConfig {
        name: Str::from_static(key),
        config_operation: operation,
        value: value.map(Str::from_static),
    };
    let resource =
        AlterConfigsResource { resource_type, resource_name: Str::from_static(name), configs: vec![config] };
    IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false }
}

async fn altered(connection: &mut Connection, request: &IncrementalAlterConfigsRequest) -> ErrorCode {
    error(connection.ask(request, 1).await.responses[0].error_code)
}

#[test]
fn topic_is_described_with_defaults_and_sources() {
    with_node(&[("log.segment.bytes", "2097152")], async |_server, mut connection| {
        create(&mut connection, "t", 1, 1).await;
        let described = describe(&mut connection, TOPIC, "t").await;
        assert_eq!(error(described.error_code), ErrorCode::NONE);
        assert_eq!(holds(&described, "cleanup.policy"), (Some("delete"), DEFAULT));
        assert_eq!(holds(&described, "segment.bytes"), (Some("2097152"), OF_FILE));
        let retention = described.configs.iter().find(|config| config.name == "retention.ms");
        let retention = retention.expect("described");
        assert_eq!((retention.read_only, retention.is_sensitive, retention.config_type), (false, false, 5));
        assert!(!retention.synonyms.is_empty());
    });
}

#[test]
fn what_was_set_shows() {
    with_node(&[], async |_server, mut connection| {
        let c = &mut connection;
        create(c, "t", 1, 1).await;
        let set = alter(TOPIC, "t", ("retention.ms", 0, Some("5000")));
        assert_eq!(altered(c, &set).await, ErrorCode::NONE);
        assert_eq!(holds(&describe(c, TOPIC, "t").await, "retention.ms"), (Some("5000"), OF_TOPIC));
        let all = alter(BROKER, "", ("log.segment.bytes", 0, Some("1048576")));
        assert_eq!(altered(c, &all).await, ErrorCode::NONE);
        let described = describe(c, TOPIC, "t").await;
        assert_eq!(holds(&described, "segment.bytes"), (Some("1048576"), OF_ALL_BROKERS));
        let delete = alter(TOPIC, "t", ("retention.ms", 1, None));
        assert_eq!(altered(c, &delete).await, ErrorCode::NONE);
        assert_eq!(holds(&describe(c, TOPIC, "t").await, "retention.ms"), (Some("604800000"), DEFAULT));
    });
}

#[test]
fn older_form_replaces_what_is_set() {
    with_node(&[], async |_server, mut connection| {
        let c = &mut connection;
        create(c, "t", 1, 1).await;
        assert_eq!(altered(c, &alter(TOPIC, "t", ("retention.ms", 0, Some("5000")))).await, ErrorCode::NONE);
        let config = older::AlterableConfig { name: "retention.bytes".into(), value: Some("1000".into()) };
        let resource = older::AlterConfigsResource {
            resource_type: TOPIC,
            resource_name: "t".into(),
            configs: vec![config],
        };
        let request = AlterConfigsRequest { resources: vec![resource], validate_only: false };
        assert_eq!(c.ask(&request, 2).await.responses[0].error_code, 0);
        let described = describe(c, TOPIC, "t").await;
        assert_eq!(holds(&described, "retention.bytes"), (Some("1000"), OF_TOPIC));
        assert_eq!(holds(&described, "retention.ms").1, DEFAULT);
    });
}

#[test]
fn what_may_not_be_set_is_refused() {
    with_node(&[], async |_server, mut connection| {
        let c = &mut connection;
        create(c, "t", 1, 1).await;
        let cases = [
            (alter(TOPIC, "t", ("retention.ms", 0, Some("soon"))), ErrorCode::INVALID_CONFIG),
            (alter(TOPIC, "t", ("no.such.key", 0, Some("1"))), ErrorCode::INVALID_CONFIG),
            (alter(TOPIC, "t", ("retention.ms", 0, None)), ErrorCode::INVALID_CONFIG),
            (alter(TOPIC, "t", ("retention.ms", 9, Some("1"))), ErrorCode::INVALID_REQUEST),
            (alter(TOPIC, "t", ("retention.ms", 2, Some("1"))), ErrorCode::INVALID_CONFIG),
            (alter(TOPIC, "none", ("retention.ms", 0, Some("1"))), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            (alter(BROKER, "1", ("listeners", 0, Some("X://:1"))), ErrorCode::INVALID_REQUEST),
            (alter(BROKER, "1", ("no.such.key", 0, Some("1"))), ErrorCode::INVALID_CONFIG),
            (alter(BROKER, "one", ("log.segment.bytes", 0, Some("1"))), ErrorCode::INVALID_REQUEST),
            (alter(BROKER_LOGGER, "1", ("root", 0, Some("DEBUG"))), ErrorCode::INVALID_REQUEST),
        ];
        for (request, expected) in cases {
            assert_eq!(altered(c, &request).await, expected, "{request:?}");
        }
        let mut twice = alter(TOPIC, "t", ("retention.ms", 0, Some("5000")));
        twice.resources.push(twice.resources[0].clone());
        let answers = c.ask(&twice, 1).await.responses;
        assert_eq!(error(answers[1].error_code), ErrorCode::INVALID_REQUEST);
        let only = IncrementalAlterConfigsRequest {
            validate_only: true,
            ..alter(TOPIC, "t", ("retention.bytes", 0, Some("7")))
        };
        assert_eq!(altered(c, &only).await, ErrorCode::NONE);
        assert_eq!(holds(&describe(c, TOPIC, "t").await, "retention.bytes").1, DEFAULT);
    });
}

#[test]
fn broker_describes_itself_and_no_other() {
    with_node(&[], async |_server, mut connection| {
        let c = &mut connection;
        let own = describe(c, BROKER, "1").await;
        assert_eq!(holds(&own, "node.id"), (Some("1"), OF_FILE));
        assert_eq!(holds(&own, "num.partitions"), (Some("1"), DEFAULT));
        let listeners = own.configs.iter().find(|config| config.name == "listeners");
        assert!(listeners.is_some_and(|config| config.read_only));
        let segment = own.configs.iter().find(|config| config.name == "log.segment.bytes");
        assert!(segment.is_some_and(|config| !config.read_only));
        assert_eq!(error(describe(c, BROKER, "").await.error_code), ErrorCode::NONE);
        for (kind, name, expected) in [
            (BROKER, "2", ErrorCode::INVALID_REQUEST),
            (BROKER_LOGGER, "1", ErrorCode::INVALID_REQUEST),
            (TOPIC, "none", ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            (TOPIC, "a b", ErrorCode::INVALID_TOPIC_EXCEPTION),
            (77, "", ErrorCode::INVALID_REQUEST),
        ] {
            assert_eq!(error(describe(c, kind, name).await.error_code), expected, "{kind} {name:?}");
        }
    });
}

#[test]
fn only_the_keys_that_are_asked_for_are_described() {
    with_node(&[], async |_server, mut connection| {
        create(&mut connection, "t", 1, 1).await;
        let resource = DescribeConfigsResource {
            resource_type: TOPIC,
            resource_name: "t".into(),
            configuration_keys: Some(vec!["retention.ms".into(), "no.such.key".into()]),
        };
        let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
        let result = connection.ask(&request, 4).await.results.remove(0);
        let names: Vec<_> = result.configs.iter().map(|config| config.name.to_string()).collect();
        assert_eq!(names, ["retention.ms"]);
        assert!(result.configs[0].synonyms.is_empty());
    });
}
