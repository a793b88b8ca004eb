//! A ClickHouse that answers, and does not take what it is sent at once: it has not the memory (its error 241, for real),
//! or what stands before it breaks the connection.

use std::time::{SystemTime, UNIX_EPOCH};

use meshtap_tests::clickhouse::ClickHouse;
use meshtap_tests::collector::{Collector, Store};
use meshtap_tests::sandbox::Sandbox;
use meshtap_tests::wire::Breaking;
use meshtap_tests::{http, ports, wait};
use serde_json::{Value, json};

/// For one query: enough for some of a request's spans, and not for all of them.
const MEMORY: usize = 16 << 20;
const REQUESTS: usize = 2;
const SPANS: usize = 60;
const SPAN_BYTES: usize = 60_000;

#[test]
fn what_is_too_much_at_once_is_stored_in_parts() {
    let sandbox = Sandbox::new("overload");
    let server = ClickHouse::start_with(&sandbox, "small", &configuration(&sandbox), ports::free_address());
    let store = Store::ClickHouse { url: server.url(), database: server.database("small") };
    let collector = impatient(&sandbox, "overload", &store);

    (0..REQUESTS).for_each(|number| post(&collector, &request(number, SPANS, SPAN_BYTES)));
    let all = (REQUESTS * SPANS) as u64;
    wait::until("everything to be stored", || {
        (collector.metric("meshtap_spans_stored_total") == all).then_some(())
    });
    let attempts = collector.metric("meshtap_pump_attempts_total{outcome=\"overloaded\"}");
    assert!(attempts > 2, "a batch had two, and its halves more: {attempts}");
    assert_eq!(collector.metric("meshtap_queue_parked"), 0);
    assert_eq!(
        server.query("SELECT uniqExact(span_id), count() FROM small.spans").trim(),
        format!("{all}\t{all}")
    );
}

/// Pings pass, and so does what is short: it is no store that is away.
#[test]
fn what_breaks_the_connection_is_stored_in_parts_and_what_is_too_much_alone_is_parked() {
    let sandbox = Sandbox::new("breaking");
    let server = ClickHouse::start(&sandbox);
    let proxy = Breaking::start(server.address(), 100_000);
    let store = Store::ClickHouse { url: proxy.url(), database: server.database("broken") };
    let collector = impatient(&sandbox, "broken", &store);

    post(&collector, &request(0, 1, 200_000));
    post(&collector, &request(1, 8, 30_000));
    post(&collector, &request(2, 1, 100));
    wait::until("the rest to be stored", || {
        (collector.metric("meshtap_spans_stored_total") == 9).then_some(())
    });
    assert_eq!(collector.metric("meshtap_queue_parked"), 1);
    // What is stored is acknowledged after it, durably.
    wait::until("the acknowledgement of the last one", || {
        (collector.metric("meshtap_queue_waiting_entries{cursor=\"store\"}") == 0).then_some(())
    });
    assert!(proxy.broken() > 3, "{}", proxy.broken());
    assert_eq!(server.query("SELECT uniqExact(span_id), count() FROM broken.spans").trim(), "9\t9");
}

fn impatient(sandbox: &Sandbox, name: &str, store: &Store) -> Collector {
    let pump =
        json!({"max_attempts": 2, "max_batch_age": "2s", "min_backoff": "10ms", "max_backoff": "50ms"});
    let mut collector = Collector::configured(sandbox, name, store, &json!({"pump": pump}));
    collector.start_again(sandbox);
    collector
}

fn post(collector: &Collector, request: &str) {
    let headers = [("content-type", "application/json")];
    let reply = http::post(collector.otlp_http(), "/v1/traces", &headers, request.as_bytes());
    let reply = reply.unwrap_or_else(|error| panic!("no answer: {error}"));
    assert_eq!(reply.status, 200, "{}", reply.text());
}

/// Spans that do not become smaller when they are compressed.
fn request(number: usize, spans: usize, bytes: usize) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string();
    let mut random = fastrand::Rng::with_seed(number as u64);
    let spans: Vec<Value> = (1..=spans)
        .map(|nth| {
            let id = format!("{:016x}", number * 1000 + nth);
            let filling: String = std::iter::repeat_with(|| random.alphanumeric()).take(bytes).collect();
            // No attribute is longer than it may be.
            let chunks = filling.as_bytes().chunks(SPAN_BYTES).enumerate();
            let attributes: Vec<Value> = chunks
                .map(|(nth, chunk)| {
                    let value = String::from_utf8_lossy(chunk);
                    json!({"key": format!("filling.{nth}"), "value": {"stringValue": value}})
                })
                .collect();
            json!({
                "traceId": id.repeat(2), "spanId": id, "name": "call", "kind": 3,
                "startTimeUnixNano": now, "endTimeUnixNano": now,
                "attributes": attributes,
            })
        })
        .collect();
    json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).to_string()
}

/// The server's settings and its users in one file, which it is told to look into for users.
fn configuration(sandbox: &Sandbox) -> String {
    let file = sandbox.path("small.xml").display().to_string();
    format!(
        "<clickhouse><users_config>{file}</users_config>\
         <profiles><default><max_memory_usage>{MEMORY}</max_memory_usage></default></profiles>\
         <quotas><default/></quotas><users><default><password></password><networks><ip>::/0</ip></networks>\
         <profile>default</profile><quota>default</quota></default></users></clickhouse>"
    )
}
