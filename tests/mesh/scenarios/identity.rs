//! Who sends spans: mutual TLS with STRICT, and the AuthorizationPolicy on.

use meshtap_mesh::app::Call;
use meshtap_tests::wait;

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
    let pod = strangers.workload("checkout");
    assert_eq!(pod.call(&Call::chat("stranger")).status, 200);
    wait::until("the refusal in the filter's counters", || {
        (pod.stat("wasmcustom.meshtap_spans_dropped_refused_total") > 0).then_some(())
    });
    wait::until("the refusal in the collector's sidecar", || (denied(world) > denied_before).then_some(()));
    assert!(world.collector().spans(&strangers.query()).is_empty());
    world.holds(
        "spans from a namespace that it does not name",
        "traffic as ever; `meshtap_spans_dropped_refused_total` in the pod and `rbac.denied` in the collector's sidecar",
    );
}

/// Plain text on 4317 is refused, and the module can still be had in plain text.
pub(crate) fn plain_text(world: &World) {
    let collector = world.collector();
    let address = collector.pod.address();
    let module = format!("http://{address}:8080/wasm/index.json");
    let index = ureq::get(&module).call().and_then(|mut reply| reply.body_mut().read_to_string());
    assert!(index.unwrap().contains("/wasm/sha256/"));
    let otlp = ureq::get(format!("http://{address}:4317/")).call();
    assert!(otlp.is_err(), "{otlp:?}");
    world.holds("plain text to the collector", "refused on 4317; served on 8080");
}

fn denied(world: &World) -> u64 {
    let page = world.collector().pod.admin("/stats?filter=rbac.denied");
    page.lines().filter_map(|line| line.rsplit_once(": ")?.1.parse::<u64>().ok()).sum()
}
