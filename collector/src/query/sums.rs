//! What answers about sums have in common: rows by group, for what was asked.

use serde::Serialize;
use serde_json::{Map, Value};

use super::router::Api;
use crate::model::Dimension;
use crate::store::UsageQuery;
use crate::time::rfc3339;

/// An answer. `M` is what a row says of its calls.
#[derive(Debug, Serialize)]
pub(super) struct Sums<M> {
    group_by: Vec<&'static str>,
    side: &'static str,
    from: Option<String>,
    to: Option<String>,
    rows: Vec<Row<M>>,
    /// Whether there are more groups than `limit`.
    truncated: bool,
}

#[derive(Debug, Serialize)]
struct Row<M> {
    /// Where the interval starts, when one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    /// Each dimension with its value; `null` collects the calls that lack it.
    #[serde(flatten)]
    group: Map<String, Value>,
    #[serde(flatten)]
    measures: M,
}

/// Of which calls a row is: the start of its interval, and a value for each dimension.
pub(super) type Group = (Option<u64>, Vec<Option<String>>);

impl<M> Sums<M> {
    /// `result` is what the answer is called when it was cut.
    pub(super) fn new(
        api: &Api,
        result: &'static str,
        query: &UsageQuery,
        rows: impl Iterator<Item = (Group, M)>,
        truncated: bool,
    ) -> Self {
        if truncated {
            api.metrics.query_result_cut(result);
        }
        Self {
            group_by: query.group_by.iter().map(|dimension| dimension.as_str()).collect(),
            side: query.side.as_str(),
            from: query.filter.time.from_unix_nanos.map(rfc3339),
            to: query.filter.time.to_unix_nanos.map(rfc3339),
            rows: rows.map(|(group, measures)| Row::new(&query.group_by, group, measures)).collect(),
            truncated,
        }
    }
}

impl<M> Row<M> {
    fn new(group_by: &[Dimension], (start, values): Group, measures: M) -> Self {
        let names = group_by.iter().map(|dimension| dimension.as_str().to_owned());
        let group = names.zip(values.into_iter().map(Value::from)).collect();
        Self { start: start.map(rfc3339), group, measures }
    }
}
