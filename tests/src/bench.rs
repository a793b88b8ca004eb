//! What a benchmark leaves behind: its figures and the machine they were taken on, as `target/bench/NAME.json`.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::thread;

use serde::Serialize;
use serde_json::{Value, json};

use crate::tools;

/// How often each side is measured, unless `MESHTAP_BENCH_ROUNDS` says otherwise.
const ROUNDS: usize = 5;

/// Rounds to measure; at least one.
pub fn rounds() -> usize {
    let asked = env::var("MESHTAP_BENCH_ROUNDS").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(ROUNDS).max(1)
}

/// One number of a benchmark.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    value: Value,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
}

impl Figure {
    /// `unit` as UCUM writes it: `By`, `KiBy`, `s`, `us`, `1`.
    pub fn new(value: impl Into<Value>, unit: &'static str) -> Self {
        Self { value: value.into(), unit, min: None, max: None, of: None, ratio: None }
    }

    /// The median of what was measured, with its range.
    pub fn measured(values: &[f64], unit: &'static str) -> Self {
        let sorted = sorted(values);
        Self {
            min: sorted.first().copied().map(rounded),
            max: sorted.last().copied().map(rounded),
            ..Self::new(rounded(median(values)), unit)
        }
    }

    /// What it is compared with, and how many times as much of it there is.
    #[must_use]
    pub fn compared_with(self, of: &'static str, ratio: f64) -> Self {
        Self { of: Some(of), ratio: Some(rounded(ratio)), ..self }
    }
}

/// The middle of `values`, or the mean of the two in the middle; not a number when there are none.
pub fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    let upper = sorted.len() / 2;
    if sorted.len() % 2 == 1 { at(upper) } else { at(upper.wrapping_sub(1)).midpoint(at(upper)) }
}

/// Without the digits that only the binary representation has.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Writes `target/bench/NAME.json`, in place of what an earlier run left there.
#[track_caller]
pub fn write(name: &str, rounds: usize, figures: &[(&str, Figure)]) -> PathBuf {
    let figures: serde_json::Map<String, Value> =
        figures.iter().map(|(key, figure)| ((*key).to_owned(), json!(figure))).collect();
    let report = json!({"machine": machine(), "rounds": rounds, "figures": figures});
    let folder = tools::target().join("bench");
    let path = folder.join(format!("{name}.json"));
    let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, format!("{report:#}\n")));
    written.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    path
}

/// Processor, how many of it, and kernel.
pub fn machine() -> String {
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let (_, value) = text.lines().find(|line| line.starts_with("model name"))?.split_once(':')?;
        Some(value.trim().to_owned())
    });
    let model = model.unwrap_or_else(|| env::consts::ARCH.to_owned());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cpus} x {model}, {} {}", env::consts::OS, kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_figure_leaves_out_what_it_does_not_have() {
        assert_eq!(json!(Figure::new(5, "By")), json!({"value": 5, "unit": "By"}));
        let figure = Figure::measured(&[2.0, 1.0, 3.0], "s").compared_with("without", 4.0);
        let expected =
            json!({"value": 2.0, "unit": "s", "min": 1.0, "max": 3.0, "of": "without", "ratio": 4.0});
        assert_eq!(json!(figure), expected);
    }
}
