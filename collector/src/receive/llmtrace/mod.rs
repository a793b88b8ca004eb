//! LLMTrace's own ingestion, so that its users can move: `llmtrace.ingest.v1.TraceIngestionService` over gRPC, unary and
//! streamed, off unless `receive.llmtrace.listen` is set.
//!
//! Spans become OTLP (`span`) and go the way of all spans: the same limits, the same answer only after they are kept. What
//! cannot become a span is rejected alone, counted, and told with its reason. A stream is kept message by message and
//! answered at its end: one that fails may have been kept in part, and the same spans sent again are stored once.
//!
//! Written from the wire format alone; names and numbers of fields are those of LLMTrace.

use std::pin::Pin;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use tokio_stream::StreamExt as _;
use tonic::body::Body;
use tonic::codec::{CompressionEncoding, EnabledCompressionEncodings};
use tonic::codegen::http;
use tonic::server::{ClientStreamingService, Grpc, UnaryService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use self::wire::{Answer, Batch};
use super::grpc::status;
use super::intake::Intake;
use super::service;

mod span;
pub mod wire;

/// The instrumentation scope of the spans.
pub const SCOPE_NAME: &str = "llmtrace";

const INGEST: &str = "/llmtrace.ingest.v1.TraceIngestionService/IngestTraces";
const STREAM: &str = "/llmtrace.ingest.v1.TraceIngestionService/StreamTraces";

type Answering = Pin<Box<dyn Future<Output = Result<Response<Answer>, Status>> + Send>>;

/// In front of the core of all transports.
#[derive(Clone, Debug)]
pub struct Ingestion {
    intake: Intake,
}

impl Ingestion {
    pub const fn new(intake: Intake) -> Self {
        Self { intake }
    }

    async fn stream(self, mut batches: Streaming<Batch>) -> Result<Answer, Status> {
        let mut answer = Answer::default();
        while let Some(batch) = batches.next().await {
            answer.add(self.take(batch?).await?);
        }
        Ok(answer)
    }

    /// An error means that nothing of the batch may be taken as kept.
    async fn take(&self, batch: Batch) -> Result<Answer, Status> {
        let mut answer = Answer::default();
        let mut spans = Vec::with_capacity(batch.spans.len());
        self.intake.metrics.llmtrace().received(batch.spans.len());
        for span in batch.spans {
            match span::otlp(span, self.intake.limits.max_attribute_value_bytes) {
                Ok(span) => spans.push(span),
                Err(mistake) => {
                    self.intake.metrics.llmtrace().rejected(mistake.reason());
                    answer.add(Answer::rejected(1, mistake.to_string()));
                }
            }
        }
        if !spans.is_empty() {
            answer.add(self.export(spans).await?);
        }
        Ok(answer)
    }

    async fn export(&self, spans: Vec<Span>) -> Result<Answer, Status> {
        let all = count(spans.len());
        let scope = InstrumentationScope { name: SCOPE_NAME.to_owned(), ..InstrumentationScope::default() };
        let scope_spans = ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() };
        let resource_spans = ResourceSpans { scope_spans: vec![scope_spans], ..ResourceSpans::default() };
        let request = ExportTraceServiceRequest { resource_spans: vec![resource_spans] };
        let slot = self.intake.slot().map_err(|error| status(&error))?;
        let exported = self.intake.export(slot, request.encode_to_vec().into()).await;
        let response = exported.map_err(|error| status(&error))?;
        let (rejected, message) = response
            .partial_success
            .map_or((0, String::new()), |part| (part.rejected_spans, part.error_message));
        let mut answer = Answer { accepted_spans: all - rejected, ..Answer::default() };
        answer.add(Answer::rejected(rejected, message));
        Ok(answer)
    }
}

impl service::Answer for Ingestion {
    const NAME: &'static str = "llmtrace.ingest.v1.TraceIngestionService";

    async fn answer(self, request: http::Request<Body>) -> http::Response<Body> {
        let mut compressions = EnabledCompressionEncodings::default();
        compressions.enable(CompressionEncoding::Gzip);
        let mut grpc = Grpc::new(ProstCodec::<Answer, Batch>::default())
            .apply_compression_config(compressions, EnabledCompressionEncodings::default())
            .apply_max_message_size_config(Some(self.intake.limits.max_message_bytes), None);
        match request.uri().path() {
            INGEST => grpc.unary(self, request).await,
            STREAM => grpc.client_streaming(self, request).await,
            _ => Status::unimplemented("only IngestTraces and StreamTraces are served here").into_http(),
        }
    }
}

fn count(spans: usize) -> i64 {
    i64::try_from(spans).unwrap_or(i64::MAX)
}

impl UnaryService<Batch> for Ingestion {
    type Response = Answer;
    type Future = Answering;

    fn call(&mut self, request: Request<Batch>) -> Answering {
        let this = self.clone();
        Box::pin(async move { this.take(request.into_inner()).await.map(Response::new) })
    }
}

impl ClientStreamingService<Batch> for Ingestion {
    type Response = Answer;
    type Future = Answering;

    fn call(&mut self, request: Request<Streaming<Batch>>) -> Answering {
        let this = self.clone();
        Box::pin(async move { this.stream(request.into_inner()).await.map(Response::new) })
    }
}
