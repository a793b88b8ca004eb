//! TLS on the listeners, with real clients.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use meshtap_collector::config::{Config, Metrics as MetricsConfig, Tls, TlsKeys};
use meshtap_collector::receive::listener::Patience;
use meshtap_collector::receive::tls::{HTTP1, SecureListener};
use meshtap_collector::telemetry::metrics::Metrics;
use meshtap_collector::tls::Certificates;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::otlp::{request, span};
use crate::running::Running;

const KEYS: TlsKeys =
    TlsKeys { cert: "cert", key: "key", client_ca: "client_ca", reload_interval: "reload_interval" };

/// Somebody who signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
pub(crate) struct Signed {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn signed(&self, name: &str, purpose: ExtendedKeyUsagePurpose) -> Signed {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages.push(purpose);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap().pem();
        Signed { cert, key: key.serialize_pem() }
    }

    pub(crate) fn server(&self) -> Signed {
        self.signed("localhost", ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn client(&self) -> Signed {
        self.signed("checkout", ExtendedKeyUsagePurpose::ClientAuth)
    }
}

/// A folder of the test's own, with the server's files.
pub(crate) struct Files(PathBuf);

impl Files {
    pub(crate) fn new(test: &str, server: &Signed) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tls-{test}"));
        fs::create_dir_all(&folder).unwrap();
        let files = Self(folder);
        files.replace(server);
        files
    }

    fn replace(&self, server: &Signed) {
        self.write("key.pem", &server.key);
        self.write("cert.pem", &server.cert);
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// They are looked at with every connection.
    pub(crate) fn tls(&self, client_ca: Option<PathBuf>) -> Tls {
        Tls {
            keys: KEYS,
            cert: self.0.join("cert.pem"),
            key: self.0.join("key.pem"),
            client_ca,
            reload_interval: Duration::ZERO,
        }
    }
}

async fn running(tls: Tls) -> Running {
    Running::with(|config: &mut Config| config.receive.grpc.tls = Some(tls)).await
}

fn trusting(authority: &Authority) -> ClientTlsConfig {
    ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority.pem())).domain_name("localhost")
}

fn showing(client: &Signed) -> Identity {
    Identity::from_pem(&client.cert, &client.key)
}

/// Whether a span gets through. In TLS 1.3 a client learns that it is not let in only when it reads.
async fn sends(collector: &Running, tls: ClientTlsConfig) -> bool {
    let endpoint = Endpoint::from_shared(format!("https://{}", collector.grpc())).unwrap();
    let Ok(channel) = endpoint.tls_config(tls).unwrap().connect().await else { return false };
    TraceServiceClient::new(channel).export(request(vec![span(1)])).await.is_ok()
}

/// Waits until so many handshakes have failed for that reason.
async fn failed(collector: &Running, reason: &str, times: f64) {
    let sample = format!("meshtap_tls_handshakes_failed_total{{listener=\"grpc\",reason=\"{reason}\"}}");
    while collector.metric(&sample).await != Some(times) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_that_trusts_the_certificate_gets_through() {
    let authority = Authority::new("ours");
    let collector = running(Files::new("trusted", &authority.server()).tls(None)).await;
    assert!(sends(&collector, trusting(&authority)).await);
    collector.drained().await;
    let (_, page) = collector.json("/api/v1/spans").await;
    assert_eq!(page["spans"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn others_do_not() {
    let authority = Authority::new("ours");
    let collector = running(Files::new("others", &authority.server()).tls(None)).await;
    assert!(!sends(&collector, trusting(&Authority::new("theirs"))).await);
    failed(&collector, "refused", 1.0).await;

    let mut clear = TcpStream::connect(collector.grpc()).await.unwrap();
    clear.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    failed(&collector, "other", 1.0).await;
    assert!(sends(&collector, trusting(&authority)).await, "the listener goes on");
}

#[tokio::test]
async fn who_says_nothing_holds_up_nobody() {
    let authority = Authority::new("ours");
    let collector = running(Files::new("silent", &authority.server()).tls(None)).await;
    let silent = TcpStream::connect(collector.grpc()).await.unwrap();
    assert!(sends(&collector, trusting(&authority)).await);
    drop(silent);
    failed(&collector, "other", 1.0).await;
}

#[tokio::test]
async fn with_a_client_ca_only_its_clients_get_through() {
    let (authority, clients) = (Authority::new("ours"), Authority::new("clients"));
    let files = Files::new("mutual", &authority.server());
    let client_ca = files.write("client_ca.pem", &clients.pem());
    let collector = running(files.tls(Some(client_ca))).await;

    assert!(!sends(&collector, trusting(&authority)).await);
    failed(&collector, "no_certificate", 1.0).await;
    let foreign = Authority::new("foreign").client();
    assert!(!sends(&collector, trusting(&authority).identity(showing(&foreign))).await);
    failed(&collector, "bad_certificate", 1.0).await;
    let server = clients.server();
    assert!(!sends(&collector, trusting(&authority).identity(showing(&server))).await, "not for clients");
    failed(&collector, "bad_certificate", 2.0).await;
    assert!(sends(&collector, trusting(&authority).identity(showing(&clients.client()))).await);
}

#[tokio::test]
async fn certificates_are_changed_without_a_restart() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let files = Files::new("changed", &old.server());
    let collector = running(files.tls(None)).await;
    assert!(sends(&collector, trusting(&old)).await);

    files.replace(&new.server());
    assert!(sends(&collector, trusting(&new)).await);
    assert_eq!(collector.metric("meshtap_tls_reloads_total{outcome=\"ok\"}").await, Some(1.0));

    files.write("cert.pem", "half a certifi");
    assert!(sends(&collector, trusting(&new)).await, "the old ones stay in force");
    let errors = collector.metric("meshtap_tls_reloads_total{outcome=\"error\"}").await;
    assert_eq!(errors, Some(1.0));

    files.replace(&old.server());
    assert!(sends(&collector, trusting(&old)).await);
}

/// A connection with the handshake done.
async fn secured(address: SocketAddr, authority: &Authority) -> TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(client)).connect(name, stream).await.unwrap()
}

#[tokio::test]
async fn a_handshake_has_a_time() {
    let files = Files::new("no-handshake", &Authority::new("ours").server());
    let collector = Running::with(|config| {
        config.receive.grpc.tls = Some(files.tls(None));
        config.receive.handshake_timeout = Duration::from_millis(300);
    })
    .await;
    let mut stream = TcpStream::connect(collector.grpc()).await.unwrap();
    let closed = tokio::time::timeout(Duration::from_mins(1), stream.read_to_end(&mut Vec::new())).await;
    drop(closed.expect("it is closed"));
    failed(&collector, "timeout", 1.0).await;
}

/// The handshake is no beginning: what HTTP/2 starts with has to come too.
#[tokio::test]
async fn a_connection_that_says_nothing_after_its_handshake_is_closed() {
    let authority = Authority::new("ours");
    let files = Files::new("nothing-more", &authority.server());
    let collector = Running::with(|config| {
        config.receive.grpc.tls = Some(files.tls(None));
        config.receive.idle_timeout = Duration::from_millis(300);
    })
    .await;
    for (connections, said) in [(1.0, &b""[..]), (2.0, b"PRI * HTTP/2")] {
        let mut stream = secured(collector.grpc(), &authority).await;
        stream.write_all(said).await.unwrap();
        // Its own beginning, and then nothing more.
        let closed = tokio::time::timeout(Duration::from_mins(1), stream.read_to_end(&mut Vec::new())).await;
        drop(closed.expect("it is closed"));
        let sample = "meshtap_connections_timed_out_total{listener=\"grpc\"}";
        collector.until(sample, connections).await;
    }
    assert!(sends(&collector, trusting(&authority)).await);
}

/// As the listener of OTLP/HTTP is served.
#[tokio::test]
async fn axum_is_served_over_it() {
    let authority = Authority::new("ours");
    let files = Files::new("http", &authority.server());
    let metrics = MetricsConfig { max_label_values: 10, max_label_combinations: 10 };
    let metrics = Arc::new(Metrics::new(&metrics));
    let certificates = Certificates::load(files.tls(None), HTTP1, Arc::clone(&metrics)).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let stop = CancellationToken::new();
    let patience = Patience {
        name: "otlp_http",
        idle_timeout: Duration::from_mins(1),
        handshake_timeout: Duration::from_mins(1),
        stop,
        metrics,
    };
    let listener = SecureListener::new(socket, Some(certificates), patience);
    let routes = Router::new().route("/", get(|| async { "secure" }));
    let server = tokio::spawn(async move { axum::serve(listener, routes).await });

    let mut stream = secured(address, &authority).await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // The server closes without a notice of it.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("secure"), "{answer}");
    server.abort();
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let authority = Authority::new("ours");
    let check = |test: &str, server: &Signed, client_ca: Option<&str>, expected: &str| {
        let files = Files::new(test, server);
        let client_ca = client_ca.map(|text| files.write("client_ca.pem", text));
        let error = meshtap_collector::tls::check(&files.tls(client_ca)).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    };
    let good = authority.server();
    let signed = |cert: &str, key: &str| Signed { cert: cert.to_owned(), key: key.to_owned() };
    check("empty", &signed("", &good.key), None, "cert: holds no certificate; ");
    check("keyless", &signed(&good.cert, ""), None, "key: holds no private key: ");
    let stranger = authority.server().key;
    check("mixed", &signed(&good.cert, &stranger), None, "cert: cannot be used with key: ");
    check("client-ca", &good, Some(""), "client_ca: holds no certificate; ");
    let missing = Tls { cert: PathBuf::from("/nowhere/cert.pem"), ..Files::new("missing", &good).tls(None) };
    let error = meshtap_collector::tls::check(&missing).unwrap_err().to_string();
    assert!(error.starts_with("cert: cannot read /nowhere/cert.pem: "), "{error}");
}
