//! A message while it is read.

use super::Part;
use super::message::{Item, Kind, MESSAGE_COST, Message, set_word};
use crate::wire::json::Scalar;

/// Items that may be open in each other.
const MAX_OPEN_ITEMS: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    System,
    Input,
    Output,
}

/// What a piece of an answer does to what is there.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    #[default]
    GoesOn,
    /// It says again, whole, what stands at its place.
    ReplacesPlace,
    ReplacesAll,
}

/// A message while it is read.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) section: Section,
    pub(super) message: Message,
    /// What the message itself says, outside of its items.
    pub(super) own: Item,
    pub(super) open: Vec<Item>,
    pub(super) index: Option<u32>,
    pub(super) choice: Option<u64>,
    pub(super) result_id: String,
    pub(super) effect: Effect,
    /// What kind of text a delta is.
    pub(super) delta: Kind,
    pub(super) max_cost: usize,
    pub(super) is_cut: bool,
}

impl Draft {
    pub(super) fn new(section: Section, max_cost: usize) -> Self {
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

    #[inline(never)]
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

    pub(super) fn begin_item(&mut self) {
        self.keep_own();
        if self.open.len() < MAX_OPEN_ITEMS {
            self.open.push(Item::default());
        }
    }

    pub(super) fn end_item(&mut self) {
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
        if self.message.items.is_empty() {
            // Most have no other.
            self.message.items.reserve_exact(1);
        }
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
    pub(super) fn text(&mut self, kind: Kind, value: Scalar<'_>) {
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

    pub(super) fn arguments(&mut self, bytes: &[u8], is_cut: bool) {
        self.turn_to(Kind::is_call);
        let room = self.room();
        let top = self.top();
        if top.kind == Kind::Unknown {
            top.kind = Kind::Call;
        }
        top.is_json = true;
        top.text.push(bytes, is_cut, room);
    }

    pub(super) fn result(&mut self, bytes: &[u8], is_json: bool, is_cut: bool) {
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

    #[inline(never)]
    fn call_word(&mut self, value: Scalar<'_>, slot: fn(&mut Item) -> &mut String) {
        self.turn_to(|before| !before.is_text());
        let top = self.top();
        set_word(slot(top), value);
        if top.kind == Kind::Unknown && !slot(top).is_empty() {
            top.kind = Kind::Call;
        }
    }

    pub(super) fn media(&mut self, word: &str) {
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
        if let Some((scheme, data)) = bytes.trim_ascii_start().split_first_chunk::<5>()
            && scheme.eq_ignore_ascii_case(b"data:")
        {
            let end = data.iter().position(|byte| matches!(byte, b';' | b',')).unwrap_or_default();
            let bytes = data.get(..end).unwrap_or_default();
            set_word(&mut top.name, Scalar::String { bytes, truncated: false });
        } else {
            top.text.push(bytes, truncated, room);
        }
    }

    pub(super) fn scalar(&mut self, tag: Part, value: Scalar<'_>) {
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
            Part::ResultName => {
                self.call_word(value, |item| &mut item.name);
                let top = self.top();
                if top.kind == Kind::Call && top.text.text.is_empty() {
                    top.kind = Kind::Result;
                }
            }
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
    pub(super) fn finish(&mut self) {
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
                let before = item.cost();
                item.kind = Kind::Result;
                item.id.clone_from(&self.result_id);
                let added = item.cost().saturating_sub(before);
                self.message.cost = self.message.cost.saturating_add(added);
            }
            item.index = item.index.or(self.index);
        }
        self.make_room();
    }

    /// An id that is said once stands with each item, and may have no room beside all of them.
    fn make_room(&mut self) {
        while self.message.cost > self.max_cost
            && let Some(mut last) = self.message.items.pop()
        {
            self.is_cut = true;
            self.message.cost = self.message.cost.saturating_sub(last.cost());
            let room = self.max_cost.saturating_sub(self.message.cost);
            let words = |item: &Item| item.cost().saturating_sub(item.text.cost());
            if self.message.items.is_empty() && words(&last) > room {
                last.id.clear();
            }
            if let Some(room) = room.checked_sub(words(&last)) {
                last.text.shorten(room);
                self.keep(last);
            }
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

fn number(value: Scalar<'_>) -> Option<u64> {
    if let Scalar::Number(digits) = value { digits.parse().ok() } else { None }
}
