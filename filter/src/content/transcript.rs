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

use super::draft::{Draft, Effect, Section};
use super::encode::{Treatment, Writer};
use super::message::{Kind, Message, cost_of, set_word};
use super::store::Store;
use super::write::{write_items, write_message};
use super::{Content, Part};
use crate::provider::Field;
use crate::redact::Found;
use crate::wire::json::{Scalar, Sink};

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
        use super::message::Item;

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

    /// `None` when there is nothing. `finish_reasons` by the index of the choice; `failed` stands in for one. An
    /// answer that is not `whole` broke off.
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
        let room_of = |message: &Message| store.max_message_cost.saturating_sub(message.cost);
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
                    // Gemini gives one with each event, others before the last texts; of many choices some may be unknown.
                    let broke_off = !whole
                        || match of_choice {
                            Some((_, reason)) => is_of_a_cut(reason),
                            None => failed || !finish_reasons.is_empty(),
                        };
                    let reason = of_choice.map_or(unknown, |(_, reason)| reason);
                    writer.within(room_of(message), |writer| {
                        write_message(writer, message, Some(reason), broke_off);
                    });
                }
            }),
            system_instructions: section(store.system.cost, &mut |writer| {
                writer.within(room_of(&store.system), |writer| {
                    write_items(writer, &store.system.items, false);
                });
            }),
            input_messages: section(cost_of(&store.input), &mut |writer| {
                for message in &store.input {
                    writer.within(room_of(message), |writer| write_message(writer, message, None, false));
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
