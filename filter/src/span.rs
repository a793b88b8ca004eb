//! One finished LLM call, typed. What its attributes are called stands in [`crate::semconv`], how it travels in
//! [`crate::otlp`].

use std::borrow::Cow;

use crate::caller::Caller;
use crate::content::Content;
use crate::ending::{End, ErrorType};
use crate::provider::{Facts, Operation};
use crate::trace_context::SpanContext;
use crate::usage::{Usage, UsageSource};

/// Nanoseconds since the Unix epoch.
pub type UnixNanos = u64;

#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    pub context: SpanContext,
    pub kind: Kind,
    pub start: UnixNanos,
    pub end: UnixNanos,
    pub operation: Operation,
    /// `meshtap.api`.
    pub api: &'static str,
    pub provider_name: Cow<'static, str>,
    /// What the bodies said.
    pub facts: Facts,
    pub usage: Usage,
    pub usage_source: UsageSource,
    /// Why there are no counts; only when `usage_source` is absent.
    pub usage_absent_reason: Option<&'static str>,
    pub stream: StreamTimes,
    pub http: Http,
    pub ending: End,
    pub error_type: Option<ErrorType>,
    pub envoy: EnvoyFacts,
    /// Without the user, who stands in `facts`, and the principals, which stand in `envoy`.
    pub caller: Caller,
    /// Only where content is switched on.
    pub content: Option<Content>,
}

/// Who made the call, from the point of view of the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The workload of this pod calls a model.
    Client,
    /// The workload of this pod serves a model.
    Server,
}

/// When the events of a streamed answer came, all absent for any other answer.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct StreamTimes {
    pub first_chunk: Option<UnixNanos>,
    /// First text, reasoning or tool call.
    pub first_content: Option<UnixNanos>,
    pub last_content: Option<UnixNanos>,
    /// Events that carried text, reasoning or a tool call.
    pub output_chunks: u64,
    pub longest_gap_nanos: u64,
}

impl StreamTimes {
    pub fn chunk(&mut self, now: UnixNanos) {
        self.first_chunk.get_or_insert(now);
    }

    pub fn content(&mut self, now: UnixNanos) {
        self.first_content.get_or_insert(now);
        if let Some(last) = self.last_content {
            self.longest_gap_nanos = self.longest_gap_nanos.max(now.saturating_sub(last));
        }
        self.last_content = Some(now);
        self.output_chunks = self.output_chunks.saturating_add(1);
    }

    /// Mean and longest gap between two output chunks; absent with fewer than two.
    pub fn gaps_nanos(&self) -> Option<(u64, u64)> {
        let gaps = self.output_chunks.checked_sub(1)?;
        let whole = self.last_content?.saturating_sub(self.first_content?);
        Some((whole.checked_div(gaps)?, self.longest_gap_nanos))
    }
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Http {
    pub method: String,
    pub server_address: String,
    pub server_port: Option<u16>,
    /// Without its query.
    pub path: String,
    pub user_agent: Option<String>,
    pub status: Option<u16>,
    pub request_bytes: u64,
    pub response_bytes: u64,
    /// Why a body could not be read, or not to its end.
    pub request_unread: Option<Unread>,
    pub response_unread: Option<Unread>,
}

/// Why a body could not be read. Each has a counter of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// Compressed in a way that is not known.
    ContentEncoding,
    /// The compressed bytes are damaged.
    EncodingCorrupt,
    /// Decompressing it would take more memory than its bound.
    EncodingMemory,
    /// Decompressing it would take more memory than the other bodies leave.
    EncodingVmMemory,
    /// It expands beyond its bound.
    EncodingExpansion,
    /// Of a content type that holds no answer that could be read.
    ContentType,
    Malformed,
    /// It ended before its JSON, or before the event that ends a stream.
    Truncated,
    /// A checksum of a binary frame does not hold.
    Checksum,
    /// The headers of a binary frame were longer than its bound.
    Oversized,
}

impl Unread {
    pub const ALL: [Self; 10] = [
        Self::ContentEncoding,
        Self::EncodingCorrupt,
        Self::EncodingMemory,
        Self::EncodingVmMemory,
        Self::EncodingExpansion,
        Self::ContentType,
        Self::Malformed,
        Self::Truncated,
        Self::Checksum,
        Self::Oversized,
    ];

    /// Whether the rest was not read because of a bound of ours.
    pub fn is_bound(self) -> bool {
        matches!(self, Self::EncodingMemory | Self::EncodingVmMemory | Self::EncodingExpansion)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::ContentEncoding => "content_encoding",
            Self::EncodingCorrupt => "encoding_corrupt",
            Self::EncodingMemory => "encoding_memory",
            Self::EncodingVmMemory => "encoding_vm_memory",
            Self::EncodingExpansion => "encoding_expansion",
            Self::ContentType => "content_type",
            Self::Malformed => "malformed",
            Self::Truncated => "truncated",
            Self::Checksum => "checksum",
            Self::Oversized => "oversized",
        }
    }
}

/// What the proxy says about where the call went.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct EnvoyFacts {
    pub cluster: Option<String>,
    pub route: Option<String>,
    pub attempts: Option<u64>,
    pub response_code_details: String,
    pub response_flags: u64,
    pub principals: Principals,
}

/// SPIFFE ids of the two ends of a call.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Principals {
    pub source: Option<String>,
    pub destination: Option<String>,
}
