//! OTLP/gRPC: `TraceService/Export`.
//!
//! The answer goes out after the store has committed what was admitted. An error means that nothing may be taken as
//! stored: UNAVAILABLE and RESOURCE_EXHAUSTED ask the sender to try again, INTERNAL does not. What was refused span by
//! span is reported as partial success.
//!
//! A batch that has been handed to the store is seen through even if its sender hangs up: the work is a task that
//! `drained` waits for.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::TraceService;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use tracing::{debug, warn};

use super::limits::{Limits, Refused};
use super::watch::Reached;
use crate::config;
use crate::model::SpanRecord;
use crate::normalize;
use crate::sidecars::{Sidecars, Vm};
use crate::store::{Batch, Store, StoreError};
use crate::telemetry::metrics::{BatchFailure, Metrics, Rejection};

/// When a sender that met a full house should come back.
const RETRY_DELAY: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub struct Receiver {
    limits: Limits,
    slots: Arc<Semaphore>,
    store: Arc<dyn Store>,
    sidecars: Arc<Sidecars>,
    metrics: Arc<Metrics>,
    tasks: TaskTracker,
    given_up: CancellationToken,
}

impl Receiver {
    pub fn new(
        config: &config::Grpc,
        store: Arc<dyn Store>,
        sidecars: Arc<Sidecars>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            limits: Limits::from(config),
            slots: Arc::new(Semaphore::new(config.max_concurrent_batches)),
            store,
            sidecars,
            metrics,
            tasks: TaskTracker::new(),
            given_up: CancellationToken::new(),
        }
    }

    /// Waits until every batch that was handed to the store has its outcome.
    pub async fn drained(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Answers the calls that still wait for the store with UNAVAILABLE, whatever becomes of their batches.
    pub fn give_up(&self) {
        self.given_up.cancel();
    }

    fn slot(&self, spans: usize) -> Result<OwnedSemaphorePermit, Status> {
        Arc::clone(&self.slots).try_acquire_owned().map_err(|_| {
            self.metrics.batch_failed(BatchFailure::Overloaded, spans);
            Status::with_error_details(
                Code::ResourceExhausted,
                "too many batches at the same time (receive.grpc.max_concurrent_batches); try again later",
                ErrorDetails::with_retry_info(Some(RETRY_DELAY)),
            )
        })
    }

    fn admit(&self, request: ExportTraceServiceRequest) -> Admitted {
        let mut admitted = Admitted::default();
        for resource_spans in request.resource_spans {
            let resource_check = self.limits.check_resource(resource_spans.resource.as_ref());
            let resource = normalize::Resource::new(resource_spans.resource);
            for scope_spans in resource_spans.scope_spans {
                let shared_check =
                    resource_check.clone().and_then(|()| self.limits.check_scope(scope_spans.scope.as_ref()));
                let scope = normalize::Scope::new(scope_spans.scope);
                for span in scope_spans.spans {
                    let position = admitted.records.len() + admitted.heartbeats + admitted.refusals.spans;
                    match shared_check.clone().and_then(|()| self.limits.check_span(position, &span)) {
                        Ok(()) => self.take(self.normalized(&resource, &scope, span), &mut admitted),
                        Err(refused) => admitted.refusals.add(refused, &self.metrics),
                    }
                }
            }
        }
        admitted
    }

    /// A heartbeat is no span of anyone's trace: it is remembered, not stored.
    fn take(&self, record: SpanRecord, admitted: &mut Admitted) {
        match Vm::of(&record) {
            Some(vm) => {
                admitted.heartbeats += 1;
                self.metrics.heartbeat_received();
                self.sidecars.seen(vm);
            }
            None => admitted.records.push(record),
        }
    }

    fn normalized(
        &self,
        resource: &normalize::Resource,
        scope: &normalize::Scope,
        span: opentelemetry_proto::tonic::trace::v1::Span,
    ) -> SpanRecord {
        let (record, invalid) = normalize::record(resource, scope, span);
        for attribute in invalid {
            self.metrics.attribute_invalid(attribute);
        }
        record
    }

    /// Returns after the commit, or with the reason why there was none.
    async fn commit(&self, records: Vec<SpanRecord>, slot: OwnedSemaphorePermit) -> Result<(), Status> {
        if records.is_empty() {
            return Ok(());
        }
        let this = self.clone();
        let work = self.tasks.spawn(async move {
            let outcome = this.write(Batch::of(records)).await;
            drop(slot);
            outcome
        });
        let outcome = self.given_up.run_until_cancelled(work).await;
        outcome
            .and_then(Result::ok)
            .unwrap_or_else(|| Err(Status::unavailable("the collector is stopping; try again")))
    }

    async fn write(&self, batch: Batch) -> Result<(), Status> {
        let started = Instant::now();
        let outcome = self.store.write(batch.clone()).await;
        self.metrics.store_write(started.elapsed(), outcome.is_ok());
        match outcome {
            Ok(written) => {
                self.metrics.batch_stored(&batch.spans, &written);
                Ok(())
            }
            Err(error) => Err(self.failed(&error, batch.spans.len())),
        }
    }

    fn failed(&self, error: &StoreError, spans: usize) -> Status {
        warn!(spans, transient = error.is_transient(), error = error.chain(), "a batch was not stored");
        if error.is_transient() {
            self.metrics.batch_failed(BatchFailure::StoreUnavailable, spans);
            Status::unavailable(format!("the store is unavailable, nothing was stored; try again: {error}"))
        } else {
            self.metrics.batch_failed(BatchFailure::StoreRefused, spans);
            Status::internal(format!("the store refused the batch, nothing was stored: {error}"))
        }
    }
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        if let Some(reached) = request.extensions().get::<Reached>() {
            reached.mark();
        }
        let request = request.into_inner();
        let spans = count_spans(&request);
        let _in_flight = self.metrics.batch_received(spans);
        let slot = self.slot(spans)?;
        let admitted = self.admit(request);
        self.commit(admitted.records, slot).await?;
        Ok(Response::new(ExportTraceServiceResponse { partial_success: admitted.refusals.report() }))
    }
}

fn count_spans(request: &ExportTraceServiceRequest) -> usize {
    request
        .resource_spans
        .iter()
        .flat_map(|resource| &resource.scope_spans)
        .map(|scope| scope.spans.len())
        .sum()
}

#[derive(Debug, Default)]
struct Admitted {
    records: Vec<SpanRecord>,
    heartbeats: usize,
    refusals: Refusals,
}

/// What was refused, for the answer: each reason once, with the first span's message and the number of spans.
#[derive(Debug, Default)]
struct Refusals {
    spans: usize,
    reasons: Vec<(Rejection, usize, String)>,
}

impl Refusals {
    fn add(&mut self, refused: Refused, metrics: &Metrics) {
        metrics.span_rejected(refused.reason);
        self.spans += 1;
        match self.reasons.iter_mut().find(|(reason, ..)| *reason == refused.reason) {
            Some((_, spans, _)) => *spans += 1,
            None => self.reasons.push((refused.reason, 1, refused.message)),
        }
    }

    fn report(self) -> Option<ExportTracePartialSuccess> {
        if self.spans == 0 {
            return None;
        }
        let mut error_message = format!("{} rejected", spans(self.spans));
        for (reason, count, message) in &self.reasons {
            let _ = write!(error_message, "; {} {}: {message}", spans(*count), reason.as_str());
        }
        debug!(error_message, "some spans of a batch were rejected");
        Some(ExportTracePartialSuccess {
            rejected_spans: i64::try_from(self.spans).unwrap_or(i64::MAX),
            error_message,
        })
    }
}

fn spans(count: usize) -> String {
    if count == 1 { "1 span".to_owned() } else { format!("{count} spans") }
}
