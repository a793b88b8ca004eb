//! The client of one backend, with its connections, and another one when its PEM files have changed.
//!
//! Files are compared by what is in them, at most every `tls.reload_interval` and only when a request goes out; files that
//! are wrong then leave the old client in place. Requests that are under way keep theirs.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{info, warn};

use super::tls;
use crate::config::{self, ClientTls, Protocol};
use crate::tls::TlsError;

/// Dead connections are noticed by it.
const KEEPALIVE: Duration = Duration::from_secs(30);

pub(super) type Client = hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

#[derive(Debug)]
pub(super) struct Clients {
    protocol: Protocol,
    timeout: Duration,
    tls: ClientTls,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    client: Client,
    files: Files,
    looked_at: Instant,
}

/// What is in the files, those that are configured and can be read.
type Files = Vec<Option<Vec<u8>>>;

impl Clients {
    pub(super) fn new(settings: &config::Exporter) -> Result<Self, TlsError> {
        let config::Exporter { protocol, timeout, tls, .. } = settings.clone();
        let files = read(&paths(&tls));
        let client = client(protocol, timeout, tls::config(&tls)?);
        let state = Mutex::new(State { client, files, looked_at: Instant::now() });
        Ok(Self { protocol, timeout, tls, state })
    }

    /// For a request that goes out now.
    pub(super) async fn current(&self) -> Client {
        let mut state = self.state.lock().await;
        let paths = paths(&self.tls);
        if !paths.is_empty() && state.looked_at.elapsed() >= self.tls.reload_interval {
            state.looked_at = Instant::now();
            self.reload(&mut state, paths).await;
        }
        state.client.clone()
    }

    async fn reload(&self, state: &mut State, paths: Vec<PathBuf>) {
        let Ok(files) = tokio::task::spawn_blocking(move || read(&paths)).await else { return };
        if files == state.files {
            return;
        }
        let tls = self.tls.clone();
        let Ok(config) = tokio::task::spawn_blocking(move || tls::config(&tls)).await else { return };
        let section = &self.tls.section;
        match config {
            Ok(config) => {
                info!(section, "new certificates are in force");
                state.client = client(self.protocol, self.timeout, config);
                state.files = files;
            }
            Err(error) => {
                warn!(section, %error, "new certificates cannot be used; the old ones stay in force");
            }
        }
    }
}

fn paths(tls: &ClientTls) -> Vec<PathBuf> {
    [&tls.ca, &tls.cert, &tls.key].into_iter().flatten().cloned().collect()
}

fn read(paths: &[PathBuf]) -> Files {
    paths.iter().map(|path| std::fs::read(path).ok()).collect()
}

fn client(protocol: Protocol, timeout: Duration, tls: ClientConfig) -> Client {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_keepalive(Some(KEEPALIVE));
    connector.set_connect_timeout(Some(timeout));
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    let mut client = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
    client.timer(TokioTimer::new()).pool_timer(TokioTimer::new());
    match protocol {
        Protocol::Grpc => {
            client.http2_only(true).http2_keep_alive_interval(KEEPALIVE).http2_adaptive_window(true);
            client.build(builder.enable_http2().wrap_connector(connector))
        }
        Protocol::HttpProtobuf => client.build(builder.enable_http1().wrap_connector(connector)),
    }
}
