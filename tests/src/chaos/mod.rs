//! Everything that was answered is there once, whatever dies: rounds of load with kill -9 in between.
//!
//! In a round, senders post batches and repeat each until it is answered with success, as an OTLP exporter does. In the
//! meantime the collector is killed and started again at random moments, and in rounds on ClickHouse the server too. At
//! the end, when the queue is empty, the spans are read back one by one: all that were answered are there, none is there
//! twice, and the sums of `/api/v1/usage` are those of the rows.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use meshtap_collector::config::Config;
use serde_json::Value;

use self::recount::Recount;
use self::senders::{Books, Load, MAX_BATCH, SENDERS};
use crate::clickhouse::ClickHouse;
use crate::collector::{Collector, Store};
use crate::sandbox::Sandbox;
use crate::wait;

mod recount;
mod senders;

/// The same collector, queue and store for all rounds of one kind.
pub struct Chaos {
    sandbox: Sandbox,
    clickhouse: ClickHouse,
    database: String,
    /// On SQLite, on ClickHouse.
    collectors: [Collector; 2],
}

/// Of one round.
#[derive(Debug)]
pub struct Report {
    pub store: &'static str,
    pub seed: u64,
    pub collector_kills: usize,
    pub store_kills: usize,
    pub answered: usize,
    /// Attempts that failed: those batches were sent again.
    pub repeated: usize,
    pub stored: usize,
    /// Hours and days of rollups in ClickHouse that were corrected before they were compared.
    pub corrected: u64,
    /// Calls that they counted too often until then.
    pub excess: i128,
    /// What does not hold; none when the round passed.
    pub mistakes: Vec<String>,
}

impl Chaos {
    #[track_caller]
    pub fn start(name: &str) -> Self {
        let sandbox = Sandbox::new(name);
        let clickhouse = ClickHouse::start(&sandbox);
        let database = clickhouse.database("chaos");
        let in_clickhouse = Store::ClickHouse { url: clickhouse.url(), database: database.clone() };
        let collectors = [
            Collector::start(&sandbox, "chaos-sqlite", &Store::Sqlite),
            Collector::start(&sandbox, "chaos-clickhouse", &in_clickhouse),
        ];
        Self { sandbox, clickhouse, database, collectors }
    }

    /// One round, on SQLite when `number` is even and on ClickHouse when it is odd.
    pub fn round(&mut self, number: usize, seed: u64) -> Report {
        let mut random = Rng::with_seed(seed);
        let on_clickhouse = number % 2 == 1;
        let service = format!("round-{number}-{seed}");
        let load = Load::start(self.collectors[number % 2].otlp_http(), &service, &mut random);
        let mut kills = (0, 0);
        for _ in 0..random.usize(1..=3) {
            pause(&mut random, 50..600);
            let store_dies = on_clickhouse && random.bool();
            if store_dies {
                self.clickhouse.kill();
                kills.1 += 1;
            }
            if !store_dies || random.bool() {
                self.collectors[number % 2].kill();
                kills.0 += 1;
                pause(&mut random, 0..100);
                // With its store away it takes spans all the same.
                self.collectors[number % 2].start_again(&self.sandbox);
            }
            pause(&mut random, 0..300);
            if store_dies {
                self.clickhouse.start_again(&self.sandbox);
            }
        }
        let books = load.end();
        let collector = &self.collectors[number % 2];
        let mut mistakes = Vec::new();
        if !is_drained(collector) {
            mistakes.push("the queue is not empty in time".to_owned());
        }
        let rows = rows(collector, &service);
        mistakes.extend(compare(&books, &rows));
        mistakes.extend(compare_usage(collector, &service, &rows));
        let recount = self.compare_rollups(on_clickhouse, &service);
        mistakes.extend(recount.mistakes);
        mistakes.extend(judge(recount.excess, kills));
        Report {
            store: if on_clickhouse { "ClickHouse" } else { "SQLite" },
            seed,
            collector_kills: kills.0,
            store_kills: kills.1,
            answered: books.answered.len(),
            repeated: books.repeated,
            stored: rows.len(),
            corrected: recount.corrected,
            excess: recount.excess,
            mistakes,
        }
    }

    fn compare_rollups(&self, on_clickhouse: bool, service: &str) -> Recount {
        let failed = |error| Recount { mistakes: vec![error], ..Recount::default() };
        if on_clickhouse {
            let compared = recount::of_clickhouse(&self.clickhouse, &self.database, service);
            return compared.unwrap_or_else(|error| failed(error.chain()));
        }
        match recount::of_sqlite(&self.sandbox.path("chaos-sqlite.db"), service) {
            Ok(mistakes) => Recount { mistakes, ..Recount::default() },
            Err(error) => failed(error.to_string()),
        }
    }
}

/// Sums may be corrected, and not by any amount. A sender whose request was durable when the collector died, and not
/// answered, sends it again, and the collector that comes after knows neither it nor its spans: one request of each
/// sender for each kill. A kill of ClickHouse may leave out one batch, in the sums or in the rows: what is in no row is
/// sent again with another token, which sums that have it count once more.
fn judge(excess: i128, (of_collector, of_store): (usize, usize)) -> Option<String> {
    let number = |calls: usize| i128::try_from(calls).unwrap_or(i128::MAX);
    let batches = number(of_store * Config::default().pump.max_batch_spans);
    let may_be = -batches..=number(of_collector * SENDERS * MAX_BATCH) + batches;
    (!may_be.contains(&excess))
        .then(|| format!("sums had {excess} calls too many before the check, {may_be:?} may be"))
}

/// A random moment is what this is about; nothing is concluded from its length.
fn pause(random: &mut Rng, millis: std::ops::Range<u64>) {
    thread::park_timeout(Duration::from_millis(random.u64(millis)));
}

fn is_drained(collector: &Collector) -> bool {
    let waiting = "meshtap_queue_waiting_entries{cursor=\"store\"} 0";
    wait::poll(|| collector.get("/metrics").text().lines().any(|line| line == waiting).then_some(()))
        .is_some()
}

/// Every row of the service: its ids and its model with the tokens that went in.
fn rows(collector: &Collector, service: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut cursor = String::new();
    loop {
        // A store that has just come back may need a moment.
        let page = wait::until("a page of spans", || {
            let reply = collector.get(&format!("/api/v1/spans?service={service}&limit=1000{cursor}"));
            (reply.status == 200).then(|| reply.json())
        });
        rows.extend(page["spans"].as_array().into_iter().flatten().map(Row::of));
        let Some(next) = page["next_cursor"].as_str() else { return rows };
        cursor = format!("&cursor={next}");
    }
}

struct Row {
    span_id: String,
    model: String,
    input_tokens: u64,
}

impl Row {
    fn of(span: &Value) -> Self {
        let text = |name: &str| span[name].as_str().unwrap_or_default().to_owned();
        Self {
            span_id: text("span_id"),
            model: text("request_model"),
            input_tokens: span["usage"]["input_tokens"].as_u64().unwrap_or_default(),
        }
    }
}

fn compare(books: &Books, rows: &[Row]) -> Vec<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for row in rows {
        *counts.entry(&row.span_id).or_default() += 1;
    }
    let lost = books.answered.iter().filter(|id| !counts.contains_key(id.as_str())).count();
    let twice = counts.values().filter(|count| **count > 1).count();
    let unknown = counts.keys().filter(|id| !books.sent.contains(**id)).count();
    let mistakes = [("answered and lost", lost), ("shown twice", twice), ("never sent", unknown)];
    let mistakes = mistakes.into_iter().filter(|(_, spans)| *spans > 0);
    mistakes.map(|(what, spans)| format!("{spans} spans {what}")).collect()
}

/// The store's sums beside a recount of its rows.
fn compare_usage(collector: &Collector, service: &str, rows: &[Row]) -> Vec<String> {
    let mut recount: HashMap<&str, (u64, u64)> = HashMap::new();
    for row in rows {
        let sums = recount.entry(&row.model).or_default();
        *sums = (sums.0 + 1, sums.1 + row.input_tokens);
    }
    let reply = collector.get(&format!("/api/v1/usage?group_by=model&service={service}"));
    let usage = reply.json();
    let found = usage["rows"].as_array().into_iter().flatten();
    let found: HashMap<&str, (u64, u64)> = found
        .map(|row| {
            let number = |name: &str| row[name].as_u64().unwrap_or_default();
            (row["model"].as_str().unwrap_or_default(), (number("calls"), number("input_tokens")))
        })
        .collect();
    if found == recount { Vec::new() } else { vec![format!("usage is {found:?}, the rows are {recount:?}")] }
}
