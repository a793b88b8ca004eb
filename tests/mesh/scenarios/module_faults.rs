//! A module that cannot be had, or is not what it should be: what the client sees, and how long a pod's start takes.

use std::time::Duration;

use meshtap_mesh::app::Call;
use meshtap_mesh::modules::Module;
use meshtap_mesh::pod::Pod;
use meshtap_mesh::results::roughly;
use meshtap_tests::wait;

use crate::world::{BASE, RESILIENT, World, module_bytes, with_module};

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
            let outcome = format!("ready {}; {}, {}", roughly(took), answer.status, spans_of(spans));
            world.holds(&situation, &outcome);
            assert_counted(&pod, &fault);
            pod.delete(&world.mesh.kube);
        }
    }
}

/// Once the module can be had, pods that started without it have it as soon as the resource changes.
pub(crate) fn slow_server(world: &World) {
    for (place, folders) in PLACES {
        let name = format!("slow-{place}.wasm");
        let module = world.modules.serve_slowly(&name, &module_bytes(), Duration::from_secs(8));
        let namespace = world.namespace(&format!("llm-slow-{place}"), folders, &with_module(&module));
        let pod = world.mesh.workload(&namespace.name, "checkout");
        let took = pod.ready(world.mesh.node());
        let early = pod.call(&Call::chat(&format!("early-{place}")));
        crate::until_seen(world, &namespace.name, &pod);
        let situation = format!("{place}, pod starts: the module takes 8 s to come");
        world.holds(&situation, &format!("ready {}; {}, then spans", roughly(took), early.status));
    }
}

pub(crate) fn while_running(world: &World) {
    for (place, folders) in PLACES {
        let namespace = world.namespace(&format!("llm-run-{place}"), folders, &[]);
        let pod = namespace.workload("checkout");
        crate::until_seen(world, &namespace.name, &pod);
        for fault in faults(world).into_iter().filter(|fault| fault.key != "dropped") {
            let before = pod.agent_metric("istio_agent_wasm_config_conversion_count", "");
            let stream = pod.begin(
                &Call::chat(&fault.key.repeat(2)).slowly(Duration::from_millis(150)).model("in-flight"),
            );
            let stream = stream.has_begun();
            namespace.apply(folders, &with_module(&fault.module));
            wait::until("the agent has tried", || {
                (pod.agent_metric("istio_agent_wasm_config_conversion_count", "") > before).then_some(())
            });
            let whole = stream.end().is_whole_stream();
            let model = format!("after-{}", fault.key);
            let answer = pod.call(&Call::chat(&model).model(&model));
            let seen = crate::was_seen(world, &namespace.query(), &model);
            let situation = format!("{place}, pod runs: {}", fault.name);
            let stream = if whole { "a stream under way is whole" } else { "a stream under way breaks" };
            let spans = if seen { "the old filter goes on" } else { "no spans" };
            world.holds(&situation, &format!("{}, {spans}; {stream}", answer.status));
            // Back to a module that is good, for the next fault.
            namespace.apply(folders, &[]);
            crate::until_seen_as(world, &namespace.name, &pod, &format!("well-{}", fault.key));
        }
    }
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
