//! What the collector takes from senders to the store, beside rotel: spans a second, processor time, latency, memory.
//!
//! Senders ([`load`]) send what [`spans`] makes to a side ([`sides`]), which inserts into a [`sink`] that does nothing. A
//! span has arrived when the sink has answered its insert; in the end the real ClickHouse decodes what was kept, and
//! every span that was sent has to be there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use self::load::{Load, Sent};
use self::sides::{COUNTED, DATABASE, Running, Side};
use self::sink::Sink;
use self::spans::Requests;
use crate::clickhouse::ClickHouse;
use crate::sandbox::Sandbox;

pub mod load;
pub mod report;
pub mod sides;
pub mod sink;
pub mod spans;

/// Senders, and requests of each at the same time, at full load.
const CONNECTIONS: usize = 2;
const IN_FLIGHT: usize = 4;
/// At a steady rate requests do not wait for each other.
const STEADY_IN_FLIGHT: usize = 32;
/// Without an insert for so long, nothing is on its way any more.
const QUIET: Duration = Duration::from_secs(2);

/// The tables that rotel writes, by its own names; only what they hold is counted, so they have no keys.
const OTEL_TRACES: &str = "CREATE TABLE counted.otel_traces (Timestamp DateTime64(9), TraceId String, SpanId String, \
    ParentSpanId String, TraceState String, SpanName String, SpanKind String, ServiceName String, \
    ResourceAttributes Map(String, String), ScopeName String, ScopeVersion String, \
    SpanAttributes Map(String, String), Duration Int64, StatusCode String, StatusMessage String, \
    `Events.Timestamp` Array(DateTime64(9)), `Events.Name` Array(String), \
    `Events.Attributes` Array(Map(String, String)), `Links.TraceId` Array(String), \
    `Links.SpanId` Array(String), `Links.TraceState` Array(String), \
    `Links.Attributes` Array(Map(String, String))) ENGINE = Memory";

/// Everything but the side.
pub struct Rig {
    runtime: Runtime,
    sandbox: Sandbox,
    clickhouse: ClickHouse,
    sink: Sink,
    requests: Arc<Requests>,
}

/// Full load on one side, once.
#[derive(Clone, Copy, Debug)]
pub struct Passage {
    pub spans: u64,
    /// From the first request to the last answer, and to when the last insert had come.
    pub answering: Duration,
    pub arriving: Duration,
    pub cpu: Duration,
    /// Attempts that were repeated.
    pub repeated: u64,
    pub peak_mib: f64,
    pub insert_bytes: u64,
    /// Spans in the inserts, and how many of them are different ones.
    pub rows: u64,
    pub distinct: u64,
}

impl Passage {
    pub fn spans_per_second(&self) -> f64 {
        real(self.spans) / self.arriving.as_secs_f64()
    }

    pub fn answered_per_second(&self) -> f64 {
        real(self.spans) / self.answering.as_secs_f64()
    }

    pub fn insert_bytes_per_span(&self) -> f64 {
        real(self.insert_bytes) / real(self.spans)
    }

    pub fn cpu_seconds_per_million(&self) -> f64 {
        self.cpu.as_secs_f64() / real(self.spans) * 1e6
    }
}

/// Memory while the store is away, once a second.
#[derive(Clone, Debug)]
pub struct Away {
    pub spans: u64,
    pub resident_mib: Vec<f64>,
}

impl Away {
    pub fn peak_mib(&self) -> f64 {
        self.resident_mib.iter().copied().fold(0.0, f64::max)
    }

    /// How fast it grows over the last half, by the line that fits it best (least squares), in MiB an hour. Short runs
    /// say little: a step of one MiB within a minute is sixty an hour.
    pub fn slope_mib_per_hour(&self) -> f64 {
        let last = &self.resident_mib[self.resident_mib.len() / 2..];
        let middle = (real(last.len() as u64) - 1.0) / 2.0;
        let mean = last.iter().sum::<f64>() / real(last.len() as u64);
        let (mut products, mut squares) = (0.0, 0.0);
        for (second, mib) in (0..).zip(last) {
            let from_middle = real(second) - middle;
            products += from_middle * (mib - mean);
            squares += from_middle * from_middle;
        }
        // One reading has no slope.
        if squares > 0.0 { products / squares * 3600.0 } else { 0.0 }
    }

    /// How much the peak of the last third lies above that of the third before it.
    pub fn growth_mib(&self) -> f64 {
        let third = self.resident_mib.len() / 3;
        let (before, last) = self.resident_mib.split_at(self.resident_mib.len() - third);
        let peak = |part: &[f64]| part.iter().copied().fold(0.0, f64::max);
        peak(last) - peak(&before[before.len().saturating_sub(third)..])
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn real(number: u64) -> f64 {
    number as f64
}

impl Rig {
    #[track_caller]
    pub fn start(name: &str) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let sandbox = Sandbox::new(name);
        let clickhouse = ClickHouse::start(&sandbox);
        let sink = Sink::start(runtime.handle(), clickhouse.address());
        clickhouse.database(DATABASE);
        clickhouse.database(COUNTED);
        clickhouse.query(OTEL_TRACES);
        Self { runtime, sandbox, clickhouse, sink, requests: Arc::new(Requests::new(1)) }
    }

    pub fn bytes_per_span(&self) -> usize {
        self.requests.bytes_per_span()
    }

    /// So many requests through a new process, as fast as they are answered.
    #[track_caller]
    pub fn pass(&self, side: Side, batches: u64) -> Passage {
        let running = self.start_side(side);
        // Connections are opened, the schema is looked at.
        self.run(full_load(running.grpc(), 8));
        self.wait_until_quiet(&running);
        self.sink.clear();
        let before = running.process().cpu_time();
        let sent = self.run(full_load(running.grpc(), batches));
        let last = self.wait_until_quiet(&running);
        let cpu = running.process().cpu_time().saturating_sub(before);
        let peak_mib = running.memory().peak_mib();
        drop(running);
        let (rows, distinct) = self.count(side);
        Passage {
            spans: sent.spans,
            answering: sent.answered - sent.started,
            arriving: last.unwrap_or(sent.answered) - sent.started,
            cpu,
            repeated: sent.repeated,
            peak_mib,
            insert_bytes: self.sink.bytes() as u64,
            rows,
            distinct,
        }
    }

    /// A steady rate through a new process.
    #[track_caller]
    pub fn steady(&self, side: Side, spans_per_second: u32, time: Duration) -> Sent {
        let running = self.start_side(side);
        self.run(steady_load(running.grpc(), spans_per_second, Duration::from_secs(1)));
        self.sink.clear();
        let sent = self.run(steady_load(running.grpc(), spans_per_second, time));
        self.wait_until_quiet(&running);
        sent
    }

    /// A steady rate while the store cannot be reached.
    #[track_caller]
    pub fn away(&mut self, side: Side, spans_per_second: u32, time: Duration) -> Away {
        let running = self.start_side(side);
        self.run(steady_load(running.grpc(), spans_per_second, Duration::from_secs(1)));
        self.sink.leave(self.runtime.handle());
        let load = steady_load(running.grpc(), spans_per_second, time);
        let requests = Arc::clone(&self.requests);
        let load = self.runtime.spawn(async move { load.run(&requests).await });
        let mut resident_mib = Vec::new();
        while !load.is_finished() {
            resident_mib.push(running.memory().mib());
            sleep(Duration::from_secs(1));
        }
        let sent = self.runtime.block_on(load).expect("the load does not fail");
        drop(running);
        self.sink.come_back(self.runtime.handle());
        self.sink.clear();
        Away { spans: sent.spans, resident_mib }
    }

    /// With an empty queue.
    #[track_caller]
    fn start_side(&self, side: Side) -> Running {
        let _ = std::fs::remove_dir_all(self.sandbox.path("meshtap-queue"));
        Running::start(side, &self.sandbox, self.sink.url())
    }

    fn run(&self, load: Load) -> Sent {
        self.runtime.block_on(load.run(&self.requests))
    }

    /// When the last insert came.
    #[track_caller]
    fn wait_until_quiet(&self, running: &Running) -> Option<Instant> {
        let asked = Instant::now();
        loop {
            let last = self.sink.last();
            if last.unwrap_or(asked).max(asked).elapsed() > QUIET && running.is_drained() {
                return last;
            }
            sleep(Duration::from_millis(50));
        }
    }

    /// What the inserts hold, as ClickHouse reads them.
    #[track_caller]
    fn count(&self, side: Side) -> (u64, u64) {
        let (table, id) = side.counted_by();
        if side == Side::Meshtap {
            self.clickhouse.query(&format!("DROP TABLE IF EXISTS {COUNTED}.{table} SYNC"));
            self.clickhouse
                .query(&format!("CREATE TABLE {COUNTED}.{table} AS {DATABASE}.{table} ENGINE = Memory"));
        }
        self.sink.replay(DATABASE, COUNTED);
        let counted =
            self.clickhouse.query(&format!("SELECT count(), uniqExact({id}) FROM {COUNTED}.{table}"));
        self.clickhouse.query(&format!("TRUNCATE TABLE {COUNTED}.{table}"));
        let mut numbers = counted.split_ascii_whitespace().filter_map(|number| number.parse().ok());
        (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
    }
}

fn full_load(to: SocketAddr, batches: u64) -> Load {
    Load { to, connections: CONNECTIONS, in_flight: IN_FLIGHT, batches, spans_per_second: None }
}

fn steady_load(to: SocketAddr, spans_per_second: u32, time: Duration) -> Load {
    let batches = u64::from(spans_per_second) * time.as_secs() / spans::SPANS as u64;
    Load {
        to,
        connections: CONNECTIONS,
        in_flight: STEADY_IN_FLIGHT / CONNECTIONS,
        batches: batches.max(1),
        spans_per_second: Some(spans_per_second),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(resident_mib: &[f64], expected: f64) {
        let slope = Away { spans: 0, resident_mib: resident_mib.to_vec() }.slope_mib_per_hour();
        assert!((slope - expected).abs() < 1e-6, "{resident_mib:?}: {slope}");
    }

    #[test]
    fn the_slope_is_that_of_the_last_half() {
        check(&[], 0.0);
        check(&[70.0], 0.0);
        check(&[10.0, 40.0, 70.0, 70.0, 70.0, 70.0], 0.0);
        check(&[90.0, 80.0, 70.0, 70.0, 71.0, 72.0, 73.0, 74.0], 3600.0);
        check(&[90.0, 80.0, 70.0, 71.0, 70.0, 71.0], 0.0);
    }
}
