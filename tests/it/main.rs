//! The integration tests: real Envoy, real ClickHouse engine, real SDK; the provider is a stand-in.
//!
//! - [`parts`]: the support itself, without filter and collector.
//! - [`openai_chat`]: what a good answer becomes. [`endings`]: every way in which an exchange ends.
//! - [`bad_input`]: bodies and configurations that nobody should send. [`collector_outage`]: nobody takes the spans.
//! - [`collector_export`]: what the collector sends onward, to a second one.
//! - [`content`]: what messages say arrives redacted, where that is asked for.
//! - [`chaos`]: killed under load, everything that was answered is there once.
//! - [`overload`]: a ClickHouse with too little memory for a whole batch.
//! - [`faults`]: disks of the queue that are full, read-only or fail to sync.
//! - [`instrumentations`]: spans that other tracers make around the official SDKs.
//! - [`export`]: how spans leave the sidecar.
//! - [`pushes`]: configurations and modules that change while Envoy runs.
//! - [`trap_sites`]: what has made modules trap.
//! - [`store_clickhouse`]: the stores' conformance suite against the real server.
//! - [`two_collectors`]: on one ClickHouse, with the same spans.
//! - [`replay`]: recorded exchanges through the module without Envoy.
//! - [`benches`]: the parts of the benchmarks, for a moment.
//! - [`manifests`]: what is shipped for Istio and Kubernetes. [`size`]: how large the module may be.
#![expect(clippy::panic, reason = "helpers of tests fail the test")]
#![expect(clippy::print_stdout, reason = "what a failed test prints is shown")]

mod bad_input;
mod benches;
mod chaos;
mod collector_export;
mod collector_outage;
mod content;
mod endings;
mod expect;
mod export;
mod faults;
mod instrumentations;
mod manifests;
mod openai_chat;
mod overload;
mod parts;
mod pushes;
mod replay;
mod size;
mod store_clickhouse;
mod trap_sites;
mod two_collectors;
