//! The manifests in `istio/` and `k8s/`, held against the programs that they configure.
//!
//! Two layers. [`problems`] knows what our own parts need of each other (the cluster that the filter calls is the
//! collector's Service, the collector listens where probes and Service point, …) and runs everywhere. The strict
//! schemas of Kubernetes and Istio, with the CRDs' own rules, come from `../shared`; where that folder is absent, the
//! test says so and goes on.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use meshtap_collector::config::StoreKind;
use serde_json::{Value, json};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Where k8s/Containerfile puts what it copies.
const CONTAINERFILE: &str = include_str!("../../k8s/Containerfile");

// ---------------------------------------------------------------------------------------------------------- tests

#[test]
fn manifests_fit_the_filter_and_the_collector() {
    let found = problems(&shipped().unwrap());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// One mistake a line: the place in the object, what stands there instead (nothing: it is removed), and a piece of the
/// problem that has to be reported. The kind of the object goes before its lines.
const MISTAKES: &str = r#"
WasmPlugin
    /spec/failStrategy                                         => FAIL_OPEN
    /spec/failStrategy = "FAIL_RELOAD"                         => FAIL_OPEN
    /spec/match                                                => CLIENT
    /spec/url = "http://meshtap-collector:8080/filter.wasm"    => url
    /spec/url = "http://meshtap-collector.meshtap-system.svc.cluster.local:8080/wasm/filter.wasm" => url
    /spec/sha256                                               => url
    /spec/sha256 = "00"                                        => url
    /metadata/namespace = "meshtap-system"                     => collector's own namespace
    /spec/pluginConfig                                         => cluster
    /spec/pluginConfig/collector/clutser = "x"                 => collector.clutser
    /spec/pluginConfig/detect = "everything"                   => detect
    /spec/pluginConfig/queue = {"max_in_flight": 0}            => queue.max_in_flight
    /spec/pluginConfig/collector/authority = "localhost:4317"  => authority
    /spec/pluginConfig/collector/cluster = "outbound|14317||meshtap-collector.meshtap-system.svc.cluster.local" => cluster
    /spec/pluginConfig/collector/cluster = "outbound|4317||meshtap-collector.default.svc.cluster.local" => cluster
Service
    /spec/ports/0/appProtocol = "tcp"                          => appProtocol grpc
    /spec/ports/0/port = 4318                                  => cluster
    /spec/ports/0/targetPort = "http"                          => receive.grpc.listen
    /spec/ports/1/targetPort = "otlp-grpc"                     => http.listen
    /spec/ports/1/port = 80                                    => url
    /spec/ports/2/targetPort = "http"                          => receive.http.listen
    /spec/clusterIP = "None"                                   => headless
    /spec/selector = {"app": "other"}                          => selector
StatefulSet
    /spec/replicas = 2                                         => one writer
    /spec/volumeClaimTemplates                                 => store.sqlite.path
    /spec/volumeClaimTemplates/1/metadata/name = "other"       => queue.path
    /spec/template/spec/terminationGracePeriodSeconds = 20     => shutdown.deadline
    /spec/template/spec/containers/0/command = ["meshtap"]     => --config
    /spec/template/spec/containers/0/ports/0/containerPort = 1 => receive.grpc.listen
    /spec/template/spec/containers/0/startupProbe              => startupProbe
    /spec/template/spec/containers/0/livenessProbe             => livenessProbe
    /spec/template/spec/containers/0/readinessProbe            => readinessProbe
    /spec/template/spec/containers/0/readinessProbe/httpGet/path = "/" => readinessProbe
    /spec/template/spec/containers/0/livenessProbe/httpGet/port = "otlp-grpc" => livenessProbe
Deployment
    /spec/template/metadata/labels/sidecar.istio.io~1inject    => sidecar.istio.io/inject
    /spec/template/metadata/labels/sidecar.istio.io~1inject = true => sidecar.istio.io/inject
    /metadata/namespace = "default"                            => has no WasmPlugin
    /spec/template/spec/containers/0/env/0/value = "https://api.openai.com/v1" => OPENAI_BASE_URL
ServiceEntry
    /spec/hosts/0 = "api.openai.example"                       => DestinationRule
    /metadata/namespace = "default"                            => DestinationRule
    /spec/ports/0/protocol = "TLS"                             => port 80
    /spec/ports/0/targetPort                                   => targetPort 443
DestinationRule
    /spec/trafficPolicy/portLevelSettings/0/port/number = 443  => without TLS
    /spec/trafficPolicy/portLevelSettings/0/tls                => without TLS
    /spec/trafficPolicy/portLevelSettings/0/tls/mode = "DISABLE" => without TLS
    /spec/trafficPolicy/portLevelSettings/0/tls/sni            => sni
    /spec/trafficPolicy/portLevelSettings/0/tls/subjectAltNames => subjectAltNames
    /spec/trafficPolicy/portLevelSettings/0/tls/insecureSkipVerify = true => insecureSkipVerify
"#;

#[test]
fn each_mistake_is_found() {
    let mut kind = "";
    for line in MISTAKES.lines().filter(|line| !line.is_empty()) {
        let Some((change, expected)) = line.split_once("=>") else {
            kind = line;
            continue;
        };
        let (pointer, value) = change.split_once('=').unwrap_or((change, ""));
        let value = (!value.is_empty()).then(|| serde_json::from_str(value).unwrap());
        finds(kind, pointer.trim(), value, expected.trim());
    }
}

#[test]
fn each_mistake_in_the_collectors_configuration_is_found() {
    for (from, to, expected) in [
        ("listen: 0.0.0.0:4317", "lisen: 0.0.0.0:4317", "refuses its configuration"),
        ("0.0.0.0:4317", "0.0.0.0:4318", "receive.grpc.listen"),
        ("0.0.0.0:8080", "127.0.0.1:8080", "http.listen"),
        ("0.0.0.0:8080", "0.0.0.0:80", "http.listen"),
        ("/usr/local/share", "/usr/share", "wasm.module"),
        ("/var/lib/meshtap/", "/tmp/", "store.sqlite.path"),
        ("/var/lib/meshtap-queue/", "/tmp/", "queue.path"),
        ("0.0.0.0:4318", "127.0.0.1:4318", "receive.http.listen"),
        ("20s", "28s", "shutdown.deadline"),
    ] {
        let objects = shipped().unwrap();
        let source = text(&of(&objects, "ConfigMap").next().unwrap().body, "/data/meshtap.yaml");
        assert!(source.contains(from), "{from} is not in the configuration");
        finds("ConfigMap", "/data/meshtap.yaml", Some(json!(source.replace(from, to))), expected);
    }
}

#[test]
fn a_file_that_no_kustomization_lists_is_found() {
    let mut manifests = shipped().unwrap();
    let base = |object: &&mut Object| object.file == "k8s/base/kustomization.yaml";
    let resources = manifests.iter_mut().find(base).unwrap().body["resources"].as_array_mut().unwrap();
    let first = resources.remove(0);
    resources.push(json!("absent.yaml"));
    let found = problems(&manifests).join("\n");
    assert!(found.contains(first.as_str().unwrap()), "{found}");
    assert!(found.contains("absent.yaml"), "{found}");
}

#[test]
fn strict_schemas_accept_the_manifests() {
    let Some(shared) = shared_folder() else { return };
    let root = Path::new(ROOT);
    let all = [root.join("istio"), root.join("k8s")];
    let compat = shared.join("schemas-compat");
    validate(&shared, &[], &all);
    validate(&shared, &["--schemas".into(), compat.join("istio-1.31")], &all);
    // What needs no newer Istio: wildcards and TrafficExtension came with 1.30.
    let older = ["k8s", "istio/base", "istio/collector", "istio/egress/openai", "istio/sample"];
    validate(
        &shared,
        &["--schemas".into(), compat.join("istio-1.24.6")],
        &older.map(|folder| root.join(folder)),
    );

    // The production profile. Left out is the sample's workload: a loop that calls once a minute and serves nothing needs
    // no probes, no disruption budget and no second node.
    let production = [
        root.join("k8s"),
        root.join("istio/base"),
        root.join("istio/egress/openai"),
        root.join("istio/sample/namespace.yaml"),
    ];
    validate(&shared, &["--profile".into(), "production".into()], &production);
}

/// `make pin` writes the module's digest into the manifests.
#[test]
fn manifests_name_the_module_that_is_built() {
    let output = Command::new(meshtap_tests::tools::own_file("tools/pin.sh"))
        .arg("--check")
        .arg(meshtap_tests::tools::filter())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
}

/// Runs the validator and shows what it says.
fn validate(shared: &Path, options: &[PathBuf], inputs: &[PathBuf]) {
    let output = Command::new(meshtap_tests::tools::python())
        .arg(shared.join("tools/validate_manifests.py"))
        .arg("--require-namespace")
        .arg("--schemas")
        .arg(shared.join("schemas"))
        .args(options)
        .args(inputs)
        .output();
    let (passed, said) = match output {
        Ok(output) => (
            output.status.success(),
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
        ),
        Err(error) => (false, format!("cannot run the validator: {error}; `make tools` brings its Python")),
    };
    say(&format!("validate_manifests {options:?}: {said}"));
    assert!(passed, "{said}");
}

fn shared_folder() -> Option<PathBuf> {
    let shared = Path::new(ROOT).join("../shared");
    let present = shared.join("tools/validate_manifests.py").exists();
    if !present {
        say(
            "NOT CHECKED: the manifests were not held against the strict schemas, because ../shared is absent",
        );
    }
    present.then_some(shared)
}

/// To the terminal even when the test passes: the harness keeps what `println!` prints.
fn say(line: &str) {
    _ = writeln!(std::io::stderr(), "{line}");
}

/// Puts `value` (or nothing) at `pointer` of the first shipped object of a kind, and expects a problem that names it.
fn finds(kind: &str, pointer: &str, value: Option<Value>, expected: &str) {
    let change = format!("{kind} {pointer} = {value:?}");
    let mut manifests = shipped().unwrap_or_default();
    let object = manifests.iter_mut().find(|object| object.kind() == kind);
    let (parent, key) = pointer.rsplit_once('/').unwrap_or_default();
    let key = key.replace("~1", "/");
    let changed = match (object.and_then(|object| object.body.pointer_mut(parent)), value) {
        (Some(Value::Object(map)), Some(value)) => {
            map.insert(key, value);
            true
        }
        (Some(Value::Object(map)), None) => map.remove(&key).is_some(),
        (Some(Value::Array(items)), Some(value)) => {
            let item = key.parse().ok().and_then(|index: usize| items.get_mut(index));
            item.map(|item| *item = value).is_some()
        }
        _ => false,
    };
    assert!(changed, "{change}: there is no such place");
    let found = problems(&manifests);
    assert!(found.iter().any(|problem| problem.contains(expected)), "{change}: found only {found:?}");
}

// ------------------------------------------------------------------------------------------------------- documents

struct Object {
    /// Relative to the root of the repository.
    file: String,
    body: Value,
}

impl Object {
    fn kind(&self) -> &str {
        text(&self.body, "/kind")
    }

    fn name(&self) -> &str {
        text(&self.body, "/metadata/name")
    }

    fn namespace(&self) -> &str {
        text(&self.body, "/metadata/namespace")
    }

    fn folder(&self) -> &str {
        self.file.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// Every document of every YAML file below `istio/` and `k8s/`.
fn shipped() -> Result<Vec<Object>, String> {
    let mut objects = Vec::new();
    let mut folders = vec!["istio".to_owned(), "k8s".to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(Path::new(ROOT).join(&folder)).map_err(|error| format!("{folder}: {error}"))?;
        for entry in entries {
            let path = entry.map_err(|error| format!("{folder}: {error}"))?.path();
            let file = format!("{folder}/{}", path.file_name().unwrap_or_default().display());
            if path.is_dir() {
                folders.push(file);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                let source = fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"))?;
                let bodies: Vec<Value> =
                    serde_saphyr::from_multiple(&source).map_err(|error| format!("{file}: {error}"))?;
                objects.extend(bodies.into_iter().map(|body| Object { file: file.clone(), body }));
            }
        }
    }
    // What the mistakes below are made in comes first of its kind.
    objects.sort_by_key(|object| {
        (!FIRST.iter().any(|folder| object.file.starts_with(folder)), object.file.clone())
    });
    Ok(objects)
}

const FIRST: [&str; 4] = ["k8s/base/", "istio/base/", "istio/egress/openai/", "istio/sample/"];

fn of<'a>(objects: &'a [Object], kind: &'a str) -> impl Iterator<Item = &'a Object> {
    objects.iter().filter(move |object| object.kind() == kind)
}

/// The text at a JSON pointer; empty where there is none.
fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, pointer: &str) -> Option<u64> {
    value.pointer(pointer).and_then(Value::as_u64)
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

// ---------------------------------------------------------------------------------------------------------- checks

/// What is wrong, one line each.
fn problems(objects: &[Object]) -> Vec<String> {
    let mut found = Vec::new();
    kustomizations(objects, &mut found);
    match Collector::find(objects) {
        Ok(collector) => {
            collector.check(&mut found);
            plugins(objects, &collector, &mut found);
        }
        Err(problem) => found.push(problem),
    }
    egress(objects, &mut found);
    samples(objects, &mut found);
    found
}

/// Every file is listed by the kustomization or component of its folder, and every listed resource exists.
fn kustomizations(objects: &[Object], found: &mut Vec<String>) {
    let lists = |object: &&Object| matches!(object.kind(), "Kustomization" | "Component");
    for object in objects.iter().filter(|object| !lists(object)) {
        let list_here = objects.iter().filter(lists).find(|other| other.folder() == object.folder());
        let file = object.file.rsplit('/').next().unwrap_or_default();
        let listed =
            list_here.is_some_and(|other| list(&other.body, "/resources").iter().any(|name| name == file));
        if !listed {
            found.push(format!("{}: no kustomization lists it", object.file));
        }
    }
    for kustomization in objects.iter().filter(lists) {
        for name in list(&kustomization.body, "/resources").iter().filter_map(Value::as_str) {
            let place = resolved(kustomization.folder(), name);
            let is_file = objects.iter().any(|object| object.file == place);
            if !is_file && !of(objects, "Kustomization").any(|other| other.folder() == place) {
                found.push(format!("{}: lists {name}, which does not exist", kustomization.file));
            }
        }
    }
}

/// A path as kustomize reads it, from the root of the repository.
fn resolved(folder: &str, name: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in name.split('/') {
        if part == ".." {
            let _ = parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

/// What the collector's own loader makes of its file, as far as the manifests depend on it.
struct Config {
    grpc_listen: SocketAddr,
    otlp_http_listen: SocketAddr,
    http_listen: SocketAddr,
    queue: PathBuf,
    sqlite: Option<PathBuf>,
    wasm_module: PathBuf,
    shutdown_deadline: Duration,
}

/// Tells apart the files of tests that run at the same time.
static FILES: AtomicUsize = AtomicUsize::new(0);

fn collector_config(source: &str) -> Result<Config, String> {
    // The loader opens the module. Here it lies elsewhere than in the image, where `check_files` looks for it.
    let written: Value = serde_saphyr::from_str(source).map_err(|error| error.to_string())?;
    let wasm_module = text(&written, "/wasm/module");
    if wasm_module.is_empty() {
        return Err("wasm.module is not set".to_owned());
    }
    let here = Path::new(ROOT).join("Cargo.toml");
    let source = source.replace(wasm_module, &here.display().to_string());

    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let file =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("meshtap-{}-{number}.yaml", std::process::id()));
    fs::write(&file, source).map_err(|error| error.to_string())?;
    let config =
        meshtap_collector::config::Config::load(Some(&file)).map_err(|mistakes| mistakes.to_string());
    fs::remove_file(&file).map_err(|error| error.to_string())?;

    let config = config?;
    let address = |listen: &str| listen.parse().map_err(|error| format!("{listen}: {error}"));
    Ok(Config {
        grpc_listen: address(&config.receive.grpc.listen)?,
        otlp_http_listen: address(&config.receive.http.listen)?,
        http_listen: address(&config.http.listen)?,
        queue: config.queue.path,
        sqlite: (config.store.kind == StoreKind::Sqlite).then_some(config.store.sqlite.path),
        wasm_module: wasm_module.into(),
        shutdown_deadline: config.shutdown.deadline,
    })
}

fn filter_config_problems(document: &str) -> Vec<String> {
    let (_, problems) = meshtap_filter::config::parse(document.as_bytes());
    problems.into_iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
}

/// The collector's objects, and what its own loader makes of the ConfigMap.
struct Collector<'a> {
    service: &'a Object,
    workload: &'a Object,
    config_map: &'a Object,
    config: Config,
}

impl<'a> Collector<'a> {
    /// The Service is the one with a gRPC port; workload and ConfigMap are those of its namespace.
    fn find(objects: &'a [Object]) -> Result<Self, String> {
        let service = of(objects, "Service").find(|service| grpc_port(service).is_some());
        let service = service.ok_or("no Service has a port with appProtocol grpc")?;
        let beside = |kind| {
            let object = of(objects, kind).find(|object| object.namespace() == service.namespace());
            object.ok_or(format!("no {kind} in the collector's namespace {}", service.namespace()))
        };
        let workload = beside("StatefulSet")?;
        let config_map = beside("ConfigMap")?;
        let config = collector_config(text(&config_map.body, "/data/meshtap.yaml")).map_err(|problem| {
            format!("{}: the collector refuses its configuration: {problem}", config_map.file)
        })?;
        Ok(Self { service, workload, config_map, config })
    }

    fn container(&self) -> &Value {
        self.pod("/containers/0")
    }

    fn pod(&self, pointer: &str) -> &Value {
        self.workload.body.pointer(&format!("/spec/template/spec{pointer}")).unwrap_or(&Value::Null)
    }

    fn host(&self) -> String {
        format!("{}.{}.svc.cluster.local", self.service.name(), self.service.namespace())
    }

    fn check(&self, found: &mut Vec<String>) {
        self.check_ports(found);
        self.check_files(found);
        let (service, workload) = (self.service, self.workload);
        let labels = workload.body.pointer("/spec/template/metadata/labels").unwrap_or(&Value::Null);
        let selector = service.body.pointer("/spec/selector").and_then(Value::as_object);
        if !selector.is_some_and(|pairs| pairs.iter().all(|(key, value)| labels.get(key) == Some(value))) {
            found
                .push(format!("{}: the selector does not match the pods of {}", service.file, workload.file));
        }
        if text(&service.body, "/spec/clusterIP") == "None" {
            found.push(format!("{}: a headless Service cannot take the filter's calls", service.file));
        }
        if number(&workload.body, "/spec/replicas") != Some(1) {
            found.push(format!("{}: SQLite has one writer, so one replica", workload.file));
        }
        let grace = self.pod("/terminationGracePeriodSeconds").as_u64().unwrap_or(30);
        if Duration::from_secs(grace) < self.config.shutdown_deadline + Duration::from_secs(5) {
            found.push(format!(
                "{}: terminationGracePeriodSeconds is too near shutdown.deadline",
                workload.file
            ));
        }
    }

    /// Each port of the Service ends, through the container's port of that name, where the collector listens.
    fn check_ports(&self, found: &mut Vec<String>) {
        let file = &self.config_map.file;
        for (key, name, listen) in [
            ("receive.grpc.listen", "otlp-grpc", self.config.grpc_listen),
            ("receive.http.listen", "otlp-http", self.config.otlp_http_listen),
            ("http.listen", "http", self.config.http_listen),
        ] {
            let mut ports = list(&self.service.body, "/spec/ports").iter();
            let port = ports.find(|port| text(port, "/name") == name);
            let target = port.map(|port| text(port, "/targetPort")).unwrap_or_default();
            if self.container_port(target) != Some(listen.port()) {
                found.push(format!("{file}: {key} {listen} is not where the Service's port {name} leads"));
            }
            if !listen.ip().is_unspecified() {
                found.push(format!("{file}: {key} {listen} is out of other pods' reach"));
            }
        }
        for (probe, path) in [
            ("startupProbe", "/health/startup"),
            ("livenessProbe", "/health/live"),
            ("readinessProbe", "/health/ready"),
        ] {
            let get = self.container().pointer(&format!("/{probe}/httpGet")).unwrap_or(&Value::Null);
            let port = self.container_port(text(get, "/port"));
            if text(get, "/path") != path || port != Some(self.config.http_listen.port()) {
                found.push(format!("{}: {probe} does not ask {path} on the HTTP port", self.workload.file));
            }
        }
    }

    fn container_port(&self, name: &str) -> Option<u16> {
        let port = list(self.container(), "/ports").iter().find(|port| text(port, "/name") == name)?;
        number(port, "/containerPort").and_then(|port| u16::try_from(port).ok())
    }

    /// The configuration, the module and the database lie where the image and the volumes put them.
    fn check_files(&self, found: &mut Vec<String>) {
        let mount = |volume: &str| {
            let mut mounts = list(self.container(), "/volumeMounts").iter();
            mounts.find(|mount| text(mount, "/name") == volume).map(|mount| text(mount, "/mountPath"))
        };
        let mut volumes = list(self.pod(""), "/volumes").iter();
        let config = volumes.find(|volume| text(volume, "/configMap/name") == self.config_map.name());
        let config = config.and_then(|volume| mount(text(volume, "/name")));
        let command = list(self.container(), "/command");
        let path = config.map(|folder| json!(format!("{folder}/meshtap.yaml")));
        if command.first() != Some(&json!("meshtap"))
            || !command.windows(2).any(|pair| pair[0] == "--config" && Some(&pair[1]) == path.as_ref())
        {
            found.push(format!("{}: --config does not name the mounted ConfigMap", self.workload.file));
        }

        let claims = list(&self.workload.body, "/spec/volumeClaimTemplates").iter();
        let data: Vec<&str> = claims.filter_map(|claim| mount(text(claim, "/metadata/name"))).collect();
        match &self.config.sqlite {
            Some(path) if data.iter().any(|folder| path.starts_with(folder)) => {}
            path => {
                found.push(format!("{}: store.sqlite.path {path:?} is on no volume", self.config_map.file));
            }
        }

        let queue = &self.config.queue;
        if !data.iter().any(|folder| queue.starts_with(folder)) {
            found.push(format!("{}: queue.path {} is on no volume", self.config_map.file, queue.display()));
        }

        let module = &self.config.wasm_module;
        let copied = CONTAINERFILE.lines().filter(|line| line.starts_with("COPY "));
        if !copied.into_iter().any(|line| line.ends_with(&format!(" {}", module.display()))) {
            found.push(format!(
                "{}: wasm.module {} is not in the image",
                self.config_map.file,
                module.display()
            ));
        }
    }
}

fn grpc_port(service: &Object) -> Option<u64> {
    let port = list(&service.body, "/spec/ports").iter().find(|port| text(port, "/appProtocol") == "grpc")?;
    number(port, "/port")
}

/// The plugin fails open, runs on the way out only, and is configured in the filter's own words for our collector.
fn plugins(objects: &[Object], collector: &Collector<'_>, found: &mut Vec<String>) {
    if of(objects, "WasmPlugin").next().is_none() {
        found.push("there is no WasmPlugin".to_owned());
    }
    let host = collector.host();
    let grpc = grpc_port(collector.service).unwrap_or_default();
    let mut ports = list(&collector.service.body, "/spec/ports").iter();
    let http = ports.find(|port| text(port, "/appProtocol") == "http").and_then(|port| number(port, "/port"));
    for plugin in of(objects, "WasmPlugin") {
        let mut problem = |what: String| found.push(format!("{}: {what}", plugin.file));
        if text(&plugin.body, "/spec/failStrategy") != "FAIL_OPEN" {
            problem("failStrategy is not FAIL_OPEN: what observes must not break traffic".to_owned());
        }
        // A waypoint has one direction; what is captured on the way in asks for it by a label.
        let is_waypoint = plugin.body.pointer("/spec/targetRefs").is_some();
        let mode = if plugin.name() == "meshtap-server" { "SERVER" } else { "CLIENT" };
        if !is_waypoint && list(&plugin.body, "/spec/match") != [json!({"mode": mode})] {
            problem(format!("match is not the one mode {mode}: calls would be counted twice"));
        }
        if plugin.namespace() == collector.service.namespace() {
            problem("it would load in the collector's own namespace".to_owned());
        }
        let digest = text(&plugin.body, "/spec/sha256");
        let url = format!("http://{host}:{}/wasm/sha256/{digest}/filter.wasm", http.unwrap_or_default());
        if digest.len() != 64 || text(&plugin.body, "/spec/url") != url {
            problem(format!("the url is not {url}, with a digest"));
        }
        let config = plugin.body.pointer("/spec/pluginConfig").map(Value::to_string).unwrap_or_default();
        for refused in filter_config_problems(&config) {
            problem(format!("the filter refuses its pluginConfig: {refused}"));
        }
        let cluster = format!("outbound|{grpc}||{host}");
        if text(&plugin.body, "/spec/pluginConfig/collector/cluster") != cluster {
            problem(format!("the cluster is not {cluster}"));
        }
        if text(&plugin.body, "/spec/pluginConfig/collector/authority") != format!("{host}:{grpc}") {
            problem(format!("the authority is not {host}:{grpc}"));
        }
    }
}

/// A host that is plain HTTP in the mesh leaves it as TLS, checked against the host's own name.
fn egress(objects: &[Object], found: &mut Vec<String>) {
    if of(objects, "ServiceEntry").next().is_none() {
        found.push("there is no ServiceEntry".to_owned());
    }
    for entry in of(objects, "ServiceEntry") {
        let mut problem = |what: String| found.push(format!("{}: {what}", entry.file));
        // A wildcard is resolved as it is called: port, server name and the name in the certificate are the call's own.
        let is_wildcard = text(&entry.body, "/spec/resolution") == "DYNAMIC_DNS";
        let mut ports = list(&entry.body, "/spec/ports").iter();
        match ports.find(|port| number(port, "/number") == Some(80)) {
            Some(port) if text(port, "/protocol") == "HTTP" => {
                if !is_wildcard && number(port, "/targetPort") != Some(443) {
                    problem("port 80 does not lead to targetPort 443".to_owned());
                }
            }
            _ => problem("port 80 is not HTTP, so no filter sees it".to_owned()),
        }
        for host in list(&entry.body, "/spec/hosts").iter().filter_map(Value::as_str) {
            let rule = of(objects, "DestinationRule")
                .find(|rule| text(&rule.body, "/spec/host") == host && rule.namespace() == entry.namespace());
            let Some(rule) = rule else {
                problem(format!("{host} has no DestinationRule in {}", entry.namespace()));
                continue;
            };
            let mut settings = list(&rule.body, "/spec/trafficPolicy/portLevelSettings").iter();
            let setting = settings.find(|setting| number(setting, "/port/number") == Some(80));
            let tls = setting.and_then(|setting| setting.get("tls")).unwrap_or(&Value::Null);
            if text(tls, "/mode") != "SIMPLE" {
                problem(format!("{host}: port 80 would leave the mesh without TLS"));
            }
            if !is_wildcard && text(tls, "/sni") != host {
                problem(format!("{host}: the sni is another name"));
            }
            if !is_wildcard && list(tls, "/subjectAltNames") != [json!(host)] {
                problem(format!("{host}: subjectAltNames is not that host"));
            }
            if tls.get("insecureSkipVerify").is_some() {
                problem(format!("{host}: insecureSkipVerify, so anyone could be the provider"));
            }
        }
    }
}

/// Whether its pods are proxies and nothing else.
fn is_gateway(workload: &Object) -> bool {
    text(&workload.body, "/spec/template/metadata/annotations/inject.istio.io~1templates") == "gateway"
}

/// The sample has a sidecar, in a namespace with the plugin, and speaks HTTP to a host that the mesh encrypts.
fn samples(objects: &[Object], found: &mut Vec<String>) {
    if of(objects, "Deployment").next().is_none() {
        found.push("there is no sample workload".to_owned());
    }
    for sample in of(objects, "Deployment").filter(|sample| !is_gateway(sample)) {
        let mut problem = |what: String| found.push(format!("{}: {what}", sample.file));
        let label = "/spec/template/metadata/labels/sidecar.istio.io~1inject";
        if text(&sample.body, label) != "true" {
            problem("the pod template lacks the label sidecar.istio.io/inject: \"true\"".to_owned());
        }
        let here = |object: &&Object| object.namespace() == sample.namespace();
        if !of(objects, "WasmPlugin").any(|plugin| here(&plugin)) {
            problem(format!("the namespace {} has no WasmPlugin", sample.namespace()));
        }
        let mut environment = list(&sample.body, "/spec/template/spec/containers/0/env").iter();
        let base = environment.find(|variable| text(variable, "/name") == "OPENAI_BASE_URL");
        let base = base.map(|variable| text(variable, "/value")).unwrap_or_default();
        let hosts =
            of(objects, "ServiceEntry").filter(here).flat_map(|entry| list(&entry.body, "/spec/hosts"));
        if !hosts.filter_map(Value::as_str).any(|host| base.starts_with(&format!("http://{host}/"))) {
            problem(format!("OPENAI_BASE_URL {base:?} is not plain HTTP to a host of the egress pair"));
        }
    }
}
