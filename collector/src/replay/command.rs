//! The command: arguments in, lines out.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::output::{self, Format, Line};
use super::recording::{self, Recorded};
use crate::wasm::host::LogLine;
use crate::wasm::replay::{Cuts, Replayed, Replayer};

/// A recording shows LLM traffic wherever it went: also to servers that no table knows.
const PLUGIN_CONFIGURATION: &[u8] = br#"{"detect": "heuristic"}"#;
const MODULE_VARIABLE: &str = "MESHTAP_WASM_MODULE";

#[derive(Debug, Args)]
pub struct Arguments {
    /// HAR files, or files with one JSON exchange a line; either may be compressed with gzip.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The filter module; MESHTAP_WASM_MODULE may name it too.
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// The plugin configuration, as in a WasmPlugin, in JSON. Without one, LLM calls are found by shape on any host.
    #[arg(long, value_name = "FILE")]
    plugin_config: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Cut bodies into pieces of random sizes, the same for the same number.
    #[arg(long, value_name = "SEED")]
    cut: Option<u64>,
}

/// Replays every file. What cannot be read or replayed is said on `errors` and makes the command fail, but only after
/// everything else was printed.
pub fn run(arguments: &Arguments, out: &mut dyn Write, errors: &mut dyn Write) -> anyhow::Result<()> {
    let replayer = start(arguments)?;
    let cuts = arguments.cut.map_or(Cuts::Whole, Cuts::Random);
    let mut run = Run { replayer, cuts, format: arguments.format, tally: Tally::default(), out, errors };
    run.log(&run.replayer.start_logs.clone())?;
    output::head(run.format, run.out)?;
    for path in &arguments.files {
        run.file(path)?;
    }
    let Tally { exchanges, spans, failed } = run.tally;
    writeln!(errors, "{exchanges} exchanges, {spans} LLM calls, {failed} that could not be replayed")?;
    anyhow::ensure!(failed == 0, "{failed} could not be replayed, see above");
    Ok(())
}

fn start(arguments: &Arguments) -> anyhow::Result<Replayer> {
    let module = arguments.module.clone().or_else(|| std::env::var_os(MODULE_VARIABLE).map(PathBuf::from));
    let module =
        module.with_context(|| format!("name the filter module with --module or {MODULE_VARIABLE}"))?;
    let wasm = read(&module)?;
    let configuration = match &arguments.plugin_config {
        Some(file) => read(file)?,
        None => PLUGIN_CONFIGURATION.to_vec(),
    };
    Replayer::new(&wasm, &configuration).with_context(|| module.display().to_string())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| path.display().to_string())
}

/// The command under way.
struct Run<'a> {
    replayer: Replayer,
    cuts: Cuts,
    format: Format,
    tally: Tally,
    out: &'a mut dyn Write,
    errors: &'a mut dyn Write,
}

/// How much was replayed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    exchanges: u64,
    spans: u64,
    failed: u64,
}

impl Run<'_> {
    fn file(&mut self, path: &Path) -> anyhow::Result<()> {
        let entries = match recording::open(path) {
            Ok(entries) => entries,
            Err(error) => return self.fail(&error.to_string()),
        };
        for entry in entries {
            match entry {
                Ok(recorded) => self.exchange(path, &recorded)?,
                Err(error) => self.fail(&error.to_string())?,
            }
        }
        Ok(())
    }

    fn exchange(&mut self, path: &Path, recorded: &Recorded) -> anyhow::Result<()> {
        self.tally.exchanges += 1;
        let Replayed { span, logs } = match self.replayer.replay(&recorded.exchange, self.cuts) {
            Ok(done) => done,
            Err(error) => return self.fail(&format!("{}: {}: {error}", path.display(), recorded.name)),
        };
        self.log(&logs)?;
        self.tally.spans += u64::from(span.is_some());
        let line = Line {
            recording: &path.display().to_string(),
            exchange: &recorded.name,
            has_times: recorded.exchange.times.is_some(),
            span,
        };
        Ok(output::line(self.format, line, self.out)?)
    }

    fn fail(&mut self, message: &str) -> anyhow::Result<()> {
        self.tally.failed += 1;
        Ok(writeln!(self.errors, "meshtap replay: {message}")?)
    }

    /// What the filter warns about.
    fn log(&mut self, lines: &[LogLine]) -> anyhow::Result<()> {
        const WARN: u32 = 3;
        for line in lines.iter().filter(|line| line.level >= WARN) {
            writeln!(self.errors, "{}", line.message)?;
        }
        Ok(())
    }
}
