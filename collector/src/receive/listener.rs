//! Listening sockets with a bound on open connections: one that comes when the house is full takes the place of a peer
//! that has more than its share (`places`), or is closed at once; both are counted. So is one that does not begin in time
//! (`beginning`).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;
use tokio_stream::Stream;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::transport::server::{Connected, TcpConnectInfo};
use tracing::{debug, warn};

use super::beginning::Beginning;
pub use super::beginning::Patience;
use super::places::{Place, Places};

/// After an error that the next attempt would meet as well, such as too many open files.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub struct BoundedListener {
    socket: TcpListener,
    places: Places,
    patience: Patience,
    pause: Option<Pin<Box<Sleep>>>,
}

impl BoundedListener {
    pub fn new(socket: TcpListener, max: usize, patience: Patience) -> Self {
        Self { socket, places: Places::new(max), patience, pause: None }
    }

    fn poll_connection(&mut self, context: &mut Context<'_>) -> Poll<(Connection<TcpStream>, SocketAddr)> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            match ready!(self.socket.poll_accept(context)) {
                Ok((stream, peer)) => {
                    if let Some(connection) = self.admit(stream, peer.ip()) {
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

    fn admit(&self, stream: TcpStream, peer: IpAddr) -> Option<Connection<TcpStream>> {
        let Patience { name, metrics, .. } = &self.patience;
        let Some((place, was_taken)) = self.places.enter(peer) else {
            metrics.connections().refused(name);
            return None;
        };
        if was_taken {
            metrics.connections().displaced(name);
        }
        if let Err(error) = stream.set_nodelay(true) {
            debug!(listener = name, %error, "a connection without TCP_NODELAY");
        }
        let displaced = Box::pin(place.displaced.clone().cancelled_owned());
        Some(Connection { stream: Beginning::new(stream, &self.patience), displaced, _place: place })
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

/// A connection that gives its place free when it is dropped, and ends when another peer gets it.
#[derive(Debug)]
pub struct Connection<S> {
    stream: Beginning<S>,
    displaced: Pin<Box<WaitForCancellationFutureOwned>>,
    _place: Place,
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
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_pending() && self.displaced.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
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
