use super::*;

fn problems(document: &str) -> Vec<String> {
    parse(document.as_bytes()).1.into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect()
}

#[test]
fn nothing_means_defaults() {
    for document in ["", "  ", "{}"] {
        assert_eq!(parse(document.as_bytes()), (Config::default(), vec![]), "{document}");
    }
    assert_eq!(
        Config::default().collector.authority,
        "meshtap-collector.meshtap-system.svc.cluster.local:4317"
    );
}

/// A key without a value is a mistake, and may be one that says more than the defaults.
#[test]
fn a_null_is_no_value() {
    assert_eq!(problems("null"), ["(document): expected an object, found null; using defaults"]);
    let expected = ["batch: expected an object, found null; using defaults"];
    assert_eq!(problems(r#"{"batch":null}"#), expected);
    let (config, problems) =
        parse(br#"{"content":{"mode":"full"},"rules":[{"host":"hr","content":null}],"redaction":{"patterns":null}}"#);
    assert_eq!(
        problems.iter().map(|problem| problem.path.as_str()).collect::<Vec<_>>(),
        ["content.mode", "rules[0].content", "redaction.patterns"]
    );
    assert_eq!(config.content.mode, ContentMode::Off);
}

#[test]
fn a_mistake_is_one_line() {
    let document = "{\"content\": {\"mode\": [\n\t\"full\"\r\n]}, \"a\\nmeshtap: all is well\\u001b[2K\": 1, \"\\u009b2K\": 2, \"\u{85}\": 3}";
    let found = problems(document);
    assert!(found.iter().any(|problem| problem.contains("found [  \"full\"  ]")), "{found:?}");
    assert!(found.iter().any(|problem| problem.starts_with("a meshtap: all is well [2K: ")), "{found:?}");
    assert!(!found.concat().contains(char::is_control), "{found:?}");
}

#[test]
fn a_key_without_a_name_has_a_path() {
    let paths = |document: &str| -> Vec<String> {
        parse(document.as_bytes()).1.into_iter().map(|problem| problem.path).collect()
    };
    assert_eq!(paths(r#"{"": 1, "batch": {"": 1}}"#), ["batch.\"\"", "\"\""]);
}

#[test]
fn mistakes_in_lists_name_their_entry() {
    let document =
        r#"{"match": 3, "exclude": [{"hots": "a"}, 4], "rules": [{"detect": "all"}, {"path": ""}]}"#;
    let expected = [
        "match: expected an array of objects, found a number; using none",
        "exclude[0]: names no host and no path, which would be every call (say \"*\" for all); the whole entry is ignored",
        "exclude[0].hots: unknown key, ignored; known here: host, path; the whole entry is ignored",
        "exclude[1]: expected an object, found a number; ignored",
        "rules[0].detect: expected one of inherit, known, heuristic, found \"all\"; using inherit",
        "rules[1].path: expected a path from its first slash on, without query, 1 to 512 visible ASCII characters, found \"\"; using \"*\"",
    ];
    assert_eq!(problems(document), expected);
    let many = format!("{{\"match\": [{}]}}", vec!["{}"; 65].join(","));
    assert_eq!(problems(&many), ["match[64]: more than 64 entries; those from here on are ignored"]);
}

#[test]
fn a_mistake_excludes_not_every_call() {
    for mistake in [
        r#"{"host":"*","path":"v1/embeddings"}"#,
        r#"{"host":"hr","paths":"/v1"}"#,
        r#"{"hots":"hr"}"#,
        r#"{"host":"https://hr"}"#,
        r#"{"host":"."}"#,
        r#"{"path":"v1"}"#,
        "{}",
        r#"{"host":null}"#,
    ] {
        let (config, problems) = parse(format!(r#"{{"exclude":[{mistake}]}}"#).as_bytes());
        assert_eq!(config.rules.exclude, [], "{mistake}");
        let is_said = |problem: &Problem| {
            problem.path.starts_with("exclude[0]")
                && problem.message.ends_with("; the whole entry is ignored")
        };
        assert!(!problems.is_empty() && problems.iter().all(is_said), "{problems:?}");
        assert!(!problems.iter().any(|problem| problem.message.contains("using")), "{problems:?}");
    }
    let (config, _) = parse(br#"{"exclude":[{"host":"HR.apps."}]}"#);
    let hosts: Vec<&str> = config.rules.exclude.iter().map(|place| place.host.as_str()).collect();
    assert_eq!(hosts, ["hr.apps"], "without the dot of an absolute name");
    for all in [r#"{"host":"*"}"#, r#"{"path":"*"}"#] {
        let (config, problems) = parse(format!(r#"{{"exclude":[{all}]}}"#).as_bytes());
        assert_eq!((config.rules.exclude.len(), problems), (1, vec![]), "{all}");
    }
}

#[test]
fn a_key_that_stands_twice_is_a_mistake() {
    let document =
        r#"{"content":{"mode":"off"},"batch":{"max_spans":1,"max_spans":2},"content":{"mode":"full"}}"#;
    let expected = [
        "content.mode: off until content is mended, which may be there to keep content in the pod",
        "batch.max_spans: stands here more than once; the last counts",
        "content: stands here more than once; the last counts",
    ];
    assert_eq!(problems(document), expected);
    let (config, _) = parse(document.as_bytes());
    assert_eq!((config.batch.max_spans, config.content.mode), (2, ContentMode::Off));
    let (config, _) = parse(br#"{"content":{"mode":"off","mode":"full"}}"#);
    assert_eq!(config.content.mode, ContentMode::Off);
}

#[test]
fn every_key_is_read() {
    let document = r#"{
        "match": [{"host": "*.Example.com"}],
        "exclude": [{"path": "*/embeddings"}],
        "rules": [{"host": "llm", "path": "/v1/*", "detect": "heuristic", "content": "full", "provider": "vllm"}],
        "collector": {"cluster": "meshtap", "authority": "collector.example", "timeout_ms": 1000,
            "headers": {"authorization": "Bearer 1"}},
        "detect": "heuristic",
        "batch": {"max_spans": 10.0, "max_bytes": 65536, "max_age_ms": 50},
        "queue": {"max_bytes": 1048576, "max_in_flight": 2},
        "retry": {"initial_backoff_ms": 100, "max_backoff_ms": 1000},
        "limits": {"max_attribute_bytes": 128, "max_list_bytes": 2048, "max_raw_usage_bytes": 0,
            "max_frame_bytes": 2048, "max_window_bytes": 65536, "max_decoder_bytes": 1048576,
            "max_expansion_ratio": 10, "max_unread_bytes": 4096},
        "identity": {"principals": true},
        "correlation": {"user_headers": ["X-User"], "session_headers": ["a", "b"], "tenant_headers": [],
            "correlation_headers": ["x-id"]},
        "api_key": {"fingerprint_key": "sixteen bytes or more"},
        "heartbeat": {"interval_ms": 0},
        "content": {"mode": "redacted", "max_message_bytes": 1024, "max_span_bytes": 4096, "sample_rate": 0.25,
            "errors": false},
        "redaction": {"off": ["phone"], "literals": ["Falcon"], "ignore_case": true, "patterns": ["ACME-\\d{6}"]}
    }"#;
    let (config, problems) = parse(document.as_bytes());
    assert_eq!(problems, vec![]);
    assert_eq!(
        config,
        Config {
            collector: Collector {
                cluster: "meshtap".into(),
                authority: "collector.example".into(),
                timeout_ms: 1_000,
                headers: vec![Header { name: "authorization".into(), value: "Bearer 1".into() }],
            },
            detect: Detect::Heuristic,
            rules: Rules {
                only: vec![Place { host: "*.example.com".into(), path: "*".into() }],
                exclude: vec![Place { host: "*".into(), path: "*/embeddings".into() }],
                rules: vec![Rule {
                    place: Place { host: "llm".into(), path: "/v1/*".into() },
                    detect: Some(Detect::Heuristic),
                    content: Some(ContentMode::Full),
                    provider: Some("vllm".into()),
                }],
            },
            batch: Batch { max_spans: 10, max_bytes: 65_536, max_age_ms: 50 },
            queue: Queue { max_bytes: 1 << 20, max_in_flight: 2 },
            retry: Retry { initial_backoff_ms: 100, max_backoff_ms: 1_000 },
            limits: Limits {
                max_attribute_bytes: 128,
                max_list_bytes: 2_048,
                max_raw_usage_bytes: 0,
                max_frame_bytes: 2_048,
                max_window_bytes: 65_536,
                max_decoder_bytes: 1 << 20,
                max_expansion_ratio: 10,
                max_unread_bytes: 4_096,
            },
            identity: Identity { principals: true },
            correlation: Correlation {
                headers: [
                    (Id::User, "x-user"),
                    (Id::Session, "a"),
                    (Id::Session, "b"),
                    (Id::Correlation, "x-id")
                ]
                .map(|(id, name)| (id, name.to_owned()))
                .into(),
            },
            api_key: ApiKey { fingerprint_key: Some(Key::from_text("sixteen bytes or more")) },
            heartbeat: Heartbeat { interval_ms: 0 },
            content: Content {
                mode: ContentMode::Redacted,
                max_message_bytes: 1_024,
                max_span_bytes: 4_096,
                sample_rate: SampleRate::new(0.25).unwrap(),
                errors: false
            },
            redactor: Rc::new(
                Redactor::new(&redact::Rules {
                    off: vec![redact::Kind::Phone],
                    literals: vec!["Falcon".into()],
                    ignore_case: true,
                    patterns: vec![r"ACME-\d{6}".into()],
                })
                .0
            ),
        }
    );
}

#[test]
fn the_authority_follows_the_cluster() {
    let (config, _) = parse(br#"{"collector":{"cluster":"outbound|4317|v1|otel.observability.svc"}}"#);
    assert_eq!(config.collector.authority, "otel.observability.svc:4317");
    let (config, _) = parse(br#"{"collector":{"cluster":"plain"}}"#);
    assert_eq!(config.collector.authority, "plain");
}

#[test]
fn unknown_keys_are_reported_with_their_path() {
    assert_eq!(
        problems(r#"{"colector":{},"batch":{"size":1}}"#),
        [
            "batch.size: unknown key, ignored; known here: max_spans, max_bytes, max_age_ms",
            "colector: unknown key, ignored; known here: collector, detect, match, exclude, rules, batch, queue, \
             retry, limits, identity, correlation, api_key, heartbeat, content, redaction",
        ]
    );
}

#[test]
fn bad_values_become_defaults_and_are_reported() {
    let document = r#"{"collector":3,"detect":"all","batch":{"max_spans":0,"max_bytes":"1","max_age_ms":1.5},
        "queue":{"max_in_flight":-1,"max_bytes":1e99}}"#;
    let (config, reported) = parse(document.as_bytes());
    assert_eq!(config, Config::default());
    assert_eq!(reported.len(), 7, "{reported:?}");
    assert!(
        problems(document).contains(
            &"batch.max_spans: expected a whole number from 1 to 4096, found 0; using 512".to_owned()
        )
    );
    assert!(
        problems(document)
            .contains(&r#"detect: expected one of known, heuristic, found "all"; using known"#.to_owned())
    );
}

#[test]
fn content_that_is_misspelled_stays_in_the_pod() {
    let (config, reported) = parse(br#"{"content":{"mode":"Full","sample_rate":"1","errors":1}}"#);
    assert_eq!((config.content.mode, config.content.sample_rate), (ContentMode::Off, SampleRate(0)));
    assert_eq!(reported.len(), 3);
    for (rate, valid) in [("0", true), ("1", true), ("0.5", true), ("1.1", false), ("-0.1", false)] {
        let document = format!(r#"{{"content":{{"sample_rate":{rate}}}}}"#);
        assert_eq!(problems(&document).is_empty(), valid, "{rate}");
    }
}

#[test]
fn mistakes_in_rules_are_reported_and_the_others_used() {
    let document = r#"{"redaction":{"off":["emails","iban"],"literals":["ab","Falcon",7],"ignore_case":1,"patterns":"x"}}"#;
    assert_eq!(
        problems(document),
        [
            "redaction.literals[2]: expected a text, found a number; ignored",
            "redaction.ignore_case: expected true or false, found 1; using false",
            "redaction.patterns: expected a list of texts, found a text; ignored",
            "redaction.off: no kind is called \"emails\"; known are email, phone, credit_card, iban, api_key, jwt, \
             private_key, ip_address; ignored",
            "redaction.literals[0]: shorter than 3 characters: a longer one finds less by chance; not used",
        ]
    );
    assert_eq!(
        problems(r#"{"redaction":{"literals":["Falcon",5,"x"],"patterns":["","(a"]}}"#),
        [
            "redaction.literals[1]: expected a text, found a number; ignored",
            "redaction.patterns[0]: expected a text, found an empty one; ignored",
            "redaction.literals[2]: shorter than 3 characters: a longer one finds less by chance; not used",
            "redaction.patterns[1]: at character 2: `(` without `)`; not used",
        ]
    );
    let (config, _) = parse(document.as_bytes());
    let redacted = |text| config.redactor.redact(text, false, &mut redact::Found::default()).into_owned();
    assert_eq!(redacted("Falcon me@example.com"), "[REDACTED:literal] [REDACTED:email]");
    assert_eq!(redacted("DE89 3704 0044 0532 0130 00"), "DE89 3704 0044 0532 0130 00");
}

#[test]
fn a_mistake_lets_no_content_out() {
    let modes = |document: &str| {
        let (config, problems) = parse(document.as_bytes());
        let of_rules = config.rules.rules.iter().filter_map(|rule| rule.content);
        let is_on = of_rules.chain([config.content.mode]).any(|mode| mode != ContentMode::Off);
        (
            is_on,
            problems.first().map(|first| format!("{}: {}", first.path, first.message)).unwrap_or_default(),
        )
    };
    for (rest, mistake) in [
        (r#""rules":[{"hots":"dev","content":"full"}]"#, "rules[0].hots"),
        (r#""rules":[{"host":"a b","content":"full"}]"#, "rules[0].host"),
        (r#""rules":[{"host":"hr","content":"redact"}]"#, "rules[0].content"),
        (r#""exclude":{"host":"hr"}"#, "exclude"),
        (r#""exclude":[{"host":"hr","paths":"/"}]"#, "exclude[0].paths"),
        (r#""exclude":[{"host":"hr:443"}]"#, "exclude[0].host"),
        (r#""exclude":[{"host":"https://hr"}]"#, "exclude[0].host"),
        (r#""exclude":[{"host":"[::1]"}]"#, "exclude[0].host"),
        (r#""exclude":[{"host":"^api.openai.com$"}]"#, "exclude[0].host"),
        (r#""exclude":[{"host":".*openai.com"}]"#, "exclude[0].host"),
        (r#""exclude":[{"host":"api.op?nai.com"}]"#, "exclude[0].host"),
        (r#""exclude":[{"host":"api.openai.com,api.anthropic.com"}]"#, "exclude[0].host"),
        (r#""exclude":[{"path":"v1/chat"}]"#, "exclude[0].path"),
        (r#""exclude":[{"path":"/v1/chat#x"}]"#, "exclude[0].path"),
        (r#""exclude":[{"path":"/v1/[a-z]*"}]"#, "exclude[0].path"),
        (r#""exclude":[{"path":"/v1/chat?a=b"}]"#, "exclude[0].path"),
        (r#""match":["hr"]"#, "match[0]"),
        (r#""redaction":{"patterns":["(?=x)abc"]}"#, "redaction.patterns[0]"),
        (r#""redaction":{"pattern":["abc"]}"#, "redaction.pattern"),
        (r#""redaction":{"ignore_case":"yes"}"#, "redaction.ignore_case"),
        (r#""redaction":{"off":[],"off":["email"]}"#, "redaction.off"),
        (r#""redaction":{"off_literals":["Falcon"]}"#, "redaction.off_literals"),
        (r#""collector":{"exclude":[{"host":"hr"}]}"#, "collector.exclude"),
        (r#""limits":{"redaction":{"literals":["Falcon"]}}"#, "limits.redaction"),
        (r#""api_key":{"content":{"mode":"off"}}"#, "api_key.content"),
        (r#""heartbeat":{"literals":["Falcon"]}"#, "heartbeat.literals"),
        (r#""excludes":[{"host":"hr"}]"#, "excludes"),
        (r#""rules":[{"host":"hr","content":"full"}],"content":["mode"]"#, "content"),
        (r#""content":{"mode":"full","sample_ratio":0.1}"#, "content.sample_ratio"),
        (r#""content":{"mode":"full","sample_rate":0.1,"sample_rate":1}"#, "content.sample_rate"),
        (r#""content":{"mode":"full","max_message_bytes":1}"#, "content.max_message_bytes"),
    ] {
        let (is_on, first) = modes(&format!(r#"{{"content":{{"mode":"redacted"}},{rest}}}"#));
        assert!(!is_on, "{rest}");
        let expected = format!(
            "content.mode: off until {mistake} is mended, which may be there to keep content in the pod"
        );
        assert_eq!(first, expected);
    }
    assert!(!modes(r#"{"rules":[{"hots":"dev","content":"full"}]}"#).0, "on in the rule alone");
    for rest in [
        r#""exclude":[{"host":"2001:db8::*","path":"*/chat"},{"host":"*."}]"#,
        r#""$schema":"plugin-config.schema.json""#,
    ] {
        assert_eq!(modes(&format!(r#"{{"content":{{"mode":"redacted"}},{rest}}}"#)), (true, String::new()));
    }
    for document in [
        r#"{"content":{"mode":"redacted"},"redaction":{"off":["emails"]}}"#,
        r#"{"content":{"mode":"redacted"},"batch":{"max_spans":0}}"#,
        r#"{"content":{"mode":"redacted"},"collector":{"headers":{"if-match":"\u0007"}}}"#,
        r#"{"content":{"mode":"full","sample_rate":2}}"#,
    ] {
        let (is_on, first) = modes(document);
        assert!(is_on && !first.is_empty() && !first.starts_with("content.mode"), "{document} {first}");
    }
    let (_, first) = modes(r#"{"excludes":[]}"#);
    assert!(first.starts_with("excludes: "), "nothing to switch off, nothing to say: {first}");
    assert!(!parse(br#"{"content":{"mode":"full","errors":"no"}}"#).0.content.errors);
}

#[test]
fn a_rate_keeps_whole_traces() {
    let trace = |end: u64| {
        let mut id = [0xff; 16];
        id[8..].copy_from_slice(&end.to_be_bytes());
        id
    };
    let quarter = SampleRate::new(0.25).unwrap();
    assert!(quarter.keeps(&trace(0xff3f_ffff_ffff_ffff)), "the bits before the last 56 do not count");
    assert!(!quarter.keeps(&trace(0x0040_0000_0000_0000)));
    assert!(SampleRate::ALL.keeps(&[0xff; 16]));
    assert!(!SampleRate::new(0.0).unwrap().keeps(&[0; 16]));
}

#[test]
fn texts_that_would_break_a_header_are_refused() {
    let (config, reported) = parse(br#"{"collector":{"authority":"a\r\nb: c"}}"#);
    assert_eq!(config, Config::default());
    assert_eq!(reported.len(), 1);
}

#[test]
fn the_key_of_fingerprints_is_never_repeated() {
    for document in [
        r#"{"api_key":{"fingerprint_key":"hunter2"}}"#,
        r#"{"api_key":"hunter2"}"#,
        r#"{"api_key":{"fingerprint_key":["hunter2"]}}"#,
    ] {
        assert_eq!(parse(document.as_bytes()).0, Config::default());
        let reported = problems(document);
        assert!(reported.len() == 1 && !reported[0].contains("hunter2"), "{reported:?}");
    }
    let (config, _) = parse(br#"{"api_key":{"fingerprint_key":"hunter2 hunter2 hunter2"}}"#);
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn the_hash_of_a_document_tells_nothing_of_its_secrets() {
    let hash = |document: &str| parse_and_hash(document.as_bytes()).2;
    assert_eq!(hash(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let with = |key: &str, token: &str, max: u32| {
        hash(&format!(
            r#"{{"é":1,"api_key":{{"fingerprint_key":{key}}},"batch":{{"max_spans":{max}}},"collector":{{"headers":{{"a":"{token}"}}}}}}"#
        ))
    };
    let first = with(r#""sixteen bytes or more""#, "t1", 1);
    for (key, token) in [(r#""sixteen bytes or \u006dore""#, "t2"), ("\"short\"", ""), ("[1]", "t\\n")] {
        assert_eq!(with(key, token, 1), first);
    }
    assert_ne!(with(r#""sixteen bytes or more""#, "t1", 2), first);
    for document in [
        r#"{"api_key":{"fingerprint_key":"SECRET","fingerprint_key":"k"}}"#,
        r#"{"api_key":{"fingerprint_key":"SECRET"},"api_key":{}}"#,
        r#"{"api_key":"SECRET"}"#,
        r#"{"collector":{"headers":{"a":"SECRET","a":"b"}},"collector":{"headers":[]}}"#,
        r#"{"collector":{"headers":["SECRET"]}}"#,
        r#"{"collector":["SECRET"]}"#,
        r#"{"api_key":{"fingerprint_key":"SECRET"}"#,
    ] {
        assert_eq!(hash(document), hash(&document.replace("SECRET", "other")), "{document}");
    }
}

#[test]
fn headers_with_ids_hold_no_credentials() {
    let document = r#"{"identity":{"principals":"yes"},"correlation":{
        "user_headers":["Authorization","x-ok","","x y",7,":path"],"session_headers":"x","tenant_headers":{},
        "correlation_headers":["1","2","3","4","5","6","7","8","9"]}}"#;
    let (config, reported) = parse(document.as_bytes());
    let names = |wanted: Id| {
        let headers = config.correlation.headers.iter().filter(|(id, _)| *id == wanted);
        headers.map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(Id::User), "x-ok");
    assert_eq!((names(Id::Session), names(Id::Tenant)), (String::new(), String::new()), "no list, no guess");
    assert_eq!(names(Id::Correlation), "1 2 3 4 5 6 7 8");
    assert_eq!(reported.len(), 5, "{reported:?}");
}

#[test]
fn headers_of_the_calls_are_checked_one_by_one() {
    let names = |document: &str| {
        let headers = parse(document.as_bytes()).0.collector.headers;
        headers.into_iter().map(|header| header.name).collect::<Vec<_>>().join(" ")
    };
    let document = r#"{"collector":{"headers":{
        "authorization": "Bearer a b", "x-scope-orgid": "1", "": "s3cret", ":path": "s3cret", "grpc-timeout": "s3cret",
        "content-type": "s3cret", "X-Upper": "s3cret", "x y": "s3cret", "x-number": 3, "x-list": ["s3cret"],
        "x-line": "s3cret\r\nb: c", "x-end": "s3cret ", "x-empty": "", "x-umlaut": "s3cr\u00e9t",
        "authorization: Bearer s3cret": "x", "x-key=s3cret": "x"
    }}}"#;
    assert_eq!(names(document), "authorization x-scope-orgid");
    let reported = problems(document);
    assert_eq!(reported.len(), 14, "{reported:?}");
    for problem in &reported {
        assert!(problem.starts_with("collector.headers."), "{problem}");
        assert!(!problem.contains("s3cr"), "{problem}");
    }
    assert_eq!(names(r#"{"collector":{"headers":{"a":"1","b":"2","a":"3"}}}"#), "a b");
    for document in [
        r#"{"collector":{"headers":"s3cret"}}"#,
        r#"{"collector":"s3cret"}"#,
        r#"{"collector":{"headers":{"a":"s3cret"}"#,
    ] {
        assert_eq!(names(document), "");
        let reported = problems(document);
        assert!(reported.len() == 1 && !reported[0].contains("s3cret"), "{reported:?}");
    }
}

/// What a VM holds at most, apart from the exchanges in progress: the queue, the copies that a VM which ends makes of it,
/// and what of several exchanges is bounded together.
#[test]
fn the_largest_bounds_fit_a_vm_together() {
    const VM_BYTES: u32 = 1 << 30;
    let largest = |wanted: &str| {
        settings()
            .iter()
            .find_map(|setting| match setting.values {
                Values::Number { max, .. } if setting.path == wanted => Some(max),
                _ => None,
            })
            .unwrap()
    };
    let queue = 3 * largest("queue.max_bytes");
    let together = queue + largest("limits.max_decoder_bytes") + largest("limits.max_unread_bytes");
    assert!(together <= VM_BYTES / 2, "{together}");
    assert!(largest("limits.max_window_bytes") <= largest("limits.max_decoder_bytes"));
    let expected = "limits.max_decoder_bytes: expected a whole number from 65536 to 268435456, found 1073741824; using 67108864";
    assert_eq!(problems(r#"{"limits": {"max_decoder_bytes": 1073741824}}"#), [expected]);
}

#[test]
fn headers_of_the_calls_are_bounded_and_hidden() {
    let with = |count: usize, value: &str| {
        let headers: Vec<String> = (0..count).map(|n| format!(r#""x-{n}":"{value}""#)).collect();
        parse(format!(r#"{{"collector":{{"headers":{{{}}}}}}}"#, headers.join(",")).as_bytes())
    };
    let (config, reported) = with(20, "s3cret");
    assert_eq!((config.collector.headers.len(), reported.len()), (16, 4));
    assert!(!format!("{config:?}").contains("s3cret"));
    let (config, reported) = with(3, &"v".repeat(4_000));
    assert_eq!((config.collector.headers.len(), reported.len()), (2, 1));
}

#[test]
fn messages_stay_short() {
    let long = format!(r#"{{"detect":"{}","{}":1}}"#, "é".repeat(100_000), "k".repeat(100_000));
    for message in problems(&long) {
        assert!(message.len() < 400, "{}", message.len());
    }
}

#[test]
fn documents_that_are_no_objects() {
    assert!(problems("[1]").first().is_some_and(|p| p.contains("expected an object, found an array")));
    assert!(problems("{").first().is_some_and(|p| p.starts_with("(document): not valid JSON")));
}
