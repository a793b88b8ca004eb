//! From the queue onward to any OTLP backend: Tempo, Jaeger, Langfuse, another collector.
//!
//! - Each backend has a cursor of its own on the queue. One that is slow or away holds up neither senders nor the store
//!   nor other backends: when more waits for it than its bound, its oldest segments are skipped, and counted.
//! - A request goes out as it was admitted: its bytes, one request for each entry, up to `max_in_flight` at a time. They
//!   are acknowledged in the order of the queue.
//! - OTLP decides what is tried again (`answer`), after growing pauses that all requests of a backend share (`gate`).
//!   What a backend refuses for good is counted, said once in the log, and not sent again.
//! - Delivery is at least once: after a crash, what was not acknowledged goes out again.
//! - On a stop what is in the queue is sent, until the first attempt that fails; what is left stays on disk.

use std::panic::resume_unwind;
use std::sync::Arc;

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, info, warn};

use self::answer::Failure;
use self::backend::{Backend, Load};
use self::gate::{Gate, Stopped};
use self::reading::Reading;
pub use self::status::Status;
use crate::config;
use crate::queue::cursor::SharedCursor;
use crate::queue::{Cursor, OpenError, Opened, Position};
use crate::stage::{Drain, Failures};
use crate::telemetry::export::{Attempt, ExporterMetrics};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::queue::QueueMetrics;
use crate::tls::TlsError;

mod answer;
mod backend;
mod clients;
mod gate;
mod reading;
mod status;
pub(crate) mod tls;

/// Why an exporter cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the cursor of export.{name} cannot be opened: {cause}")]
    Queue { name: String, cause: OpenError },
}

/// One backend with its place in the queue.
#[derive(Debug)]
pub struct Exporter {
    cursor: Cursor,
    backend: Backend,
    settings: config::Exporter,
    status: Arc<Status>,
}

/// The cursor of a backend.
pub fn cursor(name: &str) -> String {
    format!("export-{name}")
}

impl Exporter {
    /// Before the queue starts, like everyone who reads it.
    pub fn open(settings: &config::Exporter, queue: &Opened) -> Result<Self, ExportError> {
        let name = &settings.name;
        let bound = Some(settings.max_backlog_bytes as u64);
        let opened = queue.cursor(&cursor(name), bound);
        let cursor = opened.map_err(|cause| ExportError::Queue { name: name.clone(), cause })?;
        let backend = Backend::new(settings)?;
        let status = Arc::new(Status::new(name));
        Ok(Self { cursor, backend, settings: settings.clone(), status })
    }

    /// How the backend is, for whoever looks.
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status)
    }

    pub fn start(self, metrics: &Metrics, failures: &Failures) -> Drain {
        let Self { cursor, backend, settings, status } = self;
        let draining = CancellationToken::new();
        let reading = Reading::new(cursor.reader(), &settings, Arc::clone(metrics.queue()));
        let sender = Sender {
            cursor: SharedCursor::new(cursor),
            in_flight: settings.max_in_flight,
            queue: Arc::clone(metrics.queue()),
            line: Arc::new(Line {
                backend,
                gate: Gate::new(settings.min_backoff, settings.max_backoff, draining.clone()),
                metrics: metrics.exporter(&settings.name),
                status,
                name: settings.name,
            }),
        };
        let (loads, inbox) = mpsc::channel(1);
        Drain::start("export", failures, draining, sender.run(inbox), move || reading.run(&loads))
    }
}

/// What was read from the queue: one request, or entries that are lost.
#[derive(Debug)]
struct Item {
    sequence: u64,
    end: Position,
    spans: u32,
    load: Option<Load>,
}

struct Sender {
    cursor: SharedCursor,
    in_flight: usize,
    queue: Arc<QueueMetrics>,
    line: Arc<Line>,
}

/// An item that is where it belongs.
struct Done {
    sequence: u64,
    end: Position,
    /// Of these the backend has taken responsibility, or refused them.
    spans: u32,
}

impl Sender {
    async fn run(self, inbox: mpsc::Receiver<Item>) {
        let deliveries = ReceiverStream::new(inbox).map(|item| {
            let line = Arc::clone(&self.line);
            AbortOnDropHandle::new(tokio::spawn(async move { line.deliver(item).await }))
        });
        let mut deliveries = deliveries.buffered(self.in_flight).ready_chunks(self.in_flight);
        while let Some(group) = deliveries.next().await {
            let all = group.len();
            let done: Vec<Done> = group.into_iter().map_while(|done| unwound(done)?.ok()).collect();
            let is_whole = done.len() == all;
            if self.acknowledge(&done).await.is_err() || !is_whole {
                info!(
                    exporter = self.line.name,
                    "the backend takes no more; what is left is sent at the next start"
                );
                return;
            }
        }
    }

    async fn acknowledge(&self, group: &[Done]) -> Result<(), Stopped> {
        let Some(Done { sequence, end, .. }) = group.last() else { return Ok(()) };
        let (sequence, end) = (*sequence, *end);
        loop {
            match self.cursor.with(move |cursor| cursor.ack(sequence, end)).await {
                Ok(()) => break,
                Err(error) => {
                    let exporter = &self.line.name;
                    error!(exporter, %error, "the cursor's file cannot be written; it is tried again");
                    self.line.gate.pause().await?;
                }
            }
        }
        let spans = group.iter().map(|done| u64::from(done.spans)).sum();
        self.queue.taken(&cursor(&self.line.name), spans);
        Ok(())
    }
}

/// A panic in a request is one of the sender: it would be missed here. `None` for a request that was given up.
fn unwound<T>(done: Result<T, JoinError>) -> Option<T> {
    match done.map_err(JoinError::try_into_panic) {
        Ok(done) => Some(done),
        Err(Ok(panic)) => resume_unwind(panic),
        Err(Err(_)) => None,
    }
}

/// What all requests to one backend share.
struct Line {
    name: String,
    backend: Backend,
    gate: Gate,
    metrics: ExporterMetrics,
    status: Arc<Status>,
}

impl Line {
    /// Sends the request until its outcome is known.
    async fn deliver(&self, item: Item) -> Result<Done, Stopped> {
        let Item { sequence, end, spans, load } = item;
        let Some(load) = load else { return Ok(Done { sequence, end, spans }) };
        loop {
            self.gate.pass().await;
            let attempt = Instant::now();
            let outcome = self.backend.send(&load).await;
            let took = attempt.elapsed();
            match outcome {
                Ok(rejected) => {
                    self.metrics.attempt(Attempt::Sent, took);
                    self.gate.succeeded();
                    self.status.works();
                    self.sent(sequence, spans, rejected);
                    return Ok(Done { sequence, end, spans });
                }
                Err(Failure::Refused { reason, why }) => {
                    self.metrics.attempt(Attempt::Refused, took);
                    self.metrics.refused(reason, spans);
                    self.status.fails(&why);
                    let (exporter, reason) = (&self.name, reason.as_str());
                    error!(
                        exporter,
                        entry = sequence,
                        spans,
                        reason,
                        why,
                        "a backend refuses a request for good"
                    );
                    return Ok(Done { sequence, end, spans });
                }
                Err(Failure::Unavailable { after, why }) => {
                    self.metrics.attempt(Attempt::Unavailable, took);
                    self.status.fails(&why);
                    warn!(exporter = self.name, entry = sequence, spans, why, "a request was not taken");
                    self.gate.failed(attempt, after)?;
                }
            }
        }
    }

    fn sent(&self, sequence: u64, spans: u32, rejected: backend::Rejected) {
        let count = u32::try_from(rejected.spans).unwrap_or_default().min(spans);
        self.metrics.sent(spans - count, count);
        if count > 0 {
            let (exporter, why) = (&self.name, rejected.why);
            warn!(exporter, entry = sequence, rejected = count, why, "a backend rejects spans for good");
        }
    }
}
