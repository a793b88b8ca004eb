//! A ClickHouse that takes inserts and does nothing with them: they are kept as they came, and answered. Everything else
//! is asked of a real server, so that clients see its tables.
//!
//! What was kept is afterwards put into tables of the real server, in memory, which decodes it and counts.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, HOST, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, JoinSet};

use crate::http::{self, Reply};
use crate::ports;

pub struct Sink {
    address: SocketAddr,
    kept: Arc<Kept>,
    serving: Option<JoinHandle<()>>,
}

struct Kept {
    server: SocketAddr,
    inserts: Mutex<Inserts>,
}

#[derive(Default)]
struct Inserts {
    all: Vec<Insert>,
    /// When the last one had come.
    last: Option<Instant>,
}

struct Insert {
    /// With the statement and its settings.
    path: String,
    body: Bytes,
}

impl Sink {
    /// In front of a real server.
    pub fn start(runtime: &Handle, server: SocketAddr) -> Self {
        let kept = Arc::new(Kept { server, inserts: Mutex::default() });
        // Nobody else is given it while the sink is away.
        let mut sink = Self { address: ports::free_address(), kept, serving: None };
        sink.come_back(runtime);
        sink
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Closes its port and every connection.
    pub fn leave(&mut self, runtime: &Handle) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            let _ = runtime.block_on(serving);
        }
    }

    pub fn come_back(&mut self, runtime: &Handle) {
        let listener = runtime.block_on(TcpListener::bind(self.address)).expect("a free port");
        self.address = listener.local_addr().expect("a bound port");
        self.serving = Some(runtime.spawn(serve(listener, Arc::clone(&self.kept))));
    }

    /// When the last insert had come.
    pub fn last(&self) -> Option<Instant> {
        self.kept.inserts().last
    }

    /// Forgets what was kept.
    pub fn clear(&self) {
        *self.kept.inserts() = Inserts::default();
    }

    /// Bytes of all inserts, as they were sent.
    pub fn bytes(&self) -> usize {
        self.kept.inserts().all.iter().map(|insert| insert.body.len()).sum()
    }

    /// Puts what was kept for a database into tables of the same names in another one.
    #[track_caller]
    pub fn replay(&self, from: &str, into: &str) {
        for insert in &self.kept.inserts().all {
            let path = insert.path.replace(&format!("database={from}&"), &format!("database={into}&"));
            let reply = http::post(self.kept.server, &path, &[], &insert.body).expect("ClickHouse answers");
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        }
    }
}

async fn serve(listener: TcpListener, kept: Arc<Kept>) {
    // Dropped with the task, and the connections with it.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        connections.spawn(connection(stream, Arc::clone(&kept)));
    }
}

async fn connection(stream: TcpStream, kept: Arc<Kept>) {
    let service = service_fn(|request| {
        let kept = Arc::clone(&kept);
        async move { Ok::<_, Infallible>(kept.answer(request).await) }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl Kept {
    fn inserts(&self) -> MutexGuard<'_, Inserts> {
        self.inserts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return answer(400, Bytes::new()) };
        let body = body.to_bytes();
        // The schema's own statements come in the body.
        if !head.uri.query().is_some_and(|query| query.contains("query=INSERT")) {
            let asked = tokio::task::spawn_blocking(move || self.ask(&head, &body));
            return asked.await.expect("asking does not fail");
        }
        let mut inserts = self.inserts();
        inserts.all.push(Insert { path: head.uri.to_string(), body });
        inserts.last = Some(Instant::now());
        answer(200, Bytes::new())
    }

    fn ask(&self, head: &Parts, body: &[u8]) -> Response<Full<Bytes>> {
        // The others are those of one connection.
        let of_request = |name: &HeaderName| name != HOST && name != CONTENT_LENGTH && name != CONNECTION;
        let headers = head.headers.iter().filter(|(name, _)| of_request(name));
        let headers: Vec<(&str, &str)> =
            headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
        let path = head.uri.to_string();
        let reply = if head.method == Method::GET {
            http::get_with(self.server, &path, &headers)
        } else {
            http::post(self.server, &path, &headers, body)
        };
        match reply {
            Ok(reply) => passed_on(reply),
            Err(error) => answer(502, error.to_string().into()),
        }
    }
}

fn passed_on(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = answer(reply.status, reply.body.into());
    for (name, value) in reply.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value))
            && (name == CONTENT_ENCODING || name.as_str().starts_with("x-clickhouse"))
        {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn answer(status: u16, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    response
}
