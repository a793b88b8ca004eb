//! The metrics of connections that listeners close.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::metrics::Declare;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabels {
    listener: &'static str,
}

#[derive(Debug)]
pub struct ConnectionMetrics {
    refused: Family<ListenerLabels, Counter>,
    displaced: Family<ListenerLabels, Counter>,
    timed_out: Family<ListenerLabels, Counter>,
    not_taken: Family<ListenerLabels, Counter>,
}

/// Every listener there may be.
pub(super) const LISTENERS: [&str; 4] = ["grpc", "otlp_http", "llmtrace", "http"];

impl ConnectionMetrics {
    /// Everything is there from the start, so that an alert need not wait for the first one.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let mut add = Declare(registry);
        let metrics = Self {
            refused: add.metric(
                "meshtap_connections_refused",
                "Connections closed at once because a listener had as many as it may",
            ),
            displaced: add.metric(
                "meshtap_connections_displaced",
                "Connections of a peer with many closed for one of another, because a listener had as many as it may",
            ),
            timed_out: add.metric(
                "meshtap_connections_timed_out",
                "Connections closed because they did not begin, or brought no request, within receive.idle_timeout",
            ),
            not_taken: add.metric(
                "meshtap_connections_write_timed_out",
                "Connections closed because the other end did not take an answer within receive.write_timeout",
            ),
        };
        for family in [&metrics.refused, &metrics.displaced, &metrics.timed_out, &metrics.not_taken] {
            for listener in LISTENERS {
                drop(family.get_or_create(&ListenerLabels { listener }));
            }
        }
        metrics
    }

    pub fn refused(&self, listener: &'static str) {
        self.refused.get_or_create(&ListenerLabels { listener }).inc();
    }

    pub fn displaced(&self, listener: &'static str) {
        self.displaced.get_or_create(&ListenerLabels { listener }).inc();
    }

    pub fn timed_out(&self, listener: &'static str) {
        self.timed_out.get_or_create(&ListenerLabels { listener }).inc();
    }

    pub fn not_taken(&self, listener: &'static str) {
        self.not_taken.get_or_create(&ListenerLabels { listener }).inc();
    }
}
