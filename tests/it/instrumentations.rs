//! Spans of the instrumentations that people have, made by those libraries around the official SDKs, arrive with the same
//! names and counts as the filter's own: docs/normalization.md.
//!
//! The provider is the stand-in, which knows what it answered; the collector is the real one.

use std::collections::BTreeMap;
use std::process::Command;

use meshtap_tests::collector::{Collector, Store};
use meshtap_tests::sandbox::Sandbox;
use meshtap_tests::spans::{Span, SpanUsage};
use meshtap_tests::standin::Standin;
use meshtap_tests::standin::record::{Exchange, Usage};
use meshtap_tests::tools;

/// A library that makes spans, and what those spans do not say or say wrongly.
#[derive(Default)]
struct Instrumentation {
    name: &'static str,
    /// How the scopes of its spans begin.
    scope: &'static str,
    /// Kinds of calls that it fails on, and those that it does not see.
    broken: &'static [&'static str],
    unseen: &'static [&'static str],
    /// What spans of a kind of call do not have.
    gaps: &'static [(&'static str, &'static str)],
    /// Whether what is called inside its spans is in another trace.
    starts_traces: bool,
    /// Output tokens that it counts too many.
    miscounts: &'static [(&'static str, u64)],
}

/// What the parent span of each call is called: a span like any other.
const PLAIN_SCOPE: &str = "test";
/// Anthropic's SDK makes spans by itself once OpenTelemetry is there.
const ANTHROPIC_SDK: &str = "com.anthropic.sdk.python";

/// Kind of call, operation, provider, requested model, streamed.
const KINDS: &[(&str, &str, &str, &str, bool)] = &[
    ("chat", "chat", "openai", "o4-mini", false),
    ("chat_streamed", "chat", "openai", "o4-mini", true),
    ("embeddings", "embeddings", "openai", "text-embedding-3-small", false),
    ("responses", "chat", "openai", "o4-mini", false),
    ("messages", "chat", "anthropic", "claude-sonnet-4-5", false),
    ("messages_streamed", "chat", "anthropic", "claude-sonnet-4-5", true),
];

#[test]
fn opentelemetry() {
    check(&Instrumentation {
        name: "opentelemetry",
        scope: "opentelemetry.instrumentation.genai.",
        gaps: &[("embeddings", "response id")],
        ..Instrumentation::default()
    });
}

#[test]
fn openllmetry() {
    check(&Instrumentation {
        name: "openllmetry",
        scope: "opentelemetry.instrumentation.",
        gaps: &[("chat_streamed", "reasoning"), ("embeddings", "response id")],
        // It adds the count that a stream begins with to the one that it ends with, which includes it.
        miscounts: &[("messages_streamed", 1)],
        ..Instrumentation::default()
    });
}

#[test]
fn openinference() {
    check(&Instrumentation {
        name: "openinference",
        scope: "openinference.instrumentation.",
        gaps: &[
            ("chat", "response id"),
            ("chat_streamed", "response id"),
            ("embeddings", "response id"),
            ("embeddings", "response model"),
            ("responses", "response id"),
            ("messages", "response id"),
            ("messages_streamed", "response id"),
        ],
        ..Instrumentation::default()
    });
}

#[test]
fn langsmith() {
    check(&Instrumentation {
        name: "langsmith",
        scope: "langsmith",
        broken: &["messages_streamed"],
        unseen: &["embeddings"],
        starts_traces: true,
        ..Instrumentation::default()
    });
}

fn check(instrumentation: &Instrumentation) {
    let sandbox = Sandbox::new(instrumentation.name);
    let standin = Standin::start();
    let collector = Collector::start(&sandbox, "collector", &Store::Sqlite);
    let traces = calls(instrumentation, &standin, &collector);
    for (kind, operation, provider, model, streamed) in KINDS {
        if instrumentation.broken.contains(kind) {
            continue;
        }
        let exchange = standin.exchange(&format!("{kind}@{}", instrumentation.name));
        let mut scopes = vec![instrumentation.scope];
        scopes.retain(|_| !instrumentation.unseen.contains(kind));
        let is_anthropic = *provider == "anthropic" && !instrumentation.starts_traces;
        scopes.extend(is_anthropic.then_some(ANTHROPIC_SDK));
        let spans = collector.wait_for_spans(&format!("trace_id={}", traces[*kind]), scopes.len() + 1);
        let plain = only(&spans, PLAIN_SCOPE, kind);
        assert_eq!((plain.side.as_deref(), plain.operation_name.as_deref()), (None, None), "{plain:#?}");
        for scope in &scopes {
            let span = only(&spans, scope, kind);
            assert_eq!(span.side.as_deref(), Some("outbound"), "{kind}: {span:#?}");
            assert_eq!(span.operation_name.as_deref(), Some(*operation), "{kind}: {span:#?}");
            assert_eq!(span.provider_name.as_deref(), Some(*provider), "{kind}: {span:#?}");
            assert_eq!(span.request_model.as_deref(), Some(*model), "{kind}: {span:#?}");
            if *streamed && *scope != ANTHROPIC_SDK {
                assert_eq!(span.stream, Some(true), "{kind}: {span:#?}");
            }
            answered(instrumentation, scope, kind, span, &exchange);
        }
        assert_eq!(spans.len(), scopes.len() + 1, "{kind}: {spans:#?}");
    }
}

/// What the answer said: its model, its id, and what it cost.
fn answered(instrumentation: &Instrumentation, scope: &str, kind: &str, span: &Span, exchange: &Exchange) {
    let has = |what| scope == ANTHROPIC_SDK || !instrumentation.gaps.contains(&(kind, what));
    let model = Some(&exchange.response_model).filter(|_| has("response model"));
    assert_eq!(span.response_model.as_ref(), model, "{kind}: {span:#?}");
    let id = Some(&exchange.response_id).filter(|_| has("response id"));
    assert_eq!(span.response_id.as_ref(), id, "{kind}: {span:#?}");
    let mut usage = exchange.usage.unwrap_or_else(|| panic!("{kind}: the stand-in gave no usage"));
    let miscount = instrumentation.miscounts.iter().find(|(miscounted, _)| *miscounted == kind);
    usage.output += miscount.filter(|_| scope != ANTHROPIC_SDK).map_or(0, |(_, tokens)| *tokens);
    if !has("reasoning") {
        usage.reasoning_output = 0;
    }
    assert_eq!(span.usage, expected(usage, &span.usage), "{kind}: {span:#?}");
}

/// A count of zero may be told or not.
fn expected(usage: Usage, told: &SpanUsage) -> SpanUsage {
    let count = |count: u64, told: Option<u64>| Some(count).filter(|count| *count > 0 || told == Some(0));
    SpanUsage {
        input_tokens: Some(usage.input),
        output_tokens: count(usage.output, told.output_tokens),
        cache_read_input_tokens: count(usage.cached_input, told.cache_read_input_tokens),
        cache_creation_input_tokens: count(usage.cache_creation_input, told.cache_creation_input_tokens),
        reasoning_output_tokens: count(usage.reasoning_output, told.reasoning_output_tokens),
        source: None,
    }
}

/// The only span whose scope begins so.
fn only<'a>(spans: &'a [Span], scope: &str, kind: &str) -> &'a Span {
    let found: Vec<_> = spans
        .iter()
        .filter(|span| span.scope.name.as_deref().unwrap_or_default().starts_with(scope))
        .collect();
    assert_eq!(found.len(), 1, "one span of {scope} for {kind}: {spans:#?}");
    found[0]
}

/// The trace of each kind of call. The program ends when its spans have been taken.
fn calls(
    instrumentation: &Instrumentation,
    standin: &Standin,
    collector: &Collector,
) -> BTreeMap<String, String> {
    let mut command = Command::new(tools::python());
    command.arg(tools::own_file("clients/instrumented.py"));
    command.args([instrumentation.name, &standin.address().to_string(), &collector.grpc().to_string()]);
    traces(command)
}

/// What a program prints that makes calls. Nothing of the user's environment takes part.
fn traces(mut command: Command) -> BTreeMap<String, String> {
    for (name, _) in std::env::vars_os() {
        let foreign = ["OTEL_", "LANGSMITH_", "LANGCHAIN_", "OPENAI_", "ANTHROPIC_", "TRACELOOP_"];
        let name = name.to_string_lossy().into_owned();
        if foreign.iter().any(|prefix| name.starts_with(prefix)) || name.to_lowercase().ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{errors}", output.status);
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}\n{errors}"))
}

/// The SDK makes two spans of a call: an outer one, whose usage must not count again, and one for each request.
#[test]
fn vercel_ai_sdk() {
    let sandbox = Sandbox::new("vercel");
    let standin = Standin::start();
    let collector = Collector::start(&sandbox, "collector", &Store::Sqlite);
    let mut command = Command::new("node");
    command.arg(tools::own_file("clients/vercel.mjs")).arg(tools::vercel());
    command.args([standin.address().to_string(), collector.grpc().to_string()]);
    let traces = traces(command);
    for (kind, operation, provider, model, streamed) in KINDS {
        let Some(trace) = traces.get(*kind) else { continue };
        let exchange = standin.exchange(&format!("{kind}@vercel"));
        let spans = collector.wait_for_spans(&format!("trace_id={trace}"), 2);
        let (calls, others): (Vec<_>, Vec<_>) = spans.iter().partition(|span| span.side.is_some());
        assert_eq!((calls.len(), others.len()), (1, 1), "{kind}: {spans:#?}");
        let span = calls[0];
        assert_eq!(span.operation_name.as_deref(), Some(*operation), "{kind}: {span:#?}");
        assert_eq!(span.provider_name.as_deref(), Some(*provider), "{kind}: {span:#?}");
        assert_eq!(span.request_model.as_deref(), Some(*model), "{kind}: {span:#?}");
        assert_eq!(span.stream, streamed.then_some(true), "{kind}: {span:#?}");
        assert_eq!(span.time_to_first_chunk_ms.is_some(), *streamed, "{kind}: {span:#?}");
        let vercel = Instrumentation {
            scope: "ai",
            gaps: &[("embeddings", "response id"), ("embeddings", "response model")],
            ..Instrumentation::default()
        };
        answered(&vercel, "ai", kind, span, &exchange);
        let said = span.attribute("gen_ai.input.messages").unwrap_or_default();
        assert_eq!(said.contains("What does a façade cost?"), *kind != "embeddings", "{kind}: {said}");
    }
    assert_eq!(traces.len(), 3, "{traces:?}");
    let usage = collector.usage("model");
    let row = usage.iter().find(|row| row["model"] == "o4-mini");
    let input = |kind: &str| standin.exchange(&format!("{kind}@vercel")).usage.map_or(0, |usage| usage.input);
    let sum = input("chat") + input("chat_streamed");
    assert_eq!(
        row.map(|row| (&row["calls"], &row["input_tokens"])),
        Some((&2.into(), &sum.into())),
        "{usage:?}"
    );
}
