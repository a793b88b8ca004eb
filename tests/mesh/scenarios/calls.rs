//! Calls that go well.

use std::time::Duration;

use meshtap_mesh::app::Call;
use meshtap_mesh::provider::OPENAI;
use meshtap_tests::wait;
use serde_json::json;

use crate::world::{BASE, RESILIENT, TRAFFIC_EXTENSION, World, module_bytes};

/// The manifests as they stand, in the namespace that they name.
pub(crate) fn first_span(world: &World) {
    let mesh = &world.mesh;
    mesh.kube.apply_folder(&meshtap_mesh::mesh::repository("istio/sample"));
    let pod = meshtap_mesh::pod::Pod::of(mesh.node(), "deployment", "llm-apps", "llm-sample");
    pod.ready(mesh.node());
    let answer = pod.call(&Call::chat("first-span"));
    assert_eq!(answer.status, 200, "{answer:?}\n{}", pod.log());
    let span = world.collector().wait_for_span("namespace=llm-apps");
    assert_eq!(span.request_model.as_deref(), Some("gpt-4o"), "{span:#?}");
    assert_eq!(span.workload.as_deref(), Some("llm-sample"), "{span:#?}");
    let heartbeat = wait::until("a heartbeat", || world.collector().sidecars("llm-apps").pop());
    let plugin = mesh.kube.get(&["-n", "llm-apps", "wasmplugin", "meshtap"]);
    assert_eq!(heartbeat["module_sha256"], plugin["spec"]["sha256"], "{heartbeat:#}");
    let seen = mesh.provider.standin.exchange("first-span@mesh");
    assert_eq!(span.usage.input_tokens, seen.usage.map(|usage| usage.input), "{span:#?}");
    world.all_batches_come();
    assert_eq!(world.collector().spans("namespace=llm-apps").len(), 1);
    world.holds(
        "`istio/collector` and `istio/sample` applied as they stand, one call",
        "200, one span; the heartbeat has the digest that the WasmPlugin names, as `module_sha256`",
    );
}

pub(crate) fn json_and_sse(world: &World) {
    let places = [("base", BASE), ("resilient", RESILIENT), ("traffic-extension", TRAFFIC_EXTENSION)];
    world.holds_in(places, |world, (place, folders)| vec![both_kinds(world, place, folders)]);
}

fn both_kinds(world: &World, place: &str, folders: &[&str]) -> (String, String) {
    let namespace = world.namespace(&format!("llm-calls-{place}"), folders, &[]);
    let pod = namespace.workload("checkout");
    let whole = Call::chat(&format!("json-{place}")).model("gpt-4o-mini");
    let streamed = Call::chat(&format!("sse-{place}")).slowly(Duration::from_millis(20));
    // The resilient filter slots in after the start.
    crate::until_seen(world, &namespace.name, &pod);
    assert_eq!(pod.call(&whole).status, 200);
    assert!(pod.call(&streamed).is_whole_stream());
    world.all_batches_come();
    let collector = world.collector();
    let span = collector.wait_for_span(&format!("{}&model=gpt-4o-mini", namespace.query()));
    assert_eq!((span.kind.as_str(), span.stream), ("client", None), "{span:#?}");
    assert_eq!(span.attribute("server.address").as_deref(), Some(OPENAI), "{span:#?}");
    let span = collector.wait_for_span(&format!("{}&model=gpt-4o", namespace.query()));
    let sent = world.mesh.provider.standin.exchange(&format!("sse-{place}@mesh"));
    assert_eq!(span.usage.output_tokens, sent.usage.map(|usage| usage.output), "{span:#?}");
    assert_eq!((span.stream, span.end.as_deref()), (Some(true), Some("complete")), "{span:#?}");
    let situation = format!("{place}: a JSON answer and an SSE stream through TLS origination");
    (situation, "as without the filter, one span each".to_owned())
}

const FINISHED: &str = "wasmcustom.meshtap_spans_finished_total";

/// Without `match`, and in the collector's own namespace: the proxy that receives all spans looks at none of them.
pub(crate) fn own_traffic(world: &World) {
    let kube = &world.mesh.kube;
    let remove = json!({"kind": "WasmPlugin", "patch": [{"op": "remove", "path": "/spec/match"}]});
    let namespace = world.namespace("llm-own", BASE, std::slice::from_ref(&remove));
    let plugin = kube.get(&["-n", &namespace.name, "wasmplugin", "meshtap"]);
    // The node here has no way from a pod to itself by a Service's address.
    let module = world.modules.serve("own.wasm", &module_bytes());
    let mut spec = plugin["spec"].clone();
    spec["url"] = json!(module.url);
    kube.apply_object(&json!({
        "apiVersion": plugin["apiVersion"],
        "kind": "WasmPlugin",
        "metadata": {"name": "meshtap", "namespace": "meshtap-system"},
        "spec": spec,
    }));
    wait::until("the filter in the collector's own sidecar", || {
        let dump = world.collector().pod.admin("/config_dump?resource=ecds_filters");
        dump.contains("meshtap-system.meshtap").then_some(())
    });
    // From now on it is there, and is for others than itself.
    let address = world.collector().pod.address();
    wait::until("the collector's own sidecar sees a call", || {
        let body = r#"{"model":"gpt-4o","messages":[]}"#;
        let call = ureq::post(format!("http://{address}:8080/v1/chat/completions")).header("host", OPENAI);
        let answer = call.config().http_status_as_error(false).build().send(body).unwrap();
        assert_eq!(answer.status().as_u16(), 404);
        (world.collector().pod.stat(FINISHED) > 0).then_some(())
    });
    let pod = namespace.workload("checkout");
    crate::until_seen(world, &namespace.name, &pod);
    let of_others = world.collector().pod.stat(FINISHED);
    for number in 0..5 {
        assert_eq!(pod.call(&Call::chat(&format!("own-{number}")).model("own")).status, 200);
    }
    let query = format!("{}&model=own", namespace.query());
    world.collector().wait_for_spans(&query, 5);
    world.all_batches_come();
    let spans = world.collector().spans(&query);
    assert_eq!(spans.len(), 5);
    assert_eq!(world.collector().pod.stat(FINISHED), of_others);
    let stored = world.collector().spans("namespace=meshtap-system&limit=1000");
    assert!(stored.iter().all(|span| span.request_model.as_deref() == Some("gpt-4o")), "{stored:#?}");
    kube.tell(&["-n", "meshtap-system", "delete", "wasmplugin", "meshtap"]);
    world.holds(
        "a WasmPlugin without `match`, also in the collector's own namespace",
        "one span for each call, none of the spans' own way",
    );
}

/// The mesh writes a line for each call; with the component a namespace has lines of those that failed, and no others.
pub(crate) fn access_log(world: &World) {
    for (place, folders, good_line) in [
        ("base", BASE.to_vec(), true),
        ("access-log", [BASE, &["istio/components/access-log"]].concat(), false),
    ] {
        let namespace = world.namespace(&format!("llm-log-{place}"), &folders, &[]);
        let pod = namespace.workload("checkout");
        let line = |path: &str| pod.log().lines().any(|line| line.contains(path));
        let call = |path: &str| {
            let url = format!("http://{OPENAI}/v1/{path}");
            pod.call(&Call { url, ..Call::chat(path) }).status
        };
        assert_eq!((call("chat/completions"), call("not-there")), (200, 404));
        wait::until("the line of the call that failed", || line("/v1/not-there").then_some(()));
        assert_eq!(line("/v1/chat/completions"), good_line, "{}", pod.log());
        let outcome =
            if good_line { "a line for each call" } else { "lines of calls that failed, and no others" };
        world.holds(&format!("{place}: what the sidecar logs where the mesh logs every call"), outcome);
    }
}

/// TLS that begins in the application: to its sidecar a stream of bytes.
pub(crate) fn https(world: &World) {
    let namespace = world.namespace("llm-https", BASE, &[]);
    let pod = namespace.workload("checkout");
    crate::until_seen(world, &namespace.name, &pod);
    let name = "https";
    let status = pod.call_over_tls(OPENAI, &Call::chat(name).model(name));
    assert_eq!(world.mesh.provider.standin.times(&format!("{name}@mesh")), 1);
    assert!(!world.was_seen(&namespace.query(), name));
    world.holds("base: an app that says `https`", &format!("{status}, no spans"));
}
