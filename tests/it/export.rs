//! How spans leave the sidecar, as whoever receives them sees it.

use std::collections::BTreeSet;

use meshtap_filter::fingerprint::Key;
use meshtap_tests::client::HOST;
use meshtap_tests::collector::{Collector, Store};
use meshtap_tests::envoy::{Envoy, Filter, Listener, Settings, typed};
use meshtap_tests::http;
use meshtap_tests::overhead::sink::{Manner, Sink};
use meshtap_tests::ports;
use meshtap_tests::receiver::{Export, Receiver};
use meshtap_tests::sandbox::Sandbox;
use meshtap_tests::standin::{self, Standin};
use meshtap_tests::tools;
use meshtap_tests::wait;
use meshtap_tests::wire::{Answer, Upstream};
use meshtap_tests::workload::Workload;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;
use tonic::Code;

const OBSERVED: &str = "observed";

/// One Envoy whose spans go to a receiver of the test's own.
pub(super) struct Rig {
    _sandbox: Sandbox,
    _standin: Standin,
    pub(super) receiver: Receiver,
    pub(super) envoy: Envoy,
}

impl Rig {
    pub(super) fn start(name: &str, filter: impl FnOnce(Filter) -> Filter) -> Self {
        let sandbox = Sandbox::new(name);
        let standin = Standin::start();
        let receiver = Receiver::start();
        let filter = filter(Filter::exporting_to(receiver.address()));
        let listener = Listener::new(OBSERVED, standin.address()).filter(filter);
        let envoy = Envoy::start(&sandbox, &Workload::new(name, "export"), &[listener]);
        Self { _sandbox: sandbox, _standin: standin, receiver, envoy }
    }

    /// One chat, with these request headers.
    #[track_caller]
    pub(super) fn call(&self, headers: &[(&str, &str)]) {
        self.call_through(OBSERVED, headers);
    }

    #[track_caller]
    fn call_through(&self, listener: &str, headers: &[(&str, &str)]) {
        let mut all =
            vec![("host", HOST), ("content-type", "application/json"), (standin::CALL, "export@it")];
        all.extend(headers);
        let body = br#"{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}"#;
        let reply = http::post(self.envoy.address(listener), "/v1/chat/completions", &all, body);
        assert_eq!(reply.map(|reply| reply.status).ok(), Some(200));
    }

    /// The exports that carry LLM calls, once there are as many calls.
    #[track_caller]
    pub(super) fn wait_for_calls(&self, count: usize) -> Vec<Export> {
        wait::until(&format!("{count} calls at the receiver"), || {
            let mut exports = self.receiver.exports();
            exports.retain(|export| export.spans().next().is_some());
            (exports.iter().flat_map(Export::spans).count() >= count).then_some(exports)
        })
    }
}

#[test]
fn of_two_plugins_in_one_proxy_one_makes_the_span() {
    one_makes_the_span("two-plugins", "other");
}

#[test]
fn of_a_plugin_that_is_in_a_chain_twice_one_makes_the_span() {
    one_makes_the_span("plugin-twice", "meshtap");
}

/// A plugin, and one named `second` behind it: more calls than those on which a plugin that seems to be alone looks for others.
#[track_caller]
fn one_makes_the_span(test: &str, second: &str) {
    let sandbox = Sandbox::new(test);
    let standin = Standin::start();
    let receiver = Receiver::start();
    let filter = Filter::exporting_to(receiver.address());
    let settings = Settings { after: vec![filter.clone().name(second).plugin()], ..Settings::default() };
    let listener = Listener::new(OBSERVED, standin.address()).settings(&settings).filter(filter);
    let envoy = Envoy::start(&sandbox, &Workload::new(test, "export"), &[listener]);
    let rig = Rig { _sandbox: sandbox, _standin: standin, receiver, envoy };
    let calls: u8 = 80;
    (0..calls).for_each(|_| rig.call(&[]));
    rig.envoy.wait_for_counters("the calls that were seen twice", |counters| {
        (counters.get("meshtap_exchanges_seen_twice_total") == u64::from(calls)).then_some(())
    });
    rig.wait_for_calls(calls.into());
    rig.envoy.wait_for_counters("every span to have gone", |counters| {
        (counters.get("meshtap_queue_spans") == 0).then_some(())
    });
    let spans: usize = rig.receiver.exports().iter().map(|export| export.spans().count()).sum();
    assert_eq!(spans, usize::from(calls));
}

/// Envoy calls that an internal error; a collector that says so itself means it for good.
#[test]
fn a_batch_whose_answer_breaks_off_is_sent_again() {
    let sandbox = Sandbox::new("broken-answer");
    let (standin, collector) = (Standin::start(), Upstream::start());
    let begins = Answer::nothing().head(200, &[("content-type", "application/grpc")]);
    let broken = begins.clone().reset();
    // A message of no bytes.
    let taken = begins.body([0; 5]).trailers(&[("grpc-status", "0")]);
    // The first call only asks whether Envoy takes any.
    collector.will_answer("export", &[broken.clone(), broken.clone(), broken, taken]);
    let headers = json!({standin::CALL: "export"});
    let filter = Filter::exporting_to(collector.http2()).set("/collector/headers", headers);
    let listener = Listener::new(OBSERVED, standin.address()).filter(filter);
    let envoy = Envoy::start(&sandbox, &Workload::new("broken-answer", "export"), &[listener]);
    let rig = Rig { _sandbox: sandbox, _standin: standin, receiver: Receiver::start(), envoy };
    rig.call(&[]);
    let counters = rig.envoy.wait_for_counters("the span to be taken", |counters| {
        (counters.get("meshtap_spans_exported_total") == 1).then(|| counters.clone())
    });
    assert!(counters.get("meshtap_export_retries_total") > 0);
    assert_eq!(counters.get("meshtap_spans_dropped_refused_total"), 0);
}

#[test]
fn a_full_batch_leaves_at_once() {
    const ROUNDS: usize = 5;
    let rig = Rig::start("full-batches", |filter| {
        filter.set("/batch/max_age_ms", 10_000.into()).set("/batch/max_spans", 2.into())
    });
    for round in 1..=ROUNDS {
        rig.call(&[]);
        rig.call(&[]);
        let exports = rig.wait_for_calls(2 * round);
        assert_eq!(exports.len(), round, "no batch leaves before it is full");
    }
    // With every batch the answer comes back to the filter, not only the call to the receiver.
    rig.envoy.wait_for_counters("every span to be accepted", |counters| {
        (counters.get("meshtap_spans_exported_total") == 2 * ROUNDS as u64).then_some(())
    });
    assert_eq!(rig.envoy.counters().get("meshtap_queue_spans"), 0);
}

#[test]
fn headers_go_with_every_call() {
    let headers = json!({"authorization": "Bearer s3cret-token", "x-scope-orgid": "team-a", "grpc-timeout": "s3cret-mistake"});
    let rig = Rig::start("headers", |filter| filter.set("/collector/headers", headers));
    rig.call(&[]);
    rig.wait_for_calls(1);
    let exports = rig.receiver.exports();
    assert!(exports.len() >= 2, "the probe, then the batch");
    for export in exports {
        assert_eq!(export.metadata("authorization"), ["Bearer s3cret-token"], "{:?}", export.metadata);
        assert_eq!(export.metadata("x-scope-orgid"), ["team-a"]);
        assert_ne!(export.metadata("grpc-timeout"), ["s3cret-mistake"]);
    }
    let log = rig.envoy.log();
    assert!(log.contains("collector.headers.grpc-timeout"), "{log}");
    assert!(!log.contains("s3cret"), "{log}");
}

/// The attributes of one span, as text.
pub(super) fn attribute(span: &Span, name: &str) -> Option<String> {
    let attribute = span.attributes.iter().find(|attribute| attribute.key == name)?;
    match attribute.value.as_ref()?.value.as_ref()? {
        Any::StringValue(text) => Some(text.clone()),
        other => Some(format!("{other:?}")),
    }
}

#[test]
fn ids_of_headers_stand_in_the_span() {
    let rig = Rig::start("ids", |filter| filter);
    rig.call(&[("x-user-id", "user-1"), ("X-LLMTrace-Session-ID", "session-1"), ("x-tenant-id", "tenant-1")]);
    let exports = rig.wait_for_calls(1);
    let span = exports[0].spans().next().cloned().unwrap_or_default();
    for (name, value) in [
        ("meshtap.user.id", "user-1"),
        ("meshtap.session.id", "session-1"),
        ("meshtap.tenant.id", "tenant-1"),
    ] {
        assert_eq!(attribute(&span, name).as_deref(), Some(value), "{span:#?}");
    }
    // Envoy's own, without one of the caller's.
    assert!(attribute(&span, "meshtap.correlation.id").is_some_and(|id| id.len() == 36), "{span:#?}");
    assert_eq!(attribute(&span, "meshtap.source.principal"), None);
}

#[test]
fn an_api_key_leaves_the_pod_as_its_fingerprint() {
    const SECRET: &str = "a secret of sixteen bytes or more";
    let own = Rig::start("own-fingerprint-key", |filter| filter.set("/api_key", Value::Null));
    let given =
        Rig::start("fingerprint-key", |filter| filter.set("/api_key", json!({"fingerprint_key": SECRET})));
    let fingerprints = |rig: &Rig| {
        rig.call(&[("authorization", "Bearer sk-s3cret-1")]);
        rig.call(&[("x-api-key", "sk-s3cret-1")]);
        rig.call(&[("x-api-key", "sk-s3cret-2")]);
        let exports = rig.wait_for_calls(3);
        let sent = format!("{exports:?} {}", rig.envoy.log());
        assert!(!sent.contains("s3cret") && !sent.contains(SECRET), "{sent}");
        let spans = exports.iter().flat_map(Export::spans);
        spans.filter_map(|span| attribute(span, "meshtap.api_key.fingerprint")).collect::<Vec<_>>()
    };
    let seen = fingerprints(&given);
    let [first, second, third] = seen.as_slice() else { panic!("three: {seen:?}") };
    assert_eq!(*first, Key::from_text(SECRET).fingerprint(b"sk-s3cret-1"));
    assert_eq!(second, first);
    assert_ne!(third, first);
    assert!(!given.envoy.log().contains("fingerprint_key"), "{}", given.envoy.log());

    let seen = fingerprints(&own);
    let [first, second, third] = seen.as_slice() else { panic!("three: {seen:?}") };
    assert_eq!(second, first);
    assert_ne!(third, first);
    assert_ne!(*first, Key::from_text(SECRET).fingerprint(b"sk-s3cret-1"));
    assert_eq!(
        own.envoy.log().matches("without api_key.fingerprint_key").count(),
        1,
        "one of three VMs says it"
    );
}

/// Two sidecars in one Envoy, as the mesh connects them: out of one workload, over mutual TLS, into the other.
#[test]
fn both_ends_of_a_call_inside_the_mesh_know_both_principals() {
    const CALLER: &str = "spiffe://cluster.local/ns/shop/sa/checkout";
    const CALLEE: &str = "spiffe://cluster.local/ns/shop/sa/model";
    let sandbox = Sandbox::new("principals");
    let standin = Standin::start();
    let receiver = Receiver::start();
    let filter = Filter::exporting_to(receiver.address())
        .set("/detect", "heuristic".into())
        .set("/identity", json!({"principals": true}));
    let inbound = Settings {
        listener: fields(&json!({"traffic_direction": "INBOUND"})),
        chain: fields(&json!({"transport_socket": tls("Downstream", "model")})),
        ..Settings::default()
    };
    let outbound = Settings {
        provider: fields(&json!({"transport_socket": tls("Upstream", "checkout")})),
        ..Settings::default()
    };
    let port = ports::free_address();
    let listeners = [
        Listener::new("in", standin.address()).filter(filter.clone()).settings(&inbound).port(port.port()),
        Listener::new("out", port).filter(filter).settings(&outbound),
    ];
    let envoy = Envoy::start(&sandbox, &Workload::new("principals", "shop"), &listeners);
    let rig = Rig { _sandbox: sandbox, _standin: standin, receiver, envoy };
    rig.call_through("out", &[]);
    let exports = rig.wait_for_calls(2);
    let mut spans: Vec<&Span> = exports.iter().flat_map(Export::spans).collect();
    spans.sort_by_key(|span| span.kind);
    assert_eq!(spans.iter().map(|span| span.kind).collect::<Vec<_>>(), [2, 3], "one of each side");
    for span in spans {
        assert_eq!(attribute(span, "meshtap.source.principal").as_deref(), Some(CALLER), "{span:#?}");
        assert_eq!(attribute(span, "meshtap.destination.principal").as_deref(), Some(CALLEE), "{span:#?}");
    }
}

fn fields(object: &Value) -> Map<String, Value> {
    object.as_object().cloned().unwrap_or_default()
}

/// A side of mutual TLS, with the certificate of this workload.
fn tls(side: &str, workload: &str) -> Value {
    let file = |name: String| json!({"filename": tools::own_file("fixtures/mtls").join(name)});
    let mut context = json!({
        "@type": format!("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{side}TlsContext"),
        "common_tls_context": {
            "tls_certificates": [{
                "certificate_chain": file(format!("{workload}.pem")),
                "private_key": file(format!("{workload}.key")),
            }],
            "validation_context": {"trusted_ca": file("ca.pem".to_owned())},
        },
    });
    if side == "Downstream" {
        context["require_client_certificate"] = true.into();
    }
    typed("envoy.transport_sockets.tls", &context)
}

#[test]
fn each_vm_says_that_it_is_there_and_what_it_runs() {
    let start = |name: &str| {
        Rig::start(name, |filter| {
            let filter = filter.set("/heartbeat", json!({"interval_ms": 100}));
            filter.set("/batch/size", 1.into())
        })
    };
    let rig = start("heartbeat");
    rig.call(&[]);
    // One worker, and the main thread.
    let newest = wait::until("a call to be counted in a heartbeat, twice", || {
        let exports = rig.receiver.exports();
        let beats: Vec<Span> =
            exports.iter().flat_map(Export::spans).filter(|span| is_heartbeat(span)).cloned().collect();
        let ids: BTreeSet<_> = beats.iter().filter_map(|span| attribute(span, "meshtap.vm.id")).collect();
        let counting =
            |span: &&Span| attribute(span, "meshtap.spans.finished").as_deref() == Some("IntValue(1)");
        (ids.len() == 2 && beats.iter().filter(counting).count() >= 2)
            .then(|| beats.into_iter().rfind(|span| counting(&span)))?
    });
    assert_eq!(attribute(&newest, "meshtap.module.version").as_deref(), Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(attribute(&newest, "meshtap.module.build").map(|build| build.len()), Some(16));
    assert_eq!(attribute(&newest, "meshtap.config.sha256").map(|hash| hash.len()), Some(64));
    assert_eq!(attribute(&newest, "meshtap.config.problems").as_deref(), Some("IntValue(1)"));
    assert!(
        attribute(&newest, "meshtap.config.problem_paths").is_some_and(|paths| paths.contains("batch.size"))
    );
    // The books hold with heartbeats in them.
    rig.envoy.wait_for_counters("all that was made to be accepted", |counters| {
        let made = counters.get("meshtap_spans_finished_total") + counters.get("meshtap_heartbeats_total");
        (made == counters.get("meshtap_spans_exported_total")).then_some(())
    });
}

#[test]
fn the_collector_knows_which_sidecars_are_there() {
    let sandbox = Sandbox::new("sidecars");
    let standin = Standin::start();
    let collector = Collector::start(&sandbox, "collector", &Store::Sqlite);
    let filter = Filter::exporting_to(collector.grpc()).set("/heartbeat/interval_ms", 60_000.into());
    let listener = Listener::new(OBSERVED, standin.address()).filter(filter);
    let _envoy = Envoy::start(&sandbox, &Workload::new("beating", "shop"), &[listener]);
    let sidecars = wait::until("the worker's heartbeat and the main thread's", || {
        let answer = collector.get("/api/v1/sidecars?namespace=shop&from=-1h").json();
        answer["sidecars"].as_array().filter(|sidecars| sidecars.len() == 2).cloned()
    });
    for sidecar in &sidecars {
        assert_eq!(sidecar["workload"], "beating", "{sidecar}");
        assert_eq!(sidecar["config_problems"], 0);
        assert_eq!(sidecar["module_version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(sidecar["config_sha256"], sidecars[0]["config_sha256"]);
    }
    assert_eq!(collector.spans("limit=10").len(), 0);
    assert_eq!(collector.usage("model").len(), 0);
}

#[test]
fn a_collector_that_refuses_every_batch_is_said_once() {
    let runtime = Runtime::new().unwrap();
    let sandbox = Sandbox::new("refused-once");
    let standin = Standin::start();
    let sink = Sink::start(runtime.handle());
    sink.behave(Manner::Fails(Code::PermissionDenied));
    let filter = Filter::exporting_to(sink.address()).set("/batch/max_age_ms", 50.into());
    let listener = Listener::new(OBSERVED, standin.address()).filter(filter);
    let envoy = Envoy::start(&sandbox, &Workload::new("refused-once", "export"), &[listener]);
    let call = || {
        let headers = [("host", HOST), ("content-type", "application/json"), (standin::CALL, "refused@it")];
        let body = br#"{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}"#;
        let reply = http::post(envoy.address(OBSERVED), "/v1/chat/completions", &headers, body);
        assert_eq!(reply.map(|reply| reply.status).ok(), Some(200));
    };
    let refused = || envoy.counters().get("meshtap_spans_dropped_refused_total");
    for _ in 0..4 {
        let before = refused();
        call();
        wait::until("another batch to be refused", || (refused() > before).then_some(()));
    }
    // The worker's and the main thread's.
    let failures = || envoy.log().matches("failed: gRPC status 7").count();
    let before = failures();
    assert!((1..=2).contains(&before), "{}", envoy.log());
    sink.behave(Manner::Accepts);
    let exported = || envoy.counters().get("meshtap_spans_exported_total");
    call();
    wait::until("a batch to be taken", || (exported() > 0).then_some(()));
    sink.behave(Manner::Fails(Code::PermissionDenied));
    call();
    wait::until("the next row of failures to be said", || (failures() > before).then_some(()));
}

fn is_heartbeat(span: &Span) -> bool {
    span.name == "meshtap.heartbeat"
}
