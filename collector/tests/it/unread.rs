//! Clients that ask, and do not read what they are answered.

use std::time::Duration;

use meshtap_collector::config::Config;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::otlp::{request, span, text};
use crate::running::Running;

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
const ALL: &str = "/api/v1/spans?limit=1000";
/// How many more bytes than the buffers of a connection take.
const ANSWER: usize = 8 << 20;

async fn with_much_to_say(change: impl FnOnce(&mut Config)) -> Running {
    let collector = Running::with(change).await;
    let value = "v".repeat(60_000);
    let mut id = 0;
    for _ in 0..3 {
        let spans = (0..16).map(|_| {
            id += 1;
            let mut span = span(id);
            span.attributes.extend(["a", "b", "c"].map(|name| text(name, &value)));
            span
        });
        collector.export(request(spans.collect())).await.unwrap();
    }
    collector
}

/// Asks for everything and takes the first byte, so that the query is over.
async fn ask(collector: &Running) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut connection = socket.connect(collector.http).await.unwrap();
    let head = format!("GET {ALL} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    connection.write_all(head.as_bytes()).await.unwrap();
    let first = tokio::time::timeout(PATIENCE, connection.read_u8()).await.unwrap().unwrap();
    assert_eq!(first, b'H');
    connection
}

async fn answers_again(collector: &Running) {
    let answered = async { while collector.get("/api/v1/spans?limit=1").await.0 != 200 {} };
    tokio::time::timeout(PATIENCE, answered).await.unwrap();
}

#[tokio::test]
async fn an_answer_counts_as_a_query_until_it_is_taken() {
    let collector = with_much_to_say(|config| {
        config.http.max_concurrent_queries = 2;
        config.receive.write_timeout = Duration::from_hours(1);
    })
    .await;
    let (gone, mut slow) = (ask(&collector).await, ask(&collector).await);
    let (status, refused) = collector.json(ALL).await;
    assert_eq!((status, refused["error"]["code"].as_str()), (503, Some("overloaded")));
    drop(gone);
    answers_again(&collector).await;
    // Nothing is missing from one that is taken late.
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, slow.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer.len() > ANSWER && answer.ends_with(b"\"next_cursor\":null}"), "{}", answer.len());
    answers_again(&collector).await;
}

#[tokio::test]
async fn who_does_not_take_an_answer_is_cut_off() {
    let collector = with_much_to_say(|config| {
        config.http.max_concurrent_queries = 1;
        config.receive.write_timeout = Duration::from_millis(100);
    })
    .await;
    let mut unread = ask(&collector).await;
    collector.until("meshtap_connections_write_timed_out_total{listener=\"http\"}", 1.0).await;
    answers_again(&collector).await;
    let mut answer = Vec::new();
    drop(tokio::time::timeout(PATIENCE, unread.read_to_end(&mut answer)).await.expect("it is closed"));
    assert!(answer.len() < ANSWER, "{}", answer.len());
}
