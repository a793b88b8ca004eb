//! A filter that comes by extension discovery, as Istio sends it: it changes while Envoy runs.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::Filter;
use crate::sandbox::Sandbox;

const BUFFER: &str = "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer";
const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// The place where Envoy looks for it.
pub struct Pushed {
    name: String,
    path: PathBuf,
}

impl Pushed {
    pub fn new(sandbox: &Sandbox, name: &str, filter: &Filter) -> Self {
        let pushed = Self { name: name.to_owned(), path: sandbox.path(&format!("{name}.ecds.json")) };
        pushed.push(filter);
        pushed
    }

    /// What stands among the HTTP filters of a listener.
    pub fn filter(&self) -> Value {
        json!({
            "name": self.name,
            "config_discovery": {
                "config_source": {"path_config_source": {"path": self.path}, "resource_api_version": "V3"},
                "type_urls": [BUFFER, WASM],
            },
        })
    }

    /// In force soon, in each thread at its own time.
    pub fn push(&self, filter: &Filter) {
        self.write(&filter.plugin()["typed_config"]);
    }

    /// Another filter, which does nothing, stands in its place.
    pub fn remove(&self) {
        self.write(&json!({"@type": BUFFER, "max_request_bytes": 64 << 20}));
    }

    /// Envoy notices files that are moved to the place.
    fn write(&self, config: &Value) {
        let resource = json!({
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": self.name,
            "typed_config": config,
        });
        let written = self.path.with_extension("new");
        fs::write(&written, json!({"resources": [resource]}).to_string()).expect("a file of the sandbox");
        fs::rename(&written, &self.path).expect("a file of the sandbox");
    }
}
