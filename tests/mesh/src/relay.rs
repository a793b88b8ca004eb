//! Lets who sits at the machine into the mesh: ports on the machine's own loopback lead to addresses in there.
//!
//! The outer program listens, the inner one connects, and a Unix socket in the mesh's folder joins them: sockets of files
//! are the same in all network namespaces.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;

use crate::pod::Pod;

/// Tells the inner program which ports the outer one listens on: `NAME=PORT,…`.
pub const PORTS: &str = "MESHTAP_MESH_PORTS";

/// Outside: listens on a free port for each name, and says which.
pub fn listen(folder: &Path, names: &[&str]) -> io::Result<String> {
    let mut ports = Vec::new();
    for name in names {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        ports.push(format!("{name}={}", listener.local_addr()?.port()));
        let socket = socket(folder, name);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let socket = socket.clone();
                thread::spawn(move || join(stream, UnixStream::connect(socket)?));
            }
        });
    }
    Ok(ports.join(","))
}

/// Inside: the port outside of this name.
pub fn port(name: &str) -> Option<u16> {
    let ports = std::env::var(PORTS).ok()?;
    let mut ports = ports.split(',').filter_map(|pair| pair.split_once('='));
    ports.find(|(known, _)| *known == name)?.1.parse().ok()
}

/// Inside: leads a name to an address, as the node or a pod sees it.
pub fn lead(folder: &Path, name: &str, to: SocketAddr, from: Option<&Pod>) -> io::Result<()> {
    let listener = UnixListener::bind(socket(folder, name))?;
    let serve = move || {
        // Threads of a pod's network stay in it.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || join(TcpStream::connect(to)?, stream));
            }
        });
    };
    match from {
        Some(pod) => pod.network.inside(serve),
        None => serve(),
    }
    Ok(())
}

fn socket(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.socket"))
}

/// Both directions, each until its end.
pub(crate) fn join(one: impl Connection, other: impl Connection) -> io::Result<()> {
    let (mut from_one, mut to_other) = (one.twin()?, other.twin()?);
    let (mut from_other, mut to_one) = (other, one);
    let forth = thread::spawn(move || {
        let copied = io::copy(&mut from_one, &mut to_other);
        to_other.end().and(copied.map(drop))
    });
    io::copy(&mut from_other, &mut to_one)?;
    to_one.end()?;
    forth.join().unwrap_or(Ok(()))
}

/// What TCP's and the files' sockets have in common.
pub(crate) trait Connection: io::Read + io::Write + Send + Sized + 'static {
    fn twin(&self) -> io::Result<Self>;
    fn end(&self) -> io::Result<()>;
}

impl Connection for TcpStream {
    fn twin(&self) -> io::Result<Self> {
        self.try_clone()
    }

    fn end(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Connection for UnixStream {
    fn twin(&self) -> io::Result<Self> {
        self.try_clone()
    }

    fn end(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}
