//! What the bodies of one exchange said so far; usable at any moment.

use super::{Adapter, Field, UsageObjects};
use crate::config::Limits;
use crate::decimal;
use crate::exchange::Headers;
use crate::usage::{IMPOSSIBLE, Reported};
use crate::wire::json::{Scalar, Sink};

/// Most choices whose finish reason is kept (`n` is at most 128 at OpenAI).
const MAX_CHOICES: usize = 128;
/// Most stop sequences that are kept (the APIs take 4 to 16).
const MAX_STOP_SEQUENCES: usize = 16;
/// Most tool calls whose name is kept.
const MAX_TOOL_CALLS: usize = 128;

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
    /// Names of the calls that the client has to run, in order.
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

/// What identifies a tool call of which several pieces may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ToolKey {
    Place { choice: u64, index: u64, id: Option<u64> },
    Id(u64),
}

/// How far the newest usage object was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UsageObject {
    /// To its end, or there was none.
    Read,
    /// It is open, and has no count yet.
    New,
    Open,
    /// Its document broke off.
    Interrupted,
}

/// One tool call while its object is read.
#[derive(Debug, Default)]
struct ToolInProgress {
    index: Option<u64>,
    id: Option<u64>,
    kind: Text,
    name: Text,
}

/// Reads values into [`Facts`] as the scanners report them.
#[derive(Debug)]
pub struct Observer {
    adapter: &'static Adapter,
    facts: Facts,
    max_attribute_bytes: usize,
    max_raw_usage_bytes: usize,

    in_choice: bool,
    choice_index: Option<u64>,
    choice_position: u64,
    choice_reason: Text,
    fallback_finish_reason: Text,
    /// Innermost last; deeper ones are not looked at.
    tools: Vec<ToolInProgress>,
    tool_keys: Vec<ToolKey>,
    /// While the whole list is read: its calls so far.
    tool_list: Option<Vec<String>>,

    usage_object: UsageObject,
    /// Error objects that are open, one inside the other.
    open_errors: u32,
    document_has_output: bool,
    documents: u64,
    output_documents: u64,
    saw_last_event: bool,
}

impl Observer {
    pub fn new(adapter: &'static Adapter, limits: &Limits) -> Self {
        Self {
            adapter,
            facts: Facts::default(),
            max_attribute_bytes: limits.max_attribute_bytes,
            max_raw_usage_bytes: limits.max_raw_usage_bytes,
            in_choice: false,
            choice_index: None,
            choice_position: 0,
            choice_reason: None,
            fallback_finish_reason: None,
            tools: Vec::new(),
            tool_keys: Vec::new(),
            tool_list: None,
            usage_object: UsageObject::Read,
            open_errors: 0,
            document_has_output: false,
            documents: 0,
            output_documents: 0,
            saw_last_event: false,
        }
    }

    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    pub fn facts_mut(&mut self) -> &mut Facts {
        &mut self.facts
    }

    pub fn into_facts(mut self) -> Facts {
        if let Some(reason) =
            self.fallback_finish_reason.take().filter(|_| self.facts.finish_reasons.is_empty())
        {
            self.finish_reason(0, reason);
        }
        self.facts
    }

    /// What the headers of the answer say, at providers that put it there.
    pub fn response_headers(&mut self, headers: &dyn Headers) {
        let text = |name| headers.get(name).and_then(|value| std::str::from_utf8(value).ok());
        let count = |names: &[&'static str]| {
            names.iter().find_map(|name| token_count(Scalar::Number(text(name)?.trim())))
        };
        self.facts.metrics.input_tokens =
            count(&["x-amzn-bedrock-input-token-count", "x-prompt-tokens", "x-compute-tokens"]);
        self.facts.metrics.output_tokens =
            count(&["x-amzn-bedrock-output-token-count", "x-generated-tokens"]);
        let cached = |name| text(name).and_then(|value| token_count(Scalar::Number(value.trim())));
        self.facts.metrics.cache_read_tokens = cached("x-amzn-bedrock-cache-read-input-token-count");
        self.facts.metrics.cache_creation_tokens = cached("x-amzn-bedrock-cache-write-input-token-count");
        // `ValidationException:http://…`
        let error_type = headers.get("x-amzn-errortype").and_then(|value| value.split(|b| *b == b':').next());
        self.facts.error_type =
            error_type.and_then(|bytes| self.text(Scalar::String { bytes, truncated: false }));
    }

    /// Whether the event came after which nothing comes.
    pub fn saw_last_event(&self) -> bool {
        self.saw_last_event
    }

    /// Whether the newest usage object has counts and was not read to its end.
    pub fn is_usage_interrupted(&self) -> bool {
        matches!(self.usage_object, UsageObject::Open | UsageObject::Interrupted)
    }

    pub fn last_event(&mut self) {
        self.saw_last_event = true;
    }

    /// A document of a stream is complete.
    pub fn end_document(&mut self) {
        self.documents = self.documents.saturating_add(1);
        if std::mem::take(&mut self.document_has_output) {
            self.output_documents = self.output_documents.saturating_add(1);
        }
        self.abandon_document();
    }

    /// A document broke off: what it left half read means nothing.
    pub fn abandon_document(&mut self) {
        self.document_has_output = false;
        self.usage_object = match self.usage_object {
            UsageObject::Open | UsageObject::Interrupted => UsageObject::Interrupted,
            UsageObject::Read | UsageObject::New => UsageObject::Read,
        };
        self.open_errors = 0;
        self.in_choice = false;
        self.choice_index = None;
        self.choice_reason = None;
        self.choice_position = 0;
        self.tools.clear();
        self.tool_list = None;
    }

    /// Documents, and documents with output, since the last time this was asked.
    pub fn take_progress(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.documents), std::mem::take(&mut self.output_documents))
    }

    fn text(&mut self, value: Scalar<'_>) -> Text {
        let Scalar::String { bytes, truncated } = value else { return None };
        let (text, cut) = bounded(bytes, truncated, self.max_attribute_bytes);
        if cut {
            self.count_truncated();
        }
        (!text.is_empty()).then_some(text)
    }

    fn count_truncated(&mut self) {
        self.facts.truncated = self.facts.truncated.saturating_add(1);
    }

    fn finish_reason(&mut self, index: u64, reason: String) {
        let reasons = &mut self.facts.finish_reasons;
        if let Some((_, known)) = reasons.iter_mut().find(|(known, _)| *known == index) {
            *known = reason;
        } else if reasons.len() < MAX_CHOICES {
            let at = reasons.partition_point(|(known, _)| *known < index);
            reasons.insert(at, (index, reason));
        } else {
            self.count_truncated();
        }
    }

    fn close_choice(&mut self) {
        let index = self.choice_index.take().unwrap_or(self.choice_position);
        if let Some(reason) = self.choice_reason.take() {
            self.finish_reason(index, reason);
        }
        self.in_choice = false;
        self.choice_position = self.choice_position.saturating_add(1);
    }

    fn close_tool(&mut self) {
        let Some(tool) = self.tools.pop() else { return };
        let Some(name) = tool.name else { return };
        if !(self.adapter.is_client_tool)(tool.kind.as_deref()) {
            return;
        }
        if let Some(list) = &mut self.tool_list {
            if list.len() < MAX_TOOL_CALLS {
                list.push(name);
            }
            return;
        }
        let choice = self.choice_index.unwrap_or(self.choice_position);
        let key = match (tool.index, tool.id) {
            (Some(index), id) => Some(ToolKey::Place { choice, index, id }),
            (None, Some(id)) => Some(ToolKey::Id(id)),
            (None, None) => None,
        };
        if key.is_some_and(|key| self.tool_keys.iter().any(|known| is_same_call(*known, key))) {
            return;
        }
        if self.facts.tool_calls.len() < MAX_TOOL_CALLS {
            self.tool_keys.extend(key);
            self.facts.tool_calls.push(name);
        } else {
            self.count_truncated();
        }
    }

    /// What the request asks for.
    fn request(&mut self, tag: Field, value: Scalar<'_>) -> bool {
        match tag {
            Field::RequestModel => keep(self.text(value), &mut self.facts.request_model),
            Field::Stream => self.facts.stream = boolean(value).or(self.facts.stream),
            Field::MaxTokens => self.facts.max_tokens = integer(value).or(self.facts.max_tokens),
            Field::Temperature => self.facts.temperature = number(value),
            Field::TopP => self.facts.top_p = number(value),
            Field::TopK => self.facts.top_k = number(value),
            Field::FrequencyPenalty => self.facts.frequency_penalty = number(value),
            Field::PresencePenalty => self.facts.presence_penalty = number(value),
            Field::Seed => self.facts.seed = integer(value),
            Field::ChoiceCount => self.facts.choice_count = integer(value),
            Field::StopSequence => {
                if let Some(text) = self.text(value) {
                    if self.facts.stop_sequences.len() < MAX_STOP_SEQUENCES {
                        self.facts.stop_sequences.push(text);
                    } else {
                        self.count_truncated();
                    }
                }
            }
            Field::OutputFormat => self.facts.output_format = self.text(value),
            // Text goes without saying.
            Field::OutputModality => {
                let kind = self.text(value).filter(|kind| !kind.eq_ignore_ascii_case("text"));
                keep(kind, &mut self.facts.output_format);
            }
            Field::RequestServiceTier => self.facts.request_service_tier = self.text(value),
            Field::ReasoningLevel => self.facts.reasoning_level = self.text(value),
            Field::Dimensions => self.facts.dimensions = integer(value),
            Field::EncodingFormat => {
                if let Some(text) = self.text(value).filter(|_| self.facts.encoding_formats.len() < 8) {
                    self.facts.encoding_formats.push(text);
                }
            }
            Field::ConversationId => keep(self.text(value), &mut self.facts.conversation_id),
            Field::PreviousResponseId => self.facts.previous_response_id = self.text(value),
            Field::UserId => keep(self.text(value), &mut self.facts.user_id),
            Field::OtherOperation => self.facts.other_operation = true,
            _ => return false,
        }
        true
    }

    /// What the answer says, counts aside.
    fn answer(&mut self, tag: Field, value: Scalar<'_>) -> bool {
        match tag {
            Field::ResponseId => keep(self.text(value), &mut self.facts.response_id),
            Field::ResponseModel => keep(self.text(value), &mut self.facts.response_model),
            Field::ResponseServiceTier => keep(self.text(value), &mut self.facts.response_service_tier),
            Field::SystemFingerprint => keep(self.text(value), &mut self.facts.system_fingerprint),
            Field::ChoiceIndex => self.choice_index = token_count(value),
            Field::FinishReason => {
                // An enumeration may come as its number.
                let reason = match value {
                    Scalar::Number(digits) => Some(digits.to_owned()),
                    other => self.text(other),
                };
                if self.in_choice {
                    self.choice_reason = reason;
                } else if let Some(reason) = reason {
                    self.finish_reason(0, reason);
                }
            }
            Field::FallbackFinishReason => keep(self.text(value), &mut self.fallback_finish_reason),
            Field::OutputText => {
                self.document_has_output |=
                    matches!(value, Scalar::String { bytes, .. } if !bytes.is_empty());
            }
            Field::ToolIndex => self.tool(|tool| tool.index = token_count(value)),
            Field::ToolId => {
                self.tool(|tool| {
                    tool.id = if let Scalar::String { bytes: [_, ..], .. } = value {
                        identity(value)
                    } else {
                        tool.id
                    }
                });
            }
            Field::ToolType => {
                let kind = self.text(value);
                self.tool(|tool| tool.kind = kind);
            }
            Field::ToolName => {
                let name = self.text(value);
                self.tool(|tool| tool.name = name);
            }
            Field::ErrorType => self.facts.error_type = self.text(value),
            Field::ErrorStatus => self.facts.error_status = self.text(value),
            Field::ErrorCode => {
                self.facts.error_code = match value {
                    Scalar::Number(digits) => Some(digits.to_owned()),
                    other => self.text(other),
                };
            }
            // Some servers send `"error": "message"`.
            Field::Error => {
                self.facts.error |= matches!(value, Scalar::String { .. }) && is_something(value);
            }
            Field::LastEvent => self.saw_last_event |= matches!(value, Scalar::Bool(true)),
            _ => return false,
        }
        true
    }

    fn tokens(&mut self, tag: Field, value: Scalar<'_>) -> bool {
        if self.usage_object == UsageObject::New && value != Scalar::Null {
            self.usage_object = UsageObject::Open;
            if self.adapter.usage_objects == UsageObjects::LastCounts {
                self.facts.reported = Reported::default();
            }
        }
        let Facts { reported, metrics, .. } = &mut self.facts;
        match tag {
            Field::InputTokens => set(&mut reported.input_tokens, value),
            Field::MoreInputTokens => add(&mut reported.input_tokens, value),
            Field::LargestInputTokens => {
                reported.input_tokens = token_count(value).max(reported.input_tokens);
            }
            Field::OutputTokens => set(&mut reported.output_tokens, value),
            Field::MoreOutputTokens => add(&mut reported.output_tokens, value),
            Field::TotalTokens => set(&mut reported.total_tokens, value),
            Field::CacheReadTokens => set(&mut reported.cache_read_tokens, value),
            Field::CacheCreationTokens => set(&mut reported.cache_creation_tokens, value),
            Field::ReasoningTokens => set(&mut reported.reasoning_tokens, value),
            Field::ToolUseTokens => set(&mut reported.tool_use_tokens, value),
            Field::BilledInputTokens => set(&mut reported.billed_input_tokens, value),
            Field::BilledOutputTokens => set(&mut reported.billed_output_tokens, value),
            Field::MetricInputTokens => set(&mut metrics.input_tokens, value),
            Field::MetricOutputTokens => set(&mut metrics.output_tokens, value),
            Field::MetricCacheReadTokens => set(&mut metrics.cache_read_tokens, value),
            Field::MetricCacheCreationTokens => set(&mut metrics.cache_creation_tokens, value),
            _ => return false,
        }
        self.facts.invalid_count |= value != Scalar::Null && token_count(value).is_none();
        true
    }

    fn tool(&mut self, set: impl FnOnce(&mut ToolInProgress)) {
        if let Some(tool) = self.tools.last_mut() {
            set(tool);
        }
    }
}

/// A later piece of a call has its place, and its id or none.
fn is_same_call(known: ToolKey, piece: ToolKey) -> bool {
    match (known, piece) {
        (
            ToolKey::Place { choice, index, id },
            ToolKey::Place { choice: other_choice, index: other_index, id: other_id },
        ) => choice == other_choice && index == other_index && (other_id.is_none() || id == other_id),
        (known, piece) => known == piece,
    }
}

impl Sink<Field> for Observer {
    fn open(&mut self, tag: Field) {
        match tag {
            Field::Choice => {
                self.in_choice = true;
                self.choice_index = None;
                self.choice_reason = None;
            }
            Field::Tool => self.tools.push(ToolInProgress::default()),
            Field::ToolList => self.tool_list = Some(Vec::new()),
            Field::OutputText => self.document_has_output = true,
            Field::Usage => {
                self.usage_object = UsageObject::New;
            }
            Field::Error => self.open_errors = self.open_errors.saturating_add(1),
            // A schema in place of the name of a format.
            Field::OutputFormat => self.facts.output_format = Some("json_schema".to_owned()),
            Field::LastEvent => self.saw_last_event = true,
            Field::OfferedTool => self.facts.offered_tools = self.facts.offered_tools.saturating_add(1),
            _ => {}
        }
    }

    fn close(&mut self, tag: Field) {
        match tag {
            Field::Choice => self.close_choice(),
            Field::Tool => {
                let is_call =
                    self.tools.last().is_some_and(|tool| tool.name.is_some() || tool.index.is_some());
                self.document_has_output |= is_call;
                self.close_tool();
            }
            Field::ToolList => {
                if let Some(list) = self.tool_list.take().filter(|list| !list.is_empty()) {
                    self.facts.tool_calls = list;
                }
            }
            Field::Document => self.end_document(),
            Field::Usage if self.usage_object == UsageObject::Open => {
                self.usage_object = UsageObject::Read;
            }
            Field::Error => self.open_errors = self.open_errors.saturating_sub(1),
            _ => {}
        }
    }

    fn scalar(&mut self, tag: Field, value: Scalar<'_>) {
        // Some send an error that says nothing with every good answer.
        self.facts.error |= self.open_errors > 0 && is_something(value);
        // A tag belongs to one of the three; places that are only opened and closed have no scalar.
        let _ = self.request(tag, value) || self.tokens(tag, value) || self.answer(tag, value);
    }

    fn verbatim(&mut self, tag: Field, json: Option<&[u8]>) {
        if tag != Field::Usage {
            return;
        }
        let fitting = json
            .filter(|json| json.len() <= self.max_raw_usage_bytes)
            .and_then(|json| std::str::from_utf8(json).ok());
        if self.usage_object == UsageObject::New {
            self.usage_object = UsageObject::Read;
            if self.facts.raw_usage.is_some() {
                // It says nothing, and an earlier one did.
                return;
            }
        }
        if fitting.is_none() && self.max_raw_usage_bytes > 0 {
            self.count_truncated();
        }
        self.facts.raw_usage = fitting.map(str::to_owned);
    }
}

fn is_something(value: Scalar<'_>) -> bool {
    !matches!(value, Scalar::Null | Scalar::String { bytes: [], .. })
}

/// Later chunks may carry null or an empty text where an earlier one was specific: those never overwrite.
fn keep(text: Text, slot: &mut Text) {
    if text.is_some() {
        *slot = text;
    }
}

/// A null says that the count is not there, and leaves what another name or an earlier object said.
fn set(slot: &mut Option<u64>, value: Scalar<'_>) {
    if value != Scalar::Null {
        *slot = Some(token_count(value).unwrap_or(IMPOSSIBLE));
    }
}

/// One part of a sum.
fn add(slot: &mut Option<u64>, value: Scalar<'_>) {
    if value != Scalar::Null {
        let more = token_count(value).unwrap_or(IMPOSSIBLE);
        *slot = Some(slot.unwrap_or(0).saturating_add(more));
    }
}

/// Tells ids apart, nothing more (FNV-1a).
fn identity(value: Scalar<'_>) -> Option<u64> {
    let Scalar::String { bytes, .. } = value else { return None };
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Some(hash)
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
    let Scalar::Number(digits) = value else { return None };
    decimal::parse(digits)
}

fn integer(value: Scalar<'_>) -> Option<i64> {
    if let Scalar::Number(digits) = value { digits.parse().ok() } else { None }
}

/// A count that is certain: a whole number that fits. Negative, fractional and absurd ones are absent.
fn token_count(value: Scalar<'_>) -> Option<u64> {
    let Scalar::Number(digits) = value else { return None };
    let whole = digits.strip_suffix(".0").unwrap_or(digits);
    whole.parse().ok().filter(|count| i64::try_from(*count).is_ok())
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
        let limits = crate::config::Config::default().limits;
        let mut observer = Observer::new(&crate::provider::openai_chat::CHAT, &limits);
        for (index, reason) in [(2, "length"), (0, "stop"), (2, "tool_calls")] {
            observer.open(Field::Choice);
            observer
                .scalar(Field::FinishReason, Scalar::String { bytes: reason.as_bytes(), truncated: false });
            observer.scalar(Field::ChoiceIndex, Scalar::Number(&index.to_string()));
            observer.close(Field::Choice);
        }
        assert_eq!(observer.facts.finish_reasons, [(0, "stop".into()), (2, "tool_calls".into())]);
    }
}
