//! Certificates of a listener, from PEM files, and again from them when they change.
//!
//! TLS 1.2 and 1.3, by rustls with ring. With a `client_ca` only peers are let in that show a certificate of it; who they
//! are beyond that is not looked at. Files are compared by what is in them, at most every `reload_interval` and only
//! when a connection comes in; files that are wrong then leave the old certificates in force.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::sync::Mutex;
use tracing::{info, warn};

use crate::config::Tls;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::tls::Reload;

/// What is wrong with one of the files, after the key that names it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}; {fix}")]
pub struct TlsError {
    pub key: String,
    pub problem: String,
    pub fix: &'static str,
}

/// The files as they were read.
#[derive(Clone, PartialEq, Eq)]
struct Files {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Files {
    fn read(tls: &Tls) -> Result<Self, TlsError> {
        let client_ca = tls.client_ca.as_deref().map(|path| read(tls.keys.client_ca, path)).transpose()?;
        Ok(Self { cert: read(tls.keys.cert, &tls.cert)?, key: read(tls.keys.key, &tls.key)?, client_ca })
    }
}

pub(crate) fn read(key: &str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError {
        key: key.to_owned(),
        problem: format!("cannot read {}: {error}", path.display()),
        fix: "name a PEM file that meshtap may read",
    })
}

/// Reads the files and puts them together, or says which of them is wrong.
pub fn check(tls: &Tls) -> Result<(), TlsError> {
    server_config(tls, &Files::read(tls)?, &[]).map(drop)
}

fn server_config(tls: &Tls, files: &Files, protocols: &[&[u8]]) -> Result<ServerConfig, TlsError> {
    let chain = certificates(tls.keys.cert, &files.cert)?;
    let key = private_key(tls.keys.key, &files.key)?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| not_usable(tls, &error))?;
    let builder = match &files.client_ca {
        Some(ca) => builder.with_client_cert_verifier(verifier(tls, ca)?),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| not_usable(tls, &error))?;
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

pub(crate) fn private_key(key: &str, pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| TlsError {
        key: key.to_owned(),
        problem: format!("holds no private key: {error}"),
        fix: "name a PEM file with one unencrypted key",
    })
}

pub(crate) fn certificates(key: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |problem| TlsError { key: key.to_owned(), problem, fix: "name a PEM file with certificates" };
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = read.map_err(|error| wrong(format!("is not PEM: {error}")))?;
    if certificates.is_empty() { Err(wrong("holds no certificate".to_owned())) } else { Ok(certificates) }
}

fn verifier(tls: &Tls, pem: &[u8]) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let wrong = |problem: String| TlsError {
        key: tls.keys.client_ca.to_owned(),
        problem,
        fix: "name a PEM file with the certificates of those who sign clients' certificates",
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(tls.keys.client_ca, pem)? {
        roots
            .add(certificate)
            .map_err(|error| wrong(format!("holds a certificate that is none: {error}")))?;
    }
    WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::new(ring::default_provider()))
        .build()
        .map_err(|error| wrong(format!("cannot be used: {error}")))
}

fn not_usable(tls: &Tls, error: &rustls::Error) -> TlsError {
    TlsError {
        key: tls.keys.cert.to_owned(),
        problem: format!("cannot be used with {}: {error}", tls.keys.key),
        fix: "name a certificate chain, the server's own first, and its key",
    }
}

/// The certificates in force.
pub struct Certificates {
    tls: Tls,
    protocols: &'static [&'static [u8]],
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

struct State {
    files: Files,
    config: Arc<ServerConfig>,
    looked_at: Instant,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").field("tls", &self.tls).finish_non_exhaustive()
    }
}

impl Certificates {
    /// `protocols` are offered by ALPN, best first.
    pub fn load(
        tls: Tls,
        protocols: &'static [&'static [u8]],
        metrics: Arc<Metrics>,
    ) -> Result<Self, TlsError> {
        let files = Files::read(&tls)?;
        let config = Arc::new(server_config(&tls, &files, protocols)?);
        let state = Mutex::new(State { files, config, looked_at: Instant::now() });
        Ok(Self { tls, protocols, metrics, state })
    }

    /// What a connection that comes now is to be met with.
    pub async fn current(&self) -> Arc<ServerConfig> {
        let mut state = self.state.lock().await;
        if state.looked_at.elapsed() >= self.tls.reload_interval {
            state.looked_at = Instant::now();
            self.reload(&mut state).await;
        }
        Arc::clone(&state.config)
    }

    async fn reload(&self, state: &mut State) {
        let tls = self.tls.clone();
        let Ok(read) = tokio::task::spawn_blocking(move || Files::read(&tls)).await else { return };
        let outcome = match read {
            Ok(files) if files == state.files => return,
            Ok(files) => server_config(&self.tls, &files, self.protocols).map(|config| (files, config)),
            Err(error) => Err(error),
        };
        match outcome {
            Ok((files, config)) => {
                info!(cert = %self.tls.cert.display(), "new certificates are in force");
                state.files = files;
                state.config = Arc::new(config);
                self.metrics.tls().reloaded(Reload::Ok);
            }
            Err(error) => {
                warn!(%error, "new certificates cannot be used; the old ones stay in force");
                self.metrics.tls().reloaded(Reload::Error);
            }
        }
    }
}
