//! Connections on which nothing comes, or not enough.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::otlp::{request, span};
use crate::running::Running;

async fn impatient() -> Running {
    with_patience(Duration::from_millis(100)).await
}

async fn with_patience(idle_timeout: Duration) -> Running {
    Running::with(|config| config.receive.idle_timeout = idle_timeout).await
}

/// Says these bytes and waits until the other end closes. What was answered meanwhile is the result.
async fn until_closed(address: SocketAddr, bytes: &[u8]) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = connection.read_to_end(&mut answer);
    // With bytes left unread on its side, closing is a reset.
    drop(tokio::time::timeout(Duration::from_mins(1), read).await.expect("it is closed"));
    String::from_utf8_lossy(&answer).into_owned()
}

async fn timed_out(collector: &Running, listener: &str, connections: f64) {
    let sample = format!("meshtap_connections_timed_out_total{{listener=\"{listener}\"}}");
    collector.until(&sample, connections).await;
}

#[tokio::test]
async fn a_connection_that_does_not_begin_is_closed() {
    let collector = impatient().await;
    for (listener, address) in
        [("grpc", collector.grpc()), ("otlp_http", collector.otlp_http), ("http", collector.http)]
    {
        until_closed(address, b"").await;
        timed_out(&collector, listener, 1.0).await;
    }
    // A part of what HTTP/2 starts with.
    until_closed(collector.grpc(), b"PRI * HTTP/2").await;
    timed_out(&collector, "grpc", 2.0).await;
}

#[tokio::test]
async fn a_connection_that_does_not_go_on_is_closed() {
    let collector = impatient().await;
    let half = b"GET /health/live HTTP/1.1\r\nhost: test\r\nx-more: ";
    let whole = b"GET /health/live HTTP/1.1\r\nhost: test\r\n\r\n";
    for (listener, address) in [("otlp_http", collector.otlp_http), ("http", collector.http)] {
        until_closed(address, half).await;
        timed_out(&collector, listener, 1.0).await;
        // Nothing comes after an answer.
        let answer = until_closed(address, whole).await;
        assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
        timed_out(&collector, listener, 2.0).await;
    }
}

#[tokio::test]
async fn a_connection_of_grpc_that_has_begun_is_kept() {
    // Long enough for a busy machine to begin one.
    let collector = with_patience(Duration::from_secs(2)).await;
    let mut client = collector.client().await;
    client.export(request(vec![span(1)])).await.unwrap();
    until_closed(collector.http, b"").await;
    until_closed(collector.http, b"").await;
    client.export(request(vec![span(2)])).await.unwrap();
    assert_eq!(collector.metric("meshtap_connections_timed_out_total{listener=\"grpc\"}").await, Some(0.0));
}
