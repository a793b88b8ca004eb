//! OpenAI responses, their compaction, and compatible servers.
//! <https://platform.openai.com/docs/api-reference/responses>

use super::fields::{DETAIL, ERROR, Fields, marker, number, output, text, usage};
use super::{Adapter, Field, Operation};
use crate::content::shapes;
use crate::wire::json::Node;

pub static RESPONSES: Adapter = Adapter {
    event: &EVENT,
    is_client_tool,
    content: Some(&shapes::RESPONSES),
    ..Adapter::new("openai.responses", Operation::Responses, &REQUEST, &RESPONSE)
};

pub static COMPACT: Adapter = Adapter {
    event: &EVENT,
    is_client_tool,
    content: Some(&shapes::RESPONSES),
    ..Adapter::new("openai.responses", Operation::ResponsesCompact, &REQUEST, &RESPONSE)
};

/// Items of output are many things; these two wait for the client.
fn is_client_tool(kind: Option<&str>) -> bool {
    matches!(kind, Some("function_call" | "custom_tool_call"))
}

static REQUEST: Node<Field> = Node::object(&[
    ("model", text(Field::RequestModel)),
    ("stream", number(Field::Stream)),
    ("max_output_tokens", number(Field::MaxTokens)),
    ("temperature", number(Field::Temperature)),
    ("top_p", number(Field::TopP)),
    ("service_tier", text(Field::RequestServiceTier)),
    ("reasoning", Node::object(&[("effort", text(Field::ReasoningLevel))])),
    ("text", Node::object(&[("format", Node::object(&[("type", text(Field::OutputFormat))]))])),
    ("tools", Node::array(&OFFERED_TOOL)),
    (
        "conversation",
        Node::object(&[("id", text(Field::ConversationId))]).or_scalar(Field::ConversationId, 512),
    ),
    ("previous_response_id", text(Field::PreviousResponseId)),
    ("user", text(Field::UserId)),
    ("safety_identifier", text(Field::UserId)),
]);

static OFFERED_TOOL: Node<Field> = marker(Field::OfferedTool);

static BODY: Fields = &[
    ("id", text(Field::ResponseId)),
    ("model", text(Field::ResponseModel)),
    ("status", text(Field::FallbackFinishReason)),
    ("incomplete_details", Node::object(&[("reason", text(Field::FinishReason))])),
    ("service_tier", text(Field::ResponseServiceTier)),
    ("output", Node::array(&ITEM).reported(Field::ToolList)),
    ("usage", usage(USAGE)),
    ("error", ERROR),
    // vLLM and FastAPI.
    ("type", text(Field::ErrorType)),
    ("code", text(Field::ErrorCode)),
    ("detail", DETAIL),
];

static RESPONSE: Node<Field> = Node::object(BODY);

static ITEM: Node<Field> =
    Node::object(&[("type", text(Field::ToolType)), ("name", text(Field::ToolName))]).reported(Field::Tool);

/// An item of output comes when it is begun and again when it is done, at the same place. Its `id` may be another one
/// each time.
static EVENT: Node<Field> = Node::object(&[
    ("type", Node::scalar(Field::EventType, 64)),
    ("response", Node::object(BODY)),
    ("output_index", number(Field::ToolIndex)),
    (
        "item",
        Node::object(&[
            ("type", text(Field::ToolType)),
            ("call_id", text(Field::ToolId)),
            ("name", text(Field::ToolName)),
        ]),
    ),
    // `response.output_text.delta`, `response.reasoning_summary_text.delta`, `response.function_call_arguments.delta`, …
    ("delta", output()),
    // `error` events carry their error beside or inside.
    ("error", ERROR),
    ("code", text(Field::ErrorCode)),
    ("message", Node::scalar(Field::Error, 1)),
])
.reported(Field::Tool);

static USAGE: Fields = &[
    ("input_tokens", number(Field::InputTokens)),
    ("output_tokens", number(Field::OutputTokens)),
    ("total_tokens", number(Field::TotalTokens)),
    (
        "input_tokens_details",
        Node::object(&[
            ("cached_tokens", number(Field::CacheReadTokens)),
            ("cache_write_tokens", number(Field::CacheCreationTokens)),
        ]),
    ),
    ("output_tokens_details", Node::object(&[("reasoning_tokens", number(Field::ReasoningTokens))])),
];
