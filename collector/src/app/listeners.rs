//! The sockets, bound before anything else, so that a port that is taken ends the start.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::open::StartError;
use crate::config::Config;
use crate::receive::intake::Intake;
use crate::receive::listener::{BoundedListener, Patience};
use crate::receive::tls::SecureListener;
use crate::tls::Certificates;

pub(super) struct Listener {
    pub(super) name: &'static str,
    socket: TcpListener,
    pub(super) address: SocketAddr,
}

impl Listener {
    pub(super) fn bounded(self, config: &Config, patience: Patience) -> BoundedListener {
        BoundedListener::new(self.socket, config.receive.max_connections, patience)
    }

    /// Of one that takes spans in.
    pub(super) fn receiving(self, config: &Config, intake: &Intake) -> BoundedListener {
        let patience = self.patience(config, intake);
        self.bounded(config, patience)
    }

    pub(super) fn secure(
        self,
        config: &Config,
        certificates: Option<Certificates>,
        intake: &Intake,
    ) -> SecureListener<BoundedListener> {
        let patience = self.patience(config, intake);
        SecureListener::new(self.bounded(config, patience.clone()), certificates, patience)
    }

    pub(super) fn patience(&self, config: &Config, intake: &Intake) -> Patience {
        Patience {
            name: self.name,
            idle_timeout: config.receive.idle_timeout,
            handshake_timeout: config.receive.handshake_timeout,
            stop: intake.incoming.stopping().clone(),
            metrics: Arc::clone(&intake.metrics),
        }
    }
}

pub(super) struct Listeners {
    pub(super) grpc: Listener,
    pub(super) otlp_http: Listener,
    pub(super) llmtrace: Option<Listener>,
    pub(super) http: Listener,
}

impl Listeners {
    pub(super) async fn bind(config: &Config) -> Result<Self, StartError> {
        Ok(Self {
            grpc: bind("grpc", "receive.grpc.listen", &config.receive.grpc.listen).await?,
            otlp_http: bind("otlp_http", "receive.http.listen", &config.receive.http.listen).await?,
            llmtrace: match &config.receive.llmtrace.listen {
                Some(address) => Some(bind("llmtrace", "receive.llmtrace.listen", address).await?),
                None => None,
            },
            http: bind("http", "http.listen", &config.http.listen).await?,
        })
    }
}

async fn bind(name: &'static str, key: &'static str, address: &str) -> Result<Listener, StartError> {
    let listen_error = |cause| StartError::Listen { key, address: address.to_owned(), cause };
    let socket = TcpListener::bind(address).await.map_err(listen_error)?;
    let address = socket.local_addr().map_err(listen_error)?;
    Ok(Listener { name, socket, address })
}
