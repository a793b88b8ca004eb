//! Where the spans of a side go: decoded, counted, and let go.
//!
//! A collector that stores them would take the core that the load needs; what that takes is another benchmark's.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// A batch of the filter's largest, and room.
const MAX_MESSAGE_BYTES: usize = 8 << 20;

#[derive(Clone)]
pub struct Sink {
    address: SocketAddr,
    seen: Seen,
}

type Seen = Arc<Mutex<Spans>>;

#[derive(Default)]
struct Spans {
    ids: HashSet<Vec<u8>>,
    names: HashSet<String>,
}

impl Sink {
    pub fn start(runtime: &Handle) -> Self {
        let seen = Seen::default();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let service = TraceServiceServer::new(Service(Arc::clone(&seen)));
        let service = service.max_decoding_message_size(MAX_MESSAGE_BYTES);
        runtime.spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            Server::builder().add_service(service).serve_with_incoming(incoming).await
        });
        Self { address, seen }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Different spans; one that came twice counts once.
    pub fn spans(&self) -> u64 {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).ids.len() as u64
    }

    /// Whether a span of this name has come.
    pub fn has(&self, name: &str) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).names.contains(name)
    }
}

struct Service(Seen);

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes =
            request.into_inner().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for span in scopes.flat_map(|scope| scope.spans) {
            seen.ids.insert(span.span_id);
            if !seen.names.contains(&span.name) {
                seen.names.insert(span.name);
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
