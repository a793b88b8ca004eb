//! A connection of HTTP/1.1 whose answers have to be taken: from the moment on when the other end takes no more for now, it
//! has `receive.write_timeout` for the rest of the answer, however little it takes now and then. Then the connection is
//! closed, and counted.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::http1::Serving;

/// How many requests a connection has brought.
pub(super) type Requests = Arc<AtomicUsize>;

pub(super) struct Taking<S> {
    stream: S,
    serving: Serving,
    requests: Requests,
    waiting: Option<Waiting>,
}

/// For the other end to take the answer of a request.
struct Waiting {
    request: usize,
    /// `None` when it is over, and counted.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Taking<S> {
    pub(super) const fn new(stream: S, serving: Serving, requests: Requests) -> Self {
        Self { stream, serving, requests, waiting: None }
    }

    fn in_time<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            return written;
        }
        let request = self.requests.load(Ordering::Relaxed);
        self.waiting = self.waiting.take().filter(|waiting| waiting.request == request);
        let waiting = self.waiting.get_or_insert_with(|| {
            let deadline = Box::pin(tokio::time::sleep(self.serving.write_timeout));
            Waiting { request, deadline: Some(deadline) }
        });
        if let Some(deadline) = &mut waiting.deadline {
            ready!(deadline.as_mut().poll(context));
            waiting.deadline = None;
            self.serving.metrics.connections().not_taken(self.serving.name);
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Taking<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Taking<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.in_time(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.in_time(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut_down = Pin::new(&mut self.stream).poll_shutdown(context);
        self.in_time(context, shut_down)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.in_time(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
