//! What bodies mean: one file per API shape.
//!
//! An [`Adapter`] is data: which places of the request, of the answer and of a stream's documents hold which [`Field`].
//! Reading them is the same for all ([`Observer`]); how token counts are meant stands in [`crate::usage`]; which
//! exchange gets which adapter stands in [`crate::detect`].

mod fields;
mod observer;

pub mod aleph_alpha;
pub mod anthropic;
pub mod bedrock_agent;
pub mod bedrock_converse;
pub mod bedrock_invoke;
pub mod cohere;
pub mod gemini;
pub mod gemini_interactions;
pub mod llamacpp;
pub mod mistral_conversations;
pub mod ollama;
pub mod openai_chat;
pub mod openai_media;
pub mod openai_responses;
pub mod replicate;
pub mod tgi;
pub mod vectors;
pub mod watsonx;
pub mod workers_ai;

pub use observer::{Facts, Observer, Text};

use crate::content::{ContentShape, Part};
use crate::usage::{Reported, Usage, openai};
use crate::wire::json::Node;

/// The shape of one API.
#[derive(Debug)]
pub struct Adapter {
    /// `meshtap.api`: the family of the wire format, as docs/providers.md lists it.
    pub name: &'static str,
    pub operation: Operation,
    pub request: &'static Node<Field>,
    /// An answer in one JSON document, errors included.
    pub response: &'static Node<Field>,
    /// One document of a streamed answer.
    pub event: &'static Node<Field>,
    pub usage: fn(Reported) -> Usage,
    pub usage_objects: UsageObjects,
    /// Whether a tool call of this type is one that the client has to run; `None` where the wire has no type.
    pub is_client_tool: fn(Option<&str>) -> bool,
    /// Whether an answer is a stream unless the request says otherwise.
    pub streams_by_default: bool,
    /// What it is for when a body shows that it is not for the usual.
    pub other_operation: Option<Operation>,
    /// Where its bodies hold content, at the APIs of which that is known.
    pub content: Option<&'static ContentShape>,
}

impl Adapter {
    /// What most adapters have in common: answers and documents alike, OpenAI's counting.
    const fn new(
        name: &'static str,
        operation: Operation,
        request: &'static Node<Field>,
        answer: &'static Node<Field>,
    ) -> Self {
        Self {
            name,
            operation,
            request,
            response: answer,
            event: answer,
            usage: openai,
            usage_objects: UsageObjects::LastCounts,
            is_client_tool: every_tool,
            streams_by_default: false,
            other_operation: None,
            content: None,
        }
    }
}

/// What several usage objects in one answer mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageObjects {
    /// The last one counts, whole.
    LastCounts,
    /// A later one overwrites what it names.
    Overlay,
}

/// What a call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Chat,
    Responses,
    ResponsesCompact,
    GenerateContent,
    Interactions,
    TextCompletion,
    Embeddings,
    Rerank,
    CountTokens,
    Moderation,
    ImageGeneration,
    Transcription,
    Speech,
    InvokeAgent,
    Predict,
    Ocr,
    /// Many requests in one, to be answered later.
    Batch,
    /// A file is handed over for later use.
    FileUpload,
    /// A session over a WebSocket, with as many answers as it takes.
    Realtime,
}

impl Operation {
    /// `gen_ai.operation.name`: the conventions' word where they have one, ours otherwise.
    pub fn otel_name(self) -> &'static str {
        match self {
            Self::Chat | Self::Responses => "chat",
            Self::GenerateContent | Self::Interactions => "generate_content",
            other => other.name(),
        }
    }

    /// What the API itself is for, where the conventions make no difference.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::ResponsesCompact => "responses_compact",
            Self::GenerateContent => "generate_content",
            Self::Interactions => "interactions",
            Self::TextCompletion => "text_completion",
            Self::Embeddings => "embeddings",
            Self::Rerank => "rerank",
            Self::CountTokens => "count_tokens",
            Self::Moderation => "moderation",
            Self::ImageGeneration => "image_generation",
            Self::Transcription => "transcription",
            Self::Speech => "speech",
            Self::InvokeAgent => "invoke_agent",
            Self::Predict => "predict",
            Self::Ocr => "ocr",
            Self::Batch => "batch",
            Self::FileUpload => "file_upload",
            Self::Realtime => "realtime",
        }
    }
}

/// What a value found in a body is, whatever the provider calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    RequestModel,
    Stream,
    MaxTokens,
    Temperature,
    TopP,
    TopK,
    FrequencyPenalty,
    PresencePenalty,
    Seed,
    ChoiceCount,
    StopSequence,
    /// What shows that the call is not for the usual: text to go on with where others send messages, a vector where
    /// others get text.
    OtherOperation,
    OutputFormat,
    /// One of the kinds of output that may come.
    OutputModality,
    RequestServiceTier,
    ReasoningLevel,
    Dimensions,
    EncodingFormat,
    /// A tool that the model may use.
    OfferedTool,
    ConversationId,
    PreviousResponseId,
    UserId,

    ResponseId,
    ResponseModel,
    ResponseServiceTier,
    SystemFingerprint,
    /// One document of an array that streams them.
    Document,
    /// One of several alternative answers.
    Choice,
    ChoiceIndex,
    FinishReason,
    /// A finish reason that a more specific one replaces, whichever comes first.
    FallbackFinishReason,
    /// Text, reasoning or refusal; only whether it is empty matters.
    OutputText,
    /// An item of output that may be a tool call, or a tool call itself.
    Tool,
    ToolIndex,
    ToolId,
    ToolType,
    /// Or a piece of it.
    ToolName,
    /// Only whether there are any, and how they begin.
    ToolArguments,
    /// The whole list of items, as a stream repeats it at its end.
    ToolList,
    /// What the last event of a stream has, or whether an event is the last.
    LastEvent,
    /// The name of an event, inside it.
    EventType,

    Usage,
    InputTokens,
    /// Adds up over several places.
    MoreInputTokens,
    /// Later documents say zero.
    LargestInputTokens,
    OutputTokens,
    /// Adds up over several places.
    MoreOutputTokens,
    TotalTokens,
    CacheReadTokens,
    CacheCreationTokens,
    ReasoningTokens,
    ToolUseTokens,
    BilledInputTokens,
    BilledOutputTokens,
    /// Counts that matter only where there is no usage object.
    MetricInputTokens,
    MetricOutputTokens,
    MetricCacheReadTokens,
    MetricCacheCreationTokens,

    Error,
    ErrorType,
    ErrorStatus,
    ErrorCode,

    /// What a message says, in the trees of [`crate::content::shapes`]; nothing that an [`Observer`] takes. It stands here so
    /// that both readings of a body are one scanner's.
    Content(Part),
}

/// Most wires list nothing but calls that the client has to run.
fn every_tool(_: Option<&str>) -> bool {
    true
}

#[cfg(test)]
mod tests;
