//! What the filter makes of its configuration, and which one is in force.

use std::thread;
use std::time::{Duration, Instant};

use meshtap_mesh::app::Call;
use meshtap_mesh::pod::Pod;
use meshtap_tests::wait;
use serde_json::{Value, json};

use crate::streams::Stream;
use crate::world::{
    BASE, Namespace, RESILIENT, World, another_build, with_module, with_setting, with_setting_as_text,
};

/// The newest heartbeat of the namespace.
fn newest(namespace: &Namespace<'_>) -> Option<Value> {
    let list = namespace.world.collector().sidecars(&namespace.name);
    list.into_iter().max_by_key(|sidecar| sidecar["last_seen"].as_str().map(str::to_owned))
}

/// The hash of the configuration that it names.
fn in_force(namespace: &Namespace<'_>) -> Option<String> {
    newest(namespace)?["config_sha256"].as_str().map(str::to_owned)
}

/// Applies the base with a change of its configuration; the hash in the heartbeat after it.
#[track_caller]
pub(crate) fn push(namespace: &Namespace<'_>, patch: &Value) -> String {
    push_to(namespace, BASE, patch)
}

#[track_caller]
fn push_to(namespace: &Namespace<'_>, folders: &[&str], patch: &Value) -> String {
    let before = in_force(namespace);
    namespace.apply(folders, std::slice::from_ref(patch));
    wait::until("a heartbeat with another configuration", || {
        in_force(namespace).filter(|hash| Some(hash) != before.as_ref())
    })
}

pub(crate) fn edited(world: &World) {
    let setting = json!({"max_age_ms": 700});
    let places = [
        ("base", BASE, with_setting("batch", &setting)),
        ("resilient", RESILIENT, with_setting_as_text("batch", &setting)),
    ];
    world.holds_in(&places, |world, (place, folders, patch)| vec![an_edit(world, place, folders, patch)]);
}

fn an_edit(world: &World, place: &str, folders: &[&str], patch: &Value) -> (String, String) {
    let namespace = world.namespace(&format!("llm-config-{place}"), folders, &[]);
    let pod = namespace.workload("checkout");
    crate::until_seen(world, &namespace.name, &pod);
    let name = format!("through-config-{place}");
    let under_way = Stream::begin(&world.mesh.provider, &pod, &name);
    let hash = push_to(&namespace, folders, patch);
    crate::until_seen_as(world, &namespace.name, &pod, "after-config");
    under_way.ends_whole_after_the_change(&pod);
    world.collector().wait_for_span(&format!("{}&model={name}", namespace.query()));
    let row = format!("namespace=\"{}\",workload=\"checkout\"", namespace.name);
    let page = world.collector().get("/metrics").text();
    let told = |line: &&str| line.contains(&row) && line.contains(&format!("config_sha256=\"{hash}\""));
    assert!(page.lines().any(|line| told(&line)), "no {row} with {hash} in\n{page}");
    (
        format!("{place}: the plugin configuration is edited while a stream is under way"),
        "the stream is whole and has its span; the next heartbeat, and `meshtap_sidecar_config_info`, have the new hash"
            .to_owned(),
    )
}

pub(crate) fn absent(world: &World) {
    let remove = json!({"kind": "WasmPlugin", "patch": [{"op": "remove", "path": "/spec/pluginConfig"}]});
    let namespace = world.namespace("llm-defaults", BASE, &[remove]);
    let pod = namespace.workload("checkout");
    crate::until_seen(world, &namespace.name, &pod);
    assert_one_span_each(&namespace, &pod);
    assert_eq!(pod.stat("wasmcustom.meshtap_config_problems_total"), 0);
    world.holds(
        "a WasmPlugin without `pluginConfig`",
        "200, one span each: the defaults are the collector's own",
    );
}

/// Calls are answered, and have no more and no fewer spans than they should.
#[track_caller]
fn assert_one_span_each(namespace: &Namespace<'_>, pod: &Pod) {
    const CALLS: usize = 3;
    for number in 0..CALLS {
        let name = format!("{}-{number}", namespace.name);
        let answer = pod.call(&Call::chat(&name).model("counted"));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let query = format!("{}&model=counted", namespace.query());
    namespace.world.collector().wait_for_spans(&query, CALLS);
    namespace.world.all_batches_come();
    let spans = namespace.world.collector().spans(&query);
    assert_eq!(spans.len(), CALLS, "{spans:#?}");
}

/// JSON through the API server, istiod and a protobuf `Struct`: every number is a double on its way.
pub(crate) fn wrong_numbers(world: &World) {
    let patches = [
        with_setting("batch", &json!({"max_age_ms": 250.5})),
        with_setting("queue", &json!({"max_bytes": 12_345_678_901_234_567_u64})),
    ];
    let namespace = world.namespace("llm-numbers", BASE, &patches);
    let pod = namespace.workload("checkout");
    crate::until_seen(world, &namespace.name, &pod);
    assert_one_span_each(&namespace, &pod);
    assert_eq!(pod.stat("wasmcustom.meshtap_config_problems_total"), 2);
    let heartbeat = newest(&namespace).unwrap_or_default();
    let (paths, log) = (heartbeat["config_problem_paths"].to_string(), pod.log());
    for key in ["batch.max_age_ms", "queue.max_bytes"] {
        assert!(paths.contains(key), "{key} is not in {heartbeat:#}");
        assert!(log.contains(key), "{key} is not in {log}");
    }
    world.holds(
        "numbers in pluginConfig: one with a fraction, one that a double rounds",
        "200, one span each, with the defaults; `meshtap_config_problems_total` is 2, the heartbeat and the proxy's \
         log name both keys",
    );
}

/// Two pushes whose fetches overlap: the first waits for a slow server, the second has its module at hand.
pub(crate) fn conflicting_pushes(world: &World) {
    let namespace = world.namespace("llm-conflict", BASE, &[]);
    let pod = namespace.workload("checkout");
    crate::until_seen(world, &namespace.name, &pod);
    let converted = || pod.agent_metric("istio_agent_wasm_config_conversion_count", "");
    let age = |millis| with_setting("batch", &json!({"max_age_ms": millis}));
    let (older, newer) = (push(&namespace, &age(801)), push(&namespace, &age(802)));
    push(&namespace, &age(803));
    let slow = world.modules.serve_slowly("conflict.wasm", &another_build(3), Duration::from_secs(10));
    let before = converted();
    namespace.apply(BASE, &[with_module(&slow), vec![age(801)]].concat());
    wait::until("the first push's fetch", || (world.modules.asked("conflict.wasm") > 0).then_some(()));
    namespace.apply(BASE, &[age(802)]);
    wait::until("both pushes", || (converted() >= before + 2.0).then_some(()));
    // The newer was in force at once. Whether the older takes its place is seen in Envoy, and then in the heartbeats.
    let (wins, hash) = if comes_into_force(&pod, 801) { ("the older", older) } else { ("the newer", newer) };
    wait::until("the heartbeat of what is in force", || (in_force(&namespace)? == hash).then_some(()));
    assert_eq!(pod.call(&Call::chat("after-conflict")).status, 200);
    world.holds(
        "two pushes, the first waiting for a slow module server, the second meanwhile with a module at hand",
        &format!("{wins} stays in force; the heartbeats have its hash"),
    );
}

/// Whether Envoy runs the configuration with this age, now or within ten seconds.
fn comes_into_force(pod: &Pod, age: u32) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    let runs = || pod.admin("/config_dump?resource=ecds_filters").contains(&format!("max_age_ms\\\":{age}"));
    while Instant::now() < deadline {
        if runs() {
            return true;
        }
        thread::park_timeout(Duration::from_millis(100));
    }
    runs()
}
