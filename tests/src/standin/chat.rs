//! The JSON of OpenAI's chat completions, with members in the order of the real API.

use serde_json::Value;

use super::record::Usage;

/// 2026-02-02T02:40:00Z; fixed, so that two calls of one case get the same bytes.
const CREATED: u64 = 1_770_000_000;
const FINGERPRINT: &str = "fp_b1f0a7c3d2";

/// What all bodies of one answer have in common.
pub(super) struct Answer {
    pub(super) id: String,
    pub(super) model: String,
    pub(super) content: Content,
    pub(super) usage: Option<Usage>,
}

pub(super) enum Content {
    Text(Vec<String>),
    ToolCall { id: String, name: &'static str, arguments: Vec<&'static str> },
}

impl Answer {
    /// The whole answer as one body, indented as the real API indents it.
    pub(super) fn body(&self) -> String {
        let Self { id, model, .. } = self;
        let id = quoted(id);
        let model = quoted(model);
        let message = self.message();
        let finish = self.finish_reason();
        let usage =
            self.usage.map_or_else(String::new, |usage| format!("  \"usage\": {},\n", usage_json(usage)));
        format!(
            "{{\n  \"id\": {id},\n  \"object\": \"chat.completion\",\n  \"created\": {CREATED},\n  \"model\": {model},\n  \
             \"choices\": [\n    {{\n      \"index\": 0,\n      \"message\": {message},\n      \"logprobs\": null,\n      \
             \"finish_reason\": \"{finish}\"\n    }}\n  ],\n{usage}  \"service_tier\": \"default\",\n  \
             \"system_fingerprint\": \"{FINGERPRINT}\"\n}}\n"
        )
    }

    /// The answer as the events of a stream. `include_usage` is what the request asked for.
    pub(super) fn events(&self, include_usage: bool) -> Vec<String> {
        let no_usage = if include_usage { ",\"usage\":null" } else { "" };
        let choice = |delta: &str, finish: &str| {
            let choices =
                format!("{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish}}}");
            self.event(&choices, no_usage)
        };
        let mut events: Vec<String> = self.deltas().iter().map(|delta| choice(delta, "null")).collect();
        events.push(choice("{}", &quoted(self.finish_reason())));
        if let Some(usage) = self.usage.filter(|_| include_usage) {
            events.push(self.event("", &format!(",\"usage\":{}", usage_json(usage))));
        }
        events.push("data: [DONE]\n\n".to_owned());
        events
    }

    fn event(&self, choices: &str, usage: &str) -> String {
        let id = quoted(&self.id);
        let model = quoted(&self.model);
        format!(
            "data: {{\"id\":{id},\"object\":\"chat.completion.chunk\",\"created\":{CREATED},\"model\":{model},\
             \"service_tier\":\"default\",\"system_fingerprint\":\"{FINGERPRINT}\",\"choices\":[{choices}]{usage}}}\n\n"
        )
    }

    fn message(&self) -> String {
        match &self.content {
            Content::Text(words) => {
                let text = quoted(&words.concat());
                format!(
                    "{{\"role\": \"assistant\", \"content\": {text}, \"refusal\": null, \"annotations\": []}}"
                )
            }
            Content::ToolCall { id, name, arguments } => {
                let arguments = quoted(&arguments.concat());
                format!(
                    "{{\"role\": \"assistant\", \"content\": null, \"tool_calls\": [{{\"id\": \"{id}\", \"type\": \
                     \"function\", \"function\": {{\"name\": \"{name}\", \"arguments\": {arguments}}}}}], \"refusal\": \
                     null, \"annotations\": []}}"
                )
            }
        }
    }

    fn deltas(&self) -> Vec<String> {
        match &self.content {
            Content::Text(words) => {
                let first = "{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}".to_owned();
                let rest = words.iter().map(|word| format!("{{\"content\":{}}}", quoted(word)));
                std::iter::once(first).chain(rest).collect()
            }
            Content::ToolCall { id, name, arguments } => {
                let first = format!(
                    "{{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{{\"index\":0,\"id\":\"{id}\",\
                     \"type\":\"function\",\"function\":{{\"name\":\"{name}\",\"arguments\":\"\"}}}}],\"refusal\":null}}"
                );
                let rest = arguments.iter().map(|piece| {
                    let piece = quoted(piece);
                    format!("{{\"tool_calls\":[{{\"index\":0,\"function\":{{\"arguments\":{piece}}}}}]}}")
                });
                std::iter::once(first).chain(rest).collect()
            }
        }
    }

    fn finish_reason(&self) -> &'static str {
        match self.content {
            Content::Text(_) => "stop",
            Content::ToolCall { .. } => "tool_calls",
        }
    }
}

/// The provider's error object. `code` null when empty.
pub(super) fn error(message: &str, kind: &str, code: &str) -> String {
    let message = quoted(message);
    let kind = quoted(kind);
    let code = if code.is_empty() { "null".to_owned() } else { quoted(code) };
    format!("{{\"error\":{{\"message\":{message},\"type\":{kind},\"param\":null,\"code\":{code}}}}}")
}

fn usage_json(usage: Usage) -> String {
    let Usage { input, output, cached_input, reasoning_output, .. } = usage;
    let total = input + output;
    format!(
        "{{\"prompt_tokens\":{input},\"completion_tokens\":{output},\"total_tokens\":{total},\
         \"prompt_tokens_details\":{{\"cached_tokens\":{cached_input},\"audio_tokens\":0}},\
         \"completion_tokens_details\":{{\"reasoning_tokens\":{reasoning_output},\"audio_tokens\":0,\
         \"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}}}"
    )
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
