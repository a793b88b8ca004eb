//! Embeddings and rerankings in the shape that OpenAI, Voyage, Jina, Mistral and most others share.
//! <https://platform.openai.com/docs/api-reference/embeddings>

use super::fields::{DETAIL, ERROR, ERRORS, number, text, usage};
use super::openai_chat::USAGE;
use super::{Adapter, Field, Operation};
use crate::usage::input_only;
use crate::wire::json::Node;

const fn api(name: &'static str, operation: Operation) -> Adapter {
    Adapter { usage: input_only, ..Adapter::new(name, operation, &REQUEST, &RESPONSE) }
}

pub static EMBEDDINGS: Adapter = api("openai.embeddings", Operation::Embeddings);
pub static RERANK: Adapter = api("rerank", Operation::Rerank);

static REQUEST: Node<Field> = Node::object(&[
    ("model", text(Field::RequestModel)),
    ("dimensions", number(Field::Dimensions)),
    ("output_dimension", number(Field::Dimensions)),
    ("encoding_format", text(Field::EncodingFormat)),
    ("user", text(Field::UserId)),
]);

static RESPONSE: Node<Field> = Node::object(&[
    ("id", text(Field::ResponseId)),
    ("model", text(Field::ResponseModel)),
    ("usage", usage(USAGE)),
    ("error", ERROR),
    ("type", text(Field::ErrorType)),
    ("code", text(Field::ErrorCode)),
    ("error_type", text(Field::ErrorType)),
    ("detail", DETAIL),
])
.or_array(&ERRORS);
