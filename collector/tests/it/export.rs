//! What is exported onward, into a second collector and into a backend that says no.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use meshtap_collector::config::{ClientTls, Compression, Config, Exporter, Protocol};
use opentelemetry_proto::tonic::trace::v1::Span;
use rcgen::ExtendedKeyUsagePurpose;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};

use crate::otlp::{call, request, span, text};
use crate::running::Running;
use crate::tls::{Authority, Files};

fn exporter(endpoint: &str, protocol: Protocol) -> Exporter {
    Exporter {
        name: "onward".to_owned(),
        endpoint: endpoint.parse().unwrap(),
        protocol,
        headers: Vec::new(),
        compression: Compression::Gzip,
        timeout: Duration::from_secs(10),
        max_backlog_bytes: 1 << 30,
        max_in_flight: 4,
        min_backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(10),
        tls: ClientTls::default(),
    }
}

pub(crate) fn onward(exporter: Exporter) -> impl FnOnce(&mut Config) {
    |config| config.export = vec![exporter]
}

pub(crate) fn grpc(backend: &Running) -> Exporter {
    exporter(&format!("http://{}", backend.grpc()), Protocol::Grpc)
}

fn http(address: SocketAddr) -> Exporter {
    exporter(&format!("http://{address}"), Protocol::HttpProtobuf)
}

/// Waits until nothing waits for the backend any more.
async fn exported(collector: &Running) {
    collector.until("meshtap_queue_waiting_entries{cursor=\"export-onward\"}", 0.0).await;
}

async fn counted(collector: &Running, what: &str) -> u64 {
    sample(collector, &format!("meshtap_exporter_{what}")).await
}

async fn sample(collector: &Running, name: &str) -> u64 {
    let (_, text) = collector.get("/metrics").await;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

async fn spans(collector: &Running) -> Value {
    collector.drained().await;
    collector.json("/api/v1/spans?limit=1000").await.1["spans"].take()
}

async fn health(collector: &Running) -> Value {
    collector.json("/health/ready").await.1["checks"][3].take()
}

#[tokio::test]
async fn a_backend_gets_what_was_admitted_by_every_protocol_and_compression() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let backend = Running::start().await;
            let to = match protocol {
                Protocol::Grpc => grpc(&backend),
                Protocol::HttpProtobuf => http(backend.otlp_http),
            };
            let collector = Running::with(onward(Exporter { compression, ..to })).await;
            let tiny = Span { name: String::new(), ..span(1) };
            let unnamed = opentelemetry_proto::tonic::trace::v1::ResourceSpans {
                resource: None,
                ..request(vec![tiny]).resource_spans.remove(0)
            };
            let small = opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest {
                resource_spans: vec![unnamed],
            };
            collector.send(small).await.unwrap();
            let rejected = Span { trace_id: vec![0; 16], ..span(9) };
            collector.send(request(vec![call(2, "gpt-4o"), rejected])).await.unwrap();
            collector.send(request((3..100).map(|id| call(id, "gpt-4o")).collect())).await.unwrap();
            exported(&collector).await;
            assert_eq!(spans(&backend).await, spans(&collector).await, "{protocol:?} {compression:?}");
            assert_eq!(counted(&collector, "spans_sent_total{exporter=\"onward\"}").await, 99);
            assert_eq!(health(&collector).await["status"], "ok");
            // Counted after the acknowledgement, which is what is waited for above.
            collector.until("meshtap_queue_spans_out_total{cursor=\"export-onward\"}", 99.0).await;
            collector.ended().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_backend_that_is_away_is_waited_for_and_holds_up_nobody() {
    // Ours until the end, and nobody listens.
    let away = TcpSocket::new_v4().unwrap();
    away.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = away.local_addr().unwrap();
    let collector = Running::with(onward(exporter(&format!("http://{address}"), Protocol::Grpc))).await;
    collector.export(request(vec![span(1)])).await.unwrap();
    let unavailable = "meshtap_exporter_attempts_total{exporter=\"onward\",outcome=\"unavailable\"}";
    collector.until_it(unavailable, |attempts| attempts >= 3.0).await;
    let (status, ready) = collector.json("/health/ready").await;
    assert_eq!((status, &ready["status"]), (200, &Value::from("degraded")));
    assert_eq!(ready["checks"][3]["name"], "export.onward");
    assert_eq!(spans(&collector).await.as_array().unwrap().len(), 1);

    // What is left at the end is sent at the next start, under the same name.
    let (folder, store) = (Arc::clone(&collector.folder), Arc::clone(&collector.store));
    collector.ended().await.unwrap();
    let backend = Running::start().await;
    let collector = Running::over(folder, store, onward(grpc(&backend))).await;
    collector.send(request(vec![span(2)])).await.unwrap();
    exported(&collector).await;
    assert_eq!(spans(&backend).await.as_array().unwrap().len(), 2);
    assert_eq!(health(&collector).await["status"], "ok");
}

#[tokio::test]
async fn a_backend_that_is_full_says_when_to_come_back() {
    let small = |config: &mut Config| {
        (config.queue.segment_bytes, config.queue.max_bytes) = (1 << 10, 4 << 10);
    };
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let backend = Running::with(small).await;
        backend.store.hold();
        let to = match protocol {
            Protocol::Grpc => grpc(&backend),
            Protocol::HttpProtobuf => http(backend.otlp_http),
        };
        let collector = Running::with(onward(to)).await;
        for id in 1..30 {
            collector.export(request(vec![call(id, "gpt-4o")])).await.unwrap();
        }
        let unavailable = "meshtap_exporter_attempts_total{exporter=\"onward\",outcome=\"unavailable\"}";
        collector.until_it(unavailable, |attempts| attempts >= 1.0).await;
        backend.store.release();
        exported(&collector).await;
        assert_eq!(spans(&backend).await, spans(&collector).await);
    }
}

#[tokio::test]
async fn what_is_refused_for_good_is_counted_and_the_rest_goes_on() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let backend = Running::with(|config| {
            config.receive.limits.max_message_bytes = 2_000;
            config.receive.limits.max_attributes_per_span = 9;
        })
        .await;
        let (to, reason) = match protocol {
            Protocol::Grpc => (grpc(&backend), "invalid"),
            Protocol::HttpProtobuf => (http(backend.otlp_http), "too_large"),
        };
        let collector = Running::with(onward(to)).await;
        let large = Span { attributes: vec![text("long", &"x".repeat(5_000))], ..span(1) };
        collector.send(request(vec![large.clone(), large])).await.unwrap();
        let many = Span { attributes: (0..10).map(|n| text(&n.to_string(), "")).collect(), ..span(2) };
        collector.send(request(vec![span(3), many])).await.unwrap();
        exported(&collector).await;
        let refused = format!("spans_refused_total{{exporter=\"onward\",reason=\"{reason}\"}}");
        assert_eq!(counted(&collector, &refused).await, 2, "{protocol:?}");
        assert_eq!(counted(&collector, "spans_rejected_total{exporter=\"onward\"}").await, 1);
        assert_eq!(counted(&collector, "spans_sent_total{exporter=\"onward\"}").await, 1);
        let attempts = "attempts_total{exporter=\"onward\",outcome=\"unavailable\"}";
        assert_eq!(counted(&collector, attempts).await, 0);
        assert_eq!(spans(&backend).await.as_array().unwrap().len(), 1);
        assert_eq!(spans(&collector).await.as_array().unwrap().len(), 3);
    }
}

#[tokio::test]
async fn beyond_its_bound_a_backend_loses_the_oldest_and_the_store_nothing() {
    let backend = Running::start().await;
    // It takes connections and answers nothing.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = mute.local_addr().unwrap();
    let small = |exporter: Exporter| {
        move |config: &mut Config| {
            config.queue.segment_bytes = 1 << 10;
            config.export = vec![Exporter { max_backlog_bytes: 8 << 10, ..exporter }];
            config.shutdown.deadline = Duration::from_millis(100);
        }
    };
    let collector = Running::with(small(http(address))).await;
    let calls = 100;
    for id in 1..=calls {
        collector.export(request(vec![call(id, "gpt-4o")])).await.unwrap();
    }
    assert_eq!(spans(&collector).await.as_array().unwrap().len(), usize::from(calls));
    let lost = "meshtap_queue_entries_lost_total{cursor=\"export-onward\",reason=\"skipped\"}";
    let skipped = sample(&collector, lost).await;
    assert!(skipped > 50 && skipped < u64::from(calls), "{skipped}");
    let waiting = sample(&collector, "meshtap_queue_waiting_bytes{cursor=\"export-onward\"}").await;
    assert!(waiting > 0 && waiting <= 9 << 10, "{waiting}");
    let left = sample(&collector, "meshtap_queue_waiting_entries{cursor=\"export-onward\"}").await;
    assert_eq!(left + skipped, u64::from(calls));

    let (folder, store) = (Arc::clone(&collector.folder), Arc::clone(&collector.store));
    collector.ended().await.unwrap();
    let collector = Running::over(folder, store, small(grpc(&backend))).await;
    exported(&collector).await;
    let arrived = spans(&backend).await.as_array().unwrap().len();
    assert_eq!(u64::try_from(arrived).unwrap(), left, "the newest are there");
}

#[tokio::test]
async fn a_backend_is_known_by_its_certificate_and_may_ask_for_ours() {
    let authority = Authority::new("ours");
    let files = Files::new("export", &authority.server());
    let ca = files.write("ca.pem", &authority.pem());
    let client = authority.signed("collector", ExtendedKeyUsagePurpose::ClientAuth);
    let (cert, key) = (files.write("client.pem", &client.cert), files.write("client-key.pem", &client.key));
    let tls = files.tls(Some(ca.clone()));
    let backend = Running::with(|config| {
        config.receive.grpc.tls = Some(tls.clone());
        config.receive.http.tls = Some(tls);
    })
    .await;
    let section = "export.onward.tls".to_owned();
    let known = ClientTls { section, ca: Some(ca), cert: Some(cert), key: Some(key), ..ClientTls::default() };
    for (protocol, port) in
        [(Protocol::Grpc, backend.grpc().port()), (Protocol::HttpProtobuf, backend.otlp_http.port())]
    {
        let to = exporter(&format!("https://localhost:{port}"), protocol);
        let collector = Running::with(onward(Exporter { tls: known.clone(), ..to.clone() })).await;
        collector.send(request(vec![span(1)])).await.unwrap();
        exported(&collector).await;
        assert_eq!(counted(&collector, "spans_sent_total{exporter=\"onward\"}").await, 1);

        // One that the system does not know.
        let collector = Running::with(onward(to)).await;
        collector.send(request(vec![span(1)])).await.unwrap();
        let unavailable = "meshtap_exporter_attempts_total{exporter=\"onward\",outcome=\"unavailable\"}";
        collector.until_it(unavailable, |attempts| attempts >= 1.0).await;
        let detail = health(&collector).await["detail"].to_string();
        assert!(detail.contains("certificate"), "{detail}");
    }
}

#[tokio::test]
async fn files_that_change_are_read_again() {
    let (authority, other) = (Authority::new("ours"), Authority::new("other"));
    let files = Files::new("export-reload", &authority.server());
    let ca = files.write("ca.pem", &other.pem());
    let tls = files.tls(None);
    let backend = Running::with(|config| config.receive.grpc.tls = Some(tls)).await;
    let to = exporter(&format!("https://localhost:{}", backend.grpc().port()), Protocol::Grpc);
    // Looked at with every request.
    let section = "export.onward.tls".to_owned();
    let tls = ClientTls { section, ca: Some(ca), ..ClientTls::default() };
    let collector = Running::with(onward(Exporter { tls, ..to })).await;
    collector.send(request(vec![span(1)])).await.unwrap();
    let unavailable = "meshtap_exporter_attempts_total{exporter=\"onward\",outcome=\"unavailable\"}";
    collector.until_it(unavailable, |attempts| attempts >= 1.0).await;
    // What cannot be used changes nothing.
    files.write("ca.pem", "no certificate");
    let failed = collector.metric(unavailable).await.unwrap();
    collector.until_it(unavailable, |attempts| attempts > failed + 1.0).await;
    files.write("ca.pem", &authority.pem());
    exported(&collector).await;
    assert_eq!(counted(&collector, "spans_sent_total{exporter=\"onward\"}").await, 1);
}

/// A backend that answers each request with the next of its answers, and keeps what it was sent.
async fn scripted(answers: &'static [&'static str]) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heads = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&heads);
    tokio::spawn(async move {
        for answer in answers {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(connection.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            connection.read_exact(&mut vec![0; length.parse().unwrap()]).await.unwrap();
            kept.lock().unwrap().push(head);
            let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (address, heads)
}

#[tokio::test]
async fn http_answers_decide_as_otlp_says() {
    let (address, heads) = scripted(&[
        "429 Too Many Requests\r\nretry-after: 0",
        "503 Service Unavailable",
        "200 OK\r\ncontent-type: text/html\r\n\r\n<h1>Log in</h1>",
        "200 OK\r\ncontent-type: application/json",
        "401 Unauthorized",
        "200 OK",
    ])
    .await;
    let mut to = exporter(&format!("http://{address}/api/public/otel/"), Protocol::HttpProtobuf);
    to.headers = vec![("authorization".parse().unwrap(), "Bearer hunter2".parse().unwrap())];
    to.max_in_flight = 1;
    let collector = Running::with(onward(to)).await;
    for id in 1..=3 {
        collector.send(request(vec![span(id)])).await.unwrap();
    }
    exported(&collector).await;
    for (outcome, attempts) in [("sent", 2), ("unavailable", 3), ("refused", 1)] {
        let sample = format!("attempts_total{{exporter=\"onward\",outcome=\"{outcome}\"}}");
        assert_eq!(counted(&collector, &sample).await, attempts, "{outcome}");
    }
    let refused = "spans_refused_total{exporter=\"onward\",reason=\"unauthorized\"}";
    assert_eq!(counted(&collector, refused).await, 1);
    for head in &*heads.lock().unwrap() {
        assert!(head.starts_with("POST /api/public/otel/v1/traces HTTP/1.1\r\n"), "{head}");
        for line in
            ["authorization: Bearer hunter2", "content-type: application/x-protobuf", "user-agent: meshtap/"]
        {
            assert!(head.contains(line), "{head}");
        }
    }
}
