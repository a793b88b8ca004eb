//! All tasks of a collector that runs, and their end.
//!
//! On a stop: not ready any more; no new connections for spans, and the calls under way are answered; the queue is
//! closed, and what is in it is sent to the store, and onward, as long as they take it; no more HTTP; the store is
//! closed. What takes longer than `shutdown.deadline` is given up, and said. What is left in the queue stays on disk.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::App;
use super::listeners::Listeners;
use super::open::OpenQueue;
use super::serve;
use crate::admin::{self, Admin, Lifecycle};
use crate::export::Exporter;
use crate::pump;
use crate::pump::retry::Retrier;
use crate::query::router::{self, Api};
use crate::queue::Queue;
use crate::queue::backlog::Backlog;
use crate::receive::http as otlp_http;
use crate::receive::http1::Serving;
use crate::receive::intake::Intake;
use crate::receive::listener::Patience;
use crate::stage::{Drain, Failures, Stage};
use crate::store::Store;
use crate::upkeep::Upkeep;

/// What each later stage gets, once no more batches come.
const GRACE: Duration = Duration::from_secs(2);

/// Why a collector did not end as it should.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Batches were still on their way to the store at the deadline; their senders were asked to send them again.
    #[error(
        "batches were not stored within shutdown.deadline ({deadline:?}); their senders were asked to send them again"
    )]
    Unfinished { deadline: Duration },
    #[error("the task {task} failed, which the log says more about; start the collector again")]
    Failed { task: &'static str },
}

pub(super) struct Running {
    pub(super) failures: Failures,
    lifecycle: Arc<Lifecycle>,
    intake: Intake,
    /// What senders get to end the calls that are under way.
    drain_timeout: Duration,
    /// What brings spans in, and what looks after the store.
    stages: Vec<Stage>,
    queue: Queue,
    drains: Vec<Drain>,
    http: Stage,
    store: Arc<dyn Store>,
}

impl Running {
    pub(super) fn start(app: App) -> Self {
        let App { config, queue, store, metrics, modules, listeners, certificates } = app;
        let OpenQueue { mut queue, cursor, exporters } = queue;
        let Listeners { grpc, otlp_http, llmtrace, http } = listeners;
        let failures = Failures::new(metrics.tasks().clone());
        let lifecycle = Arc::new(Lifecycle::new(failures.clone()));
        let sidecars = metrics.sidecars();
        sidecars.know_modules(modules.by_build());
        let intake = Intake::new(&config, queue.appender(), Arc::clone(&sidecars), Arc::clone(&metrics));
        let api = Api::new(&config.http, Arc::clone(&store), sidecars, Arc::clone(&metrics));
        let backends = exporters.iter().map(Exporter::status).collect();
        let (store_of_admin, metrics_of_admin) = (Arc::clone(&store), Arc::clone(&metrics));
        let admin =
            Admin::new(store_of_admin, backends, &queue, metrics_of_admin, Arc::clone(&lifecycle), modules);
        let routes = admin::finish(router::routes(api).merge(admin::routes(admin)), Arc::clone(&metrics));

        let upkeep = Upkeep {
            store: Arc::clone(&store),
            retention: config.store.retention_without_ttl(),
            metrics: Arc::clone(&metrics),
        };
        let max_parked_bytes = config.queue.max_parked_bytes as u64;
        let stored = (Arc::clone(&store), Arc::clone(&metrics));
        let pump = pump::start(&config.pump, max_parked_bytes, cursor, stored.0, stored.1, &failures);
        let exporters = exporters.into_iter().map(|exporter| exporter.start(&metrics, &failures));
        let drains: Vec<Drain> = [pump].into_iter().chain(exporters).collect();
        let retrier = Retrier::new(&queue);
        let queue_ended = queue.ended();
        let (idle_timeout, write_timeout) = (config.receive.idle_timeout, config.receive.write_timeout);
        let serving = |name| Serving { name, idle_timeout, write_timeout, metrics: Arc::clone(&metrics) };
        let mut stages = vec![
            Stage::spawn("queue", &failures, |stop| async move {
                stop.run_until_cancelled(queue_ended).await;
            }),
            Stage::spawn("upkeep", &failures, |stop| upkeep.run(stop)),
            Stage::spawn("retry", &failures, |stop| retrier.run(stop)),
            serve::grpc(grpc.secure(&config, certificates.grpc, &intake), intake.clone(), &failures),
        ];
        stages.extend(llmtrace.map(|llmtrace| {
            serve::llmtrace(llmtrace.receiving(&config, &intake), intake.clone(), &failures)
        }));
        stages.push(serve::http(
            serving("otlp_http"),
            otlp_http.secure(&config, certificates.otlp_http, &intake),
            otlp_http::routes(intake.clone()),
            &failures,
        ));
        // It goes on to answer while the rest stops.
        let patience = Patience { stop: CancellationToken::new(), ..http.patience(&config, &intake) };
        let http = serve::http(serving("http"), http.bounded(&config, patience), routes, &failures);
        let drain_timeout = config.receive.drain_timeout;
        Self { failures, lifecycle, intake, drain_timeout, stages, queue, drains, http, store }
    }

    pub(super) async fn stop(mut self, time: Duration) -> Result<(), RunError> {
        self.lifecycle.stop();
        let deadline = Instant::now() + time;
        // Senders that are slow are cut off first: what is in the queue has the rest of the time.
        self.intake.stop();
        let receiving = (self.drain_timeout + GRACE).min(time);
        join_all(self.stages.iter_mut().map(|stage| stage.stop_within(receiving))).await;
        let drained = async {
            self.queue.close().await;
            join_all(self.drains.iter_mut().map(Drain::finish)).await;
        };
        if tokio::time::timeout_at(deadline, drained).await.is_err() {
            // Who starts next finds the queue free.
            drop(tokio::time::timeout(GRACE, join_all(self.drains.iter_mut().map(Drain::abort))).await);
        }
        report_left(&self.queue);
        self.http.stop_within(GRACE).await;
        close(&*self.store).await;
        if let Some(task) = self.failures.found() {
            return Err(RunError::Failed { task });
        }
        if !self.intake.is_idle() {
            return Err(RunError::Unfinished { deadline: time });
        }
        Ok(())
    }
}

fn report_left(queue: &Queue) {
    let (backlogs, bytes) = queue.backlogs();
    for backlog in backlogs.iter().filter(|backlog| backlog.entries > 0) {
        let Backlog { cursor, entries, .. } = backlog;
        info!(cursor, entries, bytes, "what is left in the queue is sent at the next start");
    }
}

async fn close(store: &dyn Store) {
    match tokio::time::timeout(GRACE, store.close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => error!(error = error.chain(), "closing the store failed"),
        Err(_) => error!("closing the store did not end in time"),
    }
}
