mod places;

use proptest::prelude::{Just, Strategy, prop_assert_eq, prop_oneof, proptest};

use super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Id,
    Count,
    Flag,
    Item,
    Name,
    Usage,
    Tokens,
    Stop,
}

static ITEM: Node<Tag> = Node::object(&[("name", Node::scalar(Tag::Name, 16))]).reported(Tag::Item);
static STOP: Node<Tag> = Node::scalar(Tag::Stop, 16);
static ROOT: Node<Tag> = Node::object(&[
    ("id", Node::scalar(Tag::Id, 8)),
    ("count", Node::scalar(Tag::Count, 8)),
    ("flag", Node::scalar(Tag::Flag, 8)),
    ("items", Node::array(&ITEM)),
    ("stop", Node::scalar(Tag::Stop, 16).or_array(&STOP)),
    ("text", Node::scalar(Tag::Name, 64)),
    ("usage", Node::object(&[("tokens", Node::scalar(Tag::Tokens, 8))]).verbatim(Tag::Usage, 32)),
]);

/// Writes down every call.
#[derive(Default)]
struct Log(Vec<String>);

impl Sink<Tag> for Log {
    fn open(&mut self, tag: Tag) {
        self.0.push(format!("{tag:?} {{"));
    }
    fn close(&mut self, tag: Tag) {
        self.0.push(format!("}} {tag:?}"));
    }
    fn scalar(&mut self, tag: Tag, value: Scalar<'_>) {
        self.0.push(match value {
            Scalar::String { bytes, truncated } => {
                format!("{tag:?}={:?}{}", String::from_utf8_lossy(bytes), if truncated { "…" } else { "" })
            }
            other => format!("{tag:?}={other:?}"),
        });
    }
    fn verbatim(&mut self, tag: Tag, json: Option<&[u8]>) {
        self.0.push(format!("{tag:?} is {:?}", json.map(String::from_utf8_lossy)));
    }
}

fn read(pieces: &[&[u8]]) -> (Vec<String>, Result<(), JsonError>) {
    let mut log = Log::default();
    let mut scanner = Scanner::new(&ROOT);
    for piece in pieces {
        scanner.feed(piece, &mut log);
    }
    let end = scanner.finish(&mut log);
    (log.0, end)
}

/// Whole, cut in two at every byte, and byte by byte: always the same calls.
fn check(input: impl AsRef<[u8]>, calls: &[&str], end: Result<(), JsonError>) {
    let input = input.as_ref();
    let expected = (calls.iter().map(ToString::to_string).collect::<Vec<_>>(), end);
    assert_eq!(read(&[input]), expected, "whole: {}", String::from_utf8_lossy(input));
    for cut in 0..input.len().min(2_000) {
        let (head, tail) = input.split_at(cut);
        assert_eq!(read(&[head, tail]), expected, "cut at {cut}: {}", String::from_utf8_lossy(input));
    }
    assert_eq!(read(&input.chunks(1).collect::<Vec<_>>()), expected, "byte by byte");
}

#[test]
fn scalars_of_every_type() {
    check(r#"{"id":"x"}"#, &[r#"Id="x""#], Ok(()));
    check(r#"{"id":""}"#, &[r#"Id="""#], Ok(()));
    check(r#" { "count" : -1.5e+3 } "#, &[r#"Count=Number("-1.5e+3")"#], Ok(()));
    check(r#"{"count":0,"flag":true}"#, &[r#"Count=Number("0")"#, "Flag=Bool(true)"], Ok(()));
    check(r#"{"flag":false,"id":null}"#, &["Flag=Bool(false)", "Id=Null"], Ok(()));
}

#[test]
fn strings_are_unescaped_and_bounded() {
    check(r#"{"id":"a\"\\\/\n"}"#, &[r#"Id="a\"\\/\n""#], Ok(()));
    check(r#"{"id":"\u00e9\ud83d\ude00"}"#, &[r#"Id="é😀""#], Ok(()));
    check(r#"{"id":"\ud83dx"}"#, &["Id=\"\u{fffd}x\""], Ok(()));
    check(r#"{"id":"\ud83d"}"#, &["Id=\"\u{fffd}\""], Ok(()));
    check(r#"{"id":"\ud83d\ud83d\ude00"}"#, &["Id=\"\u{fffd}😀…\"".replace('…', "").as_str()], Ok(()));
    check(r#"{"id":"\ude00a"}"#, &["Id=\"\u{fffd}a\""], Ok(()));
    check(r#"{"id":"123456789"}"#, &[r#"Id="12345678"…"#], Ok(()));
    check(b"{\"id\":\"\xff\"}", &["Id=\"\u{fffd}\""], Ok(()));
}

/// They are copied in blocks.
#[test]
fn escapes_may_stand_anywhere() {
    for (escape, plain) in [(r"\n", "\n"), (r"\u00e9", "é"), (r"\ud83d\ude00", "😀"), (r"\ud83d", "\u{fffd}")]
    {
        for before in 0..36 {
            for behind in [0, 1, 13, 15, 16, 17, 31, 33, 48, 70] {
                let (before, behind) = ("a".repeat(before), "b".repeat(behind));
                let text = format!("{before}{plain}{plain}{behind}");
                let kept = String::from_utf8_lossy(text.as_bytes().get(..64).unwrap_or(text.as_bytes()));
                let cut = if text.len() > 64 { "…" } else { "" };
                check(
                    format!(r#"{{"text":"{before}{escape}{escape}{behind}","count":1}}"#),
                    &[&format!("Name={kept:?}{cut}"), r#"Count=Number("1")"#],
                    Ok(()),
                );
            }
        }
    }
}

#[test]
fn what_comes_behind_a_bound_is_passed_over() {
    let calls = [r#"Id="12345678"…"#, r#"Count=Number("1")"#];
    for rest in [r#"9\""#, r"\\\\\\9", r"\u00e9\ud83d", "9\\x", &r#"[{\"\\}"#.repeat(30)] {
        check(format!(r#"{{"id":"12345678{rest}","count":1}}"#), &calls, Ok(()));
    }
}

#[test]
fn a_bound_for_all_holds_for_every_document_of_a_stream() {
    let mut scanner = Scanner::bounded(&ROOT, 4);
    for _ in 0..3 {
        let mut log = Log::default();
        scanner.feed(br#"{"id":"123456","count":1,"stop":"1234","usage":{"tokens":1}}"#, &mut log);
        assert_eq!(scanner.finish(&mut log), Ok(()));
        let expected = [
            r#"Id="1234"…"#,
            r#"Count=Number("1")"#,
            r#"Stop="1234""#,
            r#"Tokens=Number("1")"#,
            "Usage is None",
        ];
        assert_eq!(log.0, expected);
        scanner.reset();
    }
}

#[test]
fn keys_match_exactly_and_unescaped() {
    check(r#"{"\u0069d":"x","idx":"y","i":"z"}"#, &[r#"Id="x""#], Ok(()));
    check(r#"{"usage":{"id":"no"},"other":{"id":"no"}}"#, &[r#"Usage is Some("{\"id\":\"no\"}")"#], Ok(()));
    check(format!(r#"{{"{}":1,"id":"x"}}"#, "k".repeat(300)), &[r#"Id="x""#], Ok(()));
}

#[test]
fn a_repeated_key_is_reported_again() {
    check(r#"{"id":"a","id":"b"}"#, &[r#"Id="a""#, r#"Id="b""#], Ok(()));
}

#[test]
fn arrays_and_reported_containers() {
    check(
        r#"{"items":[{"name":"a","x":[{"name":"no"}]},{},3,[]],"id":"z"}"#,
        &["Item {", r#"Name="a""#, "} Item", "Item {", "} Item", "Item {", "} Item", r#"Id="z""#],
        Ok(()),
    );
    check(r#"{"items":[]}"#, &[], Ok(()));
    check(r#"{"stop":"s"}"#, &[r#"Stop="s""#], Ok(()));
    check(r#"{"stop":["s","t"]}"#, &[r#"Stop="s""#, r#"Stop="t""#], Ok(()));
}

#[test]
fn verbatim_keeps_the_bytes_up_to_its_bound() {
    check(
        r#"{"usage": { "tokens" : 7 } ,"id":"x"}"#,
        &[r#"Tokens=Number("7")"#, r#"Usage is Some("{ \"tokens\" : 7 }")"#, r#"Id="x""#],
        Ok(()),
    );
    let long = format!(r#"{{"usage":{{"pad":"{}","tokens":7}}}}"#, "p".repeat(64));
    check(long, &[r#"Tokens=Number("7")"#, "Usage is None"], Ok(()));
    check(r#"{"usage":null}"#, &[], Ok(()));
    check(r#"{"usage":[1]}"#, &[r#"Usage is Some("[1]")"#], Ok(()));
}

#[test]
fn what_nobody_asked_for_is_skipped_to_any_depth() {
    check(r#"{"a":"\"}]","b":{"c":["]"]},"d":12,"e":null,"id":"x"}"#, &[r#"Id="x""#], Ok(()));
    for text in [r#"}]\""#, r"\\\\", r#"\\\"{["#, "plain and long enough for a block"] {
        for count in [1, 7, 16, 40] {
            let text = text.repeat(count);
            let skipped = format!(r#"[{{"{text}":["{text}",{{}},"{text}"]}},"{text}"]"#);
            check(format!(r#"{{"a":{skipped},"id":"x"}}"#), &[r#"Id="x""#], Ok(()));
        }
    }
    let deep = format!(r#"{{"a":{}{},"id":"x"}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let (calls, end) = read(&[deep.as_bytes()]);
    assert_eq!((calls, end), (vec![r#"Id="x""#.to_owned()], Ok(())));
    // Beyond the levels whose kind is remembered, and back again.
    for depth in [63, 64, 65, 100, 130] {
        let mixed = format!(r#"{{"a":{}1{},"id":"x"}}"#, r#"[{"k":"#.repeat(depth), "}]".repeat(depth));
        assert_eq!(read(&[mixed.as_bytes()]), (vec![r#"Id="x""#.to_owned()], Ok(())), "{depth}");
    }
}

#[test]
fn documents_that_are_no_objects() {
    check("3", &[], Ok(()));
    check("\"text\"", &[], Ok(()));
    check("[1,2]", &[], Ok(()));
    check("null", &[], Ok(()));
}

#[test]
fn malformed_documents_keep_what_was_certain() {
    let malformed = Err(JsonError::Malformed);
    check(r#"{"id":"x","count":}"#, &[r#"Id="x""#], malformed);
    check(r#"{"id":"x"} trailing"#, &[r#"Id="x""#], malformed);
    check(r#"{"id" "x"}"#, &[], malformed);
    check(r#"{"a":[},"id":"x"}"#, &[], malformed);
    check(r#"{"a":{"b":[1}]},"id":"x"}"#, &[], malformed);
    check(r#"{"items":[{"name":"a"}}"#, &["Item {", r#"Name="a""#, "} Item"], malformed);
    check(r#"{"id":"\x"}"#, &[], malformed);
    check(r#"{"flag":truth}"#, &[], malformed);
    check(r#"{"count":01}"#, &[], malformed);
    check(r#"{"count":1.}"#, &[], malformed);
    check("<html>", &[], malformed);
}

#[test]
fn truncated_documents_say_so() {
    let truncated = Err(JsonError::Truncated);
    check("", &[], truncated);
    check("  ", &[], truncated);
    check(r#"{"id":"x","count":12"#, &[r#"Id="x""#], truncated);
    check(r#"{"usage":{"tokens":7"#, &[], truncated);
    check(r#"{"a":[[["#, &[], truncated);
}

#[test]
fn numbers_beyond_any_use() {
    let digits = format!(r#"{{"count":{}}}"#, "9".repeat(5_000));
    let (calls, end) = read(&[digits.as_bytes()]);
    assert_eq!((calls, end), (vec!["Count=Overlong".to_owned()], Ok(())));
}

#[test]
fn memory_does_not_grow_with_the_document() {
    let mut log = Log::default();
    let mut scanner = Scanner::new(&ROOT);
    scanner.feed(br#"{"id":""#, &mut log);
    for _ in 0..10_000 {
        scanner.feed(&[b'x'; 100], &mut log);
    }
    assert!(scanner.text.bytes.capacity() <= 64, "{}", scanner.text.bytes.capacity());
}

#[test]
fn a_string_that_is_cut_keeps_its_white_space() {
    check(
        "{\"id\":\"   a  b\", \"stop\" : [ \" \\n c \" ] }",
        &["Id=\"   a  b\"", "Stop=\" \\n c \""],
        Ok(()),
    );
}

/// Documents of a stream, most of which begin alike.
fn streams() -> impl Strategy<Value = Vec<String>> {
    let value = prop_oneof![
        Just("1"),
        Just("17"),
        Just("-0.5e3"),
        Just("01"),
        Just("\"a\""),
        Just("\"a longer text\""),
        Just("\"a\\n\""),
        Just("true"),
        Just("null"),
        Just("nul"),
        Just("[1]"),
        Just("{\"name\":\"x\"}"),
    ];
    let key =
        prop_oneof![Just("id"), Just("count"), Just("flag"), Just("stop"), Just("other"), Just("usage")];
    let comma = prop_oneof![8 => Just(","), 2 => Just(", "), 1 => Just(" ,")];
    let member = (key, value, comma).prop_map(|(key, value, comma)| format!("\"{key}\":{value}{comma}"));
    let opening = proptest::collection::vec(member.clone(), 0..8);
    let document = (0..9_usize, proptest::collection::vec(member, 0..3), 0..60_usize);
    (opening, proptest::collection::vec(document, 1..12)).prop_map(|(opening, documents)| {
        let document = |(common, more, cut): (usize, Vec<String>, usize)| {
            let members: String = opening.iter().take(common).chain(&more).map(String::as_str).collect();
            let whole = format!("{{{members}\"id\":\"last\"}}");
            whole.get(..whole.len().min(cut.max(20))).unwrap_or(&whole).to_owned()
        };
        documents.into_iter().map(document).collect()
    })
}

proptest! {
    #[test]
    fn what_came_before_changes_nothing(documents in streams(), cut in 1..40_usize) {
        for pieces in [cut, usize::MAX] {
            let mut scanner = Scanner::new(&ROOT);
            for document in &documents {
                let mut log = Log::default();
                for piece in document.as_bytes().chunks(pieces.min(document.len())) {
                    scanner.feed(piece, &mut log);
                }
                let end = scanner.finish(&mut log);
                prop_assert_eq!((log.0, end), read(&[document.as_bytes()]), "{}", document);
                scanner.reset();
            }
        }
    }
}
