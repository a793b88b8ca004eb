//! Every mistake in counting and in reading streams that users of other gateways reported, by name. Each exchange runs
//! whole and byte by byte ([`Call::whole`]).
//!
//! What is tested closer to the bytes: line endings, comments, `data:` without a space and byte order marks in
//! `wire::sse`, lengths and checksums of frames in `wire::aws_event_stream`, each coding and its damage in
//! `wire::encoding`.

use std::io::Write as _;

use super::*;
use crate::ending::{End, ErrorType};
use crate::span::{StreamTimes, Unread};

const CHAT: &str = "api.openai.com/v1/chat/completions";
const RESPONSES: &str = "api.openai.com/v1/responses";
const MESSAGES: &str = "api.anthropic.com/v1/messages";
const STREAM: &str = r#"{"model":"m","stream":true}"#;

const DELTA: &str =
    r#"data: {"id":"c","choices":[{"index":0,"delta":{"content":"é"},"finish_reason":null}],"usage":null}"#;
const STOP: &str =
    r#"data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#;
const USAGE: &str =
    r#"data: {"id":"c","choices":[],"usage":{"prompt_tokens":19,"completion_tokens":2,"total_tokens":21}}"#;
const DONE: &str = "data: [DONE]";
const COUNTED: &str = "in=19 out=2 read=- write=- think=- total=21";

fn chat(events: &[&str]) -> Call<'static> {
    Call::sse(CHAT, STREAM, events)
}

/// A stream of messages: what its first event says of usage, and what its last but one does.
fn messages(url: &'static str, start: &str, delta: &str) -> Call<'static> {
    let start = format!(
        "event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{{\"id\":\"msg\",\"model\":\"claude\",\"usage\":{start}}}}}"
    );
    let delta = format!(
        "event: message_delta\ndata: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"end_turn\"}},\"usage\":{delta}}}"
    );
    Call::sse(
        url,
        STREAM,
        &[
            &start,
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"é\"}}",
            &delta,
            "event: message_stop\ndata: {\"type\":\"message_stop\"}",
        ],
    )
}

fn responses(event: &str, usage: &str) -> Call<'static> {
    let created = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"model\":\"m\",\"status\":\"in_progress\",\"output\":[],\"usage\":null}}";
    let last = format!(
        "event: response.{event}\ndata: {{\"type\":\"response.{event}\",\"response\":{{\"id\":\"r\",\"status\":\"{event}\",\"usage\":{usage}}}}}"
    );
    Call::sse(
        RESPONSES,
        STREAM,
        &[created, "event: response.output_text.delta\ndata: {\"delta\":\"é\"}", &last],
    )
}

const RESPONSES_USAGE: &str = r#"{"input_tokens":34,"input_tokens_details":{"cached_tokens":30},"output_tokens":6,"output_tokens_details":{"reasoning_tokens":4},"total_tokens":40}"#;

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

// Streaming usage missing or wrong.

/// higress-group/higress#2187, gpustack/gpustack#4874, traceloop/openllmetry#627
#[test]
fn usage_null_on_every_chunk_is_absent_and_not_zero() {
    let role = r#"data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":null},"logprobs":null,"finish_reason":""}],"usage":null}"#;
    let text = r#"data: {"id":"c","choices":[{"index":0,"delta":{"role":null,"content":"1"},"finish_reason":""}],"usage":null}"#;
    let span = chat(&[role, text, STOP, DONE]).no_counts("not_sent");
    assert_eq!(span.facts.finish_reasons, [(0, "stop".to_owned())]);
    assert_eq!(span.stream.output_chunks, 1);
    assert_eq!(span.facts.raw_usage, None);
}

/// traceloop/openllmetry#627: no count is better than a guess.
#[test]
fn a_stream_without_usage_is_absent_and_never_estimated() {
    chat(&[DELTA, DELTA, STOP, DONE]).no_counts("not_sent");
}

/// higress-group/higress#4146 (a chunk is not an event), kubernetes-sigs/gateway-api-inference-extension#2026
#[test]
fn a_usage_event_cut_at_any_byte_is_read() {
    let call = chat(&[DELTA, STOP, USAGE, DONE]);
    call.counts(COUNTED);
    for size in 1..call.response.len() {
        assert_eq!(counts(&call.play(size)), COUNTED, "{size}");
    }
}

/// kubernetes-sigs/gateway-api-inference-extension#1357: usage and `[DONE]` are two events.
#[test]
fn usage_is_read_without_the_done_event() {
    chat(&[DELTA, STOP, USAGE]).counts(COUNTED);
}

/// BerriAI/litellm#36168: the usage chunk may also have choices.
#[test]
fn usage_on_a_chunk_with_choices_is_read() {
    let last = r#"data: {"id":"c","choices":[{"index":0,"finish_reason":"length","delta":{"role":"assistant","content":""}}],"usage":{"prompt_tokens":2612,"completion_tokens":8,"total_tokens":2620,"prompt_tokens_details":{"cached_tokens":2560},"completion_tokens_details":{"reasoning_tokens":7}}}"#;
    chat(&[DELTA, last, DONE]).counts("in=2612 out=8 read=2560 write=- think=7 total=2620");
}

/// maximhq/bifrost#7065: what ends the text does not end the stream.
#[test]
fn usage_on_the_last_chunk_with_empty_choices_is_read() {
    chat(&[DELTA, STOP, USAGE, DONE]).counts(COUNTED);
}

/// BerriAI/litellm#17136
#[test]
fn usage_on_the_last_chunk_but_one_is_read() {
    let empty = r#"data: {"id":"c","choices":[]}"#;
    chat(&[DELTA, STOP, USAGE, empty, DONE]).counts(COUNTED);
}

/// langfuse/langfuse#8808: ten times too much.
#[test]
fn cumulative_usage_on_every_chunk_is_not_summed() {
    let chunk = |count: u64| {
        format!(
            r#"data: {{"choices":[{{"index":0,"delta":{{"content":"x"}}}}],"usage":{{"prompt_tokens":5,"completion_tokens":{count},"total_tokens":{}}}}}"#,
            5 + count
        )
    };
    chat(&[&chunk(1), &chunk(2), &chunk(10), DONE]).counts("in=5 out=10 read=- write=- think=- total=15");
}

/// What vLLM sends with `continuous_usage_stats`: zero at first, and the last chunk without choices.
#[test]
fn vllm_continuous_usage_stats_are_taken_from_the_last() {
    let chunk = |choices: &str, count: u64| {
        format!(
            r#"data: {{"id":"c","choices":{choices},"usage":{{"prompt_tokens":7,"total_tokens":{},"completion_tokens":{count}}}}}"#,
            7 + count
        )
    };
    let text = r#"[{"index":0,"delta":{"content":"a"},"finish_reason":null}]"#;
    let (first, second, last) = (chunk(text, 0), chunk(text, 1), chunk("[]", 2));
    let url = "vllm.models:8000/v1/chat/completions";
    Call::sse(url, STREAM, &[&first, &second, STOP, &last, DONE])
        .counts("in=7 out=2 read=- write=- think=- total=9");
    let mut cut = Call::sse(url, STREAM, &[&first, &second]);
    cut.ended = "downstream_remote_disconnect";
    let span = cut.whole();
    assert_eq!(counts(&span), "in=7 out=1 read=- write=- think=- total=8");
    assert_eq!(span.usage_source, UsageSource::ProviderPartial);
}

/// Azure's first chunk, and its last with content filters.
#[test]
fn azure_content_filter_chunks_with_empty_choices_are_no_output() {
    let filter = r#"data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false}}}]}"#;
    let span = Call::sse(
        "x.openai.azure.com/openai/deployments/d/chat/completions",
        STREAM,
        &[filter, DELTA, STOP, USAGE, DONE],
    )
    .counts(COUNTED);
    assert_eq!((span.stream.output_chunks, span.facts.response_id.as_deref()), (1, Some("c")));
    assert_eq!(span.facts.request_model.as_deref(), Some("m"));
}

/// higress-group/higress#4424: Codex streams responses, at a path of its own.
#[test]
fn a_codex_stream_of_responses_is_counted() {
    let mut call = responses("completed", RESPONSES_USAGE);
    call.url = "chatgpt.com/backend-api/codex/responses";
    call.counts("in=34 out=6 read=30 write=- think=4 total=40");
}

/// agentgateway/agentgateway#1686, maximhq/bifrost#4484, kubernetes-sigs/gateway-api-inference-extension#2482
#[test]
fn usage_below_the_response_of_a_stream_is_read() {
    responses("completed", RESPONSES_USAGE).counts("in=34 out=6 read=30 write=- think=4 total=40");
}

/// envoyproxy/ai-gateway#2184, agentgateway/agentgateway#3274
#[test]
fn usage_in_incomplete_and_failed_responses_is_read() {
    for event in ["incomplete", "failed"] {
        responses(event, RESPONSES_USAGE).counts("in=34 out=6 read=30 write=- think=4 total=40");
        responses(event, "null").no_counts("not_sent");
    }
}

/// Kuadrant/wasm-shim#373, ferro-labs/ai-gateway#281: most clients stream.
#[test]
fn a_stream_counts_as_much_as_a_plain_answer() {
    let usage = r#"{"input_tokens":9,"cache_read_input_tokens":1,"output_tokens":16}"#;
    let expected = "in=10 out=16 read=1 write=- think=- total=-";
    messages(MESSAGES, usage, usage).counts(expected);
    Call::json(MESSAGES, "{}", &format!(r#"{{"id":"msg","content":[],"usage":{usage}}}"#)).counts(expected);
    let expected = "in=34 out=6 read=30 write=- think=4 total=40";
    Call::json(RESPONSES, "{}", &format!(r#"{{"id":"r","status":"completed","usage":{RESPONSES_USAGE}}}"#))
        .counts(expected);

    let cohere = r#"{"billed_units":{"input_tokens":5,"output_tokens":2},"tokens":{"input_tokens":70,"output_tokens":2}}"#;
    let end = format!(
        "event: message-end\ndata: {{\"type\":\"message-end\",\"delta\":{{\"finish_reason\":\"COMPLETE\",\"usage\":{cohere}}}}}"
    );
    let text = "event: content-delta\ndata: {\"type\":\"content-delta\",\"delta\":{\"message\":{\"content\":{\"text\":\"a\"}}}}";
    let expected = "in=5 out=2 read=- write=- think=- total=-";
    Call::sse("api.cohere.com/v2/chat", STREAM, &[text, &end]).counts(expected);
    Call::json("api.cohere.com/v2/chat", "{}", &format!(r#"{{"id":"c","usage":{cohere}}}"#)).counts(expected);

    let gemini = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":6,"totalTokenCount":10}}"#;
    let expected = "in=4 out=6 read=- write=- think=- total=10";
    let host = "generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro";
    Call::sse(&format!("{host}:streamGenerateContent?alt=sse"), "{}", &[&format!("data: {gemini}")])
        .counts(expected);
    Call::json(&format!("{host}:generateContent"), "{}", gemini).counts(expected);

    let bedrock = r#"{"usage":{"inputTokens":4,"outputTokens":6,"totalTokens":10}}"#;
    let url = format!("{BEDROCK}/m/converse-stream");
    let frames = [frame("contentBlockDelta", r#"{"delta":{"text":"a"}}"#), frame("metadata", bedrock)];
    Call::new(&url, "{}", "application/vnd.amazon.eventstream", frames.concat()).counts(expected);
    Call::json(&format!("{BEDROCK}/m/converse"), "{}", bedrock).counts(expected);
}

/// agentgateway/agentgateway#1089: Anthropic on Vertex leaves the input out of the last event.
#[test]
fn output_tokens_of_a_message_delta_without_input_tokens_are_read() {
    let url = "us-east5-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/anthropic/models/claude-haiku:streamRawPredict";
    messages(url, r#"{"input_tokens":12,"output_tokens":1}"#, r#"{"output_tokens":240}"#)
        .counts("in=12 out=240 read=- write=- think=- total=-");
}

/// ollama/ollama#13934 and the gateways that write zero first (vercel/ai#17326).
#[test]
fn input_tokens_that_come_late_are_read() {
    messages(
        MESSAGES,
        r#"{"input_tokens":0,"output_tokens":0}"#,
        r#"{"input_tokens":74,"output_tokens":62}"#,
    )
    .counts("in=74 out=62 read=- write=- think=- total=-");
}

// What Envoy AI Gateway fixed, one by one.

/// envoyproxy/ai-gateway#1631
#[test]
fn message_delta_does_not_overwrite_input_tokens() {
    messages(MESSAGES, r#"{"input_tokens":15,"output_tokens":1}"#, r#"{"output_tokens":7}"#)
        .counts("in=15 out=7 read=- write=- think=- total=-");
    messages(
        MESSAGES,
        r#"{"input_tokens":15,"output_tokens":1}"#,
        r#"{"input_tokens":null,"cache_read_input_tokens":null,"output_tokens":7}"#,
    )
    .counts("in=15 out=7 read=- write=- think=- total=-");
}

/// envoyproxy/ai-gateway#1633
#[test]
fn usage_is_not_reset_by_what_comes_after_it() {
    let empty = "data:";
    let null = r#"data: {"id":"c","choices":[],"usage":null}"#;
    chat(&[DELTA, STOP, USAGE, ": ping", empty, null, DONE]).counts(COUNTED);
}

fn times(at: &[u64]) -> StreamTimes {
    let mut times = StreamTimes::default();
    for now in at {
        times.chunk(*now);
        times.content(*now);
    }
    times
}

/// envoyproxy/ai-gateway#1657: 999 microseconds for each of three chunks are not zero.
#[test]
fn the_gap_between_chunks_is_not_cut_to_whole_milliseconds() {
    assert_eq!(times(&[5_000, 1_004_000, 2_003_001]).gaps_nanos(), Some((999_000, 999_001)));
    assert_eq!(
        times(&[0, 1, 2, 4]).gaps_nanos(),
        Some((1, 2)),
        "less than a nanosecond is lost, nothing more"
    );
}

/// envoyproxy/ai-gateway#1170: the mean runs from the first chunk to the last, and is not the last gap.
#[test]
fn the_mean_gap_is_over_all_chunks_and_not_the_last_gap() {
    assert_eq!(times(&[100, 700, 1_000, 1_010]).gaps_nanos(), Some((303, 600)));
    assert_eq!(times(&[100]).gaps_nanos(), None, "one chunk has no gap");
    assert_eq!(times(&[]).gaps_nanos(), None);
}

/// envoyproxy/ai-gateway#1170: usage and ends are no output, wherever they come.
#[test]
fn chunks_without_text_are_no_output() {
    assert_eq!(chat(&[DELTA, DELTA, STOP, USAGE, DONE]).counts(COUNTED).stream.output_chunks, 2);
    assert_eq!(
        messages(MESSAGES, r#"{"input_tokens":1}"#, r#"{"output_tokens":1}"#).span().stream.output_chunks,
        1
    );
}

/// envoyproxy/ai-gateway#1809, BerriAI/litellm#36168
#[test]
fn cached_tokens_are_not_lost() {
    let usage = |raw: &str| format!(r#"{{"id":"c","choices":[],"usage":{raw}}}"#);
    let plain = usage(
        r#"{"prompt_tokens":50,"completion_tokens":3,"total_tokens":53,"prompt_tokens_details":{"cached_tokens":40}}"#,
    );
    let expected = "in=50 out=3 read=40 write=- think=- total=53";
    Call::json(CHAT, "{}", &plain).counts(expected);
    chat(&[DELTA, &format!("data: {plain}"), DONE]).counts(expected);
}

/// envoyproxy/ai-gateway#1902, and in streams #2259
#[test]
fn gemini_thoughts_are_output() {
    let document = |text: &str, usage: &str| {
        format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}]}}}}],"usageMetadata":{usage}}}"#
        )
    };
    let first = document("", r#"{"promptTokenCount":7,"thoughtsTokenCount":20,"totalTokenCount":27}"#);
    let last = document(
        "a",
        r#"{"promptTokenCount":7,"candidatesTokenCount":5,"thoughtsTokenCount":31,"totalTokenCount":43}"#,
    );
    let vertex = "us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro";
    let expected = "in=7 out=36 read=- write=- think=31 total=43";
    Call::json(&format!("{vertex}:generateContent"), "{}", &last).counts(expected);
    let stream = format!("{vertex}:streamGenerateContent");
    Call::json(&stream, "{}", &format!("[{first},{last}]")).counts(expected);
    let url = format!("{stream}?alt=sse");
    // Nothing but thoughts so far.
    let mut call = Call::sse(&url, "{}", &[&format!("data: {first}"), &format!("data: {last}")]);
    let end = last.len() + 8;
    call.response.truncate(call.response.len() - end);
    call.ended = "downstream_remote_disconnect";
    let span = call.whole();
    assert_eq!(counts(&span), "in=7 out=20 read=- write=- think=20 total=27");
    assert_eq!(span.usage_source, UsageSource::ProviderPartial);
}

/// envoyproxy/ai-gateway#1927: each event is flushed on its own, and only the first piece has gzip's header.
#[test]
fn a_gzip_stream_flushed_for_each_event_is_read() {
    let mut call = messages(MESSAGES, r#"{"input_tokens":9}"#, r#"{"output_tokens":16}"#);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    for event in call.response.split_inclusive(|byte| *byte == b'\n') {
        encoder.write_all(event).unwrap();
        encoder.flush().unwrap();
    }
    call.response = encoder.finish().unwrap();
    call.headers.push(("content-encoding", "gzip"));
    call.counts("in=9 out=16 read=- write=- think=- total=-");
}

/// envoyproxy/ai-gateway#2236, #2239; microsoft/agent-framework#7143, langchain-ai/langchainjs#10249
#[test]
fn cumulative_cache_tokens_of_a_message_delta_are_not_counted_twice() {
    let start =
        r#"{"input_tokens":9,"cache_read_input_tokens":1,"cache_creation_input_tokens":0,"output_tokens":0}"#;
    let delta = r#"{"input_tokens":9,"cache_read_input_tokens":1,"cache_creation_input_tokens":0,"output_tokens":16}"#;
    messages(MESSAGES, start, delta).counts("in=10 out=16 read=1 write=0 think=- total=-");
}

/// envoyproxy/ai-gateway#2290 and #2292
#[test]
fn cache_tokens_that_come_on_the_message_delta_are_read() {
    messages(
        MESSAGES,
        r#"{"input_tokens":0,"output_tokens":0}"#,
        r#"{"input_tokens":4522,"cache_creation_input_tokens":4511,"output_tokens":5}"#,
    )
    .counts("in=9033 out=5 read=- write=4511 think=- total=-");
}

/// envoyproxy/ai-gateway#2350: input and cache filled in at the end.
#[test]
fn a_message_delta_may_fill_in_input_and_cache_of_an_empty_start() {
    messages(
        MESSAGES,
        r#"{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}"#,
        r#"{"input_tokens":100,"cache_creation_input_tokens":20,"cache_read_input_tokens":3,"output_tokens":5}"#,
    )
    .counts("in=123 out=5 read=3 write=20 think=- total=-");
}

/// envoyproxy/ai-gateway#2438
#[test]
fn reasoning_tokens_are_reported_and_not_added_again() {
    let usage = r#"{"prompt_tokens":10,"completion_tokens":50,"total_tokens":60,"completion_tokens_details":{"reasoning_tokens":40}}"#;
    let answer = format!(r#"{{"id":"c","choices":[],"usage":{usage}}}"#);
    let expected = "in=10 out=50 read=- write=- think=40 total=60";
    Call::json(CHAT, "{}", &answer).counts(expected);
    chat(&[DELTA, &format!("data: {answer}"), DONE]).counts(expected);
}

// Gzip.

/// envoyproxy/ai-gateway#682, #1189 (`/v1/messages` was not decompressed), #1247
#[test]
fn gzip_split_across_chunks_is_read() {
    let answer = r#"{"id":"msg","content":[],"usage":{"input_tokens":9,"output_tokens":16}}"#;
    let mut call = Call::json(MESSAGES, "{}", answer);
    call.response = gzip(answer.as_bytes());
    call.headers.push(("content-encoding", "gzip"));
    call.counts("in=9 out=16 read=- write=- think=- total=-");
}

/// envoyproxy/ai-gateway#2291
#[test]
fn a_gzip_body_of_no_bytes_is_no_fault() {
    let mut call = Call::json(MESSAGES, "{}", "");
    call.headers.push(("content-encoding", "gzip"));
    let span = call.no_counts("not_sent");
    assert_eq!(span.http.response_unread, None);
}

/// envoyproxy/ai-gateway#2553
#[test]
fn a_gzip_error_is_read() {
    let error = r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}"#;
    let mut call = Call::json(MESSAGES, "{}", error);
    call.status = Some("429");
    call.response = gzip(error.as_bytes());
    call.headers.push(("content-encoding", "gzip"));
    let span = call.no_counts("error_response");
    assert_eq!(span.facts.error_type.as_deref(), Some("rate_limit_error"));
    assert_eq!(span.http.response_unread, None);
}

#[test]
fn br_and_zstd_streams_are_read() {
    let body = chat(&[DELTA, STOP, USAGE, DONE]).response;
    let mut br = Vec::new();
    brotli::BrotliCompress(&mut body.as_slice(), &mut br, &brotli::enc::BrotliEncoderParams::default())
        .unwrap();
    let zstd = zstd::encode_all(body.as_slice(), 3).unwrap();
    for (coding, body) in [("br", br), ("zstd", zstd)] {
        let mut call = chat(&[]);
        call.response = body;
        call.headers.push(("content-encoding", coding));
        call.counts(COUNTED);
    }
}

#[test]
fn a_wrong_content_encoding_is_said_and_not_guessed() {
    let mut call = chat(&[DELTA, STOP, USAGE, DONE]);
    call.headers.push(("content-encoding", "gzip"));
    let span = call.no_counts("encoding_corrupt");
    assert_eq!(span.http.response_bytes, call.response.len() as u64);
}

// Streams cut anywhere: katanemo/plano#980, api7/aisix#111, musistudio/claude-code-router#1672, graniet/llm#90.

#[test]
fn a_character_cut_at_any_byte_spoils_nothing() {
    let text = r#"data: {"id":"京今天😀","model":"é","choices":[{"index":0,"delta":{"content":"北京今天多云 😀"}}]}"#;
    let call = chat(&[text, STOP, USAGE, DONE]);
    let whole = call.counts(COUNTED);
    let at = call.response.windows(4).position(|bytes| bytes == "😀".as_bytes()).unwrap();
    for size in at - 12..at + 8 {
        let mut cut = call.play(size);
        assert_eq!(cut.facts.response_model.as_deref(), Some("é"), "{size}");
        cut.stream.clone_from(&whole.stream);
        assert_eq!(whole.facts.finish_reasons, cut.facts.finish_reasons);
        assert_eq!(counts(&cut), COUNTED, "{size}");
    }
}

/// praxis-proxy/praxis#739: CRLF, CR alone, and `data:` without a space, all cut anywhere.
#[test]
fn every_line_ending_and_data_without_a_space_are_read() {
    for ending in ["\r\n", "\r", "\n"] {
        for data in ["data: ", "data:"] {
            let events = [DELTA, STOP, USAGE, DONE].map(|event| event.replace("data: ", data)).join("\n\n");
            let mut call = chat(&[]);
            call.response = format!("{events}\n\n").replace('\n', ending).into_bytes();
            call.counts(COUNTED);
            for size in 2..40 {
                assert_eq!(counts(&call.play(size)), COUNTED, "{ending:?} {data:?} {size}");
            }
        }
    }
}

/// Comments, pings, empty events, ids and retries between the events; higress-group/higress#1060.
#[test]
fn comments_pings_and_empty_events_are_passed_over() {
    let mut call = chat(&[
        ": OPENROUTER PROCESSING",
        "retry: 3000",
        DELTA,
        "data:",
        "id: 7",
        ": ping",
        "event: ping\ndata: {\"type\": \"ping\"}",
        STOP,
        USAGE,
        DONE,
        "data:",
    ]);
    let span = call.counts(COUNTED);
    assert_eq!(span.stream.output_chunks, 1);
    call.ended = "downstream_remote_disconnect";
    assert_eq!(call.whole().ending, End::Complete, "the end had come");
}

#[test]
fn two_events_in_one_chunk_are_both_read() {
    let call = chat(&[DELTA, DELTA, STOP, USAGE, DONE]);
    assert_eq!(call.play(usize::MAX).stream.output_chunks, 2);
    assert_eq!(call.play(2 * (DELTA.len() + 2)).stream.output_chunks, 2);
}

#[test]
fn the_span_is_the_same_for_one_byte_a_chunk() {
    chat(&[DELTA, STOP, USAGE, DONE]).whole();
    messages(MESSAGES, r#"{"input_tokens":9}"#, r#"{"output_tokens":16}"#).whole();
    responses("completed", RESPONSES_USAGE).whole();
}

#[test]
fn trailers_end_a_stream_as_well_as_its_last_byte() {
    // The blank line of the last event never came: HTTP/2 trailers followed its bytes.
    let mut call = chat(&[DELTA, STOP, USAGE]);
    call.response.truncate(call.response.len() - 2);
    call.counts(COUNTED);
}

// Buffers: envoyproxy/ai-gateway#827, #828, #1209, #1662, #494, #2227; silogen/cluster-forge#832; llm-d/llm-d#1582.

#[test]
fn a_request_of_two_megabytes_is_read_to_its_end() {
    let text = "x".repeat(2 << 20);
    let mut call = chat(&[DELTA, STOP, USAGE, DONE]);
    call.request =
        format!(r#"{{"messages":[{{"content":"{text}"}}],"model":"big","stream":true,"max_tokens":7}}"#)
            .into();
    let span = call.counts(COUNTED);
    assert_eq!(span.facts.request_model.as_deref(), Some("big"));
    assert_eq!((span.facts.max_tokens, span.facts.stream), (Some(7), Some(true)));
    assert_eq!(span.http.request_bytes, call.request.len() as u64);
}

#[test]
fn an_event_of_more_than_256_kib_is_read() {
    let big = DELTA.replace('é', &"y".repeat(300 << 10));
    let span = chat(&[&big, STOP, USAGE, DONE]).counts(COUNTED);
    assert_eq!(
        (span.stream.output_chunks, span.facts.truncated),
        (1, 0),
        "its text is not kept, so nothing is cut"
    );
}

/// Frames have checksums, and are held until theirs is known, up to a bound; longer ones are read as they come.
#[test]
fn a_frame_of_any_length_is_read() {
    let text = "y".repeat(300 << 10);
    let usage = r#""usage":{"inputTokens":4,"outputTokens":6,"totalTokens":10}"#;
    let frames = [
        frame("contentBlockDelta", &format!(r#"{{"delta":{{"text":"{text}"}}}}"#)),
        frame("metadata", &format!(r#"{{"trace":"{text}",{usage}}}"#)),
    ];
    let url = format!("{BEDROCK}/m/converse-stream");
    let call = Call::new(&url, "{}", "application/vnd.amazon.eventstream", frames.concat());
    let span = call.counts("in=4 out=6 read=- write=- think=- total=10");
    assert_eq!(span.stream.output_chunks, 1);

    let chunk = |document: &str| {
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::STANDARD.encode(document);
        frame("chunk", &format!(r#"{{"bytes":"{encoded}","p":"abcd"}}"#))
    };
    let start =
        r#"{"type":"message_start","message":{"id":"a","usage":{"input_tokens":4,"output_tokens":1}}}"#;
    let delta = format!(
        r#"{{"type":"message_delta","x":"{text}","delta":{{"stop_reason":"end_turn"}},"usage":{{"output_tokens":6}}}}"#
    );
    let stop = r#"{"type":"message_stop"}"#;
    let url = format!("{BEDROCK}/anthropic.claude/invoke-with-response-stream");
    let body = [chunk(start), chunk(&delta), chunk(stop)].concat();
    let mut call = Call::new(&url, "{}", "application/vnd.amazon.eventstream", body);
    call.counts("in=4 out=6 read=- write=- think=- total=-");

    let end = call.response.len() - chunk(stop).len();
    call.response[end - 1] ^= 1;
    let span = call.no_counts("checksum");
    let facts = &span.facts;
    assert_eq!((&facts.response_id, &facts.raw_usage, facts.finish_reasons.len()), (&None, &None, 0));
    assert_eq!((span.error_type, span.http.response_unread), (None, Some(Unread::Checksum)));

    // Where it never ends, what it said is true, and not final.
    call.response.truncate(end - 1);
    let span = call.whole();
    assert_eq!(counts(&span), "in=4 out=6 read=- write=- think=- total=-");
    assert_eq!(span.usage_source, UsageSource::ProviderPartial);
    assert_eq!(span.http.response_unread, Some(Unread::Truncated));
}

#[test]
fn embeddings_of_40_megabytes_are_read_for_what_they_took() {
    let floats = "0.0123456789,".repeat((40 << 20) / 13);
    let base64 = "A".repeat(40 << 20);
    for vector in [format!("[{floats}0]"), format!("\"{base64}\"")] {
        let answer = format!(
            r#"{{"object":"list","data":[{{"index":0,"embedding":{vector}}}],"model":"e","usage":{{"prompt_tokens":8,"total_tokens":8}}}}"#
        );
        let call = Call::json("api.openai.com/v1/embeddings", r#"{"model":"e"}"#, &answer);
        for size in [usize::MAX, 16_384] {
            let span = call.play(size);
            assert_eq!(counts(&span), "in=8 out=- read=- write=- think=- total=8");
            assert_eq!((span.http.response_unread, span.facts.truncated), (None, 0));
        }
    }
}

// Cost: what is counted twice is paid twice.

/// BerriAI/litellm#9812 (0.0913 for 0.0544 dollars), #5443, #6575, #31282
#[test]
fn anthropic_cache_tokens_are_part_of_the_input_once() {
    let usage = r#"{"input_tokens":3,"cache_creation_input_tokens":12304,"cache_read_input_tokens":0,"output_tokens":550}"#;
    Call::json(MESSAGES, "{}", &format!(r#"{{"id":"msg","content":[],"usage":{usage}}}"#))
        .counts("in=12307 out=550 read=0 write=12304 think=- total=-");
    messages(MESSAGES, usage, usage).counts("in=12307 out=550 read=0 write=12304 think=- total=-");
}

/// BerriAI/litellm#11364, #40006, #40016: a gateway that speaks OpenAI's wire and repeats Anthropic's counts has
/// them in its prompt tokens already.
#[test]
fn cache_tokens_beside_prompt_tokens_are_not_added_again() {
    let usage = r#"{"total_tokens":103925,"prompt_tokens":98805,"completion_tokens":5120,"prompt_tokens_details":{"text_tokens":null,"cached_tokens":66360,"cache_creation_tokens":32435},"cache_read_input_tokens":66360,"cache_creation_input_tokens":32435,"completion_tokens_details":{"reasoning_tokens":1710}}"#;
    Call::json(
        "litellm.models:4000/chat/completions",
        "{}",
        &format!(r#"{{"id":"c","choices":[],"usage":{usage}}}"#),
    )
    .counts("in=98805 out=5120 read=66360 write=32435 think=1710 total=103925");
}

/// BerriAI/litellm#14849 (0.764 for 0.185 dollars)
#[test]
fn gemini_cached_tokens_are_a_part_of_the_prompt() {
    let usage = r#"{"promptTokenCount":262960,"cachedContentTokenCount":257955,"candidatesTokenCount":1744,"totalTokenCount":264704}"#;
    Call::json(
        "generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent",
        "{}",
        &format!(r#"{{"usageMetadata":{usage}}}"#),
    )
    .counts("in=262960 out=1744 read=257955 write=- think=- total=264704");
    let usage = r#"{"total_tokens":264704,"prompt_tokens":262960,"completion_tokens":1744,"prompt_tokens_details":{"text_tokens":262960,"cached_tokens":257955},"completion_tokens_details":{"reasoning_tokens":0}}"#;
    Call::json(CHAT, "{}", &format!(r#"{{"id":"c","choices":[],"usage":{usage}}}"#))
        .counts("in=262960 out=1744 read=257955 write=- think=0 total=264704");
}

// Each provider's own stream.

#[test]
fn anthropic_thinking_signatures_tools_and_server_tools() {
    let block = |index: u8, block: &str| {
        format!(
            "event: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":{index},\"content_block\":{block}}}"
        )
    };
    let delta = |delta: &str| {
        format!("event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"delta\":{delta}}}")
    };
    let events = [
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg\",\"model\":\"claude\",\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}".to_owned(),
        "event: ping\ndata: {\"type\": \"ping\"}".to_owned(),
        block(0, r#"{"type":"thinking","thinking":"","signature":""}"#),
        delta(r#"{"type":"thinking_delta","thinking":"hm"}"#),
        delta(r#"{"type":"signature_delta","signature":"c2ln"}"#),
        block(1, r#"{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}"#),
        delta(r#"{"type":"input_json_delta","partial_json":"{\"query\":"}"#),
        block(2, r#"{"type":"tool_use","id":"toolu_1","name":"f","input":{}}"#),
        delta(r#"{"type":"input_json_delta","partial_json":"{\"a\":\"é\"}"}"#),
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":20,\"server_tool_use\":{\"web_search_requests\":1}}}".to_owned(),
        "event: message_stop\ndata: {\"type\":\"message_stop\"}".to_owned(),
    ];
    let events: Vec<_> = events.iter().map(String::as_str).collect();
    let span = Call::sse(MESSAGES, STREAM, &events).counts("in=3 out=20 read=- write=- think=- total=-");
    assert_eq!(span.facts.tool_calls, ["f"]);
    // Thought, two pieces of arguments, and the beginnings of two tool calls; a signature is no output.
    assert_eq!(span.stream.output_chunks, 5);
    assert!(span.facts.raw_usage.is_some_and(|raw| raw.contains("web_search_requests")));
}

#[test]
fn an_error_event_in_the_middle_keeps_what_was_counted() {
    let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg\",\"model\":\"claude\",\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}";
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}";
    let span = Call::sse(MESSAGES, STREAM, &[start, error]).span();
    assert_eq!(counts(&span), "in=25 out=1 read=- write=- think=- total=-");
    assert_eq!(span.error_type, Some(ErrorType::Other));
    assert_eq!(span.facts.error_type.as_deref(), Some("overloaded_error"));
    assert_eq!(span.usage_source, UsageSource::ProviderPartial);
}

#[test]
fn gemini_tool_use_prompt_tokens_are_input() {
    Call::json(
        "generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent",
        "{}",
        r#"{"usageMetadata":{"promptTokenCount":10,"toolUsePromptTokenCount":90,"candidatesTokenCount":5,"totalTokenCount":105}}"#,
    )
    .counts("in=100 out=5 read=- write=- think=- total=105");
}

#[test]
fn gemini_usage_on_each_chunk_is_taken_from_the_last_also_in_a_json_array() {
    let chunk = |output: u64, finish: &str| {
        format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"text":"é"}}]}}{finish}}}],"usageMetadata":{{"promptTokenCount":4,"candidatesTokenCount":{output},"totalTokenCount":{}}}}}"#,
            4 + output
        )
    };
    let chunks = [chunk(1, ""), chunk(5, ""), chunk(9, r#","finishReason":"STOP""#)];
    let host = "generativelanguage.googleapis.com/v1beta/models/g:streamGenerateContent";
    let expected = "in=4 out=9 read=- write=- think=- total=13";
    let array = Call::json(host, "{}", &format!("[{}\n]", chunks.join(",\r\n"))).counts(expected);
    assert_eq!(array.stream.output_chunks, 3);
    let events = chunks.map(|chunk| format!("data: {chunk}\r\n\r\n")).concat();
    let url = format!("{host}?alt=sse");
    let events = Call::new(&url, "{}", "text/event-stream", events).counts(expected);
    assert_eq!(events.stream.output_chunks, 3);
}

#[test]
fn bedrock_metrics_count_where_a_chunk_has_no_usage() {
    use base64::Engine as _;
    let chunk = |json: &str| {
        let inner = base64::engine::general_purpose::STANDARD.encode(json);
        frame("chunk", &format!(r#"{{"bytes":"{inner}"}}"#))
    };
    let metrics = r#""amazon-bedrock-invocationMetrics":{"inputTokenCount":9,"outputTokenCount":4,"invocationLatency":1}"#;
    let stream = |model: &str, chunks: &[&str], expected: &str| {
        let url = format!("{BEDROCK}/{model}/invoke-with-response-stream");
        let body: Vec<u8> = chunks.iter().flat_map(|json| chunk(json)).collect();
        Call::new(&url, "{}", "application/vnd.amazon.eventstream", body).counts(expected);
    };
    let expected = "in=9 out=4 read=- write=- think=- total=-";
    stream(
        "meta.llama3-8b-instruct-v1:0",
        &[r#"{"generation":"a"}"#, &format!(r#"{{"generation":"","stop_reason":"stop",{metrics}}}"#)],
        expected,
    );
    stream(
        "openai.gpt-oss-20b-1:0",
        &[&format!(
            r#"{{"id":"c","choices":[{{"index":0,"delta":{{"content":"a"}},"finish_reason":"stop"}}],{metrics}}}"#
        )],
        expected,
    );
    // The body's own usage wins over the metrics, whose input leaves out the cache.
    stream(
        "anthropic.claude-sonnet-4",
        &[
            r#"{"type":"message_start","message":{"usage":{"input_tokens":9,"cache_read_input_tokens":100,"output_tokens":1}}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":4}}"#,
            &format!(r#"{{"type":"message_stop",{metrics}}}"#),
        ],
        "in=109 out=4 read=100 write=- think=- total=-",
    );
}

#[test]
fn bedrock_exception_frames_are_errors() {
    let exception = |payload: &str| {
        let mut plain = frame("throttlingException", payload);
        // The same header under the name that exceptions have.
        let at = plain.windows(11).position(|name| name == b":event-type").unwrap();
        let total = plain.len() + 4;
        plain.splice(at - 1..at + 11, [&[15][..], b":exception-type"].concat());
        plain[..4].copy_from_slice(&u32::try_from(total).unwrap().to_be_bytes());
        let head = u32::from_be_bytes(plain[4..8].try_into().unwrap()) + 4;
        plain[4..8].copy_from_slice(&head.to_be_bytes());
        let sum = |bytes: &[u8]| crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(bytes).to_be_bytes();
        let prelude = sum(&plain[..8]);
        plain[8..12].copy_from_slice(&prelude);
        let end = plain.len() - 4;
        let whole = sum(&plain[..end]);
        plain[end..].copy_from_slice(&whole);
        plain
    };
    let frames = [
        frame("contentBlockDelta", r#"{"delta":{"text":"a"}}"#),
        exception(r#"{"message":"Too many tokens"}"#),
    ];
    let url = format!("{BEDROCK}/m/converse-stream");
    let span = Call::new(&url, "{}", "application/vnd.amazon.eventstream", frames.concat()).span();
    assert_eq!(span.facts.error_type.as_deref(), Some("throttlingException"));
    assert!(span.error_type.is_some());
    assert_eq!(span.usage_absent_reason, Some("error_response"));
}

#[test]
fn bedrock_prelude_and_checksum_errors_are_counted() {
    let whole = frame("metadata", r#"{"usage":{"inputTokens":4,"outputTokens":6,"totalTokens":10}}"#);
    let url = format!("{BEDROCK}/m/converse-stream");
    for (at, reason) in [(5, Unread::Checksum), (whole.len() - 1, Unread::Checksum), (1, Unread::Checksum)] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        let call = Call::new(&url, "{}", "application/vnd.amazon.eventstream", damaged);
        let span = call.whole();
        assert_eq!(span.http.response_unread, Some(reason), "{at}");
        assert_eq!(span.usage, Usage::default(), "a frame whose checksum is wrong says nothing");
    }
}

#[test]
fn ollama_counts_come_on_the_last_line() {
    let lines = "{\"model\":\"l\",\"response\":\"é\",\"done\":false}\n{\"model\":\"l\",\"response\":\"\",\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":26,\"eval_count\":298}\n";
    Call::new("ollama.models:11434/api/generate", r#"{"model":"l"}"#, "application/x-ndjson", lines)
        .counts("in=26 out=298 read=- write=- think=- total=-");
}

#[test]
fn cohere_billed_units_win_over_tokens() {
    let meta = r#"{"billed_units":{"input_tokens":2,"output_tokens":1},"tokens":{"input_tokens":68,"output_tokens":3}}"#;
    let expected = "in=2 out=1 read=- write=- think=- total=-";
    Call::json("api.cohere.com/v1/chat", "{}", &format!(r#"{{"text":"a","meta":{meta}}}"#)).counts(expected);
    Call::json("api.cohere.com/v2/chat", "{}", &format!(r#"{{"id":"c","usage":{meta}}}"#)).counts(expected);
    // Tokens count where nothing is billed apart.
    Call::json(
        "api.cohere.com/v2/chat",
        "{}",
        r#"{"id":"c","usage":{"tokens":{"input_tokens":68,"output_tokens":3}}}"#,
    )
    .counts("in=68 out=3 read=- write=- think=- total=-");
}

#[test]
fn groq_usage_below_x_groq_is_read() {
    let last = r#"data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"req","usage":{"queue_time":0.1,"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}}"#;
    Call::sse("api.groq.com/openai/v1/chat/completions", STREAM, &[DELTA, last, DONE])
        .counts("in=1 out=2 read=- write=- think=- total=3");
}

// How a call ends.

#[test]
fn a_client_that_cancels_at_any_stage() {
    let stages = |call: Call<'static>, events: usize| {
        let body = String::from_utf8(call.response.clone()).unwrap();
        let kept: String = body.split_inclusive("\n\n").take(events).collect();
        Call { response: kept.into(), ended: "downstream_remote_disconnect", ..call }
    };
    let stream = || chat(&[DELTA, STOP, USAGE, DONE]);

    let mut before = stages(stream(), 0);
    before.status = None;
    let span = before.no_counts("no_response");
    assert_eq!((span.ending, span.error_type), (End::ClientCancelled, Some(ErrorType::Cancelled)));

    for events in [0, 1, 2] {
        let span = stages(stream(), events).no_counts("cut_off");
        assert_eq!((span.ending, span.http.response_unread), (End::ClientCancelled, None), "{events}");
    }
    let span = stages(stream(), 3).whole();
    assert_eq!((counts(&span).as_str(), span.usage_source), (COUNTED, UsageSource::ProviderPartial));
    let span = stages(stream(), 4).whole();
    assert_eq!((span.ending, span.usage_source), (End::Complete, UsageSource::Provider));

    // Anthropic says the input at once: it is certain, the rest is not.
    let call = messages(MESSAGES, r#"{"input_tokens":15,"output_tokens":1}"#, r#"{"output_tokens":7}"#);
    let span = stages(call, 2).whole();
    assert_eq!(counts(&span), "in=15 out=1 read=- write=- think=- total=-");
    assert_eq!(span.usage_source, UsageSource::ProviderPartial);
}

#[test]
fn errors_in_json_are_errors_and_have_no_counts() {
    let error = |url: &str, status: &'static str, body: &str, kind: &str| {
        let mut call = Call::json(url, STREAM, body);
        call.status = Some(status);
        let span = call.no_counts("error_response");
        assert_eq!(span.error_type, Some(ErrorType::Status(status.parse().unwrap())));
        let facts = &span.facts;
        assert_eq!(facts.error_type.as_deref().or(facts.error_status.as_deref()), Some(kind), "{url}");
    };
    error(CHAT, "429", r#"{"error":{"message":"x","type":"tokens","code":"rate_limit_exceeded"}}"#, "tokens");
    error(CHAT, "500", r#"{"error":{"message":"x","type":"server_error"}}"#, "server_error");
    error(MESSAGES, "529", r#"{"type":"error","error":{"type":"overloaded_error"}}"#, "overloaded_error");
    let gemini = "generativelanguage.googleapis.com/v1beta/models/g:streamGenerateContent";
    error(gemini, "503", r#"[{"error":{"code":503,"status":"UNAVAILABLE"}}]"#, "UNAVAILABLE");
}
