//! Serves HTTP/1.1 on a listener: OTLP/HTTP, and the API.
//!
//! A connection has `receive.idle_timeout` from its start, or from the end of an answer, to the end of the next request's
//! head. One that takes longer is closed, and counted: whether it is silent or sends a byte now and then. So is one that
//! does not take its answers (`taking`). On a stop idle connections are closed and requests that are under way are answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio_util::sync::CancellationToken;

use super::taking::{Requests, Taking};
use crate::telemetry::metrics::Metrics;

/// Of a listener.
#[derive(Clone, Debug)]
pub struct Serving {
    /// As the listener is called in metrics.
    pub name: &'static str,
    pub idle_timeout: Duration,
    pub write_timeout: Duration,
    pub metrics: Arc<Metrics>,
}

/// Of a request's head, and of what is read ahead of its body, for each connection.
const MAX_HEAD_BYTES: usize = 64 << 10;

pub async fn serve(
    serving: Serving,
    mut listener: impl axum::serve::Listener<Addr = SocketAddr>,
    routes: Router,
    stop: CancellationToken,
) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(serving.idle_timeout).max_buf_size(MAX_HEAD_BYTES);
    let connections = GracefulShutdown::new();
    while let Some((stream, _)) = stop.run_until_cancelled(listener.accept()).await {
        let (routes, requests) = (TowerToHyperService::new(routes.clone()), Requests::default());
        let stream = Taking::new(stream, serving.clone(), Arc::clone(&requests));
        let service = service_fn(move |request| {
            requests.fetch_add(1, Ordering::Relaxed);
            routes.call(request)
        });
        let connection = connections.watch(builder.serve_connection(TokioIo::new(stream), service));
        let serving = serving.clone();
        tokio::spawn(async move {
            if connection.await.is_err_and(|error| error.is_timeout()) {
                serving.metrics.connections().timed_out(serving.name);
            }
        });
    }
    drop(listener);
    connections.shutdown().await;
}
