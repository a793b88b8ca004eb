//! The Envoy of these tests: routes by the name of what they do, behind four doors, each with the filter and without.

use std::net::SocketAddr;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use meshtap_tests::collector::{Collector, Store};
use meshtap_tests::envoy::{Envoy, Filter, Listener, Settings, cluster, traps, typed};
use meshtap_tests::ports;
use meshtap_tests::sandbox::Sandbox;
use meshtap_tests::wire::{Unreachable, Upstream};
use meshtap_tests::workload::Workload;
use serde_json::{Value, json};

/// The request header that picks a route; without it, calls go to the upstream over HTTP/1.1 and take as long as they
/// like.
pub(super) const ROUTE: &str = "x-route";
/// A host that no route leads to.
pub(super) const NO_ROUTE: &str = "api.mistral.ai";

/// Which listeners a call goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Door {
    /// Other filters stand behind ours.
    #[default]
    Usual,
    /// Other filters stand in front of ours.
    Guarded,
    /// A filter in front of ours holds answers, of 1 KiB at most.
    Narrow,
    /// Requests must come soon, `100 Continue` is the upstream's to say, and trailers over HTTP/1.1 are dropped.
    Hasty,
}

impl Door {
    const ALL: [Self; 4] = [Self::Usual, Self::Guarded, Self::Narrow, Self::Hasty];

    /// Its listener without the filter, and the one with it.
    pub(super) fn ways(self) -> [&'static str; 2] {
        match self {
            Self::Usual => ["bare", "observed"],
            Self::Guarded => ["bare-guarded", "observed-guarded"],
            Self::Narrow => ["bare-narrow", "observed-narrow"],
            Self::Hasty => ["bare-hasty", "observed-hasty"],
        }
    }

    fn settings(self, clusters: &[Value]) -> Settings {
        let others = other_filters();
        let (before, after) = match self {
            Self::Guarded => (others, Vec::new()),
            Self::Narrow => (vec![holds_answers()], others),
            Self::Usual | Self::Hasty => (Vec::new(), others),
        };
        let listener = match self {
            Self::Narrow => json!({"per_connection_buffer_limit_bytes": 1024}),
            _ => json!({}),
        };
        let manager = match self {
            Self::Hasty => json!({"request_timeout": "0.3s", "proxy_100_continue": true}),
            _ => json!({"http_protocol_options": {"enable_trailers": true}}),
        };
        Settings {
            before,
            after,
            routes: routes(),
            virtual_hosts: vec![json!({"name": "nowhere", "domains": [NO_ROUTE]})],
            clusters: clusters.to_vec(),
            manager: manager.as_object().cloned().unwrap_or_default(),
            listener: listener.as_object().cloned().unwrap_or_default(),
            ..Settings::default()
        }
    }
}

pub(super) struct Sidecar {
    _sandbox: Sandbox,
    _unreachable: Unreachable,
    pub(super) upstream: Upstream,
    pub(super) collector: Collector,
    pub(super) envoy: Envoy,
}

/// One test at a time: whoever holds it may say what the counters count.
pub(super) fn sidecar() -> MutexGuard<'static, Sidecar> {
    static SIDECAR: LazyLock<Mutex<Sidecar>> = LazyLock::new(|| Mutex::new(Sidecar::start()));
    SIDECAR.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sidecar {
    fn start() -> Self {
        Self::with("endings", &Door::ALL, |door, _, _, clusters| door.settings(clusters))
    }

    /// With the usual door alone, where in each listener a plugin stands that traps when a body comes from the upstream.
    pub(super) fn beside_one_that_traps(name: &str, place: impl Fn(Value) -> Settings) -> Self {
        Self::with(name, &[Door::Usual], |_, listener, sandbox, _| place(traps::plugin(sandbox, listener)))
    }

    /// Each door has two listeners, whose names the `settings` are told.
    fn with(
        name: &str,
        doors: &[Door],
        settings: impl Fn(Door, &str, &Sandbox, &[Value]) -> Settings,
    ) -> Self {
        let sandbox = Sandbox::new(name);
        let upstream = Upstream::start();
        let unreachable = Unreachable::start();
        let collector = Collector::start(&sandbox, "collector", &Store::Sqlite);
        let clusters = clusters(&upstream, unreachable.address());
        let mut listeners = Vec::new();
        for door in doors {
            let [bare, observed] = door.ways().map(|name| {
                Listener::new(name, upstream.http1()).settings(&settings(*door, name, &sandbox, &clusters))
            });
            listeners.extend([bare, observed.filter(Filter::exporting_to(collector.grpc()))]);
        }
        let envoy = Envoy::start(&sandbox, &Workload::new(name, "default"), &listeners);
        Self { _sandbox: sandbox, _unreachable: unreachable, upstream, collector, envoy }
    }
}

fn routes() -> Vec<Value> {
    let to = |name: &str, cluster: &str, more: Value| {
        let mut action = json!({"cluster": cluster, "timeout": "0s"});
        for (field, value) in more.as_object().into_iter().flatten() {
            action[field] = value.clone();
        }
        json!({"name": name, "match": by_name(name), "route": action})
    };
    let guarded = |name: &str, filter: &str, config: Value| {
        let mut route = to(name, "http1", json!({}));
        route["typed_per_filter_config"] = json!({filter: config});
        route
    };
    let direct = |status: u16, body: &str| {
        let name = format!("direct-{status}");
        json!({
            "name": name,
            "match": by_name(&name),
            "direct_response": {"status": status, "body": {"inline_string": body}},
        })
    };
    let retries = |on: &str| {
        json!({"retry_policy": {
            "retry_on": on,
            "num_retries": 2,
            "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.002s"},
        }})
    };
    let tries = |timeout: &str| {
        let mut action = retries("5xx");
        action["retry_policy"]["per_try_timeout"] = json!(timeout);
        action
    };
    let websocket = json!({"upgrade_configs": [{"upgrade_type": "websocket"}]});
    let connect = json!({
        "name": "connect",
        "match": {"connect_matcher": {}},
        "route": {"cluster": "http1", "timeout": "0s", "upgrade_configs": [{"upgrade_type": "CONNECT"}]},
    });
    let mut routes = vec![
        connect,
        to("http1", "http1", json!({})),
        to("http2", "http2", json!({})),
        to("nobody-listens", "nobody-listens", json!({})),
        to("unreachable", "unreachable", json!({})),
        to("no-endpoint", "no-endpoint", json!({})),
        to("no-cluster", "not-there", json!({})),
        to("full", "full", json!({})),
        to("max-upstream-duration-1s", "short-lived", json!({})),
        to("retry", "http1", retries("5xx,reset")),
        to(
            "redirect",
            "http1",
            json!({"internal_redirect_policy": {"max_internal_redirects": 1, "redirect_response_codes": [307]}}),
        ),
        to("websocket", "http1", websocket),
        direct(200, OVERRIDE),
        direct(403, "no"),
        guarded("forbidden", RBAC, rbac_per_route()),
        guarded("limited", LOCAL_RATE_LIMIT, local_rate_limit()),
        guarded(
            "bounded",
            BUFFER,
            json!({"@type": type_url("buffer.v3.BufferPerRoute"), "buffer": {"max_request_bytes": 32}}),
        ),
    ];
    // Where something is to come in time, a busy machine needs some of it.
    for limit in ["0.3s", "1s"] {
        let named = |name: &str, cluster: &str, more: Value| to(&format!("{name}-{limit}"), cluster, more);
        routes.extend([
            named("timeout", "http1", json!({"timeout": limit})),
            named("http2-timeout", "http2", json!({"timeout": limit})),
            named("idle-timeout", "http1", json!({"idle_timeout": limit})),
            named("max-duration", "http1", json!({"max_stream_duration": {"max_stream_duration": limit}})),
            named("try-timeout", "http1", tries(limit)),
        ]);
    }
    routes
}

/// What [`routes`] answers by itself.
pub(super) const OVERRIDE: &str = super::bodies::OPENAI;

fn by_name(name: &str) -> Value {
    json!({"prefix": "/", "headers": [{"name": ROUTE, "string_match": {"exact": name}}]})
}

const RBAC: &str = "envoy.filters.http.rbac";
const LOCAL_RATE_LIMIT: &str = "envoy.filters.http.local_ratelimit";
const BUFFER: &str = "envoy.filters.http.buffer";

/// Each does nothing but on its route.
fn other_filters() -> Vec<Value> {
    let buffer = json!({"@type": type_url("buffer.v3.Buffer"), "max_request_bytes": 32});
    let rbac = json!({"@type": type_url("rbac.v3.RBAC")});
    let mut filters =
        vec![typed(RBAC, &rbac), typed(LOCAL_RATE_LIMIT, &local_rate_limit()), typed(BUFFER, &buffer)];
    for filter in &mut filters {
        filter["disabled"] = true.into();
    }
    filters
}

fn holds_answers() -> Value {
    let code = "function envoy_on_response(answer) answer:body() end";
    let lua = json!({
        "@type": type_url("lua.v3.Lua"),
        "default_source_code": {"inline_string": code},
    });
    typed("envoy.filters.http.lua", &lua)
}

fn rbac_per_route() -> Value {
    let all = json!({"permissions": [{"any": true}], "principals": [{"any": true}]});
    json!({
        "@type": type_url("rbac.v3.RBACPerRoute"),
        "rbac": {"rules": {"action": "DENY", "policies": {"all": all}}},
    })
}

/// One call an hour.
fn local_rate_limit() -> Value {
    let always = json!({"default_value": {"numerator": 100, "denominator": "HUNDRED"}});
    json!({
        "@type": type_url("local_ratelimit.v3.LocalRateLimit"),
        "stat_prefix": "limited",
        "token_bucket": {"max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "3600s"},
        "filter_enabled": always,
        "filter_enforced": always,
    })
}

fn type_url(name: &str) -> String {
    format!("type.googleapis.com/envoy.extensions.filters.http.{name}")
}

fn clusters(upstream: &Upstream, unreachable: SocketAddr) -> Vec<Value> {
    let speaking = |name: &str, address: SocketAddr, http: Value| {
        let mut cluster = cluster(name, address);
        cluster["typed_extension_protocol_options"] = json!({
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": http,
            },
        });
        cluster
    };
    let with_trailers = json!({"http_protocol_options": {"enable_trailers": true}});
    let mut no_endpoint = cluster("no-endpoint", upstream.http1());
    no_endpoint["load_assignment"]["endpoints"] = json!([]);
    let mut full = cluster("full", upstream.http1());
    full["circuit_breakers"] =
        json!({"thresholds": [{"max_connections": 0, "max_pending_requests": 0, "max_requests": 0}]});
    let mut unreachable = cluster("unreachable", unreachable);
    unreachable["connect_timeout"] = json!("0.3s");
    let mut short_lived = speaking("short-lived", upstream.http1(), json!({"http_protocol_options": {}}));
    for options in short_lived["typed_extension_protocol_options"].as_object_mut().into_iter().flatten() {
        options.1["common_http_protocol_options"] = json!({"max_stream_duration": "1s"});
    }
    vec![
        short_lived,
        speaking("http1", upstream.http1(), with_trailers),
        speaking("http2", upstream.http2(), json!({"http2_protocol_options": {"allow_connect": true}})),
        cluster("nobody-listens", ports::free_address()),
        no_endpoint,
        full,
        unreachable,
    ]
}
