//! What the collector says about itself and about the calls it has seen.

pub mod exposition;
pub mod labels;
pub mod logging;
pub mod metrics;
mod sidecar_configs;
