//! What every transport does with a request: admit it, make it durable, answer.
//!
//! A request is OTLP in protobuf here, whatever it came as, and stays bytes: the limits are checked on them, what is
//! refused is cut out of them, and the queue keeps them. Nothing is decoded but heartbeats, which end here.
//!
//! `Ok` means that everything that was not refused is durable. An error means that nothing may be taken as accepted;
//! all of them but [`ExportError::Malformed`] ask the sender to try again.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{Level, debug, enabled};

use super::limits::{Limits, Refused};
use crate::model::TraceId;
use crate::normalize;
use crate::queue::{AppendError, Appender};
use crate::sidecars::{Sidecars, Vm};
use crate::telemetry::metrics::{BatchFailure, Metrics, Rejection};
use crate::wire::{self, Malformed, fields};
use crate::wire::{RESOURCE, RESOURCE_SPANS, SCHEMA_URL, SCOPE, SCOPE_SPANS, SPANS};

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
    pub fn slot(&self) -> Result<OwnedSemaphorePermit, ExportError> {
        Arc::clone(&self.slots).try_acquire_owned().map_err(|_| self.failed(ExportError::Overloaded, 0))
    }

    /// Counts what a transport could not hand over.
    pub fn failed(&self, error: ExportError, spans: usize) -> ExportError {
        self.metrics.batch_failed(error.reason(), spans);
        error
    }

    pub async fn export(&self, request: Bytes) -> Result<ExportTraceServiceResponse, ExportError> {
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
        let mut admission = Admission::new(&self.limits);
        admission.request(&request)?;
        let Admission { received, cut, heartbeats, refusals, .. } = admission;
        let kept = received - cut.len() - received.saturating_sub(self.limits.max_spans_per_batch);
        let request = match kept {
            _ if kept == received => request,
            0 => Bytes::new(),
            _ => Cutter { position: 0, end: self.limits.max_spans_per_batch, cut: &cut }.request(&request)?,
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

/// The first pass over a request: what is in it, and what of it is not taken.
struct Admission<'a> {
    limits: &'a Limits,
    received: usize,
    /// Positions of the spans to leave out, in order, of those below the bound on their number.
    cut: Vec<usize>,
    heartbeats: Vec<Vm>,
    refusals: Refusals,
}

impl<'a> Admission<'a> {
    const fn new(limits: &'a Limits) -> Self {
        Self { limits, received: 0, cut: Vec::new(), heartbeats: Vec::new(), refusals: Refusals::new() }
    }

    fn request(&mut self, request: &[u8]) -> Result<(), Malformed> {
        for field in fields(request) {
            let field = field?;
            if field.number == RESOURCE_SPANS {
                self.resource_spans(field.bytes()?)?;
            }
        }
        Ok(())
    }

    fn resource_spans(&mut self, message: &[u8]) -> Result<(), Malformed> {
        let mut resource = Vec::new();
        each(message, |number, bytes| {
            if number == RESOURCE {
                resource.push(bytes);
            }
            Ok(())
        })?;
        let check = self.limits.check_resource(&resource);
        each(
            message,
            |number, bytes| {
                if number == SCOPE_SPANS { self.scope_spans(&resource, &check, bytes) } else { Ok(()) }
            },
        )
    }

    fn scope_spans(
        &mut self,
        resource: &[&[u8]],
        check: &Result<(), Refused>,
        message: &[u8],
    ) -> Result<(), Malformed> {
        let mut scope = Vec::new();
        each(message, |number, bytes| {
            if number == SCOPE {
                scope.push(bytes);
            }
            Ok(())
        })?;
        let shared = check.clone().and_then(|()| self.limits.check_scope(&scope));
        each(message, |number, bytes| {
            if number == SPANS {
                self.span(resource, &scope, &shared, bytes);
            }
            Ok(())
        })
    }

    fn span(&mut self, resource: &[&[u8]], scope: &[&[u8]], shared: &Result<bool, Refused>, span: &[u8]) {
        let position = self.received;
        self.received += 1;
        if position >= self.limits.max_spans_per_batch {
            self.refusals.add(self.limits.beyond_batch());
            return;
        }
        let checked = match shared {
            Ok(is_filters) => self.limits.check_span(span).map(|is_beat| is_beat && *is_filters),
            Err(refused) => Err(refused.clone()),
        };
        match checked {
            Ok(false) => {}
            // A heartbeat is no span of anyone's trace: it is remembered, not queued.
            Ok(true) => {
                if let Some(vm) = heartbeat(resource, scope, span) {
                    self.heartbeats.push(vm);
                    self.cut.push(position);
                }
            }
            Err(refused) => {
                if enabled!(Level::DEBUG) {
                    let (reason, message) = (refused.reason.as_str(), &refused.message);
                    debug!(trace_id = trace_id(span), reason, message, "a span was rejected");
                }
                self.refusals.add(refused);
                self.cut.push(position);
            }
        }
    }
}

/// Of a span that may be anything, where it has one.
fn trace_id(span: &[u8]) -> Option<String> {
    let id = fields(span).find_map(|field| field.ok().filter(|field| field.number == 1))?;
    let id: [u8; 16] = id.bytes().ok()?.try_into().ok()?;
    Some(TraceId(id).to_string())
}

/// Every message and string of a message around spans. All that it may hold are of these.
fn each<'a>(
    message: &'a [u8],
    mut take: impl FnMut(u32, &'a [u8]) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    for field in fields(message) {
        let field = field?;
        match field.number {
            RESOURCE | SCOPE_SPANS => take(field.number, field.bytes()?)?,
            SCHEMA_URL => _ = field.text()?,
            _ => {}
        }
    }
    Ok(())
}

fn heartbeat(resource: &[&[u8]], scope: &[&[u8]], span: &[u8]) -> Option<Vm> {
    let (resource, scope) = (normalize::Resource::read(resource).ok()?, normalize::Scope::read(scope).ok()?);
    let (record, _) = normalize::record(&resource, &scope, span).ok()?;
    Vm::of(&record)
}

/// The second pass, where there is something to leave out: the same request without it, field by field as it came.
struct Cutter<'a> {
    position: usize,
    /// Spans from this position on are left out.
    end: usize,
    cut: &'a [usize],
}

impl Cutter<'_> {
    fn request(&mut self, request: &[u8]) -> Result<Bytes, Malformed> {
        let mut out = Vec::with_capacity(request.len());
        copy(&mut out, request, RESOURCE_SPANS, |message| {
            let mut out = Vec::with_capacity(message.len());
            copy(&mut out, message, SCOPE_SPANS, |message| {
                let mut out = Vec::with_capacity(message.len());
                copy(&mut out, message, SPANS, |span| Ok(self.span(span)))?;
                Ok(ControlFlow::Continue(out))
            })?;
            Ok(ControlFlow::Continue(out))
        })?;
        Ok(out.into())
    }

    fn span(&mut self, span: &[u8]) -> Changed {
        let position = self.position;
        self.position += 1;
        if self.cut.first() == Some(&position) {
            self.cut = self.cut.get(1..).unwrap_or_default();
            return ControlFlow::Break(());
        }
        if position < self.end { ControlFlow::Continue(span.to_vec()) } else { ControlFlow::Break(()) }
    }
}

/// What takes the place of a message; `Break` leaves it out.
type Changed = ControlFlow<(), Vec<u8>>;

fn copy(
    out: &mut Vec<u8>,
    message: &[u8],
    number: u32,
    mut change: impl FnMut(&[u8]) -> Result<Changed, Malformed>,
) -> Result<(), Malformed> {
    for field in fields(message) {
        let field = field?;
        if field.number != number {
            out.extend_from_slice(field.raw);
        } else if let ControlFlow::Continue(changed) = change(field.bytes()?)? {
            wire::put_message(out, number, &changed);
        }
    }
    Ok(())
}

/// What was refused, for the answer: each reason once, with the first span's message and the number of spans.
#[derive(Debug, Default)]
struct Refusals {
    reasons: Vec<(Rejection, usize, String)>,
}

impl Refusals {
    const fn new() -> Self {
        Self { reasons: Vec::new() }
    }

    fn add(&mut self, refused: Refused) {
        match self.reasons.iter_mut().find(|(reason, ..)| *reason == refused.reason) {
            Some((_, spans, _)) => *spans += 1,
            None => self.reasons.push((refused.reason, 1, refused.message)),
        }
    }

    fn count(&self, metrics: &Metrics) {
        for (reason, spans, _) in &self.reasons {
            metrics.spans_rejected(*reason, *spans);
        }
    }

    fn report(self) -> Option<ExportTracePartialSuccess> {
        let all: usize = self.reasons.iter().map(|(_, spans, _)| spans).sum();
        if all == 0 {
            return None;
        }
        let mut error_message = format!("{} rejected", spans(all));
        for (reason, count, message) in &self.reasons {
            let _ = write!(error_message, "; {} {}: {message}", spans(*count), reason.as_str());
        }
        Some(ExportTracePartialSuccess {
            rejected_spans: i64::try_from(all).unwrap_or(i64::MAX),
            error_message,
        })
    }
}

fn spans(count: usize) -> String {
    if count == 1 { "1 span".to_owned() } else { format!("{count} spans") }
}
