//! A provider that nobody would want.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use fastrand::Rng;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::bodies::coded;
use super::client::{chunked, flipped, noise, odd_header, one_of};
use crate::overhead::upstream::find;

/// A request with it and [`CALM`] is answered as it should be.
pub(super) const BEHAVIOUR: &str = "x-storm-behaviour";
pub(super) const CALM: &str = "calm";

const JSON: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,"message":{"role":"assistant","content":"calm é"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;
const EVENTS: &str = "data: {\"id\":\"c\",\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"é\"}}]}\n\n\
    : comment\r\n\r\nevent: message_delta\rdata: {\"usage\":{\"output_tokens\":7}}\r\rdata:\ndata\n\n\
    data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\ndata: [DONE]\n\n";

pub(super) async fn start() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let address = listener.local_addr().expect("a bound port");
    tokio::spawn(async move {
        loop {
            let Ok((connection, _)) = listener.accept().await else { continue };
            // Whatever comes of it is what it is about.
            tokio::spawn(async move { serve(connection).await });
        }
    });
    address
}

async fn serve(mut connection: TcpStream) -> io::Result<()> {
    let mut random = Rng::new();
    connection.set_nodelay(true)?;
    let mut seen = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let head = loop {
            if let Some(end) = find(&seen, b"\r\n\r\n") {
                break seen.drain(..end + 4).collect::<Vec<u8>>();
            }
            let read = connection.read(&mut buffer).await?;
            if read == 0 {
                return Ok(());
            }
            seen.extend_from_slice(&buffer[..read]);
        };
        if find(&head, BEHAVIOUR.as_bytes()).is_some() {
            connection.write_all(&with_length("application/json", "", JSON.as_bytes(), &mut random)).await?;
            return connection.shutdown().await;
        }
        let is_upgrade = find(&head.to_ascii_lowercase(), b"upgrade: websocket").is_some();
        if is_upgrade && random.bool() {
            return tunnel(&mut connection, &mut random).await;
        }
        let is_head = head.starts_with(b"HEAD ");
        if random.u8(..) < 200 {
            // Some of the body, for as long as it keeps coming.
            while let Ok(read) = timeout(Duration::from_millis(2), connection.read(&mut buffer)).await {
                if read? == 0 {
                    break;
                }
            }
        }
        if !answer(&mut connection, is_head, &mut random).await? {
            return Ok(());
        }
    }
}

/// A session: what passes is no HTTP, and either side may end it in any way.
async fn tunnel(connection: &mut TcpStream, random: &mut Rng) -> io::Result<()> {
    connection
        .write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        .await?;
    for _ in 0..random.usize(..4) {
        let bytes = if random.bool() { EVENTS.as_bytes().to_vec() } else { noise(random, 100) };
        connection.write_all(&bytes).await?;
        sleep(Duration::from_millis(random.u64(..3))).await;
    }
    if random.bool() { reset(connection).map(|_| ()) } else { Ok(()) }
}

/// Whether the connection goes on.
async fn answer(connection: &mut TcpStream, is_head: bool, random: &mut Rng) -> io::Result<bool> {
    sleep(Duration::from_millis(random.u64(..4))).await;
    match random.u8(..20) {
        0 => return reset(connection),
        // Half-open: nothing ever comes.
        1 => {
            sleep(Duration::from_millis(random.u64(..400))).await;
            return Ok(false);
        }
        2 => {
            let length = random.usize(..300);
            connection.write_all(&noise(random, length)).await?;
            return Ok(false);
        }
        _ => {}
    }
    if random.u8(..) < 30 {
        connection.write_all(one_of(random, &INFORMATIONAL).as_bytes()).await?;
    }
    let mut answer = good_or_bad(random);
    if is_head && random.u8(..) < 200 {
        // A body all the same, in the others.
        let head = find(&answer, b"\r\n\r\n").map_or(answer.len(), |end| end + 4);
        answer.truncate(head);
    }
    let cut = if random.u8(..) < 60 { random.usize(..=answer.len()) } else { answer.len() };
    let mut rest = &answer[..cut];
    for _ in 0..random.usize(..8) {
        let (piece, after) = rest.split_at(random.usize(..=rest.len()));
        connection.write_all(piece).await?;
        sleep(Duration::from_millis(random.u64(..3))).await;
        rest = after;
    }
    connection.write_all(rest).await?;
    if cut < answer.len() {
        return if random.bool() { reset(connection) } else { Ok(false) };
    }
    Ok(random.bool())
}

/// Some of them where nobody may send them.
const INFORMATIONAL: [&str; 5] = [
    "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n",
    "HTTP/1.1 199 Odd\r\ncontent-type: application/json\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
];

fn reset(connection: &TcpStream) -> io::Result<bool> {
    connection.set_zero_linger()?;
    Ok(false)
}

fn good_or_bad(random: &mut Rng) -> Vec<u8> {
    let content_type = one_of(
        random,
        &[
            "application/json",
            "text/event-stream",
            "application/vnd.amazon.eventstream",
            "application/x-ndjson",
            "text/html",
            "\u{7f}",
            "",
        ],
    );
    let mut headers = String::new();
    let plain = if random.bool() { JSON } else { EVENTS };
    let body = match random.u8(..9) {
        0 => {
            let length = random.usize(..8_000);
            noise(random, length)
        }
        1 => flipped(plain.as_bytes(), random),
        2..=4 => {
            let packed;
            (headers, packed) = coded(plain.repeat(random.usize(1..40)).as_bytes(), random);
            packed
        }
        // Frames of an event stream that lie about their length.
        5 => [[0, 0, random.u8(..4), random.u8(..)].as_slice(), &noise(random, 200)].concat(),
        6 => plain.repeat(random.usize(1..200)).into_bytes(),
        _ => plain.as_bytes().to_vec(),
    };
    if random.bool() {
        return with_length(content_type, &headers, &body, random);
    }
    let mut answer = head(content_type, &headers, random);
    answer.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
    chunked(&mut answer, &body, random);
    answer
}

fn with_length(content_type: &str, headers: &str, body: &[u8], random: &mut Rng) -> Vec<u8> {
    let mut answer = head(content_type, headers, random);
    answer.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
    answer.extend_from_slice(body);
    answer
}

fn head(content_type: &str, headers: &str, random: &mut Rng) -> Vec<u8> {
    let status = if random.u8(..) < 200 {
        "200 OK"
    } else {
        one_of(random, &["204 No", "304 Not", "429 Too", "500 No", "999 Odd"])
    };
    let mut head = format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\n{headers}").into_bytes();
    let odd = if random.u8(..) < 10 { random.usize(..200) } else { random.usize(..2) };
    for _ in 0..odd {
        odd_header(&mut head, random);
    }
    head
}
