//! What is measured: our collector as it is shipped, with its queue on disk, and rotel, which has none. Both take OTLP/gRPC
//! and insert into the same sink.

use std::net::SocketAddr;
use std::process::Command;

use crate::collector::{Collector, Store};
use crate::overhead::cost::Memory;
use crate::ports;
use crate::process::Process;
use crate::sandbox::Sandbox;
use crate::tools;

/// The database of the collector's spans, whose tables are the shipped ones, and the one they are counted in.
pub const DATABASE: &str = "bench";
pub const COUNTED: &str = "counted";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Meshtap,
    Rotel,
}

impl Side {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meshtap => "meshtap",
            Self::Rotel => "rotel",
        }
    }

    /// The table that spans are counted in, and the column that tells them apart.
    pub const fn counted_by(self) -> (&'static str, &'static str) {
        match self {
            Self::Meshtap => ("spans", "span_id"),
            Self::Rotel => ("otel_traces", "SpanId"),
        }
    }
}

/// A running side.
pub enum Running {
    Meshtap(Collector),
    Rotel { process: Process, grpc: SocketAddr },
}

impl Running {
    /// `url` is the store's.
    #[track_caller]
    pub fn start(side: Side, sandbox: &Sandbox, url: String) -> Self {
        match side {
            Side::Meshtap => {
                let store = Store::ClickHouse { url, database: DATABASE.to_owned() };
                Self::Meshtap(Collector::start(sandbox, "meshtap", &store))
            }
            Side::Rotel => Self::start_rotel(sandbox, &url),
        }
    }

    #[track_caller]
    fn start_rotel(sandbox: &Sandbox, url: &str) -> Self {
        let (grpc, http) = (ports::free_address(), ports::free_address());
        let mut command = Command::new(tools::rotel().expect("a rotel that is installed"));
        command.args(["start", "--exporter", "clickhouse", "--clickhouse-exporter-database", COUNTED]);
        command.args(["--clickhouse-exporter-endpoint", url]);
        command.args(["--otlp-grpc-endpoint", &grpc.to_string(), "--otlp-http-endpoint", &http.to_string()]);
        let process = Process::spawn("rotel", command, sandbox);
        process.wait_ready(|| std::net::TcpStream::connect(grpc).ok());
        Self::Rotel { process, grpc }
    }

    pub fn grpc(&self) -> SocketAddr {
        match self {
            Self::Meshtap(collector) => collector.grpc(),
            Self::Rotel { grpc, .. } => *grpc,
        }
    }

    #[track_caller]
    pub fn process(&self) -> &Process {
        match self {
            Self::Meshtap(collector) => collector.process().expect("a running collector"),
            Self::Rotel { process, .. } => process,
        }
    }

    /// Whether nothing waits for the store, as far as the side tells: rotel does not.
    pub fn is_drained(&self) -> bool {
        let Self::Meshtap(collector) = self else { return true };
        let waiting = "meshtap_queue_waiting_entries{cursor=\"store\"} 0";
        collector.get("/metrics").text().lines().any(|line| line == waiting)
    }

    pub fn memory(&self) -> Memory {
        Memory::of(self.process().id())
    }
}
