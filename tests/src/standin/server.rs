//! Plays scripts over HTTP/1.1.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::Sender as Started;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::record::{End, Exchange, Headers, Records};
use super::scenario::Scenario;
use super::script::{Script, Step};
use super::{CALL, CHUNK_MS, SCENARIO, THINK_MS};
use super::{anthropic, openai};

const DEFAULT_CHUNK_MS: u64 = 2;
/// What a stream that is held says, as real ones do that wait for their model.
const HELD: &[u8] = b": held\n\n";
const BETWEEN_COMMENTS: Duration = Duration::from_millis(100);

/// Listens on a free port, reports it, and serves until `stopped`.
pub(super) fn run(records: Arc<Records>, started: &Started<SocketAddr>, stopped: oneshot::Receiver<()>) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime for the stand-in");
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port for the stand-in");
        let _ = started.send(listener.local_addr().expect("a listener has an address"));
        tokio::select! {
            () = accept(listener, records) => {}
            _ = stopped => {}
        }
    });
}

async fn accept(listener: TcpListener, records: Arc<Records>) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&records)));
        }
    }
}

async fn serve(stream: TcpStream, records: Arc<Records>) {
    let Ok(connection) = Connection::of(&stream) else { return };
    let connection = Arc::new(connection);
    let service = service_fn(move |request| answer(request, Arc::clone(&records), Arc::clone(&connection)));
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    records: Arc<Records>,
    connection: Arc<Connection>,
) -> Result<Response<Played>, ResetByUs> {
    let (head, body) = request.into_parts();
    let header =
        |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let call = header(CALL).to_owned();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let millis = |name: &str, default| Duration::from_millis(header(name).parse().unwrap_or(default));
    sleep(millis(THINK_MS, 0)).await;
    let asked = openai::Request {
        path: head.uri.path().to_owned(),
        body: body.clone(),
        scenario: Scenario::named(header(SCENARIO)).unwrap_or_default(),
        chunk_pause: millis(CHUNK_MS, DEFAULT_CHUNK_MS),
        case: call.split('@').next().unwrap_or_default().to_owned(),
    };
    let script = match asked.path.as_str() {
        "/v1/messages" => anthropic::script(&asked),
        _ => openai::script(&asked),
    };
    records.begin(&call, exchange(head.method.as_str(), &asked, &head.headers, &script));
    if matches!(script.steps.first(), Some(Step::Reset)) {
        connection.reset_when_closed();
        records.end(&call, End::Reset);
        return Err(ResetByUs);
    }
    Ok(play(script, call, records, connection))
}

/// Starts the script's steps; they go on as long as the returned response's body is wanted.
fn play(
    script: Script,
    call: String,
    records: Arc<Records>,
    connection: Arc<Connection>,
) -> Response<Played> {
    let (frames, received) = mpsc::channel(1);
    let mut response = Response::new(Played { frames: received });
    *response.status_mut() = script.status.try_into().unwrap_or_default();
    for (name, value) in &script.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
    tokio::spawn(async move {
        let end = steps(script.steps, &call, &frames, &records, &connection).await;
        records.end(&call, end);
    });
    response
}

async fn steps(
    steps: Vec<Step>,
    call: &str,
    frames: &mpsc::Sender<Result<Bytes, ResetByUs>>,
    records: &Records,
    connection: &Connection,
) -> End {
    for step in steps {
        match step {
            Step::Send(bytes) => {
                records.sent(call, &bytes);
                if frames.send(Ok(bytes)).await.is_err() {
                    return End::ClientGone;
                }
            }
            Step::Pause(pause) => tokio::select! {
                () = sleep(pause) => {}
                () = frames.closed() => return End::ClientGone,
            },
            Step::Hold => {
                while !records.is_released(call) {
                    records.sent(call, HELD);
                    if frames.send(Ok(Bytes::from_static(HELD))).await.is_err() {
                        return End::ClientGone;
                    }
                    sleep(BETWEEN_COMMENTS).await;
                }
            }
            Step::Hang => {
                frames.closed().await;
                return End::ClientGone;
            }
            Step::Reset => {
                connection.reset_when_closed();
                let _ = frames.send(Err(ResetByUs)).await;
                return End::Reset;
            }
        }
    }
    End::Complete
}

fn exchange(method: &str, asked: &openai::Request, headers: &HeaderMap, script: &Script) -> Exchange {
    Exchange {
        method: method.to_owned(),
        path: asked.path.clone(),
        request_headers: readable(headers),
        request_body: asked.body.to_vec(),
        status: script.status,
        response_headers: script
            .headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
        sent: Vec::new(),
        response_id: script.response_id.clone(),
        response_model: script.response_model.clone(),
        usage: script.usage,
        end: None,
    }
}

fn readable(headers: &HeaderMap) -> Headers {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

/// A second handle on the connection's socket, to have its closing reset the connection.
struct Connection {
    socket: OwnedFd,
}

impl Connection {
    fn of(stream: &TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { socket: stream.as_fd().try_clone_to_owned()? })
    }

    /// With a linger time of zero, closing sends RST instead of FIN.
    fn reset_when_closed(&self) {
        let _ = rustix::net::sockopt::set_socket_linger(&self.socket, Some(Duration::ZERO));
    }
}

/// The body of a response: what the script's steps hand over, one frame a step.
struct Played {
    frames: mpsc::Receiver<Result<Bytes, ResetByUs>>,
}

impl Body for Played {
    type Data = Bytes;
    type Error = ResetByUs;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResetByUs>>> {
        self.frames.poll_recv(context).map(|frame| frame.map(|result| result.map(Frame::data)))
    }
}

/// Makes the HTTP server drop the connection.
#[derive(Debug)]
struct ResetByUs;

impl std::fmt::Display for ResetByUs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("reset by the scenario")
    }
}

impl std::error::Error for ResetByUs {}
