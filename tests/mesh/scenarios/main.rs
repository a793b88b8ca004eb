//! What `docs/istio.md` says, against Istio itself.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a scenario that fails panics, and a skip is loud"
)]

mod calls;
mod changes;
mod collector;
mod configuration;
mod egress;
mod elsewhere;
mod identity;
mod listeners;
mod manifests;
mod mistakes;
mod module_faults;
mod oci;
mod streams;
mod trap;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};
use meshtap_mesh::app::Call;
use meshtap_mesh::mesh::Mesh;
use meshtap_mesh::pod::Pod;
use meshtap_mesh::requirements::{self, Purpose};
use meshtap_mesh::{isolation, results, tools};
use meshtap_tests::wait;

use self::world::World;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let version = match tools::istio_version() {
        Ok(version) => version,
        Err(mistake) => return requirements::refuse(&[mistake]),
    };
    if let Some(folder) = isolation::folder() {
        return scenarios(arguments, version, &folder);
    }
    let missing = requirements::missing(Purpose::Scenarios, version);
    if missing.is_empty() { isolation::run_inside(&[]) } else { requirements::refuse(&missing) }
}

type Scenario = fn(&World);

/// In the order in which they run: one at a time, over one mesh.
const SCENARIOS: &[(&str, Scenario)] = &[
    ("first_span", calls::first_span),
    ("json_and_sse", calls::json_and_sse),
    ("https", calls::https),
    ("strict_and_authorized", identity::strict_and_authorized),
    ("plain_text", identity::plain_text),
    ("manifests_are_accepted", manifests::accepted),
    ("mistakes_are_refused", mistakes::refused),
    ("mistakes_are_accepted", mistakes::accepted),
    ("injection", manifests::injection),
    ("module_faults_at_start", module_faults::at_start),
    ("missing_file", module_faults::missing_file),
    ("slow_module_server", module_faults::slow_server),
    ("module_faults_while_running", module_faults::while_running),
    ("filter_traps", trap::trap),
    ("images", oci::images),
    ("pull_secret", oci::pull_secret),
    ("plugin_config", configuration::edited),
    ("no_plugin_config", configuration::absent),
    ("wrong_numbers", configuration::wrong_numbers),
    ("module_upgrade", changes::module_upgrade),
    ("changed_bytes", changes::changed_bytes),
    ("archive", changes::archive),
    ("canary", changes::canary),
    ("resilient_canary", changes::resilient_canary),
    ("filter_comes_and_goes", listeners::comes_and_goes),
    ("base_to_resilient", listeners::base_to_resilient),
    ("conflicting_pushes", configuration::conflicting_pushes),
    ("istiod_restart", changes::istiod_restart),
    ("restart_under_load", collector::restart_under_load),
    ("sidecar_scope", collector::sidecar_scope),
    ("own_traffic", calls::own_traffic),
    ("access_log", calls::access_log),
    ("other_hosts", egress::other_hosts),
    ("wrong_certificates", egress::wrong_certificates),
    ("what_is_repeated", egress::repeated),
    ("capture_server", elsewhere::capture_server),
    ("egress_gateway", elsewhere::egress_gateway),
    // Afterwards the collector is another one.
    ("outside_the_mesh", collector::outside_the_mesh),
];

/// What runs in a program of its own.
const ISOLATION: &str = "two_meshes_and_nothing_of_them";

/// Runs after all of them, and not after a choice of them.
fn table(version: &str, passed: usize) {
    assert_eq!(
        passed,
        SCENARIOS.len(),
        "a scenario failed: whether the table holds nothing else is not known"
    );
    results::nothing_else(version);
}

fn scenarios(mut arguments: Arguments, version: &'static str, folder: &Path) -> ExitCode {
    arguments.test_threads = Some(1);
    let world: &'static OnceLock<World> = Box::leak(Box::default());
    let passed: &'static AtomicUsize = Box::leak(Box::default());
    let all = arguments.filter.is_none() && arguments.skip.is_empty();
    let trial = |&(name, run): &(&'static str, Scenario)| {
        let folder = folder.to_owned();
        Trial::test(name, move || {
            let world = world.get_or_init(|| start(version, folder));
            let started = Instant::now();
            run(world);
            eprintln!("mesh: {name} took {:.1} s", started.elapsed().as_secs_f64());
            passed.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
    };
    let chosen = |name: &str| arguments.filter.as_deref().is_none_or(|filter| name.contains(filter));
    if !SCENARIOS.iter().map(|(name, _)| *name).chain([ISOLATION]).any(chosen) {
        eprintln!("SCENARIOS={}: no scenario has that in its name", arguments.filter.unwrap_or_default());
        return ExitCode::from(2);
    }
    let mut trials: Vec<Trial> = SCENARIOS.iter().map(trial).collect();
    if all {
        trials.push(Trial::test("nothing_else_is_in_the_table", move || {
            table(version, passed.load(Ordering::Relaxed));
            Ok(())
        }));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn start(version: &'static str, folder: PathBuf) -> World {
    let mesh = Mesh::start(version, folder);
    for (name, at) in &mesh.steps {
        eprintln!("mesh: {name} after {:.1} s", at.as_secs_f64());
    }
    World::new(mesh)
}

/// Makes calls, all of which are answered with 200, until the collector has seen one of them: from then on the filter is in
/// place.
#[track_caller]
fn until_seen(world: &World, namespace: &str, pod: &Pod) {
    until_seen_as(world, namespace, pod, "warm-up");
}

/// The same, with calls that are told from others by their model.
#[track_caller]
fn until_seen_as(world: &World, namespace: &str, pod: &Pod, model: &str) {
    let query = format!("namespace={namespace}&model={model}");
    let mut count = 0;
    wait::until("the filter in the sidecar", || {
        count += 1;
        succeeds(pod, &Call::chat(&format!("{model}-{namespace}-{count}")).model(model));
        thread::park_timeout(Duration::from_millis(300));
        (!world.collector().spans(&query).is_empty()).then_some(())
    });
}

#[track_caller]
fn succeeds(pod: &Pod, call: &Call) {
    let answer = pod.call(call);
    assert_eq!(answer.status, 200, "{answer:?}\n{}", pod.log());
}

/// Makes calls, all of which are answered with 200, until one has no span: Envoy's workers hear of a change after its
/// admin interface.
#[track_caller]
fn until_unseen(world: &World, namespace: &str, pod: &Pod, model: &str) {
    let query = format!("namespace={namespace}");
    let mut count = 0;
    wait::until("a call without a span", || {
        count += 1;
        let model = format!("{model}-{namespace}-{count}");
        succeeds(pod, &Call::chat(&model).model(&model));
        (!world.was_seen(&query, &model)).then_some(())
    });
}
