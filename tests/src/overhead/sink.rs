//! Where the spans of a side go: counted by their ids, and let go.
//!
//! A collector that stores them would take the core that the load needs; what that takes is another benchmark's. For the
//! same reason only what is counted is decoded.

use std::collections::HashSet;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;

/// A batch of the filter's largest, and room.
const MAX_MESSAGE_BYTES: usize = 8 << 20;

#[derive(Clone)]
pub struct Sink {
    address: SocketAddr,
    service: TraceService,
}

/// What becomes of a batch.
#[derive(Debug, Clone, Copy, Default)]
pub enum Manner {
    #[default]
    Accepts,
    AcceptsAfter(Duration),
    NeverAnswers,
    Fails(Code),
}

#[derive(Default)]
struct Spans {
    ids: HashSet<[u8; 8]>,
    names: HashSet<String>,
}

impl Sink {
    pub fn start(runtime: &Handle) -> Self {
        Self::start_at(runtime, (Ipv4Addr::LOCALHOST, 0).into())
    }

    /// At an address that nobody else is given while it is away.
    pub fn start_at(runtime: &Handle, address: SocketAddr) -> Self {
        let service = TraceService::default();
        let address = serve(runtime, address, service.clone());
        Self { address, service }
    }

    /// At the same address, after the runtime that it was started on has gone.
    pub fn start_again(&self, runtime: &Handle) {
        serve(runtime, self.address, self.service.clone());
    }

    /// From the next batch on.
    pub fn behave(&self, manner: Manner) {
        *self.service.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Different spans; one that came twice counts once.
    pub fn spans(&self) -> u64 {
        self.service.seen().ids.len() as u64
    }

    /// Whether a span of this name has come.
    pub fn has(&self, name: &str) -> bool {
        self.service.seen().names.contains(name)
    }
}

/// `opentelemetry.proto.collector.trace.v1.TraceService`, whose only call is `Export`.
#[derive(Clone, Default)]
struct TraceService {
    seen: Arc<Mutex<Spans>>,
    manner: Arc<Mutex<Manner>>,
}

fn serve(runtime: &Handle, address: SocketAddr, service: TraceService) -> SocketAddr {
    let listener = runtime.block_on(TcpListener::bind(address)).expect("a free port");
    let address = listener.local_addr().expect("a bound port");
    runtime.spawn(async move {
        let incoming = TcpListenerStream::new(listener);
        Server::builder().add_service(service).serve_with_incoming(incoming).await
    });
    address
}

impl TraceService {
    fn seen(&self) -> MutexGuard<'_, Spans> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, export: Export) {
        let scopes = export.resources.into_iter().flat_map(|resource| resource.scopes);
        let mut seen = self.seen();
        for span in scopes.flat_map(|scope| scope.spans) {
            seen.ids.insert(span.id.try_into().expect("a span id of eight bytes"));
            if !seen.names.contains(&span.name) {
                seen.names.insert(span.name);
            }
        }
    }
}

impl NamedService for TraceService {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

impl Service<http::Request<Body>> for TraceService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let mut call = Grpc::new(ProstCodec::default()).max_decoding_message_size(MAX_MESSAGE_BYTES);
            Ok(call.unary(this, request).await)
        })
    }
}

impl UnaryService<Export> for TraceService {
    type Response = ExportTraceServiceResponse;
    type Future = BoxFuture<Response<Self::Response>, Status>;

    fn call(&mut self, request: Request<Export>) -> Self::Future {
        let this = self.clone();
        let manner = *self.manner.lock().unwrap_or_else(PoisonError::into_inner);
        Box::pin(async move {
            match manner {
                Manner::Accepts => {}
                Manner::AcceptsAfter(delay) => tokio::time::sleep(delay).await,
                Manner::NeverAnswers => std::future::pending().await,
                Manner::Fails(code) => return Err(Status::new(code, "as the test wants it")),
            }
            this.take(request.into_inner());
            Ok(Response::new(ExportTraceServiceResponse::default()))
        })
    }
}

/// Of `ExportTraceServiceRequest` what is counted.
#[derive(Clone, PartialEq, prost::Message)]
struct Export {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ResourceSpans {
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ScopeSpans {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Span {
    #[prost(bytes = "vec", tag = "2")]
    id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
}
