//! A module that cannot be had, or is not what it should be: what the client sees, and how long a pod's start takes.

use std::thread;
use std::time::Duration;

use meshtap_mesh::app::Call;
use meshtap_mesh::modules::{Module, sha256};
use meshtap_mesh::pod::Pod;
use meshtap_mesh::results::roughly;
use meshtap_tests::wait;

use crate::streams::Stream;
use crate::world::{BASE, RESILIENT, World, another_build, module_bytes, with_module};

const SLOW: Duration = Duration::from_secs(8);

const PLACES: [(&str, &[&str]); 2] = [("base", BASE), ("resilient", RESILIENT)];

/// A fault, as the document names it, and who counts it.
struct Fault {
    key: &'static str,
    name: &'static str,
    module: Module,
    counted: Counted,
}

/// Where a fault is seen: a counter that it moves.
#[derive(Clone, Copy)]
enum Counted {
    /// Of the agent, with this label.
    ByAgent(&'static str, &'static str),
    /// Of istiod: Envoy refuses what it is sent, and says so in its log too.
    ByIstiod,
    /// It is none.
    Nowhere,
}

impl Counted {
    fn now(self, pod: &Pod) -> f64 {
        match self {
            Self::ByAgent(name, result) => pod.agent_metric(name, &format!("result=\"{result}\"")),
            Self::ByIstiod => {
                f64::from(u32::try_from(pod.log().matches(REFUSED).count()).unwrap_or(u32::MAX))
            }
            Self::Nowhere => 0.0,
        }
    }

    /// As the document says it.
    fn told(self) -> String {
        match self {
            Self::ByAgent(_, result) => format!("; the agent counts `{result}`"),
            Self::ByIstiod => "; istiod counts `pilot_total_xds_rejects{type=\"ecds\"}`".to_owned(),
            Self::Nowhere => String::new(),
        }
    }

    #[track_caller]
    fn assert_moved(self, world: &World, pod: &Pod, before: f64, fault: &str) {
        if matches!(self, Self::Nowhere) {
            return;
        }
        let moved = wait::poll(|| (self.now(pod) > before).then_some(()));
        assert!(moved.is_some(), "{fault}: nothing moved{}\n{}", self.told(), pod.log());
        if matches!(self, Self::ByIstiod) {
            let rejects = || world.mesh.istiod.metric("pilot_total_xds_rejects", "type=\"ecds\"");
            wait::until("istiod's count", || (rejects() > before).then_some(()));
        }
    }
}

fn faults(world: &World) -> Vec<Fault> {
    let good = world.modules.serve("good.wasm", &module_bytes());
    // The magic of a module, and then nothing of one.
    let corrupt = world.modules.serve("corrupt.wasm", b"\0asm\x01\0\0\0\xff\xff\xff\xff");
    let no_module = world.modules.serve("page.wasm", b"<html>Sign in</html>");
    let failed = Counted::ByAgent("istio_agent_wasm_config_conversion_count", "fetch_failure");
    let mismatched = Counted::ByAgent("istio_agent_wasm_remote_fetch_count", "checksum_mismatched");
    let fault = |key, name, module, counted| Fault { key, name, module, counted };
    vec![
        fault("refused", "the module server refuses connections", good.clone().refused(), failed),
        fault("missing", "the module is not there (404)", world.modules.missing(), failed),
        fault("digest", "the digest is of other bytes", good.clone().with_wrong_digest(), mismatched),
        fault("page", "the bytes are no module", no_module, failed),
        fault("corrupt", "the module is corrupt behind its first bytes", corrupt, Counted::ByIstiod),
        fault("dropped", "the module server drops packets", good.dropped(), failed),
    ]
}

/// What Envoy writes about a module that it cannot load.
const REFUSED: &str = "rejected: Unable to create Wasm plugin";

/// Both places at once, each fault after the other.
pub(crate) fn at_start(world: &World) {
    for fault in faults(world) {
        let seen = thread::scope(|scope| {
            let fault = &fault;
            let runs =
                PLACES.map(|(place, folders)| scope.spawn(move || a_start(world, fault, place, folders)));
            runs.map(|run| run.join().unwrap())
        });
        for (situation, outcome) in seen {
            world.holds(&situation, &outcome);
        }
    }
}

fn a_start(world: &World, fault: &Fault, place: &str, folders: &[&str]) -> (String, String) {
    let name = format!("llm-start-{}-{place}", fault.key);
    let namespace = world.namespace(&name, folders, &with_module(&fault.module));
    let pod = world.mesh.workload(&namespace.name, "checkout");
    let took = roughly(pod.ready(world.mesh.node()));
    fault.counted.assert_moved(world, &pod, 0.0, fault.name);
    let answer = pod.call(&Call::chat(&name).model(&name));
    let spans = if world.was_seen(&namespace.query(), &name) { "spans" } else { "no spans" };
    pod.delete(&world.mesh.kube);
    let outcome = format!("ready {took}; {}, {spans}{}", answer.status, fault.counted.told());
    (format!("{place}, pod starts: {}", fault.name), outcome)
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
    let slow = another_build(if place == "base" { 4 } else { 5 });
    let slower = world.modules.serve_slowly(&format!("slower-{place}.wasm"), &slow, SLOW);
    let slow = Fault {
        key: "slow",
        name: "the module takes 8 s to come",
        module: slower,
        counted: Counted::Nowhere,
    };
    let mut seen = Vec::new();
    for fault in faults(world).into_iter().chain([slow]) {
        let (tried, counted) = (tries(&pod), fault.counted.now(&pod));
        let name = format!("through-{}-{place}", fault.key);
        let stream = Stream::begin(&world.mesh.provider, &pod, &name);
        namespace.apply(folders, &with_module(&fault.module));
        wait_for_another_try(&pod, tried);
        fault.counted.assert_moved(world, &pod, counted, fault.name);
        if fault.key == "slow" {
            wait::until("the other module", || pod.runs_module(&fault.module.sha256).then_some(()));
        }
        let model = format!("after-{}", fault.key);
        let answer = pod.call(&Call::chat(&format!("{model}-{place}")).model(&model));
        let spans = match (fault.key, world.was_seen(&namespace.query(), &model)) {
            ("slow", true) => "spans go on",
            (_, true) => "the old filter goes on",
            (_, false) => "no spans",
        };
        stream.ends_whole();
        let its = if world.was_seen(&namespace.query(), &name) { "has its span" } else { "has no span" };
        let told = fault.counted.told();
        let outcome = format!("{}, {spans}{told}; a stream under way is whole and {its}", answer.status);
        seen.push((format!("{place}, pod runs: {}", fault.name), outcome));
        // Back to a module that is good, for the next fault.
        namespace.apply(folders, &[]);
        wait::until("the good module", || pod.runs_module(&sha256(&module_bytes())).then_some(()));
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
