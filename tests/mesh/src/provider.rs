//! The outside world: the stand-in for a provider behind TLS, at the address and under the names that the real ones
//! have here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

use meshtap_tests::standin::Standin;
use rustls::ServerConfig;
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

/// Under which names it answers.
pub const PROVIDER_HOSTS: [&str; 3] = [OPENAI, OPENAI_EU, BEDROCK];

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
        let (certificate, key) = authority.certificate(names);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a certificate with its key");
        serve_tls((PROVIDER, 443).into(), standin.address(), config);
        Self { standin }
    }
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
