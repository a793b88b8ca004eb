//! Sees the requests that fail before they reach the service: too large, not decodable, compressed in a way we cannot
//! read. They are counted here, and "too large" becomes an error that senders do not repeat for ever: OTLP takes
//! OUT_OF_RANGE, which the codec answers, as "try again".

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::telemetry::metrics::{BatchFailure, Metrics};

const EXPORT_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Travels with a request; the service marks it on entry.
#[derive(Clone, Debug, Default)]
pub struct Reached(Arc<AtomicBool>);

impl Reached {
    pub fn mark(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_marked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Clone, Debug)]
pub struct WatchLayer {
    pub metrics: Arc<Metrics>,
    pub max_message_bytes: usize,
}

impl<S> Layer<S> for WatchLayer {
    type Service = Watch<S>;

    fn layer(&self, inner: S) -> Watch<S> {
        Watch { inner, layer: self.clone() }
    }
}

#[derive(Clone, Debug)]
pub struct Watch<S> {
    inner: S,
    layer: WatchLayer,
}

impl<S> Service<Request<Body>> for Watch<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let is_export = request.uri().path() == EXPORT_PATH;
        let reached = Reached::default();
        request.extensions_mut().insert(reached.clone());
        let answer = self.inner.call(request);
        let layer = self.layer.clone();
        Box::pin(async move {
            let response = answer.await?;
            if !is_export || reached.is_marked() {
                return Ok(response);
            }
            Ok(layer.explain(response))
        })
    }
}

impl WatchLayer {
    fn explain(&self, response: Response<Body>) -> Response<Body> {
        let code = Status::from_header_map(response.headers()).map(|status| status.code());
        match code {
            Some(Code::OutOfRange | Code::ResourceExhausted) => {
                self.metrics.batch_failed(BatchFailure::TooLarge, 0);
                Status::invalid_argument(format!(
                    "the message is larger than {} bytes (receive.grpc.max_message_bytes); \
                     send smaller batches or raise the bound",
                    self.max_message_bytes
                ))
                .into_http()
            }
            Some(Code::Ok) | None => response,
            Some(_) => {
                self.metrics.batch_failed(BatchFailure::Malformed, 0);
                response
            }
        }
    }
}
