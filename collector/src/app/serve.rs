//! The servers behind the listeners, each a stage.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tonic::transport::Server;
use tracing::error;

use crate::receive::grpc::TraceService;
use crate::receive::http1::{self, Serving};
use crate::receive::intake::Intake;
use crate::receive::listener::BoundedListener;
use crate::receive::llmtrace::Ingestion;
use crate::receive::service::Served;
use crate::receive::tls::SecureListener;
use crate::stage::{Failures, Stage};

/// Dead peers are noticed by it; a sender's idle connection is kept.
const KEEPALIVE: Duration = Duration::from_mins(1);

pub(super) fn grpc(listener: SecureListener<BoundedListener>, intake: Intake, failures: &Failures) -> Stage {
    let max_calls = u32::try_from(intake.limits.max_concurrent_batches).unwrap_or(u32::MAX);
    let router = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .max_concurrent_streams(max_calls)
        .add_service(Served(TraceService::new(intake)));
    Stage::spawn("grpc", failures, |stop| async move {
        let served =
            router.serve_with_incoming_shutdown(listener.into_stream(), stop.cancelled_owned()).await;
        if let Err(error) = served {
            error!(error = %error, "the grpc listener failed");
        }
    })
}

pub(super) fn llmtrace(listener: BoundedListener, intake: Intake, failures: &Failures) -> Stage {
    let max_calls = u32::try_from(intake.limits.max_concurrent_batches).unwrap_or(u32::MAX);
    let router = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .max_concurrent_streams(max_calls)
        .add_service(Served(Ingestion::new(intake)));
    Stage::spawn("llmtrace", failures, |stop| async move {
        let served = router.serve_with_incoming_shutdown(listener, stop.cancelled_owned()).await;
        if let Err(error) = served {
            error!(error = %error, "the llmtrace listener failed");
        }
    })
}

pub(super) fn http(
    serving: Serving,
    listener: impl axum::serve::Listener<Addr = SocketAddr>,
    routes: Router,
    failures: &Failures,
) -> Stage {
    Stage::spawn(serving.name, failures, |stop| http1::serve(serving, listener, routes, stop))
}
