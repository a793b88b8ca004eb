//! What the collector says about itself and about the calls it has seen.

pub mod connections;
#[cfg(test)]
mod documented;
pub mod export;
pub mod exposition;
pub mod labels;
pub mod llmtrace;
pub mod logging;
pub mod metrics;
pub mod queue;
mod sidecar_configs;
pub mod tasks;
pub mod tls;
