//! Cohere v1 and v2: chat, generate, embed, rerank. <https://docs.cohere.com/reference/chat>

use super::fields::{ERROR, Fields, marker, number, output, text, usage};
use super::{Adapter, Field, Operation};
use crate::content::shapes;
use crate::usage::{Reported, Usage, billed};
use crate::wire::json::Node;

const fn api(name: &'static str, operation: Operation) -> Adapter {
    Adapter { event: &EVENT, usage: billed, ..Adapter::new(name, operation, &REQUEST, &RESPONSE) }
}

pub static CHAT: Adapter = Adapter { content: Some(&shapes::COHERE), ..api("cohere.chat", Operation::Chat) };
pub static GENERATE: Adapter =
    Adapter { content: Some(&shapes::COHERE), ..api("cohere.generate", Operation::TextCompletion) };
pub static EMBED: Adapter = api("cohere.embed", Operation::Embeddings);
/// vLLM has it at the same path, and counts as OpenAI does.
pub static RERANK: Adapter = Adapter { usage: billed_or_total, ..api("cohere.rerank", Operation::Rerank) };

fn billed_or_total(reported: Reported) -> Usage {
    let usage = billed(reported);
    Usage { input_tokens: usage.input_tokens.or(usage.total_tokens), ..usage }
}

static REQUEST: Node<Field> = Node::object(&[
    ("model", text(Field::RequestModel)),
    ("stream", number(Field::Stream)),
    ("max_tokens", number(Field::MaxTokens)),
    ("temperature", number(Field::Temperature)),
    ("p", number(Field::TopP)),
    ("k", number(Field::TopK)),
    ("frequency_penalty", number(Field::FrequencyPenalty)),
    ("presence_penalty", number(Field::PresencePenalty)),
    ("seed", number(Field::Seed)),
    ("num_generations", number(Field::ChoiceCount)),
    ("stop_sequences", Node::array(&STOP_SEQUENCE)),
    ("end_sequences", Node::array(&STOP_SEQUENCE)),
    ("response_format", Node::object(&[("type", text(Field::OutputFormat))])),
    ("tools", Node::array(&OFFERED_TOOL)),
    ("conversation_id", text(Field::ConversationId)),
    ("output_dimension", number(Field::Dimensions)),
    ("embedding_types", Node::array(&EMBEDDING_TYPE)),
]);

static STOP_SEQUENCE: Node<Field> = text(Field::StopSequence);
static OFFERED_TOOL: Node<Field> = marker(Field::OfferedTool);
static EMBEDDING_TYPE: Node<Field> = text(Field::EncodingFormat);

static BODY: Fields = &[
    ("id", text(Field::ResponseId)),
    ("response_id", text(Field::ResponseId)),
    // vLLM.
    ("model", text(Field::ResponseModel)),
    ("type", text(Field::ErrorType)),
    ("finish_reason", text(Field::FinishReason)),
    ("text", output()),
    ("generations", Node::array(&GENERATION)),
    ("message", Node::object(&[("tool_calls", Node::array(&TOOL_CALL))])),
    ("tool_calls", Node::array(&TOOL_CALL)),
    ("meta", usage(USAGE)),
    ("usage", usage(USAGE)),
    ("error", ERROR),
    ("amazon-bedrock-invocationMetrics", Node::object(super::bedrock_invoke::METRICS)),
];

static RESPONSE: Node<Field> = Node::object(BODY);

static GENERATION: Node<Field> =
    Node::object(&[("finish_reason", text(Field::FinishReason)), ("text", output())]).reported(Field::Choice);

static TOOL_CALL: Node<Field> = Node::object(&[
    ("name", text(Field::ToolName)),
    ("function", Node::object(&[("name", text(Field::ToolName))])),
])
.reported(Field::Tool);

/// v1 sends flat events and the whole answer in the last; v2 has everything below `delta`.
static EVENT: Node<Field> = Node::object(&[
    ("type", Node::scalar(Field::EventType, 64)),
    ("id", text(Field::ResponseId)),
    ("text", output()),
    ("response", Node::object(BODY)),
    // Bedrock.
    ("generations", Node::array(&GENERATION)),
    ("finish_reason", text(Field::FinishReason)),
    (
        "delta",
        Node::object(&[
            ("finish_reason", text(Field::FinishReason)),
            ("usage", usage(USAGE)),
            ("error", ERROR),
            (
                "message",
                Node::object(&[
                    ("content", Node::object(&[("text", output()), ("thinking", output())])),
                    ("tool_plan", output()),
                    ("tool_calls", TOOL_CALL_DELTA),
                ]),
            ),
        ]),
    ),
    ("is_finished", number(Field::LastEvent)),
    ("amazon-bedrock-invocationMetrics", Node::object(super::bedrock_invoke::METRICS)),
]);

const TOOL_CALL_DELTA: Node<Field> = Node::object(&[
    ("id", text(Field::ToolId)),
    ("function", Node::object(&[("name", text(Field::ToolName))])),
])
.reported(Field::Tool);

static USAGE: Fields = &[
    (
        "billed_units",
        Node::object(&[
            ("input_tokens", number(Field::BilledInputTokens)),
            ("output_tokens", number(Field::BilledOutputTokens)),
        ]),
    ),
    (
        "tokens",
        Node::object(&[
            ("input_tokens", number(Field::InputTokens)),
            ("output_tokens", number(Field::OutputTokens)),
            ("reasoning_tokens", number(Field::ReasoningTokens)),
        ]),
    ),
    ("cached_tokens", number(Field::CacheReadTokens)),
    ("prompt_tokens", number(Field::InputTokens)),
    ("total_tokens", number(Field::TotalTokens)),
];
