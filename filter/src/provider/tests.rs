//! One exchange of each API, in the shape that its provider documents, through everything but the host. Its parts:
//! mistakes that others made in counting, tokens of other kinds than text, what is asked for, tool calls in pieces, where
//! streams end, and the rarer endpoints.

mod accounting;
mod bedrock;
mod certainty;
mod endpoints;
mod errors;
mod hosts;
mod modalities;
mod requests;
mod spellings;
mod streams;
mod tool_calls;

use crate::config::{Config, Detect};
use crate::ending::{End, StreamLog};
use crate::exchange::Exchange;
use crate::span::{EnvoyFacts, Kind, Span, Unread};
use crate::testing::headers;
use crate::usage::{Usage, UsageSource};

/// One call and its answer.
#[derive(Clone)]
struct Call<'a> {
    method: &'a str,
    url: &'a str,
    request_headers: Vec<(&'a str, &'a str)>,
    request: Vec<u8>,
    /// Absent when no answer came.
    status: Option<&'a str>,
    headers: Vec<(&'a str, &'a str)>,
    response: Vec<u8>,
    /// Envoy's `response.code_details`.
    ended: &'a str,
}

impl<'a> Call<'a> {
    fn new(
        url: &'a str,
        request: impl Into<Vec<u8>>,
        content_type: &'a str,
        response: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            method: "POST",
            url,
            request_headers: vec![("content-type", "application/json")],
            request: request.into(),
            status: Some("200"),
            headers: vec![("content-type", content_type)],
            response: response.into(),
            ended: "via_upstream",
        }
    }

    fn json(url: &'a str, request: &str, response: &str) -> Self {
        Self::new(url, request, "application/json", response)
    }

    fn sse(url: &'a str, request: &str, events: &[&str]) -> Self {
        let body = events.join("\n\n") + "\n\n";
        Self::new(url, request, "text/event-stream", body)
    }

    /// Of which both bodies were read to their end.
    fn span(&self) -> Span {
        let span = self.whole();
        assert_eq!(span.http.request_unread, None, "{}", self.url);
        assert_eq!(span.http.response_unread, None, "{}", self.url);
        span
    }

    /// Whole and byte by byte, which must agree.
    fn whole(&self) -> Span {
        let whole = self.play(usize::MAX);
        let mut bytes = self.play(1);
        assert_eq!(whole.stream.output_chunks, bytes.stream.output_chunks, "{}", self.url);
        bytes.stream.clone_from(&whole.stream);
        assert_eq!(whole, bytes, "{}", self.url);
        whole
    }

    /// In pieces of one size.
    fn play(&self, size: usize) -> Span {
        let config = Config { detect: Detect::Heuristic, ..Config::default() };
        let (authority, path) = self.url.split_at(self.url.find('/').unwrap());
        let mut request = vec![(":method", self.method), (":authority", authority), (":path", path)];
        request.extend(&self.request_headers);
        let request = headers(&request);
        let detected = Exchange::detect(&config, &request).expect(self.url);
        let mut exchange = Exchange::start(detected, &config, &request, Kind::Client, 1, &mut || 7);
        for chunk in self.request.chunks(size) {
            exchange.request_body(chunk);
        }
        if let Some(status) = self.status {
            let mut response = vec![(":status", status)];
            response.extend(&self.headers);
            exchange.response_headers(&headers(&response), 2);
        }
        for chunk in self.response.chunks(size) {
            exchange.response_body(chunk, 3);
        }
        let log = StreamLog { code_details: self.ended.into(), ..StreamLog::default() };
        exchange.finish(log, EnvoyFacts::default(), 4)
    }

    /// The counts alone, and that they are final.
    fn counts(&self, expected: &str) -> Span {
        let span = self.span();
        assert_eq!(counts(&span), expected, "{}", self.url);
        assert_eq!(span.usage_source, UsageSource::Provider, "{}", self.url);
        span
    }

    /// That there are none, and why.
    fn no_counts(&self, reason: &str) -> Span {
        let span = self.whole();
        assert_eq!(span.usage, Usage::default(), "{}", self.url);
        assert_eq!((span.usage_source, span.usage_absent_reason), (UsageSource::Absent, Some(reason)));
        span
    }

    /// Everything that matters, in one line.
    fn check(&self, expected: &str) {
        let span = self.span();
        let facts = &span.facts;
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
        let reasons: Vec<_> = facts.finish_reasons.iter().map(|(_, reason)| reason.as_str()).collect();
        let seen = format!(
            "{} {} {} stream={} -> {} {} [{}] calls[{}] {}",
            span.provider_name.as_ref(),
            span.operation.name(),
            text(&facts.request_model),
            facts.stream.map_or("-", |stream| if stream { "yes" } else { "no" }),
            text(&facts.response_model),
            text(&facts.response_id),
            reasons.join(","),
            facts.tool_calls.join(","),
            counts(&span),
        );
        assert_eq!(seen, expected);
    }
}

fn counts(span: &Span) -> String {
    let count = |value: Option<u64>| value.map_or_else(|| "-".into(), |count| count.to_string());
    let usage = &span.usage;
    format!(
        "in={} out={} read={} write={} think={} total={}",
        count(usage.input_tokens),
        count(usage.output_tokens),
        count(usage.cache_read_tokens),
        count(usage.cache_creation_tokens),
        count(usage.reasoning_tokens),
        count(usage.total_tokens),
    )
}

#[test]
fn openai_chat() {
    Call::json(
        "api.openai.com/v1/chat/completions",
        r#"{"model":"gpt-5","messages":[]}"#,
        r#"{"id":"chatcmpl-1","model":"gpt-5-2025","choices":[{"index":0,"finish_reason":"tool_calls","message":{"content":null,
        "tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"b","type":"custom",
        "custom":{"name":"g","input":"x"}}]}}],"usage":{"prompt_tokens":50,"completion_tokens":30,"total_tokens":80,
        "prompt_tokens_details":{"cached_tokens":40,"audio_tokens":3},"completion_tokens_details":{"reasoning_tokens":20,"audio_tokens":2}}}"#,
    )
    .check("openai chat gpt-5 stream=- -> gpt-5-2025 chatcmpl-1 [tool_calls] calls[f,g] in=50 out=30 read=40 write=- think=20 total=80");
}

#[test]
fn openai_chat_stream_with_tool_calls_in_pieces() {
    Call::sse(
        "api.openai.com/v1/chat/completions",
        r#"{"model":"gpt-5","stream":true}"#,
        &[
            r#"data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}}]}"#,
            r#"data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}}]}"#,
            r#"data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"f","arguments":""}}]}}]}"#,
            r#"data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
            r#"data: {"id":"c","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":6,"total_tokens":11}}"#,
            "data: [DONE]",
        ],
    )
    .check("openai chat gpt-5 stream=yes -> m c [tool_calls] calls[f,f] in=5 out=6 read=- write=- think=- total=11");
}

#[test]
fn openai_responses() {
    Call::sse(
        "api.openai.com/v1/responses",
        r#"{"model":"gpt-5","stream":true,"input":"hi"}"#,
        &[
            "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"model\":\"gpt-5-2025\",\"status\":\"in_progress\",\"output\":[],\"usage\":null}}",
            "event: response.output_item.added\ndata: {\"item\":{\"id\":\"fc_1\",\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"\"}}",
            "event: response.function_call_arguments.delta\ndata: {\"delta\":\"{}\"}",
            "event: response.output_item.done\ndata: {\"item\":{\"id\":\"fc_1\",\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"{}\"}}",
            "event: response.completed\ndata: {\"response\":{\"id\":\"resp_1\",\"status\":\"completed\",\"output\":[{\"type\":\"web_search_call\",\"name\":\"no\"},{\"type\":\"function_call\",\"name\":\"f\"}],\"usage\":{\"input_tokens\":40,\"input_tokens_details\":{\"cached_tokens\":8},\"output_tokens\":12,\"output_tokens_details\":{\"reasoning_tokens\":4},\"total_tokens\":52}}}",
        ],
    )
    .check("openai responses gpt-5 stream=yes -> gpt-5-2025 resp_1 [completed] calls[f] in=40 out=12 read=8 write=- think=4 total=52");
}

#[test]
fn openai_responses_that_broke_off_for_a_reason() {
    for event in ["incomplete", "failed"] {
        let last = format!(
            "event: response.{event}\ndata: {{\"response\":{{\"id\":\"r\",\"status\":\"{event}\",\"incomplete_details\":{{\"reason\":\"max_output_tokens\"}},\"usage\":{{\"input_tokens\":1,\"output_tokens\":2,\"total_tokens\":3}}}}}}"
        );
        Call::sse("api.openai.com/v1/responses", r#"{"model":"m","stream":true}"#, &[&last])
            .check("openai responses m stream=yes -> - r [max_output_tokens] calls[] in=1 out=2 read=- write=- think=- total=3");
    }
}

#[test]
fn anthropic_messages() {
    Call::json(
        "api.anthropic.com/v1/messages",
        r#"{"model":"claude-sonnet-4","max_tokens":10}"#,
        r#"{"id":"msg_1","type":"message","model":"claude-sonnet-4-20250514","content":[{"type":"text","text":"a"},
        {"type":"server_tool_use","name":"web_search"},{"type":"tool_use","name":"f","input":{"name":"no"}}],"stop_reason":"tool_use",
        "usage":{"input_tokens":10,"cache_creation_input_tokens":100,"cache_read_input_tokens":1000,"output_tokens":7}}"#,
    )
    .check("anthropic chat claude-sonnet-4 stream=- -> claude-sonnet-4-20250514 msg_1 [tool_use] calls[f] in=1110 out=7 read=1000 write=100 think=- total=-");
}

#[test]
fn anthropic_stream_whose_counts_come_in_two_events() {
    Call::sse(
        "api.anthropic.com/v1/messages",
        r#"{"model":"claude","stream":true}"#,
        &[
            r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","model":"claude-x","content":[],"usage":{"input_tokens":10,"cache_read_input_tokens":5,"output_tokens":1}}}"#,
            "event: ping\ndata: {\"type\": \"ping\"}",
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\"}}",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{}\"}}",
            r#"event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":20,"cache_creation_input_tokens":3}}"#,
            "event: message_stop\ndata: {\"type\":\"message_stop\"}",
        ],
    )
    .check("anthropic chat claude stream=yes -> claude-x msg_1 [tool_use] calls[f] in=18 out=20 read=5 write=3 think=- total=-");
}

#[test]
fn an_error_event_in_an_anthropic_stream() {
    let span = Call::sse(
        "api.anthropic.com/v1/messages",
        r#"{"model":"claude","stream":true}"#,
        &["event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}"],
    )
    .span();
    assert_eq!(span.facts.error_type.as_deref(), Some("overloaded_error"));
    assert!(span.error_type.is_some());
}

#[test]
fn gemini() {
    let answer = r#"{"candidates":[{"content":{"parts":[{"text":"a","thought":true},{"functionCall":{"name":"f","args":{}}}]},
        "finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":5,"thoughtsTokenCount":7,
        "toolUsePromptTokenCount":3,"cachedContentTokenCount":4,"totalTokenCount":25},"modelVersion":"gemini-2.5-pro","responseId":"r1"}"#;
    let expected = |stream| {
        format!(
            "gcp.gemini generate_content gemini-2.5-pro stream={stream} -> gemini-2.5-pro r1 [STOP] calls[f] in=13 out=12 read=4 write=- think=7 total=25"
        )
    };
    let host = "generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro";
    Call::json(&format!("{host}:generateContent"), "{}", answer).check(&expected("no"));
    let stream = format!("{host}:streamGenerateContent");
    Call::sse(&format!("{stream}?alt=sse"), "{}", &[&format!("data: {}", answer.replace('\n', ""))])
        .check(&expected("yes"));
    Call::json(&stream, "{}", &format!("[{answer}\n,\n{answer}]")).check(
        "gcp.gemini generate_content gemini-2.5-pro stream=yes -> gemini-2.5-pro r1 [STOP] calls[f,f] in=13 out=12 read=4 write=- think=7 total=25",
    );
}

/// A frame of an AWS event stream.
fn frame(event_type: &str, payload: &str) -> Vec<u8> {
    let sum = |bytes: &[u8]| crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(bytes).to_be_bytes();
    let mut head = vec![11];
    head.extend_from_slice(b":event-type\x07\x00");
    head.push(u8::try_from(event_type.len()).unwrap());
    head.extend_from_slice(event_type.as_bytes());
    let total = u32::try_from(16 + head.len() + payload.len()).unwrap();
    let mut out = [total.to_be_bytes(), u32::try_from(head.len()).unwrap().to_be_bytes()].concat();
    out.extend_from_slice(&sum(&out));
    out.extend_from_slice(&head);
    out.extend_from_slice(payload.as_bytes());
    out.extend_from_slice(&sum(&out));
    out
}

const BEDROCK: &str = "bedrock-runtime.us-east-1.amazonaws.com/model";

#[test]
fn bedrock_converse() {
    let usage = r#"{"inputTokens":10,"outputTokens":5,"totalTokens":35,"cacheReadInputTokens":20,"cacheWriteInputTokens":0}"#;
    let expected = |stream| {
        format!(
            "aws.bedrock chat anthropic.claude:0 stream={stream} -> - - [tool_use] calls[f] in=30 out=5 read=20 write=0 think=- total=35"
        )
    };
    let answer = format!(
        r#"{{"output":{{"message":{{"content":[{{"text":"a"}},{{"toolUse":{{"name":"f","input":{{}}}}}}]}}}},"stopReason":"tool_use","usage":{usage}}}"#
    );
    Call::json(&format!("{BEDROCK}/anthropic.claude%3A0/converse"), "{}", &answer).check(&expected("no"));
    let stream = [
        frame("messageStart", r#"{"role":"assistant"}"#),
        frame(
            "contentBlockStart",
            r#"{"start":{"toolUse":{"name":"f","toolUseId":"t"}},"contentBlockIndex":0}"#,
        ),
        frame("contentBlockDelta", r#"{"delta":{"toolUse":{"input":"{}"}},"contentBlockIndex":0}"#),
        frame("messageStop", r#"{"stopReason":"tool_use"}"#),
        frame("metadata", &format!(r#"{{"usage":{usage},"metrics":{{"latencyMs":9}}}}"#)),
    ];
    Call::new(
        &format!("{BEDROCK}/anthropic.claude%3A0/converse-stream"),
        "{}",
        "application/vnd.amazon.eventstream",
        stream.concat(),
    )
    .check(&expected("yes"));
}

#[test]
fn bedrock_invoke_by_family() {
    use base64::Engine as _;
    let chunk = |json: &str| {
        let inner = base64::engine::general_purpose::STANDARD.encode(json);
        frame("chunk", &format!(r#"{{"bytes":"{inner}","p":"abc"}}"#))
    };
    let nova = [
        chunk(r#"{"contentBlockDelta":{"delta":{"text":"a"}}}"#),
        chunk(r#"{"messageStop":{"stopReason":"end_turn"}}"#),
        chunk(
            r#"{"metadata":{"usage":{"inputTokens":4,"outputTokens":6}},"amazon-bedrock-invocationMetrics":{"inputTokenCount":99}}"#,
        ),
    ];
    Call::new(&format!("{BEDROCK}/amazon.nova-lite-v1:0/invoke-with-response-stream"), "{}", "application/vnd.amazon.eventstream", nova.concat())
        .check("aws.bedrock chat amazon.nova-lite-v1:0 stream=yes -> - - [end_turn] calls[] in=4 out=6 read=- write=- think=- total=-");
    let cohere = [
        chunk(r#"{"is_finished":false,"event_type":"text-generation","text":"a"}"#),
        chunk(
            r#"{"is_finished":true,"finish_reason":"COMPLETE","amazon-bedrock-invocationMetrics":{"inputTokenCount":7,"outputTokenCount":8}}"#,
        ),
    ];
    Call::new(&format!("{BEDROCK}/cohere.command-r-v1:0/invoke-with-response-stream"), "{}", "application/vnd.amazon.eventstream", cohere.concat())
        .check("aws.bedrock chat cohere.command-r-v1:0 stream=yes -> - - [COMPLETE] calls[] in=7 out=8 read=- write=- think=- total=-");
    let json = |model: &str, request: &str, body: &str, expected: &str| {
        let url = format!("{BEDROCK}/{model}/invoke");
        let mut call = Call::json(&url, request, body);
        call.headers.push(("x-amzn-bedrock-input-token-count", "11"));
        call.headers.push(("x-amzn-bedrock-output-token-count", "12"));
        call.check(&format!("aws.bedrock {expected}"));
    };
    json(
        "amazon.titan-text-lite-v1",
        "{}",
        r#"{"inputTextTokenCount":3,"results":[{"tokenCount":4,"outputText":"a","completionReason":"FINISH"}]}"#,
        "text_completion amazon.titan-text-lite-v1 stream=no -> - - [FINISH] calls[] in=3 out=4 read=- write=- think=- total=-",
    );
    json(
        "meta.llama3-8b",
        "{}",
        r#"{"generation":"a","prompt_token_count":5,"generation_token_count":6,"stop_reason":"stop"}"#,
        "text_completion meta.llama3-8b stream=no -> - - [stop] calls[] in=5 out=6 read=- write=- think=- total=-",
    );
    json(
        "mistral.mistral-7b",
        "{}",
        r#"{"outputs":[{"text":"a","stop_reason":"stop"}]}"#,
        "text_completion mistral.mistral-7b stream=no -> - - [stop] calls[] in=11 out=12 read=- write=- think=- total=-",
    );
    json(
        "anthropic.claude-v2",
        r#"{"prompt":"a"}"#,
        r#"{"completion":"b","stop_reason":"stop_sequence"}"#,
        "text_completion anthropic.claude-v2 stream=no -> - - [stop_sequence] calls[] in=11 out=12 read=- write=- think=- total=-",
    );
    json(
        "anthropic.claude-v2",
        r#"{"messages":[]}"#,
        r#"{"id":"m","model":"claude-2","stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}}"#,
        "chat anthropic.claude-v2 stream=no -> claude-2 m [end_turn] calls[] in=1 out=2 read=- write=- think=- total=-",
    );
    json(
        "openai.gpt-oss-20b",
        "{}",
        r#"{"id":"c","model":"gpt-oss","choices":[{"index":0,"finish_reason":"stop","message":{}}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#,
        "chat openai.gpt-oss-20b stream=no -> gpt-oss c [stop] calls[] in=1 out=2 read=- write=- think=- total=3",
    );
}

#[test]
fn bedrock_agents_send_bare_text() {
    let stream = [frame("trace", r#"{"trace":{}}"#), frame("chunk", r#"{"bytes":"aGVsbG8="}"#)].concat();
    let url = "bedrock-agent-runtime.us-east-1.amazonaws.com/agents/A/agentAliases/B/sessions/C/text";
    let call = Call::new(url, "{}", "application/vnd.amazon.eventstream", stream);
    assert_eq!(call.span().stream.output_chunks, 1);
    call.check(
        "aws.bedrock invoke_agent - stream=yes -> - - [] calls[] in=- out=- read=- write=- think=- total=-",
    );
}

#[test]
fn cohere() {
    Call::json(
        "api.cohere.com/v2/chat",
        r#"{"model":"command-a"}"#,
        r#"{"id":"c1","finish_reason":"TOOL_CALL","message":{"tool_calls":[{"function":{"name":"f"}}]},
        "usage":{"billed_units":{"input_tokens":5,"output_tokens":2.0},"tokens":{"input_tokens":200,"output_tokens":9}}}"#,
    )
    .check("cohere chat command-a stream=- -> - c1 [TOOL_CALL] calls[f] in=5 out=2 read=- write=- think=- total=-");
    let events = "{\"event_type\":\"text-generation\",\"text\":\"a\"}\n{\"is_finished\":true,\"event_type\":\"stream-end\",\"response\":{\"response_id\":\"r\",\"finish_reason\":\"COMPLETE\",\"meta\":{\"billed_units\":{\"input_tokens\":5,\"output_tokens\":3}}}}\n";
    Call::new("api.cohere.com/v1/chat", r#"{"stream":true}"#, "application/stream+json", events).check(
        "cohere chat - stream=yes -> - r [COMPLETE] calls[] in=5 out=3 read=- write=- think=- total=-",
    );
}

#[test]
fn ollama() {
    let lines = "{\"model\":\"llama3\",\"message\":{\"content\":\"a\"},\"done\":false}\n{\"model\":\"llama3\",\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":26,\"eval_count\":9}\n";
    let expected =
        "ollama chat llama3 stream=yes -> llama3 - [stop] calls[] in=26 out=9 read=- write=- think=- total=-";
    // Said to be lines, or not said to be.
    for content_type in ["application/x-ndjson", "application/json", "text/plain"] {
        Call::new("ollama.models:11434/api/chat", r#"{"model":"llama3"}"#, content_type, lines)
            .check(expected);
    }
}

/// What each of them is asked for below.
fn usage_of(provider: &str) -> &'static str {
    match provider {
        "deepseek" => "in=10 out=20 read=6 write=- think=15 total=30",
        "x_ai" => "in=10 out=25 read=- write=- think=15 total=35",
        _ => "in=10 out=20 read=4 write=- think=- total=30",
    }
}

#[test]
fn compatible_servers_that_add_something() {
    let chat = |url: &'static str, usage: &str, expected: &str| {
        let answer = format!(
            r#"{{"id":"c","model":"m","choices":[{{"index":0,"finish_reason":"stop","message":{{}}}}],"usage":{usage}}}"#
        );
        Call::json(url, r#"{"model":"m"}"#, &answer)
            .check(&format!("{expected} chat m stream=- -> m c [stop] calls[] {}", usage_of(expected)));
    };
    chat(
        "api.deepseek.com/chat/completions",
        r#"{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30,"prompt_cache_hit_tokens":6,"prompt_cache_miss_tokens":4,"completion_tokens_details":{"reasoning_tokens":15}}"#,
        "deepseek",
    );
    chat(
        "api.x.ai/v1/chat/completions",
        r#"{"prompt_tokens":10,"completion_tokens":10,"total_tokens":35,"completion_tokens_details":{"reasoning_tokens":15}}"#,
        "x_ai",
    );
    chat(
        "api.mistral.ai/v1/chat/completions",
        r#"{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30,"num_cached_tokens":4}"#,
        "mistral_ai",
    );
    Call::sse(
        "api.groq.com/openai/v1/chat/completions",
        r#"{"model":"m","stream":true}"#,
        &[
            r#"data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"a"}}],"x_groq":{"id":"req"}}"#,
            r#"data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"req","usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}}"#,
            "data: [DONE]",
        ],
    )
    .check("groq chat m stream=yes -> m c [stop] calls[] in=1 out=2 read=- write=- think=- total=3");
}

#[test]
fn embeddings_and_rerankings() {
    Call::json("api.openai.com/v1/embeddings", r#"{"model":"e","input":"a"}"#, r#"{"object":"list","data":[{"embedding":[0.1]}],"model":"e-1","usage":{"prompt_tokens":8,"total_tokens":8}}"#)
        .check("openai embeddings e stream=- -> e-1 - [] calls[] in=8 out=- read=- write=- think=- total=8");
    Call::json(
        "api.voyageai.com/v1/rerank",
        r#"{"model":"r"}"#,
        r#"{"model":"r","usage":{"total_tokens":9}}"#,
    )
    .check("voyage rerank r stream=- -> r - [] calls[] in=9 out=- read=- write=- think=- total=9");
    Call::json("x-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/google/models/text-embedding-004:predict", "{}",
        r#"{"predictions":[{"embeddings":{"statistics":{"token_count":4}}},{"embeddings":{"statistics":{"token_count":6}}}]}"#)
        .check("gcp.vertex_ai embeddings text-embedding-004 stream=- -> - - [] calls[] in=10 out=- read=- write=- think=- total=-");
}

#[test]
fn watsonx() {
    Call::sse(
        "us-south.ml.cloud.ibm.com/ml/v1/text/generation_stream?version=1",
        r#"{"model_id":"granite"}"#,
        &[
            r#"data: {"model_id":"granite","results":[{"generated_text":"","generated_token_count":0,"input_token_count":13,"stop_reason":"not_finished"}]}"#,
            r#"data: {"model_id":"granite","results":[{"generated_text":"a","generated_token_count":2,"input_token_count":0,"stop_reason":"eos_token"}]}"#,
        ],
    )
    .check("ibm.watsonx.ai text_completion granite stream=yes -> granite - [eos_token] calls[] in=13 out=2 read=- write=- think=- total=-");
}
