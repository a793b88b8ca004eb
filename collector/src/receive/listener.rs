//! Listening sockets with a bound on open connections: one that comes when the house is full is closed at once, and
//! counted. So is one that does not begin in time: `receive.idle_timeout` for the first bytes, as many as HTTP/2 starts
//! with. From there on it is up to the protocol.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tokio_stream::Stream;
use tonic::transport::server::{Connected, TcpConnectInfo};
use tracing::{debug, warn};

use crate::telemetry::metrics::Metrics;

/// After an error that the next attempt would meet as well, such as too many open files.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub struct BoundedListener {
    name: &'static str,
    socket: TcpListener,
    slots: Arc<Semaphore>,
    idle_timeout: Duration,
    metrics: Arc<Metrics>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl BoundedListener {
    pub fn new(
        name: &'static str,
        socket: TcpListener,
        max: usize,
        idle_timeout: Duration,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { name, socket, slots: Arc::new(Semaphore::new(max)), idle_timeout, metrics, pause: None }
    }

    fn poll_connection(&mut self, context: &mut Context<'_>) -> Poll<(Connection<TcpStream>, SocketAddr)> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            match ready!(self.socket.poll_accept(context)) {
                Ok((stream, peer)) => {
                    if let Some(connection) = self.admit(stream) {
                        return Poll::Ready((connection, peer));
                    }
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    warn!(listener = self.name, %error, "a connection cannot be accepted");
                    self.pause = Some(Box::pin(tokio::time::sleep(PAUSE)));
                }
            }
        }
    }

    fn admit(&self, stream: TcpStream) -> Option<Connection<TcpStream>> {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            self.metrics.connections().refused(self.name);
            return None;
        };
        if let Err(error) = stream.set_nodelay(true) {
            debug!(listener = self.name, %error, "a connection without TCP_NODELAY");
        }
        let deadline = Box::pin(tokio::time::sleep(self.idle_timeout));
        let metrics = Arc::clone(&self.metrics);
        let beginning = Some(Beginning { missing: FIRST_BYTES, deadline, name: self.name, metrics });
        Some(Connection { stream, beginning, _slot: slot })
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionRefused | ConnectionAborted | ConnectionReset)
}

impl Stream for BoundedListener {
    type Item = io::Result<Connection<TcpStream>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_connection(context).map(|(connection, _)| Some(Ok(connection)))
    }
}

impl axum::serve::Listener for BoundedListener {
    type Io = Connection<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        std::future::poll_fn(|context| self.poll_connection(context)).await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// The preface of HTTP/2; no request of HTTP/1.1 with a `host` is shorter.
const FIRST_BYTES: usize = 24;

/// A connection whose first bytes have not all come.
#[derive(Debug)]
struct Beginning {
    missing: usize,
    deadline: Pin<Box<Sleep>>,
    name: &'static str,
    metrics: Arc<Metrics>,
}

impl Beginning {
    /// Whether it took too long.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        let over = self.deadline.as_mut().poll(context).is_ready();
        if over {
            self.metrics.connections().timed_out(self.name);
        }
        over
    }
}

/// A connection that gives its place free when it is dropped.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    beginning: Option<Beginning>,
    _slot: OwnedSemaphorePermit,
}

impl Connected for Connection<TcpStream> {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let come = buffer.filled().len() - before;
        let Some(beginning) = &mut self.beginning else { return read };
        beginning.missing = beginning.missing.saturating_sub(come);
        if beginning.missing == 0 {
            self.beginning = None;
        } else if read.is_pending() && beginning.is_over(context) {
            self.beginning = None;
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
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
