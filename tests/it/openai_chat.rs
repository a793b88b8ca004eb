//! The official SDK's chat completions through Envoy: untouched, and told truly in both stores.

use std::time::{SystemTime, UNIX_EPOCH};

use meshtap_tests::client::Call;
use meshtap_tests::mesh::{self, STORES};
use meshtap_tests::standin::scenario::Scenario;
use meshtap_tests::wait;

use crate::expect::{complete, counted, each_span, finished, timed, uncounted};

#[test]
fn plain() {
    let call = Call::chat("openai-plain", "gpt-4o-mini");
    let seen = mesh::shared().observe(&call);
    each_span(&call, &seen, |span, exchange| {
        complete(span, exchange);
        counted(span, exchange);
        finished(span, "stop");
        assert_eq!(span.time_to_first_chunk_ms, None, "there are no chunks");
        assert_eq!(span.attribute("gen_ai.request.max_tokens").as_deref(), Some("256"));
        assert_eq!(span.attribute("gen_ai.request.temperature").as_deref(), Some("0.5"));
        assert_eq!(span.attribute("meshtap.request.bytes"), Some(exchange.request_body.len().to_string()));
        assert_eq!(span.attribute("meshtap.response.bytes"), Some(exchange.sent.len().to_string()));
    });
}

#[test]
fn whose_call_it_was() {
    let call = Call::chat("openai-identity", "gpt-4o-mini");
    let seen = mesh::shared().observe(&call);
    each_span(&call, &seen, |span, _| {
        assert_eq!(span.service.as_deref(), Some("checkout"));
        assert_eq!(span.workload.as_deref(), Some("checkout"));
        assert_eq!(span.namespace.as_deref(), Some("shop"));
        assert_eq!(span.pod.as_deref(), Some("checkout-7d9f8b6c5d-x2x7k"));
    });
}

#[test]
fn streamed() {
    let call = Call::chat("openai-streamed", "gpt-4.1").streamed().with_usage().chunk_ms(5);
    let seen = mesh::shared().observe(&call);
    assert!(!seen.bare.outcome.chunks.is_empty());
    each_span(&call, &seen, |span, exchange| {
        complete(span, exchange);
        finished(span, "stop");
        timed(span);
    });
}

/// What is known of the times: the call lies between what we did before and after it, and the provider paused at least
/// as long as it was told to. How long the rest took, nobody can say.
#[test]
fn times_are_those_of_the_call() {
    const THINK_MS: u32 = 150;
    const CHUNK_MS: u32 = 100;
    let call = Call::chat("openai-times", "gpt-4o")
        .streamed()
        .with_usage()
        .think_ms(THINK_MS.into())
        .chunk_ms(CHUNK_MS.into());
    let before = now();
    let seen = mesh::shared().observe(&call);
    let after = now();
    each_span(&call, &seen, |span, _| {
        let (start, end) = (unix_nanos(&span.start_time), unix_nanos(&span.end_time));
        assert!(before <= start && end <= after, "{before} {start} {end} {after}");
        let first_chunk = span.time_to_first_chunk_ms.unwrap();
        let first_content = span.time_to_first_content_ms.unwrap();
        assert!(first_chunk >= f64::from(THINK_MS), "{first_chunk}");
        // The first event only says who speaks; the text comes a pause later.
        assert!(first_content >= f64::from(THINK_MS + CHUNK_MS), "{first_content}");
    });
}

/// Zero from a clock before 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or_default()
}

fn unix_nanos(time: &str) -> u64 {
    meshtap_collector::time::parse_rfc3339(time).unwrap_or_else(|| panic!("no time: {time:?}"))
}

#[test]
fn compressed() {
    for call in [
        Call::chat("openai-gzip", "gpt-4o"),
        Call::chat("openai-gzip-streamed", "gpt-4o").streamed().with_usage(),
    ] {
        let call = call.scenario(Scenario::Gzip);
        let seen = mesh::shared().observe(&call);
        each_span(&call, &seen, |span, exchange| {
            complete(span, exchange);
            counted(span, exchange);
            finished(span, "stop");
            // As it passed the sidecar.
            assert_eq!(span.attribute("meshtap.response.bytes"), Some(exchange.sent.len().to_string()));
        });
    }
}

#[test]
fn streamed_with_usage() {
    let call = Call::chat("openai-streamed-usage", "gpt-4o").streamed().with_usage();
    let seen = mesh::shared().observe(&call);
    each_span(&call, &seen, |span, exchange| {
        complete(span, exchange);
        counted(span, exchange);
    });
}

#[test]
fn streamed_without_usage_is_absent_and_not_zero() {
    let call = Call::chat("openai-streamed-no-usage", "gpt-4o").streamed();
    let seen = mesh::shared().observe(&call);
    each_span(&call, &seen, |span, exchange| {
        complete(span, exchange);
        uncounted(span);
        timed(span);
    });
}

#[test]
fn cached_and_reasoning_tokens() {
    for (case, call) in [
        ("openai-details", Call::chat("openai-details", "o4-mini")),
        ("openai-details-streamed", Call::chat("openai-details-streamed", "o4-mini").streamed().with_usage()),
    ] {
        let call = call.scenario(Scenario::Details);
        let seen = mesh::shared().observe(&call);
        each_span(&call, &seen, |span, exchange| {
            counted(span, exchange);
            assert_eq!(span.usage.reasoning_output_tokens, Some(64), "{case}");
        });
    }
}

#[test]
fn tool_calls() {
    for call in [
        Call::chat("openai-tools", "gpt-4o"),
        Call::chat("openai-tools-streamed", "gpt-4o").streamed().with_usage(),
    ] {
        let call = call.scenario(Scenario::ToolCall);
        let seen = mesh::shared().observe(&call);
        each_span(&call, &seen, |span, exchange| {
            complete(span, exchange);
            counted(span, exchange);
            finished(span, "tool_calls");
        });
    }
}

#[test]
fn without_a_trace_the_span_is_a_root() {
    let mesh = mesh::shared();
    let call = Call::chat("openai-root", "gpt-4o-root");
    for store in STORES {
        let side = mesh.one_way(&call, store);
        side.assert_faithful(store);
        let span = mesh.collector(store).wait_for_span("model=gpt-4o-root");
        assert_eq!(span.parent_span_id, None);
        assert_eq!(span.response_id.as_ref(), Some(&side.exchange.response_id));
        assert!(span.trace_id.bytes().any(|digit| digit != b'0'));
    }
}

#[test]
fn a_trace_is_found_by_its_id() {
    let mesh = mesh::shared();
    let seen = mesh.observe(&Call::chat("openai-trace", "gpt-4o"));
    for observed in &seen.observed {
        let reply = mesh.collector(observed.store).get(&format!("/api/v1/traces/{}", seen.trace));
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.text().contains(&observed.span.span_id), "{}", reply.text());
    }
}

#[test]
fn usage_is_summed_by_model() {
    let mesh = mesh::shared();
    let call = |n: usize| Call::chat(&format!("openai-sum-{n}"), "gpt-4o-sum");
    let seen = [mesh.observe(&call(1)), mesh.observe(&call(2))];
    let sides = seen.iter().map(|seen| &seen.bare.exchange);
    let input: u64 = sides.filter_map(|exchange| exchange.usage).map(|usage| usage.input).sum();
    for store in STORES {
        let row = wait::until("both calls in the model's row", || {
            mesh.collector(store)
                .usage("model")
                .into_iter()
                .find(|row| row["model"] == "gpt-4o-sum" && row["calls"] == 2)
        });
        assert_eq!((&row["calls"], &row["input_tokens"]), (&2.into(), &input.into()), "{store}: {row}");
    }
}
