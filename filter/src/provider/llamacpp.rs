//! llama.cpp's own completions, and OpenAI's where both stand at the same path. <https://github.com/ggml-org/llama.cpp/tree/master/tools/server>

use super::fields::{ERROR, Fields, number, output, text, usage};
use super::openai_chat::{CHOICE, STOP_SEQUENCE, USAGE};
use super::{Adapter, Field, Operation};
use crate::content::shapes;
use crate::wire::json::Node;

const fn api(name: &'static str) -> Adapter {
    Adapter {
        event: &EVENT,
        content: Some(&shapes::BARE),
        ..Adapter::new(name, Operation::TextCompletion, &REQUEST, &RESPONSE)
    }
}

pub static COMPLETION: Adapter = api("llamacpp.completion");
/// Without a version before it the path is llama.cpp's own, and OpenAI's at gateways.
pub static COMPLETIONS: Adapter = api("completions");

static REQUEST: Node<Field> = Node::object(&[
    ("model", text(Field::RequestModel)),
    ("stream", number(Field::Stream)),
    ("n_predict", number(Field::MaxTokens)),
    ("max_tokens", number(Field::MaxTokens)),
    ("temperature", number(Field::Temperature)),
    ("top_p", number(Field::TopP)),
    ("top_k", number(Field::TopK)),
    ("frequency_penalty", number(Field::FrequencyPenalty)),
    ("presence_penalty", number(Field::PresencePenalty)),
    ("seed", number(Field::Seed)),
    ("n", number(Field::ChoiceCount)),
    ("stop", text(Field::StopSequence).or_array(&STOP_SEQUENCE)),
    ("user", text(Field::UserId)),
]);

/// The last event of a stream has what a whole answer has.
static BODY: Fields = &[
    ("content", output()),
    ("model", text(Field::ResponseModel)),
    ("stop", number(Field::LastEvent)),
    ("stop_type", text(Field::FinishReason)),
    ("tokens_evaluated", number(Field::InputTokens)),
    ("tokens_predicted", number(Field::OutputTokens)),
    ("timings", Node::object(&[("cache_n", number(Field::CacheReadTokens))])),
    // OpenAI's.
    ("id", text(Field::ResponseId)),
    ("system_fingerprint", text(Field::SystemFingerprint)),
    ("choices", Node::array(&CHOICE)),
    ("usage", usage(USAGE)),
    ("error", ERROR),
];

static EVENT: Node<Field> = Node::object(BODY);
static RESPONSE: Node<Field> = Node::object(BODY).or_array(&ANSWER);

/// One of several prompts. What each took from the cache is not added up.
static ANSWER: Node<Field> = Node::object(&[
    ("index", number(Field::ChoiceIndex)),
    ("content", output()),
    ("model", text(Field::ResponseModel)),
    ("stop_type", text(Field::FinishReason)),
    ("tokens_evaluated", number(Field::MoreInputTokens)),
    ("tokens_predicted", number(Field::MoreOutputTokens)),
])
.reported(Field::Choice);
