//! The outside world: the stand-in for a provider behind TLS, at the address and under the names that the real ones
//! have here.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

use meshtap_tests::standin::Standin;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio_rustls::TlsAcceptor;

use crate::network::{Network, PROVIDER};
use crate::trust::Authority;

/// The name that the examples use.
pub const OPENAI: &str = "api.openai.com";

/// One with a region in its name.
pub const BEDROCK: &str = "bedrock-mantle.us-east-1.api.aws";
/// One that only a wildcard covers.
pub const OPENAI_EU: &str = "eu.api.openai.com";

/// One whose wildcard covers a part of a label.
pub const VERTEX: &str = "us-central1-aiplatform.googleapis.com";

/// Under which names it answers.
pub const PROVIDER_HOSTS: [&str; 4] = [OPENAI, OPENAI_EU, BEDROCK, VERTEX];

/// One that no connection leads to, under a wildcard and under a name of its own.
pub const OPENAI_AWAY: &str = "us.api.openai.com";
pub const TOGETHER_AWAY: &str = "api.together.xyz";
const AWAY: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 30);

/// What is wrong with a provider's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    Expired,
    OtherName,
    /// The same, of a host that only a wildcard covers.
    OtherNameBehindWildcard,
    UnknownAuthority,
}

/// Providers with such certificates, each at an address of its own.
pub const FLAWED: [(Flaw, &str, Ipv4Addr); 4] = [
    (Flaw::Expired, "api.deepseek.com", Ipv4Addr::new(203, 0, 113, 11)),
    (Flaw::OtherName, "api.mistral.ai", Ipv4Addr::new(203, 0, 113, 12)),
    (Flaw::OtherNameBehindWildcard, "au.api.openai.com", Ipv4Addr::new(203, 0, 113, 14)),
    (Flaw::UnknownAuthority, "api.cerebras.ai", Ipv4Addr::new(203, 0, 113, 13)),
];

/// Runs as long as the program.
pub struct Provider {
    pub standin: Standin,
}

impl Provider {
    pub fn start(network: &Network, authority: &Authority, names: &[&str]) -> Self {
        let standin = Standin::start();
        for name in names {
            network.name(name, PROVIDER.into());
        }
        serve_tls((PROVIDER, 443).into(), standin.address(), server(authority.certificate(names)));
        for (flaw, name, address) in FLAWED {
            Network::outside(address);
            network.name(name, address.into());
            let certificate = match flaw {
                Flaw::Expired => authority.expired_certificate(name),
                Flaw::OtherName | Flaw::OtherNameBehindWildcard => {
                    authority.certificate(&["www.example.com"])
                }
                Flaw::UnknownAuthority => Authority::unknown().certificate(&[name]),
            };
            serve_tls((address, 443).into(), standin.address(), server(certificate));
        }
        Network::outside(AWAY);
        for name in [OPENAI_AWAY, TOGETHER_AWAY] {
            network.name(name, AWAY.into());
        }
        Self { standin }
    }
}

fn server((certificate, key): (CertificateDer<'static>, PrivateKeyDer<'static>)) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate with its key")
}

fn serve_tls(address: SocketAddr, behind: SocketAddr, config: ServerConfig) {
    let (listening, started) = channel();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = TcpListener::bind(address).await.expect("the provider's own address");
            let _ = listening.send(());
            let acceptor = TlsAcceptor::from(Arc::new(config));
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(forward(acceptor.clone(), stream, behind));
            }
        });
    });
    started.recv().expect("the provider listens");
}

async fn forward(acceptor: TlsAcceptor, stream: TcpStream, behind: SocketAddr) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut plain = TcpStream::connect(behind).await?;
    plain.set_nodelay(true)?;
    copy_bidirectional(&mut stream, &mut plain).await?;
    Ok(())
}
