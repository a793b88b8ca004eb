//! A store behind https whose certificate nobody but us trusts. What answers there is no ClickHouse: this is about who is
//! spoken to, and the store's own tests are about what is said.

use std::sync::Arc;

use meshtap_collector::config::{self, Retention};
use meshtap_collector::store::clickhouse::ClickHouseStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::tls::{Authority, Files, Signed};

/// Answers every request with nothing, and tells its first line.
async fn server(signed: &Signed) -> (u16, mpsc::Receiver<String>) {
    let chain = vec![CertificateDer::from_pem_slice(signed.cert.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(signed.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (requests, inbox) = mpsc::channel(100);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let Ok(mut connection) = acceptor.accept(connection).await else { continue };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = connection.read_u8().await else { break };
                head.push(byte);
            }
            let head = String::from_utf8(head).unwrap();
            let _ = requests.try_send(head.lines().next().unwrap_or_default().to_owned());
            let answer =
                b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            drop(connection.write_all(answer).await);
            drop(connection.shutdown().await);
        }
    });
    (port, inbox)
}

fn settings(port: u16, ca: Option<std::path::PathBuf>) -> config::ClickHouse {
    config::ClickHouse { url: format!("https://localhost:{port}"), ca, ..config::ClickHouse::default() }
}

#[tokio::test]
async fn a_server_is_trusted_by_the_authority_that_is_named() {
    let authority = Authority::new("ours");
    let signed = authority.server();
    let files = Files::new("clickhouse", &signed);
    let ours = files.write("ca.pem", &authority.pem());
    let (port, mut requests) = server(&signed).await;
    let open = async |ca| ClickHouseStore::open(&settings(port, ca), Retention::default()).await.map(drop);
    let refused = open(Some(ours)).await.unwrap_err();
    let request = requests.recv().await.unwrap();
    assert!(request.starts_with("POST /?"), "{request}");
    assert!(refused.chain().contains("503"), "{}", refused.chain());
    while requests.try_recv().is_ok() {}

    let others = files.write("others.pem", &Authority::new("others").pem());
    for ca in [Some(others), None] {
        let error = open(ca).await.unwrap_err();
        assert!(error.is_transient() && error.chain().contains("certificate"), "{}", error.chain());
    }
    assert!(requests.try_recv().is_err(), "nothing is said to one that is not trusted");
}

#[tokio::test]
async fn a_file_that_is_no_certificate_is_refused() {
    let authority = Authority::new("ours");
    let files = Files::new("clickhouse-none", &authority.server());
    let none = files.write("none.pem", "no certificate");
    let error = ClickHouseStore::open(&settings(1, Some(none)), Retention::default()).await.map(drop);
    let error = error.unwrap_err();
    assert!(!error.is_transient() && error.to_string().starts_with("store.clickhouse.ca: "), "{error}");
}
