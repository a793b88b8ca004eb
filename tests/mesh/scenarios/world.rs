//! What all scenarios share: one mesh, one collector, and a namespace of its own for each.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use meshtap_mesh::app::Call;
use meshtap_mesh::collector::Collector;
use meshtap_mesh::mesh::{Mesh, repository};
use meshtap_mesh::modules::{Module, Modules};
use meshtap_mesh::pod::Pod;
use meshtap_mesh::results;
use meshtap_tests::tools::filter;
use meshtap_tests::wait;
use serde_json::{Value, json};

pub(crate) struct World {
    pub(crate) mesh: Mesh,
    pub(crate) modules: Modules,
    collector: Mutex<Collector>,
    /// A pod whose filter works, by whose spans others' absence is known.
    control: OnceLock<Pod>,
    control_calls: AtomicUsize,
    /// Whether the collector takes spans of the scenarios' own namespaces.
    admitted: OnceLock<()>,
}

/// Batches of the control pod after which all other sidecars have sent theirs: a first one may begin before the call that
/// is waited for, a second one ends a whole interval later, and one more is for a busy machine.
const BATCHES: usize = 3;

/// How a namespace gets the filter.
pub(crate) const BASE: &[&str] = &["istio/base", "istio/egress/openai"];
pub(crate) const RESILIENT: &[&str] = &["istio/base", "istio/egress/openai", "istio/components/resilient"];
pub(crate) const TRAFFIC_EXTENSION: &[&str] =
    &["istio/base", "istio/egress/openai", "istio/components/traffic-extension"];

impl World {
    pub(crate) fn new(mesh: Mesh) -> Self {
        let collector = Mutex::new(mesh.collector());
        let (control, control_calls) = (OnceLock::new(), AtomicUsize::new(0));
        Self { mesh, modules: Modules::start(), collector, control, control_calls, admitted: OnceLock::new() }
    }

    pub(crate) fn collector(&self) -> MutexGuard<'_, Collector> {
        self.collector.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a call that was made has a span. That it has none is known once a sidecar whose filter works, with the same
    /// interval between its batches, has sent several that it began later.
    #[track_caller]
    pub(crate) fn was_seen(&self, query: &str, model: &str) -> bool {
        let query = format!("{query}&model={model}");
        let seen = || !self.collector().spans(&query).is_empty();
        for _ in 0..BATCHES {
            if seen() {
                return true;
            }
            self.a_batch_goes_by();
        }
        seen()
    }

    /// Ends when the spans of all calls that ended before it began have come, or never will.
    #[track_caller]
    pub(crate) fn all_batches_come(&self) {
        for _ in 0..BATCHES {
            self.a_batch_goes_by();
        }
    }

    /// A call of the control pod, until its span is there.
    #[track_caller]
    fn a_batch_goes_by(&self) {
        let pod = self.control.get_or_init(|| self.namespace("llm-control", BASE, &[]).workload("control"));
        let name = format!("control-{}", self.control_calls.fetch_add(1, Ordering::Relaxed));
        assert_eq!(pod.call(&Call::chat(&name).model(&name)).status, 200);
        // The collector is everybody's between the questions.
        let query = format!("namespace=llm-control&model={name}");
        wait::until("a span of the control pod", || {
            (!self.collector().spans(&query).is_empty()).then_some(())
        });
    }

    /// A new namespace with folders, if any, of `istio/` applied to it. The first one has the collector take spans of all
    /// whose names begin with `llm-`; until then its policy is as it stands in the manifests.
    #[track_caller]
    pub(crate) fn namespace(&self, name: &str, folders: &[&str], patches: &[Value]) -> Namespace<'_> {
        self.admitted.get_or_init(|| self.mesh.admit(&["llm-*"]));
        self.mesh.kube.namespace(name);
        let namespace = Namespace { world: self, name: name.to_owned() };
        if !folders.is_empty() {
            namespace.apply(folders, patches);
        }
        namespace
    }

    /// The same in several places at once: what each of them is like, and what happened there, stated in their order.
    #[track_caller]
    pub(crate) fn holds_in<P: Copy + Send>(
        &self,
        places: impl IntoIterator<Item = P>,
        see: impl Fn(&Self, P) -> Vec<(String, String)> + Sync,
    ) {
        let see = &see;
        let seen: Vec<_> = thread::scope(|scope| {
            let runs: Vec<_> =
                places.into_iter().map(|place| scope.spawn(move || see(self, place))).collect();
            runs.into_iter().flat_map(|run| run.join().unwrap()).collect()
        });
        for (situation, outcome) in seen {
            self.holds(&situation, &outcome);
        }
    }

    /// States what happened in a situation.
    #[track_caller]
    pub(crate) fn holds(&self, situation: &str, outcome: &str) {
        results::holds(self.mesh.istiod.version, situation, outcome);
    }
}

pub(crate) struct Namespace<'a> {
    pub(crate) world: &'a World,
    pub(crate) name: String,
}

impl Namespace<'_> {
    /// Applies the folders again, with other patches.
    #[track_caller]
    pub(crate) fn apply(&self, folders: &[&str], patches: &[Value]) {
        self.world.mesh.apply_to(&self.name, folders, patches);
    }

    /// A workload whose sidecar is ready.
    #[track_caller]
    pub(crate) fn workload(&self, name: &str) -> Pod {
        let pod = self.world.mesh.workload(&self.name, name);
        pod.ready(self.world.mesh.node());
        pod
    }

    /// How the collector finds this namespace's spans.
    pub(crate) fn query(&self) -> String {
        format!("namespace={}", self.name)
    }
}

/// A patch of the WasmPlugin's or the EnvoyFilter's module.
pub(crate) fn with_module(module: &Module) -> Vec<Value> {
    let wasm = "/spec/configPatches/1/patch/value/typed_config/config/vm_config/code/remote";
    vec![
        json!({"kind": "WasmPlugin", "patch": [
            {"op": "replace", "path": "/spec/url", "value": module.url},
            {"op": "replace", "path": "/spec/sha256", "value": module.sha256},
        ]}),
        json!({"kind": "EnvoyFilter", "patch": [
            {"op": "replace", "path": format!("{wasm}/http_uri/uri"), "value": module.url},
            {"op": "replace", "path": format!("{wasm}/sha256"), "value": module.sha256},
        ]}),
    ]
}

/// A patch that sets one key of the WasmPlugin's configuration.
pub(crate) fn with_setting(key: &str, value: &Value) -> Value {
    json!({"kind": "WasmPlugin", "patch": [{"op": "add", "path": format!("/spec/pluginConfig/{key}"), "value": value}]})
}

/// The same of the EnvoyFilter's, where the configuration is a text.
pub(crate) fn with_setting_as_text(key: &str, value: &Value) -> Value {
    let file = repository("istio/components/resilient/envoyfilter.yaml");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let object: Value = serde_saphyr::from_str(&text).unwrap();
    let path = "/spec/configPatches/1/patch/value/typed_config/config/configuration/value";
    let configuration = object.pointer(path).and_then(Value::as_str).unwrap();
    let mut configuration: Value = serde_json::from_str(configuration).unwrap();
    configuration[key] = value.clone();
    json!({"kind": "EnvoyFilter", "patch": [{"op": "replace", "path": path, "value": configuration.to_string()}]})
}

/// The filter under test.
pub(crate) fn module_bytes() -> Vec<u8> {
    let path = filter();
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The same filter in other bytes: a custom section of no meaning is at its end.
pub(crate) fn another_build(mark: u8) -> Vec<u8> {
    let mut bytes = module_bytes();
    bytes.extend([0, 3, 1, b'x', mark]);
    bytes
}
