//! The queue's disk fails, really: senders get the answer that the documentation promises, what was answered with
//! success survives a kill -9 in the middle of it, and the collector goes on when the disk does.
//!
//! The store is away until the end, so that everything is on that disk alone. In the last test it is the store's disk
//! that is full, and the queue has another.

use meshtap_tests::clickhouse::ClickHouse;
use meshtap_tests::collector::{Collector, Store};
use meshtap_tests::disk::{Disk, Kind};
use meshtap_tests::sandbox::Sandbox;
use meshtap_tests::wait;
use serde_json::json;

/// Of one request.
const BYTES: usize = 20_000;

struct Faulty {
    collector: Collector,
    clickhouse: ClickHouse,
    sandbox: Sandbox,
    next: u64,
    answered: Vec<String>,
}

impl Faulty {
    /// `disk` is where the queue is, `None` for the sandbox.
    fn start(sandbox: Sandbox, disk: Option<&Disk>, entrance: Vec<String>) -> Self {
        let mut clickhouse = ClickHouse::start(&sandbox);
        let database = clickhouse.database("faults");
        let store = Store::ClickHouse { url: clickhouse.url(), database };
        clickhouse.kill();
        let path = disk.map_or_else(|| sandbox.path("queue"), Disk::queue);
        let queue = json!({"path": path, "segment_bytes": "1MiB", "max_bytes": "64MiB"});
        let collector = Collector::configured(&sandbox, "collector", &store, &json!({"queue": queue}));
        let mut collector = collector.started_by(entrance);
        collector.start_again(&sandbox);
        Self { collector, clickhouse, sandbox, next: 0, answered: Vec::new() }
    }

    /// One request, and the status that it is answered with.
    fn post(&mut self) -> u16 {
        self.next += 1;
        let answer = self.collector.post_span(self.next, BYTES);
        let answer = answer.unwrap_or_else(|error| panic!("no answer: {error}"));
        if answer.status == 200 {
            self.answered.push(format!("{:016x}", self.next));
        } else {
            let retry = answer.headers.iter().find(|(name, _)| name == "retry-after");
            assert!(retry.is_some(), "{} without Retry-After: {}", answer.status, answer.text());
        }
        answer.status
    }

    fn post_until(&mut self, status: u16) {
        wait::until(&format!("an answer of {status}"), || (self.post() == status).then_some(()));
    }

    fn failed(&self, reason: &str) -> u64 {
        self.collector.metric(&format!("meshtap_batches_failed_total{{reason=\"{reason}\"}}"))
    }

    fn failures(&self, operation: &str) -> u64 {
        self.collector.metric(&format!("meshtap_queue_failures_total{{operation=\"{operation}\"}}"))
    }

    fn readiness(&self) -> u16 {
        self.collector.get("/health/ready").status
    }

    /// Everything that was answered with success is in the store, once, when that comes.
    fn everything_answered_is_there(&mut self) {
        self.clickhouse.start_again(&self.sandbox);
        let waiting = "meshtap_queue_waiting_entries{cursor=\"store\"}";
        wait::until("the queue to be empty", || (self.collector.metric(waiting) == 0).then_some(()));
        let spans = self.collector.get("/api/v1/spans?limit=1000").json();
        let spans = spans["spans"].as_array().into_iter().flatten();
        let mut stored: Vec<&str> = spans.filter_map(|span| span["span_id"].as_str()).collect();
        stored.sort_unstable();
        let all = stored.len();
        stored.dedup();
        assert_eq!(stored.len(), all, "shown twice");
        for id in &self.answered {
            assert!(stored.binary_search(&id.as_str()).is_ok(), "{id} was answered and is lost");
        }
    }
}

#[test]
fn a_full_disk() {
    let sandbox = Sandbox::new("disk-full");
    let Some(disk) = Disk::mount(&sandbox, Kind::Full) else { return };
    let mut faulty = Faulty::start(sandbox, Some(&disk), disk.entrance());
    faulty.post_until(200);
    disk.fill();
    faulty.post_until(429);
    assert!(faulty.failed("disk_full") > 0);
    assert!(faulty.failures("write") + faulty.failures("create") > 0);
    // It goes on by itself.
    disk.free();
    faulty.post_until(200);
    assert_eq!(faulty.readiness(), 200);
    disk.fill();
    faulty.post_until(429);
    faulty.collector.kill();
    disk.free();
    faulty.collector.start_again(&faulty.sandbox);
    faulty.post_until(200);
    faulty.everything_answered_is_there();
}

#[test]
fn a_disk_that_fails_to_sync() {
    let sandbox = Sandbox::new("disk-sync");
    let Some(disk) = Disk::mount(&sandbox, Kind::FailsToSync) else { return };
    let mut faulty = Faulty::start(sandbox, Some(&disk), disk.entrance());
    faulty.post_until(200);
    disk.fill();
    wait::until("a sync that fails", || {
        faulty.post();
        (faulty.failures("sync") > 0).then_some(())
    });
    assert!(faulty.failed("queue_unavailable") + faulty.failed("disk_full") > 0);
    disk.free();
    faulty.post_until(200);
    assert_eq!(faulty.readiness(), 200);
    // It is not mounted again: a device below which nothing is left says that it has synced what it has not, as writing
    // to a file and syncing it shows without any collector. What the device has is looked at in the next test.
    faulty.collector.kill();
    faulty.collector.start_again(&faulty.sandbox);
    faulty.post_until(200);
    faulty.everything_answered_is_there();
}

#[test]
fn a_disk_that_turns_read_only() {
    let sandbox = Sandbox::new("disk-read-only");
    let Some(disk) = Disk::mount(&sandbox, Kind::TurnsReadOnly) else { return };
    let mut faulty = Faulty::start(sandbox, Some(&disk), disk.entrance());
    for _ in 0..10 {
        faulty.post_until(200);
    }
    disk.fill();
    wait::until("a disk that is read-only", || {
        faulty.post();
        (faulty.failures("create") > 0).then_some(())
    });
    disk.free();
    assert_eq!(faulty.post(), 503);
    assert!(faulty.failed("queue_unavailable") > 0);
    assert_eq!(faulty.readiness(), 503);
    faulty.collector.kill();
    disk.remount();
    faulty.collector.start_again(&faulty.sandbox);
    faulty.post_until(200);
    faulty.everything_answered_is_there();
}

/// Writes beyond the largest size of a file fail, however much room there is.
#[test]
fn files_that_may_not_grow() {
    let script = "trap '' XFSZ; ulimit -f 512; exec \"$@\"";
    let entrance = ["sh", "-c", script, "sh"].map(str::to_owned).to_vec();
    let mut faulty = Faulty::start(Sandbox::new("writes-fail"), None, entrance);
    faulty.post_until(429);
    assert!(faulty.failures("write") > 0);
    assert!(faulty.failed("disk_full") > 0);
    // The next segment takes what comes, until it is as large.
    faulty.post_until(200);
    faulty.post_until(429);
    faulty.collector.kill();
    faulty.collector.start_again(&faulty.sandbox);
    faulty.post_until(200);
    faulty.everything_answered_is_there();
}

/// A collector that starts then takes spans all the same, and says what it lacks.
#[test]
fn the_disk_of_sqlite_is_full() {
    let sandbox = Sandbox::new("store-full");
    let Some(disk) = Disk::mount(&sandbox, Kind::Full) else { return };
    let file = json!({"kind": "sqlite", "sqlite": {"path": disk.queue().join("spans.db")}});
    let more = json!({"store": file, "pump": {"max_backoff": "200ms"}});
    let collector = Collector::configured(&sandbox, "collector", &Store::Sqlite, &more);
    let mut collector = collector.started_by(disk.entrance());
    collector.start_again(&sandbox);
    let mut next = 0;
    let mut post = |collector: &Collector| {
        next += 1;
        let answer = collector.post_span(next, BYTES).unwrap_or_else(|error| panic!("no answer: {error}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        next
    };
    let store_is = |collector: &Collector, status: &str| {
        let health = collector.get("/health/ready");
        assert_eq!(health.status, 200);
        let health = health.json();
        let checks = health["checks"].as_array().into_iter().flatten();
        checks.clone().any(|check| check["name"] == "store" && check["status"] == status)
    };
    post(&collector);
    disk.fill();
    wait::until("a write that finds no room", || {
        post(&collector);
        store_is(&collector, "degraded").then_some(())
    });
    collector.kill();
    collector.start_again(&sandbox);
    // A database that can be opened is in order until something is to be written.
    wait::until("the store's answer", || store_is(&collector, "degraded").then_some(()));
    let all = post(&collector);
    disk.free();
    wait::until("everything to be stored", || {
        let count = collector.get("/api/v1/spans?limit=1000");
        let stored = (count.status == 200).then(|| count.json()["spans"].as_array().map_or(0, Vec::len))?;
        (stored as u64 == all && store_is(&collector, "ok")).then_some(())
    });
}
