//! What messages say, redacted in the pod: through Envoy, into the store.

use meshtap_tests::client::{Call, OpenAiClient};
use meshtap_tests::collector::{Collector, Store};
use meshtap_tests::envoy::{Envoy, Filter, Listener};
use meshtap_tests::mesh::{self, PARENT_SPAN};
use meshtap_tests::sandbox::Sandbox;
use meshtap_tests::spans::Span;
use meshtap_tests::standin::Standin;
use meshtap_tests::standin::scenario::Scenario;
use meshtap_tests::workload::Workload;
use serde_json::{Value, json};

const REDACTED: &str = "redacted";
const SECRETS: [&str; 4] = ["ann@example.com", "hunter2", "4111 1111 1111 1111", "façade-café"];

fn json_of(span: &Span, name: &str) -> Value {
    let text = span.attribute(name).unwrap_or_else(|| panic!("{name} is missing: {span:#?}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name} is not JSON: {error}: {text}"))
}

#[test]
fn content_arrives_redacted() {
    let sandbox = Sandbox::new("content");
    let standin = Standin::start();
    let collector = Collector::start(&sandbox, "collector", &Store::Sqlite);
    // Words of the stand-in's answer, which a stream cuts anywhere.
    let rules = json!({"literals": ["naïve façade-café"]});
    let filter = Filter::exporting_to(collector.grpc())
        .set("/content", json!({"mode": "redacted"}))
        .set("/redaction", rules);
    let listeners = [Listener::new(REDACTED, standin.address()).filter(filter)];
    let envoy = Envoy::start(&sandbox, &Workload::new("checkout", "shop"), &listeners);

    let messages = json!([
        {"role": "system", "content": "Answer to ann@example.com. password: hunter2"},
        {"role": "user", "content": "Charge 4111 1111 1111 1111 for a façade 🙂"},
    ]);
    let scenarios = [("whole", Scenario::Answer), ("gzip", Scenario::Gzip), ("tool", Scenario::ToolCall)];
    for (name, scenario) in scenarios {
        for is_streamed in [false, true] {
            let mut call = Call::chat(&format!("content-{name}-{is_streamed}"), "gpt-4o")
                .scenario(scenario)
                .set("messages", messages.clone());
            if is_streamed {
                call = call.streamed().with_usage();
            }
            let trace = mesh::new_trace_id();
            let call = call.header("traceparent", &format!("00-{trace}-{PARENT_SPAN}-01"));
            let client = OpenAiClient::shared();
            let side = mesh::one_way(client, &standin, envoy.address(REDACTED), REDACTED, &call);
            side.assert_faithful(REDACTED);
            let span = collector.wait_for_span(&format!("trace_id={trace}"));

            let case = format!("{name}, streamed: {is_streamed}");
            assert_eq!(span.attribute("meshtap.content.mode").as_deref(), Some("redacted"), "{case}");
            assert_eq!(span.attribute("meshtap.content.truncated"), None, "{case}");
            let parts = |text: &str| json!([{"type": "text", "content": text}]);
            assert_eq!(
                json_of(&span, "gen_ai.input.messages"),
                json!([
                    {"role": "system", "parts": parts("Answer to [REDACTED:email]. password: [REDACTED:api_key]")},
                    {"role": "user", "parts": parts("Charge [REDACTED:credit_card] for a façade 🙂")},
                ]),
                "{case}"
            );
            let answer = json_of(&span, "gen_ai.output.messages");
            let answer = &answer[0];
            assert_eq!(answer["role"], "assistant", "{case}");
            if scenario == Scenario::ToolCall {
                assert_eq!(answer["finish_reason"], "tool_calls", "{case}");
                let part = &answer["parts"][0];
                assert_eq!(part["type"], "tool_call", "{case}");
                assert!(part["arguments"].is_object(), "{case}: {part}");
            } else {
                assert_eq!(answer["finish_reason"], "stop", "{case}");
                let expected = "Voilà: the façade of a [REDACTED:literal] costs 12 €, says the 評価 — and that is it 🙂.";
                assert_eq!(answer["parts"], parts(expected), "{case}");
            }
            let everything = format!("{span:?}");
            for secret in SECRETS {
                assert!(!everything.contains(secret), "{case}: {secret} left the pod: {span:#?}");
            }
        }
    }
    envoy.wait_for_counters("the redactions to be counted", |counters| {
        let is_counted = counters.get("meshtap_content_captured_total") == 6
            && counters.get("meshtap_content_redacted_email_total") == 6
            && counters.get("meshtap_content_redacted_api_key_total") == 6
            && counters.get("meshtap_content_redacted_literal_total") == 4;
        is_counted.then_some(())
    });
}

#[test]
fn content_is_off_by_default() {
    let call = Call::chat("content-off", "gpt-4o");
    let seen = mesh::shared().observe(&call);
    for observed in &seen.observed {
        let named = observed.span.attributes.keys();
        let content: Vec<_> =
            named.filter(|name| name.contains("messages") || name.contains("content.")).collect();
        assert_eq!(content, Vec::<&String>::new());
    }
}
