//! What operators and their tools ask: `/health/*`, `/metrics`, and the filter module.
//!
//! *Live* is true while the process answers, *startup* from the moment on when it does: store, queue and listeners are open
//! by then. *Ready* is true while the queue can be written to, no task has failed and the collector is not stopping: a
//! store or a backend that is away is named, and does not count, because what comes in is kept. A queue or a disk that is
//! full is never a reason to be killed: only a collector that runs can drain it.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::export::Status;
use crate::query::error::ApiError;
use crate::queue::log::Log;
use crate::queue::{Appender, Queue, parked};
use crate::stage::Failures;
use crate::store::Store;
use crate::telemetry::metrics::Metrics;
use crate::wasm_module::Modules;

/// A store or a disk that does not answer within it is not ready.
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Clone)]
pub struct Admin {
    store: Arc<dyn Store>,
    store_check: Arc<Shared>,
    queue_check: Arc<Shared>,
    backends: Vec<Arc<Status>>,
    queue: Appender,
    log: Arc<Log>,
    metrics: Arc<Metrics>,
    lifecycle: Arc<Lifecycle>,
    modules: Arc<Modules>,
}

impl Admin {
    pub fn new(
        store: Arc<dyn Store>,
        backends: Vec<Arc<Status>>,
        queue: &Queue,
        metrics: Arc<Metrics>,
        lifecycle: Arc<Lifecycle>,
        modules: Modules,
    ) -> Self {
        let log = Arc::clone(queue.log());
        Self {
            store,
            store_check: Arc::default(),
            queue_check: Arc::default(),
            backends,
            queue: queue.appender(),
            log,
            metrics,
            lifecycle,
            modules: Arc::new(modules),
        }
    }
}

/// A check that many may ask for: one is under way at a time, and who came meanwhile takes what it finds.
#[derive(Debug, Default)]
struct Shared(Mutex<Option<(Instant, Result<(), String>)>>);

impl Shared {
    async fn outcome(&self, check: impl Future<Output = Result<(), String>>) -> Result<(), String> {
        let asked = Instant::now();
        let mut last = self.0.lock().await;
        if let Some((_, outcome)) = last.as_ref().filter(|(found, _)| *found > asked) {
            return outcome.clone();
        }
        let outcome = check.await;
        *last = Some((Instant::now(), outcome.clone()));
        outcome
    }
}

/// Where the process is between its start and its end.
#[derive(Debug)]
pub struct Lifecycle {
    stopping: AtomicBool,
    failures: Failures,
}

impl Lifecycle {
    pub const fn new(failures: Failures) -> Self {
        Self { stopping: AtomicBool::new(false), failures }
    }

    /// From here on the collector is not ready.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    fn check(&self) -> Result<(), String> {
        match self.failures.found() {
            Some(task) => Err(format!("the task {task} failed; the collector ends")),
            None if self.stopping.load(Ordering::Acquire) => Err("the collector is stopping".to_owned()),
            None => Ok(()),
        }
    }
}

pub fn routes(admin: Admin) -> Router {
    Router::new()
        .route("/health", get(ready))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/health/startup", get(live))
        .route("/metrics", get(metrics))
        .route("/wasm/filter.wasm", get(module))
        .route("/wasm/sha256/{sha256}/filter.wasm", get(module_by_digest))
        .route("/wasm/index.json", get(module_index))
        .route("/wasm/filter.wasm.sha256", get(module_digest))
        .with_state(admin)
}

/// The routes that no one answers, and the count of all that are answered.
pub fn finish(router: Router, metrics: Arc<Metrics>) -> Router {
    router
        .fallback(|| async {
            ApiError::NotFound {
                message: "no such route; see /api/v1/spans, /api/v1/traces/{trace_id}, /api/v1/usage, /api/v1/sidecars, /metrics, /health"
                    .to_owned(),
            }
        })
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
        .layer(middleware::from_fn_with_state(metrics, count))
}

async fn count(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<axum::extract::MatchedPath>().cloned();
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    metrics.http_request(route.as_ref().map_or("none", |route| route.as_str()), response.status().as_u16());
    response
}

#[derive(Debug, Serialize)]
struct Health {
    status: &'static str,
    checks: Vec<Check>,
}

#[derive(Debug, Serialize)]
struct Check {
    name: Cow<'static, str>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

const OK: &str = "ok";
/// Something is away that is not needed to take spans in.
const DEGRADED: &str = "degraded";
const UNAVAILABLE: &str = "unavailable";

impl Check {
    fn new(name: impl Into<Cow<'static, str>>, outcome: Result<(), String>) -> Self {
        let name = name.into();
        match outcome {
            Ok(()) => Self { name, status: OK, detail: None },
            Err(detail) => Self { name, status: UNAVAILABLE, detail: Some(detail) },
        }
    }

    /// One whose failure does not make the whole unavailable.
    fn optional(name: impl Into<Cow<'static, str>>, outcome: Result<(), String>) -> Self {
        let check = Self::new(name, outcome);
        if check.status == OK { check } else { Self { status: DEGRADED, ..check } }
    }
}

impl From<Vec<Check>> for Health {
    fn from(checks: Vec<Check>) -> Self {
        let worst = [UNAVAILABLE, DEGRADED];
        let worst = worst.into_iter().find(|status| checks.iter().any(|check| check.status == *status));
        Self { status: worst.unwrap_or(OK), checks }
    }
}

impl IntoResponse for Health {
    fn into_response(self) -> Response {
        let code = if self.status == UNAVAILABLE { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        (code, Json(self)).into_response()
    }
}

async fn live() -> Health {
    Health::from(Vec::new())
}

async fn ready(State(admin): State<Admin>) -> Health {
    let (queue, store) = tokio::join!(admin.probe(), admin.ping());
    let mut checks = vec![
        Check::new("receive", admin.lifecycle.check()),
        Check::new("queue", queue),
        Check::optional("store", store),
    ];
    let backends = admin.backends.iter();
    checks.extend(backends.map(|backend| Check::optional(backend.name.clone(), backend.check())));
    Health::from(checks)
}

impl Admin {
    async fn ping(&self) -> Result<(), String> {
        let ping = async { in_time(self.store.ping()).await?.map_err(|error| error.chain()) };
        self.store_check.outcome(ping).await
    }

    /// Whether the queue can be written to.
    async fn probe(&self) -> Result<(), String> {
        let probe = async { in_time(self.queue.probe()).await?.map_err(|error| error.to_string()) };
        self.queue_check.outcome(probe).await
    }

    /// The gauges of the queue, which nobody changes between two scrapes.
    async fn observe_queue(&self) {
        let (log, metrics) = (Arc::clone(&self.log), Arc::clone(&self.metrics));
        let observed = tokio::task::spawn_blocking(move || {
            let (backlogs, bytes) = log.backlogs();
            let parked = parked::total(&**log.disk()).map_or(0, |(entries, _)| entries);
            metrics.queue().observe(backlogs, bytes, parked);
        });
        drop(tokio::time::timeout(CHECK_TIMEOUT, observed).await);
    }
}

async fn in_time<T>(answer: impl Future<Output = T>) -> Result<T, String> {
    let answer = tokio::time::timeout(CHECK_TIMEOUT, answer).await;
    answer.map_err(|_| format!("no answer within {} seconds", CHECK_TIMEOUT.as_secs()))
}

async fn metrics(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    admin.observe_queue().await;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match admin.metrics.render(accept) {
        Ok((content_type, text)) => ([(header::CONTENT_TYPE, content_type)], text).into_response(),
        Err(_) => ApiError::Internal.into_response(),
    }
}

async fn module(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    admin.modules.respond_current(&headers).unwrap_or_else(no_module)
}

async fn module_by_digest(
    State(admin): State<Admin>,
    Path(sha256): Path<String>,
    headers: HeaderMap,
) -> Response {
    admin.modules.respond(&sha256, &headers).unwrap_or_else(no_such_module)
}

async fn module_index(State(admin): State<Admin>) -> Json<serde_json::Value> {
    Json(admin.modules.index())
}

async fn module_digest(State(admin): State<Admin>) -> Response {
    let current = admin.modules.current();
    current.map_or_else(no_module, |module| format!("{}\n", module.sha256()).into_response())
}

fn no_such_module() -> Response {
    let message = "no module with this digest is served; /wasm/index.json lists those that are, and wasm.archive keeps \
                   older ones";
    ApiError::NotFound { message: message.to_owned() }.into_response()
}

fn no_module() -> Response {
    ApiError::NotFound { message: "no filter module is configured; set wasm.module to its path".to_owned() }
        .into_response()
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::telemetry::tasks::TaskMetrics;

    #[tokio::test(start_paused = true)]
    async fn a_check_is_made_once_for_all_who_ask() {
        let (shared, checks) = (Shared::default(), std::sync::atomic::AtomicUsize::new(0));
        let ask = || {
            shared.outcome(async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                let check = checks.fetch_add(1, Ordering::Relaxed);
                if check == 0 { Err("away".to_owned()) } else { Ok(()) }
            })
        };
        let (one, other) = tokio::join!(ask(), ask());
        assert_eq!((one, other), (Err("away".to_owned()), Err("away".to_owned())));
        assert_eq!(ask().await, Ok(()));
        assert_eq!(checks.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_task_that_failed_is_said_until_the_end() {
        let failures = Failures::new(TaskMetrics::new(&mut Registry::default()));
        let lifecycle = Lifecycle::new(failures.clone());
        lifecycle.check().unwrap();
        failures.report("pump", "a panic of the test");
        lifecycle.stop();
        assert_eq!(lifecycle.check().unwrap_err(), "the task pump failed; the collector ends");
    }
}
