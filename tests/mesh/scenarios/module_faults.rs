//! A module that cannot be had, or is not what it should be: what the client sees, and how long a pod's start takes.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use meshtap_mesh::app::Call;
use meshtap_mesh::modules::{Module, sha256};
use meshtap_mesh::pod::Pod;
use meshtap_mesh::results::roughly;
use meshtap_tests::wait;

use crate::streams::Stream;
use crate::world::{BASE, RESILIENT, World, another_build, module_bytes, with_module};

/// Longer than a pod's start on a busy machine, and shorter than the agent's patience of 15 s.
const SLOW: Duration = Duration::from_secs(10);

const PLACES: [(&str, &[&str]); 2] = [("base", BASE), ("resilient", RESILIENT)];

/// A fault, as the document names it, and who counts it.
struct Fault {
    key: &'static str,
    name: &'static str,
    module: Module,
    counted: Counted,
    /// It makes somebody wait.
    takes_long: bool,
}

impl Fault {
    /// Waits until Envoy has what the agent makes of it, which comes after the agent's count: the module, or a filter that
    /// lets all pass.
    #[track_caller]
    fn is_felt(&self, pod: &Pod) {
        match self.counted {
            Counted::Nowhere => {
                wait::until("the other module", || pod.runs_module(&self.module.sha256).then_some(()));
            }
            Counted::ByAgent(..) => {
                let good = sha256(&module_bytes());
                wait::until("a filter that lets all pass", || (!pod.runs_module(&good)).then_some(()));
            }
            Counted::ByIstiod => {}
        }
    }
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
    /// istiod counts for all pods in one sum: who moves it waits until nobody else does.
    fn alone(self) -> Option<MutexGuard<'static, ()>> {
        static ONE: Mutex<()> = Mutex::new(());
        matches!(self, Self::ByIstiod).then(|| ONE.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is counted so far: of this pod, and by istiod for all pods.
    fn now(self, world: &World, pod: Option<&Pod>) -> [f64; 2] {
        match self {
            Self::ByAgent(name, result) => {
                let of_pod = |pod: &Pod| pod.agent_metric(name, &format!("result=\"{result}\""));
                [pod.map_or(0.0, of_pod), 0.0]
            }
            Self::ByIstiod => {
                let logged = pod.map_or(0, |pod| pod.log().matches(REFUSED).count());
                let rejects = world.mesh.istiod.metric("pilot_total_xds_rejects", "type=\"ecds\"");
                [f64::from(u32::try_from(logged).unwrap_or(u32::MAX)), rejects]
            }
            Self::Nowhere => [0.0; 2],
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
    fn assert_moved(self, world: &World, pod: &Pod, before: [f64; 2], fault: &str) {
        let moved = || {
            let now = self.now(world, Some(pod));
            match self {
                Self::ByAgent(..) => now[0] > before[0],
                Self::ByIstiod => now[0] > before[0] && now[1] > before[1],
                Self::Nowhere => true,
            }
        };
        // As long as an agent that gives up after 30 s may take, and more.
        let moved = || wait::poll(|| moved().then_some(()));
        assert!(moved().or_else(moved).is_some(), "{fault}: nothing moved{}\n{}", self.told(), pod.log());
    }
}

fn faults(world: &World) -> Vec<Fault> {
    let good = world.modules.serve("good.wasm", &module_bytes());
    // The magic of a module, and then nothing of one.
    let corrupt = world.modules.serve("corrupt.wasm", b"\0asm\x01\0\0\0\xff\xff\xff\xff");
    let no_module = world.modules.serve("page.wasm", b"<html>Sign in</html>");
    let failed = Counted::ByAgent("istio_agent_wasm_config_conversion_count", "fetch_failure");
    let mismatched = Counted::ByAgent("istio_agent_wasm_remote_fetch_count", "checksum_mismatched");
    let fault =
        |key, name, module, counted| Fault { key, name, module, counted, takes_long: key == "dropped" };
    vec![
        fault("refused", "the module server refuses connections", good.clone().refused(), failed),
        fault("missing", "the module is not there (404)", world.modules.missing(), failed),
        fault("digest", "the digest is of other bytes", good.clone().with_wrong_digest(), mismatched),
        fault("page", "the bytes are no module", no_module, failed),
        fault("corrupt", "the module is corrupt behind its first bytes", corrupt, Counted::ByIstiod),
        fault("dropped", "the module server drops packets", good.dropped(), failed),
    ]
}

/// What Envoy writes about a filter that it cannot make.
const REFUSED: &str = "TypedExtensionConfig rejected: ";

/// What happened in each situation.
type Seen = Vec<(String, String)>;

/// Both places at once, each fault after the other, and those that take long beside the others. What istiod counts, for all
/// pods in one sum, is seen in one place after the other.
fn in_both_places(
    world: &World,
    faults: impl Fn(&str) -> Vec<Fault>,
    see: fn(&World, &[Fault], &str, &[&str]) -> Seen,
) {
    let groups = PLACES.into_iter().flat_map(|(place, folders)| {
        let (long, short): (Vec<Fault>, Vec<Fault>) =
            faults(place).into_iter().partition(|fault| fault.takes_long);
        [short, long].map(|faults| (faults, place, folders))
    });
    let groups: Vec<_> = groups.collect();
    world.holds_in(&groups, |world, (faults, place, folders)| see(world, faults, place, folders));
}

pub(crate) fn at_start(world: &World) {
    in_both_places(
        world,
        |_| faults(world),
        |world, faults, place, folders| {
            faults.iter().map(|fault| a_start(world, fault, place, folders)).collect()
        },
    );
}

fn a_start(world: &World, fault: &Fault, place: &str, folders: &[&str]) -> (String, String) {
    let name = format!("llm-start-{}-{place}", fault.key);
    let namespace = world.namespace(&name, folders, &with_module(&fault.module));
    let _alone = fault.counted.alone();
    let counted = fault.counted.now(world, None);
    let pod = world.mesh.workload(&namespace.name, "checkout");
    let took = roughly(pod.ready(world.mesh.node()));
    fault.counted.assert_moved(world, &pod, counted, fault.name);
    let answer = pod.call(&Call::chat(&name).model(&name));
    let spans = if world.was_seen(&namespace.query(), &name) { "spans" } else { "no spans" };
    pod.delete(&world.mesh.kube);
    let outcome = format!("ready {took}; {}, {spans}{}", answer.status, fault.counted.told());
    (format!("{place}, pod starts: {}", fault.name), outcome)
}

/// Whether a pod's start waits for its module: whether that had been sent when the pod was ready.
pub(crate) fn slow_server(world: &World) {
    world.holds_in(PLACES, |world, (place, folders)| vec![a_slow_start(world, place, folders)]);
}

fn a_slow_start(world: &World, place: &str, folders: &[&str]) -> (String, String) {
    let name = format!("slow-{place}.wasm");
    let module = world.modules.serve_slowly(&name, &module_bytes(), SLOW);
    let namespace = world.namespace(&format!("llm-slow-{place}"), folders, &with_module(&module));
    let pod = world.mesh.workload(&namespace.name, "checkout");
    pod.wait_ready();
    let waited = world.modules.sent(&name) > 0;
    let early = pod.call(&Call::chat(&format!("early-{place}")).model("early"));
    let came_later = !waited && world.modules.sent(&name) == 0;
    assert!(waited || came_later, "the machine is too slow: the module came while the call was made");
    if waited {
        world.collector().wait_for_span(&format!("{}&model=early", namespace.query()));
    }
    let seen = waited || world.was_seen(&namespace.query(), "early");
    crate::until_seen(world, &namespace.name, &pod);
    assert!(world.modules.sent(&name) > 0);
    let situation = format!("{place}, pod starts: the module takes {} s to come", SLOW.as_secs());
    let waits = if waited { "waits for the module" } else { "does not wait for the module" };
    let first = if seen { "with a span" } else { "without a span, then spans" };
    (situation, format!("{waits}; the first call gets {}, {first}", early.status))
}

/// In a pod of its own for each group of faults.
pub(crate) fn while_running(world: &World) {
    let with_slow = |place: &str| {
        let module = another_build(if place == "base" { 4 } else { 5 });
        let slow = Fault {
            key: "slow",
            name: "the module takes 10 s to come",
            module: world.modules.serve_slowly(&slower(place), &module, SLOW),
            counted: Counted::Nowhere,
            takes_long: true,
        };
        faults(world).into_iter().chain([slow]).collect()
    };
    in_both_places(world, with_slow, faults_of_a_pod);
}

/// A file, which the agent does not look at: Envoy itself finds out. An EnvoyFilter names a file in another way.
pub(crate) fn missing_file(world: &World) {
    let module = Module { url: "file:///no/such.wasm".to_owned(), sha256: sha256(b"") };
    let name = "the module is a `file://` that is not there";
    let fault = Fault { key: "file", name, module, counted: Counted::ByIstiod, takes_long: false };
    let (place, folders) = PLACES[0];
    let start = a_start(world, &fault, place, folders);
    for (situation, outcome) in [vec![start], faults_of_a_pod(world, &[fault], place, folders)].concat() {
        world.holds(&situation, &outcome);
    }
}

/// What the module is called whose server is slow while a pod runs.
fn slower(place: &str) -> String {
    format!("slower-{place}.wasm")
}

/// One fault after the other while a pod runs.
fn faults_of_a_pod(world: &World, faults: &[Fault], place: &str, folders: &[&str]) -> Seen {
    let first = faults.first().map_or("none", |fault| fault.key);
    let namespace = world.namespace(&format!("llm-run-{place}-{first}"), folders, &[]);
    let pod = namespace.workload("checkout");
    crate::until_seen(world, &namespace.name, &pod);
    let slower = slower(place);
    let mut seen = Vec::new();
    for fault in faults {
        let _alone = fault.counted.alone();
        let (tried, counted) = (tries(&pod), fault.counted.now(world, Some(&pod)));
        let name = format!("through-{}-{place}", fault.key);
        let stream = Stream::begin(&world.mesh.provider, &pod, &name);
        namespace.apply(folders, &with_module(&fault.module));
        let meanwhile = (fault.key == "slow").then(|| {
            wait::until("the fetch", || (world.modules.asked(&slower) > 0).then_some(()));
            let meanwhile = pod.call(&Call::chat(&format!("meanwhile-{place}")).model("meanwhile"));
            assert_eq!(world.modules.sent(&slower), 0, "the module came while the call was made");
            meanwhile
        });
        wait_for_another_try(&pod, tried);
        fault.counted.assert_moved(world, &pod, counted, fault.name);
        fault.is_felt(&pod);
        if let Some(meanwhile) = meanwhile {
            assert_eq!(meanwhile.status, 200);
            world.collector().wait_for_span(&format!("{}&model=meanwhile", namespace.query()));
        }
        let after = format!("after-{}", fault.key);
        let filter_is_gone = matches!(fault.counted, Counted::ByAgent(..));
        if filter_is_gone {
            crate::until_unseen(world, &namespace.name, &pod, &after);
        } else {
            crate::until_seen_as(world, &namespace.name, &pod, &after);
        }
        stream.ends_whole_after_the_change(&pod);
        if !filter_is_gone {
            world.collector().wait_for_span(&format!("{}&model={name}", namespace.query()));
        }
        let (spans, its) = match (filter_is_gone, fault.key) {
            // Whether it leaves the VM before that is gone is chance.
            (true, _) => ("no spans", "may have no span"),
            (false, "slow") => ("spans go on, while it comes and after", "has its span"),
            (false, _) => ("the old filter goes on", "has its span"),
        };
        let told = fault.counted.told();
        let outcome = format!("200, {spans}{told}; a stream under way is whole and {its}");
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
