//! Whose sidecar an Envoy is: the node metadata that Istio gives it.

use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub struct Workload {
    pub name: String,
    pub namespace: String,
    pub version: String,
}

impl Workload {
    pub fn new(name: &str, namespace: &str) -> Self {
        Self { name: name.to_owned(), namespace: namespace.to_owned(), version: "v1".to_owned() }
    }

    /// The pod's name, as a deployment's ReplicaSet would call it.
    pub fn pod(&self) -> String {
        format!("{}-7d9f8b6c5d-x2x7k", self.name)
    }

    /// Envoy's `node`, as the agent of Istio writes it into the bootstrap.
    pub fn node(&self) -> Value {
        let Self { name, namespace, version } = self;
        let pod = self.pod();
        json!({
            "id": format!("sidecar~10.244.1.17~{pod}.{namespace}~{namespace}.svc.cluster.local"),
            "cluster": format!("{name}.{namespace}"),
            "metadata": {
                "NAME": pod,
                "NAMESPACE": namespace,
                "WORKLOAD_NAME": name,
                "SERVICE_ACCOUNT": name,
                "CLUSTER_ID": "Kubernetes",
                "MESH_ID": "cluster.local",
                "NODE_NAME": "node-1",
                "OWNER": format!("kubernetes://apis/apps/v1/namespaces/{namespace}/deployments/{name}"),
                "ISTIO_VERSION": "1.30.0",
                "PROXY_CONFIG": {"discoveryAddress": "istiod.istio-system.svc:15012"},
                "LABELS": {
                    "app": name,
                    "version": version,
                    "service.istio.io/canonical-name": name,
                    "service.istio.io/canonical-revision": version,
                },
            },
        })
    }
}
