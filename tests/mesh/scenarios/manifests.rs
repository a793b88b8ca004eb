//! Every manifest against the API server and Istio's webhooks, and what these make of a pod.

use std::fs;
use std::path::{Path, PathBuf};

use meshtap_mesh::mesh::repository;
use meshtap_mesh::tools;
use serde_json::json;

use crate::world::{BASE, World};

/// Every folder with a kustomization of its own, as `kubectl apply -k` takes it, and every component.
pub(crate) fn accepted(world: &World) {
    let kube = &world.mesh.kube;
    for namespace in ["llm-apps", "llm-egress"] {
        kube.namespace(namespace);
    }
    install_gateway_api(world);
    let mut folders = Vec::new();
    for root in ["istio", "k8s"] {
        kustomizations(&repository(root), &mut folders);
    }
    let egress = repository("istio/egress");
    let (ways_out, folders): (Vec<PathBuf>, Vec<PathBuf>) =
        folders.into_iter().partition(|folder| folder.starts_with(&egress));
    assert!(ways_out.len() > 60 && folders.len() > 5, "{folders:?}");
    assert!(folders.iter().any(|folder| folder.ends_with("istio/waypoint")), "{folders:?}");
    let refused: Vec<String> = folders.iter().filter_map(|folder| refusal(world, folder)).collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    all_ways_out(world, &ways_out);
    // Nothing here makes a proxy of it: the objects come and go.
    let waypoint = repository("istio/waypoint");
    kube.apply_folder(&waypoint);
    kube.tell(&["delete", "-k", &waypoint.display().to_string(), "--wait=false"]);
    for component in fs::read_dir(repository("istio/components")).unwrap().flatten() {
        let component = format!("istio/components/{}", component.file_name().display());
        let base = if component.ends_with("-gateway") { "istio/egress-gateway" } else { "istio/base" };
        let namespace = if component.ends_with("-gateway") { "llm-egress" } else { "llm-apps" };
        let folder = world.mesh.kustomization(namespace, &[base, component.as_str()], &[]);
        kube.try_apply_folder(&folder, &["--dry-run=server"])
            .unwrap_or_else(|said| panic!("{component}: {said}"));
    }
    world.holds(
        "every folder of `istio/`, and `k8s/base`",
        "accepted by the API server and Istio's webhooks; `waypoint` with the Gateway API's definitions",
    );
}

/// What a cluster with ambient mode has.
pub(crate) fn install_gateway_api(world: &World) {
    let kube = &world.mesh.kube;
    kube.tell(&["apply", "--server-side", "-f", &tools::gateway_api().display().to_string()]);
    kube.tell(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"]);
}

fn refusal(world: &World, folder: &Path) -> Option<String> {
    let said = world.mesh.kube.try_apply_folder(folder, &["--dry-run=server"]).err()?;
    Some(format!("{}: {said}", folder.display()))
}

/// Every folder of `istio/egress`: as a question, in the namespace that it names, and for real, side by side in another.
fn all_ways_out(world: &World, folders: &[PathBuf]) {
    let kube = &world.mesh.kube;
    let folders: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    let as_they_stand = world.mesh.kustomization("llm-apps", &folders, &[]);
    let said = refusal(world, &as_they_stand);
    assert!(said.is_none(), "{said:?}");
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
