//! Spans as releases of instrumentations wrote them that the end-to-end tests do not run: recorded from those releases, with
//! the official SDKs, against a provider that reports 20 tokens in (8 of them cached, at Anthropic 8 read from a cache and 4
//! written to it beside them) and 9 out (4 of them reasoning).

use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::{Value, json};

use super::{Resource, Scope, record};
use crate::model::SpanRecord;

fn otlp(value: &Value) -> AnyValue {
    let value = match value {
        Value::Bool(flag) => Otlp::BoolValue(*flag),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| Otlp::DoubleValue(number.as_f64().unwrap()), Otlp::IntValue)
        }
        Value::Array(values) => Otlp::ArrayValue(ArrayValue { values: values.iter().map(otlp).collect() }),
        text => Otlp::StringValue(text.as_str().unwrap().to_owned()),
    };
    AnyValue { value: Some(value) }
}

fn recorded(name: &str, attributes: &Value) -> SpanRecord {
    let pair = |(key, value): (&String, &Value)| KeyValue {
        key: key.clone(),
        value: Some(otlp(value)),
        ..KeyValue::default()
    };
    let attributes = attributes.as_object().unwrap().iter().map(pair).collect();
    let span = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        name: name.to_owned(),
        attributes,
        ..Span::default()
    };
    let (record, invalid) = record(&Resource::default(), &Scope::default(), &span.encode_to_vec()).unwrap();
    assert!(invalid.is_empty(), "{invalid:?}");
    record
}

/// What every call must say: operation, provider, requested and answering model.
fn check(span: &SpanRecord, said: [&str; 4]) {
    let gen_ai = &span.gen_ai;
    let found =
        [&gen_ai.operation_name, &gen_ai.provider_name, &gen_ai.request_model, &gen_ai.response_model];
    assert_eq!(found.map(|text| text.as_deref().unwrap_or_default()), said);
}

/// Input, output, cached and written to a cache, reasoning.
fn tokens(span: &SpanRecord) -> [Option<u64>; 5] {
    let usage = &span.gen_ai.usage;
    [
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_input_tokens,
        usage.cache_creation_input_tokens,
        usage.reasoning_output_tokens,
    ]
}

#[test]
fn openllmetry_0_33_openai_chat() {
    let span = recorded(
        "openai.chat",
        &json!({
            "gen_ai.completion.0.content": "Hi", "gen_ai.completion.0.finish_reason": "stop",
            "gen_ai.completion.0.role": "assistant", "gen_ai.openai.api_base": "http://127.0.0.1/v1/",
            "gen_ai.openai.system_fingerprint": "fp", "gen_ai.prompt.0.content": "Be terse",
            "gen_ai.prompt.0.role": "system", "gen_ai.prompt.1.content": "Hello?", "gen_ai.prompt.1.role": "user",
            "gen_ai.request.max_tokens": 10, "gen_ai.request.model": "gpt-4o", "gen_ai.request.temperature": 0.5,
            "gen_ai.response.model": "gpt-4o-2024", "gen_ai.system": "OpenAI", "gen_ai.usage.completion_tokens": 9,
            "gen_ai.usage.prompt_tokens": 20, "llm.headers": "None", "llm.is_streaming": false,
            "llm.request.type": "chat", "llm.usage.total_tokens": 29,
        }),
    );
    check(&span, ["chat", "openai", "gpt-4o", "gpt-4o-2024"]);
    assert_eq!(tokens(&span), [Some(20), Some(9), None, None, None]);
    assert_eq!(span.gen_ai.stream, Some(false));
    assert_eq!(span.gen_ai.finish_reasons, ["stop"]);
    assert_eq!(span.attributes["openai.response.system_fingerprint"], "fp");
    let input = r#"[{"role":"system","parts":[{"type":"text","content":"Be terse"}]},{"role":"user","parts":[{"type":"text","content":"Hello?"}]}]"#;
    let same: Value = serde_json::from_str(input).unwrap();
    let found: Value =
        serde_json::from_str(span.attributes["gen_ai.input.messages"].as_str().unwrap()).unwrap();
    assert_eq!(found, same);
    assert!(!span.attributes.keys().any(|key| key.starts_with("gen_ai.prompt.")), "{:?}", span.attributes);
}

#[test]
fn openllmetry_0_33_openai_embeddings() {
    let span = recorded(
        "openai.embeddings",
        &json!({
            "gen_ai.prompt.0.content": "x", "gen_ai.request.model": "text-embedding-3-small",
            "gen_ai.response.model": "text-embedding-3-small", "gen_ai.system": "OpenAI",
            "gen_ai.usage.prompt_tokens": 5, "llm.is_streaming": false, "llm.request.type": "embedding",
            "llm.usage.total_tokens": 5,
        }),
    );
    check(&span, ["embeddings", "openai", "text-embedding-3-small", "text-embedding-3-small"]);
    assert_eq!(tokens(&span), [Some(5), None, None, None, None]);
}

/// It called a chat a completion.
#[test]
fn openllmetry_0_33_anthropic() {
    let span = recorded(
        "anthropic.chat",
        &json!({
            "gen_ai.completion.0.content": "Hi", "gen_ai.completion.0.finish_reason": "end_turn",
            "gen_ai.completion.0.role": "assistant", "gen_ai.prompt.0.content": "Hello?",
            "gen_ai.prompt.0.role": "user", "gen_ai.request.model": "claude-sonnet-4-5",
            "gen_ai.response.model": "claude-sonnet-4-5", "gen_ai.system": "Anthropic",
            "gen_ai.usage.cache_creation_input_tokens": 4, "gen_ai.usage.cache_read_input_tokens": 8,
            "gen_ai.usage.completion_tokens": 9, "gen_ai.usage.prompt_tokens": 32,
            "llm.request.type": "completion", "llm.usage.total_tokens": 41,
        }),
    );
    check(&span, ["chat", "anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5"]);
    assert_eq!(tokens(&span), [Some(32), Some(9), Some(8), Some(4), None]);
}

/// From OpenInference's conventions: a completion is an `LLM` span with prompts.
#[test]
fn openinference_text_completion() {
    let span = recorded(
        "Completion",
        &json!({
            "openinference.span.kind": "LLM", "llm.provider": "azure", "llm.system": "openai",
            "llm.model_name": "gpt-3.5-turbo-instruct", "llm.prompts.0.prompt.text": "Once",
        }),
    );
    check(&span, ["text_completion", "azure.ai.openai", "gpt-3.5-turbo-instruct", ""]);
    assert!(span.attributes["gen_ai.input.messages"].as_str().unwrap().contains("Once"));
}

/// It gave the input of Anthropic's API without its cached tokens, and the provider's own usage beside it.
#[test]
fn vercel_ai_sdk_5_anthropic() {
    let attributes = json!({
        "ai.model.id": "claude-sonnet-4-5", "ai.model.provider": "anthropic.messages",
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.prompt.messages": "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hello?\"}]}]",
        "ai.response.finishReason": "stop", "ai.response.id": "msg_1", "ai.response.model": "claude-sonnet-4-5",
        "ai.response.providerMetadata": "{\"anthropic\":{\"usage\":{\"input_tokens\":20,\"output_tokens\":9,\"cache_creation_input_tokens\":4,\"cache_read_input_tokens\":8},\"cacheCreationInputTokens\":4,\"stopSequence\":null}}",
        "ai.response.text": "Hi", "ai.settings.maxRetries": 2, "ai.usage.completionTokens": 9,
        "ai.usage.promptTokens": 20, "gen_ai.request.model": "claude-sonnet-4-5",
        "gen_ai.response.finish_reasons": ["stop"], "gen_ai.response.id": "msg_1",
        "gen_ai.response.model": "claude-sonnet-4-5", "gen_ai.system": "anthropic.messages",
        "gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 9,
        "operation.name": "ai.generateText.doGenerate f", "resource.name": "f",
    });
    let span = recorded("ai.generateText.doGenerate", &attributes);
    check(&span, ["chat", "anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5"]);
    assert_eq!(tokens(&span), [Some(32), Some(9), Some(8), Some(4), None]);
    assert!(span.call_side().is_some());
}

/// The outer span repeats the usage of the inner one.
#[test]
fn vercel_ai_sdk_4_streams() {
    let outer = recorded(
        "ai.streamText",
        &json!({
            "ai.model.id": "gpt-4o", "ai.model.provider": "openai.chat", "ai.operationId": "ai.streamText",
            "ai.prompt": "{\"prompt\":\"Hello?\"}", "ai.response.text": "Hi", "ai.usage.completionTokens": 9,
            "ai.usage.promptTokens": 20,
        }),
    );
    assert_eq!(outer.call_side(), None);
    let inner = recorded(
        "ai.streamText.doStream",
        &json!({
            "ai.model.id": "gpt-4o", "ai.model.provider": "openai.chat", "ai.operationId": "ai.streamText.doStream",
            "ai.response.msToFirstChunk": 21.5, "ai.usage.completionTokens": 9, "ai.usage.promptTokens": 20,
            "ai.response.model": "gpt-4o-2024",
        }),
    );
    check(&inner, ["chat", "openai", "gpt-4o", "gpt-4o-2024"]);
    assert_eq!(inner.gen_ai.time_to_first_chunk_nanos, Some(21_500_000));
    assert_eq!(inner.gen_ai.stream, Some(true));
    assert!(inner.call_side().is_some());
}

/// Framework, not provider; chain, not call.
#[test]
fn langsmith_chain_and_langchain_workflow() {
    let chain = recorded(
        "pipeline",
        &json!({
            "gen_ai.completion": "{\"output\":null}", "gen_ai.operation.name": "chain", "gen_ai.prompt": "{}",
            "gen_ai.system": "langchain", "langsmith.span.kind": "chain", "langsmith.trace.name": "pipeline",
        }),
    );
    assert_eq!(chain.gen_ai.operation_name.as_deref(), Some("invoke_workflow"));
    assert_eq!((chain.call_side(), chain.gen_ai.provider_name.as_deref()), (None, None));
    assert_eq!(chain.attributes["gen_ai.system"], "langchain");
    let prompt = recorded(
        "ChatPromptTemplate",
        &json!({"gen_ai.operation.name": "chat", "gen_ai.system": "langchain", "langsmith.span.kind": "prompt"}),
    );
    assert_eq!(prompt.call_side(), None);
    assert_eq!(prompt.attributes.len(), 3, "a plain span keeps what it has");
    let task = recorded(
        "RunnableSequence.task",
        &json!({"traceloop.span.kind": "task", "traceloop.entity.name": "RunnableSequence"}),
    );
    assert_eq!((task.call_side(), task.attributes.len()), (None, 2));
}
