//! What all scenarios share: one mesh, one collector, and a namespace of its own for each.

use std::sync::{Mutex, MutexGuard, PoisonError};

use meshtap_mesh::collector::Collector;
use meshtap_mesh::mesh::Mesh;
use meshtap_mesh::modules::{Module, Modules};
use meshtap_mesh::pod::Pod;
use meshtap_mesh::results;
use meshtap_tests::tools::filter;
use serde_json::{Value, json};

pub(crate) struct World {
    pub(crate) mesh: Mesh,
    pub(crate) modules: Modules,
    collector: Mutex<Collector>,
}

/// How a namespace gets the filter.
pub(crate) const BASE: &[&str] = &["istio/base", "istio/egress/openai"];
pub(crate) const RESILIENT: &[&str] = &["istio/base", "istio/egress/openai", "istio/components/resilient"];
pub(crate) const TRAFFIC_EXTENSION: &[&str] =
    &["istio/base", "istio/egress/openai", "istio/components/traffic-extension"];

impl World {
    pub(crate) fn new(mesh: Mesh) -> Self {
        let collector = Mutex::new(mesh.collector());
        Self { mesh, modules: Modules::start(), collector }
    }

    pub(crate) fn collector(&self) -> MutexGuard<'_, Collector> {
        self.collector.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new namespace with folders, if any, of `istio/` applied to it.
    #[track_caller]
    pub(crate) fn namespace(&self, name: &str, folders: &[&str], patches: &[Value]) -> Namespace<'_> {
        self.mesh.kube.namespace(name);
        let namespace = Namespace { world: self, name: name.to_owned() };
        if !folders.is_empty() {
            namespace.apply(folders, patches);
        }
        namespace
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
