//! The messages of one exchange, collected while its bodies pass.
//!
//! What is read goes into a draft: one for each message, and one for what a document itself says. A finished draft of the
//! request is one more message; one of the answer goes on with what earlier documents of its stream began. So nothing
//! depends on the order of the members of a document, nor on where it was cut into chunks.
//!
//! Memory: all finished messages together cost at most `max_span_bytes`, each of them at most `max_message_bytes`; besides
//! them there are at most four drafts of that size. Costs are the larger of what is held in memory and what it takes in
//! JSON, so that neither exceeds its bound. When the span's bound is reached the oldest message of the request makes
//! room: instructions and the newest message stay longest.

use super::encode::{Treatment, Writer, fitting, is_identifier, json_bytes};
use super::{Content, Part};
use crate::provider::Field;
use crate::redact::Found;
use crate::wire::holds;
use crate::wire::json::{Scalar, Sink};

/// Longest id, name, role or media type.
const MAX_WORD_BYTES: usize = 256;
/// What a message or an item costs besides its texts: the larger of what it takes in memory and in JSON.
const MESSAGE_COST: usize = larger(2 * size_of::<Message>(), 80);
const ITEM_COST: usize = larger(size_of::<Item>(), 136);
/// Items that may be open in each other.
const MAX_OPEN_ITEMS: usize = 4;

const fn larger(one: usize, other: usize) -> usize {
    if one > other { one } else { other }
}

/// A text that grows within a bound.
#[derive(Debug, Default, PartialEq, Eq)]
struct Bounded {
    text: String,
    /// What it takes in JSON.
    json_bytes: usize,
    /// It was longer, and ends here.
    is_cut: bool,
}

impl Bounded {
    fn cost(&self) -> usize {
        self.json_bytes.max(self.text.capacity())
    }

    /// Adds what fits a cost of `max_cost`. `is_cut`: more of it was there. After a cut nothing is added.
    fn push(&mut self, bytes: &[u8], is_cut: bool, max_cost: usize) {
        if let Ok(text) = std::str::from_utf8(bytes) {
            self.push_str(text, max_cost);
            self.is_cut |= is_cut;
            return;
        }
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            self.push_str(chunk.valid(), max_cost);
            // A string that was cut may end in the middle of a character.
            let is_half = is_cut && chunks.peek().is_none();
            if !chunk.invalid().is_empty() && !is_half {
                self.push_str("\u{fffd}", max_cost);
            }
        }
        self.is_cut |= is_cut;
    }

    fn push_str(&mut self, text: &str, max_cost: usize) {
        if self.is_cut {
            return;
        }
        let room = max_cost.saturating_sub(self.json_bytes);
        let mut added = json_bytes(text);
        let mut fits = text;
        if added > room {
            fits = fitting(text, room);
            added = json_bytes(fits);
            self.is_cut = true;
        }
        let needed = self.text.len().saturating_add(fits.len());
        if needed > self.text.capacity() {
            // A first piece is often the only one; what grows has some room to grow on.
            let spare = if self.text.is_empty() { 0 } else { (needed / 4).min(1_024) };
            let capacity = needed.saturating_add(spare).min(max_cost).max(needed);
            self.text.reserve_exact(capacity.saturating_sub(self.text.len()));
        }
        self.text.push_str(fits);
        self.json_bytes = self.json_bytes.saturating_add(added);
    }
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Kind {
    #[default]
    Unknown,
    Text,
    Reasoning,
    Refusal,
    /// A call of a tool that the client has to run.
    Call,
    /// One that the provider runs.
    ServerCall,
    Result,
    /// An image, a sound, a file: what it is and where, never its bytes.
    Media,
    /// Only the provider's word for it is kept.
    Other,
    /// A piece of what the kind of its event says.
    Delta,
}

impl Kind {
    fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Reasoning | Self::Refusal)
    }

    fn is_call(self) -> bool {
        matches!(self, Self::Call | Self::ServerCall)
    }

    /// Whether a piece of this kind can go on with an item of the other.
    fn continues(self, other: Self) -> bool {
        self == other || (self.is_call() && other.is_call())
    }
}

/// One item of a message. What its members hold depends on its kind, so that an item stays small.
#[derive(Debug, Default, PartialEq, Eq)]
struct Item {
    kind: Kind,
    /// Its place in the answer, where the wire names one.
    index: Option<u32>,
    /// The provider's word for its kind.
    word: String,
    /// Of a call, of what is answered, of a file.
    id: String,
    /// Of a tool; of media their type.
    name: String,
    /// The text; the arguments of a call; the result; the URI of media.
    text: Bounded,
    is_json: bool,
    is_reasoning: bool,
}

impl Item {
    fn cost(&self) -> usize {
        let words = self.word.len().saturating_add(self.id.len()).saturating_add(self.name.len());
        ITEM_COST.saturating_add(words).saturating_add(self.text.cost())
    }

    /// What its own word makes of it, once it is complete. `Unknown` means that there is nothing to keep.
    fn settle(&mut self) {
        let word = self.word.as_str();
        let is_thought = self.is_reasoning || matches!(word, "reasoning_text" | "summary_text" | "thinking");
        let is_server_call = matches!(
            word,
            "web_search_call"
                | "file_search_call"
                | "code_interpreter_call"
                | "image_generation_call"
                | "mcp_call"
                | "server_tool_use"
                | "mcp_tool_use"
        );
        self.kind = match self.kind {
            Kind::Text if is_thought => Kind::Reasoning,
            Kind::Call | Kind::Unknown if is_server_call => Kind::ServerCall,
            Kind::Call if word.ends_with("_call_output") => Kind::Result,
            Kind::Unknown if modality(word).is_some() => Kind::Media,
            Kind::Unknown if is_empty_word(word) => Kind::Unknown,
            Kind::Unknown => Kind::Other,
            kind => kind,
        };
    }
}

/// Words of items that are nothing without a text or a name.
fn is_empty_word(word: &str) -> bool {
    word.is_empty()
        || holds(word, "text")
        || matches!(
            word,
            "message"
                | "reasoning"
                | "thinking"
                | "refusal"
                | "function"
                | "function_call"
                | "custom_tool_call"
                | "tool_use"
                | "custom"
        )
}

/// What kind of media a word or a media type names.
fn modality(word: &str) -> Option<&'static str> {
    let named = ["image", "audio", "video"].into_iter().find(|modality| holds(word, modality));
    let is_file = holds(word, "document") || word == "file" || word == "input_file";
    named.or_else(|| is_file.then_some("document"))
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Message {
    role: String,
    /// Which of the alternative answers.
    choice: u64,
    items: Vec<Item>,
    /// Of all of it.
    cost: usize,
}

impl Message {
    fn default_role(&self, is_answer: bool) -> &'static str {
        match self.items.first().map(|item| item.kind) {
            _ if is_answer => "assistant",
            Some(Kind::Call | Kind::ServerCall | Kind::Reasoning) => "assistant",
            Some(Kind::Result) => "tool",
            _ => "user",
        }
    }

    fn is_system(&self) -> bool {
        matches!(self.role.as_str(), "system" | "developer" | "SYSTEM")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    System,
    Input,
    Output,
}

/// What a piece of an answer does to what is there.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Effect {
    #[default]
    GoesOn,
    /// It says again, whole, what stands at its place.
    ReplacesPlace,
    ReplacesAll,
}

/// A message while it is read.
#[derive(Debug)]
struct Draft {
    section: Section,
    message: Message,
    /// What the message itself says, outside of its items.
    own: Item,
    open: Vec<Item>,
    index: Option<u32>,
    choice: Option<u64>,
    result_id: String,
    effect: Effect,
    /// What kind of text a delta is.
    delta: Kind,
    max_cost: usize,
    is_cut: bool,
}

impl Draft {
    fn new(section: Section, max_cost: usize) -> Self {
        Self {
            section,
            message: Message { cost: MESSAGE_COST, ..Message::default() },
            own: Item::default(),
            open: Vec::new(),
            index: None,
            choice: None,
            result_id: String::new(),
            effect: Effect::GoesOn,
            delta: Kind::Unknown,
            max_cost,
            is_cut: false,
        }
    }

    fn top(&mut self) -> &mut Item {
        self.open.last_mut().unwrap_or(&mut self.own)
    }

    /// What the innermost item may cost.
    fn room(&self) -> usize {
        let mut others = self.message.cost.saturating_add(self.own.cost());
        for item in &self.open {
            others = others.saturating_add(item.cost());
        }
        let text = self.open.last().unwrap_or(&self.own).text.cost();
        self.max_cost.saturating_sub(others.saturating_sub(text))
    }

    fn begin_item(&mut self) {
        self.keep_own();
        if self.open.len() < MAX_OPEN_ITEMS {
            self.open.push(Item::default());
        }
    }

    fn end_item(&mut self) {
        if let Some(item) = self.open.pop() {
            self.keep(item);
        }
    }

    fn keep_own(&mut self) {
        let own = std::mem::take(&mut self.own);
        self.keep(own);
    }

    fn keep(&mut self, mut item: Item) {
        item.settle();
        self.is_cut |= item.text.is_cut;
        if item.kind == Kind::Unknown {
            return;
        }
        let cost = self.message.cost.saturating_add(item.cost());
        if cost > self.max_cost {
            self.is_cut = true;
            return;
        }
        self.message.cost = cost;
        self.message.items.push(item);
    }

    /// What is read next is no part of the innermost item when that is of another kind.
    fn turn_to(&mut self, is_same: impl FnOnce(Kind) -> bool) {
        let before = self.top().kind;
        if before != Kind::Unknown && !is_same(before) {
            let before = std::mem::take(self.top());
            self.keep(before);
        }
    }

    /// A text of `kind`, or the next piece of one.
    fn text(&mut self, kind: Kind, value: Scalar<'_>) {
        let Scalar::String { bytes, truncated } = value else { return };
        if bytes.is_empty() {
            return;
        }
        self.turn_to(|before| before == kind);
        let room = self.room();
        let top = self.top();
        if top.kind == Kind::Unknown {
            top.kind = kind;
        }
        // vLLM says it twice, under its old name too.
        if kind == Kind::Reasoning && top.text.text.as_bytes() == bytes {
            return;
        }
        top.text.push(bytes, truncated, room);
    }

    fn arguments(&mut self, bytes: &[u8], is_cut: bool) {
        self.turn_to(Kind::is_call);
        let room = self.room();
        let top = self.top();
        if top.kind == Kind::Unknown {
            top.kind = Kind::Call;
        }
        top.is_json = true;
        top.text.push(bytes, is_cut, room);
    }

    fn result(&mut self, bytes: &[u8], is_json: bool, is_cut: bool) {
        self.turn_to(|before| before == Kind::Result || before.is_call());
        let room = self.room();
        let top = self.top();
        match top.kind {
            // A call with its result in one: the call is what the model said.
            Kind::Call if !top.text.text.is_empty() => return,
            Kind::Unknown | Kind::Call => top.kind = Kind::Result,
            _ => {}
        }
        if top.text.text.is_empty() {
            top.is_json = is_json;
        } else {
            top.is_json = false;
            top.text.push(b"\n", false, room);
        }
        top.text.push(bytes, is_cut, room);
    }

    fn call_word(&mut self, value: Scalar<'_>, slot: fn(&mut Item) -> &mut String) {
        self.turn_to(|before| !before.is_text());
        let top = self.top();
        set_word(slot(top), value);
        if top.kind == Kind::Unknown && !slot(top).is_empty() {
            top.kind = Kind::Call;
        }
    }

    fn media(&mut self, word: &str) {
        let top = self.top();
        if top.word.is_empty() {
            word.clone_into(&mut top.word);
        }
        top.kind = Kind::Media;
    }

    fn uri(&mut self, value: Scalar<'_>) {
        let Scalar::String { bytes, truncated } = value else { return };
        let room = self.room();
        let top = self.top();
        top.kind = Kind::Media;
        if let Some(data) = bytes.strip_prefix(b"data:") {
            let end = data.iter().position(|byte| matches!(byte, b';' | b',')).unwrap_or_default();
            let bytes = data.get(..end).unwrap_or_default();
            set_word(&mut top.name, Scalar::String { bytes, truncated: false });
        } else {
            top.text.push(bytes, truncated, room);
        }
    }

    fn scalar(&mut self, tag: Part, value: Scalar<'_>) {
        match tag {
            Part::Role => set_word(&mut self.message.role, value),
            Part::ChoiceIndex => self.choice = number(value),
            Part::Index => {
                let index = number(value).and_then(|index| u32::try_from(index).ok());
                match self.open.last_mut() {
                    Some(item) => item.index = index,
                    None => self.index = index,
                }
            }
            Part::Image => {
                self.begin_item();
                self.media("image");
                self.end_item();
            }
            Part::Kind => set_word(&mut self.top().word, value),
            Part::EventKind => {
                let Scalar::String { bytes: kind, .. } = value else { return };
                if kind.ends_with(b"output_item.done") {
                    self.effect = Effect::ReplacesPlace;
                }
                let known = DELTAS.iter().find(|(name, _)| name.as_bytes() == kind);
                self.delta = known.map_or(Kind::Unknown, |(_, kind)| *kind);
            }
            Part::Delta => self.text(Kind::Delta, value),
            Part::Text => self.text(Kind::Text, value),
            Part::Reasoning => self.text(Kind::Reasoning, value),
            Part::Refusal => self.text(Kind::Refusal, value),
            Part::IsReasoning => self.top().is_reasoning = value == Scalar::Bool(true),
            Part::CallId => self.call_word(value, |item| &mut item.id),
            Part::Name => self.call_word(value, |item| &mut item.name),
            Part::Arguments | Part::FirstArguments => {
                if let Scalar::String { bytes: bytes @ [_, ..], truncated } = value {
                    self.arguments(bytes, truncated);
                }
            }
            Part::ResultId => match self.open.last_mut() {
                Some(item) => {
                    set_word(&mut item.id, value);
                    item.kind = Kind::Result;
                }
                None => set_word(&mut self.result_id, value),
            },
            Part::Result => {
                if let Scalar::String { bytes: bytes @ [_, ..], truncated } = value {
                    self.result(bytes, false, truncated);
                }
            }
            Part::MediaType => {
                let top = self.top();
                set_word(&mut top.name, value);
                top.kind = Kind::Media;
            }
            Part::Uri => self.uri(value),
            Part::FileId => {
                let top = self.top();
                set_word(&mut top.id, value);
                top.kind = Kind::Media;
            }
            _ => {}
        }
    }

    /// All of it was read.
    fn finish(&mut self) {
        while !self.open.is_empty() {
            self.end_item();
        }
        if self.own.kind == Kind::Delta {
            self.own.kind = self.delta;
            self.own.is_json = self.delta == Kind::Call;
        }
        self.keep_own();
        let is_result =
            !self.result_id.is_empty() || matches!(self.message.role.as_str(), "tool" | "function");
        for item in &mut self.message.items {
            if is_result && matches!(item.kind, Kind::Text | Kind::Result) && item.id.is_empty() {
                item.kind = Kind::Result;
                item.id.clone_from(&self.result_id);
            }
            item.index = item.index.or(self.index);
        }
    }
}

/// What the events of the Responses API carry as `delta`; audio and what is yet to come is left out.
const DELTAS: [(&str, Kind); 6] = [
    ("response.output_text.delta", Kind::Text),
    ("response.reasoning_text.delta", Kind::Reasoning),
    ("response.reasoning_summary_text.delta", Kind::Reasoning),
    ("response.refusal.delta", Kind::Refusal),
    ("response.function_call_arguments.delta", Kind::Call),
    ("response.custom_tool_call_input.delta", Kind::Call),
];

/// The drafts of one body.
#[derive(Debug)]
struct Side {
    /// What stands outside of any message.
    document: Draft,
    message: Option<Draft>,
    /// Choices of this document so far, for those that have no index.
    choices: u64,
    tool: Option<(String, String)>,
}

/// What is kept.
#[derive(Debug)]
struct Store {
    system: Message,
    input: Vec<Message>,
    output: Vec<Message>,
    /// JSON, without the brackets around it.
    tools: String,
    cost: usize,
    max_cost: usize,
    max_message_cost: usize,
    truncated: bool,
    dropped_messages: u64,
}

/// The content of one exchange so far.
#[derive(Debug)]
pub struct Transcript {
    request: Side,
    answer: Side,
    store: Store,
}

impl Transcript {
    pub fn new(max_message_bytes: usize, max_span_bytes: usize) -> Self {
        // Instructions, the newest message and the answer each have their part.
        let max_message_cost = max_message_bytes.min(max_span_bytes / 3);
        let side = |section| Side {
            document: Draft::new(section, max_message_cost),
            message: None,
            choices: 0,
            tool: None,
        };
        Self {
            request: side(Section::Input),
            answer: side(Section::Output),
            store: Store {
                system: Message::default(),
                input: Vec::new(),
                output: Vec::new(),
                tools: String::new(),
                cost: 0,
                max_cost: max_span_bytes,
                max_message_cost,
                truncated: false,
                dropped_messages: 0,
            },
        }
    }

    /// No text of a body is worth more than this.
    pub fn max_text_bytes(&self) -> usize {
        self.store.max_message_cost
    }

    /// Where what a body says is to go.
    pub fn collector(&mut self, is_answer: bool) -> Collector<'_> {
        let side = if is_answer { &mut self.answer } else { &mut self.request };
        Collector { side, store: &mut self.store }
    }

    /// What was read of the answer turns out to mean nothing.
    pub fn forget_answer(&mut self) {
        let forgotten = cost_of(&std::mem::take(&mut self.store.output));
        self.store.cost = self.store.cost.saturating_sub(forgotten);
        self.collector(true).end_document(false);
    }

    /// What is held, for its bound to be tested.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        let item = |item: &Item| {
            item.word.capacity() + item.id.capacity() + item.name.capacity() + item.text.text.capacity()
        };
        let message = |message: &Message| {
            let items: usize = message.items.iter().map(item).sum();
            items + message.role.capacity() + message.items.capacity() * size_of::<Item>()
        };
        let draft = |draft: &Draft| {
            let open: usize = draft.open.iter().map(item).sum();
            message(&draft.message) + item(&draft.own) + open + draft.open.capacity() * size_of::<Item>()
        };
        let side = |side: &Side| draft(&side.document) + side.message.as_ref().map_or(0, draft);
        let store = &self.store;
        side(&self.request)
            + side(&self.answer)
            + message(&store.system)
            + store.input.iter().map(message).sum::<usize>()
            + store.output.iter().map(message).sum::<usize>()
            + (store.input.capacity() + store.output.capacity()) * size_of::<Message>()
            + store.tools.capacity()
    }

    /// `None` when there is nothing. `finish_reasons` by the index of the choice; `failed` stands in for one. Without one
    /// an answer that is not `whole` broke off.
    pub(super) fn into_content(
        mut self,
        treatment: Treatment<'_>,
        finish_reasons: &[(u64, String)],
        failed: bool,
        whole: bool,
    ) -> Option<Content> {
        // What broke off is content too.
        for is_answer in [false, true] {
            self.collector(is_answer).end_document(true);
        }
        let store = &self.store;
        let slack = store.max_cost.saturating_sub(store.cost);
        let mut writer = Writer::new(treatment, slack);
        let mut section = |cost: usize, write: &mut dyn FnMut(&mut Writer<'_>)| {
            writer.out.reserve(cost);
            writer.raw("[");
            write(&mut writer);
            writer.raw("]");
            let json = std::mem::take(&mut writer.out);
            (json.len() > 2).then_some(json)
        };
        let mut content = Content {
            mode: treatment.name(),
            // First: it is what is asked for most, and texts that grow share one bound.
            output_messages: section(cost_of(&store.output), &mut |writer| {
                for message in &store.output {
                    let of_choice = finish_reasons.iter().find(|(choice, _)| *choice == message.choice);
                    let unknown = if failed { "error" } else { "unknown" };
                    let broke_off = of_choice.map_or(!whole, |(_, reason)| is_of_a_cut(reason));
                    let reason = of_choice.map_or(unknown, |(_, reason)| reason);
                    write_message(writer, message, Some(reason), broke_off);
                }
            }),
            system_instructions: section(store.system.cost, &mut |writer| {
                write_items(writer, &store.system.items, false);
            }),
            input_messages: section(cost_of(&store.input), &mut |writer| {
                for message in &store.input {
                    write_message(writer, message, None, false);
                }
            }),
            tool_definitions: section(store.tools.len(), &mut |writer| writer.raw(&store.tools)),
            truncated: store.truncated,
            dropped_messages: store.dropped_messages,
            redactions: Found::default(),
        };
        content.truncated |= writer.cut;
        content.redactions = writer.found;
        let is_empty = content.system_instructions.is_none()
            && content.input_messages.is_none()
            && content.output_messages.is_none()
            && content.tool_definitions.is_none();
        (!is_empty || content.truncated).then_some(content)
    }
}

fn cost_of(messages: &[Message]) -> usize {
    messages.iter().fold(0, |sum, message| sum.saturating_add(message.cost))
}

impl Store {
    /// Makes room for `cost` more, at the expense of the oldest messages of the request; not of the newest `kept`.
    fn make_room(&mut self, cost: usize, kept: usize) -> bool {
        while self.cost.saturating_add(cost) > self.max_cost {
            let candidates = self.input.len().saturating_sub(kept);
            // Instructions go last.
            let oldest = self.input.iter().take(candidates).position(|message| !message.is_system());
            let oldest = oldest.or((candidates > 0).then_some(0));
            let Some(at) = oldest else { return false };
            let message = self.input.remove(at);
            self.cost = self.cost.saturating_sub(message.cost);
            self.count_dropped();
        }
        true
    }

    fn count_dropped(&mut self) {
        self.truncated = true;
        self.dropped_messages = self.dropped_messages.saturating_add(1);
    }

    fn commit(&mut self, mut draft: Draft) {
        draft.finish();
        self.truncated |= draft.is_cut;
        let is_answer = draft.section == Section::Output;
        let Draft { section, mut message, choice, effect, .. } = draft;
        if message.items.is_empty() {
            return;
        }
        if message.role.is_empty() {
            message.default_role(is_answer).clone_into(&mut message.role);
        } else if message.role == "model" {
            // Gemini's word.
            "assistant".clone_into(&mut message.role);
        }
        message.cost = message.cost.saturating_add(message.role.len());
        message.choice = choice.unwrap_or_default();
        match section {
            Section::System => self.extend_system(message),
            Section::Input => {
                message.items.shrink_to_fit();
                self.push_input(message);
            }
            Section::Output => self.go_on(message, effect),
        }
    }

    fn extend_system(&mut self, message: Message) {
        for item in message.items {
            let cost = item.cost();
            let fits =
                self.system.cost.saturating_add(cost) <= self.max_message_cost && self.make_room(cost, 1);
            if fits {
                self.cost = self.cost.saturating_add(cost);
                self.system.cost = self.system.cost.saturating_add(cost);
                self.system.items.reserve_exact(1);
                self.system.items.push(item);
            } else {
                self.truncated = true;
            }
        }
    }

    fn push_input(&mut self, message: Message) {
        if self.make_room(message.cost, 0) {
            self.cost = self.cost.saturating_add(message.cost);
            self.input.push(message);
        } else {
            self.count_dropped();
        }
    }

    /// Adds a piece of an answer to what earlier pieces began.
    fn go_on(&mut self, piece: Message, effect: Effect) {
        let Some(at) = self.output.iter().position(|message| message.choice == piece.choice) else {
            if self.make_room(piece.cost, 1) {
                self.cost = self.cost.saturating_add(piece.cost);
                self.output.reserve_exact(1);
                self.output.push(piece);
            } else {
                self.truncated = true;
            }
            return;
        };
        let place = piece.items.first().and_then(|item| item.index);
        let mut insert_at = None;
        if effect != Effect::GoesOn {
            let is_replaced = |item: &Item| effect == Effect::ReplacesAll || item.index == place;
            let Some(message) = self.output.get_mut(at) else { return };
            insert_at = message.items.iter().position(is_replaced);
            let before = message.cost;
            message.items.retain(|item| !is_replaced(item));
            message.cost =
                message.items.iter().fold(MESSAGE_COST.saturating_add(message.role.len()), |sum, item| {
                    sum.saturating_add(item.cost())
                });
            self.cost = self.cost.saturating_sub(before.saturating_sub(message.cost));
        }
        for item in piece.items {
            self.go_on_with(at, item, effect, &mut insert_at);
        }
    }

    fn go_on_with(&mut self, at: usize, mut item: Item, effect: Effect, insert_at: &mut Option<usize>) {
        let Some(message) = self.output.get(at) else { return };
        let is_last = |position: usize| position.saturating_add(1) == message.items.len();
        let same = message.items.iter().rposition(|known| effect == Effect::GoesOn && goes_on(known, &item));
        let same = same.filter(|position| item.index.is_some() || is_last(*position));
        let message_room = self.max_message_cost.saturating_sub(message.cost);
        // What goes on with an item adds little more than its text.
        let needed = if same.is_some() { item.text.cost() } else { item.cost() };
        self.make_room(needed.min(message_room), 1);
        let room = self.max_cost.saturating_sub(self.cost).min(message_room);
        if same.is_none() && item.cost() > room {
            // As much as fits, so that what is cut is there, and nothing goes on with it.
            self.truncated = true;
            let text = std::mem::take(&mut item.text);
            item.text.push_str(&text.text, room.saturating_sub(item.cost()));
            item.text.is_cut = true;
        }
        let Some(message) = self.output.get_mut(at) else { return };
        match same.and_then(|position| message.items.get_mut(position)) {
            Some(known) => {
                let before = known.cost();
                let text_before = known.text.cost();
                adopt(&mut known.id, item.id);
                adopt(&mut known.name, item.name);
                let words = known.cost().saturating_sub(before);
                let max_cost = text_before.saturating_add(room.saturating_sub(words));
                let was_cut = known.text.is_cut;
                known.text.push_str(&item.text.text, max_cost);
                known.text.is_cut |= item.text.is_cut;
                known.is_json |= item.is_json;
                self.truncated |= known.text.is_cut && !was_cut;
                let more = known.cost().saturating_sub(before);
                message.cost = message.cost.saturating_add(more);
                self.cost = self.cost.saturating_add(more);
            }
            None if item.cost() <= room => {
                let cost = item.cost();
                message.cost = message.cost.saturating_add(cost);
                self.cost = self.cost.saturating_add(cost);
                message.items.reserve_exact(1);
                match insert_at.as_mut().filter(|position| **position <= message.items.len()) {
                    Some(position) => {
                        message.items.insert(*position, item);
                        *position = position.saturating_add(1);
                    }
                    None => message.items.push(item),
                }
            }
            None => {}
        }
    }

    fn offer(&mut self, kind: &str, name: &str) {
        let kind = if kind.is_empty() { "function" } else { kind };
        // A tool of the provider's has no name but its kind.
        let name = if name.is_empty() { kind } else { name };
        if !is_identifier(kind) || !is_identifier(name) {
            self.truncated = true;
            return;
        }
        let comma = if self.tools.is_empty() { "" } else { "," };
        let parts = [comma, "{\"type\":\"", kind, "\",\"name\":\"", name, "\"}"];
        let cost = parts.iter().fold(0_usize, |sum, part| sum.saturating_add(part.len()));
        let needed = self.tools.len().saturating_add(cost);
        if needed > self.max_message_cost || !self.make_room(cost, 1) {
            self.truncated = true;
            return;
        }
        self.cost = self.cost.saturating_add(cost);
        self.tools.reserve_exact(cost);
        for part in parts {
            self.tools.push_str(part);
        }
    }
}

/// Whether `piece` goes on with `known`.
fn goes_on(known: &Item, piece: &Item) -> bool {
    let same_id = piece.id.is_empty() || piece.id == known.id;
    match (piece.index, known.index) {
        (Some(index), Some(place)) => {
            index == place && piece.kind.is_call() == known.kind.is_call() && same_id
        }
        // Whole calls stand beside each other; a piece of one has no name.
        (None, None) if piece.kind.is_call() => known.kind.is_call() && piece.name.is_empty() && same_id,
        (None, None) => piece.kind.is_text() && piece.kind.continues(known.kind),
        _ => false,
    }
}

fn adopt(slot: &mut String, word: String) {
    if slot.is_empty() {
        *slot = word;
    }
}

fn set_word(slot: &mut String, value: Scalar<'_>) {
    let bytes = match value {
        Scalar::String { bytes, .. } => bytes,
        Scalar::Number(digits) => digits.as_bytes(),
        _ => return,
    };
    let mut word = Bounded::default();
    word.push(bytes, bytes.len() > MAX_WORD_BYTES, MAX_WORD_BYTES);
    if !word.text.is_empty() {
        *slot = word.text;
    }
}

fn number(value: Scalar<'_>) -> Option<u64> {
    if let Scalar::Number(digits) = value { digits.parse().ok() } else { None }
}

/// Takes what the scanner of one body reports.
#[derive(Debug)]
pub struct Collector<'a> {
    side: &'a mut Side,
    store: &'a mut Store,
}

impl Collector<'_> {
    fn draft(&mut self) -> &mut Draft {
        self.side.message.as_mut().unwrap_or(&mut self.side.document)
    }

    fn begin(&mut self, section: Section) {
        self.end_message();
        self.side.message = Some(Draft::new(section, self.store.max_message_cost));
    }

    fn end_message(&mut self) {
        let Some(mut draft) = self.side.message.take() else { return };
        if draft.section == Section::Output {
            draft.choice = draft.choice.or(Some(self.side.choices));
            self.side.choices = self.side.choices.saturating_add(1);
        }
        self.store.commit(draft);
    }

    /// A document is complete; or it broke off, and is not `whole`: then what it left half read means nothing.
    pub fn end_document(&mut self, whole: bool) {
        let section = self.side.document.section;
        if whole {
            self.end_message();
        } else {
            self.side.message = None;
        }
        let blank = Draft::new(section, self.store.max_message_cost);
        let document = std::mem::replace(&mut self.side.document, blank);
        if whole {
            self.store.commit(document);
        }
        self.side.choices = 0;
        self.side.tool = None;
    }

    fn whole_message(&mut self, section: Section, value: Scalar<'_>) {
        let mut draft = Draft::new(section, self.store.max_message_cost);
        draft.text(Kind::Text, value);
        self.store.commit(draft);
    }

    fn json(&mut self, tag: Part, json: &[u8], is_cut: bool) {
        let draft = self.draft();
        match tag {
            Part::Arguments => draft.arguments(json, is_cut),
            Part::FirstArguments if json.trim_ascii() != b"{}" => draft.arguments(json, is_cut),
            Part::Result => draft.result(json, true, is_cut),
            _ => {}
        }
    }
}

impl Sink<Field> for Collector<'_> {
    fn open(&mut self, tag: Field) {
        let Field::Content(tag) = tag else { return };
        match tag {
            Part::System => self.begin(Section::System),
            Part::Message => self.begin(Section::Input),
            Part::Choice => self.begin(Section::Output),
            Part::Item => self.draft().begin_item(),
            Part::OfferedTool => self.side.tool = Some((String::new(), String::new())),
            Part::Image => self.draft().media("image"),
            Part::Audio => self.draft().media("audio"),
            Part::Video => self.draft().media("video"),
            Part::Document => self.draft().media("document"),
            _ => {}
        }
    }

    fn close(&mut self, tag: Field) {
        let Field::Content(tag) = tag else { return };
        match tag {
            Part::System | Part::Message | Part::Choice => self.end_message(),
            Part::Item => self.draft().end_item(),
            Part::StreamedDocument => self.end_document(true),
            Part::WholeAnswer => {
                let draft = self.draft();
                if !draft.message.items.is_empty() || draft.own.kind != Kind::Unknown {
                    draft.effect = Effect::ReplacesAll;
                }
            }
            Part::OfferedTool => {
                if let Some((kind, name)) = self.side.tool.take()
                    && !(kind.is_empty() && name.is_empty())
                {
                    self.store.offer(&kind, &name);
                }
            }
            _ => {}
        }
    }

    fn scalar(&mut self, tag: Field, value: Scalar<'_>) {
        let Field::Content(tag) = tag else { return };
        match tag {
            Part::System => self.whole_message(Section::System, value),
            Part::Prompt => self.whole_message(Section::Input, value),
            Part::OfferedToolType | Part::OfferedToolName => {
                if let Some((kind, name)) = &mut self.side.tool {
                    set_word(if tag == Part::OfferedToolType { kind } else { name }, value);
                }
            }
            _ => self.draft().scalar(tag, value),
        }
    }

    fn verbatim(&mut self, tag: Field, json: Option<&[u8]>) {
        if let (Field::Content(tag), Some(json)) = (tag, json) {
            self.json(tag, json, false);
        }
    }

    fn verbatim_cut(&mut self, tag: Field, head: &[u8]) {
        if let Field::Content(tag) = tag {
            self.json(tag, head, true);
        }
    }
}

/// Whether a finish reason says that there would have been more, as all do but those that say, in the words of any provider,
/// that the model was done: `stop`, `end_turn`, `COMPLETE`, `tool_calls`.
fn is_of_a_cut(finish_reason: &str) -> bool {
    const DONE: [&str; 10] =
        ["stop", "end", "complete", "finish", "eos", "tool", "function", "pause", "word", "requires"];
    let reason = finish_reason.as_bytes();
    let begins =
        |word: &&str| reason.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word.as_bytes()));
    // As a number it is Gemini's `STOP`.
    !(DONE.iter().any(begins) || finish_reason == "1")
}

fn write_message(writer: &mut Writer<'_>, message: &Message, finish_reason: Option<&str>, broke_off: bool) {
    writer.item("{\"role\":");
    writer.word(&message.role);
    writer.raw(",\"parts\":[");
    write_items(writer, &message.items, broke_off);
    writer.raw("]");
    if let Some(reason) = finish_reason {
        writer.raw(",\"finish_reason\":");
        writer.word(reason);
    }
    writer.raw("}");
}

/// Where they `broke_off`, the last of them did, and every call that is no whole JSON.
fn write_items(writer: &mut Writer<'_>, items: &[Item], broke_off: bool) {
    for (at, item) in items.iter().enumerate() {
        let is_last = at.saturating_add(1) == items.len();
        writer.is_open = broke_off && (is_last || item.is_json);
        write_item(writer, item);
        writer.is_open = false;
    }
}

fn write_item(writer: &mut Writer<'_>, item: &Item) {
    let text = &item.text;
    let was_cut = std::mem::take(&mut writer.cut);
    writer.item("{\"type\":");
    let mut content_key = "content";
    match item.kind {
        Kind::Text | Kind::Delta | Kind::Unknown => writer.raw("\"text\""),
        Kind::Reasoning => writer.raw("\"reasoning\""),
        Kind::Refusal => writer.raw("\"refusal\""),
        Kind::Call => {
            writer.raw("\"tool_call\"");
            write_word(writer, "id", &item.id);
            writer.raw(",\"name\":");
            writer.word(if item.name.is_empty() { &item.word } else { &item.name });
            content_key = "arguments";
        }
        Kind::ServerCall => {
            writer.raw("\"server_tool_call\"");
            write_word(writer, "id", &item.id);
            let name = if item.name.is_empty() { &item.word } else { &item.name };
            writer.raw(",\"name\":");
            writer.word(name);
            writer.raw(",\"server_tool_call\":{\"type\":");
            writer.word(name);
            content_key = "arguments";
        }
        Kind::Result => {
            writer.raw("\"tool_call_response\"");
            write_word(writer, "id", &item.id);
            write_word(writer, "name", &item.name);
            content_key = "response";
        }
        Kind::Media => {
            write_media(writer, item);
            content_key = "uri";
        }
        Kind::Other => writer.word(&item.word),
    }
    let is_optional = matches!(item.kind, Kind::Call | Kind::ServerCall | Kind::Media | Kind::Other);
    if !text.text.is_empty() || !is_optional {
        writer.raw(",\"");
        writer.raw(content_key);
        writer.raw("\":");
        if item.is_json {
            writer.json(&text.text, text.is_cut);
        } else {
            writer.counted_text(&text.text, text.json_bytes, text.is_cut);
        }
    }
    if item.kind == Kind::ServerCall {
        writer.raw("}");
    }
    writer.raw(if text.is_cut || writer.cut { ",\"truncated\":true}" } else { "}" });
    writer.cut |= was_cut;
}

fn write_media(writer: &mut Writer<'_>, item: &Item) {
    let modality = modality(&item.word).or_else(|| modality(&item.name)).unwrap_or("document");
    writer.raw(match (item.text.text.is_empty(), item.id.is_empty()) {
        (false, _) => "\"uri\"",
        (true, false) => "\"file\"",
        (true, true) => "\"blob\"",
    });
    write_word(writer, "modality", modality);
    if item.name.contains('/') {
        write_word(writer, "mime_type", &item.name);
    } else if !item.name.is_empty() {
        // Only the format is said.
        write_word(writer, "format", &item.name);
    }
    write_word(writer, "file_id", &item.id);
}

fn write_word(writer: &mut Writer<'_>, key: &str, word: &str) {
    if !word.is_empty() {
        writer.raw(",\"");
        writer.raw(key);
        writer.raw("\":");
        writer.word(word);
    }
}
