//! Who this pod is in the mesh: Envoy's node metadata, as Istio fills it in -> OTLP resource attributes.
//! <https://istio.io/latest/docs/reference/config/annotations/> and Istio's bootstrap template name the keys.

use crate::semconv as names;

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

    /// The path of a property that moved.
    pub fn path<'a>(self, path: &[&'a str]) -> Vec<&'a str> {
        match self {
            Self::Xds => [&["xds"], path].concat(),
            Self::Top => path.to_vec(),
        }
    }
}

/// The attributes of the resource, in the order of the conventions. What is unknown is left out.
pub fn resource_attributes(
    root: PropertyRoot,
    property: &mut dyn FnMut(&[&str]) -> Option<Vec<u8>>,
) -> Vec<(&'static str, String)> {
    let mut node = |path: &[&str]| {
        let bytes = property(&root.path(path))?;
        let text = std::str::from_utf8(bytes.get(..MAX_VALUE_BYTES).unwrap_or(&bytes)).ok()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    let mut metadata = |key: &str| node(&["node", "metadata", key]);
    let namespace = metadata("NAMESPACE");
    let workload = metadata("WORKLOAD_NAME");
    let pod = metadata("NAME");
    let node_name = metadata("NODE_NAME");
    let cluster = metadata("CLUSTER_ID");
    let mesh = metadata("MESH_ID");
    let deployment = metadata("OWNER").as_deref().and_then(deployment_of_owner);
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

/// `kubernetes://apis/apps/v1/namespaces/shop/deployments/checkout` -> `checkout`.
fn deployment_of_owner(owner: &str) -> Option<String> {
    let (_, name) = owner.split_once("/deployments/")?;
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
        resource_attributes(root, &mut lookup)
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
