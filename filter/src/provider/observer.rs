//! What the bodies of one exchange said so far; usable at any moment.

use super::Field;
use crate::config::Limits;
use crate::usage::Reported;
use crate::wire::json::{Scalar, Sink};

/// Most choices whose finish reason is kept (`n` is at most 128 at OpenAI).
const MAX_CHOICES: usize = 128;
/// Most stop sequences that are kept (the APIs take 4 to 16).
const MAX_STOP_SEQUENCES: usize = 16;

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
    pub frequency_penalty: Option<f64>,
    pub presence_penalty: Option<f64>,
    pub seed: Option<i64>,
    pub choice_count: Option<i64>,
    pub stop_sequences: Vec<String>,
    pub output_format: Text,
    pub request_service_tier: Text,

    pub response_id: Text,
    pub response_model: Text,
    pub response_service_tier: Text,
    pub system_fingerprint: Text,
    /// By choice index.
    pub finish_reasons: Vec<(u64, String)>,

    pub reported: Reported,
    /// The last usage object, verbatim.
    pub raw_usage: Text,

    /// The body held an error object.
    pub error: bool,
    pub error_type: Text,
    pub error_code: Text,

    /// Strings that were longer than their bound, and usage objects left out for their size.
    pub truncated: u32,
}

/// Reads values into [`Facts`] as the scanners report them.
#[derive(Debug)]
pub struct Observer {
    facts: Facts,
    has_output: bool,
    choice_index: Option<u64>,
    choice_reason: Text,
    max_attribute_bytes: usize,
    max_raw_usage_bytes: usize,
}

impl Observer {
    pub fn new(limits: &Limits) -> Self {
        Self {
            facts: Facts::default(),
            has_output: false,
            choice_index: None,
            choice_reason: None,
            max_attribute_bytes: limits.max_attribute_bytes,
            max_raw_usage_bytes: limits.max_raw_usage_bytes,
        }
    }

    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    pub fn into_facts(self) -> Facts {
        self.facts
    }

    /// Whether text, reasoning or a tool call came since the last time this was asked.
    pub fn take_output(&mut self) -> bool {
        std::mem::take(&mut self.has_output)
    }

    fn text(&mut self, value: Scalar<'_>) -> Text {
        let Scalar::String { bytes, truncated } = value else {
            return None;
        };
        self.bounded_text(bytes, truncated)
    }

    fn bounded_text(&mut self, bytes: &[u8], truncated: bool) -> Text {
        let (text, cut) = bounded(bytes, truncated, self.max_attribute_bytes);
        if cut {
            self.facts.truncated = self.facts.truncated.saturating_add(1);
        }
        (!text.is_empty()).then_some(text)
    }

    fn finish_reason(&mut self, reason: String) {
        let index =
            self.choice_index.unwrap_or_else(|| self.facts.finish_reasons.len().try_into().unwrap_or(0));
        if let Some((_, known)) = self.facts.finish_reasons.iter_mut().find(|(known, _)| *known == index) {
            *known = reason;
        } else if self.facts.finish_reasons.len() < MAX_CHOICES {
            let at = self.facts.finish_reasons.partition_point(|(known, _)| *known < index);
            self.facts.finish_reasons.insert(at, (index, reason));
        } else {
            self.facts.truncated = self.facts.truncated.saturating_add(1);
        }
    }
}

impl Sink<Field> for Observer {
    fn open(&mut self, tag: Field) {
        match tag {
            Field::Choice => {
                self.choice_index = None;
                self.choice_reason = None;
            }
            Field::OutputToolCall => self.has_output = true,
            // Streams may repeat the object: the last one counts, whole.
            Field::Usage => self.facts.reported = Reported::default(),
            Field::Error => self.facts.error = true,
            _ => {}
        }
    }

    fn close(&mut self, tag: Field) {
        if tag == Field::Choice
            && let Some(reason) = self.choice_reason.take()
        {
            self.finish_reason(reason);
        }
    }

    fn scalar(&mut self, tag: Field, value: Scalar<'_>) {
        // Later chunks may carry null or an empty text where an earlier one was specific: those never overwrite.
        let keep = |slot: &mut Text, text: Text| {
            if text.is_some() {
                *slot = text;
            }
        };
        match tag {
            Field::RequestModel => self.facts.request_model = self.text(value),
            Field::Stream => self.facts.stream = boolean(value),
            Field::MaxTokens => self.facts.max_tokens = integer(value).or(self.facts.max_tokens),
            Field::Temperature => self.facts.temperature = number(value),
            Field::TopP => self.facts.top_p = number(value),
            Field::FrequencyPenalty => self.facts.frequency_penalty = number(value),
            Field::PresencePenalty => self.facts.presence_penalty = number(value),
            Field::Seed => self.facts.seed = integer(value),
            Field::ChoiceCount => self.facts.choice_count = integer(value),
            Field::StopSequence => {
                if let Some(text) = self.text(value) {
                    if self.facts.stop_sequences.len() < MAX_STOP_SEQUENCES {
                        self.facts.stop_sequences.push(text);
                    } else {
                        self.facts.truncated = self.facts.truncated.saturating_add(1);
                    }
                }
            }
            Field::OutputFormat => self.facts.output_format = self.text(value),
            Field::RequestServiceTier => self.facts.request_service_tier = self.text(value),
            Field::ResponseId => {
                let text = self.text(value);
                keep(&mut self.facts.response_id, text);
            }
            Field::ResponseModel => {
                let text = self.text(value);
                keep(&mut self.facts.response_model, text);
            }
            Field::ResponseServiceTier => {
                let text = self.text(value);
                keep(&mut self.facts.response_service_tier, text);
            }
            Field::SystemFingerprint => {
                let text = self.text(value);
                keep(&mut self.facts.system_fingerprint, text);
            }
            Field::ChoiceIndex => self.choice_index = token_count(value),
            Field::FinishReason => self.choice_reason = self.text(value),
            Field::OutputText => {
                self.has_output |= matches!(value, Scalar::String { bytes, .. } if !bytes.is_empty());
            }
            Field::InputTokens => self.facts.reported.input_tokens = token_count(value),
            Field::OutputTokens => self.facts.reported.output_tokens = token_count(value),
            Field::TotalTokens => self.facts.reported.total_tokens = token_count(value),
            Field::CacheReadTokens => self.facts.reported.cache_read_tokens = token_count(value),
            Field::ReasoningTokens => self.facts.reported.reasoning_tokens = token_count(value),
            Field::ErrorType => self.facts.error_type = self.text(value),
            Field::ErrorCode => {
                self.facts.error_code = match value {
                    Scalar::Number(digits) => Some(digits.to_owned()),
                    other => self.text(other),
                };
            }
            // Some servers send `"error": "message"`.
            Field::Error => self.facts.error |= matches!(value, Scalar::String { .. }),
            Field::Choice | Field::OutputToolCall | Field::Usage => {}
        }
    }

    fn verbatim(&mut self, tag: Field, json: Option<&[u8]>) {
        if tag != Field::Usage {
            return;
        }
        let fitting = json
            .filter(|json| json.len() <= self.max_raw_usage_bytes)
            .and_then(|json| std::str::from_utf8(json).ok());
        if fitting.is_none() && self.max_raw_usage_bytes > 0 {
            self.facts.truncated = self.facts.truncated.saturating_add(1);
        }
        self.facts.raw_usage = fitting.map(str::to_owned);
    }
}

/// Valid UTF-8 of at most `max_bytes`, cut between characters; and whether anything was cut.
fn bounded(bytes: &[u8], truncated: bool, max_bytes: usize) -> (String, bool) {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    // A string cut at its bound may end in the middle of a character.
    if truncated && text.ends_with(char::REPLACEMENT_CHARACTER) {
        text.pop();
    }
    let cut = text.len() > max_bytes;
    if cut {
        text.truncate(text.floor_char_boundary(max_bytes));
    }
    (text, cut || truncated)
}

fn boolean(value: Scalar<'_>) -> Option<bool> {
    if let Scalar::Bool(value) = value { Some(value) } else { None }
}

fn number(value: Scalar<'_>) -> Option<f64> {
    let Scalar::Number(digits) = value else {
        return None;
    };
    digits.parse().ok().filter(|number: &f64| number.is_finite())
}

fn integer(value: Scalar<'_>) -> Option<i64> {
    if let Scalar::Number(digits) = value { digits.parse().ok() } else { None }
}

/// A count that is certain: a whole number that fits. Negative, fractional and absurd ones are absent.
fn token_count(value: Scalar<'_>) -> Option<u64> {
    let Scalar::Number(digits) = value else {
        return None;
    };
    digits.parse().ok().filter(|count| i64::try_from(*count).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_whole_numbers_or_absent() {
        let count = |digits| token_count(Scalar::Number(digits));
        assert_eq!(count("0"), Some(0));
        assert_eq!(count("9223372036854775807"), Some(i64::MAX as u64));
        for odd in ["-1", "1.5", "1e3", "9223372036854775808", "99999999999999999999"] {
            assert_eq!(count(odd), None, "{odd}");
        }
        assert_eq!(token_count(Scalar::String { bytes: b"5", truncated: false }), None);
    }

    #[test]
    fn strings_are_cut_between_characters() {
        assert_eq!(bounded("aéb".as_bytes(), false, 2), ("a".into(), true));
        assert_eq!(bounded("aéb".as_bytes(), false, 4), ("aéb".into(), false));
        assert_eq!(bounded(b"a\xc3", true, 10), ("a".into(), true));
        assert_eq!(bounded(b"a\xffb", false, 10), ("a\u{fffd}b".into(), false));
    }

    #[test]
    fn finish_reasons_are_ordered_by_choice() {
        let mut observed = Observer::new(&crate::config::Config::default().limits);
        for (index, reason) in [(2, "length"), (0, "stop"), (2, "tool_calls")] {
            observed.open(Field::Choice);
            observed
                .scalar(Field::FinishReason, Scalar::String { bytes: reason.as_bytes(), truncated: false });
            observed.scalar(Field::ChoiceIndex, Scalar::Number(&index.to_string()));
            observed.close(Field::Choice);
        }
        assert_eq!(observed.facts.finish_reasons, [(0, "stop".into()), (2, "tool_calls".into())]);
    }
}
