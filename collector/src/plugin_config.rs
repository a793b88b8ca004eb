//! `meshtap validate-config`: what the filter will say about its configuration, before any proxy gets it.
//!
//! The filter's own code reads it.

mod manifests;
pub mod schema;

use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use meshtap_filter::config;

use manifests::Found;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Plugin configurations, or what holds some: manifests (WasmPlugin, TrafficExtension, EnvoyFilter, lists), or Envoy's
    /// own configuration; `-` is standard input.
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
        for Found { place, configuration, fault } in read(file).with_context(|| format!("reading {shown}"))? {
            let fault = fault.map(|message| config::Problem { path: "configuration".to_owned(), message });
            let problems =
                fault.map_or_else(|| config::parse(configuration.as_bytes()).1, |fault| vec![fault]);
            for config::Problem { path, message } in &problems {
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

fn read(file: &Path) -> anyhow::Result<Vec<Found>> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)?;
    } else {
        text = std::fs::read_to_string(file)?;
    }
    manifests::find(text)
}
