//! Aleph Alpha text completions. <https://docs.aleph-alpha.com/api/complete/>

use super::fields::{ERROR, number, output, text};
use super::{Adapter, Field, Operation};
use crate::content::shapes;
use crate::wire::json::Node;

pub static COMPLETE: Adapter = Adapter {
    content: Some(&shapes::BARE),
    ..Adapter::new("aleph_alpha.complete", Operation::TextCompletion, &REQUEST, &BODY)
};

static REQUEST: Node<Field> = Node::object(&[
    ("model", text(Field::RequestModel)),
    ("stream", number(Field::Stream)),
    ("maximum_tokens", number(Field::MaxTokens)),
    ("temperature", number(Field::Temperature)),
    ("top_p", number(Field::TopP)),
    ("top_k", number(Field::TopK)),
    ("frequency_penalty", number(Field::FrequencyPenalty)),
    ("presence_penalty", number(Field::PresencePenalty)),
    ("n", number(Field::ChoiceCount)),
    ("stop_sequences", Node::array(&STOP_SEQUENCE)),
]);

static STOP_SEQUENCE: Node<Field> = text(Field::StopSequence);

/// A stream's events have the same members, each in the event that it belongs to.
static BODY: Node<Field> = Node::object(&[
    ("model_version", text(Field::ResponseModel)),
    ("completions", Node::array(&COMPLETION)),
    ("completion", output()),
    ("finish_reason", text(Field::FinishReason)),
    ("num_tokens_prompt_total", number(Field::InputTokens)),
    ("num_tokens_generated", number(Field::OutputTokens)),
    ("error", ERROR),
    ("code", text(Field::ErrorCode)),
]);

static COMPLETION: Node<Field> =
    Node::object(&[("finish_reason", text(Field::FinishReason))]).reported(Field::Choice);
