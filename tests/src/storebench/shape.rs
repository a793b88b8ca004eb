//! Traffic of a mesh with agents, made up: traces of a few spans, of which 52 % are model calls; 10 attributes that have
//! no column of their own, 8 of the resource; spread evenly over a day for every million spans, in the order in which
//! they come.
//!
//! What is random in real traffic (ids, times, counts) is random here, and nothing else: the same number of spans is the
//! same spans every time.

use std::sync::Arc;

use meshtap_collector::model::{
    Attributes, GenAi, Origin, SpanId, SpanKind, SpanRecord, StatusCode, TraceId, Usage,
};
use serde_json::{Value, json};

const DAY_NANOS: u64 = 24 * 3_600_000_000_000;
const SPANS_PER_DAY: u64 = 1_000_000;
/// 2026-01-01.
const START_NANOS: u64 = 1_767_225_600_000_000_000;
const PODS: usize = 90;
const USERS: u32 = 5_000;
const NAMESPACES: [&str; 6] = ["shop", "search", "support", "billing", "research", "platform"];
const MODELS: [(&str, &str); 11] = [
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-4.1"),
    ("openai", "text-embedding-3-small"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-haiku-4-5"),
    ("gcp.gemini", "gemini-2.5-pro"),
    ("gcp.gemini", "gemini-2.5-flash"),
    ("aws.bedrock", "amazon.nova-pro-v1:0"),
    ("mistral_ai", "mistral-large-latest"),
    ("openai", "llama-3.3-70b-instruct"),
];
const PLAIN: [&str; 4] = ["GET /api/orders", "agent.step", "tool.lookup", "retrieve"];

struct Pod {
    origin: Origin,
    resource: Arc<Attributes>,
}

pub struct Shape {
    random: fastrand::Rng,
    pods: Vec<Pod>,
    clock_nanos: u64,
    /// Spans of the trace that are still to come.
    trace: Trace,
}

struct Trace {
    id: TraceId,
    parent: Option<SpanId>,
    pod: usize,
    user: u32,
    session: u64,
    left: u8,
}

impl Shape {
    pub fn new(seed: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(seed as u64);
        let pods = (0..PODS).map(|number| pod(number, &mut random)).collect();
        let trace = Trace { id: TraceId([1; 16]), parent: None, pod: 0, user: 0, session: 1, left: 0 };
        Self { random, pods, clock_nanos: START_NANOS, trace }
    }

    /// The next spans, in the order in which they come.
    pub fn next(&mut self, spans: usize) -> Vec<SpanRecord> {
        (0..spans).map(|_| self.span()).collect()
    }

    fn span(&mut self) -> SpanRecord {
        if self.trace.left == 0 {
            self.begin_trace();
        }
        self.trace.left -= 1;
        self.clock_nanos += self.random.u64(..2 * DAY_NANOS / SPANS_PER_DAY);
        let id = SpanId(self.random.u64(1..).to_be_bytes());
        let parent = self.trace.parent.replace(id);
        let span = if self.random.u8(..100) < 52 { self.call() } else { self.plain() };
        SpanRecord { span_id: id, parent_span_id: parent, ..span }
    }

    fn begin_trace(&mut self) {
        let random = &mut self.random;
        self.trace = Trace {
            id: TraceId(random.u128(1..).to_be_bytes()),
            parent: None,
            pod: random.usize(..PODS),
            user: random.u32(..USERS),
            session: random.u64(..),
            left: random.u8(1..=6),
        };
    }

    fn call(&mut self) -> SpanRecord {
        // Some models are called more often than others.
        let model = self.random.usize(..MODELS.len()).min(self.random.usize(..MODELS.len()));
        let (provider, name) = MODELS[model];
        let operation = if name.starts_with("text-embedding") { "embeddings" } else { "chat" };
        let duration = self.random.u64(200_000_000..9_000_000_000);
        let input = self.random.u64(20..6_000);
        let output = self.random.u64(1..900);
        let failed = self.random.u8(..50) == 0;
        let stream = self.random.bool();
        let mut span = self.bare(&format!("{operation} {name}"), SpanKind::Client, duration);
        span.gen_ai = GenAi {
            operation_name: Some(operation.to_owned()),
            provider_name: Some(provider.to_owned()),
            request_model: Some(name.to_owned()),
            response_model: (!failed).then(|| format!("{name}-2026-01-01")),
            response_id: None,
            finish_reasons: if failed { Vec::new() } else { vec!["stop".to_owned()] },
            stream: Some(stream),
            usage: Usage {
                input_tokens: (!failed).then_some(input),
                output_tokens: (!failed).then_some(output),
                cache_read_input_tokens: (!failed).then_some(input / 4 * u64::from(self.random.u8(..2))),
                cache_creation_input_tokens: None,
                reasoning_output_tokens: None,
                source: (!failed).then(|| "provider".to_owned()),
            },
            time_to_first_chunk_nanos: stream
                .then(|| self.random.u64(80_000_000..duration.clamp(90_000_000, 2_000_000_000))),
            time_to_first_content_nanos: None,
            end: Some("complete".to_owned()),
        };
        if failed {
            span.status = StatusCode::Error;
            span.error_type = Some("429".to_owned());
        }
        span.http_status_code = Some(if failed { 429 } else { 200 });
        let bytes = self.random.u32(500..40_000);
        span.attributes.extend(object(json!({
            "gen_ai.request.temperature": f64::from(self.random.u8(..11)) / 10.0,
            "gen_ai.request.max_tokens": 256 << self.random.u8(..5),
            "server.address": format!("api.{provider}.com"),
            "server.port": 443,
            "url.path": "/v1/chat/completions",
            "http.request.method": "POST",
            "meshtap.request.bytes": bytes,
            "meshtap.response.bytes": self.random.u32(500..9_000),
            "meshtap.output.chunks": if stream { output } else { 1 },
            "meshtap.envoy.cluster": format!("outbound|443||api.{provider}.com"),
        })));
        span
    }

    fn plain(&mut self) -> SpanRecord {
        let name = PLAIN[self.random.usize(..PLAIN.len())];
        let duration = self.random.u64(100_000..500_000_000);
        let mut span = self.bare(name, SpanKind::Internal, duration);
        span.attributes.extend(object(json!({
            "http.route": "/api/orders",
            "http.request.method": "GET",
            "url.scheme": "http",
            "network.protocol.version": "1.1",
            "client.address": format!("10.0.{}.{}", self.trace.pod, self.random.u8(..)),
            "app.step": self.random.u8(..20),
            "app.rows": self.random.u16(..500),
            "app.cache.hit": self.random.bool(),
            "thread.id": self.random.u8(..64),
            "app.tenant": format!("tenant-{}", self.trace.user % 40),
        })));
        span
    }

    fn bare(&self, name: &str, kind: SpanKind, duration: u64) -> SpanRecord {
        let pod = &self.pods[self.trace.pod];
        SpanRecord {
            trace_id: self.trace.id,
            span_id: SpanId([0; 8]),
            parent_span_id: None,
            name: name.to_owned(),
            kind,
            start_unix_nanos: self.clock_nanos,
            end_unix_nanos: self.clock_nanos + duration,
            status: StatusCode::Unset,
            status_message: None,
            trace_state: None,
            scope_name: Some("meshtap".to_owned()),
            scope_version: Some("0.1.0".to_owned()),
            origin: pod.origin.clone(),
            gen_ai: GenAi::default(),
            error_type: None,
            http_status_code: None,
            attributes: object(json!({
                "meshtap.user.id": format!("user-{}", self.trace.user),
                "meshtap.session.id": format!("{:016x}", self.trace.session),
            })),
            resource: Arc::clone(&pod.resource),
            events: Vec::new(),
            links: Vec::new(),
        }
    }
}

fn pod(number: usize, random: &mut fastrand::Rng) -> Pod {
    let namespace = NAMESPACES[number % NAMESPACES.len()];
    let workload = format!("{namespace}-worker-{}", number % 30);
    let name = format!("{workload}-{:09x}-{:05x}", random.u32(..), random.u16(..));
    let resource = object(json!({
        "service.name": workload,
        "service.version": "1.4.2",
        "k8s.namespace.name": namespace,
        "k8s.deployment.name": workload,
        "k8s.pod.name": name,
        "k8s.node.name": format!("node-{}", number % 9),
        "k8s.cluster.name": "production",
        "telemetry.sdk.language": "rust",
    }));
    let origin = Origin {
        service_name: Some(workload.clone()),
        service_namespace: None,
        namespace: Some(namespace.to_owned()),
        workload: Some(workload),
        pod: Some(name),
    };
    Pod { origin, resource: Arc::new(resource) }
}

fn object(value: Value) -> Attributes {
    match value {
        Value::Object(attributes) => attributes.into(),
        _ => Attributes::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_it_says() {
        let spans = Shape::new(1).next(20_000);
        let calls = spans.iter().filter(|span| span.call_side().is_some()).count();
        assert!((10_200..10_600).contains(&calls), "{calls}");
        for span in &spans {
            assert_eq!((span.attributes.len(), span.resource.len()), (12, 8), "10 and two with columns");
        }
        let hours = (spans[19_999].start_unix_nanos - START_NANOS) / (DAY_NANOS / 24);
        assert_eq!(hours, 0, "a fiftieth of a day");
        assert_eq!(spans[..100], Shape::new(1).next(100)[..]);
    }
}
