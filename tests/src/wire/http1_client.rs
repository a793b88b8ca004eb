//! A client over HTTP/1.1, on bare TCP.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::message::{self, Body, Framing, Head};
use super::{Headers, Next, Reply, ReplyEnd, Request, Watch};
use crate::wait::DEADLINE;

/// How long it waits for bytes before it has its watch look again.
const GLANCE: Duration = Duration::from_millis(5);

/// One connection, for any number of exchanges.
pub struct Http1 {
    stream: TcpStream,
    received: Vec<u8>,
    is_closed: bool,
}

impl Http1 {
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the proxy takes connections");
        stream.set_nodelay(true).expect("a socket that is open");
        stream.set_read_timeout(Some(GLANCE)).expect("a socket that is open");
        Self { stream, received: Vec::new(), is_closed: false }
    }

    /// A body with trailers goes in chunks, any other with its length.
    pub fn send(&mut self, request: &Request) {
        let Request { method, host, path, body, trailers, .. } = request;
        let mut headers: Headers = vec![("host".to_owned(), host.clone())];
        headers.extend(request.headers.iter().cloned());
        let mut bytes = Vec::new();
        if trailers.is_empty() && !request.is_unfinished {
            if !body.is_empty() {
                headers.push(("content-length".to_owned(), body.len().to_string()));
            }
            bytes.clone_from(body);
        } else {
            headers.push(("transfer-encoding".to_owned(), "chunked".to_owned()));
            bytes.extend(message::write_chunk(body));
            if !request.is_unfinished {
                bytes.extend(message::write_last_chunk(trailers));
            }
        }
        let head = message::write_head(&format!("{method} {path} HTTP/1.1"), &headers);
        // In one piece: what the proxy answers early depends on whether it has the whole request.
        self.send_bytes(&[head, bytes].concat());
    }

    /// Whether the other side still listens is seen by its reply.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Reads the next reply, as long as `watch` stays.
    #[track_caller]
    pub fn reply(&mut self, request: &Request, watch: Watch<'_>) -> Reply {
        let started = Instant::now();
        loop {
            let (mut reply, length) = self.read_reply(&request.method);
            match watch(&reply) {
                Next::Say(bytes) => self.send_bytes(&bytes),
                Next::Leave if reply.end == ReplyEnd::Open => reply.end = ReplyEnd::Left,
                Next::Leave | Next::Stay => {}
            }
            if reply.end != ReplyEnd::Open {
                self.received.drain(..length);
                return reply;
            }
            assert!(started.elapsed() < DEADLINE, "the reply did not end: {reply:?}");
            self.receive();
        }
    }

    /// The next reply so far, and its length on the wire.
    fn read_reply(&self, method: &str) -> (Reply, usize) {
        let mut reply = Reply::default();
        let mut at = 0;
        while let Some((head, length)) = Head::read(self.received.get(at..).unwrap_or_default()) {
            at += length;
            let status =
                head.start_line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
            if status < 200 && status != 101 {
                reply.informational.push(status);
                continue;
            }
            let framing = match status {
                101 => Framing::Unknown,
                200 if method == "CONNECT" => Framing::Unknown,
                204 | 304 => Framing::Length(0),
                _ if method == "HEAD" => Framing::Length(0),
                _ => head.framing(),
            };
            let body = Body::read(self.received.get(at..).unwrap_or_default(), framing);
            let end = match body.length {
                Some(_) => ReplyEnd::Whole,
                None if !self.is_closed => ReplyEnd::Open,
                None if framing == Framing::Unknown => ReplyEnd::Whole,
                None => ReplyEnd::Broken,
            };
            let length = body.length.map_or(self.received.len(), |length| at + length);
            let Body { bytes: body, trailers, .. } = body;
            let informational = reply.informational;
            return (Reply { informational, status, headers: head.headers, body, trailers, end }, length);
        }
        reply.end = if self.is_closed { ReplyEnd::Broken } else { ReplyEnd::Open };
        (reply, self.received.len())
    }

    fn receive(&mut self) {
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.is_closed = true,
            Ok(size) => self.received.extend_from_slice(buffer.get(..size).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => self.is_closed = true,
        }
    }
}
