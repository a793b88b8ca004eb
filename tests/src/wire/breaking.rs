//! A proxy with a bound on what it lets through: it breaks the connection over which a longer request comes, as some do
//! instead of answering.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// In front of one server, until the process ends.
pub struct Breaking {
    address: SocketAddr,
    broken: Arc<AtomicUsize>,
}

impl Breaking {
    #[track_caller]
    pub fn start(server: SocketAddr, max_bytes: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let broken = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&broken);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if let Ok(server) = TcpStream::connect(server) {
                    carry(client, server, max_bytes, &count);
                }
            }
        });
        Self { address, broken }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections it has broken.
    pub fn broken(&self) -> usize {
        self.broken.load(Ordering::Relaxed)
    }
}

/// A request ends where its answer begins.
fn carry(client: TcpStream, server: TcpStream, max_bytes: usize, broken: &Arc<AtomicUsize>) {
    let (Ok(to_client), Ok(to_server)) = (client.try_clone(), server.try_clone()) else { return };
    let request = Arc::<AtomicUsize>::default();
    let (so_far, broken) = (Arc::clone(&request), Arc::clone(broken));
    thread::spawn(move || {
        pass(client, to_server, |bytes| {
            let passes = so_far.fetch_add(bytes, Ordering::Relaxed) + bytes <= max_bytes;
            if !passes {
                broken.fetch_add(1, Ordering::Relaxed);
            }
            passes
        });
    });
    thread::spawn(move || {
        pass(server, to_client, |_| {
            request.store(0, Ordering::Relaxed);
            true
        });
    });
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut may_pass: impl FnMut(usize) -> bool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if !may_pass(read) || to.write_all(buffer.get(..read).unwrap_or_default()).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        drop(stream.shutdown(Shutdown::Both));
    }
}
