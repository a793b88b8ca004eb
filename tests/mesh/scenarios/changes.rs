//! Other modules and another istiod while calls are under way: none is cut.

use std::collections::BTreeSet;

use meshtap_mesh::app::Call;
use meshtap_mesh::modules::sha256;
use meshtap_tests::wait;
use serde_json::json;

use crate::streams::Stream;
use crate::world::{
    BASE, Namespace, RESILIENT, World, another_build, module_bytes, with_module, with_setting,
};

/// The VMs that the collector has heard of, in this namespace.
fn vms(namespace: &Namespace<'_>) -> BTreeSet<String> {
    let sidecars = namespace.world.collector().sidecars(&namespace.name);
    sidecars.iter().filter_map(|sidecar| sidecar["vm_id"].as_str().map(str::to_owned)).collect()
}

pub(crate) fn module_upgrade(world: &World) {
    let old = sha256(&module_bytes());
    for (place, folders) in [("base", BASE), ("resilient", RESILIENT)] {
        let namespace = world.namespace(&format!("llm-upgrade-{place}"), folders, &[]);
        let pod = namespace.workload("checkout");
        crate::until_seen(world, &namespace.name, &pod);
        let new = world.modules.serve(&format!("new-{place}.wasm"), &another_build(1));
        for (step, patches, other, first) in [
            ("upgraded", with_module(&new), &new.sha256, &old),
            ("rolled back", Vec::new(), &old, &new.sha256),
        ] {
            assert!(pod.runs_module(first) && !pod.runs_module(other));
            let (name, after) =
                (format!("through-{}-{place}", step.len()), format!("after-{}-{place}", step.len()));
            let (before, under_way) = (vms(&namespace), Stream::begin(&world.mesh.provider, &pod, &name));
            namespace.apply(folders, &patches);
            wait::until("the other module, alone", || {
                (pod.runs_module(other) && !pod.runs_module(first)).then_some(())
            });
            crate::until_seen_as(world, &namespace.name, &pod, &after);
            wait::until("a heartbeat of a VM that was not there before", || {
                (!vms(&namespace).is_subset(&before)).then_some(())
            });
            under_way.ends_whole();
            let seen = world.was_seen(&namespace.query(), &name);
            let span = if seen { "and has its span" } else { "and its span is lost with the old VM" };
            let situation = format!("{place}: the module is {step} while a stream is under way");
            let outcome =
                format!("the stream is whole {span}; a new VM's heartbeat comes, and calls have their spans");
            world.holds(&situation, &outcome);
        }
    }
}

/// One workload of a namespace gets the new module, chosen by its labels.
pub(crate) fn canary(world: &World) {
    let namespace = world.namespace("llm-canary", BASE, &[]);
    let (stable, canary) = (namespace.workload("stable"), {
        let pod = world.mesh.workload_with(&namespace.name, "canary", &json!({"track": "canary"}));
        pod.ready(world.mesh.node());
        pod
    });
    crate::until_seen(world, &namespace.name, &stable);
    crate::until_seen_as(world, &namespace.name, &canary, "canary-warm-up");
    let new = world.modules.serve("canary.wasm", &another_build(2));
    let plugin = world.mesh.kube.get(&["-n", &namespace.name, "wasmplugin", "meshtap"]);
    let mut spec = plugin["spec"].clone();
    spec["selector"] = json!({"matchLabels": {"track": "canary"}});
    spec["url"] = json!(new.url);
    spec["sha256"] = json!(new.sha256);
    let before = vms(&namespace);
    let under_way = Stream::begin(&world.mesh.provider, &canary, "through-canary");
    world.mesh.kube.apply_object(&json!({
        "apiVersion": plugin["apiVersion"],
        "kind": "WasmPlugin",
        "metadata": {"name": "meshtap-canary", "namespace": namespace.name},
        "spec": spec,
    }));
    wait::until("the canary's second plugin", || canary.runs_module(&new.sha256).then_some(()));
    wait::until("a heartbeat of the new module's VM", || (!vms(&namespace).is_subset(&before)).then_some(()));
    world.all_batches_come();
    assert!(!stable.runs_module(&new.sha256), "the other pod has the new module");
    under_way.ends_whole();
    let twice = |pod: &meshtap_mesh::pod::Pod| pod.stat("wasmcustom.meshtap_exchanges_seen_twice_total");
    // Both plugins select the canary's pod.
    for (pod, name) in [(&canary, "canary-call"), (&stable, "stable-call")] {
        assert_eq!(pod.call(&Call::chat(name).model(name)).status, 200);
    }
    world.all_batches_come();
    for name in ["through-canary", "canary-call", "stable-call"] {
        let spans = world.collector().spans(&format!("{}&model={name}", namespace.query())).len();
        assert_eq!(spans, 1, "{name}");
    }
    wait::until("both plugins' count", || (twice(&canary) == 1).then_some(()));
    assert_eq!(twice(&stable), 0);
    world.holds(
        "canary: a second WasmPlugin with a selector and another module comes",
        "the pods with the label run it, others do not; a stream under way is whole and has its span; where both select \
         a pod, 1 span for a call, and `meshtap_exchanges_seen_twice_total` counts it",
    );
}

pub(crate) fn istiod_restart(world: &World) {
    let namespace = world.namespace("llm-istiod", BASE, &[]);
    let pod = namespace.workload("checkout");
    crate::until_seen(world, &namespace.name, &pod);
    let under_way = Stream::begin(&world.mesh.provider, &pod, "through-istiod");
    world.mesh.istiod.kill();
    crate::until_seen_as(world, &namespace.name, &pod, "without-istiod");
    under_way.assert_goes_on();
    world.mesh.istiod.start_again(&world.mesh.kube, &world.mesh.sandbox);
    crate::configuration::push(&namespace, &with_setting("batch", &json!({"max_age_ms": 600})));
    crate::until_seen_as(world, &namespace.name, &pod, "after-istiod");
    under_way.ends_whole();
    world.collector().wait_for_span(&format!("{}&model=through-istiod", namespace.query()));
    world.holds(
        "istiod ends and starts again while a stream is under way",
        "the stream is whole and has its span; calls go on, with spans; the next edit of pluginConfig comes into force",
    );
}
