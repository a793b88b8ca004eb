//! istiod, unmodified, over the API server: discovery, certificates, and its injection and validation webhooks.
//!
//! Its authority is one of ours, plugged in as Istio documents it (`etc/cacerts`), so that the webhooks are known to the
//! API server before istiod runs, and a restart changes no certificate.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use meshtap_tests::http;
use meshtap_tests::process::Process;
use meshtap_tests::sandbox::Sandbox;
use meshtap_tests::tools::envoy;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use serde_json::{Value, json};

use crate::kube::Kube;
use crate::network::{NODE, Network};
use crate::tools;

pub const NAMESPACE: &str = "istio-system";
/// How long Envoy lets connections of a listener go on that a change has replaced, in seconds. Istio's default is 45.
pub const DRAIN_SECONDS: u64 = 2;
/// How sidecars and the API server call it.
pub const HOST: &str = "istiod.istio-system.svc";
const READY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const METRICS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 15014);

/// What Envoy's released build does not have: Istio's own extensions.
const WITHOUT_ISTIOS_ENVOY: [(&str, &str); 2] =
    [("PILOT_ENABLE_ALPN_FILTER", "false"), ("PILOT_ENABLE_METADATA_EXCHANGE", "false")];

pub struct Istiod {
    pub version: &'static str,
    /// The certificate of its authority.
    pub root: String,
    process: Mutex<Option<Process>>,
}

impl Istiod {
    /// Writes what it reads, tells the API server of it, and starts it.
    pub fn start(version: &'static str, kube: &Kube, network: &Network, sandbox: &Sandbox) -> Self {
        network.name(HOST, NODE.into());
        let root = authority(sandbox);
        injection_files(version, sandbox);
        sandbox.write("istiod/mesh.yaml", mesh_config().to_string());
        kube.apply(&webhooks(&root));
        let istiod = Self { version, root, process: Mutex::default() };
        istiod.start_again(kube, sandbox);
        istiod
    }

    pub fn start_again(&self, kube: &Kube, sandbox: &Sandbox) {
        let mut command = Command::new(tools::istio(self.version, "pilot-discovery"));
        command
            .arg("discovery")
            .arg("--kubeconfig")
            .arg(kube.kubeconfig())
            .current_dir(sandbox.path("istiod"));
        command.args(["--registries=Kubernetes", "--meshConfig=mesh.yaml", "--networksConfig=/dev/null"]);
        command.args(["--clusterID=Kubernetes", "--httpAddr=127.0.0.1:8080", "--ctrlz_port=0"]);
        command.args(["--grpcAddr=", "--keepaliveMaxServerConnectionAge=30m"]);
        command.envs([("POD_NAME", "istiod-0"), ("POD_NAMESPACE", NAMESPACE), ("CLOUD_PLATFORM", "none")]);
        // The webhooks hold the authority's certificate already.
        command.envs([("VALIDATION_WEBHOOK_CONFIG_NAME", ""), ("INJECTION_WEBHOOK_CONFIG_NAME", "")]);
        command.envs([("PILOT_ENABLE_GATEWAY_API", "false"), ("PILOT_ENABLE_STATUS", "false")]);
        command.envs(WITHOUT_ISTIOS_ENVOY);
        let process = Process::spawn("istiod", command, sandbox);
        process.wait_ready(|| http::get(READY, "/ready").ok().filter(|reply| reply.status == 200));
        *self.lock() = Some(process);
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&self) {
        *self.lock() = None;
    }

    /// A counter of it, summed over what has these labels.
    pub fn metric(&self, name: &str, labels: &str) -> f64 {
        let page = http::get(METRICS, "/metrics").map(|reply| reply.text()).unwrap_or_default();
        let lines = page.lines().filter(|line| line.starts_with(name) && line.contains(labels));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// Whether it has a pod's sidecar among those that it sends changes to.
    pub fn serves(&self, pod: &str) -> bool {
        let page = http::get(READY, "/debug/syncz").map(|reply| reply.text()).unwrap_or_default();
        page.contains(&format!("\"{pod}."))
    }

    pub fn log(&self) -> String {
        self.lock().as_ref().map(Process::log).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn authority(sandbox: &Sandbox) -> String {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, "meshtap mesh authority");
    let issuer =
        CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate");
    let certificate = issuer.pem();
    let folder = sandbox.path("istiod/etc/cacerts");
    make(&folder);
    for (name, content) in [
        ("ca-cert.pem", certificate.clone()),
        ("cert-chain.pem", certificate.clone()),
        ("root-cert.pem", certificate.clone()),
        ("ca-key.pem", issuer.key().serialize_pem()),
    ] {
        sandbox.write(&format!("istiod/etc/cacerts/{name}"), content);
    }
    certificate
}

/// What Helm makes of Istio's chart: the templates and the values of the injection, both from Istio's own files.
fn injection_files(version: &str, sandbox: &Sandbox) {
    let read = |name: &str| {
        let path = tools::istio(version, name);
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    let config = json!({
        "policy": "enabled",
        "defaultTemplates": ["sidecar"],
        "alwaysInjectSelector": [],
        "neverInjectSelector": [],
        "injectedAnnotations": {},
        "template": "{{ Template_Version_And_Istio_Version_Mismatched_Check_Installation }}",
        "templates": {
            "sidecar": read("injection-template.yaml"),
            "gateway": read("gateway-injection-template.yaml"),
        },
    });
    let chart: Value = serde_saphyr::from_str(&read("values.yaml")).expect("the chart's values");
    let defaults = &chart["_internal_defaults_do_not_set"];
    let mut values = json!({
        "pilot": {"cni": defaults["cni"], "env": defaults["env"]},
        "gateways": defaults["gateways"],
    });
    for name in ["global", "sidecarInjectorWebhook", "revision"] {
        values[name] = defaults[name].clone();
    }
    // One worker thread, so that the filter is compiled once.
    values["global"]["proxy"]["resources"]["limits"]["cpu"] = json!("1000m");
    make(&sandbox.path("istiod/var/lib/istio/inject"));
    sandbox.write("istiod/var/lib/istio/inject/config", config.to_string());
    sandbox.write("istiod/var/lib/istio/inject/values", values.to_string());
}

fn mesh_config() -> Value {
    json!({
        "trustDomain": "cluster.local",
        "rootNamespace": NAMESPACE,
        "accessLogFile": "/dev/stdout",
        "outboundTrafficPolicy": {"mode": "ALLOW_ANY"},
        "defaultConfig": {
            "binaryPath": envoy(),
            "terminationDrainDuration": "1s",
            "drainDuration": format!("{DRAIN_SECONDS}s"),
            "proxyMetadata": {"CLOUD_PLATFORM": "none", "PEER_METADATA_DISCOVERY": "false"},
        },
    })
}

/// The webhook configurations of Istio's charts, with a URL in the place of the Service.
fn webhooks(root: &str) -> String {
    let bundle = BASE64.encode(root);
    let client = |path: &str| json!({"url": format!("https://{HOST}:15017/{path}"), "caBundle": bundle});
    let injection = |name: &str, namespace: Value, object: Value| {
        json!({
            "name": name,
            "clientConfig": client("inject"),
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "admissionReviewVersions": ["v1"],
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
            "namespaceSelector": {"matchExpressions": namespace},
            "objectSelector": {"matchExpressions": object},
        })
    };
    let absent = |key: &str| json!({"key": key, "operator": "DoesNotExist"});
    let inject = |operator: &str, value: &str| json!({"key": "sidecar.istio.io/inject", "operator": operator, "values": [value]});
    let mutating = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "istio-sidecar-injector"},
        "webhooks": [
            injection(
                "namespace.sidecar-injector.istio.io",
                json!([{"key": "istio-injection", "operator": "In", "values": ["enabled"]}]),
                json!([inject("NotIn", "false")]),
            ),
            injection(
                "object.sidecar-injector.istio.io",
                json!([absent("istio-injection"), absent("istio.io/rev")]),
                json!([inject("In", "true"), absent("istio.io/rev")]),
            ),
        ],
    });
    let validating = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "istiod-default-validator"},
        "webhooks": [{
            "name": "validation.istio.io",
            "clientConfig": client("validate"),
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "admissionReviewVersions": ["v1"],
            "rules": [{
                "operations": ["CREATE", "UPDATE"],
                "apiGroups": ["security.istio.io", "networking.istio.io", "telemetry.istio.io", "extensions.istio.io"],
                "apiVersions": ["*"],
                "resources": ["*"],
            }],
        }],
    });
    format!("{mutating}\n---\n{validating}\n")
}

pub(crate) fn make(folder: &Path) {
    fs::create_dir_all(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
}
