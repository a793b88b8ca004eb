//! Two collectors on one ClickHouse, and senders that turn to the other one when an answer does not come: both have the
//! same spans then, each in its own queue, and under tokens of its own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use meshtap_collector::store::clickhouse::ClickHouseStore;
use meshtap_collector::store::{RollupCheck, SpanWriter as _};
use meshtap_tests::clickhouse::ClickHouse;
use meshtap_tests::collector::{Collector, Store};
use meshtap_tests::sandbox::Sandbox;
use meshtap_tests::{http, wait};
use serde_json::{Value, json};

const SPANS: usize = 200;

/// What is shown is right at once; the tables of sums are right after the check that each collector makes every ten
/// minutes, which is asked for here.
#[test]
fn a_span_that_both_have_taken_is_there_once() {
    let sandbox = Sandbox::new("two-collectors");
    let server = ClickHouse::start(&sandbox);
    let database = server.database("both");
    let store = Store::ClickHouse { url: server.url(), database: database.clone() };
    let collectors = ["one", "other"].map(|name| Collector::start(&sandbox, name, &store));

    let requests: Vec<String> = (0..10).map(request).collect();
    // The other one gets them in another order, so that no two batches are the same.
    for (of_one, of_other) in requests.iter().zip(requests.iter().rev()) {
        post(&collectors[0], of_one);
        post(&collectors[1], of_other);
    }
    collectors.iter().for_each(until_stored);

    for collector in &collectors {
        assert_eq!(collector.spans("limit=1000").len(), SPANS);
        let by_pages = pages(collector);
        assert_eq!(by_pages.len(), SPANS);
        let usage = collector.usage("model");
        assert_eq!((usage.len(), &usage[0]["calls"]), (1, &json!(SPANS)));
        assert_eq!(usage[0]["input_tokens"], json!(SPANS * 10));
    }

    let sums = || server.query_in(&database, "SELECT sum(calls), sum(input_tokens) FROM usage_1m");
    assert_eq!(sums().trim(), format!("{}\t{}", 2 * SPANS, 2 * SPANS * 10), "before the check");
    let check = check_rollups(&server, &database);
    assert!(check.corrected > 0 && check.equal >= check.corrected, "{check:?}");
    assert_eq!(sums().trim(), format!("{SPANS}\t{}", SPANS * 10));
    let users = server.query_in(&database, "SELECT sum(calls) FROM usage_users_1d");
    assert_eq!(users.trim(), SPANS.to_string());
    assert_eq!(check_rollups(&server, &database), RollupCheck::default(), "nothing is left to correct");

    // A merge leaves one row of each.
    server.query_in(&database, "OPTIMIZE TABLE spans FINAL");
    assert_eq!(server.query_in(&database, "SELECT count() FROM spans").trim(), SPANS.to_string());
}

/// Model calls of the day before yesterday, which has ended.
fn request(number: usize) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let start = since.saturating_sub(Duration::from_hours(60)).as_nanos();
    let attribute = |key: &str, value: Value| json!({"key": key, "value": value});
    let spans: Vec<Value> = (0..SPANS / 10)
        .map(|nth| {
            let id = format!("{:016x}", 1 + number * 1000 + nth);
            json!({
                "traceId": id.repeat(2), "spanId": id, "name": "chat", "kind": 3,
                "startTimeUnixNano": start.to_string(), "endTimeUnixNano": (start + 5).to_string(),
                "attributes": [
                    attribute("gen_ai.operation.name", json!({"stringValue": "chat"})),
                    attribute("gen_ai.request.model", json!({"stringValue": "m"})),
                    attribute("gen_ai.usage.input_tokens", json!({"intValue": 10})),
                ],
            })
        })
        .collect();
    json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).to_string()
}

fn post(collector: &Collector, request: &str) {
    let headers = [("content-type", "application/json")];
    let reply = http::post(collector.otlp_http(), "/v1/traces", &headers, request.as_bytes());
    assert_eq!(reply.unwrap_or_else(|error| panic!("no answer: {error}")).status, 200);
}

fn until_stored(collector: &Collector) {
    let sample = "meshtap_queue_waiting_entries{cursor=\"store\"}";
    wait::until("everything to be stored", || {
        let text = collector.get("/metrics").text();
        text.lines().any(|line| line == format!("{sample} 0")).then_some(())
    });
}

/// Every span id that the pages of a list show.
fn pages(collector: &Collector) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = collector.get(&format!("/api/v1/spans?limit=7{cursor}")).json();
        let spans = page["spans"].as_array().into_iter().flatten();
        ids.extend(spans.map(|span| span["span_id"].to_string()));
        let Some(next) = page["next_cursor"].as_str() else { return ids };
        cursor = format!("&cursor={next}");
    }
}

fn check_rollups(server: &ClickHouse, database: &str) -> RollupCheck {
    let (settings, retention) = server.as_store(database);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
    let checked =
        runtime.block_on(async { ClickHouseStore::open(&settings, retention).await?.check_rollups().await });
    checked.unwrap_or_else(|error| panic!("{}", error.chain()))
}
