//! Which names a span's attributes come under, and what each of them means here. This is the one place that knows the
//! vocabularies; docs/normalization.md is written from it.
//!
//! A row is something that the model or the current conventions have one name for, with the names under which others
//! send it, best first. The first source whose value makes sense wins and leaves the span's attributes; what lost stays
//! as it came. A source that only says something about the value (a kind, a member of a JSON text) stays too.

use meshtap_filter::semconv as names;

use super::values::{
    FRAMEWORKS, LANGSMITH_CALLS, LANGSMITH_KINDS, OPENINFERENCE_KINDS, REQUEST_TYPES, STREAMING_OPERATIONS,
    TRACELOOP_KINDS, VERCEL_OPERATIONS,
};

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Field(Field),
    /// An attribute under its current name; it stays among the span's attributes. Spans that are no GenAI spans keep
    /// theirs as they came.
    Attribute(&'static str),
}

/// A field of the model, with the conversion that its values go through; in the order of the table, which begins with
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Operation,
    Provider,
    RequestModel,
    ResponseModel,
    ResponseId,
    FinishReasons,
    Stream,
    InputTokens,
    /// Input without what came from a cache or went into one, where a source tells it: see `counting`.
    UncachedInputTokens,
    OutputTokens,
    CacheReadInputTokens,
    CacheCreationInputTokens,
    ReasoningOutputTokens,
    UsageSource,
    TimeToFirstChunk,
    TimeToFirstContent,
    End,
    ErrorType,
    HttpStatusCode,
}

impl Field {
    /// Its number in the table.
    pub(super) const fn row(self) -> u8 {
        self as u8
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) target: Target,
    pub(super) sources: &'static [Source],
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    pub(super) name: &'static str,
    pub(super) how: How,
}

/// How a source's value becomes the row's.
#[derive(Clone, Copy, Debug)]
pub(super) enum How {
    /// As it is.
    Whole,
    /// Milliseconds, for a row in seconds.
    Millis,
    /// A word that stands for another; of a word that is not listed nothing is known.
    Word(&'static [(&'static str, &'static str)]),
    /// A member of the JSON object that the text is, by its path.
    Member(&'static [&'static str]),
    /// The number after this name in a text that may be JSON or what Python prints of a dictionary.
    Detail(&'static str),
    /// As it is, unless it is one of these words, of which nothing is known.
    Unless(&'static [&'static str]),
    /// Together with another attribute, as `this/other`: who serves a model, and whose model it is.
    With(&'static str),
}

impl How {
    /// Whether the attribute is used up.
    pub(super) const fn takes(self) -> bool {
        matches!(self, Self::Whole | Self::Millis | Self::Unless(_) | Self::With(_))
    }
}

const fn is(name: &'static str) -> Source {
    Source { name, how: How::Whole }
}

const fn of(name: &'static str, how: How) -> Source {
    Source { name, how }
}

const fn member(name: &'static str, path: &'static [&'static str]) -> Source {
    Source { name, how: How::Member(path) }
}

const fn field(field: Field, sources: &'static [Source]) -> Row {
    Row { target: Target::Field(field), sources }
}

const fn attribute(name: &'static str, sources: &'static [Source]) -> Row {
    Row { target: Target::Attribute(name), sources }
}

/// JSON texts that OpenInference keeps the arguments of a call in.
const PARAMETERS: &str = "llm.invocation_parameters";
const EMBEDDING_PARAMETERS: &str = "embedding.invocation_parameters";
/// JSON text in which the Vercel AI SDK keeps what a provider said beside the answer.
const PROVIDER_METADATA: &str = "ai.response.providerMetadata";

/// The operation first: it decides whether the rest is looked at.
pub(super) const TABLE: &[Row] = &[
    field(
        Field::Operation,
        &[
            // LangSmith writes an operation of its own making beside it.
            of("langsmith.span.kind", How::Word(LANGSMITH_KINDS)),
            is(names::GEN_AI_OPERATION_NAME),
            of("langsmith.span.kind", How::Word(LANGSMITH_CALLS)),
            of("openinference.span.kind", How::Word(OPENINFERENCE_KINDS)),
            of("ai.operationId", How::Word(VERCEL_OPERATIONS)),
            of("llm.request.type", How::Word(REQUEST_TYPES)),
            of("traceloop.span.kind", How::Word(TRACELOOP_KINDS)),
        ],
    ),
    field(
        Field::Provider,
        &[
            of(names::GEN_AI_PROVIDER_NAME, How::Unless(FRAMEWORKS)),
            is("langsmith.metadata.ls_provider"),
            of("gen_ai.system", How::Unless(FRAMEWORKS)),
            of("llm.provider", How::With("llm.system")),
            is("llm.system"),
            is("ai.model.provider"),
            is("llm.vendor"),
        ],
    ),
    field(
        Field::RequestModel,
        &[
            is(names::GEN_AI_REQUEST_MODEL),
            is("llm.request.model_name"),
            member(PARAMETERS, &["model"]),
            member(EMBEDDING_PARAMETERS, &["model"]),
            is("embedding.model_name"),
            is("reranker.model_name"),
            is("ai.model.id"),
            is("llm.request.model"),
            is("langsmith.metadata.ls_model_name"),
            is("llm.model_name"),
        ],
    ),
    field(
        Field::ResponseModel,
        &[
            is(names::GEN_AI_RESPONSE_MODEL),
            is("llm.response.model_name"),
            is("ai.response.model"),
            is("llm.response.model"),
            // Of a span that names the requested model elsewhere.
            is("llm.model_name"),
        ],
    ),
    field(Field::ResponseId, &[is(names::GEN_AI_RESPONSE_ID), is("ai.response.id")]),
    field(
        Field::FinishReasons,
        &[
            is(names::GEN_AI_RESPONSE_FINISH_REASONS),
            is("gen_ai.response.finish_reason"),
            is("llm.response.finish_reason"),
            is("gen_ai.response.stop_reason"),
            is("llm.response.stop_reason"),
            is("llm.finish_reason"),
            is("ai.response.finishReason"),
        ],
    ),
    field(
        Field::Stream,
        &[
            is(names::GEN_AI_REQUEST_STREAM),
            is("gen_ai.is_streaming"),
            is("llm.is_streaming"),
            is("langsmith.request.streaming"),
            member(PARAMETERS, &["stream"]),
            of("ai.operationId", How::Word(STREAMING_OPERATIONS)),
        ],
    ),
    field(
        Field::InputTokens,
        &[
            is(names::GEN_AI_USAGE_INPUT_TOKENS),
            is("gen_ai.usage.prompt_tokens"),
            is("llm.usage.prompt_tokens"),
            is("llm.token_count.prompt"),
            is("ai.usage.inputTokens"),
            is("ai.usage.promptTokens"),
            is("ai.usage.tokens"),
        ],
    ),
    field(
        Field::UncachedInputTokens,
        &[
            is("ai.usage.inputTokenDetails.noCacheTokens"),
            member(PROVIDER_METADATA, &["anthropic", "usage", "input_tokens"]),
        ],
    ),
    field(
        Field::OutputTokens,
        &[
            is(names::GEN_AI_USAGE_OUTPUT_TOKENS),
            is("gen_ai.usage.completion_tokens"),
            is("llm.usage.completion_tokens"),
            is("llm.token_count.completion"),
            is("ai.usage.outputTokens"),
            is("ai.usage.completionTokens"),
        ],
    ),
    field(
        Field::CacheReadInputTokens,
        &[
            is(names::GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS),
            is("gen_ai.usage.cache_read_input_tokens"),
            is("llm.usage.cache_read_input_tokens"),
            is("llm.token_count.prompt_details.cache_read"),
            is("llm.token_count.prompt_details.cache_input"),
            is("ai.usage.inputTokenDetails.cacheReadTokens"),
            member(PROVIDER_METADATA, &["anthropic", "usage", "cache_read_input_tokens"]),
            is("ai.usage.cachedInputTokens"),
            of("gen_ai.usage.input_token_details", How::Detail("cache_read")),
        ],
    ),
    field(
        Field::CacheCreationInputTokens,
        &[
            is(names::GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS),
            is("gen_ai.usage.cache_write.input_tokens"),
            is("gen_ai.usage.cache_creation_input_tokens"),
            is("llm.usage.cache_creation_input_tokens"),
            is("llm.token_count.prompt_details.cache_write"),
            is("ai.usage.inputTokenDetails.cacheWriteTokens"),
            member(PROVIDER_METADATA, &["anthropic", "usage", "cache_creation_input_tokens"]),
            of("gen_ai.usage.input_token_details", How::Detail("cache_creation")),
        ],
    ),
    field(
        Field::ReasoningOutputTokens,
        &[
            is(names::GEN_AI_USAGE_REASONING_OUTPUT_TOKENS),
            is("gen_ai.usage.reasoning_tokens"),
            is("llm.usage.reasoning_tokens"),
            is("llm.token_count.completion_details.reasoning"),
            is("ai.usage.outputTokenDetails.reasoningTokens"),
            is("ai.usage.reasoningTokens"),
            of("gen_ai.usage.output_token_details", How::Detail("reasoning")),
        ],
    ),
    field(Field::UsageSource, &[is(names::MESHTAP_USAGE_SOURCE)]),
    field(
        Field::TimeToFirstChunk,
        &[
            is(names::GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK),
            is("gen_ai.client.operation.time_to_first_chunk"),
            is("gen_ai.client.inference.time_to_first_chunk"),
            of("ai.response.msToFirstChunk", How::Millis),
        ],
    ),
    field(Field::TimeToFirstContent, &[is(names::MESHTAP_TIME_TO_FIRST_CONTENT)]),
    field(Field::End, &[is(names::MESHTAP_END)]),
    field(Field::ErrorType, &[is(names::ERROR_TYPE)]),
    field(Field::HttpStatusCode, &[is(names::HTTP_RESPONSE_STATUS_CODE), is("http.status_code")]),
    attribute(
        names::GEN_AI_REQUEST_MAX_TOKENS,
        &[
            is("llm.request.max_tokens"),
            is("ai.settings.maxOutputTokens"),
            is("ai.settings.maxTokens"),
            member(PARAMETERS, &["max_tokens"]),
            member(PARAMETERS, &["max_completion_tokens"]),
            member(PARAMETERS, &["max_output_tokens"]),
        ],
    ),
    attribute(
        names::GEN_AI_REQUEST_TEMPERATURE,
        &[is("llm.temperature"), is("ai.settings.temperature"), member(PARAMETERS, &["temperature"])],
    ),
    attribute(
        names::GEN_AI_REQUEST_TOP_P,
        &[is("llm.top_p"), is("ai.settings.topP"), member(PARAMETERS, &["top_p"])],
    ),
    attribute(
        names::GEN_AI_REQUEST_TOP_K,
        &[is("llm.top_k"), is("ai.settings.topK"), member(PARAMETERS, &["top_k"])],
    ),
    attribute(
        names::GEN_AI_REQUEST_FREQUENCY_PENALTY,
        &[
            is("llm.frequency_penalty"),
            is("ai.settings.frequencyPenalty"),
            member(PARAMETERS, &["frequency_penalty"]),
        ],
    ),
    attribute(
        names::GEN_AI_REQUEST_PRESENCE_PENALTY,
        &[
            is("llm.presence_penalty"),
            is("ai.settings.presencePenalty"),
            member(PARAMETERS, &["presence_penalty"]),
        ],
    ),
    attribute(
        names::GEN_AI_REQUEST_STOP_SEQUENCES,
        &[is("llm.chat.stop_sequences"), is("ai.settings.stopSequences")],
    ),
    attribute(names::GEN_AI_REQUEST_CHOICE_COUNT, &[is("gen_ai.request.n"), member(PARAMETERS, &["n"])]),
    attribute(
        names::GEN_AI_REQUEST_SEED,
        &[is("gen_ai.openai.request.seed"), is("ai.settings.seed"), member(PARAMETERS, &["seed"])],
    ),
    attribute(names::GEN_AI_OUTPUT_TYPE, &[is("gen_ai.openai.request.response_format")]),
    attribute(
        names::OPENAI_REQUEST_SERVICE_TIER,
        &[is("gen_ai.openai.request.service_tier"), member(PARAMETERS, &["service_tier"])],
    ),
    attribute(
        names::OPENAI_RESPONSE_SERVICE_TIER,
        &[is("gen_ai.openai.response.service_tier"), is("gen_ai.response.service_tier")],
    ),
    attribute(
        names::OPENAI_RESPONSE_SYSTEM_FINGERPRINT,
        &[
            is("gen_ai.openai.response.system_fingerprint"),
            is("gen_ai.openai.system_fingerprint"),
            is("gen_ai.response.system_fingerprint"),
        ],
    ),
    attribute(
        names::MESHTAP_REQUEST_REASONING_LEVEL,
        &[
            is("gen_ai.request.reasoning.level"),
            is("gen_ai.request.reasoning_effort"),
            is("llm.request.reasoning_effort"),
            member(PARAMETERS, &["reasoning_effort"]),
        ],
    ),
    attribute(
        names::MESHTAP_REQUEST_PREVIOUS_RESPONSE_ID,
        &[is("gen_ai.request.previous_response.id"), member(PARAMETERS, &["previous_response_id"])],
    ),
    attribute(names::MESHTAP_USER_ID, &[is("gen_ai.user"), is("llm.user")]),
    attribute("gen_ai.agent.name", &[is("agent.name"), is("ai.telemetry.functionId")]),
    attribute("gen_ai.tool.name", &[is("tool.name"), is("ai.toolCall.name")]),
    attribute("gen_ai.tool.description", &[is("tool.description")]),
    attribute("gen_ai.tool.call.id", &[is("tool.id"), is("ai.toolCall.id")]),
    attribute(
        "gen_ai.tool.call.arguments",
        &[is("tool.parameters"), is("ai.toolCall.args"), is("ai.toolCall.input")],
    ),
    attribute("gen_ai.tool.call.result", &[is("ai.toolCall.result"), is("ai.toolCall.output")]),
    attribute("gen_ai.prompt.name", &[is("traceloop.prompt.key")]),
    attribute("gen_ai.prompt.version", &[is("traceloop.prompt.version")]),
];

/// Events that say when the first chunk of a streamed answer came, where no attribute does.
pub(super) const FIRST_CHUNK_EVENTS: &[&str] = &[
    "First Token Stream Event",
    "ai.stream.firstChunk",
    "gen_ai.content.completion.chunk",
    "llm.content.completion.chunk",
];

/// Names of other attributes that calls often have. They mean nothing here: names that are known are not copied.
pub(super) const COMMON_NAMES: &[&str] = &[
    names::GEN_AI_OUTPUT_TYPE,
    names::GEN_AI_REQUEST_MAX_TOKENS,
    names::GEN_AI_REQUEST_TEMPERATURE,
    names::GEN_AI_REQUEST_TOP_P,
    names::GEN_AI_REQUEST_TOP_K,
    names::GEN_AI_REQUEST_STOP_SEQUENCES,
    names::GEN_AI_REQUEST_FREQUENCY_PENALTY,
    names::GEN_AI_REQUEST_PRESENCE_PENALTY,
    names::GEN_AI_REQUEST_SEED,
    names::GEN_AI_REQUEST_CHOICE_COUNT,
    names::GEN_AI_CONVERSATION_ID,
    names::GEN_AI_SYSTEM_INSTRUCTIONS,
    names::GEN_AI_INPUT_MESSAGES,
    names::GEN_AI_OUTPUT_MESSAGES,
    names::GEN_AI_TOOL_DEFINITIONS,
    names::SERVER_ADDRESS,
    names::SERVER_PORT,
    names::HTTP_REQUEST_METHOD,
    names::URL_PATH,
    names::USER_AGENT_ORIGINAL,
    names::MESHTAP_API,
    names::MESHTAP_OPERATION,
    names::MESHTAP_USER_ID,
    names::MESHTAP_SESSION_ID,
    names::MESHTAP_TENANT_ID,
    names::MESHTAP_CORRELATION_ID,
    names::MESHTAP_API_KEY_FINGERPRINT,
    names::MESHTAP_SOURCE_PRINCIPAL,
    names::MESHTAP_DESTINATION_PRINCIPAL,
    names::MESHTAP_REQUEST_TOOLS,
    names::MESHTAP_OUTPUT_TOOL_CALLS,
    names::MESHTAP_USAGE_TOTAL_TOKENS,
    names::MESHTAP_USAGE_RAW,
    names::MESHTAP_OUTPUT_CHUNKS,
    names::MESHTAP_OUTPUT_CHUNK_GAP_MEAN,
    names::MESHTAP_OUTPUT_CHUNK_GAP_MAX,
    names::MESHTAP_REQUEST_BYTES,
    names::MESHTAP_RESPONSE_BYTES,
    names::MESHTAP_CONTENT_MODE,
    names::MESHTAP_CONTENT_TRUNCATED,
    names::MESHTAP_MESH_ID,
    names::MESHTAP_ENVOY_CLUSTER,
    names::MESHTAP_ENVOY_ROUTE,
    names::MESHTAP_ENVOY_ATTEMPTS,
    names::MESHTAP_ENVOY_RESPONSE_CODE_DETAILS,
    names::MESHTAP_ENVOY_RESPONSE_FLAGS,
    names::MESHTAP_VM_ID,
    "client.address",
    "http.route",
    "http.url",
    "network.peer.address",
    "network.protocol.version",
    "thread.id",
    "thread.name",
    "url.full",
    "url.scheme",
];
