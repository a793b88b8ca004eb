//! A connection that has to begin: its first bytes, as many as HTTP/2 starts with, come within `receive.idle_timeout` and
//! before the collector stops, or it is closed. From there on it is up to the protocol.
//!
//! In the clear it stands right on the socket; with TLS once below the handshake and once above it, because a handshake is
//! no beginning of what is spoken.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::telemetry::metrics::Metrics;

/// The preface of HTTP/2; no request of HTTP/1.1 with a `host` is shorter.
const FIRST_BYTES: usize = 24;

/// What connections of one listener are held to.
#[derive(Clone, Debug)]
pub struct Patience {
    pub name: &'static str,
    pub idle_timeout: Duration,
    /// For a handshake of TLS, where there is one.
    pub handshake_timeout: Duration,
    /// Cancelled when the collector is to stop.
    pub stop: CancellationToken,
    pub metrics: Arc<Metrics>,
}

#[derive(Debug)]
pub struct Beginning<S> {
    stream: S,
    /// Until it has begun.
    missing: Option<Missing>,
}

#[derive(Debug)]
struct Missing {
    bytes: usize,
    deadline: Pin<Box<Sleep>>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    name: &'static str,
    metrics: Arc<Metrics>,
}

impl Missing {
    /// Whether it is over before it began.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        if self.deadline.as_mut().poll(context).is_ready() {
            self.metrics.connections().timed_out(self.name);
            return true;
        }
        self.stop.as_mut().poll(context).is_ready()
    }
}

impl<S> Beginning<S> {
    pub fn new(stream: S, patience: &Patience) -> Self {
        let missing = Missing {
            bytes: FIRST_BYTES,
            deadline: Box::pin(tokio::time::sleep(patience.idle_timeout)),
            stop: Box::pin(patience.stop.clone().cancelled_owned()),
            name: patience.name,
            metrics: Arc::clone(&patience.metrics),
        };
        Self { stream, missing: Some(missing) }
    }

    pub const fn inner(&self) -> &S {
        &self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Beginning<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let come = buffer.filled().len() - before;
        let Some(missing) = &mut self.missing else { return read };
        missing.bytes = missing.bytes.saturating_sub(come);
        if missing.bytes == 0 {
            self.missing = None;
        } else if read.is_pending() && missing.is_over(context) {
            self.missing = None;
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Beginning<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
