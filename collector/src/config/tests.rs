use super::*;

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Config, Mistakes> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::parse(text, variables, Mistakes::default())
}

fn mistakes(text: &str, variables: &[(&str, &str)]) -> String {
    parse(text, variables).unwrap_err().to_string()
}

fn check(text: &str, expected: &str) {
    let found = mistakes(text, &[]);
    assert!(found.contains(expected), "{found}\nexpected: {expected}");
}

#[test]
fn nothing_configured_is_the_default() {
    let config = parse("", &[]).unwrap();
    assert_eq!(config.receive.grpc.listen, "127.0.0.1:4317");
    assert_eq!(config.receive.limits.max_message_bytes, 4 << 20);
    assert_eq!(config.store.kind, StoreKind::Sqlite);
    assert_eq!(config.store.retention, Some(Duration::from_hours(30 * 24)));
    assert_eq!(config.wasm.module, None);
    assert_eq!(parse("# only a comment\n", &[]).unwrap(), config);
    assert_eq!(parse("store:\nhttp: {}\n", &[]).unwrap(), config);
}

#[test]
fn the_file_sets_and_the_environment_wins() {
    let text = "store:\n  kind: memory\n  retention: forever\nlog: {level: debug, format: json}\n";
    let config =
        parse(text, &[("MESHTAP_STORE_KIND", "clickhouse"), ("MESHTAP_RECEIVE_GRPC_LISTEN", "[::]:0")]);
    let config = config.unwrap();
    assert_eq!(config.store.kind, StoreKind::ClickHouse);
    assert_eq!(config.receive.grpc.listen, "[::]:0");
    assert_eq!((config.store.retention, config.log.level), (None, Level::DEBUG));
    let variables = [("MESHTAP_METRICS_MAX_LABEL_VALUES", "7"), ("MESHTAP_STORE_RETENTION", "")];
    let config = parse("", &variables).unwrap();
    assert_eq!(config.metrics.max_label_values, 7);
}

#[test]
fn all_mistakes_are_reported_together() {
    let found = mistakes(
        "store:\n  knd: sqlite\n  retention: 30\nshutdwn: {deadline: 1s}\nhttp:\n  listen: 8080\n",
        &[("MESHTAP_STORE_KIND", "mysql"), ("MESHTAP_STORE_SQLITE_PTH", "x")],
    );
    assert_eq!(
        found,
        "the configuration has 6 mistakes:\n\
         \x20 shutdwn: unknown key; did you mean shutdown?\n\
         \x20 store.knd: unknown key; did you mean store.kind?\n\
         \x20 MESHTAP_STORE_SQLITE_PTH: unknown variable; did you mean MESHTAP_STORE_SQLITE_PATH?\n\
         \x20 http.listen: is not an address to listen on: 8080; write host:port, such as 127.0.0.1:8080 or 0.0.0.0:8080\n\
         \x20 MESHTAP_STORE_KIND: unknown value: \"mysql\"; use one of sqlite, clickhouse, memory\n\
         \x20 store.retention: is not a duration: 30; write a duration with its unit (ms, s, m, h, d), such as 30d, or forever"
    );
}

#[test]
fn values_are_checked() {
    check(
        "receive: {limits: {max_message_bytes: 4MB}}",
        "receive.limits.max_message_bytes: is not a size: \"4MB\"",
    );
    check("receive: {limits: {max_message_bytes: 1GiB}}", "a size from 1 to 268435456 bytes");
    check("receive: {limits: {max_spans_per_batch: 0}}", "must be a whole number from 1 to 1000000000: 0");
    check("receive: {limits: {max_spans_per_batch: -1}}", "must be a whole number from 1 to 1000000000: -1");
    check("receive: {grpc: {listen: [a]}}", "receive.grpc.listen: must be a single value");
    check("receive: 7", "receive: must be a mapping");
    check("color: blue", "color: unknown key; remove it");
    check("[]", "the file: must be a mapping");
    check("a: [", "the file: is not valid YAML");
    check(
        "http: {listen: '127.0.0.1:1'}\nhttp: {listen: '127.0.0.1:2'}",
        "duplicate mapping key: http; correct it there",
    );
    check("http: {listen: '127.0.0.1:4317'}", "http.listen: is 127.0.0.1:4317, like receive.grpc.listen");
    check("http: {listen: '127.0.0.1:4318'}", "http.listen: is 127.0.0.1:4318, like receive.http.listen");
    check("receive: {limits: {max_value_depth: 25}}", "receive.limits.max_value_depth: is more than 24");
    check(
        "receive: {limits: {max_incoming_bytes: 1MiB}}",
        "receive.limits.max_incoming_bytes: is less than receive.limits.max_message_bytes",
    );
    check(
        "receive: {limits: {max_span_age: old}}",
        "receive.limits.max_span_age: is not a duration: \"old\"",
    );
    check("receive: {limits: {max_clock_skew: 0s}}", "receive.limits.max_clock_skew: is not a duration");
    check("queue: {path: ''}", "queue.path: is empty");
    check(
        "queue: {max_bytes: 64MiB}",
        "queue.max_bytes: is less than 4 times queue.segment_bytes; write at least 268435456 bytes",
    );
    check(
        "queue: {max_bytes: 0}",
        "queue.max_bytes: is not a size: 0; write a size with its unit, such as 4GiB, of at least 4 times queue.segment_bytes",
    );
    check(
        "queue: {segment_bytes: 0}",
        "queue.segment_bytes: is not a size: 0; write a size from 1 to 1073741824",
    );
    check("pump: {max_backoff: 10ms}", "pump.max_backoff: is less than pump.min_backoff");
    check("http: {listen: ':80'}", "is not an address");
    check("store: {sqlite: {path: ''}}", "store.sqlite.path: is empty");
    check("store: {clickhouse: {url: 'localhost:8123'}}", "write it as http://host:8123");
    check(
        "store: {clickhouse: {url: 'http://u:p@h:8123'}}",
        "set store.clickhouse.user and store.clickhouse.password",
    );
    check("store: {clickhouse: {database: 'a; b'}}", "is not a name of a database");
    check("shutdown: {deadline: 0s}", "shutdown.deadline: is not a duration");
    check("wasm: {module: /nowhere/filter.wasm}", "wasm.module: cannot read /nowhere/filter.wasm");
}

#[test]
fn spans_are_taken_as_long_as_they_are_kept_unless_told_otherwise() {
    let age = |text: &str| parse(text, &[]).unwrap().limits().max_span_age;
    assert_eq!(age(""), SpanAge::Within(Duration::from_hours(30 * 24)));
    assert_eq!(age("store: {retention: 7d}"), SpanAge::Within(Duration::from_hours(7 * 24)));
    assert_eq!(age("store: {retention: forever}"), SpanAge::Unlimited);
    assert_eq!(age("receive: {limits: {max_span_age: 1h}}"), SpanAge::Within(Duration::from_hours(1)));
    assert_eq!(age("receive: {limits: {max_span_age: unlimited}}"), SpanAge::Unlimited);
}

#[test]
fn files_of_tls_go_together() {
    let cert = "receive: {grpc: {tls: {cert: /nowhere/cert.pem}}}";
    check(
        cert,
        "receive.grpc.tls.cert: is set, and receive.grpc.tls.key is not; set receive.grpc.tls.key too",
    );
    let ca = "receive: {grpc: {tls: {client_ca: /nowhere/ca.pem}}}";
    check(ca, "receive.grpc.tls.client_ca: is set, and receive.grpc.tls.cert is not");
    let both = "receive: {grpc: {tls: {cert: /nowhere/cert.pem, key: /nowhere/key.pem}}}";
    check(both, "receive.grpc.tls.cert: cannot read /nowhere/cert.pem");
}

#[test]
fn secrets_do_not_show() {
    let config = parse("store: {clickhouse: {password: hunter2}}", &[]).unwrap();
    assert_eq!(config.store.clickhouse.password.expose(), "hunter2");
    assert!(!format!("{config:?}").contains("hunter2"));
    for (text, expected) in [
        ("store: {clickhouse: {url: 'http://u:hunter 2@h:8123'}}", "store.clickhouse.url: is not"),
        ("export: {tempo: {endpoint: 'http://u:hunter2@tempo:4317'}}", "export.tempo.endpoint: is not"),
    ] {
        let found = mistakes(text, &[]);
        assert!(found.contains(expected) && !found.contains("hunter"), "{found}");
    }
    let found = mistakes("store: {clickhouse: {password: 7654321}}", &[]);
    assert!(
        found.contains("store.clickhouse.password: must be text") && !found.contains("7654321"),
        "{found}"
    );
}

#[test]
fn variables_of_others_are_left_alone() {
    let links = [
        "MESHTAP_COLLECTOR_SERVICE_HOST",
        "MESHTAP_COLLECTOR_SERVICE_PORT",
        "MESHTAP_COLLECTOR_SERVICE_PORT_OTLP_GRPC",
        "MESHTAP_COLLECTOR_PORT",
        "MESHTAP_COLLECTOR_PORT_4317_TCP",
        "MESHTAP_COLLECTOR_PORT_4317_TCP_ADDR",
        "MESHTAP_TEST_CLICKHOUSE_URL",
        "MESHTAP_CACHE",
        "MESHTAP_BIN",
        "MESHTAP_CONFIG",
        "OTHER_STORE",
    ];
    for name in links {
        parse("", &[(name, "x")]).unwrap();
    }
    assert!(mistakes("", &[("MESHTAP_HTTP_PORTS", "x")]).contains("MESHTAP_HTTP_PORTS: unknown variable"));
}

#[test]
fn every_key_is_read() {
    let variables: Vec<(String, String)> =
        KEYS.iter().map(|key| (raw::variable(key), "x".to_owned())).collect();
    let mut settings = Settings::default();
    settings.read_environment(variables, KEYS, &mut Mistakes::default());
    let mut reader = Reader { settings, mistakes: Mistakes::default() };
    read(&mut reader);
    for key in KEYS {
        assert_eq!(reader.settings.take(key), None, "{key} is declared and not read");
    }
}

#[test]
fn backends_have_names_of_their_own() {
    let text =
        "export: {tempo: {endpoint: 'http://tempo:4317', timeout: 3s}, langfuse: {protocol: http/protobuf}}";
    let variables = [
        ("MESHTAP_EXPORT_LANGFUSE_ENDPOINT", "https://cloud.langfuse.com/api/public/otel"),
        ("MESHTAP_EXPORT_LANGFUSE_HEADERS", "authorization=Basic%20aHVudGVyMg==, x-scope=a%2Cb"),
    ];
    let config = parse(text, &variables).unwrap();
    let [langfuse, tempo] = &config.export[..] else { panic!("{:?}", config.export) };
    assert_eq!((&*tempo.name, tempo.protocol, tempo.timeout.as_secs()), ("tempo", Protocol::Grpc, 3));
    assert_eq!((&*langfuse.name, langfuse.protocol), ("langfuse", Protocol::HttpProtobuf));
    let headers: Vec<_> =
        langfuse.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(headers, [("authorization", "Basic aHVudGVyMg=="), ("x-scope", "a,b")]);
    assert!(!format!("{config:?}").contains("aHVudGVyMg"));
}

#[test]
fn no_two_listeners_have_one_place() {
    check("receive: {http: {listen: '0.0.0.0:4317'}}", "receive.http.listen: is 0.0.0.0:4317, like");
    check(
        "receive: {llmtrace: {listen: '127.0.0.1:4317'}}",
        "receive.llmtrace.listen: is 127.0.0.1:4317, like",
    );
    check("http: {listen: '[::]:4318'}", "http.listen: is [::]:4318, like receive.http.listen");
    parse("receive: {http: {listen: '127.0.0.2:4317'}, llmtrace: {listen: '127.0.0.1:50051'}}", &[]).unwrap();
    parse("receive: {grpc: {listen: '127.0.0.1:0'}, http: {listen: '0.0.0.0:0'}}", &[]).unwrap();
}

/// What it exports would come in again.
#[test]
fn a_collector_is_no_backend_of_itself() {
    for (listen, endpoint) in [
        ("127.0.0.1:4317", "http://127.0.0.1:4317"),
        ("127.0.0.1:4317", "http://localhost:4317"),
        ("0.0.0.0:4317", "http://127.0.0.1:4317"),
        ("0.0.0.0:4317", "http://[::1]:4317"),
        ("10.1.2.3:80", "http://10.1.2.3"),
    ] {
        let text = format!(
            "{{receive: {{grpc: {{listen: '{listen}'}}}}, export: {{me: {{endpoint: '{endpoint}'}}}}}}"
        );
        check(&text, "export.me.endpoint: is this collector itself (receive.grpc.listen)");
    }
    for endpoint in ["http://127.0.0.1:4319", "http://tempo:4317", "http://10.0.0.1:4317"] {
        parse(&format!("export: {{tempo: {{endpoint: '{endpoint}'}}}}"), &[]).unwrap();
    }
}

#[test]
fn mistakes_of_backends() {
    check(
        "export: {tempo: {timeout: 3s}}",
        "export.tempo.endpoint: is missing; write it as http://host:4317",
    );
    check("export: {tempo: {endpoint: 'tempo:4317'}}", "export.tempo.endpoint: is not an endpoint");
    check("export: {tempo: {endpoint: 'http://u:p@tempo:4317'}}", "without user, password and query");
    check("export: {tempo: {endpoint: 'http://tempo:4317/x'}}", "has a path, which OTLP/gRPC has not");
    check("export: {Tempo: {endpoint: 'http://tempo:4317'}}", "export.Tempo: is not a name of a backend");
    check(
        "export: {tempo: {endpont: 'http://tempo:4317'}}",
        "export.tempo.endpont: unknown key; did you mean",
    );
    check("export: {tempo: 7}", "export.tempo: must be a mapping");
    let with = |rest: &str| format!("export: {{tempo: {{endpoint: 'http://tempo:4317', {rest}}}}}");
    check(&with("protocol: http"), "use one of grpc, http/protobuf");
    check(&with("max_backlog_bytes: 64MiB"), "export.tempo.max_backlog_bytes: is less than 2 times");
    check(&with("max_backoff: 1ms"), "export.tempo.max_backoff: is less than min_backoff");
    check(&with("tls: {ca: /nowhere/ca.pem}"), "export.tempo.tls.ca: cannot read /nowhere/ca.pem");
    check(&with("tls: {cert: /nowhere/cert.pem}"), "export.tempo.tls.key: is missing beside");
    for headers in ["hunter2", "te=hunter2", "grpc-timeout=hunter2", "a b=hunter2", "'a=hunter2%0a'"] {
        let found = mistakes(&with(&format!("headers: {headers}")), &[]);
        assert!(found.contains("export.tempo.headers: is not a list of headers: (not shown)"), "{found}");
        assert!(!found.contains("hunter2"), "{found}");
    }
}
