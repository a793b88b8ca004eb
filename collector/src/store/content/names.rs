//! Which attributes hold what messages, tools and documents say, in every vocabulary that `normalize` knows: the current
//! names, and those under which senders' attributes stay as they came.
//!
//! docs/content.md lists them.

/// Attributes of one vocabulary: what their names begin with, the rest of whole names, and of those behind which a
/// number follows.
struct Names {
    prefix: &'static str,
    whole: &'static [&'static str],
    numbered: &'static [&'static str],
}

const NAMES: &[Names] = &[
    Names {
        prefix: "gen_ai.",
        whole: &[
            "system_instructions",
            "input.messages",
            "output.messages",
            "tool.definitions",
            "tool.call.arguments",
            "tool.call.result",
            "retrieval.query.text",
            "retrieval.documents",
            "prompt",
            "completion",
        ],
        numbered: &["prompt.", "completion."],
    },
    Names {
        prefix: "llm.",
        whole: &["prompt_template.variables"],
        numbered: &["input_messages.", "output_messages.", "prompts.", "completions."],
    },
    Names { prefix: "input.", whole: &["value"], numbered: &[] },
    Names { prefix: "output.", whole: &["value"], numbered: &[] },
    Names { prefix: "tool.", whole: &["parameters"], numbered: &[] },
    Names { prefix: "retrieval.", whole: &[], numbered: &["documents."] },
    Names { prefix: "reranker.", whole: &["query"], numbered: &["input_documents.", "output_documents."] },
    Names { prefix: "embedding.", whole: &[], numbered: &["embeddings."] },
    Names { prefix: "traceloop.", whole: &["entity.input", "entity.output"], numbered: &[] },
    Names {
        prefix: "ai.",
        whole: &[
            "prompt",
            "prompt.messages",
            "response.text",
            "response.object",
            "response.reasoning",
            "response.toolCalls",
            "result.text",
            "result.object",
            "result.toolCalls",
            "toolCall.args",
            "toolCall.input",
            "toolCall.result",
            "toolCall.output",
            "value",
            "values",
            "embedding",
            "embeddings",
            "documents",
        ],
        numbered: &[],
    },
];

/// Whether the attribute is content.
pub(in crate::store) fn is_content(name: &str) -> bool {
    let first = name.as_bytes().first();
    let of = NAMES.iter().filter(|names| names.prefix.as_bytes().first() == first);
    let rest = of.filter_map(|names| Some((names, name.strip_prefix(names.prefix)?)));
    rest.into_iter().any(|(names, rest)| names.whole.contains(&rest) || is_numbered(names, rest))
}

fn is_numbered(names: &Names, rest: &str) -> bool {
    names.numbered.iter().any(|name| {
        rest.strip_prefix(name).is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use meshtap_filter::semconv;

    use super::*;

    #[test]
    fn content_is_known_by_its_name() {
        for name in [
            semconv::GEN_AI_SYSTEM_INSTRUCTIONS,
            semconv::GEN_AI_INPUT_MESSAGES,
            semconv::GEN_AI_OUTPUT_MESSAGES,
            semconv::GEN_AI_TOOL_DEFINITIONS,
            "gen_ai.prompt.0.content",
            "llm.input_messages.12.message.content",
            "retrieval.documents.0.document.content",
            "input.value",
            "traceloop.entity.output",
            "ai.response.text",
        ] {
            assert!(is_content(name), "{name}");
        }
        for name in [
            "",
            "gen_ai.prompt.name",
            "gen_ai.prompt.version",
            "gen_ai.usage.input_tokens",
            "input.mime_type",
            "ai.response.model",
            "llm.model_name",
            "prompt",
            "retrieval.documents",
        ] {
            assert!(!is_content(name), "{name}");
        }
    }

    #[test]
    fn the_document_lists_every_name() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/content.md");
        let document = std::fs::read_to_string(file).unwrap();
        for Names { prefix, whole, numbered } in NAMES {
            let numbered = numbered.iter().map(|name| format!("`{prefix}{name}N.…`"));
            for name in whole.iter().map(|name| format!("`{prefix}{name}`")).chain(numbered) {
                assert!(document.contains(&name), "docs/content.md lacks {name}");
            }
        }
    }
}
