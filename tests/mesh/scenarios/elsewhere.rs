//! The filter in other places than a caller's sidecar: in a gateway, and before a server.

use std::collections::BTreeSet;
use std::fs;

use meshtap_mesh::app::Call;
use meshtap_mesh::mesh::repository;
use meshtap_mesh::pod::Pod;
use meshtap_mesh::provider::{BEDROCK, OPENAI};
use meshtap_mesh::results::roughly;
use meshtap_tests::wait;
use serde_json::{Value, json};

use crate::world::{Namespace, World, module_bytes, with_module, with_setting};

/// caller without the filter, its sidecar, the gateway with the filter, the provider.
pub(crate) fn egress_gateway(world: &World) {
    let mesh = &world.mesh;
    let folder = repository("istio/egress-gateway");
    let namespace = world.namespace("behind-gateway", &[], &[]);
    // The gateway's own namespace is in the list of the manifest, or it is not let in.
    mesh.admit(&["llm-control", "llm-behind"]);
    wait::until("the policy in the collector's sidecar", || {
        let listeners = world.collector().pod.admin("/config_dump?resource=dynamic_listeners");
        (!listeners.contains("/ns/llm-.*/")).then_some(())
    });
    mesh.kube.apply_folder(&folder);
    let gateway = Pod::of(mesh.node(), "deployment", "llm-egress", "llm-egressgateway");
    gateway.ready(mesh.node());
    let pod = namespace.workload("checkout");
    wait::until("the way through the gateway", || {
        pod.admin("/config_dump?resource=dynamic_route_configs").contains("llm-egressgateway").then_some(())
    });
    let query = "namespace=llm-egress&model=through-gateway";
    wait::until("a span of the gateway", || {
        // A call that fails in the gateway has a span too.
        let answer = pod.call(&Call::chat("through-gateway").streamed().model("through-gateway"));
        (answer.status == 200 && world.was_seen("namespace=llm-egress", "through-gateway")).then_some(())
    });
    let span = world.collector().spans(query).remove(0);
    assert_eq!(span.workload.as_deref(), Some("llm-egressgateway"), "{span:#?}");
    assert_eq!(span.attribute("server.address").as_deref(), Some(OPENAI), "{span:#?}");
    let caller = "spiffe://cluster.local/ns/behind-gateway/sa/checkout";
    assert_eq!(span.attribute("meshtap.source.principal").as_deref(), Some(caller), "{span:#?}");
    let name = "gateway-stream";
    assert!(pod.call(&Call::chat(name).streamed().model(name)).is_whole_stream());
    assert_eq!(world.collector().wait_for_span(&format!("namespace=llm-egress&model={name}")).kind, "client");
    world.holds(
        "egress-gateway: an SSE stream of a pod whose own sidecar has no filter",
        "as without the filter; one span of the gateway, with the caller's identity",
    );
    both_ends(world);
    second_provider(world, &pod);
    gateway.delete(&mesh.kube);
    gateways_start(world);
    mesh.admit(&["llm-*"]);
    mesh.kube.tell(&["delete", "-k", &folder.display().to_string(), "--wait=false", "--ignore-not-found"]);
}

/// A gateway that starts while its module cannot be fetched: a server that drops packets.
fn gateways_start(world: &World) {
    let mesh = &world.mesh;
    let module = world.modules.serve("gateway.wasm", &module_bytes());
    let away = with_module(&module.clone().dropped());
    let caller = world.namespace("before-gateway", &[], &[]).workload("checkout");
    for (place, folders) in [
        ("egress-gateway", vec!["istio/egress-gateway"]),
        (
            "egress-gateway, resilient-gateway",
            vec!["istio/egress-gateway", "istio/components/resilient-gateway"],
        ),
    ] {
        mesh.kube.run(&["-n", "llm-egress", "delete", "wasmplugin", "meshtap", "--ignore-not-found"]);
        mesh.apply_to("llm-egress", &folders, &away);
        let gateway = Pod::of(mesh.node(), "deployment", "llm-egress", "llm-egressgateway");
        let took = roughly(gateway.ready(mesh.node()));
        let name = format!("gateway-start-{}", folders.len());
        let first = wait::until("an answer through the gateway", || {
            let answer = caller.call(&Call::chat(&name).model(&name));
            (answer.status != 503).then_some(answer)
        });
        let spans = if world.was_seen("namespace=llm-egress", &name) { "spans" } else { "no spans" };
        // Once the module can be had.
        mesh.apply_to("llm-egress", &folders, &with_module(&module));
        let back = format!("{name}-back");
        wait::until("a span of the gateway", || {
            assert_eq!(caller.call(&Call::chat(&back).model(&back)).status, 200);
            world.was_seen("namespace=llm-egress", &back).then_some(())
        });
        world.holds(
            &format!("{place}: the gateway starts, and the module server drops packets"),
            &format!("ready {took}; {}, {spans}; spans come once the module can be had", first.status),
        );
        gateway.delete(&mesh.kube);
    }
}

/// What docs/istio.md says of a second provider: a copy of `route.yaml` with other names, and a subset for each provider in
/// the DestinationRule that both share.
fn second_provider(world: &World, caller: &Pod) {
    let kube = &world.mesh.kube;
    let text = fs::read_to_string(repository("istio/egress-gateway/route.yaml")).unwrap();
    let first: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let copy = text.replace(OPENAI, BEDROCK).replace("api-openai-com", SECOND);
    let mut second: Vec<Value> = serde_saphyr::from_multiple(&copy).unwrap();
    second.iter_mut().for_each(with_names_of_its_own);
    let of_gateway = "llm-egressgateway";
    let mut shared = find(&first, "DestinationRule", of_gateway).clone();
    let subset =
        |name: &str, object: &Value| json!({"name": name, "trafficPolicy": object["spec"]["trafficPolicy"]});
    shared["spec"]["subsets"] = json!([
        subset("api-openai-com", &shared),
        subset(SECOND, find(&second, "DestinationRule", of_gateway))
    ]);
    kube.apply_object(&shared);
    let cluster = format!("outbound|80|{SECOND}|llm-egressgateway.llm-egress.svc.cluster.local");
    wait::until("the subset's cluster", || caller.admin("/clusters").contains(&cluster).then_some(()));
    let mut route = find(&first, "VirtualService", "api-openai-com").clone();
    route["spec"]["http"][0]["route"][0]["destination"]["subset"] = json!("api-openai-com");
    kube.apply_object(&route);
    let copied = |object: &&Value| object["metadata"]["name"] != of_gateway;
    second.iter().filter(copied).for_each(|object| kube.apply_object(object));
    for (number, host) in [BEDROCK, OPENAI].into_iter().enumerate() {
        let model = format!("second-provider-{number}");
        wait::until("a span of the gateway", || {
            // A call that fails in the gateway has a span too.
            let answer = caller.call(&Call::chat(&model).to(&format!("http://{host}")).model(&model));
            (answer.status == 200 && world.was_seen("namespace=llm-egress", &model)).then_some(())
        });
        let call = Call::chat(&format!("{model}-stream")).to(&format!("http://{host}"));
        assert!(caller.call(&call.streamed().model(&format!("{model}-stream"))).is_whole_stream());
        let query = format!("namespace=llm-egress&model={model}-stream");
        let span = world.collector().wait_for_span(&query);
        assert_eq!(span.attribute("server.address").as_deref(), Some(host), "{span:#?}");
    }
    for object in second.iter().filter(copied) {
        // The Gateway API has a kind of that name too.
        let kind = format!("{}.networking.istio.io", object["kind"].as_str().unwrap());
        kube.tell(&["-n", "llm-egress", "delete", &kind, object["metadata"]["name"].as_str().unwrap()]);
    }
    world.holds(
        "egress-gateway: a second provider, by a copy of `route.yaml` and a subset for each in `llm-egressgateway`",
        "SSE streams to both as without the filter; one span of the gateway each",
    );
}

const SECOND: &str = "bedrock";

/// A copied Gateway has another name, which its VirtualService repeats, and the subset is named in the way to the gateway.
fn with_names_of_its_own(object: &mut Value) {
    match object["kind"].as_str() {
        Some("Gateway") => object["metadata"]["name"] = json!(SECOND),
        Some("VirtualService") => {
            object["spec"]["gateways"][1] = json!(SECOND);
            object["spec"]["http"][0]["route"][0]["destination"]["subset"] = json!(SECOND);
            object["spec"]["http"][1]["match"][0]["gateways"] = json!([SECOND]);
        }
        _ => {}
    }
}

fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut found =
        objects.iter().filter(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    found.next().unwrap()
}

/// The caller's sidecar has the filter as well, and sees mutual TLS to the gateway.
fn both_ends(world: &World) {
    let principals = with_setting("identity", &json!({"principals": true}));
    let namespace = world.namespace("llm-behind", &["istio/base"], &[principals]);
    let pod = namespace.workload("checkout");
    crate::until_seen(world, &namespace.name, &pod);
    let name = "both-ends";
    assert!(pod.call(&Call::chat(name).streamed().model(name)).is_whole_stream());
    let span = world.collector().wait_for_span(&format!("{}&model={name}", namespace.query()));
    world.collector().wait_for_span(&format!("namespace=llm-egress&model={name}"));
    for (end, expected) in [
        ("source", "spiffe://cluster.local/ns/llm-behind/sa/checkout"),
        ("destination", "spiffe://cluster.local/ns/llm-egress/sa/llm-egressgateway"),
    ] {
        let principal = span.attribute(&format!("meshtap.{end}.principal"));
        assert_eq!(principal.as_deref(), Some(expected), "{span:#?}");
    }
    world.holds(
        "egress-gateway: the same with the filter in the caller's sidecar, and `identity.principals`",
        "two spans; the sidecar's names both ends of the mutual TLS between it and the gateway",
    );
}

/// A caller without a sidecar, and an inference server whose sidecar has the filter on its way in.
pub(crate) fn capture_server(world: &World) {
    let namespace = world.namespace("llm-server", SERVER, &[]);
    let server = inference(&namespace);
    let host = "inference.llm-server.svc.cluster.local";
    let call = Call::chat("server").to(&format!("http://{host}")).streamed().model("served");
    let stranger =
        world.mesh.workload_with(&namespace.name, "stranger", &json!({"sidecar.istio.io/inject": "false"}));
    assert!(!stranger.injected());
    let answer = stranger.call(&call);
    assert!(answer.is_whole_stream(), "{answer:?}\n{}", server.log());
    let span = world.collector().wait_for_span(&format!("{}&model=served", namespace.query()));
    assert_eq!((span.kind.as_str(), span.end.as_deref()), ("server", Some("complete")), "{span:#?}");
    assert_eq!(span.attribute("server.address").as_deref(), Some(host), "{span:#?}");
    world.holds(
        "capture-server: an SSE stream from a caller without a sidecar to an inference server",
        "as without the filter; one span of the server, of kind SERVER",
    );
    both_sides(world);
}

const SERVER: &[&str] = &["istio/base", "istio/components/capture-server"];

/// An inference server behind a Service, whose sidecar is ready.
fn inference(namespace: &Namespace<'_>) -> Pod {
    let mesh = &namespace.world.mesh;
    mesh.kube.apply_object(&json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "inference", "namespace": namespace.name},
        "spec": {
            "selector": {"app.kubernetes.io/name": "inference"},
            "ports": [{"name": "http", "port": 80, "targetPort": 8000}],
        },
    }));
    let server = mesh.workload_with(&namespace.name, "inference", &json!({"meshtap/capture": "server"}));
    server.serve(8000, mesh.provider.standin.address());
    server.ready(mesh.node());
    server
}

/// Caller and server have the filter: the call is seen twice, and a trace that the application began joins what is seen.
fn both_sides(world: &World) {
    let heuristic = with_setting("detect", &json!("heuristic"));
    let namespace = world.namespace("llm-both-sides", SERVER, &[heuristic]);
    let server = inference(&namespace);
    let caller = namespace.workload("checkout");
    let spans = |name: &str, header: Option<&str>| {
        let call = Call::chat(name).to("http://inference.llm-both-sides.svc.cluster.local").model(name);
        let call = header.into_iter().fold(call, |call, value| call.header("traceparent", value));
        assert_eq!(caller.call(&call).status, 200, "{}", server.log());
        let spans = world.collector().wait_for_spans(&format!("{}&model={name}", namespace.query()), 2);
        let kinds: BTreeSet<&str> = spans.iter().map(|span| span.kind.as_str()).collect();
        assert_eq!((spans.len(), kinds), (2, BTreeSet::from(["client", "server"])), "{spans:#?}");
        spans.into_iter().map(|span| span.trace_id).collect::<BTreeSet<String>>()
    };
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let joined = spans("with-trace", Some(&format!("00-{trace}-b7ad6b7169203331-01")));
    assert_eq!(joined, BTreeSet::from([trace.to_owned()]));
    assert_eq!(spans("without-trace", None).len(), 2);
    world.holds(
        "capture-server: caller and server have the filter, with `detect: heuristic`",
        "two spans, CLIENT and SERVER: of one trace where the application sends a `traceparent`, of two where it does not",
    );
}
