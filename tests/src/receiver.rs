//! An OTLP receiver that keeps what it is sent, as it is sent: no collector, no store.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// One call of an exporter.
#[derive(Clone, Debug)]
pub struct Export {
    /// ASCII metadata in the order of arrival.
    pub metadata: Vec<(String, String)>,
    pub request: ExportTraceServiceRequest,
}

impl Export {
    pub fn spans(&self) -> impl Iterator<Item = &Span> {
        let scopes = self.request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| &scope.spans)
    }

    pub fn metadata(&self, name: &str) -> Vec<&str> {
        let named = self.metadata.iter().filter(|(known, _)| known == name);
        named.map(|(_, value)| value.as_str()).collect()
    }
}

/// Runs until dropped.
pub struct Receiver {
    address: SocketAddr,
    exports: Arc<Mutex<Vec<Export>>>,
    stop: Option<oneshot::Sender<()>>,
}

impl Receiver {
    pub fn start() -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// Where nobody listened before.
    pub fn start_at(address: SocketAddr) -> Self {
        let exports = Arc::default();
        let service = TraceServiceServer::new(Service(Arc::clone(&exports)));
        let (stop, stopped) = oneshot::channel::<()>();
        let (started, bound) = channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = TcpListener::bind(address).await.expect("a free port");
                let _ = started.send(listener.local_addr().expect("a bound port"));
                let incoming = TcpListenerStream::new(listener);
                let serve = Server::builder().add_service(service).serve_with_incoming(incoming);
                tokio::select! { _ = serve => {}, _ = stopped => {} }
            });
        });
        let address = bound.recv().expect("the receiver listens");
        Self { address, exports, stop: Some(stop) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// In the order of arrival.
    pub fn exports(&self) -> Vec<Export> {
        self.exports.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

struct Service(Arc<Mutex<Vec<Export>>>);

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let headers = request.metadata().clone().into_headers();
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let metadata =
            headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect();
        let export = Export { metadata, request: request.into_inner() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(export);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
