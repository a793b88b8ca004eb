//! Who this pod is in the mesh: Envoy's node metadata, as Istio fills it in -> OTLP resource attributes.
//! <https://istio.io/latest/docs/reference/config/annotations/> and Istio's bootstrap template name the keys.

use crate::semconv as names;
use crate::span::Kind;
use crate::wire::{split, trimmed};

/// Longest value that is kept of a piece of metadata.
const MAX_VALUE_BYTES: usize = 256;

/// Where the host keeps what the proxy knows about itself. Envoy 1.40 moved it below `xds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PropertyRoot {
    Xds,
    /// Envoy before 1.40.
    Top,
}

impl PropertyRoot {
    /// Finds out which one this host has.
    pub fn probe(property: &mut dyn FnMut(&[&str]) -> Option<Vec<u8>>) -> Self {
        if property(&["xds", "node", "id"]).is_some() { Self::Xds } else { Self::Top }
    }

    /// The same of a path whose parts have a NUL between them, as written for [`Self::Xds`].
    pub fn joined(self, path: &str) -> &str {
        match self {
            Self::Xds => path,
            Self::Top => path.strip_prefix("xds\0").unwrap_or(path),
        }
    }

    /// The path of a property that moved.
    fn path<'a>(self, path: &[&'a str]) -> Vec<&'a str> {
        match self {
            Self::Xds => [&["xds"], path].concat(),
            Self::Top => path.to_vec(),
        }
    }
}

/// Whether a node of this id is the sidecar of an application, and no gateway or waypoint.
/// <https://istio.io/latest/docs/ops/diagnostic-tools/proxy-cmd/>
pub fn is_sidecar(node_id: &[u8]) -> bool {
    node_id.starts_with(b"sidecar~")
}

/// On which side of the workload Istio has a cluster of this name, where the name says it.
/// <https://istio.io/latest/docs/ops/diagnostic-tools/proxy-cmd/>
pub fn kind_at_cluster(cluster: &str) -> Option<Kind> {
    if cluster.starts_with("outbound|") || cluster == "PassthroughCluster" {
        Some(Kind::Client)
    } else if cluster.starts_with("inbound|") || cluster == "InboundPassthroughCluster" {
        Some(Kind::Server)
    } else {
        None
    }
}

/// The attributes of the resource, in the order of the conventions. What is unknown is left out.
///
/// What the node does not say the environment of the VM may, under the names that the containers of Istio have:
/// `vmConfig.env` of a `WasmPlugin` hands them over.
pub fn resource_attributes(
    root: PropertyRoot,
    property: &mut dyn FnMut(&[&str]) -> Option<Vec<u8>>,
    environment: &mut dyn FnMut(&str) -> Option<String>,
) -> Vec<(&'static str, String)> {
    let mut node = |path: &[&str]| value(std::str::from_utf8(&property(&root.path(path))?).ok()?);
    let mut variable = |name: &str| value(&environment(name)?);
    let mut metadata = |key: &str, name: &str| node(&["node", "metadata", key]).or_else(|| variable(name));
    let namespace = metadata("NAMESPACE", "POD_NAMESPACE");
    let workload = metadata("WORKLOAD_NAME", "ISTIO_META_WORKLOAD_NAME");
    let pod = metadata("NAME", "POD_NAME");
    let node_name = metadata("NODE_NAME", "ISTIO_META_NODE_NAME");
    let cluster = metadata("CLUSTER_ID", "ISTIO_META_CLUSTER_ID");
    let mesh = metadata("MESH_ID", "ISTIO_META_MESH_ID");
    let owner = metadata("OWNER", "ISTIO_META_OWNER");
    let deployment = owner.as_deref().and_then(deployment_of_owner);
    let mut label = |key: &str| node(&["node", "metadata", "LABELS", key]);
    let service = label("service.istio.io/canonical-name")
        .or_else(|| label("app.kubernetes.io/name"))
        .or_else(|| label("app"))
        .or_else(|| workload.clone());
    let version = label("service.istio.io/canonical-revision")
        .or_else(|| label("app.kubernetes.io/version"))
        .or_else(|| label("version"));
    let instance = node(&["node", "id"]);

    [
        (names::SERVICE_NAME, service),
        (names::SERVICE_NAMESPACE, namespace.clone()),
        (names::SERVICE_VERSION, version),
        (names::SERVICE_INSTANCE_ID, instance),
        (names::K8S_NAMESPACE_NAME, namespace),
        (names::K8S_POD_NAME, pod),
        (names::K8S_NODE_NAME, node_name),
        (names::K8S_DEPLOYMENT_NAME, deployment),
        (names::K8S_CLUSTER_NAME, cluster),
        (names::MESHTAP_MESH_ID, mesh),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.map(|value| (name, value)))
    .collect()
}

/// Cut between characters; `None` when nothing is left.
fn value(text: &str) -> Option<String> {
    let text = trimmed(text.get(..text.floor_char_boundary(MAX_VALUE_BYTES)).unwrap_or(text));
    (!text.is_empty()).then(|| text.to_owned())
}

/// `kubernetes://apis/apps/v1/namespaces/shop/deployments/checkout` -> `checkout`.
fn deployment_of_owner(owner: &str) -> Option<String> {
    let (_, name) = split(owner, "/deployments/")?;
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(root: PropertyRoot, known: &[(&str, &str)]) -> Vec<(&'static str, String)> {
        let mut lookup = |path: &[&str]| {
            let path = path.join("/");
            known.iter().find(|(key, _)| *key == path).map(|(_, value)| value.as_bytes().to_vec())
        };
        resource_attributes(root, &mut lookup, &mut |_| None)
    }

    #[test]
    fn what_the_node_does_not_say_the_environment_may() {
        let mut node = |path: &[&str]| (path.last() == Some(&"NAMESPACE")).then(|| b"shop".to_vec());
        let mut environment = |name: &str| match name {
            "POD_NAMESPACE" => Some("other".to_owned()),
            "POD_NAME" => Some("checkout-1".to_owned()),
            "ISTIO_META_WORKLOAD_NAME" => Some("checkout".to_owned()),
            "ISTIO_META_OWNER" => {
                Some("kubernetes://apis/apps/v1/namespaces/shop/deployments/checkout".to_owned())
            }
            "ISTIO_META_MESH_ID" => Some(format!(" {}", "m".repeat(300))),
            "ISTIO_META_CLUSTER_ID" => Some("  ".to_owned()),
            _ => None,
        };
        let mesh = "m".repeat(255);
        let expected = [
            ("service.name", "checkout"),
            ("service.namespace", "shop"),
            ("k8s.namespace.name", "shop"),
            ("k8s.pod.name", "checkout-1"),
            ("k8s.deployment.name", "checkout"),
            ("meshtap.mesh.id", mesh.as_str()),
        ];
        let seen = resource_attributes(PropertyRoot::Xds, &mut node, &mut environment);
        assert_eq!(seen, expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn clusters_of_istio() {
        let kinds = [
            ("outbound|443||api.openai.com", Some(Kind::Client)),
            ("PassthroughCluster", Some(Kind::Client)),
            ("inbound|8000||", Some(Kind::Server)),
            ("InboundPassthroughCluster", Some(Kind::Server)),
            ("inbound-vip|80|http|llm.shop.svc.cluster.local", None),
            ("outbound", None),
            ("provider", None),
            ("", None),
        ];
        for (cluster, kind) in kinds {
            assert_eq!(kind_at_cluster(cluster), kind, "{cluster}");
        }
    }

    #[test]
    fn nodes_of_istio() {
        assert!(is_sidecar(b"sidecar~10.0.0.7~checkout-1.shop~shop.svc.cluster.local"));
        for other in ["router~10.0.0.7~gateway.shop~shop.svc", "waypoint~10.0.0.7~w.shop~s", "sidecar", ""] {
            assert!(!is_sidecar(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn an_istio_sidecar() {
        let known = [
            ("xds/node/id", "sidecar~10.0.0.7~checkout-1.shop~shop.svc.cluster.local"),
            ("xds/node/metadata/NAMESPACE", "shop"),
            ("xds/node/metadata/WORKLOAD_NAME", "checkout"),
            ("xds/node/metadata/NAME", "checkout-1"),
            ("xds/node/metadata/NODE_NAME", "node-a"),
            ("xds/node/metadata/CLUSTER_ID", "Kubernetes"),
            ("xds/node/metadata/MESH_ID", "mesh1"),
            ("xds/node/metadata/OWNER", "kubernetes://apis/apps/v1/namespaces/shop/deployments/checkout"),
            ("xds/node/metadata/LABELS/service.istio.io/canonical-name", "checkout-svc"),
            ("xds/node/metadata/LABELS/app", "checkout-app"),
            ("xds/node/metadata/LABELS/version", "v2"),
        ];
        let expected = [
            ("service.name", "checkout-svc"),
            ("service.namespace", "shop"),
            ("service.version", "v2"),
            ("service.instance.id", "sidecar~10.0.0.7~checkout-1.shop~shop.svc.cluster.local"),
            ("k8s.namespace.name", "shop"),
            ("k8s.pod.name", "checkout-1"),
            ("k8s.node.name", "node-a"),
            ("k8s.deployment.name", "checkout"),
            ("k8s.cluster.name", "Kubernetes"),
            ("meshtap.mesh.id", "mesh1"),
        ];
        let seen = attributes(PropertyRoot::Xds, &known);
        assert_eq!(seen, expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let long = format!("{}é{}", "a".repeat(MAX_VALUE_BYTES - 1), "b".repeat(MAX_VALUE_BYTES));
        let known = [("xds/node/metadata/WORKLOAD_NAME", long.as_str())];
        let kept = "a".repeat(MAX_VALUE_BYTES - 1);
        assert_eq!(attributes(PropertyRoot::Xds, &known), vec![("service.name", kept)]);
    }

    #[test]
    fn unknown_is_absent() {
        assert_eq!(attributes(PropertyRoot::Xds, &[]), vec![]);
        assert_eq!(attributes(PropertyRoot::Top, &[("node/metadata/NAMESPACE", "  ")]), vec![]);
        let job = [("node/metadata/OWNER", "kubernetes://apis/batch/v1/namespaces/shop/jobs/nightly")];
        assert_eq!(attributes(PropertyRoot::Top, &job), vec![]);
    }

    #[test]
    fn older_envoys_are_probed() {
        assert_eq!(PropertyRoot::probe(&mut |_| None), PropertyRoot::Top);
        assert_eq!(PropertyRoot::probe(&mut |_| Some(vec![])), PropertyRoot::Xds);
        assert_eq!(PropertyRoot::Top.path(&["node", "id"]), ["node", "id"]);
    }
}
