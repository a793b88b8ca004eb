//! Where each API holds content. The trees of the tokens stand in [`crate::provider`]; these are read beside them, and
//! only where content is switched on.

use super::{ContentShape, Part};
use crate::provider::Field;
use crate::wire::json::Node;

type Parts = &'static [(&'static str, Node<Field>)];

/// Larger than the transcript lets anything be: its own bound decides.
const MAX_TEXT_BYTES: usize = 1 << 18;
/// An address; what is longer is data.
const MAX_URI_BYTES: usize = 2_048;
/// An id, a name, a role: what decides about them is what they may be.
const MAX_WORD_BYTES: usize = 512;

const fn text(part: Part) -> Node<Field> {
    Node::scalar(Field::Content(part), MAX_TEXT_BYTES)
}

const fn word(part: Part) -> Node<Field> {
    Node::scalar(Field::Content(part), MAX_WORD_BYTES)
}

const fn uri() -> Node<Field> {
    Node::scalar(Field::Content(Part::Uri), MAX_URI_BYTES)
}

/// A number or a boolean.
const fn number(part: Part) -> Node<Field> {
    Node::scalar(Field::Content(part), 0)
}

/// Arguments or results: a text, or JSON of any kind.
const fn json(part: Part) -> Node<Field> {
    Node::object(&[])
        .verbatim(Field::Content(part), MAX_TEXT_BYTES)
        .or_scalar(Field::Content(part), MAX_TEXT_BYTES)
}

const fn shape(request: &'static Node<Field>, answer: &'static Node<Field>) -> ContentShape {
    ContentShape { request, response: answer, event: answer }
}

/// Aleph Alpha has prompts of several kinds.
static PROMPT: Node<Field> =
    Node::object(&[("data", text(Part::Prompt))]).or_scalar(Field::Content(Part::Prompt), MAX_TEXT_BYTES);
static TEXT: Node<Field> = Node::object(&[("text", text(Part::Text))]);
static THOUGHT: Node<Field> = Node::object(&[("text", text(Part::Reasoning))]);
/// A text in a result, as it is or in an object.
static RESULT: Node<Field> = Node::object(&[
    ("text", text(Part::Result)),
    ("json", json(Part::Result)),
    // A shell's.
    ("stdout", text(Part::Result)),
    ("stderr", text(Part::Result)),
])
.or_scalar(Field::Content(Part::Result), MAX_TEXT_BYTES);

// What most APIs share.

static OFFERED_TOOL: Node<Field> = Node::object(&[
    ("type", word(Part::OfferedToolType)),
    ("name", word(Part::OfferedToolName)),
    ("function", Node::object(&[("name", word(Part::OfferedToolName))])),
    ("custom", Node::object(&[("name", word(Part::OfferedToolName))])),
    ("toolSpec", Node::object(&[("name", word(Part::OfferedToolName))])),
])
.reported(Field::Content(Part::OfferedTool));
const TOOLS: Node<Field> = Node::array(&OFFERED_TOOL);

/// An item of the content of a message, at all APIs that give their items a type.
static ITEM: Node<Field> = Node::object(ITEM_PARTS)
    .reported(Field::Content(Part::Item))
    .or_scalar(Field::Content(Part::Text), MAX_TEXT_BYTES);
static ITEM_PARTS: Parts = &[
    ("type", word(Part::Kind)),
    ("text", text(Part::Text)),
    ("refusal", text(Part::Refusal)),
    ("thinking", text(Part::Reasoning).or_array(&THOUGHT)),
    // A call.
    ("id", word(Part::CallId)),
    ("name", word(Part::Name)),
    ("input", json(Part::Arguments)),
    // Its result.
    ("tool_use_id", word(Part::ResultId)),
    ("content", text(Part::Result).or_array(&RESULT)),
    // Cohere's.
    ("document", Node::object(&[("data", json(Part::Result))])),
    // What is no text.
    (
        "source",
        Node::object(&[
            ("media_type", word(Part::MediaType)),
            ("url", uri()),
            ("file_id", word(Part::FileId)),
        ]),
    ),
    ("image_url", Node::object(&[("url", uri())]).or_scalar(Field::Content(Part::Uri), MAX_URI_BYTES)),
    ("video_url", Node::object(&[("url", uri())]).or_scalar(Field::Content(Part::Uri), MAX_URI_BYTES)),
    ("document_url", uri()),
    ("file_url", uri()),
    ("file_id", word(Part::FileId)),
    ("file", Node::object(&[("file_id", word(Part::FileId))])),
    ("input_audio", Node::object(&[("format", word(Part::MediaType))])),
];

static TOOL_CALL: Node<Field> = Node::object(&[
    ("index", number(Part::Index)),
    ("id", word(Part::CallId)),
    ("type", word(Part::Kind)),
    ("function", Node::object(FUNCTION)),
    ("custom", Node::object(FUNCTION)),
    // Cohere v1.
    ("name", word(Part::Name)),
    ("parameters", json(Part::Arguments)),
])
.reported(Field::Content(Part::Item));
static FUNCTION: Parts =
    &[("name", word(Part::Name)), ("arguments", json(Part::Arguments)), ("input", json(Part::Arguments))];

/// A message of OpenAI's and of all who follow it, whole or what an event adds to it.
static MESSAGE_PARTS: Parts = &[
    ("role", word(Part::Role)),
    ("content", text(Part::Text).or_array(&ITEM)),
    ("reasoning_content", text(Part::Reasoning)),
    ("reasoning", text(Part::Reasoning)),
    ("thinking", text(Part::Reasoning)),
    ("tool_plan", text(Part::Reasoning)),
    ("refusal", text(Part::Refusal)),
    ("tool_calls", Node::array(&TOOL_CALL)),
    ("function_call", Node::object(FUNCTION).reported(Field::Content(Part::Item))),
    ("tool_call_id", word(Part::ResultId)),
    // What was spoken.
    ("audio", Node::object(&[("transcript", text(Part::Text))])),
    // Ollama's pictures.
    ("images", Node::array(&PICTURE)),
];
static MESSAGE: Node<Field> = Node::object(MESSAGE_PARTS).reported(Field::Content(Part::Message));
static PICTURE: Node<Field> = Node::scalar(Field::Content(Part::Image), 0);

// OpenAI chat and text completions, Mistral, watsonx chat, and all who are compatible.

pub static CHAT: ContentShape =
    ContentShape { request: &CHAT_REQUEST, response: &CHAT_ANSWER, event: &CHAT_EVENT };

/// Mistral's chunks at Bedrock have messages and no deltas.
pub static BEDROCK_CHAT: ContentShape = shape(&CHAT_REQUEST, &CHAT_ANSWER);

static CHAT_REQUEST: Node<Field> = Node::object(&[
    ("messages", Node::array(&MESSAGE)),
    ("tools", TOOLS),
    ("functions", TOOLS),
    ("prompt", text(Part::Prompt).or_array(&PROMPT)),
]);

static CHAT_ANSWER: Node<Field> = Node::object(&[("choices", Node::array(&CHOICE))]);
static CHOICE: Node<Field> = Node::object(&[
    ("index", number(Part::ChoiceIndex)),
    ("message", Node::object(MESSAGE_PARTS)),
    ("delta", Node::object(MESSAGE_PARTS)),
    ("text", text(Part::Text)),
])
.reported(Field::Content(Part::Choice));

/// Perplexity's events have all of the message so far beside what they add to it.
static CHAT_EVENT: Node<Field> = Node::object(&[("choices", Node::array(&STREAMED_CHOICE))]);
static STREAMED_CHOICE: Node<Field> = Node::object(&[
    ("index", number(Part::ChoiceIndex)),
    ("delta", Node::object(MESSAGE_PARTS)),
    ("text", text(Part::Text)),
])
.reported(Field::Content(Part::Choice));

// OpenAI responses.

pub static RESPONSES: ContentShape =
    ContentShape { request: &RESPONSES_REQUEST, response: &RESPONSES_ANSWER, event: &RESPONSES_EVENT };

static RESPONSES_REQUEST: Node<Field> = Node::object(&[
    ("instructions", text(Part::System)),
    ("input", text(Part::Prompt).or_array(&INPUT_ITEM)),
    ("tools", TOOLS),
]);

static INPUT_ITEM: Node<Field> = Node::object(OUTPUT_PARTS).reported(Field::Content(Part::Message));
static OUTPUT_ITEM: Node<Field> = Node::object(OUTPUT_PARTS).reported(Field::Content(Part::Item));
static OUTPUT_PARTS: Parts = &[
    ("type", word(Part::Kind)),
    ("role", word(Part::Role)),
    ("content", text(Part::Text).or_array(&ITEM)),
    ("summary", Node::array(&ITEM)),
    ("call_id", word(Part::CallId)),
    ("name", word(Part::Name)),
    ("arguments", json(Part::Arguments)),
    ("input", json(Part::Arguments)),
    // Of a shell, a computer, a search; of a patch.
    ("action", json(Part::Arguments)),
    ("operation", json(Part::Arguments)),
    ("output", text(Part::Result).or_array(&RESULT)),
];

static RESPONSES_ANSWER: Node<Field> = Node::object(RESPONSES_BODY);
static RESPONSES_BODY: Parts =
    &[("output", Node::array(&OUTPUT_ITEM).reported(Field::Content(Part::WholeAnswer)))];
static RESPONSES_EVENT: Node<Field> = Node::object(&[
    ("type", word(Part::EventKind)),
    ("output_index", number(Part::Index)),
    ("delta", text(Part::Delta)),
    ("item", Node::object(OUTPUT_PARTS).reported(Field::Content(Part::Item))),
    ("response", Node::object(RESPONSES_BODY)),
]);

// Anthropic messages and text completions.

pub static ANTHROPIC: ContentShape =
    ContentShape { request: &ANTHROPIC_REQUEST, response: &ANTHROPIC_ANSWER, event: &ANTHROPIC_EVENT };

static ANTHROPIC_REQUEST: Node<Field> = Node::object(&[
    (
        "system",
        Node::array(&ITEM)
            .reported(Field::Content(Part::System))
            .or_scalar(Field::Content(Part::System), MAX_TEXT_BYTES),
    ),
    ("messages", Node::array(&MESSAGE)),
    ("tools", TOOLS),
    ("prompt", text(Part::Prompt)),
]);

static ANTHROPIC_ANSWER: Node<Field> = Node::object(&[
    ("role", word(Part::Role)),
    ("content", Node::array(&ITEM)),
    ("completion", text(Part::Text)),
]);

static ANTHROPIC_EVENT: Node<Field> = Node::object(&[
    ("index", number(Part::Index)),
    (
        "content_block",
        Node::object(&[
            ("type", word(Part::Kind)),
            ("text", text(Part::Text)),
            ("thinking", text(Part::Reasoning)),
            ("id", word(Part::CallId)),
            ("name", word(Part::Name)),
            ("input", json(Part::FirstArguments)),
        ])
        .reported(Field::Content(Part::Item)),
    ),
    (
        "delta",
        Node::object(&[
            ("text", text(Part::Text)),
            ("thinking", text(Part::Reasoning)),
            ("partial_json", text(Part::Arguments)),
        ]),
    ),
    ("completion", text(Part::Text)),
]);

// Gemini.

pub static GEMINI: ContentShape = shape(&GEMINI_REQUEST, &GEMINI_ANSWER);

static GEMINI_REQUEST: Node<Field> = Node::object(&[
    ("systemInstruction", GEMINI_SYSTEM),
    ("system_instruction", GEMINI_SYSTEM),
    ("contents", GEMINI_MESSAGE.or_array(&GEMINI_MESSAGE)),
    ("tools", GEMINI_TOOLS.or_array(&GEMINI_TOOLS)),
]);
const GEMINI_SYSTEM: Node<Field> = Node::object(GEMINI_CONTENT)
    .reported(Field::Content(Part::System))
    .or_scalar(Field::Content(Part::System), MAX_TEXT_BYTES);
const GEMINI_MESSAGE: Node<Field> = Node::object(GEMINI_CONTENT).reported(Field::Content(Part::Message));
static GEMINI_CONTENT: Parts =
    &[("role", word(Part::Role)), ("parts", Node::object(GEMINI_ITEM).or_array(&GEMINI_PART))];
const GEMINI_TOOLS: Node<Field> =
    Node::object(&[("functionDeclarations", TOOLS), ("function_declarations", TOOLS)]);

/// A stream without `alt=sse` is one array of documents.
static GEMINI_ANSWER: Node<Field> = Node::object(GEMINI_BODY).or_array(&GEMINI_DOCUMENT);
static GEMINI_DOCUMENT: Node<Field> =
    Node::object(GEMINI_BODY).reported(Field::Content(Part::StreamedDocument));
static GEMINI_BODY: Parts = &[("candidates", Node::array(&GEMINI_CANDIDATE))];
static GEMINI_CANDIDATE: Node<Field> =
    Node::object(&[("index", number(Part::ChoiceIndex)), ("content", Node::object(GEMINI_CONTENT))])
        .reported(Field::Content(Part::Choice));

static GEMINI_PART: Node<Field> = Node::object(GEMINI_ITEM).reported(Field::Content(Part::Item));
/// JSON of protocol buffers: either spelling is right, and one object needs no list around it.
static GEMINI_ITEM: Parts = &[
    ("text", text(Part::Text)),
    ("thought", number(Part::IsReasoning)),
    ("functionCall", GEMINI_CALL),
    ("function_call", GEMINI_CALL),
    ("functionResponse", GEMINI_RESULT),
    ("function_response", GEMINI_RESULT),
    ("inlineData", GEMINI_MEDIA),
    ("inline_data", GEMINI_MEDIA),
    ("fileData", GEMINI_MEDIA),
    ("file_data", GEMINI_MEDIA),
];
const GEMINI_CALL: Node<Field> =
    Node::object(&[("id", word(Part::CallId)), ("name", word(Part::Name)), ("args", json(Part::Arguments))]);
const GEMINI_RESULT: Node<Field> = Node::object(&[
    ("id", word(Part::ResultId)),
    ("name", word(Part::ResultName)),
    ("response", json(Part::Result)),
]);
const GEMINI_MEDIA: Node<Field> = Node::object(&[
    ("mimeType", word(Part::MediaType)),
    ("mime_type", word(Part::MediaType)),
    ("fileUri", uri()),
    ("file_uri", uri()),
]);

// Bedrock Converse, and Nova's own wire, which is the same.

pub static CONVERSE: ContentShape =
    ContentShape { request: &CONVERSE_REQUEST, response: &CONVERSE_ANSWER, event: &CONVERSE_EVENT };
pub static NOVA: ContentShape =
    ContentShape { request: &CONVERSE_REQUEST, response: &CONVERSE_ANSWER, event: &NOVA_EVENT };

static CONVERSE_REQUEST: Node<Field> = Node::object(&[
    ("system", Node::array(&CONVERSE_ITEM).reported(Field::Content(Part::System))),
    ("messages", Node::array(&CONVERSE_MESSAGE)),
    ("toolConfig", Node::object(&[("tools", TOOLS)])),
]);
static CONVERSE_MESSAGE: Node<Field> =
    Node::object(CONVERSE_MESSAGE_PARTS).reported(Field::Content(Part::Message));
static CONVERSE_MESSAGE_PARTS: Parts =
    &[("role", word(Part::Role)), ("content", Node::array(&CONVERSE_ITEM))];

static CONVERSE_ITEM: Node<Field> = Node::object(&[
    ("text", text(Part::Text)),
    (
        "reasoningContent",
        Node::object(&[("reasoningText", Node::object(&[("text", text(Part::Reasoning))]))]),
    ),
    ("citationsContent", Node::object(&[("content", Node::array(&TEXT))])),
    ("guardContent", Node::object(&[("text", Node::object(&[("text", text(Part::Text))]))])),
    ("toolUse", CONVERSE_CALL),
    ("toolResult", Node::object(&[("toolUseId", word(Part::ResultId)), ("content", Node::array(&RESULT))])),
    ("image", Node::object(CONVERSE_MEDIA).reported(Field::Content(Part::Image))),
    ("video", Node::object(CONVERSE_MEDIA).reported(Field::Content(Part::Video))),
    ("audio", Node::object(CONVERSE_MEDIA).reported(Field::Content(Part::Audio))),
    ("document", Node::object(CONVERSE_MEDIA).reported(Field::Content(Part::Document))),
])
.reported(Field::Content(Part::Item));
const CONVERSE_CALL: Node<Field> = Node::object(&[
    ("toolUseId", word(Part::CallId)),
    ("name", word(Part::Name)),
    ("input", json(Part::Arguments)),
]);
static CONVERSE_MEDIA: Parts = &[
    ("format", word(Part::MediaType)),
    ("source", Node::object(&[("s3Location", Node::object(&[("uri", uri())]))])),
];

static CONVERSE_ANSWER: Node<Field> =
    Node::object(&[("output", Node::object(&[("message", Node::object(CONVERSE_MESSAGE_PARTS))]))]);
static CONVERSE_EVENT: Node<Field> = Node::object(CONVERSE_PAYLOAD);
static CONVERSE_PAYLOAD: Parts = &[
    ("contentBlockIndex", number(Part::Index)),
    ("start", Node::object(&[("toolUse", CONVERSE_CALL)]).reported(Field::Content(Part::Item))),
    (
        "delta",
        Node::object(&[
            ("text", text(Part::Text)),
            ("reasoningContent", Node::object(&[("text", text(Part::Reasoning))])),
            ("toolUse", Node::object(&[("input", text(Part::Arguments))])),
        ]),
    ),
];
static NOVA_EVENT: Node<Field> = Node::object(&[
    ("contentBlockStart", Node::object(CONVERSE_PAYLOAD)),
    ("contentBlockDelta", Node::object(CONVERSE_PAYLOAD)),
]);

// Ollama's own API.

pub static OLLAMA: ContentShape = shape(&OLLAMA_REQUEST, &OLLAMA_ANSWER);

static OLLAMA_REQUEST: Node<Field> = Node::object(&[
    ("system", text(Part::System)),
    ("messages", Node::array(&MESSAGE)),
    ("tools", TOOLS),
    ("prompt", text(Part::Prompt)),
]);
static OLLAMA_ANSWER: Node<Field> = Node::object(&[
    ("message", Node::object(MESSAGE_PARTS)),
    ("thinking", text(Part::Reasoning)),
    ("response", text(Part::Text)),
]);

// Cohere v1 and v2.

pub static COHERE: ContentShape =
    ContentShape { request: &COHERE_REQUEST, response: &COHERE_ANSWER, event: &COHERE_EVENT };

static COHERE_REQUEST: Node<Field> = Node::object(&[
    ("messages", Node::array(&MESSAGE)),
    ("tools", TOOLS),
    ("preamble", text(Part::System)),
    ("chat_history", Node::array(&COHERE_TURN)),
    // The newest, wherever it stands.
    ("message", text(Part::Text)),
    ("tool_results", Node::array(&COHERE_RESULT)),
    ("prompt", text(Part::Prompt)),
]);
static COHERE_TURN: Node<Field> = Node::object(&[
    ("role", word(Part::Role)),
    ("message", text(Part::Text)),
    ("tool_calls", Node::array(&TOOL_CALL)),
    ("tool_results", Node::array(&COHERE_RESULT)),
])
.reported(Field::Content(Part::Message));
static COHERE_RESULT: Node<Field> = Node::object(&[
    ("call", Node::object(&[("name", word(Part::ResultName))])),
    ("outputs", json(Part::Result)),
])
.reported(Field::Content(Part::Item));
static COHERE_ANSWER: Node<Field> = Node::object(COHERE_BODY);
static COHERE_BODY: Parts = &[
    ("message", Node::object(MESSAGE_PARTS)),
    ("text", text(Part::Text)),
    ("tool_calls", Node::array(&TOOL_CALL)),
    ("generations", Node::array(&BARE_CHOICE)),
];
static COHERE_EVENT: Node<Field> = Node::object(&[
    ("index", number(Part::Index)),
    ("text", text(Part::Text)),
    ("response", Node::object(COHERE_BODY).reported(Field::Content(Part::WholeAnswer))),
    (
        "delta",
        Node::object(&[(
            "message",
            Node::object(&[
                ("content", Node::object(&[("text", text(Part::Text)), ("thinking", text(Part::Reasoning))])),
                ("tool_plan", text(Part::Reasoning)),
                ("tool_calls", TOOL_CALL_DELTA),
            ]),
        )]),
    ),
]);
const TOOL_CALL_DELTA: Node<Field> = Node::object(TOOL_CALL_DELTA_PARTS).reported(Field::Content(Part::Item));
static TOOL_CALL_DELTA_PARTS: Parts = &[("id", word(Part::CallId)), ("function", Node::object(FUNCTION))];

// Bare text in, bare text out: text generation servers, watsonx, llama.cpp, and the older families on Bedrock.

pub static BARE: ContentShape =
    ContentShape { request: &BARE_REQUEST, response: &BARE_ANSWER, event: &BARE_EVENT };

/// A prompt or messages.
pub static MISTRAL: ContentShape =
    ContentShape { request: &CHAT_REQUEST, response: &BARE_ANSWER, event: &BARE_EVENT };

static BARE_REQUEST: Node<Field> = Node::object(&[
    ("prompt", text(Part::Prompt).or_array(&PROMPT)),
    ("inputs", text(Part::Prompt)),
    ("input", text(Part::Prompt)),
    ("inputText", text(Part::Prompt)),
]);
static BARE_ANSWER: Node<Field> = Node::object(BARE_BODY).or_array(&BARE_CHOICE);
static BARE_BODY: Parts = &[
    ("generated_text", text(Part::Text)),
    ("generation", text(Part::Text)),
    ("content", text(Part::Text)),
    ("choices", Node::array(&CHOICE)),
    ("results", Node::array(&BARE_CHOICE)),
    ("outputs", Node::array(&BARE_CHOICE)),
    ("completions", Node::array(&BARE_CHOICE)),
];
static BARE_CHOICE: Node<Field> = Node::object(&[
    ("text", text(Part::Text)),
    ("generated_text", text(Part::Text)),
    ("outputText", text(Part::Text)),
    ("completion", text(Part::Text)),
    ("data", Node::object(&[("text", text(Part::Text))])),
])
.reported(Field::Content(Part::Choice));
/// The last event of a text generation server says the whole text again.
static BARE_EVENT: Node<Field> = Node::object(&[
    ("token", Node::object(&[("text", text(Part::Text))])),
    ("generation", text(Part::Text)),
    ("outputText", text(Part::Text)),
    ("content", text(Part::Text)),
    ("choices", Node::array(&CHOICE)),
    ("results", Node::array(&BARE_CHOICE)),
    ("outputs", Node::array(&BARE_CHOICE)),
    ("completion", text(Part::Text)),
    ("completions", Node::array(&BARE_CHOICE)),
]);
