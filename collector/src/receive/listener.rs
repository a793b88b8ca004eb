//! Listening sockets with a bound on open connections: one that comes when the house is full is closed at once, and
//! counted. So is one that does not begin in time (`beginning`).

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

use super::beginning::Beginning;
pub use super::beginning::Patience;

/// After an error that the next attempt would meet as well, such as too many open files.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub struct BoundedListener {
    socket: TcpListener,
    slots: Arc<Semaphore>,
    patience: Patience,
    pause: Option<Pin<Box<Sleep>>>,
}

impl BoundedListener {
    pub fn new(socket: TcpListener, max: usize, patience: Patience) -> Self {
        Self { socket, slots: Arc::new(Semaphore::new(max)), patience, pause: None }
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
                    warn!(listener = self.patience.name, %error, "a connection cannot be accepted");
                    self.pause = Some(Box::pin(tokio::time::sleep(PAUSE)));
                }
            }
        }
    }

    fn admit(&self, stream: TcpStream) -> Option<Connection<TcpStream>> {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            self.patience.metrics.connections().refused(self.patience.name);
            return None;
        };
        if let Err(error) = stream.set_nodelay(true) {
            debug!(listener = self.patience.name, %error, "a connection without TCP_NODELAY");
        }
        Some(Connection { stream: Beginning::new(stream, &self.patience), _slot: slot })
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

/// A connection that gives its place free when it is dropped.
#[derive(Debug)]
pub struct Connection<S> {
    stream: Beginning<S>,
    _slot: OwnedSemaphorePermit,
}

impl Connected for Connection<TcpStream> {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.inner().connect_info()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
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
