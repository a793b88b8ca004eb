//! Ollama's own API: chat, generate, embed. A stream unless the request says otherwise.
//! <https://github.com/ollama/ollama/blob/main/docs/api.md>

use super::fields::{ERROR, marker, number, output, text};
use super::{Adapter, Field, Operation, UsageObjects};
use crate::content::shapes;
use crate::wire::json::Node;

const fn api(name: &'static str, operation: Operation) -> Adapter {
    Adapter { usage_objects: UsageObjects::Overlay, ..Adapter::new(name, operation, &REQUEST, &BODY) }
}

const fn messages(name: &'static str, operation: Operation) -> Adapter {
    Adapter { streams_by_default: true, content: Some(&shapes::OLLAMA), ..api(name, operation) }
}

pub static CHAT: Adapter = messages("ollama.chat", Operation::Chat);
pub static GENERATE: Adapter = messages("ollama.generate", Operation::TextCompletion);
pub static EMBED: Adapter = api("ollama.embed", Operation::Embeddings);

static REQUEST: Node<Field> = Node::object(&[
    ("model", text(Field::RequestModel)),
    ("stream", number(Field::Stream)),
    (
        "options",
        Node::object(&[
            ("num_predict", number(Field::MaxTokens)),
            ("temperature", number(Field::Temperature)),
            ("top_p", number(Field::TopP)),
            ("top_k", number(Field::TopK)),
            ("seed", number(Field::Seed)),
            ("stop", text(Field::StopSequence).or_array(&STOP_SEQUENCE)),
        ]),
    ),
    // `json`, or a schema.
    ("format", text(Field::OutputFormat).reported(Field::OutputFormat)),
    ("think", text(Field::ReasoningLevel)),
    ("tools", Node::array(&OFFERED_TOOL)),
    ("dimensions", number(Field::Dimensions)),
]);

static STOP_SEQUENCE: Node<Field> = text(Field::StopSequence);
static OFFERED_TOOL: Node<Field> = marker(Field::OfferedTool);

static BODY: Node<Field> = Node::object(&[
    ("model", text(Field::ResponseModel)),
    ("response", output()),
    ("thinking", output()),
    (
        "message",
        Node::object(&[
            ("content", output()),
            ("thinking", output()),
            ("tool_calls", Node::array(&TOOL_CALL)),
        ]),
    ),
    ("done", number(Field::LastEvent)),
    ("done_reason", text(Field::FinishReason)),
    ("prompt_eval_count", number(Field::InputTokens)),
    ("eval_count", number(Field::OutputTokens)),
    ("error", ERROR),
]);

static TOOL_CALL: Node<Field> =
    Node::object(&[("function", Node::object(&[("name", text(Field::ToolName))]))]).reported(Field::Tool);
