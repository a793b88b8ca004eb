//! Anthropic messages and the older text completions, at Anthropic itself, on Vertex AI and on Bedrock.
//! <https://docs.anthropic.com/en/api/messages>

use super::fields::{ERROR, ERRORS, Fields, marker, number, output, text, usage};
use super::{Adapter, Field, Operation, UsageObjects};
use crate::content::shapes;
use crate::usage::cache_apart;
use crate::wire::json::Node;

pub static MESSAGES: Adapter = MESSAGES_LIKE;

pub(super) const MESSAGES_LIKE: Adapter = Adapter {
    event: &EVENT,
    usage: cache_apart,
    usage_objects: UsageObjects::Overlay,
    is_client_tool,
    content: Some(&shapes::ANTHROPIC),
    ..Adapter::new("anthropic.messages", Operation::Chat, &REQUEST, &RESPONSE)
};

pub static COMPLETE: Adapter = Adapter {
    event: &EVENT,
    usage: cache_apart,
    usage_objects: UsageObjects::Overlay,
    is_client_tool,
    content: Some(&shapes::ANTHROPIC),
    ..Adapter::new("anthropic.complete", Operation::TextCompletion, &REQUEST, &RESPONSE)
};

/// `server_tool_use` and `mcp_tool_use` run at the provider.
fn is_client_tool(kind: Option<&str>) -> bool {
    kind == Some("tool_use")
}

static REQUEST: Node<Field> = Node::object(&[
    ("model", text(Field::RequestModel)),
    ("stream", number(Field::Stream)),
    ("max_tokens", number(Field::MaxTokens)),
    ("max_tokens_to_sample", number(Field::MaxTokens)),
    ("temperature", number(Field::Temperature)),
    ("top_p", number(Field::TopP)),
    ("top_k", number(Field::TopK)),
    ("prompt", Node::scalar(Field::OtherOperation, 0)),
    ("stop_sequences", Node::array(&STOP_SEQUENCE)),
    ("service_tier", text(Field::RequestServiceTier)),
    ("tools", Node::array(&OFFERED_TOOL)),
    ("metadata", Node::object(&[("user_id", text(Field::UserId))])),
    ("output_format", Node::object(FORMAT)),
    (
        "output_config",
        Node::object(&[("format", Node::object(FORMAT)), ("effort", text(Field::ReasoningLevel))]),
    ),
]);

static FORMAT: Fields = &[("type", text(Field::OutputFormat))];
static STOP_SEQUENCE: Node<Field> = text(Field::StopSequence);
static OFFERED_TOOL: Node<Field> = marker(Field::OfferedTool);

pub(super) static MESSAGE: Fields = &[
    ("id", text(Field::ResponseId)),
    ("model", text(Field::ResponseModel)),
    ("stop_reason", text(Field::FinishReason)),
    ("content", Node::array(&BLOCK)),
    ("completion", output()),
    ("usage", usage(USAGE)),
    ("error", ERROR),
];

static RESPONSE: Node<Field> = Node::object(MESSAGE).or_array(&ERRORS);

pub(super) static BLOCK: Node<Field> =
    Node::object(&[("type", text(Field::ToolType)), ("name", text(Field::ToolName)), ("text", output())])
        .reported(Field::Tool);

/// All kinds of events in one: they share no key that means two things.
static EVENT: Node<Field> = Node::object(&[
    ("type", Node::scalar(Field::EventType, 64)),
    ("message", Node::object(MESSAGE)),
    ("content_block", CONTENT_BLOCK),
    ("delta", Node::object(DELTA)),
    ("usage", usage(USAGE)),
    ("error", ERROR),
    // Text completions have no message around them, and send the model on every event.
    ("id", text(Field::ResponseId)),
    ("model", text(Field::ResponseModel)),
    ("completion", output()),
    ("stop_reason", text(Field::FinishReason)),
    ("amazon-bedrock-invocationMetrics", Node::object(super::bedrock_invoke::METRICS)),
]);

pub(super) static DELTA: Fields = &[
    ("text", output()),
    ("thinking", output()),
    ("partial_json", output()),
    ("stop_reason", text(Field::FinishReason)),
];

pub(super) const CONTENT_BLOCK: Node<Field> =
    Node::object(&[("type", text(Field::ToolType)), ("name", text(Field::ToolName))]).reported(Field::Tool);

static USAGE: Fields = &[
    ("input_tokens", number(Field::InputTokens)),
    ("output_tokens", number(Field::OutputTokens)),
    ("cache_read_input_tokens", number(Field::CacheReadTokens)),
    ("cache_creation_input_tokens", number(Field::CacheCreationTokens)),
    ("output_tokens_details", Node::object(&[("thinking_tokens", number(Field::ReasoningTokens))])),
    ("service_tier", text(Field::ResponseServiceTier)),
];
