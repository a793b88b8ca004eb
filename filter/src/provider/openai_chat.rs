//! OpenAI chat completions and the older text completions, and the many servers that are compatible with them.
//! <https://platform.openai.com/docs/api-reference/chat>

use super::fields::{DETAIL, ERROR, ERRORS, FAILURE, Fields, marker, number, output, text, usage};
use super::{Adapter, Field, Operation};
use crate::content::shapes;
use crate::wire::json::Node;

pub static CHAT: Adapter = CHAT_LIKE;

const CHAT_LIKE: Adapter = Adapter {
    event: &EVENT,
    content: Some(&shapes::CHAT),
    ..Adapter::new("openai.chat", Operation::Chat, &REQUEST, &RESPONSE)
};

/// The same but for a request's `model_id`.
pub static WATSONX: Adapter = Adapter { name: "watsonx.chat", ..CHAT_LIKE };

pub static COMPLETIONS: Adapter = Adapter {
    event: &EVENT,
    content: Some(&shapes::CHAT),
    ..Adapter::new("openai.completions", Operation::TextCompletion, &REQUEST, &RESPONSE)
};

static REQUEST: Node<Field> = Node::object(&[
    ("model", text(Field::RequestModel)),
    ("stream", number(Field::Stream)),
    ("max_tokens", number(Field::MaxTokens)),
    ("max_completion_tokens", number(Field::MaxTokens)),
    ("temperature", number(Field::Temperature)),
    ("top_p", number(Field::TopP)),
    ("top_k", number(Field::TopK)),
    ("frequency_penalty", number(Field::FrequencyPenalty)),
    ("presence_penalty", number(Field::PresencePenalty)),
    ("seed", number(Field::Seed)),
    ("random_seed", number(Field::Seed)),
    ("n", number(Field::ChoiceCount)),
    ("stop", text(Field::StopSequence).or_array(&STOP_SEQUENCE)),
    ("response_format", Node::object(&[("type", text(Field::OutputFormat))])),
    ("modalities", Node::array(&MODALITY)),
    ("service_tier", text(Field::RequestServiceTier)),
    ("reasoning_effort", text(Field::ReasoningLevel)),
    ("reasoning", Node::object(&[("effort", text(Field::ReasoningLevel))])),
    ("tools", Node::array(&OFFERED_TOOL)),
    ("functions", Node::array(&OFFERED_TOOL)),
    ("user", text(Field::UserId)),
    ("safety_identifier", text(Field::UserId)),
    ("conversation_id", text(Field::ConversationId)),
    // watsonx.
    ("model_id", text(Field::RequestModel)),
    ("parameters", Node::object(super::tgi::PARAMETERS)),
]);

pub(super) static STOP_SEQUENCE: Node<Field> = text(Field::StopSequence);
static OFFERED_TOOL: Node<Field> = marker(Field::OfferedTool);
static MODALITY: Node<Field> = text(Field::OutputModality);

static RESPONSE: Node<Field> = Node::object(&[
    ("id", text(Field::ResponseId)),
    ("model", text(Field::ResponseModel)),
    ("service_tier", text(Field::ResponseServiceTier)),
    ("system_fingerprint", text(Field::SystemFingerprint)),
    ("choices", Node::array(&CHOICE)),
    ("usage", usage(USAGE)),
    ("error", ERROR),
    ("type", text(Field::ErrorType)),
    ("code", text(Field::ErrorCode)),
    // TGI, watsonx, FastAPI, Databricks.
    ("error_type", text(Field::ErrorType)),
    ("errors", Node::array(&FAILURE)),
    ("detail", DETAIL),
    ("error_code", text(Field::ErrorCode)),
    ("model_id", text(Field::ResponseModel)),
])
.or_array(&ERRORS);

pub(super) static CHOICE: Node<Field> = Node::object(&[
    ("index", number(Field::ChoiceIndex)),
    ("message", Node::object(MESSAGE)),
    // In a stream that says it is one document.
    ("delta", Node::object(DELTA)),
    ("finish_reason", text(Field::FinishReason)),
    ("text", output()),
    // OpenRouter.
    ("error", ERROR),
])
.reported(Field::Choice);

static EVENT: Node<Field> = Node::object(&[
    ("id", text(Field::ResponseId)),
    ("model", text(Field::ResponseModel)),
    ("service_tier", text(Field::ResponseServiceTier)),
    ("system_fingerprint", text(Field::SystemFingerprint)),
    ("choices", Node::array(&CHOICE_DELTA)),
    ("usage", usage(USAGE)),
    // Groq, before it had `stream_options`.
    ("x_groq", Node::object(&[("usage", usage(USAGE)), ("error", ERROR)])),
    ("error", ERROR),
    // vLLM and SGLang, in the place of a chunk.
    ("message", Node::scalar(Field::Error, 1)),
    ("type", text(Field::ErrorType)),
    ("code", text(Field::ErrorCode)),
    ("error_type", text(Field::ErrorType)),
    // watsonx, FastAPI, Databricks, in the words that they have for a whole answer.
    ("errors", Node::array(&FAILURE)),
    ("detail", DETAIL),
    ("error_code", text(Field::ErrorCode)),
    ("model_id", text(Field::ResponseModel)),
    ("amazon-bedrock-invocationMetrics", Node::object(super::bedrock_invoke::METRICS)),
]);

static CHOICE_DELTA: Node<Field> = Node::object(&[
    ("index", number(Field::ChoiceIndex)),
    ("delta", Node::object(DELTA)),
    ("finish_reason", text(Field::FinishReason)),
    ("text", output()),
    // Moonshot.
    ("usage", usage(USAGE)),
    ("error", ERROR),
])
.reported(Field::Choice);

/// A message. `reasoning_content` and `reasoning` are what compatible servers call the thoughts that OpenAI does not
/// show.
pub(super) static MESSAGE: Fields = &[
    ("content", output().or_array(&CONTENT_PART)),
    ("reasoning_content", output()),
    ("reasoning", output()),
    ("refusal", output()),
    ("tool_calls", Node::array(&TOOL_CALL)),
    ("function_call", FUNCTION_CALL),
];

/// What one event adds to a message: the same, but its tool calls come in pieces that say which call they belong to.
pub(super) static DELTA: Fields = &[
    ("content", output().or_array(&CONTENT_PART)),
    ("reasoning_content", output()),
    ("reasoning", output()),
    ("refusal", output()),
    ("tool_calls", TOOL_CALL_DELTAS),
    ("function_call", FUNCTION_CALL),
];

/// Mistral sends thoughts and text as parts.
static CONTENT_PART: Node<Field> =
    Node::object(&[("text", output()), ("thinking", output().or_array(&THOUGHT))]);
static THOUGHT: Node<Field> = Node::object(&[("text", output())]);

const FUNCTION: Node<Field> = Node::object(&[("name", text(Field::ToolName))]);
const FUNCTION_CALL: Node<Field> = Node::object(&[("name", text(Field::ToolName))]).reported(Field::Tool);

static TOOL_CALL: Node<Field> =
    Node::object(&[("type", text(Field::ToolType)), ("function", FUNCTION), ("custom", FUNCTION)])
        .reported(Field::Tool);

/// TGI sends one by itself, without an array around it.
const TOOL_CALL_DELTAS: Node<Field> =
    Node::object(TOOL_CALL_PIECE).reported(Field::Tool).or_array(&TOOL_CALL_DELTA);
static TOOL_CALL_DELTA: Node<Field> = Node::object(TOOL_CALL_PIECE).reported(Field::Tool);

static TOOL_CALL_PIECE: Fields = &[
    ("index", number(Field::ToolIndex)),
    ("id", text(Field::ToolId)),
    ("type", text(Field::ToolType)),
    ("function", FUNCTION_DELTA),
    ("custom", FUNCTION_DELTA),
];

const FUNCTION_DELTA: Node<Field> =
    Node::object(&[("name", text(Field::ToolName)), ("arguments", ARGUMENTS), ("input", ARGUMENTS)]);
/// Some send them as an object.
const ARGUMENTS: Node<Field> = marker(Field::ToolArguments).or_scalar(Field::ToolArguments, 1);

pub(super) static USAGE: Fields = &[
    ("prompt_tokens", number(Field::InputTokens)),
    ("completion_tokens", number(Field::OutputTokens)),
    ("total_tokens", number(Field::TotalTokens)),
    (
        "prompt_tokens_details",
        Node::object(&[
            ("cached_tokens", number(Field::CacheReadTokens)),
            ("cache_write_tokens", number(Field::CacheCreationTokens)),
            ("cache_creation_tokens", number(Field::CacheCreationTokens)),
        ]),
    ),
    ("completion_tokens_details", Node::object(&[("reasoning_tokens", number(Field::ReasoningTokens))])),
    // DeepSeek, Moonshot, and gateways that pass on what Anthropic and Copilot say.
    ("prompt_cache_hit_tokens", number(Field::CacheReadTokens)),
    ("cached_tokens", number(Field::CacheReadTokens)),
    ("num_cached_tokens", number(Field::CacheReadTokens)),
    ("cache_read_input_tokens", number(Field::CacheReadTokens)),
    ("cache_creation_input_tokens", number(Field::CacheCreationTokens)),
    ("reasoning_tokens", number(Field::ReasoningTokens)),
];
