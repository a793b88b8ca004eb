//! The rollup tables of a store beside a recount from its rows, both read out of the database itself.
//!
//! Every sum becomes a counter with a name, such as `minute 29384640 outbound false gpt-4o input`; what is zero is left
//! out. In ClickHouse the store is asked first to check its rollups until it finds nothing to check: what is compared is
//! of days that have ended, which it vouches for.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use meshtap_collector::store::clickhouse::ClickHouseStore;
use meshtap_collector::store::{RollupCheck, SpanWriter as _, StoreError};
use rusqlite::{Connection, OpenFlags, Row};

use crate::clickhouse::ClickHouse;
use crate::wait;

type Counters = BTreeMap<String, i128>;

const MINUTE_NANOS: u64 = 60_000_000_000;
const MINUTES_PER_DAY: i64 = 1_440;
/// Of histograms, in minutes: ClickHouse keeps them with the sums.
const CLICKHOUSE_LATENCY: i64 = 1;
const SQLITE_LATENCY: i64 = 5;

/// One model call as its row has it.
struct Call {
    minute: i64,
    side: String,
    is_error: bool,
    model: String,
    user: String,
    input: Option<i64>,
    output: Option<i64>,
    nanos: i64,
    first_chunk_nanos: Option<i64>,
}

/// What ClickHouse's rollups were like.
#[derive(Debug, Default)]
pub(super) struct Recount {
    /// What does not hold after the store's own check.
    pub(super) mistakes: Vec<String>,
    /// Hours and days that the check has corrected.
    pub(super) corrected: u64,
    /// Calls of ended days in the sums before the check, beyond those that there are.
    pub(super) excess: i128,
}

pub(super) fn of_clickhouse(
    server: &ClickHouse,
    database: &str,
    service: &str,
) -> Result<Recount, StoreError> {
    let query = |sql: &str| server.query_in(database, sql);
    let today = days_since_epoch();
    let summed = query(&format!(
        "SELECT sum(calls) FROM usage_1m WHERE service_name = '{service}' AND minute < {}",
        (today - 1) * MINUTES_PER_DAY
    ));
    let corrected = settle(server, database)?;
    let rows = query(&format!(
        "SELECT intDiv(toUnixTimestamp64Nano(start_time), {MINUTE_NANOS}) AS minute, call_side, \
         status = 'error' OR error_type IS NOT NULL, coalesce(request_model, response_model, ''), \
         ifNull(user_id, ''), input_tokens, output_tokens, duration_nanos, time_to_first_chunk_nanos FROM spans \
         WHERE service_name = '{service}' AND call_side IS NOT NULL AND minute < {} \
         LIMIT 1 BY trace_id, span_id",
        (today - 1) * MINUTES_PER_DAY,
    ));
    let calls: Vec<Call> = rows.lines().map(|line| Call::of(&line.split('\t').collect::<Vec<_>>())).collect();

    let mut found = Counters::new();
    let usage = query(&format!(
        "SELECT concat('minute ', toString(minute)), call_side, is_error, model, sum(calls), sum(calls_with_usage), \
         sum(input_tokens), sum(output_tokens), sumMap(duration), sumMap(time_to_first_chunk) FROM usage_1m \
         WHERE service_name = '{service}' AND minute < {} GROUP BY minute, call_side, is_error, model",
        (today - 1) * MINUTES_PER_DAY,
    ));
    for line in usage.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [key @ .., calls, with_usage, input, output, duration, first_chunk] = &fields[..] else {
            continue;
        };
        let key = key.join(" ");
        sums(&mut found, &key, [calls, with_usage, input, output].map(|sum| number(sum)));
        let key = key.replacen("minute", "latency", 1);
        for (measure, buckets) in [("duration", duration), ("first_chunk", first_chunk)] {
            for (bucket, calls) in map(buckets) {
                add(&mut found, &format!("{key} {measure} {bucket}"), calls);
            }
        }
    }
    let users = query(&format!(
        "SELECT concat('day ', toString(day)), call_side, is_error, user_id, sum(calls), sum(calls_with_usage), \
         sum(input_tokens), sum(output_tokens) FROM usage_users_1d \
         WHERE startsWith(user_id, '{service}/') AND day < {} GROUP BY day, call_side, is_error, user_id",
        today - 1,
    ));
    for line in users.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [key @ .., calls, with_usage, input, output] = &fields[..] else { continue };
        sums(&mut found, &key.join(" "), [calls, with_usage, input, output].map(|sum| number(sum)));
    }
    let excess = number(summed.trim()) - i128::try_from(calls.len()).unwrap_or_default();
    let mistakes = differences(found, &recount(&calls, CLICKHOUSE_LATENCY));
    Ok(Recount { mistakes, corrected, excess })
}

/// Has the store check its rollups until there is nothing to check. Says how many parts it corrected.
fn settle(server: &ClickHouse, database: &str) -> Result<u64, StoreError> {
    let (settings, retention) = server.as_store(database);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| StoreError::permanent(error.to_string()))?;
    runtime.block_on(async {
        let store = ClickHouseStore::open(&settings, retention).await?;
        let mut corrected = 0;
        loop {
            let check = store.check_rollups().await?;
            if check == RollupCheck::default() {
                return Ok(corrected);
            }
            corrected += check.corrected;
        }
    })
}

/// What does not hold. SQLite's sums are equal to its rows at any time.
pub(super) fn of_sqlite(file: &Path, service: &str) -> rusqlite::Result<Vec<String>> {
    let mut db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.busy_timeout(wait::DEADLINE)?;
    // One state of all tables.
    let db = db.transaction()?;
    let mut statement = db.prepare(
        "SELECT s.start_unix_nanos / 60000000000, k.call_side, k.is_error, \
         coalesce(k.request_model, k.response_model, ''), coalesce(s.user_id, ''), s.input_tokens, s.output_tokens, \
         s.duration_nanos, s.time_to_first_chunk_nanos FROM spans s JOIN keys k ON k.id = s.key \
         WHERE k.service_name = ? AND k.call_side IS NOT NULL",
    )?;
    let calls = statement.query_map([service], |row| {
        Ok(Call {
            minute: row.get(0)?,
            side: row.get(1)?,
            is_error: row.get(2)?,
            model: row.get(3)?,
            user: row.get(4)?,
            input: row.get(5)?,
            output: row.get(6)?,
            nanos: row.get(7)?,
            first_chunk_nanos: row.get(8)?,
        })
    })?;
    let calls: Vec<Call> = calls.collect::<rusqlite::Result<_>>()?;

    let mut found = Counters::new();
    let keyed = "k.call_side, k.is_error, coalesce(k.request_model, k.response_model, '')";
    let halves = "calls, calls_with_usage, ifnull(input_high, 0), ifnull(input_low, 0), ifnull(output_high, 0), \
                  ifnull(output_low, 0)";
    let mut read = |sql: &str, value: &str, add: &dyn Fn(&mut Counters, &Row<'_>) -> rusqlite::Result<()>| {
        let mut statement = db.prepare(sql)?;
        let mut rows = statement.query([value])?;
        while let Some(row) = rows.next()? {
            add(&mut found, row)?;
        }
        Ok::<(), rusqlite::Error>(())
    };
    let usage = format!(
        "SELECT 'minute', minute, {keyed}, {halves} FROM usage_1m u JOIN keys k ON k.id = u.key \
         WHERE k.service_name = ?"
    );
    read(&usage, service, &sqlite_sums)?;
    let users = format!(
        "SELECT 'day', day, call_side, is_error, user_id, {halves} FROM usage_users_1d WHERE user_id LIKE ? || '/%'"
    );
    read(&users, service, &sqlite_sums)?;
    let latency = format!(
        "SELECT 'latency', five_minutes, {keyed}, measure, bucket, calls FROM latency_5m l \
         JOIN keys k ON k.id = l.key WHERE k.service_name = ?"
    );
    read(&latency, service, &|found, row| {
        let measure = if row.get::<_, i64>(5)? == 0 { "duration" } else { "first_chunk" };
        let (bucket, calls): (u16, i64) = (row.get(6)?, row.get(7)?);
        add(found, &format!("{} {measure} {bucket}", sqlite_key(row)?), calls.into());
        Ok(())
    })?;
    Ok(differences(found, &recount(&calls, SQLITE_LATENCY)))
}

fn sqlite_key(row: &Row<'_>) -> rusqlite::Result<String> {
    let (what, time, side): (String, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let (is_error, name): (bool, String) = (row.get(3)?, row.get(4)?);
    Ok(format!("{what} {time} {side} {is_error} {name}"))
}

fn sqlite_sums(found: &mut Counters, row: &Row<'_>) -> rusqlite::Result<()> {
    let number = |column| Ok::<_, rusqlite::Error>(i128::from(row.get::<_, i64>(column)?));
    let whole = |high| Ok::<_, rusqlite::Error>((number(high)? << 32) + number(high + 1)?);
    sums(found, &sqlite_key(row)?, [number(5)?, number(6)?, whole(7)?, whole(9)?]);
    Ok(())
}

impl Call {
    /// From the columns of a line, where `\N` is unknown.
    fn of(fields: &[&str]) -> Self {
        let text = |at: usize| fields.get(at).copied().unwrap_or_default();
        let known = |at: usize| text(at).parse().ok();
        Self {
            minute: known(0).unwrap_or_default(),
            side: text(1).to_owned(),
            is_error: matches!(text(2), "1" | "true"),
            model: text(3).to_owned(),
            user: text(4).to_owned(),
            input: known(5),
            output: known(6),
            nanos: known(7).unwrap_or_default(),
            first_chunk_nanos: known(8),
        }
    }
}

fn recount(calls: &[Call], latency_minutes: i64) -> Counters {
    let mut counters = Counters::new();
    for call in calls {
        let Call { minute, side, is_error, model, user, .. } = call;
        let with_usage = call.input.is_some() || call.output.is_some();
        let tokens = |tokens: Option<i64>| i128::from(tokens.unwrap_or(0));
        let one = [1, i128::from(with_usage), tokens(call.input), tokens(call.output)];
        sums(&mut counters, &format!("minute {minute} {side} {is_error} {model}"), one);
        let day = minute / MINUTES_PER_DAY;
        sums(&mut counters, &format!("day {day} {side} {is_error} {user}"), one);
        for (measure, nanos) in [("duration", Some(call.nanos)), ("first_chunk", call.first_chunk_nanos)] {
            let Some(nanos) = nanos else { continue };
            let (time, bucket) = (minute / latency_minutes, bucket(nanos));
            add(&mut counters, &format!("latency {time} {side} {is_error} {model} {measure} {bucket}"), 1);
        }
    }
    counters
}

/// The bucket that holds so many nanoseconds: `2^((b-1)/8) < n <= 2^(b/8)`.
#[expect(clippy::cast_precision_loss, reason = "durations here are far below 2^53")]
fn bucket(nanos: i64) -> u32 {
    let fits = |bucket: &u32| nanos.max(1) as f64 <= (f64::from(*bucket) / 8.0).exp2();
    (0..u64::BITS * 8).find(fits).unwrap_or(u64::BITS * 8)
}

fn sums(counters: &mut Counters, key: &str, sums: [i128; 4]) {
    for (name, sum) in ["calls", "with_usage", "input", "output"].into_iter().zip(sums) {
        add(counters, &format!("{key} {name}"), sum);
    }
}

fn add(counters: &mut Counters, key: &str, count: i128) {
    if count != 0 {
        *counters.entry(key.to_owned()).or_default() += count;
    }
}

fn number(text: &str) -> i128 {
    text.parse().unwrap_or_default()
}

/// `{83:1,84:2}`.
fn map(text: &str) -> impl Iterator<Item = (&str, i128)> {
    let pairs = text.trim_matches(['{', '}']).split(',').filter_map(|pair| pair.split_once(':'));
    pairs.map(|(bucket, calls)| (bucket, number(calls)))
}

fn differences(mut found: Counters, recounted: &Counters) -> Vec<String> {
    if recounted.is_empty() {
        return vec!["no calls to compare rollups with".to_owned()];
    }
    found.retain(|_, count| *count != 0);
    let mut wrong = Vec::new();
    for (key, expected) in recounted {
        let count = found.remove(key).unwrap_or(0);
        if count != *expected {
            wrong.push(format!("{key} is {count} in a rollup, and {expected} in its rows"));
        }
    }
    wrong.extend(found.iter().map(|(key, count)| format!("{key} is {count} in a rollup, and 0 in its rows")));
    let more = wrong.len().saturating_sub(3);
    wrong.truncate(3);
    if more > 0 {
        wrong.push(format!("{more} more sums differ from their rows"));
    }
    wrong
}

fn days_since_epoch() -> i64 {
    let since: Duration = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs() / 60).unwrap_or_default() / MINUTES_PER_DAY
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(input: Option<i64>) -> Call {
        let (side, model, user) = ("outbound".to_owned(), "m".to_owned(), "u".to_owned());
        let (nanos, first_chunk_nanos) = (1024, None);
        Call {
            minute: 1_441,
            side,
            is_error: false,
            model,
            user,
            input,
            output: None,
            nanos,
            first_chunk_nanos,
        }
    }

    #[test]
    fn calls_are_counted_by_minute_by_day_and_by_bucket() {
        let counted = recount(&[call(Some(7)), call(None)], 5);
        let expected = [
            ("day 1 outbound false u calls", 2),
            ("day 1 outbound false u input", 7),
            ("day 1 outbound false u with_usage", 1),
            ("latency 288 outbound false m duration 80", 2),
            ("minute 1441 outbound false m calls", 2),
            ("minute 1441 outbound false m input", 7),
            ("minute 1441 outbound false m with_usage", 1),
        ];
        assert_eq!(counted, expected.map(|(key, count)| (key.to_owned(), count)).into());
        assert_eq!(differences(counted.clone(), &counted), Vec::<String>::new());
        let mut twice = counted.clone();
        *twice.get_mut("day 1 outbound false u input").unwrap() *= 2;
        assert_eq!(
            differences(twice, &counted),
            ["day 1 outbound false u input is 14 in a rollup, and 7 in its rows"]
        );
        assert_eq!(differences(Counters::new(), &counted).len(), 4);
    }

    #[test]
    fn buckets_and_maps() {
        assert_eq!([0, 1, 2, 3, 1024, 1025].map(bucket), [0, 0, 8, 13, 80, 81]);
        assert_eq!(map("{83:1,84:-2}").collect::<Vec<_>>(), [("83", 1), ("84", -2)]);
        assert_eq!(map("{}").count(), 0);
    }
}
