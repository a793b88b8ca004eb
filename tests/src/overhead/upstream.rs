//! The upstream: HTTP/1.1 on kept connections, answers made beforehand.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{io, str};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::traffic::{ANSWER, Kind};

/// Longer than any request.
const BUFFER_BYTES: usize = 64 << 10;

/// Counts the events it writes.
pub(super) async fn start(events: Arc<AtomicU64>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let address = listener.local_addr().expect("a bound port");
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let events = Arc::clone(&events);
            // It ends as Envoy ends it.
            tokio::spawn(async move { serve(connection, &events).await });
        }
    });
    address
}

async fn serve(mut connection: TcpStream, events: &AtomicU64) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut filled = 0;
    loop {
        let read = connection.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let Some(kind) = whole_request(&buffer[..filled]) else { continue };
        filled = 0;
        answer(&mut connection, kind, events).await?;
    }
}

async fn answer(connection: &mut TcpStream, kind: Kind, events: &AtomicU64) -> io::Result<()> {
    let answer = kind.answer();
    for piece in &answer.pieces {
        connection.write_all(piece).await?;
        if let Some(pause) = answer.pause {
            events.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(pause).await;
        }
    }
    if answer.pause.is_none() {
        events.fetch_add(answer.events, Ordering::Relaxed);
    }
    Ok(())
}

/// What is asked for, once all of the request is there.
fn whole_request(bytes: &[u8]) -> Option<Kind> {
    let head = bytes.get(..find(bytes, b"\r\n\r\n")? + 4)?;
    let length: usize = str::from_utf8(header(head, "content-length")?).ok()?.parse().ok()?;
    (bytes.len() - head.len() >= length).then_some(())?;
    Kind::of_letter(*header(head, ANSWER)?.first()?)
}

/// Envoy writes names in lower case.
pub(super) fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let line = head.split(|byte| *byte == b'\n').find(|line| {
        line.len() > name.len() && line.starts_with(name.as_bytes()) && line[name.len()] == b':'
    })?;
    Some(line[name.len() + 1..].trim_ascii())
}

pub(crate) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
