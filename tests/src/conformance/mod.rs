//! Recorded exchanges of real LLM APIs through the real module, outside Envoy.
//!
//! Each exchange is fed three ways: whole, in pieces of random sizes, and byte by byte where both bodies are small. The
//! three must give the same span. Bodies that the wire had compressed are compressed again first. What the span says
//! becomes a prediction, which `check_corpus.py` holds against what the vendor's own SDK read.
//!
//! A recording is a line of the form that `meshtap replay` reads; `capture.response_content_encoding_header` says
//! whether the wire was compressed.

mod predict;
mod recode;
pub mod score;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use meshtap_collector::model::{SpanId, SpanRecord, TraceId};
use meshtap_collector::replay::recording;
use meshtap_collector::wasm::replay::{Cuts, Exchange, Replayer};
use serde_json::Value;

use self::recode::Recoder;

/// What was done with the exchanges of some files.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    pub exchanges: u64,
    pub spans: u64,
    /// Answers that were compressed again.
    pub compressed: u64,
    pub bytewise: u64,
    /// What went wrong, in words: a trap, or spans that depend on how the bytes were cut.
    pub problems: Vec<String>,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.exchanges += other.exchanges;
        self.spans += other.spans;
        self.compressed += other.compressed;
        self.bytewise += other.bytewise;
        self.problems.extend(other.problems.iter().cloned());
    }
}

/// Feeds files of recordings to one module.
#[derive(Debug)]
pub struct Conformance {
    replayer: Replayer,
    recoder: Recoder,
    max_bytewise_bytes: usize,
    seed: u64,
}

impl Conformance {
    /// Exchanges with bodies of at most `max_bytewise_bytes` are also fed byte by byte.
    pub fn new(wasm: &[u8], max_bytewise_bytes: usize) -> Self {
        let replayer = Replayer::new(wasm, br#"{"detect": "heuristic"}"#).expect("the filter starts");
        assert_eq!(replayer.start_logs, [], "the filter takes its configuration");
        Self { replayer, recoder: Recoder::default(), max_bytewise_bytes, seed: 0 }
    }

    /// Writes a prediction for every line of `path`.
    pub fn file(&mut self, path: &Path, predictions: &mut dyn Write) -> io::Result<Tally> {
        let mut tally = Tally::default();
        for (index, line) in lines(path)?.enumerate() {
            let place = format!("{}:{}", path.display(), index + 1);
            let line = line?;
            let recorded = recording::line(&line).map_err(|problem| bad(&place, &problem))?;
            let record: Value =
                serde_json::from_str(&line).map_err(|error| bad(&place, &error.to_string()))?;
            let span = self.exchange(&place, recorded.exchange, was_compressed(&record), &mut tally);
            writeln!(predictions, "{}", predict::prediction(&record["id"], span.as_ref()))?;
        }
        Ok(tally)
    }

    fn exchange(
        &mut self,
        place: &str,
        mut exchange: Exchange,
        compressed: bool,
        tally: &mut Tally,
    ) -> Option<SpanRecord> {
        tally.exchanges += 1;
        if let Some(response) =
            exchange.response.as_mut().filter(|response| compressed && !response.body.is_empty())
        {
            self.recoder.compress(response);
            tally.compressed += 1;
        }
        self.seed += 1;
        let mut ways = vec![Cuts::Whole, Cuts::Random(self.seed)];
        let answer = exchange.response.as_ref().map_or(0, |response| response.body.len());
        if exchange.request_body.len().max(answer) <= self.max_bytewise_bytes {
            tally.bytewise += 1;
            ways.push(Cuts::EveryByte);
        }
        let mut spans = Vec::new();
        for cuts in ways {
            match self.replayer.replay(&exchange, cuts) {
                Ok(replayed) => spans.push(replayed.span.map(timeless)),
                Err(error) => tally.problems.push(format!("{place}: {cuts:?}: {error}")),
            }
        }
        let first = spans.first().cloned().flatten();
        tally.spans += u64::from(first.is_some());
        if spans.iter().any(|span| *span != first) {
            tally.problems.push(format!("{place}: the span depends on how the bytes are cut: {spans:#?}"));
        }
        first
    }
}

/// The span without what is another one each time.
fn timeless(mut span: SpanRecord) -> SpanRecord {
    span.trace_id = TraceId([1; 16]);
    span.span_id = SpanId([1; 8]);
    span.start_unix_nanos = 0;
    span.end_unix_nanos = 0;
    span
}

fn was_compressed(record: &Value) -> bool {
    record["capture"]["response_content_encoding_header"].is_string()
}

fn bad(place: &str, problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{place}: {problem}"))
}

fn lines(path: &Path) -> io::Result<Box<dyn Iterator<Item = io::Result<String>>>> {
    let mut file = BufReader::new(File::open(path)?);
    Ok(if file.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        Box::new(BufReader::new(MultiGzDecoder::new(file)).lines())
    } else {
        Box::new(file.lines())
    })
}
