//! The collector away, or out of sight.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use meshtap_mesh::app::Call;
use meshtap_mesh::collector::{Collector, NAME, NAMESPACE};
use meshtap_mesh::mesh::repository;
use meshtap_mesh::pod::Pod;
use meshtap_tests::wait;
use serde_json::json;

use crate::world::{BASE, World, with_setting};

/// As many as a page of the API holds at most.
const MOST_CALLS: usize = 1000;
const BETWEEN_CALLS: Duration = Duration::from_millis(20);

/// The collector is killed and started again under load. What the sidecar's filter was acked, by its own count, is what is
/// stored: each call once, none twice for its retries, none lost.
pub(crate) fn restart_under_load(world: &World) {
    // A heartbeat is acked as a span is.
    let without_heartbeats = with_setting("heartbeat", &json!({"interval_ms": 0}));
    let namespace = world.namespace("llm-restart", BASE, &[without_heartbeats]);
    let pod = namespace.workload("checkout");
    crate::until_seen(world, &namespace.name, &pod);
    let query = format!("{}&model=under-load&limit={MOST_CALLS}", namespace.query());
    let count = |name: &str| pod.stat(&format!("wasmcustom.meshtap_{name}_total"));
    world.all_batches_come();
    wait::until("the warm-up's acks", || (unacked(&pod) == 0).then_some(()));
    let (exported, retries) = (count("spans_exported"), count("export_retries"));
    let calls = thread::scope(|scope| {
        let load = Load::begin(scope, &pod);
        world.collector().wait_for_spans(&query, 10);
        world.collector().kill();
        wait::until("the outage is felt", || (count("export_retries") > retries).then_some(()));
        world.collector().start_again(world.mesh.node());
        load.end()
    });
    world.collector().wait_for_spans(&query, calls);
    // A gauge that does not know yet of the last call is zero too.
    wait::until("all acks", || {
        (unacked(&pod) == 0 && count("spans_exported") - exported >= calls as u64).then_some(())
    });
    world.all_batches_come();
    let spans = world.collector().spans(&query);
    let answers: BTreeSet<&str> = spans.iter().filter_map(|span| span.response_id.as_deref()).collect();
    assert_eq!((spans.len(), answers.len()), (calls, calls), "each call has its one span");
    assert_eq!(count("spans_exported") - exported, calls as u64, "acked, retries not counted");
    for dropped in ["spans_dropped_queue_full", "spans_dropped_refused", "spans_rejected"] {
        assert_eq!(count(dropped), 0, "{dropped}");
    }
    world.holds(
        "the collector is killed and started again under load",
        "every call has its one span; `meshtap_export_retries_total` grows, `meshtap_spans_exported_total` by one for \
         each call, and nothing is dropped",
    );
}

/// Calls, one after the other, until it is told to end.
struct Load<'scope> {
    end: Arc<AtomicBool>,
    thread: ScopedJoinHandle<'scope, usize>,
}

impl<'scope> Load<'scope> {
    fn begin<'env>(scope: &'scope Scope<'scope, 'env>, pod: &'env Pod) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&end);
        let thread = scope.spawn(move || {
            let mut made = 0;
            while !told.load(Ordering::Relaxed) {
                assert!(made < MOST_CALLS, "the collector was away for too long");
                let answer = pod.call(&Call::chat(&format!("load-{made}")).model("under-load"));
                assert_eq!(answer.status, 200, "{answer:?}");
                made += 1;
                thread::park_timeout(BETWEEN_CALLS);
            }
            made
        });
        Self { end, thread }
    }

    /// How many there were.
    fn end(self) -> usize {
        self.end.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// How many spans wait, or are under way without an ack.
fn unacked(pod: &Pod) -> u64 {
    pod.stat("wasmcustom.meshtap_queue_spans")
}

/// A Sidecar resource without the collector takes its cluster away, and one with it brings it back.
pub(crate) fn sidecar_scope(world: &World) {
    let namespace = world.namespace("llm-scope", BASE, &[]);
    let pod = namespace.workload("checkout");
    crate::until_seen(world, &namespace.name, &pod);
    let cluster = "outbound|4317||meshtap-collector.meshtap-system.svc.cluster.local";
    let retries = || pod.stat("wasmcustom.meshtap_export_retries_total");
    let before = retries();
    let has_cluster = || pod.admin("/clusters").contains(cluster);
    world.mesh.kube.apply_object(&json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "Sidecar",
        "metadata": {"name": "default", "namespace": namespace.name},
        "spec": {"egress": [{"hosts": ["./*", "istio-system/*"]}]},
    }));
    wait::until("the cluster is gone", || (!has_cluster()).then_some(()));
    // Envoy's workers hear of it after its admin interface.
    wait::until("the filter tries again", || {
        assert_eq!(pod.call(&Call::chat("last-in-scope").model("last-in-scope")).status, 200);
        (retries() > before).then_some(())
    });
    assert_eq!(pod.call(&Call::chat("out-of-scope").model("out-of-scope")).status, 200);
    assert!(!world.was_seen(&namespace.query(), "out-of-scope"));
    namespace.apply(&["istio/base", "istio/egress/openai", "istio/components/sidecar-scope"], &[]);
    world.collector().wait_for_span(&format!("{}&model=out-of-scope", namespace.query()));
    world.holds(
        "a Sidecar resource leaves the collector out",
        "200; `meshtap_export_retries_total` grows; the spans come once components/sidecar-scope lets it in",
    );
}

/// `k8s/base` in the place of `istio/collector`: no sidecar, no policy. What runs after this has that collector.
pub(crate) fn outside_the_mesh(world: &World) {
    let (mesh, kube) = (&world.mesh, &world.mesh.kube);
    let namespace = world.namespace("llm-plain", BASE, &[]);
    for kind in ["peerauthentication", "authorizationpolicy", "destinationrule"] {
        kube.tell(&["-n", NAMESPACE, "delete", kind, NAME]);
    }
    world.collector().stop();
    kube.apply_folder(&repository("k8s/base"));
    let plain = Collector::start(mesh.node());
    assert!(!plain.pod.injected());
    let old = std::mem::replace(&mut *world.collector(), plain);
    old.pod.delete(kube);
    let pod = namespace.workload("checkout");
    crate::until_seen(world, &namespace.name, &pod);
    let name = "to-plain";
    assert_eq!(pod.call(&Call::chat(name).model(name)).status, 200);
    world.collector().wait_for_span(&format!("{}&model={name}", namespace.query()));
    world.holds(
        "`k8s/base` applied as it stands, outside the mesh, one call",
        "200, one span: it goes to the collector in plain text, and nobody asks who sends it",
    );
}
