//! The registry as text: OpenMetrics for who asks for it, the older Prometheus format for everyone else.
//!
//! The two differ in three ways that matter here: the older one names a counter's family with its `_total`, knows
//! no `info`, and has no `# UNIT` and no `# EOF`.

use std::fmt::Write as _;

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
pub const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The content type and the text.
pub fn render(registry: &Registry, accept: &str) -> Result<(&'static str, String), std::fmt::Error> {
    let mut open_metrics = String::new();
    text::encode(&mut open_metrics, registry)?;
    if accept.contains("application/openmetrics-text") {
        return Ok((OPEN_METRICS, open_metrics));
    }
    prometheus(&open_metrics).map(|text| (PROMETHEUS, text))
}

fn prometheus(open_metrics: &str) -> Result<String, std::fmt::Error> {
    let mut text = String::with_capacity(open_metrics.len());
    let mut pending_help: Option<(&str, &str)> = None;
    for line in open_metrics.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            pending_help = help.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let (suffix, kind) = older(kind);
            if let Some((_, help)) = pending_help.take() {
                writeln!(text, "# HELP {name}{suffix} {help}")?;
            }
            writeln!(text, "# TYPE {name}{suffix} {kind}")?;
        } else if !line.starts_with('#') {
            writeln!(text, "{line}")?;
        }
    }
    Ok(text)
}

/// What the older format calls a kind, and what it appends to the family's name.
fn older(kind: &str) -> (&'static str, &str) {
    match kind {
        "counter" => ("_total", kind),
        "info" => ("_info", "gauge"),
        "unknown" => ("", "untyped"),
        _ => ("", kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::gauge::Gauge;

    #[test]
    fn counters_carry_their_suffix_in_the_older_format() {
        let mut registry = Registry::default();
        let counter: Counter = Counter::default();
        counter.inc();
        registry.register("spans", "Spans", counter);
        registry.register("open", "Open", Gauge::<i64>::default());
        let (kind, text) = render(&registry, "*/*").unwrap();
        assert_eq!(kind, PROMETHEUS);
        assert_eq!(
            text,
            "# HELP spans_total Spans.\n# TYPE spans_total counter\nspans_total 1\n\
             # HELP open Open.\n# TYPE open gauge\nopen 0\n"
        );
        let (kind, text) = render(&registry, "application/openmetrics-text;version=1.0.0,*/*;q=0.1").unwrap();
        assert_eq!(kind, OPEN_METRICS);
        assert!(text.starts_with("# HELP spans Spans.\n# TYPE spans counter\nspans_total 1\n"), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }
}
