//! `make bench-store`: spans a second and bytes a span in SQLite and ClickHouse.
//!
//! Prints a table and writes `target/bench/store.json`. `MESHTAP_BENCH_SPANS` is the number of spans; default 1,000,000.
#![expect(clippy::print_stdout, reason = "a program that shows things")]

use std::env;

use meshtap_tests::{bench, storebench};

const SPANS: usize = 1_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let spans = env::var("MESHTAP_BENCH_SPANS").ok().and_then(|text| text.parse().ok()).unwrap_or(SPANS);
    println!("bench-store: {spans} spans on {}", bench::machine());
    let runtime = tokio::runtime::Runtime::new()?;
    let sqlite = runtime.block_on(storebench::sqlite(spans))?;
    println!(
        "sqlite      {:>8.0} spans/s  {:>6.1} B/span",
        sqlite.spans_per_second(),
        sqlite.bytes_per_span("")
    );
    let clickhouse = runtime.block_on(storebench::clickhouse(spans))?;
    println!(
        "clickhouse  {:>8.0} spans/s  {:>6.1} B/span, and {:.1} of rollups",
        clickhouse.spans_per_second(),
        clickhouse.bytes_per_span("spans"),
        clickhouse.bytes_per_span("usage_")
    );
    let figures = storebench::figures(&sqlite, &clickhouse);
    println!("\nWritten to {}", bench::write("store", 1, &figures).display());
    Ok(())
}
