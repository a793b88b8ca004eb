//! docs/providers.md, written from the tables that the filter runs on.

use std::fmt::Write as _;

use super::{AT_HOSTS, ENDINGS, HOSTS, Host, METHODS, SESSIONS, WHOLE_PATHS, adapters};
use crate::provider::{
    Adapter, Field, Operation, bedrock_agent, bedrock_converse, bedrock_invoke, openai_media,
};
use crate::semconv as names;
use crate::wire::json::Node;

const DOCUMENT: &str = include_str!("../../../docs/providers.md");

/// Rewrites the document when `UPDATE_DOCS` is set; fails when it differs otherwise.
#[test]
fn the_document_says_what_the_tables_say() {
    let expected = document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/providers.md");
        std::fs::write(path, &expected).unwrap();
    } else {
        assert!(
            DOCUMENT == expected,
            "docs/providers.md is out of date: UPDATE_DOCS=1 cargo test -p meshtap-filter documented"
        );
    }
}

fn document() -> String {
    let mut out = String::from(HEAD);
    out.push_str(
        "\n## Paths\n\n| request | compatible with | wire (`meshtap.api`) | operation |\n|---|---|---|---|\n",
    );
    for (end, provider, adapter) in ENDINGS {
        out.push_str(&row(&format!("`POST …{end}`"), provider, adapter));
    }
    for (path, provider, adapter) in WHOLE_PATHS {
        out.push_str(&row(&format!("`POST {path}`"), provider, adapter));
    }
    for (provider, before, after, adapter) in AT_HOSTS {
        let name = if before.is_empty() { "" } else { "NAME" };
        let at = if provider.is_empty() { "any host below" } else { provider };
        out.push_str(&row(&format!("`POST …{before}{name}{after}`, at {at}"), provider, adapter));
    }
    out.push_str(&row("`GET` of one batch, at any host below", "", &openai_media::BATCHES));
    for (end, provider, adapter) in SESSIONS {
        out.push_str(&row(&format!("`GET …{end}`, a WebSocket"), provider, adapter));
    }
    for (method, adapter, _) in METHODS {
        out.push_str(&row(&format!("`POST …/models/MODEL:{method}`"), "gcp.gemini, gcp.vertex_ai", adapter));
    }
    for (action, adapter) in [
        ("converse", &bedrock_converse::CONVERSE),
        ("converse-stream", &bedrock_converse::CONVERSE),
        ("count-tokens", &bedrock_converse::COUNT_TOKENS),
    ] {
        out.push_str(&row(&format!("`POST /model/MODEL/{action}`"), "aws.bedrock", adapter));
    }
    for (family, adapter) in bedrock_invoke::FAMILIES {
        let request =
            format!("`POST /model/MODEL/invoke`, `…/invoke-with-response-stream`, models `…{family}…`");
        out.push_str(&row(&request, "aws.bedrock", adapter));
    }
    let others = "`POST /model/MODEL/invoke`, `…/invoke-with-response-stream`, ";
    out.push_str(&row(&format!("{others}other models"), "aws.bedrock", &bedrock_invoke::CHAT));
    out.push_str(&row(&format!("{others}other ARNs"), "aws.bedrock", &bedrock_invoke::OPAQUE));
    out.push_str(&row("`POST /agents/…/sessions/…/text`", "aws.bedrock", &bedrock_agent::INVOKE_AGENT));
    out.push_str("\n## Hosts\n\nLooked at with `detect: known`, the default.\n\n| host | `gen_ai.provider.name` |\n|---|---|\n");
    for known in HOSTS {
        let host = match known.host {
            Host::Is(name) => name.to_owned(),
            Host::EndsWith(end) => format!("*{end}"),
            Host::Between(start, end) => format!("{start}*{end}"),
        };
        let _ = writeln!(out, "| `{host}` | `{}` |", known.provider_name);
    }
    out.push_str(READ);
    let adapters = adapters();
    let mut written: Vec<&Adapter> = Vec::new();
    for adapter in &adapters {
        if written.iter().any(|known| has_same_tables(known, adapter)) {
            continue;
        }
        written.push(adapter);
        out.push_str(&heading(adapter, &adapters));
        out.push_str(&tables(adapter));
    }
    out
}

fn has_same_tables(one: &Adapter, other: &Adapter) -> bool {
    std::ptr::eq(one.request, other.request)
        && std::ptr::eq(one.response, other.response)
        && std::ptr::eq(one.event, other.event)
}

/// All wires that have these tables; with what they are for, where others have other tables under the same name.
fn heading(adapter: &Adapter, adapters: &[&Adapter]) -> String {
    let mut wires: Vec<(&str, Vec<&str>)> = Vec::new();
    for same in adapters.iter().filter(|other| has_same_tables(adapter, other)) {
        let at = wires.iter().position(|(name, _)| *name == same.name).unwrap_or(wires.len());
        if at == wires.len() {
            wires.push((same.name, Vec::new()));
        }
        if adapters.iter().any(|other| other.name == same.name && !has_same_tables(same, other)) {
            wires[at].1.push(same.operation.name());
        }
    }
    let wires = wires.iter().map(|(name, operations)| match operations.as_slice() {
        [] => format!("`{name}`"),
        operations => format!("`{name}` ({})", operations.join(", ")),
    });
    format!("\n### {}\n\n", wires.collect::<Vec<_>>().join(", "))
}

fn tables(adapter: &Adapter) -> String {
    let request = attributes(adapter.request);
    let answer = attributes(adapter.response);
    let streams =
        !matches!(adapter.operation, Operation::CountTokens | Operation::Embeddings | Operation::Rerank);
    let events = if streams { attributes(adapter.event) } else { Vec::new() };
    if request.is_empty() && answer.is_empty() && events.is_empty() {
        return "Counted, and not read.\n".to_owned();
    }
    let mut out = String::from("| | attribute | read from |\n|---|---|---|\n");
    for (attribute, places) in &request {
        let _ = writeln!(out, "| request | `{attribute}` | {} |", listed(places));
    }
    for (attribute, places) in &answer {
        let _ = writeln!(out, "| answer | `{attribute}` | {} |", listed(places));
    }
    let mut rows: Vec<(String, String)> = Vec::new();
    for (attribute, places) in &events {
        let known = answer.iter().find(|(name, _)| name == attribute).map_or(&[][..], |(_, known)| known);
        let mut others: Vec<String> = Vec::new();
        let mut below: Vec<&str> = Vec::new();
        for place in places.iter().filter(|place| !known.contains(place)) {
            // The same once more, somewhere further down.
            match known.iter().find_map(|known| place.strip_suffix(known.as_str())?.strip_suffix('.')) {
                Some(outer) if below.contains(&outer) => {}
                Some(outer) => below.push(outer),
                None => others.push(place.clone()),
            }
        }
        let mut said: Vec<String> = Vec::new();
        if !below.is_empty() {
            said.push(format!("the same below `{}`", below.join("`, `")));
        }
        if !others.is_empty() {
            said.push(listed(&others));
        }
        let said = said.join("; ");
        match rows.iter_mut().find(|(_, known)| *known == said) {
            Some((attributes, _)) => {
                let _ = write!(attributes, ", `{attribute}`");
            }
            None => rows.push((format!("`{attribute}`"), said)),
        }
    }
    for (attributes, said) in rows.iter().filter(|(_, said)| !said.is_empty()) {
        let _ = writeln!(out, "| event | {attributes} | {said} |");
    }
    out
}

/// Places that differ in their last name only are put together.
fn listed(places: &[String]) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for place in places {
        let (outer, name) = place.rsplit_once('.').unwrap_or(("", place));
        match groups.iter_mut().find(|(known, _)| *known == outer && !outer.is_empty()) {
            Some((_, names)) => names.push(name),
            None => groups.push((outer, vec![name])),
        }
    }
    let groups = groups.iter().map(|(outer, names)| match (*outer, names.as_slice()) {
        ("", names) => format!("`{}`", names.join(", ")),
        (outer, [name]) => format!("`{outer}.{name}`"),
        (outer, names) => format!("`{outer}.{{{}}}`", names.join(", ")),
    });
    groups.collect::<Vec<_>>().join(", ")
}

type Attributes = Vec<(&'static str, Vec<String>)>;

/// The attributes that a tree fills, each with where it is read. What may be a list or not is named once.
fn attributes(root: &'static Node<Field>) -> Attributes {
    let bare = |place: &str| place.replace("[]", "").trim_start_matches('.').to_owned();
    let mut attributes: Attributes = Vec::new();
    for (place, field) in root.places() {
        let Some(name) = attribute(field) else { continue };
        let at = attributes.iter().position(|(known, _)| *known == name).unwrap_or(attributes.len());
        if at == attributes.len() {
            attributes.push((name, Vec::new()));
        }
        let known = &mut attributes[at].1;
        if !known.iter().any(|other| bare(other) == bare(&place)) {
            known.push(place);
        }
    }
    attributes
}

/// The attribute that a field fills; `None` for what only leads to others.
fn attribute(field: Field) -> Option<&'static str> {
    Some(match field {
        Field::RequestModel => names::GEN_AI_REQUEST_MODEL,
        Field::Stream => names::GEN_AI_REQUEST_STREAM,
        Field::MaxTokens => names::GEN_AI_REQUEST_MAX_TOKENS,
        Field::Temperature => names::GEN_AI_REQUEST_TEMPERATURE,
        Field::TopP => names::GEN_AI_REQUEST_TOP_P,
        Field::TopK => names::GEN_AI_REQUEST_TOP_K,
        Field::FrequencyPenalty => names::GEN_AI_REQUEST_FREQUENCY_PENALTY,
        Field::PresencePenalty => names::GEN_AI_REQUEST_PRESENCE_PENALTY,
        Field::Seed => names::GEN_AI_REQUEST_SEED,
        Field::ChoiceCount => names::GEN_AI_REQUEST_CHOICE_COUNT,
        Field::StopSequence => names::GEN_AI_REQUEST_STOP_SEQUENCES,
        Field::OtherOperation => names::MESHTAP_OPERATION,
        Field::OutputFormat | Field::OutputModality => names::GEN_AI_OUTPUT_TYPE,
        Field::RequestServiceTier => names::OPENAI_REQUEST_SERVICE_TIER,
        Field::ReasoningLevel => names::MESHTAP_REQUEST_REASONING_LEVEL,
        Field::Dimensions => names::GEN_AI_EMBEDDINGS_DIMENSION_COUNT,
        Field::EncodingFormat => names::GEN_AI_REQUEST_ENCODING_FORMATS,
        Field::OfferedTool => names::MESHTAP_REQUEST_TOOLS,
        Field::ConversationId => names::GEN_AI_CONVERSATION_ID,
        Field::PreviousResponseId => names::MESHTAP_REQUEST_PREVIOUS_RESPONSE_ID,
        Field::UserId => names::MESHTAP_USER_ID,
        Field::ResponseId => names::GEN_AI_RESPONSE_ID,
        Field::ResponseModel => names::GEN_AI_RESPONSE_MODEL,
        Field::ResponseServiceTier => names::OPENAI_RESPONSE_SERVICE_TIER,
        Field::SystemFingerprint => names::OPENAI_RESPONSE_SYSTEM_FINGERPRINT,
        Field::FinishReason | Field::FallbackFinishReason => names::GEN_AI_RESPONSE_FINISH_REASONS,
        Field::OutputText => names::MESHTAP_OUTPUT_CHUNKS,
        Field::ToolName => names::MESHTAP_OUTPUT_TOOL_CALLS,
        Field::Usage => names::MESHTAP_USAGE_RAW,
        Field::InputTokens
        | Field::MoreInputTokens
        | Field::LargestInputTokens
        | Field::BilledInputTokens
        | Field::MetricInputTokens
        | Field::ToolUseTokens => names::GEN_AI_USAGE_INPUT_TOKENS,
        Field::OutputTokens
        | Field::MoreOutputTokens
        | Field::BilledOutputTokens
        | Field::MetricOutputTokens => names::GEN_AI_USAGE_OUTPUT_TOKENS,
        Field::TotalTokens => names::MESHTAP_USAGE_TOTAL_TOKENS,
        Field::CacheReadTokens | Field::MetricCacheReadTokens => names::GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
        Field::CacheCreationTokens | Field::MetricCacheCreationTokens => {
            names::GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS
        }
        Field::ReasoningTokens => names::GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
        Field::ErrorType | Field::ErrorStatus => names::MESHTAP_ERROR_TYPE,
        Field::ErrorCode => names::MESHTAP_ERROR_CODE,
        _ => return None,
    })
}

const READ: &str = "
## What is read of each

Where the attributes of a span come from, by the wire that `meshtap.api` names. `[]` is every item of a list, and
`a.{b, c}` both of `a`. Several places are several spellings, or versions of an API: the last one in a body counts,
unless it is null. `event` is an event of a streamed answer, where it has something that an answer in one piece has not.
What is at none of these places is not read.

Not from bodies: the model of Bedrock and Gemini, which the URL names, and that of others where the body does not.
Headers count where a body does not: `x-amzn-bedrock-…-token-count`, `x-prompt-tokens` and `x-generated-tokens` (TGI),
`x-compute-tokens` (TEI); `x-amzn-errortype` is the type of an error. Of a form `model`, `stream`, `n`, `temperature`,
`response_format` and `user` are read, and no file.

Of what `meshtap.output.chunks` counts only matters whether there is any.
";

fn row(request: &str, provider: &str, adapter: &Adapter) -> String {
    format!("| {request} | {provider} | `{}` | `{}` |\n", adapter.name, adapter.operation.name())
}

const HEAD: &str = "# Providers

What the filter recognizes, written from its own tables. A path has the shape of an API; the host says whose it is.
Hosts that are not listed are looked at with `detect: heuristic`, and then named after the API they are compatible with.

Of each call: the model that was asked for (from the body, or from the URL where the API puts it there), sampling
parameters, the number of tools offered; the model and id of the answer, finish reasons, the tool calls that the client
has to run, token counts with cached, cache-creation and reasoning tokens where the wire has them, the provider's own
usage object, errors. Bodies may be JSON, server-sent events, a JSON array of documents, a document a line, or an AWS
event stream, in gzip, deflate, br or zstd.

Token counts follow one rule: `input_tokens` includes cached tokens, `output_tokens` includes reasoning. Anthropic and
Bedrock report cached tokens apart, Gemini thoughts and tool results: they are added. At Cohere billed units count.
Counts of audio and images are part of these, and stand apart in the usage object.

Files and batches are counted, and files are not read. A batch carries its usage once it is done, and again in every
answer that shows it: those spans have the batch's id as `gen_ai.response.id`, and sums of usage leave them out.
";
