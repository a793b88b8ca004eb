//! Spans -> OTLP: `opentelemetry.proto.collector.trace.v1`, encoded by hand because it runs once for every call.
//! <https://opentelemetry.io/docs/specs/otlp/>
//!
//! A span is encoded as soon as it is finished; a batch is those bytes behind the resource of the pod.

use crate::config::Problem;
use crate::content::Content;
use crate::protobuf::{self, Value};
use crate::provider::Operation;
use crate::semconv as names;
use crate::span::{Kind, Span, UnixNanos, Unread};
use crate::trace_context::SpanContext;

/// The gRPC service and method that take a request.
pub const SERVICE: &str = "opentelemetry.proto.collector.trace.v1.TraceService";
pub const METHOD: &str = "Export";

/// The bytes of `envoy.config.core.v3.GrpcService`: a cluster, and the authority its calls carry.
pub fn encode_grpc_service(cluster: &str, authority: &str) -> Vec<u8> {
    let mut envoy_grpc = Vec::new();
    protobuf::bytes(&mut envoy_grpc, 1, cluster.as_bytes());
    protobuf::bytes(&mut envoy_grpc, 2, authority.as_bytes());
    let mut out = Vec::new();
    protobuf::bytes(&mut out, 1, &envoy_grpc);
    out
}

/// Attributes of one message, appended as `KeyValue`s.
struct Attributes<'a> {
    out: &'a mut Vec<u8>,
    field: u32,
    scratch: Vec<u8>,
}

impl<'a> Attributes<'a> {
    fn new(out: &'a mut Vec<u8>, field: u32) -> Self {
        Self { out, field, scratch: Vec::with_capacity(64) }
    }

    /// The `AnyValue` of a number, which `encode` appends.
    fn number(&mut self, name: &str, encode: impl FnOnce(&mut Vec<u8>)) {
        self.scratch.clear();
        encode(&mut self.scratch);
        self.add_scratch(name);
    }

    /// A number and the name of an attribute are so short that every length takes one byte.
    fn add_scratch(&mut self, name: &str) {
        let length = name.len().saturating_add(self.scratch.len()).saturating_add(4);
        let ([field, ..], [length, ..]) = (((self.field << 3) | 2).to_le_bytes(), length.to_le_bytes());
        let ([of_name, ..], [of_value, ..]) = (name.len().to_le_bytes(), self.scratch.len().to_le_bytes());
        self.out.extend_from_slice(&[field, length, 0x0a, of_name]);
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(&[0x12, of_value]);
        self.out.extend_from_slice(&self.scratch);
    }

    fn text(&mut self, name: &str, value: &str) {
        // At once where every length takes one byte: that is most of a span.
        let value_length = value.len().saturating_add(2);
        let length = name.len().saturating_add(value_length).saturating_add(4);
        if length >= 0x80 {
            let any_value = protobuf::bytes_length(value.len());
            let key_value =
                protobuf::bytes_length(name.len()).saturating_add(protobuf::bytes_length(any_value));
            protobuf::prefix(self.out, self.field, key_value);
            protobuf::bytes(self.out, 1, name.as_bytes());
            protobuf::prefix(self.out, 2, any_value);
            protobuf::bytes(self.out, 1, value.as_bytes());
            return;
        }
        let ([field, ..], [length, ..]) = (((self.field << 3) | 2).to_le_bytes(), length.to_le_bytes());
        let ([of_name, ..], [of_value, ..]) = (name.len().to_le_bytes(), value.len().to_le_bytes());
        let [value_length, ..] = value_length.to_le_bytes();
        self.out.extend_from_slice(&[field, length, 0x0a, of_name]);
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(&[0x12, value_length, 0x0a, of_value]);
        self.out.extend_from_slice(value.as_bytes());
    }

    fn boolean(&mut self, name: &str, value: bool) {
        self.number(name, |out| protobuf::explicit_integer(out, 2, u64::from(value)));
    }

    fn integer(&mut self, name: &str, value: i64) {
        self.number(name, |out| protobuf::explicit_integer(out, 3, value.cast_unsigned()));
    }

    fn count(&mut self, name: &str, value: u64) {
        self.integer(name, i64::try_from(value).unwrap_or(i64::MAX));
    }

    fn double(&mut self, name: &str, value: f64) {
        self.number(name, |out| protobuf::fixed64(out, 4, value.to_bits()));
    }

    fn texts<'t>(&mut self, name: &str, values: impl Iterator<Item = &'t str> + Clone) {
        let any_value = |value: &str| protobuf::bytes_length(value.len());
        let array = values
            .clone()
            .fold(0_usize, |sum, value| sum.saturating_add(protobuf::bytes_length(any_value(value))));
        let length = protobuf::bytes_length(name.len())
            .saturating_add(protobuf::bytes_length(protobuf::bytes_length(array)));
        protobuf::prefix(self.out, self.field, length);
        protobuf::bytes(self.out, 1, name.as_bytes());
        protobuf::prefix(self.out, 2, protobuf::bytes_length(array));
        protobuf::prefix(self.out, 5, array);
        for value in values {
            protobuf::prefix(self.out, 1, any_value(value));
            protobuf::bytes(self.out, 1, value.as_bytes());
        }
    }

    fn some_text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.text(name, value);
        }
    }

    fn some_integer(&mut self, name: &str, value: Option<i64>) {
        if let Some(value) = value {
            self.integer(name, value);
        }
    }

    fn some_count(&mut self, name: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.count(name, value);
        }
    }

    fn some_double(&mut self, name: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.double(name, value);
        }
    }
}

/// The bytes of `opentelemetry.proto.resource.v1.Resource`.
pub fn encode_resource(attributes: &[(&str, String)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Attributes::new(&mut out, 1);
    for (name, value) in attributes {
        writer.text(name, value);
    }
    out
}

/// The bytes of one `opentelemetry.proto.trace.v1.Span`, of which the last may be left out: fields of protobuf may stand
/// apart from each other.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct EncodedSpan {
    span: Vec<u8>,
    /// The attributes that are content; empty when there are none.
    content: Vec<u8>,
}

impl EncodedSpan {
    pub fn bytes(&self) -> usize {
        self.span.len().saturating_add(self.content.len())
    }

    pub fn has_content(&self) -> bool {
        !self.content.is_empty()
    }

    /// Leaves the content out from now on; how many bytes that saves.
    pub fn drop_content(&mut self) -> usize {
        std::mem::take(&mut self.content).len()
    }

    /// Gives back the room that was for longer texts.
    pub fn shrink(&mut self) {
        self.span.shrink_to_fit();
        self.content.shrink_to_fit();
    }

    /// What it takes of memory.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.span.capacity().saturating_add(self.content.capacity())
    }

    fn parts(&self) -> [&[u8]; 2] {
        [&self.span, &self.content]
    }
}

impl From<Vec<u8>> for EncodedSpan {
    fn from(span: Vec<u8>) -> Self {
        Self { span, content: Vec::new() }
    }
}

pub fn encode_span(span: &Span) -> EncodedSpan {
    let content = span.content.as_ref().map(encode_content).unwrap_or_default();
    EncodedSpan { span: encode_without_content(span), content }
}

/// Begins with [`names::MESHTAP_CONTENT_MODE`]: where that stands, the content of a span begins.
fn encode_content(content: &Content) -> Vec<u8> {
    let texts = [
        (names::GEN_AI_SYSTEM_INSTRUCTIONS, &content.system_instructions),
        (names::GEN_AI_INPUT_MESSAGES, &content.input_messages),
        (names::GEN_AI_OUTPUT_MESSAGES, &content.output_messages),
        (names::GEN_AI_TOOL_DEFINITIONS, &content.tool_definitions),
    ];
    let length = texts.iter().flat_map(|(_, text)| *text).fold(256_usize, |sum, text| {
        // Name and framing.
        sum.saturating_add(text.len()).saturating_add(48)
    });
    let mut out = Vec::with_capacity(length);
    let mut attributes = Attributes::new(&mut out, ATTRIBUTES);
    attributes.text(names::MESHTAP_CONTENT_MODE, content.mode);
    if content.truncated {
        attributes.boolean(names::MESHTAP_CONTENT_TRUNCATED, true);
    }
    if content.dropped_messages > 0 {
        attributes.count(names::MESHTAP_CONTENT_DROPPED_MESSAGES, content.dropped_messages);
    }
    let redactions: Vec<_> =
        content.redactions.iter().map(|(kind, count)| format!("{}:{count}", kind.name())).collect();
    if !redactions.is_empty() {
        attributes.texts(names::MESHTAP_CONTENT_REDACTIONS, redactions.iter().map(String::as_str));
    }
    for (name, text) in texts {
        attributes.some_text(name, text.as_deref());
    }
    out
}

/// The field of a span that holds its attributes.
const ATTRIBUTES: u32 = 9;

/// What a span takes beside the texts of its bodies, as a rule.
const SPAN_BYTES: usize = 2_048;

fn encode_without_content(span: &Span) -> Vec<u8> {
    let mut out = Vec::with_capacity(SPAN_BYTES.saturating_add(span.facts.text_bytes()));
    protobuf::bytes(&mut out, 1, &span.context.trace_id);
    protobuf::bytes(&mut out, 2, &span.context.span_id);
    if !span.context.trace_state.is_empty() {
        protobuf::bytes(&mut out, 3, span.context.trace_state.as_bytes());
    }
    if let Some(parent) = span.context.parent_span_id {
        protobuf::bytes(&mut out, 4, &parent);
    }
    protobuf::bytes(&mut out, 5, name(span).as_bytes());
    let kind = match span.kind {
        Kind::Server => 2,
        Kind::Client => 3,
    };
    protobuf::integer(&mut out, 6, kind);
    protobuf::fixed64(&mut out, 7, span.start);
    protobuf::fixed64(&mut out, 8, span.end);
    let mut attributes = Attributes::new(&mut out, ATTRIBUTES);
    request(&mut attributes, span);
    response(&mut attributes, span);
    usage(&mut attributes, span);
    stream_times(&mut attributes, span);
    http(&mut attributes, span);
    ending(&mut attributes, span);
    if span.error_type.is_some() {
        // Status { code: STATUS_CODE_ERROR }
        protobuf::bytes(&mut out, 15, &[0x18, 2]);
    }
    protobuf::fixed32(&mut out, 16, flags(span));
    out
}

fn name(span: &Span) -> String {
    match &span.facts.request_model {
        Some(model) => [span.operation.otel_name(), " ", model].concat(),
        None => span.operation.otel_name().to_owned(),
    }
}

/// The trace flags, and that the parent is known to be remote.
fn flags(span: &Span) -> u32 {
    const HAS_IS_REMOTE: u32 = 0x100;
    const IS_REMOTE: u32 = 0x200;
    let remote = if span.context.parent_span_id.is_some() { IS_REMOTE } else { 0 };
    u32::from(span.context.flags) | HAS_IS_REMOTE | remote
}

fn request(attributes: &mut Attributes<'_>, span: &Span) {
    let seen = &span.facts;
    attributes.text(names::GEN_AI_OPERATION_NAME, span.operation.otel_name());
    attributes.text(names::MESHTAP_API, span.api);
    attributes.text(names::MESHTAP_OPERATION, span.operation.name());
    attributes.text(names::GEN_AI_PROVIDER_NAME, &span.provider_name);
    let openai_api_type = match span.api {
        "openai.chat" => Some("chat_completions"),
        "openai.responses" => Some("responses"),
        _ => None,
    };
    attributes.some_text(names::OPENAI_API_TYPE, openai_api_type);
    attributes.some_text(names::GEN_AI_REQUEST_MODEL, seen.request_model.as_deref());
    attributes.some_integer(names::GEN_AI_REQUEST_MAX_TOKENS, seen.max_tokens);
    attributes.some_double(names::GEN_AI_REQUEST_TEMPERATURE, seen.temperature);
    attributes.some_double(names::GEN_AI_REQUEST_TOP_P, seen.top_p);
    attributes.some_double(names::GEN_AI_REQUEST_TOP_K, seen.top_k);
    attributes.some_double(names::GEN_AI_REQUEST_FREQUENCY_PENALTY, seen.frequency_penalty);
    attributes.some_double(names::GEN_AI_REQUEST_PRESENCE_PENALTY, seen.presence_penalty);
    attributes.some_integer(names::GEN_AI_REQUEST_SEED, seen.seed);
    // The conventions want these two only when they say something unusual.
    attributes
        .some_integer(names::GEN_AI_REQUEST_CHOICE_COUNT, seen.choice_count.filter(|count| *count != 1));
    if seen.stream == Some(true) {
        attributes.boolean(names::GEN_AI_REQUEST_STREAM, true);
    }
    if !seen.stop_sequences.is_empty() {
        let stops = seen.stop_sequences.iter().map(String::as_str);
        attributes.texts(names::GEN_AI_REQUEST_STOP_SEQUENCES, stops);
    }
    let output_type = seen.output_format.as_deref().map(|format| output_type(span.operation, format));
    attributes.some_text(names::GEN_AI_OUTPUT_TYPE, output_type);
    attributes.some_integer(names::GEN_AI_EMBEDDINGS_DIMENSION_COUNT, seen.dimensions);
    if !seen.encoding_formats.is_empty() {
        let formats = seen.encoding_formats.iter().map(String::as_str);
        attributes.texts(names::GEN_AI_REQUEST_ENCODING_FORMATS, formats);
    }
    attributes.some_text(names::GEN_AI_CONVERSATION_ID, seen.conversation_id.as_deref());
    attributes.some_text(names::MESHTAP_REQUEST_PREVIOUS_RESPONSE_ID, seen.previous_response_id.as_deref());
    attributes.some_text(names::MESHTAP_USER_ID, seen.user_id.as_deref());
    attributes.some_text(names::MESHTAP_SESSION_ID, span.caller.session_id.as_deref());
    attributes.some_text(names::MESHTAP_TENANT_ID, span.caller.tenant_id.as_deref());
    attributes.some_text(names::MESHTAP_CORRELATION_ID, span.caller.correlation_id.as_deref());
    attributes.some_text(names::MESHTAP_API_KEY_FINGERPRINT, span.caller.api_key_fingerprint.as_deref());
    attributes.some_text(names::MESHTAP_REQUEST_REASONING_LEVEL, seen.reasoning_level.as_deref());
    if seen.offered_tools > 0 {
        attributes.count(names::MESHTAP_REQUEST_TOOLS, seen.offered_tools);
    }
    let tier = seen.request_service_tier.as_deref().filter(|tier| *tier != "auto");
    attributes.some_text(names::OPENAI_REQUEST_SERVICE_TIER, tier);
}

/// The conventions' word for what is asked for, where they have one.
fn output_type(operation: Operation, format: &str) -> &str {
    match format {
        // Links or bytes, and formats of sound.
        _ if operation == Operation::ImageGeneration => "image",
        _ if operation == Operation::Speech => "speech",
        "json_object" | "json_schema" | "application/json" | "verbose_json" | "diarized_json" => "json",
        "text/plain" | "srt" | "vtt" => "text",
        kind if kind.eq_ignore_ascii_case("image") => "image",
        kind if kind.eq_ignore_ascii_case("audio") => "speech",
        other => other,
    }
}

fn response(attributes: &mut Attributes<'_>, span: &Span) {
    let seen = &span.facts;
    attributes.some_text(names::GEN_AI_RESPONSE_ID, seen.response_id.as_deref());
    attributes.some_text(names::GEN_AI_RESPONSE_MODEL, seen.response_model.as_deref());
    if !seen.finish_reasons.is_empty() {
        let reasons = seen.finish_reasons.iter().map(|(_, reason)| reason.as_str());
        attributes.texts(names::GEN_AI_RESPONSE_FINISH_REASONS, reasons);
    }
    attributes.some_text(names::OPENAI_RESPONSE_SERVICE_TIER, seen.response_service_tier.as_deref());
    attributes.some_text(names::OPENAI_RESPONSE_SYSTEM_FINGERPRINT, seen.system_fingerprint.as_deref());
    if !seen.tool_calls.is_empty() {
        attributes.texts(names::MESHTAP_OUTPUT_TOOL_CALLS, seen.tool_calls.iter().map(String::as_str));
    }
    let error_type = seen.error_type.as_deref().or(seen.error_status.as_deref());
    if span.error_type.is_some() {
        attributes.some_text(names::MESHTAP_ERROR_TYPE, error_type);
        attributes.some_text(names::MESHTAP_ERROR_CODE, seen.error_code.as_deref());
    }
}

fn usage(attributes: &mut Attributes<'_>, span: &Span) {
    let usage = &span.usage;
    attributes.some_count(names::GEN_AI_USAGE_INPUT_TOKENS, usage.input_tokens);
    attributes.some_count(names::GEN_AI_USAGE_OUTPUT_TOKENS, usage.output_tokens);
    attributes.some_count(names::GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, usage.cache_read_tokens);
    attributes.some_count(names::GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS, usage.cache_creation_tokens);
    attributes.some_count(names::GEN_AI_USAGE_REASONING_OUTPUT_TOKENS, usage.reasoning_tokens);
    attributes.some_count(names::MESHTAP_USAGE_TOTAL_TOKENS, usage.total_tokens);
    attributes.text(names::MESHTAP_USAGE_SOURCE, span.usage_source.name());
    attributes.some_text(names::MESHTAP_USAGE_ABSENT_REASON, span.usage_absent_reason);
    attributes.some_text(names::MESHTAP_USAGE_RAW, span.facts.raw_usage.as_deref());
}

fn stream_times(attributes: &mut Attributes<'_>, span: &Span) {
    let times = &span.stream;
    let since_start = |at: Option<u64>| at.map(|at| seconds(at.saturating_sub(span.start)));
    attributes.some_double(names::GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, since_start(times.first_chunk));
    attributes.some_double(names::MESHTAP_TIME_TO_FIRST_CONTENT, since_start(times.first_content));
    if times.first_chunk.is_some() {
        attributes.count(names::MESHTAP_OUTPUT_CHUNKS, times.output_chunks);
    }
    if let Some((mean, longest)) = times.gaps_nanos() {
        attributes.double(names::MESHTAP_OUTPUT_CHUNK_GAP_MEAN, seconds(mean));
        attributes.double(names::MESHTAP_OUTPUT_CHUNK_GAP_MAX, seconds(longest));
    }
}

#[expect(clippy::cast_precision_loss, reason = "a duration keeps nanoseconds up to 104 days")]
fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

fn http(attributes: &mut Attributes<'_>, span: &Span) {
    let http = &span.http;
    attributes.some_text(names::SERVER_ADDRESS, Some(&http.server_address));
    attributes.some_integer(names::SERVER_PORT, http.server_port.map(i64::from));
    attributes.some_text(names::HTTP_REQUEST_METHOD, Some(&http.method));
    attributes.some_integer(names::HTTP_RESPONSE_STATUS_CODE, http.status.map(i64::from));
    attributes.some_text(names::URL_PATH, Some(&http.path));
    attributes.some_text(names::USER_AGENT_ORIGINAL, http.user_agent.as_deref());
    attributes.count(names::MESHTAP_REQUEST_BYTES, http.request_bytes);
    attributes.count(names::MESHTAP_RESPONSE_BYTES, http.response_bytes);
    attributes.some_text(names::MESHTAP_REQUEST_UNREAD, http.request_unread.map(Unread::name));
    attributes.some_text(names::MESHTAP_RESPONSE_UNREAD, http.response_unread.map(Unread::name));
}

fn ending(attributes: &mut Attributes<'_>, span: &Span) {
    attributes.text(names::MESHTAP_END, span.ending.name());
    if let Some(error_type) = span.error_type {
        attributes.text(names::ERROR_TYPE, &error_type.name());
    }
    let envoy = &span.envoy;
    attributes.some_text(names::MESHTAP_ENVOY_CLUSTER, envoy.cluster.as_deref());
    attributes.some_text(names::MESHTAP_ENVOY_ROUTE, envoy.route.as_deref());
    attributes.some_count(names::MESHTAP_ENVOY_ATTEMPTS, envoy.attempts);
    attributes.some_text(names::MESHTAP_ENVOY_RESPONSE_CODE_DETAILS, Some(&envoy.response_code_details));
    attributes.some_text(names::MESHTAP_SOURCE_PRINCIPAL, envoy.principals.source.as_deref());
    attributes.some_text(names::MESHTAP_DESTINATION_PRINCIPAL, envoy.principals.destination.as_deref());
    if envoy.response_flags != 0 {
        attributes.count(names::MESHTAP_ENVOY_RESPONSE_FLAGS, envoy.response_flags);
    }
}

/// What the filter in one VM says of itself, now and then.
#[derive(Debug)]
pub struct Heartbeat<'a> {
    pub vm_id: &'a str,
    pub config_sha256: &'a str,
    pub problems: &'a [Problem],
    pub spans_finished: u64,
    pub spans_dropped: u64,
}

/// The hash of the module's sources, where `make wasm` built it.
const BUILD: Option<&str> = option_env!("MESHTAP_BUILD");

/// A span, because collectors take nothing else over this service: of no length, and a trace of its own.
pub fn encode_heartbeat(heartbeat: &Heartbeat<'_>, context: &SpanContext, now: UnixNanos) -> Vec<u8> {
    const INTERNAL: u64 = 1;
    const MAX_PATHS: usize = 8;
    let mut out = Vec::new();
    protobuf::bytes(&mut out, 1, &context.trace_id);
    protobuf::bytes(&mut out, 2, &context.span_id);
    protobuf::bytes(&mut out, 5, names::HEARTBEAT.as_bytes());
    protobuf::integer(&mut out, 6, INTERNAL);
    protobuf::fixed64(&mut out, 7, now);
    protobuf::fixed64(&mut out, 8, now);
    let mut attributes = Attributes::new(&mut out, 9);
    attributes.text(names::MESHTAP_VM_ID, heartbeat.vm_id);
    attributes.text(names::MESHTAP_MODULE_VERSION, env!("CARGO_PKG_VERSION"));
    attributes.some_text(names::MESHTAP_MODULE_BUILD, BUILD);
    attributes.text(names::MESHTAP_CONFIG_SHA256, heartbeat.config_sha256);
    attributes.count(names::MESHTAP_CONFIG_PROBLEMS, heartbeat.problems.len() as u64);
    if !heartbeat.problems.is_empty() {
        let mut paths: Vec<&str> = Vec::new();
        for Problem { path, .. } in heartbeat.problems {
            if paths.len() < MAX_PATHS && !paths.contains(&path.as_str()) {
                paths.push(path);
            }
        }
        attributes.texts(names::MESHTAP_CONFIG_PROBLEM_PATHS, paths.into_iter());
    }
    attributes.count(names::MESHTAP_SPANS_FINISHED, heartbeat.spans_finished);
    attributes.count(names::MESHTAP_SPANS_DROPPED, heartbeat.spans_dropped);
    out
}

/// The bytes of `ExportTraceServiceRequest` for spans that `encode_span` encoded.
pub fn encode_request<'a>(resource: &[u8], spans: impl Iterator<Item = &'a EncodedSpan>) -> Vec<u8> {
    let spans: Vec<_> = spans.map(EncodedSpan::parts).collect();
    encode_parts(resource, &spans)
}

/// The same request without the content of its spans; `None` for bytes that are no such request.
pub fn without_content(request: &[u8]) -> Option<Vec<u8>> {
    let resource_spans = only_bytes(request, 1)?;
    let scope_spans = only_bytes(resource_spans, 2)?;
    let spans: Vec<_> = fields(scope_spans, 2).map(|span| [span_without_content(span), &[]]).collect();
    Some(encode_parts(only_bytes(resource_spans, 1)?, &spans))
}

/// The values of a field that holds bytes.
fn fields(mut message: &[u8], wanted: u64) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || protobuf::next_field(&mut message)).filter_map(move |(field, value)| {
        match value {
            Value::Bytes(bytes) if field == wanted => Some(bytes),
            _ => None,
        }
    })
}

fn only_bytes(message: &[u8], wanted: u64) -> Option<&[u8]> {
    fields(message, wanted).next()
}

fn span_without_content(span: &[u8]) -> &[u8] {
    let mut rest = span;
    loop {
        let before = rest;
        match protobuf::next_field(&mut rest) {
            Some((field, Value::Bytes(attribute)))
                if field == u64::from(ATTRIBUTES)
                    && only_bytes(attribute, 1) == Some(names::MESHTAP_CONTENT_MODE.as_bytes()) =>
            {
                return span.get(..span.len().saturating_sub(before.len())).unwrap_or(span);
            }
            Some(_) => {}
            None => return span,
        }
    }
}

fn encode_parts(resource: &[u8], spans: &[[&[u8]; 2]]) -> Vec<u8> {
    let length = |[span, content]: &[&[u8]; 2]| span.len().saturating_add(content.len());
    let mut scope = Vec::new();
    protobuf::bytes(&mut scope, 1, names::SCOPE_NAME.as_bytes());
    protobuf::bytes(&mut scope, 2, env!("CARGO_PKG_VERSION").as_bytes());

    let spans_length =
        spans.iter().fold(0_usize, |sum, span| sum.saturating_add(protobuf::bytes_length(length(span))));
    let schema_length = protobuf::bytes_length(names::SCHEMA_URL.len());
    let scope_spans_length =
        protobuf::bytes_length(scope.len()).saturating_add(spans_length).saturating_add(schema_length);
    let resource_spans_length = protobuf::bytes_length(resource.len())
        .saturating_add(protobuf::bytes_length(scope_spans_length))
        .saturating_add(schema_length);

    let mut out = Vec::with_capacity(resource_spans_length.saturating_add(8));
    protobuf::prefix(&mut out, 1, resource_spans_length);
    protobuf::bytes(&mut out, 1, resource);
    protobuf::prefix(&mut out, 2, scope_spans_length);
    protobuf::bytes(&mut out, 1, &scope);
    for span in spans {
        protobuf::prefix(&mut out, 2, length(span));
        for part in span {
            out.extend_from_slice(part);
        }
    }
    protobuf::bytes(&mut out, 3, names::SCHEMA_URL.as_bytes());
    protobuf::bytes(&mut out, 3, names::SCHEMA_URL.as_bytes());
    out
}

/// How many spans an `ExportTraceServiceResponse` says were rejected.
pub fn rejected_spans(mut response: &[u8]) -> u64 {
    let mut rejected = 0;
    while let Some((field, value)) = protobuf::next_field(&mut response) {
        if let (1, Value::Bytes(mut partial_success)) = (field, value) {
            while let Some((field, value)) = protobuf::next_field(&mut partial_success) {
                if let (1, Value::Integer(count)) = (field, value) {
                    rejected = count;
                }
            }
        }
    }
    rejected
}

#[cfg(test)]
pub(crate) mod tests;
