//! The settings of what takes spans in. The bounds hold for every transport.

use std::time::Duration;

use super::llmtrace::{self, LlmTrace};
use super::mistakes::Mistakes;
use super::read::Reader;
use super::tls::{self, Tls};
use super::units::parse_duration;

#[derive(Clone, Debug, PartialEq)]
pub struct Receive {
    pub grpc: Grpc,
    pub http: OtlpHttp,
    pub llmtrace: LlmTrace,
    /// Open connections of each listener, the API's too; more are closed at once.
    pub max_connections: usize,
    /// How long a connection may take to begin, and one of HTTP/1.1 to bring the head of its next request.
    pub idle_timeout: Duration,
    /// How long a handshake of TLS may take.
    pub handshake_timeout: Duration,
    /// How long the other end of HTTP/1.1 may take for an answer, the API's too, from when it first takes no more.
    pub write_timeout: Duration,
    /// How long the body of a request may take to come.
    pub body_timeout: Duration,
    /// How long a body may bring nothing, or the least of all, before it gives way to others where there is no room.
    pub stall_timeout: Duration,
    /// The same as `body_timeout` from the moment on when the collector is to stop.
    pub drain_timeout: Duration,
    pub limits: Limits,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Grpc {
    /// `host:port`; port 0 takes a free one.
    pub listen: String,
    /// `None` for connections in the clear.
    pub tls: Option<Tls>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct OtlpHttp {
    /// `host:port`; port 0 takes a free one.
    pub listen: String,
    /// `None` for connections in the clear.
    pub tls: Option<Tls>,
}

/// Bounds on one request and on one span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of one request, after decompression.
    pub max_message_bytes: usize,
    /// Of all requests that are still coming in, as they are on the wire; one beyond it is answered with
    /// RESOURCE_EXHAUSTED or 429.
    pub max_incoming_bytes: usize,
    /// Requests that are there and worked on; one beyond it is answered with RESOURCE_EXHAUSTED or 429.
    pub max_concurrent_batches: usize,
    pub max_spans_per_batch: usize,
    /// Also bounds a resource's, an event's and a link's attributes.
    pub max_attributes_per_span: usize,
    pub max_events_per_span: usize,
    pub max_links_per_span: usize,
    /// Also bounds names and status messages.
    pub max_attribute_value_bytes: usize,
    /// Arrays and maps within each other in one value.
    pub max_value_depth: usize,
    /// All names and values of a span, its events and its links together.
    pub max_span_bytes: usize,
    /// All names and values of a resource together.
    pub max_resource_bytes: usize,
    /// Of a span's start.
    pub max_span_age: SpanAge,
    /// How far in the future a span's end may lie; `None` as far as it likes.
    pub max_clock_skew: Option<Duration>,
    /// Days of UTC on which the spans of one request start.
    pub max_days_per_batch: usize,
}

/// How old a span may be when it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanAge {
    /// As old as the store keeps spans: [`super::Config::limits`] says how old that is.
    Retention,
    Within(Duration),
    Unlimited,
}

/// One request may hold this much at most, whatever is configured.
const MAX_MESSAGE_BYTES: usize = 256 << 20;
/// All that are coming in together.
const MAX_INCOMING_BYTES: usize = 2 << 30;
/// What decodes the values goes a hundred messages deep, and each map in a value is three.
const MAX_VALUE_DEPTH: usize = 24;

pub(super) fn read(reader: &mut Reader) -> Receive {
    Receive {
        grpc: Grpc {
            listen: reader.listen("receive.grpc.listen", "127.0.0.1:4317"),
            tls: tls::read(reader, tls::GRPC),
        },
        http: OtlpHttp {
            listen: reader.listen("receive.http.listen", "127.0.0.1:4318"),
            tls: tls::read(reader, tls::HTTP),
        },
        llmtrace: llmtrace::read(reader),
        max_connections: reader.count("receive.max_connections", 4_096),
        idle_timeout: reader.duration("receive.idle_timeout", "2m"),
        handshake_timeout: reader.duration("receive.handshake_timeout", "10s"),
        write_timeout: reader.duration("receive.write_timeout", "30s"),
        body_timeout: reader.duration("receive.body_timeout", "30s"),
        stall_timeout: reader.duration("receive.stall_timeout", "1s"),
        drain_timeout: reader.duration("receive.drain_timeout", "1s"),
        limits: read_limits(reader),
    }
}

fn read_limits(reader: &mut Reader) -> Limits {
    let mut bytes = |path, default| reader.size(path, default, MAX_MESSAGE_BYTES);
    let max_message_bytes = bytes("receive.limits.max_message_bytes", "4MiB");
    let max_attribute_value_bytes = bytes("receive.limits.max_attribute_value_bytes", "64KiB");
    let max_span_bytes = bytes("receive.limits.max_span_bytes", "256KiB");
    let max_resource_bytes = bytes("receive.limits.max_resource_bytes", "16KiB");
    let max_incoming_bytes = reader.size("receive.limits.max_incoming_bytes", "64MiB", MAX_INCOMING_BYTES);
    Limits {
        max_message_bytes,
        max_incoming_bytes,
        max_concurrent_batches: reader.count("receive.limits.max_concurrent_batches", 64),
        max_spans_per_batch: reader.count("receive.limits.max_spans_per_batch", 10_000),
        max_attributes_per_span: reader.count("receive.limits.max_attributes_per_span", 256),
        max_events_per_span: reader.count("receive.limits.max_events_per_span", 128),
        max_links_per_span: reader.count("receive.limits.max_links_per_span", 128),
        max_attribute_value_bytes,
        max_value_depth: reader.count("receive.limits.max_value_depth", 16),
        max_span_bytes,
        max_resource_bytes,
        max_span_age: read_age(reader),
        max_clock_skew: reader.duration_or("receive.limits.max_clock_skew", "1d", "unlimited"),
        max_days_per_batch: reader.count("receive.limits.max_days_per_batch", 100),
    }
}

fn read_age(reader: &mut Reader) -> SpanAge {
    let fix = "write a duration with its unit (ms, s, m, h, d), such as 30d, or retention, or unlimited";
    reader.read(
        "receive.limits.max_span_age",
        SpanAge::Retention,
        "is not a duration",
        fix,
        |text| match text.text {
            "retention" => Some(SpanAge::Retention),
            "unlimited" => Some(SpanAge::Unlimited),
            text => parse_duration(text).filter(|age| !age.is_zero()).map(SpanAge::Within),
        },
    )
}

pub(super) fn check(receive: &Receive, mistakes: &mut Mistakes) {
    tls::check(receive.grpc.tls.as_ref(), mistakes);
    tls::check(receive.http.tls.as_ref(), mistakes);
    if receive.limits.max_incoming_bytes < receive.limits.max_message_bytes {
        mistakes.add(
            "receive.limits.max_incoming_bytes",
            "is less than receive.limits.max_message_bytes",
            "the largest request has to have room",
        );
    }
    if receive.limits.max_value_depth > MAX_VALUE_DEPTH {
        mistakes.add(
            "receive.limits.max_value_depth",
            format!("is more than {MAX_VALUE_DEPTH}"),
            "values that deep cannot be decoded",
        );
    }
}
