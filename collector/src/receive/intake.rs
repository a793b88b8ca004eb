//! What every transport does with a request: admit it, make it durable, answer.
//!
//! A request is OTLP in protobuf here, whatever it came as, and stays bytes: the limits are checked on them, what is
//! refused is cut out of them, and the queue keeps them. Nothing is decoded but heartbeats, which end here.
//!
//! `Ok` means that everything that was not refused is durable. An error means that nothing may be taken as accepted;
//! all of them but [`ExportError::Malformed`] ask the sender to try again.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::admission::Admission;
use super::cutter;
use super::limits::Limits;
use super::refusals::Refusals;
use crate::queue::{AppendError, Appender};
use crate::sidecars::{Sidecars, Vm};
use crate::telemetry::metrics::{BatchFailure, Metrics};
use crate::wire::Malformed;

/// A place among the requests that are worked on.
pub type Slot = OwnedSemaphorePermit;

/// When a sender that met a full house should come back.
pub const RETRY_DELAY: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub struct Intake {
    pub limits: Limits,
    slots: Arc<Semaphore>,
    queue: Appender,
    sidecars: Arc<Sidecars>,
    pub metrics: Arc<Metrics>,
}

/// Why a request was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    #[error("too many batches at the same time (receive.limits.max_concurrent_batches); try again later")]
    Overloaded,
    #[error("the request is no OTLP: {0}")]
    Malformed(String),
    #[error(
        "the message is larger than {0} bytes (receive.limits.max_message_bytes); send smaller batches or raise the bound"
    )]
    TooLarge(usize),
    #[error("{0}")]
    Queue(#[from] AppendError),
}

impl ExportError {
    const fn reason(&self) -> BatchFailure {
        match self {
            Self::Overloaded => BatchFailure::Overloaded,
            Self::Malformed(_) => BatchFailure::Malformed,
            Self::TooLarge(_) => BatchFailure::TooLarge,
            Self::Queue(AppendError::Full) => BatchFailure::QueueFull,
            Self::Queue(AppendError::DiskFull) => BatchFailure::DiskFull,
            Self::Queue(AppendError::Failed(_)) => BatchFailure::QueueUnavailable,
            Self::Queue(AppendError::Closed) => BatchFailure::Stopping,
        }
    }
}

impl From<Malformed> for ExportError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed.0.to_owned())
    }
}

impl Intake {
    pub fn new(limits: Limits, queue: Appender, sidecars: Arc<Sidecars>, metrics: Arc<Metrics>) -> Self {
        let slots = Arc::new(Semaphore::new(limits.max_concurrent_batches));
        Self { limits, slots, queue, sidecars, metrics }
    }

    /// To be taken before the body of a request is read, and kept until it is answered: it bounds what requests hold
    /// in memory.
    pub fn slot(&self) -> Result<Slot, ExportError> {
        Arc::clone(&self.slots).try_acquire_owned().map_err(|_| self.failed(ExportError::Overloaded, 0))
    }

    /// Counts what a transport could not hand over.
    pub fn failed(&self, error: ExportError, spans: usize) -> ExportError {
        self.metrics.batch_failed(error.reason(), spans);
        error
    }

    /// What is under way goes on to its end when nobody waits for the answer any more: a span that has been counted as
    /// received is counted again where it ends.
    pub async fn export(
        &self,
        slot: Slot,
        request: Bytes,
    ) -> Result<ExportTraceServiceResponse, ExportError> {
        let this = self.clone();
        let exported = tokio::spawn(async move {
            let answer = this.take(request).await;
            drop(slot);
            answer
        });
        exported.await.unwrap_or(Err(ExportError::Queue(AppendError::Closed)))
    }

    async fn take(&self, request: Bytes) -> Result<ExportTraceServiceResponse, ExportError> {
        let admitted = self.admit(request).map_err(|malformed| self.failed(malformed.into(), 0))?;
        let _in_flight = self.metrics.batch_received(admitted.received);
        if admitted.spans > 0 {
            let appended = self.queue.append(admitted.spans, admitted.request).await;
            appended.map_err(|error| self.failed(error.into(), admitted.received))?;
        }
        for vm in admitted.heartbeats {
            self.metrics.heartbeat_received();
            self.sidecars.seen(vm);
        }
        admitted.refusals.count(&self.metrics);
        Ok(ExportTraceServiceResponse { partial_success: admitted.refusals.report() })
    }

    fn admit(&self, request: Bytes) -> Result<Admitted, Malformed> {
        let mut admission = Admission::new(&self.limits, SystemTime::now());
        admission.request(&request)?;
        let Admission { received, cut, heartbeats, refusals, .. } = admission;
        let kept = received - cut.len() - received.saturating_sub(self.limits.max_spans_per_batch);
        let request = match kept {
            _ if kept == received => request,
            0 => Bytes::new(),
            _ => cutter::without(&request, &cut, self.limits.max_spans_per_batch)?,
        };
        let spans = u32::try_from(kept).unwrap_or(u32::MAX);
        Ok(Admitted { request, spans, received, heartbeats, refusals })
    }
}

struct Admitted {
    request: Bytes,
    spans: u32,
    received: usize,
    heartbeats: Vec<Vm>,
    refusals: Refusals,
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message as _;

    use super::*;
    use crate::config::Config;
    use crate::queue::Opened;

    fn sample(metrics: &Metrics, name: &str) -> u64 {
        let (_, text) = metrics.render("").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }

    /// Every span that is received ends where it is counted, also when nobody waits for the answer.
    #[tokio::test]
    async fn a_call_that_is_given_up_is_counted_to_its_end() {
        let folder = std::env::temp_dir().join(format!("meshtap-intake-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&folder));
        let mut config = Config::default();
        config.receive.limits.max_clock_skew = None;
        config.store.retention = None;
        let metrics = Arc::new(Metrics::new(&config.metrics));
        let opened = Opened::in_folder(&folder, &config.queue, Arc::clone(metrics.queue())).unwrap();
        let queue = opened.start().unwrap();
        let intake = Intake::new(config.limits(), queue.appender(), metrics.sidecars(), Arc::clone(&metrics));

        let good = Span {
            trace_id: vec![1; 16],
            span_id: vec![1; 8],
            start_time_unix_nano: 1,
            end_time_unix_nano: 2,
            ..Span::default()
        };
        let scope_spans = vec![ScopeSpans { spans: vec![good, Span::default()], ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
        let request: Bytes = ExportTraceServiceRequest { resource_spans }.encode_to_vec().into();
        for _ in 0..20 {
            let mut call = pin!(intake.export(intake.slot().unwrap(), request.clone()));
            poll_fn(|context| {
                drop(call.as_mut().poll(context));
                Poll::Ready(())
            })
            .await;
        }
        let all_counted = async {
            while sample(&metrics, "meshtap_spans_received_total") < 40
                || sample(&metrics, "meshtap_batches_in_flight") > 0
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), all_counted).await.unwrap();
        assert_eq!(sample(&metrics, "meshtap_queue_spans_in_total"), 20);
        assert_eq!(sample(&metrics, "meshtap_spans_rejected_total{reason=\"invalid_trace_id\"}"), 20);
        drop(std::fs::remove_dir_all(&folder));
    }
}
