//! Holds docs/metrics.md to the metrics that there are.

use std::collections::BTreeSet;
use std::path::Path;

use meshtap_filter::stats::Metric;

use super::exposition::PROMETHEUS;
use super::metrics::Metrics;
use crate::config;

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md")).unwrap()
}

/// What stands between the heading and the next.
fn section(heading: &str) -> String {
    let page = page();
    let (_, rest) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    rest.split("\n## ").next().unwrap().to_owned()
}

/// The names in the first column of a section's tables.
fn named(section: &str) -> BTreeSet<&str> {
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let names = rows.flat_map(|cell| cell.split('`').step_by(2));
    names.filter(|name| name.starts_with("meshtap_") || name.starts_with("gen_ai_")).collect()
}

#[test]
fn the_page_has_the_filters_metrics_and_no_others() {
    let section = section("The filter");
    let metrics: BTreeSet<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    assert_eq!(named(&section), metrics);
}

/// Of a metric whose labels have not been seen nothing shows.
#[test]
fn the_page_has_the_metrics_of_a_collector_that_has_just_started() {
    let section = section("The collector");
    let metrics = Metrics::new(&config::Metrics { max_label_values: 1, max_label_combinations: 1 });
    let (_, text) = metrics.render(PROMETHEUS).unwrap();
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let families: BTreeSet<&str> = families.collect();
    assert!(families.len() > 20, "{families:?}");
    assert_eq!(families.difference(&named(&section)).collect::<Vec<_>>(), Vec::<&&str>::new());
}

#[test]
fn what_the_filter_loses_has_an_alert() {
    let alerts = section("What to alert on");
    for metric in [
        Metric::SpansDroppedQueueFull,
        Metric::SpansDroppedRefused,
        Metric::SpansRejected,
        Metric::SpansLeft,
        Metric::SpansTakenOver,
        Metric::ContentDroppedQueueFull,
        Metric::ExportRetries,
        Metric::UsageAbsent,
        Metric::ConfigProblems,
        Metric::ExchangesSeenTwice,
        Metric::HostErrors,
        Metric::Heartbeats,
    ] {
        assert!(alerts.contains(metric.name()), "no alert on {}", metric.name());
    }
}
