//! The metrics of listeners with TLS.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HandshakeLabels {
    listener: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    outcome: &'static str,
}

/// Why a handshake came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeFailure {
    /// The client showed no certificate where one is asked for.
    NoCertificate,
    /// The client's certificate is of nobody that is trusted, or not valid now.
    BadCertificate,
    /// The client does not trust ours, and says so.
    Refused,
    /// It did not end in time.
    Timeout,
    /// Not TLS, not one that is spoken here, or broken off.
    Other,
}

impl HandshakeFailure {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoCertificate => "no_certificate",
            Self::BadCertificate => "bad_certificate",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Other => "other",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    Ok,
    Error,
}

#[derive(Debug)]
pub struct TlsMetrics {
    handshakes_failed: Family<HandshakeLabels, Counter>,
    reloads: Family<ReloadLabels, Counter>,
}

impl TlsMetrics {
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self { handshakes_failed: Family::default(), reloads: Family::default() };
        registry.register(
            "meshtap_tls_handshakes_failed",
            "Connections that were closed before they were secure, by listener and reason",
            metrics.handshakes_failed.clone(),
        );
        registry.register(
            "meshtap_tls_reloads",
            "Changed certificates that were read again, by whether they could be used",
            metrics.reloads.clone(),
        );
        metrics
    }

    pub fn handshake_failed(&self, listener: &'static str, reason: HandshakeFailure) {
        let labels = HandshakeLabels { listener, reason: reason.as_str() };
        self.handshakes_failed.get_or_create(&labels).inc();
    }

    pub fn reloaded(&self, outcome: Reload) {
        let outcome = match outcome {
            Reload::Ok => "ok",
            Reload::Error => "error",
        };
        self.reloads.get_or_create(&ReloadLabels { outcome }).inc();
    }
}
