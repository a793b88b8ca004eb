//! What bodies mean: one file per API shape.
//!
//! An [`Adapter`] is data: which places of the request, the answer and a stream's events hold which [`Field`]. Reading
//! them is the same for all ([`Observer`]); how token counts are meant stands in [`crate::usage`].

mod observer;
pub mod openai_chat;

pub use observer::{Facts, Observer, Text};

use crate::usage::{Reported, Usage};
use crate::wire::json::Node;

/// The shape of one API.
#[derive(Debug)]
pub struct Adapter {
    /// `gen_ai.operation.name`.
    pub operation_name: &'static str,
    /// `openai.api.type`, where the API is one of OpenAI's.
    pub openai_api_type: Option<&'static str>,
    pub request: &'static Node<Field>,
    /// An answer in one JSON document, errors included.
    pub response: &'static Node<Field>,
    /// The data of one event of a streamed answer.
    pub event: &'static Node<Field>,
    /// The data of the event after which nothing comes.
    pub last_event: &'static [u8],
    pub usage: fn(Reported) -> Usage,
}

/// What a value found in a body is, whatever the provider calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    RequestModel,
    Stream,
    MaxTokens,
    Temperature,
    TopP,
    FrequencyPenalty,
    PresencePenalty,
    Seed,
    ChoiceCount,
    StopSequence,
    OutputFormat,
    RequestServiceTier,

    ResponseId,
    ResponseModel,
    ResponseServiceTier,
    SystemFingerprint,
    /// One of several alternative answers.
    Choice,
    ChoiceIndex,
    FinishReason,
    /// Text, reasoning or refusal; only whether it is empty matters.
    OutputText,
    /// A tool call, whole or in part.
    OutputToolCall,

    Usage,
    InputTokens,
    OutputTokens,
    TotalTokens,
    CacheReadTokens,
    ReasoningTokens,

    Error,
    ErrorType,
    ErrorCode,
}
