//! The module from a registry, as an image.

use meshtap_mesh::app::Call;
use meshtap_mesh::modules::{Module, sha256};
use meshtap_mesh::registry::{LAYOUTS, Registry};
use serde_json::{Value, json};

use crate::world::{BASE, RESILIENT, World, module_bytes, with_module};

const SECRET: &str = "registry";

pub(crate) fn images(world: &World) {
    let registry = Registry::open(&world.mesh);
    for layout in LAYOUTS {
        let image = registry.push(&world.mesh.sandbox, layout);
        for (place, folders) in [("base", BASE), ("resilient", RESILIENT)] {
            let name = format!("llm-oci-{layout}-{place}");
            let namespace = world.namespace(&name, folders, &with_module(&image));
            let pod = namespace.workload("checkout");
            assert_eq!(pod.call(&Call::chat(&name)).status, 200);
            crate::until_seen(world, &namespace.name, &pod);
            let situation = format!("{place}: the module is an image of layout `{layout}` in a registry");
            world.holds(&situation, "200, then spans");
        }
        let wrong = Module { sha256: sha256(&module_bytes()), ..image };
        let status = refused(world, &format!("llm-oci-digest-{layout}"), &with_module(&wrong), MISMATCHED);
        world.holds(
            &format!(
                "base: the `sha256` of an image of layout `{layout}` is the module's own, not the manifest's"
            ),
            &format!("{status}, no spans; the agent counts `checksum_mismatched`"),
        );
    }
}

pub(crate) fn pull_secret(world: &World) {
    let registry = Registry::private(&world.mesh);
    let image = with_module(&registry.push(&world.mesh.sandbox, LAYOUTS[0]));
    let status = refused(world, "llm-oci-anonymous", &image, FAILED);
    world.holds(
        "base: an image in a registry that asks for a password, without `imagePullSecret`",
        &format!("{status}, no spans; the agent counts `fetch_failure`"),
    );
    let namespace = world.namespace("llm-oci-private", BASE, &image);
    let pod = namespace.workload("checkout");
    assert_eq!(pod.call(&Call::chat("before-secret").model("before-secret")).status, 200);
    assert!(!world.was_seen(&namespace.query(), "before-secret"));
    world.mesh.kube.apply_object(&registry.secret(SECRET, &namespace.name));
    namespace.apply(BASE, &with_secret(&image));
    crate::until_seen(world, &namespace.name, &pod);
    crate::until_seen_as(world, &namespace.name, &namespace.workload("later"), "later");
    world.holds(
        "base: the same, with `imagePullSecret`, in a pod that runs and in one that starts",
        "200, then spans",
    );

    let registry = Registry::private_with_plain_realm(&world.mesh);
    let image = with_module(&registry.push(&world.mesh.sandbox, LAYOUTS[0]));
    world.mesh.kube.namespace("llm-oci-realm");
    world.mesh.kube.apply_object(&registry.secret(SECRET, "llm-oci-realm"));
    let status = refused(world, "llm-oci-realm", &with_secret(&image), FAILED);
    world.holds(
        "base: the same, in a registry whose `WWW-Authenticate` has a realm that is no URL",
        &format!("{status}, no spans; the agent counts `fetch_failure`"),
    );
}

const FAILED: (&str, &str) = ("istio_agent_wasm_config_conversion_count", "result=\"fetch_failure\"");
const MISMATCHED: (&str, &str) = ("istio_agent_wasm_remote_fetch_count", "result=\"checksum_mismatched\"");

fn with_secret(image: &[Value]) -> Vec<Value> {
    let secret = json!({"kind": "WasmPlugin", "patch": [
        {"op": "add", "path": "/spec/imagePullSecret", "value": SECRET},
    ]});
    [image, &[secret]].concat()
}

/// The status of a call in a new namespace. It has no span, and the agent counts why.
#[track_caller]
fn refused(world: &World, name: &str, patches: &[Value], counted: (&str, &str)) -> u16 {
    let namespace = world.namespace(name, BASE, patches);
    let pod = namespace.workload("checkout");
    let answer = pod.call(&Call::chat(name).model(name));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!world.was_seen(&namespace.query(), name));
    assert!(pod.agent_metric(counted.0, counted.1) > 0.0, "{}", pod.log());
    answer.status
}
