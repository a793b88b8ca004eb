//! Kubernetes' API server over etcd, and `kubectl` as a user has it.
//!
//! There are no nodes and no controllers: [`crate::pod`] does what a kubelet and the controllers of workloads and
//! endpoints would do.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use meshtap_tests::process::Process;
use meshtap_tests::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::network::{SERVICES, check};
use crate::tools;

pub const PORT: u16 = 6443;

pub struct Kube {
    kubeconfig: PathBuf,
    /// Of the administrator: others on the machine can reach the port that leads here from outside.
    token: String,
    apiserver: Process,
    _etcd: Process,
}

impl Kube {
    /// Starts both; [`Self::ready`] waits.
    pub fn start(sandbox: &Sandbox) -> Self {
        let etcd = etcd(sandbox);
        let token = random_token();
        let apiserver = apiserver(sandbox, &token);
        let kubeconfig = sandbox.path("kubeconfig");
        Self { kubeconfig, token, apiserver, _etcd: etcd }
    }

    /// Waits until it answers.
    pub fn ready(&self, sandbox: &Sandbox) {
        let certificate = sandbox.path("apiserver-certificates/apiserver.crt");
        self.apiserver.wait_ready(|| certificate.exists().then_some(()));
        self.write_kubeconfig(sandbox, &format!("https://127.0.0.1:{PORT}"), "kubeconfig");
        self.apiserver.wait_ready(|| self.run(&["get", "--raw", "/readyz"]).status.success().then_some(()));
    }

    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// `kubectl` with these arguments, run to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.kubectl(arguments).output().unwrap_or_else(|e| panic!("kubectl: {e}"))
    }

    fn kubectl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(tools::kubernetes("kubectl"));
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(arguments).stdin(Stdio::null());
        command
    }

    /// What `kubectl` prints, as text; panics when it fails.
    #[track_caller]
    pub fn tell(&self, arguments: &[&str]) -> String {
        check(&mut self.kubectl(arguments), &format!("kubectl {}", arguments.join(" ")))
    }

    /// The same with something on its standard input.
    #[track_caller]
    pub fn run_with(&self, arguments: &[&str], input: &str) -> String {
        match self.feed(arguments, input) {
            Ok(said) => said,
            Err(said) => panic!("kubectl {}: {said}\n{input}", arguments.join(" ")),
        }
    }

    fn feed(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut command = self.kubectl(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("kubectl: {e}"));
        let mut pipe = child.stdin.take().expect("a pipe");
        let _ = pipe.write_all(input.as_bytes());
        drop(pipe);
        let output = child.wait_with_output().unwrap_or_else(|e| panic!("kubectl: {e}"));
        outcome(&output)
    }

    /// What `kubectl get` prints, as JSON.
    #[track_caller]
    pub fn get(&self, arguments: &[&str]) -> Value {
        let text = self.tell(&[&["get", "-o", "json"], arguments].concat());
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("kubectl get {}: {e}", arguments.join(" ")))
    }

    /// Applies manifests; `Err` is what the API server and its webhooks say.
    pub fn try_apply(&self, manifests: &str, options: &[&str]) -> Result<String, String> {
        self.feed(&[&["apply", "--server-side", "--force-conflicts", "-f", "-"], options].concat(), manifests)
    }

    #[track_caller]
    pub fn apply(&self, manifests: &str) {
        if let Err(said) = self.try_apply(manifests, &[]) {
            panic!("kubectl apply: {said}\n{manifests}");
        }
    }

    #[track_caller]
    pub fn apply_object(&self, object: &Value) {
        self.apply(&object.to_string());
    }

    /// `kubectl apply -k FOLDER`, as the documentation says it.
    pub fn try_apply_folder(&self, folder: &Path, options: &[&str]) -> Result<String, String> {
        let folder = folder.display().to_string();
        outcome(&self.run(&[&["apply", "-k", &folder], options].concat()))
    }

    #[track_caller]
    pub fn apply_folder(&self, folder: &Path) {
        if let Err(said) = self.try_apply_folder(folder, &[]) {
            panic!("kubectl apply -k {}: {said}", folder.display());
        }
    }

    #[track_caller]
    pub fn namespace(&self, name: &str) {
        self.apply_object(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
    }

    /// A token of a service account, for these ears only.
    #[track_caller]
    pub fn token(&self, namespace: &str, account: &str, audience: &str) -> String {
        self.tell(&["-n", namespace, "create", "token", account, "--audience", audience, "--duration", "12h"])
    }

    /// Writes a file that lets `kubectl` in at `server`.
    pub fn write_kubeconfig(&self, sandbox: &Sandbox, server: &str, name: &str) -> PathBuf {
        let authority = sandbox.path("apiserver-certificates/apiserver.crt");
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "mesh", "cluster": {
                "server": server,
                "certificate-authority": authority,
            }}],
            "users": [{"name": "admin", "user": {"token": self.token}}],
            "contexts": [{"name": "mesh", "context": {"cluster": "mesh", "user": "admin"}}],
            "current-context": "mesh",
        });
        sandbox.write(name, config.to_string())
    }
}

/// 32 hexadecimal digits.
fn random_token() -> String {
    let mut bytes = [0; 16];
    let read = fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.unwrap_or_else(|e| panic!("/dev/urandom: {e}"));
    format!("{:032x}", u128::from_ne_bytes(bytes))
}

fn outcome(output: &Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn etcd(sandbox: &Sandbox) -> Process {
    let mut command = Command::new("etcd");
    command.arg("--data-dir").arg(sandbox.path("etcd"));
    command.args(["--listen-client-urls", "http://127.0.0.1:2379"]);
    command.args(["--advertise-client-urls", "http://127.0.0.1:2379"]);
    command.args(["--listen-peer-urls", "http://127.0.0.1:2380", "--unsafe-no-fsync"]);
    Process::spawn("etcd", command, sandbox)
}

fn apiserver(sandbox: &Sandbox, token: &str) -> Process {
    sandbox.write("tokens.csv", format!("{token},admin,admin,\"system:masters\"\n"));
    let key = rcgen::KeyPair::generate().expect("a key");
    sandbox.write("service-accounts.key", key.serialize_pem());
    sandbox.write("service-accounts.pub", key.public_key_pem());
    let certificates = sandbox.path("apiserver-certificates");
    fs::create_dir_all(&certificates).unwrap_or_else(|e| panic!("{}: {e}", certificates.display()));
    let mut command = Command::new(tools::kubernetes("kube-apiserver"));
    command.args(["--etcd-servers=http://127.0.0.1:2379", "--bind-address=127.0.0.1"]);
    command.args(["--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"]);
    command.arg(format!("--secure-port={PORT}")).arg(format!("--service-cluster-ip-range={SERVICES}"));
    command.arg(format!("--cert-dir={}", certificates.display()));
    command.arg(format!("--token-auth-file={}", sandbox.path("tokens.csv").display()));
    command.args(["--authorization-mode=RBAC", "--allow-privileged=true"]);
    command.args(["--service-account-issuer=https://kubernetes.default.svc"]);
    for (option, name) in [("signing-key-file", "service-accounts.key"), ("key-file", "service-accounts.pub")]
    {
        command.arg(format!("--service-account-{option}={}", sandbox.path(name).display()));
    }
    // Nothing here makes the accounts that it asks for.
    command.arg("--disable-admission-plugins=ServiceAccount");
    Process::spawn("kube-apiserver", command, sandbox)
}
