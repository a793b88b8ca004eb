//! Mistakes in the manifests: those that the API server and istiod refuse, and how the others are seen.

use std::fs;

use meshtap_mesh::app::Call;
use meshtap_mesh::mesh::repository;
use meshtap_mesh::modules::sha256;
use meshtap_tests::wait;
use serde_json::{Value, json};

use crate::world::{BASE, RESILIENT, World, module_bytes, with_setting_as_text};

/// One mistake a line: a place in the object, what stands there instead (nothing: it is removed), and what the
/// refusal says of it. The file, and the kind of the object in it, come before their lines.
const REFUSED: &str = r#"
istio/base/wasmplugin.yaml WasmPlugin
    /spec/failStrategy = "FAIL_SOFT"                            => failStrategy: Unsupported value
    /spec/sha256 = "abc"                                        => spec.sha256 in body should match
    /spec/url = "ftp://a/b.wasm"                                => url must have schema
    /spec/match/0/mode = "OUTBOUND"                             => mode: Unsupported value
    /spec/match/0/ports = [{"number": 0}]                       => should be greater than or equal to 1
    /spec/phase = "LAST"                                        => phase: Unsupported value
    /spec/pluginConfg = {}                                      => field not declared
    /spec/vmConfig = {"env": [{"name": "A", "valueFrom": "HOST", "value": "x"}]} => value may only be set
istio/base/egress-guard.yaml NetworkPolicy
    /spec/egress/2/ports/0/endPort = 0                          => endPort: Invalid value
    /spec/egress/2/ports/0/protocol = "HTTP"                    => protocol: Unsupported value
    /spec/egress/1/to/0/ipBlock/cidr = "169.254.0.0/33"         => must be a valid CIDR value
istio/components/resilient/envoyfilter.yaml EnvoyFilter
    /spec/configPatches/0/applyTo = "HTTP_FLTER"                => applyTo: Unsupported value
    /spec/configPatches/0/match/context = "OUTBOUND"            => context: Unsupported value
    /spec/configPatches/0/patch/operation = "INSERT"            => operation: Unsupported value
    /spec/configPatches/0/patch/valeu = {}                      => field not declared
    /spec/configPatches/1/patch/value/typed_config/@type = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wsam" => could not resolve Any message type
istio/components/traffic-extension/trafficextension.yaml TrafficExtension
    /spec/phase = "LAST"                                        => phase: Unsupported value
    /spec/wasm                                                  => exactly one of wasm or lua must be set
    /spec/wasm/url = "ftp://a/b.wasm"                           => url must have schema
    /spec/wasm/failStrategy = "FAIL_SOFT"                       => failStrategy: Unsupported value
istio/components/sidecar-scope/sidecar.yaml Sidecar
    /spec/egress/0/hosts/1 = "meshtap-system"                   => namespace/dnsName
    /spec/egress/0/hosts = []                                   => at least one host
    /spec/egres = []                                            => field not declared
istio/components/access-log/telemetry.yaml Telemetry
    /spec/accessLogging/0/match/mode = "OUT"                    => mode: Unsupported value
    /spec/accessLogging/0/filter/expression = "response.code >=" => must be a valid CEL expression
    /spec/accessLogging/0/providers/0/name = ""                 => should be at least 1 chars long
istio/collector/authorizationpolicy.yaml AuthorizationPolicy
    /spec/action = "PERMIT"                                     => action: Unsupported value
    /spec/rules/0/from/0/source/namespaces = "llm-apps"         => expected list
    /spec/rules/0/from/0/source/namespace = ["llm-apps"]        => field not declared
    /spec/rules/0/to/0/operation/ports = ["otlp"]               => bad port (otlp)
istio/collector/peerauthentication.yaml PeerAuthentication
    /spec/mtls/mode = "STRICTLY"                                => mode: Unsupported value
    /spec/portLevelMtls = {"0": {"mode": "PERMISSIVE"}}         => port must be between 1-65535
istio/collector/destinationrule.yaml DestinationRule
    /spec/trafficPolicy/outlierDetection/interval = "10"        => must be a valid duration
    /spec/trafficPolicy/outlierDetection/maxEjectionPercent = 500 => percentage 500 is not in range
    /spec/trafficPolicy/loadBalancer/simple = "LEAST"           => simple: Unsupported value
istio/egress/openai/egress.yaml DestinationRule
    /spec/trafficPolicy/portLevelSettings/0/tls/mode = "TLS"    => mode: Unsupported value
    /spec/host = ""                                             => empty domain name
istio/egress/openai/egress.yaml ServiceEntry
    /spec/ports/0/number = 70000                                => port must be between 1-65535
    /spec/ports/1/name = "http"                                 => duplicate entries for key
    /spec/hosts = ["*"]                                         => hostname cannot be wildcard
    /spec/resolution = "DNSS"                                   => resolution: Unsupported value
    /spec/exportTo = ["./x"]                                    => allowed as exportTo entry
istio/egress/openai/egress.yaml VirtualService
    /spec/http/0/retries/attempts = -1                          => attempts cannot be negative
    /spec/http/0/route/0/destination/host = "a_b*c"             => domain name "a_b*c" invalid
istio/egress-gateway/route.yaml Gateway
    /spec/servers/0/port/protocol = "HTTPX"                     => invalid protocol "HTTPX"
    /spec/servers/0/tls                                         => server must have TLS settings
    /spec/servers/0/tls/mode = "MUTAL"                          => mode: Unsupported value
    /spec/servers/0/hosts = []                                  => at least one host
istio/waypoint/gateway.yaml Gateway
    /spec/listeners/0/port = 0                                  => should be greater than or equal to 1
    /spec/listeners = []                                        => spec.listeners in body should have at least 1 items
    /spec/gatewayClassName                                      => spec.gatewayClassName: Required value
istio/waypoint/wasmplugin.yaml WasmPlugin
    /spec/selector = {"matchLabels": {"a": "b"}}                => only one of
k8s/base/statefulset.yaml StatefulSet
    /spec/replicas = -1                                         => must be greater than or equal to 0
    /spec/template/spec/containers/0/ports/0/containerPort = 70000 => must be between 1 and 65535
    /spec/template/spec/containers/0/resources/limits/memory = "1G1" => unable to parse quantity
    /spec/template/spec/containers/0/imagePullPolicy = "Sometimes" => imagePullPolicy: Unsupported value
    /spec/template/spec/containers/0/readinesProbe = {}         => field not declared
    /spec/selector/matchLabels = {"app": "other"}               => `selector` does not match template `labels`
k8s/base/service.yaml Service
    /spec/ports/0/port = 70000                                  => must be between 1 and 65535
    /spec/ports/1/name = "otlp-grpc"                            => Duplicate value
    /spec/type = "ClusterIp"                                    => type: Unsupported value
k8s/base/configmap.yaml ConfigMap
    /data/meshtap.yaml = {"receive": {}}                        => .data.meshtap.yaml: expected string
k8s/base/namespace.yaml Namespace
    /metadata/labels/pod-security.kubernetes.io~1enforce = "strict!" => a valid label must be
"#;

pub(crate) fn refused(world: &World) {
    crate::manifests::install_gateway_api(world);
    world.namespace("llm-apps", &[], &[]);
    world.namespace("llm-egress", &[], &[]);
    let (mut file, mut kind, mut count, mut wrong) = ("", "", 0, Vec::new());
    let options = ["--dry-run=server", "--validate=strict"];
    let try_apply = |object: &Value| world.mesh.kube.try_apply(&object.to_string(), &options);
    for line in REFUSED.lines().filter(|line| !line.is_empty()) {
        let Some((change, expected)) = line.split_once("=>") else {
            (file, kind) = line.split_once(' ').unwrap();
            // Nothing but the mistake is what is refused.
            wrong.extend(
                try_apply(&object(file, kind)).err().map(|said| format!("{file} as it stands: {said}")),
            );
            continue;
        };
        let (path, value) = change.split_once('=').unwrap_or((change, ""));
        let value = (!value.trim().is_empty()).then(|| serde_json::from_str(value).unwrap());
        let mut object = object(file, kind);
        set(&mut object, path.trim(), value);
        count += 1;
        match try_apply(&object) {
            Err(said) if said.contains(expected.trim()) => {}
            said => wrong.push(format!("{kind} {}: {said:?}", line.trim())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    world.holds(
        &format!("{count} deliberate mistakes in these manifests, of all their kinds"),
        "each is refused, by the API server or by istiod's webhook",
    );
}

/// The first object of a kind in a manifest.
fn object(file: &str, kind: &str) -> Value {
    let text = fs::read_to_string(repository(file)).unwrap();
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let found = objects.into_iter().find(|object| object["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind} in {file}"))
}

fn set(object: &mut Value, path: &str, value: Option<Value>) {
    let (parent, key) = path.rsplit_once('/').unwrap_or_default();
    let key = key.replace("~1", "/");
    match (object.pointer_mut(parent), value) {
        (Some(Value::Object(map)), Some(value)) => drop(map.insert(key, value)),
        (Some(Value::Object(map)), None) => assert!(map.remove(&key).is_some(), "there is no {path}"),
        (Some(Value::Array(items)), Some(value)) => items[key.parse::<usize>().unwrap()] = value,
        _ => panic!("there is no {parent}"),
    }
}

/// What nobody refuses, and where it shows.
pub(crate) fn accepted(world: &World) {
    unread_configuration(world);
    unknown_field(world);
    filter_nowhere(world);
    rule_for_nobody(world);
    one_name_twice(world);
}

/// The EnvoyFilter's configuration is a text to everybody but the filter.
fn unread_configuration(world: &World) {
    let path = "/spec/configPatches/1/patch/value/typed_config/config/configuration/value";
    let broken =
        json!({"kind": "EnvoyFilter", "patch": [{"op": "replace", "path": path, "value": "{\"batch\": }"}]});
    let namespace = world.namespace("llm-unread", RESILIENT, &[broken]);
    let pod = namespace.workload("checkout");
    crate::until_seen(world, &namespace.name, &pod);
    assert!(pod.stat("wasmcustom.meshtap_config_problems_total") > 0);
    let heartbeat = wait::until("a heartbeat", || world.collector().sidecars(&namespace.name).pop());
    assert!(heartbeat["config_problems"].as_u64() > Some(0), "{heartbeat:#}");
    world.holds(
        "accepted: the EnvoyFilter of `resilient` with a configuration that is no JSON",
        "200, spans: the defaults are the collector's own; seen in `meshtap_config_problems_total` and in the heartbeats",
    );
}

/// A field of Envoy's own that is misspelt: istiod warns, and leaves it out.
fn unknown_field(world: &World) {
    world.namespace("llm-apps", &[], &[]);
    let mut object = object("istio/components/resilient/envoyfilter.yaml", "EnvoyFilter");
    let path = "/spec/configPatches/1/patch/value/typed_config/config/fail_opn";
    set(&mut object, path, Some(json!(true)));
    let file = world.mesh.sandbox.write("misspelt.json", object.to_string());
    let said = world.mesh.kube.run(&["apply", "--dry-run=server", "-f", &file.display().to_string()]);
    let warning = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() && warning.contains("fail_opn"), "{said:?}");
    world.holds(
        "accepted: a misspelt field in the patch of the EnvoyFilter of `resilient`",
        "`kubectl apply` prints a warning that names it; Envoy does without the field",
    );
}

/// A place to insert at that is nowhere, and labels that no pod has.
fn filter_nowhere(world: &World) {
    let router = "/spec/configPatches/0/match/listener/filterChain/filter/subFilter/name";
    let misplaced = json!({"kind": "EnvoyFilter", "patch": [
        {"op": "replace", "path": router, "value": "envoy.filters.http.ruoter"},
    ]});
    let selecting = json!({"kind": "WasmPlugin", "patch": [
        {"op": "add", "path": "/spec/selector", "value": {"matchLabels": {"app": "chekout"}}},
    ]});
    for (key, what, folders, patch) in [
        (
            "misplaced",
            "the EnvoyFilter of `resilient` before a filter that is not there",
            RESILIENT,
            misplaced,
        ),
        ("unselected", "a WasmPlugin whose selector no pod has", BASE, selecting),
    ] {
        let namespace = world.namespace(&format!("llm-{key}"), folders, &[patch]);
        let pod = namespace.workload("checkout");
        assert_eq!(pod.call(&Call::chat(key).model(key)).status, 200);
        assert!(!world.was_seen(&namespace.query(), key));
        assert!(!pod.admin("/stats").contains("wasmcustom.meshtap"));
        assert!(world.collector().sidecars(&namespace.name).is_empty());
        world.holds(
            &format!("accepted: {what}"),
            "200, no spans; the pod is not in `/api/v1/sidecars`, and its Envoy has no `meshtap_…` counters",
        );
    }
}

/// A DestinationRule for another host: nothing encrypts what the application leaves in the clear.
fn rule_for_nobody(world: &World) {
    let misspelt = json!({"kind": "DestinationRule", "patch": [
        {"op": "replace", "path": "/spec/host", "value": "api.openia.com"},
    ]});
    let namespace = world.namespace("llm-unencrypted", &["istio/base", "istio/egress/deepseek"], &[misspelt]);
    let pod = namespace.workload("checkout");
    wait::until("the filter", || pod.runs_module(&sha256(&module_bytes())).then_some(()));
    let name = "unencrypted";
    let answer = pod.call(&Call::chat(name).to("http://api.deepseek.com").model(name));
    assert_eq!(world.mesh.provider.standin.times(&format!("{name}@mesh")), 0);
    // The call may fail before its body, which names the model, has come to the filter.
    let span = world.collector().wait_for_span(&namespace.query());
    world.holds(
        "accepted: a DestinationRule whose host is misspelt, so that plain HTTP goes to the provider's port for TLS",
        &format!(
            "{}; the span has `error.type` `{}`",
            answer.status,
            span.error_type.as_deref().unwrap_or("none")
        ),
    );
}

/// A copy of the EnvoyFilter for some pods, with a name of its own and not its filter: Envoy takes neither, and no change
/// after it.
fn one_name_twice(world: &World) {
    let namespace = world.namespace("llm-one-name", RESILIENT, &[]);
    let pod = namespace.workload("checkout");
    crate::until_seen(world, &namespace.name, &pod);
    let rejects = || world.mesh.istiod.metric("pilot_total_xds_rejects", "type=\"ecds\"");
    let before = rejects();
    let mut copy = object("istio/components/resilient/envoyfilter.yaml", "EnvoyFilter");
    set(&mut copy, "/metadata/name", Some(json!("meshtap-copy")));
    set(&mut copy, "/metadata/namespace", Some(json!(namespace.name)));
    world.mesh.kube.apply_object(&copy);
    wait::until("istiod's count", || (rejects() > before).then_some(()));
    assert!(pod.log().contains("duplicate name meshtap found"), "{}", pod.log());
    let age = "max_age_ms\\\":555";
    let runs = || pod.admin("/config_dump?resource=ecds_filters").contains(age);
    let before = rejects();
    namespace.apply(RESILIENT, &[with_setting_as_text("batch", &json!({"max_age_ms": 555}))]);
    wait::until("istiod's next count", || (rejects() > before).then_some(()));
    let name = "one-name";
    assert_eq!(pod.call(&Call::chat(name).model(name)).status, 200);
    world.collector().wait_for_span(&format!("{}&model={name}", namespace.query()));
    assert!(!runs());
    world.mesh.kube.tell(&["-n", &namespace.name, "delete", "envoyfilter", "meshtap-copy"]);
    wait::until("the change that was held up", || runs().then_some(()));
    world.holds(
        "accepted: a copy of the EnvoyFilter of `resilient` with another `metadata.name` and the same filter in it",
        "200, spans: the filter that was there goes on; istiod counts `pilot_total_xds_rejects{type=\"ecds\"}`, the sidecar \
         logs `duplicate name meshtap found`, and no change of the filter comes into force until the copy is deleted",
    );
}
