//! The messages that are kept, within the bound of a span.

use super::draft::{Draft, Effect, Section};
use super::encode::{is_identifier, json_bytes};
use super::message::{Item, MAX_ROLE_BYTES, MESSAGE_COST, Message};

/// What is kept.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) system: Message,
    pub(super) input: Vec<Message>,
    pub(super) output: Vec<Message>,
    /// JSON, without the brackets around it.
    pub(super) tools: String,
    pub(super) cost: usize,
    pub(super) max_cost: usize,
    pub(super) max_message_cost: usize,
    pub(super) truncated: bool,
    pub(super) dropped_messages: u64,
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

    pub(super) fn commit(&mut self, mut draft: Draft) {
        draft.finish();
        self.truncated |= draft.is_cut;
        let is_answer = draft.section == Section::Output;
        let Draft { section, mut message, choice, effect, .. } = draft;
        if message.items.is_empty() {
            return;
        }
        // A finish reason stands beside that of an answer, and may become a fingerprint as it may.
        let is_role =
            json_bytes(&message.role) <= MAX_ROLE_BYTES && (!is_answer || is_identifier(&message.role));
        self.truncated |= !is_role && section != Section::System;
        if !is_role || message.role.is_empty() {
            message.default_role(is_answer).clone_into(&mut message.role);
        } else if message.role == "model" {
            // Gemini's word.
            "assistant".clone_into(&mut message.role);
        }
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
        let known = self.output.iter().position(|message| message.choice == piece.choice);
        let (at, effect) = if let Some(at) = known {
            (at, effect)
        } else {
            let cost = MESSAGE_COST;
            if !self.make_room(cost, 1) {
                self.truncated = true;
                return;
            }
            self.cost = self.cost.saturating_add(cost);
            self.output.reserve_exact(1);
            let Message { role, choice, .. } = &piece;
            self.output.push(Message { role: role.clone(), choice: *choice, items: Vec::new(), cost });
            // Its items stand beside each other.
            (self.output.len().saturating_sub(1), Effect::ReplacesAll)
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
                message.items.iter().fold(MESSAGE_COST, |sum, item| sum.saturating_add(item.cost()));
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

    pub(super) fn offer(&mut self, kind: &str, name: &str) {
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
