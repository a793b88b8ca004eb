//! A certificate authority of the mesh's own, and the system's roots with it in them.
//!
//! The provider's certificates are made on the spot. That sidecars trust them needs no change of a manifest: what stands
//! for the system's roots in the mesh is the machine's own file and this authority's certificate after it.

use std::fs;
use std::path::Path;

use meshtap_tests::sandbox::Sandbox;
use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::network::mount_over;

/// Where Debian, and the images of Istio, keep the roots.
const ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn start(sandbox: &Sandbox) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "meshtap test authority");
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let mut roots = fs::read(ROOTS).unwrap_or_default();
        roots.extend(issuer.pem().into_bytes());
        let roots = sandbox.write("roots.pem", roots);
        mount_over(&roots, Path::new(ROOTS));
        Self { issuer }
    }

    /// A certificate for these names, with its key.
    pub fn certificate(&self, names: &[&str]) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let (certificate, key) = self.sign(names);
        (certificate.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der()).into())
    }

    /// The same as programs read it from files.
    pub fn pem(&self, names: &[&str]) -> (String, String) {
        let (certificate, key) = self.sign(names);
        (certificate.pem(), key.serialize_pem())
    }

    fn sign(&self, names: &[&str]) -> (Certificate, KeyPair) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).expect("names of hosts");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate, key)
    }
}
