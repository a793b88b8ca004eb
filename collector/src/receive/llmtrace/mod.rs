//! LLMTrace's own ingestion, so that its users can move: `llmtrace.ingest.v1.TraceIngestionService` over gRPC, unary and
//! streamed, off unless `receive.llmtrace.listen` is set.
//!
//! Spans become OTLP (`span`) and go the way of all spans: the same limits, the same answer only after they are kept. What
//! cannot become a span is rejected alone, counted, and told with its reason. A stream is kept message by message and
//! answered at its end: one that fails may have been kept in part, and the same spans sent again are stored once.
//!
//! Written from the wire format alone; names and numbers of fields are those of LLMTrace.

use bytes::Bytes;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use prost::Message as _;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http;

use self::span::Mistake;
use self::wire::{Answer, SPANS};
use super::call::{self, Failure, Messages};
use super::intake::{ExportError, Intake, Slot};
use super::service;
use crate::wire as otlp;
use crate::wire::{Malformed, RESOURCE_SPANS, SCOPE, SCOPE_SPANS, messages, put_message, put_nested};

mod span;
pub mod wire;

/// The instrumentation scope of the spans.
pub const SCOPE_NAME: &str = "llmtrace";

const INGEST: &str = "/llmtrace.ingest.v1.TraceIngestionService/IngestTraces";
const STREAM: &str = "/llmtrace.ingest.v1.TraceIngestionService/StreamTraces";

/// In front of the core of all transports.
#[derive(Clone, Debug)]
pub struct Ingestion {
    intake: Intake,
}

impl Ingestion {
    pub const fn new(intake: Intake) -> Self {
        Self { intake }
    }

    async fn unary(&self, request: http::Request<Body>) -> Result<Answer, Failure> {
        let (slot, batch) = Messages::of(&self.intake, request)?.only().await?;
        Ok(self.take(slot, batch).await?)
    }

    async fn stream(&self, request: http::Request<Body>) -> Result<Answer, Failure> {
        let mut messages = Messages::of(&self.intake, request)?;
        let mut answer = Answer::default();
        while let Some((slot, batch)) = messages.next().await? {
            answer.add(self.take(slot, batch).await?);
        }
        Ok(answer)
    }

    /// An error means that nothing of the batch may be taken as kept.
    async fn take(&self, slot: Slot, batch: Bytes) -> Result<Answer, ExportError> {
        let converted = self.convert(&batch).map_err(|malformed| self.intake.failed(malformed.into(), 0))?;
        drop(batch);
        let Converted { request, spans, mut answer } = converted;
        if spans > 0 {
            let response = self.intake.export(slot, request.into()).await?;
            let partial = response.partial_success.unwrap_or_default();
            answer.accepted_spans = spans - partial.rejected_spans;
            answer.add(Answer::rejected(partial.rejected_spans, partial.error_message));
        }
        Ok(answer)
    }

    /// One span after the other: what is held beside the batch is what it becomes.
    fn convert(&self, batch: &[u8]) -> Result<Converted, Malformed> {
        // Nothing is counted of what is no batch.
        let received = messages(batch, SPANS).try_fold(0, |count, span| span.map(|_| count + 1))?;
        self.intake.metrics.llmtrace().received(received);
        let mut converted = Converted { request: Vec::new(), spans: 0, answer: Answer::default() };
        let mut request = Vec::with_capacity(batch.len());
        put_nested(&mut request, RESOURCE_SPANS, |out| {
            put_nested(out, SCOPE_SPANS, |out| {
                put_message(out, SCOPE, &scope().encode_to_vec());
                messages(batch, SPANS).try_for_each(|span| {
                    self.convert_span(span?, out, &mut converted);
                    Ok(())
                })
            })
        })?;
        Ok(Converted { request, ..converted })
    }

    fn convert_span(&self, span: &[u8], out: &mut Vec<u8>, converted: &mut Converted) {
        let span = wire::Span::decode(span).map_err(|error| Mistake::Malformed(error.to_string()));
        match span.and_then(|span| span::otlp(span, self.intake.limits.max_attribute_value_bytes)) {
            Ok(span) => {
                put_message(out, otlp::SPANS, &span.encode_to_vec());
                converted.spans += 1;
            }
            Err(mistake) => {
                self.intake.metrics.llmtrace().rejected(mistake.reason());
                converted.answer.add(Answer::rejected(1, mistake.to_string()));
            }
        }
    }
}

/// What becomes of a batch.
struct Converted {
    /// OTLP.
    request: Vec<u8>,
    spans: i64,
    /// About what could not become a span.
    answer: Answer,
}

fn scope() -> InstrumentationScope {
    InstrumentationScope { name: SCOPE_NAME.to_owned(), ..InstrumentationScope::default() }
}

impl service::Answer for Ingestion {
    const NAME: &'static str = "llmtrace.ingest.v1.TraceIngestionService";

    async fn answer(self, request: http::Request<Body>) -> http::Response<Body> {
        let outcome = match request.uri().path() {
            INGEST => self.unary(request).await,
            STREAM => self.stream(request).await,
            _ => {
                let message = "only IngestTraces and StreamTraces are served here";
                return Status::unimplemented(message).into_http();
            }
        };
        match outcome {
            Ok(answer) => call::answer(&answer),
            Err(failure) => call::failed(&self.intake, failure),
        }
    }
}
