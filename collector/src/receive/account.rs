//! The spans of one request until each is counted where it ends.
//!
//! One that is dropped before it is closed belongs to a request that panicked: it counts as failed, with the spans that
//! were left, so that every span received ends somewhere.

use std::sync::Arc;

use super::intake::ExportError;
use crate::telemetry::metrics::Metrics;

#[derive(Debug)]
pub(super) struct Account {
    metrics: Arc<Metrics>,
    /// Counted as received, and nowhere else yet.
    spans: usize,
    is_open: bool,
}

impl Account {
    pub(super) const fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, spans: 0, is_open: true }
    }

    pub(super) const fn received(&mut self, spans: usize) {
        self.spans = spans;
    }

    /// So many are counted elsewhere.
    pub(super) const fn ended(&mut self, spans: usize) {
        self.spans = self.spans.saturating_sub(spans);
    }

    /// All of them are.
    pub(super) fn close(mut self) {
        self.is_open = false;
    }

    /// None of them went anywhere.
    pub(super) fn failed(&mut self, error: ExportError) -> ExportError {
        self.is_open = false;
        self.metrics.batch_failed(error.reason(), self.spans);
        error
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if self.is_open {
            self.metrics.batch_failed(ExportError::Internal.reason(), self.spans);
        }
    }
}
