//! The upstream over HTTP/1.1, on bare TCP: it can break every rule.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::answer::{Answer, Step};
use super::message::{self, Body, Framing, Head};
use super::upstream::Calls;
use super::{Headers, Request, header};

/// Until the other side closes, or an answer ends the connection.
pub(super) async fn serve(stream: TcpStream, calls: Arc<Calls>) {
    let mut connection = Connection { stream, received: Vec::new(), calls };
    while let Ok(ControlFlow::Continue(())) = connection.exchange().await {}
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    calls: Arc<Calls>,
}

/// How an answer's body goes out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writing {
    Plain,
    Chunked,
}

impl Connection {
    async fn exchange(&mut self) -> io::Result<ControlFlow<()>> {
        let head = self.request_head().await?;
        let (call, Answer { steps, is_early }) = self.calls.answer(&head.headers);
        let mut steps = steps.into_iter().peekable();
        if header(&head.headers, "expect").is_some() {
            while let Some(Step::Head(status, headers)) =
                steps.next_if(|step| matches!(step, Step::Head(..200, _)))
            {
                self.write_head(status, headers, true).await?;
            }
        }
        let framing = if is_early { Framing::Length(0) } else { head.framing() };
        let request = self.request(head, framing).await?;
        let is_head = request.method == "HEAD";
        self.calls.asked(&call, request);
        let mut writing = Writing::Plain;
        for step in steps {
            match step {
                Step::Head(status, headers) => writing = self.write_head(status, headers, is_head).await?,
                Step::Body(bytes) => {
                    self.calls.sent(&call, bytes.len());
                    match writing {
                        Writing::Plain => self.stream.write_all(&bytes).await?,
                        Writing::Chunked => self.stream.write_all(&message::write_chunk(&bytes)).await?,
                    }
                }
                Step::Raw(bytes) => self.stream.write_all(&bytes).await?,
                Step::Seen => self.calls.seen(&call).await,
                Step::Meet(others) => {
                    others.wait().await;
                }
                Step::Trailers(trailers) => {
                    self.stream.write_all(&message::write_last_chunk(&trailers)).await?;
                    return Ok(ControlFlow::Continue(()));
                }
                Step::Echo => return self.echo().await,
                Step::Hang => return self.hang().await,
                Step::Reset => {
                    rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO))?;
                    return Ok(ControlFlow::Break(()));
                }
                Step::Close => return Ok(ControlFlow::Break(())),
            }
        }
        if writing == Writing::Chunked {
            self.stream.write_all(&message::write_last_chunk(&Headers::new())).await?;
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn request_head(&mut self) -> io::Result<Head> {
        loop {
            if let Some((head, length)) = Head::read(&self.received) {
                self.received.drain(..length);
                return Ok(head);
            }
            self.receive().await?;
        }
    }

    async fn request(&mut self, head: Head, framing: Framing) -> io::Result<Request> {
        let framing = if framing == Framing::Unknown { Framing::Length(0) } else { framing };
        let body = loop {
            let body = Body::read(&self.received, framing);
            if let Some(length) = body.length {
                self.received.drain(..length);
                break body;
            }
            self.receive().await?;
        };
        let mut words = head.start_line.split(' ').map(str::to_owned);
        Ok(Request {
            method: words.next().unwrap_or_default(),
            path: words.next().unwrap_or_default(),
            host: header(&head.headers, "host").unwrap_or_default().to_owned(),
            headers: head.headers,
            body: body.bytes,
            trailers: body.trailers,
            ..Request::default()
        })
    }

    async fn write_head(
        &mut self,
        status: u16,
        mut headers: Headers,
        is_bodiless: bool,
    ) -> io::Result<Writing> {
        let has_length = header(&headers, "content-length").is_some();
        let writing = if has_length || is_bodiless || matches!(status, ..200 | 204 | 304) {
            Writing::Plain
        } else {
            headers.push(("transfer-encoding".to_owned(), "chunked".to_owned()));
            Writing::Chunked
        };
        let head = message::write_head(&format!("HTTP/1.1 {status} Scripted"), &headers);
        self.stream.write_all(&head).await?;
        Ok(writing)
    }

    async fn echo(&mut self) -> io::Result<ControlFlow<()>> {
        loop {
            let bytes = std::mem::take(&mut self.received);
            self.stream.write_all(&bytes).await?;
            self.receive().await?;
        }
    }

    async fn hang(&mut self) -> io::Result<ControlFlow<()>> {
        loop {
            self.receive().await?;
        }
    }

    /// Waits for more; an error when there will be none.
    async fn receive(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
