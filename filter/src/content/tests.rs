//! One exchange of each API through everything but the host, whole and byte by byte, and what its content became.

mod bounds;
mod shapes;

use crate::config::{Config, ContentMode, Detect, SampleRate};
use crate::content::Content;
use crate::ending::StreamLog;
use crate::exchange::Exchange;
use crate::fingerprint::Key;
use crate::rules::{Place, Rule};
use crate::span::{EnvoyFacts, Kind, Span};
use crate::testing::headers;

#[derive(Clone)]
struct Call<'a> {
    url: &'a str,
    request: Vec<u8>,
    status: &'a str,
    content_type: &'a str,
    response: Vec<u8>,
    ended: &'a str,
    config: Config,
}

impl<'a> Call<'a> {
    fn new(url: &'a str, request: &str, content_type: &'a str, response: impl Into<Vec<u8>>) -> Self {
        let mut config = Config { detect: Detect::Heuristic, ..Config::default() };
        config.content.mode = ContentMode::Full;
        config.api_key.fingerprint_key = Some(Key::from_text("a key"));
        Self {
            url,
            request: request.into(),
            status: "200",
            content_type,
            response: response.into(),
            ended: "via_upstream",
            config,
        }
    }

    fn json(url: &'a str, request: &str, response: &str) -> Self {
        Self::new(url, request, "application/json", response)
    }

    fn sse(url: &'a str, request: &str, events: &[&str]) -> Self {
        let body = events.iter().flat_map(|event| ["data: ", event, "\n\n"]).collect::<String>();
        Self::new(url, request, "text/event-stream", body)
    }

    fn lines(url: &'a str, request: &str, lines: &[&str]) -> Self {
        Self::new(url, request, "application/x-ndjson", lines.join("\n"))
    }

    fn mode(mut self, mode: ContentMode) -> Self {
        self.config.content.mode = mode;
        self
    }

    fn bounds(mut self, max_message_bytes: usize, max_span_bytes: usize) -> Self {
        self.config.content.max_message_bytes = max_message_bytes;
        self.config.content.max_span_bytes = max_span_bytes;
        self
    }

    fn play(&self, size: usize) -> Span {
        let (authority, path) = self.url.split_at(self.url.find('/').unwrap());
        let request = headers(&[
            (":method", "POST"),
            (":authority", authority),
            (":path", path),
            ("content-type", "application/json"),
        ]);
        let detected = Exchange::detect(&self.config, &request).expect(self.url);
        let mut exchange = Exchange::start(detected, &self.config, &request, Kind::Client, 1, &mut || 7);
        for chunk in self.request.chunks(size) {
            exchange.request_body(chunk);
        }
        exchange
            .response_headers(&headers(&[(":status", self.status), ("content-type", self.content_type)]), 2);
        for chunk in self.response.chunks(size) {
            exchange.response_body(chunk, 3);
        }
        let log = StreamLog { code_details: self.ended.into(), ..StreamLog::default() };
        exchange.finish(log, EnvoyFacts::default(), 4)
    }

    /// Whole and byte by byte, which must agree; and like the same without content, but for it.
    fn span(&self) -> Span {
        let whole = self.play(usize::MAX);
        let mut bytes = self.play(1);
        bytes.stream.clone_from(&whole.stream);
        assert_eq!(whole, bytes, "{}", self.url);
        let without = self.clone().mode(ContentMode::Off).play(usize::MAX);
        assert_eq!(without, Span { content: None, ..whole.clone() }, "{}", self.url);
        whole
    }

    fn content(&self) -> Content {
        self.span().content.expect(self.url)
    }

    /// Its parts one a line, those that are absent left out.
    fn check(&self, expected: &str) {
        assert_eq!(shown(&self.content()), expected.trim(), "{}", self.url);
    }
}

fn shown(content: &Content) -> String {
    let parts = [
        ("system", &content.system_instructions),
        ("input", &content.input_messages),
        ("output", &content.output_messages),
        ("tools", &content.tool_definitions),
    ];
    let mut lines = Vec::new();
    for (name, json) in parts {
        let Some(json) = json else { continue };
        let valid = serde_json::from_str::<serde_json::Value>(json);
        assert!(valid.is_ok(), "{name} is JSON: {json}");
        lines.push(format!("{name} {json}"));
    }
    if content.truncated {
        lines.push(format!("truncated, {} messages dropped", content.dropped_messages));
    }
    lines.join("\n")
}

const CHAT: &str = "api.openai.com/v1/chat/completions";

/// A call with one message and one answer.
fn chat(question: &str, answer: &str) -> Call<'static> {
    let question = serde_json::to_string(question).unwrap();
    let answer = serde_json::to_string(answer).unwrap();
    Call::json(
        CHAT,
        &format!(r#"{{"model":"m","messages":[{{"role":"user","content":{question}}}]}}"#),
        &format!(
            r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":{answer}}},"finish_reason":"stop"}}]}}"#
        ),
    )
}

#[test]
fn a_number_that_no_double_holds_is_a_text() {
    let called = |arguments: &str| {
        let answer = serde_json::json!({"choices": [{"index": 0, "message": {"tool_calls": [
            {"id": "c", "function": {"name": "f", "arguments": arguments}}
        ]}}]});
        shown(&Call::json(CHAT, r#"{"model":"m"}"#, &answer.to_string()).mode(ContentMode::Full).content())
    };
    for number in ["3".repeat(400), "1e999".to_owned(), format!("1.{}", "0".repeat(80))] {
        assert!(called(&number).contains(&format!(r#""arguments":"{number}""#)), "{number}");
    }
    for number in ["333", "-1.5e-10", "12345678901234567890"] {
        assert!(called(number).contains(&format!(r#""arguments":{number}"#)), "{number}");
    }
}

#[test]
fn a_rule_says_it_for_its_place() {
    let at = |host: &str, default, content| {
        let mut call = chat("question", "answer").mode(default);
        let place = Place { host: host.to_owned(), path: "*".to_owned() };
        call.config.rules.rules = vec![Rule { place, detect: None, content, provider: None }];
        call.play(100).content.is_some()
    };
    assert!(at("api.openai.com", ContentMode::Off, Some(ContentMode::Full)));
    assert!(!at("api.openai.com", ContentMode::Full, Some(ContentMode::Off)));
    assert!(at("api.openai.com", ContentMode::Full, None));
    assert!(!at("api.anthropic.com", ContentMode::Off, Some(ContentMode::Full)), "another place");
}

#[test]
fn off_is_the_default() {
    assert_eq!(Config::default().content.mode, ContentMode::Off);
    assert_eq!(chat("a", "b").mode(ContentMode::Off).play(100).content, None);
}

#[test]
fn fingerprints_tell_what_is_equal_and_nothing_else() {
    let of = |question: &str| {
        let content = chat(question, "the answer").mode(ContentMode::Fingerprint).content();
        assert_eq!(content.mode, "fingerprint");
        shown(&content)
    };
    let key = Key::from_text("a key");
    let (question, answer) = (key.text_fingerprint("the question"), key.text_fingerprint("the answer"));
    let expected = format!(
        r#"input [{{"role":"user","parts":[{{"type":"text","content":"{question}:12"}}]}}]
output [{{"role":"assistant","parts":[{{"type":"text","content":"{answer}:10"}}],"finish_reason":"stop"}}]"#
    );
    assert_eq!(of("the question"), expected);
    assert_ne!(of("the question."), expected);
}

#[test]
fn no_text_leaves_in_fingerprint_mode() {
    let call = Call::json(
        "api.anthropic.com/v1/messages",
        r#"{"system":"SECRET one","tools":[{"name":"SECRET two"}],"messages":[{"role":"SECRET three","content":[
            {"type":"tool_use","id":"SECRET four","name":"SECRET five","input":{"SECRET six":"SECRET seven"}},
            {"type":"image","source":{"type":"url","url":"https://SECRET/eight"}},
            {"type":"SECRET nine"},
            {"type":"document","source":{"media_type":"SECRET ten","data":"SECRET eleven"}},
            {"type":"tool_result","tool_use_id":"x","content":"SECRET twelve"}]}]}"#,
        r#"{"content":[{"type":"text","text":"SECRET thirteen"},{"type":"thinking","thinking":"SECRET"}],
            "stop_reason":"SECRET stop"}"#,
    );
    assert!(shown(&call.content()).contains("SECRET seven"));
    let content = call.mode(ContentMode::Fingerprint).content();
    let shown = shown(&content);
    assert!(!shown.contains("SECRET"), "{shown}");
    assert!(shown.contains("siphash-128:"));
}

#[test]
fn what_is_sensitive_stays_in_the_pod() {
    let call = Call::sse(
        CHAT,
        r#"{"messages":[{"role":"system","content":"Mail ann@example.com"},{"role":"user","name":"x","content":[
            {"type":"text","text":"my card is 4111\u00201111 1111 1111"},
            {"type":"image_url","image_url":{"url":"https://ann:hunter2@example.com/a.png"}}]},
            {"role":"tool","tool_call_id":"call_1","content":"{\"password\": \"hunter2\"}"}]}"#,
        &[
            // Cut wherever the deltas of a model are.
            r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"write to ann@exa"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"mple.c"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"om, +1 415 55"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"5 2671"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_2","function":{"name":"login","arguments":"{\"pass"}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"word\":\"hun"}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"ter2\"}"}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
        ],
    )
    .mode(ContentMode::Redacted);
    call.check(
        r#"input [{"role":"system","parts":[{"type":"text","content":"Mail [REDACTED:email]"}]},{"role":"user","parts":[{"type":"text","content":"my card is [REDACTED:credit_card]"},{"type":"uri","modality":"image","uri":"https://ann:[REDACTED:api_key]@example.com/a.png"}]},{"role":"tool","parts":[{"type":"tool_call_response","id":"call_1","response":"{\"password\": \"[REDACTED:api_key]\"}"}]}]
output [{"role":"assistant","parts":[{"type":"text","content":"write to [REDACTED:email], [REDACTED:phone]"},{"type":"tool_call","id":"call_2","name":"login","arguments":{"password":"[REDACTED:api_key]"}}],"finish_reason":"tool_calls"}]"#,
    );
    let content = call.content();
    assert_eq!(content.mode, "redacted");
    let found: Vec<_> = content.redactions.iter().map(|(kind, count)| (kind.name(), count)).collect();
    assert_eq!(found, [("email", 2), ("phone", 1), ("credit_card", 1), ("api_key", 3)]);
}

#[test]
fn a_cut_leaves_no_beginning_of_a_secret() {
    let question = format!("{} ann@example.com", "q ".repeat(130));
    for bound in 256..420 {
        let content = chat(&question, "answer").mode(ContentMode::Redacted).bounds(bound, 2_048).content();
        let input = content.input_messages.unwrap_or_default();
        assert!(!input.contains("ann@") && !input.contains("example"), "{input}");
    }
}

/// By itself, or because the model may say no more.
#[test]
fn an_answer_that_broke_off_ends_in_no_beginning_of_a_secret() {
    let said = |delta: &str, reason: &str, ended: &'static str| {
        let delta = format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#);
        let reason = format!(r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}]}}"#);
        let all = [delta.as_str(), reason.as_str(), "[DONE]"];
        let events = if ended == "via_upstream" { &all[..] } else { &all[..1] };
        let mut call = Call::sse(CHAT, r#"{"messages":[]}"#, events).mode(ContentMode::Redacted);
        call.ended = ended;
        call.content().output_messages.unwrap_or_default()
    };
    let card = r#"{"content":"Your card is 4111 1111 1111 11"}"#;
    let call =
        r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"mail\":\"ann@exam"}}]}"#;
    for (reason, ended) in
        [("", "downstream_remote_disconnect"), ("length", "via_upstream"), ("content_filter", "via_upstream")]
    {
        let seen = said(card, reason, ended);
        assert!(seen.contains("is [REDACTED:credit_card]"), "{reason} {seen}");
        let seen = said(call, reason, ended);
        assert!(seen.contains(r#"mail\":\"[REDACTED:email]"#), "{reason} {seen}");
    }
    for reason in [
        "SAFETY",
        "SPII",
        "refusal",
        "guardrail_intervened",
        "ERROR_TOXIC",
        "abort",
        "incomplete",
        "10",
        "new",
    ] {
        let seen = said(card, reason, "via_upstream");
        assert!(seen.contains("is [REDACTED:credit_card]"), "{reason} {seen}");
    }
    for reason in [
        "1",
        "word",
        "stop",
        "STOP",
        "end_turn",
        "stop_sequence",
        "COMPLETE",
        "eos_token",
        "tool_calls",
        "function_call",
    ] {
        let seen = said(card, reason, "via_upstream");
        assert!(seen.contains("4111 1111 1111 11"), "that is all there is: {reason} {seen}");
    }
    // vLLM says that all is done behind an error, too.
    let part = format!(r#"{{"choices":[{{"index":0,"delta":{card}}}]}}"#);
    let error = r#"{"error":{"message":"x","type":"InternalServerError","code":500}}"#;
    let failed = Call::sse(CHAT, "{}", &[&part, error, "[DONE]"]).mode(ContentMode::Redacted);
    let seen = failed.content().output_messages.unwrap();
    assert!(seen.contains("is [REDACTED:credit_card]"), "{seen}");
    // A reason was said before that, with each event or one too early.
    let part = format!(r#"{{"choices":[{{"index":0,"delta":{card},"finish_reason":"stop"}}]}}"#);
    let gemini = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Your card is 4111 1111 1111 11"}]},"finishReason":"STOP"}]}"#;
    let stream = "generativelanguage.googleapis.com/v1beta/models/g:streamGenerateContent";
    for (url, event) in [(CHAT, part.as_str()), (stream, gemini)] {
        for ended in ["downstream_remote_disconnect", "stream_idle_timeout"] {
            let mut call = Call::sse(url, "{}", &[event]).mode(ContentMode::Redacted);
            call.ended = ended;
            let seen = call.content().output_messages.unwrap();
            assert!(seen.contains("is [REDACTED:credit_card]"), "{seen}");
        }
    }
    // More answers than reasons that are kept.
    let choices: Vec<String> = (0..300)
        .map(|index| {
            let message = card;
            format!(r#"{{"index":{index},"message":{message},"finish_reason":"length"}}"#)
        })
        .collect();
    let answer = format!(r#"{{"choices":[{}]}}"#, choices.join(","));
    let many = Call::json(CHAT, "{}", &answer).mode(ContentMode::Redacted).bounds(8_192, 262_144);
    let seen = many.content().output_messages.unwrap();
    assert!(seen.contains("is [REDACTED:credit_card]") && !seen.contains("4111"), "{seen}");
    let whole = r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"mail\":\"anonymous\"}"}}]}"#;
    assert!(said(whole, "length", "via_upstream").contains(r#"{"mail":"anonymous"}"#));
    let text = r#"{"content":"It is raining"}"#;
    assert!(said(text, "", "downstream_remote_disconnect").contains("It is \"}"), "half a word says nothing");
}

#[test]
fn a_failure_is_kept_whatever_the_rate() {
    let sampled = |rate: f64, errors: bool, failed: bool| {
        let mut call = chat("a", "b");
        call.config.content.sample_rate = SampleRate::new(rate).unwrap();
        call.config.content.errors = errors;
        if failed {
            call.status = "500";
        }
        call.play(100).content.is_some()
    };
    assert!(sampled(1.0, false, false));
    assert!(sampled(1.0, false, true));
    assert!(!sampled(0.0, true, false));
    assert!(sampled(0.0, true, true));
    assert!(!sampled(0.0, false, true));
}

#[test]
fn what_broke_off_is_content_too() {
    let mut call = Call::sse(
        CHAT,
        r#"{"messages":[{"role":"user","content":"q"}]}"#,
        &[r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"}}]}"#],
    );
    call.response.extend_from_slice(br#"data: {"choices":[{"index":0,"delta":{"content":"lo"#);
    call.ended = "downstream_remote_disconnect";
    call.check(
        r#"input [{"role":"user","parts":[{"type":"text","content":"q"}]}]
output [{"role":"assistant","parts":[{"type":"text","content":"Hel"}],"finish_reason":"error"}]"#,
    );
    // One document of which the end never came.
    let mut call = chat("q", "the answer");
    call.request.truncate(call.request.len() - 3);
    call.response.clear();
    call.ended = "downstream_remote_disconnect";
    call.check(r#"input [{"role":"user","parts":[{"type":"text","content":"q"}]}]"#);
}

#[test]
fn what_no_shape_names_has_no_content() {
    let call = Call::json("api.openai.com/v1/embeddings", r#"{"model":"m","input":"text"}"#, "{}");
    assert_eq!(call.span().content, None);
}
