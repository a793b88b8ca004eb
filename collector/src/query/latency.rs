//! `GET /api/v1/latency`: how long calls took, by group, as percentiles.
//!
//! Calls are those of `usage`. Percentiles are read from histograms whose buckets are 9 % wide, so they are off by less
//! than that; every store answers the same.

use axum::Json;
use axum::extract::{Query, State};
use serde::Serialize;

use super::error::ApiError;
use super::params::{FILTERS, Params, SUMMING};
use super::router::Api;
use super::sums::{Group, Sums};
use crate::store::LatencyRow;
use crate::store::histogram::Histogram;

#[derive(Debug, Serialize)]
pub(super) struct Latency {
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
) -> Result<Json<Sums<Latency>>, ApiError> {
    let query = Params::new(query, &[SUMMING, FILTERS])?.sums(api.max_limit)?;
    let report = api.store.latency(&query).await?;
    let rows = report.rows.into_iter().map(shown);
    Ok(Json(Sums::new(&api, "latency", &query, rows, report.truncated)))
}

fn shown(row: LatencyRow) -> (Group, Latency) {
    let latency = Latency {
        calls: row.calls,
        duration_ms: Percentiles::from(&row.duration),
        time_to_first_chunk_ms: Percentiles::from(&row.time_to_first_chunk),
    };
    ((row.start_unix_nanos, row.group), latency)
}
