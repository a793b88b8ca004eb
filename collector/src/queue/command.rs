//! `meshtap queue ls|show|retry|drop`: what waits, and what was refused.
//!
//! Works on the folder of the queue, whether a collector runs on it or not, and takes no lock: `ls` and `show` only
//! read, `retry` renames a file, `drop` removes one. The collector that runs, or the next one, takes back what is marked
//! for it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;

use super::disk::{Disk, Folder};
use super::ledger::{self, Found};
use super::log::first_of;
use super::parked::{self, DAMAGED, PARKED, Parked, RETRY};
use crate::normalize;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The queue's folder; without it, queue.path of the configuration.
    #[arg(long, value_name = "FOLDER")]
    pub path: Option<PathBuf>,
    /// The configuration that names the folder; MESHTAP_CONFIG may name it too.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists segments, cursors and parked entries.
    Ls,
    /// Prints a parked entry: why it was refused, and its spans as JSON lines.
    Show { id: u64 },
    /// Puts parked entries back into the queue.
    Retry(Selection),
    /// Deletes parked entries, and with them their spans.
    Drop(Selection),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Selection {
    /// Entries by their numbers.
    ids: Vec<u64>,
    /// All that are parked.
    #[arg(long)]
    all: bool,
}

pub fn run(arguments: &Arguments, folder: &Path, out: &mut impl Write) -> anyhow::Result<()> {
    let disk = Folder::look(folder).with_context(|| format!("the queue's folder {}", folder.display()))?;
    match &arguments.command {
        Command::Ls => list(&disk, out),
        Command::Show { id } => show(&disk, *id, out),
        Command::Retry(selection) => each(&disk, selection, out, |id| {
            disk.rename(&parked::name(id, PARKED), &parked::name(id, RETRY))?;
            Ok("goes back into the queue")
        }),
        Command::Drop(selection) => each(&disk, selection, out, |id| {
            disk.remove(&parked::name(id, PARKED))?;
            Ok("is deleted")
        }),
    }
}

fn list(disk: &Folder, out: &mut impl Write) -> anyhow::Result<()> {
    let mut names = disk.list()?;
    names.sort();
    let (mut segments, mut bytes) = (0_u64, 0);
    for name in names.iter().filter(|name| first_of(name).is_some()) {
        segments += 1;
        // One may be deleted while we look.
        bytes += disk.open(name).and_then(|file| file.bytes()).unwrap_or(0);
    }
    let oldest = names.iter().find_map(|name| first_of(name));
    writeln!(out, "segments  {segments}, {bytes} bytes, entries from {}", oldest.unwrap_or(0))?;
    for name in names.iter().filter_map(|name| name.strip_suffix(ledger::SUFFIX)) {
        match ledger::read(&*disk.open(&format!("{name}{}", ledger::SUFFIX))?)? {
            Found::Nothing => writeln!(out, "cursor    {name}: its file is damaged")?,
            Found::Newer(version) => {
                writeln!(out, "cursor    {name}: its file has format {version}, of a newer meshtap")?;
            }
            Found::State(_, state) => {
                write!(out, "cursor    {name}: acknowledged up to {}", state.acked)?;
                match state.plan {
                    Some(plan) => {
                        writeln!(out, ", {} to {} under way as {}", plan.first, plan.last, plan.token)?;
                    }
                    None => writeln!(out)?,
                }
            }
        }
    }
    for id in parked::ids(disk, PARKED)? {
        match parked::read(disk, &parked::name(id, PARKED)) {
            Ok(Parked { note, packed }) => writeln!(
                out,
                "parked    {id}  {} spans, {} bytes, {}: {}",
                note.spans,
                packed.payload.len(),
                note.parked,
                note.error
            )?,
            Err(error) => writeln!(out, "parked    {id}  {error}")?,
        }
    }
    for id in parked::ids(disk, RETRY)? {
        writeln!(out, "retry     {id}  waits for a running collector")?;
    }
    for id in parked::ids(disk, DAMAGED)? {
        let file = parked::name(id, DAMAGED);
        writeln!(out, "damaged   {id}  could not be taken back and is lost; remove {file}")?;
    }
    Ok(())
}

fn show(disk: &Folder, id: u64, out: &mut impl Write) -> anyhow::Result<()> {
    let Parked { note, packed } =
        parked::read(disk, &parked::name(id, PARKED)).map_err(|error| missing(id, error))?;
    writeln!(out, "{}", serde_json::to_string(&note)?)?;
    let request = packed.request().context("the request cannot be decompressed")?;
    let mut records = Vec::new();
    normalize::request(&request, |(record, _)| records.push(record))
        .context("the request cannot be decoded")?;
    for record in records {
        let shown = json!({
            "trace_id": record.trace_id.to_string(),
            "span_id": record.span_id.to_string(),
            "name": record.name,
            "start_time": crate::time::rfc3339(record.start_unix_nanos),
            "operation_name": record.gen_ai.operation_name,
            "request_model": record.gen_ai.request_model,
            "attributes": record.attributes,
            "resource": *record.resource,
        });
        writeln!(out, "{shown}")?;
    }
    Ok(())
}

fn each(
    disk: &Folder,
    selection: &Selection,
    out: &mut impl Write,
    act: impl Fn(u64) -> io::Result<&'static str>,
) -> anyhow::Result<()> {
    let ids = if selection.all { parked::ids(disk, PARKED)? } else { selection.ids.clone() };
    for id in ids {
        let done = act(id).map_err(|error| missing(id, error))?;
        writeln!(out, "{id} {done}")?;
    }
    disk.sync()?;
    Ok(())
}

fn missing(id: u64, error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::NotFound => anyhow::anyhow!("no entry {id} is parked; see meshtap queue ls"),
        _ => anyhow::Error::new(error).context(format!("entry {id}")),
    }
}
