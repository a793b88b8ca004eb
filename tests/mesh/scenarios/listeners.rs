//! Changes that give a running sidecar another listener: the filter comes, goes, or comes by another way. Envoy closes what
//! is under way on the old one after `drainDuration`.

use meshtap_mesh::app::Call;
use meshtap_mesh::pod::Pod;
use meshtap_tests::wait;
use serde_json::json;

use crate::changes::twice;
use crate::streams::Stream;
use crate::world::{BASE, RESILIENT, World};

/// To a pod that runs, and from it.
pub(crate) fn comes_and_goes(world: &World) {
    for (place, folders, kind) in [("base", BASE, "wasmplugin"), ("resilient", RESILIENT, "envoyfilter")] {
        let namespace = world.namespace(&format!("llm-comes-{place}"), &["istio/egress/openai"], &[]);
        let pod = namespace.workload("checkout");
        let under_way = Stream::begin(&world.mesh.provider, &pod, &format!("comes-{place}"));
        namespace.apply(folders, &[]);
        crate::until_seen(world, &namespace.name, &pod);
        let fate = under_way.fate(&pod);
        world.holds(
            &format!("{place}: the filter comes to a running pod while a stream is under way"),
            &format!("200, then spans; the stream is {fate}"),
        );
        let under_way = Stream::begin(&world.mesh.provider, &pod, &format!("goes-{place}"));
        world.mesh.kube.tell(&["-n", &namespace.name, "delete", kind, "meshtap"]);
        wait::until("a listener without the filter", || (!listeners(&pod).contains("meshtap")).then_some(()));
        crate::until_unseen(world, &namespace.name, &pod, "gone");
        let fate = under_way.fate(&pod);
        world.holds(
            &format!("{place}: the filter is removed while a stream is under way"),
            // Whether its span leaves the VM before that is gone is chance.
            &format!("200, no spans; the stream is {fate}, and may have no span"),
        );
    }
}

/// What the README says: the component is applied, and the WasmPlugin of the base deleted.
pub(crate) fn base_to_resilient(world: &World) {
    let namespace = world.namespace("llm-to-resilient", BASE, &[]);
    let pod = namespace.workload("checkout");
    let patient = json!({"proxy.istio.io/config": "drainDuration: 600s"});
    let patient = world.mesh.workload_of(&namespace.name, "patient", &json!({}), &patient);
    patient.ready(world.mesh.node());
    crate::until_seen(world, &namespace.name, &pod);
    crate::until_seen_as(world, &namespace.name, &patient, "patient");
    let under_way = Stream::begin(&world.mesh.provider, &pod, "to-resilient");
    let kept = Stream::begin(&world.mesh.provider, &patient, "to-resilient-patient");
    namespace.apply(RESILIENT, &[]);
    wait::until("both filters in the pod", || {
        assert_eq!(pod.call(&Call::chat("both").model("both")).status, 200);
        (twice(&pod) > 0).then_some(())
    });
    world.holds(
        "`resilient` is applied where the WasmPlugin of the base is, and that is left",
        "both run: 1 span for a call, and `meshtap_exchanges_seen_twice_total` counts it",
    );
    world.mesh.kube.tell(&["-n", &namespace.name, "delete", "wasmplugin", "meshtap"]);
    let of_plugin = format!("{}.meshtap", namespace.name);
    wait::until("listeners without the WasmPlugin", || {
        (![&pod, &patient].into_iter().any(|pod| listeners(pod).contains(&of_plugin))).then_some(())
    });
    let fate = under_way.fate(&pod);
    let cut = world.collector().wait_for_span(&format!("{}&model=to-resilient", namespace.query()));
    let ended = [&cut.end, &cut.error_type, &cut.usage.source].map(Option::as_deref);
    assert_eq!(ended, [Some("local_reply"), Some("_OTHER"), Some("absent")], "it was the proxy: {cut:#?}");
    kept.assert_goes_on();
    kept.ends_whole();
    crate::until_seen_as(world, &namespace.name, &pod, "resilient");
    world.all_batches_come();
    let counted = twice(&pod);
    assert_eq!(pod.call(&Call::chat("resilient-alone").model("resilient-alone")).status, 200);
    let query = format!("{}&model=resilient-alone", namespace.query());
    world.collector().wait_for_spans(&query, 1);
    world.all_batches_come();
    let spans = world.collector().spans(&query).len();
    assert_eq!((spans, twice(&pod) - counted), (1, 0));
    world.holds(
        "from base to `resilient` in a running pod: the component is applied, and the WasmPlugin deleted",
        &format!(
            "one filter, one span for a call; a stream under way is {fate} and has its span; in a pod whose annotation \
             `proxy.istio.io/config` raises `drainDuration` it is whole within that time",
        ),
    );
}

fn listeners(pod: &Pod) -> String {
    pod.admin("/config_dump?resource=dynamic_listeners")
}
