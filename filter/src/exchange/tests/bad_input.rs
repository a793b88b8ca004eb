//! Input that no provider sends, in every format: what was certain is kept, and what was not has a reason.

use std::io::Write as _;

use super::*;
use crate::fuzzing::frame;
use crate::wire::CRC;

/// Deeper than any stack.
const DEEP: usize = 100_000;

const URL: (&str, &str) = ("api.openai.com", "/v1/chat/completions");

fn scenario(
    (authority, path): (&'static str, &'static str),
    content_type: &'static str,
    body: impl Into<Vec<u8>>,
) -> Scenario {
    let mut scenario = Scenario::new(content_type, body);
    scenario.request_headers = vec![(":authority", authority), (":path", path)];
    scenario.request = b"{}".to_vec();
    scenario
}

fn sse(body: impl Into<Vec<u8>>) -> Scenario {
    scenario(URL, "text/event-stream", body)
}

fn json(body: impl Into<Vec<u8>>) -> Scenario {
    scenario(URL, "application/json", body)
}

fn lines(body: impl Into<Vec<u8>>) -> Scenario {
    scenario(URL, "application/x-ndjson", body)
}

fn array(body: impl Into<Vec<u8>>) -> Scenario {
    let gemini = ("generativelanguage.googleapis.com", "/v1beta/models/gemini:streamGenerateContent");
    scenario(gemini, "application/json", body)
}

fn frames(body: impl Into<Vec<u8>>) -> Scenario {
    let bedrock = ("bedrock-runtime.us-east-1.amazonaws.com", "/model/m/converse-stream");
    scenario(bedrock, "application/vnd.amazon.eventstream", body)
}

fn coded(coding: &'static str, body: Vec<u8>) -> Scenario {
    let mut scenario = json(body);
    scenario.response_headers.push(("content-encoding", coding));
    scenario
}

/// Id, counts, why the body was not read, why there are no counts: the same however the body is cut.
fn seen(name: &str, scenario: &Scenario) -> String {
    let whole = scenario.whole();
    // Byte by byte where that is quick.
    let smallest = if scenario.response.len() < 100_000 { 1 } else { 100 };
    for size in [smallest, 3 * smallest, 1_000] {
        let cut = scenario.play(|body| body.chunks(size).map(<[u8]>::to_vec).collect());
        let cut = Span { end: whole.end, ..without_times(cut) };
        assert!(cut == without_times(whole.clone()), "{name}, in pieces of {size}: {cut:?}");
    }
    let count = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
    format!(
        "{} {}/{} {} {}",
        whole.facts.response_id.as_deref().unwrap_or("-"),
        count(whole.usage.input_tokens),
        count(whole.usage.output_tokens),
        whole.http.response_unread.map_or("-", Unread::name),
        whole.usage_absent_reason.unwrap_or("-"),
    )
}

fn check(cases: &[(&str, Scenario, &str)]) {
    let wrong: Vec<_> = cases
        .iter()
        .map(|(name, scenario, expected)| (*name, seen(name, scenario), *expected))
        .filter(|(_, seen, expected)| seen != expected)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// An answer, or a document of a stream, with something of the test's own between its id and its counts.
fn document(middle: &str) -> String {
    format!(r#"{{"id":"a",{middle}"choices":[],"usage":{{"prompt_tokens":19,"completion_tokens":2}}}}"#)
}

/// With these counts.
fn counts_of(input: &str, output: &str) -> String {
    format!(r#"{{"id":"a","usage":{{"prompt_tokens":{input},"completion_tokens":{output}}}}}"#)
}

/// What is wrong inside one document, and what is to be seen of it in any framing.
fn documents() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let nested = |open: &str, close: &str| format!("{}{}", open.repeat(DEEP), close.repeat(DEEP));
    let invalid = |text: &str| text.bytes().map(|byte| if byte == b'~' { 0xff } else { byte }).collect();
    vec![
        ("nothing wrong", document("").into(), "a 19/2 - -"),
        ("a text of 1 MiB", document(&format!(r#""x":"{}","#, "x".repeat(1 << 20))).into(), "a 19/2 - -"),
        ("a key of 100 kB", document(&format!(r#""{}":1,"#, "k".repeat(100_000))).into(), "a 19/2 - -"),
        ("a number of 100 kB", counts_of(&"9".repeat(100_000), "2").into(), "a -/2 - -"),
        ("arrays 100,000 deep", document(&format!(r#""x":{},"#, nested("[", "]"))).into(), "a 19/2 - -"),
        (
            "objects 100,000 deep",
            document(&format!(r#""x":{},"#, nested("{\"x\":", "}").replace(":}", ":1}"))).into(),
            "a 19/2 - -",
        ),
        (
            "a kept place 100,000 deep",
            document(&format!(r#""model":{},"#, nested("[", "]"))).into(),
            "a 19/2 - -",
        ),
        (
            "usage 100,000 deep",
            format!(r#"{{"id":"a","usage":{{"x":{},"prompt_tokens":19}}}}"#, nested("[", "]")).into(),
            "a 19/- - -",
        ),
        (
            "a repeated key: the last one wins",
            document(r#""id":"b","usage":{"prompt_tokens":7},"#).into(),
            "b 19/2 - -",
        ),
        (
            "a repeated count: the last one wins",
            br#"{"id":"a","usage":{"prompt_tokens":7,"prompt_tokens":19}}"#.to_vec(),
            "a 19/- - -",
        ),
        ("invalid UTF-8 that nobody asked for", invalid(&document(r#""x":"~","~":1,"#)), "a 19/2 - -"),
        ("invalid UTF-8 in the id", invalid(&document(r#""id":"b~","#)), "b\u{fffd} 19/2 - -"),
        ("a lone high surrogate", document(r#""id":"\ud83dx","#).into(), "\u{fffd}x 19/2 - -"),
        ("a lone low surrogate", document(r#""id":"\ude00","#).into(), "\u{fffd} 19/2 - -"),
        ("a count beyond u64", counts_of("18446744073709551616", "2").into(), "a -/2 - -"),
        ("a count beyond what spans carry", counts_of("9223372036854775808", "2").into(), "a -/2 - -"),
        ("a negative count", counts_of("-19", "2").into(), "a -/2 - -"),
        ("a fractional count", counts_of("19", "2.5").into(), "a 19/- - -"),
        ("a count in exponent form", counts_of("19", "2e0").into(), "a 19/- - -"),
        ("a count in a text", counts_of("19", "\"2\"").into(), "a 19/- - -"),
        ("counts of which none can be", counts_of("-1", "1.5").into(), "a -/- - invalid"),
        ("usage that is no object", br#"{"id":"a","usage":[19,2]}"#.to_vec(), "a -/- - not_sent"),
    ]
}

#[test]
fn in_one_document() {
    for (name, body, expected) in documents() {
        check(&[(name, json(body), expected)]);
    }
}

#[test]
fn in_an_event() {
    for (name, body, expected) in documents() {
        check(&[(name, sse([b"data: ", body.as_slice(), b"\n\ndata: [DONE]\n\n"].concat()), expected)]);
    }
}

#[test]
fn in_a_line() {
    for (name, body, expected) in documents() {
        check(&[(name, lines([body.as_slice(), b"\n"].concat()), expected)]);
    }
}

#[test]
fn broken_documents() {
    let whole = document("");
    check(&[
        ("truncated before the counts", json(&whole.as_bytes()[..20]), "a -/- truncated truncated"),
        (
            "truncated behind the counts",
            json(whole.trim_end_matches('}').to_owned() + "}"),
            "a 19/2 truncated -",
        ),
        (
            "truncated 100,000 deep",
            json(format!("{}{}", r#"{"id":"a","x":"#, "[".repeat(DEEP))),
            "a -/- truncated truncated",
        ),
        ("garbage behind it", json(whole.clone() + "garbage"), "a 19/2 malformed -"),
        ("garbage within", json(document("garbage,")), "a -/- malformed malformed"),
        ("garbage before it", json(format!("garbage{whole}")), "- -/- malformed malformed"),
        ("nothing but a bracket", json("}"), "- -/- malformed malformed"),
        ("said to be a page", scenario(URL, "text/html", whole.clone()), "a 19/2 - -"),
        ("said to be sound", scenario(URL, "audio/mpeg", whole.clone()), "a 19/2 - -"),
        ("said to be a stream of events", sse(whole.clone()), "a 19/2 - -"),
        ("said to be text", scenario(URL, "text/plain", whole.clone()), "a 19/2 - -"),
        ("said to be nothing", scenario(URL, "", whole), "a 19/2 - -"),
    ]);
}

#[test]
fn broken_event_streams() {
    let first = event(r#"{"id":"a","choices":[{"delta":{"content":"x"}}]}"#);
    let last = event(&document(""));
    let done = event("[DONE]");
    let big = event(&format!(r#"{{"x":"{}"}}"#, "x".repeat(1 << 20)));
    check(&[
        (
            "truncated before the counts",
            sse([first.as_bytes(), &last.as_bytes()[..40]].concat()),
            "a -/- truncated truncated",
        ),
        ("truncated between events", sse(first.clone()), "a -/- truncated truncated"),
        ("truncated behind the counts", sse([first.clone(), last.clone()].concat()), "a 19/2 truncated -"),
        ("an event of 1 MiB", sse([big, last.clone(), done.clone()].concat()), "a 19/2 - -"),
        ("a name of 1 MiB", sse(format!("event: {}\n{last}{done}", "e".repeat(1 << 20))), "a 19/2 - -"),
        ("a field of 1 MiB", sse(format!("{}: x\n{last}{done}", "dat".repeat(300_000))), "a 19/2 - -"),
        (
            "lines that are no fields",
            sse(format!("data\0: 1\n\u{1}\u{2}\n:{first}{last}{done}")),
            "a 19/2 - -",
        ),
        (
            "an event that is garbage",
            sse([first.clone(), event("garbage"), last.clone(), done.clone()].concat()),
            "a 19/2 malformed -",
        ),
        (
            "an event that breaks off",
            sse([event("{\"id\":\"b\","), last.clone(), done.clone()].concat()),
            "a 19/2 malformed -",
        ),
        (
            "garbage bytes between",
            sse([first.as_bytes(), b"\xff\x00\xfe\n\n", last.as_bytes(), done.as_bytes()].concat()),
            "a 19/2 - -",
        ),
        ("said to be JSON", json([first, last.clone(), done.clone()].concat()), "a 19/2 - -"),
        ("said to be a page", scenario(URL, "text/html", last + &done), "- -/- content_type content_type"),
    ]);
}

#[test]
fn broken_lines_and_arrays() {
    let line = document("");
    let candidate = r#"{"responseId":"a","usageMetadata":{"promptTokenCount":19,"candidatesTokenCount":2}}"#;
    let deep = format!("[{}{},{candidate}]", "[".repeat(DEEP), "]".repeat(DEEP));
    check(&[
        (
            "a line truncated",
            lines([line.as_bytes(), b"\n", &line.as_bytes()[..30]].concat()),
            "a 19/2 truncated -",
        ),
        ("a line of garbage", lines(format!("{line}\ngarbage\n{line}\n")), "a 19/2 malformed -"),
        ("a line of garbage bytes", lines([line.as_bytes(), b"\n\xff\x00\n"].concat()), "a 19/2 malformed -"),
        ("lines said to be one document", json(format!("{line}\n{line}")), "a 19/2 - -"),
        (
            "an array truncated",
            array(&format!("[{candidate},{candidate}]").as_bytes()[..100]),
            "a 19/2 truncated -",
        ),
        ("an array without its end", array(format!("[{candidate}")), "a 19/2 truncated -"),
        ("garbage in an array", array(format!("[{candidate},garbage,{candidate}]")), "a 19/2 malformed -"),
        ("an array 100,000 deep", array(deep), "a 19/2 - -"),
        ("an array 100,000 deep that breaks off", array("[".repeat(DEEP)), "- -/- truncated truncated"),
        (
            "an array said to be lines",
            scenario(URL, "application/x-ndjson", format!("[{line}]")),
            "- -/- - not_sent",
        ),
    ]);
}

#[test]
fn broken_frames() {
    let usage = br#"{"usage":{"inputTokens":19,"outputTokens":2}}"#;
    let of = |payload: &[u8]| {
        let mut out = Vec::new();
        frame(&mut out, ":event-type", "metadata", payload);
        out
    };
    let good = of(usage);
    let damaged = |at: usize| {
        let mut bad = good.clone();
        bad[at] ^= 1;
        [good.as_slice(), &bad, &of(br#"{"usage":{"inputTokens":99}}"#)].concat()
    };
    let behind = |more: &[u8]| frames([good.as_slice(), more].concat());
    let long = of(&[&vec![b' '; 40_000], usage.as_slice()].concat());
    let long_headers = {
        let mut head = vec![1, b'x', 7, 0x9c, 0x40];
        head.resize(5 + 40_000, b'v');
        let mut out =
            [16 + head.len(), head.len()].map(|word| u32::try_from(word).unwrap().to_be_bytes()).concat();
        out.extend_from_slice(&CRC.checksum(&out).to_be_bytes());
        out.extend_from_slice(&head);
        out.extend_from_slice(&CRC.checksum(&out).to_be_bytes());
        out
    };
    let nested = |close: usize| format!("{{\"x\":{}{}}}", "[".repeat(10_000), "]".repeat(close));
    check(&[
        ("nothing wrong", frames(good.clone()), "- 19/2 - -"),
        ("truncated", behind(&good[..30]), "- 19/2 truncated -"),
        ("truncated in its prelude", behind(&good[..5]), "- 19/2 truncated -"),
        ("a wrong checksum of the prelude", frames(damaged(9)), "- 19/2 checksum -"),
        ("a wrong checksum of the frame", frames(damaged(good.len() - 1)), "- 19/2 checksum -"),
        ("a damaged length", frames(damaged(3)), "- 19/2 checksum -"),
        ("a damaged payload", frames(damaged(60)), "- 19/2 checksum -"),
        ("longer than is collected", behind(&of(&vec![b' '; 40_000])), "- 19/2 - -"),
        ("the counts in a frame that is longer", frames(long.clone()), "- 19/2 - -"),
        (
            "longer, and truncated",
            frames([good.as_slice(), &long[..long.len() - 1]].concat()),
            "- 19/2 truncated -",
        ),
        ("longer, with a wrong checksum", frames(turned(long.clone(), 1)), "- -/- checksum checksum"),
        ("longer, with a damaged payload", frames(turned(long.clone(), 40_000)), "- -/- checksum checksum"),
        ("longer, and garbage", behind(&of(&vec![b'x'; 40_000])), "- 19/2 malformed -"),
        (
            "headers longer than their bound",
            frames([long_headers, good.clone()].concat()),
            "- 19/2 oversized -",
        ),
        ("garbage between frames", behind(b"garbage, and more of it"), "- 19/2 checksum -"),
        ("a payload that is garbage", behind(&of(b"garbage")), "- 19/2 malformed -"),
        ("a payload that breaks off", behind(&of(br#"{"usage":{"#)), "- 19/2 malformed -"),
        ("a payload 10,000 deep", behind(&of(nested(10_000).as_bytes())), "- 19/2 - -"),
        ("a payload 10,000 deep that breaks off", behind(&of(nested(0).as_bytes())), "- 19/2 malformed -"),
        ("a payload that is not UTF-8", behind(&of(b"{\"\xff\":\"\xff\"}")), "- 19/2 - -"),
        (
            "a negative and a fractional count",
            frames(of(br#"{"usage":{"inputTokens":-1,"outputTokens":0.5}}"#)),
            "- -/- - invalid",
        ),
        (
            "a count beyond u64, another repeated",
            frames(of(
                br#"{"usage":{"inputTokens":18446744073709551616,"outputTokens":7,"outputTokens":2}}"#,
            )),
            "- -/2 - -",
        ),
        (
            "said to be JSON",
            {
                let mut s = frames(good.clone());
                s.response_headers = vec![("content-type", "application/json")];
                s
            },
            "- 19/2 - -",
        ),
        (
            "said to be bytes",
            {
                let mut s = frames(good.clone());
                s.response_headers = vec![("content-type", "application/octet-stream")];
                s
            },
            "- -/- content_type content_type",
        ),
    ]);
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn brotli(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let parameters = ::brotli::enc::BrotliEncoderParams { quality: 5, ..Default::default() };
    ::brotli::BrotliCompress(&mut &body[..], &mut out, &parameters).unwrap();
    out
}

fn zstd(body: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(body, 3).unwrap()
}

/// With one bit of the byte so far from the end turned over.
fn turned(mut body: Vec<u8>, from_end: usize) -> Vec<u8> {
    let at = body.len() - from_end;
    body[at] ^= 1;
    body
}

#[test]
fn broken_codings() {
    let whole = document("");
    let body = whole.as_bytes();
    let behind = |encoded: Vec<u8>| [encoded.as_slice(), b"garbage, and more of it"].concat();
    let cut = |encoded: Vec<u8>| encoded[..encoded.len() - 12].to_vec();
    let zeros = vec![b' '; 8 << 20];
    let bomb = [zeros.as_slice(), body].concat();
    let small_windows = |mut scenario: Scenario| {
        scenario.config.limits.max_window_bytes = 1 << 10;
        scenario
    };
    check(&vec![
        ("gzip: nothing wrong", coded("gzip", gzip(body)), "a 19/2 - -"),
        ("gzip: truncated", coded("gzip", gzip(body)[..40].to_vec()), "- -/- truncated truncated"),
        (
            "gzip: truncated in its header",
            coded("gzip", gzip(body)[..5].to_vec()),
            "- -/- truncated truncated",
        ),
        ("gzip: a wrong checksum", coded("gzip", turned(gzip(body), 8)), "a 19/2 encoding_corrupt -"),
        ("gzip: garbage behind it", coded("gzip", behind(gzip(body))), "a 19/2 encoding_corrupt -"),
        ("gzip: oversized", coded("gzip", gzip(&bomb)), "- -/- encoding_expansion encoding_expansion"),
        ("gzip: that is not", coded("gzip", body.to_vec()), "- -/- encoding_corrupt encoding_corrupt"),
        ("gzip: that is zstd", coded("gzip", zstd(body)), "- -/- encoding_corrupt encoding_corrupt"),
        ("gzip: that nobody says", json(gzip(body)), "- -/- malformed malformed"),
        ("deflate: nothing wrong", coded("deflate", zlib(body)), "a 19/2 - -"),
        ("deflate: truncated", coded("deflate", cut(zlib(body))), "a -/- truncated truncated"),
        ("deflate: a wrong checksum", coded("deflate", turned(zlib(body), 1)), "a 19/2 encoding_corrupt -"),
        ("deflate: garbage behind it", coded("deflate", behind(zlib(body))), "a 19/2 - -"),
        ("deflate: oversized", coded("deflate", zlib(&bomb)), "- -/- encoding_expansion encoding_expansion"),
        ("deflate: that is not", coded("deflate", vec![0xff; 40]), "- -/- encoding_corrupt encoding_corrupt"),
        ("br: nothing wrong", coded("br", brotli(body)), "a 19/2 - -"),
        ("br: truncated", coded("br", cut(brotli(body))), "a -/- truncated truncated"),
        ("br: garbage behind it", coded("br", behind(brotli(body))), "a 19/2 - -"),
        ("br: oversized", coded("br", brotli(&bomb)), "- -/- encoding_expansion encoding_expansion"),
        ("br: that is not", coded("br", vec![0x21; 40]), "- -/- encoding_corrupt encoding_corrupt"),
        (
            "br: a window beyond the bound",
            small_windows(coded("br", brotli(body))),
            "- -/- encoding_memory encoding_memory",
        ),
        ("zstd: nothing wrong", coded("zstd", zstd(body)), "a 19/2 - -"),
        ("zstd: truncated", coded("zstd", cut(zstd(body))), "- -/- truncated truncated"),
        ("zstd: garbage behind it", coded("zstd", behind(zstd(body))), "a 19/2 encoding_corrupt -"),
        ("zstd: oversized", coded("zstd", zstd(&bomb)), "- -/- encoding_expansion encoding_expansion"),
        ("zstd: that is not", coded("zstd", body.to_vec()), "- -/- encoding_corrupt encoding_corrupt"),
        (
            "zstd: a window beyond the bound",
            small_windows(coded("zstd", zstd(&bomb))),
            "- -/- encoding_memory encoding_memory",
        ),
        (
            "a coding of an unknown name",
            coded("compress", body.to_vec()),
            "- -/- content_encoding content_encoding",
        ),
        (
            "more codings than anyone applies",
            coded("gzip, br, zstd, gzip, br", body.to_vec()),
            "- -/- content_encoding content_encoding",
        ),
        (
            "codings in the wrong order",
            coded("br, gzip", brotli(&gzip(body))),
            "- -/- encoding_corrupt encoding_corrupt",
        ),
        (
            "several, the inner one truncated",
            coded("br, gzip", gzip(&cut(brotli(body)))),
            "a -/- truncated truncated",
        ),
    ]);
}
