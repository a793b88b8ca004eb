//! How much memory one exchange makes the module ask for, whatever the size of its body.
//!
//! Linear memory never shrinks, so that its growth over one exchange is the peak of what the exchange held.

use std::io::Write as _;

use flate2::write::GzEncoder;
use meshtap_collector::wasm::host::{Direction, Filter, FilterModule, Header};

/// What Envoy hands over at most in one callback, with its default buffer limit.
const CALLBACK_BYTES: usize = 1 << 20;

/// A body that is fed, and its headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// One JSON document.
    Json,
    /// Server-sent events.
    Sse,
    /// Frames of an AWS event stream.
    EventStream,
    /// One JSON document, compressed.
    Gzip,
    /// One JSON document in which everything that is kept is as long as it can be, and comes again and again.
    Greedy,
}

impl Load {
    pub const ALL: [Self; 5] = [Self::Json, Self::Sse, Self::EventStream, Self::Gzip, Self::Greedy];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Sse => "server-sent events",
            Self::EventStream => "AWS event stream",
            Self::Gzip => "JSON in gzip",
            Self::Greedy => "JSON, long names",
        }
    }

    /// The key of its figure.
    pub const fn figure(self) -> &'static str {
        match self {
            Self::Json => "growth_json_kib",
            Self::Sse => "growth_sse_kib",
            Self::EventStream => "growth_event_stream_kib",
            Self::Gzip => "growth_gzip_kib",
            Self::Greedy => "growth_greedy_kib",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Json | Self::Gzip => "/v1/embeddings",
            Self::Sse | Self::Greedy => "/v1/chat/completions",
            Self::EventStream => "/model/amazon.nova-lite-v1%3A0/converse-stream",
        }
    }

    const fn authority(self) -> &'static str {
        match self {
            Self::EventStream => "bedrock-runtime.us-east-1.amazonaws.com",
            _ => "api.openai.com",
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Json | Self::Gzip | Self::Greedy => "application/json",
            Self::Sse => "text/event-stream",
            Self::EventStream => "application/vnd.amazon.eventstream",
        }
    }

    /// A body that has `bytes` bytes or a little more before any compression, and 7 output tokens in its usage.
    fn body(self, bytes: usize) -> Vec<u8> {
        match self {
            Self::Json => embeddings(bytes),
            Self::Sse => events(bytes),
            Self::EventStream => frames(bytes),
            Self::Greedy => choices(bytes),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(&embeddings(bytes)).expect("memory takes everything");
                encoder.finish().expect("memory takes everything")
            }
        }
    }
}

/// The growth of a new module's memory, in bytes, over one exchange with a body of `bytes` bytes.
pub fn growth(module: &FilterModule, load: Load, bytes: usize) -> usize {
    let mut filter = module.start(b"{}").expect("the filter starts");
    // What the first exchange of all sets up once is the module's, not the exchange's.
    exchange(&mut filter, Load::Json, 1);
    let before = filter.memory_bytes();
    exchange(&mut filter, load, bytes);
    filter.memory_bytes() - before
}

fn exchange(filter: &mut Filter, load: Load, bytes: usize) {
    let header =
        |name: &str, value: &str| -> Header { (name.as_bytes().to_vec(), value.as_bytes().to_vec()) };
    let stream = filter.open().expect("no trap");
    let request = [
        header(":method", "POST"),
        header(":authority", load.authority()),
        header(":path", load.path()),
        header("content-type", "application/json"),
    ];
    filter.headers(stream, Direction::Request, &request, false).expect("no trap");
    filter.body(stream, Direction::Request, br#"{"model":"m","stream":false}"#, true).expect("no trap");
    let mut answer = vec![header(":status", "200"), header("content-type", load.content_type())];
    if load == Load::Gzip {
        answer.push(header("content-encoding", "gzip"));
    }
    filter.headers(stream, Direction::Response, &answer, false).expect("no trap");
    for piece in load.body(bytes).chunks(CALLBACK_BYTES) {
        filter.body(stream, Direction::Response, piece, false).expect("no trap");
    }
    filter.close(stream, "via_upstream").expect("no trap");
    let messages = filter.flush().expect("no trap");
    let read = messages.iter().any(|message| contains(message, br"gen_ai.usage.input_tokens"));
    assert!(read, "the usage at the end of the {load:?} body was read");
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Numbers that do not repeat.
fn embeddings(bytes: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut body = br#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0"#.to_vec();
    while body.len() < bytes {
        body.extend(format!(",{:.9}", random.f64() - 0.5).as_bytes());
    }
    body.extend(br#"]}],"model":"m","usage":{"prompt_tokens":7,"total_tokens":7}}"#);
    body
}

fn choices(bytes: usize) -> Vec<u8> {
    let name = "n".repeat(5_000);
    let tool = format!(r#"{{"id":"{name}","type":"function","function":{{"name":"{name}"}}}}"#);
    let tools = vec![tool; 200].join(",");
    let mut body = format!(r#"{{"id":"{name}","model":"{name}","service_tier":"{name}","system_fingerprint":"{name}","choices":["#)
        .into_bytes();
    for index in 0.. {
        let choice =
            format!(r#"{{"index":{index},"finish_reason":"{name}","message":{{"tool_calls":[{tools}]}}}}"#);
        body.extend(choice.as_bytes());
        if body.len() >= bytes {
            break;
        }
        body.push(b',');
    }
    body.extend(br#"],"usage":{"prompt_tokens":7,"completion_tokens":7,"total_tokens":14}}"#);
    body
}

fn events(bytes: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < bytes {
        body.extend(b"data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word\"}}]}\n\n");
    }
    body.extend(b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":7,\"total_tokens\":14}}\n\n");
    body.extend(b"data: [DONE]\n\n");
    body
}

fn frames(bytes: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < bytes {
        body.extend(frame("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"word"}}"#));
    }
    body.extend(frame("messageStop", r#"{"stopReason":"end_turn"}"#));
    body.extend(frame("metadata", r#"{"usage":{"inputTokens":7,"outputTokens":7,"totalTokens":14}}"#));
    body
}

/// <https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html>
fn frame(event_type: &str, payload: &str) -> Vec<u8> {
    const STRING: u8 = 7;
    const OVERHEAD_BYTES: usize = 16;
    let word = |value: usize| u32::try_from(value).expect("a small frame").to_be_bytes();
    let mut headers = Vec::new();
    for (name, value) in
        [(":message-type", "event"), (":event-type", event_type), (":content-type", "application/json")]
    {
        headers.push(u8::try_from(name.len()).expect("a short name"));
        headers.extend(name.as_bytes());
        headers.push(STRING);
        headers.extend(u16::try_from(value.len()).expect("a short value").to_be_bytes());
        headers.extend(value.as_bytes());
    }
    let mut frame = word(OVERHEAD_BYTES + headers.len() + payload.len()).to_vec();
    frame.extend(word(headers.len()));
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame.extend(headers);
    frame.extend(payload.as_bytes());
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame
}
