//! Whole exchanges: an answer of one adapter, or callbacks in any order.

use std::collections::HashSet;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;

use super::choices::{Choices, Cuts, however_cut};
use crate::caller::{self, LastKey};
use crate::config::{Config, Content, ContentMode, Detect, Limits};
use crate::detect::Detected;
use crate::ending::StreamLog;
use crate::exchange::{Exchange, Headers};
use crate::otlp;
use crate::provider::Adapter;
use crate::recording::{Held, Means, Recording};
use crate::span::{EnvoyFacts, Kind, Span};
use crate::stats::Stats;
use crate::usage::UsageSource;

#[derive(Debug, Default, Clone)]
struct Map<'a>(Vec<(&'static str, &'a [u8])>);

impl Headers for Map<'_> {
    fn bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

const CONTENT_TYPES: [&[u8]; 12] = [
    b"application/json",
    b"text/event-stream",
    b"application/x-ndjson",
    b"application/vnd.amazon.eventstream",
    b"multipart/form-data; boundary=x-y",
    b"application/stream+json; charset=utf-8",
    b"text/plain",
    b"audio/mpeg",
    b"",
    b"text/html",
    b" APPLICATION/JSON ;",
    b"\xff\xfe",
];
const CODINGS: [&[u8]; 9] =
    [b"gzip", b"deflate", b"br", b"zstd", b"identity", b"", b"br, gzip", b"compress", b"gzip, zstd"];
const CODE_DETAILS: [&str; 8] = [
    "via_upstream",
    "downstream_remote_disconnect",
    "upstream_reset_after_response_started{protocol_error}",
    "upstream_reset_before_response_started{overflow}",
    "response_timeout",
    "direct_response",
    "",
    "codec_error:",
];
const AUTHORITIES: [&[u8]; 12] = [
    b"api.openai.com",
    b"api.anthropic.com:443",
    b"generativelanguage.googleapis.com",
    b"bedrock-runtime.us-east-1.amazonaws.com",
    b"api.cohere.com",
    b"us-south.ml.cloud.ibm.com",
    b"api.mistral.ai",
    b"[::1]:11434",
    b"europe-west1-aiplatform.googleapis.com",
    b"bedrock-agent-runtime.us-east-1.amazonaws.com",
    b"ollama",
    b"API.OPENAI.COM",
];
const PATHS: [&[u8]; 20] = [
    b"/v1/chat/completions?key=secret",
    b"/v1/messages",
    b"/v1/responses",
    b"/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
    b"/v1beta/models/gemini-2.5-pro:generateContent",
    b"/model/anthropic.claude%3A0/converse-stream",
    b"/model/amazon.nova-lite-v1:0/invoke-with-response-stream",
    b"/model/meta.llama3/invoke",
    b"/model/cohere.command-r/invoke-with-response-stream",
    b"/v2/chat",
    b"/ml/v1/text/generation_stream?version=1",
    b"/v1/embeddings",
    b"/api/chat",
    b"/api/generate",
    b"/v1/audio/transcriptions",
    b"/agents/A/agentAliases/B/sessions/C/text",
    b"/openai/deployments/gpt%2D4o/chat/completions",
    b"/v1/rerank",
    b"/v1/interactions",
    b"/v1/completions",
];

/// Limits as they come, or small ones.
fn limits(small: bool) -> Limits {
    let limits = Config::default().limits;
    if !small {
        return limits;
    }
    Limits {
        max_attribute_bytes: 64,
        max_list_bytes: 128,
        max_raw_usage_bytes: 32,
        max_frame_bytes: 1 << 10,
        max_window_bytes: 32 << 10,
        max_decoder_bytes: 1 << 20,
        max_expansion_ratio: 2,
        max_unread_bytes: 1 << 10,
    }
}

/// A request and an answer of some adapter.
pub fn adapters(data: &[u8]) {
    let mut choices = Choices(data);
    let (cuts, adapter, how) = (choices.byte(), super::adapter(choices.byte()), choices.byte());
    let request_length = usize::from(choices.byte()) * 4;
    let played = Played {
        adapter,
        limits: limits(how & 0x80 != 0),
        content_type: CONTENT_TYPES[usize::from(how & 0x7f) % CONTENT_TYPES.len()],
        request: choices.bytes(request_length),
        response: choices.rest(),
    };
    played.check(cuts);
}

/// A body as an answer of an adapter.
pub(super) fn answer(adapter: &'static Adapter, content_type: &str, cuts: u8, body: &[u8]) {
    let content_type = content_type.as_bytes();
    Played { adapter, limits: limits(false), content_type, request: b"{}", response: body }.check(cuts);
}

/// An exchange in its usual order.
struct Played<'a> {
    adapter: &'static Adapter,
    limits: Limits,
    content_type: &'a [u8],
    request: &'a [u8],
    response: &'a [u8],
}

impl Played<'_> {
    fn check(&self, cuts: u8) {
        let length = self.request.len() + self.response.len();
        let span = however_cut(length, cuts, |cuts| self.play(cuts));
        check_span(&span, &self.limits);
    }

    fn play(&self, cuts: Cuts) -> Span {
        let detected = Detected {
            provider_name: "fuzzed".into(),
            adapter: self.adapter,
            model: None,
            conversation: None,
            streams: None,
            content: None,
            url_decides: false,
        };
        let mut config = Config { limits: self.limits.clone(), ..Config::default() };
        config.content = content(ContentMode::Full);
        let request = Map(vec![("content-type", &b"application/json"[..])]);
        let mut exchange = Exchange::start(detected, &config, &request, Kind::Client, 1, &mut || 7);
        for piece in cuts.pieces(self.request) {
            exchange.request_body(piece);
        }
        exchange.response_headers(&Map(vec![(":status", b"200"), ("content-type", self.content_type)]), 2);
        for piece in cuts.pieces(self.response) {
            exchange.response_body(piece, 3);
        }
        let log = StreamLog { code_details: "via_upstream".to_owned(), ..StreamLog::default() };
        exchange.finish(log, EnvoyFacts::default(), 4)
    }
}

/// One callback of the host.
#[derive(Debug)]
enum Callback<'a> {
    RequestBody(&'a [u8]),
    ResponseHeaders(Map<'a>, u64),
    ResponseBody(&'a [u8], u64),
    SkippedBody(usize),
}

/// Longest sequence of callbacks.
const MAX_CALLBACKS: usize = 64;

/// A whole exchange: callbacks in any order, missing and repeated, over at any moment.
pub fn exchange(data: &[u8]) {
    let mut choices = Choices(data);
    let (cuts, how) = (choices.byte(), choices.byte());
    let detect = if how & 1 == 0 { Detect::Heuristic } else { Detect::Known };
    let mut config = Config { detect, limits: limits(how & 2 != 0), ..Config::default() };
    config.content = content(match how >> 5 {
        0 | 1 => ContentMode::Off,
        2 | 3 => ContentMode::Fingerprint,
        4 | 5 => ContentMode::Redacted,
        _ => ContentMode::Full,
    });
    let request = request_headers(&mut choices);
    let kind = if how & 4 == 0 { Kind::Client } else { Kind::Server };
    let Some(detected) = Exchange::detect(&config, &request) else { return };
    let log = StreamLog {
        code_details: if how & 8 == 0 {
            (*choices.of(&CODE_DETAILS)).to_owned()
        } else {
            choices.text().escape_ascii().to_string()
        },
        flags: if how & 16 == 0 { 0 } else { choices.number() },
        status: (how & 32 != 0).then_some(500),
    };
    let mut callbacks = Vec::new();
    while !choices.is_empty() && callbacks.len() < MAX_CALLBACKS {
        callbacks.push(callback(&mut choices));
    }
    let span = however_cut(data.len(), cuts, |cuts| {
        let mut exchange = Exchange::start(detected.clone(), &config, &request, kind, 100, &mut || 7);
        exchange.made_by(caller::read(&config, &request, kind, &mut LastKey::default()));
        for callback in &callbacks {
            play(&mut exchange, callback, cuts);
        }
        exchange.finish(log.clone(), EnvoyFacts::default(), 200)
    });
    check_span(&span, &config.limits);
    if callbacks.iter().any(|callback| matches!(callback, Callback::SkippedBody(_))) {
        return;
    }
    let mut last_key = LastKey::default();
    let mut means = Means { config: &config, random: &mut || 7, last_key: &mut last_key };
    let mut recording = Recording::begin(request.clone(), detected, 100, Held::default());
    for callback in &callbacks {
        record(&mut recording, callback, Cuts::chosen(how));
        if recording.is_full(usize::from(how) << 4) {
            recording.read(kind, &mut means);
        }
    }
    // A body that is skipped says nothing of the time, and the clock may go back.
    let read = recording.finish(kind, log, EnvoyFacts::default(), 200, &mut means);
    assert_eq!(read.map(|read| Span { end: span.end, ..read }), Some(span));
}

fn record<'a>(recording: &mut Recording<Map<'a>>, callback: &Callback<'a>, cuts: Cuts) {
    match callback {
        Callback::RequestBody(body) => {
            for piece in cuts.pieces(body) {
                if !recording.skip_request_body(piece.len()) {
                    recording.request_body(piece.to_vec());
                }
            }
        }
        Callback::ResponseHeaders(headers, now) => recording.response_headers(headers.clone(), *now),
        Callback::ResponseBody(body, now) => {
            for piece in cuts.pieces(body) {
                if !recording.skip_response_body(piece.len()) {
                    recording.response_body(piece.to_vec(), *now);
                }
            }
        }
        // A recording decides by itself what it skips.
        Callback::SkippedBody(_) => {}
    }
}

fn play(exchange: &mut Exchange, callback: &Callback<'_>, cuts: Cuts) {
    match callback {
        Callback::RequestBody(body) => {
            for piece in cuts.pieces(body) {
                exchange.request_body(piece);
            }
        }
        Callback::ResponseHeaders(headers, now) => exchange.response_headers(headers, *now),
        Callback::ResponseBody(body, now) => {
            for piece in cuts.pieces(body) {
                if exchange.reads_response() {
                    exchange.response_body(piece, *now);
                } else {
                    exchange.skip_response_body(piece.len());
                }
            }
        }
        Callback::SkippedBody(bytes) => exchange.skip_response_body(*bytes),
    }
}

fn callback<'a>(choices: &mut Choices<'a>) -> Callback<'a> {
    let kind = choices.byte();
    // The clock may go back.
    let now = u64::from(kind >> 3) * 10;
    let body = |choices: &mut Choices<'a>| {
        let length = usize::from(choices.byte()) * if kind & 0x80 == 0 { 1 } else { 8 };
        choices.bytes(length)
    };
    match kind & 7 {
        0 | 1 => Callback::RequestBody(body(choices)),
        2 | 3 => Callback::ResponseHeaders(response_headers(choices), now),
        7 => Callback::SkippedBody(usize::try_from(choices.number()).unwrap_or_default()),
        _ => Callback::ResponseBody(body(choices), now),
    }
}

/// A value of the table, one of the input's own, or none.
fn value<'a>(choices: &mut Choices<'a>, table: &'a [&'a [u8]]) -> Option<&'a [u8]> {
    let choice = choices.byte();
    match choice {
        0xff => None,
        0xfe => Some(choices.text()),
        _ => Some(table[usize::from(choice) % table.len()]),
    }
}

fn request_headers<'a>(choices: &mut Choices<'a>) -> Map<'a> {
    let names = choices.byte();
    let mut headers = Map(vec![(":method", b"POST")]);
    headers.0.extend(value(choices, &AUTHORITIES).map(|value| (":authority", value)));
    headers.0.extend(value(choices, &PATHS).map(|value| (":path", value)));
    headers.0.extend(value(choices, &CONTENT_TYPES).map(|value| ("content-type", value)));
    if names & 1 != 0 {
        headers.0.extend(value(choices, &CODINGS).map(|value| ("content-encoding", value)));
    }
    for (bit, name) in [(2, "traceparent"), (4, "tracestate"), (8, "user-agent")] {
        if names & bit != 0 {
            let own = choices.text();
            headers.0.push((name, own));
        }
    }
    headers
}

fn response_headers<'a>(choices: &mut Choices<'a>) -> Map<'a> {
    const STATUSES: [&[u8]; 8] = [b"200", b"429", b"500", b"100", b"65536", b"abc", b"\xff", b"404"];
    let names = choices.byte();
    let mut headers = Map::default();
    headers.0.extend(value(choices, &STATUSES).map(|value| (":status", value)));
    headers.0.extend(value(choices, &CONTENT_TYPES).map(|value| ("content-type", value)));
    if names & 1 != 0 {
        headers.0.extend(value(choices, &CODINGS).map(|value| ("content-encoding", value)));
    }
    for (bit, name) in [
        (2, "x-amzn-bedrock-input-token-count"),
        (4, "x-amzn-bedrock-output-token-count"),
        (8, "x-amzn-errortype"),
    ] {
        if names & bit != 0 {
            headers.0.push((name, choices.text()));
        }
    }
    headers
}

const MAX_CONTENT_BYTES: usize = 2_048;

fn content(mode: ContentMode) -> Content {
    Content { mode, max_message_bytes: 512, max_span_bytes: MAX_CONTENT_BYTES, ..Config::default().content }
}

fn check_content(span: &Span) {
    let Some(content) = &span.content else { return };
    let sections = [
        &content.system_instructions,
        &content.input_messages,
        &content.output_messages,
        &content.tool_definitions,
    ];
    let mut bytes = 0;
    for json in sections.into_iter().flatten() {
        bytes += json.len();
        let value = serde_json::from_str::<serde_json::Value>(json);
        assert!(value.is_ok_and(|value| value.is_array()), "not JSON: {json}");
    }
    // The finish reasons come last and from elsewhere.
    assert!(bytes <= 2 * MAX_CONTENT_BYTES, "{bytes} bytes of content");
    assert!(content.mode == "redacted" || content.redactions == crate::redact::Found::default());
}

/// What holds of every span, and that others can read it.
fn check_span(span: &Span, limits: &Limits) {
    check_bounds(span, limits);
    check_content(span);
    assert!(span.start <= span.end);
    assert_eq!(span.usage.is_absent(), span.usage_source == UsageSource::Absent);
    assert_eq!(span.usage.is_absent(), span.usage_absent_reason.is_some());
    let mut stats = Stats::default();
    stats.span(span);

    let encoded = otlp::encode_span(span);
    let message = otlp::encode_request(&otlp::encode_resource(&[]), std::iter::once(&encoded));
    let request = match ExportTraceServiceRequest::decode(message.as_slice()) {
        Ok(request) => request,
        Err(error) => {
            assert!(message.is_empty(), "not a request: {error}");
            return;
        }
    };
    let decoded = &request.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!(decoded.trace_id, span.context.trace_id);
    assert_eq!((decoded.start_time_unix_nano, decoded.end_time_unix_nano), (span.start, span.end));
    let names: HashSet<_> = decoded.attributes.iter().map(|attribute| &attribute.key).collect();
    assert_eq!(names.len(), decoded.attributes.len(), "an attribute twice");
    assert!(decoded.attributes.iter().all(|attribute| attribute.value.is_some()));
}

fn check_bounds(span: &Span, limits: &Limits) {
    let (facts, http, usage) = (&span.facts, &span.http, &span.usage);
    assert!(facts.raw_usage.as_ref().is_none_or(|raw| raw.len() <= limits.max_raw_usage_bytes));
    assert!(facts.finish_reasons.len() <= 128 && facts.tool_calls.len() <= 128);
    assert!(facts.stop_sequences.len() <= 16 && facts.encoding_formats.len() <= 8);
    let optional = [
        &facts.request_model,
        &facts.output_format,
        &facts.request_service_tier,
        &facts.reasoning_level,
        &facts.conversation_id,
        &facts.user_id,
        &facts.response_id,
        &facts.response_model,
        &facts.response_service_tier,
        &facts.system_fingerprint,
        &facts.error_type,
        &facts.error_status,
        &facts.error_code,
        &http.user_agent,
        &span.envoy.cluster,
        &span.envoy.route,
    ];
    let texts = optional.into_iter().flatten();
    let texts = texts.chain(&facts.stop_sequences).chain(&facts.encoding_formats).chain(&facts.tool_calls);
    let texts = texts.chain(facts.finish_reasons.iter().map(|(_, reason)| reason));
    for text in
        texts.chain([&http.method, &http.server_address, &http.path, &span.envoy.response_code_details])
    {
        assert!(text.len() <= limits.max_attribute_bytes, "{} bytes: {text}", text.len());
    }
    let counts = [
        usage.input_tokens,
        usage.output_tokens,
        usage.total_tokens,
        usage.cache_read_tokens,
        usage.cache_creation_tokens,
        usage.reasoning_tokens,
    ];
    for count in counts.into_iter().flatten() {
        assert!(i64::try_from(count).is_ok(), "{count} tokens are no count");
    }
    assert!(span.stream.first_chunk.is_none_or(|first| first >= span.start && first <= span.end));
    assert!(span.stream.first_content.is_none_or(|first| first >= span.start && first <= span.end));
}
