//! A storm: clients and a provider that do everything wrong, with Envoy and the filter between them.
//!
//! - `client` sends odd heads and bodies in random cuts, with trailers, HEAD and WebSockets among them, hangs up, resets,
//!   keeps half-open, or talks garbage.
//! - `provider` answers like that, and opens sessions or refuses to.
//! - `bodies` compresses what both send, and breaks it.
//! - [`Storm`] starts both around one Envoy, and keeps the books: Envoy's own access log says which calls there were, and
//!   each of them must have become one span.
//!
//! What is sent is drawn at random, differently in every run: what matters is that everything is accounted for.

mod bodies;
mod client;
mod provider;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::envoy::{Counters, Envoy, Filter, Listener, Machines, Settings, typed};
use crate::http;
use crate::overhead::sink::Sink;
use crate::sandbox::Sandbox;
use crate::workload::Workload;

/// In every request: whether it is a call of a model. The access log tells it back.
const CALL: &str = "x-storm-call";
const LISTENER: &str = "egress";
/// What the last call of all asks for.
const CALM_MODEL: &str = "calm-after-the-storm";
/// Envoy writes its access log every ten seconds.
const LOG_PATIENCE: Duration = Duration::from_secs(30);

pub struct Storm {
    runtime: Handle,
    pub envoy: Envoy,
    sink: Sink,
    access_log: PathBuf,
    machines: Machines,
    troubles: BTreeMap<String, u64>,
    stop: Arc<AtomicBool>,
    attempts: Arc<AtomicU64>,
    clients: Vec<JoinHandle<()>>,
}

/// What is certain at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Books {
    /// What the clients tried.
    pub attempts: u64,
    /// Calls of a model that Envoy logged.
    pub calls: u64,
    /// Calls that the filter finished, spans that arrived, and spans that it says it dropped.
    pub finished: u64,
    pub arrived: u64,
    pub dropped: u64,
    /// Streams by how Envoy says that they ended.
    pub endings: BTreeMap<String, u64>,
    /// The filter's counters that are not zero.
    pub counters: BTreeMap<String, u64>,
    pub machines_before: Machines,
    pub machines_after: Machines,
    /// Envoy's own counters of what goes wrong with Wasm that moved.
    pub troubles: BTreeMap<String, u64>,
    /// Lines of Envoy's log that a module which died would leave.
    pub complaints: Vec<String>,
    /// Whether a normal call after all this became a span.
    pub calm: bool,
}

impl Books {
    /// Each thing that is wrong.
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut check = |holds: bool, mistake: String| {
            if !holds {
                mistakes.push(mistake);
            }
        };
        check(self.calls == self.finished, format!("{} calls, {} finished", self.calls, self.finished));
        let (finished, arrived, dropped) = (self.finished, self.arrived, self.dropped);
        check(
            finished == arrived + dropped,
            format!("{finished} spans made, {arrived} arrived, {dropped} dropped and counted"),
        );
        check(self.dropped == 0, format!("{} spans dropped", self.dropped));
        let machines = (&self.machines_before, &self.machines_after);
        check(machines.0 == machines.1, format!("the virtual machines changed: {machines:?}"));
        check(self.troubles.is_empty(), format!("Envoy counts troubles: {:?}", self.troubles));
        check(self.complaints.is_empty(), format!("Envoy complains: {:?}", self.complaints));
        check(self.calm, "a normal call at the end became no span".to_owned());
        mistakes
    }
}

impl Storm {
    /// `clients` of them, until [`Storm::end`].
    #[track_caller]
    pub fn start(runtime: &Handle, sandbox: &Sandbox, clients: usize) -> Self {
        let sink = Sink::start(runtime);
        let upstream = runtime.block_on(provider::start());
        let access_log = sandbox.path("access.log");
        let filter = Filter::exporting_to(sink.address())
            .set("/queue", json!({"max_bytes": 16 << 20, "max_in_flight": 16}));
        let listener = Listener::new(LISTENER, upstream).filter(filter).settings(&logging_to(&access_log));
        let envoy = Envoy::start(sandbox, &Workload::new("storm", "bench"), &[listener]);
        let (machines, troubles) = (envoy.machines(), envoy.wasm_troubles());
        let (stop, attempts) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let to = envoy.address(LISTENER);
        let start = |_| runtime.spawn(client::run(to, Arc::clone(&stop), Arc::clone(&attempts)));
        let clients = (0..clients).map(start).collect();
        Self {
            runtime: runtime.clone(),
            envoy,
            sink,
            access_log,
            machines,
            troubles,
            stop,
            attempts,
            clients,
        }
    }

    pub fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::Relaxed)
    }

    pub fn spans(&self) -> u64 {
        self.sink.spans()
    }

    /// Stops the clients, makes a normal call, and waits until the books agree, or no longer can.
    pub fn end(self) -> Books {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            let _ = self.runtime.block_on(client);
        }
        let answered = calm(self.envoy.address(LISTENER));
        let started = Instant::now();
        let (mut endings, mut calls, mut calm);
        loop {
            (calls, endings) = read_access_log(&self.access_log);
            let counters = self.envoy.counters();
            // The books of the storm may agree before the last call is in any of them.
            calm = answered && self.sink.has(&format!("chat {CALM_MODEL}"));
            let settled = calm
                && counters.get("meshtap_spans_finished_total") == calls
                && counters.get("meshtap_queue_spans") == 0
                && self.sink.spans() == calls;
            if settled || started.elapsed() > LOG_PATIENCE {
                break;
            }
            sleep(Duration::from_millis(200));
        }
        let counters = self.envoy.counters();
        let sum = |names: &[&str]| names.iter().map(|name| counters.get(name)).sum();
        Books {
            attempts: self.attempts.load(Ordering::Relaxed),
            calls,
            finished: counters.get("meshtap_spans_finished_total"),
            arrived: self.sink.spans(),
            dropped: sum(&[
                "meshtap_spans_dropped_queue_full_total",
                "meshtap_spans_dropped_refused_total",
                "meshtap_spans_rejected_total",
            ]),
            endings,
            counters: counters.since(&Counters::default()),
            machines_before: self.machines,
            machines_after: self.envoy.machines(),
            troubles: moved(&self.troubles, self.envoy.wasm_troubles()),
            complaints: self.envoy.complaints(),
            calm,
        }
    }
}

fn moved(before: &BTreeMap<String, u64>, mut after: BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    after.retain(|name, count| before.get(name).copied().unwrap_or(0) != *count);
    after
}

/// A call as any other. Whether it was answered, at the latest when Envoy has used up the connections to the upstream
/// that the storm left half broken.
fn calm(to: SocketAddr) -> bool {
    let body = json!({"model": CALM_MODEL, "messages": [{"role": "user", "content": "?"}]}).to_string();
    let headers = [
        ("host", "api.openai.com"),
        ("content-type", "application/json"),
        (CALL, "y"),
        (provider::BEHAVIOUR, provider::CALM),
    ];
    (0..20).any(|_| {
        http::post(to, "/v1/chat/completions", &headers, body.as_bytes())
            .is_ok_and(|reply| reply.status == 200)
    })
}

/// A line for every stream: its call, and how it ended. Trailers and WebSockets pass.
fn logging_to(path: &Path) -> Settings {
    let log = json!({
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": path,
        "log_format": {"text_format_source": {"inline_string": format!("%REQ({CALL})% %RESPONSE_CODE_DETAILS%\n")}},
    });
    let with_trailers = json!({"enable_trailers": true});
    let manager = json!({
        "access_log": [typed("envoy.access_loggers.file", &log)],
        "http_protocol_options": with_trailers,
        "upgrade_configs": [{"upgrade_type": "websocket"}],
    });
    let provider = json!({"typed_extension_protocol_options": {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http_protocol_options": with_trailers},
        },
    }});
    let fields = |object: Value| object.as_object().cloned().unwrap_or_default();
    Settings { manager: fields(manager), provider: fields(provider), ..Settings::default() }
}

/// The calls, and all streams by their ending.
fn read_access_log(path: &Path) -> (u64, BTreeMap<String, u64>) {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut calls = 0;
    let mut endings = BTreeMap::new();
    for line in text.lines() {
        let (call, ending) = line.split_once(' ').unwrap_or(("-", line));
        calls += u64::from(call == "y");
        // Envoy adds what the system said in braces.
        let ending = ending.split('{').next().unwrap_or(ending);
        *endings.entry(ending.to_owned()).or_default() += 1;
    }
    (calls, endings)
}
