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
    let seen = mesh.provider.standin.exchange("first-span@mesh");
    assert_eq!(span.usage.input_tokens, seen.usage.map(|usage| usage.input), "{span:#?}");
    world.holds("`istio/collector` and `istio/sample` applied as they stand, one call", "200, one span");
}

pub(crate) fn json_and_sse(world: &World) {
    for (place, folders) in
        [("base", BASE), ("resilient", RESILIENT), ("traffic-extension", TRAFFIC_EXTENSION)]
    {
        let namespace = world.namespace(&format!("llm-calls-{place}"), folders, &[]);
        let pod = namespace.workload("checkout");
        let whole = Call::chat(&format!("json-{place}")).model("gpt-4o-mini");
        let streamed = Call::chat(&format!("sse-{place}")).slowly(Duration::from_millis(20));
        // The resilient filter slots in after the start.
        crate::until_seen(world, &namespace.name, &pod);
        assert_eq!(pod.call(&whole).status, 200);
        assert!(pod.call(&streamed).is_whole_stream());
        let collector = world.collector();
        let span = collector.wait_for_span(&format!("{}&model=gpt-4o-mini", namespace.query()));
        assert_eq!((span.kind.as_str(), span.stream), ("client", None), "{span:#?}");
        assert_eq!(span.attribute("server.address").as_deref(), Some(OPENAI), "{span:#?}");
        let span = collector.wait_for_span(&format!("{}&model=gpt-4o", namespace.query()));
        let sent = world.mesh.provider.standin.exchange(&format!("sse-{place}@mesh"));
        assert_eq!(span.usage.output_tokens, sent.usage.map(|usage| usage.output), "{span:#?}");
        assert_eq!((span.stream, span.end.as_deref()), (Some(true), Some("complete")), "{span:#?}");
        let situation = format!("{place}: a JSON answer and an SSE stream through TLS origination");
        world.holds(&situation, "as without the filter, one span each");
    }
}

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
    let pod = namespace.workload("checkout");
    crate::until_seen(world, &namespace.name, &pod);
    for number in 0..5 {
        assert_eq!(pod.call(&Call::chat(&format!("own-{number}")).model("own")).status, 200);
    }
    let spans = world.collector().wait_for_spans(&format!("{}&model=own", namespace.query()), 5);
    assert_eq!(spans.len(), 5);
    assert!(world.collector().spans("namespace=meshtap-system").is_empty());
    assert_eq!(world.collector().pod.stat("wasmcustom.meshtap_spans_finished_total"), 0);
    kube.tell(&["-n", "meshtap-system", "delete", "wasmplugin", "meshtap"]);
    world.holds(
        "a WasmPlugin without `match`, also in the collector's own namespace",
        "one span for each call, none of the spans' own way",
    );
}
