//! How the provider behaves.

/// Named in the request's header [`super::SCENARIO`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scenario {
    /// A text answer.
    #[default]
    Answer,
    /// A call of a tool instead of text.
    ToolCall,
    /// A text answer whose usage counts cached input and reasoning output.
    Details,
    /// A text answer, compressed.
    Gzip,
    /// No usage object, even when it was asked for.
    NoUsage,
    /// A text answer of ten megabytes.
    BigResponse,
    /// Status 500 with the provider's error JSON.
    Error500,
    /// Status 429 with the provider's error JSON and `retry-after`.
    Error429,
    /// A stream that begins well and then holds an error object.
    ErrorInStream,
    /// The connection is reset before the status line.
    ResetBeforeHeaders,
    /// The connection is reset in the middle of the body.
    ResetMidStream,
    /// The stream stops in the middle, and the connection stays.
    HangMidStream,
    /// The stream stops in the middle, with a comment now and then, until it is released.
    Held,
    /// A whole stream, to its end marker, on a response that does not end.
    NoEnd,
    /// A JSON body that is none.
    MalformedJson,
    /// A stream that ends, in good order for HTTP, in the middle of an event.
    TruncatedSse,
    /// A page of HTML with status 200 where JSON was expected.
    WrongContentType,
}

impl Scenario {
    const NAMES: [(Self, &'static str); 17] = [
        (Self::Answer, "answer"),
        (Self::ToolCall, "tool-call"),
        (Self::Details, "details"),
        (Self::Gzip, "gzip"),
        (Self::NoUsage, "no-usage"),
        (Self::BigResponse, "big-response"),
        (Self::Error500, "error-500"),
        (Self::Error429, "error-429"),
        (Self::ErrorInStream, "error-in-stream"),
        (Self::ResetBeforeHeaders, "reset-before-headers"),
        (Self::ResetMidStream, "reset-mid-stream"),
        (Self::HangMidStream, "hang-mid-stream"),
        (Self::Held, "held"),
        (Self::NoEnd, "no-end"),
        (Self::MalformedJson, "malformed-json"),
        (Self::TruncatedSse, "truncated-sse"),
        (Self::WrongContentType, "wrong-content-type"),
    ];

    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(scenario, _)| *scenario == self).map_or("answer", |(_, name)| name)
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(scenario, _)| *scenario)
    }
}
