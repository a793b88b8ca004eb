//! The sides of the comparison, each an Envoy of its own.

use std::env;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Rig;
use super::cost::{self, Cpu};
use super::load::{Load, Made};
use super::sink::Sink;
use super::traffic::Kind;
use crate::envoy::{Counters, Envoy, Filter, Listener, Settings, typed};
use crate::sandbox::Sandbox;
use crate::tools;
use crate::wait;
use crate::workload::Workload;

const LISTENER: &str = "egress";

/// How Envoy is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// No filter but the router.
    Bare,
    /// A module on the same crate that does nothing.
    Noop,
    /// The same module, which asks for the path of each request: less than any filter needs that looks at some of them.
    Asking,
    /// Envoy's own `ai_protocol_manager`, requests parsed and token counts extracted.
    Native,
    /// Ours, observing.
    Meshtap,
    /// Ours, with content, as [`content_mode`] says.
    Content,
}

impl Side {
    pub const ALL: [Self; 6] =
        [Self::Bare, Self::Noop, Self::Asking, Self::Native, Self::Meshtap, Self::Content];

    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "no filter",
            Self::Noop => "no-op module",
            Self::Asking => "no-op, asks for :path",
            Self::Native => "ai_protocol_manager",
            Self::Meshtap => "meshtap",
            Self::Content => "meshtap, content",
        }
    }

    /// Whether it is a module, whoever's.
    pub fn is_module(self) -> bool {
        !matches!(self, Self::Bare | Self::Native)
    }

    /// Whether it sends spans.
    pub fn exports(self) -> bool {
        matches!(self, Self::Meshtap | Self::Content)
    }

    /// What the plugin configuration has beyond the collector's place, for the sides that are ours: what a user
    /// has, and the ids of both ends, which are off by default.
    pub fn settings(self) -> Vec<(&'static str, Value)> {
        let mut settings =
            vec![("/batch", json!({})), ("/retry", json!({})), ("/identity", json!({"principals": true}))];
        if self == Self::Content {
            settings.push(("/content", json!({"mode": content_mode()})));
        }
        settings
    }
}

/// What `MESHTAP_BENCH_CONTENT` says, else `redacted`.
pub fn content_mode() -> String {
    env::var("MESHTAP_BENCH_CONTENT").unwrap_or_else(|_| "redacted".to_owned())
}

/// A running side.
pub struct Running {
    pub side: Side,
    pub envoy: Envoy,
    /// What Envoy took until it was ready.
    pub start_cpu: Duration,
    sink: Option<Sink>,
    calls: u64,
}

/// Every call that was made, and what became of its span.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    pub calls: u64,
    /// Spans that arrived, each once.
    pub arrived: u64,
    /// What the filter says that it dropped, or had refused.
    pub dropped: u64,
    pub retries: u64,
}

impl Account {
    pub fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.arrived += other.arrived;
        self.dropped += other.dropped;
        self.retries += other.retries;
    }

    pub fn lost(&self) -> i64 {
        i64::try_from(self.calls).unwrap_or(i64::MAX) - i64::try_from(self.arrived).unwrap_or(i64::MAX)
    }
}

impl Running {
    #[track_caller]
    pub fn start(side: Side, rig: &Rig, sandbox: &Sandbox) -> Self {
        let sink = side.exports().then(|| Sink::start(rig.runtime().handle()));
        let mut listener = Listener::new(LISTENER, rig.upstream()).settings(&ordinary());
        listener = match (side, &sink) {
            (Side::Noop, _) => listener.settings(&noop("")),
            (Side::Asking, _) => listener.settings(&noop("asks")),
            (Side::Native, _) => listener.settings(&behind("native", &native())),
            (_, Some(sink)) => {
                let filter = Filter::exporting_to(sink.address());
                let set = |filter: Filter, (pointer, value): (&str, Value)| filter.set(pointer, value);
                listener.filter(side.settings().into_iter().fold(filter, set))
            }
            (_, None) => listener,
        };
        let name = side.name().replace([' ', ',', ':'], "-");
        let envoy = Envoy::start(sandbox, &Workload::new(&name, "bench"), &[listener]);
        let start_cpu = envoy.process().cpu_time();
        cost::pin_envoy(envoy.process().id());
        Self { side, envoy, start_cpu, sink, calls: 0 }
    }

    /// Whether the module knows every key of its configuration.
    pub fn understands_its_configuration(&self) -> bool {
        self.envoy.counters().get("meshtap_config_problems_total") == 0
    }

    /// Until it is stopped; [`Running::note`] what it made.
    pub fn load(&self, rig: &Rig, kinds: &'static [Kind], connections: usize) -> Load {
        Load::start(rig.runtime().handle(), self.envoy.address(LISTENER), kinds, connections)
    }

    /// `count` exchanges; [`Running::note`] what it made.
    pub fn bounded_load(&self, rig: &Rig, kinds: &'static [Kind], connections: usize, count: u64) -> Load {
        Load::bounded(rig.runtime().handle(), self.envoy.address(LISTENER), kinds, connections, count)
    }

    /// Makes `count` exchanges and waits for the last.
    pub fn make(&mut self, rig: &Rig, kinds: &'static [Kind], connections: usize, count: u64) {
        let load = self.bounded_load(rig, kinds, connections, count);
        self.note(load.finish(rig.runtime().handle()));
    }

    /// Takes down what was made.
    pub fn note(&mut self, made: Made) {
        self.calls += made.calls;
    }

    pub fn cpu(&self) -> Cpu {
        Cpu::of(self.envoy.process().id())
    }

    /// Waits until the filter holds no span any more. `None` for a side that makes none.
    pub fn account(&self) -> Option<Account> {
        let sink = self.sink.as_ref()?;
        let counters = wait::until("the last span", || {
            let counters = self.envoy.counters();
            let settled = counters.get("meshtap_spans_finished_total") >= self.calls
                && counters.get("meshtap_queue_spans") == 0;
            settled.then_some(counters)
        });
        Some(Account {
            calls: self.calls,
            arrived: sink.spans(),
            dropped: dropped(&counters),
            retries: counters.get("meshtap_export_retries_total"),
        })
    }
}

fn dropped(counters: &Counters) -> u64 {
    let names = ["spans_dropped_queue_full", "spans_dropped_refused", "spans_rejected"];
    names.iter().map(|name| counters.get(&format!("meshtap_{name}_total"))).sum()
}

/// The provider's cluster has the name that it has in a sidecar of Istio's: it says which way a call goes, and Envoy need
/// not be asked.
fn ordinary() -> Settings {
    let provider = Map::from_iter([("name".to_owned(), json!("outbound|443||api.openai.com"))]);
    Settings { provider, ..Settings::default() }
}

/// Another filter in the place of ours.
fn behind(name: &str, config: &Value) -> Settings {
    Settings { after: vec![typed(name, config)], ..ordinary() }
}

/// The module that does nothing, or what its configuration says: see `tests/noop-filter`.
pub fn noop(configuration: &str) -> Settings {
    let plugin = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": {
            "name": "noop",
            "root_id": "noop",
            "fail_open": true,
            "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration},
            "vm_config": {
                "runtime": "envoy.wasm.runtime.v8",
                "vm_id": "noop",
                "code": {"local": {"filename": tools::noop_filter()}},
            },
        },
    });
    behind("noop", &plugin)
}

/// As somebody switches it on who wants token counts of every call.
fn native() -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.ai_protocol_manager.v3.AiProtocolManager",
        "response_handling": {
            "token_usage": {"include_unconfigured_routes": true, "metadata_namespace": "tokens"},
        },
        "request_handling": {"parse_unconfigured_routes": true},
    })
}
