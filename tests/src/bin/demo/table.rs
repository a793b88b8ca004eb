//! What the query API tells, as tables.

use meshtap_tests::collector::Collector;
use meshtap_tests::spans::Span;
use serde_json::Value;

const NEWEST: usize = 15;
const ABSENT: &str = "-";

pub(super) fn print_newest(collector: &Collector) {
    let spans = collector.spans(&format!("limit={NEWEST}"));
    let header = ["time", "workload", "model", "input", "output", "first content", "duration", "end"];
    println!("\nThe newest calls");
    print(&header, "lllrrrrl", &spans.iter().map(call).collect::<Vec<_>>());
}

pub(super) fn print_usage(collector: &Collector) {
    let header = ["model", "calls", "errors", "input", "cached", "output", "reasoning"];
    let keys = [
        "model",
        "calls",
        "errors",
        "input_tokens",
        "cache_read_input_tokens",
        "output_tokens",
        "reasoning_output_tokens",
    ];
    let rows: Vec<Vec<String>> = collector
        .usage("model")
        .iter()
        .map(|row| keys.iter().map(|key| cell(&row[*key])).collect())
        .collect();
    println!("\nUsage by model");
    print(&header, "lrrrrrr", &rows);
}

fn call(span: &Span) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| ABSENT.to_owned());
    let count = |value: Option<u64>| value.map_or_else(|| ABSENT.to_owned(), |count| count.to_string());
    let end = match &span.error_type {
        Some(error) => format!("{}: {error}", text(&span.end)),
        None => text(&span.end),
    };
    vec![
        span.start_time.get(11..19).unwrap_or(&span.start_time).to_owned(),
        text(&span.workload),
        text(&span.request_model),
        count(span.usage.input_tokens),
        count(span.usage.output_tokens),
        span.time_to_first_content_ms.map_or_else(|| ABSENT.to_owned(), millis),
        millis(span.duration_ms),
        end,
    ]
}

fn millis(millis: f64) -> String {
    format!("{millis:.0} ms")
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => ABSENT.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `alignment` has one letter a column: `l` or `r`.
fn print(header: &[&str], alignment: &str, rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(header.get(column).map(|title| title.len())).max().unwrap_or(0)
    };
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells.zip(alignment.chars()).enumerate().map(|(column, (cell, side))| {
            let width = width(column);
            if side == 'r' { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        format!("  {}", padded.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
    };
    println!("{}", line(&mut header.iter().copied()));
    for row in rows {
        println!("{}", line(&mut row.iter().map(String::as_str)));
    }
}
