//! The settings of TLS on a listener: off without a certificate.

use std::path::PathBuf;
use std::time::Duration;

use super::mistakes::Mistakes;
use super::read::Reader;
use crate::tls;

#[derive(Clone, Debug, PartialEq)]
pub struct Tls {
    /// Under which names the files were configured.
    pub keys: TlsKeys,
    /// The certificate chain, the server's own first; PEM.
    pub cert: PathBuf,
    /// Its private key; PEM.
    pub key: PathBuf,
    /// Who signs the certificates that clients must show; `None` asks them for none.
    pub client_ca: Option<PathBuf>,
    /// How often the files are looked at, at most.
    pub reload_interval: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsKeys {
    pub cert: &'static str,
    pub key: &'static str,
    pub client_ca: &'static str,
    pub reload_interval: &'static str,
}

pub(super) const GRPC: TlsKeys = TlsKeys {
    cert: "receive.grpc.tls.cert",
    key: "receive.grpc.tls.key",
    client_ca: "receive.grpc.tls.client_ca",
    reload_interval: "receive.grpc.tls.reload_interval",
};

pub(super) const HTTP: TlsKeys = TlsKeys {
    cert: "receive.http.tls.cert",
    key: "receive.http.tls.key",
    client_ca: "receive.http.tls.client_ca",
    reload_interval: "receive.http.tls.reload_interval",
};

/// `None` where no file is named. Files that do not go together are mistakes.
pub(super) fn read(reader: &mut Reader, keys: TlsKeys) -> Option<Tls> {
    let mut path = |key| Some(reader.text(key, "")).filter(|path| !path.is_empty()).map(PathBuf::from);
    let (cert, key, client_ca) = (path(keys.cert), path(keys.key), path(keys.client_ca));
    let reload_interval = reader.duration(keys.reload_interval, "30s");
    match (cert, key) {
        (Some(cert), Some(key)) => Some(Tls { keys, cert, key, client_ca, reload_interval }),
        (None, None) => {
            if client_ca.is_some() {
                missing(&mut reader.mistakes, keys.client_ca, keys.cert);
            }
            None
        }
        (Some(_), None) => {
            missing(&mut reader.mistakes, keys.cert, keys.key);
            None
        }
        (None, Some(_)) => {
            missing(&mut reader.mistakes, keys.key, keys.cert);
            None
        }
    }
}

fn missing(mistakes: &mut Mistakes, there: &str, missing: &str) {
    mistakes.add(there, format!("is set, and {missing} is not"), format!("set {missing} too, or neither"));
}

/// Whether the files can be used.
pub(super) fn check(tls: Option<&Tls>, mistakes: &mut Mistakes) {
    if let Some(Err(error)) = tls.map(tls::check) {
        mistakes.add(&error.key, error.problem, error.fix);
    }
}
