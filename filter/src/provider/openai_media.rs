//! OpenAI's other calls, and those of others with the same bodies: images, audio, moderations, token counts, files,
//! batches, sessions. Counted; tokens where the wire has them.
//!
//! A batch carries its usage once it is done. Every answer that shows it says so again, under the batch's id.
//! <https://platform.openai.com/docs/api-reference>

use super::fields::{ERROR, Fields, number, output, text, usage};
use super::openai_chat::CHOICE;
use super::{Adapter, Field, Operation};
use crate::wire::json::Node;

const fn api(name: &'static str, operation: Operation) -> Adapter {
    Adapter::new(name, operation, &REQUEST, &RESPONSE)
}

pub static IMAGES: Adapter = api("openai.images", Operation::ImageGeneration);
pub static TRANSCRIPTIONS: Adapter = api("openai.transcriptions", Operation::Transcription);
pub static SPEECH: Adapter = api("openai.speech", Operation::Speech);
pub static MODERATIONS: Adapter = api("openai.moderations", Operation::Moderation);
pub static BATCHES: Adapter = api("openai.batches", Operation::Batch);
/// Only counted: what is handed over is not read.
pub static FILES: Adapter = api("openai.files", Operation::FileUpload);
/// Only counted: once it is open, it is no HTTP.
pub static REALTIME: Adapter = api("openai.realtime", Operation::Realtime);
pub static LIVE: Adapter = api("gemini.live", Operation::Realtime);
pub static OCR: Adapter = api("mistral.ocr", Operation::Ocr);
pub static COUNT_TOKENS: Adapter =
    Adapter { response: &COUNT, ..api("count_tokens", Operation::CountTokens) };

static REQUEST: Node<Field> = Node::object(&[
    ("model", text(Field::RequestModel)),
    ("stream", number(Field::Stream)),
    ("n", number(Field::ChoiceCount)),
    ("temperature", number(Field::Temperature)),
    ("response_format", text(Field::OutputFormat)),
    ("user", text(Field::UserId)),
]);

static RESPONSE: Node<Field> = Node::object(&[
    ("id", text(Field::ResponseId)),
    ("model", text(Field::ResponseModel)),
    ("type", Node::scalar(Field::EventType, 64)),
    ("delta", output()),
    // vLLM streams transcriptions like chats.
    ("choices", Node::array(&CHOICE)),
    ("usage", usage(USAGE)),
    // Pages, at OCR.
    ("usage_info", usage(&[])),
    ("error", ERROR),
]);

static USAGE: Fields = &[
    ("input_tokens", number(Field::InputTokens)),
    ("output_tokens", number(Field::OutputTokens)),
    ("prompt_tokens", number(Field::InputTokens)),
    ("completion_tokens", number(Field::OutputTokens)),
    ("total_tokens", number(Field::TotalTokens)),
    ("input_tokens_details", Node::object(CACHED)),
    ("prompt_tokens_details", Node::object(CACHED)),
    ("output_tokens_details", Node::object(&[("reasoning_tokens", number(Field::ReasoningTokens))])),
];

static CACHED: Fields = &[("cached_tokens", number(Field::CacheReadTokens))];

static COUNT: Node<Field> = Node::object(&[("error", ERROR)]);
