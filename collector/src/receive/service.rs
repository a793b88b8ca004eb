//! A gRPC service that answers whole requests, as tonic serves it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::codegen::http;
use tonic::server::NamedService;
use tower::Service;

/// What answers every request of one gRPC service.
pub trait Answer: Clone + Send + 'static {
    /// The service's full name, without slashes.
    const NAME: &'static str;

    fn answer(self, request: http::Request<Body>) -> impl Future<Output = http::Response<Body>> + Send;
}

#[derive(Clone, Debug)]
pub struct Served<A>(pub A);

impl<A: Answer> NamedService for Served<A> {
    const NAME: &'static str = A::NAME;
}

impl<A: Answer> Service<http::Request<Body>> for Served<A> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answer = self.0.clone();
        Box::pin(async move { Ok(answer.answer(request).await) })
    }
}
