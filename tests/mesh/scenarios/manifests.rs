//! Every manifest against the API server and Istio's webhooks, and mistakes that they refuse.

use std::fs;
use std::path::{Path, PathBuf};

use meshtap_mesh::mesh::repository;
use serde_json::{Value, json};

use crate::world::{BASE, World};

/// Every folder with a kustomization of its own, as `kubectl apply -k` takes it.
pub(crate) fn accepted(world: &World) {
    let kube = &world.mesh.kube;
    kube.namespace("llm-apps");
    kube.namespace("llm-egress");
    let mut folders = Vec::new();
    for root in ["istio", "k8s"] {
        kustomizations(&repository(root), &mut folders);
    }
    let egress = repository("istio/egress");
    let (ways_out, folders): (Vec<PathBuf>, Vec<PathBuf>) =
        folders.into_iter().partition(|folder| folder.starts_with(&egress));
    assert!(ways_out.len() > 60 && folders.len() > 4, "{folders:?}");
    all_ways_out(world, &ways_out);
    let mut refused = Vec::new();
    for folder in &folders {
        let needs_gateway_api = folder.ends_with("istio/waypoint");
        if needs_gateway_api {
            continue; // held against the schemas by the manifests' own tests
        }
        if let Err(said) = kube.try_apply_folder(folder, &["--dry-run=server"]) {
            refused.push(format!("{}: {said}", folder.display()));
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    let components = ["resilient", "traffic-extension", "capture-server", "sidecar-scope"];
    for component in components {
        let component = format!("istio/components/{component}");
        let folder = world.mesh.kustomization("llm-apps", &["istio/base", component.as_str()], &[]);
        kube.try_apply_folder(&folder, &["--dry-run=server"])
            .unwrap_or_else(|said| panic!("{component}: {said}"));
    }
    world.holds(
        "every folder of `istio/` but `waypoint`, and `k8s/base`",
        "accepted by the API server and Istio's webhooks",
    );
}

/// Every folder of `istio/egress`, for real, side by side in one namespace.
fn all_ways_out(world: &World, folders: &[PathBuf]) {
    let kube = &world.mesh.kube;
    let folders: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    let namespace = world.namespace("llm-everywhere", &folders, &[]);
    let folder = world.mesh.kustomization(&namespace.name, &folders, &[]);
    kube.tell(&["delete", "-k", &folder.display().to_string(), "--wait=false"]);
}

fn kustomizations(folder: &Path, found: &mut Vec<PathBuf>) {
    let file = folder.join("kustomization.yaml");
    if fs::read_to_string(&file).is_ok_and(|text| text.contains("kind: Kustomization")) {
        found.push(folder.to_owned());
    }
    for entry in fs::read_dir(folder).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
        kustomizations(&entry.path(), found);
    }
}

/// The kind, what is done to it, and a piece of the refusal.
pub(crate) fn mistakes(world: &World) {
    let namespace = world.namespace("llm-mistakes", BASE, &[]);
    let plugin = |path: &str, value: Value| ("wasmplugin", "meshtap", path.to_owned(), value);
    let rule = |path: &str, value: Value| ("destinationrule", "api-openai-com", path.to_owned(), value);
    let entry = |path: &str, value: Value| ("serviceentry", "api-openai-com", path.to_owned(), value);
    let mut wrong = Vec::new();
    let service = |path: &str, value: Value| ("virtualservice", "api-openai-com", path.to_owned(), value);
    for ((kind, name, path, value), expected) in [
        (plugin("/spec/failStrategy", json!("FAIL_SOFT")), "Unsupported value"),
        (plugin("/spec/sha256", json!("abc")), "sha256"),
        (plugin("/spec/url", json!("ftp://a/b.wasm")), "url must have schema"),
        (plugin("/spec/match/0/mode", json!("OUTBOUND")), "Unsupported value"),
        (plugin("/spec/match/0/ports", json!([{"number": 0}])), "should be greater than or equal to 1"),
        (plugin("/spec/phase", json!("LAST")), "Unsupported value"),
        (plugin("/spec/pluginConfg", json!({})), "field not declared"),
        (
            plugin("/spec/vmConfig", json!({"env": [{"name": "A", "valueFrom": "HOST", "value": "x"}]})),
            "value may only be set",
        ),
        (rule("/spec/trafficPolicy/portLevelSettings/0/tls/mode", json!("TLS")), "Unsupported value"),
        (rule("/spec/host", json!("")), "empty domain name"),
        (entry("/spec/ports/0/number", json!(70000)), "port must be between 1-65535"),
        (entry("/spec/hosts", json!(["*"])), "host"),
        (service("/spec/http/0/retries/attempts", json!(-1)), "attempts"),
        (service("/spec/http/0/route/0/destination/host", json!("a_b*c")), "domain name"),
    ] {
        let mut object = world.mesh.kube.get(&["-n", &namespace.name, kind, name]);
        set(&mut object, &path, value.clone());
        object["metadata"] = json!({"name": name, "namespace": namespace.name});
        let refusal =
            world.mesh.kube.try_apply(&object.to_string(), &["--dry-run=server", "--validate=strict"]);
        match refusal {
            Err(said) if said.contains(expected) => {}
            said => wrong.push(format!("{kind} {path} = {value}: expected {expected:?}: {said:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    world.holds(
        "14 deliberate mistakes in these manifests",
        "each is refused, by the API server or by istiod's webhook",
    );
}

fn set(object: &mut Value, path: &str, value: Value) {
    let (parent, key) = path.rsplit_once('/').unwrap_or_default();
    match object.pointer_mut(parent) {
        Some(Value::Object(map)) => drop(map.insert(key.to_owned(), value)),
        Some(Value::Array(items)) => drop(key.parse().map(|index: usize| items[index] = value)),
        _ => panic!("there is no {parent}"),
    }
}

/// What the injection webhook puts into a pod, as the documentation relies on it.
pub(crate) fn injection(world: &World) {
    let namespace = world.namespace("llm-injection", BASE, &[]);
    let pod = world.mesh.workload(&namespace.name, "checkout");
    let proxy = pod.container("istio-proxy").cloned().unwrap_or_default();
    let variables: Vec<&str> = proxy["env"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|variable| variable["name"].as_str())
        .collect();
    for name in
        ["POD_NAME", "POD_NAMESPACE", "ISTIO_META_WORKLOAD_NAME", "ISTIO_META_CLUSTER_ID", "ISTIO_META_OWNER"]
    {
        assert!(variables.contains(&name), "{name} is not in {variables:?}");
    }
    let workload = proxy["env"].as_array().into_iter().flatten();
    let workload = workload.filter(|variable| variable["name"] == "ISTIO_META_WORKLOAD_NAME");
    assert_eq!(workload.map(|variable| &variable["value"]).collect::<Vec<_>>(), ["checkout"]);
    let capture = pod.container("istio-init").cloned().unwrap_or_default()["args"].to_string();
    for argument in ["istio-iptables", "\"-u\",\"1337\"", "15090,15021,15020"] {
        assert!(capture.contains(argument), "{argument} is not in {capture}");
    }
    assert_eq!(pod.object["metadata"]["labels"]["security.istio.io/tlsMode"], "istio");
    let mut other = world.mesh.kube.get(&["-n", &namespace.name, "pod", &pod.name]);
    other["metadata"] = json!({"name": "plain", "namespace": namespace.name, "labels": {"app": "plain"}});
    other["spec"] = json!({"containers": [{"name": "app", "image": "example/app"}]});
    let plain = world
        .mesh
        .kube
        .run_with(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &other.to_string());
    assert!(!plain.contains("istio-proxy"), "{plain}");
    world.holds(
        "a pod template with the label `sidecar.istio.io/inject: \"true\"`, in a namespace without labels",
        "the webhook adds `istio-init` and `istio-proxy`; a pod without the label has neither",
    );
}
