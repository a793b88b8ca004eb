//! Gemini interactions. <https://ai.google.dev/api/interactions-api>

use super::fields::{ERROR, Fields, marker, number, output, text, usage};
use super::{Adapter, Field, Operation};
use crate::usage::gemini;
use crate::wire::json::Node;

pub static INTERACTIONS: Adapter = Adapter {
    event: &EVENT,
    usage: gemini,
    is_client_tool,
    ..Adapter::new("gemini.interactions", Operation::Interactions, &REQUEST, &RESPONSE)
};

fn is_client_tool(kind: Option<&str>) -> bool {
    kind == Some("function_call")
}

static REQUEST: Node<Field> = Node::object(&[
    ("model", text(Field::RequestModel)),
    ("stream", number(Field::Stream)),
    (
        "generation_config",
        Node::object(&[
            ("max_output_tokens", number(Field::MaxTokens)),
            ("temperature", number(Field::Temperature)),
            ("top_p", number(Field::TopP)),
            ("seed", number(Field::Seed)),
            ("thinking_level", text(Field::ReasoningLevel)),
        ]),
    ),
    ("tools", Node::array(&OFFERED_TOOL)),
]);

static OFFERED_TOOL: Node<Field> = marker(Field::OfferedTool);

static BODY: Fields = &[
    ("id", text(Field::ResponseId)),
    ("model", text(Field::ResponseModel)),
    ("status", text(Field::FinishReason)),
    ("service_tier", text(Field::ResponseServiceTier)),
    ("outputs", Node::array(&ITEM)),
    ("steps", Node::array(&ITEM)),
    ("usage", usage(USAGE)),
    ("error", ERROR),
];

static RESPONSE: Node<Field> = Node::object(BODY);

static ITEM: Node<Field> =
    Node::object(&[("type", text(Field::ToolType)), ("name", text(Field::ToolName))]).reported(Field::Tool);

static EVENT: Node<Field> = Node::object(&[
    ("interaction", Node::object(BODY)),
    ("step", ITEM_BEGUN),
    ("content", ITEM_BEGUN),
    ("delta", Node::object(&[("text", output()), ("arguments", output())])),
    ("error", ERROR),
]);

const ITEM_BEGUN: Node<Field> =
    Node::object(&[("type", text(Field::ToolType)), ("name", text(Field::ToolName))]).reported(Field::Tool);

static USAGE: Fields = &[
    ("total_input_tokens", number(Field::InputTokens)),
    ("total_output_tokens", number(Field::OutputTokens)),
    ("total_tokens", number(Field::TotalTokens)),
    ("total_cached_tokens", number(Field::CacheReadTokens)),
    ("total_thought_tokens", number(Field::ReasoningTokens)),
    ("total_tool_use_tokens", number(Field::ToolUseTokens)),
];
