mod bad_input;

use proptest::prelude::*;

use super::*;
use crate::caller::{self, LastKey};
use crate::span::Unread;
use crate::testing::headers;
use crate::usage::Usage;

const REQUEST: &str = r#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Say \"hi\" 😀"}],
    "stream":true,"stream_options":{"include_usage":true},"max_completion_tokens":64,"temperature":0.5,"top_p":0.9,
    "seed":7,"n":2,"stop":["\n","END"],"response_format":{"type":"json_schema","json_schema":{"type":"no"}}}"#;

const ANSWER: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o-mini-2024-07-18",
    "choices":[{"index":0,"message":{"role":"assistant","content":"Hi","refusal":null},"logprobs":null,
    "finish_reason":"stop"}],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,
    "prompt_tokens_details":{"cached_tokens":8,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":4}},
    "service_tier":"default","system_fingerprint":"fp_1"}"#;

fn event(json: &str) -> String {
    format!("data: {json}\n\n")
}

fn delta(content: &str) -> String {
    event(&format!(
        r#"{{"id":"chatcmpl-2","model":"gpt-4o-mini-2024-07-18","choices":[{{"index":0,"delta":{content},"finish_reason":null}}],"usage":null}}"#
    ))
}

const STOP: &str =
    r#"{"id":"chatcmpl-2","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#;
const USAGE: &str = r#"{"id":"chatcmpl-2","choices":[],"usage":{"prompt_tokens":19,"completion_tokens":2,"total_tokens":21}}"#;

/// A stream as OpenAI sends it: a role, two pieces of text, the reason, the usage, the end.
fn stream() -> String {
    [
        delta(r#"{"role":"assistant","content":""}"#),
        delta(r#"{"content":"Hé"}"#),
        delta(r#"{"content":"llo"}"#),
        event(STOP),
        event(USAGE),
        event("[DONE]"),
    ]
    .concat()
}

/// One exchange to be played: what differs from an ordinary one is set by its test.
#[derive(Clone)]
struct Scenario {
    request_headers: Vec<(&'static str, &'static str)>,
    request: Vec<u8>,
    status: Option<&'static str>,
    response_headers: Vec<(&'static str, &'static str)>,
    response: Vec<u8>,
    log: StreamLog,
    config: Config,
}

impl Scenario {
    fn new(content_type: &'static str, response: impl Into<Vec<u8>>) -> Self {
        Self {
            request_headers: vec![("content-type", "application/json")],
            request: REQUEST.into(),
            status: Some("200"),
            response_headers: vec![("content-type", content_type)],
            response: response.into(),
            log: StreamLog { code_details: "via_upstream".into(), ..StreamLog::default() },
            config: Config::default(),
        }
    }

    fn json(response: impl Into<Vec<u8>>) -> Self {
        Self::new("application/json", response)
    }

    fn sse(response: impl Into<Vec<u8>>) -> Self {
        Self::new("text/event-stream; charset=utf-8", response)
    }

    fn ended(mut self, code_details: &str, flags: u64) -> Self {
        self.log = StreamLog { code_details: code_details.into(), flags, status: None };
        self
    }

    fn play(&self, cut: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> Span {
        let mut request = vec![
            (":method", "POST"),
            (":authority", "api.openai.com"),
            (":path", "/v1/chat/completions?x=secret"),
            ("user-agent", "OpenAI/Python"),
        ];
        request.extend(&self.request_headers);
        let request = headers(&request);
        let detected = Exchange::detect(&self.config, &request).expect("an LLM call");
        let mut exchange = Exchange::start(detected, &self.config, &request, Kind::Client, 1_000, &mut || 42);
        exchange.made_by(caller::read(&self.config, &request, Kind::Client, &mut LastKey::default()));
        for chunk in cut(&self.request) {
            exchange.request_body(&chunk);
        }
        if let Some(status) = self.status {
            let mut response = vec![(":status", status)];
            response.extend(&self.response_headers);
            exchange.response_headers(&headers(&response), 2_000);
        }
        for (chunk, now) in cut(&self.response).iter().zip(3_000..) {
            exchange.response_body(chunk, now);
        }
        exchange.finish(self.log.clone(), EnvoyFacts::default(), 1_000_000)
    }

    fn whole(&self) -> Span {
        self.play(|body| vec![body.to_vec()])
    }
}

fn counts(input: u64, output: u64) -> Usage {
    Usage {
        input_tokens: Some(input),
        output_tokens: Some(output),
        total_tokens: Some(input + output),
        ..Usage::default()
    }
}

#[test]
fn no_span_holds_an_api_key() {
    let mut scenario = Scenario::json(ANSWER);
    scenario.config.api_key.fingerprint_key = Some(crate::fingerprint::Key::from_text("k"));
    for headers in [
        vec![("authorization", "Bearer s3cret-key")],
        vec![("authorization", "Basic s3cret-key"), ("x-request-id", "1")],
        vec![("authorization", "AWS4-HMAC-SHA256 Credential=s3cret-key/2025/s3, Signature=s3cret-key")],
        vec![("x-api-key", "s3cret-key"), ("api-key", "s3cret-key"), ("x-goog-api-key", "s3cret-key")],
        vec![(":path", "/v1/chat/completions?key=s3cret-key")],
    ] {
        scenario.request_headers = headers;
        let span = scenario.whole();
        assert!(span.caller.api_key_fingerprint.is_some());
        let encoded = crate::otlp::encode_span(&span);
        let bytes = crate::otlp::encode_request(&[], std::iter::once(&encoded));
        assert!(!bytes.windows(10).any(|window| window == b"s3cret-key"), "{span:?}");
        assert!(bytes.windows(12).any(|window| window == b"hmac-sha256:"));
    }
}

#[test]
fn the_user_of_a_header_comes_before_that_of_the_body() {
    let mut scenario = Scenario::json(ANSWER);
    scenario.request = br#"{"model":"gpt-4o","user":"of-the-body"}"#.to_vec();
    assert_eq!(scenario.whole().facts.user_id.as_deref(), Some("of-the-body"));
    scenario.request_headers.push(("x-user-id", "of-the-header"));
    scenario.request_headers.push(("x-tenant-id", "shop"));
    let span = scenario.whole();
    assert_eq!(span.facts.user_id.as_deref(), Some("of-the-header"));
    assert_eq!(span.caller.tenant_id.as_deref(), Some("shop"));
}

#[test]
fn a_plain_answer() {
    let span = Scenario::json(ANSWER).whole();
    let seen = &span.facts;
    assert_eq!(
        (span.operation.otel_name(), span.api, span.provider_name.as_ref()),
        ("chat", "openai.chat", "openai")
    );
    assert_eq!(seen.request_model.as_deref(), Some("gpt-4o-mini"));
    assert_eq!((seen.max_tokens, seen.seed, seen.choice_count), (Some(64), Some(7), Some(2)));
    assert_eq!((seen.temperature, seen.top_p), (Some(0.5), Some(0.9)));
    assert_eq!(seen.stop_sequences, ["\n", "END"]);
    assert_eq!(seen.output_format.as_deref(), Some("json_schema"));
    assert_eq!(seen.response_id.as_deref(), Some("chatcmpl-1"));
    assert_eq!(seen.response_model.as_deref(), Some("gpt-4o-mini-2024-07-18"));
    assert_eq!(seen.finish_reasons, [(0, "stop".to_owned())]);
    assert_eq!(seen.response_service_tier.as_deref(), Some("default"));
    let usage = Usage {
        cache_read_tokens: Some(8),
        reasoning_tokens: Some(4),
        total_tokens: Some(29),
        ..counts(19, 10)
    };
    assert_eq!((span.usage, span.usage_source), (usage, UsageSource::Provider));
    assert!(seen.raw_usage.as_deref().is_some_and(|raw| raw.starts_with(r#"{"prompt_tokens":19"#)));
    assert_eq!((span.ending, span.error_type), (End::Complete, None));
    assert_eq!((span.start, span.end), (1_000, 1_000_000));
    assert_eq!(span.stream, StreamTimes::default());
    assert_eq!(span.http.path, "/v1/chat/completions", "the query may hold secrets");
    assert_eq!(span.http.request_bytes, REQUEST.len() as u64);
    assert_eq!(span.http.response_bytes, ANSWER.len() as u64);
}

#[test]
fn a_path_has_no_credential_in_it() {
    let path = |path: &str| {
        let line = [(":method", "POST"), (":authority", "user:password@llm.example."), (":path", path)];
        let http = request_line(&headers(&line), 1_024);
        assert_eq!(http.server_address, "llm.example");
        http.path
    };
    let key = format!("sk-proj-{}", "aB3dE5gH7j".repeat(4));
    assert_eq!(path(&format!("/{key}/v1/chat/completions?x")), "/[REDACTED:api_key]/v1/chat/completions");
    // Where the bound cuts a path a key may begin.
    let long = format!("/{}/{key}/v1/chat/completions", "a".repeat(1_000));
    assert_eq!(path(&long), format!("/{}/[REDACTED:api_key]", "a".repeat(1_000)));
    let claims = "e30x".repeat(300);
    assert_eq!(path(&format!("/eyJhbGciOiJIUzI1NiJ9.{claims}.c2ln/v1/messages")), "/[REDACTED:jwt]");
    for same in [
        "/v1/chat/completions",
        "/v1beta/models/gemini-2.5-pro:streamGenerateContent",
        "/model/x-v1:0/invoke",
    ] {
        assert_eq!(path(same), same);
    }
}

#[test]
fn a_stream_with_usage() {
    let span = Scenario::sse(stream()).play(|body| body.chunks(100).map(<[u8]>::to_vec).collect());
    assert_eq!((span.usage, span.usage_source), (counts(19, 2), UsageSource::Provider));
    assert_eq!(span.facts.finish_reasons, [(0, "stop".to_owned())]);
    let times = &span.stream;
    assert_eq!(times.output_chunks, 2);
    assert!(times.first_chunk < times.first_content && times.first_content < times.last_content);
    assert!(times.gaps_nanos().is_some_and(|(mean, longest)| mean == longest && mean > 0));
    assert_eq!(span.http.response_unread, None);
}

#[test]
fn a_stream_without_usage_has_no_counts() {
    let body = stream().replace(&event(USAGE), "");
    let span = Scenario::sse(body).whole();
    assert_eq!((span.usage, span.usage_source), (Usage::default(), UsageSource::Absent));
    assert_eq!(span.usage_absent_reason, Some("not_sent"));
    assert_eq!(span.http.response_unread, None);
}

#[test]
fn usage_on_every_chunk_is_taken_from_the_last() {
    let chunk = |count: u64| {
        event(&format!(
            r#"{{"choices":[{{"index":0,"delta":{{"content":"x"}}}}],"usage":{{"prompt_tokens":5,"completion_tokens":{count},"total_tokens":{}}}}}"#,
            5 + count
        ))
    };
    let body = [chunk(1), chunk(2), chunk(3)].concat();
    let cancelled = Scenario::sse(body.clone()).ended("downstream_remote_disconnect", 16_384).whole();
    assert_eq!((cancelled.usage, cancelled.usage_source), (counts(5, 3), UsageSource::ProviderPartial));
    let whole = Scenario::sse(body + &event("[DONE]")).whole();
    assert_eq!((whole.usage, whole.usage_source), (counts(5, 3), UsageSource::Provider));
}

#[test]
fn a_usage_object_replaces_the_one_before_it() {
    let first = r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":5}}}"#;
    let body = [event(first), event(USAGE), event("[DONE]")].concat();
    assert_eq!(Scenario::sse(body).whole().usage, counts(19, 2));
}

#[test]
fn a_client_that_goes_away() {
    let half: String = stream().chars().take(300).collect();
    let span = Scenario::sse(half).ended("downstream_remote_disconnect", 16_384).whole();
    assert_eq!((span.ending, span.error_type), (End::ClientCancelled, Some(ErrorType::Cancelled)));
    assert_eq!((span.usage_source, span.usage_absent_reason), (UsageSource::Absent, Some("cut_off")));
    assert_eq!(span.http.response_unread, None, "a cut is not the fault of the bytes");
    assert_eq!(span.facts.response_id.as_deref(), Some("chatcmpl-2"));
}

#[test]
fn counts_are_final_when_the_stream_was_over_before_the_upstream_broke() {
    let span = Scenario::sse(stream())
        .ended("upstream_reset_after_response_started{protocol_error}", 8_388_608)
        .whole();
    assert_eq!((span.usage, span.usage_source), (counts(19, 2), UsageSource::Provider));
    assert_eq!(span.ending, End::UpstreamReset);
}

#[test]
fn an_sdk_that_hangs_up_at_the_end_marker_cancels_nothing() {
    let span = Scenario::sse(stream()).ended("downstream_remote_disconnect", 16_384).whole();
    assert_eq!((span.ending, span.error_type), (End::Complete, None));
    let span = Scenario::json(ANSWER).ended("downstream_remote_disconnect", 16_384).whole();
    assert_eq!((span.ending, span.error_type), (End::Complete, None));
}

#[test]
fn no_answer_at_all() {
    let mut scenario = Scenario::json("").ended("", 16_384);
    scenario.status = None;
    scenario.response_headers.clear();
    let span = scenario.whole();
    assert_eq!((span.ending, span.http.status), (End::ClientCancelled, None));
    assert_eq!(span.usage_absent_reason, Some("no_response"));
}

#[test]
fn the_proxys_own_words_are_no_lost_answer() {
    let mut scenario =
        Scenario::new("text/plain", "upstream connect error or disconnect/reset before headers");
    scenario.status = Some("503");
    let span =
        scenario.clone().ended("upstream_reset_before_response_started{connection_termination}", 64).whole();
    assert_eq!((span.http.response_unread, span.usage_absent_reason), (None, Some("error_response")));
    let span = scenario.whole();
    assert_eq!(span.http.response_unread, Some(Unread::Malformed), "the provider's words are");
}

#[test]
fn what_follows_an_upgrade_is_no_body() {
    let mut scenario = Scenario::json(ANSWER);
    scenario.status = Some("101");
    let details =
        ["downstream_remote_disconnect", "upstream_reset_after_response_started{connection_termination}"];
    for details in details {
        let span = scenario.clone().ended(details, 0).whole();
        assert_eq!((span.ending, span.error_type), (End::Complete, None), "{details}");
        assert_eq!((span.usage, span.facts.response_id), (Usage::default(), None));
        assert_eq!((span.http.request_unread, span.http.response_unread), (None, None));
    }
}

#[test]
fn errors_of_the_provider() {
    let mut scenario = Scenario::json(
        r#"{"error":{"message":"slow down","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"}}"#,
    );
    scenario.status = Some("429");
    let span = scenario.whole();
    assert_eq!(span.error_type, Some(ErrorType::Status(429)));
    assert_eq!(span.facts.error_code.as_deref(), Some("rate_limit_exceeded"));
    assert_eq!(span.usage_absent_reason, Some("error_response"));
}

#[test]
fn an_error_inside_a_stream_that_began_well() {
    let failure = r#"{"error":{"message":"x","type":"server_error","code":null}}"#;
    let span = Scenario::sse(delta(r#"{"content":"a"}"#) + &event(failure)).whole();
    assert_eq!((span.http.status, span.error_type), (Some(200), Some(ErrorType::Internal)));
    assert_eq!(span.http.response_unread, None);
}

/// Where the client has not seen the answer yet that the filter saw.
#[test]
fn the_status_of_a_timeout_is_that_which_the_client_got() {
    for details in
        ["stream_idle_timeout", "max_duration_timeout", "ext_proc_error_per-message_timeout_exceeded"]
    {
        let mut scenario = Scenario::json(ANSWER);
        scenario.log = StreamLog { code_details: details.into(), flags: 0, status: Some(504) };
        let span = scenario.whole();
        assert_eq!(span.http.status, Some(504), "{details} {:?}", span.ending);
    }
}

#[test]
fn tool_calls_are_output() {
    let call = r#"{"tool_calls":[{"index":0,"id":"call_1","function":{"name":"f","arguments":""}}]}"#;
    let span = Scenario::sse(delta(call) + &event("[DONE]")).whole();
    assert_eq!(span.stream.output_chunks, 1);
    assert!(span.stream.first_content.is_some());
}

#[test]
fn bodies_that_cannot_be_read() {
    let unread = |scenario: &Scenario| scenario.whole().http.response_unread;
    assert_eq!(unread(&Scenario::json("{\"id\":\"x\",")), Some(Unread::Truncated));
    assert_eq!(unread(&Scenario::json("{\"id\":\"x\"]")), Some(Unread::Malformed));
    assert_eq!(unread(&Scenario::json("<html>")), Some(Unread::Malformed));
    assert_eq!(unread(&Scenario::new("text/html", "<html>")), Some(Unread::ContentType));
    assert_eq!(unread(&Scenario::new("text/html", ANSWER)), None, "JSON whatever it is called");
    assert_eq!(unread(&Scenario::sse(event("{") + &stream())), Some(Unread::Malformed));
    assert_eq!(unread(&Scenario::sse(delta(r#"{"content":"a"}"#))), Some(Unread::Truncated));
    assert_eq!(unread(&Scenario::sse("data: {\"id\":\"x")), Some(Unread::Truncated));
    assert_eq!(unread(&Scenario::json("")), None, "an empty body says nothing");

    let mut unknown = Scenario::json(ANSWER);
    unknown.response_headers.push(("content-encoding", "compress"));
    let span = unknown.whole();
    assert_eq!(span.http.response_unread, Some(Unread::ContentEncoding));
    assert_eq!(span.usage_absent_reason, Some("content_encoding"));
    assert_eq!(span.http.response_bytes, ANSWER.len() as u64);
}

#[test]
fn compressed_answers_are_read() {
    use std::io::Write as _;
    for body in [ANSWER.to_owned(), stream()] {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(body.as_bytes()).unwrap();
        let mut scenario = Scenario::json(encoder.finish().unwrap());
        scenario.response_headers.push(("content-encoding", "gzip"));
        for size in [1, 7, 10_000] {
            let span = scenario.play(|body| body.chunks(size).map(<[u8]>::to_vec).collect());
            assert_eq!(span.usage.input_tokens, Some(19));
            assert_eq!(span.http.response_unread, None);
        }
        let half = scenario.response.len() / 2;
        scenario.response.truncate(half);
        assert_eq!(scenario.whole().http.response_unread, Some(Unread::Truncated));
    }
}

#[test]
fn what_was_certain_is_kept_of_a_malformed_body() {
    let span = Scenario::json(r#"{"id":"chatcmpl-1","model":"m","choices":[}"#).whole();
    assert_eq!(span.facts.response_id.as_deref(), Some("chatcmpl-1"));
    let span = Scenario::sse(delta(r#"{"content":"a"}"#) + &event("oops") + &event(USAGE)).whole();
    assert_eq!(span.usage, counts(19, 2));
    assert_eq!(span.http.response_unread, Some(Unread::Malformed));
}

#[test]
fn requests_that_cannot_be_read() {
    let mut scenario = Scenario::json(ANSWER);
    scenario.request = b"{\"model\":\"m\",".to_vec();
    assert_eq!(scenario.whole().http.request_unread, Some(Unread::Truncated));
    scenario.request = b"model=m".to_vec();
    assert_eq!(scenario.whole().http.request_unread, Some(Unread::Malformed));
    scenario.request_headers = vec![("content-type", "text/plain")];
    assert_eq!(scenario.whole().http.request_unread, Some(Unread::ContentType));
    scenario.request_headers = vec![("content-encoding", "gzip")];
    assert_eq!(scenario.whole().http.request_unread, Some(Unread::EncodingCorrupt));
    scenario.request_headers = vec![("content-encoding", "compress")];
    assert_eq!(scenario.whole().http.request_unread, Some(Unread::ContentEncoding));
    scenario.request_headers = vec![];
    scenario.request = REQUEST.into();
    assert_eq!(scenario.whole().http.request_unread, None);
}

#[test]
fn long_strings_are_cut_and_counted() {
    let mut scenario = Scenario::json(format!(r#"{{"id":"{}"}}"#, "x".repeat(10_000)));
    scenario.config.limits.max_attribute_bytes = 100;
    let span = scenario.whole();
    assert_eq!(span.facts.response_id.map(|id| id.len()), Some(100));
    assert_eq!(span.facts.truncated, 1);
}

/// The details may hold what an upstream said, names what someone configured.
#[test]
fn what_envoy_says_is_cut_between_characters() {
    let mut config = Config::default();
    config.limits.max_attribute_bytes = 100;
    let request =
        headers(&[(":method", "POST"), (":authority", "api.openai.com"), (":path", "/v1/chat/completions")]);
    let detected = Exchange::detect(&config, &request).unwrap();
    let exchange = Exchange::start(detected, &config, &request, Kind::Client, 0, &mut || 1);
    // How it ended is told by the whole of it.
    let details = format!("upstream_reset_before_response_started{{{}}}", "é".repeat(1_000));
    let envoy = EnvoyFacts {
        cluster: Some("é".repeat(1_000)),
        route: Some(format!("r{}", "é".repeat(1_000))),
        ..EnvoyFacts::default()
    };
    let log = StreamLog { code_details: details.clone(), ..StreamLog::default() };
    let span = exchange.finish(log, envoy, 4);
    assert_eq!(span.ending, End::UpstreamReset);
    assert_eq!(span.envoy.response_code_details, details.get(..99).unwrap());
    assert_eq!(span.envoy.cluster, Some("é".repeat(50)));
    assert_eq!(span.envoy.route, Some(format!("r{}", "é".repeat(49))));
    assert_eq!(span.facts.truncated, 3);
}

#[test]
fn a_retry_starts_the_answer_over() {
    let config = Config::default();
    let request =
        headers(&[(":method", "POST"), (":authority", "api.openai.com"), (":path", "/v1/chat/completions")]);
    let detected = Exchange::detect(&config, &request).unwrap();
    let mut exchange = Exchange::start(detected, &config, &request, Kind::Client, 0, &mut || 1);
    exchange.response_headers(&headers(&[(":status", "503"), ("content-type", "text/plain")]), 1);
    exchange.response_headers(&headers(&[(":status", "200"), ("content-type", "application/json")]), 2);
    exchange.response_body(ANSWER.as_bytes(), 3);
    let span = exchange.finish(
        StreamLog { code_details: "via_upstream".into(), ..StreamLog::default() },
        EnvoyFacts::default(),
        4,
    );
    assert_eq!((span.http.status, span.usage.output_tokens), (Some(200), Some(10)));
}

#[test]
fn a_clock_that_goes_backwards_does_no_harm() {
    let mut exchange = {
        let config = Config::default();
        let request = headers(&[
            (":method", "POST"),
            (":authority", "api.openai.com"),
            (":path", "/v1/chat/completions"),
        ]);
        let detected = Exchange::detect(&config, &request).unwrap();
        Exchange::start(detected, &config, &request, Kind::Client, 100, &mut || 1)
    };
    exchange.response_headers(&headers(&[(":status", "200"), ("content-type", "text/event-stream")]), 50);
    exchange.response_body(stream().as_bytes(), 60);
    let span = exchange.finish(StreamLog::default(), EnvoyFacts::default(), 10);
    assert!(span.start <= span.end);
    assert!(span.stream.first_chunk >= Some(span.start));
}

#[test]
fn decoders_of_one_vm_share_their_memory() {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(ANSWER.as_bytes()).unwrap();
    let body = encoder.finish().unwrap();
    let (half, rest) = body.split_at(body.len() / 2);
    let mut config = Config::default();
    config.limits.max_decoder_bytes = 64 << 10;
    let begin = || {
        let request = headers(&[
            (":method", "POST"),
            (":authority", "api.openai.com"),
            (":path", "/v1/chat/completions"),
        ]);
        let detected = Exchange::detect(&config, &request).unwrap();
        let mut exchange = Exchange::start(detected, &config, &request, Kind::Client, 0, &mut || 1);
        let answer = [(":status", "200"), ("content-type", "application/json"), ("content-encoding", "gzip")];
        exchange.response_headers(&headers(&answer), 1);
        exchange.response_body(half, 2);
        exchange
    };
    let end = |mut exchange: Exchange| {
        exchange.response_body(rest, 3);
        let log = StreamLog { code_details: "via_upstream".into(), ..StreamLog::default() };
        let span = exchange.finish(log, EnvoyFacts::default(), 4);
        (span.usage.input_tokens, span.http.response_unread, span.usage_absent_reason)
    };
    let (first, second) = (begin(), begin());
    assert_eq!(end(second), (None, Some(Unread::EncodingVmMemory), Some("encoding_vm_memory")));
    assert_eq!(end(first), (Some(19), None, None));
    let third = begin();
    assert_eq!(end(third), (Some(19), None, None));
    assert_eq!(crate::wire::encoding::held_bytes(), 0);
}

#[test]
fn events_that_come_late_have_no_times_even_when_their_coding_breaks() {
    // A frame for each event, then bytes that begin no frame.
    let mut body: Vec<u8> = stream()
        .split_inclusive("\n\n")
        .flat_map(|event| zstd::encode_all(event.as_bytes(), 3).unwrap())
        .collect();
    body.extend_from_slice(&[0xff; 40]);
    let mut scenario = Scenario::sse(body);
    scenario.response_headers.push(("content-encoding", "zstd"));
    for size in [1, 10_000] {
        let span = scenario.play(|body| body.chunks(size).map(<[u8]>::to_vec).collect());
        assert_eq!(span.http.response_unread, Some(Unread::EncodingCorrupt));
        assert_eq!((span.usage.input_tokens, span.stream), (Some(19), StreamTimes::default()));
    }
}

#[test]
fn white_space_at_the_start_means_nothing() {
    let mut frame = Vec::new();
    crate::fuzzing::frame(&mut frame, ":event-type", "metadata", br#"{"usage":{"inputTokens":19}}"#);
    let mut frames =
        Scenario::new("application/vnd.amazon.eventstream", [b"\r\n ", frame.as_slice()].concat());
    frames.request_headers =
        vec![(":authority", "bedrock-runtime.a.amazonaws.com"), (":path", "/model/m/converse-stream")];
    for scenario in [frames, Scenario::sse(format!(" {}", stream())), Scenario::json(format!("\n{ANSWER}"))] {
        for size in [1, 10_000] {
            let span = scenario.play(|body| body.chunks(size).map(<[u8]>::to_vec).collect());
            assert_eq!((span.usage.input_tokens, span.http.response_unread), (Some(19), None));
        }
    }
}

#[test]
fn every_text_is_bounded_wherever_it_comes_from() {
    let long = || "x".repeat(5_000);
    let mut scenario = Scenario::json(ANSWER);
    let path = format!("/openai/deployments/{}/chat/completions", long()).leak();
    scenario.request_headers = vec![(":authority", "a.openai.azure.com"), (":path", path)];
    scenario.response_headers.push(("x-amzn-errortype", long().leak()));
    scenario.request = b"{}".to_vec();
    let span = scenario.whole();
    let length = |text: Option<String>| text.map(|text| text.len());
    assert_eq!((length(span.facts.request_model), length(span.facts.error_type)), (Some(512), Some(512)));
    assert_eq!(span.facts.truncated, 2);

    let mut frame = Vec::new();
    crate::fuzzing::frame(&mut frame, ":exception-type", &"x".repeat(200), b"{}");
    let mut frames = Scenario::new("application/vnd.amazon.eventstream", frame);
    frames.config.limits.max_attribute_bytes = 64;
    assert_eq!(length(frames.whole().facts.error_type), Some(64));
}

#[test]
fn a_sum_that_no_count_can_be_is_absent() {
    let usage =
        r#"{"usage":{"input_tokens":9223372036854775807,"cache_read_input_tokens":1,"output_tokens":7}}"#;
    let mut scenario = Scenario::json(usage);
    scenario.request_headers = vec![(":authority", "api.anthropic.com"), (":path", "/v1/messages")];
    let usage = scenario.whole().usage;
    assert_eq!((usage.input_tokens, usage.cache_read_tokens, usage.output_tokens), (None, Some(1), Some(7)));
}

/// Times depend on the chunks, everything else must not.
fn without_times(mut span: Span) -> Span {
    span.stream = StreamTimes { output_chunks: span.stream.output_chunks, ..StreamTimes::default() };
    span
}

proptest! {
    /// Whatever the body and however it is cut: the same span, and never a panic.
    #[test]
    fn the_span_does_not_depend_on_the_cuts(
        sse in any::<bool>(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        keep in any::<prop::sample::Index>(),
        sizes in proptest::collection::vec(1_usize..80, 1..40),
    ) {
        let mut body = if sse { stream().into_bytes() } else { ANSWER.as_bytes().to_vec() };
        for (at, byte) in damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        body.truncate(keep.index(body.len()) + 1);
        let scenario = if sse { Scenario::sse(body) } else { Scenario::json(body) };
        let pieces = |body: &[u8]| {
            let mut rest = body;
            let mut pieces = Vec::new();
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, tail) = rest.split_at((*size).min(rest.len()));
                pieces.push(piece.to_vec());
                rest = tail;
            }
            pieces
        };
        prop_assert_eq!(without_times(scenario.whole()), without_times(scenario.play(pieces)));
    }
}
