//! docs/providers.md, written from the tables that the filter runs on.

use std::fmt::Write as _;

use super::{AT_HOSTS, ENDINGS, HOSTS, Host, METHODS, WHOLE_PATHS};
use crate::provider::{Adapter, bedrock_agent, bedrock_converse, bedrock_invoke, openai_media};

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
    out
}

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
