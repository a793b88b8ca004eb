//! Bedrock InvokeModel and its stream: each model family has a wire of its own. Where a body has no usage object, the
//! metrics that Bedrock adds to the last chunk count, or else the headers it adds to every answer.
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html>

use super::fields::{ERROR, Fields, marker, number, output, text, usage};
use super::openai_chat::STOP_SEQUENCE;
use super::{Adapter, Field, Operation, UsageObjects, anthropic, bedrock_converse, cohere, openai_chat};
use crate::content::shapes;
use crate::usage::{billed, cache_apart};
use crate::wire::holds;
use crate::wire::json::Node;

/// The adapter for a model, by its id.
pub fn adapter(model: &str) -> &'static Adapter {
    FAMILIES
        .iter()
        .find(|(family, _)| family.split(' ').all(|part| holds(model, part)))
        .map_or(if model.starts_with("arn:") { &OPAQUE } else { &CHAT }, |(_, adapter)| adapter)
}

/// Model families by the parts of their ids, the more specific first. What is in none has OpenAI's wire.
pub static FAMILIES: &[(&str, &Adapter)] = &[
    ("anthropic.", &ANTHROPIC),
    ("rerank", &RERANK),
    ("amazon.titan embed", &TITAN_EMBED),
    ("embed", &EMBED),
    ("amazon.titan image", &IMAGES),
    ("amazon.nova-canvas", &IMAGES),
    ("stability.", &IMAGES),
    ("amazon.nova sonic", &SONIC),
    ("amazon.nova", &NOVA),
    ("amazon.titan", &TITAN),
    ("cohere.command-r", &cohere::CHAT),
    ("cohere.command", &cohere::GENERATE),
    ("meta.", &LLAMA),
    ("mistral.mistral-7b", &MISTRAL_TEXT),
    ("mistral.mixtral", &MISTRAL_TEXT),
    ("mistral.mistral-small-2402", &MISTRAL_TEXT),
    ("mistral.mistral-large-2402", &MISTRAL_TEXT),
    ("deepseek.r1", &MISTRAL_TEXT),
    ("ai21.j2", &JURASSIC),
];

const fn family(name: &'static str, operation: Operation, response: &'static Node<Field>) -> Adapter {
    Adapter { usage_objects: UsageObjects::Overlay, ..Adapter::new(name, operation, &REQUEST, response) }
}

/// Text in, text out.
const fn bare(name: &'static str, response: &'static Node<Field>) -> Adapter {
    Adapter { content: Some(&shapes::BARE), ..family(name, Operation::TextCompletion, response) }
}

static NOVA: Adapter = Adapter {
    request: &bedrock_converse::REQUEST,
    event: &bedrock_converse::WRAPPED_EVENT,
    usage: cache_apart,
    content: Some(&shapes::NOVA),
    ..family("bedrock.nova", Operation::Chat, &bedrock_converse::RESPONSE)
};
static TITAN: Adapter = bare("bedrock.titan", &TITAN_BODY);
static TITAN_EMBED: Adapter = family("bedrock.titan_embed", Operation::Embeddings, &TITAN_EMBED_BODY);
static EMBED: Adapter =
    Adapter { usage: billed, ..family("bedrock.embed", Operation::Embeddings, &EMBED_BODY) };
static RERANK: Adapter = family("bedrock.rerank", Operation::Rerank, &EMBED_BODY);
static IMAGES: Adapter = family("bedrock.images", Operation::ImageGeneration, &IMAGES_BODY);
/// Speech in both directions.
static SONIC: Adapter = family("bedrock.nova_sonic", Operation::Chat, &SONIC_EVENT);
static LLAMA: Adapter = bare("bedrock.llama", &LLAMA_BODY);
/// The older models take a prompt, and some of them messages too.
static MISTRAL_TEXT: Adapter = Adapter {
    request: &MISTRAL_REQUEST,
    other_operation: Some(Operation::Chat),
    content: Some(&shapes::MISTRAL),
    ..bare("bedrock.mistral", &MISTRAL_BODY)
};
/// OpenAI's wire, but for what Mistral calls the end of an answer.
pub static CHAT: Adapter = Adapter {
    request: openai_chat::CHAT.request,
    content: Some(&shapes::BEDROCK_CHAT),
    ..Adapter::new("bedrock.chat", Operation::Chat, &REQUEST, &CHAT_BODY)
};
static JURASSIC: Adapter = bare("bedrock.ai21_j2", &JURASSIC_BODY);
/// The oldest models take messages or a prompt.
static ANTHROPIC: Adapter =
    Adapter { other_operation: Some(Operation::TextCompletion), ..anthropic::MESSAGES_LIKE };

/// An ARN of a profile, of provisioned throughput or of an imported model may say nothing of the family: the members
/// that tell them apart, all in one.
pub static OPAQUE: Adapter = Adapter {
    usage: cache_apart,
    is_client_tool: |kind| !matches!(kind, Some("server_tool_use" | "mcp_tool_use")),
    ..family("bedrock.invoke", Operation::Chat, &OPAQUE_BODY)
};

static REQUEST: Node<Field> = Node::object(&[
    ("max_tokens", number(Field::MaxTokens)),
    ("max_tokens_to_sample", number(Field::MaxTokens)),
    ("max_gen_len", number(Field::MaxTokens)),
    ("maxTokens", number(Field::MaxTokens)),
    ("temperature", number(Field::Temperature)),
    ("top_p", number(Field::TopP)),
    ("top_k", number(Field::TopK)),
    ("topP", number(Field::TopP)),
    ("seed", number(Field::Seed)),
    ("numResults", number(Field::ChoiceCount)),
    ("stopSequences", Node::array(&STOP_SEQUENCE)),
    ("stop_sequences", Node::array(&STOP_SEQUENCE)),
    (
        "textGenerationConfig",
        Node::object(&[
            ("maxTokenCount", number(Field::MaxTokens)),
            ("temperature", number(Field::Temperature)),
            ("topP", number(Field::TopP)),
            ("stopSequences", Node::array(&STOP_SEQUENCE)),
        ]),
    ),
    (
        "imageGenerationConfig",
        Node::object(&[("numberOfImages", number(Field::ChoiceCount)), ("seed", number(Field::Seed))]),
    ),
    // Titan, Titan with images, Cohere, Nova.
    ("dimensions", number(Field::Dimensions)),
    ("embeddingConfig", Node::object(&[("outputEmbeddingLength", number(Field::Dimensions))])),
    ("output_dimension", number(Field::Dimensions)),
    ("singleEmbeddingParams", Node::object(&[("embeddingDimension", number(Field::Dimensions))])),
    ("embeddingTypes", Node::array(&EMBEDDING_TYPE)),
    ("embedding_types", Node::array(&EMBEDDING_TYPE)),
]);
static EMBEDDING_TYPE: Node<Field> = text(Field::EncodingFormat);

static MISTRAL_REQUEST: Node<Field> = Node::object(&[
    ("messages", Node::array(&MISTRAL_MESSAGE)),
    ("max_tokens", number(Field::MaxTokens)),
    ("temperature", number(Field::Temperature)),
    ("top_p", number(Field::TopP)),
    ("top_k", number(Field::TopK)),
    ("stop", Node::array(&STOP_SEQUENCE)),
    ("tools", Node::array(&OFFERED_TOOL)),
]);
static MISTRAL_MESSAGE: Node<Field> = Node::object(&[("role", number(Field::OtherOperation))]);
static OFFERED_TOOL: Node<Field> = marker(Field::OfferedTool);

/// `amazon-bedrock-invocationMetrics`, on the last chunk of a stream.
pub(super) static METRICS: Fields = &[
    ("inputTokenCount", number(Field::MetricInputTokens)),
    ("outputTokenCount", number(Field::MetricOutputTokens)),
    ("cacheReadInputTokenCount", number(Field::MetricCacheReadTokens)),
    ("cacheWriteInputTokenCount", number(Field::MetricCacheCreationTokens)),
];

const INVOCATION_METRICS: (&str, Node<Field>) = ("amazon-bedrock-invocationMetrics", Node::object(METRICS));

static OPAQUE_BODY: Node<Field> = Node::object(&[
    ("id", text(Field::ResponseId)),
    ("model", text(Field::ResponseModel)),
    // Anthropic.
    ("message", Node::object(anthropic::MESSAGE)),
    ("content_block", anthropic::CONTENT_BLOCK),
    ("content", Node::array(&anthropic::BLOCK)),
    ("delta", Node::object(anthropic::DELTA)),
    ("stop_reason", text(Field::FinishReason)),
    // What has OpenAI's wire.
    ("choices", Node::array(&CHOICE)),
    ("usage", usage(OPAQUE_USAGE)),
    // Llama.
    ("prompt_token_count", number(Field::InputTokens)),
    ("generation_token_count", number(Field::OutputTokens)),
    ("generation", output()),
    // Nova.
    ("output", Node::object(bedrock_converse::OUTPUT)),
    ("stopReason", text(Field::FinishReason)),
    ("contentBlockStart", Node::object(bedrock_converse::PAYLOAD)),
    ("contentBlockDelta", Node::object(bedrock_converse::PAYLOAD)),
    ("messageStop", Node::object(bedrock_converse::PAYLOAD)),
    ("metadata", Node::object(bedrock_converse::PAYLOAD)),
    // Titan.
    ("inputTextTokenCount", number(Field::InputTokens)),
    ("totalOutputTextTokenCount", number(Field::OutputTokens)),
    ("outputText", output()),
    ("completionReason", text(Field::FinishReason)),
    ("results", Node::array(&TITAN_RESULT)),
    // Mistral.
    ("outputs", Node::array(&MISTRAL_OUTPUT)),
    INVOCATION_METRICS,
]);
/// Without the cached tokens of OpenAI's wire, which are part of its input.
static OPAQUE_USAGE: Fields = &[
    ("input_tokens", number(Field::InputTokens)),
    ("output_tokens", number(Field::OutputTokens)),
    ("prompt_tokens", number(Field::InputTokens)),
    ("completion_tokens", number(Field::OutputTokens)),
    ("total_tokens", number(Field::TotalTokens)),
    ("cache_read_input_tokens", number(Field::CacheReadTokens)),
    ("cache_creation_input_tokens", number(Field::CacheCreationTokens)),
    ("inputTokens", number(Field::InputTokens)),
    ("outputTokens", number(Field::OutputTokens)),
    ("totalTokens", number(Field::TotalTokens)),
    ("cacheReadInputTokenCount", number(Field::CacheReadTokens)),
    ("cacheWriteInputTokenCount", number(Field::CacheCreationTokens)),
];

static CHAT_BODY: Node<Field> = Node::object(&[
    ("id", text(Field::ResponseId)),
    ("model", text(Field::ResponseModel)),
    ("service_tier", text(Field::ResponseServiceTier)),
    ("system_fingerprint", text(Field::SystemFingerprint)),
    ("choices", Node::array(&CHOICE)),
    ("usage", usage(openai_chat::USAGE)),
    // Pegasus.
    ("finishReason", text(Field::FinishReason)),
    ("error", ERROR),
    INVOCATION_METRICS,
]);
static CHOICE: Node<Field> = Node::object(&[
    ("index", number(Field::ChoiceIndex)),
    ("finish_reason", text(Field::FinishReason)),
    // Mistral's; where both are, it says which of the stop sequences it was.
    ("stop_reason", text(Field::FallbackFinishReason)),
    ("message", Node::object(openai_chat::MESSAGE)),
    ("delta", Node::object(openai_chat::DELTA)),
    ("text", output()),
])
.reported(Field::Choice);

static TITAN_BODY: Node<Field> = Node::object(&[
    ("inputTextTokenCount", number(Field::InputTokens)),
    ("totalOutputTextTokenCount", number(Field::OutputTokens)),
    ("outputText", output()),
    ("completionReason", text(Field::FinishReason)),
    ("results", Node::array(&TITAN_RESULT)),
    INVOCATION_METRICS,
]);
static TITAN_RESULT: Node<Field> = Node::object(&[
    ("tokenCount", number(Field::OutputTokens)),
    ("completionReason", text(Field::FinishReason)),
])
.reported(Field::Choice);

static TITAN_EMBED_BODY: Node<Field> = Node::object(&[("inputTextTokenCount", number(Field::InputTokens))]);

static EMBED_BODY: Node<Field> = Node::object(&[("id", text(Field::ResponseId))]);

static IMAGES_BODY: Node<Field> = Node::object(&[("error", ERROR)]);

static SONIC_EVENT: Node<Field> = Node::object(&[(
    "event",
    Node::object(&[
        ("textOutput", Node::object(&[("content", output())])),
        ("audioOutput", Node::object(&[("content", output())])),
        ("toolUse", Node::object(&[("toolName", text(Field::ToolName))]).reported(Field::Tool)),
        ("completionEnd", Node::object(&[("stopReason", text(Field::FinishReason))])),
        ("usageEvent", usage(SONIC_USAGE)),
    ]),
)]);
static SONIC_USAGE: Fields = &[
    ("totalInputTokens", number(Field::InputTokens)),
    ("totalOutputTokens", number(Field::OutputTokens)),
    ("totalTokens", number(Field::TotalTokens)),
];

static LLAMA_BODY: Node<Field> = Node::object(&[
    ("prompt_token_count", number(Field::InputTokens)),
    ("generation_token_count", number(Field::OutputTokens)),
    ("generation", output()),
    ("stop_reason", text(Field::FinishReason)),
    INVOCATION_METRICS,
]);

static MISTRAL_BODY: Node<Field> = Node::object(&[
    ("outputs", Node::array(&MISTRAL_OUTPUT)),
    ("choices", Node::array(&MISTRAL_OUTPUT)),
    INVOCATION_METRICS,
]);
static MISTRAL_OUTPUT: Node<Field> = Node::object(&[
    ("text", output()),
    ("stop_reason", text(Field::FinishReason)),
    ("message", Node::object(openai_chat::MESSAGE)),
])
.reported(Field::Choice);

static JURASSIC_BODY: Node<Field> = Node::object(&[("completions", Node::array(&JURASSIC_COMPLETION))]);
static JURASSIC_COMPLETION: Node<Field> =
    Node::object(&[("finishReason", Node::object(&[("reason", text(Field::FinishReason))]))])
        .reported(Field::Choice);
