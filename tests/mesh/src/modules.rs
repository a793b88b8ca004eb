//! A server of modules that behaves as badly as it is told to, at an address of the node.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::network::{BLACK_HOLE, NODE};

/// Where it listens, and a port beside it where nobody does.
const PORT: u16 = 9090;
const CLOSED_PORT: u16 = 9091;

/// A module by its place and its digest, as a manifest names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    pub url: String,
    pub sha256: String,
}

impl Module {
    /// The digest of other bytes than those that are served.
    #[must_use]
    pub fn with_wrong_digest(mut self) -> Self {
        self.sha256 = "0123456789abcdef".repeat(4);
        self
    }

    /// At an address where connections are refused.
    #[must_use]
    pub fn refused(self) -> Self {
        self.at(SocketAddr::from((NODE, CLOSED_PORT)))
    }

    /// At an address that drops packets.
    #[must_use]
    pub fn dropped(self) -> Self {
        self.at(SocketAddr::from((BLACK_HOLE, PORT)))
    }

    fn at(mut self, address: SocketAddr) -> Self {
        let path = self.url.splitn(4, '/').nth(3).unwrap_or_default();
        self.url = format!("http://{address}/{path}");
        self
    }
}

struct Served {
    bytes: Vec<u8>,
    delay: Duration,
    asked: usize,
    sent: usize,
}

/// Runs as long as the program.
#[derive(Clone)]
pub struct Modules {
    served: Arc<Mutex<BTreeMap<String, Served>>>,
}

impl Modules {
    pub fn start() -> Self {
        let modules = Self { served: Arc::default() };
        let listener = TcpListener::bind((NODE, PORT)).expect("the node's address");
        let server = modules.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                thread::spawn(move || server.answer(stream));
            }
        });
        modules
    }

    /// Serves these bytes under a name of their own.
    pub fn serve(&self, name: &str, bytes: &[u8]) -> Module {
        self.serve_slowly(name, bytes, Duration::ZERO)
    }

    /// The same, each answer after a while.
    pub fn serve_slowly(&self, name: &str, bytes: &[u8], delay: Duration) -> Module {
        let served = Served { bytes: bytes.to_vec(), delay, asked: 0, sent: 0 };
        self.lock().insert(name.to_owned(), served);
        Module { url: format!("http://{NODE}:{PORT}/{name}"), sha256: sha256(bytes) }
    }

    /// How often it was asked for.
    pub fn asked(&self, name: &str) -> usize {
        self.lock().get(name).map_or(0, |served| served.asked)
    }

    /// How often it was sent, the answers under way included.
    pub fn sent(&self, name: &str) -> usize {
        self.lock().get(name).map_or(0, |served| served.sent)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Served>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A name under which nothing is.
    pub fn missing(&self) -> Module {
        Module { url: format!("http://{NODE}:{PORT}/missing.wasm"), sha256: sha256(b"") }
    }

    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut request = String::new();
        BufReader::new(stream.try_clone()?).read_line(&mut request)?;
        let name = request.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
        let found = self.lock().get_mut(&name).map(|served| {
            served.asked += 1;
            (served.bytes.clone(), served.delay)
        });
        let Some((bytes, delay)) = found else {
            return stream
                .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        };
        thread::sleep(delay);
        if let Some(served) = self.lock().get_mut(&name) {
            served.sent += 1;
        }
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", bytes.len());
        stream.write_all(head.as_bytes())?;
        stream.write_all(&bytes)
    }
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
