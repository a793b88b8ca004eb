//! LLMTrace's ingestion, by a gRPC client.

use meshtap_collector::receive::llmtrace::wire::{Answer, Batch, Provider, Span};
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use crate::otlp::START;
use crate::running::Running;

const TENANT: &str = "550e8400-e29b-41d4-a716-446655440000";

async fn running() -> Running {
    Running::with(|config| config.receive.llmtrace.listen = Some("127.0.0.1:0".to_owned())).await
}

pub(crate) struct Client(Grpc<Channel>);

impl Client {
    pub(crate) async fn of(collector: &Running) -> Self {
        let address = collector.llmtrace().unwrap();
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        Self(Grpc::new(channel))
    }

    pub(crate) async fn ingest(&mut self, spans: Vec<Span>) -> Result<Answer, Status> {
        self.0.ready().await.unwrap();
        let path = "/llmtrace.ingest.v1.TraceIngestionService/IngestTraces".parse().unwrap();
        let codec = ProstCodec::<Batch, Answer>::default();
        self.0.unary(Request::new(Batch { spans }), path, codec).await.map(tonic::Response::into_inner)
    }

    async fn stream(&mut self, batches: Vec<Vec<Span>>) -> Result<Answer, Status> {
        self.0.ready().await.unwrap();
        let path = "/llmtrace.ingest.v1.TraceIngestionService/StreamTraces".parse().unwrap();
        let batches = tokio_stream::iter(batches.into_iter().map(|spans| Batch { spans }));
        let codec = ProstCodec::<Batch, Answer>::default();
        self.0.client_streaming(Request::new(batches), path, codec).await.map(tonic::Response::into_inner)
    }
}

pub(crate) fn call(id: u8) -> Span {
    Span {
        trace_id: format!("{id:032x}"),
        span_id: format!("{id:032x}"),
        tenant_id: TENANT.to_owned(),
        operation_name: "chat_completion".to_owned(),
        start_time_unix_nano: START + u64::from(id),
        end_time_unix_nano: START + u64::from(id) + 2_000_000_000,
        provider: Provider::AzureOpenAi.into(),
        model_name: "gpt-4o".to_owned(),
        prompt: "What does a façade cost?".to_owned(),
        response: "12 €.".to_owned(),
        prompt_tokens: 12,
        completion_tokens: 34,
        total_tokens: 46,
        time_to_first_token_ms: 250,
        duration_ms: 2_000,
        status_code: 200,
        tags: [("team".to_owned(), "checkout".to_owned())].into(),
        ..Span::default()
    }
}

fn accepted(spans: i64) -> Answer {
    Answer { accepted_spans: spans, ..Answer::default() }
}

#[tokio::test]
async fn a_call_is_a_span_like_any_other() {
    let collector = running().await;
    let child = Span { span_id: format!("{:032x}", 7), parent_span_id: format!("{:032x}", 1), ..call(1) };
    let answer = Client::of(&collector).await.ingest(vec![call(1), child]).await.unwrap();
    assert_eq!(answer, accepted(2));
    collector.drained().await;
    let (_, trace) = collector.json(&format!("/api/v1/traces/{:032x}", 1)).await;
    let span = &trace["spans"][0];
    assert_eq!(span["name"], "chat_completion gpt-4o");
    assert_eq!((&span["kind"], &span["side"]), (&"client".into(), &"outbound".into()));
    assert_eq!(
        (&span["operation_name"], &span["provider_name"]),
        (&"chat".into(), &"azure.ai.openai".into())
    );
    assert_eq!((&span["request_model"], &span["duration_ms"]), (&"gpt-4o".into(), &2_000.0.into()));
    assert_eq!(span["usage"]["input_tokens"], 12);
    assert_eq!(span["usage"]["output_tokens"], 34);
    assert_eq!((&span["http_status_code"], &span["status"]), (&200.into(), &"unset".into()));
    assert_eq!(span["time_to_first_content_ms"], 250.0);
    assert_eq!(span["scope"]["name"], "llmtrace");
    let attributes = &span["attributes"];
    assert_eq!(attributes["meshtap.tenant.id"], TENANT);
    assert_eq!(attributes["llmtrace.tags.team"], "checkout");
    let said = attributes["gen_ai.output.messages"].as_str().unwrap();
    assert!(said.contains("12 €."), "{said}");
    assert_eq!(trace["spans"][1]["parent_span_id"], span["span_id"]);
}

#[tokio::test]
async fn failures_are_errors_and_zero_is_unknown() {
    let collector = running().await;
    let failed = Span {
        status_code: 429,
        error_message: "slow down".to_owned(),
        prompt_tokens: 0,
        completion_tokens: 0,
        total_tokens: 0,
        time_to_first_token_ms: 0,
        provider: 0,
        ..call(1)
    };
    Client::of(&collector).await.ingest(vec![failed]).await.unwrap();
    collector.drained().await;
    let (_, page) = collector.json("/api/v1/spans?error=true").await;
    let span = &page["spans"][0];
    assert_eq!((&span["error_type"], &span["status_message"]), (&"429".into(), &"slow down".into()));
    let unknown = [
        &span["usage"]["input_tokens"],
        &span["usage"]["output_tokens"],
        &span["time_to_first_content_ms"],
        &span["provider_name"],
    ];
    assert!(unknown.iter().all(|value| value.is_null()), "{span}");
}

#[tokio::test]
async fn what_cannot_be_taken_is_rejected_alone() {
    let collector = running().await;
    let spans = vec![
        call(1),
        Span { tenant_id: "shop".to_owned(), ..call(2) },
        Span { end_time_unix_nano: 0, duration_ms: 0, ..call(3) },
        Span { trace_id: "7".to_owned(), ..call(4) },
        // Beyond what all spans are held to.
        Span { start_time_unix_nano: 0, ..call(5) },
    ];
    let answer = Client::of(&collector).await.ingest(spans).await.unwrap();
    assert_eq!((answer.accepted_spans, answer.rejected_spans), (1, 4));
    assert_eq!(answer.error_message, "tenant_id is no UUID: \"shop\"");
    let rejected = |reason| format!("meshtap_llmtrace_spans_rejected_total{{reason=\"{reason}\"}}");
    for reason in ["invalid_tenant_id", "not_ended", "invalid_id"] {
        assert_eq!(collector.metric(&rejected(reason)).await, Some(1.0), "{reason}");
    }
    assert_eq!(collector.metric("meshtap_spans_rejected_total{reason=\"invalid_time\"}").await, Some(1.0));
    assert_eq!(collector.metric("meshtap_llmtrace_spans_received_total").await, Some(5.0));
}

#[tokio::test]
async fn a_stream_is_answered_at_its_end() {
    let collector = running().await;
    let mut client = Client::of(&collector).await;
    let batches = vec![vec![call(1), call(2)], Vec::new(), vec![Span::default(), call(3)]];
    let answer = client.stream(batches.clone()).await.unwrap();
    assert_eq!((answer.accepted_spans, answer.rejected_spans), (3, 1));
    assert!(answer.error_message.starts_with("end_time_unix_nano"), "{}", answer.error_message);
    // Again, as after a lost answer: each is there once.
    client.stream(batches).await.unwrap();
    collector.drained().await;
    let (_, page) = collector.json("/api/v1/spans").await;
    assert_eq!(page["spans"].as_array().unwrap().len(), 3);
    assert_eq!(client.stream(Vec::new()).await.unwrap(), accepted(0));
    assert_eq!(client.ingest(Vec::new()).await.unwrap(), accepted(0));
}

#[tokio::test]
async fn a_long_prompt_is_cut_and_the_span_stays() {
    let collector = Running::with(|config| {
        config.receive.llmtrace.listen = Some("127.0.0.1:0".to_owned());
        config.receive.limits.max_attribute_value_bytes = 1_000;
    })
    .await;
    let long = Span { prompt: "façade ".repeat(1_000), ..call(1) };
    assert_eq!(Client::of(&collector).await.ingest(vec![long]).await.unwrap(), accepted(1));
    collector.drained().await;
    let (_, page) = collector.json("/api/v1/spans").await;
    assert_eq!(page["spans"][0]["attributes"]["meshtap.content.truncated"], true);
}

/// The queue keeps what the store cannot take yet.
#[tokio::test]
async fn a_store_that_is_away_holds_up_nobody() {
    let collector = running().await;
    collector.store.fail_transiently();
    assert_eq!(Client::of(&collector).await.ingest(vec![call(1)]).await.unwrap(), accepted(1));
    collector.store.recover();
    collector.drained().await;
    let (_, page) = collector.json("/api/v1/spans").await;
    assert_eq!(page["spans"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn it_is_off_unless_asked_for() {
    assert_eq!(Running::start().await.llmtrace(), None);
}
