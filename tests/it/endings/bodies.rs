//! Answers of two providers. Counts are the same in all of one provider's: 19 and 10 for OpenAI, 25 and 15 for
//! Anthropic, whose streams begin with 25 and 1.

use meshtap_tests::wire::Answer;

pub(super) const CHAT: &str = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"Say hi"}]}"#;
pub(super) const MESSAGES: &str = r#"{"model":"claude-sonnet-4-5","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"Say hi"}]}"#;

pub(super) const OPENAI: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","model":"gpt-4o-2024-08-06","usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29},"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}"#;
/// The end of [`OPENAI`]'s usage object.
pub(super) const AFTER_USAGE: &str = r#""total_tokens":29}"#;

const OPENAI_EVENTS: [&str; 4] = [
    r#"{"id":"chatcmpl-1","model":"gpt-4o-2024-08-06","choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"},"finish_reason":null}]}"#,
    r#"{"id":"chatcmpl-1","model":"gpt-4o-2024-08-06","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
    r#"{"id":"chatcmpl-1","model":"gpt-4o-2024-08-06","choices":[],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29}}"#,
    "[DONE]",
];

const ANTHROPIC_EVENTS: [(&str, &str); 6] = [
    (
        "message_start",
        r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5-20250929","content":[],"stop_reason":null,"usage":{"input_tokens":25,"output_tokens":1}}}"#,
    ),
    (
        "content_block_start",
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
    ),
    (
        "content_block_delta",
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#,
    ),
    ("content_block_stop", r#"{"type":"content_block_stop","index":0}"#),
    (
        "message_delta",
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":15}}"#,
    ),
    ("message_stop", r#"{"type":"message_stop"}"#),
];

/// [`OPENAI`] with its length.
pub(super) fn openai() -> Answer {
    Answer::json(200, OPENAI)
}

/// A whole stream of OpenAI's, each event a write.
pub(super) fn openai_events() -> Answer {
    OPENAI_EVENTS.iter().fold(Answer::events(), |answer, data| answer.body(format!("data: {data}\n\n")))
}

/// A whole stream of Anthropic's, each event a write.
pub(super) fn anthropic_events() -> Answer {
    anthropic_beginning(ANTHROPIC_EVENTS.len())
}

/// The first events of such a stream.
pub(super) fn anthropic_beginning(events: usize) -> Answer {
    let events = ANTHROPIC_EVENTS.iter().take(events);
    events.fold(Answer::events(), |answer, (name, data)| {
        answer.body(format!("event: {name}\ndata: {data}\n\n"))
    })
}
