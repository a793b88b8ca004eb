//! The tasks of the collector that failed, and what they have put off.

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
    expiry_postponed: Counter,
}

impl TaskMetrics {
    pub fn new(registry: &mut Registry) -> Self {
        let failed = Family::default();
        registry.register(
            "meshtap_tasks_failed",
            "Tasks of the collector that failed, by name; it ends then",
            Clone::clone(&failed),
        );
        let expiry_postponed = Counter::default();
        registry.register(
            "meshtap_expiry_postponed",
            "Times that nothing was deleted for its age, because the clock is far ahead of what is known",
            Clone::clone(&expiry_postponed),
        );
        Self { failed, expiry_postponed }
    }

    /// The task shows from its start, so that an alert need not wait for the first failure.
    pub fn started(&self, task: &'static str) {
        drop(self.failed.get_or_create(&Labels { task }));
    }

    pub fn failed(&self, task: &'static str) {
        self.failed.get_or_create(&Labels { task }).inc();
    }

    pub fn expiry_postponed(&self) {
        self.expiry_postponed.inc();
    }
}
