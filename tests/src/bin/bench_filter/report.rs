//! The tables, and the figures of `target/bench/filter.json`.

use meshtap_tests::bench::{Figure, median};
use meshtap_tests::overhead::measure::Growth;
use meshtap_tests::overhead::sides::Side;
use meshtap_tests::overhead::traffic::Kind;

use super::LOADS;
use super::results::Results;

pub(super) fn print(results: &Results, sides: &[Side]) {
    for load in &LOADS {
        print_load(results, sides, load.shape.kind);
    }
    print_memory(results, sides);
    print_spans(results);
    print_bounds(results);
}

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Json => "4.7 KB POST, 2 KB JSON: CPU µs per request",
        Kind::Burst => "201 events in a burst: CPU µs per event",
        Kind::Paced => "201 events, a millisecond or two between them: CPU µs per event",
        Kind::Other => "4.7 KB POST, 2 KB JSON, no call of a model: CPU µs per request",
        Kind::Gzip => "4.7 KB POST, 2 KB JSON under gzip: CPU µs per request",
        Kind::Large => "16 MB of JSON: CPU µs per request",
    }
}

fn print_load(results: &Results, sides: &[Side], kind: Kind) {
    if !results.samples.contains_key(&(kind, Side::Bare)) {
        return;
    }
    println!("\n{}", title(kind));
    println!(
        "  {:<22}{:>8}{:>17}{:>9}{:>17}{:>9}{:>7}{:>9}{:>7}",
        "", "median", "range", "above", "range", "native", "user", "per s", "busy"
    );
    for side in sides {
        let cpu = results.of(kind, *side, |sample| sample.cpu_us);
        let above = results.above(kind, *side);
        let mean = |value: fn(&meshtap_tests::overhead::measure::Sample) -> f64| {
            median(&results.of(kind, *side, value))
        };
        println!(
            "  {:<22}{:>8.2}{:>17}{:>9.2}{:>17}{:>9.2}{:>7.1}{:>9.0}{:>7.2}",
            side.name(),
            median(&cpu),
            range(&cpu),
            median(&above),
            range(&above),
            results.ratio(kind, *side, Side::Native),
            mean(|sample| sample.user_us),
            mean(|sample| sample.per_second),
            mean(|sample| sample.busy),
        );
    }
}

fn print_memory(results: &Results, sides: &[Side]) {
    println!("\n16 MB of JSON, 3 one at a time, then 16 eight at a time; medians");
    println!(
        "  {:<22}{:>8}{:>10}{:>10}{:>9}{:>9}{:>9}{:>9}{:>17}{:>17}",
        "", "start s", "ms alone", "ms of 8", "MiB", "alone", "of 8", "peak", "growth", "above bare"
    );
    for side in sides {
        let growths = results.growths.get(side).map(Vec::as_slice).unwrap_or_default();
        let of = |value: fn(&Growth) -> f64| -> Vec<f64> { growths.iter().map(value).collect() };
        let middle = |value: fn(&Growth) -> f64| median(&of(value));
        println!(
            "  {:<22}{:>8.2}{:>10.1}{:>10.1}{:>9.1}{:>9.1}{:>9.1}{:>9.1}{:>17}{:>17}",
            side.name(),
            median(results.starts.get(side).map(Vec::as_slice).unwrap_or_default()),
            middle(|growth| growth.alone_ms),
            middle(|growth| growth.together_ms),
            middle(|growth| growth.before_mib),
            middle(|growth| growth.after_alone_mib),
            middle(|growth| growth.after_together_mib),
            middle(|growth| growth.peak_mib),
            range(&of(Growth::mib)),
            range(&results.growth_above(*side)),
        );
    }
}

fn print_spans(results: &Results) {
    println!(
        "\n{:<24}{:>10}{:>10}{:>10}{:>10}{:>10}",
        "Spans", "calls", "arrived", "lost", "dropped", "retries"
    );
    for (side, account) in &results.accounts {
        println!(
            "  {:<22}{:>10}{:>10}{:>10}{:>10}{:>10}",
            side.name(),
            account.calls,
            account.arrived,
            account.lost(),
            account.dropped,
            account.retries
        );
    }
    for (pointer, value) in Side::Meshtap.settings() {
        println!("  sent with {} {value}", pointer.trim_start_matches('/'));
    }
}

/// Each a ratio of what two sides add in the same run.
fn print_bounds(results: &Results) {
    println!("\n{:<52}{:>8}{:>8}", "Ratios", "is", "at most");
    let native = |kind| results.ratio(kind, Side::Meshtap, Side::Native);
    let content = results.ratio(Kind::Json, Side::Content, Side::Meshtap);
    let ratios = [
        ("JSON request, to ai_protocol_manager", native(Kind::Json), Some(1.0)),
        ("event in a burst, to ai_protocol_manager", native(Kind::Burst), Some(0.25)),
        // What the kernel does for each is most of it, on every side.
        ("event by itself, to ai_protocol_manager", native(Kind::Paced), None),
        (
            "other traffic, to a no-op module",
            results.ratio(Kind::Other, Side::Meshtap, Side::Noop),
            Some(1.3),
        ),
        // About the least that a filter can be at: it must ask something to tell requests apart.
        (
            "other traffic, a no-op that asks for :path, to one",
            results.ratio(Kind::Other, Side::Asking, Side::Noop),
            None,
        ),
        ("JSON request with content, to without", content, Some(2.0)),
        (
            "MiB above no filter, eight answers of 16 MB",
            median(&results.growth_above(Side::Meshtap)),
            Some(2.0),
        ),
    ];
    for (what, is, bound) in ratios {
        let verdict = match bound {
            _ if is.is_nan() => "not measured",
            Some(bound) if is > bound => "MISSED",
            _ => "",
        };
        let bound = bound.map(|bound: f64| format!("{bound:.2}")).unwrap_or_default();
        println!("  {what:<50}{is:>8.2}{bound:>8}  {verdict}");
    }
}

/// A figure: CPU that a side adds under a load, compared with another side's where that matters.
struct Key {
    name: &'static str,
    kind: Kind,
    side: Side,
    of: Option<(&'static str, Side)>,
}

const fn key(name: &'static str, kind: Kind, side: Side) -> Key {
    Key { name, kind, side, of: None }
}

impl Key {
    const fn of(self, name: &'static str, side: Side) -> Self {
        Self { of: Some((name, side)), ..self }
    }
}

const KEYS: [Key; 14] = [
    key("json_us", Kind::Json, Side::Meshtap).of("native_json_us", Side::Native),
    key("sse_chunk_us", Kind::Burst, Side::Meshtap).of("native_sse_chunk_us", Side::Native),
    key("sse_paced_chunk_us", Kind::Paced, Side::Meshtap).of("native_sse_paced_chunk_us", Side::Native),
    key("other_us", Kind::Other, Side::Meshtap).of("noop_other_us", Side::Noop),
    key("content_json_us", Kind::Json, Side::Content).of("json_us", Side::Meshtap),
    key("noop_json_us", Kind::Json, Side::Noop),
    key("noop_sse_chunk_us", Kind::Burst, Side::Noop),
    key("noop_sse_paced_chunk_us", Kind::Paced, Side::Noop),
    key("noop_other_us", Kind::Other, Side::Noop),
    key("asking_other_us", Kind::Other, Side::Asking).of("noop_other_us", Side::Noop),
    key("native_json_us", Kind::Json, Side::Native),
    key("native_sse_chunk_us", Kind::Burst, Side::Native),
    key("native_sse_paced_chunk_us", Kind::Paced, Side::Native),
    key("native_other_us", Kind::Other, Side::Native),
];

pub(super) fn figures(results: &Results) -> Vec<(&'static str, Figure)> {
    let mut figures = Vec::new();
    for Key { name, kind, side, of } in &KEYS {
        let above = results.above(*kind, *side);
        if above.is_empty() {
            continue;
        }
        let figure = Figure::measured(&above, "us");
        figures.push((
            *name,
            match of {
                Some((other, its)) => figure.compared_with(other, results.ratio(*kind, *side, *its)),
                None => figure,
            },
        ));
    }
    let start = |side: Side| median(results.starts.get(&side).map(Vec::as_slice).unwrap_or_default());
    let starts = Figure::measured(&results.start_above(Side::Meshtap), "s");
    figures.push(("rss_16mb_mib", Figure::measured(&results.growth_above(Side::Meshtap), "MiBy")));
    figures.push((
        "start_cpu_s",
        starts.compared_with("Envoy without a filter, both whole", start(Side::Meshtap) / start(Side::Bare)),
    ));
    figures.push(("spans_lost", Figure::new(results.lost(), "1")));
    figures
}

fn range(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if values.is_empty() { "-".to_owned() } else { format!("{least:.2}–{most:.2}") }
}
