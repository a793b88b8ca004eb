//! What messages say, where it comes in pieces or in the shape of a framework, becomes `gen_ai.input.messages` and
//! `gen_ai.output.messages`: JSON texts after the schemas of the conventions, as docs/content.md shows them.
//!
//! - OpenLLMetry and OpenInference write an attribute for each piece: `gen_ai.prompt.0.content`,
//!   `llm.input_messages.0.message.role`.
//! - The Vercel AI SDK and LangSmith write JSON texts with the messages of their own APIs.
//!
//! Nothing is lost: a piece that is not understood stays as it came, and so do all where the current attribute came too.

use std::collections::BTreeMap;

use meshtap_filter::semconv::{GEN_AI_INPUT_MESSAGES, GEN_AI_OUTPUT_MESSAGES};
use serde_json::{Map, Value, json};

use crate::model::Attributes;

/// What stands before the number of a message, and whether messages of an answer come under it.
pub(super) const PREFIXES: &[(&str, bool)] = &[
    ("gen_ai.prompt.", false),
    ("gen_ai.completion.", true),
    ("llm.input_messages.", false),
    ("llm.output_messages.", true),
    ("llm.prompts.", false),
    ("llm.completions.", true),
];

/// JSON texts with the messages of a request, under the member that holds them if the text is an object, and those with
/// an answer.
pub(super) const INPUT_TEXTS: &[&str] = &["ai.prompt.messages", "ai.prompt", "gen_ai.prompt"];
pub(super) const OUTPUT_TEXTS: &[&str] = &["gen_ai.completion"];
/// An answer of the Vercel AI SDK: its text, and its tool calls as a JSON text.
const ANSWER_TEXT: &str = "ai.response.text";
const ANSWER_TOOL_CALLS: &str = "ai.response.toolCalls";

/// Whether an attribute is a piece of a message.
pub(super) fn is_piece(key: &str) -> bool {
    (key.starts_with("gen_ai.") || key.starts_with("llm.")) && Place::of(key).is_some()
}

/// Whose piece it is.
struct Place<'a> {
    of_answer: bool,
    message: u32,
    /// What of the message it is, such as `content` or `tool_calls.0.name`.
    part: &'a str,
}

impl<'a> Place<'a> {
    fn of(key: &'a str) -> Option<Self> {
        let (prefix, of_answer) = PREFIXES.iter().find(|(prefix, _)| key.starts_with(prefix))?;
        let (message, part) = numbered(key.get(prefix.len()..)?)?;
        Some(Self { of_answer: *of_answer, message, part: part.strip_prefix("message.").unwrap_or(part) })
    }
}

/// `3.rest` as 3 and `rest`.
fn numbered(text: &str) -> Option<(u32, &str)> {
    let (number, rest) = text.split_once('.')?;
    Some((number.parse().ok()?, rest))
}

/// Attributes that are pieces of messages, as they came.
#[derive(Debug, Default)]
pub(super) struct Pieces(Vec<(String, Value)>);

impl Pieces {
    pub(super) fn push(&mut self, key: String, value: Value) {
        self.0.push((key, value));
    }

    pub(super) fn give_back(self, attributes: &mut Attributes) {
        attributes.extend(self.0);
    }

    /// Whether OpenInference wrote prompts, which messages of a chat are not.
    pub(super) fn has_prompts(&self) -> bool {
        self.0.iter().any(|(key, _)| key.ends_with(".prompt.text"))
    }

    /// Why the answers ended, in their order.
    pub(super) fn finish_reasons(&self) -> Vec<String> {
        let mut reasons: Vec<(u32, String)> = Vec::new();
        for (key, value) in &self.0 {
            let place = Place::of(key).filter(|place| place.of_answer && place.part == "finish_reason");
            if let (Some(place), Some(reason)) = (place, value.as_str()) {
                reasons.push((place.message, reason.to_owned()));
            }
        }
        reasons.sort();
        reasons.into_iter().map(|(_, reason)| reason).collect()
    }

    /// Puts messages together from pieces and from frameworks' texts; both leave the attributes.
    pub(super) fn gather(&mut self, attributes: &mut Attributes) {
        for (of_answer, name) in [(false, GEN_AI_INPUT_MESSAGES), (true, GEN_AI_OUTPUT_MESSAGES)] {
            if attributes.contains_key(name) {
                continue;
            }
            let messages = self.join(of_answer).or_else(|| {
                if of_answer { answer(attributes) } else { from_texts(attributes, INPUT_TEXTS, of_answer) }
            });
            if let Some(messages) = messages {
                attributes.insert(name, Value::Array(messages).to_string().into());
            }
        }
    }

    fn join(&mut self, of_answer: bool) -> Option<Vec<Value>> {
        let mut messages: BTreeMap<u32, Message> = BTreeMap::new();
        self.0.retain(|(key, value)| {
            let Some(place) = Place::of(key).filter(|place| place.of_answer == of_answer) else {
                return true;
            };
            let message = messages.entry(place.message).or_default();
            let understood = message.add(place.part, value);
            message.is_known |= understood;
            !understood
        });
        let known = messages.into_values().filter(|message| message.is_known);
        let messages = known.map(|message| message.finish(of_answer));
        Some(messages.collect()).filter(|messages: &Vec<_>| !messages.is_empty())
    }
}

/// One message while its pieces come in, in any order.
#[derive(Debug, Default)]
struct Message {
    /// Whether any of its pieces is understood.
    is_known: bool,
    role: Option<String>,
    name: Option<String>,
    finish_reason: Option<String>,
    tool_call_id: Option<String>,
    text: Option<Value>,
    parts: BTreeMap<u32, Map<String, Value>>,
    tool_calls: BTreeMap<u32, ToolCall>,
}

#[derive(Debug, Default)]
struct ToolCall {
    id: Option<Value>,
    name: Option<Value>,
    arguments: Option<Value>,
}

impl Message {
    /// Whether it is understood.
    fn add(&mut self, part: &str, value: &Value) -> bool {
        let text = value.as_str();
        match part {
            "role" => self.role = text.map(str::to_owned),
            "name" => self.name = text.map(str::to_owned),
            "finish_reason" => self.finish_reason = text.map(str::to_owned),
            "tool_call_id" => self.tool_call_id = text.map(str::to_owned),
            "content" | "prompt.text" => self.text = Some(value.clone()),
            _ => {
                return if let Some((number, part)) = part.strip_prefix("tool_calls.").and_then(numbered) {
                    self.tool_calls.entry(number).or_default().add(part, value)
                } else if let Some((number, part)) = part.strip_prefix("contents.").and_then(numbered) {
                    self.add_content(number, part, value)
                } else {
                    false
                };
            }
        }
        text.is_some() || part == "content"
    }

    /// OpenInference's parts of a message.
    fn add_content(&mut self, number: u32, part: &str, value: &Value) -> bool {
        let (member, value) = match part.strip_prefix("message_content.") {
            Some("type") if value == "image" => ("type", "uri".into()),
            Some("type") => ("type", value.clone()),
            Some("text") => ("content", value.clone()),
            Some("image.image.url") => ("uri", value.clone()),
            _ => return false,
        };
        self.parts.entry(number).or_default().insert(member.to_owned(), value);
        true
    }

    fn finish(self, of_answer: bool) -> Value {
        let mut parts: Vec<Value> = Vec::new();
        if let Some(text) = self.text.filter(|text| *text != "") {
            parts.push(match &self.tool_call_id {
                Some(id) => json!({"type": "tool_call_response", "id": id, "response": text}),
                None => json!({"type": "text", "content": text}),
            });
        }
        parts.extend(self.parts.into_values().map(Value::Object));
        parts.extend(self.tool_calls.into_values().map(ToolCall::finish));
        let role = self.role.unwrap_or_else(|| if of_answer { "assistant" } else { "user" }.to_owned());
        let finish_reason = of_answer.then(|| self.finish_reason.unwrap_or_else(|| "unknown".to_owned()));
        message(&role, self.name, parts, finish_reason)
    }
}

impl ToolCall {
    fn add(&mut self, part: &str, value: &Value) -> bool {
        match part.strip_prefix("tool_call.").unwrap_or(part) {
            "id" => self.id = Some(value.clone()),
            "name" | "function.name" => self.name = Some(value.clone()),
            "arguments" | "function.arguments" => self.arguments = Some(structured(value)),
            "type" => {}
            _ => return false,
        }
        true
    }

    fn finish(self) -> Value {
        let mut part = Map::new();
        part.insert("type".to_owned(), "tool_call".into());
        for (name, value) in [("id", self.id), ("name", self.name), ("arguments", self.arguments)] {
            if let Some(value) = value {
                part.insert(name.to_owned(), value);
            }
        }
        Value::Object(part)
    }
}

fn message(role: &str, name: Option<String>, parts: Vec<Value>, finish_reason: Option<String>) -> Value {
    let mut message = Map::new();
    message.insert("role".to_owned(), role.into());
    message.insert("parts".to_owned(), Value::Array(parts));
    for (member, value) in [("name", name), ("finish_reason", finish_reason)] {
        if let Some(value) = value {
            message.insert(member.to_owned(), value.into());
        }
    }
    Value::Object(message)
}

/// Arguments that are JSON stand as JSON.
fn structured(value: &Value) -> Value {
    let read = value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    read.filter(|read| read.is_object() || read.is_array()).unwrap_or_else(|| value.clone())
}

/// The messages of the first of these texts that holds some.
fn from_texts(attributes: &mut Attributes, names: &[&str], of_answer: bool) -> Option<Vec<Value>> {
    names.iter().find_map(|name| {
        let json: Value = serde_json::from_str(attributes.get(name)?.as_str()?).ok()?;
        let messages = if of_answer { answers(&json) } else { requests(&json) }?;
        attributes.remove(name);
        Some(messages)
    })
}

fn answer(attributes: &mut Attributes) -> Option<Vec<Value>> {
    let mut parts = Vec::new();
    if let Some(text) = attributes.get(ANSWER_TEXT).and_then(Value::as_str).filter(|text| !text.is_empty()) {
        parts.push(json!({"type": "text", "content": text}));
    }
    if let Some(Ok(Value::Array(calls))) =
        attributes.get(ANSWER_TOOL_CALLS).and_then(Value::as_str).map(serde_json::from_str)
    {
        parts.extend(calls.iter().filter_map(part));
    }
    if parts.is_empty() {
        return from_texts(attributes, OUTPUT_TEXTS, true);
    }
    attributes.remove(ANSWER_TEXT);
    attributes.remove(ANSWER_TOOL_CALLS);
    Some(vec![message("assistant", None, parts, Some("unknown".to_owned()))])
}

/// A list of messages, or an object with one, with a prompt, and with a system prompt beside it.
fn requests(json: &Value) -> Option<Vec<Value>> {
    let list = json.as_array().or_else(|| json.get("messages")?.as_array());
    let mut messages: Vec<Value> =
        json.get("system").and_then(|system| spoken("system", system)).into_iter().collect();
    match list {
        Some(list) => {
            for one in list {
                messages.push(spoken(one.get("role")?.as_str()?, one)?);
            }
        }
        None => messages.push(spoken("user", json.get("prompt")?)?),
    }
    (!messages.is_empty()).then_some(messages)
}

/// OpenAI's choices, or Anthropic's message.
fn answers(json: &Value) -> Option<Vec<Value>> {
    let one = |spoken_by: &Value, reason: Option<&Value>| {
        let role = spoken_by.get("role")?.as_str()?;
        let mut message = spoken(role, spoken_by)?;
        let reason = reason.and_then(Value::as_str).unwrap_or("unknown");
        message.as_object_mut()?.insert("finish_reason".to_owned(), reason.into());
        Some(message)
    };
    match json.get("choices").and_then(Value::as_array) {
        Some(choices) => {
            choices.iter().map(|choice| one(choice.get("message")?, choice.get("finish_reason"))).collect()
        }
        None => Some(vec![one(json, json.get("stop_reason"))?]),
    }
}

/// A message in the shape of OpenAI's, Anthropic's or the Vercel AI SDK's API, or its text alone.
fn spoken(role: &str, json: &Value) -> Option<Value> {
    let content = json.get("content").unwrap_or(json);
    let mut parts = match content {
        Value::String(text) => match json.get("tool_call_id") {
            Some(id) => vec![json!({"type": "tool_call_response", "id": id, "response": text})],
            None => vec![json!({"type": "text", "content": text})],
        },
        Value::Array(parts) => parts.iter().map(part).collect::<Option<_>>()?,
        _ => Vec::new(),
    };
    for call in json.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
        parts.push(part(call)?);
    }
    (!parts.is_empty()).then(|| message(role, None, parts, None))
}

/// A part of a message, by the members that it has.
fn part(json: &Value) -> Option<Value> {
    let of = |names: &[&str]| names.iter().find_map(|name| json.get(*name)).cloned();
    let function = json.get("function").unwrap_or(json);
    let name = ["name", "toolName"].iter().find_map(|name| function.get(*name)).cloned();
    let arguments = ["arguments", "input", "args"].iter().find_map(|name| function.get(*name));
    let known = match json.get("type").and_then(Value::as_str) {
        Some("text" | "output_text" | "input_text") => {
            json!({"type": "text", "content": of(&["text"])?})
        }
        Some("reasoning" | "thinking") => {
            json!({"type": "reasoning", "content": of(&["text", "thinking"])?})
        }
        Some("tool-result" | "tool_result") => {
            json!({"type": "tool_call_response", "id": of(&["toolCallId", "tool_use_id"])?,
                "response": of(&["output", "result", "content"])?})
        }
        Some("tool-call" | "tool_use" | "function") | None => {
            json!({"type": "tool_call", "id": of(&["toolCallId", "id"])?, "name": name?,
                "arguments": structured(arguments?)})
        }
        Some(_) => return None,
    };
    Some(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(attributes: &[(&str, &str)]) -> Value {
        let mut pieces = Pieces::default();
        let mut rest = Attributes::new();
        for (key, value) in attributes {
            if is_piece(key) {
                pieces.push((*key).to_owned(), (*value).into());
            } else {
                rest.insert((*key).to_owned(), (*value).into());
            }
        }
        pieces.gather(&mut rest);
        pieces.give_back(&mut rest);
        for name in [GEN_AI_INPUT_MESSAGES, GEN_AI_OUTPUT_MESSAGES] {
            if let Some(value) = rest.remove(name) {
                let read = serde_json::from_str(value.as_str().unwrap());
                rest.insert(name, read.unwrap_or(value));
            }
        }
        rest.into()
    }

    #[test]
    fn pieces_of_openllmetry() {
        let found = gathered(&[
            ("gen_ai.prompt.10.role", "tool"),
            ("gen_ai.prompt.10.content", "sunny"),
            ("gen_ai.prompt.10.tool_call_id", "call_1"),
            ("gen_ai.prompt.9.tool_calls.0.arguments", "{\"at\":\"Paris\"}"),
            ("gen_ai.prompt.9.tool_calls.0.name", "weather"),
            ("gen_ai.prompt.9.tool_calls.0.id", "call_1"),
            ("gen_ai.prompt.9.role", "assistant"),
            ("gen_ai.prompt.0.content", "Is it raining?"),
            ("gen_ai.prompt.0.role", "user"),
            ("gen_ai.prompt.0.embedding", "unknown"),
            ("gen_ai.completion.0.content", "No."),
            ("gen_ai.completion.0.role", "assistant"),
            ("gen_ai.completion.0.finish_reason", "stop"),
        ]);
        let expected = json!({
            "gen_ai.input.messages": [
                {"role": "user", "parts": [{"type": "text", "content": "Is it raining?"}]},
                {"role": "assistant", "parts": [
                    {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"at": "Paris"}}]},
                {"role": "tool", "parts": [
                    {"type": "tool_call_response", "id": "call_1", "response": "sunny"}]},
            ],
            "gen_ai.output.messages": [
                {"role": "assistant", "parts": [{"type": "text", "content": "No."}], "finish_reason": "stop"}],
            "gen_ai.prompt.0.embedding": "unknown",
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn pieces_of_openinference() {
        let found = gathered(&[
            ("llm.input_messages.0.message.role", "user"),
            ("llm.input_messages.0.message.contents.0.message_content.type", "text"),
            ("llm.input_messages.0.message.contents.0.message_content.text", "What is it?"),
            ("llm.input_messages.0.message.contents.1.message_content.type", "image"),
            ("llm.input_messages.0.message.contents.1.message_content.image.image.url", "https://x/y.png"),
            ("llm.output_messages.0.message.role", "assistant"),
            ("llm.output_messages.0.message.tool_calls.0.tool_call.id", "call_1"),
            ("llm.output_messages.0.message.tool_calls.0.tool_call.function.name", "look"),
            ("llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments", "not json"),
        ]);
        let expected = json!({
            "gen_ai.input.messages": [{"role": "user", "parts": [
                {"type": "text", "content": "What is it?"}, {"type": "uri", "uri": "https://x/y.png"}]}],
            "gen_ai.output.messages": [{"role": "assistant", "finish_reason": "unknown", "parts": [
                {"type": "tool_call", "id": "call_1", "name": "look", "arguments": "not json"}]}],
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn texts_of_the_vercel_ai_sdk() {
        let found = gathered(&[
            (
                "ai.prompt.messages",
                r#"[{"role":"system","content":"Be terse"},{"role":"user","content":[{"type":"text","text":"Hi"}]},
                {"role":"assistant","content":[{"type":"tool-call","toolCallId":"1","toolName":"f","input":{"a":1}}]},
                {"role":"tool","content":[{"type":"tool-result","toolCallId":"1","toolName":"f","output":{"b":2}}]}]"#,
            ),
            ("ai.response.text", "Hello"),
            ("ai.response.toolCalls", r#"[{"toolCallId":"2","toolName":"g","input":"{\"a\":1}"}]"#),
        ]);
        let expected = json!({
            "gen_ai.input.messages": [
                {"role": "system", "parts": [{"type": "text", "content": "Be terse"}]},
                {"role": "user", "parts": [{"type": "text", "content": "Hi"}]},
                {"role": "assistant", "parts": [
                    {"type": "tool_call", "id": "1", "name": "f", "arguments": {"a": 1}}]},
                {"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "response": {"b": 2}}]},
            ],
            "gen_ai.output.messages": [{"role": "assistant", "finish_reason": "unknown", "parts": [
                {"type": "text", "content": "Hello"},
                {"type": "tool_call", "id": "2", "name": "g", "arguments": {"a": 1}}]}],
        });
        assert_eq!(found, expected);
        let outer = gathered(&[("ai.prompt", r#"{"system":"Be terse","prompt":"Hi"}"#)]);
        let roles: Vec<_> =
            outer["gen_ai.input.messages"].as_array().unwrap().iter().map(|one| &one["role"]).collect();
        assert_eq!(roles, ["system", "user"]);
    }

    #[test]
    fn texts_of_langsmith() {
        let found = gathered(&[
            ("gen_ai.prompt", r#"{"messages":[{"role":"user","content":"Hi"}],"model":"gpt-4o"}"#),
            (
                "gen_ai.completion",
                r#"{"choices":[{"finish_reason":"stop","message":{"content":"Hello","role":"assistant"}}]}"#,
            ),
        ]);
        assert_eq!(found["gen_ai.input.messages"][0]["parts"][0]["content"], "Hi");
        assert_eq!(found["gen_ai.output.messages"][0]["finish_reason"], "stop");
        assert_eq!(found.as_object().unwrap().len(), 2, "{found}");
        let anthropic = gathered(&[(
            "gen_ai.completion",
            r#"{"content":[{"text":"Hi","type":"text"}],"role":"assistant","stop_reason":"end_turn"}"#,
        )]);
        assert_eq!(anthropic["gen_ai.output.messages"][0]["finish_reason"], "end_turn");
    }

    #[test]
    fn what_is_not_understood_stays_as_it_came() {
        for (key, value) in [
            ("gen_ai.prompt", "no json"),
            ("gen_ai.prompt", "{\"input\":\"x\"}"),
            ("gen_ai.completion", "{\"output\":null}"),
            ("ai.prompt.messages", "[{\"role\":\"user\",\"content\":[{\"type\":\"hologram\"}]}]"),
            ("ai.response.toolCalls", "[7]"),
            ("gen_ai.prompt.x.role", "user"),
            ("llm.input_messages.0.message.unheard_of", "x"),
        ] {
            let found = gathered(&[(key, value)]);
            assert_eq!(found, json!({ key: value }));
        }
        let both = gathered(&[("gen_ai.prompt.0.content", "x"), (GEN_AI_INPUT_MESSAGES, "[]")]);
        assert_eq!(both["gen_ai.prompt.0.content"], "x");
    }
}
