//! Other modules and another istiod while calls are under way: what is cut, and what is not.

use std::collections::BTreeSet;

use meshtap_mesh::app::Call;
use meshtap_mesh::collector::HOST;
use meshtap_mesh::modules::{Module, sha256};
use meshtap_mesh::pod::Pod;
use meshtap_tests::tools::filter;
use meshtap_tests::wait;
use serde_json::{Value, json};

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
    world.holds_in([("base", BASE), ("resilient", RESILIENT)], |world, (place, folders)| {
        upgraded_and_rolled_back(world, place, folders)
    });
}

fn upgraded_and_rolled_back(world: &World, place: &str, folders: &[&str]) -> Vec<(String, String)> {
    let old = sha256(&module_bytes());
    let namespace = world.namespace(&format!("llm-upgrade-{place}"), folders, &[]);
    let pod = namespace.workload("checkout");
    crate::until_seen(world, &namespace.name, &pod);
    let new = world.modules.serve(&format!("new-{place}.wasm"), &another_build(1));
    let mut seen = Vec::new();
    for (step, patches, other, first) in
        [("upgraded", with_module(&new), &new.sha256, &old), ("rolled back", Vec::new(), &old, &new.sha256)]
    {
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
        under_way.ends_whole_after_the_change(&pod);
        world.collector().wait_for_span(&format!("{}&model={name}", namespace.query()));
        seen.push((
            format!("{place}: the module is {step} while a stream is under way"),
            "the stream is whole and has its span; a new VM's heartbeat comes, and calls have their spans"
                .to_owned(),
        ));
    }
    seen
}

/// Other bytes under a URL that has been fetched, where no digest tells them apart.
pub(crate) fn changed_bytes(world: &World) {
    let name = "changing.wasm";
    let first = world.modules.serve(name, &another_build(7));
    let url = json!({"kind": "WasmPlugin", "patch": [
        {"op": "replace", "path": "/spec/url", "value": first.url},
        {"op": "remove", "path": "/spec/sha256"},
    ]});
    let namespace = world.namespace("llm-changing", BASE, std::slice::from_ref(&url));
    let pod = namespace.workload("checkout");
    crate::until_seen(world, &namespace.name, &pod);
    assert!(pod.runs_module(&first.sha256));
    let second = world.modules.serve(name, &another_build(8));
    let before = vms(&namespace);
    namespace.apply(BASE, &[url, with_setting("batch", &json!({"max_age_ms": 700}))]);
    wait::until("the edit's heartbeat", || (!vms(&namespace).is_subset(&before)).then_some(()));
    assert!(pod.runs_module(&first.sha256) && !pod.runs_module(&second.sha256));
    assert_eq!(world.modules.asked(name), 0, "it was fetched again");
    let later = namespace.workload("later");
    crate::until_seen_as(world, &namespace.name, &later, "later");
    assert!(later.runs_module(&second.sha256) && !later.runs_module(&first.sha256));
    world.holds(
        "base: a URL without a digest, other bytes under it, then an edit of the plugin configuration",
        "a pod that runs keeps the old bytes and does not ask for them again, a new pod has the new ones",
    );
}

/// The collector is upgraded, with another module in its image. Of the archive it serves the one that pods still name.
pub(crate) fn archive(world: &World) {
    let (old, new) = (sha256(&module_bytes()), sha256(&another_build(9)));
    let file = world.mesh.sandbox.write("upgraded.wasm", another_build(9));
    world.collector().upgrade(world.mesh.node(), &file);
    let index = world.collector().get("/wasm/index.json").json();
    let current = |module: &&Value| module["current"] == true;
    let current: Vec<&Value> = index["modules"].as_array().into_iter().flatten().filter(current).collect();
    assert!(current.len() == 1 && current[0]["sha256"] == *new, "{index:#}");
    let namespace = world.namespace("llm-archive", BASE, &[]);
    let pod = namespace.workload("checkout");
    crate::until_seen(world, &namespace.name, &pod);
    assert!(pod.runs_module(&old) && !pod.runs_module(&new));
    let url = format!("http://{HOST}:8080/wasm/sha256/{new}/filter.wasm");
    namespace.apply(BASE, &with_module(&Module { url, sha256: new.clone() }));
    wait::until("the new module, alone", || (pod.runs_module(&new) && !pod.runs_module(&old)).then_some(()));
    crate::until_seen_as(world, &namespace.name, &pod, "upgraded");
    world.collector().upgrade(world.mesh.node(), &filter());
    world.holds(
        "base: the collector is upgraded, its new image has another module, and a pod starts that names the one before",
        "200, then spans: `wasm.archive` serves both; the namespace takes the new one when its WasmPlugin names it",
    );
}

/// One workload of a namespace gets the new module, chosen by its labels.
pub(crate) fn canary(world: &World) {
    let namespace = world.namespace("llm-canary", BASE, &[]);
    let (stable, canary) = two_tracks(&namespace);
    let plugin = world.mesh.kube.get(&["-n", &namespace.name, "wasmplugin", "meshtap"]);
    let apply = |module: Option<&Module>| {
        let mut spec = plugin["spec"].clone();
        spec["selector"] = json!({"matchLabels": {"meshtap/track": "canary"}});
        if let Some(module) = module {
            spec["url"] = json!(module.url);
            spec["sha256"] = json!(module.sha256);
        }
        world.mesh.kube.apply_object(&json!({
            "apiVersion": plugin["apiVersion"],
            "kind": "WasmPlugin",
            "metadata": {"name": "meshtap-canary", "namespace": namespace.name},
            "spec": spec,
        }));
    };
    let under_way = Stream::begin(&world.mesh.provider, &canary, "canary-comes");
    apply(None);
    wait::until("both plugins' count", || {
        assert_eq!(canary.call(&Call::chat("canary-twice").model("canary-twice")).status, 200);
        (twice(&canary) > 0).then_some(())
    });
    let fate = under_way.fate(&canary);
    world.holds(
        "base: a second WasmPlugin with a selector comes to a running pod while a stream is under way",
        &format!("the stream is {fate}: the listener has another filter"),
    );
    let new = world.modules.serve("canary.wasm", &another_build(2));
    runs_on_the_canary_alone(&namespace, &stable, &canary, &new, || apply(Some(&new)));
    world.holds(
        "base: that second WasmPlugin gets another module while a stream is under way",
        "the pods with the label run it, others do not; the stream is whole and has its span; 1 span for a call that both \
         plugins see, and `meshtap_exchanges_seen_twice_total` counts it",
    );
}

/// The same with `resilient`, where the place for a canary's filter is there from the start.
pub(crate) fn resilient_canary(world: &World) {
    let namespace = world.namespace("llm-canary-resilient", RESILIENT, &[]);
    let (stable, canary) = two_tracks(&namespace);
    let new = world.modules.serve("resilient-canary.wasm", &another_build(6));
    let remote = "/spec/configPatches/0/patch/value/typed_config/config/vm_config/code/remote";
    let patch = json!({"kind": "EnvoyFilter", "patch": [
        {"op": "replace", "path": format!("{remote}/http_uri/uri"), "value": new.url},
        {"op": "replace", "path": format!("{remote}/sha256"), "value": new.sha256},
    ]});
    runs_on_the_canary_alone(&namespace, &stable, &canary, &new, || {
        namespace.apply(&["istio/canary"], std::slice::from_ref(&patch));
    });
    let listeners = canary.admin("/config_dump?resource=dynamic_listeners");
    let place = |filter: &str| listeners.find(&format!("\"name\": \"{filter}\""));
    assert!(place("meshtap-canary") < place("meshtap"), "the first in the chain makes the span");
    world.holds(
        "resilient: `istio/canary` comes with another module while a stream is under way",
        "the pods with the label run it, others do not; the stream is whole and has its span; a call has 1 span, the \
         canary's, and `meshtap_exchanges_seen_twice_total` of the other counts it",
    );
    let under_way = Stream::begin(&world.mesh.provider, &canary, "canary-goes");
    namespace.apply(&["istio/canary"], &[]);
    wait::until("the namespace's module", || (!canary.runs_module(&new.sha256)).then_some(()));
    crate::until_seen_as(world, &namespace.name, &canary, "stable-again");
    world.mesh.kube.tell(&["-n", &namespace.name, "delete", "envoyfilter", "meshtap-canary"]);
    under_way.ends_whole_after_the_change(&canary);
    let counted = twice(&canary);
    crate::until_seen_as(world, &namespace.name, &canary, "canary-deleted");
    world.all_batches_come();
    assert!(twice(&canary) > counted, "the second filter is gone from a pod that runs");
    world.collector().wait_for_span(&format!("{}&model=canary-goes", namespace.query()));
    world.holds(
        "resilient: `istio/canary` gets the namespace's module again, and is deleted, while a stream is under way",
        "the pods run that module from the edit on; the stream is whole and has its span; the second filter stays in pods \
         that run, and calls have 1 span",
    );
}

/// Two workloads that have the filter: one without the canary's label, one with it.
fn two_tracks(namespace: &Namespace<'_>) -> (Pod, Pod) {
    let world = namespace.world;
    let stable = namespace.workload("stable");
    let canary = world.mesh.workload_with(&namespace.name, "canary", &json!({"meshtap/track": "canary"}));
    canary.ready(world.mesh.node());
    crate::until_seen(world, &namespace.name, &stable);
    crate::until_seen_as(world, &namespace.name, &canary, "canary-warm-up");
    (stable, canary)
}

/// A change brings the new module to one of two pods, and cuts nothing. Both filters are in that pod then.
fn runs_on_the_canary_alone(
    namespace: &Namespace<'_>,
    stable: &Pod,
    canary: &Pod,
    new: &Module,
    change: impl FnOnce(),
) {
    let (world, query) = (namespace.world, namespace.query());
    let before = vms(namespace);
    let [through_canary, through_stable, canary_call, stable_call] =
        ["through-canary", "through-stable", "canary-call", "stable-call"]
            .map(|name| format!("{name}-{}", namespace.name));
    let under_way = Stream::begin(&world.mesh.provider, canary, &through_canary);
    let untouched = Stream::begin(&world.mesh.provider, stable, &through_stable);
    change();
    wait::until("the canary's module", || canary.runs_module(&new.sha256).then_some(()));
    wait::until("a heartbeat of the new module's VM", || (!vms(namespace).is_subset(&before)).then_some(()));
    world.all_batches_come();
    assert!(!stable.runs_module(&new.sha256), "the other pod has the new module");
    under_way.ends_whole_after_the_change(canary);
    untouched.ends_whole();
    world.all_batches_come();
    let counted = twice(canary);
    for (pod, name) in [(canary, &canary_call), (stable, &stable_call)] {
        assert_eq!(pod.call(&Call::chat(name).model(name)).status, 200);
    }
    let queries = [through_canary, through_stable, canary_call, stable_call]
        .map(|name| format!("{query}&model={name}"));
    for query in &queries {
        world.collector().wait_for_spans(query, 1);
    }
    world.all_batches_come();
    for query in &queries {
        assert_eq!(world.collector().spans(query).len(), 1, "{query}");
    }
    wait::until("both plugins' count", || (twice(canary) == counted + 1).then_some(()));
    assert_eq!(twice(stable), 0);
}

/// How many calls a second filter of the pod has left to the first.
pub(crate) fn twice(pod: &Pod) -> u64 {
    pod.stat("wasmcustom.meshtap_exchanges_seen_twice_total")
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
    // A sidecar that has asked in vain for a while pauses for up to half a minute.
    let served = || wait::poll(|| world.mesh.istiod.serves(&pod.name).then_some(()));
    assert!(served().or_else(served).is_some(), "{}", pod.log());
    crate::configuration::push(&namespace, &with_setting("batch", &json!({"max_age_ms": 600})));
    crate::until_seen_as(world, &namespace.name, &pod, "after-istiod");
    under_way.ends_whole_after_the_change(&pod);
    world.collector().wait_for_span(&format!("{}&model=through-istiod", namespace.query()));
    world.holds(
        "istiod ends and starts again while a stream is under way",
        "the stream is whole and has its span; calls go on, with spans; the next edit of pluginConfig comes into force",
    );
}
