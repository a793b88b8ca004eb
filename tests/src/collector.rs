//! The collector, and its query API as a client sees it.

use std::env;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::http::{self, Reply};
use crate::ports;
use crate::process::Process;
use crate::sandbox::Sandbox;
use crate::spans::{self, Span};
use crate::tools;

/// Where spans go.
#[derive(Clone, Debug)]
pub enum Store {
    /// One file in the sandbox.
    Sqlite,
    ClickHouse {
        url: String,
        database: String,
    },
}

/// A collector that can be stopped, started again in the same place, and made to hang.
pub struct Collector {
    name: String,
    /// What starts it, before its name.
    entrance: Vec<String>,
    command: Vec<String>,
    grpc: SocketAddr,
    otlp_http: SocketAddr,
    http: SocketAddr,
    process: Option<Process>,
}

impl Collector {
    /// On free ports.
    #[track_caller]
    pub fn start(sandbox: &Sandbox, name: &str, store: &Store) -> Self {
        let mut collector = Self::stopped(sandbox, name, store, ports::free_address(), ports::free_address());
        collector.start_again(sandbox);
        collector
    }

    /// On free ports, with more in its configuration: whole sections, such as `export`. Not yet started.
    pub fn configured(sandbox: &Sandbox, name: &str, store: &Store, more: &Value) -> Self {
        Self::written(sandbox, name, store, [ports::free_address(), ports::free_address()], more)
    }

    /// On the default loopback ports given, not yet started.
    pub fn stopped(sandbox: &Sandbox, name: &str, store: &Store, grpc: SocketAddr, http: SocketAddr) -> Self {
        Self::written(sandbox, name, store, [grpc, http], &Value::Null)
    }

    fn written(
        sandbox: &Sandbox,
        name: &str,
        store: &Store,
        [grpc, http]: [SocketAddr; 2],
        more: &Value,
    ) -> Self {
        let otlp_http = ports::free_address();
        let mut config = json!({
            "receive": {"grpc": {"listen": grpc}, "http": {"listen": otlp_http}},
            "queue": {"path": sandbox.path(&format!("{name}-queue"))},
            "http": {"listen": http},
            "store": store_config(sandbox, name, store),
            "log": {"format": "json", "level": "info"},
        });
        for (section, settings) in more.as_object().into_iter().flatten() {
            config[section] = settings.clone();
        }
        // YAML reads JSON.
        let config = sandbox.write(&format!("{name}.yaml"), config.to_string());
        let command = ["serve", "--config", &config.display().to_string()].map(str::to_owned).to_vec();
        Self { name: name.to_owned(), entrance: Vec::new(), command, grpc, otlp_http, http, process: None }
    }

    /// Has it started by another program, which becomes it: its name, and its arguments before those of the collector.
    #[must_use]
    pub fn started_by(mut self, entrance: Vec<String>) -> Self {
        self.entrance = entrance;
        self
    }

    /// Starts it where it was: same ports, same store, same queue.
    #[track_caller]
    pub fn start_again(&mut self, sandbox: &Sandbox) {
        let mut command = match &self.entrance[..] {
            [] => Command::new(tools::collector()),
            [program, arguments @ ..] => {
                let mut command = Command::new(program);
                command.args(arguments).arg(tools::collector());
                command
            }
        };
        command.args(&self.command);
        // Its configuration is the file's alone.
        for (variable, _) in
            env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"MESHTAP_"))
        {
            command.env_remove(variable);
        }
        let process = Process::spawn(&self.name, command, sandbox);
        process.wait_ready(|| http::get(self.http, "/health/ready").ok().filter(|reply| reply.status == 200));
        self.process = Some(process);
    }

    /// Stops it as Kubernetes does. Panics when it ends with anything but success.
    #[track_caller]
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            let status = process.terminate();
            assert!(status.success(), "{} ended with {status}\n{}", self.name, process.log_tail());
        }
    }

    /// Ends it at once, as a node that fails does.
    pub fn kill(&mut self) {
        drop(self.process.take());
    }

    /// Takes its processor away: connections stay, nothing is answered.
    pub fn hang(&self) {
        self.signal(Signal::STOP);
    }

    pub fn wake(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    /// Where Envoy sends spans.
    pub fn grpc(&self) -> SocketAddr {
        self.grpc
    }

    /// Where OTLP/HTTP is taken.
    pub fn otlp_http(&self) -> SocketAddr {
        self.otlp_http
    }

    pub fn http(&self) -> SocketAddr {
        self.http
    }

    pub fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        http::get(self.http, path).unwrap_or_else(|e| panic!("{} did not answer {path}: {e}", self.name))
    }

    /// The sample of a metric, by its name and labels as they are written out; 0 where it is not there yet.
    #[track_caller]
    pub fn metric(&self, sample: &str) -> u64 {
        let text = self.get("/metrics").text();
        let value = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or(0)
    }

    /// Posts one span, by OTLP/HTTP, of about this size, which does not become smaller when it is compressed.
    pub fn post_span(&self, id: u64, bytes: usize) -> Result<Reply, ureq::Error> {
        let mut random = fastrand::Rng::with_seed(id);
        let filling: String = std::iter::repeat_with(|| random.alphanumeric()).take(bytes).collect();
        let id = format!("{id:016x}");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let span = json!({
            "traceId": id.repeat(2), "spanId": id, "name": "call", "kind": 3,
            "startTimeUnixNano": now.as_nanos().to_string(), "endTimeUnixNano": now.as_nanos().to_string(),
            "attributes": [{"key": "filling", "value": {"stringValue": filling}}],
        });
        let body = json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).to_string();
        let headers = [("content-type", "application/json")];
        http::post(self.otlp_http, "/v1/traces", &headers, body.as_bytes())
    }

    /// The spans that a query selects, such as `model=gpt-4o&limit=10`, newest first.
    #[track_caller]
    pub fn spans(&self, query: &str) -> Vec<Span> {
        spans::select(|path| self.get(path), query)
    }

    /// Waits until a query selects at least `count` spans.
    #[track_caller]
    pub fn wait_for_spans(&self, query: &str, count: usize) -> Vec<Span> {
        let log = || self.process().map(Process::log_tail).unwrap_or_default();
        spans::wait_for(|path| self.get(path), query, count, log)
    }

    /// Waits for the only span that a query selects.
    #[track_caller]
    pub fn wait_for_span(&self, query: &str) -> Span {
        spans::only(self.wait_for_spans(query, 1), query)
    }

    /// The rows of `/api/v1/usage`.
    #[track_caller]
    pub fn usage(&self, group_by: &str) -> Vec<Value> {
        let reply = self.get(&format!("/api/v1/usage?group_by={group_by}"));
        let answer = reply.json();
        answer["rows"].as_array().unwrap_or_else(|| panic!("usage that is none: {answer}")).clone()
    }
}

fn store_config(sandbox: &Sandbox, name: &str, store: &Store) -> Value {
    match store {
        Store::Sqlite => json!({
            "kind": "sqlite",
            "sqlite": {"path": sandbox.path(&format!("{name}.db"))},
        }),
        Store::ClickHouse { url, database } => json!({
            "kind": "clickhouse",
            "clickhouse": {"url": url, "database": database, "user": "default", "password": ""},
        }),
    }
}

/// The loopback address with this port.
pub fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
