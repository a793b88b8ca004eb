//! Clients that nobody would want.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::CALL;
use super::bodies::coded;

/// Longer than the provider ever keeps anybody waiting.
const PATIENCE: Duration = Duration::from_secs(3);

/// Places that are calls of a model.
const CALLS: [(&str, &str); 9] = [
    ("api.openai.com", "/v1/chat/completions"),
    ("api.openai.com:443", "/v1/responses?x=%00%ff"),
    ("API.OpenAI.com", "/v1/embeddings"),
    ("api.openai.com", "/v1/audio/transcriptions"),
    ("api.anthropic.com", "/v1/messages"),
    ("generativelanguage.googleapis.com", "/v1beta/models/gemini-2.0-flash:streamGenerateContent?alt=sse"),
    ("bedrock-runtime.us-east-1.amazonaws.com", "/model/amazon.nova-lite-v1%3A0/converse-stream"),
    ("api.cohere.com", "/v2/chat"),
    ("api.mistral.ai", "/v1/chat/completions"),
];

/// Places that are not.
const OTHERS: [(&str, &str); 4] = [
    ("orders.shop", "/api/v2/orders"),
    ("api.openai.com", "/"),
    ("api.openai.com.evil.example", "/v1/chat/completions"),
    ("[::1]:8080", "/%F0%9F%92%A9?q=\"<>"),
];

/// Until told to stop; no failure ends it.
pub(super) async fn run(to: SocketAddr, stop: Arc<AtomicBool>, attempts: Arc<AtomicU64>) {
    let mut random = Rng::new();
    while !stop.load(Ordering::Relaxed) {
        let Ok(connection) = TcpStream::connect(to).await else { continue };
        // Whatever comes of it is what it is about.
        let _ = visit(connection, &mut random, &attempts).await;
    }
}

/// One connection: a few exchanges, or none.
async fn visit(mut connection: TcpStream, random: &mut Rng, attempts: &AtomicU64) -> io::Result<()> {
    connection.set_nodelay(true)?;
    if random.u8(..) < 4 {
        let length = random.usize(..400);
        connection.write_all(&noise(random, length)).await?;
        return end(connection, random).await;
    }
    for _ in 0..random.usize(1..4) {
        attempts.fetch_add(1, Ordering::Relaxed);
        let mut request = request(random);
        let abandons = random.u8(..) < 30;
        if abandons {
            request.truncate(random.usize(..=request.len()));
        }
        write_in_pieces(&mut connection, &request, random).await?;
        if abandons {
            return end(connection, random).await;
        }
        if !read(&mut connection, random).await? {
            return end(connection, random).await;
        }
    }
    Ok(())
}

/// Orderly, at once, half, or by a reset.
async fn end(mut connection: TcpStream, random: &mut Rng) -> io::Result<()> {
    match random.u8(..4) {
        0 => connection.set_zero_linger()?,
        1 => connection.shutdown().await?,
        2 => {
            // Half-open: nothing more comes, nothing is read.
            sleep(Duration::from_millis(random.u64(..300))).await;
        }
        _ => {}
    }
    Ok(())
}

/// Reads until nothing more seems to come, or loses interest before. Whether the connection may be used again.
async fn read(connection: &mut TcpStream, random: &mut Rng) -> io::Result<bool> {
    let loses_interest_after = if random.u8(..) < 40 { random.usize(..4_000) } else { usize::MAX };
    let mut buffer = vec![0; 64 << 10];
    let mut seen = 0;
    let mut patience = PATIENCE;
    while seen < loses_interest_after {
        match timeout(patience, connection.read(&mut buffer)).await {
            Ok(Ok(0)) | Err(_) => return Ok(seen > 0),
            Ok(Ok(read)) => seen += read,
            Ok(Err(error)) => return Err(error),
        }
        // Most of what comes later comes soon.
        patience = Duration::from_millis(120);
    }
    Ok(false)
}

async fn write_in_pieces(connection: &mut TcpStream, bytes: &[u8], random: &mut Rng) -> io::Result<()> {
    let mut rest = bytes;
    let cuts = if random.bool() { 0 } else { random.usize(..6) };
    for _ in 0..cuts {
        let (piece, after) = rest.split_at(random.usize(..=rest.len()));
        connection.write_all(piece).await?;
        sleep(Duration::from_millis(random.u64(..3))).await;
        rest = after;
    }
    connection.write_all(rest).await
}

fn request(random: &mut Rng) -> Vec<u8> {
    let is_call = random.u8(..) < 200;
    match random.u8(..20) {
        0 | 1 => session(is_call, random),
        2 => bodiless("HEAD", is_call, random),
        3 => bodiless("GET", false, random),
        _ => post(is_call, random),
    }
}

fn place(is_call: bool, random: &mut Rng) -> (&'static str, &'static str) {
    let places = if is_call { CALLS.as_slice() } else { &OTHERS };
    places[random.usize(..places.len())]
}

/// A WebSocket, which the provider may take or refuse, and what looks like frames of it at once.
fn session(is_call: bool, random: &mut Rng) -> Vec<u8> {
    let path = if is_call { "/v1/realtime?model=gpt-realtime" } else { "/v1/models" };
    let mut request = head("GET", ("api.openai.com", path), is_call, random);
    request.extend_from_slice(one_of(random, &UPGRADES).as_bytes());
    request.extend_from_slice(b"\r\n");
    if random.bool() {
        let length = random.usize(..500);
        request.extend(noise(random, length));
    }
    request
}

const UPGRADES: [&str; 4] = [
    "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
    "connection: Upgrade, keep-alive\r\nupgrade: WebSocket\r\n",
    "connection: upgrade\r\nupgrade: h2c\r\n",
    "upgrade: websocket\r\n",
];

fn bodiless(method: &str, is_call: bool, random: &mut Rng) -> Vec<u8> {
    let mut request = head(method, place(is_call, random), is_call, random);
    request.extend_from_slice(b"\r\n");
    request
}

fn post(is_call: bool, random: &mut Rng) -> Vec<u8> {
    let mut request = head("POST", place(is_call, random), is_call, random);
    request.extend_from_slice(
        one_of(
            random,
            &[
                "content-type: application/json\r\n",
                "content-type: application/json; charset=\"utf-8\"\r\n",
                "content-type: multipart/form-data; boundary=xyz\r\n",
                "content-type: multipart/form-data; boundary=\r\n",
                "content-type: text/plain\r\n",
                "content-type: ;;;\r\n",
                "",
            ],
        )
        .as_bytes(),
    );
    let mut body = body(random);
    if random.u8(..) < 80 {
        let (header, packed) = coded(&body, random);
        request.extend(header.bytes());
        body = packed;
    }
    if random.bool() {
        request.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
        request.extend(body);
    } else {
        request.extend(b"transfer-encoding: chunked\r\n\r\n");
        chunked(&mut request, &body, random);
    }
    request
}

/// Without the empty line. Paths of calls stay such, whatever is behind the question mark.
fn head(method: &str, (host, path): (&str, &str), is_call: bool, random: &mut Rng) -> Vec<u8> {
    let mut head = format!("{method} {path}").into_bytes();
    if random.u8(..) < 20 {
        head.push(if path.contains('?') { b'&' } else { b'?' });
        head.extend((0..random.usize(1..30)).map(|_| random.u8(0x80..)));
    }
    head.extend(
        format!(" HTTP/1.1\r\nhost: {host}\r\n{CALL}: {}\r\n", if is_call { "y" } else { "n" }).bytes(),
    );
    let odd = if random.u8(..) < 10 { random.usize(..200) } else { random.usize(..3) };
    for _ in 0..odd {
        odd_header(&mut head, random);
    }
    if random.u8(..) < 20 {
        // The same once more, and another of the name.
        let (twice, more) = ("content-type: text/plain\r\n", "content-type: \r\naccept: a\r\naccept: b\r\n");
        head.extend_from_slice(one_of(random, &[twice, more, "x-api-key: \r\nx-api-key: k\r\n"]).as_bytes());
    }
    head
}

pub(super) fn odd_header(head: &mut Vec<u8>, random: &mut Rng) {
    head.extend_from_slice(one_of(random, &ODD_NAMES).as_bytes());
    head.extend_from_slice(b": ");
    match random.u8(..4) {
        // Whatever a value may hold, above ASCII too.
        0 => head.extend((0..random.usize(..40)).map(|_| random.u8(0x80..))),
        1 => head.extend((0..random.usize(..2_000)).map(|_| random.u8(b'!'..b'~'))),
        2 => {}
        _ => head.extend_from_slice(one_of(random, &ODD_VALUES).as_bytes()),
    }
    head.extend_from_slice(b"\r\n");
}

const ODD_NAMES: [&str; 8] = [
    "traceparent",
    "tracestate",
    "user-agent",
    "x-request-id",
    "openai-organization",
    "x-amzn-bedrock-input-token-count",
    "accept-encoding",
    "x-odd",
];
const ODD_VALUES: [&str; 6] = [
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "00-00000000000000000000000000000000-0000000000000000-00",
    "18446744073709551616",
    "-1",
    "gzip, gzip, br, ,",
    "a=b,,=,\t",
];

pub(super) fn chunked(out: &mut Vec<u8>, body: &[u8], random: &mut Rng) {
    let mut rest = body;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(random.usize(1..=rest.len()));
        out.extend(format!("{:x}\r\n", piece.len()).bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
        rest = after;
    }
    out.extend_from_slice(b"0\r\n");
    if random.u8(..) < 60 {
        odd_header(out, random);
    }
    out.extend_from_slice(b"\r\n");
}

fn body(random: &mut Rng) -> Vec<u8> {
    let good = br#"{"model":"gpt-4o","messages":[{"role":"user","content":"\u00e9\ud83d\ude00 \\ \""}],"stream":true}"#;
    match random.u8(..8) {
        0 => Vec::new(),
        1 => {
            let length = random.usize(..3_000);
            noise(random, length)
        }
        2 => flipped(good, random),
        3 => "[{\"a\":".repeat(random.usize(1..4_000)).into_bytes(),
        4 => format!(r#"{{"model":"{}"}}"#, "é".repeat(random.usize(..60_000))).into_bytes(),
        5 => {
            let mut form =
                b"--xyz\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n".to_vec();
            form.extend(b"--xyz\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n");
            let length = random.usize(..20_000);
            form.extend(noise(random, length));
            form.extend(b"\r\n--xyz--\r\n");
            form
        }
        _ => good.to_vec(),
    }
}

pub(super) fn noise(random: &mut Rng, length: usize) -> Vec<u8> {
    (0..length).map(|_| random.u8(..)).collect()
}

/// With a few bytes changed, and maybe cut.
pub(super) fn flipped(bytes: &[u8], random: &mut Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..random.usize(1..5) {
        let place = random.usize(..bytes.len().max(1));
        if let Some(byte) = bytes.get_mut(place) {
            *byte = random.u8(..);
        }
    }
    if random.bool() {
        bytes.truncate(random.usize(..=bytes.len()));
    }
    bytes
}

pub(super) fn one_of<'a>(random: &mut Rng, choices: &[&'a str]) -> &'a str {
    choices[random.usize(..choices.len())]
}
