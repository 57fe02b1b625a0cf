//! Metrics in the text format of OpenMetrics, which Prometheus reads, under the names that exporters of Kafka's JMX beans give them.
//!
//! Counters count as things happen; what can be looked at (leaders, epochs, offsets) is looked at when somebody asks.
//!
//! | name | of |
//! |---|---|
//! | `kafka_server_brokertopicmetrics_*` | records and bytes of clients, all topics together |
//! | `kafka_network_requestmetrics_*` | requests and how long they take, by API |
//! | `kafka_network_socketserver_*` | connections |
//! | `kafka_server_replicamanager_*` | replicas of this broker |
//! | `kafka_controller_kafkacontroller_*` | the cluster, on the active controller; 0 on all others |
//! | `kafka_server_raftmetrics_*` | the metadata quorum as this node knows it |
//!
//! # Not implemented
//! - Metrics of single topics, of producers' and consumers' throttling, and of the JVM.
//! - Kafka tells request times as quantiles of a sample; here they are histograms, in milliseconds, from which any quantile follows.

mod gauges;
mod page;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use page::serve;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use gauges::Gauges;
use highwater_wire::Api;

/// An API by its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabel {
    request: &'static str,
}

/// What a server counts.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    gauges: Gauges,
    /// By the key of the API.
    apis: Vec<Option<ApiMetrics>>,
    /// Records that producers had appended.
    pub(crate) messages_in: Counter,
    /// Their bytes.
    pub(crate) bytes_in: Counter,
    /// Bytes of records that consumers were sent.
    pub(crate) bytes_out: Counter,
    /// Partitions of Produce requests that were refused.
    pub(crate) failed_produces: Counter,
    /// Connections that were closed for what they did.
    pub(crate) connections_closed: Counter,
}

#[derive(Debug)]
struct ApiMetrics {
    requests: Counter,
    milliseconds: Histogram,
}

impl Metrics {
    /// Nothing counted yet.
    pub(crate) fn new() -> Arc<Self> {
        let mut registry = Registry::default();
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let topics = "kafka_server_brokertopicmetrics";
        let messages_in = counter(&format!("{topics}_messagesin"), "Records that producers had appended");
        let bytes_in = counter(&format!("{topics}_bytesin"), "Bytes of records that producers had appended");
        let bytes_out = counter(&format!("{topics}_bytesout"), "Bytes of records that consumers were sent");
        let failed_produces = counter(
            &format!("{topics}_failedproducerequests"),
            "Partitions of Produce requests that were refused",
        );
        let connections_closed = counter(
            "kafka_network_socketserver_connectionsclosed",
            "Connections that were closed for what they sent, or did not take",
        );
        let apis = Self::of_apis(&mut registry);
        let gauges = Gauges::new(&mut registry);
        Arc::new(Self {
            registry,
            gauges,
            apis,
            messages_in,
            bytes_in,
            bytes_out,
            failed_produces,
            connections_closed,
        })
    }

    fn of_apis(registry: &mut Registry) -> Vec<Option<ApiMetrics>> {
        let requests = Family::<RequestLabel, Counter>::default();
        let times = Family::<RequestLabel, Histogram>::new_with_constructor(|| {
            // From 62 us to 65 s.
            Histogram::new(exponential_buckets(0.0625, 4.0, 11))
        });
        registry.register(
            "kafka_network_requestmetrics_requests",
            "Requests that were answered",
            requests.clone(),
        );
        registry.register(
            "kafka_network_requestmetrics_totaltimems",
            "Milliseconds from a request until its answer was ready",
            times.clone(),
        );
        let mut apis = Vec::new();
        for api in Api::ALL {
            let label = RequestLabel { request: api.name() };
            let key = usize::try_from(api.key()).unwrap_or(0);
            apis.resize_with(apis.len().max(key + 1), || None);
            apis[key] = Some(ApiMetrics {
                requests: requests.get_or_create(&label).clone(),
                milliseconds: times.get_or_create(&label).clone(),
            });
        }
        apis
    }

    /// A request to the API with this key was answered, after so long.
    pub(crate) fn answered(&self, key: i16, took: Duration) {
        let api = usize::try_from(key).ok().and_then(|key| self.apis.get(key)?.as_ref());
        if let Some(api) = api {
            api.requests.inc();
            api.milliseconds.observe(took.as_secs_f64() * 1_000.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_the_name_of_their_api() {
        let metrics = Metrics::new();
        metrics.answered(Api::Vote.key(), Duration::from_millis(3));
        metrics.answered(-1, Duration::ZERO);
        metrics.answered(i16::MAX, Duration::ZERO);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &metrics.registry).expect("text");
        assert!(text.contains("kafka_network_requestmetrics_requests_total{request=\"Vote\"} 1"), "{text}");
        assert!(text.contains("kafka_network_requestmetrics_requests_total{request=\"Fetch\"} 0"));
        assert!(text.contains("kafka_network_requestmetrics_totaltimems_count{request=\"Vote\"} 1"));
    }
}
