//! The messages of LLMTrace's ingestion, as they are on the wire. Zero and empty mean "not known" in all of them.

use std::collections::BTreeMap;

/// The number of [`Batch::spans`].
pub(super) const SPANS: u32 = 1;

/// `IngestTracesRequest` and `StreamTracesRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Batch {
    #[prost(message, repeated, tag = "1")]
    pub spans: Vec<Span>,
}

/// `IngestTracesResponse` and `StreamTracesResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Answer {
    #[prost(int64, tag = "1")]
    pub accepted_spans: i64,
    #[prost(int64, tag = "2")]
    pub rejected_spans: i64,
    /// Only when spans were rejected.
    #[prost(string, tag = "3")]
    pub error_message: String,
}

impl Answer {
    pub(super) fn rejected(spans: i64, error_message: String) -> Self {
        Self { accepted_spans: 0, rejected_spans: spans, error_message }
    }

    /// Keeps the first message: a stream may have many.
    pub(super) fn add(&mut self, other: Self) {
        self.accepted_spans += other.accepted_spans;
        self.rejected_spans += other.rejected_spans;
        if self.error_message.is_empty() {
            self.error_message = other.error_message;
        }
    }
}

/// `TraceSpanProto`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Span {
    /// Ids are 16 bytes, as 32 hexadecimal digits or as a UUID.
    #[prost(string, tag = "1")]
    pub trace_id: String,
    #[prost(string, tag = "2")]
    pub span_id: String,
    #[prost(string, tag = "3")]
    pub parent_span_id: String,
    /// A UUID.
    #[prost(string, tag = "4")]
    pub tenant_id: String,
    #[prost(string, tag = "5")]
    pub operation_name: String,
    #[prost(uint64, tag = "6")]
    pub start_time_unix_nano: u64,
    #[prost(uint64, tag = "7")]
    pub end_time_unix_nano: u64,
    #[prost(enumeration = "Provider", tag = "8")]
    pub provider: i32,
    #[prost(string, tag = "9")]
    pub model_name: String,
    #[prost(string, tag = "10")]
    pub prompt: String,
    #[prost(string, tag = "11")]
    pub response: String,
    #[prost(uint32, tag = "12")]
    pub prompt_tokens: u32,
    #[prost(uint32, tag = "13")]
    pub completion_tokens: u32,
    #[prost(uint32, tag = "14")]
    pub total_tokens: u32,
    #[prost(uint64, tag = "15")]
    pub time_to_first_token_ms: u64,
    #[prost(uint64, tag = "16")]
    pub duration_ms: u64,
    #[prost(uint32, tag = "17")]
    pub status_code: u32,
    #[prost(string, tag = "18")]
    pub error_message: String,
    /// In the order of their names, so that the same span has the same bytes.
    #[prost(btree_map = "string, string", tag = "19")]
    pub tags: BTreeMap<String, String>,
}

/// `LLMProviderProto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Provider {
    Unspecified = 0,
    OpenAi = 1,
    Anthropic = 2,
    Vllm = 3,
    Sglang = 4,
    Tgi = 5,
    Ollama = 6,
    AzureOpenAi = 7,
    Bedrock = 8,
    Custom = 9,
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    /// What a sender puts on the wire for every field, tag by tag.
    #[test]
    fn the_wire_is_that_of_llmtrace() {
        let text =
            |tag: &[u8], text: &str| [tag, &[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        let number = |tag: &[u8], number: u8| [tag, &[number]].concat();
        let span = [
            text(&[0x0a], "t"),
            text(&[0x12], "s"),
            text(&[0x1a], "p"),
            text(&[0x22], "tenant"),
            text(&[0x2a], "chat_completion"),
            number(&[0x30], 6),
            number(&[0x38], 7),
            number(&[0x40], 8),
            text(&[0x4a], "model"),
            text(&[0x52], "prompt"),
            text(&[0x5a], "response"),
            number(&[0x60], 12),
            number(&[0x68], 13),
            number(&[0x70], 14),
            number(&[0x78], 15),
            number(&[0x80, 0x01], 16),
            number(&[0x88, 0x01], 17),
            text(&[0x92, 0x01], "error"),
            text(&[0x9a, 0x01], "\u{a}\u{1}k\u{12}\u{1}v"),
        ]
        .concat();
        let batch = [&[0x0a, u8::try_from(span.len()).unwrap()], span.as_slice()].concat();
        let read = Batch::decode(batch.as_slice()).unwrap();
        let expected = Span {
            trace_id: "t".to_owned(),
            span_id: "s".to_owned(),
            parent_span_id: "p".to_owned(),
            tenant_id: "tenant".to_owned(),
            operation_name: "chat_completion".to_owned(),
            start_time_unix_nano: 6,
            end_time_unix_nano: 7,
            provider: Provider::Bedrock.into(),
            model_name: "model".to_owned(),
            prompt: "prompt".to_owned(),
            response: "response".to_owned(),
            prompt_tokens: 12,
            completion_tokens: 13,
            total_tokens: 14,
            time_to_first_token_ms: 15,
            duration_ms: 16,
            status_code: 17,
            error_message: "error".to_owned(),
            tags: [("k".to_owned(), "v".to_owned())].into(),
        };
        assert_eq!(read.spans, [expected]);
        assert_eq!(read.encode_to_vec(), batch);
        let answer = Answer { accepted_spans: 1, rejected_spans: 2, error_message: "x".to_owned() };
        assert_eq!(answer.encode_to_vec(), [0x08, 1, 0x10, 2, 0x1a, 1, b'x']);
    }
}
