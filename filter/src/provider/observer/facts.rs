//! What the bodies of one exchange said.

use crate::usage::Reported;

/// A bounded string of a body.
pub type Text = Option<String>;

/// Everything that a [`super::Field`] can fill in. Absent until a body says it.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Facts {
    pub request_model: Text,
    pub stream: Option<bool>,
    pub max_tokens: Option<i64>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_k: Option<f64>,
    pub frequency_penalty: Option<f64>,
    pub presence_penalty: Option<f64>,
    pub seed: Option<i64>,
    pub choice_count: Option<i64>,
    pub stop_sequences: Vec<String>,
    pub output_format: Text,
    pub request_service_tier: Text,
    pub reasoning_level: Text,
    pub dimensions: Option<i64>,
    pub encoding_formats: Vec<String>,
    pub offered_tools: u64,
    /// The call is for the adapter's other operation.
    pub other_operation: bool,
    pub conversation_id: Text,
    pub previous_response_id: Text,
    pub user_id: Text,

    pub response_id: Text,
    pub response_model: Text,
    pub response_service_tier: Text,
    pub system_fingerprint: Text,
    /// By choice index.
    pub finish_reasons: Vec<(u64, String)>,
    /// Names of the calls that the client has to run, by choice and place, once all has been read.
    pub tool_calls: Vec<String>,

    pub reported: Reported,
    /// Counts from beside the usage object.
    pub metrics: Reported,
    /// Some count was no number that a count can be.
    pub invalid_count: bool,
    /// The last usage object, verbatim.
    pub raw_usage: Text,

    /// A body held an error object.
    pub error: bool,
    pub error_type: Text,
    pub error_status: Text,
    pub error_code: Text,

    /// Strings that were longer than their bound, and usage objects left out for their size.
    pub truncated: u32,
}

impl Facts {
    /// Of all texts together.
    pub fn text_bytes(&self) -> usize {
        let texts = [
            &self.request_model,
            &self.output_format,
            &self.request_service_tier,
            &self.reasoning_level,
            &self.conversation_id,
            &self.previous_response_id,
            &self.user_id,
            &self.response_id,
            &self.response_model,
            &self.response_service_tier,
            &self.system_fingerprint,
            &self.raw_usage,
            &self.error_type,
            &self.error_status,
            &self.error_code,
        ];
        let lists = [&self.stop_sequences, &self.encoding_formats, &self.tool_calls];
        let lists = lists.into_iter().flatten().chain(self.finish_reasons.iter().map(|(_, reason)| reason));
        texts.into_iter().flatten().chain(lists).fold(0, |sum, text| sum.saturating_add(text.len()))
    }
}
