//! The load: as many kept connections as asked for, each with one request at a time, as fast as answers come. Of several
//! kinds, each is made as often as the others.

use std::io;
use std::net::SocketAddr;
use std::str;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::traffic::Kind;
use super::upstream::{find, header};

const BUFFER_BYTES: usize = 256 << 10;
/// Ends a chunked body. No event holds it.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// A load that runs until [`Load::stop`].
pub struct Load {
    shared: Arc<Shared>,
    connections: Vec<JoinHandle<io::Result<()>>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// How many may still begin.
    left: AtomicU64,
    exchanges: AtomicU64,
    calls: AtomicU64,
}

/// What was made, from beginning to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    pub exchanges: u64,
    /// Those that become a span.
    pub calls: u64,
}

impl Load {
    /// Until it is stopped.
    pub fn start(runtime: &Handle, to: SocketAddr, kinds: &'static [Kind], connections: usize) -> Self {
        Self::bounded(runtime, to, kinds, connections, u64::MAX)
    }

    /// `count` exchanges and no more.
    pub fn bounded(
        runtime: &Handle,
        to: SocketAddr,
        kinds: &'static [Kind],
        connections: usize,
        count: u64,
    ) -> Self {
        let shared = Arc::new(Shared { left: AtomicU64::new(count), ..Shared::default() });
        let connect = |_| runtime.spawn(run(to, kinds, Arc::clone(&shared)));
        Self { connections: (0..connections).map(connect).collect(), shared }
    }

    /// Exchanges that have ended.
    pub fn exchanges(&self) -> u64 {
        self.shared.exchanges.load(Ordering::Relaxed)
    }

    /// Whether all of a bounded number has been made.
    pub fn is_over(&self) -> bool {
        self.connections.iter().all(JoinHandle::is_finished)
    }

    /// Lets what has begun come to its end.
    pub fn stop(self, runtime: &Handle) -> Made {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.finish(runtime)
    }

    /// Waits for the last of a bounded number.
    pub fn finish(self, runtime: &Handle) -> Made {
        for connection in self.connections {
            let ended = runtime.block_on(connection).expect("no connection's task panics");
            ended.unwrap_or_else(|e| panic!("an exchange failed: {e}"));
        }
        let Shared { exchanges, calls, .. } = &*self.shared;
        Made { exchanges: exchanges.load(Ordering::Relaxed), calls: calls.load(Ordering::Relaxed) }
    }
}

async fn run(to: SocketAddr, kinds: &'static [Kind], shared: Arc<Shared>) -> io::Result<()> {
    let mut connection = TcpStream::connect(to).await?;
    connection.set_nodelay(true)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let take_one = |left: u64| left.checked_sub(1);
    while !shared.stop.load(Ordering::Relaxed)
        && shared.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take_one).is_ok()
    {
        let kind = kinds[fastrand::usize(..kinds.len())];
        connection.write_all(kind.request()).await?;
        read_answer(&mut connection, &mut buffer).await?;
        shared.calls.fetch_add(u64::from(kind.is_call()), Ordering::Relaxed);
        shared.exchanges.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Reads one answer to its end, whatever it says.
async fn read_answer(connection: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    let head_bytes = loop {
        filled += some(connection.read(&mut buffer[filled..]).await?)?;
        if let Some(end) = find(&buffer[..filled], b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = &buffer[..head_bytes];
    if !head.starts_with(b"HTTP/1.1 200 ") {
        return Err(io::Error::other(String::from_utf8_lossy(head).into_owned()));
    }
    let length = header(head, "content-length").and_then(|value| str::from_utf8(value).ok()?.parse().ok());
    match length {
        Some(length) => read_length(connection, buffer, filled - head_bytes, length).await,
        None => read_chunks(connection, buffer, filled).await,
    }
}

async fn read_length(
    connection: &mut TcpStream,
    buffer: &mut [u8],
    mut seen: usize,
    length: usize,
) -> io::Result<()> {
    while seen < length {
        seen += some(connection.read(buffer).await?)?;
    }
    Ok(())
}

async fn read_chunks(connection: &mut TcpStream, buffer: &mut [u8], filled: usize) -> io::Result<()> {
    let mut tail = Vec::with_capacity(2 * LAST_CHUNK.len());
    let mut read = filled;
    loop {
        // The end may lie in two reads.
        let piece = &buffer[..read];
        tail.extend_from_slice(&piece[piece.len().saturating_sub(LAST_CHUNK.len())..]);
        if tail.ends_with(LAST_CHUNK) {
            return Ok(());
        }
        tail.drain(..tail.len().saturating_sub(LAST_CHUNK.len()));
        read = some(connection.read(buffer).await?)?;
    }
}

fn some(read: usize) -> io::Result<usize> {
    if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(read) }
}
