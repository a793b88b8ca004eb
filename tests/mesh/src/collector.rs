//! The collector as `istio/collector` describes it: its Service, its ConfigMap, its pod; the binary under test in the place of
//! the image.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use meshtap_tests::http::{self, Reply};
use meshtap_tests::process::Process;
use meshtap_tests::spans::{self, Span};
use meshtap_tests::tools;
use serde_json::Value;

use crate::istiod::make;
use crate::pod::{Node, Pod};

pub const NAMESPACE: &str = "meshtap-system";
pub const NAME: &str = "meshtap-collector";
/// How the manifests name it.
pub const HOST: &str = "meshtap-collector.meshtap-system.svc.cluster.local";

pub struct Collector {
    pub pod: Pod,
    config: PathBuf,
    process: Option<Process>,
}

impl Collector {
    /// Starts the collector that the API server has.
    #[track_caller]
    pub fn start(node: Node<'_>) -> Self {
        let pod = Pod::of(node, "statefulset", NAMESPACE, NAME);
        let data = data(node);
        make(&data);
        let config = configuration(node, &data, &tools::filter());
        let mut collector = Self { pod, config, process: None };
        collector.start_again(node);
        collector.pod.ready(node);
        collector
    }

    /// Starts it where it was.
    #[track_caller]
    pub fn start_again(&mut self, node: Node<'_>) {
        let mut command = self.pod.network.command(tools::collector());
        command.args(["serve", "--config"]).arg(&self.config);
        // Its configuration is the file's alone.
        command.env_clear().env("PATH", std::env::var("PATH").unwrap_or_default());
        let process = Process::spawn("collector", command, node.sandbox);
        let local = SocketAddr::from(([127, 0, 0, 1], 8080));
        let ready = || http::get(local, "/health/ready").ok().filter(|reply| reply.status == 200);
        process.wait_ready(|| self.pod.network.inside(ready));
        self.process = Some(process);
    }

    /// Ends it, and starts it where it was with another module in its image.
    #[track_caller]
    pub fn upgrade(&mut self, node: Node<'_>, module: &Path) {
        self.stop();
        self.config = configuration(node, &data(node), module);
        self.start_again(node);
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Ends it as Kubernetes does.
    #[track_caller]
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            let status = process.terminate();
            assert!(status.success(), "the collector ended with {status}\n{}", process.log_tail());
        }
    }

    /// A page of its HTTP API, asked for by who is in its pod.
    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        let local = SocketAddr::from(([127, 0, 0, 1], 8080));
        let asked =
            || http::get(local, path).unwrap_or_else(|e| panic!("the collector did not answer {path}: {e}"));
        self.pod.network.inside(asked)
    }

    /// The spans that a query selects, newest first.
    #[track_caller]
    pub fn spans(&self, query: &str) -> Vec<Span> {
        spans::select(|path| self.get(path), query)
    }

    #[track_caller]
    pub fn wait_for_spans(&self, query: &str, count: usize) -> Vec<Span> {
        let log = || self.process.as_ref().map(Process::log_tail).unwrap_or_default();
        spans::wait_for(|path| self.get(path), query, count, log)
    }

    /// Waits for the only span that a query selects.
    #[track_caller]
    pub fn wait_for_span(&self, query: &str) -> Span {
        spans::only(self.wait_for_spans(query, 1), query)
    }

    /// The newest heartbeats of a namespace's sidecars.
    #[track_caller]
    pub fn sidecars(&self, namespace: &str) -> Vec<Value> {
        let list = self.get(&format!("/api/v1/sidecars?namespace={namespace}")).json();
        list["sidecars"].as_array().cloned().unwrap_or_default()
    }

    /// A number of `/metrics`, summed over what has these labels.
    #[track_caller]
    pub fn metric(&self, name: &str, labels: &str) -> f64 {
        let page = self.get("/metrics").text();
        let lines = page.lines().filter(|line| line.starts_with(name) && line.contains(labels));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }
}

fn data(node: Node<'_>) -> PathBuf {
    node.sandbox.path("collector")
}

/// The ConfigMap's file, with the folders of the image and the volume where they are here.
fn configuration(node: Node<'_>, data: &Path, module: &Path) -> PathBuf {
    let map = node.kube.get(&["-n", NAMESPACE, "configmap", NAME]);
    let text = map["data"]["meshtap.yaml"].as_str().unwrap_or_else(|| panic!("no configuration in {map}"));
    let text = text.replace("/var/lib/meshtap", &data.display().to_string());
    let text = text.replace("/usr/local/share/meshtap/filter.wasm", &module.display().to_string());
    node.sandbox.write("collector.yaml", text)
}
