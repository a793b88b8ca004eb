//! Envoy's static configuration, as JSON.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use super::{Filter, Listener, Settings};
use crate::workload::Workload;

pub(super) fn json(workload: &Workload, listeners: &[Listener]) -> Value {
    let mut clusters: Vec<Value> = listeners.iter().flat_map(clusters).collect();
    clusters.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    clusters.dedup();
    json!({
        "node": workload.node(),
        "admin": {"address": socket_address(0)},
        "static_resources": {
            "listeners": listeners.iter().map(listener).collect::<Vec<_>>(),
            "clusters": clusters,
        },
    })
}

fn listener(listener: &Listener) -> Value {
    let Settings { before, after, routes, virtual_hosts, manager: fields, .. } = &listener.settings;
    let mut filters = before.clone();
    filters.extend(listener.filter.iter().map(Filter::plugin));
    filters.extend(after.iter().cloned());
    filters.push(typed(
        "envoy.filters.http.router",
        &json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}),
    ));
    let mut routes = routes.clone();
    routes.push(json!({
        "name": "to-provider",
        "match": {"prefix": "/"},
        "route": {"cluster": provider_cluster(listener), "timeout": "0s"},
    }));
    let mut virtual_hosts = virtual_hosts.clone();
    virtual_hosts.push(json!({"name": "providers", "domains": ["*"], "routes": routes}));
    let mut manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": listener.name,
        // The provider's own `server` header stays what it is.
        "server_header_transformation": "PASS_THROUGH",
        "stream_idle_timeout": "0s",
        "http_filters": filters,
        "route_config": {
            "name": "providers",
            // As with routes that Istio pushes: one may name a cluster that is not there.
            "validate_clusters": false,
            "virtual_hosts": virtual_hosts,
        },
    });
    merge(&mut manager, fields);
    let mut chain = json!({"filters": [typed("envoy.filters.network.http_connection_manager", &manager)]});
    merge(&mut chain, &listener.settings.chain);
    let mut json = json!({
        "name": listener.name,
        "traffic_direction": "OUTBOUND",
        "address": socket_address(listener.port),
        "filter_chains": [chain],
    });
    merge(&mut json, &listener.settings.listener);
    json
}

fn merge(into: &mut Value, fields: &Map<String, Value>) {
    for (name, value) in fields {
        into[name] = value.clone();
    }
}

impl Filter {
    /// The HTTP filter with the module, as Envoy is told of it. No `vm_id`, as with Istio.
    pub fn plugin(&self) -> Value {
        let plugin = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": self.name,
                "root_id": self.name,
                // Not `failure_policy`: only this keeps other streams alive when a module traps.
                "fail_open": true,
                "vm_config": {
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": self.module}},
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": self.configuration,
                },
            },
        });
        typed(&self.name, &plugin)
    }

    pub fn collector_cluster(&self) -> Value {
        let mut collector = cluster(&self.cluster, self.collector);
        collector["typed_extension_protocol_options"] = json!({
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            },
        });
        collector
    }
}

/// The provider's cluster, and the collector's where the listener has the filter.
fn clusters(listener: &Listener) -> Vec<Value> {
    let mut provider = cluster(&provider_cluster(listener), listener.upstream);
    merge(&mut provider, &listener.settings.provider);
    let mut clusters = vec![provider];
    if let Some(filter) = &listener.filter {
        clusters.push(filter.collector_cluster());
    }
    clusters.extend(listener.settings.clusters.iter().cloned());
    clusters
}

/// One endpoint over HTTP/1.1.
pub fn cluster(name: &str, address: SocketAddr) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": {
                "address": address.ip().to_string(),
                "port_value": address.port(),
            }}}}]}],
        },
    })
}

fn provider_cluster(listener: &Listener) -> String {
    let named = listener.settings.provider.get("name").and_then(Value::as_str);
    named.map_or_else(|| format!("provider-{}", listener.name), str::to_owned)
}

fn socket_address(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

/// A filter or another extension of Envoy's.
pub fn typed(name: &str, config: &Value) -> Value {
    json!({"name": name, "typed_config": config})
}
