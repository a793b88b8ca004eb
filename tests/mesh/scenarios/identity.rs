//! Who sends spans: mutual TLS with STRICT, and the AuthorizationPolicy on.

use std::net::Ipv4Addr;

use meshtap_mesh::app::Call;
use meshtap_mesh::collector::{HOST, NAME, NAMESPACE};
use meshtap_mesh::pod::Pod;
use meshtap_tests::wait;
use meshtap_tests::wire::{Headers, Next, Reply, ReplyEnd, Request, headers, http2};
use serde_json::{Value, json};

use crate::world::{BASE, World};

/// The collector's sidecar names the caller; an identity that the policy does not name is refused and counted.
pub(crate) fn strict_and_authorized(world: &World) {
    let namespace = world.namespace("llm-identity", BASE, &[]);
    let pod = namespace.workload("checkout");
    assert_eq!(pod.call(&Call::chat("identity")).status, 200);
    world.collector().wait_for_span(&namespace.query());
    let caller = "spiffe://cluster.local/ns/llm-identity/sa/checkout";
    let allowed = wait::poll(|| {
        let clusters = pod.admin("/certs");
        clusters.contains(caller).then_some(())
    });
    assert!(allowed.is_some(), "the sidecar's certificate is not of {caller}");
    world.holds(
        "spans over mutual TLS (STRICT) from a namespace that the AuthorizationPolicy names",
        "stored",
    );

    let strangers = world.namespace("strangers", BASE, &[]);
    let denied_before = denied(world);
    let known = pod;
    let pod = strangers.workload("checkout");
    assert_eq!(pod.call(&Call::chat("stranger")).status, 200);
    wait::until("the refusal in the filter's counters", || {
        (pod.stat("wasmcustom.meshtap_spans_dropped_refused_total") > 0).then_some(())
    });
    wait::until("the refusal in the collector's sidecar", || (denied(world) > denied_before).then_some(()));
    world.all_batches_come();
    assert!(world.collector().spans(&strangers.query()).is_empty());
    world.holds(
        "spans from a namespace that it does not name",
        "traffic as ever; `meshtap_spans_dropped_refused_total` in the pod and `rbac.denied` in the collector's sidecar",
    );
    world.holds(
        "OTLP over HTTP (4318), from a namespace that the AuthorizationPolicy names, and from another",
        &format!("{} and {}", over_http(&known), over_http(&pod)),
    );
}

/// The status of an export of no spans, as JSON.
fn over_http(pod: &Pod) -> u16 {
    let url = format!("http://{HOST}:4318/v1/traces");
    let answer = pod.call(&Call { url, headers: Vec::new(), body: json!({"resourceSpans": []}) });
    answer.status
}

/// OTLP in plain text, by a client that nothing but STRICT turns away: with the same policy for everybody and the mode
/// PERMISSIVE its call is taken. The module can be had in plain text all the while.
pub(crate) fn plain_text(world: &World) {
    let address = world.collector().pod.address();
    let module = format!("http://{address}:8080/wasm/index.json");
    let index = ureq::get(&module).call().and_then(|mut reply| reply.body_mut().read_to_string());
    assert!(index.unwrap().contains("/wasm/sha256/"));
    let without_policy = export_in_plain_text(address);
    assert_ne!(without_policy.end, ReplyEnd::Whole, "{without_policy:?}");

    let kube = &world.mesh.kube;
    let policy = kube.get(&["-n", NAMESPACE, "authorizationpolicy", NAME]);
    patch(world, "authorizationpolicy", &json!([{"op": "remove", "path": "/spec/rules/0/from"}]));
    let mode = |mode: &str| json!([{"op": "replace", "path": "/spec/mtls/mode", "value": mode}]);
    patch(world, "peerauthentication", &mode("PERMISSIVE"));
    wait::until("a call in plain text that is taken", || {
        let reply = export_in_plain_text(address);
        let taken = |list: &Headers| list.iter().any(|(name, value)| name == "grpc-status" && value == "0");
        (reply.status == 200 && (taken(&reply.trailers) || taken(&reply.headers))).then_some(())
    });
    patch(world, "peerauthentication", &mode("STRICT"));
    wait::until("a call in plain text that is cut off", || {
        let reply = export_in_plain_text(address);
        (reply.status == 0 && reply.end == ReplyEnd::Broken).then_some(())
    });
    let rules = &policy["spec"]["rules"];
    patch(world, "authorizationpolicy", &json!([{"op": "replace", "path": "/spec/rules", "value": rules}]));
    world.holds(
        "plain text to the collector",
        "4317: the connection is closed, by STRICT alone: with PERMISSIVE and a policy for everybody the same call is \
         taken; 8080: served",
    );
}

fn patch(world: &World, kind: &str, patch: &Value) {
    let patch = patch.to_string();
    world.mesh.kube.tell(&["-n", NAMESPACE, "patch", kind, NAME, "--type=json", "-p", &patch]);
}

/// An export of no spans, by gRPC over HTTP/2 without TLS and without a sidecar.
fn export_in_plain_text(address: Ipv4Addr) -> Reply {
    let request = Request {
        method: "POST".to_owned(),
        host: HOST.to_owned(),
        path: "/opentelemetry.proto.collector.trace.v1.TraceService/Export".to_owned(),
        headers: headers(&[("content-type", "application/grpc"), ("te", "trailers")]),
        // Not compressed, of no bytes.
        body: vec![0; 5],
        ..Request::default()
    };
    let mut replies = http2((address, 4317).into(), &[request], |_, _| Next::Stay);
    replies.remove(0)
}

fn denied(world: &World) -> u64 {
    let page = world.collector().pod.admin("/stats?filter=rbac.denied");
    page.lines().filter_map(|line| line.rsplit_once(": ")?.1.parse::<u64>().ok()).sum()
}
