//! The settings of LLMTrace's ingestion.

use super::read::Reader;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct LlmTrace {
    /// `host:port`; `None` where it is not taken.
    pub listen: Option<String>,
}

pub(super) fn read(reader: &mut Reader) -> LlmTrace {
    LlmTrace { listen: reader.listen_or_none("receive.llmtrace.listen", "127.0.0.1:50051") }
}
