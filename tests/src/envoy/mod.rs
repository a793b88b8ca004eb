//! The released Envoy, as the sidecar of one workload.
//!
//! Each listener forwards to one provider, with the filter or without it, so that one Envoy can show both.

mod bootstrap;
mod pushed;
pub mod traps;

pub use self::bootstrap::{cluster, typed};
pub use self::pushed::Pushed;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::http;
use crate::process::Process;
use crate::sandbox::Sandbox;
use crate::tools;
use crate::wait;
use crate::workload::Workload;

/// Envoy's own prefix of the counters that a filter defines.
const COUNTER_PREFIX: &str = "wasmcustom.";

/// One port of an Envoy.
#[derive(Clone, Debug)]
pub struct Listener {
    name: String,
    upstream: SocketAddr,
    port: u16,
    filter: Option<Filter>,
    settings: Settings,
}

/// What a listener has beyond the ordinary, in Envoy's own words.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// HTTP filters in front of ours.
    pub before: Vec<Value>,
    /// HTTP filters behind ours.
    pub after: Vec<Value>,
    /// Routes that come before the one to the provider.
    pub routes: Vec<Value>,
    /// Virtual hosts beside the one that takes what no other does.
    pub virtual_hosts: Vec<Value>,
    /// Clusters that these routes name. Listeners may name the same ones.
    pub clusters: Vec<Value>,
    /// Fields of the HTTP connection manager.
    pub manager: Map<String, Value>,
    /// Fields of the listener.
    pub listener: Map<String, Value>,
    /// Fields of its only filter chain.
    pub chain: Map<String, Value>,
    /// Fields of the provider's cluster.
    pub provider: Map<String, Value>,
}

impl Listener {
    /// Forwards everything to `upstream`.
    pub fn new(name: &str, upstream: SocketAddr) -> Self {
        Self { name: name.to_owned(), upstream, port: 0, filter: None, settings: Settings::default() }
    }

    #[must_use]
    pub fn settings(mut self, settings: &Settings) -> Self {
        self.settings.clone_from(settings);
        self
    }

    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Without it, a free port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }
}

/// The filter in a listener: its plugin configuration and the collector it exports to.
#[derive(Clone, Debug)]
pub struct Filter {
    name: String,
    collector: SocketAddr,
    cluster: String,
    configuration: String,
    module: PathBuf,
}

impl Filter {
    /// Small batches that leave soon, so that tests need not wait, and no heartbeats among them.
    pub fn exporting_to(collector: SocketAddr) -> Self {
        let cluster = format!("meshtap-{}", collector.port());
        let configuration = json!({
            "collector": {
                "cluster": cluster,
                "authority": "meshtap-collector.meshtap-system",
                "timeout_ms": 2000,
            },
            "batch": {"max_age_ms": 50},
            "retry": {"initial_backoff_ms": 100, "max_backoff_ms": 500},
            "heartbeat": {"interval_ms": 0},
            "api_key": {"fingerprint_key": "of the tests of meshtap"},
        });
        Self {
            name: "meshtap".to_owned(),
            collector,
            cluster,
            configuration: configuration.to_string(),
            module: tools::filter(),
        }
    }

    /// Another name than `meshtap`, for a second plugin in the same proxy.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Another name of the collector's cluster; the plugin configuration stays as it is.
    #[must_use]
    pub fn cluster(mut self, name: &str) -> Self {
        name.clone_into(&mut self.cluster);
        self
    }

    /// Other bytes than those of `make wasm`.
    #[must_use]
    pub fn module(mut self, path: &Path) -> Self {
        path.clone_into(&mut self.module);
        self
    }

    /// The bytes of `make wasm` with an empty custom section behind them: another module, with VMs of its own.
    #[must_use]
    #[track_caller]
    pub fn other_module(self, sandbox: &Sandbox, section: &str) -> Self {
        let mut module = fs::read(tools::filter()).expect("the module is built");
        let length = u8::try_from(section.len()).ok().filter(|length| *length < 0x7f).expect("a short name");
        module.extend([0, length + 1, length]);
        module.extend(section.as_bytes());
        let path = sandbox.path(&format!("{section}.wasm"));
        fs::write(&path, module).expect("a sandbox to write to");
        self.module(&path)
    }

    /// Another plugin configuration, whatever it says.
    #[must_use]
    pub fn configuration(mut self, text: &str) -> Self {
        text.clone_into(&mut self.configuration);
        self
    }

    /// Changes the plugin configuration in one place.
    #[must_use]
    pub fn set(mut self, pointer: &str, value: Value) -> Self {
        let mut configuration: Value =
            serde_json::from_str(&self.configuration).expect("only JSON can be changed in places");
        let (parent, key) = pointer.rsplit_once('/').expect("a JSON pointer");
        configuration.pointer_mut(parent).expect("the place exists")[key] = value;
        self.configuration = configuration.to_string();
        self
    }
}

/// Envoy's virtual machines of Wasm: how many were ever made, and how many live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machines {
    pub created: u64,
    pub active: u64,
}

/// A running Envoy.
pub struct Envoy {
    process: Process,
    admin: SocketAddr,
    listeners: BTreeMap<String, SocketAddr>,
}

impl Envoy {
    #[track_caller]
    pub fn start(sandbox: &Sandbox, workload: &Workload, listeners: &[Listener]) -> Self {
        let name = format!("envoy-{}", workload.name);
        let config = sandbox.write(&format!("{name}.json"), bootstrap::json(workload, listeners).to_string());
        let admin_file = sandbox.path(&format!("{name}.admin"));
        let mut command = Command::new(tools::envoy());
        command.arg("--config-path").arg(config).arg("--admin-address-path").arg(&admin_file);
        command.arg("--concurrency").arg(workload.concurrency.to_string());
        command.args(["--disable-hot-restart", "--log-level", "warning"]);
        command.args(["--component-log-level", "wasm:info,misc:error"]);
        let process = Process::spawn(&name, command, sandbox);
        let admin = process.wait_ready(|| fs::read_to_string(&admin_file).ok()?.parse().ok());
        let listeners = process.wait_ready(|| bound(admin).filter(|bound| bound.len() == listeners.len()));
        process.wait_ready(|| http::get(admin, "/ready").ok().filter(|reply| reply.status == 200));
        Self { process, admin, listeners }
    }

    /// Where clients connect to.
    #[track_caller]
    pub fn address(&self, listener: &str) -> SocketAddr {
        *self.listeners.get(listener).unwrap_or_else(|| panic!("no listener {listener}"))
    }

    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The counters and gauges that the filter defined, by their own names.
    pub fn counters(&self) -> Counters {
        let page = http::get(self.admin, "/stats").map(|reply| reply.text()).unwrap_or_default();
        let parse = |line: &str| {
            let (name, value) = line.strip_prefix(COUNTER_PREFIX)?.split_once(": ")?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Counters(page.lines().filter_map(parse).collect())
    }

    pub fn machines(&self) -> Machines {
        let page = http::get(self.admin, "/stats?filter=wasm_vm|wasm.envoy").map(|reply| reply.text());
        let page = page.unwrap_or_default();
        let value = |end: &str| {
            let line = page.lines().find_map(|line| line.split_once(end))?;
            line.1.trim().parse().ok()
        };
        Machines {
            created: value("v8.created:").unwrap_or_default(),
            active: value("v8.active:").unwrap_or_default(),
        }
    }

    /// Envoy's own counters of VMs that failed and modules that did not load, by name.
    pub fn wasm_troubles(&self) -> BTreeMap<String, u64> {
        const SIGNS: [&str; 5] = ["fail", "error", "reload", "crash", "trap"];
        let page = http::get(self.admin, "/stats?filter=^wasm%5C.").map(|reply| reply.text());
        let counter = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            let is_sign = SIGNS.iter().any(|sign| name.contains(sign));
            is_sign.then_some((name.to_owned(), value.trim().parse().ok()?))
        };
        page.unwrap_or_default().lines().filter_map(counter).collect()
    }

    /// Lines of the log that a module which died would leave, a few of them at most.
    pub fn complaints(&self) -> Vec<String> {
        const SIGNS: [&str; 6] =
            ["panicked", "Plugin failed", "Uncaught", "Wasm VM failed", "in-VM backtrace", "[critical]"];
        let log = self.log();
        let lines = log.lines().filter(|line| SIGNS.iter().any(|sign| line.contains(sign)));
        lines.take(20).map(str::to_owned).collect()
    }

    /// Waits for the filter's counters to satisfy `condition`.
    #[track_caller]
    pub fn wait_for_counters<T>(&self, what: &str, mut condition: impl FnMut(&Counters) -> Option<T>) -> T {
        wait::until(what, || condition(&self.counters()))
    }

    pub fn log(&self) -> String {
        self.process.log()
    }

    pub fn process(&self) -> &Process {
        &self.process
    }
}

/// The filter's counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<String, u64>);

impl Counters {
    /// Zero for a counter that is not there: Envoy does not list what was never defined.
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// What grew since `before`, by how much.
    pub fn since(&self, before: &Self) -> BTreeMap<String, u64> {
        let grown = |(name, value): (&String, &u64)| {
            let by = value.saturating_sub(before.get(name));
            (by > 0).then(|| (name.clone(), by))
        };
        self.0.iter().filter_map(grown).collect()
    }
}

/// The listeners' addresses, once the workers listen.
fn bound(admin: SocketAddr) -> Option<BTreeMap<String, SocketAddr>> {
    let page = http::get(admin, "/listeners?format=json").ok()?.json();
    let address = |listener: &Value| {
        let socket = &listener["local_address"]["socket_address"];
        let address = format!("{}:{}", socket["address"].as_str()?, socket["port_value"]);
        Some((listener["name"].as_str()?.to_owned(), address.parse().ok()?))
    };
    page["listener_statuses"].as_array()?.iter().map(address).collect()
}
