//! From a request and a scenario to the script of an answer.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::chat::{self, Answer, Content};
use super::openai_others;
use super::record::Usage;
use super::scenario::Scenario;
use super::script::{Script, Step};

/// Beyond ASCII on purpose: chunks end inside these characters once Envoy cuts where it likes.
pub(super) const TEXT: &str =
    "Voilà: the façade of a naïve façade-café costs 12 €, says the 評価 — and that is it 🙂.";
const TOOL_ARGUMENTS: [&str; 5] = ["{\"", "location", "\":\"", "Zürich", "\"}"];
const BIG_RESPONSE_BYTES: usize = 10_000_000;
/// Events before something happens in the middle of a stream.
const EVENTS_BEFORE: usize = 6;
/// Between the last bytes and a reset, so that they are on their way before it.
const BEFORE_RESET: Duration = Duration::from_millis(100);

/// One request, as far as the stand-in needs to know it.
pub(super) struct Request {
    pub(super) path: String,
    pub(super) body: Bytes,
    pub(super) scenario: Scenario,
    pub(super) chunk_pause: Duration,
    /// What the answer's identifiers are derived from.
    pub(super) case: String,
}

/// The part of a chat request's body that decides the answer.
struct Asked {
    model: String,
    stream: bool,
    include_usage: bool,
    input_tokens: u64,
}

pub(super) fn script(request: &Request) -> Script {
    match request.path.as_str() {
        "/v1/chat/completions" => completion(request),
        "/v1/embeddings" => openai_others::embeddings(request),
        "/v1/responses" => openai_others::responses(request),
        path => {
            let message = format!("Invalid URL (POST {path})");
            failure(request, 404, &chat::error(&message, "invalid_request_error", ""), Vec::new())
        }
    }
}

fn completion(request: &Request) -> Script {
    let Some(asked) = Asked::read(&request.body) else {
        let message = "We could not parse the JSON body of your request.";
        return failure(request, 400, &chat::error(message, "invalid_request_error", ""), Vec::new());
    };
    match request.scenario {
        Scenario::Error500 => internal_error(request),
        Scenario::Error429 => rate_limited(request, &asked),
        Scenario::ResetBeforeHeaders => {
            let mut script = failure(request, 0, "", Vec::new());
            script.steps = vec![Step::Reset];
            script
        }
        Scenario::WrongContentType => page(request),
        _ if asked.stream => streamed(request, &asked),
        _ => whole(request, &asked),
    }
}

impl Asked {
    fn read(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let text: usize = body["messages"].as_array()?.iter().map(|m| m["content"].to_string().len()).sum();
        Some(Self {
            model: body["model"].as_str()?.to_owned(),
            stream: body["stream"] == Value::Bool(true),
            include_usage: body["stream_options"]["include_usage"] == Value::Bool(true),
            input_tokens: 7 + (text as u64) / 4,
        })
    }
}

fn answer(request: &Request, asked: &Asked) -> Answer {
    let content = match request.scenario {
        Scenario::ToolCall => Content::ToolCall {
            id: format!("call_{}", identifier(&request.case, 24)),
            name: "get_weather",
            arguments: TOOL_ARGUMENTS.to_vec(),
        },
        Scenario::BigResponse => Content::Text(vec![TEXT.repeat(BIG_RESPONSE_BYTES / TEXT.len() + 1)]),
        _ => Content::Text(TEXT.split_inclusive(' ').map(str::to_owned).collect()),
    };
    let output = match &content {
        Content::Text(words) => words.len() as u64 + 3,
        Content::ToolCall { arguments, .. } => arguments.len() as u64 + 9,
    };
    let (cached_input, reasoning_output) =
        if request.scenario == Scenario::Details { (asked.input_tokens / 2, 64) } else { (0, 0) };
    let usage = Usage {
        input: asked.input_tokens,
        output: output + reasoning_output,
        cached_input,
        cache_creation_input: 0,
        reasoning_output,
    };
    Answer {
        id: format!("chatcmpl-{}", identifier(&request.case, 28)),
        model: dated(&asked.model),
        content,
        usage: (request.scenario != Scenario::NoUsage).then_some(usage),
    }
}

fn whole(request: &Request, asked: &Asked) -> Script {
    let answer = answer(request, asked);
    let mut body = answer.body().into_bytes();
    let mut usage = answer.usage;
    let mut encoding = Vec::new();
    match request.scenario {
        Scenario::MalformedJson => {
            body.truncate(body.len() / 2);
            body.extend_from_slice(b"\x00}} not json");
            usage = None;
        }
        Scenario::Gzip => {
            body = gzip(&[body]).concat();
            encoding.push(("content-encoding", "gzip".to_owned()));
        }
        _ => {}
    }
    let mut script = complete(request, 200, "application/json", body, encoding);
    script.response_id = answer.id;
    script.response_model = answer.model;
    script.usage = usage;
    script
}

fn streamed(request: &Request, asked: &Asked) -> Script {
    let answer = answer(request, asked);
    let mut events: Vec<Vec<u8>> =
        answer.events(asked.include_usage).into_iter().map(String::into_bytes).collect();
    let breaks_off = matches!(
        request.scenario,
        Scenario::HangMidStream | Scenario::ResetMidStream | Scenario::TruncatedSse | Scenario::ErrorInStream
    );
    if breaks_off {
        events.truncate(EVENTS_BEFORE);
    }
    let usage = answer.usage.filter(|_| asked.include_usage && !breaks_off);
    let mut headers = headers(request, "text/event-stream; charset=utf-8");
    let mut last = Vec::new();
    match request.scenario {
        Scenario::Gzip => {
            events = gzip(&events);
            headers.push(("content-encoding", "gzip".to_owned()));
        }
        Scenario::HangMidStream | Scenario::NoEnd => last.push(Step::Hang),
        Scenario::ResetMidStream => last.extend([Step::Pause(BEFORE_RESET), Step::Reset]),
        Scenario::TruncatedSse => {
            if let Some(event) = events.last_mut() {
                event.truncate(event.len() / 2);
            }
        }
        Scenario::ErrorInStream => {
            let message = "The server had an error while processing your request. Sorry about that!";
            events.push(format!("data: {}\n\n", chat::error(message, "server_error", "")).into_bytes());
        }
        _ => {}
    }
    let pauses = std::iter::once(Duration::ZERO).chain(std::iter::repeat(request.chunk_pause));
    let events = pauses.zip(events).flat_map(|(pause, event)| [Step::Pause(pause), Step::Send(event.into())]);
    let mut steps: Vec<Step> = events.chain(last).collect();
    if request.scenario == Scenario::Held {
        // A pause and a write for each event.
        steps.insert(2 * EVENTS_BEFORE, Step::Hold);
    }
    Script { status: 200, headers, steps, response_id: answer.id, response_model: answer.model, usage }
}

fn internal_error(request: &Request) -> Script {
    let message = "The server had an error while processing your request. Sorry about that!";
    failure(request, 500, &chat::error(message, "server_error", ""), Vec::new())
}

fn rate_limited(request: &Request, asked: &Asked) -> Script {
    let model = &asked.model;
    let message = format!(
        "Rate limit reached for {model} in organization org-standin on tokens per min (TPM): Limit 30000, Used 29841, \
         Requested 1204. Please try again in 2.09s."
    );
    let retry = vec![("retry-after", "3".to_owned()), ("retry-after-ms", "2090".to_owned())];
    failure(request, 429, &chat::error(&message, "tokens", "rate_limit_exceeded"), retry)
}

fn page(request: &Request) -> Script {
    let body = "<!doctype html><html><body><h1>Sign in to the network</h1></body></html>\n";
    complete(request, 200, "text/html; charset=utf-8", body.as_bytes().to_vec(), Vec::new())
}

pub(super) fn failure(
    request: &Request,
    status: u16,
    body: &str,
    extra: Vec<(&'static str, String)>,
) -> Script {
    complete(request, status, "application/json", body.as_bytes().to_vec(), extra)
}

/// A body of known length, in one write.
pub(super) fn complete(
    request: &Request,
    status: u16,
    content_type: &str,
    body: Vec<u8>,
    extra: Vec<(&'static str, String)>,
) -> Script {
    let mut headers = headers(request, content_type);
    headers.extend(extra);
    headers.push(("content-length", body.len().to_string()));
    Script::new(status, headers, vec![Step::Send(body.into())])
}

/// What the real API sends beside a body; `set-cookie` twice, as its front does.
pub(super) fn headers(request: &Request, content_type: &str) -> Vec<(&'static str, String)> {
    let request_id = format!("req_{}", identifier(&request.case, 32));
    let fixed = [
        ("date", "Mon, 02 Feb 2026 02:40:00 GMT"),
        ("content-type", content_type),
        ("openai-organization", "org-standin"),
        ("openai-processing-ms", "417"),
        ("openai-project", "proj_standin"),
        ("openai-version", "2020-10-01"),
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-limit-tokens", "30000"),
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-ratelimit-remaining-tokens", "29159"),
        ("x-ratelimit-reset-requests", "6ms"),
        ("x-ratelimit-reset-tokens", "1.682s"),
        ("x-request-id", &request_id),
        ("set-cookie", "__cf_bm=standin; path=/; HttpOnly; Secure"),
        ("set-cookie", "_cfuvid=standin; path=/; HttpOnly; Secure"),
        ("server", "cloudflare"),
    ];
    fixed.map(|(name, value)| (name, value.to_owned())).to_vec()
}

/// Compresses pieces so that each can be read when it has arrived.
fn gzip(pieces: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let mut compressed = Vec::new();
    for piece in pieces {
        encoder.write_all(piece).expect("writing to memory");
        encoder.flush().expect("writing to memory");
        compressed.push(std::mem::take(encoder.get_mut()));
    }
    let end = encoder.finish().expect("writing to memory");
    if let Some(last) = compressed.last_mut() {
        last.extend(end);
    }
    compressed
}

/// The dated name that the API answers with.
pub(super) fn dated(model: &str) -> String {
    let date = match model {
        "gpt-4o" => "-2024-08-06",
        "gpt-4o-mini" => "-2024-07-18",
        "gpt-4.1" | "gpt-4.1-mini" => "-2025-04-14",
        "o4-mini" => "-2025-04-16",
        _ => "",
    };
    format!("{model}{date}")
}

/// `length` letters and digits that depend on nothing but `seed`.
pub(super) fn identifier(seed: &str, length: usize) -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut state = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(ALPHABET[usize::try_from(state >> 33).unwrap_or(0) % ALPHABET.len()])
    };
    (0..length).map(|_| letter()).collect()
}
