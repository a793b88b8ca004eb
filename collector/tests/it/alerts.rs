//! What docs/metrics.md tells operators to alert on is there before anything has happened: of a counter that begins with
//! its first event, Prometheus sees no increase.

use crate::export::{grpc, onward};
use crate::running::Running;

#[tokio::test]
async fn every_counter_that_is_alerted_on_is_there_from_the_start() {
    let document = include_str!("../../../docs/metrics.md");
    let (of_filter, rest) = document.split_once("## The collector").unwrap();
    let (of_collector, alerts) = rest.split_once("## What to alert on").unwrap();
    let backend = Running::start().await;
    let collector = Running::with(onward(grpc(&backend))).await;
    let (_, text) = collector.get("/metrics").await;

    let mut looked_at = 0;
    for (name, label) in counters(alerts) {
        assert!(of_filter.contains(name) || of_collector.contains(name), "{name} is nobody's");
        if !of_collector.contains(name) {
            continue;
        }
        looked_at += 1;
        let is_shown = text.lines().any(|line| line.starts_with(name) && line.contains(label));
        assert!(is_shown, "{name} with {label} is not there before its first event");
    }
    assert!(looked_at > 10, "{looked_at}");
}

/// Names of counters with the label that is asked for, as they stand in expressions.
fn counters(alerts: &str) -> impl Iterator<Item = (&str, &str)> {
    alerts.match_indices("meshtap_").filter_map(|(at, _)| {
        let rest = alerts.get(at..)?;
        let end = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))?;
        let (name, behind) = rest.split_at(end);
        let label = behind.strip_prefix('{').and_then(|labels| labels.split_once('}')).map_or("", |of| of.0);
        name.ends_with("_total").then_some((name, if label.contains("!=") { "" } else { label }))
    })
}
