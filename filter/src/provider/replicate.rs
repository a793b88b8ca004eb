//! Replicate predictions: begun here, and often answered later. <https://replicate.com/docs/reference/http>

use super::fields::{ERROR, number, text};
use super::{Adapter, Field, Operation};
use crate::wire::json::Node;

pub static PREDICTIONS: Adapter =
    Adapter::new("replicate.predictions", Operation::TextCompletion, &REQUEST, &RESPONSE);

static REQUEST: Node<Field> = Node::object(&[
    ("stream", number(Field::Stream)),
    (
        "input",
        Node::object(&[
            ("max_tokens", number(Field::MaxTokens)),
            ("max_new_tokens", number(Field::MaxTokens)),
            ("temperature", number(Field::Temperature)),
            ("top_p", number(Field::TopP)),
            ("top_k", number(Field::TopK)),
            ("seed", number(Field::Seed)),
        ]),
    ),
]);

static RESPONSE: Node<Field> = Node::object(&[
    ("id", text(Field::ResponseId)),
    ("model", text(Field::ResponseModel)),
    (
        "metrics",
        Node::object(&[
            ("input_token_count", number(Field::InputTokens)),
            ("output_token_count", number(Field::OutputTokens)),
        ]),
    ),
    ("error", ERROR),
]);
