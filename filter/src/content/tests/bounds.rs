//! What is cut, what makes room for what, and that memory stays within its bound.

use proptest::prelude::*;

use super::*;
use crate::content::{ContentShape, Transcript, shapes as of};
use crate::wire::json::Scanner;

fn json_of(content: &Content) -> Vec<&str> {
    let parts = [
        &content.system_instructions,
        &content.input_messages,
        &content.output_messages,
        &content.tool_definitions,
    ];
    parts.into_iter().flatten().map(String::as_str).collect()
}

#[test]
fn texts_are_cut_between_characters_and_marked() {
    for (character, bytes) in [("a", 1), ("é", 2), ("€", 3), ("😀", 4), ("\"", 2), ("\n", 2), ("\u{1}", 6)]
    {
        for extra in 0..8 {
            let text = "x".repeat(extra) + &character.repeat(5_000);
            let content = chat(&text, "short").bounds(1_024, 8_192).content();
            assert!(content.truncated);
            let input = content.input_messages.as_deref().unwrap();
            assert!(input.ends_with(r#"","truncated":true}]}]"#), "{input}");
            let value: serde_json::Value = serde_json::from_str(input).unwrap();
            let kept = value[0]["parts"][0]["content"].as_str().unwrap();
            assert!(text.starts_with(kept) && !kept.is_empty());
            // Nothing that would have fitted is left out.
            assert!(input.len() + 1_024 / 2 > 1_024 && input.len() <= 1_024, "{} {bytes}", input.len());
            assert!(!content.output_messages.unwrap().contains("truncated"));
        }
    }
}

/// A marker that is longer than what it stands for may find no room.
#[test]
fn what_a_marker_cuts_off_is_marked() {
    let long = "a@b.io ".repeat(1_000);
    let call = chat(&long, "I wrote to x@y.io; ticket 12345.").mode(ContentMode::Redacted);
    let content = call.bounds(2_048, 4_096).content();
    assert!(content.truncated);
    let input = content.input_messages.unwrap();
    assert!(input.ends_with(r#"","truncated":true}]}]"#), "{input}");
    // The answer has its room first.
    let output = content.output_messages.unwrap();
    assert!(output.contains("[REDACTED:email]; ticket 12345.") && !output.contains("truncated"), "{output}");
}

/// What markers add counts: a message keeps its bound, whatever room the span has.
#[test]
fn markers_stay_within_the_bound_of_a_message() {
    let arguments = format!(r#"{{\"to\":[{}]}}"#, vec![r#"\"a@b.io\""#; 60].join(","));
    let messages = [
        format!(r#"{{"role":"system","content":"{}"}}"#, "a@b.io ".repeat(1_000)),
        format!(r#"{{"role":"user","content":"{}"}}"#, "a@b.io ".repeat(1_000)),
        format!(
            r#"{{"role":"assistant","tool_calls":[{{"id":"c","function":{{"name":"f","arguments":"{arguments}"}}}}]}}"#
        ),
    ];
    for message in messages {
        let request = format!(r#"{{"messages":[{message}]}}"#);
        let call = Call::json(CHAT, &request, "{}").mode(ContentMode::Redacted);
        let content = call.bounds(1_024, 64 << 10).content();
        assert!(content.truncated);
        let [json] = json_of(&content)[..] else { panic!("{content:?}") };
        assert!(json.contains("[REDACTED:email]") && json.contains(r#""truncated":true"#), "{json}");
        // The brackets around the list of messages are the span's.
        assert!((512..=1_026).contains(&json.len()), "{} {json}", json.len());
    }
}

/// What is longer than any role is none, and what is no word.
#[test]
fn a_role_stays_within_the_bound_of_its_message() {
    let user = || "user".to_owned();
    for (role, shown) in [
        ("r".repeat(20), "r".repeat(20)),
        ("r".repeat(21), user()),
        ("document 1".to_owned(), "document 1".to_owned()),
        (r"\u0001r".repeat(3), user()),
    ] {
        let is_cut = role != shown;
        let text = "a".repeat(2_000);
        for parts in [format!(r#""{text}""#), format!(r#"[{{"type":"text","text":"{text}"}}]"#)] {
            let request = format!(r#"{{"messages":[{{"content":{parts},"role":"{role}"}}]}}"#);
            let content = Call::json(CHAT, &request, "{}").bounds(1_024, 64 << 10).content();
            let input = content.input_messages.unwrap();
            assert!(input.starts_with(&format!(r#"[{{"role":"{shown}","parts"#)), "{input}");
            assert!((512..=1_026).contains(&input.len()), "{} {input}", input.len());
        }
        let request = format!(r#"{{"messages":[{{"role":"{role}","content":"short"}}]}}"#);
        assert_eq!(Call::json(CHAT, &request, "{}").content().truncated, is_cut);
        // Instructions apart from the messages have none.
        let request =
            format!(r#"{{"systemInstruction":{{"role":"{role}","parts":[{{"text":"Be brief."}}]}}}}"#);
        let url = "generativelanguage.googleapis.com/v1beta/models/g:generateContent";
        let content = Call::json(url, &request, "{}").content();
        assert!(content.system_instructions.is_some() && !content.truncated);
    }
    // Beside a finish reason stands what takes no more than it has letters.
    for (role, shown) in [("r".repeat(20), "r".repeat(20)), ("a b".to_owned(), "assistant".to_owned())] {
        let answer = format!(
            r#"{{"choices":[{{"message":{{"role":"{role}","content":"short"}},"finish_reason":"stop"}}]}}"#
        );
        let content = Call::json(CHAT, r#"{"messages":[]}"#, &answer).content();
        assert!(content.output_messages.unwrap().starts_with(&format!(r#"[{{"role":"{shown}","#)));
        assert_eq!(content.truncated, role != shown);
    }
}

/// A provider's finish reason is part of the message, and of any length.
#[test]
fn a_finish_reason_stays_within_the_bound_of_its_message() {
    let mail = format!("{} ann@example.com {}", "r".repeat(20), "r".repeat(200));
    let behind = |secret: &str| format!("{}: {secret}, {}", "r".repeat(38), "r".repeat(100));
    let beginning = format!("{}: [REDACTE", "r".repeat(38));
    for (reason, shown) in [
        ("r".repeat(250), "r".repeat(48)),
        (r"\u0001".repeat(40), r"\u0001".repeat(8)),
        (r"\b".repeat(100), r"\b".repeat(24)),
        (mail, format!("{} [REDACTED:email] {}", "r".repeat(20), "r".repeat(10))),
        // What would be cut in the middle of a secret, were it cut first.
        (behind("DE89 3704 0044 0532 0130 00"), beginning.clone()),
        (behind("4111 1111 1111 1111"), beginning.clone()),
        (behind("ann@example.com"), beginning),
        (
            format!("ann.very-long-name.of-a-person.smith-jones@example.com {}", "r".repeat(100)),
            format!("[REDACTED:email] {}", "r".repeat(31)),
        ),
    ] {
        let answer = format!(
            r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":"{}"}},"finish_reason":"{reason}"}}]}}"#,
            "a".repeat(2_000)
        );
        let call = Call::json(CHAT, r#"{"messages":[]}"#, &answer).mode(ContentMode::Redacted);
        let content = call.bounds(1_024, 64 << 10).content();
        let output = content.output_messages.unwrap();
        assert!(output.ends_with(&format!(r#""finish_reason":"{shown}"}}]"#)), "{output}");
        assert!(content.truncated && (512..=1_026).contains(&output.len()), "{} {output}", output.len());
    }
}

/// What comes behind a piece that had no room is not taken for the whole.
#[test]
fn a_piece_without_room_is_cut_and_nothing_follows_it() {
    let says =
        |part: &str| format!(r#"{{"candidates":[{{"content":{{"role":"model","parts":[{part}]}}}}]}}"#);
    for thought in (200..1_000).step_by(7) {
        let thought = says(&format!(r#"{{"text":"{}","thought":true}}"#, "t".repeat(thought)));
        let begins = says(&format!(r#"{{"text":"START {} 4111 1111 1"}}"#, "a".repeat(300)));
        let [goes_on, ends] = [says(r#"{"text":"111 1111 tail"}"#), says(r#"{"text":" end"}"#)];
        let events = [thought, begins, goes_on, ends];
        let events: Vec<_> = events.iter().map(String::as_str).collect();
        let url = "generativelanguage.googleapis.com/v1beta/models/g:streamGenerateContent?alt=sse";
        let content = Call::sse(url, "{}", &events).bounds(1_024, 8_192).content();
        let output = content.output_messages.unwrap();
        let begins_within = [r#""content":"111"#, r#""content":" end"#].iter().any(|it| output.contains(it));
        assert!(!begins_within, "{output}");
    }
}

/// Nor where it is the first of its answer: the request and another answer have the room.
#[test]
fn the_first_piece_of_an_answer_is_cut_too() {
    let says = |index: usize, text: &str| {
        format!(
            r#"{{"candidates":[{{"index":{index},"content":{{"role":"model","parts":[{{"text":"{text}"}}]}}}}]}}"#
        )
    };
    let tools: Vec<String> = (0..30).map(|at| format!(r#"{{"name":"tool_number_{at}"}}"#)).collect();
    let request = format!(
        r#"{{"systemInstruction":{{"parts":[{{"text":"{0}"}}]}},"contents":[{{"role":"user","parts":[{{"text":"{0}"}}]}}],"tools":[{{"functionDeclarations":[{1}]}}]}}"#,
        "s".repeat(8_000),
        tools.join(",")
    );
    let begins = format!("START {} 4111 1111 1", "a".repeat(7_900));
    let events = [says(0, &"b".repeat(8_000)), says(1, &begins), says(1, "111 1111 and the tail")];
    let events: Vec<_> = events.iter().map(String::as_str).collect();
    let url = "generativelanguage.googleapis.com/v1beta/models/g:streamGenerateContent?alt=sse";
    let content = Call::sse(url, &request, &events).content();
    let output = content.output_messages.unwrap();
    assert!(content.truncated && output.contains("START aaa"), "{}", output.len());
    assert!(!output.contains("and the tail"), "{}", output.len());

    let choices: Vec<String> = (0..4)
        .map(|index| format!(r#"{{"index":{index},"message":{{"content":"{}"}}}}"#, "c".repeat(9_000)))
        .collect();
    let answer = format!(r#"{{"choices":[{}]}}"#, choices.join(","));
    let content = Call { response: answer.into(), ..chat(&"q".repeat(6_000), "") }.content();
    assert_eq!(content.output_messages.unwrap().matches("finish_reason").count(), 4);
}

/// What stands twice in its JSON, and what takes more there than it has characters.
#[test]
fn names_count_as_what_they_take() {
    let calls: Vec<String> = (0..200)
        .map(|at| format!(r#"{{"type":"mcp_call","name":"{}{at}","arguments":"{{}}"}}"#, "n".repeat(240)))
        .collect();
    let answer = format!(r#"{{"output":[{}]}}"#, calls.join(","));
    let content = Call::json("api.openai.com/v1/responses", "{}", &answer).content();
    let length = content.output_messages.unwrap().len();
    assert!((4_096..=8_194).contains(&length), "{length}");

    let odd = "\\u0001".repeat(42);
    let turns: Vec<String> = (0..200)
        .map(|_| {
            format!(r#"{{"role":"assistant","tool_calls":[{{"id":"{odd}","function":{{"name":"{odd}"}}}}]}}"#)
        })
        .collect();
    let request = format!(r#"{{"messages":[{}]}}"#, turns.join(","));
    let content = Call::json(CHAT, &request, "{}").bounds(8_192, 8_192).content();
    let length = content.input_messages.unwrap().len();
    assert!((2_048..=8_192).contains(&length), "{length}");
}

/// What has a short escape has it in what is treated, too.
#[test]
fn escapes_in_arguments_are_no_longer_than_they_were() {
    let odd = r"\b\f\n\r\t\u000b".repeat(20);
    let turn = format!(
        r#"{{"role":"assistant","content":[{{"type":"tool_use","id":"t","name":"f","input":{{"a":"{odd}"}}}}]}}"#
    );
    let request = format!(r#"{{"messages":[{}]}}"#, vec![turn; 10].join(","));
    for mode in [ContentMode::Full, ContentMode::Redacted] {
        let call = Call::json("api.anthropic.com/v1/messages", &request, "{}").mode(mode);
        let input = call.bounds(1_024, 4_096).content().input_messages.unwrap();
        assert!(input.contains(&odd) && (2_048..=4_096).contains(&input.len()), "{} {input}", input.len());
    }
}

/// The id of what is answered stands in each part of the answer.
#[test]
fn ids_of_results_stay_within_the_bound_of_a_message() {
    let long = "a".repeat(2_000);
    let part = |text: &str| format!(r#"{{"type":"text","text":"{text}"}}"#);
    for id in ["i".repeat(30), "i".repeat(120), "i".repeat(250), r"\u0001".repeat(40)] {
        for content in [
            format!("\"{long}\""),
            format!("[{}]", vec![part("short"); 50].join(",")),
            format!("[{},{}]", part("short"), part(&long)),
        ] {
            for message in [
                format!(r#"{{"role":"tool","tool_call_id":"{id}","content":{content}}}"#),
                format!(r#"{{"role":"tool","content":{content},"tool_call_id":"{id}"}}"#),
            ] {
                let request = format!(r#"{{"messages":[{message}]}}"#);
                for mode in [ContentMode::Full, ContentMode::Redacted, ContentMode::Fingerprint] {
                    let call = Call::json(CHAT, &request, "{}").mode(mode).bounds(1_024, 64 << 10);
                    let content = call.content();
                    let input = content.input_messages.unwrap();
                    assert!(content.truncated && input.len() <= 1_026, "{} {input}", input.len());
                    let begins = r#"[{"role":"tool","parts":[{"type":"tool_call_response","id":"#;
                    assert!(input.starts_with(begins), "{input}");
                }
            }
        }
    }
}

/// The longest words are cut before they are treated.
#[test]
fn a_word_that_was_cut_ends_in_no_beginning_of_a_secret() {
    for secret in ["4111 1111 1111 1111", "zqcanary.long@example.com"] {
        for before in 225..245 {
            let id = "x ".repeat(before / 2) + &" ".repeat(before % 2) + secret + " and more";
            let request =
                format!(r#"{{"messages":[{{"role":"tool","tool_call_id":"{id}","content":"a"}}]}}"#);
            let content = Call::json(CHAT, &request, "{}").mode(ContentMode::Redacted).content();
            let input = content.input_messages.unwrap();
            assert!(!input.contains("4111 1") && !input.contains("zqcan"), "{input}");
            assert!(content.truncated || input.contains("[REDACTED"), "{input}");
        }
    }
}

/// Their fingerprints are longer than they are.
#[test]
fn fingerprints_of_names_stay_within_the_bound_of_a_message() {
    let call = r#"{"id":"?","type":"function","function":{"name":"?","arguments":"?"}}"#;
    for calls in 1..60 {
        let calls = vec![call; calls].join(",");
        let request = format!(r#"{{"messages":[{{"role":"assistant","tool_calls":[{calls}]}}]}}"#);
        let call = Call::json(CHAT, &request, "{}").mode(ContentMode::Fingerprint).bounds(4_096, 64 << 10);
        let content = call.content();
        let input = content.input_messages.unwrap();
        assert!(input.contains(r#""id":"siphash-128:"#) && input.len() <= 4_098, "{} {input}", input.len());
    }
}

#[test]
fn a_stream_is_cut_once_and_stays_cut() {
    // Where four bytes have no room any more, one has.
    for extra in 0..4 {
        let pieces: Vec<String> = (0..20)
            .map(|at| match at {
                0 => "x".repeat(extra),
                at if at % 2 == 1 => "😀".repeat(75),
                _ => "z".to_owned(),
            })
            .collect();
        let events: Vec<String> = pieces
            .iter()
            .map(|piece| format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"{piece}"}}}}]}}"#))
            .collect();
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        let content = Call::sse(CHAT, "{}", &events).bounds(1_024, 8_192).content();
        let output = content.output_messages.as_deref().unwrap();
        let value: serde_json::Value = serde_json::from_str(output).unwrap();
        let kept = value[0]["parts"][0]["content"].as_str().unwrap();
        assert!(pieces.concat().starts_with(kept), "nothing is missing in the middle");
        assert!(kept.len() > 512 && kept.len() < 1_024);
        assert_eq!(value[0]["parts"][0]["truncated"], true);
        assert!(content.truncated);
    }
}

#[test]
fn arguments_that_are_cut_become_text() {
    let arguments = format!(r#"{{"text":"{}"}}"#, "w".repeat(5_000));
    let call = Call::json(
        "api.anthropic.com/v1/messages",
        &format!(
            r#"{{"messages":[{{"role":"assistant","content":[{{"type":"tool_use","id":"t","name":"write","input":{arguments}}}]}}]}}"#
        ),
        "{}",
    );
    let content = call.bounds(1_024, 8_192).content();
    let input = content.input_messages.unwrap();
    assert!(input.contains(r#""arguments":"{\"text\":\"www"#), "{input}");
    assert!(input.ends_with(r#"www","truncated":true}]}]"#), "{input}");
}

/// A conversation of `turns` messages of so many bytes.
fn conversation(turns: usize, bytes: usize) -> String {
    let messages: Vec<String> = (0..turns)
        .map(|turn| format!(r#"{{"role":"user","content":"turn {turn} {}"}}"#, "x".repeat(bytes)))
        .collect();
    format!(
        r#"{{"messages":[{{"role":"system","content":"the rules"}},{}],"tools":[{{"type":"function","function":{{"name":"f"}}}}]}}"#,
        messages.join(",")
    )
}

#[test]
fn instructions_and_the_newest_messages_stay() {
    let answer = r#"{"choices":[{"index":0,"message":{"content":"the answer"},"finish_reason":"stop"}]}"#;
    let content = Call::json(CHAT, &conversation(100, 500), answer).bounds(2_048, 8_192).content();
    let input = content.input_messages.as_deref().unwrap();
    assert!(input.contains("the rules"));
    assert!(input.contains("turn 99 ") && input.contains("turn 98 "));
    assert!(!input.contains("turn 0 ") && !input.contains("turn 50 "));
    assert!(content.output_messages.as_deref().unwrap().contains("the answer"));
    assert!(content.tool_definitions.is_some());
    let kept = input.matches("\"role\"").count();
    assert_eq!(content.dropped_messages, 101 - kept as u64);
    assert!(content.truncated);
    assert!(json_of(&content).iter().map(|json| json.len()).sum::<usize>() <= 8_192);
}

#[test]
fn an_answer_makes_room_for_itself() {
    let answer = format!(
        r#"{{"choices":[{{"index":0,"message":{{"content":"{}"}},"finish_reason":"stop"}}]}}"#,
        "a".repeat(5_000)
    );
    let content = Call::json(CHAT, &conversation(20, 500), &answer).bounds(2_048, 8_192).content();
    assert!(content.output_messages.as_deref().unwrap().len() > 1_500);
    assert!(content.input_messages.as_deref().unwrap().contains("turn 19 "));
}

#[test]
fn the_smallest_bounds_still_give_a_span() {
    for (message, span) in [(256, 1_024), (1 << 18, 1_024), (256, 1 << 18)] {
        let content = Call::json(CHAT, &conversation(50, 5_000), "{}").bounds(message, span).span().content;
        let content = content.expect("content, or that there was some");
        assert!(content.truncated);
        assert!(json_of(&content).iter().map(|json| json.len()).sum::<usize>() <= span);
    }
}

#[test]
fn more_choices_than_fit() {
    let choices: Vec<String> = (0..100)
        .map(|index| format!(r#"{{"index":{index},"message":{{"content":"{}"}}}}"#, "c".repeat(900)))
        .collect();
    let answer = format!(r#"{{"choices":[{}]}}"#, choices.join(","));
    let content = chat("q", "").bounds(2_048, 8_192);
    let content = Call { response: answer.into(), ..content }.content();
    assert!(content.truncated);
    assert!(content.output_messages.unwrap().len() < 8_192);
    assert!(content.input_messages.unwrap().contains("\"q\""));
}

const SHAPES: [&ContentShape; 8] = [
    &of::CHAT,
    &of::RESPONSES,
    &of::ANTHROPIC,
    &of::GEMINI,
    &of::CONVERSE,
    &of::OLLAMA,
    &of::COHERE,
    &of::BARE,
];

/// Names that mean something somewhere.
const NAMES: [&str; 40] = [
    "messages",
    "role",
    "content",
    "type",
    "text",
    "tool_calls",
    "id",
    "index",
    "function",
    "name",
    "arguments",
    "choices",
    "delta",
    "message",
    "input",
    "output",
    "item",
    "output_index",
    "response",
    "system",
    "contents",
    "parts",
    "candidates",
    "functionCall",
    "args",
    "thought",
    "toolUse",
    "toolUseId",
    "toolResult",
    "tool_use_id",
    "content_block",
    "partial_json",
    "thinking",
    "contentBlockIndex",
    "start",
    "prompt",
    "source",
    "url",
    "tools",
    "tool_call_id",
];
const WORDS: [&str; 12] = [
    "user",
    "system",
    "tool",
    "text",
    "tool_use",
    "tool_result",
    "response.output_text.delta",
    "response.output_item.done",
    "response.function_call_arguments.delta",
    "function_call",
    "reasoning",
    "data:image/png;base64,A",
];

fn document(max_text: usize) -> impl Strategy<Value = serde_json::Value> {
    let text = (any::<char>(), 0..max_text).prop_map(|(letter, length)| letter.to_string().repeat(length));
    let leaf = prop_oneof![
        3 => text.prop_map(serde_json::Value::from),
        3 => proptest::sample::select(&WORDS[..]).prop_map(serde_json::Value::from),
        1 => (0..4_u32).prop_map(serde_json::Value::from),
        1 => any::<bool>().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(6, 200, 12, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..12).prop_map(serde_json::Value::from),
            proptest::collection::vec((proptest::sample::select(&NAMES[..]), inner), 0..12).prop_map(
                |members| { members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect() }
            ),
        ]
    })
}

/// What looks like a call, so that what it says is kept.
fn conversation_like(max_messages: usize, max_text: usize) -> impl Strategy<Value = serde_json::Value> {
    use serde_json::json;
    let text =
        move || (any::<char>(), 0..max_text).prop_map(|(letter, length)| letter.to_string().repeat(length));
    let item = prop_oneof![
        text().prop_map(|text| json!({"type": "text", "text": text})),
        text().prop_map(|text| json!({"type": "tool_use", "id": "i", "name": text, "input": {"a": text}})),
        text().prop_map(|text| json!({"type": "tool_result", "tool_use_id": text, "content": [{"text": text}, {"text": text}]})),
        text().prop_map(|text| json!({"functionCall": {"name": "f", "args": [text]}, "text": text, "thought": true})),
        text().prop_map(|text| json!({"type": text, "image_url": {"url": text}})),
    ];
    let items = || proptest::collection::vec(item.clone(), 0..12);
    let call = (0..3_u32, text()).prop_map(
        |(index, text)| json!({"index": index, "id": "c", "function": {"name": "f", "arguments": text}}),
    );
    let message = (proptest::sample::select(&WORDS[..]), text(), items(), proptest::collection::vec(call, 0..6))
        .prop_map(|(role, text, items, calls)| {
            json!({"role": role, "content": items, "parts": items, "type": "message", "reasoning_content": text,
                "tool_calls": calls, "text": text})
        });
    let messages = proptest::collection::vec(message.clone(), 0..max_messages);
    (messages, message, 0..4_u32, text()).prop_map(|(messages, message, index, text)| {
        let choices: Vec<_> = messages.iter().take(5).map(|message| json!({"message": message, "index": index})).collect();
        json!({"messages": messages, "contents": messages, "input": messages, "output": messages, "item": message,
            "candidates": choices, "choices": choices, "system": text, "message": message, "content": message["content"],
            "type": "response.output_text.delta", "delta": {"text": text, "partial_json": text}, "index": index,
            "output_index": index, "tools": messages.iter().map(|_| json!({"name": "tool"})).collect::<Vec<_>>()})
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn memory_stays_within_its_bound(
        documents in proptest::collection::vec(prop_oneof![document(2_000), conversation_like(30, 1_500)], 1..8),
        shape in 0..SHAPES.len(),
        cut in 1..5_000_usize,
    ) {
        let (max_message, max_span) = (1_024, 8_192);
        let mut transcript = Transcript::new(max_message, max_span);
        let shape = SHAPES[shape];
        for (at, document) in documents.iter().enumerate() {
            let is_answer = at > 0;
            let root = match at { 0 => shape.request, 1 => shape.response, _ => shape.event };
            let mut scanner = Scanner::bounded(root, transcript.max_text_bytes());
            for chunk in document.to_string().as_bytes().chunks(cut) {
                scanner.feed(chunk, &mut transcript.collector(is_answer));
                // Four drafts besides what is kept.
                let bound = max_span + 4 * max_message + 8_192;
                prop_assert!(transcript.held_bytes() <= bound, "{}", transcript.held_bytes());
            }
            let _ = scanner.finish(&mut transcript.collector(is_answer));
            transcript.collector(is_answer).end_document(true);
            prop_assert!(transcript.held_bytes() <= max_span + 4_096, "{}", transcript.held_bytes());
        }
        let content = transcript.into_content(super::super::encode::Treatment::Full, &[], false, true);
        if let Some(content) = content {
            let bytes: usize = json_of(&content).iter().map(|json| json.len()).sum();
            prop_assert!(bytes <= max_span, "{bytes}");
            let _ = shown(&content);
        }
    }

    #[test]
    fn nothing_else_depends_on_content(
        request in prop_oneof![document(100), conversation_like(5, 100)],
        documents in proptest::collection::vec(prop_oneof![document(100), conversation_like(5, 100)], 1..4),
        url in proptest::sample::select(&[CHAT, "api.openai.com/v1/responses", "api.anthropic.com/v1/messages",
            "generativelanguage.googleapis.com/v1beta/models/g:streamGenerateContent", "api.cohere.com/v2/chat"][..]),
    ) {
        let events: Vec<String> = documents.iter().map(ToString::to_string).collect();
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        // `span` compares whole, byte by byte, and without content.
        for mode in [ContentMode::Full, ContentMode::Fingerprint] {
            let mut call = Call::sse(url, &request.to_string(), &events).mode(mode).bounds(1_024, 4_096);
            call.span();
            call.content_type = "application/json";
            call.response = events[0].into();
            call.span();
        }
    }
}
