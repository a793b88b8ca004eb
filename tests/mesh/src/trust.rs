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
pub(crate) const ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// One that everybody in the mesh trusts.
    pub fn start(sandbox: &Sandbox) -> Self {
        let authority = Self::named("meshtap test authority");
        let mut roots = fs::read(ROOTS).unwrap_or_default();
        roots.extend(authority.issuer.pem().into_bytes());
        let roots = sandbox.write("roots.pem", roots);
        mount_over(&roots, Path::new(ROOTS));
        authority
    }

    /// One that nobody trusts.
    pub fn unknown() -> Self {
        Self::named("an authority that nobody knows")
    }

    fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        Self { issuer }
    }

    /// A certificate for these names, with its key.
    pub fn certificate(&self, names: &[&str]) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        as_der(&self.sign(names, |_| ()))
    }

    /// The same, out of date since long ago.
    pub fn expired_certificate(&self, name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        as_der(&self.sign(&[name], |params| {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        }))
    }

    /// The same as programs read it from files.
    pub fn pem(&self, names: &[&str]) -> (String, String) {
        let (certificate, key) = self.sign(names, |_| ());
        (certificate.pem(), key.serialize_pem())
    }

    fn sign(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> (Certificate, KeyPair) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names of hosts");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate, key)
    }
}

fn as_der((certificate, key): &(Certificate, KeyPair)) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    (certificate.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der()).into())
}
