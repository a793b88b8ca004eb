//! A client over HTTP/2.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use hyper::http::{self, Uri};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::{sleep, timeout};

use super::http2_upstream::{from_map, to_map};
use super::{Next, Reply, ReplyEnd, Request};
use crate::wait::DEADLINE;

/// How long it waits before it has its watch look again.
const GLANCE: Duration = Duration::from_millis(5);
/// For the last frames of a connection.
const FAREWELL: Duration = Duration::from_secs(1);

/// Makes all calls side by side on one connection. `watch` is asked for each of them.
#[track_caller]
pub fn http2(
    address: SocketAddr,
    requests: &[Request],
    mut watch: impl FnMut(usize, &Reply) -> Next,
) -> Vec<Reply> {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime for the client");
    runtime.block_on(async {
        let stream = TcpStream::connect(address).await.expect("the proxy takes connections");
        let (mut client, connection) = h2::client::handshake(stream).await.expect("the proxy speaks HTTP/2");
        let connection = tokio::spawn(connection);
        let mut calls = Vec::new();
        for request in requests {
            client = client.ready().await.expect("the proxy takes another stream");
            calls.push(Call::start(&mut client, request));
        }
        let started = Instant::now();
        while calls.iter().any(|call| call.reply().end == ReplyEnd::Open) {
            for (n, call) in calls.iter().enumerate() {
                let reply = call.reply().clone();
                if watch(n, &reply) == Next::Leave && reply.end == ReplyEnd::Open {
                    call.leave();
                }
            }
            assert!(started.elapsed() < DEADLINE, "not all replies ended: {:?}", calls[0].reply());
            sleep(GLANCE).await;
        }
        let replies: Vec<Reply> = calls.iter().map(|call| call.reply().clone()).collect();
        drop((calls, client));
        let _ = timeout(FAREWELL, connection).await;
        replies
    })
}

struct Call {
    reply: Arc<Mutex<Reply>>,
    reading: tokio::task::JoinHandle<()>,
}

impl Call {
    fn start(client: &mut SendRequest<Bytes>, request: &Request) -> Self {
        let (response, mut out) =
            client.send_request(head(request), false).expect("a request that HTTP/2 can carry");
        // What the other side no longer wants, its reply tells.
        let body = Bytes::copy_from_slice(&request.body);
        let ends = !request.is_unfinished && request.trailers.is_empty();
        let _ = out.send_data(body, ends);
        if !request.trailers.is_empty() {
            let _ = out.send_trailers(to_map(&request.trailers));
        }
        let reply = Arc::new(Mutex::new(Reply::default()));
        let read = Arc::clone(&reply);
        let reading = tokio::spawn(async move {
            let end = match read_reply(response, &read).await {
                Ok(()) => ReplyEnd::Whole,
                Err(_) => ReplyEnd::Broken,
            };
            lock(&read).end = end;
            drop(out);
        });
        Self { reply, reading }
    }

    fn reply(&self) -> MutexGuard<'_, Reply> {
        lock(&self.reply)
    }

    /// Dropping its handles resets the stream.
    fn leave(&self) {
        self.reading.abort();
        self.reply().end = ReplyEnd::Left;
    }
}

async fn read_reply(mut response: ResponseFuture, reply: &Mutex<Reply>) -> Result<(), h2::Error> {
    while let Some(informational) = poll_fn(|context| response.poll_informational(context)).await {
        lock(reply).informational.push(informational?.status().as_u16());
    }
    let (head, mut body) = response.await?.into_parts();
    {
        let mut reply = lock(reply);
        reply.status = head.status.as_u16();
        reply.headers = from_map(&head.headers);
    }
    while let Some(data) = body.data().await {
        let data = data?;
        lock(reply).body.extend_from_slice(&data);
        body.flow_control().release_capacity(data.len())?;
    }
    if let Some(trailers) = body.trailers().await? {
        lock(reply).trailers = from_map(&trailers);
    }
    Ok(())
}

fn head(request: &Request) -> http::Request<()> {
    let mut head = http::Request::new(());
    *head.method_mut() = request.method.parse().unwrap_or_default();
    let uri = Uri::builder().scheme("http").authority(request.host.as_str());
    *head.uri_mut() = uri.path_and_query(request.path.as_str()).build().expect("a host and a path");
    *head.headers_mut() = to_map(&request.headers);
    head
}

fn lock(reply: &Mutex<Reply>) -> MutexGuard<'_, Reply> {
    reply.lock().unwrap_or_else(PoisonError::into_inner)
}
