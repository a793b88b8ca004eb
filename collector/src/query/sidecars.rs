//! `GET /api/v1/sidecars`: which sidecars run the filter, and which module and configuration each of them runs.

use axum::Json;
use axum::extract::{Query, State};
use serde::Serialize;

use super::error::ApiError;
use super::params::Params;
use super::router::Api;
use crate::sidecars::Vm;
use crate::time::rfc3339;

const DEFAULT_LIMIT: usize = 100;

#[derive(Debug, Serialize)]
pub(super) struct SidecarList {
    sidecars: Vec<Sidecar>,
    /// Whether there are more than `limit`.
    truncated: bool,
}

/// One VM of one sidecar.
#[derive(Debug, Serialize)]
struct Sidecar {
    namespace: Option<String>,
    workload: Option<String>,
    service: Option<String>,
    pod: Option<String>,
    instance: Option<String>,
    vm_id: String,
    module_version: Option<String>,
    module_build: Option<String>,
    module_sha256: Option<String>,
    config_sha256: Option<String>,
    config_problems: Option<u64>,
    config_problem_paths: Vec<String>,
    spans_finished: Option<u64>,
    spans_dropped: Option<u64>,
    last_seen: String,
}

impl From<Vm> for Sidecar {
    fn from(vm: Vm) -> Self {
        Self {
            namespace: vm.origin.namespace,
            workload: vm.origin.workload,
            service: vm.origin.service_name,
            pod: vm.origin.pod,
            instance: vm.instance,
            vm_id: vm.vm_id,
            module_version: vm.module_version,
            module_build: vm.module_build,
            module_sha256: vm.module_sha256,
            config_sha256: vm.config_sha256,
            config_problems: vm.config_problems,
            config_problem_paths: vm.config_problem_paths,
            spans_finished: vm.spans_finished,
            spans_dropped: vm.spans_dropped,
            last_seen: rfc3339(vm.last_seen_unix_nanos),
        }
    }
}

pub(super) async fn list(
    State(api): State<Api>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<SidecarList>, ApiError> {
    let params = Params::new(query, &[&["from", "namespace", "workload", "limit"]])?;
    let limit = params.limit(DEFAULT_LIMIT, api.max_limit)?;
    let (vms, truncated) = api.sidecars.list(&params.vms()?, limit);
    if truncated {
        api.metrics.query_result_cut("sidecars");
    }
    Ok(Json(SidecarList { sidecars: vms.into_iter().map(Sidecar::from).collect(), truncated }))
}
