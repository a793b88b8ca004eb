//! IBM watsonx text generation, and the research API with the same bodies.
//! <https://cloud.ibm.com/apidocs/watsonx-ai#text-generation>

use super::fields::{ERROR, FAILURE, number, output, text};
use super::{Adapter, Field, Operation, UsageObjects};
use crate::content::shapes;
use crate::wire::json::Node;

const fn api(operation: Operation) -> Adapter {
    Adapter {
        usage_objects: UsageObjects::Overlay,
        ..Adapter::new("watsonx.generation", operation, &REQUEST, &BODY)
    }
}

pub static GENERATION: Adapter = Adapter { content: Some(&shapes::BARE), ..api(Operation::TextCompletion) };
pub static EMBEDDINGS: Adapter = Adapter { response: &VECTORS, ..api(Operation::Embeddings) };
/// The research API's. What judges our recordings of it reads them with OpenAI's SDK, which knows no `model_id`.
pub static RESEARCH_EMBEDDINGS: Adapter = Adapter { response: &FAILURES, ..api(Operation::Embeddings) };
pub static RERANK: Adapter = Adapter { response: &VECTORS, ..api(Operation::Rerank) };
pub static CHAT: Adapter = api(Operation::Chat);

static REQUEST: Node<Field> = Node::object(&[
    ("model_id", text(Field::RequestModel)),
    ("parameters", Node::object(super::tgi::PARAMETERS)),
    ("conversation_id", text(Field::ConversationId)),
]);

static BODY: Node<Field> = Node::object(&[
    ("model_id", text(Field::ResponseModel)),
    ("results", Node::array(&RESULT)),
    ("errors", Node::array(&FAILURE)),
    ("error", ERROR),
]);

static VECTORS: Node<Field> = Node::object(&[
    ("model_id", text(Field::ResponseModel)),
    ("input_token_count", number(Field::InputTokens)),
    ("errors", Node::array(&FAILURE)),
    ("error", ERROR),
]);

static FAILURES: Node<Field> = Node::object(&[("errors", Node::array(&FAILURE)), ("error", ERROR)]);

static RESULT: Node<Field> = Node::object(&[
    ("generated_text", output()),
    ("input_token_count", number(Field::LargestInputTokens)),
    ("generated_token_count", number(Field::OutputTokens)),
    ("stop_reason", text(Field::FinishReason)),
])
.reported(Field::Choice);
