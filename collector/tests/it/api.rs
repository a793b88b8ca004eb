use meshtap_filter::semconv;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};

use crate::otlp::{call, int, request, span, text};
use crate::running::Running;

#[tokio::test]
async fn a_call_is_shown_in_lists_traces_usage_and_metrics() {
    let collector = Running::start().await;
    let answer = collector.export(request(vec![call(1, "gpt"), span(2)])).await.unwrap();
    assert_eq!(answer.partial_success, None);

    let (status, list) = collector.json("/api/v1/spans?model=gpt").await;
    assert_eq!(status, 200);
    assert_eq!(list["next_cursor"], Value::Null);
    let shown = &list["spans"][0];
    for (field, expected) in [
        ("trace_id", json!("01".repeat(16))),
        ("span_id", json!("01".repeat(8))),
        ("parent_span_id", Value::Null),
        ("name", json!("chat gpt")),
        ("kind", json!("client")),
        ("start_time", json!("2023-11-14T22:13:20.123456790Z")),
        ("duration_ms", json!(1000.0)),
        ("status", json!("unset")),
        ("service", json!("shop")),
        ("workload", json!("shop")),
        ("namespace", json!("prod")),
        ("pod", json!("shop-1")),
        ("operation_name", json!("chat")),
        ("provider_name", json!("openai")),
        ("response_model", Value::Null),
        ("finish_reasons", Value::Null),
        ("time_to_first_chunk_ms", json!(250.0)),
        ("end", json!("complete")),
        ("attributes", json!({"custom": "kept"})),
    ] {
        assert_eq!(shown[field], expected, "{field}");
    }
    assert_eq!(
        shown["usage"],
        json!({
            "input_tokens": 12, "output_tokens": 34, "cache_read_input_tokens": null,
            "cache_creation_input_tokens": null, "reasoning_output_tokens": null, "source": "provider",
        })
    );

    let (_, trace) = collector.json(&format!("/api/v1/traces/{}", "02".repeat(16))).await;
    assert_eq!(trace["spans"][0]["name"], "span 2");
    let (_, usage) = collector.json("/api/v1/usage?group_by=model,service").await;
    assert_eq!(
        usage["rows"],
        json!([{
            "model": "gpt", "service": "shop", "calls": 1, "errors": 0, "calls_with_usage": 1,
            "input_tokens": 12, "output_tokens": 34, "cache_read_input_tokens": null,
            "cache_creation_input_tokens": null, "reasoning_output_tokens": null,
        }])
    );
    let labels = "gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"openai\",gen_ai_request_model=\"gpt\",service_name=\"shop\"";
    for (sample, expected) in [
        ("meshtap_spans_stored_total".to_owned(), 2.0),
        (format!("gen_ai_client_token_usage_sum{{{labels},gen_ai_token_type=\"output\"}}"), 34.0),
        (
            format!("gen_ai_client_token_usage_bucket{{le=\"16.0\",{labels},gen_ai_token_type=\"input\"}}"),
            1.0,
        ),
        (format!("gen_ai_client_operation_duration_seconds_sum{{{labels},error_type=\"\"}}"), 1.0),
        (format!("gen_ai_client_operation_time_to_first_chunk_seconds_sum{{{labels}}}"), 0.25),
    ] {
        assert_eq!(collector.metric(&sample).await, Some(expected), "{sample}");
    }
    collector.ended().await.unwrap();
}

#[tokio::test]
async fn sums_are_told_apart_by_time_and_latency_has_percentiles() {
    let collector = Running::start().await;
    collector.export(request(vec![call(1, "gpt"), call(2, "gpt")])).await.unwrap();
    let (_, usage) = collector.json("/api/v1/usage?group_by=model&interval=5m").await;
    assert_eq!(usage["rows"].as_array().unwrap().len(), 1);
    let row = &usage["rows"][0];
    assert_eq!((&row["start"], &row["calls"]), (&json!("2023-11-14T22:10:00.000000000Z"), &json!(2)));

    let (status, latency) = collector.json("/api/v1/latency?group_by=model").await;
    assert_eq!(status, 200);
    let row = &latency["rows"][0];
    assert_eq!((&row["model"], &row["calls"], &row["start"]), (&json!("gpt"), &json!(2), &Value::Null));
    for (field, exact) in [("duration_ms", 1000.0), ("time_to_first_chunk_ms", 250.0)] {
        assert_eq!(row[field]["calls"], 2);
        let p99 = row[field]["p99"].as_f64().unwrap();
        assert!((p99 / exact - 1.0).abs() < 0.091, "{field}: {p99}");
    }
    let (status, error) = collector.json("/api/v1/usage?interval=7s").await;
    assert_eq!((status, &error["error"]["field"]), (400, &json!("interval")));
    collector.ended().await.unwrap();
}

#[tokio::test]
async fn what_comes_twice_counts_once() {
    let collector = Running::start().await;
    for _ in 0..2 {
        collector.export(request(vec![call(1, "gpt")])).await.unwrap();
    }
    assert_eq!(collector.json("/api/v1/usage").await.1["rows"][0]["calls"], 1);
    assert_eq!(collector.metric("meshtap_spans_received_total").await, Some(2.0));
    assert_eq!(collector.metric("meshtap_spans_duplicate_total").await, Some(1.0));
    let labels = "gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"openai\",gen_ai_request_model=\"gpt\",service_name=\"shop\"";
    let sample = format!("gen_ai_client_operation_duration_seconds_count{{{labels},error_type=\"\"}}");
    assert_eq!(collector.metric(&sample).await, Some(1.0));
}

#[tokio::test]
async fn lists_go_on_where_the_cursor_says() {
    let collector = Running::start().await;
    collector.export(request((1..=5).map(span).collect())).await.unwrap();
    let mut path = "/api/v1/spans?limit=2".to_owned();
    let mut names = Vec::new();
    loop {
        let (_, list) = collector.json(&path).await;
        names.extend(list["spans"].as_array().unwrap().iter().map(|span| span["name"].to_string()));
        let Some(cursor) = list["next_cursor"].as_str() else { break };
        path = format!("/api/v1/spans?limit=2&cursor={cursor}");
    }
    assert_eq!(names, ["\"span 5\"", "\"span 4\"", "\"span 3\"", "\"span 2\"", "\"span 1\""]);
}

#[tokio::test]
async fn errors_have_one_shape() {
    let collector = Running::start().await;
    for (method, path, status, code, field) in [
        ("GET", "/api/v1/spans?limit=0", 400, "invalid_parameter", Some("limit")),
        ("GET", "/api/v1/spans?modle=x", 400, "invalid_parameter", Some("modle")),
        ("GET", "/api/v1/usage?group_by=color", 400, "invalid_parameter", Some("group_by")),
        ("GET", "/api/v1/traces/12", 400, "invalid_parameter", Some("trace_id")),
        ("GET", "/api/v1/traces/0af7651916cd43dd8448eb211c80319c", 404, "not_found", None),
        ("GET", "/api/v2", 404, "not_found", None),
        ("GET", "/wasm/filter.wasm", 404, "not_found", None),
        ("GET", "/wasm/sha256/0f/filter.wasm", 404, "not_found", None),
        ("POST", "/api/v1/spans", 405, "method_not_allowed", None),
        ("DELETE", "/metrics", 405, "method_not_allowed", None),
    ] {
        let (found, body) = collector.request(method, path).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (found, body["error"]["code"].as_str(), body["error"]["field"].as_str()),
            (status, Some(code), field),
            "{method} {path}: {body}"
        );
    }
}

#[tokio::test]
async fn health_names_each_part_and_a_store_that_is_away_does_not_count() {
    let collector = Running::start().await;
    let (status, health) = collector.json("/health/ready").await;
    assert_eq!(status, 200);
    assert_eq!(
        health,
        json!({"status": "ok", "checks": [
            {"name": "receive", "status": "ok"}, {"name": "queue", "status": "ok"}, {"name": "store", "status": "ok"},
        ]})
    );
    collector.store.fail_transiently();
    let (status, health) = collector.json("/health/ready").await;
    assert_eq!((status, health["status"].as_str()), (200, Some("degraded")));
    assert_eq!(
        health["checks"][2],
        json!({"name": "store", "status": "degraded", "detail": "the disk is full"})
    );
    assert_eq!(collector.get("/health/live").await.0, 200);
    assert_eq!(collector.get("/health/startup").await.0, 200);
    let (status, error) = collector.json("/api/v1/spans").await;
    assert_eq!((status, error["error"]["code"].as_str()), (503, Some("store_unavailable")));
    collector.store.recover();
    assert_eq!(collector.json("/health").await.1["status"], "ok");
}

#[tokio::test]
async fn heartbeats_show_sidecars_and_are_no_calls() {
    let collector = Running::start().await;
    let start = now();
    let beat = |id: u8, finished: i64, config: &str| Span {
        name: semconv::HEARTBEAT.to_owned(),
        start_time_unix_nano: start + u64::from(id),
        end_time_unix_nano: start + u64::from(id),
        attributes: vec![
            text(semconv::MESHTAP_VM_ID, "0123456789abcdef"),
            text(semconv::MESHTAP_MODULE_VERSION, "0.1.0"),
            text(semconv::MESHTAP_CONFIG_SHA256, config),
            int(semconv::MESHTAP_CONFIG_PROBLEMS, 2),
            int(semconv::MESHTAP_SPANS_FINISHED, finished),
        ],
        ..span(id)
    };
    let other = Span { name: semconv::HEARTBEAT.to_owned(), ..span(9) };
    for (spans, is_ours) in
        [(vec![beat(2, 7, "new"), call(1, "gpt"), beat(3, 8, "new")], true), (vec![other], false)]
    {
        let mut request = request(spans);
        if is_ours {
            let scope = InstrumentationScope { name: semconv::SCOPE_NAME.to_owned(), ..Default::default() };
            request.resource_spans[0].scope_spans[0].scope = Some(scope);
        }
        assert_eq!(collector.export(request).await.unwrap().partial_success, None);
    }

    let (status, list) = collector.json("/api/v1/sidecars?namespace=prod&workload=shop&from=-1h").await;
    assert_eq!(status, 200, "{list}");
    assert_eq!(
        list,
        json!({"truncated": false, "sidecars": [{
            "namespace": "prod", "workload": "shop", "service": "shop", "pod": "shop-1", "instance": null,
            "vm_id": "0123456789abcdef", "module_version": "0.1.0", "module_build": null, "module_sha256": null, "config_sha256": "new",
            "config_problems": 2, "config_problem_paths": [], "spans_finished": 8, "spans_dropped": null,
            "last_seen": list["sidecars"][0]["last_seen"],
        }]})
    );
    for nothing in ["/api/v1/sidecars?namespace=dev", "/api/v1/sidecars?from=2100-01-01T00:00:00Z"] {
        assert_eq!(collector.json(nothing).await.1["sidecars"], json!([]), "{nothing}");
    }
    assert_eq!(collector.get("/api/v1/sidecars?model=gpt").await.0, 400);

    let (_, spans) = collector.json("/api/v1/spans").await;
    let names: Vec<_> = spans["spans"].as_array().unwrap().iter().map(|span| span["name"].clone()).collect();
    assert_eq!(names, ["meshtap.heartbeat", "chat gpt"], "another sender's may be called what it likes");
    let (_, usage) = collector.json("/api/v1/usage").await;
    assert_eq!(usage["rows"][0]["calls"], 1);
    assert_eq!(usage["rows"].as_array().unwrap().len(), 1);
    for (sample, expected) in [
        ("meshtap_heartbeats_received_total", 2.0),
        ("meshtap_spans_received_total", 4.0),
        ("meshtap_spans_stored_total", 2.0),
    ] {
        assert_eq!(collector.metric(sample).await, Some(expected), "{sample}");
    }
}

fn now() -> u64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since_epoch.as_nanos().try_into().unwrap()
}

#[tokio::test]
async fn answers_have_a_bound_in_bytes_and_say_where_to_go_on() {
    let collector = Running::with(|config| config.http.max_response_bytes = 10_000).await;
    let large = |id| Span { attributes: vec![text("long", &"x".repeat(3_000))], ..span(id) };
    let huge = Span { trace_id: vec![1; 16], attributes: vec![text("long", &"x".repeat(20_000))], ..span(9) };
    let mut spans: Vec<Span> = (1..=8).map(|id| Span { trace_id: vec![1; 16], ..large(id) }).collect();
    spans.push(huge);
    collector.export(request(spans)).await.unwrap();

    let (mut ids, mut sizes, mut cursor) = (Vec::new(), Vec::new(), String::new());
    loop {
        let (status, page) = collector.json(&format!("/api/v1/spans?limit=100{cursor}")).await;
        assert_eq!(status, 200, "{page}");
        let spans = page["spans"].as_array().unwrap();
        ids.extend(spans.iter().map(|span| span["span_id"].as_str().unwrap().to_owned()));
        sizes.push(spans.len());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let all: Vec<String> = (1..=9).rev().map(|id| format!("{id:02x}").repeat(8)).collect();
    assert_eq!(ids, all);
    // One that is larger than the bound comes alone.
    assert_eq!(sizes, [1, 2, 2, 2, 2]);
    assert_eq!(collector.metric("meshtap_query_results_cut_total{result=\"spans\"}").await, Some(4.0));

    let (_, trace) = collector.json(&format!("/api/v1/traces/{}", "01".repeat(16))).await;
    assert_eq!((trace["spans"].as_array().unwrap().len(), &trace["truncated"]), (2, &json!(true)));
    assert_eq!(trace["trace_id"], "01".repeat(16));
    assert_eq!(collector.metric("meshtap_query_results_cut_total{result=\"trace\"}").await, Some(1.0));
}
