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
    #[arg(long, global = true, value_name = "FOLDER")]
    pub path: Option<PathBuf>,
    /// The configuration that names the folder; MESHTAP_CONFIG may name it too.
    #[arg(long, global = true, value_name = "FILE")]
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
    let disk = Folder::look(folder).map_err(|error| unreadable(folder, &error))?;
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

fn unreadable(folder: &Path, error: &io::Error) -> anyhow::Error {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    anyhow::anyhow!(
        "the queue's folder {} cannot be read: {error}; name it with --path FOLDER, or with --config FILE the \
         configuration whose queue.path it is",
        folder.display()
    )
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

/// Goes through all, whatever becomes of one, and makes durable what was done before it says so.
fn each(
    disk: &dyn Disk,
    selection: &Selection,
    out: &mut impl Write,
    act: impl Fn(u64) -> io::Result<&'static str>,
) -> anyhow::Result<()> {
    let ids = if selection.all { parked::ids(disk, PARKED)? } else { selection.ids.clone() };
    let outcomes: Vec<(u64, io::Result<&str>)> = ids.into_iter().map(|id| (id, act(id))).collect();
    disk.sync()?;
    let mut failures = Vec::new();
    for (id, outcome) in outcomes {
        match outcome {
            Ok(done) => writeln!(out, "{id} {done}")?,
            Err(error) => failures.push(format!("{:#}", missing(id, error))),
        }
    }
    anyhow::ensure!(failures.is_empty(), "{}", failures.join("; "));
    Ok(())
}

fn missing(id: u64, error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::NotFound => anyhow::anyhow!("no entry {id} is parked; see meshtap queue ls"),
        _ => anyhow::Error::new(error).context(format!("entry {id}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulated::{Faults, SimulatedDisk};
    use super::*;

    fn dropped(disk: &dyn Disk, ids: &[u64]) -> (String, Result<(), String>) {
        let mut out = Vec::new();
        let selection = Selection { ids: ids.to_vec(), all: false };
        let done = each(disk, &selection, &mut out, |id| {
            disk.remove(&parked::name(id, PARKED))?;
            Ok("is deleted")
        });
        (String::from_utf8(out).unwrap(), done.map_err(|error| format!("{error:#}")))
    }

    #[test]
    fn one_that_is_missing_does_not_keep_the_others() {
        let disk = SimulatedDisk::default();
        for id in [90, 92] {
            disk.create(&parked::name(id, PARKED)).unwrap();
        }
        disk.sync().unwrap();
        let (said, done) = dropped(&disk, &[90, 91, 92, 93]);
        assert_eq!(said, "90 is deleted\n92 is deleted\n");
        let missing = |id| format!("no entry {id} is parked; see meshtap queue ls");
        assert_eq!(done, Err(format!("{}; {}", missing(91), missing(93))));
        let left = disk.crash(&mut fastrand::Rng::with_seed(1));
        assert_eq!(left.names(PARKED), Vec::<String>::new(), "it was said, and was not durable");
    }

    #[test]
    fn nothing_is_said_that_is_not_durable() {
        let disk = SimulatedDisk::default();
        disk.create(&parked::name(90, PARKED)).unwrap();
        disk.sync().unwrap();
        disk.set(Faults { syncs_fail: true, ..Faults::default() });
        let (said, done) = dropped(&disk, &[90]);
        assert_eq!((&*said, done.is_err()), ("", true));
    }
}
