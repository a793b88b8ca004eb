//! Whose sidecar an Envoy is: the node metadata that Istio gives it.

use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub struct Workload {
    pub name: String,
    pub namespace: String,
    pub version: String,
    /// How many workers its sidecar has, each with a VM of its own.
    pub concurrency: u32,
}

impl Workload {
    pub fn new(name: &str, namespace: &str) -> Self {
        let [name, namespace, version] = [name, namespace, "v1"].map(str::to_owned);
        Self { name, namespace, version, concurrency: 1 }
    }

    /// More than one worker.
    #[must_use]
    pub fn concurrency(mut self, concurrency: u32) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// The pod's name, as a deployment's ReplicaSet would call it.
    pub fn pod(&self) -> String {
        format!("{}-7d9f8b6c5d-x2x7k", self.name)
    }

    /// Envoy's `node`, as the agent of Istio writes it into the bootstrap.
    pub fn node(&self) -> Value {
        let Self { name, namespace, version, .. } = self;
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
