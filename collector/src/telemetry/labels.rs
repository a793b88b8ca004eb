//! Label values that come from the network, bounded: so many values per label, and so many combinations.
//!
//! A value beyond the bound becomes [`OTHER`], and is counted. An absent value is the empty string, which Prometheus
//! takes as "no such label".

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// What stands for the values that found no room.
pub const OTHER: &str = "_OTHER";
/// Longer values take the same way as those that found no room.
const MAX_VALUE_BYTES: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OverflowLabels {
    label: &'static str,
}

#[derive(Debug)]
pub struct LabelRegistry {
    max_values: usize,
    max_combinations: usize,
    seen: Mutex<Seen>,
    overflows: Family<OverflowLabels, Counter>,
}

#[derive(Debug, Default)]
struct Seen {
    values: HashMap<&'static str, HashSet<String>>,
    combinations: HashSet<Vec<String>>,
}

impl LabelRegistry {
    pub fn new(max_values: usize, max_combinations: usize, registry: &mut Registry) -> Self {
        let overflows = Family::default();
        registry.register(
            "meshtap_metric_label_overflows",
            "Label values replaced by _OTHER because the label, or all labels together, had reached their bound",
            overflows.clone(),
        );
        Self { max_values, max_combinations, seen: Mutex::default(), overflows }
    }

    /// The same values, bounded.
    pub fn admit<const N: usize>(&self, labels: [(&'static str, Option<&str>); N]) -> [String; N] {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let admitted = labels
            .map(|(label, value)| value.map_or(String::new(), |value| self.one(&mut seen, label, value)));
        if seen.combinations.contains(admitted.as_slice()) {
            return admitted;
        }
        if seen.combinations.len() < self.max_combinations {
            seen.combinations.insert(admitted.to_vec());
            return admitted;
        }
        self.count_overflow("all");
        std::array::from_fn(|_| OTHER.to_owned())
    }

    fn one(&self, seen: &mut Seen, label: &'static str, value: &str) -> String {
        let values = seen.values.entry(label).or_default();
        if values.contains(value) {
            return value.to_owned();
        }
        if values.len() < self.max_values && value.len() <= MAX_VALUE_BYTES {
            values.insert(value.to_owned());
            return value.to_owned();
        }
        self.count_overflow(label);
        OTHER.to_owned()
    }

    fn count_overflow(&self, label: &'static str) {
        self.overflows.get_or_create(&OverflowLabels { label }).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(max_values: usize, max_combinations: usize) -> LabelRegistry {
        LabelRegistry::new(max_values, max_combinations, &mut Registry::default())
    }

    #[test]
    fn values_beyond_the_bound_become_other_and_are_counted() {
        let labels = registry(2, 100);
        let admit = |value| labels.admit([("model", Some(value))])[0].clone();
        assert_eq!(["a", "b", "c", "a", "d"].map(admit), ["a", "b", OTHER, "a", OTHER]);
        assert_eq!(labels.overflows.get_or_create(&OverflowLabels { label: "model" }).get(), 2);
        assert_eq!(labels.admit([("provider", Some("c")), ("model", None)]), ["c".to_owned(), String::new()]);
    }

    #[test]
    fn long_values_become_other() {
        let long = "x".repeat(MAX_VALUE_BYTES + 1);
        assert_eq!(registry(2, 100).admit([("model", Some(&long))]), [OTHER]);
    }

    #[test]
    fn combinations_are_bounded_too() {
        let labels = registry(10, 2);
        let admit = |a, b| labels.admit([("a", Some(a)), ("b", Some(b))]).concat();
        assert_eq!(
            [admit("1", "1"), admit("1", "2"), admit("2", "1"), admit("1", "2")],
            ["11", "12", "_OTHER_OTHER", "12"]
        );
    }
}
