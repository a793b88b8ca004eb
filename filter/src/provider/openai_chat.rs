//! OpenAI chat completions, and the many servers that are compatible with it.
//! <https://platform.openai.com/docs/api-reference/chat>

use super::{Adapter, Field};
use crate::config::{MAX_ATTRIBUTE_BYTES, MAX_RAW_USAGE_BYTES};
use crate::usage;
use crate::wire::json::Node;

pub static ADAPTER: Adapter = Adapter {
    operation_name: "chat",
    openai_api_type: Some("chat_completions"),
    request: &REQUEST,
    response: &RESPONSE,
    event: &EVENT,
    last_event: b"[DONE]",
    usage: usage::openai,
};

const fn text(field: Field) -> Node<Field> {
    Node::scalar(field, MAX_ATTRIBUTE_BYTES)
}

const fn number(field: Field) -> Node<Field> {
    Node::scalar(field, 0)
}

/// Output whose text is not kept: one byte tells whether there is any.
const fn output(field: Field) -> Node<Field> {
    Node::scalar(field, 1)
}

static REQUEST: Node<Field> = Node::object(&[
    ("model", text(Field::RequestModel)),
    ("stream", number(Field::Stream)),
    ("max_tokens", number(Field::MaxTokens)),
    ("max_completion_tokens", number(Field::MaxTokens)),
    ("temperature", number(Field::Temperature)),
    ("top_p", number(Field::TopP)),
    ("frequency_penalty", number(Field::FrequencyPenalty)),
    ("presence_penalty", number(Field::PresencePenalty)),
    ("seed", number(Field::Seed)),
    ("n", number(Field::ChoiceCount)),
    ("stop", text(Field::StopSequence).or_array(&STOP_SEQUENCE)),
    ("response_format", Node::object(&[("type", text(Field::OutputFormat))])),
    ("service_tier", text(Field::RequestServiceTier)),
]);

static STOP_SEQUENCE: Node<Field> = text(Field::StopSequence);

static RESPONSE: Node<Field> = Node::object(&[
    ("id", text(Field::ResponseId)),
    ("model", text(Field::ResponseModel)),
    ("service_tier", text(Field::ResponseServiceTier)),
    ("system_fingerprint", text(Field::SystemFingerprint)),
    ("choices", Node::array(&CHOICE)),
    ("usage", USAGE),
    ("error", ERROR),
]);

static CHOICE: Node<Field> = Node::object(&[
    ("index", number(Field::ChoiceIndex)),
    ("finish_reason", text(Field::FinishReason)),
    ("message", Node::object(MESSAGE)),
])
.reported(Field::Choice);

static EVENT: Node<Field> = Node::object(&[
    ("id", text(Field::ResponseId)),
    ("model", text(Field::ResponseModel)),
    ("service_tier", text(Field::ResponseServiceTier)),
    ("system_fingerprint", text(Field::SystemFingerprint)),
    ("choices", Node::array(&CHOICE_DELTA)),
    ("usage", USAGE),
    ("error", ERROR),
]);

static CHOICE_DELTA: Node<Field> = Node::object(&[
    ("index", number(Field::ChoiceIndex)),
    ("finish_reason", text(Field::FinishReason)),
    ("delta", Node::object(MESSAGE)),
])
.reported(Field::Choice);

/// A message, or what one event adds to it. `reasoning_content` and `reasoning` are what compatible servers call the
/// thoughts that OpenAI does not show.
static MESSAGE: &[(&str, Node<Field>)] = &[
    ("content", output(Field::OutputText)),
    ("reasoning_content", output(Field::OutputText)),
    ("reasoning", output(Field::OutputText)),
    ("refusal", output(Field::OutputText)),
    ("tool_calls", Node::array(&TOOL_CALL)),
    ("function_call", Node::object(&[]).reported(Field::OutputToolCall)),
];

static TOOL_CALL: Node<Field> = Node::object(&[]).reported(Field::OutputToolCall);

const USAGE: Node<Field> = Node::object(&[
    ("prompt_tokens", number(Field::InputTokens)),
    ("completion_tokens", number(Field::OutputTokens)),
    ("total_tokens", number(Field::TotalTokens)),
    ("prompt_tokens_details", Node::object(&[("cached_tokens", number(Field::CacheReadTokens))])),
    ("completion_tokens_details", Node::object(&[("reasoning_tokens", number(Field::ReasoningTokens))])),
])
.reported(Field::Usage)
.verbatim(Field::Usage, MAX_RAW_USAGE_BYTES);

const ERROR: Node<Field> =
    Node::object(&[("type", text(Field::ErrorType)), ("code", text(Field::ErrorCode))])
        .reported(Field::Error)
        .or_scalar(Field::Error, 1);
