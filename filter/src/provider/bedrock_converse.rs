//! Bedrock Converse, ConverseStream and CountTokens.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>

use super::fields::{ERROR, Fields, NOTHING, marker, number, output, text, usage};
use super::{Adapter, Field, Operation};
use crate::content::shapes;
use crate::usage::cache_apart;
use crate::wire::json::Node;

pub static CONVERSE: Adapter = Adapter {
    event: &EVENT,
    usage: cache_apart,
    is_client_tool,
    content: Some(&shapes::CONVERSE),
    ..Adapter::new("bedrock.converse", Operation::Chat, &REQUEST, &RESPONSE)
};

pub static COUNT_TOKENS: Adapter = Adapter {
    usage: cache_apart,
    ..Adapter::new("bedrock.count_tokens", Operation::CountTokens, &NOTHING, &NOTHING)
};

/// `server_tool_use` runs at the provider; anything else has no type at all.
pub(super) fn is_client_tool(kind: Option<&str>) -> bool {
    kind != Some("server_tool_use")
}

pub(super) static REQUEST: Node<Field> = Node::object(&[
    ("inferenceConfig", Node::object(INFERENCE_CONFIG)),
    ("additionalModelRequestFields", Node::object(MODEL_FIELDS)),
    ("outputConfig", Node::object(&[("textFormat", Node::object(&[("type", text(Field::OutputFormat))]))])),
    ("toolConfig", Node::object(&[("tools", Node::array(&OFFERED_TOOL))])),
]);

static INFERENCE_CONFIG: Fields = &[
    ("maxTokens", number(Field::MaxTokens)),
    ("max_new_tokens", number(Field::MaxTokens)),
    ("temperature", number(Field::Temperature)),
    ("topP", number(Field::TopP)),
    ("topK", number(Field::TopK)),
    ("top_p", number(Field::TopP)),
    ("top_k", number(Field::TopK)),
    ("stopSequences", Node::array(&STOP_SEQUENCE)),
];

/// What only some families know, in their own words.
static MODEL_FIELDS: Fields = &[
    ("top_k", number(Field::TopK)),
    ("topK", number(Field::TopK)),
    ("k", number(Field::TopK)),
    ("inferenceConfig", Node::object(INFERENCE_CONFIG)),
    ("reasoning_effort", text(Field::ReasoningLevel)),
    ("reasoningConfig", Node::object(&[("maxReasoningEffort", text(Field::ReasoningLevel))])),
    ("output_config", Node::object(&[("effort", text(Field::ReasoningLevel))])),
];

static STOP_SEQUENCE: Node<Field> = text(Field::StopSequence);
/// Marks for the cache stand between them.
static OFFERED_TOOL: Node<Field> =
    Node::object(&[("toolSpec", marker(Field::OfferedTool)), ("systemTool", marker(Field::OfferedTool))]);

pub(super) static RESPONSE: Node<Field> = Node::object(&[
    ("output", Node::object(OUTPUT)),
    ("stopReason", text(Field::FinishReason)),
    ("usage", usage(USAGE)),
    ("error", ERROR),
]);

pub(super) static OUTPUT: Fields = &[("message", Node::object(MESSAGE))];
static MESSAGE: Fields = &[("content", Node::array(&BLOCK))];
static BLOCK: Node<Field> = Node::object(&[("toolUse", TOOL_USE)]);

const TOOL_USE: Node<Field> =
    Node::object(&[("name", text(Field::ToolName)), ("type", text(Field::ToolType))]).reported(Field::Tool);

/// The payload of one frame. Through InvokeModel, Nova wraps the same in the name of its event.
static EVENT: Node<Field> = Node::object(PAYLOAD);

pub(super) static PAYLOAD: Fields =
    &[("start", START), ("delta", DELTA), ("stopReason", text(Field::FinishReason)), ("usage", usage(USAGE))];

const START: Node<Field> = Node::object(&[("toolUse", TOOL_USE)]);
const DELTA: Node<Field> = Node::object(&[
    ("text", output()),
    ("reasoningContent", Node::object(&[("text", output())])),
    ("toolUse", Node::object(&[("input", output())])),
]);

pub(super) static WRAPPED_EVENT: Node<Field> = Node::object(&[
    ("contentBlockStart", Node::object(PAYLOAD)),
    ("contentBlockDelta", Node::object(PAYLOAD)),
    ("messageStop", Node::object(PAYLOAD)),
    ("metadata", Node::object(PAYLOAD)),
    ("amazon-bedrock-invocationMetrics", Node::object(super::bedrock_invoke::METRICS)),
]);

static USAGE: Fields = &[
    ("inputTokens", number(Field::InputTokens)),
    ("outputTokens", number(Field::OutputTokens)),
    ("totalTokens", number(Field::TotalTokens)),
    // Both spellings are on the wire, with the same figure.
    ("cacheReadInputTokens", number(Field::CacheReadTokens)),
    ("cacheReadInputTokenCount", number(Field::CacheReadTokens)),
    ("cacheWriteInputTokens", number(Field::CacheCreationTokens)),
    ("cacheWriteInputTokenCount", number(Field::CacheCreationTokens)),
];
