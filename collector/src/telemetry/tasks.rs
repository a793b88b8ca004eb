//! The tasks of the collector that failed.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    task: &'static str,
}

#[derive(Clone, Debug)]
pub struct TaskMetrics {
    failed: Family<Labels, Counter>,
}

impl TaskMetrics {
    pub fn new(registry: &mut Registry) -> Self {
        let failed = Family::default();
        registry.register(
            "meshtap_tasks_failed",
            "Tasks of the collector that failed, by name; it ends then",
            Clone::clone(&failed),
        );
        Self { failed }
    }

    pub fn failed(&self, task: &'static str) {
        self.failed.get_or_create(&Labels { task }).inc();
    }
}
