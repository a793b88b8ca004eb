//! Other modules and another istiod while calls are under way: none is cut.

use std::thread;
use std::time::Duration;

use meshtap_mesh::app::{Call, Pending};
use meshtap_mesh::pod::Pod;
use meshtap_tests::wait;
use serde_json::json;

use crate::world::{BASE, RESILIENT, World, another_build, with_module};

/// Starts a stream that lasts a few seconds.
pub(crate) fn stream(pod: &Pod, name: &str) -> Pending {
    pod.begin(&Call::chat(name).slowly(Duration::from_millis(150)).model(name)).has_begun()
}

pub(crate) fn module_upgrade(world: &World) {
    for (place, folders) in [("base", BASE), ("resilient", RESILIENT)] {
        let namespace = world.namespace(&format!("llm-upgrade-{place}"), folders, &[]);
        let pod = namespace.workload("checkout");
        crate::until_seen(world, &namespace.name, &pod);
        let fetched = || pod.agent_metric("istio_agent_wasm_config_conversion_count", "");
        let new = world.modules.serve(&format!("new-{place}.wasm"), &another_build(1));
        for (step, patches) in [("upgraded", with_module(&new)), ("rolled back", Vec::new())] {
            let name = format!("through-{}-{place}", step.len());
            let (before, under_way) = (fetched(), stream(&pod, &name));
            namespace.apply(folders, &patches);
            wait::until("the agent has the other module", || (fetched() > before).then_some(()));
            assert!(under_way.end().is_whole_stream(), "{name}");
            crate::until_seen_as(world, &namespace.name, &pod, &format!("after-{}", step.len()));
            let seen = crate::was_seen(world, &namespace.query(), &name);
            let span = if seen { "and has its span" } else { "and its span is lost with the old VM" };
            let situation = format!("{place}: the module is {step} while a stream is under way");
            world.holds(&situation, &format!("the stream is whole {span}; calls after it have theirs"));
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
    let new = world.modules.serve("canary.wasm", &another_build(2));
    let plugin = world.mesh.kube.get(&["-n", &namespace.name, "wasmplugin", "meshtap"]);
    let mut spec = plugin["spec"].clone();
    spec["selector"] = json!({"matchLabels": {"track": "canary"}});
    spec["url"] = json!(new.url);
    spec["sha256"] = json!(new.sha256);
    world.mesh.kube.apply_object(&json!({
        "apiVersion": plugin["apiVersion"],
        "kind": "WasmPlugin",
        "metadata": {"name": "meshtap-canary", "namespace": namespace.name},
        "spec": spec,
    }));
    let under_way = stream(&canary, "through-canary");
    wait::until("the canary's second plugin", || {
        (canary.admin("/config_dump?resource=ecds_filters").matches("meshtap-canary").count() > 0)
            .then_some(())
    });
    assert_eq!(stable.admin("/config_dump?resource=ecds_filters").matches("meshtap-canary").count(), 0);
    assert!(under_way.end().is_whole_stream());
    world.collector().wait_for_span(&format!("{}&model=through-canary", namespace.query()));
    // Both plugins select the canary's pod. The second one is compiled when it has been fetched.
    let calls = || {
        (0..5).map(|number| {
            let name = format!("canary-call-{number}");
            assert_eq!(canary.call(&Call::chat(&name).model(&name)).status, 200);
            assert!(crate::was_seen(world, &namespace.query(), &name));
            thread::park_timeout(Duration::from_secs(2));
            world.collector().spans(&format!("{}&model={name}", namespace.query())).len()
        })
    };
    let count = calls().max().unwrap_or_default();
    let twice = canary.stat("wasmcustom.meshtap_exchanges_seen_twice_total") > 0;
    assert!(twice, "both plugins see the call");
    let outcome = format!(
        "the pods with the label run it, others do not; a stream under way is whole and has its span; where both select \
         a pod, {count} span for a call, and `meshtap_exchanges_seen_twice_total` counts it"
    );
    world.holds("canary: a second WasmPlugin with a selector and another module comes", &outcome);
}

pub(crate) fn istiod_restart(world: &World) {
    let namespace = world.namespace("llm-istiod", BASE, &[]);
    let pod = namespace.workload("checkout");
    crate::until_seen(world, &namespace.name, &pod);
    let under_way = stream(&pod, "through-istiod");
    world.mesh.istiod.kill();
    assert_eq!(pod.call(&Call::chat("without-istiod")).status, 200);
    world.mesh.istiod.start_again(&world.mesh.kube, &world.mesh.sandbox);
    assert!(under_way.end().is_whole_stream());
    world.collector().wait_for_span(&format!("{}&model=through-istiod", namespace.query()));
    world.holds(
        "istiod ends and starts again while a stream is under way",
        "the stream is whole and has its span; calls go on",
    );
}
