//! docs/normalization.md, written from the tables that `normalize` runs on.

use std::fmt::Write as _;

use super::messages::{INPUT_TEXTS, OUTPUT_TEXTS, PREFIXES};
use super::table::{FIRST_CHUNK_EVENTS, Field, How, Row, Source, TABLE, Target};
use super::values::{
    FRAMEWORKS, LANGSMITH_CALLS, LANGSMITH_KINDS, OPENINFERENCE_KINDS, PLAIN, PROVIDERS, REQUEST_TYPES,
    TRACELOOP_KINDS, VERCEL_OPERATIONS,
};

const DOCUMENT: &str = include_str!("../../../docs/normalization.md");

/// Rewrites the document when `UPDATE_DOCS` is set; fails when it differs otherwise.
#[test]
fn the_document_says_what_the_table_says() {
    let expected = document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/normalization.md");
        std::fs::write(path, &expected).unwrap();
    } else {
        assert!(
            DOCUMENT == expected,
            "docs/normalization.md is out of date: UPDATE_DOCS=1 cargo test -p meshtap-collector documented"
        );
    }
}

fn document() -> String {
    let mut out = String::from(HEAD);
    out.push_str("\n## Fields\n\n| field of a span | read from, best first |\n|---|---|\n");
    for row in TABLE {
        if let Target::Field(field) = row.target {
            let _ = writeln!(out, "| {} | {} |", name(field), sources(row));
        }
    }
    let events: Vec<_> = FIRST_CHUNK_EVENTS.iter().map(|event| format!("`{event}`")).collect();
    let _ = writeln!(
        out,
        "\nA chat of OpenInference with `llm.prompts.N.prompt.text` is a `text_completion`; one whose span OpenLLMetry named \
         `anthropic.chat` is no completion. `finish_reasons` are otherwise those of the answer's messages. `time_to_first_chunk` is otherwise the time from the start of the span to the first of the events {}.",
        events.join(", ")
    );
    out.push_str(COUNTING);
    out.push_str("\n## Attributes\n\nOf GenAI spans; they stay attributes, under the name on the left.\n\n");
    out.push_str("| attribute | read from, best first |\n|---|---|\n");
    for row in TABLE {
        if let Target::Attribute(name) = row.target {
            let _ = writeln!(out, "| `{name}` | {} |", sources(row));
        }
    }
    out.push_str(MESSAGES);
    for (prefix, of_answer) in PREFIXES {
        let _ = writeln!(out, "| `{prefix}N.…` | `{}` |", messages(*of_answer));
    }
    for (names, of_answer) in [(INPUT_TEXTS, false), (OUTPUT_TEXTS, true)] {
        for name in names {
            let _ = writeln!(out, "| `{name}`, a JSON text | `{}` |", messages(of_answer));
        }
    }
    let _ = writeln!(out, "| `ai.response.text`, `ai.response.toolCalls` | `{}` |", messages(true));
    out.push_str("\n## Words\n\nOf a word that is not listed nothing is known.\n\n| attribute | word | operation |\n|---|---|---|\n");
    for (attribute, words) in [
        ("openinference.span.kind", OPENINFERENCE_KINDS),
        ("traceloop.span.kind", TRACELOOP_KINDS),
        ("llm.request.type", REQUEST_TYPES),
        ("langsmith.span.kind", LANGSMITH_KINDS),
        ("langsmith.span.kind", LANGSMITH_CALLS),
        ("ai.operationId", VERCEL_OPERATIONS),
    ] {
        for (word, meaning) in words {
            let meaning =
                if *meaning == PLAIN { "none: a plain span".to_owned() } else { format!("`{meaning}`") };
            let _ = writeln!(out, "| `{attribute}` | `{word}` | {meaning} |");
        }
    }
    out.push_str("\n| provider as it comes | `gen_ai.provider.name` |\n|---|---|\n");
    for (given, name) in PROVIDERS {
        let _ = writeln!(out, "| `{given}` | `{name}` |");
    }
    let frameworks: Vec<_> = FRAMEWORKS.iter().map(|name| format!("`{name}`")).collect();
    let _ = write!(
        out,
        "\nUpper case makes no difference, and other names stay what they are, in lower case. What the Vercel AI SDK writes \
         after a provider's name (`openai.chat`) is cut off. Not a provider, and left where it came: {}.\n",
        frameworks.join(", ")
    );
    out
}

const fn messages(of_answer: bool) -> &'static str {
    if of_answer { "gen_ai.output.messages" } else { "gen_ai.input.messages" }
}

fn sources(row: &Row) -> String {
    row.sources.iter().map(described).collect::<Vec<_>>().join(", ")
}

fn described(source: &Source) -> String {
    let name = source.name;
    match source.how {
        How::Whole => format!("`{name}`"),
        How::Millis => format!("`{name}` (ms)"),
        How::Word(_) => format!("`{name}` (by its word)"),
        How::Member(path) => format!("`{}` of the JSON text `{name}`", path.join(".")),
        How::Detail(detail) => format!("`{detail}` in the text `{name}`"),
        How::Unless(_) => format!("`{name}` (unless a framework's)"),
        How::With(other) => format!("`{name}` with `{other}`"),
    }
}

fn name(field: Field) -> &'static str {
    match field {
        Field::Operation => "`operation_name`",
        Field::Provider => "`provider_name`",
        Field::RequestModel => "`request_model`",
        Field::ResponseModel => "`response_model`",
        Field::ResponseId => "`response_id`",
        Field::FinishReasons => "`finish_reasons`",
        Field::Stream => "`stream`",
        Field::InputTokens => "`usage.input_tokens`",
        Field::UncachedInputTokens => "(input without cached tokens, for the counting rule)",
        Field::OutputTokens => "`usage.output_tokens`",
        Field::CacheReadInputTokens => "`usage.cache_read_input_tokens`",
        Field::CacheCreationInputTokens => "`usage.cache_creation_input_tokens`",
        Field::ReasoningOutputTokens => "`usage.reasoning_output_tokens`",
        Field::UsageSource => "`usage.source`",
        Field::TimeToFirstChunk => "`time_to_first_chunk`",
        Field::TimeToFirstContent => "`time_to_first_content`",
        Field::End => "`end`",
        Field::ErrorType => "`error_type`",
        Field::HttpStatusCode => "`http_status_code`",
    }
}

const HEAD: &str = "\
# Normalization

The collector takes spans of any OpenTelemetry sender. What they call things in is brought to the OpenTelemetry GenAI
conventions 1.41, so that one query finds all calls of a model whoever reported them. This page is written from the
table that the collector runs on.

| vocabulary | known by |
|---|---|
| GenAI conventions 1.41, and their unreleased successor (`gen-ai-dev/1.42.0-dev`) | `gen_ai.…` |
| older releases of the conventions, since 1.26 | `gen_ai.system`, `gen_ai.usage.prompt_tokens`, … |
| OpenInference (Arize Phoenix) | `openinference.span.kind`, `llm.token_count.…`, … |
| OpenLLMetry (Traceloop), also before it followed the conventions | `traceloop.…`, `llm.usage.…`, `gen_ai.prompt.N.…` |
| Vercel AI SDK 4 to 7 | `ai.…` |
| LangSmith | `langsmith.…` |

- The first source whose value makes sense wins. It becomes a field of the span ([api.md](api.md)), or an attribute under
  its current name. What lost stays among the attributes as it came; so do kinds and JSON texts that something was
  only read from.
- A value that makes no sense (a negative count, an empty model) reads as absent, stays as it came, and is counted by
  `meshtap_attributes_invalid_total` ([metrics.md](metrics.md)).
- Spans without anything of GenAI are kept as plain spans of their trace, with their attributes as they came. So are those
  whose sender says that they are none of the conventions' operations.
- Usage is summed over spans that are model calls. Agents, workflows, chains, tools, retrievals, and the outer spans of
  the Vercel AI SDK have their counts too, but are left out of sums: they repeat the calls inside them.
- If two tracers report one call (an application's and the sidecar's, or OpenLLMetry beside the spans that Anthropic's SDK
  2 makes by itself), that call is two spans, and sums count it twice. Group by `service` and look at `scope` to see it.
";

const COUNTING: &str = "
## Counting

`usage.input_tokens` includes what came from a cache and what went into one; `usage.output_tokens` includes reasoning. Where
a span says what the uncached input is, and calls the same number its input, the cached tokens are added (the Vercel AI SDK
up to 5, with Anthropic). Nothing is guessed: other counts stand as they came, even where parts are larger than the
whole, as with some providers.
";

const MESSAGES: &str = "
## Messages

Of GenAI spans without the current attribute, messages are put together as [content.md](content.md) shows them. Pieces and
texts that are not understood stay as they came.

| came as | becomes |
|---|---|
";
