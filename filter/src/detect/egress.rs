//! istio/egress, written from the table of hosts: what lets a sidecar read calls to a provider, one folder for each.
//!
//! The app says `http://HOST`, the sidecar reads the request, and TLS leaves the pod. A host that is one name has three
//! objects; one with a region in it has a folder for each region; a wildcard is resolved as it is called, which sidecars
//! do from Istio 1.30 on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::{HOSTS, Host};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../istio/egress");

/// All regions of AWS, in which it runs most of the services that have a region in their names (`partitions.json` of
/// botocore, partitions `aws` and `aws-us-gov`).
const REGIONS: [&str; 36] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];
const REGIONS_OF_CHINA: [&str; 2] = ["cn-north-1", "cn-northwest-1"];

/// Rewrites the folder when `UPDATE_DOCS` is set; fails when it differs otherwise.
#[test]
fn the_manifests_say_what_the_table_says() {
    let expected = files();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        drop(fs::remove_dir_all(FOLDER));
        for (name, content) in &expected {
            let path = Path::new(FOLDER).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        return;
    }
    let mut found = BTreeMap::new();
    read(&PathBuf::from(FOLDER), &mut found);
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&found), names(&expected), "{ADVICE}");
    let differing = expected.iter().find(|(name, content)| found.get(*name) != Some(content));
    assert!(differing.is_none(), "{} differs: {ADVICE}", differing.unwrap().0);
}

const ADVICE: &str = "istio/egress is out of date: UPDATE_DOCS=1 cargo test -p meshtap-filter egress";

fn read(folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            read(&entry.path(), found);
        } else {
            let name = entry.path().strip_prefix(FOLDER).unwrap().display().to_string();
            found.insert(name, fs::read_to_string(entry.path()).unwrap());
        }
    }
}

/// What one folder opens.
#[derive(Default)]
struct Folder {
    names: Vec<String>,
    wildcards: Vec<String>,
}

fn files() -> BTreeMap<String, String> {
    let mut folders: BTreeMap<String, Folder> = BTreeMap::new();
    for known in HOSTS {
        let provider = known.provider_name.replace('_', "-");
        match known.host {
            Host::Is(name) => folders.entry(provider).or_default().names.push(name.to_owned()),
            Host::EndsWith(end) => {
                let wildcard = format!("*{end}");
                folders.entry(format!("{provider}-wildcard")).or_default().wildcards.push(wildcard);
            }
            Host::Between(start, end) => {
                let china = end.rsplit('.').next() == Some("cn");
                let regions: &[&str] = if china { &REGIONS_OF_CHINA } else { &REGIONS };
                for region in regions {
                    let folder = folders.entry(format!("{provider}/{region}")).or_default();
                    folder.names.push(format!("{start}{region}{end}"));
                }
            }
        }
    }
    let mut files = BTreeMap::new();
    for (folder, content) in folders {
        let (resources, kustomization) = content.files(&folder);
        files.insert(format!("{folder}/egress.yaml"), resources);
        files.insert(format!("{folder}/kustomization.yaml"), kustomization);
    }
    files
}

impl Folder {
    fn files(&self, folder: &str) -> (String, String) {
        let mut resources = String::from(WRITTEN);
        for name in &self.names {
            write_name(&mut resources, name);
        }
        for wildcard in &self.wildcards {
            write_wildcard(&mut resources, wildcard);
        }
        let resources = resources.trim_end_matches("---\n").to_owned();
        let all = [&self.names[..], &self.wildcards[..]].concat().join(", ");
        let needs = if self.wildcards.is_empty() { "" } else { " Sidecars of Istio 1.30 or newer." };
        let kustomization = format!(
            "# Calls to {all}.{needs}\n#   kubectl apply -k istio/egress/{folder}\n\
             apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: llm-apps\n\
             resources:\n- egress.yaml\n"
        );
        (resources, kustomization)
    }
}

const WRITTEN: &str = "# Written from the filter's table of hosts (filter/src/detect.rs). The app says http, its sidecar \
                       reads the request, and\n# TLS leaves the pod. All of it holds in this namespace only \
                       (exportTo \".\"), so no other team's traffic changes.\n";

fn write_name(out: &mut String, host: &str) {
    let name = host.replace('.', "-");
    let _ = write!(
        out,
        "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: {name}
  namespace: llm-apps
spec:
  hosts: [{host}]
  exportTo: [\".\"]
  location: MESH_EXTERNAL
  resolution: DNS
  ports:
  - name: http
    number: 80
    protocol: HTTP
    targetPort: 443
  # Apps that still say https keep working, unseen.
  - name: tls
    number: 443
    protocol: TLS
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: {name}
  namespace: llm-apps
spec:
  host: {host}
  exportTo: [\".\"]
  trafficPolicy:
    portLevelSettings:
    - port:
        number: 80
      tls:
        # The provider's certificate is checked against the system's roots and must carry this name.
        mode: SIMPLE
        sni: {host}
        subjectAltNames: [{host}]
---
# A call costs money: the mesh repeats none by itself.
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: {name}
  namespace: llm-apps
spec:
  hosts: [{host}]
  exportTo: [\".\"]
  http:
  - name: {name}
    match:
    - port: 80
    retries:
      attempts: 0
    route:
    - destination:
        host: {host}
        port:
          number: 80
---
"
    );
}

fn write_wildcard(out: &mut String, host: &str) {
    let name = format!("any{}", host.trim_start_matches('*').replace('.', "-"));
    let _ = write!(
        out,
        "# Resolved as it is called. The port of the call is 443 because of the DestinationRule; server name and the name
# in the certificate are those of the call.
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: {name}
  namespace: llm-apps
spec:
  hosts: [\"{host}\"]
  exportTo: [\".\"]
  location: MESH_EXTERNAL
  resolution: DYNAMIC_DNS
  ports:
  - name: http
    number: 80
    protocol: HTTP
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: {name}
  namespace: llm-apps
spec:
  host: \"{host}\"
  exportTo: [\".\"]
  trafficPolicy:
    portLevelSettings:
    - port:
        number: 80
      tls:
        mode: SIMPLE
---
# A call costs money: the mesh repeats none by itself.
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: {name}
  namespace: llm-apps
spec:
  hosts: [\"{host}\"]
  exportTo: [\".\"]
  http:
  - name: {name}
    match:
    - port: 80
    retries:
      attempts: 0
    route:
    - destination:
        host: \"{host}\"
        port:
          number: 80
---
"
    );
}
