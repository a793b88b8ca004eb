//! What a kubelet and a few controllers do: a pod of a workload's template, through the injection webhook, into a
//! network namespace, and its sidecar run as the injected pod says.
//!
//! Containers of the workload itself are not run: no image can be. What they would do is done by [`crate::app`] and by
//! whoever has the [`Pod`], in its network.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use meshtap_tests::http;
use meshtap_tests::process::Process;
use meshtap_tests::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::istiod::{Istiod, make};
use crate::kube::Kube;
use crate::network::{NODE, Network, PodNetwork, check};
use crate::tools;

/// The id that Istio gives the sidecar; the capture rules let it pass.
const SIDECAR_ID: u32 = 1337;
const READY: u16 = 15021;
const ADMIN: u16 = 15000;
const AGENT: u16 = 15020;
/// Enough for a module server that drops packets.
const START_DEADLINE: Duration = Duration::from_secs(90);

/// On the EndpointSlice that is for one pod alone.
const POD_OF_SLICE: &str = "meshtap.test/pod";

/// The agent writes a line each time that it is asked and not ready.
const POLL: Duration = Duration::from_millis(100);

/// What a pod is made in.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    pub kube: &'a Kube,
    pub network: &'a Network,
    pub istiod: &'a Istiod,
    pub sandbox: &'a Sandbox,
}

pub struct Pod {
    pub name: String,
    pub namespace: String,
    /// As the API server has it, injected.
    pub object: Value,
    pub network: PodNetwork,
    version: &'static str,
    folder: PathBuf,
    sidecar: Option<Process>,
    started: Instant,
}

impl Pod {
    /// Creates the pod of a Deployment or StatefulSet that the API server has. Its sidecar, where the webhook gave it
    /// one, is started and not waited for.
    #[track_caller]
    pub fn of(node: Node<'_>, kind: &str, namespace: &str, name: &str) -> Self {
        let workload = node.kube.get(&["-n", namespace, kind, name]);
        let mut template = workload["spec"]["template"].clone();
        claim_volumes(&mut template, &workload);
        Self::create(node, &workload, &template)
    }

    /// Creates a pod, as the controller of `workload` would.
    fn create(node: Node<'_>, workload: &Value, template: &Value) -> Self {
        let text = |pointer: &str| workload.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (namespace, kind) = (text("/metadata/namespace").to_owned(), text("/kind").to_owned());
        let workload_name = text("/metadata/name");
        let network = node.network.pod(&format!("{namespace}.{workload_name}"), node.sandbox);
        let name = format!("{workload_name}-6c5d7f9b8d-x{:04}", network.address.octets()[3]);
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"]});
        pod["metadata"]["namespace"] = json!(namespace);
        pod["metadata"]["name"] = json!(name);
        pod["spec"]["nodeName"] = json!("node-1");
        if pod["spec"]["serviceAccountName"].is_null() {
            pod["spec"]["serviceAccountName"] = json!("default");
        }
        let account = pod["spec"]["serviceAccountName"].as_str().unwrap_or("default").to_owned();
        own(&mut pod, &kind, workload_name);
        service_account(node.kube, &namespace, &account);
        let created = node.kube.run_with(&["create", "-o", "json", "-f", "-"], &pod.to_string());
        let object: Value =
            serde_json::from_str(&created).unwrap_or_else(|e| panic!("no pod ({e}): {created}"));
        let folder = node.sandbox.path(&format!("pods/{namespace}/{name}"));
        make(&folder);
        let version = node.istiod.version;
        let mut pod = Self {
            name,
            namespace,
            object,
            network,
            version,
            folder,
            sidecar: None,
            started: Instant::now(),
        };
        pod.report(node.kube, false);
        pod.start_sidecar(node, &account);
        pod
    }

    /// Waits until the sidecar says that it is ready, and gives it its place behind Services. How long it took.
    #[track_caller]
    pub fn ready(&self, node: Node<'_>) -> Duration {
        let took = self.wait_ready();
        self.report(node.kube, true);
        publish(node, self);
        took
    }

    /// Waits for readiness without telling anybody.
    #[track_caller]
    pub fn wait_ready(&self) -> Duration {
        if let Some(sidecar) = &self.sidecar {
            while self.started.elapsed() < START_DEADLINE {
                sidecar.assert_runs();
                if self.is_ready() {
                    return self.started.elapsed();
                }
                std::thread::park_timeout(POLL);
            }
            panic!("{} is not ready after {START_DEADLINE:?}\n{}", self.name, sidecar.log_tail());
        }
        self.started.elapsed()
    }

    pub fn is_ready(&self) -> bool {
        let address = SocketAddr::from((self.address(), READY));
        http::get(address, "/healthz/ready").is_ok_and(|reply| reply.status == 200)
    }

    pub fn address(&self) -> Ipv4Addr {
        self.network.address
    }

    pub fn injected(&self) -> bool {
        self.container("istio-proxy").is_some()
    }

    /// A container of the injected pod, init containers included.
    pub fn container(&self, name: &str) -> Option<&Value> {
        let lists = ["containers", "initContainers"]
            .into_iter()
            .filter_map(|list| self.object["spec"][list].as_array());
        lists.flatten().find(|container| container["name"] == name)
    }

    /// A page of Envoy's administration.
    #[track_caller]
    pub fn admin(&self, path: &str) -> String {
        let page = self.local(ADMIN, path);
        page.unwrap_or_else(|| panic!("Envoy in {} does not answer {path}\n{}", self.name, self.log()))
    }

    /// A page on the pod's loopback, where it answers.
    pub fn local(&self, port: u16, path: &str) -> Option<String> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        self.network.inside(|| http::get(address, path).ok().map(|reply| reply.text()))
    }

    /// A counter or gauge of Envoy or of the filter (`wasmcustom.NAME`); zero when it is not there.
    #[track_caller]
    pub fn stat(&self, name: &str) -> u64 {
        let page = self.admin("/stats");
        let lines = page.lines().filter_map(|line| line.split_once(": "));
        lines
            .filter(|(known, _)| *known == name)
            .find_map(|(_, value)| value.trim().parse().ok())
            .unwrap_or(0)
    }

    /// Whether Envoy has taken a filter whose bytes have this digest: the agent names its files by it.
    #[track_caller]
    pub fn runs_module(&self, sha256: &str) -> bool {
        self.admin("/config_dump?resource=ecds_filters").contains(sha256)
    }

    /// A counter of the agent, summed over what has these labels, such as `result="success"`.
    #[track_caller]
    pub fn agent_metric(&self, name: &str, labels: &str) -> f64 {
        let page = self.local(AGENT, "/stats/prometheus").unwrap_or_default();
        let lines = page.lines().filter(|line| line.starts_with(name) && line.contains(labels));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// What the agent and Envoy wrote.
    pub fn log(&self) -> String {
        self.sidecar.as_ref().map(Process::log).unwrap_or_default()
    }

    pub fn sidecar(&self) -> Option<&Process> {
        self.sidecar.as_ref()
    }

    /// Removes the pod, as `kubectl delete` does, and its place behind Services, as the endpoints' controller does.
    pub fn delete(self, kube: &Kube) {
        let own = format!("{POD_OF_SLICE}={}", self.name);
        kube.run(&["-n", &self.namespace, "delete", "endpointslices", "-l", &own, "--wait=false"]);
        kube.run(&[
            "-n",
            &self.namespace,
            "delete",
            "pod",
            &self.name,
            "--grace-period=0",
            "--force",
            "--wait=false",
        ]);
    }

    fn report(&self, kube: &Kube, ready: bool) {
        let address = self.address().to_string();
        let status = if ready { "True" } else { "False" };
        let status = json!({"status": {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "hostIP": NODE.to_string(),
            "containerStatuses": self.container_statuses("containers", ready),
            "initContainerStatuses": self.container_statuses("initContainers", ready),
            "conditions": [{"type": "Ready", "status": status}, {"type": "ContainersReady", "status": status}],
        }});
        let patch = status.to_string();
        kube.tell(&[
            "-n",
            &self.namespace,
            "patch",
            "pod",
            &self.name,
            "--subresource=status",
            "--type=merge",
            "-p",
            &patch,
        ]);
    }

    /// Of each container that goes on running, for who looks with `kubectl get pods`.
    fn container_statuses(&self, list: &str, ready: bool) -> Value {
        let containers = self.object["spec"][list].as_array().map(Vec::as_slice).unwrap_or_default();
        let status = |container: &Value| {
            // A sidecar of Kubernetes' own kind is an init container that does not end.
            let ends = list == "initContainers" && container["restartPolicy"] != "Always";
            let state = if ends { json!({"terminated": {"exitCode": 0}}) } else { json!({"running": {}}) };
            json!({
                "name": container["name"],
                "image": container["image"],
                "imageID": "",
                "ready": ready || ends,
                "started": !ends,
                "restartCount": 0,
                "state": state,
            })
        };
        containers.iter().map(status).collect()
    }

    fn start_sidecar(&mut self, node: Node<'_>, account: &str) {
        let Some(proxy) = self.container("istio-proxy").cloned() else { return };
        self.mount(node, account);
        if let Some(init) = self.container("istio-init") {
            let arguments = strings(&init["args"]);
            let mut capture = self.network.command(tools::istio(self.version, "pilot-agent"));
            check(capture.args(arguments), "pilot-agent istio-iptables");
        }
        self.started = Instant::now();
        let name = format!("{}.{}.sidecar", self.namespace, self.name);
        // Envoy opens it again, as `/dev/stdout`.
        let log = node.sandbox.write(&format!("{name}.log"), "");
        give(&log, SIDECAR_ID);
        self.sidecar = Some(Process::spawn(&name, self.agent(&proxy), node.sandbox));
    }

    /// The agent in the container's place: its environment, its arguments, its id, its files under the pod's folder.
    fn agent(&self, proxy: &Value) -> Command {
        let environment = self.environment(proxy);
        let expand = |argument: &String| {
            let replace =
                |text: String, (name, value): &(String, String)| text.replace(&format!("$({name})"), value);
            environment.iter().fold(argument.clone(), replace)
        };
        let id = SIDECAR_ID.to_string();
        let mut command = self.network.command("unshare");
        command.args(["--mount", "--", "sh", "-c", "mount --bind \"$0\" /var/lib && exec \"$@\""]);
        command.arg(self.folder.join("var/lib"));
        command.args(["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups", "--pdeathsig", "KILL"]);
        // The programs and the pod's files lie where only their owner may look, in a home folder for instance.
        command.args(["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]);
        command.arg(tools::istio(self.version, "pilot-agent"));
        command.args(strings(&proxy["args"]).iter().map(expand));
        command.env_clear().envs(environment.clone()).env("PATH", std::env::var("PATH").unwrap_or_default());
        command.current_dir(&self.folder);
        command
    }

    fn environment(&self, container: &Value) -> Vec<(String, String)> {
        let list = container["env"].as_array().map(Vec::as_slice).unwrap_or_default();
        let variable = |variable: &Value| {
            let name = variable["name"].as_str()?.to_owned();
            let source = &variable["valueFrom"];
            let value = variable["value"].as_str().map(str::to_owned);
            let field = || self.field(source["fieldRef"]["fieldPath"].as_str()?);
            let resource = || quantity(container, source["resourceFieldRef"]["resource"].as_str()?);
            Some((name, value.or_else(field).or_else(resource).unwrap_or_default()))
        };
        list.iter().filter_map(variable).collect()
    }

    fn field(&self, path: &str) -> Option<String> {
        match path {
            "status.podIP" => return Some(self.address().to_string()),
            "status.hostIP" => return Some(NODE.to_string()),
            _ => {}
        }
        let pointer = format!("/{}", path.replace('.', "/"));
        self.object.pointer(&pointer).and_then(Value::as_str).map(str::to_owned)
    }

    /// What the pod's volumes hold.
    fn mount(&self, node: Node<'_>, account: &str) {
        for folder in
            ["var/lib/istio/data", "var/lib/istio/envoy", "var/run/secrets/istio", "etc/istio/proxy"]
        {
            make(&self.folder.join(folder));
        }
        make(&self.folder.join("var/run/secrets/tokens"));
        make(&self.folder.join("etc/istio/pod"));
        let write = |name: &str, content: &str| {
            let path = self.folder.join(name);
            fs::write(&path, content).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        };
        let template = tools::istio(self.version, "envoy_bootstrap.json");
        let template =
            fs::read_to_string(&template).unwrap_or_else(|e| panic!("{}: {e}", template.display()));
        write("var/lib/istio/envoy/envoy_bootstrap_tmpl.json", &template);
        write("var/run/secrets/istio/root-cert.pem", &node.istiod.root);
        write("var/run/secrets/tokens/istio-token", &node.kube.token(&self.namespace, account, "istio-ca"));
        for name in ["labels", "annotations"] {
            let pairs = self.object["metadata"][name].as_object().cloned().unwrap_or_default();
            let lines: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
            write(&format!("etc/istio/pod/{name}"), &lines.join("\n"));
        }
        give(&self.folder, SIDECAR_ID);
    }
}

fn give(folder: &Path, id: u32) {
    check(Command::new("chown").arg("-R").arg(format!("{id}:{id}")).arg(folder), "chown");
}

fn strings(list: &Value) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// `limits.cpu` in whole processors, `limits.memory` in bytes.
fn quantity(container: &Value, resource: &str) -> Option<String> {
    let kind = resource.strip_prefix("limits.")?;
    let text =
        container["resources"]["limits"][kind].as_str().unwrap_or(if kind == "cpu" { "1" } else { "1Gi" });
    let number: String = text.chars().take_while(char::is_ascii_digit).collect();
    let number: u64 = number.parse().ok()?;
    Some(
        match &text[number.to_string().len()..] {
            "m" => number.div_ceil(1000),
            "Mi" => number << 20,
            "Gi" => number << 30,
            _ => number,
        }
        .to_string(),
    )
}

/// A pod's owner, as the workload's controller would write it: Istio takes the workload's name from there.
fn own(pod: &mut Value, kind: &str, name: &str) {
    let uid = "00000000-0000-4000-8000-000000000000";
    let hash = "6c5d7f9b8d";
    let (kind, owner) = if kind == "Deployment" {
        pod["metadata"]["labels"]["pod-template-hash"] = json!(hash);
        ("ReplicaSet", format!("{name}-{hash}"))
    } else {
        (kind, name.to_owned())
    };
    pod["metadata"]["generateName"] = json!(format!("{owner}-"));
    pod["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "apps/v1", "kind": kind, "name": owner, "uid": uid, "controller": true}]);
}

/// The volumes of a StatefulSet's claims, under the names that its controller gives them.
fn claim_volumes(template: &mut Value, workload: &Value) {
    let claims = workload["spec"]["volumeClaimTemplates"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut volumes = template["spec"]["volumes"].as_array().cloned().unwrap_or_default();
    for claim in claims {
        let (name, workload) = (&claim["metadata"]["name"], &workload["metadata"]["name"]);
        let claim =
            format!("{}-{}-0", name.as_str().unwrap_or_default(), workload.as_str().unwrap_or_default());
        volumes.push(json!({"name": name, "persistentVolumeClaim": {"claimName": claim}}));
    }
    template["spec"]["volumes"] = json!(volumes);
}

fn service_account(kube: &Kube, namespace: &str, name: &str) {
    if !kube.run(&["-n", namespace, "get", "serviceaccount", name]).status.success() {
        kube.apply_object(&json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace},
        }));
    }
}

/// What the endpoints' controller, the cluster's DNS and kube-proxy do: the Services that select the pod lead to it.
fn publish(node: Node<'_>, pod: &Pod) {
    let labels = &pod.object["metadata"]["labels"];
    let services = node.kube.get(&["-n", &pod.namespace, "services"]);
    for service in services["items"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let selector = service["spec"]["selector"].as_object();
        let selects =
            selector.is_some_and(|pairs| pairs.iter().all(|(key, value)| labels.get(key) == Some(value)));
        if selects {
            publish_service(node, pod, service);
        }
    }
}

fn publish_service(node: Node<'_>, pod: &Pod, service: &Value) {
    let name = service["metadata"]["name"].as_str().unwrap_or_default();
    let cluster: Option<Ipv4Addr> = service["spec"]["clusterIP"].as_str().and_then(|text| text.parse().ok());
    let mut ports = Vec::new();
    for port in service["spec"]["ports"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let target = target(pod, port);
        ports.push(json!({
            "name": port["name"], "port": target, "protocol": "TCP", "appProtocol": port["appProtocol"],
        }));
        if let (Some(cluster), Some(number)) =
            (cluster, port["port"].as_u64().and_then(|n| u16::try_from(n).ok()))
        {
            node.network.translate((cluster, number), (pod.address(), target));
        }
    }
    node.kube.apply_object(&json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{name}-{}", pod.name),
            "namespace": pod.namespace,
            "labels": {"kubernetes.io/service-name": name, POD_OF_SLICE: pod.name},
        },
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": [{
            "addresses": [pod.address().to_string()],
            "conditions": {"ready": true, "serving": true, "terminating": false},
            "nodeName": "node-1",
            "targetRef": {"kind": "Pod", "name": pod.name, "namespace": pod.namespace},
        }],
    }));
    if let Some(cluster) = cluster {
        for suffix in ["", ".svc", ".svc.cluster.local"] {
            node.network.name(&format!("{name}.{}{suffix}", pod.namespace), cluster.into());
        }
    }
}

fn target(pod: &Pod, port: &Value) -> u16 {
    let wanted = if port["targetPort"].is_null() { &port["port"] } else { &port["targetPort"] };
    let named = |name: &str| {
        let containers = pod.object["spec"]["containers"].as_array()?;
        let ports = containers.iter().filter_map(|container| container["ports"].as_array()).flatten();
        let mut ports = ports.filter(|port| port["name"] == name);
        ports.next()?["containerPort"].as_u64()
    };
    let number = wanted.as_u64().or_else(|| named(wanted.as_str()?)).unwrap_or_default();
    u16::try_from(number).unwrap_or_default()
}
