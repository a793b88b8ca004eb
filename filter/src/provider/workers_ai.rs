//! Cloudflare Workers AI's own calls. <https://developers.cloudflare.com/workers-ai/>

use super::fields::{FAILURE, Fields, marker, number, output, text, usage};
use super::openai_chat::USAGE;
use super::{Adapter, Field, Operation};
use crate::wire::json::Node;

pub static RUN: Adapter = Adapter {
    event: &EVENT,
    other_operation: Some(Operation::TextCompletion),
    ..Adapter::new("workers_ai.run", Operation::Chat, &REQUEST, &RESPONSE)
};

static REQUEST: Node<Field> = Node::object(&[
    ("prompt", number(Field::OtherOperation)),
    ("stream", number(Field::Stream)),
    ("max_tokens", number(Field::MaxTokens)),
    ("temperature", number(Field::Temperature)),
    ("top_p", number(Field::TopP)),
    ("top_k", number(Field::TopK)),
    ("seed", number(Field::Seed)),
    ("tools", Node::array(&OFFERED_TOOL)),
]);

static OFFERED_TOOL: Node<Field> = marker(Field::OfferedTool);

static RESPONSE: Node<Field> =
    Node::object(&[("result", Node::object(RESULT)), ("errors", Node::array(&FAILURE))]);

/// A stream has the results bare.
static EVENT: Node<Field> = Node::object(RESULT);

static RESULT: Fields =
    &[("response", output()), ("tool_calls", Node::array(&TOOL_CALL)), ("usage", usage(USAGE))];

static TOOL_CALL: Node<Field> = Node::object(&[("name", text(Field::ToolName))]).reported(Field::Tool);
