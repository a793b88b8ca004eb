//! `meshtap validate-config`: what the filter will say about its configuration, before any proxy gets it.
//!
//! The filter's own code reads it. A file holds the configuration itself, or manifests of which every `WasmPlugin` has
//! one; YAML or JSON.

pub mod schema;

use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use meshtap_filter::config;
use serde_json::Value;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Plugin configurations, or manifests with a WasmPlugin; `-` is standard input.
    #[arg(required_unless_present = "schema", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print the JSON Schema of a plugin configuration instead.
    #[arg(long, conflicts_with = "files")]
    schema: bool,
}

/// Says what is wrong, a line for each mistake. `false` when anything is.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<bool> {
    if arguments.schema {
        writeln!(out, "{:#}", schema::schema())?;
        return Ok(true);
    }
    let mut all_good = true;
    for file in &arguments.files {
        let shown = file.display();
        for Found { place, configuration } in read(file).with_context(|| format!("reading {shown}"))? {
            let (_, problems) = config::parse(configuration.as_bytes());
            for config::Problem { path, message } in &problems {
                let path = if path.is_empty() { "(document)" } else { path };
                writeln!(out, "{shown}: {place}{path}: {message}")?;
            }
            if problems.is_empty() {
                writeln!(out, "{shown}: {place}good")?;
            }
            all_good &= problems.is_empty();
        }
    }
    Ok(all_good)
}

/// One configuration of a file.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    /// The manifest that it stands in, for a message.
    place: String,
    /// As the proxy hands it to the filter.
    configuration: String,
}

fn read(file: &Path) -> anyhow::Result<Vec<Found>> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)?;
    } else {
        text = std::fs::read_to_string(file)?;
    }
    find(text)
}

fn find(text: String) -> anyhow::Result<Vec<Found>> {
    let Ok(documents) = serde_saphyr::from_multiple::<Value>(&text) else {
        // What is no YAML is no JSON either: the filter says it in its own words.
        return Ok(vec![Found { place: String::new(), configuration: text }]);
    };
    let is_manifest =
        |document: &Value| document.get("apiVersion").is_some() && document.get("kind").is_some();
    match documents.as_slice() {
        [] => return Ok(vec![Found { place: String::new(), configuration: String::new() }]),
        [document] if !is_manifest(document) => {
            // A key that comes twice is seen in the text alone.
            let is_json = serde_json::from_str::<Value>(&text).is_ok();
            let configuration = if is_json { text } else { document.to_string() };
            return Ok(vec![Found { place: String::new(), configuration }]);
        }
        _ => {}
    }
    let plugins =
        documents.iter().filter(|document| document.get("kind").is_some_and(|kind| kind == "WasmPlugin"));
    let found: Vec<Found> = plugins
        .map(|plugin| {
            let name = plugin.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            let configuration =
                plugin.pointer("/spec/pluginConfig").map(Value::to_string).unwrap_or_default();
            Found { place: format!("WasmPlugin {name}: "), configuration }
        })
        .collect();
    anyhow::ensure!(!found.is_empty(), "no plugin configuration in it, and no manifest of a WasmPlugin");
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let found = find(text.to_owned()).unwrap();
        let of = |found: Found| {
            let (_, problems) = config::parse(found.configuration.as_bytes());
            problems
                .into_iter()
                .map(move |problem| format!("{}{}", found.place, problem.path))
                .collect::<Vec<_>>()
        };
        found.into_iter().flat_map(of).collect()
    }

    #[test]
    fn a_configuration_is_read_in_json_and_yaml() {
        assert_eq!(problems("{\"detect\": \"known\", \"batch\": {\"max_spans\": 1.0}}"), [""; 0]);
        assert_eq!(problems("detect: everything\nbatch: {max_span: 1}\n"), ["detect", "batch.max_span"]);
        assert_eq!(problems("{\"detect\": \"known\""), [""]);
        assert_eq!(problems("[]"), [""]);
        assert_eq!(problems(""), [""; 0]);
    }

    #[test]
    fn every_wasm_plugin_of_a_manifest_is_read() {
        let plugin = |name: &str, config: &str| {
            format!(
                "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{name: {name}}}\n\
                 spec:\n  url: oci://x\n  pluginConfig: {config}\n---\n"
            )
        };
        let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: apps}\n";
        let text =
            [&plugin("a", "{detect: 1}"), &plugin("b", "{queue: {max_in_flight: 99}}"), namespace].concat();
        assert_eq!(problems(&text), ["WasmPlugin a: detect", "WasmPlugin b: queue.max_in_flight"]);
        assert!(find(namespace.to_owned()).is_err());
    }
}
