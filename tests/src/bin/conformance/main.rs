//! `make conformance`: the recorded corpus through the filter module, and how much of it came out right.
//!
//! Arguments: files of recordings; without any, those of the shared corpus beside the repository. Writes
//! `target/conformance/predictions.jsonl` and prints what `check_corpus.py --strict` says about it. Fails on a trap, on a
//! span that depends on how the bytes were cut, and when less than `CONFORMANCE_MIN` of the exchanges is right.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that shows things")]

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use meshtap_tests::conformance::{Conformance, Tally, score};
use meshtap_tests::tools;

/// Bodies up to this size are also fed byte by byte.
const MAX_BYTEWISE_BYTES: usize = 64 << 10;
const NO_CORPUS: &str = "NOT CHECKED: there is no ../shared/corpus beside this repository; name files with `make conformance CORPUS='FILE…'`";
const MIN_VARIABLE: &str = "CONFORMANCE_MIN";
const MIN_RIGHT: &str = "0.998";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("conformance: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<bool> {
    let mut files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if files.is_empty() {
        files = score::corpus().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, NO_CORPUS))?;
    }
    let folder = tools::target().join("conformance");
    fs::create_dir_all(&folder)?;
    let predictions = folder.join("predictions.jsonl");
    let tally = feed(&files, &predictions)?;
    for problem in &tally.problems {
        println!("{problem}");
    }
    println!("predictions: {}\n", predictions.display());
    let min = std::env::var(MIN_VARIABLE).ok().filter(|min| !min.is_empty());
    let scored = score::score(&predictions, &files, min.as_deref().unwrap_or(MIN_RIGHT))?;
    print!("{}", scored.report);
    Ok(scored.passed && tally.problems.is_empty())
}

fn feed(files: &[PathBuf], predictions: &Path) -> io::Result<Tally> {
    let mut conformance = Conformance::new(&fs::read(tools::filter())?, MAX_BYTEWISE_BYTES);
    let mut out = BufWriter::new(File::create(predictions)?);
    let mut all = Tally::default();
    println!("file                      exchanges   spans  compressed  byte by byte  problems");
    for file in files {
        let tally = conformance.file(file, &mut out)?;
        row(&name(file), &tally);
        all.add(&tally);
    }
    row("all", &all);
    out.flush()?;
    Ok(all)
}

fn row(name: &str, tally: &Tally) {
    let Tally { exchanges, spans, compressed, bytewise, problems } = tally;
    let problems = problems.len();
    println!("{name:<24}  {exchanges:>9}  {spans:>6}  {compressed:>10}  {bytewise:>12}  {problems:>8}");
}

fn name(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.trim_end_matches(".gz").trim_end_matches(".jsonl").to_owned()
}
