//! The shared corpus and its own checker, where they lie beside the repository.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tools;

const SHARED: &str = "../shared";

/// The files of the shared corpus, in order; `None` where there is none.
pub fn corpus() -> Option<Vec<PathBuf>> {
    let entries = std::fs::read_dir(tools::workspace().join(SHARED).join("corpus")).ok()?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "gz"));
    files.sort();
    Some(files)
}

/// What the checker says.
#[derive(Debug)]
pub struct Score {
    pub passed: bool,
    pub report: String,
}

/// Holds predictions against what the files expect: every token count must be the counting rule's own.
///
/// # Errors
///
/// When the checker is not there or cannot be run.
pub fn score(predictions: &Path, files: &[PathBuf], min: &str) -> io::Result<Score> {
    let checker = tools::workspace().join(SHARED).join("tools/check_corpus.py");
    if !checker.exists() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("no checker at {}", checker.display())));
    }
    let output = Command::new("python3")
        .arg(checker)
        .args(["--strict", "--min", min])
        .arg(predictions)
        .args(files)
        .output()?;
    let report = [output.stdout, output.stderr].concat();
    Ok(Score { passed: output.status.success(), report: String::from_utf8_lossy(&report).into_owned() })
}
