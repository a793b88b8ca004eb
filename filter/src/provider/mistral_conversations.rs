//! Mistral's conversations and the agents in them. <https://docs.mistral.ai/agents/agents_introduction>

use super::fields::{ERROR, Fields, marker, number, output, text, usage};
use super::openai_chat::STOP_SEQUENCE;
use super::{Adapter, Field, Operation};
use crate::usage::gemini;
use crate::wire::json::Node;

pub static CONVERSATIONS: Adapter = Adapter {
    event: &EVENT,
    usage: gemini,
    is_client_tool,
    ..Adapter::new("mistral.conversations", Operation::Chat, &REQUEST, &RESPONSE)
};

/// `tool.execution` ran at the provider.
fn is_client_tool(kind: Option<&str>) -> bool {
    kind.is_some_and(|kind| kind.starts_with("function.call"))
}

static REQUEST: Node<Field> = Node::object(&[
    ("model", text(Field::RequestModel)),
    ("stream", number(Field::Stream)),
    (
        "completion_args",
        Node::object(&[
            ("max_tokens", number(Field::MaxTokens)),
            ("temperature", number(Field::Temperature)),
            ("top_p", number(Field::TopP)),
            ("random_seed", number(Field::Seed)),
            ("stop", text(Field::StopSequence).or_array(&STOP_SEQUENCE)),
            ("response_format", Node::object(&[("type", text(Field::OutputFormat))])),
        ]),
    ),
    ("tools", Node::array(&OFFERED_TOOL)),
]);

static OFFERED_TOOL: Node<Field> = marker(Field::OfferedTool);

static RESPONSE: Node<Field> = Node::object(&[
    ("conversation_id", text(Field::ConversationId)),
    ("outputs", Node::array(&OUTPUT)),
    ("usage", usage(USAGE)),
    ("error", ERROR),
]);

static OUTPUT: Node<Field> = Node::object(&[
    ("type", text(Field::ToolType)),
    ("name", text(Field::ToolName)),
    ("model", text(Field::ResponseModel)),
])
.reported(Field::Tool);

/// An event may itself be a piece of a tool call.
static EVENT: Node<Field> = Node::object(&[
    ("type", text(Field::ToolType)),
    ("name", text(Field::ToolName)),
    ("tool_call_id", text(Field::ToolId)),
    ("conversation_id", text(Field::ConversationId)),
    ("model", text(Field::ResponseModel)),
    ("content", output()),
    ("usage", usage(USAGE)),
    ("error", ERROR),
    ("message", Node::scalar(Field::Error, 1)),
    ("code", text(Field::ErrorCode)),
])
.reported(Field::Tool);

/// What connectors find is input of its own: the total shows it.
static USAGE: Fields = &[
    ("prompt_tokens", number(Field::InputTokens)),
    ("completion_tokens", number(Field::OutputTokens)),
    ("total_tokens", number(Field::TotalTokens)),
    ("connector_tokens", number(Field::ToolUseTokens)),
];
