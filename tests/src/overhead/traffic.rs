//! The traffic, as bytes: requests as the official SDK makes them, answers as a provider gives them.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use flate2::write::GzEncoder;
use serde_json::json;

/// How many events one streamed answer has, `[DONE]` among them.
pub const EVENTS: u64 = 201;
/// Size of the answers that are too large to hold.
pub const LARGE_BYTES: usize = 16 << 20;

/// Names the answer: one byte, [`Kind::letter`].
pub(super) const ANSWER: &str = "x-bench-answer";

const REQUEST_BYTES: usize = 4_700;
const ANSWER_BYTES: usize = 2_048;
const PAUSE: Duration = Duration::from_millis(1);
const MODEL: &str = "gpt-4o-mini-2024-07-18";
const ID: &str = "chatcmpl-CdXyZ0123456789abcdefghijkl";
const USAGE: &str = "{\"prompt_tokens\":812,\"completion_tokens\":197,\"total_tokens\":1009,\
    \"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},\
    \"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0,\"accepted_prediction_tokens\":0,\
    \"rejected_prediction_tokens\":0}}";

/// One kind of exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A chat completion: 4.7 KB of JSON, answered by 2 KB of it.
    Json,
    /// The same, its answer compressed.
    Gzip,
    /// The same streamed, all events in one write.
    Burst,
    /// The same streamed, each event by itself.
    Paced,
    /// As many bytes of JSON both ways, and no call of a model.
    Other,
    /// Embeddings: 16 MB of JSON.
    Large,
}

impl Kind {
    pub const ALL: &'static [Self] =
        &[Self::Json, Self::Gzip, Self::Burst, Self::Paced, Self::Other, Self::Large];

    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Gzip => "gzip",
            Self::Burst => "SSE burst",
            Self::Paced => "SSE paced",
            Self::Other => "other",
            Self::Large => "16 MB",
        }
    }

    /// Whether one of it becomes a span.
    pub fn is_call(self) -> bool {
        self != Self::Other
    }

    /// As the only kind of a load.
    pub fn alone(self) -> &'static [Self] {
        let place = Self::ALL.iter().position(|kind| *kind == self).unwrap_or_default();
        Self::ALL.get(place..=place).unwrap_or_default()
    }

    fn letter(self) -> u8 {
        match self {
            Self::Json => b'j',
            Self::Gzip => b'g',
            Self::Burst => b'b',
            Self::Paced => b'p',
            Self::Other => b'o',
            Self::Large => b'l',
        }
    }

    pub(super) fn of_letter(letter: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.letter() == letter)
    }

    /// Head and body.
    pub fn request(self) -> &'static Vec<u8> {
        static REQUESTS: LazyLock<Vec<(Kind, Vec<u8>)>> =
            LazyLock::new(|| Kind::ALL.iter().map(|kind| (*kind, request(*kind))).collect());
        of(&REQUESTS, self)
    }

    pub(super) fn answer(self) -> &'static Answer {
        static ANSWERS: LazyLock<Vec<(Kind, Answer)>> =
            LazyLock::new(|| Kind::ALL.iter().map(|kind| (*kind, answer(*kind))).collect());
        of(&ANSWERS, self)
    }
}

fn of<T>(table: &'static [(Kind, T)], wanted: Kind) -> &'static T {
    let found = table.iter().find(|(kind, _)| *kind == wanted);
    found.map(|(_, value)| value).expect("every kind has its bytes")
}

/// What the upstream writes, and how long it waits after each piece.
pub(super) struct Answer {
    pub(super) pieces: Vec<Vec<u8>>,
    pub(super) pause: Option<Duration>,
    pub(super) events: u64,
}

fn request(kind: Kind) -> Vec<u8> {
    let (host, path, body) = match kind {
        Kind::Json | Kind::Gzip => ("api.openai.com", "/v1/chat/completions", chat(false)),
        Kind::Burst | Kind::Paced => ("api.openai.com", "/v1/chat/completions", chat(true)),
        Kind::Other => ("orders.shop.svc.cluster.local", "/api/v2/orders", order(REQUEST_BYTES)),
        Kind::Large => ("api.openai.com", "/v1/embeddings", embeddings_request()),
    };
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\naccept: application/json\r\naccept-encoding: identity\r\n\
         user-agent: OpenAI/Python 2.8.1\r\nx-stainless-lang: python\r\nx-stainless-package-version: 2.8.1\r\n\
         x-stainless-os: Linux\r\nx-stainless-arch: x64\r\nx-stainless-runtime: CPython\r\n\
         x-stainless-runtime-version: 3.13.5\r\nx-stainless-retry-count: 0\r\nx-stainless-read-timeout: 600\r\n\
         authorization: Bearer sk-proj-abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz\r\n\
         {ANSWER}: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        char::from(kind.letter()),
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

fn chat(stream: bool) -> String {
    let mut messages = vec![json!({"role": "system", "content": words(60)})];
    let mut body = String::new();
    while body.len() < REQUEST_BYTES - 300 {
        let role = if messages.len() % 2 == 1 { "user" } else { "assistant" };
        messages.push(json!({"role": role, "content": words(25 + 10 * (messages.len() % 4))}));
        let mut request =
            json!({"messages": messages, "model": MODEL, "temperature": 0.2, "max_tokens": 512});
        if stream {
            request["stream"] = json!(true);
            request["stream_options"] = json!({"include_usage": true});
        }
        body = request.to_string();
    }
    body
}

fn embeddings_request() -> String {
    json!({"input": [words(200)], "model": "text-embedding-3-large", "encoding_format": "float"}).to_string()
}

/// An order, and JSON of about this many bytes.
fn order(bytes: usize) -> String {
    let mut items = Vec::new();
    let mut body = String::new();
    while body.len() < bytes {
        let number = items.len();
        items.push(json!({"sku": format!("SKU-{number:06}"), "name": words(8), "quantity": 1 + number % 5,
            "price": {"amount": 1999 + number * 7, "currency": "EUR"}, "gift": number % 3 == 0}));
        body =
            json!({"order": 81_723, "customer": {"id": 5512, "name": words(2)}, "items": items}).to_string();
    }
    body
}

fn answer(kind: Kind) -> Answer {
    match kind {
        Kind::Json => whole("", completion().as_bytes()),
        Kind::Gzip => whole("content-encoding: gzip\r\n", &gzip(completion().as_bytes())),
        Kind::Other => whole("", order(ANSWER_BYTES).as_bytes()),
        Kind::Large => whole("", embeddings().as_bytes()),
        Kind::Burst => Answer { pieces: vec![stream_pieces().concat()], pause: None, events: EVENTS },
        Kind::Paced => Answer { pieces: stream_pieces(), pause: Some(PAUSE), events: EVENTS },
    }
}

fn whole(headers: &str, body: &[u8]) -> Answer {
    let head = head("application/json", &format!("{headers}content-length: {}", body.len()));
    Answer { pieces: vec![[head.as_bytes(), body].concat()], pause: None, events: 0 }
}

pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

fn head(content_type: &str, framing: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ndate: Fri, 21 Nov 2025 10:00:00 GMT\r\ncontent-type: {content_type}\r\n{framing}\r\n\
         access-control-expose-headers: X-Request-ID\r\nopenai-organization: user-abcdefghijkl\r\n\
         openai-processing-ms: 412\r\nopenai-version: 2020-10-01\r\nx-ratelimit-limit-requests: 10000\r\n\
         x-ratelimit-remaining-requests: 9999\r\nx-request-id: req_0123456789abcdef0123456789abcdef\r\n\
         strict-transport-security: max-age=31536000; includeSubDomains; preload\r\ncf-cache-status: DYNAMIC\r\n\
         server: cloudflare\r\ncf-ray: 9a1b2c3d4e5f6071-FRA\r\nalt-svc: h3=\":443\"; ma=86400\r\n\r\n"
    )
}

/// With its members in the order of the real API.
fn completion() -> String {
    let mut count = 100;
    loop {
        let body = format!(
            "{{\n  \"id\": \"{ID}\",\n  \"object\": \"chat.completion\",\n  \"created\": 1770000000,\n  \
             \"model\": \"{MODEL}\",\n  \"choices\": [\n    {{\n      \"index\": 0,\n      \"message\": {{\n        \
             \"role\": \"assistant\",\n        \"content\": {},\n        \"refusal\": null,\n        \
             \"annotations\": []\n      }},\n      \"logprobs\": null,\n      \"finish_reason\": \"stop\"\n    }}\n  \
             ],\n  \"usage\": {USAGE},\n  \"service_tier\": \"default\",\n  \
             \"system_fingerprint\": \"fp_b1f0a7c3d2\"\n}}\n",
            json!(words(count))
        );
        if body.len() >= ANSWER_BYTES {
            return body;
        }
        count += 1;
    }
}

/// The head with the first event, then one event each; the end of the body is with the last.
fn stream_pieces() -> Vec<Vec<u8>> {
    let contents = usize::try_from(EVENTS).expect("a few") - 4;
    let mut events = vec![delta(r#"{"role":"assistant","content":"","refusal":null}"#, "null")];
    events.extend(WORDS.iter().cycle().take(contents).map(|word| {
        let text = json!(format!(" {word}"));
        delta(&format!(r#"{{"content":{text}}}"#), "null")
    }));
    events.push(delta("{}", r#""stop""#));
    events.push(chunk("", USAGE));
    events.push("data: [DONE]\n\n".to_owned());
    let framed = events.iter().map(|event| format!("{:x}\r\n{event}\r\n", event.len()).into_bytes());
    let mut pieces: Vec<Vec<u8>> = framed.collect();
    let head = head("text/event-stream; charset=utf-8", "transfer-encoding: chunked");
    pieces[0].splice(0..0, head.bytes());
    if let Some(last) = pieces.last_mut() {
        last.extend_from_slice(b"0\r\n\r\n");
    }
    pieces
}

fn delta(delta: &str, finish: &str) -> String {
    chunk(&format!(r#"{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}"#), "null")
}

fn chunk(choices: &str, usage: &str) -> String {
    format!(
        "data: {{\"id\":\"{ID}\",\"object\":\"chat.completion.chunk\",\"created\":1770000000,\"model\":\"{MODEL}\",\
         \"service_tier\":\"default\",\"system_fingerprint\":\"fp_b1f0a7c3d2\",\"choices\":[{choices}],\
         \"usage\":{usage},\"obfuscation\":\"a1B2c3D4e\"}}\n\n"
    )
}

fn embeddings() -> String {
    let mut random = fastrand::Rng::with_seed(7);
    let mut body = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0"#.to_owned();
    while body.len() < LARGE_BYTES {
        let _ = write!(body, ",{:.9}", random.f64() - 0.5);
    }
    body.push_str(r#"]}],"model":"text-embedding-3-large","usage":{"prompt_tokens":7,"total_tokens":7}}"#);
    body
}

const WORDS: [&str; 24] = [
    "the",
    "quick",
    "answer",
    "to",
    "your",
    "question",
    "about",
    "meshes",
    "is",
    "that",
    "every",
    "sidecar",
    "sees",
    "what",
    "passes",
    "and",
    "tells",
    "it",
    "\"quoted\"",
    "naïve",
    "line\nbreak",
    "with",
    "tokens",
    "counted",
];

fn words(count: usize) -> String {
    WORDS.iter().cycle().take(count).copied().collect::<Vec<_>>().join(" ")
}
