//! A module that cannot be had, or is not what it should be: what the client sees, and how long a pod's start takes.

use std::thread;
use std::time::Duration;

use meshtap_mesh::app::Call;
use meshtap_mesh::modules::Module;
use meshtap_mesh::pod::Pod;
use meshtap_mesh::results::roughly;
use meshtap_tests::wait;

use crate::world::{BASE, RESILIENT, World, another_build, module_bytes, with_module};

const SLOW: Duration = Duration::from_secs(8);

const PLACES: [(&str, &[&str]); 2] = [("base", BASE), ("resilient", RESILIENT)];

/// A fault, as the document names it, and the agent's word for it.
struct Fault {
    key: &'static str,
    name: &'static str,
    module: Module,
    /// What the agent counts, if it sees anything wrong: a counter and its label.
    counted: Option<(&'static str, &'static str)>,
}

fn faults(world: &World) -> Vec<Fault> {
    let good = world.modules.serve("good.wasm", &module_bytes());
    // The magic of a module, and then nothing of one.
    let corrupt = world.modules.serve("corrupt.wasm", b"\0asm\x01\0\0\0\xff\xff\xff\xff");
    let no_module = world.modules.serve("page.wasm", b"<html>Sign in</html>");
    let failed = Some(("istio_agent_wasm_config_conversion_count", "fetch_failure"));
    let mismatched = Some(("istio_agent_wasm_remote_fetch_count", "checksum_mismatched"));
    let fault = |key, name, module, counted| Fault { key, name, module, counted };
    vec![
        fault("refused", "the module server refuses connections", good.clone().refused(), failed),
        fault("missing", "the module is not there (404)", world.modules.missing(), failed),
        fault("digest", "the digest is of other bytes", good.clone().with_wrong_digest(), mismatched),
        fault("page", "the bytes are no module", no_module, failed),
        fault("corrupt", "the module is corrupt behind its first bytes", corrupt, None),
        fault("dropped", "the module server drops packets", good.dropped(), failed),
    ]
}

pub(crate) fn at_start(world: &World) {
    for fault in faults(world) {
        for (place, folders) in PLACES {
            let name = format!("llm-start-{}-{place}", fault.key);
            let namespace = world.namespace(&name, folders, &with_module(&fault.module));
            let pod = world.mesh.workload(&namespace.name, "checkout");
            let took = pod.ready(world.mesh.node());
            let answer = pod.call(&Call::chat(&name));
            let spans = world.collector().spans(&namespace.query()).len();
            let situation = format!("{place}, pod starts: {}", fault.name);
            assert_counted(&pod, &fault);
            let counted = fault.counted.map(|(_, result)| format!("; the agent counts `{result}`"));
            let counted = counted.unwrap_or_default();
            let spans = spans_of(spans);
            let outcome = format!("ready {}; {}, {spans}{counted}", roughly(took), answer.status);
            world.holds(&situation, &outcome);
            pod.delete(&world.mesh.kube);
        }
    }
}

/// Once the module can be had, pods that started without it have it as soon as the resource changes.
pub(crate) fn slow_server(world: &World) {
    for (place, folders) in PLACES {
        let name = format!("slow-{place}.wasm");
        let module = world.modules.serve_slowly(&name, &module_bytes(), SLOW);
        let namespace = world.namespace(&format!("llm-slow-{place}"), folders, &with_module(&module));
        let pod = world.mesh.workload(&namespace.name, "checkout");
        let took = pod.ready(world.mesh.node());
        let early = pod.call(&Call::chat(&format!("early-{place}")));
        crate::until_seen(world, &namespace.name, &pod);
        let situation = format!("{place}, pod starts: the module takes 8 s to come");
        world.holds(&situation, &format!("ready {}; {}, then spans", roughly(took), early.status));
    }
}

/// Both places at once: an agent that waits for packets waits long.
pub(crate) fn while_running(world: &World) {
    let seen: Vec<(String, String)> = thread::scope(|scope| {
        let runs = PLACES.map(|(place, folders)| scope.spawn(move || faults_of_a_pod(world, place, folders)));
        runs.into_iter().flat_map(|run| run.join().unwrap()).collect()
    });
    for (situation, outcome) in seen {
        world.holds(&situation, &outcome);
    }
}

/// One fault after the other while a pod runs: each situation, and what happened.
fn faults_of_a_pod(world: &World, place: &str, folders: &[&str]) -> Vec<(String, String)> {
    let namespace = world.namespace(&format!("llm-run-{place}"), folders, &[]);
    let pod = namespace.workload("checkout");
    crate::until_seen(world, &namespace.name, &pod);
    let slow = world.modules.serve_slowly(&format!("slower-{place}.wasm"), &another_build(4), SLOW);
    let slow = Fault { key: "slow", name: "the module takes 8 s to come", module: slow, counted: None };
    let mut seen = Vec::new();
    for fault in faults(world).into_iter().chain([slow]) {
        let before = tries(&pod);
        let stream = Call::chat(&format!("{}-{place}", fault.key)).slowly(Duration::from_millis(150));
        let stream = pod.begin(&stream.model("in-flight")).has_begun();
        namespace.apply(folders, &with_module(&fault.module));
        let whole = stream.end().is_whole_stream();
        wait_for_another_try(&pod, before);
        let model = format!("after-{}", fault.key);
        let answer = pod.call(&Call::chat(&format!("{model}-{place}")).model(&model));
        let spans = match (fault.key, crate::was_seen(world, &namespace.query(), &model)) {
            ("slow", true) => "spans go on",
            (_, true) => "the old filter goes on",
            (_, false) => "no spans",
        };
        let stream = if whole { "a stream under way is whole" } else { "a stream under way breaks" };
        let situation = format!("{place}, pod runs: {}", fault.name);
        seen.push((situation, format!("{}, {spans}; {stream}", answer.status)));
        // Back to a module that is good, for the next fault.
        namespace.apply(folders, &[]);
        crate::until_seen_as(world, &namespace.name, &pod, &format!("well-{}", fault.key));
    }
    seen
}

/// How often the agent has fetched a module, or failed to.
fn tries(pod: &Pod) -> f64 {
    pod.agent_metric("istio_agent_wasm_config_conversion_count", "")
}

/// An agent whose packets are dropped gives up after 30 s.
#[track_caller]
fn wait_for_another_try(pod: &Pod, before: f64) {
    let tried = || wait::poll(|| (tries(pod) > before).then_some(()));
    assert!(tried().or_else(tried).is_some(), "the agent has not tried\n{}", pod.log());
}

fn spans_of(count: usize) -> &'static str {
    if count == 0 { "no spans" } else { "spans" }
}

#[track_caller]
fn assert_counted(pod: &Pod, fault: &Fault) {
    let Some((name, result)) = fault.counted else { return };
    let label = format!("result=\"{result}\"");
    let counted = wait::poll(|| (pod.agent_metric(name, &label) > 0.0).then_some(()));
    let page = pod.local(15020, "/stats/prometheus").unwrap_or_default();
    let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("istio_agent_wasm")).collect();
    assert!(counted.is_some(), "{}: no {name} with {label} in {lines:#?}", fault.name);
}
