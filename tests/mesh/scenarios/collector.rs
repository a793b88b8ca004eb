//! The collector away, or out of sight.

use std::thread;
use std::time::Duration;

use meshtap_mesh::app::Call;
use meshtap_tests::wait;
use serde_json::json;

use crate::world::{BASE, World};

const CALLS: usize = 120;

/// The collector is killed and started again under load: every span that it acked before is there after, and those that
/// it did not ack come again.
pub(crate) fn restart_under_load(world: &World) {
    let namespace = world.namespace("llm-restart", BASE, &[]);
    let pod = namespace.workload("checkout");
    crate::until_seen(world, &namespace.name, &pod);
    let query = format!("{}&model=under-load&limit=1000", namespace.query());
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            for number in 0..CALLS {
                let answer = pod.call(&Call::chat(&format!("load-{number}")).model("under-load"));
                assert_eq!(answer.status, 200, "{answer:?}");
            }
        });
        world.collector().wait_for_spans(&query, 10);
        world.collector().kill();
        thread::park_timeout(Duration::from_secs(1));
        world.collector().start_again(world.mesh.node());
        load.join().unwrap();
    });
    let spans = world.collector().wait_for_spans(&query, CALLS);
    assert_eq!(spans.len(), CALLS);
    assert_eq!(pod.stat("wasmcustom.meshtap_spans_dropped_queue_full_total"), 0);
    world.holds("the collector is killed and started again under load", "every call has its one span");
}

/// A Sidecar resource without the collector takes its cluster away, and one with it brings it back.
pub(crate) fn sidecar_scope(world: &World) {
    let namespace = world.namespace("llm-scope", BASE, &[]);
    let pod = namespace.workload("checkout");
    crate::until_seen(world, &namespace.name, &pod);
    let cluster = "outbound|4317||meshtap-collector.meshtap-system.svc.cluster.local";
    let has_cluster = || pod.admin("/clusters").contains(cluster);
    world.mesh.kube.apply_object(&json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "Sidecar",
        "metadata": {"name": "default", "namespace": namespace.name},
        "spec": {"egress": [{"hosts": ["./*", "istio-system/*"]}]},
    }));
    wait::until("the cluster is gone", || (!has_cluster()).then_some(()));
    assert_eq!(pod.call(&Call::chat("out-of-scope").model("out-of-scope")).status, 200);
    wait::until("the filter tries again", || {
        (pod.stat("wasmcustom.meshtap_export_retries_total") > 0).then_some(())
    });
    namespace.apply(&["istio/base", "istio/egress/openai", "istio/components/sidecar-scope"], &[]);
    world.collector().wait_for_span(&format!("{}&model=out-of-scope", namespace.query()));
    world.holds(
        "a Sidecar resource leaves the collector out",
        "200; `meshtap_export_retries_total` grows; the spans come once components/sidecar-scope lets it in",
    );
}
