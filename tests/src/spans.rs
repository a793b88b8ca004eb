//! A span as the query API shows it, and the spans that a query selects. What is unknown is absent there, and `None` here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::http::Reply;
use crate::wait;

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct Span {
    pub trace_id: String,
    pub span_id: String,
    pub parent_span_id: Option<String>,
    pub name: String,
    pub kind: String,
    pub side: Option<String>,
    pub start_time: String,
    pub end_time: String,
    pub duration_ms: f64,
    pub status: String,
    pub service: Option<String>,
    pub workload: Option<String>,
    pub namespace: Option<String>,
    pub pod: Option<String>,
    pub operation_name: Option<String>,
    pub provider_name: Option<String>,
    pub request_model: Option<String>,
    pub response_model: Option<String>,
    pub response_id: Option<String>,
    pub stream: Option<bool>,
    pub finish_reasons: Option<Vec<String>>,
    pub usage: SpanUsage,
    pub time_to_first_chunk_ms: Option<f64>,
    pub time_to_first_content_ms: Option<f64>,
    pub end: Option<String>,
    pub error_type: Option<String>,
    pub scope: Scope,
    pub http_status_code: Option<u16>,
    pub attributes: BTreeMap<String, Value>,
    pub resource: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct SpanUsage {
    pub input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    pub cache_read_input_tokens: Option<u64>,
    pub cache_creation_input_tokens: Option<u64>,
    pub reasoning_output_tokens: Option<u64>,
    pub source: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct Scope {
    pub name: Option<String>,
}

/// The spans that a query selects, such as `model=gpt-4o&limit=10`, newest first. `get` asks for a page of the API.
#[track_caller]
pub fn select(get: impl FnOnce(&str) -> Reply, query: &str) -> Vec<Span> {
    let reply = get(&format!("/api/v1/spans?{query}"));
    assert_eq!(reply.status, 200, "{query}: {}", reply.text());
    serde_json::from_value(reply.json()["spans"].take())
        .unwrap_or_else(|e| panic!("spans that are none ({e}): {}", reply.text()))
}

/// Waits until a query selects at least `count` spans; panics with `log` when it does not.
#[track_caller]
pub fn wait_for(
    get: impl Fn(&str) -> Reply,
    query: &str,
    count: usize,
    log: impl FnOnce() -> String,
) -> Vec<Span> {
    let mut seen = Vec::new();
    let arrived = wait::poll(|| {
        seen = select(&get, query);
        (seen.len() >= count).then_some(())
    });
    assert!(arrived.is_some(), "{} of {count} spans for {query} arrived: {seen:#?}\n{}", seen.len(), log());
    seen
}

/// The only one of the spans that a query selected.
#[track_caller]
pub fn only(mut spans: Vec<Span>, query: &str) -> Span {
    assert_eq!(spans.len(), 1, "one span for {query}: {spans:#?}");
    spans.remove(0)
}

impl Span {
    /// An attribute's value as text, whatever its type.
    pub fn attribute(&self, name: &str) -> Option<String> {
        match self.attributes.get(name)? {
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }
}
