//! The metrics of LLMTrace's ingestion, beside those of all spans.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    reason: &'static str,
}

/// Why a span cannot become one. They show from the start.
const REASONS: [&str; 5] = ["invalid_id", "invalid_tenant_id", "not_ended", "too_many_tags", "malformed"];

#[derive(Debug)]
pub struct LlmTraceMetrics {
    spans_received: Counter,
    spans_rejected: Family<Labels, Counter>,
}

impl LlmTraceMetrics {
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self { spans_received: Counter::default(), spans_rejected: Family::default() };
        registry.register(
            "meshtap_llmtrace_spans_received",
            "Spans that came in LLMTrace's own format",
            metrics.spans_received.clone(),
        );
        registry.register(
            "meshtap_llmtrace_spans_rejected",
            "Spans in LLMTrace's own format that could not become spans, and were reported to the sender",
            metrics.spans_rejected.clone(),
        );
        for reason in REASONS {
            drop(metrics.spans_rejected.get_or_create(&Labels { reason }));
        }
        metrics
    }

    pub fn received(&self, spans: usize) {
        self.spans_received.inc_by(spans as u64);
    }

    pub fn rejected(&self, reason: &'static str) {
        self.spans_rejected.get_or_create(&Labels { reason }).inc();
    }
}
