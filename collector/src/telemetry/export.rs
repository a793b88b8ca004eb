//! The metrics of what is exported onward. What waits for a backend stands with the queue's, by cursor.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::metrics::{Declare, reasons};

/// From a backend in the same pod to one that is about to time out.
const REQUEST_BUCKETS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1., 5., 30.];

reasons! {
    /// How an attempt at sending a request ended.
    Attempt { Sent = "sent", Unavailable = "unavailable", Refused = "refused" }
}

reasons! {
    /// Why a backend refused a request for good.
    Refusal {
        Invalid = "invalid",
        Unauthorized = "unauthorized",
        NotFound = "not_found",
        TooLarge = "too_large",
        Exhausted = "exhausted",
        Other = "other",
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ExporterLabels {
    exporter: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    exporter: Arc<str>,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    exporter: Arc<str>,
    reason: &'static str,
}

type Seconds = Family<AttemptLabels, Histogram, fn() -> Histogram>;

/// Of all backends.
#[derive(Clone, Debug)]
pub(super) struct ExportMetrics {
    attempts: Family<AttemptLabels, Counter>,
    request_seconds: Seconds,
    spans_sent: Family<ExporterLabels, Counter>,
    spans_rejected: Family<ExporterLabels, Counter>,
    spans_refused: Family<RefusalLabels, Counter>,
}

impl ExportMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let mut add = Declare(registry);
        Self {
            attempts: add.metric(
                "meshtap_exporter_attempts",
                "Attempts at sending a request to a backend, by how they ended",
            ),
            request_seconds: add.histogram(
                "meshtap_exporter_request_duration_seconds",
                "From sending a request to the end of its answer",
                || Histogram::new(REQUEST_BUCKETS),
            ),
            spans_sent: add.metric("meshtap_exporter_spans_sent", "Spans that a backend has taken"),
            spans_rejected: add.metric(
                "meshtap_exporter_spans_rejected",
                "Spans that a backend rejected out of a request that it took, and that are not sent again",
            ),
            spans_refused: add.metric(
                "meshtap_exporter_spans_refused",
                "Spans of requests that a backend refused for good, and that are not sent again",
            ),
        }
    }

    /// Everything is there from the start.
    pub(super) fn of(&self, exporter: &str) -> ExporterMetrics {
        let metrics = ExporterMetrics { exporter: exporter.into(), all: self.clone() };
        for outcome in Attempt::ALL {
            drop(self.attempts.get_or_create(&metrics.attempt_labels(*outcome)));
        }
        for reason in Refusal::ALL {
            metrics.refused(*reason, 0);
        }
        metrics.sent(0, 0);
        metrics
    }
}

/// Of one backend.
#[derive(Clone, Debug)]
pub struct ExporterMetrics {
    exporter: Arc<str>,
    all: ExportMetrics,
}

impl ExporterMetrics {
    pub fn attempt(&self, outcome: Attempt, took: Duration) {
        let labels = self.attempt_labels(outcome);
        self.all.attempts.get_or_create(&labels).inc();
        self.all.request_seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    pub fn sent(&self, taken: u32, rejected: u32) {
        let labels = ExporterLabels { exporter: Arc::clone(&self.exporter) };
        self.all.spans_sent.get_or_create(&labels).inc_by(taken.into());
        self.all.spans_rejected.get_or_create(&labels).inc_by(rejected.into());
    }

    pub fn refused(&self, reason: Refusal, spans: u32) {
        let labels = RefusalLabels { exporter: Arc::clone(&self.exporter), reason: reason.as_str() };
        self.all.spans_refused.get_or_create(&labels).inc_by(spans.into());
    }

    fn attempt_labels(&self, outcome: Attempt) -> AttemptLabels {
        AttemptLabels { exporter: Arc::clone(&self.exporter), outcome: outcome.as_str() }
    }
}
