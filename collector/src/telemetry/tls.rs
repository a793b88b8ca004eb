//! The metrics of listeners with TLS.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::metrics::reasons;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HandshakeLabels {
    listener: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    outcome: &'static str,
}

reasons! {
    /// Why a handshake came to nothing.
    HandshakeFailure {
        // The client showed no certificate where one is asked for.
        NoCertificate = "no_certificate",
        // The client's certificate is of nobody that is trusted, or not valid now.
        BadCertificate = "bad_certificate",
        // The client does not trust ours, and says so.
        Refused = "refused",
        // It did not end in time.
        Timeout = "timeout",
        // Not TLS, not one that is spoken here, or broken off.
        Other = "other",
    }
}

reasons! {
    /// What became of files that have changed.
    Reload { Ok = "ok", Error = "error" }
}

/// Listeners that may have TLS.
const SECURE: [&str; 2] = ["grpc", "otlp_http"];

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
        metrics.show_all();
        metrics
    }

    /// From the start, so that an alert need not wait for the first one.
    fn show_all(&self) {
        for outcome in Reload::ALL {
            drop(self.reloads.get_or_create(&ReloadLabels { outcome: outcome.as_str() }));
        }
        for reason in HandshakeFailure::ALL {
            for listener in SECURE {
                let labels = HandshakeLabels { listener, reason: reason.as_str() };
                drop(self.handshakes_failed.get_or_create(&labels));
            }
        }
    }

    pub fn handshake_failed(&self, listener: &'static str, reason: HandshakeFailure) {
        let labels = HandshakeLabels { listener, reason: reason.as_str() };
        self.handshakes_failed.get_or_create(&labels).inc();
    }

    pub fn reloaded(&self, outcome: Reload) {
        self.reloads.get_or_create(&ReloadLabels { outcome: outcome.as_str() }).inc();
    }
}
