//! The upstream over HTTP/2.

use std::future::poll_fn;
use std::os::fd::AsFd;
use std::sync::Arc;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use hyper::http::request::Parts;
use hyper::http::{HeaderMap, Response};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::answer::{Answer, Step};
use super::upstream::Calls;
use super::{Headers, Request};

/// Until the other side closes, or an answer ends the connection.
pub(super) async fn serve(stream: TcpStream, calls: Arc<Calls>) {
    // A second handle, to close the connection without a word.
    let Ok(socket) = stream.as_fd().try_clone_to_owned() else { return };
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let closing = Arc::new(Notify::new());
    loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    let (head, body) = request.into_parts();
                    let stream = Stream { respond, calls: Arc::clone(&calls), closing: Arc::clone(&closing) };
                    tokio::spawn(stream.exchange(head, body));
                }
                _ => return,
            },
            () = closing.notified() => {
                let _ = rustix::net::shutdown(&socket, rustix::net::Shutdown::Both);
                return;
            }
        }
    }
}

struct Stream {
    respond: SendResponse<Bytes>,
    calls: Arc<Calls>,
    closing: Arc<Notify>,
}

impl Stream {
    /// A stream that the other side has left needs nothing more.
    async fn exchange(mut self, head: Parts, body: RecvStream) -> Result<(), h2::Error> {
        let headers = from_map(&head.headers);
        let (call, Answer { steps, .. }) = self.calls.answer(&headers);
        let request = request(&head, headers, body).await?;
        self.calls.asked(&call, request);
        let mut out = None;
        let mut steps = steps.into_iter().peekable();
        while let Some(step) = steps.next() {
            let is_last = steps.peek().is_none();
            match step {
                Step::Head(status, headers) if status < 200 => {
                    self.respond.send_informational(response(status, &headers))?;
                }
                Step::Head(status, headers) => {
                    out = Some(self.respond.send_response(response(status, &headers), is_last)?);
                }
                Step::Body(bytes) => {
                    self.calls.sent(&call, bytes.len());
                    if let Some(out) = &mut out {
                        out.send_data(bytes, is_last)?;
                    }
                }
                Step::Trailers(trailers) => {
                    if let Some(out) = &mut out {
                        out.send_trailers(to_map(&trailers))?;
                    }
                }
                Step::Seen => self.calls.seen(&call).await,
                Step::Meet(others) => {
                    others.wait().await;
                }
                Step::Reset => self.respond.send_reset(Reason::INTERNAL_ERROR),
                Step::Close => {
                    self.closing.notify_one();
                    // To leave the stream now would be to say so.
                    hang(&mut self.respond, out.as_mut()).await?;
                }
                Step::Hang => hang(&mut self.respond, out.as_mut()).await?,
                Step::Echo | Step::Raw(_) => return Ok(()),
            }
        }
        Ok(())
    }
}

async fn hang(
    respond: &mut SendResponse<Bytes>,
    out: Option<&mut SendStream<Bytes>>,
) -> Result<(), h2::Error> {
    match out {
        Some(out) => poll_fn(|context| out.poll_reset(context)).await?,
        None => poll_fn(|context| respond.poll_reset(context)).await?,
    };
    Ok(())
}

async fn request(head: &Parts, headers: Headers, mut body: RecvStream) -> Result<Request, h2::Error> {
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        bytes.extend_from_slice(&data);
        body.flow_control().release_capacity(data.len())?;
    }
    let trailers = body.trailers().await?.map(|trailers| from_map(&trailers)).unwrap_or_default();
    Ok(Request {
        method: head.method.to_string(),
        host: head.uri.authority().map(ToString::to_string).unwrap_or_default(),
        path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers,
        body: bytes,
        trailers,
        ..Request::default()
    })
}

fn response(status: u16, headers: &Headers) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status.try_into().unwrap_or_default();
    *response.headers_mut() = to_map(headers);
    response
}

pub(super) fn from_map(map: &HeaderMap) -> Headers {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    map.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect()
}

pub(super) fn to_map(headers: &Headers) -> HeaderMap {
    let pair = |(name, value): &(String, String)| Some((name.parse().ok()?, value.parse().ok()?));
    headers.iter().filter_map(pair).collect()
}
