//! The routes of the query API, with what holds for all of them: so many queries at the same time, each for so long. A
//! query ends when its answer has been taken (`kept`).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::sync::Semaphore;

use super::error::ApiError;
use super::{kept, latency, sidecars, spans, traces, usage};
use crate::config;
use crate::sidecars::Sidecars;
use crate::store::Store;
use crate::telemetry::metrics::Metrics;

/// What the handlers need.
#[derive(Clone)]
pub struct Api {
    pub(super) store: Arc<dyn Store>,
    pub(super) sidecars: Arc<Sidecars>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) max_limit: usize,
    pub(super) max_trace_spans: usize,
    pub(super) max_response_bytes: usize,
    slots: Arc<Semaphore>,
    timeout: Duration,
}

impl Api {
    pub fn new(
        config: &config::Http,
        store: Arc<dyn Store>,
        sidecars: Arc<Sidecars>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            store,
            sidecars,
            metrics,
            max_limit: config.max_limit,
            max_trace_spans: config.max_trace_spans,
            max_response_bytes: config.max_response_bytes,
            slots: Arc::new(Semaphore::new(config.max_concurrent_queries)),
            timeout: config.query_timeout,
        }
    }
}

pub fn routes(api: Api) -> Router {
    Router::new()
        .route("/api/v1/spans", get(spans::list))
        .route("/api/v1/traces/{trace_id}", get(traces::get))
        .route("/api/v1/usage", get(usage::get))
        .route("/api/v1/latency", get(latency::get))
        .route("/api/v1/sidecars", get(sidecars::list))
        .route_layer(middleware::from_fn_with_state(api.clone(), bounded))
        .with_state(api)
}

async fn bounded(State(api): State<Api>, request: Request, next: Next) -> Response {
    let Ok(slot) = Arc::clone(&api.slots).try_acquire_owned() else {
        return ApiError::Overloaded.into_response();
    };
    let answer = tokio::time::timeout(api.timeout, next.run(request)).await;
    kept::keep(answer.unwrap_or_else(|_| ApiError::Timeout.into_response()), slot).await
}
