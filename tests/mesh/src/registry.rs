//! Registries of images, outside the cluster and behind TLS: Debian's `docker-registry`, which is the reference
//! implementation, filled by `skopeo` as `docs/istio.md` says. One lets everybody in, others ask for a name and a password.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use meshtap_tests::process::Process;
use meshtap_tests::sandbox::Sandbox;
use meshtap_tests::tools;
use serde_json::{Value, json};

use crate::mesh::Mesh;
use crate::modules::Module;
use crate::network::{Network, check};

const TAG: &str = "0.1.0";
pub const USER: &str = "puller";
pub const PASSWORD: &str = "pull-me";
/// `USER:bcrypt(PASSWORD)`.
const HTPASSWD: &str = "puller:$2b$05$meshtapmeshtapmeshtapeObF4IIIXxiiOqrJf5gwz3lNV4tgRdHy\n";

/// The two kinds of images that `make oci` makes.
pub const LAYOUTS: [&str; 2] = ["compat", "artifact"];

pub struct Registry {
    pub host: &'static str,
    /// What it says it is, where it lets nobody in without [`USER`] and [`PASSWORD`].
    realm: Option<&'static str>,
    _process: Process,
}

impl Registry {
    /// Everybody may pull, and push.
    pub fn open(mesh: &Mesh) -> Self {
        Self::start(mesh, "registry.example.com", 20, None)
    }

    /// Its realm is a URL, as the agent wants it.
    pub fn private(mesh: &Mesh) -> Self {
        let host = "private.registry.example.com";
        Self::start(mesh, host, 21, Some("https://private.registry.example.com"))
    }

    /// Its realm is a word.
    pub fn private_with_plain_realm(mesh: &Mesh) -> Self {
        Self::start(mesh, "plain.registry.example.com", 22, Some("registry"))
    }

    fn start(mesh: &Mesh, host: &'static str, number: u8, realm: Option<&'static str>) -> Self {
        let address = Ipv4Addr::new(203, 0, 113, number);
        Network::outside(address);
        mesh.network.name(host, address.into());
        let (certificate, key) = mesh.authority.pem(&[host]);
        let write = |name: &str, content: &str| mesh.sandbox.write(&format!("{host}.{name}"), content);
        let mut config = json!({
            "version": "0.1",
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": mesh.sandbox.path(&format!("{host}.images"))}},
            "http": {
                "addr": SocketAddr::from((address, 443)),
                "tls": {"certificate": write("crt", &certificate), "key": write("key", &key)},
            },
        });
        if let Some(realm) = realm {
            config["auth"] = json!({"htpasswd": {"realm": realm, "path": write("htpasswd", HTPASSWD)}});
        }
        // YAML reads JSON.
        let config = write("yaml", &config.to_string());
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(config);
        let process = Process::spawn(host, command, &mesh.sandbox);
        // Who is not let in gets an answer too.
        process.wait_ready(|| match ureq::get(format!("http://{address}:443/")).call() {
            Ok(_) | Err(ureq::Error::StatusCode(_)) => Some(()),
            Err(_) => None,
        });
        Self { host, realm, _process: process }
    }

    /// Pushes the filter as an image of this layout. Where it is, and its manifest's digest.
    pub fn push(&self, sandbox: &Sandbox, layout: &str) -> Module {
        let (folder, sha256) = image(sandbox, layout, self.host);
        let place = format!("{}/meshtap/{layout}:{TAG}", self.host);
        let mut command = Command::new("skopeo");
        command.args(["--insecure-policy", "copy", "--preserve-digests"]);
        if self.realm.is_some() {
            command.args(["--dest-creds", &format!("{USER}:{PASSWORD}")]);
        }
        command.arg(format!("oci:{}:{TAG}", folder.display())).arg(format!("docker://{place}"));
        check(&mut command, &format!("skopeo copy to {place}"));
        Module { url: format!("oci://{place}"), sha256 }
    }

    /// A Secret that lets a namespace's plugins pull.
    pub fn secret(&self, name: &str, namespace: &str) -> Value {
        let config = json!({"auths": {self.host: {"username": USER, "password": PASSWORD}}}).to_string();
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace},
            "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": config},
        })
    }
}

/// What `make oci` makes: a folder in the OCI layout, and its manifest's digest.
fn image(sandbox: &Sandbox, layout: &str, host: &str) -> (PathBuf, String) {
    let folder = sandbox.path(&format!("{host}.{layout}"));
    let mut command = Command::new(tools::collector());
    command.arg("wasm").arg(tools::filter()).arg("--oci").arg(&folder);
    command.args(["--layout", layout, "--tag", TAG]);
    let digest = check(&mut command, "meshtap wasm --oci");
    (folder, digest.trim().to_owned())
}
