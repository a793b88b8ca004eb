//! What of a request was refused, for the answer: each reason once, with the first span's message and the number of spans.

use std::fmt::Write as _;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;

use crate::telemetry::metrics::{Metrics, Rejection};

#[derive(Debug, Default)]
pub(super) struct Refusals {
    reasons: Vec<(Rejection, usize, String)>,
}

impl Refusals {
    /// `message` is asked for once for each reason.
    pub(super) fn add(&mut self, reason: Rejection, message: impl FnOnce() -> String) {
        match self.reasons.iter_mut().find(|(known, ..)| *known == reason) {
            Some((_, spans, _)) => *spans += 1,
            None => self.reasons.push((reason, 1, message())),
        }
    }

    pub(super) fn count(&self, metrics: &Metrics) {
        for (reason, spans, _) in &self.reasons {
            metrics.spans_rejected(*reason, *spans);
        }
    }

    pub(super) fn report(self) -> Option<ExportTracePartialSuccess> {
        let all: usize = self.reasons.iter().map(|(_, spans, _)| spans).sum();
        if all == 0 {
            return None;
        }
        let mut error_message = format!("{} rejected", spans(all));
        for (reason, count, message) in &self.reasons {
            let _ = write!(error_message, "; {} {}: {message}", spans(*count), reason.as_str());
        }
        Some(ExportTracePartialSuccess {
            rejected_spans: i64::try_from(all).unwrap_or(i64::MAX),
            error_message,
        })
    }
}

fn spans(count: usize) -> String {
    if count == 1 { "1 span".to_owned() } else { format!("{count} spans") }
}
