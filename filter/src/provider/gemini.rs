//! Gemini: generateContent, its stream, and embeddings, at the Gemini API and on Vertex AI.
//! <https://ai.google.dev/api/generate-content>

use super::fields::{ERROR, Fields, NOTHING, marker, number, output, text, usage};
use super::{Adapter, Field, Operation};
use crate::content::shapes;
use crate::usage::gemini;
use crate::wire::json::Node;

pub static GENERATE_CONTENT: Adapter = Adapter {
    event: &EVENT,
    usage: gemini,
    content: Some(&shapes::GEMINI),
    ..Adapter::new("gemini.generate_content", Operation::GenerateContent, &REQUEST, &RESPONSE)
};

pub static EMBED_CONTENT: Adapter = Adapter {
    usage: gemini,
    ..Adapter::new("gemini.embed_content", Operation::Embeddings, &EMBED_REQUEST, &EMBEDDINGS)
};

pub static COUNT_TOKENS: Adapter = Adapter {
    usage: gemini,
    ..Adapter::new("gemini.count_tokens", Operation::CountTokens, &NOTHING, &ERRORS)
};

/// Embeddings on Vertex AI say their tokens with each vector.
pub static PREDICT_EMBEDDINGS: Adapter = Adapter {
    usage: gemini,
    ..Adapter::new("vertex.predict", Operation::Embeddings, &PREDICT_REQUEST, &PREDICTIONS)
};

/// Vertex AI's generic call.
pub static PREDICT: Adapter = Adapter {
    usage: gemini,
    ..Adapter::new("vertex.predict", Operation::Predict, &PREDICT_REQUEST, &ERRORS)
};

static REQUEST: Node<Field> = Node::object(&[
    ("generationConfig", Node::object(GENERATION_CONFIG)),
    ("generation_config", Node::object(GENERATION_CONFIG)),
    // One needs no list around it.
    ("tools", Node::object(TOOL_LISTS).or_array(&TOOLS)),
]);

static EMBED_REQUEST: Node<Field> = Node::object(&[
    ("outputDimensionality", number(Field::Dimensions)),
    ("output_dimensionality", number(Field::Dimensions)),
    ("requests", Node::array(&EMBED_ONE)),
]);
static EMBED_ONE: Node<Field> = Node::object(&[
    ("outputDimensionality", number(Field::Dimensions)),
    ("output_dimensionality", number(Field::Dimensions)),
]);

static PREDICT_REQUEST: Node<Field> = Node::object(&[("parameters", Node::object(GENERATION_CONFIG))]);

/// JSON of protocol buffers: either spelling is right, and LiteLLM sends the second.
static GENERATION_CONFIG: Fields = &[
    ("maxOutputTokens", number(Field::MaxTokens)),
    ("max_output_tokens", number(Field::MaxTokens)),
    ("temperature", number(Field::Temperature)),
    ("topP", number(Field::TopP)),
    ("top_p", number(Field::TopP)),
    ("topK", number(Field::TopK)),
    ("top_k", number(Field::TopK)),
    ("frequencyPenalty", number(Field::FrequencyPenalty)),
    ("frequency_penalty", number(Field::FrequencyPenalty)),
    ("presencePenalty", number(Field::PresencePenalty)),
    ("presence_penalty", number(Field::PresencePenalty)),
    ("seed", number(Field::Seed)),
    ("candidateCount", number(Field::ChoiceCount)),
    ("candidate_count", number(Field::ChoiceCount)),
    ("stopSequences", Node::array(&STOP_SEQUENCE)),
    ("stop_sequences", Node::array(&STOP_SEQUENCE)),
    ("responseMimeType", text(Field::OutputFormat)),
    ("response_mime_type", text(Field::OutputFormat)),
    ("responseSchema", marker(Field::OutputFormat)),
    ("response_schema", marker(Field::OutputFormat)),
    ("responseJsonSchema", marker(Field::OutputFormat)),
    ("response_json_schema", marker(Field::OutputFormat)),
    ("responseModalities", Node::array(&MODALITY)),
    ("response_modalities", Node::array(&MODALITY)),
    ("thinkingConfig", Node::object(&[("thinkingLevel", text(Field::ReasoningLevel))])),
    ("thinking_config", Node::object(&[("thinking_level", text(Field::ReasoningLevel))])),
    // Of vectors.
    ("outputDimensionality", number(Field::Dimensions)),
];
static MODALITY: Node<Field> = text(Field::OutputModality);

static STOP_SEQUENCE: Node<Field> = text(Field::StopSequence);
static TOOLS: Node<Field> = Node::object(TOOL_LISTS);
static TOOL_LISTS: Fields = &[
    ("functionDeclarations", Node::array(&OFFERED_TOOL)),
    ("function_declarations", Node::array(&OFFERED_TOOL)),
];
static OFFERED_TOOL: Node<Field> = marker(Field::OfferedTool);

static BODY: Fields = &[
    ("responseId", text(Field::ResponseId)),
    ("modelVersion", text(Field::ResponseModel)),
    ("candidates", Node::array(&CANDIDATE)),
    // Nothing comes after a prompt that was refused.
    ("promptFeedback", Node::object(&[("blockReason", Node::scalar(Field::LastEvent, 1))])),
    ("usageMetadata", usage(USAGE)),
    ("error", ERROR),
];

/// A stream without `alt=sse` is one array of documents.
static RESPONSE: Node<Field> = Node::object(BODY).or_array(&DOCUMENT);
static DOCUMENT: Node<Field> = Node::object(BODY).reported(Field::Document);
static EVENT: Node<Field> = Node::object(BODY);

static CANDIDATE: Node<Field> = Node::object(&[
    ("index", number(Field::ChoiceIndex)),
    // An enumeration may come as its number.
    ("finishReason", text(Field::FinishReason)),
    ("content", Node::object(&[("parts", Node::array(&PART))])),
])
.reported(Field::Choice);

static PART: Node<Field> = Node::object(&[
    ("text", output()),
    ("functionCall", Node::object(&[("name", text(Field::ToolName))]).reported(Field::Tool)),
]);

static USAGE: Fields = &[
    ("promptTokenCount", number(Field::InputTokens)),
    ("candidatesTokenCount", number(Field::OutputTokens)),
    ("totalTokenCount", number(Field::TotalTokens)),
    ("cachedContentTokenCount", number(Field::CacheReadTokens)),
    ("thoughtsTokenCount", number(Field::ReasoningTokens)),
    ("toolUsePromptTokenCount", number(Field::ToolUseTokens)),
];

static EMBEDDINGS: Node<Field> = Node::object(&[("usageMetadata", usage(USAGE)), ("error", ERROR)]);

static ERRORS: Node<Field> = Node::object(&[("error", ERROR)]).or_array(&ERRORS_ITEM);
static ERRORS_ITEM: Node<Field> = Node::object(&[("error", ERROR)]);

static PREDICTIONS: Node<Field> =
    Node::object(&[("predictions", Node::array(&PREDICTION)), ("error", ERROR)]).or_array(&ERRORS_ITEM);
static PREDICTION: Node<Field> = Node::object(&[(
    "embeddings",
    Node::object(&[("statistics", Node::object(&[("token_count", number(Field::MoreInputTokens))]))]),
)]);
