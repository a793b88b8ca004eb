//! Which sidecars run the filter, and what they run: the newest heartbeat of each.
//!
//! Kept in memory alone, and bounded: a collector that starts knows them all again within one interval of theirs.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use meshtap_filter::semconv;
use serde_json::Value;

use crate::model::{Origin, SpanRecord};

/// VMs that are remembered; beyond it the one that was silent longest is forgotten.
const MAX_VMS: usize = 10_000;
/// VMs that were silent so long are gone: a new configuration and a new pod have a new id.
const MAX_SILENCE: Duration = Duration::from_hours(24);
/// Longest text that is kept of a heartbeat.
const MAX_CHARACTERS: usize = 256;
const MAX_PATHS: usize = 8;

/// One VM of one sidecar, as its last heartbeat described it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vm {
    pub origin: Origin,
    /// `service.instance.id`: with Istio the proxy's node id.
    pub instance: Option<String>,
    pub vm_id: String,
    pub module_version: Option<String>,
    pub module_build: Option<String>,
    /// Of the one module that is served and was built so.
    pub module_sha256: Option<String>,
    pub config_sha256: Option<String>,
    pub config_problems: Option<u64>,
    pub config_problem_paths: Vec<String>,
    pub spans_finished: Option<u64>,
    pub spans_dropped: Option<u64>,
    /// By the sidecar's clock.
    pub last_seen_unix_nanos: u64,
}

impl Vm {
    /// `None` when the span is no heartbeat of the filter.
    pub fn of(span: &SpanRecord) -> Option<Self> {
        if span.name != semconv::HEARTBEAT || span.scope_name.as_deref() != Some(semconv::SCOPE_NAME) {
            return None;
        }
        let value = |name: &str| span.attributes.get(name);
        let text = |name: &str| value(name).and_then(Value::as_str).map(bounded);
        let count = |name: &str| value(name).and_then(Value::as_u64);
        let paths = value(semconv::MESHTAP_CONFIG_PROBLEM_PATHS).and_then(Value::as_array);
        let paths = paths.into_iter().flatten().filter_map(Value::as_str);
        let Origin { service_name, service_namespace, namespace, workload, pod } = span.origin.clone();
        let short = |text: Option<String>| text.as_deref().map(bounded);
        Some(Self {
            origin: Origin {
                service_name: short(service_name),
                service_namespace: short(service_namespace),
                namespace: short(namespace),
                workload: short(workload),
                pod: short(pod),
            },
            instance: span.resource.get(semconv::SERVICE_INSTANCE_ID).and_then(Value::as_str).map(bounded),
            vm_id: text(semconv::MESHTAP_VM_ID)?,
            module_version: text(semconv::MESHTAP_MODULE_VERSION),
            module_build: text(semconv::MESHTAP_MODULE_BUILD),
            module_sha256: None,
            config_sha256: text(semconv::MESHTAP_CONFIG_SHA256),
            config_problems: count(semconv::MESHTAP_CONFIG_PROBLEMS),
            config_problem_paths: paths.take(MAX_PATHS).map(bounded).collect(),
            spans_finished: count(semconv::MESHTAP_SPANS_FINISHED),
            spans_dropped: count(semconv::MESHTAP_SPANS_DROPPED),
            last_seen_unix_nanos: span.start_unix_nanos,
        })
    }

    fn place(&self) -> [Option<&str>; 4] {
        let Origin { namespace, workload, pod, .. } = &self.origin;
        [namespace.as_deref(), workload.as_deref(), pod.as_deref(), Some(&self.vm_id)]
    }
}

fn bounded(text: &str) -> String {
    text.chars().take(MAX_CHARACTERS).collect()
}

/// Which VMs; every part that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct VmFilter {
    pub namespace: Option<String>,
    pub workload: Option<String>,
    pub seen_since_unix_nanos: Option<u64>,
}

impl VmFilter {
    fn matches(&self, vm: &Vm) -> bool {
        let is = |wanted: &Option<String>, value: &Option<String>| wanted.is_none() || wanted == value;
        is(&self.namespace, &vm.origin.namespace)
            && is(&self.workload, &vm.origin.workload)
            && self.seen_since_unix_nanos.is_none_or(|since| vm.last_seen_unix_nanos >= since)
    }
}

/// The pod or, without one, the proxy's id, and the VM.
type Key = (Option<String>, String);

#[derive(Debug, Default)]
pub struct Sidecars {
    known: Mutex<Known>,
    /// The digest of the module that a build names.
    digests: OnceLock<HashMap<String, String>>,
}

/// Invariant: `by_age` has the time and the key of each VM, so that who was silent longest is found without a search.
#[derive(Debug, Default)]
struct Known {
    vms: HashMap<Key, Vm>,
    by_age: BTreeSet<(u64, Key)>,
}

impl Sidecars {
    /// Which digests the builds in heartbeats stand for; told once, before the first of them.
    pub fn know_modules(&self, digest_by_build: HashMap<String, String>) {
        let _ = self.digests.set(digest_by_build);
    }

    /// Takes a heartbeat in. Those that come late or again change nothing.
    pub fn seen(&self, mut vm: Vm) {
        let build = vm.module_build.as_ref();
        vm.module_sha256 = build.and_then(|build| self.digests.get()?.get(build)).cloned();
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let oldest = u64::try_from(since_epoch.saturating_sub(MAX_SILENCE).as_nanos()).unwrap_or(u64::MAX);
        let mut known = self.lock();
        known.put(vm);
        known.forget(oldest);
    }

    /// By namespace, workload, pod and VM; and whether there are more than `limit`.
    pub fn list(&self, filter: &VmFilter, limit: usize) -> (Vec<Vm>, bool) {
        let mut found: Vec<Vm> = self.lock().vms.values().filter(|vm| filter.matches(vm)).cloned().collect();
        found.sort_by(|a, b| a.place().cmp(&b.place()));
        let truncated = found.len() > limit;
        found.truncate(limit);
        (found, truncated)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn put(&mut self, vm: Vm) {
        let key = (vm.origin.pod.clone().or_else(|| vm.instance.clone()), vm.vm_id.clone());
        let last_seen = vm.last_seen_unix_nanos;
        if let Some(before) = self.vms.get(&key).map(|known| known.last_seen_unix_nanos) {
            if before >= last_seen {
                return;
            }
            self.by_age.remove(&(before, key.clone()));
        }
        self.by_age.insert((last_seen, key.clone()));
        self.vms.insert(key, vm);
    }

    /// Those that were silent since, and the ones that were so longest where there are too many.
    fn forget(&mut self, oldest: u64) {
        while self.by_age.first().is_some_and(|(seen, _)| *seen < oldest || self.vms.len() > MAX_VMS)
            && let Some((_, key)) = self.by_age.pop_first()
        {
            self.vms.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vm(pod: &str, vm_id: &str, last_seen_unix_nanos: u64) -> Vm {
        let origin = Origin { pod: Some(pod.to_owned()), ..Origin::default() };
        Vm { origin, vm_id: vm_id.to_owned(), last_seen_unix_nanos, ..Vm::default() }
    }

    fn now() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos().try_into().unwrap()
    }

    fn ids(sidecars: &Sidecars) -> Vec<String> {
        sidecars.list(&VmFilter::default(), 100).0.into_iter().map(|vm| vm.vm_id).collect()
    }

    #[test]
    fn the_newest_heartbeat_of_each_vm_counts() {
        let sidecars = Sidecars::default();
        let now = now();
        for (pod, id, at) in [("b", "1", 5), ("a", "2", 3), ("b", "1", 9), ("b", "1", 7), ("b", "0", 1)] {
            sidecars.seen(vm(pod, id, now + at));
        }
        assert_eq!(ids(&sidecars), ["2", "0", "1"]);
        let since = VmFilter { seen_since_unix_nanos: Some(now + 3), ..VmFilter::default() };
        let (seen, truncated) = sidecars.list(&since, 1);
        assert_eq!((seen.len(), truncated), (1, true));
        assert_eq!(sidecars.list(&since, 2).0[1].last_seen_unix_nanos, now + 9);
    }

    #[test]
    fn the_module_of_a_known_build_has_its_digest() {
        let sidecars = Sidecars::default();
        sidecars.know_modules(HashMap::from([("known".to_owned(), "digest".to_owned())]));
        for (id, build) in [("1", "known"), ("2", "other")] {
            sidecars.seen(Vm { module_build: Some(build.to_owned()), ..vm("a", id, now()) });
        }
        let digests: Vec<_> =
            sidecars.list(&VmFilter::default(), 9).0.into_iter().map(|vm| vm.module_sha256).collect();
        assert_eq!(digests, [Some("digest".to_owned()), None]);
    }

    #[test]
    fn what_is_silent_for_a_day_is_forgotten() {
        let sidecars = Sidecars::default();
        sidecars.seen(vm("a", "old", now() - 25 * 3_600_000_000_000));
        sidecars.seen(vm("a", "new", now()));
        assert_eq!(ids(&sidecars), ["new"]);
    }

    #[test]
    fn there_are_not_more_than_the_bound() {
        let sidecars = Sidecars::default();
        let now = now();
        for n in 0..=MAX_VMS as u64 {
            sidecars.seen(vm("a", &format!("{n:05}"), now + n));
        }
        let (all, truncated) = sidecars.list(&VmFilter::default(), MAX_VMS);
        assert_eq!((all.len(), truncated, all[0].vm_id.as_str()), (MAX_VMS, false, "00001"));
        // One that is heard of again is not the one that goes.
        sidecars.seen(vm("a", "00001", now + 20_000));
        sidecars.seen(vm("a", "10001", now + 20_001));
        let all = sidecars.list(&VmFilter::default(), MAX_VMS).0;
        assert_eq!((all.len(), all[0].vm_id.as_str(), all[1].vm_id.as_str()), (MAX_VMS, "00001", "00003"));
        let known = sidecars.lock();
        assert_eq!(known.by_age.len(), known.vms.len());
    }
}
