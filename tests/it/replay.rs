//! Recorded exchanges through the module without Envoy: `meshtap replay` as a user calls it, and what stands on it.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use meshtap_collector::wasm::host::FilterModule;
use meshtap_tests::conformance::{Conformance, Tally, score};
use meshtap_tests::growth::{Load, growth};
use meshtap_tests::sandbox::Sandbox;
use meshtap_tests::tools;
use serde_json::Value;

fn recording(name: &str) -> PathBuf {
    tools::own_file("fixtures/recordings").join(name)
}

fn replay(arguments: &[&str], files: &[PathBuf]) -> Output {
    let mut command = Command::new(tools::collector());
    command.arg("replay").arg("--module").arg(tools::filter()).args(arguments).args(files);
    command.output().unwrap_or_else(|error| panic!("meshtap replay: {error}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn objects(output: &Output) -> Vec<Value> {
    let text = text(&output.stdout);
    let lines =
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    lines.collect()
}

#[test]
fn a_browsers_recording_as_a_table() {
    let output = replay(&[], &[recording("session.har")]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1][..7], ["log.entries[0]", "chat", "gpt-4o-mini", "57", "15", "0", "0"]);
    assert_eq!(rows[1][7..], ["812", "tool_calls", "complete"]);
    assert_eq!(rows[2][..6], ["log.entries[1]", "chat", "claude-sonnet-4-5", "42", "9", "30"]);
    assert_eq!(rows[3], ["log.entries[2]", "not", "an", "LLM", "call"]);
    assert_eq!(rows[4].last(), Some(&"429"));
    assert_eq!(rows[5][rows[5].len() - 2..], ["client_cancelled:", "cancelled"]);
    assert_eq!(text(&output.stderr), "5 exchanges, 4 LLM calls, 0 that could not be replayed\n");
}

#[test]
fn spans_keep_the_recorded_times() {
    let spans = objects(&replay(&["--format", "json"], &[recording("session.har")]));
    let stream = &spans[1]["span"];
    assert_eq!(stream["start_time"], "2026-01-02T02:04:06.250000000Z");
    assert_eq!(stream["duration_ms"], 1_900.0);
    assert_eq!(stream["time_to_first_chunk_ms"], 400.0);
    // Nobody recorded when the first word came.
    assert_eq!(stream["time_to_first_content_ms"], Value::Null);
    assert_eq!(stream["attributes"]["meshtap.output.chunks"], 2);
    assert_eq!(stream["usage"]["cache_read_input_tokens"], 30);
    assert_eq!(spans[2]["span"], Value::Null);

    let spans = objects(&replay(&["--format", "json"], &[recording("exchanges.jsonl")]));
    assert_eq!(spans[0]["exchange"], "openai-gzip");
    for unknown in ["start_time", "end_time", "duration_ms", "time_to_first_chunk_ms"] {
        assert_eq!(spans[1]["span"][unknown], Value::Null, "{unknown}");
    }
}

#[test]
fn cuts_and_configuration_are_the_users() {
    let whole = objects(&replay(&["--format", "json"], &[recording("exchanges.jsonl")]));
    let cut = objects(&replay(&["--format", "json", "--cut", "7"], &[recording("exchanges.jsonl")]));
    for (whole, cut) in whole.iter().zip(&cut) {
        assert_eq!(whole["span"]["usage"], cut["span"]["usage"]);
        assert_eq!(whole["span"]["attributes"], cut["span"]["attributes"]);
    }

    let sandbox = Sandbox::new("replay-configuration");
    let config = sandbox.path("plugin.json");
    fs::write(&config, r#"{"detect": "known", "detekt": 1}"#).unwrap();
    let output = replay(
        &["--format", "json", "--plugin-config", config.to_str().unwrap()],
        &[recording("exchanges.jsonl")],
    );
    assert_eq!(objects(&output)[2]["span"], Value::Null, "localhost is no known provider");
    assert!(text(&output.stderr).contains("detekt: unknown key"), "{}", text(&output.stderr));
}

#[test]
fn what_cannot_be_replayed_is_named_and_the_rest_goes_on() {
    let sandbox = Sandbox::new("replay-bad-files");
    let file = |name: &str, content: &str| {
        let path = sandbox.path(name);
        fs::write(&path, content).unwrap();
        path
    };
    let good = fs::read_to_string(recording("exchanges.jsonl")).unwrap();
    let files = [
        file("absent.jsonl", &format!("{{\"request\":{{}}}}\n{good}")),
        file("page.html", "<html>"),
        file("empty.har", ""),
        sandbox.path("nowhere.har"),
        recording("session.har"),
    ];
    let output = replay(&["--format", "json"], &files);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(objects(&output).len(), 10, "the good ones of both files");
    let errors = text(&output.stderr);
    for expected in [
        "absent.jsonl: line 1: missing field `method`",
        "page.html: document: expected value at line 1 column 1; a recording is a HAR file, or",
        "empty.har: document: EOF",
        "nowhere.har: No such file",
        "4 that could not be replayed",
    ] {
        assert!(errors.contains(expected), "{expected:?} in\n{errors}");
    }
}

#[test]
fn something_else_than_the_filter_is_refused() {
    let run = |module: &PathBuf| {
        let mut command = Command::new(tools::collector());
        command.arg("replay").arg("--module").arg(module).arg(recording("session.har"));
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        text(&output.stderr)
    };
    assert!(run(&recording("session.har")).contains("not a WebAssembly module that can be run"));
    let sandbox = Sandbox::new("replay-modules");
    let empty = sandbox.path("empty.wasm");
    fs::write(&empty, b"\0asm\x01\0\0\0").unwrap();
    assert!(run(&empty).contains("not the meshtap filter"));
}

#[test]
fn bytes_may_be_cut_anywhere() {
    let mut predictions = Vec::new();
    let mut conformance = Conformance::new(&fs::read(tools::filter()).unwrap(), usize::MAX);
    let tally = conformance.file(&recording("exchanges.jsonl"), &mut predictions).unwrap();
    let expected = Tally { exchanges: 5, spans: 4, compressed: 3, bytewise: 5, problems: vec![] };
    assert_eq!(tally, expected);
    let said: Vec<Value> =
        text(&predictions).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(said[0]["tool_call_names"], serde_json::json!(["get_weather"]));
    assert_eq!((&said[1]["input_tokens"], &said[1]["stream"]), (&Value::from(42), &Value::from(true)));
    assert_eq!((&said[2]["output_tokens"], &said[2]["operation"]), (&Value::from(2), &Value::from("chat")));
    assert_eq!(said[3]["error_type"], "tokens");
    assert_eq!(said[4], serde_json::json!({"id": "not-llm"}));
}

/// The shared corpus, whole and cut; `make conformance` feeds it byte by byte too.
#[test]
fn the_recorded_corpus_comes_out_right() {
    const MAX_BYTEWISE_BYTES: usize = 512;
    let Some(files) = score::corpus() else {
        println!("NOT CHECKED: there is no ../shared/corpus beside this repository");
        eprintln!("NOT CHECKED: there is no ../shared/corpus beside this repository");
        return;
    };
    let sandbox = Sandbox::new("corpus");
    let path = sandbox.path("predictions.jsonl");
    let mut predictions = fs::File::create(&path).unwrap();
    let mut conformance = Conformance::new(&fs::read(tools::filter()).unwrap(), MAX_BYTEWISE_BYTES);
    for file in &files {
        let tally = conformance.file(file, &mut predictions).unwrap();
        assert!(tally.problems.is_empty(), "{:#?}", tally.problems);
        assert!(tally.exchanges > 0, "{}", file.display());
    }
    let scored = score::score(&path, &files, "0.998").unwrap();
    assert!(scored.passed, "{}", scored.report);
}

/// Content is a second reading: with it and without it the same is known of each exchange, and it is JSON.
#[test]
fn content_changes_nothing_else() {
    const CONTENT: [&str; 4] = [
        "gen_ai.system_instructions",
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.tool.definitions",
    ];
    let Some(files) = score::corpus() else {
        println!("NOT CHECKED: there is no ../shared/corpus beside this repository");
        return;
    };
    let sandbox = Sandbox::new("corpus-content");
    let spans = |mode: &str| {
        let config = serde_json::json!({"detect": "heuristic", "content": {"mode": mode}});
        let path = sandbox.path(&format!("{mode}.json"));
        fs::write(&path, config.to_string()).unwrap();
        let output = replay(&["--format", "json", "--plugin-config", path.to_str().unwrap()], &files);
        assert!(output.status.success(), "{}", text(&output.stderr));
        objects(&output)
    };
    let mut with_content = 0;
    for (mut without, mut with) in spans("off").into_iter().zip(spans("redacted")) {
        for object in [&mut without, &mut with] {
            let Some(span) = object["span"].as_object_mut() else { continue };
            for id in ["trace_id", "span_id", "parent_span_id"] {
                span.remove(id);
            }
        }
        if let Some(attributes) = with["span"]["attributes"].as_object_mut() {
            with_content += usize::from(attributes.contains_key("gen_ai.output.messages"));
            for name in CONTENT {
                let Some(Value::String(json)) = attributes.remove(name) else { continue };
                assert!(serde_json::from_str::<Vec<Value>>(&json).is_ok(), "{name}: {json}");
            }
            attributes.retain(|name, _| !name.starts_with("meshtap.content."));
        }
        assert_eq!(with, without);
    }
    assert!(with_content > 4_000, "{with_content}");
}

/// Ids need no secrets, fingerprints do.
#[test]
fn a_host_without_randomness_does_without_fingerprints() {
    let wasm = with_randomness_unimplemented(&fs::read(tools::filter()).unwrap());
    let sandbox = Sandbox::new("no-randomness");
    let module = sandbox.path("filter.wasm");
    fs::write(&module, &wasm).unwrap();
    let spans = |config: &str| {
        let path = sandbox.path("plugin.json");
        fs::write(&path, config).unwrap();
        let arguments = [
            "--format",
            "json",
            "--module",
            module.to_str().unwrap(),
            "--plugin-config",
            path.to_str().unwrap(),
        ];
        let mut command = Command::new(tools::collector());
        let output =
            command.arg("replay").args(arguments).arg(recording("exchanges.jsonl")).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        objects(&output)
    };
    let keyed = r#"{"api_key":{"fingerprint_key":"sixteen bytes or more"},"content":{"mode":"fingerprint"}}"#;
    for (config, has_fingerprints) in [(r#"{"content":{"mode":"fingerprint"}}"#, false), (keyed, true)] {
        let spans = spans(config);
        let ids = spans.iter().filter_map(|object| object["span"]["span_id"].as_str());
        let (all, different) = (ids.clone().count(), ids.collect::<HashSet<_>>().len());
        assert!(all > 1 && different == all, "{different} of {all}");
        let text = serde_json::to_string(&spans).unwrap();
        assert_eq!(text.contains("siphash-128:"), has_fingerprints, "{text}");
    }
}

/// The module, which asks for random numbers where no host has them.
fn with_randomness_unimplemented(wasm: &[u8]) -> Vec<u8> {
    let import = b"\x16wasi_snapshot_preview1\x0arandom_get";
    let other = b"\x03env\x1dproxy_random_get_which_is_not";
    let at = wasm.windows(import.len()).position(|bytes| bytes == import);
    let at = at.unwrap_or_else(|| panic!("the filter asks for no random numbers"));
    let mut wasm = wasm.to_vec();
    wasm[at..at + import.len()].copy_from_slice(&other[..]);
    wasm
}

/// `make size` prints the figures.
#[test]
fn memory_does_not_grow_with_the_body() {
    const BODY_BYTES: usize = 8 << 20;
    const MAX_BYTES: usize = 64 << 10;
    const MAX_GZIP_BYTES: usize = 96 << 10;
    let module = FilterModule::compile(&fs::read(tools::filter()).unwrap()).unwrap();
    for load in Load::ALL {
        let max = if load == Load::Gzip { MAX_GZIP_BYTES } else { MAX_BYTES };
        let growth = growth(&module, load, BODY_BYTES);
        assert!(growth <= max, "{load:?}: {growth} bytes");
    }
}
