//! What the collector knows about one span, independent of the wire it came over and of the store it goes to.
//!
//! Invariants of a [`SpanRecord`], established by `receive::limits` and `normalize`:
//! - ids are not all zero; both times are at most [`MAX_UNIX_NANOS`] and `start <= end`;
//! - an unknown value is `None` (or an empty list), never zero and never an empty string;
//! - every count fits a signed 64-bit integer, so that no store has to wrap or clamp.

use std::fmt;
use std::sync::Arc;

use meshtap_filter::semconv;
use serde_json::Value;

pub use self::attributes::{Attributes, Name};
use crate::hex::{self, Hex};

mod attributes;

/// The latest time that every store can hold: 2262-04-11.
pub const MAX_UNIX_NANOS: u64 = i64::MAX.unsigned_abs();
/// The largest count that every store can hold.
pub const MAX_COUNT: u64 = i64::MAX.unsigned_abs();

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(pub [u8; 16]);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(pub [u8; 8]);

impl TraceId {
    /// Reads 32 hexadecimal digits; `None` for anything else and for the all-zero id.
    pub fn from_hex(text: &str) -> Option<Self> {
        non_zero(text).map(Self)
    }
}

impl SpanId {
    /// Reads 16 hexadecimal digits; `None` for anything else and for the all-zero id.
    pub fn from_hex(text: &str) -> Option<Self> {
        non_zero(text).map(Self)
    }
}

fn non_zero<const N: usize>(text: &str) -> Option<[u8; N]> {
    hex::parse(text).filter(|id| *id != [0; N])
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Declares an enum together with the one word each variant has in stores, in the API and in query parameters.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word)
            }
        }
    };
}

words! {
    /// OTLP's span kinds.
    SpanKind {
        Unspecified = "unspecified",
        Internal = "internal",
        Server = "server",
        Client = "client",
        Producer = "producer",
        Consumer = "consumer",
    }
}

words! {
    /// OTLP's status codes.
    StatusCode { Unset = "unset", Ok = "ok", Error = "error" }
}

words! {
    /// From which end a model call was seen. Both ends of one call may report it: usage counts one side at a time.
    CallSide { Outbound = "outbound", Inbound = "inbound" }
}

words! {
    /// What usage can be grouped by. `Model` is the requested model, or the answering one where no request named one.
    Dimension {
        Model = "model",
        Provider = "provider",
        Service = "service",
        Workload = "workload",
        Namespace = "namespace",
        Operation = "operation",
        User = "user",
        Session = "session",
    }
}

/// Operations whose usage would be counted twice: an agent's repeats that of the model calls inside it, and a batch
/// says its own in every answer that shows it. Also those that ask a store and no model.
pub const REPEATING_OPERATIONS: &[&str] = &[
    "invoke_agent",
    "invoke_workflow",
    "create_agent",
    "agent_step",
    "plan",
    "execute_tool",
    "batch",
    "fetch_response",
    "retrieval",
    "create_memory",
    "search_memory",
    "update_memory",
    "upsert_memory",
    "delete_memory",
    "create_memory_store",
    "delete_memory_store",
];

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Includes the cached tokens.
    pub input_tokens: Option<u64>,
    /// Includes the reasoning tokens.
    pub output_tokens: Option<u64>,
    pub cache_read_input_tokens: Option<u64>,
    pub cache_creation_input_tokens: Option<u64>,
    pub reasoning_output_tokens: Option<u64>,
    /// Where the counts came from: `meshtap.usage.source`.
    pub source: Option<String>,
}

impl Usage {
    /// Whether the call reported how many tokens went in or came out.
    pub fn is_known(&self) -> bool {
        self.input_tokens.is_some() || self.output_tokens.is_some()
    }
}

/// Who sent the span, from its resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origin {
    pub service_name: Option<String>,
    pub service_namespace: Option<String>,
    /// The Kubernetes namespace.
    pub namespace: Option<String>,
    /// The deployment, or the service name where the resource names no deployment.
    pub workload: Option<String>,
    pub pod: Option<String>,
}

/// The GenAI view of a span; all `None` on a plain span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GenAi {
    pub operation_name: Option<String>,
    pub provider_name: Option<String>,
    pub request_model: Option<String>,
    pub response_model: Option<String>,
    pub response_id: Option<String>,
    pub finish_reasons: Vec<String>,
    pub stream: Option<bool>,
    pub usage: Usage,
    pub time_to_first_chunk_nanos: Option<u64>,
    pub time_to_first_content_nanos: Option<u64>,
    /// How the exchange ended: `meshtap.end`.
    pub end: Option<String>,
}

impl GenAi {
    pub fn model(&self) -> Option<&str> {
        self.request_model.as_deref().or(self.response_model.as_deref())
    }

    /// Whether there is anything that makes a span one of GenAI.
    pub fn is_present(&self) -> bool {
        self.operation_name.is_some()
            || self.provider_name.is_some()
            || self.model().is_some()
            || self.usage.is_known()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct SpanRecord {
    pub trace_id: TraceId,
    pub span_id: SpanId,
    pub parent_span_id: Option<SpanId>,
    pub name: String,
    pub kind: SpanKind,
    pub start_unix_nanos: u64,
    pub end_unix_nanos: u64,
    pub status: StatusCode,
    pub status_message: Option<String>,
    pub trace_state: Option<String>,
    pub scope_name: Option<String>,
    pub scope_version: Option<String>,
    pub origin: Origin,
    pub gen_ai: GenAi,
    pub error_type: Option<String>,
    pub http_status_code: Option<u16>,
    /// The span's attributes without those that became fields above.
    pub attributes: Attributes,
    /// Every attribute of the resource, shared by its spans.
    pub resource: Arc<Attributes>,
    /// The span's events, as JSON objects.
    pub events: Vec<Value>,
    /// The span's links, as JSON objects.
    pub links: Vec<Value>,
}

impl SpanRecord {
    pub const fn key(&self) -> SpanKey {
        SpanKey { start_unix_nanos: self.start_unix_nanos, trace_id: self.trace_id, span_id: self.span_id }
    }

    pub const fn duration_nanos(&self) -> u64 {
        self.end_unix_nanos.saturating_sub(self.start_unix_nanos)
    }

    pub fn is_error(&self) -> bool {
        self.status == StatusCode::Error || self.error_type.is_some()
    }

    /// The side from which this span saw one model call; `None` for plain spans and for operations that repeat usage.
    pub fn call_side(&self) -> Option<CallSide> {
        let repeats =
            self.gen_ai.operation_name.as_deref().is_some_and(|name| REPEATING_OPERATIONS.contains(&name));
        if repeats || !self.gen_ai.is_present() {
            return None;
        }
        Some(if self.kind == SpanKind::Server { CallSide::Inbound } else { CallSide::Outbound })
    }

    pub fn dimension(&self, dimension: Dimension) -> Option<&str> {
        match dimension {
            Dimension::Model => self.gen_ai.model(),
            Dimension::Provider => self.gen_ai.provider_name.as_deref(),
            Dimension::Service => self.origin.service_name.as_deref(),
            Dimension::Workload => self.origin.workload.as_deref(),
            Dimension::Namespace => self.origin.namespace.as_deref(),
            Dimension::Operation => self.gen_ai.operation_name.as_deref(),
            Dimension::User => self.text_attribute(semconv::MESHTAP_USER_ID),
            Dimension::Session => self.text_attribute(semconv::MESHTAP_SESSION_ID),
        }
    }

    fn text_attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }
}

/// What a span is known by, and the total order of spans: by start, then by ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanKey {
    pub start_unix_nanos: u64,
    pub trace_id: TraceId,
    pub span_id: SpanId,
}

/// Spans whose start lies in `from..to`; an open end does not bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TimeRange {
    pub from_unix_nanos: Option<u64>,
    pub to_unix_nanos: Option<u64>,
}

impl TimeRange {
    pub fn contains(&self, unix_nanos: u64) -> bool {
        self.from_unix_nanos.is_none_or(|from| from <= unix_nanos)
            && self.to_unix_nanos.is_none_or(|to| unix_nanos < to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_strictly() {
        let id = TraceId::from_hex("0af7651916cd43dd8448eb211c80319c").unwrap();
        assert_eq!(id.to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(TraceId::from_hex("0AF7651916CD43DD8448EB211C80319C"), Some(id));
        for bad in ["", "0", "zz", "00000000000000000000000000000000", "0af7651916cd43dd8448eb211c80319é"] {
            assert_eq!(TraceId::from_hex(bad), None, "{bad}");
        }
        assert_eq!(SpanId::from_hex("+123456789abcdef"), None);
    }

    #[test]
    fn time_ranges_are_half_open() {
        let range = TimeRange { from_unix_nanos: Some(5), to_unix_nanos: Some(7) };
        assert_eq!([4, 5, 6, 7].map(|at| range.contains(at)), [false, true, true, false]);
        assert!(TimeRange::default().contains(0));
    }
}
