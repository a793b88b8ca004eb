//! Bodies and configurations that nobody should send: traffic passes untouched, the span says what is known, and a
//! counter says why the rest is not.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use meshtap_tests::client::{Call, HOST, OpenAiClient};
use meshtap_tests::collector::{Collector, Store};
use meshtap_tests::envoy::{Counters, Envoy, Filter, Listener};
use meshtap_tests::http::{self, Reply};
use meshtap_tests::mesh::{self, BARE, PARENT_SPAN, Side, assert_same_bytes};
use meshtap_tests::sandbox::Sandbox;
use meshtap_tests::spans::Span;
use meshtap_tests::standin::record::Exchange;
use meshtap_tests::standin::scenario::Scenario;
use meshtap_tests::standin::{self, Standin};
use meshtap_tests::wait;
use meshtap_tests::workload::Workload;

use crate::expect::{answered, complete, counted, failed, finished, uncounted};

const OBSERVED: &str = "observed";
const DEFAULT_CLUSTER: &str = "outbound|4317||meshtap-collector.meshtap-system.svc.cluster.local";

/// One Envoy, with the filter and without, and one collector: for tests that look at counters.
struct Watched {
    _sandbox: Sandbox,
    standin: Standin,
    collector: Collector,
    envoy: Envoy,
}

impl Watched {
    fn start(name: &str, filter: impl FnOnce(Filter) -> Filter) -> Self {
        let sandbox = Sandbox::new(name);
        let standin = Standin::start();
        let collector = Collector::start(&sandbox, "collector", &Store::Sqlite);
        let filter = filter(Filter::exporting_to(collector.grpc()));
        let listeners = [
            Listener::new(BARE, standin.address()),
            Listener::new(OBSERVED, standin.address()).filter(filter),
        ];
        let envoy = Envoy::start(&sandbox, &Workload::new("careless", "default"), &listeners);
        Self { _sandbox: sandbox, standin, collector, envoy }
    }

    /// One at a time: whoever holds it may say what the counters count.
    fn alone() -> MutexGuard<'static, Self> {
        static WATCHED: LazyLock<Mutex<Watched>> =
            LazyLock::new(|| Mutex::new(Watched::start("bad-input", |filter| filter)));
        WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the call with the SDK, with and without the filter.
    #[track_caller]
    fn sdk(&self, call: &Call) -> Bad {
        let client = OpenAiClient::shared();
        let trace = mesh::new_trace_id();
        let call = call.clone().header("traceparent", &traceparent(&trace));
        let before = self.envoy.counters();
        let [bare, observed] = [BARE, OBSERVED].map(|via| {
            let side: Side = mesh::one_way(client, &self.standin, self.envoy.address(via), via, &call);
            side.assert_faithful(via);
            side
        });
        assert_eq!(observed.outcome.error_class(), bare.outcome.error_class());
        assert_eq!(observed.outcome.chunks, bare.outcome.chunks);
        let span = self.collector.wait_for_span(&format!("trace_id={trace}"));
        Bad { span, exchange: observed.exchange, before }
    }

    /// Sends bytes that no SDK would send, with and without the filter.
    #[track_caller]
    fn raw(&self, case: &str, content_type: &str, body: &[u8]) -> Bad {
        let trace = mesh::new_trace_id();
        let before = self.envoy.counters();
        let [bare, observed] = [BARE, OBSERVED].map(|via| self.send(case, via, content_type, &trace, body));
        assert_eq!(observed.0.status, bare.0.status);
        assert_same_bytes(&observed.0.body, &bare.0.body, "response body");
        let span = self.collector.wait_for_span(&format!("trace_id={trace}"));
        Bad { span, exchange: observed.1, before }
    }

    fn send(&self, case: &str, via: &str, content_type: &str, trace: &str, body: &[u8]) -> (Reply, Exchange) {
        let call = format!("{case}@{via}");
        let traceparent = traceparent(trace);
        let headers = [
            ("host", HOST),
            ("content-type", content_type),
            ("traceparent", &traceparent),
            (standin::CALL, &call),
        ];
        let reply = http::post(self.envoy.address(via), "/v1/chat/completions", &headers, body);
        let reply = reply.unwrap_or_else(|e| panic!("{via}: {e}"));
        let exchange = self.standin.exchange(&call);
        assert_same_bytes(&exchange.request_body, body, &format!("{via}: request body"));
        assert_same_bytes(&reply.body, &exchange.sent, &format!("{via}: response body"));
        (reply, exchange)
    }

    /// Waits until each of these counters has grown.
    #[track_caller]
    fn counted(&self, before: &Counters, names: &[&str]) {
        let what = format!("{names:?} to be counted");
        self.envoy.wait_for_counters(&what, |now| {
            let grown = now.since(before);
            names.iter().all(|name| grown.contains_key(*name)).then_some(())
        });
    }
}

/// What became of a bad exchange, and what was counted before it.
struct Bad {
    span: Span,
    exchange: Exchange,
    before: Counters,
}

impl Bad {
    #[track_caller]
    fn response_unread(&self, reason: &str) {
        assert_eq!(
            self.span.attribute("meshtap.response.unread").as_deref(),
            Some(reason),
            "{:#?}",
            self.span
        );
        assert_eq!(self.span.attribute("meshtap.request.unread"), None, "{:#?}", self.span);
    }

    #[track_caller]
    fn request_unread(&self, reason: &str) {
        assert_eq!(
            self.span.attribute("meshtap.request.unread").as_deref(),
            Some(reason),
            "{:#?}",
            self.span
        );
        assert_eq!(self.span.attribute("meshtap.response.unread"), None, "{:#?}", self.span);
    }
}

fn traceparent(trace: &str) -> String {
    format!("00-{trace}-{PARENT_SPAN}-01")
}

#[test]
fn malformed_request() {
    let watched = Watched::alone();
    let body = br#"{"model": "gpt-4o-mini", "temperature": nothing, "messages": []}"#;
    let bad = watched.raw("bad-request", "application/json", body);
    failed(&bad.span, "complete", "400");
    uncounted(&bad.span);
    assert_eq!(bad.span.request_model.as_deref(), Some("gpt-4o-mini"), "read before the mistake");
    bad.request_unread("malformed");
    watched.counted(&bad.before, &["meshtap_request_unread_malformed_total"]);
}

#[test]
fn request_that_ends_too_early() {
    let watched = Watched::alone();
    let bad =
        watched.raw("bad-short-request", "application/json", br#"{"model": "gpt-4o-mini", "messages": ["#);
    assert_eq!(bad.span.request_model.as_deref(), Some("gpt-4o-mini"));
    bad.request_unread("truncated");
    watched.counted(&bad.before, &["meshtap_request_unread_truncated_total"]);
}

#[test]
fn malformed_answer() {
    let watched = Watched::alone();
    let bad = watched.sdk(&Call::chat("bad-answer", "gpt-4o").scenario(Scenario::MalformedJson));
    uncounted(&bad.span);
    answered(&bad.span, &bad.exchange);
    assert_eq!(bad.span.http_status_code, Some(200));
    bad.response_unread("malformed");
    watched.counted(&bad.before, &["meshtap_response_unread_malformed_total", "meshtap_usage_absent_total"]);
}

#[test]
fn truncated_stream() {
    let watched = Watched::alone();
    let call = Call::chat("bad-stream", "gpt-4o").streamed().with_usage().scenario(Scenario::TruncatedSse);
    let bad = watched.sdk(&call);
    uncounted(&bad.span);
    answered(&bad.span, &bad.exchange);
    assert!(bad.span.time_to_first_content_ms.is_some());
    bad.response_unread("truncated");
    watched.counted(&bad.before, &["meshtap_response_unread_truncated_total", "meshtap_usage_absent_total"]);
}

#[test]
fn answer_of_another_content_type() {
    let watched = Watched::alone();
    let bad = watched.sdk(&Call::chat("bad-page", "gpt-4o").scenario(Scenario::WrongContentType));
    uncounted(&bad.span);
    assert_eq!(bad.span.request_model.as_deref(), Some("gpt-4o"));
    assert_eq!(bad.span.http_status_code, Some(200));
    bad.response_unread("content_type");
    watched
        .counted(&bad.before, &["meshtap_response_unread_content_type_total", "meshtap_usage_absent_total"]);
}

/// As fetch sends it that was told nothing.
#[test]
fn request_of_another_content_type() {
    let watched = Watched::alone();
    let body = br#"{"model": "gpt-4o-mini", "messages": []}"#;
    let bad = watched.raw("bad-type", "text/plain", body);
    answered(&bad.span, &bad.exchange);
    counted(&bad.span, &bad.exchange);
    assert_eq!(bad.span.request_model.as_deref(), Some("gpt-4o-mini"));
    watched.counted(&bad.before, &[]);
}

#[test]
fn answer_of_ten_megabytes() {
    let watched = Watched::alone();
    let bad = watched.sdk(&Call::chat("bad-big-answer", "gpt-4o").scenario(Scenario::BigResponse));
    complete(&bad.span, &bad.exchange);
    counted(&bad.span, &bad.exchange);
    finished(&bad.span, "stop");
    assert!(bad.exchange.sent.len() >= 10_000_000);
    assert_eq!(bad.span.attribute("meshtap.response.bytes"), Some(bad.exchange.sent.len().to_string()));
}

#[test]
fn request_of_ten_megabytes() {
    let watched = Watched::alone();
    let text = "façade 🙂 ".repeat(10_000_000 / 12);
    let call = Call::chat("bad-big-request", "gpt-4o")
        .set("messages", serde_json::json!([{"role": "user", "content": text}]));
    let bad = watched.sdk(&call);
    complete(&bad.span, &bad.exchange);
    counted(&bad.span, &bad.exchange);
    assert!(bad.exchange.request_body.len() >= 10_000_000);
    assert_eq!(
        bad.span.attribute("meshtap.request.bytes"),
        Some(bad.exchange.request_body.len().to_string())
    );
}

#[test]
fn answer_without_usage() {
    let watched = Watched::alone();
    let bad = watched.sdk(&Call::chat("bad-no-usage", "gpt-4o").scenario(Scenario::NoUsage));
    complete(&bad.span, &bad.exchange);
    uncounted(&bad.span);
    assert!(bad.span.attribute("meshtap.usage.absent_reason").is_some());
    watched.counted(&bad.before, &["meshtap_usage_absent_total"]);
}

#[test]
fn unknown_configuration_key() {
    let watched = Watched::start("unknown-key", |filter| {
        filter.set("/batch/max_spams", 1.into()).set("/sampling", serde_json::json!({"ratio": 1}))
    });
    let bad = watched.sdk(&Call::chat("bad-key", "gpt-4o"));
    complete(&bad.span, &bad.exchange);
    counted(&bad.span, &bad.exchange);
    watched.envoy.wait_for_counters("both mistakes to be counted", |counters| {
        (counters.get("meshtap_config_problems_total") == 2).then_some(())
    });
    let log = watched.envoy.log();
    for path in ["batch.max_spams", "sampling"] {
        assert_eq!(log.matches(path).count(), 1, "{path} once in the log:\n{log}");
    }
}

#[test]
fn configuration_that_is_not_json() {
    let watched = Watched::start("not-json", |filter| {
        filter.configuration("detect: heuristic").cluster(DEFAULT_CLUSTER)
    });
    let bad = watched.sdk(&Call::chat("bad-config", "gpt-4o"));
    complete(&bad.span, &bad.exchange);
    counted(&bad.span, &bad.exchange);
    watched.envoy.wait_for_counters("the mistake to be counted", |counters| {
        (counters.get("meshtap_config_problems_total") == 1).then_some(())
    });
    let sidecar = wait::until("a heartbeat", || {
        watched.collector.get("/api/v1/sidecars?from=-1h").json()["sidecars"].as_array()?.first().cloned()
    });
    assert_eq!(sidecar["config_problem_paths"], serde_json::json!(["(document)"]), "{sidecar:#}");
}
