//! An application that begins TLS itself: what its sidecar passes on without reading it.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::app::Call;
use crate::pod::Pod;
use crate::trust::ROOTS;

impl Pod {
    /// The status of a call from inside the pod to the port for TLS of this host, whose certificate the system's roots have
    /// to vouch for.
    #[track_caller]
    pub fn call_over_tls(&self, host: &str, call: &Call) -> u16 {
        let made = self.network.inside(|| make(host, call));
        made.unwrap_or_else(|e| panic!("https://{host}: {e}\n{}", self.log()))
    }
}

fn make(host: &str, call: &Call) -> io::Result<u16> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let connection = ClientConnection::new(Arc::new(config()?), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, TcpStream::connect((host, 443))?);
    let (path, body) = (call.url.splitn(4, '/').nth(3).unwrap_or_default(), call.body.to_string());
    let header = |(name, value): &(String, String)| format!("{name}: {value}\r\n");
    let headers = call.headers.iter().map(header).collect::<Vec<_>>().concat();
    write!(
        stream,
        "POST /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n{headers}\r\n{body}",
        body.len()
    )?;
    stream.flush()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::Error::other(format!("no status: {line}")))
}

fn config() -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let all = CertificateDer::pem_file_iter(ROOTS).map_err(io::Error::other)?;
    roots.add_parsable_certificates(all.flatten());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(versions.map_err(io::Error::other)?.with_root_certificates(roots).with_no_client_auth())
}
