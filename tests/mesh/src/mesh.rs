//! Everything together: one node, its control plane, the outside world, and the collector.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use meshtap_tests::sandbox::Sandbox;
use meshtap_tests::tools::workspace;
use serde_json::{Value, json};

use crate::collector::Collector;
use crate::istiod::{self, Istiod};
use crate::kube::Kube;
use crate::network::Network;
use crate::pod::{Node, Pod};
use crate::provider::{PROVIDER_HOSTS, Provider};
use crate::tools;
use crate::trust::Authority;

pub struct Mesh {
    pub sandbox: Sandbox,
    pub network: Network,
    pub kube: Kube,
    pub istiod: Istiod,
    pub provider: Provider,
    pub authority: Authority,
    /// What took how long, in the order of the start.
    pub steps: Vec<(&'static str, Duration)>,
}

impl Mesh {
    /// Starts everything but the collector. The calling program must be isolated, with this folder.
    pub fn start(version: &'static str, folder: PathBuf) -> Self {
        let started = Instant::now();
        let mut steps = Vec::new();
        let mut step = |name| steps.push((name, started.elapsed()));
        let sandbox = Sandbox::kept_at(folder);
        for_us_alone(&sandbox.path(""));
        let network = Network::start(&sandbox);
        let kube = Kube::start(&sandbox);
        let authority = Authority::start(&sandbox);
        let provider = Provider::start(&network, &authority, &PROVIDER_HOSTS);
        kube.ready(&sandbox);
        step("Kubernetes' API server");
        let definitions = tools::istio(version, "crd-all.gen.yaml").display().to_string();
        kube.tell(&["apply", "--server-side", "-f", &definitions]);
        kube.namespace(istiod::NAMESPACE);
        kube.tell(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"]);
        step("Istio's definitions");
        let istiod = Istiod::start(version, &kube, &network, &sandbox);
        step("istiod");
        Self { sandbox, network, kube, istiod, provider, authority, steps }
    }

    pub fn node(&self) -> Node<'_> {
        Node { kube: &self.kube, network: &self.network, istiod: &self.istiod, sandbox: &self.sandbox }
    }

    /// The collector of `istio/collector`, as it stands.
    #[track_caller]
    pub fn collector(&self) -> Collector {
        self.kube.apply_folder(&repository("istio/collector"));
        Collector::start(self.node())
    }

    /// The collector's AuthorizationPolicy as it stands, and these namespaces in its list beside those that it names.
    #[track_caller]
    pub fn admit(&self, namespaces: &[&str]) {
        let file = repository("istio/collector/authorizationpolicy.yaml").display().to_string();
        self.kube.tell(&["apply", "--server-side", "--force-conflicts", "-f", &file]);
        let add = |name: &&str| json!({"op": "add", "path": "/spec/rules/0/from/0/source/namespaces/-", "value": name});
        let add = namespaces.iter().map(add).collect::<Value>().to_string();
        let policy = ["-n", "meshtap-system", "patch", "authorizationpolicy", "meshtap-collector"];
        self.kube.tell(&[&policy[..], &["--type=json", "-p", &add]].concat());
    }

    /// A namespace with a folder of `istio/` applied to it, as a user with a kustomization of his own does it.
    #[track_caller]
    pub fn apply_to(&self, namespace: &str, folders: &[&str], patches: &[Value]) {
        let kustomization = self.kustomization(namespace, folders, patches);
        self.kube.apply_folder(&kustomization);
    }

    /// A kustomization that puts folders of the repository into a namespace.
    pub fn kustomization(&self, namespace: &str, folders: &[&str], patches: &[Value]) -> PathBuf {
        let folder = self.sandbox.path(&format!("kustomize/{namespace}"));
        istiod::make(&folder);
        let relative = |path: &PathBuf| relative_to(&folder, path);
        let (components, resources): (Vec<PathBuf>, Vec<PathBuf>) = folders
            .iter()
            .map(|folder| repository(folder))
            .partition(|path| path.to_string_lossy().contains("/components/"));
        let patches: Vec<Value> = patches
            .iter()
            .map(|patch| json!({"target": {"kind": patch["kind"]}, "patch": patch["patch"].to_string()}))
            .collect();
        let kustomization = json!({
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": namespace,
            "resources": resources.iter().map(relative).collect::<Vec<_>>(),
            "components": components.iter().map(relative).collect::<Vec<_>>(),
            "patches": patches,
        });
        let file = folder.join("kustomization.yaml");
        fs::write(&file, kustomization.to_string()).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        folder
    }

    /// A workload with one container and a sidecar, started and not waited for.
    #[track_caller]
    pub fn workload(&self, namespace: &str, name: &str) -> Pod {
        self.workload_with(namespace, name, &json!({}))
    }

    /// The same with labels of its own on the pod.
    #[track_caller]
    pub fn workload_with(&self, namespace: &str, name: &str, labels: &Value) -> Pod {
        self.workload_of(namespace, name, labels, &json!({}))
    }

    /// The same with annotations too.
    #[track_caller]
    pub fn workload_of(&self, namespace: &str, name: &str, labels: &Value, annotations: &Value) -> Pod {
        let mut all = json!({"app.kubernetes.io/name": name, "sidecar.istio.io/inject": "true"});
        for (key, value) in labels.as_object().into_iter().flatten() {
            all[key] = value.clone();
        }
        self.kube.apply_object(&json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
                "template": {
                    "metadata": {"labels": all, "annotations": annotations},
                    "spec": {
                        "serviceAccountName": name,
                        "containers": [{"name": "app", "image": "example/app", "ports": [{"name": "http", "containerPort": 8000}]}],
                    },
                },
            },
        }));
        Pod::of(self.node(), "deployment", namespace, name)
    }
}

/// Keys and an administrator's token are in it.
fn for_us_alone(folder: &Path) {
    let set = fs::set_permissions(folder, Permissions::from_mode(0o700));
    set.unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
}

/// A folder or file of the repository.
pub fn repository(path: &str) -> PathBuf {
    workspace().join(path).canonicalize().unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Kustomize takes relative paths only.
fn relative_to(folder: &Path, path: &Path) -> PathBuf {
    let folder = folder.canonicalize().unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let common = folder.components().zip(path.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(common).map(|_| Path::new(".."));
    up.chain(path.components().skip(common).map(|part| Path::new(part.as_os_str()))).collect()
}
