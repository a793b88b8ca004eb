//! What was measured as tables, as figures, and beside what is wanted.

use std::fmt::Write as _;

use super::load::Sent;
use super::sides::Side;
use super::{Away, Passage};
use crate::bench::{Figure, median};
use crate::storebench::Taken;

/// One bound on a figure.
pub struct Wanted {
    pub what: &'static str,
    pub bound: String,
    pub found: f64,
    pub is_met: bool,
}

/// The passages of one side.
pub struct Passages<'a> {
    pub side: Side,
    pub all: &'a [Passage],
}

impl Passages<'_> {
    fn values(&self, of: impl Fn(&Passage) -> f64) -> Vec<f64> {
        self.all.iter().map(of).collect()
    }

    pub fn spans_per_second(&self) -> Vec<f64> {
        self.values(|passage| passage.spans_per_second().round())
    }

    pub fn cpu_seconds_per_million(&self) -> Vec<f64> {
        self.values(|passage| (passage.cpu_seconds_per_million() * 100.0).round() / 100.0)
    }

    /// One line: the medians with their range.
    pub fn line(&self) -> String {
        let mut line = format!("{:<9}", self.side.name());
        for (values, digits) in [
            (self.spans_per_second(), 0),
            (self.values(Passage::answered_per_second), 0),
            (self.cpu_seconds_per_million(), 1),
            (self.values(|passage| passage.peak_mib), 0),
            (self.values(Passage::insert_bytes_per_span), 0),
        ] {
            let (low, high) = values
                .iter()
                .fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
            let range = format!("({low:.digits$}–{high:.digits$})");
            let _ = write!(line, "  {:>9.digits$} {range:<17}", median(&values));
        }
        line
    }
}

pub fn head() -> String {
    let columns = ["spans/s stored", "spans/s answered", "CPU-s/million", "peak MiB", "insert B/span"];
    let mut head = format!("{:<9}", "");
    for column in columns {
        let _ = write!(head, "  {column:>16}{:11}", "");
    }
    head
}

/// What a passage lost, or had twice.
pub fn mistake(passage: &Passage) -> Option<String> {
    let Passage { spans, rows, distinct, repeated, .. } = *passage;
    let is_right = distinct == spans && (rows == spans || repeated > 0);
    (!is_right).then(|| format!("{spans} spans were sent, {rows} stored, {distinct} of them different"))
}

/// Of full load.
pub fn throughput(
    meshtap: &Passages<'_>,
    rotel: &Passages<'_>,
) -> (Vec<(&'static str, Figure)>, Vec<Wanted>) {
    let rate = meshtap.spans_per_second();
    let cpu = meshtap.cpu_seconds_per_million();
    let mut figures = vec![
        ("spans_per_s", Figure::measured(&rate, "1/s")),
        ("cpu_s_per_million", Figure::measured(&cpu, "s")),
    ];
    if rotel.all.is_empty() {
        return (figures, Vec::new());
    }
    let (its_rate, its_cpu) = (rotel.spans_per_second(), rotel.cpu_seconds_per_million());
    let rate_ratio = median(&rate) / median(&its_rate);
    let cpu_ratio = median(&cpu) / median(&its_cpu);
    figures[0].1 = figures[0].1.clone().compared_with("rotel_spans_per_s", rate_ratio);
    figures[1].1 = figures[1].1.clone().compared_with("rotel_cpu_s_per_million", cpu_ratio);
    figures.push(("rotel_spans_per_s", Figure::measured(&its_rate, "1/s")));
    figures.push(("rotel_cpu_s_per_million", Figure::measured(&its_cpu, "s")));
    let wanted = vec![
        at_least("spans/s, times rotel's", rate_ratio, 1.0),
        at_most("CPU-s/million, times rotel's", cpu_ratio, 0.85),
    ];
    (figures, wanted)
}

/// Of a steady rate.
pub fn latency(sent: &Sent) -> (Vec<(&'static str, Figure)>, Vec<Wanted>) {
    let millis = |percent| (sent.percentile(percent).as_secs_f64() * 1e5).round() / 100.0;
    let figures = vec![
        ("ack_p50_ms", Figure::new(millis(50), "ms")),
        ("ack_p99_ms", Figure::new(millis(99), "ms")),
        ("ack_max_ms", Figure::new(millis(100), "ms")),
    ];
    (figures, vec![at_most("ack p99, ms", millis(99), 100.0)])
}

/// Of a store that is away.
pub fn away(away: &Away) -> (Vec<(&'static str, Figure)>, Vec<Wanted>) {
    let peak = (away.peak_mib() * 10.0).round() / 10.0;
    let slope = (away.slope_mib_per_hour() * 10.0).round() / 10.0;
    let figures = vec![
        ("rss_store_away_mib", Figure::new(peak, "MiBy")),
        ("rss_store_away_slope_mib_per_h", Figure::new(slope, "MiBy/h")),
    ];
    (figures, vec![at_most("RSS with the store away, MiB", peak, 300.0)])
}

/// What SQLite takes for each span that rotel takes: on a quiet machine, and wanted of any.
const SQLITE_TO_ROTEL: f64 = 40_000.0 / 105_000.0;

/// SQLite beside rotel's rate of the same run; absolute rates move with the machine.
pub fn beside_rotel(sqlite: &Taken, rotel: &Passages<'_>) -> Option<(Figure, Wanted)> {
    if rotel.all.is_empty() {
        return None;
    }
    let ratio = sqlite.spans_per_second() / median(&rotel.spans_per_second());
    let figure = Figure::new((ratio * 1000.0).round() / 1000.0, "1");
    Some((figure, at_least("SQLite, spans/s, times rotel's", ratio, SQLITE_TO_ROTEL)))
}

/// Of the stores alone.
pub fn stores(sqlite: &Taken, clickhouse: &Taken) -> Vec<Wanted> {
    vec![
        at_most("ClickHouse, bytes a span", clickhouse.bytes_per_span("spans"), 75.0),
        at_least("SQLite, spans/s", sqlite.spans_per_second(), 40_000.0),
    ]
}

fn at_least(what: &'static str, found: f64, bound: f64) -> Wanted {
    Wanted { what, bound: format!("at least {}", shown(bound)), found, is_met: found >= bound }
}

fn at_most(what: &'static str, found: f64, bound: f64) -> Wanted {
    Wanted { what, bound: format!("at most {}", shown(bound)), found, is_met: found <= bound }
}

/// With as many digits as it has, at most two.
fn shown(bound: f64) -> f64 {
    (bound * 100.0).round() / 100.0
}
