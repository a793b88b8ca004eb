//! How replayed exchanges are printed: a table for people, one JSON object a line for programs.

use std::io::{self, Write};

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::model::SpanRecord;
use crate::query::SpanBody;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Columns for reading.
    Table,
    /// One object a line: `recording`, `exchange`, and `span` as the query API gives it, or null.
    Json,
}

/// One exchange, replayed.
pub(super) struct Line<'a> {
    pub(super) recording: &'a str,
    pub(super) exchange: &'a str,
    pub(super) has_times: bool,
    /// `None` when it is not an LLM call.
    pub(super) span: Option<SpanRecord>,
}

pub(super) fn head(format: Format, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Table => writeln!(out, "{}", row(COLUMNS.map(|(name, _)| name.to_owned()))),
        Format::Json => Ok(()),
    }
}

pub(super) fn line(format: Format, line: Line<'_>, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Table => writeln!(out, "{}", row(cells(&line))),
        Format::Json => writeln!(out, "{}", object(line)?),
    }
}

fn object(line: Line<'_>) -> io::Result<Value> {
    let mut span = serde_json::to_value(line.span.map(SpanBody::from))?;
    if let (Some(span), false) = (span.as_object_mut(), line.has_times) {
        // Not the recording's: those of the replay.
        for name in ["start_time", "end_time", "duration_ms"] {
            span.insert(name.to_owned(), Value::Null);
        }
    }
    Ok(json!({ "recording": line.recording, "exchange": line.exchange, "span": span }))
}

/// Names and widths; a negative width aligns to the left.
const MODEL_WIDTH: isize = 36;
const COLUMNS: [(&str, isize); 10] = [
    ("exchange", -18),
    ("operation", -18),
    ("model", -MODEL_WIDTH),
    ("input", 8),
    ("output", 7),
    ("cached", 7),
    ("reasoning", 10),
    ("ms", 8),
    ("finish", -16),
    ("end", 0),
];

fn row(cells: [String; COLUMNS.len()]) -> String {
    let padded = cells.into_iter().zip(COLUMNS).map(|(cell, (_, width))| {
        let size = width.unsigned_abs();
        if width < 0 { format!("{cell:<size$}") } else { format!("{cell:>size$}") }
    });
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

fn cells(line: &Line<'_>) -> [String; COLUMNS.len()] {
    const ABSENT: &str = "-";
    let absent = || ABSENT.to_owned();
    let exchange = printable(line.exchange);
    let Some(span) = &line.span else {
        let mut words = [exchange, "not an LLM call".to_owned()].into_iter();
        return std::array::from_fn(|_| words.next().unwrap_or_default());
    };
    let count = |count: Option<u64>| count.map_or_else(absent, |count| count.to_string());
    let gen_ai = &span.gen_ai;
    let usage = &gen_ai.usage;
    let end = gen_ai.end.clone().unwrap_or_default();
    [
        exchange,
        printable(gen_ai.operation_name.as_deref().unwrap_or(ABSENT)),
        elided(&printable(gen_ai.model().unwrap_or(ABSENT)), MODEL_WIDTH.unsigned_abs()),
        count(usage.input_tokens),
        count(usage.output_tokens),
        count(usage.cache_read_input_tokens),
        count(usage.reasoning_output_tokens),
        count(line.has_times.then(|| span.duration_nanos() / 1_000_000)),
        printable(&gen_ai.finish_reasons.join(",")),
        span.error_type.as_ref().map_or_else(|| end.clone(), |error| format!("{end}: {error}")),
    ]
}

/// What a recording says must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|one| if one.is_control() { '\u{fffd}' } else { one }).collect()
}

/// Its ends, when it is longer than `width`: names of models differ in both.
fn elided(text: &str, width: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    let Some(kept) = width.checked_sub(1).filter(|_| characters.len() > width) else {
        return text.to_owned();
    };
    let (head, tail) = (kept.div_ceil(2), kept / 2);
    let tail = characters.iter().skip(characters.len() - tail);
    characters.iter().take(head).chain(&['…']).chain(tail).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_their_ends() {
        assert_eq!(elided("abcdefgh", 8), "abcdefgh");
        assert_eq!(elided("abcdefghi", 8), "abcd…ghi");
    }

    #[test]
    fn columns_line_up() {
        let mut out = Vec::new();
        head(Format::Table, &mut out).unwrap();
        let unknown = Line { recording: "f", exchange: "line 1\u{1b}[2J", has_times: false, span: None };
        line(Format::Table, unknown, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let rows: Vec<&str> = text.lines().collect();
        assert!(rows[0].starts_with("exchange            operation           model "), "{}", rows[0]);
        assert_eq!(rows[1], "line 1\u{fffd}[2J          not an LLM call");
    }
}
