//! A message and its items, each within a bound, and what they cost.

use crate::wire::holds;
use crate::wire::json::Scalar;

use super::encode::{fitting, is_identifier, json_bytes};

/// Longest id, name, role or media type.
pub(super) const MAX_WORD_BYTES: usize = 256;
/// `siphash-128:`, 32 digits, and the length of a word.
const MAX_FINGERPRINT_BYTES: usize = 48;
/// The longest role: what is longer is none. Those of all providers are shorter.
pub(super) const MAX_ROLE_BYTES: usize = 20;
/// What of a finish reason stands in its message: a fingerprint has room. Those of providers are shorter; the span has it as
/// an attribute, too.
pub(super) const MAX_REASON_BYTES: usize = MAX_FINGERPRINT_BYTES;
/// What a message or an item costs besides its texts: the larger of what it takes in memory and in JSON. Role and finish
/// reason at their longest take 30 bytes more than this, which every item has to spare.
pub(super) const MESSAGE_COST: usize = larger(2 * size_of::<Message>(), 80);
const ITEM_COST: usize = larger(size_of::<Item>(), 140);

const fn larger(one: usize, other: usize) -> usize {
    if one > other { one } else { other }
}

/// A text that grows within a bound.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Bounded {
    pub(super) text: String,
    /// What it takes in JSON.
    pub(super) json_bytes: usize,
    /// It was longer, and ends here.
    pub(super) is_cut: bool,
}

impl Bounded {
    pub(super) fn cost(&self) -> usize {
        self.json_bytes.max(self.text.capacity())
    }

    /// Adds what fits a cost of `max_cost`. `is_cut`: more of it was there. After a cut nothing is added.
    pub(super) fn push(&mut self, bytes: &[u8], is_cut: bool, max_cost: usize) {
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

    /// Keeps what takes no more than `max_cost`.
    pub(super) fn shorten(&mut self, max_cost: usize) {
        if self.cost() > max_cost {
            self.text = fitting(&self.text, max_cost).to_owned();
            self.json_bytes = json_bytes(&self.text);
            self.is_cut = true;
        }
    }

    pub(super) fn push_str(&mut self, text: &str, max_cost: usize) {
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
pub(super) enum Kind {
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
    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Reasoning | Self::Refusal)
    }

    pub(super) fn is_call(self) -> bool {
        matches!(self, Self::Call | Self::ServerCall)
    }

    /// Whether a piece of this kind can go on with an item of the other.
    pub(super) fn continues(self, other: Self) -> bool {
        self == other || (self.is_call() && other.is_call())
    }
}

/// One item of a message. What its members hold depends on its kind, so that an item stays small.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) kind: Kind,
    /// Its place in the answer, where the wire names one.
    pub(super) index: Option<u32>,
    /// The provider's word for its kind.
    pub(super) word: String,
    /// Of a call, of what is answered, of a file.
    pub(super) id: String,
    /// Of a tool; of media their type.
    pub(super) name: String,
    /// The text; the arguments of a call; the result; the URI of media.
    pub(super) text: Bounded,
    pub(super) is_json: bool,
    pub(super) is_reasoning: bool,
}

/// What it takes as it is, or behind a fingerprint where it might be a text.
#[inline(never)]
fn cost_of_word(word: &str) -> usize {
    if word.is_empty() || is_identifier(word) {
        word.len()
    } else {
        json_bytes(word).max(MAX_FINGERPRINT_BYTES)
    }
}

impl Item {
    pub(super) fn cost(&self) -> usize {
        let [word, id, name] = [&self.word, &self.id, &self.name].map(|word| cost_of_word(word));
        // Its name stands there twice.
        let again = if self.kind == Kind::ServerCall { word.max(name) } else { 0 };
        let words = [word, id, name, again].into_iter().fold(ITEM_COST, usize::saturating_add);
        words.saturating_add(self.text.cost())
    }

    /// What its own word makes of it, once it is complete. `Unknown` means that there is nothing to keep.
    #[inline(never)]
    pub(super) fn settle(&mut self) {
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
pub(super) fn modality(word: &str) -> Option<&'static str> {
    let named = ["image", "audio", "video"].into_iter().find(|modality| holds(word, modality));
    let is_file = holds(word, "document") || word == "file" || word == "input_file";
    named.or_else(|| is_file.then_some("document"))
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) role: String,
    /// Which of the alternative answers.
    pub(super) choice: u64,
    pub(super) items: Vec<Item>,
    /// Of all of it.
    pub(super) cost: usize,
}

impl Message {
    pub(super) fn default_role(&self, is_answer: bool) -> &'static str {
        let is_said = |item: &Item| item.kind.is_call() || item.kind == Kind::Reasoning;
        if is_answer || self.items.iter().any(is_said) {
            "assistant"
        } else if self.items.iter().all(|item| item.kind == Kind::Result) {
            "tool"
        } else {
            "user"
        }
    }

    pub(super) fn is_system(&self) -> bool {
        matches!(self.role.as_str(), "system" | "developer" | "SYSTEM")
    }
}

pub(super) fn cost_of(messages: &[Message]) -> usize {
    messages.iter().fold(0, |sum, message| sum.saturating_add(message.cost))
}

pub(super) fn set_word(slot: &mut String, value: Scalar<'_>) {
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
