//! llama.cpp's own completions. <https://github.com/ggml-org/llama.cpp/tree/master/tools/server>

use super::fields::{ERROR, number, output, text};
use super::openai_chat::STOP_SEQUENCE;
use super::{Adapter, Field, Operation};
use crate::wire::json::Node;

pub static COMPLETION: Adapter =
    Adapter::new("llamacpp.completion", Operation::TextCompletion, &REQUEST, &BODY);

static REQUEST: Node<Field> = Node::object(&[
    ("model", text(Field::RequestModel)),
    ("stream", number(Field::Stream)),
    ("n_predict", number(Field::MaxTokens)),
    ("temperature", number(Field::Temperature)),
    ("top_p", number(Field::TopP)),
    ("top_k", number(Field::TopK)),
    ("seed", number(Field::Seed)),
    ("stop", Node::array(&STOP_SEQUENCE)),
]);

/// The last event of a stream has what a whole answer has.
static BODY: Node<Field> = Node::object(&[
    ("content", output()),
    ("model", text(Field::ResponseModel)),
    ("stop", number(Field::LastEvent)),
    ("stop_type", text(Field::FinishReason)),
    ("tokens_evaluated", number(Field::InputTokens)),
    ("tokens_predicted", number(Field::OutputTokens)),
    ("timings", Node::object(&[("cache_n", number(Field::CacheReadTokens))])),
    ("error", ERROR),
]);
