//! What every transport does with a request: admit it, make it durable, answer.
//!
//! A request is OTLP in protobuf here, whatever it came as, and stays bytes: the limits are checked on them, what is
//! refused is cut out of them, and the queue keeps them. Nothing is decoded but heartbeats, which end here.
//!
//! `Ok` means that everything that was not refused is durable. An error means that nothing may be taken as accepted;
//! all of them but [`ExportError::Malformed`], [`ExportError::Broken`], [`ExportError::TooLarge`] and
//! [`ExportError::Internal`] ask the sender to try again: a request that makes the code panic would do so again.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::error;

use super::account::Account;
use super::admission::Admission;
use super::cutter;
use super::incoming::Incoming;
use super::limits::Limits;
use super::refusals::Refusals;
use crate::config::Config;
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
    pub incoming: Incoming,
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
    #[error(
        "too many bytes of requests are coming in at the same time (receive.limits.max_incoming_bytes); try again later"
    )]
    TooManyBytes,
    #[error(
        "the request came more slowly than others, which got its part of receive.limits.max_incoming_bytes; try again"
    )]
    TooSlow,
    #[error("the request did not come within {0:?} (receive.body_timeout); try again")]
    Late(Duration),
    #[error("the request did not come to its end: {0}")]
    Broken(String),
    #[error("the request is no OTLP: {0}")]
    Malformed(String),
    #[error(
        "the message is larger than {0} bytes (receive.limits.max_message_bytes); send smaller batches or raise the bound"
    )]
    TooLarge(usize),
    #[error("the collector failed at this request, as its log says; do not send it again")]
    Internal,
    #[error("{0}")]
    Queue(#[from] AppendError),
}

impl ExportError {
    pub(super) const fn reason(&self) -> BatchFailure {
        match self {
            Self::Overloaded | Self::TooManyBytes => BatchFailure::Overloaded,
            Self::TooSlow => BatchFailure::TooSlow,
            Self::Late(_) => BatchFailure::Timeout,
            Self::Broken(_) => BatchFailure::Interrupted,
            Self::Malformed(_) => BatchFailure::Malformed,
            Self::TooLarge(_) => BatchFailure::TooLarge,
            Self::Internal => BatchFailure::Internal,
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
    pub fn new(config: &Config, queue: Appender, sidecars: Arc<Sidecars>, metrics: Arc<Metrics>) -> Self {
        let limits = config.limits();
        let slots = Arc::new(Semaphore::new(limits.max_concurrent_batches));
        Self { limits, incoming: Incoming::new(&config.receive), slots, queue, sidecars, metrics }
    }

    /// A place for a request whose body is there, to be kept until it is answered: it bounds what requests that are worked
    /// on hold in memory.
    pub fn slot(&self) -> Result<Slot, ExportError> {
        Arc::clone(&self.slots).try_acquire_owned().map_err(|_| self.failed(ExportError::Overloaded, 0))
    }

    /// Senders that are slow are cut off, within `receive.drain_timeout`.
    pub fn stop(&self) {
        self.incoming.stopping().cancel();
    }

    /// Whether no request is worked on.
    pub fn is_idle(&self) -> bool {
        self.slots.available_permits() == self.limits.max_concurrent_batches
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
        self.to_its_end(slot, |account| async move { this.take(request, account).await }).await
    }

    /// Whatever `work` does: it ends in an answer, and its spans where they are counted.
    pub(super) async fn to_its_end<W>(
        &self,
        slot: Slot,
        work: impl FnOnce(Account) -> W,
    ) -> Result<ExportTraceServiceResponse, ExportError>
    where
        W: Future<Output = Result<ExportTraceServiceResponse, ExportError>> + Send + 'static,
    {
        let work = work(Account::new(Arc::clone(&self.metrics)));
        let ended = tokio::spawn(async move {
            let answer = work.await;
            drop(slot);
            answer
        });
        ended.await.unwrap_or_else(|failed| {
            error!(error = %failed, "a request could not be worked on");
            Err(if failed.is_panic() { ExportError::Internal } else { AppendError::Closed.into() })
        })
    }

    async fn take(
        &self,
        request: Bytes,
        mut account: Account,
    ) -> Result<ExportTraceServiceResponse, ExportError> {
        let admitted = self.admit(request).map_err(|malformed| account.failed(malformed.into()))?;
        let _in_flight = self.metrics.batch_received(admitted.received);
        account.received(admitted.received);
        if admitted.spans > 0 {
            let appended = self.queue.append(admitted.spans, admitted.request).await;
            appended.map_err(|error| account.failed(error.into()))?;
            account.ended(admitted.spans as usize);
        }
        for vm in admitted.heartbeats {
            self.metrics.heartbeat_received();
            account.ended(1);
            self.sidecars.seen(vm);
        }
        admitted.refusals.count(&self.metrics);
        account.close();
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
