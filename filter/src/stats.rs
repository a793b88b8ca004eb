//! The filter's own counters and gauges. The core counts into [`Stats`]; the host layer hands what has changed to Envoy.
//!
//! Envoy shows them in `/stats` as `wasmcustom.NAME` and in Prometheus as `NAME`.

use crate::span::Unread;

macro_rules! metrics {
    ($($variant:ident = $name:literal, $help:literal;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Metric { $($variant),* }

        impl Metric {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            pub const COUNT: usize = Self::ALL.len();

            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            pub fn help(self) -> &'static str {
                match self { $(Self::$variant => $help),* }
            }
        }
    };
}

metrics! {
    SpansFinished = "meshtap_spans_finished_total", "LLM calls seen to their end";
    Heartbeats = "meshtap_heartbeats_total", "heartbeats made; each is sent as a span";
    SpansExported = "meshtap_spans_exported_total", "spans that the collector accepted";
    SpansDroppedQueueFull = "meshtap_spans_dropped_queue_full_total", "spans dropped because the queue was full, oldest first";
    SpansDroppedRefused = "meshtap_spans_dropped_refused_total", "spans dropped because the collector refused their batch for good";
    SpansRejected = "meshtap_spans_rejected_total", "spans that the collector rejected out of an accepted batch";
    SpansLeft = "meshtap_spans_left_total", "spans that the last VM of a module left behind when it ended";
    SpansTakenOver = "meshtap_spans_taken_over_total", "spans that a VM took over from one that ended";
    ExportBytes = "meshtap_export_bytes_total", "bytes of batches handed to Envoy, retries included";
    ExportCalls = "meshtap_export_calls_total", "batches handed to Envoy, retries included";
    ExportRetries = "meshtap_export_retries_total", "batches put back because the collector could not be reached or asked to wait";
    QueueBytes = "meshtap_queue_bytes", "gauge: bytes of spans waiting or in flight";
    QueueSpans = "meshtap_queue_spans", "gauge: spans waiting or in flight";
    RequestUnreadContentEncoding = "meshtap_request_unread_content_encoding_total", "request bodies not read to their end: compressed in a way that is not known";
    RequestUnreadEncodingCorrupt = "meshtap_request_unread_encoding_corrupt_total", "request bodies not read to their end: damaged under their content coding";
    RequestUnreadEncodingMemory = "meshtap_request_unread_encoding_memory_total", "request bodies not read to their end: asking for a window beyond limits.max_window_bytes";
    RequestUnreadEncodingVmMemory = "meshtap_request_unread_encoding_vm_memory_total", "request bodies not read to their end: asking for more memory than limits.max_decoder_bytes leaves";
    RequestUnreadEncodingExpansion = "meshtap_request_unread_encoding_expansion_total", "request bodies not read to their end: expanding beyond limits.max_expansion_ratio";
    RequestUnreadContentType = "meshtap_request_unread_content_type_total", "request bodies not read to their end: of a content type that is not read";
    RequestUnreadMalformed = "meshtap_request_unread_malformed_total", "request bodies not read to their end: malformed";
    RequestUnreadTruncated = "meshtap_request_unread_truncated_total", "request bodies not read to their end: truncated";
    RequestUnreadChecksum = "meshtap_request_unread_checksum_total", "request bodies not read to their end: with a wrong checksum in a binary frame";
    RequestUnreadOversized = "meshtap_request_unread_oversized_total", "request bodies not read to their end: with a binary frame whose headers are longer than limits.max_frame_bytes";
    ResponseUnreadContentEncoding = "meshtap_response_unread_content_encoding_total", "answers not read to their end: compressed in a way that is not known";
    ResponseUnreadEncodingCorrupt = "meshtap_response_unread_encoding_corrupt_total", "answers not read to their end: damaged under their content coding";
    ResponseUnreadEncodingMemory = "meshtap_response_unread_encoding_memory_total", "answers not read to their end: asking for a window beyond limits.max_window_bytes";
    ResponseUnreadEncodingVmMemory = "meshtap_response_unread_encoding_vm_memory_total", "answers not read to their end: asking for more memory than limits.max_decoder_bytes leaves";
    ResponseUnreadEncodingExpansion = "meshtap_response_unread_encoding_expansion_total", "answers not read to their end: expanding beyond limits.max_expansion_ratio";
    ResponseUnreadContentType = "meshtap_response_unread_content_type_total", "answers not read to their end: of a content type that is not read";
    ResponseUnreadMalformed = "meshtap_response_unread_malformed_total", "answers not read to their end: malformed";
    ResponseUnreadTruncated = "meshtap_response_unread_truncated_total", "answers not read to their end: truncated";
    ResponseUnreadChecksum = "meshtap_response_unread_checksum_total", "answers not read to their end: with a wrong checksum in a binary frame";
    ResponseUnreadOversized = "meshtap_response_unread_oversized_total", "answers not read to their end: with a binary frame whose headers are longer than limits.max_frame_bytes";
    UsageAbsent = "meshtap_usage_absent_total", "LLM calls without token counts, whatever the reason";
    AttributesTruncated = "meshtap_attributes_truncated_total", "strings cut at their bound and usage objects left out for their size";
    ContentCaptured = "meshtap_content_captured_total", "spans that left with content";
    ContentTruncated = "meshtap_content_truncated_total", "spans whose content was cut to stay within content.max_message_bytes or content.max_span_bytes";
    ContentMessagesDropped = "meshtap_content_messages_dropped_total", "messages of requests left out of the content to stay within content.max_span_bytes, oldest first";
    ContentDroppedQueueFull = "meshtap_content_dropped_queue_full_total", "contents dropped because the queue was full, oldest first; their spans stayed";
    RedactedEmail = "meshtap_content_redacted_email_total", "e-mail addresses taken out of content before it left the pod";
    RedactedPhone = "meshtap_content_redacted_phone_total", "telephone numbers taken out of content before it left the pod";
    RedactedCreditCard = "meshtap_content_redacted_credit_card_total", "payment card numbers taken out of content before it left the pod";
    RedactedIban = "meshtap_content_redacted_iban_total", "bank accounts taken out of content before it left the pod";
    RedactedApiKey = "meshtap_content_redacted_api_key_total", "keys, tokens and passwords taken out of content before it left the pod";
    RedactedJwt = "meshtap_content_redacted_jwt_total", "JSON Web Tokens taken out of content before it left the pod";
    RedactedPrivateKey = "meshtap_content_redacted_private_key_total", "private keys taken out of content before it left the pod";
    RedactedIpAddress = "meshtap_content_redacted_ip_address_total", "IP addresses taken out of content before it left the pod";
    RedactedLiteral = "meshtap_content_redacted_literal_total", "literals of redaction.literals taken out of content before it left the pod";
    RedactedPattern = "meshtap_content_redacted_pattern_total", "matches of redaction.patterns taken out of content before it left the pod";
    ConfigProblems = "meshtap_config_problems_total", "mistakes in a plugin configuration, counted once for each push of it";
    ExchangesSeenTwice = "meshtap_exchanges_seen_twice_total", "calls that another plugin of the same proxy makes the span of";
    HostErrors = "meshtap_host_errors_total", "calls to the proxy that failed where they should not";
}

impl Metric {
    pub fn is_gauge(self) -> bool {
        matches!(self, Self::QueueBytes | Self::QueueSpans)
    }

    pub fn request_unread(reason: Unread) -> Self {
        match reason {
            Unread::ContentEncoding => Self::RequestUnreadContentEncoding,
            Unread::EncodingCorrupt => Self::RequestUnreadEncodingCorrupt,
            Unread::EncodingMemory => Self::RequestUnreadEncodingMemory,
            Unread::EncodingVmMemory => Self::RequestUnreadEncodingVmMemory,
            Unread::EncodingExpansion => Self::RequestUnreadEncodingExpansion,
            Unread::ContentType => Self::RequestUnreadContentType,
            Unread::Malformed => Self::RequestUnreadMalformed,
            Unread::Truncated => Self::RequestUnreadTruncated,
            Unread::Checksum => Self::RequestUnreadChecksum,
            Unread::Oversized => Self::RequestUnreadOversized,
        }
    }

    pub fn response_unread(reason: Unread) -> Self {
        match reason {
            Unread::ContentEncoding => Self::ResponseUnreadContentEncoding,
            Unread::EncodingCorrupt => Self::ResponseUnreadEncodingCorrupt,
            Unread::EncodingMemory => Self::ResponseUnreadEncodingMemory,
            Unread::EncodingVmMemory => Self::ResponseUnreadEncodingVmMemory,
            Unread::EncodingExpansion => Self::ResponseUnreadEncodingExpansion,
            Unread::ContentType => Self::ResponseUnreadContentType,
            Unread::Malformed => Self::ResponseUnreadMalformed,
            Unread::Truncated => Self::ResponseUnreadTruncated,
            Unread::Checksum => Self::ResponseUnreadChecksum,
            Unread::Oversized => Self::ResponseUnreadOversized,
        }
    }
}

/// Changes since the last time they were taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    changes: [i64; Metric::COUNT],
}

impl Default for Stats {
    fn default() -> Self {
        Self { changes: [0; Metric::COUNT] }
    }
}

impl Stats {
    pub fn add(&mut self, metric: Metric, count: impl TryInto<i64>) {
        if let Some(change) = self.changes.get_mut(metric as usize) {
            *change = change.saturating_add(count.try_into().unwrap_or(i64::MAX));
        }
    }

    pub fn subtract(&mut self, gauge: Metric, count: impl TryInto<i64>) {
        if let Some(change) = self.changes.get_mut(gauge as usize) {
            *change = change.saturating_sub(count.try_into().unwrap_or(i64::MAX));
        }
    }

    /// Hands every change to `report` and forgets it.
    pub fn take(&mut self, mut report: impl FnMut(Metric, i64)) {
        for (metric, change) in Metric::ALL.iter().zip(&mut self.changes) {
            if *change != 0 {
                report(*metric, std::mem::take(change));
            }
        }
    }

    /// What is counted of every span, wherever it goes.
    pub fn span(&mut self, span: &crate::span::Span) {
        self.add(Metric::SpansFinished, 1);
        if let Some(reason) = span.http.request_unread {
            self.add(Metric::request_unread(reason), 1);
        }
        if let Some(reason) = span.http.response_unread {
            self.add(Metric::response_unread(reason), 1);
        }
        if span.usage.is_absent() {
            self.add(Metric::UsageAbsent, 1);
        }
        if let Some(content) = &span.content {
            self.add(Metric::ContentCaptured, 1);
            self.add(Metric::ContentTruncated, i64::from(content.truncated));
            self.add(Metric::ContentMessagesDropped, content.dropped_messages);
            for (kind, count) in content.redactions.iter() {
                if let Some(metric) =
                    Metric::ALL.get((Metric::RedactedEmail as usize).saturating_add(kind as usize))
                {
                    self.add(*metric, count);
                }
            }
        }
        if span.facts.truncated > 0 {
            self.add(Metric::AttributesTruncated, span.facts.truncated);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_redaction_has_its_metric() {
        for kind in crate::redact::Kind::ALL {
            let metric = Metric::ALL[Metric::RedactedEmail as usize + *kind as usize];
            assert_eq!(metric.name(), format!("meshtap_content_redacted_{}_total", kind.name()));
        }
    }

    #[test]
    fn changes_are_taken_once() {
        let mut stats = Stats::default();
        stats.add(Metric::SpansExported, 2);
        stats.add(Metric::QueueBytes, 10);
        stats.subtract(Metric::QueueBytes, 4);
        let mut taken = Vec::new();
        stats.take(|metric, change| taken.push((metric.name(), change)));
        assert_eq!(taken, [("meshtap_spans_exported_total", 2), ("meshtap_queue_bytes", 6)]);
        stats.take(|metric, _| panic!("{metric:?} was taken before"));
    }

    #[test]
    fn every_reason_has_counters_of_its_name() {
        for reason in Unread::ALL {
            for (metric, part) in
                [(Metric::request_unread(reason), "request"), (Metric::response_unread(reason), "response")]
            {
                assert_eq!(metric.name(), format!("meshtap_{part}_unread_{}_total", reason.name()));
            }
        }
    }
}
