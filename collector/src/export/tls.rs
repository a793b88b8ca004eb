//! Secure connections to a backend: TLS 1.2 and 1.3, by rustls with ring, from PEM files.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::config::ClientTls;
use crate::tls::{TlsError, certificates, private_key, read};

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

pub(crate) fn config(tls: &ClientTls) -> Result<ClientConfig, TlsError> {
    let unusable = |error: &rustls::Error| TlsError {
        key: tls.section.clone(),
        problem: format!("cannot be used: {error}"),
        fix: "name a certificate chain, our own first, and its key",
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .with_root_certificates(roots(tls)?);
    match identity(tls)? {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|error| unusable(&error)),
        None => Ok(builder.with_no_client_auth()),
    }
}

fn roots(tls: &ClientTls) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = &tls.ca else {
        // One that cannot be read is missing; a backend that needs it is not connected to, and that is said.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    let key = format!("{}.ca", tls.section);
    for certificate in certificates(&key, &read(&key, path)?)? {
        roots.add(certificate).map_err(|error| TlsError {
            key: key.clone(),
            problem: format!("holds a certificate that is none: {error}"),
            fix: "name a PEM file with the certificates of those who sign the backend's certificate",
        })?;
    }
    Ok(roots)
}

fn identity(tls: &ClientTls) -> Result<Option<Identity>, TlsError> {
    let key_of = |last: &str| format!("{}.{last}", tls.section);
    let missing = |last: &str, other: &str| TlsError {
        key: key_of(last),
        problem: format!("is missing beside {}", key_of(other)),
        fix: "set both, or neither",
    };
    let load = |cert: &Path, key: &Path| {
        let (cert_key, key_key) = (key_of("cert"), key_of("key"));
        let chain = certificates(&cert_key, &read(&cert_key, cert)?)?;
        Ok((chain, private_key(&key_key, &read(&key_key, key)?)?))
    };
    match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => load(cert, key).map(Some),
        (None, None) => Ok(None),
        (Some(_), None) => Err(missing("key", "cert")),
        (None, Some(_)) => Err(missing("cert", "key")),
    }
}
