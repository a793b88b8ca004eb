//! What the end-to-end tests and the demo stand on: the real parts, started and stopped, and a provider of ours.
//!
//! Read in this order:
//!
//! - [`tools`] finds what `make` brought and built: Envoy, the ClickHouse engine, Python, the filter, the collector.
//! - [`sandbox`] is a folder of a test's own; [`process`] a child that ends with it and shows its log when it fails;
//!   [`wait`] the only way to wait: for a condition, with a deadline.
//! - [`standin`] answers as an LLM provider does and remembers every byte it was sent and sent itself.
//! - [`envoy`], [`collector`], [`clickhouse`] start the real parts; [`workload`] says whose sidecar an Envoy is.
//! - [`trapping`] is the filter with a trap in it.
//! - [`disk`] is a disk that fails, for a collector's queue.
//! - [`client`] makes calls with the official SDK; [`http`] with bytes of the test's own choice.
//! - [`wire`] is both ends of a call that goes wrong, in HTTP/1.1 and HTTP/2, byte by byte.
//! - [`conformance`] puts recorded exchanges through the module without Envoy.
//! - [`mod@bench`] is how a benchmark writes down what it measured; [`overhead`] loads Envoys with filters and without.
//! - [`storebench`] measures what the stores take.
//! - [`collectorbench`] measures what the collector takes from senders to the store, beside another one.
//! - [`storm`] is traffic that does everything wrong, through Envoy and the filter.
//! - [`chaos`] kills collectors and stores under load, and counts what is left.
//! - [`mesh`] puts them together: one call, made without the filter and with it into every store.
//!
//! Everything is blocking: a test reads top to bottom. A part that cannot start panics with its log, because a test
//! without it has nothing to say.
#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a part that fails to start ends the test, with its log"
)]
#![expect(
    clippy::print_stderr,
    reason = "the logs of a failed test's parts go where the test's own output goes"
)]

pub mod bench;
pub mod chaos;
pub mod clickhouse;
pub mod client;
pub mod collector;
pub mod collectorbench;
pub mod conformance;
pub mod disk;
pub mod envoy;
pub mod growth;
pub mod http;
pub mod mesh;
pub mod overhead;
pub mod ports;
pub mod process;
pub mod receiver;
pub mod sandbox;
pub mod spans;
pub mod standin;
pub mod storebench;
pub mod storm;
pub mod tools;
pub mod trapping;
pub mod wait;
pub mod wire;
pub mod workload;
