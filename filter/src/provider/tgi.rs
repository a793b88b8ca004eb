//! Text generation servers: Hugging Face's (TGI) and its hosted API, SGLang's own, and SageMaker endpoints, which hold
//! either of them or an OpenAI-compatible server. <https://huggingface.github.io/text-generation-inference/>

use super::fields::{ERROR, Fields, number, output, text, usage};
use super::openai_chat::{CHOICE, STOP_SEQUENCE, USAGE};
use super::{Adapter, Field, Operation};
use crate::content::shapes;
use crate::wire::json::Node;

const fn api(operation: Operation) -> Adapter {
    Adapter {
        event: &EVENT,
        other_operation: Some(Operation::Embeddings),
        ..Adapter::new("tgi.generate", operation, &REQUEST, &RESPONSE)
    }
}

/// Only what comes back says whether the model embeds.
pub static GENERATE: Adapter = Adapter { content: Some(&shapes::BARE), ..api(Operation::TextCompletion) };
pub static EMBED: Adapter = api(Operation::Embeddings);

static REQUEST: Node<Field> = Node::object(&[
    ("model", text(Field::RequestModel)),
    ("stream", number(Field::Stream)),
    ("max_tokens", number(Field::MaxTokens)),
    ("temperature", number(Field::Temperature)),
    ("parameters", Node::object(PARAMETERS)),
    ("sampling_params", Node::object(PARAMETERS)),
]);

pub(super) static PARAMETERS: Fields = &[
    ("max_new_tokens", number(Field::MaxTokens)),
    ("temperature", number(Field::Temperature)),
    ("top_p", number(Field::TopP)),
    ("top_k", number(Field::TopK)),
    ("seed", number(Field::Seed)),
    ("random_seed", number(Field::Seed)),
    ("stop", text(Field::StopSequence).or_array(&STOP_SEQUENCE)),
    ("stop_sequences", Node::array(&STOP_SEQUENCE)),
];

static BODY: Fields = &[
    ("generated_text", output()),
    (
        "details",
        Node::object(&[
            ("finish_reason", text(Field::FinishReason)),
            ("generated_tokens", number(Field::OutputTokens)),
            ("input_length", number(Field::InputTokens)),
        ]),
    ),
    ("token", Node::object(&[("text", output())])),
    // SGLang.
    ("text", output()),
    (
        "meta_info",
        Node::object(&[
            ("id", text(Field::ResponseId)),
            ("finish_reason", Node::object(&[("type", text(Field::FinishReason))])),
            ("prompt_tokens", number(Field::InputTokens)),
            ("completion_tokens", number(Field::OutputTokens)),
            ("cached_tokens", number(Field::CacheReadTokens)),
        ]),
    ),
    // What else an endpoint may hold.
    ("id", text(Field::ResponseId)),
    ("model", text(Field::ResponseModel)),
    ("choices", Node::array(&CHOICE)),
    ("usage", usage(USAGE)),
    ("error", ERROR),
    ("error_type", text(Field::ErrorType)),
];

/// One answer, or an array of them; a vector, or one for each input.
static RESPONSE: Node<Field> = Node::object(BODY).or_array(&ANSWER);
static ANSWER: Node<Field> = Node::object(ONE_OF_SEVERAL)
    .or_array(&NUMBER)
    .or_scalar(Field::OtherOperation, 0)
    .reported(Field::Choice);

/// The same where there are several prompts: what each took adds up, but for what the cache had.
static ONE_OF_SEVERAL: Fields = &[
    ("generated_text", output()),
    (
        "details",
        Node::object(&[
            ("finish_reason", text(Field::FinishReason)),
            ("generated_tokens", number(Field::MoreOutputTokens)),
            ("input_length", number(Field::MoreInputTokens)),
        ]),
    ),
    ("text", output()),
    (
        "meta_info",
        Node::object(&[
            ("id", text(Field::ResponseId)),
            ("finish_reason", Node::object(&[("type", text(Field::FinishReason))])),
            ("prompt_tokens", number(Field::MoreInputTokens)),
            ("completion_tokens", number(Field::MoreOutputTokens)),
        ]),
    ),
];
static NUMBER: Node<Field> = number(Field::OtherOperation);
static EVENT: Node<Field> = Node::object(BODY);
