//! `make mesh`: a mesh on this machine with the collector, a workload, and one call; stays up until Ctrl-C.
//!
//! `MESH_ONCE=1` ends it after the first span. Exit status 2 says that the machine lacks something.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that shows things")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use meshtap_mesh::app::Call;
use meshtap_mesh::collector::Collector;
use meshtap_mesh::mesh::{Mesh, repository};
use meshtap_mesh::pod::Pod;
use meshtap_mesh::requirements::{self, Purpose};
use meshtap_mesh::{isolation, kube, network, relay, tools};

const LACKS_SOMETHING: u8 = 2;
/// What can be reached from outside.
const NAMES: [&str; 4] = ["kubernetes", "collector", "openai", "envoy"];

fn main() -> ExitCode {
    let version = match tools::istio_version() {
        Ok(version) => version,
        Err(mistake) => return lacks(&[mistake]),
    };
    if let Some(folder) = isolation::folder() {
        return inside(version, &folder);
    }
    let missing = requirements::missing(Purpose::Mesh, version);
    if !missing.is_empty() {
        return lacks(&missing);
    }
    match relay::listen(&isolation::own_folder(), &NAMES) {
        Ok(ports) => isolation::run_inside(&[(relay::PORTS, &ports)]),
        Err(error) => lacks(&[format!("cannot listen on 127.0.0.1: {error}")]),
    }
}

fn lacks(lines: &[String]) -> ExitCode {
    for line in lines {
        eprintln!("make mesh: {line}");
    }
    ExitCode::from(LACKS_SOMETHING)
}

fn inside(version: &'static str, folder: &Path) -> ExitCode {
    let started = Instant::now();
    let says = |what: &str| println!("{:6.1} s  {what}", started.elapsed().as_secs_f64());
    let mesh = Mesh::start(version, folder.to_owned());
    for (name, at) in &mesh.steps {
        println!("{:6.1} s  {name}", at.as_secs_f64());
    }
    let collector = mesh.collector();
    says("the collector, with its sidecar");
    mesh.kube.apply_folder(&repository("istio/sample"));
    let pod = Pod::of(mesh.node(), "deployment", "llm-apps", "llm-sample");
    pod.ready(mesh.node());
    says("a workload, with its sidecar");
    let answer = pod.call(&Call::chat("first-call"));
    says(&format!("a call of api.openai.com: status {}", answer.status));
    let span = collector.wait_for_span("namespace=llm-apps");
    says(&format!("its span: {}, {:?} input tokens", span.name, span.usage.input_tokens.unwrap_or_default()));
    if std::env::var_os("MESH_ONCE").is_some_and(|value| !value.is_empty() && value != "0") {
        return ExitCode::SUCCESS;
    }
    open(folder, &collector, &pod);
    print_what_to_try(&mesh);
    loop {
        std::thread::park();
    }
}

fn open(folder: &Path, collector: &Collector, pod: &Pod) {
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    for (name, to, from) in [
        ("kubernetes", local(kube::PORT), None),
        ("collector", local(8080), Some(&collector.pod)),
        ("openai", SocketAddr::from((network::PROVIDER, 80)), Some(pod)),
        ("envoy", local(15000), Some(pod)),
    ] {
        if let Err(error) = relay::lead(folder, name, to, from) {
            eprintln!("make mesh: {name} cannot be reached from outside: {error}");
        }
    }
}

fn print_what_to_try(mesh: &Mesh) {
    let port = |name| relay::port(name).unwrap_or_default();
    let server = format!("https://127.0.0.1:{}", port("kubernetes"));
    let kubeconfig = mesh.kube.write_kubeconfig(&mesh.sandbox, &server, "kubeconfig-outside");
    let collector = format!("http://127.0.0.1:{}", port("collector"));
    println!("\nIstio {}. Try:", mesh.istiod.version);
    println!("  export KUBECONFIG={}", kubeconfig.display());
    println!("  {} get pods,wasmplugins,serviceentries -A", tools::kubernetes("kubectl").display());
    println!("A call through the sidecar:");
    println!("  curl -H 'Host: api.openai.com' -H 'Content-Type: application/json' \\");
    println!(
        "    -d '{{\"model\":\"gpt-4o\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}' \\"
    );
    println!("    http://127.0.0.1:{}/v1/chat/completions", port("openai"));
    println!("The collector:");
    for path in ["/api/v1/spans?limit=20", "/api/v1/sidecars", "/metrics", "/wasm/index.json"] {
        println!("  {collector}{path}");
    }
    println!("Envoy of the workload:\n  http://127.0.0.1:{}/stats?filter=wasm", port("envoy"));
    println!("Logs: {}", mesh.sandbox.path("").display());
    println!("\nCtrl-C ends it.");
}
