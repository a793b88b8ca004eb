//! A listener whose connections are secure, if its configuration says so, around any other listener.
//!
//! `axum::serve` takes it as it is, tonic as a stream of connections ([`SecureListener::into_stream`]). Handshakes run
//! beside each other, so that a slow client holds up nobody, and each has ten seconds. One that fails is counted
//! and closed; it is nothing that the listener stops for.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::serve::Listener;
use rustls::{AlertDescription, CertificateError, Error as RustlsError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::Stream;
use tonic::transport::server::Connected;
use tracing::debug;

use super::beginning::{Beginning, Patience};
use crate::telemetry::tls::HandshakeFailure;
use crate::tls::Certificates;

/// What is spoken on the listener of OTLP/gRPC and on that of OTLP/HTTP, for ALPN.
pub const HTTP2: &[&[u8]] = &[b"h2"];
pub const HTTP1: &[&[u8]] = &[b"http/1.1"];

/// A connection after its handshake, and where it comes from.
type Accepted<L> = (SecureStream<<L as Listener>::Io>, <L as Listener>::Addr);

pub struct SecureListener<L: Listener> {
    inner: L,
    certificates: Option<Arc<Certificates>>,
    patience: Patience,
    handshakes: JoinSet<Option<Accepted<L>>>,
}

impl<L: Listener> std::fmt::Debug for SecureListener<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecureListener").field("name", &self.patience.name).finish_non_exhaustive()
    }
}

impl<L: Listener<Addr: 'static>> SecureListener<L> {
    /// Without certificates connections pass as they are.
    pub fn new(inner: L, certificates: Option<Certificates>, patience: Patience) -> Self {
        Self { inner, certificates: certificates.map(Arc::new), patience, handshakes: JoinSet::new() }
    }

    pub fn into_stream(self) -> impl Stream<Item = io::Result<SecureStream<L::Io>>> {
        futures_util::stream::unfold(self, |mut listener| async {
            let (stream, _) = listener.accept().await;
            Some((Ok(stream), listener))
        })
    }

    fn shake_hands(&mut self, certificates: Arc<Certificates>, stream: L::Io, peer: L::Addr) {
        let patience = self.patience.clone();
        self.handshakes.spawn(async move {
            let handshake = async { TlsAcceptor::from(certificates.current().await).accept(stream).await };
            let outcome = tokio::time::timeout(patience.handshake_timeout, handshake).await;
            let reason = match outcome {
                Ok(Ok(stream)) => {
                    return Some((SecureStream::Tls(Box::new(Beginning::new(stream, &patience))), peer));
                }
                Ok(Err(error)) => {
                    debug!(listener = patience.name, %error, "a handshake failed");
                    reason(&error)
                }
                Err(_) => HandshakeFailure::Timeout,
            };
            patience.metrics.tls().handshake_failed(patience.name, reason);
            None
        });
    }
}

fn reason(error: &io::Error) -> HandshakeFailure {
    let rustls = error.get_ref().and_then(|error| error.downcast_ref::<RustlsError>());
    match rustls {
        Some(RustlsError::NoCertificatesPresented) => HandshakeFailure::NoCertificate,
        Some(RustlsError::InvalidCertificate(CertificateError::ApplicationVerificationFailure)) | None => {
            HandshakeFailure::Other
        }
        Some(RustlsError::InvalidCertificate(_)) => HandshakeFailure::BadCertificate,
        Some(RustlsError::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired,
        )) => HandshakeFailure::Refused,
        Some(_) => HandshakeFailure::Other,
    }
}

impl<L: Listener<Addr: 'static>> Listener for SecureListener<L> {
    type Io = SecureStream<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = done {
                        return connection;
                    }
                }
                (stream, peer) = self.inner.accept() => match &self.certificates {
                    Some(certificates) => self.shake_hands(Arc::clone(certificates), stream, peer),
                    None => return (SecureStream::Plain(stream), peer),
                },
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.inner.local_addr()
    }
}

/// A connection, secure or as it came.
#[derive(Debug)]
pub enum SecureStream<S> {
    Plain(S),
    Tls(Box<Beginning<TlsStream<S>>>),
}

impl<S> Connected for SecureStream<S> {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

/// The same call on whichever it is.
macro_rules! either {
    ($this:expr, $stream:ident => $call:expr) => {
        match $this.get_mut() {
            SecureStream::Plain(inner) => {
                let $stream = Pin::new(inner);
                $call
            }
            SecureStream::Tls(inner) => {
                let $stream = Pin::new(&mut **inner);
                $call
            }
        }
    };
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for SecureStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_read(context, buffer))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for SecureStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_shutdown(context))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write_vectored(context, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
