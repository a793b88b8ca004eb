//! IBM watsonx text generation, and the research API with the same bodies.
//! <https://cloud.ibm.com/apidocs/watsonx-ai#text-generation>

use super::fields::{ERROR, number, output, text};
use super::{Adapter, Field, Operation, UsageObjects};
use crate::wire::json::Node;

const fn api(operation: Operation) -> Adapter {
    Adapter {
        usage_objects: UsageObjects::Overlay,
        ..Adapter::new("watsonx.generation", operation, &REQUEST, &BODY)
    }
}

pub static GENERATION: Adapter = api(Operation::TextCompletion);
pub static CHAT: Adapter = api(Operation::Chat);
pub static EMBEDDINGS: Adapter = Adapter { response: &VECTORS, ..api(Operation::Embeddings) };

static REQUEST: Node<Field> = Node::object(&[
    ("model_id", text(Field::RequestModel)),
    (
        "parameters",
        Node::object(&[
            ("max_new_tokens", number(Field::MaxTokens)),
            ("temperature", number(Field::Temperature)),
            ("top_p", number(Field::TopP)),
            ("top_k", number(Field::TopK)),
            ("random_seed", number(Field::Seed)),
            ("stop_sequences", Node::array(&STOP_SEQUENCE)),
        ]),
    ),
    ("conversation_id", text(Field::ConversationId)),
]);

static STOP_SEQUENCE: Node<Field> = text(Field::StopSequence);

static BODY: Node<Field> = Node::object(&[
    ("model_id", text(Field::ResponseModel)),
    ("results", Node::array(&RESULT)),
    ("error", ERROR),
]);

static VECTORS: Node<Field> =
    Node::object(&[("input_token_count", number(Field::InputTokens)), ("error", ERROR)]);

static RESULT: Node<Field> = Node::object(&[
    ("generated_text", output()),
    ("input_token_count", number(Field::LargestInputTokens)),
    ("generated_token_count", number(Field::OutputTokens)),
    ("stop_reason", text(Field::FinishReason)),
])
.reported(Field::Choice);
