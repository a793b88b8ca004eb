//! Compares the rollups with a recount from rows, an hour or a day at a time, and corrects what differs.
//!
//! A correction is rows that hold the difference: what is inserted meanwhile is not lost, and nothing is locked. It
//! carries a token of what was found, so that of several collectors that find the same one corrects. What is found
//! equal is noted in `rollup_checks`, with the number of calls it had; another number later means that it has to be
//! looked at again, and that reads take rows until then.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clickhouse::{Client, Row};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tracing::info;

use super::error::failed;
use super::rollup::{self, HISTOGRAMS, Rows, SUMS, TABLES, Table};
use crate::config::Retention;
use crate::hex::Hex;
use crate::store::plan::{NANOS_PER_DAY, NANOS_PER_HOUR};
use crate::store::{RollupCheck, StoreError};

/// Time after the end of an hour or a day before it is looked at: late spans come meanwhile.
const DELAY: Duration = Duration::from_mins(10);
/// Looks that one call takes at each rollup, each at a day of calls or less. A correction that was cut short is seen in
/// the next look, and done again.
const LOOKS: usize = 400;
/// Looks in a row that find nothing equal: more comes meanwhile, and the rest is left to the next call.
const VAIN_LOOKS: usize = 3;
/// For one query. Nobody waits for it, and it may read a day of calls; it has to end all the same.
const PATIENCE: Duration = Duration::from_mins(10);
/// Corrections of the same finding are taken for one within so many seconds.
const TOKEN_SECONDS: u64 = 600;

#[derive(Row, Deserialize)]
struct Candidate {
    check: u32,
    calls: i64,
    checked_at: i64,
}

pub(super) async fn check(
    client: &Client,
    retention: Retention,
    distributed: bool,
) -> Result<RollupCheck, StoreError> {
    let mut outcome = RollupCheck::default();
    for table in TABLES {
        let checker = Checker { client, table, distributed };
        let mut vain = 0;
        for _ in 0..LOOKS {
            let candidates = candidates(client, table, retention).await?;
            if candidates.is_empty() || vain == VAIN_LOOKS {
                break;
            }
            let look = checker.look(candidates).await?;
            vain = if look.equal > 0 { 0 } else { vain + 1 };
            outcome.equal += look.equal;
            outcome.corrected += look.corrected;
        }
    }
    Ok(outcome)
}

/// What has rows or sums and has not been found equal as it is now, newest first.
async fn candidates(
    client: &Client,
    table: &Table,
    retention: Retention,
) -> Result<Vec<Candidate>, StoreError> {
    let Table { name, time, check_nanos, .. } = table;
    let size = table.buckets_per_check();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let end = u64::try_from(since.saturating_sub(DELAY).as_nanos()).unwrap_or(0) / check_nanos;
    // The one that rows are just being deleted from is left alone.
    let first = rollup::rows_gone_before(retention) / check_nanos + u64::from(retention.spans.is_some());
    let hours = check_nanos / NANOS_PER_HOUR;
    let sql = format!(
        "SELECT check, found.calls AS calls, checked.at AS checked_at FROM (\
         SELECT check, sum(calls) AS calls FROM (\
         SELECT toUInt32(intDiv({time}, {size})) AS check, calls FROM {name} \
         WHERE {time} >= {from} AND {time} < {to} \
         UNION ALL \
         SELECT DISTINCT toUInt32(intDiv(hour, {hours})) AS check, toInt64(0) AS calls FROM spans \
         WHERE call_side IS NOT NULL AND hour >= {from_hour} AND hour < {to_hour}) \
         GROUP BY check) AS found \
         LEFT JOIN (SELECT bucket, argMax(calls, checked_at) AS calls, \
         toUnixTimestamp64Milli(max(checked_at)) AS at FROM rollup_checks WHERE rollup = '{name}' \
         GROUP BY bucket) AS checked ON found.check = checked.bucket \
         WHERE checked.at = 0 OR checked.calls != found.calls \
         ORDER BY check DESC LIMIT {}",
        NANOS_PER_DAY / check_nanos,
        from = first * size,
        to = end * size,
        from_hour = first * hours,
        to_hour = end * hours,
    );
    patiently("looking for sums to check", client.query(&sql).fetch_all()).await
}

async fn patiently<T>(
    doing: &str,
    query: impl Future<Output = Result<T, clickhouse::error::Error>>,
) -> Result<T, StoreError> {
    let answer = tokio::time::timeout(PATIENCE, query).await;
    let Ok(answer) = answer else {
        let minutes = PATIENCE.as_secs() / 60;
        return Err(StoreError::overloaded(format!(
            "clickhouse: {doing}: no answer within {minutes} minutes"
        )));
    };
    answer.map_err(|error| failed(doing, error))
}

struct Checker<'a> {
    client: &'a Client,
    table: &'static Table,
    distributed: bool,
}

#[derive(Row, Deserialize)]
struct Different {
    check: u32,
}

impl Checker<'_> {
    /// Notes what is equal and corrects the rest, which the next look finds equal.
    async fn look(&self, candidates: Vec<Candidate>) -> Result<RollupCheck, StoreError> {
        let different = self.different(&candidates).await?;
        let (different, equal): (Vec<Candidate>, Vec<Candidate>) =
            candidates.into_iter().partition(|candidate| different.contains(&candidate.check));
        if !equal.is_empty() {
            self.note(&equal).await?;
        }
        if !different.is_empty() {
            self.correct(&different).await?;
        }
        Ok(RollupCheck { equal: equal.len() as u64, corrected: different.len() as u64 })
    }

    async fn different(&self, candidates: &[Candidate]) -> Result<HashSet<u32>, StoreError> {
        let Table { time, .. } = self.table;
        let sql = format!(
            "SELECT DISTINCT toUInt32(intDiv({time}, {})) AS check FROM ({})",
            self.table.buckets_per_check(),
            self.difference(candidates)
        );
        let query = self.client.query(&sql).fetch_all();
        let found: Vec<Different> = patiently("comparing sums with their rows", query).await?;
        Ok(found.into_iter().map(|different| different.check).collect())
    }

    async fn correct(&self, candidates: &[Candidate]) -> Result<(), StoreError> {
        let Table { name, .. } = self.table;
        let sql = format!("INSERT INTO {name} ({}) {}", self.columns(), self.difference(candidates));
        let mut query = self
            .client
            .query(&sql)
            .with_setting("insert_deduplicate", "1")
            .with_setting("insert_deduplication_token", token(name, candidates))
            .with_setting("max_partitions_per_insert_block", "0");
        if self.distributed {
            query = query.with_setting("distributed_foreground_insert", "1");
        }
        patiently("correcting a rollup", query.execute()).await?;
        info!(rollup = name, parts = candidates.len(), "sums differed from their rows and were corrected");
        Ok(())
    }

    async fn note(&self, candidates: &[Candidate]) -> Result<(), StoreError> {
        let Table { name, .. } = self.table;
        let rows: Vec<String> =
            candidates.iter().map(|found| format!("('{name}', {}, {})", found.check, found.calls)).collect();
        let sql = format!("INSERT INTO rollup_checks (rollup, bucket, calls) VALUES {}", rows.join(", "));
        patiently("noting a checked rollup", self.client.query(&sql).execute()).await
    }

    fn columns(&self) -> String {
        let Table { time, keys, .. } = self.table;
        let histograms: &[&str] = if self.table.histograms { &HISTOGRAMS } else { &[] };
        [&[*time], *keys, &SUMS[..], histograms].concat().join(", ")
    }

    /// Rows that make the rollup equal to its rows when they are added to it; none where it is.
    fn difference(&self, candidates: &[Candidate]) -> String {
        let Table { name, time, keys, check_nanos, rollup, .. } = self.table;
        let checks: Vec<String> = candidates.iter().map(|found| found.check.to_string()).collect();
        let checks = checks.join(", ");
        let hours = check_nanos / NANOS_PER_HOUR;
        let all_hours: Vec<String> = candidates
            .iter()
            .flat_map(|found| (0..hours).map(move |hour| u64::from(found.check) * hours + hour))
            .map(|hour| hour.to_string())
            .collect();
        let times = format!("hour IN ({})", all_hours.join(", "));
        let rows = rollup::calls(&Rows { times: &times, conditions: None });
        let in_rollup = format!("intDiv({time}, {}) IN ({checks})", self.table.buckets_per_check());
        let keys = keys.join(", ");
        let histograms: &[&str] = if self.table.histograms { &HISTOGRAMS } else { &[] };

        let measures = [&SUMS[..], histograms].concat().join(", ");
        let negated: Vec<String> = SUMS
            .iter()
            .map(|sum| format!("-{sum}"))
            .chain(histograms.iter().map(|map| format!("mapApply((k, v) -> (k, -v), {map})")))
            .collect();
        let totals: Vec<String> = SUMS
            .iter()
            .map(|sum| format!("sum(d.{sum}) AS {sum}"))
            .chain(histograms.iter().map(|map| {
                format!("CAST(mapFilter((k, v) -> v != 0, sumMap(d.{map})) AS Map(UInt16, Int64)) AS {map}")
            }))
            .collect();
        let differs: Vec<String> = SUMS
            .iter()
            .map(|sum| format!("{sum} != 0"))
            .chain(histograms.iter().map(|map| format!("notEmpty({map})")))
            .collect();
        format!(
            "SELECT {time}, {keys}, {totals} FROM (\
             SELECT toUInt32(intDiv(at, {bucket})) AS {time}, {keys}, {measures} FROM ({rows}) \
             UNION ALL SELECT {time}, {keys}, {negated} FROM {name} WHERE {in_rollup}) AS d \
             GROUP BY {time}, {keys} HAVING {differs}",
            totals = totals.join(", "),
            bucket = rollup.bucket_nanos,
            negated = negated.join(", "),
            differs = differs.join(" OR "),
        )
    }
}

/// Of what was found, so that it is corrected once. It changes with time, because the same may be found again.
fn token(rollup: &str, candidates: &[Candidate]) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut hash = Sha256::new();
    hash.update(rollup);
    hash.update((since.as_secs() / TOKEN_SECONDS).to_le_bytes());
    for Candidate { check, calls, checked_at } in candidates {
        hash.update(check.to_le_bytes());
        hash.update(calls.to_le_bytes());
        hash.update(checked_at.to_le_bytes());
    }
    Hex(&hash.finalize()).to_string()
}
