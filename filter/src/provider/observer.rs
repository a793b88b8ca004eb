//! What the bodies of one exchange said so far; usable at any moment.

mod facts;
mod tool_calls;
mod values;

use super::{Adapter, Field, UsageObjects};
use crate::config::Limits;
use crate::exchange::Headers;
use crate::usage::Reported;
use crate::wire::json::{Scalar, Sink};
use crate::wire::{is_same, trimmed};
pub use facts::{Facts, Text};
use tool_calls::{ToolCall, ToolPiece, identity};
use values::{add, boolean, bounded, integer, is_something, keep, number, set, set_unless_zero, token_count};

/// Most choices whose finish reason is kept (`n` is at most 128 at OpenAI).
const MAX_CHOICES: usize = 128;
/// Most stop sequences that are kept (the APIs take 4 to 16).
const MAX_STOP_SEQUENCES: usize = 16;
/// Most formats of vectors that are kept.
const MAX_ENCODING_FORMATS: usize = 8;
/// Most tool calls whose name is kept.
const MAX_TOOL_CALLS: usize = 128;
/// Events after which nothing comes, at the APIs that name their events.
const LAST_EVENTS: [&[u8]; 13] = [
    b"message_stop",
    b"response.completed",
    b"response.incomplete",
    b"response.failed",
    b"interaction.completed",
    b"message-end",
    b"conversation.response.done",
    b"conversation.response.error",
    b"image_generation.completed",
    b"image_edit.completed",
    b"transcript.text.done",
    b"transcription.done",
    b"speech.audio.done",
];

/// What the last usage object that was read to its end left.
#[derive(Debug)]
struct WholeUsage {
    counts: Reported,
    /// None came after it that was not.
    is_newest: bool,
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

/// What documents said about the end of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StreamEnd {
    Unsaid,
    /// One said that it was not the last.
    Expected,
    Seen,
}

/// Which counts of the usage object that is read have a figure other than zero, under any of their names.
#[derive(Debug, Default)]
struct CacheFigures {
    read: bool,
    creation: bool,
}

/// Reads values into [`Facts`] as the scanners report them.
#[derive(Debug)]
pub struct Observer {
    adapter: &'static Adapter,
    facts: Facts,
    max_attribute_bytes: usize,
    max_raw_usage_bytes: usize,
    max_list_bytes: usize,

    in_choice: bool,
    choice_index: Option<u64>,
    choice_position: u64,
    choice_reason: Text,
    fallback_finish_reason: Text,
    /// Those that are open, innermost last.
    tools: Vec<ToolPiece>,
    /// Those of the choice that is open: its index may come after them.
    choice_tools: Vec<ToolPiece>,
    /// By choice and index, then as they came.
    calls: Vec<ToolCall>,
    /// While the whole list is read: its calls so far.
    tool_list: Option<Vec<ToolCall>>,

    usage_object: UsageObject,
    whole_usage: Option<WholeUsage>,
    /// Error objects that are open, one inside the other.
    open_errors: u32,
    /// An error object said of what type it is.
    error_has_type: bool,
    cache_figures: CacheFigures,
    /// Tells documents apart.
    document: u64,
    document_has_output: bool,
    /// Whether the document says that it is the last.
    document_is_last: Option<bool>,
    documents: u64,
    output_documents: u64,
    stream_end: StreamEnd,
}

impl Observer {
    pub fn new(adapter: &'static Adapter, limits: &Limits) -> Self {
        Self {
            adapter,
            facts: Facts::default(),
            max_attribute_bytes: limits.max_attribute_bytes,
            max_raw_usage_bytes: limits.max_raw_usage_bytes,
            max_list_bytes: limits.max_list_bytes,
            in_choice: false,
            choice_index: None,
            choice_position: 0,
            choice_reason: None,
            fallback_finish_reason: None,
            tools: Vec::new(),
            choice_tools: Vec::new(),
            calls: Vec::new(),
            tool_list: None,
            usage_object: UsageObject::Read,
            whole_usage: None,
            open_errors: 0,
            error_has_type: false,
            cache_figures: CacheFigures::default(),
            document: 0,
            document_has_output: false,
            document_is_last: None,
            documents: 0,
            output_documents: 0,
            stream_end: StreamEnd::Unsaid,
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
        self.take_choice_tools();
        self.facts.tool_calls = self.calls.into_iter().filter_map(|call| call.name).collect();
        self.facts
    }

    /// What the headers of the answer say, at providers that put it there.
    pub fn response_headers(&mut self, headers: &dyn Headers) {
        let text = |name| headers.get(name).and_then(|value| std::str::from_utf8(value).ok());
        let count = |names: &[&'static str]| {
            names.iter().find_map(|name| token_count(Scalar::Number(trimmed(text(name)?))))
        };
        self.facts.metrics.input_tokens =
            count(&["x-amzn-bedrock-input-token-count", "x-prompt-tokens", "x-compute-tokens"]);
        self.facts.metrics.output_tokens =
            count(&["x-amzn-bedrock-output-token-count", "x-generated-tokens"]);
        let cached = |name| text(name).and_then(|value| token_count(Scalar::Number(trimmed(value))));
        self.facts.metrics.cache_read_tokens = cached("x-amzn-bedrock-cache-read-input-token-count");
        self.facts.metrics.cache_creation_tokens = cached("x-amzn-bedrock-cache-write-input-token-count");
        // `ValidationException:http://…`
        let error_type = headers.get("x-amzn-errortype").and_then(|value| value.split(|b| *b == b':').next());
        self.facts.error_type =
            error_type.and_then(|bytes| self.text(Scalar::String { bytes, truncated: false }));
    }

    /// Whether the event came after which nothing comes.
    pub fn saw_last_event(&self) -> bool {
        self.stream_end == StreamEnd::Seen
    }

    /// Whether anything of what came says that the answer ends.
    pub fn saw_end(&self) -> bool {
        self.saw_last_event()
            || self.facts.finish_reasons.iter().any(|(_, reason)| says_end(reason))
            // Bedrock's last chunk has them.
            || self.facts.metrics.output_tokens.is_some()
            || self.facts.error
    }

    /// Nothing comes any more: what the newest usage object said counts only if it was read to its end. Whether none is left
    /// that was.
    pub fn is_usage_interrupted(&mut self) -> bool {
        self.take_back_usage();
        self.usage_object == UsageObject::Interrupted
    }

    /// Whether the counts are from before a usage object that was not read to its end.
    pub fn is_usage_old(&self) -> bool {
        self.whole_usage.as_ref().is_some_and(|whole| !whole.is_newest)
    }

    /// Half a usage object says half of it: what counts is what was known before.
    fn take_back_usage(&mut self) {
        if self.usage_object == UsageObject::Open {
            if let Some(whole) = &mut self.whole_usage {
                whole.is_newest = false;
                self.facts.reported = whole.counts;
                self.usage_object = UsageObject::Read;
            } else {
                self.facts.reported = Reported::default();
                self.usage_object = UsageObject::Interrupted;
            }
        }
    }

    /// Whether a document said that more would come, and none did that was the last.
    pub fn expects_more(&self) -> bool {
        let is_awaited = match self.stream_end {
            StreamEnd::Unsaid => self.document_is_last == Some(false),
            StreamEnd::Expected => self.document_is_last != Some(true),
            StreamEnd::Seen => false,
        };
        is_awaited && !self.facts.error
    }

    pub fn last_event(&mut self) {
        self.stream_end = StreamEnd::Seen;
    }

    /// The document that is read, or was just read, is an event of this name.
    pub fn event_name(&mut self, name: &[u8]) {
        if !name.is_empty() && LAST_EVENTS.contains(&name) {
            self.document_is_last = Some(true);
        }
    }

    /// A document of a stream is complete.
    pub fn end_document(&mut self) {
        self.stream_end = match (self.stream_end, self.document_is_last) {
            (_, Some(true)) => StreamEnd::Seen,
            (StreamEnd::Unsaid, Some(false)) => StreamEnd::Expected,
            (known, _) => known,
        };
        self.documents = self.documents.saturating_add(1);
        if std::mem::take(&mut self.document_has_output) {
            self.output_documents = self.output_documents.saturating_add(1);
        }
        self.abandon_document();
    }

    /// A document broke off: what it left half read means nothing.
    pub fn abandon_document(&mut self) {
        self.document_has_output = false;
        self.take_back_usage();
        if self.usage_object == UsageObject::New {
            self.usage_object = UsageObject::Read;
        }
        self.open_errors = 0;
        self.cache_figures = CacheFigures::default();
        self.document = self.document.wrapping_add(1);
        self.document_is_last = None;
        self.in_choice = false;
        self.choice_index = None;
        self.choice_reason = None;
        self.choice_position = 0;
        self.tools.clear();
        self.choice_tools.clear();
        self.tool_list = None;
    }

    /// The answer turned out to be damaged, nobody knows where: what it said is not certain.
    pub fn forget_answer(&mut self) {
        self.abandon_document();
        let facts = &mut self.facts;
        for text in [
            &mut facts.response_id,
            &mut facts.response_model,
            &mut facts.response_service_tier,
            &mut facts.system_fingerprint,
            &mut facts.raw_usage,
            &mut facts.error_type,
            &mut facts.error_status,
            &mut facts.error_code,
            &mut self.fallback_finish_reason,
        ] {
            *text = None;
        }
        facts.error = false;
        facts.finish_reasons.clear();
        facts.reported = Reported::default();
        facts.metrics = Reported::default();
        self.whole_usage = None;
        self.calls.clear();
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

    /// Whether the lists have room for one more text, or for more of one; if not, it is counted.
    fn has_room(&mut self, text: &str) -> bool {
        let facts = &self.facts;
        let calls =
            self.calls.iter().chain(self.tool_list.iter().flatten()).filter_map(|call| call.name.as_ref());
        let lengths = facts
            .stop_sequences
            .iter()
            .chain(&facts.encoding_formats)
            .chain(facts.finish_reasons.iter().map(|(_, reason)| reason))
            .chain(calls)
            .chain(self.choice_tools.iter().filter_map(|piece| piece.name.as_ref()))
            .map(String::len);
        let has_room = lengths.fold(text.len(), usize::saturating_add) <= self.max_list_bytes;
        if !has_room {
            self.count_truncated();
        }
        has_room
    }

    fn count_truncated(&mut self) {
        self.facts.truncated = self.facts.truncated.saturating_add(1);
    }

    fn finish_reason(&mut self, index: u64, reason: String) {
        if !self.has_room(&reason) {
            return;
        }
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
        self.take_choice_tools();
        let index = self.choice_index.take().unwrap_or(self.choice_position);
        if let Some(reason) = self.choice_reason.take() {
            self.finish_reason(index, reason);
        }
        self.in_choice = false;
        self.choice_position = self.choice_position.saturating_add(1);
    }

    fn take_choice_tools(&mut self) {
        let choice = self.choice_index.unwrap_or(self.choice_position);
        let mut pieces = std::mem::take(&mut self.choice_tools);
        for piece in pieces.drain(..) {
            self.tool_piece(choice, piece);
        }
        self.choice_tools = pieces;
    }

    fn close_tool(&mut self) {
        let Some(mut piece) = self.tools.pop() else { return };
        self.document_has_output |= piece.name.is_some() || piece.arguments.is_some();
        // Nobody asks for its type again: what is held is not more than its name.
        if !(self.adapter.is_client_tool)(piece.kind.take().as_deref()) {
            return;
        }
        if piece.name.as_ref().is_some_and(|name| !self.has_room(name)) {
            return;
        }
        if let Some(list) = &mut self.tool_list {
            if list.len() < MAX_TOOL_CALLS && piece.name.is_some() {
                list.push(ToolCall::new(0, piece, self.document));
            }
        } else if !self.in_choice {
            self.tool_piece(0, piece);
        } else if self.choice_tools.len() < MAX_TOOL_CALLS {
            self.choice_tools.push(piece);
        } else if piece.name.is_some() {
            self.count_truncated();
        }
    }

    fn tool_piece(&mut self, choice: u64, piece: ToolPiece) {
        if let Some(call) = self.call_of(choice, &piece).and_then(|at| self.calls.get_mut(at)) {
            call.document = self.document;
            if call.add(piece, self.max_attribute_bytes) {
                self.count_truncated();
            }
        } else if self.calls.len() < MAX_TOOL_CALLS {
            if piece.name.is_some() || piece.id.is_some() {
                let place = (choice, piece.index);
                let at = self.calls.partition_point(|known| (known.choice, known.index) <= place);
                self.calls.insert(at, ToolCall::new(choice, piece, self.document));
            }
        } else if piece.name.is_some() {
            self.count_truncated();
        }
    }

    /// Where the call is that a piece belongs to, unless it begins one.
    fn call_of(&self, choice: u64, piece: &ToolPiece) -> Option<usize> {
        let newest = |is_it: &dyn Fn(&ToolCall) -> bool| {
            self.calls.iter().rposition(|call| {
                call.choice == choice && (piece.index.is_none() || call.index == piece.index) && is_it(call)
            })
        };
        let of_its_id = piece.id.and_then(|_| newest(&|call| call.id == piece.id));
        let at = match piece.index {
            Some(_) => of_its_id.or_else(|| newest(&|_| true)),
            None => of_its_id,
        }?;
        let call = self.calls.get(at)?;
        (!call.is_over(piece, call.document == self.document)).then_some(at)
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
                if let Some(text) = self.text(value).filter(|text| self.has_room(text)) {
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
                if let Some(text) = self.text(value).filter(|text| self.has_room(text)) {
                    if self.facts.encoding_formats.len() < MAX_ENCODING_FORMATS {
                        self.facts.encoding_formats.push(text);
                    } else {
                        self.count_truncated();
                    }
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

    /// Whether a stream says again what it said before, as most do with every event.
    fn is_known(&self, tag: Field, value: Scalar<'_>) -> bool {
        let known = match tag {
            Field::ResponseId => &self.facts.response_id,
            Field::ResponseModel => &self.facts.response_model,
            Field::ResponseServiceTier => &self.facts.response_service_tier,
            Field::SystemFingerprint => &self.facts.system_fingerprint,
            _ => return false,
        };
        matches!((value, known), (Scalar::String { bytes, truncated: false }, Some(known)) if is_same(known.as_bytes(), bytes))
    }

    /// What the answer says, counts aside.
    fn answer(&mut self, tag: Field, value: Scalar<'_>) -> bool {
        if self.is_known(tag, value) {
            return true;
        }
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
            Field::ToolId => self.tool(|tool| tool.id = identity(value).or(tool.id)),
            Field::ToolArguments => {
                if let Scalar::String { bytes: [first, ..], .. } = value {
                    self.tool(|tool| tool.arguments = Some(*first));
                }
            }
            Field::ToolType => {
                let kind = self.text(value);
                self.tool(|tool| tool.kind = kind);
            }
            Field::ToolName => {
                let name = self.text(value);
                self.tool(|tool| tool.name = name);
            }
            // What an error says of itself counts for more than what stands beside it.
            Field::ErrorType if self.open_errors > 0 || !self.error_has_type => {
                self.facts.error_type = self.text(value);
                self.error_has_type = self.open_errors > 0 && self.facts.error_type.is_some();
            }
            Field::ErrorType => {}
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
            Field::LastEvent if is_something(value) => {
                self.document_is_last = Some(value != Scalar::Bool(false));
            }
            Field::EventType => {
                if let Scalar::String { bytes, .. } = value {
                    self.event_name(bytes);
                }
            }
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
            Field::CacheReadTokens => {
                set_unless_zero(&mut reported.cache_read_tokens, value, &mut self.cache_figures.read);
            }
            Field::CacheCreationTokens => {
                set_unless_zero(&mut reported.cache_creation_tokens, value, &mut self.cache_figures.creation);
            }
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

    fn tool(&mut self, set: impl FnOnce(&mut ToolPiece)) {
        if let Some(tool) = self.tools.last_mut() {
            set(tool);
        }
    }
}

/// watsonx and Gemini's interactions say with each event that it is not the last.
fn says_end(finish_reason: &str) -> bool {
    !matches!(finish_reason, "not_finished" | "in_progress")
}

impl Sink<Field> for Observer {
    fn open(&mut self, tag: Field) {
        match tag {
            Field::Choice => {
                self.in_choice = true;
                self.choice_index = None;
                self.choice_reason = None;
            }
            Field::Tool => self.tools.push(ToolPiece::default()),
            Field::ToolArguments => self.tool(|tool| tool.arguments = Some(b'{')),
            Field::ToolList => self.tool_list = Some(Vec::new()),
            Field::OutputText => self.document_has_output = true,
            Field::Usage => {
                self.usage_object = UsageObject::New;
                self.cache_figures = CacheFigures::default();
            }
            Field::Error => self.open_errors = self.open_errors.saturating_add(1),
            // A schema in place of the name of a format.
            Field::OutputFormat => self.facts.output_format = Some("json_schema".to_owned()),
            Field::LastEvent => self.document_is_last = Some(true),
            Field::OfferedTool => self.facts.offered_tools = self.facts.offered_tools.saturating_add(1),
            _ => {}
        }
    }

    fn close(&mut self, tag: Field) {
        match tag {
            Field::Choice => self.close_choice(),
            Field::Tool => self.close_tool(),
            Field::ToolList => {
                if let Some(list) = self.tool_list.take().filter(|list| !list.is_empty()) {
                    self.calls = list;
                }
            }
            Field::Document => self.end_document(),
            Field::Usage if self.usage_object == UsageObject::Open => {
                self.usage_object = UsageObject::Read;
                self.whole_usage = Some(WholeUsage { counts: self.facts.reported, is_newest: true });
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

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn lists_have_a_bound_together() {
        let limits = Limits { max_list_bytes: 1_024, ..crate::config::Config::default().limits };
        let mut observer = Observer::new(&crate::provider::openai_chat::CHAT, &limits);
        let name = "n".repeat(300);
        let text = Scalar::String { bytes: name.as_bytes(), truncated: false };
        for index in 0..10 {
            observer.open(Field::Choice);
            observer.scalar(Field::ChoiceIndex, Scalar::Number(&index.to_string()));
            observer.open(Field::Tool);
            observer.scalar(Field::ToolName, text);
            observer.close(Field::Tool);
            observer.scalar(Field::FinishReason, text);
            observer.close(Field::Choice);
        }
        let facts = observer.into_facts();
        assert_eq!((facts.tool_calls.len(), facts.finish_reasons.len()), (2, 1));
        assert_eq!(facts.truncated, 17);
    }
}
