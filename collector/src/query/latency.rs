//! `GET /api/v1/latency`: how long calls took, by group, as percentiles.
//!
//! Calls are those of `usage`. Percentiles are read from histograms whose buckets are 9 % wide, so they are off by less
//! than that; every store answers the same.

use axum::Json;
use axum::extract::{Query, State};
use serde::Serialize;
use serde_json::{Map, Value};

use super::error::ApiError;
use super::params::{FILTERS, Params, SUMMING};
use super::router::Api;
use super::usage::group_values;
use crate::model::Dimension;
use crate::store::LatencyRow;
use crate::store::histogram::Histogram;
use crate::time::rfc3339;

#[derive(Debug, Serialize)]
pub(super) struct Latency {
    group_by: Vec<&'static str>,
    side: &'static str,
    from: Option<String>,
    to: Option<String>,
    rows: Vec<Row>,
    /// Whether there are more groups than `limit`.
    truncated: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    /// Where the interval starts, when one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    #[serde(flatten)]
    group: Map<String, Value>,
    calls: u64,
    duration_ms: Percentiles,
    time_to_first_chunk_ms: Percentiles,
}

#[derive(Debug, Serialize)]
struct Percentiles {
    /// Calls that said it.
    calls: u64,
    p50: Option<f64>,
    p90: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
}

impl From<&Histogram> for Percentiles {
    fn from(histogram: &Histogram) -> Self {
        let millis = |share| histogram.percentile(share).map(|nanos| nanos.round() / 1e6);
        Self {
            calls: histogram.count(),
            p50: millis(0.5),
            p90: millis(0.9),
            p95: millis(0.95),
            p99: millis(0.99),
        }
    }
}

pub(super) async fn get(
    State(api): State<Api>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<Latency>, ApiError> {
    let query = Params::new(query, &[SUMMING, FILTERS])?.sums(api.max_limit)?;
    let report = api.store.latency(&query).await?;
    if report.truncated {
        api.metrics.query_result_cut("latency");
    }
    Ok(Json(Latency {
        group_by: query.group_by.iter().map(|dimension| dimension.as_str()).collect(),
        side: query.side.as_str(),
        from: query.filter.time.from_unix_nanos.map(rfc3339),
        to: query.filter.time.to_unix_nanos.map(rfc3339),
        rows: report.rows.into_iter().map(|row| shown(&query.group_by, row)).collect(),
        truncated: report.truncated,
    }))
}

fn shown(group_by: &[Dimension], row: LatencyRow) -> Row {
    Row {
        start: row.start_unix_nanos.map(rfc3339),
        group: group_values(group_by, row.group),
        calls: row.calls,
        duration_ms: Percentiles::from(&row.duration),
        time_to_first_chunk_ms: Percentiles::from(&row.time_to_first_chunk),
    }
}
