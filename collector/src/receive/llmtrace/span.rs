//! One of LLMTrace's spans as an OTLP span with the names of the GenAI conventions.
//!
//! - Ids of 16 bytes become the 8 that a span id has: both halves combined, so that ids of 8 bytes that were filled up
//!   with zeros come out as they were. `llmtrace.span_id` keeps the whole one. A span without an id gets one from what is
//!   in it, the same each time it is sent.
//! - A span that has not ended cannot be kept: it is rejected, and its sender sends it when it has.
//! - Prompt and answer become messages; what is too long for an attribute is cut, and marked.

use meshtap_filter::semconv as names;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{Span, Status, span::SpanKind, status::StatusCode};
use prost::Message as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::wire::{self, Provider};
use crate::hex;

const NANOS_PER_MILLI: u64 = 1_000_000;
/// Seconds in a millisecond.
const MILLI: f64 = 0.001;

/// Why a span is not taken, with the field at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Mistake {
    #[error("{field} is no id of 16 bytes: {given:?}; write 32 hexadecimal digits or a UUID")]
    Id { field: &'static str, given: String },
    #[error("tenant_id is no UUID: {0:?}")]
    Tenant(String),
    #[error("end_time_unix_nano and duration_ms are not set: the span has not ended; send it when it has")]
    Running,
    #[error("the span is none: {0}")]
    Malformed(String),
}

impl Mistake {
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Id { .. } => "invalid_id",
            Self::Tenant(_) => "invalid_tenant_id",
            Self::Running => "not_ended",
            Self::Malformed(_) => "malformed",
        }
    }
}

pub(super) fn otlp(span: wire::Span, max_value_bytes: usize) -> Result<Span, Mistake> {
    let (span_id, parent_span_id) = span_ids(&span)?;
    let end_time_unix_nano = end(&span)?;
    let failed = !span.error_message.is_empty() || span.status_code >= 400;
    let code = if failed { StatusCode::Error } else { StatusCode::Unset };
    Ok(Span {
        trace_id: id("trace_id", &span.trace_id)?.to_vec(),
        span_id,
        parent_span_id,
        name: name(&span),
        kind: SpanKind::Client.into(),
        start_time_unix_nano: span.start_time_unix_nano,
        end_time_unix_nano,
        attributes: attributes(&span, max_value_bytes)?,
        status: Some(Status { code: code.into(), message: span.error_message }),
        ..Span::default()
    })
}

/// Digits, or a UUID with its hyphens.
fn id(field: &'static str, given: &str) -> Result<[u8; 16], Mistake> {
    uuid(given).ok_or_else(|| Mistake::Id { field, given: given.chars().take(64).collect() })
}

fn uuid(given: &str) -> Option<[u8; 16]> {
    hex::parse(&given.replace('-', ""))
}

/// The span's own and its parent's, which is empty at a root.
fn span_ids(span: &wire::Span) -> Result<(Vec<u8>, Vec<u8>), Mistake> {
    let own = if span.span_id.is_empty() {
        Sha256::digest(span.encode_to_vec()).iter().take(8).copied().collect()
    } else {
        halves_combined(id("span_id", &span.span_id)?)
    };
    let parent = if span.parent_span_id.is_empty() {
        Vec::new()
    } else {
        halves_combined(id("parent_span_id", &span.parent_span_id)?)
    };
    Ok((own, parent))
}

fn halves_combined(id: [u8; 16]) -> Vec<u8> {
    let (first, second) = id.split_at(8);
    first.iter().zip(second).map(|(a, b)| a ^ b).collect()
}

fn end(span: &wire::Span) -> Result<u64, Mistake> {
    match (span.end_time_unix_nano, span.duration_ms) {
        (0, 0) => Err(Mistake::Running),
        (0, millis) => Ok(span.start_time_unix_nano.saturating_add(millis.saturating_mul(NANOS_PER_MILLI))),
        (end, _) => Ok(end),
    }
}

fn name(span: &wire::Span) -> String {
    match (span.operation_name.as_str(), span.model_name.as_str()) {
        ("", model) => model.to_owned(),
        (operation, "") => operation.to_owned(),
        (operation, model) => format!("{operation} {model}"),
    }
}

fn attributes(span: &wire::Span, max_value_bytes: usize) -> Result<Vec<KeyValue>, Mistake> {
    let tenant =
        uuid(&span.tenant_id).ok_or_else(|| Mistake::Tenant(span.tenant_id.chars().take(64).collect()));
    tenant?;
    let mut all = Attributes::default();
    all.text(names::MESHTAP_TENANT_ID, &span.tenant_id);
    all.text("llmtrace.span_id", &span.span_id);
    all.text("llmtrace.operation_name", &span.operation_name);
    all.text(names::GEN_AI_OPERATION_NAME, operation(&span.operation_name));
    all.text(names::GEN_AI_PROVIDER_NAME, provider(span.provider()));
    all.text(names::GEN_AI_REQUEST_MODEL, &span.model_name);
    all.count(names::GEN_AI_USAGE_INPUT_TOKENS, span.prompt_tokens);
    all.count(names::GEN_AI_USAGE_OUTPUT_TOKENS, span.completion_tokens);
    all.count(names::MESHTAP_USAGE_TOTAL_TOKENS, span.total_tokens);
    all.count(names::HTTP_RESPONSE_STATUS_CODE, span.status_code);
    if span.status_code >= 400 {
        all.text(names::ERROR_TYPE, &span.status_code.to_string());
    }
    if let Ok(millis) = u32::try_from(span.time_to_first_token_ms)
        && millis > 0
    {
        all.push(names::MESHTAP_TIME_TO_FIRST_CONTENT, Value::DoubleValue(f64::from(millis) * MILLI));
    }
    let input = message("user", &span.prompt, None, max_value_bytes);
    let output = message("assistant", &span.response, Some("unknown"), max_value_bytes);
    if [&input, &output].into_iter().flatten().any(|message| message.cut) {
        all.push(names::MESHTAP_CONTENT_TRUNCATED, Value::BoolValue(true));
    }
    for (name, message) in [(names::GEN_AI_INPUT_MESSAGES, input), (names::GEN_AI_OUTPUT_MESSAGES, output)] {
        all.text(name, &message.map_or_else(String::new, |message| message.json));
    }
    for (name, value) in &span.tags {
        all.text(&format!("llmtrace.tags.{name}"), value);
    }
    Ok(all.0)
}

/// Attributes that are known: nothing empty and no zero gets in.
#[derive(Default)]
struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.push(name, Value::StringValue(text.to_owned()));
        }
    }

    fn count(&mut self, name: &str, count: u32) {
        if count > 0 {
            self.push(name, Value::IntValue(count.into()));
        }
    }

    fn push(&mut self, name: &str, value: Value) {
        let value = Some(AnyValue { value: Some(value) });
        self.0.push(KeyValue { key: name.to_owned(), value, ..KeyValue::default() });
    }
}

/// Empty for one that the conventions do not have.
fn operation(name: &str) -> &'static str {
    match name {
        "chat" | "chat_completion" | "chat_completions" => "chat",
        "completion" | "completions" | "text_completion" => "text_completion",
        "embedding" | "embeddings" => "embeddings",
        _ => "",
    }
}

/// Empty for one that is not known, and for LLMTrace's "custom", which says nothing.
const fn provider(provider: Provider) -> &'static str {
    match provider {
        Provider::Unspecified | Provider::Custom => "",
        Provider::OpenAi => "openai",
        Provider::Anthropic => "anthropic",
        Provider::Vllm => "vllm",
        Provider::Sglang => "sglang",
        Provider::Tgi => "tgi",
        Provider::Ollama => "ollama",
        Provider::AzureOpenAi => "azure.ai.openai",
        Provider::Bedrock => "aws.bedrock",
    }
}

struct Message {
    json: String,
    cut: bool,
}

/// `None` where nothing was said.
fn message(role: &str, text: &str, finish_reason: Option<&str>, max_bytes: usize) -> Option<Message> {
    if text.is_empty() {
        return None;
    }
    let mut kept = text;
    loop {
        let mut message = json!({"role": role, "parts": [{"type": "text", "content": kept}]});
        if let Some(reason) = finish_reason {
            message["finish_reason"] = reason.into();
        }
        let json = json!([message]).to_string();
        if json.len() <= max_bytes || kept.is_empty() {
            return Some(Message { json, cut: kept.len() < text.len() });
        }
        // What has to be escaped takes more room than it has here: cut until it fits.
        let room = kept.len().saturating_sub(json.len() - max_bytes).max(kept.len() / 2).min(kept.len() - 1);
        kept = kept.get(..kept.floor_char_boundary(room)).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span() -> wire::Span {
        wire::Span {
            trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            span_id: "0000000000000000b7ad6b7169203331".to_owned(),
            tenant_id: "550e8400-e29b-41d4-a716-446655440000".to_owned(),
            start_time_unix_nano: 5,
            end_time_unix_nano: 9,
            ..wire::Span::default()
        }
    }

    fn hexadecimal(bytes: &[u8]) -> String {
        hex::Hex(bytes).to_string()
    }

    #[test]
    fn ids_of_16_bytes_become_8() {
        let of = |span_id: &str| {
            let taken = otlp(wire::Span { span_id: span_id.to_owned(), ..span() }, 1_000).unwrap();
            hexadecimal(&taken.span_id)
        };
        assert_eq!(of("0000000000000000b7ad6b7169203331"), "b7ad6b7169203331");
        assert_eq!(of("b7ad6b71692033310000000000000000"), "b7ad6b7169203331");
        assert_eq!(of("550e8400-e29b-41d4-a716-446655440000"), "f218c066b7df41d4");
        let unnamed = of("");
        assert_eq!((unnamed.len(), of("")), (16, unnamed.clone()), "the same each time");
        assert_ne!(unnamed, "0000000000000000");
    }

    #[test]
    fn mistakes_are_named() {
        let check = |span: wire::Span, expected: &str| {
            let found = otlp(span, 1_000).unwrap_err().to_string();
            assert!(found.starts_with(expected), "{found}");
        };
        check(wire::Span { trace_id: "xyz".to_owned(), ..span() }, "trace_id is no id of 16 bytes: \"xyz\"");
        check(wire::Span { span_id: "1".to_owned(), ..span() }, "span_id is no id");
        check(wire::Span { parent_span_id: "é".repeat(99), ..span() }, "parent_span_id is no id");
        check(wire::Span { tenant_id: String::new(), ..span() }, "tenant_id is no UUID: \"\"");
        check(
            wire::Span { end_time_unix_nano: 0, ..span() },
            "end_time_unix_nano and duration_ms are not set",
        );
    }

    #[test]
    fn a_duration_stands_in_for_the_end() {
        let timed = wire::Span { end_time_unix_nano: 0, duration_ms: 3, ..span() };
        assert_eq!(otlp(timed, 1_000).unwrap().end_time_unix_nano, 3_000_005);
        let endless = wire::Span { end_time_unix_nano: 0, duration_ms: u64::MAX, ..span() };
        assert_eq!(otlp(endless, 1_000).unwrap().end_time_unix_nano, u64::MAX);
    }

    #[test]
    fn unknown_is_absent() {
        let taken = otlp(span(), 1_000).unwrap();
        let keys: Vec<_> = taken.attributes.iter().map(|pair| pair.key.as_str()).collect();
        assert_eq!(keys, ["meshtap.tenant.id", "llmtrace.span_id"]);
        assert_eq!(taken.parent_span_id, Vec::<u8>::new());
    }

    #[test]
    fn long_texts_are_cut() {
        let fits = message("user", "short", None, 64 << 10).unwrap();
        assert_eq!(fits.json, r#"[{"parts":[{"content":"short","type":"text"}],"role":"user"}]"#);
        assert!(!fits.cut);
        for text in ["é".repeat(2_000), "\u{1}".repeat(2_000), "\"".repeat(3_000)] {
            let cut = message("user", &text, None, 1_000).unwrap();
            assert!(cut.cut && cut.json.len() <= 1_000 && cut.json.len() > 400, "{}", cut.json.len());
            serde_json::from_str::<serde_json::Value>(&cut.json).unwrap();
        }
        assert!(message("user", "", None, 10).is_none());
    }
}
