//! `meshtap_sidecar_config_info`: how many VMs of a workload run which module and which configuration.
//!
//! A push that did not arrive, or an older one that won, shows as a second row of one workload. Read from the heartbeats
//! when it is asked for; VMs that were silent for [`RECENT`] do not count.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::gauge::ConstGauge;

use super::labels::OTHER;
use crate::model::Origin;
use crate::sidecars::{Sidecars, Vm, VmFilter};

/// Longer than any sensible `heartbeat.interval_ms`, short enough for what is replaced to go away.
const RECENT: Duration = Duration::from_mins(10);
/// Rows; VMs of others are counted in one row of [`OTHER`].
const MAX_ROWS: usize = 1_000;

/// Namespace, workload, version, build and digest of the module, hash of the configuration.
type Row = [String; LABELS.len()];
const LABELS: [&str; 6] =
    ["namespace", "workload", "module_version", "module_build", "module_sha256", "config_sha256"];

#[derive(Debug)]
pub(super) struct SidecarConfigs(pub(super) Arc<Sidecars>);

impl Collector for SidecarConfigs {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let gauge = ConstGauge::new(0_i64);
        let help = "VMs of sidecars by the module and the configuration that they run, heard of in the last 10 minutes";
        let mut metric =
            encoder.encode_descriptor("meshtap_sidecar_config_info", help, None, gauge.metric_type())?;
        for (row, count) in rows(self.recent()) {
            let labels: Vec<(&str, &str)> = LABELS.into_iter().zip(row.iter().map(String::as_str)).collect();
            ConstGauge::new(count).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl SidecarConfigs {
    fn recent(&self) -> Vec<Vm> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = u64::try_from(now.saturating_sub(RECENT).as_nanos()).unwrap_or(u64::MAX);
        let filter = VmFilter { seen_since_unix_nanos: Some(since), ..VmFilter::default() };
        self.0.list(&filter, usize::MAX).0
    }
}

fn rows(vms: Vec<Vm>) -> BTreeMap<Row, i64> {
    let mut rows = BTreeMap::new();
    for vm in vms {
        let Origin { namespace, workload, .. } = vm.origin;
        let fields =
            [namespace, workload, vm.module_version, vm.module_build, vm.module_sha256, vm.config_sha256];
        let mut row = fields.map(Option::unwrap_or_default);
        if rows.len() >= MAX_ROWS && !rows.contains_key(&row) {
            row = [OTHER; LABELS.len()].map(str::to_owned);
        }
        *rows.entry(row).or_insert(0) += 1;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::registry::Registry;

    fn vm(workload: &str, id: &str, config: &str, age: Duration) -> Vm {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Vm {
            origin: Origin { workload: Some(workload.to_owned()), ..Origin::default() },
            vm_id: id.to_owned(),
            config_sha256: Some(config.to_owned()),
            last_seen_unix_nanos: u64::try_from(now.saturating_sub(age).as_nanos()).unwrap_or(0),
            ..Vm::default()
        }
    }

    #[test]
    fn workloads_are_counted_by_what_they_run() {
        let sidecars = Arc::<Sidecars>::default();
        for (workload, id, config, age) in
            [("a", "1", "new", 1), ("a", "2", "new", 2), ("a", "3", "old", 3), ("b", "4", "old", 700)]
        {
            sidecars.seen(vm(workload, id, config, Duration::from_secs(age)));
        }
        let mut registry = Registry::default();
        registry.register_collector(Box::new(SidecarConfigs(sidecars)));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let row = |config, count| {
            format!(
                "meshtap_sidecar_config_info{{namespace=\"\",workload=\"a\",module_version=\"\",module_build=\"\",module_sha256=\"\",\
                 config_sha256=\"{config}\"}} {count}\n"
            )
        };
        assert!(text.contains(&row("new", 2)) && text.contains(&row("old", 1)), "{text}");
        assert!(!text.contains("workload=\"b\""), "{text}");
    }

    #[test]
    fn rows_are_bounded() {
        let many = 0..MAX_ROWS + 5;
        let vms = many.map(|n| vm(&format!("w{n:05}"), "1", "c", Duration::ZERO)).collect();
        let rows = rows(vms);
        assert_eq!(rows.len(), MAX_ROWS + 1);
        assert_eq!(rows[&[OTHER; LABELS.len()].map(str::to_owned)], 5);
    }
}
